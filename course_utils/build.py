"""`course build`: from solutions/NAME.py to the executed notebook, frozen answers and the released notebook.

What an executed notebook was made from is written into its metadata as hashes, so that `course build --check`
can say what is stale without running it.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from course_utils import authoring, exercises, frozen, notebook, run
from course_utils.authoring import ROOT, SOLUTIONS, KnownAnswers
from course_utils.errors import CourseError
from course_utils.exercises.spec import Exercise
from course_utils.frozen import PUBLIC_SEED, FrozenAnswers
from course_utils.judge import JudgedCase, Outcome, agree, judge
from course_utils.judge.verdict import same_outcome
from course_utils.lab import private_environment
from course_utils.release import BEGIN, END, released, stub

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = ROOT / "notebooks"
CELL_LIMIT = 600  # seconds for one cell
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

CELL_METADATA = ("nbgrader", "tags", "jupyter")  # what Jupytext adds of its own is left out

# Modules that no notebook runs: a change in them makes no output stale.
TOOLS = frozenset(
    [
        "__main__",
        "authoring",
        "build",
        "cli",
        "doctor",
        "lab",
        "mutants",
        "release",
        "testing",
        "validate",
    ]
)

# Folders of the package that count apart, or that no notebook runs.
ELSEWHERE = frozenset(["exercises", "grading"])

# What never repeats: nbval does not compare the outputs of a cell with one of these in its source or output. Progress
# is that of all notebooks, and others may be running.
UNREPEATABLE_SOURCE = re.compile(r"perf_counter|time\.time\(|%time|timeit|\bprogress\(")
UNREPEATABLE_OUTPUT = re.compile(r"object at 0x|data:image/|application/vnd\.jupyter\.widget-view|\d it/s|\bit/s\]")

KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "name": "python",
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "pygments_lexer": "ipython3",
    },
}


# ---------------------------------------------------------------- the command


def build(check: bool) -> list[str]:
    """Build every notebook that has a script, or only `check`; returns one sentence for each problem."""
    problems = []
    for name in exercises.MODULES:
        if authoring.script_of(name).exists():
            try:
                problems += check_one(name) if check else build_one(name)
            except CourseError as error:
                problems.append(str(error))
    problems += _remove_leftovers(check)
    return problems


def build_one(name: str) -> list[str]:
    """Freeze, execute and release one notebook; returns one sentence for each problem."""
    plan = expand(name)
    problems = problems_of(name, plan)
    answers, wrong = freeze(name)
    problems += wrong
    for exercise_id, answer in answers.items():
        if difference(exercise_id, stored(exercise_id), answer):
            frozen.save(exercise_id, answer)
    problems += execute(name, plan)
    notebook.write(NOTEBOOKS / f"{name}.ipynb", released(plan))
    return problems


def check_one(name: str) -> list[str]:
    """What is stale of one notebook, a sentence each. Changes nothing."""
    advice = "run `course build`"
    plan = expand(name)
    problems = problems_of(name, plan)
    answers, wrong = freeze(name)
    problems += wrong
    for exercise_id, answer in answers.items():
        what = difference(exercise_id, stored(exercise_id), answer)
        if what:
            problems.append(f"The frozen answers of {exercise_id!r} are stale ({what}): {advice}.")
    was, now = recorded(name), sources(name, plan)
    stale = [key for key in now if was.get(key) != now[key]]
    if stale:
        what = ", ".join(stale)
        problems.append(f"solutions/{name}.ipynb is stale (changed since it was made: {what}): {advice}.")
    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.exists() or path.read_text(encoding="utf-8") != notebook.as_text(released(plan)):
        problems.append(f"notebooks/{name}.ipynb is not what the script releases: {advice}.")
    return problems


def _remove_leftovers(check: bool) -> list[str]:
    """Frozen answers of exercises that are no more: deleted, or named where `check`."""
    known = exercises.all_by_id()
    leftovers = [path for path in sorted(frozen.FOLDER.glob("*.npz")) if path.stem not in known]
    if check:
        return [f"Frozen answers {path.name} are of no exercise: run `course build`." for path in leftovers]
    for path in leftovers:
        path.unlink()
    return []


# ---------------------------------------------------------------- from the script to the full notebook


def expand(name: str) -> NotebookNode:
    """The notebook that a script describes, with headings, hints, nbgrader metadata and ids; not executed."""
    plan = authoring.load_script(name)
    for cell in plan.cells:
        cell.metadata = type(cell.metadata)({key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata})
        if cell.cell_type == "markdown":
            cell.source = expand_markdown(cell.source)
    set_ids(plan)
    plan.metadata = type(plan.metadata)(copy.deepcopy(KERNEL))
    plan.nbformat, plan.nbformat_minor = 4, 5
    return plan


def expand_markdown(source: str) -> str:
    """Markdown with its lines `[exercise: id]` and `[hints: id]` replaced by what the specification says."""
    for label, render in (("exercise", heading), ("hints", folded_hints)):
        line = re.compile(rf"^\[{label}: *([\w-]+)\] *$", re.M)
        source = line.sub(lambda found, render=render: render(exercises.get(found[1])), source)
    return source


def heading(exercise: Exercise) -> str:
    """The line above an exercise: title, points, difficulty, minutes."""
    points = f"{exercise.points} point{'s' * (exercise.points != 1)}"
    parts = [f"**Exercise · {exercise.title}**", points, exercise.dots, f"{exercise.minutes} minutes"]
    if exercise.optional:
        parts.append("optional for homework")
    return " · ".join(parts) + "\n"


def folded_hints(exercise: Exercise) -> str:
    """An exercise's hints as folded blocks; the empty lines let Markdown and formulas work inside."""
    blocks = (
        f"<details><summary>Hint {number}</summary>\n\n{hint}\n\n</details>"
        for number, hint in enumerate(exercise.hints, start=1)
    )
    return "\n\n".join(blocks)


