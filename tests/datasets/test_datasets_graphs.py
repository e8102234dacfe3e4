import networkx as nx
import pytest

from skgw.datasets import load_graph

SIZES = {
    "les_miserables": (77, 254),
    "karate": (34, 78),
    "grid": (225, 2 * 15 * 14),
    "balanced_tree": (2**7 - 1, 2**7 - 2),
    "circular_ladder": (100, 150),
}
NAMES = [*SIZES, "stochastic_block"]


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name):
    graph = load_graph(name)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == SIZES[name]


@pytest.mark.parametrize("name", NAMES)
def test_graphs_are_connected_and_numbered(name):
    graph = load_graph(name)
    assert nx.is_connected(graph)
    assert list(graph) == list(range(len(graph)))


def test_original_names_are_kept():
    assert load_graph("grid").nodes[16]["label"] == (1, 1)
    assert load_graph("karate").nodes[0]["club"] == "Mr. Hi"


def test_diameters_are_known():
    assert nx.diameter(load_graph("grid")) == 28
    assert nx.diameter(load_graph("balanced_tree")) == 12
    assert nx.diameter(load_graph("circular_ladder")) == 26


def test_blocks_are_denser_inside():
    graph = load_graph("stochastic_block")
    block = nx.get_node_attributes(graph, "block")
    assert sorted(set(block.values())) == [0, 1, 2, 3]
    inside = sum(block[u] == block[v] for u, v in graph.edges)
    assert len(graph) == 200
    assert inside > 3 * (graph.number_of_edges() - inside)


def test_random_graphs_are_reproducible():
    assert set(load_graph("stochastic_block").edges) == set(load_graph("stochastic_block").edges)


def test_each_call_returns_a_new_graph():
    load_graph("karate").remove_node(0)
    assert len(load_graph("karate")) == 34


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(
        ValueError, match=r"'dolphins'; the names are balanced_tree, .*grid, karate"
    ):
        load_graph("dolphins")
