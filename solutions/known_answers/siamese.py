"""The author's half of notebook 04, part A and the measures of part E: known mistakes, and other right answers.

Never released. `course validate` proves that every mistake is caught and named, and that every alternative passes.
"""

import itertools
from fractions import Fraction

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_curve

from course_utils import metrics
from course_utils.authoring import KnownAnswers

known = KnownAnswers("04_siamese_triplet")
S = known.solution


# ---------------------------------------------------------------- pair-distances


@known.mistake("pair-distances", "squared", "These are squared distances; take the square root.")
def _(E1, E2):
    return ((E1 - E2) ** 2).sum(1)


@known.mistake(
    "pair-distances", "mean for sum", "You average the squares over the dimensions; the Euclidean distance sums them."
)
def _(E1, E2):
    return np.sqrt(((E1 - E2) ** 2).mean(1))


@known.mistake(
    "pair-distances", "sum of absolute values", "This is the sum of |differences|; square them, sum, take the root."
)
def _(E1, E2):
    return np.abs(E1 - E2).sum(1)


@known.mistake(
    "pair-distances",
    "all pairs",
    "You compare every row of E1 with every row of E2; row i of E1 belongs to row i of E2 only.",
)
def _(E1, E2):
    return cdist(E1, E2)


@known.mistake(
    "pair-distances",
    "wrong axis",
    "You sum over the pairs instead of the dimensions: sum along axis 1, which leaves (b,).",
)
def _(E1, E2):
    return np.sqrt(((E1 - E2) ** 2).sum(0))


@known.mistake(
    "pair-distances",
    "cosine distance",
    "This is 1 - cosine, which ignores lengths; the Euclidean distance is asked for.",
)
def _(E1, E2):
    with np.errstate(all="ignore"):
        return 1 - (E1 * E2).sum(1) / (np.linalg.norm(E1, axis=1) * np.linalg.norm(E2, axis=1))


@known.mistake(
    "pair-distances",
    "torch's pairwise_distance",
    "torch's pairwise_distance adds 0.000001 to every difference, so equal pictures are not at distance 0; give it eps=0.",
)
def _(E1, E2):
    return torch.nn.functional.pairwise_distance(torch.from_numpy(E1), torch.from_numpy(E2)).numpy()


@known.mistake(
    "pair-distances",
    "small number under the root",
    "You add 0.000001 under the root, so equal pictures are not at distance 0; a distance needs no such guard.",
)
def _(E1, E2):
    return np.sqrt(((E1 - E2) ** 2).sum(1) + 1e-6)


@known.mistake(
    "pair-distances",
    "multiplied out",
    "Multiplied out, |a|² + |b|² - 2 ab rounds to less than 0 for nearly equal pictures, and the root is nan: subtract first, then square.",
)
def _(E1, E2):
    with np.errstate(all="ignore"):
        return np.sqrt((E1**2).sum(1) + (E2**2).sum(1) - 2 * (E1 * E2).sum(1))


@known.alternative("pair-distances", "norm")
def _(E1, E2):
    return np.linalg.norm(E2 - E1, axis=1)


@known.alternative("pair-distances", "loops")
def _(E1, E2):
    return np.array(
        [sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) ** 0.5 for one, two in zip(E1, E2, strict=True)]
    )


@known.alternative("pair-distances", "torch")
def _(E1, E2):
    return (torch.from_numpy(E1) - torch.from_numpy(E2)).norm(dim=1).numpy()


known.equivalent("pair-distances", "line 7: `E1 - E2` -> `E2 - E1`", "The square of the negative is the same.")


# ---------------------------------------------------------------- error-rates


@known.mistake(
    "error-rates", "labels flipped", "You take y = 0 for different; in this notebook 0 = same and 1 = different."
)
def _(d, y, thresholds):
    return S.error_rates(d, 1 - y, thresholds)