def set_ids(plan: NotebookNode) -> None:
    """Give every cell an id that stays: of its exercise, or of its section and its place in it."""
    taken: dict[str, int] = {}
    section = "start"
    for cell in plan.cells:
        title = re.search(r"^#{1,3} +(.+)$", cell.source, re.M) if cell.cell_type == "markdown" else None
        if title:
            section = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-")[:40] or "section"
        grade_id = notebook.grading_of(cell).get("grade_id")
        taken[section] = taken.get(section, 0) + 1
        cell["id"] = grade_id[:64] if grade_id else f"{section}-{taken[section]}"


def problems_of(name: str, plan: NotebookNode) -> list[str]:
    """What is wrong with the exercises of a script, one sentence each."""
    place = f"solutions/{name}.py"
    problems = []
    code = [cell for cell in plan.cells if cell.cell_type == "code"]
    order = [notebook.exercise_of(cell) for cell in code]
    text = authoring.script_of(name).read_text(encoding="utf-8")
    missing = [one.id for one in exercises.of(name) if one.id not in order]
    if missing:
        problems.append(f"{place} has no cell yet for {', '.join(missing)}, which its specification has.")
    for exercise in exercises.of(name):
        if exercise.id in missing:
            continue
        if order.count(exercise.id) > 1:
            problems.append(f'{place} has more than one cell with exercise="{exercise.id}".')
        at = order.index(exercise.id)
        if at + 1 == len(code) or notebook.checked_by(code[at + 1]) != exercise.id:
            problems.append(f'{place}: the code cell after {exercise.id!r} must be exactly check("{exercise.id}").')
        problems += [f"{place}: exercise {exercise.id!r} {what}." for what in faults(exercise, code[at].source)]
        for label in ("exercise", "hints"):
            if f"# [{label}: {exercise.id}]\n" not in text:
                problems.append(f"{place} has no line [{label}: {exercise.id}] in a Markdown cell.")
    unknown = {one for one in order if one} - {exercise.id for exercise in exercises.of(name)}
    problems += [f"{place}: there is no exercise {one!r} in its specification." for one in sorted(unknown)]
    ids = [cell["id"] for cell in plan.cells]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    problems += [f"{place}: two cells would have the id {one!r}." for one in twice]
    return problems


