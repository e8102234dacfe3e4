"""Shortest-path distances of graphs: networkx graphs and sparse adjacency matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

SYMMETRY_TOLERANCE = 1e-4  # relative; float32 distances are asymmetric by rounding


def is_networkx(graph: Any) -> bool:
    """Whether `graph` is a networkx graph, without importing networkx."""
    return hasattr(graph, "nodes") and hasattr(graph, "edges") and hasattr(graph, "is_directed")


def graph_distances(
    graph: Any, *, edge_length: str = "hops", sources: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Shortest-path distances between the nodes of an undirected graph.

    Use it before cross-validation: a fold of a graph is another graph, a fold of its distance
    matrix is not.

    Parameters
    ----------
    graph : networkx graph or sparse matrix of shape (n, n)
        In a sparse matrix, stored entries are edges; an edge needs to be stored one way only.
        Of parallel edges of a networkx graph the shortest counts.
        Rows follow ``list(graph.nodes)`` for a networkx graph.
    edge_length : str
        "hops": each edge has length 1. "weight": the stored entries of a sparse matrix, or the
        edge attribute "weight" of a networkx graph. Any other name is an edge attribute.
    sources : array of int of shape (k,), optional
        Rows to compute; all of them by default.

    Returns
    -------
    array of shape (n, n) or (k, n)
        In units of the edge lengths.

    Raises
    ------
    ValueError
        For a directed or disconnected graph, fewer than two nodes, and edge lengths that are
        missing, negative, not finite, or not the same in both directions.

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
            f"Keep the largest one ({largest} of {len(component)} nodes), or add edges between "
            "them. To cross-validate on a graph, pass its graph_distances: folds of it fall apart."
        )
    indices = None if sources is None else np.asarray(sources)
    return csgraph.dijkstra(lengths, indices=indices)


def edge_lengths(graph: Any, edge_length: str = "hops") -> sparse.csr_array:
    """The graph as a symmetric sparse matrix of edge lengths, (n, n); see `graph_distances`."""
    if is_networkx(graph):
        lengths = _networkx_lengths(graph, edge_length)
    elif sparse.issparse(graph):
        if edge_length not in ("hops", "weight"):
            raise ValueError(
                f"edge_length={edge_length!r} names an edge attribute, but a sparse matrix has "
                "none; use 'hops' or 'weight'."
            )
        lengths = sparse.coo_array(graph, dtype=np.float64, copy=True)
        lengths.sum_duplicates()  # as scipy reads entries that are stored twice
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
    """Edge lengths of a networkx graph, one way."""
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
    """Raise a ValueError if an edge is stored both ways with different lengths."""
    one_way = lengths.tocsr()
    both = one_way * (one_way.T != 0)
    gap = abs(both - both.T)
    if gap.max() > SYMMETRY_TOLERANCE * one_way.max():
        i, j = (int(k[gap.tocoo().data.argmax()]) for k in gap.tocoo().coords)
        raise ValueError(
            f"Edge ({i}, {j}) has length {one_way[i, j]:g} one way and {one_way[j, i]:g} the "
            "other; distances need an undirected graph, for instance graph.minimum(graph.T) where "
            "all edges are stored both ways."
        )


def _shortest_parallel(lengths: sparse.coo_array) -> sparse.csr_array:
    """Both directions of every edge; of parallel edges the shortest, loops left out."""
    rows, columns = lengths.coords
    i, j = np.r_[rows, columns], np.r_[columns, rows]
    length = np.r_[lengths.data, lengths.data]
    order = np.lexsort((length, j, i))
    i, j, length = i[order], j[order], length[order]
    first = np.r_[True, (np.diff(i) != 0) | (np.diff(j) != 0)][: len(i)] & (i != j)
    return sparse.csr_array((length[first], (i[first], j[first])), shape=lengths.shape)
