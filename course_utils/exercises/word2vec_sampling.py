"""The exercises of notebook 02, part C, negative sampling: inputs, how outputs are judged, and hints."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2

from course_utils.exercises import modules
from course_utils.exercises.spec import Case, Exercise
from course_utils.values import SeededGenerator

NOTEBOOK = "02_word2vec"
Args = tuple[Any, ...]
RARE_EVENT = 1e-9  # p-value below which draws are taken to be wrong: no right sampler meets it in a billion checks


# ---------------------------------------------------------------- inputs


def vectors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Vectors (n, d) of which no two dimensions play the same role."""
    return rng.normal(size=(n, d)) * np.linspace(1.3, 0.6, d)


def negative_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, several negatives, repeated ones, the true word among them, scores in the thousands."""
    hand = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]])
    return [
        Case("v = 0 and two negatives: every probability is ½", (np.zeros(2), 0, np.array([1, 2]), hand)),
        Case("five negatives", (vectors(rng, 1, 3)[0], 6, np.array([0, 3, 1, 5, 2]), vectors(rng, 7, 3))),
        Case("a negative drawn three times", (vectors(rng, 1, 4)[0], 2, np.array([4, 1, 4, 4]), vectors(rng, 6, 4))),
        Case("the true word among the negatives", (vectors(rng, 1, 3)[0], 1, np.array([0, 1]), vectors(rng, 4, 3))),
        Case(
            "scores in the thousands, of both signs",
            (np.array([1000.0, 0.0]), 1, np.array([0, 2, 3]), np.array([[2.0, 1], [-3.0, 1], [-2.0, 0.5], [1.0, 2.0]])),
        ),
    ]


def counts_cases(rng: np.random.Generator) -> list[Case]:
    """The classic by hand, random counts, words that never occur, one word."""
    return [
        Case("counts 1, 16 and 81, so 1, 8 and 27 in proportion", (np.array([1, 16, 81]),)),
        Case("random counts", (rng.integers(1, 5000, size=9),)),
        Case("a word that never occurs", (np.array([7, 0, 300, 12]),)),
        Case("counts as floats", (rng.gamma(0.5, 100.0, size=6) + 1.0,)),
    ]


def sampler_cases(rng: np.random.Generator) -> list[Case]:
    """Distributions and weights, words of weight 0 at the ends and in the middle, several shapes."""

    def generator() -> SeededGenerator:
        return SeededGenerator(int(rng.integers(2**31)))

    zipf = 100 / np.arange(1, 31)
    holes = np.array([0.0, 3.0, 0.0, 0.0, 1.0, 2.0, 0.0])
    return [
        Case("probabilities ½, ⅓ and ⅙", (np.array([3.0, 2.0, 1.0]) / 6, (20_000,), generator())),
        Case("weights that sum to 40", (np.array([5.0, 10.0, 5.0, 20.0]), (4000, 5), generator())),
        Case("weights of 0", (holes, (20_000,), generator())),
        Case("thirty words with Zipf's frequencies", (zipf, (10_000, 3), generator())),
    ]


def subsampling_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, frequent and rare words, thresholds at which some formula is cut off at 1."""
    return [
        Case("frequencies 0.64, 0.32 and 0.04, t = 0.04", (np.array([16, 8, 1]), 0.04)),
        Case("words from very frequent to rare, t = 0.0001", (np.array([50_000, 9_000, 700, 60, 5, 1]), 1e-4)),
        Case("random counts, t = 0.01", (rng.integers(1, 500, size=12), 0.01)),
        Case("random counts, t = 0.1: most words are kept", (rng.integers(1, 500, size=8), 0.1)),
    ]


