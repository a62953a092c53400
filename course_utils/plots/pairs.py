"""Figures of pairs of pictures: the pairs themselves, their distances, and what a threshold decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

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
    figure.get_layout_engine().set(h_pad=0.01, hspace=0.0)  # the two of a pair touch
    rows = figure.subplots(2, m, squeeze=False)
    for axes, picture in zip(rows.ravel(), [*first, *second], strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#bdbdbd", linewidth=0.8)
        axes.set_anchor("S" if axes in rows[0] else "N")
    for axes, caption in zip(rows[1], captions, strict=True):
        axes.set_xlabel(str(caption), fontsize=9)
    return figure


@styled
def picture_table(
    pictures: np.ndarray,
    headings: Sequence[str],
    captions: Sequence[Sequence[Any]],
    *,
    title: str,
    alt: str | None = None,
) -> Picture:
    """Pictures (r, c, h, w) grey in rows and columns, a heading above each column, a caption below each picture."""
    r, c = pictures.shape[:2]
    shows = f"{r} rows of pictures: {', '.join(headings)}."
    side = min(8.6 / c, 1.3)
    height = r * (side * pictures.shape[2] / pictures.shape[3] + 0.35) + 0.8
    figure = new_picture(height, title, alt, shows, width=max(c * side * 1.15, 6))
    for row, each, below in zip(figure.subplots(r, c, squeeze=False), pictures, captions, strict=True):
        for axes, picture, caption in zip(row, each, below, strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(str(caption), fontsize=9)
            axes.spines[:].set(visible=True, color="#bdbdbd", linewidth=0.8)
    for axes, heading in zip(figure.axes[:c], headings, strict=True):
        axes.set_title(heading, fontsize=10, loc="center")
    return figure


@styled
def siamese(first: np.ndarray, second: np.ndarray, *, title: str, alt: str | None = None) -> Picture:
    """Two pictures (h, w) grey go through one network: its two embeddings, |f1 - f2|, and a head's answer."""
    shows = (
        "Two pictures, each with an arrow to a box f with weights theta; a line says that both boxes are one network. "
        "The embeddings f1 and f2 meet in |f1 - f2|, from which a head makes p(y = 1)."
    )
    figure = new_picture(3.6, title, alt, shows)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 3.4), aspect="equal")
    axes.axis("off")
    box = {"boxstyle": "round,pad=0.45", "facecolor": "#e8f1f8", "edgecolor": LINES[0], "linewidth": 1.5}
    plain = {"boxstyle": "square,pad=0.35", "facecolor": "white", "edgecolor": GREY}
    arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.4, "shrinkA": 2, "shrinkB": 2}
    centred = {"ha": "center", "va": "center", "fontsize": 12}
    for number, (picture, y) in enumerate(zip((first, second), (2.6, 0.8), strict=True), start=1):
        half = 0.65 * picture.shape[1] / picture.shape[0]
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(0.7 - half, 0.7 + half, y - 0.65, y + 0.65))
        axes.text(3, y, r"$f(\cdot\,; \theta)$", bbox=box, **centred)
        axes.text(5, y, f"$f_{number}$", bbox=plain, **centred)
        axes.annotate("", (2.35, y), (0.8 + half, y), arrowprops=arrow)
        axes.annotate("", (4.65, y), (3.65, y), arrowprops=arrow)
        axes.annotate("", (6.2, 1.7 + 0.25 * np.sign(y - 1.7)), (5.35, y), arrowprops=arrow)
    axes.annotate("", (3, 1.25), (3, 2.15), arrowprops={"arrowstyle": "<->", "color": LINES[1], "linewidth": 1.6})
    axes.text(3.15, 1.7, "tied weights", color=LINES[1], fontsize=10, va="center")
    axes.text(6.9, 1.7, "$|f_1 - f_2|$", bbox=plain, **centred)
    axes.text(8.3, 1.7, "head", bbox=box, **centred)
    axes.text(9.5, 1.7, "$p(y = 1)$", **centred)
    axes.annotate("", (7.85, 1.7), (7.6, 1.7), arrowprops=arrow)
    axes.annotate("", (9.05, 1.7), (8.75, 1.7), arrowprops=arrow)
    axes.set(xlim=(0, 10), ylim=(0, 3.4), xticks=[], yticks=[])
    return figure


@styled
def roc(
    rates: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    title: str,
    at: float = 0.01,
    alt: str | None = None,
) -> Picture:
    """ROC curves {name: (far, tar)} with a logarithmic axis of false accepts, chance, and a line at FAR `at`."""
    figure = new_picture(3.9, title, alt, f"Curves of true-accept rate against false-accept rate: {'; '.join(rates)}.")
    axes = figure.add_subplot()
    least = min(far[far > 0].min() for far, _ in rates.values())
    for (name, (far, tar)), colour, dash in zip(rates.items(), LINES, DASHES, strict=False):
        axes.plot(
            np.maximum(far, least), tar, color=colour, linestyle=dash, linewidth=2, label=name, drawstyle="steps-post"
        )
    chance = np.geomspace(least, 1, 100)
    axes.plot(chance, chance, color=GREY, linewidth=1, label="chance")
    axes.axvline(at, color="black", linewidth=1, linestyle=":", label=f"FAR {at:.0%}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.3g}"))
    axes.set(xlabel="false-accept rate (FAR)", ylabel="true-accept rate (TAR)", ylim=(0, 1.02))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
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
