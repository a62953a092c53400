"""The author's half of notebook 02, parts C and D: known mistakes, and other right answers."""

import numpy as np
import torch
from scipy.special import expit

from course_utils.authoring import KnownAnswers

known = KnownAnswers("02_word2vec")
S = known.solution


# ---------------------------------------------------------------- negative-sampling


def ns(v_c, words, y, U, dU_of=None, g_of=None):
    """Loss and gradients of logistic regressions of y on words, with parts exchanged."""
    scores = U[words] @ v_c
    g = expit(scores) - y if g_of is None else g_of(expit(scores), y)
    dU = np.zeros_like(U)
    if dU_of is None:
        np.add.at(dU, words, np.outer(g, v_c))
    else:
        dU_of(dU, words, np.outer(g, v_c))
    return np.logaddexp(0, (1 - 2 * y) * scores).sum(), g @ U[words], dU


def with_truth(o, negatives):
    """Words with the true one first, and y."""
    return np.append(o, negatives), np.append(1.0, np.zeros(len(negatives)))


@known.mistake(
    "negative-sampling",
    "s where s − y belongs",
    "The gradients use s(u · v) for the true word too, where s − 1 belongs: true pairs are pushed apart like noise.",
)
def _(v_c, o, negatives, U):
    return ns(v_c, *with_truth(o, negatives), U, g_of=lambda s, y: s)


@known.mistake("negative-sampling", "sign flipped", "Both gradients have the wrong sign: they would let the loss grow.")
def _(v_c, o, negatives, U):
    loss, dv, dU = S.negative_sampling(v_c, o, negatives, U)
    return loss, -dv, -dU


@known.mistake(
    "negative-sampling",
    "repeated negatives once",
    "A negative drawn twice counts twice, but `dU[words] += ...` adds only once: np.add.at adds each time.",
)
def _(v_c, o, negatives, U):
    def once(dU, words, values):
        dU[words] += values

    return ns(v_c, *with_truth(o, negatives), U, dU_of=once)


@known.mistake(
    "negative-sampling",
    "negatives without their minus",
    "For a negative the loss is −log s(−u · v): the minus inside is missing, so noise is pulled near.",
)
def _(v_c, o, negatives, U):
    words, y = with_truth(o, negatives)
    return ns(v_c, words, np.ones_like(y), U)


@known.mistake(
    "negative-sampling",
    "loss of the negatives without their minus",
    "The gradients are right; in the loss the minus inside is missing for the negatives: −log s(−u · v).",
)
def _(v_c, o, negatives, U):
    _, dv, dU = S.negative_sampling(v_c, o, negatives, U)
    return np.logaddexp(0, -(U[np.append(o, negatives)] @ v_c)).sum(), dv, dU


@known.mistake(
    "negative-sampling",
    "gradients with y = 1 everywhere",
    "The loss is right; in the gradients you subtract 1 for the negatives too, where y is 0.",
)
def _(v_c, o, negatives, U):
    return ns(v_c, *with_truth(o, negatives), U, g_of=lambda s, y: s - 1)


@known.mistake(
    "negative-sampling",
    "loss averaged over the negatives",
    "The gradients are right; in the loss the k negatives are summed, not averaged.",
)
def _(v_c, o, negatives, U):
    _, dv, dU = S.negative_sampling(v_c, o, negatives, U)
    return np.logaddexp(0, -U[o] @ v_c) + np.logaddexp(0, U[negatives] @ v_c).mean(), dv, dU


@known.mistake(
    "negative-sampling",
    "different negatives only",
    "A negative that was drawn twice counts twice, in the loss and in both gradients; you take it once.",
)
def _(v_c, o, negatives, U):
    return S.negative_sampling(v_c, o, np.unique(negatives), U)


@known.mistake("negative-sampling", "mean over the negatives", "The k negatives are summed, not averaged.")
def _(v_c, o, negatives, U):
    scores = U[negatives] @ v_c
    dU, k = np.zeros_like(U), len(negatives)
    np.add.at(dU, negatives, np.outer(expit(scores), v_c) / k)
    dU[o] += (expit(U[o] @ v_c) - 1) * v_c
    dv = (expit(U[o] @ v_c) - 1) * U[o] + expit(scores) @ U[negatives] / k
    return np.logaddexp(0, -U[o] @ v_c) + np.logaddexp(0, scores).mean(), dv, dU


