"""Measures of a matching between two domains, on cases with known values."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skgw import Coupling
from skgw.metrics import (
    foscttm,
    gw_ratio,
    label_transfer_accuracy,
    match_rate,
    permuted_accuracy,
)


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(60, 3))


def test_foscttm_of_a_perfect_alignment_is_zero(points):
    assert foscttm(points, points) == 0


def test_foscttm_of_a_collapse_is_one_half(points):
    assert foscttm(points, np.zeros_like(points)) == 0.5
    assert foscttm(np.ones_like(points), np.ones_like(points)) == 0.5


def test_foscttm_of_a_random_alignment_is_about_one_half(points):
    other = np.random.default_rng(1).permutation(points)
    assert foscttm(points, other) == pytest.approx(0.5, abs=0.05)


def test_foscttm_averages_both_directions():
    X, Y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [3.0], [2.1]])
    # From X: the second and third rows have 2 and 0 points closer than their match, the second
    # ties none: |1 - 3| = 2 against 1 and 1.1. From Y: 3.0 has 2.0 closer, which is 1 of 2 rows.
    assert foscttm(X, Y) == pytest.approx((2 / 6 + 1 / 6) / 2)


def test_foscttm_in_blocks_equals_foscttm_of_all_rows(points):
    from sklearn import config_context

    other = points + 0.5 * np.random.default_rng(2).normal(size=points.shape)
    D = cdist(points, other)
    closer = [(np.diag(A)[:, None] > A).mean() for A in (D, D.T)]
    direct = sum(closer) / 2 * 60 / 59
    with config_context(working_memory=0.002):  # MiB: a few rows at a time
        assert foscttm(points, other) == pytest.approx(direct)


@pytest.mark.parametrize(
    ("other", "message"),
    [(np.zeros((5, 3)), "inconsistent numbers"), (np.zeros((60, 2)), "same number of columns")],
)
def test_foscttm_needs_matches_in_one_space(points, other, message):
    with pytest.raises(ValueError, match=message):
        foscttm(points, other)


def test_foscttm_needs_two_pairs():
    with pytest.raises(ValueError, match="no other rows"):
        foscttm([[0.0]], [[1.0]])


def test_match_rate_counts_matches_among_the_heaviest():
    plan = np.array([[5, 1, 0, 0], [0, 3, 4, 0], [3, 2, 1, 0]]) / 19
    assert match_rate(plan) == pytest.approx(1 / 3)
    assert match_rate(plan, k=2) == pytest.approx(2 / 3)
    assert match_rate(plan, k=3) == 1
    assert match_rate(Coupling(plan), matches=[0, 2, 0]) == 1


def test_match_rate_of_a_plan_without_information_is_chance():
    uniform = np.full((20, 10), 1 / 200)
    for k in (1, 3, 10):
        assert match_rate(uniform, matches=np.arange(20) % 10, k=k) == pytest.approx(k / 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be between 1 and 3"),
        ({"k": 4}, "k must be between 1 and 3"),
        ({"matches": [0, 1]}, "matches must name one of 3 columns for each of 4 rows"),
        ({"matches": [0, 1, 2, 3]}, "matches must name"),
        ({"matches": [0.0, 1.0, 2.0, 2.0]}, "matches must name"),
        ({}, "matches must name"),
    ],
)
def test_match_rate_says_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        match_rate(np.ones((4, 3)), **options)


def test_labels_are_transferred_by_neighbours():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 20)
    centers = np.repeat([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]], 20, axis=0)
    Y = centers + rng.normal(size=(60, 2)) / 3
    X = centers + rng.normal(size=(60, 2)) / 3
    assert label_transfer_accuracy(X, labels, Y, labels) == 1
    wrong = np.where(labels == "a", "b", np.where(labels == "b", "a", "c"))
    assert label_transfer_accuracy(X, wrong, Y, labels) == pytest.approx(1 / 3)


def test_permuted_accuracy_forgives_renamed_classes_only():
    true = np.repeat([0, 1, 2], 10)
    assert permuted_accuracy(true, (true + 1) % 3) == 1
    torn = np.tile([0, 1], 15)  # every class half and half, and one name is missing
    assert permuted_accuracy(true, torn) == pytest.approx(1 / 3)
    assert permuted_accuracy(true, np.zeros(30)) == pytest.approx(1 / 3)


def test_gw_ratio_tells_who_is_to_blame(points):
    D = cdist(points, points)
    true = np.eye(60) / 60
    noisy = points + 0.1 * np.random.default_rng(3).normal(size=points.shape)
    E = cdist(noisy, noisy)
    assert gw_ratio(D, E, true) == 1
    assert gw_ratio(D, E, np.full((60, 60), 1 / 3600)) > 10
    order = np.random.default_rng(4).permutation(60)
    # The rows belong to `order`, where the distances do not say so: the identity is cheaper.
    assert gw_ratio(D, E, true, matches=order) < 0.1


def test_gw_ratio_is_the_quotient_of_the_two_sums():
    rng = np.random.default_rng(5)
    A, B = (cdist(x, x) for x in rng.normal(size=(2, 4, 2)))
    plan = rng.random((4, 4))
    plan /= plan.sum()
    squares = (A[:, None, :, None] - B[None, :, None, :]) ** 2  # (i, j, k, l)
    cost = np.einsum("ijkl,ij,kl->", squares, plan, plan)
    best = np.einsum("ijkl,ij,kl->", squares, np.eye(4) / 4, np.eye(4) / 4)
    assert gw_ratio(A, B, plan) == pytest.approx(cost / best)


def test_gw_ratio_of_isometric_domains(points):
    D = cdist(points, points)
    order = np.random.default_rng(6).permutation(60)
    E = D[np.ix_(order, order)]
    right = np.zeros((60, 60))
    right[order, np.arange(60)] = 1 / 60
    assert gw_ratio(D, E, right, matches=np.argsort(order)) == 1
    assert gw_ratio(D, E, np.eye(60) / 60, matches=np.argsort(order)) == np.inf


def test_gw_ratio_needs_a_plan_of_the_right_shape(points):
    D = cdist(points, points)
    with pytest.raises(ValueError, match="plan has shape"):
        gw_ratio(D, D, np.ones((60, 59)))
    with pytest.raises(ValueError, match="matches must name one of 60 columns"):
        gw_ratio(D, D, np.ones((60, 60)), matches=[0, 1])


def test_permuted_accuracy_needs_labels():
    with pytest.raises(ValueError, match="no labels"):
        permuted_accuracy([], [])
