import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from skgw.metrics import maximum_mean_discrepancy
from skgw.nn.divergences import mmd


def normal(n, d=3, seed=0):
    return np.random.RandomState(seed).standard_normal((n, d))


def unbiased(K_xx, K_yy, K_xy):
    n, m = K_xy.shape
    within = [(K.sum() - K.trace()) / (k * (k - 1)) for K, k in ((K_xx, n), (K_yy, m))]
    return sum(within) - 2 * K_xy.mean()


@pytest.mark.parametrize("chunk_size", [1, 7, 64, 1000])
def test_normal_kernels_are_those_of_scikit_learn(chunk_size):
    X, Y = normal(40) + 0.5, normal(64, seed=1)
    expected = 0
    for scale in (0.5, 2.0):
        gamma = 1 / (scale * 4.0)
        expected += unbiased(*(rbf_kernel(A, B, gamma) for A, B in ((X, X), (Y, Y), (X, Y))))
    found = maximum_mean_discrepancy(
        X, Y, kernel="rbf", scales=(0.5, 2.0), mean_square=4.0, chunk_size=chunk_size
    )
    assert_allclose(found, expected, rtol=1e-10)


def test_inverse_multiquadratics_are_those_of_the_penalty_in_training():
    X, Y = normal(50, 4) + 0.3, normal(70, 4, seed=1)
    expected = mmd(torch.tensor(X), torch.tensor(Y), prior_variance=1.5)
    found = maximum_mean_discrepancy(X, Y, mean_square=2 * 4 * 1.5)
    assert_allclose(found, float(expected), rtol=1e-10)


@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize("length", [0.7, 2.0])
def test_normal_distributions_have_a_closed_form(d, length):
    shift = np.full(d, 0.6)
    spread = length**2 / (length**2 + 2)
    expected = 2 * spread ** (d / 2) * (1 - np.exp(-(shift @ shift) / (2 * (length**2 + 2))))
    found = [
        maximum_mean_discrepancy(
            normal(500, d, seed) + shift,
            normal(400, d, 100 + seed),
            kernel="rbf",
            scales=(1.0,),
            mean_square=2 * length**2,
        )
        for seed in range(30)
    ]
    error = np.std(found) / np.sqrt(len(found))
    assert error < 0.1 * expected
    assert_allclose(np.mean(found), expected, atol=4 * error)


@pytest.mark.parametrize("kernel", ["imq", "rbf"])
def test_samples_of_one_distribution_have_zero_in_the_mean(kernel):
    found = [
        maximum_mean_discrepancy(normal(80, seed=k), normal(60, seed=100 + k), kernel=kernel)
        for k in range(100)
    ]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 4 * np.std(found) / 10


def test_far_samples_reach_the_upper_end_and_heavy_tails_still_see_the_distance():
    X, Y = normal(50), normal(50, seed=1)
    near, far = (maximum_mean_discrepancy(X + shift, Y) for shift in (20, 200))
    assert near < far < 14
    within = sum(maximum_mean_discrepancy(Z, Z + 1e6, mean_square=6.0) / 2 for Z in (X, Y))
    assert_allclose(maximum_mean_discrepancy(X, Y + 1e6, mean_square=6.0), within, rtol=1e-6)


def test_the_default_scale_is_the_mean_squared_distance_of_the_second_sample():
    X, Y = normal(30), 7 + 3 * normal(40, seed=1)
    D = cdist(Y, Y, "sqeuclidean")
    mean_square = D.sum() / (40 * 39)
    expected = maximum_mean_discrepancy(X, Y, mean_square=mean_square)
    assert_allclose(maximum_mean_discrepancy(X, Y), expected, rtol=1e-12)


def test_the_order_of_the_rows_does_not_matter():
    X, Y = normal(300), normal(200, seed=1)
    found = maximum_mean_discrepancy(X[::-1], Y[::-1], chunk_size=64)
    assert_allclose(found, maximum_mean_discrepancy(X, Y), atol=1e-12)


def test_memory_grows_with_the_chunk():
    X, Y = normal(1500), normal(1500, seed=1)
    peaks = []
    for chunk_size in (50, 1500):
        tracemalloc.start()
        maximum_mean_discrepancy(X, Y, chunk_size=chunk_size)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 8 * 50 * 1500 * 6 < 8 * 1500**2 < peaks[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": "linear"}, 'kernel must be "imq" or "rbf", got \'linear\''),
        ({"scales": ()}, "at least one entry"),
        ({"scales": (1.0, 0.0)}, "a scale must be positive"),
        ({"mean_square": -1.0}, "mean_square must be positive"),
        ({"chunk_size": 0}, "chunk_size must be at least 1"),
        ({"Y": np.ones((5, 3))}, "All rows of Y are equal"),
        ({"Y": np.ones((5, 2))}, "same number of columns"),
        ({"X": np.ones((1, 3))}, "at least two rows"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        maximum_mean_discrepancy(**{"X": normal(5), "Y": normal(6)} | arguments)
