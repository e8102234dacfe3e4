"""Network architectures, custom networks, and trained networks as plain data."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.nn.global_generator import lent
from skgw.storable import storable
from skgw.threads import network_work, threads_for

CHUNK_SIZE = 2048  # rows per evaluation of a trained network
NETWORKS = "mlp", "conv"  # names of architectures
BATCH_COUNT = ".num_batches_tracked"  # end of the name of the counter of a batch normalisation
OUTPUT_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
}
NetworkFactory = Callable[[int, int], nn.Module]
Network = TypeVar("Network", bound=nn.Module)
Shapes = Iterable[tuple[str, tuple[int, ...]]]  # names of weights, and their shapes
Layer = TypeVar("Layer", bound=nn.Module)
Built = TypeVar("Built", bound=nn.Module, covariant=True)


def mlp(sizes: Sequence[int], generator: torch.Generator | None = None) -> nn.Sequential:
    """Build a multilayer perceptron with ReLU activations and a linear output, in float32.

    Parameters
    ----------
    sizes : sequence of int
        Widths of input, hidden layers and output.
    generator : torch.Generator, optional
        Source of the weights; by default the global generator of torch.

    Returns
    -------
    Sequential
    """
    layers: list[nn.Module] = []
    for width_in, width_out in itertools.pairwise(sizes):
        layers += [new_layer(nn.Linear, width_in, width_out, generator=generator), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def new_layer(
    kind: type[Layer], *sizes: int, generator: torch.Generator | None, **options: Any
) -> Layer:
    """Build a linear or convolutional layer in float32, with the initial weights of torch.

    Parameters
    ----------
    kind : type
        `torch.nn.Linear`, or a convolution of torch.
    *sizes : int
        Numbers of inputs and outputs.
    generator : torch.Generator or None
        Source of the weights; None: the global generator of torch.
    **options : object
        Other arguments of the layer.

    Returns
    -------
    Module
        The layer that ``kind(...)`` returns if the global generator has the state of `generator`.
    """
    layer: Any = _bare(kind)(*sizes, dtype=torch.float32, **options)
    layer.__class__ = kind
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def _bare(kind: type[Layer]) -> type[Layer]:
    """A layer that does not draw its weights from the global generator of torch."""
    return type(kind.__name__, (kind,), {"reset_parameters": lambda self: None})


def custom_network(
    network: nn.Module | NetworkFactory,
    n_inputs: int,
    n_outputs: int,
    generator: torch.Generator,
    *,
    name: str,
) -> nn.Module:
    """Copy a module, or call a factory with (n_inputs, n_outputs).

    The factory draws weights from the global generator of torch, which continues `generator`.

    Parameters
    ----------
    network : Module or callable
    n_inputs, n_outputs : int
        Dimensions of the network.
    generator : torch.Generator
        Source of the weights.
    name : str
        Name of the user's parameter, for the error message.

    Raises
    ------
    TypeError
        If the factory returns anything but a module.
    """
    if isinstance(network, nn.Module):
        return copy.deepcopy(network)
    with lent(generator):
        made = network(n_inputs, n_outputs)
    if not isinstance(made, nn.Module):
        raise TypeError(f"{name} returned a {type(made).__name__}, expected a torch.nn.Module.")
    return made


@contextlib.contextmanager
def named_shape_errors(x: Tensor, name: str) -> Iterator[None]:
    """Re-raise torch's shape error with the name of the user's parameter.

    Parameters
    ----------
    x : Tensor
        Input of the network that runs in the block.
    name : str
        Name of the user's parameter.

    Raises
    ------
    ValueError
        If a linear layer in the block expects another number of columns.
    """
    try:
        yield
    except RuntimeError as error:
        if "shapes cannot be multiplied" not in str(error):
            raise
        raise ValueError(
            f"The {name} does not fit an input of shape {tuple(x.shape)}: {error}."
        ) from error


def check_layer_sizes(sizes: Sequence[Any], *, name: str = "hidden_layer_sizes") -> None:
    """Raise a ValueError unless every hidden layer has a positive number of units."""
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(f"{name} must be positive integers, got {sizes}.")


def check_name(network: Any, names: Sequence[str] = NETWORKS) -> None:
    """Raise a ValueError for a string that is not among the names of architectures."""
    if isinstance(network, str) and network not in names:
        raise ValueError(f"network must be one of {(*names,)}, got {network!r}.")


def weight_source(seed: int) -> torch.Generator:
    """A new CPU generator for initial weights."""
    return torch.Generator().manual_seed(seed)


def check_shapes(expected: Shapes, found: Mapping[str, tuple[int, ...]]) -> None:
    """Raise a ValueError unless exactly these weights have these shapes.

    The comparison ends at the first difference, and expects no more weights than there are.
    """
    names = set()
    for name, shape in expected:
        if found.get(name) != shape:
            raise ValueError(f"weights {name!r} must have shape {shape}, got {found.get(name)}")
        names.add(name)
    unknown = found.keys() - names
    if unknown:
        raise ValueError(f"the network has no weights {min(unknown)!r}")


def without_dropout(module: nn.Module) -> None:
    """Put a module into evaluation mode, but for batch normalisation.

    A network whose weights are trained without its normalisation would be another function with it.
    """
    module.eval()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._NormBase):
            layer.train()


class Spec(Protocol[Built]):
    """Specification of a network as plain data."""

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of inputs and outputs."""

    def weight_shapes(self) -> Shapes | None:
        """Names and shapes of all weights; None if only the user's code knows them."""

    def build(self, seed: int = 0) -> Built:
        """Build the network with fresh weights."""


