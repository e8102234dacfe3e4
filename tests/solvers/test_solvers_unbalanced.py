"""Unbalanced Gromov-Wasserstein."""

import numpy as np
import ot
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import solve_gromov


@pytest.fixture(scope="module")
def pair(mixture):
    """Two samples of different sizes, at a scale of about one."""
    x, y = mixture(30, 0), mixture(25, 1, 3)
    return cdist(x, x) / 4, cdist(y, y) / 4


@pytest.fixture(scope="module")
def incomplete(mixture):
    """Distances of 80 points and of a rotated copy of 72, which rows lack a copy, and the order."""
    x = mixture(80, 3, n_dims=3)
    missing = np.arange(80) >= 72
    order = np.random.default_rng(0).permutation(72)
    y = x[order][:, [2, 0, 1]]
    return cdist(x, x), cdist(y, y), missing, order


def kl2(x, y):
    """KL of the tensor squares."""
    x, y = (w.ravel()[:, None] * w.ravel() for w in (x, y))
    return np.sum(x * np.log(x / y)) - x.sum() + y.sum()


def distortion(Ca, Cb, T):
    p, q = T.sum(1), T.sum(0)
    return p @ Ca**2 @ p + q @ Cb**2 @ q - 2 * np.sum(Ca @ T @ Cb * T)


@pytest.mark.parametrize(("unbalanced", "reg"), [(1.0, 0.05), (0.1, 0.02), (0.05, 0.01)])
def test_plan_and_value_of_pot(pair, unbalanced, reg):
    there = ot.solve_gromov(*pair, alpha=1.0, reg=reg, unbalanced=unbalanced, tol=1e-9)
    here = solve_gromov(
        *pair, reg=reg, unbalanced=unbalanced, reg_scale=None, init=there.plan, tol=1e-8
    )
    assert abs(here.plan - there.plan).sum() < 1e-6
    assert here.value == pytest.approx(there.value, rel=1e-8)
    best = solve_gromov(*pair, reg=reg, unbalanced=unbalanced, reg_scale=None)
    assert best.value < there.value + 1e-8


def test_value_is_the_objective_at_the_plan():
    rng = np.random.default_rng(0)
    Ca, Cb = (cdist(x, x) for x in (rng.random((9, 2)), rng.random((7, 2))))
    a, b = rng.dirichlet(np.ones(9)), rng.dirichlet(np.ones(7))
    M = rng.random((9, 7))
    r = solve_gromov(Ca, Cb, M, a, b, alpha=0.7, reg=0.02, unbalanced=(0.1, 0.3), reg_scale=None)
    T = r.plan
    transport = 0.3 * T.sum() * np.sum(M * T) + 0.7 * distortion(Ca, Cb, T)
    assert r.cost == pytest.approx(transport)
    penalties = 0.1 * kl2(T.sum(1), a) + 0.3 * kl2(T.sum(0), b) + 0.02 * kl2(T, np.outer(a, b))
    assert r.value == pytest.approx(transport + 0.5 * penalties)
    # The best mass for this shape of plan is the one it has.
    for factor in (0.99, 1.01):
        T = factor * r.plan
        penalties = 0.1 * kl2(T.sum(1), a) + 0.3 * kl2(T.sum(0), b) + 0.02 * kl2(T, np.outer(a, b))
        assert factor**2 * transport + 0.5 * penalties > r.value


@pytest.mark.parametrize("penalty", [np.inf, 1e6, (np.inf, 1e6)])
def test_large_penalties_give_the_balanced_problem(pair, penalty):
    balanced = solve_gromov(*pair, reg=0.02, tol=1e-7)
    result = solve_gromov(*pair, reg=0.02, unbalanced=penalty, tol=1e-7)
    entropy_of_weights = float(balanced.reg) * np.log(30 * 25)
    assert result.plan == pytest.approx(balanced.plan, abs=1e-6)
    assert result.value == pytest.approx(balanced.value + entropy_of_weights, abs=1e-5)
    assert result.cost == pytest.approx(balanced.cost, abs=1e-5)


def test_one_side_alone(pair):
    result = solve_gromov(*pair, reg=0.02, unbalanced=(np.inf, 0.0))
    assert result.marginals[0] == pytest.approx(np.full(30, 1 / 30), abs=1e-12)
    assert abs(result.marginals[1] - 1 / 25).max() > 1e-3
    exchanged = solve_gromov(*pair[::-1], reg=0.02, unbalanced=(0.0, np.inf))
    assert exchanged.plan == pytest.approx(result.plan.T, abs=1e-4)


