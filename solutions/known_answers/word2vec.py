"""The author's half of notebook 02, parts A and B: known mistakes with what a teacher would say, other right answers.

Never released. `course validate` proves that every mistake is caught and named, and that every alternative passes.
"""

import itertools
from collections import Counter

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds
from scipy.special import log_softmax, softmax

from course_utils.authoring import KnownAnswers

known = KnownAnswers("02_word2vec")
S = known.solution


# ---------------------------------------------------------------- cooccurrence


def counts(sentences, n_words, weigh):
    """X with weigh(b - a) added for every two places a, b of a sentence."""
    X = np.zeros((n_words, n_words))
    for s in sentences:
        for a in range(len(s)):
            for b in range(len(s)):
                X[s[a], s[b]] += weigh(b - a)
    return X


@known.mistake(
    "cooccurrence",
    "window to the right only",
    "You look to the right only: a word's company stands on both sides, so X equals its transpose.",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: 0 < step <= window)


@known.mistake(
    "cooccurrence",
    "window to the left only",
    "You look to the left only: a word's company stands on both sides, so X equals its transpose.",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: -window <= step < 0)


@known.mistake(
    "cooccurrence",
    "the word itself counted",
    "The place itself is counted too: a word is not its own neighbour, so leave the step 0 out.",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: abs(step) <= window)


@known.mistake(
    "cooccurrence",
    "window too narrow by one",
    "The window ends one place too early: a word `window` places away still counts (does a slice or `range` end too soon?).",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: 0 < abs(step) < window)


@known.mistake(
    "cooccurrence",
    "lost updates",
    "`X[a, words] += 1` adds 1 only once for a word that stands twice in the window: add for each place (np.add.at).",
)
def _(sentences, n_words, window):
    X = np.zeros((n_words, n_words))
    for s in sentences:
        for t in range(len(s)):
            X[s[t], np.r_[s[max(0, t - window) : t], s[t + 1 : t + 1 + window]].astype(int)] += 1
    return X


@known.mistake(
    "cooccurrence",
    "window too wide by one",
    "The window reaches one place too far: words up to `window` places away count, no others.",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: 0 < abs(step) <= window + 1)


@known.mistake(
    "cooccurrence",
    "the word itself counted in both directions",
    "The place itself is counted, even twice: end the slice before t.",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: 2 if step == 0 else abs(step) <= window)


@known.mistake(
    "cooccurrence",
    "a negative start",
    "Near the start of a sentence t − window is negative, and a slice then counts from the end: use max(0, t − window).",
)
def _(sentences, n_words, window):
    X = np.zeros((n_words, n_words))
    for s in sentences:
        for t in range(len(s)):
            for other in s[t - window : t]:
                X[s[t], other] += 1
                X[other, s[t]] += 1
    return X


@known.mistake("cooccurrence", "counted in uint8", "Counts beyond 255 begin again at 0: take a larger type than uint8.")
def _(sentences, n_words, window):
    return S.cooccurrence(sentences, n_words, window).astype(int).astype(np.uint8)


@known.mistake("cooccurrence", "only whether, not how often", "You note whether two words meet; count how often.")
def _(sentences, n_words, window):
    return (S.cooccurrence(sentences, n_words, window) > 0).astype(float)


@known.mistake(
    "cooccurrence",
    "across sentences",
    "Words of different sentences are counted together: start anew with every sentence.",
)
def _(sentences, n_words, window):
    return S.cooccurrence([np.concatenate(sentences)], n_words, window)


@known.mistake(
    "cooccurrence",
    "equal words left out",
    "Two places with the same word are a pair too: leave out the place itself, not the word.",
)
def _(sentences, n_words, window):
    X = S.cooccurrence(sentences, n_words, window)
    np.fill_diagonal(X, 0)
    return X


@known.mistake(
    "cooccurrence",
    "weighted by 1 / distance",
    "You weigh a pair by one over its distance, as GloVe does; here every pair counts 1.",
)
def _(sentences, n_words, window):
    return counts(sentences, n_words, lambda step: 1 / abs(step) if 0 < abs(step) <= window else 0)


@known.mistake(
    "cooccurrence",
    "slices shifted, lost updates",
    "`X[s[:-k], s[k:]] += 1` adds 1 only once for a pair that stands at several places: np.add.at adds each time.",
)
def _(sentences, n_words, window):
    X = np.zeros((n_words, n_words))
    for s in sentences:
        for step in range(1, window + 1):
            X[s[:-step], s[step:]] += 1
            X[s[step:], s[:-step]] += 1
    return X


@known.mistake(
    "cooccurrence",
    "diagonal halved",
    "The diagonal is half of what it should be: two places with the same word count once in each direction, so 2.",
)
def _(sentences, n_words, window):
    X = S.cooccurrence(sentences, n_words, window)
    return X - np.diag(np.diag(X) / 2)


