"""The patients of notebook 04 have the faults that their answers name, and no others."""

import numpy as np
import torch

from course_utils import clinic

identity = torch.arange(4).repeat_interleave(3)
points = torch.from_numpy(np.random.default_rng(0).normal(size=(12, 3)))
D = torch.cdist(points, points).square().fill_diagonal_(0)


def test_patient_2_takes_the_anchor_for_its_negative():
    a, p, n = clinic.choose_2(D, identity)
    assert torch.equal(a, n)
    assert (a != p).all()
    assert torch.equal(identity[a], identity[p])


def test_patient_3_has_every_picture_as_its_own_positive_too():
    a, p, n = clinic.choose_3(D, identity)
    assert len(a) == 12 * 3
    assert (a == p).sum() == 12
    assert torch.equal(identity[a], identity[p])
    assert (identity[a] != identity[n]).all()


def test_patient_4_draws_different_rows():
    rows = clinic.batch_4(np.arange(100), np.random.default_rng(0))
    assert len(set(rows)) == 32


def test_patient_5_averages_over_all_valid_triplets():
    losses = [
        max(float(D[a, p] - D[a, n]) + 0.5, 0.0)
        for a in range(12)
        for p in range(12)
        for n in range(12)
        if a != p and a // 3 == p // 3 and a // 3 != n // 3
    ]
    assert np.isclose(clinic.loss_5(D, identity, 0.5).item(), np.mean(losses))


def test_patient_6_has_two_networks_of_which_each_sees_one_half():
    module = clinic.Network6(lambda: torch.nn.Linear(3, 2))
    x = points.float()
    both = module.train()(x)
    module.eval()
    for side, rows in ((0, slice(0, 6)), (1, slice(6, 12))):
        module.side = side
        assert torch.equal(module(x[rows]), both[rows])
    assert not torch.equal(module.sides[0].weight, module.sides[1].weight)
