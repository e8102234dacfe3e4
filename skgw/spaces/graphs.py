"""Shortest-path distances of networkx graphs and sparse adjacency matrices."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from skgw.exceptions import IgnoredWeightsWarning, warn_user
from skgw.spaces.duplicates import DIAGONAL_TOLERANCE, SYMMETRY_TOLERANCE, zeros_are_duplicates


def is_networkx(graph: Any) -> bool:
    """Whether `graph` is a networkx graph, without importing networkx."""
    return hasattr(graph, "nodes") and hasattr(graph, "edges") and hasattr(graph, "is_directed")


def graph_distances(
    graph: Any, *, edge_length: str = "auto", sources: ArrayLike | None = None
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
    edge_length : str, default="auto"
        "auto": the stored entries of a sparse matrix are lengths, as in scikit-learn, and a matrix
        that stores every pair is a matrix of distances; each edge of a networkx graph has
        length 1, with a warning if the attribute "weight" differs between edges. "hops": each edge
        has length 1. "weight": the stored entries of a sparse matrix, or the edge attribute
        "weight" of a networkx graph. Any other name is an edge attribute of a networkx graph.
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
    D = stored_distances(graph, lengths) if edge_length == "auto" else None
    if D is not None:
        return D if sources is None else D[np.asarray(sources)]
    n_components, component = csgraph.connected_components(lengths, directed=False)
    if n_components > 1:
        largest = np.bincount(component).max()
        raise ValueError(
            f"The graph has {n_components} connected components, so some distances are infinite. "
            f"Keep the largest one ({largest} of {len(component)} nodes), or add edges between the "
            "components. To cross-validate on a graph, pass its graph_distances."
        )
    indices = None if sources is None else np.asarray(sources)
    return csgraph.dijkstra(lengths, directed=True, indices=indices)  # in both directions


def stored_distances(matrix: Any, lengths: sparse.csr_array) -> NDArray[np.float64] | None:
    """Distances (n, n) of a sparse matrix that stores all of them; None for a graph.

    Parameters
    ----------
    matrix : sparse matrix of shape (n, n), or networkx graph
    lengths : csr array of shape (n, n)
        Edge lengths of the matrix.
    """
    if not (sparse.issparse(matrix) and stores_all_distances(lengths)):
        return None
    D = np.asarray(matrix.toarray(), dtype=np.float64)
    both_directions = np.array_equal(D != 0, D.T != 0)
    return D if both_directions else lengths.toarray()


def stores_all_distances(lengths: sparse.csr_array) -> bool:
    """Whether edge lengths (n, n) are distances of all pairs rather than a graph.

    Distances of zero are often not stored. A pair that is not stored has distance zero if its two
    points have the same distances to all other points, and if the stored distances are not all
    equal, as in a graph whose edges have length 1.
    """
    n_pairs = lengths.shape[0] * (lengths.shape[0] - 1)
    if lengths.nnz == n_pairs:
        return True
    if 2 * lengths.nnz < n_pairs or np.ptp(lengths.data) == 0:
        return False
    return zeros_are_duplicates(lengths.toarray())


def edge_lengths(graph: Any, edge_length: str = "auto") -> sparse.csr_array:
    """Symmetric sparse matrix of the edge lengths of a graph, without loops.

    Parameters
    ----------
    graph : networkx graph or sparse matrix of shape (n, n)
        As for `graph_distances`.
    edge_length : str, default="auto"
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
        if edge_length not in ("auto", "hops", "weight"):
            raise ValueError(
                f"edge_length={edge_length!r} names an edge attribute, but a sparse matrix has "
                "none; use 'auto', 'hops' or 'weight'."
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
        if edge_length == "auto":
            _check_loops(lengths)
    return _shortest_parallel(lengths)


def _check_loops(lengths: sparse.coo_array) -> None:
    """Refuse, or warn of, a diagonal that is not zero beside lengths that differ.

    Loops of a graph whose entries are all equal do not matter.
    """
    rows, columns = lengths.coords
    others, loops = lengths.data[rows != columns], lengths.data[rows == columns]
    if not loops.any() or not len(others) or np.ptp(others) == 0:
        return
    if loops.max() <= DIAGONAL_TOLERANCE * others.max():
        return
    fault = (
        "The sparse matrix stores a diagonal that is not zero, beside entries that differ: are "
        "they similarities? Entries are lengths of edges, and the distance of a row to itself is "
        "zero. Turn similarities into distances first"
    )
    if len(others) == lengths.shape[0] * (lengths.shape[0] - 1):
        raise ValueError(f"{fault}.")
    warn_user(
        f"{fault}; for loops of a graph, set its diagonal to zero, or set edge_length to 'weight' "
        "or 'hops'.",
        UserWarning,
    )


def _networkx_lengths(graph: Any, edge_length: str) -> sparse.coo_array:
    """Edge lengths of a networkx graph, each edge stored in one direction."""
    if edge_length == "auto":
        _warn_of_weights(graph)
        edge_length = "hops"
    position = {node: i for i, node in enumerate(graph.nodes)}
    edges = list(lengths_of_edges(graph, edge_length))
    rows, columns = ([position[edge[end]] for edge in edges] for end in (0, 1))
    lengths = [length for _, _, length in edges]
    n = len(position)
    return sparse.coo_array((np.array(lengths, dtype=float), (rows, columns)), shape=(n, n))


def lengths_of_edges(graph: Any, edge_length: str) -> Iterator[tuple[Any, Any, float]]:
    """Edges of a networkx graph: both nodes, and the length.

    Parameters
    ----------
    graph : networkx graph
    edge_length : str
        "hops", or the name of an edge attribute.

    Raises
    ------
    ValueError
        If the graph is directed, or an edge lacks the attribute or has no number in it.
    """
    if graph.is_directed():
        raise ValueError("Distances need an undirected graph; pass graph.to_undirected().")
    for u, v, attributes in graph.edges(data=True):
        if edge_length == "hops":
            yield u, v, 1.0
            continue
        if edge_length not in attributes:
            raise ValueError(
                f"Edge ({u!r}, {v!r}) has no attribute {edge_length!r}; set it on every edge or "
                "use edge_length='hops'."
            )
        try:
            yield u, v, float(attributes[edge_length])
        except (TypeError, ValueError):
            raise ValueError(
                f"Edge ({u!r}, {v!r}) has {edge_length}={attributes[edge_length]!r}, which is no "
                "number; a length is a non-negative number."
            ) from None


def _warn_of_weights(graph: Any) -> None:
    """Warn if the edges have different numbers in the attribute "weight"."""
    weights = {weight for _, _, weight in graph.edges(data="weight") if isinstance(weight, Real)}
    if len(weights) > 1:
        warn_user(
            "The edges of the graph have weights that differ, and every edge has length 1: weights "
            "may be similarities. edge_length='weight' takes the weights as lengths, "
            "edge_length='hops' keeps the length 1.",
            IgnoredWeightsWarning,
        )


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
    linked = rows != columns
    i, j, length = rows[linked], columns[linked], lengths.data[linked]
    return shortest_edges(np.r_[i, j], np.r_[j, i], np.r_[length, length], lengths.shape)


def shortest_edges(
    i: NDArray[Any], j: NDArray[Any], length: NDArray[Any], shape: tuple[int, int]
) -> sparse.csr_array:
    """Sparse matrix of edges from i to j, the shortest of parallel edges."""
    order = np.lexsort((length, j, i))
    i, j, length = i[order], j[order], length[order]
    first = np.r_[True, (np.diff(i) != 0) | (np.diff(j) != 0)][: len(i)]
    return sparse.csr_array((length[first], (i[first], j[first])), shape=shape)


def same_edges(graph: sparse.csr_array, other: sparse.csr_array) -> bool:
    """Whether two graphs have the same edges, including edges of length zero."""
    parts = []
    for matrix in (graph, other):
        edges = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
        parts.append((edges.indptr, edges.indices, edges.data))
    return all(np.array_equal(x, y) for x, y in zip(*parts, strict=True))
