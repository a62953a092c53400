"""Figures of grids: how points share their charge among nodes."""

from __future__ import annotations

import numpy as np

from course_utils.plots.figure import GREY, LINES, Picture, new_picture, styled


@styled
def stencils(
    m: int,
    nodes: np.ndarray,
    weights: np.ndarray,
    *,
    title: str = "Each point shares its charge among the nine nodes around it",
    alt: str | None = None,
) -> Picture:
    """The square grid of m x m nodes, and how points spread their charge over it.

    nodes (n, 9) number the nodes row * m + column, weights (n, 9) are the shares. Each point is drawn where its
    shares have their centre of mass; the area of a node's disc is the size of the charge that it received.
    """
    figure = new_picture(
        5.2, title, alt, f"A grid of {m} x {m} nodes with {len(nodes)} points; nodes near a point are larger."
    )
    axes = figure.add_subplot()
    rows, columns = np.divmod(np.arange(m * m), m)
    axes.scatter(columns, rows, s=3, color=GREY, linewidths=0, label="node")
    received = np.bincount(nodes.ravel(), weights.ravel(), minlength=m * m)  # (m * m,)
    for sign, colour, name in ((1, LINES[0], "charge received"), (-1, LINES[5], "negative charge received")):
        chosen = sign * received > 1e-9
        axes.scatter(
            columns[chosen], rows[chosen], s=60 * np.abs(received[chosen]), color=colour, alpha=0.8, label=name
        )
    places = np.stack([(weights * (nodes % m)).sum(1), (weights * (nodes // m)).sum(1)])  # (2, n)
    axes.scatter(*places, marker="x", s=28, color=LINES[1], linewidths=1.4, label="point")
    axes.set(aspect="equal", xlabel="column of the grid", ylabel="row of the grid")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
