"""Notebooks as files: read and write them, find exercise cells, and take from them what they define.

The definitions of a notebook are its imports, functions, classes and constants. They are taken without
running its experiments, so a function can be judged, or used elsewhere, however long the notebook would run.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import os
import tempfile
import warnings
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from course_utils.errors import CourseError
from course_utils.run import TimeLimit, TimeLimitReached, last_line

if TYPE_CHECKING:
    from nbformat import NotebookNode

TRANSPARENT_MAGICS = ("%%time", "%%capture", "%%prun")  # cell magics under which definitions still count

# Calls that may stand on the right of a constant: they make small values and have no effects.
CONSTANT_CALLS = frozenset(
    {"array", "asarray", "arange", "linspace", "zeros", "ones", "full", "eye", "tensor", "sqrt", "log", "exp"}
    | {"float16", "float32", "float64", "int32", "int64", "finfo", "dtype", "device", "pick_device"}
    | {"default_rng", "Generator", "manual_seed", "SeedSequence", "Path", "namedtuple", "NewType", "TypeVar"}
    | {"int", "float", "bool", "str", "range", "tuple", "list", "dict", "set", "frozenset", "len"}
    | {"min", "max", "partial", "cache", "lru_cache", "globals", "hasattr", "isinstance", "is_available"}
    | {"errstate", "catch_warnings", "suppress", "no_grad", "inference_mode"}
)

NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


# ---------------------------------------------------------------- files


def read(path: Path) -> NotebookNode:
    """Read an `.ipynb` file as nbformat 4.5. Raises CourseError for a missing or damaged one."""
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells without an id are given one
            notebook = nbformat.read(path, as_version=4)
            cells = notebook.cells
    except FileNotFoundError:
        raise CourseError(f"There is no notebook {path.name} in the folder {path.parent.name}/.") from None
    except Exception as error:  # nbformat raises many kinds for files that are no notebooks
        raise CourseError(
            f"{path.parent.name}/{path.name} cannot be read as a notebook ({type(error).__name__}): "
            f"get a fresh copy of it, or the last version that opened."
        ) from error
    if not isinstance(cells, list):
        raise CourseError(f"{path.parent.name}/{path.name} has no cells: get a fresh copy of it.")
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """A notebook as the text of its file."""
    import nbformat

    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, atomically, and only where the file would change."""
    write_text(path, as_text(notebook))


def write_text(path: Path, text: str) -> None:
    """Write a text file, atomically, and only where it would change; makes its folder."""
    if path.exists() and path.read_bytes() == text.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def from_script(path: Path) -> NotebookNode:
    """The notebook that a percent script describes (author's side: needs Jupytext)."""
    try:
        import jupytext
    except ModuleNotFoundError:
        raise CourseError(
            "Jupytext, which authors need, is not installed: `python3 start.py test` installs it."
        ) from None
    if not path.exists():
        raise CourseError(f"There is no script {path.name} in the folder {path.parent.name}/.")
    return jupytext.read(path, fmt="py:percent")


# ---------------------------------------------------------------- cells


def source_of(cell: Mapping[str, Any]) -> str:
    """A cell's text, which files may hold as one string or as lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(str(line) for line in source)


def grading_of(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """A cell's nbgrader metadata; empty where it has none."""
    metadata = cell.get("metadata", {})
    grading = metadata.get("nbgrader", {}) if isinstance(metadata, Mapping) else {}
    return grading if isinstance(grading, Mapping) else {}


def exercise_of(cell: Mapping[str, Any]) -> str | None:
    """The id of the exercise whose answer this cell holds, or None."""
    grading = grading_of(cell)
    grade_id = grading.get("grade_id")
    answers = grading.get("solution") and not grading.get("grade")
    return grade_id if answers and isinstance(grade_id, str) else None


def checked_by(cell: Mapping[str, Any]) -> str | None:
    """The id of the exercise that this cell checks, or None."""
    grading = grading_of(cell)
    grade_id = grading.get("grade_id")
    if grading.get("grade") and isinstance(grade_id, str) and grade_id.startswith("check-"):
        return grade_id.removeprefix("check-")
    return None