@known.mistake(
    "negative-sampling",
    "only the true word",
    "The negatives are missing: without them every score may grow without end.",
)
def _(v_c, o, negatives, U):
    return S.negative_sampling(v_c, o, negatives[:0], U)


@known.mistake(
    "negative-sampling",
    "the true word is no negative",
    "A negative that happens to be the true word is left out; here it counts like the others.",
)
def _(v_c, o, negatives, U):
    return S.negative_sampling(v_c, o, negatives[negatives != o], U)


@known.mistake(
    "negative-sampling",
    "overflow",
    "log s(x) is −inf where s(x) is rounded to 0: use log(1 + e^(−x)) by np.logaddexp(0, −x).",
)
def _(v_c, o, negatives, U):
    _loss, dv, dU = S.negative_sampling(v_c, o, negatives, U)
    with np.errstate(all="ignore"):
        naive = -np.log(expit(U[o] @ v_c)) - np.log(expit(-(U[negatives] @ v_c))).sum()
    return naive, dv, dU


@known.mistake(
    "negative-sampling",
    "y by word",
    "You set y = 1 wherever a word equals o; a negative that happens to be o counts as a negative: y goes by place.",
)
def _(v_c, o, negatives, U):
    words = np.append(o, negatives)
    return ns(v_c, words, (words == o).astype(float), U)


@known.mistake(
    "negative-sampling",
    "probabilities clipped",
    "You cut the probabilities off before the logarithm, so large losses are too small: np.logaddexp(0, −x) needs no cut.",
)
def _(v_c, o, negatives, U):
    words, y = with_truth(o, negatives)
    s = expit(U[words] @ v_c)
    _, dv, dU = S.negative_sampling(v_c, o, negatives, U)
    return -np.log(np.clip(np.where(y == 1, s, 1 - s), 1e-10, 1)).sum(), dv, dU


@known.mistake(
    "negative-sampling",
    "scores clipped",
    "You cut the scores off at ±500, so larger losses stop growing: log(1 + e^x) is np.logaddexp(0, x) for every x.",
)
def _(v_c, o, negatives, U):
    words, y = with_truth(o, negatives)
    _, dv, dU = S.negative_sampling(v_c, o, negatives, U)
    return np.logaddexp(0, (1 - 2 * y) * np.clip(U[words] @ v_c, -500, 500)).sum(), dv, dU


@known.mistake(
    "negative-sampling",
    "dv from the true word only",
    "dv_c holds the true word's part only; every negative adds s(u_j · v_c) u_j.",
)
def _(v_c, o, negatives, U):
    loss, _, dU = S.negative_sampling(v_c, o, negatives, U)
    return loss, (expit(U[o] @ v_c) - 1) * U[o], dU


@known.alternative("negative-sampling", "loops")
def _(v_c, o, negatives, U):
    dU, dv, loss = np.zeros_like(U), np.zeros_like(v_c), 0.0
    for word, y in [(o, 1), *((w, 0) for w in negatives)]:
        score = float(U[word] @ v_c)
        loss += np.logaddexp(0, -score if y else score)
        dU[word] += (expit(score) - y) * v_c
        dv += (expit(score) - y) * U[word]
    return loss, dv, dU


@known.alternative("negative-sampling", "positive and negative apart, counts of the negatives")
def _(v_c, o, negatives, U):
    times = np.bincount(negatives, minlength=len(U))  # (n,)
    scores = U @ v_c
    g = times * expit(scores)
    g[o] -= expit(-scores[o])
    return np.logaddexp(0, -scores[o]) + times @ np.logaddexp(0, scores), U.T @ g, np.outer(g, v_c)


@known.alternative("negative-sampling", "torch's own gradients")
def _(v_c, o, negatives, U):
    v, U = torch.tensor(v_c, requires_grad=True), torch.tensor(U, requires_grad=True)
    softplus = torch.nn.functional.softplus
    loss = softplus(-(U[o] @ v)) + softplus(U[torch.from_numpy(negatives)] @ v).sum()
    loss.backward()
    return loss.item(), v.grad.numpy(), U.grad.numpy()


