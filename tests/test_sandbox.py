"""What a submission can do to everything else: nothing, as root and as an ordinary user; and what its limits are."""

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sandboxed import SMALL, family, loaded, need_namespaces, outcome, quick_entry, run, status, wait_until, zygote

from course_utils.errors import CourseError
from course_utils.grading import wire
from course_utils.grading.results import UNCERTAIN, Status
from course_utils.grading.sandbox import bubblewrap, launch, syscalls
from course_utils.grading.sandbox.launch import Mode, Zygote
from course_utils.grading.sandbox.limits import Limits
from course_utils.grading.session import Ended, Session

if not sys.platform.startswith("linux"):
    pytest.skip("the sandbox needs Linux", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[1]
NO_FILTER = "zygote.kernel.install_filter = lambda program: None"


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(scope="module")
def sandbox(patch: pytest.MonkeyPatch) -> Iterator[Zygote]:
    """One with every measure."""
    patch.setenv("COURSE_SECRET", "nobody is to see this")
    with zygote(patch) as started:
        yield started


@pytest.fixture(scope="module")
def unfiltered(patch: pytest.MonkeyPatch) -> Iterator[Zygote]:
    """One without the filter of system calls."""
    with zygote(patch, without=NO_FILTER) as started:
        yield started


# -------------------------------------------------------------- what is seen


def look_around(paths):
    import os
    import stat
    import sys

    def readable(path):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            return False
        return True

    descriptors = {}
    for number in range(1024):
        try:
            descriptors[str(number)] = stat.S_ISFIFO(os.fstat(number).st_mode)
        except OSError:
            continue
    return {
        "readable": [path for path in paths if readable(path)],
        "root": os.listdir("/"),
        "proc": os.listdir("/proc"),
        "dev": os.listdir("/dev"),
        "work": os.listdir("."),
        "environment": dict(os.environ),
        "arguments": " ".join(sys.orig_argv),
        "host": os.uname().nodename,
        "user": list(os.getresuid() + os.getresgid()) + os.getgroups(),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "descriptors": descriptors,
    }


def private_files() -> list[str]:
    frozen = sorted((ROOT / "course_utils" / "exercises" / "frozen").glob("*.npz"))
    known = sorted((ROOT / "solutions").rglob("*.py"))
    assert frozen
    assert known
    places = [*frozen, *known, ROOT / "tests" / "test_sandbox.py", ROOT / "pyproject.toml", ROOT / "solutions"]
    return [str(place) for place in [*places, ROOT / ".git", "/etc/passwd", "/sys", "/home", "/run", "/var"]]


def test_a_submission_sees_python_and_the_course_and_no_more(sandbox: Zygote) -> None:
    seen = run(sandbox, look_around, private_files())
    assert seen["readable"] == []
    assert seen["proc"] == seen["work"] == []
    assert sorted(seen["dev"]) == ["null", "random", "urandom"]
    assert seen["host"] == "sandbox"
    assert set(seen["user"]) == {65534}
    assert (seen["pid"], seen["parent"]) == (1, 0)
    assert not {"sys", "home", "run", "var", "boot", "mnt", "opt"} & set(seen["root"]) - {
        place.parts[1] for place in bubblewrap.shown_places()
    }


def test_nothing_of_the_grader_is_passed_on(sandbox: Zygote) -> None:
    seen = run(sandbox, look_around, [])
    assert "COURSE_SECRET" in os.environ
    assert set(seen["environment"]) <= {
        *launch.ONE_THREAD,
        *("HOME", "LANG", "MPLCONFIGDIR", "PATH", "PWD", "PYTHONHASHSEED", "TMPDIR", "USER"),
        *("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"),  # libraries set these themselves
    }
    assert seen["arguments"].split()[-2] == str(ROOT)  # then the number of a descriptor, closed by now
    assert seen["descriptors"] == {"0": False, "1": True, "2": True, "3": True, "4": True}  # pipes, but for /dev/null


def test_without_hiding_them_the_public_answers_are_seen(patch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as context:
        context.setattr(bubblewrap, "HIDDEN", ())
        with zygote(patch) as leaky:
            assert any(path.endswith(".npz") for path in run(leaky, look_around, private_files())["readable"])


def test_what_the_kernel_says_of_a_submission_and_of_its_zygote(sandbox: Zygote) -> None:
    with loaded(sandbox, look_around) as session:
        child = status(session.process.pid)
        parent = status(int(child["PPid"]))
        scores = [Path(f"/proc/{number}/oom_score_adj").read_text() for number in (session.process.pid, child["PPid"])]
        limits = Path(f"/proc/{session.process.pid}/limits").read_text()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(child[name], 16) == 0, name
    assert (child["NoNewPrivs"], child["Seccomp"], child["Threads"], parent["Threads"]) == ("1", "2", "1", "1")
    assert int(parent["SigCgt"], 16) == int(parent["SigIgn"], 16) == 0
    assert [int(score) for score in scores] == [1000, 1000]
    found = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()[1:]}
    assert found["Max processes"] == ["16", "16"]
    assert found["Max core file size"] == found["Max locked memory"] == found["Max msgqueue size"] == ["0", "0"]
    if os.getuid() == 0:
        assert child["Uid"].split() == parent["Uid"].split() == ["65534"] * 4  # the kernel's own number, not root's


def test_without_hardening_a_signal_would_reach_the_zygote(patch: pytest.MonkeyPatch) -> None:
    with zygote(patch, without="zygote.harden = lambda: None") as soft, loaded(soft, look_around) as session:
        parent = int(status(session.process.pid)["PPid"])
        assert int(status(parent)["SigCgt"], 16) & 1 << (signal.SIGINT - 1)
        assert Path(f"/proc/{parent}/oom_score_adj").read_text().strip() != "1000"


# -------------------------------------------------------------- what is written


def writable_folders(aims):
    import os

    found = []
    for start in aims:
        for folder, folders, _ in os.walk(start):
            folders[:] = [name for name in folders if name not in ("scratch", "site-packages")]
            if os.access(folder, os.W_OK):
                found.append(folder)
    return found


def write_everywhere(name):
    import os

    done = []
    for folder in ("/", "/etc", "/dev", "/dev/shm", "/usr", "/proc", "/var/tmp", "/run"):
        try:
            os.mkdir(os.path.join(folder, name))
            done.append(folder)
        except OSError:
            continue
    for device in ("/dev/null", "/dev/random", "/dev/urandom"):
        try:
            os.utime(device)
            done.append(device)
        except OSError:
            continue
    return done


def test_only_the_scratch_folder_is_writable(sandbox: Zygote) -> None:
    assert run(sandbox, write_everywhere, "left") == []
    assert run(sandbox, writable_folders, ["/etc", "/dev", "/proc", str(ROOT)]) == []


@pytest.mark.skipif(os.getuid() == 0, reason="started by root, bubblewrap's own folders belong to root")
def test_without_remounting_the_root_is_writable(patch: pytest.MonkeyPatch) -> None:
    words = bubblewrap.file_system()
    assert words[-4:] == ["--remount-ro", "/dev", "--remount-ro", "/"]
    with pytest.MonkeyPatch.context() as context:
        context.setattr(bubblewrap, "file_system", lambda: words[:-4])
        with zygote(patch) as leaky:
            assert {"/", "/etc", "/dev"} <= set(run(leaky, write_everywhere, "left"))


def test_devices_work(sandbox: Zygote) -> None:
    def devices():
        with open("/dev/urandom", "rb") as random, open("/dev/null", "wb") as null:
            return [len(random.read(8)), null.write(b"gone")]

    assert run(sandbox, devices) == [8, 4]


# -------------------------------------------------------------- system calls


def try_calls(numbers):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    found = {}
    for name, number in numbers.items():
        ctypes.set_errno(0)
        arguments = [ctypes.c_long(-1)] * 6
        found[name] = 0 if libc.syscall(ctypes.c_long(number), *arguments) >= 0 else ctypes.get_errno()
    return found


def numbers_of(names: list[str]) -> dict[str, int]:
    import pyseccomp  # cannot be imported where there is no libseccomp

    arch = pyseccomp.system_arch()
    found = {name: syscalls.NEWER.get(name) or pyseccomp.resolve_syscall(arch, name) for name in names}
    assert -1 not in found.values()
    return {name: number for name, number in found.items() if number >= 0}  # others exist on another machine only


REFUSED = numbers_of([name for names in syscalls.REFUSED.values() for name in names])
ABSENT = numbers_of(list(syscalls.ABSENT))


def test_every_call_of_the_list_is_refused(sandbox: Zygote) -> None:
    assert set(run(sandbox, try_calls, REFUSED).values()) == {errno.EPERM}
    assert set(run(sandbox, try_calls, ABSENT).values()) == {errno.ENOSYS}


def test_without_the_filter_most_of_them_reach_the_kernel(unfiltered: Zygote) -> None:
    reached = [name for name, number in run(unfiltered, try_calls, REFUSED).items() if number != errno.EPERM]
    assert {"add_key", "keyctl", "shmget", "msgget", "semget", "memfd_create", "mq_open", "ptrace"} <= set(reached)


def keep_things(key):
    """Leave what outlives a process: a key of the user's, System V memory, a message queue, a raised limit."""
    import ctypes
    import mmap
    import resource
    import socket

    libc = ctypes.CDLL(None, use_errno=True)
    kept = []
    if libc.shmget(key, 4096, 0o1666) >= 0:
        kept.append("shared memory")
    if libc.msgget(key, 0o1666) >= 0:
        kept.append("message queue")
    if libc.syscall(ctypes.c_long(248), b"user", b"course", b"left", ctypes.c_long(4), ctypes.c_long(-4)) > 0:
        kept.append("key")  # the number is x86-64's
    try:
        resource.prlimit(1, resource.RLIMIT_NOFILE, (32, 32))
        kept.append("limit")
    except PermissionError:
        pass
    try:
        mmap.mmap(-1, 4096)  # shared by default
        kept.append("shared mapping")
    except PermissionError:
        pass
    for name in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"):
        try:
            socket.socket(getattr(socket, name), socket.SOCK_DGRAM).close()
            kept.append(name)
        except PermissionError:
            continue
    socket.socketpair()[0].close()
    return kept


def test_keys_queues_shared_memory_and_sockets_cannot_be_made(sandbox: Zygote) -> None:
    assert run(sandbox, keep_things, 4711) == []


def test_without_the_filter_they_can(unfiltered: Zygote) -> None:
    kept = run(unfiltered, keep_things, 4711)
    assert {"shared memory", "message queue", "limit", "shared mapping", "AF_INET", "AF_NETLINK"} <= set(kept)


def clone_namespace():
    import ctypes
    import os
    import platform

    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    found = []
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        child = libc.syscall(ctypes.c_long(number), ctypes.c_long(flag | 17), *[ctypes.c_long(0)] * 4)
        if child == 0:
            os._exit(0)
        found.append(child if child >= 0 else -ctypes.get_errno())
    return found


def test_no_clone_into_a_namespace(sandbox: Zygote) -> None:
    assert run(sandbox, clone_namespace) == [-errno.EPERM] * 7


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other tables of system calls are x86-64's")
def test_the_other_tables_of_system_calls_end_the_process(sandbox: Zygote) -> None:
    def other_tables():
        import ctypes
        import mmap
        import os

        found = []
        for table in ("x32", "i386"):
            child = os.fork()
            if child == 0:
                if table == "x32":
                    ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 39))
                else:
                    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
                    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, getpid; int 0x80; ret
                    place = ctypes.addressof(ctypes.c_char.from_buffer(page))
                    ctypes.CFUNCTYPE(ctypes.c_int)(place)()
                os._exit(0)
            found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return found

    assert run(sandbox, other_tables) == [-signal.SIGSYS] * 2


