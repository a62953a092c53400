"""The fast pieces of notebook 01's t-SNE against dense NumPy in float64. Nothing here is timed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from course_utils import data, notebook

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "solutions" / "01_sne_to_tsne.py"


@pytest.fixture(scope="module")
def nb():
    """The definitions of notebook 01, by name."""
    return notebook.load_definitions(notebook.from_script(SCRIPT), {}).names


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def dense_kernel(Y):
    """w_ij = 1 / (1 + |y_i - y_j|^2) (n, n) with zero diagonal, and the differences (n, n, 2)."""
    difference = Y[:, None] - Y[None]
    W = 1 / (1 + (difference**2).sum(2))
    np.fill_diagonal(W, 0)
    return W, difference


def dense_repulsion(Y):
    W, difference = dense_kernel(Y)
    return (W[:, :, None] ** 2 * difference).sum(1), W.sum()


def random_edges(rng, n=60, share=0.2):
    """Symmetric weights P (n, n) with sum 1, and their edges i, j, p sorted by i."""
    upper = np.triu(rng.random((n, n)) * (rng.random((n, n)) < share), 1)
    P = (upper + upper.T) / (2 * upper.sum())
    i, j = map(np.ascontiguousarray, np.nonzero(P))
    return P, torch.as_tensor(i), torch.as_tensor(j), torch.as_tensor(P[i, j])


@pytest.mark.parametrize("tile", [1, 7, 50, 1024])
def test_tiled_repulsion_equals_the_dense_sum(nb, rng, tile):
    Y = rng.normal(size=(50, 2)) * 4
    F, Z = nb["tiled_repulsion"](torch.as_tensor(Y), tile)
    F_dense, Z_dense = dense_repulsion(Y)
    assert Z.shape == ()
    assert_allclose(Z, Z_dense, rtol=1e-12)
    assert_allclose(F, F_dense, rtol=1e-10, atol=1e-12)


def test_tiled_repulsion_counts_coinciding_points_but_not_the_point_itself(nb):
    F, Z = nb["tiled_repulsion"](torch.zeros(4, 2, dtype=torch.float64))
    assert float(Z) == 12
    assert (F == 0).all()


@pytest.mark.parametrize("block", [1, 13, 1024])
def test_nearest_neighbours_equal_a_full_sort(nb, rng, block):
    X = rng.normal(size=(80, 6))
    D, J = nb["nearest_neighbours"](torch.as_tensor(X), 9, block)
    full = ((X[:, None] - X[None]) ** 2).sum(2)
    np.fill_diagonal(full, np.inf)
    assert J.dtype == torch.int64
    assert_allclose(D, np.sort(full, 1)[:, :9], rtol=1e-9)
    assert_allclose(np.take_along_axis(full, J.numpy(), 1), D, rtol=1e-9)


def test_nearest_neighbours_keep_duplicates_and_leave_out_the_point_itself(nb, rng):
    X = torch.as_tensor(np.repeat(rng.normal(size=(5, 3)) * 100, 4, axis=0))
    D, J = nb["nearest_neighbours"](X, 3, 6)
    own = torch.arange(20)
    assert (own[:, None] != J).all()
    assert (own[:, None] // 4 == J // 4).all()
    assert_allclose(D, 0, atol=1e-9)
    assert (D >= 0).all()


def test_neighbour_affinities_reach_the_perplexity_also_at_extreme_scales(nb, rng):
    D = np.sort(rng.random((30, 90)), 1) * np.logspace(-12, 12, 30)[:, None]
    P = nb["neighbour_affinities"](torch.as_tensor(D), 30.0)
    assert_allclose(P.sum(1), 1, rtol=1e-12)
    assert_allclose(torch.special.entr(P).sum(1).exp(), 30, rtol=1e-4)


def test_neighbour_affinities_of_equal_distances_are_uniform(nb):
    P = nb["neighbour_affinities"](torch.full((3, 10), 5.0), 4.0)
    assert_allclose(P, 0.1, rtol=1e-6)


def test_neighbour_affinities_and_edges_with_all_neighbours_are_the_joint_affinities(nb, rng):
    X = rng.normal(size=(70, 5))
    D = nb["squared_distances"](X)
    P = nb["joint_affinities"](nb["conditional_affinities"](D, nb["find_sigmas"](D, 12.0)))
    D_near, J = nb["nearest_neighbours"](torch.as_tensor(X), 69)
    i, j, p = nb["symmetric_edges"](J, nb["neighbour_affinities"](D_near, 12.0))
    assert len(p) == 70 * 69
    assert_allclose(p, P[i, j], rtol=1e-5, atol=1e-12)


def test_symmetric_edges_add_both_directions_and_are_sorted(nb, rng):
    n, k = 40, 5
    J = np.stack([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)])
    P_near = rng.random((n, k))
    P_near /= P_near.sum(1, keepdims=True)
    P_cond = np.zeros((n, n))
    np.put_along_axis(P_cond, J, P_near, 1)
    i, j, p = nb["symmetric_edges"](torch.as_tensor(J), torch.as_tensor(P_near))
    P = np.zeros((n, n))
    P[i, j] = p
    assert_allclose(P, (P_cond + P_cond.T) / (2 * n), rtol=1e-12)
    assert (torch.diff(i * n + j) > 0).all()


def test_both_attractions_equal_the_dense_sum(nb, rng):
    P, i, j, p = random_edges(rng)
    Y = rng.normal(size=(60, 2)) * 3
    W, difference = dense_kernel(Y)
    dense = ((P * W)[:, :, None] * difference).sum(1)
    order = torch.as_tensor(rng.permutation(len(p)))
    in_any_order = nb["sparse_attraction"](torch.as_tensor(Y), i[order], j[order], p[order])
    assert_allclose(in_any_order, dense, rtol=1e-9, atol=1e-14)
    assert_allclose(nb["csr_attraction"](60, i, j, p)(torch.as_tensor(Y)), dense, rtol=1e-9, atol=1e-14)


def test_csr_attraction_of_points_without_edges_is_zero(nb):
    i, j, p = torch.tensor([1, 3]), torch.tensor([3, 1]), torch.tensor([0.5, 0.5], dtype=torch.float64)
    Y = torch.tensor([[9.0, 9], [0, 0], [5, 5], [0, 2], [7, 1]], dtype=torch.float64)
    F = nb["csr_attraction"](5, i, j, p)(Y)
    assert_allclose(F, [[0, 0], [0, -0.2], [0, 0], [0, 0.2], [0, 0]], atol=1e-15)


def test_interpolation_weights_are_one_at_their_node_and_reproduce_parabolas(nb):
    nodes = torch.tensor([1 / 6, 1 / 2, 5 / 6], dtype=torch.float64)
    assert_allclose(nb["interpolation_weights"](nodes), np.eye(3), atol=1e-15)
    t = torch.linspace(0, 1, 41, dtype=torch.float64)
    for power in (0, 1, 2):
        assert_allclose(nb["interpolation_weights"](t) @ nodes**power, t**power, atol=1e-14)
    assert (nb["interpolation_weights"](t) @ nodes**3 - t**3).abs().max() > 0.01


@pytest.mark.parametrize("m", [1, 2, 5, 8])
def test_convolve_grid_equals_four_loops(nb, rng, m):
    charges, kernel = rng.normal(size=(m, m)), rng.normal(size=(m, m))
    out = np.zeros((m, m))
    for r, c, r2, c2 in np.ndindex(m, m, m, m):
        out[r, c] += kernel[abs(r - r2), abs(c - c2)] * charges[r2, c2]
    assert_allclose(nb["convolve_grid"](torch.as_tensor(charges), torch.as_tensor(kernel)), out, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 20.0])
def test_fft_repulsion_converges_to_the_dense_sum(nb, rng, scale):
    Y = rng.normal(size=(300, 2)) * scale + 50
    F_dense, Z_dense = dense_repulsion(Y)
    coarse, fine = (nb["fft_repulsion"](torch.as_tensor(Y), h) for h in (0.5, 0.0625))
    for (F, Z), tolerance in ((coarse, 0.08), (fine, 0.001)):
        assert np.linalg.norm(F.numpy() - F_dense) < tolerance * np.linalg.norm(F_dense)
        assert abs(float(Z) - Z_dense) < tolerance * Z_dense


def test_fft_repulsion_equals_the_one_built_from_the_exercises(nb, rng):
    Y = torch.as_tensor(rng.normal(size=(200, 2)) * 12)
    for fast, clear in zip(nb["fft_repulsion"](Y), nb["interpolated_repulsion"](Y), strict=True):
        assert_allclose(fast, clear, rtol=1e-9, atol=1e-9)


def test_stencils_lie_on_the_grid_and_keep_charge_and_place(nb, rng):
    Y = torch.as_tensor(np.concatenate([rng.normal(size=(100, 2)) * 9, [[-30.0, 30.0], [30.25, -29.75]]]))
    m, nodes, weights = nb["grid_stencils"](Y, 0.5)
    assert nodes.min() >= 0
    assert nodes.max() < m * m
    assert_allclose(weights.sum(1), 1, rtol=1e-12)
    place = torch.stack([(weights * (nodes // m)).sum(1), (weights * (nodes % m)).sum(1)], 1)
    assert_allclose(place * 0.5 - 0.5 + Y.amin(0), Y, atol=1e-12)


def test_torch_gradient_equals_the_notebooks_numpy_gradient(nb, rng):
    P, i, j, p = random_edges(rng)
    Y = rng.normal(size=(60, 2)) * 3
    F, Z = nb["tiled_repulsion"](torch.as_tensor(Y), 16)
    dC_dY = 4 * (nb["sparse_attraction"](torch.as_tensor(Y), i, j, p) - F / Z)
    assert_allclose(dC_dY, nb["tsne_gradient"](P, Y), rtol=1e-9, atol=1e-14)


def test_torch_step_equals_the_notebooks_numpy_step_also_at_zero(nb, rng):
    state = [rng.normal(size=(30, 2)) for _ in range(4)]
    state[1][:5] = 0
    state[3][:10] = 0
    numpy = nb["optimiser_step"](*state, 10.0, 0.8)
    for got, expected in zip(nb["torch_step"](*map(torch.as_tensor, state), 10.0, 0.8), numpy, strict=True):
        assert_allclose(got, expected, rtol=1e-13)


def test_map_cost_equals_the_dense_divergence(nb, rng):
    P, i, j, p = random_edges(rng)
    Y = rng.normal(size=(60, 2))
    cost = nb["map_cost"](torch.as_tensor(Y), i, j, p, nb["tiled_repulsion"](torch.as_tensor(Y))[1])
    assert_allclose(cost, nb["kl_divergence"](P, nb["student_t_affinities"](Y)[0]), rtol=1e-10)


@pytest.mark.parametrize("method", ["fft", "exact"])
def test_tsne_torch_separates_three_groups_and_reports_a_falling_cost(nb, rng, method):
    labels = np.repeat([0, 1, 2], 60)
    X = rng.normal(size=(180, 8)) + 6 * np.eye(3, 8)[labels]
    seen = []
    Y = nb["tsne_torch"](X, perplexity=15, n_iter=350, method=method, callback=lambda *now: seen.append(now), every=50)
    assert Y.shape == (180, 2)
    assert np.isfinite(Y).all()
    assert [iteration for iteration, _, _ in seen] == [50, 100, 150, 200, 250, 300, 350]
    assert seen[-1][2] < seen[4][2]  # below the cost at the end of the exaggeration
    nearest = nb["nearest_neighbours"](torch.as_tensor(Y), 10)[1].numpy()
    assert (labels[nearest] == labels[:, None]).mean() > 0.99


def test_the_figures_in_results_were_measured_on_the_code_as_it_stands():
    spec = importlib.util.spec_from_file_location("benchmark", ROOT / "benchmarks" / "tsne.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    assert data.results("tsne_benchmark")["source_sha256"] == benchmark.source_hash()