def exercise_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The answer cells of a notebook, by exercise; of copies with the same id, the last."""
    return {exercise: cell for cell in notebook.cells if (exercise := exercise_of(cell)) is not None}


# ---------------------------------------------------------------- definitions


@dataclass(frozen=True)
class Statement:
    """One definition, compiled: what it binds, its line in the cell, and whether it is an assignment."""

    code: CodeType
    binds: frozenset[str]
    line: int
    assigns: bool


@dataclass(frozen=True)
class CellDefinitions:
    """What one code cell defines; `number` counts code cells from 1, as In [1] does after Run All."""

    number: int
    statements: tuple[Statement, ...] = ()
    left_out: frozenset[str] = frozenset()  # names that its other statements, the experiments, bind
    problem: str | None = None  # a sentence where the cell cannot be read
    exercise: str | None = None
    checks: str | None = None


@dataclass
class Loaded:
    """The definitions of a notebook as objects.

    `functions` has, by exercise id, the function or class as it was when its check would have run: it sees the
    definitions above that place, which are in `namespaces`, and none from below, so a name that is used again later
    changes nothing.
    """

    names: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    namespaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def definitions(notebook: NotebookNode) -> list[CellDefinitions]:
    """What each code cell of a notebook defines; a cell that cannot be read is its own problem only."""
    code_cells = [cell for cell in notebook.cells if cell.get("cell_type") == "code"]
    found, flags = [], 0
    for number, cell in enumerate(code_cells, start=1):
        who = {"exercise": exercise_of(cell), "checks": checked_by(cell)}
        try:
            answers = who["exercise"] is not None
            statements, left_out, flags = _statements(source_of(cell), f"<cell {number}>", flags, answers)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            what = error.msg if isinstance(error, SyntaxError) else type(error).__name__
            problem = f"Code cell {number}{line} cannot be read: {what}."
            found.append(CellDefinitions(number, problem=problem, **who))
        else:
            found.append(CellDefinitions(number, statements, left_out, **who))
    return found


def load_definitions(notebook: NotebookNode, names: Mapping[str, str]) -> Loaded:
    """Make the definitions of a notebook; `names` maps exercise ids to the names of their functions or classes.

    Never raises for what a cell holds: what cannot be made is left out and said in `problems`.
    """
    cells = definitions(notebook)
    loaded = Loaded(problems=[cell.problem for cell in cells if cell.problem])
    everything = make_namespace(cells, loaded.problems)
    for exercise, name in names.items():
        namespace = namespace_of(cells, exercise, name, [])
        if name in namespace:
            loaded.functions[exercise] = everything[name] = namespace[name]
            loaded.namespaces[exercise] = namespace
    loaded.names = everything
    return loaded


def namespace_of(
    cells: list[CellDefinitions], exercise: str, name: str, problems: list[str], seconds: float | None = None
) -> dict[str, Any]:
    """The definitions as they were when an exercise's check would have run; empty where no cell defines its function.

    `problems` and `seconds` are those of `make_namespace`.
    """
    end = _end_of(cells, exercise, name)
    return {} if end is None else make_namespace(cells[:end], problems, seconds)


def make_namespace(cells: list[CellDefinitions], problems: list[str], seconds: float | None = None) -> dict[str, Any]:
    """Run the definitions of cells in a new namespace; adds a sentence to `problems` for each that fails.

    What is computed from something that an experiment would have made is left out without a word: a constant, or a
    function with such a default. Each statement may take `seconds`; None sets no limit.
    """
    unmade: set[str] = set()
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    for cell in cells:
        unmade |= cell.left_out
        for statement in cell.statements:
            try:
                with TimeLimit(seconds) if seconds else contextlib.nullcontext():
                    exec(statement.code, namespace)
            except KeyboardInterrupt:
                raise
            except TimeLimitReached:
                unmade |= statement.binds
                problems.append(f"Code cell {cell.number}, line {statement.line} was stopped after {seconds:g} s.")
            except BaseException as error:
                unmade |= statement.binds
                if isinstance(error, NameError) and error.name in unmade:
                    continue
                if statement.assigns and isinstance(error, Exception):
                    continue  # it may be computed from what an experiment fills
                problems.append(f"Code cell {cell.number}, line {statement.line} fails: {last_line(error)}.")
    return namespace


def _end_of(cells: list[CellDefinitions], exercise: str, name: str) -> int | None:
    """How many cells an exercise's function sees: those above its check, as when the check runs.

    A learner may have answered below the check, or may have lost it; then those up to the function's last definition.
    None where no cell defines the function.
    """
    checks = next((index for index, cell in enumerate(cells) if cell.checks == exercise), None)
    defining = [i for i, cell in enumerate(cells) if any(name in one.binds for one in cell.statements)]
    if checks is not None and any(index < checks for index in defining):
        return checks
    return defining[-1] + 1 if defining else None


def _statements(
    source: str, filename: str, flags: int, answers: bool
) -> tuple[tuple[Statement, ...], frozenset[str], int]:
    """The compiled definitions in a cell's source, the names that the rest binds, and the `__future__` flags.

    Where the cell answers an exercise, a constant may also be made by a function or class of the cell's own.
    """
    try:
        tree = ast.parse(source, filename)
    except SyntaxError:  # IPython's transformer takes much longer than Python's parser, and few cells need it
        tree = ast.parse(_without_magics(source), filename)
    statements = []
    left_out: set[str] = set()
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)} if answers else set()
    calls = CONSTANT_CALLS | own
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                feature = getattr(__future__, alias.name, None)
                flags |= feature.compiler_flag if feature else 0
        if _defines(node, calls):
            module = ast.Module([node], [])
            code = compile(module, filename, "exec", flags=flags, dont_inherit=True)
            assigns = not isinstance(node, (*NAMED, ast.Import, ast.ImportFrom, ast.Try))
            statements.append(Statement(code, _bound(node), node.lineno, assigns))
        else:
            left_out |= _bound(node)
    return tuple(statements), frozenset(left_out), flags


def _without_magics(source: str) -> str:
    """A cell's source as Python, line by line: magics become calls, which define nothing."""
    from IPython.core.inputtransformer2 import TransformerManager

    first_word = source.split(maxsplit=1)[:1]
    if not first_word:
        return ""
    if first_word[0] in TRANSPARENT_MAGICS:
        skipped = source.index("%%")
        line_end = source.find("\n", skipped)
        source = "" if line_end < 0 else source[:skipped] + "pass" + source[line_end:]
    return TransformerManager().transform_cell(source)