# ---------------------------------------------------------------- noise-distribution


@known.mistake(
    "noise-distribution",
    "power 1",
    "These are plain frequencies; the power ¾ is missing, which gives rare words more weight.",
)
def _(counts):
    return counts / counts.sum()


@known.mistake(
    "noise-distribution", "uniform", "All words have the same probability; it should be proportional to U(w)^(3/4)."
)
def _(counts):
    return np.full(len(counts), 1 / len(counts))


@known.mistake(
    "noise-distribution",
    "not divided by Z",
    "The power of the frequencies no longer sums to 1: divide by Z, the sum of the powers.",
)
def _(counts):
    return (counts / counts.sum()) ** 0.75


@known.mistake("noise-distribution", "times ¾", "You multiply by ¾; it is the exponent: U(w)^(3/4).")
def _(counts):
    return 0.75 * counts / counts.sum()


@known.mistake("noise-distribution", "power ½", "The exponent is ½ (a square root); it is ¾.")
def _(counts):
    return np.sqrt(counts) / np.sqrt(counts).sum()


@known.mistake("noise-distribution", "power 4/3", "The exponent is 4/3; with ¾ rare words come more often, not less.")
def _(counts):
    return counts ** (4 / 3) / (counts ** (4 / 3)).sum()


@known.alternative("noise-distribution", "frequencies first")
def _(counts):
    powers = np.power(counts / counts.sum(), 3 / 4)
    return powers / powers.sum()


@known.alternative("noise-distribution", "loops and square roots")
def _(counts):
    powers = [np.sqrt(count) * np.sqrt(np.sqrt(count)) for count in counts.tolist()]
    return np.array([power / sum(powers) for power in powers])


# ---------------------------------------------------------------- noise-sampler


@known.mistake("noise-sampler", "uniform", "All words come equally often: the weights are not used.")
def _(weights, shape, rng):
    return rng.integers(len(weights), size=shape)


