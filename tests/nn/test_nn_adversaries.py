import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.nn import NearIsometry, adversary_network, pairwise_distances

SIZES = {"hidden_layer_sizes": (8, 8)}


def points(n=20, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n_features", [3, 5])
@pytest.mark.parametrize("network", ["mlp", nn.Linear])
def test_an_adversary_starts_as_an_isometry(network, n_features):
    x = points()
    features = adversary_network(network, 3, n_features, **SIZES)(x)
    assert features.shape == (20, n_features)
    assert_close(pairwise_distances(features), pairwise_distances(x))


def test_an_adversary_with_fewer_features_starts_as_a_projection():
    axes = torch.linalg.qr(points(3, 2))[0]
    network = adversary_network("mlp", 3, 2, axes=axes, **SIZES)
    assert_close(network(points()), points() @ axes)


def test_every_weight_learns_once_the_gain_is_not_zero():
    network = adversary_network("mlp", 3, 4, **SIZES)
    network(points()).square().sum().backward()
    assert network.gain.grad != 0
    nn.init.ones_(network.gain)
    network(points()).square().sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in network.parameters())


def test_features_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"shape \(20, 2\) for 20 points, expected \(20, 4\)"):
        NearIsometry(nn.Linear(3, 2), 4)(points())
    with pytest.raises(ValueError, match=r"adversary does not fit .* \(20, 3\): .*20x3 and 5x4"):
        NearIsometry(nn.Linear(5, 4), 4)(points())


def test_without_the_residual_weights_start_orthogonal():
    network = adversary_network("mlp", 3, 4, residual=False, **SIZES)
    matrices = [w for w in network.parameters() if w.ndim == 2]
    assert [tuple(w.shape) for w in matrices] == [(8, 3), (8, 8), (4, 8)]
    for w in matrices:
        w = w if len(w) >= w.shape[1] else w.T
        assert_close(w.T @ w, torch.eye(w.shape[1]))
    assert all(not b.any() for b in network.parameters() if b.ndim == 1)


def test_the_seed_decides_and_the_global_state_stays():
    before = torch.get_rng_state()
    first, again, reseeded = (
        adversary_network("mlp", 3, 4, seed=seed, **SIZES).network[0].weight for seed in (0, 0, 1)
    )
    assert_close(first, again)
    assert not torch.allclose(first, reseeded)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_callable_must_return_a_module():
    with pytest.raises(TypeError, match="adversary returned a str"):
        adversary_network(lambda d, s: "network", 3, 4, **SIZES)
