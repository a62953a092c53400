"""The author's half of an exercise: known mistakes, other right answers, and mutants shown to be equivalent.

It lives in `solutions/known_answers/`, one module a notebook, and is never released.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from course_utils import exercises, notebook
from course_utils.errors import CourseError
from course_utils.run import last_line

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = ROOT / "solutions"

Function = Callable[..., Any]


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation, by name, and the sentence that a learner reads whose outputs are the same."""

    name: str
    sentence: str
    function: Function


class Solution:
    """The definitions of a solution notebook as attributes; its script is read when one is asked for."""

    def __init__(self, name: str) -> None:
        self._notebook = name

    @functools.cached_property
    def _loaded(self) -> notebook.Loaded:
        return load_solution(self._notebook)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._loaded.names:
            problems = " ".join(self._loaded.problems)
            raise CourseError(f"solutions/{self._notebook}.py does not define `{name}`. {problems}".rstrip())
        return self._loaded.names[name]


class KnownAnswers:
    """The known wrong and right answers to the exercises of one notebook."""

    def __init__(self, notebook_name: str) -> None:
        self.notebook = notebook_name
        self.solution = Solution(notebook_name)
        self.mistakes: dict[str, dict[str, Mistake]] = {}
        self.alternatives: dict[str, dict[str, Function]] = {}
        self.equivalents: dict[str, dict[str, str]] = {}
        self._ids = {exercise.id for exercise in exercises.of(notebook_name)}

    def mistake(self, exercise_id: str, name: str, sentence: str) -> Callable[[Function], Function]:
        """Decorate a wrong implementation; `sentence` is what a good teacher would say to it."""

        def keep(function: Function) -> Function:
            self._add(self.mistakes, exercise_id, name, Mistake(name, sentence, function))
            return function

        return keep

    def alternative(self, exercise_id: str, name: str) -> Callable[[Function], Function]:
        """Decorate a right implementation that is written in another way than the solution."""

        def keep(function: Function) -> Function:
            self._add(self.alternatives, exercise_id, name, function)
            return function

        return keep

    def equivalent(self, exercise_id: str, mutant: str, why: str) -> None:
        """Say why a mutant of the solution, named as by `course validate`, computes the same."""
        self._add(self.equivalents, exercise_id, mutant, why)

    def _add(self, kind: dict[str, dict[str, Any]], exercise_id: str, name: str, what: Any) -> None:
        if exercise_id not in self._ids:
            raise CourseError(f"The known answers of {self.notebook} name an unknown exercise {exercise_id!r}.")
        entries = kind.setdefault(exercise_id, {})
        if name in entries:
            raise CourseError(f"The known answers of {exercise_id!r} use the name {name!r} twice.")
        entries[name] = what


def script_of(notebook_name: str) -> Path:
    """The percent script of a solved notebook."""
    return SOLUTIONS / f"{notebook_name}.py"


def known_answers_of(notebook_name: str) -> list[Path]:
    """The modules with the known answers of a notebook: NAME.py and, for parts of it, NAME_part.py."""
    return sorted((SOLUTIONS / "known_answers").glob(f"{exercises.MODULES[notebook_name]}*.py"))


@functools.cache
def load_solution(notebook_name: str) -> notebook.Loaded:
    """The definitions of a solution notebook."""
    solution = SimpleNamespace(cells=solution_cells(notebook_name))
    return notebook.load_definitions(solution, {one.id: one.name for one in exercises.of(notebook_name)})


def solution_cells(notebook_name: str) -> list[Mapping[str, Any]]:
    """The cells of a solution: of the executed notebook where that was made from this script, else of the script.

    The former is plain JSON; Jupytext takes seconds to be imported, which each of an instructor's processes would wait.
    """
    executed = SOLUTIONS / f"{notebook_name}.ipynb"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(executed.read_text(encoding="utf-8"))
        if content["metadata"]["course"]["sources"]["script"] == hash_of_files([script_of(notebook_name)]):
            return content["cells"]
    return load_script(notebook_name).cells


def hash_of_files(paths: list[Path]) -> str:
    """One hash of the names and contents of files; a missing file counts as empty, line ends as Unix's."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            content = content.replace(b"\r\n", b"\n")
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def load_script(notebook_name: str) -> NotebookNode:
    """The notebook that a script describes, with its exercise and check cells marked."""
    script = notebook.from_script(script_of(notebook_name))
    mark_exercises(script)
    return script


def mark_exercises(script: NotebookNode) -> None:
    """Give exercise and check cells nbgrader's metadata, in place.

    An exercise cell has `exercise="id"` in its header; a check cell is a code cell of exactly `check("id")`.
    """
    specs = exercises.all_by_id()
    checks = {f'check("{exercise_id}")': exercise_id for exercise_id in specs}
    for cell in script.cells:
        exercise_id = cell.metadata.pop("exercise", None)
        if exercise_id is not None:
            cell.metadata["nbgrader"] = _grading(exercise_id, grade=False)
        elif cell.cell_type == "code" and cell.source.strip() in checks:
            checked = checks[cell.source.strip()]
            points = {"points": specs[checked].points}
            cell.metadata["nbgrader"] = _grading(f"check-{checked}", grade=True) | points


def _grading(grade_id: str, grade: bool) -> dict[str, Any]:
    """nbgrader's metadata, schema 3: an answer cell, or the locked cell that checks it."""
    kind = {"grade": grade, "solution": not grade, "locked": grade, "task": False}
    return {"schema_version": 3, "grade_id": grade_id, **kind}


@functools.cache
def load(notebook_name: str) -> KnownAnswers:
    """The known answers of a notebook, from its module and those of its parts; none where there is no module.

    Raises CourseError for a broken one.
    """
    known = KnownAnswers(notebook_name)
    for path in known_answers_of(notebook_name):
        part = _load_module(path)
        for kind in ("mistakes", "alternatives", "equivalents"):
            for exercise_id, entries in getattr(part, kind).items():
                for name, what in entries.items():
                    known._add(getattr(known, kind), exercise_id, name, what)
    return known


def _load_module(path: Path) -> KnownAnswers:
    """The `known` of one module of known answers."""
    spec = importlib.util.spec_from_file_location(f"known_answers_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.known
    except CourseError:
        raise
    except Exception as error:
        what = last_line(error)
        raise CourseError(f"solutions/known_answers/{path.name} cannot be loaded: {what}") from error