@known.mistake(
    "error-rates", "strictly below", "A pair exactly at the threshold is accepted too: d <= threshold, not <."
)
def _(d, y, thresholds):
    accepted = d < thresholds[:, None]
    return accepted[:, y == 1].mean(1), 1 - accepted[:, y == 0].mean(1)


@known.mistake(
    "error-rates",
    "shares of all pairs",
    "You divide by the number of all pairs; each rate is a share of its own kind, or it depends on how many of each there are.",
)
def _(d, y, thresholds):
    accepted = d <= thresholds[:, None]
    return (accepted & (y == 1)).mean(1), (~accepted & (y == 0)).mean(1)


@known.mistake("error-rates", "exchanged", "far and frr are exchanged: far comes first.")
def _(d, y, thresholds):
    return S.error_rates(d, y, thresholds)[::-1]


@known.mistake(
    "error-rates",
    "true accepts for false rejects",
    "Your second rate is the share of same pairs that are accepted; frr is the share that is *not*: 1 minus it.",
)
def _(d, y, thresholds):
    far, frr = S.error_rates(d, y, thresholds)
    return far, 1 - frr


@known.mistake(
    "error-rates",
    "large means same",
    "You accept pairs that are far apart; d is a distance, so the same are near: d <= threshold.",
)
def _(d, y, thresholds):
    accepted = d >= thresholds[:, None]
    return accepted[:, y == 1].mean(1), 1 - accepted[:, y == 0].mean(1)


@known.mistake(
    "error-rates",
    "share of the accepted",
    "You divide by the number of accepted pairs; FAR divides the accepted different pairs by all different pairs.",
)
def _(d, y, thresholds):
    accepted = d <= thresholds[:, None]
    with np.errstate(all="ignore"):
        return (accepted & (y == 1)).sum(1) / accepted.sum(1), (~accepted & (y == 0)).sum(1) / (~accepted).sum(1)


@known.mistake(
    "error-rates",
    "thresholds sorted",
    "You sort the thresholds; the rates come in the order in which the thresholds were given.",
)
def _(d, y, thresholds):
    return S.error_rates(d, y, np.sort(thresholds))


@known.mistake(
    "error-rates",
    "share of the accepted, or 0",
    "You divide by the number of accepted pairs; FAR divides the accepted different pairs by all different pairs.",
)
def _(d, y, thresholds):
    accepted = d <= thresholds[:, None]
    far = (accepted & (y == 1)).sum(1) / np.maximum(accepted.sum(1), 1)
    return far, (~accepted & (y == 0)).sum(1) / np.maximum((~accepted).sum(1), 1)


@known.mistake(
    "error-rates",
    "true rejects for far",
    "Your first rate is the share of different pairs that are rejected; far is the share that is *accepted*: 1 minus it.",
)
def _(d, y, thresholds):
    far, frr = S.error_rates(d, y, thresholds)
    return 1 - far, frr


@known.alternative("error-rates", "loop over thresholds")
def _(d, y, thresholds):
    rates = [(np.mean(d[y == 1] <= t), np.mean(d[y == 0] > t)) for t in thresholds]
    return tuple(np.array(rates).T)


@known.alternative("error-rates", "sorted distances")
def _(d, y, thresholds):
    different, same = np.sort(d[y == 1]), np.sort(d[y == 0])
    far = np.searchsorted(different, thresholds, side="right") / len(different)
    return far, 1 - np.searchsorted(same, thresholds, side="right") / len(same)


# ---------------------------------------------------------------- equal-error-rate


def rates(d, y):
    """far and frr at -inf and every distance."""
    return S.error_rates(d, y, np.append(-np.inf, np.unique(d)))


@known.mistake(
    "equal-error-rate",
    "nearest threshold, mean of both",
    "You take the threshold where the two are nearest, and their mean; the lines between thresholds must be crossed.",
)
def _(d, y):
    far, frr = rates(d, y)
    i = np.abs(far - frr).argmin()
    return (far[i] + frr[i]) / 2


