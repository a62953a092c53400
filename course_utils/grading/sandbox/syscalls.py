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
        *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at"),
    ),
    "the kernel": ("bpf", "perf_event_open", "syslog", "kexec_load", "init_module", "finit_module", "delete_module"),
    "scheduling": (
        *("sched_setscheduler", "sched_setparam", "sched_setaffinity", "sched_setattr", "setpriority", "ioprio_set"),
    ),
    "memory that is no file and counts for nobody": ("memfd_create", "memfd_secret"),
    "another personality": ("personality",),
}

# Answered as if the kernel did not have them, so that callers take their other way.
ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd")

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
            rules.add_rule(refuse, name)
    for name in ABSENT:
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), name)
    for flag in NEW_NAMESPACES:
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    rules.add_rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    for name in ("socket", "socketpair"):
        rules.add_rule(refuse, name, seccomp.Arg(0, seccomp.NE, int(socket.AF_UNIX)))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
