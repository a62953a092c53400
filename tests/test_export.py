"""Every export has the form that its reader expects and the right marks, and nothing that a spreadsheet would run."""

import csv
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from course_utils.errors import CourseError
from course_utils.grading.export import KINDS, POINTS_POSSIBLE, cell, export, left_out, number, plain
from course_utils.grading.gradebook import Decision, Mark
from course_utils.grading.results import Status

ONE, TWO = "01_sne_to_tsne", "02_words"
MOST = {ONE: {"squares": 2.0, "slope": 3.0}, TWO: {"pairs": 4.0}}
HOSTILE = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\xa0=1+1",
    "\ufeff=1+1",
    "\x00=1+1",
    "\x1b=1+1",
    "＝1+1",
    '=cmd|" /C calc"!A0',
    "Ann;=1+1",
    "Ann; @SUM(A1)",
    "Ann\n=1+1",
    "Ann\r\n\t+1+1",
    '"Ann";=1+1;"',
    "\u202e=1+1",
    "\u2028=1+1",
]


def marks_of(student, points, minus_percent=None):
    """Marks from {notebook: {exercise: points}}."""
    late = {
        notebook: Decision(student, notebook, None, minus_percent, "a day late", "prof", "2026-01-01T00:00:00+00:00")
        for notebook in points
        if minus_percent
    }
    return [
        Mark(student, notebook, exercise, got, MOST[notebook][exercise], Status.RIGHT, got, late=late.get(notebook))
        for notebook, exercises in points.items()
        for exercise, got in exercises.items()
    ]


def with_override(mark, points, reason):
    decision = Decision(mark.student, mark.notebook, mark.exercise, points, reason, "prof", "2026-01-01T00:00:00+00:00")
    return replace(mark, points=points, override=decision)


FULL = {ONE: {"squares": 2.0, "slope": 3.0}, TWO: {"pairs": 4.0}}
HALF = {ONE: {"squares": 2.0, "slope": 0.0}}
MARKS = marks_of("ann", FULL) + marks_of("bob", HALF, minus_percent=10)


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, strict=True))


def dicts(path):
    header, *rows = table(path)
    assert len(set(header)) == len(header)
    assert all(len(row) == len(header) for row in rows)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "marks.csv"


# ---------------------------------------------------------------- cells


def runs(text):
    """Whether some spreadsheet could take this cell, or a part of it that it splits off, for a formula."""
    parts = [part for line in text.split("\n") for part in line.split(";")] + text.split("\t")
    return any(part.strip(' \xa0\ufeff\t\r"')[:1] in tuple("=+-@＝＋－＠") for part in [text, *parts])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_becomes_text(text):
    assert runs(cell(text)) is False
    assert runs(text) or runs("".join(one for one in text if one.isprintable()))  # or this would test nothing


@pytest.mark.parametrize(
    "text", ["Ann", "Doe, Jane", 'the "best"', "two\nlines", "Åsa 🙂", "a-b", "x = 1", "3", "a; b", ""]
)
def test_a_harmless_text_stays_as_it_is(text):
    assert cell(text) == text


def test_control_characters_and_half_characters_go():
    assert cell("a\x00b\x1b[31mc\x7f\x85d\ud800e\u202ef\r\ng") == "ab[31mcdef\ng"


def test_numbers_of_a_roster_stay_numbers():
    assert [plain(text) for text in ("-5.00", "+4912345", "12,5")] == ["-5.00", "+4912345", "12,5"]
    assert [plain(text) for text in ("-5+1", "=5", "-")] == ["'-5+1", "'=5", "'-"]


def test_points_are_written_short():
    assert [number(value) for value in (0.0, 10.0, 1.5, 0.9 * 2, 1 / 3)] == ["0", "10", "1.5", "1.8", "0.3333"]


# ---------------------------------------------------------------- CSV


def test_the_wide_csv_has_a_row_a_student(out):
    told = export(MARKS, "csv", out)
    assert dicts(out) == [
        {"student": "ann", ONE: "5", "squares": "2", "slope": "3", TWO: "4", "pairs": "4"},
        {"student": "bob", ONE: "1.8", "squares": "2", "slope": "0", TWO: "", "pairs": ""},
    ]
    assert "2 students" in told[0]


