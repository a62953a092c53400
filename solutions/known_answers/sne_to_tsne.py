"""The author's half of notebook 01: known mistakes with what a teacher would say, and other right answers.

Never released. `course validate` proves that every mistake is caught and named, and that every alternative passes.
"""

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.special import softmax, xlogy
from scipy.stats import entropy

from course_utils.authoring import KnownAnswers

known = KnownAnswers("01_sne_to_tsne")
S = known.solution


def zero_diagonal(A):
    """A copy of A (n, n) with zeros on the diagonal."""
    A = A.copy()
    np.fill_diagonal(A, 0)
    return A


def gaussian(D, sigma):
    """exp(-D_ij / 2 sigma_i^2) with zero diagonal, (n, n)."""
    return zero_diagonal(np.exp(-D / (2 * sigma[:, None] ** 2)))


# ---------------------------------------------------------------- squared-distances


@known.mistake(
    "squared-distances",
    "square root taken",
    "These are the distances themselves; the formulas need their squares, so leave the root out.",
)
def _(X):
    return np.sqrt(S.squared_distances(X))


@known.mistake(
    "squared-distances",
    "factor 2 missing",
    "The cross term of the square counts twice: it is −2 x_iᵀx_j, not −x_iᵀx_j.",
)
def _(X):
    norms = (X * X).sum(1)
    return np.maximum(zero_diagonal(norms[:, None] + norms - X @ X.T), 0)


@known.mistake("squared-distances", "plus for minus", "The cross term is subtracted: ‖x_i‖² + ‖x_j‖² − 2 x_iᵀx_j.")
def _(X):
    norms = (X * X).sum(1)
    return zero_diagonal(norms[:, None] + norms + 2 * X @ X.T)


@known.mistake(
    "squared-distances",
    "sum of absolute values",
    "These are sums of absolute differences (city-block distances); square each difference.",
)
def _(X):
    return cdist(X, X, "cityblock")


@known.mistake(
    "squared-distances",
    "mean for sum",
    "You took the mean over the coordinates; a squared distance is their sum.",
)
def _(X):
    return S.squared_distances(X) / X.shape[1]


@known.mistake(
    "squared-distances",
    "columns instead of rows",
    "You compared the columns of X; the points are its rows, so the result is (n, n).",
)
def _(X):
    return S.squared_distances(X.T)


@known.alternative("squared-distances", "loops")
def _(X):
    return np.array([[float(sum((a - b) ** 2 for a, b in zip(x, y, strict=True))) for y in X] for x in X])


@known.alternative("squared-distances", "broadcast in float32")
def _(X):
    X = X.astype(np.float32)
    return ((X[:, None] - X[None]) ** 2).sum(-1)


@known.alternative("squared-distances", "scipy")
def _(X):
    return squareform(pdist(X, "sqeuclidean"))


@known.alternative("squared-distances", "torch")
def _(X):
    X = torch.from_numpy(X)
    return (X[:, None] - X[None]).pow(2).sum(-1)


# ---------------------------------------------------------------- conditional-affinities


@known.mistake(
    "conditional-affinities",
    "factor 2 missing",
    "The exponent divides by σ² where the formula has 2σ², so every neighbourhood is too narrow by √2.",
)
def _(D, sigma):
    return S.conditional_affinities(D, sigma / np.sqrt(2))


@known.mistake("conditional-affinities", "sigma not squared", "The exponent divides by 2σ where the formula has 2σ².")
def _(D, sigma):
    return S.conditional_affinities(D, np.sqrt(sigma))


@known.mistake(
    "conditional-affinities",
    "p(i|i) kept",
    "A point is not its own neighbour: p(i|i) must be 0, and it must not count in the sum either.",
)
def _(D, sigma):
    return softmax(-D / (2 * sigma[:, None] ** 2), axis=1)


@known.mistake(
    "conditional-affinities",
    "diagonal zeroed after normalising",
    "The diagonal is set to 0 only after the rows were normalised, so they no longer sum to 1: zero it first.",
)
def _(D, sigma):
    return zero_diagonal(softmax(-D / (2 * sigma[:, None] ** 2), axis=1))


@known.mistake(
    "conditional-affinities",
    "width of the other point",
    "sigma stands along the columns: p(j|i) uses the width of i, the point that looks; `sigma[:, None]` makes it a column.",
)
def _(D, sigma):
    exponents = -D / (2 * sigma[None, :] ** 2)
    np.fill_diagonal(exponents, -np.inf)
    return softmax(exponents, axis=1)


@known.mistake(
    "conditional-affinities",
    "columns normalised",
    "The columns sum to 1, not the rows: sum over j, the second axis (axis=1).",
)
def _(D, sigma):
    exponents = -D / (2 * sigma[:, None] ** 2)
    np.fill_diagonal(exponents, -np.inf)
    return softmax(exponents, axis=0)


@known.mistake(
    "conditional-affinities",
    "all pairs normalised",
    "You divided by the sum over all pairs; each row has its own sum.",
)
def _(D, sigma):
    exponents = -D / (2 * sigma[:, None] ** 2)
    np.fill_diagonal(exponents, -np.inf)
    return softmax(exponents)


@known.mistake(
    "conditional-affinities",
    "underflow",
    "In a row whose exponentials are all 0 you divide 0 by 0: subtract from each row the largest exponent among the *other* points (the diagonal left out) before taking exp.",
)
def _(D, sigma):
    with np.errstate(all="ignore"):
        K = gaussian(D, sigma)
        return K / K.sum(1, keepdims=True)


@known.mistake(
    "conditional-affinities",
    "D squared again",
    "D holds squared distances already, and you square them once more.",
)
def _(D, sigma):
    return S.conditional_affinities(D**2, sigma)


@known.mistake(
    "conditional-affinities",
    "root of D",
    "D holds squared distances and the formula wants squares: take no root.",
)
def _(D, sigma):
    return S.conditional_affinities(np.sqrt(D), sigma)


@known.alternative("conditional-affinities", "loops")
def _(D, sigma):
    n = len(D)
    P = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        least = min(D[i, j] for j in others)
        weights = [np.exp((least - D[i, j]) / (2 * sigma[i] ** 2)) for j in others]
        P[i, others] = np.array(weights) / sum(weights)
    return P


@known.alternative("conditional-affinities", "scipy softmax")
def _(D, sigma):
    exponents = np.where(np.eye(len(D), dtype=bool), -np.inf, -D / (2 * sigma[:, None] ** 2))
    return softmax(exponents, axis=1)