@known.mistake(
    "equal-error-rate",
    "first threshold at or after the crossing",
    "This is far at the first threshold with far >= frr; the lines cross before it: interpolate from the threshold before.",
)
def _(d, y):
    far, frr = rates(d, y)
    return far[np.argmax(far >= frr)]


@known.mistake(
    "equal-error-rate",
    "smallest maximum",
    "You return the smallest of max(far, frr) over the thresholds; between two thresholds the lines cross lower than that.",
)
def _(d, y):
    return np.maximum(*rates(d, y)).min()


@known.mistake(
    "equal-error-rate",
    "accuracy returned",
    "This is 1 minus the equal error rate: you return an accuracy, or take y = 0 for different (here 0 = same, 1 = different).",
)
def _(d, y):
    return 1 - S.equal_error_rate(d, y)


@known.mistake(
    "equal-error-rate",
    "without accepting nothing",
    "You begin with the smallest distance; without the threshold -inf (nothing accepted) the first piece of the lines is missing.",
)
def _(d, y):
    far, frr = S.error_rates(d, y, np.unique(d))
    gap = far - frr
    i = np.argmax(gap >= 0)
    if i == 0:
        return (far[0] + frr[0]) / 2 if len(far) > 1 else far[0]
    share = gap[i - 1] / (gap[i - 1] - gap[i])
    return far[i - 1] + share * (far[i] - far[i - 1])


@known.mistake(
    "equal-error-rate",
    "halfway",
    "You take the middle between the two thresholds at the crossing; the lines cross where far - frr is 0, seldom halfway.",
)
def _(d, y):
    far, frr = rates(d, y)
    i = np.argmax(far >= frr)
    return (far[i - 1] + far[i]) / 2


@known.mistake(
    "equal-error-rate",
    "share of the way reversed",
    "Your share of the way is counted from the wrong end: it is -gap[i-1] / (gap[i] - gap[i-1]), starting at i - 1.",
)
def _(d, y):
    far, frr = rates(d, y)
    gap = far - frr
    i = np.argmax(gap >= 0)
    share = gap[i] / (gap[i] - gap[i - 1])
    return far[i - 1] + share * (far[i] - far[i - 1])


def crossing(d, y, thresholds, at_first=None):
    """The equal error rate on other thresholds; `at_first` of far and frr there if the first one is beyond the crossing."""
    far, frr = S.error_rates(d, y, np.asarray(thresholds))
    gap = far - frr
    i = np.argmax(gap >= 0)
    if i == 0 and at_first is not None:
        return at_first(far[0], frr[0])
    with np.errstate(all="ignore"):
        share = gap[i - 1] / (gap[i - 1] - gap[i])
        return far[i - 1] + share * (far[i] - far[i - 1])


@known.mistake(
    "equal-error-rate",
    "-inf missing",
    "You begin with the smallest distance; where the lines cross before it, i is 0 and i - 1 means the *last* threshold: put -inf first.",
)
def _(d, y):
    return crossing(d, y, np.unique(d))


@known.mistake(
    "equal-error-rate",
    "-inf missing, the mean instead",
    "Where the lines cross before the smallest distance you take a mean; begin with -inf, where far = 0 and frr = 1, and interpolate there too.",
)
def _(d, y):
    return crossing(d, y, np.unique(d), lambda far, frr: (far + frr) / 2)


@known.mistake(
    "equal-error-rate",
    "-inf missing, one half instead",
    "Where the lines cross before the smallest distance you answer 0.5, which holds for a constant d only: begin with -inf and interpolate.",
)
def _(d, y):
    return crossing(d, y, np.unique(d), lambda far, frr: 0.5)


@known.mistake(
    "equal-error-rate",
    "0 for -inf",
    "You begin at the threshold 0; a distance may be 0, and a score below it: begin at -inf, where nothing is accepted.",
)
def _(d, y):
    return crossing(d, y, np.append(0.0, np.unique(d)), lambda far, frr: far)


@known.mistake(
    "equal-error-rate",
    "far at the nearest threshold",
    "You take far where |far - frr| is smallest; there the two still differ: cross the lines between thresholds.",
)
def _(d, y):
    far, frr = rates(d, y)
    return far[np.nanargmin(np.abs(frr - far))]


