"""Numbers at the limits of the floating point type: an honest status, in bounded time."""

import warnings

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import PointCloud, gw_divergence, solve_gromov
from skgw.solvers.linear import balanced
from skgw.solvers.linear.annealing import AnnealingBudget
from skgw.solvers.resolution import attainable
from skgw.solvers.settings import NEWTON, DenseSettings, DescentSettings

BACKENDS = ["torch", "numba"]


def pair(n=30, m=20, dtype=np.float64):
    rng = np.random.default_rng(0)
    return tuple(
        cdist(x, x).astype(dtype) for x in (rng.normal(size=(n, 4)), rng.normal(size=(m, 3)))
    )


# -------------------------------------------------------------------------------------- tolerance


@pytest.mark.parametrize(
    "options", [{}, {"mass": 0.5}, {"unbalanced": 0.5}, {"loss": "KL"}], ids=str
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tolerance_below_the_resolution_is_not_reached(options, backend):
    with pytest.warns(GWConvergenceWarning, match="use float64") as record:
        result = solve_gromov(*pair(9, 7, np.float32), tol=1e-7, backend=backend, **options)
    assert len(record) == 1
    assert not result.converged
    assert result.status == "precision"
    assert result.tol > 1e-7  # what the solver aimed at
    assert solve_gromov(*pair(9, 7), tol=1e-7, backend=backend, **options).converged


def test_a_default_tolerance_is_raised_in_silence():
    result = solve_gromov(*pair(dtype=np.float32))
    assert result.converged
    assert result.tol > 1e-5


def test_a_default_tolerance_is_raised_up_to_a_tenth():
    with pytest.warns(GWConvergenceWarning, match="use float64"):
        result = solve_gromov(*pair(dtype=np.float32), reg=1e-6)
    assert (result.status, result.tol) == ("precision", np.float32(0.1))
    assert solve_gromov(*pair(), reg=1e-6).converged


def test_a_tolerance_near_the_resolution_is_kept():
    result = solve_gromov(*pair(dtype=np.float32), reg=0.05, tol=2e-5)
    assert result.converged
    assert result.tol == np.float32(2e-5)
    assert result.marginal_error < result.tol


def test_each_problem_of_a_batch_has_its_status():
    reg = np.array([1.0, 1e-3], np.float32)
    Ca, Cb = pair(dtype=np.float32)
    with pytest.warns(GWConvergenceWarning, match="1 of 2 .* to tol=2.0e-05"):
        result = solve_gromov(np.stack([Ca, Ca]), Cb, reg=reg, tol=2e-5)
    assert result.status == ("converged", "precision")
    assert result.converged.tolist() == [True, False]


@pytest.mark.parametrize("options", [{}, {"loss": "KL"}, {"backend": "torch"}], ids=str)
def test_divergences(options):
    with pytest.warns(
        GWConvergenceWarning, match="3 of 3 .* to tol=1.0e-07 .*use float64"
    ) as record:
        gw_divergence(*pair(9, 7, np.float32), tol=1e-7, **options)
    assert len(record) == 1
    gw_divergence(*pair(9, 7, np.float32), **options)
    gw_divergence(*pair(9, 7), tol=1e-7, max_iter=300, **options)


def test_lazy_plans():
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    spaces = PointCloud(x, "sqeuclidean"), PointCloud(x[::-1].copy(), "sqeuclidean")
    with pytest.warns(GWConvergenceWarning, match="use float64"):
        assert solve_gromov(*spaces, plan="lazy", tol=1e-7).status == "precision"
    assert solve_gromov(*spaces, plan="lazy").converged


def test_luck_is_told_from_precision():
    reg, scale = torch.tensor([1e-3]), torch.tensor([1.0])  # one ulp of the plan is 1.2e-4
    lost, fine, coarse = (attainable(tol, reg, scale) for tol in (1e-5, 1e-3, 1e-2))
    assert (lost.is_lost, lost.is_fine) == (True, True)
    assert (fine.is_lost, fine.is_fine) == (False, True)
    assert (coarse.is_lost, coarse.is_fine) == (False, False)
    assert lost.tol > fine.tol == torch.tensor(1e-3)


# ----------------------------------------------------------------------------------- tiny numbers

TRIANGLE = np.array([[0, 1, 2], [1, 0, 1.5], [2, 1.5, 0]])


@pytest.mark.parametrize(
    "options", [{}, {"mass": 0.5}, {"unbalanced": 1.0}, {"init": "spectral"}], ids=str
)
@pytest.mark.parametrize(("reg", "backend"), [(1e-16, "numba"), (1e-300, "torch")])
def test_a_reg_below_one_ulp_of_the_costs(backend, reg, options):
    with pytest.warns(GWConvergenceWarning, match="raise reg") as record:
        result = solve_gromov(TRIANGLE, TRIANGLE[:2, :2], reg=reg, backend=backend, **options)
    assert len(record) == 1
    assert result.status == "precision"
    assert np.isfinite(result.plan).all()
    assert result.reg == pytest.approx(2.2e-16 * 1.8, rel=1)  # the smallest one that costs resolve


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("function", [solve_gromov, gw_divergence])
@pytest.mark.parametrize("reg", [1e-310, 1e308])
def test_a_reg_out_of_range_is_refused(function, reg, loss):
    with pytest.raises(ValueError, match=r"leaves the range of torch.float64 .* give a reg from"):
        function(9 * TRIANGLE, 9 * TRIANGLE, reg=reg, loss=loss)


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e100, 1e300])
def test_the_kl_loss_at_any_scale(size):
    result = solve_gromov(size * TRIANGLE, size * TRIANGLE, loss="KL", reg=1e-2)
    plain = solve_gromov(TRIANGLE, TRIANGLE, loss="KL", reg=1e-2)
    assert result.converged
    np.testing.assert_allclose(result.plan, plain.plan, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("options", [{}, {"mass": 0.3}, {"unbalanced": 1.0}], ids=str)
def test_costs_far_above_reg(backend, options):
    M = np.array([[0, 1e300, 0], [1e300, 0, 1e300], [0, 0, 1e300]])
    with pytest.warns(GWConvergenceWarning):
        result = solve_gromov(TRIANGLE, TRIANGLE, M, backend=backend, **options)
    assert result.status in ("precision", "non_finite")
    with pytest.warns(GWConvergenceWarning):
        result = solve_gromov(
            1e117 * TRIANGLE, 1e117 * TRIANGLE, reg=0.43, reg_scale=None, backend=backend, **options
        )
    assert result.status == "precision"


def test_annealing_takes_a_number_of_levels_that_is_logarithmic():
    """The exponent of the level doubles on the way up; there is no recursion."""
    rng = np.random.default_rng(0)
    cost = torch.tensor(rng.random((1, 8, 8)))
    a = torch.full((1, 8), 1 / 8, dtype=torch.float64)
    reg, tol = torch.tensor([1e-12]).double(), torch.tensor([1e-3]).double()
    used, budget = 10**6, AnnealingBudget(10**6)
    solution = balanced.solve_linear(cost, a, a, reg, tol=tol, backend="torch", budget=budget)
    assert solution.error < 0.1
    assert 20 < used - budget.n_levels <= 2 + np.log2(20) + 20  # 4**20 is 1e12
    spent = AnnealingBudget(0)
    coarse = balanced.solve_linear(cost, a, a, reg, tol=tol, backend="torch", budget=spent)
    assert spent.n_levels == 0
    assert coarse.error > solution.error
    assert NEWTON.max_levels >= np.log(2**52) / np.log(NEWTON.annealing_factor)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_solve_whose_linear_problems_fail_stops(solve_with, backend):
    settings = DenseSettings(descent=DescentSettings(max_newton_steps=0))
    rng = np.random.default_rng(0)
    with pytest.warns(GWConvergenceWarning, match="the Newton steps of the linear problem ran out"):
        result = solve_with(
            settings, *pair(12, 12), rng.random((12, 12)), alpha=0.5, reg=0.1, init="product",
            backend=backend,
        )  # fmt: skip
    assert result.status == "inner"
    assert result.n_iter == settings.descent.max_failures


# --------------------------------------------------------------------------------------- rounding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options", [{}, {"mass": 0.5}, {"mass": 1.0}, {"unbalanced": 9.0}, {"loss": "KL"}], ids=str
)
def test_no_cost_is_negative(dtype, options):
    for seed in range(4):
        x = np.random.default_rng(seed).normal(size=(12, 2))
        C = cdist(x, x).astype(dtype)
        for backend in BACKENDS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GWConvergenceWarning)
                result = solve_gromov(C, C[::-1, ::-1], reg=1e-4, backend=backend, **options)
            assert result.cost >= 0
            assert result.value_quad >= 0


def test_no_cost_of_a_lazy_plan_is_negative():
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(30, 2)).astype(np.float32)
        spaces = PointCloud(x, "sqeuclidean"), PointCloud(x[::-1].copy(), "sqeuclidean")
        assert solve_gromov(*spaces, plan="lazy", reg=1e-3).cost >= 0


def test_a_linear_cost_may_be_negative():
    result = solve_gromov(TRIANGLE, TRIANGLE, -np.eye(3), alpha=0.5, reg=1e-3)
    assert result.cost == pytest.approx(-0.5, abs=1e-6)
