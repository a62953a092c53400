"""`course build` on a small project: what it makes, what it leaves alone, and what it says is stale."""

import json

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sample_project import NAME

from course_utils import build, frozen, notebook
from course_utils.exercises.spec import Exercise
from course_utils.judge import JudgedCase, Outcome
from course_utils.values import SeededGenerator

ADVICE = "run `course build`."


@pytest.fixture
def project(built, tmp_path):
    return built(tmp_path)


def everything(project):
    made = [project.executed, project.released, *sorted((project.root / "course_utils/exercises/frozen").glob("*"))]
    return {f"{path.parent.name}/{path.name}": (path.read_bytes(), path.stat().st_mtime_ns) for path in made}


def complaints(project, *arguments):
    done = project.course("build", *arguments)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == (1 if lines else 0)
    return lines


def test_a_build_makes_the_executed_and_the_released_notebook_and_the_answers(project):
    solved, given = notebook.read(project.executed), notebook.read(project.released)
    assert [cell.id for cell in solved.cells] == [cell.id for cell in given.cells]
    by_id = {cell.id: cell for cell in solved.cells}
    assert by_id["check-scale"].outputs[0]["data"]["text/plain"].startswith("✓ Scale to one: right. 2 of 2 cases")
    assert by_id["part-b-rows-5"].outputs[0]["data"]["text/plain"] == "array([0., 0., 0., 0.])"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in given.cells)
    assert not (project.root / ".course" / "progress.json").exists()  # what the build solves is not the learner's
    assert sorted(everything(project)) == [
        "frozen/centre-rows.npz",
        "frozen/scale.npz",
        f"notebooks/{NAME}.ipynb",
        f"solutions/{NAME}.ipynb",
    ]


def test_a_released_cell_keeps_signature_and_docstring_and_raises(project):
    cells = {cell.id: cell for cell in notebook.read(project.released).cells}
    assert cells["scale"].source == (
        'def scale(x):\n    """Divide the entries of x (n,) by their sum; returns p (n,)."""\n'
        '    raise NotImplementedError("scale: replace this line by your solution")'
    )
    grading = {"schema_version": 3, "task": False}
    assert cells["scale"].metadata == {
        "nbgrader": {**grading, "grade_id": "scale", "grade": False, "solution": True, "locked": False}
    }
    assert cells["check-centre-rows"].metadata == {
        "nbgrader": {
            **grading, "grade_id": "check-centre-rows", "grade": True, "solution": False, "locked": True, "points": 3
        }
    }  # fmt: skip


def test_headings_and_hints_come_from_the_specification(project):
    text = "\n".join(cell.source for cell in notebook.read(project.released).cells if cell.cell_type == "markdown")
    assert "**Exercise · Scale to one** · 2 points · ●○○○ · 5 minutes\n" in text
    assert "**Exercise · Centre the rows** · 3 points · ●●○○ · 10 minutes · optional for homework" in text
    assert "<details><summary>Hint 2</summary>\n\nThe sum is `x.sum()`.\n\n</details>" in text
    assert "[exercise:" not in text
    assert "[hints:" not in text


def test_nothing_that_depends_on_the_machine_is_written(project):
    for path in (project.executed, project.released):
        content = json.loads(path.read_text())
        assert "version" not in content["metadata"]["language_info"]
        assert "jupytext" not in content["metadata"]
        assert str(project.root) not in path.read_text()
        assert "execution" not in {key for cell in content["cells"] for key in cell["metadata"]}


def test_building_again_rewrites_nothing(project):
    before = everything(project)
    assert complaints(project) == []
    assert complaints(project, "--check") == []
    assert everything(project) == before


def test_a_changed_solution_makes_all_three_stale_and_check_changes_nothing(project):
    before = everything(project)
    project.edit(project.script, "return X - centre", "return 2 * (X - centre)")
    lines = complaints(project, "--check")
    assert lines == [
        "The frozen answers of 'centre-rows' are stale (expected output of the case 'two by two'): " + ADVICE,
        f"solutions/{NAME}.ipynb is stale (changed since it was made: script, code cells): {ADVICE}",
    ]
    assert everything(project) == before
    assert complaints(project) == []
    assert complaints(project, "--check") == []
    after = everything(project)
    assert after["frozen/scale.npz"] == before["frozen/scale.npz"]
    assert after["frozen/centre-rows.npz"] != before["frozen/centre-rows.npz"]


def test_a_changed_sentence_is_built_without_running_the_notebook_again(project):
    project.edit(project.script, "# Two exercises.", "# Both exercises.")
    marked = project.executed.read_text().replace("right. 2 of 2 cases", "right. kept 2 of 2 cases")
    project.executed.write_text(marked)
    lines = complaints(project, "--check")
    assert lines[0] == f"solutions/{NAME}.ipynb is stale (changed since it was made: script): {ADVICE}"
    assert lines[1:] == [f"notebooks/{NAME}.ipynb is not what the script releases: {ADVICE}"]
    assert complaints(project) == []
    assert "right. kept 2 of 2 cases" in project.executed.read_text()
    assert "Both exercises." in project.executed.read_text()
    assert "Both exercises." in project.released.read_text()