def _defines(node: ast.stmt, calls: Set[str]) -> bool:
    """Whether a statement is a definition: an import, function, class, or constant, or a block of these.

    `calls` are the names that a constant may call.
    """
    match node:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Assign(targets=targets, value=value):
            return all(map(_is_plain_target, targets)) and _is_constant(value, calls)
        case ast.AnnAssign(target=target, value=value) | ast.AugAssign(target=target, value=value):
            return _is_plain_target(target) and value is not None and _is_constant(value, calls)
        case ast.If(test=test) if not _is_constant(test, calls):
            return False
        case ast.With(items=items) if not all(_is_constant(item.context_expr, calls) for item in items):
            return False
        case ast.If() | ast.With() | ast.Try():
            return all(isinstance(part, ast.Pass) or _defines(part, calls) for part in _parts(node))
    return False


def _parts(node: ast.If | ast.With | ast.Try) -> list[ast.stmt]:
    """The statements in a block, in all of its branches."""
    handled = [line for handler in getattr(node, "handlers", []) for line in handler.body]
    return [*node.body, *getattr(node, "orelse", []), *getattr(node, "finalbody", []), *handled]


def _is_plain_target(target: ast.expr) -> bool:
    """A name, or a tuple or list of names: an assignment to `x[0]` or `x.y` changes and does not define."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_plain_target, target.elts))
    return isinstance(target, ast.Name)


def _is_constant(node: ast.expr, calls: Set[str]) -> bool:
    """Whether this is a literal, name or lambda, arithmetic or a choice of these, or a call of one of `calls`."""
    match node:
        case ast.Constant() | ast.Name() | ast.Lambda():
            return True
        case ast.Attribute(value=value):
            return _is_constant(value, calls)
        case ast.UnaryOp(operand=operand):
            return _is_constant(operand, calls)
        case ast.BinOp(left=left, right=right):
            return _is_constant(left, calls) and _is_constant(right, calls)
        case ast.Subscript(value=value, slice=index):
            return _is_constant(value, calls) and _is_constant(index, calls)
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) | ast.BoolOp(values=items):
            return all(_is_constant(item, calls) for item in items)
        case ast.Compare(left=left, comparators=others):
            return all(_is_constant(item, calls) for item in [left, *others])
        case ast.IfExp(test=test, body=body, orelse=other):
            return all(_is_constant(item, calls) for item in (test, body, other))
        case ast.Dict(keys=keys, values=values):
            return all(item is not None and _is_constant(item, calls) for item in [*keys, *values])
        case ast.Call(func=function, args=args, keywords=keywords):
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            inner = function.value if isinstance(function, ast.Attribute) else ast.Constant(None)
            inputs = [inner, *args, *(keyword.value for keyword in keywords)]
            return name in calls and all(_is_constant(item, calls) for item in inputs)
    return False


def _bound(node: ast.stmt) -> frozenset[str]:
    """The names that a definition binds."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return frozenset({name})
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return frozenset(alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case ast.Try() | ast.If() | ast.With():
            return frozenset().union(*map(_bound, _parts(node)))
    names = (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))
    return frozenset(name.id for name in names if isinstance(name.ctx, ast.Store))
