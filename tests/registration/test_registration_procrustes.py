"""Registration: a motion is found from a matching that is mostly wrong."""

import pytest
import torch
from torch.testing import assert_close

from skgw.registration.procrustes import polar_factor, register, transport

N = 80


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def cloud(generator, n=N, k=4):
    """Centred, of unit size, without symmetries."""
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
    Z, turn = cloud(generator), frame(generator, 4, 4)
    order = torch.randperm(N, generator=generator)
    plan = noisy_plan(generator, order, wrong=0.8)
    found = register(Z.to(dtype), (Z @ turn)[order].to(dtype), plan=plan.to(dtype))
    assert found.rotation.dtype == dtype
    assert_close(found.rotation, turn.to(dtype), atol=0.02, rtol=0)
    assert_close(found.transport.plan.argmax(0), order)
    assert 0 <= found.cost < 5e-3


def test_reflections_count_as_motions(generator):
    Z = cloud(generator)
    mirror = torch.diag(torch.tensor([1.0, -1, 1, 1], dtype=torch.float64))
    found = register(Z, Z @ mirror, rotation=mirror + 0.2)
    assert_close(found.rotation, mirror, atol=0.02, rtol=0)


@pytest.mark.parametrize("wider", ["second", "first"])
def test_dimensions_may_differ(generator, wider):
    Z, turn = cloud(generator, k=3), frame(generator, 3, 5)
    order = torch.randperm(N, generator=generator)
    plan, W = noisy_plan(generator, order), (Z @ turn)[order]
    if wider == "first":
        Z, W, plan, turn = W, Z, plan.T, turn.T
    found = register(Z, W, plan=plan)
    assert found.rotation.shape == turn.shape
    assert_close(found.rotation, turn, atol=0.02, rtol=0)
    assert found.cost < 5e-3


def test_numbers_of_points_may_differ(generator):
    Z, turn = cloud(generator), frame(generator, 4, 4)
    W = torch.cat([Z @ turn, (Z @ turn)[:20]])
    found = register(Z, W, rotation=turn + 0.2)
    assert found.transport.plan.shape == (N, N + 20)
    assert_close(found.transport.plan.sum(1), torch.full((N,), 1 / N, dtype=torch.float64))
    marginal = found.transport.plan.sum(0)
    assert float((marginal - 1 / (N + 20)).abs().sum()) == pytest.approx(
        float(found.transport.error), abs=1e-6
    )
    assert found.transport.error < 1e-2


def test_transport_of_a_copy_is_the_identity(generator):
    Z = cloud(generator)
    found = transport(Z, Z, 1e-3)
    assert_close(found.plan.argmax(1), torch.arange(N))
    assert found.reg == pytest.approx(1e-3 * float(torch.cdist(Z, Z).square().mean()))
    hot = transport(Z, Z, 1e3)
    assert_close(hot.plan, torch.full_like(hot.plan, 1 / N**2), rtol=1e-2, atol=0)


def test_the_plan_follows_from_its_potential(generator):
    """What is kept of a plan to give new points theirs."""
    Z, W = cloud(generator), cloud(generator, n=50)
    found = transport(Z, W, 0.05)
    scores = (found.potential - torch.cdist(Z, W).square()) / found.reg
    assert_close(found.plan, scores.softmax(1) / N)


def test_points_that_coincide_have_the_product_plan():
    Z = torch.zeros(5, 2)
    found = register(Z, torch.zeros(4, 2), rotation=torch.eye(2))
    assert_close(found.transport.plan, torch.full((5, 4), 1 / 20))
    assert found.cost == 0


def test_the_polar_factor_is_the_nearest_motion(generator):
    for k, d in ((3, 3), (2, 4), (4, 2)):
        cross = torch.randn(k, d, generator=generator, dtype=torch.float64)
        best = polar_factor(cross)
        gram = best @ best.T if k <= d else best.T @ best
        assert_close(gram, torch.eye(min(k, d), dtype=torch.float64))
        assert (best * cross).sum() == pytest.approx(float(torch.linalg.svdvals(cross).sum()))


def test_there_must_be_something_to_start_from():
    Z = torch.eye(3)
    with pytest.raises(ValueError, match="plan or a rotation"):
        register(Z, Z)
    with pytest.raises(ValueError, match="needs a temperature"):
        register(Z, Z, rotation=Z, temperatures=())
