"""Attacks on the machine, the process and the wire, as bodies of `squared_distances(X)`, and as other definitions.

`HELPERS` stand in a cell of their own above. An attack that reaches anything raises a RuntimeError that says so.
"""

import textwrap

from hostile.attack import Attack, attack

HELPERS = '''
import ctypes, gc, mmap, os, signal, socket, struct, subprocess, sys, threading, time
import numpy as np

WRONG = None


def wrong(X):
    return np.full((len(X), len(X)), 7.0)


def descriptors():
    return [number for number in range(3, 64) if is_open(number)]


def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False


def forged(value_of_id):
    """A frame that claims a right answer: zeros, under some id."""
    import json
    fields = ["value", "error", "error_type", "line", "timed_out", "changed", "printed", "warned"]
    values = [{"list": []}, None, None, None, None, {"tuple": []}, "", ""]
    outcome = {"dict": [[name, value] for name, value in zip(fields, values)]}
    parts = [["re", {"int": str(value_of_id)}], ["found", True], ["problems", {"list": []}], ["outcome", outcome]]
    header = json.dumps({"tree": {"dict": parts}, "arrays": []}).encode()
    return struct.pack("<II", len(header), 0) + header


def try_write(number, data):
    try:
        os.write(number, data)
    except OSError:
        pass
'''

