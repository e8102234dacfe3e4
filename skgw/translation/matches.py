"""Matches of points of two domains in a common space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches
from torch import Tensor

from skgw.fields import Logarithms, Numbers, Positive
from skgw.registration.procrustes import FINE_REG_SCHEDULE, entropic_transport
from skgw.solvers import LazyPlan
from skgw.spaces.finite import Array
from skgw.storable import storable

CHUNK_SIZE = 2048  # points whose distances are held at a time
MIN_SCALE = 1e-6  # distances, variances and masses below it count as zero

Points = TypeVar("Points", Tensor, NDArray[Any])


@storable
class LatentMatches(NamedTuple):
    """Points of both domains in one space, in which near points match.

    A plan gives each point its share of the mass, by potentials. The potentials of a sample are
    uncertain and lead away from the nearest points, so that single points are matched by distances
    alone.

    Attributes
    ----------
    points : tuple of arrays of shapes (n, d) and (m, d)
    log_scalings : tuple of arrays of shapes (r,) and (s,)
        Potentials of the reference points, the first of the points, divided by `reg`. The
        conditional plan of another point is a softmax of these.
    reg : float
        Entropic regularisation of the plan, in squared distances.
    """

    points: tuple[Annotated[Array, Numbers("n", "d")], Annotated[Array, Numbers("m", "d")]]
    log_scalings: tuple[Annotated[Array, Logarithms("r")], Annotated[Array, Logarithms("s")]]
    reg: Positive

    def _check(self) -> None:
        if any(len(f) > len(x) for f, x in zip(self.log_scalings, self.points, strict=True)):
            raise ValueError("LatentMatches has more reference points than points")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of points of the two domains, and their dimension."""
        x, y = self.points
        return len(x), len(y), x.shape[1]

    @classmethod
    def of(
        cls,
        points: tuple[Array, Array],
        n_reference: int,
        mass: tuple[Array, Array] | None = None,
        *,
        reg: float = 0.05,
    ) -> LatentMatches:
        """Keep points of both domains, and solve for a plan between reference points.

        Parameters
        ----------
        points : tuple of arrays of shapes (n, d) and (m, d)
            In random order.
        n_reference : int
            Number of reference points of either domain, the first of its points.
        mass : tuple of arrays of shapes (n,) and (m,), optional
            Mass of each point; uniform by default.
        reg : float
            Entropic regularisation, relative to the mean squared distance; the potentials of a
            sample are noise far below the default.
        """
        x, y = (torch.as_tensor(p[:n_reference]) for p in points)
        weights = None
        if mass is not None:
            a, b = (torch.as_tensor(w[:n_reference]).clamp_min(MIN_SCALE) for w in mass)
            weights = a / a.sum(), b / b.sum()
        found = entropic_transport(x, y, reg, weights)
        f, g = found.log_scalings(x, y)
        return cls(points, (f.numpy(), g.numpy()), float(found.reg))

    def nearest(self, Z: Array, source: int) -> Array:
        """Positions of the matches of points (b, d) of a domain, 0 or 1, among the other points."""
        return nearest(Z, self.points[1 - source])

    def means(self, Z: Array, values: Array, source: int, *, width: float = 0.01) -> Array:
        """Means of the values (m, k) of the other domain's points near points (b, d) of a domain.

        `width` is the squared width of the kernel, relative to the mean squared distance.
        """
        others = self.points[1 - source]
        squared_width = width * 2 * max(float(others.var(0).sum()), MIN_SCALE)

        def means(z: Array) -> Array:
            squares = euclidean_distances(z, others, squared=True)
            return np.asarray(softmax(-squares / squared_width, axis=1) @ values)

        return in_chunks(Z, means)

    def plan(
        self, points: Array, others: Array, source: int, mass: Array | None = None
    ) -> LazyPlan:
        """The plan from points (b, d) of a domain, 0 or 1, to points (c, d) of the other domain.

        `mass` (b,) is the mass of each point; uniform by default.
        """
        log_scaling = self.log_scalings[source]
        reference = self.points[source][: len(log_scaling)]

        def potential(z: Array) -> Array:
            squares = euclidean_distances(z, reference, squared=True)
            return -np.asarray(logsumexp(log_scaling - squares / self.reg, axis=1))

        mass = np.ones(len(points)) if mass is None else mass
        linear = in_chunks(others, potential) - (others * others).sum(1) / self.reg
        return LazyPlan((2 / self.reg) * points, others, linear, mass / mass.sum())

    def confidence(self, Z: Array, source: int, *, near: int = 200, far: int = 20) -> Array:
        """Confidence in the matches of points (b, d) of a domain, 0 or 1: (b,), between 0 and 1.

        It is one minus the ratio of two distances to the other domain's points: the quantiles
        ``1 / near`` and ``1 / far``, the nearest and the third-nearest point at least. A point in a
        small group is near to few points and far from the others; in an even cloud of many
        dimensions the ratio is near one.
        """
        others = self.points[1 - source]
        ranks = max(1, len(others) // near), max(3, len(others) // far)
        first, second = (min(rank, len(others)) - 1 for rank in ranks)

        def ratio(z: Array) -> Array:
            distances = np.partition(euclidean_distances(z, others), (first, second), axis=1)
            return np.asarray(distances[:, first] / np.maximum(distances[:, second], MIN_SCALE))

        return 1 - in_chunks(Z, ratio)


def joint_plan(points: Array, others: Array) -> Array:
    """The plan (n, m) of points (n, d) and others (m, d), of which each has its share of mass."""
    Z, W = torch.as_tensor(points), torch.as_tensor(others)
    return np.asarray(entropic_transport(Z, W, FINE_REG_SCHEDULE[-1]).plan)


def nearest(points: Points, others: Points) -> Points:
    """Positions of the nearest of others (m, d) to each of some points (n, d)."""
    P, Q = torch.as_tensor(points), torch.as_tensor(others)
    found = torch.cat([torch.cdist(part, Q).argmin(1) for part in P.split(CHUNK_SIZE)])
    return found if isinstance(points, Tensor) else found.numpy()


def in_chunks(points: Array, function: Callable[[Array], Array]) -> Array:
    """Values of a function of points (b, d), computed for `CHUNK_SIZE` points at a time."""
    return np.concatenate([function(points[i]) for i in gen_batches(len(points), CHUNK_SIZE)])
