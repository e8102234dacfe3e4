"""Objective of a decoder that is trained further, against a critic of its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.generative.adversarial import MAX_HELD_OUT
from skgw.nn import Autoencoder, mmd
from skgw.nn.adversarial_losses import ADVERSARIAL_LOSSES, interpolation_penalty
from skgw.training import Objective, Phase


class FeatureCritic(nn.Module):
    """A critic of rows with named features: outputs are a linear function of rectified features.

    Parameters
    ----------
    features : Module
        Maps rows (m, p) to features (m, f).
    output : Module
        Maps rectified features (m, f) to outputs (m, 1).
    """

    def __init__(self, features: nn.Module, output: nn.Module) -> None:
        super().__init__()
        self.features, self.output = features, output

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (m,) for rows (m, p)."""
        outputs: Tensor = self.output(self.features(x).relu())
        return outputs[:, 0]


@dataclass(frozen=True)
class DecoderOptions:
    """Settings of the training of a decoder and a critic.

    Attributes
    ----------
    loss : str
        Name in `ADVERSARIAL_LOSSES`.
    gp_weight : float
        Weight of the gradient penalty of the critic.
    adversarial_weight, feature_weight, reconstruction_weight : float
        Weights of the terms of the decoder's loss.
    n_critic, n_warmup : int
        Updates of the critic for each update of the decoder; iterations without the decoder.
    batch_size : int
    optimizer : str or None
        Optimiser of both phases with its `betas`; None: the optimiser of the training options.
    betas : (float, float) or None
    """

    loss: str
    gp_weight: float
    adversarial_weight: float
    feature_weight: float
    reconstruction_weight: float
    n_critic: int
    n_warmup: int
    batch_size: int
    optimizer: str | None = None
    betas: tuple[float, float] | None = None


class DecoderObjective(Objective):
    """A decoder of new codes and of the codes of rows, and a critic.

    The decoder lowers the loss of a generator at decoded new codes, and for rows and their own
    decoded codes the distance of the critic's features and the squared distance over the root of
    the number of features. All have slopes of about one at a reconstruction error of one per
    feature.

    Parameters
    ----------
    X : array of shape (n_rows, p)
        Centred and scaled rows.
    codes : array of shape (n_rows, k)
        Codes of the rows.
    new_codes : array of shape (m, k)
        Codes that the decoder makes new rows of.
    autoencoder : Autoencoder
    critic : FeatureCritic
    options : DecoderOptions
    order, held_out : array of int
        Positions of the training rows and of the validation rows.
    """

    rows: Tensor
    codes: Tensor
    new_codes: Tensor
    order: Tensor
    held_out: Tensor

    def __init__(
        self,
        X: NDArray,
        codes: NDArray,
        new_codes: NDArray,
        autoencoder: Autoencoder,
        critic: FeatureCritic,
        options: DecoderOptions,
        *,
        order: NDArray,
        held_out: NDArray,
    ) -> None:
        super().__init__()
        self.autoencoder, self.critic, self.options = autoencoder, critic, options
        self.loss, self.root = ADVERSARIAL_LOSSES[options.loss], math.sqrt(X.shape[1])
        floats = {"rows": X, "codes": codes, "new_codes": new_codes}
        for name, values in floats.items():
            as_tensor = torch.as_tensor(values, dtype=torch.float32)
            self.register_buffer(name, as_tensor, persistent=False)
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        kept = torch.as_tensor(held_out[:MAX_HELD_OUT])
        self.register_buffer("held_out", kept, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The phase of the critic, and the phase of the decoder after the warm-up."""
        options = self.options
        critic, decoder = self.critic.parameters(), self.autoencoder.decoder.parameters()
        own = {"optimizer": options.optimizer, "betas": options.betas}
        return [
            Phase("critic", list(critic), n_steps=options.n_critic, **own),  # type: ignore[arg-type]
            Phase("decoder", list(decoder), start=options.n_warmup, **own),  # type: ignore[arg-type]
        ]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the critic, with the estimate "distance", or of the decoder."""
        options, m = self.options, self.options.batch_size
        chosen = self.order[self._drawn(len(self.order), generator)]
        new = self.new_codes[self._drawn(len(self.new_codes), generator)]
        real = self.rows[chosen]
        if phase == "decoder":
            return self._decoder_losses(real, self.codes[chosen], new)
        with torch.no_grad():
            fake = self.autoencoder.decode(new)
        outputs = self.critic(torch.cat([real, fake]))
        plain = self.loss.critic(outputs[:m], outputs[m:])
        penalty = interpolation_penalty(self.critic, real, fake, generator)
        return {
            "loss": plain + options.gp_weight * penalty,
            "distance": self.loss.chance - plain.detach(),
        }

    def _decoder_losses(self, real: Tensor, codes: Tensor, new: Tensor) -> dict[str, Tensor]:
        options = self.options
        adversarial = self.loss.generator(self.critic(self.autoencoder.decode(new)))
        decoded = self.autoencoder.decode(codes)
        reconstruction = self.root * (decoded - real).square().mean()
        loss = options.adversarial_weight * adversarial
        loss = loss + options.reconstruction_weight * reconstruction
        if options.feature_weight:
            with torch.no_grad():
                expected = self.critic.features(real)
            features = (self.critic.features(decoded) - expected).norm(dim=1).mean()
            loss = loss + options.feature_weight * features
        return {"loss": loss, "reconstruction": reconstruction.detach() / self.root}

    def _drawn(self, n: int, generator: torch.Generator) -> Tensor:
        positions = torch.randint(n, (self.options.batch_size,), generator=generator)
        return positions.to(self.order.device)

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """Maximum mean discrepancy between held-out rows and decoded new codes."""
        if not len(self.held_out):
            return None
        decoded = self.autoencoder.decode(self.new_codes[: len(self.held_out)])
        return float(mmd(self.rows[self.held_out], decoded))
