import pytest
import torch
from _objectives import N, mlp_generator, objective_for, seeded
from torch.testing import assert_close

from skgw.training.initialization import classical_scaling, initialize_by_scaling


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_classical_scaling_of_euclidean_distances_is_exact(k):
    points = torch.randn(20, 3, dtype=torch.float64, generator=seeded())
    D = torch.cdist(points, points)
    Z = classical_scaling(D, k)
    assert Z.shape == (20, k)
    assert_close(Z.mean(0), torch.zeros(k, dtype=torch.float64), atol=1e-6, rtol=0)
    variances = torch.linalg.eigvalsh(points.T.cov(correction=0)).flip(0)[:k]
    assert_close(Z.var(0, correction=0)[:3], variances[: min(k, 3)])
    if k >= 3:
        assert_close(torch.cdist(Z, Z), D, atol=1e-6, rtol=0)
    if k > 3:
        assert Z[:, 3:].abs().max() < 1e-6


def test_classical_scaling_of_few_or_coinciding_points():
    assert classical_scaling(torch.zeros(4, 4), 2).abs().sum() == 0
    two = classical_scaling(torch.tensor([[0.0, 3.0], [3.0, 0.0]]), 4)
    assert_close(torch.cdist(two, two), torch.tensor([[0.0, 3.0], [3.0, 0.0]]))


def test_initialization_starts_near_the_data(X, scale):
    objective = objective_for(X, mlp_generator(n_prior_components=N), scale=scale)
    before = objective.losses("generator", seeded())["gw"].item()
    state = torch.get_rng_state()
    initialize_by_scaling(objective, seeded())
    assert torch.equal(torch.get_rng_state(), state)
    after = objective_for(X, objective.generator, scale=scale).losses("generator", seeded())["gw"]
    assert after < 0.2 * before


def test_initialization_leaves_a_normal_prior_alone(X):
    objective = objective_for(X, mlp_generator(n_prior_components=1))
    before = [p.clone() for p in objective.generator.parameters()]
    initialize_by_scaling(objective, seeded())
    assert all(
        torch.equal(*pair) for pair in zip(objective.generator.parameters(), before, strict=True)
    )
