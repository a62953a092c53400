"""Notebooks of the practice class that were edited oddly and are right, and files that are no notebook of the course.

An edit changes a notebook in place so that every exercise still earns what it did; so does another way to save it. A
broken file is made from a notebook's text, and earns nothing.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode

from course_utils import exercises, notebook

SOURCES = {
    "forever": "while True:\n    pass",
    "crash": "raise RuntimeError('this experiment failed')",
    "wait": "import time\ntime.sleep(10**6)",
    "ask": "answer = input('which perplexity? ')\nunknown_name + 1",
    "exit": "import sys\nsys.exit('done for today')",
}

# ---------------------------------------------------------------- small things


def text_of(full: NotebookNode) -> str:
    """A notebook as Jupyter writes it; the same for the same notebook."""
    return json.dumps(full, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def code_cell(source: str, number: int) -> NotebookNode:
    """A new code cell as a learner adds it, with an id of its own."""
    return NotebookNode(
        cell_type="code",
        execution_count=None,
        id=f"added-{number}",
        metadata=NotebookNode(),
        outputs=[],
        source=source,
    )


def place(full: NotebookNode, exercise_id: str) -> int:
    """The index of the cell that answers an exercise."""
    return full.cells.index(notebook.exercise_cells(full)[exercise_id])


def ids_of(full: NotebookNode) -> list[str]:
    """The ids of a notebook's exercises, in its order."""
    return list(notebook.exercise_cells(full))


def after_imports(full: NotebookNode) -> int:
    """The index after the first code cell, the set-up."""
    return next(index for index, cell in enumerate(full.cells) if cell.cell_type == "code") + 1


# ---------------------------------------------------------------- edits


def retype(full: NotebookNode) -> None:
    """Every second answer stands in a cell of its own making; the given one was deleted."""
    for number, exercise_id in enumerate(ids_of(full)[::2]):
        index = place(full, exercise_id)
        full.cells[index] = code_cell(full.cells[index].source, number)


def duplicate(full: NotebookNode) -> None:
    """Answer cells were copied before they were changed, so that an older try stands above, with the same metadata."""
    for exercise_id in ids_of(full)[1::3]:
        index = place(full, exercise_id)
        older = NotebookNode(full.cells[index], id=f"older-{index}", source=unfinished(exercise_id))
        full.cells.insert(index, older)


def unfinished(exercise_id: str) -> str:
    """A first try that does nothing."""
    return f"def {exercises.get(exercise_id).name}(*inputs):\n    pass  # try again tomorrow"


def reorder(full: NotebookNode) -> None:
    """An answer that builds on none stands, with its check, at the top; one on which none is built at the end."""
    ids = ids_of(full)
    built_on = {needed for one in ids for needed in exercises.get(one).requires}
    last = next((one for one in ids if one not in built_on), None)
    top = next((one for one in reversed(ids) if not exercises.get(one).requires and one != last), None)
    if last is not None:
        full.cells += _taken_out(full, last)
    if top is not None:
        index = after_imports(full)
        full.cells[index:index] = _taken_out(full, top)


def _taken_out(full: NotebookNode, exercise_id: str) -> list[NotebookNode]:
    """The cells that answer and check an exercise, out of the notebook."""
    cells = [one for one in full.cells if exercise_id in (notebook.exercise_of(one), notebook.checked_by(one))]
    full.cells = [cell for cell in full.cells if cell not in cells]
    return cells


def make_noise(full: NotebookNode) -> None:
    """Functions that print and warn."""
    for exercise_id, cell in notebook.exercise_cells(full).items():
        begin_with(cell, exercise_id, "import warnings\nprint('ok')\nwarnings.warn('is this right?', stacklevel=2)")


def begin_with(cell: NotebookNode, exercise_id: str, source: str) -> None:
    """Put statements at the beginning of the exercise's function, or of each method of its class."""
    tree = ast.parse(cell.source)
    for node in tree.body:
        if getattr(node, "name", "") != exercises.get(exercise_id).name:
            continue
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef):
                start = 0 if ast.get_docstring(function) is None else 1
                function.body[start:start] = ast.parse(source).body
    cell.source = ast.unparse(tree)


def experiment(full: NotebookNode) -> None:
    """Cells that never end, crash, wait, ask, or leave: none of them defines anything."""
    indices = [index for index, cell in enumerate(full.cells) if cell.cell_type == "code"]
    for number, source in enumerate(SOURCES.values()):
        full.cells.insert(indices[number % len(indices)] + 1 + number, code_cell(source, number))


