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
assert abs(ours - theirs) < 1e-12

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
# **By hand.** Two groups of 150 points in ten dimensions, one ten times as wide as the other. And three groups in a
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
# a random start less of it is left; section E5 measures how much.
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
# The eye sees clumps on the left. A number for it (Clark & Evans, 1954): the mean distance to the nearest neighbour,
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
# the loop of part C with more parts that can be exchanged:


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
# the next cell; open it after your diagnosis.

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
    curves, every=10, marks={100: "here the exaggeration should end"}, title="The cost of the true P in the four runs"
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
# 400,000 they are higher still.) *Rana* is a kind of frog in a biology book and a surname in the news, and it has one
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
    title="Two thousand words: politics, money, sport, family ... and a pond in a corner",
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
# Python packages that this course installed. Each is a short article. Here are 350 long ones from each of eight
# packages. A document becomes a row of **TF-IDF** weights: how often it has a word, with words counting the more the
# fewer documents have them. Truncated SVD makes 50 numbers of that. The names of the packages are struck out, or the
# task would be too easy.

# %% tags=["nbval-ignore-output"]
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

packages = ["torch", "sympy", "scipy", "pandas", "matplotlib", "sklearn", "networkx", "sqlalchemy"]
documents = data.docstrings()
long = np.array([len(text) >= 300 for text in documents.texts])
package_of = np.array(documents.packages)
pick = np.random.default_rng(0)
chosen = np.concatenate([pick.choice(np.flatnonzero(long & (package_of == p)), 350, replace=False) for p in packages])
package = package_of[chosen]  # (2800,)

# %%
tfidf = TfidfVectorizer(stop_words=packages, min_df=3, max_df=0.2, sublinear_tf=True, token_pattern="[a-z][a-z]+")
W_docs = tfidf.fit_transform([documents.texts[i] for i in chosen])  # (2800, vocabulary), sparse
X_docs = normalize(TruncatedSVD(50, random_state=0).fit_transform(W_docs))  # (2800, 50)
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
# has. If small clusters are topics, they should be words of a subject:

# %%
piece = KMeans(60, n_init=1, random_state=0).fit_predict(Y_docs)  # (2800,)
vocabulary = tfidf.get_feature_names_out()
mean_of_package = {p: np.asarray(W_docs[package == p].mean(0)).ravel() for p in packages}
topics = {}
for c in range(60):
    inside = piece == c
    main = max(packages, key=lambda p: (package[inside] == p).sum())
    if (package[inside] == main).mean() > 0.7:
        more = np.asarray(W_docs[inside].mean(0)).ravel() - mean_of_package[main]
        topics[" · ".join(vocabulary[np.argsort(-more)[:2]])] = np.median(Y_docs[inside], axis=0)
plots.scatter_map(Y_docs, package, notes=topics, title="Within the packages, most small clusters are topics", height=7)

# %% [markdown]
# "Topics" is a claim about pairs *within* one package: two neighbours in the map should be more alike than two
# documents of the same package taken at random.

# %% tags=["nbval-ignore-output"]
near = cKDTree(Y_docs).query(Y_docs, k=11)[1][:, 1:]  # (n, 10)
similarity = (W_docs @ W_docs.T).toarray()  # cosines: TF-IDF rows have length 1
same_package = package[near] == package[:, None]
neighbours = np.take_along_axis(similarity, near, axis=1)[same_package].mean()
any_two = np.mean([similarity[np.ix_(package == p, package == p)][~np.eye(350, dtype=bool)].mean() for p in packages])
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
# They do; and their values are alike. Which of the two did the network learn? Compare the ten nearest by its hidden
# layer with the ten nearest by the bare pixels. Measured is how much the value of neighbours differs.


# %% tags=["nbval-ignore-output"]
def value_difference(Z, neighbours_values):
    """Mean |difference| in value between a state and its ten nearest by Z (3000, l), whose values are given."""
    near = cKDTree(Z).query(Z, k=11)[1][:, 1:]
    return np.abs(neighbours_values[near] - game.value[:, None]).mean()


pixels = game.frames.reshape(3000, -1).astype(float)
gaps = {
    "hidden layer": value_difference(game.hidden, game.value),
    "its map": value_difference(Y_game, game.value),
    "pixels": value_difference(pixels, game.value),
    "shuffled": value_difference(Y_game, np.random.default_rng(0).permutation(game.value)),
}
assert gaps["its map"] < 0.5 * gaps["shuffled"] and gaps["hidden layer"] < gaps["pixels"]
plots.bars(
    list(gaps.values()),
    list(gaps),
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
# more than what does not.
#
# </details>

# %% [markdown]
# ## E11 · Where the idea went next
#
# - **Scale.** Trees made the repulsion cost $n \log n$ (van der Maaten, 2014, *Accelerating t-SNE using tree-based
#   algorithms*); grids and Fourier transforms made it linear (Linderman et al., 2019, *Fast interpolation-based t-SNE
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
