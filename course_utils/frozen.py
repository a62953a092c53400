"""The frozen answers: public inputs, the solution's outputs, and the known mistakes' outputs with their sentences.

They let a folder without solutions check exercises. Inputs are frozen too, so a check does not depend on the random
stream of one NumPy version. Whoever looks for the public answers finds them here; they carry no marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils import values
from course_utils.errors import CourseError
from course_utils.judge import JudgedCase, Outcome

FOLDER = Path(__file__).parent / "exercises" / "frozen"
PUBLIC_SEED = 20190222  # of the inputs that every learner's check uses


@dataclass(frozen=True)
class FrozenAnswers:
    """The judged public cases of an exercise and, by name, the sentence for each known mistake."""

    cases: list[JudgedCase]
    sentences: dict[str, str]


def path_of(exercise_id: str) -> Path:
    """Where the frozen answers of an exercise are kept."""
    return FOLDER / f"{exercise_id}.npz"


def save(exercise_id: str, answers: FrozenAnswers) -> None:
    """Write the frozen answers of an exercise."""
    FOLDER.mkdir(exist_ok=True)
    cases = [
        {
            "label": case.label,
            "args": case.args,
            "expected": case.expected,
            "names_mistakes": case.names_mistakes,
            "mistakes": {name: _outcome_dict(outcome) for name, outcome in case.mistakes.items()},
        }
        for case in answers.cases
    ]
    values.save(path_of(exercise_id), {"cases": cases, "sentences": answers.sentences})


def load(exercise_id: str) -> FrozenAnswers:
    """Read the frozen answers. Raises CourseError when the file is missing or damaged."""
    path = path_of(exercise_id)
    try:
        stored = values.load(path)
        cases = [_case(entry) for entry in stored["cases"]]
        return FrozenAnswers(cases, stored["sentences"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CourseError(
            f"The answers to {exercise_id!r} cannot be read: course_utils/exercises/frozen/{path.name} is missing or "
            f"damaged; get a fresh copy of that file."
        ) from error


def _outcome_dict(outcome: Outcome) -> dict[str, Any]:
    return {key: getattr(outcome, key) for key in ("value", "error", "error_type", "changed")}


def _case(entry: dict[str, Any]) -> JudgedCase:
    mistakes = {name: Outcome(**fields) for name, fields in entry["mistakes"].items()}
    return JudgedCase(entry["label"], entry["args"], entry["expected"], mistakes, entry["names_mistakes"])
