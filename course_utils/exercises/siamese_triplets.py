"""The exercises of notebook 04, parts C and D, triplets and how to choose them: inputs, judging, hints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from course_utils.errors import Misfit
from course_utils.exercises import modules
from course_utils.exercises.spec import Case, Exercise
from course_utils.judge.compare import describe
from course_utils.values import SeededGenerator

NOTEBOOK = "04_siamese_triplet"
Args = tuple[Any, ...]
SIGMAS = 6  # standard deviations beyond which draws are taken to be wrong


# ---------------------------------------------------------------- inputs


def triplets(rng: np.random.Generator, m: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchors, positives and negatives (m, d); positives tend to be nearer."""
    A = rng.normal(size=(m, d))
    return A, A + 0.6 * rng.normal(size=(m, d)), A + rng.normal(size=(m, d))


def triplet_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, a triplet exactly at its margin, a constant embedding, several margins, margin 0."""
    hand = np.zeros((3, 2)), np.array([[1.0, 0], [1, 0], [1, 0]]), np.array([[0.0, 1], [1, 1], [0, 2]])
    same = np.full((4, 3), 0.5)
    return [
        Case("d(A,P) = 1 and d(A,N) = 1, 2 and 4, margin ½", (*hand, 0.5)),
        Case("the same, margin 1: the second is exactly satisfied", (*hand, 1.0)),
        Case("ten triplets in three dimensions", (*triplets(rng, 10, 3), 0.4)),
        Case("as many triplets as dimensions", (*triplets(rng, 6, 6), 2.0)),
        Case("a constant embedding: every loss is the margin", (same, same.copy(), same.copy(), 0.3)),
        Case("margin 0", (*triplets(rng, 9, 2), 0.0)),
    ]


def classes(rng: np.random.Generator, counts: tuple[int, ...]) -> np.ndarray:
    """Identities with arbitrary numbers and these counts, in random order."""
    return rng.permutation(np.repeat(rng.choice(100, len(counts), replace=False), counts))


def distances(rng: np.random.Generator, identity: np.ndarray, d: int = 3, pull: float = 0.7) -> np.ndarray:
    """Squared distances (n, n) of embeddings in which pictures of an identity tend to be near each other."""
    _, which = np.unique(identity, return_inverse=True)
    E = pull * rng.normal(size=(which.max() + 1, d))[which] + 0.5 * rng.normal(size=(len(which), d))
    return ((E[:, None] - E[None]) ** 2).sum(2)


def whole(rng: np.random.Generator, n: int, high: int = 6) -> np.ndarray:
    """Symmetric whole numbers (n, n) from 1 to high, 0 on the diagonal: many ties."""
    upper = np.triu(rng.integers(1, high + 1, size=(n, n)), 1)
    return (upper + upper.T).astype(float)


LINE = np.array([[0.0, 1, 9, 16], [1, 0, 4, 9], [9, 4, 0, 1], [16, 9, 1, 0]])  # squared, of points at 0, 1, 3 and 4
BOTH_SIDES = np.array([[0.0, 1, 9, 9], [1, 0, 16, 4], [9, 16, 0, 36], [9, 4, 36, 0]])  # squared, at 0, 1, -3 and 3
PAIRS = np.array([0, 0, 1, 1])


def pk_cases(rng: np.random.Generator) -> list[Case]:
    """Identities with exactly K pictures, with fewer, with unequal numbers; many pictures each."""

    def generator() -> SeededGenerator:
        return SeededGenerator(int(rng.integers(2**31)))

    counts = rng.permutation(np.repeat([1, 2, 3, 7], 6))
    unequal = np.repeat([4, 40], 150)
    return [
        Case("four identities of exactly three, all of them", (classes(rng, (3, 3, 3, 3)), 4, 3, generator())),
        Case("identities of 1, 2, 3 and 7 pictures, P = 12, K = 3", (classes(rng, tuple(counts)), 12, 3, generator())),
        Case(
            "300 identities of 4 or 40 pictures, P = 100, K = 4",
            (rng.permutation(np.repeat(np.arange(300), unequal)), 100, 4, generator()),
        ),
        Case(
            "80 identities of 30 pictures in a row, P = 60, K = 5",
            (np.repeat(rng.permutation(80), 30), 60, 5, generator()),
        ),
        Case("80 identities of five pictures, P = 80, K = 4", (classes(rng, (5,) * 80), 80, 4, generator())),
    ]


def tensor(array: np.ndarray, dtype: str = "float64") -> Any:
    """A torch tensor with the given dtype; torch is imported only when it is needed."""
    import torch

    return torch.tensor(array, dtype=getattr(torch, dtype))


def matrix_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, equal rows far from 0 in float32, as many rows as columns, many rows."""
    far = np.repeat(1000 + rng.normal(size=(30, 3)), 2, axis=0)
    far += 1e-7 * rng.normal(size=far.shape)
    return [
        Case("points at 0, 1, 3 and 4 on a line", (tensor([[0.0], [1], [3], [4]]),)),
        Case("six points in three dimensions", (tensor(rng.normal(size=(6, 3))),)),
        Case("as many points as dimensions", (tensor(rng.normal(size=(5, 5))),)),
        Case(
            "float32: unit vectors, some of them equal", (tensor(unit(rng, 7, 4)[[0, 1, 2, 2, 3, 4, 5, 5]], "float32"),)
        ),
        Case("pairs of nearly equal points, far from 0", (tensor(far),)),
        Case("300 points in eight dimensions", (tensor(rng.normal(size=(300, 8))),)),
    ]


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Unit vectors (n, d)."""
    E = rng.normal(size=(n, d))
    return E / np.linalg.norm(E, axis=1, keepdims=True)


def distances_and_gradient(batch_distances: Callable[[Any], Any], E: Any) -> tuple[Any, Any]:
    """D, and the gradient for E of a sum over D with unequal weights, 0 where points coincide (a kink of clamp)."""
    import torch

    D = batch_distances(E)
    n = len(E)
    apart = torch.cdist(E.double(), E.double(), compute_mode="donot_use_mm_for_euclid_dist") > 1e-3
    weights = (1 + (torch.arange(n)[:, None] + 2 * torch.arange(n)) % 3) * apart
    leaf = E.clone().requires_grad_()
    again = batch_distances(leaf * 1)  # a leaf itself could not be changed in place, which is another mistake
    if not isinstance(again, torch.Tensor) or again.shape != (n, n):
        return D, torch.zeros_like(E)
    return D, modules.gradients((weights * again).sum(), {"E": leaf})["E"]


def loss_and_gradient(batch_all: Callable[..., Any], D: Any, identity: Any, margin: float) -> tuple[Any, Any, Any]:
    """Loss and share, and the loss's gradient for D; 0 where none loses, or one lies exactly at the margin (a kink)."""
    import torch

    found = batch_all(D, identity, margin)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Misfit(f"must return two tensors, (loss, share); yours returned {describe(found)}.")
    leaf = D.clone().requires_grad_()
    loss = batch_all(leaf * 1, identity, margin)[0]
    at_margin = (D[:, :, None] - D[:, None, :] + margin == 0).any()
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or loss == 0 or at_margin:
        return (*found, torch.zeros_like(D))
    return (*found, modules.gradients(loss.sum(), {"D": leaf})["D"])


