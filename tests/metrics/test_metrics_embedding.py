import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist, pdist
from scipy.stats import rankdata

from skgw.metrics import (
    distance_distribution_error,
    distance_rank_correlation,
    relative_distortion,
    trustworthiness,
)


@pytest.fixture
def X():
    return np.random.RandomState(0).standard_normal((30, 3))


def test_rank_correlation_ignores_any_growing_transform(X):
    D = cdist(X, X)
    assert_allclose(distance_rank_correlation(D**2, X), 1.0)
    assert_allclose(distance_rank_correlation(np.log1p(D), X), 1.0)


def test_rank_correlation_of_reversed_order(X):
    D = cdist(X, X)
    reversed_order = D.max() - D
    np.fill_diagonal(reversed_order, 0)
    assert_allclose(distance_rank_correlation(reversed_order, X), -1.0)


def test_rank_correlation_is_pearson_of_the_ranks(X):
    Z = X[:, :1]
    expected = np.corrcoef(rankdata(pdist(X)), rankdata(pdist(Z)))[0, 1]
    assert expected < 0.9
    assert_allclose(distance_rank_correlation(cdist(X, X), Z), expected)


def test_rank_correlation_refuses_constant_distances(X):
    D = cdist(X, X)
    with pytest.raises(ValueError, match="All pairs of distances are equally far"):
        distance_rank_correlation(1 - np.eye(len(D)), X)
    with pytest.raises(ValueError, match="All pairs of embedding are equally far"):
        distance_rank_correlation(D, np.zeros_like(X))


def test_rank_correlation_refuses_other_rows(X):
    with pytest.raises(ValueError, match="got 29 rows for 30 samples"):
        distance_rank_correlation(cdist(X, X), X[1:])


def test_rank_correlation_needs_three_points():
    with pytest.raises(ValueError, match="at least 3 points"):
        distance_rank_correlation([[0, 1], [1, 0]], [[0.0], [1.0]])


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 0.0), (0.0, 1.0), (1.25, 0.25), (-1.0, 2.0)])
def test_distortion_of_a_rescaled_rectangle(X, scale, expected):
    D = cdist(X[:7], X)
    assert_allclose(relative_distortion(D, scale * D), expected, atol=1e-12)


def test_distortion_does_not_depend_on_the_unit(X):
    D, Dz = cdist(X, X), cdist(X[:, :2], X[:, :2])
    assert_allclose(relative_distortion(1000 * D, 1000 * Dz), relative_distortion(D, Dz))


def test_distortion_of_coinciding_points():
    zeros = np.zeros((2, 3))
    assert relative_distortion(zeros, zeros) == 0.0
    assert relative_distortion(zeros, zeros + 1e-9) == 1


def test_distortion_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"got shapes \(2, 3\) and \(3, 2\)"):
        relative_distortion(np.ones((2, 3)), np.ones((3, 2)))


def test_distribution_error_is_invariant_under_order_and_rigid_transformations(X):
    rotation = np.linalg.qr(np.random.RandomState(1).standard_normal((3, 3)))[0]
    Y = X[::-1] @ rotation + 5
    assert_allclose(distance_distribution_error(cdist(X, X), cdist(Y, Y)), 0.0, atol=1e-12)


def test_distribution_error_of_a_rescaled_space(X):
    D = cdist(X, X)
    assert_allclose(distance_distribution_error(D, 1.5 * D), 0.5)


def test_distribution_error_compares_different_sizes():
    # Distances 1, 1, 2 against 3: mass moves by (2 + 2 + 1) / 3, relative to the mean 4 / 3.
    path = [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    assert_allclose(distance_distribution_error(path, [[0, 3], [3, 0]]), 5 / 4)


def test_distribution_error_needs_a_scale():
    with pytest.raises(ValueError, match="no scale to divide by"):
        distance_distribution_error(np.zeros((2, 2)), 1 - np.eye(2))


def test_trustworthiness_is_exported(X):
    assert trustworthiness(X, X, n_neighbors=3) == 1.0
