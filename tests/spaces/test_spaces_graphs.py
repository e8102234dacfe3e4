import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

from skgw.spaces import edge_lengths, graph_distances, is_networkx


@pytest.fixture
def graph():
    """A connected graph with random lengths in the edge attributes "weight" and "km"."""
    graph = nx.connected_watts_strogatz_graph(25, 4, 0.3, seed=0)
    rng = np.random.default_rng(0)
    for _, _, edge in graph.edges(data=True):
        edge["weight"], edge["km"] = rng.exponential(size=2)
    return graph


def floyd_warshall(graph, weight):
    return np.asarray(nx.floyd_warshall_numpy(graph, weight=weight))


# --------------------------------------------------------------------- agreement with networkx


@pytest.mark.parametrize(
    ("edge_length", "weight"), [("hops", None), ("weight", "weight"), ("km", "km")]
)
def test_shortest_paths(graph, edge_length, weight):
    D = graph_distances(graph, edge_length=edge_length)
    assert_allclose(D, floyd_warshall(graph, weight), atol=1e-12)
    assert D.dtype == np.float64


def test_weights_are_ignored_with_a_warning_by_default(graph):
    hops = graph_distances(graph, edge_length="hops")
    with pytest.warns(UserWarning, match="weights that differ.*edge_length='weight'.*'hops'"):
        assert_array_equal(graph_distances(graph), hops)
    assert not np.allclose(hops, graph_distances(graph, edge_length="weight"))
    nx.set_edge_attributes(graph, 2.0, "weight")  # weights that do not differ say nothing
    assert_array_equal(graph_distances(graph), hops)
    nx.set_edge_attributes(graph, {edge: str(edge) for edge in graph.edges}, "weight")
    assert_array_equal(graph_distances(graph), hops)


def test_stored_entries_are_lengths_by_default(graph):
    matrix = nx.to_scipy_sparse_array(graph, weight="km")
    assert_array_equal(graph_distances(matrix), graph_distances(graph, edge_length="km"))


def test_nearest_neighbours_of_scikit_learn_are_lengths():
    X = np.random.default_rng(0).normal(size=(40, 2))
    neighbors = kneighbors_graph(X, 6, mode="distance")
    assert (neighbors != neighbors.T).nnz  # an edge may have one direction
    expected = graph_distances(neighbors, edge_length="weight")
    assert_array_equal(graph_distances(neighbors), expected)
    with_itself = kneighbors_graph(X, 7, mode="distance", include_self=True)
    assert_array_equal(graph_distances(with_itself), expected)
    hops = graph_distances(kneighbors_graph(X, 7, include_self=True))  # loops of length 1
    assert_array_equal(hops, graph_distances(neighbors, edge_length="hops"))


def test_similarities_are_no_lengths():
    x = np.arange(6.0)[:, None]
    similarities = np.exp(-np.abs(x - x.T))
    with pytest.raises(ValueError, match=r"diagonal that is not zero.*are they similarities"):
        graph_distances(sparse.csr_array(similarities))
    local = sparse.csr_array(similarities * (similarities > 0.05))
    with pytest.warns(UserWarning, match="Turn similarities into distances first; for loops"):
        D = graph_distances(local)
    assert_array_equal(D, graph_distances(local, edge_length="weight"))


def test_rows_follow_the_order_of_the_nodes():
    graph = nx.Graph([("b", "a"), ("a", "c")])
    assert list(graph.nodes) == ["b", "a", "c"]
    assert_array_equal(graph_distances(graph), [[0, 1, 2], [1, 0, 1], [2, 1, 0]])


def test_sources_select_rows(graph):
    D = graph_distances(graph, edge_length="km")
    assert_allclose(graph_distances(graph, edge_length="km", sources=[7, 3]), D[[7, 3]])


def test_the_shortest_parallel_edge_counts():
    graph = nx.MultiGraph()
    graph.add_edge(0, 1, weight=5.0)
    graph.add_edge(0, 1, weight=2.0)
    graph.add_edge(1, 0, weight=3.0)
    graph.add_edge(1, 2, weight=1.0)
    expected = [[0, 2, 3], [2, 0, 1], [3, 1, 0]]
    assert_array_equal(graph_distances(graph, edge_length="weight"), expected)
    hops = graph_distances(graph, edge_length="hops")
    assert_array_equal(hops, [[0, 1, 2], [1, 0, 1], [2, 1, 0]])


def test_loops_do_not_matter(graph):
    expected = graph_distances(graph, edge_length="weight")
    graph.add_edge(3, 3, weight=0.5)
    assert_allclose(graph_distances(graph, edge_length="weight"), expected)
    assert_array_equal(np.diag(graph_distances(graph, edge_length="hops")), 0)


def test_edges_of_length_zero_join_their_ends():
    graph = nx.path_graph(4)
    nx.set_edge_attributes(graph, {(0, 1): 2.0, (1, 2): 0.0, (2, 3): 1.0}, "weight")
    expected = [[0, 2, 2, 3], [2, 0, 0, 1], [2, 0, 0, 1], [3, 1, 1, 0]]
    assert_array_equal(graph_distances(graph, edge_length="weight"), expected)


