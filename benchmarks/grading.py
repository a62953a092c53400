"""Time `course grade` beside `nbgrader autograde` and `otter run`, on the same submissions of notebook 01.

    python benchmarks/grading.py                            # 100 submissions, the peers on the first 12: some minutes
    python benchmarks/grading.py --peer-submissions 100     # the peers on all of them: half an hour and more

The submissions are what honest students hand in: right, with errors, weak, oddly edited. `course grade` gets them as
they are, and its time is that of the whole command with its default options, feedback and class report included. The
peers get a copy that holds only the set-up, exercise and check cells, so that they are not charged for experiments;
their tests call the public `check`. nbgrader has one command for all submissions, otter one for each; both do one
after the other. Peak memory is the sum of PSS over all processes of a command, looked at every 0.2 s.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import hashlib
import importlib.util
import json
import math
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psutil
import typer

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from course_utils.grading.results import SubmissionResult

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "course_utils"
NAME = "01_sne_to_tsne"
SEED = 0  # of the class
HONEST = ("right", "errors", "weak", "edited")  # kinds of the practice class; not the broken and the hostile ones
PEERS = {"nbgrader": "nbgrader", "otter": "otter-grader"}  # module, and what the package index calls it
EVERY = 0.2  # seconds between two looks at a command's memory
MIB = 1 << 20
Marks = dict[str, dict[str, float | None]]
"""Points by student and exercise; None where the grader gave no mark."""

# What a submission's way from file to feedback depends on: the results name the hash of these files' code.
SOURCES = ("grading", "judge", "run.py", "values.py", "notebook.py", "feedback.py", "frozen.py")


def source_hash() -> str:
    """SHA-256 of the code in SOURCES, without comments."""
    files = [path for name in SOURCES for path in sorted((PACKAGE / name).rglob("*.py")) or [PACKAGE / name]]
    code = [ast.unparse(ast.parse(path.read_text(encoding="utf-8"))) for path in files]
    return hashlib.sha256("\n".join(code).encode()).hexdigest()


# ---------------------------------------------------------------- the class


@dataclass(frozen=True)
class HandedIn:
    """A submission of the class: who, of which kind, and the file's name and content."""

    student: str
    kind: str
    file: str
    content: bytes


def make_class(count: int) -> list[HandedIn]:
    """The first `count` honest students of a practice class; the same every time."""
    from course_utils.grading import demo_answers, demo_class

    course = demo_class.Course(NAME, demo_answers.released(NAME), demo_answers.pools(NAME, SEED))
    share = sum(demo_class.MIX[kind] for kind in HONEST) / sum(demo_class.MIX.values())
    students = demo_class.roll(math.ceil(count / share) + len(demo_class.MIX), SEED)
    honest = [(kind, what) for _, kind, what in students if kind in HONEST][:count]
    made = []
    for number, (kind, what) in enumerate(honest, start=1):
        student = f"student-{number:03d}"
        done = demo_class.submission(course, kind, what, random.Random(f"{SEED} {student}"))
        made.append(HandedIn(student, ": ".join([kind, *what]), done.file, done.content))
    return made


def slim(full: NotebookNode, released: set[str]) -> NotebookNode:
    """A copy with the set-up, exercise and check cells alone, and the student's own cells that only define something.

    `released` has the sources of the code cells that were handed out. Without the student's own definitions, answers
    that were typed into a new cell, or that use a helper, would be lost.
    """
    from course_utils import notebook

    small = copy.deepcopy(full)
    code = [cell for cell in small.cells if cell.cell_type == "code"]
    small.cells = code[:1] + [
        cell
        for cell in code[1:]
        if notebook.exercise_of(cell)
        or notebook.checked_by(cell)
        or (plain(cell.source) not in released and only_defines(cell.source))
    ]
    return small


def plain(source: str) -> str:
    """A source with one kind of line end."""
    return "\n".join(source.splitlines())


