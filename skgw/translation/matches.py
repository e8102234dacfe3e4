"""Points of two domains in one space, where those that are near to each other are partners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from skgw.registration.procrustes import REFINING, transport
from skgw.solvers import LazyPlan
from skgw.storable import storable

WIDTH = 0.01  # squared, of the kernel that averages partners, over the mean squared distance
SOFT = 0.05  # temperature of plans between all points; potentials of a sample are noise far below
FEW, MANY = 200, 20  # of so many points, one is among the nearest, and the next
CHUNK = 2048  # points that are compared at a time
TINY = 1e-6

Array = NDArray[Any]


@storable
class Partners(NamedTuple):
    """Points of both domains, to find the partners of others among.

    A plan gives each point its share of mass, by potentials. Those of a sample are uncertain and
    lead away from the nearest, so single points are compared by their distances alone.

    Attributes
    ----------
    points : tuple of arrays of shapes (n, d) and (m, d)
    scores : tuple of arrays of shapes (r,) and (s,)
        Potentials over `reg` of the first of the points, with which the conditional plan of another
        one is a softmax.
    reg : float
    """

    points: tuple[Array, Array]
    scores: tuple[Array, Array]
    reg: float

    @classmethod
    def of(
        cls, points: tuple[Array, Array], n_reference: int, mass: tuple[Array, Array] | None = None
    ) -> Partners:
        """Keep points, the first `n_reference` of either side in random order.

        Each has the same share of the mass, or that of `mass`, (n,) and (m,).
        """
        one, other = (torch.as_tensor(p[:n_reference]) for p in points)
        weights = None
        if mass is not None:
            a, b = (torch.as_tensor(w[:n_reference]).clamp_min(TINY) for w in mass)
            weights = a / a.sum(), b / b.sum()
        found = transport(one, other, SOFT, weights)
        f, g = found.scores(one, other)
        return cls(points, (f.numpy(), g.numpy()), float(found.reg))

    def nearest(self, Z: Array, here: int) -> Array:
        """Positions of the partners of points (b, d) of the domain `here`."""
        return nearest(Z, self.points[1 - here])

    def means(self, Z: Array, values: Array, here: int) -> Array:
        """Means of `values` (m, k), of the points of the other domain, near points (b, d)."""
        others = self.points[1 - here]
        width = WIDTH * 2 * max(float(others.var(0).sum()), TINY)

        def means(z: Array) -> Array:
            distances = euclidean_distances(z, others, squared=True)
            return np.asarray(softmax(-distances / width, axis=1) @ values)

        return _in_chunks(Z, means)

    def plan(self, one: Array, other: Array, here: int, mass: Array | None = None) -> LazyPlan:
        """Between points of one domain, `here`, of some `mass`, and many of the other one."""
        mine = self.points[here][: len(self.scores[here])]

        def scores(z: Array) -> Array:
            distances = euclidean_distances(z, mine, squared=True)
            return -np.asarray(logsumexp(self.scores[here] - distances / self.reg, axis=1))

        mass = np.ones(len(one)) if mass is None else mass
        linear = _in_chunks(other, scores) - (other * other).sum(1) / self.reg
        return LazyPlan((2 / self.reg) * one, other, linear, mass / mass.sum())

    def confidence(self, Z: Array, here: int) -> Array:
        """How much nearer the nearest possible partners are than the next ones, (b,), in [0, 1].

        In a group of its own a point is near to a few and far from all others; in an even cloud of
        many dimensions all are about as far.
        """
        others = self.points[1 - here]
        few, many = (max(k, len(others) // share) - 1 for k, share in ((1, FEW), (3, MANY)))
        few, many = (min(k, len(others) - 1) for k in (few, many))

        def ratio(z: Array) -> Array:
            distances = np.partition(euclidean_distances(z, others), (few, many), axis=1)
            return np.asarray(distances[:, few] / np.maximum(distances[:, many], TINY))

        return 1 - _in_chunks(Z, ratio)


def matched(one: Array, other: Array) -> Array:
    """Partners of points (n, d) among others (m, d), all of which are to have one."""
    Z, W = torch.as_tensor(one), torch.as_tensor(other)
    return np.asarray(transport(Z, W, REFINING[-1]).plan.argmax(1))


def nearest(points: Array, others: Array) -> Array:
    """Positions of the nearest of others (m, d) to each of some points (n, d)."""
    return _in_chunks(points, lambda z: euclidean_distances(z, others).argmin(1))


def _in_chunks(points: Array, function: Callable[[Array], Array]) -> Array:
    return np.concatenate([function(points[i]) for i in gen_batches(len(points), CHUNK)])
