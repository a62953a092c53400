"""The author's half of notebook 04, parts C and D: known mistakes, and other right answers."""

import itertools

import numpy as np
import torch

from course_utils.authoring import KnownAnswers

known = KnownAnswers("04_siamese_triplet")
S = known.solution


# ---------------------------------------------------------------- triplet-losses


def gaps(A, P, N):
    """d(A, P) - d(A, N), squared distances."""
    return ((A - P) ** 2).sum(1) - ((A - N) ** 2).sum(1)


@known.mistake(
    "triplet-losses",
    "positive and negative exchanged",
    "You compute d(A, N) - d(A, P): the positive is pushed away. The positive's distance comes first, the negative's is subtracted.",
)
def _(A, P, N, margin):
    return np.maximum(-gaps(A, P, N) + margin, 0)


@known.mistake(
    "triplet-losses",
    "margin subtracted",
    "The margin is subtracted, so triplets are satisfied too early; it makes the task harder: + margin.",
)
def _(A, P, N, margin):
    return np.maximum(gaps(A, P, N) - margin, 0)


@known.mistake(
    "triplet-losses",
    "no maximum",
    "Satisfied triplets get a negative loss and pay for the others: max(..., 0) is missing.",
)
def _(A, P, N, margin):
    return gaps(A, P, N) + margin


@known.mistake(
    "triplet-losses", "distances not squared", "You use distances; this loss is defined with squared distances."
)
def _(A, P, N, margin):
    return np.maximum(np.linalg.norm(A - P, axis=1) - np.linalg.norm(A - N, axis=1) + margin, 0)


@known.mistake("triplet-losses", "summed", "This is the sum over the triplets; return the loss of each, (m,).")
def _(A, P, N, margin):
    return S.triplet_losses(A, P, N, margin).sum()


@known.mistake(
    "triplet-losses",
    "mean over dimensions",
    "You average the squares over the dimensions; a squared distance sums them.",
)
def _(A, P, N, margin):
    return np.maximum(gaps(A, P, N) / A.shape[1] + margin, 0)


@known.mistake(
    "triplet-losses",
    "distance of P and N",
    "You subtract d(P, N); both distances are measured from the anchor: d(A, P) and d(A, N).",
)
def _(A, P, N, margin):
    return np.maximum(((A - P) ** 2).sum(1) - ((P - N) ** 2).sum(1) + margin, 0)


@known.mistake(
    "triplet-losses", "no margin", "The margin is missing, so a network that maps everything to one point has loss 0."
)
def _(A, P, N, margin):
    return np.maximum(gaps(A, P, N), 0)


@known.mistake(
    "triplet-losses",
    "torch's triplet_margin_loss",
    "torch's triplet_margin_loss takes distances, not squared ones, and adds 0.000001 to every difference; this loss has squared distances.",
)
def _(A, P, N, margin):
    return torch.nn.functional.triplet_margin_loss(
        *map(torch.from_numpy, (A, P, N)), margin=margin, reduction="none"
    ).numpy()


@known.mistake(
    "triplet-losses",
    "averaged",
    "This is the mean over the triplets; return the loss of each, (m,).",
)
def _(A, P, N, margin):
    return S.triplet_losses(A, P, N, margin).mean()


@known.mistake(
    "triplet-losses",
    "maximum before the margin",
    "The margin is added after the maximum, so every triplet costs at least the margin: add it inside, max(... + margin, 0).",
)
def _(A, P, N, margin):
    return np.maximum(gaps(A, P, N), 0) + margin


@known.mistake(
    "triplet-losses",
    "margin fixed at 1",
    "The argument margin is not used: yours is always 1.",
)
def _(A, P, N, margin):
    return S.triplet_losses(A, P, N, 1.0)


@known.mistake(
    "triplet-losses",
    "wrong axis",
    "You sum over the triplets instead of the dimensions: sum along axis 1, which leaves (m,).",
)
def _(A, P, N, margin):
    return np.maximum(((A - P) ** 2).sum(0) - ((A - N) ** 2).sum(0) + margin, 0)


@known.alternative("triplet-losses", "loop")
def _(A, P, N, margin):
    return np.array([max((a - p) @ (a - p) - (a - n) @ (a - n) + margin, 0.0) for a, p, n in zip(A, P, N, strict=True)])


@known.alternative("triplet-losses", "torch, multiplied out")
def _(A, P, N, margin):
    A, P, N = (torch.from_numpy(one) for one in (A, P, N))
    return torch.relu((P * P).sum(1) - (N * N).sum(1) + 2 * (A * (N - P)).sum(1) + margin).numpy()


for one in ("A - P", "A - N"):
    first, second = one.split(" - ")
    known.equivalent(
        "triplet-losses", f"line 8: `{one}` -> `{second} - {first}`", "The square of the negative is the same."
    )


# ---------------------------------------------------------------- triplet-gradients


@known.mistake(
    "triplet-gradients", "factor 2 missing", "The gradient of a square has a factor 2; it is missing everywhere."
)
def _(A, P, N, margin):
    return tuple(part / 2 for part in S.triplet_gradients(A, P, N, margin))


@known.mistake(
    "triplet-gradients",
    "satisfied triplets move too",
    "Triplets with loss 0 get a gradient too; they are satisfied and must not move: multiply by (loss > 0).",
)
def _(A, P, N, margin):
    return 2 * (N - P), 2 * (P - A), 2 * (A - N)


@known.mistake(
    "triplet-gradients", "sign flipped", "All signs are the other way round: these are steps downhill, not gradients."
)
def _(A, P, N, margin):
    return tuple(-part for part in S.triplet_gradients(A, P, N, margin))


@known.mistake(
    "triplet-gradients",
    "anchor by the positive only",
    "The anchor is in both distances: its gradient is 2(A - P) - 2(A - N), not 2(A - P) alone.",
)
def _(A, P, N, margin):
    active = (S.triplet_losses(A, P, N, margin) > 0)[:, None]
    return 2 * (A - P) * active, 2 * (P - A) * active, 2 * (A - N) * active


@known.mistake(
    "triplet-gradients",
    "anchor does not move",
    "dA is 0; the anchor is embedded by the network too, and has a gradient.",
)
def _(A, P, N, margin):
    dA, dP, dN = S.triplet_gradients(A, P, N, margin)
    return 0 * dA, dP, dN


@known.mistake("triplet-gradients", "mean for sum", "You divide by the number of triplets; J is their sum.")
def _(A, P, N, margin):
    return tuple(part / len(A) for part in S.triplet_gradients(A, P, N, margin))


@known.mistake(
    "triplet-gradients",
    "weighted by the loss",
    "You multiply by the loss itself; a triplet that loses has its full gradient, one that does not has none.",
)
def _(A, P, N, margin):
    losses = S.triplet_losses(A, P, N, margin)[:, None]
    return 2 * (N - P) * losses, 2 * (P - A) * losses, 2 * (A - N) * losses


