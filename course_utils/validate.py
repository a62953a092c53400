"""`course validate`: prove the exercises' specifications, and print what was proved as a table.

For every exercise: the solution gets full marks and its stub none; every known mistake is caught and named, and no
two look alike; right answers written in other ways pass; mutants of the solution are caught; and solution, other
ways and mistakes are judged alike on fresh inputs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from course_utils import authoring, exercises, run
from course_utils.build import THREADS, freeze_one, judged_cases
from course_utils.errors import CourseError
from course_utils.exercises.spec import Exercise
from course_utils.frozen import FrozenAnswers
from course_utils.judge import Verdict, judge
from course_utils.judge.verdict import same_outcome
from course_utils.mutants import mutants
from course_utils.notebook import exercise_cells
from course_utils.release import stub

FRESH_SEEDS = 20  # seeds of fresh inputs for each exercise
SEED_SECONDS = 0.3  # for one of them on average; at least LEAST_SEEDS are run
LEAST_SEEDS = 3
OTHER_WAYS = 2  # right answers in other ways that an exercise must have
MEMORY = 4 << 30  # bytes that a worker may take beyond what it has when it starts
REPORT_WIDTH = 120  # characters, where the table goes to a file
EXAMINATION_LIMIT = 600  # seconds for one exercise

Function = Callable[..., Any]


@dataclass
class Finding:
    """What was found about one exercise: counts for the table, and a sentence for each failure."""

    exercise: str
    solution: bool = False
    stub: bool = False
    mistakes: int = 0
    caught: int = 0
    named: int = 0
    alternatives: int = 0
    right: int = 0
    mutants: int = 0
    killed: int = 0
    equivalent: int = 0
    seeds: int = 0
    steady: int = 0  # fresh seeds on which solution, alternatives and mistakes were judged as they should be
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- the command


def validate(notebooks: list[str] | None, seeds: int = FRESH_SEEDS) -> bool:
    """Examine the exercises of some notebooks (all by default), print the table; returns whether all is well.

    With more `seeds`, what goes wrong for one student in hundreds is found, too.
    """
    start = time.monotonic()
    names = notebooks or [name for name in exercises.MODULES if authoring.script_of(name).exists()]
    findings = {name: examine_all(name, seeds) for name in names}
    for name, found in findings.items():
        show(name, found)
    problems = [problem for found in findings.values() for finding in found for problem in finding.problems]
    print(*problems, sep="\n", end="\n" if problems else "")
    count = sum(map(len, findings.values()))
    verdict = f"{len(problems)} things to mend" if problems else "all of them hold"
    print(f"{count} specifications in {time.monotonic() - start:.0f} s: {verdict}.")
    return not problems and count > 0


def examine_all(name: str, seeds: int) -> list[Finding]:
    """Examine every exercise of a notebook, on all cores, each in a process that may take no more than MEMORY."""
    wanted = [exercise.id for exercise in exercises.of(name)]
    os.environ.update(dict.fromkeys(THREADS, "1"))  # the workers start afresh and read them
    workers = concurrent.futures.ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=prepare_worker)
    with workers:
        futures = {exercise_id: workers.submit(examine, name, exercise_id, seeds) for exercise_id in wanted}
        return [_result(exercise_id, future) for exercise_id, future in futures.items()]


def _result(exercise_id: str, future: concurrent.futures.Future[Finding]) -> Finding:
    """A worker's finding; where it has none, a finding that says why."""
    try:
        return future.result(EXAMINATION_LIMIT)
    except CourseError as error:
        what = str(error).removeprefix(f"{exercise_id!r}: ")
    except (concurrent.futures.BrokenExecutor, TimeoutError) as error:
        what = f"its examination died or took more than {EXAMINATION_LIMIT} s ({type(error).__name__})."
    except Exception as error:
        what = f"its examination failed: {run.last_line(error)}"
    return Finding(exercise_id, problems=[f"{exercise_id}: {what}"])


