"""Coordinates of points from their distances to landmarks."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skgw.fields import Numbers
from skgw.storable import storable

Array = NDArray[Any]
Matrix = TypeVar("Matrix", Tensor, NDArray[Any])

RANK_TOLERANCE = 1e-6  # eigenvalues of the Gram matrix below it, over the largest one, are rounding
DISTORTION_TOLERANCE = 1e-3  # relative distortion that fewer dimensions may add
MAX_COMPARED = 300  # points whose distances choose the number of dimensions


def centred_gram(squares: Matrix) -> Matrix:
    """Inner products (n, n) of centred points with these squared distances (n, n)."""
    column, row = squares.mean(0), squares.mean(1)[:, None]
    return -0.5 * (squares - column - row + squares.mean())


@storable
class LandmarkScaling(NamedTuple):
    """Landmark multidimensional scaling: a map from distances to landmarks to coordinates.

    The landmarks are placed by classical scaling. A point is placed where its squared distances to
    the landmarks are met best; the coordinates of a landmark are the same by both rules. Euclidean
    distances between coordinates are the given distances, if these are Euclidean.

    Attributes
    ----------
    mean_squares : array of shape (r,)
        Mean squared distance of each landmark from all landmarks.
    axes : array of shape (r, k)
        Eigenvectors of the Gram matrix of the landmarks, over the roots of their eigenvalues.

    References
    ----------
    :cite:t:`desilva2004`.

    :cite:t:`torgerson1952`.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.array([0.0, 1.0, 4.0, 6.0, 2.5])
    >>> D = abs(line[:, None] - line[:4])  # four landmarks
    >>> Z = LandmarkScaling.of(D, np.arange(4)).transform(D)
    >>> Z.shape, bool(np.allclose(abs(Z - Z[:4].T), D))
    ((5, 1), True)
    """

    mean_squares: Annotated[Array, Numbers("r")]
    axes: Annotated[Array, Numbers("r", "k")]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of landmarks, and dimension of the coordinates."""
        r, k = self.axes.shape
        return r, k

    @classmethod
    def of(cls, D: Array, landmarks: Array) -> LandmarkScaling:
        """Fit the scaling to distances (n, r) from training points to landmarks.

        The number of dimensions is the smallest whose relative distortion of these distances is
        within 0.001 of the smallest distortion. Further dimensions of distances that are not
        Euclidean are noise, whose amplitude grows as the eigenvalues fall.

        Parameters
        ----------
        D : array of shape (n, r)
        landmarks : array of int of shape (r,)
            Positions of the landmarks among the training points.
        """
        squares = np.square(D[landmarks], dtype=np.float64)
        values, vectors = np.linalg.eigh(centred_gram((squares + squares.T) / 2))
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = values > max(RANK_TOLERANCE * values[0], 0)
        kept[0] = True
        roots = np.sqrt(np.where(values[kept] > 0, values[kept], 1.0))
        whole = cls(squares.mean(0), vectors[:, kept] / roots)
        compared = D[np.linspace(0, len(D) - 1, min(len(D), MAX_COMPARED)).astype(int)]
        distortion = _distortions(
            compared, whole.transform(compared), whole.transform(D[landmarks])
        )
        k = int(np.argmax(distortion <= distortion.min() + DISTORTION_TOLERANCE)) + 1
        return cls(whole.mean_squares, whole.axes[:, :k])

    def transform(self, D: Array) -> Array:
        """Coordinates (b, k) of points from their distances (b, r) to the landmarks."""
        squares = np.square(D, dtype=np.float64)
        return np.asarray(-0.5 * (squares - self.mean_squares) @ self.axes)


def _distortions(D: Array, points: Array, landmarks: Array) -> Array:
    """Relative distortion of D (n, r) in the first dimension, the first two, and so on, (k,)."""
    squares, distortions = np.zeros(D.shape), []
    norm = np.linalg.norm(D) or 1.0
    for z, w in zip(points.T, landmarks.T, strict=True):
        squares += np.square(z[:, None] - w)
        distortions.append(np.linalg.norm(D - np.sqrt(squares)) / norm)
    return np.array(distortions)
