import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial.distance import cdist
from sklearn.manifold import Isomap
from sklearn.metrics import pairwise_distances

from skgw.datasets import load_graph
from skgw.spaces import (
    feature_space,
    geodesic_space,
    graph_distances,
    make_space,
    matrix_space,
)
from skgw.spaces.build import (
    SPARSE_METRICS,
    check_distances,
    choose_anchors,
    connected_neighbors,
)


@pytest.fixture
def rng():
    return np.random.RandomState(0)


def dense(graph):
    """Edge lengths in both directions, infinite without an edge."""
    out = np.full(graph.shape, np.inf)
    edges = graph.tocoo()
    i, j = edges.coords
    out[i, j] = out[j, i] = edges.data
    return out


# ----------------------------------------------------------------- nearest-neighbour graphs


@pytest.mark.parametrize("d", [3, 20])
def test_geodesics_equal_the_distances_of_isomap(rng, d):
    X = rng.normal(size=(60, d))
    expected = Isomap(n_neighbors=6).fit(X).dist_matrix_
    space = geodesic_space(X, 6, np.random.RandomState(0))
    assert_allclose(space.matrix, expected, rtol=1e-10)


def test_a_connected_graph_gets_no_further_edges(rng):
    X = rng.uniform(size=(40, 2))
    graph = connected_neighbors(X, 8)
    D = cdist(X, X)
    nearest = np.argsort(D, axis=1)[:, 1:9]
    linked = np.zeros((40, 40), dtype=bool)
    np.put_along_axis(linked, nearest, True, axis=1)
    lengths = dense(graph)
    assert_array_equal(np.isfinite(lengths), linked | linked.T)
    assert_allclose(lengths[linked], D[linked])


def test_separate_clusters_are_joined_by_the_edges_of_the_spanning_tree(rng):
    """Each gap between three clusters in a row is bridged once, by its shortest edge."""
    centers = np.array([[0.0, 0.0], [100.0, 0.0], [250.0, 0.0]])
    cluster = np.repeat(np.arange(3), 10)
    X = rng.normal(size=(30, 2)) + centers[cluster]
    lengths = dense(connected_neighbors(X, 4))
    D = cdist(X, X)
    for a, b, n_edges in ((0, 1, 1), (1, 2, 1), (0, 2, 0)):
        bridges = lengths[cluster == a][:, cluster == b]
        assert np.isfinite(bridges).sum() == n_edges
        if n_edges:
            assert bridges.min() == pytest.approx(D[cluster == a][:, cluster == b].min())
    tree = csgraph.minimum_spanning_tree(D)
    within = csgraph.minimum_spanning_tree(np.where(np.isfinite(lengths), lengths, 0))
    assert within.sum() == pytest.approx(tree.sum())


def test_many_clusters_and_pairs_are_connected(rng):
    X = 1000 * np.arange(20)[:, None] + rng.normal(size=(20, 1))
    X = np.sort(np.r_[X, X + 1], axis=0)  # pairs of mutual neighbours
    graph = connected_neighbors(X, 1)
    n_components, _ = csgraph.connected_components(graph, directed=False)
    assert n_components == 1
    D = csgraph.dijkstra(graph, directed=False)
    assert_allclose(D, np.abs(X - X.T), rtol=1e-9)


def test_duplicates_are_joined_at_length_zero():
    X = np.repeat([[0.0, 0.0], [3.0, 4.0]], 5, axis=0)
    space = geodesic_space(X, 2, np.random.RandomState(0))
    assert_allclose(space.matrix, cdist(X, X), atol=1e-12)


# ------------------------------------------------------------------------------------ anchors


def test_anchors_are_all_rows_up_to_a_limit(rng):
    assert_array_equal(choose_anchors(7, rng), np.arange(7))
    anchors = choose_anchors(50, rng, 5)
    assert len(np.unique(anchors)) == 5
    assert_array_equal(anchors, np.sort(anchors))
    assert not np.array_equal(anchors, choose_anchors(50, rng, 5))


# ---------------------------------------------------------------------------------- distances


@pytest.mark.parametrize(
    ("D", "message"),
    [
        (np.ones((2, 3)), r"square matrix, got shape \(2, 3\).*features choose a metric"),
        (np.ones((2, 2)), "zero on the diagonal. Similarities or kernels"),
        (np.array([[0.0, 1.0], [1.1, 0.0]]), r"symmetric; take \(D \+ D.T\) / 2"),
    ],
)
def test_matrices_must_be_distances(D, message):
    with pytest.raises(ValueError, match=message):
        matrix_space(D)