def test_the_long_csv_has_a_row_an_exercise_with_what_was_decided(out):
    marks = [with_override(MARKS[0], 1.0, "=not alone"), *MARKS[1:]]
    export(marks, "csv", out)
    rows = dicts(out.with_name("marks-exercises.csv"))
    assert len(rows) == len(marks)
    assert rows[0] == {
        "student": "ann",
        "notebook": ONE,
        "exercise": "squares",
        "points": "1",
        "most": "2",
        "status": "right",
        "graded": "2",
        "override_reason": "'=not alone",
        "overridden_by": "prof",
        "overridden_at": "2026-01-01T00:00:00+00:00",
        "late_minus_percent": "0",
        "late_reason": "",
        "points_after_lateness": "1",
    }
    late = rows[3]
    assert (late["late_minus_percent"], late["late_reason"], late["points_after_lateness"]) == (
        "10",
        "a day late",
        "1.8",
    )


def test_pandas_reads_the_points_as_numbers(out):
    pandas = pytest.importorskip("pandas", reason="pandas is no part of the course; it is here with some extras only")
    export(MARKS, "csv", out)
    frame = pandas.read_csv(out)
    assert frame["student"].tolist() == ["ann", "bob"]
    assert frame[ONE].tolist() == [5.0, 1.8]
    assert frame[TWO].isna().tolist() == [False, True]


