# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %%
import numpy as np
import torch
from scipy.special import expit

from course_utils import check

# %% [markdown]
# [exercise: cooccurrence]
# Loops are welcome here: tiny and obvious comes first.


# %% exercise="cooccurrence"
def cooccurrence(sentences, n_words, window):
    """Co-occurrence counts: X[a, b] is how often word b stands at most `window` places away from word a.

    sentences: a list of integer arrays, each with the numbers of a sentence's words in turn; one may be empty.
    Two different places of one sentence that are 1 to `window` places apart count once in each direction, also
    where the same word stands at both. Places of different sentences never count.
    Returns X: (n_words, n_words), symmetric.
    """
    ### BEGIN SOLUTION
    X = np.zeros((n_words, n_words))
    for sentence in sentences:
        for t, word in enumerate(sentence):
            for other in sentence[max(0, t - window) : t]:
                X[word, other] += 1
                X[other, word] += 1
    return X
    ### END SOLUTION

# %%
check("cooccurrence")

# %% [markdown]
# [hints: cooccurrence]

# %% [markdown]
# [exercise: training-pairs]
# No loop over the words: put the places that each word looks at into one array, and then keep those that lie inside its
# own sentence.


# %% exercise="training-pairs"
def training_pairs(tokens, starts, window):
    """All pairs of a word and a word at most `window` places away in the same sentence.

    tokens: (n,) integers, the words of all sentences end to end. starts: (sentences + 1,) integers; sentence i is
    tokens[starts[i] : starts[i + 1]], and may be empty. window: at least 1.
    Returns (c, o): two integer arrays (m,), the centre word and the outside word of each pair, in the order of the
    centre's place, then of the outside word's place.
    """
    ### BEGIN SOLUTION
    lengths = np.diff(starts)
    begin, end = np.repeat(starts[:-1], lengths), np.repeat(starts[1:], lengths)  # (n,): of each word's sentence
    steps = np.delete(np.arange(-window, window + 1), window)  # (2 window,): without 0
    place = np.arange(len(tokens))[:, None] + steps  # (n, 2 window)
    inside = (place >= begin[:, None]) & (place < end[:, None])
    return np.repeat(tokens, inside.sum(1)), tokens[place[inside]]
    ### END SOLUTION

# %%
check("training-pairs")

# %% [markdown]
# [hints: training-pairs]

# %% [markdown]
# [exercise: sparse-counts]
# Sorting finds equal pairs. Write each pair as one number first, and mind how large that number may become.


# %% exercise="sparse-counts"
def sparse_counts(c, o, n_words):
    """How often each pair occurs, without an array of n_words x n_words.

    c, o: (m,) integers from 0 to n_words - 1, perhaps int32. n_words: up to a million.
    Returns (i, j, x): three integer arrays (p,), one entry for each different pair (i, j) = (c, o), sorted by i, then
    by j; x is how often it occurs.
    """
    ### BEGIN SOLUTION
    pairs, x = np.unique(c.astype(np.int64) * n_words + o, return_counts=True)
    return pairs // n_words, pairs % n_words, x
    ### END SOLUTION

# %%
check("sparse-counts")

# %% [markdown]
# [hints: sparse-counts]

# %% [markdown]
# [exercise: ppmi]
# Mind the zeros: most of the cells, and sometimes a whole row.


# %% exercise="ppmi"
def ppmi(X):
    """Positive pointwise mutual information: max(0, log(p_ab / (p_a p_b))), natural logarithm, and 0 where X is 0.

    X: (n, n) counts >= 0, with sum N > 0; rows and columns may be all 0, and X need not be symmetric.
    p_ab = X_ab / N, p_a = (sum of row a) / N, p_b = (sum of column b) / N. Returns (n, n), finite.
    """
    ### BEGIN SOLUTION
    rows, columns = X.sum(1, keepdims=True), X.sum(0)
    ratio = X * X.sum() / np.where(X > 0, rows * columns, 1)
    return np.log(np.maximum(ratio, 1))
    ### END SOLUTION

# %%
check("ppmi")

# %% [markdown]
# [hints: ppmi]

# %% [markdown]
# [exercise: svd-vectors]
# A singular vector may be turned round without harm, and two programs may disagree about it: fix the sign.


