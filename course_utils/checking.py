"""The learner's side: `check("id")` judges what was just defined, `hint("id")` helps, both never raise."""

from __future__ import annotations

import ast
import html
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from course_utils import exercises, feedback, frozen, record, run
from course_utils.errors import CourseError
from course_utils.exercises.spec import Exercise
from course_utils.judge import judge

STUB = "replace this line by your solution"  # what nbgrader's stubs raise; those of the homework say their id too
NO_FORWARD = 'is missing the required "forward" function'  # torch's NotImplementedError where a ModuleList is called


class CheckResult(float):
    """The points earned, as a float in [0, points], that shows itself as feedback in a notebook and in a terminal."""

    text: str
    html: str
    shown: bool  # whether a notebook or a terminal has asked for one of them

    def __new__(cls, points: float, text: str, html_text: str) -> CheckResult:
        """Make the number and hang the two renderings on it."""
        result = super().__new__(cls, points)
        result.text, result.html, result.shown = text, html_text, False
        return result

    def __repr__(self) -> str:
        """The feedback as plain text; for nbgrader, which reads the points off the text output, the bare number."""
        self.shown = True
        return float.__repr__(self) if os.environ.get("NBGRADER_EXECUTION") else self.text

    def _repr_html_(self) -> str:
        self.shown = True
        return self.html


results_of_cell: list[CheckResult] = []  # of the checks that the notebook's cell has made so far
unmade: dict[str, str] = {}  # names that cells could not make, with the function for want of which


def check(exercise_id: str = "", *others: object) -> CheckResult:
    """Judge the learner's function for an exercise on its public cases; returns the points, shown as feedback.

    Never raises: whatever is wrong, in the call or in the learner's function, becomes one clear sentence and 0 points.
    """
    try:
        if others:
            raise CourseError(
                f"`check` takes one exercise: write `check({exercise_id!r})`, and one check for each other."
            )
        exercise = exercises.get(exercise_id)
        function = find_function(exercise, _caller_names())
        result = check_function(exercise, function)
    except CourseError as error:
        result = notice(str(error))
    except KeyboardInterrupt:
        result = notice("The check was interrupted before it had finished; run the cell again.")
    except Exception as error:
        what = run.last_line(error)
        result = notice(f"The check itself failed ({what}); restart the kernel and run the cells again.")
    results_of_cell.append(result)
    return result


def check_function(exercise: Exercise, function: Callable[..., Any]) -> CheckResult:
    """Judge one function, or class, on the public cases of an exercise, remember the result and render it."""
    answers = frozen.load(exercise.id)
    called_with = exercise.calling(function)
    wrong_call = fault_of_signature(exercise, called_with, answers.cases[0].args)
    if wrong_call:
        record.remember(exercise.id, 0.0, tried=True)
        return notice(wrong_call)
    outcomes = run.call_all(called_with, [case.args for case in answers.cases], exercise.time_limit, exercise.largest)
    if outcomes[0].error_type == "NotImplementedError" and NO_FORWARD not in (outcomes[0].error or ""):
        record.remember(exercise.id, 0.0, tried=False)
        stub = (outcomes[0].error or "").removeprefix("NotImplementedError: ").partition(":")[0]
        called = exercises.all_by_id().get(stub) or unwritten_behind(function)
        if called is not None and called.name != exercise.name:
            return notice(
                f"`{exercise.name}` calls `{called.name}`, which is not written yet: solve that exercise first, or do "
                f"without it here."
            )
        return notice(
            f"`{exercise.name}` still raises NotImplementedError: replace that line by your solution, run the cell, "
            f"then run this one again."
        )
    verdict = judge(exercise, answers.cases, outcomes)
    attempts = record.remember(exercise.id, verdict.points, tried=True)
    done, used = record.read(), names_in(function)
    needed = [exercises.get(other) for other in exercise.requires]
    unsolved = [one.name for one in needed if one.name in used and not record.points(done, one.id)]
    story = feedback.tell(verdict, answers, outcomes, attempts, unsolved)
    return CheckResult(verdict.points, feedback.as_text(story), feedback.as_html(story))


def codes_of(function: Any) -> list[CodeType]:
    """The code of a function, or of a class's methods, and of those defined inside; none where it is not in Python."""
    try:
        parts = vars(function).values() if inspect.isclass(function) else (inspect.unwrap(function),)
        found = [getattr(part, "__code__", None) for part in parts]
    except (Exception, SystemExit):  # a callable object, which may lie
        return []
    codes = [code for code in found if type(code) is CodeType]
    for code in codes:
        codes.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return codes


def names_in(function: Any) -> set[str]:
    """The names that a function looks up outside itself: what it calls, and attributes."""
    return {name for code in codes_of(function) for name in (*code.co_names, *code.co_freevars)}


def unwritten_behind(function: Any) -> Exercise | None:
    """The exercise whose stub, as nbgrader makes it, a function is or calls, also through others of its notebook."""
    by_name = {one.name: one for one in exercises.all_by_id().values()}
    reached, space = [function], space_of(function)
    for one in reached:
        for code in codes_of(one):
            if STUB in code.co_consts:
                return by_name.get(top_level_name(code))
        others = [space[name] for name in names_in(one) if name in space]
        reached.extend(other for other in others if space_of(other) is space and not any(other is x for x in reached))
    return None