@known.alternative("conditional-affinities", "torch")
def _(D, sigma):
    exponents = -torch.from_numpy(D) / (2 * torch.from_numpy(sigma)[:, None] ** 2)
    return torch.softmax(exponents.fill_diagonal_(-torch.inf), dim=1)


@known.mistake(
    "conditional-affinities",
    "guard instead of shift",
    "A small number in the denominator hides 0/0, but the row then sums to 0: subtract the largest exponent among the other points before taking exp.",
)
def _(D, sigma):
    K = gaussian(D, sigma)
    return K / (K.sum(1, keepdims=True) + 1e-12)


# ---------------------------------------------------------------- perplexity


@known.mistake("perplexity", "entropy returned", "This is the entropy; the perplexity is 2 to its power.")
def _(P):
    return entropy(P, base=2, axis=1)


@known.mistake(
    "perplexity",
    "bases mixed",
    "The entropy is taken with the natural logarithm but raised as a power of 2: use log2, or exp for the power.",
)
def _(P):
    return 2 ** entropy(P, axis=1)


@known.mistake(
    "perplexity",
    "bases mixed, e to bits",
    "The entropy is in bits but you take e to its power: use 2, or the natural logarithm.",
)
def _(P):
    return np.exp(entropy(P, base=2, axis=1))


@known.mistake(
    "perplexity",
    "sign missing",
    "The minus sign of the entropy is missing, so you get one divided by the perplexity.",
)
def _(P):
    return 1 / S.perplexity(P)


@known.mistake(
    "perplexity",
    "0 log 0",
    "0 · log 0 gives nan in floating point, though it counts as 0: keep zeros away from the logarithm.",
)
def _(P):
    with np.errstate(all="ignore"):
        return 2 ** -(P * np.log2(P)).sum(1)


@known.mistake(
    "perplexity",
    "one number for all rows",
    "This is one number for the whole matrix; the perplexity is asked for each row (sum over axis 1).",
)
def _(P):
    return 2 ** -xlogy(P, P).sum() / np.log(2)


@known.mistake("perplexity", "mean for sum", "The entropy is a sum over the neighbours, not a mean: use sum(1).")
def _(P):
    return 2 ** (entropy(P, base=2, axis=1) / P.shape[1])


@known.alternative("perplexity", "loops")
def _(P):
    return np.array([2.0 ** -sum(p * np.log2(p) for p in row if p > 0) for row in P])


@known.alternative("perplexity", "scipy, natural logarithm")
def _(P):
    return np.exp(-xlogy(P, P).sum(1))


@known.alternative("perplexity", "torch float32")
def _(P):
    P = torch.tensor(P, dtype=torch.float32)
    return torch.exp(torch.special.entr(P).sum(1))


# ---------------------------------------------------------------- sigma-search


@known.mistake("sigma-search", "variance returned", "You return σ², the variance; the width σ is its square root.")
def _(D, target):
    return S.find_sigmas(D, target) ** 2


@known.mistake(
    "sigma-search",
    "precision returned",
    "You return the precision 1 / 2σ², in which the search is often done; turn it into σ at the end.",
)
def _(D, target):
    return 1 / (2 * S.find_sigmas(D, target) ** 2)


@known.mistake(
    "sigma-search",
    "off by √2",
    "Your σ is √2 times too large: the search uses exp(−D / σ²) where the affinities use exp(−D / 2σ²).",
)
def _(D, target):
    return np.sqrt(2) * S.find_sigmas(D, target)


@known.mistake(
    "sigma-search",
    "logarithms mixed",
    "The search compares an entropy in nats with log₂ of the target, so a perplexity of 30 becomes 135: use one base for both.",
)
def _(D, target):
    return S.find_sigmas(D, np.exp(np.log2(target)))


@known.mistake(
    "sigma-search",
    "entropy for perplexity",
    "The search makes the entropy (in bits) equal to the target; it is the perplexity 2^H that must be equal to it.",
)
def _(D, target):
    return S.find_sigmas(D, 2**target)


@known.mistake("sigma-search", "one width for all", "All your widths are equal; every point must get a σ of its own.")
def _(D, target):
    return np.full(len(D), S.find_sigmas(D, target).mean())


def one_sigma(d, target, low=1e-8, high=1e8):
    """Bisection for one row of distances d (n - 1,) without the point itself."""
    for _ in range(70):
        middle = (low * high) ** 0.5
        p = np.exp(-(d - d.min()) / (2 * middle**2))
        p /= p.sum()
        if np.exp(-xlogy(p, p).sum()) > target:
            high = middle
        else:
            low = middle
    return (low * high) ** 0.5


@known.alternative("sigma-search", "row by row")
def _(D, target):
    return np.array([one_sigma(np.delete(row, i), target) for i, row in enumerate(D)])


@known.alternative("sigma-search", "precision doubled and halved, as scikit-learn does")
def _(D, target):
    sigmas = []
    for i, row in enumerate(D):
        d = np.delete(row, i)
        d = d - d.min()
        beta, low, high = 1.0, 0.0, np.inf
        for _ in range(60):
            p = np.exp(-beta * d)
            p = p / p.sum()
            if entropy(p) > np.log(target):
                low, beta = beta, beta * 2 if high == np.inf else (beta + high) / 2
            else:
                high, beta = beta, (low + beta) / 2
            if beta > 1e12 or beta < 1e-12:
                break
        sigmas.append(np.sqrt(1 / (2 * beta)))
    return np.array(sigmas)


@known.alternative("sigma-search", "Brent's root finder")
def _(D, target):
    def excess(log_sigma, d):
        return entropy(softmax(-d / (2 * np.exp(2 * log_sigma)))) - np.log(target)

    out = []
    for i, row in enumerate(D):
        d = np.delete(row, i)
        d = d - d.min()
        low, high = -8.0, 12.0
        if excess(low, d) > 0:
            out.append(np.exp(low))
        elif excess(high, d) < 0:
            out.append(np.exp(high))
        else:
            out.append(np.exp(brentq(excess, low, high, args=(d,), xtol=1e-10)))
    return np.array(out)


# ---------------------------------------------------------------- joint-affinities


@known.mistake(
    "joint-affinities",
    "not symmetrised",
    "p(j|i) is only divided by n; add the transpose, so that p_ij = p_ji.",
)
def _(P):
    return P / len(P)


