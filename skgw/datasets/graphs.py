"""Small connected graphs by name."""

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
    name                nodes  edges  what
    ==================  =====  =====  ========================================================
    "les_miserables"       77    254  characters of the novel that appear together [1]_
    "karate"               34     78  members of a club that split [2]_; node attribute "club"
    "grid"                225    420  15 x 15 square grid
    "stochastic_block"    200  ~1100  four blocks of 50, densities .2 and .01; attribute "block"
    "balanced_tree"       127    126  binary tree of height 6
    "circular_ladder"     100    150  two rings of 50, rung by rung
    ==================  =====  =====  ========================================================

    Parameters
    ----------
    name : str
        One of the names above.

    Returns
    -------
    graph : networkx.Graph
        Nodes are 0, ..., n - 1 in order; the original name of each is its attribute "label".
        Edge weights, where there are any, count contacts: they are no lengths.

    Raises
    ------
    ValueError
        If the name is not known.

    References
    ----------
    .. [1] D. Knuth, "The Stanford GraphBase", ACM Press, 1993.
    .. [2] W. Zachary, "An information flow model for conflict and fission in small groups",
       Journal of Anthropological Research, 1977.

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
