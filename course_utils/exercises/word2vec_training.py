"""The exercises of notebook 02, parts E and F, training: inputs, how outputs are judged, and hints."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2

from course_utils.exercises.spec import Case, Exercise
from course_utils.values import SeededGenerator

NOTEBOOK = "02_word2vec"
Args = tuple[Any, ...]
RARE_EVENT = 1e-9  # p-value below which draws are taken to be wrong: no right training meets it in a billion checks
THREES = 36  # words of the case whose sentences have three words each, all different
LINE = 30  # words of the case whose only sentence has every word once
NEAR = 0.2  # how far what is read from a result may be from a whole number: errors of second order in lr, and rounding


# ---------------------------------------------------------------- inputs


def vectors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Vectors (n, d) of which no two dimensions play the same role."""
    return rng.normal(size=(n, d)) * np.linspace(1.3, 0.6, d)


def add_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, many repetitions, no repetition, nothing to add, float32."""
    hand = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    nested = rng.integers(5, size=(4, 3))
    nested[0, 1] = nested[0, 0]
    return [
        Case("row 1 twice and row 0 once", (hand, np.array([1, 1, 0]), np.array([[1.0, 0], [10, 0], [0, 100]]))),
        Case("thirty additions to five rows", (vectors(rng, 5, 3), rng.integers(5, size=30), vectors(rng, 30, 3))),
        Case("every row once", (vectors(rng, 6, 4), rng.permutation(6), vectors(rng, 6, 4))),
        Case(
            "rows (4, 3) for G (4, 3, 2)",
            (vectors(rng, 5, 2), nested, rng.normal(size=(4, 3, 2))),
        ),
        Case("nothing to add", (vectors(rng, 3, 2), np.array([], dtype=int), np.zeros((0, 2)))),
        Case(
            "in float32",
            (
                vectors(rng, 4, 5).astype(np.float32),
                rng.integers(4, size=20).astype(np.int32),
                vectors(rng, 20, 5).astype(np.float32),
            ),
        ),
    ]


def batch_of(rng: np.random.Generator, n: int, B: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres (B,), outside words (B,) and negatives (B, k) among n words."""
    return rng.integers(n, size=B), rng.integers(n, size=B), rng.integers(n, size=(B, k))


def step_cases(rng: np.random.Generator) -> list[Case]:
    """One pair, one negative, repeated words in all places, U = 0, as many pairs as words."""
    V, U = vectors(rng, 6, 4), vectors(rng, 6, 4)
    repeated = (np.array([0, 0, 0, 1]), np.array([1, 2, 1, 0]), np.array([[3, 3], [4, 1], [3, 4], [5, 5]]))
    return [
        Case("one pair, one negative", (V, U, np.array([0]), np.array([1]), np.array([[2]]), 0.5)),
        Case("four pairs with repeated words", (V, U, *repeated, 0.1)),
        Case("U = 0, as at the start", (V, np.zeros((6, 4)), *repeated, 0.2)),
        Case(
            "twelve pairs, three negatives each",
            (vectors(rng, 8, 3), vectors(rng, 8, 3), *batch_of(rng, 8, 12, 3), 0.05),
        ),
        Case(
            "five pairs, five words, five negatives",
            (vectors(rng, 5, 5), vectors(rng, 5, 5), *batch_of(rng, 5, 5, 5), 0.1),
        ),
    ]


def pass_cases(rng: np.random.Generator) -> list[Case]:
    """One batch, several with a shorter last one, one pair a batch, a growing rate."""

    def world(m: int, k: int) -> tuple[np.ndarray, ...]:
        return (vectors(rng, 7, 3), vectors(rng, 7, 3), *batch_of(rng, 7, m, k))

    return [
        Case("all pairs in one batch", (*world(5, 2), 0.2, 0.0, 10)),
        Case("ten pairs in batches of 4, 4 and 2", (*world(10, 2), 0.1, 0.04, 4)),
        Case("one pair a batch", (*world(6, 3), 0.15, 0.05, 1)),
        Case("the rate grows, batches of 5", (*world(15, 1), 0.01, 0.2, 5)),
    ]