@known.mistake(
    "joint-affinities",
    "2 for 2n",
    "Divided by 2 only: the matrix sums to n. Divide by 2n, so that it sums to 1.",
)
def _(P):
    return (P + P.T) / 2


@known.mistake(
    "joint-affinities",
    "n for 2n",
    "Divided by n only: the matrix sums to 2. The mean of the two halves needs the 2 as well.",
)
def _(P):
    return (P + P.T) / len(P)


@known.mistake("joint-affinities", "nothing divided", "The sum of the two halves still has to be divided by 2n.")
def _(P):
    return P + P.T


@known.mistake(
    "joint-affinities",
    "product for sum",
    "You multiplied p(j|i) and p(i|j); the joint affinity is their mean, divided by n.",
)
def _(P):
    return P * P.T / (P * P.T).sum()


@known.alternative("joint-affinities", "loops")
def _(P):
    n = len(P)
    return np.array([[(P[i, j] + P[j, i]) / (2 * n) for j in range(n)] for i in range(n)])


@known.alternative("joint-affinities", "normalised by its own sum, einsum")
def _(P):
    both = np.einsum("ij->ji", P) + P
    return both / both.sum()


# ---------------------------------------------------------------- sne-q


def q_by(K, axis):
    """K with zero diagonal, normalised over `axis` (None: over all)."""
    K = zero_diagonal(K)
    return K / K.sum(axis, keepdims=True)


@known.mistake(
    "sne-q",
    "factor ½ kept",
    "In the map there is no 2σ²: the exponent is −‖y_i − y_j‖², without ½ (that is 2σ² = 1, not σ = 1).",
)
def _(Y):
    return q_by(np.exp(-S.squared_distances(Y) / 2), 1)


@known.mistake(
    "sne-q",
    "all pairs normalised",
    "You divided by the sum over all pairs; in SNE each row has its own sum (axis=1).",
)
def _(Y):
    return q_by(np.exp(-S.squared_distances(Y)), None)


@known.mistake("sne-q", "q(i|i) kept", "The diagonal takes part: q(i|i) must be 0 before the rows are normalised.")
def _(Y):
    return softmax(-S.squared_distances(Y), axis=1)


@known.mistake(
    "sne-q",
    "distances not squared",
    "The exponent is minus the squared distance; yours is minus the distance.",
)
def _(Y):
    return q_by(np.exp(-np.sqrt(S.squared_distances(Y))), 1)


@known.mistake(
    "sne-q",
    "Student-t too early",
    "This is the Student-t kernel of t-SNE; SNE has the Gaussian, exp(−‖y_i − y_j‖²).",
)
def _(Y):
    return q_by(1 / (1 + S.squared_distances(Y)), 1)


@known.mistake("sne-q", "σ² = ½ doubled", "The exponent has a factor 2 too much: 2σ² = 1 means σ = √½, not σ = ½.")
def _(Y):
    return q_by(np.exp(-2 * S.squared_distances(Y)), 1)


@known.alternative("sne-q", "loops")
def _(Y):
    n = len(Y)
    Q = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if j != i:
                Q[i, j] = np.exp(-((Y[i] - Y[j]) ** 2).sum())
        Q[i] /= Q[i].sum()
    return Q


@known.alternative("sne-q", "torch")
def _(Y):
    Y = torch.from_numpy(Y)
    return torch.softmax(
        (-(torch.cdist(Y, Y, compute_mode="donot_use_mm_for_euclid_dist") ** 2)).fill_diagonal_(-torch.inf), 1
    )


# ---------------------------------------------------------------- kl-divergence


@known.mistake(
    "kl-divergence",
    "reversed",
    "This is KL(Q‖P): the weights and the numerator must be P, the denominator Q.",
)
def _(P, Q):
    with np.errstate(all="ignore"):
        return float((xlogy(Q, Q) - xlogy(Q, np.where(P > 0, P, 1))).sum())


@known.mistake(
    "kl-divergence",
    "base 2",
    "The logarithm is to base 2; the cost uses the natural one (its gradient would carry a factor 1/log 2).",
)
def _(P, Q):
    return S.kl_divergence(P, Q) / np.log(2)


@known.mistake("kl-divergence", "cross-entropy", "This is the cross-entropy −Σ p log q; the part Σ p log p is missing.")
def _(P, Q):
    return -xlogy(P, np.where(P > 0, Q, 1)).sum()


@known.mistake("kl-divergence", "mean for sum", "You took the mean over the rows; the cost is the sum over them.")
def _(P, Q):
    return S.kl_divergence(P, Q) / len(P)


@known.mistake(
    "kl-divergence",
    "0 log 0",
    "Where p is 0, 0 · log 0 gives nan, though the term counts as 0: use only the entries with P > 0.",
)
def _(P, Q):
    with np.errstate(all="ignore"):
        return (P * np.log(P / Q)).sum()


@known.mistake("kl-divergence", "sign flipped", "The sign is flipped: it is log(p / q), not log(q / p).")
def _(P, Q):
    return -S.kl_divergence(P, Q)


@known.mistake("kl-divergence", "one number a row", "This is one divergence for each row; add them up to one number.")
def _(P, Q):
    return (xlogy(P, P) - xlogy(P, np.where(P > 0, Q, 1))).sum(1)


@known.alternative("kl-divergence", "loops")
def _(P, Q):
    total = 0.0
    for p, q in zip(P.ravel(), Q.ravel(), strict=True):
        if p > 0:
            total += p * np.log(p / q)
    return total


@known.alternative("kl-divergence", "differences of logarithms, torch")
def _(P, Q):
    P, Q = torch.from_numpy(P), torch.from_numpy(Q)
    return (torch.xlogy(P, P) - torch.xlogy(P, torch.where(P > 0, Q, 1.0))).sum()


@known.mistake(
    "kl-divergence",
    "P and Q exchanged",
    "P and Q are exchanged: the weights and the numerator must be P, the denominator Q.",
)
def _(P, Q):
    some = P > 0
    return (Q[some] * np.log(Q[some] / P[some])).sum()


# ---------------------------------------------------------------- cost-slope


@known.mistake("cost-slope", "sign flipped", "The sign is flipped: the sum Σ p d gives +p, and log Z gives −q.")
def _(P, d):
    return -S.slope_of_cost(P, d)


