"""Edges of a graph as pairs of row numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Edges = NDArray[np.intp]


def edge_list(graph: Any, n_nodes: int) -> Edges:
    """Convert a graph to pairs of row numbers.

    Parameters
    ----------
    graph : networkx graph, sparse matrix of shape (n, n), or array-like of shape (n_edges, 2)
        The nodes of a networkx graph, in order, are the rows. Stored zeros of an adjacency matrix
        are no edges.
    n_nodes : int
        Number n of rows of the embedding.

    Returns
    -------
    ndarray of shape (n_edges, 2)

    Raises
    ------
    ValueError
        If the graph has another number of nodes, or if pairs are no row numbers.
    """
    if hasattr(graph, "edges") and hasattr(graph, "nodes"):
        edges = _from_networkx(graph, n_nodes)
    elif sparse.issparse(graph):
        edges = _from_adjacency(graph, n_nodes)
    else:
        edges = np.asarray(graph)
        if edges.size == 0:
            edges = np.empty((0, 2), dtype=np.intp)
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise ValueError(
            "graph must be a networkx graph, a sparse adjacency matrix, or an array of pairs of "
            f"row numbers; got {edges.dtype} of shape {edges.shape}."
        )
    if edges.size and not 0 <= edges.min() <= edges.max() < n_nodes:
        raise ValueError(
            f"Edges must name rows 0 to {n_nodes - 1} of the embedding, got numbers from "
            f"{edges.min()} to {edges.max()}."
        )
    return edges.astype(np.intp)


def _from_networkx(graph: Any, n_nodes: int) -> NDArray[Any]:
    rows = {node: row for row, node in enumerate(graph.nodes)}
    if len(rows) != n_nodes:
        raise ValueError(f"graph has {len(rows)} nodes, but the embedding has {n_nodes} rows.")
    pairs = [(rows[edge[0]], rows[edge[1]]) for edge in graph.edges]
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _from_adjacency(graph: Any, n_nodes: int) -> NDArray[Any]:
    if graph.shape != (n_nodes, n_nodes):
        raise ValueError(
            f"The adjacency matrix has shape {graph.shape}, but the embedding has {n_nodes} rows."
        )
    entries = sparse.coo_array(graph)
    # An adjacency matrix stores an undirected edge twice.
    ends = np.sort(np.column_stack([entries.row, entries.col])[entries.data != 0], axis=1)
    return np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
