"""Objective of an autoencoder: reconstruction, a prior of the codes, and an isometry penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn import (
    Autoencoder,
    GaussianPrior,
    critic_loss,
    gaussian_kl,
    gaussian_kl_of_rows,
    gradient_penalty,
    isometry_penalty,
    mlp,
    mmd,
    non_saturating_loss,
    pairwise_distances,
)
from skgw.nn.networks import weight_source
from skgw.training.batches import draw_batch
from skgw.training.objective import Objective, Phase

KINDS = ("ae", "vae", "wae-mmd", "wae-gan")
GENERATOR_LOSS_UNIT = 0.1  # squared error of a feature that weighs as much as a nat of this loss
CRITIC_WIDTHS = (128, 128)  # hidden layers of the critic of codes
R1_WEIGHT = 0.5  # of the R1 gradient penalty: gamma / 2 with gamma = 1
MAX_HELD_OUT = 1000  # held-out rows in a validation


@dataclass(frozen=True)
class AutoencodingOptions:
    """Regularisation of an autoencoder.

    Attributes
    ----------
    kind : {"ae", "vae", "wae-mmd", "wae-gan"}
        Penalty on the deviation of the distribution of the codes from the standard normal
        distribution. "ae": none. "vae": the Kullback-Leibler divergence of the distribution of each
        code; the encoder is stochastic. "wae-mmd": the maximum mean discrepancy. "wae-gan": the
        non-saturating generator loss of a critic.
    prior_weight : float
        Weight of the penalty. For a "vae", 1 gives the evidence lower bound, and another number is
        the beta of a beta-VAE. For other kinds the weight is relative to the squared error of a
        feature, and a nat of the generator loss counts as a squared error of 0.1.
    isometry_weight : float
        Weight of the `isometry_penalty` between distances of codes and distances of rows.
    isometry_scale : float or None
        Distance of codes per distance of rows; None: the best scale for each batch.
    decoder_variance : float or None
        Variance of a feature given the code, for a "vae". None: calibrated, the mean squared error
        of the batch.
    """

    kind: str = "ae"
    prior_weight: float = 1.0
    isometry_weight: float = 0.0
    isometry_scale: float | None = None
    decoder_variance: float | None = None


class RegularizedAutoencoder(nn.Module):
    """An autoencoder, its critic if any, and its losses on a batch of rows.

    Parameters
    ----------
    autoencoder : Autoencoder
        Stochastic for the kind "vae", deterministic for other kinds.
    options : AutoencodingOptions
    seed : int
        Seed of the weights of the critic.

    Raises
    ------
    ValueError
        For an unknown kind, and for a kind and an encoder that do not fit together.

    Notes
    -----
    The evidence lower bound of a "vae" assumes that rows are normally distributed around their
    reconstruction, with variance s^2. The calibrated variance maximises the bound of the batch: it
    is the mean squared error (Rybkin et al. 2021, sigma-VAE). The loss is minus the bound divided
    by p / (2 s^2), for p features: mean squared error + (2 s^2 / p) * divergence, up to a constant.
    Reconstruction then has the same unit in all kinds, and the gradient is proportional to the
    gradient of the bound.

    References
    ----------
    :cite:t:`kingma2014`.

    :cite:t:`tolstikhin2018`.

    :cite:t:`mescheder2018`.

    :cite:t:`rybkin2021`.
    """

    def __init__(
        self, autoencoder: Autoencoder, options: AutoencodingOptions, *, seed: int = 0
    ) -> None:
        super().__init__()
        if options.kind not in KINDS:
            raise ValueError(
                f"The kind of an autoencoder must be one of {KINDS}, got {options.kind!r}."
            )
        if autoencoder.stochastic != (options.kind == "vae"):
            raise ValueError(
                'A "vae" needs a stochastic encoder, other kinds a deterministic encoder.'
            )
        self.autoencoder, self.options = autoencoder, options
        self.prior = GaussianPrior(autoencoder.latent_dim).float()
        self.critic: nn.Module | None = None
        if options.kind == "wae-gan":
            self.critic = mlp((autoencoder.latent_dim, *CRITIC_WIDTHS, 1), weight_source(seed))

    def forward(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean codes and losses of a batch of rows.

        Parameters
        ----------
        x : Tensor of shape (n, p)
        generator : torch.Generator
            Source of the noise of codes and of draws from the prior.

        Returns
        -------
        codes : Tensor of shape (n, k)
        losses : dict of Tensor
            "loss", the weighted sum of the other losses; "reconstruction", the mean squared error
            of a feature; "prior", the penalty of the kind; "isometry", the isometry penalty.
        """
        options = self.options
        codes, log_variance = self.autoencoder.posterior(x)
        z = codes if log_variance is None else self._draw(codes, log_variance, generator)
        losses = {"reconstruction": (self.autoencoder.decode(z) - x).square().mean()}
        loss = losses["reconstruction"]
        if options.kind != "ae":
            losses["prior"] = self._prior_loss(codes, log_variance, generator)
            loss = loss + self._prior_weight(losses["reconstruction"]) * losses["prior"]
        if options.isometry_weight:
            distances = pairwise_distances(codes), pairwise_distances(x)
            losses["isometry"] = isometry_penalty(*distances, scale=options.isometry_scale)
            loss = loss + options.isometry_weight * losses["isometry"]
        return codes, {"loss": loss, **losses}

    def critic_loss(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Loss of the critic of a "wae-gan", which separates draws of the prior from codes."""
        if self.critic is None:
            raise ValueError(f'A "{self.options.kind}" has no critic.')
        with torch.no_grad():
            codes = self.autoencoder.encode(x)
        drawn = self.prior(len(x), generator)
        loss = critic_loss(self.critic(drawn), self.critic(codes))
        return {"loss": loss + R1_WEIGHT * gradient_penalty(self.critic, drawn)}

    def negative_bound(
        self, x: Tensor, generator: torch.Generator, *, variance: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Terms of minus the evidence lower bound of each row, from one draw of each code.

        Parameters
        ----------
        x : Tensor of shape (n, p)
        generator : torch.Generator
            Source of the draws of the codes.
        variance : float or None
            Variance of a feature given its code. None: the mean squared error of these rows.

        Returns
        -------
        reconstruction, divergence : Tensor of shape (n,)
            Minus the log density of the row given the code, and the Kullback-Leibler divergence of
            the distribution of the code from the prior, in nats.
        """
        mean, log_variance = self.autoencoder.posterior(x)
        if log_variance is None:
            raise ValueError(f'A "{self.options.kind}" has no evidence lower bound.')
        z = self._draw(mean, log_variance, generator)
        error = (self.autoencoder.decode(z) - x).square().sum(1)  # (n,)
        p = x.shape[1]
        s2 = error.mean() / p if variance is None else error.new_tensor(variance)
        s2 = s2.clamp_min(torch.finfo(s2.dtype).tiny)
        reconstruction = 0.5 * (error / s2 + p * (2 * torch.pi * s2).log())
        return reconstruction, gaussian_kl_of_rows(mean, log_variance)

    def validation_loss(self, x: Tensor) -> Tensor:
        """Loss of held-out rows, 0-d, with the same noise in every validation.

        For a "vae": minus the evidence lower bound per feature, with the weight of the prior. For
        other kinds: the mean squared error of a feature.
        """
        if self.options.kind != "vae":
            return (self.autoencoder(x) - x).square().mean()
        noise = torch.Generator().manual_seed(0)
        variance = self.options.decoder_variance
        reconstruction, divergence = self.negative_bound(x, noise, variance=variance)
        return (reconstruction + self.options.prior_weight * divergence).mean() / x.shape[1]

    def _draw(self, mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
        """Draw codes (n, k) from normal distributions."""
        return mean + (0.5 * log_variance).exp() * self.prior(len(mean), generator)

    def _prior_loss(
        self, codes: Tensor, log_variance: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        """Penalty of the kind on codes (n, k), without its weight."""
        if log_variance is not None:
            return gaussian_kl(codes, log_variance)
        if self.critic is not None:
            return non_saturating_loss(self.critic(codes))
        return mmd(codes, self.prior(len(codes), generator))

    def _prior_weight(self, error: Tensor) -> Tensor | float:
        """Weight of the penalty, from the mean squared error of the batch."""
        weight = self.options.prior_weight
        if self.options.kind == "vae":
            variance = self.options.decoder_variance
            s2 = error.detach() if variance is None else variance
            return weight * 2 * s2 / self.autoencoder.n_features
        return weight * GENERATOR_LOSS_UNIT if self.critic is not None else weight


class AutoencodingObjective(Objective):
    """Objective of one autoencoder on mini-batches of rows.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Centred rows, divided by one number so that the mean variance of a feature is one.
    model : RegularizedAutoencoder
    batch_size : int
    order : array of int
        Positions of the training rows. A batch has one row from each of `batch_size` runs of
        consecutive positions.
    held_out : array of int
        Positions of the validation rows.
    max_held_out : int, default=1000
        Largest number of rows in a validation; the first rows of `held_out`.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skgw.nn import AutoencoderSpec, encode
    >>> from skgw.training import TrainingOptions, train
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> spec = AutoencoderSpec(n_features=3, latent_dim=2, hidden_layer_sizes=(16,))
    >>> model = RegularizedAutoencoder(spec.build(seed=0), AutoencodingOptions("wae-mmd"))
    >>> rows = np.arange(50)
    >>> objective = AutoencodingObjective(
    ...     X, model, batch_size=20, order=rows[:40], held_out=rows[40:]
    ... )
    >>> history = train(objective, TrainingOptions(max_iter=100), torch.Generator().manual_seed(0))
    >>> sorted(history.losses), len(history.validation)
    (['loss', 'prior', 'reconstruction'], 2)
    >>> encode(model.autoencoder, X).shape
    (50, 2)
    """

    rows: Tensor  # (n, p)
    order: Tensor  # (N,), positions of the training rows
    held_out: Tensor  # (N',), positions of the validation rows

    def __init__(
        self,
        X: NDArray[np.floating],
        model: RegularizedAutoencoder,
        *,
        batch_size: int,
        order: NDArray[np.intp],
        held_out: NDArray[np.intp],
        max_held_out: int = MAX_HELD_OUT,
    ) -> None:
        super().__init__()
        self.model, self.batch_size = model, batch_size
        self.register_buffer("rows", torch.as_tensor(X, dtype=torch.float32), persistent=False)
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        validation = torch.as_tensor(held_out[:max_held_out])
        self.register_buffer("held_out", validation, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The phase of the autoencoder, and the phase of the critic if there is one."""
        phases = [Phase("autoencoder", list(self.model.autoencoder.parameters()))]
        if self.model.critic is not None:
            critic = list(self.model.critic.parameters())
            phases.append(Phase("critic", critic))
        return phases

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the model on a batch, by name."""
        x = self.rows[draw_batch(self.order, self.batch_size, generator)]
        if phase == "critic":
            return self.model.critic_loss(x, generator)
        return self.model(x, generator)[1]

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """`RegularizedAutoencoder.validation_loss` of the held-out rows; None without such rows."""
        if not len(self.held_out):
            return None
        return float(self.model.validation_loss(self.rows[self.held_out]))
