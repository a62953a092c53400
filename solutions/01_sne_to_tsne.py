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

# %% [markdown]
# # 01 · From SNE to t-SNE
#
# Ten thousand handwritten digits are ten thousand points in a space of 784 dimensions, one for each pixel. Nobody can
# look into that space. In this notebook you write, from the first formula to a fast program, the method that most
# people use to look all the same: **t-SNE**. At the end you read its maps of digits, words, documents and game states,
# and you know which of the things that such a map seems to say are true.
#
# | part | what you do | about |
# |---|---|---|
# | A · Affinities | turn distances into probabilities of being a neighbour | 50 min |
# | B · From SNE to t-SNE | derive the gradient, meet the crowding problem, mend it | 75 min |
# | C · The algorithm | optimise, and watch the digits fall into place | 50 min |
# | D · Scale | torch, any device, ten thousand points in seconds *(optional)* | 60 min |
# | E · Reading a map | what it shows, what it does not show, four real maps | 45 min |
#
# Each part ends at a good place to stop. A graded cell holds one function; run `check("...")` below it as often as you
# like, ask `hint("...")` when you are stuck, and `progress()` shows how far you are.

# %%
import numpy as np
from sklearn.metrics import silhouette_score

from course_utils import check, data, hint, metrics, pick_device, plots, progress  # noqa: F401

rng, device = np.random.default_rng(0), pick_device()

# %% [markdown]
# ## What an embedding is
#
# Given are samples $x_1, \dots, x_n \in \mathbb{R}^h$. Wanted are points $y_1, \dots, y_n \in \mathbb{R}^l$, one for each
# sample, such that the neighbourhoods among the $y$ say something true about the samples: what is alike lies near.
# There are two ways to get them.
#
# - **A parametric map** $y = f(x)$: learn the parameters of a function. A new sample costs one call of it.
# - **Free coordinates**: no function at all; the coordinates $Y$ themselves are what is optimised.
#
# Both, in a few lines, on 500 digits:

# %%
images, labels = data.mnist(500)
X = images.reshape(500, -1) / 255.0  # (n, h) = (500, 784)
mean, axes = X.mean(0), np.linalg.svd(X - X.mean(0), full_matrices=False)[2][:2]


def f(x):
    """A parametric map: the two directions in which the digits vary most (principal components)."""
    return (x - mean) @ axes.T


Y_map = f(X)  # (n, 2): a function of x, also for digits that come later
Y_free = rng.normal(size=(500, 2))  # (n, 2): free coordinates, so far at random; there is no f
print("a new digit lands at", f(X[:1]).round(2), "- the free coordinates have no answer to that")

# %% [markdown]
# Embeddings serve three ends, and this course visits all of them: **seeing** data (this notebook), **initialising**
# other networks with vectors that already mean something (notebooks 02 and 03), and **measuring similarity** (notebooks
# 04 to 06).
#
# The straight-line map above does not show much. Its picture is the one to beat:

# %%
plots.scatter_map(Y_map, labels, title="Two principal components of 500 digits: the classes overlap")

# %% [markdown]
# # A · Affinities
#
# ## A1 · Distances
#
# **Why.** Everything below starts from *who is near whom*. For $n$ points that is a matrix with $n^2$ entries, and a
# Python loop over it is far too slow.
#
# **By hand.** Three points on a line, at 0, 1 and 3. Their squared distances are $1^2 = 1$, $2^2 = 4$ and $3^2 = 9$:

# %%
line = np.array([[0.0], [1.0], [3.0]])
np.array([[((a - b) ** 2).sum() for b in line] for a in line])  # loops: tiny and obvious

# %% [markdown]
# **The formula.** Multiply the square out:
#
# $$\|x_i - x_j\|^2 = (x_i - x_j)^\top (x_i - x_j) = \|x_i\|^2 + \|x_j\|^2 - 2\, x_i^\top x_j .$$
#
# The first two terms need only $n$ squared lengths, and the last one, for all pairs, is a single matrix product.

# %% [markdown]
# [exercise: squared-distances]
# Write the distances for all pairs at once. Subtracting large numbers from each other leaves rounding errors: entries
# that should be 0 come out as $\pm 10^{-15}$. A negative squared distance would become `nan` under a later square root,
# so clip at 0.


# %% exercise="squared-distances"
def squared_distances(X):
    """Squared Euclidean distances between all rows of X.

    X: (n, d) floats. Returns D: (n, n) with D[i, j] = ||x_i - x_j||^2.
    The diagonal is exactly 0 and no entry is negative. X stays as it is.
    """
    ### BEGIN SOLUTION
    norms = (X * X).sum(1)  # (n,)
    D = norms[:, None] + norms[None, :] - 2 * X @ X.T  # (n, n)
    np.fill_diagonal(D, 0)
    return np.maximum(D, 0)
    ### END SOLUTION


# %%
check("squared-distances")

# %% [markdown]
# [hints: squared-distances]

# %% [markdown]
# **On real data.** The eight digits nearest to one digit, by nothing but pixel distance:

# %%
D = squared_distances(X)  # (n, n)
nearest = np.argsort(D[7])[:9]
print(f"class of the digit: {labels[7]}, classes of its neighbours: {labels[nearest[1:]]}")
plots.image_row(images[nearest], title="A digit and the eight that are nearest to it in pixel space")

# %% [markdown]
# **Think.** Would the nearest neighbours change if every pixel had been multiplied by 10? If only one pixel had?
#
# <details><summary>Answer</summary>
#
# Scaling everything multiplies all distances by the same number, so the order stays. Scaling one pixel gives that pixel
# 100 times its weight in every squared distance, and the neighbours change. An embedding can only be as good as the
# distance that it starts from.
#
# </details>

