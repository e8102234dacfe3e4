"""Objective of a generator and a critic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn import Generator, mmd
from skgw.nn.adversarial_losses import (
    ADVERSARIAL_LOSSES,
    clip_weights,
    interpolation_penalty,
    project_to_orthogonal,
    slope_penalty,
)
from skgw.training.objective import Objective, Phase

LIPSCHITZ = "zero-gp", "gp", "clip", "sn", "procrustes"  # names of constraints of the critic
MAX_HELD_OUT = 1000  # held-out rows in a validation


@dataclass(frozen=True)
class AdversarialOptions:
    """Settings of the training of a generator and a critic.

    Attributes
    ----------
    loss : str
        Name in `ADVERSARIAL_LOSSES`.
    lipschitz : {"zero-gp", "gp", "clip", "sn", "procrustes"} or None
        Constraint of the critic.
    gp_weight, clip : float
        Weight of the gradient penalties; bound of the weights.
    pack : int
        Number of points that the critic sees together.
    n_critic : int
        Updates of the critic for each update of the generator.
    n_warmup : int
        Iterations without an update of the generator, at the start.
    batch_size : int
        Rows of an update, a multiple of `pack`.
    optimizer : str or None
        Optimiser of both phases with its `betas`; None: that of the training options.
    betas : (float, float) or None
    """

    loss: str
    lipschitz: str | None
    gp_weight: float
    clip: float
    pack: int
    n_critic: int
    n_warmup: int
    batch_size: int
    optimizer: str | None = None
    betas: tuple[float, float] | None = None


class AdversarialObjective(Objective):
    """A generator and a critic on mini-batches of rows.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Centred and scaled rows.
    generator : Generator
    critic : Module
        Maps packs (m, pack * n_features) to outputs (m, 1).
    options : AdversarialOptions
    order, held_out : array of int
        Positions of the training rows and of the validation rows.
    """

    rows: Tensor  # (n, p)
    order: Tensor  # (N,), positions of the training rows
    held_out: Tensor  # (N',), positions of the validation rows

    def __init__(
        self,
        X: NDArray,
        generator: Generator,
        critic: nn.Module,
        options: AdversarialOptions,
        *,
        order: NDArray,
        held_out: NDArray,
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.options = generator, critic, options
        self.loss = ADVERSARIAL_LOSSES[options.loss]
        self.register_buffer("rows", torch.as_tensor(X, dtype=torch.float32), persistent=False)
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        kept = torch.as_tensor(held_out[:MAX_HELD_OUT])
        self.register_buffer("held_out", kept, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The phase of the critic, and that of the generator after the warm-up."""
        own = {"optimizer": self.options.optimizer, "betas": self.options.betas}
        critic, generator = list(self.critic.parameters()), list(self.generator.parameters())
        return [
            Phase("critic", critic, n_steps=self.options.n_critic, **own),  # type: ignore[arg-type]
            Phase("generator", generator, start=self.options.n_warmup, **own),  # type: ignore[arg-type]
        ]

    def outputs(self, points: Tensor) -> Tensor:
        """Outputs (m,) of the critic at points (m * pack, p), packed in their order."""
        outputs: Tensor = self.critic(self._packed(points))
        return outputs[:, 0]

    def _packed(self, points: Tensor) -> Tensor:
        return points.reshape(len(points) // self.options.pack, -1)

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the critic, with the estimate "distance", or of the generator."""
        m = self.options.batch_size
        if phase == "generator":
            return {"loss": self.loss.generator(self.outputs(self.generator(m, generator)))}
        chosen = torch.randint(len(self.order), (m,), generator=generator)
        real = self.rows[self.order[chosen.to(self.order.device)]]
        with torch.no_grad():
            fake = self.generator(m, generator)
        packs, slopes = (self._packed(real), self._packed(fake)), None
        if self.options.lipschitz == "zero-gp":
            points = torch.cat(packs).requires_grad_()
            outputs = self.critic(points)[:, 0]
            plain, slopes = self.loss.critic(*outputs.chunk(2)), slope_penalty(outputs, points)
        else:
            plain = self.loss.critic(*(self.critic(x)[:, 0] for x in packs))
        losses = {"loss": plain, "distance": self.loss.chance - plain.detach()}
        if slopes is not None:
            losses["loss"] = plain + self.options.gp_weight * slopes
        elif self.options.lipschitz == "gp":
            penalty = interpolation_penalty(lambda x: self.critic(x)[:, 0], *packs, generator)
            losses["loss"] = plain + self.options.gp_weight * penalty
        return losses

    def after_update(self, phase: str) -> None:
        """Clip or project the weights of the critic."""
        if phase == "critic" and self.options.lipschitz == "clip":
            clip_weights(self.critic, self.options.clip)
        elif phase == "critic" and self.options.lipschitz == "procrustes":
            project_to_orthogonal(self.critic)

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """Maximum mean discrepancy between held-out rows and samples.

        The estimate of the critic says nothing while the critic is not trained, so that it cannot
        choose the best weights.
        """
        if not len(self.held_out):
            return None
        noise = torch.Generator().manual_seed(0)
        samples = self.generator(len(self.held_out), noise)
        return float(mmd(self.rows[self.held_out], samples))