@pytest.mark.parametrize("kind", ["csv", "canvas", "gradescope"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_hostile_name_runs_in_no_spreadsheet(out, kind, delimiter):
    marks = [one for name in HOSTILE for one in marks_of(name, FULL)]
    export(marks, kind, out)
    for path in out.parent.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            cells = [one for row in csv.reader(stream, delimiter=delimiter) for one in row]
        assert len(cells) > len(HOSTILE)
        assert [one for one in cells if runs(one)] == []
    assert len(table(out)) >= len(HOSTILE) + 1


# ---------------------------------------------------------------- Canvas


def check_canvas(path):
    """What Canvas's importer asks of a file; returns its rows."""
    header, possible, *rows = table(path)
    assert header[:2] == ["Student", "ID"] or header[:3] == ["LastName", "FirstName", "ID"]
    people = header.index("Section") + 1
    assert header[people - 2] == "SIS Login ID"  # Section comes last, or the importer refuses the header
    assert len(set(header)) == len(header) > people
    assert possible[0] == POINTS_POSSIBLE == "    Points Possible"
    assert set(possible[1:people]) <= {""}
    assert all(re.fullmatch(r"\d+\.\d\d", points) for points in possible[people:])
    for row in rows:
        assert len(row) == len(header)
        for points, most in zip(row[people:], possible[people:], strict=True):
            assert points == "" or (re.fullmatch(r"\d+\.\d\d", points) and float(points) <= float(most))
    return [dict(zip(header, row, strict=True)) for row in rows]


CANVAS = f"""\
Student,ID,SIS User ID,SIS Login ID,Section,Essay (7),{ONE} (4711),Current Score,Final Score
,,,,,,Manual Posting,,
    Points Possible,,,,,10.00,5.00,(read only),(read only)
"Andrews, Ann",101,S-1,ann,Group A,9.00,,90.00,90.00
"Brown, Bob",102,S-2,b.brown@uni.edu,"Group A and Group B",,,,
"Clark, Cat",103,S-3,+4912345,Group B,,,,
"Clark, Cat",104,S-4,clark2,Group B,,,,
"Student, Test",999,,abc,Group A,,,,
"""


@pytest.fixture
def roster(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(CANVAS, encoding="utf-8-sig")
    return path


def test_canvas_without_a_roster_has_the_students_names(out):
    told = export(MARKS, "canvas", out)
    assert table(out)[:2] == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", ONE, TWO],
        [POINTS_POSSIBLE, "", "", "", "", "5.00", "4.00"],
    ]
    ann, bob = check_canvas(out)
    assert (ann["Student"], ann[ONE], ann[TWO]) == ("ann", "5.00", "4.00")
    assert (bob["Student"], bob[ONE], bob[TWO], bob["ID"]) == ("bob", "1.80", "", "")
    assert "by name only" in told[1]


def test_canvas_fills_its_own_roster(out, roster):
    marks = marks_of("ANN", HALF) + marks_of("102", {ONE: {"squares": 0.0, "slope": 0.0}}) + marks_of("zoe", HALF)
    told = export(marks, "canvas", out, roster)
    rows = check_canvas(out)
    assert [(row["ID"], row["SIS Login ID"], row[f"{ONE} (4711)"]) for row in rows] == [
        ("101", "ann", "2.00"),
        ("102", "b.brown@uni.edu", "0.00"),
        ("103", "+4912345", ""),
        ("104", "clark2", ""),
        ("999", "abc", ""),
    ]
    assert rows[1]["Section"] == "Group A and Group B"
    assert "Essay (7)" not in rows[0]  # what is not ours is not uploaded again
    assert "marks of 2 students" in told[0]
    assert "1 student with marks" in told[1]
    assert "'zoe'" in told[1]
    assert len(told) == 2


@pytest.mark.parametrize(
    ("student", "found"),
    [
        ("s-2", "102"),
        ("Bob Brown", "102"),
        ("brown,  bob", "102"),
        ("+4912345", "103"),
        ("Cat Clark", None),  # there are two
        ("Brown", None),
        ("", None),
    ],
)
def test_students_are_found_by_login_id_or_name(out, roster, student, found):
    told = export(marks_of(student, HALF), "canvas", out, roster)
    filled = [row["ID"] for row in check_canvas(out) if row[f"{ONE} (4711)"]]
    assert filled == ([found] if found else [])
    assert len(told) == (1 if found else 2)


def test_a_login_goes_before_an_id_and_nobody_gets_two_marks(out, roster):
    roster.write_text(CANVAS.replace(",clark2,", ",101,"))
    marks = marks_of("101", HALF) + marks_of("ann", FULL) + marks_of("Ann Andrews", HALF)
    told = export([one for one in marks if one.notebook == ONE], "canvas", out, roster)
    earned = {row["ID"]: row[f"{ONE} (4711)"] for row in check_canvas(out)}
    assert (earned["104"], earned["101"]) == ("2.00", "5.00")
    assert "'Ann Andrews'" in told[1]


def test_two_students_whom_only_capitals_tell_apart_are_not_mixed_up(out, roster):
    told = export(marks_of("ann", HALF) + marks_of("Ann", HALF), "canvas", out, roster)
    assert all(not row[f"{ONE} (4711)"] for row in check_canvas(out))
    assert "2 students with marks" in told[1]


def test_an_assignment_that_canvas_does_not_have_or_values_otherwise_is_told(out, roster):
    roster.write_text(CANVAS.replace("10.00,5.00", "10.00,100.00"))
    told = export(marks_of("ann", FULL), "canvas", out, roster)
    assert list(check_canvas(out)[0])[5:] == [f"{ONE} (4711)", TWO]
    assert any(f"no assignment called {TWO}" in one for one in told)
    assert any("Canvas has 100.00 points" in one and "course 5" in one for one in told)


def test_other_forms_of_canvas_roster_are_read(out, roster):
    lines = [
        "LastName;FirstName;ID;SIS Login ID;Section;01 sne to t-sne (3);x",
        "    Points Possible;;;;;5,00;",
        "Andrews;Ann;101;ann;A;;1",
    ]
    roster.write_text("\n".join(lines).replace("t-sne", "tSNE"))
    told = export(marks_of("Ann Andrews", HALF), "canvas", out, roster)
    (row,) = check_canvas(out)
    assert (row["LastName"], row["01 sne to tSNE (3)"]) == ("Andrews", "2.00")
    assert len(told) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        (b"", "no column LastName or Student"),
        (b"Name,Email\nann,a@b\n", "no column LastName or Student"),
        (b"Student,ID,x\nann,1,2\n", "no column Section"),
        ("Student,ID\nÅsa,1".encode("latin-1"), "no CSV in UTF-8"),
        (b'Student,ID,Section\n"ann', "no CSV in UTF-8"),
        (CANVAS.replace("Essay (7)", f"{ONE} (8)").encode(), f"2 assignments called {ONE}"),
    ],
)
def test_a_roster_that_is_none_is_refused_in_a_sentence(out, roster, content, sentence):
    roster.unlink() if content is None else roster.write_bytes(content)
    with pytest.raises(CourseError, match=sentence) as told:
        export(MARKS, "canvas", out, roster)
    assert "\n" not in str(told.value)
    assert not out.exists()


# ---------------------------------------------------------------- Gradescope


