"""The exercises of notebook 01, part D, scale: inputs, how outputs are judged, and hints."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "01_sne_to_tsne"
Args = tuple[Any, ...]


# ---------------------------------------------------------------- inputs: torch is imported only when they are drawn


def tensor(array: np.ndarray, dtype: str = "float64") -> Any:
    """A torch tensor with the given dtype."""
    import torch

    return torch.tensor(array, dtype=getattr(torch, dtype))


LARGE = 100  # points: with so many, an (n, n) array stands out from the few rows that are asked for


def rows_times_n(args: Args) -> int | None:
    """Of (points, ..., rows at a time): the entries that an array may have, where there are many points."""
    n = len(args[0])
    return args[-1] * n if n >= LARGE else None


def repulsion_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, tiles that divide n and that do not, one tile, one row a tile, float32, coinciding points; memory."""
    line = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    twins = rng.normal(size=(6, 2))
    twins[4] = twins[1]
    return [
        Case("three points at 0, 1 and 3 on a line, all in one tile", (tensor(line), 3)),
        Case("seven points, one row a tile", (tensor(rng.normal(size=(7, 2))), 1)),
        Case("ten points, tiles of 4, 4 and 2", (tensor(3 * rng.normal(size=(10, 2))), 4)),
        Case("two points at the same place", (tensor(twins), 4)),
        Case("a wider map in float32, a tile larger than n", (tensor(5 * rng.normal(size=(12, 2)), "float32"), 100)),
        Case(
            "100 points, tiles of 5, while memory is measured",
            (tensor(rng.normal(size=(100, 2))), 5),
        ),
    ]


def neighbours_cases(rng: np.random.Generator) -> list[Case]:
    """On a line by hand, blocks that do not divide n, duplicates, rounding below 0, k = n - 1, float32; memory."""
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    twins = rng.integers(-20, 21, size=(8, 3)).astype(np.float64)  # whole numbers, so that distances are exact ...
    twins[[2, 5]] = 50  # ... and nobody else has to choose between the two
    far = rng.normal(size=(6, 4))
    far[5] += 5000
    pairs = np.repeat(30 * rng.normal(size=(30, 10)), 2, axis=0)  # unless clamped, some distance of 0 rounds below it
    return [
        Case("four points at 0, 1, 3 and 7 on a line, k = 2, blocks of 4", (tensor(line), 2, 4)),
        Case("nine points, blocks of 4, 4 and 1", (tensor(rng.normal(size=(9, 3))), 3, 4)),
        Case("two equal points: neighbours of each other at distance 0", (tensor(twins), 2, 3)),
        Case("thirty pairs of equal points in float32", (tensor(pairs, "float32"), 3, 8), names_mistakes=False),
        Case("three equal points, k = 1", (tensor([[2.0, 0], [2, 0], [2, 0], [5, 1], [9, 9]]), 1, 2)),
        Case("all others are neighbours, one of them far away, k = n − 1, one row a block", (tensor(far), 5, 1)),
        Case("twenty points in float32, a block larger than n", (tensor(rng.normal(size=(20, 5)), "float32"), 4, 64)),
        Case(
            "100 points, blocks of 5, while memory is measured",
            (tensor(rng.normal(size=(100, 3))), 4, 5),
        ),
    ]


