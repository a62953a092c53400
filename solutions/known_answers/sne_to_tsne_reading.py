"""The author's half of notebook 01, part E: known mistakes with what a teacher would say, and other right answers."""

from collections import Counter

import numpy as np
import torch
from scipy.spatial.distance import cdist

from course_utils.authoring import KnownAnswers

known = KnownAnswers("01_sne_to_tsne")


def nearest_first(X, stable=True, itself=np.inf):
    """Each point's others by distance, (n, n); `itself` is the distance that a point is given from itself."""
    D = cdist(X, X, "sqeuclidean")
    np.fill_diagonal(D, itself)
    if stable:
        return np.argsort(D, axis=1, kind="stable")
    last = len(D) - 1
    return last - np.argsort(D[:, ::-1], axis=1, kind="stable")  # of equals, the higher index first


def ranks(X, **options):
    """rank[i, j] of j among the neighbours of i, from 1, (n, n)."""
    return np.argsort(nearest_first(X, **options), axis=1) + 1


def trust(excess, k):
    """1 minus the normalised sum of `excess` (n, k)."""
    n = len(excess)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess.sum()


def excess_of(rank, near, k):
    """max(rank - k, 0) of the neighbours `near` (n, k)."""
    return np.maximum(np.take_along_axis(rank, near, axis=1) - k, 0)


# ---------------------------------------------------------------- trustworthiness


@known.mistake(
    "trustworthiness",
    "ranks start at 0",
    "Your ranks start at 0: the nearest neighbour has rank 1, so a false neighbour just outside costs 1, not 0.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(X) - 1, nearest_first(Y)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "the point is its own neighbour",
    "Each point is counted as its own nearest neighbour; put `np.inf` on both diagonals, so that it comes last.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(X, itself=-1.0), nearest_first(Y, itself=-1.0)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "data and map swapped",
    "That is the opposite measure (continuity: neighbours that the map has lost). Here neighbours come from the map Y "
    "and their ranks from the data X.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(Y), nearest_first(X)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "true neighbours counted too",
    "The sum runs only over false neighbours, those with a rank above k; you let the true ones in, with negative terms.",
)
def _(X, Y, k):
    return trust(np.take_along_axis(ranks(X), nearest_first(Y)[:, :k], axis=1) - k, k)


@known.mistake(
    "trustworthiness",
    "k not subtracted",
    "A false neighbour costs how far it lies beyond the k-th place, r(i, j) − k; you took the whole rank.",
)
def _(X, Y, k):
    rank = np.take_along_axis(ranks(X), nearest_first(Y)[:, :k], axis=1)
    return trust(np.where(rank > k, rank, 0), k)


@known.mistake(
    "trustworthiness",
    "factor 2 missing",
    "The factor in front of the sum is 2 / (n k (2n − 3k − 1)): the 2 is missing.",
)
def _(X, Y, k):
    return (1 + trust(excess_of(ranks(X), nearest_first(Y)[:, :k], k), k)) / 2