@known.mistake(
    "equal-error-rate",
    "equal distances one by one",
    "Pairs at one distance are accepted one after the other, in the order of the rows; a threshold takes all of them: use np.unique(d).",
)
def _(d, y):
    sorted_y = y[np.argsort(d, kind="stable")]
    far = np.append(0, np.cumsum(sorted_y == 1) / (y == 1).sum())
    gap = far - 1 + np.append(0, np.cumsum(sorted_y == 0) / (y == 0).sum())
    i = np.argmax(gap >= 0)
    share = gap[i - 1] / (gap[i - 1] - gap[i])
    return far[i - 1] + share * (far[i] - far[i - 1])


@known.mistake(
    "equal-error-rate",
    "-1 for -inf",
    "You begin at the threshold -1; scores may be lower than any number that you choose: begin at -inf, where nothing is accepted.",
)
def _(d, y):
    return crossing(d, y, np.append(-1.0, np.unique(d)), lambda far, frr: far)


@known.alternative("equal-error-rate", "fractions")
def _(d, y):
    same, different = int((y == 0).sum()), int((y == 1).sum())
    before = Fraction(0), Fraction(1)
    for t in sorted(set(d.tolist())):
        now = Fraction(int((d[y == 1] <= t).sum()), different), Fraction(int((d[y == 0] > t).sum()), same)
        if now[0] >= now[1]:
            share = (before[1] - before[0]) / (now[0] - before[0] - now[1] + before[1])
            return float(before[0] + share * (now[0] - before[0]))
        before = now
    return None


@known.alternative("equal-error-rate", "the same line read on frr")
def _(d, y):
    far, frr = rates(d, y)
    i = np.flatnonzero(far - frr >= 0)[0]
    gap = frr - far
    return (gap[i - 1] * frr[i] - gap[i] * frr[i - 1]) / (gap[i - 1] - gap[i])


@known.alternative("equal-error-rate", "root of the interpolated gap")
def _(d, y):
    far, frr = rates(d, y)
    steps = np.arange(len(far))
    place = brentq(lambda s: np.interp(s, steps, far - frr), 0, len(far) - 1, xtol=1e-13)
    return float(np.interp(place, steps, far))


@known.alternative("equal-error-rate", "scikit-learn's ROC curve")
def _(d, y):
    return metrics.equal_error_rate(d, y)


@known.alternative("equal-error-rate", "intersection of two lines, in a loop")
def _(d, y):
    points = list(zip(*rates(d, y), strict=True))
    for (a, b), (c, e) in itertools.pairwise(points):
        if a <= b and c >= e:
            return a + (c - a) * (b - a) / ((c - a) - (e - b))
    return None


known.equivalent(
    "equal-error-rate",
    "line 10: `np.append(-np.inf, np.unique(d))` -> `np.append(np.unique(d), -np.inf)`",
    "Only where i = 0 is -inf needed, and there index i - 1 = -1 is the last entry, which is -inf in this order.",
)
known.equivalent(
    "equal-error-rate",
    "line 12: `gap >= 0` -> `gap > 0`",
    "Where the gap is exactly 0 at a threshold, i becomes the next one and the share 0: the same point of the line.",
)


# ---------------------------------------------------------------- true-accepts


@known.mistake("true-accepts", "strictly fewer", "A rate equal to the limit is allowed: far <= limit, not <.")
def _(d, y, limit):
    far, frr = rates(d, y)
    return (1 - frr)[(far < limit) | (far == 0)].max()


@known.mistake(
    "true-accepts", "false rejects returned", "This is the false-reject rate there; the true-accept rate is 1 minus it."
)
def _(d, y, limit):
    return 1 - S.true_accepts(d, y, limit)


@known.mistake(
    "true-accepts",
    "labels flipped",
    "You take y = 0 for different: the limit holds for the same pairs then. Here 0 = same and 1 = different.",
)
def _(d, y, limit):
    return S.true_accepts(d, 1 - y, limit)


