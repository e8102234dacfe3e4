"""Domains of distances and graphs: the same answers as of features."""

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.neighbors import kneighbors_graph

from skgw import GWCoTrainedAutoencoders
from skgw.spaces import graph_distances

pytestmark = pytest.mark.filterwarnings(
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"  # of models that are hardly trained
)


def distances(X):
    return cdist(X, X)


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


# ------------------------------------------------------------- the same answers as from coordinates


INPUTS = {  # which domains are given by distances
    "features": ("euclidean", "euclidean"),
    "x": ("precomputed", "euclidean"),
    "y": ("euclidean", "precomputed"),
    "both": ("precomputed", "precomputed"),
}


@pytest.fixture(scope="module")
def by_input(copies):
    """A trained estimator for each of `INPUTS`, its input, new rows, and their translation."""
    fitted = {}

    def fit(name):
        if name not in fitted:
            metric, moved = INPUTS[name], copies.move(copies.new)
            x, y = (m == "precomputed" for m in metric)
            model = GWCoTrainedAutoencoders(
                3, metric=metric, hidden_layer_sizes=(32,), max_iter=500, n_init=4, random_state=0
            )
            X, Y = distances(copies.X) if x else copies.X, distances(copies.Y) if y else copies.Y
            fitted[name] = SimpleNamespace(
                model=model.fit(X, Y),
                X=X,
                Y=Y,
                new=cdist(copies.new, copies.X) if x else copies.new,
                moved=cdist(moved, copies.Y) if y else moved,
                images=X[copies.order],
            )
        return fitted[name]

    return fit


@pytest.mark.parametrize("name", ["x", "y", "both"])
def test_distances_give_what_features_give(by_input, copies, name):
    by_features, case = by_input("features"), by_input(name)
    model = case.model
    assert (by_features.model.match() == copies.match).mean() > 0.95
    assert (model.match() == copies.match).mean() > 0.95
    assert (model.match(domain="y") == copies.order).mean() > 0.95
    assert (model.match(case.X) == copies.match).mean() > 0.95
    for method in ("auto", "decoded", "greedy"):
        assert relative(model.translate(case.new, method=method), case.moved) < 0.25
    assert relative(model.translate(case.Y, domain="y"), case.images) < 0.15
    expected = by_features.model.score(copies.new, copies.move(copies.new))
    assert model.score(case.new, case.moved) == pytest.approx(expected, abs=0.1)
    assert model.diagnostics_["cost_ratio"] < 1.1


def test_new_rows_of_distances_are_matched(by_input, copies):
    case = by_input("both")
    order = np.random.default_rng(1).permutation(40)
    found = case.model.match(case.new, case.moved[order])
    assert (order[found] == np.arange(40)).mean() > 0.8
    near = case.X[:20] + 1e-3
    assert (case.model.match(near) == copies.match[:20]).mean() > 0.9


def test_a_greedy_translation_is_a_training_row_of_distances(by_input):
    case = by_input("y")
    found = case.model.translate(case.X, method="greedy")
    assert_array_equal(found, case.Y[case.model.match()])


def test_translations_are_rows_of_their_domain(by_input):
    """Translated distances are distances: not negative, and input of the way back."""
    case = by_input("both")
    there = case.model.translate(case.new)
    assert there.shape == (40, 160)
    assert there.min() >= 0
    assert relative(case.model.translate(there, domain="y"), case.new) < 0.3
    for rows in (case.model.sample(50, random_state=0), there):
        assert (rows.min(1) < 0.5 * np.median(case.X)).mean() > 0.9  # near some training row


def test_the_order_of_the_rows_does_not_matter(by_input, copies):
    case, order = by_input("x"), np.random.default_rng(2).permutation(160)
    model = clone(case.model).fit(case.X[np.ix_(order, order)], case.Y)
    assert (model.match() == copies.match[order]).mean() > 0.95
    assert relative(model.translate(case.new[:, order]), case.moved) < 0.25


