"""What the students of the practice class may write: right answers, known mistakes and mutants, as cells' sources.

Known answers are functions of the author's modules. Here each is rewritten as a learner would hand it in, with the
imports and helpers that it needs in the same cell, and kept only where, run among the definitions of the solved
notebook, it does what it should: a right answer passes, a mistake is named, a mutant fails on every seed.
"""

from __future__ import annotations

import ast
import builtins
import concurrent.futures
import copy
import functools
import os
import random
import symtable
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from course_utils import authoring, exercises, frozen, notebook, run
from course_utils.build import THREADS, judged_cases
from course_utils.errors import CourseError
from course_utils.exercises.spec import Exercise
from course_utils.frozen import FrozenAnswers
from course_utils.judge import Verdict, judge
from course_utils.mutants import changes
from course_utils.release import BEGIN, END, ROOT
from course_utils.validate import marks, prepare_worker

if TYPE_CHECKING:
    from nbformat import NotebookNode

AT_EASE = 1_000_000  # calls and returns for the public inputs, judging included
MUTANTS = 8  # kept for each exercise
MUTANT_SEEDS = range(1, 6)  # of fresh inputs, on all of which a mutant must fail
MUTANT_SECONDS = 2.0  # a mutant that needs longer for the inputs of one seed is left out
AUTHORS_NAMES = ("known", "S", "KnownAnswers")


@dataclass(frozen=True)
class Answer:
    """The source of an answer cell, which exercises' functions it calls (ids), and what it is."""

    kind: str  # solution, alternative, mistake or mutant
    name: str  # of the alternative, mistake or mutant; empty for the solution
    source: str
    calls: frozenset[str]

    @property
    def right(self) -> bool:
        """Whether it earns the points."""
        return self.kind in ("solution", "alternative")


@dataclass(frozen=True)
class Pool:
    """All answers to one exercise, and the names of those known ones that could not be rewritten safely."""

    right: tuple[Answer, ...]  # the solution first
    mistakes: tuple[Answer, ...]
    mutants: tuple[Answer, ...]
    left_out: tuple[str, ...]


def pools(name: str, seed: int) -> dict[str, Pool]:
    """The pool of every exercise of a notebook; they are made side by side, in processes with little memory."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # the workers start afresh and read them
    wanted = [exercise.id for exercise in exercises.of(name)]
    workers = concurrent.futures.ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=prepare_worker)
    try:
        with workers:
            made = workers.map(pool, [name] * len(wanted), wanted, [seed] * len(wanted))
            return dict(zip(wanted, made, strict=True))
    except concurrent.futures.BrokenExecutor as error:
        raise CourseError(f"The answers to {name} could not be made: a process died; is memory short?") from error


def pool(name: str, exercise_id: str, seed: int) -> Pool:
    """The answers to one exercise, each tried out."""
    exercise = exercises.get(exercise_id)
    known = authoring.load(name)
    cell = solution_cells(name)[exercise_id]
    own = Answer("solution", "", cell, calls(cell, exercise))
    namespace = authoring.load_solution(name).namespaces[exercise_id]
    public = frozen.load(exercise_id)
    answers: dict[str, list[Answer]] = {"alternative": [own], "mistake": []}
    left_out = []
    functions = [("alternative", *item) for item in known.alternatives.get(exercise_id, {}).items()]
    functions += [("mistake", key, one.function) for key, one in known.mistakes.get(exercise_id, {}).items()]
    for kind, key, function in functions:
        source = rewritten(function, exercise, cell, namespace.keys())
        answer = Answer(kind, key, source, calls(source, exercise)) if source else None
        if answer is not None and holds(answer, name, exercise, namespace, public):
            answers[kind].append(answer)
        else:
            left_out.append(key)
    mutants = some_mutants(own, exercise, namespace, public, random.Random(f"{seed} {exercise_id}"))
    return Pool(tuple(answers["alternative"]), tuple(answers["mistake"]), mutants, tuple(left_out))


@functools.cache
def solution_cells(name: str) -> dict[str, str]:
    """The solved answer cells of a notebook, by exercise, without the solution's delimiters."""
    cells = notebook.exercise_cells(authoring.load_script(name))
    return {exercise_id: _without_delimiters(cell.source) for exercise_id, cell in cells.items()}


