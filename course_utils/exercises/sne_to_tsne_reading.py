"""The exercises of notebook 01, part E, reading a map: inputs, how outputs are judged, and hints."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "01_sne_to_tsne"
Args = tuple[Any, ...]


# ---------------------------------------------------------------- inputs
#
# All coordinates are small whole numbers. Their squared distances are exact in float32 and float64 whichever formula
# computes them, so that two points are equally far for everybody or for nobody, and ties can be part of the exercise.


def whole(rng: np.random.Generator, n: int, d: int, size: int) -> np.ndarray:
    """Points (n, d) with whole coordinates from -size to size."""
    return rng.integers(-size, size + 1, size=(n, d)).astype(np.float64)


def untied(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Points (n, d) of which no two are nearly equally far from a third, also after a square root in float32."""
    while True:
        X = whole(rng, n, d, 500)
        D = ((X[:, None] - X[None]) ** 2).sum(-1).astype(np.float32)  # (n, n)
        gaps = np.diff(np.sort(np.sqrt(D), axis=1), axis=1)
        if gaps.min() > 1e-3:
            return X


def trustworthiness_cases(rng: np.random.Generator) -> list[Case]:
    """Points on a line with two swapped, ties, duplicates, a good map, a bad map, several k."""
    line = np.array([[0.0], [1.0], [3.0], [7.0], [15.0], [31.0]])
    swapped = line[[0, 4, 2, 3, 1, 5]]
    X = untied(rng, 12, 3)
    grid = np.array([[float(i), float(j)] for i in range(3) for j in range(4)])  # (12, 2), full of ties
    twins = untied(rng, 11, 3)
    twins[7] = twins[2]
    heap = np.array([[0.0], [0.0], [0.0], [10.0], [25.0]])  # three at one place ...
    apart = np.array([[0.0], [10.0], [12.0], [30.0], [60.0]])  # ... of which the map puts the last two side by side
    larger = untied(rng, 24, 4)
    # NumPy's default sort happens to be stable up to 16 numbers
    wide = np.array([[float(i), float(j)] for i in range(5) for j in range(8)])  # (40, 2)
    pair = untied(rng, 13, 2)
    pair[9] = pair[3]
    return [
        Case(
            "six points on a line; in the map, the second and the fifth have swapped places, k = 1", (line, swapped, 1)
        ),
        Case("twelve points, and a map that keeps two of their three coordinates, k = 3", (X, X[:, :2].copy(), 3)),
        Case("a map that is the data itself, k = 4", (X, X.copy(), 4)),
        Case("a map that has nothing to do with the data, k = 5", (X, untied(rng, 12, 2), 5)),
        Case("data of six points all equally far: the lower index comes first, k = 1", (np.eye(6), line, 1)),
        Case("data on a grid: many are equally far, the lower index comes first, k = 3", (grid, untied(rng, 12, 2), 3)),
        Case("a map on a grid: many are equally far, the lower index comes first, k = 3", (X, grid, 3)),
        Case("two points of the data are equal, k = 2", (twins, untied(rng, 11, 2), 2)),
        Case("three points of the data are equal, k = 1", (heap, apart, 1)),
        Case("two points of the map are equal, k = 1", (untied(rng, 13, 3), pair, 1)),
        Case("24 points, k = 10", (larger, untied(rng, 24, 2), 10)),
        Case("data and map on grids of 40 points, full of ties, k = 5", (rng.permutation(wide), wide, 5)),
    ]


def neighbour_accuracy_cases(rng: np.random.Generator) -> list[Case]:
    """A line by hand, ties of votes and of distances, duplicates, labels that are no 0, 1, 2, and larger maps."""
    line = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0], [8, 0], [10, 0]])
    halves = np.array([0, 0, 0, 1, 1, 0])
    growing, alternating = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0], [15, 0], [31, 0]]), np.array([0, 0, 1, 0, 0, 1])
    simplex, names = np.eye(6), np.array([1, 1, 1, 1, 0, 2])  # all distances are equal
    grid = np.array([[float(i), float(j)] for i in range(4) for j in range(4)])  # (16, 2), full of ties
    # NumPy's default sort happens to be stable up to 16 numbers
    wide = np.array([[float(i), float(j)] for i in range(5) for j in range(8)])  # (40, 2)
    twins = untied(rng, 12, 2)
    twins[[5, 9]] = twins[[1, 0]]  # the later of two equal points has a lower index before it at distance 0
    heap, heap_labels = untied(rng, 12, 2), np.array([0, 1, 0, 0, 1, 2, 1, 2, 0, 3, 1, 1])
    heap[[4, 7, 9]] = heap[1]  # of the classes 1, 1, 2 and 3
    space = untied(rng, 20, 3)
    names_in_space = np.array([-3, 40, 50])[(space[:, 0] > 0).astype(int) + (space[:, 2] > 0)]
    n = int(rng.integers(26, 60))  # drawn, so that the share of right votes is not guessed
    larger = untied(rng, n, 2)
    groups = (larger[:, 0] > 0) + 2 * (larger[:, 1] > 0)  # (n,), four quarters
    mixed = 1 + 2 * np.where(rng.random(n) < 0.3, rng.integers(0, 4, n), groups)  # 1, 3, 5 and 7
    return [
        Case("six points on a line, k = 1", (line, halves, 1)),
        Case("the same six points, k = 3", (line, halves, 3)),
        Case("votes that tie on a line: the smallest label wins, k = 2", (growing, alternating, 2)),
        Case("the same with the labels exchanged: the smallest comes later, k = 2", (growing, 1 - alternating, 2)),
        Case("votes of three classes that tie, k = 2", (untied(rng, 14, 2), rng.integers(0, 3, 14), 2)),
        Case("six points in six dimensions, all equally far: the lower index comes first, k = 1", (simplex, names, 1)),
        Case(
            "points on a grid: of equally far ones the lower index comes first, k = 3",
            (grid, rng.integers(0, 3, 16), 3),
        ),
        Case("40 points on a grid, full of ties, k = 1", (wide, rng.integers(0, 2, 40), 1)),
        Case("40 points on a grid, full of ties, k = 2", (wide, rng.integers(0, 2, 40), 2)),
        Case("40 points on 25 places of a grid, k = 3", (rng.integers(0, 5, (40, 2)) * 1.0, rng.integers(0, 3, 40), 3)),
        Case("some points are equal, k = 1", (twins, np.arange(12) % 5 % 2, 1)),
        Case("four points are equal, each of its own class but one, k = 1", (heap, heap_labels, 1)),
        Case("labels -3, 40 and 50, in three dimensions, k = 4", (space, names_in_space, 4)),
        Case("points in four quarters, some mislabelled, k = 5", (larger, mixed, 5)),
    ]


