"""Principal coordinates of the rows of two domains, which rotations register."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import pairwise_distances_argmin
from torch import Tensor

from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import DomainPair
from skgw.registration.principal_axes import Coordinates, PrincipalCoordinates, UnitCoordinates
from skgw.registration.procrustes import Pair, Transport, best_rotation, entropic_transport
from skgw.registration.similarity import Similarity
from skgw.registration.unbalanced import UnbalancedSettings, alternate
from skgw.spaces.finite import Array, Index

Rows = tuple[Index, Index]

PLAN_TOLERANCE = 1e-4  # L1 error of the column sums of the last plan


class DomainPoints(NamedTuple):
    """Principal coordinates of all training rows of both domains.

    Attributes
    ----------
    axes : tuple of PrincipalCoordinates or UnitCoordinates
    points : tuple of Tensors of shapes (n, k) and (m, l)
        Of RMS distance one.
    of_pairs, shared : tuples of Tensors of shapes (n, c) and (m, c)
        Coordinates of the anchor pairs and of the shared features, which no rotation changes.
    weights : tuple of Tensors of shapes (n,) and (m,)
        Mass of the rows that plans match, of sum one.
    """

    axes: tuple[Coordinates, Coordinates]
    points: Pair
    of_pairs: Pair
    shared: Pair
    weights: Pair

    @classmethod
    def of(
        cls, pair: DomainPair, side_information: SideInformation, seed: int, max_axes: int
    ) -> DomainPoints:
        """Coordinates of the training rows."""
        x, y = (domain.coordinates() for domain in pair)
        axes = (
            PrincipalCoordinates.of(x, seed, max_axes=max_axes),
            PrincipalCoordinates.of(y, seed, max_axes=max_axes),
        )
        points = _tensor(axes[0].transform(x)), _tensor(axes[1].transform(y))
        (A, B), (F, G) = side_information.coordinates(x.shape[0], y.shape[0])
        weights = _uniform(points[0]), _uniform(points[1])
        return cls(axes, points, (_tensor(A), _tensor(B)), (_tensor(F), _tensor(G)), weights)

    def of_unit_length(self, seed: int) -> DomainPoints:
        """Coordinates of the directions of the rows from their mean."""
        Z, W = (points.numpy() for points in self.points)
        x, y = (axes for axes in self.axes if isinstance(axes, PrincipalCoordinates))
        axes = UnitCoordinates.of(x, Z, seed), UnitCoordinates.of(y, W, seed)
        points = _tensor(axes[0].of_whole(Z)), _tensor(axes[1].of_whole(W))
        return self._replace(axes=axes, points=points)

    def leading(self, n_axes: int) -> DomainPoints:
        """The coordinates along the leading axes, of RMS distance one again."""
        (x, y), (Z, W) = self.axes, (points[:, :n_axes] for points in self.points)
        scales = _rms_distance(Z, self.weights[0]), _rms_distance(W, self.weights[1])
        axes = x.leading(n_axes, scales[0]), y.leading(n_axes, scales[1])
        return self._replace(axes=axes, points=(Z / scales[0], W / scales[1]))

    def reweighted(self, weights: Pair) -> DomainPoints:
        """The coordinates from the mean of rows of these weights, of their RMS distance one."""
        axes, points = [], []
        for each, Z, weight in zip(self.axes, self.points, weights, strict=True):
            centre = weight @ Z
            scale = _rms_distance(Z - centre, weight)
            axes.append(each.about(centre.numpy(), scale))
            points.append((Z - centre) / scale)
        x, y = axes
        return self._replace(axes=(x, y), points=(points[0], points[1]), weights=weights)

    def weighted(self, rows: Rows, plan: Tensor) -> DomainPoints:
        """The coordinates along the axes that a plan between some rows matches, weighted.

        Squared distances between rotated coordinates weigh all axes alike, so that matches along
        the axes that both domains share lose precision to axes of noise. The Gromov-Wasserstein
        objective of inner products weighs each pair of matched axes by its covariance; here both
        axes have the root of it.
        """
        x, y = (axes for axes in self.axes if isinstance(axes, PrincipalCoordinates))
        (Z, W), (z, w) = self.points, self.at(rows).points
        U, covariances, V = torch.linalg.svd(z.T @ plan @ w, full_matrices=False)
        A, B = U * covariances.sqrt(), V.T * covariances.sqrt()
        p, q = self.weights
        A, B = A / _rms_distance(Z @ A, p), B / _rms_distance(W @ B, q)
        axes = x.followed_by(A.numpy()), y.followed_by(B.numpy())
        return self._replace(axes=axes, points=(Z @ A, W @ B))

    def at(self, rows: Rows) -> DomainPoints:
        """Coordinates of some rows of each domain, the rows of all anchor pairs among them."""
        i, j = (torch.from_numpy(index) for index in rows)
        parts = self.points, self.of_pairs, self.shared, self.weights
        points, of_pairs, shared, (a, b) = ((Z[i], W[j]) for Z, W in parts)
        return DomainPoints(self.axes, points, of_pairs, shared, (a / a.sum(), b / b.sum()))

    @property
    def has_side_information(self) -> bool:
        """Whether there are anchor pairs or shared features."""
        return self.of_pairs[0].shape[1] + self.shared[0].shape[1] > 0

    def without_side_information(self) -> DomainPoints:
        """The points alone."""
        nothing = self.points[0][:, :0], self.points[1][:, :0]
        return self._replace(of_pairs=nothing, shared=nothing)

    def register(self, rotation: Tensor, reg_schedule: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        """Improve a rotation (k, l); return it with a plan (n, m) of mass one."""
        for reg in reg_schedule:
            plan = self.transport(rotation, reg).plan
            rotation = self.rotation(plan)
        return rotation, plan / plan.sum()

    def transport(self, rotation: Tensor, reg: float) -> Transport:
        """The entropic plan between the rotated rows; `reg` is relative to the mean cost."""
        return entropic_transport(*self._rotated(rotation), reg, self.weights)

    def unbalanced_transport(self, rotation: Tensor, reg: float, rho: float) -> Transport:
        """The plan between the rotated rows, whose marginals may differ from uniform ones."""
        return entropic_transport(*self._rotated(rotation), reg, rho=rho, tol=PLAN_TOLERANCE)

    def matched_weights(self, rotation: Tensor, rows: Rows, settings: UnbalancedSettings) -> Pair:
        """Weights (n,) and (m,) of all rows: small where no row of the other domain matches.

        They are marginals of an unbalanced registration between some rows, from a rotation. Another
        row has the weight of the nearest of these rows.
        """
        part = self.at(rows)
        (Z, W), (A, B), (F, G) = part.points, part.of_pairs, part.shared
        start = Similarity(rotation, rotation.new_zeros(rotation.shape[1]))
        fixed = torch.cat([A, F], 1), torch.cat([B, G], 1)
        found = alternate(Z, W, start, settings, fixed).weights(settings.min_mass)
        x, y = (_of_nearest(*each) for each in zip(self.points, part.points, found, strict=True))
        return x, y

    def rotation(self, plan: Tensor) -> Tensor:
        """The rotation (k, l) that fits a plan (n, m) of mass one and the anchor pairs best.

        Each anchor pair counts as one more row: k pairs have the weight k / (k + number of rows).
        """
        Z, W = self.points
        cross = Z.T @ plan @ W
        n_pairs = self.of_pairs[0].shape[1]
        if n_pairs:
            weight = n_pairs / (n_pairs + min(len(Z), len(W)))
            A, B = (each / each.sum(0) for each in self.of_pairs)  # of sum one for each pair
            cross = (1 - weight) * cross + weight * (A.T @ Z).T @ (B.T @ W) / n_pairs
        return best_rotation(cross)

    def cost(self, rotation: Tensor, plan: Tensor) -> float:
        """Mean squared distance of the matches, relative to that of all pairs of rows."""
        cost = torch.cdist(*self._rotated(rotation)).square()
        mean = float(self.weights[0] @ cost @ self.weights[1])
        return float((cost * plan).sum() / plan.sum()) / mean if mean > 0 else 0.0

    def log_scalings(self, rotation: Tensor, transport: Transport) -> Pair:
        """Potentials (n,) and (m,) of the rotated rows, divided by the regularisation."""
        return transport.log_scalings(*self._rotated(rotation))

    def _rotated(self, rotation: Tensor) -> Pair:
        (Z, W), (A, B), (F, G) = self.points, self.of_pairs, self.shared
        return torch.cat([Z @ rotation, A, F], 1), torch.cat([W, B, G], 1)


def _of_nearest(points: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """Weights (n,) of sum one of points (n, k): each has the weight of the nearest known point."""
    nearest = pairwise_distances_argmin(points.numpy(), known.numpy())
    found = weights[torch.from_numpy(nearest)]
    return found / found.sum()


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def _uniform(points: Tensor) -> Tensor:
    """Weights (n,) of points (n, k)."""
    return points.new_full((len(points),), 1 / len(points))


def _rms_distance(points: Tensor, weights: Tensor) -> float:
    """Root mean square distance between points whose weighted mean is zero; 1 if all are equal."""
    return float((2 * weights @ points.square().sum(1)).sqrt()) or 1.0
