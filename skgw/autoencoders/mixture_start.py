"""Start of a mixture prior: the components of the codes of a variational autoencoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.autoencoders.objective import AutoencodingObjective, RegularizedAutoencoder
from skgw.autoencoders.penalties import MeanDiscrepancy, NormalDivergence, Penalty
from skgw.base.estimator import seeded
from skgw.nn import draw
from skgw.nn.trainable_priors import GaussianMixturePrior
from skgw.registration.normal_mixture import fit_components
from skgw.training import TrainingOptions, train

MAX_FITTED = 10_000  # codes that the components are fitted to
LEAST_SHARE = 1e-3  # of a component, times the share of a component of equal ones


def place_components(
    prior: GaussianMixturePrior,
    model: RegularizedAutoencoder,
    rows: NDArray[np.floating],
    n_updates: int,
    noise: torch.Generator,
    rng: np.random.RandomState,
    *,
    batch_size: int,
    learning_rate: float,
) -> None:
    """Train the autoencoder with a normal prior, then fit the components to its codes.

    A stochastic encoder is trained by the evidence lower bound, a deterministic one with the
    maximum mean discrepancy to the normal distribution. The components start from k-means, and are
    the most likely mixture of three starts of expectation maximisation. With fewer rows than
    components nothing is changed.

    Parameters
    ----------
    prior : GaussianMixturePrior
    model : RegularizedAutoencoder
    rows : array of shape (n_rows, n_features)
        Scaled rows.
    n_updates : int
        Updates of the autoencoder.
    noise : torch.Generator
    rng : RandomState
        Source of the starts.
    batch_size : int
    learning_rate : float
    """
    autoencoder = model.autoencoder
    if len(rows) < len(prior.logits):
        return
    penalty: Penalty = (
        NormalDivergence(autoencoder.n_features)
        if autoencoder.stochastic
        else MeanDiscrepancy(autoencoder.latent_dim)
    )
    device = next(autoencoder.parameters()).device
    objective = AutoencodingObjective(
        rows, RegularizedAutoencoder(autoencoder, [penalty]), batch_size=batch_size,
        order=np.arange(len(rows)), held_out=np.arange(0),
    ).to(device)  # fmt: skip
    train(objective, TrainingOptions(n_updates, learning_rate=learning_rate), noise)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), MAX_FITTED)).astype(int)
    codes = draw(autoencoder, rows[chosen], seeded(0)).astype(np.float64)
    shares, means, factors = fit_components(codes, len(prior.logits), rng)
    shares = np.maximum(shares, LEAST_SHARE / len(shares))
    prior.place(*(_tensor(part) for part in (shares, means, factors)))


def _tensor(part: NDArray[Any]) -> torch.Tensor:
    return torch.as_tensor(part, dtype=torch.float32)
