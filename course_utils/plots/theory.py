"""Pictures of the method itself: affinities, forces, and why distances do not fit into a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from course_utils.plots.figure import DASHES, LINES, MARKERS, WIDTH, Picture, new_picture, styled


@styled
def heatmaps(
    matrices: Mapping[str, np.ndarray],
    *,
    names: Sequence[str] | None = None,
    title: str = "Small matrices",
    alt: str | None = None,
) -> Picture:
    """Small matrices next to each other with their numbers in the cells, e.g. {"P": P, "Q": Q}, on one colour scale.

    `names` are those of the rows and columns.
    """
    figure = new_picture(
        0.8 * WIDTH / max(len(matrices), 2) + 0.7,
        title,
        alt,
        f"Numbers in coloured cells: {'; '.join(matrices)}.",
    )
    grid = figure.subplots(1, len(matrices), squeeze=False)[0]
    largest = max(float(np.max(matrix)) for matrix in matrices.values())
    for axes, (name, matrix) in zip(grid, matrices.items(), strict=True):
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=largest * 1.15)
        for (i, j), value in np.ndenumerate(matrix):
            dark = value > 0.65 * largest
            size = min(11.0, 50 / len(matrix))
            axes.text(
                j,
                i,
                f"{value:.3f}",
                ha="center",
                va="center",
                fontsize=size,
                color="white" if dark else "black",
            )
        for ticks, count in ((axes.set_xticks, matrix.shape[1]), (axes.set_yticks, matrix.shape[0])):
            ticks(range(count), names if names is not None and len(names) == count else range(count))
        axes.set(title=name, xlabel="$j$", ylabel="$i$")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


@styled
def affinity_bells(
    distances: np.ndarray,
    sigmas: Mapping[float, float],
    *,
    title: str = "A larger perplexity widens the Gaussian, so that more neighbours count",
    alt: str | None = None,
) -> Picture:
    """One point's Gaussian for several perplexities, and the affinities that its neighbours get.

    `distances` (n - 1,) are those from the point to all others, `sigmas` maps a perplexity to its sigma.
    """
    shows = "Left: a Gaussian for each perplexity. Right: the affinities of the nearest neighbours."
    figure = new_picture(3.9, title, alt, shows)
    left, right = figure.subplots(1, 2)
    d = np.sort(distances)  # (n - 1,)
    reach = min(d[-1], 3.5 * max(sigmas.values()))
    grid = np.linspace(0, reach, 300)
    for (perplexity, sigma), colour, dash, marker in zip(sigmas.items(), LINES, DASHES, MARKERS, strict=False):
        name = f"perplexity {perplexity:.3g}, $\\sigma$ = {sigma:.3g}"
        left.plot(grid, np.exp(-(grid**2) / (2 * sigma**2)), color=colour, linestyle=dash, linewidth=2, label=name)
        weight = np.exp(-(d**2 - d[0] ** 2) / (2 * sigma**2))
        affinity = weight / weight.sum()
        count = min(len(d), 60)
        right.plot(
            np.arange(1, count + 1),
            affinity[:count],
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=3.5,
        )
    left.plot(d[d <= reach], np.full((d <= reach).sum(), -0.04), "|", color="black", markersize=7)
    left.set(
        xlabel="distance to the point; each tick is a neighbour",
        ylabel="$\\exp(-d^2 / 2\\sigma^2)$",
        ylim=(-0.09, 1.05),
    )
    left.legend(loc="upper right")
    right.set(xlabel="neighbour, nearest first", ylabel="$p_{j|i}$", ylim=(0, None))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def curves(
    x: np.ndarray,
    ys: Mapping[str, np.ndarray],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
    alt: str | None = None,
    log_y: bool = False,
    height: float = 3.9,
) -> Picture:
    """Several curves over the same x (m,), told apart by colour and dashes."""
    figure = new_picture(height, title, alt, f"Curves of {ylabel} against {xlabel}: {'; '.join(ys)}.")
    axes = figure.add_subplot()
    for (name, y), colour, dash in zip(ys.items(), LINES, DASHES, strict=False):
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=2, label=name)
    if log_y:
        axes.set_yscale("log")
    else:
        axes.axhline(0, color="#9aa0a6", linewidth=0.8, zorder=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if len(ys) > 1:
        axes.legend()
    return figure


@styled
def force_curves(
    distances: np.ndarray,
    forces: Mapping[str, np.ndarray],
    *,
    title: str = "SNE's force grows with distance; t-SNE's is bounded and fades",
    alt: str | None = None,
) -> Picture:
    """The force between two points of the map against their distance, (m,) each."""
    labels = {"xlabel": r"distance in the map $\|y_i - y_j\|$", "ylabel": "size of the force"}
    return curves(distances, forces, **labels, title=title, alt=alt)


@styled
def crowding(
    distances: Mapping[int, np.ndarray],
    *,
    title: str = "In many dimensions all points are about equally far: a plane has no room for that",
    alt: str | None = None,
) -> Picture:
    """Distances between pairs of points for several dimensions, each divided by its mean, as histograms."""
    shows = f"Histograms of distances in {', '.join(map(str, distances))} dimensions."
    figure = new_picture(3.9, title, alt, shows)
    axes = figure.add_subplot()
    bins = np.linspace(0, 2.5, 126)
    for (dimension, d), colour, dash in zip(distances.items(), LINES, DASHES, strict=False):
        density, _ = np.histogram(d / np.mean(d), bins, density=True)
        middle = (bins[1:] + bins[:-1]) / 2
        axes.plot(middle, density, color=colour, linestyle=dash, linewidth=2, label=f"{dimension} dimensions")
        axes.fill_between(middle, density, color=colour, alpha=0.12, linewidth=0)
    axes.set(
        xlabel="distance of a pair, divided by the mean distance",
        ylabel="density",
        ylim=(0, None),
        xlim=(0, 2.5),
    )
    axes.legend()
    return figure
