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
# people use to look into it nevertheless: **t-SNE**. At the end you read its maps of digits, words, documents and game states,
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
import torch

from course_utils import check, data, hint, metrics, pick_device, plots, progress, widgets

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

# %% [markdown]
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
# Each point has a width $\sigma_i$ of its own: how sharply it tells near from far.
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
# neighbour, with a large one hundreds.

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
# **Why.** $\sigma_i$ has no meaning by itself: a width that is good for one point is bad for another. What we can
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

    P: (n, m), rows are distributions and may hold zeros. Returns an array (n,), without nan at zeros.
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
# **On real data.** One $\sigma$ for all 500 digits. Some of them then have hardly one neighbour, others well over a hundred:

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
#
# Do it once yourself. Here is the digit from above: move $\sigma$ until its perplexity is 30. See how the curve flattens
# as you go, and how small a change of $\sigma$ takes you from few neighbours to nearly all.

# %%
widgets.sigma_explorer(np.sqrt(np.delete(D[7], 7)), title="One digit, three widths: how far it looks")

# %% [markdown]
# [exercise: sigma-search]
# Search all rows at the same time. Two things can make a wish impossible. Among 8 points nobody has 20 neighbours. And a
# point with three twins at distance 0 always has at least three equally likely neighbours. The search then simply ends at
# an end of its interval, and that is the right answer.


# %% exercise="sigma-search"
def find_sigmas(D, target):
    """Widths sigma, such that every row of conditional_affinities(D, sigma) has the perplexity `target`.

    D: (n, n) squared distances of any scale, not all 0 in a row. target: a number > 1. Returns sigma: (n,), finite, > 0.
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
# **On real data.** Every digit now has 30 neighbours. What does its $\sigma$ depend on? Not on how near the neighbours are: the
# factor $e^{+d_1^2/2\sigma^2}$ of the nearest distance $d_1$ cancels in the fraction. It is how much the squared distances
# *differ* among the neighbours that counts, for instance from the first to the 30th:

# %%
sigma = find_sigmas(D, 30)
assert np.allclose(perplexity(conditional_affinities(D, sigma)), 30, rtol=1e-4)
by_distance = np.sort(D, axis=1)  # (n, n): column 0 is the point itself
differ, near = by_distance[:, 30] - by_distance[:, 1], by_distance[:, 1]
correlations = [np.corrcoef(sigma**2, what)[0, 1] for what in (differ, near)]
assert correlations[0] > 0.9 and correlations[1] < 0
print(f"correlation of σ² with d₃₀² − d₁²: {correlations[0]:.2f}, with d₁²: {correlations[1]:.2f}")

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
# With 500 points, 400 neighbours are nearly everybody: the affinities become almost uniform, and less than a fifth of them
# falls within the classes. The perplexity says at which scale you look at the data.
#
# </details>
#
# *This is a good place to stop.*

# %% [markdown]
# # B · From SNE to t-SNE

# %% [markdown]
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
# **P next to Q.** Four data points at 0, 1, 3 and 4 are two pairs of neighbours. This map of them, at 0, 1.5, 2 and 3.5,
# has drawn the wrong ones together. Compare the cells: where did the second point lose its neighbour?

# %%
four = np.array([[0.0], [1.0], [3.0], [4.0]])
P_four = conditional_affinities(squared_distances(four), np.ones(4))  # (4, 4)
Q_four = gaussian_affinities(np.array([[0.0], [1.5], [2.0], [3.5]]))  # (4, 4)
plots.heatmaps(
    {"P of the data": P_four, "Q of the map": Q_four},
    names=[1, 2, 3, 4],
    title="The map gives point 2 another neighbour than the data",
)

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
# map costs nothing directly: its term is 0. In the picture above, point 2 was torn from point 1, and that costs
# $0.806 \log(0.806 / 0.117) = 1.56$; that it was put next to point 3 instead even gives a little back,
# $0.180 \log(0.180 / 0.863) = -0.28$. **SNE punishes tearing neighbours apart, hardly putting strangers together.**

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
# The four points again. Their cost is 2.74, and the two torn pairs alone have run up more than that:

# %%
torn = [P_four[i, j] * np.log(P_four[i, j] / Q_four[i, j]) for i, j in ((1, 0), (2, 3))]
assert np.allclose(torn, 1.56, atol=0.01) and sum(torn) > kl_divergence(P_four, Q_four)
print(f"cost {kl_divergence(P_four, Q_four):.2f}, of the torn pairs {sum(torn):.2f}")

# %% [markdown]
# **On real data.** The cost knows scale: a map that is too large or too small is a bad one, whatever its shape. So compare two
# maps of 500 digits, each at its best scale, with a map of all points on one spot, in which every $q_{j|i}$ is $1/(n-1)$:

# %%
P_cond = conditional_affinities(D, sigma)  # (n, n), rows sum to 1
scales = np.geomspace(0.05, 2, 12)
best_pca, best_random = (
    min(kl_divergence(P_cond, gaussian_affinities(scale * Y)) for scale in scales)
    for Y in (Y_map, rng.normal(size=(500, 2)))
)
one_spot = kl_divergence(P_cond, gaussian_affinities(np.zeros((500, 2))))
assert best_pca < 0.8 * one_spot and best_random > 0.95 * one_spot
print(f"principal components {best_pca:.0f}, random points {best_random:.0f}, one spot {one_spot:.0f}")

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

    P: (n, n), rows sum to 1, diagonal 0. d: (n, n) squared distances of the map, each d_ij and d_ji a number of its own:
    d need not be symmetric. Returns (n, n), diagonal 0. P and d stay as they are.
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
# the three steps go the same way, but with one $Z = \sum_{k \ne l} e^{-d_{kl}}$ for all pairs: $\log q_{ij} = -d_{ij} - \log Z$, so
# $C = \text{const} + \sum_{ij} p_{ij} d_{ij} + \log Z$ and $\partial C / \partial d_{ij} = p_{ij} - q_{ij}$, and because both matrices are
# symmetric, the two halves of the bracket are equal:
#
# $$\frac{\partial C}{\partial y_i} = 4 \sum_j (p_{ij} - q_{ij}) (y_i - y_j) .$$

# %% [markdown]
# [exercise: symmetric-sne-gradient]
# The broadcast $(n, n, 2)$ of the last exercise is the slow part. Split the sum: with $m_{ij} = p_{ij} - q_{ij}$,
# $\sum_j m_{ij} (y_i - y_j) = \big(\sum_j m_{ij}\big)\, y_i - \sum_j m_{ij}\, y_j$, which is a row sum and a matrix product.


# %% exercise="symmetric-sne-gradient"
def symmetric_sne_gradient(P, Y):
    """Gradient of symmetric SNE: dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j); no (n, n, l) array is needed.

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
# the same matrix product, so that only the mathematics differs (SNE also shifts its exponents, for safety):


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

# %% [markdown]
# ## B5 · The crowding problem
#
# **Why.** Run symmetric SNE on the digits, by plain descent, and look at what it makes of the ten classes. (Its forces do not
# fade with distance, so its steps have to be shorter than those of t-SNE later: the rates are about the largest that work.)


# %%
def descend(gradient, P, n_iter=300, rate=50.0):
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
# space around a point grows with its dimension: within radius $r$ lies a share $r^h$ of the unit ball in $h$ dimensions. The distances of
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
# get the right distance, all the others, of which there are many, have to be put much too far away, for lack of room. Each of
# them then has $p > q$ and pulls a little, and together they crush everything into the middle.

