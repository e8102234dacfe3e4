"""Nodes of networkx graphs by name: the training nodes, and new nodes with edges to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from skgw.spaces.graphs import lengths_of_edges, shortest_edges


def node_names(graph: Any) -> list[Any]:
    """Names of the nodes of a networkx graph, numbers and strings of numpy as those of Python."""
    return [node.item() if isinstance(node, np.generic) else node for node in graph.nodes]


def has_attribute(graph: Any, name: str) -> bool:
    """Whether every edge of a networkx graph has an attribute."""
    return all(name in attributes for _, _, attributes in graph.edges(data=True))


def new_nodes(graph: Any, names: list[Any]) -> list[Any]:
    """The nodes that stand for the rows of a graph: its new nodes, or without any all its nodes.

    Parameters
    ----------
    graph : networkx graph
    names : list
        Names of the training nodes.
    """
    known = set(names)
    return [node for node in graph.nodes if node not in known] or list(graph.nodes)


def training_nodes(positions: NDArray[np.intp], n: int) -> sparse.csr_array:
    """Edges (b, n) of length zero from training nodes to themselves."""
    b = len(positions)
    return sparse.csr_array((np.zeros(b), positions, np.arange(b + 1)), shape=(b, n))


def edges_to_training_nodes(
    graph: Any, names: list[Any], training: sparse.csr_array, edge_length: str
) -> sparse.csr_array:
    """Edges from the nodes of a networkx graph to the training nodes.

    Parameters
    ----------
    graph : networkx graph
        Training nodes and new nodes. Paths between new nodes count.
    names : list
        Names of the n training nodes.
    training : csr array of shape (n, n)
        Edge lengths of the training graph.
    edge_length : str
        "hops", or the name of an edge attribute.

    Returns
    -------
    csr array of shape (b, n)
        A row for each new node or, without new nodes, for each node: in the order of the graph. A
        training node has one edge, of length zero to itself.

    Raises
    ------
    ValueError
        If an edge between training nodes differs from the training graph, or if a graph of all
        training nodes lacks some of its edges.
    """
    position = {name: i for i, name in enumerate(names)}
    nodes = new_nodes(graph, names)
    row = {node: i for i, node in enumerate(nodes) if node not in position}
    outward, inward, between = _sorted_edges(graph, position, row, edge_length)
    known = np.array([position[node] for node in graph.nodes if node in position], dtype=np.intp)
    _check_training_edges(shortest_edges(*inward, (len(names),) * 2), training, known)
    if not row:
        return training_nodes(known, len(names))
    direct = shortest_edges(*outward, (len(nodes), len(names)))
    if not len(between[0]):
        return direct
    return _through_new_nodes(shortest_edges(*between, (len(nodes),) * 2), direct)


Edges = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]


def _sorted_edges(
    graph: Any, position: dict[Any, int], row: dict[Any, int], edge_length: str
) -> tuple[Edges, Edges, Edges]:
    """Edges from new to training nodes, between training nodes, and between new nodes.

    Edges of the last two kinds have both directions.
    """
    outward: list[tuple[int, int, float]] = []
    inward, between = outward[:], outward[:]
    for u, v, length in lengths_of_edges(graph, edge_length):
        if not 0 <= length < np.inf:
            raise ValueError(
                f"Edge ({u!r}, {v!r}) has length {length}; lengths must be finite and non-negative."
            )
        for start, end in ((u, v), (v, u)) if u != v else ():
            if start in row and end in row:
                between.append((row[start], row[end], length))
            elif start in row:
                outward.append((row[start], position[end], length))
            elif end in position:
                inward.append((position[start], position[end], length))
    return _columns(outward), _columns(inward), _columns(between)


def _columns(edges: list[tuple[int, int, float]]) -> Edges:
    i, j, length = zip(*edges, strict=True) if edges else ((), (), ())
    return np.array(i, dtype=np.intp), np.array(j, dtype=np.intp), np.array(length, dtype=float)


def _check_training_edges(
    given: sparse.csr_array, training: sparse.csr_array, known: NDArray[np.intp]
) -> None:
    """Raise a ValueError unless the given edges (n, n) are edges of the training graph.

    Parameters
    ----------
    given, training : csr array of shape (n, n)
    known : array of int
        Positions of the given training nodes; between all of them no edge may be missing.
    """
    keys, training_keys = _keys(given), _keys(training)  # sorted
    at = np.searchsorted(training_keys, keys).clip(max=len(training_keys) - 1)
    same = (training_keys[at] == keys) & (training.data[at] == given.data)
    if not same.all() or (len(known) == training.shape[0] and given.nnz != training.nnz):
        raise ValueError(
            "The graph has other edges between the training nodes than the training graph. A graph "
            "of training nodes must be the training graph, in any order of its nodes; a graph of "
            "new nodes holds their edges, and may leave the edges between training nodes out."
        )


def _keys(edges: sparse.csr_array) -> NDArray[np.int64]:
    """One number for each stored entry, in increasing order."""
    rows = np.repeat(np.arange(edges.shape[0], dtype=np.int64), np.diff(edges.indptr))
    return rows * edges.shape[1] + edges.indices


def _through_new_nodes(between: sparse.csr_array, direct: sparse.csr_array) -> sparse.csr_array:
    """Edges (b, n) of new nodes, and of the new nodes that paths (b, b) lead to."""
    _, group = csgraph.connected_components(between, directed=False)
    parts = [_columns([])]
    for g in np.unique(group):
        nodes = np.flatnonzero(group == g)
        paths = csgraph.dijkstra(between[nodes][:, nodes])
        edges = direct[nodes].tocoo()
        start, at = np.divmod(np.arange(len(nodes) * edges.nnz), max(edges.nnz, 1))
        ends, columns = edges.coords[0][at], edges.coords[1][at]
        parts.append((nodes[start], columns, paths[start, ends] + edges.data[at]))
    i, j, length = (np.concatenate(part) for part in zip(*parts, strict=True))
    return shortest_edges(i, j, length, direct.shape)
