"""torch's global generator, lent to code that draws from it.

Networks of skgw take their noise from generators that they are handed. Layers such as dropout, and
modules and functions of users, may draw from the global generator of torch instead, which all
threads of a process share. Such code runs in a block of `lent`, one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

# Layers of torch that draw from the global generator in training mode.
NOISY_LAYERS = (
    nn.modules.dropout._DropoutNd,
    nn.RReLU,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.MultiheadAttention,
    nn.RNNBase,
)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class _Lock:
    """The lock of the global generator; a forked child begins with a free lock."""

    def __init__(self) -> None:
        self.reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        self.lock = threading.RLock()


_GLOBAL = _Lock()


@contextlib.contextmanager
def lent(generator: torch.Generator, devices: Sequence[int] = ()) -> Iterator[None]:
    """Let the global generator continue `generator` in the block, and restore it afterwards.

    `generator` has made the draws of the block afterwards. Other threads wait for the end of the
    block before they enter one of their own.

    Parameters
    ----------
    generator : torch.Generator
        A CPU generator.
    devices : sequence of int
        CUDA devices, whose global generators begin at the seed of `generator`.
    """
    with _GLOBAL.lock:
        before = torch.default_generator.get_state()
        before_on = [torch.cuda.get_rng_state(device) for device in devices]
        try:
            torch.default_generator.set_state(generator.get_state())
            for device in devices:
                torch.cuda.default_generators[device].manual_seed(generator.initial_seed())
            yield
            generator.set_state(torch.default_generator.get_state())
        finally:
            torch.default_generator.set_state(before)
            for device, state in zip(devices, before_on, strict=True):
                torch.cuda.set_rng_state(state, device)


def seeded_global(
    seed: int, module: nn.Module, *optimizers: torch.optim.Optimizer
) -> contextlib.AbstractContextManager[None]:
    """Seed the global generators in the block, and restore them, if anything may draw from them.

    Without such a layer the block neither waits for other threads nor touches the global state.

    Parameters
    ----------
    seed : int
    module : Module
        Networks that run in the block.
    *optimizers : Optimizer
        Optimisers whose steps are in the block.
    """
    known_steps = all(type(x).__module__.startswith("torch.optim.") for x in optimizers)
    if known_steps and not may_draw(module):
        return contextlib.nullcontext()
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.is_cuda})
    return lent(torch.Generator().manual_seed(seed), devices)


def may_draw(module: nn.Module) -> bool:
    """Whether a module, or a module in it, may draw from a global generator in its present mode.

    The layers of torch and skgw are known. Modules, functions and hooks of another origin may draw.
    """
    return any(map(_may_draw, module.modules()))


def _may_draw(module: nn.Module) -> bool:
    if isinstance(module, NOISY_LAYERS):
        return module.training
    attributes = vars(module)
    functions = [
        x for x in attributes.values() if callable(x) and not isinstance(x, (nn.Module, type))
    ]
    hooked = any(attributes.get(hooks) for hooks in HOOKS)
    return hooked or not all(map(_is_known, (type(module), *functions)))


def _is_known(thing: Any) -> bool:
    origin = getattr(thing, "__module__", None) or ""
    return origin.startswith("torch.nn.") or origin.partition(".")[0] == "skgw"
