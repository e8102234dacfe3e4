"""Similarities: closed-form fits to matches, and initial ones."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skgw.registration.initial_similarities import (
    mirror_images,
    principal_similarities,
    random_similarities,
)
from skgw.registration.similarity import Similarity, first_distinct, rigid_of_matches


def rotation(degrees):
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@pytest.fixture
def X():
    return np.random.RandomState(0).standard_normal((20, 2)) * [3.0, 1.0] + 4


def test_a_rotation_by_a_right_angle():
    quarter = Similarity(rotation(90), np.array([0.0, 1.0]))
    assert_allclose(quarter(np.array([[1.0, 0.0]])), [[0.0, 2.0]], atol=1e-12)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_the_best_fit_undoes_a_rigid_transformation(X, mirror):
    Y = X @ rotation(50) * [mirror, 1.0] - 7
    rigid = rigid_of_matches(X, Y, np.ones(len(X)))
    assert_allclose(rigid(X), Y)
    assert_allclose(np.linalg.det(rigid.rotation), mirror)


def test_points_of_no_weight_do_not_pull(X):
    Y = X @ rotation(50)
    spoilt = Y.copy()
    spoilt[:5] += 100
    rigid = rigid_of_matches(X, spoilt, np.r_[np.zeros(5), np.ones(15)])
    assert_allclose(rigid(X), Y)


def test_one_pairing_of_principal_axes_undoes_a_rigid_transformation(X):
    Y = X @ rotation(50) - 7
    found = list(principal_similarities(X, Y))
    assert len(found) == 8  # two orders of the axes, four signs
    assert_allclose(min(np.abs(each(X) - Y).max() for each in found), 0, atol=1e-9)


def test_starts_are_rigid_and_take_mean_to_mean(X):
    Y = X + 1
    starts = [
        *principal_similarities(X, Y),
        *random_similarities(X, Y, 5, np.random.RandomState(0)),
    ]
    assert len(starts) == 13
    for start in starts:
        assert_allclose(start.rotation @ start.rotation.T, np.eye(2), atol=1e-12)
        assert_allclose(start(X).mean(axis=0), Y.mean(axis=0))


def test_random_rotations_are_uniform(X):
    found = random_similarities(X, X, 4000, np.random.RandomState(0))
    rotations = np.array([each.rotation for each in found])
    assert_allclose(rotations.mean(axis=0), np.zeros((2, 2)), atol=0.04)
    assert_allclose(np.mean(np.linalg.det(rotations)), 0, atol=0.05)


def test_first_distinct_keeps_the_order_and_the_number():
    numbers = [0, 5, 90, 93, 180, 270]
    assert first_distinct(numbers, 3, lambda a, b: abs(a - b) > 10) == [0, 90, 180]
    assert first_distinct(numbers, 9, lambda a, b: abs(a - b) > 10) == [0, 90, 180, 270]


def test_mirror_images_reflect_along_the_widest_axes():
    X = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 5, 0.2]
    )
    X = X - X.mean(0)
    images = mirror_images(X, torch.eye(3), 2)
    assert_allclose(images[0], np.diag([1, -1, 1]), atol=0.1)
    assert_allclose(images[1], np.diag([-1, 1, 1]), atol=0.1)
    assert len(images) == 2
