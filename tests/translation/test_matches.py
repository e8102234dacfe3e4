"""Near points of a common space match."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.translation.matches import LatentMatches, joint_plan, nearest


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    return X, (X + 0.01 * rng.normal(size=X.shape))[::-1].copy()


@pytest.fixture
def matches(points):
    return LatentMatches.of(points, n_reference=80)


def test_the_nearest_points_match(points, matches):
    assert_array_equal(matches.nearest(points[0], 0), np.arange(80)[::-1])
    assert_array_equal(matches.nearest(points[1][:7], 1), np.arange(80)[::-1][:7])


def test_means_are_means_of_near_points(points, matches):
    values = np.arange(80.0)[:, None]
    far = np.array([[50.0, 0, 0]])
    assert_allclose(matches.means(far, values, 0), [[np.argmax(points[1][:, 0])]], atol=1e-6)
    middle = matches.means(np.zeros((1, 3)), points[1], 0)
    assert np.linalg.norm(middle) < 0.3


def test_the_plan_shares_the_mass_out(points, matches):
    plan = matches.plan(*points, 0)
    assert_allclose(plan.apply(np.ones(80), axis=1), 1 / 80)
    assert_allclose(plan.apply(np.ones(80), axis=0), 1 / 80, rtol=0.02)
    few = LatentMatches.of(points, n_reference=40).plan(*points, 0)
    assert_allclose(few.apply(np.ones(80), axis=1), 1 / 80)
    assert np.median(few.apply(np.ones(80), axis=0)) == pytest.approx(1 / 80, rel=0.3)


def test_points_of_a_small_group_have_a_high_confidence():
    rng = np.random.default_rng(0)
    crowd, even = 0.01 * rng.normal(size=(10, 4)), 10 + rng.normal(size=(390, 4))
    points = np.concatenate([crowd, even])
    confidence = LatentMatches.of((points, points), 400).confidence(points, 0)
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    assert confidence[:10].min() > np.median(confidence[10:])


def test_points_are_assigned_jointly(points):
    assert_array_equal(
        joint_plan(points[0][:9], points[1][::-1][:9].copy()).argmax(1), np.arange(9)
    )


def test_nearest_points_of_arrays_and_tensors():
    points, others = np.array([[0.0], [1.0], [5.0]]), np.array([[4.0], [0.9]])
    assert_array_equal(nearest(points, others), [1, 1, 0])
    found = nearest(torch.as_tensor(points), torch.as_tensor(others))
    assert isinstance(found, torch.Tensor)
    assert found.tolist() == [1, 1, 0]
    many = np.random.default_rng(0).normal(size=(5000, 3))  # more than a chunk
    assert_array_equal(nearest(many, many), np.arange(5000))
