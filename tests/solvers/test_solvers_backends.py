"""The same solutions from torch and from compiled code."""

import numpy as np
import pytest
import torch

from skgw.solvers import gw_divergence, solve_gromov
from skgw.solvers.linear import balanced
from skgw.solvers.linear.balanced import newton_steps, resolved


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 40, 2)), rng.normal(size=(3, 33, 3))
    return {
        "Ca": np.linalg.norm(x[:, :, None] - x[:, None], axis=3),
        "Cb": np.linalg.norm(y[:, :, None] - y[:, None], axis=3),
        "a": rng.dirichlet(np.ones(40)),
        "b": np.r_[0.0, rng.dirichlet(np.ones(32))],
    }


@pytest.mark.parametrize(
    ("dtype", "tol", "atol"), [(np.float64, 1e-7, 1e-6), (np.float32, None, 1e-3)]
)
@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_backends_agree(problem, dtype, tol, atol, loss):
    arrays = {name: x.astype(dtype) for name, x in problem.items()}
    one, other = (
        solve_gromov(**arrays, loss=loss, reg=0.02, tol=tol, max_iter=300, backend=backend)
        for backend in ("torch", "numba")
    )
    assert one.converged.all()
    assert other.converged.all()
    assert one.plan.dtype == other.plan.dtype == dtype
    np.testing.assert_allclose(np.abs(one.plan - other.plan).sum((1, 2)), 0, atol=100 * atol)
    np.testing.assert_allclose(one.value, other.value, atol=atol)


def test_batches_are_solved_problem_by_problem(problem):
    """On as many threads as torch may use, with the same result on one."""
    before = torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 3):
            torch.set_num_threads(n_threads)
            results.append(solve_gromov(**problem, reg=0.02, backend="numba"))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(results[0].plan, results[1].plan)


def test_divergence_takes_a_backend(problem):
    Ca, Cb = problem["Ca"], problem["Cb"]
    one, other = (gw_divergence(Ca, Cb, backend=backend) for backend in ("torch", "numba"))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_choice(monkeypatch):
    assert newton_steps("numba", "cpu") is not newton_steps("torch", "cpu")
    assert resolved("numba", "cpu") == resolved("auto", "cpu") == "numba"
    for backend, device in [("torch", "cpu"), ("auto", "cuda"), ("torch", "cuda")]:
        assert resolved(backend, device) == "torch"
    with pytest.raises(ValueError, match="for CPUs, the input is on cuda"):
        resolved("numba", "cuda")
    with pytest.raises(ValueError, match=r"backend must be one of .*got 'jax'"):
        resolved("jax", "cpu")
    monkeypatch.setattr(balanced, "_is_installed", lambda _: False)
    assert resolved("auto", "cpu") == "torch"
    with pytest.raises(ImportError, match=r"pip install 'skgw\[numba\]'"):
        resolved("numba", "cpu")
    with pytest.raises(ImportError, match=r"pip install 'skgw\[gpu\]'"):
        resolved("triton", "cuda")


def test_triton_is_for_gpus(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(balanced, "_is_installed", lambda _: True)
    with pytest.raises(ValueError, match=r"import skgw\.solvers\.experimental\.newton_cg_triton"):
        resolved("triton", "cpu")
    monkeypatch.setitem(balanced.EXPERIMENTAL, "triton", newton_steps("torch", "cpu"))
    with pytest.raises(ValueError, match="for GPUs, the input is on cpu"):
        resolved("triton", "cpu")