# -------------------------------------------------------------- network


def connect(port, name):
    import socket

    found = []
    for kind, address in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, "\0" + name)):
        try:
            with socket.socket(kind, socket.SOCK_STREAM) as one:
                one.settimeout(2)
                one.connect(address)
                found.append(str(kind))
        except OSError:
            continue
    return found


def test_neither_loopback_nor_abstract_sockets_are_reached(sandbox: Zygote, unfiltered: Zygote) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        name = f"course-test-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        port = server.getsockname()[1]
        assert len(connect(port, name)) == 2  # as anybody else can
        assert run(sandbox, connect, port, name) == []
        assert run(unfiltered, connect, port, name) == []  # the namespace alone holds too


# -------------------------------------------------------------- limits


def fork_and_thread(most):
    import os
    import signal
    import threading

    children = []
    try:
        while len(children) < most:
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
    stop = threading.Event()
    threads = []
    try:
        while len(threads) < most:
            threads.append(threading.Thread(target=stop.wait))
            threads[-1].start()
    except RuntimeError:
        threads.pop()
    stop.set()
    for thread in threads:
        thread.join()
    return [len(children), len(threads)]


def counts_are_under(most: int, counts: list[int]) -> bool:
    return all(most - 6 <= count < most for count in counts)  # the zygote's own two or three count too


