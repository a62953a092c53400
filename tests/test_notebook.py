"""Definitions are taken from a notebook without running it, whatever state it is in."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils import notebook
from course_utils.errors import CourseError


def make(*sources: str) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell(source) for source in sources])


def answer(source: str, exercise: str = "double") -> nbformat.NotebookNode:
    return new_code_cell(source, metadata={"nbgrader": {"grade_id": exercise, "solution": True, "grade": False}})


def checked(exercise: str = "double") -> nbformat.NotebookNode:
    grading = {"grade_id": f"check-{exercise}", "solution": False, "grade": True}
    return new_code_cell(f'check("{exercise}")', metadata={"nbgrader": grading})


def names_of(*sources: str) -> dict:
    return notebook.load_definitions(make(*sources), {}).names


def test_imports_functions_classes_and_constants_are_taken():
    names = names_of(
        "import math as m\nfrom functools import reduce",
        "def f(x):\n    return m.pi * x\n\nclass C:\n    size = 3",
        "K = 3\npair = (1, [2.0, -1])\na, b = 1, 2\nhalf: float = K / 2\nw = m.sqrt(2)\nshout = lambda s: s.upper()",
    )
    assert names["f"](1) == pytest.approx(3.14159, abs=1e-4)
    assert names["C"].size == names["K"] == 3
    assert (names["pair"], names["a"], names["b"], names["half"]) == ((1, [2.0, -1]), 1, 2, 1.5)
    assert names["w"] ** 2 == pytest.approx(2)
    assert names["shout"]("a") == "A"
    assert names["reduce"]


def test_experiments_are_not_run():
    names = names_of(
        "log = []\ndef f():\n    log.append('ran')",
        "f()\nresult = f()\nfor i in range(3):\n    f()\nif f():\n    x = 1\nif True:\n    f()\nlog[0:] = ['changed']",
        "y = result + 1\nwith open('nowhere') as z:\n    pass",
    )
    assert names["log"] == []
    assert not {"result", "i", "x", "y", "z"} & names.keys()


def test_blocks_of_definitions_choices_and_steps_count():
    names = names_of(
        "import numpy as np\nK = 1 if 'np' in globals() else 2",
        "if K == 1 and not hasattr(np, 'no'):\n    x = K\nelse:\n    x = 0",
        "with np.errstate(all='ignore'):\n    y = np.log(np.zeros(1))",
        "x += 2\nif x > 5:\n    def f():\n        return x",
    )
    assert (names["K"], names["x"], names["y"][0]) == (1, 3, -float("inf"))
    assert "f" not in names


def test_an_answers_cell_may_call_what_it_defines():
    source = "class Factor:\n    def by(self, x):\n        return 2 * x\nFACTOR = Factor()\ndouble = FACTOR.by"
    loaded = notebook.load_definitions(new_notebook(cells=[answer(source), checked()]), {"double": "double"})
    assert loaded.functions["double"](4) == 8
    assert "FACTOR" not in names_of(source)  # in any other cell this is an experiment


def test_what_stands_between_an_answer_and_its_check_counts():
    cells = [answer("def double(x):\n    return m.prod((2, x))"), new_code_cell("import math as m"), checked()]
    loaded = notebook.load_definitions(new_notebook(cells=cells), {"double": "double"})
    assert loaded.functions["double"](4) == 8


def test_magics_and_shell_lines_are_skipped():
    names = names_of(
        "%matplotlib inline\n!echo no\nfiles = !ls\nK = 1",
        "%%time\ndef f():\n    return 2",
        "%%bash\nK=5",
        "%%timeit\nK = 7",
        "?print\nawait nothing\nL = 4",
    )
    assert (names["K"], names["f"](), names["L"]) == (1, 2, 4)
    assert "files" not in names


def test_a_syntax_error_costs_its_own_cell_only():
    loaded = notebook.load_definitions(make("K = 1", "def broken(:\n    pass", "x = 'a\nL = 2", "M = 3"), {})
    assert (loaded.names["K"], loaded.names["M"]) == (1, 3)
    assert loaded.problems[0] == "Code cell 2, line 1 cannot be read: invalid syntax."
    assert loaded.problems[1].startswith("Code cell 3, line 1 cannot be read")
    assert len(loaded.problems) == 2


def test_a_definition_that_fails_is_said_and_the_rest_is_made():
    loaded = notebook.load_definitions(make("import no_such_module\nK = 1", "@undefined\ndef f(): pass\nL = 2"), {})
    assert (loaded.names["K"], loaded.names["L"]) == (1, 2)
    assert loaded.problems == [
        "Code cell 1, line 1 fails: ModuleNotFoundError: No module named 'no_such_module'.",
        "Code cell 2, line 2 fails: NameError: name 'undefined' is not defined.",
    ]


def test_a_function_whose_default_is_an_experiments_result_is_left_out_without_a_word():
    cells = make("game = play()\nfor step in game:\n    last = step", "def f(x, values=game.values):\n    return x")
    cells.cells += make("@last\ndef g(): pass\ndef h(x=f): return 3\nK = 2").cells
    loaded = notebook.load_definitions(cells, {})
    assert loaded.names["K"] == 2
    assert not {"f", "g", "h"} & loaded.names.keys()
    assert loaded.problems == []


def test_an_import_with_a_fallback_counts():
    names = names_of("try:\n    import no_such_module\nexcept ImportError:\n    no_such_module = None")
    assert names["no_such_module"] is None


def test_future_imports_hold_for_later_cells():
    names = names_of("from __future__ import annotations", "def f(x: Unknown) -> Unknown:\n    return x")
    assert names["f"](3) == 3


def test_a_name_that_is_used_again_later_changes_nothing():
    cells = [
        new_code_cell("scale = 2\ndef helper(x):\n    return scale * x"),
        answer("def double(x):\n    return helper(x)"),
        checked(),
        new_code_cell("scale = 100\ndef helper(x):\n    return 'other'\ndouble = 7"),
    ]
    loaded = notebook.load_definitions(new_notebook(cells=cells), {"double": "double"})
    assert loaded.functions["double"](4) == 8
    assert loaded.names["double"](4) == 8
    assert loaded.names["scale"] == 100


def test_an_answer_in_a_cell_of_its_own_above_the_check_counts():
    stub = "def double(x):\n    raise NotImplementedError"
    cells = [answer(stub), new_code_cell("def double(x):\n    return 2 * x"), checked()]
    loaded = notebook.load_definitions(new_notebook(cells=cells), {"double": "double"})
    assert loaded.functions["double"](4) == 8


def test_of_a_duplicated_answer_cell_the_last_above_the_check_counts():
    cells = [answer("def double(x):\n    return 0"), answer("def double(x):\n    return 2 * x"), checked()]
    cells += [answer("def double(x):\n    return -1")]
    loaded = notebook.load_definitions(new_notebook(cells=cells), {"double": "double"})
    assert loaded.functions["double"](4) == 8


def test_without_its_metadata_and_check_a_function_is_still_found():
    loaded = notebook.load_definitions(make("def double(x):\n    return 2 * x"), {"double": "double", "no": "no"})
    assert loaded.functions["double"](4) == 8
    assert "no" not in loaded.functions


def test_odd_cells_and_metadata_are_survived():
    odd = new_notebook(cells=[new_markdown_cell("def f(): no"), new_code_cell("K = 1")])
    odd.cells[1]["metadata"]["nbgrader"] = "nonsense"
    odd.cells[1]["source"] = ["K = 1\n", "L = 2"]
    loaded = notebook.load_definitions(odd, {})
    assert (loaded.names["K"], loaded.names["L"]) == (1, 2)
    assert "f" not in loaded.names


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1, 2]", b'{"cells": 3}', b"\xff\xfe", b'{"nbformat": 4, "cells": [{}]}']
)
def test_a_file_that_is_no_notebook_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"broken\.ipynb"):
        notebook.read(path)


def test_a_missing_notebook_is_said(tmp_path):
    with pytest.raises(CourseError, match=r"There is no notebook gone\.ipynb in the folder"):
        notebook.read(tmp_path / "gone.ipynb")


def test_writing_keeps_a_file_that_would_not_change(tmp_path):
    path = tmp_path / "a.ipynb"
    made = make("K = 1")
    notebook.write(path, made)
    before = path.stat().st_mtime_ns, path.stat().st_ino
    notebook.write(path, notebook.read(path))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    made.cells[0].source = "K = 2"
    notebook.write(path, made)
    assert notebook.read(path).cells[0].source == "K = 2"
    assert [one.name for one in tmp_path.iterdir()] == ["a.ipynb"]
