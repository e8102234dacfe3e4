"""Optimisers by name or by a factory."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

import torch
from torch import nn

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": functools.partial(torch.optim.Adam, betas=(0.9, 0.99)),
    "adamw": functools.partial(torch.optim.AdamW, betas=(0.9, 0.99)),
    "rmsprop": torch.optim.RMSprop,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9),
}


def make_optimizer(
    kind: str | Callable[..., torch.optim.Optimizer],
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
) -> torch.optim.Optimizer:
    """Make an optimiser by its name, or by a factory of the parameters and ``lr``.

    Raises
    ------
    TypeError
        If the factory does not return a torch optimiser.
    ValueError
        If a step of the optimiser needs a closure.
    """
    factory = OPTIMIZERS[kind] if isinstance(kind, str) else kind
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
