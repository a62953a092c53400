"""`course test`: ruff, pytest, and nbval over the solutions, each to its end, then one line for each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from course_utils.lab import HOME, private_environment, write_settings

ROOT = Path(__file__).resolve().parents[1]
# Two files at once, in the order given: a notebook is a file, and the one with the fewest cells may take longest.
WORKERS = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def steps(root: Path, pytest_arguments: list[str]) -> list[tuple[str, list[str] | None]]:
    """What to run: a name and the arguments of `python -m`, or None where there is nothing to run it on."""
    names = (str(path.relative_to(root)) for path in (root / "solutions").glob("*.ipynb"))
    solutions = sorted(names, reverse=True)  # later ones train more: begun last, one would run alone at the end
    nbval = ["pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-q", *WORKERS, *solutions]
    return [
        ("ruff check", ["ruff", "check", "."]),
        ("ruff format", ["ruff", "format", "--check", "."]),
        ("pytest", ["pytest", *WORKERS, *pytest_arguments]),
        ("nbval", nbval if solutions else None),
    ]


def run_tests(pytest_arguments: list[str], root: Path = ROOT) -> int:
    """Run every step, with one thread a worker; returns 0 where all of them passed and 1 where not."""
    write_settings(root / HOME)
    environment = private_environment(dict(os.environ), root) | dict.fromkeys(THREADS, "1")
    progress = tempfile.TemporaryDirectory()  # solutions that are run here are not the learner's progress
    environment["COURSE_PROGRESS"] = os.path.join(progress.name, "progress.json")
    summary, failed = [], False
    for name, arguments in steps(root, pytest_arguments):
        if arguments is None:
            summary.append(f"{name:12} nothing to run: there is no notebook in solutions/ yet")
            continue
        print(f"\n--- {name}", flush=True)
        start = time.monotonic()
        status = subprocess.run([sys.executable, "-m", *arguments], cwd=root, env=environment).returncode
        failed |= status != 0
        summary.append(f"{name:12} {'FAILED' if status else 'ok':6} {time.monotonic() - start:5.0f} s")
    print("\n" + "\n".join(summary), flush=True)
    return int(failed)
