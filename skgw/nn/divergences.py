"""How far a batch of codes is from a prior: what regularises an autoencoder.

Three ways, each a mean over the batch. The Kullback-Leibler divergence needs a distribution of
codes for each row (Kingma & Welling 2014); the maximum mean discrepancy compares two samples with
a kernel; a critic learns to tell them apart (both: Tolstikhin et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from skgw.nn.geometry import pairwise_distances

KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence from the standard normal distribution, in nats, mean over the rows.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n, k)
        Of one normal distribution per row, with independent coordinates. The divergence is summed
        over the coordinates.

    Returns
    -------
    Tensor of shape ()
    """
    excess = torch.expm1(log_variance) - log_variance  # var - 1 - log var, exact near var = 1
    return 0.5 * (mean.square() + excess).sum(1).mean()


def mmd(
    x: Tensor, y: Tensor, *, prior_variance: float = 1.0, scales: Sequence[float] = KERNEL_SCALES
) -> Tensor:
    """Squared maximum mean discrepancy between two samples, without bias.

    The kernel is the sum over the scales s of inverse multiquadratics C / (C + |x - y|^2), where
    C = 2 k s prior_variance: at s = 1, the mean squared distance between two draws of the prior.
    Its heavy tails give codes far from the prior a gradient. The estimate is a U-statistic: within
    a sample it takes the mean over pairs of different rows, and so it may fall below zero.

    Parameters
    ----------
    x : Tensor of shape (n, k)
    y : Tensor of shape (m, k)
    prior_variance : float
        Of a coordinate of the prior.
    scales : sequence of float

    Returns
    -------
    Tensor of shape ()
        Without unit, and at most twice the number of scales.

    Raises
    ------
    ValueError
        For a single row: it has no pairs.

    References
    ----------
    Tolstikhin, Bousquet, Gelly, Schölkopf (2018), Wasserstein auto-encoders. ICLR. Algorithm 2.

    Gretton et al. (2012), A kernel two-sample test. JMLR 13. Lemma 6.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.randn(2, 1000, 3, generator=torch.Generator().manual_seed(0))
    >>> bool(mmd(x, y).abs() < 0.02), bool(mmd(x, y + 1) > 0.5)
    (True, True)
    """
    if min(len(x), len(y)) < 2:
        raise ValueError("The maximum mean discrepancy needs at least two rows of either sample.")
    widths = [2 * x.shape[1] * prior_variance * scale for scale in scales]
    within = (_kernel(torch.pdist(sample), widths).mean() for sample in (x, y))
    return sum(within) - 2 * _kernel(pairwise_distances(x, y), widths).mean()


def _kernel(distances: Tensor, widths: Sequence[float]) -> Tensor:
    """Sum of inverse multiquadratics, in the shape of the distances."""
    squared = distances.square()
    return sum((width / (width + squared) for width in widths), torch.zeros_like(squared))


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Logistic loss of a critic that tells real from fake by the sign of its output, in nats.

    Half of it is the mean cross-entropy: a critic that cannot tell has 2 log 2.

    Parameters
    ----------
    real, fake : Tensor of shape (n,)
        The critic's outputs, log odds of being real.

    References
    ----------
    Goodfellow et al. (2014), Generative adversarial nets. NeurIPS.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_loss(fake: Tensor) -> Tensor:
    """The non-saturating loss, in nats, of what wants to be taken for real: -log sigmoid(fake).

    Where the critic cannot tell, it is log 2. Its gradient does not vanish where the critic is
    sure, other than that of -critic_loss.
    """
    return softplus(-fake).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Squared norm of the critic's gradient at real points (n, k), mean over them ("R1").

    It lets the critic come to rest where both samples agree, which it else passes by, and keeps it
    from driving small samples in circles.

    References
    ----------
    Mescheder, Geiger, Nowozin (2018), Which training methods for GANs do actually converge? ICML.
    """
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)  # (n, k)
    return slope.square().sum(1).mean()