@known.mistake(
    "trustworthiness",
    "the penalty returned",
    "This is the penalty; trustworthiness is 1 minus it, so that a perfect map has 1.",
)
def _(X, Y, k):
    return 1 - trust(excess_of(ranks(X), nearest_first(Y)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "false neighbours counted, not weighed",
    "You counted the false neighbours; each one costs r(i, j) − k, so one that comes from afar costs more.",
)
def _(X, Y, k):
    return trust((excess_of(ranks(X), nearest_first(Y)[:, :k], k) > 0).astype(int), k)


@known.mistake(
    "trustworthiness",
    "ties to the higher index",
    'Where points are equally far, the lower index comes first: sort with `kind="stable"`.',
)
def _(X, Y, k):
    return trust(excess_of(ranks(X, stable=False), nearest_first(Y, stable=False)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "order taken for ranks",
    "`argsort` once gives who stands at each place; the rank of j is its place in that list, one more `argsort`.",
)
def _(X, Y, k):
    return trust(excess_of(nearest_first(X) + 1, nearest_first(Y)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "the point is its own neighbour in the map",
    "In the map each point is counted among its own k neighbours: put `np.inf` on the diagonal of its distances too.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(X), nearest_first(Y, itself=0.0)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "the point has rank 1 in its own list",
    "In the data each point takes rank 1 in its own list, so all others have a rank too many: put `np.inf` on that "
    "diagonal too.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(X, itself=0.0), nearest_first(Y)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "the point is its own neighbour, by distance 0",
    "Each point is counted as its own nearest neighbour, at distance 0; put `np.inf` on both diagonals.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(X, itself=0.0), nearest_first(Y, itself=0.0)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "the first in the list dropped",
    "You drop the first of each list of the map as the point itself; where points are equal, the first may be another "
    "one. Put `np.inf` on the diagonal instead.",
)
def _(X, Y, k):
    return trust(excess_of(ranks(X), nearest_first(Y, itself=0.0)[:, 1 : k + 1], k), k)


@known.mistake(
    "trustworthiness",
    "distance 0 left out",
    "You leave out everything at distance 0, and with it points that are equal to others: leave out the diagonal.",
)
def _(X, Y, k):
    def others(Z):
        D = cdist(Z, Z, "sqeuclidean")
        return np.argsort(np.where(D == 0, np.inf, D), axis=1, kind="stable")

    return trust(excess_of(np.argsort(others(X), axis=1) + 1, others(Y)[:, :k], k), k)


@known.mistake(
    "trustworthiness",
    "all ranks added up",
    "You add up the whole ranks of the neighbours; each costs max(r(i, j) − k, 0), which is 0 for the true ones.",
)
def _(X, Y, k):
    return trust(np.take_along_axis(ranks(X), nearest_first(Y)[:, :k], axis=1), k)


@known.mistake(
    "trustworthiness",
    "mean for the factor",
    "You divided the sum by n k; the factor in front is 2 / (n k (2n − 3k − 1)), which makes the worst map 0.",
)
def _(X, Y, k):
    return 1 - excess_of(ranks(X), nearest_first(Y)[:, :k], k).mean()


@known.mistake(
    "trustworthiness",
    "n missing in the factor",
    "The n is missing in the denominator of the factor, 2 / (n k (2n − 3k − 1)).",
)
def _(X, Y, k):
    return 1 - len(X) * (1 - trust(excess_of(ranks(X), nearest_first(Y)[:, :k], k), k))


@known.mistake(
    "trustworthiness",
    "sign in the factor",
    "The factor is 2 / (n k (2n − 3k − 1)); you have + 1 in the bracket.",
)
def _(X, Y, k):
    n = len(X)
    return 1 - 2 / (n * k * (2 * n - 3 * k + 1)) * excess_of(ranks(X), nearest_first(Y)[:, :k], k).sum()


@known.alternative("trustworthiness", "loops over sorted lists")
def _(X, Y, k):
    n, penalty = len(X), 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        in_data = sorted(others, key=lambda j: sum((X[i] - X[j]) ** 2))
        in_map = sorted(others, key=lambda j: sum((Y[i] - Y[j]) ** 2))
        penalty += sum(in_data.index(j) + 1 - k for j in in_map[:k] if j not in in_data[:k])
    return 1 - 2 * penalty / (n * k * (2 * n - 3 * k - 1))


@known.alternative("trustworthiness", "torch in float32, with roots")
def _(X, Y, k):
    n = len(X)
    X, Y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
    far = torch.diag(torch.full((n,), torch.inf))
    D_X = (X[:, None] - X[None]).pow(2).sum(-1).sqrt() + far
    D_Y = (Y[:, None] - Y[None]).pow(2).sum(-1).sqrt() + far
    rank = D_X.argsort(dim=1, stable=True).argsort(1) + 1
    near = D_Y.argsort(dim=1, stable=True)[:, :k]
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * (rank.gather(1, near) - k).clamp(min=0).sum()


@known.alternative("trustworthiness", "masks of neighbourhoods")
def _(X, Y, k):
    n = len(X)
    rank_X, rank_Y = ranks(X), ranks(Y)
    false = (rank_Y <= k) & (rank_X > k) & ~np.eye(n, dtype=bool)
    return float(1 - 2 / (n * k * (2 * n - 3 * k - 1)) * np.einsum("ij,ij->", false, rank_X - k))


@known.alternative("trustworthiness", "ranks by counting who is nearer")
def _(X, Y, k):
    n = len(X)
    lower = np.arange(n)[None, :] < np.arange(n)[:, None]  # [j, m]: m has the lower index

    def counted(Z):
        D = ((Z[:, None] - Z[None]) ** 2).sum(-1)
        before = (D[:, None, :] < D[:, :, None]) | ((D[:, None, :] == D[:, :, None]) & lower[None])
        before[np.arange(n), :, np.arange(n)] = False  # a point takes no place in its own list
        return before.sum(2) + 1

    return trust(((np.maximum(counted(X) - k, 0)) * (counted(Y) <= k) * (1 - np.eye(n))), k)


# ---------------------------------------------------------------- neighbour-accuracy


def voted(labels, near, largest=False):
    """The share of points whose neighbours `near` (n, k) vote for their label; ties go to the smallest label."""
    classes = np.unique(labels)
    if largest:
        classes = classes[::-1]
    votes = (labels[near][:, :, None] == classes).sum(1)
    return float((classes[votes.argmax(1)] == labels).mean())


@known.mistake(
    "neighbour-accuracy",
    "the point votes for itself",
    "Each point is among its own k neighbours and votes for itself, which makes every map look good; leave it out.",
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y, itself=-1.0)[:, :k])


@known.mistake(
    "neighbour-accuracy",
    "the first in the list dropped",
    "You drop the first of each list as the point itself; where two points are equal, the first may be the other one. "
    "Put `np.inf` on the diagonal instead.",
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y, itself=0.0)[:, 1 : k + 1])


@known.mistake(
    "neighbour-accuracy",
    "vote ties to the largest label",
    "Where votes tie, the smallest label wins; you let the largest win.",
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y)[:, :k], largest=True)


