"""Newton directions by conjugate gradients, for Hessians of semi-duals of optimal transport.

With a plan T, its row sums a and its column sums c, the negative Hessian of the semi-dual is

    diag(c) - T' diag(1/a) T = S^-1 (I - A'A) S^-1,  S = diag(c)^-1/2,  A_ij = T_ij / (a_i c_j)^1/2,

and Newton's direction is d = S y with (I - A'A) y = S times the gradient. Conjugate gradients on
this system are conjugate gradients on the first one with Jacobi's preconditioner, in fewer
operations. The run time of small problems is proportional to the number of operations.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.solvers.settings import NEWTON, NewtonSettings
from skgw.solvers.synchronisation import any_of, n_products

SMALLEST_DIVISOR = 1e-30  # in place of zero; a normal number in float32


def conjugate_gradients(
    A: Tensor,
    residual: Tensor,
    scale: Tensor,
    radius: Tensor,
    todo: Tensor,
    settings: NewtonSettings = NEWTON,
) -> Tensor:
    """Solve (I - A'A) d / scale = residual for d, of the problems in `todo`; zero for the others.

    A problem stops where its iterate leaves the trust region (Steihaug 1983): between groups of
    points that exchange little mass the Hessian is nearly singular, and the exact solution far
    outside of the region where the quadratic model holds. After an overflow d is zero.

    Parameters
    ----------
    A : Tensor of shape (B, k, m)
    residual, scale : Tensor of shape (B, 1, m)
        Vectors are rows: on CPUs batched products with one column are ten times slower.
    radius, todo : Tensor of shape (B, 1, 1)
    settings : NewtonSettings

    Returns
    -------
    Tensor of shape (B, 1, m)
    """
    A_t, s, residual = A.mT, residual, residual.clone()
    small = torch.full_like(radius, SMALLEST_DIVISOR)  # keeps squares positive at the solution
    flat = torch.full_like(radius, torch.finfo(A.dtype).eps)  # smallest curvature, relative
    y, d = torch.zeros_like(s), torch.zeros_like(s)
    square = torch.baddbmm(small, s, s.mT)  # (B, 1, 1), the dot product
    stop = settings.cg_tolerance**2 * square
    for k in range(1, n_products(settings.max_cg_steps) + 1):
        hs = torch.baddbmm(s, torch.bmm(s, A_t), A, alpha=-1)
        step = square / torch.maximum(torch.bmm(s, hs.mT), flat * square)
        y.addcmul_(step, s)
        residual.addcmul_(step, hs, value=-1)
        last, square = square, torch.baddbmm(small, residual, residual.mT)
        if k % settings.check_interval == 0:
            d = torch.where(todo, y * scale, d)  # problems that have stopped keep theirs
            length = d.abs().amax(2, keepdim=True)
            todo = todo & (length < radius) & (square > stop)
            if not any_of(todo):
                break
        s = torch.addcmul(residual, square / last, s)
    return torch.where(length < torch.inf, d, 0.0)
