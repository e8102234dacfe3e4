"""Properties that hold for whatever two spaces: hypothesis looks for counterexamples.

The spaces are clouds with one point much heavier or further out than the rest; plans of symmetric
spaces are not unique, values are.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from skgw.solvers import gw_divergence, solve_gromov

TIGHT = {"tol": 1e-8, "max_iter": 1000}


@st.composite
def clouds(draw, n_dims=3):
    """Between two and twelve points of a seeded cloud, without symmetries, and their weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n = draw(st.integers(2, 12))
    points = rng.normal(size=(n, n_dims)) * rng.uniform(0.2, 3, n_dims) + rng.gamma(1, size=(n, 1))
    return points, rng.dirichlet(np.full(n, 3.0))


LOSSES = st.sampled_from(["L2", "KL"])
REGS = st.sampled_from([0.3, 0.1, 0.03])


def distances(*points):
    return [cdist(x, x) for x in points]


@settings(max_examples=25)
@given(clouds(), clouds(), LOSSES, REGS, st.randoms(use_true_random=False))
def test_permutations(one, other, loss, reg, random):
    (x, a), (y, b) = one, other
    rows, columns = (random.sample(range(len(z)), len(z)) for z in (x, y))
    Ca, Cb = distances(x, y)
    result = solve_gromov(Ca, Cb, a=a, b=b, loss=loss, reg=reg, **TIGHT)
    Ca, Cb = distances(x[rows], y[columns])
    moved = solve_gromov(Ca, Cb, a=a[rows], b=b[columns], loss=loss, reg=reg, **TIGHT)
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
@given(clouds(), clouds(), REGS)
def test_exchanged_sides(one, other, reg):
    (x, a), (y, b) = one, other
    Ca, Cb = distances(x, y)
    result = solve_gromov(Ca, Cb, a=a, b=b, reg=reg, **TIGHT)
    swapped = solve_gromov(Cb, Ca, a=b, b=a, reg=reg, **TIGHT)
    np.testing.assert_allclose(swapped.plan, result.plan.T, atol=1e-5)
    assert swapped.value == pytest.approx(result.value, rel=1e-6, abs=1e-8)


@settings(max_examples=40)
@given(clouds(), clouds(), LOSSES, st.sampled_from([1.0, 0.1, 0.01, 1e-3]), st.booleans())
def test_what_every_result_is(one, other, loss, reg, single):
    (x, a), (y, b) = one, other
    dtype = np.float32 if single else np.float64
    Ca, Cb = (C.astype(dtype) for C in distances(x, y))
    result = solve_gromov(Ca, Cb, a=a, b=b, loss=loss, reg=reg, max_iter=2000)
    assert result.converged
    assert result.plan.min() >= 0
    assert abs(result.plan.sum(1) - a).sum() < 1e-5
    assert abs(result.plan.sum(0) - b).sum() < 1.1 * result.tol + 1e-6
    assert result.value_quad > -1e-3 * result.reg / reg  # the loss is not negative
    entropy = result.value_quad - result.value
    product = -result.reg * (a @ np.log(a) + b @ np.log(b))
    assert entropy <= product + 1e-3 * result.reg  # the product coupling has the largest one