# %% [markdown]
# ## A2 · From distances to probabilities
#
# **Why.** Distances are hard to compare: 5 may be near in a sparse region and far in a dense one. SNE (Hinton & Roweis,
# 2002) asks a softer question instead. Stand at $x_i$ and pick one other point at random, near ones more often than far
# ones. *With which probability is it $x_j$?*
#
# $$p_{j|i} = \frac{\exp(-\|x_i - x_j\|^2 / 2\sigma_i^2)}{\sum_{k \ne i} \exp(-\|x_i - x_k\|^2 / 2\sigma_i^2)}, \qquad p_{i|i} = 0 .$$
#
# Each point has a width $\sigma_i$ of its own: how far around itself it looks.
#
# **By hand.** The three points at 0, 1, 3 with $\sigma = 1$. Seen from the first, the weights of the others are
# $e^{-1/2} = 0.607$ and $e^{-9/2} = 0.011$, so $p_{2|1} = 0.607 / 0.618 = 0.982$ and $p_{3|1} = 0.018$. Seen from the
# third, at distances 3 and 2, they are $e^{-9/2} = 0.011$ and $e^{-4/2} = 0.135$, so $p_{1|3} = 0.076$: the first point is
# more of a neighbour to the third than the other way round. **These affinities are not symmetric.**

# %% [markdown]
# [exercise: conditional-affinities]
# One trap is in the arithmetic: $e^{-800}$ is 0 in floating point. A point far from all others would get 0/0. Multiplying
# numerator and denominator by the same number changes nothing, so you may add to all exponents of a row whatever makes
# the largest of them 0.


# %% exercise="conditional-affinities"
def conditional_affinities(D, sigma):
    """Affinities p(j|i) = exp(-D_ij / 2 sigma_i^2) / sum_{k != i} exp(-D_ik / 2 sigma_i^2), with p(i|i) = 0.

    D: (n, n) squared distances, n >= 2. sigma: (n,) widths > 0, one for each row.
    Returns P: (n, n) with P[i, j] = p(j|i), diagonal exactly 0. Finite also where every exponential of a row underflows.
    """
    ### BEGIN SOLUTION
    exponents = -D / (2 * sigma[:, None] ** 2)  # (n, n)
    np.fill_diagonal(exponents, -np.inf)
    K = np.exp(exponents - exponents.max(1, keepdims=True))
    return K / K.sum(1, keepdims=True)
    ### END SOLUTION


# %%
check("conditional-affinities")

# %% [markdown]
# [hints: conditional-affinities]

# %% [markdown]
# The numbers worked out above, from your function (row $i$ looks from point $i$):

# %%
P_line = conditional_affinities(squared_distances(line), np.ones(3))
assert np.allclose(P_line[0], [0, 0.982, 0.018], atol=5e-4) and np.allclose(P_line[2, 0], 0.076, atol=5e-4)
P_line.round(3)

# %% [markdown]
# **On real data.** The same digit as before, looking around with three widths. With a small $\sigma$ it sees one
# neighbour, with a large one everybody alike.

# %%
ranks = np.arange(1, 41)
looks = {f"σ = {s:g}": np.sort(conditional_affinities(D, np.full(500, s))[7])[::-1][:40] for s in (1.0, 1.5, 3.0)}
assert looks["σ = 1"][0] > 5 * looks["σ = 3"][0]
plots.curves(
    ranks,
    looks,
    xlabel="neighbour, nearest first",
    ylabel="$p_{j|i}$",
    title="The width σ decides how many neighbours count",
)

# %% [markdown]
# ## A3 · How many neighbours is that?
#
# **Why.** $\sigma_i$ has no meaning by itself: a good width in a dense region is a bad one in a sparse region. What we can
# say is *how many neighbours* each point should have. A distribution over neighbours is measured in such a number by its
# **perplexity**:
#
# $$\mathrm{Perp}(P_i) = 2^{H(P_i)}, \qquad H(P_i) = -\sum_j p_{j|i} \log_2 p_{j|i} \quad\text{(the entropy, in bits)} .$$
#
# **By hand.** Four neighbours with probability ¼ each have entropy $4 \cdot \tfrac14 \cdot 2 = 2$ bits and perplexity
# $2^2 = 4$. One sure neighbour: entropy 0, perplexity 1. Two with ½ and two with 0: perplexity 2. A zero takes no part,
# because $p \log p \to 0$ as $p \to 0$.

# %% [markdown]
# [exercise: perplexity]
# The perplexity of every row. The base of the logarithm does not matter as long as it is the base of the power.


# %% exercise="perplexity"
def perplexity(P):
    """Perplexity of each row: 2^H_i with H_i = -sum_j P_ij log2 P_ij, where 0 log 0 counts as 0.

    P: (n, m), rows are distributions and may hold zeros. Returns (n,). No warning and no nan at zeros.
    """
    ### BEGIN SOLUTION
    logs = np.log2(np.where(P > 0, P, 1))  # (n, m)
    return 2 ** -(P * logs).sum(1)
    ### END SOLUTION


# %%
check("perplexity")

# %% [markdown]
# [hints: perplexity]

# %% [markdown]
# **On real data.** One $\sigma$ for all 500 digits. Some of them then have hardly one neighbour, others hundreds:

# %%
counts = perplexity(conditional_affinities(D, np.full(500, 2.0)))
assert counts.min() < 3 and counts.max() > 100
print(f"sigma = 2 for all: the perplexity runs from {counts.min():.1f} to {counts.max():.1f}")