@known.mistake(
    "cost-slope",
    "log Z forgotten",
    "Only the first sum was differentiated; log Z_i depends on d_ij too and gives −q(j|i).",
)
def _(P, d):
    return P.copy()


@known.mistake(
    "cost-slope",
    "outer p kept",
    "The second sum is Σ_i log Z_i, in which no p is left (Σ_j p(j|i) = 1), so q is not multiplied by p.",
)
def _(P, d):
    return P - P * (P - S.slope_of_cost(P, d))


@known.mistake(
    "cost-slope",
    "both halves",
    "This is ∂C/∂d_ij + ∂C/∂d_ji; here d_ij and d_ji are different numbers, and only the first is asked for.",
)
def _(P, d):
    return S.slope_of_cost(P, d) + S.slope_of_cost(P, d).T


@known.mistake(
    "cost-slope",
    "all pairs normalised",
    "q(j|i) has a sum of its own in each row, Z_i; yours divides by one sum over all pairs.",
)
def _(P, d):
    return P - q_by(np.exp(-d), None)


@known.alternative("cost-slope", "written out")
def _(P, d):
    K = np.exp(-d) * (1 - np.eye(len(d)))
    return P - K / K.sum(axis=1)[:, None]


@known.alternative("cost-slope", "torch autograd")
def _(P, d):
    P, d = torch.from_numpy(P), torch.from_numpy(d).requires_grad_()
    logits = (-d).masked_fill(torch.eye(len(P), dtype=torch.bool), -torch.inf)
    ((P * d).sum() + torch.logsumexp(logits, 1).sum()).backward()
    return d.grad


# ---------------------------------------------------------------- gradients


def springs(M, Y):
    """sum_j M_ij (y_i - y_j), (n, l)."""
    return M.sum(1, keepdims=True) * Y - M @ Y


@known.mistake(
    "sne-gradient",
    "factor 2 missing",
    "The factor 2 in front is missing; it comes from differentiating the square ‖y_i − y_j‖².",
)
def _(P, Y):
    return S.sne_gradient(P, Y) / 2


@known.mistake(
    "sne-gradient",
    "sign flipped",
    "The sign is flipped: a step against this vector would make the cost grow.",
)
def _(P, Y):
    return -S.sne_gradient(P, Y)


@known.mistake(
    "sne-gradient",
    "second half missing",
    "Only p(j|i) − q(j|i) was used: y_i also stands in the rows of its neighbours, which gives p(i|j) − q(i|j).",
)
def _(P, Y):
    return 2 * springs(P - S.gaussian_affinities(Y), Y)


@known.mistake("sne-gradient", "joint q", "q was normalised over all pairs; SNE normalises each row.")
def _(P, Y):
    M = P - q_by(np.exp(-S.squared_distances(Y)), None)
    return 2 * springs(M + M.T, Y)


@known.mistake(
    "sne-gradient",
    "factor 4",
    "The factor is 2 here: 4 belongs to the symmetric form, in which both halves are equal.",
)
def _(P, Y):
    return 2 * S.sne_gradient(P, Y)


@known.mistake(
    "sne-gradient",
    "y_i term missing",
    "Only the part with y_j is there: of the sum Σ_j m_ij (y_i − y_j), the row sum times y_i is missing.",
)
def _(P, Y):
    M = P - S.gaussian_affinities(Y)
    return -2 * (M + M.T) @ Y


@known.alternative("sne-gradient", "loops")
def _(P, Y):
    Q = S.gaussian_affinities(Y)
    out = np.zeros_like(Y)
    for i in range(len(Y)):
        for j in range(len(Y)):
            out[i] += 2 * (P[i, j] - Q[i, j] + P[j, i] - Q[j, i]) * (Y[i] - Y[j])
    return out


@known.alternative("sne-gradient", "einsum")
def _(P, Y):
    M = P + P.T - S.gaussian_affinities(Y) - S.gaussian_affinities(Y).T
    return 2 * np.einsum("ij,ijk->ik", M, Y[:, None] - Y[None])


@known.alternative("sne-gradient", "torch autograd")
def _(P, Y):
    P, Y = torch.from_numpy(P), torch.from_numpy(Y).requires_grad_()
    D = (Y[:, None] - Y[None]).pow(2).sum(-1)
    logits = (-D).masked_fill(torch.eye(len(P), dtype=torch.bool), -torch.inf)
    ((P * D).sum() + torch.logsumexp(logits, 1).sum()).backward()
    return Y.grad


def symmetric_q(Y):
    """Joint Gaussian affinities (n, n)."""
    return q_by(np.exp(-S.squared_distances(Y)), None)


@known.mistake(
    "symmetric-sne-gradient",
    "factor 2 for 4",
    "The factor is 4: the 2 of the square and the 2 of the two equal halves.",
)
def _(P, Y):
    return S.symmetric_sne_gradient(P, Y) / 2


@known.mistake("symmetric-sne-gradient", "factor missing", "The factor 4 in front is missing.")
def _(P, Y):
    return S.symmetric_sne_gradient(P, Y) / 4


@known.mistake(
    "symmetric-sne-gradient",
    "sign flipped",
    "The sign is flipped: a step against this vector would make the cost grow.",
)
def _(P, Y):
    return -S.symmetric_sne_gradient(P, Y)


@known.mistake(
    "symmetric-sne-gradient",
    "q normalised row by row",
    "q was normalised row by row; here one sum over all pairs makes Q one distribution.",
)
def _(P, Y):
    return 4 * springs(P - S.gaussian_affinities(Y), Y)


@known.mistake(
    "symmetric-sne-gradient",
    "y_i term missing",
    "Only M @ Y is there: the row sums of M times Y are missing.",
)
def _(P, Y):
    return -4 * (P - symmetric_q(Y)) @ Y


@known.mistake(
    "symmetric-sne-gradient",
    "Student-t too early",
    "This is the gradient of t-SNE: the kernel here is still the Gaussian.",
)
def _(P, Y):
    return S.tsne_gradient(P, Y)


@known.mistake(
    "symmetric-sne-gradient",
    "diagonal kept",
    "exp(0) = 1 on the diagonal counts in your sum over all pairs: set it to 0 first.",
)
def _(P, Y):
    K = np.exp(-S.squared_distances(Y))
    return 4 * springs(P - K / K.sum(), Y)


@known.mistake(
    "symmetric-sne-gradient",
    "P normalised again",
    "You divide P by its sum, which takes the exaggeration away: use P as it is, also where its sum is more than 1.",
)
def _(P, Y):
    return S.symmetric_sne_gradient(P / P.sum(), Y)


