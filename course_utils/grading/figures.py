"""The class report's figures: drawn by Matplotlib, and put into the page as SVG that follows the page's theme."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.grading.item_analysis import FAILED, STOPPED, UNANSWERED, Item, Mistake
from course_utils.grading.rendering import line
from course_utils.grading.results import Status
from course_utils.plots.figure import LINES

INK = "#010203"  # stands for the colour of the page's text
FAINT = "#8a939c"  # legible on white and on black
ENDINGS = {
    "right": ((Status.RIGHT,), LINES[0]),
    "by follow-through": ((Status.FOLLOW_THROUGH,), LINES[4]),
    "wrong": (FAILED, LINES[1]),
    "timed out or stopped": (STOPPED, LINES[5]),
    "not solved": (UNANSWERED, FAINT),
}
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "report",  # the same ids each time
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.5,
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "legend.frameon": False,
    "legend.fontsize": 9,
}
WIDTH = 10.0  # inches


@dataclass(frozen=True)
class Drawn:
    """A figure, ready for a page."""

    title: str
    svg: Markup


def points_figure(page_id: str, points: Sequence[float], most: float) -> Drawn:
    """A histogram of the points, at most ten bars, each of a whole number of points."""
    width = max(1, int(np.ceil((most + 1) / 10)))
    edges = np.arange(0, most + 1 + width, width)
    counts, _ = np.histogram(points, edges)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        bars = axes.bar(edges[:-1], counts, width=0.94 * width, align="edge", color=LINES[0])
        axes.bar_label(bars, [str(count) if count else "" for count in counts], padding=2)
        axes.set_xticks(edges)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set(xlabel=f"Points, of {most:g}; a bar holds its left border, not its right one", ylabel="Submissions")

    bounds = zip(edges[:-1], edges[1:], counts, strict=True)
    shows = ", ".join(f"{low:g} to under {high:g}: {count}" for low, high, count in bounds if count)
    return as_svg(f"{page_id}-points", "How many points were earned", f"Submissions by points: {shows}.", 3.2, draw)


def endings_figure(page_id: str, items: Sequence[Item]) -> Drawn:
    """For each exercise, how its submissions ended, and beside it the discrimination."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
        rows, start = np.arange(len(items)), np.zeros(len(items))
        for name, (statuses, colour) in ENDINGS.items():
            shares = np.array([100 * item.share(*statuses) for item in items])
            left.barh(rows, shares, left=start, color=colour, height=0.75, label=name)
            start += shares
        left.set(xlim=(0, 100), xlabel="Share of the submissions, in %")
        figure.legend(loc="outside upper left", ncols=len(ENDINGS), handlelength=1, columnspacing=1.2)
        known = [(row, item.discrimination) for row, item in enumerate(items) if item.discrimination is not None]
        right.axvline(0, color=INK, linewidth=0.6)
        right.hlines([row for row, _ in known], 0, [value for _, value in known], color=LINES[0], linewidth=1.5)
        right.plot([value for _, value in known], [row for row, _ in known], "o", color=LINES[0], markersize=5)
        lowest = min([0.0, *(value for _, value in known)])
        right.set(xlim=(min(lowest - 0.05, -0.1), 1), xlabel="Discrimination")
        right.grid(axis="x")
        right.spines["left"].set_visible(False)
        _names_at_rows(left, [item.title for item in items])
        right.tick_params(axis="y", length=0)

    shows = "; ".join(
        f"{item.title}: {item.difficulty:.0%} of the points, discrimination "
        + (item.undefined if item.discrimination is None else f"{item.discrimination:.2f}")
        for item in items
    )
    height = 1.3 + 0.27 * len(items)
    return as_svg(f"{page_id}-endings", "Difficulty and discrimination of every exercise", f"{shows}.", height, draw)


def mistakes_figure(page_id: str, mistakes: Sequence[Mistake]) -> Drawn:
    """The most frequent named mistakes, as bars."""
    names = [line(f"{one.title}: {one.name}", limit=70) for one in mistakes]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        bars = axes.barh(range(len(names)), [one.count for one in mistakes], color=LINES[1], height=0.7)
        axes.bar_label(bars, padding=3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("Submissions")
        _names_at_rows(axes, names)

    shows = "; ".join(f"{name}: {one.count}" for name, one in zip(names, mistakes, strict=True))
    return as_svg(f"{page_id}-mistakes", "The most frequent named mistakes", f"{shows}.", 0.9 + 0.27 * len(names), draw)


def time_figure(page_id: str, items: Sequence[Item], grading: float) -> Drawn:
    """How long the students' functions took: the median, and a line up to the slowest tenth.

    `grading` is the mean of the seconds that grading a whole submission took.
    """
    timed = [item for item in items if item.seconds]
    floor = 1e-3  # seconds; a logarithmic axis has no 0

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        rows = range(len(timed))
        middle = [max(item.time(0.5) or 0.0, floor) for item in timed]
        slow = [max(item.time(0.9) or 0.0, floor) for item in timed]
        axes.hlines(rows, middle, slow, color=LINES[0], linewidth=2)
        axes.plot(middle, rows, "o", color=LINES[0], markersize=5, label="median")
        axes.plot(slow, rows, "|", color=LINES[0], markersize=9, markeredgewidth=2, label="nine in ten are faster")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("Seconds that a student's function took, all inputs together")
        axes.grid(axis="x")
        figure.legend(loc="outside upper left", ncols=2, handlelength=1)
        _names_at_rows(axes, [item.title for item in timed])

    title = f"Time taken (grading a whole submission took {grading:.2g} s on average)"
    shows = "; ".join(f"{item.title}: median {item.time(0.5):.3g} s, slow {item.time(0.9):.3g} s" for item in timed)
    return as_svg(f"{page_id}-time", title, f"{shows}.", 1.2 + 0.27 * len(timed), draw)


def _names_at_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names at the left, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)


# ---------------------------------------------------------------- SVG


def as_svg(name: str, title: str, description: str, height: float, draw: Callable[[Figure], None]) -> Drawn:
    """A figure as an SVG element of a page: no style but attributes, ids of its own, a title and a description.

    A page whose policy forbids styles in attributes shows it, in the page's own font and colour of text.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(written.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        _set_attributes(element, _attributes(element, name))
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "font-family": "system-ui, sans-serif"}
    root.attrib |= {"aria-labelledby": f"{name}-title {name}-desc", "stroke-linejoin": "round"}
    for place, (kind, text) in enumerate({"title": title, "desc": description}.items()):
        said = ET.Element(kind, {"id": f"{name}-{kind}"})
        said.text = text
        root.insert(place, said)
    return Drawn(title, Markup(ET.tostring(root, encoding="unicode")))


def _attributes(element: ET.Element, name: str) -> dict[str, str]:
    """An element's attributes without namespaces and `style`, with ids that no other figure of the page has."""
    found = {_local(key): value for key, value in element.attrib.items()}
    styles = [part.split(":", 1) for part in found.pop("style", "").split(";") if ":" in part]
    found |= {key.strip(): value.strip() for key, value in styles}
    found.pop("font-family", None)
    identity = found.pop("id", "")
    if element.tag in ("clipPath", "path") and identity:
        found["id"] = f"{name}-{identity}"
    for key, value in found.items():
        value = value.replace("url(#", f"url(#{name}-").replace(INK, "currentColor")
        found[key] = f"#{name}-{value[1:]}" if key == "href" else value
    return found


def _set_attributes(element: ET.Element, attributes: dict[str, str]) -> None:
    element.attrib.clear()
    element.attrib.update(attributes)


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rsplit("}", 1)[-1]
