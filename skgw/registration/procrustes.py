"""Wasserstein-Procrustes: register one point cloud to another cloud by an orthogonal map.

Where distances agree, points are matched by a rigid transformation, which has far fewer unknowns
than a plan has entries: the transformation that fits a noisy plan best is closer to the truth than
the plan. Plan and transformation are improved in turn. The plan is the entropic optimal transport
between the transformed source points and the target points; the transformation takes the source
points closest to the barycentric projections of the plan. Where the target has fewer dimensions
than the source, it lies in the space of the source, with zeros as its further coordinates: a
source point then keeps its norm, and directions of large variance are not given up for small ones.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skgw.nn import polar_factor
from skgw.registration.similarity import Similarity
from skgw.solvers import full_precision
from skgw.solvers.linear import solve_linear, solve_unbalanced_linear

REG_SCHEDULE = (0.1, 0.05, 0.02, 0.01, 0.005)  # of successive plans, relative to the mean cost
FINE_REG_SCHEDULE = (0.01, 0.005)  # regularisations from a start near the solution

Pair = tuple[Tensor, Tensor]


class Transport(NamedTuple):
    """An entropic optimal plan between points of one space, for squared distances.

    Attributes
    ----------
    plan : Tensor of shape (n, m)
    potential : Tensor of shape (m,)
        Column potential, in units of the cost. It includes the column weights if these are not
        uniform.
    reg : Tensor of shape ()
        Entropic regularisation, in units of the cost.
    error : Tensor of shape ()
        L1 error of the column sums.
    """

    plan: Tensor
    potential: Tensor
    reg: Tensor
    error: Tensor

    @property
    def marginals(self) -> Pair:
        """Row sums (n,) and column sums (m,) of the plan."""
        return self.plan.sum(1), self.plan.sum(0)

    def log_scalings(self, source: Tensor, target: Tensor) -> Pair:
        """Potentials of the points, (n,) and (m,), divided by `reg`; they include the weights."""
        g = self.potential
        f = -torch.logsumexp((g - torch.cdist(source, target).square()) / self.reg, 1)
        return f + self.plan.sum(1).log(), g / self.reg


class Registration(NamedTuple):
    """A similarity between two point clouds, and the plan between the registered clouds.

    Attributes
    ----------
    similarity : Similarity
        From the source to the target cloud.
    transport : Transport
        Between the transformed source points and the target points.
    cost : Tensor of shape ()
        After `register`: mean squared distance of matched points, divided by the sum of both
        variances; 0 for a copy, 1 for the product plan. After `register_unbalanced`: its objective.
    """

    similarity: Similarity[Tensor]
    transport: Transport
    cost: Tensor


@torch.no_grad()
@full_precision()
def register(
    source: Tensor,
    target: Tensor,
    *,
    plan: Tensor | None = None,
    rotation: Tensor | None = None,
    reg_schedule: tuple[float, ...] = REG_SCHEDULE,
    weights: Pair | None = None,
) -> Registration:
    """Improve a plan between two clouds, or an orthogonal map of the first cloud.

    Parameters
    ----------
    source, target : Tensor of shapes (n, kx) and (m, ky)
        Centred, and of about one RMS distance.
    plan : Tensor of shape (n, m), optional
        Initial plan; unused if there is an initial rotation.
    rotation : Tensor of shape (kx, ky), optional
        Initial rotation.
    reg_schedule : tuple of float, default=(0.1, 0.05, 0.02, 0.01, 0.005)
        Entropic regularisation of successive plans, relative to the mean cost.
    weights : tuple of Tensors of shapes (n,) and (m,), optional
        Positive, of sum one; uniform by default.

    Returns
    -------
    Registration
        The offset of the similarity is zero, and its scale is one.

    Raises
    ------
    ValueError
        If there is neither a plan nor a rotation, or the schedule is empty.

    References
    ----------
    :cite:t:`alvarezmelis2018`.

    :cite:t:`grave2019`.

    Examples
    --------
    >>> import torch
    >>> Z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3, 2, 1])
    >>> rotation = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    >>> found = register(Z, Z @ rotation, rotation=rotation + 0.3)
    >>> bool((found.similarity.rotation - rotation).abs().max() < 0.05)
    True
    """
    if rotation is None:
        if plan is None:
            raise ValueError("register needs a plan or a rotation to start from.")
        rotation = best_rotation(source.T @ plan @ target)
    if not reg_schedule:
        raise ValueError("register needs at least one value in reg_schedule.")
    potential = None
    for reg in reg_schedule:
        found = entropic_transport(source @ rotation, target, reg, weights, potential=potential)
        potential = found.potential
        rotation = best_rotation(source.T @ found.plan @ target)
    cost = torch.cdist(source @ rotation, target).square()
    mean = cost.mean() if weights is None else weights[0] @ cost @ weights[1]
    cost = (cost * found.plan).sum() / mean.clamp_min(torch.finfo(cost.dtype).tiny)
    return Registration(Similarity(rotation, target.new_zeros(target.shape[1])), found, cost)


def best_rotation(cross: Tensor) -> Tensor:
    """The rotation (kx, ky) that fits matched points of this cross-covariance (kx, ky) best."""
    return polar_factor(cross)


def entropic_transport(
    source: Tensor,
    target: Tensor,
    reg: float,
    weights: Pair | None = None,
    *,
    rho: float | None = None,
    potential: Tensor | None = None,
    tol: float = 1e-3,
    max_iter: int = 50,
) -> Transport:
    """The entropic optimal plan, of mass one, between two clouds of one space.

    Parameters
    ----------
    source, target : Tensor of shapes (n, k) and (m, k)
    reg : float
        Entropic regularisation, relative to the mean cost.
    weights : tuple of Tensors of shapes (n,) and (m,), optional
        Positive, of sum one; uniform by default.
    rho : float, optional
        Penalty on the divergence of the marginals from the weights, over the regularisation. By
        default the weights are the marginals.
    potential : Tensor of shape (m,), optional
        Of another plan, as a start.
    tol : float, default=1e-3
        L1 error of the column sums.
    max_iter : int, default=50
        Largest number of Newton steps.
    """
    cost = torch.cdist(source, target).square()
    n, m = cost.shape
    mean = cost.mean()
    mean = torch.where(mean > 0, mean, torch.ones_like(mean))  # zero if all points coincide
    a, b = weights or (cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m))
    regs = reg * mean[None]
    problem, limit = (cost[None], a[None], b[None], regs), torch.full_like(regs, tol)
    offset = regs * (m * b).log()  # of the potential of a softmax between weighted columns
    start = None if potential is None else (potential - offset)[None]
    found = solve_linear(*problem, potential=start, tol=limit, max_iter=max_iter)
    if rho is not None:  # from the balanced potential, which is near and cheap
        found = solve_unbalanced_linear(
            *problem, rho * regs, rho * regs, potential=found.potential, tol=limit,
            max_iter=max_iter,
        )  # fmt: skip
    return Transport(found.plan[0], found.potential[0] + offset, regs[0], found.error[0])
