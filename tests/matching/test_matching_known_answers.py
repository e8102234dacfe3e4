"""Isometric copies are matched exactly, symmetric ones with a warning; anchor pairs decide."""

import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs, make_swiss_roll
from sklearn.metrics import pairwise_distances, roc_auc_score

from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning
from skgw.matching.matching_probability import WARNING_PROBABILITY
from skgw.metrics import foscttm
from skgw.spaces import graph_distances


@pytest.mark.parametrize("metric", ["euclidean", "geodesic", "cityblock", "raw geodesic", "auto"])
def test_an_isometric_copy_is_matched_exactly(copies, quick, metric):
    Y = copies.X[copies.order] if metric == "cityblock" else copies.Y
    matcher = quick(metric=metric).fit(copies.X, Y)
    assert_array_equal(matcher.match(), copies.match)
    assert_array_equal(matcher.match(domain="y"), copies.order)
    # A shift changes the directions of rows, which "auto" compares, too.
    assert matcher.gw_value_ < (5e-3 if metric == "auto" else 1e-3)
    assert matcher.converged_
    assert matcher.margin_ > 1
    assert matcher.matching_probability_ > 0.8
    assert matcher.score(copies.X, Y) > (-0.1 if metric == "auto" else -0.02)


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_saturated_distances_find_more_nodes_of_a_graph_that_lost_edges(quick):
    graph = nx.powerlaw_cluster_graph(150, 3, 0.6, seed=4)
    edges, rng = np.array(graph.edges), np.random.default_rng(4)
    other = graph.edge_subgraph(map(tuple, rng.permutation(edges)[: 3 * len(edges) // 4]))
    kept = sorted(max(nx.connected_components(other), key=len))
    order = rng.permutation(len(kept))
    DX, DY = (graph_distances(nx.to_scipy_sparse_array(g, kept)) for g in (graph, other))
    DY = DY[np.ix_(order, order)]
    matchers = [quick(metric="precomputed", refine=r).fit(DX, DY) for r in (False, True)]
    plain, refined = ((order[m.match()] == np.arange(len(kept))).mean() for m in matchers)
    assert refined > plain + 0.2
    values = [matcher.gw_value_ for matcher in matchers]  # of the distances as they are
    assert values[1] == pytest.approx(values[0], rel=0.5)


def test_refining_keeps_a_copy_in_many_dimensions(quick):
    """Among nearly equal distances a plan at a large epsilon would lose the matches again."""
    X, _ = make_blobs(120, n_features=10, centers=4, random_state=0)
    rng = np.random.default_rng(0)
    order, rotation = rng.permutation(120), np.linalg.qr(rng.normal(size=(10, 10)))[0]
    matcher = quick().fit(X, (X @ rotation)[order])
    assert_array_equal(matcher.match(), np.argsort(order))
    assert matcher.score(X) > -0.02


@pytest.mark.parametrize("given", [{"epsilon": 5e-3}, {"unbalanced": 0.1}, {"mass": 0.9}])
def test_given_regularisation_and_masses_are_not_refined(copies, quick, given):
    plans = [
        np.asarray(quick(refine=refine, **given).fit(copies.X, copies.Y).plan_)
        for refine in (True, False)
    ]
    assert_array_equal(*plans)


def test_distances_are_matched_like_points(copies, quick):
    DX, DY = pairwise_distances(copies.X), pairwise_distances(copies.Y)
    by_points = quick().fit(copies.X, copies.Y)
    by_distances = quick(metric="precomputed").fit(DX, DY)
    mixed = quick(metric=("precomputed", "euclidean")).fit(DX, copies.Y)
    for matcher in (by_distances, mixed):
        assert_allclose(np.asarray(matcher.plan_), np.asarray(by_points.plan_), atol=1e-5)
        assert matcher.score(DX) == pytest.approx(by_points.score(copies.X), abs=1e-4)


def test_graphs_are_matched(quick):
    graph = nx.connected_watts_strogatz_graph(40, 4, 0.4, seed=1)
    order = np.random.default_rng(0).permutation(40)
    relabelled = nx.Graph()
    relabelled.add_nodes_from(order.tolist())
    relabelled.add_edges_from(graph.edges)
    matcher = quick(metric="precomputed", n_init=16).fit(graph, relabelled)
    position = {node: i for i, node in enumerate(relabelled.nodes)}
    assert_array_equal(matcher.match(), [position[node] for node in range(40)])
    D = graph_distances(relabelled)[matcher.match()]
    assert_allclose(matcher.translate(graph), D, atol=0.2)


def test_rows_are_translated_to_where_they_would_be(copies, quick):
    matcher = quick(epsilon=1e-3).fit(copies.X, copies.Y)
    scale = matcher._domains[0].scale
    error = np.linalg.norm(matcher.translate(copies.X) - copies.move(copies.X), axis=1)
    assert np.median(error) < 0.02 * scale
    new = copies.X[:20] + 0.05 * np.random.default_rng(2).normal(size=(20, 3))
    error = np.linalg.norm(matcher.translate(new) - copies.move(new), axis=1)
    assert np.median(error) < 0.3 * scale  # between rows: means of the nearest few
    back = matcher.translate(copies.Y, domain="y")
    assert np.median(np.linalg.norm(back - copies.X[copies.order], axis=1)) < 0.02 * scale


def test_into_distances_rows_are_means_of_rows(copies, quick):
    DX, DY = pairwise_distances(copies.X), pairwise_distances(copies.Y)
    matcher = quick(metric="precomputed", epsilon=1e-3).fit(DX, DY)
    W = np.asarray(matcher.plan_) * len(DX)
    assert_allclose(matcher.translate(DX), W @ DY, rtol=1e-3, atol=1e-3)


def test_new_rows_are_matched_with_new_rows(copies, quick):
    matcher = quick(epsilon=1e-3).fit(copies.X, copies.Y)
    rng = np.random.default_rng(1)
    new = copies.X[:20] + 0.2 * rng.normal(size=(20, 3))
    order = rng.permutation(20)
    found = matcher.match(new, copies.move(new)[order])
    assert (order[found] == np.arange(20)).mean() > 0.8
    found = matcher.match(copies.move(new)[order], new, domain="y")
    assert (found == order).mean() > 0.8


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_the_plan_of_reference_rows_extends_to_all_rows(quick, few_rows):
    X, _ = make_swiss_roll(400, random_state=0)
    order = np.random.default_rng(0).permutation(400)
    whole = quick(metric="euclidean").fit(X, X[order])
    few_rows(100)
    part = quick(metric="euclidean", method="reference").fit(X, X[order])
    assert part.plan_.shape == (400, 400)
    assert len(part._domains[0].rows) == 100
    distance = np.linalg.norm(X - X[order][part.match()], axis=1)
    assert np.median(distance) < 0.3 * np.linalg.norm(X - X.mean(0), axis=1).mean()
    assert_allclose(part.plan_.apply(np.ones(400), axis=1), 1 / 400)
    assert (order[whole.match()] == np.arange(400)).mean() > 0.9
    assert len(part.confidence_) == len(part.matched_mass_) == 400


@pytest.fixture
def ring():
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.column_stack([np.cos(angle), np.sin(angle)])


@pytest.fixture
def square():
    grid = np.linspace(-1, 1, 7)
    return np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)


@pytest.mark.parametrize("shape", ["ring", "square"])
@pytest.mark.parametrize("metric", ["euclidean", "auto"])
def test_symmetric_shapes_are_called_ambiguous(request, quick, shape, metric):
    X = request.getfixturevalue(shape)
    with pytest.warns(AmbiguousMatchingWarning, match="another|ambiguous"):
        matcher = quick(metric=metric, n_init=16).fit(X, X[::-1] @ [[0, 1], [1, 0]])
    assert matcher.margin_ < 0.05


def noisy_ring(rng, n):
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(n, 2))


@pytest.mark.parametrize("sample", [noisy_ring, lambda rng, n: rng.uniform(size=(n, 2))])
@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_samples_of_a_symmetric_shape_are_called_ambiguous(sample, quick):
    """Some other metric may tell their matchings apart by chance, and fits no better."""
    rng = np.random.default_rng(11)
    draws = [(sample(rng, 200), sample(rng, 150)) for _ in range(3)]
    fits = [quick(metric="auto", random_state=1).fit(X, Y) for X, Y in draws]
    assert np.median([fit.matching_probability_ for fit in fits]) < WARNING_PROBABILITY


def test_pairs_decide_between_symmetric_matchings(square, quick):
    order = np.random.default_rng(0).permutation(len(square))
    anchors = np.array([0, 3, 8])  # not on one of its axes
    match = np.argsort(order)
    matcher = quick(n_init=16, epsilon=1e-3).fit(
        square, square[order], pairs=(anchors, match[anchors])
    )
    assert_array_equal(matcher.match(), match)
    assert_array_equal(matcher.match(square), match)  # as new rows, too


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_pairs_hold_against_the_distances(copies, quick):
    wrong = copies.match[[1, 0]]
    with pytest.warns(UserWarning, match="pairs contradict the distances"):
        matcher = quick().fit(copies.X, copies.Y, pairs=([0, 1], wrong))
    assert_array_equal(matcher.match()[:2], wrong)


def test_shared_features_decide(square, quick):
    order = np.random.default_rng(0).permutation(len(square))
    quadrant = (square[:, [0]] > 0) + 2.0 * (square[:, [1]] > 0)
    with pytest.warns(AmbiguousMatchingWarning):
        quick(n_init=16).fit(square, square[order])
    matcher = quick(n_init=16).fit(square, square[order], shared=(quadrant, quadrant[order]))
    assert np.linalg.norm(square[order][matcher.match()] - square, axis=1).max() < 0.5


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_rows_without_counterpart_lose_their_mass(quick):
    rng = np.random.default_rng(0)
    centers = np.array([[0, 0], [6, 0], [0, 11]])
    sizes = [25, 25, 8]
    clusters = [c + rng.normal(size=(n, 2)) for c, n in zip(centers, sizes, strict=True)]
    X = np.concatenate(clusters)
    Y = np.concatenate(clusters[:2]) + 0.01 * rng.normal(size=(50, 2))
    balanced = quick().fit(X, Y)
    assert_allclose(balanced.matched_mass_, 1, atol=1e-3)
    partial = quick(mass=50 / 58).fit(X, Y)
    assert partial.matched_mass_.mean() == pytest.approx(50 / 58, abs=1e-2)
    assert partial.matched_mass_[50:].mean() < 0.2
    unbalanced = quick(unbalanced=0.05).fit(X, Y)
    assert unbalanced.matched_mass_[50:].mean() < 0.7 * unbalanced.matched_mass_[:50].mean()


def test_confidence_tells_right_rows_from_wrong_ones(copies, quick):
    rng = np.random.default_rng(0)
    noise = np.zeros((60, 1))
    noise[:20] = 1.5
    Y = (copies.move(copies.X) + noise * rng.normal(size=(60, 5)))[copies.order]
    matcher = quick(epsilon=2e-3).fit(copies.X, Y)
    right = matcher.match() == copies.match
    assert 0.3 < right.mean() < 0.9
    assert ((matcher.confidence_ >= 0) & (matcher.confidence_ <= 1)).all()
    assert roc_auc_score(right, matcher.confidence_) > 0.7
    right = copies.match[matcher.match(domain="y")] == np.arange(60)
    assert roc_auc_score(right, matcher.confidence_y_) > 0.7


@pytest.mark.parametrize("noise", [0.2, 0.8])
def test_confidence_is_about_the_share_of_rows_that_are_farther_than_the_match(copies, noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [3, 2, 1] + rng.exponential(size=(200, 1)) * [4, 1, 0]
    Y = copies.move(X) + noise * rng.normal(size=(200, 5))
    matcher = GWMatcher(random_state=0).fit(X, Y)
    for confidence, found, true in (
        (matcher.confidence_, matcher.translate(X), Y),
        (matcher.confidence_y_, matcher.translate(Y, domain="y"), X),
    ):
        assert confidence.mean() == pytest.approx(1 - foscttm(found, true), abs=0.08)


def test_auto_matches_an_arc_with_a_line():
    rng = np.random.default_rng(0)
    length = np.sort(rng.beta(1, 2, size=200))
    X = np.column_stack([length, 0.001 * rng.normal(size=200)])
    angle = 5.5 * length
    Y = np.column_stack([np.cos(angle), np.sin(angle)])
    matcher = GWMatcher(n_init=4, random_state=0).fit(X, Y)
    assert np.corrcoef(length, length[matcher.match()])[0, 1] > 0.95
