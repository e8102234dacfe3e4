import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2, entropy

from skgw.datasets import make_modes
from skgw.metrics import mode_coverage, reverse_kl_of_modes

CENTERS = np.array([[0.0, 0.0], [10.0, 0.0]])


def test_a_sample_worked_out_by_hand():
    samples = [[0.0, 1.0], [0.0, -1.0], [0.0, 0.0], [10.0, 2.0], [10.0, 4.0], [5.0, 0.0]]
    found = mode_coverage(samples, CENTERS, sigma=1.0)
    assert_allclose(found.within, 4 / 6)
    assert_allclose(found.shares, [3 / 4, 1 / 4])
    assert_allclose(found.mass_error, 1 / 4)
    assert_allclose(found.reverse_kl, entropy([3, 1], [1, 1]))
    # Squares 1 + 1 + 0 over 2 degrees of freedom and 2 coordinates; one sample has no width.
    assert_allclose(found.std_per_mode, [np.sqrt(0.5), np.nan])
    assert_allclose(found.within_std, np.sqrt(0.5))
    assert_allclose(found.ceiling, 1 - np.exp(-4.5))
    # The second mode has 1 / 6 of all samples, less than half its fair share of .989 / 2.
    assert found.covered == 1


@pytest.mark.parametrize("n_modes", [4, 5, 8])
def test_true_modes_reach_the_ceiling(n_modes):
    X, _, centers = make_modes(20_000, n_modes=n_modes, return_centers=True, random_state=0)
    found = mode_coverage(X, centers, sigma=0.2)
    assert_allclose(found.within, found.ceiling, atol=0.005)
    assert found.covered == n_modes
    assert found.mass_error < 0.02
    cut = np.sqrt(chi2.cdf(9, 4) / chi2.cdf(9, 2))  # Notes of mode_coverage
    assert_allclose(cut, 0.974, atol=5e-4)
    assert_allclose(found.within_std, 0.2 * cut, rtol=0.02)


def test_without_a_radius_nothing_is_cut_off():
    X, _, centers = make_modes(20_000, sigma=0.2, return_centers=True, random_state=0)
    found = mode_coverage(X, centers, sigma=0.2, n_sigma=np.inf)
    assert found.within == found.ceiling == 1.0
    assert_allclose(found.within_std, 0.2, rtol=0.02)


def test_planar_noise_counts_its_own_dimensions():
    X, _, centers = make_modes(20_000, n_dims=3, return_centers=True, random_state=0)
    planar = mode_coverage(X, centers, sigma=0.2, noise_dim=2)
    assert_allclose(planar.ceiling, chi2.cdf(9, 2))
    assert_allclose(planar.within, planar.ceiling, atol=0.005)
    assert_allclose(planar.within_std, 0.974 * 0.2, rtol=0.02)
    spatial = mode_coverage(X, centers, sigma=0.2)
    assert_allclose(spatial.ceiling, chi2.cdf(9, 3))
    assert_allclose(spatial.within_std, planar.within_std * np.sqrt(2 / 3))


def test_a_missing_mode():
    X, labels, centers = make_modes(4000, return_centers=True, random_state=0)
    found = mode_coverage(X[labels != 2], centers, sigma=0.2)
    assert found.covered == 3
    assert_allclose(found.shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)
    assert_allclose(found.mass_error, 1 / 4, atol=0.02)
    assert_allclose(found.reverse_kl, np.log(4 / 3), atol=0.01)
    assert_array_equal(np.isnan(found.std_per_mode), [False, False, True, False])


def test_a_sparse_cloud_covers_no_mode():
    rng = np.random.RandomState(0)
    _, _, centers = make_modes(1, return_centers=True, random_state=0)
    found = mode_coverage(rng.uniform(-10, 10, size=(20_000, 2)), centers, sigma=0.2)
    assert found.mass_error < 0.1
    assert found.covered == 0


def test_no_sample_within():
    found = mode_coverage([[5.0, 5.0]], CENTERS, sigma=1.0)
    assert (found.within, found.covered, found.mass_error) == (0.0, 0, 1.0)
    assert found.reverse_kl == np.inf
    assert_array_equal(found.shares, [0.0, 0.0])
    assert np.isnan(found.within_std)


def test_the_result_is_frozen():
    found = mode_coverage(CENTERS, CENTERS, sigma=1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.within = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"n_sigma": -1.0}, "n_sigma must be positive"),
        ({"noise_dim": 3}, "between 1 and 2"),
        ({"noise_dim": 0}, "between 1 and 2"),
        ({"samples": np.zeros((4, 3))}, "samples and centers must have the same number"),
        ({"samples": [[np.nan, 0.0]]}, "samples contains NaN"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"samples": CENTERS, "centers": CENTERS, "sigma": 1.0} | changes
    with pytest.raises(ValueError, match=message):
        mode_coverage(**arguments)


def test_the_divergence_of_labels_is_that_of_their_shares():
    rng = np.random.RandomState(0)
    p, q = rng.dirichlet(np.ones(6), size=2)
    reference, labels = rng.choice(6, 900, p=p), rng.choice(5, 700, p=q[:5] / q[:5].sum())
    names = np.array(["e", "a", "c", "f", "b", "d"])
    shares = [np.bincount(y, minlength=6) / len(y) for y in (labels, reference)]
    for y, z in ((labels, reference), (names[labels], names[reference])):
        assert_allclose(reverse_kl_of_modes(y, z), entropy(*shares))
    assert reverse_kl_of_modes(reference, reference) == 0


def test_missing_modes_and_modes_that_do_not_exist():
    modes = np.arange(1000)
    assert_allclose(reverse_kl_of_modes(modes[:750], modes), -np.log(0.75))
    assert reverse_kl_of_modes([0, 1000], modes) == np.inf
    with pytest.raises(ValueError, match="no labels"):
        reverse_kl_of_modes([], modes)


def test_samples_of_the_true_distribution_are_off_by_chance():
    rng = np.random.RandomState(0)
    found = [reverse_kl_of_modes(rng.randint(50, size=2000), np.arange(50)) for _ in range(100)]
    assert_allclose(np.mean(found), 49 / 4000, rtol=0.1)
