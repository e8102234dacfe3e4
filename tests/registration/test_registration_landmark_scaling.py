"""Coordinates from distances to landmarks: exact for Euclidean distances, few for others."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skgw.registration.landmark_scaling import LandmarkScaling, centred_gram


@pytest.fixture
def points():
    return np.random.default_rng(0).gamma(2.0, size=(80, 4)) * [4, 3, 2, 1]


def to_landmarks(points, n=20):
    rows = np.random.default_rng(1).permutation(len(points))[:n]
    return cdist(points, points[rows]), rows


def test_the_gram_matrix_holds_inner_products(points):
    centred = points - points.mean(0)
    gram = centred_gram(cdist(points, points) ** 2)
    assert_allclose(gram, centred @ centred.T, atol=1e-10)
    squares = torch.as_tensor(cdist(points, points) ** 2)
    assert_allclose(centred_gram(squares).numpy(), gram, atol=1e-10)


def test_euclidean_distances_are_kept(points):
    D, rows = to_landmarks(points)
    scaling = LandmarkScaling.of(D, rows)
    placed = scaling.transform(D)
    assert placed.shape == (80, 4)
    assert_allclose(cdist(placed, placed), cdist(points, points), atol=1e-7)


def test_new_points_are_placed_alike(points):
    D, rows = to_landmarks(points)
    scaling = LandmarkScaling.of(D, rows)
    new = points[:5] + 0.5
    placed = scaling.transform(cdist(new, points[rows]))
    assert_allclose(cdist(placed, scaling.transform(D)), cdist(new, points), atol=1e-7)
    assert_allclose(scaling.transform(D[:3]), scaling.transform(D)[:3], rtol=1e-12, atol=1e-12)


def test_float32_distances_have_no_further_dimensions(points):
    D, rows = to_landmarks(points.astype(np.float32).astype(float))
    assert LandmarkScaling.of(D.astype(np.float32), rows).axes.shape == (20, 4)


def test_noise_has_no_dimensions(points):
    """All 19 positive directions distort these distances more than the first few."""
    D = cdist(points, points)
    noise = np.random.default_rng(2).normal(size=D.shape)
    D += 0.2 * (noise + noise.T) * ~np.eye(80, dtype=bool)
    rows = np.arange(40)
    scaling = LandmarkScaling.of(abs(D[:, rows]), rows)
    assert scaling.axes.shape[1] <= 6
    placed = scaling.transform(abs(D[:, rows]))
    assert np.linalg.norm(cdist(placed, placed) - D) < 0.15 * np.linalg.norm(D)


@pytest.mark.parametrize("D", [np.zeros((6, 6)), np.array([[0.0, 2.0], [2.0, 0.0]])], ids=len)
def test_one_dimension_at_least(D):
    scaling = LandmarkScaling.of(D, np.arange(len(D)))
    placed = scaling.transform(D)
    assert placed.shape == (len(D), 1)
    assert_allclose(abs(placed - placed.T), D, atol=1e-12)
