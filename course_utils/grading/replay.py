"""`--replay`: show what one mark was made of, case by case, and write it down for an appeal."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils import exercises, values
from course_utils.errors import CourseError
from course_utils.grading import desk, intake
from course_utils.grading.gradebook import Gradebook
from course_utils.grading.intake import Submission
from course_utils.grading.marking import Attempt, Marking
from course_utils.grading.results import SubmissionResult
from course_utils.grading.run import GRADEBOOK, by_student
from course_utils.judge import JudgedCase, Verdict
from course_utils.judge.compare import show
from course_utils.judge.verdict import as_plain_argument


@dataclass(frozen=True)
class Replay:
    """One exercise of one student, marked again with the inputs of the mark."""

    result: SubmissionResult  # as it stands in the gradebook
    exercise: exercises.Exercise
    cases: list[JudgedCase]
    attempt: Attempt
    verdict: Verdict
    seed: int  # of these cases

    def blocks(self, index: int) -> list[tuple[str, str]]:
        """Input, expected and got of one case, as (label, text)."""
        case = self.cases[index]
        given = self.exercise.named(case.args)
        found = [(f"input {name}", show(as_plain_argument(value))) for name, value in given]
        return [*found, ("expected", shown_value(case.expected)), ("got", self.got(index))]

    def got(self, index: int) -> str:
        """What the student's function gave for one case, in words or numbers."""
        if index >= len(self.attempt.outcomes):
            return f"nothing ({self.attempt.ended or 'the run had ended'})"
        outcome = self.attempt.outcomes[index]
        if outcome.timed_out is not None:
            return f"nothing within {outcome.timed_out:g} s"
        return outcome.error or shown_value(outcome.value)


def shown_value(value: Any) -> str:
    """A returned value as text, whatever it is."""
    try:
        return show(as_plain_argument(value))
    except Exception:  # a structure that a student made to be unprintable
        return "a value that cannot be shown"


def replay(place: Path, out: Path, settings: Any, student: str, exercise_id: str) -> Replay:
    """Mark one exercise of one student again, with the inputs of its mark. Raises CourseError where there is none."""
    exercise = exercises.get(exercise_id)
    with Gradebook(out / GRADEBOOK, writing=False) as book:
        master = book.seed(None)
        results = [one for one in book.results() if one.student == student and one.notebook == exercise.notebook]
    if not results:
        raise CourseError(
            f"The gradebook has no {exercise.notebook} of {student!r}: give the name as the gradebook has it."
        )
    (result,) = results
    submission = handed_in(place, result)
    marking = Marking(desk.desk(settings(master), exercise.notebook), submission)
    try:
        attempt = marking.attempt(exercise, marking.fresh_cases(exercise))
    finally:
        marking.close()
        desk.close()
    verdict, seed = marking.verdict_on_fresh(exercise, attempt), marking.reference.seed(exercise, master, submission)
    return Replay(result, exercise, marking.fresh_cases(exercise), attempt, verdict, seed)


def handed_in(place: Path, result: SubmissionResult) -> Submission:
    """The submission that a result came from, by its content. Raises CourseError where it is no longer there."""
    for group in by_student(intake.find(place)):
        if group[0].student == result.student:
            for submission in map(intake.read, group):
                if submission.sha256 == result.sha256:
                    return submission
    raise CourseError(
        f"{result.file} of {result.student!r} is not in {place} any more, or was changed since it was graded."
    )


def write_bundle(replayed: Replay, path: Path) -> None:
    """Write everything that a mark was made of into a zip: a summary, and inputs, expected and got of each case.

    Raises CourseError where it cannot be written.
    """
    about = {
        "student": replayed.result.student,
        "notebook": replayed.result.notebook,
        "file": replayed.result.file,
        "sha256": replayed.result.sha256,
        "specification": replayed.result.spec_version,
        "exercise": replayed.exercise.id,
        "seed": replayed.seed,
        "points": replayed.verdict.points,
        "cases": [
            {"label": case.label, "passed": verdict.passed, "says": verdict.difference and verdict.difference.message}
            for case, verdict in zip(replayed.cases, replayed.verdict.cases, strict=True)
        ],
    }
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("mark.json", json.dumps(about, indent=2))
            for index, case in enumerate(replayed.cases):
                lines = [f"{label}:\n{text}\n" for label, text in replayed.blocks(index)]
                bundle.writestr(f"case_{index + 1}/shown.txt", "\n".join(lines).encode(errors="replace"))
                exact = {"arguments": case.args, "expected": case.expected}
                if index < len(replayed.attempt.outcomes):
                    exact["got"] = replayed.attempt.outcomes[index].value
                file = io.BytesIO()
                values.save(file, exact)
                bundle.writestr(f"case_{index + 1}/values.npz", file.getvalue())
    except OSError as error:
        raise CourseError(f"{path} cannot be written ({error.strerror}): name another place.") from error
