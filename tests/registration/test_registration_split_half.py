"""The split-half cost ratio is about one for two samples of one distribution, and more else."""

import pytest
import torch

from skgw.registration.split_half import POOR_COST_RATIO, split_half_cost_ratio


def cloud(seed, n=200):
    """Two long groups, the second one behind the end of the first one."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, 3, generator=generator) * torch.tensor([3.0, 1, 0.3])
    X[1::4] += torch.tensor([0.0, 8, 4])
    X[2::4] += torch.tensor([0.0, 8, 4])
    return X


def test_two_samples_of_one_distribution():
    assert split_half_cost_ratio(cloud(0), cloud(1)) == pytest.approx(1, abs=0.15)


def test_a_wrong_rotation_is_poor():
    swapped = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert split_half_cost_ratio(cloud(0), cloud(1) @ swapped) > POOR_COST_RATIO + 0.2


def test_the_scale_of_both_clouds_does_not_matter():
    ratio = split_half_cost_ratio(cloud(0), cloud(1))
    assert split_half_cost_ratio(50 * cloud(0), 50 * cloud(1)) == pytest.approx(ratio, rel=1e-3)


def test_other_shares_cost_little():
    X, Y = cloud(0), cloud(1)
    first = Y[:, 1] < 4
    rarer = torch.cat([Y[first], Y[~first][::8]])
    assert split_half_cost_ratio(X, rarer) < 1.5


def test_two_copies_match_better_across_than_their_halves():
    """Even rows of one copy match even rows of the other one exactly."""
    X = cloud(0)
    assert split_half_cost_ratio(X, X) < 0.8


def test_points_of_a_cloud_that_coincide_do_not_match_another_cloud():
    """All costs of the coinciding cloud are zero, and the ratio is finite nevertheless."""
    point = torch.zeros(200, 3)
    ratio = split_half_cost_ratio(point, cloud(1))
    assert torch.isfinite(torch.tensor(ratio))
    assert ratio > POOR_COST_RATIO
