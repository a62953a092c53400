"""The autograder's zip for Gradescope, unpacked and run as Gradescope does it, and results.json against its format."""

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import mkdtemp

import pytest
from sample_project import NAME, ROOT

from course_utils import exercises
from course_utils.errors import CourseError
from course_utils.grading import gradescope
from course_utils.grading.results import ExerciseResult, Status, SubmissionResult
from course_utils.release import new_zip, release

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Gradescope's containers are Linux")

RIGHT = "    return x / x.sum()\n"
WRONG = "    return x / x.max()\n"
CENTRED = "    return X - X.mean(axis=1, keepdims=True)\n"
FULL, SCALE = 5, 2  # points of the sample's notebook and of its first exercise

# What the documentation of the format allows.
OF_RESULTS = {"score", "execution_time", "output", "output_format", "visibility", "stdout_visibility", "extra_data"}
OF_RESULTS |= {"tests", "leaderboard", "test_output_format", "test_name_format"}
OF_TEST = {"score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags"}
OF_TEST |= {"visibility", "extra_data"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


def check_number(value):
    assert type(value) in (int, float)
    assert 0 <= value < 1e6


def check_results(text: str) -> dict:
    """The content of a results.json; fails where the format does not allow it."""
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert set(content) <= OF_RESULTS
    assert "score" in content or content.get("tests")
    check_number(content.get("score", 0))
    check_number(content.get("execution_time", 0))
    assert type(content.get("output", "")) is str
    assert content.get("output_format", "text") in FORMATS
    assert {content.get("visibility", "visible"), content.get("stdout_visibility", "hidden")} <= VISIBILITIES
    for test in content.get("tests", []):
        assert set(test) <= OF_TEST
        check_number(test["score"])
        check_number(test["max_score"])
        assert test["score"] <= test["max_score"]
        assert test.get("status", "passed") in ("passed", "failed")
        assert all(type(test.get(key, "")) is str for key in ("name", "number", "output"))
        assert test.get("output_format", "text") in FORMATS
        assert test.get("visibility", "visible") in VISIBILITIES
    return content


# ---------------------------------------------------------------- as Gradescope runs it


@pytest.fixture(scope="module")
def project(built, tmp_path_factory):
    """The sample project, built, with the parts of the package that its sandbox imports."""
    sample = built(tmp_path_factory.mktemp("gradescope"))
    for name in ("data", "plots"):
        shutil.copytree(ROOT / "course_utils" / name, sample.root / "course_utils" / name, dirs_exist_ok=True)
    done = sample.course("build")
    assert done.returncode == 0, done.stderr
    return sample


class Autograder:
    """A folder laid out like /autograder, where other users may go, as in a container."""

    def __init__(self, archive: Path) -> None:
        self.root = Path(mkdtemp(prefix="autograder-"))
        self.root.chmod(0o755)
        self.source = self.root / "source"
        self.submission = self.root / "submission"
        self.submission.mkdir()
        (self.root / "results").mkdir()
        (self.root / "venv").symlink_to(sys.prefix)
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                place = Path(opened.extract(member, self.source))
                place.chmod(stat.S_IMODE(member.external_attr >> 16))
        shutil.copy(self.source / "run_autograder", self.root)

    def run(self, *cells: str, content: bytes | None = None, refused: bool = False) -> tuple[dict, str]:
        """Hand in a notebook with these answers, or this content; returns results.json and what was printed.

        With `refused` the kernel refuses namespaces, as it does in Gradescope's containers.
        """
        if cells:
            content = notebook(self.source / "notebooks" / f"{NAME}.ipynb", *cells)
        if content is not None:
            (self.submission / f"{NAME}.ipynb").write_bytes(content)
        done = subprocess.run(
            ["bash", self.root / "run_autograder"],
            env=dict(os.environ, AUTOGRADER_ROOT=str(self.root), PYTHONDONTWRITEBYTECODE="1"),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            preexec_fn=refuse_namespaces if refused else None,
        )
        assert done.returncode == 0, done.stderr
        return check_results((self.root / "results" / "results.json").read_text()), done.stdout + done.stderr


def notebook(released: Path, scale: str, centre: str = CENTRED) -> bytes:
    """The released notebook with these bodies of its two functions."""
    plan = json.loads(released.read_text())
    for cell in plan["cells"]:
        source = "".join(cell["source"])
        for name, body in (("scale", scale), ("centre_rows", centre)):
            if f"def {name}(" in source:
                cell["source"] = re.sub(r"    raise NotImplementedError.*\n?", lambda _, body=body: body, source)
    return json.dumps(plan).encode()


def refuse_namespaces() -> None:
    """Let the kernel refuse this process namespaces and mounts, as a container's own filter does."""
    import pyseccomp as seccomp

    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for name in ("unshare", "setns", "mount", "umount2", "pivot_root"):
        rules.add_rule(seccomp.ERRNO(errno.EPERM), name)
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        rules.add_rule(seccomp.ERRNO(errno.EPERM), "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    rules.load()


@pytest.fixture(scope="module")
def archive(project, tmp_path_factory):
    """The zip, made by the command."""
    place = tmp_path_factory.mktemp("zip") / "autograder.zip"
    done = project.course("release", "--gradescope", "--out", str(place))
    assert done.returncode == 0, done.stderr
    assert "It holds the solutions" in done.stdout
    return place


@pytest.fixture
def autograder(archive):
    """An unpacked autograder without a submission."""
    made = Autograder(archive)
    yield made
    shutil.rmtree(made.root)


def test_a_right_notebook_gets_full_marks(autograder):
    metadata = {"users": [{"name": "Zoë <b>", "id": 1}], "assignment": {"title": "x"}}
    (autograder.root / "submission_metadata.json").write_text(json.dumps(metadata))
    results, printed = autograder.run(RIGHT)
    assert results["score"] == FULL, printed
    assert [test["status"] for test in results["tests"]] == ["passed", "passed"]
    assert [test["number"] for test in results["tests"]] == ["1.1", "1.2"]
    assert [test["max_score"] for test in results["tests"]] == [2, 3]
    assert "5 of 5 points" in results["output"]
    assert "Sandbox: every submission has namespaces" in printed


def test_a_wrong_answer_is_explained_and_one_that_ends_the_process_costs_its_own_points(autograder):
    results, _ = autograder.run(WRONG, "    import os\n    os._exit(0)\n")
    first, second = results["tests"]
    assert results["score"] == first["score"] == second["score"] == 0
    assert first["status"] == second["status"] == "failed"
    assert "You divided by the largest entry, not by the sum." in first["output"]
    assert "first input of your own check that fails" in first["output"]
    assert "Your code ended the whole process" in second["output"]


def test_a_broken_notebook_ends_in_its_sentence(autograder):
    results, _ = autograder.run(content=b'{"cells": [')
    assert results["score"] == 0
    assert "is cut off or damaged" in results["output"]
    assert {test["output"] for test in results["tests"]} == {"It was not graded."}


def test_nothing_handed_in(autograder):
    results, _ = autograder.run()
    assert (results["score"], results["output"], results["tests"]) == (0, gradescope.NOTHING, [])
    autograder.submission.rmdir()
    assert autograder.run()[0]["output"] == gradescope.NOTHING


ATTACK = """    import os, socket
    reached = []
    for place in {places!r}:
        try:
            reached += os.listdir(place)
        except OSError:
            pass
        try:
            with open(place) as file:
                reached.append(file.read())
        except OSError:
            pass
        for act, *args in ((open, place, "w"), (open, place + "/results.json", "w"), (os.chmod, place, 511)):
            try:
                act(*args)
                reached.append(place)
            except OSError:
                pass
    try:
        socket.socket(socket.AF_INET)
        reached.append("a socket")
    except OSError:
        pass
    if reached:
        raise ValueError(str(reached))
"""


needs_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can run a submission as another user"
)


def aims(autograder: Autograder) -> list[str]:
    """The places that a submission would like to reach."""
    source, root = autograder.source, autograder.root
    places = [source / "solutions", source / "solutions" / "seed", source / "solutions" / f"{NAME}.py"]
    places += [source / "course_utils" / "exercises" / "frozen", root / "results", root / "results" / "results.json"]
    return [str(place) for place in (*places, root / "submission")]


@needs_root
def test_without_namespaces_a_submission_reaches_neither_solutions_nor_seed_nor_results(autograder):
    attack = ATTACK.format(places=aims(autograder))
    results, printed = autograder.run(attack + RIGHT, refused=True)
    assert "Weaker sandbox" in printed
    assert results["score"] == FULL, results  # the attack raises where it reaches anything


@needs_root
def test_without_namespaces_readable_solutions_stop_the_grader(autograder):
    script = autograder.root / "run_autograder"
    text = script.read_text()
    guard = 'chmod -R go-rwx "$source/solutions" "$source/course_utils/exercises/frozen"\n'
    assert text.count(guard) == 1
    script.write_text(text.replace(guard, ""))
    results, printed = autograder.run(RIGHT, refused=True)
    assert (results["score"], results["output"]) == (0, gradescope.FAILED)
    assert "a trial submission could list" in printed
    assert "solutions" in printed


@pytest.mark.parametrize(
    ("broken", "printed"),
    [
        ("solutions/seed", "Nothing was graded: FileNotFoundError"),
        ("course_utils/grading/gradescope.py", "No module named course_utils.grading.gradescope"),
        ("../venv", "venv/bin/python"),
    ],
)
def test_a_grader_that_fails_says_so(autograder, broken, printed):
    (autograder.source / broken).unlink()
    (autograder.root / "results" / "results.json").write_text("not JSON")
    results, said = autograder.run(RIGHT)
    assert (results["score"], results["output"], results["tests"]) == (0, gradescope.FAILED, [])
    assert printed in said


# ---------------------------------------------------------------- the zip


def test_the_zip_holds_what_grading_needs_and_a_seed_of_its_own(archive, project, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        modes = {one.filename: stat.S_IMODE(one.external_attr >> 16) for one in opened.infolist()}
        seed = opened.read("solutions/seed")
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert modes["solutions/seed"] == 0o600
    needed = {f"solutions/{NAME}.py", "solutions/known_answers/sample.py", "pyproject.toml", "requirements.lock"}
    assert needed <= set(modes)
    assert not [name for name in modes if "__pycache__" in name or name == f"solutions/{NAME}.ipynb"]
    assert re.fullmatch(rb"[0-9a-f]{64}\n", seed)
    again = project.course("release", "--gradescope", "--out", str(tmp_path / "folder"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "folder" / "solutions" / "seed").read_bytes() != seed
    assert project.course("release", "--gradescope", "--out", str(archive)).returncode == 1


def test_a_zip_that_fails_leaves_nothing_behind_and_options_exclude_each_other(tmp_path):
    def fail():
        with new_zip(tmp_path / "a.zip") as draft:
            (draft / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(CourseError, match="give one of"):
        release(tmp_path / "a.zip", nbgrader=True, gradescope=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="cannot be made"), new_zip(tmp_path / "file" / "a.zip"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_scripts_are_sound():
    for name in ("setup.sh", "run_autograder"):
        checked = subprocess.run(
            ["bash", "-n", ROOT / "course_utils" / "grading" / "templates" / "gradescope" / name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stderr) == (0, "")
    setup = (ROOT / "course_utils" / "grading" / "templates" / "gradescope" / "setup.sh").read_text()
    assert "apt-get install -y bubblewrap libseccomp2" in setup
    assert '--constraint "$source/requirements.lock"' in setup
    assert '--editable "$source[grading]"' in setup
    versions = re.search(r"for version in ([\d. ]+);", setup)[1].split()
    oldest, beyond = re.search(
        r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()
    ).groups()
    assert versions == [f"3.{minor}" for minor in reversed(range(int(oldest), int(beyond)))]


# ---------------------------------------------------------------- names and words


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"users": [{"name": "Zo\\u00eb"}]}', "Zoë"),
        ('{"users": [{"name": "B"}, {"name": "A"}]}', "A, B"),
        ('{"users": [{"name": "a\\u0000\\n\\u202eb\\ud800"}]}', "a b"),
        ('{"users": [{"name": "' + "x" * 1000 + '"}]}', "…" + "x" * 79),
        ('{"users": [{"name": 7}]}', "student"),
        ('{"users": [{}]}', "student"),
        ('{"users": 3}', "student"),
        ('{"users": "abc"}', "student"),
        ("[]", "student"),
        ("[" * 100_000, "student"),
        ("", "student"),
        ("\udcff", "student"),
        (None, "student"),
    ],
)
def test_the_students_name(tmp_path, content, name):
    place = tmp_path / "submission_metadata.json"
    if content is not None:
        place.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert gradescope.student_of(place) == name


def test_results_hold_no_hidden_input_and_nothing_that_json_or_a_terminal_would_obey():
    notebook = next(iter(exercises.MODULES))
    ids = [one.id for one in exercises.of(notebook)]
    strange = "<script>\x1b[31m\u202e\ud800 = 1"
    listed = [
        ExerciseResult(
            ids[0],
            Status.WRONG,
            0.0,
            (strange,),
            case="five numbers",
            cases_passed=1,
            cases=2,
            shown=(("input x", "[1 2]"),),
            hidden=(("input x", "[31415 92653]"), ("expected", "27182")),
        ),
        *(ExerciseResult(one, Status.RIGHT, float(exercises.get(one).points)) for one in ids[1:]),
    ]
    result = SubmissionResult(strange, notebook, strange, "", None, "", "", tuple(listed), (strange,))
    unknown = SubmissionResult("a", "", "b.txt", "", None, "", "", problem=f"b.txt {strange}.")
    text = json.dumps(gradescope.results_of([result, unknown]))
    content = check_results(text)
    assert content["score"] == sum(one.points for one in listed)
    assert [test["score"] for test in content["tests"]] == [one.points for one in listed]
    assert "31415" not in text
    assert "27182" not in text
    assert "[1 2]" in content["tests"][0]["output"]
    said = [content["output"], *(test["output"] for test in content["tests"])]
    assert all(letter.isprintable() or letter == "\n" for one in said for letter in one)
    assert "b.txt" in content["output"]