def test_without_penalty_the_entropy_alone_ties_the_plan(pair):
    r = solve_gromov(*pair, reg=0.1, unbalanced=0.0, reg_scale=None, tol=1e-8)
    cost = r.state.cost  # of the plan of mass one
    plan = np.exp(-cost / 0.1)
    assert r.plan / r.plan.sum() == pytest.approx(plan / plan.sum(), abs=1e-6)


def test_scale(pair):
    one = solve_gromov(*pair, reg=0.02, unbalanced=0.1, reg_scale=None)
    other = solve_gromov(*(10 * C for C in pair), reg=2.0, unbalanced=10.0, reg_scale=None)
    assert other.plan == pytest.approx(one.plan, abs=1e-6)
    assert other.value == pytest.approx(100 * one.value)
    relative = solve_gromov(*pair, unbalanced=0.1)
    assert solve_gromov(*(10 * C for C in pair), unbalanced=0.1).plan == pytest.approx(
        relative.plan, abs=1e-6
    )


def test_permutations(pair):
    Ca, Cb = pair
    order = np.random.default_rng(0).permutation(30)
    one = solve_gromov(Ca, Cb, unbalanced=0.1, reg=0.02)
    other = solve_gromov(Ca[np.ix_(order, order)], Cb, unbalanced=0.1, reg=0.02)
    assert other.plan == pytest.approx(one.plan[order], abs=1e-4)