def test_units_of_distances_do_not_matter(quick, X, Y):
    D, E = distances(X), distances(Y)
    one = quick(metric="precomputed").fit(D, E)
    for unit in (1e-90, 1e90):
        other = quick(metric="precomputed").fit(unit * D, E)
        assert_allclose(other.embedding_, one.embedding_, atol=1e-3 * one.embedding_.std())
        assert_allclose(other.translate(unit * D), one.translate(D), atol=1e-2 * E.std())


# ------------------------------------------------------------------------------------------- graphs


@pytest.fixture(scope="module")
def nodes():
    """A graph of near points in the plane, and the points in another order."""
    rng = np.random.default_rng(3)
    points = rng.gamma(1.5, size=(150, 2)) * [2, 1]
    edges = kneighbors_graph(points, 10, mode="distance")
    order = rng.permutation(150)
    graph = sparse.csr_array(edges.maximum(edges.T))
    model = GWCoTrainedAutoencoders(
        2,
        metric=("precomputed", "euclidean"),
        edge_length="weight",
        hidden_layer_sizes=(32,),
        max_iter=400,
        n_init=4,
        random_state=0,
    ).fit(graph, points[order])
    D = graph_distances(graph, edge_length="weight")
    return SimpleNamespace(
        graph=graph, Y=points[order], match=np.argsort(order), order=order, model=model, D=D
    )


def test_nodes_are_matched_with_their_coordinates(nodes):
    found = nodes.model.match()
    assert (found == nodes.match).mean() > 0.5  # by chance: 0.007
    between = nodes.D[nodes.order[found], np.arange(150)]
    assert between.mean() < 0.05 * nodes.D.mean()
    assert relative(nodes.model.translate(nodes.graph), nodes.Y[nodes.match]) < 0.1
    assert relative(nodes.model.translate(nodes.Y, domain="y"), nodes.D[nodes.order]) < 0.1
    assert nodes.model.score(nodes.graph, nodes.Y) > -0.1


def test_three_forms_of_the_nodes_of_a_graph(nodes):
    """The graph, rows of distances, and rows of edges; an edge of length zero joins a copy."""
    model = nodes.model
    assert_array_equal(model.transform(nodes.graph), model.embedding_)
    assert_allclose(model.transform(nodes.D), model.embedding_, atol=1e-5)
    edges = sparse.csr_array(([0.0, 0.0], ([0, 1], [7, 9])), shape=(2, 150))
    assert_allclose(model.transform(edges), model.embedding_[[7, 9]], atol=1e-5)
    assert model.match(edges).shape == (2,)
    assert model.score(nodes.graph) == pytest.approx(model.score(nodes.D))


def test_a_networkx_graph(quick, Y):
    graph = nx.random_geometric_graph(40, 0.4, seed=1)
    for u, v in graph.edges:
        graph.edges[u, v]["km"] = 1.0 + (u + v) % 3
    backwards = nx.Graph()
    backwards.add_nodes_from(list(graph)[::-1])
    backwards.add_edges_from(graph.edges(data=True))
    for edge_length in ("hops", "km"):
        model = quick(metric=("precomputed", "euclidean"), edge_length=edge_length).fit(graph, Y)
        D = graph_distances(graph, edge_length=edge_length)
        by_distances = quick(metric=("precomputed", "euclidean")).fit(D, Y)
        assert_allclose(model.embedding_, by_distances.embedding_, atol=1e-6)
        assert_array_equal(model.match(graph), by_distances.match(D))
        assert model.node_names_ == list(range(40))
        assert_allclose(model.transform(backwards), model.embedding_[::-1], atol=1e-6)
        named = model.set_output(transform="pandas").transform(backwards)
        assert list(named.index) == list(range(40))[::-1]
        assert_allclose(model.translate(Y, domain="y"), by_distances.translate(Y, domain="y"))


def test_a_graph_is_saved(nodes, tmp_path):
    nodes.model.save(tmp_path / "model")
    loaded = GWCoTrainedAutoencoders.load(tmp_path / "model")
    edges = sparse.csr_array(([0.5], ([0], [7])), shape=(1, 150))
    assert_array_equal(loaded.translate(edges), nodes.model.translate(edges))
    back = nodes.model.translate(nodes.Y, domain="y")
    assert_array_equal(loaded.translate(nodes.Y, domain="y"), back)