def _without_delimiters(source: str) -> str:
    lines = source.splitlines()
    return "\n".join(line for line in lines if BEGIN not in line and END not in line)


def calls(source: str, exercise: Exercise) -> frozenset[str]:
    """The ids of the other exercises whose functions a cell names."""
    ids = {one.name: one.id for one in exercises.of(exercise.notebook)}
    used = _globals(symtable.symtable(source, "<cell>", "exec")) & ids.keys()
    return frozenset(ids[name] for name in used) - {exercise.id}


def _globals(table: symtable.SymbolTable) -> set[str]:
    """The global names that functions use."""
    own = {one.get_name() for one in table.get_symbols() if one.is_global()}
    return own.union(*map(_globals, table.get_children()))


# ---------------------------------------------------------------- rewriting


class OwnFunctions(ast.NodeTransformer):
    """`S.name`, the solution's function, becomes `name`, the learner's; that of the exercise itself, `right_name`."""

    def __init__(self, own: str) -> None:
        self.own = own
        self.uses_own = False

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Replace one reference."""
        if not (isinstance(node.value, ast.Name) and node.value.id == "S"):
            return self.generic_visit(node)
        self.uses_own |= node.attr == self.own
        return ast.Name(f"right_{node.attr}" if node.attr == self.own else node.attr, node.ctx)


class Renamed(ast.NodeTransformer):
    """A function or class under another name, where it is defined and where it is called."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Rename the definition."""
        node.name = self.new if node.name == self.old else node.name
        return self.generic_visit(node)

    visit_ClassDef = visit_FunctionDef

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Rename a reference."""
        return ast.Name(self.new, node.ctx) if node.id == self.old else node


def rewritten(function: authoring.Function, exercise: Exercise, cell: str, taken: Collection[str]) -> str | None:
    """A known answer as a cell that defines the exercise's function or class, or None where it is not written as such.

    Helpers with names that the notebook has `taken` get other names.
    """
    code = _code(function)
    if code is None or set(code.co_freevars) - {"__class__"}:  # which `super()` in a method looks up
        return None
    module = ast.parse(Path(code.co_filename).read_text(encoding="utf-8"))
    sort = ast.ClassDef if exercise.kind == "class" else ast.FunctionDef
    lines = code.co_firstlineno
    node = next((one for one in module.body if isinstance(one, sort) and _line(one) <= lines <= one.end_lineno), None)
    if node is None:
        return None
    node.name, node.decorator_list = exercise.name, []
    if isinstance(node, ast.FunctionDef):
        given = next(one for one in ast.parse(cell).body if getattr(one, "name", "") == exercise.name)
        _complete(node.args, given.args)
    helpers = _needed(node, _bindings(module))
    own = OwnFunctions(exercise.name)
    parts = [own.visit(part) for part in [*helpers, node]]
    for name in [one.name for one in helpers if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name in taken]:
        parts = [Renamed(name, f"my_{name}").visit(part) for part in parts]
    if own.uses_own:
        parts[-1:-1] = Renamed(exercise.name, f"right_{exercise.name}").visit(ast.parse(cell)).body
        parts.sort(key=lambda part: not isinstance(part, ast.Import | ast.ImportFrom))
    return "\n".join(_spaced(parts))


def _complete(arguments: ast.arguments, of_stub: ast.arguments) -> None:
    """Give a known answer the last arguments of the stub, which have defaults and carry no marks, in place."""
    missing = of_stub.args[len(arguments.args) :]
    if missing:
        arguments.args += missing
        arguments.defaults += of_stub.defaults[-len(missing) :]


def _code(known: authoring.Function) -> CodeType | None:
    """The code of a function, or of a method that stands in a class; None for a class without methods."""
    parts = vars(known).values() if isinstance(known, type) else (known,)
    return next((part.__code__ for part in parts if isinstance(part, FunctionType)), None)


def _line(node: ast.FunctionDef | ast.ClassDef) -> int:
    """The first line of a function or class, its decorators included, as code objects count."""
    return min(one.lineno for one in [node, *node.decorator_list])


def _spaced(parts: list[ast.stmt]) -> Iterator[str]:
    """The source of each statement, with empty lines around functions and classes."""
    for index, part in enumerate(parts):
        if index and isinstance(part, ast.FunctionDef | ast.ClassDef):
            yield "\n"
        yield ast.unparse(ast.fix_missing_locations(part))


def _bindings(module: ast.Module) -> dict[str, ast.stmt]:
    """What each name of a module of known answers is bound by: one import, a function or a constant."""
    bound: dict[str, ast.stmt] = {}
    for node in module.body:
        match node:
            case ast.Import(names=aliases):
                bound |= {alias.asname or alias.name: ast.Import([alias]) for alias in aliases}
            case ast.ImportFrom(module=source, names=aliases, level=level):
                bound |= {one.asname or one.name: ast.ImportFrom(source, [one], level) for one in aliases}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name != "_":
                bound[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]):
                bound[name] = node
    return {name: node for name, node in bound.items() if name not in AUTHORS_NAMES}


def _needed(node: ast.AST, bindings: Mapping[str, ast.stmt]) -> list[ast.stmt]:
    """The statements, in a module's order, that a function needs, directly or through a helper."""
    names: set[str] = set()
    new = {node}
    while new:
        found = {one.id for part in new for one in ast.walk(part) if isinstance(one, ast.Name)} & bindings.keys()
        new = {bindings[name] for name in found - names}
        names |= found
    return [copy.deepcopy(statement) for name, statement in bindings.items() if name in names]


