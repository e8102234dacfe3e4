"""Objective of two translations, there and back, with a critic of the rows of each domain.

A `TwoWayModel` translates rows of either domain and has losses of its own, such as a cycle loss.
The objective adds what all such models share: mini-batches of two unpaired sets, the losses of the
critics, known pairs, and a validation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn import gradient_penalty, mmd
from skgw.nn.adversarial_losses import ADVERSARIAL_LOSSES
from skgw.training.batches import draw_batch, draw_uniform_batch
from skgw.training.objective import Objective, Phase

MAX_HELD_OUT = 1000  # held-out rows of a domain in a validation

Rows = tuple[Tensor, Tensor]  # of the first domain (n, p) and of the second domain (m, q)


class TwoWayModel(nn.Module, ABC):
    """Translations between two domains, 0 and 1.

    Parameters
    ----------
    networks : pair of Module
        One for each domain.
    weights : dict of str to float
        Weights of the losses by name.
    """

    def __init__(self, networks: tuple[nn.Module, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.networks, self.weights = nn.ModuleList(networks), dict(weights)

    @abstractmethod
    def translate(self, x: Tensor, source: int) -> Tensor:
        """Rows of the other domain for rows of the domain `source`, without noise."""

    @abstractmethod
    def losses(self, rows: Rows, generator: torch.Generator) -> tuple[Rows, dict[str, Tensor]]:
        """Translations of a batch, and the losses of the model.

        Parameters
        ----------
        rows : pair of Tensor of shapes (n, p) and (m, q)
        generator : torch.Generator
            CPU generator, source of noise.

        Returns
        -------
        translations : pair of Tensor of shapes (n, q) and (m, p)
            Of the rows of the first and of the second domain.
        losses : dict of Tensor
            0-d, by the names in `weights`, without the weights.
        """


@dataclass(frozen=True)
class AdversarialSettings:
    """Settings of the critics and of the batches.

    Attributes
    ----------
    loss : str
        Name in `ADVERSARIAL_LOSSES`.
    weight : float
        Weight of the loss of a generator.
    gradient_weight : float
        Weight of the mean squared gradient of a critic at rows, times the number of features, in
        the loss of the critic.
    n_steps : int
        Updates of the critics for each update of the translations.
    learning_rate_factor : float
        Learning rate of the critics over the learning rate of the translations.
    pair_weight : float
        Weight of the mean absolute difference between translations of anchors and the paired rows.
    batch_size : int
        Rows of each domain in an update.
    optimizer : str or None
        Optimiser of both phases with its `betas`; None: the optimiser of the training options.
    betas : (float, float) or None
    """

    loss: str
    weight: float
    gradient_weight: float
    n_steps: int
    learning_rate_factor: float
    pair_weight: float
    batch_size: int
    optimizer: str | None = None
    betas: tuple[float, float] | None = None


@dataclass(frozen=True)
class TrainingRows:
    """The scaled rows of one domain.

    Attributes
    ----------
    values : array of shape (n, p)
    order, held_out, anchors : array of int
        Positions of the training rows, of the validation rows, and of the rows of known pairs.
    """

    values: NDArray
    order: NDArray
    held_out: NDArray
    anchors: NDArray


class _Domain(nn.Module):
    """Rows of a domain on the device of the training, and its critic."""

    rows: Tensor  # (n, p)
    order: Tensor  # (N,), positions of the training rows
    held_out: Tensor  # (N', p)
    anchors: Tensor  # (k,), positions of the rows of known pairs

    def __init__(self, given: TrainingRows, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic
        rows = torch.as_tensor(given.values, dtype=torch.float32)
        self.register_buffer("rows", rows, persistent=False)
        held_out = rows[torch.as_tensor(given.held_out[:MAX_HELD_OUT])]
        self.register_buffer("held_out", held_out, persistent=False)
        for name in ("order", "anchors"):
            positions = torch.as_tensor(getattr(given, name))
            self.register_buffer(name, positions, persistent=False)

    def batch(self, n: int, generator: torch.Generator) -> Tensor:
        """At most n training rows (n, p)."""
        return self.rows[draw_batch(self.order, n, generator)]

    def outputs(self, x: Tensor) -> Tensor:
        """Outputs (n,) of the critic at rows (n, p)."""
        outputs: Tensor = self.critic(x)
        return outputs[:, 0]


class AdversarialTranslation(Objective):
    """A model of two translations and two critics on mini-batches.

    Parameters
    ----------
    model : TwoWayModel
    domains : pair of TrainingRows
    critics : pair of Module
        Map rows (n, p) and (m, q) to outputs (n, 1) and (m, 1).
    settings : AdversarialSettings
    """

    def __init__(
        self,
        model: TwoWayModel,
        domains: tuple[TrainingRows, TrainingRows],
        critics: tuple[nn.Module, nn.Module],
        settings: AdversarialSettings,
    ) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        self.loss = ADVERSARIAL_LOSSES[settings.loss]
        self.x, self.y = (_Domain(*each) for each in zip(domains, critics, strict=True))

    def phases(self) -> Sequence[Phase]:
        """The phase of the translations, and the phase of both critics."""
        s = self.settings
        own = {"optimizer": s.optimizer, "betas": s.betas}
        translations = list(self.model.parameters())
        critics = [*self.x.critic.parameters(), *self.y.critic.parameters()]
        factor = s.learning_rate_factor
        return [
            Phase("translation", translations, **own),  # type: ignore[arg-type]
            Phase("critic", critics, s.n_steps, factor, **own),  # type: ignore[arg-type]
        ]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the translations or of the critics on a batch of each domain."""
        rows = tuple(d.batch(self.settings.batch_size, generator) for d in (self.x, self.y))
        if phase == "critic":
            return {"loss": self._critic_loss(rows)}  # type: ignore[arg-type]
        (to_y, to_x), losses = self.model.losses(rows, generator)  # type: ignore[arg-type]
        loss = sum((self.model.weights[k] * x for k, x in losses.items()), to_y.new_zeros(()))
        if self.settings.weight:
            outputs = self.y.outputs(to_y), self.x.outputs(to_x)
            losses["adversarial"] = self.loss.generator(outputs[0]) + self.loss.generator(
                outputs[1]
            )
            loss = loss + self.settings.weight * losses["adversarial"]
        if self.settings.pair_weight and len(self.x.anchors):
            losses["pairs"] = self._pair_loss(generator)
            loss = loss + self.settings.pair_weight * losses["pairs"]
        return {"loss": loss, **losses}

    def _critic_loss(self, rows: Rows) -> Tensor:
        """Loss of both critics, with the penalties on their gradients."""
        loss = rows[0].new_zeros(())
        for domain, real, others, source in (
            (self.y, rows[1], rows[0], 0),
            (self.x, rows[0], rows[1], 1),
        ):
            with torch.no_grad():
                fake = self.model.translate(others, source)
            loss = loss + self.loss.critic(domain.outputs(real), domain.outputs(fake))
            if self.settings.gradient_weight:
                penalty = real.shape[1] * gradient_penalty(domain.outputs, real)
                loss = loss + self.settings.gradient_weight * penalty
        return loss

    def _pair_loss(self, generator: torch.Generator) -> Tensor:
        """Mean absolute difference between translations of anchors and the paired rows."""
        n_pairs = len(self.x.anchors)
        every = torch.arange(n_pairs, device=self.x.anchors.device)
        chosen = draw_uniform_batch(every, self.settings.batch_size, generator)
        x, y = (d.rows[d.anchors[chosen]] for d in (self.x, self.y))
        there = (self.model.translate(x, 0) - y).abs().mean()
        return there + (self.model.translate(y, 1) - x).abs().mean()

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """Discrepancy of translated held-out rows, plus squared errors of cycles, both ways."""
        held_out = self.x.held_out, self.y.held_out
        if not len(held_out[0]):
            return None
        loss = 0.0
        for source in (0, 1):
            translated = self.model.translate(held_out[source], source)
            cycle = self.model.translate(translated, 1 - source) - held_out[source]
            loss += float(mmd(held_out[1 - source], translated)) + float(cycle.square().mean())
        return loss
