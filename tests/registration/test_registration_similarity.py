import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgw.registration.similarity import (
    Motion,
    best_motion,
    distinct_motions,
    principal_motions,
    random_motions,
)


def rotation(degrees):
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@pytest.fixture
def X():
    return np.random.RandomState(0).standard_normal((20, 2)) * [3.0, 1.0] + 4


def test_a_quarter_turn():
    motion = Motion(rotation(90), np.array([0.0, 1.0]))
    assert_allclose(motion(np.array([[1.0, 0.0]])), [[0.0, 2.0]], atol=1e-12)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_the_best_motion_undoes_a_motion(X, mirror):
    Y = X @ rotation(50) * [mirror, 1.0] - 7
    motion = best_motion(X, Y, np.ones(len(X)))
    assert_allclose(motion(X), Y)
    assert_allclose(np.linalg.det(motion.rotation), mirror)


def test_points_of_no_weight_do_not_pull(X):
    Y = X @ rotation(50)
    spoilt = Y.copy()
    spoilt[:5] += 100
    motion = best_motion(X, spoilt, np.r_[np.zeros(5), np.ones(15)])
    assert_allclose(motion(X), Y)


def test_one_principal_motion_undoes_a_motion(X):
    Y = X @ rotation(50) - 7
    motions = list(principal_motions(X, Y))
    assert len(motions) == 8  # two orders of the axes, four signs
    assert_allclose(min(np.abs(motion(X) - Y).max() for motion in motions), 0, atol=1e-9)


def test_starts_are_rigid_and_take_mean_to_mean(X):
    Y = X + 1
    starts = [*principal_motions(X, Y), *random_motions(X, Y, 5, np.random.RandomState(0))]
    assert len(starts) == 13
    for start in starts:
        assert_allclose(start.rotation @ start.rotation.T, np.eye(2), atol=1e-12)
        assert_allclose(start(X).mean(axis=0), Y.mean(axis=0))


def test_random_rotations_are_uniform(X):
    motions = random_motions(X, X, 4000, np.random.RandomState(0))
    rotations = np.array([motion.rotation for motion in motions])
    assert_allclose(rotations.mean(axis=0), np.zeros((2, 2)), atol=0.04)
    assert_allclose(np.mean(np.linalg.det(rotations)), 0, atol=0.05)


def test_distinct_motions_keep_the_order_and_the_number():
    motions = [Motion(rotation(angle), np.zeros(2)) for angle in (0, 5, 90, 93, 180, 270)]
    kept = distinct_motions(motions, 3)
    assert len(kept) == 3
    assert all(motion is motions[i] for motion, i in zip(kept, (0, 2, 4), strict=True))
