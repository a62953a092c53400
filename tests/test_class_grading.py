"""A class as an answer, from `course build` and `validate` to `grade`, `--replay`, `earlier` and the practice class."""

import json
import shutil
import sys
import zipfile

import class_project
import pytest
from sample_project import NAME, ROOT
from sandboxed import need_namespaces

from course_utils.grading.gradebook import Gradebook
from course_utils.grading.run import GRADEBOOK

if not sys.platform.startswith("linux"):
    pytest.skip("the sandbox needs Linux", allow_module_level=True)

LAYERS = "        self.hidden, self.out = nn.Linear(d, k), nn.Linear(k, 2, bias=False)\n"
HEAD = "class SmallNet(nn.Module):\n    def __init__(self, d, k):\n        super().__init__()\n"
RIGHT = HEAD + LAYERS + "    def forward(self, x):\n        return self.out(torch.tanh(self.hidden(x)))\n"
STUB = 'raise NotImplementedError("small-net: replace this line by your solution")\n'
FORGED = """
from course_utils import exercises
spec = None
class SmallNet(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        spec = exercises.get("small-net")
        object.__setattr__(spec, "use", lambda *_: "4 of 4 points")
        raise ValueError("so that the next case is forged")
"""
CLASSES = {  # the source, its status, and a part of what is said
    "Ann": (RIGHT, "right", ""),
    "Bob": (RIGHT.replace("torch.tanh", ""), "wrong", "You left out tanh: two linear layers are one."),
    "Cy": (RIGHT.replace("hidden", "first"), "wrong", "`SmallNet` has no parameter `hidden.weight` (2, 3)"),
    "Dee": (RIGHT[: RIGHT.index("        return")] + "        " + STUB, "not solved", "still raises the stub's error"),
    "Eli": (
        "def SmallNet(d, k):\n    return nn.Linear(d, k)\n",
        "wrong",
        "must be a class that derives from torch.nn.Mod",
    ),
    "Flo": (HEAD + "        while True:\n            pass\n", "timed out", "`SmallNet` was stopped after 2 s"),
    "Gus": (RIGHT + "    def __new__(*_):\n        return {}\n", "wrong", "its objects are of type dict"),
    "Hal": (RIGHT + "    def __getattr__(self, name):\n        return self\n", "", ""),
    "Ivy": (FORGED, "", ""),
    "Jan": ("", "not found", "No cell defines the class `SmallNet`."),
    "Kim": (
        RIGHT.replace("self.hidden(x)", "self.hiden(x)"),
        "raised an error",
        "Your class raised an error in line 6 of",
    ),
    "Lou": (RIGHT.replace("return", "return x if len(x) == 2 and x[0, 0] > 9 else"), "right", ""),
    "Max": (
        RIGHT.replace("x)))", "x) * (1 if k < 3 else x.new_ones(1))))").replace("(1 if k < 3 else", "(1 +"),
        "",
        "",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The sample project with a class exercise, built, with the parts of the package that its sandbox imports."""
    made = class_project.make(tmp_path_factory.mktemp("class") / "sample")
    for name in ("data", "plots"):
        shutil.copytree(ROOT / "course_utils" / name, made.root / "course_utils" / name, dirs_exist_ok=True)
    done = made.course("build")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def hand_in(project, folder, student, **answers):
    """Write a student's notebook: the solutions, but for these answers, by exercise with _ for -."""
    notebook = json.loads(project.executed.read_text())
    for cell in notebook["cells"]:
        name = cell["id"].replace("-", "_")
        cell["source"] = answers.get(name, cell["source"])
    path = folder / student / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))


@pytest.fixture(scope="module")
def graded(project, tmp_path_factory):
    """The results of these students, by student and exercise, and the folder."""
    need_namespaces()
    folder = tmp_path_factory.mktemp("graded")
    for student, (source, _, _) in CLASSES.items():
        hand_in(project, folder / "submissions", student, small_net=source)
    scaled = RIGHT.replace("x)))", "x))) * scale(np.ones(3)).sum()")
    hand_in(project, folder / "submissions", "Oli", scale="def scale(x):\n    return 2 * x", small_net=scaled)
    hand_in(project, folder / "submissions", "Ned", scale="def scale(x):\n    return 2 * x", small_net=RIGHT)
    done = project.course("grade", str(folder / "submissions"), "--out", str(folder / "out"), "--seed", "a seed")
    assert done.returncode == 0, done.stdout + done.stderr
    with Gradebook(folder / "out" / GRADEBOOK, writing=False) as book:
        return {(one.student, each.exercise): each for one in book.results() for each in one.exercises}, folder


