"""The first process inside the sandbox: it imports NumPy and torch once, then forks a confined child a submission.

It runs no student code and holds no secret. On its control socket it gets one message of settings, then one
message a submission with three pipe ends: requests, replies, output. Every submission has fresh PID, IPC, mount,
network and UTS namespaces, so that the kernel does the cleaning when its first process ends.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import resource
import select
import signal
import socket
from typing import Any

from course_utils.grading.sandbox import kernel

NOBODY = 65534
FAILED = 70  # exit status of a child that could not be confined
SCRATCH = "/tmp"
MESSAGE = 1 << 20  # bytes of a control message, at most
MIB = 1 << 20
WARM = (
    *("matplotlib.pyplot", "scipy.sparse.linalg", "scipy.spatial.distance", "scipy.special", "sklearn.decomposition"),
    *("sklearn.manifold", "sklearn.metrics", "sklearn.neighbors", "torch.nn.functional"),
)
NAMESPACES = kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS


def main(descriptor: int) -> None:
    """Prepare, say so, and serve until the grader's end of the control socket `descriptor` is closed."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    settings = json.loads(control.recv(MESSAGE))
    try:
        take_own_place(settings, control)
        warm_up()
        harden()
    except BaseException as error:
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
        raise
    with open("/proc/self/statm", encoding="ascii") as sizes:
        settings["size"] = int(sizes.read().split()[0]) * resource.getpagesize()
    settings["program"] = base64.b64decode(settings["filter"])
    own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY) if settings["namespaces"] else None
    control.send(json.dumps({"ready": True}).encode())
    running: dict[int, int] = {}  # process ids of first processes by their pidfds
    while True:
        for ready in select.select([control, *running], [], [])[0]:
            if ready in running:
                report_end(control, ready, running.pop(ready))
                continue
            message, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 3)
            if not message:  # the grader is gone: this process ends, and the kernel ends all below it
                return
            child, pidfd = start(descriptors, settings, own_pids)
            running[pidfd] = child
            socket.send_fds(control, [json.dumps({"started": child}).encode()], [pidfd])


def take_own_place(settings: dict[str, Any], control: socket.socket) -> None:
    """Become nobody where root started the sandbox, and the first process of namespaces that are the zygote's own.

    bubblewrap's own PID namespace belongs to a user namespace above, into which `setns` would not let the zygote back.
    """
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or the id maps below would be root's to write
        if settings["namespaces"]:
            kernel.unshare(kernel.CLONE_NEWUSER)
            for name, line in (("setgroups", "deny"), ("uid_map", "{0} {0} 1"), ("gid_map", "{0} {0} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(line.format(NOBODY))
    if settings["namespaces"]:
        kernel.unshare(NAMESPACES)
    else:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        return
    first = os.fork()
    if first:
        control.close()
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 127)
    # The zygote's own scratch folder, for the caches of what it imports; each submission gets one of its own over it.
    kernel.mount("tmpfs", SCRATCH, kernel.MS_NOSUID | kernel.MS_NODEV, "size=32m")


def warm_up() -> None:
    """Import what notebooks import, and run what torch sets up at first use (it would write on stderr later)."""
    for name in WARM:
        importlib.import_module(name)
    import matplotlib as mpl
    import numpy as np
    import torch

    mpl.use("agg")
    import course_utils
    from course_utils.grading import worker

    for name in course_utils.__all__:
        getattr(course_utils, name)
    torch.set_num_threads(1)
    images = torch.ones(1, 1, 8, 8, requires_grad=True)
    torch.nn.functional.conv2d(images, torch.ones(1, 1, 3, 3)).sum().backward()
    torch.linalg.svd(torch.eye(3))
    np.linalg.svd(np.eye(3) @ np.eye(3))
    worker.warm_up()


def harden() -> None:
    """Default signals, the first choice of the out-of-memory killer, and closed to processes of the same user."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def start(descriptors: list[int], settings: dict[str, Any], own_pids: int | None) -> tuple[int, int]:
    """Fork a confined child for one submission; returns its process id and pidfd."""
    if own_pids is not None:
        kernel.unshare(kernel.CLONE_NEWPID)  # of the next child
    child = os.fork()
    if child == 0:
        try:
            confine(descriptors, settings)
            from course_utils.grading import worker

            worker.serve(requests=3, replies=4)
        except BaseException as error:
            with contextlib.suppress(BaseException):
                os.write(2, f"the sandbox failed: {type(error).__name__}: {error}".encode()[:500])
            os._exit(FAILED)
        os._exit(0)
    if own_pids is not None:
        kernel.setns(own_pids, kernel.CLONE_NEWPID)
    for descriptor in descriptors:
        os.close(descriptor)
    return child, os.pidfd_open(child)


def report_end(control: socket.socket, pidfd: int, child: int) -> None:
    """Collect a first process that has ended, and tell the grader how it did."""
    _, status, used = os.wait4(child, 0)
    os.close(pidfd)
    ending = {
        "ended": child,
        "exit": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        "resident": used.ru_maxrss * 1024,
    }
    control.send(json.dumps(ending).encode())


def confine(descriptors: list[int], settings: dict[str, Any]) -> None:
    """Take from this process everything but three pipes, a scratch folder and the right to compute."""
    requests, replies, output = (os.dup2(one, 100 + index) for index, one in enumerate(descriptors))
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2), (requests, 3), (replies, 4)):
        os.dup2(source, target, inheritable=target < 3)
    os.closerange(5, 1 << 16)
    os.setsid()
    limits = settings["limits"]
    if settings["namespaces"]:
        kernel.unshare(NAMESPACES & ~kernel.CLONE_NEWPID)
        options = f"size={limits['scratch']}m,nr_inodes=1024,mode=700,uid={os.getuid()},gid={os.getgid()}"
        kernel.mount("tmpfs", SCRATCH, kernel.MS_NOSUID | kernel.MS_NODEV, options)
        hidden = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("tmpfs", "/proc", hidden, "size=4k,nr_inodes=2,mode=555")
    os.chdir(SCRATCH)
    limit(limits, settings["size"])
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if settings["namespaces"]:
        kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if settings["program"]:
        kernel.install_filter(settings["program"])
    settings.clear()


def limit(limits: dict[str, Any], size: int) -> None:
    """Set the limits of this process; `size` is the address space in bytes that it starts with."""
    values = {
        resource.RLIMIT_AS: size + limits["memory"] * MIB,
        resource.RLIMIT_CPU: limits["cpu"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_FSIZE: limits["file_size"] * MIB,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    for what, value in values.items():
        resource.setrlimit(what, (value, value))