# %% [markdown]
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
    """Gradient of t-SNE: dC/dy_i = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j); no (n, n, l) array is needed.

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
gap_ssne, gap_tsne = (metrics.same_class_neighbours(Y, labels) for Y in (Y_ssne, Y_tsne))
assert gap_tsne > gap_ssne + 0.1
title = f"Ten map neighbours share the class: {gap_ssne:.0%} with the Gaussian, {gap_tsne:.0%} with Student-t"
plots.maps_side_by_side([Y_ssne, Y_tsne], labels, titles=["symmetric SNE", "t-SNE"], columns=2, title=title)

# %% [markdown]
# **Think.** The factor $w_{ij}$ was not put in by hand, it came out of the derivative. What would a program do that forgets it?
#
# <details><summary>Answer</summary>
#
# Without $w_{ij}$ the attraction between two points grows with their distance without bound, while the affinities are those of
# Student-t: the vector is the gradient of no cost at all, steps are far too long for distant pairs, and the map explodes or
# oscillates.
#
# </details>

# %% [markdown]
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
# see in each map how many of a digit's ten nearest map points have its class, over three draws of the noise (one start).


# %%
def contaminate(P, share, rng):
    """P with `share` of its mass moved to 1,000 random pairs."""
    noise = np.zeros_like(P)
    i, j = rng.integers(len(P), size=(2, 1000))
    np.add.at(noise, (i[i != j], j[i != j]), 1.0)
    noise = noise + noise.T
    return (1 - share) * P + share * noise / noise.sum()


# %%
P_small = joint_affinities(conditional_affinities(D[:300, :300], find_sigmas(D[:300, :300], 20)))
shares, accuracy = (0.0, 0.2, 0.4), {"symmetric SNE": [], "t-SNE": []}
for share in shares:
    noisy = [contaminate(P_small, share, np.random.default_rng(seed)) for seed in range(3)]
    for name, gradient, rate in (
        ("symmetric SNE", symmetric_sne_gradient, 30.0),
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

# %% [markdown]
# # C · The algorithm

# %% [markdown]
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
# ## C3 · The descent
#
# One trick is left. In the beginning, all $p_{ij}$ are multiplied by 4, **early exaggeration**: attraction wins, each
# neighbourhood contracts to a tight heap that moves through the empty space between the others to its kin. Then the
# exaggeration is taken away and the heaps unfold. (Programs for large data take 12, as part D does.)
#
# | | iterations before `exaggeration_iter` | the rest |
# |---|---|---|
# | affinities in the gradient | $4\,p_{ij}$ | $p_{ij}$ |
# | momentum | 0.5 | 0.8 |

# %% [markdown]
# [exercise: optimise]
# The loop. The cost that you record is that of the *true* $P$, also while the gradient sees the exaggerated one: otherwise
# the curve has a cliff where nothing happened.


# %% exercise="optimise"
def optimise(P, Y, n_iter=400, exaggeration_iter=125, callback=None):
    """Descend from the map Y on the t-SNE cost of P, first exaggerated, then not.

    P: (n, n) joint affinities. Y: (n, 2), which stays as it is. Velocity 0 and gains 1 at the start.
    Step t = 0, 1, ..., n_iter - 1: gradient of 4 P and momentum 0.5 where t < exaggeration_iter, else of P and 0.8;
    learning rate n / 4. If `callback` is given, callback(t + 1, Y, costs[t]) is called after each step: for watching,
    it is not graded.
    Returns (Y, costs): the last Y (n, 2), and an array costs (n_iter,), where costs[t] = KL(P || Q) of the map *before* step t,
    with the true (not exaggerated) P.
    """
    ### BEGIN SOLUTION
    velocity, gains, costs = np.zeros_like(Y), np.ones_like(Y), []
    for t in range(n_iter):
        early = t < exaggeration_iter
        costs.append(kl_divergence(P, student_t_affinities(Y)[0]))
        dC_dY = tsne_gradient(4 * P if early else P, Y)
        Y, velocity, gains = optimiser_step(Y, velocity, gains, dC_dY, len(P) / 4, 0.5 if early else 0.8)
        if callback is not None:
            callback(t + 1, Y, costs[t])
    return Y, np.array(costs)
    ### END SOLUTION


# %%
check("optimise")

# %% [markdown]
# [hints: optimise]

# %% [markdown]
# ## C4 · The whole algorithm

# %% [markdown]
# [exercise: tsne]
# From data to map: distances, widths, affinities, start, descent. All of them are yours.


# %% exercise="tsne"
def tsne(X, perplexity=30.0, n_iter=400, exaggeration_iter=125, callback=None):
    """t-SNE of X (n, d): joint affinities with the given perplexity, start from pca_start, then optimise.

    Returns (Y, costs), as `optimise` does; n_iter, exaggeration_iter and callback (not graded) are passed on to it.
    """
    ### BEGIN SOLUTION
    D = squared_distances(X)
    P = joint_affinities(conditional_affinities(D, find_sigmas(D, perplexity)))
    return optimise(P, pca_start(X), n_iter, exaggeration_iter, callback)
    ### END SOLUTION


# %%
check("tsne")

# %% [markdown]
# [hints: tsne]

# %% [markdown]
# **On real data.** One thousand digits, 400 iterations, watched as it runs (about ten seconds):

# %% tags=["nbval-ignore-output"]
images_1000, labels_1000 = data.mnist(1000)
X_1000 = images_1000.reshape(1000, -1) / 255.0
with plots.Watch(labels_1000, every=25, title="1,000 digits by your t-SNE") as watch:
    Y, costs = tsne(X_1000, callback=watch)

# %%
same_class = metrics.same_class_neighbours(Y, labels_1000)
assert same_class > 0.7 and costs[-1] < 0.9
title = f"1,000 digits by your t-SNE: {same_class:.0%} of ten map neighbours share the class"
plots.scatter_map(Y, labels_1000, title=title)

# %%
plots.cost_curve(
    costs, marks={125: "exaggeration ends"}, title="The cost of the true P falls once more when the exaggeration ends"
)

# %% [markdown]
# ## C5 · What the start and the exaggeration are good for
#
# Claims want a control. The same 500 digits with and without early exaggeration, from the principal components and from three
# random starts; what counts is the final cost.

# %%
starts = {"principal components": pca_start(X)}
starts |= {f"random start {seed}": 1e-4 * np.random.default_rng(seed).normal(size=(500, 2)) for seed in range(3)}
final = {name: [optimise(P, start, 300, late)[1][-1] for late in (0, 100)] for name, start in starts.items()}
for name, (without, with_it) in final.items():
    print(f"{name:20} without exaggeration {without:.2f}, with it {with_it:.2f}")
gains = np.array([without - with_it for without, with_it in final.values()])
assert (gains[1:] > 0.03).all() and gains[1:].mean() > gains[0]

# %% [markdown]
# From random starts the exaggeration helps each time, and with it the end hardly depends on the start. From principal components
# there is less to gain: they have already put kin near kin. Both do the same job: they settle who is near whom *before* the heaps
# unfold.
#
# **Think.** Why is it too late to do that afterwards?
#
# <details><summary>Answer</summary>
#
# In the plane nothing can pass through a crowd. Once the classes have unfolded and fill the map, a group on the wrong side
# would have to push through all the others to reach its kin, uphill in cost. While all is small and the neighbourhoods are tight,
# they slip past each other.
#
# </details>

# %%
progress()

# %% [markdown]
# *This is a good place to stop.* You have written t-SNE. Part D makes it fast, part E is about reading what it draws; for
# homework, part E does not need part D's exercises to be solved.

# %% [markdown]
# # D · Scale
#
# *Optional for homework; about an hour.* Your t-SNE of part C works with whole $n \times n$ matrices. For 1,000 digits that
# is nothing. For 10,000 it is minutes, and for all 70,000 digits of MNIST the matrix $P$ alone does not fit into a laptop:

# %%
import functools
import warnings

from scipy.fft import next_fast_len

for n in (1_000, 10_000, 70_000):
    print(f"n = {n:6,}: one n × n matrix {8 * n**2 / 1e9:6.2f} GB, one n × n × 2 array {16 * n**2 / 1e9:6.2f} GB")

# %% [markdown]
# In this part you write a t-SNE whose memory grows like $n$, and the time of its steps nearly does. (To find the
# neighbours, all pairs are still compared, but only once.) It is written in **torch**, so
# that the same lines run on a CPU or on a graphics card (`device` above says which one this is). Each piece is
# compared with what you wrote in NumPy before it is used.

# %% [markdown]
# ## D1 · Two forces
#
# **The formula.** Write $w_{ij} = (1 + \|y_i - y_j\|^2)^{-1}$ and $Z = \sum_{k \neq l} w_{kl}$, so that $q_{ij} = w_{ij} / Z$.
# Put this into the gradient of part B and multiply out:
#
# $$\frac{dC}{dy_i} = 4 \sum_j (p_{ij} - q_{ij})\, w_{ij}\, (y_i - y_j)
#   = 4 \Big( \underbrace{\sum_j p_{ij} w_{ij} (y_i - y_j)}_{\text{attraction}}
#   - \frac{1}{Z} \underbrace{\sum_j w_{ij}^2 (y_i - y_j)}_{\text{repulsion } F_i} \Big).$$
#
# The two sums are difficult in different ways. **Attraction** has the weights $p_{ij}$, and nearly all of them are nearly
# zero: sum over few pairs (D2, D3). **Repulsion** acts between all pairs, but there are no weights in it: it is a
# smooth function of the place in the map, and a smooth function can be computed on a coarse grid (D4 to D6).
#
# **By hand.** Three points on a line at 0, 1 and 3, as before: $w_{12} = \frac12$, $w_{13} = \frac1{10}$,
# $w_{23} = \frac15$, so $Z = 2 (0.5 + 0.1 + 0.2) = 1.6$, and $F_1 = \frac14 (0 - 1) + \frac1{100} (0 - 3) = -0.28$. As a
# loop, tiny and obvious:


# %%
def gradient_loop(P, Y):
    """dC_dY (n, 2), and the repulsion F (n, 2) with its Z, by a loop over all pairs. P: (n, n), Y: (n, 2)."""
    n, attraction, F, Z = len(Y), np.zeros_like(Y), np.zeros_like(Y), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                w = 1 / (1 + ((Y[i] - Y[j]) ** 2).sum())
                attraction[i] += P[i, j] * w * (Y[i] - Y[j])
                F[i] += w**2 * (Y[i] - Y[j])
                Z += w
    return 4 * (attraction - F / Z), F, Z


Y_hand = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
P_hand = (1 - np.eye(3)) / 6
dC_dY, F, Z = gradient_loop(P_hand, Y_hand)
assert np.allclose(dC_dY, tsne_gradient(P_hand, Y_hand)), "the two forces together are the gradient of part B"
print(f"Z = {Z:.2f}, F_1 = {F[0, 0]:.2f}")

# %% [markdown]
# First the repulsion, exactly, without ever holding an $n \times n$ matrix: take a **tile** of rows at a time.

# %% [markdown]
# [exercise: tiled-repulsion]
# Add up $Z$ and fill $F$ tile by tile. As in part A, no $(n, n, 2)$ array is needed: the squared distance is the sum of two
# squares, and $\sum_j w_{ij}^2 (y_i - y_j) = (\sum_j w_{ij}^2)\, y_i - \sum_j w_{ij}^2\, y_j$ is a row sum and a matrix product.


# %% exercise="tiled-repulsion"
def tiled_repulsion(Y, tile=1024):
    """Exact repulsion of t-SNE: F_i = sum_j w_ij^2 (y_i - y_j) and Z = sum_{k != l} w_kl.

    w_ij = 1 / (1 + ||y_i - y_j||^2); the pairs (i, i) count neither in F nor in Z.
    Y: (n, 2) torch floats on any device. tile: rows at a time, any number >= 1, also one that does not divide n.
    Returns (F, Z): F (n, 2), Z a tensor with shape (), both with the dtype, in the precision and on the device of Y.
    No array has more than tile * n entries (or those of Y and F). Y stays as it is.
    """
    ### BEGIN SOLUTION
    F, Z = torch.empty_like(Y), Y.new_zeros(())
    for start in range(0, len(Y), tile):
        rows = slice(start, start + tile)
        W = 1 / (1 + (Y[rows, :1] - Y[:, 0]) ** 2 + (Y[rows, 1:] - Y[:, 1]) ** 2)  # (tile, n)
        W.diagonal(start).zero_()  # the pairs (i, i)
        Z += W.sum()
        W *= W
        F[rows] = W.sum(1, keepdim=True) * Y[rows] - W @ Y
    return F, Z
    ### END SOLUTION


# %%
check("tiled-repulsion")

# %% [markdown]
# [hints: tiled-repulsion]

# %% [markdown]
# **On real data.** The map of part C, with tiles of 300 rows, in double precision. It agrees with the $n \times n$ matrices
# of part B to rounding: the sums are taken in another order, and that costs a few units in the 15th digit.

# %%
Q, W = student_t_affinities(Y)  # (n, n) each
F, Z = tiled_repulsion(torch.as_tensor(Y), tile=300)
assert np.allclose(Z * torch.as_tensor(Q), W, rtol=1e-12), "Z is what turns Q into W"
assert metrics.relative_error(-4 * F / Z, tsne_gradient(np.zeros_like(Q), Y)) < 1e-12, (
    "without P only repulsion is left"
)

# %% [markdown]
# ## D2 · Neighbours only
#
# **Why.** Attraction needs $p_{ij}$. How many of them matter? Here is the share of its probability that an average digit
# gives to its $k$ nearest others, at perplexity 30:

# %%
D = squared_distances(X[:500])  # (n, n) = (500, 500)
P_cond = conditional_affinities(D, find_sigmas(D, 30.0))  # (n, n)
share = np.cumsum(-np.sort(-P_cond, axis=1), axis=1).mean(0)  # (n,)
k_seen = np.arange(1, 201)
plots.curves(
    k_seen,
    {"share of the probability": share[:200]},
    xlabel="nearest neighbours k",
    ylabel="share of the row's probability",
    title=f"{share[89]:.0%} of the probability lies on 90 neighbours: three times the perplexity",
)

# %% [markdown]
# So keep the $k = 3 \cdot$ perplexity nearest neighbours of each point and forget the other pairs, as all fast programs do.
# That leaves $n k$ numbers, and to find them, distances are again made by blocks of rows.

# %% [markdown]
# [exercise: block-neighbours]
# Distances of a block of rows to all points, as in A1; then `torch.topk`. The point itself must go *before* the smallest are
# taken, and by its position, not by its distance: a duplicate of it is also at distance 0, and is a neighbour.


# %% exercise="block-neighbours"
def nearest_neighbours(X, k, block=1024):
    """The k nearest other points of every point, by blocks of rows.

    X: (n, d) torch floats on any device. 1 <= k <= n - 1. block: rows at a time, any number >= 1.
    Returns (D, J): D (n, k) squared Euclidean distances, ascending in each row, never negative; J (n, k) int64, where
    J[i, a] is the index of the point at distance D[i, a]. Point i is never in row i; duplicates of it (at distance 0,
    up to rounding) are. Among equal distances any order and any choice is right.
    No array has more than block * n entries (or those of X, D, J). X stays as it is.
    """
    ### BEGIN SOLUTION
    norms, D, J = (X * X).sum(1), [], []
    for start in range(0, len(X), block):
        rows = slice(start, start + block)
        distances = (norms[rows, None] + norms - 2 * X[rows] @ X.T).clamp_(min=0)  # (block, n)
        distances.diagonal(start).fill_(torch.inf)  # not the point itself
        nearest = distances.topk(k, dim=1, largest=False)
        D.append(nearest.values)
        J.append(nearest.indices)
    return torch.cat(D), torch.cat(J)  # (n, k) each
    ### END SOLUTION


# %%
check("block-neighbours")

# %% [markdown]
# [hints: block-neighbours]

# %% [markdown]
# **On real data.** From here on all 10,000 digits, in their first 50 principal components. A digit, and its neighbours
# number 1, 2, 3, then 30 and 90:

# %%
images_all, labels_all = data.mnist()
X_all = torch.as_tensor(images_all.reshape(len(images_all), -1) / 255.0, dtype=torch.float32)  # (n, 784)
X_all = X_all - X_all.mean(0)
axes = torch.linalg.eigh(X_all.T @ X_all).eigenvectors[:, -50:]  # (784, 50): the directions of largest variance
X_all = (X_all @ axes).to(device)  # (n, 50)
D_near, J = nearest_neighbours(X_all, 90)  # (n, 90) each
plots.image_row(
    images_all[[7, *J[7, [0, 1, 2, 29, 89]].tolist()]], title="A digit, then its neighbours 1, 2, 3, 30 and 90"
)

# %% [markdown]
# The search for $\sigma_i$ of part A now runs on $n \times k$ distances. It halves an interval for $\log \beta_i$, where
# $\beta_i = 1 / 2\sigma_i^2$ is measured in units of the row's mean distance, so that one interval does for all data.


# %%
def neighbour_affinities(D, target, n_halvings=32):
    """p(j|i) on the neighbours only: rows (n, k) of sum 1 and perplexity `target`, from squared distances D (n, k).

    Where no sigma reaches the target, the row is as near to it as it can be.
    """
    D = D - D.amin(1, keepdim=True)  # the largest exponent is 0: nothing overflows
    D = D / D.mean(1, keepdim=True).clamp(min=1e-30)
    low, high = torch.full_like(D[:, :1], -20), torch.full_like(D[:, :1], 20)  # (n, 1) bounds of log(beta)
    for _ in range(n_halvings):
        beta = ((low + high) / 2).exp()
        E = (-beta * D).exp()
        S = E.sum(1, keepdim=True)
        entropy = S.log() + beta * (E * D).sum(1, keepdim=True) / S  # -sum p log p, with log p = -beta D - log S
        too_wide = entropy > np.log(target)
        low, high = torch.where(too_wide, beta.log(), low), torch.where(too_wide, high, beta.log())
    return E / S


P_near = neighbour_affinities(D_near, 30.0)  # (n, 90)
reached = torch.special.entr(P_near).sum(1).exp()  # perplexities
assert (reached - 30).abs().max() < 0.01

# %% [markdown]
# Neighbourhood is not mutual: *j* may be among the nearest of *i*, and *i* not among those of *j*. So the symmetric
# $p_{ij} = (p_{j|i} + p_{i|j}) / 2n$ has more pairs than $nk$, but each of its rows is still short. It is kept as a list of
# **edges**: $i$, $j$ and $p_{ij}$, sorted by $i$. Writing each pair as the one number $i \cdot n + j$ makes it a matter of
# sorting.


# %%
def symmetric_edges(J, P_cond):
    """The joint affinities as edges: i, j (m,) int64, sorted by i, then j, and p (m,) with sum 1, both directions there.

    J: (n, k) neighbours; P_cond: (n, k) their p(j|i).
    """
    n, k = J.shape
    i, j = torch.arange(n, device=J.device).repeat_interleave(k), J.reshape(-1)
    half = P_cond.reshape(-1) / (2 * n)  # what p(j|i) gives to p_ij, and also to p_ji
    pairs, place = torch.unique(torch.cat([i * n + j, j * n + i]), return_inverse=True)
    p = torch.zeros_like(pairs, dtype=half.dtype).index_add_(0, place, torch.cat([half, half]))
    return pairs // n, pairs % n, p


i, j, p = symmetric_edges(J, P_near)
assert (i != j).all() and abs(p.sum() - 1) < 1e-4
print(f"{len(p):,} edges instead of {len(J) ** 2:,} pairs: {len(p) / len(J) ** 2:.1%}")

# %% [markdown]
# With *all* others as neighbours nothing is left out, and the edges must be the $P$ of part A. They are, for 200 digits:

# %%
X_few = X_all[:200].cpu().double()
D_few = squared_distances(X_few.numpy())
P_few = joint_affinities(conditional_affinities(D_few, find_sigmas(D_few, 30.0)))  # (200, 200), your NumPy
i_few, j_few, p_few = symmetric_edges(
    nearest_neighbours(X_few, 199)[1], neighbour_affinities(nearest_neighbours(X_few, 199)[0], 30.0)
)
assert np.allclose(P_few[i_few, j_few], p_few, rtol=1e-3, atol=1e-12)

# %% [markdown]
# ## D3 · Attraction along edges
#
# **By hand.** Points at 0, 1 and 3 and a single pair of neighbours, $p_{12} = p_{21} = \frac12$. The edges are (1, 2) and (2, 1);
# $F_1 = \frac12 \cdot \frac12 \cdot (0 - 1) = -\frac14$, $F_2 = +\frac14$, and the third point feels nothing. (In Python they
# are numbers 0, 1 and 2.)

# %% [markdown]
# [exercise: sparse-attraction]
# One value an edge, then add each to the row of its $i$. Beware: `F[i] += ...` keeps only *one* of the values that go to the
# same row. `index_add_` adds them all.


# %% exercise="sparse-attraction"
def sparse_attraction(Y, i, j, p):
    """Attraction of t-SNE along edges: F_i = sum over the edges (i, j) of p_ij w_ij (y_i - y_j).

    w_ij = 1 / (1 + ||y_i - y_j||^2). Y: (n, 2) torch floats on any device.
    i, j: (m,) int64, the edges in any order, none twice, each direction its own edge. p: (m,) weights, dtype of Y.
    Returns F: (n, 2) in Y's precision, 0 for a point that is no edge's i; no factor 4. Y, i, j and p stay as they are.
    """
    ### BEGIN SOLUTION
    difference = Y[i] - Y[j]  # (m, 2)
    weight = p / (1 + (difference**2).sum(1))  # (m,)
    return torch.zeros_like(Y).index_add_(0, i, weight[:, None] * difference)
    ### END SOLUTION


# %%
check("sparse-attraction")

# %% [markdown]
# [hints: sparse-attraction]

# %% [markdown]
# **On real data.** Both forces together are the gradient of part B, on the same 200 digits. In double precision the rest is
# rounding; $P$ is taken from the edges here, so that only the forces are compared.

# %%
P_dense = np.zeros((200, 200))
P_dense[i_few, j_few] = p_few
Y_few = rng.normal(size=(200, 2)) * 5  # (n, 2)
F, Z = tiled_repulsion(torch.as_tensor(Y_few))
dC_dY = 4 * (sparse_attraction(torch.as_tensor(Y_few), i_few, j_few, p_few) - F / Z)
assert metrics.relative_error(dC_dY, tsne_gradient(P_dense, Y_few)) < 1e-12

# %% [markdown]
# Adding values one by one into random rows is slow. Since the edges are sorted by $i$, they are a matrix in *compressed sparse
# rows*, and a product of the sparse $(p_{ij} w_{ij})$ with $[Y, 1]$ gives both $\sum_j p_{ij} w_{ij} y_j$ and $\sum_j p_{ij} w_{ij}$.
# The times below say what that saves. Not every device has such matrices (Apple's has not), so your function stays in use there.


# %%
def csr_attraction(n, i, j, p):
    """A function Y -> F that equals sparse_attraction(Y, i, j, p), for edges sorted by i, on a CPU or a CUDA device."""
    starts = torch.searchsorted(i, torch.arange(n + 1, device=i.device)).int()  # where each row begins, (n + 1,)
    columns = j.int()
    with warnings.catch_warnings():  # torch says once that these matrices are a beta feature
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(starts, columns, p, (n, n))

    def attraction(Y):
        x, y = Y.T.contiguous()  # gathers from one short array at a time stay in the processor's cache
        dx = x.index_select(0, i).sub_(x.index_select(0, j))
        dy = y.index_select(0, i).sub_(y.index_select(0, j))
        w = p / dx.mul_(dx).addcmul_(dy, dy).add_(1)  # (m,), in place: fresh memory for each step would cost time
        sums = torch.sparse_csr_tensor(starts, columns, w, (n, n)) @ torch.cat([Y, torch.ones_like(Y[:, :1])], 1)
        return sums[:, 2:] * Y - sums[:, :2]

    return attraction


def attraction_along(n, i, j, p):
    """The fastest function Y -> sparse_attraction(Y, i, j, p) that this device has."""
    if i.device.type in ("cpu", "cuda"):
        return csr_attraction(n, i, j, p)
    return lambda Y: sparse_attraction(Y, i, j, p)


Y_few = torch.as_tensor(Y_few)
F_slow = sparse_attraction(Y_few, i_few, j_few, p_few)
assert torch.allclose(csr_attraction(200, i_few, j_few, p_few)(Y_few), F_slow, rtol=1e-10)

# %% tags=["nbval-ignore-output"]
Y_start = X_all[:, -2:].contiguous()  # (n, 2): any map will do for the time
rows_first = attraction_along(len(J), i, j, p)
times = metrics.seconds(sparse_attraction, Y_start, i, j, p), metrics.seconds(rows_first, Y_start)
print(f"{len(p):,} edges: one by one {1000 * times[0]:.1f} ms, as compressed rows {1000 * times[1]:.1f} ms")

# %% [markdown]
# ## D4 · A smooth function needs few numbers
#
# **Why.** Repulsion at a point $y$ is a sum over all others, $\phi(y) = \sum_j K(y - y_j)$ with $K(r) = (1 + \|r\|^2)^{-1}$ (that one
# gives $Z$) or $K^2$. For $n$ points this costs $n^2$. But $K$ is smooth: between a few **nodes**, a parabola describes it well. So
# (Linderman et al., 2019) put nodes on a regular grid, sum *there*, and interpolate.
#
# **By hand.** A cell reaches from 0 to 1 and has three nodes, at $\frac16, \frac12, \frac56$, so that neighbouring cells continue
# them at equal distances of $\frac13$. Through three values goes exactly one parabola:
#
# $$f(t) \approx \sum_{a=1}^3 L_a(t)\, f(t_a), \qquad L_a(t) = \prod_{b \neq a} \frac{t - t_b}{t_a - t_b},$$
#
# for $L_a$ is 1 at node $a$ and 0 at the two others. In the middle, at $t = \frac12$: $L = (0, 1, 0)$. At the left edge, $t = 0$:
# $L_1 = \frac{(0 - 1/2)(0 - 5/6)}{(1/6 - 1/2)(1/6 - 5/6)} = \frac{5/12}{2/9} = \frac{15}{8}$, and likewise
# $L_2 = -\frac{10}{8}$, $L_3 = \frac38$: together 1, since constants are reproduced.

# %% [markdown]
# [exercise: interpolation-weights]
# Three products. The denominators are numbers: work them out once.


# %% exercise="interpolation-weights"
def interpolation_weights(t):
    """The three Lagrange polynomials with nodes 1/6, 1/2 and 5/6, at the positions t.

    t: (n,) torch floats in [0, 1] on any device. Returns W: (n, 3), W[:, a] = L_a(t), in the dtype and precision of t.
    L_a is the parabola that is 1 at node a and 0 at the two other nodes. t stays as it is.
    """
    ### BEGIN SOLUTION
    first, second, third = t - 1 / 6, t - 1 / 2, t - 5 / 6
    return torch.stack([4.5 * second * third, -9 * first * third, 4.5 * first * second], dim=1)
    ### END SOLUTION


# %%
check("interpolation-weights")

# %% [markdown]
# [hints: interpolation-weights]

# %%
t = torch.linspace(0, 1, 101, dtype=torch.float64)
L = interpolation_weights(t)  # (101, 3)
nodes = torch.tensor([1 / 6, 1 / 2, 5 / 6], dtype=torch.float64)
assert torch.allclose(L @ nodes**2, t**2), "parabolas are reproduced exactly"
plots.curves(
    t.numpy(),
    {"$L_1$": L[:, 0], "$L_2$": L[:, 1], "$L_3$": L[:, 2]},
    xlabel="position t in the cell",
    ylabel="weight of the node",
    title="Each parabola is 1 at its own node and 0 at the two others",
)

# %% [markdown]
# **On the kernel.** $K(r)$ on a line, interpolated from nodes that are 1, ½ and ¼ apart. Each position is given the
# cell in whose *middle third* it lies: cells may overlap, and in the middle a parabola is nearest to the truth. (Nodes are a
# third of a cell apart, so a step of one `spacing` is a step of $\frac13$ in $t$.)


# %%
def interpolated(f, y, spacing):
    """f at the positions y (n,), from its values at the three nodes nearest to each; nodes at multiples of spacing."""
    middle = torch.round(y / spacing)
    t = 0.5 + (y / spacing - middle) / 3  # (n,), between 1/3 and 2/3
    values = f(spacing * (middle[:, None] + torch.tensor([-1.0, 0.0, 1.0])))  # (n, 3)
    return (interpolation_weights(t) * values).sum(1)


def kernel_on_line(r):
    """K(r) = 1 / (1 + r^2) for distances r of any shape."""
    return 1 / (1 + r**2)


r = torch.linspace(-4, 4, 801, dtype=torch.float64)
K_r = kernel_on_line(r)
errors = {f"nodes {h} apart": interpolated(kernel_on_line, r, h) - K_r for h in (1.0, 0.5, 0.25)}
largest = [float(error.abs().max()) for error in errors.values()]
print("largest errors:", *(f"{error:.4f}" for error in largest))
plots.curves(
    r.numpy(),
    errors,
    xlabel="distance r",
    ylabel="interpolated − true",
    title="Nodes half as far apart: a much smaller error",
)

# %% [markdown]
# **Interpolate both ends.** The same weights that read a value *from* nodes also give a charge *to* nodes. With $L_a(y)$ for the
# weight of node $a$ at the place $y$ (0 for all but the nearest nodes),
#
# $$\sum_j K(y_i - y_j) \approx \sum_a L_a(y_i) \sum_b K(a - b) \sum_j L_b(y_j).$$
#
# From the right: **spread** each point's charge on its nodes ($n$ small steps), **sum** over pairs of nodes, **gather** from the nodes
# ($n$ small steps). In the plane a point has $3 \times 3$ nodes, whose weights are products.


# %%
def grid_stencils(Y, spacing):
    """The 3 x 3 nearest nodes of every point of Y (n, 2), on a square grid of m x m nodes that are `spacing` apart.

    Returns (m, nodes, weights): nodes (n, 9) int64, numbered row * m + column; weights (n, 9) of Y's dtype.
    """
    u = (Y - Y.amin(0)) / spacing + 1  # (n, 2) in units of the spacing; one node to spare on every side
    middle = u.round()
    L = [interpolation_weights(t) for t in (0.5 + (u - middle) / 3).T]  # rows, columns: (n, 3) each
    m = int(u.max()) + 3
    row, column = (middle.long()[:, :, None] + torch.arange(-1, 2, device=Y.device)).unbind(1)  # (n, 3) each
    nodes = row[:, :, None] * m + column[:, None, :]  # (n, 3, 3)
    return m, nodes.flatten(1), (L[0][:, :, None] * L[1][:, None, :]).flatten(1)


m, nodes, weights = grid_stencils(torch.as_tensor(Y[::125] / 16), 0.5)  # 8 points of the map of part C, made smaller
assert torch.allclose(weights.sum(1), torch.ones(len(weights), dtype=weights.dtype))
plots.stencils(m, nodes.numpy(), weights.numpy(), title="Each point shares its charge among the nine nodes around it")

# %% [markdown]
# ## D5 · The sum over nodes is a convolution
#
# **Why.** Between $m^2$ nodes there are $m^4$ pairs. But the nodes are regular: $K(a - b)$ depends only on the *offset* of two nodes,
# and such a sum is a convolution. The Fourier transform turns a convolution into a product, and the fast Fourier transform
# takes $m^2 \log m$ steps.
#
# **By hand.** On a line with four nodes, a charge 1 on the first, and the kernel $(4, 2, 1, 0)$ at the offsets 0 to 3. What reaches
# the nodes is $(4, 2, 1, 0)$. But the Fourier transform lives on a *circle*: the fourth node is also the left neighbour of the first.


# %%
def convolve_line(charges, kernel, size):
    """out[r] = sum_s kernel[|r - s|] charges[s] on a circle of `size` nodes; right where size >= 2 m - 1."""
    offset = np.minimum(np.arange(size), size - np.arange(size))  # distance to node 0 around the circle
    circle = np.where(offset < len(kernel), kernel[np.minimum(offset, len(kernel) - 1)], 0)
    product = np.fft.rfft(charges, n=size) * np.fft.rfft(circle)  # charges are continued with zeros
    return np.fft.irfft(product, n=size)[: len(charges)]


charges, line_kernel = np.array([1.0, 0, 0, 0]), np.array([4.0, 2, 1, 0])
print(
    "on 4 nodes:",
    convolve_line(charges, line_kernel, 4).round(6),
    " on 7 nodes:",
    convolve_line(charges, line_kernel, 7).round(6),
)

# %% [markdown]
# Around the circle of four, 2 came back to the last node: it is wrong. With three empty nodes more nobody meets anybody on the way
# round: $2m - 1$ nodes are enough. The same with 40 nodes and the kernel $K$, charges on both ends:

# %%
charges, offsets = np.zeros(40), np.arange(40)
charges[[2, 34]] = 1, 2
line_kernel = 1 / (1 + (offsets / 3) ** 2)
truth = np.array([sum(line_kernel[abs(r - s)] * charges[s] for s in offsets) for r in offsets])  # loops: obvious
wrapped, padded = (convolve_line(charges, line_kernel, size) for size in (40, 79))
assert np.allclose(padded, truth) and not np.allclose(wrapped, truth)
plots.curves(
    offsets,
    {"loop over all pairs": truth, "FFT without padding": wrapped, "FFT with padding to 2m − 1": padded},
    xlabel="node",
    ylabel="sum of K · charge",
    title="Without padding, forces come in from the other side",
)

# %% [markdown]
# [exercise: fft-convolution]
# Now in the plane. Kernel values are given for offsets $0 \dots m - 1$ in each direction and are the same for negative offsets:
# on the circle of $2m - 1$ nodes these are the ones counted backwards.


# %% exercise="fft-convolution"
def convolve_grid(charges, kernel):
    """out[r, c] = sum_{r', c'} kernel[|r - r'|, |c - c'|] charges[r', c'], by FFT with zero padding.

    charges: (m, m) torch floats on any device, m >= 1. kernel: (m, m), dtype and device of charges; kernel[a, b] is the
    value at a row offset of +a or -a and a column offset of +b or -b; it need not be symmetric or fall off.
    Returns out: (m, m), real, in charges' dtype and precision, the sum over all pairs: nothing wraps around.
    A loop over nodes passes, but takes minutes below. charges and kernel stay as they are.
    """
    ### BEGIN SOLUTION
    m, size = len(charges), 2 * len(charges) - 1
    steps = torch.arange(size, device=charges.device)
    offset = torch.minimum(steps, size - steps)  # 0, 1, ..., m - 1, m - 1, ..., 1
    circle = kernel[offset][:, offset]  # (size, size)
    product = torch.fft.rfft2(charges, s=(size, size)) * torch.fft.rfft2(circle)
    return torch.fft.irfft2(product, s=(size, size))[:m, :m]
    ### END SOLUTION


# %%
check("fft-convolution")

# %% [markdown]
# [hints: fft-convolution]

# %% [markdown]
# ## D6 · Repulsion on a grid
#
# **The formula.** Four convolutions do it: $K$ with charge 1 gives $Z$, and, since
# $F_i = y_i \sum_j K^2(y_i - y_j) - \sum_j K^2(y_i - y_j)\, y_j$, the kernel $K^2$ with the charges 1 and both coordinates gives $F$.
# (Each sum over $j$ contains $j = i$: 1 too much for each point in $Z$; nothing in $F$, where $y_i - y_i = 0$.)


# %%
def interpolated_repulsion(Y, spacing=0.5):
    """The F (n, 2) and Z of tiled_repulsion, from a grid of nodes `spacing` apart. Y: (n, 2)."""
    Y = Y - Y.mean(0)  # forces do not change, and rounding is smallest near 0
    m, nodes, weights = grid_stencils(Y, spacing)
    r = spacing * torch.arange(m, dtype=Y.dtype, device=Y.device)
    K = 1 / (1 + r[:, None] ** 2 + r**2)  # (m, m)

    def field(charge, kernel):  # (n,) -> (n,): spread, convolve, gather
        grid = Y.new_zeros(m * m).index_add_(0, nodes.flatten(), (weights * charge[:, None]).flatten())
        return (weights * convolve_grid(grid.view(m, m), kernel).flatten()[nodes]).sum(1)

    one = torch.ones_like(Y[:, 0])
    Z = field(one, K).sum() - len(Y)
    return Y * field(one, K**2)[:, None] - torch.stack([field(y, K**2) for y in Y.T], 1), Z


# %% [markdown]
# **How near is it?** The map of part C, against the exact forces, for ever closer nodes. The error of the forces is their root mean
# square difference, as a share of their root mean square:


# %%
def force_error(F, F_exact):
    """Root mean square difference of two sets of forces (n, 2), as a share of the exact ones'."""
    return float((F - F_exact).norm() / F_exact.norm())


