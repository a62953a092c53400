"""The trusted side of the sandbox: start a zygote, and a child of it for every submission."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from course_utils.errors import CourseError
from course_utils.grading.sandbox import bubblewrap
from course_utils.grading.sandbox.limits import Limits
from course_utils.grading.sandbox.syscalls import make_filter

MESSAGE = 1 << 20
START_SECONDS = 120.0  # for a cold disk; a warm one takes 3
END_SECONDS = 5.0
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
FIRST_USER, BLOCKS, USERS = 61000, 1000, 4  # user ids for the weaker sandbox: blocks of four, one block a zygote


class Mode(StrEnum):
    """How a submission is kept from everything else, the strongest way first."""

    NAMESPACES = "namespaces"
    ANOTHER_USER = "another user"  # root only
    UNPROTECTED = "unprotected"


PROTECTION = {
    Mode.NAMESPACES: "Sandbox: every submission has namespaces of its own, limits and a system-call filter.",
    Mode.ANOTHER_USER: (
        "Weaker sandbox: there are no namespaces here ({reason}), so submissions run as another user, with limits and "
        "a system-call filter; they can read what every user of this machine may read."
    ),
    Mode.UNPROTECTED: (
        "No sandbox: submissions run as you, with limits alone; they can read your files, use your network and change "
        "whatever you can change."
    ),
}
NEEDS_LINUX = (
    "Grading runs students' code in a sandbox that only Linux has: run it there, on Windows in WSL, or in a Linux "
    "container (podman or docker)."
)
REFUSAL = (
    "Submissions cannot be kept apart here, so nothing was run: {reason}. Install bubblewrap from your system's "
    "packages (`apt-get install bubblewrap`) or allow it user namespaces; or grade as root in a container (podman or "
    "docker); or, for code that you would run yourself, give --unprotected."
)


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
        """End the submission's first process; in namespaces of its own, all others end with it."""
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


class NotStarted(CourseError):
    """A zygote that did not get ready; the message is the reason, without a full stop."""


