"""The problem without entropy: known answers, POT's values, and what does not exist."""

import builtins
import warnings

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import solve_gromov
from skgw.solvers.linear.network_simplex import transport_vertex
from skgw.solvers.quadratic.conditional_gradient import rounded


def weights(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(m, 5.0))


def unrelated(n, m, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 3)) * [3, 2, 1], rng.normal(size=(m, 5))
    return cdist(x, x), cdist(y, y)


def objective(Ca, Cb, plan, loss="L2"):
    """The cost from its definition."""
    x, y = Ca[:, None, :, None], Cb[None, :, None, :]
    L = (x - y) ** 2 if loss == "L2" else x * np.log(x / y) - x + y
    return np.einsum("ij,ijkl,kl->", plan, L, plan)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("seed", range(3))
def test_isometric_copies_are_matched_exactly(noisy_copies, loss, seed):
    Ca, _, order = noisy_copies(50, seed=seed)
    Cb = Ca[np.ix_(order, order)]
    result = solve_gromov(Ca, Cb, loss=loss, reg=0)
    assert result.converged
    assert (result.argmax(axis=0) == order).all()
    assert np.count_nonzero(result.plan) == 50
    assert result.value == result.cost == pytest.approx(0, abs=1e-15)
    assert result.reg == 0


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("alpha", [None, 0.3])
def test_the_value_is_the_objective_and_the_potentials_certify_the_plan(loss, alpha):
    Ca, Cb = (C + 0.1 for C in unrelated(15, 11))
    a, b = weights(15, 11)
    M = None if alpha is None else np.random.default_rng(1).random((15, 11))
    result = solve_gromov(Ca, Cb, M, a, b, alpha=alpha, loss=loss, kl_shift=0, reg=0)
    assert result.converged
    assert result.marginal_error < 1e-12
    linear = 0.0 if M is None else (1 - alpha) * (M * result.plan).sum()
    assert result.value_linear == pytest.approx(linear, rel=1e-12, abs=1e-15)
    quad = (alpha or 1.0) * objective(Ca, Cb, result.plan, loss)
    assert result.value == pytest.approx(linear + quad, rel=1e-9)
    f, g = result.potentials
    slack = result.state.cost - f[:, None] - g
    scale = abs(result.state.cost).max()
    assert slack.min() > -1e-9 * scale
    assert (slack * result.plan).sum() < 1e-6 * scale


@pytest.mark.parametrize("kind", ["clouds", "copies", "kernels", "noise"])
@pytest.mark.parametrize(("n", "m"), [(20, 20), (30, 21), (60, 45)])
@pytest.mark.parametrize("fused", [False, True])
def test_values_are_not_above_those_of_pot(noisy_copies, kind, n, m, fused):
    rng = np.random.default_rng(n)
    if kind == "copies":
        Ca, Cb, _ = noisy_copies(n, m, seed=1, noise=0.2)
    elif kind == "noise":
        Ca, Cb = (C + C.T for C in (rng.random((n, n)), rng.random((m, m))))
    else:
        Ca, Cb = unrelated(n, m)
        if kind == "kernels":
            Ca, Cb = np.exp(-(Ca**2)), np.exp(-(Cb**2))
    a, b = weights(n, m)
    scale = (a @ Ca**2 @ a + b @ Cb**2 @ b) / 2
    if fused:
        M = scale * rng.random((n, m))
        theirs = ot.gromov.fused_gromov_wasserstein2(M, Ca, Cb, a, b, symmetric=True)
        ours = solve_gromov(Ca, Cb, M, a, b, reg=0, max_iter=1000)
    else:
        theirs = ot.gromov.gromov_wasserstein2(Ca, Cb, a, b, symmetric=True)
        ours = solve_gromov(Ca, Cb, a=a, b=b, reg=0, max_iter=1000)
    assert ours.converged
    assert ours.value <= theirs + 1e-6 * scale


def test_a_plan_is_a_start_that_is_not_left_for_a_worse_one():
    Ca, Cb = unrelated(30, 20)
    best = solve_gromov(Ca, Cb, reg=0, n_init=8)
    assert best.starts.agreement > 0
    again = solve_gromov(Ca, Cb, reg=0, init=best.plan)
    assert again.n_iter <= 2
    assert again.value == pytest.approx(best.value, rel=1e-12)
    from_state = solve_gromov(Ca, Cb, reg=0, init=best.state)
    assert from_state.value == pytest.approx(best.value, rel=1e-6)


@pytest.mark.parametrize("init", ["product", "anneal", "tlb", "flb", "spectral"])
def test_named_starts(init):
    Ca, Cb = unrelated(30, 20)
    result = solve_gromov(Ca, Cb, reg=0, init=init)
    assert result.converged
    assert result.value < objective(Ca, Cb, np.full((30, 20), 1 / 600))


def test_the_identity_is_a_start():
    Ca, _ = unrelated(20, 20)
    assert solve_gromov(Ca, Ca, reg=0, init="identity").value == 0


def test_alpha_zero_is_exact_linear_transport():
    Ca, Cb = unrelated(20, 15)
    a, b = weights(20, 15)
    M = np.random.default_rng(3).random((20, 15))
    result = solve_gromov(Ca, Cb, M, a, b, alpha=0, reg=0)
    assert result.value == pytest.approx(ot.emd2(a, b, M), rel=1e-12)


