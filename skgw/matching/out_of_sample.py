"""A coupling of reference points, as a rule for all other points of both spaces.

Let T couple the reference points x_k with y_l. The linearised cost of matching any x with any y is

    sum_kl (d(x, x_k) - d(y, y_l))^2 T_kl = c(x) + c(y) - 2 G(x, y),
    G(x, y) = sum_kl d(x, x_k) T_kl d(y_l, y),

up to a factor 2, and the plan exp((4 G(x, y) - 2 c(x) - 2 c(y) + f(x) + g(y)) / reg). The
potentials f and g are those of the reference points; new points take that of the nearest one. At a
fixed point of the solver the plan between the reference points themselves is T. Pairs known to
belong together enter T as a further plan, with a weight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp

from skgw.solvers import full_precision
from skgw.solvers.linear import Extension, solve_linear
from skgw.spaces.finite import Array
from skgw.storable import storable

TOLERANCE, MAX_NEWTON = 1e-6, 100  # of the linear problem between the reference points


@storable
class Correspondence(NamedTuple):
    """Which points of either space go together, by their distances to the reference points.

    Attributes
    ----------
    plan : array of shape (r, s)
        Between the reference points of both spaces.
    potentials : tuple of arrays of shapes (r,) and (s,)
        Those of the reference points, f and g, over the temperature.
    to_x, to_y : Extension
        Rows over all n training rows of the first space, for points of the second, and the reverse.
    reference : tuple of arrays of int of shapes (r,) and (s,)
        Which training rows are reference points.
    """

    plan: Array
    potentials: tuple[Array, Array]
    to_x: Extension
    to_y: Extension
    reference: tuple[Array, Array]

    def reversed(self) -> Correspondence:
        """The same from the second space to the first."""
        return Correspondence(
            self.plan.T, self.potentials[::-1], self.to_y, self.to_x, self.reference[::-1]
        )

    def onto_reference(self) -> Extension:
        """Rows over the reference points of the second space."""
        link, log_scaling, reg = self.to_y
        return Extension(link[:, self.reference[1]], log_scaling[self.reference[1]], reg)

    def onto(self, distances: Array) -> Extension:
        """Rows over new points of the second space, at `distances` (b, s)."""
        return _extension(self.plan, self.potentials[1], distances, self.to_y.reg)


@full_precision()
def correspond(
    distances: tuple[Array, Array],
    reference: tuple[Array, Array],
    plan: Array,
    reg: float,
    weights: tuple[Array, Array],
) -> tuple[Correspondence, float]:
    """Set up the rule that a plan between reference points gives.

    Parameters
    ----------
    distances : tuple of arrays of shapes (n, r) and (m, s)
        From the training rows of either space to its reference points.
    reference : tuple of arrays of int of shapes (r,) and (s,)
    plan : array of shape (r, s)
        What acts on points; of any mass.
    reg : float
    weights : tuple of arrays of shapes (r,) and (s,)
        Marginals of the plan that the rule is to give for the reference points.

    Returns
    -------
    correspondence : Correspondence
    error : float
        L1 error of the column sums of the plan between the reference points.
    """
    a, b = (w.clip(np.finfo(w.dtype).tiny) / w.sum() for w in weights)
    between = [D[i] for D, i in zip(distances, reference, strict=True)]
    costs = _own_costs(between[0], plan.sum(1)), _own_costs(between[1], plan.sum(0))
    cost = costs[0][:, None] + costs[1] - 4 * between[0] @ plan @ between[1].T  # (r, s)
    f, g, error = _potentials(cost, a, b, reg)
    to_y = _extension(plan, g, distances[1], reg)
    to_x = _extension(plan.T, f, distances[0], reg)
    return Correspondence(plan, (f, g), to_x, to_y, reference), error


def _own_costs(distances: Array, mass: Array) -> Array:
    """2 c of points at these distances (b, r) from reference points of this mass (r,)."""
    return 2 * (distances * distances) @ mass


def _potentials(cost: Array, a: Array, b: Array, reg: float) -> tuple[Array, Array, float]:
    """f (r,) and g (s,) with which exp(f + g - cost / reg) has the marginals a and b."""
    costs = torch.from_numpy(cost)
    p, q = (torch.from_numpy(w).to(costs) for w in (a, b))
    mean = p @ costs  # (s,)
    regs = costs.new_full((1,), reg)
    solution = solve_linear(
        (costs - mean)[None], p[None], q[None], regs,
        tol=torch.full_like(regs, TOLERANCE), max_iter=MAX_NEWTON,
    )  # fmt: skip
    g = ((solution.potential[0] + mean) / reg + q.log()).numpy()
    f = np.log(a) - logsumexp(g - cost / reg, axis=1)
    return f, g, float(solution.error[0])


def _extension(plan: Array, potential: Array, distances: Array, reg: float) -> Extension:
    """Rows over the columns at `distances` (m, s)."""
    log_scaling = potential[distances.argmin(1)] - _own_costs(distances, plan.sum(0)) / reg
    return Extension(plan @ distances.T, log_scaling, reg)
