import pytest
import torch
from _objectives import N, mlp_generator, objective_for, seeded
from torch import nn
from torch.testing import assert_close

from skgw.embedding.initialization import (
    MIN_RELATIVE_WIDTH,
    classical_scaling,
    initialize_by_scaling,
    smooth_axes,
)
from skgw.nn import GeneratorSpec


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
    path = torch.tensor([[0.0, 1.0, 2.0, 1.0], [1.0, 0.0, 1.0, 2.0]])  # a ring of four nodes
    ring = classical_scaling(torch.cat([path, path.roll(2, 1)]), 4)
    assert_close(ring.square().sum(0)[2:], torch.zeros(2), atol=1e-6, rtol=0)  # not Euclidean
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


def test_axes_are_learned_in_units_of_their_width(X):
    flat = X * [1, 0]
    objective = objective_for(flat, mlp_generator())
    initialize_by_scaling(objective, seeded())
    width = torch.tensor(flat[:, 0].std(), dtype=torch.float32)
    assert_close(objective.generator.scale, torch.stack([width, MIN_RELATIVE_WIDTH * width]))


def test_coinciding_points_leave_the_axes_as_they_are(X):
    objective = objective_for(0 * X, mlp_generator())
    initialize_by_scaling(objective, seeded())
    assert_close(objective.generator.scale, torch.ones(2))
    assert torch.isfinite(objective.generator(5, seeded())).all()


def test_dropout_rests_during_the_initialization(X):
    network = nn.Sequential(nn.Linear(8, 2), nn.Dropout(0.5))
    objective = objective_for(X, GeneratorSpec(2, 8, network, (), 4).build())
    state = torch.get_rng_state()
    initialize_by_scaling(objective, seeded())
    assert torch.equal(torch.get_rng_state(), state)


def test_initialization_leaves_a_normal_prior_alone(X):
    objective = objective_for(X, mlp_generator(n_prior_components=1))
    before = [p.clone() for p in objective.generator.parameters()]
    initialize_by_scaling(objective, seeded())
    assert all(
        torch.equal(*pair) for pair in zip(objective.generator.parameters(), before, strict=True)
    )


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 4, 2)])
def test_smooth_axes_are_the_smoothest_there_are(shape):
    """Orthonormal, with the least squared differences between neighbours: eigenvalues say so."""
    size = shape[0] * shape[1] * shape[2]
    axes = smooth_axes(shape, size)
    assert_close(axes.T @ axes, torch.eye(size, dtype=torch.float64))

    def differences(images):
        images = images.T.reshape(-1, *shape)
        return [images.diff(dim=axis).square().flatten(1).sum(1) for axis in (1, 2, 3)]

    roughness = sum(differences(axes))
    pixels = torch.eye(size, dtype=torch.float64).reshape(-1, *shape)
    steps = torch.cat([pixels.diff(dim=axis).flatten(1) for axis in (1, 2, 3)], 1)
    assert_close(roughness, torch.linalg.eigvalsh(steps @ steps.T))
    assert_close(smooth_axes(shape, 5), axes[:, :5])


def test_images_are_learned_along_smooth_axes(X):
    shape = (1, 4, 4)
    generator = GeneratorSpec(16, 8, "mlp", (64, 64), N).build(0)
    objective = objective_for(X, generator)
    initialize_by_scaling(objective, seeded(), image_shape=shape)
    points = generator(500, seeded()).detach().double()
    outside = points @ smooth_axes(shape, 16)[:, 2:]
    assert outside.square().sum() < 0.1 * points.square().sum()  # the data have two dimensions
    assert len(generator.scale.unique()) == 1