@known.mistake(
    "cooccurrence",
    "full windows only",
    "You leave out places near a sentence's ends, where the window is cut off: they count with the words they have.",
)
def _(sentences, n_words, window):
    X = np.zeros((n_words, n_words))
    for s in sentences:
        for t in range(window, len(s) - window):
            for other in [*s[t - window : t], *s[t + 1 : t + window + 1]]:
                X[s[t], other] += 1
    return X


@known.mistake(
    "cooccurrence",
    "once a sentence",
    "Two words count once a sentence, however often they meet there: every two places are a pair.",
)
def _(sentences, n_words, window):
    parts = [S.cooccurrence([s], n_words, window) > 0 for s in sentences]
    return np.sum(parts, axis=0).astype(float)


@known.mistake(
    "cooccurrence", "counted in int8", "Counts beyond 127 turn negative: take a larger type than int8, such as int64."
)
def _(sentences, n_words, window):
    return S.cooccurrence(sentences, n_words, window).astype(int).astype(np.int8)


@known.alternative("cooccurrence", "whole numbers, both sides by slices")
def _(sentences, n_words, window):
    X = np.zeros((n_words, n_words), dtype=int)
    for s in sentences:
        for t in range(len(s)):
            for o in [*s[max(t - window, 0) : t], *s[t + 1 : t + 1 + window]]:
                X[s[t], o] += 1
    return X


@known.alternative("cooccurrence", "shifted sentences, add.at")
def _(sentences, n_words, window):
    X = np.zeros((n_words, n_words))
    for s in sentences:
        for step in range(1, min(window, len(s) - 1) + 1):
            np.add.at(X, (s[:-step], s[step:]), 1)
    return X + X.T


# ---------------------------------------------------------------- training-pairs


def loop_pairs(tokens, starts, window, wanted=lambda step: step != 0):
    """Pairs by loops, of steps that are wanted."""
    c, o = [], []
    for begin, end in itertools.pairwise(starts):
        for t in range(begin, end):
            for place in range(max(begin, t - window), min(end, t + window + 1)):
                if wanted(place - t):
                    c.append(tokens[t])
                    o.append(tokens[place])
    return np.array(c, dtype=int), np.array(o, dtype=int)


@known.mistake(
    "training-pairs", "window to the right only", "Only words to the right are taken; a window reaches to both sides."
)
def _(tokens, starts, window):
    return loop_pairs(tokens, starts, window, lambda step: step > 0)


@known.mistake(
    "training-pairs", "the centre with itself", "Every word is paired with its own place too: leave the step 0 out."
)
def _(tokens, starts, window):
    return loop_pairs(tokens, starts, window, lambda step: True)


@known.mistake(
    "training-pairs",
    "across sentences",
    "Your windows reach into the next sentence: keep only places between the begin and the end of the word's own.",
)
def _(tokens, starts, window):
    return loop_pairs(tokens, np.array([0, len(tokens)]), window)


@known.mistake(
    "training-pairs",
    "centre and outside exchanged",
    "The pairs are right, but c and o are exchanged: first the centre words, in their order.",
)
def _(tokens, starts, window):
    return S.training_pairs(tokens, starts, window)[::-1]


@known.mistake(
    "training-pairs",
    "window too narrow by one",
    "The window is one place too narrow: `np.arange(-window, window + 1)` includes both ends.",
)
def _(tokens, starts, window):
    return loop_pairs(tokens, starts, window - 1)


@known.mistake(
    "training-pairs",
    "sorted by step",
    "The pairs are right but in another order: by the centre's place first, then by the outside word's.",
)
def _(tokens, starts, window):
    c, o = [], []
    sentence = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for step in [*range(-window, 0), *range(1, window + 1)]:
        t = np.arange(max(0, -step), min(len(tokens), len(tokens) - step))
        t = t[sentence[t] == sentence[t + step]] if len(t) else t
        c.append(tokens[t])
        o.append(tokens[t + step] if len(t) else tokens[:0])
    return np.concatenate(c), np.concatenate(o)


@known.mistake(
    "training-pairs",
    "nearest first",
    "The pairs are right but in another order: for each centre go through its window from left to right.",
)
def _(tokens, starts, window):
    return in_steps(tokens, starts, [sign * step for step in range(1, window + 1) for sign in (-1, 1)])


@known.mistake(
    "training-pairs",
    "right side first",
    "The pairs are right but in another order: for each centre the words before it come first.",
)
def _(tokens, starts, window):
    return in_steps(tokens, starts, [*range(1, window + 1), *range(-window, 0)])


def in_steps(tokens, starts, steps):
    """Pairs centre by centre, with the outside words in the order of `steps`."""
    places = [
        (t, t + step)
        for begin, end in itertools.pairwise(starts)
        for t in range(begin, end)
        for step in steps
        if begin <= t + step < end
    ]
    c, o = np.array(places, dtype=int).reshape(-1, 2).T
    return tokens[c], tokens[o]