@known.mistake(
    "symmetric-sne-gradient",
    "q exaggerated too",
    "Where P sums to 12, your q is multiplied by 12 as well, as if the cost itself were differentiated for that P; the "
    "exaggeration belongs to p alone, p_ij − q_ij as it is written.",
)
def _(P, Y):
    return P.sum() * S.symmetric_sne_gradient(P / P.sum(), Y)


@known.alternative("symmetric-sne-gradient", "loops")
def _(P, Y):
    Q = symmetric_q(Y)
    out = np.zeros_like(Y)
    for i in range(len(Y)):
        for j in range(len(Y)):
            out[i] += 4 * (P[i, j] - Q[i, j]) * (Y[i] - Y[j])
    return out


@known.alternative("symmetric-sne-gradient", "graph Laplacian")
def _(P, Y):
    M = P - symmetric_q(Y)
    return 4 * (np.diag(M.sum(1)) - M) @ Y


@known.mistake(
    "student-t-q",
    "distances not squared",
    "The kernel is 1 / (1 + d²); you added the distance, not its square.",
)
def _(Y):
    W = zero_diagonal(1 / (1 + np.sqrt(S.squared_distances(Y))))
    return W / W.sum(), W


@known.mistake("student-t-q", "squared twice", "D holds squared distances already; you squared them again.")
def _(Y):
    W = zero_diagonal(1 / (1 + S.squared_distances(Y) ** 2))
    return W / W.sum(), W


@known.mistake(
    "student-t-q",
    "diagonal kept",
    "w_ii = 1 takes part in your sum: the diagonal must be 0 before you normalise.",
)
def _(Y):
    W = 1 / (1 + S.squared_distances(Y))
    return W / W.sum(), W


@known.mistake(
    "student-t-q",
    "q normalised row by row",
    "Q sums to n: the rows were normalised one by one; here one sum over all pairs is the denominator.",
)
def _(Y):
    W = S.student_t_affinities(Y)[1]
    return W / W.sum(1, keepdims=True), W


@known.mistake(
    "student-t-q", "Gaussian kept", "This is still the Gaussian kernel; Student-t is 1 / (1 + ‖y_i − y_j‖²)."
)
def _(Y):
    W = zero_diagonal(np.exp(-S.squared_distances(Y)))
    return W / W.sum(), W


@known.mistake("student-t-q", "outputs exchanged", "The two outputs are exchanged: return Q first, then W.")
def _(Y):
    return S.student_t_affinities(Y)[::-1]


@known.alternative("student-t-q", "loops")
def _(Y):
    n = len(Y)
    W = np.array([[0.0 if i == j else 1 / (1 + ((Y[i] - Y[j]) ** 2).sum()) for j in range(n)] for i in range(n)])
    return W / W.sum(), W


@known.alternative("student-t-q", "torch")
def _(Y):
    Y = torch.from_numpy(Y)
    W = (1 + (Y[:, None] - Y[None]).pow(2).sum(-1)).reciprocal().fill_diagonal_(0)
    return W / W.sum(), W


@known.mistake(
    "tsne-gradient",
    "kernel missing",
    "The factor (1 + ‖y_i − y_j‖²)⁻¹ is missing in the sum: that is the gradient of symmetric SNE with the wrong q.",
)
def _(P, Y):
    return 4 * springs(P - S.student_t_affinities(Y)[0], Y)


@known.mistake(
    "tsne-gradient",
    "factor 4 missing",
    "The factor 4 in front is missing: numerical and written gradient differ by a constant ratio.",
)
def _(P, Y):
    return S.tsne_gradient(P, Y) / 4


@known.mistake(
    "tsne-gradient",
    "factor 2 for 4",
    "The factor is 4: 2 from the square, and 2 because each pair counts from both sides.",
)
def _(P, Y):
    return S.tsne_gradient(P, Y) / 2


@known.mistake(
    "tsne-gradient",
    "sign flipped",
    "The sign is flipped: a step against this vector would make the cost grow.",
)
def _(P, Y):
    return -S.tsne_gradient(P, Y)


@known.mistake("tsne-gradient", "kernel squared", "The kernel enters once, as (p − q) w; you multiplied by w twice.")
def _(P, Y):
    Q, W = S.student_t_affinities(Y)
    return 4 * springs((P - Q) * W * W, Y)


@known.mistake(
    "tsne-gradient",
    "q normalised row by row",
    "q was normalised row by row; t-SNE has one sum over all pairs.",
)
def _(P, Y):
    W = S.student_t_affinities(Y)[1]
    return 4 * springs((P - W / W.sum(1, keepdims=True)) * W, Y)


@known.mistake(
    "tsne-gradient",
    "Gaussian q kept",
    "q is still the Gaussian one; only the outer factor was changed to Student-t.",
)
def _(P, Y):
    return 4 * springs((P - symmetric_q(Y)) * S.student_t_affinities(Y)[1], Y)


@known.mistake(
    "tsne-gradient",
    "kernel on q only",
    "The factor w multiplies the whole bracket, (p − q) w; yours multiplies only q.",
)
def _(P, Y):
    Q, W = S.student_t_affinities(Y)
    return 4 * springs(P - Q * W, Y)


@known.mistake("tsne-gradient", "y_i term missing", "Only M @ Y is there: the row sums of M times Y are missing.")
def _(P, Y):
    Q, W = S.student_t_affinities(Y)
    return -4 * ((P - Q) * W) @ Y


@known.mistake(
    "tsne-gradient",
    "P normalised again",
    "You divide P by its sum, which takes the exaggeration away: use P as it is, also where its sum is more than 1.",
)
def _(P, Y):
    return S.tsne_gradient(P / P.sum(), Y)


@known.mistake(
    "tsne-gradient",
    "q exaggerated too",
    "Where P sums to 12, your q is multiplied by 12 as well, as if the cost itself were differentiated for that P; the "
    "exaggeration belongs to p alone, p_ij − q_ij as it is written.",
)
def _(P, Y):
    return P.sum() * S.tsne_gradient(P / P.sum(), Y)


@known.alternative("tsne-gradient", "loops")
def _(P, Y):
    Q, W = S.student_t_affinities(Y)
    out = np.zeros_like(Y)
    for i in range(len(Y)):
        for j in range(len(Y)):
            out[i] += 4 * (P[i, j] - Q[i, j]) * W[i, j] * (Y[i] - Y[j])
    return out