class Zygote:
    """A warm process in a sandbox; `start` gives a child for one submission.

    Without a mode it takes namespaces, and, where these are refused, another user if this is root; `protection` says
    in a sentence what that means. Raises CourseError where neither can be had, or the sandbox does not answer.
    """

    def __init__(self, limits: Limits, mode: Mode | None = None) -> None:
        if not sys.platform.startswith("linux"):
            raise CourseError(NEEDS_LINUX)
        self.limits = limits
        self.endings: dict[int, Ending] = {}  # by number, of children whose end nobody has asked for yet
        reason = "by choice"
        try:
            self.begin(mode or Mode.NAMESPACES)
        except NotStarted as error:
            reason = str(error)
            if mode is None and os.getuid() == 0:
                self.begin_as_root(reason)
            else:
                raise CourseError(REFUSAL.format(reason=reason)) from error
        self.protection = PROTECTION[self.mode].format(reason=reason)

    def begin_as_root(self, reason: str) -> None:
        """Start without namespaces. Raises CourseError, with both reasons."""
        try:
            self.begin(Mode.ANOTHER_USER)
        except NotStarted as error:
            raise CourseError(REFUSAL.format(reason=f"{reason}; as another user: {error}")) from error

    def begin(self, mode: Mode) -> None:
        """Start the process and wait until it is warm. Raises NotStarted."""
        self.mode = mode
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        self.resources = contextlib.ExitStack()
        users: list[int] = []
        if mode is Mode.ANOTHER_USER:
            claim, users = claim_users()
            self.resources.enter_context(claim)
        self.control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            filtered = b"" if mode is Mode.UNPROTECTED else make_filter()
            with inside:
                self.process, self.keeper = start_kept(self.command(inside.fileno()), inside, self.errors)
        except (CourseError, OSError) as error:
            self.control.close()
            self.release()
            if isinstance(error, bubblewrap.NoBubblewrap | OSError):
                raise NotStarted(str(error)) from error
            raise
        settings = {
            "limits": asdict(self.limits),
            "filter": base64.b64encode(filtered).decode(),
            "mode": mode,
            "users": users,
        }
        self.control.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):  # it has ended already; `hear` finds out
            self.control.send(json.dumps(settings).encode())
        answer, _ = self.hear("ready")
        if "ready" not in answer:
            words = self.last_words()
            self.close()
            raise NotStarted(answer.get("failed") or words or "it ended without a word")

    def command(self, control: int) -> list[str]:
        """The command of the zygote; `control` is the descriptor of its control socket. Raises NoBubblewrap."""
        # `-P -s` and an environment made here: nothing is imported from the current folder or the user's packages.
        inside = [sys.executable, "-P", "-s", "-c", ENTRY, str(bubblewrap.PROJECT), str(control)]
        return bubblewrap.command(inside) if self.mode is Mode.NAMESPACES else inside

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
            raise self.gone()
        for descriptor in (requests, replies, output):
            os.set_blocking(descriptor, False)
        return Child(answer["started"], descriptors[0], requests, replies, output)

    def alive(self) -> bool:
        """Whether the zygote still runs."""
        return self.process.poll() is None

    def ending(self, child: Child) -> Ending:
        """How a child ended; waits until all of it has. Raises CourseError where the zygote is gone."""
        while child.number not in self.endings:
            if not self.hear("ended")[0]:
                raise self.gone()
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

    def gone(self) -> CourseError:
        """What to say where the zygote does not answer any more."""
        words = self.last_words()
        return CourseError("The sandbox ended and has to be started again" + (f" ({words})." if words else "."))

    def last_words(self) -> str:
        """The last line that bubblewrap or the zygote wrote."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300].rstrip(".") if lines else ""

    def close(self) -> None:
        """End the zygote and all that it started; it ends by itself when it hears nobody at the other end."""
        self.control.close()
        self.keeper.join(END_SECONDS)
        self.process.kill()
        self.keeper.join()
        self.release()

    def release(self) -> None:
        """Give back what belongs to a zygote that has ended."""
        self.errors.close()
        self.resources.close()


# The course is put into the import path by name. An exit without Python's tidying: nothing is left to be written.
ENTRY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from course_utils.grading.sandbox import zygote
zygote.main(int(sys.argv[2]))
os._exit(0)
"""


def start_kept(
    command: list[str], inside: socket.socket, errors: Any
) -> tuple[subprocess.Popen[bytes], threading.Thread]:
    """Start a command from a thread that then waits for its end; returns both. Raises OSError.

    bubblewrap's --die-with-parent means the thread that started it, and a pool's threads come and go.
    """
    started: Future[subprocess.Popen[bytes]] = Future()

    def keep() -> None:
        try:
            process = subprocess.Popen(
                command,
                pass_fds=[inside.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                cwd="/",
                env=environment(),
            )
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    keeper = threading.Thread(target=keep, name="keeper of a sandbox", daemon=True)
    keeper.start()
    return started.result(), keeper


def environment() -> dict[str, str]:
    """The environment of the sandbox. Hashes have no seed, so that sets have the same order in every run."""
    return dict.fromkeys(ONE_THREAD, "1") | {
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PYTHONHASHSEED": "0",
        "USER": "student",
    }


def claim_users() -> tuple[socket.socket, list[int]]:
    """User ids that no other zygote of this machine uses while the socket is open. Raises OSError where all are taken.

    A name in the abstract namespace of sockets goes with the process that holds it, however that ends.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for first in range(FIRST_USER, FIRST_USER + BLOCKS * USERS, USERS):
        with contextlib.suppress(OSError):
            claim.bind(f"\0course-users-{first}")
            return claim, list(range(first, first + USERS))
    claim.close()
    raise OSError("no user id is free")
