"""Maps between two sets of points: they learn their targets, and the way back."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skgw.nn.residual import ResidualSpec
from skgw.training import TrainingOptions, train
from skgw.translation.translation_network import TranslationObjective


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(80, 3))


def objective_for(points, targets, *, cycle_weight=1.0, batch_size=40):
    maps = ResidualSpec(3, (32,)).build(0), ResidualSpec(3, (32,)).build(1)
    return TranslationObjective(
        maps, points, targets, cycle_weight=cycle_weight, batch_size=batch_size
    )


def test_a_residual_map_begins_as_the_identity(points):
    x = torch.as_tensor(points, dtype=torch.float32)
    network = ResidualSpec(3).build(seed=0)
    assert_close(network(x), x)
    network(x).square().sum().backward()
    assert network.network[-1].weight.grad.abs().max() > 0  # it can leave it


def test_losses_of_maps_that_do_nothing(points):
    objective = objective_for((points, points + 1), (points + 2, points), batch_size=100)
    losses = objective.losses("maps", seeded())
    assert_close(losses["target"], torch.tensor(3 * (2.0**2 + 1)))
    assert_close(losses["cycle"], torch.tensor(0.0))
    assert_close(losses["loss"], losses["target"])


def test_the_way_back_is_weighted(points):
    objective = objective_for((points, points), (points, points), cycle_weight=3.0)
    with torch.no_grad():
        objective.maps[0].network[-1].bias.fill_(0.5)
    losses = objective.losses("maps", seeded())
    assert_close(losses["cycle"], torch.tensor(2 * 3 * 0.25))
    assert_close(losses["loss"], losses["target"] + 3 * losses["cycle"])


def test_maps_learn_their_targets(points):
    bent = points + np.sin(points[:, [1, 2, 0]])
    objective = objective_for((points, bent), (bent, points))
    history = train(objective, TrainingOptions(max_iter=400), seeded())
    assert history.losses["target"][-1] < 0.2 * history.losses["target"][0]
    assert history.losses["cycle"][-1] < 0.2
    there = objective.maps[0](torch.as_tensor(points, dtype=torch.float32))
    error = (there - torch.as_tensor(bent)).square().sum(1).mean()
    assert error < 0.1 * np.square(bent - points).sum(1).mean()
