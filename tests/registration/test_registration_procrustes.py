"""Wasserstein-Procrustes finds a rotation from a plan that is mostly wrong."""

import pytest
import torch
from torch.testing import assert_close

from skgw.registration.procrustes import entropic_transport, register

N = 80


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def cloud(generator, n=N, k=4):
    """Centred, of RMS distance one, without symmetries."""
    Z = torch.randn(n, k, generator=generator, dtype=torch.float64)
    Z = (Z + Z.square() / 2) * torch.linspace(2, 1, k, dtype=torch.float64)
    Z = Z - Z.mean(0)
    return Z / (2 * Z.square().sum(1).mean()).sqrt()


def frame(generator, k, d):
    """A matrix with orthonormal rows, k <= d."""
    return torch.linalg.qr(torch.randn(d, k, generator=generator, dtype=torch.float64))[0].T


def noisy_plan(generator, order, wrong=0.5):
    """The plan of an order, with as much mass at random places."""
    n = len(order)
    plan = torch.zeros(n, n, dtype=torch.float64)
    plan[order, torch.arange(n)] = 1 / n
    noise = torch.rand(n, n, generator=generator, dtype=torch.float64)
    return (1 - wrong) * plan + wrong * noise / noise.sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rotation_is_found_from_a_noisy_plan(generator, dtype):
    Z, true = cloud(generator), frame(generator, 4, 4)
    order = torch.randperm(N, generator=generator)
    plan = noisy_plan(generator, order, wrong=0.8)
    found = register(Z.to(dtype), (Z @ true)[order].to(dtype), plan=plan.to(dtype))
    assert found.similarity.rotation.dtype == dtype
    assert_close(found.similarity.rotation, true.to(dtype), atol=0.02, rtol=0)
    assert_close(found.transport.plan.argmax(0), order)
    assert 0 <= found.cost < 5e-3


def test_reflections_count_as_rotations(generator):
    Z = cloud(generator)
    mirror = torch.diag(torch.tensor([1.0, -1, 1, 1], dtype=torch.float64))
    found = register(Z, Z @ mirror, rotation=mirror + 0.2)
    assert_close(found.similarity.rotation, mirror, atol=0.02, rtol=0)


@pytest.mark.parametrize("wider", ["second", "first"])
def test_dimensions_may_differ(generator, wider):
    Z, true = cloud(generator, k=3), frame(generator, 3, 5)
    order = torch.randperm(N, generator=generator)
    plan, W = noisy_plan(generator, order), (Z @ true)[order]
    if wider == "first":
        Z, W, plan, true = W, Z, plan.T, true.T
    found = register(Z, W, plan=plan)
    assert found.similarity.rotation.shape == true.shape
    assert_close(found.similarity.rotation, true, atol=0.02, rtol=0)
    assert found.cost < 5e-3


def test_numbers_of_points_may_differ(generator):
    Z, true = cloud(generator), frame(generator, 4, 4)
    W = torch.cat([Z @ true, (Z @ true)[:20]])
    found = register(Z, W, rotation=true + 0.2)
    assert found.transport.plan.shape == (N, N + 20)
    assert_close(found.transport.plan.sum(1), torch.full((N,), 1 / N, dtype=torch.float64))
    marginal = found.transport.plan.sum(0)
    assert float((marginal - 1 / (N + 20)).abs().sum()) == pytest.approx(
        float(found.transport.error), abs=1e-6
    )
    assert found.transport.error < 1e-2


def test_transport_of_a_copy_is_the_identity(generator):
    Z = cloud(generator)
    found = entropic_transport(Z, Z, 1e-3)
    assert_close(found.plan.argmax(1), torch.arange(N))
    assert found.reg == pytest.approx(1e-3 * float(torch.cdist(Z, Z).square().mean()))
    hot = entropic_transport(Z, Z, 1e3)
    assert_close(hot.plan, torch.full_like(hot.plan, 1 / N**2), rtol=1e-2, atol=0)


def test_the_plan_follows_from_its_potential(generator):
    """Conditional plans of new points rest on it."""
    Z, W = cloud(generator), cloud(generator, n=50)
    found = entropic_transport(Z, W, 0.05)
    scores = (found.potential - torch.cdist(Z, W).square()) / found.reg
    assert_close(found.plan, scores.softmax(1) / N)


def test_a_weight_counts_as_repeated_points(generator):
    Z, W = cloud(generator), cloud(generator, n=30)
    twice = torch.cat([Z, Z[:5]])
    a = torch.full((N,), 1 / len(twice)).to(Z)
    a[:5] *= 2
    start = torch.eye(Z.shape[1]).to(Z)
    weighted = register(Z, W, rotation=start, weights=(a, torch.full((30,), 1 / 30).to(Z)))
    repeated = register(twice, W, rotation=start)
    uniform = register(Z, W, rotation=start)
    assert_close(weighted.similarity.rotation, repeated.similarity.rotation, atol=1e-3, rtol=0)
    assert_close(weighted.cost, repeated.cost, atol=1e-3, rtol=0)
    assert (uniform.similarity.rotation - repeated.similarity.rotation).abs().max() > 2e-3


def test_points_that_coincide_have_the_product_plan():
    Z = torch.zeros(5, 2)
    found = register(Z, torch.zeros(4, 2), rotation=torch.eye(2))
    assert_close(found.transport.plan, torch.full((5, 4), 1 / 20))
    assert found.cost == 0


def test_there_must_be_something_to_start_from():
    Z = torch.eye(3)
    with pytest.raises(ValueError, match="plan or a rotation"):
        register(Z, Z)
    with pytest.raises(ValueError, match="at least one value in reg_schedule"):
        register(Z, Z, rotation=Z, reg_schedule=())
