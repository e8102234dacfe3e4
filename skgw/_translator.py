"""What a fit of two autoencoders leaves: encode, go across, decode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from skgw.alignment.codes import CodeMap
from skgw.alignment.registration import REFINING, transport
from skgw.nn import FittedNetwork
from skgw.nn.coding import CodedDomain
from skgw.nn.residual import ResidualMap
from skgw.solvers import LazyPlan

TINY = 1e-6
FEW, MANY = 200, 20  # of so many reference points, one is among the nearest, and the next
CHUNK = 2048  # rows that are compared at a time
METHODS = ("auto", "decoded", "network", "barycentric", "greedy")

Array = NDArray[Any]


class Translator(NamedTuple):
    """Two coded domains, and the ways between their codes.

    Attributes
    ----------
    domains : tuple of CodedDomain
    map : CodeMap
    rows : tuple of arrays of shapes (r, p) and (s, q)
        The reference rows of either domain.
    networks : tuple of FittedNetwork, or None
        Maps from points of the shared space to partners in it, for either domain.
    """

    domains: tuple[CodedDomain, CodedDomain]
    map: CodeMap
    rows: tuple[Array, Array]
    networks: tuple[FittedNetwork[ResidualMap], FittedNetwork[ResidualMap]] | None

    def shared(self, X: Array, here: int, device: torch.device) -> Array:
        """Rows of a domain as points of the space that both share, (b, d)."""
        return self.map.shared(self.domains[here].encode(X, device), here)

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
        there, points = 1 - here, self.shared(X, here, device)
        if method == "greedy":
            best = self._in_chunks(points, lambda z: self.map.partners(z, here).argmax(1))
            return np.asarray(self.rows[there][best])
        if method == "barycentric":
            points = self._in_chunks(points, lambda z: self.map.partner_means(z, here))
        elif method == "network" or (method == "auto" and self.networks is not None):
            points = self._moved(points, here, device)
        return self.decode(points, there, device)

    def plan(self, one: Array, other: Array, here: int) -> LazyPlan:
        """Between codes of one domain, `here`, and many codes of the other one."""
        codes = self.map.shared(one, here), self.map.shared(other, 1 - here)
        return self.map.plan(*codes, here)

    def matched(self, X: Array, Y: Array, here: int, device: torch.device) -> Array:
        """Partners of rows among given rows of the other domain, all of which are to have one."""
        ends = self.shared(X, here, device), self.shared(Y, 1 - here, device)
        one, other = (torch.as_tensor(points) for points in ends)
        return np.asarray(transport(one, other, REFINING[-1]).plan.argmax(1))

    def confidence(self, codes: Array, here: int) -> Array:
        """How much nearer the nearest possible partners are than the next ones, (n,), in [0, 1].

        In a group of its own a point is near to a few and far from all others; in an even cloud of
        many dimensions all are about as far.
        """
        reference = self.map.reference[1 - here]
        few, many = (max(k, len(reference) // share) - 1 for k, share in ((1, FEW), (3, MANY)))
        few, many = (min(k, len(reference) - 1) for k in (few, many))

        def ratio(points: Array) -> Array:
            distances = np.partition(euclidean_distances(points, reference), (few, many), axis=1)
            return np.asarray(distances[:, few] / np.maximum(distances[:, many], TINY))

        return 1 - self._in_chunks(self.map.shared(codes, here), ratio)

    def _moved(self, points: Array, here: int, device: torch.device) -> Array:
        if self.networks is None:
            raise ValueError('method="network" needs translator="network" in the fit.')
        network = self.networks[here].build(device)
        with torch.no_grad():
            moved = network(torch.as_tensor(points, dtype=torch.float32, device=device))
        return np.asarray(moved.double().cpu())

    @staticmethod
    def _in_chunks(points: Array, function: Callable[[Array], Array]) -> Array:
        return np.concatenate([function(points[i]) for i in gen_batches(len(points), CHUNK)])
