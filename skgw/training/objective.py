"""What the training loop asks of a model: an objective with named phases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Phase:
    """One kind of update: which parameters move, how many times in a row.

    Attributes
    ----------
    name : str
        Handed to `Objective.losses`.
    parameters : sequence of Parameter
        What the phase's optimiser updates.
    n_steps : int
        Updates before the next phase takes its turn.
    learning_rate_factor : float
        Multiplies the learning rate of the training options.
    start : int
        Iterations before the phase's first turn.
    every : int
        It takes its turn in one of so many iterations.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    n_steps: int = 1
    learning_rate_factor: float = 1.0
    start: int = 0
    every: int = 1

    def has_turn(self, step: int) -> bool:
        """Whether it takes its turn in iteration `step`."""
        return step >= self.start and (step - self.start) % self.every == 0


class Objective(nn.Module, ABC):
    """All networks of a model, and the losses they are trained with.

    Everything that must survive an interruption belongs in parameters and buffers. Noise comes from
    the generator that is handed in (layers with noise of their own, such as dropout, are seeded
    from it by the loop). Networks are in training mode in `losses`, and in evaluation mode in
    `validation_loss` and after training.
    """

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The phases, in the order in which they take turns."""

    @abstractmethod
    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw a batch and evaluate it: 0-d tensors by name; "loss" is what the phase minimises."""

    def validation_loss(self) -> float | None:
        """Loss on held-out data, lower is better; None if nothing is held out."""
        return None
