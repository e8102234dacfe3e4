"""Network architectures, and how a network is built from what a user names it by."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

NetworkFactory = Callable[[int, int], nn.Module]


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """A multilayer perceptron with ReLU activations and a linear output, in float32.

    Parameters
    ----------
    sizes : sequence of int
        Widths of input, hidden layers and output.
    """
    layers: list[nn.Module] = []
    for width_in, width_out in itertools.pairwise(sizes):
        layers += [nn.Linear(width_in, width_out, dtype=torch.float32), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def custom_network(
    network: nn.Module | NetworkFactory, n_inputs: int, n_outputs: int, *, name: str
) -> nn.Module:
    """A copy of a module, or what a callable makes of (n_inputs, n_outputs).

    Raises
    ------
    TypeError
        If the callable, a parameter called `name`, returns something else than a module.
    """
    if isinstance(network, nn.Module):
        return copy.deepcopy(network)
    made = network(n_inputs, n_outputs)
    if not isinstance(made, nn.Module):
        raise TypeError(f"{name} returned a {type(made).__name__}, expected a torch.nn.Module.")
    return made


def check_layer_sizes(sizes: Sequence[Any]) -> None:
    """Refuse hidden layers without a positive number of units, with a ValueError."""
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be positive integers, got {sizes}.")


@contextlib.contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Let weights that are drawn in the block follow `seed`; the global state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # that of the CPU alone
        yield


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of all weights and running statistics, as arrays."""
    return {name: x.detach().cpu().numpy().copy() for name, x in module.state_dict().items()}


def restore_weights(module: nn.Module, weights: dict[str, NDArray[Any]]) -> None:
    """Copy what `weights_of` took out into a module of the same structure."""
    module.load_state_dict({name: torch.tensor(x) for name, x in weights.items()})