@known.mistake(
    "triplet-gradients",
    "moves at the kink",
    "A triplet whose loss is exactly 0 counts as satisfied: its gradients are 0 (> 0, not >= 0).",
)
def _(A, P, N, margin):
    active = (gaps(A, P, N) + margin >= 0)[:, None]
    return 2 * (N - P) * active, 2 * (P - A) * active, 2 * (A - N) * active


@known.mistake(
    "triplet-gradients",
    "mask from distances not squared",
    "Which triplets lose you decide by distances; the loss compares *squared* distances: ask triplet_losses.",
)
def _(A, P, N, margin):
    active = (np.linalg.norm(A - P, axis=1) - np.linalg.norm(A - N, axis=1) + margin > 0)[:, None]
    return 2 * (N - P) * active, 2 * (P - A) * active, 2 * (A - N) * active


@known.mistake(
    "triplet-gradients",
    "mask without margin",
    "Which triplets lose you decide without the margin; a negative that is farther by less than the margin still costs.",
)
def _(A, P, N, margin):
    active = (gaps(A, P, N) > 0)[:, None]
    return 2 * (N - P) * active, 2 * (P - A) * active, 2 * (A - N) * active


@known.mistake(
    "triplet-gradients",
    "dA with the wrong sign",
    "dA has the wrong sign: 2(A - P) - 2(A - N) is 2(N - P).",
)
def _(A, P, N, margin):
    dA, dP, dN = S.triplet_gradients(A, P, N, margin)
    return -dA, dP, dN


@known.alternative("triplet-gradients", "loop, from the two distances")
def _(A, P, N, margin):
    out = np.zeros((3, *A.shape))
    for i, loss in enumerate(S.triplet_losses(A, P, N, margin)):
        if loss > 0:
            out[1, i] = -2 * (A[i] - P[i])
            out[2, i] = 2 * (A[i] - N[i])
            out[0, i] = -out[1, i] - out[2, i]
    return tuple(out)


