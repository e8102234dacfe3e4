"""Shortest-path distances of networkx graphs and sparse adjacency matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

SYMMETRY_TOLERANCE = 1e-4  # of the largest distance; covers float32 rounding


def is_networkx(graph: Any) -> bool:
    """Whether `graph` is a networkx graph, without importing networkx."""
    return hasattr(graph, "nodes") and hasattr(graph, "edges") and hasattr(graph, "is_directed")


def graph_distances(
    graph: Any, *, edge_length: str = "hops", sources: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Shortest-path distances between the nodes of an undirected graph.

    Compute the distances before cross-validation: a fold of a graph lacks the paths through the
    nodes that are left out, and a fold of the distance matrix keeps them.

    Parameters
    ----------
    graph : networkx graph or sparse matrix of shape (n, n)
        Stored entries of a sparse matrix are edges; an edge may be stored in one direction only.
        Nodes of a networkx graph are in the order of ``list(graph.nodes)``, and the shortest of
        parallel edges counts.
    edge_length : str, default="hops"
        "hops": each edge has length 1. "weight": the stored entries of a sparse matrix, or the
        edge attribute "weight" of a networkx graph. Any other name is an edge attribute of a
        networkx graph.
    sources : array-like of int of shape (k,), default=None
        Nodes to compute distances from. None computes all rows.

    Returns
    -------
    ndarray of shape (n, n) or (k, n)
        Distances in units of the edge lengths.

    Raises
    ------
    TypeError
        If `graph` is neither a networkx graph nor a sparse matrix.
    ValueError
        If the graph is directed, disconnected or has fewer than two nodes, or if edge lengths are
        missing, negative, not finite, or different in the two directions.

    Examples
    --------
    >>> import networkx as nx
    >>> from skgw.spaces import graph_distances
    >>> graph_distances(nx.path_graph(4))[0]
    array([0., 1., 2., 3.])
    """
    lengths = edge_lengths(graph, edge_length)
    n_components, component = csgraph.connected_components(lengths, directed=False)
    if n_components > 1:
        largest = np.bincount(component).max()
        raise ValueError(
            f"The graph has {n_components} connected components, so some distances are infinite. "
            f"Keep the largest one ({largest} of {len(component)} nodes), or add edges between the "
            "components. To cross-validate on a graph, pass its graph_distances."
        )
    indices = None if sources is None else np.asarray(sources)
    return csgraph.dijkstra(lengths, indices=indices)


def edge_lengths(graph: Any, edge_length: str = "hops") -> sparse.csr_array:
    """Symmetric sparse matrix of the edge lengths of a graph, without loops.

    Parameters
    ----------
    graph : networkx graph or sparse matrix of shape (n, n)
        As for `graph_distances`.
    edge_length : str, default="hops"
        As for `graph_distances`.

    Returns
    -------
    csr_array of shape (n, n)
        Edge lengths; an edge of length zero is a stored zero.

    Raises
    ------
    TypeError
        If `graph` is neither a networkx graph nor a sparse matrix.
    ValueError
        If the graph is directed or has fewer than two nodes, or if edge lengths are missing,
        negative, not finite, or different in the two directions.

    Examples
    --------
    >>> import networkx as nx
    >>> edge_lengths(nx.path_graph(3)).toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    if is_networkx(graph):
        lengths = _networkx_lengths(graph, edge_length)
    elif sparse.issparse(graph):
        if edge_length not in ("hops", "weight"):
            raise ValueError(
                f"edge_length={edge_length!r} names an edge attribute, but a sparse matrix has "
                "none; use 'hops' or 'weight'."
            )
        lengths = sparse.coo_array(graph, dtype=np.float64, copy=True)
        lengths.sum_duplicates()  # scipy adds entries that are stored twice
    else:
        raise TypeError(
            f"Expected a networkx graph or a sparse matrix, got {type(graph).__name__}."
        )
    if lengths.shape[0] != lengths.shape[1]:
        raise ValueError(f"A graph's matrix must be square, got shape {lengths.shape}.")
    if lengths.shape[0] < 2:
        raise ValueError(f"The graph has {lengths.shape[0]} sample(s); at least 2 are needed.")
    if not np.isfinite(lengths.data).all():
        raise ValueError("Edge lengths contain NaN or infinity; remove those edges.")
    if edge_length == "hops":
        lengths.data = np.ones_like(lengths.data)
    elif (lengths.data < 0).any():
        raise ValueError("Negative values in data: edge lengths must be non-negative.")
    if sparse.issparse(graph):
        _check_directions(lengths)
    return _shortest_parallel(lengths)


def _networkx_lengths(graph: Any, edge_length: str) -> sparse.coo_array:
    """Edge lengths of a networkx graph, each edge stored in one direction."""
    if graph.is_directed():
        raise ValueError("Distances need an undirected graph; pass graph.to_undirected().")
    position = {node: i for i, node in enumerate(graph.nodes)}
    rows, columns, lengths = [], [], []
    for u, v, attributes in graph.edges(data=True):
        if edge_length != "hops" and edge_length not in attributes:
            raise ValueError(
                f"Edge ({u!r}, {v!r}) has no attribute {edge_length!r}; set it on every edge or "
                "use edge_length='hops'."
            )
        rows.append(position[u])
        columns.append(position[v])
        lengths.append(1.0 if edge_length == "hops" else float(attributes[edge_length]))
    return sparse.coo_array((lengths, (rows, columns)), shape=(len(position), len(position)))


def _check_directions(lengths: sparse.coo_array) -> None:
    """Raise a ValueError if an edge has different lengths in the two directions."""
    directed = lengths.tocsr()
    both = directed * (directed.T != 0)
    gap = abs(both - both.T)
    if gap.max() > SYMMETRY_TOLERANCE * directed.max():
        i, j = (int(k[gap.tocoo().data.argmax()]) for k in gap.tocoo().coords)
        raise ValueError(
            f"Edge ({i}, {j}) has length {directed[i, j]:g} and edge ({j}, {i}) has length "
            f"{directed[j, i]:g}. Distances need an undirected graph, for instance "
            "graph.minimum(graph.T) if every edge is stored in both directions."
        )


def _shortest_parallel(lengths: sparse.coo_array) -> sparse.csr_array:
    """Store every edge in both directions, keep the shortest parallel edge, and drop loops."""
    rows, columns = lengths.coords
    i, j = np.r_[rows, columns], np.r_[columns, rows]
    length = np.r_[lengths.data, lengths.data]
    order = np.lexsort((length, j, i))
    i, j, length = i[order], j[order], length[order]
    first = np.r_[True, (np.diff(i) != 0) | (np.diff(j) != 0)][: len(i)] & (i != j)
    return sparse.csr_array((length[first], (i[first], j[first])), shape=lengths.shape)
