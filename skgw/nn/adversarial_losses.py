"""Losses of generators and critics by name, and a penalty and projections for smooth critics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from skgw.nn.divergences import critic_loss, non_saturating_loss
from skgw.nn.geometry import polar_factor

LOG_4 = 1.3862943611198906
LEAST_SQUARES_CHANCE = 0.25  # loss of a critic whose outputs are 1/2


@dataclass(frozen=True)
class AdversarialLoss:
    """The two losses of a generative adversarial network.

    Attributes
    ----------
    critic : callable
        Maps outputs of the critic at real and at generated points (n,) to its loss, 0-d.
    generator : callable
        Maps outputs at generated points (n,) to the loss of the generator, 0-d.
    chance : float
        Loss of the best constant critic. The excess over the loss of the critic is an estimate of a
        divergence between real and generated points: at most the divergence for an exact mean.
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    chance: float


ADVERSARIAL_LOSSES = {
    # Arjovsky et al. 2017: the divergence is the Wasserstein distance for 1-Lipschitz critics.
    "wasserstein": AdversarialLoss(
        lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean(), 0.0
    ),
    # Goodfellow et al. 2014: the divergence is twice that of Jensen and Shannon, in nats.
    "minimax": AdversarialLoss(critic_loss, lambda fake: -softplus(fake).mean(), LOG_4),
    "non-saturating": AdversarialLoss(critic_loss, non_saturating_loss, LOG_4),
    # Mao et al. 2017, labels 0 and 1.
    "least-squares": AdversarialLoss(
        lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
        lambda fake: (fake - 1).square().mean() / 2,
        LEAST_SQUARES_CHANCE,
    ),
}


def interpolation_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean of ``(|gradient| - 1)^2`` of a critic at random points between real and generated ones.

    Parameters
    ----------
    critic : callable
        Maps points (n, k) to outputs (n,).
    real, fake : Tensor of shape (n, k)
    generator : torch.Generator
        CPU generator, source of the positions between the points.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    :cite:t:`gulrajani2017`, Equation 3.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(4, 2)
    >>> slope_two = lambda points: 2 * points[:, 0]
    >>> interpolation_penalty(slope_two, x, -x, torch.Generator()).item()
    1.0
    """
    share = torch.rand(len(real), 1, generator=generator, dtype=torch.float32).to(real)
    between = (real + share * (fake - real)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    # A critic without slope, at the start, has no direction in which its norm could grow.
    return (slope.square().sum(1) + torch.finfo(slope.dtype).tiny).sqrt().sub(1).square().mean()


def slope_penalty(outputs: Tensor, points: Tensor) -> Tensor:
    """Mean squared slope of a critic at points.

    Parameters
    ----------
    outputs : Tensor of shape (n,)
        Outputs of the critic at the points, each of its own point.
    points : Tensor of shape (n, k)
        Points that require gradients.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    :cite:t:`mescheder2018`, R1 at real and R2 at generated points.

    Examples
    --------
    >>> import torch
    >>> x = torch.ones(4, 2, requires_grad=True)
    >>> slope_penalty(3 * x[:, 0], x).item()
    9.0
    """
    (slope,) = torch.autograd.grad(outputs.sum(), points, create_graph=True)
    return slope.square().sum(1).mean()


@torch.no_grad()
def clip_weights(network: nn.Module, bound: float) -> None:
    """Move every weight of a network into [-bound, bound]."""
    for weights in network.parameters():
        weights.clamp_(-bound, bound)


@torch.no_grad()
def project_to_orthogonal(network: nn.Module) -> None:
    """Replace each weight matrix by the closest one with orthonormal rows or columns.

    This is the solution of the orthogonal Procrustes problem. Linear layers become 1-Lipschitz; the
    weights of a convolution form a matrix with one row for each output channel.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(3, 3)
    >>> project_to_orthogonal(layer)
    >>> torch.allclose(layer.weight @ layer.weight.T, torch.eye(3), atol=1e-6)
    True
    """
    for weights in network.parameters():
        if weights.ndim > 1:
            weights.copy_(polar_factor(weights.flatten(1)).reshape(weights.shape))
