"""Conditional plans of registered rows, for all training rows and for new rows.

The conditional plan of a point with principal coordinates z, under a rotation R, is

    exp((2 <z R, w_j> - |w_j|^2 + g_j) / reg), normalised over the rows w_j of the other domain.

The plan is the mean over the rotations that may be right. The potentials g solve the unbalanced
transport problem between a part of the rows, with a penalty on the marginals, so that a group that
is rare in the other domain need not match other groups. Another point has the potential of the
nearest of these rows. Means and RMS distances of the domains are those of the matched mass.

A translated row is the mean of its matches, moved half of the way to the rotated place of the row.
The mean alone is drawn to the centre of the domain where no row matches well, as between disjoint
rows, and the rotated place alone has the noise of the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches
from torch import Tensor

from skgw.fields import Numbers, Positions, Shape
from skgw.matching.domain_points import DomainPoints, Rows
from skgw.matching.registered_plan import RegistrationSettings, Rotations
from skgw.matching.training_domain import ReferenceDomain
from skgw.registration.landmark_scaling import LandmarkScaling
from skgw.registration.principal_axes import Coordinates
from skgw.registration.procrustes import Pair
from skgw.solvers import full_precision
from skgw.solvers.linear import Extension
from skgw.spaces.finite import Array
from skgw.storable import storable
from skgw.threads import each_on_a_thread

BATCH = 2048  # rows whose conditional plans are computed at once
MIN_REG = 1e-4  # relative to the mean cost
RESIDUAL_SHARE = 0.5  # of the way from the mean of the matches to the rotated place of a row


@storable
class RegisteredDomain(NamedTuple):
    """The reference rows of a domain, and the principal coordinates of any rows.

    Attributes
    ----------
    reference : ReferenceDomain
    axes : PrincipalCoordinates or UnitCoordinates
    coordinates : array of shape (r, k)
        Along these axes, of the reference rows.
    scaling : LandmarkScaling, optional
        Of distances to the reference rows; its coordinates, in place of features, have the axes.
    """

    reference: Annotated[ReferenceDomain, Shape("p", "r", "r")]
    axes: Annotated[Coordinates, Shape(None, "k")]
    coordinates: Annotated[Array, Numbers("r", "k")]
    scaling: Annotated[LandmarkScaling, Shape("r", None)] | None = None

    def _check(self) -> None:
        width = self.reference.shape[0] if self.scaling is None else self.scaling.shape[1]
        if self.axes.shape[0] != width:
            raise ValueError("the axes of a RegisteredDomain must be those of its coordinates")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of columns of new rows, of reference rows, and of coordinates."""
        return self.reference.shape[0], *self.coordinates.shape

    @property
    def plain(self) -> ReferenceDomain:
        """The domain under its distances."""
        return self.reference.plain

    def points(self, X: Any) -> Any:
        """Features of the reference rows, (r, width)."""
        return self.reference.points(X)

    def features(self, X: Any) -> Array:
        """Principal coordinates of validated rows, (len(X), k)."""
        if self.scaling is not None:
            X = self.scaling.transform(self.reference.space.from_new(X))
        return self.axes.transform(X)

    def chunks(self, X: Any) -> Iterator[Array]:
        """Chunks of rows of the result of `features`."""
        for batch in gen_batches(X.shape[0], BATCH):
            yield self.features(X[batch])

    def reference_features(self) -> Array:
        """Principal coordinates of the reference rows, (r, k)."""
        return self.coordinates


