import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skgw.metrics._checks import condensed_distances, float_matrix, same_width


def test_pairs_come_in_row_order():
    D = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    assert_array_equal(condensed_distances(D, "D"), [1.0, 2.0, 3.0])


def test_rounding_is_no_asymmetry():
    D = np.array([[0.0, 1e3], [1e3 + 1e-6, 0.0]])
    assert condensed_distances(D, "D").shape == (1,)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), "D must be a square distance matrix"),
        ([[0.0]], "at least 2 points"),
        ([[0.0, -1.0], [-1.0, 0.0]], "negative entries"),
        ([[0.0, 1.0], [2.0, 0.0]], "not symmetric"),
        ([[1.0, 0.3], [0.3, 1.0]], "zero on the diagonal. Similarities"),
        ([[0.0, np.nan], [np.nan, 0.0]], "D contains NaN"),
    ],
)
def test_what_is_no_distance_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        condensed_distances(matrix, "D")


def test_float_matrix_accepts_integers():
    assert float_matrix([[1, 2]], "X").dtype == np.float64


def test_widths_must_agree():
    same_width(np.zeros((1, 2)), np.zeros((5, 2)), ("A", "B"))
    with pytest.raises(ValueError, match="A and B must have the same number of columns, got 2 and"):
        same_width(np.zeros((1, 2)), np.zeros((1, 3)), ("A", "B"))
