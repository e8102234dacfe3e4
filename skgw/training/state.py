"""State of a training run, of one process and of a process group."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from skgw.training.checkpoint import Checkpoint
from skgw.training.objective import Objective
from skgw.training.process_group import ProcessGroup


@dataclass
class History:
    """Losses and counts of a training run.

    Attributes
    ----------
    losses : dict of lists of float
        Values by the name of the loss, one per iteration in which the phase is active: the mean
        over the updates of the phase in that iteration. The names of every phase but the first
        begin with the name of the phase and a dot.
    validation : list of float
        Validation losses.
    n_iter : int
        Number of iterations.
    best_iter : int
        Iteration of the best validation loss, whose weights are kept; the last iteration without
        validation.
    """

    losses: dict[str, list[float]] = field(default_factory=dict)
    validation: list[float] = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0


@dataclass
class TrainingState:
    """State of the training on one process.

    Attributes
    ----------
    objective : Objective
    optimizers : sequence of Optimizer
        One optimiser per phase.
    generator : torch.Generator
        Source of the noise.
    history : History
    best : dict of Tensors, or None
        State of the objective at the best validation loss.
    """

    objective: Objective
    optimizers: Sequence[torch.optim.Optimizer]
    generator: torch.Generator
    history: History
    best: dict[str, Tensor] | None = None

    def keep_best(self) -> None:
        """Keep the current state of the objective as the best state."""
        self.best = copy.deepcopy(self.objective.state_dict())

    def restore_best(self) -> None:
        """Restore the best state of the objective, if one was kept."""
        if self.best is not None:
            self.objective.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, nested in dicts and lists."""
        return {
            "objective": self.objective.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(),
            "history": vars(self.history),
            "best": self.best,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a saved state.

        Raises
        ------
        Exception
            If the state does not fit, or has weights that are not finite.
        """
        for weights in (saved["objective"], saved["best"]):
            self._check_weights(weights)
        history = History(**saved["history"])
        self.objective.load_state_dict(saved["objective"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
            if any(x.isnan().any() for x in _tensors(optimizer.state)):
                raise ValueError("the state of an optimiser is not a number")
        self.generator.set_state(saved["generator"])
        vars(self.history).update(vars(history))
        self.best = saved["best"]

    def _check_weights(self, weights: dict[str, Tensor] | None) -> None:
        """Raise an error for weights that training would not have kept."""
        if weights is None:
            return
        for name, tensor in self.objective.state_dict().items():
            if isinstance(tensor, Tensor) and weights[name].dtype != tensor.dtype:
                raise ValueError(f"{name!r} has dtype {weights[name].dtype}, not {tensor.dtype}")
        for name, _ in self.objective.named_parameters():
            if not weights[name].isfinite().all():
                raise ValueError(f"the weights {name!r} are not finite")


def _tensors(state: Any) -> Iterator[Tensor]:
    """All tensors in nested dictionaries."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping):
        for value in state.values():
            yield from _tensors(value)


@dataclass
class DistributedState:
    """States of the training on all processes of a group.

    The processes share their weights, but neither their noise nor their buffers, so that a
    checkpoint holds one state per process. The first process reads and writes the file.

    Attributes
    ----------
    state : TrainingState
        State of this process.
    process_group : ProcessGroup
    saved : list of dicts
        States of all processes during `save` and `restore`; otherwise empty.
    """

    state: TrainingState
    process_group: ProcessGroup
    saved: list[dict[str, Any]] = field(default_factory=list)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the states of all processes."""
        self.saved = self.process_group.gather(self.state.state_dict())
        if self.process_group.is_first:
            checkpoint.save(self)
        self.saved = []

    def restore(self, checkpoint: Checkpoint) -> bool:
        """Give each process its state from the file; False if there is none that can be used."""
        if self.process_group.is_first:
            checkpoint.restore(self)
        saved, self.saved = self.process_group.broadcast(self.saved), []
        if saved:
            self.state.load_state_dict(saved[self.process_group.rank])
        return bool(saved)

    def state_dict(self) -> dict[str, Any]:
        """Content of the file."""
        return {"ranks": self.saved}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Try the states of all processes, and keep them if they fit."""
        before = copy.deepcopy(self.state.state_dict())
        try:
            for state in saved["ranks"]:
                self.state.load_state_dict(state)
            if len(saved["ranks"]) != self.process_group.size:
                raise ValueError(f"it holds the states of {len(saved['ranks'])} processes")
        finally:
            self.state.load_state_dict(before)
        self.saved = saved["ranks"]
