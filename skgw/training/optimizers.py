"""Optimisers by name or by a factory."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import torch
from torch import nn

BETAS = 0.9, 0.99  # of Adam
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": functools.partial(torch.optim.Adam, betas=BETAS),
    "adamw": functools.partial(torch.optim.AdamW, betas=BETAS),
    "rmsprop": torch.optim.RMSprop,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9),
}


def make_optimizer(
    kind: str | Callable[..., torch.optim.Optimizer],
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    *,
    betas: tuple[float, float] | None = None,
) -> torch.optim.Optimizer:
    """Make an optimiser by its name, or by a factory of the parameters and ``lr``.

    Parameters
    ----------
    kind : str or callable
    parameters : sequence of Parameter
    learning_rate : float
    betas : (float, float), optional
        Decay rates of "adam" and "adamw"; by default (0.9, 0.99).

    Raises
    ------
    TypeError
        If the factory does not return a torch optimiser.
    ValueError
        If a step of the optimiser needs a closure, or if `betas` are no decay rates or belong to
        another optimiser.
    """
    factory = OPTIMIZERS[kind] if isinstance(kind, str) else kind
    if betas is not None:
        factory = functools.partial(factory, betas=_decay_rates(kind, betas))
    optimizer = factory(list(parameters), lr=learning_rate)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer returned a {type(optimizer).__name__}, expected a torch.optim.Optimizer."
        )
    try:
        inspect.signature(optimizer.step).bind()
    except TypeError as error:
        raise ValueError(
            f"{type(optimizer).__name__} needs a closure that evaluates the loss again, but "
            "every batch has another loss: use a first-order optimizer, such as Adam."
        ) from error
    return optimizer


def _decay_rates(kind: str | Callable[..., Any], betas: Any) -> tuple[float, float]:
    """Two validated decay rates of Adam."""
    if kind not in ("adam", "adamw"):
        name = repr(kind) if isinstance(kind, str) else "a callable"
        raise ValueError(
            f"betas are the decay rates of 'adam' and 'adamw', and the optimizer is {name}: leave "
            "betas at None."
        )
    if len(betas) != 2 or not all(isinstance(x, Real) and 0 <= float(x) < 1 for x in betas):
        raise ValueError(f"betas must be two numbers from 0 to below 1, got {betas!r}.")
    return float(betas[0]), float(betas[1])