@known.alternative("tsne-gradient", "attraction minus repulsion")
def _(P, Y):
    Q, W = S.student_t_affinities(Y)
    pull = np.einsum("ij,ijk->ik", P * W, Y[:, None] - Y[None])
    push = np.einsum("ij,ijk->ik", Q * W, Y[:, None] - Y[None])
    return 4 * (pull - push)


@known.alternative("tsne-gradient", "torch")
def _(P, Y):
    P, Y = torch.from_numpy(P), torch.from_numpy(Y)
    difference = Y[:, None] - Y[None]
    W = (1 + difference.pow(2).sum(-1)).reciprocal().fill_diagonal_(0)
    return 4 * (((P - W / W.sum()) * W)[:, :, None] * difference).sum(1)


# ---------------------------------------------------------------- optimiser-step


def step(Y, velocity, gains, dC_dY, learning_rate, momentum, grow=None, floor=0.01):
    """The right step, with the gain rule left open."""
    grow = dC_dY * velocity < 0 if grow is None else grow
    gains = np.maximum(np.where(grow, gains + 0.2, gains * 0.8), floor)
    velocity = momentum * velocity - learning_rate * gains * dC_dY
    return Y + velocity, velocity, gains


@known.mistake(
    "optimiser-step",
    "gain rule reversed",
    "The rule for the gains is reversed: they grow where gradient × velocity < 0 (still going downhill).",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    return step(Y, velocity, gains, dC_dY, learning_rate, momentum, grow=dC_dY * velocity >= 0)


@known.mistake(
    "optimiser-step",
    "zero grows",
    "Where gradient × velocity is 0 the gain must shrink; yours grows (≤ where < is meant).",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    return step(Y, velocity, gains, dC_dY, learning_rate, momentum, grow=dC_dY * velocity <= 0)


@known.mistake(
    "optimiser-step",
    "signs compared",
    "You compare signs, and sign(0) differs from ±1, so the gain grows where one of the two is 0; there it must shrink.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    return step(Y, velocity, gains, dC_dY, learning_rate, momentum, grow=np.sign(dC_dY) != np.sign(velocity))


@known.mistake("optimiser-step", "floor missing", "The gains have no floor: they must never fall below 0.01.")
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    return step(Y, velocity, gains, dC_dY, learning_rate, momentum, floor=0.0)


@known.mistake("optimiser-step", "uphill", "The step goes uphill: the gradient must be subtracted.")
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    gains = S.optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum)[2]
    velocity = momentum * velocity + learning_rate * gains * dC_dY
    return Y + velocity, velocity, gains


@known.mistake(
    "optimiser-step",
    "old gains used",
    "The velocity uses the gains from before the update; use the new ones.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    new = S.optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum)[2]
    velocity = momentum * velocity - learning_rate * gains * dC_dY
    return Y + velocity, velocity, new


@known.mistake("optimiser-step", "old velocity used", "Y moved with the old velocity; it must move with the new one.")
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    _, new, gains = S.optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum)
    return Y + velocity, new, gains


@known.mistake("optimiser-step", "gains unused", "The gains are updated but do not multiply the gradient.")
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    gains = S.optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum)[2]
    velocity = momentum * velocity - learning_rate * dC_dY
    return Y + velocity, velocity, gains


@known.mistake(
    "optimiser-step",
    "gain on the velocity",
    "The gains multiply the whole velocity; they belong to the gradient's part only.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    gains = S.optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum)[2]
    velocity = gains * (momentum * velocity - learning_rate * dC_dY)
    return Y + velocity, velocity, gains


@known.mistake(
    "optimiser-step",
    "changed in place",
    "Your function changed the arrays it was given (`+=`, `*=` or a slice assignment): make new ones.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    gains[:] = np.maximum(np.where(dC_dY * velocity < 0, gains + 0.2, gains * 0.8), 0.01)
    velocity[:] = momentum * velocity - learning_rate * gains * dC_dY
    Y += velocity
    return Y, velocity, gains


@known.mistake(
    "optimiser-step",
    "grows where the product is positive",
    "The gains grow where gradient × velocity is positive; that is where the step goes uphill. They must grow where it is below 0.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    return step(Y, velocity, gains, dC_dY, learning_rate, momentum, grow=dC_dY * velocity > 0)


@known.mistake(
    "optimiser-step",
    "outputs in another order",
    "The outputs are in another order: Y comes first, then velocity, then gains.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    return S.optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum)[::-1]


@known.mistake(
    "optimiser-step",
    "floor after use",
    "The floor 0.01 is applied only after the gains were used: apply it before they multiply the gradient.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    Y, velocity, gains = step(Y, velocity, gains, dC_dY, learning_rate, momentum, floor=0.0)
    return Y, velocity, np.maximum(gains, 0.01)


@known.mistake(
    "optimiser-step",
    "gains grow by a factor",
    "Gains grow by adding 0.2, not by multiplying with 1.2; only shrinking is a factor.",
)
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    gains = np.maximum(np.where(dC_dY * velocity < 0, gains * 1.2, gains * 0.8), 0.01)
    velocity = momentum * velocity - learning_rate * gains * dC_dY
    return Y + velocity, velocity, gains


@known.alternative("optimiser-step", "loops")
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    Y, velocity, gains = Y.copy(), velocity.copy(), gains.copy()
    for index in np.ndindex(Y.shape):
        if dC_dY[index] * velocity[index] < 0:
            gains[index] += 0.2
        else:
            gains[index] *= 0.8
        gains[index] = max(gains[index], 0.01)
        velocity[index] = momentum * velocity[index] - learning_rate * gains[index] * dC_dY[index]
        Y[index] += velocity[index]
    return Y, velocity, gains


@known.alternative("optimiser-step", "torch")
def _(Y, velocity, gains, dC_dY, learning_rate, momentum):
    Y, velocity, gains, dC_dY = (torch.from_numpy(a) for a in (Y, velocity, gains, dC_dY))
    gains = torch.where(dC_dY * velocity < 0, gains + 0.2, gains * 0.8).clamp(min=0.01)
    velocity = momentum * velocity - learning_rate * gains * dC_dY
    return Y + velocity, velocity, gains


# ---------------------------------------------------------------- pca-start


def positive(Y):
    """The sign rule: in each column the entry of largest absolute value is positive."""
    return Y * np.sign(Y[np.abs(Y).argmax(0), range(Y.shape[1])])


@known.mistake(
    "pca-start",
    "not centred",
    "X was not centred: subtract the mean of each column before the decomposition.",
)
def _(X):
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    Y = positive(U[:, :2] * s[:2])
    return 1e-4 * Y / Y[:, 0].std()


@known.mistake(
    "pca-start",
    "each column scaled",
    "Both columns have the same spread: each was scaled by itself, or the singular values are missing. One factor for both keeps the shape of the cloud.",
)
def _(X):
    Y = S.pca_start(X)
    return 1e-4 * Y / Y.std(0)


@known.mistake(
    "pca-start",
    "not scaled",
    "The components are not scaled down: the first column must have standard deviation 1e-4.",
)
def _(X):
    return S.pca_start(X) * np.linalg.svd(X - X.mean(0), compute_uv=False)[0] / np.sqrt(len(X)) / 1e-4


@known.mistake(
    "pca-start",
    "sign not fixed",
    "The sign rule is missing or reversed: in each column the entry of largest absolute value must be positive.",
)
def _(X):
    return -S.pca_start(X)


@known.mistake(
    "pca-start",
    "ddof=1",
    "The standard deviation was taken with ddof=1; asked for is NumPy's default, ddof=0.",
)
def _(X):
    Y = S.pca_start(X)
    return 1e-4 * Y / Y[:, 0].std(ddof=1)


@known.mistake(
    "pca-start",
    "last components",
    "These are the components of smallest variance: `eigh` sorts its eigenvalues upwards, so take the last two, reversed.",
)
def _(X):
    X = X - X.mean(0)
    Y = positive(X @ np.linalg.eigh(X.T @ X)[1][:, :2])
    return 1e-4 * Y / Y[:, 0].std()


@known.alternative("pca-start", "eigenvectors of the covariance")
def _(X):
    X = X - X.mean(0)
    _, V = np.linalg.eigh(X.T @ X / len(X))
    Y = positive(X @ V[:, ::-1][:, :2])
    return Y / np.std(Y[:, 0]) * 1e-4


@known.alternative("pca-start", "scikit-learn")
def _(X):
    from sklearn.decomposition import PCA

    Y = positive(PCA(2, svd_solver="full").fit_transform(X))
    return 1e-4 * Y / Y[:, 0].std()


# ---------------------------------------------------------------- optimise


def descend(P, Y, n_iter, exaggeration_iter, factor=4.0, late=0.8, late_factor=1.0, cost_of_seen=False, rate=None):
    """The right descent with the places for mistakes left open."""
    velocity, gains, costs = np.zeros_like(Y), np.ones_like(Y), []
    rate = len(P) / 4 if rate is None else rate
    for t in range(n_iter):
        early = t < exaggeration_iter
        seen = (factor if early else late_factor) * P
        costs.append(S.kl_divergence(seen if cost_of_seen else P, S.student_t_affinities(Y)[0]))
        dC_dY = S.tsne_gradient(seen, Y)
        Y, velocity, gains = S.optimiser_step(Y, velocity, gains, dC_dY, rate, 0.5 if early else late)
    return Y, np.array(costs)


@known.mistake(
    "optimise",
    "exaggeration never removed",
    "The exaggeration is never taken away: from `exaggeration_iter` on the gradient must see P itself.",
)
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter, late_factor=4.0)


@known.mistake(
    "optimise",
    "no exaggeration",
    "There is no early exaggeration: in the first iterations the gradient must be that of 4 P.",
)
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter, factor=1.0)


@known.mistake("optimise", "exaggeration 12", "The exaggeration is 12, as in programs for large data; here it is 4.")
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter, factor=12.0)


@known.mistake(
    "optimise",
    "cost of the exaggerated P",
    "The cost is taken of the exaggerated P, so the curve has a cliff: record KL of the true P.",
)
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter, cost_of_seen=True)


@known.mistake(
    "optimise", "momentum never changed", "The momentum stays at 0.5: it rises to 0.8 when the exaggeration ends."
)
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter, late=0.5)


@known.mistake(
    "optimise",
    "cost after the step",
    "costs[t] is the cost after step t; asked for is the one before it, so that costs[0] belongs to the start.",
)
def _(P, Y, n_iter, exaggeration_iter):
    Y, costs = descend(P, Y, n_iter, exaggeration_iter)
    return Y, np.append(costs[1:], S.kl_divergence(P, S.student_t_affinities(Y)[0]))


@known.mistake(
    "optimise",
    "one exaggerated step too many",
    "One step too many is exaggerated: it is t < exaggeration_iter, counting from 0.",
)
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter + 1)


