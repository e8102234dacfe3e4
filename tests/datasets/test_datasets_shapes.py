"""Planar data sets: exact moments, supports and shares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgw.datasets import make_far_mode, make_grid, make_parallel_lines, make_support
from skgw.datasets.shapes import SUPPORTS
from skgw.metrics import mode_coverage, wasserstein_distance


def test_a_grid_has_all_modes():
    X, labels, centers = make_grid(20_000, random_state=0)
    coverage = mode_coverage(X, centers, 0.05)
    assert coverage.covered == len(centers) == 25
    assert coverage.within == pytest.approx(coverage.ceiling, abs=0.005)
    assert np.abs(X - centers[labels]).max() < 0.05 * 6
    assert sorted({*np.diff(np.unique(centers[:, 0]))}) == [2.0]
    assert_allclose(centers.mean(0), 0)


@pytest.mark.parametrize("theta", [0.0, 0.3, -2.0])
def test_the_distance_of_parallel_lines(theta):
    X, Y = make_parallel_lines(500, theta=theta, random_state=0)
    assert_array_equal(Y[:, 0], theta)
    assert wasserstein_distance(X, Y, p=1) == pytest.approx(abs(theta), abs=0.05)


@pytest.mark.parametrize("kind", SUPPORTS)
def test_supports(kind):
    X = make_support(20_000, kind=kind, random_state=0)
    if kind == "two-discs":
        assert (X[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.02)
        X = X - np.column_stack([2 * np.sign(X[:, 0]), np.zeros(len(X))])
    radius = np.linalg.norm(X, axis=1)
    inner = 0.5 if kind == "horseshoe" else 0.0
    assert inner <= radius.min() <= radius.max() <= 1
    assert (radius**2).mean() == pytest.approx((1 + inner**2) / 2, abs=0.01)  # uniform
    empty = (X > 0)[:, 0] & (X < 0)[:, 1]
    assert empty.any() == (kind != "horseshoe")


def test_a_far_mode_has_its_share():
    X, labels = make_far_mode(20_000, share=0.02, distance=30.0, random_state=0)
    assert labels.mean() == pytest.approx(0.02, abs=0.004)
    assert X[labels == 1, 0].mean() == pytest.approx(30, abs=0.3)
    assert_allclose(X[labels == 0].std(0), 1, atol=0.03)


def test_seeds_repeat():
    for make in (make_grid, make_parallel_lines, make_far_mode):
        assert_array_equal(make(10, random_state=3)[0], make(10, random_state=3)[0])
    assert_array_equal(make_support(10, random_state=3), make_support(10, random_state=3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: make_grid(0),
        lambda: make_grid(n_side=0),
        lambda: make_grid(sigma=-1),
        lambda: make_far_mode(distance=0),
        lambda: make_far_mode(share=2),
        lambda: make_support(kind="cube"),
        lambda: make_parallel_lines(0),
    ],
)
def test_wrong_arguments_are_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()
