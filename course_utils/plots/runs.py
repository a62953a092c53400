"""Pictures of a run: the cost over iterations, time against n, and a map watched while it is optimised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from course_utils.plots.figure import (
    DASHES,
    GREY,
    LINES,
    MARKERS,
    Picture,
    bare_map_axes,
    new_picture,
    styled,
)
from course_utils.plots.maps import draw_classes, legend_scale, marker_area
from course_utils.plots.theory import curves

LIVE_DPI = 70


@styled
def cost_curve(
    costs: np.ndarray | Mapping[str, np.ndarray],
    *,
    marks: Mapping[int, str] | None = None,
    every: int = 1,
    title: str = "The cost falls",
    alt: str | None = None,
    ylabel: str = "cost: KL(P‖Q), nats",
) -> Picture:
    """The cost (m,) after each `every` iterations, of one run or of several by name.

    `marks` draws a line at an iteration and says what happened there, e.g. {250: "exaggeration ends"}.
    """
    runs = costs if isinstance(costs, Mapping) else {"": costs}
    ends = ", ".join(f"{name} {run[-1]:.3g}".strip() for name, run in runs.items())
    figure = new_picture(3.6, title, alt, f"The cost against the iteration; at the end it is {ends}.")
    axes = figure.add_subplot()
    for (name, run), colour, dash in zip(runs.items(), LINES, DASHES, strict=False):
        iterations = every * np.arange(1, len(run) + 1)
        axes.plot(iterations, run, color=colour, linestyle=dash, linewidth=1.8, label=name)
    if marks:
        axes.margins(y=0.15)  # room for their texts
    for iteration, what in (marks or {}).items():
        axes.axvline(iteration, color=GREY, linewidth=1, linestyle=":")
        axes.annotate(
            f" {what}",
            (iteration, 0.97),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=9,
            color=GREY,
        )
    axes.set(xlabel="iteration", ylabel=ylabel)
    if isinstance(costs, Mapping):
        axes.legend()
    return figure


@styled
def scaling(
    times: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    *,
    title: str = "Seconds against the number of points",
    alt: str | None = None,
    xlabel: str = "points n",
    ylabel: str = "seconds",
) -> Picture:
    """Time against n for several methods, {name: (ns, seconds)}, both axes logarithmic."""
    figure = new_picture(4.6, title, alt, f"Curves of {ylabel} against n: {'; '.join(times)}.")
    axes = figure.add_subplot()
    for (name, (ns, seconds)), colour, dash, marker in zip(times.items(), LINES, DASHES, MARKERS, strict=False):
        axes.plot(ns, seconds, color=colour, linestyle=dash, marker=marker, linewidth=1.8, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted({int(n) for ns, _ in times.values() for n in ns})
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(in_full))
    low, high = axes.get_ylim()
    if high < 100 * low:  # too few powers of ten to read a time from them alone
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(FuncFormatter(in_full))
    axes.grid(visible=True, which="major")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if len(times) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def in_full(number: float, _: int | None = None) -> str:
    """A tick's number without an exponent: 0.00001 beside 0.0001. Matplotlib tells its place too."""
    return np.format_float_positional(number, precision=4, fractional=False, trim="-")


class _Live:
    """One output area of the notebook, drawn anew."""

    _handle: Any = None

    def _draw(self, figure: Picture, dpi: float | None = None) -> None:
        if not _in_notebook():
            return
        from IPython.display import display

        bundle = figure.bundle() if dpi is None else {"text/html": figure.html(dpi), "text/plain": figure.alt}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class WatchTraining(_Live):
    """The course of a training, drawn while it runs, in one output area of the notebook.

        with plots.WatchTraining(800, {"loss": "loss", "satisfied": "share satisfied"}) as watch:
            train(..., callback=watch)

    The training calls `watch(history)` now and then; history["step"] and history[name] are lists that grow. Every
    twentieth part of `steps` the picture is drawn anew, and the last one stays in the saved notebook. `shown` maps
    names in the history to words for the legend.
    """

    def __init__(self, steps: int, shown: Mapping[str, str], *, title: str = "The training so far") -> None:
        self.steps = steps
        self.shown = shown
        self.title = title
        self.history: Mapping[str, Sequence[float]] = {"step": []}
        self._drawn = -1

    def __enter__(self) -> WatchTraining:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.history["step"]:
            self._draw(self.now())

    def __call__(self, history: Mapping[str, Sequence[float]]) -> None:
        """Draw what was measured so far, if its turn has come."""
        self.history = history
        part = int(20 * history["step"][-1] / self.steps)
        if part > self._drawn:
            self._drawn = part
            if _in_notebook():
                self._draw(self.now(), LIVE_DPI)

    def now(self) -> Picture:
        """What was measured up to now, against the step."""
        ys = {words: np.array(self.history[name]) for name, words in self.shown.items()}
        picture = curves(np.array(self.history["step"]), ys, xlabel="step", ylabel="loss, share", title=self.title)
        picture.axes[0].set_xlim(0, self.steps)
        return picture


