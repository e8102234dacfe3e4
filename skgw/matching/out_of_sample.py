"""Out-of-sample extension of a plan between reference points to all points of both spaces.

Let T couple the reference points x_k with y_l. The linearised cost of matching any x with any y is

    sum_kl (d(x, x_k) - d(y, y_l))^2 T_kl = c(x) + c(y) - 2 G(x, y),
    G(x, y) = sum_kl d(x, x_k) T_kl d(y_l, y),

up to a factor 2, and the plan exp((4 G(x, y) - 2 c(x) - 2 c(y) + f(x) + g(y)) / reg). The
potentials f and g belong to the reference points; a new point has the potential of the nearest
reference point. At a fixed point of the solver the plan between the reference points is T. Anchor
pairs enter T as a further plan, with a weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp

from skgw.fields import Logarithms, Numbers, Positions, Shape
from skgw.solvers import full_precision
from skgw.solvers.linear import Extension, solve_linear
from skgw.spaces.finite import Array
from skgw.storable import storable


@storable
class PlanExtension(NamedTuple):
    """Conditional plans of any points of two spaces, by their distances to the reference points.

    Attributes
    ----------
    plan : array of shape (r, s)
        Between the reference points of both spaces.
    potentials : tuple of arrays of shapes (r,) and (s,)
        f and g of the reference points, divided by `reg`.
    to_x, to_y : Extension
        Conditional plans over all training rows: over the first space for points of the second
        space, and over the second space for points of the first space.
    reference : tuple of arrays of int of shapes (r,) and (s,)
        Positions of the reference points among the training rows.
    """

    plan: Annotated[Array, Numbers("r", "s")]
    potentials: tuple[Annotated[Array, Logarithms("r")], Annotated[Array, Logarithms("s")]]
    to_x: Annotated[Extension, Shape("s", "n")]
    to_y: Annotated[Extension, Shape("r", "m")]
    reference: tuple[
        Annotated[Array, Positions("r", below="n")], Annotated[Array, Positions("s", below="m")]
    ]

    @property
    def shape(self) -> tuple[int, int, int, int, int, int]:
        """Numbers n and m of training rows, and numbers r and s of reference points, twice."""
        (_, n), (_, m), (r, s) = self.to_x.shape, self.to_y.shape, self.plan.shape
        return n, m, r, s, r, s

    def reversed(self) -> PlanExtension:
        """The extension from the second space to the first space."""
        return PlanExtension(
            self.plan.T, self.potentials[::-1], self.to_y, self.to_x, self.reference[::-1]
        )

    def onto_reference(self) -> Extension:
        """Conditional plans over the reference points of the second space."""
        return self.to_y.at(self.reference[1])

    def onto(self, distances: Array, between: Array) -> Extension:
        """Conditional plans over new points of the second space.

        Parameters
        ----------
        distances : array of shape (b, s)
            From the new points to the reference points of their space.
        between : array of shape (s, s)
            Between the reference points. Unused.
        """
        return _extension(self.plan, self.potentials[1], distances, self.to_y.reg)

    def translate(self, distances: Array, points: Any, target: object = None) -> Array:
        """Mean features of the matches of points, (b, width): barycentric projection.

        Parameters
        ----------
        distances : array of shape (b, r)
            From the points to the reference points of their space.
        points : array of shape (s, width)
            Features of the reference points of the second space.
        target : object
            Unused.
        """
        return np.asarray(self.onto_reference().rows(distances) @ points)

    def costs(self, distances: Array, between: Array) -> Iterator[Array]:
        """Linearised costs (n, s) of the matches of rows: one array, as there is one plan.

        Parameters
        ----------
        distances : array of shape (n, r)
            From the rows to the reference points of their space.
        between : array of shape (s, s)
            Between the reference points of the second space.
        """
        own, others = _own_costs(distances, self.plan.sum(1)), _own_costs(between, self.plan.sum(0))
        cross = distances @ self.onto_reference().transported_distances  # (n, s)
        yield np.maximum(own[:, None] + others - 4 * cross, 0)


@full_precision()
def extend_reference_plan(
    distances: tuple[Array, Array],
    reference: tuple[Array, Array],
    plan: Array,
    reg: float,
    weights: tuple[Array, Array],
    *,
    tol: float = 1e-6,
    max_iter: int = 100,
) -> tuple[PlanExtension, float]:
    """Extend a plan between reference points to all points.

    Parameters
    ----------
    distances : tuple of arrays of shapes (n, r) and (m, s)
        From the training rows of either space to its reference points.
    reference : tuple of arrays of int of shapes (r,) and (s,)
    plan : array of shape (r, s)
        T, of any mass.
    reg : float
        Entropic regularisation, in units of the cost.
    weights : tuple of arrays of shapes (r,) and (s,)
        Marginals of the extended plan between the reference points.
    tol : float
        L1 error of these marginals.
    max_iter : int
        Newton steps.

    Returns
    -------
    extension : PlanExtension
    error : float
        L1 error of the column sums of the extended plan between the reference points.
    """
    a, b = (w.clip(np.finfo(w.dtype).tiny) / w.sum() for w in weights)
    Dx, Dy = (D[i] for D, i in zip(distances, reference, strict=True))
    costs = _own_costs(Dx, plan.sum(1)), _own_costs(Dy, plan.sum(0))
    cost = costs[0][:, None] + costs[1] - 4 * Dx @ plan @ Dy.T  # (r, s)
    f, g, error = _potentials(cost, a, b, reg, tol=tol, max_iter=max_iter)
    to_y = _extension(plan, g, distances[1], reg)
    to_x = _extension(plan.T, f, distances[0], reg)
    return PlanExtension(plan, (f, g), to_x, to_y, reference), error


def _own_costs(distances: Array, mass: Array) -> Array:
    """2 c of points at these distances (b, r) from reference points of this mass (r,)."""
    return 2 * (distances * distances) @ mass


def _potentials(
    cost: Array, a: Array, b: Array, reg: float, *, tol: float, max_iter: int
) -> tuple[Array, Array, float]:
    """f (r,) and g (s,) with which exp(f + g - cost / reg) has the marginals a and b."""
    costs = torch.from_numpy(cost)
    p, q = (torch.from_numpy(w).to(costs) for w in (a, b))
    mean = p @ costs  # (s,)
    regs = costs.new_full((1,), reg)
    solution = solve_linear(
        (costs - mean)[None], p[None], q[None], regs,
        tol=torch.full_like(regs, tol), max_iter=max_iter,
    )  # fmt: skip
    g = ((solution.potential[0] + mean) / reg + q.log()).numpy()
    f = np.log(a) - logsumexp(g - cost / reg, axis=1)
    return f, g, float(solution.error[0])


def _extension(plan: Array, potential: Array, distances: Array, reg: float) -> Extension:
    """Conditional plans over columns at `distances` (m, s) from their reference points."""
    log_scaling = potential[distances.argmin(1)] - _own_costs(distances, plan.sum(0)) / reg
    return Extension(plan @ distances.T, log_scaling, reg)
