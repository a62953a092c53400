"""The exercises of notebook 02, word2vec: inputs, how outputs are judged, and hints.

Parts A and B stand here, part C in `word2vec_sampling`, part D in `word2vec_asking`, E and F in `word2vec_training`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from course_utils.exercises import word2vec_asking, word2vec_sampling, word2vec_training
from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "02_word2vec"
Args = tuple[Any, ...]
VAST = 13_000_000  # words: a square of these, even in bytes, is beyond the addresses of a process, so it fails at once


# ---------------------------------------------------------------- inputs


def lecture_sentences() -> list[np.ndarray]:
    """The lecture's corpus: I like deep learning . / I like NLP . / I enjoy flying ., numbered as in its table."""
    return [np.array([0, 1, 3, 4, 7]), np.array([0, 1, 5, 7]), np.array([0, 2, 6, 7])]


def sentences(rng: np.random.Generator, n_words: int, lengths: tuple[int, ...]) -> list[np.ndarray]:
    """Sentences of the given lengths of random words."""
    return [rng.integers(n_words, size=length) for length in lengths]


def cooccurrence_cases(rng: np.random.Generator) -> list[Case]:
    """The lecture's table, wider windows, repeated words, empty and short sentences, silent words, a large count."""
    return [
        Case("the lecture's three sentences, window 1", (lecture_sentences(), 8, 1)),
        Case("the lecture's three sentences, window 2", (lecture_sentences(), 8, 2)),
        Case("one word repeated: 0 0 0 1, window 2", ([np.array([0, 0, 0, 1])], 3, 2)),
        Case(
            "an empty sentence and one of one word", ([np.array([], dtype=int), np.array([1]), np.array([2, 0])], 3, 1)
        ),
        Case("random sentences, window 3", (sentences(rng, 6, (9, 4, 12)), 6, 3)),
        Case("a window wider than the sentences", (sentences(rng, 7, (5, 3, 4)), 8, 10)),
        Case("one word 205 times: a count in the thousands", ([np.zeros(205, dtype=int)], 2, 10)),
    ]


def flat(parts: list[np.ndarray], dtype: str = "int64") -> tuple[np.ndarray, np.ndarray]:
    """Tokens and starts of sentences."""
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return np.concatenate(parts).astype(dtype), starts


def pairs_cases(rng: np.random.Generator) -> list[Case]:
    """The lecture's corpus, one sentence, empty and short ones, int32 tokens, wide windows."""
    none = np.array([], dtype=int)
    short = [np.array([5]), none, np.array([1, 2]), np.array([3])]
    return [
        Case("the lecture's three sentences, window 1", (*flat(lecture_sentences()), 1)),
        Case("one sentence 4 2 7 9, window 2", (*flat([np.array([4, 2, 7, 9])]), 2)),
        Case("sentences of 1, 0, 2 and 1 words, window 2", (*flat(short), 2)),
        Case("random sentences, window 3", (*flat(sentences(rng, 9, (7, 2, 6, 11))), 3)),
        Case("int32 tokens, a window wider than the sentences", (*flat(sentences(rng, 30, (4, 5, 3)), "int32"), 8)),
        Case("the last sentence is empty", (*flat([*sentences(rng, 9, (4, 3)), none]), 2)),
        Case("sentences of one word only: no pair", (*flat([np.array([3]), np.array([1])]), 2)),
        Case("no words at all", (none, np.array([0]), 2)),
        Case("word numbers above 40,000", (*flat([40_000 + one for one in sentences(rng, 9000, (4, 3))]), 2)),
    ]


