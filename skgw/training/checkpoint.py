"""Saving the state of a training run, and resuming from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """Anything with torch's two methods for its state."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, nested in dicts and lists."""

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take the state over."""


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of one training run.

    Attributes
    ----------
    path : Path
        Replaced as a whole at every save, so that a kill in the middle leaves the last one.
    """

    path: Path

    def save(self, state: Stateful) -> None:
        """Write the state."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        torch.save(state.state_dict(), partial)
        partial.replace(self.path)

    def restore(self, state: Stateful) -> bool:
        """Take over a saved state; False if there is none. Loading runs no code."""
        if not self.path.exists():
            return False
        state.load_state_dict(torch.load(self.path, map_location="cpu", weights_only=True))
        return True

    def remove(self) -> None:
        """Delete the file: the run is over."""
        self.path.unlink(missing_ok=True)
