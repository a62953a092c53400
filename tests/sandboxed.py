"""Help for tests of the sandbox: quick zygotes, one measure of them left out, and probes that run as submissions."""

import contextlib
import inspect
import shutil
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from course_utils.grading.intake import Cell
from course_utils.grading.sandbox import launch
from course_utils.grading.sandbox.launch import Mode, Zygote
from course_utils.grading.sandbox.limits import Limits
from course_utils.grading.session import Session

SMALL = Limits(wall=60.0, cpu=60, memory=192, processes=16, files=64, file_size=2, scratch=8, output=64)
SECONDS = 20.0
# Most probes need no torch, and a zygote without it starts in half a second. It imports what the probes import, which
# another user may not be able to read.
QUICK = (
    "import mmap, resource, signal, socket, stat, threading\n"
    "from course_utils.grading import worker\n"
    "zygote.warm_up = worker.warm_up"
)
IMPORTED = "from course_utils.grading.sandbox import zygote"


def need_namespaces() -> None:
    """Skip the test, saying why, where bubblewrap is not installed or this machine refuses it namespaces."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    tried = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--unshare-net", "true"], capture_output=True, text=True
    )
    if tried.returncode:
        pytest.skip(f"this machine refuses namespaces: {tried.stderr.strip()}")


def quick_entry(without: str = "") -> str:
    """The program of a zygote that has imported little; `without` as in `zygote`."""
    entry = launch.ENTRY.replace(IMPORTED, "\n".join([IMPORTED, QUICK, without]))
    assert entry != launch.ENTRY
    return entry


@contextlib.contextmanager
def zygote(
    monkeypatch: pytest.MonkeyPatch, mode: Mode = Mode.NAMESPACES, limits: Limits = SMALL, without: str = ""
) -> Iterator[Zygote]:
    """A zygote that has imported little; `without` is a line of Python that takes a measure out of its process."""
    if mode is Mode.NAMESPACES:
        need_namespaces()
    with monkeypatch.context() as patch:
        patch.setattr(launch, "ENTRY", quick_entry(without))
        started = Zygote(limits, mode)
    try:
        yield started
    finally:
        started.close()


@contextlib.contextmanager
def loaded(zygote: Zygote, probe: Callable[..., Any], wall: float = 60.0) -> Iterator[Session]:
    """A session that holds a probe: a function of the tests, handed in as a student's."""
    cell = Cell(textwrap.dedent(inspect.getsource(probe)), "probe", None)
    with Session(zygote, time.monotonic() + wall) as session:
        assert session.load((cell,), {"probe": probe.__name__}, SECONDS) == []
        yield session


def outcome(session: Session, *args: Any, seconds: float = SECONDS) -> dict[str, Any]:
    """The outcome of calling a session's probe."""
    return session.call("probe", args, seconds)["outcome"]


def run(zygote: Zygote, probe: Callable[..., Any], *args: Any) -> Any:
    """What a probe returns when it runs as a submission of its own."""
    with loaded(zygote, probe) as session:
        found = outcome(session, *args)
    assert found["error"] is None, found["error"]
    return found["value"]


def status(process: int) -> dict[str, str]:
    """What the kernel says of a process, as this side sees it."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def family(zygote: Zygote) -> list[psutil.Process]:
    """All processes of a sandbox, its first one too."""
    first = psutil.Process(zygote.process.pid)
    return [first, *first.children(recursive=True)]


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
