"""The exercises of notebook 04, Siamese networks and the triplet loss: inputs, how outputs are judged, and hints.

Part A and the measures of part E stand here, part B in `siamese_pairs`, C and D in `siamese_triplets`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from course_utils.exercises import siamese_pairs, siamese_triplets
from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "04_siamese_triplet"
Args = tuple[Any, ...]


# ---------------------------------------------------------------- inputs


def distance_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, equal and nearly equal pictures, as many pairs as dimensions, one pair."""
    same = rng.normal(size=(3, 4))
    one, other = 10 * rng.normal(size=(2, 31, 4))
    other[1:] = one[1:] + 1e-9 * rng.normal(size=(30, 4))  # |a|² + |b|² - 2 ab is then negative for some of them
    return [
        Case(
            "(0, 0) and (3, 4); (1, 1) and (1, 1)", (np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[3.0, 4], [1, 1]]))
        ),
        Case("five pairs in three dimensions", (rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))),
        Case("as many pairs as dimensions", (rng.normal(size=(4, 4)), rng.normal(size=(4, 4)))),
        Case("equal pairs", (same, same.copy())),
        # Which of them a wrong way makes nan is rounding, and differs between machines.
        Case("nearly equal pairs, and one that is far apart", (one, other), names_mistakes=False),
        Case("one pair of long vectors", (100 * rng.normal(size=(1, 9)), 100 * rng.normal(size=(1, 9)))),
    ]


