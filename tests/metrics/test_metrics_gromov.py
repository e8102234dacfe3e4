import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from skgw.metrics import gw_discrepancy


@pytest.fixture
def X():
    return np.random.RandomState(0).standard_normal((60, 2)) * [3, 1]


def test_isometric_copies_have_no_discrepancy(X):
    in_space = np.pad(X, ((0, 0), (0, 1))) @ ortho_group.rvs(3, random_state=0) + 5
    in_other_order = in_space[np.random.RandomState(1).permutation(60)]
    assert_allclose(gw_discrepancy(X, in_other_order), 0, atol=1e-4)


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_scaled_copy_in_closed_form(X, factor):
    # The identity is the best plan, and costs (1 - factor)^2 times the mean squared distance.
    assert_allclose(gw_discrepancy(X, factor * X), 2 * (1 - factor) ** 2, rtol=2e-3)


@pytest.mark.parametrize("n_copies", [1, 5])
def test_a_single_point_in_closed_form(X, n_copies):
    # The cross term costs 1 - reg log n, the self term -reg log n, but for the plan's blur.
    value = gw_discrepancy(X, np.zeros((n_copies, 3)), epsilon=1e-4)
    assert_allclose(value, 2 - 1e-4 * np.log(60), atol=1e-4)


def test_the_unit_does_not_matter(X):
    Y = np.random.RandomState(1).standard_normal((40, 3))
    assert_allclose(gw_discrepancy(1e3 * X, 1e3 * Y), gw_discrepancy(X, Y), rtol=1e-6)


def test_neither_does_the_distance_to_the_origin(X):
    assert_allclose(gw_discrepancy(X, X[::-1] + 1e7), 0, atol=1e-4)


def test_points_and_their_distances_are_the_same(X):
    Y = np.random.RandomState(1).standard_normal((40, 3))
    value = gw_discrepancy(X, Y, metric=("euclidean", "cityblock"))
    assert value != gw_discrepancy(X, Y)
    given = gw_discrepancy(X, cdist(Y, Y, "cityblock"), metric=("euclidean", "precomputed"))
    assert_allclose(given, value)


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_large_sets_are_cut_at_random(X, metric):
    values = X if metric == "euclidean" else cdist(X, X)

    def value(**options):
        return gw_discrepancy(values, values, metric=metric, **options)

    assert value(sample_size=60) == value(sample_size=None)  # all rows: isometric
    assert_allclose(value(sample_size=None), 0, atol=1e-4)
    cut = [value(sample_size=20, random_state=seed) for seed in (0, 0, 1)]
    assert cut[0] == cut[1] != cut[2]
    assert min(cut) > 1e-2  # two subsets are not isometric


@pytest.mark.parametrize(
    ("Y", "options", "message"),
    [
        (np.zeros((3, 4)), {"metric": ("euclidean", "precomputed")}, "Y must be a square"),
        ([[np.nan, 1.0]], {}, "Input Y contains NaN"),
        (np.eye(3), {"sample_size": 1}, "sample_size must be at least 2"),
        (np.eye(3), {"sample_size": 2.5}, "sample_size must be at least 2 and whole, got 2.5"),
        (np.eye(3), {"metric": ("euclidean",)}, "one metric or a pair"),
        (np.eye(3), {"metric": ("euclidean", "precomputed")}, "zero on the diagonal"),
        (np.eye(3), {"epsilon": 0}, "epsilon must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(X, Y, options, message):
    with pytest.raises(ValueError, match=message):
        gw_discrepancy(X, Y, **options)


def test_a_reference_without_size_is_refused(X):
    with pytest.raises(ValueError, match="no scale"):
        gw_discrepancy(np.ones((4, 2)), X)
