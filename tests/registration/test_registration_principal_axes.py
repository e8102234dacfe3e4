"""Principal axes are orthonormal and ordered; principal coordinates keep distances."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import pdist

from skgw.registration.principal_axes import (
    PrincipalCoordinates,
    UnitCoordinates,
    principal_axes,
    scatter_axes,
)


@pytest.mark.parametrize(("n", "d"), [(60, 4), (4, 9), (7, 7)])
def test_axes_are_orthonormal_and_the_widest_comes_first(n, d):
    X = np.random.default_rng(0).normal(size=(n, d)) * np.geomspace(1, 9, d) + 5
    mean, axes = principal_axes(X)
    assert_allclose(mean, X.mean(0))
    assert_allclose(axes @ axes.T, np.eye(d), atol=1e-12)
    variances = ((X - mean) @ axes.T).var(0)
    assert (np.diff(variances) < 1e-9).all()
    assert variances.sum() == pytest.approx(X.var(0).sum())


def test_both_ways_to_the_axes_agree():
    X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 2, 4, 8]
    mean, axes = principal_axes(X)
    scatter = scatter_axes(X - mean)
    assert_allclose(np.abs(scatter @ axes.T), np.eye(4), atol=1e-9)
    by_torch = scatter_axes(torch.as_tensor(X - mean))
    assert_allclose(np.abs(by_torch.numpy() @ axes.T), np.eye(4), atol=1e-9)


def test_principal_coordinates_keep_distances():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6)) + 3
    fitted = PrincipalCoordinates.of(X, seed=0)
    coordinates = fitted.transform(X)
    assert coordinates.shape == (50, 6)
    assert_allclose(coordinates.mean(0), 0, atol=1e-12)
    ratios = pdist(coordinates) / pdist(X)
    assert_allclose(ratios, ratios[0])
    assert np.square(coordinates).sum(1).mean() == pytest.approx(0.5)  # RMS distance one
    assert_allclose(fitted.transform(X[:3]), coordinates[:3])


def test_there_is_a_largest_number_of_axes():
    X = np.random.default_rng(0).normal(size=(60, 50))
    assert PrincipalCoordinates.of(X, seed=0).transform(X).shape == (60, 32)
    assert PrincipalCoordinates.of(X, seed=0, max_axes=5).transform(X).shape == (60, 5)


def test_rows_that_coincide_have_no_axes():
    X = np.full((5, 3), 2.0)
    assert_array_equal(PrincipalCoordinates.of(X, seed=0).transform(X), np.zeros((5, 3)))


def unit_coordinates(X):
    whole = PrincipalCoordinates.of(X, seed=0)
    return UnitCoordinates.of(whole, whole.transform(X), seed=0)


def test_unit_coordinates_depend_on_directions_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5)) + 3
    axes = unit_coordinates(X)
    far = X.mean(0) + rng.uniform(2, 9, size=(80, 1)) * (X - X.mean(0))
    assert_allclose(axes.transform(far), axes.transform(X), atol=1e-9)
    assert_allclose(axes.transform(sparse.csr_array(X)), axes.transform(X), atol=1e-9)
    assert axes.shape == (5, 5)
    assert np.square(axes.transform(X)).sum(1).mean() == pytest.approx(0.5)
    assert_allclose(axes.leading(2, 2.0).transform(X), axes.transform(X)[:, :2] / 2)


@pytest.mark.parametrize("of", [lambda X: PrincipalCoordinates.of(X, seed=0), unit_coordinates])
def test_coordinates_about_another_centre(of):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 7)) + 2
    axes = of(X)
    centre, Z = rng.normal(size=axes.shape[1]), axes.transform(X)
    has_width = Z.std(0) > 1e-9  # the other coordinates are rounding errors
    about = axes.about(np.where(has_width, centre, 0), 3.0)
    assert about.shape == axes.shape
    assert_allclose(about.transform(X), (Z - np.where(has_width, centre, 0)) / 3, atol=1e-9)


@pytest.mark.parametrize("of", [lambda X: PrincipalCoordinates.of(X, seed=0), unit_coordinates])
def test_differences_of_coordinates_are_lifted_to_rows(of):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 7)) + 2
    axes, step = of(X), 1e-4
    lengths = axes.lengths(X)
    moved = X + step * axes.lift(np.ones((60, 1)) * [1.0, 0, 0, 0, 0, 0, 0], lengths)
    change = (axes.transform(moved) - axes.transform(X)) / step
    assert 0.3 < change[:, 0].mean() < 1.01  # a unit row loses its radial part
    if isinstance(axes, PrincipalCoordinates):
        assert_allclose(change, np.ones((60, 1)) * [1.0, 0, 0, 0, 0, 0, 0], atol=1e-6)
