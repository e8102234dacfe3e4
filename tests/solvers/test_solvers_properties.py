"""Properties that hold for whatever two spaces: hypothesis searches for counterexamples.

The spaces are clouds with one point much heavier or further out than the rest; plans of symmetric
spaces are not unique, values are.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import entr
from scipy.stats import ortho_group

from skgw.solvers import gw_divergence, solve_gromov

TIGHT = {"tol": 1e-8, "max_iter": 1000}


@st.composite
def clouds(draw, n_dims=3, size=None):
    """Between two and twelve points of a seeded cloud, without symmetries, and their weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n = size or draw(st.integers(2, 12))
    points = rng.normal(size=(n, n_dims)) * rng.uniform(0.2, 3, n_dims) + rng.gamma(1, size=(n, 1))
    return points, rng.dirichlet(np.full(n, 3.0))


LOSSES = st.sampled_from(["L2", "KL"])
REGS = st.sampled_from([0.3, 0.1, 0.03])
BACKENDS = st.sampled_from(["torch", "numba"])


def distances(*points):
    return [cdist(x, x) for x in points]


def guess(a, b):
    """A start that can be permuted with the points; the perturbation depends on their order."""
    plan = np.outer(a, b) * np.random.default_rng(0).random((len(a), len(b)))
    return plan / plan.sum()


@settings(max_examples=25)
@given(clouds(), clouds(), LOSSES, REGS, BACKENDS, st.randoms(use_true_random=False))
def test_permutations(one, other, loss, reg, backend, random):
    (x, a), (y, b) = one, other
    rows, columns = (random.sample(range(len(z)), len(z)) for z in (x, y))
    Ca, Cb = distances(x, y)
    options = {"loss": loss, "reg": reg, "backend": backend, **TIGHT}
    plan = guess(a, b)
    result = solve_gromov(Ca, Cb, a=a, b=b, init=plan, **options)
    Ca, Cb = distances(x[rows], y[columns])
    plan = plan[np.ix_(rows, columns)]
    moved = solve_gromov(Ca, Cb, a=a[rows], b=b[columns], init=plan, **options)
    np.testing.assert_allclose(moved.plan, result.plan[np.ix_(rows, columns)], atol=1e-5)
    assert moved.value == pytest.approx(result.value, rel=1e-6, abs=1e-8)


@settings(max_examples=25)
@given(clouds(), clouds(), LOSSES, REGS, st.floats(1e-3, 1e3))
def test_units(one, other, loss, reg, factor):
    (x, a), (y, b) = one, other
    Ca, Cb = distances(x, y)
    result = solve_gromov(Ca, Cb, a=a, b=b, loss=loss, reg=reg, **TIGHT)
    scaled = solve_gromov(factor * Ca, factor * Cb, a=a, b=b, loss=loss, reg=reg, **TIGHT)
    np.testing.assert_allclose(scaled.plan, result.plan, atol=1e-5)
    power = 2 if loss == "L2" else 1
    assert scaled.value == pytest.approx(factor**power * result.value, rel=1e-6, abs=1e-12)


@settings(max_examples=25)
@given(clouds(), LOSSES, REGS, st.integers(0, 2**16))
def test_isometries(one, loss, reg, seed):
    x, a = one
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    y = (x @ ortho_group.rvs(3, random_state=seed) + rng.normal(size=3))[order]
    Ca, Cb = distances(x, y)
    init = np.zeros_like(Ca)
    init[order, np.arange(len(x))] = a[order]
    options = {"loss": loss, "reg": reg, "init": init, **TIGHT}
    value, results = gw_divergence(Ca, Cb, a, a[order], return_results=True, **options)
    assert abs(value) < 1e-6 * max(abs(results[0].value), results[0].reg)
    np.testing.assert_allclose(results[0].plan[order], results[2].plan, atol=1e-5)


@settings(max_examples=25)
@given(clouds(), clouds(), REGS, BACKENDS)
def test_exchanged_sides(one, other, reg, backend):
    (x, a), (y, b) = one, other
    Ca, Cb = distances(x, y)
    plan, options = guess(a, b), {"reg": reg, "backend": backend, **TIGHT}
    result = solve_gromov(Ca, Cb, a=a, b=b, init=plan, **options)
    swapped = solve_gromov(Cb, Ca, a=b, b=a, init=plan.T, **options)
    np.testing.assert_allclose(swapped.plan, result.plan.T, atol=1e-5)
    assert swapped.value == pytest.approx(result.value, rel=1e-6, abs=1e-8)


@settings(max_examples=25)
@given(clouds(), clouds(), LOSSES, REGS)
def test_the_divergence_is_not_negative(one, other, loss, reg):
    (x, a), (y, b) = one, other
    value, (cross, *_) = gw_divergence(
        *distances(x, y), a, b, loss=loss, reg=reg, return_results=True, **TIGHT
    )
    assert value > -1e-6 * cross.reg / reg


@settings(max_examples=15)
@given(st.lists(clouds(size=7), min_size=2, max_size=4), clouds(), LOSSES, REGS, BACKENDS)
def test_a_batch_is_the_loop(ones, other, loss, reg, backend):
    (y, b) = other
    Ca, Cb = np.stack(distances(*(x for x, _ in ones))), distances(y)[0]
    a = np.stack([a for _, a in ones])
    options = {"loss": loss, "reg": reg, "backend": backend, **TIGHT}
    batch = solve_gromov(Ca, Cb, a=a, b=b, **options)
    for k in range(len(ones)):
        alone = solve_gromov(Ca[k], Cb, a=a[k], b=b, **options)
        assert batch.status[k] == alone.status
        np.testing.assert_allclose(batch.plan[k], alone.plan, atol=1e-5)
        assert batch.value[k] == pytest.approx(float(alone.value), rel=1e-6, abs=1e-8)


@settings(max_examples=40)
@given(clouds(), clouds(), LOSSES, st.sampled_from([1.0, 0.1, 0.01, 1e-3]), st.booleans(), BACKENDS)
def test_what_every_result_is(one, other, loss, reg, single, backend):
    (x, a), (y, b) = one, other
    dtype = np.float32 if single else np.float64
    Ca, Cb = (C.astype(dtype) for C in distances(x, y))
    result = solve_gromov(Ca, Cb, a=a, b=b, loss=loss, reg=reg, max_iter=2000, backend=backend)
    assert result.converged
    assert result.plan.min() >= 0
    assert abs(result.plan.sum(1) - a).sum() < 1e-5
    assert abs(result.plan.sum(0) - b).sum() < 1.1 * result.tol + 1e-6
    assert result.cost > -1e-3 * result.reg / reg  # the loss is not negative
    entropy, product = entr(result.plan).sum(), entr(a).sum() + entr(b).sum()
    assert entropy <= product + 1e-3  # the product coupling has the largest one
    slack = 1e-2 * result.reg / reg if single else 1e-3 * result.reg
    slack += result.marginal_error * np.ptp(result.state.cost)  # of the cost of an inexact plan
    assert result.value <= result.cost + slack
    assert result.value >= result.cost - result.reg * product - slack