@known.mistake(
    "training-pairs",
    "places for words",
    "These are the places of the words in the corpus; return the words that stand there, tokens[...].",
)
def _(tokens, starts, window):
    return S.training_pairs(np.arange(len(tokens)), starts, window)


@known.mistake(
    "training-pairs",
    "both directions at once",
    "The pairs are right but in another order: you write (a, b) and (b, a) together; go from centre to centre.",
)
def _(tokens, starts, window):
    places = [
        pair
        for begin, end in itertools.pairwise(starts)
        for t in range(begin, end)
        for left in range(max(begin, t - window), t)
        for pair in ((t, left), (left, t))
    ]
    c, o = np.array(places, dtype=int).reshape(-1, 2).T
    return tokens[c], tokens[o]


@known.mistake(
    "training-pairs",
    "right end too near",
    "To the right the window ends one place too early: a slice's or range's end is t + window + 1.",
)
def _(tokens, starts, window):
    return loop_pairs(tokens, starts, window, lambda step: step != 0 and step < window)


@known.mistake(
    "training-pairs",
    "negative places",
    "Places before the first word are negative, and an index then counts from the end: keep places >= begin too.",
)
def _(tokens, starts, window):
    end = np.repeat(starts[1:], np.diff(starts))
    place = np.arange(len(tokens))[:, None] + np.delete(np.arange(-window, window + 1), window)
    inside = place < end[:, None]
    return np.repeat(tokens, inside.sum(1)), tokens[np.maximum(place, -len(tokens))[inside]]


@known.mistake(
    "training-pairs",
    "left side from near to far",
    "The pairs are right but in another order: go through the words before the centre from left to right too.",
)
def _(tokens, starts, window):
    return in_steps(tokens, starts, [*range(-1, -window - 1, -1), *range(1, window + 1)])


@known.mistake(
    "training-pairs",
    "equal words left out",
    "Two places with the same word are a pair too: leave out the place itself, not the word.",
)
def _(tokens, starts, window):
    c, o = S.training_pairs(tokens, starts, window)
    return c[c != o], o[c != o]


@known.mistake(
    "training-pairs",
    "each pair once",
    "A pair of words that occurs at several places comes each time; you list it once.",
)
def _(tokens, starts, window):
    pairs = list(dict.fromkeys(zip(*S.training_pairs(tokens, starts, window), strict=True)))
    c, o = np.array(pairs, dtype=int).reshape(-1, 2).T
    return c, o


@known.mistake(
    "training-pairs",
    "floats where there is no pair",
    "np.array([]) holds floats: where there is no pair return integers too, with `dtype=int`.",
)
def _(tokens, starts, window):
    c, o = S.training_pairs(tokens, starts, window)
    return np.array(c.tolist()), np.array(o.tolist())


@known.mistake(
    "training-pairs", "16 bits", "An int16 ends at 32,767: larger word numbers overflow. Keep the dtype of the tokens."
)
def _(tokens, starts, window):
    c, o = S.training_pairs(tokens, starts, window)
    return c.astype(np.int16), o.astype(np.int16)


@known.alternative("training-pairs", "loops")
def _(tokens, starts, window):
    return loop_pairs(tokens, starts, window)


@known.alternative("training-pairs", "sentence numbers and clipping")
def _(tokens, starts, window):
    n = len(tokens)
    sentence = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    place = np.arange(n)[:, None] + np.delete(np.arange(-window, window + 1), window)
    inside = (place >= 0) & (place < n)
    inside &= sentence[place.clip(0, n - 1)] == sentence[:, None]
    centre = np.nonzero(inside)[0]
    return tokens[centre], tokens[place[inside]]


# ---------------------------------------------------------------- sparse-counts


@known.mistake(
    "sparse-counts", "int32 overflow", "c · n_words overflows: int32 ends at 2,147,483,647. Turn c into int64 first."
)
def _(c, o, n_words):
    pairs, x = np.unique(c * np.array(n_words, dtype=c.dtype) + o, return_counts=True)
    return pairs // n_words, pairs % n_words, x


@known.mistake(
    "sparse-counts",
    "sorted by the second word",
    "Sorted by j, then by i; the first word, i, comes first: c · n_words + o.",
)
def _(c, o, n_words):
    j, i, x = S.sparse_counts(o, c, n_words)
    return i, j, x


@known.mistake(
    "sparse-counts",
    "rows and columns exchanged",
    "i and j are exchanged: i is the quotient by n_words, j the remainder.",
)
def _(c, o, n_words):
    i, j, x = S.sparse_counts(c, o, n_words)
    return j, i, x


@known.mistake(
    "sparse-counts", "each pair once", "You list each pair with 1; x is how often it occurs (`return_counts=True`)."
)
def _(c, o, n_words):
    i, j, x = S.sparse_counts(c, o, n_words)
    return i, j, np.ones_like(x)


