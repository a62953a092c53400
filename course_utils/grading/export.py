"""`course export`: the marks as CSV, for Canvas, beside Gradescope's, and in nbgrader's gradebook.

The forms are those of the systems' own exports:

- Canvas: `Student, ID, SIS User ID, SIS Login ID, Section`, a column an assignment headed `title (id)`, then a row
  `    Points Possible`. Canvas finds a student by ID, SIS User ID, SIS Login ID or name, in that order, and an
  assignment by the id or the title in its heading.
- Gradescope (course grades): `Name, SID, Email`, and for each assignment `A`, `A - Max Points`, `A - Submission Time`,
  `A - Lateness (H:M:S)`.
- nbgrader: the database that its own commands read, written through its API.

Names and reasons come from people whom nobody checked: `cell` makes them harmless in a spreadsheet.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
import tempfile
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.errors import CourseError
from course_utils.grading.gradebook import Mark

POINTS_POSSIBLE = "    Points Possible"
CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
CANVAS_PEOPLE = {*CANVAS_COLUMNS, "LastName", "FirstName", "Integration ID", "Root Account"}
GRADESCOPE_COLUMNS = ("Name", "SID", "Email")
GRADESCOPE_ASSIGNMENT = ("{}", "{} - Max Points", "{} - Submission Time", "{} - Lateness (H:M:S)")

# How a formula begins in a spreadsheet, in Japanese ones in wide letters too; blanks before it do not help.
FORMULA = "=+\\-@＝＋－＠"
BEGINS = re.compile(rf"[\t\n]|[\s\u200b-\u200d\u2060\ufeff]*[{FORMULA}]")
# Where a spreadsheet expects semicolons, a cell begins after each of them and on each line, and quotes do not help.
INSIDE = re.compile(rf"([;\t\n][\s\u200b-\u200d\u2060\ufeff]*)(?=[{FORMULA}])")
# Marks that turn the reading direction; they make a name look like another one.
DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
UNSEEN = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, foreign line ends
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")

Table = list[list[str]]


def export(marks: list[Mark], kind: str, out: Path, roster: Path | None = None) -> list[str]:
    """Write the marks that count to `out`; `kind` is a name in `KINDS`.

    `roster` is the CSV that Canvas or Gradescope itself exports: its rows and the columns that name a student are
    kept and the marks filled in. Returns sentences for the person at the screen. Raises CourseError for an unknown
    kind, a roster that cannot be used, and a file that cannot be written.
    """
    if kind not in KINDS:
        raise CourseError(f"There is no export to {kind!r}; there is {', '.join(KINDS)}.")
    if not marks:
        raise CourseError("The gradebook has no mark yet, so there is nothing to export: run `course grade` first.")
    if roster is not None and kind not in ("canvas", "gradescope"):
        raise CourseError(f"An export to {kind} uses no roster: leave --roster out.")
    if roster is not None and Path(roster).resolve() == Path(out).resolve():
        raise CourseError(f"{out} is the roster itself: name another file for the marks.")
    return KINDS[kind](marks, Path(out), roster)


# ---------------------------------------------------------------- cells


def cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run: no control characters, no formula, no turned direction."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(one for one in lines if one in "\n\t" or unicodedata.category(one) not in UNSEEN)
    kept = INSIDE.sub(r"\1'", DIRECTION.sub("", shown))
    return f"'{kept}" if BEGINS.match(kept) else kept


def plain(text: str) -> str:
    """A cell of a roster: a number stays one (a telephone number may be a login), all else is made harmless."""
    return text if NUMBER.fullmatch(text) else cell(text)


def number(value: float) -> str:
    """Points, to the fourth decimal at most, so that 0.9 * 2 reads 1.8."""
    return f"{round(value, 4):.4f}".rstrip("0").rstrip(".")


# ---------------------------------------------------------------- CSV


def _csv(marks: list[Mark], out: Path, roster: Path | None) -> list[str]:
    """A row a student in `out`, and beside it a row an exercise, with the reasons of what was decided."""
    names = list(dict.fromkeys((one.notebook, one.exercise) for one in marks))
    points = {(one.student, one.notebook, one.exercise): one for one in marks}
    total = totals(marks)
    notebooks = list(dict.fromkeys(notebook for notebook, _ in names))
    header = ["student"]
    for notebook in notebooks:
        header += [notebook, *(f"{exercise}" for name, exercise in names if name == notebook)]
    wide = [header]
    for student in students(marks):
        row = [cell(student)]
        for notebook in notebooks:
            row.append(number(total[student, notebook]) if (student, notebook) in total else "")
            of_notebook = [points.get((student, *slot)) for slot in names if slot[0] == notebook]
            row += [number(one.points) if one else "" for one in of_notebook]
        wide.append(row)
    long = out.with_name(f"{out.stem}-exercises{out.suffix or '.csv'}")
    _write(out, wide)
    _write(long, [list(LONG), *([fill(one) for fill in LONG.values()] for one in marks)])
    return [
        f"{out} has {count(len(wide) - 1, 'student')}, their points after lateness for each notebook and their points "
        f"for each exercise; {long} has a row an exercise, with what was decided and why."
    ]


LONG: dict[str, Callable[[Mark], str]] = {
    "student": lambda one: cell(one.student),
    "notebook": lambda one: cell(one.notebook),
    "exercise": lambda one: cell(one.exercise),
    "points": lambda one: number(one.points),
    "most": lambda one: number(one.most),
    "status": lambda one: one.status.value,
    "graded": lambda one: number(one.graded),
    "override_reason": lambda one: cell(one.override.reason) if one.override else "",
    "overridden_by": lambda one: cell(one.override.by) if one.override else "",
    "overridden_at": lambda one: one.override.time if one.override else "",
    "late_minus_percent": lambda one: number(one.late.value or 0) if one.late else "0",
    "late_reason": lambda one: cell(one.late.reason) if one.late else "",
    "points_after_lateness": lambda one: number(one.counted),
}
"""The columns of the long table, and how a mark fills them."""


def students(marks: Iterable[Mark]) -> list[str]:
    """Everyone who has a mark, in the gradebook's order."""
    return list(dict.fromkeys(one.student for one in marks))


