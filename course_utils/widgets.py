"""Pictures to be moved: controls above a picture that is drawn anew, with a still picture where no widgets run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
from scipy.stats import entropy

from course_utils import metrics, plots

DPI = 100
WIDE = {"layout": ipywidgets.Layout(width="480px"), "style": {"description_width": "90px"}}


class Explorer:
    """Controls by name above a picture: `draw(**values)` makes the picture for the controls' values.

    The last line of a cell shows it. Where a notebook is only read (on a web page, or printed) there is no kernel to
    redraw the picture, and `still()` is shown instead. Setting `controls[name].value` is the same as moving it.
    """

    def __init__(
        self,
        controls: Mapping[str, ipywidgets.Widget],
        draw: Callable[..., plots.Picture],
        still: Callable[[], plots.Picture],
    ) -> None:
        self.controls = dict(controls)
        self.still = still
        self._html = functools.lru_cache(maxsize=64)(lambda *values: draw(**dict(values)).html(DPI))
        self.shown = ipywidgets.HTML()
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()

    def _redraw(self, change: Any = None) -> None:
        self.shown.value = self._html(*((name, control.value) for name, control in self.controls.items()))

    def _ipython_display_(self) -> None:
        from IPython.display import display

        box = ipywidgets.VBox([*self.controls.values(), self.shown])
        display({**box._repr_mimebundle_(), **self.still().bundle()}, raw=True)


def perplexity_explorer(
    maps: Mapping[float, Sequence[np.ndarray]],
    labels: np.ndarray,
    notes: Mapping[float, Sequence[str]],
    *,
    title: str = "The same data at several perplexities",
) -> Explorer:
    """Move through maps made beforehand: {perplexity: one map (n, 2) for each start}, coloured by `labels` (n,).

    `notes` has the form of `maps` and says what was measured on each map; it stands in the title. The still picture
    shows the first start of every perplexity.
    """
    starts = range(1, min(map(len, maps.values())) + 1)
    controls = {
        "perplexity": ipywidgets.SelectionSlider(options=list(maps), description="perplexity", **WIDE),
        "start": ipywidgets.SelectionSlider(options=list(starts), description="start", **WIDE),
    }

    def draw(perplexity: float, start: int) -> plots.Picture:
        heading = f"Perplexity {perplexity:g}, start {start}: {notes[perplexity][start - 1]}"
        return plots.scatter_map(maps[perplexity][start - 1], labels, title=heading, height=5.0)

    def still() -> plots.Picture:
        headings = [f"perplexity {perplexity:g}" for perplexity in maps]
        return plots.maps_side_by_side([each[0] for each in maps.values()], labels, titles=headings, title=title)

    return Explorer(controls, draw, still)


def sigma_explorer(distances: np.ndarray, *, title: str = "How far one point looks") -> Explorer:
    """Move the width sigma of one point's Gaussian and see its neighbours' affinities and its perplexity.

    `distances` (n - 1,) are those from the point to all others; sigma runs over the range in which the perplexity
    goes from 1 to nearly n - 1.
    """
    d = np.sort(distances)  # (n - 1,)
    shown = min(len(d), 60)

    def affinities(sigma: float) -> np.ndarray:
        p = np.exp(-(d**2 - d[0] ** 2) / (2 * sigma**2))
        return p / p.sum()

    def draw(sigma: float) -> plots.Picture:
        p = affinities(sigma)
        heading = f"σ = {sigma:.3g}: perplexity {np.exp(entropy(p)):.1f}"
        curve = {"affinity": p[:shown]}
        labels = {"xlabel": "neighbour, nearest first", "ylabel": "$p_{j|i}$"}
        picture = plots.curves(np.arange(1, shown + 1), curve, title=heading, **labels)
        picture.axes[0].set_ylim(-0.02, 1)  # the same for every sigma, so that the curve is seen to flatten
        return picture

    def still() -> plots.Picture:
        widths = {float(np.exp(entropy(affinities(sigma)))): float(sigma) for sigma in d[0] * np.array([0.2, 0.4, 0.8])}
        return plots.affinity_bells(d, widths, title=title)

    low, high = np.log10(d[0] / 10), np.log10(d[-1])
    slider = ipywidgets.FloatLogSlider(value=d[0] / 3, min=low, max=high, step=0.02, description="σ", **WIDE)
    return Explorer({"sigma": slider}, draw, still)


def word_explorer(
    words: Sequence[str],
    vectors: np.ndarray,
    shown: Sequence[str],
    Y: np.ndarray,
    *,
    start: str,
    k: int = 8,
    title: str = "A word, its neighbours, and its place",
) -> Explorer:
    """Type a word: its k nearest by cosine, and where it and they lie on a map.

    `words` and their `vectors` (n, d) are all that can be typed; Y (m, 2) is a map of the words in `shown`. A word that
    is not known is said to be so; one that has no place on the map is marked only by its neighbours. `title` stands
    above what is found.
    """
    index = {word: i for i, word in enumerate(words)}
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)  # (n, d)

    def draw(word: str) -> plots.Picture:
        typed = word.strip().lower()
        if typed not in index:
            return plots.map_with_words(
                Y, shown, title=f"“{typed}” is not among these {len(words):,} words", height=5.5
            )
        cosines = unit @ unit[index[typed]]
        nearest = [i for i in np.argsort(-cosines)[: k + 1] if i != index[typed]][:k]
        near = [f"{words[i]} {cosines[i]:.2f}" for i in nearest]
        marked = [typed, *(words[i] for i in nearest)]
        heading = f"{title}\n{typed}: {', '.join(near)}"
        return plots.map_with_words(Y, shown, highlight=marked, title=heading, height=5.5)

    box = ipywidgets.Text(value=start, description="word", continuous_update=False, **WIDE)
    return Explorer({"word": box}, draw, lambda: draw(start))


def pair_explorer(
    pictures: np.ndarray,
    E: np.ndarray,
    identity: np.ndarray,
    names: Sequence[str],
    *,
    start: tuple[int, int],
    title: str = "Same or different?",
) -> Explorer:
    """Choose two of n pictures and a threshold: their distance, the decision, and both error rates of all pairs.

    `pictures` (n, h, w) grey or (n, h, w, 3); embeddings E (n, d), identities (n,) and different `names` of each. A
    pair is accepted as the same if its distance is at most the threshold, which begins at the equal error rate.
    """
    i, j = np.triu_indices(len(E), 1)
    d, y = np.sqrt(((E[i] - E[j]) ** 2).sum(1)), (identity[i] != identity[j]).astype(int)  # (m,), 0 same, 1 different
    far, tar, thresholds = metrics.roc(d, y)
    equal = float(thresholds[np.argmin(np.abs(far - (1 - tar)))])
    top = float(np.ceil(10 * d.max()) / 10)
    options = [(name, row) for row, name in enumerate(names)]
    controls = {
        "first": ipywidgets.Dropdown(options=options, value=start[0], description="picture 1", **WIDE),
        "second": ipywidgets.Dropdown(options=options, value=start[1], description="picture 2", **WIDE),
        "threshold": ipywidgets.FloatSlider(
            value=round(equal, 2), min=0, max=top, step=0.01, description="threshold", **WIDE
        ),
    }

    def draw(first: int, second: int, threshold: float) -> plots.Picture:
        distance = float(np.sqrt(((E[first] - E[second]) ** 2).sum()))
        accepted, same = distance <= threshold, identity[first] == identity[second]
        decision = f"{'same' if accepted else 'different'} ({'right' if accepted == same else 'wrong'})"
        rates = f"FAR {np.mean(d[y == 1] <= threshold):.1%}, FRR {np.mean(d[y == 0] > threshold):.1%}"
        heading = f"{title} Distance {distance:.2f}: {decision}. Threshold {threshold:.2f}: {rates}"
        return plots.pair_decision(pictures[[first, second]], distance, d, y, threshold, title=heading)

    return Explorer(controls, draw, lambda: draw(*start, round(equal, 2)))
