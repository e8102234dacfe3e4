"""Several processes that train one model: the world that torchrun starts.

Every process draws mini-batches of its own, solves their problems, and steps along the mean of all
gradients, so that the weights stay the same everywhere. The first process speaks for all of them:
it writes checkpoints, shows progress and decides when to stop.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")
SEED_STEP = 1_000_003  # between the seeds of two ranks


@dataclass(frozen=True)
class World:
    """The processes that train together; a single one is a world, too.

    All methods are collective: every process has to call them, in the same order.

    Attributes
    ----------
    rank : int
        Of this process.
    size : int
        Number of processes.

    Examples
    --------
    >>> alone = World()
    >>> alone.is_first, alone.agree("stop"), alone.gather(3)
    (True, 'stop', [3])
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def agree(self, value: T) -> T:
        """The first process's value, on all of them."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank, on all of them."""
        if self.size == 1:
            return [value]
        box: list[Any] = [None] * self.size
        distributed.all_gather_object(box, value)
        return box

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their means over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        _scatter(flat, gradients)

    def align(self, module: nn.Module) -> None:
        """Give all processes the first one's weights and buffers."""
        if self.size == 1:
            return
        with torch.no_grad():
            for tensor in module.state_dict().values():
                whole = tensor.contiguous()
                distributed.broadcast(whole, src=0)
                tensor.copy_(whole)

    def own_noise(self, generator: torch.Generator) -> None:
        """Let every process but the first draw from a sequence of its own."""
        if not self.is_first:
            generator.manual_seed(generator.initial_seed() + self.rank * SEED_STEP)


def _scatter(flat: Tensor, targets: Sequence[Tensor]) -> None:
    parts = flat.split([t.numel() for t in targets])
    for part, target in zip(parts, targets, strict=True):
        target.copy_(part.view_as(target))


def current_world() -> World:
    """The world that this process has joined, or one of its own."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return World()
    return World(distributed.get_rank(), distributed.get_world_size())


def join_world(device: torch.device) -> World:
    """Join the processes that torchrun has started with this one, if it has.

    Processes talk through NCCL if they compute on GPUs, one for each, and through Gloo else. A
    process group that exists already is taken as it is. Workers that such a process starts for
    itself, as joblib does, stay alone.
    """
    if not _is_called() or distributed.is_initialized():
        return current_world()
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    atexit.register(_leave)
    return current_world()


def _is_called() -> bool:
    """Whether torchrun has started this process, with others."""
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        return False
    is_main = multiprocessing.current_process().name == "MainProcess"
    return is_main and int(os.environ.get("WORLD_SIZE", "1")) > 1


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
