"""The shared measures against closed forms, against loops, and against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.manifold import TSNE

from course_utils import metrics


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


def test_largest_tensor_sees_what_is_made_on_the_way():
    Y = torch.ones(50, 2)
    assert metrics.largest_tensor(lambda Y: (Y @ Y.T).sum(), Y) == 50 * 50
    assert metrics.largest_tensor(lambda Y: sum((part @ Y.T).sum() for part in Y.split(10)), Y) == 10 * 50
    assert metrics.largest_tensor(lambda Y: torch.cdist(Y, Y)[:1], Y) == 50 * 50
    assert metrics.largest_tensor(lambda Y: Y[:3].expand(100, 3, 2), Y) == 50 * 2, "a view makes nothing"
