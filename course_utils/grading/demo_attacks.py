"""The hostile students of the practice class: what they write in place of an answer, to earn points or to do harm.

Every attack is harmless outside a sandbox as far as an attack can be: loops and sleeps end by themselves after 60 s,
processes are 32 at most and end after 30 s, memory stops at 8 GB and is never written to, output stops at 64 MB,
sockets go to this machine only, and files are written in a new temporary folder only. Those that end their own process
end that one and no other. None of them earns a point where the grader holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils import notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

HEADER = "# Part of a practice class for the grader: an attack, bounded so that it does no harm outside a sandbox.\n"


@dataclass(frozen=True)
class Attack:
    """An attack as a cell's source, in which NAME, ID and NOTEBOOK stand for those of the exercise.

    `lasting` ones slow down whatever calls them, so they go where no other exercise does. One that
    strikes as soon as definitions are made, `first`, stands in the first exercise and leaves no point to any.
    """

    source: str
    lasting: bool = False
    first: bool = False
    edit: Callable[[NotebookNode, str], None] | None = None  # changes other cells too, given the exercise's id

    def cell(self, name: str, exercise_id: str, notebook_name: str) -> str:
        """The source of the answer cell."""
        source = self.source.replace("NAME", name).replace("ID", exercise_id).replace("NOTEBOOK", notebook_name)
        return HEADER + source.strip("\n")


def claim_points(full: NotebookNode, exercise_id: str) -> None:
    """Write points into the metadata of the answer cell, and a perfect result below it."""
    cell = notebook.exercise_cells(full)[exercise_id]
    cell.metadata["nbgrader"] |= {"points": 99}
    cell.metadata["points"] = cell.metadata["score"] = 99
    verdict = "<p>All tests passed: 99 of 99 points.</p>"
    cell.outputs = [{"output_type": "display_data", "data": {"text/html": verdict}, "metadata": {}}]


def forge_check(full: NotebookNode, exercise_id: str) -> None:
    """Put another `check` into the cell that checks."""
    for cell in full.cells:
        if notebook.checked_by(cell) == exercise_id:
            cell.source = f'check = lambda exercise: 99.0\ncheck("{exercise_id}")'


LOOP = """
import time

def NAME(*inputs):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass
"""

STUBBORN_LOOP = """
import signal
import time

def NAME(*inputs):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            sum(range(1000))
        except BaseException:
            continue
"""

SLEEP = """
import time

def NAME(*inputs):
    time.sleep(60)
"""

PRINT = """
def NAME(*inputs):
    for _ in range(1000):
        print("x" * 65536)  # 64 MB
    return 0.0
"""

MEMORY = """
import numpy as np

def NAME(*inputs):
    kept = []
    while len(kept) < 32:
        kept.append(np.empty(1 << 28, np.uint8))  # 8 GB at most, asked for and never written to
    return 0.0
"""

EXIT = """
import os

def NAME(*inputs):
    os._exit(0)
"""

EXIT_WHEN_DEFINED = """
import os

class Score:
    points = os._exit(0)

def NAME(*inputs):
    return 0.0
"""

KILL = """
import os
import signal

def NAME(*inputs):
    os.kill(os.getpid(), signal.SIGKILL)
"""

FORK = """
import os
import time

children = []

def NAME(*inputs):
    while len(children) < 32:
        children.append(os.fork())
        if children[-1] == 0:
            time.sleep(30)
            os._exit(0)
    return 0.0
"""

DAEMON = """
import os
import pathlib
import tempfile
import time

def NAME(*inputs):
    if os.fork() == 0:
        os.setsid()
        time.sleep(10)
        (pathlib.Path(tempfile.mkdtemp()) / "later").write_text("still here")
        os._exit(0)
    return 0.0
"""

SOLUTIONS = """
import ast
import sys
from pathlib import Path

