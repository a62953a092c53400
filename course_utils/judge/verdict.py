"""From the outcomes of all cases of an exercise to one verdict: points, the first difference, the named mistake."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from course_utils import memory
from course_utils.errors import Misfit
from course_utils.exercises.spec import Exercise
from course_utils.judge.compare import Difference, agree, as_plain, as_tuple, compare, show
from course_utils.values import SeededGenerator


@dataclass(frozen=True)
class Outcome:
    """What came of one call of the learner's function.

    Exactly one of these holds: `value` was returned, `error` (the last line of an exception) was raised, or the
    time limit was hit. `line` is the line of the learner's own cell that raised.
    """

    value: Any = None
    error: str | None = None
    error_type: str | None = None
    line: int | None = None
    timed_out: float | None = None  # the limit in seconds
    changed: tuple[int, ...] = ()  # which arguments the call changed in place
    generators: tuple[tuple[int, SeededGenerator], ...] = ()  # arguments that are such, as the call left them
    printed: str = ""
    warned: str = ""
    largest: int = 0  # where memory was measured: entries of the largest torch tensor, and ...
    held: int = 0  # ... bytes of NumPy's arrays and Python's objects at their peak


@dataclass(frozen=True)
class JudgedCase:
    """A case with what the solution returns for it, and what each known mistake does (an `Outcome` too)."""

    label: str
    args: tuple[Any, ...]
    expected: Any
    mistakes: dict[str, Outcome]
    names_mistakes: bool = True


@dataclass(frozen=True)
class CaseVerdict:
    """Whether one case passed, and if not, the first difference."""

    label: str
    difference: Difference | None

    @property
    def passed(self) -> bool:
        """No difference was found."""
        return self.difference is None


@dataclass(frozen=True)
class Verdict:
    """The judgement of an exercise: all points when every case passes, none otherwise."""

    exercise: Exercise
    cases: tuple[CaseVerdict, ...]
    mistake: str | None = None  # the name of the known mistake whose outputs these are

    @property
    def passed(self) -> bool:
        """Every case passed."""
        return all(case.passed for case in self.cases)

    @property
    def points(self) -> float:
        """All points of the exercise, or 0."""
        return float(self.exercise.points) if self.passed else 0.0

    @property
    def first_failure(self) -> int | None:
        """Index of the first case that failed."""
        return next((index for index, case in enumerate(self.cases) if not case.passed), None)


def judge(exercise: Exercise, cases: list[JudgedCase], outcomes: list[Outcome]) -> Verdict:
    """Judge one outcome a case; `outcomes` may end early, then the cases without one do not pass."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NaN and overflow are the learner's, and said by the verdict
        verdicts = []
        for index, case in enumerate(cases):
            if index < len(outcomes):
                difference = difference_of(exercise, case, outcomes[index])
            else:
                difference = Difference("time", "This case was not run: the run had ended before.")
            verdicts.append(CaseVerdict(case.label, difference))
        failed = any(not verdict.passed for verdict in verdicts)
        return Verdict(exercise, tuple(verdicts), known_mistake(exercise, cases, outcomes) if failed else None)


