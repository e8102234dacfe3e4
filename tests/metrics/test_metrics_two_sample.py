import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skgw.metrics import classifier_two_sample_test, nearest_neighbor_two_sample


def test_separate_sets_are_told_apart():
    X = np.random.RandomState(0).standard_normal((50, 3))
    assert nearest_neighbor_two_sample(X, X + 100) == 1.0


def test_two_samples_of_one_distribution_are_not():
    rng = np.random.RandomState(0)
    X, Y = rng.standard_normal((2, 3000, 2))
    assert_allclose(nearest_neighbor_two_sample(X, Y), 0.5, atol=0.03)


def test_a_shift_is_seen():
    rng = np.random.RandomState(0)
    X, Y = rng.standard_normal((2, 1000, 2))
    assert nearest_neighbor_two_sample(X, Y + 1) > 0.55


def test_points_on_a_line_worked_out_by_hand():
    # In order x x y x y y: only the first x and the last y have a neighbour of their own set.
    X, Y = [[0.0], [1.0], [3.0]], [[1.9], [3.5], [4.3]]
    assert_allclose(nearest_neighbor_two_sample(X, Y), 2 / 6)


@pytest.mark.parametrize("n_dims", [2, 40])  # trees and brute force
def test_copies_lie_closer_than_their_own_set(n_dims):
    X = 100 + np.random.RandomState(0).standard_normal((60, n_dims))
    assert nearest_neighbor_two_sample(X, X) == 0.0


@pytest.mark.parametrize("n_dims", [2, 40])
def test_ties_count_one_half(n_dims):
    X = np.random.RandomState(0).standard_normal((20, n_dims))
    twice = np.vstack([X, X])
    assert nearest_neighbor_two_sample(twice, twice) == 0.5


@pytest.mark.parametrize("swap", [False, True])
def test_the_larger_set_is_cut_down(swap):
    rng = np.random.RandomState(0)
    X, Y = rng.standard_normal((4000, 2)), rng.standard_normal((500, 2))
    X, Y = (Y, X) if swap else (X, Y)
    # Uncut, the rarer set would rarely find itself, and the accuracy would be far above one half.
    assert_allclose(nearest_neighbor_two_sample(X, Y, random_state=0), 0.5, atol=0.06)


def test_the_seed_chooses_the_rows():
    rng = np.random.RandomState(0)
    X, Y = rng.standard_normal((400, 2)), rng.standard_normal((100, 2))
    values = [nearest_neighbor_two_sample(X, Y, random_state=seed) for seed in (0, 0, 1, 2, 3)]
    assert values[0] == values[1]
    assert len(set(values)) > 1


def test_bad_input():
    with pytest.raises(ValueError, match="X and Y must have the same number of columns"):
        nearest_neighbor_two_sample(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match="at least two rows, got 2, 1"):
        nearest_neighbor_two_sample(np.eye(2), [[0.0, 0.0]])


def test_a_classifier_tells_separate_sets_apart():
    X = np.random.RandomState(0).standard_normal((60, 3))
    found = classifier_two_sample_test(X, X + 100, random_state=0)
    assert (found.accuracy, found.n_rows) == (1.0, 120)
    assert_allclose(found.p_value, 0.5**120)


@pytest.mark.parametrize("classifier", [LogisticRegression(), KNeighborsClassifier(7)])
def test_the_p_value_is_right_if_nothing_differs(classifier):
    """Among 60 tests at level .1 about 6 reject; predictions of one fold are not independent."""
    values = []
    for seed in range(60):
        X, Y = np.random.RandomState(seed).standard_normal((2, 60, 2))
        values.append(classifier_two_sample_test(X, Y, classifier, random_state=seed).p_value)
    assert binom.cdf(np.sum(np.array(values) < 0.1), 60, 0.1) < 0.99


def test_the_accuracy_of_the_best_rule():
    """Normal distributions with means 2 apart: right is the side of the middle, with Phi(1)."""
    X, Y = np.random.RandomState(0).standard_normal((2, 3000, 4))
    found = classifier_two_sample_test(X, Y + [2, 0, 0, 0], LogisticRegression(), random_state=0)
    assert_allclose(found.accuracy, 0.841, atol=0.015)
    assert_allclose(found.p_value, binom.sf(found.accuracy * 6000 - 0.5, 6000, 0.5))


def test_the_default_sees_what_a_linear_rule_does_not():
    X, Y = np.random.RandomState(0).standard_normal((2, 300, 4))
    assert classifier_two_sample_test(X, 2 * Y, random_state=0).accuracy > 0.65
    linear = classifier_two_sample_test(X, 2 * Y, LogisticRegression(), random_state=0)
    assert linear.accuracy < 0.56


def test_unequal_sets_are_balanced():
    """A classifier that knows the larger set only would be right with 10 of 11 rows."""
    X, Y = np.random.RandomState(0).standard_normal((2, 1000, 2))
    found = classifier_two_sample_test(X, Y[:100], DummyClassifier(), random_state=0)
    assert (found.accuracy, found.n_rows) == (0.5, 200)


@pytest.mark.parametrize("unit", [1e-300, 1e-8, 1e8, 1e290])
def test_a_classifier_gets_rows_without_a_unit(unit):
    X, Y = np.random.RandomState(0).standard_normal((2, 100, 2))
    expected = classifier_two_sample_test(X, Y + 1, random_state=0)
    assert classifier_two_sample_test(unit * X, unit * (Y + 1), random_state=0) == expected


def test_more_folds_than_rows_are_refused():
    with pytest.raises(ValueError, match="n_splits must be between 2 and 3"):
        classifier_two_sample_test(np.eye(3), np.eye(3))
