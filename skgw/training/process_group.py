"""Process group: the processes of torchrun that train one model together.

Each process draws its own mini-batches, solves their problems and steps along the mean of the
gradients of all processes, so that all processes keep the same weights. The first process writes
the checkpoints, prints the progress and decides when to stop.
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
RANK_SEED_STRIDE = 1_000_003  # difference between the seeds of two consecutive ranks


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train one model; the default is a group of one process.

    All methods are collective: every process calls the same methods in the same order.

    Attributes
    ----------
    rank : int
        Rank of this process, from 0.
    size : int
        Number of processes.

    Examples
    --------
    >>> alone = ProcessGroup()
    >>> alone.is_first, alone.broadcast("stop"), alone.gather(3)
    (True, 'stop', [3])
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process has rank 0."""
        return self.rank == 0

    def broadcast(self, value: T) -> T:
        """The value of the first process, on all processes."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def gather(self, value: T) -> list[T]:
        """The values of all processes in the order of their ranks, on all processes."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their means over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        _copy_parts(flat, gradients)

    def sync_parameters(self, module: nn.Module) -> None:
        """Copy the weights and buffers of the first process to all processes."""
        if self.size == 1:
            return
        with torch.no_grad():
            for tensor in module.state_dict().values():
                contiguous = tensor.contiguous()
                distributed.broadcast(contiguous, src=0)
                tensor.copy_(contiguous)

    def seed_by_rank(self, generator: torch.Generator) -> None:
        """Seed the generator of every process but the first anew, each by its rank."""
        if not self.is_first:
            generator.manual_seed(generator.initial_seed() + self.rank * RANK_SEED_STRIDE)


def _copy_parts(flat: Tensor, targets: Sequence[Tensor]) -> None:
    """Copy consecutive parts of a flat tensor into the target tensors."""
    parts = flat.split([t.numel() for t in targets])
    for part, target in zip(parts, targets, strict=True):
        target.copy_(part.view_as(target))


def current_process_group() -> ProcessGroup:
    """The process group that this process has joined, else a group of this process alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return ProcessGroup()
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size())


def join_process_group(device: torch.device) -> ProcessGroup:
    """Join the processes that torchrun has started together with this process, if any.

    The backend is NCCL for a CUDA device, with one GPU per process, else Gloo. An existing process
    group is kept. Worker processes that a process of the group starts, as joblib does, do not join.

    Parameters
    ----------
    device : torch.device
        Device of the training.
    """
    if not _is_started_by_torchrun() or distributed.is_initialized():
        return current_process_group()
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    atexit.register(_leave)
    return current_process_group()


def _is_started_by_torchrun() -> bool:
    """Whether torchrun has started this process together with others."""
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        return False
    is_main = multiprocessing.current_process().name == "MainProcess"
    return is_main and int(os.environ.get("WORLD_SIZE", "1")) > 1


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
