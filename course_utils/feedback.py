"""Feedback in words: from a verdict to the sentences that a learner reads, as plain text and as HTML.

The HTML takes its colours from JupyterLab's theme, so that it reads as well in a dark theme as in a light one.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from course_utils.frozen import FrozenAnswers
from course_utils.judge import Outcome, Verdict
from course_utils.judge.compare import show
from course_utils.judge.verdict import as_plain_argument

EDGES = {
    "good": "--jp-success-color1, #388e3c",
    "bad": "--jp-warn-color1, #f57c00",
    "neutral": "--jp-info-color1, #0288d1",
}


@dataclass(frozen=True)
class Story:
    """What a check tells, ready to be rendered: a headline, sentences, and labelled blocks of values."""

    passed: bool
    headline: str
    sentences: tuple[str, ...]
    blocks: tuple[tuple[str, str], ...] = ()


class Note:
    """A short text for the learner that shows itself in a terminal and, as HTML, in a notebook."""

    def __init__(self, text: str, html_text: str | None = None) -> None:
        self.text = text
        self.html = html_text or box("neutral", f"<div>{inline(html.escape(text))}</div>")

    def __repr__(self) -> str:
        """The note as plain text."""
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def tell(
    verdict: Verdict, answers: FrozenAnswers, outcomes: list[Outcome], attempts: int, unsolved: list[str]
) -> Story:
    """The story of a verdict: what passed, the first case that failed with its small input, what differs, what next.

    `unsolved` names functions that this exercise calls and that do not pass their own checks yet.
    """
    exercise = verdict.exercise
    count = len(verdict.cases)
    passed = sum(case.passed for case in verdict.cases)
    extra = _remarks(exercise.kind, outcomes)
    if verdict.passed:
        points = f"{verdict.points:g} point{'s' * (verdict.points != 1)}"
        return Story(True, f"{exercise.title}: right. {count} of {count} cases pass, {points}.", extra)
    index = verdict.first_failure
    assert index is not None
    case = answers.cases[index]
    difference = verdict.cases[index].difference
    assert difference is not None
    sentences = []
    what = f"First case that fails: {case.label}."
    if verdict.mistake is not None:
        # the pattern of the differences would only distract from what is known to be wrong
        sentences.extend([answers.sentences[verdict.mistake], what])
    else:
        sentences.append(f"{what} {difference.message}")
    sentences.extend(extra)
    if unsolved:
        names = ", ".join(f"`{name}`" for name in unsolved)
        sentences.append(f"It calls {names}, not solved yet: mend that first.")
    if attempts >= 2:
        sentences.append(f'If you are stuck, `hint("{exercise.id}")` gives the next hint.')
    blocks = [(f"input {name}", show(as_plain_argument(value))) for name, value in exercise.named(case.args)]
    if difference.expected:
        blocks.append(("expected", difference.expected))
    if difference.got:
        blocks.append(("got", difference.got))
    headline = f"{exercise.title}: not yet. {passed} of {count} cases pass, 0 of {exercise.points} points."
    return Story(False, headline, tuple(sentences), tuple(blocks))


def _remarks(kind: str, outcomes: list[Outcome]) -> tuple[str, ...]:
    """What NumPy or torch warned of, and what the function, or class, printed."""
    remarks = []
    warned = next((outcome.warned for outcome in outcomes if outcome.warned), "")
    if warned:
        end = "" if warned.endswith((".", "!", "?")) else "."
        remarks.append(f"While it ran there was a warning: {warned}{end}")
    printed = next((outcome.printed.strip() for outcome in outcomes if outcome.printed.strip()), "")
    if printed:
        remarks.append(f"Your {kind} printed: {printed[:200]}")
    return tuple(remarks)


def as_text(story: Story) -> str:
    """A story as plain text."""
    lines = [f"{'✓' if story.passed else '✗'} {plain(story.headline)}"]
    lines.extend(f"  {plain(sentence)}" for sentence in story.sentences)
    for label, text in story.blocks:
        lines.append(f"  {label}:")
        lines.extend(f"    {line}" for line in plain(text).splitlines())
    return "\n".join(lines)


def as_html(story: Story) -> str:
    """A story as HTML; everything in it is escaped."""
    parts = [f"<div><b>{'✓' if story.passed else '✗'} {inline(html.escape(story.headline))}</b></div>"]
    parts.extend(f"<div style='margin-top:4px'>{inline(html.escape(sentence))}</div>" for sentence in story.sentences)
    cells = "".join(
        f"<div><div style='opacity:.7'>{html.escape(label)}</div>"
        f"<pre style='margin:0;background:transparent;color:inherit'>{html.escape(plain(text))}</pre></div>"
        for label, text in story.blocks
    )
    if cells:
        parts.append(f"<div style='display:flex;flex-wrap:wrap;gap:24px;margin-top:8px'>{cells}</div>")
    return box("good" if story.passed else "bad", "".join(parts))


def box(mood: str, content: str) -> str:
    """HTML content in a box with a coloured left edge: good, bad or neutral."""
    return (
        f"<div style='border-left:4px solid var({EDGES[mood]});padding:8px 12px;margin:4px 0;"
        f"background:var(--jp-layout-color2, rgba(128,128,128,.08));color:var(--jp-content-font-color1, inherit)'>"
        f"{content}</div>"
    )


def inline(escaped: str) -> str:
    """Code in backticks becomes <code>, line breaks become <br>; the text must be escaped already."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped).replace("\n", "<br>")


def plain(text: str) -> str:
    """Text without control characters, so that nothing a function returns can move a terminal's cursor."""
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
