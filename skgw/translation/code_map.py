"""The map that takes codes of one domain to those of the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skgw.storable import storable

Array = NDArray[Any]


@storable
class CodeMap(NamedTuple):
    """A motion between codes of two domains, by way of a space that both share.

    Attributes
    ----------
    means : tuple of arrays of shapes (kx,) and (ky,)
        Of the codes; that of the second is where the mean of the first goes.
    sizes : tuple of float
        Root mean square distances of the codes.
    rotation : array of shape (kx, ky)
        Orthogonal up to a scale.
    """

    means: tuple[Array, Array]
    sizes: tuple[float, float]
    rotation: Array

    def shared(self, codes: Array, here: int) -> Array:
        """Codes (b, k) of either domain in the space of the second, centred, of unit size."""
        normal = (codes.astype(np.float64) - self.means[here]) / self.sizes[here]
        return normal if here else np.asarray(normal @ self.rotation)

    def codes(self, shared: Array, here: int) -> Array:
        """Points of the shared space (b, k) as codes of either domain."""
        square = np.square(self.rotation).sum() / min(self.rotation.shape)  # of its scale
        normal = shared if here else shared @ self.rotation.T / square
        return np.asarray(normal * self.sizes[here] + self.means[here])
