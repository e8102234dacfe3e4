"""Anchor pairs take away what distances leave free."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch.testing import assert_close

from skgw import GWGenerativeEmbedding
from skgw.embedding import Anchors, Prior
from skgw.embedding.anchors import AnchorPairs, rigidly_moved
from skgw.nn import pairwise_distances as distances_of
from skgw.solvers.initializers import warm_start
from skgw.training.gw_loss import (
    cold_solve,
    cross_term,
    fused_start,
    self_term,
    solve_from,
    uniform_problem,
)

LONG = {
    "max_iter": 100,
    "n_generated": 200,
    "generator__n_init_updates": 100,
}


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plane(n=40):
    return np.random.default_rng(0).normal(size=(n, 2)) * [3, 1] + [2, -1]


def turned(X):
    """A rotation by 90 degrees and a shift."""
    return X @ [[0, 1], [-1, 0]] + [5, 0]


# ------------------------------------------------------------------------------------- the pairs


def pairs_of(x, weight=2.0):
    """Pairs of the first three of the points x, which are the anchors of their own space."""
    return AnchorPairs(distances_of(x, x[:3]), x[:3], weight)


def test_the_cost_is_the_mean_squared_difference_of_distances():
    x, points = seeded(6, 3), seeded(4, 3, seed=1)
    rows, every = torch.tensor([5, 0]), torch.arange(6)
    expected = (distances_of(x[rows], x[:3])[:, None] - distances_of(points, x[:3])).square()
    assert_close(pairs_of(x).cost(rows, points), expected.mean(2))
    assert_close(pairs_of(x).between_rows(rows, rows), pairs_of(x).cost(rows, x[rows]))
    assert_close(pairs_of(x).between_points(x, x), pairs_of(x).between_rows(every, every))


def test_coordinates_are_moved_to_the_points():
    x = seeded(9, 3)
    rotation = torch.linalg.qr(seeded(3, 3, seed=1))[0]
    pairs = AnchorPairs(distances_of(x, x[:4]), x[:4], 1.0)
    assert_close(pairs.place(torch.arange(9), x @ rotation + 3), x, atol=1e-3, rtol=0)


def test_what_the_pairs_leave_free_stays():
    x = seeded(5, 4)
    source = torch.zeros(2, 4)
    source[1, 0] = 1.0
    target = source[:, [1, 0, 2, 3]]
    moved = rigidly_moved(x, source, target)
    assert_close(moved[:, 1], x[:, 0], atol=1e-3, rtol=0)
    assert_close(moved[:, 2:], x[:, 2:], atol=1e-3, rtol=0)


# -------------------------------------------------------------------------------- the fused loss


def fused_value(x, y, weight=2.0):
    pairs = AnchorPairs(distances_of(x, x[:3]), x[:3], weight)
    D, E, M = distances_of(x), distances_of(y), pairs.cost(torch.arange(len(x)), y)
    with torch.no_grad():
        solution = cold_solve(uniform_problem(D, E, M, pairs.alpha), 0.1 * pairs.alpha, tol=1e-5)
    value = cross_term(solution, D, E, 0.1, M, pairs.alpha)
    return value, solution.plan[0], M, pairs


def test_the_loss_is_the_discrepancy_plus_half_the_weighted_cost():
    """The loss has the cross term twice, so that the cost has its weight in the loss."""
    x, y = seeded(7, 2), seeded(8, 2, seed=1)
    value, plan, M, _ = fused_value(x, y)
    D, E = distances_of(x), distances_of(y)
    gw = (
        (D[:, None, :, None] - E[None, :, None, :]).square() * plan[:, :, None, None] * plan
    ).sum()
    entropy = 0.1 * torch.xlogy(plan, plan).sum()
    assert_close(value, gw + (2.0 / 2) * (plan * M).sum() + entropy, atol=1e-4, rtol=0)


def test_the_gradient_is_that_of_the_value():
    x, y = seeded(7, 2), seeded(8, 2, seed=1).requires_grad_()
    value, *_ = fused_value(x, y)
    (gradient,) = torch.autograd.grad(value, y)
    direction = seeded(8, 2, seed=2)
    with torch.no_grad():
        ahead, behind = (fused_value(x, y + h * direction)[0] for h in (1e-2, -1e-2))
    assert_close((gradient * direction).sum(), (ahead - behind) / 2e-2, atol=5e-3, rtol=1e-2)


def test_a_fused_self_term_is_the_cross_term_of_equal_spaces():
    x = seeded(7, 2).requires_grad_()
    pairs = pairs_of(x.detach())
    own = self_term(
        distances_of(x), 0.01, max_iter=50, M=pairs.between_points(x, x), alpha=pairs.alpha
    )
    D, M = distances_of(x.detach()), pairs.between_points(x.detach(), x.detach())
    solution = cold_solve(uniform_problem(D, D, M, pairs.alpha), 0.01 * pairs.alpha, tol=1e-4)
    assert_close(own.detach(), cross_term(solution, D, D, 0.01, M, pairs.alpha), atol=1e-3, rtol=0)
    assert torch.autograd.grad(own, x)[0].abs().sum() > 0


def test_a_fused_start_from_the_solution_stays_there():
    x, y = seeded(7, 2), seeded(8, 2, seed=1)
    _, plan, M, pairs = fused_value(x, y)
    D, E = distances_of(x), distances_of(y)
    weights = D.new_full((1, 7), 1 / 7), E.new_full((1, 8), 1 / 8)
    start = fused_start(warm_start(D[None], plan[None], E[None], *weights), M, pairs.alpha)
    problem = uniform_problem(D, E, M, pairs.alpha)
    assert_close(start.cost, problem.gradient(plan[None]), atol=1e-4, rtol=0)
    solution = solve_from(problem, start, 0.1 * pairs.alpha, max_iter=1)
    assert_close(solution.plan[0], plan, atol=1e-2, rtol=0)


# --------------------------------------------------------------------------------- the estimator


def error_of(estimator, target):
    return np.abs(estimator.embedding_ - target).mean() / target.std()


@pytest.mark.parametrize("prior", ["mixture", Prior(8, n_components=1)])
def test_pairs_determine_the_isometry(quick, prior):
    X = plane()
    target = turned(X)
    anchors = Anchors(np.arange(5), target[:5])
    params = {**LONG, "generator__prior": prior, "max_iter": 400}
    estimator = quick(penalties=anchors, **params).fit(X)
    assert error_of(estimator, target) < 0.35
    without = quick(**params, penalties=None).fit(X)
    assert error_of(without, target) > 0.5


def test_the_weight_is_what_counts_without_the_initialisation(quick):
    X = plane()
    params = {**LONG, "generator__init": "random", "max_iter": 400}
    errors = [
        error_of(
            quick(penalties=Anchors(np.arange(5), turned(X)[:5], weight=w), **params).fit(X),
            turned(X),
        )
        for w in (1e-6, 1.0)
    ]
    assert errors[1] < 0.35 < errors[0] / 2


def test_known_rows_need_not_be_training_rows(quick):
    X = plane(45)
    by_rows = quick(penalties=Anchors(X[40:], turned(X)[40:]), **LONG).fit(X[:40])
    assert error_of(by_rows, turned(X)[:40]) < 0.2


def test_positions_and_rows_are_the_same(quick):
    X = plane()
    params = {
        "penalties__anchors__points": X[:5],
        "penalties": Anchors(),
    }
    by_position = quick(**params, penalties__anchors__rows=[0, 1, 2, 3, 4]).fit(X)
    by_row = quick(**params, penalties__anchors__rows=X[:5]).fit(X)
    assert_allclose(by_position.embedding_, by_row.embedding_, atol=1e-3)


@pytest.mark.parametrize("kind", ["geodesic", "precomputed", "graph", "sparse"])
def test_any_space_has_anchors(quick, inputs, kind):
    params, X, _ = inputs[kind]
    points = np.random.default_rng(0).normal(size=(3, 2))
    anchored = quick(penalties=Anchors([0, 4, 7], points), **params).fit(X)
    assert np.isfinite(anchored.embedding_).all()
    if kind == "precomputed":
        rows = quick(penalties=Anchors(X[[0, 4, 7]], points), **params).fit(X)
        assert_allclose(rows.embedding_, anchored.embedding_, atol=1e-3)


def test_an_adversary_and_anchors(quick):
    X = plane()
    params = {"penalties": Anchors(np.arange(5), X[:5]), "adversary": "mlp", **LONG}
    estimator = quick(**params).fit(X)
    assert error_of(estimator, X) < 0.35
    assert len(estimator.adversary_curve_) > 0


def test_anchors_are_cloned_searched_and_saved(quick, tmp_path):
    X = plane()
    anchors = Anchors(X[:5], turned(X)[:5])
    estimator = quick(penalties=anchors)
    copied = clone(estimator).penalties
    assert copied == anchors
    assert copied is not anchors
    assert copied != Anchors(X[:5], X[:5])
    search = GridSearchCV(estimator, {"penalties__anchors__weight": [0.1, 1.0]}, cv=2).fit(X)
    assert (
        search.best_estimator_.penalties.anchors.weight
        == search.best_params_["penalties__anchors__weight"]
    )
    estimator.fit(X).save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    assert_array_equal(loaded.penalties.points, anchors.points)
    assert_array_equal(loaded.transform(X), estimator.transform(X))


def test_anchors_are_part_of_the_checkpoint(quick, tmp_path):
    X = plane()
    first = quick(penalties=Anchors(X[:5], X[:5]), checkpoint=tmp_path)
    other = quick(penalties=Anchors(X[:5], turned(X)[:5]), checkpoint=tmp_path)
    assert not np.allclose(first.fit(X).embedding_, other.fit(X).embedding_)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        (Anchors(), "needs rows and points"),
        (Anchors([0, 1], np.zeros((3, 2))), "one point with n_components=2 .* of its 2 rows"),
        (Anchors([0, 1], np.zeros((2, 3))), "one point with n_components=2"),
        (Anchors([0, 40], np.zeros((2, 2))), "positions below 40"),
        (Anchors([-1, 0], np.zeros((2, 2))), "positions below 40"),
        (Anchors([0.0, 1.0], np.zeros((2, 2))), "positions below 40"),
        (Anchors(np.zeros((2, 3)), np.zeros((2, 2))), "have 3 columns, and the data have 2"),
        (Anchors([0, 1], np.full((2, 2), np.nan)), "points of the anchors contains NaN"),
        (Anchors([0, 1], np.zeros((2, 2)), weight=0.0), "weight"),
    ],
)
def test_wrong_anchors_are_named(quick, anchors, message):
    with pytest.raises(ValueError, match=message):
        quick(penalties=anchors).fit(plane())


def test_an_isometry_is_all_that_pairs_change(quick):
    X = plane()
    anchored = quick(penalties=Anchors(np.arange(5), turned(X)[:5]), **LONG).fit(X)
    Z = anchored.embedding_
    rotation, _ = orthogonal_procrustes(Z - Z.mean(0), X - X.mean(0))
    assert np.abs((Z - Z.mean(0)) @ rotation - X + X.mean(0)).mean() < 0.2 * X.std()