@known.mistake(
    "optimise",
    "learning rate 200",
    "The learning rate is the constant 200 of older programs; here it is n / 4, so that it fits any n.",
)
def _(P, Y, n_iter, exaggeration_iter):
    return descend(P, Y, n_iter, exaggeration_iter, rate=200.0)


@known.mistake(
    "optimise",
    "gradient exaggerated",
    "You multiply the whole gradient by 4, which is only a larger step; it is P that is exaggerated, so that attraction "
    "wins over repulsion: tsne_gradient(4 * P, Y).",
)
def _(P, Y, n_iter, exaggeration_iter):
    velocity, gains, costs = np.zeros_like(Y), np.ones_like(Y), []
    for t in range(n_iter):
        early = t < exaggeration_iter
        costs.append(S.kl_divergence(P, S.student_t_affinities(Y)[0]))
        dC_dY = (4 if early else 1) * S.tsne_gradient(P, Y)
        Y, velocity, gains = S.optimiser_step(Y, velocity, gains, dC_dY, len(P) / 4, 0.5 if early else 0.8)
    return Y, np.array(costs)


@known.mistake(
    "optimise",
    "velocity thrown away",
    "Velocity and gains begin anew in each step: keep what `optimiser_step` returns for the next one.",
)
def _(P, Y, n_iter, exaggeration_iter):
    costs = []
    for t in range(n_iter):
        costs.append(S.kl_divergence(P, S.student_t_affinities(Y)[0]))
        dC_dY = S.tsne_gradient((4 if t < exaggeration_iter else 1) * P, Y)
        momentum = 0.5 if t < exaggeration_iter else 0.8
        Y = S.optimiser_step(Y, np.zeros_like(Y), np.ones_like(Y), dC_dY, len(P) / 4, momentum)[0]
    return Y, np.array(costs)


