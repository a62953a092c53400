"""Measures that the notebooks share: of gradients, of maps, of who is told from whom, and of time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from course_utils.errors import CourseError


def numerical_gradient(f: Callable[[np.ndarray], float], Y: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Central differences (f(Y + h e) - f(Y - h e)) / 2h for every entry of Y.

    f takes an array of Y's shape and returns a number. Returns float64 of Y's shape; Y stays as it is.
    The truncation error is of order h², the rounding error of order eps |f| / h.
    """
    Y = np.array(Y, dtype=np.float64)
    slopes = np.empty_like(Y)
    for index in np.ndindex(Y.shape):
        middle = Y[index]
        Y[index] = middle + h
        above = float(f(Y))
        Y[index] = middle - h
        below = float(f(Y))
        Y[index] = middle
        slopes[index] = (above - below) / (2 * h)
    return slopes


def relative_error(a: Any, b: Any) -> float:
    """The largest |a - b| divided by the largest entry of |a| and |b|; 0 where both are 0 everywhere."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    size = max(np.abs(a).max(), np.abs(b).max())
    return float(np.abs(a - b).max() / size) if size > 0 else 0.0


def kl(P: np.ndarray, Y: np.ndarray, block: int = 1000) -> float:
    """The exact cost of a t-SNE map: KL(P‖Q) in nats, with Student-t Q, computed by blocks of rows.

    P (n, n) joint affinities with sum 1, Y (n, 2). With w_ij = 1 / (1 + ‖y_i − y_j‖²) it is
    Σ p log p − Σ p log w + log Σ_{k≠l} w_kl; memory is block × n besides P. 0 log 0 counts as 0.
    """
    Y = np.asarray(Y, dtype=np.float64)
    norms = (Y * Y).sum(1)  # (n,)
    Z = cost = 0.0
    for start in range(0, len(Y), block):
        rows = slice(start, start + block)
        D = np.maximum(norms[rows, None] + norms[None, :] - 2 * Y[rows] @ Y.T, 0)  # (block, n)
        Z += (1 / (1 + D)).sum()
        p = np.asarray(P[rows], dtype=np.float64)
        cost += (xlogy(p, p) + p * np.log1p(D)).sum()
    return float(cost + np.log(Z - len(Y)))  # the diagonal of w is 1


def same_class_neighbours(Y: np.ndarray, labels: np.ndarray, k: int = 10) -> float:
    """The mean share of a point's k nearest neighbours in Y (n, d) that have its label, the point itself left out."""
    labels = np.asarray(labels)
    neighbours = NearestNeighbors(n_neighbors=k).fit(Y).kneighbors(return_distance=False)  # (n, k)
    return float((labels[neighbours] == labels[:, None]).mean())


