"""The practice class: every kind of submission, the same for the same seed, and a truth that holds."""

import ast
import contextlib
import json
import re
from pathlib import Path

import pytest

from course_utils import authoring, exercises, frozen, notebook, run
from course_utils.errors import CourseError
from course_utils.grading import demo_answers, demo_class, intake
from course_utils.grading.demo_answers import Answer
from course_utils.grading.demo_attacks import ATTACKS
from course_utils.grading.demo_class import MIX, counts, make_class, roll, strange, tainted, truth_of, undone
from course_utils.grading.demo_edits import BROKEN, EDITS, ODD, SAVED, text_of
from course_utils.grading.desk import Settings
from course_utils.grading.gradebook import Gradebook
from course_utils.grading.run import GRADEBOOK, grade
from course_utils.judge import judge

NAME = "01_sne_to_tsne"
STUDENTS = 24
HARMLESS = (  # attacks that may run in the tests' own process
    *("lying object", "lying array", "nested without end", "huge array", "endless iterator", "results file"),
    *("claims points", "forged check", "memory without end"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A small class of the real notebook."""
    out = tmp_path_factory.mktemp("class") / "out"
    make_class(out, STUDENTS, seed=3)
    return out


@pytest.fixture(scope="module")
def truth(made) -> dict:
    return json.loads((made / "truth.json").read_text())["students"]


def judged(full):
    """The verdict on every exercise of a notebook on its public inputs."""
    verdicts = {}
    for exercise_id, function in demo_answers.load(full).functions.items():
        exercise, answers = exercises.get(exercise_id), frozen.load(exercise_id)
        outcomes = run.call_all(function, [case.args for case in answers.cases], 3 * exercise.time_limit)
        verdicts[exercise_id] = judge(exercise, answers.cases, outcomes)
    return verdicts


# ---------------------------------------------------------------- the folder


def test_there_is_one_folder_a_student_and_the_truth_lies_beside_them(made, truth):
    assert sorted(path.name for path in made.iterdir()) == ["submissions", "truth.json"]
    assert {path.name for path in (made / "submissions").iterdir()} == set(truth)
    assert len(truth) == STUDENTS
    for student, told in truth.items():
        assert list(told["notebooks"]) == list(exercises.MODULES)
        files = {path.name for path in (made / "submissions" / student).iterdir()}
        assert files == {one["file"] for one in told["notebooks"].values()}


def test_the_truth_covers_every_exercise(truth):
    for told in truth.values():
        notes = told["notebooks"][NAME]
        assert list(notes["exercises"]) == [exercise.id for exercise in exercises.of(NAME)]
        assert (notes["problem"] is not None) == (told["kind"] == "broken")
        for exercise_id, entry in notes["exercises"].items():
            assert entry["points"] in (0.0, exercises.get(exercise_id).points)
            assert entry["mistake"] is None or entry["mistake"] in authoring.load(NAME).mistakes[exercise_id]
            assert not (entry["mistake"] and entry["points"])


def test_the_kinds_earn_what_they_should(truth):
    for told in truth.values():
        entries = told["notebooks"][NAME]["exercises"]
        lost = [exercise_id for exercise_id, entry in entries.items() if not entry["points"]]
        match told["kind"]:
            case "right" | "edited":
                assert not lost
            case "errors":
                assert 1 <= len(lost) <= 6
            case "weak":
                assert len(lost) > 6
            case "broken":
                assert len(lost) == len(entries)
            case "hostile":
                assert lost
    assert {told["kind"] for told in truth.values()} == set(MIX)


def test_a_sample_course_gives_the_same_bytes_for_the_same_seed_and_others_for_another(built, tmp_path):
    project = built(tmp_path)
    code = "import sys; from pathlib import Path; from course_utils.grading.demo_class import make_class\n"
    code += "if __name__ == '__main__': make_class(Path(sys.argv[1]), 20, int(sys.argv[2]))"
    script = tmp_path / "make.py"
    script.write_text(code)
    contents = []
    for number, seed in enumerate(("5", "5", "6")):
        out = tmp_path / f"class{number}"
        done = project.python(str(script), str(out), seed)
        assert done.returncode == 0, done.stderr
        files = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        assert len(files) == 21
        contents.append(files)
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(CourseError, match="already and not empty"):
        make_class(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(CourseError, match="at least one student"):
        make_class(tmp_path / "none", 0)


def test_a_class_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_answers, "pools", lambda name, seed: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_class(tmp_path / "out", 3)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- who is in it


def test_the_mix_is_kept_and_every_edit_break_and_attack_is_dealt_in_a_class_of_200():
    assert counts(200) == {"right": 50, "errors": 90, "weak": 20, "edited": 16, "broken": 14, "hostile": 10}
    assert all(sum(counts(students).values()) == students for students in range(1, 60))
    students = list(roll(200, seed=1))
    assert len({name for name, _, _ in students}) == 200
    for kind, cards in (("edited", ODD), ("broken", BROKEN), ("hostile", ATTACKS)):
        assert {one for _, its, what in students if its == kind for one in what} == set(cards)
    names = " ".join(name for name, _, _ in students)
    assert all(sign in names for sign in ("=cmd", "<b ", "'", "ü", "[bold]"))


# ---------------------------------------------------------------- the truth holds


def test_graded_with_fresh_inputs_the_class_gets_what_the_truth_says(made, truth, tmp_path):
    assert grade(made / "submissions", tmp_path / "graded", Settings, workers=2).students == STUDENTS
    found = {}
    with Gradebook(tmp_path / "graded" / GRADEBOOK, writing=False) as book:
        for result in book.results():
            found |= {(result.student, one.exercise): one for one in result.exercises}
            problem = truth[result.student]["notebooks"][result.notebook]["problem"]
            assert (result.problem is not None) == (problem is not None), result.student
    deserved = {
        (student, exercise): wanted
        for student, about in truth.items()
        for notes in about["notebooks"].values()
        for exercise, wanted in notes["exercises"].items()
    }
    assert len(deserved) == STUDENTS * len(exercises.all_by_id())
    for key, wanted in deserved.items():
        got = found.get(key)
        assert (got.points if got else 0) == wanted["points"], (key, got)
        if wanted["mistake"]:
            assert got.mistake == wanted["mistake"], key
    assert len([wanted for wanted in deserved.values() if wanted["mistake"]]) > 10


def test_nearly_all_known_answers_can_be_handed_in():
    known = authoring.load(NAME)
    for exercise_id in ("optimise", "tiled-repulsion", "trustworthiness"):
        pool = demo_answers.pool(NAME, exercise_id, seed=0)
        frozen_names = frozen.load(exercise_id).sentences  # without them, a mistake cannot be named
        assert {one.name for one in pool.mistakes} == set(frozen_names)
        assert len(pool.right) == 1 + len(known.alternatives[exercise_id])
        assert set(pool.left_out) == set(known.mistakes[exercise_id]) - set(frozen_names)
        assert len(pool.mutants) == demo_answers.MUTANTS
        everything = (*pool.right, *pool.mistakes, *pool.mutants)
        assert len({one.source for one in everything}) == len(everything)


def test_an_alternative_that_troubles_a_later_exercise_is_left_out():
    pool = demo_answers.pool(NAME, "squared-distances", seed=0)
    assert {"torch", "broadcast in float32", "loops"} == set(pool.left_out)  # a tensor, less exact, slow
    assert [one.name for one in pool.right] == ["", "scipy"]


def test_what_a_wrong_function_spoils_keeps_its_points_and_loses_its_mistakes_name():
    answers = {
        "squared-distances": Answer("stub", "", "", frozenset()),
        "sne-q": Answer("solution", "", "", frozenset({"squared-distances"})),
        "sne-gradient": Answer("mistake", "factor 4", "", frozenset({"sne-q"})),
        "perplexity": Answer("mistake", "mean for sum", "", frozenset()),
    }
    told = truth_of(answers, "file.ipynb")["exercises"]
    assert [entry["points"] for entry in told.values()] == [0.0, 1.0, 0.0, 0.0]
    assert [entry["mistake"] for entry in told.values()] == [None, None, None, "mean for sum"]
    assert tainted(answers["sne-gradient"], answers)
    answers["squared-distances"] = Answer("alternative", "scipy", "", frozenset())
    assert not tainted(answers["sne-gradient"], answers)
    assert strange(answers["sne-gradient"], answers)
    assert truth_of(answers, "file.ipynb", problem="empty")["exercises"]["sne-q"]["points"] == 0.0


def test_two_errors_that_undo_each_other_are_found():
    cells = demo_answers.solution_cells(NAME)
    twice = cells["squared-distances"].replace("return np.maximum(D, 0)", "return 2 * np.maximum(D, 0)")
    half = cells["sne-q"].replace("squared_distances(Y)", "squared_distances(Y) / 2")
    answers = {
        "squared-distances": Answer("mutant", "", twice, frozenset()),
        "sne-q": Answer("mutant", "", half, frozenset({"squared-distances"})),
    }
    course = demo_class.Course(NAME, demo_answers.released(NAME), {})
    assert undone(course, "sne-q", answers)
    answers["squared-distances"] = Answer("solution", "", cells["squared-distances"], frozenset())
    assert not undone(course, "sne-q", answers)


# ---------------------------------------------------------------- odd, broken and hostile ones


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_costs_no_point(edit):
    full = demo_answers.solved(NAME, {})
    before = text_of(full)
    EDITS[edit](full)
    assert text_of(full) != before
    verdicts = judged(full)
    assert {exercise_id for exercise_id, verdict in verdicts.items() if verdict.passed} == {
        exercise.id for exercise in exercises.of(NAME)
    }


@pytest.mark.parametrize("way", SAVED)
def test_another_way_to_save_a_notebook_changes_no_answer(way, tmp_path):
    full = demo_answers.solved(NAME, {})
    path = tmp_path / f"{NAME}.ipynb"
    path.write_bytes(SAVED[way](text_of(full)))
    assert path.read_bytes() != text_of(full).encode()
    read = intake.read(intake.HandIn("Ada", path.name, path))
    assert read.problem is None

    def plain(source: str) -> str:
        return re.sub(r"[^\x00-\x7f]|[?\r]", "", source)

    answers = {cell.exercise: plain(cell.source) for cell in read.cells if cell.exercise}
    assert answers == {one: plain(cell.source) for one, cell in notebook.exercise_cells(full).items()}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_file_holds_no_exercise_that_could_be_read(broken, tmp_path):
    path = tmp_path / f"{NAME}.ipynb"
    path.write_bytes(BROKEN[broken](text_of(demo_answers.solved(NAME, {}))))
    with contextlib.suppress(CourseError):
        assert notebook.exercise_cells(notebook.read(path)) == {}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_defines_the_function_and_has_no_placeholder_left(attack):
    source = ATTACKS[attack].cell("perplexity", "perplexity", NAME)
    tree = ast.parse(source)
    assert "perplexity" in [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"NAME", "ID", "NOTEBOOK"}


@pytest.mark.parametrize("attack", HARMLESS)
def test_an_attack_that_only_returns_something_earns_nothing(attack):
    exercise = exercises.get("perplexity")
    source = ATTACKS[attack].cell(exercise.name, exercise.id, NAME)
    function = demo_answers.define(source, exercise, {})
    answers = frozen.load(exercise.id)
    outcomes = run.call_all(function, [case.args for case in answers.cases], exercise.time_limit)
    assert judge(exercise, answers.cases, outcomes).points == 0


def test_claims_and_forged_checks_stand_in_the_notebook():
    full = demo_answers.solved(NAME, {})
    ATTACKS["claims points"].edit(full, "perplexity")
    ATTACKS["forged check"].edit(full, "perplexity")
    assert notebook.exercise_cells(full)["perplexity"].metadata["nbgrader"]["points"] == 99
    checks = [cell.source for cell in full.cells if notebook.checked_by(cell) == "perplexity"]
    assert checks == ['check = lambda exercise: 99.0\ncheck("perplexity")']
