"""In which pattern an array differs from the right one: a constant ratio, a transpose, the diagonal, one row."""

from __future__ import annotations

import math

import numpy as np

KNOWN_RATIOS = {
    -1.0: "its sign is flipped",
    2.0: "a factor 2 too much",
    0.5: "a factor 2 is missing",
    4.0: "a factor 4 too much",
    0.25: "a factor 4 is missing",
    -2.0: "a factor 2 too much, and the sign is flipped",
    -0.5: "a factor 2 is missing, and the sign is flipped",
    -0.25: "a factor 4 is missing, and the sign is flipped",
    math.log(2): "natural logarithms and base 2 are mixed up",
    1 / math.log(2): "natural logarithms and base 2 are mixed up",
    math.sqrt(2): "a factor √2 too much",
    math.sqrt(0.5): "a factor √2 is missing",
}


def of_shape(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """A remark on a wrong shape, beginning with a comma, or nothing."""
    if len(got) > 1 and got == expected[::-1]:
        return ", which is the transpose's"
    if len(got) == len(expected) + 1 and 1 in got and tuple(size for size in got if size != 1) == expected:
        return ", with an axis of length 1 too many (keepdims?)"
    rest = iter(expected)
    if len(got) < len(expected) and all(size in rest for size in got):
        return ", so an axis was lost (a sum over too many axes?)"
    return ""


def nan_place(nan: np.ndarray) -> str:
    """Where NaN stands, as the end of a sentence that begins with the output's name."""
    if nan.all():
        return "is NaN" if nan.ndim == 0 else "is NaN everywhere"
    if _only_on_diagonal(nan):
        return "has NaN on the diagonal"
    places = _places(nan).removeprefix("all of them ").replace("the first at", "some entries, the first at")
    return f"has NaN {places if places.startswith('in') else 'in ' + places} (0/0, log 0 or an overflow)"


def explain(got: np.ndarray, expected: np.ndarray, wrong: np.ndarray, tolerance: float) -> str:
    """How `got` differs from `expected` (float64, same shape), as the end of a sentence.

    `wrong` marks the entries that differ; `tolerance` is relative to the largest entry.
    """
    if got.ndim == 0:
        return f"is {_unlike(float(got), float(expected))}{_ratio_remark(got, expected, tolerance)}"
    size = f"differs in {int(wrong.sum())} of {wrong.size} entries"
    if is_near(got, expected):
        if wrong.mean() > 0.5:
            causes = "rounded numbers, a constant added, or too few steps?"
            return f"is nearly right, but off by more than rounding explains ({causes})"
        return f"is nearly right, but {size} by more than rounding explains: {_places(wrong)}"
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    if not got.any():
        return "is zero everywhere"
    remark = _ratio_remark(got, expected, tolerance)
    if remark:
        return f"differs everywhere by the same ratio{remark}"
    if got.ndim == 2 and got.shape[0] == got.shape[1] and _near(got.T, expected, tolerance * scale):
        return "is the transpose of what is expected (rows and columns are exchanged)"
    if _only_on_diagonal(wrong):
        return "is right except on the diagonal"
    with np.errstate(invalid="ignore"):  # infinity less infinity
        shift = _constant(got - expected, tolerance * max(scale, 1e-300))
    if shift is not None:
        return f"is too {'large' if shift > 0 else 'small'} by the same amount everywhere, {abs(shift):.4g}"
    flipped = _flipped_column(got, expected, tolerance * scale)
    if flipped is not None:
        return f"has the sign of column {flipped} flipped"
    for axis, line in ((1, "row"), (0, "column")):
        if _ratio_along(got, expected, axis, tolerance):
            return f"{size}: each {line} is off by a ratio of its own{_sums_remark(got, expected)}"
    with np.errstate(invalid="ignore", divide="ignore"):
        if _near(got**2, expected, tolerance * scale) and (got >= 0).all():
            return "is the square root of what is expected"
        if _near(np.sqrt(np.abs(got)), expected, tolerance * scale):
            return "is the square of what is expected"
    return f"{size}: {_places(wrong)}"


def explain_integers(got: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    """How integers differ, as the end of a sentence. They may be numbers of rows or words: ratios say nothing then."""
    shift = _constant(got - expected, 0.0)
    if shift is not None and len(np.unique(expected)) >= 3:
        return f"is too {'large' if shift > 0 else 'small'} by the same amount everywhere, {abs(shift):.4g}"
    return f"differs in {int(wrong.sum())} of {wrong.size} entries: {_places(wrong)}"


def is_near(got: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two float64 arrays of one shape differ by at most 1 % of the largest |expected|."""
    return _near(got, expected, 1e-3 * np.abs(expected[np.isfinite(expected)]).max(initial=0.0))


def _unlike(got: float, expected: float) -> str:
    """Two numbers, with as many digits as tell them apart."""
    digits = next((digits for digits in (6, 9, 12) if f"{got:.{digits}g}" != f"{expected:.{digits}g}"), 17)
    return f"{got:.{digits}g}, expected {expected:.{digits}g}"


def _sums_remark(got: np.ndarray, expected: np.ndarray) -> str:
    """That something else sums to 1 than what should, in brackets; empty where that is not so."""
    names = {"each row": 1, "each column": 0, "the whole": None}
    right, yours = ([name for name in names if _sums_to_one(array, names[name])] for array in (expected, got))
    if not right or not yours or right[0] in yours:
        return ""
    return f" ({right[0]} should sum to 1; of yours {yours[0]} does)"


def _sums_to_one(array: np.ndarray, axis: int | None) -> bool:
    return bool((np.abs(array.sum(axis=axis) - 1) <= 1e-4).all())


def _near(got: np.ndarray, expected: np.ndarray, allowance: float) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(got - expected) <= 10 * allowance).all())


def _constant(values: np.ndarray, allowance: float) -> float | None:
    if values.size < 2 or not np.isfinite(values).all():
        return None
    return float(values.mean()) if np.ptp(values) <= 10 * allowance else None


def _ratio(got: np.ndarray, expected: np.ndarray, tolerance: float) -> float | None:
    """The constant c with got = c * expected, or None."""
    finite = np.isfinite(got).all() and np.isfinite(expected).all()
    energy = float((expected * expected).sum()) if finite else 0.0
    if energy == 0:
        return None
    ratio = float((got * expected).sum()) / energy
    scale = np.abs(expected).max() * max(abs(ratio), 1e-12)
    return ratio if _near(got, ratio * expected, tolerance * scale) and ratio != 0 else None


def _ratio_remark(got: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """A remark on a constant ratio, or nothing. A single number has one by chance, unless it is as odd as √2."""
    ratio = _ratio(got, expected, tolerance)
    single = np.count_nonzero(expected) < 2
    if ratio is None or abs(ratio - 1) < 1e-12:
        return ""
    for known, remark in KNOWN_RATIOS.items():
        by_chance = single and known in (2.0, 4.0, 0.5, 0.25, -2.0, -0.5, -0.25)
        if abs(ratio - known) <= 1e-6 * abs(known):
            return "" if by_chance else f": yours is {ratio:.4g} times what is expected ({remark})"
    return "" if single else f": yours is {ratio:.4g} times what is expected"


def _ratio_along(got: np.ndarray, expected: np.ndarray, axis: int, tolerance: float) -> bool:
    """Whether every row (axis 1) or column (axis 0) of a matrix is a multiple of the expected one."""
    if got.ndim != 2 or min(got.shape) < 2:
        return False
    if axis == 0:
        got, expected = got.T, expected.T
    if ((expected != 0).sum(1) < 2).any():
        return False  # with one number in a line there always is a ratio
    lines = zip(got, expected, strict=True)
    return all(_ratio(a, b, tolerance) is not None for a, b in lines)


def _flipped_column(got: np.ndarray, expected: np.ndarray, allowance: float) -> int | None:
    """The one column of a matrix whose sign is flipped, where the others are right."""
    if got.ndim != 2 or got.shape[1] < 2:
        return None
    same = [_near(a, b, allowance) for a, b in zip(got.T, expected.T, strict=True)]
    wrong = [index for index, right in enumerate(same) if not right]
    if len(wrong) != 1 or not _near(-got[:, wrong[0]], expected[:, wrong[0]], allowance):
        return None
    return wrong[0]


def _only_on_diagonal(mask: np.ndarray) -> bool:
    return mask.ndim == 2 and mask.shape[0] == mask.shape[1] and not (mask & ~np.eye(len(mask), dtype=bool)).any()


def _places(mask: np.ndarray) -> str:
    """The places that a mask marks: one row, one column, or the first entry."""
    if mask.ndim == 2 and min(mask.shape) > 1:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows) == 1 and len(columns) > 1:
            return f"all of them in row {rows[0]}"
        if len(columns) == 1 and len(rows) > 1:
            return f"all of them in column {columns[0]}"
    first = tuple(int(index) for index in np.argwhere(mask)[0])
    return f"the first at index {first if len(first) > 1 else first[0]}"