def pairs(rng: np.random.Generator, same: int, different: int, overlap: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Distances and labels of pairs in random order; different pairs are farther on average, and the two overlap."""
    d = np.concatenate([rng.gamma(4.0, 0.2, size=same), overlap + rng.gamma(4.0, 0.2, size=different)])
    y = np.repeat([0, 1], [same, different])
    order = rng.permutation(len(d))
    return d[order], y[order]


def some(rng: np.random.Generator, least: int) -> int:
    """A number from `least` on; of as many as nobody knows beforehand, a share cannot be guessed."""
    return int(rng.integers(least, 2 * least))


def rates_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, thresholds at a distance itself, unequal numbers of pairs, thresholds beyond all distances."""
    d, y = pairs(rng, 12, 20, 0.3)
    return [
        Case(
            "same at 1 and 3, different at 2, 4 and 5; thresholds 2.5 and 0",
            (np.array([1.0, 2, 3, 4, 5]), np.array([0, 1, 0, 1, 1]), np.array([2.5, 0.0])),
        ),
        Case(
            "thresholds that are distances themselves",
            (np.array([1.0, 1, 2, 2, 3]), np.array([0, 1, 0, 1, 1]), np.array([1.0, 2.0, 3.0])),
        ),
        Case("32 pairs, thresholds in no order", (d, y, np.array([1.1, 0.4, 0.9, 0.6]))),
        Case("as many thresholds as pairs", (*pairs(rng, 3, 2, 0.2), np.linspace(0.2, 1.6, 5))),
        Case("beyond all distances, on both sides", (d, y, np.array([-np.inf, np.inf]))),
    ]


def eer_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, all at one distance, apart, the wrong way round, overlapping, crossing before the smallest distance."""
    early = np.array([0.0, 0, 0, 1, 0, 0, 1]), np.array([0, 0, 0, 0, 1, 1, 1])
    return [
        Case("same at 1 and 3, different at 2, 4 and 5", (np.array([1.0, 2, 3, 4, 5]), np.array([0, 1, 0, 1, 1]))),
        Case("all pairs at one distance: 0.5", (np.full(7, 0.3), np.array([0, 0, 1, 1, 1, 0, 1]))),
        Case("perfectly apart: 0", (np.array([0.1, 0.9, 0.2, 1.5]), np.array([0, 1, 0, 1]))),
        Case("distances 0 and 1: the lines cross before the smallest", early),
        Case("the same, all less 5, as a head's scores may be", (early[0] - 5, early[1])),
        Case("the wrong way round: 1", (np.array([2.0, 0.5, 3.0, 0.7, 1.0]), np.array([0, 1, 0, 1, 1]))),
        Case("fifteen same and forty different pairs", pairs(rng, 15, 40, 0.5)),
        Case("thirty same and seven different pairs", pairs(rng, 30, 7, 0.4)),
        Case(
            "whole numbers, many of them equal",
            (
                np.append(rng.integers(1, 6, size=20), rng.integers(3, 9, size=25)).astype(float),
                np.repeat([0, 1], [20, 25]),
            ),
        ),
    ]


def accepts_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, rates that are met exactly and that no threshold meets, ties between both kinds, limit 0."""
    ties = np.append(rng.integers(1, 6, size=12), rng.integers(3, 9, size=16)).astype(float)
    return [
        Case(
            "same at 1, 3 and 5, different at 2 and 4, at most half",
            (np.array([1.0, 2, 3, 4, 5]), np.array([0, 1, 0, 1, 0]), 0.5),
        ),
        Case(
            "same at 1, 3 and 5, different at 2, 4 and 6, at most half: one of three",
            (np.arange(1.0, 7.0), np.array([0, 1, 0, 1, 0, 1]), 0.5),
        ),
        Case(
            "one pair of each kind at 1, 2, 3 and 4, at most half",
            (np.repeat([1.0, 2, 3, 4], 2), np.tile([0, 1], 4), 0.5),
        ),
        Case("many pairs, at most one in ten", (*pairs(rng, some(rng, 31), 23, 0.4), 0.1)),
        Case("no false accept at all", (*pairs(rng, some(rng, 31), 9, 0.4), 0.0)),
        Case("many equal distances, at most a quarter", (ties, np.repeat([0, 1], [12, 16]), 0.25)),
        Case("all pairs at one distance, at most a tenth: 0", (np.ones(6), np.array([0, 1, 0, 1, 1, 0]), 0.1)),
        Case(
            "everybody may come in, and a same pair is the farthest: 1",
            (np.array([1.0, 2, 3, 4, 5]), np.array([0, 1, 0, 1, 0]), 1.0),
        ),
    ]


def gallery(rng: np.random.Generator, n_identities: int, n_groups: int, n: int) -> tuple[np.ndarray, ...]:
    """Distances (n, n), not symmetric, in which one's own identity tends to be nearer; identities and groups."""
    identity, group = rng.integers(n_identities, size=n), rng.integers(n_groups, size=n)
    D = rng.gamma(3.0, 0.3, size=(n, n)) + 0.35 * (identity[:, None] != identity)
    return D * (1 - np.eye(n)), identity, group


def recall_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, a constant embedding, ties, groups, queries that cannot be asked, k above 1."""
    hand = np.array([[0.0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]])
    place = np.array([0.0, 1, 12, 7, 3, 20])
    line = np.abs(place[:, None] - place), np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 1, 1]), 1
    n = some(rng, 24)
    D, identity, group = gallery(rng, 6, 3, n)
    ties, who, _ = gallery(rng, 4, 3, 16)
    few = D[:9, :9].copy()
    few[0, 1] = 0.01  # so that at least this query finds its own
    return [
        Case("four pictures on a line, identities 0 0 1 1", (hand, np.array([0, 0, 1, 1]), np.arange(4), 1)),
        Case("six pictures on a line, those at 0, 1 and 7 in one group", line),
        Case("a constant embedding finds nothing", (np.zeros((6, 6)), np.array([0, 0, 1, 1, 2, 2]), np.arange(6), 1)),
        Case("pictures at random, only the picture itself left out", (D, identity, np.arange(n), 1)),
        Case("the same in three groups", (D, identity, group, 1)),
        Case("the same in three groups, k = 3", (D, identity, group, 3)),
        Case("whole numbers with many ties, k = 2", (np.round(2 * ties), who, np.arange(16), 2)),
        Case(
            "identities that occur once, or in one group only",
            (few, np.array([0, 0, 0, 1, 2, 2, 3, 3, 3]), np.array([0, 1, 2, 0, 1, 1, 0, 1, 0]), 1),
        ),
    ]


def trials(rng: np.random.Generator, n: int, n_way: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries (n, d), examples (n, n_way, d), and which is the right one, (n,); the right one tends to be nearer."""
    Q, S = rng.normal(size=(n, d)), 1.2 * rng.normal(size=(n, n_way, d)) + 0.3
    right = rng.integers(n_way, size=n)
    S[np.arange(n), right] = Q + 0.8 * rng.normal(size=(n, d))
    return Q, S, right


def one_shot_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, a constant embedding, a tie, several sizes, vectors of unequal length."""
    Q, S, right = trials(rng, some(rng, 31), 5, 5)
    lengths = rng.gamma(2.0, 1.0, size=(len(Q), 5, 1))
    return [
        Case(
            "one query at 0, examples at 3, 1 and -2, the second is right",
            (np.array([[0.0]]), np.array([[[3.0], [1.0], [-2.0]]]), np.array([1])),
        ),
        Case("a constant embedding wins nothing", (np.ones((6, 2)), np.ones((6, 4, 2)), np.array([0, 1, 2, 3, 0, 1]))),
        Case(
            "the right one and another one equally near",
            (np.zeros((2, 2)), np.array([[[1.0, 0], [1, 0], [2, 0]], [[1, 0], [3, 0], [2, 0]]]), np.array([0, 0])),
        ),
        Case(
            "(3, 3) nearer to 0 than (5, 0), and (4, 0) nearer than (3, 3)",
            (np.zeros((2, 2)), np.array([[[3.0, 3], [5, 0]], [[3, 3], [4, 0]]]), np.array([0, 1])),
        ),
        Case("five ways, five dimensions", (Q, S, right)),
        Case("examples of unequal length", (Q, lengths * S, right)),
        Case("two ways, twelve dimensions", trials(rng, some(rng, 31), 2, 12)),
    ]


# ---------------------------------------------------------------- properties


def not_negative(args: Args, got: Any, expected: Any) -> str | None:
    """A distance."""
    return "A distance is never negative." if got.min() < 0 else None


def shares(args: Args, got: Any, expected: Any) -> str | None:
    """Both rates lie in [0, 1]; with a higher threshold more is accepted, rightly and wrongly."""
    order = np.argsort(args[2])
    for name, rate in zip(("far", "frr"), got, strict=True):
        if rate.min() < 0 or rate.max() > 1 + 1e-9:
            return f"{name} is a share, from 0 to 1; yours runs from {rate.min():.3g} to {rate.max():.3g}."
    if (np.diff(got[0][order]) < -1e-9).any():
        return "A higher threshold accepts more pairs, so far cannot fall with it; yours does."
    if (np.diff(got[1][order]) > 1e-9).any():
        return "A higher threshold rejects fewer pairs, so frr cannot rise with it; yours does."
    return None


def is_share(args: Args, got: Any, expected: Any) -> str | None:
    """In [0, 1]."""
    return None if -1e-9 <= got <= 1 + 1e-9 else f"The result is a share, from 0 to 1; yours is {got:.3g}."


def constant_recalls_nothing(args: Args, got: Any, expected: Any) -> str | None:
    """Who puts all pictures in one place has recognised nothing."""
    if np.ptp(args[0]) == 0 and got > 1e-9:
        return f"All distances are equal here, so nothing was recognised, and the result must be 0; yours is {got:.3g}."
    return None


def constant_wins_nothing(args: Args, got: Any, expected: Any) -> str | None:
    """The same for trials."""
    if np.ptp(np.append(args[0], args[1])) == 0 and got > 1e-9:
        return f"All pictures lie in one point here, so no trial is won, and the result must be 0; yours is {got:.3g}."
    return None


ASKING = (
    Exercise(
        id="pair-distances",
        notebook=NOTEBOOK,
        name="pair_distances",
        title="The distance of a pair",
        points=1,
        difficulty=1,
        minutes=5,
        cases=distance_cases,
        takes=("E1", "E2"),
        returns=("d",),
        properties=(not_negative,),
        hints=(
            "Row i of E1 belongs to row i of E2: subtract the arrays, and sum the squares along each row.",
            "`((E1 - E2) ** 2).sum(1)` has one entry for each pair; the square root is still missing.",
        ),
    ),
    Exercise(
        id="error-rates",
        notebook=NOTEBOOK,
        name="error_rates",
        title="Two kinds of error",
        points=2,
        difficulty=2,
        minutes=10,
        cases=rates_cases,
        takes=("d", "y", "thresholds"),
        returns=("far", "frr"),
        properties=(shares,),
        hints=(
            "`accepted = d <= thresholds[:, None]` is (t, m): for each threshold, which pairs are accepted.",
            "`accepted[:, y == 1]` are the different pairs; the mean of a boolean array is the share of True.",
        ),
    ),
    Exercise(
        id="equal-error-rate",
        notebook=NOTEBOOK,
        name="equal_error_rate",
        title="Where both errors are equal",
        points=2,
        difficulty=3,
        minutes=15,
        cases=eer_cases,
        takes=("d", "y"),
        returns=("eer",),
        properties=(is_share,),
        requires=("error-rates",),
        hints=(
            "The thresholds are `np.append(-np.inf, np.unique(d))`; at each, gap = far - frr. It rises from -1 to 1.",
            "Let i be the first threshold with gap >= 0 (`np.argmax` of a boolean array finds it). The crossing lies "
            "between i - 1 and i.",
            "On a straight line from gap[i-1] to gap[i], 0 is reached after the share s = -gap[i-1] / (gap[i] - "
            "gap[i-1]) "
            "of the way; far there is far[i-1] + s (far[i] - far[i-1]).",
        ),
    ),
    Exercise(
        id="true-accepts",
        notebook=NOTEBOOK,
        name="true_accepts",
        title="How many come in, if few may wrongly?",
        points=1,
        difficulty=2,
        minutes=8,
        cases=accepts_cases,
        takes=("d", "y", "limit"),
        returns=("tar",),
        properties=(is_share,),
        requires=("error-rates",),
        hints=(
            "Look at all thresholds at once: `np.append(-np.inf, np.unique(d))`, and your error_rates.",
            "The true-accept rate is 1 - frr; take the largest among the thresholds with far <= limit.",
        ),
    ),
)

MEASURING = (
    Exercise(
        id="recall-at-k",
        notebook=NOTEBOOK,
        name="recall_at_k",
        title="Is the right one among the first k?",
        points=2,
        difficulty=3,
        minutes=15,
        cases=recall_cases,
        takes=("D", "identity", "group", "k"),
        returns=("recall",),
        properties=(constant_recalls_nothing, is_share),
        hints=(
            "Three boolean (n, n) arrays: `gallery = group[:, None] != group`, `same` for the identity, and both "
            "together.",
            "For each query the distance of its nearest right picture: `np.where(gallery & same, D, np.inf).min(1)`.",
            "Count the wrong pictures of the gallery that are as near or nearer (<=): fewer than k means found. "
            "The mean "
            "goes over the queries with `(gallery & same).any(1)`.",
        ),
    ),
    Exercise(
        id="one-shot",
        notebook=NOTEBOOK,
        name="one_shot_accuracy",
        title="One example each",
        points=1,
        difficulty=2,
        minutes=10,
        cases=one_shot_cases,
        takes=("Q", "S", "right"),
        returns=("accuracy",),
        properties=(constant_wins_nothing, is_share),
        hints=(
            "`Q[:, None, :] - S` is (t, n_way, d): each query against its own examples.",
            "`D[np.arange(t), right]` are the distances of the right ones. A trial is won if it alone is as near "
            "as that.",
        ),
    ),
)

EXERCISES = (*ASKING, *siamese_pairs.EXERCISES, *siamese_triplets.EXERCISES, *MEASURING)
