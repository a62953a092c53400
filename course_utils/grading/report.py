"""The report on a class: report.html with figures, and the same numbers in report.csv."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from course_utils import exercises
from course_utils.grading import export, figures
from course_utils.grading.item_analysis import FAILED, STOPPED, UNANSWERED, Item, Mistake, items, mistakes
from course_utils.grading.pages import headings, marks_of, stored
from course_utils.grading.rendering import TEXT, line, number, render, write
from course_utils.grading.results import Status, SubmissionResult

if TYPE_CHECKING:
    from course_utils.grading.gradebook import Mark

SHOWN_MISTAKES = 15  # bars of the figure; the table has all
OFTEN = 0.1  # the share of a class from which on something is worth a look first ...
FEW = 2  # ... and that many submissions
LOOKS = 8  # sentences about what to look at first
LOW_DISCRIMINATION, ENOUGH = 0.1, 10  # what counts as low, and from how many submissions on it can be said

Cell = str | int | float | None


@dataclass(frozen=True)
class Stop:
    """A student's code that was stopped, or that replied with no result."""

    student: str
    title: str
    status: Status
    said: str


@dataclass(frozen=True)
class NotebookReport:
    """What the report says about one notebook. `points` are those that count, after overrides and lateness."""

    name: str
    title: str
    most: float
    points: tuple[float, ...]  # of each graded submission
    seconds: tuple[float, ...]  # that grading each took
    late: int
    overridden: int
    items: tuple[Item, ...]
    mistakes: tuple[Mistake, ...]
    stops: tuple[Stop, ...]
    look_first: tuple[str, ...]

    @property
    def left_out(self) -> int:
        """Graded submissions that lack some exercise: they were graded with an older form of the notebook."""
        return len(self.points) - (self.items[0].n if self.items else 0)

    @property
    def facts(self) -> dict[str, str]:
        """The few numbers at the top."""
        if not self.points:
            return {"Submissions graded": "0"}
        low, middle, high = np.quantile(self.points, (0.25, 0.5, 0.75))
        return {
            "Submissions graded": str(len(self.points)),
            "Mean points": f"{np.mean(self.points):.1f} of {number(self.most)}",
            "Median": number(float(middle)),
            "Middle half": f"{number(float(low))} to {number(float(high))}",
            "Handed in late": str(self.late),
            "Marks set by hand": str(self.overridden),
        }

    def figures(self, page_id: str) -> list[figures.Drawn]:
        """The figures; `page_id` keeps them apart from those of other notebooks on the page."""
        if not self.items:
            return []
        drawn = [figures.points_figure(page_id, self.points, self.most), figures.endings_figure(page_id, self.items)]
        if self.mistakes:
            drawn.append(figures.mistakes_figure(page_id, self.mistakes[:SHOWN_MISTAKES]))
        if any(item.seconds for item in self.items):
            drawn.append(figures.time_figure(page_id, self.items, float(np.mean(self.seconds))))
        return drawn


def write_report(results: Iterable[SubmissionResult], marks: Iterable[Mark], folder: Path) -> None:
    """Write `report.html` and `report.csv` into a folder. Raises CourseError where they cannot be written."""
    listed = sorted(results, key=lambda result: (result.student, result.notebook, result.file))
    ungraded = [result for result in listed if result.problem is not None]
    parts = [about(name, listed, marks) for name, marks in _by_notebook(listed, marks).items()]
    students = len({result.student for result in listed})
    kinds = {"Status": Status, "FAILED": FAILED, "UNANSWERED": UNANSWERED}
    shown = render("report.html.j2", parts=parts, ungraded=ungraded, students=students, **kinds)
    write(folder / "report.html", shown)
    write(folder / "report.csv", as_csv(parts, ungraded))


def _by_notebook(results: Sequence[SubmissionResult], marks: Iterable[Mark]) -> dict[str, list[Mark]]:
    """The marks by notebook, for the notebooks of the course that have a submission, in the course's order."""
    handed_in = {result.notebook for result in results}
    found: dict[str, list[Mark]] = {name: [] for name in exercises.MODULES if name in handed_in}
    for mark in marks:
        if mark.notebook in found:
            found[mark.notebook].append(mark)
    return found


def about(name: str, results: Sequence[SubmissionResult], marks: Sequence[Mark]) -> NotebookReport:
    """What the report says about the notebook `name`; `marks` are those of this notebook."""
    graded = [result for result in results if result.notebook == name and result.problem is None]
    by_student: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        by_student[mark.student].append(mark)
    own = [marks_of(result, by_student[stored(result.student)]) for result in graded]
    analysed, named = tuple(items(name, graded)), tuple(mistakes(graded))
    return NotebookReport(
        name=name,
        title=headings(name).title,
        most=float(sum(exercise.points for exercise in exercises.of(name))),
        points=tuple(
            sum(mark.counted for mark in found.values()) if found else result.points
            for result, found in zip(graded, own, strict=True)
        ),
        seconds=tuple(result.seconds for result in graded),
        late=sum(any(mark.late for mark in found.values()) for found in own),
        overridden=sum(mark.override is not None for found in own for mark in found.values()),
        items=analysed,
        mistakes=named,
        stops=tuple(_stops(graded)),
        look_first=tuple(look_first(analysed, named, len(graded))),
    )


