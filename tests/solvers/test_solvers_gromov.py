"""Known answers of the solver, its honesty, and the edges of its domain."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import entr

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import gw_divergence, solve_gromov
from skgw.solvers.settings import DenseSettings, DescentSettings


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("seed", range(3))
def test_isometric_copies_are_matched(noisy_copies, loss, seed):
    Ca, Cb, order = noisy_copies(60, seed=seed)
    result = solve_gromov(Ca, Cb, loss=loss, reg=2e-4)
    assert result.converged
    assert (result.argmax(axis=0) == order).mean() > 0.95  # close neighbours may share their mass
    assert result.cost < 1e-3 * (Ca**2).mean()


def test_part_of_a_space_is_found_in_it(noisy_copies):
    Ca, Cb, order = noisy_copies(60, 40, noise=0.01)
    a = np.zeros(60)
    a[order] = 1 / 40  # of the other points nothing is wanted
    result = solve_gromov(Ca, Cb, a=a, reg=1e-3)
    assert (result.argmax(axis=0) == order).mean() > 0.9
    np.testing.assert_array_equal(result.plan[a == 0], 0)


def test_sides_can_be_exchanged(noisy_copies):
    Ca, Cb, _ = noisy_copies(40, 25, noise=0.1)
    a, b = np.random.default_rng(0).dirichlet(np.ones(40)), np.full(25, 1 / 25)
    one = solve_gromov(Ca, Cb, a=a, b=b, reg=0.02, tol=1e-8)
    other = solve_gromov(Cb, Ca, a=b, b=a, reg=0.02, tol=1e-8)
    np.testing.assert_allclose(one.plan, other.plan.T, atol=1e-7)
    assert one.value == pytest.approx(other.value, rel=1e-7)


@pytest.mark.parametrize(("loss", "power"), [("L2", 2), ("KL", 1)])
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_do_not_matter(noisy_copies, loss, power, factor):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    one = solve_gromov(Ca, Cb, loss=loss, reg=0.02, tol=1e-8)
    other = solve_gromov(factor * Ca, factor * Cb, loss=loss, reg=0.02, tol=1e-8)
    np.testing.assert_allclose(other.plan, one.plan, atol=1e-7)
    for name in ("value", "cost", "reg"):
        expected = factor**power * getattr(one, name)
        assert getattr(other, name) == pytest.approx(expected, rel=1e-6)


def test_kl_shift_is_part_of_the_loss(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    shift = 0.05 * (Ca.mean() + Cb.mean()) / 2
    options = {"loss": "KL", "reg": 0.1, "reg_scale": None, "tol": 1e-9}
    implicit = solve_gromov(Ca, Cb, kl_shift=0.05, **options)
    explicit = solve_gromov(Ca + shift, Cb + shift, kl_shift=0, **options)
    np.testing.assert_allclose(implicit.plan, explicit.plan, atol=1e-12)
    assert implicit.value == pytest.approx(explicit.value, rel=1e-12)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_float32_has_the_value_of_float64(noisy_copies, loss):
    Ca, Cb, _ = noisy_copies(80, noise=0.1)
    for reg in (0.1, 0.01, 0.003):
        fine = solve_gromov(Ca, Cb, loss=loss, reg=reg)
        coarse = solve_gromov(Ca.astype(np.float32), Cb.astype(np.float32), loss=loss, reg=reg)
        scale = fine.reg / reg
        assert coarse.converged
        assert abs(coarse.value - fine.value) < 1e-4 * scale
        assert abs(coarse.plan - fine.plan).sum() < 0.02
        assert coarse.tol > fine.tol == 1e-5  # what float32 cannot resolve is not claimed


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", ["mixture", "clusters"])
def test_every_reg(mixture, loss, dtype, shape):
    if shape == "mixture":
        x, y = mixture(100, 0), mixture(100, 1)
    else:
        angles = 2 * np.pi * np.arange(8) / 8
        ring = 3 * np.c_[np.cos(angles), np.sin(angles)]
        x, y = (
            ring[rng.integers(0, 8, 100)] + 0.1 * rng.normal(size=(100, 2))
            for rng in map(np.random.default_rng, (0, 1))
        )
    Ca, Cb = (cdist(z, z).astype(dtype) for z in (x, y))
    for reg in (1e-1, 1e-2, 1e-3, 1e-4):
        with warnings.catch_warnings():
            if reg < 1e-3:
                warnings.simplefilter("ignore", GWConvergenceWarning)
            result = solve_gromov(Ca, Cb, loss=loss, reg=reg)
        assert np.isfinite(result.plan).all()
        assert result.plan.min() >= 0
        assert result.plan.sum() == pytest.approx(1, abs=1e-3)
        assert np.isfinite(result.value)
        if reg >= 1e-3:
            assert result.converged
            assert result.marginal_error < result.tol
        else:
            assert result.marginal_error < 0.2  # a coupling, if not the best one


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_is_the_loop(noisy_copies, mixture, dtype):
    # From a matter of a few steps to one that takes many; also one side for all.
    Cb, Ca = noisy_copies(30, noise=0.1)[:2]
    line = np.linspace(0, 1, 30)[:, None] ** 2  # its ends can be told apart
    batch = np.stack([Ca, Cb, cdist(line, line), cdist(mixture(30, 5), mixture(30, 5)), 0 * Ca])
    reg = np.array([1e-2, 0.5, 5e-3, 3e-3, 1e-2])
    Cb, batch = Cb.astype(dtype), batch.astype(dtype)
    tol, atol = (1e-8, 1e-6) if dtype == np.float64 else (1e-3, 5e-3)
    result = solve_gromov(batch, Cb, reg=reg, tol=tol, max_iter=500)
    assert result.n_iter.min() < result.n_iter.max()
    for i, C in enumerate(batch):
        single = solve_gromov(C, Cb, reg=reg[i], tol=tol, max_iter=500)
        assert abs(result.plan[i] - single.plan).sum() < atol
        assert result.value[i] == pytest.approx(single.value, abs=float(atol * (Cb**2).mean()))
        assert result.reg[i] == pytest.approx(single.reg)
        assert result.status[i] == single.status == "converged"
    other_side = solve_gromov(Cb, batch, reg=reg, tol=tol, max_iter=500)
    np.testing.assert_allclose(other_side.reg, result.reg, rtol=1e-6)
    assert other_side.plan.shape == (5, 30, 30)


def test_batch_of_everything(noisy_copies):
    Ca, Cb, _ = noisy_copies(15, 10, noise=0.1)
    rng = np.random.default_rng(0)
    M = rng.random((3, 15, 10))
    a, b = rng.dirichlet(np.ones(15), 3), rng.dirichlet(np.ones(10), 3)
    result = solve_gromov(np.stack([Ca, 2 * Ca, Ca]), Cb, M, a, b, reg=0.05, alpha=0.3)
    for i, factor in enumerate((1, 2, 1)):
        single = solve_gromov(factor * Ca, Cb, M[i], a[i], b[i], reg=0.05, alpha=0.3)
        np.testing.assert_allclose(result.plan[i], single.plan, atol=1e-5)


def on_a_line(n):
    """Distances of n points whose gaps grow; no zeros, so that the KL loss needs no shift."""
    x = np.arange(n)[:, None] ** 1.5
    return cdist(x, x) + 0.1


def compared(Ca, Cb, loss):
    """L(Ca_ik, Cb_jl), (n, m, n, m)."""
    x, y = Ca[:, None, :, None], Cb[None, :, None, :]
    return (x - y) ** 2 if loss == "L2" else x * np.log(x / y) - x + y


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (5, 1)])
def test_one_point_has_one_plan(loss, n, m):
    Ca, Cb = on_a_line(n), on_a_line(m)
    result = solve_gromov(Ca, Cb, loss=loss, reg=0.05, kl_shift=0)
    assert result.converged
    np.testing.assert_allclose(result.plan, np.full((n, m), 1 / (n * m)))
    assert result.cost == pytest.approx(compared(Ca, Cb, loss).mean(), abs=1e-12)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("m", [2, 3])
def test_two_points_have_the_best_plan_of_all(loss, m):
    Ca, Cb = on_a_line(2), on_a_line(m)
    result = solve_gromov(Ca, Cb, loss=loss, reg=0.05, kl_shift=0)
    assert result.converged
    # All plans on a fine grid: a first row, and what it leaves of the columns.
    grid = np.meshgrid(*[np.linspace(0, 1 / m, 301)] * (m - 1))
    row = np.stack([*grid, 0.5 - sum(grid)], -1).reshape(-1, m)
    row = row[((row > -1e-12) & (row < 1 / m + 1e-12)).all(1)].clip(0)
    plans = np.stack([row, (1 / m - row).clip(0)], 1)  # (n_plans, 2, m)
    cost = np.tensordot(plans, compared(Ca, Cb, loss), 2)
    values = (cost * plans).sum((1, 2)) - result.reg * entr(plans).sum((1, 2))
    margin = 1e-3 * result.reg
    assert result.value == pytest.approx(values.min(), abs=margin)
    best = plans[values < values.min() + margin]  # the two points may be exchanged
    assert abs(best - result.plan).sum((1, 2)).min() < 0.02


def test_two_points_by_hand():
    # Ca = Cb = d off the diagonal: E(t) = 4 d^2 t (1 - t) / 2 for a plan [[t, 1-t], [1-t, t]] / 2.
    C = 3.0 * (1 - np.eye(2))
    init = np.array([[0.4, 0.1], [0.1, 0.4]])
    result = solve_gromov(C, C, reg=1.0, reg_scale=None, init=init, tol=1e-10)
    t = 2 * result.plan[0, 0]
    assert result.cost == pytest.approx(2 * 9 * t * (1 - t))
    stationary = 18 * (1 - 2 * t) + np.log(t / (1 - t))
    assert t > 0.9
    assert stationary == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("reg", [0.01, 0.3, 0.45, 100.0])
def test_the_product_of_two_pairs_of_points_is_left(loss, backend, reg):
    """Below a critical reg it is a saddle, also where no annealing takes place."""
    C = 1 - np.eye(2)
    result = solve_gromov(C, C, loss=loss, reg=reg, backend=backend)
    assert result.converged
    off_product = abs(result.plan - 0.25).max()
    assert off_product > 0.1 if reg < 1 else off_product < 1e-6
    divergence = gw_divergence(C, C, loss=loss, reg=reg, backend=backend)
    assert divergence == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_all_points_coincide(loss):
    result = solve_gromov(np.zeros((6, 6)), np.zeros((4, 4)), loss=loss)
    assert result.converged
    np.testing.assert_allclose(result.plan, np.full((6, 4), 1 / 24))
    assert result.cost == pytest.approx(0, abs=1e-12)
    one_side = solve_gromov(np.zeros((6, 6)), 1 - np.eye(4), loss=loss)
    np.testing.assert_allclose(one_side.plan, np.full((6, 4), 1 / 24))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicated_points_share_a_match(noisy_copies, dtype):
    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    twice = np.repeat(np.arange(20), 2)
    single = solve_gromov(Ca.astype(dtype), Cb.astype(dtype), reg=0.02)
    result = solve_gromov(Ca[np.ix_(twice, twice)].astype(dtype), Cb.astype(dtype), reg=0.02)
    assert result.converged
    np.testing.assert_allclose(result.plan[::2], result.plan[1::2], atol=1e-6)
    np.testing.assert_allclose(result.plan[::2] + result.plan[1::2], single.plan, atol=1e-3)


def test_points_without_weight_do_not_matter(noisy_copies):
    Ca, Cb, _ = noisy_copies(20, 15, noise=0.1)
    a, b = np.full(20, 1 / 20), np.full(15, 1 / 15)
    more_a, more_b = np.full((23, 23), 7.0), np.full((16, 16), 3.0)
    more_a[:20, :20], more_b[:15, :15] = Ca, Cb
    for loss in ("L2", "KL"):
        options = {"loss": loss, "reg": 0.1, "reg_scale": None, "tol": 1e-8}
        if loss == "KL":
            Ca, Cb = Ca + 0.1, Cb + 0.1
            more_a[:20, :20], more_b[:15, :15] = Ca, Cb
        less = solve_gromov(Ca, Cb, **options)
        more = solve_gromov(more_a, more_b, a=np.r_[a, 0, 0, 0], b=np.r_[b, 0], **options)
        np.testing.assert_allclose(more.plan[:20, :15], less.plan, atol=1e-7)
        assert more.value == pytest.approx(less.value, rel=1e-7)
        assert more.plan.sum() == pytest.approx(1)
        assert all(np.isfinite(x).all() for x in more.potentials)


def test_a_constant_in_m_changes_nothing(noisy_copies):
    Ca, Cb, _ = (x.astype(np.float32) for x in noisy_copies(30, noise=0.1))
    M = np.random.default_rng(0).random((30, 30)).astype(np.float32)
    near = solve_gromov(Ca, Cb, M, reg=0.02)
    far = solve_gromov(Ca, Cb, M + 1000, reg=0.02)
    assert near.converged
    assert far.converged
    assert abs(far.plan - near.plan).sum() < 0.02
    assert far.value - 500 == pytest.approx(near.value, abs=1e-2)
    assert far.tol > near.tol


def test_repeatable(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    one, other = (solve_gromov(Ca, Cb, reg=0.01) for _ in range(2))
    np.testing.assert_array_equal(one.plan, other.plan)


# ------------------------------------------------------------------------------------- honesty


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("tol", "dtype"), [(1e-6, np.float32), (1e-9, np.float64)])
def test_converged_plans_keep_their_marginals(mixture, tol, dtype, seed):
    Ca, Cb = (cdist(x, x).astype(dtype) for x in (mixture(20, seed), mixture(17, seed + 1)))
    result = solve_gromov(Ca, Cb, reg=100, tol=tol)
    assert result.converged
    assert result.marginal_error < result.tol == dtype(tol)


def test_one_warning_names_the_budget_at_the_callers_line(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    with pytest.warns(GWConvergenceWarning, match="1 of 1 .* raise max_iter") as record:
        result = solve_gromov(Ca, Cb, reg=0.01, max_iter=1)
    assert len(record) == 1
    assert Path(record[0].filename) == Path(__file__)
    assert result.converged is False
    assert result.status == "max_iter"
    assert result.n_iter == 1
    assert result.plan.sum() == pytest.approx(1)


def test_one_warning_for_a_batch(noisy_copies):
    Ca, Cb, _ = noisy_copies(30, noise=0.1)
    reg = np.array([10.0, 2e-4, 2e-4])
    with pytest.warns(GWConvergenceWarning, match="2 of 3 .* raise max_iter") as record:
        result = solve_gromov(np.stack([Ca] * 3), Cb, reg=reg, max_iter=15)
    assert len(record) == 1
    assert result.status == ("converged", "max_iter", "max_iter")
    assert result.converged.tolist() == [True, False, False]


def test_overflow_is_named(noisy_copies):
    Ca, Cb, _ = (x.astype(np.float32) for x in noisy_copies(10))
    M = np.where(np.random.default_rng(0).random((10, 10)) < 0.5, -3e38, 3e38).astype(np.float32)
    with pytest.warns(GWConvergenceWarning, match="overflowed: rescale the matrices"):
        result = solve_gromov(Ca, Cb, M)
    assert result.status == "non_finite"
    assert not result.converged


def test_inner_budget_is_named(solve_with, noisy_copies):
    settings = DenseSettings(descent=DescentSettings(max_newton_steps=0))  # marginals stay wrong
    Ca, Cb, _ = noisy_copies(20, noise=0.1)
    M = np.random.default_rng(0).random((20, 20))
    with pytest.warns(GWConvergenceWarning, match="raise tol or reg"):
        result = solve_with(
            settings, Ca, Cb, M, alpha=0, reg=0.1, reg_scale=None, init="product", max_iter=5,
            backend="torch",
        )  # fmt: skip
    assert result.status == "inner"  # alpha = 0 is one linear problem: its plan settles at once
    assert result.marginal_error > 0.01
