import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgw.datasets import make_modes


def centers(**arguments):
    return make_modes(1, return_centers=True, random_state=0, **arguments)[2]


def test_four_and_five_modes_lie_on_the_axes():
    four = [[2, 0], [-2, 0], [0, 2], [0, -2]]
    assert_array_equal(centers(n_modes=4), four)
    assert_array_equal(centers(n_modes=5), [*four, [0, 0]])


@pytest.mark.parametrize("n_modes", [1, 3, 8])
def test_other_numbers_are_evenly_spaced_on_the_circle(n_modes):
    found = centers(n_modes=n_modes, radius=3.0)
    assert_allclose(np.linalg.norm(found, axis=1), 3.0)
    steps = np.linalg.norm(found - np.roll(found, 1, axis=0), axis=1)
    assert_allclose(steps, 6 * np.sin(np.pi / n_modes), atol=1e-12)


def test_samples_have_the_weight_mean_and_covariance_of_their_modes():
    X, labels, means = make_modes(40_000, n_modes=8, sigma=0.3, return_centers=True, random_state=0)
    assert_allclose(np.bincount(labels) / 40_000, np.full(8, 1 / 8), atol=0.01)
    for mode in range(8):
        members = X[labels == mode]
        assert_allclose(members.mean(axis=0), means[mode], atol=0.02)
        assert_allclose(np.cov(members.T), 0.09 * np.eye(2), atol=0.006)


@pytest.mark.parametrize(("planar", "deviation"), [(True, 0.0), (False, 0.2)])
def test_planar_noise_stays_in_the_plane(planar, deviation):
    X, labels, means = make_modes(
        20_000, n_dims=3, planar=planar, return_centers=True, random_state=0
    )
    assert_array_equal(means[:, 0], np.zeros(4))
    assert_array_equal(means[:, 1:], centers())
    assert_allclose((X - means[labels]).std(axis=0), [deviation, 0.2, 0.2], atol=0.005)


def test_without_noise_the_samples_are_the_centres():
    X, labels, means = make_modes(10, sigma=0.0, return_centers=True, random_state=0)
    assert_array_equal(X, means[labels])


def test_centres_are_returned_only_if_asked_for():
    assert len(make_modes(5, random_state=0)) == 2


def test_the_seed_decides():
    first, again, reseeded = (make_modes(5, random_state=seed)[0] for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.allclose(first, reseeded)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be at least 1"),
        ({"n_modes": 0}, "n_modes must be at least 1"),
        ({"n_dims": 1}, "n_dims must be at least 2"),
        ({"sigma": -0.1}, "sigma must not be negative"),
        ({"radius": 0.0}, "radius positive"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_modes(**arguments)
