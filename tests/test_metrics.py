"""The shared measures against closed forms, against loops, and against scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_iris
from sklearn.manifold import TSNE

from course_utils import metrics
from course_utils.errors import CourseError


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2)])
def test_numerical_gradient_of_a_cubic(shape):
    Y = np.random.default_rng(0).normal(size=shape)
    before = Y.copy()
    slopes = metrics.numerical_gradient(lambda Z: (Z**3).sum(), Y)
    assert slopes.shape == shape
    assert np.allclose(slopes, 3 * Y**2, atol=1e-8)
    assert np.array_equal(Y, before)


def test_numerical_gradient_takes_whole_numbers_and_single_precision():
    for dtype in (int, np.float32):
        slopes = metrics.numerical_gradient(lambda Z: (Z**2).sum(), np.array([1, 2], dtype=dtype))
        assert slopes.dtype == np.float64
        assert np.allclose(slopes, [2, 4], atol=1e-7)


def test_relative_error():
    assert metrics.relative_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert metrics.relative_error(np.zeros(3), np.zeros(3)) == 0
    assert metrics.relative_error([100.0, 0.0], [100.0, 1.0]) == pytest.approx(0.01)
    assert metrics.relative_error([1.0], [-1.0]) == 2


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_kl_equals_its_definition(block):
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(30, 2))
    P = rng.random((30, 30)) * (rng.random((30, 30)) < 0.5)  # with zeros
    P = P + P.T
    np.fill_diagonal(P, 0)
    P /= P.sum()
    W = np.array([[0 if i == j else 1 / (1 + ((Y[i] - Y[j]) ** 2).sum()) for j in range(30)] for i in range(30)])
    Q = W / W.sum()
    expected = sum(P[i, j] * np.log(P[i, j] / Q[i, j]) for i in range(30) for j in range(30) if P[i, j] > 0)
    assert metrics.kl(P, Y, block) == pytest.approx(expected, rel=1e-10)


def test_kl_agrees_with_scikit_learn():
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import _t_sne

    X = load_iris().data[:60] + np.random.default_rng(0).normal(size=(60, 4)) * 0.01
    tsne = TSNE(perplexity=10, method="exact", random_state=0, max_iter=300).fit(X)
    P = squareform(_t_sne._joint_probabilities(squareform(pdist(X, "sqeuclidean")).astype(np.float32), 10, 0))
    assert metrics.kl(P, tsne.embedding_) == pytest.approx(tsne.kl_divergence_, rel=1e-2)


def test_same_class_neighbours_by_hand():
    Y = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0], [8, 0], [10, 0]])
    labels = np.array([0, 0, 0, 1, 1, 0])
    assert metrics.same_class_neighbours(Y, labels, k=1) == pytest.approx(5 / 6)
    # k = 2: (1 1) (1 1) (1 1) (1 0) (1 0) (0 0)
    assert metrics.same_class_neighbours(Y, labels, k=2) == pytest.approx(8 / 12)


def test_same_class_neighbours_of_shuffled_labels_is_chance():
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 10
    share = metrics.same_class_neighbours(rng.normal(size=(2000, 2)), rng.permutation(labels))
    assert share == pytest.approx(0.1, abs=0.015)


def test_seconds_calls_with_the_arguments_and_returns_the_shortest():
    calls = []
    assert metrics.seconds(lambda a, b: calls.append((a, b)), 1, 2, repeats=3) >= 0
    assert calls == [(1, 2)] * 3


def test_seconds_waits_for_a_graphics_card(monkeypatch):
    import torch

    done = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("waited"))
    metrics.seconds(lambda: done.append("called"), repeats=1)
    assert done == ["waited", "called", "waited"]


# --- verification: d distances of pairs, y 0 = same, 1 = different --------------------------------------------


def made_up_pairs(seed=0, n=400, gap=1.0):
    """n pairs, half of them the same, whose distances overlap."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n // 2)
    return np.abs(rng.normal(1 + gap * y, 0.7)), y


