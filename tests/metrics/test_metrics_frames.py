"""Measures of points do not depend on the unit of the points, nor on a common shift."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgw.metrics import (
    distance_distribution_error,
    distance_rank_correlation,
    foscttm,
    frechet_distance,
    gw_discrepancy,
    gw_ratio,
    label_transfer_accuracy,
    match_rate,
    maximum_mean_discrepancy,
    mode_coverage,
    nearest_neighbor_two_sample,
    rigid_alignment,
    sample_support,
)
from skgw.metrics._checks import in_one_frame, power_of_two

UNITS = (1e-300, 1e-160, 1e-8, 1e8, 1e140, 1e300)
SHIFTS = (1e5, 1e8)


@pytest.fixture(scope="module")
def sets():
    """Two samples of one distribution, whose distances are near those of their pairs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4)) * [4, 2, 0.2, 0.1]
    return X, X + 0.05 * rng.normal(size=X.shape)


def labels_of(X):
    return np.arange(len(X)) % 3


MEASURES = {
    "foscttm": foscttm,
    "two-sample": lambda X, Y: nearest_neighbor_two_sample(X, Y, random_state=0),
    "precision": lambda X, Y: sample_support(X, Y, n_neighbors=1).precision,
    "recall": lambda X, Y: sample_support(X, Y, n_neighbors=1).recall,
    "coverage": lambda X, Y: sample_support(X, Y, n_neighbors=1).coverage,
    "density": lambda X, Y: sample_support(X, Y, n_neighbors=1).density,
    "mean discrepancy": maximum_mean_discrepancy,
    "labels": lambda X, Y: label_transfer_accuracy(X, labels_of(X), Y, labels_of(Y)),
    "discrepancy": lambda X, Y: gw_discrepancy(X[:15], Y[:15]),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_unit_and_shift_do_not_matter(measure, sets):
    X, Y = sets
    value = MEASURES[measure]
    expected = value(X, Y)
    for unit in UNITS:
        assert_allclose(value(unit * X, unit * Y), expected, rtol=1e-6, atol=1e-9)
    for shift in SHIFTS:
        assert_allclose(value(X + shift, Y + shift), expected, rtol=1e-5, atol=1e-6)


def test_many_columns_far_from_zero(sets):
    """Nearest neighbours in many dimensions are found by inner products."""
    X, Y = (np.tile(part, 6) for part in sets)
    for shift in (1e6, 1e8):
        moved = X + shift, Y + shift
        assert sample_support(*moved) == sample_support(X, Y)
        assert nearest_neighbor_two_sample(*moved) == nearest_neighbor_two_sample(X, Y)


def test_a_far_outlier_does_not_widen_the_support():
    """Six samples at 1e5 have a ball of radius 1 each, and hold no data."""
    line = np.arange(20.0)[:, None]
    far = np.concatenate([line + 0.5, 1e5 + np.arange(6.0)[:, None]])
    assert sample_support(far, 100 * line, n_neighbors=5).recall == pytest.approx(1 / 20)


def test_frechet_distance_has_the_squared_unit(sets):
    X, Y = sets
    for unit in (1e-150, 1e-8, 1e8, 1e140):
        assert_allclose(frechet_distance(unit * X, unit * (Y + 1)) / unit / unit,
                        frechet_distance(X, Y + 1), rtol=1e-9)  # fmt: skip
    assert_allclose(frechet_distance(X + 1e8, X + 1e8 + 1), 4.0, rtol=1e-6)


def test_mode_coverage_far_from_zero(sets):
    X, _ = sets
    centers, expected = np.zeros((1, 4)), mode_coverage(X, np.zeros((1, 4)), 1.5)
    for unit, shift in ((1.0, 1e8), (1e-200, 0.0), (1e200, 0.0)):
        found = mode_coverage(unit * (X + shift), unit * (centers + shift), 1.5 * unit)
        assert found.within == expected.within
        assert_allclose(found.within_std / unit, expected.within_std, rtol=1e-6)


@pytest.mark.parametrize(("unit", "shift"), [(1e-200, 0.0), (1e200, 0.0), (1.0, 1e8)])
def test_rigid_alignment_in_any_unit(unit, shift, sets):
    X = sets[0][:, :2]
    moved = X @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 5
    found = rigid_alignment(unit * moved, unit * (X + shift), n_starts=4, random_state=0)
    assert_allclose(found / unit - shift, X, atol=1e-6)


def test_distances_in_any_unit(sets):
    X, Y = sets
    D, E = (np.linalg.norm(x[:, None] - x[None], axis=2) for x in (X, Y))
    ratio, plan = gw_ratio(D, E, np.full((40, 40), 1 / 1600)), np.full((40, 40), 1 / 1600)
    error = distance_distribution_error(D, 2 * E)
    for unit in UNITS:
        assert_allclose(gw_ratio(unit * D, unit * E, plan), ratio, rtol=1e-9)
        assert_allclose(distance_distribution_error(unit * D, 2 * unit * E), error, rtol=1e-9)
        assert_allclose(distance_rank_correlation(unit * D, unit * X), 1.0)


def test_gw_ratio_does_not_depend_on_the_mass(sets):
    X, Y = sets
    D, E = (np.linalg.norm(x[:, None] - x[None], axis=2) for x in (X, Y))
    assert gw_ratio(D, E, np.eye(40)) == pytest.approx(1.0)
    assert gw_ratio(D, E, 0.5 * np.eye(40) / 40) == pytest.approx(1.0)
    for plan in (np.zeros((40, 40)), -np.eye(40)):
        with pytest.raises(ValueError, match="plan must be non-negative and have mass"):
            gw_ratio(D, E, plan)


@pytest.mark.parametrize("k", [2.5, "2", True, None])
def test_numbers_that_are_not_whole_are_refused(k, sets):
    with pytest.raises(ValueError, match="k must be between 1 and 40 and whole, got"):
        match_rate(np.eye(40), k=k)
    with pytest.raises(ValueError, match="n_neighbors must be at least 1 and whole, got"):
        sample_support(*sets, n_neighbors=k)


def test_a_frame_is_exact():
    """Powers of two as units, and coordinates of points as the origin, round nothing here."""
    grid = 2.0**20 + np.arange(6.0)[:, None] / 4
    (near,), frame = in_one_frame(grid)
    assert_array_equal(near * frame.unit + frame.origin, grid)
    assert len(np.unique(np.diff(near[:, 0]))) == 1
    assert [power_of_two(np.array([x])) for x in (0.0, 0.5, 0.75, -3.0)] == [1.0, 0.5, 0.5, 2.0]
    largest, least = np.finfo(float).max, 5e-324
    assert power_of_two(np.array([largest])) == 2.0**1023
    assert power_of_two(np.array([least])) == least
