"""What every figure of the course shares: size, palette, style, and a picture with alternative text."""

from __future__ import annotations

import base64
import functools
import html
import io
import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

WIDTH = 9.0  # inches, a notebook's width
DPI = 130
CSS_PIXELS_PER_INCH = 96

# Okabe and Ito (2008), Color Universal Design: eight colours that all kinds of colour vision tell apart.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
SOLID, DASHED, DOTTED, MIXED = "-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2))
DASHES: tuple[Any, ...] = (SOLID, DASHED, DOTTED, MIXED, SOLID, DASHED, DOTTED)
# Petroff (2021), Accessible color sequences for data visualization: ten colours made for the same purpose; the
# darker of its two greys is darker here, so that small points tell them apart.
CLASSES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#2b2d33", "#92dadd",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#5f6368"

STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": "black",
    "axes.facecolor": "white",
    "axes.edgecolor": GREY,
    "axes.labelcolor": "black",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#e3e5e8",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


class Picture(Figure):
    """A Matplotlib figure that a notebook shows as an image with alternative text.

    It belongs to no window and to no pyplot state: the last line of a cell shows it.
    JupyterLab gives a plain PNG output no alternative text, so the picture is written as an HTML image.
    """

    alt = ""

    def png(self, dpi: float = DPI) -> bytes:
        """The picture as PNG, reduced to 256 colours, which makes it about three times smaller."""
        drawn = io.BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(drawn, format="png", dpi=dpi)
        drawn.seek(0)
        small = io.BytesIO()
        with_few_colours(Image.open(drawn).convert("RGB")).save(small, "png", optimize=True)
        return small.getvalue()

    def html(self, dpi: float = DPI) -> str:
        """The picture as one `<img>` element that holds its own data, on white in every theme."""
        data = base64.b64encode(self.png(dpi)).decode()
        width = round(self.get_figwidth() * CSS_PIXELS_PER_INCH)
        return (
            f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" style="width:{width}px;'
            'max-width:100%;height:auto;background:white;border:1px solid #bdbdbd;border-radius:4px">'
        )

    def bundle(self) -> dict[str, str]:
        """What a notebook stores: the HTML image, and the alternative text where there is no HTML."""
        return {"text/html": self.html(), "text/plain": self.alt}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.bundle(), raw=True)


def with_few_colours(image: Image.Image) -> Image.Image:
    """An RGB image in 256 colours: white, and 255 that represent all *different* colours of the image.

    Chosen by how many pixels have them, as is usual, the colours of a class with few points would get lost.
    """
    pixels = np.asarray(image).astype(np.int32) @ (1 << 16, 1 << 8, 1)  # (h, w), one number for each colour
    numbers, which = np.unique(pixels, return_inverse=True)
    different = numbers[:, None] >> (16, 8, 0) & 255  # (m, 3)
    strip = Image.fromarray(different[None].astype(np.uint8))
    chosen = strip.quantize(255, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE).getpalette()
    palette = np.array([255, 255, 255, *chosen]).reshape(-1, 3)  # (up to 256, 3)
    nearest = ((different[:, None] - palette[None]) ** 2).sum(-1).argmin(1)  # (m,)
    reduced = Image.fromarray(nearest[which].reshape(pixels.shape).astype(np.uint8), "P")
    reduced.putpalette(palette.ravel().tolist())
    return reduced


def styled(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Draw in the course's style, whatever the reader has set in Matplotlib."""

    @functools.wraps(function)
    def draw(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        with mpl.rc_context(STYLE):
            return function(*args, **kwargs)

    return draw


def new_picture(height: float, title: str, alt: str | None, shows: str, width: float = WIDTH) -> Picture:
    """An empty picture with a title; `alt` defaults to the title and what the kind of picture `shows`."""
    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # so that texts can be measured before the picture is drawn
    figure.alt = in_words(alt or f"{title}{'' if title.endswith(('?', '!', '.')) else '.'} {shows}")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", wrap=True)
    return figure


def in_words(text: str) -> str:
    """One line without the markup of its formulas, `$...$` as Matplotlib reads them: p(j|i), ‖y_i - y_j‖, sigma."""

    def plain(formula: re.Match[str]) -> str:
        given = re.sub(r"_\{(\w)\|(\w)\}", r"(\1|\2)", formula[1]).replace("\\|", "‖")
        return re.sub(r"[\\{}]", "", given)

    return " ".join(re.sub(r"\$([^$]*)\$", plain, text).split())


def bare_map_axes(axes: Axes, label: bool = True) -> None:
    """A map's axes: equal scales and no ticks, for the coordinates of a map mean nothing by themselves."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    if label:
        axes.set_xlabel("$y_1$")
        axes.set_ylabel("$y_2$")


def colours_and_markers(count: int) -> list[tuple[str, str]]:
    """A colour and a marker shape for each of `count` classes; neighbours in the list differ in both."""
    return [(CLASSES[i % len(CLASSES)], MARKERS[i % len(MARKERS)]) for i in range(count)]
