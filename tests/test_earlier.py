"""`earlier` gives the learner's functions where they pass, a library's where not, and says which."""

import nbformat
import pytest
from sample_project import NAME

SHOW = f"""
import numpy as np
from course_utils import earlier
from course_utils.errors import CourseError
work = earlier("{NAME}")
print(work)
print(dir(work))
for name in ("scale", "centre_rows", "other"):
    try:
        print(getattr(work, name)(np.array([[1.0, 3.0]])).tolist())
    except CourseError as error:
        print(error)
assert "{NAME}" in work._repr_html_()
"""


@pytest.fixture
def project(built, tmp_path):
    return built(tmp_path)


def answers(project, **sources):
    """Write the learner's notebook with these sources in place of the stubs."""
    notebook = nbformat.read(project.released, as_version=4)
    for cell in notebook.cells:
        cell.source = sources.get(cell.id.replace("-", "_"), cell.source)
    nbformat.write(notebook, project.released)


def shown(project, cwd=None):
    done = project.python("-c", SHOW, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_own_functions_are_given_where_they_pass(project):
    own = "def scale(x):\n    return x / x.sum()"
    answers(project, scale=own, centre_rows="def centre_rows(X):\n    return X - X.mean(1)[:, None] + 0 * scale(X)")
    assert shown(project) == [
        f"From notebook {NAME}:",
        "  scale        yours",
        "  centre_rows  yours",
        "['centre_rows', 'scale']",
        "[[0.25, 0.75]]",
        "[[-1.0, 1.0]]",
        f"Notebook {NAME} has no exercise `other`; it has scale, centre_rows.",
    ]


def test_a_library_or_a_sentence_stands_in_for_what_is_not_solved(project):
    assert shown(project)[1:6] == [
        "  scale        a library's (not solved yet)",
        "  centre_rows  missing (not solved yet)",
        "['centre_rows', 'scale']",
        "[[0.25, 0.75]]",
        f"`centre_rows` is needed from notebook {NAME}, where it is not solved yet: solve the exercise "
        "“Centre the rows” there and save the notebook, then run this cell again.",
    ]


def test_wrong_slow_and_broken_answers_are_told_apart(project):
    project.edit(project.spec, 'name="scale",', 'name="scale",\n        time_limit=0.5,')
    answers(project, scale="def scale(x):\n    while True: pass", centre_rows="def centre_rows(X):\n    return X")
    assert shown(project)[1:3] == [
        "  scale        a library's (your own takes too long)",
        "  centre_rows  missing (your own does not pass its check yet)",
    ]
    answers(project, scale="def scale(x:\n    return", centre_rows="print('loud')\nraise SystemExit")
    assert shown(project)[1:4] == [
        "Code cell 2, line 1 cannot be read: '(' was never closed.",
        "  scale        a library's (not found in your notebook)",
        "  centre_rows  missing (not found in your notebook)",
    ]


def test_a_missing_or_damaged_notebook_becomes_a_remark(project):
    project.released.write_text("{")
    lines = shown(project)
    assert lines[1].startswith(f"notebooks/{NAME}.ipynb cannot be read as a notebook")
    assert lines[2] == "  scale        a library's (not found in your notebook)"
    project.released.unlink()
    assert shown(project)[1] == f"There is no notebook {NAME}.ipynb in the folder notebooks/."


def test_beside_the_solutions_the_solutions_are_found(project):
    assert shown(project, cwd=project.root / "solutions")[1:3] == ["  scale        yours", "  centre_rows  yours"]


def test_an_unknown_notebook_is_one_sentence(project):
    done = project.python("-c", "from course_utils import earlier; earlier('99_gone')")
    assert done.stderr.splitlines()[-1].endswith("There is no notebook '99_gone'; the course has 01_sample.")