@known.mistake(
    "sparse-counts",
    "direction forgotten",
    "You count (a, b) and (b, a) as one pair; they are two: c is the row, o the column.",
)
def _(c, o, n_words):
    return S.sparse_counts(np.minimum(c, o), np.maximum(c, o), n_words)


@known.mistake(
    "sparse-counts",
    "a dense matrix",
    "You make a matrix of n_words × n_words, nearly all of it zeros: keep only the pairs that occur.",
)
def _(c, o, n_words):
    X = np.zeros((n_words, n_words), dtype=np.uint8)
    np.add.at(X, (c, o), 1)
    i, j = X.nonzero()
    return i, j, X[i, j].astype(int)


@known.mistake("sparse-counts", "no pair", "Where there is no pair at all, three empty integer arrays are the answer.")
def _(c, o, n_words):
    found = sorted(Counter(zip(c.tolist(), o.tolist(), strict=True)).items())
    i, j, x = zip(*((i, j, x) for (i, j), x in found), strict=True)
    return np.array(i), np.array(j), np.array(x)


@known.mistake(
    "sparse-counts",
    "not sorted",
    "The counts are right but not sorted: by i, then by j; you keep the order of arrival.",
)
def _(c, o, n_words):
    found = Counter(zip(c.tolist(), o.tolist(), strict=True))
    return tuple(np.array([(i, j, x) for (i, j), x in found.items()], dtype=int).reshape(-1, 3).T)


@known.mistake(
    "sparse-counts",
    "factor too small",
    "With c · max(o) + o different pairs share a number; o goes up to n_words − 1, so multiply by n_words.",
)
def _(c, o, n_words):
    most = max(int(o.max(initial=1)), 1)
    pairs, x = np.unique(c.astype(np.int64) * most + o, return_counts=True)
    return pairs // most, pairs % most, x


@known.mistake("sparse-counts", "c itself changed", "`c *= n_words` changes the caller's array: write `c * n_words`.")
def _(c, o, n_words):
    counted = S.sparse_counts(c, o, n_words)
    c *= np.array(n_words).astype(c.dtype)
    return counted


@known.alternative("sparse-counts", "Counter")
def _(c, o, n_words):
    found = sorted(Counter(zip(c.tolist(), o.tolist(), strict=True)).items())
    return tuple(np.array([(i, j, x) for (i, j), x in found], dtype=int).reshape(-1, 3).T)


@known.alternative("sparse-counts", "scipy's sparse matrix")
def _(c, o, n_words):
    X = coo_matrix((np.ones(len(c), dtype=int), (c, o)), (n_words, n_words)).tocsr()
    X.sort_indices()
    i, j = X.nonzero()
    return i.astype(int), j.astype(int), X.data


@known.alternative("sparse-counts", "unique rows")
def _(c, o, n_words):
    rows, x = np.unique(np.column_stack([c, o]), axis=0, return_counts=True)
    return rows[:, 0], rows[:, 1], x


# ---------------------------------------------------------------- ppmi


def pmi(X, log=np.log):
    """log(p_ab / (p_a p_b)) with -inf where X is 0, and nan where a row or column is 0."""
    with np.errstate(all="ignore"):
        return log(X * X.sum() / (X.sum(1, keepdims=True) * X.sum(0, keepdims=True)))


@known.mistake("ppmi", "negative values kept", "Values below 0 are kept; positive PMI puts 0 in their place.")
def _(X):
    return np.where(X > 0, pmi(X), 0)


@known.mistake(
    "ppmi", "log of 0", "Where a count is 0 you take log 0, and where a row is empty 0/0: the result must be 0 there."
)
def _(X):
    return np.maximum(pmi(X), 0)


@known.mistake(
    "ppmi",
    "no maximum",
    "This is PMI, -inf where a count is 0 and negative below chance: positive PMI has 0 in the place of both.",
)
def _(X):
    return pmi(X)


@known.mistake(
    "ppmi",
    "absolute values",
    "You take the size of the logarithm; pairs that meet less often than by chance get 0, not a positive number.",
)
def _(X):
    return np.abs(np.where(X > 0, pmi(X), 0))


@known.mistake("ppmi", "logarithm to base 10", "This is log10; the natural logarithm is asked for.")
def _(X):
    return S.ppmi(X) / np.log(10)


@known.mistake(
    "ppmi",
    "row sums twice",
    "You divide by the row sum of both words; p_b comes from the sum of a *column*, and X need not be symmetric.",
)
def _(X):
    rows = X.sum(1)
    with np.errstate(all="ignore"):
        ratio = np.where(X > 0, X * X.sum() / np.where(rows > 0, np.outer(rows, rows), 1), 1)
    return np.log(np.maximum(ratio, 1))


@known.mistake("ppmi", "binary logarithm", "These are bits, from log2; the natural logarithm is asked for.")
def _(X):
    return S.ppmi(X) / np.log(2)


