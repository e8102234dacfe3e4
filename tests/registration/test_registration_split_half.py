"""The excess is about one for samples of one law, and more for a wrong motion."""

import pytest
import torch

from skgw.registration.split_half import excess


def cloud(seed, n=200):
    """Two long groups, the second one behind the first one's end."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, 3, generator=generator) * torch.tensor([3.0, 1, 0.3])
    X[1::4] += torch.tensor([0.0, 8, 4])
    X[2::4] += torch.tensor([0.0, 8, 4])
    return X


def test_samples_of_one_law():
    assert excess(cloud(0), cloud(1)) == pytest.approx(1, abs=0.15)


def test_a_wrong_motion():
    turn = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert excess(cloud(0), cloud(1) @ turn) > 1.5


def test_other_shares_cost_little():
    one, other = cloud(0), cloud(1)
    first = other[:, 1] < 4
    rarer = torch.cat([other[first], other[~first][::8]])
    assert excess(one, rarer) < 1.5


def test_points_that_coincide():
    assert excess(torch.zeros(6, 2), torch.zeros(4, 2)) == pytest.approx(1, abs=0.02)
