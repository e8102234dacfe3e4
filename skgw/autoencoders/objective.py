"""Training an autoencoder: reconstruction, a prior on its codes, and how far distances are kept."""

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
    gradient_penalty,
    isometry_penalty,
    mlp,
    mmd,
    non_saturating_loss,
    pairwise_distances,
)
from skgw.nn.networks import seeded_weights
from skgw.training.batches import draw_batch
from skgw.training.objective import Objective, Phase

KINDS = ("ae", "vae", "wae-mmd", "wae-gan")
DECEPTION_UNIT = 0.1  # what a nat of a critic's deception is worth, in squared errors of a feature
CRITIC_SIZES = (128, 128)  # hidden layers of the critic of codes
SMOOTHNESS = 0.5  # weight of the penalty on the critic's gradient, as in Mescheder et al. (2018)
MAX_HELD_OUT = 1000  # rows that a validation looks at


@dataclass(frozen=True)
class AutoencodingOptions:
    """What an autoencoder is trained for, besides reconstruction.

    Attributes
    ----------
    kind : {"ae", "vae", "wae-mmd", "wae-gan"}
        How the law of the codes is held to the standard normal distribution: not at all, by the
        Kullback-Leibler divergence of each row's code ("vae", whose encoder is stochastic), by the
        maximum mean discrepancy, or by a critic.
    prior_weight : float
        Weight of that, such that 1 is a good start. For a "vae", 1 is the evidence lower bound, and
        other values the beta of a beta-VAE. For the others the weight is relative to the squared
        error of a feature, which for standardised rows is one at the start; that of a critic is
        .1 times this number.
    isometry_weight : float
        Weight of `isometry_penalty` between the distances of codes and those of rows.
    isometry_scale : float or None
        Length in codes of a unit in rows; None leaves it free.
    decoder_variance : float or None
        Variance of a feature given its code, for a "vae". None: calibrated, the mean squared error
        of the batch.
    """

    kind: str = "ae"
    prior_weight: float = 1.0
    isometry_weight: float = 0.0
    isometry_scale: float | None = None
    decoder_variance: float | None = None


