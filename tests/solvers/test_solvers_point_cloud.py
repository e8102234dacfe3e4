"""Spaces that stand for matrices."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skgw.solvers import LowRank, PointCloud
from skgw.solvers.geometry.point_cloud import low_rank


def relative_error(C, D):
    return np.sqrt(np.mean((C - D) ** 2) / np.mean(D**2))


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(400, 8)) * np.linspace(2, 0.5, 8) + 100


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_matrix_of_points(points, metric):
    cloud = PointCloud(points, metric)
    assert len(cloud) == 400
    assert_allclose(cloud.toarray(), cdist(points, points, metric), atol=1e-6)


def test_matrix_of_factors(points):
    rho = np.arange(400.0)
    space = LowRank(points, rho)
    expected = cdist(points, points, "sqeuclidean") + rho[:, None] + rho
    assert_allclose(space.toarray(), expected, atol=1e-8)
    assert_allclose(space.relations([3, 5], [7]), expected[[3, 5]][:, [7]], atol=1e-8)


def test_squared_distances_are_of_low_rank(points):
    factors, residual = low_rank(PointCloud(points, "sqeuclidean"), None, torch.Generator())
    assert factors.shape == (400, 8)
    assert (residual == 0).all()
    C = LowRank(factors.numpy(), residual.numpy()).toarray()
    assert_allclose(C, cdist(points, points, "sqeuclidean"), atol=1e-8)


def test_landmarks_of_full_rank_are_exact(points):
    """All points are landmarks, and all dimensions are kept: nothing is left to approximate."""
    D = cdist(points[:60], points[:60])
    space = LowRank.from_landmarks(D, np.arange(60), rank=59)
    assert_allclose(space.toarray(), D, atol=1e-6)


def test_the_residual_holds_what_few_coordinates_miss(points):
    D = cdist(points, points)
    space = LowRank.from_landmarks(D[:, :150], np.arange(150), rank=20)
    assert space.factors.shape == (400, 20)
    np.fill_diagonal(C := space.toarray(), 0)
    without = LowRank(space.factors).toarray()
    assert relative_error(C, D) < 0.04 < 0.3 < relative_error(without, D)


def test_order_and_choice_of_landmarks(points):
    """Rows may come in any order, and so may landmarks."""
    D = cdist(points, points)
    rng = np.random.default_rng(1)
    landmarks, order = rng.choice(400, 150, replace=False), rng.permutation(400)
    place = np.argsort(order)
    space = LowRank.from_landmarks(D[:, landmarks], landmarks, rank=20)
    turned = LowRank.from_landmarks(D[order][:, landmarks], place[landmarks], rank=20)
    assert_allclose(turned.toarray(), space.toarray()[np.ix_(order, order)], atol=1e-6)


def test_coordinates_of_negative_eigenvalues_are_zero():
    ring = np.arange(40)
    D = np.minimum(abs(ring - ring[:, None]), 40 - abs(ring - ring[:, None])) ** 3.0
    space = LowRank.from_landmarks(D, ring, rank=39)
    assert 1 <= (space.factors != 0).any(0).sum() < 39
    assert np.isfinite(space.toarray()).all()


def test_points_that_coincide():
    space = LowRank.from_landmarks(np.zeros((5, 3)), np.arange(3), rank=2)
    assert_allclose(space.toarray(), 0)


@pytest.mark.parametrize("kind", ["float32", "tensor"])
def test_kind_and_dtype(points, kind):
    x = points.astype(np.float32) if kind == "float32" else torch.tensor(points)
    D = PointCloud(x).toarray()
    space = LowRank.from_landmarks(D[:, :50], np.arange(50), rank=5)
    for out in (D, space.factors, space.residual, space.toarray()):
        assert type(out) is type(x)
        assert out.dtype == x.dtype


def test_errors(points):
    with pytest.raises(ValueError, match="metric must be one of"):
        PointCloud(points, "cosine")
    with pytest.raises(ValueError, match=r"points must be an array of shape \(n, d\)"):
        PointCloud(points[0])
    with pytest.raises(ValueError, match="NaN"):
        LowRank(np.array([[np.nan]]))
    with pytest.raises(ValueError, match=r"residual has shape \(3,\), expected \(400,\)"):
        LowRank(points, np.zeros(3))
    with pytest.raises(ValueError, match="residual contains NaN or infinity"):
        LowRank(points, [np.nan] * 400)
    with pytest.raises(TypeError, match="points must hold real numbers, got dtype object"):
        PointCloud(points.astype(object))
    with pytest.raises(ValueError, match=r"expected \(n, l\) and \(l,\)"):
        LowRank.from_landmarks(points, np.arange(5))
    with pytest.raises(ValueError, match="less than the number of landmarks, 8, got 8"):
        LowRank.from_landmarks(points, np.arange(8), rank=8)