# %% [markdown]
# ## A4 · The search for σ
#
# **Why.** Turn it round: say the perplexity (30 is usual), and find for every point the $\sigma_i$ that gives it. Perplexity
# grows with $\sigma$, from 1 (one nearest neighbour) to $n - 1$ (all alike), so halving an interval finds the place.
#
# **By hand.** You look for the $\sigma$ with perplexity 4. At $\sigma = 1$ it is 2: too narrow. At 4 it is 9: too wide. The
# middle *in ratios* is $\sqrt{1 \cdot 4} = 2$. If that is too wide, it lies between 1 and 2; and so on, one bit a step.

# %% [markdown]
# [exercise: sigma-search]
# Search all rows at the same time. Two things can make a wish impossible. Among 8 points nobody has 20 neighbours. And a
# point with three twins at distance 0 always has at least three equally likely neighbours. The search then simply ends at
# an end of its interval, and that is the right answer.


# %% exercise="sigma-search"
def find_sigmas(D, target):
    """Widths sigma, such that every row of conditional_affinities(D, sigma) has the perplexity `target`.

    D: (n, n) squared distances, not all 0 in a row. target: a number > 1. Returns sigma: (n,), finite and > 0.
    The perplexity reached is within 1e-4 (relative) of the target. In a row where no sigma reaches it, it is within
    1 % of the nearest that can be reached: of n - 1 from above, or, where the m nearest neighbours are equally far, of m.
    """
    ### BEGIN SOLUTION
    low, high = np.full(len(D), 1e-8), np.full(len(D), 1e8)
    for _ in range(60):
        sigma = np.sqrt(low * high)  # the middle, in ratios
        too_wide = perplexity(conditional_affinities(D, sigma)) > target
        low, high = np.where(too_wide, low, sigma), np.where(too_wide, sigma, high)
    return sigma
    ### END SOLUTION


# %%
check("sigma-search")

# %% [markdown]
# [hints: sigma-search]

# %% [markdown]
# **On real data.** Every digit now has 30 neighbours, and the widths say who lives in a sparse region. It is the zeros:

# %%
sigma = find_sigmas(D, 30)
assert np.allclose(perplexity(conditional_affinities(D, sigma)), 30, rtol=1e-4)
widths = [sigma[labels == digit].mean() for digit in range(10)]
assert np.argmax(widths) == 0
plots.bars(
    widths,
    range(10),
    xlabel="digit",
    ylabel="mean σ",
    title="Zeros differ most from each other: they need the largest σ",
)

# %% [markdown]
# For one digit, three perplexities, and the Gaussians that the search found for them:

# %%
plots.affinity_bells(np.sqrt(np.delete(D[7], 7)), {perp: find_sigmas(D, perp)[7] for perp in (5, 30, 100)})

# %% [markdown]
# ## A5 · Making it symmetric
#
# **Why.** $p_{j|i}$ and $p_{i|j}$ differ. For what follows, one number for each pair is simpler, and all pairs together
# should form *one* distribution:
#
# $$p_{ij} = \frac{p_{j|i} + p_{i|j}}{2n} .$$
#
# **By hand.** With $n = 3$, $p_{2|1} = 1$ and $p_{1|2} = \tfrac12$: $p_{12} = 1.5 / 6 = 0.25$. All the rows sum to 1, so all
# entries of $P + P^\top$ sum to $2n$: that is where the denominator comes from. An outlier that nobody has as a neighbour
# still has neighbours itself, so its row here sums to at least $1/2n$: it can't be forgotten.

# %% [markdown]
# [exercise: joint-affinities]
# One line.


# %% exercise="joint-affinities"
def joint_affinities(P_cond):
    """Joint affinities p_ij = (p(j|i) + p(i|j)) / 2n.

    P_cond: (n, n) with rows that sum to 1 and diagonal 0. Returns P: (n, n), symmetric, with sum 1.
    """
    ### BEGIN SOLUTION
    return (P_cond + P_cond.T) / (2 * len(P_cond))
    ### END SOLUTION


# %%
check("joint-affinities")

# %% [markdown]
# [hints: joint-affinities]

# %% [markdown]
# **On real data.** The affinities of 500 digits, sorted by class. The blocks on the diagonal are the classes, and no label
# was used to find them. Nine out of ten units of affinity would fall *outside* the blocks if neighbours were chosen blindly.

# %%
P = joint_affinities(conditional_affinities(D, find_sigmas(D, 30)))  # (n, n)
order = np.argsort(labels, kind="stable")
inside = P[labels[:, None] == labels[None, :]].sum()
assert inside > 0.5
title = f"Affinities of 500 digits sorted by class: {inside:.0%} lies within the classes"
plots.matrix(P[np.ix_(order, order)], title=title, classes=labels[order])

# %% [markdown]
# **Think.** What would become of the blocks with perplexity 400?
#
# <details><summary>Answer</summary>
#
# With 500 points, 400 neighbours are nearly everybody: the affinities become almost uniform, and only a tenth or so of
# them falls within the classes. The perplexity says at which scale you look at the data.
#
# </details>
#
# *This is a good place to stop.*

# %% [markdown]
# # B · From SNE to t-SNE
#
# ## B1 · Affinities of a map
#
# **Why.** A map is good when its points have *the same neighbours with the same probabilities* as the data. So the map
# gets affinities too. In a map, unlike in the data, we are free to choose the scale, so one width for all points is enough,
# and it is chosen such that $2\sigma^2 = 1$:
#
# $$q_{j|i} = \frac{\exp(-\|y_i - y_j\|^2)}{\sum_{k \ne i} \exp(-\|y_i - y_k\|^2)}, \qquad q_{i|i} = 0 .$$
#
# **By hand.** Map points at 0, 1, 3: from the first the weights are $e^{-1} = 0.368$ and $e^{-9} = 0.0001$, so
# $q_{2|1} = 0.9997$.

