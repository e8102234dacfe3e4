"""Plans and values are those of POT, converged in float64."""

import warnings

import numpy as np
import ot
import pytest
from scipy.spatial.distance import cdist

from skgw.solvers import solve_gromov

LOSSES = {"L2": "square_loss", "KL": "kl_loss"}


def problem(noisy_copies, n, m, loss):
    """Two spaces of unit scale, strictly positive for the KL loss, and non-uniform weights."""
    Ca, Cb, _ = noisy_copies(n, m, seed=2, noise=0.1)
    Ca, Cb = Ca / Ca.mean(), Cb / Ca.mean()
    if loss == "KL":
        Ca, Cb = Ca + 0.1, Cb + 0.1
    a, b = (np.random.default_rng(k).uniform(0.5, 1.5, k) for k in (n, m))
    return Ca, Cb, a / a.sum(), b / b.sum()


def pot(Ca, Cb, a, b, loss, reg, M=None, alpha=None):
    """POT's plan, and the objective at it from the definition."""
    options = {
        "loss_fun": LOSSES[loss], "epsilon": reg, "symmetric": True,
        "max_iter": 2000, "tol": 1e-12, "numItermax": 5000, "stopThr": 1e-12,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its inner loop; the plans end up feasible
        if M is None:
            plan = ot.gromov.entropic_gromov_wasserstein(Ca, Cb, a, b, **options)
        else:
            plan = ot.gromov.entropic_fused_gromov_wasserstein(
                M, Ca, Cb, a, b, alpha=alpha, **options
            )
    assert abs(plan.sum(0) - b).sum() + abs(plan.sum(1) - a).sum() < 1e-8
    quad = objective(Ca, Cb, plan, loss)
    if M is not None:
        quad = (1 - alpha) * (M * plan).sum() + alpha * quad
    return plan, quad, quad + reg * (plan * np.log(np.maximum(plan, 1e-300))).sum()


def objective(Ca, Cb, plan, loss):
    """Sum over i, j, k, l of L(Ca_ik, Cb_jl) T_ij T_kl, from the definition."""
    x, y = Ca[:, None, :, None], Cb[None, :, None, :]
    total = 0.0
    for i in range(len(Ca)):  # one row at a time: n^2 m^2 numbers are too many
        L = (x[i] - y[0]) ** 2 if loss == "L2" else x[i] * np.log(x[i] / y[0]) - x[i] + y[0]
        total += np.einsum("j,jkl,kl->", plan[i], L, plan)
    return total


@pytest.mark.parametrize(
    ("n", "m", "loss", "reg"),
    [
        (20, 20, "L2", 0.1),
        (20, 20, "L2", 0.03),
        (20, 20, "L2", 0.015),
        (50, 50, "L2", 0.1),
        (50, 30, "L2", 0.1),
        (50, 30, "L2", 0.03),
        (100, 100, "L2", 0.1),
        (20, 20, "KL", 0.1),
        (20, 20, "KL", 0.03),
        (50, 50, "KL", 0.1),
        (50, 50, "KL", 0.015),
        (50, 30, "KL", 0.1),
        (100, 100, "KL", 0.03),
    ],
)
def test_plan_and_value(noisy_copies, n, m, loss, reg):
    Ca, Cb, a, b = problem(noisy_copies, n, m, loss)
    plan, quad, value = pot(Ca, Cb, a, b, loss, reg)
    result = solve_gromov(
        Ca, Cb, a=a, b=b, loss=loss, reg=reg, reg_scale=None, kl_shift=0, tol=1e-8
    )
    assert result.converged
    assert abs(result.plan - plan).sum() < 1e-5
    assert result.value == pytest.approx(value, rel=1e-6)
    assert result.cost == pytest.approx(quad, rel=1e-6)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("alpha", [0.2, 0.7])
@pytest.mark.parametrize(("n", "m"), [(30, 30), (40, 25)])
def test_fused(noisy_copies, loss, alpha, n, m):
    Ca, Cb, a, b = problem(noisy_copies, n, m, loss)
    M = cdist(Ca[:, :2], Cb[:, :2]) + 5  # says something about the matching; not centred
    plan, quad, value = pot(Ca, Cb, a, b, loss, 0.05, M, alpha)
    result = solve_gromov(
        Ca, Cb, M, a, b, alpha=alpha, loss=loss, reg=0.05, reg_scale=None, kl_shift=0, tol=1e-8
    )
    assert result.converged
    assert abs(result.plan - plan).sum() < 1e-5
    assert result.value == pytest.approx(value, rel=1e-6)
    assert result.cost == pytest.approx(quad, rel=1e-6)


def test_alpha_zero_is_linear_transport(noisy_copies):
    Ca, Cb, a, b = problem(noisy_copies, 30, 20, "L2")
    M = np.random.default_rng(3).random((30, 20))
    plan = ot.sinkhorn(a, b, M, 0.05, method="sinkhorn_log", stopThr=1e-12, numItermax=10000)
    result = solve_gromov(Ca, Cb, M, a, b, alpha=0, reg=0.05, reg_scale=None, tol=1e-9)
    assert abs(result.plan - plan).sum() < 1e-7
    assert result.cost == pytest.approx((plan * M).sum(), rel=1e-8)


def test_a_relative_reg_is_that_times_the_mean_square(noisy_copies):
    Ca, Cb, a, b = problem(noisy_copies, 20, 20, "L2")
    scale = (a @ Ca**2 @ a + b @ Cb**2 @ b) / 2
    result = solve_gromov(Ca, Cb, a=a, b=b, reg=0.05, tol=1e-8)
    assert result.reg == pytest.approx(0.05 * scale)
    plan, _, _ = pot(Ca, Cb, a, b, "L2", 0.05 * scale)
    assert abs(result.plan - plan).sum() < 1e-5
