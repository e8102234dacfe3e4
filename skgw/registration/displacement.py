"""Displacement fields: smooth corrections of a registration by anchor pairs.

A similarity has few unknowns, and two domains that no similarity registers keep groups of points
apart that belong together. The pairs measure the displacement that is left at their places. The
field is the mean of a Gaussian process given these measurements, with a Gaussian kernel: it moves
the points near a pair by about the displacement of the pair, and leaves points far from all pairs
where they are. Rows of a pair may only be of one kind, so that a measurement has noise.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor

from skgw.fields import Numbers, Positive
from skgw.storable import storable

Array = NDArray[Any]
Points = TypeVar("Points", Tensor, NDArray[Any])

MIN_NOISE = 1e-3  # least ratio of the variances of noise and field: pairs may coincide


@storable
class Displacement(NamedTuple):
    """The map z -> z + sum_i exp(-|z - c_i|^2 / w) u_i.

    Attributes
    ----------
    centres : array of shape (k, d)
        The first points of the pairs, c_i.
    weights : array of shape (k, d)
        The vectors u_i.
    squared_width : float
        w.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0], [0, 1], [9, 9]])
    >>> field = Displacement.of(X[:2], X[:2] + [1, 0], squared_width=1.0, noise=0.01)
    >>> field(X).round(1)
    array([[1., 0.],
           [1., 1.],
           [9., 9.]])
    """

    centres: Annotated[Array, Numbers("k", "d")]
    weights: Annotated[Array, Numbers("k", "d")]
    squared_width: Positive

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of pairs and of dimensions."""
        k, d = self.centres.shape
        return k, d

    @classmethod
    def of(cls, points: Array, targets: Array, *, squared_width: float, noise: float) -> Self:
        """Fit the field to pairs of points (k, d) and targets (k, d).

        `noise` is the variance of the noise of a pair over the variance of the field.
        """
        points = np.asarray(points, dtype=np.float64)
        covariance = rbf_kernel(points, gamma=1 / squared_width)
        covariance += max(noise, MIN_NOISE) * np.eye(len(points))
        weights = np.linalg.solve(covariance, np.asarray(targets, dtype=np.float64) - points)
        return cls(points, weights, float(squared_width))

    def __call__(self, points: Points) -> Points:
        """Move points (n, d)."""
        if isinstance(points, Tensor):
            moved = self(points.double().cpu().numpy())
            return points.new_tensor(moved)
        kernel = rbf_kernel(points, self.centres, gamma=1 / self.squared_width)
        return points + kernel @ self.weights
