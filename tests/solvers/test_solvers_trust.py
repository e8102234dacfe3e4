"""Properties of solutions for spaces of every shape, size and type, at every `reg`.

Rows and columns of a problem are matched through `order`, where the two spaces are copies.
"""

import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import gw_divergence, solve_gromov
from skgw.solvers.linear import balanced

REGS = 1e-1, 1e-2, 1e-3, 1e-4


class Spaces(NamedTuple):
    Ca: np.ndarray
    Cb: np.ndarray
    a: np.ndarray
    b: np.ndarray
    matching: np.ndarray | None  # a plan


def copies(Ca, Cb, rng, weights=None):
    """The second space in an order of its own."""
    n = len(Ca)
    order, a = rng.permutation(n), np.full(n, 1 / n) if weights is None else weights
    return Spaces(Ca, Cb[np.ix_(order, order)], a, a[order], np.diag(a)[:, order])


def strangers(Ca, Cb):
    return Spaces(Ca, Cb, *(np.full(len(C), 1 / len(C)) for C in (Ca, Cb)), None)


def noisy(x, rng, noise=0.05):
    return x + noise * rng.normal(size=x.shape)


def geodesic(x):
    """Shortest paths between the six nearest neighbours."""
    D = cdist(x, x)
    near = np.sort(D, axis=1)[:, min(6, len(D) - 1), None] >= D
    paths = shortest_path(np.where(near, D, 0), directed=False)
    return np.where(np.isfinite(paths), paths, 2 * D)