# --------------------------------------------------------------------------- sparse matrices


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
@pytest.mark.parametrize("edge_length", ["hops", "weight"])
def test_sparse_matrices_stored_in_one_direction_or_both(graph, form, edge_length):
    expected = graph_distances(graph, edge_length=edge_length)
    both = nx.to_scipy_sparse_array(graph, weight="weight")
    for matrix in (both, sparse.triu(both), sparse.tril(both)):
        D = graph_distances(matrix.asformat(form), edge_length=edge_length)
        assert_allclose(D, expected, atol=1e-12)


def test_old_sparse_matrices_and_whole_numbers():
    matrix = sparse.csr_matrix(np.array([[0, 2, 0], [2, 0, 3], [0, 3, 0]]))
    expected = [[0, 2, 5], [2, 0, 3], [5, 3, 0]]
    assert_array_equal(graph_distances(matrix, edge_length="weight"), expected)


def test_explicit_zeros_are_edges():
    matrix = sparse.csr_array(([0.0, 2.0], ([0, 1], [1, 2])), shape=(3, 3))
    assert matrix.nnz == 2
    hops = graph_distances(matrix, edge_length="hops")
    assert_array_equal(hops, [[0, 1, 2], [1, 0, 1], [2, 1, 0]])
    expected = [[0, 0, 2], [0, 0, 2], [2, 2, 0]]
    assert_array_equal(graph_distances(matrix, edge_length="weight"), expected)


def test_two_directions_of_different_length_are_refused():
    matrix = sparse.csr_array(np.array([[0.0, 5.0, 0], [3.0, 0.0, 1.0], [0, 0, 0]]))
    with pytest.raises(ValueError, match=r"Edge \(0, 1\) has length 5 and .* length 3\."):
        graph_distances(matrix, edge_length="weight")
    hops = graph_distances(matrix, edge_length="hops")
    assert_array_equal(hops, [[0, 1, 2], [1, 0, 1], [2, 1, 0]])


def test_entries_stored_twice_add_up_in_every_format():
    matrix = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2))
    for same in (matrix, matrix.tocsr(), matrix.T):
        assert_array_equal(graph_distances(same, edge_length="weight"), [[0, 3], [3, 0]])
    assert_array_equal(matrix.data, [1, 2])


def test_the_matrix_is_not_written_to(graph):
    matrix = nx.to_scipy_sparse_array(graph, weight="weight")
    before = matrix.copy()
    graph_distances(matrix)
    assert (before != matrix).nnz == 0


# ------------------------------------------------------------------------------ edge lengths


def test_edge_lengths_are_symmetric_without_loops():
    graph = nx.Graph()
    graph.add_edge(0, 1, weight=2.0)
    graph.add_edge(1, 1, weight=9.0)
    graph.add_edge(2, 1, weight=0.0)
    lengths = edge_lengths(graph, "weight")
    assert lengths.format == "csr"
    assert lengths.nnz == 4  # two edges in both directions, one of length zero
    assert_array_equal(lengths.toarray(), [[0, 2, 0], [2, 0, 0], [0, 0, 0]])


def test_networkx_graphs_are_recognised():
    for kind in (nx.Graph, nx.DiGraph, nx.MultiGraph):
        assert is_networkx(kind())
    for other in (np.eye(2), sparse.eye_array(2), [[0, 1]], {"nodes": 1}):
        assert not is_networkx(other)


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("graph", "edge_length", "message"),
    [
        (nx.Graph([(0, 1), (2, 3), (3, 4)]), "hops", r"2 connected .*largest one \(3 of 5 nodes\)"),
        (nx.DiGraph([(0, 1)]), "hops", r"undirected graph; pass graph.to_undirected\(\)"),
        (nx.empty_graph(1), "hops", r"has 1 sample\(s\); at least 2"),
        (nx.empty_graph(0), "hops", r"has 0 sample\(s\); at least 2"),
        (nx.Graph([(0, 1, {"km": "far"})]), "km", "km='far', which is no number; a length"),
        (nx.path_graph(3), "weight", r"Edge \(0, 1\) has no attribute 'weight'; set it on every"),
        (sparse.csr_array((3, 3)), "hops", "3 connected components"),
        (sparse.csr_array(np.ones((2, 3))), "hops", r"square, got shape \(2, 3\)"),
        (sparse.csr_array(np.ones((3, 3))), "km", "names an edge attribute, but a sparse matrix"),
        (sparse.csr_array(-np.ones((3, 3))), "weight", "lengths must be non-negative"),
        (sparse.csr_array(np.full((3, 3), np.nan)), "hops", "NaN or infinity; remove"),
        (sparse.csr_array(np.full((3, 3), np.inf)), "weight", "NaN or infinity; remove"),
    ],
)
def test_graphs_without_distances_are_refused(graph, edge_length, message):
    with pytest.raises(ValueError, match=message):
        graph_distances(graph, edge_length=edge_length)


def test_arrays_are_no_graphs():
    with pytest.raises(TypeError, match="networkx graph or a sparse matrix, got ndarray"):
        graph_distances(np.eye(3))
