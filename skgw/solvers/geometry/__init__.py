"""Spaces that are given by coordinates, in place of a matrix of relations."""

from skgw.solvers.geometry.point_cloud import LowRank, PointCloud

__all__ = ["LowRank", "PointCloud"]
