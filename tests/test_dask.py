"""Grading on a Dask cluster: a real scheduler and workers in processes of their own, on a small project."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sample_project import NAME, ROOT, SampleProject

from course_utils.errors import CourseError
from course_utils.grading import run
from course_utils.grading.desk import Settings
from course_utils.grading.gradebook import Gradebook
from course_utils.grading.results import as_dict
from course_utils.grading.run import GRADEBOOK

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox needs Linux")

SEED = "the same everywhere"
STUDENTS = 12
BODIES = (
    "    time.sleep(0.05)\n    return x / x.sum()\n",
    "    return x / x.max()\n",
    "    import os\n    os._exit(0)\n",
    "    raise ValueError('no')\n",
)
CENTRED = "    scale(X[0])\n    return X - X.mean(axis=1, keepdims=True)\n"

# Grades in a process of its own, which has the sample's package; after a few students it ends a worker.
GRADE = """
import os, signal, sys
from pathlib import Path
from course_utils.errors import CourseError
from course_utils.grading import desk, run

place, out, dask, victim = sys.argv[1:]

def tell(done, count):
    if int(victim) and done == count // 3:
        os.kill(int(victim), signal.SIGKILL)

try:
    summary = run.grade(Path(place), Path(out), desk.Settings, {seed!r}, workers=1, dask=dask or None, tell=tell)
except CourseError as error:
    sys.exit(str(error))
print(summary.students, summary.graded)
"""


@pytest.fixture(scope="module")
def project(built, tmp_path_factory):
    """The sample project, built, with the parts of the package that its sandbox imports."""
    sample = built(tmp_path_factory.mktemp("dask"))
    for name in ("data", "plots"):
        shutil.copytree(ROOT / "course_utils" / name, sample.root / "course_utils" / name, dirs_exist_ok=True)
    return sample


@pytest.fixture(scope="module")
def submissions(project, tmp_path_factory):
    """What a class handed in: right, wrong, hostile, raising, and a file that is no notebook."""
    folder = tmp_path_factory.mktemp("submissions")
    plan = json.loads(project.released.read_text())
    for number in range(STUDENTS):
        for cell in plan["cells"]:
            source = "".join(cell["source"])
            for name, body in (("scale", BODIES[number % len(BODIES)]), ("centre_rows", CENTRED)):
                if source.startswith(f"def {name}("):
                    head = source[: source.rindex('"""') + 3]
                    cell["source"] = f"{head}\n    import time\n{body}"
        path = folder / f"student-{number:02d}" / f"{NAME}.ipynb"
        path.parent.mkdir()
        path.write_text(json.dumps(plan) if number != 5 else "{")
    return folder


def environment(root: Path) -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=str(root), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")


@contextmanager
def started(root: Path, *command: str, words: str):
    """A process of the cluster, once its log has said these words; yields it with the match."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
        env=environment(root),
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    try:
        said = ""
        while not (match := re.search(words, said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        # whatever else it says must not fill the pipe
        drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        yield process, match
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        drain.wait()


@contextmanager
def scheduler(root: Path):
    """A Dask scheduler on this machine; yields its process and address."""
    options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
    with started(root, "dask_scheduler", *options, words=r"Scheduler at:\s+(tcp://\S+)") as (process, match):
        yield process, match[1]


@contextmanager
def worker(root: Path, address: str, threads: int = 1):
    """A Dask worker, which nobody starts again; yields its process."""
    options = ("--no-nanny", "--nthreads", str(threads), "--no-dashboard", "--memory-limit", "0")
    with started(root, "dask_worker", address, *options, words="Registered to:") as (process, _):
        yield process


def grade(project: SampleProject, place: Path, out: Path, dask: str = "", victim: int = 0):
    """Grade a class; returns the finished process."""
    return project.python("-c", GRADE.format(seed=SEED), str(place), str(out), dask, str(victim))


def recorded(out: Path) -> list[dict]:
    """Every result of a gradebook without the times that were measured."""
    with Gradebook(out / GRADEBOOK, writing=False) as book:
        results = [as_dict(one) for one in book.results()]
    for result in results:
        result["seconds"] = 0.0
        for exercise in result["exercises"]:
            exercise["seconds"] = 0.0
    return sorted(results, key=lambda one: one["student"])


def test_no_mark_is_lost_when_a_worker_is_killed_and_all_are_those_of_the_local_pool(project, submissions, tmp_path):
    local = grade(project, submissions, tmp_path / "local")
    assert local.returncode == 0, local.stderr
    with (
        scheduler(project.root) as (_, address),
        worker(project.root, address) as victim,
        worker(project.root, address) as survivor,
    ):
        done = grade(project, submissions, tmp_path / "dask", address, victim.pid)
        assert done.returncode == 0, done.stderr
        assert victim.wait(5) == -signal.SIGKILL
        assert survivor.poll() is None
        wait_until(lambda: not sandboxes(survivor.pid))
    assert done.stdout.split() == local.stdout.split() == [str(STUDENTS)] * 2
    expected = recorded(tmp_path / "local")
    assert {sum(one["points"] for one in each["exercises"]) for each in expected} == {0, 3, 5}
    assert recorded(tmp_path / "dask") == expected


def sandboxes(pid: int) -> list[str]:
    """The processes that a process has started and that run."""
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "stat="], capture_output=True, text=True, check=False)
    return [one for one in listed.stdout.split() if not one.startswith("Z")]


def when_busy(worker: subprocess.Popen, act) -> None:
    """Act, meanwhile, as soon as a worker has started a sandbox."""

    def watch() -> None:
        while not sandboxes(worker.pid) and worker.poll() is None:
            time.sleep(0.05)
        act()

    threading.Thread(target=watch, daemon=True).start()


def wait_until(condition, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def refused(submissions, tmp_path, monkeypatch):
    """A function that grades on a cluster in this process, with the real course, and returns why that was refused."""
    monkeypatch.setattr(run, "PATIENCE", 1.0)
    monkeypatch.setattr(run, "SCHEDULER_SECONDS", 3)
    run.versions.cache_clear()

    def sentence(address: str) -> str:
        with pytest.raises(CourseError) as refusal:
            run.grade(submissions, tmp_path / "out", Settings, SEED, dask=address)
        assert recorded(tmp_path / "out") == []
        return str(refusal.value)

    return sentence


def test_a_cluster_that_is_not_fit_for_grading_is_refused_in_a_sentence(project, refused):
    with scheduler(project.root) as (process, address):
        assert "has no workers: start some with `dask worker" in refused(address)
        with worker(project.root, address, threads=2):
            assert "has 2 threads, and grading needs a process for each" in refused(address)
        with worker(project.root, address):  # it has the sample's package, and this process the course's own
            assert "has another version of the course than this machine" in refused(address)
        process.kill()
        process.wait()
        assert f"There is no Dask scheduler at {address}" in refused(address)


def test_a_cluster_that_ends_while_it_works_ends_in_a_sentence(refused):
    with scheduler(ROOT) as (process, address), worker(ROOT, address) as only:
        when_busy(only, only.kill)
        assert "has no workers" in refused(address)
        with worker(ROOT, address) as other:
            when_busy(other, process.kill)
            assert "The connection to the Dask scheduler" in refused(address)