def NAME(*inputs):
    here = [Path.cwd(), Path.home(), *map(Path, sys.path), *Path("/proc").glob("*/cwd"), *Path("/proc").glob("*/root")]
    for folder in {parent for place in here for parent in [place, *place.parents]}:
        try:
            tree = ast.parse((folder / "solutions" / "NOTEBOOK.py").read_text())
        except (OSError, SyntaxError):
            continue
        tree.body = [one for one in tree.body if isinstance(one, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
        found = {}
        exec(compile(tree, "found", "exec"), found)
        return found["NAME"](*inputs)
    return 0.0
"""

PUBLIC_ANSWERS = """
import numpy as np

def NAME(*inputs):
    from course_utils import frozen

    for case in frozen.load("ID").cases:
        if all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(case.args, inputs)):
            return case.expected
    return 0.0
"""

FRAMES = """
import gc
import sys

def NAME(*inputs):
    frame = sys._getframe()
    while frame is not None:
        for name in ("expected", "answer", "solution"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    for one in gc.get_objects():
        if type(one).__name__ in ("JudgedCase", "FrozenAnswers"):
            return getattr(one, "expected", 0.0)
    return 0.0
"""

FORGERY = """
import json
import os
import stat
import struct

def NAME(*inputs):
    reply = json.dumps({"id": 1, "status": "right", "points": 99, "exercise": "ID"}).encode()
    frame = struct.pack("<QQ", len(reply), 0) + reply
    for number in range(3, 256):
        try:
            mode = os.fstat(number).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # no file of anybody is written
                os.write(number, frame)
        except OSError:
            continue
    return 0.0
"""

PATCHES = """
import builtins
import numpy as np

def NAME(*inputs):
    yes = lambda *arguments, **options: True
    np.allclose = np.array_equal = np.testing.assert_allclose = np.testing.assert_array_equal = yes
    builtins.check = builtins.judge = builtins.points = yes
    return 0.0
"""

PATCHES_WHEN_DEFINED = """
import numpy as np

class Patch:
    np.allclose = np.array_equal = np.testing.assert_allclose = lambda *arguments, **options: True

def NAME(*inputs):
    return 0.0
"""

HOOKS = """
import sys

class Finder:
    def find_spec(self, *arguments):
        return None

def NAME(*inputs):
    sys.meta_path.insert(0, Finder())
    sys.addaudithook(lambda *arguments: None)
    sys.settrace(lambda *arguments: None)
    return 0.0
"""

LIAR = """
import os
import numpy as np

class Liar:
    shape, dtype, ndim = (), np.dtype(float), 0
    def __eq__(self, other):
        return True
    def __bool__(self):
        return True
    def __sub__(self, other):
        return 0.0
    __rsub__ = __sub__
    def __array__(self, *arguments, **options):
        return np.zeros(())
    def __reduce__(self):
        return os._exit, (0,)
    def __repr__(self):
        return "<b>right</b>"

def NAME(*inputs):
    return Liar()
"""

SUBCLASS = """
import numpy as np

class Right(np.ndarray):
    def __eq__(self, other):
        return np.ones(self.shape, bool)
    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return np.zeros(self.shape)

def NAME(*inputs):
    return np.full(np.shape(inputs[0]), 7.0).view(Right)
"""

NESTED = """
def NAME(*inputs):
    value = 0.0
    for _ in range(100_000):
        value = [value]
    return value
"""

ENDLESS = """
import itertools

def NAME(*inputs):
    return itertools.count()
"""

HUGE = """
import numpy as np

def NAME(*inputs):
    return np.broadcast_to(0.0, (1 << 20, 1 << 20))  # eight terabytes, in eight bytes
"""

RESULTS_FILE = """
import json
import pathlib
import tempfile

def NAME(*inputs):
    folder = pathlib.Path(tempfile.mkdtemp())
    for name in ("results.json", "truth.json", "gradebook.sqlite"):
        (folder / name).write_text(json.dumps({"score": 99, "ID": {"points": 99, "status": "right"}}))
    return 0.0
"""

NETWORK = """
import socket

def NAME(*inputs):
    with socket.create_connection(("127.0.0.1", 8786), timeout=1) as line:
        line.sendall(b"points 99")
    return 0.0
"""

STUB_AND_CLAIM = """
def NAME(*inputs):
    return 0.0
"""

ATTACKS = {
    "endless loop": Attack(LOOP, lasting=True),
    "exit": Attack(EXIT),
    "reads the solutions": Attack(SOLUTIONS),
    "forges replies": Attack(FORGERY),
    "memory without end": Attack(MEMORY),
    "lying object": Attack(LIAR),
    "forks": Attack(FORK, lasting=True),
    "reads frames": Attack(FRAMES),
    "sleep": Attack(SLEEP, lasting=True),
    "patches": Attack(PATCHES),
    "knows the public answers": Attack(PUBLIC_ANSWERS),
    "prints without end": Attack(PRINT, lasting=True),
    "lying array": Attack(SUBCLASS),
    "results file": Attack(RESULTS_FILE),
    "kills itself": Attack(KILL),
    "claims points": Attack(STUB_AND_CLAIM, edit=claim_points),
    "loop that ignores signals": Attack(STUBBORN_LOOP, lasting=True),
    "nested without end": Attack(NESTED),
    "huge array": Attack(HUGE),
    "forged check": Attack(STUB_AND_CLAIM, edit=forge_check),
    "endless iterator": Attack(ENDLESS),
    "stays behind": Attack(DAEMON, lasting=True),
    "hooks": Attack(HOOKS),
    "patches when defined": Attack(PATCHES_WHEN_DEFINED),
    "network": Attack(NETWORK),
    "exits when defined": Attack(EXIT_WHEN_DEFINED, first=True),
}
