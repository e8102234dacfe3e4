"""Nearest neighbours that a plan preserves."""

from __future__ import annotations

import torch
from torch import Tensor

Graphs = tuple[Tensor, Tensor]

DISTANCE_TOLERANCE = 1e-6  # relative difference up to which two distances are equal


def neighbor_graph(D: Tensor, n_neighbors: int) -> Tensor:
    """Adjacency (n, n) of 0 and 1: the nearest other rows of each row, and ties of the last one.

    There are at most a third as many neighbours as rows.
    """
    k = max(1, min(n_neighbors, len(D) // 3))
    D = D + torch.diag(torch.full_like(D[0], torch.inf))
    farthest = D.kthvalue(k, dim=1, keepdim=True).values
    return (farthest * (1 + DISTANCE_TOLERANCE) >= D).to(D)


def preserved_neighbors(graphs: Graphs, plan: Tensor) -> float:
    """Share of nearest neighbours whose matches are nearest neighbours, mean of both directions.

    Parameters
    ----------
    graphs : pair of Tensors of shapes (n, n) and (m, m)
        Adjacencies as of `neighbor_graph`.
    plan : Tensor of shape (n, m)
    """
    G, H = graphs
    return (_overlap(G, H, plan.argmax(1)) + _overlap(H, G, plan.argmax(0))) / 2


def _overlap(G: Tensor, H: Tensor, match: Tensor) -> float:
    """Cosine of graph G and the graph that H gives to the matches (n,) of its nodes."""
    images = H[match][:, match]
    return float((G * images).sum() / (G.sum() * images.sum()).sqrt().clamp_min(1))