class AutoencoderLoss(nn.Module):
    """An autoencoder and its losses on a batch of rows: a part of an objective.

    Parameters
    ----------
    autoencoder : Autoencoder
        Stochastic for the kind "vae", deterministic for the others.
    options : AutoencodingOptions
    seed : int
        Of the critic's weights.

    Raises
    ------
    ValueError
        For an unknown kind, and where kind and encoder do not fit.

    Notes
    -----
    The bound of a "vae" assumes a normal distribution of rows around their reconstruction, with
    variance s^2. The calibrated variance, the best one for the batch, is the mean squared error
    (Rybkin et al. 2021, sigma-VAE). The loss is the bound over p / (2 s^2), for p features, so that
    reconstruction has the same unit in all kinds: mean squared error + (2 s^2 / p) * divergence.
    The gradient is that of the bound, up to this factor.

    References
    ----------
    Kingma, Welling (2014), Auto-encoding variational Bayes. ICLR.

    Tolstikhin, Bousquet, Gelly, Schölkopf (2018), Wasserstein auto-encoders. ICLR.

    Mescheder, Geiger, Nowozin (2018), Which training methods for GANs do actually converge? ICML.

    Rybkin, Daniilidis, Levine (2021), Simple and effective VAE training with calibrated decoders.
    ICML.
    """

    def __init__(
        self, autoencoder: Autoencoder, options: AutoencodingOptions, *, seed: int = 0
    ) -> None:
        super().__init__()
        if options.kind not in KINDS:
            raise ValueError(f"Unknown kind of autoencoder {options.kind!r}, expected of {KINDS}.")
        if autoencoder.stochastic != (options.kind == "vae"):
            raise ValueError('A "vae" needs a stochastic encoder, other kinds a deterministic one.')
        self.autoencoder, self.options = autoencoder, options
        self.prior = GaussianPrior(autoencoder.latent_dim).float()
        self.critic: nn.Module | None = None
        if options.kind == "wae-gan":
            with seeded_weights(seed):
                self.critic = mlp((autoencoder.latent_dim, *CRITIC_SIZES, 1))

    def forward(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Codes (n, k) of rows (n, p), means if they are random, and named losses.

        "loss" is the weighted sum of the others: "reconstruction", the mean squared error of a
        feature; "prior" in its own units; and "isometry".
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
        """What the critic of a "wae-gan" minimises: it tells draws of the prior from codes."""
        if self.critic is None:
            raise ValueError(f'A "{self.options.kind}" has no critic.')
        with torch.no_grad():
            codes = self.autoencoder.encode(x)
        drawn = self.prior(len(x), generator)
        loss = critic_loss(self.critic(drawn), self.critic(codes))
        return {"loss": loss + SMOOTHNESS * gradient_penalty(self.critic, drawn)}

    def negative_bound(
        self, x: Tensor, generator: torch.Generator, *, variance: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Parts of minus the evidence lower bound of each row, from one draw of its code.

        Parameters
        ----------
        x : Tensor of shape (n, p)
        generator : torch.Generator
        variance : float or None
            Variance of a feature given its code. None: the mean squared error of these rows.

        Returns
        -------
        reconstruction, divergence : Tensor of shape (n,)
            Minus the log density of the row given the code, and the Kullback-Leibler divergence of
            the codes from the prior, in nats.
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
        return reconstruction, gaussian_kl(mean, log_variance, reduce=False)

    def validation_loss(self, x: Tensor) -> Tensor:
        """Loss of held-out rows, 0-d, without noise that changes between validations.

        Minus the bound per feature, with the weight of the prior, for a "vae"; for other kinds the
        mean squared error of a feature, reconstructed from the code.
        """
        if self.options.kind != "vae":
            return (self.autoencoder(x) - x).square().mean()
        noise = torch.Generator().manual_seed(0)
        parts = self.negative_bound(x, noise, variance=self.options.decoder_variance)
        return (parts[0] + self.options.prior_weight * parts[1]).mean() / x.shape[1]

    def _draw(self, mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
        return mean + (0.5 * log_variance).exp() * self.prior(len(mean), generator)

    def _prior_loss(
        self, codes: Tensor, log_variance: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        if log_variance is not None:
            return gaussian_kl(codes, log_variance)
        if self.critic is not None:
            return non_saturating_loss(self.critic(codes))
        return mmd(codes, self.prior(len(codes), generator))

    def _prior_weight(self, error: Tensor) -> Tensor | float:
        weight = self.options.prior_weight
        if self.options.kind == "vae":
            variance = self.options.decoder_variance
            s2 = error.detach() if variance is None else variance
            return weight * 2 * s2 / self.autoencoder.n_features
        return weight * DECEPTION_UNIT if self.critic is not None else weight


class AutoencodingObjective(Objective):
    """One autoencoder on mini-batches of rows.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Centred, and divided by a number that makes the mean variance of a feature one.
    model : AutoencoderLoss
    batch_size : int
    order : array of int
        Positions of the rows to train on. A batch has one of each run of consecutive ones: in an
        order that puts similar rows next to each other, it looks like the whole.
    held_out : array of int
        Positions of the rows to validate on (the first 1000 of them).

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skgw.nn import AutoencoderSpec, encode
    >>> from skgw.training import TrainingOptions, train
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> spec = AutoencoderSpec(n_features=3, latent_dim=2, hidden_layer_sizes=(16,))
    >>> model = AutoencoderLoss(spec.build(seed=0), AutoencodingOptions("wae-mmd"))
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
    order: Tensor  # (N,)
    held_out: Tensor  # (N',)

    def __init__(
        self,
        X: NDArray[np.floating],
        model: AutoencoderLoss,
        *,
        batch_size: int,
        order: NDArray[np.intp],
        held_out: NDArray[np.intp],
    ) -> None:
        super().__init__()
        self.model, self.batch_size = model, batch_size
        self.register_buffer("rows", torch.as_tensor(X, dtype=torch.float32), persistent=False)
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        looked_at = torch.as_tensor(held_out[:MAX_HELD_OUT])
        self.register_buffer("held_out", looked_at, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The autoencoder, and the critic if there is one."""
        phases = [Phase("autoencoder", list(self.model.autoencoder.parameters()))]
        if self.model.critic is not None:
            critic = list(self.model.critic.parameters())
            phases.append(Phase("critic", critic))
        return phases

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the model on the next batch, by name."""
        x = self.rows[draw_batch(self.order, self.batch_size, generator)]
        if phase == "critic":
            return self.model.critic_loss(x, generator)
        return self.model(x, generator)[1]

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """`AutoencoderLoss.validation_loss` of the held-out rows."""
        if not len(self.held_out):
            return None
        return float(self.model.validation_loss(self.rows[self.held_out]))