# %% exercise="svd-vectors"
def svd_vectors(M, d):
    """Word vectors from the singular value decomposition M = W diag(S) Z^T: the rows of W_d diag(S_d)^(1/2).

    M: (n, n), not necessarily symmetric, with at least d singular values > 0, all different. W_d and S_d are the d
    largest, largest first. Returns (n, d); in each column the entry of largest absolute value is positive.
    """
    ### BEGIN SOLUTION
    W, S, _ = np.linalg.svd(M)
    W = W[:, :d] * np.sqrt(S[:d])
    return W * np.sign(W[np.abs(W).argmax(0), np.arange(d)])
    ### END SOLUTION

# %%
check("svd-vectors")

# %% [markdown]
# [hints: svd-vectors]

# %% [markdown]
# [exercise: outside-probabilities]
# $e^{1000}$ is too large for a computer and $e^{-1000}$ too small, but their ratio to the largest of the sum is not.


# %% exercise="outside-probabilities"
def outside_probabilities(v_c, U):
    """p(o|c) = exp(u_o . v_c) / sum_w exp(u_w . v_c) for every word o.

    v_c: (d,) the centre word's vector. U: (n, d) the outside vectors of all words. Returns p: (n,), finite also
    where scores are in the thousands, positive or negative.
    """
    ### BEGIN SOLUTION
    scores = U @ v_c  # (n,)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()
    ### END SOLUTION

# %%
check("outside-probabilities")

# %% [markdown]
# [hints: outside-probabilities]

# %% [markdown]
# [exercise: skipgram-gradients]
# The last two lines of the derivation, and the loss itself.


# %% exercise="skipgram-gradients"
def skipgram_gradients(v_c, o, U):
    """Loss -log p(o|c) of one pair under the full softmax, and its gradients.

    v_c: (d,). o: the number of the outside word. U: (n, d).
    Returns (loss, dv_c, dU): a number, (d,) and (n, d).
    """
    ### BEGIN SOLUTION
    p = outside_probabilities(v_c, U)  # (n,)
    delta = p.copy()
    delta[o] -= 1  # p - y
    return -np.log(p[o]), U.T @ delta, np.outer(delta, v_c)
    ### END SOLUTION

# %%
check("skipgram-gradients")

# %% [markdown]
# [hints: skipgram-gradients]

# %% [markdown]
# [exercise: cbow-gradients]
# Everything after the mean is the function that you have just written. The chain rule takes you back through the mean.


# %% exercise="cbow-gradients"
def cbow_gradients(context, c, V, U):
    """Loss -log p(c|context) of CBOW under the full softmax, and its gradients.

    h = mean of V[w] over the words w in context; p(c|context) = exp(u_c . h) / sum_w exp(u_w . h).
    context: (m,) word numbers, m >= 1; a word may occur several times, and counts each time. c: the centre word's
    number. V: (n, d) vectors of words that predict, U: (n, d) of words that are predicted.
    Returns (loss, dV, dU): a number and two (n, d).
    """
    ### BEGIN SOLUTION
    loss, dh, dU = skipgram_gradients(V[context].mean(0), c, U)
    dV = np.zeros_like(V)
    np.add.at(dV, context, dh / len(context))
    return loss, dV, dU
    ### END SOLUTION

# %%
check("cbow-gradients")

# %% [markdown]
# [hints: cbow-gradients]

# %% [markdown]
# [exercise: negative-sampling]
# As for the softmax, "probability minus truth" is the whole gradient: $y$ is 1 for the true word and 0 for the negatives.


# %% exercise="negative-sampling"
def negative_sampling(v_c, o, negatives, U):
    """Loss of one true pair against k noise words: -log s(u_o . v_c) - sum_j log s(-u_j . v_c), and its gradients.

    s is the logistic function. v_c: (d,). o: the number of the true outside word. negatives: (k,) word numbers; a word
    that is drawn twice counts twice, and one that happens to be o counts as a negative too. U: (n, d).
    Returns (loss, dv_c, dU): a number, (d,) and (n, d). Finite also where scores are in the thousands.
    """
    ### BEGIN SOLUTION
    words = np.append(o, negatives)  # (1 + k,)
    y = np.arange(len(words)) == 0  # true, false, ..., false: 1 and 0 in arithmetic
    scores = U[words] @ v_c
    g = expit(scores) - y  # (1 + k,)
    dU = np.zeros_like(U)
    np.add.at(dU, words, np.outer(g, v_c))
    return np.logaddexp(0, (1 - 2 * y) * scores).sum(), g @ U[words], dU
    ### END SOLUTION

# %%
check("negative-sampling")

# %% [markdown]
# [hints: negative-sampling]