def build(shape, n, mixture):
    rng = np.random.default_rng(0)
    x = mixture(n, 0, n_dims=3)
    rng.shuffle(x)
    if shape == "unequal sizes":
        return strangers(*(cdist(z, z) for z in (x, mixture(-(-2 * n // 3), 1))))
    if shape == "50 dimensions":
        y = rng.normal(size=(2, n, 50)) * 0.9 ** np.arange(50)
        return strangers(*(cdist(z, z) for z in y))
    if shape == "equal points":
        return strangers(np.zeros((n, n)), np.zeros((n, n)))
    if shape == "equal points on one side":
        return strangers(cdist(x, x), np.zeros((n, n)))
    weights = None
    if shape == "geodesics":
        t = 3 * np.sqrt(rng.random(n)) + 1
        x = np.c_[t * np.cos(3 * t), t * np.sin(3 * t), 3 * rng.random(n)]
        return copies(geodesic(x), geodesic(noisy(x, rng)), rng)
    if shape == "points three times":
        x = x[np.arange(n) // 3]
        return copies(cdist(x, x), cdist(x, x), rng)
    if shape == "a line":
        x = np.outer(np.linspace(0, 1, n), [1.0, 2.0, 0.5])
        return copies(cdist(x, x), cdist(x, x), rng)
    if shape == "one dimension":
        x = rng.exponential(size=(n, 1))
    if shape == "an outlier":
        x[0] += 1e6
    if shape == "far clusters":
        x[: n // 3] += 1e4
    unit = {"small unit": 1e-12, "large unit": 1e12}.get(shape, 1.0)
    if shape == "weights of all magnitudes":
        weights = 1e-12 ** rng.random(n)
    if shape == "weights of zero":
        weights = 1.0 * (np.arange(n) % 3 == 0)
    weights = None if weights is None else weights / weights.sum()
    y = noisy(x, rng, 0.01)
    return copies(unit * cdist(x, x), unit * cdist(y, y), rng, weights)


SHAPES = (
    "copies", "unequal sizes", "50 dimensions", "geodesics", "equal points",
    "equal points on one side", "points three times", "a line", "one dimension", "an outlier",
    "far clusters", "small unit", "large unit", "weights of all magnitudes", "weights of zero",
)  # fmt: skip


def solve(spaces, dtype, **options):
    """The result, and the messages of all warnings."""
    Ca, Cb, a, b = (x.astype(dtype) for x in spaces[:4])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = solve_gromov(Ca, Cb, a=a, b=b, **options)
    assert all(w.category is GWConvergenceWarning for w in caught)
    return result, [str(w.message) for w in caught]


def check(spaces, dtype, reg, **options):
    result, messages = solve(spaces, dtype, reg=reg, **options)
    assert np.isfinite(result.plan).all()
    assert result.plan.min() >= 0
    assert result.plan.sum(dtype=float) == pytest.approx(1, abs=1e-3)
    assert np.isfinite([result.value, result.cost]).all()
    assert result.n_iter <= 100
    if result.converged:
        assert messages == []
        assert result.marginal_error < result.tol
    else:
        assert len(messages) == 1
        assert re.search("max_iter|Newton steps", messages[0])
        assert result.marginal_error < 0.1  # a coupling, if not the best one
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 17, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(mixture, shape, n, dtype):
    spaces = build(shape, n, mixture)
    for reg in REGS:
        result = check(spaces, dtype, reg)
        if dtype == "float32":
            continue
        assert result.converged or reg < 1e-3
        if spaces.matching is None:
            continue
        known, _ = solve(spaces, dtype, reg=reg, init=spaces.matching)
        if known.converged and result.converged:
            assert result.value <= known.value + 0.02 * result.reg


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_without_numba(mixture, shape):
    spaces = build(shape, 17, mixture)
    for dtype in ("float32", "float64"):
        for reg in REGS:
            result = check(spaces, dtype, reg, backend="torch")
            assert result.converged or dtype == "float32" or reg < 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_under_the_kl_loss(mixture, shape, dtype):
    spaces = build(shape, 30, mixture)
    for reg in REGS:
        result = check(spaces, dtype, reg, loss="KL")
        assert result.converged or dtype == "float32" or reg < 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3, 30])
@pytest.mark.parametrize("shape", [s for s in SHAPES if s != "weights of all magnitudes"])
def test_divergence_of_every_shape(mixture, shape, n, dtype):
    Ca, Cb, a, b = (x.astype(dtype) for x in build(shape, n, mixture)[:4])
    for reg in REGS[:3]:
        value, results = gw_divergence(Ca, Cb, a, b, reg=reg, return_results=True)
        assert all(r.converged for r in results)
        rounding = 1e-3 if dtype == "float32" else 1e-6
        assert value > -rounding * results[0].reg / reg


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_400_points(mixture, shape, dtype):
    spaces = build(shape, 400, mixture)
    for reg in REGS:
        result = check(spaces, dtype, reg)
        assert result.converged or dtype == "float32" or reg < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["copies", "unequal sizes", "geodesics", "far clusters"])
def test_2000_points(mixture, shape):
    spaces = build(shape, 2000, mixture)
    for reg in (1e-2, 1e-3):
        assert check(spaces, "float32", reg).converged


@pytest.mark.parametrize("seed", range(4))
def test_a_small_reg_is_reached(mixture, seed):
    Ca, Cb = (cdist(x, x) for x in (mixture(60, seed), mixture(42, seed + 1)))
    assert solve_gromov(Ca, Cb, reg=1e-4).converged


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_work_at_a_small_reg_is_bounded(monkeypatch, mixture, backend):
    steps = balanced.newton_steps(backend, "cpu")
    budgets = []

    def counted(problem, max_iter, *args):
        budgets.append(max_iter)
        return steps(problem, max_iter, *args)

    monkeypatch.setattr(balanced, "newton_steps", lambda *_: counted)
    for shape in ("copies", "unequal sizes", "far clusters", "weights of all magnitudes"):
        for dtype in ("float32", "float64"):
            budgets.clear()
            result, _ = solve(build(shape, 40, mixture), dtype, reg=1e-5)
            # Outer steps, Newton steps of each, and those at the levels above it.
            assert sum(budgets) <= 100 * result.n_iter