# %% [markdown]
# [exercise: sne-q]
# You may call what you have already written.


# %% exercise="sne-q"
def gaussian_affinities(Y):
    """Affinities of a map, q(j|i) = exp(-||y_i - y_j||^2) / sum_{k != i} exp(-||y_i - y_k||^2), with q(i|i) = 0.

    Y: (n, l). Returns Q: (n, n) with Q[i, j] = q(j|i).
    """
    ### BEGIN SOLUTION
    return conditional_affinities(squared_distances(Y), np.full(len(Y), np.sqrt(0.5)))
    ### END SOLUTION


# %%
check("sne-q")

# %% [markdown]
# [hints: sne-q]

# %% [markdown]
# ## B2 · The cost
#
# **Why.** We need one number that says how far $Q$ is from $P$. For each point, the Kullback–Leibler divergence compares
# its two distributions over neighbours; SNE adds them up:
#
# $$C = \sum_i KL(P_i \,\|\, Q_i) = \sum_i \sum_j p_{j|i} \log \frac{p_{j|i}}{q_{j|i}} .$$
#
# **By hand.** Where $p = q$, the logarithm is 0. If a sure neighbour ($p = 1$) got only $q = \tfrac12$ in the map, that costs
# $\log 2 = 0.69$. If it got $q = 0.01$, it costs 4.6. In the other direction, a stranger ($p = 0$) that sits next to you in the
# map costs nothing directly: its term is 0. **SNE punishes tearing neighbours apart, hardly putting strangers together.**

# %% [markdown]
# [exercise: kl-divergence]
# The same function serves rows and joint matrices, since it sums over everything.


# %% exercise="kl-divergence"
def kl_divergence(P, Q):
    """The cost sum_ij P_ij log(P_ij / Q_ij), natural logarithm, where terms with P_ij = 0 are 0.

    P, Q: (n, n), not negative, Q > 0 wherever P > 0. Returns one number.
    """
    ### BEGIN SOLUTION
    some = P > 0
    return (P[some] * np.log(P[some] / Q[some])).sum()
    ### END SOLUTION


# %%
check("kl-divergence")

# %% [markdown]
# [hints: kl-divergence]

# %% [markdown]
# **On real data.** For 500 digits, the map of principal components is better than chance, in nats:

# %%
P_cond = conditional_affinities(D, sigma)  # (n, n), rows sum to 1
cost_random, cost_pca = (kl_divergence(P_cond, gaussian_affinities(Y)) for Y in (rng.normal(size=(500, 2)), Y_map))
assert cost_pca < cost_random
print(f"cost of random points: {cost_random:.0f}, of the principal components: {cost_pca:.0f}")

# %% [markdown]
# ## B3 · The gradient, line by line
#
# **Why.** To improve a map we must know how the cost changes when one point moves. We derive it in three steps, and after
# each step the computer checks us at random points.
#
# **Step 1: split the cost.** Write $d_{ij} = \|y_i - y_j\|^2$ and $Z_i = \sum_{k \ne i} e^{-d_{ik}}$, so $q_{j|i} = e^{-d_{ij}} / Z_i$ and
# $\log q_{j|i} = -d_{ij} - \log Z_i$. Put that in (logarithm of a quotient, then $\sum_j p_{j|i} = 1$):
#
# $$C = \underbrace{\sum_i\sum_j p_{j|i} \log p_{j|i}}_{\text{does not depend on the map}} + \sum_i\sum_j p_{j|i}\, d_{ij} + \sum_i \log Z_i .$$
#
# **Step 2: differentiate by one $d_{ij}$,** as if all $d_{ij}$ were free numbers. The second sum gives $p_{j|i}$. In the third,
# only $Z_i$ contains $d_{ij}$ (chain rule), and its derivative is $-e^{-d_{ij}} / Z_i = -q_{j|i}$. So
#
# $$\frac{\partial C}{\partial d_{ij}} = p_{j|i} - q_{j|i} .$$
#
# A pair that is too far apart in the map ($p > q$) makes the cost grow with its distance: it wants to come closer.

# %% [markdown]
# [exercise: cost-slope]
# Code that line, as a function of $P$ and the matrix $d$ of squared map distances.


# %% exercise="cost-slope"
def slope_of_cost(P, d):
    """Partial derivatives of the SNE cost by the squared map distances: dC/dd_ij = p(j|i) - q(j|i).

    P: (n, n), rows sum to 1, diagonal 0. d: (n, n) squared distances of the map. Returns (n, n), diagonal 0.
    """
    ### BEGIN SOLUTION
    return P - conditional_affinities(d, np.full(len(d), np.sqrt(0.5)))
    ### END SOLUTION


# %%
check("cost-slope")

# %% [markdown]
# [hints: cost-slope]

# %% [markdown]
# Now compare the line with the cost itself, at random points: change one $d_{ij}$ a little up and down, and see how the cost
# changes (`metrics.numerical_gradient` does that for every entry). The derivation has not mentioned that $d$ comes from a
# map, so every positive matrix will do.

# %%
P_test = rng.dirichlet(np.ones(5), size=6)  # (6, 5): six rows of five neighbours ...
P_test = np.array([np.insert(row, i, 0) for i, row in enumerate(P_test)])  # ... (6, 6) with a zero diagonal
d_test = rng.uniform(0.5, 2, size=(6, 6))


def cost_of(d):
    """The cost as a function of the map's squared distances."""
    return kl_divergence(P_test, conditional_affinities(d, np.full(6, np.sqrt(0.5))))


