"""Maps of rows across spaces: closed forms, moments, and plans of samples."""

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances

from skgw.solvers import LazyPlan, PointCloud, gaussian_gw_map, plan_map, solve_gromov


def covariance(p, seed):
    A = np.random.default_rng(seed).normal(size=(p, p))
    return A @ A.T + 0.1 * np.eye(p)


def discrepancy(C, D, K):
    """Expected squared difference of squared distances, from fourth moments of Gaussians."""
    traces, squares = np.trace(C) - np.trace(D), (C**2).sum() + (D**2).sum()
    return 4 * traces**2 + 8 * (squares - 2 * (K**2).sum())


@pytest.mark.parametrize(("p", "q"), [(4, 2), (3, 3), (2, 5), (1, 1)])
def test_moments_and_value(p, q):
    C, D, k = covariance(p, 0), covariance(q, 1), min(p, q)
    found = gaussian_gw_map(np.arange(p), C, -np.ones(q), D)
    np.testing.assert_allclose(found(np.arange(float(p))[None])[0], -np.ones(q), atol=1e-12)
    variances = np.linalg.eigvalsh(found.matrix @ C @ found.matrix.T)[::-1]
    np.testing.assert_allclose(variances[:k], np.linalg.eigvalsh(D)[::-1][:k])
    np.testing.assert_allclose(variances[k:], 0, atol=1e-9)
    assert found.value == pytest.approx(discrepancy(C, D, C @ found.matrix.T))


def test_value_by_sampling():
    C, D = covariance(3, 0), covariance(2, 1)
    found = gaussian_gw_map(np.zeros(3), C, np.zeros(2), D)
    x = np.random.default_rng(0).multivariate_normal(np.zeros(3), C, size=(400_000, 2))
    gaps = ((x[:, 0] - x[:, 1]) ** 2).sum(1)
    images = (((x[:, 0] - x[:, 1]) @ found.matrix.T) ** 2).sum(1)
    assert ((gaps - images) ** 2).mean() == pytest.approx(float(found.value), rel=0.02)


def test_no_other_gaussian_coupling_is_better():
    C, D = covariance(3, 2), covariance(3, 3)
    value = gaussian_gw_map(np.zeros(3), C, np.zeros(3), D).value
    roots = [np.linalg.cholesky(x) for x in (C, D)]
    for seed in range(50):
        Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
        K = roots[0] @ Q @ roots[1].T  # the covariances of all deterministic couplings
        assert discrepancy(C, D, K) >= value - 1e-9


def test_isometric_gaussians():
    C = covariance(3, 0)
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert gaussian_gw_map(np.zeros(3), C, np.ones(3), Q @ C @ Q.T).value == pytest.approx(
        0, abs=1e-9
    )


