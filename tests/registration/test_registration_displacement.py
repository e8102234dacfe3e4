"""Displacement fields, fitted to anchor pairs."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from skgw.registration.displacement import MIN_NOISE, Displacement


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 3))
    return points, points + 0.3 * rng.normal(size=(9, 3))


def test_the_field_is_the_mean_of_a_gaussian_process(pairs):
    points, targets = pairs
    new = np.random.default_rng(1).normal(size=(20, 3))
    process = GaussianProcessRegressor(RBF(1.0), alpha=0.1, optimizer=None)
    expected = new + process.fit(points, targets - points).predict(new)
    found = Displacement.of(points, targets, squared_width=2.0, noise=0.1)
    assert_allclose(found(new), expected)
    assert_allclose(found(torch.as_tensor(new)), expected)
    assert found.shape == (9, 3)


def test_without_noise_pairs_coincide_and_far_points_stay(pairs):
    found = Displacement.of(*pairs, squared_width=0.2, noise=0.0)
    assert_allclose(found(pairs[0]), pairs[1], atol=0.01)
    far = np.full((1, 3), 50.0)
    assert_allclose(found(far), far)


def test_a_row_may_be_in_several_pairs():
    points, targets = np.zeros((2, 1)), np.array([[1.0], [3.0]])
    found = Displacement.of(points, targets, squared_width=1.0, noise=0.0)
    assert_allclose(found(points[:1]), [[2.0]], rtol=MIN_NOISE)