def test_a_change_in_what_the_notebook_depends_on_is_stale(project):
    depends_on = {
        "specification": "course_utils/exercises/sample.py",
        "known answers": "solutions/known_answers/sample.py",
        "course_utils": "course_utils/feedback.py",
        "data": "data/numbers/numbers.txt",
        "requirements.lock": "requirements.lock",
    }
    for path in depends_on.values():
        with (project.root / path).open("a") as file:
            file.write("\n# a remark\n")
    what = ", ".join(depends_on)
    assert complaints(project, "--check") == [
        f"solutions/{NAME}.ipynb is stale (changed since it was made: {what}): {ADVICE}"
    ]


def test_a_changed_tool_is_not_stale(project):
    with (project.root / "course_utils" / "lab.py").open("a") as file:
        file.write("\n# a remark\n")
    assert complaints(project, "--check") == []


def test_a_mistakes_sentence_is_frozen_again(project):
    project.edit(project.known, "divided by the largest entry", "divided by the greatest entry")
    assert any(
        "frozen answers of 'scale' are stale (known mistakes)" in line for line in complaints(project, "--check")
    )
    assert complaints(project) == []
    assert complaints(project, "--check") == []


def test_an_edited_or_missing_product_is_stale(project):
    project.edit(project.released, "Two exercises.", "Three exercises.")
    (project.root / "course_utils/exercises/frozen/scale.npz").write_bytes(b"damaged")
    (project.root / "course_utils/exercises/frozen/gone.npz").write_bytes(b"left over")
    assert complaints(project, "--check") == [
        f"The frozen answers of 'scale' are stale (there are none that can be read): {ADVICE}",
        f"notebooks/{NAME}.ipynb is not what the script releases: {ADVICE}",
        f"Frozen answers gone.npz are of no exercise: {ADVICE}",
    ]
    assert complaints(project) == []
    assert complaints(project, "--check") == []


def test_a_cell_that_fails_is_named_with_its_last_line(project):
    before = project.executed.read_bytes()
    project.edit(project.script, "X = rng.normal(size=(4, 3))", "X = rng.normal(size=(4, 3))\nX.nothing")
    (line,) = complaints(project)
    assert line == (
        f"solutions/{NAME}.py, cell part-b-rows-5 (`X = rng.normal(size=(4, 3))`) failed: "
        "AttributeError: 'numpy.ndarray' object has no attribute 'nothing'"
    )
    assert project.executed.read_bytes() == before


def test_a_solution_that_violates_a_property_or_raises_is_said(project):
    project.edit(project.script, "return x / total", "return x")
    project.edit(project.script, "return X - centre", "raise ValueError('no')")
    lines = complaints(project, "--check")
    assert "'scale': the solution fails on '1, 2, 3': The entries must sum to 1." in lines
    assert "'centre-rows': the solution fails on the case 'two by two': ValueError: no" in lines


def test_slips_in_the_script_are_one_sentence_each(project):
    project.edit(project.script, 'check("scale")\n', 'check("scale");\n')
    project.edit(project.script, "# [hints: scale]\n", "# none\n")
    project.edit(project.script, "def scale(x)", "def scaled(x)")
    project.edit(project.script, "    return X - centre\n    ### END SOLUTION", "    return X - centre")
    place = f"solutions/{NAME}.py"
    assert complaints(project, "--check")[:4] == [
        f"{place}: the code cell after 'scale' must be exactly check(\"scale\").",
        f"{place}: exercise 'scale' must define the function `scale` once.",
        f"{place} has no line [hints: scale] in a Markdown cell.",
        f"{place}: exercise 'centre-rows' needs one line `### BEGIN SOLUTION` and below it one `### END SOLUTION`.",
    ]


def test_cells_and_specification_must_have_the_same_exercises(project):
    project.edit(project.script, 'exercise="scale"', 'exercise="scales"')
    project.edit(project.script, '    """Subtract from each row of X (n, d) its mean; returns Z (n, d)."""\n', "")
    assert complaints(project, "--check")[:3] == [
        f"solutions/{NAME}.py has no cell yet for scale, which its specification has.",
        f"solutions/{NAME}.py: exercise 'centre-rows' has no docstring.",
        f"solutions/{NAME}.py: there is no exercise 'scales' in its specification.",
    ]


def test_an_unknown_exercise_in_a_markdown_cell_is_said(project):
    project.edit(project.script, "# [hints: scale]\n", "# [hints: scalp]\n")
    assert complaints(project, "--check") == ["There is no exercise 'scalp'; did you mean 'scale'?"]


