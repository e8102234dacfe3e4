"""A coupling of reference points, as a rule for all other points of both spaces.

Let T couple the reference points x_k with y_l. Up to terms that depend on one of the two only, the
linearised cost of matching any x with any y is -4 G(x, y) with

    G(x, y) = sum_kl d(x, x_k) T_kl d(y_l, y),

and the plan exp(4 G(x, y) / reg + u(x) + v(y)), where the scalings u and v of new points follow
from those of the reference points by one of Sinkhorn's steps, which makes their marginals right.
At a fixed point of the solver the plan between the reference points themselves is T. Pairs known
to belong together enter T as a further plan, with a weight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.utils import gen_batches

from skgw.solvers.linear import solve_linear
from skgw.solvers.precision import full_precision
from skgw.solvers.projection import Array, Extension

TOLERANCE, MAX_NEWTON = 1e-6, 100  # of the linear problem between the reference points
CHUNK = 2048  # columns whose scalings are computed at a time


class Correspondence(NamedTuple):
    """Which points of either space go together, by their distances to the reference points.

    Attributes
    ----------
    plan : array of shape (r, s)
        Between the reference points of both spaces.
    to_x, to_y : Extension
        Rows over all n training rows of the first space, for points of the second, and the reverse.
    reference : tuple of arrays of int of shapes (r,) and (s,)
        Which training rows are reference points.
    """

    plan: Array
    to_x: Extension
    to_y: Extension
    reference: tuple[Array, Array]

    def reversed(self) -> Correspondence:
        """The same from the second space to the first."""
        return Correspondence(self.plan.T, self.to_y, self.to_x, self.reference[::-1])

    def onto_reference(self) -> Extension:
        """Rows over the reference points of the second space."""
        link, log_scaling, reg = self.to_y
        return Extension(link[:, self.reference[1]], log_scaling[self.reference[1]], reg)

    def onto(self, distances: Array) -> Extension:
        """Rows over new points of the second space, at `distances` (b, s)."""
        scores = self.to_x.link[:, self.reference[0]].T  # (r, s)
        log_scaling = self.to_x.log_scaling[self.reference[0]]
        return _extension(self.plan, scores, log_scaling, distances, self.to_y.reg)


@full_precision()
def correspond(
    distances: tuple[Array, Array],
    reference: tuple[Array, Array],
    plan: Array,
    reg: float,
    weights: tuple[Array, Array] | None = None,
) -> tuple[Correspondence, float]:
    """Set up the rule that a plan between reference points gives.

    Parameters
    ----------
    distances : tuple of arrays of shapes (n, r) and (m, s)
        From the training rows of either space to its reference points.
    reference : tuple of arrays of int of shapes (r,) and (s,)
    plan : array of shape (r, s)
    reg : float
    weights : tuple of arrays of shapes (r,) and (s,), optional
        Marginals of the plan between the reference points; those of `plan` by default.

    Returns
    -------
    correspondence : Correspondence
    error : float
        L1 error of the column sums of the plan between the reference points.
    """
    Dx, Dy = distances
    a, b = (plan.sum(1), plan.sum(0)) if weights is None else weights
    a, b = (w.clip(np.finfo(w.dtype).tiny) / w.sum() for w in (a, b))
    left, right = Dx[reference[0]] @ plan, plan @ Dy[reference[1]].T  # (r, s)
    u, v, error = _log_scalings(left @ Dy[reference[1]].T, a, b, reg)
    to_y = _extension(plan, left, u, Dy, reg, right if len(Dy) == len(b) else None)
    to_x = _extension(plan.T, right.T, v, Dx, reg, left.T if len(Dx) == len(a) else None)
    return Correspondence(plan, to_x, to_y, reference), error


def _log_scalings(scores: Array, a: Array, b: Array, reg: float) -> tuple[Array, Array, float]:
    """u (r,) and v (s,) with which exp(4 scores / reg + u + v) has the marginals a and b."""
    cost = -4 * torch.from_numpy(scores)
    p, q = (torch.from_numpy(w).to(cost) for w in (a, b))
    mean = p @ cost  # (s,)
    regs = cost.new_full((1,), reg)
    solution = solve_linear(
        (cost - mean)[None], p[None], q[None], regs,
        tol=torch.full_like(regs, TOLERANCE), max_iter=MAX_NEWTON,
    )  # fmt: skip
    v = ((solution.potential[0] + mean) / reg + q.log()).numpy()
    u = np.log(a) - logsumexp((4 / reg) * scores + v, axis=1)
    return u, v, float(solution.error[0])


def _extension(
    plan: Array, scores: Array, u: Array, distances: Array, reg: float, link: Array | None = None
) -> Extension:
    """Rows over the columns at `distances` (m, s), which all get the same mass.

    `scores` (r, s) are the distances between the reference points of the rows, times `plan`.
    """
    v = np.empty(len(distances), dtype=distances.dtype)
    for chunk in gen_batches(len(distances), CHUNK):
        v[chunk] = -logsumexp((4 / reg) * (scores @ distances[chunk].T) + u[:, None], axis=0)
    return Extension(plan @ distances.T if link is None else link, v, reg)