# ---------------------------------------------------------------- properties


def ties_settled(args: Args, got: Any, expected: Any) -> str | None:
    """Of points that are equally far, the lower index comes first; of equal points, each is the other's neighbour."""
    if abs(got - expected) <= 1e-6:
        return None
    for points in args[:2]:
        if points.ndim == 2:
            D = np.sort(((points[:, None] - points[None]) ** 2).sum(-1), axis=1)  # (n, n)
            if (D[:, 1] == 0).any():
                return "Here points are equal: leave each out of its own list by its index, not as the first or at 0."
            if (np.diff(D[:, 1:], axis=1) == 0).any():
                return 'Here points are equally far from another: the lower index comes first (`kind="stable"`).'
    return None


def between_zero_and_one(args: Args, got: Any, expected: Any) -> str | None:
    """Trustworthiness is 0 at worst and 1 at best, which a map reaches that is the data."""
    if not -1e-6 <= got <= 1 + 1e-6:
        return f"A trustworthiness is never below 0 or above 1; yours is {got:.4g}."
    X, Y, _ = args
    if X.shape == Y.shape and (X == Y).all() and abs(got - 1) > 1e-6:
        return (
            f"A map that is the data itself has no false neighbours, so its trustworthiness is 1; yours is {got:.4g}."
        )
    return None


def is_share(args: Args, got: Any, expected: Any) -> str | None:
    """A share of n points."""
    n = len(args[1])
    if not -1e-6 <= got <= 1 + 1e-6:
        return f"A share lies between 0 and 1; yours is {got:.4g}."
    if abs(got * n - round(got * n)) > 1e-4:
        return (
            f"Each of the {n} points is either right or wrong, so the share is a multiple of 1/{n}; yours, {got:.4g}, "
            "is not."
        )
    return None


# ---------------------------------------------------------------- a library's version, for later notebooks


def scikit_learn_trustworthiness(X: np.ndarray, Y: np.ndarray, k: int) -> float:
    """What `trustworthiness` returns, by scikit-learn, whose order among equally far points is another one."""
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(X, Y, n_neighbors=k))


# ---------------------------------------------------------------- exercises


EXERCISES = (
    Exercise(
        id="trustworthiness",
        notebook=NOTEBOOK,
        name="trustworthiness",
        title="Trustworthiness",
        points=2,
        difficulty=3,
        minutes=15,
        cases=trustworthiness_cases,
        takes=("X", "Y", "k"),
        returns=("T",),
        properties=(between_zero_and_one, ties_settled),
        requires=("squared-distances",),
        library=scikit_learn_trustworthiness,
        hints=(
            'Ranks first. With `np.inf` on the diagonal of D, `order = np.argsort(D, axis=1, kind="stable")` lists '
            "each point's neighbours, nearest first, and the point itself last.",
            "`np.argsort(order, axis=1)` turns such a list round: entry [i, j] is j's place in the list of i, from 0.",
            "Take the ranks (in X) of the k nearest in Y with `np.take_along_axis(ranks, near, axis=1)`. Where a rank "
            "is at most k there is nothing to pay: `np.maximum(ranks - k, 0)`.",
        ),
    ),
    Exercise(
        id="neighbour-accuracy",
        notebook=NOTEBOOK,
        name="neighbour_accuracy",
        title="Neighbour accuracy",
        points=1,
        difficulty=2,
        minutes=10,
        cases=neighbour_accuracy_cases,
        takes=("Y", "labels", "k"),
        returns=("accuracy",),
        properties=(is_share, ties_settled),
        requires=("squared-distances",),
        hints=(
            'Put `np.inf` on the diagonal of D, so that no point is its own neighbour, and sort with `kind="stable"`.',
            "`labels[near]`, shape (n, k), holds the voters' labels. Compare it with each of `np.unique(labels)` and "
            "count: votes of shape (n, number of classes).",
            "`np.unique` is sorted and `argmax` takes the first of equal counts: that is the smallest label.",
        ),
    ),
)
