"""Finite metric spaces of features, distance matrices and graphs."""

from skgw.spaces.build import (
    feature_space,
    geodesic_space,
    graph_space,
    make_space,
    matrix_space,
)
from skgw.spaces.finite import FeatureSpace, GeodesicSpace, GraphSpace, MatrixSpace, Space
from skgw.spaces.graphs import edge_lengths, graph_distances, is_networkx

__all__ = [
    "FeatureSpace",
    "GeodesicSpace",
    "GraphSpace",
    "MatrixSpace",
    "Space",
    "edge_lengths",
    "feature_space",
    "geodesic_space",
    "graph_distances",
    "graph_space",
    "is_networkx",
    "make_space",
    "matrix_space",
]
