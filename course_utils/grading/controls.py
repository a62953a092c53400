"""Two trials before every batch: a probe must reach nothing, and each notebook's solution must get full marks."""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from course_utils.errors import CourseError
from course_utils.grading.intake import Cell, Submission
from course_utils.grading.marking import Marker
from course_utils.grading.reference import Reference
from course_utils.grading.sandbox import bubblewrap
from course_utils.grading.sandbox.launch import Mode, Zygote
from course_utils.grading.session import Ended, Session

SECONDS = 20.0
ENTRIES = 200  # of a private folder that the probe tries to open
PROJECT = bubblewrap.PROJECT
# Where every user may write. Without a mount namespace these are writable, and cleared after each submission.
OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm")
READ_ONLY = ("/", "/dev", "/etc", "/usr", "/var", "/run")


def check_sandbox(zygote: Zygote, private: Sequence[Path] = ()) -> None:
    """Try what a submission could reach; `private` are folders that none may read, such as the gradebook's.

    Raises CourseError, saying what the probe reached. An unprotected run promises nothing, so there nothing is tried.
    """
    if zygote.mode is not Mode.UNPROTECTED:
        check_probe(zygote, [PROJECT / "solutions", Path.home(), *private])


def check_solution(marker: Marker, reference: Reference) -> None:
    """Mark the solution as if somebody had handed it in. Raises CourseError unless every exercise is right."""
    solution = Submission(
        student="", file="solution", sha256="", modified=None, notebook=reference.name, cells=reference.cells
    )
    marked = {result.exercise: result for result in marker.mark(solution).exercises}
    for exercise in reference.exercises:
        result = marked[exercise.id]
        if result.points < exercise.points:
            reason = " ".join([f"{result.status}.", *result.sentences])
            raise CourseError(
                f"Grading was stopped: in the sandbox the solution of {reference.name} itself loses points at "
                f"{exercise.id!r} ({reason}) Run `course validate`: it says whether the course is at fault."
            )


def check_probe(zygote: Zygote, private: Sequence[Path]) -> None:
    """Let a submission try what none may. Raises CourseError, naming the first thing that it could do."""
    cell = Cell(inspect.getsource(probe), "probe", None)
    with targets(zygote, private) as aims:
        try:
            with Session(zygote, time.monotonic() + SECONDS) as session:
                session.load((cell,), {"probe": "probe"}, SECONDS)
                reply = session.call("probe", (aims,), SECONDS)
        except Ended as ended:
            raise CourseError(f"Nothing was graded: the trial of the sandbox ended early. {ended}") from ended
    outcome = reply.get("outcome")
    reached = outcome.get("value") if type(outcome) is dict else None
    if type(reached) is not list or not all(type(one) is str for one in reached):
        raise CourseError(f"Nothing was graded: the trial of the sandbox gave no answer ({str(outcome)[:300]}).")
    if reached:
        raise CourseError(
            f"Nothing was graded, because the sandbox does not hold here: a trial submission could {reached[0]}."
        )


@contextlib.contextmanager
def targets(zygote: Zygote, private: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What the probe aims at, as its argument: a listening socket, a process, private files, folders to write to."""
    writable = [*READ_ONLY, str(PROJECT), str(bubblewrap.PACKAGE), sysconfig.get_path("purelib"), *map(str, private)]
    if zygote.mode is Mode.NAMESPACES:
        writable += OPEN_TO_ALL
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(["sleep", str(SECONDS)], stdin=subprocess.DEVNULL) as other,
    ):
        try:
            yield {
                "port": server.getsockname()[1],
                "process": other.pid,
                "private": {str(folder): entries(folder, zygote.mode) for folder in private},
                "writable": writable,
                "processes": zygote.limits.processes,
            }
        finally:
            other.kill()


def entries(folder: Path, mode: Mode) -> list[str]:
    """What a private folder holds, but for what leads to Python or to the course and so has to be seen."""
    shown = bubblewrap.shown_places() if mode is Mode.NAMESPACES else []
    with contextlib.suppress(OSError):
        found = (folder / name for name in sorted(os.listdir(folder)))
        hidden = [place for place in found if not any(one.is_relative_to(place) for one in shown)]
        return [place.name for place in hidden[:ENTRIES]]
    return []


def probe(aims):
    """Runs as a submission's function: a list of what it could do, each a phrase that follows "could"."""
    import ctypes
    import os
    import signal
    import socket

    done = []

    def try_to(phrase, action, *args):
        try:
            if action(*args) is not False:
                done.append(phrase)
        except Exception:
            return

    def connect(port):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()

    def open_to_read(path):
        os.close(os.open(path, os.O_RDONLY))

    def list_names(folder, names):
        return not set(os.listdir(folder)).isdisjoint(names)

    def write(folder):
        place = os.path.realpath(folder)
        if place == os.getcwd() or place.startswith(os.getcwd() + "/"):
            return False
        name = os.path.join(place, f"course-control-{os.getpid()}")
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(name)

    def fork_too_often():
        children = []
        try:
            while len(children) < aims["processes"] + 8:
                child = os.fork()
                if child == 0:
                    signal.pause()
                    os._exit(0)
                children.append(child)
        except OSError:
            pass
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return len(children) >= aims["processes"]

    number = aims["process"]
    try_to("reach the network of this machine", connect, aims["port"])
    for folder, names in aims["private"].items():
        advice = f"`chmod 700 {folder}` forbids it to other users"
        try_to(f"list {folder} ({advice})", list_names, folder, names)
        for name in names:
            path = os.path.join(folder, name)
            try_to(f"open {path} ({advice})", open_to_read, path)
    for folder in aims["writable"]:
        try_to(f"write to {folder}", write, folder)
    try_to("send signals to other processes", os.kill, number, 0)
    try_to("read the environment of other processes", open_to_read, f"/proc/{number}/environ")
    try_to("make namespaces of its own", lambda: ctypes.CDLL(None).unshare(0x10000000) == 0)
    try_to(f"run more than {aims['processes']} processes", fork_too_often)
    return done
