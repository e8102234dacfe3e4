"""Sparse features in few coordinates: the span of some rows, and the distance from this span.

Some rows x_k of many features span a space of few dimensions. Every row is its projection on the
span, and a rest that is orthogonal to all x_k. The coordinates of the projection and the norm of
the rest therefore determine the norm of the row and its distances to all x_k, exactly. The
eigendecomposition of the Gram matrix of the x_k gives orthonormal axes without a dense matrix of
features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from scipy import sparse

from skgw.fields import Numbers, Positions, Shape, SparseNumbers
from skgw.spaces.finite import Array, Index, Space
from skgw.storable import storable

RESOLUTION = 1e-10  # squared lengths below it, relative to the largest, are rounding errors


@storable
@dataclass(frozen=True)
class RowSpan:
    """The span of sparse rows, with orthonormal axes.

    Attributes
    ----------
    rows : csr array of shape (r, p)
    axes : array of shape (r, k)
        Coefficients of the axes in the rows.
    """

    rows: Annotated[sparse.csr_array, SparseNumbers("r", "p")]
    axes: Annotated[Array, Numbers("r", "k")]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features, and number of axes."""
        return self.rows.shape[1], self.axes.shape[1]

    @classmethod
    def of(cls, rows: sparse.csr_array) -> RowSpan:
        """The span of these rows."""
        squares, vectors = np.linalg.eigh((rows @ rows.T).toarray())
        kept = squares > RESOLUTION * squares[-1]
        kept[-1] = True  # one axis at least, also of rows of zeros
        lengths = np.sqrt(squares[kept].clip(0))
        return cls(rows, vectors[:, kept] / np.where(lengths > 0, lengths, 1))

    def __call__(self, X: Any) -> Array:
        """Coordinates and distance from the span (b, k + 1) of rows (b, p), sparse or dense."""
        X = sparse.csr_array(X)
        inside = (X @ self.rows.T).toarray() @ self.axes
        squares = (X * X).sum(1)
        rest = squares - (inside * inside).sum(1)
        rest[rest < RESOLUTION * squares] = 0
        return np.column_stack([inside, np.sqrt(rest)])


@storable
@dataclass(frozen=True)
class RowSpanSpace(Space):
    """Sparse points under distances of their coordinates in the span of the training rows."""

    space: Annotated[Space, Shape(None, "r")]
    span: Annotated[RowSpan, Shape("p", "k")]
    anchors: Annotated[Index, Positions("r")]

    def _check(self) -> None:
        if self.space.n_columns != self.span.shape[1] + 1:
            raise ValueError("the space of a RowSpanSpace must have the coordinates of its span")
        if not np.array_equal(self.anchors, self.space.anchors):
            raise ValueError("the anchors of a RowSpanSpace must be those of its space")

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.space.n_rows

    @property
    def n_columns(self) -> int:
        """Number of features."""
        return self.span.shape[0]

    def distances(self, rows: Index, j: Index) -> Array:
        """Distances from training rows to the anchors at positions `j`."""
        return self.space.distances(rows, j)

    def from_new(self, X: Any) -> Array:
        """Distances from new points, sparse or dense, to all anchors."""
        return self.space.from_new(self.span(X))

    def restrict(self, j: Index) -> RowSpanSpace:
        """Restrict the space of coordinates to the anchors at positions `j`."""
        space = self.space.restrict(j)
        return replace(self, space=space, anchors=space.anchors)