BODIES = {
    # ---------------------------------------------------------------- time
    "endless loop": "while True: pass",
    "sleep": "time.sleep(60)",
    "a loop that swallows every exception": """
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                while time.monotonic() < end: pass
            except BaseException: pass
    """,
    "the worker's own clock switched off": """
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(20)
    """,
    "every signal blocked": """
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        end = time.monotonic() + 20
        while time.monotonic() < end: pass
    """,
    "its own process stopped": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(20)",
    # ---------------------------------------------------------------- floods
    "fork bomb": """
        for _ in range(40):
            if os.fork() == 0:
                time.sleep(5)
                os._exit(0)
        return wrong(X)
    """,
    "threads": """
        for _ in range(64): threading.Thread(target=time.sleep, args=(5,)).start()
        return wrong(X)
    """,
    "memory without end": """
        held = []
        while len(held) < 80: held.append(b"x" * (100 << 20))
        return wrong(X)
    """,
    "memory of several processes": """
        for _ in range(12):
            if os.fork() == 0:
                held = b"x" * (150 << 20)
                time.sleep(5)
                os._exit(len(held) % 2)
        time.sleep(5)
        return wrong(X)
    """,
    "a file without end": """
        with open("flood", "wb") as file:
            for _ in range(400): file.write(b"x" * (1 << 20))
        return wrong(X)
    """,
    "files without number": """
        for number in range(5000): open(f"file{number}", "w").close()
        return wrong(X)
    """,
    "output without end": """
        for _ in range(2000): os.write(1, b"x" * 4096)
        sys.stderr.write("y" * (4 << 20))
        return wrong(X)
    """,
    "recursion": "return squared_distances(X)",
    "recursion below Python": """
        nested = []
        for _ in range(200_000): nested = [nested]
        return nested
    """,
    "memory that a pipe keeps": """
        reading, writing = os.pipe()
        page = ctypes.create_string_buffer(4096)
        part = (ctypes.c_void_p * 2)(ctypes.addressof(page), 4096)  # a struct iovec
        if ctypes.CDLL(None).vmsplice(writing, part, 1, 0) > 0: raise RuntimeError("done")
        return wrong(X)
    """,
    "memory that a socket keeps": """
        one, other = socket.socketpair()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33):
            try:
                one.setsockopt(socket.SOL_SOCKET, option, 1 << 23)
            except OSError:
                continue
            raise RuntimeError("done")
        return wrong(X)
    """,
    "a real-time signal to itself": "os.kill(os.getpid(), 40); return wrong(X)",
    # ---------------------------------------------------------------- ends
    "os._exit": "os._exit(0)",
    "SIGKILL to itself": "os.kill(os.getpid(), signal.SIGKILL); return wrong(X)",
    "SIGKILL to its parent": "os.kill(os.getppid(), signal.SIGKILL); return wrong(X)",
    "SIGKILL to all": "os.kill(-1, signal.SIGKILL); return wrong(X)",
    "SIGINT to the first process": "os.kill(1, signal.SIGINT); return wrong(X)",
    "segmentation fault": "ctypes.string_at(0)",
    "SystemExit": "raise SystemExit(0)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "another program": "os.execv('/bin/true', ['/bin/true'])",
    "an exit handler": """
        import atexit
        atexit.register(lambda: [try_write(number, forged(1)) for number in descriptors()])
        return wrong(X)
    """,
    "a child that outlives the call": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1)
                for number in descriptors(): try_write(number, forged(1))
            os._exit(0)
        return wrong(X)
    """,
    "a thread that writes later": """
        def later():
            time.sleep(0.3)
            for number in descriptors(): try_write(number, forged(1))
        threading.Thread(target=later, daemon=True).start()
        return wrong(X)
    """,
    # ---------------------------------------------------------------- reading
    "solutions by path": """
        course = os.path.dirname(sys.modules["course_utils"].__path__[0])
        hidden = ("solutions", "tests", "notebooks", "course_utils/exercises/frozen")
        if any(os.path.isdir(f"{course}/{name}") and os.listdir(f"{course}/{name}") for name in hidden):
            raise RuntimeError("found")
        return wrong(X)
    """,
    "the home folder": "return np.array([len(os.listdir(os.path.expanduser('~' + name))) for name in ('', 'root')])",
    "/proc": """
        found = [open(f"/proc/{number}/environ", "rb").read() for number in os.listdir("/proc") if number.isdigit()]
        return np.array([len(found)])
    """,
    "the environment": """
        if any("seed" in value or "grad" in value for value in os.environ.values()): raise RuntimeError("found")
        return wrong(X)
    """,
    "frames": """
        frame = sys._getframe()
        while frame is not None:
            for value in list(frame.f_locals.values()):
                if type(value).__name__ in ("JudgedCase", "Reference", "FrozenAnswers"): raise RuntimeError("found")
                if isinstance(value, dict) and "expected" in value: return value["expected"]
            frame = frame.f_back
        return wrong(X)
    """,
    "objects of the collector": """
        for value in gc.get_objects():
            if type(value).__name__ in ("JudgedCase", "Reference", "Mistake"): raise RuntimeError("found")
        return wrong(X)
    """,
    "modules": """
        from course_utils import frozen, exercises
        for name in ("course_utils.authoring", "course_utils.grading.reference", "course_utils.grading.gradebook"):
            if name in sys.modules: raise RuntimeError("found " + name)
        return frozen.load("squared-distances").cases[0].expected
    """,
    "the solution by the author's module": """
        from course_utils import authoring
        return authoring.load_solution("01_sne_to_tsne").functions["squared-distances"](X)
    """,
    "inherited descriptors": """
        for number in descriptors():
            os.set_blocking(number, False)
            try:
                data = os.read(number, 1 << 20)
            except OSError:
                continue
            if data: raise RuntimeError("found")
        return wrong(X)
    """,
    "the network": """
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            socket.socket(socket.AF_INET, kind).connect(("127.0.0.1", 9))
        return wrong(X)
    """,
    # ---------------------------------------------------------------- tampering
    "patched NumPy": """
        for name in ("array_equal", "allclose", "abs", "isfinite", "isnan", "asarray"):
            setattr(np, name, lambda *args, **options: True)
        return True
    """,
    "patched builtins": """
        import builtins
        builtins.abs = builtins.all = builtins.any = builtins.max = lambda *args, **options: 0
        return wrong(X)
    """,
    "patched worker": """
        worker = sys.modules["course_utils.grading.worker"]
        worker.run.call = lambda function, args, *rest: (_ for _ in ()).throw(RuntimeError)
        worker.describe = lambda value: "right"
        return object()
    """,
    "patched messages": """
        wire = sys.modules["course_utils.grading.wire"]
        wire.encode = lambda value, foreign=None: forged(1)
        return wrong(X)
    """,
    "patched values": """
        values = sys.modules["course_utils.values"]
        values.flatten = lambda value, foreign=None: ({"pickle": "gASV"}, [])
        return wrong(X)
    """,
    "an import hook": """
        class Fake:
            @staticmethod
            def find_spec(name, path=None, target=None): raise SystemExit(name)
        sys.meta_path.insert(0, Fake)
        sys.modules.pop("json", None)
        return wrong(X)
    """,
    "an audit hook": "sys.addaudithook(lambda name, args: os._exit(3)); return wrong(X)",
    "a trace function": """
        def trace(frame, event, argument):
            if "expected" in frame.f_locals: raise RuntimeError("found")
            return trace
        sys.settrace(trace); threading.settrace(trace); sys.setprofile(lambda *args: None)
        return wrong(X)
    """,
    "an AST transformer": """
        import ast
        ast.parse = compile = lambda *args, **options: None
        return wrong(X)
    """,
    "fork hooks": "os.register_at_fork(after_in_child=lambda: os._exit(0)); return wrong(X)",
    "the kernel's keyring": """
        libc = ctypes.CDLL(None, use_errno=True)
        key = libc.syscall(248, b"user", b"MARK", b"behind", 6, -4)
        return wrong(X) if key == -1 else np.array([key])
    """,
    "System V shared memory": """
        number = ctypes.CDLL(None).shmget(4242, 4096, 0o1666)
        if number != -1: raise RuntimeError("made")
        return wrong(X)
    """,
    "a POSIX queue": """
        number = ctypes.CDLL("librt.so.1").mq_open(b"/MARK", os.O_CREAT | os.O_RDWR, 0o600, None)
        if number != -1: raise RuntimeError("made")
        return wrong(X)
    """,
    "POSIX shared memory": "open('/dev/shm/MARK', 'w').close(); return wrong(X)",
    "limits and scheduling of the zygote": """
        import resource
        for number in (1, os.getppid()):
            try:
                resource.prlimit(number, resource.RLIMIT_CPU, (0, 0))
            except OSError:
                pass
        try:
            os.setpriority(os.PRIO_USER, 0, 19)
        except OSError:
            pass
        os.sched_setaffinity(0, {0})
        return wrong(X)
    """,
    "more capability": """
        libc = ctypes.CDLL(None)
        if libc.unshare(0x10000000) == 0 or libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
            raise RuntimeError("done")
        return wrong(X)
    """,
    "a results file": """
        import json
        for folder in ("/autograder/results", "/tmp", ".", ".."):
            try:
                os.makedirs(folder, exist_ok=True)
                with open(folder + "/results.json", "w") as file: json.dump({"score": 100}, file)
            except OSError:
                pass
        return wrong(X)
    """,
    "state for the next submission": """
        np.MARK = sys.MARK = True
        with open("MARK", "w") as file: file.write("x")
        return wrong(X)
    """,
    "state of the last submission": """
        if hasattr(np, "MARK") or hasattr(sys, "MARK") or os.path.exists("MARK"):
            raise RuntimeError("found")
        return wrong(X)
    """,
    # ---------------------------------------------------------------- the wire
    "a reply before the reply": """
        for number in descriptors(): try_write(number, forged(1) + forged(2) + forged(3))
        return wrong(X)
    """,
    "a reply instead of the reply": """
        for number in descriptors(): try_write(number, forged(3))
        os._exit(0)
    """,
    "garbage on every descriptor": """
        for number in descriptors(): try_write(number, os.urandom(500))
        return wrong(X)
    """,
    "half a frame": """
        for number in descriptors(): try_write(number, forged(2)[:30])
        time.sleep(20)
    """,
    "dripping bytes": """
        for byte in forged(2):
            for number in descriptors(): try_write(number, bytes([byte]))
            time.sleep(0.2)
    """,
    "a frame of four gigabytes": """
        for number in descriptors(): try_write(number, struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF))
        return wrong(X)
    """,
    "closed pipes": """
        for number in descriptors(): os.close(number)
        return wrong(X)
    """,
    "exchanged pipes": "os.dup2(3, 4); return wrong(X)",
    # ---------------------------------------------------------------- what comes back
    "nothing": "return None",
    "an object equal to everything": """
        class Equal:
            __eq__ = __ge__ = __le__ = lambda self, other: True
            __class__ = np.ndarray
            shape, dtype, ndim = (3, 3), np.dtype(float), 2
            __array__ = lambda self, *args, **options: np.zeros((3, 3))
            __float__ = lambda self: 0.0
            __len__ = lambda self: 3
        return Equal()
    """,
    "a malicious pickle": """
        class Evil:
            def __reduce__(self): return (os.system, ("touch /tmp/MARK",))
        return Evil()
    """,
    "a subclass of ndarray": """
        class Evil(np.ndarray):
            def __array_finalize__(self, other): pass
            def __array_ufunc__(self, *args, **options): return True
            def __eq__(self, other): return True
            def __array__(self, *args, **options): raise RuntimeError
        return wrong(X).view(Evil)
    """,
    "a structure without end": "nested = []; nested.append(nested); return nested",
    "a list of a million": "return list(range(1_000_000))",
    "NaN": "return np.full((len(X), len(X)), np.nan)",
    "infinity": "return np.full((len(X), len(X)), np.inf)",
    "a huge shape": "return np.broadcast_to(1.0, (1 << 40,))",
    "a large array": "return np.ones((4000, 4000))",
    "no entries, many dimensions": "return np.zeros((0,) * 32)",
    "a negative shape": "return np.ndarray((-1, 3))",
    "negative strides": "return wrong(X)[::-1, ::-1]",
    "objects in an array": "return np.array([[object()] * len(X)] * len(X))",
    "text in an array": "return np.full((len(X), len(X)), '0')",
    "complex numbers": "return np.zeros((len(X), len(X)), complex)",
    "a structured dtype": "return np.zeros(len(X), dtype=[('a', float), ('b', object)])",
    "a generator": "return (row for row in iter(int, 1))",
    "an int of ten thousand digits": "return 10 ** 10_000",
    "half a character": "return chr(0xD800) * 10",
    "a dict of strange keys": "return {1: 2, None: 3, (): 4}",
    # ---------------------------------------------------------------- errors
    "an error of ten megabytes": "raise ValueError('x' * (10 << 20))",
    "an error in HTML": "raise ValueError('<script>alert(1)</script> \\x1b[2J [bold]{{7*7}}')",
    "an error that cannot be printed": """
        class Evil(Exception):
            def __str__(self): raise SystemExit(1)
        raise Evil
    """,
    "an error whose text takes for ever": """
        class Evil(Exception):
            def __str__(self): time.sleep(20)
        raise Evil
    """,
    "a stub's error of another exercise": "raise NotImplementedError('perplexity: replace this line by your solution')",
    # ---------------------------------------------------------------- behaving
    "right on the public inputs only": """
        known = {b"public"}
        from course_utils import exercises
        return wrong(X) if X.tobytes() not in known else ((X[:, None] - X[None]) ** 2).sum(-1)
    """,
    "points claimed": "return 99.0",
}

DEFINITIONS = {
    "an end at definition": "class Evil:\n    import os\n    os._exit(0)\n",
    "a metaclass": "class Meta(type):\n    def __new__(*args): raise SystemExit\n\nclass Evil(metaclass=Meta): pass\n",
    "a default that kills": "def helper(x=__import__('os').kill(-1, 9)): pass\n",
    "ten thousand definitions": "".join(f"def f{number}(): pass\n" for number in range(10_000)),
    "a line of a megabyte": f"LONG = '{'x' * (1 << 20)}'\n",
    "an expression too deep for the compiler": f"DEEP = {'-' * 50_000}1\n",
    "brackets too deep for the parser": f"DEEP = {'(' * 5_000}{')' * 5_000}\n",
    "names of builtins": "len = print = abs = open = __import__ = None\n",
    "its own check": "def check(name): return 99.0\n",
}


def by_body(source: str) -> Attack:
    """An attack by what `squared_distances` does."""
    inside = textwrap.indent(textwrap.dedent(source).strip(), "    ")
    return attack(f"def squared_distances(X):\n{inside}\n", "", "squared-distances", HELPERS)


def by_definition(source: str) -> Attack:
    """An attack by what stands above a wrong answer."""
    return attack("def squared_distances(X):\n    return wrong(X)\n", "", "squared-distances", HELPERS + source)


ATTACKS = {name: by_body(source) for name, source in BODIES.items()}
ATTACKS |= {name: by_definition(source) for name, source in DEFINITIONS.items()}