# %% [markdown]
# [exercise: noise-distribution]
# One line.


# %% exercise="noise-distribution"
def noise_distribution(counts):
    """The noise distribution P(w) = U(w)^(3/4) / Z, where U is the unigram distribution.

    counts: (n,) how often each word occurs, >= 0, not all 0. Returns P: (n,) with sum 1.
    """
    ### BEGIN SOLUTION
    weights = counts**0.75
    return weights / weights.sum()
    ### END SOLUTION

# %%
check("noise-distribution")

# %% [markdown]
# [hints: noise-distribution]

# %% [markdown]
# [exercise: noise-sampler]
# Your numbers need not be those of the solution: they are judged by how often each word comes.


# %% exercise="noise-sampler"
def draw_noise(weights, shape, rng):
    """Word numbers drawn independently, word w with probability weights[w] / (sum of weights).

    weights: (n,) >= 0, not all 0; they need not sum to 1. shape: a tuple. rng: the numpy.random.Generator to draw from.
    Returns an integer array of that shape. A word of weight 0 is never drawn. No loop over words or draws.
    """
    ### BEGIN SOLUTION
    cdf = np.cumsum(weights)
    return np.searchsorted(cdf / cdf[-1], rng.random(shape), side="right")
    ### END SOLUTION

# %%
check("noise-sampler")

# %% [markdown]
# [hints: noise-sampler]

# %% [markdown]
# [exercise: subsampling]
# Both formulas; return the probability of *keeping* a word.


# %% exercise="subsampling"
def keep_probabilities(counts, t):
    """With which probability a word is kept when frequent words are thinned out, after the two known formulas.

    counts: (n,) >= 1. f = counts / (sum of counts). t: the threshold, e.g. 1e-4.
    Returns (paper, code), each (n,): min(1, sqrt(t / f)) as in the paper, min(1, sqrt(t / f) + t / f) as in its program.
    """
    ### BEGIN SOLUTION
    ratio = t * counts.sum() / counts
    root = np.sqrt(ratio)
    return np.minimum(root, 1), np.minimum(root + ratio, 1)
    ### END SOLUTION

# %%
check("subsampling")

# %% [markdown]
# [hints: subsampling]

# %% [markdown]
# [exercise: optimal-scores]
# The last line of the derivation, for all pairs at once.


# %% exercise="optimal-scores"
def optimal_scores(X, P, k):
    """The scores u_o . v_c at which negative sampling's loss is smallest, if every score could be chosen freely.

    X: (n, n) counts of the pairs (c, o), no row all 0. P: (n,) noise distribution, > 0. k: negatives for each pair.
    Returns S: (n, n) with S[c, o] = log(X[c, o] / (X[c].sum() P[o])) - log k, and -inf where X[c, o] is 0.
    """
    ### BEGIN SOLUTION
    with np.errstate(divide="ignore"):  # log 0 is -inf, and meant to be
        return np.log(X / (k * X.sum(1, keepdims=True) * P))
    ### END SOLUTION

# %%
check("optimal-scores")

# %% [markdown]
# [hints: optimal-scores]

# %% [markdown]
# [exercise: nearest-words]
# Only directions count: what is compared is the cosine of the angle between two vectors.


# %% exercise="nearest-words"
def nearest_words(W, word, k):
    """The k other words whose vectors have the largest cosine with that of a word.

    W: (n, d) vectors, none of them 0. word: a row's number. 1 <= k <= n - 1. No two cosines are equal.
    Returns (ids, cosines): (k,) row numbers without `word`, and their cosines (k,), largest first.
    """
    ### BEGIN SOLUTION
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)  # (n, d)
    cosines = unit @ unit[word]  # (n,)
    cosines[word] = -np.inf
    ids = np.argsort(-cosines)[:k]
    return ids, cosines[ids]
    ### END SOLUTION

# %%
check("nearest-words")

# %% [markdown]
# [hints: nearest-words]

# %% [markdown]
# [exercise: analogy]
# Many questions at once: arrays of $a$, $b$ and $c$.


# %% exercise="analogy"
def analogy(W, a, b, c):
    """Answers to a : b :: c : ?, the word x other than a, b and c with the largest (w_b - w_a + w_c) . w_x.

    W: (n, d) vectors, none of them 0; w is a row of W scaled to length 1, also that of a candidate x.
    a, b, c: (m,) word numbers, one question each. Returns the answers' numbers (m,).
    """
    ### BEGIN SOLUTION
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)  # (n, d)
    scores = (unit[b] - unit[a] + unit[c]) @ unit.T  # (m, n)
    for words in (a, b, c):
        scores[np.arange(len(words)), words] = -np.inf
    return scores.argmax(1)
    ### END SOLUTION