@known.mistake(
    "neighbour-accuracy",
    "vote ties to the nearest",
    "Where votes tie, the smallest label wins; you let the label of the nearer neighbour win.",
)
def _(Y, labels, k):
    near = nearest_first(Y)[:, :k]
    return float(
        np.mean(
            [Counter(labels[row].tolist()).most_common(1)[0][0] == own for row, own in zip(near, labels, strict=True)]
        )
    )


@known.mistake(
    "neighbour-accuracy",
    "mean share for a vote",
    "This is the mean share of neighbours with the same label; take a majority vote first, then count the points it gets "
    "right.",
)
def _(Y, labels, k):
    return float((labels[nearest_first(Y)[:, :k]] == labels[:, None]).mean())


@known.mistake(
    "neighbour-accuracy",
    "the number of points that are right",
    "This is how many points are right; divide by n to get the share.",
)
def _(Y, labels, k):
    return float(voted(labels, nearest_first(Y)[:, :k]) * len(labels))


@known.mistake(
    "neighbour-accuracy", "the error", "This is the share of points that are wrong; the accuracy is 1 minus it."
)
def _(Y, labels, k):
    return 1 - voted(labels, nearest_first(Y)[:, :k])


@known.mistake(
    "neighbour-accuracy",
    "distance ties to the higher index",
    'Where points are equally far, the lower index comes first: sort with `kind="stable"`.',
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y, stable=False)[:, :k])


@known.mistake(
    "neighbour-accuracy",
    "only the nearest asked",
    "Only the nearest neighbour is asked; all k of them vote.",
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y)[:, :1])


@known.mistake(
    "neighbour-accuracy",
    "the point votes for itself, by distance 0",
    "Each point is among its own k neighbours, at distance 0, and votes for itself; put `np.inf` on the diagonal.",
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y, itself=0.0)[:, :k])


@known.mistake(
    "neighbour-accuracy",
    "the point votes besides its neighbours",
    "Each point votes too, besides its k neighbours; only the neighbours vote.",
)
def _(Y, labels, k):
    return voted(labels, nearest_first(Y, itself=-1.0)[:, : k + 1])


@known.mistake(
    "neighbour-accuracy",
    "distance 0 left out",
    "You leave out everything at distance 0, and lose the points that are equal to another: leave out the diagonal.",
)
def _(Y, labels, k):
    D = cdist(Y, Y, "sqeuclidean")
    return voted(labels, np.argsort(np.where(D == 0, np.inf, D), axis=1, kind="stable")[:, :k])


@known.mistake(
    "neighbour-accuracy",
    "position taken for the label",
    "`argmax` gives a position among the classes, not the label: look it up, `classes[votes.argmax(1)]`.",
)
def _(Y, labels, k):
    votes = (labels[nearest_first(Y)[:, :k]][:, :, None] == np.unique(labels)).sum(1)
    return float((votes.argmax(1) == labels).mean())