def test_processes_and_threads_are_limited(patch: pytest.MonkeyPatch) -> None:
    for most in (16, 40):
        limits = Limits(memory=2048, processes=most)  # a thread's stack and heap take 72 MiB of addresses
        with zygote(patch, limits=limits) as started:
            counts = run(started, fork_and_thread, 100)
            assert counts_are_under(most, counts), counts


def test_a_fork_bomb_ends_with_its_submission(sandbox: Zygote) -> None:
    def bomb():
        import os

        while True:
            try:
                os.fork()
            except OSError:
                continue

    before = len(family(sandbox))
    with loaded(sandbox, bomb) as session:
        try:
            assert outcome(session, seconds=0.5)["timed_out"] == 0.5
            assert 0 < len(family(sandbox)) - before < 16
        except Ended as ended:
            if ended.status is not Status.TIMED_OUT:
                raise
            # sixteen busy processes left the worker's own clock no turn, so the grader's ended it
    assert len(family(sandbox)) == before
    assert run(sandbox, fork_and_thread, 1) == [1, 1]


def share_memory(count, size):
    import os
    import time

    for _ in range(count):
        if os.fork() == 0:
            held = bytearray(os.urandom(1)) * (size << 20)
            time.sleep(30)
            os._exit(len(held) % 2)
    time.sleep(30)


