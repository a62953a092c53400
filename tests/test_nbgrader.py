"""nbgrader, run on our source folder, gives the points that our own check gives, exercise by exercise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from sample_project import NAME

pytest.importorskip("nbgrader", reason="nbgrader is in the bench extra, which is not installed")

SCALE = "def scale(x):\n    {}return x / np.sum(x)"
CENTRE = "def centre_rows(X):\n    return X - X.mean(axis=1, keepdims=True)"
NOISE = "warnings.warn('a warning')\n    print('loud', file=sys.stderr)\n    np.log(np.zeros(1))\n    "
HANDED_IN = {
    "solved": {"scale": SCALE.format(""), "centre-rows": CENTRE},
    "untouched": {},
    "half": {"scale": SCALE.format(""), "centre-rows": "def centre_rows(X):\n    return X - X.mean()"},
    "warning": {"scale": "import sys, warnings\n" + SCALE.format(NOISE), "centre-rows": CENTRE},
    "returns-zero": {
        "scale": "def scale(x):\n    return 0",
        "centre-rows": "def centre_rows(X):\n    raise ValueError",
    },
    "broken": {"scale": "def scale(x:", "centre-rows": CENTRE},
}
EXPECTED = {
    "solved": {"scale": 2, "centre-rows": 3},
    "untouched": {"scale": 0, "centre-rows": 0},
    "half": {"scale": 2, "centre-rows": 0},
    "warning": {"scale": 2, "centre-rows": 3},
    "returns-zero": {"scale": 0, "centre-rows": 0},
    "broken": {"scale": 0, "centre-rows": 3},
}

OURS = """
import json, sys
from pathlib import Path
from course_utils import exercises, notebook
from course_utils.checking import check_function

marks = {}
for path in sorted(Path(sys.argv[1]).glob("*/*/*.ipynb")):
    specs = {spec.id: spec.name for spec in exercises.of(path.stem)}
    functions = notebook.load_definitions(notebook.read(path), specs).functions
    marks[path.parts[-3]] = {
        one: float(check_function(exercises.get(one), functions[one])) if one in functions else 0.0 for one in specs
    }
print(json.dumps(marks))
"""

THEIRS = """
import json
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as gradebook:
    marks = {
        handed_in.student.id: {
            grade.name.removeprefix("check-"): grade.auto_score
            for notebook in handed_in.notebooks
            for grade in notebook.grades
        }
        for handed_in in gradebook.assignment_submissions("%s")
    }
print(json.dumps(marks))
"""


@pytest.fixture(scope="module")
def course(built, tmp_path_factory):
    """nbgrader's course folder after autograding, and the project that it was made from."""
    folder = tmp_path_factory.mktemp("nbgrader")
    project = built(folder)
    course = folder / "course"
    done = project.course("release", "--nbgrader", "--out", str(course))
    assert done.returncode == 0, done.stderr
    nbgrader(project, course, "generate_assignment", NAME, "--create")
    for student, answers in HANDED_IN.items():
        notebook = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
        for cell in notebook.cells:
            cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        place = course / "submitted" / student / NAME
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{NAME}.ipynb")
    nbgrader(project, course, "autograde", NAME, "--create")
    return project, course


def nbgrader(project, course, *arguments):
    environment = dict(os.environ, PYTHONPATH=str(project.root), JUPYTER_PREFER_ENV_PATH="1")
    # nbgrader calls alembic by its bare name, which stands beside this Python
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nbgraders_own_stub_keeps_the_signature_and_the_docstring(course):
    _, folder = course
    cells = nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4).cells
    (scale,) = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "scale"]
    assert scale.source == (
        'def scale(x):\n    """Divide the entries of x (n,) by their sum; returns p (n,)."""\n'
        '    raise NotImplementedError("replace this line by your solution")'
    )


def test_the_marks_agree_with_ours_exercise_by_exercise(course):
    project, folder = course
    theirs = json.loads(project.python("-c", THEIRS % NAME, cwd=folder).stdout)
    ours = json.loads(project.python("-c", OURS, str(folder / "submitted")).stdout)
    assert theirs == ours == EXPECTED