def train_cases(rng: np.random.Generator) -> list[Case]:
    """The start, a word that only meets itself, one step on all pairs, a training that must arrive somewhere; orders.

    In the last three so few words meet, in so many dimensions, that the result tells which pair was taken when.
    """

    def generator() -> SeededGenerator:
        return SeededGenerator(int(rng.integers(2**31)))

    # two frequent words, one in sentences of two words and one in sentences of eight, so that pairs count otherwise
    lengths = rng.permutation(np.repeat([2, 8], [150, 40]))
    zipf = 1 / np.arange(1, 9) / (1 / np.arange(1, 9)).sum()
    some = np.concatenate([np.append(0 if n == 2 else 1, rng.choice(8, n - 1, p=zipf)) for n in lengths])
    topic = np.repeat(rng.integers(3, size=300), 8)  # sentences of eight words of one of three topics
    themes = 4 * topic + rng.integers(4, size=len(topic))
    threes = rng.permutation(THREES), np.arange(0, THREES + 1, 3), THREES
    return [
        Case("no epoch: the start", (np.array([0, 1, 2, 1]), np.array([0, 2, 4]), 500, generator(), 20, 2, 2, 0)),
        Case(
            "a word that only meets itself: two epochs of four steps",
            (np.array([0, 0, 0]), np.array([0, 3]), 1, generator(), 100, 1, 4, 2, 0.15, 1),
        ),
        Case(
            "one step on all pairs of 190 sentences",
            (some, np.append(0, np.cumsum(lengths)), 10, generator(), 40, 3, 8, 1, 0.01, 10**6),
        ),
        Case(
            "three topics, three epochs",
            (themes, np.arange(0, len(themes) + 1, 8), 13, generator(), 8, 3, 3, 3, 0.05, 64),
        ),
        Case(
            "twelve sentences of three words, one epoch, a step for each", (*threes, generator(), 60, 1, 3, 1, 0.01, 4)
        ),
        Case("the same, two epochs", (*threes, generator(), 60, 1, 3, 2, 0.01, 4)),
        Case(
            "one sentence, two epochs of one step",
            (rng.permutation(LINE), np.array([0, LINE]), LINE, generator(), 50, 1, 2, 2, 0.001, 100),
        ),
    ]


def tensor(array: np.ndarray, dtype: str = "float64") -> Any:
    """A torch tensor with the given dtype; torch is imported only when it is needed."""
    import torch

    return torch.tensor(array, dtype=getattr(torch, dtype))


def block_cases(rng: np.random.Generator) -> list[Case]:
    """One pair with its own negatives, several blocks, centres without a pair, equal sizes, float32."""

    def blocks(b: int, n: int, w: int, s: int, d: int, share: float, dtype: str = "float64") -> tuple[Any, Any, Any]:
        mask = (rng.random((b, n, w)) < share).astype(float)
        mask[0, 0] = 0  # a centre without any pair
        mask[-1, -1, -1] = 1
        v, u = rng.normal(size=(b, n, d)), rng.normal(size=(b, w + s, d))
        return tensor(v, dtype), tensor(u, dtype), tensor(mask, dtype)

    one = tensor([[[1.0, 0.5]]]), tensor([[[0.3, -0.2], [1.0, 1.0], [-0.5, 2.0]]]), tensor([[[1.0]]])
    return [
        Case("one pair and its own two negatives", (*one, 2)),
        Case("two blocks of three centres, four contexts, two negatives", (*blocks(2, 3, 4, 2, 3, 0.5), 5)),
        Case("four of everything", (*blocks(4, 4, 4, 4, 4, 0.7), 1)),
        Case("more negatives than contexts, in float32", (*blocks(3, 2, 3, 8, 5, 0.6, "float32"), 5)),
    ]


def new_word_cases(rng: np.random.Generator) -> list[Case]:
    """One step by hand, several, repeated contexts, many steps."""
    hand = np.array([[1.0, 0.0], [0.0, 2.0]])
    return [
        Case("one step from 0", (np.array([0]), np.array([[1]]), hand, 1, 1.0)),
        Case("no step at all", (np.array([0, 1]), np.array([[1], [1]]), hand, 0, 1.0)),
        Case(
            "four contexts, ten steps",
            (rng.integers(6, size=4), rng.integers(6, size=(4, 3)), vectors(rng, 6, 3), 10, 0.3),
        ),
        Case(
            "a context three times", (np.array([2, 2, 1, 2]), rng.integers(5, size=(4, 2)), vectors(rng, 5, 4), 25, 0.2)
        ),
        Case(
            "a hundred steps", (rng.integers(9, size=12), rng.integers(9, size=(12, 5)), vectors(rng, 9, 5), 100, 0.1)
        ),
    ]


