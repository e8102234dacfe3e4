"""Objective and Phase: the interface between the training loop and a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Phase:
    """One kind of update: its parameters and its schedule.

    Attributes
    ----------
    name : str
        Argument of `Objective.losses`.
    parameters : sequence of Parameter
        Parameters that the optimiser of the phase updates.
    n_steps : int
        Number of updates per iteration in which the phase is active.
    learning_rate_factor : float
        Factor of the learning rate of the training options.
    start : int
        First iteration in which the phase is active.
    every : int
        Number of iterations from one active iteration to the next.
    optimizer : str, callable or None
        Optimiser of the phase, as in `TrainingOptions`; None: the optimiser of the options.
    betas : (float, float) or None
        Decay rates of the optimiser of the phase; without such an optimiser those of the options.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    n_steps: int = 1
    learning_rate_factor: float = 1.0
    start: int = 0
    every: int = 1
    optimizer: str | Callable[..., torch.optim.Optimizer] | None = None
    betas: tuple[float, float] | None = None

    def is_active(self, step: int) -> bool:
        """Whether the phase makes its updates in iteration `step`."""
        return step >= self.start and (step - self.start) % self.every == 0


class Objective(nn.Module, ABC):
    """All networks of a model and their losses.

    Parameters and buffers hold all state that a resumed training needs. Noise is drawn from the
    generator that `losses` receives; the loop seeds layers with their own noise, such as dropout,
    from the same generator. Networks are in training mode in `losses`, and in evaluation mode in
    `validation_loss` and after training.
    """

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The phases, in the order of their updates within an iteration."""

    @abstractmethod
    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw a batch and evaluate it: 0-d tensors by name. The phase minimises "loss"."""

    def after_update(self, phase: str) -> None:
        """Change weights after an update of a phase, for instance to clip them."""

    def validation_loss(self) -> float | None:
        """Loss on held-out data; None without held-out data."""
        return None