def left_out(handed_in: Iterable[str], marks: Iterable[Mark]) -> list[str]:
    """A sentence that names those of the students `handed_in` who have no mark; none where all have one."""
    without = sorted({*handed_in} - {*students(marks)})
    return [f"Not in it, since no file of theirs is a notebook of the course: {', '.join(without)}."] if without else []


def totals(marks: Iterable[Mark]) -> dict[tuple[str | None, str], float]:
    """Points of each (student, notebook), overrides and lateness included."""
    total: dict[tuple[str | None, str], float] = {}
    for one in marks:
        slot = (one.student, one.notebook)
        total[slot] = total.get(slot, 0.0) + one.counted
    return total


def most_points(marks: Iterable[Mark]) -> dict[str, float]:
    """The points that each notebook has, in the marks' order of notebooks."""
    most: dict[str, dict[str, float]] = {}
    for one in marks:
        most.setdefault(one.notebook, {})[one.exercise] = one.most
    return {notebook: sum(of_exercise.values()) for notebook, of_exercise in most.items()}


def count(how_many: int, what: str) -> str:
    """`1 student`, `2 students`."""
    return f"{how_many} {what}{'s' * (how_many != 1)}"


# ---------------------------------------------------------------- rosters


@dataclass(frozen=True)
class Roster:
    """A CSV with a row a student that another system exported."""

    header: list[str]
    rows: Table

    def get(self, row: list[str], column: str) -> str:
        """A cell by its column's heading, empty where there is none."""
        place = self.header.index(column) if column in self.header else len(row)
        return row[place].strip() if place < len(row) else ""

    def name(self, row: list[str]) -> str:
        """A student's name, in whichever columns it stands."""
        parts = [self.get(row, column) for column in ("FirstName", "First Name", "LastName", "Last Name")]
        return self.get(row, "Student") or self.get(row, "Name") or " ".join(filter(None, parts))

    def match(self, wanted: list[str], columns: tuple[str, ...]) -> tuple[dict[int, str], list[str]]:
        """Find the students' rows by the columns in their order, then by name.

        Returns {row number: student} and the students that have none. Capitals do not matter, "Doe, Jane" is
        "Jane Doe", and what several rows or several students share finds nobody.
        """
        keys: list[Callable[[list[str]], str]] = [lambda row, one=one: _folded(self.get(row, one)) for one in columns]
        keys.append(lambda row: _name_folded(self.name(row)))
        found: dict[int, str] = {}
        left = list(wanted)
        for key, fold in zip(keys, [_folded] * len(columns) + [_name_folded], strict=True):
            places: dict[str, list[int]] = {}
            for index, row in enumerate(self.rows):
                places.setdefault(key(row), []).append(index)
            alike = Counter(map(fold, left))
            for student in list(left):
                rows = places.get(fold(student), []) if fold(student) and alike[fold(student)] == 1 else []
                if len(rows) == 1 and rows[0] not in found:
                    found[rows[0]] = student
                    left.remove(student)
        return found, left


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip()).casefold()