@known.mistake(
    "ppmi",
    "one word's frequency only",
    "You divide by the frequency of the row's word only, so frequent columns still win: divide by both, p_a p_b.",
)
def _(X):
    rows = X.sum(1, keepdims=True)
    return np.log(np.maximum(X / np.where(rows > 0, rows, 1) * len(X), 1))


@known.mistake(
    "ppmi",
    "log(1 + ratio)",
    "log(1 + r) is not max(0, log r): it is positive also for pairs that meet less often than by chance.",
)
def _(X):
    return np.nan_to_num(pmi(X, np.log1p))


@known.mistake("ppmi", "ratio without a logarithm", "This is the ratio itself; its logarithm is asked for.")
def _(X):
    return np.exp(S.ppmi(X)) * (S.ppmi(X) > 0)


@known.mistake(
    "ppmi",
    "N forgotten",
    "The N of the three probabilities does not cancel: p_ab / (p_a p_b) = X_ab N / (row sum · column sum).",
)
def _(X):
    return np.where(X > 0, np.maximum(pmi(X) - np.log(X.sum()), 0), 0)


@known.mistake(
    "ppmi",
    "column sums twice",
    "You divide by the column sum of both words; p_a comes from the sum of a *row*, and X need not be symmetric.",
)
def _(X):
    return by_product(X, np.outer(X.sum(0), X.sum(0)))


@known.mistake(
    "ppmi",
    "row and column sums exchanged",
    "The sums are exchanged: p_a comes from the sum of row a, p_b from that of column b.",
)
def _(X):
    return by_product(X, np.outer(X.sum(0), X.sum(1)))


@known.mistake(
    "ppmi",
    "row sums without keepdims",
    "Without `keepdims=True` the row sums are no column, and both factors stand under the columns.",
)
def _(X):
    return by_product(X, X.sum(1) * X.sum(0))


def by_product(X, product):
    """PPMI with another product of sums than that of row a and column b."""
    return np.log(np.maximum(X * X.sum() / np.where(product > 0, product, 1), 1))


@known.mistake("ppmi", "N halved", "N is the sum of all of X; you take half of it, as if every pair stood there twice.")
def _(X):
    return np.where(X > 0, np.maximum(np.nan_to_num(pmi(X), neginf=0) - np.log(2), 0), 0)


@known.mistake("ppmi", "one added", "You add 1 to every count; where X is 0 the result is 0, so no log of 0 is taken.")
def _(X):
    return np.maximum(pmi(X + 1.0), 0)


@known.alternative("ppmi", "loops")
def _(X):
    N, out = X.sum(), np.zeros(X.shape)
    for a, b in zip(*np.nonzero(X), strict=True):
        out[a, b] = max(0.0, np.log((X[a, b] / N) / (X[a].sum() / N * (X[:, b].sum() / N))))
    return out


@known.alternative("ppmi", "nan_to_num")
def _(X):
    return np.nan_to_num(np.maximum(np.where(X > 0, pmi(X), 0), 0))


@known.alternative("ppmi", "sparse, sums of logarithms, torch")
def _(X):
    i, j = np.nonzero(X)
    logs = np.log(X[i, j]) + np.log(X.sum()) - np.log(X.sum(1))[i] - np.log(X.sum(0))[j]
    out = torch.zeros(X.shape, dtype=torch.float64)
    out[i, j] = torch.tensor(logs).clamp(min=0)
    return out.numpy()


known.equivalent("ppmi", "line 9: `1` -> `2`", "It stands only where X is 0, and 0 / 2 is 0 as well.")


# ---------------------------------------------------------------- svd-vectors


def signed(W):
    """W with the largest entry of each column positive."""
    return W * np.sign(W[np.abs(W).argmax(0), np.arange(W.shape[1])])


@known.mistake(
    "svd-vectors",
    "singular values not rooted",
    "The columns are scaled by S itself; the exponent is ½, so take its square root.",
)
def _(M, d):
    W, S_, _ = np.linalg.svd(M)
    return signed(W[:, :d] * S_[:d])


@known.mistake(
    "svd-vectors",
    "not scaled",
    "These are the singular vectors alone; scale column j by the square root of its singular value.",
)
def _(M, d):
    return signed(np.linalg.svd(M)[0][:, :d])


@known.mistake("svd-vectors", "the other side", "You took Z, the vectors of the columns; the words are the rows of W.")
def _(M, d):
    _, S_, Zt = np.linalg.svd(M)
    return signed(Zt.T[:, :d] * np.sqrt(S_[:d]))


@known.mistake(
    "svd-vectors",
    "rows of Z taken for columns",
    "The third output of np.linalg.svd is Zᵀ, already transposed, and the word vectors come from the first.",
)
def _(M, d):
    _, S_, Zt = np.linalg.svd(M)
    return signed(Zt[:, :d] * np.sqrt(S_[:d]))