def only_defines(source: str) -> bool:
    """Whether a cell's statements are imports, functions, classes and assignments, one function or class at least."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    definitions = (ast.FunctionDef, ast.ClassDef)
    harmless = (*definitions, ast.Import, ast.ImportFrom, ast.Assign)
    return all(isinstance(node, harmless) for node in body) and any(isinstance(node, definitions) for node in body)


def slim_copies(handed_in: Sequence[HandedIn]) -> dict[str, NotebookNode]:
    """What the peers get, by student."""
    import nbformat

    from course_utils.grading import demo_answers

    released = {plain(cell.source) for cell in demo_answers.released(NAME).cells if cell.cell_type == "code"}
    return {one.student: slim(nbformat.reads(one.content.decode(), as_version=4), released) for one in handed_in}


# ---------------------------------------------------------------- running a command


@dataclass
class Measured:
    """A command that has ended: seconds, peak memory in bytes, its exit status, and the end of what it printed."""

    seconds: float
    peak: int
    status: int
    printed: str


def measure(command: list[str], folder: Path, look: Callable[[float], None] = lambda seconds: None) -> Measured:
    """Run a command in a folder; `look` hears every EVERY seconds how long it has run."""
    environment = dict(os.environ, PYTHONPATH=str(PROJECT), JUPYTER_PREFER_ENV_PATH="1")
    environment["COURSE_PROGRESS"] = str(folder / "progress.json")
    # nbgrader calls alembic by its bare name, which stands beside this Python
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    peak = 0
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(EVERY)
                break
            peak = max(peak, memory(process.pid))
            look(time.perf_counter() - start)
        seconds = time.perf_counter() - start
        output.seek(0)
        return Measured(seconds, peak, process.returncode, output.read().decode(errors="replace")[-2000:])


def succeed(
    what: str, command: list[str], folder: Path, look: Callable[[float], None] = lambda seconds: None
) -> Measured:
    """Run a command that must succeed; ends the benchmark with what it printed where it does not."""
    done = measure(command, folder, look)
    if done.status != 0:
        raise SystemExit(f"{what} ended with status {done.status}; the last that it printed:\n{done.printed}")
    return done


def memory(pid: int) -> int:
    """Bytes of memory that a process and all its descendants use: PSS, so that shared pages count once.

    Where the system does not tell the PSS of a process (a sandbox seen by an ordinary user), all that is resident
    counts, which is more.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return sum(map(own_memory, [root, *root.children(recursive=True)]))
    return 0


def own_memory(process: psutil.Process) -> int:
    """Bytes of one process; 0 where it has ended."""
    try:
        return process.memory_full_info().pss
    except psutil.AccessDenied:
        with contextlib.suppress(psutil.Error):
            return process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return 0


# ---------------------------------------------------------------- ours


def run_ours(handed_in: Sequence[HandedIn], folder: Path) -> tuple[Measured, list[SubmissionResult], dict[str, float]]:
    """`course grade` on all submissions: what was measured, the results, and the seconds of each stage."""
    from course_utils.grading.gradebook import Gradebook
    from course_utils.grading.run import GRADEBOOK

    for one in handed_in:
        path = folder / "submissions" / one.student / one.file
        path.parent.mkdir(parents=True)
        path.write_bytes(one.content)
    seen: list[tuple[float, int]] = []

    def look(seconds: float) -> None:
        seen.append((seconds, recorded(folder / "graded" / GRADEBOOK)))

    command = [sys.executable, "-m", "course_utils", "grade", "submissions", "--out", "graded", "--seed", "benchmark"]
    done = succeed("`course grade`", command, folder, look)
    with Gradebook(folder / "graded" / GRADEBOOK, writing=False) as book:
        results = book.results()
    return done, results, stages(done.seconds, seen, len(handed_in))


