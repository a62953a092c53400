"""Maps: points coloured by class or value, thumbnails, words, and several maps side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from course_utils.plots.figure import (
    GREY,
    LINES,
    Picture,
    bare_map_axes,
    colours_and_markers,
    new_picture,
    styled,
)

HALO = [withStroke(linewidth=3, foreground="white")]


@styled
def scatter_map(
    Y: np.ndarray,
    labels: Any = None,
    *,
    names: Mapping[Any, str] | None = None,
    notes: Mapping[str, np.ndarray] | None = None,
    title: str = "A map",
    alt: str | None = None,
    height: float = 6.0,
) -> Picture:
    """A map (n, 2), coloured by label, each class with its colour and marker shape.

    Class names (`names[label]`, or the label) stand at the classes' medians. With `notes` = {text: place (2,)} the
    texts that fit stand on the map instead, each above its place, and the classes in a legend on the right.
    """
    figure = new_picture(height, title, alt, f"A map of {len(Y):,} points{_in_classes(labels)}.")
    axes = figure.add_subplot()
    draw_classes(axes, Y, labels, names, marker_area(len(Y)), at_centres=notes is None)
    bare_map_axes(axes)
    if notes is not None:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=legend_scale(len(Y)))
        _settle(figure)
        above = marker_area(len(Y)) ** 0.5 / 2 + 3
        place_words(axes, np.array(list(notes.values())), list(notes), lift=above)
    return figure


@styled
def value_map(
    Y: np.ndarray,
    values: np.ndarray,
    *,
    value_name: str,
    title: str = "A map",
    alt: str | None = None,
    height: float = 6.0,
) -> Picture:
    """A map (n, 2), coloured by a number for each point, `values` (n,)."""
    figure = new_picture(height, title, alt, f"A map of {len(Y):,} points coloured by {value_name}.")
    axes = figure.add_subplot()
    drawn = axes.scatter(Y[:, 0], Y[:, 1], c=values, s=marker_area(len(Y)), cmap="viridis", linewidths=0)
    figure.colorbar(drawn, ax=axes, label=value_name, shrink=0.8)
    bare_map_axes(axes)
    return figure


@styled
def map_with_images(
    Y: np.ndarray,
    images: np.ndarray,
    labels: Any = None,
    *,
    values: np.ndarray | None = None,
    value_name: str = "",
    groups: Mapping[str, np.ndarray] | None = None,
    side: float = 0.25,
    title: str = "A map",
    alt: str | None = None,
    height: float = 7.0,
) -> Picture:
    """A map (n, 2) with as many thumbnails as fit without overlap, over points coloured by label or value.

    `images` is (n, h, w), shown dark on light, or (n, h, w, 3) in colour with values in [0, 1].
    With `values`, each thumbnail has a frame in its value's colour. Of the `groups` {name: rows} every picture is
    shown, also over another, in a frame of the group's colour. `side` is a thumbnail's, in inches.
    """
    figure = new_picture(height, title, alt, f"A map of {len(Y):,} points with thumbnails{_in_classes(labels)}.")
    axes = figure.add_subplot()
    if values is None:
        draw_classes(axes, Y, labels, None, marker_area(len(Y)), at_centres=False)
        frames = [GREY] * len(Y)
    else:
        drawn = axes.scatter(Y[:, 0], Y[:, 1], c=values, s=marker_area(len(Y)), cmap="viridis", linewidths=0)
        figure.colorbar(drawn, ax=axes, label=value_name, shrink=0.8)
        frames = drawn.to_rgba(values)
    bare_map_axes(axes)
    if groups:
        handles = [
            axes.plot([], [], "s", color=colour, label=name)[0] for name, colour in zip(groups, LINES, strict=False)
        ]
        figure.legend(handles, groups, loc="outside lower center", ncols=4)
    _settle(figure)
    zoom = 72 * side / max(images.shape[1:3])
    pixels = side * figure.dpi

    def thumbnail(i: int, colour: Any, width: float) -> None:
        picture = OffsetImage(images[i], zoom=zoom, cmap="gray_r", interpolation="nearest")
        frame = {"edgecolor": colour, "linewidth": width, "facecolor": "white"}
        axes.add_artist(AnnotationBbox(picture, Y[i], pad=0.05, bboxprops=frame))

    for i in _apart(axes.transData.transform(Y), 1.15 * pixels, axes.bbox):
        thumbnail(i, frames[i], 0.6 if values is None else 1.8)
    for rows, colour in zip((groups or {}).values(), LINES, strict=False):
        for i in rows:
            thumbnail(i, colour, 2.6)
    return figure


@styled
def map_with_words(
    Y: np.ndarray,
    words: Sequence[str],
    *,
    highlight: Sequence[str] = (),
    title: str = "A map of words",
    alt: str | None = None,
    height: float = 8.0,
) -> Picture:
    """A map (n, 2) with as many words as fit without overlap; the rest are grey dots.

    Words are placed in the given order, those in `highlight` first and in colour, as are their dots, also where
    there is no room for the word.
    """
    figure = new_picture(height, title, alt, f"A map of {len(Y):,} words.")
    axes = figure.add_subplot()
    axes.scatter(Y[:, 0], Y[:, 1], s=4, color="#b4b8bd", linewidths=0)
    marked = np.isin(words, list(highlight))
    axes.scatter(Y[marked, 0], Y[marked, 1], s=26, color="#C04000", marker="D", linewidths=0)
    bare_map_axes(axes)
    _settle(figure)
    place_words(axes, Y, words, highlight, fontsize=7.0, gap=3.0)
    return figure


@styled
def word_regions(
    Y: np.ndarray,
    words: Sequence[str],
    regions: Mapping[str, Sequence[str]],
    *,
    radius: float,
    highlight: Sequence[str] = (),
    title: str = "Regions of a map of words",
    alt: str | None = None,
) -> Picture:
    """A map (n, 2) seen from near: one square for each region {heading: words whose median is its centre}.

    Each square reaches `radius`, in the map's units, from its centre.
    """
    rows = -(-len(regions) // 2)
    figure = new_picture(4.3 * rows + 0.5, title, alt, f"Regions of the map: {', '.join(regions)}.")
    grid = figure.subplots(rows, 2, squeeze=False).ravel()
    place = {word: Y[i] for i, word in enumerate(words)}
    for axes, (heading, group) in zip(grid, regions.items(), strict=False):
        x, y = np.median([place[word] for word in group], axis=0)
        axes.scatter(Y[:, 0], Y[:, 1], s=5, color="#b4b8bd", linewidths=0)
        bare_map_axes(axes, label=False)
        axes.set_aspect("equal", adjustable="box")
        axes.set(xlim=(x - radius, x + radius), ylim=(y - radius, y + radius))
        axes.set_title(heading, fontsize=10)
    for axes in grid[len(regions) :]:
        axes.set_visible(False)
    _settle(figure)
    for axes in grid[: len(regions)]:
        place_words(axes, Y, words, highlight)
    return figure


def place_words(
    axes: Axes,
    Y: np.ndarray,
    words: Sequence[str],
    highlight: Sequence[str] = (),
    fontsize: float = 8.0,
    gap: float = 1.0,
    lift: float = 0.0,
) -> None:
    """Write words at their points where there is room, with `gap` pixels around each. Needs a laid-out figure.

    With `lift` they begin so many typographic points above theirs, so that a marker there stays to be seen.
    """
    renderer = axes.figure.canvas.get_renderer()
    marked = set(highlight)
    taken: list[Bbox] = []
    left, right, bottom, top = *axes.get_xlim(), *axes.get_ylim()
    for i in sorted(range(len(words)), key=lambda i: words[i] not in marked):
        if not (left <= Y[i, 0] <= right and bottom <= Y[i, 1] <= top):
            continue
        text = axes.annotate(
            words[i], Y[i], (0, lift), textcoords="offset points", fontsize=fontsize, ha="center", path_effects=HALO
        )
        text.set_va("bottom" if lift else "center")
        if words[i] in marked:
            text.set(color="#C04000", fontweight="bold", fontsize=fontsize + 1)
        box = text.get_window_extent(renderer).padded(gap)
        inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
        if inside and not any(box.overlaps(other) for other in taken):
            taken.append(box)
        else:
            text.remove()


@styled
def maps_side_by_side(
    maps: Sequence[np.ndarray],
    labels: Any = None,
    *,
    titles: Sequence[str],
    names: Mapping[Any, str] | None = None,
    columns: int = 3,
    title: str = "Maps side by side",
    alt: str | None = None,
    at_centres: bool = False,
    same_scale: bool = False,
) -> Picture:
    """Small multiples: maps (n, 2), each with its own title above it, and the classes in one legend.

    `labels` holds one label a point for all maps, or is a list with the labels of each map.
    """
    columns = min(columns, len(maps))
    rows = -(-len(maps) // columns)
    shows = f"{len(maps)} maps: {'; '.join(titles)}."
    figure = new_picture(rows * (8.6 / columns) + 0.9, title, alt, shows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=same_scale, sharey=same_scale).ravel()
    each = labels if isinstance(labels, list) else [labels] * len(maps)
    for axes, Y, own, heading in zip(grid, maps, each, titles, strict=False):
        draw_classes(axes, Y, own, names, marker_area(len(Y)) / columns**0.7, at_centres)
        bare_map_axes(axes, label=False)
        axes.set_title(heading, fontsize=10)
    for axes in grid[len(maps) :]:
        axes.set_visible(False)
    entries = {}  # a class may be missing from some of the maps
    for axes in grid[: len(maps)]:
        handles, written = axes.get_legend_handles_labels()
        entries |= dict(zip(written, handles, strict=True))
    if len(entries) > 1 and not at_centres:
        scale = legend_scale(len(maps[0])) * columns**0.35
        place = {"loc": "outside lower center", "ncols": min(len(entries), 10)}
        figure.legend(entries.values(), entries.keys(), markerscale=scale, **place)
    return figure


def draw_classes(
    axes: Axes, Y: np.ndarray, labels: Any, names: Mapping[Any, str] | None, area: float, at_centres: bool
) -> None:
    """Scatter each class with its colour and marker; write the names at the classes' medians if asked to."""
    if labels is None:
        axes.scatter(Y[:, 0], Y[:, 1], s=area, color=colours_and_markers(1)[0][0], linewidths=0)
        return
    labels = np.asarray(labels)
    classes = np.unique(labels)
    for label, (colour, marker) in zip(classes, colours_and_markers(len(classes)), strict=True):
        own = Y[labels == label]
        name = str(names[label] if names else label)
        axes.scatter(own[:, 0], own[:, 1], s=area, color=colour, marker=marker, linewidths=0, label=name)
        if at_centres:
            axes.text(*np.median(own, axis=0), name, ha="center", va="center", fontweight="bold", path_effects=HALO)


def _in_classes(labels: Any) -> str:
    """The words of an alternative text that name the classes."""
    if labels is None:
        return ""
    classes = [str(label) for label in np.unique(np.asarray(labels))]
    return f" in {len(classes)} classes: {', '.join(classes)}"


def _settle(figure: Picture) -> None:
    """Lay the figure out now and for good, so that positions on the screen can be computed."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def marker_area(n: int) -> float:
    """A marker's area in points², smaller where there are more points."""
    return float(np.clip(9000 / max(n, 1), 3.0, 36.0))


def legend_scale(n: int) -> float:
    """How much larger a legend's markers are than the map's, so that their shapes can be read."""
    return (30.0 / marker_area(n)) ** 0.5


def _apart(points: np.ndarray, distance: float, box: Bbox) -> list[int]:
    """Indices of points inside a box, taken in order, no two closer than `distance` along both axes."""
    kept: list[int] = []
    for i, (x, y) in enumerate(points):
        if not box.padded(-distance / 2).contains(x, y):
            continue
        near = np.abs(points[kept] - (x, y)) < distance if kept else np.zeros((0, 2), bool)
        if not near.all(axis=1).any():
            kept.append(i)
    return kept