def sparse_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, many repetitions, no pair, and vocabularies whose square does not fit: into memory, or into int32."""
    large = rng.choice(VAST, 12, replace=False).astype(np.int32)
    large[:2] = VAST - 1, VAST - 5000
    none = np.zeros(0, dtype=int)
    some = rng.integers(2000, size=12)
    return [
        Case("five pairs by hand", (np.array([2, 0, 2, 1, 2]), np.array([1, 2, 1, 0, 0]), 3)),
        Case("one pair, three times", (np.array([4, 4, 4]), np.array([4, 4, 4]), 5)),
        Case("sixty pairs of few words", (rng.integers(5, size=60), rng.integers(5, size=60), 5)),
        Case("words 0 to 8 of 20, in both directions", (rng.integers(9, size=40), rng.integers(3, 9, size=40), 20)),
        Case("no pair at all", (none, none, 4)),
        Case("sixty pairs of 2,000 words", (some[rng.integers(12, size=60)], some[rng.integers(12, size=60)], 2000)),
        Case(
            f"{VAST:,} words as int32",
            (large[rng.integers(12, size=50)], large[rng.integers(12, size=50)], VAST),
        ),
    ]


def pairs_and_words(args: Args) -> int | None:
    """m + n_words, in the case where a square of the vocabulary is much more, and yet small enough to be made."""
    c, _, n_words = args
    return len(c) + n_words if 1000 <= n_words < VAST else None


def count_matrix(rng: np.random.Generator, n: int, zeros: float = 0.4) -> np.ndarray:
    """Counts (n, n), not symmetric, a share of them 0, unequal sums; no row and no column all 0."""
    X = rng.poisson(rng.gamma(1.0, 4.0, size=(n, 1)) * rng.gamma(1.0, 1.0, size=n)).astype(float)
    X[rng.random((n, n)) < zeros] = 0
    X[np.arange(n), rng.permutation(n)] += rng.integers(1, 4, size=n)
    return X


def ppmi_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, the lecture's table, words that never occur, counts that are not symmetric, nothing above chance."""
    table = np.zeros((8, 8))
    for sentence in lecture_sentences():
        for a, b in itertools.pairwise(sentence):
            table[[a, b], [b, a]] += 1
    silent = count_matrix(rng, 7)
    silent[3], silent[:, 5] = 0, 0
    return [
        Case("two words: 6 and 3 together with themselves, 1 apart", (np.array([[6.0, 1.0], [1.0, 3.0]]),)),
        Case("the lecture's table", (table,)),
        Case("a row and a column of zeros", (silent,)),
        Case("random counts, not symmetric", (count_matrix(rng, 9),)),
        Case("independent words: nothing above chance", (np.outer([1.0, 2.0, 4.0], [3.0, 1.0, 2.0]),)),
        Case("large counts in int32", (rng.integers(10_000, 90_000, size=(5, 5)).astype(np.int32),)),
    ]


def with_singular_values(rng: np.random.Generator, values: list[float]) -> np.ndarray:
    """A matrix (n, n) with these singular values."""
    n = len(values)
    W, Z = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return (W * values) @ Z.T


def one_against_three() -> np.ndarray:
    """A symmetric matrix (4, 4); the entries of its first singular vector sum to less than 0 without the sign rule."""
    first = np.array([0.8, -0.35, -0.35, -0.34])
    second = np.array([0.1, 0.9, -0.5, -0.2])
    Q, _ = np.linalg.qr(np.column_stack([first, second]))
    return (Q * [5.0, 2.0]) @ Q.T


def svd_cases(rng: np.random.Generator) -> list[Case]:
    """A diagonal by hand, symmetric and other matrices, fewer than all dimensions, all of them, rank below n."""
    symmetric = with_singular_values(rng, [9.0, 6.0, 4.0, 2.0, 1.0, 0.5])
    W, S, _ = np.linalg.svd(symmetric)
    return [
        Case("a diagonal matrix 4, 9, 1 and d = 2", (np.diag([4.0, 9.0, 1.0]), 2)),
        Case("a symmetric matrix, d = 3", ((W * S) @ W.T, 3)),
        Case("not symmetric, d = 2", (with_singular_values(rng, [7.0, 5.0, 3.0, 1.0, 0.2]), 2)),
        Case("a first column with one large entry and three small ones of the other sign", (one_against_three(), 2)),
        Case("all dimensions", (with_singular_values(rng, [8.0, 4.0, 2.0, 1.0]), 4)),
        Case(  # what goes with the singular values of 0 is rounding, and so no mistake's own
            "rank 3 of 7, d = 3",
            (with_singular_values(rng, [6.0, 3.0, 1.5, 0.0, 0.0, 0.0, 0.0]), 3),
            names_mistakes=False,
        ),
    ]


def vectors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Vectors (n, d) of which no two dimensions play the same role."""
    return rng.normal(size=(n, d)) * np.linspace(1.3, 0.6, d)


def softmax_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, random, equal scores, scores in the thousands of both signs."""
    v = vectors(rng, 1, 4)[0]
    return [
        Case("scores 0, log 2 and log 3", (np.array([1.0]), np.log([[1.0], [2.0], [3.0]]))),
        Case("random vectors, as many words as dimensions", (v, vectors(rng, 4, 4))),
        Case("a vector of zeros: all words alike", (np.zeros(3), vectors(rng, 5, 3))),
        Case("scores 0, 1000 and -1000", (np.array([1000.0]), np.array([[0.0], [1.0], [-1.0]]))),
        Case("scores in the thousands", (1000 * v, vectors(rng, 6, 4))),
        Case(
            "all scores near -2000", (np.array([1.0, 0.0]), np.array([[-2000.0, 1.0], [-2001.0, 3.0], [-2002.5, 0.0]]))
        ),
    ]