def _name_folded(text: str) -> str:
    last, comma, first = text.partition(",")
    return " ".join(_folded(f"{first} {last}" if comma else text).split())


def _read_roster(path: Path, needed: tuple[set[str], ...], what: str) -> Roster:
    """Raises CourseError where the file cannot be read, or lacks a column of one of the sets in `needed`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        first = text.splitlines()[0] if text.strip() else ""
        delimiter = ";" if first.count(";") > first.count(",") else ","
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if any(row)]
    except OSError as error:
        raise CourseError(f"The roster {path} cannot be read ({error.strerror}): name the CSV from {what}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"The roster {path} is no CSV in UTF-8: export it from {what} again.") from error
    header = [heading.strip() for heading in rows[0]] if rows else []
    for columns in needed:
        if not columns & set(header):
            either = " or ".join(sorted(columns))
            raise CourseError(f"The roster {path} has no column {either}: take the file that {what} exports.")
    return Roster(header, rows[1:])


def _unmatched(left: list[str], roster: Path) -> list[str]:
    if not left:
        return []
    some = ", ".join(repr(one) for one in left[:5]) + (", ..." if len(left) > 5 else "")
    return [f"{count(len(left), 'student')} with marks cannot be told apart or found in {roster}: {some}."]


# ---------------------------------------------------------------- Canvas


def _canvas(marks: list[Mark], out: Path, roster_path: Path | None) -> list[str]:
    total, most = totals(marks), most_points(marks)
    if roster_path is None:
        roster = Roster(list(CANVAS_COLUMNS), [[student, "", "", "", ""] for student in students(marks)])
        found: dict[int, str] = dict(enumerate(students(marks)))
        told = ["Canvas will find the students by name only: give --roster the gradebook that Canvas exports."]
    else:
        whole = _read_roster(roster_path, ({"Student", "LastName"}, {"ID"}, {"Section"}), "Canvas's gradebook")
        roster = Roster(whole.header, [row for row in whole.rows if _is_canvas_student(whole, row)])
        found, left = roster.match(students(marks), ("SIS Login ID", "ID", "SIS User ID"))
        told = _unmatched(left, roster_path)
        told += _other_points(whole, most)
    people = [heading for heading in roster.header if heading in CANVAS_PEOPLE]
    headings = {}
    for notebook in most:
        headings[notebook], sentences = _canvas_heading(notebook, roster.header, roster_path)
        told += sentences
    table = [[*people, *map(plain, headings.values())]]
    table.append([POINTS_POSSIBLE, *[""] * (len(people) - 1), *(f"{points:.2f}" for points in most.values())])
    for index, row in enumerate(roster.rows):
        earned = [total.get((found.get(index), notebook)) for notebook in most]
        table.append([plain(roster.get(row, one)) for one in people])
        table[-1] += ["" if points is None else f"{points:.2f}" for points in earned]
    _write(out, table)
    return [f"{out} has the marks of {count(len(found), 'student')}: import it in Canvas's gradebook.", *told]


def _is_canvas_student(roster: Roster, row: list[str]) -> bool:
    """Not the row of the points, and not the one that says which assignments are hidden (it names nobody)."""
    name = roster.name(row)
    return bool(name) and "Points Possible" not in name and not name.startswith("Manual Posting")


def _other_points(roster: Roster, most: dict[str, float]) -> list[str]:
    """Sentences on the assignments that have other points in Canvas."""
    possible = [row for row in roster.rows if row and "Points Possible" in row[0]]
    told = []
    for notebook, points in most.items():
        heading, _ = _canvas_heading(notebook, roster.header, None)
        there = roster.get(possible[0], heading) if possible else ""
        if NUMBER.fullmatch(there) and float(there.replace(",", ".")) != points:
            told.append(f"Canvas has {there} points for {notebook} and the course {number(points)}: change Canvas's.")
    return told


def _canvas_heading(notebook: str, header: list[str], roster: Path | None) -> tuple[str, list[str]]:
    """The heading of the assignment of that title (`title (id)`), or the notebook's name for a new one."""
    named = [one for one in header if _title(re.sub(r"\s*\(\d+\)$", "", one)) == _title(notebook)]
    if len(named) == 1:
        return named[0], []
    if named:
        raise CourseError(
            f"Canvas has {len(named)} assignments called {notebook}: rename all but one and export again."
        )
    missing = f"{roster} has no assignment called {notebook}: Canvas will offer to make one; to use one that is there, "
    return notebook, [f"{missing}rename it in Canvas and export again."] if roster else []


