"""The quadratic objective of Gromov-Wasserstein, double-centred.

For a loss that splits as L(x, y) = f1(x) + f2(y) - h1(x) h2(y) ([1]_, Prop. 1), centre both h1(Ca)
and h2(Cb) twice:

    u = h p - (p'hp) / 2,     K = (u 1' + 1 u' - h) / 2,     so that  K p = 0.

On couplings of a and b the objective is then

    E(T) = constant - 2 v'Tw - 4 <K1 T K2, T>,     v = u1 - a'u1,  w = u2 - b'u2,

and its gradient, up to terms constant along a row or a column, -2 vw' - 8 K1 T K2; a fused cost
M is centred as well. Centring removes the cancellation that plain formulas suffer from in float32,
and makes a small error of the plan's marginals harmless. Where K1 and K2 are positive semi-definite
(distances of negative type, as the Euclidean distance) E is concave on the couplings.

Where both spaces are directed, h has a skew part A, see `directed`, which is centred, too:

    s = A p,     B = (A - s 1' + 1 s') / 2,     so that  B p = 0,

and E gains 4 <B1 T B2, T> - 2 s1'T s2.

References
----------
.. [1] :cite:t:`peyre2016`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from skgw.solvers.directed import (
    is_doubled,
    left_kernel,
    right_kernel,
    skew_part,
    symmetric_part,
    two_products,
)
from skgw.solvers.precision import full_precision


class Loss(NamedTuple):
    """L(x, y) = f1(x) + f2(y) - h1(x) h2(y), with the derivatives in x and in y."""

    f1: Tensor
    f2: Tensor
    h1: Tensor
    h2: Tensor


def split_loss(Ca: Tensor, Cb: Tensor, loss: str) -> Loss:
    """Evaluate the parts of the loss, "L2" or "KL", on both matrices."""
    if loss == "L2":
        return Loss(Ca * Ca, Cb * Cb, Ca, 2 * Cb)
    return Loss(torch.xlogy(Ca, Ca) - Ca, Cb, Ca, Cb.log())


def both_directions(parts: Loss) -> tuple[Loss, Loss]:
    """Parts for which the mean of -h1 T h2 is half the gradient of -<h1 T h2', T>."""
    f1, f2, h1, h2 = parts
    return Loss(f1, f2, h1, h2.mT), Loss(f1.mT, f2.mT, h1.mT, h2)


def loss_slopes(Ca: Tensor, Cb: Tensor, loss: str) -> Loss:
    """Derivatives of the parts of the loss, in the order of `Loss`."""
    if loss == "L2":
        return Loss(2 * Ca, 2 * Cb, torch.ones_like(Ca), torch.full_like(Cb, 2.0))
    return Loss(Ca.log(), torch.ones_like(Cb), torch.ones_like(Ca), 1 / Cb)