def test_the_course_with_a_class_is_valid_and_its_stub_holds_no_solution(project):
    done = project.course("validate")
    assert done.returncode == 0, done.stdout
    assert "4 specifications" in done.stdout
    (source,) = (
        "".join(cell["source"])
        for cell in json.loads(project.released.read_text())["cells"]
        if "class SmallNet" in "".join(cell["source"])
    )
    assert source.count(STUB.strip()) == 2
    assert "secret" not in source
    assert project.course("build", "--check").returncode == 0


@pytest.mark.parametrize("student", CLASSES)
def test_every_class_gets_the_points_that_it_deserves(graded, student):
    results, _ = graded
    result = results[student, "small-net"]
    _, status, part = CLASSES[student]
    assert result.points == (4 if status == "right" else 0)
    assert part in " ".join(result.sentences)
    assert "Misfit" not in " ".join(result.sentences)
    assert not status or result.status == status
    assert results[student, "scale"].points == 2


def test_no_credit_follows_through_a_class_and_that_is_said(graded):
    results, _ = graded
    result = results["Cy", "embed-rows"]
    assert result.points == 1  # its number of weights is right
    result = results["Gus", "embed-rows"]
    assert (result.points, result.status) == (0, "raised an error")
    assert "It is built on `SmallNet`, not right either, which cannot be answered for you: mend that first." in (
        result.sentences
    )
    assert "built on" not in " ".join(results["Ann", "embed-rows"].sentences)


def test_credit_follows_through_functions_where_a_class_is_right(graded):
    results, _ = graded
    result = results["Ned", "embed-rows"]
    assert (result.points, result.status, result.answered) == (1, "right by follow-through", ("scale",))


def test_credit_follows_through_functions_that_a_class_calls(graded):
    results, _ = graded
    result = results["Oli", "small-net"]
    assert (result.points, result.status, result.answered) == (4, "right by follow-through", ("scale",))
    assert "built on" not in " ".join(results["Oli", "embed-rows"].sentences)


def test_replay_of_a_class(graded, project, tmp_path):
    _, folder = graded
    command = ["grade", str(folder / "submissions"), "--out", str(folder / "out"), "--replay", "Bob", "small-net"]
    done = project.course(*command, "--bundle", str(tmp_path / "bob.zip"))
    assert done.returncode == 0, done.stderr
    assert "0 of 4 points" in done.stdout
    assert "hidden.weight: " in done.stdout
    with zipfile.ZipFile(tmp_path / "bob.zip") as bundle:
        assert json.loads(bundle.read("mark.json"))["points"] == 0


SHOW = f"""
import torch
from course_utils import earlier
work = earlier("{NAME}")
print(work)
"""


def test_earlier_gives_the_class(project, tmp_path):
    for answer, words in (
        (RIGHT, "SmallNet     yours"),
        ("class SmallNet:\n    pass", "your own does not pass its check"),
    ):
        hand_in(project, tmp_path, "me", small_net=answer)
        done = project.python("-c", SHOW, cwd=tmp_path / "me")
        assert words in done.stdout, done.stderr


DEMO = """
from pathlib import Path
from course_utils.grading.demo_answers import pool
found = pool("01_sample", "small-net", 0)
print([one.name for one in found.right], [one.name for one in found.mistakes], len(found.mutants), found.left_out)
print(found.mistakes[-1].source)
from course_utils.grading.demo_class import make_class
make_class(Path("demo"), students=8, seed=1)
"""


def test_the_practice_class_has_classes_and_its_truth_holds(project, tmp_path):
    need_namespaces()
    done = project.python("-c", DEMO, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *source = done.stdout.splitlines()
    right, mistakes = (
        ["", "parameters by hand", "a module of its own"],
        ["no activation", "two activations", "in a list"],
    )
    assert first == f"{right} {mistakes} 8 ()"
    assert "class SmallNet(nn.Module):" in source
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text())["students"]
    graded = project.course("grade", str(tmp_path / "demo" / "submissions"), "--out", str(tmp_path / "out"))
    assert graded.returncode == 0, graded.stderr
    with Gradebook(tmp_path / "out" / GRADEBOOK, writing=False) as book:
        points = {(one.student, each.exercise): each.points for one in book.results() for each in one.exercises}
    for student, told in truth.items():
        for exercise, entry in told["notebooks"][NAME]["exercises"].items():
            assert points[student, exercise] == entry["points"], (student, exercise, entry)