# ---------------------------------------------------------------- properties


def sums_kept(args: Args, got: Any, expected: Any) -> str | None:
    """Nothing that is added gets lost."""
    M, _, G = args
    off = np.abs(got.sum(0) - M.sum(0) - G.reshape(-1, M.shape[1]).sum(0)).max()
    if not off <= 1e-4 * max(1.0, np.abs(G).sum()):
        return "The column sums must grow by the column sums of G: is all of G added, every row of it once?"
    return None


def dtype_kept(args: Args, got: Any, expected: Any) -> str | None:
    """As exact as M, and as small."""
    if got.dtype != args[0].dtype:
        return f"The result must have the dtype of M, {args[0].dtype}; yours has {got.dtype}."
    return None


def settings(args: Args) -> dict[str, Any]:
    """The arguments of `train` by name."""
    names = ("tokens", "starts", "n_words", "rng", "d", "window", "k", "epochs", "lr", "batch")
    return {"lr": 0.05, "batch": 256} | dict(zip(names, args, strict=False))


def steps_counted(args: Args, got: Any, expected: Any) -> str | None:
    """As many losses as steps; the first, with U = 0, is (k + 1) log 2."""
    losses, first = got[2], (args[6] + 1) * np.log(2)
    if len(losses) and not abs(losses[0] - first) <= 1e-3:
        return (
            f"With U = 0 every probability is ½ and the first loss is (k + 1) log 2 = {first:.3f}; "
            f"yours is {losses[0]:.3f}."
        )
    return None


def all_finite(args: Args, got: Any, expected: Any) -> str | None:
    """Numbers, all of them."""
    for name, one in zip(("V", "U", "losses"), got, strict=True):
        if not np.isfinite(one).all():
            return f"{name} holds NaN or infinite numbers: does something overflow, or is 0 divided by 0?"
    return None


def start_as_told(args: Args, got: Any, expected: Any) -> str | None:
    """epochs = 0: V uniform in its box, U = 0. One step from U = 0 leaves V where it was."""
    own = settings(args)
    V, U, _ = got
    box = 1 / (2 * own["d"])
    if own["epochs"] != 0:
        if own["batch"] == 10**6 and not from_given(args, V, box):
            return "With U = 0 the gradient of V is 0, so after one step V is still its start, drawn first from `rng`."
        return None
    if not np.abs(U).max() <= 0:
        return "U starts at 0 everywhere."
    if not np.abs(V).max() <= box * (1 + 1e-6):
        return f"V starts between -1/(2d) and 1/(2d), that is ±{box:.4g}; yours reaches {np.abs(V).max():.4g}."
    if not (abs(V.std() / (2 * box / np.sqrt(12)) - 1) <= 0.05 and abs(V.mean()) <= 0.05 * box):
        return "V starts uniformly between -1/(2d) and 1/(2d), so about half of its entries are positive."
    if not from_given(args, V, box):
        return "V must be the first numbers that are drawn from the `rng` that is given; yours come from elsewhere."
    return None


def from_given(args: Args, V: np.ndarray, box: float) -> bool:
    """Whether the sizes of V are those that the given generator draws first."""
    sizes = np.sort(np.abs(V), axis=None)
    return any(np.allclose(sizes, np.sort(own, axis=None), rtol=0, atol=1e-5 * box) for own, *_ in starts_of(args))


