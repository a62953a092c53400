"""What the exercises of notebook 04 say of networks that are made wrongly, and of batches that come from elsewhere."""

import numpy as np
import pytest

from course_utils import authoring, exercises, run
from course_utils.build import judged_cases
from course_utils.judge import judge

torch = pytest.importorskip("torch")
nn = torch.nn
NOTEBOOK = "04_siamese_triplet"


@pytest.fixture(scope="module")
def solution():
    return authoring.load_solution(NOTEBOOK).functions


def said(exercise_id, solution, answer):
    """What is said first of an answer; empty where it passes."""
    exercise = exercises.get(exercise_id)
    cases = judged_cases(exercise, solution[exercise_id], 5)
    verdict = judge(
        exercise, cases, run.call_all(exercise.calling(answer), [case.args for case in cases], exercise.time_limit)
    )
    first = verdict.first_failure
    return "" if first is None else verdict.cases[first].difference.message


def lazy(net, before, left, d):
    net.linear = nn.LazyLinear(d)


def dropout(net, before, left, d):
    net.features.append(nn.Dropout(0.2))


def tried(net, before, left, d):
    net.features(torch.ones(2, before, 8, 8))


def exchanged(net, before, left, d):
    net.features = nn.Sequential(*(net.features[i] for i in (0, 1, 3, 2)), *net.features[4:])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lazy, "makes a lazy layer, `linear`; compute its size from height and width."),
        (dropout, "has a dropout layer"),
        (tried, "something before any picture"),
        (exchanged, "The order is Conv2d, MaxPool2d, BatchNorm2d, ReLU"),
    ],
)
def test_a_network_made_in_another_way_is_told_what_is_wrong(solution, change, sentence):
    class Net(solution["embedding-net"]):
        def __init__(self, channels, height, width, d=128, widths=(32, 64, 128), unit=True):
            super().__init__(channels, height, width, d, widths, unit)
            change(self, channels, self.linear.in_features, d)

    assert sentence in said("embedding-net", solution, Net)


def test_a_batch_must_come_from_its_generator_alone(solution):
    def half(identity, P, K, rng):
        different, counts = np.unique(identity, return_counts=True)
        chosen = rng.choice(different[counts >= K], P, replace=False)
        return np.concatenate([np.random.permutation(np.flatnonzero(identity == c))[:K] for c in chosen])  # noqa: NPY002

    assert "draw everything from `rng`" in said("pk-batch", solution, half)
    assert said("pk-batch", solution, solution["pk-batch"]) == ""


def test_each_picture_is_left_out_sometimes(solution):
    def never_the_last(identity, P, K, rng):
        different, counts = np.unique(identity, return_counts=True)
        rows = [np.flatnonzero(identity == c) for c in rng.choice(different[counts >= K], P, replace=False)]
        return np.concatenate([rng.permutation(r[: max(K, len(r) - 1)])[:K] for r in rows])

    assert "number 5 is left out 80 times of 80" in said("pk-batch", solution, never_the_last)
