"""What a class's results say about the exercises: difficulty, discrimination, named mistakes, time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from course_utils import exercises, frozen
from course_utils.errors import CourseError
from course_utils.grading.results import UNCERTAIN, ExerciseResult, Status, SubmissionResult

GOOD = (Status.RIGHT, Status.FOLLOW_THROUGH)
STOPPED = (*UNCERTAIN, Status.LIMIT, Status.NO_REPLY)
UNANSWERED = (Status.UNSOLVED, Status.MISSING)
FAILED = (Status.WRONG, Status.ERROR, Status.UNREADABLE)


def item_rest_correlations(scores: np.ndarray) -> np.ndarray:
    """The discrimination of each exercise (k,): Pearson's correlation of its scores with the sum of all *others*.

    `scores` (n, k) holds a row a student. Taking the exercise itself out of the sum is the correction of Henrysson
    (1963, Psychometrika 28, 211-218). NaN where it is undefined: the scores or the sums of the others do not vary.
    """
    rest = scores.sum(1, keepdims=True) - scores  # (n, k)
    centred, other = (values - values.mean(0) for values in (scores, rest))
    # a constant column of numbers such as 0.1 has a mean that differs from them by rounding
    varies = (np.ptp(scores, 0) > 1e-9) & (np.ptp(rest, 0) > 1e-9)
    lengths = np.sqrt((centred**2).sum(0) * (other**2).sum(0))
    return np.divide((centred * other).sum(0), lengths, out=np.full(scores.shape[1], np.nan), where=varies)


@dataclass(frozen=True)
class Item:
    """One exercise as a class met it. Shares are of the `n` submissions that were graded."""

    exercise: str
    n: int
    difficulty: float  # mean share of the points: 1 where everybody has all of them
    discrimination: float | None  # None where undefined, then ...
    undefined: str  # ... why
    counts: dict[Status, int]
    check_only: int  # pass their own check, and not the fresh inputs
    unnamed: int  # wrong in their own check too, and it is no known mistake
    seconds: tuple[float, ...]  # of those whose function ran

    @property
    def title(self) -> str:
        """What the exercise is called."""
        return exercises.get(self.exercise).title

    def count(self, *statuses: Status) -> int:
        """How many submissions ended in one of these."""
        return sum(self.counts.get(status, 0) for status in statuses)

    def share(self, *statuses: Status) -> float:
        """The share of submissions that ended in one of these."""
        return self.count(*statuses) / self.n

    def time(self, quantile: float) -> float | None:
        """A quantile of the seconds that the students' functions took; None where none ran."""
        return float(np.quantile(self.seconds, quantile)) if self.seconds else None


@dataclass(frozen=True)
class Mistake:
    """A known mistake: how many made it, and what they were told."""

    exercise: str
    name: str
    sentence: str
    count: int

    @property
    def title(self) -> str:
        """What the exercise is called; its id where it is no longer part of the course."""
        exercise = exercises.all_by_id().get(self.exercise)
        return exercise.title if exercise else self.exercise


def items(notebook: str, results: Sequence[SubmissionResult]) -> list[Item]:
    """The analysis of each exercise of a notebook over its graded submissions, before lateness and overrides."""
    listed = exercises.of(notebook)
    rows = [{one.exercise: one for one in result.exercises} for result in results if result.problem is None]
    rows = [row for row in rows if all(exercise.id in row for exercise in listed)]
    if not rows:
        return []
    scores = np.array([[row[exercise.id].points for exercise in listed] for row in rows])  # (n, k)
    correlations = item_rest_correlations(scores)
    return [
        _item(exercise, [row[exercise.id] for row in rows], scores, column, correlations[column])
        for column, exercise in enumerate(listed)
    ]


def _item(
    exercise: exercises.Exercise, column: list[ExerciseResult], scores: np.ndarray, index: int, correlation: float
) -> Item:
    own = scores[:, index]
    undefined = ""
    if len(own) == 1:
        undefined = "only one submission"
    elif scores.shape[1] == 1:
        undefined = "it is the only exercise"
    elif np.ptp(own) <= 1e-9:
        undefined = "all have the same points"
    elif np.isnan(correlation):
        undefined = "all have the same points in the other exercises"
    return Item(
        exercise=exercise.id,
        n=len(column),
        difficulty=float(own.mean() / exercise.points),
        discrimination=None if undefined else float(correlation),
        undefined=undefined,
        counts=dict(Counter(one.status for one in column)),
        check_only=sum(_passes_check_only(one) for one in column),
        unnamed=sum(
            one.status == Status.WRONG and one.mistake is None and not _passes_check_only(one) for one in column
        ),
        seconds=tuple(one.seconds for one in column if one.status not in (*UNANSWERED, Status.UNREADABLE)),
    )


def _passes_check_only(result: ExerciseResult) -> bool:
    """Whether the student's own check passes while the fresh inputs do not."""
    return result.status not in GOOD and result.public_cases > 0 and result.public_passed == result.public_cases


def mistakes(results: Iterable[SubmissionResult]) -> list[Mistake]:
    """The named mistakes that cost points, the most frequent first."""
    counts = Counter(
        (one.exercise, one.mistake)
        for result in results
        for one in result.exercises
        if one.mistake is not None and one.status not in GOOD
    )
    found = [Mistake(exercise, name, _sentence(exercise, name), count) for (exercise, name), count in counts.items()]
    return sorted(found, key=lambda one: (-one.count, one.exercise, one.name))


def _sentence(exercise: str, mistake: str) -> str:
    """What a student is told about a known mistake; empty for one that this version of the course does not know."""
    try:
        return frozen.load(exercise).sentences.get(mistake, "")
    except CourseError:
        return ""