error = metrics.relative_error(slope_of_cost(P_test, d_test), metrics.numerical_gradient(cost_of, d_test))
assert error < 1e-6
print(f"step 2 against finite differences: relative error below {1e-6:g}")

# %% [markdown]
# **Step 3: from distances to points.** $y_i$ occurs in $d_{ij}$ and in $d_{ji}$, for every $j$, and $\partial d_{ij} / \partial y_i = 2 (y_i - y_j)$,
# the same for $d_{ji}$. By the chain rule
#
# $$\frac{\partial C}{\partial y_i} = \sum_j \left(\frac{\partial C}{\partial d_{ij}} + \frac{\partial C}{\partial d_{ji}}\right) 2\,(y_i - y_j)
# = 2 \sum_j \left(p_{j|i} - q_{j|i} + p_{i|j} - q_{i|j}\right) (y_i - y_j) .$$
#
# It reads like springs: between $i$ and $j$ there is a spring along $y_i - y_j$ whose stiffness is the mismatch of the affinities.

# %% [markdown]
# [exercise: sne-gradient]
# The springs of all pairs, summed for each point.


# %% exercise="sne-gradient"
def sne_gradient(P_cond, Y):
    """Gradient of the SNE cost: dC/dy_i = 2 sum_j (p(j|i) - q(j|i) + p(i|j) - q(i|j)) (y_i - y_j).

    P_cond: (n, n), rows sum to 1, diagonal 0. Y: (n, l). Returns dC_dY: (n, l).
    """
    ### BEGIN SOLUTION
    M = P_cond - gaussian_affinities(Y)  # (n, n)
    M = M + M.T
    return 2 * (M[:, :, None] * (Y[:, None, :] - Y[None, :, :])).sum(1)
    ### END SOLUTION


# %%
check("sne-gradient")

# %% [markdown]
# [hints: sne-gradient]

# %% [markdown]
# The derivation as a whole, against the cost itself, in float64:

# %%
Y_test = rng.normal(size=(6, 2))


def sne_cost(Y):
    """The SNE cost of a map."""
    return kl_divergence(P_test, gaussian_affinities(Y))


error = metrics.relative_error(sne_gradient(P_test, Y_test), metrics.numerical_gradient(sne_cost, Y_test))
assert error < 1e-6
print(f"gradient of SNE against finite differences: relative error below {1e-6:g}")

# %% [markdown]
# ## B4 · Symmetric SNE
#
# **Why.** Four affinities in one bracket are a nuisance. With one joint distribution on each side,
#
# $$p_{ij} = \frac{p_{j|i} + p_{i|j}}{2n}, \qquad q_{ij} = \frac{\exp(-\|y_i - y_j\|^2)}{\sum_{k \ne l} \exp(-\|y_k - y_l\|^2)}, \qquad C = KL(P \,\|\, Q),$$
#
# the three steps go the same way, but with one $Z$ for all pairs: $\partial C / \partial d_{ij} = p_{ij} - q_{ij}$, and because both matrices are
# symmetric, the two halves of the bracket are equal:
#
# $$\frac{\partial C}{\partial y_i} = 4 \sum_j (p_{ij} - q_{ij}) (y_i - y_j) .$$

# %% [markdown]
# [exercise: symmetric-sne-gradient]
# The broadcast $(n, n, 2)$ of the last exercise is the slow part. Split the sum: with $m_{ij} = p_{ij} - q_{ij}$,
# $\sum_j m_{ij} (y_i - y_j) = \big(\sum_j m_{ij}\big)\, y_i - \sum_j m_{ij}\, y_j$, which is a row sum and a matrix product.


# %% exercise="symmetric-sne-gradient"
def symmetric_sne_gradient(P, Y):
    """Gradient of symmetric SNE: dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j), without an (n, n, l) array.

    q_ij = exp(-||y_i - y_j||^2) / sum_{k != l} exp(-||y_k - y_l||^2), q_ii = 0.
    P: (n, n), symmetric, diagonal 0; its sum is 1, or more where it is exaggerated: use it as it is.
    Y: (n, l). Returns dC_dY: (n, l).
    """
    ### BEGIN SOLUTION
    K = np.exp(-squared_distances(Y))  # (n, n)
    np.fill_diagonal(K, 0)
    M = P - K / K.sum()
    return 4 * (M.sum(1, keepdims=True) * Y - M @ Y)
    ### END SOLUTION


# %%
check("symmetric-sne-gradient")

# %% [markdown]
# [hints: symmetric-sne-gradient]

# %% [markdown]
# **Is it faster?** Symmetric SNE is often introduced with "the gradient is simpler, so it is faster". Measure it, and give SNE
# the same matrix product, so that only the mathematics differs:


# %% tags=["nbval-ignore-output"]
def sne_gradient_by_product(P_cond, Y):
    """The gradient of SNE with the same row sum and matrix product as the symmetric one."""
    M = P_cond - gaussian_affinities(Y)
    M = M + M.T
    return 2 * (M.sum(1, keepdims=True) * Y - M @ Y)


assert np.allclose(sne_gradient_by_product(P_cond, Y_map), sne_gradient(P_cond, Y_map))
names = ("SNE, broadcast", "SNE, product", "symmetric SNE")
calls = (sne_gradient, sne_gradient_by_product, symmetric_sne_gradient)
times = [metrics.seconds(call, affinity, Y_map) for call, affinity in zip(calls, (P_cond, P_cond, P), strict=True)]
for name, time in zip(names, times, strict=True):
    print(f"{name:15} {1000 * time:6.1f} ms a gradient, n = 500")

