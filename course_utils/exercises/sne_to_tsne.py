"""The exercises of notebook 01, from SNE to t-SNE: inputs, how outputs are judged, and hints.

Parts A to C stand here, parts D and E in `sne_to_tsne_scale` and `sne_to_tsne_reading`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import rel_entr, softmax
from scipy.stats import entropy

from course_utils.exercises import sne_to_tsne_reading, sne_to_tsne_scale
from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "01_sne_to_tsne"
Args = tuple[Any, ...]


# ---------------------------------------------------------------- inputs


def points(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Points (n, d) with a coarser scale in the first coordinate, so that no two columns play the same role."""
    return rng.normal(size=(n, d)) * np.linspace(1.5, 0.5, d)


def with_twins(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Points (n, d) of which the second and the fourth are at the same place."""
    X = points(rng, n, d)
    X[3] = X[1]
    return X


def distances(X: np.ndarray) -> np.ndarray:
    """Squared distances (n, n) between the rows of X (n, d), by differences: slow, and exact on the diagonal."""
    difference = X[:, None, :] - X[None, :, :]
    return np.einsum("ijk,ijk->ij", difference, difference)


def neighbour_rows(rng: np.random.Generator, n: int) -> np.ndarray:
    """Conditional affinities (n, n): rows sum to 1, zero diagonal, not symmetric."""
    P = rng.gamma(0.7, size=(n, n))
    np.fill_diagonal(P, 0)
    return P / P.sum(1, keepdims=True)


def joint(rng: np.random.Generator, n: int) -> np.ndarray:
    """Joint affinities (n, n): symmetric, zero diagonal, sum 1."""
    P = rng.gamma(0.7, size=(n, n))
    P = P + P.T
    np.fill_diagonal(P, 0)
    return P / P.sum()


# ---------------------------------------------------------------- properties


def nonnegative(args: Args, got: Any, expected: Any) -> str | None:
    """No entry below 0."""
    if (got < 0).any():
        return "No squared distance may be negative; rounding made some entries slightly negative, so clip them at 0."
    return None


def zero_diagonal(args: Args, got: Any, expected: Any) -> str | None:
    """The diagonal is exactly 0."""
    first = got[0] if isinstance(got, tuple) else got
    if np.diagonal(first).any():
        worst = np.diagonal(first)[np.abs(np.diagonal(first)).argmax()]
        return f"The diagonal must be exactly 0; yours holds {worst:.3g}."
    return None


def rows_sum_to_one(args: Args, got: Any, expected: Any) -> str | None:
    """Every row is a distribution."""
    sums = got.sum(1)
    if np.abs(sums - 1).max() > 1e-4:
        axis = " (the columns do: was the sum taken over the wrong axis?)" if np.allclose(got.sum(0), 1) else ""
        return f"Each row must sum to 1; yours sum to {sums.min():.4g} up to {sums.max():.4g}{axis}."
    return None


def sums_to_one(args: Args, got: Any, expected: Any) -> str | None:
    """The whole matrix is one distribution."""
    first = got[0] if isinstance(got, tuple) else got
    if abs(first.sum() - 1) > 1e-4:
        return f"All entries together must sum to 1; yours sum to {first.sum():.4g}."
    return None


def symmetric(args: Args, got: Any, expected: Any) -> str | None:
    """p_ij = p_ji."""
    if np.abs(got - got.T).max() > 1e-6 * np.abs(got).max():
        return "The matrix must be symmetric; yours is not."
    return None


def not_negative_cost(args: Args, got: Any, expected: Any) -> str | None:
    """KL is never negative."""
    if got < -1e-9:
        return f"A Kullback-Leibler divergence is never negative; yours is {got:.4g}."
    return None


def forces_cancel(args: Args, got: Any, expected: Any) -> str | None:
    """Every force has a counterforce, so the gradient sums to zero: the cost does not change when all points move."""
    total = np.abs(got.sum(0)).max()
    if total > 1e-4 * max(np.abs(got).sum(), 1e-300):
        return "The gradient must sum to 0 over the points (moving the whole map changes no distance); yours does not."
    return None


def perplexity_range(D: np.ndarray, i: int) -> tuple[float, float]:
    """The perplexities that row i can come near to: the number of nearest neighbours in a tie, up to n - 1."""
    others = np.delete(D[i], i)
    return float((others == others.min()).sum()), float(len(others))


def reaches_perplexity(args: Args, got: Any, expected: Any) -> str | None:
    """sigma gives the perplexity asked for, or the nearest that can be reached."""
    D, target = args
    if not (np.isfinite(got).all() and (got > 0).all()):
        return "Every sigma must be finite and greater than 0."
    misses = []
    for i, sigma in enumerate(got):
        reached = 2 ** entropy(softmax(-np.delete(D[i], i) / (2 * sigma**2)), base=2)
        low, high = perplexity_range(D, i)
        nearest = min(max(target, low), high)
        possible = low < target < high
        if abs(reached - nearest) > (1e-4 if possible else 1e-2) * nearest:
            wish = f"{target:g}" if possible else f"{nearest:g}, the nearest that this row can reach to {target:g}"
            sentence = f"Row {i}: sigma = {sigma:.5g} gives perplexity {reached:.4g}; asked for is {wish}."
            misses.append((sentence, sigma, reached < nearest))
    if not misses:
        return None
    if np.ptp(got) == 0 and len({side for *_, side in misses}) == 2:
        return "All your widths are equal, but every row has its own: halve each row's interval by itself."
    sentence, sigma, too_small = misses[0]
    alike = [other for _, other, side in misses if side == too_small and np.isclose(other, sigma, rtol=1e-3)]
    end = got.max() if too_small else got.min()
    if len(alike) > 1 and np.isclose(sigma, end, rtol=1e-3):
        which = "upper" if too_small else "lower"
        sentence += f" {len(alike)} rows end there: does your search stop at the {which} end of its interval?"
    return sentence


# ---------------------------------------------------------------- part A: affinities


def squared_distances_cases(rng: np.random.Generator) -> list[Case]:
    """Points on a line, in the plane, in many dimensions, with duplicates, and one alone."""
    twins = points(rng, 5, 3)
    twins[3] = twins[1]
    # where rounding of the squared lengths, near 1e6, is larger than the distances and of either sign
    heap = np.vstack([np.zeros((1, 3)), 600 + 1e-9 * points(rng, 12, 3)])
    return [
        Case("three points on a line, 0, 1 and 3", (np.array([[0.0], [1.0], [3.0]]),)),
        Case("five points in the plane", (points(rng, 5, 2),)),
        Case("two of the points are equal", (twins,)),
        Case("twelve points in 30 dimensions", (points(rng, 12, 30),)),
        Case("a single point", (points(rng, 1, 4),)),
        Case("twelve points almost equal, far from the origin", (heap,)),
        Case("five points within a millionth of another", (1e-6 * points(rng, 5, 3),)),
    ]


def conditional_cases(rng: np.random.Generator) -> list[Case]:
    """A row by hand, widths of each point's own, far-away points whose exponentials underflow."""
    line = distances(np.array([[0.0], [1.0], [3.0]]))
    far = np.vstack([points(rng, 4, 3), points(rng, 1, 3) + 60])
    return [
        Case("three points on a line, all sigma 1", (line, np.ones(3))),
        Case("six points, a sigma for each", (distances(points(rng, 6, 3)), rng.uniform(0.5, 2.0, 6))),
        Case("a point so far away that exp(-D / 2σ²) is 0 for all", (distances(far), np.full(5, 0.7))),
        Case("distances in the thousands", (distances(30 * points(rng, 5, 4)), rng.uniform(0.5, 1.5, 5))),
        Case("two points at the same place", (distances(with_twins(rng, 6, 2)), rng.uniform(0.5, 2.0, 6))),
        Case(
            "points at 0, 0.02, 50 and 3,000: two neighbours count though both exponentials are 0",
            (distances(np.array([[0.0], [0.02], [50.0], [3000.0]])), np.ones(4)),
        ),
    ]


def perplexity_cases(rng: np.random.Generator) -> list[Case]:
    """Uniform over k, a sure neighbour, zeros, random rows."""
    uniform = (np.ones((5, 5)) - np.eye(5)) / 4
    sure = np.roll(np.eye(4), 1, axis=1)
    some_zero = neighbour_rows(rng, 6)
    some_zero[some_zero < 0.1] = 0
    some_zero /= some_zero.sum(1, keepdims=True)
    return [
        Case("four neighbours, all alike: perplexity 4", (uniform,)),
        Case("one sure neighbour: perplexity 1", (sure,)),
        Case(
            "rows of three different widths",
            (np.array([[0, 0.5, 0.5, 0], [0.25, 0, 0.25, 0.5], [0.9, 0.05, 0, 0.05]]),),
        ),
        Case("random rows with zeros", (some_zero,)),
    ]


def sigma_cases(rng: np.random.Generator) -> list[Case]:
    """Plain data, two scales, duplicates, a perplexity that is too high and one that is too low."""
    two_scales = np.vstack([with_twins(rng, 8, 2), 50 * points(rng, 8, 2)])
    twins = points(rng, 9, 2)
    twins[1:4] = twins[0]
    return [
        Case("12 points, perplexity 4", (distances(points(rng, 12, 3)), 4.0)),
        Case("two clouds of very different size, two points equal, perplexity 5", (distances(two_scales), 5.0)),
        Case(
            "points hundreds apart, as pixels from 0 to 255 are, perplexity 10",
            (distances(500 * points(rng, 25, 5)), 10.0),
        ),
        Case("points some hundredths apart, perplexity 3", (distances(0.01 * points(rng, 8, 3)), 3.0)),
        Case("four equal points, perplexity 2: they cannot go under 3", (distances(twins), 2.0), False),
        Case("perplexity 20 among 8 points: more than 7 cannot be", (distances(points(rng, 8, 2)), 20.0), False),
    ]


def joint_cases(rng: np.random.Generator) -> list[Case]:
    """Two and three points by hand, random rows, an outlier that nobody has as a neighbour."""
    three = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.25, 0.75, 0.0]])
    outlier = neighbour_rows(rng, 6)
    outlier[:5, 5] = 0
    outlier[:5] /= outlier[:5].sum(1, keepdims=True)
    return [
        Case("three points by hand", (three,)),
        Case("seven points", (neighbour_rows(rng, 7),)),
        Case("an outlier that is nobody's neighbour", (outlier,)),
    ]