Y_map = torch.as_tensor(Y)  # (1000, 2) in float64
F_exact, Z_exact = tiled_repulsion(Y_map)
spacings = [1.0, 0.5, 0.25, 0.125]
errors = [force_error(interpolated_repulsion(Y_map, h)[0], F_exact) for h in spacings]
for h, error in zip(spacings, errors, strict=True):
    print(f"nodes {h:5} apart: forces off by {error:.2%}")
assert errors[1] < 0.08 and errors[3] < errors[1] / 30

# %% [markdown]
# It converges to the exact forces; once the nodes are near enough, by nearly $2^3$ for each halving, as it must. At a spacing of ½, the one used from here on, the
# forces are off by about five percent; openTSNE's default, three nodes a unit in cells that do not overlap, is off by nearly as much (D8 has the
# figures). The tolerance that this notebook states for FFT forces is therefore **8 %**, root mean square. It does not harm the map:
# the errors come from the *nearest* pairs, point this way and that as a point moves through its cell, and average out over the
# iterations. The exact cost of the final map, in D8, is the proof.
#
# **Faster, in four small ways,** all of them plain:
#
# - the kernels do not depend on the points: their transforms are kept for each grid size (`lru_cache`);
# - the charge 1 is transformed once and used with both kernels: seven transforms are left of twelve;
# - a Fourier transform is fast for sizes whose factors are 2, 3 and 5, and faster yet for multiples of 8: pad up to the next one;
# - half of the padded rows are zeros: the first pass, along the rows, leaves them out, and so does the last one on the way back.


