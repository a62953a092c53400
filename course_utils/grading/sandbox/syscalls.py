"""The seccomp filter of a submission: which system calls the kernel refuses it.

Made by the trusted side with libseccomp, because a list of system call numbers by hand is wrong on the next machine.
The rest is allowed: NumPy and torch need much, and namespaces keep apart what they may touch.
"""

from __future__ import annotations

import errno
import platform
import socket
import tempfile

from course_utils.errors import CourseError

MACHINES = ("x86_64", "aarch64")

# Refused as not permitted, by what they would reach.
REFUSED = {
    "keys, which outlive every namespace": ("add_key", "request_key", "keyctl"),
    "System V IPC": (
        *("shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl"),
        *("msgget", "msgsnd", "msgrcv", "msgctl"),
    ),
    "POSIX message queues": (
        *("mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"),
    ),
    "other processes": (
        *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp"),
        *("migrate_pages", "move_pages"),
    ),
    "mounts and namespaces": (
        *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount"),
        *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "open_tree_attr", "statmount", "listmount"),
        *("name_to_handle_at", "open_by_handle_at"),
    ),
    "the kernel": ("bpf", "perf_event_open", "syslog", "kexec_load", "init_module", "finit_module", "delete_module"),
    "scheduling": (
        *("sched_setscheduler", "sched_setparam", "sched_setaffinity", "sched_setattr", "setpriority", "ioprio_set"),
    ),
    "memory that is no file and counts for nobody": ("memfd_create", "memfd_secret"),
    "memory that pipes hold when nobody maps it any more": ("vmsplice", "splice", "tee"),
    "another personality": ("personality",),
}

# Answered as if the kernel did not have them, so that callers take their other way.
ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "userfaultfd")

# Numbers of calls that an older libseccomp knows no name for; since 2019 they are the same on every machine.
NEWER = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "memfd_secret": 447,
    "statmount": 457,
    "listmount": 458,
    "open_tree_attr": 467,
}

# The flags of mmap for memory that processes share and no file backs (MAP_SHARED, MAP_ANONYMOUS): it stays allocated
# while one page of it is mapped anywhere, so what a process holds would say nothing about what it uses.
SHARED_MEMORY = 0x01 | 0x20

# The options of setsockopt for more room in a socket's buffer, which counts for nobody (SO_SNDBUF, SO_RCVBUF, and
# SO_SNDBUFFORCE, SO_RCVBUFFORCE of asm-generic/socket.h).
BUFFER_SIZES = (7, 8, 32, 33)

# The flags of clone that make a namespace (linux/sched.h).
NEW_NAMESPACES = (0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)


def make_filter() -> bytes:
    """The filter as the kernel takes it, an array of `struct sock_filter`.

    Raises CourseError on a machine whose system calls are not known here, or without libseccomp.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise CourseError(f"The sandbox knows the system calls of {' and '.join(MACHINES)}, not of {machine}.")
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise CourseError(
            f"The sandbox needs pyseccomp and the system's libseccomp ({type(error).__name__}): "
            f'`pip install -e ".[grading]"` brings the one, the package libseccomp2 (Fedora: libseccomp) the other.'
        ) from error
    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    refuse = seccomp.ERRNO(errno.EPERM)
    for names in REFUSED.values():
        for name in names:
            rules.add_rule(refuse, NEWER.get(name, name))
    for name in ABSENT:
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), NEWER.get(name, name))
    rules.add_rule(refuse, "mmap", seccomp.Arg(3, seccomp.MASKED_EQ, SHARED_MEMORY, SHARED_MEMORY))
    for flag in NEW_NAMESPACES:
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    rules.add_rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    for name in ("socket", "socketpair"):
        rules.add_rule(refuse, name, seccomp.Arg(0, seccomp.NE, int(socket.AF_UNIX)))
    for option in BUFFER_SIZES:
        level = seccomp.Arg(1, seccomp.EQ, socket.SOL_SOCKET)
        rules.add_rule(refuse, "setsockopt", level, seccomp.Arg(2, seccomp.EQ, option))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