# ---------------------------------------------------------------- part B: from SNE to t-SNE


def map_cases(rng: np.random.Generator) -> list[Case]:
    """Maps Y: on a line by hand, spread in the plane, collapsed near 0, in three dimensions."""
    return [
        Case("three points at 0, 1 and 3 on a line", (np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]),)),
        Case("six points in the plane", (points(rng, 6, 2),)),
        Case("a map collapsed to the size 1e-4", (1e-4 * points(rng, 5, 2),)),
        Case("a map in three dimensions", (points(rng, 8, 3),)),
        Case("two points at the same place", (with_twins(rng, 6, 2),)),
    ]


def kl_cases(rng: np.random.Generator) -> list[Case]:
    """Equal distributions, a case for the head, zeros in P, joint matrices."""
    uniform = (np.ones((3, 3)) - np.eye(3)) / 2
    sure = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]])
    Q = neighbour_rows(rng, 6) + 0.05 * (1 - np.eye(6))
    return [
        Case("P = Q: the cost is 0", (uniform, uniform)),
        Case("two sure rows against uniform ones: 2 log 2", (sure, uniform)),
        Case("random rows", (neighbour_rows(rng, 6), Q / Q.sum(1, keepdims=True))),
        Case("joint matrices, each with sum 1", (joint(rng, 7), joint(rng, 7))),
    ]