# %%
@functools.lru_cache(maxsize=16)
def kernel_transforms(size, spacing, dtype, device):
    """Fourier transforms of K and K^2 on the circle of size x size nodes. They are real, for the kernels are even."""
    steps = np.arange(size)
    r = torch.as_tensor(spacing * np.minimum(steps, size - steps))  # (size,) in float64, on the CPU
    K = 1 / (1 + r[:, None] ** 2 + r**2)
    return [torch.fft.rfft2(k).real.to(device, dtype) for k in (K, K**2)]  # (size, size // 2 + 1) each


def fft_repulsion(Y, spacing=0.5):
    """The same F (n, 2) and Z as interpolated_repulsion, faster. Y: (n, 2)."""
    Y = Y - Y.mean(0)
    m, nodes, weights = grid_stencils(Y, spacing)
    size = 8 * next_fast_len(-(-(2 * m - 1) // 8), real=True)  # the next multiple of 8 with factors 2, 3, 5
    K, K2 = kernel_transforms(size, spacing, Y.dtype, Y.device)

    def spread(charges):  # (n, 1) or a number -> spectrum
        grid = Y.new_zeros(m * m).index_add_(0, nodes.flatten(), (weights * charges).flatten()).view(m, m)
        return torch.fft.fft(torch.fft.rfft(grid, n=size), n=size, dim=0)

    def gather(spectrum):  # -> (n,)
        grid = torch.fft.irfft(torch.fft.ifft(spectrum, dim=0)[:m], n=size)[:, :m].flatten()
        return (weights * grid.index_select(0, nodes.flatten()).view_as(weights)).sum(1)

    one = spread(1.0)
    Z = gather(one * K).sum() - len(Y)
    Y_sum = torch.stack([gather(spread(y[:, None]) * K2) for y in Y.T], 1)  # (n, 2)
    return gather(one * K2)[:, None] * Y - Y_sum, Z


for got, clear in zip(fft_repulsion(Y_map), interpolated_repulsion(Y_map), strict=True):
    assert torch.allclose(got, clear, rtol=1e-9, atol=1e-9)

# %% [markdown]
# **Think.** The grid covers the whole map, so a map with one far outlier needs a large grid. What happens to the time, and to the forces, if
# a point flies off to (1000, 1000)?
#
# <details><summary>Answer</summary>
#
# The forces stay right, but the grid grows to 2,000 × 2,000 nodes, padded to 4,000 × 4,000: about 270 times as many as a map
# needs that is 60 wide, and nearly all of a step's time goes there. Barnes and Hut's tree, which scikit-learn uses, does not mind outliers: it makes small cells only where points are. openTSNE
# limits how far a point moves in one step. A well-chosen learning rate does the rest.
#
# </details>

# %% [markdown]
# ## D7 · The whole, on any device
#
# The optimiser's step in torch, equal to yours in NumPy:


# %%
def torch_step(Y, velocity, gains, dC_dY, learning_rate, momentum):
    """What optimiser_step does, for torch tensors on any device."""
    gains = torch.where(dC_dY * velocity < 0, gains + 0.2, gains * 0.8).clamp(min=0.01)
    velocity = momentum * velocity - learning_rate * gains * dC_dY
    return Y + velocity, velocity, gains


state = [rng.normal(size=(50, 2)) for _ in range(4)]
state[3][0] = 0  # the sign rule at zero is part of the deal
for got, numpy in zip(torch_step(*map(torch.as_tensor, state), 10, 0.8), optimiser_step(*state, 10, 0.8), strict=True):
    assert np.allclose(got, numpy, rtol=1e-14)

# %% [markdown]
# **The learning rate.** Take attraction alone. Its step moves $y_i$ by $-4 \eta \alpha \sum_j p_{ij} w_{ij} (y_i - y_j)$, with the
# exaggeration $\alpha$. On average $\sum_j p_{ij} = 1/n$, and neighbours have $w$ near 1. So the step is about
# $4 \eta \alpha / n$ times the way to the neighbours' mean, whatever $n$ is, if $\eta \propto n / \alpha$: one rule for both phases,
# $\eta = n / \alpha$, and thus $n / 12$ in the first and $n$ in the second. (Keeping $n / 12$ in the second phase would be twelve times too
# timid.) It is bold, about four times the way. Where that is too far, the force turns round, and the gains shrink by 0.8 a step until it
# fits.


# %%
def map_cost(Y, i, j, p, Z):
    """KL(P || Q) for P given as edges: sum p_ij log(p_ij / q_ij), with q_ij = w_ij / Z. p sums to 1."""
    D = (Y[:, 0][i] - Y[:, 0][j]) ** 2 + (Y[:, 1][i] - Y[:, 1][j]) ** 2  # (m,)
    return float((p * (p.log() + torch.log1p(D))).sum() + Z.log())


def tsne_torch(X, perplexity=30, n_iter=750, method="fft", device="cpu", callback=None, every=25):
    """t-SNE of X (n, d): a map Y (n, 2) as a NumPy array. method: "fft" or "exact" repulsion.

    Exaggeration 12 and momentum 0.5 for 250 iterations, then 1 and 0.8; learning rate n / exaggeration; PCA start.
    Every `every` iterations `callback(iteration, Y, cost)` is called, with the cost of the true P.
    """
    X = torch.as_tensor(X, dtype=torch.float32, device=device)
    D, J = nearest_neighbours(X, min(3 * perplexity, len(X) - 1))
    i, j, p = symmetric_edges(J, neighbour_affinities(D, perplexity))
    attraction = attraction_along(len(X), i, j, p)
    repulsion = {"fft": fft_repulsion, "exact": tiled_repulsion}[method]
    Y = torch.as_tensor(pca_start(X.cpu().double().numpy()), dtype=X.dtype, device=X.device)
    velocity, gains = torch.zeros_like(Y), torch.ones_like(Y)
    for t in range(n_iter):
        exaggeration, momentum = (12, 0.5) if t < 250 else (1, 0.8)
        F, Z = repulsion(Y)
        if callback is not None and (t + 1) % every == 0:
            callback(t + 1, Y.cpu().numpy(), map_cost(Y, i, j, p, Z))
        dC_dY = 4 * (exaggeration * attraction(Y) - F / Z)
        Y, velocity, gains = torch_step(Y, velocity, gains, dC_dY, len(X) / exaggeration, momentum)
    return Y.cpu().numpy()


# %% [markdown]
# **The whole gradient, against NumPy.** 1,000 digits with the map of part C, in the single precision in which `tsne_torch` runs. Exact
# forces agree to 0.1 %: a single-precision number is good to $10^{-7}$, but $(\sum_j w_{ij}^2)\, y_i$ and $\sum_j w_{ij}^2\, y_j$ are some
# hundred times larger than their difference. FFT forces agree to the 8 % above.

# %% tags=["nbval-ignore-output"]
D_near, J = nearest_neighbours(X_all[:1000], 90)
i, j, p = symmetric_edges(J, neighbour_affinities(D_near, 30.0))
P_dense = np.zeros((1000, 1000))
P_dense[i.cpu(), j.cpu()] = p.cpu()
Y_map = torch.as_tensor(Y, dtype=torch.float32, device=device)
dC_dY_numpy = torch.as_tensor(tsne_gradient(P_dense, Y))  # float64, your function of part B
for name, repulsion, tolerance in (("exact", tiled_repulsion, 0.001), ("FFT", fft_repulsion, 0.08)):
    F, Z = repulsion(Y_map)
    dC_dY = 4 * (sparse_attraction(Y_map, i, j, p) - F / Z).cpu().double()
    repulsion_size = float((4 * F / Z).norm())  # near the end both forces nearly cancel: measure against one of them
    error = float((dC_dY - dC_dY_numpy).norm()) / repulsion_size
    print(f"{name:5} gradient: off by {error:.4%} of the repulsion, allowed are {tolerance:.1%}")
    assert error < tolerance

# %% [markdown]
# **On real data.** All 10,000 digits, 750 iterations:

# %% tags=["nbval-ignore-output"]
with plots.Watch(labels_all, every=100, title="10,000 digits by FFT t-SNE") as watch:
    Y_digits = tsne_torch(X_all, device=device, callback=watch)

# %% tags=["nbval-ignore-output"]
same_class = metrics.same_class_neighbours(Y_digits, labels_all)
assert same_class > 0.9
plots.scatter_map(Y_digits, labels_all, title=f"10,000 digits: {same_class:.0%} of ten map neighbours share the class")

# %% [markdown]
# ## D8 · How fast is it?
#
# **One gradient**, measured here and now, for the four rungs of the ladder. A loop and NumPy work with all pairs; torch exact too, but with
# neighbours only in the attraction; FFT follows the number of points and the size of the map.


# %% tags=["nbval-ignore-output"]
def one_gradient(repulsion, n):
    """Seconds for one gradient in torch at the first n digits and their places in the map; attraction by edges."""
    D, J = nearest_neighbours(X_all[:n], 90)
    attraction = attraction_along(n, *symmetric_edges(J, neighbour_affinities(D, 30.0)))
    Y = torch.as_tensor(Y_digits[:n]).to(device)
    return metrics.seconds(lambda: (attraction(Y), repulsion(Y)), repeats=3)


def one_numpy_gradient(gradient, n):
    """Seconds for one gradient with n x n matrices; the values in P do not matter for the time."""
    return metrics.seconds(gradient, np.full((n, n), 1 / n**2), Y_digits[:n].astype(float), repeats=3)


small, large = (300, 1000, 3000), (1000, 3000, 10_000)
times = {
    "loop": ((100, 300), [one_numpy_gradient(gradient_loop, n) for n in (100, 300)]),
    "NumPy": (small, [one_numpy_gradient(tsne_gradient, n) for n in small]),
    "torch, exact": (small, [one_gradient(tiled_repulsion, n) for n in small]),
    "torch, FFT": (large, [one_gradient(fft_repulsion, n) for n in large]),
}
plots.scaling(times, title="A gradient: seconds against n, on this machine", ylabel="seconds a gradient")

# %% [markdown]
# **A whole run, against the peers.** The same 10,000 digits, 750 iterations, two threads each, neighbours included.
# `benchmarks/tsne.py` ran them in turns and wrote down what it measured. The cost is the exact one, on one $P$ for all.

# %%
bench = data.results("tsne_benchmark")
best = {run["method"]: run for run in bench["summary"] if run["n"] == 10_000}
print(f"{bench['machine']['cpu']}, {bench['machine']['threads']} threads, 10,000 digits")
for method, run in best.items():
    print(
        f"{method:13} {run['seconds']:6.1f} s, {run['share_of_openTSNE']:.2f} of openTSNE's time; exact KL {run['kl']:.4f}"
    )
assert best["ours"]["share_of_openTSNE"] <= 0.6 and best["ours"]["seconds"] <= 0.5 * best["scikit-learn"]["seconds"]
assert best["ours"]["kl"] <= 1.01 * min(run["kl"] for run in best.values())
print("forces off by:", *(f"{name} {error:.1%}" for name, error in bench["force_error"].items()))

# %%
whole_runs = {}
for run in bench["summary"]:
    ns, seconds = whole_runs.setdefault(run["method"], ([], []))
    ns.append(run["n"])
    seconds.append(run["seconds"])
plots.scaling(whole_runs, title="A whole run of 750 iterations: seconds against n", ylabel="seconds a run")

# %% [markdown]
# **Think.** Where does the time go at 70,000 points: to attraction or to repulsion? And at 700?
#
# <details><summary>Answer</summary>
#
# The edges grow like $n k$, the grid only with the area of the map. So attraction takes over as $n$ grows, and what would help next is fewer
# edges. (So does the search for neighbours, which compares all pairs: done once, but in time $n^2$.) At 700 points the grid takes
# most of the time, more than the exact forces would: see where the two curves cross in the first figure.
#
# </details>

# %% [markdown]
# # E · Reading a map
#
# A t-SNE map looks like a finding. Groups, gaps, distances, sizes: which of them are in the data? In this part you
# measure how far a map can be trusted, see with your own eyes what it invents, and then read four maps of real data.
#
# Two sorts of maps are needed: small ones, by your `tsne` of part C, and large ones. Part D makes those; where you
# skipped it, scikit-learn does.

# %%
from sklearn.manifold import TSNE


def small_map(X, perplexity=30):
    """A t-SNE map (n, 2) of some hundred points X (n, d), by part C."""
    return tsne(X, perplexity, n_iter=300)[0]


def big_map(X):
    """A t-SNE map (n, 2) of some thousand points X (n, d): by part D, or else by scikit-learn."""
    try:
        return tsne_torch(X, n_iter=500, device=device)
    except (NameError, NotImplementedError):  # part D was skipped, or is not solved
        return TSNE(max_iter=500, random_state=0).fit_transform(X)


# %% [markdown]
# ## E1 · Trustworthiness
#
# **Why.** The cost says how well $Q$ fits $P$, but it depends on $n$ and on the perplexity, and it has no scale: is 0.7
# good? A reader of a map wants to know something else: *when two points are near each other here, are they near each
# other in the data?* A neighbour in the map that is none in the data is a false friend, and it is the worse the farther
# away it really is.
#
# **By hand.** Four points on a line, at 0, 1, 3 and 7. In the map the second and the fourth have swapped places: 0, 7,
# 3 and 1. Look at the nearest neighbour of each, $k = 1$:
#
# | point | nearest in the map | its rank among the neighbours in the data | too far by |
# |---|---|---|---|
# | 1 | 4 | 3 (it comes after 2 and 3) | 2 |
# | 2 | 3 | 2 (it comes after 1) | 1 |
# | 3 | 4 | 3 (it comes after 2 and 1) | 2 |
# | 4 | 1 | 3 (it comes after 3 and 2) | 2 |
#
# The sum is 7. If every nearest neighbour in the map were the farthest point, each would be too far by 2, the sum 8. So
# this map is nearly as bad as can be: it keeps $1 - 7/8 = 0.125$.
#
# **The formula** (Venna & Kaski, 2001). Let $r(i, j)$ be the rank of $j$ among the neighbours of $i$ *in the data*: 1
# for the nearest. Let $N_k(i)$ be the $k$ nearest neighbours of $i$ *in the map*. Then
#
# $$T(k) = 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in N_k(i)} \max(r(i, j) - k,\ 0) .$$
#
# The factor makes the worst map 0. In the worst case the $k$ neighbours in the map are the $k$ farthest points, of
# ranks $n - k, \dots, n - 1$. They are too far by $n - 2k, \dots, n - 1 - k$, which are $k$ numbers of mean
# $(2n - 3k - 1) / 2$, and there are $n$ such points. Divide by $n k (2n - 3k - 1) / 2$. (This needs $k < n/2$: else
# even the farthest cannot all be false.)

# %% [markdown]
# [exercise: trustworthiness]
# You need ranks. `np.argsort` gives for each place in the queue *who* stands there; the rank is the reverse: for each
# point *at which place* it stands. Think about what a second `argsort` does. Two points can be equally far, and then
# the order must be settled, or two right programs would disagree: `kind="stable"` keeps the order of the indices.


# %% exercise="trustworthiness"
def trustworthiness(X, Y, k):
    """T(k) = 1 - 2 / (n k (2n - 3k - 1)) * sum_i sum_{j in N_k(i)} max(r(i, j) - k, 0).

    X: (n, d) data. Y: (n, l) map. 1 <= k < n / 2. Returns one number.
    r(i, j): the rank of j among all points but i, by their distance to i in X; the nearest has rank 1.
    N_k(i): the k points nearest to i in Y, i itself left out (also where another point is at distance 0).
    Of points that are equally far from i, the one with the lower index comes first, in X and in Y.
    """
    ### BEGIN SOLUTION
    n = len(X)
    D_X, D_Y = squared_distances(X), squared_distances(Y)  # (n, n)
    np.fill_diagonal(D_X, np.inf)
    np.fill_diagonal(D_Y, np.inf)
    order = np.argsort(D_X, axis=1, kind="stable")  # (n, n)
    ranks = np.argsort(order, axis=1) + 1  # (n, n)
    near = np.argsort(D_Y, axis=1, kind="stable")[:, :k]  # (n, k)
    excess = np.maximum(np.take_along_axis(ranks, near, axis=1) - k, 0)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess.sum()
    ### END SOLUTION


# %%
check("trustworthiness")

# %% [markdown]
# [hints: trustworthiness]

# %% [markdown]
# The example from above, and 500 digits beside scikit-learn's function of the same name:

# %%
from sklearn.manifold import trustworthiness as library_trustworthiness

swapped = np.array([[0.0], [7.0], [3.0], [1.0]])
assert trustworthiness(np.array([[0.0], [1.0], [3.0], [7.0]]), swapped, 1) == 0.125

images_500, labels_500 = data.mnist(500)
X_500 = images_500.reshape(500, -1) / 255.0  # (n, d)
Y_500 = small_map(X_500)  # (n, 2)
ours, theirs = trustworthiness(X_500, Y_500, 10), library_trustworthiness(X_500, Y_500, n_neighbors=10)
one_rank = 2 / (500 * 10 * (2 * 500 - 3 * 10 - 1))  # two distances that differ by rounding only may change places
assert abs(ours - theirs) < 10 * one_rank

# %% [markdown]
# **On real data.** Three maps of these digits. The third is a control: the t-SNE map with its points dealt out anew, so
# that it *looks* exactly as good and means nothing.

# %% tags=["nbval-ignore-output"]
three_maps = {
    "t-SNE": Y_500,
    "two principal\ncomponents": pca_start(X_500),
    "t-SNE, points\ndealt out anew": np.random.default_rng(0).permutation(Y_500),
}
trust = {name: trustworthiness(X_500, Y, 10) for name, Y in three_maps.items()}
t, pca, control = trust.values()
assert t > 0.9 and t - pca > 0.1 and abs(control - 0.5) < 0.03
plots.bars(
    list(trust.values()),
    list(trust),
    xlabel="map",
    ylabel="T(10)",
    title="t-SNE's neighbours can be trusted; by chance it is one half",
)

# %% [markdown]
# **Think.** Why does the map without any meaning get 0.5 and not 0?
#
# <details><summary>Answer</summary>
#
# A random neighbour has a random rank, on average in the middle. It takes malice to reach 0: the neighbours in the map
# would have to be the *farthest* points of the data. So read $T$ against 0.5, not against 0.
#
# </details>

# %% [markdown]
# ## E2 · Neighbour accuracy
#
# **Why.** Where there are labels, there is a second question: *does the neighbourhood of a point tell its class?* It
# needs no distances in the data at all, so it can compare maps that were made from different distances.
#
# **By hand.** Six points on a line, at 0, 1, 3, 7, 8, 10, with classes a a a b b a. With $k = 1$ each asks its nearest
# neighbour. The first three are right, 7 and 8 vote for each other and are right, but 10 asks 8 and gets b: five of
# six. With $k = 3$ the three a's on the left are still right (two a's against at most one b), but 7 asks 8, 10 and 3
# and gets a, 8 asks 7, 10 and 3 and gets a, and 10 gets b: three of six.

# %% [markdown]
# [exercise: neighbour-accuracy]
# Each point leaves itself out; otherwise with $k = 1$ every map would be perfect.


# %% exercise="neighbour-accuracy"
def neighbour_accuracy(Y, labels, k):
    """The share of points whose label is the one that most of their k nearest neighbours have.

    Y: (n, l) map. labels: (n,) whole numbers, not necessarily 0, 1, 2, ... 1 <= k < n. Returns one number in [0, 1].
    A point is not its own neighbour (also where another point is at distance 0).
    Of points that are equally far, the one with the lower index comes first.
    Where several labels have the most votes, the smallest of them wins.
    """
    ### BEGIN SOLUTION
    D = squared_distances(Y)  # (n, n)
    np.fill_diagonal(D, np.inf)
    near = np.argsort(D, axis=1, kind="stable")[:, :k]  # (n, k)
    classes = np.unique(labels)  # (c,)
    votes = (labels[near][:, :, None] == classes).sum(1)  # (n, c)
    return float((classes[votes.argmax(1)] == labels).mean())
    ### END SOLUTION


# %%
check("neighbour-accuracy")

# %% [markdown]
# [hints: neighbour-accuracy]

# %% [markdown]
# The six points from above:

# %%
six, a_or_b = np.array([[0.0], [1.0], [3.0], [7.0], [8.0], [10.0]]), np.array([0, 0, 0, 1, 1, 0])
assert neighbour_accuracy(six, a_or_b, 1) == 5 / 6 and neighbour_accuracy(six, a_or_b, 3) == 3 / 6

# %% [markdown]
# **On real data.** The same three maps, and the digits themselves in their 784 dimensions:

# %% tags=["nbval-ignore-output"]
accuracy = {name: neighbour_accuracy(Y, labels_500, 10) for name, Y in three_maps.items()}
accuracy["784 dimensions"] = neighbour_accuracy(X_500, labels_500, 10)
t, pca, control, original = accuracy.values()
assert t - pca > 0.25 and control < 0.2 and abs(t - original) < 0.1
title = "In t-SNE's two dimensions, neighbours tell the class nearly as well as in all 784"
plots.bars(list(accuracy.values()), list(accuracy), xlabel="map", ylabel="accuracy, k = 10", title=title)

# %% [markdown]
# **Think.** Could a map have a *higher* neighbour accuracy than the data that it was made from? Would that make it a
# better map?
#
# <details><summary>Answer</summary>
#
# It could: pulling groups together removes some of the noise. But the measure only knows the classes. A map that draws
# each class as one dot, far from the others, has accuracy 1 and hides everything that is interesting within the
# classes, and the points between them.
#
# </details>

# %% [markdown]
# ## E3 · What sizes and distances do not mean
#
# **Why.** The eye reads a map like a chart of the sky: this cluster is large, those two are close. Test that on data
# that you made yourself, so that the truth is known.
#
# **Data that we know.** Two groups of 150 points in ten dimensions, one ten times as wide as the other. And three groups in a
# row, the third five times as far from the second as the second is from the first:


# %%
def two_widths(rng):
    """Two Gaussians (300, 10) in a row of points; the second is ten times as wide."""
    return np.concatenate([rng.normal(size=(150, 10)), 10 * rng.normal(size=(150, 10)) + 100 * np.eye(10)[0]])


def three_in_a_row(rng):
    """Three Gaussians (300, 10) at 0, 20 and 120 on the first axis."""
    return rng.normal(size=(300, 10)) + np.repeat([0, 20, 120], 100)[:, None] * np.eye(10)[0]


# %% [markdown]
# Measured are the ratio of the two groups' widths, and the ratio of the two distances, in the data and in its map.
# Three seeds; the control is the map of two principal components.


# %% tags=["nbval-ignore-output"]
def width_ratio(Z):
    """How much wider the second half of Z (300, l) is than the first."""
    return np.sqrt(Z[150:].var(0).sum() / Z[:150].var(0).sum())


def distance_ratio(Z):
    """How much farther the third group's centre is from the second than the second from the first."""
    a, b, c = Z.reshape(3, 100, -1).mean(1)
    return np.linalg.norm(c - b) / np.linalg.norm(b - a)


ratios = {"data": [], "principal components": [], "t-SNE": []}  # each (3 seeds, 2)
for seed in range(3):
    A, B = two_widths(np.random.default_rng(seed)), three_in_a_row(np.random.default_rng(seed))
    shown = {
        "data": (A, B),
        "principal components": (pca_start(A), pca_start(B)),
        "t-SNE": (small_map(A), small_map(B)),
    }
    for name, (Z_A, Z_B) in shown.items():
        ratios[name].append((width_ratio(Z_A), distance_ratio(Z_B)))
for name, rows in ratios.items():
    (width, distance), (width_sd, distance_sd) = np.mean(rows, axis=0), np.std(rows, axis=0)
    print(f"{name:21} width {width:5.2f} ± {width_sd:.2f}   distance {distance:.2f} ± {distance_sd:.2f}")

# %%
truth, straight, curved = (np.array(rows) for rows in ratios.values())
assert np.allclose(truth, [10, 5], rtol=0.1) and np.allclose(straight, truth, rtol=0.2)
assert np.allclose(curved, 1, atol=0.25)  # both ratios are gone
a, b, c = shown["t-SNE"][1].reshape(3, 100, 2).mean(1)
assert np.linalg.norm(c - a) > 1.5 * max(np.linalg.norm(b - a), np.linalg.norm(c - b))  # b is still in the middle
four = [*shown["principal components"], *shown["t-SNE"]]
groups = [np.repeat([1, 2], 150), np.repeat([1, 2, 3], 100)] * 2
titles = ["principal components: ten times as wide", "five times as far", "t-SNE: equally wide", "equally far"]
plots.maps_side_by_side(
    four, groups, titles=titles, columns=2, title="t-SNE draws all groups equally wide and equally far"
)

# %% [markdown]
# Both are consequences of what you have written. Every point has 30 neighbours, *whatever* $\sigma_i$ that takes: the
# width of a group is divided out before the map begins. And once two groups are so far apart that $p_{ij} = 0$, no
# force knows *how* far.
#
# **Think.** Is then nothing true about the arrangement of clusters?
#
# <details><summary>Answer</summary>
#
# What is near in the map is near in the data: that is what trustworthiness measured. Between clusters there are two
# weak sources of truth. Points that have neighbours in two clusters lie between them. And the start, two principal
# components, sets an order that nothing may have disturbed since: above, the middle group is still in the middle. With
# random starts it differs from run to run; section E5 measures how much.
#
# </details>

# %% [markdown]
# ## E4 · Clusters in noise
#
# **Why.** A cluster in a map looks like a discovery. So look at data that has none: 400 points from *one* Gaussian in
# 50 dimensions.

# %%
noise = np.random.default_rng(0).normal(size=(400, 50))
noise_maps = {perp: small_map(noise, perp) for perp in (2, 5, 30)}
titles = [f"perplexity {perp}" for perp in noise_maps]
plots.maps_side_by_side(
    list(noise_maps.values()),
    titles=titles,
    title="One Gaussian, no clusters in it: a low perplexity shows some all the same",
)

# %% [markdown]
# The eye sees clumps on the left, none on the right. A number for it (Clark & Evans, 1954): the mean distance to the nearest neighbour,
# divided by what it would be if the same number of points were thrown evenly on the same area, which is
# $\tfrac12\sqrt{\text{area}/n}$. One means even, less means clumped.

# %% tags=["nbval-ignore-output"]
from scipy.spatial import ConvexHull, cKDTree


def evenness(Y):
    """Clark and Evans' index of a map Y (n, 2), on the area of its convex hull."""
    nearest = cKDTree(Y).query(Y, k=2)[0][:, 1]  # (n,): column 0 is the point itself
    return nearest.mean() / (0.5 * np.sqrt(ConvexHull(Y).volume / len(Y)))


clumps = {"thrown evenly": [evenness(np.random.default_rng(seed).random((400, 2))) for seed in range(3)]}
for perp in (2, 30):
    more = [small_map(np.random.default_rng(seed).normal(size=(400, 50)), perp) for seed in (1, 2)]
    clumps[f"perplexity {perp}"] = [evenness(Y) for Y in (noise_maps[perp], *more)]
for name, values in clumps.items():
    print(f"{name:14} {np.mean(values):.2f} ± {np.std(values):.2f} over 3 seeds")
assert max(clumps["perplexity 2"]) < 0.75 < 0.85 < min(clumps["perplexity 30"] + clumps["thrown evenly"])

# %% [markdown]
# Are the clumps at least true, does each hold points that are near each other? Cut both maps at perplexity 2, of the
# noise and of 400 digits, into 40 clumps, and compare the distances *in the data* within a clump with those between any
# two points:

# %% tags=["nbval-ignore-output"]
from sklearn.cluster import KMeans


def nearness_within(X, Y):
    """Mean distance in X within 40 clumps of the map Y, divided by the mean distance of all pairs."""
    clump = KMeans(40, n_init=1, random_state=0).fit_predict(Y)
    D = np.sqrt(squared_distances(X))
    pairs = ~np.eye(len(X), dtype=bool)
    return D[pairs & (clump[:, None] == clump)].mean() / D[pairs].mean()


in_noise, in_digits = nearness_within(noise, noise_maps[2]), nearness_within(X_500[:400], small_map(X_500[:400], 2))
print(f"distances within a clump, relative to all: noise {in_noise:.2f}, digits {in_digits:.2f}")
assert in_noise > 0.9 and in_digits < 0.85

# %% [markdown]
# The clumps of the noise hold points that are hardly nearer than any others: each point has two or three that happen to
# be its nearest, however far they are, and at perplexity 2 it listens to nobody else.
#
# **Think.** A map of your own data shows clumps. Which two quick tests would you make before you believe in them?
#
# <details><summary>Answer</summary>
#
# Make the map again with another perplexity and another start: what is in the data stays. And make the map of a control
# in which there can be no structure, for instance your data with each column shuffled by itself. If that shows clumps
# as well, yours prove nothing.
#
# </details>

# %% [markdown]
# ## E5 · Perplexity and start
#
# **Why.** The algorithm has one dial, and a start. A reader of a map should know what each of them can do to it. So
# take 500 digits, six perplexities and three *random* starts. For this, and for the clinic of the next section, here is
# the loop of part C with more parts that can be exchanged. Its exaggeration is 12, not 4, since that is what most
# programs take whose maps you will read. In exchange the learning rate is 50, not $n / 4 = 125$: how far attraction moves
# a point in a step goes with the product of the two, and $12 \cdot 50$ is about as much as $4 \cdot 125$.


# %%
def altered_descent(P, Y, n_iter=300, exaggeration=lambda t: 12 if t < 100 else 1, learning_rate=50.0, target=None):
    """Part C's loop from the start Y (n, 2). Returns the map and the cost after every tenth step.

    The cost is that of the map for `target` (n, n), the true P, where the forces come from another one.
    """
    velocity, gains, costs = np.zeros_like(Y), np.ones_like(Y), []
    for t in range(n_iter):
        dC_dY = tsne_gradient(exaggeration(t) * P, Y)
        Y, velocity, gains = optimiser_step(Y, velocity, gains, dC_dY, learning_rate, 0.5 if t < 100 else 0.8)
        if (t + 1) % 10 == 0:
            costs.append(kl_divergence(P if target is None else target, student_t_affinities(Y)[0]))
    return Y, np.array(costs)


# %% tags=["nbval-ignore-output"]
D_500 = squared_distances(X_500)
starts = [1e-4 * np.random.default_rng(seed).normal(size=(500, 2)) for seed in range(3)]
maps, costs, trusts = {}, {}, {}  # perplexity -> one for each start
for perp in (2, 5, 15, 30, 100, 300):
    P_perp = joint_affinities(conditional_affinities(D_500, find_sigmas(D_500, perp)))
    runs = [altered_descent(P_perp, start) for start in starts]
    maps[perp], costs[perp] = [Y for Y, _ in runs], [cost[-1] for _, cost in runs]
    trusts[perp] = [trustworthiness(X_500, Y, 10) for Y in maps[perp]]
    KL, T = costs[perp], trusts[perp]
    print(f"perplexity {perp:3}: KL {np.mean(KL):.2f} ± {np.std(KL):.2f}   T(10) {np.mean(T):.3f} ± {np.std(T):.3f}")

# %% [markdown]
# Move the slider. (The costs of different perplexities cannot be compared: each belongs to another $P$. Trustworthiness
# can.)

# %% tags=["nbval-ignore-output"]
notes = {perp: [f"KL {c:.2f}, T(10) {t:.3f}" for c, t in zip(costs[perp], trusts[perp], strict=True)] for perp in maps}
widgets.perplexity_explorer(
    maps, labels_500, notes, title="500 digits at six perplexities: crumbs, clusters, one cloud"
)

# %% [markdown]
# What did the *start* change? Compare the maps of perplexity 30 with each other in two ways: how many of the ten
# nearest neighbours are the same, and whether two classes that are far apart in one map are far apart in the other.


# %% tags=["nbval-ignore-output"]
def shared_neighbours(A, B, k=10):
    """The mean share of the k nearest neighbours that a point has both in A and in B, (n, 2) each."""
    near = [cKDTree(Z).query(Z, k=k + 1)[1][:, 1:] for Z in (A, B)]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)])


