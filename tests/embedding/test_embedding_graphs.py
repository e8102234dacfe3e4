"""Graphs by the names of their nodes, and nearest-neighbour graphs of scikit-learn."""

import pickle
import tracemalloc

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline

from skgw import GWGenerativeEmbedding
from skgw.exceptions import IgnoredWeightsWarning
from skgw.spaces import graph_distances

PRECOMPUTED = {"metric": "precomputed"}


@pytest.fixture(scope="module")
def named():
    names = {k: f"person {k}" for k in range(34)}
    return nx.relabel_nodes(nx.Graph(nx.karate_club_graph().edges), names)


@pytest.fixture
def again(named):
    """The same graph, read from its edges in another order."""
    graph = nx.Graph()
    graph.add_edges_from(list(named.edges)[::-1])
    assert list(graph.nodes) != list(named.nodes)
    return graph


def test_rows_follow_the_graph_given(quick, named, again):
    estimator = quick(**PRECOMPUTED).set_output(transform="pandas")
    fitted = estimator.fit_transform(named)
    assert list(fitted.index) == list(named.nodes) == list(estimator.node_names_)
    transformed = estimator.transform(again)
    assert list(transformed.index) == list(again.nodes)
    pd.testing.assert_frame_equal(transformed.loc[fitted.index], fitted)
    assert list(fitted.columns) == list(estimator.get_feature_names_out())
    assert estimator.score(again) == pytest.approx(estimator.score(named), rel=1e-9)


def test_new_nodes_by_name(quick, named):
    estimator = quick(**PRECOMPUTED).set_output(transform="pandas").fit(named)
    larger = named.copy()
    larger.add_edges_from([("NEW", "person 0"), ("NEW", "person 33"), ("other", "NEW")])
    D = graph_distances(larger)[34:, :34]
    expected = quick(**PRECOMPUTED).fit(graph_distances(named)).transform(D)
    for graph in (larger, larger.edge_subgraph([*larger.edges("NEW")])):
        Z = estimator.transform(graph)
        assert set(Z.index) == {"NEW", "other"}
        assert_allclose(Z.loc[["NEW", "other"]], expected, atol=1e-6)
    one = nx.Graph([("NEW", "person 0"), ("NEW", "person 33")])
    assert_allclose(estimator.transform(one), expected[:1], atol=1e-6)


def test_names_survive_files(quick, named, again, tmp_path):
    estimator = quick(**PRECOMPUTED).fit(named)
    estimator.save(tmp_path / "model")
    expected = estimator.transform(again)
    for copy in (
        GWGenerativeEmbedding.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(estimator)),
    ):
        assert_array_equal(copy.transform(again), expected)


def test_names_of_the_last_fit_only(quick, named):
    estimator = quick(**PRECOMPUTED).fit(named)
    estimator.fit(graph_distances(named))
    assert not hasattr(estimator, "node_names_")
    with pytest.raises(ValueError, match="fitted to a matrix of distances"):
        estimator.transform(named)


def test_tuples_as_names(quick, graph):
    estimator = quick(**PRECOMPUTED).set_output(transform="pandas")
    assert list(estimator.fit_transform(graph).index) == list(graph.nodes)


def test_a_graph_after_its_matrix(quick, graph):
    """Rows of a matrix have positions only; whole numbers are positions."""
    positions = nx.convert_node_labels_to_integers(graph)
    estimator = quick(**PRECOMPUTED).fit(nx.to_scipy_sparse_array(positions, dtype=float))
    assert_array_equal(estimator.transform(positions), estimator.embedding_)
    new = nx.Graph([(99, 0), (99, 35)])
    edges = sparse.csr_array(([1.0, 1.0], ([0, 0], [0, 35])), shape=(1, 36))
    assert_array_equal(estimator.transform(new), estimator.transform(edges))


def test_one_warning_of_weights_in_each_fit(quick):
    graph = nx.karate_club_graph()
    for estimator in (quick(**PRECOMPUTED), quick(edge_length="hops", **PRECOMPUTED)):
        if estimator.edge_length == "auto":
            with pytest.warns(UserWarning, match="edge_length='weight'") as caught:
                estimator.fit(graph)
            assert [warning.category for warning in caught] == [IgnoredWeightsWarning]
        else:
            estimator.fit(graph)
        estimator.transform(graph)  # without a warning
        estimator.score(graph)