def test_roc_counts_what_a_threshold_accepts():
    d, y = made_up_pairs()
    d = d.round(1)  # with ties
    far, tar, thresholds = metrics.roc(d, y)
    assert (far[0], tar[0], thresholds[0]) == (0, 0, -np.inf)
    assert (far[-1], tar[-1]) == (1, 1)
    for false_accepts, accepts, threshold in zip(far, tar, thresholds, strict=True):
        assert false_accepts == pytest.approx((d[y == 1] <= threshold).mean())
        assert accepts == pytest.approx((d[y == 0] <= threshold).mean())


def test_auc_is_the_chance_to_rank_a_pair_rightly():
    d, y = made_up_pairs(n=60)
    d = d.round(1)
    chance = np.mean([(s < o) + (s == o) / 2 for s in d[y == 0] for o in d[y == 1]])
    assert metrics.auc(d, y) == pytest.approx(chance)
    assert metrics.auc(-d, y) == pytest.approx(1 - chance)


def test_equal_error_rate_by_hand():
    # thresholds 1, 2, 3, 4 accept: false 0, 1/2, 1/2, 1 - false rejects 1/2, 1/2, 0, 0
    assert metrics.equal_error_rate([1.0, 3.0, 2.0, 4.0], [0, 0, 1, 1]) == 0.5
    assert metrics.equal_error_rate([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1]) == 0
    assert metrics.equal_error_rate([3.0, 4.0, 1.0, 2.0], [0, 0, 1, 1]) == 1
    # false accepts 0 -> 1/3 while false rejects 1/2 -> 0: they cross where t/3 = (1 - t)/2, at t = 3/5
    assert metrics.equal_error_rate([1.0, 2.0, 2.0, 5.0, 6.0], [0, 0, 1, 1, 1]) == pytest.approx(0.2)


def test_equal_error_rate_of_many_pairs_is_where_the_counts_meet():
    d, y = made_up_pairs(n=4000)
    rates = [((d[y == 1] <= t).mean(), (d[y == 0] > t).mean()) for t in np.linspace(0, 4, 2001)]
    false_accepts, false_rejects = min(rates, key=lambda pair: abs(pair[0] - pair[1]))
    assert metrics.equal_error_rate(d, y) == pytest.approx((false_accepts + false_rejects) / 2, abs=1e-3)


def test_true_accepts_at_a_rate_of_false_ones():
    d, y = made_up_pairs(n=2000)
    for limit in (0.0, 0.01, 0.1, 1.0):
        best = max((d[y == 0] <= t).mean() for t in np.append(d, -1) if (d[y == 1] <= t).mean() <= limit)
        assert metrics.true_accepts(d, y, limit) == pytest.approx(best)


def test_a_constant_embedding_verifies_nobody():
    d, y = np.zeros(100), np.repeat([0, 1], 50)
    assert metrics.auc(d, y) == metrics.equal_error_rate(d, y) == 0.5
    assert metrics.true_accepts(d, y, 0.01) == 0


@pytest.mark.parametrize("measure", [metrics.roc, metrics.auc, metrics.equal_error_rate, metrics.true_accepts])
def test_pairs_that_cannot_be_judged_are_said(measure):
    with pytest.raises(CourseError, match="1 of 3 distances are not finite"):
        measure([0.0, np.nan, 1.0], [0, 1, 1])
    with pytest.raises(CourseError, match=r"0 \(same\) and 1 \(different\), and both must occur"):
        measure([0.0, 1.0], [1, 1])
    with pytest.raises(CourseError, match=r"shapes \(2,\), \(3,\)"):
        measure([0.0, 1.0], [0, 1, 1])


# --- identification ---------------------------------------------------------------------------------------------


def distances(E):
    return np.linalg.norm(E[:, None] - E[None, :], axis=-1)


def test_recall_by_hand():
    E = np.array([[0.0], [1.0], [1.5], [9.0]])  # of a, a, b, b
    D, identity = distances(E), np.array([0, 0, 1, 1])
    # nearest other: 0 -> 1 right, 1 -> 2 wrong, 2 -> 1 wrong, 3 -> 2 right
    assert metrics.recall_at_k(D, identity) == 0.5
    assert metrics.recall_at_k(D, identity, k=2) == 0.75  # 1 finds 0 next; 2 finds 1, 0, and then 3
    assert metrics.recall_at_k(D, identity, k=3) == 1