def layout_agreement(A, B):
    """Correlation of the distances between the ten classes' centres in A and in B."""
    centres = [np.array([Z[labels_500 == digit].mean(0) for digit in range(10)]) for Z in (A, B)]
    upper = np.triu_indices(10, 1)
    return np.corrcoef(*[np.sqrt(squared_distances(C))[upper] for C in centres])[0, 1]


pairs = [(maps[30][a], maps[30][b]) for a, b in ((0, 1), (0, 2), (1, 2))]
same, layout = [shared_neighbours(*pair) for pair in pairs], [layout_agreement(*pair) for pair in pairs]
dealt_anew = np.random.default_rng(0).permutation(maps[30][1])
by_chance = shared_neighbours(maps[30][0], dealt_anew)
print(f"shared neighbours {np.mean(same):.2f} ± {np.std(same):.2f} (by chance {by_chance:.2f})")
no_agreement = layout_agreement(maps[30][0], dealt_anew)
print(f"agreement of layout {np.mean(layout):.2f} ± {np.std(layout):.2f} (by chance {no_agreement:.2f})")
assert min(same) > 10 * by_chance and 0.1 < np.mean(layout) < 0.9
assert np.argmin([np.mean(cost) for cost in costs.values()]) == 5  # perplexity 300

# %% [markdown]
# Two thirds of the neighbours are the same whatever the start, thirty times as many as by chance. The layout agrees
# only in part.
#
# **What to take along.** The perplexity decides at which scale you look; between 15 and 100, little changes here. The
# start decides where clusters lie, much less who is in them. So give all maps that you compare the same start
# (principal components), and look at more than one perplexity.