def recorded(gradebook: Path) -> int:
    """How many submissions a gradebook that is being written has."""
    try:
        with contextlib.closing(sqlite3.connect(f"{gradebook.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM submission").fetchone()[0]
    except sqlite3.OperationalError:  # not made yet
        return 0


def stages(seconds: float, seen: list[tuple[float, int]], count: int) -> dict[str, float]:
    """Where a run's seconds went, from (seconds, submissions recorded), to within EVERY."""
    first = next((when for when, number in seen if number > 0), seconds)
    last = next((when for when, number in seen if number >= count), seconds)
    return {
        "until the first submission is marked": first,
        "marking the others": last - first,
        "feedback and report": seconds - last,
    }


def per_submission(results: Sequence[SubmissionResult]) -> dict[str, float]:
    """Mean seconds for one submission: calls of the student's functions, and the rest of marking."""
    calls = sum(one.seconds for result in results for one in result.exercises) / len(results)
    whole = sum(result.seconds for result in results) / len(results)
    return {"calls of the student's functions": calls, "process, fresh answers, explanations": whole - calls}


# ---------------------------------------------------------------- nbgrader


def run_nbgrader(copies: dict[str, NotebookNode], folder: Path) -> tuple[Measured, Marks]:
    """`nbgrader autograde` on the copies, and its marks. Making the assignment is not timed.

    It gets no submission with a duplicated cell: it would stop there and grade none that comes after.
    """
    from course_utils import notebook, release

    release.fill_nbgrader(folder)
    source = folder / "source" / NAME / f"{NAME}.ipynb"
    full = notebook.read(source)
    notebook.write(source, slim(full, {plain(cell.source) for cell in full.cells}))
    nbgrader = [sys.executable, "-m", "nbgrader"]
    succeed("`nbgrader generate_assignment`", [*nbgrader, "generate_assignment", NAME, "--create"], folder)
    for student, full in copies.items():
        if duplicates(full):
            continue
        notebook.write(folder / "submitted" / student / NAME / f"{NAME}.ipynb", full)
    # It ends with status 1 where it gives up on a submission; that one has no marks.
    done = measure([*nbgrader, "autograde", NAME, "--create"], folder)
    return done, nbgrader_marks(folder, list(copies))


def duplicates(full: NotebookNode) -> bool:
    """Whether several cells of a notebook have the same id for grading."""
    from course_utils import notebook

    ids = [grading["grade_id"] for cell in full.cells if (grading := notebook.grading_of(cell))]
    return len(set(ids)) < len(ids)


def nbgrader_marks(folder: Path, students: list[str]) -> Marks:
    """The points in nbgrader's gradebook; a submission on which it gave up has none."""
    from nbgrader.api import Gradebook

    marks: Marks = {student: {} for student in students}
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        for handed_in in book.assignment_submissions(NAME):
            student = handed_in.student.id
            if (folder / "autograded" / student / NAME / f"{NAME}.ipynb").exists():
                grades = [grade for one in handed_in.notebooks for grade in one.grades]
                marks[student] = {grade.name.removeprefix("check-"): grade.auto_score for grade in grades}
    return marks


# ---------------------------------------------------------------- otter

OTTER_TEST = """\
OK_FORMAT = True

test = {{
    "name": {id!r},
    "points": {points},
    "suites": [
        {{
            "type": "doctest",
            "cases": [
                {{
                    "code": ">>> import course_utils\\n>>> float(course_utils.check({id!r}))\\n{points}",
                    "hidden": False,
                }}
            ],
        }}
    ],
}}
"""


def otter_copy(full: NotebookNode) -> NotebookNode:
    """A slim copy as otter's assignments are: its own call where our check cell was, so that each test runs once."""
    from course_utils import notebook

    full = copy.deepcopy(full)
    full.cells[0].source = f"import otter\n\ngrader = otter.Notebook()\n{full.cells[0].source}"
    for cell in full.cells:
        exercise_id = notebook.checked_by(cell)
        if exercise_id:
            cell.source = f"grader.check({exercise_id!r})"
    return full


def run_otter(copies: dict[str, NotebookNode], folder: Path) -> tuple[Measured, Marks]:
    """`otter run` on one copy after the other, and the marks. Making the autograder zip is not timed."""
    from course_utils import exercises, notebook

    for one in exercises.of(NAME):
        notebook.write_text(folder / "tests" / f"{one.id}.py", OTTER_TEST.format(id=one.id, points=float(one.points)))
    otter = [sys.executable, "-m", "otter"]
    generate = ["generate", "--tests-dir", "tests", "--output-path", "autograder.zip"]
    succeed("`otter generate`", [*otter, *generate, "--no-requirements", "--no-environment", "--no-config"], folder)
    total, marks = Measured(0.0, 0, 0, ""), Marks()
    for student, full in copies.items():
        own = folder / "submitted" / student
        notebook.write(own / f"{NAME}.ipynb", otter_copy(full))
        command = ["run", f"{NAME}.ipynb", "--autograder", str(folder / "autograder.zip"), "--output-dir", "."]
        done = measure([*otter, *command], own)
        total = Measured(
            total.seconds + done.seconds, max(total.peak, done.peak), total.status or done.status, done.printed
        )
        results = own / "results.json"
        tests = json.loads(results.read_text(encoding="utf-8"))["tests"] if results.exists() else []
        marks[student] = {test["name"]: test["score"] for test in tests if "score" in test}
    return total, marks


# ---------------------------------------------------------------- what is said


def compare(results: Sequence[SubmissionResult], theirs: dict[str, Marks]) -> dict[str, Any]:
    """Marks beside each other where they should agree, and the list of those that do not.

    Follow-through credit counts as 0 here: the public check does not give it.
    """
    from course_utils.grading.results import Status

    differ, compared, none, follow_through = [], Counter(), Counter(), 0
    for result in results:
        for one in result.exercises:
            points = 0.0 if one.status is Status.FOLLOW_THROUGH else one.points
            given = {
                peer: marks[result.student].get(one.exercise)
                for peer, marks in theirs.items()
                if result.student in marks
            }
            if not given:
                continue
            follow_through += one.status is Status.FOLLOW_THROUGH
            compared.update(peer for peer, value in given.items() if value is not None)
            none.update(peer for peer, value in given.items() if value is None)
            if any(value is not None and value != points for value in given.values()):
                about = {"student": result.student, "exercise": one.exercise, "status": str(one.status)}
                differ.append(about | {"ours": points} | given)
    return {
        "compared": dict(compared),
        "without a mark": dict(none),
        "follow_through": follow_through,
        "disagreements": differ,
    }


def machine() -> dict[str, Any]:
    """What a reader needs to know about the machine: no names, no paths."""
    models = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    packages = ("torch", "numpy", "scipy", "nbgrader", "otter-grader", "nbclient", "ipykernel")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def row(grader: str, graded: Iterable[Any], done: Measured, load_before: float) -> dict[str, Any]:
    """One grader's figures; `graded` has something for each submission that it graded, and nothing for the others."""
    count = sum(map(bool, graded))
    if not count:
        raise SystemExit(f"{grader} graded nothing; the last that it printed:\n{done.printed}")
    return {
        "grader": grader,
        "submissions": count,
        "seconds": round(done.seconds, 2),
        "submissions_per_second": count / done.seconds,
        "peak_mib": round(done.peak / MIB),
        "load_before": load_before,
    }


def show(result: dict[str, Any]) -> None:
    """Print the figures as tables, and the marks that differ."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    columns = ("grader", "submissions", "seconds", "a second", "ours is faster by", "peak memory")
    table = Table(*columns, title="Grading notebook 01")
    for one in result["summary"]:
        ratio = "" if one["grader"] == "ours" else f"{one['ours_is_faster']:.1f} times"
        figures = f"{one['seconds']:.1f}", f"{one['submissions_per_second']:.3g}", ratio, f"{one['peak_mib']:,} MiB"
        table.add_row(one["grader"], str(one["submissions"]), *figures)
    console.print(table)
    table = Table("where our time goes", "", title="")
    for name, seconds in result["stages"].items():
        table.add_row(name, f"{seconds:.1f} s")
    for name, seconds in result["per_submission"].items():
        table.add_row(f"a submission: {name}", f"{1000 * seconds:.0f} ms")
    console.print(table)
    marks = result["marks"]
    for peer, number in marks["compared"].items():
        without = marks["without a mark"].get(peer, 0)
        wrong = sum(one[peer] is not None and one[peer] != one["ours"] for one in marks["disagreements"])
        console.print(f"{peer}: {number} marks compared, {wrong} differ; {without} exercises without a mark.")
    for one in marks["disagreements"]:
        console.print("  " + ", ".join(f"{name} {value}" for name, value in one.items()), markup=False)


def main(
    submissions: Annotated[int, typer.Option(min=1, help="How many are graded.")] = 100,
    peer_submissions: Annotated[int, typer.Option(min=1, help="How many of them, the first, the peers grade.")] = 12,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = PROJECT / "results" / "grading_benchmark.json",
) -> None:
    """Grade the same submissions by all three, print tables, and write what was measured."""
    missing = [package for module, package in PEERS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise SystemExit(f'{" and ".join(missing)} cannot be found: `pip install -e ".[bench]"` installs the peers.')
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # it sets variables that would tie the graders' threads
        handed_in = pool.submit(make_class, submissions).result()
    copies = slim_copies(handed_in[:peer_submissions])
    print(f"The class is made: {submissions} submissions; the peers grade the first {len(copies)}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="grading-") as place:
        folders = {name: Path(place) / name for name in ("ours", *PEERS)}
        for folder in folders.values():
            folder.mkdir()
        load = os.getloadavg()[0]
        done, results, where = run_ours(handed_in, folders["ours"])
        rows, theirs = [row("ours", results, done, load)], {}
        print(f"ours: {done.seconds:.1f} s", flush=True)
        for peer, run in (("nbgrader", run_nbgrader), ("otter", run_otter)):
            load = os.getloadavg()[0]
            done, theirs[peer] = run(copies, folders[peer])
            rows.append(row(peer, theirs[peer].values(), done, load))
            print(f"{peer}: {done.seconds:.1f} s", flush=True)
    kinds = {one.student: one.kind for one in handed_in}
    result = {
        "source_sha256": source_hash(),
        "machine": machine(),
        "settings": {"notebook": NAME, "kinds": dict(Counter(kind.split(":")[0] for kind in kinds.values()))},
        "summary": [
            one | {"ours_is_faster": rows[0]["submissions_per_second"] / one["submissions_per_second"]} for one in rows
        ],
        "stages": where,
        "per_submission": per_submission(results),
        "marks": compare(results, theirs),
    }
    for one in result["marks"]["disagreements"]:
        one["kind"] = kinds[one["student"]]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)


if __name__ == "__main__":
    typer.run(main)
