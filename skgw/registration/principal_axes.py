"""Principal axes of point clouds, and coordinates along them."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import PCA
from torch import Tensor

from skgw.fields import Numbers, Shape
from skgw.storable import storable

Array = NDArray[Any]
Points = TypeVar("Points", Tensor, NDArray[Any])

MAX_DENSE = 2**24  # entries of a sparse array up to which it is made dense


def principal_axes(points: Array) -> tuple[Array, Array]:
    """Mean (d,) and all principal axes (d, d) of points (n, d), one axis per row, widest first.

    The singular value decomposition acts on the triangular factor of a QR decomposition: it is
    accurate in many dimensions, and n may be below d.
    """
    mean = points.mean(0)
    triangle = np.linalg.qr(points - mean, mode="r")
    return mean, np.linalg.svd(triangle, full_matrices=True)[2]


def scatter_axes(centred: Points) -> Points:
    """Principal axes (d, d) of centred points (n, d) in few dimensions, as `principal_axes`.

    The eigenvectors of the scatter matrix are faster to compute where d is small.
    """
    namespace: Any = torch if isinstance(centred, Tensor) else np
    vectors = namespace.linalg.eigh(centred.T @ centred).eigenvectors
    return namespace.flip(vectors.T, (0,))


@storable
class PrincipalCoordinates(NamedTuple):
    """A projection of rows to their leading principal axes, at RMS distance 1.

    Attributes
    ----------
    mean : array of shape (p,)
    axes : array of shape (k, p)
        Principal axes, divided by the RMS distance of the projected training rows.
    """

    mean: Annotated[Array, Numbers("p")]
    axes: Annotated[Array, Numbers("k", "p")]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of features and of coordinates."""
        k, p = self.axes.shape
        return p, k

    @classmethod
    def of(cls, X: Any, seed: int, *, max_axes: int = 32) -> PrincipalCoordinates:
        """Fit the projection to training rows.

        Parameters
        ----------
        X : array or sparse array of shape (n, p)
        seed : int
            Seed of the randomised solver, which scikit-learn takes for many rows and features.
        max_axes : int, default=32
            Largest number of axes. Further axes are mostly noise, whose rotation is hard to find.

        Examples
        --------
        >>> import numpy as np
        >>> X = np.array([[0.0, 0, 5], [0, 3, 5], [0, 6, 5]])
        >>> coordinates = PrincipalCoordinates.of(X, seed=0).transform(X)
        >>> float(np.square(coordinates).sum(1).mean().round(6))
        0.5
        """
        n_axes = min(max_axes, *X.shape)
        if sparse.issparse(X) and (n_axes == min(X.shape) or np.prod(X.shape) <= MAX_DENSE):
            X = X.toarray()
        if not sparse.issparse(X) and (X[:1] == X).all():  # no direction has a variance
            return cls(X[0], np.zeros((n_axes, X.shape[1])))
        solver = "arpack" if sparse.issparse(X) else "auto"
        found = PCA(n_axes, svd_solver=solver, random_state=seed).fit(X.astype(np.float64))
        projected = cls(found.mean_, found.components_).transform(X)
        rms_distance = np.sqrt(2 * np.square(projected).mean(0).sum())
        return cls(found.mean_, found.components_ / rms_distance)

    def leading(self, n_axes: int, scale: float) -> PrincipalCoordinates:
        """The projection to the first of the axes, divided by a number."""
        return PrincipalCoordinates(self.mean, self.axes[:n_axes] / scale)

    def about(self, centre: Array, scale: float) -> PrincipalCoordinates:
        """The projection, from other coordinates (k,) of the centre and divided by a number."""
        mean = self.mean + self.lift(centre[None], np.ones(1))[0]
        return PrincipalCoordinates(mean, self.axes / scale)

    def followed_by(self, matrix: Array) -> PrincipalCoordinates:
        """The projection, and a linear map (k, l) of the coordinates."""
        return PrincipalCoordinates(self.mean, matrix.T @ self.axes)

    def transform(self, X: Any) -> Array:
        """Coordinates (n, k) of rows (n, p), dense or sparse."""
        if sparse.issparse(X):
            return np.asarray(X @ self.axes.T) - self.mean @ self.axes.T
        return np.asarray((X - self.mean) @ self.axes.T)

    def lengths(self, X: Any) -> Array:
        """Numbers (n,) that the coordinates of rows were divided by: ones."""
        return np.ones(X.shape[0])

    def lift(self, differences: Array, lengths: Array) -> Array:
        """Differences of rows (n, p) from differences of their coordinates (n, k)."""
        squares = np.square(self.axes).sum(1)
        return (lengths[:, None] * differences / np.where(squares > 0, squares, 1)) @ self.axes


@storable
class UnitCoordinates(NamedTuple):
    """Principal coordinates, of unit length, projected to their principal axes in turn.

    The directions from the mean alone count. Lengths often differ between two sets of features
    where directions agree, as with embeddings and counts.

    Attributes
    ----------
    whole : PrincipalCoordinates
        Of rows.
    unit : PrincipalCoordinates
        Of the coordinates of unit length.
    """

    whole: Annotated[PrincipalCoordinates, Shape("p", "l")]
    unit: Annotated[PrincipalCoordinates, Shape("l", "k")]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of features and of coordinates."""
        return self.whole.shape[0], self.unit.shape[1]

    @classmethod
    def of(cls, whole: PrincipalCoordinates, coordinates: Array, seed: int) -> UnitCoordinates:
        """Fit the second projection to the coordinates (n, l) of training rows.

        Examples
        --------
        >>> import numpy as np
        >>> X = np.array([[3.0, 0], [0, 1], [-2, 0], [-1, -1]])
        >>> axes = PrincipalCoordinates.of(X, seed=0)
        >>> Z = UnitCoordinates.of(axes, axes.transform(X), seed=0).transform(X)
        >>> Z.shape
        (4, 2)
        """
        n_axes = coordinates.shape[1]
        return cls(
            whole, PrincipalCoordinates.of(_of_unit_length(coordinates), seed, max_axes=n_axes)
        )

    def leading(self, n_axes: int, scale: float) -> UnitCoordinates:
        """The projection to the first of the axes, divided by a number."""
        return UnitCoordinates(self.whole, self.unit.leading(n_axes, scale))

    def about(self, centre: Array, scale: float) -> UnitCoordinates:
        """The projection, from other coordinates (k,) of the centre and divided by a number."""
        return UnitCoordinates(self.whole, self.unit.about(centre, scale))

    def transform(self, X: Any) -> Array:
        """Coordinates (n, k) of rows (n, p), dense or sparse."""
        return self.of_whole(self.whole.transform(X))

    def of_whole(self, coordinates: Array) -> Array:
        """Coordinates (n, k) of rows whose principal coordinates (n, l) are known."""
        return self.unit.transform(_of_unit_length(coordinates))

    def lengths(self, X: Any) -> Array:
        """Lengths (n,) of the principal coordinates of rows."""
        return np.linalg.norm(self.whole.transform(X), axis=1)

    def lift(self, differences: Array, lengths: Array) -> Array:
        """Differences of rows (n, p) of these lengths from differences of coordinates (n, k)."""
        ones = np.ones(len(lengths))
        return self.whole.lift(self.unit.lift(differences, lengths), ones)


Coordinates = PrincipalCoordinates | UnitCoordinates


def _of_unit_length(coordinates: Array) -> Array:
    norms = np.linalg.norm(coordinates, axis=1, keepdims=True)
    return coordinates / np.where(norms > 0, norms, 1)
