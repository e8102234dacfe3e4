"""A velocity field that moves source points to codes, trained on a semi-discrete coupling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.training import Objective, Phase


class FlowObjective(Objective):
    """Squared error of a velocity along the straight lines from source points to their atoms.

    Parameters
    ----------
    velocity : Module
        Maps position and time (m, d + 1) to velocity (m, d).
    atoms : array of shape (n, d)
    heights : array of shape (n,)
        Heights of the transport map of the standard normal distribution.
    batch_size : int
        Source points of an update; memory grows with its product with n.

    References
    ----------
    :cite:t:`mousavihosseini2026`.
    """

    atoms: Tensor
    heights: Tensor

    def __init__(
        self, velocity: nn.Module, atoms: NDArray, heights: NDArray, *, batch_size: int
    ) -> None:
        super().__init__()
        self.velocity, self.batch_size = velocity, batch_size
        for name, values in (("atoms", atoms), ("heights", heights)):
            as_tensor = torch.as_tensor(values, dtype=torch.float32)
            self.register_buffer(name, as_tensor, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The phase of the velocity."""
        return [Phase("velocity", list(self.velocity.parameters()))]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean squared error of a coordinate of the velocity."""
        del phase
        shape = self.batch_size, self.atoms.shape[1]
        start = torch.randn(shape, generator=generator, dtype=torch.float32).to(self.atoms)
        time = torch.rand(self.batch_size, 1, generator=generator, dtype=torch.float32)
        time = time.to(self.atoms)
        end = self.atoms[torch.addmm(self.heights, start, self.atoms.T).argmax(1)]
        at = torch.cat([start + time * (end - start), time], dim=1)
        return {"loss": (self.velocity(at) - (end - start)).square().mean()}


@torch.no_grad()
def integrate(velocity: nn.Module, points: Tensor, n_steps: int, chunk_size: int = 4096) -> Tensor:
    """Move points (m, d) along a velocity field from time 0 to time 1, by midpoint steps."""
    moved, step = [], 1 / n_steps
    for x in points.split(chunk_size):
        for i in range(n_steps):
            half = x + step / 2 * _at(velocity, x, i * step)
            x = x + step * _at(velocity, half, (i + 0.5) * step)
        moved.append(x)
    return torch.cat(moved)


def _at(velocity: nn.Module, x: Tensor, time: float) -> Tensor:
    found: Tensor = velocity(torch.nn.functional.pad(x, (0, 1), value=time))
    return found
