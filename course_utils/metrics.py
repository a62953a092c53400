"""Measures that the notebooks share: gradients by differences, the cost of a map, its neighbours, time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.neighbors import NearestNeighbors


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


def seconds(f: Callable[..., Any], *args: Any, repeats: int = 5) -> float:
    """The shortest of `repeats` times that f(*args) takes, in seconds; the shortest is the least disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def largest_tensor(f: Callable[..., Any], *args: Any) -> int:
    """How many entries the largest torch tensor has that f(*args) makes or looks at; a view counts as what it views."""
    from torch.utils._python_dispatch import TorchDispatchMode

    largest = 0

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = operation(*args, **(kwargs or {}))
            for tensor in made if isinstance(made, tuple | list) else (made,):
                if hasattr(tensor, "untyped_storage"):
                    largest = max(largest, tensor.untyped_storage().nbytes() // tensor.element_size())
            return made

    with Watching():
        f(*args)
    return largest