def check_gradescope(path):
    """The columns of Gradescope's course grades: who, then four for each assignment."""
    rows = dicts(path)
    header = list(rows[0])
    assert "SID" in header
    assert "Email" in header
    for notebook in (ONE, TWO):
        place = header.index(notebook)
        forms = ["{}", "{} - Max Points", "{} - Submission Time", "{} - Lateness (H:M:S)"]
        assert header[place : place + 4] == [form.format(notebook) for form in forms]
        for row in rows:
            assert float(row[header[place + 1]]) == sum(MOST[notebook].values())
            assert row[notebook] == "" or 0 <= float(row[notebook]) <= float(row[header[place + 1]])
    return rows


def test_gradescope_without_a_roster_puts_names_where_they_belong(out):
    marks = MARKS + marks_of("cat@uni.edu", FULL) + marks_of("12345", FULL)
    told = export(marks, "gradescope", out)
    rows = check_gradescope(out)
    people = [(row["Name"], row["SID"], row["Email"], row[ONE], row[TWO]) for row in rows]
    assert people == [
        ("ann", "", "", "5", "4"),
        ("bob", "", "", "1.8", ""),
        ("", "", "cat@uni.edu", "5", "4"),
        ("", "12345", "", "5", "4"),
    ]
    assert "takes in no marks" in told[0]


def test_gradescopes_own_file_is_kept_and_filled(out, tmp_path):
    roster = tmp_path / "gradescope.csv"
    columns = f"{ONE},{ONE} - Max Points,{ONE} - Submission Time,{ONE} - Lateness (H:M:S)"
    roster.write_text(
        f"First Name,Last Name,SID,Email,Sections,{columns}\n"
        "Ann,Andrews,1,ann@uni.edu,A,,5.0,2026-01-02 03:04:05 -0700,01:00:00\n"
        "Bob,Brown,2,bob@uni.edu,A,,5.0,,\n"
    )
    told = export(marks_of("Ann Andrews", FULL) + marks_of("zoe", FULL), "gradescope", out, roster)
    ann, bob = check_gradescope(out)
    assert (ann[ONE], ann[TWO], ann["Sections"]) == ("5", "4", "A")
    assert ann[f"{ONE} - Submission Time"] == "2026-01-02 03:04:05 -0700"
    assert (bob[ONE], bob["Email"]) == ("", "bob@uni.edu")
    assert "'zoe'" in told[1]


# ---------------------------------------------------------------- nbgrader


@pytest.fixture
def api():
    return pytest.importorskip("nbgrader.api", reason="nbgrader is in the bench extra, which is not installed")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "gradebook.db"


def scores(api, database):
    """{student: {exercise: score}, ...} and {student: (score, most, penalty)}, by nbgrader's API."""
    exercises, whole = {}, {}
    with api.Gradebook(f"sqlite:///{database}", course_id="embedding-course") as book:
        for handed_in in book.assignment_submissions(ONE):
            assert not handed_in.needs_manual_grade
            name = handed_in.student.id
            exercises[name] = {grade.name: grade.score for one in handed_in.notebooks for grade in one.grades}
            whole[name] = (handed_in.score, handed_in.max_score, handed_in.late_submission_penalty)
    return exercises, whole


def test_nbgraders_api_reads_the_marks(api, database):
    marks = [with_override(MARKS[0], 1.0, "copied"), *MARKS[1:]]
    told = export(marks, "nbgrader", database)
    exercises, whole = scores(api, database)
    assert exercises == {
        "ann": {"check-squares": 1.0, "check-slope": 3.0},
        "bob": {"check-squares": 2.0, "check-slope": 0.0},
    }
    assert whole == {"ann": (4.0, 5.0, 0.0), "bob": (2.0, 5.0, pytest.approx(0.2))}
    with api.Gradebook(f"sqlite:///{database}", course_id="embedding-course") as book:
        grade = book.find_grade("check-squares", ONE, ONE, "ann")
        assert (grade.auto_score, grade.manual_score) == (2.0, 1.0)
        assert book.find_submission(TWO, "ann").score == 4.0
    assert "2 students" in told[0]


def test_writing_again_replaces_the_marks(api, database):
    export([with_override(MARKS[0], 1.0, "copied"), *MARKS[1:]], "nbgrader", database)
    export(marks_of("ann", FULL) + marks_of("bob", FULL), "nbgrader", database)
    _, whole = scores(api, database)
    assert whole == {"ann": (5.0, 5.0, 0.0), "bob": (5.0, 5.0, 0.0)}