# %% [markdown]
# Leaving out the broadcast is what saves time. What the symmetric form itself saves is a transpose and a normalisation
# by rows: some, not much, and both remain $O(n^2)$. Its lasting merit is another: one simple force per pair, on which the
# next idea can be built.
#
# ## B5 · The crowding problem
#
# **Why.** Run symmetric SNE on the digits, by plain descent, and look at what it makes of the ten classes.


# %%
def descend(gradient, P, n_iter=300, rate=10.0):
    """A map by plain gradient descent with momentum, from a small random start (seed 0)."""
    Y = 1e-2 * np.random.default_rng(0).normal(size=(len(P), 2))
    velocity = np.zeros_like(Y)
    for t in range(n_iter):
        velocity = (0.5 if t < 100 else 0.8) * velocity - rate * gradient(P, Y)
        Y = Y + velocity
    return Y


Y_ssne = descend(symmetric_sne_gradient, P)
plots.scatter_map(Y_ssne, labels, title="Symmetric SNE: the classes are there, crowded into one round heap")

# %% [markdown]
# The reason is room. In ten dimensions, eleven points can be equally far from each other; in a plane only three can. And the
# space around a point grows with its dimension: within radius $r$ there is a share $r^h$ of the unit ball. The distances of
# points spread evenly in a ball show it:


# %%
def ball(h, n=400):
    """n points (n, h), spread evenly in the unit ball of h dimensions."""
    directions = np.random.default_rng(h).normal(size=(n, h))
    radii = np.random.default_rng(h + 1).uniform(size=(n, 1)) ** (1 / h)
    return radii * directions / np.linalg.norm(directions, axis=1, keepdims=True)


pairs = {h: np.sqrt(squared_distances(ball(h))[np.triu_indices(400, 1)]) for h in (2, 10, 50)}
assert pairs[50].std() / pairs[50].mean() < 0.15 < 0.4 < pairs[2].std() / pairs[2].mean()
plots.crowding(pairs)

# %% [markdown]
# In 50 dimensions almost all points are *about equally far* from each other, and no plane can show that. If near neighbours
# get the right distance, all the others, of which there are many, have to be put much too near. Each of them pulls a little,
# and together they press everything into the middle.
#
# ## B6 · A heavier tail
#
# **Why.** t-SNE (van der Maaten & Hinton, 2008) gives the map another curve. Keep the Gaussian for the data, but measure the
# map by a Student-t distribution with one degree of freedom:
#
# $$q_{ij} = \frac{(1 + \|y_i - y_j\|^2)^{-1}}{\sum_{k \ne l} (1 + \|y_k - y_l\|^2)^{-1}}, \qquad q_{ii} = 0 .$$
#
# **By hand.** Let a pair have the weight 0.1. The Gaussian $e^{-d^2} = 0.1$ puts it at $d = 1.5$; Student-t, $1/(1 + d^2) = 0.1$, at
# $d = 3$. At weight 0.001 it is 2.6 against 31.6. *Moderately far in the data may become very far in the map*: there is room.

# %% [markdown]
# [exercise: student-t-q]
# The gradient will need the weights $w_{ij} = (1 + \|y_i - y_j\|^2)^{-1}$ as well, so return both.


# %% exercise="student-t-q"
def student_t_affinities(Y):
    """Joint affinities of a map under Student-t with one degree of freedom.

    Y: (n, l). Returns (Q, W): W (n, n) with w_ij = 1 / (1 + ||y_i - y_j||^2) and w_ii = 0; Q = W / sum of W.
    """
    ### BEGIN SOLUTION
    W = 1 / (1 + squared_distances(Y))  # (n, n)
    np.fill_diagonal(W, 0)
    return W / W.sum(), W
    ### END SOLUTION


# %%
check("student-t-q")

# %% [markdown]
# [hints: student-t-q]

# %% [markdown]
# ## B7 · The gradient of t-SNE
#
# The same three steps. Now $\log q_{ij} = -\log(1 + d_{ij}) - \log Z$ with $Z = \sum_{k \ne l} (1 + d_{kl})^{-1}$, so
#
# $$C = \text{const} + \sum_{ij} p_{ij} \log(1 + d_{ij}) + \log Z .$$
#
# The derivative of $\log(1 + d_{ij})$ is $w_{ij} = (1 + d_{ij})^{-1}$, and that of $\log Z$ is $-(1 + d_{ij})^{-2} / Z = -q_{ij}\, w_{ij}$. So
# $\partial C / \partial d_{ij} = (p_{ij} - q_{ij})\, w_{ij}$, and with the factor $2 \cdot 2$ as before
#
# $$\frac{\partial C}{\partial y_i} = 4 \sum_j (p_{ij} - q_{ij}) (1 + \|y_i - y_j\|^2)^{-1} (y_i - y_j) .$$

# %% [markdown]
# [exercise: tsne-gradient]
# As for symmetric SNE, with one factor more.


# %% exercise="tsne-gradient"
def tsne_gradient(P, Y):
    """Gradient of t-SNE: dC/dy_i = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j), without an (n, n, l) array.

    w_ij = 1 / (1 + ||y_i - y_j||^2), q_ij = w_ij / sum_{k != l} w_kl, q_ii = 0.
    P: (n, n), symmetric, diagonal 0; its sum is 1, or more where it is exaggerated: use it as it is.
    Y: (n, l). Returns dC_dY: (n, l).
    """
    ### BEGIN SOLUTION
    Q, W = student_t_affinities(Y)
    M = (P - Q) * W  # (n, n)
    return 4 * (M.sum(1, keepdims=True) * Y - M @ Y)
    ### END SOLUTION


