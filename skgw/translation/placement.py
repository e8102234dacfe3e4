"""Coordinates of the rows of a domain from their distances to landmarks."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from skgw.fields import Numbers, Positive, Shape
from skgw.registration.landmark_scaling import LandmarkScaling
from skgw.spaces import Space
from skgw.spaces.build import (
    check_distances,
    check_finite_distances,
    scaled_root_mean_square,
)
from skgw.spaces.finite import Array, Index
from skgw.storable import storable


@storable
class Placement(NamedTuple):
    """Coordinates of rows from their distances to landmarks.

    Attributes
    ----------
    space : Space
        Its anchors are the landmarks.
    scale : float
        RMS distance from the training rows to the landmarks; 1 if all rows coincide.
    scaling : LandmarkScaling
        Of distances over the scale.
    landmarks : array of shape (r, k)
        Coordinates of the landmarks.
    """

    space: Annotated[Space, Shape("p", "r")]
    scale: Positive
    scaling: Annotated[LandmarkScaling, Shape("r", "k")]
    landmarks: Annotated[Array, Numbers("r", "k")]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of columns of rows, and number of coordinates."""
        return self.space.n_columns, self.scaling.shape[1]

    @classmethod
    def of(cls, space: Space, landmarks: Index) -> Placement:
        """Place the landmarks, given by their positions among the anchors of the space."""
        D = space.distances(np.arange(space.n_rows), landmarks)
        check_finite_distances(D)
        rows = space.anchors[landmarks]
        check_distances(D[rows], "Distances by the metric")
        scale = scaled_root_mean_square(D) or 1.0
        scaling = LandmarkScaling.of(D / scale, rows)
        points = scaling.transform(D[rows] / scale)
        return cls(space.restrict(landmarks), scale, scaling, points)

    def distances(self, X: Any) -> Array:
        """Distances (b, r) from validated rows to the landmarks, over the scale."""
        return np.concatenate(list(self.space.chunks_from_new(X))) / self.scale

    def coordinates(self, X: Any) -> Array:
        """Coordinates (b, k) of validated rows."""
        parts = [self.scaling.transform(D / self.scale) for D in self.space.chunks_from_new(X)]
        return np.concatenate(parts)