# %%
assert max(np.std(trusts[perp]) for perp in maps) < 0.02  # the start hardly matters to the neighbours ...
assert np.mean(trusts[30]) - np.mean(trusts[300]) > 0.02  # ... the perplexity does
assert abs(np.mean(trusts[15]) - np.mean(trusts[30])) < 0.015

# %% [markdown]
# **Think.** The cost is lowest at perplexity 300. Is that the best map?
#
# <details><summary>Answer</summary>
#
# No; its trustworthiness is among the lowest. With 300 of 500 points as neighbours, $P$ is nearly uniform, and an easy
# $P$ is easy to fit. A cost says how well a map fits *its own* $P$, so it compares starts and optimisers at one
# perplexity, never perplexities.
#
# </details>

# %% [markdown]
# ## E6 · Clinic
#
# Three runs on the same 500 digits went wrong, each in one way that happens to people. The healthy run is beside them.
# Look at the maps, *at their sizes*, and at the curves, and decide for each: what was done wrong? The code is hidden in
# the next cell (click on its bar); open it after your diagnosis.

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
sigma_500 = find_sigmas(D_500, 30)
P_500 = joint_affinities(conditional_affinities(D_500, sigma_500))
K = np.exp(-D_500 / (2 * sigma_500[:, None] ** 2))  # the diagonal, exp(0) = 1, is left in
P_kept = joint_affinities(K / K.sum(1, keepdims=True))
patients = {
    "healthy": altered_descent(P_500, pca_start(X_500)),
    "patient 1": altered_descent(P_500, pca_start(X_500), learning_rate=1000.0),
    "patient 2": altered_descent(P_500, pca_start(X_500), exaggeration=lambda t: 4),
    "patient 3": altered_descent(P_kept, pca_start(X_500), target=P_500),
}
titles = [f"{name}: {np.ptp(Y, axis=0).max():.0f} units wide" for name, (Y, _) in patients.items()]
plots.maps_side_by_side(
    [Y for Y, _ in patients.values()], labels_500, titles=titles, columns=2, title="One healthy map and three patients"
)

