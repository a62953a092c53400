"""Feedback pages: one HTML file a student and notebook, which holds everything it needs and runs nothing."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils import exercises, notebook
from course_utils.grading.item_analysis import GOOD, UNANSWERED
from course_utils.grading.rendering import file_names, number, render, write
from course_utils.grading.results import ExerciseResult, Status, SubmissionResult

if TYPE_CHECKING:
    from course_utils.grading.gradebook import Mark

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SYMBOLS = {"good": "✓", "bad": "✗", "open": "○"}

# What is said where grading left no sentence.
EXPLAINED = {
    Status.WRONG: "What your {kind} returns differs from what is asked for.",
    Status.ERROR: "Your {kind} raised an error.",
    Status.UNSOLVED: "The line that raises `NotImplementedError` is still there: your solution takes its place.",
    Status.MISSING: "No cell defines `{name}`: the {kind} that is graded must have this name.",
    Status.UNREADABLE: "The cell has a syntax error, so nothing in it could be run.",
    Status.TIMED_OUT: "Your {kind} took too long, also the second time, when nothing else ran beside it.",
    Status.KILLED: "Your code was killed, also the second time, when nothing else ran beside it.",
    Status.LIMIT: "Your code reached a limit of memory, processes or output, and was stopped.",
    Status.NO_REPLY: "Your code ended or replied with something that is no result.",
}


# ---------------------------------------------------------------- where to read again


@dataclass(frozen=True)
class Place:
    """Where a notebook teaches an exercise: the headings above its cell, empty where there is none."""

    part: str
    section: str


@dataclass(frozen=True)
class Headings:
    """A notebook's title, and the place of each of its exercises."""

    title: str
    places: dict[str, Place]


@functools.cache
def headings(name: str) -> Headings:
    """The headings of a notebook of the course; its name alone where the notebook is missing or damaged."""
    try:
        # plain JSON, as the course wrote it: nbformat would take seconds to be imported
        cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return Headings(name, {})
    title, part, section, places = "", "", "", {}
    for cell in cells:
        exercise = notebook.exercise_of(cell)
        if exercise is not None:
            places[exercise] = Place(part, section)
        for level, text in _headings_in(cell):
            if level == 1:
                title, part, section = title or text, text if title else "", ""
            elif level == 2:
                section = text
    return Headings(title or name, places)


