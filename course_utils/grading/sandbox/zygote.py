"""The process inside the sandbox that imports NumPy and torch once, then forks a confined child a submission.

It runs no student code and holds no secret. On its control socket it gets one message of settings, then one
message a submission with three pipe ends: requests, replies, output.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import tempfile
from typing import Any

from course_utils.grading.sandbox import kernel
from course_utils.grading.sandbox.ways import Way, use_scratch, way_of

FAILED = 70  # exit status of a child that could not be confined
MESSAGE = 1 << 20  # bytes of a control message, at most
DESCRIPTORS = 1024  # that the zygote may have; a child closes all of them
MIB = 1 << 20
WARM = (
    *("matplotlib.pyplot", "scipy.fft", "scipy.optimize", "scipy.signal", "scipy.sparse.linalg", "scipy.stats"),
    *("scipy.spatial.distance", "scipy.special", "sklearn.cluster", "sklearn.decomposition", "sklearn.linear_model"),
    *("sklearn.manifold", "sklearn.metrics", "sklearn.neighbors", "sklearn.preprocessing", "torch.nn.functional"),
)


def main(descriptor: int) -> None:
    """Prepare, say so, and serve until the grader's end of the control socket `descriptor` is closed."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    settings = json.loads(control.recv(MESSAGE))
    way = way_of(settings["mode"], settings["users"])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        way.prepare(control)
        with tempfile.TemporaryDirectory(dir=way.temporary) as home:  # for the caches of what it imports
            use_scratch(home)
            warm_up()
            os.chdir("/")
        harden()
    except BaseException as error:
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
        raise
    with open("/proc/self/statm", encoding="ascii") as sizes:
        settings["size"] = int(sizes.read().split()[0]) * resource.getpagesize()
    settings["program"] = base64.b64decode(settings["filter"])
    control.send(json.dumps({"ready": True}).encode())
    serve(control, way, settings)


def serve(control: socket.socket, way: Way, settings: dict[str, Any]) -> None:
    """Start children and report their ends, until nobody is at the other end of the control socket."""
    running: dict[int, int] = {}  # process ids of first processes by their pidfds
    with contextlib.suppress(ConnectionError):
        while True:
            for ready in select.select([control, *running], [], [])[0]:
                if ready in running:
                    report_end(control, way, ready, running.pop(ready))
                    continue
                message, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 3)
                if not message:
                    raise ConnectionResetError
                child, pidfd = start(descriptors, way, settings)
                running[pidfd] = child
                socket.send_fds(control, [json.dumps({"started": child}).encode()], [pidfd])
    for pidfd, child in running.items():
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitpid(child, 0)
        way.clean(child)


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
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"a library started {threads - 1} threads, which a fork would lose")
    gc.collect()
    gc.freeze()  # or a child's first collection would touch, and so copy, every page that it shares with this process


def harden() -> None:
    """Default signals, the first choice of the out-of-memory killer, and closed to processes of the same user."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def start(descriptors: list[int], way: Way, settings: dict[str, Any]) -> tuple[int, int]:
    """Fork a confined child for one submission; returns its process id and pidfd."""
    child = way.fork()
    if child == 0:
        try:
            confine(descriptors, way, settings)
            from course_utils.grading import worker

            worker.serve(requests=3, replies=4)
        except BaseException as error:
            with contextlib.suppress(BaseException):
                os.write(2, f"the sandbox failed: {type(error).__name__}: {error}".encode()[:500])
            os._exit(FAILED)
        os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    return child, os.pidfd_open(child)


def report_end(control: socket.socket, way: Way, pidfd: int, child: int) -> None:
    """Collect a first process that has ended, clear away what it left, and tell the grader how it ended."""
    _, status, used = os.wait4(child, 0)
    os.close(pidfd)
    way.clean(child)
    ending = {
        "ended": child,
        "exit": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        "resident": used.ru_maxrss * 1024,
    }
    control.send(json.dumps(ending).encode())


def confine(descriptors: list[int], way: Way, settings: dict[str, Any]) -> None:
    """Take from this process everything but three pipes, a scratch folder and the right to compute."""
    keep_pipes(descriptors)
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python has them, so that they become exceptions
        signal.signal(number, signal.SIG_IGN)
    way.enter(settings["limits"])
    limit(settings["limits"], settings["size"], settings["mode"])
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if settings["program"]:
        kernel.install_filter(settings["program"])
    settings.clear()


def keep_pipes(descriptors: list[int]) -> None:
    """Close every descriptor but the pipes: nothing at 0, output at 1 and 2, requests at 3, replies at 4."""
    requests, replies, output = (os.dup2(one, DESCRIPTORS - 1 - index) for index, one in enumerate(descriptors))
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2), (requests, 3), (replies, 4)):
        os.dup2(source, target, inheritable=target < 3)
    os.closerange(5, DESCRIPTORS)


def limit(limits: dict[str, Any], size: int, mode: str) -> None:
    """Set the limits of this process; `size` is the address space in bytes that it starts with."""
    values = {
        resource.RLIMIT_AS: size + limits["memory"] * MIB,
        resource.RLIMIT_CPU: limits["cpu"],
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_FSIZE: limits["file_size"] * MIB,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    if mode != "unprotected":  # where everything that its user runs would count
        values[resource.RLIMIT_NPROC] = limits["processes"]
    for what, value in values.items():
        resource.setrlimit(what, (value, value))