@known.alternative("optimise", "written out")
def _(P, Y, n_iter, exaggeration_iter):
    v, g = 0 * Y, 1 + 0 * Y
    costs = np.empty(n_iter)
    for t in range(n_iter):
        W = zero_diagonal(1 / (1 + cdist(Y, Y, "sqeuclidean")))
        costs[t] = xlogy(P, P).sum() - xlogy(P, np.where(P > 0, W / W.sum(), 1)).sum()
        gradient = 4 * springs(((4 if t < exaggeration_iter else 1) * P - W / W.sum()) * W, Y)
        Y, v, g = step(Y, v, g, gradient, len(P) / 4, 0.5 if t < exaggeration_iter else 0.8)
    return Y, costs


@known.alternative("optimise", "phases as two loops")
def _(P, Y, n_iter, exaggeration_iter):
    state = (Y, np.zeros((len(Y), 2)), np.ones((len(Y), 2)))
    costs = []
    for steps, factor, momentum in ((exaggeration_iter, 4, 0.5), (n_iter - exaggeration_iter, 1, 0.8)):
        for _ in range(steps):
            costs.append(float(S.kl_divergence(P, S.student_t_affinities(state[0])[0])))
            state = S.optimiser_step(*state, S.tsne_gradient(factor * P, state[0]), len(P) / 4, momentum)
    return state[0], np.asarray(costs)


# ---------------------------------------------------------------- tsne


def joint_of(X, target):
    """The joint affinities of X (n, n)."""
    D = S.squared_distances(X)
    return S.joint_affinities(S.conditional_affinities(D, S.find_sigmas(D, target)))


@known.mistake(
    "tsne",
    "rows used as P",
    "The conditional affinities were used as they are: make them joint first, symmetric and with sum 1.",
)
def _(X, target, n_iter, exaggeration_iter):
    D = S.squared_distances(X)
    return S.optimise(S.conditional_affinities(D, S.find_sigmas(D, target)), S.pca_start(X), n_iter, exaggeration_iter)


@known.mistake(
    "tsne", "distances not squared", "The affinities were made from distances; they need the squared distances."
)
def _(X, target, n_iter, exaggeration_iter):
    D = np.sqrt(S.squared_distances(X))
    P = S.joint_affinities(S.conditional_affinities(D, S.find_sigmas(D, target)))
    return S.optimise(P, S.pca_start(X), n_iter, exaggeration_iter)


@known.mistake(
    "tsne",
    "the same width for all",
    "All points got the width of the first: pass the whole array that `find_sigmas` returns.",
)
def _(X, target, n_iter, exaggeration_iter):
    D = S.squared_distances(X)
    sigma = np.full(len(X), S.find_sigmas(D, target)[0] ** 2)
    P = S.joint_affinities(S.conditional_affinities(D, sigma))
    return S.optimise(P, S.pca_start(X), n_iter, exaggeration_iter)


@known.mistake("tsne", "no descent", "The start is returned without a descent: `optimise` must run from it.")
def _(X, target, n_iter, exaggeration_iter):
    return S.pca_start(X), S.optimise(joint_of(X, target), S.pca_start(X), n_iter, exaggeration_iter)[1]


@known.mistake(
    "tsne", "perplexity ignored", "The perplexity that was asked for is ignored: pass it on to `find_sigmas`."
)
def _(X, target, n_iter, exaggeration_iter):
    return S.optimise(joint_of(X, 2.0), S.pca_start(X), n_iter, exaggeration_iter)


@known.alternative("tsne", "from functions of scipy")
def _(X, target, n_iter, exaggeration_iter):
    D = cdist(X, X, "sqeuclidean")
    rows = np.zeros_like(D)
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        rows[i, others] = softmax(-D[i, others] / (2 * one_sigma(D[i, others], target) ** 2))
    return S.optimise((rows + rows.T) / rows.sum() / 2, S.pca_start(X), n_iter, exaggeration_iter)


@known.alternative("tsne", "with widths that are only as exact as their exercise asks for")
def _(X, target, n_iter, exaggeration_iter):
    D = S.squared_distances(X)
    sigma = S.find_sigmas(D, target) * (1 + 4e-5 * (-1) ** np.arange(len(X)))
    P = S.joint_affinities(S.conditional_affinities(D, sigma))
    return S.optimise(P, S.pca_start(X), n_iter, exaggeration_iter)


# ---------------------------------------------------------------- mutants that change nothing

known.equivalent("perplexity", "line 7: `1` -> `2`", "the logarithm taken in place of that of 0 is multiplied by p = 0")
for bound in ("line 9: `1e-08` -> `2e-08`", "line 9: `100000000.0` -> `200000000.0`", "line 10: `60` -> `61`"):
    known.equivalent("sigma-search", bound, "a slightly other interval or one more halving ends at the same σ")
known.equivalent(
    "sigma-search",
    "line 12: `perplexity(conditional_affinities(D, sigma)) > target` -> "
    "`perplexity(conditional_affinities(D, sigma)) >= target`",
    "where the perplexity equals the target, both ends lead to the same σ",
)
known.equivalent(
    "pca-start",
    "line 9: `np.linalg.svd(X - X.mean(0), full_matrices=False)` -> `np.linalg.svd(X - X.mean(0))`",
    "the full U has the same first columns",
)
known.equivalent("pca-start", "line 9: `False` -> `True`", "the full U has the same first columns")
known.equivalent("pca-start", "line 9: `X - X.mean(0)` -> `X.mean(0) - X`", "the sign rule undoes it")
known.equivalent(
    "pca-start",
    "line 11: `Y * np.sign(Y[np.abs(Y).argmax(0), [0, 1]])` -> `Y / np.sign(Y[np.abs(Y).argmax(0), [0, 1]])`",
    "to divide by ±1 is to multiply by it",
)
for watched in (
    "line 18: `if callback is not None:` -> `if False:`",
    "line 19: `callback(t + 1, Y, costs[t])` -> `pass`",
    "line 19: `callback(t + 1, Y, costs[t])` -> `callback(Y, t + 1, costs[t])`",
    "line 19: `t + 1` -> `t - 1`",
    "line 19: `t + 1` -> `t`",
    "line 19: `t + 1` -> `1`",
    "line 19: `1` -> `2`",
    "line 19: `1` -> `0`",
):
    known.equivalent("optimise", watched, "the callback is for watching and carries no marks")