@known.mistake(
    "svd-vectors",
    "the smallest",
    "You took the last singular values, which are the smallest; they come in falling order.",
)
def _(M, d):
    W, S_, _ = np.linalg.svd(M)
    return signed(W[:, -d:] * np.sqrt(S_[-d:]))


@known.mistake(
    "svd-vectors",
    "largest entry made negative",
    "The sign rule is turned round: the entry of largest size must be positive.",
)
def _(M, d):
    return -S.svd_vectors(M, d)


@known.mistake(
    "svd-vectors", "rising order", "The largest singular value comes first; your columns come in rising order."
)
def _(M, d):
    return S.svd_vectors(M, d)[:, ::-1]


@known.mistake("svd-vectors", "rows of W", "The singular vectors are the *columns* of W; you take its rows, as of Zᵀ.")
def _(M, d):
    W, S_, _ = np.linalg.svd(M)
    return signed(W.T[:, :d] * np.sqrt(S_[:d]))


@known.mistake(
    "svd-vectors",
    "sign by the sum",
    "You make the *sum* of each column positive; it is the entry of largest size that must be.",
)
def _(M, d):
    vectors = S.svd_vectors(M, d)
    return vectors * np.where(vectors.sum(0) < 0, -1, 1)


@known.alternative("svd-vectors", "eigenvectors of M Mᵀ")
def _(M, d):
    squares, W = np.linalg.eigh(M @ M.T)
    order = np.argsort(-squares)[:d]
    return signed(W[:, order] * squares[order] ** 0.25)


@known.alternative("svd-vectors", "torch")
def _(M, d):
    W, S_, _ = torch.linalg.svd(torch.from_numpy(M))
    return signed((W[:, :d] * S_[:d].sqrt()).numpy())


@known.alternative("svd-vectors", "truncated where it can be")
def _(M, d):
    if d >= len(M):
        W, S_, _ = np.linalg.svd(M)
    else:
        W, S_, _ = svds(M, d, v0=np.ones(len(M)))
        W, S_ = W[:, ::-1], S_[::-1]
    return signed(W[:, :d] * np.sqrt(S_[:d]))


known.equivalent(
    "svd-vectors",
    "line 10: `W * np.sign(W[np.abs(W).argmax(0), np.arange(d)])` -> `W / np.sign(W[np.abs(W).argmax(0), np.arange(d)])`",
    "A sign is 1 or -1, and dividing by it is the same as multiplying by it.",
)


# ---------------------------------------------------------------- outside-probabilities


@known.mistake(
    "outside-probabilities",
    "overflow",
    "exp of a score in the thousands is infinite: subtract the largest score from all of them first.",
)
def _(v_c, U):
    with np.errstate(all="ignore"):
        weights = np.exp(U @ v_c)
        return weights / weights.sum()


@known.mistake(
    "outside-probabilities",
    "the logistic function",
    "Each word gets its own yes or no, 1 / (1 + e^(−score)); the softmax divides by the sum over all words.",
)
def _(v_c, U):
    return 1 / (1 + np.exp(-np.clip(U @ v_c, -700, 700)))


@known.mistake(
    "outside-probabilities",
    "logarithm returned",
    "These are logarithms of the probabilities; return the probabilities.",
)
def _(v_c, U):
    return log_softmax(U @ v_c)


@known.mistake(
    "outside-probabilities",
    "distance for product",
    "The score is the scalar product u_w · v_c, not minus a squared distance as in t-SNE.",
)
def _(v_c, U):
    return softmax(-((U - v_c) ** 2).sum(1))


@known.mistake(
    "outside-probabilities",
    "cosine for product",
    "Nothing is scaled to length 1 here: the score is the plain scalar product.",
)
def _(v_c, U):
    lengths = np.linalg.norm(U, axis=1) * np.linalg.norm(v_c)
    return softmax(U @ v_c / np.where(lengths > 0, lengths, 1))


@known.mistake(
    "outside-probabilities",
    "scores clipped",
    "You cut the scores off so that exp stays finite: those beyond become equal. Subtract the *largest* score instead.",
)
def _(v_c, U):
    weights = np.exp(np.clip(U @ v_c, -700, 700))
    return weights / weights.sum()


@known.mistake(
    "outside-probabilities", "not divided by the sum", "The probabilities must sum to 1: divide by their sum."
)
def _(v_c, U):
    scores = U @ v_c
    return np.exp(scores - scores.max())


def shifted(name, by):
    """Name the mistake of subtracting another score than the largest."""

    def function(v_c, U):
        with np.errstate(all="ignore"):
            weights = np.exp(U @ v_c - by(U @ v_c))
            return weights / weights.sum()

    sentence = f"You subtract {name}, and exp of a score far above it is infinite. Subtract the *largest* score."
    known.mistake("outside-probabilities", f"{name} subtracted", sentence)(function)


