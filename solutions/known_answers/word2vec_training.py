"""The author's half of notebook 02, parts E and F: known mistakes, and other right answers."""

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.special import expit

from course_utils.authoring import KnownAnswers

known = KnownAnswers("02_word2vec")
S = known.solution


# ---------------------------------------------------------------- add-rows


@known.mistake(
    "add-rows",
    "lost updates",
    "`M[rows] += G` keeps only the last change of a row that is named several times: use np.add.at.",
)
def _(M, rows, G):
    M = M.copy()
    M[rows] += G
    return M


@known.mistake("add-rows", "replaced", "The rows are replaced by G; G must be added to them.")
def _(M, rows, G):
    M = M.copy()
    M[rows] = G
    return M


@known.mistake(
    "add-rows",
    "mean of the repetitions",
    "A row that is named several times receives the mean of its G; it is their sum.",
)
def _(M, rows, G):
    times = np.bincount(rows.ravel(), minlength=len(M))[:, None]
    return M + ((S.add_rows(M, rows, G) - M) / np.maximum(times, 1)).astype(M.dtype)


@known.mistake("add-rows", "M itself changed", "M itself is changed: work on a copy, the caller still needs it.")
def _(M, rows, G):
    np.add.at(M, rows, G)
    return M


@known.mistake(
    "add-rows", "another dtype", "The numbers are right, but of another dtype than M's: start from a copy of M."
)
def _(M, rows, G):
    return S.add_rows(M, rows, G).astype(np.float32 if M.dtype == np.float64 else np.float64)


@known.mistake("add-rows", "without M", "This is what is to be added; add M itself too.")
def _(M, rows, G):
    return S.add_rows(M, rows, G) - M


@known.mistake("add-rows", "subtracted", "G is subtracted; it must be added: np.add.at.")
def _(M, rows, G):
    return 2 * M - S.add_rows(M, rows, G)


@known.mistake(
    "add-rows",
    "rows of rows",
    "`zip(rows, G)` goes along the first axis only; with rows of shape (4, 3) go through `rows.ravel()`.",
)
def _(M, rows, G):
    M = M.copy()
    for row, g in zip(rows, G, strict=True):
        M[row] += g
    return M


@known.alternative("add-rows", "loop")
def _(M, rows, G):
    M = M.copy()
    for row, g in zip(rows.ravel(), G.reshape(-1, M.shape[1]), strict=True):
        M[row] += g
    return M


@known.alternative("add-rows", "sparse matrix product")
def _(M, rows, G):
    rows = rows.ravel()
    choose = csr_matrix((np.ones(len(rows)), (rows, np.arange(len(rows)))), (len(M), len(rows)))
    return (M + choose @ G.reshape(-1, M.shape[1])).astype(M.dtype)


@known.alternative("add-rows", "torch's index_add")
def _(M, rows, G):
    rows, G = torch.from_numpy(rows.ravel()).long(), torch.from_numpy(G.reshape(-1, M.shape[1]))
    return torch.from_numpy(M).index_add(0, rows, G).numpy()


# ---------------------------------------------------------------- sgd-step


def step(V, U, c, o, negatives, lr, add=None, add_V=None, g_of=None, mean=False):
    """A step with parts exchanged."""
    add = add or S.add_rows
    words = np.column_stack([o, negatives])
    v, u = V[c], U[words]
    scores = np.einsum("bd,bkd->bk", v, u)
    y = np.zeros_like(scores)
    y[:, 0] = 1
    g = (expit(scores) - y if g_of is None else g_of(expit(scores), y)) / (len(c) if mean else 1)
    loss = np.logaddexp(0, (1 - 2 * y) * scores).sum(1).mean()
    dv, du = np.einsum("bk,bkd->bd", g, u), g[:, :, None] * v[:, None]
    return (add_V or add)(V, c, -lr * dv), add(U, words, -lr * du), loss


def lossy(M, rows, G):
    """M[rows] += G as NumPy does it."""
    M = M.copy()
    M[rows] += G
    return M


@known.mistake(
    "sgd-step",
    "lost updates",
    "Words that occur several times in the batch are changed only once: use your add_rows for both matrices.",
)
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, add=lossy)


@known.mistake(
    "sgd-step",
    "lost updates of the centres",
    "A centre that occurs several times in the batch is changed only once: use your add_rows for V too.",
)
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, add_V=lossy)


@known.mistake(
    "sgd-step", "s where s − y belongs", "The true pairs are treated like noise: their gradient is s(u · v) − 1."
)
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, g_of=lambda s, y: s)


@known.mistake("sgd-step", "uphill", "The step goes uphill: subtract the gradients.")
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, g_of=lambda s, y: y - s)


@known.mistake(
    "sgd-step",
    "gradient of the mean",
    "The step follows the gradient of the mean loss, B times too short: it is that of the sum.",
)
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, mean=True)