# %% tags=["nbval-ignore-output"]
curves = {name: cost for name, (_, cost) in patients.items()}
plots.cost_curve(
    curves,
    every=10,
    marks={100: "the healthy run ends its exaggeration"},
    title="The cost of the true P in the four runs",
)

# %% [markdown]
# <details><summary>Patient 1</summary>
#
# **The learning rate is twenty times too high.** The cost *rises* at the start, which a descent must never do, and is
# still on its way down at the end. The map is a ball of mixed classes: the first steps threw the points around, and a
# thrown point finds its neighbours only slowly. Treatment: a rate of about $n/12$, or at least a look at the curve.
#
# </details>
#
# <details><summary>Patient 2</summary>
#
# **The exaggeration was never removed** (here it is 4, the value of the first t-SNE paper). The cost falls, stops far
# too high, and stays: the map is at rest, in the minimum of *another* cost. Attraction wins everywhere; the classes are
# strings and dots, and the whole map is only two units wide. It looks tidy, which makes it dangerous.
#
# </details>
#
# <details><summary>Patient 3</summary>
#
# **$p_{ii}$ was kept.** Each point spends most of its affinity on itself, on a pair that exerts no force. Little
# attraction is left, and repulsion spreads the points evenly over a disc, five times too wide. The order of the classes
# survives, the groups do not. Treatment: a look at the diagonal of $P$.
#
# </details>

# %%
final = {name: cost[-1] for name, cost in curves.items()}
healthy = final.pop("healthy")
assert all(cost > 1.5 * healthy for cost in final.values())
assert curves["patient 1"].max() > 1.2 * curves["healthy"][0]  # it rises
assert np.ptp(curves["patient 2"][-10:]) < 0.01  # it is at rest
assert np.diag(P_kept).sum() > 0.5  # more than half of all affinity

# %% [markdown]
# ## E7 · Four maps: digits
#
# The lecture shows four maps: handwritten digits, words, articles, and states of a game. Here they are on real data,
# each with a measurement, and with what it does *not* show. First 5,000 digits. Thumbnails say more than colours: look
# what lies *between* the clusters, and how the slant of the ones changes along theirs.

# %% tags=["nbval-ignore-output"]
images_5k, labels_5k = data.mnist(5000)
Y_5k = big_map(images_5k.reshape(5000, -1) / 255.0)  # (n, 2)
shared = metrics.same_class_neighbours(Y_5k, labels_5k)
control = metrics.same_class_neighbours(Y_5k, np.random.default_rng(0).permutation(labels_5k))
assert shared > 0.85 and control < 0.15
plots.scatter_map(
    Y_5k,
    labels_5k,
    title=f"5,000 digits: {shared:.0%} of ten neighbours share the class (labels shuffled: {control:.0%})",
)

# %%
plots.map_with_images(
    Y_5k, images_5k, labels_5k, title="The same map with thumbnails: slant and stroke change within the clusters"
)

# %% [markdown]
# That the slant changes along the cluster of the ones is a claim, so measure it. The slant of an image is how far its
# ink moves to the side for each row that it goes up: the slope of a straight line through the ink. Neighbours in the
# map should have similar slants, ones that are dealt out anew should not.


# %% tags=["nbval-ignore-output"]
def slant(image):
    """Columns to the right for each row up, of the ink in an image (28, 28)."""
    rows, columns = np.indices(image.shape)
    up, ink = 27 - rows, image / image.sum()
    up, right = up - (ink * up).sum(), columns - (ink * columns).sum()
    return (ink * up * right).sum() / (ink * up**2).sum()


ones, Y_ones = images_5k[labels_5k == 1], Y_5k[labels_5k == 1]
slants = np.array([slant(image) for image in ones])
near = cKDTree(Y_ones).query(Y_ones, k=11)[1][:, 1:]  # (n, 10)
difference = np.abs(slants[near] - slants[:, None]).mean()
control = np.abs(np.random.default_rng(0).permutation(slants)[near] - slants[:, None]).mean()
print(f"mean difference in slant: neighbours {difference:.2f}, dealt out anew {control:.2f}")
assert difference < 0.5 * control
plots.value_map(
    Y_ones,
    slants,
    value_name="columns to the right, per row up",
    title="The ones are sorted by their slant, which nobody asked for",
    height=4.5,
)

# %% [markdown]
# ## E8 · Four maps: words
#
# GloVe gives every word 50 numbers (how, is the subject of notebook 02). Here are about 2,000 frequent words. Only the
# direction of a word's vector counts, so all are scaled to length 1; then $\|u - v\|^2 = 2 - 2\cos(u, v)$, and
# Euclidean neighbours are cosine neighbours.

# %%
words, vectors = data.glove()
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # (n, 50)
index = {word: i for i, word in enumerate(words)}
frog = np.argsort(-unit @ unit[index["frog"]], kind="stable")  # frog itself, then its neighbours
print("nearest to frog:", ", ".join(words[i] for i in frog[1:13]))

# %% [markdown]
# Snake, ape, toad: animals. The lecture's list for *frog* is a different one: frogs, toad, litoria, leptodactylidae,
# rana, lizard, eleutherodactylus, mostly names of kinds of frogs. It came from other, larger vectors. Where do those
# words stand in these?