def test_recall_equals_a_sort_where_nothing_ties():
    rng = np.random.default_rng(0)
    E, identity, group = rng.normal(size=(60, 3)), rng.integers(0, 8, 60), rng.integers(0, 3, 60)
    D = distances(E)
    for k in (1, 3):
        hits = []
        for i in range(60):
            gallery = [j for j in range(60) if group[j] != group[i]]
            if any(identity[j] == identity[i] for j in gallery):
                nearest = sorted(gallery, key=lambda j: D[i, j])[:k]
                hits.append(any(identity[j] == identity[i] for j in nearest))
        assert metrics.recall_at_k(D, identity, k, group) == pytest.approx(np.mean(hits))


def test_neither_constant_nor_broken_embeddings_win():
    identity = np.arange(10).repeat(3)
    rng = np.random.default_rng(0)
    for D in (np.zeros((30, 30)), np.full((30, 30), np.nan)):
        assert metrics.recall_at_k(D, identity) == metrics.recall_at_k(D, identity, 10) == 0
        assert metrics.one_shot_accuracy(D, identity, 5, 50, rng) == 0


def test_recall_leaves_out_who_cannot_be_found():
    D = distances(np.array([[0.0], [1.0], [5.0]]))
    assert metrics.recall_at_k(D, np.array([0, 0, 1])) == 1
    with pytest.raises(CourseError, match="nothing can be recalled"):
        metrics.recall_at_k(D, np.arange(3))


def test_one_shot_accuracy_of_known_embeddings():
    rng = np.random.default_rng(0)
    identity = np.arange(12).repeat(4)
    perfect = distances(identity[:, None] + rng.normal(scale=1e-3, size=(48, 1)))
    assert metrics.one_shot_accuracy(perfect, identity, 5, 200, rng) == 1
    noise = distances(rng.normal(size=(48, 40)))
    for n_way in (2, 5):
        chance, trials = 1 / n_way, 4000
        spread = np.sqrt(chance * (1 - chance) / trials)
        # the embedding is one draw of noise, so its own rate scatters round chance too
        assert abs(metrics.one_shot_accuracy(noise, identity, n_way, trials, rng) - chance) < 5 * spread + 0.05


def test_one_shot_examples_are_of_other_groups_and_of_the_query_only_once():
    """Pictures of the query's group sit right on it; whoever lets them in wins every trial."""
    identity, group = np.arange(6).repeat(2), np.tile([0, 1], 6)
    D = np.where(np.equal.outer(group, group), 0.0, 1.0) + np.equal.outer(identity, identity)
    rng = np.random.default_rng(0)
    assert metrics.one_shot_accuracy(D, identity, 3, 100, rng, group) == 0
    D -= 2 * np.equal.outer(identity, identity)
    assert metrics.one_shot_accuracy(D, identity, 3, 100, rng, group) == 1
    with pytest.raises(CourseError, match="7-way trials need 7 identities"):
        metrics.one_shot_accuracy(D, identity, 7, 100, rng, group)


def test_spearman_is_that_of_scipy_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    x = rng.integers(20, size=200)
    y = x + rng.normal(scale=10, size=200)
    rho, (low, high) = metrics.spearman(x, y, rng)
    assert np.isclose(rho, spearmanr(x, y).statistic)
    assert low < rho < high < low + 0.3


def test_analogy_share_is_that_of_a_loop():
    W = np.random.default_rng(1).normal(size=(12, 2)) * np.linspace(1, 4, 12)[:, None]
    questions = np.array([q for q in np.ndindex(12, 12, 12, 12) if len(set(q)) == 4 and sum(q) % 5 == 0])

    def share(W, exclude):
        right = 0
        for a, b, c, d in questions:
            scores = W @ (W[b] - W[a] + W[c])
            if exclude:
                scores[[a, b, c]] = -np.inf
            right += scores.argmax() == d
        return right / len(questions)

    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    halves = (questions[:100], questions[100:])
    assert metrics.analogy_share(halves, W) == share(unit, exclude=True)
    assert metrics.analogy_share(halves, W, exclude=False) == share(unit, exclude=False)
    assert metrics.analogy_share(halves, W, unit=False) == share(W, exclude=True) != share(unit, exclude=True)