@known.mistake("sgd-step", "no negatives", "The negatives are not used: every score may then grow without end.")
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives[:, :0], lr)


@known.mistake(
    "sgd-step",
    "U moved before V's gradient",
    "The gradient of V is computed with the new U: both gradients belong to the old vectors.",
)
def _(V, U, c, o, negatives, lr):
    _, new_U, loss = step(V, U, c, o, negatives, lr)
    words = np.column_stack([o, negatives])
    y = np.zeros(words.shape)
    y[:, 0] = 1
    g = expit(np.einsum("bd,bkd->bk", V[c], U[words])) - y
    return S.add_rows(V, c, -lr * np.einsum("bk,bkd->bd", g, new_U[words])), new_U, loss


@known.mistake(
    "sgd-step",
    "one matrix for both roles",
    "The centres' changes go into U as well: every word has two vectors, keep V and U apart.",
)
def _(V, U, c, o, negatives, lr):
    new_V, new_U, loss = step(V, U, c, o, negatives, lr)
    return new_V + (new_U - U), new_U + (new_V - V), loss


@known.mistake(
    "sgd-step", "sum of the losses", "The loss returned is the sum over the batch; it is the mean over the pairs."
)
def _(V, U, c, o, negatives, lr):
    V, U, loss = step(V, U, c, o, negatives, lr)
    return V, U, loss * len(c)


@known.mistake(
    "sgd-step",
    "lost updates of the outside words",
    "A word that occurs several times in `words` is changed only once in U: use your add_rows for U too.",
)
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, add=lossy, add_V=S.add_rows)


@known.mistake(
    "sgd-step",
    "V moved before U's gradient",
    "The gradient of U is computed with the new V: both gradients belong to the old vectors.",
)
def _(V, U, c, o, negatives, lr):
    new_V, _, loss = step(V, U, c, o, negatives, lr)
    words = np.column_stack([o, negatives])
    g = expit(np.einsum("bd,bkd->bk", V[c], U[words])) - (np.arange(words.shape[1]) == 0)
    return new_V, S.add_rows(U, words, -lr * g[:, :, None] * new_V[c][:, None]), loss


@known.mistake(
    "sgd-step",
    "pair after pair",
    "Every pair meets the vectors that the pair before it has changed: all gradients belong to the old ones.",
)
def _(V, U, c, o, negatives, lr):
    losses = []
    for i in range(len(c)):
        V, U, loss = step(V, U, c[i : i + 1], o[i : i + 1], negatives[i : i + 1], lr)
        losses.append(loss)
    return V, U, np.mean(losses)


@known.mistake(
    "sgd-step", "loss after the step", "The loss returned is that of the new vectors; it is the loss before the step."
)
def _(V, U, c, o, negatives, lr):
    new_V, new_U, _ = step(V, U, c, o, negatives, lr)
    return new_V, new_U, step(new_V, new_U, c, o, negatives, lr)[2]


@known.mistake("sgd-step", "V and U exchanged", "V and U are right, but exchanged: return (V, U, loss).")
def _(V, U, c, o, negatives, lr):
    new_V, new_U, loss = step(V, U, c, o, negatives, lr)
    return new_U, new_V, loss


@known.mistake(
    "sgd-step",
    "noise treated as true",
    "You subtract 1 from all probabilities; y is 1 for the true word, in column 0, and 0 for the negatives.",
)
def _(V, U, c, o, negatives, lr):
    return step(V, U, c, o, negatives, lr, g_of=lambda s, y: s - 1)


@known.mistake(
    "sgd-step",
    "y by word",
    "You set y = 1 wherever a word equals o; a negative that happens to be o counts as a negative: y is 1 in column 0.",
)
def _(V, U, c, o, negatives, lr):
    true = np.column_stack([o, negatives]) == o[:, None]
    new_V, new_U, _ = step(V, U, c, o, negatives, lr, g_of=lambda s, y: s - true)
    scores = np.einsum("bd,bkd->bk", V[c], U[np.column_stack([o, negatives])])
    return new_V, new_U, np.logaddexp(0, np.where(true, -1, 1) * scores).sum(1).mean()


@known.mistake(
    "sgd-step",
    "dv from the true word only",
    "V moves by its true words only; every negative adds s(u_j · v) u_j to the gradient of v.",
)
def _(V, U, c, o, negatives, lr):
    new_V, _, _ = step(V, U, c, o, negatives[:, :0], lr)
    _, new_U, loss = step(V, U, c, o, negatives, lr)
    return new_V, new_U, loss


@known.mistake(
    "sgd-step",
    "loss divided by 1 + k",
    "You average over all B (1 + k) terms; a pair's loss is the *sum* of its 1 + k terms, and the mean is over the B pairs.",
)
def _(V, U, c, o, negatives, lr):
    V, U, loss = step(V, U, c, o, negatives, lr)
    return V, U, loss / (1 + negatives.shape[1])