class Watch(_Live):
    """A map watched while it is optimised, in one output area of the notebook.

        with plots.Watch(labels, every=50) as watch:
            Y, costs = tsne(X, callback=watch)

    The optimiser calls `watch(iteration, Y, cost)`, iterations counted from 1. Every `every` iterations the
    picture is drawn anew; at the end small multiples of the run replace it, and stay in the saved notebook.
    Outside a notebook nothing is drawn, and `story` still makes the small multiples.
    """

    def __init__(self, labels: Any = None, *, every: int = 50, title: str = "The map while it is optimised") -> None:
        self.labels = labels
        self.every = every
        self.title = title
        self.iterations: list[int] = []
        self.costs: list[float] = []
        self.frames: list[tuple[int, np.ndarray]] = []

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.frames:
            self._draw(self.story())

    def __call__(self, iteration: int, Y: Any, cost: float) -> None:
        """Note the cost; keep and draw the map (n, 2) if its turn has come. Y is copied."""
        self.iterations.append(iteration)
        self.costs.append(float(cost))
        if iteration == 1 or iteration % self.every == 0:
            self.frames.append((iteration, np.array(Y, dtype=float)))
            if _in_notebook():
                self._draw(self.now(), LIVE_DPI)

    @styled
    def now(self) -> Picture:
        """The latest map beside the cost up to now."""
        iteration, Y = self.frames[-1]
        shows = f"The map after {iteration} iterations, beside the cost up to now."
        figure = new_picture(4.4, self.title, None, shows)
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        draw_classes(left, Y, self.labels, None, marker_area(len(Y)), at_centres=False)
        bare_map_axes(left)
        left.set_title(f"iteration {iteration}")
        self._draw_cost(right)
        return figure

    @styled
    def story(self, columns: int = 4) -> Picture:
        """The run in small multiples: maps at times spread over it, and the cost."""
        count = min(2 * columns - 1, len(self.frames))
        chosen = [self.frames[i] for i in np.linspace(0, len(self.frames) - 1, count).round().astype(int)]
        shows = f"Maps at iterations {', '.join(str(i) for i, _ in chosen)}, and the cost."
        figure = new_picture(5.6, self.title, None, shows)
        grid = figure.subplots(2, columns).ravel()
        for axes, (iteration, Y) in zip(grid, chosen, strict=False):
            draw_classes(axes, Y, self.labels, None, marker_area(len(Y)) / columns**0.7, at_centres=False)
            bare_map_axes(axes, label=False)
            axes.set_title(f"iteration {iteration}", fontsize=10)
        for axes in grid[count:-1]:
            axes.set_visible(False)
        self._draw_cost(grid[-1])
        grid[-1].yaxis.tick_right()
        grid[-1].spines["left"].set_visible(False)
        grid[-1].spines["right"].set_visible(True)
        if self.labels is not None:
            handles, names = grid[0].get_legend_handles_labels()
            scale = legend_scale(len(chosen[0][1])) * columns**0.35
            figure.legend(handles, names, loc="outside lower center", ncols=10, markerscale=scale)
        return figure

    def _draw_cost(self, axes: Any) -> None:
        axes.plot(self.iterations, self.costs, color=LINES[0], linewidth=1.8)
        axes.set_title("cost: KL(P‖Q), nats", fontsize=10)
        axes.set_xlabel("iteration")


def _in_notebook() -> bool:
    """Whether a kernel runs this code, so that an output area can be drawn anew."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