@storable
@dataclass(frozen=True)
class FittedNetwork(Generic[Network]):
    """A trained network as plain data.

    Attributes
    ----------
    spec : Spec
        Specification of the architecture, for instance an `AutoencoderSpec`.
    weights : dict of str to array
        Weights and running statistics by name.
    """

    spec: Spec[Network]
    weights: dict[str, NDArray[Any]]

    def _check(self) -> None:
        shapes = self.spec.weight_shapes()
        if shapes is None:
            return
        check_shapes(shapes, {name: x.shape for name, x in self.weights.items()})
        for name, x in self.weights.items():
            dtype = "int64" if name.endswith(BATCH_COUNT) else "float32"
            if x.dtype.name != dtype or not np.isfinite(x).all():
                raise ValueError(f"weights {name!r} must be finite numbers in {dtype}")

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of inputs and outputs."""
        return self.spec.shape

    @classmethod
    def of(cls, network: Network, spec: Spec[Network]) -> FittedNetwork[Network]:
        """Copy the weights of `network`."""
        return cls(spec, weights_of(network))

    def build(self, device: str | torch.device = "cpu") -> Network:
        """Rebuild the network on `device`, in evaluation mode."""
        network = self.spec.build()
        restore_weights(network, self.weights)
        return network.to(device).eval()


@torch.no_grad()
def evaluate(
    fitted: FittedNetwork[Network],
    function: Callable[[Network, Tensor], Tensor],
    rows: NDArray[Any],
    device: torch.device,
    *,
    chunk_size: int = CHUNK_SIZE,
) -> NDArray[np.float64]:
    """Evaluate a function of a trained network and rows, `chunk_size` rows at a time.

    A network with a name computes in float64 on the CPU: in float32 the result of a row would
    depend on the other rows.

    Parameters
    ----------
    fitted : FittedNetwork
    function : callable
        Maps the network and rows (n, p) to values (n, ...).
    rows : array of shape (b, p)
    device : torch.device
    chunk_size : int, default=2048
        Rows per evaluation.

    Returns
    -------
    array of float64 of shape (b, ...)
    """
    network = fitted.build(device)
    is_double = device.type == "cpu" and fitted.spec.weight_shapes() is not None
    dtype = torch.float64 if is_double else torch.float32
    network = network.to(dtype)
    own = torch.as_tensor(np.array(rows, dtype=np.float64))  # rows may be read-only
    with threads_for(network_work(network, min(len(own), chunk_size))):
        values = [
            function(network, x.to(device, dtype)).double().cpu() for x in own.split(chunk_size)
        ]
    return np.asarray(torch.cat(values).numpy())


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Copy all weights and running statistics to arrays."""
    return {name: x.detach().cpu().numpy().copy() for name, x in module.state_dict().items()}


def restore_weights(module: nn.Module, weights: dict[str, NDArray[Any]]) -> None:
    """Copy the arrays of `weights_of` into a module of the same structure."""
    module.load_state_dict({name: torch.tensor(x) for name, x in weights.items()})