def _title(text: str) -> str:
    """Letters and digits, so that "01 SNE to t-SNE"'s spaces, dashes and capitals make no difference."""
    return "".join(one for one in text.casefold() if one.isalnum())


# ---------------------------------------------------------------- Gradescope


def _gradescope(marks: list[Mark], out: Path, roster_path: Path | None) -> list[str]:
    total, most = totals(marks), most_points(marks)
    if roster_path is None:
        roster = Roster(list(GRADESCOPE_COLUMNS), [_gradescope_person(student) for student in students(marks)])
        found: dict[int, str] = dict(enumerate(students(marks)))
        told = []
    else:
        roster = _read_roster(roster_path, ({"Email", "SID"},), "Gradescope's course grades")
        found, left = roster.match(students(marks), ("Email", "SID"))
        told = _unmatched(left, roster_path)
    headings = [form.format(notebook) for notebook in most for form in GRADESCOPE_ASSIGNMENT]
    header = [*roster.header, *(one for one in headings if one not in roster.header)]
    table = [[plain(heading) for heading in header]]
    for index, row in enumerate(roster.rows):
        filled = {heading: roster.get(row, heading) for heading in header}
        for notebook, points in most.items():
            earned = total.get((found.get(index), notebook))
            filled[notebook] = "" if earned is None else number(earned)
            filled[GRADESCOPE_ASSIGNMENT[1].format(notebook)] = number(points)
        table.append([plain(filled[heading]) for heading in header])
    _write(out, table)
    return [
        f"{out} has the marks of {count(len(found), 'student')} in the columns of Gradescope's course grades; "
        "Gradescope takes in no marks from a file, so join the two there where you keep your grades.",
        *told,
    ]


def _gradescope_person(student: str) -> list[str]:
    """Name, SID, Email: the column that a student's name looks like."""
    place = 2 if "@" in student else 1 if student.isdigit() else 0
    return [student if index == place else "" for index in range(len(GRADESCOPE_COLUMNS))]


# ---------------------------------------------------------------- nbgrader


