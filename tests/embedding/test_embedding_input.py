"""Inputs that can be fitted, and error messages for inputs that cannot."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import pairwise_distances

from skgw.spaces import graph_distances

# ------------------------------------------------------------------------------ valid inputs


@pytest.mark.parametrize("n_components", [1, 5])
def test_any_dimension_of_the_embedding(quick, X, n_components):
    estimator = quick(n_components=n_components).fit(X)
    assert estimator.transform(X[:4]).shape == (4, n_components)
    assert estimator.sample(3, random_state=0).shape == (3, n_components)
    assert list(estimator.get_feature_names_out()) == [
        f"gwgenerativeembedding{i}" for i in range(n_components)
    ]


def test_distances_do_as_well_as_the_features(quick, X, D):
    by_features, by_distances = quick().fit(X), quick(metric="precomputed").fit(D)
    scale = np.abs(by_features.embedding_).max()
    assert_allclose(by_distances.embedding_, by_features.embedding_, atol=1e-4 * scale)


def test_a_metric_by_name_or_function(quick, X):
    named = quick(metric="cityblock").fit(X)
    called = quick(metric=lambda x, y: np.abs(x - y).sum()).fit(X)
    given = quick(metric="precomputed").fit(pairwise_distances(X, metric="cityblock"))
    scale = np.abs(named.embedding_).max()
    assert_allclose(called.embedding_, named.embedding_, atol=1e-4 * scale)
    assert_allclose(given.embedding_, named.embedding_, atol=1e-4 * scale)
    assert not np.allclose(quick().fit(X).embedding_, named.embedding_, atol=1e-2 * scale)


def test_a_graph_is_its_shortest_paths(quick, graph, inputs):
    """However it is stored."""
    by_distances = quick(metric="precomputed").fit(graph_distances(graph))
    for kind in ("graph", "sparse", "sparse one way"):
        params, X, new = inputs[kind]
        estimator = quick(**params).fit(X)
        assert_allclose(estimator.embedding_, by_distances.embedding_, atol=1e-4)
        to_training = np.minimum(*graph_distances(graph, sources=[0, 1])) + 1
        Z = by_distances.transform([to_training, 1 + graph_distances(graph, sources=[35])[0]])
        assert_allclose(estimator.transform(new), Z, atol=1e-4)
        assert_allclose(estimator.transform(graph_distances(graph)), by_distances.embedding_)


def test_lengths_of_edges(quick, inputs):
    params, graph, new = inputs["weights"]
    D = graph_distances(graph, edge_length="km")
    expected = quick(metric="precomputed").fit(D).embedding_
    assert_allclose(quick(**params).fit(graph).embedding_, expected, atol=1e-3)
    matrix = nx.to_scipy_sparse_array(graph, weight="km", dtype=float)
    by_weight = quick(metric="precomputed").fit(matrix)
    assert_allclose(by_weight.embedding_, expected, atol=1e-3)
    hops = quick(metric="precomputed", edge_length="hops").fit(matrix)
    assert not np.allclose(hops.embedding_, expected, atol=0.1)
    assert_allclose(hops.transform(5 * new), hops.transform(new))  # edges of any length are hops
    assert not np.allclose(by_weight.transform(5 * new), by_weight.transform(new))


def test_duplicates_share_a_place(quick, X):
    estimator = quick().fit(np.r_[X, X[:10]])
    assert_allclose(estimator.embedding_[:10], estimator.embedding_[40:], atol=1e-9)


def test_more_duplicates_than_neighbours(quick, X):
    """A nearest-neighbour graph of duplicates has edges of length zero."""
    estimator = quick(metric="geodesic", n_neighbors=3).fit(np.r_[X, np.tile(X[:1], (8, 1))])
    assert_allclose(estimator.embedding_[40:], estimator.embedding_[:1].repeat(8, 0), atol=1e-9)


def test_constant_columns_change_nothing(quick, X):
    Z = quick().fit(X).embedding_
    with_constant = quick().fit(np.c_[X, np.full(40, 9.0)]).embedding_
    assert_allclose(with_constant, Z, atol=1e-4 * np.abs(Z).max())


@pytest.mark.parametrize("metric", ["euclidean", "geodesic", "precomputed"])
def test_all_points_equal(quick, metric):
    X = np.zeros((20, 20)) if metric == "precomputed" else np.full((20, 3), 7.0)
    estimator = quick(metric=metric).fit(X)
    assert np.isfinite(estimator.embedding_).all()
    assert np.ptp(estimator.embedding_, axis=0).max() < 1e-9
    assert_array_equal(estimator.transform(X), estimator.embedding_)


def test_two_samples(quick):
    X = np.array([[0.0, 0.0], [3.0, 4.0]])
    for metric in ("euclidean", "geodesic"):
        estimator = quick(metric=metric).fit(X)
        assert estimator.transform(X).shape == (2, 2)
        assert np.isfinite(estimator.embedding_).all()


@pytest.mark.parametrize("kind", ["features", "geodesic", "precomputed"])
def test_the_input_is_not_written_to(quick, inputs, kind):
    params, X, _ = inputs[kind]
    X = X.copy()
    X.flags.writeable = False
    before = X.copy()
    estimator = quick(**params).fit(X)
    estimator.score(X)
    assert_array_equal(X, before)


def test_a_sparse_graph_is_not_written_to(quick, inputs):
    params, X, new = inputs["sparse"]
    X, new = 3 * X, 3 * new
    before, before_new = X.copy(), new.copy()
    quick(**params).fit(X).transform(new)
    assert (before != X).nnz == 0
    assert (before_new != new).nnz == 0


# ---------------------------------------------------------------------------- invalid inputs


def changed(D, **entries):
    """Distances with some entries changed, given as i_j=value."""
    D = D.copy()
    for position, value in entries.items():
        D[tuple(int(k) for k in position[1:].split("_"))] = value
    return D


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda D: D[:, :-1], r"must be a square matrix, got shape \(40, 39\).*'euclidean'"),
        (lambda D: changed(D, _3_3=1.0), "zero on the diagonal.*turned into distances"),
        (lambda D: changed(D, _3_4=99.0), r"symmetric; take \(D \+ D.T\) / 2"),
        (lambda D: changed(D, _3_4=-1.0, _4_3=-1.0), "Negative values in data"),
        (lambda D: changed(D, _3_4=np.nan, _4_3=np.nan), "contains NaN"),
        (lambda D: changed(D, _3_4=np.inf, _4_3=np.inf), "contains infinity"),
        (lambda D: D[:1, :1], "1 sample"),
    ],
    ids=["rectangle", "diagonal", "asymmetric", "negative", "NaN", "infinite", "one sample"],
)
def test_distances_must_be_distances(quick, D, change, message):
    with pytest.raises(ValueError, match=message):
        quick(metric="precomputed").fit(change(D))


def test_rounding_is_no_asymmetry(quick, D):
    noise = 1e-6 * np.random.default_rng(0).normal(size=D.shape)
    rounded = np.abs(D + noise - np.diag(np.diag(noise)))
    assert not np.array_equal(rounded, rounded.T)
    exact, estimator = (quick(metric="precomputed").fit(x) for x in (D, rounded))
    assert_allclose(estimator.embedding_, exact.embedding_, atol=1e-3 * np.abs(D).max())


@pytest.mark.parametrize(
    ("graph", "params", "message"),
    [
        (nx.Graph([(0, 1), (2, 3)]), {}, "2 connected components.*largest one.*add edges"),
        (nx.DiGraph([(0, 1)]), {}, r"undirected graph; pass graph.to_undirected\(\)"),
        (nx.path_graph(1), {}, "1 sample"),
        (nx.path_graph(3), {"edge_length": "km"}, "no attribute 'km'; set it on every edge"),
        (nx.path_graph(3), {"metric": "cosine"}, "graph: set metric='precomputed'"),
        (sparse.eye_array(4, format="csr"), {}, "4 connected components"),
        (
            sparse.csr_array(np.ones((3, 3))),
            {"edge_length": "km"},
            "sparse matrix has none; use 'auto', 'hops' or 'weight'",
        ),
        (sparse.csr_array(np.ones((3, 4))), {}, r"must be square, got shape \(3, 4\)"),
        (sparse.csr_array(-np.ones((3, 3))), {"edge_length": "weight"}, "Negative values"),
    ],
    ids=[
        "disconnected",
        "directed",
        "one node",
        "no attribute",
        "features wanted",
        "no edges",
        "attribute of a matrix",
        "rectangle",
        "negative",
    ],
)
def test_graphs_must_have_distances(quick, graph, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**{"metric": "precomputed", **params}).fit(graph)


@pytest.mark.parametrize("metric", ["geodesic", "chebyshev", lambda x, y: abs(x - y).sum()])
def test_some_metrics_need_dense_features(quick, metric):
    with pytest.raises(TypeError, match=r"Sparse data was passed.*'euclidean'.*TruncatedSVD"):
        quick(metric=metric).fit(sparse.eye_array(5, format="csr"))


@pytest.mark.parametrize("n", [36, 40])  # 36 = 9 * 8 / 2 numbers are a vector of pdist, too
def test_one_row_of_distances(quick, D, n):
    estimator = quick(metric="precomputed").fit(D[:n, :n])
    row = D[3, :n]
    assert_allclose(estimator.transform(row.reshape(1, -1)), estimator.embedding_[[3]], atol=1e-9)
    with pytest.raises(ValueError, match=r"Reshape your data .* array.reshape\(1, -1\) if"):
        estimator.transform(row)


def test_new_nodes_need_edges(quick, inputs):
    params, graph, new = inputs["graph"]
    estimator = quick(**params).fit(graph)
    with pytest.raises(ValueError, match="no edge to the training nodes; add at least one edge"):
        estimator.transform(sparse.vstack([new, sparse.csr_array((1, 36))], format="csr"))


def test_another_graph_of_the_same_size_is_refused(quick, inputs):
    params, graph, _ = inputs["graph"]
    estimator = quick(**params).fit(graph)
    other = nx.relabel_nodes(nx.path_graph(len(graph)), dict(enumerate(graph.nodes)))
    with pytest.raises(ValueError, match="other edges between the training nodes"):
        estimator.transform(other)
    with pytest.raises(ValueError, match="no edge to the training nodes"):
        estimator.transform(nx.path_graph(len(graph)))  # of other names


def test_a_graph_after_distances_is_refused(quick, inputs, graph):
    estimator = quick(metric="precomputed").fit(graph_distances(graph))
    with pytest.raises(ValueError, match="graph_distances computes distances from a graph"):
        estimator.transform(graph)


@pytest.mark.parametrize("kind", ["features", "precomputed"])
def test_new_rows_of_another_width_are_refused(quick, inputs, kind):
    params, X, new = inputs[kind]
    with pytest.raises(ValueError, match=f"expecting {X.shape[1]} features"):
        quick(**params).fit(X).transform(new[:, 1:])


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_a_metric_must_give_distances(quick, X, bad):
    with pytest.raises(ValueError, match="metric gave distances that are negative, NaN or inf"):
        quick(metric=lambda x, y: bad).fit(X)


def test_an_unknown_metric_is_refused(quick, X):
    with pytest.raises(ValueError, match="metric='euklidisch' gives no distances"):
        quick(metric="euklidisch").fit(X)


def test_an_unknown_device_is_refused(quick, X):
    with pytest.raises(ValueError, match="device='warp' is not supported: use 'auto'"):
        quick(device="warp").fit(X)


def test_a_data_frame_whose_rows_and_columns_have_another_order(quick, D):
    names = [f"city {k}" for k in range(len(D))]
    frame = pd.DataFrame(D, index=names, columns=names)
    expected = quick(metric="precomputed").fit(frame).embedding_
    reordered = frame[names[::-1]]
    for wrong in (reordered, pd.DataFrame(D, index=names[::-1], columns=names)):
        with pytest.raises(ValueError, match=r"another order: pass X\.loc\[X\.columns\]"):
            quick(metric="precomputed").fit(wrong)
    right = quick(metric="precomputed").fit(reordered.loc[reordered.columns])
    assert list(right.feature_names_in_) == names[::-1]
    frame.index = range(len(D))  # a table whose rows have no names
    assert_array_equal(quick(metric="precomputed").fit(frame).embedding_, expected)


def test_returned_rows_are_not_those_of_the_model(quick, X):
    estimator = quick()
    returned = estimator.fit_transform(X)
    expected = returned.copy()
    returned[:] = 0
    assert_array_equal(estimator.embedding_, expected)