def starts_of(args: Args) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What the given seed gives, with V in float64 and in float32: |V|, an order of the sentences, another one next.

    Of V only the sizes are of use, and not their places: 0.5 - u is as uniform as u - 0.5, and so is a transpose.
    """
    own, given = settings(args), []
    n = len(own["starts"]) - 1
    for dtype in (np.float64, np.float32):
        rng = SeededGenerator(own["rng"].seed)
        u = rng.random((own["n_words"], own["d"]), dtype)
        given.append((np.abs(u - 0.5) / own["d"], rng.permutation(n), rng.permutation(n)))
    return given


def silent_words_rest(args: Args, got: Any, expected: Any) -> str | None:
    """A word that never occurs is nobody's outside word, and has the weight 0 as noise."""
    silent = np.setdiff1d(np.arange(args[2]), args[0])
    if len(silent) and not np.abs(got[1][silent]).max() <= 0:
        return (
            f"Word {silent[-1]} never occurs, so U(w)^(3/4)/Z is 0: it is never drawn as noise, and its row of U stays "
            "0."
        )
    return None


def rate_falls(args: Args, got: Any, expected: Any) -> str | None:
    """One word that only meets itself: each step multiplies a fixed matrix, to first order, so rates can be read."""
    own = settings(args)
    if own["n_words"] != 1:
        return None
    step, E = np.arange(4 * own["epochs"]), own["epochs"]
    V, U, _ = got
    ratio = float((U * V).sum() / (V * V).sum())

    def fits(shares: np.ndarray, most: float) -> bool:
        v, u = 1.0, 0.0
        for share in shares:
            change = own["lr"] * share * (own["k"] - 1) / 2
            v, u = v - change * u, u - change * v
        return bool(abs(ratio - u / v) <= most * abs(u / v))

    if fits(1 - step / len(step), 0.03):
        return None
    for shares, what in (
        (np.ones(len(step)), "stay at lr"),
        (1 - step % 4 / 4, "fall from lr to 0 in every epoch anew"),
        (1 - step // 4 / E, "fall from epoch to epoch only"),
        (1 - step / (4 * E + 4), "fall as if there were one epoch more"),
        (np.maximum(1 - step / (3 * E), 0), "fall as if there were as many pairs as words"),
    ):
        if fits(shares, 0.01):
            return (
                f"Your learning rates, read from the result, {what}: step t of all T steps has lr (1 - t / T), over "
                "all epochs."
            )
    return (
        "Where one word only meets itself, the learning rates can be read from the result; yours do not fall as "
        "lr (1 - t / T) over all steps of all epochs, or the true pair or the negatives are counted otherwise."
    )


def pairs_of_each(args: Args) -> np.ndarray:
    """In how many pairs each word is the centre, which is also in how many it is the outside word, (n,)."""
    tokens, starts, n_words, window = args[0], args[1], args[2], args[5]
    sizes = starts[1:] - starts[:-1]  # (sentences,)
    before = np.arange(len(tokens)) - np.repeat(starts[:-1], sizes)  # (tokens,): of the same sentence
    after = np.repeat(sizes, sizes) - 1 - before
    return np.bincount(tokens, np.minimum(before, window) + np.minimum(after, window), n_words)


def one_step_adds_up(args: Args, got: Any, expected: Any) -> str | None:
    """After one step from U = 0, U says how often each word was a centre and how often it was drawn as noise."""
    own = settings(args)
    if own["batch"] < 10**6:
        return None
    A = pushes(*got[:2]) / own["lr"]  # (n, n): how often w was the outside word of c, less how often it was its noise
    times, k = pairs_of_each(args), own["k"]
    drawn = times - A.sum(1)  # (n,)
    if not (np.abs(A - A.round()).max() <= NEAR and np.abs(A.sum(0) - times * (1 - k)).max() <= NEAR * k):
        return (
            "After one step on all pairs, the changes of U do not add up: every pair of the window counts once, with k "
            "noise words, and repeated words receive all of their changes."
        )
    weights = np.bincount(own["tokens"], minlength=len(A)) ** 0.75
    P = weights / weights.sum()
    draws, said = k * times.sum(), P > 0
    off = (drawn - draws * P)[said] / np.sqrt(draws * P[said])
    if not RARE_EVENT <= chi2.sf(off @ off, said.sum() - 1) <= 1 - RARE_EVENT:
        word = int(np.flatnonzero(said)[np.abs(off).argmax()])
        return (
            f"Word {word} was drawn as noise in {drawn[word] / draws:.1%} of the draws; U(w)^(3/4)/Z says "
            f"{P[word]:.1%}, with U(w) the share of the *corpus's words* that are w."
        )
    return None


def pushes(V: np.ndarray, U: np.ndarray) -> np.ndarray:
    """A (n, n) with U = A V / 2: A[w, c] sums the rates of the steps in which w was c's outside word, less as noise.

    U starts at 0 and V hardly moves at these rates, so all probabilities stay ½; the rows of V are independent.
    """
    return 2 * np.linalg.lstsq(V.T.astype(float), U.T.astype(float), rcond=None)[0].T


def order_is_random(args: Args, got: Any, expected: Any) -> str | None:
    """Sentences of three words, four pairs a step: the rates say in which step each sentence was taken."""
    own = settings(args)
    if own["n_words"] != THREES:
        return None
    n, epochs = THREES // 3, own["epochs"]
    rates = pushes(*got[:2]).sum(0) / (1 - own["k"]) / pairs_of_each(args)  # (36,): of each centre, over the epochs
    steps = n * epochs * (epochs - rates / own["lr"])  # the numbers of the steps that took it, added up
    steps = steps[own["tokens"]].reshape(n, 3)  # sentence by sentence
    if np.abs(rates / own["lr"] / epochs - 1).max() < NEAR / n:
        return "Every step has the same rate, lr: it falls linearly to 0, step t of all T steps has lr (1 - t / T)."
    outer = steps[:, [0, 2]]  # these have one pair each
    if np.abs(outer - outer.round()).max() <= NEAR and not np.abs(np.diff(outer)).max() <= NEAR:
        return "The pairs of a sentence must stay together: shuffle the sentences, not the pairs."
    if not np.abs(steps - steps[:, :1].round()).max() <= NEAR:
        return (
            "With sentences of three words the learning rates of all steps can be read from the result, and yours do "
            "not fit: every pair counts once in an epoch, with k noise words, at the rate lr (1 - t / T), where T is "
            "the number of steps, epochs · ceil(pairs / batch)."
        )
    taken = steps[:, 0].round().astype(int)
    return first_order(args, taken) if epochs == 1 else second_order(args, taken)


def first_order(args: Args, taken: np.ndarray) -> str | None:
    """The steps (n,) in which the sentences were taken, against the orders that the generator gives."""
    if np.array_equal(taken, np.arange(len(taken))):
        return "The sentences are taken in the order of the corpus: take them in the order of `rng.permutation`."
    if not any(np.array_equal(np.argsort(taken), order) for _, order, _ in starts_of(args)):
        return (
            "The sentences are not taken in the order of `rng.permutation(len(starts) - 1)`, drawn from the `rng` that "
            "is given right after V."
        )
    return None


def second_order(args: Args, taken: np.ndarray) -> str | None:
    """The sums (n,) of the two steps that took a sentence: the orders differ, with noise drawn between them."""
    n = len(taken)
    if np.array_equal(np.sort(taken), n + 2 * np.arange(n)):
        return "Both epochs take the sentences in the same order: draw a new one in every epoch."
    if any(np.array_equal(taken - n, np.argsort(first) + np.argsort(second)) for _, first, second in starts_of(args)):
        return "Between the orders of two epochs nothing was drawn from `rng`: the noise must come from it too."
    rests = [np.sort(taken - n - np.argsort(first)) for _, first, _ in starts_of(args)]
    if not any(np.array_equal(rest, np.arange(n)) for rest in rests):
        return "Every epoch takes every sentence once, the first epoch in the order that `rng` gives right after V."
    return None


def noise_is_new(args: Args, got: Any, expected: Any) -> str | None:
    """One sentence with every word once, at the rates lr and lr / 2: two thirds of the first noise and a third more."""
    own = settings(args)
    if own["n_words"] != LINE:
        return None
    beside = np.zeros((LINE, LINE))
    beside[own["tokens"][1:], own["tokens"][:-1]] = 1
    beside += beside.T
    thrice = 3 * beside - 2 * pushes(*got[:2]) / own["lr"]  # (n, n): 2 for a draw of the first epoch, 1 of the second
    whole = thrice.round()
    wanted = 3 * own["k"] * pairs_of_each(args)  # (n,): of each centre
    if not (np.abs(thrice - whole).max() <= NEAR and whole.min() >= 0 and np.array_equal(whole.sum(0), wanted)):
        return (
            "The changes of U do not add up: in both epochs every pair comes once, with k noise words of its own, at "
            "the rates lr and lr / 2."
        )
    if (whole % own["k"] == 0).all():
        return "The k noise words of a pair are one word, k times: draw each of them."
    if (whole.sum(1) % 3 == 0).all():
        return "Every epoch has the same noise words: draw new ones from the `rng` that is given."
    return None


def loss_of(args: Args, V: np.ndarray, U: np.ndarray) -> float:
    """The loss to be expected of vectors: the mean over all pairs of the corpus, with the noise's mean."""
    own = settings(args)
    weights = np.bincount(own["tokens"], minlength=own["n_words"]) ** 0.75
    scores = V.astype(float) @ U.T.astype(float)  # (n, n): centres, outside words
    noise = np.logaddexp(0, scores) @ weights / weights.sum()  # (n,)
    places, total, pairs = np.arange(len(own["tokens"])), 0.0, 0
    sentence = np.searchsorted(own["starts"], places, side="right")
    for step in range(1, own["window"] + 1):
        same = places[:-step][sentence[step:] == sentence[:-step]]
        a, b = own["tokens"][same], own["tokens"][same + step]
        total += np.logaddexp(0, -scores[[a, b], [b, a]]).sum() + own["k"] * (noise[a] + noise[b]).sum()
        pairs += 2 * len(same)
    return total / pairs


def topics_found(args: Args, got: Any, expected: Any) -> str | None:
    """Words of a topic come to lie together, and V and U have a loss as low as the solution's."""
    own = settings(args)
    if own["n_words"] != 13:
        return None
    V, U, _ = got
    unit = V[:12] / np.maximum(np.linalg.norm(V[:12], axis=1, keepdims=True), 1e-12)
    cosines, topic = unit @ unit.T, np.arange(12) // 4
    same = (topic[:, None] == topic) & ~np.eye(12, dtype=bool)
    if not cosines[same].min() > cosines[topic[:, None] != topic].max():
        return "Words of one topic must end nearer to each other than to those of another; yours do not."
    end, right = loss_of(args, V, U), loss_of(args, *expected[:2])
    if not abs(end - right) <= 0.03:
        return f"V and U should end with a loss near {right:.2f} over all pairs; yours have {end:.2f}."
    return None


def losses_fall(args: Args, got: Any, expected: Any) -> str | None:
    """The losses that are told fall as the solution's do."""
    if args[2] != 13:
        return None
    parts = zip(np.array_split(got[2], 6), np.array_split(expected[2], 6), strict=True)
    for part, (told, right) in enumerate(parts):
        if not abs(told.mean() - right.mean()) <= 0.25:
            where = f"In the {('first', 'second', 'third', 'fourth', 'fifth', 'last')[part]} sixth of all steps"
            return f"{where} the mean loss should be near {right.mean():.2f}; yours is {told.mean():.2f}."
    return None


def others_unmoved(args: Args, got: Any, expected: Any) -> str | None:
    """A block's centre without a pair gets no gradient."""
    mask = args[2]
    silent = mask.sum(2) == 0
    if silent.any() and not np.abs(got[0][silent]).max() <= 1e-7:
        return "A centre without any pair (its row of the mask is 0) takes no part: its gradient is 0."
    return None


EXERCISES = (
    Exercise(
        id="add-rows",
        notebook=NOTEBOOK,
        name="add_rows",
        title="Adding to repeated rows",
        points=1,
        difficulty=2,
        minutes=10,
        cases=add_cases,
        takes=("M", "rows", "G"),
        returns=("M",),
        properties=(sums_kept, dtype_kept),
        hints=(
            "`M[rows] += G` reads all rows first, adds, and writes them back; of a row that occurs twice the "
            "last writing "
            "wins. `np.add.at(M, rows, G)` adds one after the other.",
            "Work on a copy: `M = M.copy()`.",
            "On one axis `np.add.at` is about eight times faster: entry (r, j) of M is entry r d + j of `M.ravel()`.",
        ),
    ),
    Exercise(
        id="sgd-step",
        notebook=NOTEBOOK,
        name="sgd_step",
        title="A step on many pairs",
        points=3,
        difficulty=3,
        minutes=20,
        cases=step_cases,
        takes=("V", "U", "c", "o", "negatives", "lr"),
        returns=("V", "U", "loss"),
        requires=("add-rows",),
        hints=(
            "`words = np.column_stack([o, negatives])` is (B, 1 + k), and `U[words]` is (B, 1 + k, d). The scores are "
            "`np.einsum('bd,bkd->bk', V[c], U[words])`.",
            "g = s(scores) - y with y = 1 in column 0. dv of pair b is Σ_k g_bk u_bk, du of its word k is g_bk v_b.",
            "Compute both gradients before you change anything, then `add_rows(V, c, -lr * dv)`, and for U the "
            "same with "
            "`words` and du, (B, 1 + k, d).",
        ),
    ),
    Exercise(
        id="sgd-pass",
        notebook=NOTEBOOK,
        name="sgd_pass",
        title="Once over all pairs",
        points=1,
        difficulty=1,
        minutes=8,
        cases=pass_cases,
        takes=("V", "U", "c", "o", "negatives", "first_rate", "last_rate", "batch"),
        returns=("V", "U", "losses"),
        requires=("sgd-step",),
        hints=(
            "T = ceil(m / batch) is `-(-m // batch)`; batch t holds the pairs from t · batch to (t + 1) · batch.",
            "A slice may reach beyond the end of an array: the last batch is shorter by itself.",
        ),
    ),
    Exercise(
        id="train",
        notebook=NOTEBOOK,
        name="train",
        title="The whole trainer",
        points=3,
        difficulty=3,
        minutes=25,
        cases=train_cases,
        takes=("tokens", "starts", "n_words", "rng", "d", "window", "k", "epochs", "lr", "batch"),
        draws_from=("rng",),
        returns=("V", "U", "losses"),
        by_property=("V", "U", "losses"),
        properties=(
            *(all_finite, steps_counted, start_as_told, silent_words_rest, rate_falls, one_step_adds_up),
            *(topics_found, losses_fall, order_is_random, noise_is_new),
        ),
        time_limit=20.0,
        requires=("training-pairs", "noise-distribution", "noise-sampler", "sgd-pass"),
        hints=(
            "`np.split(tokens, starts[1:-1])` is the list of sentences. In every epoch, put them in the order of "
            "`rng.permutation(len(sentences))`, join them, and make tokens' new starts from their lengths.",
            "Epoch e of E goes from the rate lr (1 - e / E) down to lr (1 - (e + 1) / E): these are the two rates of "
            "`sgd_pass`.",
            "All noise of an epoch at once: `draw_noise(noise, (len(c), k), rng)`.",
        ),
    ),
    Exercise(
        id="block-gradients",
        notebook=NOTEBOOK,
        name="block_gradients",
        title="Shared negatives, as matrix products",
        points=2,
        difficulty=3,
        minutes=20,
        cases=block_cases,
        takes=("v", "u", "mask", "k"),
        returns=("dv", "du"),
        properties=(others_unmoved,),
        hints=(
            "`v @ u.mT` is (b, n, w + s): every centre of a block against all its contexts and negatives.",
            "The first w columns of g = s(scores) - y have y = 1 and count where the mask says; the last s have "
            "y = 0 and "
            "count k / s times the number of the centre's pairs, `mask.sum(2, keepdim=True)`.",
            "With g weighted like that, dv = g u and du = gᵀ v: `g @ u` and `g.mT @ v`.",
        ),
    ),
    Exercise(
        id="new-word",
        notebook=NOTEBOOK,
        name="new_word",
        title="A word that was not there",
        points=2,
        difficulty=2,
        minutes=12,
        cases=new_word_cases,
        takes=("contexts", "negatives", "U", "n_steps", "lr"),
        returns=("v",),
        hints=(
            "All contexts (y = 1) and all negatives (y = 0) in one array of m + m k words: their rows of U are "
            "the features "
            "of a logistic regression, y the labels, v the weights.",
            "The gradient is `(s(U[words] @ v) - y) @ U[words] / m`.",
        ),
    ),
)