def slope_cases(rng: np.random.Generator) -> list[Case]:
    """P with map distances."""
    uniform = (np.ones((3, 3)) - np.eye(3)) / 2
    return [
        Case("uniform P, map points at 0, 1 and 3", (uniform, distances(np.array([[0.0], [1.0], [3.0]])))),
        Case("six points", (neighbour_rows(rng, 6), distances(points(rng, 6, 2)))),
        Case("two points at the same place", (neighbour_rows(rng, 6), distances(with_twins(rng, 6, 2)))),
        Case("d is not symmetric", (neighbour_rows(rng, 5), rng.gamma(1.0, size=(5, 5)) * (1 - np.eye(5)))),
    ]


def row_gradient_cases(rng: np.random.Generator) -> list[Case]:
    """Conditional P with a map."""
    uniform = (np.ones((3, 3)) - np.eye(3)) / 2
    return [
        Case(
            "uniform P, map points at 0, 1 and 3 on a line",
            (uniform, np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])),
        ),
        Case("six points", (neighbour_rows(rng, 6), points(rng, 6, 2))),
        Case("a collapsed map", (neighbour_rows(rng, 5), 1e-4 * points(rng, 5, 2))),
        Case("a map in three dimensions", (neighbour_rows(rng, 9), points(rng, 9, 3))),
        Case("two points at the same place", (neighbour_rows(rng, 6), with_twins(rng, 6, 2))),
    ]