@known.mistake(
    "neighbour-accuracy",
    "labels taken for 0 to 9",
    "You count votes for the labels 0 to 9; labels are any whole numbers, as `np.unique(labels)` has them.",
)
def _(Y, labels, k):
    votes = (labels[nearest_first(Y)[:, :k]][:, :, None] == np.arange(10)).sum(1)
    return float((votes.argmax(1) == labels).mean())


@known.mistake(
    "neighbour-accuracy",
    "a tie counts as right",
    "Where votes tie you count the point as right if its label is among the first; the smallest of them wins alone.",
)
def _(Y, labels, k):
    votes = (labels[nearest_first(Y)[:, :k]][:, :, None] == np.unique(labels)).sum(1)
    own = np.take_along_axis(votes, np.unique(labels, return_inverse=True)[1][:, None], axis=1)[:, 0]
    return float((own == votes.max(1)).mean())


@known.mistake(
    "neighbour-accuracy",
    "more than half asked for",
    "You ask for more than half of the votes; the label with the most votes wins, also with fewer than half of them.",
)
def _(Y, labels, k):
    return float(((labels[nearest_first(Y)[:, :k]] == labels[:, None]).mean(1) > 0.5).mean())


@known.alternative("neighbour-accuracy", "loops and a counter")
def _(Y, labels, k):
    right = 0
    for i in range(len(Y)):
        others = sorted((j for j in range(len(Y)) if j != i), key=lambda j: (sum((Y[i] - Y[j]) ** 2), j))
        votes = Counter(int(labels[j]) for j in others[:k])
        winner = min(votes, key=lambda label: (-votes[label], label))
        right += winner == labels[i]
    return right / len(Y)


@known.alternative("neighbour-accuracy", "torch in float32, one-hot votes")
def _(Y, labels, k):
    Y = torch.tensor(Y, dtype=torch.float32)
    classes, index = torch.tensor(labels).unique(return_inverse=True)
    D = (Y[:, None] - Y[None]).pow(2).sum(-1).sqrt()
    near = D.fill_diagonal_(torch.inf).argsort(dim=1, stable=True)[:, :k]
    votes = torch.nn.functional.one_hot(index[near], len(classes)).sum(1)
    smallest_first = votes * len(classes) - torch.arange(len(classes))
    return (smallest_first.argmax(1) == index).float().mean()


@known.alternative("neighbour-accuracy", "bincount and einsum")
def _(Y, labels, k):
    difference = Y[:, None] - Y[None]
    D = np.einsum("ijk,ijk->ij", difference, difference)
    D[np.diag_indices(len(D))] = np.inf
    names, index = np.unique(labels, return_inverse=True)
    near = np.argsort(D, axis=1, kind="stable")[:, :k]
    winners = np.array([np.bincount(index[row], minlength=len(names)).argmax() for row in near])
    return np.mean(winners == index)


# ---------------------------------------------------------------- mutants that change nothing

for exercise_id, mutant in (
    ("trustworthiness", "line 14: `np.argsort(D_X, axis=1, kind='stable')` -> `np.argsort(D_X, kind='stable')`"),
    ("trustworthiness", "line 15: `np.argsort(order, axis=1)` -> `np.argsort(order)`"),
    ("trustworthiness", "line 16: `np.argsort(D_Y, axis=1, kind='stable')` -> `np.argsort(D_Y, kind='stable')`"),
    ("trustworthiness", "line 17: `np.take_along_axis(ranks, near, axis=1)` -> `np.take_along_axis(ranks, near)`"),
    ("neighbour-accuracy", "line 12: `np.argsort(D, axis=1, kind='stable')` -> `np.argsort(D, kind='stable')`"),
):
    known.equivalent(exercise_id, mutant, "the last axis is the default, and the last of two is axis 1")
known.equivalent(
    "neighbour-accuracy",
    "line 14: `(labels[near][:, :, None] == classes).sum(1)` -> `(labels[near][:, :, None] == classes).mean(1)`",
    "shares are largest where counts are",
)
known.equivalent(
    "neighbour-accuracy",
    "line 15: `float((classes[votes.argmax(1)] == labels).mean())` -> `(classes[votes.argmax(1)] == labels).mean()`",
    "a NumPy number is as good as a Python one",
)
