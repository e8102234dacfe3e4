"""Principal coordinates: rows in few numbers that keep their distances as well as a motion can."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from skgw.storable import storable

N_AXES = 32  # at most; further ones are mostly noise, and a rotation of them is hard to find

Array = NDArray[Any]


@storable
class PrincipalAxes(NamedTuple):
    """The directions in which rows vary most.

    Attributes
    ----------
    mean : array of shape (p,)
    axes : array of shape (k, p)
        Over the root mean square distance of the coordinates.
    """

    mean: Array
    axes: Array

    @classmethod
    def of(cls, X: Array, seed: int) -> PrincipalAxes:
        """From training rows (n, p).

        Examples
        --------
        >>> import numpy as np
        >>> X = np.array([[0.0, 0, 5], [0, 3, 5], [0, 6, 5]])
        >>> float(np.square(PrincipalAxes.of(X, seed=0).coordinates(X)).sum(1).mean().round(6))
        0.5
        """
        n_axes = min(N_AXES, *X.shape)
        if (X[:1] == X).all():  # they vary in no direction
            return cls(X[0], np.zeros((n_axes, X.shape[1])))
        found = PCA(n_axes, random_state=seed).fit(X.astype(np.float64))
        along = (X - found.mean_) @ found.components_.T
        size = np.sqrt(2 * np.square(along).mean(0).sum())
        return cls(found.mean_, found.components_ / size)

    def coordinates(self, X: Array) -> Array:
        """Rows (n, p) along the axes, (n, k), centred, of unit root mean square distance."""
        return np.asarray((X - self.mean) @ self.axes.T)