def test_a_batch_of_sizes_is_a_loop(noisy_copies):
    sizes = ((20, 15), (18, 18), (30, 9))
    pairs = [noisy_copies(n, m, seed=n, noise=0.05)[:2] for n, m in sizes]
    batch = solve_gromov(*map(list, zip(*pairs, strict=True)), reg=0)
    for k, pair in enumerate(pairs):
        alone = solve_gromov(*pair, reg=0)
        assert batch.value[k] == pytest.approx(alone.value, rel=1e-9)
        np.testing.assert_allclose(batch.plan[k], alone.plan, atol=1e-12)
        np.testing.assert_allclose(batch.marginals[0][k], alone.marginals[0], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_units_and_types(dtype, factor):
    Ca, Cb = unrelated(30, 20)
    one = solve_gromov(Ca, Cb, reg=0)
    other = solve_gromov((factor * Ca).astype(dtype), (factor * Cb).astype(dtype), reg=0)
    assert other.plan.dtype == other.value.dtype == dtype
    assert other.converged
    assert other.value == pytest.approx(factor**2 * one.value, rel=1e-5)


def test_tensors_and_gradients():
    Ca, Cb = (torch.tensor(C, requires_grad=True) for C in unrelated(20, 15))
    a, b = weights(20, 15)
    result = solve_gromov(Ca, Cb, a=torch.tensor(a), b=torch.tensor(b), reg=0)
    result.value.backward()
    assert not result.plan.requires_grad
    with torch.no_grad():
        step = 1e-5 * torch.randn(20, 20, generator=torch.Generator().manual_seed(0)).double()
        step = step + step.T
        moved = solve_gromov(
            Ca + step, Cb, a=torch.tensor(a), b=torch.tensor(b), reg=0, init=result.plan
        )
        assert moved.value - result.value == pytest.approx(float((Ca.grad * step).sum()), rel=1e-2)


def test_weights_of_zero():
    Ca, Cb = unrelated(20, 15)
    a, b = weights(20, 15)
    a[[0, 7]], b[3] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    result = solve_gromov(Ca, Cb, a=a, b=b, reg=0)
    assert result.converged
    assert result.plan[[0, 7]].sum() == result.plan[:, 3].sum() == 0
    kept = np.flatnonzero(a)
    smaller = solve_gromov(Ca[np.ix_(kept, kept)], Cb, a=a[kept], b=b, reg=0)
    assert result.value == pytest.approx(smaller.value, rel=0.1)


def test_the_budget_is_reported():
    Ca, Cb = unrelated(60, 45)
    a, b = weights(60, 45)
    with pytest.warns(GWConvergenceWarning, match="the outer steps ran out"):
        result = solve_gromov(Ca, Cb, a=a, b=b, reg=0, init="product", max_iter=2)
    assert (result.converged, result.status, result.n_iter) == (False, "max_iter", 2)
    assert result.marginal_error < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unbalanced": 0.1}, "reg=0 is for balanced problems: give reg > 0"),
        ({"mass": 0.5}, "reg=0 is for balanced problems: give reg > 0"),
        ({"plan": "lazy"}, "reg=0 has no lazy plans"),
        ({"reg": [0.0, 0.1]}, "reg must be positive and finite; .* reg=0, for all problems"),
        ({"reg": torch.zeros(1, requires_grad=True)}, "reg=0 is a constant"),
    ],
)
def test_what_does_not_exist(options, message):
    Ca, Cb = unrelated(10, 8)
    with pytest.raises(ValueError, match=message):
        solve_gromov(np.stack([Ca, Ca]), Cb, **({"reg": 0} | options))


def test_without_pot(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "ot":
            raise ImportError
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"reg=0 needs POT, .* pip install POT"):
        solve_gromov(*unrelated(10, 8), reg=0)


def test_rounding_to_a_coupling():
    a, b = (torch.tensor(w)[None] for w in weights(12, 9))
    rng = np.random.default_rng(0)
    plan = torch.tensor(rng.random((1, 12, 9)))
    for rough in (plan / plan.sum(), 0 * plan, torch.full_like(plan, torch.nan), (a.mT @ b)[None]):
        coupling = rounded(rough, a, b)
        assert (coupling >= 0).all()
        torch.testing.assert_close(coupling.sum(2), a, atol=1e-14, rtol=0)
        torch.testing.assert_close(coupling.sum(1), b, atol=1e-14, rtol=0)
    product = (a.mT @ b)[None]
    torch.testing.assert_close(rounded(product, a, b), product, atol=1e-14, rtol=0)


def test_near_potentials_change_no_plan():
    rng = np.random.default_rng(0)
    cost, (a, b) = rng.random((12, 9)), weights(12, 9)
    one = transport_vertex(cost, a, b)
    other = transport_vertex(cost, a, b, (rng.random(12), rng.random(9)))
    np.testing.assert_allclose(one.plan, other.plan, atol=1e-12)
    slack = cost - other.row[:, None] - other.column
    assert slack.min() > -1e-12
    assert (slack * other.plan).sum() < 1e-12


def test_no_warning_of_pot_or_numpy(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve_gromov(Ca, Cb, reg=0)
        solve_gromov(np.zeros((5, 5)), np.zeros((3, 3)), reg=0)
