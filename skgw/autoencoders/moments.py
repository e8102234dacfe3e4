"""Moments of codes: an encoder whose codes have the mean and the covariance of the prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skgw.autoencoders.objective import RegularizedAutoencoder
from skgw.nn import Autoencoder
from skgw.training import Objective, Phase, TrainingOptions, train
from skgw.training.batches import draw_batch

CHUNK_SIZE = 2048  # rows per forward pass
LEAST_DEVIATION = 1e-6  # of codes that are scaled
MIN_BATCH_SIZE = 1000  # rows of a batch, which the covariance is estimated from


class MomentObjective(Objective):
    """Distance of the moments of codes from those of the standard normal distribution.

    Parameters
    ----------
    rows : array of shape (n_rows, n_features)
        Scaled rows.
    model : RegularizedAutoencoder
    batch_size : int
    """

    rows: Tensor  # (n, p)

    def __init__(
        self, rows: NDArray[np.floating], model: RegularizedAutoencoder, batch_size: int
    ) -> None:
        super().__init__()
        self.model, self.batch_size = model, batch_size
        self.register_buffer("rows", torch.as_tensor(rows, dtype=torch.float32), persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The phase of the encoder."""
        return [Phase("moments", list(self.model.autoencoder.encoder.parameters()))]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared entry of the mean, and of the covariance minus the identity."""
        order = torch.arange(len(self.rows), device=self.rows.device)
        x = self.rows[draw_batch(order, self.batch_size, generator)]
        codes = self.model.code(x, generator).codes
        mean = codes.mean(0)
        centred = codes - mean
        covariance = centred.T @ centred / max(1, len(codes) - 1)
        excess = covariance - torch.eye(len(mean), dtype=codes.dtype, device=codes.device)
        return {"loss": mean.square().mean() + excess.square().mean()}


def pretrain_moments(
    model: RegularizedAutoencoder,
    rows: NDArray[np.floating],
    n_updates: int,
    noise: torch.Generator,
    *,
    batch_size: int,
    learning_rate: float,
) -> float:
    """Train the encoder until its codes have the mean and the covariance of the prior.

    Parameters
    ----------
    model : RegularizedAutoencoder
    rows : array of shape (n, p)
        Scaled rows.
    n_updates : int
    noise : torch.Generator
        Source of batches and of the noise of codes.
    batch_size : int
        Smallest number of rows of a batch; batches have at least 1000 rows, or all.
    learning_rate : float

    Returns
    -------
    float
        Loss of the last batch: the mean squared entry of the mean of the codes, plus that of
        their covariance minus the identity.

    References
    ----------
    :cite:t:`tolstikhin2018`, their implementation.
    """
    device = next(model.parameters()).device
    objective = MomentObjective(rows, model, max(batch_size, MIN_BATCH_SIZE)).to(device)
    options = TrainingOptions(max_iter=n_updates, learning_rate=learning_rate)
    return train(objective, options, noise).losses["loss"][-1]


@torch.no_grad()
def standardize_codes(autoencoder: Autoencoder, rows: NDArray[np.floating]) -> bool:
    """Shift and scale codes so that draws of them have mean zero and variance one.

    Of all shifts and scales of the coordinates of the codes these have the least mean divergence
    from the standard normal distribution. Reconstructions stay the same.

    Parameters
    ----------
    autoencoder : Autoencoder
    rows : array of shape (n, p)

    Returns
    -------
    bool
        Whether the networks allow it, see `Autoencoder.shift_codes`.
    """
    autoencoder.eval()
    device = next(autoencoder.parameters()).device
    means, within = [], []
    for chunk in torch.as_tensor(rows, dtype=torch.float32).split(CHUNK_SIZE):
        mean, log_variance = autoencoder.posterior(chunk.to(device))
        means.append(mean)
        within.append(torch.zeros_like(mean) if log_variance is None else log_variance.exp())
    mean = torch.cat(means).double()
    variance = mean.var(0, correction=0) + torch.cat(within).double().mean(0)
    scale = variance.sqrt()
    if not bool((torch.isfinite(scale) & (scale > LEAST_DEVIATION)).all()):
        return False
    return autoencoder.shift_codes(mean.mean(0).float(), scale.float())