def _headings_in(cell: notebook.Mapping) -> list[tuple[int, str]]:
    """The level and text of each heading of a Markdown cell; what looks like one in a block of code is none."""
    if cell.get("cell_type") != "markdown":
        return []
    outside = re.sub(r"^(```|~~~).*?(^\1|\Z)", "", notebook.source_of(cell), flags=re.M | re.S)
    found = re.findall(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$", outside, flags=re.M)
    return [(len(signs), re.sub(r"[*_$\\]", "", text)) for signs, text in found]


# ---------------------------------------------------------------- what a page says


@dataclass(frozen=True)
class Entry:
    """One exercise on a page, in words. `mood` is good, bad or open."""

    id: str
    anchor: str
    title: str
    points: float
    most: float
    mood: str
    symbol: str
    status: str
    optional: bool
    brief: str  # how many inputs pass
    sentences: tuple[str, ...]
    changed: tuple[str, ...]  # by an instructor, and why
    shown_title: str
    shown: tuple[tuple[str, str], ...]
    hidden_title: str
    hidden: tuple[tuple[str, str], ...]
    again: str


@dataclass(frozen=True)
class Part:
    """The exercises of one part of a notebook."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def points(self) -> float:
        """The points earned in this part."""
        return sum(entry.points for entry in self.entries)

    @property
    def most(self) -> float:
        """The points that this part has."""
        return sum(entry.most for entry in self.entries)


@dataclass(frozen=True)
class Next:
    """What to do next; `anchor` is that of the exercise, empty where it is about none."""

    heading: str
    what: str
    sentences: tuple[str, ...] = ()
    anchor: str = ""


@dataclass(frozen=True)
class Page:
    """Everything that the template of a feedback page shows."""

    title: str
    student: str
    file: str
    modified: str
    points: float
    most: float
    percent: float
    summary: tuple[str, ...]
    problem: str | None
    remarks: tuple[str, ...]
    lateness: tuple[str, ...]
    next: Next
    parts: tuple[Part, ...]


def feedback_page(result: SubmissionResult, marks: Iterable[Mark], show_inputs: bool = False) -> str:
    """The feedback page of one submission as HTML; of `marks`, those of this student and notebook count.

    Hidden inputs are on it only with `show_inputs`.
    """
    return render("feedback.html.j2", page=page_of(result, marks, show_inputs))


def page_of(result: SubmissionResult, marks: Iterable[Mark], show_inputs: bool) -> Page:
    """What the feedback page of one submission says."""
    own = marks_of(result, marks)
    known = headings(result.notebook)
    statuses = {one.exercise: one.status for one in result.exercises}
    entries = [
        _entry(one, own.get(one.exercise), statuses, known.places.get(one.exercise), show_inputs)
        for one in result.exercises
        if one.exercise in exercises.all_by_id()
    ]
    if result.problem:  # nothing was read, so there is nothing to say of single exercises
        entries = [replace(entry, sentences=(), again="") for entry in entries]
    gone = [one for one in statuses if one not in exercises.all_by_id()]
    before = sum(entry.points for entry in entries)
    points = sum(mark.counted for mark in own.values()) if own else before
    most = sum(entry.most for entry in entries) or result.most
    return Page(
        title=known.title or "Unknown notebook",
        student=result.student,
        file=result.file,
        modified=_date(result.modified),
        points=points,
        most=most,
        percent=round(100 * min(max(points / most, 0.0), 1.0), 2) if most else 0.0,
        summary=_summary(result),
        problem=result.problem,
        remarks=(*result.remarks, *(f"The exercise `{one}` is no longer part of the course." for one in gone)),
        lateness=_lateness(own.values(), before, points),
        next=_next(result, entries),
        parts=tuple(_parts(entries, known)),
    )


def marks_of(result: SubmissionResult, marks: Iterable[Mark]) -> dict[str, Mark]:
    """The marks of one submission, by exercise."""
    student, name = stored(result.student), stored(result.notebook)
    return {mark.exercise: mark for mark in marks if (mark.student, mark.notebook) == (student, name)}


def stored(text: str) -> str:
    """A name as the gradebook can hold it: one that comes from a file name may not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _entry(
    result: ExerciseResult,
    mark: Mark | None,
    statuses: dict[str, Status],
    place: Place | None,
    show_inputs: bool,
) -> Entry:
    """What is said about one exercise."""
    exercise = exercises.get(result.exercise)
    points, most = (mark.points, mark.most) if mark else (result.points, result.most)
    decided = mark is not None and mark.override is not None
    right = result.status in GOOD
    unsolved = result.status in UNANSWERED
    mood = "good" if right or (decided and points >= most) else "open" if unsolved else "bad"
    if right:  # why it failed before the earlier ones were answered says nothing about this one
        said = (_follow_through(result, statuses),) if result.answered else ()
    else:
        said = result.sentences or (EXPLAINED[result.status].format(name=exercise.name, kind=exercise.kind),)
    return Entry(
        id=exercise.id,
        anchor=f"exercise-{exercise.id}",
        title=exercise.title,
        points=points,
        most=most,
        mood=mood,
        symbol=SYMBOLS[mood],
        status=f"set by your instructor (graded: {result.status})" if decided else str(result.status),
        optional=exercise.optional,
        brief=_inputs(result),
        sentences=said,
        changed=_changed(mark),
        shown_title="The first input of your own check that fails",
        shown=() if right else result.shown,
        hidden_title=f"The first unseen input that fails: {result.case}" if result.case else "An unseen input",
        hidden=result.hidden if show_inputs else (),
        again="" if right else _again(exercise, place),
    )


def _inputs(result: ExerciseResult) -> str:
    """How many inputs pass: those of the student's own check apart from the fresh ones. Empty where none were run."""
    passed, fresh, public = result.cases_passed, result.cases, result.public_cases
    if not fresh:
        return ""
    if result.status in GOOD:
        return f"passes on all {fresh} inputs that you have not seen"
    if public and result.public_passed == public:
        return f"your check passes, but on inputs that you have not seen {fresh - passed} of {fresh} fail"
    own = f"{result.public_passed} of {public} inputs of your own check pass, " if public else ""
    return f"{own}{passed} of {fresh} that you have not seen"


def _follow_through(result: ExerciseResult, statuses: dict[str, Status]) -> str:
    """Why an exercise has its points although it fails with the student's own earlier functions."""
    names = [f"`{exercises.get(earlier).name}`" for earlier in result.answered]
    unsolved = all(statuses.get(earlier) in UNANSWERED for earlier in result.answered)
    which = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    was, it = ("was", "it is") if len(names) == 1 else ("were", "they are")
    why = f"{which} {was} answered for you because {it} not {'solved' if unsolved else 'right'} in your notebook yet"
    return f"{why}; with that, your function passes, so it has its points."


def _changed(mark: Mark | None) -> tuple[str, ...]:
    """That an instructor set the points of an exercise, when, and why."""
    if mark is None or mark.override is None:
        return ()
    what = f"{number(mark.points)} of {number(mark.most)} points instead of {number(mark.graded)}"
    return (f"Your instructor gave {what} on {mark.override.time[:10]}: {mark.override.reason}",)


def _lateness(marks: Iterable[Mark], before: float, after: float) -> tuple[str, ...]:
    """That a notebook came late, what that costs, and why; once, though every mark has it."""
    late = next((mark.late for mark in marks if mark.late is not None), None)
    if late is None:
        return ()
    cost = f"{number(late.value or 0)} % of {number(before)} points are taken off, which leaves {number(after)}"
    return (f"Handed in late: {cost}. The reason given: {late.reason}",)


def _again(exercise: exercises.Exercise, place: Place | None) -> str:
    """Where the notebook explains an exercise, and how to get a hint."""
    hint = f'`hint("{exercise.id}")` below the exercise gives a hint.'
    where = ", ".join(filter(None, (place.section, place.part and f"in part {place.part}"))) if place else ""
    return f"Read again: {where}. {hint}" if where else hint


def _summary(result: SubmissionResult) -> tuple[str, ...]:
    """How many exercises ended how, in the order of `Status`."""
    counts = Counter(one.status for one in result.exercises)
    return tuple(f"{counts[status]} {status}" for status in Status if counts[status])


def _parts(entries: Sequence[Entry], known: Headings) -> list[Part]:
    """The exercises by the part of the notebook that they stand in."""
    parts: dict[str, list[Entry]] = {}
    for entry in entries:
        place = known.places.get(entry.id)
        parts.setdefault((place and place.part) or "Exercises", []).append(entry)
    return [Part(title, tuple(held)) for title, held in parts.items()]


def _next(result: SubmissionResult, entries: Sequence[Entry]) -> Next:
    """The one thing to do next: the first exercise that is not right, those that are not optional before the others."""
    if result.problem:
        advice = "Save it in JupyterLab, open it once more to see that it opens, and hand that file in."
        return Next("Your next step", "Hand the notebook in again", (advice,))
    lost = [entry for entry in entries if entry.mood != "good" and entry.points < entry.most]
    for entry in sorted(lost, key=lambda entry: entry.optional):
        heading = "If you like to go on" if entry.optional else "Your next step"
        done = ("All that is asked for is right. What is left is optional.",) if entry.optional else ()
        builds = [one.title for one in exercises.of(result.notebook) if entry.id in one.requires]
        more = f"Later exercises build on it: {', '.join(builds)}." if builds else ""
        wrong = entry.sentences[:2] if entry.mood == "bad" else ()
        said = (*done, *wrong, entry.again, more)
        return Next(heading, entry.title, tuple(filter(None, said)), entry.anchor)
    return Next("Your next step", "Nothing is left to do: every exercise has its points")


def _date(seconds: float | None) -> str:
    """Seconds since 1970 as a date and time; empty where a file claims an impossible one."""
    try:
        return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return ""


# ---------------------------------------------------------------- files


@dataclass(frozen=True)
class Row:
    """A line of the instructor's index of pages."""

    student: str
    title: str
    address: str
    points: float
    most: float
    note: str


def write_feedback(
    results: Iterable[SubmissionResult], marks: Iterable[Mark], folder: Path, show_inputs: bool = False
) -> None:
    """Write the pages as `folder/STUDENT/NOTEBOOK.html`, and an `index.html` for the instructor.

    Names are made safe for files and never collide. Raises CourseError where something cannot be written.
    """
    handed_in: dict[str, list[SubmissionResult]] = {}
    for result in results:
        handed_in.setdefault(result.student, []).append(result)
    own: dict[str, list[Mark]] = {}
    for mark in marks:
        own.setdefault(mark.student, []).append(mark)
    folders = file_names(handed_in, taken=["index.html"])
    rows = []
    for student, name in folders.items():
        theirs = _by_page(handed_in[student])
        for page_name, file in file_names(theirs).items():
            page = page_of(theirs[page_name], own.get(stored(student), []), show_inputs)
            write(folder / name / f"{file}.html", render("feedback.html.j2", page=page))
            note = page.problem or " ".join(page.remarks)
            rows.append(Row(student, page.title, f"{name}/{file}.html", page.points, page.most, note))
    write(folder / "index.html", render("index.html.j2", rows=rows, students=len(folders)))


def _by_page(results: Sequence[SubmissionResult]) -> dict[str, SubmissionResult]:
    """A student's submissions by what their pages are called: the notebook, or the file where that is not enough."""
    counts = Counter(result.notebook for result in results)
    return {
        result.notebook
        if result.notebook and counts[result.notebook] == 1
        else f"{result.notebook} {result.file} {result.sha256}": result
        for result in results
    }