def add_helpers(full: NotebookNode) -> None:
    """Helpers, a class and constants of the learner's own, which nothing needs."""
    helpers = """EPSILON, SIZES = 1e-12, {"small": 10, "large": 1_000}


class Timer:
    \"\"\"Seconds since the start.\"\"\"

    def __init__(self, start=0.0):
        self.start = start


def mean_of_my_values(values, *, weight=EPSILON):
    return sum(values) / max(len(values), 1) + weight"""
    full.cells.insert(after_imports(full), code_cell(helpers, 0))


def use_constants(full: NotebookNode) -> None:
    """Answers that use a constant and a helper of a cell above."""
    above = code_cell("TIMES = 2.0\n\n\ndef half(x):\n    return x / TIMES", 0)
    full.cells.insert(after_imports(full), above)
    for exercise_id, cell in notebook.exercise_cells(full).items():
        begin_with(cell, exercise_id, "one = half(TIMES)\nassert one == 1")


def use_magics(full: NotebookNode) -> None:
    """Lines that only a notebook understands."""
    full.cells.insert(after_imports(full), code_cell("%matplotlib inline\n!echo nothing\n%time sum(range(10))", 0))
    for exercise_id in ids_of(full)[::4]:
        cell = full.cells[place(full, exercise_id)]
        cell.source = "%%time\n" + cell.source


def drop_checks(full: NotebookNode) -> None:
    """The check cells and the text were deleted."""
    full.cells = [cell for cell in full.cells if cell.cell_type == "code" and notebook.checked_by(cell) is None]


def older_format(full: NotebookNode) -> None:
    """Saved by a program that knows nbformat 4.2: no cell has an id."""
    full.nbformat_minor = 2
    for cell in full.cells:
        cell.pop("id", None)


EDITS: dict[str, Callable[[NotebookNode], None]] = {
    "retyped": retype,
    "noise": make_noise,
    "experiments": experiment,
    "duplicated": duplicate,
    "reordered": reorder,
    "helpers": add_helpers,
    "constants": use_constants,
    "magics": use_magics,
    "no checks": drop_checks,
    "older format": older_format,
}
SAVED: dict[str, Callable[[str], bytes]] = {  # other ways to write the same notebook into a file
    "utf-16": lambda text: text.encode("utf-16"),
    "latin-1": lambda text: text.encode("latin-1", errors="replace"),  # signs of the text are lost, no code is
    "windows lines": lambda text: text.replace("\\n", "\\r\\n").replace("\n", "\r\n").encode(),
}
RENAMED = "{name} (1) – Übung & Lösung 'final'.ipynb"
ODD = (*EDITS, *SAVED, "renamed")
"""All that may be odd about a notebook that is right."""

# ---------------------------------------------------------------- broken files


def another_notebook(**metadata: Any) -> dict[str, Any]:
    """A notebook that has nothing to do with the course."""
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Shopping list"}]
    cells.append(dict(code_cell("print('milk')", 0)))
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def _version_3() -> dict[str, Any]:
    cell = {"cell_type": "code", "input": ["print 'old'"], "language": "python", "metadata": {}, "outputs": []}
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}


def _other_kernel() -> dict[str, Any]:
    kernel = {"display_name": "R", "language": "R", "name": "ir"}
    full = another_notebook(kernelspec=kernel, language_info={"name": "R"})
    full["cells"][1]["source"] = "library(Rtsne)\nmap <- Rtsne(iris)"
    return full


BROKEN: dict[str, Callable[[str], bytes]] = {
    "truncated": lambda text: text.encode()[: len(text) // 2],
    "empty": lambda text: b"",
    "no exercises": lambda text: text_of(NotebookNode(another_notebook())).encode(),
    "other kernel": lambda text: text_of(NotebookNode(_other_kernel())).encode(),
    "nbformat 3": lambda text: text_of(NotebookNode(_version_3())).encode(),
    "plain text": lambda text: b"Dear teacher, my answers are in the other file.\n",
    "a list": lambda text: b"[1, 2, 3]\n",
    "cells are a number": lambda text: text_of(NotebookNode(another_notebook() | {"cells": 7})).encode(),
    "nbformat 99": lambda text: text_of(NotebookNode(another_notebook() | {"nbformat": 99})).encode(),
    "web page": lambda text: b"<!DOCTYPE html><title>Sign in</title><p>Your session has ended.</p>\n",
    "not JSON": lambda text: text.replace('"cells"', "cells", 1).encode(),
    "bytes": lambda text: bytes(range(256)) * 16,
}
