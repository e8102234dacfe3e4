"""The parts of an alignment by themselves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import pairwise_distances

from skgw.matching.candidate_metrics import CANDIDATES, candidate_space, mean_space
from skgw.matching.confidence import distances_of_means, row_confidence
from skgw.matching.matching_probability import Judgement
from skgw.matching.out_of_sample import extend_reference_plan
from skgw.matching.plan_pool import PoolSettings, pool_plans, solve_distances
from skgw.matching.reference import choose_epsilon
from skgw.matching.side_information import SideInformation, read_side_information
from skgw.matching.training_domain import TrainingDomain, root_mean_square
from skgw.solvers import solve_gromov


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 3)) * [3, 2, 1] + rng.exponential(size=(50, 1)) * [2, 1, 0]


def space_of(X, name):
    if name == "auto":
        return mean_space(X, CANDIDATES, np.random.RandomState(0), 15)
    return candidate_space(X, name, np.random.RandomState(0), 15)


@pytest.mark.parametrize("name", [*CANDIDATES, "auto"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_of_training_rows_are_the_same_as_new_rows(X, name, dtype):
    X = X.astype(dtype)
    space = space_of(X, name)
    every = np.arange(50)
    D = space.between(every, every)
    assert_allclose(space.from_new(X), D, atol=2e-3 * D.max())


@pytest.mark.parametrize("name", CANDIDATES)
def test_some_anchors_of_a_candidate(X, name):
    space, every = space_of(X, name), np.arange(50)
    some = space.restrict(every[10:30])
    D = space.between(every, every[10:30])
    assert_allclose(some.from_new(X), D, atol=1e-6 * D.max())


@pytest.mark.parametrize(
    ("prepared", "change"),
    [
        ("sphere", lambda X: X * np.linspace(1, 2, 50)[:, None]),
        ("centered-sphere", lambda X: 3 * X + [5, 0, -7]),
    ],
)
def test_preparations_are_invariant(X, prepared, change):
    every = np.arange(50)
    for measured in ("euclidean", "geodesic"):
        D, E = (space_of(Z, f"{prepared} {measured}").between(every, every) for Z in (X, change(X)))
        assert_allclose(D, E, atol=1e-6)


def test_the_mean_weighs_all_candidates_alike(X):
    """However large the raw distances are."""
    every = np.arange(50)
    parts = [space_of(X, name).between(every, every) for name in CANDIDATES]
    expected = np.mean([D / root_mean_square(D) for D in parts], axis=0)
    for scale in (1, 1e3):
        assert_allclose(space_of(scale * X, "auto").between(every, every), expected, atol=1e-6)


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
    assert_allclose(extension.onto(E, E).rows(D), extension.to_y.rows(D))
    assert_allclose(extension.reversed().onto_reference().rows(E), extension.to_x.rows(E))


def extension_between(D, E, reg):
    """The extended plan between spaces whose points are in the same order."""
    every = np.arange(len(D)), np.arange(len(E))
    plan = solve_gromov(D, E, init=np.eye(len(D)) / len(D), reg=reg, tol=1e-6, max_iter=500).plan
    return extend_reference_plan((D, E), every, plan, reg, (plan.sum(1), plan.sum(0)))[0]


def confidence_between(D, E, reg):
    return row_confidence(extension_between(D, E, reg), D, (D, E), E**2)


def test_rows_that_others_could_replace_have_a_low_confidence():
    D = pairwise_distances(np.linspace(0, 2, 20)[:, None] ** 2)  # close together at first
    D /= root_mean_square(D)
    doubts = 1 - confidence_between(D, D, 2e-3)
    assert doubts[-6:].max() < 0.5 * doubts[:6].min()


def test_a_row_whose_match_went_elsewhere_has_a_low_confidence(X):
    moved = X.copy()
    moved[7] = X.mean(0)
    D, E = (pairwise_distances(Z) for Z in (X, moved))
    D, E = (C / root_mean_square(C) for C in (D, E))
    doubts = 1 - confidence_between(D, E, 1e-4)
    assert doubts[7] > 5 * np.median(doubts)


def test_confidence_is_a_half_where_nothing_tells_rows_apart():
    D = 1 - np.eye(30)
    assert_allclose(confidence_between(D, D, 1.0), 0.5, atol=0.05)


def test_distances_of_means_are_euclidean(X):
    rng = np.random.default_rng(0)
    W, V = rng.dirichlet(np.ones(50), size=4), rng.dirichlet(np.ones(50), size=3)
    D = distances_of_means(W, V, pairwise_distances(X))
    assert_allclose(D, pairwise_distances(W @ X, V @ X))


def pool_of(X, Y, metric="euclidean", **settings):
    x, y = (TrainingDomain(Z, metric, None, np.random.RandomState(0)) for Z in (X, Y))
    return pool_plans((x, y), SideInformation.none(), 300, 16, 0, PoolSettings(**settings))


@pytest.mark.parametrize("metric", ["euclidean", "auto"])
def test_the_margin_distinguishes_symmetric_spaces(X, metric):
    assert pool_of(X, X, metric).margin > 1
    mirrored = np.concatenate([X, X * [-1, 1, 1]])
    assert pool_of(mirrored, mirrored, metric).margin < 0.05


def test_a_copy_is_explained_and_its_neighbours_are_preserved(X):
    pool = pool_of(X, X)
    assert pool.judgement.explained > 0.99
    assert pool.judgement.preserved_neighbors > 0.9
    assert pool.judgement.other_weight < 1e-2
    assert pool.misfit < 1e-2


def test_unrelated_clouds_leave_other_matchings_open():
    X, Y = np.random.default_rng(0).normal(size=(2, 100, 5))
    pool = pool_of(X, Y, "auto")
    assert pool.margin < 0.2
    assert pool.judgement.other_weight > 0.2
    assert pool.judgement.preserved_neighbors < 0.5


def test_plans_of_one_pair_of_distances(X):
    D = pairwise_distances(X)
    assert (solve_distances(D, D, n_init=4, seed=0).argmax(1) == np.arange(50)).all()


def test_the_probability_grows_with_what_is_explained_and_preserved():
    explained, preserved = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5))
    found = np.vectorize(lambda *shares: Judgement(*shares, 0.0).probability)(explained, preserved)
    assert (np.diff(found, axis=0) > 0).all()
    assert (np.diff(found, axis=1) > 0).all()
    assert found[0, 0] < 0.05
    assert found[-1, -1] > 0.95
    assert Judgement(1.0, 1.0, 1.0).probability == 0
    assert Judgement(1.0, 1.0, 0.9).is_sure
    assert not Judgement(0.4, 0.4, 0.0).is_sure
    assert Judgement(1.0, 1.0, 0.5).probability == pytest.approx(found[-1, -1] / 2)


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