def square(args: Args) -> int | None:
    """(n, n) entries, where n is large enough that (n, n, d) is seen."""
    n = len(args[0])
    return n * n if n >= 100 else None


def mask_cases(rng: np.random.Generator) -> list[Case]:
    """In a row, mixed, identities that occur once, all the same, all different."""
    return [
        Case("identities 5 5 8 8", (np.array([5, 5, 8, 8]),)),
        Case("mixed, of 1, 2, 3 and 4 pictures", (classes(rng, (1, 2, 3, 4)),)),
        Case("everybody the same", (np.zeros(4, dtype=int),)),
        Case("everybody different", (rng.permutation([0, 100, 256, 512, 1000]),)),
        Case("a P×K batch of 5 × 3", (np.repeat(1000 + rng.choice(50, 5, replace=False), 3),)),
    ]


def share_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, exactly at the margin, mixed identities of unequal size, a constant embedding, margin 0."""
    some, few = classes(rng, (4, 2, 3, 5)), classes(rng, (3, 3, 2))
    return [
        Case("points at 0, 1, 3 and 4, identities 0 0 1 1, margin 2", (LINE, np.array([0, 0, 1, 1]), 2.0)),
        Case("the same, margin 3: two triplets lie exactly at it", (LINE, np.array([0, 0, 1, 1]), 3.0)),
        Case("identities of 4, 2, 3 and 5 pictures", (distances(rng, some), some, 0.3)),
        Case("whole numbers: many triplets exactly at the margin", (whole(rng, 8), few, 1.0)),
        Case("a constant embedding satisfies none", (np.zeros((8, 8)), few, 0.2)),
        Case("margin 0", (distances(rng, few, pull=0.2), few, 0.0)),
        Case("somebody with a single picture", (whole(rng, 6), np.array([1, 1, 2, 3, 3, 3]), 1.0)),
        Case("distances that depend on who is the anchor", (rng.gamma(2.0, 1.0, size=(14, 14)), some, 0.5)),
        Case(
            "the same, a P×K batch of 6 × 4",
            (rng.gamma(2.0, 1.0, size=(24, 24)), rng.permutation(np.arange(24) // 4), 0.5),
        ),
    ]


def mining_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, mixed identities of unequal size, ties, a constant embedding, no negative that is farther."""
    some, few = classes(rng, (4, 2, 3, 5)), classes(rng, (3, 3, 2))
    inside_out = np.array([[0.0, 9, 4, 1], [9, 0, 1, 4], [4, 1, 0, 9], [1, 4, 9, 0]])
    batch = np.repeat(rng.choice(50, 6, replace=False), 4)
    return [
        Case("points at 0, 1, 3 and 4, identities 0 0 1 1", (LINE, PAIRS)),
        Case("points at 0, 1, −3 and 3, identities 0 0 1 1: two strangers equally near", (BOTH_SIDES, PAIRS)),
        Case("identities of 4, 2, 3 and 5 pictures", (distances(rng, some), some)),
        Case("positives farther than all negatives", (inside_out, PAIRS)),
        Case("whole numbers with many ties", (whole(rng, 8, 4), few)),
        Case("all distances 0", (np.zeros((6, 6)), np.array([1, 1, 0, 0, 2, 2]))),
        Case("a P×K batch of 6 × 4, pictures hardly sorted", (distances(rng, batch, pull=0.2), batch)),
        Case("distances that depend on who is the anchor", (rng.gamma(2.0, 1.0, size=(14, 14)), some)),
    ]


