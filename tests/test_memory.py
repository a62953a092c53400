"""What a call takes in memory: tensors one by one, NumPy and Python together, and what the judge says of it."""

import sys
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from course_utils import exercises, frozen, memory, run
from course_utils.judge import judge

Y = torch.arange(100.0, dtype=torch.float64).view(50, 2)


@pytest.mark.parametrize(
    ("function", "entries"),
    [
        (lambda: (Y @ Y.T).sum(), 50 * 50),
        (lambda: sum((part @ Y.T).sum() for part in Y.split(10)), 10 * 50),
        (lambda: torch.cdist(Y, Y)[:1], 50 * 50),
        (lambda: torch.empty(3000)[:5], 3000),
        (lambda: torch.sort(Y, dim=0), 50 * 2),
        (lambda: Y[:3].expand(100, 3, 2), 50 * 2),  # a view makes nothing
        (lambda: torch.eye(20).to_sparse() * 2, 400),  # a sparse one has no storage of that kind
        (lambda: torch.vmap(lambda row: ((row - Y) ** 2).sum(1))(Y) + 0, 50 * 50),
        (lambda: 3, 0),
    ],
)
def test_the_largest_tensor_is_seen_on_the_way(function, entries):
    _, largest = memory.largest_tensor(function)
    assert largest == entries


def test_what_is_called_returns_and_raises_as_ever():
    assert memory.largest_tensor(lambda: 7)[0] == memory.most_held(lambda: 7)[0] == 7
    for measure in (memory.largest_tensor, memory.most_held):
        with pytest.raises(ZeroDivisionError):
            measure(lambda: 1 / 0)
    assert not tracemalloc.is_tracing()
    _, largest = memory.largest_tensor(lambda: None)
    (Y @ Y.T).sum()
    assert largest == 0


def test_numpy_and_lists_are_held_at_their_peak_only():
    small = memory.most_held(lambda: [np.ones((10, 100)).sum() for _ in range(100)])[1]
    assert 8_000 <= small < 20_000
    assert 80_000 <= memory.most_held(lambda: np.ones((100, 100)).sum())[1] < 100_000
    assert memory.most_held(lambda: [float(i) for i in range(10_000)])[1] > 200_000


def test_a_tracing_that_runs_already_goes_on():
    tracemalloc.start()
    kept = np.ones(100_000)
    _, held = memory.most_held(lambda: np.ones(1000).sum())
    assert tracemalloc.is_tracing()
    tracemalloc.stop()
    assert 8_000 <= held < 20_000 < kept.nbytes


def test_code_that_stops_the_tracing_does_no_harm():
    assert memory.most_held(tracemalloc.stop) == (None, 0)


def test_memory_is_measured_only_where_it_is_asked_for():
    outcome = run.call(lambda X: (X @ X.T).sum(), (Y,), 5)
    assert (outcome.largest, outcome.held) == (0, 0)
    outcome = run.call(lambda X: (X @ X.T).sum(), (Y,), 5, most=100)
    assert outcome.largest == 2500
    assert 0 < outcome.held < memory.bytes_for(100)
    assert run.call(lambda X: 1 / 0, (Y,), 5, most=100).error_type == "ZeroDivisionError"


def test_both_calls_share_the_time_limit():
    calls = []

    def second_for_ever(X):
        calls.append(X)
        while len(calls) > 1:
            pass

    if hasattr(__import__("signal"), "setitimer"):
        assert run.call(second_for_ever, (Y,), 0.3, most=100).timed_out == 0.3


# ---------------------------------------------------------------- the two exercises with a rule


def forces(W, Y):
    """(F, Z) from W (rows, n), rows all points."""
    W = W.clone().fill_diagonal_(0)
    return (W**2).sum(1, keepdim=True) * Y - W**2 @ Y, W.sum()


def of_all_pairs(Y, tile):
    return forces(1 / (1 + torch.cdist(Y, Y, compute_mode="donot_use_mm_for_euclid_dist") ** 2), Y)


def of_all_pairs_in_scipy(Y, tile):
    points = Y.numpy().astype(np.float64)
    W = 1 / (1 + cdist(points, points, "sqeuclidean"))
    np.fill_diagonal(W, 0)
    F, Z = (W**2).sum(1)[:, None] * points - W**2 @ points, W.sum()
    return torch.tensor(F, dtype=Y.dtype), torch.tensor(Z, dtype=Y.dtype)


def with_differences_of_a_tile(Y, tile):
    F, Z = torch.zeros_like(Y), Y.new_zeros(())
    for start in range(0, len(Y), tile):
        difference = Y[start : start + tile, None] - Y  # (tile, n, 2)
        W = 1 / (1 + (difference**2).sum(2))
        W.diagonal(start).zero_()
        Z += W.sum()
        F[start : start + tile] = (W[:, :, None] ** 2 * difference).sum(1)
    return F, Z


def neighbours_of_all_pairs(X, k, block):
    distances = torch.cdist(X, X, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    return tuple(distances.fill_diagonal_(torch.inf).topk(k, largest=False))


@pytest.mark.parametrize(
    ("exercise_id", "function", "words"),
    [
        ("tiled-repulsion", of_all_pairs, "a tensor of 10000 entries; tile * n = 500 entries are the most"),
        ("tiled-repulsion", of_all_pairs_in_scipy, "kB in arrays and lists at once; tile * n = 500 entries"),
        ("tiled-repulsion", with_differences_of_a_tile, "a tensor of 1000 entries; tile * n = 500"),
        ("block-neighbours", neighbours_of_all_pairs, "a tensor of 10000 entries; block * n = 500"),
    ],
)
def test_right_numbers_from_arrays_that_are_too_large_are_told_so(exercise_id, function, words):
    exercise, answers = exercises.get(exercise_id), frozen.load(exercise_id)
    outcomes = run.call_all(function, [case.args for case in answers.cases], 30, exercise.largest)
    verdict = judge(exercise, answers.cases, outcomes)
    assert [case.label for case in verdict.cases if not case.passed] == [answers.cases[-1].label]
    assert verdict.cases[-1].difference.kind == "memory"
    assert words in verdict.cases[-1].difference.message


def squares_of_all(x):
    return ((x[:, None] - x) ** 2).sum(1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox needs Linux")
def test_the_grader_measures_too(monkeypatch):
    import sandboxed

    from course_utils.grading.marking import read_outcome

    x = np.arange(300.0)
    with sandboxed.zygote(monkeypatch) as zygote, sandboxed.loaded(zygote, squares_of_all) as session:
        unmeasured, measured = (session.call("probe", (x,), 20.0, most=most)["outcome"] for most in (None, 3000))
    assert read_outcome(unmeasured, 1).held == 0
    assert 300 * 300 * 8 <= read_outcome(measured, 1).held < 3 * 300 * 300 * 8
    for forged in (-1, 1.0, True, None):
        assert read_outcome(measured | {"held": forged}, 1) is None
