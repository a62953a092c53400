"""`earlier("01_sne_to_tsne")`: the learner's own answers from an earlier notebook, where they pass their checks."""

from __future__ import annotations

import contextlib
import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils import exercises, feedback, frozen, notebook, run
from course_utils.errors import CourseError
from course_utils.exercises.spec import Exercise
from course_utils.judge import judge

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

Function = Callable[..., Any]


@dataclass(frozen=True)
class Source:
    """Where a function came from: the learner's notebook or a library, or nowhere, and why not the learner's."""

    exercise: Exercise
    function: Function | None
    own: bool
    why: str = ""

    @property
    def words(self) -> str:
        """In a few words, for the table."""
        if self.own:
            return "yours"
        return f"a library's ({self.why})" if self.function else f"missing ({self.why})"


class Earlier:
    """The functions of an earlier notebook as attributes; shows itself as a table of where each came from."""

    def __init__(self, name: str, sources: list[Source], remark: str) -> None:
        self._name, self._remark = name, remark
        self._sources = {source.exercise.name: source for source in sources}

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._sources:
            raise CourseError(f"Notebook {self._name} has no exercise `{name}`; it has {', '.join(self._sources)}.")
        source = self._sources[name]
        if source.function is None:
            raise CourseError(
                f"`{name}` is needed from notebook {self._name}, where it is {source.why}: solve the exercise "
                f"“{source.exercise.title}” there and save the notebook, then run this cell again."
            )
        return source.function

    def __dir__(self) -> list[str]:
        return sorted(self._sources)

    def __repr__(self) -> str:
        """The table as plain text."""
        width = max(map(len, self._sources))
        lines = [f"From notebook {self._name}:", *([self._remark] if self._remark else [])]
        return "\n".join(lines + [f"  {name:{width}}  {one.words}" for name, one in self._sources.items()])

    def _repr_html_(self) -> str:
        style = "text-align:left;padding:0 12px 0 0"
        rows = "".join(
            f"<tr><td style='{style}'><code>{html.escape(name)}</code></td>"
            f"<td style='{style}'>{html.escape(one.words)}</td></tr>"
            for name, one in self._sources.items()
        )
        remark = f"<div>{html.escape(self._remark)}</div>" if self._remark else ""
        heading = f"<div>From notebook <b>{html.escape(self._name)}</b>:</div>{remark}"
        return feedback.box("neutral", f"{heading}<table style='border-collapse:collapse'>{rows}</table>")


def earlier(name: str) -> Earlier:
    """The functions that an earlier notebook asked for: the learner's where they pass, else a library's.

    The learner's notebook is read as it was last saved, and only its definitions are run. Raises CourseError for a
    notebook that the course does not have; everything else becomes a remark in the table.
    """
    specs = exercises.of(name)
    remark = ""
    loaded = notebook.Loaded()
    try:
        saved = notebook.read(place_of(name))
    except CourseError as error:
        remark = str(error)
    else:
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            loaded = notebook.load_definitions(saved, {spec.id: spec.name for spec in specs})
        remark = " ".join(loaded.problems[:3])
    return Earlier(name, [choose(spec, loaded.functions.get(spec.id)) for spec in specs], remark)


def place_of(name: str) -> Path:
    """The file of an earlier notebook: beside the one that runs (solutions find solutions), or in notebooks/."""
    beside = Path.cwd() / f"{name}.ipynb"
    return beside if beside.exists() else NOTEBOOKS / f"{name}.ipynb"


def choose(spec: Exercise, function: Any) -> Source:
    """The learner's function where it passes the public cases, else a library's, else none."""
    why = fault(spec, function)
    if not why:
        return Source(spec, function, own=True)
    return Source(spec, spec.library, own=False, why=why)


def fault(spec: Exercise, function: Any) -> str:
    """Why the learner's function cannot be used, in a few words; empty where it passes."""
    if not callable(function):
        return "not found in your notebook"
    answers = frozen.load(spec.id)
    inputs = [case.args for case in answers.cases]
    outcomes = run.call_all(spec.calling(function), inputs, spec.time_limit, spec.largest)
    if outcomes[0].error_type == "NotImplementedError":
        return "not solved yet"
    if judge(spec, answers.cases, outcomes).passed:
        return ""
    return "your own takes too long" if outcomes[-1].timed_out is not None else "your own does not pass its check yet"