def test_outliers_lose_their_mass(incomplete):
    Ca, Cb, missing, order = incomplete
    result = solve_gromov(Ca, Cb, unbalanced=0.05)
    matched = result.marginals[0] * 80
    assert roc_auc_score(missing, 1 - matched) > 0.99
    assert matched[missing].max() < 0.2
    assert (order[result.argmax(axis=1)] // 8 == np.arange(80) // 8)[~missing].mean() > 0.5
    assert 0.8 < result.plan.sum() < 1


@pytest.mark.parametrize("options", [{"unbalanced": 0.05}, {"unbalanced": 0.2}, {"mass": 0.6}])
def test_auto_is_the_best_of_its_starts(incomplete, options):
    Ca, Cb, *_ = incomplete
    Ca, Cb = Ca[:50], Cb[20:]
    Ca, Cb = Ca[:, :50], Cb[:, 20:]
    balanced = solve_gromov(Ca, Cb)
    values = [
        solve_gromov(Ca, Cb, init=init, **options).value
        for init in ("anneal", "product", balanced.plan)
    ]
    best = solve_gromov(Ca, Cb, **options).value
    assert best < min(values) + 1e-3 * abs(min(values))


@pytest.mark.parametrize("unbalanced", [0.02, 0.5])
def test_objective_never_rises(pair, unbalanced):
    options = {"reg": 0.02, "unbalanced": unbalanced, "init": "product", "tol": 1e-9}
    values = []
    for steps in range(1, 12):
        with pytest.warns(GWConvergenceWarning, match="the outer steps ran out"):
            values.append(solve_gromov(*pair, max_iter=steps, **options).value)
    assert np.diff(values).max() < 1e-3 * (values[0] - values[-1])


def test_a_batch_equals_its_problems(pair):
    Ca, Cb = pair
    batch = solve_gromov(np.stack([Ca, 2 * Ca]), Cb, unbalanced=(0.05, 0.1))
    for k in range(2):
        one = solve_gromov((k + 1) * Ca, Cb, unbalanced=(0.05, 0.1))
        assert batch.plan[k] == pytest.approx(one.plan, abs=1e-5)
        assert batch.value[k] == pytest.approx(one.value)
    assert batch.converged.all()
    assert batch.plan.shape == (2, 30, 25)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_float32(pair, loss):
    wide, narrow = (
        solve_gromov(*(C.astype(dtype) for C in pair), unbalanced=0.1, reg=0.03, loss=loss)
        for dtype in (np.float64, np.float32)
    )
    assert narrow.plan.dtype == np.float32
    assert abs(narrow.plan - wide.plan).sum() < 10 * narrow.tol
    assert narrow.value == pytest.approx(wide.value, rel=1e-3)


@pytest.mark.parametrize("loss", ["L2", "KL"])
def test_the_gradient_by_finite_differences(loss):
    rng = np.random.default_rng(0)
    Ca, Cb = (torch.tensor(cdist(x, x)) for x in (rng.random((8, 2)), rng.random((6, 2))))
    M = torch.tensor(rng.random((8, 6)))
    options = {
        "alpha": 0.6, "reg": 0.05, "reg_scale": None, "unbalanced": (0.2, 0.1), "init": "anneal",
        "tol": 1e-9, "loss": loss,
    }  # fmt: skip
    if loss == "KL":  # the solver's own shift depends on the matrices, as a constant for gradients
        Ca, Cb, options["kl_shift"] = Ca + 0.1, Cb + 0.1, 0.0
    inputs = [C.clone().requires_grad_() for C in (Ca, Cb, M)]
    solve_gromov(*inputs, **options).value.backward()
    for k, C in enumerate(inputs):
        change = torch.tensor(rng.normal(size=C.shape))
        change = change + change.T if k < 2 else change
        ends = []
        for h in (1e-4, -1e-4):
            moved = [x.detach() + (h * change if j == k else 0) for j, x in enumerate(inputs)]
            ends.append(float(solve_gromov(*moved, **options).value))
        expected = (ends[0] - ends[1]) / 2e-4
        assert float((C.grad * change).sum()) == pytest.approx(expected, rel=1e-4)


def test_the_result_describes_the_plan(pair):
    r = solve_gromov(*pair, unbalanced=0.1)
    f, g = r.potentials
    plan = np.exp((f[:, None] + g - r.state.cost) / r.reg) / (30 * 25)
    assert abs(plan - r.plan).sum() < 1e-4
    assert r.marginals[0] == pytest.approx(r.plan.sum(1))
    y = np.random.default_rng(0).normal(size=(25, 3))
    assert r.barycenter(y) == pytest.approx(r.plan @ y / r.plan.sum(1)[:, None])
    assert r.apply(y, axis=1) == pytest.approx(r.plan @ y)


def test_starts(pair):
    Ca, Cb = pair
    first = solve_gromov(Ca, Cb, unbalanced=0.1)
    again = solve_gromov(Ca, Cb, unbalanced=0.1, init=first.state)
    assert again.n_iter <= 4
    assert again.plan == pytest.approx(first.plan, abs=1e-5)
    heavier = solve_gromov(Ca, Cb, unbalanced=0.1, init=3 * first.plan)
    assert heavier.plan == pytest.approx(first.plan, abs=1e-4)
    matched = solve_gromov(Ca, Ca, unbalanced=0.1, init="identity")
    assert (matched.argmax() == np.arange(30)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unbalanced": -1.0}, "must be a non-negative number"),
        ({"unbalanced": (0.1, -1.0)}, "must be a non-negative number"),
        ({"unbalanced": (0.1, 0.1, 0.1)}, "or a pair of them"),
        ({"unbalanced": (0.1, None)}, "infinity fixes a marginal"),
        ({"unbalanced": "weak"}, "must be a non-negative number.*got 'weak'"),
        ({"unbalanced": np.nan}, "non-negative"),
        ({"unbalanced": 0.1, "init": None}, "init must be .* got None"),
        ({"unbalanced": 0.1, "mass": 0.5}, "not both"),
        ({"unbalanced": 0.1, "init": "identity"}, "same size and weights"),
        ({"unbalanced": 0.1, "init": "random"}, "init must be"),
        ({"unbalanced": 0.1, "init": np.zeros((30, 25))}, "not zero everywhere"),
        ({"unbalanced": 0.1, "init": np.ones((25, 30))}, "init has shape"),
        ({"unbalanced": 0.1, "backend": "jax"}, "backend must be one of"),
    ],
)
def test_errors(pair, options, message):
    with pytest.raises(ValueError, match=message):
        solve_gromov(*pair, **options)


def test_penalties_that_leave_no_mass_are_told():
    """The cost of each plan is 81, of which a penalty of 0.01 times the scale makes exp(-108)."""
    Ca, Cb = np.ones((3, 3)), np.full((4, 4), 10.0)
    with pytest.warns(GWConvergenceWarning, match="without mass: raise unbalanced") as record:
        result = solve_gromov(Ca, Cb, unbalanced=(0.01, 0))
    assert len(record) == 1
    assert result.status == "empty"
    assert not result.converged
    assert result.plan.sum() == pytest.approx(np.exp(-81 / (0.015 * 50.5)), rel=1e-6)
    assert solve_gromov(Ca, Cb, unbalanced=1.0).converged


def test_a_mass_that_overflows_is_told():
    M = np.full((3, 3), -1e5)
    with pytest.warns(GWConvergenceWarning, match="overflowed"):
        result = solve_gromov(np.eye(3), np.eye(3), M, unbalanced=0.01)
    assert result.status == "non_finite"
