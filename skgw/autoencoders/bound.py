"""Bounds of the log likelihood of a variational autoencoder with normal rows given their codes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skgw.nn import Autoencoder, GaussianPrior, gaussian_kl_of_rows


def negative_bound(
    autoencoder: Autoencoder, x: Tensor, noise: Tensor, *, variance: float | None = None
) -> tuple[Tensor, Tensor]:
    """Terms of minus the evidence lower bound of each row, from one draw of each code.

    Parameters
    ----------
    autoencoder : Autoencoder
        With a stochastic encoder.
    x : Tensor of shape (n, p)
    noise : Tensor of shape (n, k)
        Standard normal noise of the codes.
    variance : float or None
        Variance of a feature given its code. None: the mean squared error of these rows.

    Returns
    -------
    reconstruction, divergence : Tensor of shape (n,)
        Minus the log density of the row given the code, and the Kullback-Leibler divergence of
        the distribution of the code from the standard normal distribution, in nats.

    Raises
    ------
    ValueError
        If the encoder is deterministic.
    """
    mean, log_variance = _posterior(autoencoder, x)
    z = mean + (0.5 * log_variance).exp() * noise
    error = (autoencoder.decode(z) - x).square().sum(1)  # (n,)
    p = x.shape[1]
    s2 = error.mean() / p if variance is None else error.new_tensor(variance)
    s2 = s2.clamp_min(torch.finfo(s2.dtype).tiny)
    reconstruction = 0.5 * (error / s2 + p * (2 * torch.pi * s2).log())
    return reconstruction, gaussian_kl_of_rows(mean, log_variance)


def importance_weighted_bound(
    autoencoder: Autoencoder, x: Tensor, noise: Tensor, *, variance: float
) -> Tensor:
    """Importance-weighted bound of the log likelihood of each row.

    With draws z_i of the code of a row x the bound is the logarithm of the mean of
    p(x|z_i) p(z_i) / q(z_i|x). Its expectation is at most log p(x), and grows with the number of
    draws; one draw gives the evidence lower bound.

    Parameters
    ----------
    autoencoder : Autoencoder
        With a stochastic encoder.
    x : Tensor of shape (n, p)
    noise : Tensor of shape (d, k)
        Standard normal noise of the d draws, the same for all rows.
    variance : float
        Variance of a feature given its code.

    Returns
    -------
    Tensor of shape (n,)
        In nats.

    Raises
    ------
    ValueError
        If the encoder is deterministic.

    References
    ----------
    :cite:t:`burda2016`, Equation 8.
    """
    mean, log_variance = _posterior(autoencoder, x)
    (n, k), d, p = mean.shape, len(noise), x.shape[1]
    z = mean[:, None] + (0.5 * log_variance).exp()[:, None] * noise  # (n, d, k)
    decoded = autoencoder.decode(z.reshape(n * d, k)).reshape(n, d, p)
    error = (decoded - x[:, None]).square().sum(2)  # (n, d)
    log_likelihood = -0.5 * (error / variance + p * math.log(2 * math.pi * variance))
    standard = GaussianPrior(k)
    log_prior = standard.log_density(z.reshape(n * d, k)).reshape(n, d)
    log_posterior = standard.log_density(noise) - 0.5 * log_variance.sum(1)[:, None]
    return (log_likelihood + log_prior - log_posterior).logsumexp(1) - math.log(d)


def _posterior(autoencoder: Autoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = autoencoder.posterior(x)
    if log_variance is None:
        raise ValueError("A deterministic encoder has no evidence lower bound.")
    return mean, log_variance