class Problem(Protocol):
    """The interface of E that solvers use; `QuadraticProblem` implements it by dense kernels."""

    @property
    def a(self) -> Tensor:
        """Weights of the rows, (B, n)."""

    @property
    def b(self) -> Tensor:
        """Weights of the columns, (B, m)."""

    @property
    def offset(self) -> Tensor:
        """Gradient at the plan 0, (B, n, m)."""

    @property
    def constant(self) -> Tensor:
        """E of the plan 0, (B,)."""

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n, m)."""

    def take(self, index: Tensor) -> Self:
        """The problems of the batch at `index`, a boolean or integer (B,)."""


def energy(problem: Problem, plan: Tensor, gradient: Tensor) -> Tensor:
    """E at `plan`, (B,), from the gradient at `plan`."""
    return problem.constant + 0.5 * ((problem.offset + gradient) * plan).sum((1, 2))


class QuadraticProblem(NamedTuple):
    """E(T) = constant + <offset, T> - 4 alpha <K1 T K2, T> on couplings of `a` and `b`.

    Each field has a leading batch axis. Where both spaces are directed the kernels hold K and B,
    as `left_kernel` and `right_kernel` of `directed`.
    """

    kernel_a: Tensor  # (B, n, n), K1; (B, n, 2n) of directed spaces
    kernel_b: Tensor  # (B, m, m), K2; (B, 2m, m) of directed spaces
    offset: Tensor  # (B, n, m)
    constant: Tensor  # (B,)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    alpha: float

    def gradient(self, plan: Tensor) -> Tensor:
        """Linearised cost at `plan`, (B, n, m)."""
        if is_doubled(self.kernel_a):
            products = two_products(self.kernel_a, plan, self.kernel_b)
            return torch.add(self.offset, products, alpha=-8 * self.alpha)
        half = torch.bmm(self.kernel_a, plan)
        return torch.baddbmm(self.offset, half, self.kernel_b, alpha=-8 * self.alpha)

    def take(self, index: Tensor) -> QuadraticProblem:
        """The problems of the batch at `index`, a boolean or integer (B,)."""
        kernel_a, kernel_b, offset, constant, a, b = (field[index] for field in self[:-1])
        return QuadraticProblem(kernel_a, kernel_b, offset, constant, a, b, self.alpha)


@full_precision()
def quadratic_problem(
    Ca: Tensor,
    Cb: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    loss: str = "L2",
    M: Tensor | None = None,
    alpha: float = 1.0,
    directed: bool = False,
) -> QuadraticProblem:
    """Set up E for batched matrices Ca (B, n, n), Cb (B, m, m) and M (B, n, m).

    `directed` says that a matrix is not symmetric.
    """
    parts = split_loss(Ca, Cb, loss)
    h1, h2 = parts.h1, parts.h2
    if directed:
        h1, h2 = symmetric_part(h1), symmetric_part(h2)
    u1, mean1, kernel_a = _center(h1, a)
    u2, mean2, kernel_b = _center(h2, b)
    offset = (-2 * alpha) * u1[:, :, None] * u2[:, None, :]
    if directed:
        (s1, skew_a), (s2, skew_b) = _center_skew(parts.h1, a), _center_skew(parts.h2, b)
        offset = offset - (2 * alpha) * s1[:, :, None] * s2[:, None, :]
        if skew_a.any() and skew_b.any():  # a skew part f_i - f_j is zero after centring
            kernel_a, kernel_b = left_kernel(kernel_a, skew_a), right_kernel(kernel_b, skew_b)
    constant = alpha * (mean(parts.f1, a) + mean(parts.f2, b) - 4 * mean1 * mean2)
    if M is not None:
        rows = torch.bmm(M, b[:, :, None])  # (B, n, 1)
        columns = torch.bmm(a[:, None, :], M)  # (B, 1, m)
        center = torch.bmm(columns, b[:, :, None])  # (B, 1, 1)
        offset = offset + (1 - alpha) * (M - rows - (columns - center))
        constant = constant + (1 - alpha) * center[:, 0, 0]
    return QuadraticProblem(kernel_a, kernel_b, offset, constant, a, b, alpha)


def _center(h: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The centred u, its mean before centring, and the twice-centred kernel of h."""
    u = torch.bmm(h, p[:, :, None])[:, :, 0]  # (B, n)
    half = 0.5 * (u * p).sum(1)  # = p'u after the subtraction below
    u = u - half[:, None]
    kernel = (u[:, :, None] + u[:, None, :]).sub_(h).mul_(0.5)
    return u - half[:, None], half, kernel


def _center_skew(h: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """The mean s (B, n) of the rows of the skew part of h, and half of the part, centred."""
    skew = skew_part(h)
    s = torch.bmm(skew, p[:, :, None])[:, :, 0]
    return s, (skew - s[:, :, None] + s[:, None, :]).mul_(0.5)


def mean(f: Tensor, p: Tensor) -> Tensor:
    """Mean p'fp of the entries of f under weights p, (B,)."""
    return (torch.bmm(f, p[:, :, None])[:, :, 0] * p).sum(1)


def support_energy(
    Ca: Tensor, Cb: Tensor, M: Tensor | None, plan: Tensor, *, loss: str, alpha: float
) -> Tensor:
    """E of a plan (n, m) of mass one, 0-d, from the definition: a sum over pairs of its entries.

    No large numbers cancel, so that E of a matching of equal matrices is zero. Memory grows with
    the square of the number of positive entries, which is n + m - 1 for a vertex.
    """
    i, j = plan.nonzero(as_tuple=True)
    weights = plan[i, j]
    x, y = Ca[i][:, i], Cb[j][:, j]
    losses = (x - y) ** 2 if loss == "L2" else torch.xlogy(x, x / y) - (x - y)
    value = alpha * (weights @ losses @ weights)
    return value if M is None else value + (1 - alpha) * (weights @ M[i, j])


def plan_cost(Ca: Any, Cb: Any, plan: Any) -> float:
    """E of a plan of any mass under the square loss; symmetric matrices, numpy or torch."""
    p, q = plan.sum(1), plan.sum(0)
    squares = p @ (Ca * Ca) @ p + q @ (Cb * Cb) @ q
    return max(float(squares - 2 * ((Ca @ plan @ Cb) * plan).sum()), 0.0)