NO_SPACE: dict[str, Any] = {}


def space_of(what: Any) -> dict[str, Any]:
    """The names that a function, or the methods of a class, look up outside; NO_SPACE for anything else."""
    try:
        parts = vars(what).values() if inspect.isclass(what) else (what,)
        return next((part.__globals__ for part in parts if type(part) is FunctionType), NO_SPACE)
    except (Exception, SystemExit):  # an object, which may lie
        return NO_SPACE


def top_level_name(code: CodeType) -> str:
    """The name of the function, or of the class around the method, whose code this is."""
    return code.co_qualname.rpartition("<locals>.")[2].partition(".")[0]


def fault_of_signature(exercise: Exercise, function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Why a function cannot take the arguments of its exercise, one sentence; empty where it can."""
    try:
        inspect.signature(function).bind(*args)
    except TypeError as error:
        call = f"{exercise.name}({', '.join(exercise.takes)})"
        return (
            f"`{exercise.name}` cannot be called as `{call}` ({error}): the check gives these arguments by position, "
            f"so let your function take them in this order, as the exercise's own `def` line does."
        )
    except (Exception, SystemExit):  # a function written in C may not say what it takes, and an object may lie
        return ""
    return ""


def hint(exercise_id: str = "") -> feedback.Note:
    """The next hint of an exercise, each more concrete than the last; after the last it begins again. Never raises."""
    try:
        exercise = exercises.get(exercise_id)
    except CourseError as error:
        return feedback.Note(str(error))
    number = record.next_hint(exercise.id, len(exercise.hints))
    return feedback.Note(f"Hint {number + 1} of {len(exercise.hints)}: {exercise.hints[number]}")


def notice(sentence: str) -> CheckResult:
    """A result of 0 points that says one sentence."""
    return CheckResult(0.0, sentence, feedback.box("neutral", f"<div>{feedback.inline(html.escape(sentence))}</div>"))


def find_function(exercise: Exercise, names: dict[str, Any]) -> Callable[..., Any]:
    """The learner's function or class for an exercise. Raises CourseError where there is none, or what is no such."""
    if exercise.name not in names:
        raise CourseError(f"`{exercise.name}` is not defined yet: run the cell above that defines it, then this one.")
    function = names[exercise.name]
    if not callable(function):
        raise CourseError(
            f"`{exercise.name}` is no longer a {exercise.kind}: a later cell gave that name to something else. "
            f"Run the cell that defines it again."
        )
    return function


def _caller_names() -> dict[str, Any]:
    """The global names of the first frame outside this module: the notebook that called."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


def show_the_others(*_: Any) -> None:
    """After a cell: show the results of its checks that were not its last expression, so that none is lost."""
    from IPython.display import display

    for result in results_of_cell:
        if not result.shown:
            display(result)
    results_of_cell.clear()


def soften_stubs(shell: Any) -> None:
    """Let a cell that calls an unsolved exercise say so in one sentence instead of a traceback."""

    def explain(shell: Any, kind: type[BaseException], error: BaseException, trace: Any, **options: Any) -> None:
        found = unsolved_for(error)
        if found is None:
            shell.showtraceback((kind, error, trace), **options)
            return
        from IPython.display import display

        name, sentence = found
        unmade.update(dict.fromkeys(names_made_in(shell.user_ns["In"][-1]), name))
        display(notice(sentence))

    shell.set_custom_exc((NotImplementedError, NameError), explain)


def unsolved_for(error: BaseException) -> tuple[str, str] | None:
    """The function for want of which a cell failed, and what to say; None where no exercise is to blame."""
    if isinstance(error, NameError):
        if error.name in unmade:
            name = unmade[error.name]
            told = f"This cell needs `{error.name}`, which a cell above makes as soon as `{name}` is solved."
            return name, told
        if error.name not in {exercise.name for exercise in exercises.all_by_id().values()}:
            return None
        told = f"This cell needs `{error.name}`, which is not defined yet: run the cell above that defines it first."
        return error.name, told
    exercise = exercises.all_by_id().get(str(error).partition(":")[0]) or exercise_that_raised(error)
    if exercise is None:
        return None
    return exercise.name, f"This cell needs `{exercise.name}`, which is not written yet: solve that exercise first."


def names_made_in(source: str) -> set[str]:
    """The names that a cell would give to something; none of a cell that cannot be read."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def exercise_that_raised(error: BaseException) -> Exercise | None:
    """The exercise whose function, or class, raised; the stubs that nbgrader makes do not say their id."""
    raised_in = [top_level_name(frame.f_code) for frame, _ in traceback.walk_tb(error.__traceback__)]
    stub = str(error) == STUB
    return next((one for one in exercises.all_by_id().values() if stub and raised_in[-1:] == [one.name]), None)


def join_notebook() -> None:
    """In Jupyter and IPython: hear when a cell ends, and say in a sentence what is not solved."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is not None:
        soften_stubs(shell)
        shell.events.register("post_run_cell", show_the_others)


if "IPython" in sys.modules:
    join_notebook()
