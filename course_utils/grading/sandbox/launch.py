"""The trusted side of the sandbox: start a zygote in bubblewrap, and a child of it for every submission."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from course_utils.errors import CourseError
from course_utils.grading.sandbox.limits import Limits
from course_utils.grading.sandbox.syscalls import make_filter

PACKAGE = Path(__file__).resolve().parents[2]  # course_utils
NOBODY = 65534
MESSAGE = 1 << 20
START_SECONDS = 120.0  # for a cold disk; a warm one takes 3
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS_OF_THE_SYSTEM = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
HIDDEN = ("exercises/frozen",)  # of the package: the public answers
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Ending:
    """How a child's first process ended: exit status (negative: the signal), CPU seconds, peak resident bytes."""

    exit: int
    cpu: float
    resident: int


@dataclass
class Child:
    """A confined process for one submission, and this side's ends of its three pipes."""

    number: int  # names it to the zygote
    pidfd: int
    requests: int  # to write
    replies: int  # to read
    output: int  # to read

    def kill(self) -> None:
        """End the first process of the submission's namespaces, and with it all others in them."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Close this side's descriptors."""
        for descriptor in (self.pidfd, self.requests, self.replies, self.output):
            os.close(descriptor)

    def process_id(self) -> int:
        """Its process id as this side sees it; -1 where it has ended and was collected."""
        with open(f"/proc/self/fdinfo/{self.pidfd}", encoding="ascii") as info:
            return next(int(line.split()[1]) for line in info if line.startswith("Pid:"))


