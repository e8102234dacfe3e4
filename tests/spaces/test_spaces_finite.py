import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

from skgw.spaces import (
    FeatureSpace,
    GeodesicSpace,
    GraphSpace,
    MatrixSpace,
    feature_space,
    geodesic_space,
    graph_distances,
    graph_space,
    matrix_space,
)
from skgw.spaces.node_names import training_nodes

N = 30
RING = sparse.csr_array((np.arange(1.0, N + 1), (np.arange(N), (np.arange(N) + 1) % N)))
RING = sparse.csr_array(RING + RING.T)


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, 3))


@pytest.fixture
def spaces(X):
    """One space of each kind; spaces of graphs have 12 anchors."""
    rng = np.random.RandomState(0)
    return {
        "features": feature_space(X, "cityblock"),
        "matrix": matrix_space(cdist(X, X)),
        "graph": graph_space(RING, rng, max_anchors=12),
        "geodesic": geodesic_space(X, 5, rng, max_anchors=12),
    }


KINDS = ["features", "matrix", "graph", "geodesic"]


def training_input(space):
    """The training rows as input of `from_new`."""
    if isinstance(space, GraphSpace):
        return training_nodes(np.arange(N), N)
    if isinstance(space, MatrixSpace) and not isinstance(space, GeodesicSpace):
        return space.matrix
    return space.points + space.origin


