"""Partial Gromov-Wasserstein."""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning, GWConvergenceWarning
from skgw.solvers import solve_gromov


@pytest.fixture(scope="module")
def pair(mixture):
    x, y = mixture(30, 0), mixture(25, 1, 3)
    return cdist(x, x) / 4, cdist(y, y) / 4


@pytest.fixture(scope="module")
def copies(mixture):
    """A mixture and its shuffled copy, with eight points more on either side."""
    rng = np.random.default_rng(0)
    x = mixture(40, 3)
    order = rng.permutation(40)
    x, y = np.r_[x, rng.uniform(-9, 9, (8, 2))], np.r_[x[order], rng.uniform(-9, 9, (8, 2))]
    return cdist(x, x), cdist(y, y), order


def energy(Ca, Cb, T):
    p, q = T.sum(1), T.sum(0)
    return p @ Ca**2 @ p + q @ Cb**2 @ q - 2 * np.sum(Ca @ T @ Cb * T)


def entropy(p):
    return -np.sum(p * np.log(p, out=np.zeros_like(p), where=p > 1e-300))


@pytest.mark.parametrize("mass", [0.05, 0.5, 0.9, 1.0])
def test_mass_and_bounds(pair, mass):
    result = solve_gromov(*pair, reg=0.01, mass=mass)
    rows, columns = result.marginals
    assert result.converged
    assert result.plan.sum() == pytest.approx(mass, abs=1e-5)
    assert rows.max() < 1 / 30 + 1e-5
    assert columns.max() < 1 / 25 + 1e-5
    assert result.marginal_error < result.tol


def test_all_the_mass_is_the_balanced_problem(pair):
    balanced = solve_gromov(*pair, reg=0.02, tol=1e-7)
    result = solve_gromov(*pair, reg=0.02, mass=1.0, tol=1e-7)
    assert result.plan == pytest.approx(balanced.plan, abs=1e-6)
    assert result.value == pytest.approx(balanced.value)


def test_value_is_the_objective_at_the_plan(pair):
    rng = np.random.default_rng(0)
    a, b, M = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(25)), rng.random((30, 25))
    r = solve_gromov(*pair, M, a, b, alpha=0.7, mass=0.6, reg=0.05, reg_scale=None)
    transport = 0.3 * 0.6 * np.sum(M * r.plan) + 0.7 * energy(*pair, r.plan)
    left = [(w - p).clip(0) for w, p in zip((a, b), r.marginals, strict=True)]
    assert r.cost == pytest.approx(transport, rel=1e-4)
    all_entropy = entropy(r.plan) + sum(map(entropy, left))
    assert r.value == pytest.approx(transport - 0.6 * 0.05 * all_entropy, rel=1e-4)


def test_the_exact_plan_of_pot_for_little_entropy(copies):
    Ca, Cb, _ = copies
    exact = ot.gromov.partial_gromov_wasserstein(Ca, Cb, m=40 / 48)
    gaps = [abs(solve_gromov(Ca, Cb, mass=40 / 48, reg=r).plan - exact).sum() for r in (1e-3, 1e-4)]
    assert gaps[1] < 0.15
    assert gaps[1] < 0.3 * gaps[0]


def test_points_without_a_match_lose_their_mass(copies):
    Ca, Cb, order = copies
    result = solve_gromov(Ca, Cb, mass=40 / 48, reg=1e-3)
    for matched in result.marginals:
        assert roc_auc_score(np.arange(48) >= 40, 1 - 48 * matched) > 0.95
    assert (order[result.argmax()[:40].clip(max=39)] == np.arange(40)).mean() > 0.9


def test_scale_and_permutations(pair):
    Ca, Cb = pair
    one = solve_gromov(Ca, Cb, mass=0.7, reg=0.02)
    assert solve_gromov(9 * Ca, 9 * Cb, mass=0.7, reg=0.02).plan == pytest.approx(
        one.plan, abs=1e-6
    )
    order = np.random.default_rng(0).permutation(30)
    other = solve_gromov(Ca[np.ix_(order, order)], Cb, mass=0.7, reg=0.02)
    assert other.plan == pytest.approx(one.plan[order], abs=1e-4)


