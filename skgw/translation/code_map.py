"""Map between the codes of two domains."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from skgw.fields import Numbers, Positive
from skgw.spaces.finite import Array
from skgw.storable import storable


@storable
class CodeMap(NamedTuple):
    """Similarity between the codes of two domains, by way of a shared space.

    The shared space holds codes of the second domain, centred and of RMS distance one.

    Attributes
    ----------
    means : tuple of arrays of shapes (kx,) and (ky,)
        Mean code of the first domain, and the code of the second domain that it is mapped to.
    scales : tuple of float
        RMS distances of the codes.
    rotation : array of shape (kx, ky)
        Orthonormal rows or columns, times one scale.
    """

    means: tuple[Annotated[Array, Numbers("kx")], Annotated[Array, Numbers("ky")]]
    scales: tuple[Positive, Positive]
    rotation: Annotated[Array, Numbers("kx", "ky")]

    @property
    def shape(self) -> tuple[int, int]:
        """Dimensions of the codes of the two domains."""
        kx, ky = self.rotation.shape
        return kx, ky

    def to_shared(self, codes: Array, domain: int) -> Array:
        """Points of the shared space (b, ky) from codes (b, k) of a domain, 0 or 1."""
        normal = (codes.astype(np.float64) - self.means[domain]) / self.scales[domain]
        return normal if domain else np.asarray(normal @ self.rotation)

    def from_shared(self, points: Array, domain: int) -> Array:
        """Codes (b, k) of a domain, 0 or 1, from points of the shared space (b, ky)."""
        squared_scale = np.square(self.rotation).sum() / min(self.rotation.shape)
        normal = points if domain else points @ self.rotation.T / squared_scale
        return np.asarray(normal * self.scales[domain] + self.means[domain])
