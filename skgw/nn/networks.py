"""Network architectures, and how a network is built from what a user names it by."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Generic, Protocol, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.storable import storable

NetworkFactory = Callable[[int, int], nn.Module]
Network = TypeVar("Network", bound=nn.Module)
Built = TypeVar("Built", bound=nn.Module, covariant=True)


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


@contextlib.contextmanager
def named_shape_errors(x: Tensor, name: str) -> Iterator[None]:
    """Let a linear layer of a custom network, a parameter called `name`, refuse `x` by that name.

    Raises
    ------
    ValueError
        If a layer is for another number of columns.
    """
    try:
        yield
    except RuntimeError as error:
        if "shapes cannot be multiplied" not in str(error):
            raise
        raise ValueError(
            f"The {name} does not fit an input of shape {tuple(x.shape)}: {error}."
        ) from error


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


class Spec(Protocol[Built]):
    """How to build a network, as plain data."""

    def build(self, seed: int = 0) -> Built:
        """The network with fresh weights."""


@storable
@dataclass(frozen=True)
class FittedNetwork(Generic[Network]):
    """A trained network as plain data.

    Attributes
    ----------
    spec : AutoencoderSpec, GeneratorSpec or the like
    weights : dict of arrays
    """

    spec: Spec[Network]
    weights: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, network: Network, spec: Spec[Network]) -> FittedNetwork[Network]:
        """Take the weights out of `network`."""
        return cls(spec, weights_of(network))

    def build(self, device: str | torch.device = "cpu") -> Network:
        """The network on `device`, ready for evaluation."""
        network = self.spec.build()
        restore_weights(network, self.weights)
        return network.to(device).eval()


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of all weights and running statistics, as arrays."""
    return {name: x.detach().cpu().numpy().copy() for name, x in module.state_dict().items()}


def restore_weights(module: nn.Module, weights: dict[str, NDArray[Any]]) -> None:
    """Copy what `weights_of` took out into a module of the same structure."""
    module.load_state_dict({name: torch.tensor(x) for name, x in weights.items()})