@known.mistake(
    "true-accepts",
    "interpolated",
    "You interpolate between two thresholds; a threshold with that rate must really exist.",
)
def _(d, y, limit):
    far, frr = rates(d, y)
    last = np.unique(far[::-1], return_index=True)  # the largest tar of each far
    return float(np.interp(limit, last[0], (1 - frr)[::-1][last[1]]))


@known.mistake(
    "true-accepts",
    "one threshold too far",
    "Your threshold lets in more than the limit: take the last one whose far is not above it.",
)
def _(d, y, limit):
    far, frr = rates(d, y)
    return (1 - frr)[min(np.flatnonzero(far <= limit)[-1] + 1, len(far) - 1)]


@known.mistake(
    "true-accepts",
    "share of all pairs accepted",
    "You return the share of all accepted pairs; only the same pairs count as true accepts.",
)
def _(d, y, limit):
    thresholds = np.append(-np.inf, np.unique(d))
    far, _ = S.error_rates(d, y, thresholds)
    return np.mean(d <= thresholds[far <= limit][-1])


@known.mistake(
    "true-accepts",
    "nearer than the threshold",
    "You accept only pairs nearer than the threshold; one exactly at it is accepted too: d <= threshold, not <.",
)
def _(d, y, limit):
    thresholds = np.unique(d)
    far, tar = ((d[y == kind] < thresholds[:, None]).mean(1) for kind in (1, 0))
    return tar[far <= limit].max()


def below(d, y, k):
    """The share of same pairs that are nearer than the different pair number k, counted from 0."""
    different = np.sort(d[y == 1])
    return (d[y == 0] < different[k]).mean() if k < len(different) else 1.0


@known.mistake(
    "true-accepts",
    "strictly fewer, 0 at limit 0",
    "A rate equal to the limit is allowed, 0 at limit 0 too: far <= limit, not <.",
)
def _(d, y, limit):
    far, frr = rates(d, y)
    return (1 - frr)[far < limit].max(initial=0)


@known.mistake(
    "true-accepts",
    "quantile as threshold",
    "np.quantile interpolates between distances, so its threshold may let in more than the limit: go through thresholds that exist, and ask far.",
)
def _(d, y, limit):
    return (d[y == 0] <= np.quantile(d[y == 1], limit)).mean()


@known.mistake(
    "true-accepts",
    "limit over all pairs",
    "You compare the limit with a share of *all* pairs; far is the share of the different ones.",
)
def _(d, y, limit):
    accepted = d <= np.append(-np.inf, np.unique(d))[:, None]
    return accepted[:, y == 0].mean(1)[(accepted & (y == 1)).mean(1) <= limit].max()


@known.mistake(
    "true-accepts",
    "rounded up",
    "You round limit × (number of different pairs) up or to the nearest, so one too many comes in; at most the limit means rounding down.",
)
def _(d, y, limit):
    return below(d, y, int(np.ceil(limit * (y == 1).sum())))


@known.mistake(
    "true-accepts",
    "thresholds at different pairs only",
    "Your thresholds are the different pairs' distances; a same pair just below the next of these comes in as well: use all of d.",
)
def _(d, y, limit):
    far, frr = S.error_rates(d, y, np.append(-np.inf, np.unique(d[y == 1])))
    return (1 - frr)[far <= limit].max()


@known.mistake(
    "true-accepts",
    "roc_curve leaves out thresholds",
    "scikit-learn's roc_curve leaves out thresholds that lie on a straight line, perhaps the one you need: drop_intermediate=False.",
)
def _(d, y, limit):
    far, tar, _ = roc_curve(y == 0, -d)
    return tar[far <= limit].max()


@known.alternative("true-accepts", "nearer than thresholds, infinity among them")
def _(d, y, limit):
    thresholds = np.append(np.unique(d), np.inf)[:, None]
    far, tar = (d[y == 1] < thresholds).mean(1), (d[y == 0] < thresholds).mean(1)
    return tar[far <= limit].max(initial=0)


