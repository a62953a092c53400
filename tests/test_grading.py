"""`course grade` as an instructor runs it, on a small project with a notebook of two exercises."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from sample_project import NAME, ROOT, SampleProject

from course_utils.grading import desk
from course_utils.grading.desk import Settings
from course_utils.grading.gradebook import Gradebook
from course_utils.grading.intake import Submission
from course_utils.grading.run import GRADEBOOK

RIGHT = "    return x / x.sum()\n"
WRONG = "    return x / x.max()\n"
CENTRED = "    return X - X.mean(axis=1, keepdims=True)\n"
WRONG_WHERE_DRAWN = "    return x / (6 if len(x) == 3 else x.max())\n"
BY_SCALE = "    scale(X[0])\n    return X - X.mean(axis=1, keepdims=True)\n"


@pytest.fixture(scope="module")
def project(built, tmp_path_factory):
    """The sample project, built, with the parts of the package that its sandbox imports."""
    sample = built(tmp_path_factory.mktemp("grading"))
    for name in ("data", "plots"):
        shutil.copytree(ROOT / "course_utils" / name, sample.root / "course_utils" / name, dirs_exist_ok=True)
    return sample


def hand_in(project: SampleProject, folder: Path, student: str, scale: str, centre: str = CENTRED) -> Path:
    """Write a student's notebook with these bodies; returns its path."""
    notebook = json.loads(project.released.read_text())
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for name, body in (("scale", scale), ("centre_rows", centre)):
            if f"def {name}(" in source:
                cell["source"] = re.sub(r"    raise NotImplementedError.*\n?", lambda _, body=body: body, source)
    path = folder / student / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


def points(out: Path) -> dict[tuple[str, str], float]:
    """The points of every student and exercise."""
    with Gradebook(out / GRADEBOOK, writing=False) as book:
        return {(one.student, each.exercise): each.points for one in book.results() for each in one.exercises}


def recorded(out: Path) -> int:
    """How many submissions a gradebook has, without waiting for the grader that writes it."""
    try:
        with sqlite3.connect(f"file:{out / GRADEBOOK}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM submission").fetchone()[0]
    except sqlite3.Error:
        return 0


def test_a_fault_of_the_grader_is_one_submission_s_and_is_said(monkeypatch):
    class Faulty:
        def mark(self, submission):
            raise IndexError("no such row")

        def unmarked(self, submission, why):
            return why

    monkeypatch.setattr(desk, "desk", lambda settings, notebook: Faulty())
    told = desk.mark(Settings("a seed"), Submission("Ada", "a.ipynb", "0", None, NAME))
    assert told == (
        "It could not be graded: the grader itself failed at it (IndexError: no such row). A person has to look at it."
    )


# ---------------------------------------------------------------- one small class


@pytest.fixture(scope="module")
def graded(project, tmp_path_factory):
    """A class of six, graded: right, wrong, right by follow-through, too slow, wrong on drawn inputs, broken."""
    folder = tmp_path_factory.mktemp("class")
    handed = folder / "submissions"
    hand_in(project, handed, "Ada [bold]x", RIGHT)
    hand_in(project, handed, "Ben", WRONG)
    hand_in(project, handed, "Cleo", "    raise ValueError('no')\n", BY_SCALE)
    hand_in(project, handed, "Fay", WRONG_WHERE_DRAWN)
    hand_in(project, handed, "Dan", "    while True:\n        pass\n")
    (handed / "Eve").mkdir()
    (handed / "Eve" / f"{NAME}.ipynb").write_text('{"cells": [')
    done = project.course("grade", str(handed), "--out", str(folder / "graded"), "--seed", "a seed")
    assert done.returncode == 0, done.stdout + done.stderr
    return project, folder, done


def test_every_student_gets_the_points_that_the_code_deserves(graded):
    _, folder, _ = graded
    with Gradebook(folder / "graded" / GRADEBOOK, writing=False) as book:
        found = {
            (one.student, each.exercise): (each.points, each.status) for one in book.results() for each in one.exercises
        }
        mistakes = {(one.student, each.exercise): each.mistake for one in book.results() for each in one.exercises}
    assert found == {
        ("Ada [bold]x", "scale"): (2, "right"),
        ("Ada [bold]x", "centre-rows"): (3, "right"),
        ("Ben", "scale"): (0, "wrong"),
        ("Ben", "centre-rows"): (3, "right"),
        ("Cleo", "scale"): (0, "raised an error"),
        ("Cleo", "centre-rows"): (3, "right by follow-through"),
        ("Dan", "scale"): (0, "timed out"),
        ("Dan", "centre-rows"): (3, "right"),
        ("Fay", "scale"): (0, "wrong"),
        ("Fay", "centre-rows"): (3, "right"),
        ("Eve", "scale"): (0, "not found"),
        ("Eve", "centre-rows"): (0, "not found"),
    }
    assert mistakes["Ben", "scale"] == "largest"


