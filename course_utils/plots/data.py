"""Figures of the data itself: rows of images, bars by class, a large matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm

from course_utils.plots.figure import GREY, LINES, Picture, new_picture, styled


@styled
def image_row(
    images: np.ndarray,
    captions: Sequence[Any] | None = None,
    *,
    title: str = "Some pictures",
    alt: str | None = None,
    framed: bool = True,
) -> Picture:
    """Pictures (m, h, w) or (m, h, w, 3) in one row, each with its caption below; the first is `framed`."""
    m = len(images)
    side = min(8.6 / m, 1.5)
    shows = f"{m} pictures: {', '.join(map(str, captions))}." if captions is not None else f"{m} pictures."
    figure = new_picture(side + (0.75 if captions is not None else 0.5), title, alt, shows, width=max(m * side, 6))
    for i, axes in enumerate(figure.subplots(1, m, squeeze=False)[0]):
        axes.imshow(images[i], cmap="gray_r", interpolation="nearest")
        axes.set(xticks=[], yticks=[], xlabel="" if captions is None else str(captions[i]))
        marked = framed and i == 0
        axes.spines[:].set(visible=True, color=LINES[1] if marked else "#bdbdbd", linewidth=2.5 if marked else 0.8)
    return figure


@styled
def bars(
    heights: Sequence[float],
    names: Sequence[Any],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
    alt: str | None = None,
    errors: Sequence[float] | None = None,
) -> Picture:
    """Bars with their names below and their heights above; `errors` are drawn as whiskers."""
    written = [f"{height:.3g}" for height in heights]
    shows = f"{ylabel} by {xlabel}: {', '.join(f'{n} {h}' for n, h in zip(names, written, strict=True))}."
    figure = new_picture(3.4, title, alt, shows)
    axes = figure.add_subplot()
    drawn = axes.bar(range(len(written)), heights, yerr=errors, color=LINES[0], width=0.7, ecolor="black", capsize=3)
    axes.bar_label(drawn, written, fontsize=9, padding=2)
    axes.margins(y=0.12)  # room for the labels
    axes.set_xticks(range(len(written)), names)
    axes.tick_params(axis="x", length=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


@styled
def strips(
    values: Mapping[str, np.ndarray],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
    alt: str | None = None,
) -> Picture:
    """Columns of dots, one for each name and a dot for each run, with a bar at the mean; 0 is a line."""
    means = [float(np.mean(ys)) for ys in values.values()]
    written = ", ".join(f"{' '.join(name.split())} {mean:.3g}" for name, mean in zip(values, means, strict=True))
    figure = new_picture(3.8, title, alt, f"Dots of {ylabel} by {xlabel}; means: {written}.")
    axes = figure.add_subplot()
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    for place, (ys, mean) in enumerate(zip(values.values(), means, strict=True)):
        spread = np.linspace(-0.18, 0.18, len(ys)) if len(ys) > 1 else np.zeros(1)
        axes.plot(
            place + spread, ys, "o", color=LINES[0], alpha=0.7, markersize=5, label="one run" if not place else None
        )
        bar = {"color": LINES[1], "linewidth": 2.5, "label": "mean" if not place else None}
        axes.plot([place - 0.3, place + 0.3], [mean, mean], **bar)
    axes.set_xticks(range(len(values)), values)
    axes.tick_params(axis="x", length=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def matrix(
    M: np.ndarray,
    *,
    classes: np.ndarray | None = None,
    title: str,
    alt: str | None = None,
    value_name: str = "$p_{ij}$",
) -> Picture:
    """A large matrix (n, n) as a picture, dark for large; with `classes` (n,), sorted, lines between the classes.

    Colours run with the square root, for most affinities are very small.
    """
    shows = f"A {len(M)} by {len(M)} matrix as a picture, dark where entries are large."
    figure = new_picture(6.4, title, alt, shows)
    axes = figure.add_subplot()
    drawn = axes.imshow(
        M, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=np.quantile(M, 0.999)), interpolation="nearest"
    )
    figure.colorbar(drawn, ax=axes, label=value_name, shrink=0.8, extend="max")
    axes.set(xlabel="$j$", ylabel="$i$")
    if classes is not None:
        names, starts, counts = np.unique(classes, return_index=True, return_counts=True)
        for start in starts[1:]:
            axes.axhline(start - 0.5, color="#D55E00", linewidth=0.5)
            axes.axvline(start - 0.5, color="#D55E00", linewidth=0.5)
        middles = starts + counts / 2 - 0.5
        axes.set(xlabel="class of $j$", ylabel="class of $i$")
        axes.set_xticks(middles, names)
        axes.set_yticks(middles, names)
        axes.tick_params(length=0)
    return figure