def test_a_gradebook_that_nbgrader_made_is_filled(api, database, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    with api.Gradebook(f"sqlite:///{database}", course_id="embedding-course") as book:
        book.add_assignment(ONE, duedate="2026-01-01")
        book.add_notebook(ONE, ONE)
        book.add_grade_cell("check-squares", ONE, ONE, max_score=2, cell_type="code")
        book.add_solution_cell("squares", ONE, ONE)
        book.add_student("ann", first_name="Ann", email="ann@uni.edu")
        book.add_submission(ONE, "ann", timestamp="2026-01-01 00:00:00")
    export(MARKS, "nbgrader", database)
    exercises, whole = scores(api, database)
    assert exercises["ann"] == {"check-squares": 2.0, "check-slope": 3.0}
    assert whole["ann"][:2] == (5.0, 5.0)
    with api.Gradebook(f"sqlite:///{database}", course_id="embedding-course") as book:
        assert book.find_student("ann").email == "ann@uni.edu"
        assert book.find_submission(ONE, "ann").timestamp is not None


def test_nbgrader_export_shows_the_marks(api, database, tmp_path):
    names = ["Doe, Jane", "=1+1", "a\n01_sne_to_tsne,,,b,,,,5,0,5,5"]
    marks = [one for name in names for one in marks_of(name, HALF, minus_percent=10)]
    export(marks, "nbgrader", database)
    environment = dict(os.environ, JUPYTER_PREFER_ENV_PATH="1")
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    command = [sys.executable, "-m", "nbgrader", "export"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = dicts(tmp_path / "grades.csv")
    assert {row["student_id"] for row in rows} == {"'=1+1", "Doe Jane", "a 01_sne_to_tsne b 5 0 5 5"}
    assert len(rows) == 3
    assert {(row["assignment"], row["raw_score"], row["score"], row["max_score"]) for row in rows} == {
        (ONE, "2.0", "1.8", "5.0")
    }


def test_students_whom_nbgrader_cannot_tell_apart_are_told(api, database):
    with pytest.raises(CourseError, match="cannot tell"):
        export(marks_of("Doe, Jane", HALF) + marks_of("Doe Jane", HALF), "nbgrader", database)


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_file_that_nbgrader_cannot_read_ends_in_a_sentence(api, database, content):
    database.mkdir() if content is None else database.write_bytes(content)
    with pytest.raises(CourseError, match="cannot be written into") as told:
        export(MARKS, "nbgrader", database)
    assert "\n" not in str(told.value)
    assert content is None or database.read_bytes() == content


def test_without_nbgrader_there_is_a_sentence(database, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    with pytest.raises(CourseError, match="pip install nbgrader"):
        export(MARKS, "nbgrader", database)


# ---------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((MARKS, "excel", "x.csv"), "no export to 'excel'; there is csv, canvas, gradescope, nbgrader"),
        (([], "csv", "x.csv"), "no mark yet"),
        ((MARKS, "csv", "x.csv", "roster.csv"), "uses no roster"),
        ((MARKS, "canvas", "roster.csv", "roster.csv"), "is the roster itself"),
        ((MARKS, "csv", "file/x.csv"), "cannot be written"),
        ((MARKS, "csv", "folder"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, roster, arguments, sentence):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    marks, kind, *places = arguments
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CourseError, match=sentence) as told:
        export(marks, kind, *(tmp_path / place for place in places))
    assert "\n" not in str(told.value)
    assert sorted(tmp_path.iterdir()) == before


def test_an_export_that_fails_leaves_the_old_file(out, monkeypatch):
    export(MARKS, "canvas", out)
    before = out.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("course_utils.grading.export.os.replace", full)
    with pytest.raises(CourseError, match="No space left on device"):
        export(MARKS[:1], "canvas", out)
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_every_kind_is_tried_here():
    assert set(KINDS) == {"csv", "canvas", "gradescope", "nbgrader"}


def test_students_without_a_mark_are_named():
    marks = marks_of("Ada", {ONE: {"squares": 2.0}})
    assert left_out(["Ada", "Ada"], marks) == []
    assert left_out(["Cleo", "Ada", "Ben"], marks) == [
        "Not in it, since no file of theirs is a notebook of the course: Ben, Cleo."
    ]
