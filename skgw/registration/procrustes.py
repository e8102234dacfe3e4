"""Bring one cloud of points onto another one by an orthogonal map, from a rough matching.

Where distances agree, a matching of points comes from a rigid motion, and a motion has far fewer
unknowns than a plan has entries: the one that fits a noisy plan best is closer to the truth than
the plan. Motion and plan are improved in turn (Wasserstein-Procrustes): the plan is the entropic
optimal transport between the moved points and the others, and the motion the one that brings points
closest to the means of their partners.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers import full_precision
from skgw.solvers.linear import solve_linear

TEMPERATURES = (0.1, 0.05, 0.02, 0.01, 0.005)  # of the plans in turn, over the mean cost
REFINING = (0.01, 0.005)  # those of a matching that is good already
TOLERANCE, MAX_NEWTON = 1e-3, 50


class Transport(NamedTuple):
    """An entropic optimal plan between points of one space, squared distances.

    Attributes
    ----------
    plan : Tensor of shape (n, m)
    potential : Tensor of shape (m,)
        Of the columns, in units of the cost; it holds their weights, if these are not uniform.
    reg : Tensor of shape ()
        Strength of the entropy, in units of the cost.
    error : Tensor of shape ()
        L1 error of the column sums.
    """

    plan: Tensor
    potential: Tensor
    reg: Tensor
    error: Tensor

    def scores(self, H: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
        """Potentials of the points, (n,) and (m,), over `reg`, with their weights."""
        g = self.potential
        f = -torch.logsumexp((g - torch.cdist(H, W).square()) / self.reg, 1)
        return f + self.plan.sum(1).log(), g / self.reg


class Motion(NamedTuple):
    """z -> z R + t, from points of kx dimensions to points of ky."""

    rotation: Tensor  # (kx, ky), orthonormal rows or columns, of one length
    offset: Tensor  # (ky,)

    def __call__(self, Z: Tensor) -> Tensor:
        """Points (n, kx) moved, (n, ky)."""
        return Z @ self.rotation + self.offset


class Registration(NamedTuple):
    """An orthogonal map between centred points of two spaces, and the plan that goes with it.

    Attributes
    ----------
    motion : Motion
        From rows of the first space to those of the second.
    transport : Transport
        Between the moved points and the others.
    cost : Tensor of shape ()
        Mean squared distance of partners over the sum of both variances: 0 for a copy, 1 for a plan
        that matches everything with everything. Of `register_relaxed`, its objective.
    """

    motion: Motion
    transport: Transport
    cost: Tensor

    @property
    def rotation(self) -> Tensor:
        """Of the motion, (kx, ky)."""
        return self.motion.rotation

    @property
    def offset(self) -> Tensor:
        """Of the motion, (ky,): zero, but for `register_relaxed`."""
        return self.motion.offset


@torch.no_grad()
@full_precision()
def register(
    Z: Tensor,
    W: Tensor,
    *,
    plan: Tensor | None = None,
    rotation: Tensor | None = None,
    temperatures: tuple[float, ...] = TEMPERATURES,
) -> Registration:
    """Improve a matching of points, or an orthogonal map between them.

    Parameters
    ----------
    Z, W : Tensor of shapes (n, kx) and (m, ky)
        Centred, and of similar size.
    plan : Tensor of shape (n, m), optional
        Where to start, unless it is from a rotation.
    rotation : Tensor of shape (kx, ky), optional
    temperatures : tuple of float
        One step for each: how far the plan looks, over the mean cost.

    Returns
    -------
    Registration

    Raises
    ------
    ValueError
        If there is nothing to start from.

    References
    ----------
    Alvarez-Melis, Jaakkola (2018), Gromov-Wasserstein alignment of word embedding spaces. EMNLP.

    Grave, Joulin, Berthet (2019), Unsupervised alignment of embeddings with Wasserstein Procrustes.
    AISTATS.

    Examples
    --------
    >>> import torch
    >>> Z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3, 2, 1])
    >>> turn = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    >>> found = register(Z, Z @ turn, rotation=turn + 0.3)
    >>> bool((found.rotation - turn).abs().max() < 0.05)
    True
    """
    if rotation is None:
        if plan is None:
            raise ValueError("register needs a plan or a rotation to start from.")
        rotation = polar_factor(Z.T @ plan @ W)
    if not temperatures:
        raise ValueError("register needs a temperature.")
    for temperature in temperatures:
        found = transport(Z @ rotation, W, temperature)
        rotation = polar_factor(Z.T @ found.plan @ W)
    cost = torch.cdist(Z @ rotation, W).square()
    cost = (cost * found.plan).sum() / cost.mean().clamp_min(torch.finfo(cost.dtype).tiny)
    return Registration(Motion(rotation, W.new_zeros(W.shape[1])), found, cost)


def transport(
    H: Tensor, W: Tensor, temperature: float, weights: tuple[Tensor, Tensor] | None = None
) -> Transport:
    """The plan between points H (n, k) and W (m, k) at a temperature, over the mean cost.

    `weights`, (n,) and (m,) and positive, are uniform by default.
    """
    cost = torch.cdist(H, W).square()
    n, m = cost.shape
    unit = cost.mean()
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))  # zero if all points coincide
    a, b = weights or (cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m))
    reg = temperature * unit[None]
    tol = torch.full_like(reg, TOLERANCE)
    found = solve_linear(cost[None], a[None], b[None], reg, tol=tol, max_iter=MAX_NEWTON)
    potential = found.potential[0] + reg * (m * b).log()
    return Transport(found.plan[0], potential, reg[0], found.error[0])


def polar_factor(cross: Tensor) -> Tensor:
    """The matrix R (kx, ky) with orthonormal rows or columns that maximises <R, cross>."""
    left, _, right = torch.linalg.svd(cross, full_matrices=False)
    return left @ right