# ---------------------------------------------------------------- trying out


def define(source: str, exercise: Exercise, namespace: Mapping[str, Any]) -> authoring.Function:
    """The function or class that a cell defines, among other definitions."""
    own = dict(namespace)
    exec(compile(source, "<cell>", "exec"), own)
    return own[exercise.name]


def holds(answer: Answer, name: str, exercise: Exercise, namespace: Mapping[str, Any], public: FrozenAnswers) -> bool:
    """Whether a rewritten answer is judged as the known one is, and gets in the way of no other cell."""
    try:
        if takes_names(answer.source, exercise, namespace):
            return False
        verdict = marks(exercise, define(answer.source, exercise, namespace), public)
    except Exception:
        return False  # it needs what a learner's notebook does not have
    if answer.kind == "mistake":
        return not verdict.passed and verdict.mistake == answer.name
    return verdict.passed and answer.calls <= set(exercise.requires) and fits(answer, name, exercise, public)


def takes_names(source: str, exercise: Exercise, namespace: Mapping[str, Any]) -> bool:
    """Whether a cell binds a name, other than its function's, to something else than the notebook does."""
    own = dict(namespace)  # which a class needs where it is defined
    exec(compile(source, "<cell>", "exec"), own)
    del own[exercise.name]
    taken = {**vars(builtins), **namespace}
    return any(name in taken and taken[name] is not value for name, value in own.items())


def fits(answer: Answer, name: str, exercise: Exercise, public: FrozenAnswers) -> bool:
    """Whether the exercises that call this one still pass: tensors, float32, loops may be right here, trouble there."""
    users = [one for one in exercises.of(name) if exercise.id in all_required(one)]
    if not users:
        return True
    functions = load(solved(name, {exercise.id: answer.source})).functions
    called = exercise.calling(functions[exercise.id])
    outcomes = run.call_all(called, [case.args for case in public.cases], exercise.time_limit)
    same = all(form(one.value) == form(case.expected) for one, case in zip(outcomes, public.cases, strict=True))
    return same and all(passes_at_ease(one, functions[one.id]) for one in users)


class TooManyCalls(Exception):
    """Raised where a function has used up its calls."""


