import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgw.plotting._edges import edge_list


def test_nodes_of_a_graph_are_rows_in_order():
    graph = nx.Graph()
    graph.add_nodes_from(["c", "a", "b"])
    graph.add_edge("a", "b")
    graph.add_edge("c", "b")
    assert sorted(map(sorted, edge_list(graph, 3).tolist())) == [[0, 2], [1, 2]]


def test_parallel_edges_are_pairs_too():
    graph = nx.MultiGraph([(0, 1), (0, 1)])
    assert edge_list(graph, 2).tolist() == [[0, 1], [0, 1]]


def test_an_adjacency_matrix_gives_each_edge_once():
    adjacency = sparse.csr_array([[0, 1, 0], [1, 1, 2], [0, 2, 0]])
    assert_array_equal(edge_list(adjacency, 3), [[0, 1], [1, 2]])


def test_stored_zeros_are_no_edges():
    adjacency = sparse.coo_array(([0.0, 1.0], ([0, 1], [1, 2])), shape=(3, 3))
    assert_array_equal(edge_list(adjacency, 3), [[1, 2]])


def test_pairs_are_taken_as_they_are():
    assert_array_equal(edge_list([(2, 0), (1, 2)], 3), [[2, 0], [1, 2]])


@pytest.mark.parametrize("graph", [[], nx.empty_graph(3), sparse.csr_array((3, 3))])
def test_no_edges(graph):
    assert edge_list(graph, 3).shape == (0, 2)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.path_graph(4), "graph has 4 nodes, but the embedding has 3 rows"),
        (sparse.csr_array((4, 4)), r"shape \(4, 4\), but the embedding has 3 rows"),
        ([[0, 3]], "rows 0 to 2 of the embedding, got numbers from 0 to 3"),
        ([[-1, 0]], "rows 0 to 2 of the embedding, got numbers from -1 to 0"),
        (
            np.zeros((3, 3), dtype=int),
            r"array of pairs of row numbers; got int64 of shape \(3, 3\)",
        ),
        ([[0.5, 1.0]], "array of pairs"),
    ],
)
def test_bad_input(graph, message):
    with pytest.raises(ValueError, match=message):
        edge_list(graph, 3)