# %% tags=["nbval-ignore-output"]
lecture = ["frogs", "toad", "litoria", "leptodactylidae", "rana", "lizard", "eleutherodactylus"]
place = {words[i]: rank for rank, i in enumerate(frog)}
print("place among frog's neighbours:", {word: place[word] for word in lecture})
print("nearest to rana:", ", ".join(words[i] for i in np.argsort(-unit @ unit[index["rana"]])[1:9]))
assert [word for word in lecture if place[word] <= 20] == ["frogs", "toad", "lizard"] and place["rana"] > 1000

# %% [markdown]
# Three are among the nearest twenty. (Places beyond 20 are counted among the 20,302 words of this set; among all
# 400,000 the numbers are larger still.) *Rana* is a kind of frog in a biology book and a surname in the news, and it has one
# vector for both.
#
# Now the map, with frog's forty neighbours and the lecture's words added to the frequent ones. As many words are
# written as find room.

# %%
frequent = [i for i in range(3000) if words[i].isalpha() and len(words[i]) > 2][:2000]
chosen = list(dict.fromkeys([*frequent, *frog[:41], *(index[word] for word in lecture)]))
names = [words[i] for i in chosen]
Y_words = big_map(unit[chosen])  # (n, 2)
plots.map_with_words(
    Y_words,
    names,
    highlight=["frog", *lecture],
    title="Two thousand words: politics, money, sport, family ... and a pond at the edge",
)

# %%
regions = {
    "around frog": ["frog", "toad", "lizard", "snake"],
    "around the family": ["mother", "father", "son", "daughter", "wife"],
    "around the days": ["monday", "tuesday", "thursday", "friday"],
    "around some countries": ["france", "germany", "italy", "spain"],
}
marked = ["frog", *lecture, *(word for group in regions.values() for word in group)]
plots.word_regions(
    Y_words, names, regions, radius=4.5, highlight=marked, title="Four regions from near: each is about one thing"
)

# %% tags=["nbval-ignore-output"]
T_words = trustworthiness(unit[chosen], Y_words, 10)
T_control = trustworthiness(unit[chosen], np.random.default_rng(0).permutation(Y_words), 10)
print(f"T(10) = {T_words:.3f}, for a map whose words are dealt out anew {T_control:.3f}")
assert T_words > 0.85 and abs(T_control - 0.5) < 0.03

# %% [markdown]
# **Think.** In the map, *rana* lies far from the frogs. Can a better map mend that?
#
# <details><summary>Answer</summary>
#
# No. A point has one place, and the vectors already put rana among people. What a map can't show, because each thing
# has one place in it, is that a word belongs to two groups. Later notebooks ask where the vectors come from.
#
# </details>

# %% [markdown]
# ## E9 · Four maps: documents
#
# The lecture maps articles of an encyclopedia. You have a library of another kind on your disk: the docstrings of the
# Python packages that this course installed. Each is a short article. Here are 300, of 300 characters or more, from each of
# eight packages. A document becomes a row of **TF-IDF** weights: how often it has a word, with words counting the more the
# fewer documents have them. Truncated SVD makes 50 numbers of that. The names of the packages are struck out, or the
# task would be too easy.

# %% tags=["nbval-ignore-output"]
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

packages = ["torch", "sympy", "scipy", "numpy", "matplotlib", "sklearn", "networkx", "IPython"]
documents = data.docstrings()
long = np.array([len(text) >= 300 for text in documents.texts])
package_of = np.array(documents.packages)
pick = np.random.default_rng(0)
chosen = np.concatenate([pick.choice(np.flatnonzero(long & (package_of == p)), 300, replace=False) for p in packages])
package = package_of[chosen]  # (2400,)

# %%
tfidf = TfidfVectorizer(
    stop_words=[name.lower() for name in packages], min_df=3, max_df=0.2, sublinear_tf=True, token_pattern="[a-z][a-z]+"
)
W_docs = tfidf.fit_transform([documents.texts[i] for i in chosen])  # (2400, vocabulary), sparse
X_docs = normalize(TruncatedSVD(50, random_state=0).fit_transform(W_docs))  # (2400, 50)
Y_docs = big_map(X_docs)
plots.scatter_map(Y_docs, package, title="Docstrings: the large clusters are packages")


# %% tags=["nbval-ignore-output"]
def package_accuracy(own):
    """Neighbour accuracy of the map of documents for the labels `own` (n,), k = 10."""
    return neighbour_accuracy(Y_docs, np.unique(own, return_inverse=True)[1], 10)


found, control = package_accuracy(package), package_accuracy(np.random.default_rng(0).permutation(package))
print(f"the ten neighbours tell the package: {found:.0%}, with packages shuffled {control:.0%}")
assert found > 0.7 and control < 0.2

# %% [markdown]
# And the small clusters? Cut the map into 60 pieces and ask of each which words it has more of than *its own package*
# has. If small clusters are topics, they should be words of a subject. (Pieces in which several packages meet are left
# out: seven tenths must come from one.)

# %%
piece = KMeans(60, n_init=1, random_state=0).fit_predict(Y_docs)  # (2400,)
vocabulary = tfidf.get_feature_names_out()
mean_of_package = {p: np.asarray(W_docs[package == p].mean(0)).ravel() for p in packages}
topics = {}
for c in range(60):
    inside = piece == c
    main = max(packages, key=lambda p: (package[inside] == p).sum())
    if (package[inside] == main).mean() > 0.7:
        more = np.asarray(W_docs[inside].mean(0)).ravel() - mean_of_package[main]
        topics[" · ".join(vocabulary[np.argsort(-more)[:2]])] = np.median(Y_docs[inside], axis=0)
plots.scatter_map(
    Y_docs, package, notes=topics, title="Within the packages, many small clusters have a topic", height=7
)

# %% [markdown]
# "Topics" is a claim about pairs *within* one package: two neighbours in the map should be more alike than two
# documents of the same package taken at random.

# %% tags=["nbval-ignore-output"]
near = cKDTree(Y_docs).query(Y_docs, k=11)[1][:, 1:]  # (n, 10)
similarity = (W_docs @ W_docs.T).toarray()  # cosines: TF-IDF rows have length 1
same_package = package[near] == package[:, None]
neighbours = np.take_along_axis(similarity, near, axis=1)[same_package].mean()
any_two = np.mean([similarity[np.ix_(package == p, package == p)][~np.eye(300, dtype=bool)].mean() for p in packages])
print(f"similarity within a package: neighbours {neighbours:.3f}, any two {any_two:.3f}")
assert neighbours > 2 * any_two

# %% [markdown]
# **Think.** A package's docstrings lie together. Is it because they are *about* the same thing?
#
# <details><summary>Answer</summary>
#
# Only partly. Each project has its own habits of writing: headings, phrases for parameters, the nickname under which
# its examples import it. A map shows that documents are alike, never why. One would have to take the habits out (as we
# did with the names) and look again.
#
# </details>

# %% [markdown]
# ## E10 · Four maps: states of a game
#
# The fourth picture is from the network that learned to play video games (Mnih et al., 2015). Ours is its small sister:
# a network of the same kind plays Breakout on a screen of 10 × 10. Here are 3,000 states that it met, each by the 128
# activations of the last hidden layer, and coloured by the value that the network expects from there on.

# %%
game = data.game_states()
Y_game = big_map(game.hidden)  # (3000, 2)
thumbnails = np.stack([data.game_thumbnail(frame) for frame in game.frames]) / 255  # (3000, 10, 10, 3)
plots.map_with_images(
    Y_game,
    thumbnails,
    values=game.value,
    value_name="value",
    side=0.36,
    title="What the network takes to be alike: bricks left, and what can be won",
)

# %% [markdown]
# Do the screens of neighbours look alike, as the lecture says? Count how many of a screen's 400 bits (four kinds of
# things on 10 × 10 places) differ from those of its ten neighbours in the map, and, as a control, of ten others:

# %% tags=["nbval-ignore-output"]
near_game = cKDTree(Y_game).query(Y_game, k=11)[1][:, 1:]  # (n, 10)
bits = game.frames.reshape(3000, -1)  # (n, 400)
look = np.mean([(bits[near_game[:, j]] != bits).sum(1) for j in range(10)])
control = np.mean([(bits[np.random.default_rng(j).permutation(3000)] != bits).sum(1) for j in range(10)])
print(f"bits that differ: neighbours {look:.1f}, others {control:.1f}")
assert look < 0.6 * control

# %% [markdown]
# They do. Are their values alike as well, and which of the two did the network learn? Compare the ten nearest by its hidden
# layer with the ten nearest by the bare pixels. Measured is how much the value of neighbours differs.


# %% tags=["nbval-ignore-output"]
def value_difference(Z, neighbours_values):
    """Mean |difference| in value between each state and its ten nearest by Z (3000, l), whose values are given."""
    near = cKDTree(Z).query(Z, k=11)[1][:, 1:]
    return np.abs(neighbours_values[near] - game.value[:, None]).mean(1)  # (3000,)


pixels = game.frames.reshape(3000, -1).astype(float)
gaps = {
    "hidden layer": value_difference(game.hidden, game.value),
    "its map": value_difference(Y_game, game.value),
    "pixels": value_difference(pixels, game.value),
    "shuffled": value_difference(Y_game, np.random.default_rng(0).permutation(game.value)),
}
gap = {name: each.mean() for name, each in gaps.items()}
spread = {name: 2 * each.std() / np.sqrt(len(each)) for name, each in gaps.items()}  # two standard errors
assert gap["its map"] < 0.5 * gap["shuffled"]
assert gap["hidden layer"] + spread["hidden layer"] < gap["pixels"] - spread["pixels"]
plots.bars(
    list(gap.values()),
    list(gap),
    errors=list(spread.values()),
    xlabel="neighbours by",
    ylabel="difference in value",
    title="Neighbours by the hidden layer are nearer in value than look-alikes are",
)

# %% [markdown]
# **Think.** The value is computed from the hidden layer by one linear map. Is it then a surprise that neighbours have
# similar values?
#
# <details><summary>Answer</summary>
#
# Not much: equal activations give equal values. The surprise is in the other direction. The layer has 128 units and
# could place states of equal value anywhere; that they also *look* alike says that the network groups states by what is
# on the screen, and the value comes along. And the comparison with pixels says that it keeps what matters for the value
# more than what does not. (All this is one network, trained once: the whiskers are two standard errors over its states,
# and say nothing of other networks.)
#
# </details>

# %% [markdown]
# ## E11 · Where the idea went next
#
# - **Scale.** Trees made the repulsion cost $n \log n$ (van der Maaten, 2014, *Accelerating t-SNE using tree-based
#   algorithms*); grids and Fourier transforms made the forces linear (Linderman et al., 2019, *Fast interpolation-based t-SNE
#   for improved visualization of single-cell RNA-seq data*): that is part D.
# - **Sampling instead of summing.** LargeVis (Tang et al., 2016, *Visualizing large-scale and high-dimensional data*)
#   draws a few random non-neighbours for each neighbour: negative sampling, which you meet again in notebook 02. UMAP
#   (McInnes, Healy & Melville, 2018, *UMAP: Uniform manifold approximation and projection for dimension reduction*)
#   does so with another cost. Böhm, Berens & Kobak (2022, *Attraction-repulsion spectrum in neighbor embeddings*) show
#   that these maps differ mostly in how strong attraction is: the dial that patient 2 had turned.
# - **A function instead of free coordinates.** Parametric t-SNE (van der Maaten, 2009, *Learning a parametric embedding
#   by preserving local structure*) trains a network $f$ with the cost of this notebook, so that new points find their
#   place.
# - **Practice.** How to start, which perplexity, how to keep some of the large structure: Kobak & Berens, 2019, *The
#   art of using t-SNE for single-cell transcriptomics*; on what maps seem to say: Wattenberg, Viégas & Johnson, 2016,
#   *How to use t-SNE effectively*.
# - **Learning from neighbours that you choose.** Replace "near in the data" by "two views of the same picture", keep a
#   softmax over pairs, and let a deep network be $f$: that is contrastive learning, SimCLR (Chen et al., 2020, *A
#   simple framework for contrastive learning of visual representations*), and with a picture and its caption as the
#   pair CLIP (Radford et al., 2021, *Learning transferable visual models from natural language supervision*). Notebooks
#   04 to 06 go there.
#
# The method itself: Hinton & Roweis, 2002, *Stochastic neighbor embedding*; van der Maaten & Hinton, 2008, *Visualizing
# data using t-SNE*. The measure of E1: Venna & Kaski, 2001, *Neighborhood preservation in nonlinear projection methods:
# an experimental study*.

# %%
progress()
