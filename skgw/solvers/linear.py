"""Entropic optimal transport by semi-dual Newton steps with conjugate gradients.

The row potential is eliminated: with the column potential g alone, the plan

    T_ij = a_i softmax_j((g_j - M_ij) / reg + log b_j)

has exact row sums, and g maximises the concave semi-dual D whose gradient is b - T'1 and whose
Hessian is -(diag(T'1) - T' diag(1/a) T) / reg. A Newton step costs a few matrix-vector products,
where Sinkhorn's iteration needs thousands of them for the same accuracy at small `reg`; truncated
Newton steps for entropic transport are studied by Kemertas, Farahmand, Jepson (2025),
arXiv:2504.02067. The steps themselves are in `_newton.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.solvers._newton import SMALL, LinearSolution, _times, newton

FAR = 2e-2  # marginal error above which more Newton steps at the same temperature do not help
WARMER = 4.0  # factor to the temperature at which to prepare for a colder one
SYMMETRIC_STEPS = 8


@torch.no_grad()
def solve_linear(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    reg: Tensor,
    *,
    potential: Tensor | None = None,
    tol: Tensor,
    max_iter: int = 20,
    symmetric: bool = False,
) -> LinearSolution:
    """Minimise <cost, T> - reg H(T) over couplings T of `a` and `b`, for a batch of problems.

    Parameters
    ----------
    cost : Tensor of shape (B, n, m)
    a, b : Tensor of shapes (B, n) and (B, m)
        Marginals.
    reg : Tensor of shape (B,)
    potential : Tensor of shape (B, m), optional
        Column potential to start from, in units of the cost.
    tol : Tensor of shape (B,)
        L1 error of the column sums at which a problem is left alone.
    max_iter : int
        Newton steps at one temperature; the solution reports the error that is left.
    symmetric : bool
        Whether the costs are symmetric and `a` equals `b`: both potentials are then equal, and
        Sinkhorn's iteration, averaged, gets close to them in a few products (Knight, Ruiz, Ucar
        2014; Feydy et al. 2019).

    Returns
    -------
    LinearSolution
        No gradients flow through it.
    """
    potential = torch.zeros_like(b) if potential is None else potential
    if symmetric:
        potential = _symmetric_sinkhorn(cost, b, reg, potential)
    solution = newton(cost, a, b, reg, potential, tol, max_iter)
    far = solution.error > tol.clamp_min(FAR)
    if far.any():
        fields = (cost, a, b, reg, solution.potential, tol)
        solution.replace(far, _prepared(*(field[far] for field in fields), max_iter))
    return solution


def _prepared(
    cost: Tensor, a: Tensor, b: Tensor, reg: Tensor, potential: Tensor, tol: Tensor, max_iter: int
) -> LinearSolution:
    """Solve roughly at a higher temperature, or in turn at one above it, before this one."""
    spread = cost.amax((1, 2)) - cost.amin((1, 2))
    if (reg < spread).any():  # above that the plan is close to the product of its marginals
        rough = torch.full_like(tol, FAR / 2)
        warm = solve_linear(
            cost, a, b, WARMER * reg, potential=potential, tol=rough, max_iter=max_iter
        )
        potential = warm.potential
    return newton(cost, a, b, reg, potential, tol, max_iter)


def _symmetric_sinkhorn(cost: Tensor, b: Tensor, reg: Tensor, potential: Tensor) -> Tensor:
    """Averaged Sinkhorn steps g <- (g - log sum exp(kernel + g)) / 2, returned as a potential."""
    kernel = b.log()[:, None, :] - cost / reg[:, None, None]  # (B, n, m), in log domain
    g = potential / reg[:, None]
    g = 0.5 * (g - (kernel + g[:, None, :]).logsumexp(2))
    log_rows = (kernel + g[:, None, :]).logsumexp(2)
    scaling = (kernel + g[:, None, :]).sub_(log_rows[:, :, None]).exp_()
    log_rows = log_rows + g
    delta = -0.5 * log_rows
    for _ in range(SYMMETRIC_STEPS):
        z = _times(delta.exp(), scaling.mT).clamp_min(SMALL)
        delta = 0.5 * (delta - log_rows - z.log())
    return (g + delta) * reg[:, None]
