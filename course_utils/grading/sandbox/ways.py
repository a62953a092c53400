"""The ways in which a zygote keeps submissions apart: by namespaces, as another user, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from course_utils.grading.sandbox import kernel
from course_utils.grading.sandbox.bubblewrap import DEVICES, NOBODY, SCRATCH

OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm")
NAMESPACES = kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS
ROUNDS = 100  # of killing, at most; a process that cannot be killed is a fault of the kernel


class Way(Protocol):
    """What differs between the ways."""

    temporary: str  # folder for temporary files of the zygote itself

    def prepare(self, control: socket.socket) -> None:
        """Set up the zygote itself, before it imports anything large. Raises OSError where the kernel refuses it."""

    def fork(self) -> int:
        """Fork a submission's first process; 0 in that process."""

    def enter(self, limits: dict[str, Any]) -> None:
        """Confine the process that was just forked; its current folder becomes its scratch folder."""

    def clean(self, child: int) -> None:
        """End and remove what is left of a submission whose first process has ended and was collected."""


def way_of(mode: str, users: list[int]) -> Way:
    """The way of a mode."""
    if mode == "namespaces":
        return ByNamespaces()
    return AsAnotherUser(users) if mode == "another user" else Unprotected()


class ByNamespaces:
    """Fresh PID, IPC, mount, network and UTS namespaces for every submission, so that the kernel does the cleaning."""

    temporary = SCRATCH

    def prepare(self, control: socket.socket) -> None:
        """Become nobody where root started the sandbox, and the first process of namespaces that are the zygote's own.

        bubblewrap's PID namespace belongs to a user namespace above, into which `setns` would not let the zygote back.
        """
        if os.getuid() == 0:
            os.setgroups([])
            become(NOBODY)
            kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or the id maps below would be root's to write
            kernel.unshare(kernel.CLONE_NEWUSER)
            for name, line in (("setgroups", "deny"), ("uid_map", "{0} {0} 1"), ("gid_map", "{0} {0} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(line.format(NOBODY))
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # which a change of user had undone
        kernel.unshare(NAMESPACES)
        first = os.fork()
        if first:
            control.close()
            _, status = os.waitpid(first, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 127)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        # The zygote's own; each submission gets one over it.
        kernel.mount("tmpfs", SCRATCH, kernel.MS_NOSUID | kernel.MS_NODEV, "size=32m")
        for (
            device
        ) in DEVICES:  # or a submission could set their times; bubblewrap's own way takes the devices' function
            kernel.mount("none", device, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID)
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)

    def fork(self) -> int:
        """Fork into a new PID namespace, and stay in this one."""
        kernel.unshare(kernel.CLONE_NEWPID)  # of the next child
        child = os.fork()
        if child:
            kernel.setns(self.own_pids, kernel.CLONE_NEWPID)
        return child

    def enter(self, limits: dict[str, Any]) -> None:
        """Enter the other namespaces, see no processes, and give up every capability."""
        kernel.unshare(NAMESPACES & ~kernel.CLONE_NEWPID)
        options = f"size={limits['scratch']}m,nr_inodes=1024,mode=700,uid={NOBODY},gid={NOBODY}"
        kernel.mount("tmpfs", SCRATCH, kernel.MS_NOSUID | kernel.MS_NODEV, options)
        hidden = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("tmpfs", "/proc", hidden, "size=4k,nr_inodes=2,mode=555")
        use_scratch(SCRATCH)
        kernel.bound_capabilities()
        kernel.drop_capabilities()

    def clean(self, child: int) -> None:
        """Nothing is left: the kernel ended the others, and freed the file system, before the first was collected."""


class AsAnotherUser:
    """A user id for every submission that runs at a time; what that user leaves is killed and removed. Needs root."""

    temporary = "/tmp"

    def __init__(self, users: list[int]) -> None:
        self.free = users
        self.taken: dict[int, int] = {}  # user ids by first process

    def prepare(self, control: socket.socket) -> None:
        """Clear what a killed zygote left, and become the parent of processes whose own parent has ended."""
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        for user in self.free:
            self.clear(user)

    def fork(self) -> int:
        """Fork a process for the last of the free users."""
        child = os.fork()
        if child:
            self.taken[child] = self.free.pop()
        return child

    def enter(self, limits: dict[str, Any]) -> None:
        """Become the other user, without a capability, in a new folder of its own."""
        user = self.free[-1]
        scratch = tempfile.mkdtemp(prefix="course-scratch-", dir=self.temporary)
        os.chown(scratch, user, user)
        use_scratch(scratch)
        kernel.bound_capabilities()
        os.setgroups([])
        become(user)
        kernel.drop_capabilities()

    def clean(self, child: int) -> None:
        """End the user's other processes and remove the user's files."""
        user = self.taken.pop(child)
        self.clear(user)
        self.free.append(user)

    def clear(self, user: int) -> None:
        """End and remove everything of a user."""
        for _ in range(ROUNDS):
            left = [process for process in processes() if process.user == user]
            if not left:
                break
            kill_all_of(user)
            collect(left)
        remove_files_of(user)


class Unprotected:
    """The same user; only processes that a submission started, and its scratch folder, are cleared away."""

    temporary = "/tmp"

    def __init__(self) -> None:
        self.scratch: dict[int, str] = {}  # by first process

    def prepare(self, control: socket.socket) -> None:
        """Become the parent of processes whose own parent has ended."""
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)

    def fork(self) -> int:
        """Fork a process with a scratch folder."""
        self.next = tempfile.mkdtemp(prefix="course-scratch-", dir=self.temporary)
        child = os.fork()
        if child:
            self.scratch[child] = self.next
        return child

    def enter(self, limits: dict[str, Any]) -> None:
        """Go to the scratch folder."""
        use_scratch(self.next)

    def clean(self, child: int) -> None:
        """End what the process left running, and remove its folder."""
        shutil.rmtree(self.scratch.pop(child), ignore_errors=True)
        for _ in range(ROUNDS):
            left = [one for one in processes() if one.parent == os.getpid() and one.number not in self.scratch]
            if not left:
                break
            for process in left:
                os.kill(process.number, signal.SIGKILL)
            collect(left)