@known.alternative("true-accepts", "last threshold that is allowed")
def _(d, y, limit):
    far, frr = rates(d, y)
    return float(1 - frr[np.flatnonzero(far <= limit)[-1]])


@known.alternative("true-accepts", "loop over the same pairs' distances")
def _(d, y, limit):
    best = 0.0
    for t in d[y == 0]:
        if (d[y == 1] <= t).mean() <= limit:
            best = max(best, (d[y == 0] <= t).mean())
    return best


@known.alternative("true-accepts", "scikit-learn's ROC curve")
def _(d, y, limit):
    return metrics.true_accepts(d, y, limit)


known.equivalent(
    "true-accepts",
    "line 9: `np.append(-np.inf, np.unique(d))` -> `np.append(np.unique(d), -np.inf)`",
    "A largest value does not depend on the order of the thresholds.",
)
known.equivalent(
    "true-accepts", "line 9: `np.unique(d)` -> `d`", "A threshold that occurs twice changes no largest value."
)


# ---------------------------------------------------------------- recall-at-k


def recall(D, identity, group, k, nearer=np.less_equal, among=None, gallery=None, most=None):
    """Recall with parts exchanged."""
    gallery = (group[:, None] != group) if gallery is None else gallery
    same = identity[:, None] == identity
    right = np.where(gallery & same, D, np.inf).min(1)
    ahead = (gallery & ~same & nearer(D, right[:, None])).sum(1)
    asked = (gallery & same).any(1) if among is None else among
    return (ahead[asked] < (k if most is None else most)).mean()


@known.mistake(
    "recall-at-k",
    "optimistic ties",
    "Ties are decided in favour of the right picture, so a constant embedding is perfect; a wrong one as near comes first (<=).",
)
def _(D, identity, group, k):
    return recall(D, identity, group, k, nearer=np.less)


@known.mistake(
    "recall-at-k",
    "ties by order",
    "You sort, and ties are decided by the order of the rows; a wrong picture as near as the right one must come before it.",
)
def _(D, identity, group, k):
    gallery = group[:, None] != group
    order = np.where(gallery, D, np.inf).argsort(1, kind="stable")[:, :k]
    same = (identity[:, None] == identity) & gallery
    return np.take_along_axis(same, order, 1).any(1)[same.any(1)].mean()


@known.mistake(
    "recall-at-k",
    "the query finds itself",
    "The query itself is in its gallery, at distance 0: leave out every picture of its own group, itself first of all.",
)
def _(D, identity, group, k):
    return recall(D, identity, group, k, gallery=np.ones_like(D, dtype=bool))


@known.mistake(
    "recall-at-k",
    "group ignored",
    "Only the query itself is left out; all pictures of its group must be, as they may be nearly copies of it.",
)
def _(D, identity, group, k):
    return recall(D, identity, group, k, gallery=~np.eye(len(D), dtype=bool))


@known.mistake(
    "recall-at-k",
    "queries without an answer counted",
    "Queries that have no right picture in their gallery count as misses; nobody could find one, so leave them out of the mean.",
)
def _(D, identity, group, k):
    return recall(D, identity, group, k, among=np.ones(len(D), dtype=bool))


@known.mistake(
    "recall-at-k",
    "k off by one",
    "You allow k wrong pictures before the right one; it is among the first k if fewer than k are.",
)
def _(D, identity, group, k):
    return recall(D, identity, group, k, most=k + 1)


@known.mistake("recall-at-k", "columns for rows", "You look for each column's nearest; row i of D belongs to query i.")
def _(D, identity, group, k):
    return recall(D.T, identity, group, k)


@known.mistake(
    "recall-at-k",
    "precision for recall",
    "This is the share of right ones among the k nearest; asked is for how many queries at least one of them is right.",
)
def _(D, identity, group, k):
    gallery = group[:, None] != group
    same = (identity[:, None] == identity) & gallery
    keys = np.where(gallery, D, np.inf)
    order = np.lexsort((same, keys), axis=1)[:, :k]
    return np.take_along_axis(same, order, 1).mean(1)[same.any(1)].mean()