def optimum_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, random counts with zeros, one negative, not symmetric."""

    def one(n: int, zeros: float) -> tuple[np.ndarray, np.ndarray]:
        X = rng.integers(1, 40, size=(n, n)).astype(float)
        X[rng.random((n, n)) < zeros] = 0
        X[np.arange(n), rng.permutation(n)] += 5
        P = rng.gamma(1.0, size=n) + 0.05
        return X, P / P.sum()

    large = rng.integers(20_000, 90_000, size=(5, 5)).astype(np.int32)
    large[1, 3] = 0
    return [
        Case("two words by hand, one negative", (np.array([[3.0, 1.0], [0.0, 2.0]]), np.array([0.75, 0.25]), 1)),
        Case("counts without a zero, five negatives", (*one(5, 0.0), 5)),
        Case("counts with zeros, two negatives", (*one(7, 0.5), 2)),
        Case("counts with zeros, fifteen negatives", (*one(6, 0.3), 15)),
        Case("large counts in int32", (large, one(5, 0.0)[1], 5)),
    ]


# ---------------------------------------------------------------- properties


def loss_not_negative(args: Args, got: Any, expected: Any) -> str | None:
    """Every term is -log of a probability."""
    return "Every term of the loss is -log of a probability: it cannot be negative." if not got[0] >= -1e-9 else None


def others_stand_still(args: Args, got: Any, expected: Any) -> str | None:
    """Only the true word and the negatives have a gradient."""
    _v_c, o, negatives, U = args
    untouched = np.setdiff1d(np.arange(len(U)), np.append(o, negatives))
    if len(untouched) and not np.abs(got[2][untouched]).max() <= 1e-9:
        return f"Word {untouched[0]} is neither the true word nor a negative, so its row of dU must be 0."
    return None


def sums_to_one(args: Args, got: Any, expected: Any) -> str | None:
    """A distribution."""
    if not abs(got.sum() - 1) <= 1e-5:
        return f"P must sum to 1; yours sums to {got.sum():.4g}: divide by Z, the sum of all."
    return None


def never_together(args: Args, got: Any, expected: Any) -> str | None:
    """-inf, the logarithm of 0, where X is 0, and only there."""
    never = args[0] == 0
    if not np.isneginf(got[never]).all():
        return "Where X is 0, S must be -inf: two words that never meet cannot be pushed too far apart."
    if not np.isfinite(got[~never]).all():
        return "Where X is not 0, S must be finite."
    return None


def draws_as_told(args: Args, got: Any, expected: Any) -> str | None:
    """The words are in range, those of weight 0 never come, and the others as often as chi-squared allows."""
    weights, got = args[0], got[0]
    p = weights / weights.sum()
    if got.min() < 0 or got.max() >= len(p):
        return f"Word numbers run from 0 to {len(p) - 1}; yours run from {got.min()} to {got.max()}."
    seen = np.bincount(got.ravel(), minlength=len(p))
    impossible = np.flatnonzero((p == 0) & (seen > 0))
    if len(impossible):
        return f"Word {impossible[0]} has weight 0 and must never be drawn."
    off = (seen - p * got.size)[p > 0] / np.sqrt(p[p > 0] * got.size)
    distance, freedom = off @ off, (p > 0).sum() - 1
    if not chi2.sf(distance, freedom) >= RARE_EVENT:
        word = int(np.flatnonzero(p > 0)[np.abs(off).argmax()])
        return f"Word {word} should come in {p[word]:.1%} of the draws, and came in {seen[word] / got.size:.1%}."
    if not chi2.cdf(distance, freedom) >= RARE_EVENT:
        return "All words come just as often as they should, which chance never does: each draw must be free."
    return None


def draws_are_independent(args: Args, got: Any, expected: Any) -> str | None:
    """Neighbouring draws are equal as often as chance has it, and so are those a few, a row, or a half apart."""
    p = args[0] / args[0].sum()
    flat, share = got[0].ravel(), (p * p).sum()
    for apart in (1, 2, 3, 4, 5, len(flat) // 2):
        equal = (flat[apart:] == flat[:-apart]).mean()
        if not abs(equal - share) <= 10 * np.sqrt(share * (1 - share) / (len(flat) - apart)) + 1e-3:
            which = "two in a row" if apart == 1 else f"two that are {apart} places apart"
            return (
                f"Draws must be independent: {which} should be equal in {share:.1%} of the cases, and are in "
                f"{equal:.1%}."
            )
    return None


def draws_come_from_rng(args: Args, got: Any, expected: Any) -> str | None:
    """Generators in the same state give the same draws."""
    if not np.array_equal(*got):
        return (
            "Two calls with generators in the same state draw different words: some of your random numbers come from "
            "elsewhere than `rng`."
        )
    return None


def keeps_are_probabilities(args: Args, got: Any, expected: Any) -> str | None:
    """From 0 to 1, and the rarer a word, the more surely it is kept."""
    order = np.argsort(args[0])
    if (got[0] >= 1).all() and not (expected[0] >= 1).all():
        return "paper is never below 1: cut off at 1 from above, with np.minimum and not np.maximum."
    for name, keep in zip(("paper", "code"), got, strict=True):
        if not (keep.max() <= 1 + 1e-9 and keep.min() >= 0):
            return f"{name} holds probabilities, from 0 to 1; yours runs from {keep.min():.4g} to {keep.max():.4g}."
        if not (np.diff(keep[order]) <= 1e-9).all():
            return f"The rarer a word, the more surely it is kept; in {name} it is the other way round."
    return None


EXERCISES = (
    Exercise(
        id="negative-sampling",
        notebook=NOTEBOOK,
        name="negative_sampling",
        title="Negative sampling's loss and gradients",
        points=3,
        difficulty=3,
        minutes=20,
        cases=negative_cases,
        takes=("v_c", "o", "negatives", "U"),
        returns=("loss", "dv_c", "dU"),
        properties=(loss_not_negative, others_stand_still),
        hints=(
            "Put the true word and the negatives into one array of 1 + k words, with y = 1, 0, ..., 0. Then "
            "g = s(scores) - y is all that the gradients need.",
            "−log s(x) = log(1 + e^(−x)), which `np.logaddexp(0, -x)` computes without overflow; for negatives "
            "the sign "
            "of the score is turned round.",
            "dv_c = Σ g_j u_j is `g @ U[words]`. For dU, `np.add.at(dU, words, np.outer(g, v_c))` adds once for "
            "each place "
            "in `words`; with `dU[words] = ...` a repeated word would count once.",
        ),
    ),
    Exercise(
        id="noise-distribution",
        notebook=NOTEBOOK,
        name="noise_distribution",
        title="The noise distribution",
        points=1,
        difficulty=1,
        minutes=5,
        cases=counts_cases,
        takes=("counts",),
        returns=("P",),
        properties=(sums_to_one,),
        hints=(
            "Whether you take the power of counts or of frequencies makes no difference: Z takes the factor out again.",
            "`counts**0.75`, divided by its sum.",
        ),
    ),
    Exercise(
        id="noise-sampler",
        notebook=NOTEBOOK,
        name="draw_noise",
        title="A sampler for the noise",
        points=2,
        difficulty=2,
        minutes=12,
        cases=sampler_cases,
        takes=("weights", "shape", "rng"),
        draws_from=("rng",),
        returns=("words", "words_again"),
        by_property=("words", "words_again"),
        properties=(draws_as_told, draws_are_independent, draws_come_from_rng),
        use=modules.draw_twice,
        time_limit=10.0,  # torch is imported first
        hints=(
            "Lay the words side by side on a line, each as long as its weight. A uniform random place on the "
            "line falls "
            "into word w with the right probability.",
            "The right ends of the words are `np.cumsum(weights)`; divide by the last, so that the line ends at 1.",
            "`np.searchsorted(ends, places, side='right')` finds by bisection into which word each place falls.",
        ),
    ),
    Exercise(
        id="subsampling",
        notebook=NOTEBOOK,
        name="keep_probabilities",
        title="Thinning out frequent words",
        points=1,
        difficulty=1,
        minutes=8,
        cases=subsampling_cases,
        takes=("counts", "t"),
        returns=("paper", "code"),
        properties=(keeps_are_probabilities,),
        hints=(
            "f is a share of all words, not a count: f = counts / counts.sum().",
            "With r = t / f, the paper keeps a word with √r and its program with √r + r, neither ever above 1.",
        ),
    ),
    Exercise(
        id="optimal-scores",
        notebook=NOTEBOOK,
        name="optimal_scores",
        title="What negative sampling aims at",
        points=1,
        difficulty=2,
        minutes=10,
        cases=optimum_cases,
        takes=("X", "P", "k"),
        returns=("S",),
        properties=(never_together,),
        hints=(
            "X[c].sum() is a row's sum and must be a column, `X.sum(1, keepdims=True)`; P belongs to the columns o.",
            "log A − log k = log(A / k). NumPy's log of 0 is −inf with a warning, which `np.errstate(divide='ignore')` "
            "silences.",
        ),
    ),
)