def faults(exercise: Exercise, source: str) -> list[str]:
    """What is wrong with the source of an answer cell, as ends of a sentence."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"cannot be parsed ({error.msg}, line {error.lineno})"]
    sort = ast.ClassDef if exercise.kind == "class" else ast.FunctionDef
    found = [node for node in tree.body if isinstance(node, sort) and node.name == exercise.name]
    if len(found) != 1:
        return [f"must define the {exercise.kind} `{exercise.name}` once"]
    wrong = []
    if not ast.get_docstring(found[0]):
        wrong.append("has no docstring")
    marks = [mark for line in source.splitlines() for mark in (BEGIN, END) if mark in line]
    regions = len(marks) // 2
    if not regions or marks != [BEGIN, END] * regions or (regions > 1 and exercise.kind == "function"):
        each = " in each method that is to be written" if exercise.kind == "class" else ""
        wrong.append(f"needs one line `{BEGIN}` and below it one `{END}`{each}")
    if exercise.kind == "class" and not stub_defines(exercise, source):
        wrong.append("has a stub that defines no class: put the marks inside its methods")
    return wrong


def stub_defines(exercise: Exercise, source: str) -> bool:
    """Whether the stub of a class still defines it, with every line that raises inside a method."""
    tree = ast.parse(stub(source, exercise.id))
    return not any(isinstance(line, ast.Raise) for node in tree.body for line in (node, *getattr(node, "body", ())))


# ---------------------------------------------------------------- frozen answers


def freeze(name: str) -> tuple[dict[str, FrozenAnswers], list[str]]:
    """The frozen answers of every exercise that the solution defines, and a sentence for each failure."""
    solution = authoring.load_solution(name)
    known = authoring.load(name)
    answers = {}
    problems = [f"solutions/{name}.py: {problem}" for problem in solution.problems]
    for exercise in exercises.of(name):
        if exercise.id in solution.functions:
            try:
                answers[exercise.id] = freeze_one(exercise, solution.functions[exercise.id], known)
            except CourseError as error:
                problems.append(str(error))
    return answers, problems


def freeze_one(exercise: Exercise, solution: authoring.Function, known: KnownAnswers) -> FrozenAnswers:
    """The public cases with the solution's outputs and what every known mistake does. Raises CourseError."""
    mistakes = known.mistakes.get(exercise.id, {})
    cases = judged_cases(exercise, solution, PUBLIC_SEED)
    inputs = [case.args for case in cases]
    verdict = judge(exercise, cases, [Outcome(value=case.expected) for case in cases])
    if verdict.first_failure is not None:
        case = verdict.cases[verdict.first_failure]
        raise CourseError(f"{exercise.id!r}: the solution fails on {case.label!r}: {case.difference.message}")
    for mistake in mistakes.values():
        outcomes = run.call_all(exercise.calling(mistake.function), inputs, exercise.time_limit)
        if outcomes[-1].timed_out is not None:
            raise CourseError(f"{exercise.id!r}: the known mistake {mistake.name!r} passes the time limit.")
        for case, outcome in zip(cases, outcomes, strict=True):
            case.mistakes[mistake.name] = outcome
    return FrozenAnswers(cases, {mistake.name: mistake.sentence for mistake in mistakes.values()})


def judged_cases(exercise: Exercise, solution: authoring.Function, seed: int) -> list[JudgedCase]:
    """The cases of a seed with what the solution returns for them. Raises CourseError where it does not."""
    try:
        cases = exercise.cases(np.random.default_rng(seed))
    except Exception as error:
        raise CourseError(f"{exercise.id!r}: its cases cannot be made: {run.last_line(error)}") from error
    outcomes = run.call_all(exercise.calling(solution), [case.args for case in cases], exercise.time_limit)
    judged = []
    for case, outcome in zip(cases, outcomes, strict=False):
        what = outcome.error or ("it passes the time limit" if outcome.timed_out else "")
        if what:
            raise CourseError(f"{exercise.id!r}: the solution fails on the case {case.label!r}: {what}")
        judged.append(JudgedCase(case.label, case.args, outcome.value, {}, case.names_mistakes))
    return judged


