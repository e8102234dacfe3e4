"""Anchor pairs: rows of the data whose points in the embedding are known.

Distances determine an embedding up to an isometry. K pairs of a row x_k and its point y_k take this
freedom away where they lie: a match of a row x with a point y implies that d(x, x_k) and d(y, y_k)
agree. The mean squared difference of these distances is the linear cost of a fused
Gromov-Wasserstein problem. The pairs determine the affine hull of the y_k, and the distance from
the hull; isometries that fix all y_k stay free.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skgw.nn import pairwise_distances, polar_factor

RESOLUTION = 1e-3  # smallest width of an axis that places a known row, over the largest width
FREE_SHARE = (
    1e-6  # weight of the identity among the rotations that fit the pairs, see `rigidly_moved`
)


class AnchorPairs(nn.Module):
    """Known rows and points.

    Parameters
    ----------
    row_distances : Tensor of shape (N, K)
        Distances from the anchors of the space to the known rows, in units of the scale.
    points : Tensor of shape (K, k)
        Points of the known rows, in units of the scale.
    weight : float
        Weight of the cost, relative to the discrepancy.
    """

    row_distances: Tensor
    points: Tensor

    def __init__(self, row_distances: Tensor, points: Tensor, weight: float) -> None:
        super().__init__()
        self.register_buffer("row_distances", row_distances, persistent=False)
        self.register_buffer("points", points, persistent=False)
        self.weight = weight

    @property
    def alpha(self) -> float:
        """Share of the discrepancy in a fused problem.

        The loss has the discrepancy twice: cost and discrepancy then relate as weight to one.
        """
        return 1 / (1 + self.weight / 2)

    def cost(self, rows: Tensor, points: Tensor) -> Tensor:
        """Mean squared difference of distances to the pairs.

        Parameters
        ----------
        rows : Tensor of shape (n,)
            Positions among the anchors of the space.
        points : Tensor of shape (m, k)
            In units of the scale; receive a gradient.

        Returns
        -------
        Tensor of shape (n, m)
        """
        return mean_squared_differences(self.row_distances[rows], self._of_points(points))

    def between_rows(self, rows: Tensor, others: Tensor) -> Tensor:
        """Mean squared difference (n, m) between rows at positions (n,) and (m,)."""
        return mean_squared_differences(self.row_distances[rows], self.row_distances[others])

    def between_points(self, points: Tensor, others: Tensor) -> Tensor:
        """Mean squared difference (n, m) between points (n, k) and (m, k), with a gradient."""
        to_pairs = self._of_points(points)
        to_others = to_pairs if others is points else self._of_points(others)
        return mean_squared_differences(to_pairs, to_others)

    def _of_points(self, points: Tensor) -> Tensor:
        """Distances (m, K) from points (m, k) to the known points."""
        return pairwise_distances(points, self.points)

    def place(self, landmarks: Tensor, coordinates: Tensor) -> Tensor:
        """Move coordinates of rows by the rigid map that brings the known rows to their points.

        Parameters
        ----------
        landmarks : Tensor of shape (n,)
            Positions of the rows among the anchors of the space.
        coordinates : Tensor of shape (n, k)
            By classical scaling, up to a rotation.

        Returns
        -------
        Tensor of shape (n, k)
        """
        squares = self.row_distances[landmarks].square().T  # (K, n)
        centred = coordinates - coordinates.mean(0)
        norms = centred.square().mean(0).sum()
        # A known row is placed where its squared distances to the landmarks are met best.
        products = -0.5 * (
            squares - squares.mean(1, keepdim=True) - centred.square().sum(1) + norms
        )
        known = products @ torch.linalg.pinv(centred.double(), rtol=RESOLUTION).T.to(products)
        return rigidly_moved(centred, known, self.points)


def mean_squared_differences(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference (n, m) between the rows of (n, K) and of (m, K)."""
    squares = one.square().mean(1)[:, None] + other.square().mean(1)
    return squares - (2 / one.shape[1]) * (one @ other.T)


def rigidly_moved(x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Points x (n, k) after the rigid map that fits source points (K, k) to target points (K, k).

    Fewer than k points leave rotations about the points free; of these the rotation nearest to the
    identity is taken.
    """
    mean_source, mean_target = source.mean(0), target.mean(0)
    cross = ((source - mean_source).T @ (target - mean_target)).double()
    free = FREE_SHARE * cross.square().sum().sqrt()
    eye = torch.eye(len(cross), dtype=cross.dtype, device=cross.device)
    rotation = polar_factor(cross + free * eye).to(x)
    return (x - mean_source) @ rotation + mean_target