def test_a_known_answers_module_that_fails_is_one_sentence(project):
    project.edit(project.known, "import numpy as np\n", "import numpy as np\n\nnothing.here\n")
    (line,) = complaints(project, "--check")
    assert line == "solutions/known_answers/sample.py cannot be loaded: NameError: name 'nothing' is not defined"


def test_the_built_notebook_passes_nbval(project):
    arguments = [
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "-q",
        "-p",
        "no:cacheprovider",
        str(project.executed),
    ]
    done = project.python(*arguments)
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_what_cannot_repeat_is_left_out_of_the_comparison(project):
    project.edit(project.script, "centre_rows(X).sum(axis=1).round(6) + 0.0", "print(object())\nobject()")
    assert complaints(project) == []
    tags = {cell.id: cell.metadata.get("tags", []) for cell in notebook.read(project.executed).cells}
    assert tags["part-b-rows-5"] == ["nbval-ignore-output"]
    assert tags["check-scale"] == []
    assert "tags" not in notebook.read(project.released).cells[-1].metadata


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("1 + 1", new_output("execute_result", {"text/plain": "2"}), False),
        ("plot()", new_output("display_data", {"image/png": "aGVsbG8=", "text/plain": "<Figure size 640x480>"}), False),
        ("plot()", new_output("display_data", {"text/html": "<img src='data:image/png;base64,aGVsbG8='>"}), True),
        ("show()", new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}), True),
        ("f", new_output("execute_result", {"text/plain": "<function f at 0x7f>, <object at 0x7f>"}), True),
        ("warn()", new_output("stream", name="stderr", text="oh"), True),
        ("start = time.perf_counter()", new_output("stream", name="stdout", text="3 s"), True),
    ],
)
def test_what_differs_between_runs_or_machines_is_recognised(source, output, expected):
    assert build.cannot_repeat(new_code_cell(source, outputs=[output])) is expected


# ---------------------------------------------------------------- frozen answers, compared


def exercise():
    return Exercise("one", "n", "one", "One", 1, 1, 1, lambda rng: [], ("x",), ("y",), ("h",))


def answers(args=(1.0,), expected=2.0, label="a", outcome=None, sentence="Oh."):
    mistakes = {"m": outcome or Outcome(value=np.array([1.0, 2.0]))}
    return frozen.FrozenAnswers([JudgedCase(label, args, expected, mistakes)], {"m": sentence})


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (answers(), ""),
        (answers(expected=2.0 + 1e-15), ""),
        (answers(args=(1.0 + 2e-16,)), ""),
        (answers(expected=2.001), "expected output of the case 'a'"),
        (answers(args=(1.1,)), "inputs of the case 'a'"),
        (answers(args=(np.array(1.0, np.float32),)), "inputs of the case 'a'"),
        (answers(label="b"), "cases"),
        (answers(sentence="Ah."), "known mistakes"),
        (answers(outcome=Outcome(value=np.array([1.0, 2.1]))), "outcome of the mistake 'm'"),
        (answers(outcome=Outcome(error="E: x", error_type="E")), "outcome of the mistake 'm'"),
        (answers(outcome=Outcome(value=np.array([1.0, 2.0]), changed=(0,))), "outcome of the mistake 'm'"),
    ],
)
def test_frozen_answers_differ_by_values_not_by_rounding(monkeypatch, other, what):
    monkeypatch.setattr(build.exercises, "get", lambda exercise_id: exercise())
    assert build.difference("one", answers(), other) == what


def test_generators_are_compared_by_seed(monkeypatch):
    monkeypatch.setattr(build.exercises, "get", lambda exercise_id: exercise())
    one, same, other = (answers(args=([SeededGenerator(seed)], {"k": (1, "s")})) for seed in (3, 3, 4))
    assert build.difference("one", one, same) == ""
    assert build.difference("one", one, other) == "inputs of the case 'a'"


def test_progress_bars_are_left_out_and_warnings_are_kept():
    bar = "\r50%|#####     | 1/2\r100%|##########| 2/2\r                      \r"
    given = [("stdout", bar), ("stdout", f"{bar}1\n2\n"), ("stderr", "a warning\n")]
    cell = new_code_cell("read()", outputs=[new_output("stream", name=name, text=text) for name, text in given])
    build.drop_progress_bars(new_notebook(cells=[new_markdown_cell("text"), cell]))
    assert [(one.name, one.text) for one in cell.outputs] == [("stdout", "1\n2\n"), ("stderr", "a warning\n")]


def test_an_outcome_that_names_no_mistake_is_not_held_to_its_numbers():
    def frozen_with(value):
        case = JudgedCase("c", (), 1.0, {"m": Outcome(value=value)}, names_mistakes=False)
        return frozen.FrozenAnswers([case], {"m": "s"})

    assert build.difference("squared-distances", frozen_with(1.0), frozen_with(2.0)) == ""