def test_the_run_says_what_it_did_and_where_things_are(graded):
    _, folder, done = graded
    assert "6 submissions of 6 students graded" in done.stdout
    assert "1 not readable" in done.stdout
    assert "1 tried again because something timed out or was killed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    for name in ("feedback/index.html", "report.html", "report.csv"):
        assert (folder / "graded" / name).is_file()
    page = next((folder / "graded" / "feedback").glob("Ben*/*.html")).read_text()
    assert "You divided by the largest entry" in page


def test_a_second_run_finds_everything_done(graded):
    project, folder, _ = graded
    before = points(folder / "graded")
    done = project.course("grade", str(folder / "submissions"), "--out", str(folder / "graded"))
    assert done.returncode == 0, done.stderr
    assert "0 submissions of 6 students graded; 6 known" in done.stdout
    assert points(folder / "graded") == before


def test_one_process_two_processes_and_a_zip_give_the_same_marks(graded, tmp_path):
    project, folder, _ = graded
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for path in sorted((folder / "submissions").rglob("*.ipynb")):
            archive.write(path, path.relative_to(folder))
    done = project.course(
        "grade", str(tmp_path / "class.zip"), "--out", str(tmp_path / "one"), "--seed", "a seed", "--workers", "1"
    )
    assert done.returncode == 0, done.stderr
    assert points(tmp_path / "one") == points(folder / "graded")


def test_another_seed_is_refused_in_one_sentence(graded):
    project, folder, _ = graded
    done = project.course("grade", str(folder / "submissions"), "--out", str(folder / "graded"), "--seed", "other")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "begun with another seed" in done.stderr


def test_replay_shows_the_same_inputs_each_time_and_writes_a_bundle(graded, tmp_path):
    project, folder, _ = graded
    command = ["grade", str(folder / "submissions"), "--out", str(folder / "graded"), "--replay", "Ben", "scale"]
    first = project.course(*command)
    again = project.course(*command, "--bundle", str(tmp_path / "ben.zip"))
    assert first.returncode == 0, first.stderr
    assert "0 of 2 points" in first.stdout
    assert "expected" in first.stdout
    assert again.stdout.startswith(first.stdout.rstrip())
    with zipfile.ZipFile(tmp_path / "ben.zip") as bundle:
        about = json.loads(bundle.read("mark.json"))
        assert (about["student"], about["exercise"], about["points"]) == ("Ben", "scale", 0)
        assert {f"case_{i}/values.npz" for i in (1, 2)} <= set(bundle.namelist())