@pytest.mark.parametrize("kind", KINDS)
def test_anchors_and_shapes(spaces, kind):
    space = spaces[kind]
    n_anchors = 12 if kind in ("graph", "geodesic") else N
    assert space.n_rows == N
    assert len(space.anchors) == n_anchors == len(np.unique(space.anchors))
    assert_array_equal(space.anchors, np.sort(space.anchors))
    i, j = np.array([2, 0]), np.array([1, 3, 4])
    assert space.distances(i, j).shape == space.between(i, j).shape == (2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_symmetric_and_zero_on_the_diagonal(spaces, kind):
    space = spaces[kind]
    everything = np.arange(len(space.anchors))
    D = space.between(everything, everything)
    assert_allclose(D, D.T, atol=1e-12)
    assert_allclose(np.diag(D), 0, atol=1e-7)
    assert (D + np.eye(len(D)) > 0).all()
    blocks = space.distances(space.anchors[[4, 1]], np.array([0, 5]))
    assert_allclose(blocks, D[np.ix_([4, 1], [0, 5])], atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_new_points_equal_to_training_rows_have_their_distances(spaces, kind):
    space = spaces[kind]
    expected = space.distances(np.arange(N), np.arange(len(space.anchors)))
    assert_allclose(space.from_new(training_input(space)), expected, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_distances_of_new_points_in_chunks(spaces, kind):
    space = spaces[kind]
    new = training_input(space)
    chunks = list(space.chunks_from_new(new, n_rows=7))
    assert len(chunks) == 5
    assert_allclose(np.concatenate(chunks), space.from_new(new), atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_restriction_keeps_some_anchors(spaces, kind):
    space, j = spaces[kind], np.array([1, 4, 7])
    restricted = space.restrict(j)
    assert type(restricted) is type(space)
    i, everything = np.array([2, 0]), np.arange(3)
    assert_allclose(restricted.between(i, everything), space.between(j[i], j), atol=1e-7)
    new = training_input(space)
    assert_allclose(restricted.from_new(new), space.from_new(new)[:, j], atol=1e-7)


def test_feature_distances_follow_the_metric(X):
    space = feature_space(X, "cityblock")
    assert isinstance(space, FeatureSpace)
    new = X[:2] + 1
    assert_allclose(space.from_new(new), cdist(new, X, "cityblock"))
    called = feature_space(X, lambda x, y: 2 * np.abs(x - y).sum())
    assert_allclose(called.from_new(new), 2 * cdist(new, X, "cityblock"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_distances_far_from_zero_are_not_lost(X, dtype):
    """Inner products of points at 1e7 have errors of about 1e-2 in float64."""
    far = (X + (1e7 if dtype == np.float64 else 1e3)).astype(dtype)
    expected = cdist(far.astype(np.float64), far.astype(np.float64))
    rng, tolerance = np.random.RandomState(0), {"rtol": 1e-3, "atol": 1e-5}
    everything = np.arange(N)
    for space in (feature_space(far, "euclidean"), geodesic_space(far, N - 1, rng)):
        assert_allclose(space.between(everything, everything), expected, **tolerance)
        assert_allclose(space.from_new(far[:4])[:, 5:], expected[:4, 5:], **tolerance)
        assert_allclose(space.restrict(np.array([3, 1])).features(), far[[3, 1]], rtol=1e-6)


def test_a_space_keeps_its_own_points(X):
    rng = np.random.RandomState(0)
    for space in (feature_space(X, "cityblock"), geodesic_space(X, 5, rng)):
        before = space.from_new(X[:2].copy())
        X_new = X[:2].copy()
        X += 1
        assert_array_equal(space.from_new(X_new), before)
        X -= 1


@pytest.mark.parametrize("metric", ["mahalanobis", "seuclidean"])
def test_metrics_with_parameters_are_refused(X, metric):
    with pytest.raises(ValueError, match=f"metric='{metric}' has parameters.*StandardScaler"):
        feature_space(X, metric)


# ------------------------------------------------------------------------------------- graphs


def test_paths_from_new_nodes_start_at_their_neighbours():
    path = sparse.diags_array([np.ones(4), np.ones(4)], offsets=[-1, 1], format="csr")
    space = graph_space(path, np.random.RandomState(0))
    edges = sparse.csr_array(([0.5, 10.0, 3.0], ([0, 0, 1], [0, 4, 2])), shape=(2, 5))
    assert_allclose(space.from_new(edges), [[0.5, 1.5, 2.5, 3.5, 4.5], [5, 4, 3, 4, 5]])


def test_new_nodes_can_be_given_by_distances():
    path = sparse.diags_array([np.ones(4), np.ones(4)], offsets=[-1, 1], format="csr")
    space = graph_space(path, np.random.RandomState(0)).restrict(np.array([0, 3]))
    assert_array_equal(space.from_new(np.arange(10.0).reshape(2, 5)), [[0, 3], [5, 8]])


def test_an_edge_of_length_zero_makes_a_training_node(spaces):
    space = spaces["graph"]
    edges = sparse.csr_array(([0.0, 5.0, 0.0], ([0, 0, 1], [4, 5, 2])), shape=(2, N))
    assert_allclose(space.from_new(edges), space.matrix[[4, 2]])


def test_distances_of_a_graph_space_are_shortest_paths(spaces):
    space = spaces["graph"]
    expected = graph_distances(RING, edge_length="weight")
    assert_allclose(space.matrix, expected[:, space.anchors])


# ---------------------------------------------------------------------------------- geodesics


def test_paths_from_new_points_start_at_their_nearest_neighbours():
    """Points on a line at unit distances, with two neighbours each."""
    X = np.arange(10.0)[:, None]
    space = geodesic_space(X, 2, np.random.RandomState(0))
    assert_allclose(space.matrix, np.abs(X - X.T))
    assert_allclose(space.from_new(np.array([[2.25]])), np.abs(2.25 - X.T))
    # The neighbours of 12 are 9 and 8.
    assert_allclose(space.from_new(np.array([[12.0]])), 12 - X.T)


def test_n_neighbors_is_limited_by_the_number_of_points(X):
    space = geodesic_space(X[:5], 99, np.random.RandomState(0))
    assert_allclose(space.matrix, cdist(X[:5], X[:5]), atol=1e-12)
    assert_allclose(space.from_new(X[7:9]), cdist(X[7:9], X[:5]), rtol=0.5)


def test_geodesics_keep_the_precision_of_the_points(X):
    space = geodesic_space(X.astype(np.float32), 5, np.random.RandomState(0))
    assert space.matrix.dtype == np.float32
    assert space.from_new(X[:2].astype(np.float32)).dtype == np.float32