def test_a_batch_equals_its_problems(pair):
    Ca, Cb = pair
    batch = solve_gromov(np.stack([Ca, 2 * Ca]), Cb, mass=0.6)
    for k in range(2):
        one = solve_gromov((k + 1) * Ca, Cb, mass=0.6)
        assert batch.plan[k] == pytest.approx(one.plan, abs=1e-5)
        assert batch.value[k] == pytest.approx(one.value)


def test_float32(pair):
    wide, narrow = (
        solve_gromov(*(C.astype(dtype) for C in pair), mass=0.7, reg=0.01)
        for dtype in (np.float64, np.float32)
    )
    assert abs(narrow.plan - wide.plan).sum() < 10 * narrow.tol


def test_the_gradient_by_finite_differences(pair):
    rng = np.random.default_rng(0)
    Ca, Cb = (torch.tensor(C) for C in pair)
    C = Ca.clone().requires_grad_()
    options = {"reg": 0.05, "reg_scale": None, "mass": 0.7, "tol": 1e-9, "init": "anneal"}
    solve_gromov(C, Cb, **options).value.backward()
    change = torch.tensor(rng.normal(size=C.shape))
    change = change + change.T
    up, down = (float(solve_gromov(Ca + h * change, Cb, **options).value) for h in (1e-5, -1e-5))
    assert float((C.grad * change).sum()) == pytest.approx((up - down) / 2e-5, rel=1e-4)


def test_the_result_describes_the_plan(pair):
    r = solve_gromov(*pair, mass=0.7)
    f, g = r.potentials
    plan = np.exp((f[:, None] + g - r.state.cost) / r.reg) / (30 * 25)
    assert abs(plan - r.plan).sum() < 1e-4
    again = solve_gromov(*pair, mass=0.7, init=r.state)
    assert again.n_iter <= 4
    assert again.plan == pytest.approx(r.plan, abs=1e-5)


@pytest.mark.parametrize("mass", [0.0, -0.5, 1.5, np.nan, "half", np.full(2, 0.5)])
def test_mass_out_of_range(pair, mass):
    with pytest.raises(ValueError, match="mass must be a number above 0 and at most 1"):
        solve_gromov(*pair, mass=mass)


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("mass", [1e-3, 0.5, 0.97])
@pytest.mark.parametrize("reg", [5e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 4), (5, 6)], ids=str)
def test_the_mass_at_any_reg(sizes, reg, mass, backend):
    """Also where all costs are zero: the dummies are never matched with each other."""
    rng = np.random.default_rng(0)
    points = [rng.normal(size=(size, 2)) for size in sizes]
    for scale in (1.0, 0.0):
        Ca, Cb = (scale * cdist(x, x) for x in points)
        result = solve_gromov(Ca, Cb, mass=mass, reg=reg, backend=backend)
        assert result.converged
        assert result.plan.sum() == pytest.approx(mass, rel=1e-9)
        for sums, size in zip(result.marginals, sizes, strict=True):
            assert sums.max() < 1 / size + 1e-5 * mass


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("reg", [1e-3, 0.1, 10.0])
def test_a_tiny_mass(reg, backend):
    """Total masses far from one: the mean of a Newton direction is a mean, not a sum."""
    rng = np.random.default_rng(0)
    Ca, Cb = (cdist(x, x) for x in (rng.normal(size=(6, 2)), rng.normal(size=(5, 3))))
    a, b = np.r_[0.0, np.full(5, 0.2)], np.full(5, 0.2)
    result = solve_gromov(Ca, Cb, a=a, b=b, mass=1e-6, reg=reg, backend=backend)
    assert result.converged
    assert result.n_iter < 60
    assert result.plan.sum() == pytest.approx(1e-6, rel=1e-9)
    assert result.plan[0].sum() == 0


def test_a_mass_that_float32_does_not_resolve():
    with pytest.warns(GWConvergenceWarning, match="use float64"):
        result = solve_gromov(*np.zeros((2, 4, 4), np.float32), mass=1e-6)
    assert result.status == "precision"


def test_the_matcher_matches_the_mass_of_points_that_coincide():
    matcher = GWMatcher(metric="euclidean", n_init=1, mass=0.5, random_state=0)
    with pytest.warns(AmbiguousMatchingWarning):
        plan = matcher.fit(np.ones((5, 2)), np.ones((6, 2))).plan_
    assert plan.toarray().sum() == pytest.approx(0.5, rel=1e-6)