def joint_gradient_cases(rng: np.random.Generator) -> list[Case]:
    """Joint P with a map."""
    uniform = (np.ones((3, 3)) - np.eye(3)) / 6
    return [
        Case(
            "uniform P, map points at 0, 1 and 3 on a line",
            (uniform, np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])),
        ),
        Case("six points", (joint(rng, 6), points(rng, 6, 2))),
        Case("a collapsed map", (joint(rng, 5), 1e-4 * points(rng, 5, 2))),
        Case("a wide map in three dimensions", (joint(rng, 9), 3 * points(rng, 9, 3))),
        Case("P exaggerated by 12", (12 * joint(rng, 6), points(rng, 6, 2))),
        Case("two points at the same place", (joint(rng, 6), with_twins(rng, 6, 2))),
    ]


# ---------------------------------------------------------------- part C: the algorithm


def step_cases(rng: np.random.Generator) -> list[Case]:
    """One number by hand for each sign, the first step from rest, a gain at its floor, a random state."""
    one = np.ones((1, 2))
    shape = (5, 2)
    state = (
        rng.normal(size=shape),
        rng.normal(size=shape),
        rng.uniform(0.5, 30, shape),  # nothing caps them
        rng.normal(size=shape),
    )
    floor = (rng.normal(size=shape), np.ones(shape), np.full(shape, 0.011), np.ones(shape))
    return [
        Case(
            "gradient against velocity in x, with it in y",
            (0 * one, one, one, np.array([[2.0, -2.0]]), 0.1, 0.5),
        ),
        Case("the first step: the velocity is 0", (one, 0 * one, one, np.array([[1.0, -1.0]]), 10.0, 0.5)),
        Case("a gradient of 0 in one coordinate", (one, one, one, np.array([[0.0, 3.0]]), 10.0, 0.8)),
        Case(
            "gradient and velocity 0 in one coordinate",
            (one, np.array([[0.0, 1.0]]), one, np.array([[0.0, 3.0]]), 1.0, 0.8),
        ),
        Case("gains near their floor 0.01", (*floor, 5.0, 0.8)),
        Case("five points in full motion", (*state, 20.0, 0.8)),
    ]


def signs_disagree(X: np.ndarray) -> bool:
    """Whether fixing signs by the largest coordinate of a point or of a principal direction differ in both columns."""
    U, _, Vt = np.linalg.svd(X - X.mean(0), full_matrices=False)
    by_point = np.sign(U[np.abs(U).argmax(0), range(U.shape[1])])
    by_direction = np.sign(Vt[range(len(Vt)), np.abs(Vt).argmax(1)])
    return bool((by_point[:2] != by_direction[:2]).all())