def all_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, mixed identities, nobody loses, everybody loses, float32."""
    some, few = classes(rng, (4, 2, 3, 5)), classes(rng, (3, 3, 2))

    def batch(D: np.ndarray, identity: np.ndarray, margin: float, dtype: str = "float64") -> Args:
        return tensor(D, dtype), tensor(identity, "int64"), margin

    return [
        Case(  # in float32: there a loss of torch.tensor(0.0) and a share in float64 do not look like one another
            "float32: points at 0, 1 and 3, identities 0 0 1, margin 4",
            batch(LINE[:3, :3], np.array([0, 0, 1]), 4.0, "float32"),
        ),
        Case(
            "points at 0, 1, 3 and 4, identities 0 0 1 1, margin 1: nobody loses",
            batch(LINE, np.array([0, 0, 1, 1]), 1.0),
        ),
        Case("identities of 4, 2, 3 and 5 pictures", batch(distances(rng, some), some, 0.5)),
        Case("a constant embedding: the loss is the margin", batch(np.zeros((8, 8)), few, 0.2)),
        Case("whole numbers: many triplets exactly at the margin", batch(whole(rng, 8), few, 1.0)),
        Case("float32, margin 1", batch(distances(rng, few, pull=0.2), few, 1.0, "float32")),
        Case("distances that depend on who is the anchor", batch(rng.gamma(2.0, 1.0, size=(14, 14)), some, 0.5)),
    ]


def gradient_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, rows that occur once, often, never, nothing active, a kink, float32."""

    def rows(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        three = np.array([rng.choice(n, 3, replace=False) for _ in range(m)])
        return three[:, 0], three[:, 1], three[:, 2]

    once = rng.permutation(9)
    line = np.array([[0.0], [1.0], [1.2]])
    return [
        Case("points at 0, 1 and 1.2 on a line, margin 1", (line, np.array([0]), np.array([1]), np.array([2]), 1.0)),
        Case("three triplets of nine rows", (rng.normal(size=(9, 4)), once[:3], once[3:6], once[6:], 1.5)),
        Case("twenty triplets of six rows", (0.5 * rng.normal(size=(6, 3)), *rows(6, 20), 0.8)),
        Case(
            "one anchor in all of five triplets",
            (rng.normal(size=(7, 2)), np.zeros(5, int), np.arange(1, 6), np.array([6, 6, 6, 1, 2]), 3.0),
        ),
        Case(
            "all satisfied",
            (np.array([[0.0, 0], [0.1, 0], [5, 5]]), np.array([0, 1]), np.array([1, 0]), np.array([2, 2]), 0.5),
        ),
        Case(
            "a triplet exactly at the margin: loss 0, no gradient",
            (np.array([[0.0, 0], [1, 0], [1, 1], [3, 0]]), np.array([0, 0]), np.array([1, 1]), np.array([2, 3]), 1.0),
        ),
        Case(
            "a triplet that occurs twice, the last row in none",
            (rng.normal(size=(7, 2)), np.array([0, 1, 2, 0]), np.array([1, 0, 3, 1]), np.array([4, 5, 4, 4]), 30.0),
        ),
        Case("float32: eight triplets of five rows", (rng.normal(size=(5, 3)).astype(np.float32), *rows(5, 8), 2.0)),
    ]


# ---------------------------------------------------------------- properties


def losses_not_negative(args: Args, got: Any, expected: Any) -> str | None:
    """Cut off at 0."""
    return "max(..., 0) is never negative: a triplet that is satisfied costs nothing." if got.min() < 0 else None


def gradients_cancel(args: Args, got: Any, expected: Any) -> str | None:
    """Distances do not change when all three are moved together."""
    dA, dP, dN = got
    if np.abs(dA + dP + dN).max() > 1e-5 * max(np.abs(part).max() for part in (*expected, np.ones(1))):
        return "Moving A, P and N together changes no distance, so dA + dP + dN must be 0; yours is not."
    return None


def batch_cancels(args: Args, got: Any, expected: Any) -> str | None:
    """The same for the whole batch, and for rows in no triplet."""
    E, a, p, n, _ = args
    dE = got[1]
    if np.abs(dE.sum(0)).max() > 1e-5 * max(np.abs(expected[1]).max(), 1.0):
        return (
            "Moving all rows together changes no distance, so the rows of dE must sum to 0; do repeated rows "
            "get all of their shares?"
        )
    silent = np.setdiff1d(np.arange(len(E)), np.concatenate([a, p, n]))
    if len(silent) and np.abs(dE[silent]).max() > 0:
        return f"Row {silent[0]} is in no triplet, so its gradient is 0."
    return None


def dtype_kept(args: Args, got: Any, expected: Any) -> str | None:
    """The gradient has its embeddings' precision."""
    if got[1].dtype != args[0].dtype:
        return f"dE has the dtype of E, {args[0].dtype}; yours has {got[1].dtype}."
    return None


def is_batch(args: Args, got: Any, expected: Any) -> str | None:
    """P different identities with K different pictures each, side by side."""
    identity, P, K, _ = args
    got, _ = got
    if got.min() < 0 or got.max() >= len(identity):
        return f"Return rows, whole numbers from 0 to {len(identity) - 1}; yours run from {got.min()} to {got.max()}."
    who = identity[got].reshape(P, K)
    if (who != who[:, :1]).any():
        return (
            f"The K = {K} pictures of an identity stand side by side; entries {K} i to {K} i + {K - 1} have "
            "one identity."
        )
    if len(np.unique(who[:, 0])) < P:
        return "The P identities must be different; one comes twice."
    if len(np.unique(got)) < len(got):
        return "A picture comes twice in the batch: draw without replacement."
    return None


def drawn_evenly(args: Args, got: Any, expected: Any) -> str | None:
    """All identities that have enough pictures are equally likely, and so are the pictures of one."""
    identity, P, K, _ = args
    got, _ = got
    different, inverse, counts = np.unique(identity, return_inverse=True, return_counts=True)
    able = counts[counts >= K]
    if len(able) >= 2 * P and np.ptp(able) > 0:
        large = able > able.mean()
        seen = (counts[inverse[got[::K]]] > able.mean()).sum()
        share, left = large.mean(), (len(able) - P) / (len(able) - 1)
        if abs(seen - P * share) > SIGMAS * np.sqrt(P * share * (1 - share) * left):
            return (
                f"Every identity is equally likely, however many pictures it has: {P * share:.0f} of your {P} "
                "should be "
                f"among the larger ones, and {seen} are."
            )
    if P >= 50 and (counts == K + 1).all():
        place = np.empty(len(identity), dtype=int)
        for which in range(len(different)):
            place[inverse == which] = np.arange(K + 1)
        left_out = np.bincount(K * (K + 1) // 2 - place[got].reshape(P, K).sum(1), minlength=K + 1)
        often = left_out.argmax()
        if left_out[often] > P / (K + 1) + SIGMAS * np.sqrt(P * K) / (K + 1):
            return (
                f"Every picture of an identity is equally likely; of the {K + 1} of each, number {often + 1} is left "
                f"out {left_out[often]} times of {P}."
            )
    if P * K >= 200 and counts.min() >= 5 * K:
        place = np.empty(len(identity))
        for which in range(len(different)):
            place[inverse == which] = np.linspace(0, 1, counts[which])
        ranks = place[got].reshape(P, K)
        if abs(ranks.mean() - 0.5) > SIGMAS / np.sqrt(12 * P * K):
            return "Every picture of an identity is equally likely; yours come from one end of its pictures."
        # From the first to the last of K independent places, in whatever order they are listed, is (K - 1) / (K + 1).
        if np.ptp(ranks, axis=1).mean() < 0.75 * (K - 1) / (K + 1):
            return "The K pictures are drawn independently; yours lie close together among those of their identity."
    return None


def from_rng_alone(args: Args, got: Any, expected: Any) -> str | None:
    """Equal generators give equal batches."""
    if np.array_equal(*got):
        return None
    return (
        "A second generator in the same state gives other rows: draw everything from `rng`, nothing from np.random, "
        "random or torch, and keep nothing from call to call."
    )


def is_distance(args: Args, got: Any, expected: Any) -> str | None:
    """No negative entry, exact zeros on the diagonal."""
    D, _ = got
    if np.diag(D).any():
        return f"The diagonal must be exactly 0; yours has {np.abs(np.diag(D)).max():.2g} in it (a rounding error)."
    if D.min() < 0:
        return f"A squared distance is never negative; yours goes down to {D.min():.2g}: clip at 0."
    return None


def positive_without_itself(args: Args, got: Any, expected: Any) -> str | None:
    """What a mask must be: disjoint, symmetric, no diagonal."""
    positive, negative = got
    if np.diag(positive).any():
        return "A picture is no positive of itself: the diagonal of `positive` is False."
    if (positive & negative).any():
        return "No pair is positive and negative at once."
    return None


def valid_rows(args: Args, got: Any, expected: Any) -> str | None:
    """Anchor and positive are two pictures of one identity, the negative is of another."""
    _, identity = args[:2]
    a, p, n = (np.asarray(part) for part in got)
    for name, rows in zip("apn", (a, p, n), strict=True):
        if rows.min() < 0 or rows.max() >= len(identity):
            return f"{name} holds rows, from 0 to {len(identity) - 1}."
    if (identity[a] != identity[p]).any():
        return "A positive has its anchor's identity; in your triplets it does not always."
    if (a == p).any():
        return "A picture is no positive of itself: in your triplets a == p occurs."
    if (identity[a] == identity[n]).any():
        return "A negative has another identity than its anchor; in your triplets it does not always."
    return None


EXERCISES = (
    Exercise(
        id="triplet-losses",
        notebook=NOTEBOOK,
        name="triplet_losses",
        title="The triplet loss",
        points=1,
        difficulty=1,
        minutes=8,
        cases=triplet_cases,
        takes=("A", "P", "N", "margin"),
        returns=("losses",),
        properties=(losses_not_negative,),
        hints=(
            "Both distances are *squared*: `((A - P) ** 2).sum(1)` is d(A, P) for every triplet.",
            "`np.maximum(x, 0)` cuts off each entry at 0.",
        ),
    ),
    Exercise(
        id="triplet-gradients",
        notebook=NOTEBOOK,
        name="triplet_gradients",
        title="Its gradients",
        points=2,
        difficulty=2,
        minutes=15,
        cases=triplet_cases,
        takes=("A", "P", "N", "margin"),
        returns=("dA", "dP", "dN"),
        properties=(gradients_cancel,),
        requires=("triplet-losses",),
        hints=(
            "A triplet whose loss is 0 has gradients 0: `active = (triplet_losses(A, P, N, margin) > 0)[:, None]`.",
            "The gradient of ‖A - P‖² is 2(A - P) for A and -2(A - P) for P. For A two terms add up, and A cancels.",
        ),
    ),
    Exercise(
        id="pk-batch",
        notebook=NOTEBOOK,
        name="pk_batch",
        title="A batch with positives in it",
        points=2,
        difficulty=2,
        minutes=12,
        cases=pk_cases,
        takes=("identity", "P", "K", "rng"),
        returns=("rows", "rows of an equal generator"),
        by_property=("rows", "rows of an equal generator"),
        draws_from=("rng",),
        use=modules.draw_twice,
        properties=(is_batch, drawn_evenly, from_rng_alone),
        hints=(
            "`np.unique(identity, return_counts=True)` says who there is and how many pictures of each.",
            "`rng.choice(..., P, replace=False)` among the identities with at least K; then K of the rows "
            "`np.flatnonzero(identity == c)` of each, without replacement too.",
        ),
    ),
    Exercise(
        id="batch-distances",
        notebook=NOTEBOOK,
        name="batch_distances",
        title="All distances of a batch, on any device",
        points=1,
        difficulty=2,
        minutes=8,
        cases=matrix_cases,
        takes=("E",),
        returns=("D", "dE"),
        use=distances_and_gradient,
        properties=(is_distance,),
        largest=square,
        largest_is="n x n",
        hints=(
            "As in notebook 01: ‖e_i - e_j‖² = ‖e_i‖² + ‖e_j‖² - 2 e_i · e_j, and all products are `E @ E.T`.",
            "`.clamp(min=0)` removes small negative numbers, `.fill_diagonal_(0)` rounding errors on the diagonal.",
        ),
    ),
    Exercise(
        id="pair-masks",
        notebook=NOTEBOOK,
        name="pair_masks",
        title="Who is whose positive?",
        points=1,
        difficulty=1,
        minutes=6,
        cases=mask_cases,
        takes=("identity",),
        returns=("positive", "negative"),
        properties=(positive_without_itself,),
        hints=(
            "`identity[:, None] == identity` compares all with all.",
            "Positive: the same identity, but not the same picture; `np.eye(n, dtype=bool)` is the diagonal.",
        ),
    ),
    Exercise(
        id="satisfied-share",
        notebook=NOTEBOOK,
        name="satisfied_share",
        title="How many triplets have nothing to teach?",
        points=2,
        difficulty=3,
        minutes=15,
        cases=share_cases,
        takes=("D", "identity", "margin"),
        returns=("share",),
        requires=("pair-masks",),
        hints=(
            "Three axes: anchor, positive, negative. `D[:, :, None]` is d(a, p) and `D[:, None, :]` is d(a, n), "
            "both to "
            "be stretched to (n, n, n).",
            "`valid = positive[:, :, None] & negative[:, None, :]`; the share is a mean over the valid ones only.",
        ),
    ),
    Exercise(
        id="batch-hard",
        notebook=NOTEBOOK,
        name="batch_hard",
        title="The hardest of a batch",
        points=2,
        difficulty=2,
        minutes=12,
        cases=mining_cases,
        takes=("D", "identity"),
        returns=("a", "p", "n"),
        properties=(valid_rows,),
        requires=("pair-masks",),
        hints=(
            "Hard for the anchor are the positive that is farthest and the negative that is nearest.",
            "Take those that do not count out of the race: `np.where(positive, D, -np.inf).argmax(1)`, and for the "
            "negatives +inf and argmin.",
        ),
    ),
    Exercise(
        id="semi-hard",
        notebook=NOTEBOOK,
        name="semi_hard",
        title="Semi-hard negatives",
        points=3,
        difficulty=3,
        minutes=20,
        cases=mining_cases,
        takes=("D", "identity"),
        returns=("a", "p", "n"),
        properties=(valid_rows,),
        requires=("pair-masks",),
        hints=(
            "`a, p = np.nonzero(positive)` are all pairs in the order that is asked for; `D[a]` is (m, n): for "
            "each pair "
            "the distances from its anchor to everybody.",
            "`farther = negative[a] & (D[a] > D[a, p][:, None])`, and among these the nearest by argmin with inf "
            "elsewhere.",
            "Where `farther.any(1)` is False, take the farthest negative: `np.where` chooses row by row.",
        ),
    ),
    Exercise(
        id="batch-all",
        notebook=NOTEBOOK,
        name="batch_all",
        title="All triplets of a batch, in torch",
        points=2,
        difficulty=3,
        minutes=15,
        cases=all_cases,
        takes=("D", "identity", "margin"),
        returns=("loss", "share", "dD"),
        use=loss_and_gradient,
        hints=(
            "The same three axes as in satisfied_share, with torch's functions, such as "
            "`torch.eye(n, dtype=torch.bool, device=D.device)`.",
            "`losing = valid & (losses > 0)`. The loss is `(losses * losing).sum()` divided by the number of "
            "losing ones.",
            "`losing.sum().clamp(min=1)` avoids 0/0 where nobody loses.",
        ),
    ),
    Exercise(
        id="batch-gradient",
        notebook=NOTEBOOK,
        name="batch_gradient",
        title="From triplets back to the batch",
        points=2,
        difficulty=2,
        minutes=12,
        cases=gradient_cases,
        takes=("E", "a", "p", "n", "margin"),
        returns=("loss", "dE"),
        properties=(batch_cancels, dtype_kept),
        requires=("triplet-losses", "triplet-gradients"),
        hints=(
            "`triplet_gradients(E[a], E[p], E[n], margin)` has one row for each triplet; each goes to the row of "
            "E that it "
            "belongs to, divided by m.",
            "A row of E is in many triplets, and `dE[a] += ...` would keep only one of them: `np.add.at(dE, a, ...)`.",
        ),
    ),
)
