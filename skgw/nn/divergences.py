"""Divergences between a batch of codes and a prior.

Each divergence regularises an autoencoder and is a mean over the batch. The Kullback-Leibler
divergence needs a distribution of codes for each row (Kingma and Welling 2014). The maximum mean
discrepancy compares two samples with a kernel, and an adversarial divergence is estimated by a
critic network (Tolstikhin et al. 2018).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from skgw.nn.geometry import pairwise_distances

KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the mean squared distance of two draws
KERNELS: dict[str, Callable[[Tensor, float], Tensor]] = {  # of a squared distance and a width
    "imq": lambda squared, width: width / (width + squared),
    "rbf": lambda squared, width: (-squared / width).exp(),
}


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Mean KL divergence of normal distributions from the standard normal distribution.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n, k)
        As for `gaussian_kl_of_rows`.

    Returns
    -------
    Tensor of shape ()
        In nats: the sum over the coordinates, averaged over the n distributions.

    References
    ----------
    :cite:t:`kingma2014`, Appendix B.
    """
    return gaussian_kl_of_rows(mean, log_variance).mean()


def gaussian_kl_of_rows(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of each normal distribution from the standard normal distribution.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n, k)
        Means and logarithms of the variances of n normal distributions with independent
        coordinates.

    Returns
    -------
    Tensor of shape (n,)
        In nats: the sum over the coordinates.

    References
    ----------
    :cite:t:`kingma2014`, Appendix B.
    """
    variance_term = torch.expm1(log_variance) - log_variance  # var - 1 - log var, exact near 1
    return 0.5 * (mean.square() + variance_term).sum(1)


def mmd(
    x: Tensor,
    y: Tensor,
    *,
    prior_variance: float = 1.0,
    scales: Sequence[float] = KERNEL_SCALES,
    kernel: str = "imq",
    block_size: int = 2048,
) -> Tensor:
    """Unbiased squared maximum mean discrepancy between two samples.

    The kernel is a sum over the scales s, with C = 2 k s prior_variance: of inverse multiquadratics
    C / (C + |x - y|^2), or of Gaussians exp(-|x - y|^2 / C). At s = 1, C is the mean squared
    distance between two draws of the prior. The heavy tails of inverse multiquadratics give a
    gradient to codes far from the prior. The estimate is a U-statistic, so that it can be negative.

    Parameters
    ----------
    x : Tensor of shape (n, k)
        First sample.
    y : Tensor of shape (m, k)
        Second sample.
    prior_variance : float, default=1.0
        Variance of each coordinate of the prior.
    scales : sequence of float, default=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        The scales s.
    kernel : {"imq", "rbf"}, default="imq"
        Inverse multiquadratics or Gaussians.
    block_size : int, default=2048
        Rows of a block. Without gradients the memory grows with its square; a gradient needs memory
        for all pairs of rows.

    Returns
    -------
    Tensor of shape ()
        Dimensionless, at most twice the number of scales.

    Raises
    ------
    ValueError
        If a sample has fewer than two rows, or for an unknown kernel.

    References
    ----------
    :cite:t:`tolstikhin2018`, Algorithm 2.

    :cite:t:`gretton2012`, Lemma 6.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.randn(2, 1000, 3, generator=torch.Generator().manual_seed(0))
    >>> bool(mmd(x, y).abs() < 0.02), bool(mmd(x, y + 1) > 0.5)
    (True, True)
    """
    if min(len(x), len(y)) < 2:
        raise ValueError("The maximum mean discrepancy needs at least two rows in each sample.")
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {(*KERNELS,)}, got {kernel!r}.")
    widths = [2 * x.shape[1] * prior_variance * scale for scale in scales]

    def of(distances: Tensor) -> Tensor:
        """The kernel at distances, the sum over its widths."""
        squared = distances.square()
        return sum((KERNELS[kernel](squared, w) for w in widths), torch.zeros_like(squared))

    blocks = [(z,) if len(z) <= block_size else z.split(block_size) for z in (x, y)]
    within = _mean_within(blocks[0], of) + _mean_within(blocks[1], of)
    return within - 2 * _mean_between(blocks[0], blocks[1], of)


def _mean_within(blocks: Sequence[Tensor], kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of a kernel of the distance over the pairs of different rows of a sample."""
    if len(blocks) == 1:
        return kernel(torch.pdist(blocks[0])).mean()
    n = sum(map(len, blocks))
    own = [kernel(torch.pdist(block)).sum() for block in blocks]
    pairs = itertools.combinations(blocks, 2)
    others = [kernel(pairwise_distances(a, b)).sum() for a, b in pairs]
    return torch.stack(own + others).sum() / (n * (n - 1) / 2)


def _mean_between(
    one: Sequence[Tensor], other: Sequence[Tensor], kernel: Callable[[Tensor], Tensor]
) -> Tensor:
    """Mean of a kernel of the distance over all pairs of rows of two samples."""
    if len(one) == len(other) == 1:
        return kernel(pairwise_distances(one[0], other[0])).mean()
    parts = [kernel(pairwise_distances(a, b)).sum() for a in one for b in other]
    return torch.stack(parts).sum() / (sum(map(len, one)) * sum(map(len, other)))


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss of a critic, twice its mean cross-entropy.

    Parameters
    ----------
    real, fake : Tensor of shape (n,)
        Outputs of the critic at real and at generated points: log odds of being real.

    Returns
    -------
    Tensor of shape ()
        In nats; 2 log 2 for a critic whose outputs are zero.

    References
    ----------
    :cite:t:`goodfellow2014`, Equation 1.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_loss(fake: Tensor) -> Tensor:
    """Non-saturating generator loss, the mean of -log sigmoid(fake).

    Unlike ``-critic_loss``, the loss keeps a gradient where the critic is confident.

    Parameters
    ----------
    fake : Tensor of shape (n,)
        Outputs of the critic at generated points: log odds of being real.

    Returns
    -------
    Tensor of shape ()
        In nats; log 2 for a critic whose outputs are zero.

    References
    ----------
    :cite:t:`goodfellow2014`, Section 3.
    """
    return softplus(-fake).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Mean squared norm of the critic's gradient at real points ("R1" penalty).

    The penalty lets the critic settle where the two samples agree, and damps oscillations.

    Parameters
    ----------
    critic : callable
        Maps points (n, k) to outputs (n,).
    real : Tensor of shape (n, k)
        Real points.

    Returns
    -------
    Tensor of shape ()
        Squared output per squared unit of the points, without the factor gamma / 2 of the paper.

    References
    ----------
    :cite:t:`mescheder2018`, Equation 9.
    """
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)  # (n, k)
    return slope.square().sum(1).mean()