def middling(o: int, v: np.ndarray, U: np.ndarray) -> bool:
    """Whether p(o) is neither near 0, where a guard against log 0 tells, nor near 1, where rounding is the loss."""
    scores = U @ v
    return bool(0.01 < np.exp(scores[o] - np.logaddexp.reduce(scores)) < 0.8)


def skipgram_cases(rng: np.random.Generator) -> list[Case]:
    """The first, a middle and the last word; as many words as dimensions."""

    def world(o: int, n: int, d: int, times: float) -> tuple[np.ndarray, int, np.ndarray]:
        while True:
            v, U = times * vectors(rng, 1, d)[0], vectors(rng, n, d)
            if middling(o, v, U):
                return v, o, U

    return [
        Case("two words, v = 0: both have p = ½", (np.zeros(2), 0, np.array([[1.0, 2.0], [3.0, -1.0]]))),
        Case("the last of five words", world(4, 5, 3, 1.0)),
        Case("as many words as dimensions", world(1, 4, 4, 1.0)),
        Case("nine words, larger vectors", world(3, 9, 5, 2.0)),
    ]


def cbow_cases(rng: np.random.Generator) -> list[Case]:
    """One word of context (skip-gram), several, repeated ones, the centre word itself among them."""

    def world(context: list[int], c: int, n: int, d: int) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
        while True:
            V, U = vectors(rng, n, d), vectors(rng, n, d)
            if middling(c, V[context].mean(0), U):
                return np.array(context), c, V, U

    return [
        Case("one word of context", world([2], 0, 4, 3)),
        Case("four words of context", world([1, 5, 2, 0], 3, 6, 3)),
        Case("a word three times in the context", world([4, 1, 4, 4], 2, 5, 4)),
        Case("the centre word in its own context", world([1, 3, 1], 3, 5, 2)),
    ]


# ---------------------------------------------------------------- properties


def symmetric_counts(args: Args, got: Any, expected: Any) -> str | None:
    """Who is near whom is mutual."""
    if not np.abs(got - got.T).max() <= 1e-6:
        return "X must be symmetric: as often as b stands near a, a stands near b."
    return None


def sums_to_one(args: Args, got: Any, expected: Any) -> str | None:
    """A distribution."""
    if not abs(got.sum() - 1) <= 1e-5:
        return f"Probabilities must sum to 1; yours sum to {got.sum():.4g}."
    return None


def gradient_columns_cancel(args: Args, got: Any, expected: Any) -> str | None:
    """p - y sums to 0 over the words, so the rows of dU do too."""
    dU = got[2]
    if not np.abs(dU.sum(0)).max() <= 1e-5 * max(np.abs(expected[2]).max(), 1e-12):
        return "The rows of dU must sum to 0, because p and y both sum to 1 over all words: every row takes part."
    return None


def loss_not_negative(args: Args, got: Any, expected: Any) -> str | None:
    """-log p is never negative."""
    return "The loss is -log of a probability and cannot be negative." if not got[0] >= -1e-9 else None


def sign_fixed(args: Args, got: Any, expected: Any) -> str | None:
    """The entry of largest size in each column is positive."""
    largest = got[np.abs(got).argmax(0), np.arange(got.shape[1])]
    wrong = np.flatnonzero(largest < 0)
    if len(wrong):
        return f"In each column the entry of largest absolute value must be positive; in column {wrong[0]} it is not."
    return None


