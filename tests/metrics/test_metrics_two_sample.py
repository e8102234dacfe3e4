import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgw.metrics import nearest_neighbor_two_sample


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
