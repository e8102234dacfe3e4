import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgw.spaces import edge_lengths, graph_distances, graph_space
from skgw.spaces.node_names import edges_to_training_nodes, new_nodes, node_names


@pytest.fixture
def graph():
    """A ring of named nodes with different lengths."""
    graph = nx.Graph()
    for i in range(6):
        graph.add_edge(f"node {i}", f"node {(i + 1) % 6}", km=1.0 + i)
    return graph


@pytest.fixture
def distances(graph):
    """Distances (b, n) of the nodes of another graph to the nodes of the graph."""
    names = node_names(graph)
    lengths = edge_lengths(graph, "km")
    space = graph_space(lengths, np.random.RandomState(0))

    def distances(other):
        return space.from_new(edges_to_training_nodes(other, names, lengths, "km"))

    return distances


def test_nodes_in_another_order(graph, distances):
    again = nx.Graph()
    again.add_edges_from(list(graph.edges(data=True))[::-1])
    assert list(again.nodes) != list(graph.nodes)
    D = graph_distances(graph, edge_length="km")
    order = [list(graph.nodes).index(node) for node in again.nodes]
    assert_array_equal(distances(again), D[order])
    assert_array_equal(distances(graph), D)


def test_new_nodes_have_the_paths_of_the_larger_graph(graph, distances):
    """Paths between training nodes stay, so the new edges must not be short cuts."""
    larger = graph.copy()
    larger.add_edge("NEW", "node 2", km=4.0)
    larger.add_edge("NEW", "node 4", km=9.0)
    larger.add_edge("farther", "NEW", km=1.0)
    larger.add_edge("farther", "farthest", km=2.0)
    D = graph_distances(larger, edge_length="km")[:, :6]
    assert_array_equal(distances(larger), D[6:])
    alone = larger.edge_subgraph([*larger.edges("NEW"), *larger.edges("farther")])
    rows = dict(zip(new_nodes(alone, node_names(graph)), distances(alone), strict=True))
    assert_allclose([rows[name] for name in ("NEW", "farther", "farthest")], D[6:])


def test_some_training_nodes(graph, distances):
    D = graph_distances(graph, edge_length="km")
    some = nx.Graph()
    some.add_nodes_from(["node 4", "node 1"])
    assert_array_equal(distances(some), D[[4, 1]])


def test_names_of_numpy_are_names_of_python():
    graph = nx.Graph([(np.int64(3), "a"), (np.str_("b"), ("c", 1.5))])
    names = node_names(graph)
    assert names == [3, "a", "b", ("c", 1.5)]
    assert [type(name) for name in names] == [int, str, str, tuple]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.add_edge("node 0", "node 3", km=1.0), "other edges between the training"),
        (lambda g: g.remove_edge("node 0", "node 1"), "other edges between the training"),
        (lambda g: g["node 0"]["node 1"].update(km=7.0), "other edges between the training"),
        (lambda g: g.add_edge("NEW", "node 3", km=-1.0), "finite and non-negative"),
        (lambda g: g.add_edge("NEW", "node 3", km=np.nan), "finite and non-negative"),
        (lambda g: g.add_edge("NEW", "node 3"), "has no attribute 'km'"),
        (lambda g: g.add_node("NEW"), "no edge to the training nodes"),
    ],
)
def test_other_graphs_are_refused(graph, distances, change, message):
    other = graph.copy()
    change(other)
    with pytest.raises(ValueError, match=message):
        distances(other)
