"""What a learner has solved, remembered between sessions in `.course/progress.json` of the project folder."""

from __future__ import annotations

import contextlib
import html
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from course_utils import exercises, feedback

# Tests and builds run notebooks with a record of their own, so that the learner's says what the learner solved.
FILE = Path(os.environ.get("COURSE_PROGRESS") or Path(__file__).parents[1] / ".course" / "progress.json")
TO_DO = ("·", "to do")


def read() -> dict[str, dict[str, Any]]:
    """The record of every exercise tried: points, attempts, hints seen. A missing or damaged file reads as empty."""
    try:
        record = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and all(isinstance(entry, dict) for entry in record.values()) else {}


def write(record: dict[str, dict[str, Any]]) -> None:
    """Write the record atomically. In a folder that cannot be written, progress lasts as long as nobody reads it."""
    with contextlib.suppress(OSError):
        FILE.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=FILE.parent, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(record, stream, indent=1)
        os.replace(name, FILE)


def remember(exercise_id: str, won: float, tried: bool) -> int:
    """Remember the result of a check; a solved exercise stays solved. Returns the number of attempts so far."""
    everything = read()
    entry = everything.setdefault(exercise_id, {})
    entry["points"] = max(won, _number(entry, "points"))
    entry["attempts"] = int(_number(entry, "attempts")) + int(tried)
    write(everything)
    return entry["attempts"]


def next_hint(exercise_id: str, count: int) -> int:
    """Which hint is next (0, 1, ...), counting up and round."""
    everything = read()
    entry = everything.setdefault(exercise_id, {})
    number = int(_number(entry, "hints")) % count
    entry["hints"] = number + 1
    write(everything)
    return number


def points(everything: dict[str, dict[str, Any]], exercise_id: str) -> float:
    """The points that a record holds for an exercise."""
    return _number(everything.get(exercise_id, {}), "points")


def _number(entry: dict[str, Any], key: str) -> float:
    value = entry.get(key, 0)
    return value if isinstance(value, int | float) else 0


def progress() -> feedback.Note:
    """The course at a glance: points of every notebook, and each exercise of those that are begun and not finished."""
    done = read()
    lines, parts = [], []
    for notebook in exercises.MODULES:
        specs = exercises.of(notebook)
        states = [(*_state(done.get(spec.id, {})), points(done, spec.id)) for spec in specs]
        head = f"{notebook}: {sum(won for *_, won in states):g} of {sum(spec.points for spec in specs)} points"
        begun = any(mark != TO_DO[0] for mark, *_ in states) and not all(won for *_, won in states)
        lines.append(head)
        rows = []
        for spec, (mark, word, won) in zip(specs, states, strict=True):
            if begun:
                lines.append(f"  {mark} {spec.title:<42} {spec.dots}  {won:g}/{spec.points}  {word}")
            cells = (f"{mark} {html.escape(spec.title)}", spec.dots, f"{won:g}/{spec.points}", word)
            rows.append("<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>")
        table = f"<table style='border-collapse:collapse'>{''.join(rows)}</table>"
        parts.append(f"<details{' open' * begun}><summary><b>{head}</b></summary>{table}</details>")
    return feedback.Note("\n".join(lines), feedback.box("neutral", "".join(parts)))


def _state(entry: dict[str, Any]) -> tuple[str, str]:
    if _number(entry, "points") > 0:
        return "✓", "solved"
    attempts = int(_number(entry, "attempts"))
    return ("○", f"tried {attempts} time{'s' * (attempts != 1)}") if attempts else TO_DO
