"""Out-of-sample extension of a coupling to new points.

Given a coupling T between reference points x of one space and y of another, the linearised cost of
matching a new point x* with y_j is, up to terms that do not depend on j,

    M_j(x*) = 2 sum_l d(y_j, y_l)^2 q_l - 4 sum_kl d(x*, x_k) T_kl d(y_l, y_j),

and the row of x* in the plan is the softmax of (g_j - M_j) / reg + log q_j, with the column
potential g of the reference problem. At a fixed point of the solver the rows of reference points
are the rows of T.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from scipy.special import softmax
from torch import Tensor

from skgw.fields import Above, Logarithms, Numbers
from skgw.solvers.inputs import NumpyArray as Array
from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.precision import full_precision
from skgw.storable import storable

MIN_REG = 1e-300  # above it, distances over `reg` are finite


@storable
class Extension(NamedTuple):
    """Rows of a plan for new points, from their distances to the reference points.

    Attributes
    ----------
    transported_distances : array of shape (n_reference, m)
        T times the distances of the y: sum_l T_kl d(y_l, y_j), the mean distance from y_j to the
        matches of x_k, times the mass of x_k.
    log_scaling : array of shape (m,)
        Column potential and constants, over `reg`.
    reg : float
        Weight of the entropy, in units of squared distances.
    """

    transported_distances: Annotated[Array, Numbers("r", "m")]
    log_scaling: Annotated[Array, Logarithms("m")]
    reg: Annotated[float, Above(MIN_REG)]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of reference points, and number m of points of the other space."""
        n_reference, m = self.transported_distances.shape
        return n_reference, m

    def at(self, columns: Array) -> Extension:
        """Conditional plans over some of the points of the other space."""
        transported_distances, log_scaling, reg = self
        return Extension(transported_distances[:, columns], log_scaling[columns], reg)

    def logits(self, distances: Array) -> Array:
        """Logarithms (b, m) of the plan of points at `distances` (b, n_reference).

        They are determined up to a constant for each row.
        """
        return (4 / self.reg) * (distances @ self.transported_distances) + self.log_scaling

    def rows(self, distances: Array) -> Array:
        """Conditional plan (b, m) of points at `distances` (b, n_reference); rows sum to 1."""
        rows: Array = softmax(self.logits(distances), axis=1)
        return rows


@full_precision()
def extend_plan(
    D: Tensor, plan: Tensor, E: Tensor, reg: float, *, tol: float = 1e-6, max_iter: int = 100
) -> tuple[Extension, Tensor]:
    """Compute the extension of a coupling, by one linear problem between the reference points.

    Parameters
    ----------
    D, E : Tensor of shapes (n, n) and (m, m)
        Distances between the reference points of each space.
    plan : Tensor of shape (n, m)
        The coupling T.
    reg : float
        Weight of the entropy, in units of squared distances.
    tol : float, default=1e-6
        L1 error of the column sums of the linear problem.
    max_iter : int, default=100
        Newton steps of the linear problem.

    Returns
    -------
    extension : Extension
    error : Tensor of shape ()
        L1 error of the column sums of the extended plan.
    """
    a, b = (sums / sums.sum() for sums in (plan.sum(1), plan.sum(0)))
    transported_distances = plan @ E  # (n, m)
    columns = 2 * (E * E) @ b  # (m,)
    cost = columns - 4 * D @ transported_distances
    regs = cost.new_full((1,), reg)
    solution = solve_linear(
        cost[None], a[None], b[None], regs, tol=torch.full_like(regs, tol), max_iter=max_iter
    )
    log_scaling = (solution.potential[0] - columns) / reg + b.log()
    extension = Extension(transported_distances.cpu().numpy(), log_scaling.cpu().numpy(), reg)
    return extension, solution.error[0]