# -------------------------------------------------------------- without namespaces


@dataclass(frozen=True)
class Process:
    """One line of the machine's list of processes."""

    number: int
    parent: int
    user: int


def processes() -> Iterator[Process]:
    """All processes, with those that have ended and wait to be collected."""
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
            yield Process(int(name), int(fields["PPid"]), int(fields["Uid"].split()[0]))


def collect(left: list[Process]) -> None:
    """Collect those that have ended and are this process's, by birth or because their own parent has ended."""
    for process in left:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.number, os.WNOHANG)


def kill_all_of(user: int) -> None:
    """Kill every process of a user at once, as only that user can: a list of them would be old before its end."""
    helper = os.fork()
    if helper == 0:
        try:
            become(user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(helper, 0)


def remove_files_of(user: int) -> None:
    """Remove a user's files wherever every user may write."""
    folders = list(OPEN_TO_ALL)
    while folders:
        with contextlib.suppress(OSError):
            for entry in os.scandir(folders.pop()):
                about = entry.stat(follow_symlinks=False)
                if about.st_uid == user:
                    remove(entry.path)
                elif stat.S_ISDIR(about.st_mode) and about.st_mode & stat.S_IWOTH:
                    folders.append(entry.path)


def remove(path: str) -> None:
    """Remove a file, or a folder of any depth, where shutil.rmtree would end at Python's limit of recursion."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    pit = tempfile.mkdtemp(prefix="course-removed-", dir=os.path.dirname(path))
    os.rename(path, f"{pit}/0")
    folders, count = [f"{pit}/0"], 1
    while folders:
        folder = folders.pop()
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                os.rename(entry.path, f"{pit}/{count}")  # out of the depth
                folders.append(f"{pit}/{count}")
                count += 1
            else:
                os.unlink(entry.path)
        os.rmdir(folder)
    os.rmdir(pit)


def become(user: int) -> None:
    """Be this user, and its group, for good. Raises OSError."""
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if os.getresuid() != (user, user, user):
        raise OSError(f"this process did not become user {user}")


def use_scratch(folder: str) -> None:
    """Work in this folder, with all temporary files."""
    os.chdir(folder)
    for name in ("HOME", "TMPDIR", "MPLCONFIGDIR"):
        os.environ[name] = folder
    tempfile.tempdir = None  # found anew where it is asked for