def test_replay_of_nobody_is_one_sentence(graded):
    project, folder, _ = graded
    done = project.course(
        "grade", str(folder / "submissions"), "--out", str(folder / "graded"), "--replay", "Zed", "scale"
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no 01_sample of 'Zed'" in done.stderr


def test_hidden_inputs_are_shown_only_when_asked_for(graded, tmp_path):
    project, folder, _ = graded
    out = tmp_path / "graded"
    shutil.copytree(folder / "graded", out)
    with Gradebook(out / GRADEBOOK, writing=False) as book:
        (fay,) = [one for one in book.results() if one.student == "Fay"]
    hidden = dict(fay.exercises[0].hidden)["input x"]
    number = re.search(r"1\.\d{3}", hidden)[0]
    page = next((out / "feedback").glob("Fay*/*.html"))
    assert number not in page.read_text()
    assert project.course("report", "--out", str(out), "--show-inputs").returncode == 0
    assert number in page.read_text()


def test_a_bundle_without_a_replay_is_refused(graded, tmp_path):
    project, folder, _ = graded
    done = project.course("grade", str(folder / "submissions"), "--bundle", str(tmp_path / "ben.zip"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "`--replay STUDENT EXERCISE`" in done.stderr


def test_what_a_cell_that_is_not_run_would_have_made_is_named(project, tmp_path):
    path = hand_in(project, tmp_path / "submissions", "Hal", "    return x / TOTAL\n")
    content = json.loads(path.read_text())
    source = "TOTAL = sum(len(word) for word in ('a', 'b', 'cdef'))"
    content["cells"].insert(0, {"cell_type": "code", "source": source, "metadata": {}, "outputs": []})
    path.write_text(json.dumps(content))
    assert project.course("grade", str(tmp_path / "submissions"), "--out", str(tmp_path / "graded")).returncode == 0
    with Gradebook(tmp_path / "graded" / GRADEBOOK, writing=False) as book:
        (hal,) = book.results()
    assert "A cell of yours makes `TOTAL`, but for grading only imports" in " ".join(hal.exercises[0].sentences)


def test_an_override_and_lateness_survive_grading_again(graded, tmp_path):
    project, folder, _ = graded
    out = tmp_path / "graded"
    shutil.copytree(folder / "graded", out)
    for command in (
        ["override", "Ben", "scale", "1.5", "--reason", "Nearly."],
        ["late", "Ben", NAME, "--minus", "10", "--reason", "A day late."],
    ):
        done = project.course(*command, "--out", str(out))
        assert done.returncode == 0, done.stderr
    hand_in(project, folder / "again", "Ben", WRONG + "    # handed in again\n")
    assert project.course("grade", str(folder / "again"), "--out", str(out)).returncode == 0
    with Gradebook(out / GRADEBOOK, writing=False) as book:
        marks = {one.exercise: one for one in book.marks() if one.student == "Ben"}
    assert marks["scale"].points == 1.5
    assert marks["scale"].counted == pytest.approx(1.35)
    page = next((out / "feedback").glob("Ben*/*.html")).read_text()
    assert "Nearly." in page
    assert "A day late." in page
    wrong = project.course("override", "Ben", "scale", "much", "--reason", "x", "--out", str(out))
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)


def test_the_marks_are_exported_from_the_command_line(graded, tmp_path):
    project, folder, _ = graded
    done = project.course(
        "export", "--to", "csv", "--file", str(tmp_path / "marks.csv"), "--out", str(folder / "graded")
    )
    assert done.returncode == 0, done.stderr
    assert "Ben" in (tmp_path / "marks.csv").read_text()


def test_a_changed_specification_shows_what_it_changes_before_it_counts(graded, tmp_path):
    project, folder, _ = graded
    changed = project.copy_to(tmp_path)
    out = tmp_path / "graded"
    shutil.copytree(folder / "graded", out)
    before = points(out)
    changed.edit(changed.spec, '"1, 2, 3", (np.array([1.0, 2.0, 3.0]),)', '"0, 0, 3", (np.array([0.0, 0.0, 3.0]),)')
    changed.edit(changed.spec, '"five numbers", (rng.uniform(1, 2, 5),)', '"one number", (rng.uniform(1, 2, 1),)')
    command = ["grade", str(folder / "submissions"), "--out", str(out)]
    done = changed.course(*command)
    assert done.returncode == 0, done.stderr
    assert "specifications of 01_sample have changed" in done.stdout
    assert re.search(r"Ben +scale +0 +2", done.stdout)
    assert "until you grade with --accept" in done.stdout
    assert points(out) == before
    assert changed.course(*command, "--accept").returncode == 0
    assert points(out) == before | {("Ben", "scale"): 2}


def test_nobody_pays_for_inputs_that_the_solution_itself_does_not_pass(project, tmp_path):
    changed = project.copy_to(tmp_path)
    fails_often = "abs(got.sum() - 1) < 1e-6 and (len(got) == 3 or args[0][0] < 1.3)"  # not with the public inputs
    changed.edit(changed.spec, "abs(got.sum() - 1) < 1e-6", fails_often)
    handed = tmp_path / "submissions"
    for number in range(6):
        hand_in(changed, handed, f"right {number}", RIGHT)
        hand_in(changed, handed, f"wrong {number}", WRONG)
    out = tmp_path / "graded"
    command = ["grade", str(handed), "--out", str(out)]
    done = changed.course(*command, "--seed", "a seed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {found for (student, one), found in points(out).items() if one == "scale" and "right" in student} == {2}
    assert {found for (student, one), found in points(out).items() if one == "scale" and "wrong" in student} == {0}
    with Gradebook(out / GRADEBOOK, writing=False) as book:
        left_out = [
            one.student for one in book.results() for remark in one.remarks if "solution does not pass" in remark
        ]
        cases = {one.student: one.exercises[0].cases for one in book.results()}
    assert 0 < len([one for one in left_out if "right" in one]) < 6
    assert {one for one, count in cases.items() if count == 1} == set(left_out)
    replayed = changed.course(*command, "--replay", next(one for one in left_out if "right" in one), "scale")
    assert "2 of 2 points" in replayed.stdout


# ---------------------------------------------------------------- kills


def test_a_run_killed_at_twenty_moments_ends_with_the_marks_of_an_undisturbed_one(project, tmp_path):
    handed = tmp_path / "submissions"
    for number in range(100):
        hand_in(project, handed, f"student {number:03}", RIGHT if number % 3 else WRONG)
    command = [sys.executable, "-m", "course_utils", "grade", str(handed), "--seed", "s", "--workers", "1", "--out"]
    environment = dict(os.environ, PYTHONPATH=str(project.root), COLUMNS="200")
    quiet = {"env": environment, "cwd": project.root, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    rng = random.Random(7)
    killed = 0
    counts = [0]
    while killed < 20:
        process = subprocess.Popen([*command, str(tmp_path / "killed")], **quiet)
        wait_for = counts[-1] + rng.randrange(5)  # more records, then a moment more
        while process.poll() is None and recorded(tmp_path / "killed") < wait_for:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        # waits for all that hold its error output: nothing outlives the grader
        complaint = process.communicate(timeout=30)[1].decode()
        assert process.returncode == -signal.SIGKILL, complaint
        killed += 1
        counts.append(recorded(tmp_path / "killed"))
    assert counts == sorted(counts)
    assert 0 < counts[-1] < 100
    for out in ("killed", "undisturbed"):
        done = subprocess.run([*command, str(tmp_path / out)], **quiet, check=False)
        assert done.returncode == 0, done.stderr
    assert points(tmp_path / "killed") == points(tmp_path / "undisturbed")
    assert recorded(tmp_path / "killed") == 100
