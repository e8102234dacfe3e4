"""Newton directions on the semi-dual of entropic optimal transport, by conjugate gradients.

With the plan T, its row sums a and its column sums c, the semi-dual's negative Hessian is

    diag(c) - T' diag(1/a) T = S (I - A'A) S,   S = diag(c)^1/2,   A_ij = T_ij / (a_i c_j)^1/2,

and the direction is d = S^-1 y, if (I - A'A) y = S^-1 times the gradient. Conjugate gradients on
this system are those with Jacobi's preconditioner on the first one, in fewer operations: it is
their number that small problems take their time for.
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

    A problem is left alone where it leaves its trust region (Steihaug 1983): between groups of
    points that hardly exchange mass the Hessian is nearly singular, and its exact solution far
    outside of where the quadratic model holds. Where rounding leads to overflow, d is zero.

    Parameters
    ----------
    A : Tensor of shape (B, n, m)
    residual, scale : Tensor of shape (B, 1, m)
        Vectors are rows: on CPUs batched products with a column are ten times slower.
    radius, todo : Tensor of shape (B, 1, 1)

    Returns
    -------
    Tensor of shape (B, 1, m)
    """
    A_t, s, residual = A.mT, residual, residual.clone()
    small = torch.full_like(radius, SMALLEST_DIVISOR)  # keeps squares positive when all is solved
    flat = torch.full_like(radius, torch.finfo(A.dtype).eps)  # curvature that may as well be zero
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
            d = torch.where(todo, y * scale, d)  # those that are done keep what they had
            length = d.abs().amax(2, keepdim=True)
            todo = todo & (length < radius) & (square > stop)
            if not any_of(todo):
                break
        s = torch.addcmul(residual, square / last, s)
    return torch.where(length < torch.inf, d, 0.0)