shifted("the first score", lambda scores: scores[0])
shifted("the last score", lambda scores: scores[-1])
shifted("the mean", np.mean)
shifted("the smallest score", np.min)


@known.alternative("outside-probabilities", "loops")
def _(v_c, U):
    scores = [sum(a * b for a, b in zip(u, v_c, strict=True)) for u in U]
    weights = [np.exp(score - max(scores)) for score in scores]
    return np.array([weight / sum(weights) for weight in weights])


@known.alternative("outside-probabilities", "exp of scipy's log_softmax")
def _(v_c, U):
    return np.exp(log_softmax(np.einsum("wd,d->w", U, v_c)))


@known.alternative("outside-probabilities", "torch")
def _(v_c, U):
    return torch.softmax(torch.from_numpy(U) @ torch.from_numpy(v_c), 0).numpy()


# ---------------------------------------------------------------- skipgram-gradients


@known.mistake(
    "skipgram-gradients",
    "p where p − y belongs",
    "The 1 of the true word is missing: it is p − y that both gradients need, not p, so that the true pair is pulled together.",
)
def _(v_c, o, U):
    p = S.outside_probabilities(v_c, U)
    return -np.log(p[o]), U.T @ p, np.outer(p, v_c)


@known.mistake(
    "skipgram-gradients",
    "sign flipped",
    "Both gradients have the wrong sign: they are those of log p; the loss is −log p.",
)
def _(v_c, o, U):
    loss, dv, dU = S.skipgram_gradients(v_c, o, U)
    return loss, -dv, -dU


@known.mistake(
    "skipgram-gradients",
    "only the true word moves",
    "Only row o of dU is filled; under the full softmax every word has a gradient, p_w v_c.",
)
def _(v_c, o, U):
    loss, dv, dU = S.skipgram_gradients(v_c, o, U)
    only = np.zeros_like(dU)
    only[o] = dU[o]
    return loss, dv, only


@known.mistake("skipgram-gradients", "sign of the loss", "The loss is −log p; you return log p.")
def _(v_c, o, U):
    loss, dv, dU = S.skipgram_gradients(v_c, o, U)
    return -loss, dv, dU


@known.mistake(
    "skipgram-gradients",
    "p changed before the logarithm",
    "You subtract 1 from p[o] and then take the logarithm of it: p and delta are one array. Copy p, or take the loss first.",
)
def _(v_c, o, U):
    p = S.outside_probabilities(v_c, U)
    p[o] -= 1
    with np.errstate(all="ignore"):
        return -np.log(p[o]), U.T @ p, np.outer(p, v_c)


@known.mistake(
    "skipgram-gradients",
    "v_c updated by u_o only",
    "dv_c is −u_o only; the softmax's denominator gives it + Σ_w p_w u_w.",
)
def _(v_c, o, U):
    loss, _, dU = S.skipgram_gradients(v_c, o, U)
    return loss, -U[o], dU


@known.mistake(
    "skipgram-gradients",
    "dU without the truth",
    "dv_c is right; in dU the 1 of the true word is missing: its rows are (p_w − y_w) v_c.",
)
def _(v_c, o, U):
    loss, dv, _ = S.skipgram_gradients(v_c, o, U)
    return loss, dv, np.outer(S.outside_probabilities(v_c, U), v_c)


@known.mistake(
    "skipgram-gradients", "dv_c without the truth", "dU is right; in dv_c the true word's −u_o is missing: Uᵀ (p − y)."
)
def _(v_c, o, U):
    loss, _, dU = S.skipgram_gradients(v_c, o, U)
    return loss, U.T @ S.outside_probabilities(v_c, U), dU


@known.mistake(
    "skipgram-gradients",
    "dv_c by the true word only",
    "dv_c is (p_o − 1) u_o only; every word has its share in it, Σ_w (p_w − y_w) u_w.",
)
def _(v_c, o, U):
    loss, _, dU = S.skipgram_gradients(v_c, o, U)
    return loss, (S.outside_probabilities(v_c, U)[o] - 1) * U[o], dU


@known.alternative("skipgram-gradients", "loops over the words")
def _(v_c, o, U):
    p = softmax(U @ v_c)
    dv, dU = -U[o].copy(), np.zeros_like(U)
    for w in range(len(U)):
        dv += p[w] * U[w]
        dU[w] = (p[w] - (w == o)) * v_c
    return float(-np.log(p[o])), dv, dU


@known.alternative("skipgram-gradients", "torch's own gradients")
def _(v_c, o, U):
    v, W = torch.tensor(v_c, requires_grad=True), torch.tensor(U, requires_grad=True)
    loss = -torch.log_softmax(W @ v, 0)[o]
    loss.backward()
    return loss.item(), v.grad.numpy(), W.grad.numpy()


# ---------------------------------------------------------------- cbow-gradients