# %%
check("analogy")

# %% [markdown]
# [hints: analogy]

# %% [markdown]
# [exercise: analogy-accuracy]
# What cannot be asked is counted and reported, not forgotten.


# %% exercise="analogy-accuracy"
def analogy_accuracy(questions, words, W):
    """How many analogy questions are answered rightly, how many could be asked, and how many there are.

    questions: a list of [a, b, c, d], four words each, where d is the right answer. words: a list of n words; word i
    has the vector W[i], W: (n, d). A question can be asked if all four of its words are among these.
    Returns (right, asked, total), three integers; the share right / asked leaves out what was not asked,
    right / total does not.
    """
    ### BEGIN SOLUTION
    index = {word: i for i, word in enumerate(words)}
    known = [[index[word] for word in question] for question in questions if all(word in index for word in question)]
    a, b, c, d = np.array(known, dtype=int).reshape(len(known), 4).T  # (asked,) each
    return int((analogy(W, a, b, c) == d).sum()), len(known), len(questions)
    ### END SOLUTION

# %%
check("analogy-accuracy")

# %% [markdown]
# [hints: analogy-accuracy]

# %% [markdown]
# [exercise: add-rows]
# `M[rows] += G` is not the answer. Find out why before you look at the hints.


# %% exercise="add-rows"
def add_rows(M, rows, G):
    """M with G[i] added to its row rows[i], for every i; a row that is named several times receives all of its G.

    M: (n, d) floats. rows: row numbers, with repetitions, an array of any shape (...). G: (..., d).
    Returns a new (n, d) with the dtype of M.
    """
    ### BEGIN SOLUTION
    d = M.shape[1]
    flat = M.ravel().copy()
    np.add.at(flat, (rows[..., None] * d + np.arange(d)).ravel(), G.ravel())  # on one axis NumPy is much faster
    return flat.reshape(M.shape)
    ### END SOLUTION

# %%
check("add-rows")

# %% [markdown]
# [hints: add-rows]

# %% [markdown]
# [exercise: sgd-step]
# The formulas of part C for $B$ pairs at once. All gradients belong to the *old* vectors.


# %% exercise="sgd-step"
def sgd_step(V, U, c, o, negatives, lr):
    """One step of gradient descent on the summed negative-sampling loss of a batch of pairs.

    V, U: (n, d) floats. c, o: (B,) centre and outside words, negatives: (B, k) noise words, all with repetitions.
    Returns (V, U, loss): new arrays V - lr dV and U - lr dU, where dV and dU are gradients, at the old V and U, of the
    *sum* of the pairs' losses; loss is the *mean* of the pairs' losses before the step.
    """
    ### BEGIN SOLUTION
    words = np.column_stack([o, negatives])  # (B, 1 + k)
    v, u = V[c], U[words]  # (B, d), (B, 1 + k, d)
    scores = np.einsum("bd,bkd->bk", v, u)
    y = np.zeros_like(scores)
    y[:, 0] = 1
    g = expit(scores) - y  # (B, 1 + k)
    loss = np.logaddexp(0, (1 - 2 * y) * scores).sum(1).mean()
    dv, du = np.einsum("bk,bkd->bd", g, u), g[:, :, None] * v[:, None, :]
    return add_rows(V, c, -lr * dv), add_rows(U, words, -lr * du), loss
    ### END SOLUTION

# %%
check("sgd-step")

# %% [markdown]
# [hints: sgd-step]

# %% [markdown]
# [exercise: sgd-pass]
# The loop over batches. The last batch may be shorter.


