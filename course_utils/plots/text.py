"""Figures of running text: which words make pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import ListedColormap

from course_utils.plots.figure import LINES, Picture, new_picture, styled


@styled
def pair_mask(
    mask: np.ndarray,
    centres: Sequence[str],
    around: Sequence[str],
    *,
    title: str,
    alt: str | None = None,
) -> Picture:
    """Which of the words `around` (w,) make a pair with which of the `centres` (n,): filled cells of mask (n, w)."""
    shows = f"A table of {len(centres)} centre words by {len(around)} words around them; {int(mask.sum())} are pairs."
    figure = new_picture(1.6 + 0.17 * len(centres), title, alt, shows)
    axes = figure.add_subplot()
    colours = ListedColormap(["#eef0f2", LINES[0]])
    axes.pcolormesh(mask, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(around)) + 0.5, around, rotation=90, fontsize=8)
    axes.set_yticks(np.arange(len(centres)) + 0.5, centres, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="the words fetched once for the whole block", ylabel="centre")
    return figure
