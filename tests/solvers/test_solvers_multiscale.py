"""Solves between spaces, with plans that are never formed, beside dense ones."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.special import xlogy
from scipy.stats import ortho_group
from torch.utils._python_dispatch import TorchDispatchMode

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers import GromovResult, LazyPlan, LowRank, PointCloud, lazy_plan, solve_gromov
from skgw.solvers.quadratic import multiscale
from skgw.solvers.settings import MultiscaleSettings


@pytest.fixture
def clouds(mixture):
    """Points of one distribution, two samples of different sizes, the second one turned."""
    x = mixture(260, 0, n_dims=3) * [1, 1.5, 2]
    y = mixture(230, 1, n_dims=3) * [1, 1.5, 2]
    return x, y @ ortho_group.rvs(3, random_state=0)


def l1(plan, other):
    return np.abs(np.asarray(plan) - np.asarray(other)).sum()


def test_squared_distances_as_with_matrices(clouds):
    X, Y = (PointCloud(x, "sqeuclidean") for x in clouds)
    result = solve_gromov(X, Y, plan="lazy", tol=1e-6)
    expected = solve_gromov(X, Y, tol=1e-9, max_iter=300)
    assert isinstance(result.plan, LazyPlan)
    assert result.converged
    assert result.marginal_error < 1e-6
    assert result.reg == pytest.approx(float(expected.reg))
    assert result.value == pytest.approx(float(expected.value), rel=1e-6)
    assert result.cost == pytest.approx(float(expected.cost), rel=1e-4)
    assert l1(result.plan, expected.plan) < 1e-5
    for lazily, directly in zip(result.marginals, expected.marginals, strict=True):
        assert_allclose(lazily, directly, atol=1e-8)


@pytest.mark.parametrize("alpha", [0, 0.3, None, 1])
def test_fused_problems_as_with_matrices(clouds, alpha):
    rng = np.random.default_rng(0)
    X, Y = (PointCloud(x, "sqeuclidean") for x in clouds)
    a = rng.uniform(0.5, 1.5, len(X))
    features = rng.normal(size=(len(X), 2)) + 1, rng.normal(size=(len(Y), 2))
    options = {"a": a / a.sum(), "alpha": alpha, "reg": 2e-2}
    result = solve_gromov(X, Y, features, plan="lazy", tol=1e-6, max_iter=300, **options)
    expected = solve_gromov(
        X, Y, cdist(*features, "sqeuclidean"), tol=1e-8, max_iter=300, **options
    )
    assert result.converged
    assert l1(result.plan, expected.plan) < 1e-4
    for name in ("value", "value_linear", "value_quad"):
        lazily, directly = (float(getattr(r, name)) for r in (result, expected))
        assert lazily == pytest.approx(directly, rel=1e-4, abs=1e-6)


def test_fused_samples_and_states(clouds, solve_lazy_with):
    """Growing samples lead to the plan of all points, and a state is a start."""
    x, y = clouds
    settings = MultiscaleSettings(sample_size=40)
    X, Y = (PointCloud(z, "sqeuclidean") for z in (x, y))
    options = {"reg": 2e-2, "tol": 1e-5, "alpha": 0.8}
    features = x[:, :1], x[:230, :1]
    levels = solve_lazy_with(settings, X, Y, M=features, **options)
    whole = solve_gromov(X, Y, features, plan="lazy", **options)
    assert levels.converged
    assert levels.value == pytest.approx(float(whole.value), rel=1e-3)
    again = solve_gromov(X, Y, features, plan="lazy", init=whole.state, **options)
    assert again.n_iter <= 3


def test_distances_of_full_rank(clouds):
    """As many coordinates as landmarks: the kernel is exact, but for its diagonal."""
    X, Y = map(PointCloud, clouds)
    result = solve_gromov(X, Y, plan="lazy", tol=1e-6, rank=259)
    expected = solve_gromov(X, Y, tol=1e-7)
    assert l1(result.plan, expected.plan) < 1e-4
    assert result.value == pytest.approx(float(expected.value), abs=1e-4)
    coarse = solve_gromov(X, Y, plan="lazy", tol=1e-3, rank=20)
    assert l1(coarse.plan, expected.plan) < 0.1


def test_factors_with_a_residual_as_with_their_matrix(clouds):
    rng = np.random.default_rng(0)
    X, Y = (LowRank(x, rng.uniform(0, 1, size=len(x))) for x in clouds)
    a = rng.dirichlet(np.full(260, 5.0))
    b = rng.dirichlet(np.full(230, 5.0))
    b[:10] = 0
    b = b / b.sum()
    result = solve_gromov(X, Y, a=a, b=b, plan="lazy", tol=1e-6)
    expected = solve_gromov(X.toarray(), Y.toarray(), a=a, b=b, tol=1e-8)
    assert l1(result.plan, expected.plan) < 1e-5
    assert result.value == pytest.approx(float(expected.value), rel=1e-5)
    f, g = result.potentials
    log_density = np.log(result.plan.rows([4])[0, 10:] / (a[4] * b[10:]))
    left, right = result.plan.left, result.plan.right
    assert_allclose(log_density, (f[4] + g[10:]) / result.reg + right[10:] @ left[4], atol=1e-6)


def test_value_is_corrected_for_marginal_errors(clouds):
    """A coarse plan's objective is off by more than the corrected one by a factor of ten."""
    X, Y = (PointCloud(x, "sqeuclidean") for x in clouds)
    exact = float(solve_gromov(X, Y, plan="lazy", tol=1e-7).value)
    coarse = solve_gromov(X, Y, plan="lazy", tol=2e-2)
    T = coarse.plan.toarray()
    plain = coarse.cost + coarse.reg * np.sum(xlogy(T, T))
    assert abs(coarse.value - exact) < 0.1 * abs(plain - exact)


