"""The fitted translator: encode, map to the other domain, decode."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import torch

from skgw.fields import Numbers, Positions, Shape
from skgw.nn import FittedNetwork
from skgw.nn.coded_domain import CodedDomain
from skgw.nn.residual import ResidualMap
from skgw.registration.displacement import Displacement
from skgw.registration.principal_axes import PrincipalCoordinates
from skgw.spaces.finite import Array, centred_distances
from skgw.storable import storable
from skgw.translation.code_map import CodeMap
from skgw.translation.domain_rows import rms_distance_of_rows
from skgw.translation.matches import LatentMatches, joint_plan

Network = Annotated[FittedNetwork[ResidualMap], Shape("ky", "ky")]
METHODS = ("auto", "decoded", "network", "barycentric", "greedy")


@storable
class RowMap(NamedTuple):
    """A similarity between rows of two domains, in principal coordinates of either domain.

    Attributes
    ----------
    coordinates : tuple of PrincipalCoordinates
        Of either domain.
    rotation, offset : arrays of shapes (dx, dy) and (dy,)
        The similarity from coordinates of the first domain to coordinates of the second domain.
    """

    coordinates: tuple[
        Annotated[PrincipalCoordinates, Shape("p", "dx")],
        Annotated[PrincipalCoordinates, Shape("q", "dy")],
    ]
    rotation: Annotated[Array, Numbers("dx", "dy")]
    offset: Annotated[Array, Numbers("dy")]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of columns of the two domains, and the dimension of the shared space."""
        x, y = self.coordinates
        return x.shape[0], *y.shape

    def to_shared(self, X: Array, domain: int) -> Array:
        """Coordinates of the second domain (b, dy) of scaled rows (b, p) of a domain, 0 or 1."""
        coordinates = self.coordinates[domain].transform(X)
        return coordinates if domain else np.asarray(coordinates @ self.rotation + self.offset)


@storable
class Translator(NamedTuple):
    """Two coded domains, the map between their codes, and the rows that are matches.

    Attributes
    ----------
    domains : tuple of CodedDomain
    code_map : CodeMap
    row_map : RowMap or None
        Rows match if they are near in its space; without it, if their codes are near.
    displacement : Displacement or None
        Displacement of the points of the first domain in that space, by anchor pairs.
    matches : LatentMatches
        The pool rows of either domain as points of that space.
    rows : tuple of arrays of shapes (r, p) and (s, q)
        The pool rows.
    points : tuple of arrays of shapes (r, k) and (s, k)
        Codes of the pool rows in the space that both domains share.
    positions : tuple of arrays of int of shapes (r,) and (s,)
        Positions of the pool rows among the training rows.
    networks : tuple of FittedNetwork, or None
        Maps from codes of either domain to codes of their matches, in the shared space.
    """

    domains: tuple[
        Annotated[CodedDomain, Shape("p", "kx")], Annotated[CodedDomain, Shape("q", "ky")]
    ]
    code_map: Annotated[CodeMap, Shape("kx", "ky")]
    row_map: Annotated[RowMap, Shape("p", "q", "d")] | None
    displacement: Annotated[Displacement, Shape(None, "d")] | None
    matches: Annotated[LatentMatches, Shape("r", "s", "d")]
    rows: tuple[Annotated[Array, Numbers("r", "p")], Annotated[Array, Numbers("s", "q")]]
    points: tuple[Annotated[Array, Numbers("r", "ky")], Annotated[Array, Numbers("s", "ky")]]
    positions: tuple[Annotated[Array, Positions("r")], Annotated[Array, Positions("s")]]
    networks: tuple[Network, Network] | None

    def _check(self) -> None:
        if self.row_map is None and self.matches.shape[2] != self.code_map.shape[1]:
            raise ValueError("the points of the matches must be codes in the shared space")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of columns of the two domains, and dimensions of their codes."""
        (p, kx), (q, ky) = self.domains[0].shape, self.domains[1].shape
        return p, q, kx, ky

    def shared_codes(self, X: Array, domain: int, device: torch.device) -> Array:
        """Codes of rows in the space that both domains share, (b, k)."""
        return self.code_map.to_shared(self.domains[domain].encode(X, device), domain)

    def in_common_space(self, X: Array, domain: int, device: torch.device) -> Array:
        """Rows as points of the space in which near points match, (b, d)."""
        if self.row_map is None:
            points = self.shared_codes(X, domain, device)
        else:
            points = self.row_map.to_shared(self.domains[domain].scaler.transform(X), domain)
        return points if domain or self.displacement is None else self.displacement(points)

    def decode(self, codes: Array, domain: int, device: torch.device) -> Array:
        """Rows of a domain of codes in the shared space."""
        return self.domains[domain].decode(self.code_map.from_shared(codes, domain), device)

    def translate(self, X: Array, source: int, method: str, device: torch.device) -> Array:
        """Translate rows of a domain, 0 or 1, to the other domain by any method but "greedy".

        Raises
        ------
        ValueError
            For an unknown method, and for "network" without a network.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
        target = 1 - source
        if method == "network" or (method == "auto" and self.networks is not None):
            return self.decode(self._apply_network(X, source, device), target, device)
        if method == "decoded":
            codes = self.shared_codes(X, source, device)
        else:
            points = self.in_common_space(X, source, device)
            codes = self.matches.means(points, self.points[target], source)
        return self.decode(codes, target, device)

    def translated_distances(
        self, X: Array, reference: Array, source: int, device: torch.device
    ) -> Array:
        """Distances (b, r) between translations, over the RMS distance of the other domain."""
        translated = (self.translate(Z, source, "auto", device) for Z in (X, reference))
        return centred_distances(*translated) / rms_distance_of_rows(self.rows[1 - source])

    def match(self, X: Array, source: int, device: torch.device) -> Array:
        """Positions of the matches of rows among `rows` of the other domain, (b,)."""
        return self.matches.nearest(self.in_common_space(X, source, device), source)

    def matched_rows(self, X: Array, source: int, device: torch.device) -> tuple[Array, Array]:
        """Positions (b,) of the matches of rows among the training rows, and their values."""
        index, target = self.match(X, source, device), 1 - source
        return self.positions[target][index], self.rows[target][index]

    def joint_plan(self, X: Array, Y: Array, source: int, device: torch.device) -> Array:
        """The plan (b, c) between rows X of a domain and rows Y of the other domain."""
        points = self.in_common_space(X, source, device)
        return joint_plan(points, self.in_common_space(Y, 1 - source, device))

    def _apply_network(self, X: Array, source: int, device: torch.device) -> Array:
        """Codes of rows in the shared space, mapped to the other domain by the network."""
        if self.networks is None:
            raise ValueError('method="network" needs translator="network" in the fit.')
        codes = self.shared_codes(X, source, device)
        network = self.networks[source].build(device)
        with torch.no_grad():
            mapped = network(torch.as_tensor(codes, dtype=torch.float32, device=device))
        return np.asarray(mapped.double().cpu())
