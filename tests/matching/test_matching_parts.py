"""The parts of an alignment by themselves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import pairwise_distances

from skgw.matching.candidate_metrics import CANDIDATES, candidate_space
from skgw.matching.confidence import confidence, distances_of_means
from skgw.matching.metric_selection import Trial, decide, explained, score, try_distances
from skgw.matching.out_of_sample import extend_reference_plan
from skgw.matching.reference import choose_epsilon
from skgw.matching.side_information import read_side_information
from skgw.matching.training_domain import root_mean_square
from skgw.solvers import solve_gromov


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 3)) * [3, 2, 1] + rng.exponential(size=(50, 1)) * [2, 1, 0]


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_of_training_rows_are_the_same_as_new_rows(X, name, dtype):
    X = X.astype(dtype)
    space = candidate_space(X, name, np.random.RandomState(0))
    every = np.arange(50)
    D = space.between(every, every)
    assert_allclose(space.from_new(X), D, atol=2e-3 * D.max())
    some = space.restrict(every[10:30])
    assert_allclose(some.from_new(X), D[:, 10:30], atol=2e-3 * D.max())


@pytest.mark.parametrize(
    ("prepared", "change"),
    [
        ("standard", lambda X: X * [5, 0.1, 2] + 3),
        ("sphere", lambda X: X * np.linspace(1, 2, 50)[:, None]),
    ],
)
def test_preparations_are_invariant(X, prepared, change):
    every = np.arange(50)
    for measured in ("euclidean", "geodesic", "hops"):
        D, E = (
            candidate_space(Z, f"{prepared} {measured}", np.random.RandomState(0)).between(
                every, every
            )
            for Z in (X, change(X))
        )
        assert_allclose(D, E, atol=1e-6)


def test_one_number_of_neighbours_is_no_mean(X):
    space = candidate_space(X, "raw hops", np.random.RandomState(0), n_neighbors=4)
    assert [part.n_neighbors for part in space.space.spaces] == [4]


def test_the_extension_reproduces_the_plan(X):
    D, E = (pairwise_distances(Z) for Z in (X, X[:40, :2]))
    D, E = (C / root_mean_square(C) for C in (D, E))
    result = solve_gromov(D, E, reg=5e-3, tol=1e-8, max_iter=500)
    every = np.arange(50), np.arange(40)
    extension, error = extend_reference_plan(
        (D, E), every, result.plan, float(result.reg), result.marginals
    )
    assert error < 1e-5
    assert_allclose(extension.to_y.rows(D) / 50, result.plan, atol=1e-6)
    assert_allclose(extension.to_x.rows(E) / 40, result.plan.T, atol=1e-6)
    assert_allclose(extension.onto(E).rows(D), extension.to_y.rows(D))
    assert_allclose(extension.reversed().onto_reference().rows(E), extension.to_x.rows(E))


def extension_between(D, E, reg):
    """The extended plan between spaces whose points are in the same order."""
    every = np.arange(len(D)), np.arange(len(E))
    plan = solve_gromov(D, E, init=np.eye(len(D)) / len(D), reg=reg, tol=1e-6, max_iter=500).plan
    return extend_reference_plan((D, E), every, plan, reg, (plan.sum(1), plan.sum(0)))[0]


def test_rows_that_others_could_replace_have_a_low_confidence():
    D = pairwise_distances(np.linspace(0, 2, 20)[:, None] ** 2)  # close together at first
    D /= root_mean_square(D)
    scores = confidence(extension_between(D, D, 2e-3), D, D)
    assert scores[:6].max() < 0.5 * scores[-6:].min()
    assert scores.max() <= 1


def test_a_row_whose_distances_disagree_has_a_low_confidence(X):
    moved = X.copy()
    moved[7] += [0, 0, 5]
    D, E = (pairwise_distances(Z) for Z in (X, moved))
    D, E = (C / root_mean_square(C) for C in (D, E))
    scores = confidence(extension_between(D, E, 1e-4), D, E)
    assert scores[7] < 0.3 * np.median(scores)


def test_distances_of_means_are_euclidean(X):
    rng = np.random.default_rng(0)
    W, V = rng.dirichlet(np.ones(50), size=4), rng.dirichlet(np.ones(50), size=3)
    D = distances_of_means(W, V, pairwise_distances(X))
    assert_allclose(D, pairwise_distances(W @ X, V @ X))


def test_the_margin_distinguishes_symmetric_spaces(X):
    D = pairwise_distances(X)
    assert try_distances(D, D, 8, 0).margin > 1
    mirrored = np.concatenate([X, X * [-1, 1, 1]])
    E = pairwise_distances(mirrored)
    assert try_distances(E, E, 16, 0).margin < 0.05


def test_an_isometry_explains_everything_and_the_product_nothing(X):
    D = pairwise_distances(X)
    assert explained(D, D, np.eye(50) / 50) == pytest.approx(1)
    assert explained(D, D, np.full((50, 50), 1 / 2500)) == pytest.approx(0)
    assert explained(0 * D, 0 * D, np.eye(50) / 50) == 1


def test_without_a_margin_the_matching_that_keeps_all_distances_wins(X):
    spaces = [(D, D) for D in (pairwise_distances(X), pairwise_distances(X, metric="cityblock"))]
    right, mirrored = np.eye(50) / 50, np.eye(50)[::-1] / 50
    assert score(Trial(0.0, 0.9, 0.1, right), spaces) == pytest.approx(1)
    assert score(Trial(0.1, 0.9, 0.1, mirrored), spaces) < 0.5
    assert score(Trial(2.0, 0.9, 0.1, right), spaces) == pytest.approx(3)


def test_the_first_decisive_margin_wins():
    assert decide([0.1, 0.2, 0.0], [0.5, 0.7, 0.9], 3.0) == 2
    assert decide([0.1, 4.0, 9.0], [0.5, 4.0, 9.5], 3.0) == 1


def test_epsilon_grows_with_the_misfit_within_bounds():
    values = [choose_epsilon(misfit) for misfit in (0.0, 0.05, 10.0)]
    assert values == [1e-4, pytest.approx(5e-3), 2e-2]


def test_the_cost_of_anchor_pairs(X):
    D = pairwise_distances(X)
    known = read_side_information(([1, 4], [4, 1]), None, (50, 50), 0.25)
    every = np.arange(50)
    M = known.cost(D, D, every, every)
    expected = ((D[:, None, [1, 4]] - D[None][:, :, [4, 1]]) ** 2).mean(2)
    others = np.delete(every, [1, 4])
    assert_allclose(M[np.ix_(others, others)], expected[np.ix_(others, others)], atol=1e-9)
    assert (M[1].argmin(), M[4].argmin()) == (4, 1)
    plan = np.full((50, 50), 1 / 2500)
    acting = known.extend(plan, every, every)
    assert acting.sum() == pytest.approx(0.25 + 0.75 / 2)
    assert_array_equal(np.argwhere(acting > 0.1), [[1, 4], [4, 1]])


def test_no_side_information_has_no_cost(X):
    D = pairwise_distances(X)
    known = read_side_information(None, None, (50, 50), 0.5)
    assert known.cost(D, D, np.arange(50), np.arange(50)) is None
    assert known.weight is None
