"""All that changes during training: of one process, and of several as one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from skgw.training.checkpoint import Checkpoint
from skgw.training.objective import Objective
from skgw.training.process_group import World


@dataclass
class History:
    """What happened.

    Attributes
    ----------
    losses : dict of lists of float
        One entry per turn of a phase, by the name of the loss: the mean over the turn's updates.
        Names of later phases are prefixed with the phase's name.
    validation : list of float
        One entry per validation.
    n_iter : int
        Iterations.
    best_iter : int
        The iteration whose weights are kept.
    """

    losses: dict[str, list[float]] = field(default_factory=dict)
    validation: list[float] = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0


@dataclass
class TrainingState:
    """All that changes during training, on one process.

    Attributes
    ----------
    objective : Objective
    optimizers : sequence of Optimizer
        One for each phase.
    generator : torch.Generator
    history : History
    best : dict of Tensors, or None
        State of the objective at the best validation.
    """

    objective: Objective
    optimizers: Sequence[torch.optim.Optimizer]
    generator: torch.Generator
    history: History
    best: dict[str, Tensor] | None = None

    def keep_best(self) -> None:
        """Remember the objective as it is now."""
        self.best = copy.deepcopy(self.objective.state_dict())

    def restore_best(self) -> None:
        """Put the objective back to where it was best, if that is known."""
        if self.best is not None:
            self.objective.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, in dicts and lists."""
        return {
            "objective": self.objective.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(),
            "history": vars(self.history),
            "best": self.best,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.objective.load_state_dict(saved["objective"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.generator.set_state(saved["generator"])
        vars(self.history).update(saved["history"])
        self.best = saved["best"]


@dataclass
class Ranks:
    """The states of all processes, as one: they share their weights, but neither noise nor buffers.

    The first process reads and writes the file.

    Attributes
    ----------
    state : TrainingState
        That of this process.
    world : World
    saved : list of dicts
        Those of all, on their way to the file or from it.
    """

    state: TrainingState
    world: World
    saved: list[dict[str, Any]] = field(default_factory=list)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the states of all processes."""
        self.saved = self.world.gather(self.state.state_dict())
        if self.world.is_first:
            checkpoint.save(self)
        self.saved = []

    def restore(self, checkpoint: Checkpoint) -> None:
        """Give each process its state from the file, if there is one."""
        if self.world.is_first:
            checkpoint.restore(self)
        saved, self.saved = self.world.agree(self.saved), []
        if saved:
            self.state.load_state_dict(saved[self.world.rank])

    def state_dict(self) -> dict[str, Any]:
        """What the file holds."""
        return {"ranks": self.saved}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take the states from the file, without giving them to anybody yet."""
        self.saved = saved["ranks"]
