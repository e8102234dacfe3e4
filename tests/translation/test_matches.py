"""Partners are the points that are near; principal coordinates keep distances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist

from skgw.registration.principal_axes import N_AXES, PrincipalAxes
from skgw.translation.matches import Partners, matched


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(80, 3))
    return one, (one + 0.01 * rng.normal(size=one.shape))[::-1].copy()


@pytest.fixture
def partners(points):
    return Partners.of(points, n_reference=80)


def test_the_nearest_are_partners(points, partners):
    assert_array_equal(partners.nearest(points[0], 0), np.arange(80)[::-1])
    assert_array_equal(partners.nearest(points[1][:7], 1), np.arange(80)[::-1][:7])


def test_means_are_those_of_near_points(points, partners):
    values = np.arange(80.0)[:, None]
    far = np.array([[50.0, 0, 0]])
    assert_allclose(partners.means(far, values, 0), [[np.argmax(points[1][:, 0])]], atol=1e-6)
    middle = partners.means(np.zeros((1, 3)), points[1], 0)
    assert np.linalg.norm(middle) < 0.3


def test_the_plan_shares_the_mass_out(points, partners):
    plan = partners.plan(*points, 0)
    assert_allclose(plan.apply(np.ones(80), axis=1), 1 / 80)
    assert_allclose(plan.apply(np.ones(80), axis=0), 1 / 80, rtol=0.02)
    few = Partners.of(points, n_reference=40).plan(*points, 0)
    assert_allclose(few.apply(np.ones(80), axis=1), 1 / 80)
    assert np.median(few.apply(np.ones(80), axis=0)) == pytest.approx(1 / 80, rel=0.3)


def test_points_that_crowd_are_more_certain():
    rng = np.random.default_rng(0)
    crowd, even = 0.01 * rng.normal(size=(10, 4)), 10 + rng.normal(size=(390, 4))
    points = np.concatenate([crowd, even])
    confidence = Partners.of((points, points), 400).confidence(points, 0)
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    assert confidence[:10].min() > np.median(confidence[10:])


def test_all_are_matched(points):
    assert_array_equal(matched(points[0][:9], points[1][::-1][:9].copy()), np.arange(9))


def test_principal_coordinates_keep_distances():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6)) + 3
    axes = PrincipalAxes.of(X, seed=0)
    coordinates = axes.coordinates(X)
    assert coordinates.shape == (50, 6)
    assert_allclose(coordinates.mean(0), 0, atol=1e-12)
    ratios = pdist(coordinates) / pdist(X)
    assert_allclose(ratios, ratios[0])
    assert np.square(coordinates).sum(1).mean() == pytest.approx(0.5)
    assert_allclose(axes.coordinates(X[:3]), coordinates[:3])


def test_there_is_a_largest_number_of_axes():
    X = np.random.default_rng(0).normal(size=(60, 50))
    assert PrincipalAxes.of(X, seed=0).coordinates(X).shape == (60, N_AXES)


def test_rows_that_coincide_have_no_axes():
    X = np.full((5, 3), 2.0)
    assert_array_equal(PrincipalAxes.of(X, seed=0).coordinates(X), np.zeros((5, 3)))
