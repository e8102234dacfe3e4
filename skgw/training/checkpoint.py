"""Checkpoint: the file that holds the state of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """Object with the two methods of torch for its state."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and strings, nested in dicts and lists."""

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a saved state."""


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of one training run.

    Attributes
    ----------
    path : Path
        Every save replaces the whole file, so that an interrupted save leaves the last state.
    """

    path: Path

    def save(self, state: Stateful) -> None:
        """Write the state to the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        torch.save(state.state_dict(), partial)
        partial.replace(self.path)

    def restore(self, state: Stateful) -> bool:
        """Restore the saved state; False if there is no file. Loading runs no code."""
        if not self.path.exists():
            return False
        state.load_state_dict(torch.load(self.path, map_location="cpu", weights_only=True))
        return True

    def remove(self) -> None:
        """Delete the file, if it exists."""
        self.path.unlink(missing_ok=True)