def _nbgrader(marks: list[Mark], out: Path, roster: Path | None) -> list[str]:
    """Write the marks into nbgrader's gradebook.db, a new one or one that has these assignments already.

    The graded points become nbgrader's automatic score, an override its manual score, lateness its penalty.
    """
    try:
        from nbgrader.api import Gradebook, InvalidEntry
        from sqlalchemy import URL
        from sqlalchemy.exc import SAWarning, SQLAlchemyError
    except ImportError:
        sentence = "An export to nbgrader needs nbgrader: install it with `pip install nbgrader`."
        raise CourseError(sentence) from None
    ids = _nbgrader_ids(students(marks))
    # nbgrader calls alembic by its bare name, which stands beside this Python.
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        address = URL.create("sqlite", database=str(out))
        with warnings.catch_warnings(), Gradebook(address, course_id="embedding-course") as book:
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's own way of adding a submission
            for notebook in most_points(marks):
                _fill_nbgrader(book, notebook, [one for one in marks if one.notebook == notebook], ids)
    except (SQLAlchemyError, InvalidEntry, OSError, subprocess.SubprocessError) as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        advice = "name a file that nbgrader made, or one that does not exist yet"
        raise CourseError(f"The marks cannot be written into {out} ({why}): {advice}.") from error
    finally:
        os.environ["PATH"] = before
    return [f"{out} has the marks of {count(len(ids), 'student')}: `nbgrader export --db sqlite:///{out}` shows them."]


def _nbgrader_ids(names: list[str]) -> dict[str, str]:
    """Students' names as nbgrader can take them: its own CSV quotes nothing, so commas and lines would break it."""
    ids = {name: re.sub(r"[\s,\"]+", " ", cell(name)).strip() or "'" for name in names}
    owners: dict[str, str] = {}
    for name, wanted in ids.items():
        if owners.setdefault(wanted, name) != name:
            raise CourseError(f"nbgrader cannot tell {name!r} from {owners[wanted]!r}: rename one of their folders.")
    return ids


def _fill_nbgrader(book: Any, notebook: str, marks: list[Mark], ids: dict[str, str]) -> None:
    """One assignment with one notebook, a graded cell an exercise (named as in our source folder for nbgrader)."""
    from nbgrader.api import Grade

    book.update_or_create_assignment(notebook)
    book.update_or_create_notebook(notebook, notebook)
    for exercise, most in dict.fromkeys((one.exercise, one.most) for one in marks):
        book.update_or_create_grade_cell(f"check-{exercise}", notebook, notebook, max_score=most, cell_type="code")
    cells = {one.name: one.id for one in book.find_notebook(notebook, notebook).grade_cells}
    for student in students(marks):
        book.update_or_create_student(ids[student])
        book.update_or_create_submission(notebook, ids[student])
        handed_in = book.find_submission_notebook(notebook, notebook, ids[student])
        grades = {grade.cell_id: grade for grade in handed_in.grades}
        own = [one for one in marks if one.student == student]
        for one in own:
            place = cells[f"check-{one.exercise}"]
            if place not in grades:  # the submission is older than this exercise
                grades[place] = Grade(cell_id=place, notebook=handed_in)
                book.db.add(grades[place])
            grade = grades[place]
            grade.auto_score, grade.needs_manual_grade = one.graded, False
            grade.manual_score = one.points if one.override else None
        handed_in.late_submission_penalty = round(sum(one.points - one.counted for one in own), 4)
        book.db.commit()


KINDS: dict[str, Callable[[list[Mark], Path, Path | None], list[str]]] = {
    "csv": _csv,
    "canvas": _canvas,
    "gradescope": _gradescope,
    "nbgrader": _nbgrader,
}


# ---------------------------------------------------------------- files


def _write(out: Path, table: Table) -> None:
    """Write a CSV (UTF-8, RFC 4180) whole or not at all. Raises CourseError where that is not possible."""
    draft: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        draft = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(table)
        os.replace(draft, out)
    except OSError as error:
        if draft:
            with suppress(OSError):
                draft.unlink()
        raise CourseError(f"{out} cannot be written ({error.strerror or error}): name another place.") from error