def test_rounding_of_float32_is_accepted(rng):
    X = rng.normal(size=(30, 5)).astype(np.float32)
    D = np.sqrt(np.maximum(((X[:, None] - X) ** 2).sum(2), 0)).astype(np.float32)
    D += 1e-6 * D.max() * rng.uniform(size=D.shape).astype(np.float32)
    assert matrix_space(D).n_rows == 30


def test_all_distances_zero_are_accepted():
    assert matrix_space(np.zeros((3, 3))).n_rows == 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["karate", "grid", "balanced_tree", "les_miserables"])
def test_adjacency_matrices_are_odd_distances(rng, name, weighted):
    A = nx.to_numpy_array(load_graph(name), weight=None)
    if weighted:
        weights = rng.uniform(0.5, 2, size=A.shape)
        A *= weights + weights.T
    with pytest.warns(UserWarning, match=r"adjacency matrix.*sparse\.csr_array"):
        assert matrix_space(A).n_rows == len(A)
    assert matrix_space(graph_distances(sparse.csr_array(A))).n_rows == len(A)


def test_duplicates_are_no_adjacency_matrix(rng):
    X = np.repeat(rng.normal(size=(4, 2)), 20, axis=0)
    noisy = cdist(X, X).round(2)
    assert matrix_space(noisy).n_rows == 80


def test_ratings_with_some_zeros_are_distances(rng):
    """People rate some pairs of different objects as equal."""
    D = cdist(*[rng.normal(size=(50, 3))] * 2).round(1)
    for i in range(0, 20, 2):
        D[i, i + 1] = D[i + 1, i] = 0
    assert matrix_space(D).n_rows == 50


def test_rows_of_distances_may_be_sparse(rng):
    X = rng.normal(size=(6, 2))
    D = cdist(X, np.r_[X, X[:1]])  # rows 0 and 6 are equal
    space = matrix_space(cdist(*[np.r_[X, X[:1]]] * 2))
    assert_array_equal(space.from_new(sparse.csr_array(D)), D)
    some = D[:2].copy()
    some[1, 3] = 0  # not stored, although the points differ
    with pytest.raises(ValueError, match="new rows are distances to all training rows"):
        space.from_new(sparse.csr_array(some))


@pytest.mark.parametrize("metric", SPARSE_METRICS)
def test_sparse_features_stay_sparse(rng, metric):
    X = rng.normal(size=(30, 8)) * (rng.uniform(size=(30, 8)) < 0.4) + np.eye(30, 8)
    X[:, 0] += 1  # no row is zero, where the cosine is undefined
    space = feature_space(sparse.csr_array(X), metric)
    assert sparse.issparse(space.points)
    expected = pairwise_distances(X, metric=metric)
    every = np.arange(30)
    assert_allclose(space.between(every, every), expected, atol=1e-7)
    assert_allclose(space.from_new(sparse.csr_array(X[:4])), expected[:4], atol=1e-7)
    assert_allclose(space.from_new(X[:4]), expected[:4], atol=1e-7)
    part = space.restrict(np.array([3, 1]))
    assert_array_equal(part.features().toarray(), X[[3, 1]])


def test_sparse_matrices_of_all_distances_are_taken_as_they_are(rng):
    D = cdist(*[rng.normal(size=(9, 2))] * 2)
    D[0, 1] = D[1, 0] = 9.0  # longer than any path
    space = make_space(sparse.csr_array(D), metric="precomputed", n_neighbors=2, rng=rng)
    assert_array_equal(space.matrix, D)
    assert_array_equal(graph_distances(sparse.csr_array(D)), D)
    assert_array_equal(graph_distances(sparse.csr_array(D), sources=[2]), D[[2]])
    assert graph_distances(sparse.csr_array(D), edge_length="weight")[0, 1] < 9


def test_distances_of_duplicates_need_not_be_stored(rng):
    X = rng.normal(size=(9, 2))
    D = cdist(*[np.r_[X, X[:2]]] * 2)
    matrix = sparse.csr_array(D)
    assert matrix.nnz < D.size - len(D)
    assert_array_equal(graph_distances(matrix), D)


def test_rounding_on_the_diagonal_is_no_error():
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32) + 3
    squares = (x * x).sum(1)
    D = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    assert D.diagonal().max() > 1e-4 * D.max()  # by inner products, as torch.cdist computes
    check_distances((D + D.T) / 2)