@known.mistake(
    "noise-sampler", "one draw repeated", "Neighbouring draws are the same word: draw a random number for each of them."
)
def _(weights, shape, rng):
    cdf = np.cumsum(weights)
    row = np.searchsorted(cdf / cdf[-1], rng.random(shape[0] // 100 + 1), side="right")
    return np.resize(np.repeat(row, 100), shape)


@known.mistake(
    "noise-sampler",
    "off by one",
    "Every word is one too high: searchsorted counts the ends *before* the place, which is the number already.",
)
def _(weights, shape, rng):
    return S.draw_noise(weights, shape, rng) + 1


@known.mistake(
    "noise-sampler",
    "weights not normalised",
    "The ends do not reach from 0 to 1, but your random places do: divide by the sum of the weights.",
)
def _(weights, shape, rng):
    return np.searchsorted(np.cumsum(weights), rng.random(shape), side="right").clip(max=len(weights) - 1)


@known.mistake(
    "noise-sampler",
    "weights not summed up",
    "searchsorted needs growing ends: the cumulative sum of the weights, not the weights.",
)
def _(weights, shape, rng):
    return np.searchsorted(np.sort(weights / weights.sum()), rng.random(shape), side="right").clip(max=len(weights) - 1)


@known.mistake(
    "noise-sampler",
    "the power once more",
    "The weights are what they are: the power ¾ has been taken before, not here.",
)
def _(weights, shape, rng):
    return S.draw_noise(weights**0.75, shape, rng)


@known.mistake(
    "noise-sampler",
    "a seed of its own",
    "You make a generator with a seed of your own, so every call draws the same words: use the `rng` that is given.",
)
def _(weights, shape, rng):
    return S.draw_noise(weights, shape, np.random.default_rng(0))


@known.alternative("noise-sampler", "rng.choice")
def _(weights, shape, rng):
    return rng.choice(len(weights), size=shape, p=weights / weights.sum())


@known.alternative("noise-sampler", "a large table, as in word2vec's program")
def _(weights, shape, rng):
    table = np.repeat(np.arange(len(weights)), np.round(1e6 * weights / weights.sum()).astype(int))
    return table[rng.integers(len(table), size=shape)]


@known.alternative("noise-sampler", "the largest of weighted exponentials")
def _(weights, shape, rng):
    with np.errstate(divide="ignore"):
        scores = np.log(weights) + rng.gumbel(size=(*shape, len(weights)))
    return scores.argmax(-1)


known.equivalent(
    "noise-sampler",
    "line 9: `np.searchsorted(cdf / cdf[-1], rng.random(shape), side='right')` -> `np.searchsorted(cdf / cdf[-1], rng.random(shape))`",
    "The side matters only where a random number equals an end exactly, with a probability of about 1e-16.",
)


# ---------------------------------------------------------------- subsampling


@known.mistake(
    "subsampling",
    "discarding returned",
    "These are the probabilities of discarding a word; asked are those of keeping it, or rare words vanish.",
)
def _(counts, t):
    paper, code = S.keep_probabilities(counts, t)
    return 1 - paper, 1 - code


@known.mistake(
    "subsampling",
    "formulas exchanged",
    "The two are exchanged: the paper has the root alone, its program the root plus t / f.",
)
def _(counts, t):
    return S.keep_probabilities(counts, t)[::-1]


@known.mistake("subsampling", "not cut off at 1", "For rare words the formulas exceed 1: cut them off there.")
def _(counts, t):
    f = counts / counts.sum()
    return np.sqrt(t / f), np.sqrt(t / f) + t / f


@known.mistake("subsampling", "counts for frequencies", "f is a share of all words; you used the counts themselves.")
def _(counts, t):
    return np.minimum(np.sqrt(t / counts), 1), np.minimum(np.sqrt(t / counts) + t / counts, 1)


@known.mistake("subsampling", "root forgotten", "t / f stands under a square root in both formulas.")
def _(counts, t):
    r = t * counts.sum() / counts
    return np.minimum(r, 1), np.minimum(2 * r, 1)


@known.mistake(
    "subsampling",
    "fraction turned over",
    "The fraction is turned over: √(t / f), so that frequent words are kept less often.",
)
def _(counts, t):
    r = counts / counts.sum() / t
    return np.minimum(np.sqrt(r), 1), np.minimum(np.sqrt(r) + r, 1)


@known.mistake(
    "subsampling",
    "code from the clipped root",
    "You add t / f to a root that is cut off already, and so pass 1 again: add first, then cut off, once.",
)
def _(counts, t):
    paper, _ = S.keep_probabilities(counts, t)
    return paper, paper + t * counts.sum() / counts


@known.mistake("subsampling", "both the paper's", "You return the paper's formula twice; code is √(t / f) + t / f.")
def _(counts, t):
    paper, _ = S.keep_probabilities(counts, t)
    return paper, paper


@known.mistake("subsampling", "cut off from below", "np.maximum cuts off from below: np.minimum(…, 1) is at most 1.")
def _(counts, t):
    r = t * counts.sum() / counts
    return np.maximum(np.sqrt(r), 1), np.maximum(np.sqrt(r) + r, 1)


@known.alternative("subsampling", "loops")
def _(counts, t):
    paper, code = [], []
    for count in counts:
        f = float(count) / float(sum(counts))
        paper.append(min(1.0, (t / f) ** 0.5))
        code.append(min(1.0, (t / f) ** 0.5 + t / f))
    return np.array(paper), np.array(code)


@known.alternative("subsampling", "as word2vec's program writes it")
def _(counts, t):
    f = counts / counts.sum()
    return 1 - np.maximum(0, 1 - np.sqrt(t / f)), ((np.sqrt(f / t) + 1) * (t / f)).clip(max=1)


# ---------------------------------------------------------------- optimal-scores


@known.mistake("optimal-scores", "not shifted", "The shift − log k is missing.")
def _(X, P, k):
    return S.optimal_scores(X, P, 1)


@known.mistake("optimal-scores", "shifted upwards", "log k is subtracted: more negatives push scores down.")
def _(X, P, k):
    return S.optimal_scores(X, P, 1 / k)


@known.mistake("optimal-scores", "binary logarithm", "These are bits, from log2; the natural logarithm is asked for.")
def _(X, P, k):
    return S.optimal_scores(X, P, k) / np.log(2)


@known.mistake("optimal-scores", "k for log k", "You subtract k itself; it is log k.")
def _(X, P, k):
    return S.optimal_scores(X, P, 1) - k


@known.mistake(
    "optimal-scores",
    "noise along the wrong axis",
    "P belongs to the outside words, the columns: `P[:, None]` divides the rows.",
)
def _(X, P, k):
    with np.errstate(divide="ignore"):
        return np.log(X / (k * X.sum(1, keepdims=True) * P[:, None]))


@known.mistake("optimal-scores", "all pairs for a row's", "X[c].sum() is the sum of row c, not of the whole matrix.")
def _(X, P, k):
    with np.errstate(divide="ignore"):
        return np.log(X / (k * X.sum() * P))


@known.mistake("optimal-scores", "column sums", "X[c].sum() is the sum of a row (axis 1); these are columns' sums.")
def _(X, P, k):
    with np.errstate(divide="ignore"):
        return np.log(X / (k * X.sum(0) * P))


@known.mistake(
    "optimal-scores",
    "zeros made positive",
    "Where two words never meet the best score is −inf, not 0: nothing holds it back.",
)
def _(X, P, k):
    scores = S.optimal_scores(X, P, k)
    return np.where(np.isinf(scores), 0, scores)


@known.mistake(
    "optimal-scores",
    "a finite number for −inf",
    "Where two words never meet S is −inf; you add a tiny number before the logarithm, or replace −inf afterwards.",
)
def _(X, P, k):
    return np.nan_to_num(S.optimal_scores(X, P, k))


@known.mistake(
    "optimal-scores", "cut off at 0", "Scores below 0 are cut off, as in PPMI; here they stay, for S may be negative."
)
def _(X, P, k):
    return np.maximum(S.optimal_scores(X, P, k), 0)


@known.alternative("optimal-scores", "loops")
def _(X, P, k):
    def one(c, o):
        return np.log(X[c, o] / X[c].sum() / P[o]) - np.log(k) if X[c, o] else -np.inf

    return np.array([[one(c, o) for o in range(len(P))] for c in range(len(X))])


@known.alternative("optimal-scores", "torch, logarithms apart")
def _(X, P, k):
    X, P = torch.from_numpy(X), torch.from_numpy(P)
    return X.log() - X.sum(1, keepdim=True).log() - P.log() - np.log(k)


known.equivalent(
    "optimal-scores",
    "line 9: `np.errstate(divide='ignore')` -> `np.errstate()`",
    "The numbers are the same; only NumPy's warning is no longer silenced.",
)


# ---------------------------------------------------------------- nearest-words


def ranked(scores, word, k):
    """The k largest scores without `word`."""
    order = np.argsort(-scores)
    order = order[order != word][:k]
    return order, scores[order]


@known.mistake("nearest-words", "the word itself", "The first neighbour is the word itself: leave it out.")
def _(W, word, k):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    cosines = unit @ unit[word]
    ids = np.argsort(-cosines)[:k]
    return ids, cosines[ids]


@known.mistake(
    "nearest-words",
    "products for cosines",
    "These are plain scalar products, in which long vectors win: divide by both lengths.",
)
def _(W, word, k):
    return ranked(W @ W[word], word, k)


@known.mistake("nearest-words", "the farthest", "The smallest cosines come first: sort from the largest.")
def _(W, word, k):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    ids, cosines = ranked(-(unit @ unit[word]), word, k)
    return ids, -cosines


@known.mistake(
    "nearest-words",
    "Euclidean neighbours",
    "These are the nearest by Euclidean distance; only the direction should count.",
)
def _(W, word, k):
    ids, distances = ranked(-np.linalg.norm(W - W[word], axis=1), word, k)
    return ids, -distances


@known.mistake(
    "nearest-words",
    "only one length divided",
    "You divide by the candidates' lengths only, so these are no cosines yet: the word's own length is missing.",
)
def _(W, word, k):
    return ranked(W @ W[word] / np.linalg.norm(W, axis=1), word, k)


@known.mistake("nearest-words", "columns scaled", "The columns are scaled to length 1, not the rows (axis=1).")
def _(W, word, k):
    unit = W / np.linalg.norm(W, axis=0)
    return ranked(unit @ unit[word], word, k)


@known.mistake(
    "nearest-words",
    "numbers moved by np.delete",
    "After np.delete the numbers have moved: what comes after `word` is one too low. Set its cosine to −inf instead.",
)
def _(W, word, k):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    cosines = np.delete(unit @ unit[word], word)
    ids = np.argsort(-cosines)[:k]
    return ids, cosines[ids]


@known.mistake(
    "nearest-words",
    "distances returned",
    "These are distances, 1 − cosine; the neighbours are right, return the cosines.",
)
def _(W, word, k):
    ids, cosines = S.nearest_words(W, word, k)
    return ids, 1 - cosines


@known.mistake(
    "nearest-words",
    "-1 for the word itself",
    "You give the word itself the cosine −1, which another word may have too: use −inf.",
)
def _(W, word, k):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    cosines = unit @ unit[word]
    cosines[word] = -1
    ids = np.argsort(-cosines, kind="stable")[:k]
    return ids, cosines[ids]


@known.mistake(
    "nearest-words",
    "not sorted",
    "These are the k nearest, but in no order: np.argpartition does not sort, so sort what it found.",
)
def _(W, word, k):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    cosines = unit @ unit[word]
    cosines[word] = -np.inf
    ids = np.argpartition(-cosines, k - 1)[:k]
    return ids, cosines[ids]


@known.alternative("nearest-words", "loops")
def _(W, word, k):
    def cosine(a, b):
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    found = sorted(((cosine(W[word], w), i) for i, w in enumerate(W) if i != word), reverse=True)[:k]
    return np.array([i for _, i in found]), np.array([value for value, _ in found])


@known.alternative("nearest-words", "torch's topk in float32")
def _(W, word, k):
    unit = torch.nn.functional.normalize(torch.tensor(W, dtype=torch.float32))
    cosines = unit @ unit[word]
    cosines[word] = -torch.inf
    best = cosines.topk(k)
    return best.indices.numpy(), best.values.numpy()


# ---------------------------------------------------------------- analogy


def answers(W, a, b, c, unit=True, exclude=("a", "b", "c"), signs=(-1, 1, 1), lowest=-np.inf, every_row=False):
    """Analogy answers with parts exchanged."""
    W = W / np.linalg.norm(W, axis=1, keepdims=True) if unit else W
    scores = (signs[0] * W[a] + signs[1] * W[b] + signs[2] * W[c]) @ W.T
    for name, words in zip("abc", (a, b, c), strict=True):
        if name in exclude:
            scores[slice(None) if every_row else np.arange(len(words)), words] = lowest
    return scores.argmax(1)


@known.mistake(
    "analogy",
    "query words stay",
    "The query words are among the candidates, and mostly one of them wins: exclude a, b and c.",
)
def _(W, a, b, c):
    return answers(W, a, b, c, exclude=())


@known.mistake(
    "analogy",
    "rows not at unit length",
    "The vectors keep their lengths, so that long ones win: scale all rows to length 1 first.",
)
def _(W, a, b, c):
    return answers(W, a, b, c, unit=False)


@known.mistake(
    "analogy",
    "literal denominator",
    "You divide by the length of the target, which is the same for all candidates and changes nothing: the rows themselves must have length 1.",
)
def _(W, a, b, c):
    scores = (W[b] - W[a] + W[c]) @ W.T / np.linalg.norm(W[b] - W[a] + W[c], axis=1, keepdims=True)
    return np.where(np.isfinite(scores), scores, 0).argmax(1)


@known.mistake(
    "analogy", "a and b exchanged", "The target is w_b − w_a + w_c; you take w_a − w_b + w_c, the step the other way."
)
def _(W, a, b, c):
    return answers(W, a, b, c, signs=(1, -1, 1))


@known.mistake("analogy", "sum for difference", "a is subtracted: w_b − w_a + w_c, not the sum of all three.")
def _(W, a, b, c):
    return answers(W, a, b, c, signs=(1, 1, 1))


@known.mistake(
    "analogy", "only c excluded", "Only c is excluded; b (and a) often come nearest and are no answers either."
)
def _(W, a, b, c):
    return answers(W, a, b, c, exclude=("c",))


@known.mistake("analogy", "a not excluded", "b and c are excluded, but not a, which may be nearest too.")
def _(W, a, b, c):
    return answers(W, a, b, c, exclude=("b", "c"))


@known.mistake("analogy", "b not excluded", "a and c are excluded, but not b, which often comes nearest.")
def _(W, a, b, c):
    return answers(W, a, b, c, exclude=("a", "c"))


@known.mistake(
    "analogy",
    "0 for the query words",
    "The query words get a score, such as 0, that can still win where the others are negative: use −inf.",
)
def _(W, a, b, c):
    return answers(W, a, b, c, lowest=0)


@known.mistake(
    "analogy",
    "words of all questions excluded",
    "`scores[:, a]` excludes a word from *all* questions; exclude it in its own row, `scores[np.arange(m), a]`.",
)
def _(W, a, b, c):
    return answers(W, a, b, c, every_row=True)


@known.mistake(
    "analogy",
    "target not of unit vectors",
    "The candidates have length 1, but the target is made of vectors that keep their lengths: scale all rows first.",
)
def _(W, a, b, c):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    scores = (W[b] - W[a] + W[c]) @ unit.T
    for words in (a, b, c):
        scores[np.arange(len(words)), words] = -np.inf
    return scores.argmax(1)


@known.mistake(
    "analogy",
    "candidates not at unit length",
    "The target is made of unit vectors, but the candidates keep their lengths.",
)
def _(W, a, b, c):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    scores = (unit[b] - unit[a] + unit[c]) @ W.T
    for words in (a, b, c):
        scores[np.arange(len(words)), words] = -np.inf
    return scores.argmax(1)


@known.mistake(
    "analogy",
    "numbers moved by np.delete",
    "After np.delete the numbers have moved: what comes after a, b or c is too low. Set their scores to −inf instead.",
)
def _(W, a, b, c):
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    scores = (unit[b] - unit[a] + unit[c]) @ unit.T
    return np.array([np.delete(row, three).argmax() for row, *three in zip(scores, a, b, c, strict=True)])


@known.alternative("analogy", "question by question")
def _(W, a, b, c):
    unit, found = W / np.sqrt((W * W).sum(1))[:, None], []
    for i, j, k in zip(a, b, c, strict=True):
        scores = unit @ unit[j] - unit @ unit[i] + unit @ unit[k]
        found.append(max((x for x in range(len(W)) if x not in (i, j, k)), key=lambda x: scores[x]))
    return np.array(found)


@known.alternative("analogy", "torch in float32, target at unit length too")
def _(W, a, b, c):
    normalize = torch.nn.functional.normalize
    unit = normalize(torch.tensor(W, dtype=torch.float32))
    a, b, c = (torch.from_numpy(words) for words in (a, b, c))
    scores = normalize(unit[b] - unit[a] + unit[c]) @ unit.T
    scores.scatter_(1, torch.stack([a, b, c], 1), -torch.inf)
    return scores.argmax(1).numpy()


# ---------------------------------------------------------------- analogy-accuracy


@known.mistake(
    "analogy-accuracy",
    "unknown questions dropped",
    "The questions that cannot be asked have vanished from the total: report how many there are.",
)
def _(questions, words, W):
    right, asked, _ = S.analogy_accuracy(questions, words, W)
    return right, asked, asked


def asked_without_looking(questions, words, W):
    """Right answers, asked and total, where every word is looked up."""
    index = {word: i for i, word in enumerate(words)}
    a, b, c, d = np.array([[index[word] for word in question] for question in questions]).T
    return int((S.analogy(W, a, b, c) == d).sum()), len(questions), len(questions)


@known.mistake(
    "analogy-accuracy",
    "unknown words looked up",
    "A question may have a word that is not among `words`: look whether it is before you ask for its number.",
)
def _(questions, words, W):
    return asked_without_looking(questions, words, W)


@known.mistake(
    "analogy-accuracy",
    "nothing known",
    "Where no question can be asked there is nothing to unpack: give the array of numbers the shape (0, 4), or stop early.",
)
def _(questions, words, W):
    known_ones = [question for question in questions if all(word in words for word in question)]
    right, asked, _ = asked_without_looking(known_ones, words, W)
    return right, asked, len(questions)


@known.mistake(
    "analogy-accuracy",
    "each question once",
    "A question that is asked several times counts each time; you take it only once.",
)
def _(questions, words, W):
    return S.analogy_accuracy([list(one) for one in dict.fromkeys(map(tuple, questions))], words, W)


@known.mistake(
    "analogy-accuracy",
    "lower case",
    "You turn words into lower case; two words that differ only in capitals are different words.",
)
def _(questions, words, W):
    return S.analogy_accuracy([[w.lower() for w in q] for q in questions], [word.lower() for word in words], W)


@known.mistake(
    "analogy-accuracy", "floats for whole numbers", "The numbers are right; they are counts, so return integers."
)
def _(questions, words, W):
    return tuple(float(one) for one in S.analogy_accuracy(questions, words, W))


@known.mistake(
    "analogy-accuracy",
    "unknown questions counted as asked",
    "A question with an unknown word was not asked, so it does not count as asked.",
)
def _(questions, words, W):
    right, _, total = S.analogy_accuracy(questions, words, W)
    return right, total, total


@known.mistake(
    "analogy-accuracy",
    "the answer need not be known",
    "You only look whether a, b and c are known; with an unknown answer a question cannot be asked either.",
)
def _(questions, words, W):
    right, _, total = S.analogy_accuracy(questions, words, W)
    return right, sum(all(word in words for word in q[:3]) for q in questions), total


@known.mistake("analogy-accuracy", "share for number", "Return the number of right answers, not their share.")
def _(questions, words, W):
    right, asked, total = S.analogy_accuracy(questions, words, W)
    return right / max(asked, 1), asked, total


@known.mistake(
    "analogy-accuracy", "any word known", "A question can be asked only if *all* four of its words are known."
)
def _(questions, words, W):
    right, _, total = S.analogy_accuracy(questions, words, W)
    return right, sum(any(word in words for word in q) for q in questions), total


@known.mistake(
    "analogy-accuracy",
    "-1 for unknown words",
    "An unknown word gets the number −1, and −1 is the last word: leave such questions out before you ask them.",
)
def _(questions, words, W):
    index = {word: i for i, word in enumerate(words)}
    rows = np.array([[index.get(word, -1) for word in question] for question in questions])
    return (
        int((S.analogy(W, *rows[:, :3].T) == rows[:, 3] % len(words)).sum()),
        int((rows >= 0).all(1).sum()),
        len(rows),
    )


@known.mistake(
    "analogy-accuracy",
    "parts of words",
    "`in` a text finds parts of words too: look in the list, a set or a dictionary of the words.",
)
def _(questions, words, W):
    right, _, total = S.analogy_accuracy(questions, words, W)
    text = ",".join(words)
    return right, sum(all(word in text for word in question) for question in questions), total


@known.mistake(
    "analogy-accuracy",
    "repeated words left out",
    "A question in which a word comes twice is asked like the others: only unknown words keep it from being asked.",
)
def _(questions, words, W):
    right, asked, _ = S.analogy_accuracy([q for q in questions if len(set(q)) == 4], words, W)
    return right, asked, len(questions)


@known.alternative("analogy-accuracy", "one question at a time")
def _(questions, words, W):
    right = asked = 0
    for question in questions:
        if set(question) <= set(words):
            a, b, c, d = (np.array([words.index(word)]) for word in question)
            right, asked = right + int(S.analogy(W, a, b, c)[0] == d[0]), asked + 1
    return right, asked, len(questions)


@known.alternative("analogy-accuracy", "numbers with -1 for unknown")
def _(questions, words, W):
    index = {word: i for i, word in enumerate(words)}
    rows = np.array([[index.get(word, -1) for word in q] for q in questions])
    rows = rows[(rows >= 0).all(1)]
    right = (S.analogy(W, *rows[:, :3].T) == rows[:, 3]).sum()
    return np.int64(right), len(rows), len(questions)


known.equivalent(
    "analogy-accuracy",
    "line 13: `int((analogy(W, a, b, c) == d).sum())` -> `(analogy(W, a, b, c) == d).sum()`",
    "NumPy's integer is as good as Python's.",
)
