"""The same solutions on a GPU as on the CPU, with every kind of Newton steps."""

import numpy as np
import pytest
import torch

from skgw.solvers import gw_divergence, solve_gromov

pytestmark = pytest.mark.gpu


@pytest.fixture(params=["torch", "triton"])
def backend(request):
    if request.param == "triton":
        pytest.importorskip("triton", reason="needs triton: pip install 'skgw[gpu]'")
    return request.param


@pytest.fixture
def batch(noisy_copies):
    """Three problems of 40 and 33 points, float64, whose solutions do not hang on rounding."""
    pairs = [noisy_copies(40, 33, seed=seed, noise=0.05) for seed in range(3)]
    weights = np.r_[0.0, np.random.default_rng(0).dirichlet(np.full(39, 5.0))]
    return {
        "Ca": torch.tensor(np.stack([Ca for Ca, _, _ in pairs])),
        "Cb": torch.tensor(np.stack([Cb for _, Cb, _ in pairs])),
        "a": torch.tensor(weights),
    }


def move(arrays, dtype=torch.float64):
    return {name: x.to("cuda", dtype) for name, x in arrays.items()}


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 1e-6), (torch.float32, 1e-3)])
def test_batch(batch, backend, loss, dtype, tol):
    options = {"loss": loss, "reg": 0.02, "tol": tol}
    expected = solve_gromov(**batch, **options)
    found = solve_gromov(**move(batch, dtype), **options, backend=backend)
    assert found.plan.is_cuda
    assert found.plan.dtype == dtype
    assert found.converged.all()
    assert (found.plan.cpu() - expected.plan).abs().sum((1, 2)).max() < 30 * tol
    torch.testing.assert_close(found.value.cpu().double(), expected.value, atol=tol, rtol=tol)


def test_fused(batch, backend):
    M = torch.rand(40, 33, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    arrays = {name: x[0] if x.ndim == 3 else x for name, x in batch.items()} | {"M": M}
    expected = solve_gromov(**arrays, reg=0.02, tol=1e-6)
    found = solve_gromov(**move(arrays), reg=0.02, tol=1e-6, backend=backend)
    assert found.converged
    torch.testing.assert_close(found.plan.cpu(), expected.plan, atol=1e-6, rtol=1e-3)


def test_gradient_of_the_divergence(batch, backend):
    gradients = []
    for device, steps in (("cpu", "torch"), ("cuda", backend)):
        Ca, Cb = (batch[name].to(device).requires_grad_() for name in ("Ca", "Cb"))
        value = gw_divergence(Ca, Cb, reg=0.02, tol=1e-7, backend=steps)
        value.sum().backward()
        gradients.append([value.detach().cpu(), Ca.grad.cpu(), Cb.grad.cpu()])
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_large_problem(noisy_copies, backend):
    """Kernels of low rank in between, and more points than the compiled kernel takes."""
    Ca, Cb, _ = noisy_copies(350, seed=0, noise=0.01)
    arrays = [torch.tensor(x, device="cuda", dtype=torch.float32) for x in (Ca, Cb)]
    result = solve_gromov(*arrays, reg=5e-3, tol=1e-3, backend=backend)
    expected = solve_gromov(Ca, Cb, reg=5e-3, tol=1e-3)
    assert result.converged
    np.testing.assert_allclose(result.value.cpu(), expected.value, rtol=1e-2)


def test_state_continues_on_the_gpu(batch, backend):
    arrays = move(batch)
    first = solve_gromov(**arrays, reg=0.02, tol=1e-6, backend=backend)
    again = solve_gromov(**arrays, reg=0.02, tol=1e-6, init=first.state, backend=backend)
    assert (again.n_iter < first.n_iter).all()
    torch.testing.assert_close(again.plan, first.plan, atol=1e-6, rtol=1e-3)


def test_numba_is_for_cpus(batch):
    pytest.importorskip("numba")
    with pytest.raises(ValueError, match="for CPUs, the input is on cuda"):
        solve_gromov(**move(batch), backend="numba")
