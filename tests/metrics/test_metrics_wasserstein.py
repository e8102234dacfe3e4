import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from skgw.metrics import frechet_distance, sliced_wasserstein_distance, wasserstein_distance

BOTH = (wasserstein_distance, sliced_wasserstein_distance)


def normal(n, d=3, seed=0):
    return np.random.RandomState(seed).standard_normal((n, d))


@pytest.mark.parametrize("p", [1, 2])
def test_equal_weights_are_an_assignment(p):
    X, Y = normal(60) * [3, 1, 1], normal(60, seed=1) + 1
    costs = cdist(X, Y) ** p
    expected = costs[linear_sum_assignment(costs)].mean() ** (1 / p)
    assert_allclose(wasserstein_distance(X, Y, p=p), expected, rtol=1e-9)


@pytest.mark.parametrize("measure", BOTH)
def test_weights_on_a_line_are_those_of_scipy(measure):
    x, y, rng = normal(30, 1), 2 * normal(50, 1, seed=1), np.random.RandomState(2)
    a, b = rng.gamma(1.0, size=30), rng.gamma(1.0, size=50)
    expected = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0], a, b)
    assert_allclose(measure(x, y, a, b, p=1), expected, rtol=1e-9)


@pytest.mark.parametrize("measure", BOTH)
def test_a_weight_is_a_number_of_copies(measure):
    X, Y = normal(5), normal(7, seed=1) + 1
    a, b = [1, 2, 0, 3, 1], [2, 1, 1, 1, 4, 1, 1]
    arguments = {} if measure is wasserstein_distance else {"random_state": 0}
    expected = measure(np.repeat(X, a, axis=0), np.repeat(Y, b, axis=0), **arguments)
    assert_allclose(measure(X, Y, a, b, **arguments), expected, rtol=1e-9)


@pytest.mark.parametrize("p", [1, 2])
def test_slices_are_sorted_lists(p):
    X, Y = normal(200, 4) * [4, 2, 1, 1], normal(200, 4, seed=1) + 1
    directions = np.random.RandomState(3).standard_normal((4, 30))
    directions /= np.linalg.norm(directions, axis=0)
    gaps = np.sort(X @ directions, axis=0) - np.sort(Y @ directions, axis=0)  # (200, 30)
    found = sliced_wasserstein_distance(X, Y, p=p, n_projections=30, chunk_size=7, random_state=3)
    assert_allclose(found, (abs(gaps) ** p).mean() ** (1 / p), rtol=1e-9)


def test_a_shift():
    X, v = normal(100, 5), np.array([3.0, 0, 0, 0, 4])
    assert_allclose(wasserstein_distance(X, X + v, p=1), 5, rtol=1e-9)
    assert_allclose(wasserstein_distance(X, X + v), 5, rtol=1e-9)
    found = sliced_wasserstein_distance(X, X + v, n_projections=4000, random_state=0)
    assert_allclose(found, 5 / np.sqrt(5), rtol=0.03)


def test_normal_distributions_have_a_closed_form():
    """In the plane 1,000 rows are enough for the distance of the moments."""
    X, Y = normal(1000, 2) * [3, 1], normal(1000, 2, seed=1) + [4, 0]
    assert_allclose(wasserstein_distance(X, Y), np.sqrt(frechet_distance(X, Y)), rtol=0.03)


@pytest.mark.parametrize("measure", BOTH)
def test_equal_samples(measure):
    X = normal(50)
    assert measure(X, X[::-1]) < 1e-6
    assert measure(X, np.vstack([X, X])) < 1e-6


@pytest.mark.parametrize("measure", BOTH)
@pytest.mark.parametrize("p", [1, 2])
def test_unit_and_shift(measure, p):
    X, Y = normal(40), normal(30, seed=1) + 1

    def distance(first, second):
        seed = {} if measure is wasserstein_distance else {"random_state": 0}
        return measure(first, second, p=p, **seed)

    for unit in (1e-300, 1e-160, 1e140, 1e300):
        assert_allclose(distance(unit * X, unit * Y) / unit, distance(X, Y), rtol=1e-9)
    assert_allclose(distance(X + 1e8, Y + 1e8), distance(X, Y), rtol=1e-6)


def test_the_seed_decides():
    X, Y = normal(40), normal(40, seed=1)
    first, again, reseeded = (
        sliced_wasserstein_distance(X, Y, random_state=seed) for seed in (0, 0, 1)
    )
    assert first == again != reseeded


@pytest.mark.parametrize("measure", BOTH)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 3}, "p must be 1 or 2, got 3"),
        ({"p": 1.5}, "p must be at least 1 and whole"),
        ({"Y": np.ones((5, 2))}, "same number of columns"),
        ({"weights_x": [1.0]}, "weights_x must hold 5 non-negative numbers"),
        ({"weights_y": np.zeros(6)}, "weights_y must hold 6 non-negative numbers"),
        ({"weights_y": -np.ones(6)}, "weights_y must hold 6 non-negative numbers"),
    ],
)
def test_bad_input(measure, arguments, message):
    with pytest.raises(ValueError, match=message):
        measure(**{"X": normal(5), "Y": normal(6)} | arguments)