def test_memory_is_limited_over_all_processes_together(sandbox: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    with loaded(sandbox, share_memory) as session, pytest.raises(Ended, match="192 MiB of memory") as ended:
        outcome(session, 4, 80, seconds=10.0)
    assert ended.value.status is Status.LIMIT
    monkeypatch.setattr(Session, "look_at_memory", lambda self, now: None)
    with loaded(sandbox, share_memory) as session:  # without the look it would go on until its time is over
        assert outcome(session, 4, 80, seconds=2.0)["timed_out"] == 2.0


def use_up(what):
    import mmap
    import os

    kept = []
    try:
        if what == "memory":
            kept = bytearray(400 << 20)
        elif what == "mapping":
            kept = mmap.mmap(-1, 400 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        elif what == "file":
            with open("large", "wb") as file:
                file.write(bytes(4 << 20))
        elif what == "scratch":
            for number in range(100):
                with open(str(number), "wb") as file:
                    file.write(bytes(1 << 20))
        elif what == "inodes":
            for number in range(5000):
                os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
        elif what == "descriptors":
            for _ in range(1000):
                kept.append(os.open("/dev/null", os.O_RDONLY))
    except MemoryError:
        return "MemoryError"
    except OSError as error:
        return error.errno
    return "no limit"


@pytest.mark.parametrize(
    ("what", "met"),
    [
        ("memory", "MemoryError"),
        ("mapping", errno.ENOMEM),
        ("file", errno.EFBIG),
        ("scratch", errno.ENOSPC),
        ("inodes", errno.ENOSPC),
        ("descriptors", errno.EMFILE),
    ],
)
def test_a_limit_is_met(sandbox: Zygote, what: str, met: object) -> None:
    assert run(sandbox, use_up, what) == met


def test_wider_limits_are_not_met(patch: pytest.MonkeyPatch) -> None:
    wide = Limits(memory=1024, file_size=64, scratch=256, files=1024)
    with zygote(patch, limits=wide) as wider:
        for what in ("memory", "mapping", "file", "scratch"):
            assert run(wider, use_up, what) == "no limit", what


def test_cpu_seconds_are_limited(patch: pytest.MonkeyPatch) -> None:
    def burn():
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0)
        while True:
            pass

    with (
        zygote(patch, limits=Limits(**{**vars(SMALL), "cpu": 2})) as short,
        loaded(short, burn) as session,
        pytest.raises(Ended, match="2 s of CPU time") as ended,
    ):
        outcome(session, seconds=30.0)
    assert ended.value.status is Status.LIMIT


def test_a_loop_that_switches_its_clock_off_is_ended_by_the_grader(sandbox: Zygote) -> None:
    def sleep():
        import signal
        import time

        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(1000)

    with loaded(sandbox, sleep, wall=1.0) as session, pytest.raises(Ended) as ended:
        outcome(session, seconds=30.0)
    assert ended.value.status is Status.TIMED_OUT


def test_what_the_system_kills_is_to_be_tried_again(sandbox: Zygote) -> None:
    def sleep():
        import time

        time.sleep(1000)

    with loaded(sandbox, sleep) as session:
        killer = threading.Timer(0.2, session.child.kill)
        killer.start()
        with pytest.raises(Ended, match="memory runs out") as ended:
            outcome(session, seconds=30.0)
        killer.join()
    assert ended.value.status in UNCERTAIN


def test_a_flood_of_output_is_drained_and_little_of_it_kept(sandbox: Zygote) -> None:
    def flood():
        import os

        for _ in range(400):
            os.write(1, b"x" * 65536)
        return 1

    with loaded(sandbox, flood) as session:
        assert outcome(session)["value"] == 1
    assert len(session.printed) == 64 * 1024


# -------------------------------------------------------------- the next submission


def leave_everything():
    import os
    import signal
    import time

    left = []

    def leave(what, action):
        try:
            action()
            left.append(what)
        except (OSError, AttributeError):
            return

    def stay():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(1, 32):
                    if number not in (signal.SIGKILL, signal.SIGSTOP):
                        signal.signal(number, signal.SIG_IGN)
                for _ in range(1000):
                    time.sleep(0.01)
                    for descriptor in (1, 3, 4):
                        try:
                            os.write(descriptor, b"late")
                        except OSError:
                            continue
            os._exit(0)

    for folder in (".", "/tmp", "/dev/shm", "/", "/etc", "/dev"):
        leave(folder, lambda folder=folder: open(f"{folder}/left", "w").close())
    leave("nice", lambda: os.nice(5))
    leave("affinity", lambda: os.sched_setaffinity(0, {0}))
    leave("times", lambda: os.utime("/dev/null"))
    leave("daemon", stay)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in (1, os.getppid(), -1):
            if process not in (0, os.getpid()):
                leave("signal", lambda process=process, number=number: os.kill(process, number))
    leave("daemon", stay)
    return left


def find_everything():
    import os
    import resource

    return {
        "files": [place for place in (".", "/tmp", "/dev/shm", "/") if os.path.exists(f"{place}/left")],
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "cores": len(os.sched_getaffinity(0)),
        "limits": [resource.getrlimit(kind)[0] for kind in range(16)],
    }


def test_the_next_submission_finds_nothing(sandbox: Zygote) -> None:
    before, alive = run(sandbox, find_everything), {one.pid for one in family(sandbox)}
    left = run(sandbox, leave_everything)
    assert "." in left
    assert left.count("daemon") == 2
    assert not {"/etc", "/dev", "/dev/shm", "/", "nice", "affinity", "times"} & set(left)
    assert {one.pid for one in family(sandbox)} == alive
    assert run(sandbox, find_everything) == before


def test_a_submission_cannot_end_its_zygote(sandbox: Zygote) -> None:
    def end_itself():
        import ctypes
        import os

        ctypes.string_at(0)
        os._exit(3)

    alive = {one.pid for one in family(sandbox)}
    for _ in range(2):
        with loaded(sandbox, end_itself) as session, pytest.raises(Ended, match="SIGSEGV"):
            outcome(session)
    assert {one.pid for one in family(sandbox)} == alive


# -------------------------------------------------------------- how a sandbox ends


def daemon():
    import os
    import time

    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    return os.getcwd()


GRADER = """
import sys, threading
sys.path.insert(0, {tests!r})
import pytest
from sandboxed import zygote, loaded, outcome
from test_sandbox import daemon
from course_utils.grading.sandbox.launch import Mode
with pytest.MonkeyPatch.context() as patch, zygote(patch, Mode({mode!r})) as started:
    with loaded(started, daemon) as session:
        assert outcome(session)["error"] is None
        print("ready", flush=True)
        threading.Event().wait()
"""


def modes() -> list[Mode]:
    return [Mode.NAMESPACES, Mode.UNPROTECTED, *([Mode.ANOTHER_USER] if os.getuid() == 0 else [])]


@pytest.mark.parametrize("mode", modes())
def test_a_killed_grader_leaves_no_process(mode: Mode) -> None:
    if mode is Mode.NAMESPACES:
        need_namespaces()
    program = textwrap.dedent(GRADER).format(tests=str(ROOT / "tests"), mode=mode.value)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as grader:
        assert grader.stdout is not None
        assert grader.stdout.readline() == b"ready\n"
        started = psutil.Process(grader.pid).children(recursive=True)
        assert len(started) >= 3  # a zygote, a submission, its daemon
        grader.kill()
    assert wait_until(lambda: not any(one.is_running() and one.status() != "zombie" for one in started))


def test_a_zygote_outlives_the_thread_that_started_it(patch: pytest.MonkeyPatch) -> None:
    need_namespaces()
    made: list[Zygote] = []
    with pytest.MonkeyPatch.context() as context:
        context.setattr(launch, "ENTRY", quick_entry())
        starter = threading.Thread(target=lambda: made.append(Zygote(SMALL, Mode.NAMESPACES)))
        starter.start()
        starter.join()
    try:
        assert set(run(made[0], look_around, [])["user"]) == {65534}
    finally:
        made[0].close()


def test_bubblewrap_alone_would_end_with_that_thread() -> None:
    need_namespaces()
    made: list[subprocess.Popen[bytes]] = []
    words = ["bwrap", "--ro-bind", "/", "/", "--die-with-parent", "sh", "-c", "echo started; exec sleep 20"]

    def start() -> None:
        made.append(subprocess.Popen(words, stdout=subprocess.PIPE))
        assert made[0].stdout is not None
        assert made[0].stdout.readline() == b"started\n"

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    with made[0] as process:
        assert process.wait(10) != 0  # ended by a signal


def test_a_zygote_that_was_killed_is_said_in_a_sentence(patch: pytest.MonkeyPatch) -> None:
    with zygote(patch) as started:
        for one in family(started)[1:]:
            one.kill()
        assert wait_until(lambda: started.process.poll() is not None)
        with pytest.raises(CourseError, match="The sandbox ended and has to be started again"):
            started.start()


# -------------------------------------------------------------- without namespaces


def test_root_without_namespaces_runs_them_as_another_user(patch: pytest.MonkeyPatch) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with zygote(patch, Mode.ANOTHER_USER) as weaker:
        assert weaker.protection.startswith("Weaker sandbox")
        seen = run(weaker, look_around, ["/etc/shadow", f"/proc/{weaker.process.pid}/environ"])
        assert seen["readable"] == []
        assert len(set(seen["user"])) == 1
        assert 61000 <= seen["user"][0] < 65534
        assert seen["descriptors"] == {"0": False, "1": True, "2": True, "3": True, "4": True}
        assert set(run(weaker, try_calls, REFUSED).values()) == {errno.EPERM}
        assert run(weaker, keep_things, 4711) == []
        assert counts_are_under(16, run(weaker, fork_and_thread, 100)[:1])
        with loaded(weaker, look_around) as one, loaded(weaker, look_around) as other:
            users = {outcome(session, [])["value"]["user"][0] for session in (one, other)}
        assert len(users) == 2  # or the end of one would end the other
        leave_and_find(weaker)


def test_unprotected_ends_what_a_submission_started(patch: pytest.MonkeyPatch) -> None:
    with zygote(patch, Mode.UNPROTECTED) as open_one:
        assert open_one.protection.startswith("No sandbox")
        alive = {one.pid for one in family(open_one)}
        folder = run(open_one, daemon)
        assert {one.pid for one in family(open_one)} == alive
        assert not Path(folder).exists()


def leave_and_find(weaker: Zygote) -> None:
    """Nothing that a submission leaves may be there for the next, nor run on."""

    def leave(name):
        import os
        import signal
        import time

        for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
            os.makedirs(f"{folder}/{name}/deep", mode=0o700)
        place = f"/dev/shm/{name}/deep"
        for _ in range(1500):  # deeper than Python can recurse
            os.chdir(place)
            place = "d"
            os.mkdir(place)
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    time.sleep(1000)
                os._exit(0)
        stopped = []
        for process in (1, os.getppid()):
            try:
                os.kill(process, signal.SIGKILL)
                stopped.append(process)
            except OSError:
                continue
        return stopped

    name = f"course-left-{os.getpid()}"
    alive = {one.pid for one in family(weaker)}
    assert run(weaker, leave, name) == []
    assert {one.pid for one in family(weaker)} == alive
    assert not any(Path(folder, name).exists() for folder in ("/tmp", "/dev/shm", "/var/tmp"))


def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda *_, **__: None)