@storable
class Mixture(NamedTuple):
    """Weighted mean of conditional plans.

    Attributes
    ----------
    parts : tuple of Extension
    weights : array of shape (c,)
        Of sum one.
    """

    parts: tuple[Annotated[Extension, Shape("k", "m")], ...]
    weights: Annotated[Array, Numbers("c")]

    def _check(self) -> None:
        if len(self.parts) != len(self.weights):
            raise ValueError("a Mixture must have one weight for each part")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of coordinates, and number m of points of the other space."""
        return self.parts[0].shape

    def at(self, columns: Array) -> Mixture:
        """Conditional plans over some of the points of the other space."""
        return Mixture(tuple(part.at(columns) for part in self.parts), self.weights)

    def rows(self, coordinates: Array) -> Array:
        """Conditional plan (b, m) of points of these coordinates (b, k); rows sum to 1."""
        parts = (part.rows(coordinates) for part in self.parts)
        return sum(w * rows for w, rows in zip(self.weights, parts, strict=True))


@storable
class RegisteredExtension(NamedTuple):
    """Conditional plans of any points of two spaces, by their principal coordinates.

    Attributes
    ----------
    rotations : array of shape (c, k, l)
        From coordinates of the first space to coordinates of the second space.
    to_x, to_y : Mixture
        Conditional plans over all training rows: over the first space for points of the second
        space, and over the second space for points of the first space. A part for each rotation.
    reference : tuple of arrays of int of shapes (r,) and (s,)
        Positions of the reference rows among the training rows.
    """

    rotations: Annotated[Array, Numbers("c", "k", "l")]
    to_x: Annotated[Mixture, Shape("l", "n")]
    to_y: Annotated[Mixture, Shape("k", "m")]
    reference: tuple[
        Annotated[Array, Positions("r", below="n")], Annotated[Array, Positions("s", below="m")]
    ]

    def _check(self) -> None:
        if not len(self.rotations) == len(self.to_x.parts) == len(self.to_y.parts):
            raise ValueError("a RegisteredExtension must have one part for each rotation")

    @property
    def shape(self) -> tuple[int, int, int, int, int, int]:
        """Numbers n and m of training rows, r and s of reference rows, k and l of coordinates."""
        (k, m), (i, j) = self.to_y.shape, self.reference
        return self.to_x.shape[1], m, len(i), len(j), k, self.to_x.shape[0]

    def reversed(self) -> RegisteredExtension:
        """The extension from the second space to the first space."""
        rotations = self.rotations.transpose(0, 2, 1)
        return RegisteredExtension(rotations, self.to_y, self.to_x, self.reference[::-1])

    def onto_reference(self) -> Mixture:
        """Conditional plans over the reference rows of the second space."""
        return self.to_y.at(self.reference[1])

    def onto(self, coordinates: Array, reference: Array) -> Mixture:
        """Conditional plans over new points of the second space.

        Parameters
        ----------
        coordinates, reference : arrays of shapes (b, l) and (s, l)
            Of the new points, and of the reference rows of their space.
        """
        parts = (
            _extended(rotation, coordinates, reference, part.log_scaling, part.reg)
            for rotation, part in zip(self.rotations, self.onto_reference().parts, strict=True)
        )
        return Mixture(tuple(parts), self.to_y.weights)

    def translate(self, coordinates: Array, points: Any, target: object = None) -> Array:
        """Mean features of the matches of points, moved towards their rotated places, (b, width).

        Parameters
        ----------
        coordinates : array of shape (b, k)
        points : array of shape (s, width)
            Features of the reference rows of the second space.
        target : RegisteredDomain, optional
            The second space, if the points are its rows as they are. Nothing moves without it, or
            if coordinates by distances stand for features.
        """
        onto = self.onto_reference()
        if not isinstance(target, RegisteredDomain) or target.scaling is not None:
            return np.asarray(onto.rows(coordinates) @ points)
        reference, lengths = target.reference_features(), target.axes.lengths(points)
        translated = np.zeros((len(coordinates), points.shape[1]))
        for weight, rotation, part in zip(onto.weights, self.rotations, onto.parts, strict=True):
            rows = part.rows(coordinates)
            residual = RESIDUAL_SHARE * (coordinates @ rotation - rows @ reference)
            translated += weight * (rows @ points + target.axes.lift(residual, rows @ lengths))
        return translated

    def costs(self, coordinates: Array, reference: Array) -> Iterator[Array]:
        """Costs (n, s) of the matches of rows, for each rotation.

        Parameters
        ----------
        coordinates, reference : arrays of shapes (n, k) and (s, l)
            Of the rows, and of the reference rows of the second space.
        """
        for rotation in self.rotations:
            yield euclidean_distances(coordinates @ rotation, reference, squared=True)


@full_precision()
def extend_rotations(
    found: Rotations,
    rows: Rows,
    reference: Rows,
    settings: RegistrationSettings,
    *,
    weighted: bool = False,
) -> tuple[RegisteredExtension, DomainPoints, Array, float]:
    """Extend rotations to a plan of all rows.

    Parameters
    ----------
    found : Rotations
        Each is improved, along more axes if there are many rows.
    rows : pair of arrays of int
        Rows between which the transport problems are solved.
    reference : pair of arrays of int
        Reference rows.
    settings : RegistrationSettings
    weighted : bool, default=False
        Whether the axes are weighted by the best rotation, `DomainPoints.weighted`.

    Returns
    -------
    extension : RegisteredExtension
    coordinates : DomainPoints
        The coordinates that the extension reads, of all training rows.
    plan : array
        Between `rows`.
    error : float
        Largest L1 error of the column sums of a transport problem.
    """
    n_axes = max(settings.n_axes, min(map(len, rows)) // settings.rows_per_axis)
    coordinates = found.plans[0].leading(n_axes)
    starts = [
        each.leading(settings.n_axes).at(rows)
        .transport(each.rotation, settings.reg_schedule[-1]).plan
        for each in found.plans
    ]  # fmt: skip
    if weighted:  # the cost of the matches is that of few axes, and says nothing of the noise
        coordinates = coordinates.weighted(rows, starts[0])
        settings = replace(settings, n_refinements=0)
    part = coordinates.at(rows)
    improved = [
        *each_on_a_thread(lambda plan: _improved(part, part.rotation(plan), settings), starts)
    ]
    coordinates = coordinates.reweighted(_of_all(coordinates, rows, improved[0].part.weights))
    part = coordinates.at(rows)
    free = part.without_side_information()  # as new rows are
    (x, y), (z, w) = (
        tuple(points.numpy() for points in each.points) for each in (coordinates, part)
    )
    to_x, to_y, plans, errors = [], [], [], []
    for _, rotation, relative_reg in improved:
        transport = free.unbalanced_transport(rotation, relative_reg, settings.rho)
        f, g = (potential.numpy() for potential in free.log_scalings(rotation, transport))
        R, reg = rotation.numpy(), float(transport.reg)
        to_x.append(_extended(R.T, x, z, f - np.square(z @ R).sum(1) / reg, reg))
        to_y.append(_extended(R, y, w, g - np.square(w).sum(1) / reg, reg))
        if part.has_side_information:
            transport = part.unbalanced_transport(rotation, relative_reg, settings.rho)
        plans.append(transport.plan.numpy())
        errors.append(float(transport.error))
    extension = RegisteredExtension(
        np.stack([rotation.numpy() for _, rotation, _ in improved]),
        Mixture(tuple(to_x), found.weights), Mixture(tuple(to_y), found.weights), reference,
    )  # fmt: skip
    return extension, coordinates, np.tensordot(found.weights, np.stack(plans), 1), max(errors)


class _Improved(NamedTuple):
    """A rotation, the coordinates of the rows it takes, and the regularisation of its plan."""

    part: DomainPoints
    rotation: Tensor
    reg: float


def _improved(part: DomainPoints, rotation: Tensor, settings: RegistrationSettings) -> _Improved:
    """The rotation, and the weights of the rows, that fit their own plan best.

    The regularisation falls with the cost of the matches: below this scale, differences of the cost
    are noise of the data. It is relative to the mean cost.
    """
    reg = settings.reg_schedule[-1]
    for _ in range(settings.n_refinements):
        plan = part.unbalanced_transport(rotation, reg, settings.rho).plan
        part = part.reweighted((plan.sum(1), plan.sum(0)))
        rotation = part.rotation(plan)
        reg = min(reg, max(settings.reg_per_cost * part.cost(rotation, plan), MIN_REG))
    return _Improved(part, rotation, reg)


def _of_all(coordinates: DomainPoints, rows: Rows, weights: Pair) -> Pair:
    """Weights (n,) and (m,) of all training rows; rows without a weight have zero."""
    x, y = (
        torch.zeros(len(points), dtype=points.dtype).index_put((torch.from_numpy(i),), weight)
        for points, i, weight in zip(coordinates.points, rows, weights, strict=True)
    )
    return x, y


def _extended(
    rotation: Array, coordinates: Array, known: Array, log_scaling: Array, reg: float
) -> Extension:
    """Conditional plans over points (b, l) that have the potentials of the nearest known points.

    The known points (r, l) have these logarithms `log_scaling` (r,) in an `Extension`.
    """
    potentials = log_scaling + np.square(known).sum(1) / reg
    nearest = pairwise_distances_argmin(coordinates, known)
    log_scaling = potentials[nearest] - np.square(coordinates).sum(1) / reg
    return Extension(rotation @ coordinates.T / 2, log_scaling, reg)