def roc(d: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each threshold on the distance does, if a pair with d <= threshold is accepted as the same.

    d (m,) distances of pairs; y (m,) 0 = same, 1 = different. Returns false-accept rates (the share of different
    pairs accepted), true-accept rates (the share of same pairs accepted) and the thresholds, all (t,), from
    "accept nothing" (threshold -inf) to "accept everything". Raises CourseError unless both kinds of pairs are
    there and all distances are finite.
    """
    d, y = checked_pairs(d, y)
    far, tar, scores = roc_curve(y == 0, -d, drop_intermediate=False)
    return far, tar, -scores


def checked_pairs(d: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (m,) and labels (m,) as float64 and as they are; raises CourseError where `roc` cannot use them."""
    d, y = np.asarray(d, dtype=np.float64), np.asarray(y)
    if d.ndim != 1 or d.shape != y.shape:
        raise CourseError(
            f"Distances and labels must be two lists of one length, but have shapes {d.shape}, {y.shape}."
        )
    if not np.isfinite(d).all():
        raise CourseError(f"{np.sum(~np.isfinite(d)):,} of {d.size:,} distances are not finite; look for them first.")
    if set(np.unique(y)) != {0, 1}:
        raise CourseError("Labels must be 0 (same) and 1 (different), and both must occur among the pairs.")
    return d, y


def auc(d: np.ndarray, y: np.ndarray) -> float:
    """The chance that a same pair is nearer than a different pair, ties counted half: the area under the ROC curve.

    d, y as in `roc`. 1 is perfect; a constant embedding has 0.5.
    """
    d, y = checked_pairs(d, y)
    return float(roc_auc_score(y == 0, -d))


def equal_error_rate(d: np.ndarray, y: np.ndarray) -> float:
    """The error rate where false accepts and false rejects (1 - true accepts) are equally frequent.

    d, y as in `roc`. Both rates are joined by straight lines between neighbouring thresholds, and the crossing is
    taken; so all pairs at one distance give 0.5.
    """
    far, tar, _ = roc(d, y)
    gap = far - (1 - tar)  # from -1 to 1, never falling
    after = int(np.argmax(gap >= 0))  # gap[0] is -1, so after is at least 1
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(far[after - 1] + share * (far[after] - far[after - 1]))


def true_accepts(d: np.ndarray, y: np.ndarray, false_accepts: float = 0.01) -> float:
    """The largest true-accept rate of a threshold whose false-accept rate is at most `false_accepts`.

    d, y as in `roc`. Nothing is interpolated: a threshold with that rate exists, on these pairs.
    """
    far, tar, _ = roc(d, y)
    return float(tar[far <= false_accepts].max())


def recall_at_k(D: np.ndarray, identity: np.ndarray, k: int = 1, group: np.ndarray | None = None) -> float:
    """The share of pictures that find one of their own identity among the k nearest others. Ties count against.

    D (n, n) distances, identity (n,). With `group` (n,), pictures of the query's own group are no part of its
    gallery (a drawing by the same team). A wrong picture as near as the nearest right one comes before it, so that
    a constant embedding finds nothing; so does one at a distance that is not a number. Queries whose identity does
    not occur in their gallery are left out. Raises CourseError where that leaves none.
    """
    D, identity = np.asarray(D), np.asarray(identity)
    gallery = ~np.eye(len(D), dtype=bool) if group is None else np.not_equal.outer(group, group)
    same = np.equal.outer(identity, identity)
    asked = (same & gallery).any(1)
    if not asked.any():
        raise CourseError("No picture has another one of its identity in its gallery, so nothing can be recalled.")
    nearest_right = np.where(same & gallery, D, np.inf).min(1)  # (n,)
    ahead = (~same & gallery & ~(nearest_right[:, None] < D)).sum(1)  # wrong ones that come before it
    return float((ahead < k)[asked].mean())


def one_shot_accuracy(
    D: np.ndarray,
    identity: np.ndarray,
    n_way: int,
    n_trials: int,
    rng: np.random.Generator,
    group: np.ndarray | None = None,
) -> float:
    """The share of trials in which a picture is put to its identity, of which one example is given. Ties count against.

    D (n, n) distances, identity (n,). A trial draws with `rng` a query, another picture of its identity, and one
    picture each of n_way - 1 other identities; it is won if the first is strictly nearer than all others. With
    `group` (n,), no example is of the query's own group. Chance is 1 / n_way; a constant embedding has 0.
    Raises CourseError where too few identities can be drawn for the query.
    """
    D, identity = np.asarray(D), np.asarray(identity)
    gallery = ~np.eye(len(D), dtype=bool) if group is None else np.not_equal.outer(group, group)
    same = np.equal.outer(identity, identity)
    queries = np.flatnonzero((same & gallery).any(1))
    if not len(queries):
        raise CourseError("No picture has another one of its identity in its gallery, so nothing can be asked.")
    won = 0
    for query in rng.choice(queries, n_trials):
        right = rng.choice(np.flatnonzero(same[query] & gallery[query]))
        rows = rng.permutation(np.flatnonzero(~same[query] & gallery[query]))
        _, first = np.unique(identity[rows], return_index=True)  # one picture, at random, of each other identity
        if len(first) < n_way - 1:
            raise CourseError(f"{n_way}-way trials need {n_way} identities, but one query has only {len(first) + 1}.")
        others = rng.choice(rows[first], n_way - 1, replace=False)
        won += bool((D[query, others] > D[query, right]).all())
    return won / n_trials


def analogy_share(questions: Any, W: np.ndarray, *, unit: bool = True, exclude: bool = True) -> float:
    """The share of analogy questions a : b :: c : d that vectors answer rightly, with parts of the formula left out.

    `questions` are arrays (m, 4) of row numbers of W (n, d). Without `unit` rows keep their lengths; without `exclude`
    a, b and c may be answers too.
    """
    W, hits = W / np.linalg.norm(W, axis=1, keepdims=True) if unit else W, []
    for q in np.array_split(np.concatenate(list(questions)), 30):  # in parts, to save memory
        scores = (W[q[:, 1]] - W[q[:, 0]] + W[q[:, 2]]) @ W.T
        if exclude:
            scores[np.arange(len(q))[:, None], q[:, :3]] = -np.inf
        hits.append(scores.argmax(1) == q[:, 3])
    return float(np.concatenate(hits).mean())


def spearman(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator, draws: int = 1000
) -> tuple[float, tuple[float, float]]:
    """Spearman's rho of x and y (n,), the correlation of their ranks, and its 95 % interval by the bootstrap.

    The interval holds the middle 95 % of the correlations of `draws` samples of n pairs, drawn with replacement.
    """
    x, y = np.asarray(x), np.asarray(y)
    samples = [np.arange(len(x)), *rng.integers(len(x), size=(draws, len(x)))]
    rho = [np.corrcoef(rankdata(x[some]), rankdata(y[some]))[0, 1] for some in samples]
    low, high = np.quantile(rho[1:], [0.025, 0.975])
    return float(rho[0]), (float(low), float(high))


def seconds(f: Callable[..., Any], *args: Any, repeats: int = 5) -> float:
    """The shortest of `repeats` times that f(*args) takes, in seconds; the shortest is the least disturbed.

    A graphics card works on after a call has returned: where torch uses one, its work is waited for.
    """
    times = []
    for _ in range(repeats):
        wait_for_device()
        start = time.perf_counter()
        f(*args)
        wait_for_device()
        times.append(time.perf_counter() - start)
    return min(times)


def wait_for_device() -> None:
    """Wait until CUDA or MPS has done what torch has asked of it; nothing where torch is not there or uses neither."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()