# %%
check("tsne-gradient")

# %% [markdown]
# [hints: tsne-gradient]

# %% [markdown]
# Against finite differences, and then on the digits:

# %%
P_joint = joint_affinities(P_test)


def tsne_cost(Y):
    """The t-SNE cost of a map."""
    return kl_divergence(P_joint, student_t_affinities(Y)[0])


error = metrics.relative_error(tsne_gradient(P_joint, Y_test), metrics.numerical_gradient(tsne_cost, Y_test))
assert error < 1e-6
print(f"gradient of t-SNE against finite differences: relative error below {1e-6:g}")

# %%
Y_tsne = descend(tsne_gradient, P, rate=100.0)
gap_ssne, gap_tsne = silhouette_score(Y_ssne, labels), silhouette_score(Y_tsne, labels)
assert gap_tsne > gap_ssne + 0.05
title = f"silhouette of the true classes: {gap_ssne:.2f} with the Gaussian, {gap_tsne:.2f} with Student-t"
plots.maps_side_by_side([Y_ssne, Y_tsne], labels, titles=["symmetric SNE", "t-SNE"], columns=2, title=title)

# %% [markdown]
# **Think.** The factor $w_{ij}$ was not put in by hand, it came out of the derivative. What would a program do that forgets it?
#
# <details><summary>Answer</summary>
#
# Without $w_{ij}$ the attraction between two points grows with their distance without bound, while the affinities are those of
# Student-t: the vector is the gradient of no cost at all, steps are far too long for distant pairs, and the map explodes or
# oscillates. Part E's clinic shows such runs.
#
# </details>
#
# ## B8 · Robustness
#
# **Why.** The new factor has a second effect. Look at the pull that one pair with $p > 0$ feels at distance $\delta$ in the map: in SNE
# it is proportional to $\delta$, in t-SNE to $\delta / (1 + \delta^2)$.

# %%
delta = np.linspace(0, 8, 161)
pull = {"symmetric SNE: δ": delta, "t-SNE: δ / (1 + δ²)": delta / (1 + delta**2)}
assert delta[np.argmax(pull["t-SNE: δ / (1 + δ²)"])] == 1
plots.force_curves(delta, pull, title="t-SNE pulls hardest at distance 1 and lets distant pairs go")

# %% [markdown]
# A wrong neighbour, one that is there only by noise, pulls without end in SNE, and the map must give way. In t-SNE its pull
# is bounded and fades. Does that matter? Contaminate the affinities: a share of all affinity goes to random pairs. Then
# see in each map how many of a digit's ten nearest map points have its class, over three seeds.


# %%
def contaminate(P, share, rng):
    """P with `share` of its mass moved to 1,000 random pairs."""
    noise = np.zeros_like(P)
    i, j = rng.integers(len(P), size=(2, 1000))
    np.add.at(noise, (i[i != j], j[i != j]), 1.0)
    noise = noise + noise.T
    return (1 - share) * P + share * noise / noise.sum()


small = np.arange(300)
P_small = joint_affinities(conditional_affinities(D[:300, :300], find_sigmas(D[:300, :300], 20)))
shares, accuracy = (0.0, 0.2, 0.4), {"symmetric SNE": [], "t-SNE": []}
for share in shares:
    noisy = [contaminate(P_small, share, np.random.default_rng(seed)) for seed in range(3)]
    for name, gradient, rate in (
        ("symmetric SNE", symmetric_sne_gradient, 10.0),
        ("t-SNE", tsne_gradient, 60.0),
    ):
        maps = [descend(gradient, one, rate=rate) for one in noisy]
        accuracy[name].append([metrics.same_class_neighbours(Y, labels[:300]) for Y in maps])
for name, rows in accuracy.items():
    print(
        f"{name:14}",
        *(f"{share:.0%}: {np.mean(row):.2f} ± {np.std(row):.2f}  " for share, row in zip(shares, rows, strict=True)),
    )

# %%
assert np.mean(accuracy["t-SNE"]) > np.mean(accuracy["symmetric SNE"])
means = {name: np.mean(rows, axis=1) for name, rows in accuracy.items()}
plots.curves(
    np.array(shares),
    means,
    xlabel="share of affinity on random pairs",
    ylabel="neighbours of the same class",
    title="Wrong neighbours harm both maps; t-SNE keeps more",
)

# %% [markdown]
# *This is a good place to stop.*
#
# # C · The algorithm
#
# ## C1 · One step
#
# **Why.** Plain descent has one rate for everything. Points that creep in one direction could go faster; points that jump to and
# fro should go slower. t-SNE's usual optimiser gives each coordinate of each point its own **gain** (Jacobs, 1988) besides a
# common **momentum**.
#
# **By hand.** Velocity 1, gradient 2: the velocity *increases* the cost here (the gradient points uphill, and we move along
# it), so gradient × velocity $> 0$: we have overshot, and the gain shrinks to 0.8 of what it was. Velocity 1, gradient −2: we go
# downhill and may go faster, the gain grows by 0.2. At rest, product 0, it shrinks: that is the convention.

# %% [markdown]
# [exercise: optimiser-step]
# The order matters: gains, then velocity (with the *new* gains), then positions (with the *new* velocity).


# %% exercise="optimiser-step"
def optimiser_step(Y, velocity, gains, dC_dY, learning_rate, momentum):
    """One step of gradient descent with momentum and gains. Returns new (Y, velocity, gains), all (n, l).

    gains:    + 0.2 where dC_dY * velocity < 0, otherwise (also where it is 0) * 0.8; never below 0.01
    velocity: momentum * velocity - learning_rate * gains * dC_dY, with the new gains
    Y:        Y + velocity, with the new velocity
    The arrays given stay as they are.
    """
    ### BEGIN SOLUTION
    gains = np.where(dC_dY * velocity < 0, gains + 0.2, gains * 0.8)
    gains = np.maximum(gains, 0.01)
    velocity = momentum * velocity - learning_rate * gains * dC_dY
    return Y + velocity, velocity, gains
    ### END SOLUTION