@pytest.mark.parametrize("first", [None, "features"])
def test_a_graph_needs_no_metric(quick, named, again, X, first, tmp_path):
    expected = quick(**PRECOMPUTED).fit(named)
    estimator = quick() if first is None else quick().fit(X)
    estimator.fit(named)
    assert_array_equal(estimator.embedding_, expected.embedding_)
    assert estimator.node_names_ == list(named.nodes)
    estimator.save(tmp_path / "model")
    for copy in (estimator, GWGenerativeEmbedding.load(tmp_path / "model")):
        assert_array_equal(copy.transform(again), expected.transform(again))
        assert copy.score(again) == expected.score(again)
        assert not hasattr(copy, "inverse_transform")
    new = nx.Graph([("NEW", "person 0"), ("NEW", "person 33")])
    assert_array_equal(estimator.transform(new), expected.transform(new))
    assert_array_equal(quick().fit_transform(named), expected.embedding_)


def test_features_after_a_graph(quick, named, X):
    """Nothing of the graph is left; a sparse matrix stays features."""
    expected, estimator = quick().fit(X), quick().fit(named)
    estimator.fit(sparse.csr_array(X))
    assert not hasattr(estimator, "node_names_")
    assert estimator.inverse_transform(estimator.embedding_).shape == X.shape
    assert_allclose(estimator.embedding_, expected.embedding_, atol=1e-2)
    with pytest.raises(ValueError, match="graph: set metric='precomputed'"):
        estimator.transform(named)
    with pytest.raises(ValueError, match=r"metric='euclidean', got 'precomputed'"):
        quick(adversary="mlp").fit(named)


# --------------------------------------------------------------------------- nearest neighbours


def test_neighbors_of_scikit_learn_in_a_pipeline(quick, X):
    model = make_pipeline(KNeighborsTransformer(n_neighbors=6), quick(**PRECOMPUTED))
    Z = model.fit_transform(X)
    assert_array_equal(model.transform(X), Z)
    assert_allclose(model.transform(X[:5]), Z[:5], atol=1e-12)
    assert_allclose(model.transform(X[:5] + 1e-9), Z[:5], atol=1e-5)
    assert model.transform(X + 1.0).shape == Z.shape  # as many new rows as training rows
    neighbors = KNeighborsTransformer(n_neighbors=6).fit_transform(X)
    by_distances = quick(**PRECOMPUTED).fit(graph_distances(neighbors)).embedding_
    assert_allclose(Z, by_distances, atol=1e-5)


def test_folds_of_half_of_the_rows(quick, X):
    model = make_pipeline(KNeighborsTransformer(n_neighbors=15), quick(**PRECOMPUTED))
    assert np.isfinite(cross_val_score(model, X, cv=2, error_score="raise")).all()


def test_sparse_distances_of_all_pairs(quick, D):
    dense, stored = (quick(**PRECOMPUTED).fit(x) for x in (D, sparse.csr_array(D)))
    assert_array_equal(stored.embedding_, dense.embedding_)
    assert_array_equal(stored.transform(sparse.csr_array(D)), stored.embedding_)
    some = stored.transform(sparse.csr_array(D[:3]))
    assert_array_equal(some, stored.transform(D[:3]))
    assert_allclose(some, stored.embedding_[:3], atol=1e-12)


# ------------------------------------------------------------------------------ sparse features


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine", "cityblock"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_features(quick, metric, form):
    X = np.random.default_rng(0).normal(size=(40, 12))
    X[np.random.default_rng(1).uniform(size=X.shape) < 0.6] = 0
    X[:, 0] = 1  # no row is zero, where the cosine is undefined
    D = pairwise_distances(X, metric=metric)
    given = sparse.coo_array(X).asformat(form)
    estimator = quick(metric=metric).fit(given)
    expected = quick(**PRECOMPUTED).fit(D)
    scale = np.abs(expected.embedding_).max()
    assert_allclose(estimator.embedding_, expected.embedding_, atol=1e-3 * scale)
    assert_array_equal(estimator.transform(given), estimator.embedding_)
    assert_allclose(estimator.transform(X[:4]), estimator.embedding_[:4], atol=1e-6 * scale)
    assert estimator.score(given) == pytest.approx(expected.score(D), abs=1e-3)
    assert type(estimator.inverse_transform(estimator.embedding_[:3])) is np.ndarray  # dense


def test_sparse_features_stay_sparse(quick):
    rng, n_columns = np.random.default_rng(0), 2_500_000
    columns, values = rng.integers(n_columns, size=400), rng.uniform(size=400)
    X = sparse.csr_array((values, (np.arange(400) % 40, columns)), shape=(40, n_columns))
    tracemalloc.start()
    estimator = quick().fit(X)
    assert estimator.transform(X[:2]).shape == (2, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * n_columns * 8 / 4  # a quarter of the bytes of the dense rows


def test_a_rectangle_is_no_graph(quick):
    with pytest.raises(ValueError, match=r"square, got shape \(4, 6\).*metric='euclidean'"):
        quick(**PRECOMPUTED).fit(sparse.csr_array(np.ones((4, 6))))