def prepare_worker() -> None:
    """Let this process take MEMORY more than it has, where the system can limit it, and hush what mutants look like."""
    warnings.simplefilter("ignore", SyntaxWarning)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        import torch  # noqa: F401  # what it takes is not the mutants' doing

        with open("/proc/self/statm", encoding="ascii") as sizes:
            pages = int(sizes.read().split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def show(name: str, findings: list[Finding]) -> None:
    """Print the table of one notebook."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=name, title_justify="left", box=None, pad_edge=False)
    table.add_column("exercise", no_wrap=True)
    for header in ("solution", "stub", "mistakes caught", "named", "other ways", "mutants killed", "seeds", "s"):
        table.add_column(header, justify="right")
    for found in findings:
        equivalent = f" + {found.equivalent} equal" if found.equivalent else ""
        table.add_row(
            f"[red]✗[/] {found.exercise}" if found.problems else f"[green]✓[/] {found.exercise}",
            "full" if found.solution else "[red]no[/]",
            "0" if found.stub else "[red]no[/]",
            _of(found.caught, found.mistakes),
            _of(found.named, found.mistakes),
            _of(found.right, found.alternatives),
            _of(found.killed, found.mutants) + equivalent,
            _of(found.steady, found.seeds),
            f"{found.seconds:.1f}",
        )
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=REPORT_WIDTH)
    console.print(table)


def _of(part: int, whole: int) -> str:
    return f"{part}/{whole}" if part == whole else f"[red]{part}/{whole}[/]"


# ---------------------------------------------------------------- one exercise


def examine(name: str, exercise_id: str, seeds: int) -> Finding:
    """Examine one exercise. Raises CourseError where its solution cannot even be frozen."""
    start = time.monotonic()
    exercise = exercises.get(exercise_id)
    solution = authoring.load_solution(name)
    if exercise_id not in solution.functions:
        raise CourseError(f"solutions/{name}.py does not define `{exercise.name}`. {' '.join(solution.problems)}")
    function = solution.functions[exercise_id]
    source = exercise_cells(authoring.load_script(name))[exercise_id].source
    known = authoring.load(name)
    answers = freeze_one(exercise, function, known)
    finding = Finding(exercise_id)
    examine_solution(finding, exercise, function, answers)
    namespace = solution.namespaces[exercise_id]
    examine_stub(finding, exercise, namespace, source, answers)
    examine_mistakes(finding, exercise, known.mistakes.get(exercise_id, {}), answers)
    examine_alternatives(finding, exercise, known.alternatives.get(exercise_id, {}), answers)
    examine_mutants(finding, exercise, namespace, source, known.equivalents.get(exercise_id, {}), answers)
    examine_fresh_seeds(finding, exercise, function, known, seeds)
    finding.problems = [f"{exercise_id}: {problem}" for problem in finding.problems]
    finding.seconds = time.monotonic() - start
    return finding


def marks(exercise: Exercise, function: Function, answers: FrozenAnswers) -> Verdict:
    """The verdict on a function for given cases."""
    outcomes = run.call_all(
        exercise.calling(function), [case.args for case in answers.cases], exercise.time_limit, exercise.largest
    )
    return judge(exercise, answers.cases, outcomes)


def first_fault(verdict: Verdict) -> str:
    """What a verdict says of the first case that failed."""
    index = verdict.first_failure
    if index is None:
        return ""
    case = verdict.cases[index]
    return f"on {case.label!r}: {case.difference.message if case.difference else ''}"


def examine_solution(finding: Finding, exercise: Exercise, function: Function, answers: FrozenAnswers) -> None:
    """Full marks, no warning, nothing printed."""
    outcomes = run.call_all(
        exercise.calling(function), [case.args for case in answers.cases], exercise.time_limit, exercise.largest
    )
    verdict = judge(exercise, answers.cases, outcomes)
    finding.solution = verdict.points == exercise.points
    if not finding.solution:
        finding.problems.append(f"the solution fails {first_fault(verdict)}")
    for outcome, case in zip(outcomes, answers.cases, strict=False):
        if outcome.warned or outcome.printed:
            what = f"warns ({outcome.warned})" if outcome.warned else "prints"
            finding.problems.append(f"the solution {what} on {case.label!r}.")


def examine_stub(
    finding: Finding, exercise: Exercise, namespace: dict[str, Any], source: str, answers: FrozenAnswers
) -> None:
    """No points for what learners start from, which says whose stub it is; `namespace` is what the solution sees."""
    namespace = dict(namespace)
    exec(compile(stub(source, exercise.id), "<stub>", "exec"), namespace)
    outcome = run.call(exercise.calling(namespace[exercise.name]), answers.cases[0].args, exercise.time_limit)
    says_so = outcome.error_type == "NotImplementedError" and exercise.id in (outcome.error or "")
    finding.stub = says_so and marks(exercise, namespace[exercise.name], answers).points == 0
    if not finding.stub:
        finding.problems.append("the untouched stub does not raise NotImplementedError with the exercise's id.")


def examine_mistakes(
    finding: Finding, exercise: Exercise, mistakes: dict[str, authoring.Mistake], answers: FrozenAnswers
) -> None:
    """Each known mistake fails and is named by its own name; no two do the same on every public case."""
    finding.mistakes = len(mistakes)
    for name, mistake in mistakes.items():
        verdict = marks(exercise, mistake.function, answers)
        finding.caught += not verdict.passed
        finding.named += verdict.mistake == name
        if verdict.passed:
            finding.problems.append(f"the mistake {name!r} passes.")
        elif verdict.mistake != name:
            finding.problems.append(f"the mistake {name!r} is taken for {verdict.mistake!r}.")
    for one, other in itertools.combinations(mistakes, 2):
        if all(same_outcome(exercise, case.mistakes[one], case.mistakes[other]) for case in answers.cases):
            finding.problems.append(f"the mistakes {one!r} and {other!r} do the same on every public input.")


def examine_alternatives(
    finding: Finding, exercise: Exercise, alternatives: dict[str, Function], answers: FrozenAnswers
) -> None:
    """Right answers in other ways get full marks, and there are enough of them."""
    finding.alternatives = len(alternatives)
    for name, function in alternatives.items():
        verdict = marks(exercise, function, answers)
        finding.right += verdict.passed
        if not verdict.passed:
            finding.problems.append(f"the right answer {name!r} fails {first_fault(verdict)}")
    if len(alternatives) < OTHER_WAYS:
        finding.problems.append(f"it has {len(alternatives)} other right answers and needs {OTHER_WAYS}.")


def examine_mutants(
    finding: Finding,
    exercise: Exercise,
    namespace: dict[str, Any],
    source: str,
    equivalents: dict[str, str],
    answers: FrozenAnswers,
) -> None:
    """Every mutant of the solution fails some public case, but for those that the author shows to be equivalent."""
    function = exercise.calling(namespace[exercise.name])
    start = time.monotonic()
    run.call_all(function, [case.args for case in answers.cases], exercise.time_limit)
    limit = min(1.0 + 10 * (time.monotonic() - start), exercise.time_limit)
    unused = set(equivalents)
    for mutant in mutants(source):
        killed = is_killed(exercise, mutant.function(exercise.name, namespace), answers, limit)
        unused.discard(mutant.name)
        if mutant.name in equivalents:
            finding.equivalent += 1
            if killed:
                finding.problems.append(f"the mutant {mutant.name} is called equivalent and is killed.")
            continue
        finding.mutants += 1
        finding.killed += killed
        if not killed:
            finding.problems.append(f"the mutant {mutant.name} survives.")
    finding.problems += [f"there is no mutant {name}, which is called equivalent." for name in sorted(unused)]


def is_killed(exercise: Exercise, function: Function, answers: FrozenAnswers, limit: float) -> bool:
    """Whether a function fails one of the cases; `limit` is in seconds, for each."""
    function = exercise.calling(function)
    outcomes = ((case, run.call(function, case.args, limit, exercise.largest(case.args))) for case in answers.cases)
    return any(not judge(exercise, [case], [outcome]).passed for case, outcome in outcomes)


def examine_fresh_seeds(
    finding: Finding, exercise: Exercise, function: Function, known: authoring.KnownAnswers, seeds: int
) -> None:
    """On inputs that were never seen: the solution and its alternatives pass, every mistake is caught."""
    start = time.monotonic()
    right = {"solution": function} | known.alternatives.get(exercise.id, {})
    faults: dict[str, list[int]] = {}
    for seed in range(1, seeds + 1):
        if finding.seeds >= LEAST_SEEDS and time.monotonic() - start > SEED_SECONDS * seeds:
            break
        answers = FrozenAnswers(judged_cases(exercise, function, seed), {})
        found = []
        for name, one in right.items():
            verdict = marks(exercise, one, answers)
            if not verdict.passed:
                found.append(f"the right answer {name!r} fails {first_fault(verdict)}")
        for mistake in known.mistakes.get(exercise.id, {}).values():
            if marks(exercise, mistake.function, answers).passed:
                found.append(f"the mistake {mistake.name!r} passes.")
        finding.seeds += 1
        finding.steady += not found
        for fault in found:
            faults.setdefault(fault, []).append(seed)
    for fault, where in faults.items():
        finding.problems.append(f"with fresh inputs ({len(where)} of {finding.seeds} seeds, first {where[0]}) {fault}")
