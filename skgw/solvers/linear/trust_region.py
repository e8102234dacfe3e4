"""Newton steps with conjugate gradients in a trust region, for concave functions of a potential.

One step has three parts, for each problem of a batch:

- direction: Newton's, by conjugate gradients that stop at the trust radius (Steihaug 1983);
- acceptance: the step is cut at the trust radius, and accepted if the error falls enough or the
  value rises enough (Armijo);
- fallback: a rejected step is replaced by one that cannot fail, and the radius shrinks.

References
----------
.. [1] :cite:t:`steihaug1983`.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor

from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR, conjugate_gradients
from skgw.solvers.settings import NewtonSettings
from skgw.solvers.synchronisation import any_of


class Point(Protocol):
    """A potential, with the gradient of the function at it."""

    @property
    def potential(self) -> Tensor:
        """Column potential over reg, (B, m)."""

    @property
    def gradient(self) -> Tensor:
        """Gradient over reg, (B, m)."""

    @property
    def error(self) -> Tensor:
        """L1 norm of the gradient, (B,)."""


P = TypeVar("P", bound=Point)


class ConcaveDual(Protocol[P]):
    """A batch of concave functions of a potential that is defined up to a constant."""

    @property
    def b(self) -> Tensor:
        """Weights (B, m) under which a direction has mean zero."""

    def evaluate(self, potential: Tensor) -> P:
        """The point at a potential (B, m)."""

    def value(self, at: P) -> Tensor:
        """The function over reg, up to a constant, (B,)."""

    def curvature(self, at: P) -> tuple[Tensor, Tensor]:
        """A (B, k, m) and s (B, 1, m): minus the Hessian is S^-1 (I - A'A) S^-1, S = diag(s)."""

    def fallback(self, at: P) -> Tensor:
        """Potential (B, m) of a step that cannot fail."""


def newton_step(
    dual: ConcaveDual[P],
    at: P,
    radius: Tensor,
    todo: Tensor,
    tol: Tensor,
    settings: NewtonSettings,
) -> tuple[P, Tensor]:
    """One step of the problems in `todo` (B,); the new point and the new trust radius (B,)."""
    direction = newton_direction(dual, at, radius, todo, settings)
    length = direction.abs().amax(1)
    step = (radius / length.clamp_min(SMALLEST_DIVISOR)).clamp_max(1.0)
    new = dual.evaluate(torch.addcmul(at.potential, step[:, None], direction))
    grown = torch.where(length > radius, settings.radius_growth * radius, radius)
    grown = grown.clamp_max(settings.max_radius)
    # Two tests: far from the solution the error may not fall, and close to the solution differences
    # of values are rounding errors.
    doubtful = todo & ~(new.error < torch.maximum(settings.error_reduction * at.error, tol))
    if not any_of(doubtful):
        return new, grown
    predicted = step * (at.gradient * direction).sum(1)
    least_gain = settings.sufficient_gain * predicted
    rejected = doubtful & ~(dual.value(new) - dual.value(at) > least_gain)
    if not any_of(rejected):
        return new, grown
    safe = dual.fallback(at)
    new = dual.evaluate(torch.where(rejected[:, None], safe, new.potential))
    shrunk = (settings.radius_shrinkage * step * length).clamp_min(settings.min_radius)
    return new, torch.where(rejected, shrunk, grown)


def newton_direction(
    dual: ConcaveDual[P], at: P, radius: Tensor, todo: Tensor, settings: NewtonSettings
) -> Tensor:
    """Newton's direction, (B, m), zero for the problems that are not in `todo`."""
    A, scale = dual.curvature(at)
    residual = at.gradient[:, None, :] * scale
    d = conjugate_gradients(
        A, residual, scale, radius[:, None, None], todo[:, None, None], settings
    )[:, 0]
    return d - (d * dual.b).sum(1, keepdim=True) / dual.b.sum(1, keepdim=True)