def test_levels_lead_to_the_same_plan(clouds, solve_lazy_with):
    """From a sample of 40 by one of 80 to all points, and from all points at once."""
    X, Y = (PointCloud(x, "sqeuclidean") for x in clouds)
    at_once = solve_gromov(X, Y, reg=2e-2, plan="lazy", tol=1e-5)
    settings = MultiscaleSettings(sample_size=40, growth=2)
    assert multiscale.sample_sizes(260, settings) == [80]
    assert multiscale.sample_sizes(260) == []
    result, again = (solve_lazy_with(settings, X, Y, reg=2e-2, tol=1e-5) for _ in range(2))
    assert l1(result.plan, at_once.plan) < 1e-3
    assert l1(result.plan, again.plan) == 0
    other = solve_lazy_with(settings, X, Y, reg=2e-2, tol=1e-5, random_state=1)
    assert 0 < l1(result.plan, other.plan) < 1e-3


def test_samples_follow_the_weights():
    noise = torch.Generator().manual_seed(0)
    labels = torch.arange(4000) % 4

    def drawn(shares, size):
        weights = torch.tensor(shares)[labels] / 1000
        side = multiscale.CentredSpace(torch.arange(4000.0)[:, None], weights, 0.0, 0.0)
        sample = multiscale._subsample(side, size, noise)
        assert_allclose(sample.weights, 1 / size)
        return sample.factors[:, 0].long()

    counts = torch.bincount(labels[drawn([0.5, 0.0, 0.25, 0.25], 1000)], minlength=4)
    assert_allclose(counts, [500, 0, 250, 250], atol=40)
    assert len(drawn([0.25] * 4, 1000).unique()) == 1000


@pytest.mark.parametrize("rows", [3, 100])
def test_blocks_do_not_matter(clouds, monkeypatch, rows):
    X, Y = map(PointCloud, clouds)
    result = solve_gromov(X, Y, plan="lazy", tol=1e-5, max_iter=100)
    monkeypatch.setitem(lazy_plan.BLOCK_BYTES, "cpu", 8 * 230 * rows)
    again = solve_gromov(X, Y, plan="lazy", tol=1e-5, max_iter=100)
    assert l1(again.plan, result.plan) < 1e-6