EXERCISES = (
    Exercise(
        id="cooccurrence",
        notebook=NOTEBOOK,
        name="cooccurrence",
        title="Co-occurrence counts",
        points=2,
        difficulty=1,
        minutes=10,
        cases=cooccurrence_cases,
        takes=("sentences", "n_words", "window"),
        returns=("X",),
        properties=(symmetric_counts,),
        hints=(
            "Go through the places t of a sentence, and for each through the places before it that are at most "
            "`window` away; count the pair in both directions.",
            "The places before t are `sentence[max(0, t - window) : t]`; without `max` a negative start would count "
            "from the end.",
        ),
    ),
    Exercise(
        id="training-pairs",
        notebook=NOTEBOOK,
        name="training_pairs",
        title="The pairs of a corpus",
        points=2,
        difficulty=3,
        minutes=20,
        cases=pairs_cases,
        takes=("tokens", "starts", "window"),
        returns=("c", "o"),
        hints=(
            "For every word, the place where its sentence begins and where it ends: `np.repeat(starts[:-1], lengths)` "
            "and the same with `starts[1:]`.",
            "`place = np.arange(n)[:, None] + steps` with steps -window ... -1, 1 ... window has shape (n, 2 window); "
            "keep the places with begin <= place < end.",
            "A boolean mask reads an array row by row, which is the order that is asked for: "
            "`tokens[place[inside]]` is "
            "o, and c repeats each token `inside.sum(1)` times.",
        ),
    ),
    Exercise(
        id="sparse-counts",
        notebook=NOTEBOOK,
        name="sparse_counts",
        title="Counts without the zeros",
        points=1,
        difficulty=2,
        minutes=10,
        cases=sparse_cases,
        takes=("c", "o", "n_words"),
        returns=("i", "j", "x"),
        largest=pairs_and_words,
        largest_is="m + n_words",
        hints=(
            "The number c · n_words + o is different for different pairs, and sorts them by c, then by o. "
            "`np.unique(..., return_counts=True)` sorts and counts.",
            "An int32 ends at 2,147,483,647, which is less than 50,000 · 50,000: `c.astype(np.int64)` first.",
            "Back again: c is the quotient `// n_words`, o the remainder `% n_words`.",
        ),
    ),
    Exercise(
        id="ppmi",
        notebook=NOTEBOOK,
        name="ppmi",
        title="Surprise instead of counts",
        points=2,
        difficulty=2,
        minutes=12,
        cases=ppmi_cases,
        takes=("X",),
        returns=("M",),
        hints=(
            "p_ab / (p_a p_b) = X_ab N / (row sum of a · column sum of b).",
            "max(0, log r) = log max(1, r): so no logarithm of 0 is ever taken.",
            "Where X is 0, a row sum may be 0 too; `np.where(X > 0, rows * columns, 1)` is a denominator without "
            "zeros.",
        ),
    ),
    Exercise(
        id="svd-vectors",
        notebook=NOTEBOOK,
        name="svd_vectors",
        title="Dense vectors by SVD",
        points=2,
        difficulty=2,
        minutes=12,
        cases=svd_cases,
        takes=("M", "d"),
        returns=("vectors",),
        properties=(sign_fixed,),
        condition=1e6,  # singular vectors amplify rounding by 1 / (relative gap between singular values)
        hints=(
            "`W, S, Zt = np.linalg.svd(M)`: the columns of W belong to the entries of S, which fall.",
            "`W[:, :d] * np.sqrt(S[:d])` scales the columns.",
            "`W[np.abs(W).argmax(0), np.arange(d)]` holds the entry of largest size of each column; multiply "
            "each column "
            "by its sign.",
        ),
    ),
    Exercise(
        id="outside-probabilities",
        notebook=NOTEBOOK,
        name="outside_probabilities",
        title="The full softmax",
        points=1,
        difficulty=1,
        minutes=8,
        cases=softmax_cases,
        takes=("v_c", "U"),
        returns=("p",),
        properties=(sums_to_one,),
        hints=(
            "All scores at once are the matrix product `U @ v_c`, (n,).",
            "Subtracting one number from all scores changes nothing in the fraction: subtract the largest.",
        ),
    ),
    Exercise(
        id="skipgram-gradients",
        notebook=NOTEBOOK,
        name="skipgram_gradients",
        title="Skip-gram's loss and gradients",
        points=2,
        difficulty=2,
        minutes=15,
        cases=skipgram_cases,
        takes=("v_c", "o", "U"),
        returns=("loss", "dv_c", "dU"),
        properties=(loss_not_negative, gradient_columns_cancel),
        requires=("outside-probabilities",),
        hints=(
            "With delta = p - y, (n,), where y is 1 at o and 0 elsewhere: dv_c = Σ_w delta_w u_w and du_w = "
            "delta_w v_c.",
            "`U.T @ delta` is the first; the second, for all rows at once, is `np.outer(delta, v_c)`.",
        ),
    ),
    Exercise(
        id="cbow-gradients",
        notebook=NOTEBOOK,
        name="cbow_gradients",
        title="CBOW's loss and gradients",
        points=2,
        difficulty=2,
        minutes=15,
        cases=cbow_cases,
        takes=("context", "c", "V", "U"),
        returns=("loss", "dV", "dU"),
        properties=(loss_not_negative, gradient_columns_cancel),
        requires=("skipgram-gradients",),
        hints=(
            "`h = V[context].mean(0)` plays the part of v_c, and c that of o: `skipgram_gradients(h, c, U)` "
            "gives the loss, "
            "dh and dU.",
            "Each place of the context holds 1/m of h, so the vector of its word receives dh / m, once for each place.",
            "`np.add.at(dV, context, dh / m)` adds at repeated words as often as they occur; `dV[context] += ...` does "
            "not.",
        ),
    ),
    *word2vec_sampling.EXERCISES,
    *word2vec_asking.EXERCISES,
    *word2vec_training.EXERCISES,
)
