import dataclasses
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from skgw.metrics import frechet_distance, sample_support


def normal(n=300, d=3, seed=0):
    return np.random.RandomState(seed).standard_normal((n, d))


def brute_force(samples, reference, k):
    """The definitions, with all distances at hand."""
    D = cdist(samples, reference)
    own, other = (np.sort(cdist(Z, Z), 1)[:, k] for Z in (samples, reference))
    within = (other >= D).any(1).mean(), (own[:, None] >= D).any(0).mean()
    return [*within, (D.min(0) <= other).mean(), (other >= D).sum(1).mean() / k]


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0, 100.0])
def test_support_follows_its_definition(k, shift):
    X, Y = normal(200) + shift, normal(300, seed=1)
    support = sample_support(X, Y, n_neighbors=k)
    expected = brute_force(X, Y, k)
    assert_allclose(dataclasses.astuple(support), expected)


def test_more_samples_than_a_chunk():
    samples, reference = normal(2500), normal(60, seed=1)
    found = sample_support(samples, reference)
    expected = brute_force(samples, reference, 5)
    assert_allclose(dataclasses.astuple(found), expected)
    assert 0.5 < found.precision < 1


def test_fresh_data_are_realistic_and_varied():
    support = sample_support(normal(2000), normal(2000, seed=1))
    assert min(support.precision, support.recall, support.coverage) > 0.95
    assert support.density == pytest.approx(1, abs=0.05)


def test_one_mode_of_two_is_realistic_but_not_varied():
    X, Y = normal(500), normal(1000, seed=1)
    Y[:500] += 100
    support = sample_support(X, Y)
    assert support.precision > 0.95
    assert support.recall == pytest.approx(0.5, abs=0.03)
    assert support.coverage == pytest.approx(0.5, abs=0.03)


def test_outliers_claim_recall_but_not_coverage():
    Y = normal(500)
    X = np.random.RandomState(1).uniform(-1000, 1000, size=(200, 3))
    support = sample_support(X, Y)
    assert support.precision == support.coverage == 0
    assert support.recall == 1


def test_an_outlier_in_the_data_raises_precision_but_not_density():
    """The ball of a datum far away holds samples between it and the data."""
    Y = np.vstack([normal(500), [[50.0, 0.0, 0.0]]])
    X = np.random.RandomState(1).uniform(10, 40, size=(200, 3)) * [1, 0, 0]
    support = sample_support(X, Y)
    assert support.precision == 1
    assert support.density == pytest.approx(1 / 5)


def test_memory_grows_with_the_rows_and_not_with_their_pairs():
    X, Y = normal(4000, 40), normal(4000, 40, seed=1)
    sample_support(X[:100], Y[:100])
    tracemalloc.start()
    sample_support(X, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4000**2  # of one matrix of distances


def test_frechet_distance_of_stretched_and_shifted_normals():
    """Covariances A and s^2 A are (s - 1)^2 tr A apart, whatever A is."""
    X = normal(400, 4) @ normal(4, 4, seed=2)
    trace = np.trace(np.cov(X.T))
    assert_allclose(frechet_distance(X, 3 * X - 2 * X.mean(0)), 4 * trace, rtol=1e-9)
    assert_allclose(frechet_distance(X, X + 2), 16, rtol=1e-9)
    assert frechet_distance(X, X) < 1e-9


def test_frechet_distance_where_covariances_do_not_commute():
    X, Y = normal(300, 3) @ normal(3, 3, seed=2), normal(300, 3, seed=1) @ normal(3, 3, seed=3)
    A, B = np.cov(X.T), np.cov(Y.T)
    root = np.sqrt(np.linalg.eigvals(A @ B)).sum().real
    expected = np.square(X.mean(0) - Y.mean(0)).sum() + np.trace(A + B) - 2 * root
    assert_allclose(frechet_distance(X, Y), expected, rtol=1e-8)
    assert_allclose(frechet_distance(Y, X), expected, rtol=1e-8)


def test_frechet_distance_with_fewer_rows_than_columns():
    assert frechet_distance(normal(4, 9), normal(5, 9, seed=1)) > 0


@pytest.mark.parametrize("measure", [sample_support, frechet_distance])
def test_sets_of_other_widths_are_refused(measure):
    with pytest.raises(ValueError, match="same number of columns"):
        measure(normal(9, 2), normal(9, 3))


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="more than n_neighbors=5 rows, got 5 and 300"):
        sample_support(normal(5), normal())
    with pytest.raises(ValueError, match="at least two rows"):
        frechet_distance(normal(1), normal())