def test_order_of_points_does_not_matter(clouds):
    x, y = clouds
    order = np.random.default_rng(0).permutation(len(x))
    X, turned, Y = (PointCloud(z, "sqeuclidean") for z in (x, x[order], y))
    result = solve_gromov(X, Y, plan="lazy", tol=1e-6)
    again = solve_gromov(turned, Y, plan="lazy", tol=1e-6)
    assert l1(again.plan, result.plan.toarray()[order]) < 1e-5


@pytest.mark.parametrize("kind", ["float32", "tensor"])
def test_kind_and_dtype(clouds, kind):
    def convert(x):
        return x.astype(np.float32) if kind == "float32" else torch.tensor(x)

    x, y = map(convert, clouds)
    result = solve_gromov(PointCloud(x), PointCloud(y), plan="lazy", tol=1e-3)
    assert result.converged
    moved = result.barycenter(y)
    for out in (result.value, *result.potentials, result.marginals[1], moved, result.plan.left):
        assert type(out) is (np.float32 if np.ndim(out) == 0 and kind == "float32" else type(x))
        assert out.dtype == x.dtype
    exact = solve_gromov(*map(PointCloud, clouds), plan="lazy", tol=1e-4)
    assert result.value == pytest.approx(float(exact.value), rel=1e-3)


def test_result_applies_the_plan(clouds):
    x, y = clouds
    result = solve_gromov(PointCloud(x), PointCloud(y), plan="lazy")
    T = result.plan.toarray()
    assert_allclose(result.apply(x), T.T @ x)
    assert_allclose(result.barycenter(y), T @ y / T.sum(1, keepdims=True))
    assert_array_equal(result.argmax(), T.argmax(1))
    again = pickle.loads(pickle.dumps(result))
    assert isinstance(again, GromovResult)
    assert_array_equal(again.plan.toarray(), T)


def test_a_state_is_a_start(clouds):
    X, Y = map(PointCloud, clouds)
    coarse = solve_gromov(X, Y, plan="lazy", tol=1e-3)
    fine = solve_gromov(X, Y, plan="lazy", tol=1e-6, init=coarse.state)
    again = solve_gromov(X, Y, plan="lazy", tol=1e-6, init=fine.state)
    assert fine.converged
    assert again.n_iter == 2
    with pytest.raises(ValueError, match=r"init.cost has shape \(65, 65\), expected \(11, 11\)"):
        solve_gromov(X, Y, plan="lazy", rank=10, init=coarse.state)
    with pytest.raises(ValueError, match="init must be"):
        solve_gromov(X, Y, plan="lazy", init="product")


def test_a_budget_that_runs_out(clouds, solve_lazy_with):
    X, Y = map(PointCloud, clouds)
    with pytest.warns(GWConvergenceWarning, match="raise max_iter"):
        result = solve_gromov(X, Y, plan="lazy", tol=1e-9, max_iter=2)
    assert (result.converged, result.status, result.n_iter) == (False, "max_iter", 2)
    settings = MultiscaleSettings(max_sweeps=1)
    state = solve_lazy_with(settings, X, Y, tol=0.3).state
    with pytest.warns(GWConvergenceWarning):
        result = solve_lazy_with(settings, X, Y, tol=1e-4, max_iter=3, init=state)
    assert not result.converged
    columns = result.plan.toarray().sum(0)
    assert result.marginal_error == pytest.approx(np.abs(columns - 1 / 230).sum(), rel=1e-6)


