"""The pieces of the grading benchmark: what the peers get, how memory is measured, which marks are compared."""

import contextlib
import importlib.util
import io
import sqlite3
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils import exercises
from course_utils.grading.results import ExerciseResult, Status, SubmissionResult

ROOT = Path(__file__).parents[1]
ANSWER = {"nbgrader": {"grade_id": "perplexity", "solution": True, "grade": False}}
CHECK = {"nbgrader": {"grade_id": "check-perplexity", "solution": False, "grade": True}}


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("grading_benchmark", ROOT / "benchmarks" / "grading.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def handed_in():
    return new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            new_code_cell("from course_utils import check"),
            new_code_cell("D = np.ones(3)\n\n\ndef handed_out():\n    return D"),
            new_code_cell("def helper(x):\n    return x"),
            new_code_cell("def perplexity(P):\n    return P", metadata=ANSWER),
            new_code_cell('check("perplexity")', metadata=CHECK),
            new_code_cell("while True:\n    pass"),
            new_code_cell("%matplotlib inline\ndef under_a_magic(): pass"),
        ]
    )


def test_a_slim_copy_has_no_experiments_and_keeps_what_the_student_defined(benchmark, handed_in):
    released = {benchmark.plain(handed_in.cells[2].source)}
    small = benchmark.slim(handed_in, released)
    assert [cell.source for cell in small.cells] == [handed_in.cells[i].source for i in (1, 3, 4, 5)]
    assert len(handed_in.cells) == 8  # as before


def test_otters_copy_calls_each_test_in_place_of_our_check(benchmark, handed_in):
    small = benchmark.otter_copy(benchmark.slim(handed_in, set()))
    assert "grader = otter.Notebook()" in small.cells[0].source
    assert small.cells[-1].source == "grader.check('perplexity')"
    assert not any("check(" in cell.source for cell in small.cells[:-1])


def test_a_notebook_with_a_duplicated_cell_is_found(benchmark, handed_in):
    assert not benchmark.duplicates(handed_in)
    handed_in.cells.append(handed_in.cells[4])
    assert benchmark.duplicates(handed_in)


@pytest.mark.parametrize(("points", "failures"), [(1.0, 0), (0.0, 1)])
def test_otters_test_passes_exactly_for_full_points(benchmark, monkeypatch, points, failures):
    import doctest

    import course_utils

    monkeypatch.setattr(course_utils, "check", lambda exercise_id: points if exercise_id == "perplexity" else None)
    found = {}
    exec(benchmark.OTTER_TEST.format(id="perplexity", points=1.0), found)
    (case,) = found["test"]["suites"][0]["cases"]
    examples = doctest.DocTestParser().get_doctest(case["code"], {}, "perplexity", None, None)
    with contextlib.redirect_stdout(io.StringIO()):
        assert doctest.DocTestRunner().run(examples).failed == failures


def test_memory_is_that_of_all_processes_of_a_command(benchmark, tmp_path):
    child = "import time; block = b'x' * (80 << 20); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True); print('done')"
    done = benchmark.measure([sys.executable, "-c", parent], tmp_path)
    assert (done.status, done.printed) == (0, "done\n")
    assert done.seconds > 1.5
    assert 80 < done.peak / benchmark.MIB < 160


def test_a_command_that_fails_ends_the_benchmark_with_what_it_printed(benchmark, tmp_path):
    with pytest.raises(SystemExit, match=r"(?s)`it` ended with status 3.*no room"):
        benchmark.succeed("`it`", [sys.executable, "-c", "print('no room'); raise SystemExit(3)"], tmp_path)


def test_stages_are_told_by_the_submissions_in_the_gradebook(benchmark, tmp_path):
    book = tmp_path / "gradebook.sqlite"
    assert benchmark.recorded(book) == 0
    with contextlib.closing(sqlite3.connect(book)) as database:
        database.execute("CREATE TABLE submission (id INTEGER)")
        database.execute("INSERT INTO submission VALUES (1), (2)")
        database.commit()
    assert benchmark.recorded(book) == 2
    seen = [(1.0, 0), (2.0, 1), (3.0, 2), (4.0, 4), (5.0, 4)]
    assert list(benchmark.stages(6.0, seen, 4).values()) == [2.0, 2.0, 2.0]
    assert list(benchmark.stages(0.1, [], 4).values()) == [0.1, 0.0, 0.0]


def test_marks_are_compared_without_follow_through_and_without_submissions_that_a_peer_did_not_get(benchmark):
    right = ExerciseResult("perplexity", Status.RIGHT, 1.0)
    by_others = ExerciseResult("sigma-search", Status.FOLLOW_THROUGH, 3.0)
    results = [
        SubmissionResult(one, benchmark.NAME, "", "", None, "", "", (right, by_others)) for one in ("ann", "bob", "cy")
    ]
    theirs = {
        "nbgrader": {"ann": {"perplexity": 1.0, "sigma-search": 0.0}, "bob": {}},
        "otter": {"ann": {"perplexity": 1.0, "sigma-search": 3.0}, "bob": {"perplexity": 0, "sigma-search": 0}},
    }
    found = benchmark.compare(results, theirs)
    assert found["compared"] == {"nbgrader": 2, "otter": 4}
    assert found["without a mark"] == {"nbgrader": 2}
    assert found["follow_through"] == 2
    differ = [(one["student"], one["exercise"], one["ours"], one["otter"]) for one in found["disagreements"]]
    assert differ == [("ann", "sigma-search", 0.0, 3.0), ("bob", "perplexity", 1.0, 0)]


def test_the_class_is_made_of_honest_kinds_that_the_practice_class_has(benchmark):
    from course_utils.grading import demo_class

    assert set(benchmark.HONEST) == set(demo_class.MIX) - {"broken", "hostile"}
    assert exercises.of(benchmark.NAME)
    assert len(benchmark.source_hash()) == 64
