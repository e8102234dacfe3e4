"""The search finds a rotation without a start, between the same and between disjoint points."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skgw.registration.principal_axes import PrincipalCoordinates
from skgw.registration.procrustes import best_rotation, register
from skgw.registration.rotation_search import RotationSearchSettings, search_rotations

QUICK = RotationSearchSettings(n_centres=120, n_starts=60, n_kept=6, n_moves=4)


def clouds(n, k, seed=0):
    """Two disjoint samples of a skewed distribution, the second one rotated."""
    rng = np.random.default_rng(seed)
    X = rng.exponential(size=(2 * n, k)) * np.geomspace(4, 1, k)
    turn = np.linalg.qr(rng.normal(size=(k, k)))[0]
    x, y = X[:n], X[n:] @ turn
    axes = [PrincipalCoordinates.of(z, seed=0) for z in (x, y)]
    points = tuple(torch.from_numpy(a.transform(z)) for a, z in zip(axes, (x, y), strict=True))
    truth = best_rotation(
        torch.from_numpy(axes[0].transform(X)).T @ torch.from_numpy(axes[1].transform(X @ turn))
    )
    return points, truth


def error(points, rotation, truth):
    """Mean squared distance between places, relative to that of two points."""
    return float((points[0] @ (rotation.double() - truth)).square().sum(1).mean())


def test_disjoint_points_are_registered():
    points, truth = clouds(500, 6)
    found = search_rotations(tuple(z.float() for z in points), QUICK, seed=1)
    assert error(points, found[0], truth) < 0.15
    improved = register(*points, rotation=found[0].double()).similarity.rotation
    assert error(points, improved, truth) < error(points, torch.eye(6).double(), truth) / 5


def test_rotations_differ_and_are_orthogonal():
    points, _ = clouds(200, 6)
    found = search_rotations(points, QUICK)
    assert 1 < len(found) <= QUICK.n_kept
    for k, rotation in enumerate(found):
        assert_allclose(rotation @ rotation.T, torch.eye(6), atol=1e-6)
        for other in found[:k]:
            assert error(points, rotation, other) > 0.05


def test_the_seed_determines_the_search():
    points, _ = clouds(150, 5)
    one, again, other = (search_rotations(points, QUICK, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert error(points, one, other) < 0.15  # found by other random starts


@pytest.mark.parametrize(("k", "m"), [(1, 1), (2, 5), (7, 3)])
def test_few_and_different_numbers_of_axes(k, m):
    rng = np.random.default_rng(0)
    Z, W = (torch.from_numpy(rng.exponential(size=(60, d)) - 1) for d in (k, m))
    found = search_rotations((Z, W), replace(QUICK, n_starts=10, n_kept=3, n_moves=2))
    assert found[0].shape == (k, m)


def test_points_that_coincide_have_a_rotation():
    Z = torch.zeros(20, 3)
    found = search_rotations((Z, Z), replace(QUICK, n_starts=3, n_moves=2))
    assert torch.isfinite(found[0]).all()