def difference_of(exercise: Exercise, case: JudgedCase, outcome: Outcome) -> Difference | None:
    """What is wrong with one outcome: error, time, changed inputs, values, properties, memory."""
    if outcome.timed_out is not None:
        return Difference(
            "time",
            f"Your {exercise.kind} was stopped after {outcome.timed_out:g} s: an endless loop, or too slow a way?",
        )
    if outcome.error is not None and outcome.error_type == Misfit.__name__:
        return Difference("error", outcome.error.removeprefix(f"{Misfit.__name__}: "))
    if outcome.error is not None:
        place = f" in line {outcome.line} of your cell" if outcome.line else ""
        return Difference("error", f"Your {exercise.kind} raised an error{place}: {outcome.error}")
    if outcome.changed:
        which = " and ".join(exercise.takes[index] for index in outcome.changed)
        which = f"arguments {which}" if len(outcome.changed) > 1 else f"argument {which}"
        return Difference(
            "changed",
            f"Your {exercise.kind} changed its {which} in place: work on a copy, the caller still needs it.",
        )
    for index, generator in outcome.generators:
        if generator.untouched and exercise.takes[index] in exercise.draws_from:
            name = exercise.takes[index]
            return Difference(
                "property", f"Your function drew nothing from `{name}`: random numbers must come from it."
            )
    difference = compare(outcome.value, case.expected, exercise.returns, exercise.condition, exercise.by_property)
    if difference is not None and difference.kind in ("type", "shape", "dtype", "nan"):
        return difference
    violated = violated_property(exercise, case, outcome)
    if violated is None:
        return difference or too_large(exercise, case, outcome)
    if difference is None:
        return Difference("property", violated, got=show_named(exercise.returns, outcome.value))
    # A number that differs is said best by the mathematics it violates, followed by where it differs.
    message = violated if difference.kind == "near" else f"{violated} {difference.message}"
    return Difference("values", message, difference.expected, difference.got)


def show_named(names: tuple[str, ...], value: Any) -> str:
    """What a function returned, each item of a tuple behind its name."""
    items = as_tuple(value)
    if items is None or len(items) != len(names) or len(names) < 2:
        return show(value)
    shown = [(name, show(item)) for name, item in zip(names, items, strict=True)]
    return "\n".join(f"{name}:\n{text}" if "\n" in text else f"{name}: {text}" for name, text in shown)


def too_large(exercise: Exercise, case: JudgedCase, outcome: Outcome) -> Difference | None:
    """What is wrong with a right output that took more memory than its exercise allows."""
    most = exercise.largest(case.args)
    if most is None:
        return None
    rule = f"{exercise.largest_is} = {most} entries are the most that an array may have"
    advice = "work on fewer rows at a time, or do without it"
    if outcome.largest > most:
        return Difference(
            "memory", f"Your {exercise.kind} made a tensor of {outcome.largest} entries; {rule}: {advice}."
        )
    if outcome.held > memory.bytes_for(most):
        held = f"held {outcome.held // 1000} kB in arrays and lists at once"
        return Difference("memory", f"Your {exercise.kind} {held}; {rule}: {advice}.")
    return None


def violated_property(exercise: Exercise, case: JudgedCase, outcome: Outcome) -> str | None:
    """The sentence of the first property that the output violates, or None."""
    args = tuple(as_plain_argument(value) for value in case.args)
    expected = as_plain(case.expected)
    items = as_tuple(outcome.value) if isinstance(expected, tuple) else None
    got = as_plain(outcome.value) if items is None else tuple(as_plain(item) for item in items)
    for check in exercise.properties:
        sentence = check(args, got, expected)
        if sentence is not None:
            return sentence
    return None


def as_plain_argument(value: Any) -> Any:
    """An argument as the properties see it: arrays and numbers; a random generator stays what it is."""
    try:
        return as_plain(value)
    except TypeError:
        return value


def known_mistake(exercise: Exercise, cases: list[JudgedCase], outcomes: list[Outcome]) -> str | None:
    """The mistake whose outcome equals the learner's in every case that can tell, or None."""
    if not outcomes or len(outcomes) < len(cases):
        return None
    for name in cases[0].mistakes:
        pairs = [pair for pair in zip(cases, outcomes, strict=True) if pair[0].names_mistakes]
        if all(same_outcome(exercise, outcome, case.mistakes[name]) for case, outcome in pairs):
            return name
    return None


def same_outcome(exercise: Exercise, one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are alike: the same values up to rounding, the same error type, the same changed inputs."""
    if one.timed_out is not None or other.timed_out is not None:
        return False
    if one.error_type != other.error_type or one.changed != other.changed:
        return False
    if one.error_type == Misfit.__name__:  # of many kinds: only the text tells which
        return one.error == other.error
    return one.error_type is not None or agree(one.value, other.value, exercise.condition)