@known.mistake(
    "sgd-step",
    "probabilities anew from the new V",
    "For U you compute scores and gradient again with the new V: both gradients belong to the old vectors.",
)
def _(V, U, c, o, negatives, lr):
    new_V, _, loss = step(V, U, c, o, negatives, lr)
    return new_V, step(new_V, U, c, o, negatives, lr)[1], loss


@known.alternative("sgd-step", "pair by pair, from the old vectors")
def _(V, U, c, o, negatives, lr):
    dV, dU, losses = np.zeros_like(V), np.zeros_like(U), []
    for i in range(len(c)):
        loss, dv, du = S.negative_sampling(V[c[i]], o[i], negatives[i], U)
        dV[c[i]] += dv
        dU += du
        losses.append(loss)
    return V - lr * dV, U - lr * dU, np.mean(losses)


@known.alternative("sgd-step", "torch's own gradients")
def _(V, U, c, o, negatives, lr):
    A, B = torch.tensor(V, requires_grad=True), torch.tensor(U, requires_grad=True)
    v, u = A[torch.from_numpy(c)], B[torch.from_numpy(np.column_stack([o, negatives]))]
    scores = (u @ v[:, :, None])[..., 0]
    loss = torch.nn.functional.softplus(-scores[:, 0]) + torch.nn.functional.softplus(scores[:, 1:]).sum(1)
    loss.sum().backward()
    return V - lr * A.grad.numpy(), U - lr * B.grad.numpy(), loss.mean().item()


# ---------------------------------------------------------------- sgd-pass