class Largest(TorchDispatchMode):
    """Watches out for the largest tensor that any operation returns."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = out if isinstance(out, tuple | list) else [out]
        self.size = max([self.size, *(x.numel() for x in tensors if isinstance(x, torch.Tensor))])
        return out


def test_no_array_of_full_size_is_made(monkeypatch, solve_lazy_with):
    """Neither (n, n) nor (n, m): nothing beyond a block, or what samples and landmarks take."""
    n, m = 3000, 2500
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(n, 2)) * [1, 3]).astype(np.float32)
    settings = MultiscaleSettings(sample_size=200, n_landmarks=100)
    monkeypatch.setitem(lazy_plan.BLOCK_BYTES, "cpu", 10**6)
    with Largest() as watch:
        result = solve_lazy_with(settings, PointCloud(x), PointCloud(x[:m]), reg=0.05, tol=0.05)
        result.argmax()
        result.plan.to_sparse(3)
        result.barycenter(x[:m])
    assert 200_000 < watch.size <= 410_000  # a chunk of distances to landmarks


@pytest.mark.parametrize("n", [1, 2, 30])
def test_points_that_coincide(n):
    """Any plan will do; the product of the weights is the one of largest entropy."""
    X, Y = PointCloud(np.ones((n, 2))), PointCloud(np.zeros((4, 3)), "sqeuclidean")
    result = solve_gromov(X, Y, plan="lazy")
    assert result.converged
    assert_allclose(result.plan.toarray(), 1 / (4 * n))


def test_small_spaces_become_matrices(clouds):
    x, y = clouds
    result = solve_gromov(PointCloud(x), cdist(y, y), reg=2e-2)
    expected = solve_gromov(cdist(x, x), cdist(y, y), reg=2e-2)
    assert_allclose(result.plan, expected.plan, atol=1e-8)
    with pytest.raises(ValueError, match=r"Cb has 5001 points: above 5000 use .* plan='lazy'"):
        solve_gromov(PointCloud(x), PointCloud(np.zeros((5001, 1))))


def test_errors(clouds):
    x, y = clouds
    X, Y = PointCloud(x), PointCloud(y)
    for options in ({"loss": "KL"}, {"unbalanced": 1.0}, {"mass": 0.5}):
        with pytest.raises(ValueError, match="plan='lazy' is for the balanced problem"):
            solve_gromov(X, Y, plan="lazy", **options)
    with pytest.raises(ValueError, match="M is a pair of arrays"):
        solve_gromov(X, Y, np.zeros((260, 230)), plan="lazy")
    with pytest.raises(ValueError, match=r"M\[1\] has shape \(230, 3\), expected \(230, d\)"):
        solve_gromov(X, Y, (x[:, :2], y), plan="lazy")
    with pytest.raises(ValueError, match=r"M\[0\] contains NaN"):
        solve_gromov(X, Y, (np.full((260, 1), np.nan), y[:, :1]), plan="lazy")
    with pytest.raises(TypeError, match="but Cb is a ndarray"):
        solve_gromov(X, cdist(y, y), plan="lazy")
    with pytest.raises(TypeError, match="not a mixture"):
        solve_gromov(X, PointCloud(torch.tensor(y)), plan="lazy")
    with pytest.raises(ValueError, match="must be non-negative and sum to 1"):
        solve_gromov(X, Y, a=np.ones(260), plan="lazy")
    with pytest.raises(ValueError, match="reg=0 has no lazy plans"):
        solve_gromov(X, Y, reg=0, plan="lazy")
    with pytest.raises(ValueError, match="reg_scale must be"):
        solve_gromov(X, Y, reg_scale="mean", plan="lazy")
    with pytest.raises(ValueError, match="rank is an option of lazy plans"):
        solve_gromov(X, Y, rank=5)
    with pytest.raises(ValueError, match=r"a has shape \(1, 1, 30\), expected \(30,\)"):
        solve_gromov(
            PointCloud(np.eye(30)),
            PointCloud(np.eye(9)),
            a=np.full((1, 1, 30), 1 / 30),
            plan="lazy",
        )
    with pytest.raises(ValueError, match="rank must be at least 1"):
        solve_gromov(X, Y, rank=0, plan="lazy")
    for plan in ("sparse", None, np.ones((3, 3))):
        with pytest.raises(ValueError, match="plan must be 'dense' or 'lazy'"):
            solve_gromov(X, Y, plan=plan)
