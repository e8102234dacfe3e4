"""What a fit of two autoencoders leaves: encode, go across, decode."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.nn import FittedNetwork
from skgw.nn.coded_domain import CodedDomain
from skgw.nn.residual import ResidualMap
from skgw.registration.principal_axes import PrincipalAxes
from skgw.storable import storable
from skgw.translation.code_map import CodeMap
from skgw.translation.matches import Partners, matched

METHODS = ("auto", "decoded", "network", "barycentric", "greedy")

Array = NDArray[Any]


@storable
class RowMap(NamedTuple):
    """A motion between rows of two domains, in principal coordinates of either.

    Attributes
    ----------
    axes : tuple of PrincipalAxes
    turn, shift : arrays of shapes (dx, dy) and (dy,)
        From coordinates of the first domain to those of the second.
    """

    axes: tuple[PrincipalAxes, PrincipalAxes]
    turn: Array
    shift: Array

    def shared(self, X: Array, here: int) -> Array:
        """Rows of either domain, in its units, as coordinates of the second, (b, dy)."""
        coordinates = self.axes[here].coordinates(X)
        return coordinates if here else np.asarray(coordinates @ self.turn + self.shift)


@storable
class Translator(NamedTuple):
    """Two coded domains, the way between their codes, and where partners are found.

    Attributes
    ----------
    domains : tuple of CodedDomain
    map : CodeMap
    row_map : RowMap or None
        Partners are near to each other in this space; without it, in that of codes.
    partners : Partners
        Training rows of either domain as points of this space.
    rows : tuple of arrays of shapes (r, p) and (s, q)
        The same as they are.
    points : tuple of arrays of shapes (r, k) and (s, k)
        The same as points of the space that all codes share.
    positions : tuple of arrays of int of shapes (r,) and (s,)
        Where they are among all training rows.
    networks : tuple of FittedNetwork, or None
        Maps from points of the shared space to partners in it, for either domain.
    """

    domains: tuple[CodedDomain, CodedDomain]
    map: CodeMap
    row_map: RowMap | None
    partners: Partners
    rows: tuple[Array, Array]
    points: tuple[Array, Array]
    positions: tuple[Array, Array]
    networks: tuple[FittedNetwork[ResidualMap], FittedNetwork[ResidualMap]] | None

    def shared(self, X: Array, here: int, device: torch.device) -> Array:
        """Rows of a domain as points of the space that all codes share, (b, k)."""
        return self.map.shared(self.domains[here].encode(X, device), here)

    def placed(self, X: Array, here: int, device: torch.device) -> Array:
        """Rows of a domain as points of the space in which partners are near, (b, d)."""
        if self.row_map is None:
            return self.shared(X, here, device)
        return self.row_map.shared(self.domains[here].unit.forth(X), here)

    def decode(self, shared: Array, here: int, device: torch.device) -> Array:
        """Rows of a domain of points of the shared space."""
        return self.domains[here].decode(self.map.codes(shared, here), device)

    def translate(self, X: Array, here: int, method: str, device: torch.device) -> Array:
        """Rows of one domain as rows of the other.

        Raises
        ------
        ValueError
            For an unknown method, and for "network" if there is none.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
        there = 1 - here
        if method == "greedy":
            return np.asarray(self.rows[there][self.match(X, here, device)])
        if method == "network" or (method == "auto" and self.networks is not None):
            return self.decode(self._moved(X, here, device), there, device)
        if method == "decoded":
            points = self.shared(X, here, device)
        else:
            points = self.partners.means(self.placed(X, here, device), self.points[there], here)
        return self.decode(points, there, device)

    def match(self, X: Array, here: int, device: torch.device) -> Array:
        """Which of `rows` the partners of rows are, (b,)."""
        return self.partners.nearest(self.placed(X, here, device), here)

    def matched(self, X: Array, Y: Array, here: int, device: torch.device) -> Array:
        """Partners of rows among given rows of the other domain, all of which are to have one."""
        return matched(self.placed(X, here, device), self.placed(Y, 1 - here, device))

    def _moved(self, X: Array, here: int, device: torch.device) -> Array:
        if self.networks is None:
            raise ValueError('method="network" needs translator="network" in the fit.')
        points = self.shared(X, here, device)
        network = self.networks[here].build(device)
        with torch.no_grad():
            moved = network(torch.as_tensor(points, dtype=torch.float32, device=device))
        return np.asarray(moved.double().cpu())
