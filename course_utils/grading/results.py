"""What grading a submission gives: plain records that the gradebook stores, and that feedback and reports read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from course_utils import exercises


class Status(StrEnum):
    """How an exercise ended. The first two earn points."""

    RIGHT = "right"
    FOLLOW_THROUGH = "right by follow-through"  # fails only because an earlier exercise is wrong
    WRONG = "wrong"
    ERROR = "raised an error"
    UNSOLVED = "not solved"  # the stub is still there
    MISSING = "not found"  # no cell defines the function
    UNREADABLE = "unreadable"  # a syntax error in its cell
    TIMED_OUT = "timed out"  # twice, the second time on an idle core
    KILLED = "killed"  # by the system, or by itself; twice, too
    LIMIT = "limit reached"  # memory, processes, output, or the end of the student's own process
    NO_REPLY = "no valid reply"  # what came back was no message of the protocol


UNCERTAIN = frozenset({Status.TIMED_OUT, Status.KILLED})  # may be the doing of a busy or full machine


@dataclass(frozen=True)
class ExerciseResult:
    """The result of one exercise of a submission.

    The points come from fresh inputs alone. The public cases, the same that the student's own check used, are kept
    apart. `sentences` are for the student and never hold a hidden input; `hidden` holds those of the first fresh case
    that failed, as (label, text), for the instructor.
    """

    exercise: str  # its id
    status: Status
    points: float
    sentences: tuple[str, ...] = ()
    mistake: str | None = None  # name of the known mistake whose outputs these are
    case: str = ""  # label of the first fresh case that failed
    cases_passed: int = 0  # of the fresh cases
    cases: int = 0
    public_passed: int = 0  # of the public cases
    public_cases: int = 0
    shown: tuple[tuple[str, str], ...] = ()  # input, expected, got of the first public case that failed
    hidden: tuple[tuple[str, str], ...] = ()
    answered: tuple[str, ...] = ()  # ids of the earlier exercises that the grader answered (follow-through)
    seconds: float = 0.0  # the student's code took, fresh and public cases together

    @property
    def most(self) -> float:
        """The points that the exercise has."""
        return float(exercises.get(self.exercise).points)


@dataclass(frozen=True)
class SubmissionResult:
    """The result of one notebook of one student; `exercises` has every exercise of the notebook, in its order.

    Where the file could not be read as a notebook of the course, `problem` says why and every exercise has 0 points
    (none are listed where it is not known which notebook it was meant to be).
    """

    student: str
    notebook: str  # such as 01_sne_to_tsne; empty where that is not known
    file: str  # as it was handed in
    sha256: str  # of the file's bytes
    modified: float | None  # when the file was last changed, seconds since 1970
    spec_version: str  # hash of the specifications, solutions and judge that were used
    seed_name: str  # names the seed without revealing it
    exercises: tuple[ExerciseResult, ...] = ()
    remarks: tuple[str, ...] = ()  # for the student: cells that fail to load, duplicated cells, names that are missing
    problem: str | None = None
    seconds: float = 0.0  # that grading took
    protection: str = ""  # what kept the student's code from everything else, as a sentence

    @property
    def points(self) -> float:
        """The points of all exercises."""
        return sum(result.points for result in self.exercises)

    @property
    def most(self) -> float:
        """The points that the notebook has; 0 where it is not known which one it is."""
        return float(sum(one.points for one in exercises.of(self.notebook))) if self.notebook else 0.0

    @property
    def uncertain(self) -> bool:
        """Whether something is to be tried again when nothing else runs, before it costs a point."""
        return any(one.status in UNCERTAIN for one in self.exercises)

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes grading it again unnecessary: who, which notebook and file content, which specs, which seed."""
        return (self.student, self.notebook, self.sha256, self.spec_version, self.seed_name)


def as_dict(result: SubmissionResult) -> dict[str, Any]:
    """A result as what JSON can hold."""
    return asdict(result)


def from_dict(stored: dict[str, Any]) -> SubmissionResult:
    """The inverse of `as_dict`, also after a way through JSON (which has lists for tuples)."""
    fields = dict(stored)
    fields["exercises"] = tuple(_exercise(entry) for entry in fields["exercises"])
    fields["remarks"] = tuple(fields["remarks"])
    return SubmissionResult(**fields)


def _exercise(stored: dict[str, Any]) -> ExerciseResult:
    fields = dict(stored)
    fields["status"] = Status(fields["status"])
    for name in ("sentences", "answered"):
        fields[name] = tuple(fields[name])
    for name in ("shown", "hidden"):
        fields[name] = tuple((label, text) for label, text in fields[name])
    return ExerciseResult(**fields)
