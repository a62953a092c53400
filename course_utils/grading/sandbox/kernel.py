"""The Linux calls that the sandbox needs and Python 3.11 does not offer, by ctypes. Runs inside the sandbox."""

from __future__ import annotations

import ctypes
import errno
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND = 32, 4096

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def succeed(what: str, result: int) -> None:
    """Raise OSError, saying what was tried, where a call returned -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option: int, argument: int = 0) -> None:
    """`prctl(2)` with one number. Raises OSError."""
    succeed(f"prctl {option}", libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0))


def unshare(flags: int) -> None:
    """Enter new namespaces (`unshare(2)`). Raises OSError."""
    succeed("unshare", libc.unshare(flags))


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace behind a descriptor (`setns(2)`). Raises OSError."""
    succeed("setns", libc.setns(descriptor, kind))


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    """Mount a file system of a kind such as tmpfs (`mount(2)`). Raises OSError."""
    name = kind.encode()
    result = libc.mount(name, target.encode(), name, ctypes.c_ulong(flags), options.encode())
    succeed(f"mount {kind} on {target}", result)


def bound_capabilities() -> None:
    """Let no program that this process runs gain a capability. Needs CAP_SETPCAP."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno != errno.EINVAL:  # of numbers beyond the last that the kernel has
                raise


def drop_capabilities() -> None:
    """Give up every capability for good: ambient, inheritable, permitted and effective. Raises OSError."""
    succeed("ambient", libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    succeed("capset", libc.capset(header, (ctypes.c_uint32 * 6)()))


class _Filter(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def install_filter(program: bytes) -> None:
    """Let the kernel refuse what a seccomp filter names, from now on and in every child. Raises OSError."""
    rules = _Filter(len(program) // 8, program)
    succeed("seccomp", libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0))