def passes_at_ease(exercise: Exercise, function: authoring.Function) -> bool:
    """Whether a function passes with at most AT_EASE calls, so that it will in time on a slow machine, too.

    Calls are counted, not seconds, since the class must not depend on how busy this machine is.
    """
    left = AT_EASE

    def count_one(*event: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooManyCalls

    sys.setprofile(count_one)
    try:
        return marks(exercise, function, frozen.load(exercise.id)).passed  # an error in the function does not pass
    except TooManyCalls:  # outside the function
        return False
    finally:
        sys.setprofile(None)


def all_required(exercise: Exercise) -> frozenset[str]:
    """The ids of the exercises that an exercise is built on, directly or through others."""
    direct = frozenset(exercise.requires)
    return direct.union(*(all_required(exercises.get(one)) for one in direct))


def form(value: Any) -> Any:
    """What kind of value this is, down to the dtype, but for its numbers."""
    if isinstance(value, tuple | list):
        return (type(value).__name__, *map(form, value))
    if np.isscalar(value):
        return "number"
    return (type(value).__name__, str(getattr(value, "dtype", "")))


def released(name: str) -> NotebookNode:
    """The notebook as learners get it. Raises CourseError where it has not been built."""
    return notebook.read(ROOT / "notebooks" / f"{name}.ipynb")


def solved(name: str, replaced: Mapping[str, str]) -> NotebookNode:
    """The released notebook with the solutions in it, or what replaces them."""
    full = released(name)
    sources = solution_cells(name) | replaced
    for exercise_id, cell in notebook.exercise_cells(full).items():
        cell.source = sources[exercise_id]
    return full


def load(full: NotebookNode) -> notebook.Loaded:
    """The definitions of a notebook that holds any exercises of the course."""
    return notebook.load_definitions(full, {one.id: one.name for one in exercises.all_by_id().values()})


# ---------------------------------------------------------------- mutants


class Swap(ast.NodeTransformer):
    """One node of a tree in another's place."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """The new node for the old one; any other stays."""
        return self.new if node is self.old else self.generic_visit(node)


def mutated(cell: str) -> Iterator[str]:
    """A cell with one small thing changed inside its function, all ways there are."""
    count = len(list(_inside(ast.parse(cell))))
    for index in range(count):
        for number in range(len(list(changes(_inside(ast.parse(cell))[index], frozenset(), "")))):
            tree = ast.parse(cell)
            node = _inside(tree)[index]
            new = list(changes(node, frozenset(), ""))[number]
            yield ast.unparse(ast.fix_missing_locations(Swap(node, copy.deepcopy(new)).visit(tree)))


def _inside(tree: ast.Module) -> list[ast.AST]:
    """The nodes within the functions of a cell, and the methods of its classes, but for their arguments."""
    classes = [part for part in tree.body if isinstance(part, ast.ClassDef)]
    outer = [*tree.body, *(part for one in classes for part in one.body)]
    bodies = [line for function in outer if isinstance(function, ast.FunctionDef) for line in function.body]
    return [node for line in bodies for node in ast.walk(line)]


def some_mutants(
    own: Answer, exercise: Exercise, namespace: Mapping[str, Any], public: FrozenAnswers, rng: random.Random
) -> tuple[Answer, ...]:
    """Mutants of the solution that fail, by value or by an error, on the public inputs and on those of every seed."""
    solution = define(own.source, exercise, namespace)
    inputs = [public, *(FrozenAnswers(judged_cases(exercise, solution, seed), {}) for seed in MUTANT_SEEDS)]
    sources = sorted(set(mutated(own.source)))
    rng.shuffle(sources)
    kept: list[Answer] = []
    for source in sources:
        if len(kept) == MUTANTS:
            break
        function = define(source, exercise, namespace)
        if all(fails(exercise, function, answers) for answers in inputs):
            kept.append(Answer("mutant", f"mutant {len(kept) + 1}", source, calls(source, exercise)))
    return tuple(kept)


def fails(exercise: Exercise, function: authoring.Function, answers: FrozenAnswers) -> bool:
    """Whether a function fails in good time: one that meets the time limit does not count."""
    verdict = verdict_in_time(exercise, function, answers)
    return verdict is not None and not verdict.passed


def verdict_in_time(exercise: Exercise, function: authoring.Function, answers: FrozenAnswers) -> Verdict | None:
    """The verdict on a function, or None where it takes more than MUTANT_SECONDS."""
    outcomes = run.call_all(exercise.calling(function), [case.args for case in answers.cases], MUTANT_SECONDS)
    if any(outcome.timed_out for outcome in outcomes):
        return None
    return judge(exercise, answers.cases, outcomes)
