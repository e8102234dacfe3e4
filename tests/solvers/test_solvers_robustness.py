"""Odd problems end with finite numbers, and with a status that is true."""

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import gw_divergence, solve_gromov

BACKENDS = ["numba", "torch"]
DTYPES = [np.float64, np.float32]


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def not_metric(n, seed):
    """Relations with negative entries, a diagonal that is not zero, and no triangle inequality."""
    A = np.random.default_rng(seed).normal(size=(n, n))
    return (A + A.T) / 2


def directed(n, seed):
    return np.random.default_rng(seed).uniform(size=(n, n)) ** 4


def duplicates(n, seed):
    x = cloud(n, 2, seed)
    return cdist(x[np.arange(n) // 4], x[np.arange(n) // 4])


KINDS = {"not metric": not_metric, "directed": directed, "duplicates": duplicates}


def light(n, seed=0):
    """Weights of which one third is 1e-12."""
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, n)
    weights[::3] = 0
    return 1e-12 * (weights == 0) + (1 - 1e-12 * (weights == 0).sum()) * weights / weights.sum()


def solved(Ca, Cb, a=None, b=None, *, dtype, **options):
    """The result; a warning and the status agree."""
    arrays = [None if x is None else x.astype(dtype) for x in (Ca, Cb, a, b)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = solve_gromov(*arrays[:2], a=arrays[2], b=arrays[3], **options)
    assert {w.category for w in caught} <= {GWConvergenceWarning}
    assert bool(caught) == (not result.converged)
    return result


def check(result, a, b, dtype):
    """Finite numbers of the right type, and marginals to the tolerance of a converged result."""
    for x in (result.plan, result.value, result.cost, *result.potentials, *result.marginals):
        assert np.isfinite(x).all()
        assert x.dtype == dtype
    assert result.plan.min() >= 0
    if result.converged:
        error = abs(result.plan.sum(1) - a).sum() + abs(result.plan.sum(0) - b).sum()
        assert error <= result.tol + 100 * np.finfo(dtype).eps


@pytest.mark.parametrize("reg", [1e-2, 1e-4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_kinds_of_relations(kind, reg, backend, dtype):
    Ca, Cb = KINDS[kind](24, 0), KINDS[kind](20, 1)
    result = solved(Ca, Cb, dtype=dtype, reg=reg, backend=backend)
    check(result, np.full(24, 1 / 24), np.full(20, 1 / 20), dtype)


@pytest.mark.parametrize("reg", [1e-2, 1e-4, 0])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_light_points(reg, backend, dtype):
    Ca, Cb = (cdist(x, x) for x in (cloud(24, 3), cloud(21, 2, 1)))
    a, b = light(24), light(21, 1)
    result = solved(Ca, Cb, a, b, dtype=dtype, reg=reg, backend=backend)
    check(result, a, b, dtype)
    heavy = solved(
        *(C[np.ix_(w > 1e-6, w > 1e-6)] for C, w in ((Ca, a), (Cb, b))),
        *(w[w > 1e-6] / w[w > 1e-6].sum() for w in (a, b)),
        dtype=dtype, reg=reg, backend=backend,
    )  # fmt: skip
    if reg == 1e-2:  # at one minimum: light points do not move the others
        inside = result.plan[np.ix_(a > 1e-6, b > 1e-6)]
        assert abs(inside - heavy.plan).sum() < (5e-2 if dtype == np.float32 else 1e-3)


@pytest.mark.parametrize("options", [{"unbalanced": 0.1}, {"mass": 0.7}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_free_marginals(options, kind, dtype):
    Ca, Cb = KINDS[kind](16, 0), KINDS[kind](12, 1)
    result = solved(Ca, Cb, light(16), light(12, 1), dtype=dtype, reg=1e-3, **options)
    for x in (result.plan, result.value, result.cost):
        assert np.isfinite(x).all()
    assert result.plan.min() >= 0


@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("n_init", [1, 8])
def test_losses_and_starts_on_duplicates(loss, n_init):
    C, D = duplicates(24, 0), duplicates(20, 1)
    result = solved(C, D, light(24), dtype=np.float32, loss=loss, reg=1e-3, n_init=n_init)
    assert np.isfinite(result.plan).all()
    if n_init > 1:
        assert np.isfinite(result.starts.values).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_space_of_duplicates_is_at_distance_zero_from_itself(dtype):
    C, order = duplicates(24, 0).astype(dtype), np.random.default_rng(0).permutation(24)
    value = gw_divergence(C, C[np.ix_(order, order)], reg=1e-2)
    assert abs(float(value)) < 1e-3


def test_units_do_not_matter():
    x, y = cloud(20, 3), cloud(20, 2, 1)
    plans = [
        solve_gromov(scale * cdist(x, x), scale * cdist(y, y), reg=1e-2).plan
        for scale in (1e-100, 1.0, 1e100)
    ]
    np.testing.assert_allclose(plans[0], plans[1], atol=1e-6)
    np.testing.assert_allclose(plans[2], plans[1], atol=1e-6)