# %% exercise="sgd-pass"
def sgd_pass(V, U, c, o, negatives, first_rate, last_rate, batch):
    """Steps over all pairs in their order, `batch` pairs at a time, with a rate that falls (or grows) linearly.

    V, U: (n, d). c, o: (m,), negatives: (m, k), m >= 1. There are T = ceil(m / batch) steps; step t = 0, ..., T - 1 has
    the learning rate first_rate + (last_rate - first_rate) t / T.
    Returns (V, U, losses): the last V and U, and the losses (T,) that the steps gave back.
    """
    ### BEGIN SOLUTION
    n_steps, losses = -(-len(c) // batch), []
    for t in range(n_steps):
        part = slice(t * batch, (t + 1) * batch)
        lr = first_rate + (last_rate - first_rate) * t / n_steps
        V, U, loss = sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, U, np.array(losses)
    ### END SOLUTION

# %%
check("sgd-pass")

# %% [markdown]
# [hints: sgd-pass]

# %% [markdown]
# [exercise: train]
# Everything you have is put together. Random numbers all come from the `rng` that is given.


# %% exercise="train"
def train(tokens, starts, n_words, rng, d=32, window=5, k=5, epochs=6, lr=0.05, batch=256):
    """Skip-gram with negative sampling: word vectors from a corpus.

    tokens (n,) integers and starts (sentences + 1,), as in `training_pairs`, at least two words to a sentence.
    Start: V uniform between -1/(2d) and 1/(2d), U all 0. An epoch takes the sentences in a new random order (the pairs
    of a sentence stay together), makes its pairs, draws k noise words for each from U(w)^(3/4)/Z of the corpus, and takes
    one sgd_pass over them. Over the E epochs the rate falls linearly from lr to 0: step t of all T steps has lr (1 - t / T).
    Returns (V, U, losses): (n_words, d) floats each, and the loss of every step (T,). epochs = 0 returns the start.
    """
    ### BEGIN SOLUTION
    V = (rng.random((n_words, d), np.float32) - 0.5) / d
    U, losses = np.zeros_like(V), np.zeros(0)
    noise = noise_distribution(np.bincount(tokens, minlength=n_words))
    sentences = np.split(tokens, starts[1:-1])
    for epoch in range(epochs):
        shuffled = [sentences[i] for i in rng.permutation(len(sentences))]
        bounds = np.append(0, np.cumsum([len(sentence) for sentence in shuffled]))
        c, o = training_pairs(np.concatenate(shuffled), bounds, window)
        rates = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        V, U, more = sgd_pass(V, U, c, o, draw_noise(noise, (len(c), k), rng), *rates, batch)
        losses = np.append(losses, more)
    return V, U, losses
    ### END SOLUTION

# %%
check("train")

# %% [markdown]
# [hints: train]

# %% [markdown]
# [exercise: block-gradients]
# Two batched matrix products there, two back. No loop over blocks, centres or negatives.


# %% exercise="block-gradients"
def block_gradients(v, u, mask, k):
    """Gradients of negative sampling in blocks: the centres of a block share its contexts and its negatives.

    v: (b, n, d) centre vectors, u: (b, w + s, d) vectors of the block's w possible contexts, then of its s negatives;
    mask: (b, n, w), 1 where centre and context are a pair, else 0. All are torch floats of one dtype and device.
    A block's loss is the sum over its pairs of -log s(u . v), plus, for each centre, k / s times its number of pairs
    times the sum over the s negatives of -log s(-u . v): as many negatives for each pair as if there were k of its own.
    Returns (dv, du): the gradients of the loss, shaped as v and u.
    """
    ### BEGIN SOLUTION
    w = mask.shape[2]
    g = torch.sigmoid(v @ u.mT)  # (b, n, w + s)
    share = k / (u.shape[1] - w) * mask.sum(2, keepdim=True)  # (b, n, 1)
    g = torch.cat([(g[:, :, :w] - 1) * mask, g[:, :, w:] * share], 2)
    return g @ u, g.mT @ v
    ### END SOLUTION

# %%
check("block-gradients")

# %% [markdown]
# [hints: block-gradients]

# %% [markdown]
# [exercise: new-word]
# Only one vector is learned; all others stand still. What is left is logistic regression, as in a first course.


# %% exercise="new-word"
def new_word(contexts, negatives, U, n_steps, lr):
    """The vector of a new word, learned from the words around it, with all other vectors left alone.

    contexts: (m,) the words seen around it, with repetitions. negatives: (m, k) noise words. U: (n, d).
    Start at v = 0; n_steps times: v <- v - lr g, where g is the gradient at v of the negative-sampling loss, *averaged*
    over the m pairs. Returns v: (d,).
    """
    ### BEGIN SOLUTION
    words = np.append(contexts, negatives)  # (m + m k,): append flattens
    y = np.arange(len(words)) < len(contexts)
    v = np.zeros(U.shape[1])
    for _ in range(n_steps):
        v = v - lr * (expit(U[words] @ v) - y) @ U[words] / len(contexts)
    return v
    ### END SOLUTION

# %%
check("new-word")

# %% [markdown]
# [hints: new-word]