def start_cases(rng: np.random.Generator) -> list[Case]:
    """Data with clear principal components; far from the origin; in a rotated frame."""
    scales = np.array([5.0, 2.0, 0.5, 0.1])
    flat = rng.normal(size=(12, 4)) * scales
    while not signs_disagree(flat):
        flat = rng.normal(size=(12, 4)) * scales
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    tilted = rng.normal(size=(15, 6)) * np.array([9.0, 4.0, 1.0, 0.5, 0.2, 0.1]) @ rotation
    return [
        Case(
            "four points, long in x and short in y",
            (np.array([[3.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]),),
        ),
        Case("twelve points in four dimensions", (flat,)),
        Case("the same twelve points, mirrored", (-flat,)),
        Case("the same data far from the origin", (flat + np.array([10.0, -20.0, 30.0, 5.0]),)),
        Case("fifteen points in six dimensions, tilted", (tilted,)),
        Case(  # whose eigenvalues an `eig` without a sort leaves in another order
            "six points on three axes, the longest of them y",
            (np.array([[0.0, 0, 1], [0, 0, -1.2], [0, 3, 0], [0, -3.5, 0], [0.5, 0, 0], [-0.6, 0, 0]]),),
        ),
    ]


def optimise_cases(rng: np.random.Generator) -> list[Case]:
    """Short runs from small and from wide maps: only the exaggerated phase, both phases, no exaggeration at all."""
    return [
        Case("8 points, 3 iterations, all of them exaggerated", (joint(rng, 8), points(rng, 8, 2), 3, 3)),
        Case("12 points, 8 iterations, the first 4 exaggerated", (joint(rng, 12), 0.1 * points(rng, 12, 2), 8, 4)),
        Case("10 points, 6 iterations, none exaggerated", (joint(rng, 10), points(rng, 10, 2), 6, 0)),
        Case("9 points, a tiny start, 5 iterations, 2 exaggerated", (joint(rng, 9), 1e-4 * points(rng, 9, 2), 5, 2)),
    ]


def tsne_cases(rng: np.random.Generator) -> list[Case]:
    """Clusters in five dimensions, at two perplexities."""
    clusters = np.repeat(6 * rng.normal(size=(3, 5)), 16, axis=0) + rng.normal(size=(48, 5))
    return [
        # A wrong map need not settle: 150 iterations can make a last digit that differs visible.
        Case(
            "48 points in three clusters, perplexity 7.5, 150 iterations",
            (clusters, 7.5, 150, 50),
            names_mistakes=False,
        ),
        Case("30 points, perplexity 12.5, 20 iterations", (points(rng, 30, 4), 12.5, 20, 6)),
        Case("30 points, perplexity 5, two iterations: the map is still the start", (points(rng, 30, 4), 5.0, 2, 2)),
    ]


def excess_entropy(log_beta: float, d: np.ndarray, wanted: float) -> float:
    """Entropy in nats of weights exp(-beta d), d (m,) with least element 0, minus the one that is wanted."""
    beta = np.exp(log_beta)
    weights = np.exp(-beta * d)
    total = weights.sum()
    return np.log(total) + beta * (weights @ d) / total - wanted


def map_is_good(args: Args, got: Any, expected: Any) -> str | None:
    """The map's cost, computed here from the data, is about as low as the solution's; the costs belong to the map."""
    X, target, n_iter, _ = args
    D, n = distances(X), len(X)
    rows = np.zeros((n, n))
    for i in range(n):
        others = np.delete(D[i], i) - np.delete(D[i], i).min()
        log_beta = brentq(excess_entropy, -25, 25, args=(others, np.log(target)), xtol=1e-9)
        rows[i, np.arange(n) != i] = softmax(-np.exp(log_beta) * others)
    P = (rows + rows.T) / (2 * n)

    def cost(Y: np.ndarray) -> float:
        W = 1 / (1 + distances(Y)) - np.eye(n)
        return float(rel_entr(P, W / W.sum()).sum())

    Y, costs = got
    # the start is so small that Q is uniform: its cost depends on P alone
    uniform = float(rel_entr(P, (1 - np.eye(n)) / (n * (n - 1))).sum())
    if abs(costs[0] - uniform) > 1e-3 * uniform:
        return f"The first cost is {costs[0]:.5g}, but with the right affinities and start it is {uniform:.5g}."
    if n_iter <= 2 and np.abs(Y - expected[0]).max() > 0.01 * np.abs(expected[0]).max():
        return f"After {n_iter} iterations the map differs from what `optimise` makes of `pca_start(X)` in that time."
    mine, best = cost(Y), cost(expected[0])
    if mine > 1.15 * best + 0.02:
        return f"After {n_iter} iterations the cost of the map should be about {best:.3g}; that of yours is {mine:.3g}."
    step = abs(expected[1][-1] - best)  # the last cost is that before the last step, which after 20 may still be long
    if abs(costs[-1] - mine) > 0.05 * mine + 0.02 + 2 * step:
        return f"The last cost, {costs[-1]:.3g}, does not belong to the map that is returned, whose cost is {mine:.3g}."
    return None


# ---------------------------------------------------------------- a library's version, for later notebooks


def scikit_learn_distances(X: np.ndarray) -> np.ndarray:
    """What `squared_distances` returns, by scikit-learn: (n, n)."""
    from sklearn.metrics import pairwise_distances

    return pairwise_distances(X, metric="sqeuclidean")


def scikit_learn_tsne(X: np.ndarray, perplexity: float = 30.0, n_iter: int = 500, **options: Any) -> tuple[Any, Any]:
    """What `tsne` returns, by scikit-learn: the map (n, 2), and the final cost alone. Other options are its own."""
    from sklearn.manifold import TSNE

    fitted = TSNE(perplexity=perplexity, max_iter=max(n_iter, 250), init="pca", random_state=0).fit(X)
    return fitted.embedding_, np.array([fitted.kl_divergence_])


EXERCISES = (
    Exercise(
        id="squared-distances",
        notebook=NOTEBOOK,
        name="squared_distances",
        title="Squared distances without loops",
        points=1,
        difficulty=1,
        minutes=8,
        cases=squared_distances_cases,
        takes=("X",),
        returns=("D",),
        properties=(nonnegative, zero_diagonal),
        library=scikit_learn_distances,
        hints=(
            "Multiply out ‖x_i − x_j‖²: three terms come out, and each of them is cheap for all pairs at once.",
            "‖x_i − x_j‖² = ‖x_i‖² + ‖x_j‖² − 2 x_iᵀx_j. The last term for all pairs is one matrix product "
            "of X with Xᵀ.",
            "With the squared lengths as a vector of shape (n,), `[:, None]` makes a column and `[None, :]` "
            "a row of it; at the end `np.maximum` clips and `np.fill_diagonal` sets the diagonal.",
        ),
    ),
    Exercise(
        id="conditional-affinities",
        notebook=NOTEBOOK,
        name="conditional_affinities",
        title="Affinities p(j|i)",
        points=2,
        difficulty=2,
        minutes=12,
        cases=conditional_cases,
        takes=("D", "sigma"),
        returns=("P",),
        properties=(zero_diagonal, rows_sum_to_one),
        # exp(x) turns the rounding of its argument, |x| eps, into a relative error; |x| is up to some thousands here
        condition=1e5,
        hints=(
            "Row i has its own width: sigma must stand along the rows. `sigma[:, None]` is a column.",
            "The point itself takes no part in the sum: give it the weight 0 before you normalise. exp(−inf) is 0.",
            "For rows where everything underflows, subtract the row's largest exponent before `np.exp`: "
            "numerator and denominator are multiplied by the same number, so p(j|i) stays what it is.",
        ),
    ),
    Exercise(
        id="perplexity",
        notebook=NOTEBOOK,
        name="perplexity",
        title="Entropy and perplexity",
        points=1,
        difficulty=1,
        minutes=8,
        cases=perplexity_cases,
        takes=("P",),
        returns=("perplexities",),
        hints=(
            "First the entropy of each row in bits, H_i = −Σ_j p(j|i) log₂ p(j|i), then 2 to that power.",
            "A zero contributes nothing, because p log p → 0 for p → 0. NumPy says nan for 0 · log 0: take the "
            "logarithm of 1 in those places.",
        ),
    ),
    Exercise(
        id="sigma-search",
        notebook=NOTEBOOK,
        name="find_sigmas",
        title="The search for σ",
        points=3,
        difficulty=3,
        minutes=20,
        cases=sigma_cases,
        takes=("D", "target"),
        returns=("sigma",),
        properties=(reaches_perplexity,),
        by_property=("sigma",),
        time_limit=10.0,
        condition=1e6,  # a search that stops at 1e-4 of the perplexity still shows which mistake it is
        requires=("conditional-affinities", "perplexity"),
        hints=(
            "The perplexity of row i grows with sigma_i, so halving an interval finds it: keep a `low` and "
            "a `high` for "
            "every row and let all rows move at once.",
            "Let the first interval span many powers of ten and take the middle on a logarithmic scale, "
            "`np.sqrt(low * high)`; 60 to 100 halvings are plenty.",
            "`too_wide = perplexity(conditional_affinities(D, sigma)) > target` says for each row which end must move: "
            "`np.where(too_wide, sigma, high)` is the new upper end. What cannot be reached ends at an end by itself.",
        ),
    ),
    Exercise(
        id="joint-affinities",
        notebook=NOTEBOOK,
        name="joint_affinities",
        title="Joint affinities",
        points=1,
        difficulty=1,
        minutes=5,
        cases=joint_cases,
        takes=("P_cond",),
        returns=("P",),
        properties=(symmetric, sums_to_one, zero_diagonal),
        hints=("p_ij is the mean of p(j|i) and p(i|j), divided by n, so that the whole matrix sums to 1.",),
    ),
    Exercise(
        id="sne-q",
        notebook=NOTEBOOK,
        name="gaussian_affinities",
        title="Affinities q(j|i) of a map",
        points=1,
        difficulty=1,
        minutes=8,
        cases=map_cases,
        takes=("Y",),
        returns=("Q",),
        properties=(zero_diagonal, rows_sum_to_one),
        hints=(
            "The formula is that of p(j|i) without 2σ²: all map points have the same width.",
            "Which σ makes 2σ² equal to 1? With it, you have already written this function.",
        ),
        requires=("squared-distances", "conditional-affinities"),
    ),
    Exercise(
        id="kl-divergence",
        notebook=NOTEBOOK,
        name="kl_divergence",
        title="The cost, a sum of KL divergences",
        points=1,
        difficulty=2,
        minutes=8,
        cases=kl_cases,
        takes=("P", "Q"),
        returns=("C",),
        properties=(not_negative_cost,),
        condition=1e4,
        hints=(
            "The sum runs over all i and j at once: Σ_ij p log(p / q), natural logarithm.",
            "Only entries with p > 0 count. Select them with a mask, `P[P > 0]` and `Q[P > 0]`, and no log "
            "of 0 is taken.",
        ),
    ),
    Exercise(
        id="cost-slope",
        notebook=NOTEBOOK,
        name="slope_of_cost",
        title="A line of the derivation: ∂C/∂d_ij",
        points=1,
        difficulty=2,
        minutes=10,
        cases=slope_cases,
        takes=("P", "d"),
        returns=("dC_dd",),
        hints=(
            "C = const + Σ_ij p(j|i) d_ij + Σ_i log Z_i with Z_i = Σ_{k≠i} exp(−d_ik). Differentiate both "
            "sums by one d_ij.",
            "The first sum gives p(j|i). The second gives −exp(−d_ij) / Z_i, and you know a shorter name for that.",
        ),
        requires=("conditional-affinities",),
    ),
    Exercise(
        id="sne-gradient",
        notebook=NOTEBOOK,
        name="sne_gradient",
        title="The gradient of SNE",
        points=2,
        difficulty=3,
        minutes=15,
        cases=row_gradient_cases,
        takes=("P_cond", "Y"),
        returns=("dC_dY",),
        properties=(forces_cancel,),
        condition=1e5,  # the differences P - Q and y_i - y_j both cancel digits
        requires=("sne-q",),
        hints=(
            "Collect the four terms in one matrix first: M = (P − Q) + (P − Q)ᵀ has the entries of the bracket.",
            "All differences y_i − y_j at once: `Y[:, None, :] - Y[None, :, :]` has shape (n, n, 2). "
            "Weight, sum over j.",
        ),
    ),
    Exercise(
        id="symmetric-sne-gradient",
        notebook=NOTEBOOK,
        name="symmetric_sne_gradient",
        title="The gradient of symmetric SNE",
        points=2,
        difficulty=2,
        minutes=12,
        cases=joint_gradient_cases,
        takes=("P", "Y"),
        returns=("dC_dY",),
        properties=(forces_cancel,),
        condition=1e5,
        requires=("squared-distances",),
        hints=(
            "q_ij divides by the sum over all pairs, `K.sum()`, not by that of a row; the diagonal of K is 0.",
            "Σ_j m_ij (y_i − y_j) = (Σ_j m_ij) y_i − Σ_j m_ij y_j: a row sum times Y minus the matrix product M @ Y. "
            "No (n, n, 2) array is needed.",
        ),
    ),
    Exercise(
        id="student-t-q",
        notebook=NOTEBOOK,
        name="student_t_affinities",
        title="Student-t affinities",
        points=1,
        difficulty=1,
        minutes=8,
        cases=map_cases,
        takes=("Y",),
        returns=("Q", "W"),
        properties=(zero_diagonal, sums_to_one),
        requires=("squared-distances",),
        hints=(
            "W first: 1 / (1 + D), with zeros on the diagonal. Then Q is W divided by one number.",
            "D holds squared distances already: nothing is squared again.",
        ),
    ),
    Exercise(
        id="tsne-gradient",
        notebook=NOTEBOOK,
        name="tsne_gradient",
        title="The gradient of t-SNE",
        points=2,
        difficulty=2,
        minutes=12,
        cases=joint_gradient_cases,
        takes=("P", "Y"),
        returns=("dC_dY",),
        properties=(forces_cancel,),
        condition=1e5,
        requires=("student-t-q",),
        hints=(
            "It is the gradient of symmetric SNE with one more factor inside the sum, and that factor is W.",
            "M = (P − Q) * W, entry by entry; then as before, 4 times the row sums of M times Y, minus M @ Y.",
        ),
    ),
    Exercise(
        id="optimiser-step",
        notebook=NOTEBOOK,
        name="optimiser_step",
        title="One step of the optimiser",
        points=2,
        difficulty=2,
        minutes=12,
        cases=step_cases,
        takes=("Y", "velocity", "gains", "dC_dY", "learning_rate", "momentum"),
        returns=("Y", "velocity", "gains"),
        hints=(
            "Do it in the order of the docstring: new gains, with them the new velocity, with it the new Y.",
            "`np.where(dC_dY * velocity < 0, gains + 0.2, gains * 0.8)`, then `np.maximum` for the floor. "
            "Make new arrays: `gains *= 0.8` would change the caller's.",
        ),
    ),
    Exercise(
        id="pca-start",
        notebook=NOTEBOOK,
        name="pca_start",
        title="A start from principal components",
        points=2,
        difficulty=2,
        minutes=12,
        cases=start_cases,
        takes=("X",),
        returns=("Y",),
        condition=1e6,  # singular vectors amplify rounding by 1 / (relative gap between singular values)
        hints=(
            "Centre X, take its singular value decomposition U S Vᵀ; the first two columns of U times their singular "
            "values are the coordinates.",
            "One factor scales both columns: 1e-4 divided by the standard deviation of the first.",
            "For the sign: `Y[np.abs(Y).argmax(0), [0, 1]]` holds the entry of largest size of each column; multiply "
            "each column by its sign.",
        ),
    ),
    Exercise(
        id="optimise",
        notebook=NOTEBOOK,
        name="optimise",
        title="The descent",
        points=2,
        difficulty=3,
        minutes=20,
        cases=optimise_cases,
        takes=("P", "Y", "n_iter", "exaggeration_iter"),
        returns=("Y", "costs"),
        condition=1e9,  # a small start grows by orders of magnitude within a few exaggerated steps
        requires=("kl-divergence", "student-t-q", "tsne-gradient", "optimiser-step"),
        hints=(
            "In the loop: `early = t < exaggeration_iter` decides about exaggeration and momentum. The gradient is "
            "taken of the exaggerated P, the cost of the true one.",
            "The cost of iteration t belongs to the Y before that iteration's step: append it before you step.",
        ),
    ),
    Exercise(
        id="tsne",
        notebook=NOTEBOOK,
        name="tsne",
        title="The whole algorithm",
        points=1,
        difficulty=2,
        minutes=8,
        cases=tsne_cases,
        takes=("X", "perplexity", "n_iter", "exaggeration_iter"),
        returns=("Y", "costs"),
        by_property=("Y", "costs"),
        properties=(map_is_good,),
        condition=1e9,
        time_limit=10.0,
        requires=(
            "squared-distances",
            "conditional-affinities",
            "sigma-search",
            "joint-affinities",
            "pca-start",
            "optimise",
        ),
        library=scikit_learn_tsne,
        hints=(
            "D from X, sigma from D, P(j|i) from both, the joint P from that: one line each, or two in all.",
            "`optimise` takes the joint P and the start, `pca_start(X)`, and returns what this function returns.",
        ),
    ),
    *sne_to_tsne_scale.EXERCISES,
    *sne_to_tsne_reading.EXERCISES,
)