@known.mistake(
    "recall-at-k",
    "k ignored",
    "You look at the first picture only; with k = 3 it is enough that fewer than three wrong ones come before the right one.",
)
def _(D, identity, group, k):
    return recall(D, identity, group, 1)


@known.mistake(
    "recall-at-k",
    "one counted too many",
    "The right picture itself, or the query, counts among the wrong ones before it: count the gallery's wrong ones only, `gallery & ~same`.",
)
def _(D, identity, group, k):
    gallery, same = group[:, None] != group, identity[:, None] == identity
    right = np.where(gallery & same, D, np.inf).min(1)
    return ((gallery & (right[:, None] >= D)).sum(1) < k)[(gallery & same).any(1)].mean()


@known.mistake(
    "recall-at-k",
    "group left out for the right ones only",
    "Wrong pictures of the query's own group count against it; its whole group is no part of the gallery, right or wrong.",
)
def _(D, identity, group, k):
    gallery, same = group[:, None] != group, identity[:, None] == identity
    right = np.where(gallery & same, D, np.inf).min(1)
    return ((~same & (right[:, None] >= D)).sum(1) < k)[(gallery & same).any(1)].mean()


@known.mistake(
    "recall-at-k",
    "group left out for the wrong ones only",
    "Your nearest right picture may come from the query's own group; its whole group is no part of the gallery, right or wrong.",
)
def _(D, identity, group, k):
    gallery, same = group[:, None] != group, identity[:, None] == identity
    right = np.where(same & ~np.eye(len(D), dtype=bool), D, np.inf).min(1)
    return ((gallery & ~same & (right[:, None] >= D)).sum(1) < k)[(gallery & same).any(1)].mean()


@known.mistake(
    "recall-at-k",
    "farthest right one",
    "You take the farthest right picture; found means that the *nearest* right one is among the first k.",
)
def _(D, identity, group, k):
    gallery, same = group[:, None] != group, identity[:, None] == identity
    right = np.where(gallery & same, D, -np.inf).max(1)
    return ((gallery & ~same & (right[:, None] >= D)).sum(1) < k)[(gallery & same).any(1)].mean()


@known.alternative("recall-at-k", "places among each query's sorted wrong ones")
def _(D, identity, group, k):
    found = []
    for i in range(len(D)):
        others, same = group != group[i], identity == identity[i]
        if (others & same).any():
            wrong = np.sort(D[i, others & ~same])
            found.append(np.searchsorted(wrong, D[i, others & same].min(), side="right") < k)
    return np.mean(found)


@known.alternative("recall-at-k", "loop over the queries")
def _(D, identity, group, k):
    found = []
    for i in range(len(D)):
        rows = [j for j in range(len(D)) if group[j] != group[i]]
        right = [D[i, j] for j in rows if identity[j] == identity[i]]
        if right:
            found.append(sum(D[i, j] <= min(right) for j in rows if identity[j] != identity[i]) < k)
    return sum(found) / len(found)


@known.alternative("recall-at-k", "sorted, right ones last among equals")
def _(D, identity, group, k):
    gallery = group[:, None] != group
    same = (identity[:, None] == identity) & gallery
    order = np.lexsort((same, np.where(gallery, D, np.inf)), axis=1)[:, :k]
    return np.take_along_axis(same, order, 1).any(1)[same.any(1)].mean()


@known.alternative("recall-at-k", "the course's metric")
def _(D, identity, group, k):
    return metrics.recall_at_k(D, identity, k, group)


known.equivalent(
    "recall-at-k",
    "line 14: `1` -> `0`",
    "Of another group and of the same identity are symmetric, so the array is its own transpose.",
)


# ---------------------------------------------------------------- one-shot


def alone(D, right):
    """The share of rows in which nobody but the right one has an entry as small as its own."""
    wanted = D[np.arange(len(D)), right]
    return ((wanted[:, None] >= D).sum(1) == 1).mean()


