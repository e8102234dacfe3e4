"""Spaces whose matrix of relations is never formed."""

from skgw.solvers.geometry.point_cloud import LowRank, PointCloud

__all__ = ["LowRank", "PointCloud"]