def test_signs_and_singular_covariances():
    C, D = np.diag([4.0, 1.0, 0.0]), np.diag([9.0, 1.0, 1.0])
    found = gaussian_gw_map(np.zeros(3), C, np.zeros(3), D, signs=[-1, 1, 1])
    np.testing.assert_allclose(np.abs(found.matrix[:, 2]), 0, atol=1e-12)
    assert found.matrix[0, 0] == pytest.approx(-1.5)
    with pytest.raises(ValueError, match="signs must hold 3 times 1 or -1"):
        gaussian_gw_map(np.zeros(3), C, np.zeros(3), D, signs=[2, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_directions_without_extent_are_mapped_to_zero(dtype):
    direction = np.array([1.0, 3.0, 0.7])
    cov = np.outer(direction, direction).astype(dtype)
    found = gaussian_gw_map(np.zeros(3), cov, np.zeros(3), np.diag([4.0, 2.0, 1.0]))
    assert np.linalg.matrix_rank(found.matrix, tol=1e-3) == 1
    assert np.abs(found.matrix).max() < 2 / np.linalg.norm(direction)


def test_the_unit_of_a_covariance_does_not_matter():
    rounded = 1e9 * np.array([[2.0, 1 + 1e-8], [1, 1]])
    gaussian_gw_map([0, 0], rounded, [0], [[1]])
    with pytest.raises(ValueError, match="not symmetric"):
        gaussian_gw_map([0, 0], 1e-9 * np.array([[2.0, 1], [0, 2]]), [0], [[1]])


def test_a_plan_of_samples_tends_to_the_closed_form():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) * [3, 1.5, 0.3]
    y = rng.normal(size=(300, 2)) * [0.7, 2]
    Ca, Cb = (pairwise_distances(z, metric="sqeuclidean") for z in (x, y))
    result = solve_gromov(Ca, Cb, reg=1e-3)
    fitted = plan_map(result, x, y)
    closed = gaussian_gw_map(*(f for z in (x, y) for f in (z.mean(0), np.cov(z.T, bias=True))))
    np.testing.assert_allclose(abs(fitted.matrix), abs(closed.matrix), atol=0.2)
    assert result.cost == pytest.approx(closed.value, rel=0.2)


def test_least_squares_of_a_plan():
    rng = np.random.default_rng(0)
    X, Y, plan = rng.normal(size=(9, 2)), rng.normal(size=(7, 3)), rng.random((9, 7))
    found = plan_map(plan, X, Y)
    rows = np.repeat(np.c_[X, np.ones(9)], 7, axis=0) * np.sqrt(plan.ravel())[:, None]
    targets = np.tile(Y, (9, 1)) * np.sqrt(plan.ravel())[:, None]
    best, residual, *_ = np.linalg.lstsq(rows, targets)
    np.testing.assert_allclose(np.c_[found.matrix, found.offset], best.T, atol=1e-12)
    assert found.value == pytest.approx(residual.sum() / plan.sum())
    flat = plan_map(plan, X, Y, ridge=1e9)
    np.testing.assert_allclose(flat.matrix, 0, atol=1e-6)


def test_lazy_plans_and_tensors():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) * [2, 1]
    y = x[rng.permutation(200)] @ np.array([[0, 1.0], [-1, 0]])
    lazy = solve_gromov(PointCloud(x), PointCloud(y), plan="lazy", reg=1e-2)
    assert isinstance(lazy.plan, LazyPlan)
    found, dense = (plan_map(plan, x, y) for plan in (lazy, np.asarray(lazy)))
    np.testing.assert_allclose(found.matrix, dense.matrix, atol=1e-4)
    tensors = [torch.tensor(z) for z in (np.asarray(lazy), x, y)]
    assert isinstance(plan_map(*tensors).matrix, torch.Tensor)
    torch.testing.assert_close(plan_map(*tensors).matrix, torch.tensor(dense.matrix))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan_map(np.ones((2, 2)), np.ones((3, 1)), np.ones((2, 1))), "X has shape"),
        (lambda: plan_map(np.ones((1, 2, 2)), np.ones((2, 1)), np.ones((2, 1))), "one problem"),
        (lambda: plan_map(np.zeros((2, 2)), np.ones((2, 1)), np.ones((2, 1))), "no mass"),
        (
            lambda: plan_map(np.ones((2, 2)), np.ones((2, 1)), np.ones((2, 1)), ridge=-1),
            "ridge must",
        ),
        (lambda: plan_map(-np.ones((2, 2)), np.ones((2, 1)), np.ones((2, 1))), "negative masses"),
        (lambda: plan_map([[np.nan]], [[1]], [[1]]), "plan contains NaN"),
        (lambda: plan_map([[1]], np.ones((1, 0)), [[1]]), "X has shape"),
        (lambda: gaussian_gw_map([0], 1.0, [0], [[1]]), r"shapes \(1,\) and \(\)"),
        (
            lambda: gaussian_gw_map([0], np.eye(2), [0], [[1]]),
            r"mean_a, cov_a have shapes \(1,\) and \(2, 2\)",
        ),
        (lambda: gaussian_gw_map([0], [[-1]], [0], [[1]]), "negative eigenvalues"),
        (lambda: gaussian_gw_map([0, 0], [[1, 2], [0, 1]], [0], [[1]]), "not symmetric"),
    ],
)
def test_invalid_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
