import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator

from skgw.base.validation import estimate_scale, read_points
from skgw.spaces import (
    FeatureSpace,
    GeodesicSpace,
    GraphSpace,
    MatrixSpace,
    feature_space,
    make_space,
    matrix_space,
)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(20, 3))


@pytest.fixture
def read():
    """Read for a fit, or for the same estimator later."""
    estimator = BaseEstimator()

    def read(X, metric="precomputed", edge_length="auto", reset=True, **options):
        return read_points(
            estimator, X, metric=metric, edge_length=edge_length, reset=reset, **options
        )

    read.estimator = estimator
    return read


# --------------------------------------------------------------------------------------- reading


def test_features_are_validated(read, X):
    assert read(X, "euclidean") is X
    assert read.estimator.n_features_in_ == 3
    assert read(X.astype(int), "euclidean").dtype == np.float64
    assert read.estimator._dtype == "float64"
    assert read(X.astype(np.float32), "euclidean").dtype == np.float64
    assert read.estimator._dtype == "float32"  # of the output
    with pytest.raises(ValueError, match="expecting 3 features"):
        read(X[:, 1:], "euclidean", reset=False)
    with pytest.raises(ValueError, match="minimum of 2"):
        read(X[:1], "euclidean")
    assert len(read(X[:1], "euclidean", reset=False)) == 1


def test_graphs_become_edge_lengths(read):
    graph = nx.Graph()
    graph.add_edge(0, 1, km=3.0)
    graph.add_edge(1, 2, km=0.0)
    hops, km = read(graph), read(graph, edge_length="km")
    assert_array_equal(read.estimator.node_names_, [0, 1, 2])
    assert_array_equal(hops.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert km.nnz == 4
    assert_array_equal(km.toarray(), [[0, 3, 0], [3, 0, 0], [0, 0, 0]])
    assert read.estimator.n_features_in_ == 3


def test_sparse_matrices_are_completed_when_square(read):
    matrix = sparse.csr_array(([3, 2], ([0, 1], [1, 2])), shape=(3, 3))
    hops = read(matrix, edge_length="hops")
    assert_array_equal(hops.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    lengths = read(matrix)
    assert_array_equal(lengths.toarray(), [[0, 3, 0], [3, 0, 2], [0, 2, 0]])


def test_rows_of_edges_are_left_rectangular(read):
    path = sparse.diags_array([1.0, 1.0], offsets=1, shape=(3, 3), format="csr")
    read(path)
    rows = sparse.csr_array(([3.0, 2.0], ([0, 1], [1, 2])), shape=(2, 3))
    hops = read(rows, edge_length="hops", reset=False)
    assert_array_equal(hops.toarray(), [[0, 1, 0], [0, 0, 1]])
    assert_array_equal(rows.data, [3, 2])
    for edge_length in ("auto", "weight"):
        kept = read(rows, edge_length=edge_length, reset=False)
        assert_array_equal(kept.toarray(), rows.toarray())
    read(nx.path_graph(3))  # whose edges are hops
    assert_array_equal(read(rows, reset=False).toarray(), hops.toarray())


def test_square_rows_of_edges(read):
    """As many new nodes as training nodes, as in a fold of half of the rows."""
    path = sparse.diags_array([1.0, 1.0], offsets=1, shape=(3, 3), format="csr")
    read(path)
    rows = sparse.csr_array(np.array([[1.0, 2, 0], [0, 1, 0], [0, 0, 5]]))
    assert_array_equal(read(rows, reset=False).toarray(), rows.toarray())
    nodes = read(path, reset=False)
    assert_array_equal(nodes.indices, [0, 1, 2])
    assert_array_equal(nodes.data, 0)
    other = sparse.csr_array(np.array([[0.0, 2, 0], [2, 0, 1], [0, 1, 0]]))
    with pytest.raises(ValueError, match="square graph must be the training graph"):
        read(other, reset=False)


# ----------------------------------------------------------------------------------------- space


def test_input_and_metric_decide_on_the_space(X):
    rng = np.random.RandomState(0)
    ring = sparse.csr_array(nx.to_scipy_sparse_array(nx.cycle_graph(5), dtype=float))
    for data, metric, kind in (
        (X, "cityblock", FeatureSpace),
        (X, lambda x, y: 1.0, FeatureSpace),
        (X, "geodesic", GeodesicSpace),
        (cdist(X, X), "precomputed", MatrixSpace),
        (ring, "precomputed", GraphSpace),
    ):
        space = make_space(data, metric=metric, n_neighbors=4, rng=rng)
        assert type(space) is kind
        assert space.n_rows == data.shape[0]


# ----------------------------------------------------------------------------------------- scale


def test_scale_is_the_root_mean_square_distance(X):
    expected = np.sqrt(np.mean(cdist(X, X) ** 2))
    assert_allclose(
        estimate_scale(feature_space(X, "euclidean"), np.random.RandomState(0)), expected
    )


def test_scale_of_many_points_is_estimated_from_some():
    X = np.random.default_rng(0).normal(size=(2000, 3))
    space, rng = feature_space(X, "euclidean"), np.random.RandomState(0)
    scale = estimate_scale(space, rng, max_anchors=500)
    assert scale == pytest.approx(np.sqrt(6), rel=0.05)
    assert scale != estimate_scale(space, rng, max_anchors=2000)


def test_scale_of_coinciding_points_is_one():
    space = feature_space(np.zeros((5, 2)), "euclidean")
    assert estimate_scale(space, np.random.RandomState(0)) == 1.0


def test_scale_does_not_underflow():
    D = 1e-200 * cdist(np.eye(3), np.eye(3))
    scale = estimate_scale(matrix_space(D), np.random.RandomState(0))
    assert scale == pytest.approx(1e-200 * np.sqrt(4 / 3), rel=1e-6)


def test_a_metric_must_be_symmetric_and_zero_to_oneself(X):
    rng = np.random.RandomState(0)
    one_sided = feature_space(X, lambda x, y: max(x[0] - y[0], 0))
    with pytest.raises(ValueError, match="Distances by the metric must be symmetric"):
        estimate_scale(one_sided, rng)
    with pytest.raises(ValueError, match="Distances by the metric must be zero on the diagonal"):
        estimate_scale(feature_space(X, lambda x, y: float(np.exp(-((x - y) ** 2).sum()))), rng)


def test_scale_does_not_overflow_in_float32():
    X = np.array([[0.0], [1e25]], dtype=np.float32)
    scale = estimate_scale(feature_space(X, "cityblock"), np.random.RandomState(0))
    assert scale == pytest.approx(1e25 / np.sqrt(2), rel=1e-6)