# %%
check("optimiser-step")

# %% [markdown]
# [hints: optimiser-step]

# %% [markdown]
# ## C2 · A good start
#
# **Why.** Where the map ends depends on where it starts: t-SNE arranges neighbourhoods well and their *order* badly, so the
# order that it starts with mostly stays. Start from the two principal components, and make them tiny: at a size of $10^{-4}$ all
# $w_{ij}$ are nearly 1, nothing is torn apart yet, and clusters can still pass through each other.

# %% [markdown]
# [exercise: pca-start]
# The sign of a principal component is arbitrary, and two programs may disagree about it. Fix it, so that everybody gets the
# same map.


# %% exercise="pca-start"
def pca_start(X):
    """The first two principal components of the points as a small start for a map.

    X: (n, d), n >= 3, d >= 2. Returns Y: (n, 2): the coordinates of the centred points along the first and the second
    principal direction, both multiplied by one factor, so that the first column has standard deviation 1e-4 (ddof=0).
    In each column the entry of largest absolute value is positive. X stays as it is.
    """
    ### BEGIN SOLUTION
    U, S, _ = np.linalg.svd(X - X.mean(0), full_matrices=False)
    Y = U[:, :2] * S[:2]  # (n, 2)
    Y = Y * np.sign(Y[np.abs(Y).argmax(0), [0, 1]])
    return 1e-4 * Y / Y[:, 0].std()
    ### END SOLUTION


# %%
check("pca-start")

# %% [markdown]
# [hints: pca-start]

# %% [markdown]
# ## C3 · The whole algorithm
#
# One trick is left. In the beginning, all $p_{ij}$ are multiplied by 12, **early exaggeration**: attraction wins, each
# neighbourhood contracts to a tight ball that moves through the empty space between the others to its kin. Then the
# exaggeration is taken away and the balls unfold.
#
# | | iterations before `exaggeration_iter` | the rest |
# |---|---|---|
# | affinities in the gradient | $12\,p_{ij}$ | $p_{ij}$ |
# | momentum | 0.5 | 0.8 |

# %% [markdown]
# [exercise: tsne]
# Put your functions together. The cost that you record is that of the *true* $P$, also while the gradient sees the exaggerated one:
# otherwise the curve has a cliff where nothing happened.


# %% exercise="tsne"
def tsne(X, target=30.0, n_iter=500, exaggeration_iter=125, callback=None):
    """t-SNE: affinities of X, PCA start, exaggerated descent, descent.

    X: (n, d). target: the perplexity. Returns (Y, costs): Y (n, 2); costs (n_iter,), costs[t] = KL(P || Q) of the
    map before step t, with the true (not exaggerated) P. Start: pca_start(X), velocity 0, gains 1.
    Step t: gradient of 12 P with momentum 0.5 where t < exaggeration_iter, else of P with momentum 0.8;
    learning rate n / 12. If `callback` is given, callback(t + 1, Y, costs[t]) is called after each step.
    """
    ### BEGIN SOLUTION
    D = squared_distances(X)
    P = joint_affinities(conditional_affinities(D, find_sigmas(D, target)))
    Y = pca_start(X)
    velocity, gains, costs = np.zeros_like(Y), np.ones_like(Y), []
    for t in range(n_iter):
        early = t < exaggeration_iter
        costs.append(kl_divergence(P, student_t_affinities(Y)[0]))
        dC_dY = tsne_gradient(12 * P if early else P, Y)
        Y, velocity, gains = optimiser_step(Y, velocity, gains, dC_dY, len(X) / 12, 0.5 if early else 0.8)
        if callback is not None:
            callback(t + 1, Y, costs[t])
    return Y, np.array(costs)
    ### END SOLUTION


# %%
check("tsne")

# %% [markdown]
# [hints: tsne]

# %% [markdown]
# **On real data.** One thousand digits, 500 iterations, watched as it runs:

# %% tags=["nbval-ignore-output"]
images, labels = data.mnist(1000)
X = images.reshape(1000, -1) / 255.0
with plots.Watch(labels, every=25, title="1,000 digits by your t-SNE") as watch:
    Y, costs = tsne(X, callback=watch)

# %%
same_class = metrics.same_class_neighbours(Y, labels)
assert same_class > 0.7 and costs[-1] < 1.0
plots.scatter_map(
    Y, labels, title=f"1,000 digits by your t-SNE: {same_class:.0%} of ten map neighbours share the class"
)

# %%
plots.cost_curve(
    costs,
    marks={125: "exaggeration ends"},
    title="The cost of the true P falls fast once the exaggeration ends",
)

# %% [markdown]
# **Think.** During the exaggeration the cost of the true $P$ hardly falls: the map is still tiny. Why do it all the same?
#
# <details><summary>Answer</summary>
#
# The exaggerated phase minimises another cost, one in which neighbours matter twelve times as much. Its balls are a bad map for
# $P$, but a good place to start from: whole neighbourhoods are together. Without it, groups get stuck behind each other, since in the
# plane nothing can pass through a crowd. The clinic in part E shows such a map.
#
# </details>

# %%
progress()

# %% [markdown]
# *This is a good place to stop.* You have written t-SNE. Part D makes it fast, part E is about reading what it draws; for
# homework, part E does not need part D's exercises to be solved.