def stored(exercise_id: str) -> FrozenAnswers | None:
    """The frozen answers on disk, or None where there are none that can be read."""
    try:
        return frozen.load(exercise_id)
    except CourseError:
        return None


def difference(exercise_id: str, was: FrozenAnswers | None, now: FrozenAnswers) -> str:
    """How two frozen answers differ, beyond rounding, in a few words; empty where they do not."""
    if was is None:
        return "there are none that can be read"
    exercise = exercises.get(exercise_id)
    if was.sentences != now.sentences or list(was.sentences) != list(now.sentences):
        return "known mistakes"
    if [(case.label, case.names_mistakes) for case in was.cases] != [(c.label, c.names_mistakes) for c in now.cases]:
        return "cases"
    for old, new in zip(was.cases, now.cases, strict=True):
        if not _same_inputs(old.args, new.args):
            return f"inputs of the case {old.label!r}"
        if not agree(old.expected, new.expected, exercise.condition):
            return f"expected output of the case {old.label!r}"
        # what is no sign of a mistake may be rounding alone, which differs between machines
        for name, outcome in new.mistakes.items() if new.names_mistakes else ():
            if not same_outcome(exercise, old.mistakes.get(name, Outcome(timed_out=0)), outcome):
                return f"outcome of the mistake {name!r}"
    return ""


def _same_inputs(one: Any, other: Any) -> bool:
    """Whether two arguments are the same, up to last digits that another machine may compute otherwise."""
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same_inputs, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same_inputs(one[key], other[key]) for key in one)
    if isinstance(one, np.random.Generator):
        return type(one) is type(other) and one.seed == other.seed
    if getattr(one, "dtype", None) != getattr(other, "dtype", None):
        return False
    return agree(one, other, 64.0)


# ---------------------------------------------------------------- execution


def execute(name: str, plan: NotebookNode) -> list[str]:
    """Write solutions/NAME.ipynb, executed; outputs are kept where nothing they depend on has changed."""
    path = SOLUTIONS / f"{name}.ipynb"
    executed = copy.deepcopy(plan)
    now, was = sources(name, plan), recorded(name)
    reuse = all(now[key] == was.get(key) for key in now if key not in ("script", "known answers"))
    if reuse:
        old = [cell for cell in notebook.read(path).cells if cell.cell_type == "code"]
        new = [cell for cell in executed.cells if cell.cell_type == "code"]
        for cell, before in zip(new, old, strict=True):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    else:
        problem = run_cells(name, executed)
        if problem:
            return [problem]
    problems = [
        f"solutions/{name}.py: check({exercise_id!r}) does not pass in the executed notebook."
        for cell in executed.cells
        if (exercise_id := notebook.checked_by(cell)) and not _shows_pass(cell)
    ]
    if problems:
        return problems
    for cell in executed.cells:
        if cell.cell_type == "code" and cannot_repeat(cell):
            tags = cell.metadata.setdefault("tags", [])
            if "nbval-ignore-output" not in tags:
                tags.append("nbval-ignore-output")
    executed.metadata["course"] = {"sources": now}
    notebook.write(path, executed)
    return []


