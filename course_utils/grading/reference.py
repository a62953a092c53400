"""What the grader knows of a notebook and no submission may see: solutions, known mistakes, inputs, answers."""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils import authoring, exercises, frozen, notebook, run
from course_utils.build import judged_cases
from course_utils.exercises.spec import Exercise
from course_utils.grading.intake import Cell, Submission
from course_utils.judge import JudgedCase, Outcome

PACKAGE = Path(__file__).resolve().parents[1]


class Reference:
    """One notebook's specifications with its solutions. Raises CourseError where these cannot be loaded."""

    def __init__(self, name: str) -> None:
        self.name, self.version = name, version_of(name)
        self.exercises = exercises.of(name)
        self.functions: dict[str, Callable[..., Any]] = authoring.load_solution(name).functions
        self.known = authoring.load(name)
        self.public = {one.id: frozen.load(one.id) for one in self.exercises}

    @functools.cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The solved notebook's code cells, as those of a submission."""
        code = [cell for cell in authoring.solution_cells(self.name) if cell["cell_type"] == "code"]
        return tuple(Cell(notebook.source_of(one), notebook.exercise_of(one), notebook.checked_by(one)) for one in code)

    def fresh_cases(self, exercise: Exercise, master: str, submission: Submission) -> list[JudgedCase]:
        """A submission's own cases of an exercise, with the solution's outputs; `mistakes` stay empty."""
        return judged_cases(exercise, self.functions[exercise.id], self.seed(exercise, master, submission))

    def seed(self, exercise: Exercise, master: str, submission: Submission) -> int:
        """The seed of one submission's inputs for one exercise: an HMAC, so that no student can know it beforehand.

        It depends on the code: the same code gets the same marks again, and what feedback on other code lets somebody
        guess of its inputs says nothing of these.
        """
        parts = (submission.student, exercise.id, submission.code_hash)
        message = b"\0".join(part.encode(errors="surrogatepass") for part in parts)
        return int.from_bytes(hmac.digest(master.encode(), message, hashlib.sha256)[:8], "little")

    def with_mistakes(self, exercise: Exercise, cases: list[JudgedCase]) -> list[JudgedCase]:
        """The same cases, with what each known mistake makes of them."""
        mistakes = self.known.mistakes.get(exercise.id, {})
        inputs = [case.args for case in cases]
        outcomes = {
            name: run.call_all(exercise.calling(one.function), inputs, exercise.time_limit)
            for name, one in mistakes.items()
        }
        return [
            JudgedCase(case.label, case.args, case.expected, at(outcomes, index), case.names_mistakes)
            for index, case in enumerate(cases)
        ]

    def sentence(self, exercise: Exercise, mistake: str) -> str:
        """What a good teacher says to a known mistake."""
        return self.known.mistakes[exercise.id][mistake].sentence


@functools.cache
def version_of(name: str) -> str:
    """A hash of everything that a mark of a notebook's depends on beside the submission and the seed."""
    specs = sorted((PACKAGE / "exercises").glob("*.py"))
    judging = [
        *sorted((PACKAGE / "judge").glob("*.py")),
        PACKAGE / "run.py",
        PACKAGE / "memory.py",
        PACKAGE / "values.py",
    ]
    judging += [PACKAGE / "notebook.py", PACKAGE / "grading" / "marking.py"]
    authors = [authoring.script_of(name), *authoring.known_answers_of(name)]
    return authoring.hash_of_files([*specs, *judging, *authors])


def at(outcomes: dict[str, list[Outcome]], index: int) -> dict[str, Outcome]:
    """The outcomes of one case by mistake; one that met the time limit before counts as timed out."""
    late = Outcome(timed_out=0.0)
    return {name: found[index] if index < len(found) else late for name, found in outcomes.items()}


def name_of_seed(master: str) -> str:
    """A name for a master seed that does not reveal it."""
    return hmac.digest(master.encode(), b"the name of this seed", hashlib.sha256).hex()[:16]