def walk(V, U, c, o, negatives, batch, rate_of, keep=True, last=True):
    """Steps with the rate rate_of(t, T)."""
    T = -(-len(c) // batch) if last else len(c) // batch
    losses, start = [], (V, U)
    for t in range(T):
        part = slice(t * batch, (t + 1) * batch)
        V, U, loss = S.sgd_step(*((V, U) if keep else start), c[part], o[part], negatives[part], rate_of(t, T))
        losses.append(loss)
    return V, U, np.array(losses)


@known.mistake("sgd-pass", "constant rate", "The rate stays at first_rate; it goes linearly to last_rate.")
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    return walk(V, U, c, o, negatives, batch, lambda t, T: first_rate)


@known.mistake("sgd-pass", "last batch dropped", "The shorter last batch is left out: T = ceil(m / batch).")
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    return walk(V, U, c, o, negatives, batch, lambda t, T: first_rate + (last_rate - first_rate) * t / T, last=False)


@known.mistake(
    "sgd-pass",
    "last batch dropped, rates right",
    "T is right, but the shorter last batch is never taken: go on until all pairs have been.",
)
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    T, losses = -(-len(c) // batch), []
    for t in range(len(c) // batch):
        part, lr = slice(t * batch, (t + 1) * batch), first_rate + (last_rate - first_rate) * t / T
        V, U, loss = S.sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, U, np.array(losses)


@known.mistake("sgd-pass", "a step ahead", "Your first step has the rate of the second (t + 1 for t): t begins with 0.")
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    return walk(V, U, c, o, negatives, batch, lambda t, T: first_rate + (last_rate - first_rate) * (t + 1) / T)


@known.mistake(
    "sgd-pass", "last rate reached", "Your last step has last_rate itself; the formula divides by T, not by T − 1."
)
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    return walk(V, U, c, o, negatives, batch, lambda t, T: first_rate + (last_rate - first_rate) * t / max(T - 1, 1))


@known.mistake(
    "sgd-pass",
    "always from the start",
    "Every step begins with the first V and U again: pass on what the step before gave back.",
)
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    return walk(V, U, c, o, negatives, batch, lambda t, T: first_rate + (last_rate - first_rate) * t / T, keep=False)


@known.mistake("sgd-pass", "mean of the losses", "This is one number; return the loss of every step.")
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    V, U, losses = S.sgd_pass(V, U, c, o, negatives, first_rate, last_rate, batch)
    return V, U, losses.mean()


def by_rates(name, sentence, rate_of):
    """Name a mistake in the rates, rate_of(first, last, t, T, batch, m)."""

    def function(V, U, c, o, negatives, first_rate, last_rate, batch):
        return walk(V, U, c, o, negatives, batch, lambda t, T: rate_of(first_rate, last_rate, t, T, batch, len(c)))

    known.mistake("sgd-pass", name, sentence)(function)


by_rates(
    "by pairs for steps",
    "The rate goes by the share of the *pairs* that are done, i / m; it goes by the steps, t / T.",
    lambda first, last, t, T, batch, m: first + (last - first) * t * batch / m,
)
by_rates(
    "geometric rate",
    "The rate falls by a factor in each step; it goes linearly from first_rate to last_rate.",
    lambda first, last, t, T, batch, m: first * (max(last, 1e-12) / first) ** (t / T),
)
by_rates(
    "last rate ignored",
    "The rate goes to 0, first_rate (1 − t / T); it goes to last_rate, first_rate + (last_rate − first_rate) t / T.",
    lambda first, last, t, T, batch, m: first * (1 - t / T),
)
by_rates(
    "T rounded down",
    "T is m / batch rounded down; with a shorter last batch there is one step more: T = ceil(m / batch).",
    lambda first, last, t, T, batch, m: first + (last - first) * t / (m // batch),
)


@known.mistake(
    "sgd-pass", "U not carried on", "V is passed on from step to step, but every step begins with the first U again."
)
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    T, losses, new_U = -(-len(c) // batch), [], U
    for t in range(T):
        part, lr = slice(t * batch, (t + 1) * batch), first_rate + (last_rate - first_rate) * t / T
        V, new_U, loss = S.sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, new_U, np.array(losses)


@known.mistake(
    "sgd-pass",
    "batches of equal size",
    "np.array_split makes batches of nearly equal size; each has `batch` pairs, only the last may be shorter.",
)
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    T, losses = -(-len(c) // batch), []
    for t, part in enumerate(np.array_split(np.arange(len(c)), T)):
        lr = first_rate + (last_rate - first_rate) * t / T
        V, U, loss = S.sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, U, np.array(losses)


@known.alternative("sgd-pass", "rates by linspace, parts by split")
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    starts = np.arange(0, len(c), batch)
    losses = []
    for lr, part in zip(
        np.linspace(first_rate, last_rate, len(starts), endpoint=False),
        np.split(np.arange(len(c)), starts[1:]),
        strict=True,
    ):
        V, U, loss = S.sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, U, np.array(losses)


@known.alternative("sgd-pass", "recursion")
def _(V, U, c, o, negatives, first_rate, last_rate, batch):
    T = int(np.ceil(len(c) / batch))

    def rest(V, U, t):
        if t == T:
            return V, U, []
        part = slice(t * batch, t * batch + batch)
        rate = first_rate * (1 - t / T) + last_rate * t / T
        V, U, loss = S.sgd_step(V, U, c[part], o[part], negatives[part], rate)
        V, U, losses = rest(V, U, t + 1)
        return V, U, [loss, *losses]

    V, U, losses = rest(V, U, 0)
    return V, U, np.array(losses)


# ---------------------------------------------------------------- train


def trainer(
    tokens,
    starts,
    n_words,
    rng,
    d=32,
    window=5,
    k=5,
    epochs=6,
    lr=0.05,
    batch=256,
    *,
    power=0.75,
    box=None,
    rate=lambda e, E: 1 - e / E,
    pairs=None,
    one_pass=None,
    U_random=False,
    whole_corpus=False,
    order=lambda rng, n, last: rng.permutation(n),
    noise_rng=lambda rng: rng,
    mixed=False,
    weights_of=None,
    repeat_noise=False,
):
    """The trainer with parts exchanged."""
    V = ((rng.random((n_words, d)) - 0.5) / d if box is None else box(rng, n_words, d)).astype(np.float32)
    U = ((rng.random((n_words, d)) - 0.5) / d).astype(np.float32) if U_random else np.zeros_like(V)
    weights = (weights_of() if weights_of else np.bincount(tokens, minlength=n_words)) ** power
    sentences, losses, last = np.split(tokens, starts[1:-1]), np.zeros(0), None
    for e in range(epochs):
        last = order(rng, len(sentences), last)
        shuffled = [sentences[i] for i in last]
        bounds = np.append(0, np.cumsum([len(one) for one in shuffled]))
        if whole_corpus:
            bounds = bounds[[0, -1]]
        c, o = (pairs or S.training_pairs)(np.concatenate(shuffled), bounds, window)
        if mixed:
            p = rng.permutation(len(c))
            c, o = c[p], o[p]
        negatives = S.draw_noise(weights, (len(c), 1 if repeat_noise else k), noise_rng(rng))
        negatives = np.repeat(negatives, k, axis=1) if repeat_noise else negatives
        V, U, more = (one_pass or S.sgd_pass)(
            V, U, c, o, negatives, lr * rate(e, epochs), lr * rate(e + 1, epochs), batch
        )
        losses = np.append(losses, more)
    return V, U, losses


def variant(**changes):
    """A trainer with some parts exchanged, as a function of the exercise's arguments."""
    return lambda *args: trainer(*args, **changes)


def lossy_pass(V, U, c, o, negatives, first, last, batch):
    """A pass that loses updates of repeated words."""
    T, losses = -(-len(c) // batch), []
    for t in range(T):
        part = slice(t * batch, (t + 1) * batch)
        V, U, loss = step(V, U, c[part], o[part], negatives[part], first + (last - first) * t / T, add=lossy)
        losses.append(loss)
    return V, U, np.array(losses)


def by_words(V, U, c, o, negatives, first, last, batch, n_tokens):
    """A pass whose rate falls from first to last over n_tokens / batch steps, and then further, but not below 0."""
    T, losses = -(-n_tokens // batch), []
    for t in range(-(-len(c) // batch)):
        part = slice(t * batch, (t + 1) * batch)
        lr = max(first + (last - first) * t / T, 0.0)
        V, U, loss = S.sgd_step(V, U, c[part], o[part], negatives[part], lr)
        losses.append(loss)
    return V, U, np.array(losses)


def right_only(tokens, starts, window):
    """Pairs to the right only."""
    c, o = S.training_pairs(np.arange(len(tokens)), starts, window)
    return tokens[c[o > c]], tokens[o[o > c]]


known.mistake("train", "uniform noise", "The noise words are drawn uniformly; they follow U(w)^(3/4)/Z.")(
    variant(power=0.0)
)
known.mistake("train", "noise without the power", "The noise follows the plain frequencies: the power ¾ is missing.")(
    variant(power=1.0)
)
known.mistake(
    "train", "window to the right only", "Only words to the right become pairs: a window reaches to both sides."
)(variant(pairs=right_only))
known.mistake(
    "train", "across sentences", "Your windows reach across sentences: pass the new starts of the shuffled sentences."
)(variant(whole_corpus=True))
known.mistake(
    "train", "lost updates", "Words that occur several times in a batch are changed only once: use your sgd_pass."
)(variant(one_pass=lossy_pass))
known.mistake(
    "train",
    "rate starts anew every epoch",
    "The rate falls from lr to 0 in every epoch; it falls once, over all of them.",
)(
    lambda *args: trainer(
        *args,
        one_pass=lambda V, U, c, o, n, first, last, batch: S.sgd_pass(
            V, U, c, o, n, args[8] if len(args) > 8 else 0.05, 0.0, batch
        ),
    )
)
known.mistake("train", "constant rate", "The rate stays at lr; it falls linearly to 0 over all steps of all epochs.")(
    variant(rate=lambda e, E: 1.0)
)
known.mistake(
    "train", "both matrices zero", "V starts at 0 as well: then both gradients are 0 for ever, and nothing is learned."
)(variant(box=lambda rng, n, d: np.zeros((n, d))))
known.mistake(
    "train", "U starts at random", "U starts at random; it starts at 0, so that the first probabilities are all ½."
)(variant(U_random=True))
known.mistake("train", "start too large", "V starts between −½ and ½; divide by d.")(
    variant(box=lambda rng, n, d: rng.random((n, d)) - 0.5)
)
known.mistake(
    "train",
    "a seed of its own",
    "You make a generator with a seed of your own: then every call gives the same vectors. Use the `rng` that is given.",
)(lambda *args: trainer(*args[:3], np.random.default_rng(0), *args[4:]))
known.mistake(
    "train",
    "another generator for the order",
    "The order of the sentences comes from another generator: take `rng.permutation` of the `rng` that is given.",
)(variant(order=lambda rng, n, last: np.random.default_rng(0).permutation(n)))
known.mistake(
    "train",
    "sentences in their order",
    "The sentences are never shuffled: every epoch takes them in a new random order.",
)(variant(order=lambda rng, n, last: np.arange(n)))
known.mistake(
    "train", "one order for all epochs", "One order is drawn, and serves in all epochs: draw a new one in each."
)(variant(order=lambda rng, n, last: rng.permutation(n) if last is None else last))
known.mistake(
    "train",
    "all pairs shuffled",
    "You shuffle all pairs; the order of the sentences is shuffled, and the pairs of a sentence stay together.",
)(variant(mixed=True))
known.mistake(
    "train",
    "the same noise in every epoch",
    "The noise comes from a generator that starts anew in every epoch, so its words are the same: draw them from `rng`.",
)(variant(noise_rng=lambda rng: np.random.default_rng(5)))
known.mistake("train", "not a number", "Everything is NaN: somewhere 0 is divided by 0, or infinity taken.")(
    lambda *args: tuple(np.nan * one for one in trainer(*args))
)


known.mistake(
    "train",
    "rate by epoch",
    "The rate falls from epoch to epoch, and stays within one; it falls with every step: sgd_pass takes two rates.",
)(variant(one_pass=lambda V, U, c, o, n, first, last, batch: S.sgd_pass(V, U, c, o, n, first, first, batch)))
known.mistake("train", "E + 1", "The rate does not reach 0: you divide by E + 1; of E epochs, e are done: 1 − e / E.")(
    variant(rate=lambda e, E: 1 - e / (E + 1))
)
known.mistake("train", "own rate", "The rate begins with 0.05, whatever `lr` is: use the argument.")(
    lambda *args: trainer(*args[:8], 0.05, *args[9:])
)
known.mistake(
    "train",
    "old starts",
    "You join the shuffled sentences but keep the old starts: make new ones from the lengths in the new order.",
)(lambda *args: trainer(*args, pairs=lambda t, s, w: S.training_pairs(t, args[1], w)))
known.mistake(
    "train",
    "words permuted",
    "You shuffle all words, so that no sentence is left: shuffle the sentences, and keep each as it is.",
)(
    lambda *args: trainer(
        *args,
        order=lambda rng, n, last: np.arange(n),
        pairs=lambda t, s, w: S.training_pairs(args[3].permutation(args[0]), args[1], w),
    )
)
known.mistake(
    "train",
    "noise by pairs",
    "U(w) is a word's share of the *corpus*; you count it in the pairs, where words in short sentences are rarer.",
)(
    lambda *args: trainer(
        *args, weights_of=lambda: np.bincount(S.training_pairs(*args[:2], args[5])[1], minlength=args[2])
    )
)
known.mistake(
    "train",
    "noise from words that never occur",
    "You add 1 to every count, so words that never occur are drawn as noise: U(w) is 0 for them.",
)(lambda *args: trainer(*args, weights_of=lambda: np.bincount(args[0], minlength=args[2]) + 1))
known.mistake(
    "train",
    "one noise word for each pair",
    "You draw one noise word for each pair and take it k times: draw k of them, `(len(c), k)`.",
)(lambda *args: trainer(*args, repeat_noise=True))
known.mistake(
    "train",
    "steps counted by words",
    "T is counted in words, as in word2vec's program; it is the number of steps, epochs · ceil(pairs / batch).",
)(
    lambda *args: trainer(
        *args,
        one_pass=lambda V, U, c, o, n, first, last, batch: by_words(V, U, c, o, n, first, last, batch, len(args[0])),
    )
)
known.mistake("train", "last batch dropped", "The shorter last batch of an epoch is left out: its pairs count too.")(
    variant(
        one_pass=lambda V, U, c, o, n, first, last, batch: S.sgd_pass(
            V, U, *(one[: max(len(c) // batch, 1) * batch] for one in (c, o, n)), first, last, batch
        )
    )
)


@known.alternative("train", "whole numbers of all pairs, shuffled by sentence")
def _(tokens, starts, n_words, rng, d=32, window=5, k=5, epochs=6, lr=0.05, batch=256):
    c, o = S.training_pairs(tokens, starts, window)
    place, _ = S.training_pairs(np.repeat(np.arange(len(starts) - 1), np.diff(starts)), starts, window)
    V, U, losses = rng.uniform(-0.5 / d, 0.5 / d, (n_words, d)), np.zeros((n_words, d)), []
    noise = S.noise_distribution(np.bincount(tokens, minlength=n_words))
    T = epochs * -(-len(c) // batch)
    for _ in range(epochs):
        turn = np.argsort(rng.permutation(len(starts) - 1))  # of each sentence
        order = np.argsort(turn[place], kind="stable")
        for first in range(0, len(c), batch):
            i = order[first : first + batch]
            negatives = rng.choice(n_words, size=(len(i), k), p=noise)
            V, U, loss = S.sgd_step(V, U, c[i], o[i], negatives, lr * (1 - len(losses) / T))
            losses.append(loss)
    return V, U, np.array(losses)


@known.alternative("train", "float64, sentences joined by a list")
def _(*args):
    return trainer(*args, box=lambda rng, n, d: rng.uniform(-1, 1, (n, d)) / (2 * d))


for mutant, why in {
    "line 14: `rng.random((n_words, d), np.float32) - 0.5` -> `0.5 - rng.random((n_words, d), np.float32)`": (
        "The uniform distribution around 0 is its own mirror image."
    ),
    "line 15: `np.zeros(0)` -> `np.ones(0)`": "Both are empty.",
    "line 16: `np.bincount(tokens, minlength=n_words)` -> `np.bincount(tokens)`": (
        "Words after the last that occurs have the weight 0, with or without an entry."
    ),
}.items():
    known.equivalent("train", mutant, why)


# ---------------------------------------------------------------- block-gradients


def blocks(v, u, mask, k, ratio=None, weigh=True, positives=True, y=1.0):
    """Block gradients with parts exchanged."""
    w = mask.shape[2]
    s = u.shape[1] - w
    g = torch.sigmoid(v @ u.transpose(1, 2))
    near = (g[:, :, :w] - y) * (mask if positives else 1)
    far = g[:, :, w:] * (mask.sum(2, keepdim=True) if weigh else 1) * (k / s if ratio is None else ratio)
    g = torch.cat([near, far], 2)
    return g @ u, g.transpose(1, 2) @ v


@known.mistake("block-gradients", "k / s forgotten", "The shared negatives stand for k a pair: weigh them by k / s.")
def _(v, u, mask, k):
    return blocks(v, u, mask, k, ratio=1.0)


@known.mistake(
    "block-gradients",
    "number of pairs forgotten",
    "A centre with five pairs needs five times the negatives of one with a single pair: multiply by `mask.sum(2, keepdim=True)`.",
)
def _(v, u, mask, k):
    return blocks(v, u, mask, k, weigh=False)


@known.mistake("block-gradients", "mask forgotten", "All contexts of the block count as pairs: multiply by the mask.")
def _(v, u, mask, k):
    return blocks(v, u, mask, k, positives=False)


@known.mistake(
    "block-gradients", "s where s − y belongs", "The true pairs are treated like noise: their g is s(u · v) − 1."
)
def _(v, u, mask, k):
    return blocks(v, u, mask, k, y=0.0)


@known.mistake("block-gradients", "sign flipped", "Both gradients have the wrong sign.")
def _(v, u, mask, k):
    dv, du = S.block_gradients(v, u, mask, k)
    return -dv, -du


@known.mistake(
    "block-gradients",
    "negatives before contexts",
    "The first w vectors of u are the contexts, the last s the negatives; you read them the other way round.",
)
def _(v, u, mask, k):
    w = mask.shape[2]
    s = u.shape[1] - w
    turned = torch.cat([u[:, s:], u[:, :s]], 1)
    dv, du = S.block_gradients(v, turned, mask, k)
    return dv, torch.cat([du[:, w:], du[:, :w]], 1)


@known.mistake("block-gradients", "s / k for k / s", "The weight is turned over: k / s, not s / k.")
def _(v, u, mask, k):
    return blocks(v, u, mask, k, ratio=(u.shape[1] - mask.shape[2]) / k)


@known.mistake(
    "block-gradients", "k // s", "k // s rounds down, to 0 where there are more negatives than k: the weight is k / s."
)
def _(v, u, mask, k):
    return blocks(v, u, mask, k, ratio=k // (u.shape[1] - mask.shape[2]))


@known.mistake("block-gradients", "k without s", "The negatives are weighed by k; each of the s counts k / s.")
def _(v, u, mask, k):
    return blocks(v, u, mask, k, ratio=k)


@known.mistake(
    "block-gradients",
    "s of all columns",
    "s is the number of negatives, u.shape[1] − w; you divide by all columns of u, contexts included.",
)
def _(v, u, mask, k):
    return blocks(v, u, mask, k, ratio=k / u.shape[1])


@known.mistake(
    "block-gradients",
    "mask as label",
    "You take the mask for y, so contexts outside the window become negatives: where the mask is 0, nothing counts.",
)
def _(v, u, mask, k):
    return blocks(v, u, mask, k, positives=False, y=mask)


@known.mistake(
    "block-gradients",
    "sign of the negatives",
    "The negatives have the wrong sign, so noise is pulled near: their g is s(u · v) − 0.",
)
def _(v, u, mask, k):
    return blocks(v, u, mask, k, ratio=-k / (u.shape[1] - mask.shape[2]))


@known.alternative("block-gradients", "torch's own gradients")
def _(v, u, mask, k):
    v, u = v.clone().requires_grad_(), u.clone().requires_grad_()
    w, softplus = mask.shape[2], torch.nn.functional.softplus
    scores = torch.einsum("bnd,bmd->bnm", v, u)
    noise = softplus(scores[:, :, w:]).sum(2) * mask.sum(2) * k / (u.shape[1] - w)
    ((softplus(-scores[:, :, :w]) * mask).sum() + noise.sum()).backward()
    return v.grad, u.grad


@known.alternative("block-gradients", "block by block, pair by pair")
def _(v, u, mask, k):
    dv, du, w = torch.zeros_like(v), torch.zeros_like(u), mask.shape[2]
    s = u.shape[1] - w
    for b in range(len(v)):
        for i in range(v.shape[1]):
            for j in range(u.shape[1]):
                probability = torch.sigmoid(v[b, i] @ u[b, j])
                g = (probability - 1) * mask[b, i, j] if j < w else probability * mask[b, i].sum() * k / s
                dv[b, i] += g * u[b, j]
                du[b, j] += g * v[b, i]
    return dv, du


# ---------------------------------------------------------------- new-word


def learn(contexts, negatives, U, n_steps, lr, start=0.0, y_of=None, divide=True, sign=-1.0):
    """A new word's vector, with parts exchanged."""
    words = np.append(contexts, negatives)
    y = np.append(np.ones(len(contexts)), np.zeros(negatives.size))
    v = np.full(U.shape[1], start)
    for _ in range(n_steps):
        g = (expit(U[words] @ v) - (y if y_of is None else y_of(y))) @ U[words]
        v = v + sign * lr * g / (len(contexts) if divide else 1)
    return v


@known.mistake("new-word", "uphill", "The steps go uphill: subtract the gradient.")
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps, lr, sign=1.0)


@known.mistake(
    "new-word",
    "labels exchanged",
    "Contexts and noise have exchanged labels: y is 1 for the words that were seen around it.",
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps, lr, y_of=lambda y: 1 - y)


@known.mistake(
    "new-word",
    "s where s − y belongs",
    "The contexts are treated like noise: the gradient needs s − y, with y = 1 for them.",
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps, lr, y_of=lambda y: 0)


@known.mistake(
    "new-word", "sum for average", "The gradient is that of the summed loss; it is averaged over the m pairs."
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps, lr, divide=False)


@known.mistake(
    "new-word",
    "average over the noise too",
    "You divide by all m + m k words; the loss is averaged over the m pairs, and each has k noise words in it.",
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps, lr / (1 + negatives.shape[1]))


@known.mistake(
    "new-word", "no negatives", "The noise words are not used: without them v grows towards its contexts for ever."
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives[:, :0], U, n_steps, lr)


@known.mistake(
    "new-word", "each context once", "A context that was seen several times counts each time; you take it only once."
)
def _(contexts, negatives, U, n_steps, lr):
    _, first = np.unique(contexts, return_index=True)
    return learn(contexts[first], negatives[first], U, n_steps, lr)


@known.mistake(
    "new-word",
    "mean of the contexts",
    "This is the mean of the context vectors, a fair first guess; the steps of the descent are missing.",
)
def _(contexts, negatives, U, n_steps, lr):
    return U[contexts].mean(0)


@known.mistake(
    "new-word",
    "gradient never renewed",
    "Every step uses the gradient at the start; take it anew where the last step ended.",
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, 0, lr) - lr * n_steps * (
        (0.5 - np.append(np.ones(len(contexts)), np.zeros(negatives.size)))
        @ U[np.append(contexts, negatives)]
        / len(contexts)
    )


@known.mistake("new-word", "a step too many", "You take n_steps + 1 steps: `range(n_steps)` goes n_steps times.")
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps + 1, lr)


@known.mistake("new-word", "a step too few", "You take n_steps − 1 steps: `range(n_steps)` begins with 0.")
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps - 1, lr)


@known.mistake(
    "new-word",
    "negatives averaged",
    "The k noise words of a pair are summed, not averaged; only the pairs are averaged.",
)
def _(contexts, negatives, U, n_steps, lr):
    return weighed(contexts, negatives, U, n_steps, lr, 1 / negatives.shape[1])


@known.mistake(
    "new-word", "sign of the negatives", "The negatives have the wrong sign, so that v moves towards the noise too."
)
def _(contexts, negatives, U, n_steps, lr):
    return weighed(contexts, negatives, U, n_steps, lr, -1)


def weighed(contexts, negatives, U, n_steps, lr, weight):
    """A new word's vector, with the noise weighed."""
    v, near, far = np.zeros(U.shape[1]), U[contexts], U[negatives.ravel()]
    for _ in range(n_steps):
        v = v - lr * ((expit(near @ v) - 1) @ near + weight * expit(far @ v) @ far) / len(contexts)
    return v


@known.mistake(
    "new-word",
    "words made unique",
    "A context counts as often as it was seen; np.unique leaves each once, beside all of the noise words.",
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(np.unique(contexts), negatives, U, n_steps, lr)


@known.mistake(
    "new-word",
    "start at the mean",
    "You start at the mean of the contexts' vectors; the start is v = 0, as the docstring says.",
)
def _(contexts, negatives, U, n_steps, lr):
    return learn(contexts, negatives, U, n_steps, lr, start=U[contexts].mean(0))


@known.alternative("new-word", "pair by pair, by the loss of part C")
def _(contexts, negatives, U, n_steps, lr):
    v = np.zeros(U.shape[1])
    for _ in range(n_steps):
        v = v - lr * np.mean(
            [S.negative_sampling(v, o, noise, U)[1] for o, noise in zip(contexts, negatives, strict=True)], axis=0
        )
    return v


@known.alternative("new-word", "counts of the words, torch")
def _(contexts, negatives, U, n_steps, lr):
    U, n = torch.from_numpy(U), len(U)
    near, far = (torch.from_numpy(np.bincount(w.ravel(), minlength=n)).double() for w in (contexts, negatives))
    v = torch.zeros(U.shape[1], dtype=torch.float64)
    for _ in range(n_steps):
        s = torch.sigmoid(U @ v)
        v = v - lr / len(contexts) * U.T @ ((near + far) * s - near)
    return v.numpy()