class Zygote:
    """A warm process in a sandbox; `start` gives a child for one submission.

    Raises CourseError where the sandbox cannot be made or does not answer.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = control
        self.endings: dict[int, Ending] = {}  # by number, of children whose end nobody has asked for yet
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        with inside:
            try:
                self.process = subprocess.Popen(
                    bubblewrap(inside.fileno()),
                    pass_fds=[inside.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=self.errors,
                    stderr=self.errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise CourseError(f"The sandbox cannot be started: {error.strerror}.") from error
        settings = {
            "limits": asdict(limits),
            "filter": base64.b64encode(make_filter()).decode(),
            "namespaces": True,
        }
        self.control.send(json.dumps(settings).encode())
        self.control.settimeout(START_SECONDS)
        answer, _ = self.hear("ready")
        if "ready" not in answer:
            words = self.complaints()
            self.close()
            raise CourseError(f"The sandbox did not start: {answer.get('failed', 'no answer')}.{words}")

    def start(self) -> Child:
        """A fresh child for one submission. Raises CourseError where the zygote is gone."""
        theirs_requests, requests = os.pipe()
        replies, theirs_replies = os.pipe()
        output, theirs_output = os.pipe()
        given = [theirs_requests, theirs_replies, theirs_output]
        try:
            socket.send_fds(self.control, [b"start"], given)
            answer, descriptors = self.hear("started")
        except OSError:
            answer, descriptors = {}, []
        finally:
            for descriptor in given:
                os.close(descriptor)
        if not answer or len(descriptors) != 1:
            for descriptor in (requests, replies, output):
                os.close(descriptor)
            raise CourseError(f"The sandbox ended and has to be started again.{self.complaints()}")
        for descriptor in (requests, replies, output):
            os.set_blocking(descriptor, False)
        return Child(answer["started"], descriptors[0], requests, replies, output)

    def ending(self, child: Child) -> Ending:
        """How a child ended; waits until it has. Raises CourseError where the zygote is gone."""
        while child.number not in self.endings:
            if not self.hear("ended")[0]:
                raise CourseError(f"The sandbox ended and has to be started again.{self.complaints()}")
        return self.endings.pop(child.number)

    def hear(self, wanted: str) -> tuple[dict[str, Any], list[int]]:
        """The zygote's next message that has this key, and descriptors with it; empty where it is gone or silent.

        Keeps the endings that come meanwhile. The zygote is trusted: it runs no student code.
        """
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE, 1)
            except OSError:
                message, descriptors = b"", []
            answer = json.loads(message) if message else {}
            if "ended" in answer:
                self.endings[answer["ended"]] = Ending(answer["exit"], answer["cpu"], answer["resident"])
            if not answer or wanted in answer or "failed" in answer:
                return answer, descriptors

    def complaints(self) -> str:
        """The last line that bubblewrap or the zygote wrote, as a sentence to append."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f" Its last words: {lines[-1][:300]}" if lines else ""

    def close(self) -> None:
        """End the zygote and all that it started."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()


def bubblewrap(control: int) -> list[str]:
    """The command that starts a zygote in bubblewrap; `control` is the descriptor of the zygote's control socket.

    Raises CourseError where bubblewrap is not installed.
    """
    program = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin:" + os.environ.get("PATH", ""))
    if program is None:
        raise CourseError(
            "The sandbox needs bubblewrap: install the package bubblewrap (Debian: apt-get install bubblewrap)."
        )
    if os.getuid() == 0:
        # Under a user namespace made by root, uid 65534 would still be the kernel's uid 0, which no limit of
        # processes binds; so the zygote itself becomes nobody, and makes the user namespace then.
        identity = ["--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts"]
        kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    else:
        identity = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", str(NOBODY), "--gid", str(NOBODY)]
        kept = ("CAP_SYS_ADMIN", "CAP_SETPCAP")
    capabilities = ["--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]
    life = ["--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"]
    inside = [sys.executable, "-I", "-c", ENTRY, str(PACKAGE.parent), str(control)]
    return [program, *identity, *capabilities, *life, *environment(), *file_system(), "--", *inside]


# `-I` keeps the environment and the current folder out of the import path; the course is put there by name.
ENTRY = """
import sys
sys.path.insert(0, sys.argv[1])
from course_utils.grading.sandbox.zygote import main
main(int(sys.argv[2]))
"""


def environment() -> list[str]:
    """What the sandbox finds in its environment."""
    variables = dict.fromkeys(ONE_THREAD, "1") | {
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "PATH": "/usr/bin:/bin",
        "PYTHONHASHSEED": "0",
        "USER": "student",
    }
    return [word for name, value in variables.items() for word in ("--setenv", name, value)]


def file_system() -> list[str]:
    """Read-only views of the system's libraries, of Python and of the course's package and data; the rest is absent."""
    words: list[str] = []
    for place in SYSTEM:
        path = Path(place)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), place]
        elif path.is_dir():
            words += ["--ro-bind", place, place]
    wanted = [Path(place) for place in SETTINGS_OF_THE_SYSTEM if Path(place).exists()]
    wanted += python_folders()
    wanted += [place for place in (PACKAGE, PACKAGE.parent / "data", PACKAGE.parent / "results") if place.is_dir()]
    made: set[Path] = set()
    for place in outermost(wanted):
        for parent in reversed(place.parents):
            # bubblewrap started by root would make missing folders that nobody may enter
            if parent not in made and parent != Path("/") and not str(parent).startswith(SYSTEM):
                words += ["--dir", str(parent)]
                made.add(parent)
        words += ["--ro-bind", str(place), str(place)]
    for name in HIDDEN:
        if (PACKAGE / name).is_dir():
            words += ["--tmpfs", str(PACKAGE / name), "--remount-ro", str(PACKAGE / name)]
    return [*words, "--dir", "/tmp", "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/"]


def python_folders() -> list[Path]:
    """Where Python, its library and its packages are: of the virtual environment and of what it was made from."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    places |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found = {Path(os.path.realpath(place)) for place in places} | {Path(place) for place in places}
    executable = Path(sys.executable)
    while executable.is_symlink():  # a venv's python may go through links elsewhere
        executable = executable.parent / os.readlink(executable)
        found.add(executable.parent)
    return [place for place in found if place.is_dir()]


def outermost(places: list[Path]) -> list[Path]:
    """The places that lie in no other of them, nor in a folder of the system that is bound anyway."""
    whole = {place for place in places if not str(place).startswith(tuple(f"{folder}/" for folder in SYSTEM))}
    whole -= {Path(place) for place in SYSTEM}
    return sorted(place for place in whole if not any(parent in whole for parent in place.parents))