def _stops(results: Iterable[SubmissionResult]) -> list[Stop]:
    """Where code was stopped or replied with no result."""
    known = exercises.all_by_id()
    return [
        Stop(result.student, known[one.exercise].title, one.status, " ".join(one.sentences))
        for result in results
        for one in result.exercises
        if one.status in STOPPED and one.exercise in known
    ]


def look_first(analysed: Sequence[Item], named: Sequence[Mistake], n: int) -> list[str]:
    """What to look at first, in sentences: what many share, and where an exercise itself may be at fault.

    What concerns most students comes first.
    """
    known = {item.exercise for item in analysed}
    seen = [
        (one.count, f"{one.title}: {one.count} of {n} made one mistake, “{one.name}”. {one.sentence}")
        for one in named
        if one.exercise in known
    ]
    for item in analysed:
        unanswered, stopped, low = item.count(*UNANSWERED), item.count(*STOPPED), item.discrimination
        seen += [
            (
                item.check_only,
                f"{item.title}: for {item.check_only} of {n} their own check passes and the unseen inputs fail.",
            ),
            (
                item.unnamed,
                f"{item.title}: {item.unnamed} of {n} are wrong in ways that have no name yet; read two of them.",
            ),
            (stopped, f"{item.title}: {stopped} of {n} were timed out or stopped; is the limit fair?"),
            (unanswered if 2 * unanswered >= n else 0, f"{item.title}: {unanswered} of {n} did not solve it."),
        ]
        if low is not None and n >= ENOUGH and low < LOW_DISCRIMINATION:
            told = f"who has it right does not have more of the others right (discrimination {low:.2f}, n = {n})."
            seen.append((n, f"{item.title}: {told}"))
    often = [one for one in seen if one[0] >= max(FEW, OFTEN * n)]
    return [sentence for _, sentence in sorted(often, key=lambda one: -one[0])][:LOOKS]


# ---------------------------------------------------------------- CSV


def as_csv(parts: Sequence[NotebookReport], ungraded: Sequence[SubmissionResult]) -> str:
    """The report's numbers, one a line: what it is about, its name, its value, of how many; and a text."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(("notebook", "about", "exercise", "name", "value", "n", "text"))
    for part in parts:
        table.writerows([protected(value) for value in (part.name, *row)] for row in _rows(part))
    for result in ungraded:
        row = (result.notebook, "not graded", "", result.student, None, None, f"{result.file}: {result.problem}")
        table.writerow([protected(value) for value in row])
    return written.getvalue()


def _rows(part: NotebookReport) -> Iterable[tuple[Cell, ...]]:
    n = len(part.points)
    yield "class", "", "submissions graded", n, n, ""
    yield "class", "", "late", part.late, n, ""
    yield "class", "", "marks set by hand", part.overridden, n, ""
    yield "class", "", "points there are", part.most, n, ""
    if n:
        yield "class", "", "mean points", float(np.mean(part.points)), n, ""
        yield "class", "", "seconds of grading", float(np.mean(part.seconds)), n, "mean"
        quartiles = ("smallest", "lower quartile", "median", "upper quartile", "largest")
        for name, value in zip(quartiles, np.quantile(part.points, (0, 0.25, 0.5, 0.75, 1)), strict=True):
            yield "class", "", f"{name} points", float(value), n, ""
    values, counts = np.unique(np.round(part.points, 6), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        yield "points", "", number(value), count, n, "submissions with so many points"
    for item in part.items:
        yield from _item_rows(item)
    for one in part.mistakes:
        yield "mistake", one.exercise, one.name, one.count, n, one.sentence
    for stop in part.stops:
        yield "stopped", stop.title, stop.student, None, None, f"{stop.status}: {stop.said}"


def _item_rows(item: Item) -> Iterable[tuple[Cell, ...]]:
    who = ("exercise", item.exercise)
    yield *who, "difficulty", item.difficulty, item.n, "mean share of the points"
    why = f"undefined: {item.undefined}" if item.undefined else "correlation with the sum of the other exercises"
    yield *who, "discrimination", item.discrimination, item.n, why
    for status in Status:
        yield *who, f"share {status}", item.share(status), item.n, ""
    yield *who, "share own check passes, unseen inputs fail", item.check_only / item.n, item.n, ""
    yield *who, "share wrong without a named mistake", item.unnamed / item.n, item.n, ""
    yield *who, "seconds, median", item.time(0.5), len(item.seconds), ""
    yield *who, "seconds, nine in ten are faster", item.time(0.9), len(item.seconds), ""


def protected(value: Cell) -> str | int | float:
    """A cell that no spreadsheet takes for a formula: numbers stay numbers, text is made harmless."""
    if value is None:
        return ""
    return export.cell(line(value, limit=TEXT)) if isinstance(value, str) else round(value, 6)
