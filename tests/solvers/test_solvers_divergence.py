"""The divergence: zero for copies, positive otherwise, one reg for its three terms."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import PointCloud, gw_divergence, solve_gromov
from skgw.solvers.quadratic.descent import CONVERGED, NON_FINITE


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("reg", [0.05, 0.005])
def test_isometric_copies(noisy_copies, loss, reg):
    Ca, Cb, _ = noisy_copies(50)
    value = gw_divergence(Ca, Cb, loss=loss, reg=reg, tol=1e-7)
    entropic = solve_gromov(Ca, Cb, loss=loss, reg=reg).cost
    assert abs(value) < 1e-5 * (Ca**2).mean()
    assert entropic > 100 * abs(value)  # that is what the self terms are for


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_of_isotropic_points(dtype):
    # Product starts find worse minima of the self terms here.
    x = np.random.default_rng(0).normal(size=(60, 3))
    C = cdist(x, x).astype(dtype)
    assert abs(gw_divergence(C, C[::-1, ::-1], reg=0.01)) < 1e-3 * (C**2).mean()


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_larger_noise_larger_value(noisy_copies, loss):
    values = []
    for noise in (0, 0.1, 0.3, 1):
        Ca, Cb, _ = noisy_copies(40, noise=noise)
        values.append(gw_divergence(Ca, Cb, loss=loss, reg=0.01))
    assert (np.diff(values) > 0).all()


def test_terms_share_one_absolute_reg(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, 20, noise=0.1)
    a, b = np.random.default_rng(0).dirichlet(np.ones(30)), np.full(20, 1 / 20)
    value, results = gw_divergence(Ca, 2 * Cb, a, b, reg=0.02, tol=1e-8, return_results=True)
    cross, *selves = results
    assert cross.reg == selves[0].reg == selves[1].reg
    assert value == 2 * cross.value - selves[0].value - selves[1].value
    single = solve_gromov(Ca, 2 * Cb, a=a, b=b, reg=0.02, tol=1e-8)
    assert cross.value == pytest.approx(single.value)
    for C, p, term in ((Ca, a, selves[0]), (2 * Cb, b, selves[1])):
        np.testing.assert_allclose(term.marginals, [p, p], atol=1e-7)
        options = {"reg": float(cross.reg), "reg_scale": None, "tol": 1e-8}
        alone = solve_gromov(C, C, a=p, b=p, init="identity", **options)
        np.testing.assert_allclose(term.plan, alone.plan, atol=1e-6)
        np.testing.assert_allclose(term.plan, term.plan.T, atol=1e-7)


def test_terms_share_one_shift(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    Cb = 5 * Cb  # alone, either side would have another shift
    shift = 0.05 * (Ca.mean() + Cb.mean()) / 2
    options = {"loss": "KL", "reg": 0.5, "reg_scale": None, "tol": 1e-8, "return_results": True}
    value, implicit = gw_divergence(Ca, Cb, kl_shift=0.05, **options)
    expected, explicit = gw_divergence(Ca + shift, Cb + shift, kl_shift=0, **options)
    assert value == pytest.approx(expected, rel=1e-6)
    for one, other in zip(implicit, explicit, strict=True):
        assert one.cost == pytest.approx(other.cost, rel=1e-6)


def test_the_square_loss_does_not_tell_the_sides_apart(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    forth, back = (gw_divergence(*C, reg=0.05, tol=1e-8) for C in ((Ca, 5 * Cb), (5 * Cb, Ca)))
    assert forth == pytest.approx(back, rel=1e-6)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("reg", [0.05, 0.001])
def test_self_terms_converge_in_a_few_steps(mixture, loss, reg):
    C = cdist(mixture(60, 0), mixture(60, 0))
    _, (_, one, other) = gw_divergence(C, C, loss=loss, reg=reg, return_results=True)
    assert max(one.n_iter, other.n_iter) <= 12
    assert one.cost < 0.05 * (C**2).mean()


def test_batch_is_the_loop(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    batch = np.stack([Cb, 1.5 * Cb, Ca])
    values = gw_divergence(Ca, batch, reg=0.02, tol=1e-8)
    loop = [gw_divergence(Ca, C, reg=0.02, tol=1e-8) for C in batch]
    np.testing.assert_allclose(values, loop, atol=1e-6)
    assert values[2] == pytest.approx(0, abs=1e-5)


def test_kinds(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, noise=0.1)
    value = gw_divergence(Ca.astype(np.float32), Cb.astype(np.float32), reg=0.05)
    assert value.dtype == np.float32
    assert np.ndim(value) == 0
    tensor = gw_divergence(torch.tensor(Ca, requires_grad=True), torch.tensor(Cb), reg=0.05)
    assert tensor.shape == ()
    assert tensor.requires_grad


def test_spaces_of_points(mixture):
    x, y = mixture(30, 0), mixture(25, 1)
    value = gw_divergence(PointCloud(x), PointCloud(y), reg=0.02)
    assert value == pytest.approx(gw_divergence(cdist(x, x), cdist(y, y), reg=0.02), abs=1e-5)


def test_gradient_moves_points_onto_the_target(mixture):
    target = cdist(mixture(20, 0), mixture(20, 0))
    rng = np.random.default_rng(0)
    x = torch.tensor(mixture(20, 0) + 0.2 * rng.normal(size=(20, 2)), requires_grad=True)
    values = []
    optimiser = torch.optim.Adam([x], lr=0.03)
    for _ in range(40):
        D = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        value = gw_divergence(D, torch.tensor(target), reg=0.01, tol=1e-4)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.1 * values[0]


def test_one_warning_for_three_terms(noisy_copies):
    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    with pytest.warns(GWConvergenceWarning, match="3 of 3 .* raise max_iter") as record:
        gw_divergence(Ca, Cb, reg=0.01, max_iter=1)
    assert len(record) == 1
    assert Path(record[0].filename) == Path(__file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gw_divergence(Ca, Cb, reg=0.01)


def test_second_derivatives_are_refused(noisy_copies):
    Ca, Cb, _ = noisy_copies(8)
    Ca = torch.tensor(Ca, requires_grad=True)
    value = gw_divergence(Ca, torch.tensor(Cb), reg=0.05)
    (gradient,) = torch.autograd.grad(value, Ca, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("weighted", [True, False])
def test_in_one_call_or_term_by_term(noisy_copies, dtype, weighted):
    """Without the results it may be compiled as a whole; nothing else may change."""
    pairs = [noisy_copies(41, 30, seed=seed, noise=0.1)[:2] for seed in range(3)]
    Ca, Cb = (torch.tensor(np.stack(C), dtype=dtype) for C in zip(*pairs, strict=True))
    a = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(41))) if weighted else None
    exact = dtype == torch.float64
    found = []
    for return_results in (False, True):
        sides = [C.clone().requires_grad_() for C in (Ca, Cb)]
        value = gw_divergence(
            *sides, a, reg=0.02, tol=1e-7 if exact else 1e-3, return_results=return_results
        )
        value = value[0] if return_results else value
        value.sum().backward()
        found.append((value.detach(), *(C.grad for C in sides)))
    for one, other in zip(*found, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=(1e-5 if exact else 2e-2) * scale)


def test_gradient_of_one_side_is_that_of_both(noisy_copies):
    Ca, Cb = (torch.tensor(C) for C in noisy_copies(20, 25, noise=0.1)[:2])
    gradients = []
    for needed in ((True, True), (True, False), (False, True)):
        sides = [C.clone().requires_grad_(n) for C, n in zip((Ca, Cb), needed, strict=True)]
        gw_divergence(*sides, reg=0.05, tol=1e-7).backward()
        gradients.append([C.grad for C in sides])
    both, first, second = gradients
    assert first[1] is None
    assert second[0] is None
    torch.testing.assert_close(first[0], both[0])
    torch.testing.assert_close(second[1], both[1])


def test_values_that_overflow_are_told(noisy_copies):
    pytest.importorskip("numba")
    from skgw.solvers.quadratic.divergence_numba import divergence_numba

    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    Ca = torch.tensor(np.stack([Ca, Ca]))
    Ca[1, 3, 4] = torch.inf
    Cb, a = torch.tensor(Cb).expand(2, 20, 20), torch.full((2, 20), 1 / 20, dtype=torch.float64)
    scale = Cb.square().mean((1, 2))
    found = divergence_numba(
        Ca, Cb, a, a, reg=0.05 * scale, scale=scale, tol=torch.full_like(scale, 1e-3),
        max_iter=50, needed=(False, False),
    )  # fmt: skip
    assert (found.status[:, 0] == CONVERGED).all()
    assert found.status[0, 1] == NON_FINITE