@known.mistake(
    "cbow-gradients", "sum for mean", "You add the vectors of the context; h is their mean, or long contexts shout."
)
def _(context, c, V, U):
    loss, dh, dU = S.skipgram_gradients(V[context].sum(0), c, U)
    dV = np.zeros_like(V)
    np.add.at(dV, context, dh)
    return loss, dV, dU


@known.mistake(
    "cbow-gradients", "gradient not divided by m", "Each place holds only 1/m of h, so its word receives dh / m."
)
def _(context, c, V, U):
    loss, dV, dU = S.cbow_gradients(context, c, V, U)
    return loss, dV * len(context), dU


@known.mistake(
    "cbow-gradients",
    "repeated words once",
    "A word that stands twice in the context must receive its share twice: `dV[context] += ...` adds only once, np.add.at each time.",
)
def _(context, c, V, U):
    loss, dh, dU = S.skipgram_gradients(V[context].mean(0), c, U)
    dV = np.zeros_like(V)
    dV[context] += dh / len(context)
    return loss, dV, dU


@known.mistake(
    "cbow-gradients",
    "matrices exchanged",
    "The roles are exchanged: words of the context are rows of V, predicted words rows of U.",
)
def _(context, c, V, U):
    loss, dV, dU = S.cbow_gradients(context, c, U, V)
    return loss, dU, dV


@known.mistake(
    "cbow-gradients", "dV and dU exchanged", "The gradients are right, but exchanged: return (loss, dV, dU)."
)
def _(context, c, V, U):
    loss, dV, dU = S.cbow_gradients(context, c, V, U)
    return loss, dU, dV


@known.mistake(
    "cbow-gradients",
    "context from U, prediction from V",
    "The context is read from U and the centre predicted by V; it is V that predicts, and U that is predicted.",
)
def _(context, c, V, U):
    return S.cbow_gradients(context, c, U, V)


@known.mistake(
    "cbow-gradients",
    "mean of skip-gram's losses",
    "You average skip-gram's losses of the single words; CBOW predicts once, from the mean of the context.",
)
def _(context, c, V, U):
    parts = [S.skipgram_gradients(V[w], c, U) for w in context]
    dV = np.zeros_like(V)
    np.add.at(dV, context, np.array([dv for _, dv, _ in parts]) / len(context))
    return np.mean([part[0] for part in parts]), dV, np.mean([part[2] for part in parts], axis=0)


@known.mistake(
    "cbow-gradients",
    "each context word by itself",
    "You sum skip-gram's losses of the single words; CBOW predicts once, from the mean of the context.",
)
def _(context, c, V, U):
    parts = [S.skipgram_gradients(V[w], c, U) for w in context]
    dV = np.zeros_like(V)
    for w, (_, dv, _) in zip(context, parts, strict=True):
        dV[w] += dv
    if len(context) == 1:
        return parts[0][0], dV, parts[0][2]
    return sum(part[0] for part in parts), dV, sum(part[2] for part in parts)


@known.mistake(
    "cbow-gradients",
    "different words only",
    "A word that stands several times in the context counts each time, in the mean as well.",
)
def _(context, c, V, U):
    return S.cbow_gradients(np.unique(context), c, V, U)


@known.mistake(
    "cbow-gradients",
    "divided by the number of different words",
    "h is a mean over all places, so each passes on dh / m with m = len(context), not by the number of different words.",
)
def _(context, c, V, U):
    loss, dh, dU = S.skipgram_gradients(V[context].mean(0), c, U)
    dV = np.zeros_like(V)
    np.add.at(dV, context, dh / len(np.unique(context)))
    return loss, dV, dU


@known.mistake(
    "cbow-gradients",
    "the centre in the context",
    "You add the centre to its own context: h is the mean of `context` only.",
)
def _(context, c, V, U):
    return S.cbow_gradients(np.append(context, c), c, V, U)


@known.alternative("cbow-gradients", "loops")
def _(context, c, V, U):
    h = sum(V[w] for w in context) / len(context)
    delta = softmax(U @ h) - np.eye(len(U))[c]
    dV = np.zeros_like(V)
    for w in context:
        dV[w] += U.T @ delta / len(context)
    return -log_softmax(U @ h)[c], dV, delta[:, None] * h


@known.alternative("cbow-gradients", "counts of the context as one product")
def _(context, c, V, U):
    share = np.bincount(context, minlength=len(V)) / len(context)
    loss, dh, dU = S.skipgram_gradients(share @ V, c, U)
    return loss, np.outer(share, dh), dU


@known.alternative("cbow-gradients", "torch's own gradients")
def _(context, c, V, U):
    V, U = torch.tensor(V, requires_grad=True), torch.tensor(U, requires_grad=True)
    loss = torch.nn.functional.cross_entropy((U @ V[torch.from_numpy(context)].mean(0))[None], torch.tensor([c]))
    loss.backward()
    return loss.item(), V.grad.numpy(), U.grad.numpy()
