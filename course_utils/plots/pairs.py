"""Figures of pairs of pictures: the pairs themselves, their distances, and what a threshold decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from course_utils.plots.figure import DASHES, GREY, LINES, Picture, new_picture, styled

BINS = 60


@styled
def picture_pairs(
    first: np.ndarray,
    second: np.ndarray,
    captions: Sequence[Any],
    *,
    title: str,
    alt: str | None = None,
) -> Picture:
    """Pairs of pictures, (m, h, w) grey or (m, h, w, 3) each: one above the other, with the pair's caption below."""
    m = len(first)
    side = min(8.6 / m, 1.3)
    shows = f"{m} pairs of pictures: {', '.join(map(str, captions))}."
    figure = new_picture(2 * side * first.shape[1] / first.shape[2] + 0.9, title, alt, shows, width=max(m * side, 6))
    rows = figure.subplots(2, m, squeeze=False)
    for axes, picture in zip(rows.ravel(), [*first, *second], strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#bdbdbd", linewidth=0.8)
    for axes, caption in zip(rows[1], captions, strict=True):
        axes.set_xlabel(str(caption), fontsize=9)
    return figure


@styled
def distance_histograms(
    d: np.ndarray,
    y: np.ndarray,
    *,
    title: str,
    threshold: float | None = None,
    xlabel: str = "distance",
    alt: str | None = None,
) -> Picture:
    """How far apart same pairs (y = 0) and different pairs (y = 1) are, d and y (m,), each kind by itself."""
    apart = [f"{name} pairs at {np.median(d[y == kind]):.2f}" for kind, name in enumerate(("same", "different"))]
    figure = new_picture(3.6, title, alt, f"Two histograms of {xlabel}; medians: {', '.join(apart)}.")
    axes = figure.add_subplot()
    draw_histograms(axes, d, y, threshold)
    axes.set_xlabel(xlabel)
    return figure


def draw_histograms(axes: Axes, d: np.ndarray, y: np.ndarray, threshold: float | None) -> None:
    """Both histograms, each with area 1, and a line at the threshold."""
    edges = np.linspace(0, np.quantile(d, 0.999), BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    for kind, name in enumerate(("same (y = 0)", "different (y = 1)")):
        density, _ = np.histogram(d[y == kind], edges, density=True)
        axes.plot(middle, density, color=LINES[kind], linestyle=DASHES[kind], linewidth=2, label=name)
        axes.fill_between(middle, density, color=LINES[kind], alpha=0.15, linewidth=0)
    if threshold is not None:
        axes.axvline(threshold, color="black", linewidth=1.2, label="threshold")
    axes.set(ylabel="density", ylim=(0, None), xlim=(0, edges[-1]))
    axes.legend()


@styled
def pair_decision(
    pictures: np.ndarray,
    distance: float,
    d: np.ndarray,
    y: np.ndarray,
    threshold: float,
    *,
    title: str,
    alt: str | None = None,
) -> Picture:
    """Two pictures (2, h, w) or (2, h, w, 3), and where their distance lies among the distances d of pairs (m,)."""
    shows = f"Two pictures at distance {distance:.2f}, beside histograms of same and different pairs."
    figure = new_picture(3.4, title, alt, shows)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.7))
    for axes, picture in zip(left.subplots(1, 2), pictures, strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color=GREY, linewidth=0.8)
    axes = right.subplots()
    draw_histograms(axes, d, y, threshold)
    axes.plot(distance, 0, marker="^", color="black", markersize=11, clip_on=False, zorder=5, label="this pair")
    axes.set_xlabel("distance in the embedding")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(fontsize=8, ncols=2, loc="upper center")
    return figure