def test_an_ordinary_user_without_bubblewrap_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    no_bubblewrap(monkeypatch)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(CourseError) as refused:
        Zygote(SMALL)
    for word in ("bubblewrap is not installed", "apt-get install bubblewrap", "podman", "docker", "--unprotected"):
        assert word in str(refused.value)


def test_root_is_told_that_the_sandbox_is_weaker(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    no_bubblewrap(monkeypatch)
    monkeypatch.setattr(launch, "ENTRY", quick_entry())
    weaker = Zygote(SMALL)
    try:
        assert weaker.mode is Mode.ANOTHER_USER
        assert "bubblewrap is not installed" in weaker.protection
    finally:
        weaker.close()


def test_namespaces_that_are_refused_are_not_given_up_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    need_namespaces()
    monkeypatch.setattr(bubblewrap, "file_system", lambda: ["--ro-bind", "/nowhere", "/nowhere"])
    with pytest.raises(CourseError, match=r"nothing was run: bwrap: .*/nowhere"):
        Zygote(SMALL, Mode.NAMESPACES)


def test_elsewhere_than_on_linux_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CourseError, match="only Linux has"):
        Zygote(SMALL)


def test_the_trusted_side_can_be_imported_on_windows() -> None:
    program = """
import importlib.abc, os, signal, socket, sys
import psutil, numpy, scipy.sparse, nbformat  # these find out for themselves where they are
class NotThere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("resource", "fcntl", "pwd", "grp", "termios"):
            raise ModuleNotFoundError(name)
for name in ("resource", "fcntl", "pwd", "grp", "termios"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, NotThere())
sys.platform = "win32"
for module, name in ((os, "getuid"), (os, "pidfd_open"), (os, "fork"), (signal, "SIGKILL"), (socket, "AF_UNIX")):
    delattr(module, name)
import course_utils.grading.marking, course_utils.grading.controls
from course_utils.grading.sandbox.launch import Zygote
from course_utils.grading.sandbox.limits import Limits
from course_utils.errors import CourseError
try:
    Zygote(Limits())
except CourseError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert "in WSL" in done.stdout


# -------------------------------------------------------------- the command


def test_a_folder_is_the_systems_only_where_it_lies_in_one() -> None:
    places = [Path(place) for place in ("/library/course", "/usr/local/course", "/opt/python/lib", "/opt/python")]
    assert bubblewrap.outermost(places) == [Path("/library/course"), Path("/opt/python")]


def test_of_a_home_folder_that_is_pythons_prefix_little_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prefix", "base_prefix", "exec_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, "/home/somebody")
    assert Path("/home/somebody") not in bubblewrap.python_places()
    assert Path("/home/somebody/lib") in bubblewrap.python_places()


def test_another_machine_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls.platform, "machine", lambda: "riscv64")
    with pytest.raises(CourseError, match="not of riscv64"):
        syscalls.make_filter()


def test_the_filter_reads_as_a_program_for_the_kernel() -> None:
    program = syscalls.make_filter()
    assert len(program) % 8 == 0
    assert 0 < len(program) // 8 < 4096  # instructions, the kernel's limit


def test_a_message_of_the_probe_crosses() -> None:
    assert wire.decode(wire.encode({"paths": private_files()})) == {"paths": private_files()}


# -------------------------------------------------------------- as an ordinary user


def as_ordinary_user(words: list[str]) -> list[str]:
    """A command that runs another as an ordinary user, who sees Python even where it lies in root's home folder."""
    closed = {
        parent
        for place in {Path(sys.prefix), Path(os.path.realpath(sys.base_prefix)), Path(sys.base_prefix), ROOT}
        for parent in place.parents
        if not parent.stat().st_mode & stat.S_IXOTH
    }
    script = ["set -e", "hold=$(mktemp -d)", 'mount -t tmpfs -o mode=755 tmpfs "$hold"']
    for number, folder in enumerate(sorted(closed)):
        script += [f'mkdir "$hold/{number}"', f'mount --bind "{folder}" "$hold/{number}"']
        script += [f'mount -t tmpfs -o mode=755 tmpfs "{folder}"']
        for place in {Path(sys.prefix), Path(os.path.realpath(sys.base_prefix)), ROOT}:
            if place.is_relative_to(folder):
                inner = place.relative_to(folder)
                script += [f'mkdir -p "{place}"', f'mount --bind "$hold/{number}/{inner}" "{place}"']
        script += [f'umount -l "$hold/{number}"']
    script += ['umount -l "$hold"', 'rmdir "$hold"']
    script += ['exec setpriv --reuid 12345 --regid 12345 --clear-groups --no-new-privs "$@"']
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(script), "sh", *words]


def test_all_of_this_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.getuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    need_namespaces()
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("util-linux (unshare, setpriv) is not installed")
    words = [sys.executable, "-m", "pytest", __file__, "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    words += [
        "-k",
        "not as_an_ordinary_user and not killed_grader and not windows and not cpu_seconds",
        "--rootdir",
        str(ROOT),
    ]
    done = subprocess.run(
        as_ordinary_user(words),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "only root can become another user" in done.stdout  # so it did not run as root