def attraction_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, random edges out of order, an isolated point, one point with many edges, float32."""
    line = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    pairs = rng.permutation([(i, j) for i in range(8) for j in range(8) if i != j])
    i, j = pairs[:40].T
    touching = rng.normal(size=(9, 2))
    touching[i[0]] = touching[j[0]]
    star = np.arange(1, 6)
    return [
        Case(
            "points at 0, 1 and 3, the edges 0 → 1 and 1 → 0 with weight ½",
            (tensor(line), tensor([0, 1], "int64"), tensor([1, 0], "int64"), tensor([0.5, 0.5])),
        ),
        Case(
            "point 0 pulled by five others, none of them by it",
            (tensor(rng.normal(size=(6, 2))), tensor(0 * star, "int64"), tensor(star, "int64"), tensor(rng.random(5))),
        ),
        Case(
            "random edges, out of order, one between points at the same place",
            (tensor(touching), tensor(i, "int64"), tensor(j, "int64"), tensor(rng.random(len(i)))),
        ),
        Case(
            "the same in float32, on a wide map",
            (
                tensor(9 * rng.normal(size=(8, 2)), "float32"),
                tensor(j, "int64"),
                tensor(i, "int64"),
                tensor(rng.random(len(i)), "float32"),
            ),
        ),
    ]


def weights_cases(rng: np.random.Generator) -> list[Case]:
    """The nodes, the edges of the cell, random places, float32."""
    return [
        Case("on the three nodes", (tensor([1 / 6, 1 / 2, 5 / 6]),)),
        Case("on the edges of the cell", (tensor([0.0, 1.0]),)),
        Case("at random places", (tensor(rng.random(8)),)),
        Case("at random places, float32", (tensor(rng.random(5), "float32"),)),
    ]


def convolution_cases(rng: np.random.Generator) -> list[Case]:
    """One charge in a corner, one node, kernels that are not symmetric in their axes, even and odd m, float32."""
    corner = np.zeros((4, 4))
    corner[0, 0] = 1
    falling = 1 / (1 + np.arange(4)[:, None] ** 2 + np.arange(4) ** 2)
    return [
        Case("one charge in a corner: the kernel comes out", (tensor(corner), tensor(falling))),
        Case("a single node", (tensor([[2.0]]), tensor([[3.0]]))),
        Case("random charges and kernel, m = 3", (tensor(rng.normal(size=(3, 3))), tensor(rng.normal(size=(3, 3))))),
        Case("random charges and kernel, m = 8", (tensor(rng.normal(size=(8, 8))), tensor(rng.normal(size=(8, 8))))),
        Case("random charges and kernel, m = 20", (tensor(rng.normal(size=(20, 20))), tensor(rng.random((20, 20))))),
        Case(
            "a kernel that does not fall off, m = 5, float32",
            (tensor(rng.normal(size=(5, 5)), "float32"), tensor(1 + rng.random((5, 5)), "float32")),
        ),
    ]


# ---------------------------------------------------------------- properties


def full_precision(args: Args, got: Any, expected: Any) -> str | None:
    """What comes from float64 is as exact as float64 is, and was not computed in float32 on the way."""
    pairs = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
    for mine, right in pairs:
        mine, right = np.asarray(mine), np.asarray(right)
        off = np.abs(mine - right).max() / np.abs(right).max()
        if args[0].dtype == np.float64 and 1e-9 < off < 1e-5:
            return "That is right to some seven digits only: is something on the way, or a constant, in float32?"
    return None


def forces_cancel(args: Args, got: Any, expected: Any) -> str | None:
    """w_ij is symmetric, so the repulsions of a pair are opposite."""
    total, size = np.abs(got[0].sum(0)).max(), np.abs(got[0]).sum()
    if total > 1e-4 * size:
        return "The repulsions of all points must sum to 0: what i does to j, j does to i, the other way round."
    return None


def neighbours_fit_distances(args: Args, got: Any, expected: Any) -> str | None:
    """J[i, a] is at distance D[i, a], is not i, and comes once in its row."""
    X = np.asarray(args[0], dtype=np.float64)
    D, J = got
    n = len(X)
    if J.min() < 0 or J.max() >= n:
        return f"J must hold indices of points, 0 to {n - 1}; yours runs from {J.min()} to {J.max()}."
    own = np.flatnonzero((np.arange(n)[:, None] == J).any(1))
    if len(own):
        return f"No point is its own neighbour, but row {own[0]} of J contains {own[0]}."
    repeated = [i for i in range(n) if len(set(J[i])) < J.shape[1]]
    if repeated:
        return f"A neighbour may come only once in a row; row {repeated[0]} of J repeats one."
    true = ((X[:, None] - X[J]) ** 2).sum(-1)  # (n, k)
    if np.abs(true - D).max() > 1e-4 * np.abs(true).max():
        i, a = np.argwhere(np.abs(true - D) > 1e-4 * np.abs(true).max())[0]
        return f"J[{i}, {a}] = {J[i, a]} is at distance {true[i, a]:.4g}, but D[{i}, {a}] says {D[i, a]:.4g}."
    if (D < 0).any():
        return "No squared distance may be negative: clamp at 0."
    return None


def weights_sum_to_one(args: Args, got: Any, expected: Any) -> str | None:
    """Constants are interpolated exactly."""
    if np.abs(got.sum(1) - 1).max() > 1e-4:
        return (
            f"The three weights of a position sum to 1 (constants are interpolated exactly); yours: "
            f"{got.sum(1)[0]:.4g}."
        )
    return None


EXERCISES = (
    Exercise(
        id="tiled-repulsion",
        notebook=NOTEBOOK,
        name="tiled_repulsion",
        title="Repulsion, tile by tile",
        points=2,
        difficulty=3,
        minutes=15,
        optional=True,
        cases=repulsion_cases,
        takes=("Y", "tile"),
        returns=("F", "Z"),
        condition=1e4,  # the row sum times y_i and the matrix product nearly cancel in a wide map
        largest=rows_times_n,
        largest_is="tile * n",
        properties=(forces_cancel, full_precision),
        hints=(
            "`for start in range(0, len(Y), tile)`: the rows of a tile are `Y[start : start + tile]`, "
            "also where the last "
            "tile is shorter. W of a tile has the shape (rows, n).",
            "In a tile that begins at `start`, the pairs (i, i) stand on the diagonal shifted by `start`: "
            "`W.diagonal(start).zero_()`.",
            "Z adds up `W.sum()`; then, with W squared, F of these rows is `W.sum(1, keepdim=True) * Y[rows] - W @ Y`.",
        ),
    ),
    Exercise(
        id="block-neighbours",
        notebook=NOTEBOOK,
        name="nearest_neighbours",
        title="Nearest neighbours by blocks",
        points=2,
        difficulty=2,
        minutes=12,
        optional=True,
        cases=neighbours_cases,
        takes=("X", "k", "block"),
        returns=("D", "J"),
        by_property=("J",),
        properties=(neighbours_fit_distances,),
        condition=1e4,
        largest=rows_times_n,
        largest_is="block * n",
        hints=(
            "A block of rows against all points: ‖x_i‖² + ‖x_j‖² − 2 x_iᵀx_j, as in A1, with shape (rows, n).",
            "Put infinity where the point meets itself, `distances.diagonal(start).fill_(torch.inf)`, "
            "before you choose.",
            "`distances.topk(k, dim=1, largest=False)` gives `.values`, sorted, and `.indices`; "
            "`torch.cat` joins blocks.",
        ),
    ),
    Exercise(
        id="sparse-attraction",
        notebook=NOTEBOOK,
        name="sparse_attraction",
        title="Attraction along edges",
        points=1,
        difficulty=2,
        minutes=10,
        optional=True,
        cases=attraction_cases,
        takes=("Y", "i", "j", "p"),
        returns=("F",),
        properties=(full_precision,),
        hints=(
            "`Y[i]` and `Y[j]` have shape (m, 2): one row an edge. Their difference, times p w, is what the edge does.",
            "`torch.zeros_like(Y).index_add_(0, i, values)` adds every row of values (m, 2) to the row that i says.",
        ),
    ),
    Exercise(
        id="interpolation-weights",
        notebook=NOTEBOOK,
        name="interpolation_weights",
        title="Weights for interpolation",
        points=1,
        difficulty=2,
        minutes=10,
        optional=True,
        cases=weights_cases,
        takes=("t",),
        returns=("W",),
        properties=(weights_sum_to_one, full_precision),
        hints=(
            "L₁(t) = (t − ½)(t − 5/6) / ((1/6 − ½)(1/6 − 5/6)); the denominator is 2/9. The others go the same way.",
            "`torch.stack([L1, L2, L3], dim=1)` makes the (n, 3) out of three (n,).",
        ),
    ),
    Exercise(
        id="fft-convolution",
        notebook=NOTEBOOK,
        name="convolve_grid",
        title="A padded convolution by FFT",
        points=2,
        difficulty=3,
        minutes=15,
        optional=True,
        cases=convolution_cases,
        takes=("charges", "kernel"),
        returns=("out",),
        properties=(full_precision,),
        condition=1e4,
        hints=(
            "On a circle of 2m − 1 nodes the offset of node s from node 0 is min(s, 2m − 1 − s): that "
            "is how the kernel "
            "is laid out, in both directions.",
            "With `offset` as an index tensor, `kernel[offset][:, offset]` is the kernel on the "
            "circle, (2m − 1, 2m − 1).",
            "`torch.fft.rfft2(charges, s=(size, size))` pads with zeros by itself. Give `irfft2` the same `s`, because "
            "2m − 1 is odd, and keep the first m rows and columns.",
        ),
    ),
)
