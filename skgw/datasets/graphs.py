"""Small connected graphs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

_BUILDERS: dict[str, Callable[[ModuleType], nx.Graph]] = {
    "les_miserables": lambda nx: nx.les_miserables_graph(),
    "karate": lambda nx: nx.karate_club_graph(),
    "grid": lambda nx: nx.grid_2d_graph(15, 15),
    "stochastic_block": lambda nx: _stochastic_block(nx),
    "balanced_tree": lambda nx: nx.balanced_tree(2, 6),
    "circular_ladder": lambda nx: nx.circular_ladder_graph(50),
}


def load_graph(name: str) -> nx.Graph:
    """Load or build a small connected graph.

    ==================  =====  =====  ========================================================
    name                nodes  edges  description
    ==================  =====  =====  ========================================================
    "les_miserables"       77    254  co-appearances of characters in the novel [1]_
    "karate"               34     78  friendships in a karate club [2]_; node attribute "club"
    "grid"                225    420  15 x 15 square grid
    "stochastic_block"    200  ~1100  four blocks of 50 nodes; node attribute "block"
    "balanced_tree"       127    126  binary tree of height 6
    "circular_ladder"     100    150  two rings of 50 nodes, joined by 50 rungs
    ==================  =====  =====  ========================================================

    An edge of "stochastic_block" has probability 0.2 within a block and 0.01 between blocks.

    Parameters
    ----------
    name : str
        One of the names in the table.

    Returns
    -------
    graph : networkx.Graph
        The nodes are the integers 0 to n - 1 in increasing order. The node attribute "label" is the
        original name. The edge attribute "weight" of "les_miserables" and "karate" counts contacts,
        so that a larger weight is not a larger length.

    Raises
    ------
    ValueError
        If `name` is not in the table.
    ImportError
        If networkx is not installed.

    See Also
    --------
    skgw.spaces.graph_distances : Shortest-path distances of a graph.

    References
    ----------
    .. [1] :cite:t:`knuth1993`.
    .. [2] :cite:t:`zachary1977`.

    Examples
    --------
    >>> from skgw.datasets import load_graph
    >>> graph = load_graph("les_miserables")
    >>> graph.number_of_nodes(), graph.number_of_edges()
    (77, 254)
    >>> graph.nodes[0]["label"]
    'Napoleon'
    """
    if name not in _BUILDERS:
        raise ValueError(f"Unknown graph {name!r}; the names are {', '.join(sorted(_BUILDERS))}.")
    import networkx as nx

    return nx.convert_node_labels_to_integers(_BUILDERS[name](nx), label_attribute="label")


def _stochastic_block(nx: ModuleType) -> nx.Graph:
    within, between = 0.2, 0.01
    probabilities = [[within if i == j else between for j in range(4)] for i in range(4)]
    return nx.stochastic_block_model([50] * 4, probabilities, seed=0)