@known.mistake(
    "one-shot",
    "ties won",
    "Ties are won by the first example, so a constant embedding wins some; a trial is won only if the right one alone is nearest.",
)
def _(Q, S_, right):
    D = ((Q[:, None] - S_) ** 2).sum(2)
    return (D.argmin(1) == right).mean()


@known.mistake(
    "one-shot",
    "ties always won",
    "Ties count as won, so a constant embedding wins always; a trial is won only if the right one alone is nearest.",
)
def _(Q, S_, right):
    D = ((Q[:, None] - S_) ** 2).sum(2)
    return (D[np.arange(len(D)), right] == D.min(1)).mean()


@known.mistake("one-shot", "farthest", "You take the example that is farthest; the nearest one is the answer.")
def _(Q, S_, right):
    D = -((Q[:, None] - S_) ** 2).sum(2)
    return alone(D, right)


@known.mistake(
    "one-shot",
    "scalar product",
    "The largest scalar product is not the nearest where lengths differ: compare Euclidean distances.",
)
def _(Q, S_, right):
    D = -(Q[:, None] * S_).sum(2)
    return alone(D, right)


@known.mistake("one-shot", "errors counted", "This is the share of lost trials; asked is the share that is won.")
def _(Q, S_, right):
    return 1 - S.one_shot_accuracy(Q, S_, right)


@known.mistake(
    "one-shot",
    "cosine",
    "You compare angles, which ignore lengths: compare Euclidean distances.",
)
def _(Q, S_, right):
    with np.errstate(all="ignore"):
        D = np.array(
            [[1 - q @ s / np.linalg.norm(q) / np.linalg.norm(s) for s in row] for q, row in zip(Q, S_, strict=True)]
        )
    return alone(D, right)


@known.mistake(
    "one-shot",
    "first example taken as right",
    "You take the first example as the right one; `right` says which it is: `D[np.arange(t), right]`.",
)
def _(Q, S_, right):
    return alone(((Q[:, None] - S_) ** 2).sum(2), np.zeros_like(right))


@known.mistake(
    "one-shot",
    "nearer than itself",
    "You demand that the right one is nearer than all examples, itself included, so nobody ever wins: compare it with the others only.",
)
def _(Q, S_, right):
    D = ((Q[:, None] - S_) ** 2).sum(2)
    return (D[np.arange(len(D)), right][:, None] < D).all(1).mean()


@known.mistake(
    "one-shot",
    "sum of absolute values",
    "You sum |differences|; which one is nearest is asked by the Euclidean distance: square them.",
)
def _(Q, S_, right):
    return alone(np.abs(Q[:, None] - S_).sum(2), right)


@known.alternative("one-shot", "loop over the trials")
def _(Q, S_, right):
    won = 0
    for q, examples, which in zip(Q, S_, right, strict=True):
        d = np.linalg.norm(examples - q, axis=1)
        won += all(d[other] > d[which] for other in range(len(d)) if other != which)
    return won / len(Q)


@known.alternative("one-shot", "all others' smallest, torch")
def _(Q, S_, right):
    D = torch.cdist(torch.from_numpy(Q)[:, None], torch.from_numpy(S_), compute_mode="donot_use_mm_for_euclid_dist")[
        :, 0
    ]
    rows = torch.arange(len(D))
    wanted = D[rows, torch.from_numpy(right)].clone()
    D[rows, torch.from_numpy(right)] = torch.inf
    return float((wanted < D.min(1).values).double().mean())


known.equivalent(
    "one-shot",
    "line 9: `((Q[:, None, :] - S) ** 2).sum(2)` -> `((Q[:, None, :] - S) ** 2).mean(2)`",
    "All distances are divided by the same number, which changes no comparison.",
)
known.equivalent(
    "one-shot", "line 9: `Q[:, None, :] - S` -> `S - Q[:, None, :]`", "The square of the negative is the same."
)