def run_cells(name: str, executed: NotebookNode) -> str:
    """Execute a notebook in place, in a kernel of this Python; returns where it failed, a sentence, or ''."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    own_kernel = KernelSpecManager(kernel_dirs=[])  # without folders to look in, it finds this Python's own kernel
    at = -1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress, tempfile.TemporaryDirectory() as scratch:
        bar = progress.add_task(name, total=len(executed.cells))

        def started(cell: NotebookNode, cell_index: int) -> None:
            nonlocal at
            at = cell_index
            progress.update(bar, completed=cell_index)

        client = NotebookClient(
            executed,
            timeout=CELL_LIMIT,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            on_cell_start=started,
            km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=own_kernel),
            resources={"metadata": {"path": str(SOLUTIONS)}},
        )
        try:
            client.execute(env=kernel_environment(Path(scratch)))
        except CellExecutionError as error:
            what = f"{error.ename}: {error.evalue}".splitlines()[0][:300]
        except CellTimeoutError:
            what = f"it took more than {CELL_LIMIT} s"
        except DeadKernelError:
            what = "the kernel died (out of memory?)"
        else:
            progress.update(bar, completed=len(executed.cells))
            executed.metadata = type(executed.metadata)(copy.deepcopy(KERNEL))
            drop_progress_bars(executed)
            return ""
    first_line = executed.cells[at].source.splitlines()[0]
    return f"solutions/{name}.py, cell {executed.cells[at]['id']} (`{first_line}`) failed: {what}"


def drop_progress_bars(executed: NotebookNode) -> None:
    """Leave out what progress bars wrote: they are there for who waits, and come only where something is not cached."""
    for cell in executed.cells:
        if cell.cell_type == "code":
            for one in cell.outputs:
                if one.output_type == "stream" and "\r" in one.text:  # what came before it is not seen any more
                    one.text = "\n".join(line.rpartition("\r")[2] for line in one.text.split("\n"))
            cell.outputs = [one for one in cell.outputs if one.output_type != "stream" or one.text.strip()]


def kernel_environment(scratch: Path) -> dict[str, str]:
    """For executing notebooks: with this package, one thread as in nbval, and a progress record apart."""
    environment = private_environment(dict(os.environ), ROOT) | dict.fromkeys(THREADS, "1")
    Path(environment["IPYTHONDIR"]).mkdir(parents=True, exist_ok=True)  # or IPython warns
    environment["COURSE_PROGRESS"] = str(scratch / "progress.json")
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    return environment


def _shows_pass(cell: NotebookNode) -> bool:
    """Whether an executed check cell shows a pass."""
    texts = (output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    return any(text.startswith("✓") for text in texts)


def cannot_repeat(cell: NotebookNode) -> bool:
    """Whether a cell shows what differs between runs or machines: clocks, widgets, addresses, pixels, stderr."""
    if UNREPEATABLE_SOURCE.search(cell.source):
        return True
    shown = [output.get("text", "") for output in cell.outputs]
    shown += [f"{kind} {text}" for output in cell.outputs for kind, text in output.get("data", {}).items()]
    on_stderr = any(output.get("name") == "stderr" for output in cell.outputs)
    return on_stderr or any(UNREPEATABLE_OUTPUT.search(text) for text in shown)


# ---------------------------------------------------------------- what a notebook was made from


def sources(name: str, plan: NotebookNode) -> dict[str, str]:
    """Hashes of all that an executed notebook is made from, by a name that a stale check can say."""
    package = ROOT / "course_utils"
    modules = [path for path in sorted(package.glob("*.py")) if path.stem not in TOOLS]
    folders = [path for path in sorted(package.iterdir()) if path.is_dir() and path.name not in ELSEWHERE]
    modules += [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    code = "\0".join(cell.source for cell in plan.cells if cell.cell_type == "code")
    data = [path for path in sorted((ROOT / "data").glob("*/*")) if path.suffix not in (".py", ".md")]
    results = [path for path in sorted((ROOT / "results").glob("*.json")) if f'"{path.stem}"' in code]
    module = exercises.MODULES[name]
    exercise_files = [package / "exercises" / f"{part}.py" for part in ("__init__", "spec")]
    exercise_files += sorted((package / "exercises").glob(f"{module}*.py"))
    return {
        "script": authoring.hash_of_files([authoring.script_of(name)]),
        "code cells": hashlib.sha256(code.encode()).hexdigest()[:16],
        "specification": authoring.hash_of_files(exercise_files),
        "known answers": authoring.hash_of_files(authoring.known_answers_of(name)),
        "course_utils": authoring.hash_of_files(modules),
        "data": authoring.hash_of_files(data),
        "results": authoring.hash_of_files(results),
        "requirements.lock": authoring.hash_of_files([ROOT / "requirements.lock"]),
    }


def recorded(name: str) -> dict[str, str]:
    """The hashes in solutions/NAME.ipynb; empty where it cannot be read."""
    try:
        metadata = notebook.read(SOLUTIONS / f"{name}.ipynb").metadata
    except CourseError:
        return {}
    return dict(metadata.get("course", {}).get("sources", {}))