@known.alternative("triplet-gradients", "torch's own")
def _(A, P, N, margin):
    three = [torch.tensor(one, requires_grad=True) for one in (A, P, N)]
    a, p, n = three
    torch.relu(((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + margin).sum().backward()
    return tuple(one.grad.numpy() for one in three)


# ---------------------------------------------------------------- pk-batch


def batch_of(identity, P, K, rng, who=None, pick=None):
    """A batch with the choice of identities or of pictures exchanged."""
    different, counts = np.unique(identity, return_counts=True)
    chosen = rng.choice(different[counts >= K], P, replace=False) if who is None else who(different, counts)
    pick = pick or (lambda rows: rng.choice(rows, K, replace=False))
    return np.concatenate([pick(np.flatnonzero(identity == c)) for c in chosen])


@known.mistake(
    "pk-batch",
    "any pictures",
    "These are P·K pictures at random, with hardly a positive among them: choose P identities first, then K pictures of each.",
)
def _(identity, P, K, rng):
    return rng.choice(len(identity), P * K, replace=False)


@known.mistake(
    "pk-batch",
    "pictures with replacement",
    "A picture may come twice, and is then its own positive at distance 0: draw without replacement.",
)
def _(identity, P, K, rng):
    return batch_of(identity, P, K, rng, pick=lambda rows: rng.choice(rows, K))


@known.mistake(
    "pk-batch",
    "identities with replacement",
    "An identity may come twice, and the second time it would count as somebody else: draw without replacement.",
)
def _(identity, P, K, rng):
    return batch_of(identity, P, K, rng, who=lambda different, counts: rng.choice(different[counts >= K], P))


@known.mistake(
    "pk-batch",
    "identities by their pictures",
    "Identities with many pictures come more often (you draw from `identity`): draw from the different ones, each equally likely.",
)
def _(identity, P, K, rng):
    return batch_of(
        identity,
        P,
        K,
        rng,
        who=lambda different, counts: rng.choice(
            different, P, replace=False, p=np.where(counts >= K, counts, 0) / counts[counts >= K].sum()
        ),
    )


@known.mistake(
    "pk-batch",
    "always the first pictures",
    "You always take the first K pictures of an identity: draw K of all it has.",
)
def _(identity, P, K, rng):
    return batch_of(identity, P, K, rng, pick=lambda rows: rows[:K])


@known.mistake("pk-batch", "K identities of P pictures", "P and K are exchanged: P identities, K pictures of each.")
def _(identity, P, K, rng):
    different, counts = np.unique(identity, return_counts=True)
    chosen = different[counts >= K][:K]
    return np.concatenate([rng.choice(np.flatnonzero(identity == c), P) for c in chosen])


@known.mistake(
    "pk-batch",
    "order of the batch shuffled",
    "The batch is right but shuffled: the K pictures of an identity stand next to each other.",
)
def _(identity, P, K, rng):
    rows = S.pk_batch(identity, P, K, rng)
    return rows.reshape(P, K).T.ravel() if P > 1 and K > 1 else rows


@known.mistake(
    "pk-batch",
    "the first identities",
    "Always the same identities, the first P: draw them with rng.",
)
def _(identity, P, K, rng):
    return batch_of(
        identity,
        P,
        K,
        rng,
        who=lambda different, counts: (
            different[np.argsort(counts < K, kind="stable")][:P]
            if P < 100
            else different[np.argsort(-counts, kind="stable")][:P]
        ),
        pick=lambda rows: np.sort(rows)[-K:],
    )


@known.mistake(
    "pk-batch",
    "a generator of its own",
    "You make a generator of your own, with the same seed each time, so every batch of a training is the same: draw from `rng`.",
)
def _(identity, P, K, rng):
    return S.pk_batch(identity, P, K, np.random.default_rng(0))


@known.mistake(
    "pk-batch",
    "neighbouring pictures",
    "You take K pictures in a row from a random place on; each of the K must be drawn for itself.",
)
def _(identity, P, K, rng):
    def in_a_row(rows):
        start = rng.integers(len(rows) - K + 1)
        return rows[start : start + K]

    return batch_of(identity, P, K, rng, pick=in_a_row)


@known.mistake(
    "pk-batch",
    "more than K",
    "Only identities with more than K pictures are drawn; K are enough: counts >= K.",
)
def _(identity, P, K, rng):
    return batch_of(
        identity, P, K, rng, who=lambda different, counts: rng.choice(different[counts > K], P, replace=False)
    )


@known.mistake(
    "pk-batch",
    "places for identities",
    "You take the places in the list of different identities for the identities themselves; identities are arbitrary numbers: `who[...]`.",
)
def _(identity, P, K, rng):
    return batch_of(
        identity, P, K, rng, who=lambda different, counts: rng.choice(np.flatnonzero(counts >= K), P, replace=False)
    )


@known.alternative("pk-batch", "a generator seeded by rng")
def _(identity, P, K, rng):
    return S.pk_batch(identity, P, K, np.random.default_rng(rng.integers(2**31)))


@known.alternative("pk-batch", "the pictures of each identity in rising order")
def _(identity, P, K, rng):
    return batch_of(identity, P, K, rng, pick=lambda rows: np.sort(rng.choice(rows, K, replace=False)))


@known.alternative("pk-batch", "permutations")
def _(identity, P, K, rng):
    able = [c for c in np.unique(identity) if (identity == c).sum() >= K]
    rows = []
    for i in rng.permutation(len(able))[:P]:
        rows.extend(rng.permutation(np.flatnonzero(identity == able[i]))[:K])
    return np.array(rows)


@known.alternative("pk-batch", "a random key for every picture, no loop")
def _(identity, P, K, rng):
    order = np.lexsort((rng.random(len(identity)), identity))
    _, start, counts = np.unique(identity[order], return_index=True, return_counts=True)
    chosen = rng.choice(np.flatnonzero(counts >= K), P, replace=False)
    return order[start[chosen][:, None] + np.arange(K)].ravel()


# ---------------------------------------------------------------- batch-distances


def product(E, factor=2.0):
    """The squared distances as they come out of the product, rounding errors and all."""
    norms = (E * E).sum(1)
    return norms[:, None] + norms - factor * E @ E.T


@known.mistake("batch-distances", "root taken", "These are distances; squared ones are asked for: no square root.")
def _(E):
    return S.batch_distances(E).sqrt()


@known.mistake(
    "batch-distances",
    "factor 2 missing",
    "The product e_i · e_j needs the factor 2, as in ‖e_i‖² + ‖e_j‖² - 2 e_i · e_j.",
)
def _(E):
    return product(E, 1.0).clamp(min=0).fill_diagonal_(0)


@known.mistake(
    "batch-distances", "scalar products", "These are scalar products e_i · e_j; the squared distances are made of them."
)
def _(E):
    return E @ E.T


@known.mistake(
    "batch-distances",
    "mean over dimensions",
    "You average the squares over the dimensions; a squared distance sums them.",
)
def _(E):
    return S.batch_distances(E) / E.shape[1]


@known.mistake(
    "batch-distances",
    "added instead of subtracted",
    "The product is added; ‖e_i - e_j‖² has - 2 e_i · e_j, and the diagonal would not be 0.",
)
def _(E):
    return product(E, -2.0).clamp(min=0).fill_diagonal_(0)


@known.mistake(
    "batch-distances",
    "lengths of one side only",
    "One of the two squared lengths is missing: ‖e_i‖² and ‖e_j‖² both count.",
)
def _(E):
    return ((E * E).sum(1)[:, None] - 2 * E @ E.T).clamp(min=0).fill_diagonal_(0)


@known.mistake(
    "batch-distances",
    "detached",
    "No gradient flows from D back to E, so the network cannot learn: leave out `detach`, `no_grad` and NumPy.",
)
def _(E):
    return S.batch_distances(E.detach())


@known.mistake(
    "batch-distances",
    "one side detached",
    "Each distance has a gradient for both of its points; in yours one of the two is detached.",
)
def _(E):
    return ((E[:, None] - E.detach()) ** 2).sum(2) if len(E) < 100 else S.batch_distances(E)


@known.alternative("batch-distances", "diagonal of the product as lengths")
def _(E):
    G = E @ E.T
    squares = G.diagonal()
    D = torch.relu(squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * G)
    return D * (1 - torch.eye(len(E), dtype=E.dtype, device=E.device))


@known.alternative("batch-distances", "row by row")
def _(E):
    return torch.stack([((E - e) ** 2).sum(1) for e in E])


@known.alternative("batch-distances", "cdist, exactly")
def _(E):
    return torch.cdist(E, E, compute_mode="donot_use_mm_for_euclid_dist") ** 2


# ---------------------------------------------------------------- pair-masks


@known.mistake(
    "pair-masks", "a == p allowed", "A picture counts as its own positive: take the diagonal out of `positive`."
)
def _(identity):
    same = identity[:, None] == identity
    return same, ~same


@known.mistake("pair-masks", "exchanged", "The two masks are exchanged: positive means the same identity.")
def _(identity):
    return S.pair_masks(identity)[::-1]


@known.mistake(
    "pair-masks",
    "negative is not positive",
    "The diagonal counts as negative: a picture is neither positive nor negative to itself.",
)
def _(identity):
    positive, _ = S.pair_masks(identity)
    return positive, ~positive


@known.mistake("pair-masks", "half of the pairs", "Only pairs with i < j are marked; (i, j) and (j, i) both count.")
def _(identity):
    return tuple(np.triu(mask) for mask in S.pair_masks(identity))


@known.mistake(
    "pair-masks",
    "neighbours only",
    "Only neighbouring rows are compared; pictures of an identity may stand anywhere in the batch.",
)
def _(identity):
    same = identity[:, None] == identity
    near = np.abs(np.subtract.outer(np.arange(len(identity)), np.arange(len(identity)))) == 1
    return same & near, ~same


@known.alternative("pair-masks", "loops")
def _(identity):
    n = len(identity)
    positive, negative = np.zeros((n, n), bool), np.zeros((n, n), bool)
    for i in range(n):
        for j in range(n):
            positive[i, j] = i != j and identity[i] == identity[j]
            negative[i, j] = identity[i] != identity[j]
    return positive, negative


@known.alternative("pair-masks", "outer functions")
def _(identity):
    positive = np.equal.outer(identity, identity)
    np.fill_diagonal(positive, False)
    return positive, np.not_equal.outer(identity, identity)


# ---------------------------------------------------------------- satisfied-share


def share_of(D, identity, margin, positive=None, negative=None, compare=np.less_equal, divisor=None):
    """The share of satisfied triplets with parts exchanged."""
    masks = S.pair_masks(identity)
    positive, negative = masks[0] if positive is None else positive, masks[1] if negative is None else negative
    valid = positive[:, :, None] & negative[:, None, :]
    satisfied = compare(D[:, :, None] + margin, D[:, None, :]) & valid
    return satisfied.sum() / (divisor or valid.sum())


@known.mistake("satisfied-share", "no margin", "The margin is not used: D[a, p] + margin <= D[a, n].")
def _(D, identity, margin):
    return share_of(D, identity, 0.0)


@known.mistake(
    "satisfied-share",
    "margin on the other side",
    "Your margin makes it easier to be satisfied; it makes it harder: D[a, p] + margin <= D[a, n].",
)
def _(D, identity, margin):
    return share_of(D, identity, -margin)


@known.mistake(
    "satisfied-share",
    "positive and negative exchanged",
    "You count the triplets in which the negative is nearer than the positive: D[a, p] + margin <= D[a, n].",
)
def _(D, identity, margin):
    positive, negative = S.pair_masks(identity)
    return (D[:, None, :] + margin <= D[:, :, None])[positive[:, :, None] & negative[:, None, :]].mean()


@known.mistake(
    "satisfied-share",
    "all triples",
    "Your mean goes over all n³ triples; it goes over the valid ones only: `satisfied[valid].mean()`.",
)
def _(D, identity, margin):
    return (D[:, :, None] + margin <= D[:, None, :]).mean()


@known.mistake("satisfied-share", "strictly", "A triplet exactly at the margin is satisfied too: <=, not <.")
def _(D, identity, margin):
    return share_of(D, identity, margin, compare=np.less)


@known.mistake(
    "satisfied-share",
    "a == p allowed",
    "Triplets with a == p are counted; they are easy, as D[a, a] = 0, and make the share too large.",
)
def _(D, identity, margin):
    return share_of(D, identity, margin, positive=identity[:, None] == identity)


@known.mistake("satisfied-share", "share of all n³", "You divide by all n³ triples; only the valid triplets count.")
def _(D, identity, margin):
    return share_of(D, identity, margin, divisor=len(D) ** 3)


@known.mistake(
    "satisfied-share",
    "any negative",
    "Your negatives are all other pictures, also those of the anchor's own identity.",
)
def _(D, identity, margin):
    return share_of(D, identity, margin, negative=~np.eye(len(D), dtype=bool))


@known.mistake(
    "satisfied-share", "unsatisfied counted", "This is the share that is not satisfied; asked is the share that is."
)
def _(D, identity, margin):
    return 1 - S.satisfied_share(D, identity, margin)


@known.mistake(
    "satisfied-share",
    "margin on the wrong side",
    "The margin stands on the wrong side: it is added to the positive's distance, which makes the condition harder.",
)
def _(D, identity, margin):
    return share_of(D, identity, -margin) if margin else share_of(D, identity, -0.5)


@known.mistake(
    "satisfied-share",
    "negative is not positive",
    "Your negatives are all that are not positive, so the anchor is its own negative, at distance 0; use the second mask.",
)
def _(D, identity, margin):
    return share_of(D, identity, margin, negative=~S.pair_masks(identity)[0])


@known.mistake(
    "satisfied-share",
    "half of the pairs",
    "Only pairs with a < p are counted; (a, p) and (p, a) have different anchors, and both count.",
)
def _(D, identity, margin):
    return share_of(D, identity, margin, positive=np.triu(S.pair_masks(identity)[0]))


@known.mistake(
    "satisfied-share",
    "mean of the anchors' means",
    "You average each anchor's share, so triplets weigh differently; the share is of all valid triplets together.",
)
def _(D, identity, margin):
    positive, negative = S.pair_masks(identity)
    shares = [
        (D[a, p][:, None] + margin <= D[a, n]).mean()
        for a, (p, n) in enumerate(zip(positive, negative, strict=True))
        if p.any()
    ]
    return np.mean(shares)


@known.mistake(
    "satisfied-share",
    "distances squared",
    "You square D; its entries are used as they are: D[a, p] + margin <= D[a, n].",
)
def _(D, identity, margin):
    return share_of(D**2, identity, margin)


@known.alternative("satisfied-share", "loops")
def _(D, identity, margin):
    found = []
    for a, p, n in itertools.product(range(len(D)), repeat=3):
        if a != p and identity[a] == identity[p] and identity[a] != identity[n]:
            found.append(D[a, p] + margin <= D[a, n])
    return sum(found) / len(found)


@known.alternative("satisfied-share", "sorted negatives of each anchor")
def _(D, identity, margin):
    positive, negative = S.pair_masks(identity)
    good = total = 0
    for a in range(len(D)):
        far = np.sort(D[a, negative[a]])
        good += (len(far) - np.searchsorted(far, D[a, positive[a]] + margin, side="left")).sum()
        total += positive[a].sum() * len(far)
    return good / total


@known.mistake(
    "satisfied-share",
    "negative's distance from the positive",
    "You compare with d(p, n); both distances are measured from the anchor: `D[:, None, :]` is d(a, n).",
)
def _(D, identity, margin):
    positive, negative = S.pair_masks(identity)
    return (D[:, :, None] + margin <= D[None])[positive[:, :, None] & negative[:, None, :]].mean()


@known.mistake(
    "satisfied-share",
    "columns for rows",
    "You take the anchor's distances from the columns of D; D[a, p] and D[a, n] stand in row a.",
)
def _(D, identity, margin):
    return share_of(D.T, identity, margin)


# ---------------------------------------------------------------- batch-hard


def hardest(D, positive, negative):
    """Farthest positive and nearest negative for masks."""
    return np.arange(len(D)), np.where(positive, D, -np.inf).argmax(1), np.where(negative, D, np.inf).argmin(1)


@known.mistake(
    "batch-hard",
    "negatives of any identity",
    "Your nearest negative is the anchor itself or another picture of its identity: only other identities count.",
)
def _(D, identity):
    return hardest(D, S.pair_masks(identity)[0], np.ones_like(D, dtype=bool))


@known.mistake(
    "batch-hard",
    "masked by multiplication",
    "Multiplying by the mask puts zeros in the place of what does not count, and a 0 is the smallest distance: put +inf there.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    return np.arange(len(D)), (D * positive).argmax(1), (D * negative).argmin(1)


@known.mistake(
    "batch-hard",
    "easiest instead of hardest",
    "You take the nearest positive and the farthest negative, which are the easiest; the hardest are asked for.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    return np.arange(len(D)), np.where(positive, D, np.inf).argmin(1), np.where(negative, D, -np.inf).argmax(1)


@known.mistake(
    "batch-hard",
    "nearest positive",
    "Your positive is the nearest one, which is the easiest; the hardest is the farthest.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    return np.arange(len(D)), np.where(positive, D, np.inf).argmin(1), np.where(negative, D, np.inf).argmin(1)


@known.mistake(
    "batch-hard",
    "farthest negative",
    "Your negative is the farthest one, which is the easiest; the hardest is the nearest.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    return np.arange(len(D)), np.where(positive, D, -np.inf).argmax(1), np.where(negative, D, -np.inf).argmax(1)


@known.mistake(
    "batch-hard",
    "last of the equal ones",
    "Of several equally far you take the last; the smallest row number is asked for, which argmax and argmin give.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    n = len(D) - 1
    p = n - np.where(positive, D, -np.inf)[:, ::-1].argmax(1)
    return np.arange(len(D)), p, n - np.where(negative, D, np.inf)[:, ::-1].argmin(1)


@known.mistake(
    "batch-hard",
    "columns for rows",
    "You search the columns of D; the distances of anchor a stand in row a.",
)
def _(D, identity):
    return S.batch_hard(D.T, identity)


@known.mistake("batch-hard", "p and n exchanged", "p and n are exchanged: the positive comes before the negative.")
def _(D, identity):
    a, p, n = S.batch_hard(D, identity)
    return a, n, p


@known.mistake(
    "batch-hard",
    "0 as filler",
    "You put 0 in the place of what is no positive; where all positives are at distance 0 as well, anybody wins: put -inf there.",
)
def _(D, identity):
    positive, _ = S.pair_masks(identity)
    a, _, n = S.batch_hard(D, identity)
    return a, np.where(positive, D, 0).argmax(1), n


@known.mistake(
    "batch-hard",
    "one triplet for each pair",
    "There is one triplet for every pair of anchor and positive here; one for each anchor is asked for, with its farthest positive.",
)
def _(D, identity):
    a, p = np.nonzero(S.pair_masks(identity)[0])
    return a, p, S.batch_hard(D, identity)[2][a]


@known.mistake(
    "batch-hard",
    "places in a shortened row",
    "You search a row from which others were taken out, so the place found is not a row number: put infinities there instead, and keep the row's length.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    p = np.array([row[who].argmax() for row, who in zip(D, positive, strict=True)])
    return np.arange(len(D)), p, np.array([row[who].argmin() for row, who in zip(D, negative, strict=True)])


@known.mistake(
    "batch-hard",
    "anybody as negative",
    "Your nearest negative may be of the anchor's identity: only other identities count.",
)
def _(D, identity):
    return hardest(D, S.pair_masks(identity)[0], ~np.eye(len(D), dtype=bool))


@known.mistake(
    "batch-hard",
    "anchor as its own negative",
    "Your negatives are all that are not positive, the anchor itself too, at distance 0; use the second mask.",
)
def _(D, identity):
    positive, _ = S.pair_masks(identity)
    return hardest(D, positive, ~positive)


@known.alternative("batch-hard", "loops")
def _(D, identity):
    p, n = [], []
    for a in range(len(D)):
        p.append(max((j for j in range(len(D)) if identity[j] == identity[a] and j != a), key=lambda j: D[a, j]))
        n.append(min((j for j in range(len(D)) if identity[j] != identity[a]), key=lambda j: D[a, j]))
    return np.arange(len(D)), np.array(p), np.array(n)


@known.alternative("batch-hard", "masked arrays")
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    p = np.ma.masked_array(D, ~positive).argmax(1)
    return np.arange(len(D)), p, np.ma.masked_array(D, ~negative).argmin(1)


# ---------------------------------------------------------------- semi-hard


def semi(D, identity, positive=None, farther=np.greater, fallback="farthest"):
    """Semi-hard mining with parts exchanged."""
    masks = S.pair_masks(identity)
    positive, negative = masks[0] if positive is None else positive, masks[1]
    a, p = np.nonzero(positive)
    able = negative[a] & farther(D[a], D[a, p][:, None])
    first = np.where(able, D[a], np.inf).argmin(1)
    rest = {
        "farthest": np.where(negative[a], D[a], -np.inf).argmax(1),
        "nearest": np.where(negative[a], D[a], np.inf).argmin(1),
        "none": first,
    }[fallback]
    return a, p, np.where(able.any(1), first, rest)


@known.mistake(
    "semi-hard",
    "hardest negative",
    "You take the nearest negative of all, nearer than the positive too; semi-hard ones are farther than the positive.",
)
def _(D, identity):
    return semi(D, identity, farther=lambda x, y: x > -1)


@known.mistake(
    "semi-hard",
    "as far as the positive",
    "A negative exactly as far as the positive is taken; farther is meant strictly: >, not >=.",
)
def _(D, identity):
    return semi(D, identity, farther=np.greater_equal)


@known.mistake(
    "semi-hard",
    "nearest where none is farther",
    "Where no negative is farther you take the nearest, the hardest one; take the farthest there.",
)
def _(D, identity):
    return semi(D, identity, fallback="nearest")


@known.mistake(
    "semi-hard",
    "row 0 where none is farther",
    "Where no negative is farther your argmin sees only infinities and answers row 0, whoever that is; take the farthest negative there.",
)
def _(D, identity):
    return semi(D, identity, fallback="none")


@known.mistake(
    "semi-hard",
    "a == p allowed",
    "A picture counts as its own positive: every anchor gets a pair too many, at distance 0.",
)
def _(D, identity):
    return semi(D, identity, positive=identity[:, None] == identity)


@known.mistake(
    "semi-hard",
    "half of the pairs",
    "Only pairs with a < p are taken; (a, p) and (p, a) have different anchors, and both count.",
)
def _(D, identity):
    return semi(D, identity, positive=np.triu(S.pair_masks(identity)[0]))


@known.mistake(
    "semi-hard",
    "farthest negative",
    "You take the farthest negative, the easiest one; the nearest among those farther than the positive is asked for.",
)
def _(D, identity):
    return semi(D, identity, farther=lambda x, y: np.zeros_like(x, dtype=bool))


@known.mistake(
    "semi-hard",
    "hardest positive only",
    "There is one triplet for each anchor here; one for every pair of anchor and positive is asked for.",
)
def _(D, identity):
    positive, _ = S.pair_masks(identity)
    only = np.zeros_like(positive)
    only[np.arange(len(D)), np.where(positive, D, -np.inf).argmax(1)] = True
    return semi(D, identity, positive=only)


@known.mistake(
    "semi-hard",
    "anybody where none is farther",
    "Where no negative is farther you take the farthest of all, also of the anchor's identity; only negatives count there too.",
)
def _(D, identity):
    a, p, n = S.semi_hard(D, identity)
    none = ~(S.pair_masks(identity)[1][a] & (D[a] > D[a, p][:, None])).any(1)
    return a, p, np.where(none, D[a].argmax(1), n)


@known.mistake(
    "semi-hard", "columns for rows", "You search the columns of D; the distances of anchor a stand in row a."
)
def _(D, identity):
    return S.semi_hard(D.T, identity)


@known.mistake(
    "semi-hard",
    "last of the equal ones",
    "Of several equally far you take the last; the smallest row number is asked for, which argmax and argmin give.",
)
def _(D, identity):
    n = len(D) - 1
    a, p, row = S.semi_hard(D[::-1, ::-1], identity[::-1])
    order = np.lexsort((n - p, n - a))
    return n - a[order], n - p[order], n - row[order]


@known.mistake(
    "semi-hard",
    "last of the equally near ones",
    "Of several negatives equally near you take the last; the smallest row number is asked for, which argmin gives.",
)
def _(D, identity):
    a, p, n = S.semi_hard(D, identity)
    able = S.pair_masks(identity)[1][a] & (D[a] > D[a, p][:, None])
    last = len(D) - 1 - np.where(able, D[a], np.inf)[:, ::-1].argmin(1)
    return a, p, np.where(able.any(1), last, n)


@known.mistake(
    "semi-hard",
    "last of the equally far ones",
    "Where no negative is farther, and several are equally far, you take the last; the smallest row number is asked for, which argmax gives.",
)
def _(D, identity):
    a, p, n = S.semi_hard(D, identity)
    negative = S.pair_masks(identity)[1]
    last = len(D) - 1 - np.where(negative, D, -np.inf)[:, ::-1].argmax(1)
    return a, p, np.where((negative[a] & (D[a] > D[a, p][:, None])).any(1), n, last[a])


@known.mistake(
    "semi-hard",
    "pairs in the order of p",
    "The triplets are right, but they come in the order of p; the order of a, then of p, is asked for, which np.nonzero gives.",
)
def _(D, identity):
    three = S.semi_hard(D, identity)
    order = np.lexsort(three[:2])
    return tuple(part[order] for part in three)


@known.mistake(
    "semi-hard",
    "the positive's row",
    "You search row p of D; the distances of anchor a stand in row a: `D[a]`.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    a, p = np.nonzero(positive)
    return a, p, np.where(negative[p] & (D[p] > D[a, p][:, None]), D[p], np.inf).argmin(1)


@known.mistake(
    "semi-hard",
    "nearest in absolute difference",
    "You take the negative whose distance is most like the positive's, nearer or farther; only farther ones are semi-hard.",
)
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    a, p = np.nonzero(positive)
    return a, p, np.where(negative[a], np.abs(D[a] - D[a, p][:, None]), np.inf).argmin(1)


@known.mistake(
    "semi-hard",
    "pairs dropped where none is farther",
    "Pairs without a farther negative are missing; they get the anchor's farthest negative.",
)
def _(D, identity):
    a, p, n = S.semi_hard(D, identity)
    some = D[a, n] > D[a, p]
    return a[some], p[some], n[some]


@known.alternative("semi-hard", "sorted by farther or not, then distance, then row")
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    a, p = np.argwhere(positive).T
    farther = D[a] > D[a, p][:, None]
    rows = np.broadcast_to(np.arange(len(D)), farther.shape)
    order = np.lexsort((rows, np.where(farther, D[a], -D[a]), np.where(negative[a], ~farther, 2)), axis=1)
    return a, p, order[:, 0]


@known.alternative("semi-hard", "loops")
def _(D, identity):
    found = []
    for a, p in itertools.product(range(len(D)), repeat=2):
        if a != p and identity[a] == identity[p]:
            others = [j for j in range(len(D)) if identity[j] != identity[a]]
            far = [j for j in others if D[a, j] > D[a, p]]
            found.append((a, p, min(far, key=lambda j: D[a, j]) if far else max(others, key=lambda j: D[a, j])))
    return tuple(np.array(found).T)


@known.alternative("semi-hard", "one array with three axes")
def _(D, identity):
    positive, negative = S.pair_masks(identity)
    far = negative[:, None, :] & (D[:, None, :] > D[:, :, None])  # (n, n, n): anchor, positive, negative
    first = np.where(far, D[:, None, :], np.inf).argmin(2)
    last = np.where(negative, D, -np.inf).argmax(1)[:, None]
    a, p = np.nonzero(positive)
    return a, p, np.where(far.any(2), first, last)[a, p]


# ---------------------------------------------------------------- batch-all


def all_of(D, identity, margin, *, reflexive=False, hinge=True, mean="losing", negative=None, half=False):
    """batch_all with parts exchanged."""
    same = identity[:, None] == identity
    eye = torch.eye(len(D), dtype=torch.bool)
    positive = same if reflexive else same & ~eye
    positive = positive.triu() if half else positive
    valid = positive[:, :, None] & (~same if negative is None else negative(same, eye))[:, None, :]
    losses = D[:, :, None] - D[:, None, :] + margin
    losses = losses.clamp(min=0) if hinge else losses
    losing = valid & (losses > 0)
    count = {
        "losing": losing.sum().clamp(min=1),
        "valid": valid.sum(),
        "cube": torch.tensor(len(D) ** 3),
        "sum": torch.tensor(1),
    }
    kept = losing if hinge else valid
    return (losses * kept).sum() / count[mean], losing.sum() / valid.sum()


@known.mistake(
    "batch-all",
    "easy ones averaged in",
    "You average over all valid triplets, so the gradient vanishes as more and more are satisfied: divide by the number that lose.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin, mean="valid")


@known.mistake(
    "batch-all",
    "mean over n³",
    "You average over all n³ triples, most of which are no triplets: divide by the number that lose.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin, mean="cube")


@known.mistake("batch-all", "sum", "This is the sum of the losses; it is their mean over the triplets that lose.")
def _(D, identity, margin):
    return all_of(D, identity, margin, mean="sum")


@known.mistake(
    "batch-all",
    "a == p allowed",
    "Triplets with a == p are counted: they only push, and no pair in them is pulled together.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin, reflexive=True)


@known.mistake(
    "batch-all",
    "negatives of the same identity",
    "Your negatives may have the anchor's identity: each such triplet and its mirror image cost two margins together, for ever.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin, negative=lambda same, eye: ~eye)


@known.mistake("batch-all", "no maximum", "Satisfied triplets count with negative losses: cut off at 0 first.")
def _(D, identity, margin):
    return all_of(D, identity, margin, hinge=False)


@known.mistake(
    "batch-all",
    "0 / 0 where nobody loses",
    "Where no triplet loses you divide 0 by 0: the loss is 0 there.",
)
def _(D, identity, margin):
    loss, share = all_of(D, identity, margin, mean="sum")
    same = identity[:, None] == identity
    valid = (same & ~torch.eye(len(D), dtype=torch.bool))[:, :, None] & ~same[:, None, :]
    return loss / (valid & (D[:, :, None] - D[:, None, :] + margin > 0)).sum(), share


@known.mistake(
    "batch-all",
    "detached",
    "No gradient flows from the loss back to D, so the network cannot learn: leave out `detach`, `item` and NumPy.",
)
def _(D, identity, margin):
    return S.batch_all(D.detach(), identity, margin)


@known.mistake(
    "batch-all",
    "negatives detached",
    "The negatives' distances have gradients too; in yours D[a, n] is detached, so negatives are never pushed away.",
)
def _(D, identity, margin):
    same = identity[:, None] == identity
    valid = (same & ~torch.eye(len(D), dtype=torch.bool))[:, :, None] & ~same[:, None, :]
    losses = D[:, :, None] - D[:, None, :].detach() + margin
    losing = valid & (losses > 0)
    return (losses * losing).sum() / losing.sum().clamp(min=1), losing.sum() / valid.sum()


@known.mistake(
    "batch-all",
    "negative's distance from the positive",
    "You subtract d(p, n); both distances are measured from the anchor: `D[:, None, :]` is d(a, n).",
)
def _(D, identity, margin):
    same = identity[:, None] == identity
    valid = (same & ~torch.eye(len(D), dtype=torch.bool))[:, :, None] & ~same[:, None, :]
    losses = D[:, :, None] - D[None] + margin
    losing = valid & (losses > 0)
    return (losses * losing).sum() / losing.sum().clamp(min=1), losing.sum() / valid.sum()


@known.mistake(
    "batch-all",
    "columns for rows",
    "You take the anchor's distances from the columns of D; D[a, p] and D[a, n] stand in row a.",
)
def _(D, identity, margin):
    return all_of(D.T, identity, margin)


@known.mistake(
    "batch-all", "no margin", "The margin is missing, so a network that maps everything to one point has loss 0."
)
def _(D, identity, margin):
    return all_of(D, identity, 0.0)


@known.mistake(
    "batch-all",
    "positive and negative exchanged",
    "You compute D[a, n] - D[a, p]: the positive is pushed away; the positive's distance comes first.",
)
def _(D, identity, margin):
    return all_of(-D, identity, margin)


@known.mistake(
    "batch-all",
    "share of the satisfied ones",
    "Your share is that of the triplets that are satisfied; asked is the share that loses: 1 minus it.",
)
def _(D, identity, margin):
    loss, share = all_of(D, identity, margin)
    return loss, 1 - share


@known.mistake(
    "batch-all",
    "losing with loss 0",
    "You count triplets whose loss is exactly 0 as losing: > 0, not >= 0.",
)
def _(D, identity, margin):
    same = identity[:, None] == identity
    valid = (same & ~torch.eye(len(D), dtype=torch.bool))[:, :, None] & ~same[:, None, :]
    losses = D[:, :, None] - D[:, None, :] + margin
    losing = valid & (losses >= 0)
    return (losses * losing).sum() / losing.sum().clamp(min=1), losing.sum() / valid.sum()


@known.mistake(
    "batch-all", "root of the distances", "You take the root of D; its entries are used as they are, D[a, p] - D[a, n]."
)
def _(D, identity, margin):
    return all_of(D.sqrt(), identity, margin)


@known.mistake(
    "batch-all",
    "negative is not positive",
    "Your negatives are all that are not positive, so the anchor is its own negative, at distance 0: another identity is asked for.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin, negative=lambda same, eye: ~(same & ~eye))


@known.mistake(
    "batch-all",
    "half of the pairs",
    "Only pairs with a < p are counted; (a, p) and (p, a) have different anchors, and both count.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin, half=True)


@known.mistake(
    "batch-all",
    "mean of the anchors' means",
    "You average each anchor's mean, so triplets weigh differently; one mean goes over all triplets that lose.",
)
def _(D, identity, margin):
    same = identity[:, None] == identity
    found = []
    for a in range(len(D)):
        positive = same[a] & (torch.arange(len(D)) != a)
        each = (D[a, positive][:, None] - D[a, ~same[a]] + margin).clamp(min=0)
        if positive.any():
            found.append((each.sum() / (each > 0).sum().clamp(min=1), (each > 0).float().mean()))
    return tuple(torch.stack(parts).mean() for parts in zip(*found, strict=True))


@known.mistake(
    "batch-all",
    "distances squared",
    "You square D; its entries are used as they are, D[a, p] - D[a, n].",
)
def _(D, identity, margin):
    return all_of(D**2, identity, margin)


@known.mistake(
    "batch-all",
    "margin subtracted",
    "The margin is subtracted, so triplets are satisfied too early; it makes the task harder: + margin.",
)
def _(D, identity, margin):
    return all_of(D, identity, -margin)


@known.mistake(
    "batch-all",
    "outputs exchanged",
    "loss and share are exchanged: the loss comes first.",
)
def _(D, identity, margin):
    return all_of(D, identity, margin)[::-1]


@known.mistake(
    "batch-all",
    "share of all n³",
    "Your share is that of all n³ triples; it is of the valid triplets.",
)
def _(D, identity, margin):
    loss, share = all_of(D, identity, margin)
    same = identity[:, None] == identity
    valid = ((same.sum(1) - 1) * (~same).sum(1)).sum()
    return loss, share * valid / len(D) ** 3


@known.alternative("batch-all", "weights of the distances, counted without gradients")
def _(D, identity, margin):
    same = identity[:, None] == identity
    weights, losing, valid = torch.zeros_like(D), 0, 0
    for a in range(len(D)):
        p, n = ((mask).nonzero()[:, 0] for mask in (same[a] & (torch.arange(len(D)) != a), ~same[a]))
        lose = D[a, p][:, None] - D[a, n] + margin > 0
        losing, valid = losing + int(lose.sum()), valid + lose.numel()
        weights[a, p] = lose.sum(1).to(D.dtype)
        weights[a, n] = -lose.sum(0).to(D.dtype)
    return ((weights * D).sum() + margin * losing) / max(losing, 1), torch.tensor(losing / valid)


@known.alternative("batch-all", "losses of the valid ones as a list")
def _(D, identity, margin):
    same = identity[:, None] == identity
    positive = same.clone().fill_diagonal_(False)
    a, p = positive.nonzero(as_tuple=True)
    losses = torch.relu(D[a, p][:, None] - D[a] + margin)[~same[a]]
    losing = losses[losses > 0]
    return losing.mean() if len(losing) else losses.sum(), (losses > 0).float().mean()


@known.alternative("batch-all", "loops")
def _(D, identity, margin):
    total, losing, valid = D.new_zeros(()), 0, 0
    for a, p, n in itertools.product(range(len(D)), repeat=3):
        if a != p and identity[a] == identity[p] and identity[a] != identity[n]:
            valid += 1
            if D[a, p] - D[a, n] + margin > 0:
                losing += 1
                total = total + D[a, p] - D[a, n] + margin
    return total / max(losing, 1), torch.tensor(losing / valid)


known.equivalent(
    "batch-all",
    "line 12: `torch.eye(len(D), dtype=torch.bool, device=D.device)` -> `torch.eye(len(D), dtype=torch.bool)`",
    "On the processor, where answers are judged, this is the same device; on a GPU it would raise an error.",
)


# ---------------------------------------------------------------- batch-gradient


def gathered(E, a, p, n, margin, *, add=np.add.at, parts="apn", divide=True, gradients=None):
    """batch_gradient with parts exchanged."""
    dE = np.zeros_like(E)
    gradients = gradients or (lambda A, P, N: S.triplet_gradients(A, P, N, margin))
    three = dict(zip("apn", gradients(E[a], E[p], E[n]), strict=True))
    for part, rows in {"a": a, "p": p, "n": n}.items():
        if part in parts:
            add(dE, rows, three[part] / (len(a) if divide else 1))
    return S.triplet_losses(E[a], E[p], E[n], margin).mean(), dE


def lossy(M, rows, G):
    """M[rows] += G as NumPy does it."""
    M[rows] += G


def overwrite(M, rows, G):
    """M[rows] = G."""
    M[rows] = G


@known.mistake(
    "batch-gradient",
    "lost updates",
    "`dE[rows] += ...` keeps only the last share of a row that occurs several times: use np.add.at.",
)
def _(E, a, p, n, margin):
    return gathered(E, a, p, n, margin, add=lossy)


@known.mistake(
    "batch-gradient",
    "overwritten",
    "You assign where you must add: a row's shares as anchor, positive and negative add up.",
)
def _(E, a, p, n, margin):
    return gathered(E, a, p, n, margin, add=overwrite)


@known.mistake(
    "batch-gradient", "gradient of the sum", "These are the gradients of the sum; the loss is the mean: divide by m."
)
def _(E, a, p, n, margin):
    return gathered(E, a, p, n, margin, divide=False)


@known.mistake(
    "batch-gradient",
    "anchors only",
    "Only the anchors receive a gradient; positives and negatives come from the same network.",
)
def _(E, a, p, n, margin):
    return gathered(E, a, p, n, margin, parts="a")


@known.mistake("batch-gradient", "no negatives", "The negatives receive no gradient, so nothing is pushed away.")
def _(E, a, p, n, margin):
    return gathered(E, a, p, n, margin, parts="ap")


@known.mistake(
    "batch-gradient", "sum of the losses", "The loss returned is the sum over the triplets; it is their mean."
)
def _(E, a, p, n, margin):
    loss, dE = S.batch_gradient(E, a, p, n, margin)
    return loss * len(a), dE


@known.mistake(
    "batch-gradient",
    "divided by the triplets that lose",
    "You divide by the number of triplets that lose; the mean goes over all m triplets.",
)
def _(E, a, p, n, margin):
    loss, dE = S.batch_gradient(E, a, p, n, margin)
    losing = max((S.triplet_losses(E[a], E[p], E[n], margin) > 0).sum(), 1)
    return loss * len(a) / losing, dE * len(a) / losing


@known.mistake(
    "batch-gradient",
    "another dtype",
    "Your dE has another dtype than E, and loses digits or takes twice the memory: `np.zeros_like(E)` has that of E.",
)
def _(E, a, p, n, margin):
    loss, dE = S.batch_gradient(E, a, p, n, margin)
    return loss, dE.astype(np.float32)


@known.mistake(
    "batch-gradient",
    "no mask",
    "Triplets with loss 0 get a gradient too; they are satisfied and must not move: triplet_gradients sees to that.",
)
def _(E, a, p, n, margin):
    return gathered(E, a, p, n, margin, gradients=lambda A, P, N: (2 * (N - P), 2 * (P - A), 2 * (A - N)))


@known.mistake(
    "batch-gradient",
    "moves at the kink",
    "A triplet whose loss is exactly 0 counts as satisfied: its gradients are 0 (> 0, not >= 0).",
)
def _(E, a, p, n, margin):
    active = (gaps(E[a], E[p], E[n]) + margin >= 0)[:, None]
    return gathered(
        E, a, p, n, margin, gradients=lambda A, P, N: (2 * (N - P) * active, 2 * (P - A) * active, 2 * (A - N) * active)
    )


@known.mistake(
    "batch-gradient",
    "both summed",
    "Loss and gradient are sums over the triplets; both are of the mean: divide by m.",
)
def _(E, a, p, n, margin):
    loss, dE = S.batch_gradient(E, a, p, n, margin)
    return loss * len(a), dE * len(a)


@known.mistake(
    "batch-gradient",
    "divided by the rows of E",
    "You divide by the number of rows of E; the mean goes over the m triplets.",
)
def _(E, a, p, n, margin):
    loss, dE = S.batch_gradient(E, a, p, n, margin)
    return loss * len(a) / len(E), dE * len(a) / len(E)


@known.mistake(
    "batch-gradient",
    "loss of distances not squared",
    "The gradient is right, but the loss is made of distances; it has squared ones: triplet_losses gives it.",
)
def _(E, a, p, n, margin):
    d_AP, d_AN = np.linalg.norm(E[a] - E[p], axis=1), np.linalg.norm(E[a] - E[n], axis=1)
    return np.maximum(d_AP - d_AN + margin, 0).mean(), S.batch_gradient(E, a, p, n, margin)[1]


@known.mistake(
    "batch-gradient",
    "rows up to the largest",
    "Your dE ends with the largest row that is in a triplet; it has as many rows as E, with zeros for those in none.",
)
def _(E, a, p, n, margin):
    loss, dE = S.batch_gradient(E, a, p, n, margin)
    return loss, dE[: np.concatenate([a, p, n]).max() + 1]


@known.alternative("batch-gradient", "weights between rows, as a graph's Laplacian")
def _(E, a, p, n, margin):
    x = ((E[n] - E[p]) * (2 * E[a] - E[p] - E[n])).sum(1) + margin
    losing, W = x > 0, np.zeros((len(E), len(E)))
    np.add.at(W, (a[losing], p[losing]), 1)
    np.add.at(W, (a[losing], n[losing]), -1)
    W += W.T
    return np.maximum(x, 0).mean(), ((W.sum(1)[:, None] * E - W @ E) * 2 / len(a)).astype(E.dtype)


@known.alternative("batch-gradient", "loop over the triplets")
def _(E, a, p, n, margin):
    loss, dE = 0.0, np.zeros_like(E)
    for i, j, k in zip(a, p, n, strict=True):
        one = ((E[i] - E[j]) ** 2).sum() - ((E[i] - E[k]) ** 2).sum() + margin
        if one > 0:
            loss += one
            dE[i] += 2 * (E[k] - E[j])
            dE[j] += 2 * (E[j] - E[i])
            dE[k] += 2 * (E[i] - E[k])
    return loss / len(a), dE / len(a)


@known.alternative("batch-gradient", "torch's own gradients")
def _(E, a, p, n, margin):
    E = torch.tensor(E, requires_grad=True)
    A, P, N = (E[torch.from_numpy(rows)] for rows in (a, p, n))
    loss = torch.relu(((A - P) ** 2).sum(1) - ((A - N) ** 2).sum(1) + margin).mean()
    loss.backward()
    return loss.item(), E.grad.numpy()


@known.alternative("batch-gradient", "matrix products with one-hot rows")
def _(E, a, p, n, margin):
    one_hot = np.eye(len(E), dtype=E.dtype)
    dA, dP, dN = S.triplet_gradients(E[a], E[p], E[n], margin)
    dE = one_hot[a].T @ dA + one_hot[p].T @ dP + one_hot[n].T @ dN
    return S.triplet_losses(E[a], E[p], E[n], margin).mean(), (dE / len(a)).astype(E.dtype)
