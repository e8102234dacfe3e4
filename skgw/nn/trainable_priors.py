"""Trainable priors of codes, whose family states what the codes should be like.

A prior is trained together with an autoencoder. Independent coordinates ask for disentangled codes,
components of a mixture for clusters, and a network without constraint for nothing but the geometry
of the data (Nakagawa et al. 2023). Draws of the neural priors have mean zero and variance one in
each coordinate, by a batch normalisation without parameters, since a scale of codes would have no
meaning to the distances that are compared.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from skgw.fields import OneOf, PositiveInteger
from skgw.nn.networks import Shapes, new_layer, weight_source
from skgw.nn.priors import GaussianPrior, Prior
from skgw.storable import storable

PRIORS = "neural", "factorized", "gaussian-mixture", "normal", "uniform"
LINEAR_SHARE = 0.2  # of the identity in the activation of the neural priors
MOMENTUM = 0.05  # of the running moments of the batch normalisation
N_HIDDEN = 3  # hidden layers of the neural priors
UNIFORM_HALF_WIDTH = 3**0.5  # of an interval with variance one
FACTOR_NOISE = 0.01  # standard deviation of initial factors of a mixture around the identity
PLACED_SCALE = 10.0  # of the parameters of placed components, over that of their codes


class Draws(NamedTuple):
    """Draws of a prior.

    Attributes
    ----------
    codes : Tensor of shape (n, k)
    weights : Tensor of shape (n,), or None
        Weights of the draws, all of them one, with a gradient in the shares of the components: the
        mean of a function of the draws, with these weights, has the gradient of its expectation.
        None if there are no components.
    components : Tensor of int of shape (n,), or None
    """

    codes: Tensor
    weights: Tensor | None = None
    components: Tensor | None = None


class TrainablePrior(Prior):
    """A distribution of codes with parameters."""

    def forward(self, n: int, generator: torch.Generator, *, stratified: bool = False) -> Tensor:
        """Draw codes (n, dim); there are no strata."""
        return self.draw(n, generator).codes

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Draw codes with a CPU generator."""


class FixedPrior(TrainablePrior):
    """The standard normal distribution, or the uniform distribution of the same variance."""

    def __init__(self, dim: int, *, uniform: bool = False) -> None:
        super().__init__(dim)
        self.uniform, self.normal = uniform, GaussianPrior(dim)

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Draw codes (n, dim)."""
        if not self.uniform:
            return Draws(self.normal(n, generator))
        share = torch.rand(n, self.dim, generator=generator, dtype=torch.float32)
        return Draws((UNIFORM_HALF_WIDTH * (2 * share - 1)).to(self.normal.origin))


class NeuralPrior(TrainablePrior):
    """Standard normal noise through a network.

    Parameters
    ----------
    dim : int
        Number k of coordinates of noise and of codes.
    width : int
        Units of each hidden layer.
    generator : torch.Generator
        Source of the initial weights.
    """

    def __init__(self, dim: int, width: int, generator: torch.Generator) -> None:
        super().__init__(dim)
        sizes = (dim, *(width,) * N_HIDDEN, dim)
        self.layers = nn.ModuleList(
            new_layer(nn.Linear, *pair, generator=generator) for pair in itertools.pairwise(sizes)
        )
        self.norm = _standardization(dim)

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Draw codes (n, dim)."""
        noise = torch.randn(n, self.dim, generator=generator, dtype=torch.float32)
        h = noise.to(next(self.parameters()))
        *hidden, last = self.layers
        for layer in hidden:
            h = _activation(layer(h))
        return Draws(self.norm(last(h)))


class FactorizedPrior(TrainablePrior):
    """Independent coordinates, each of them standard normal noise through a network of its own.

    Parameters
    ----------
    dim : int
        Number k of coordinates.
    width : int
        Units of each hidden layer of a coordinate.
    generator : torch.Generator
        Source of the initial weights.
    """

    def __init__(self, dim: int, width: int, generator: torch.Generator) -> None:
        super().__init__(dim)
        sizes = (1, *(width,) * N_HIDDEN, 1)
        pairs = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(
            _uniform((dim, n_in, n_out), n_in**-0.5, generator) for n_in, n_out in pairs
        )
        self.biases = nn.ParameterList(
            _uniform((dim, 1, n_out), n_in**-0.5, generator) for n_in, n_out in pairs
        )
        self.norm = _standardization(dim)

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Draw codes (n, dim)."""
        noise = torch.randn(n, self.dim, generator=generator, dtype=torch.float32)
        h = noise.to(self.weights[0]).T[:, :, None]  # (dim, n, 1)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            h = h if i == last else _activation(h)
        return Draws(self.norm(h[:, :, 0].T))


class GaussianMixturePrior(TrainablePrior):
    """A mixture of normal distributions with trainable shares, means and full covariances.

    Codes have mean zero and variance one in each coordinate, by the moments of the mixture.

    Parameters
    ----------
    dim : int
        Number k of coordinates.
    n_components : int
    generator : torch.Generator
        Source of the initial means, of the standard normal distribution.
    """

    def __init__(self, dim: int, n_components: int, generator: torch.Generator) -> None:
        super().__init__(dim)
        c = n_components
        self.logits = nn.Parameter(torch.zeros(c, dtype=torch.float32))
        means = torch.randn(c, dim, generator=generator, dtype=torch.float32)
        noise = torch.randn(c, dim, dim, generator=generator, dtype=torch.float32)
        self.raw_means = nn.Parameter(means)
        spread = 0.5 * c ** (-1 / dim)  # components of about this radius fill the unit ball
        self.raw_factors = nn.Parameter(
            spread * (torch.eye(dim, dtype=torch.float32) + FACTOR_NOISE * noise)
        )

    def parameters_of_codes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Shares (c,), means (c, dim), and factors (c, dim, dim) of the covariances L L^T."""
        shares = self.logits.softmax(0)
        centre = shares @ self.raw_means
        means = self.raw_means - centre
        within = self.raw_factors.square().sum(2)
        scale = (shares @ (means.square() + within)).clamp_min(1e-12).sqrt()
        return shares, means / scale, self.raw_factors / scale[:, None]

    @torch.no_grad()
    def place(self, shares: Tensor, means: Tensor, factors: Tensor) -> None:
        """Set the shares (c,), means (c, dim) and factors (c, dim, dim) of the components.

        The codes keep mean zero and variance one in each coordinate, whatever the scale of the
        parameters. It is ten times that of the codes, so that an update of Adam, whose size does
        not depend on the scale, moves a component slowly.
        """
        self.logits.copy_(shares.log())
        self.raw_means.copy_(PLACED_SCALE * means)
        self.raw_factors.copy_(PLACED_SCALE * factors)

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Draw codes (n, dim), their weights, and their components."""
        shares, means, factors = self.parameters_of_codes()
        share = torch.rand(n, generator=generator, dtype=torch.float32)
        noise = torch.randn(n, self.dim, generator=generator, dtype=torch.float32).to(means)
        borders = shares.detach().cumsum(0)
        component = torch.searchsorted(borders, share.to(borders), right=True)
        component = component.clamp_max(len(shares) - 1)
        codes = means[component] + torch.einsum("nkl,nl->nk", factors[component], noise)
        drawn = shares[component]
        return Draws(codes, drawn / drawn.detach(), component)


@storable
@dataclass(frozen=True)
class PriorSpec:
    """Specification of a trainable prior.

    Attributes
    ----------
    family : {"neural", "factorized", "gaussian-mixture", "normal", "uniform"}
        `NeuralPrior`, `FactorizedPrior`, `GaussianMixturePrior`, or a `FixedPrior`.
    dim : int
        Number of coordinates of the codes.
    size : int
        Width of the hidden layers of a neural prior and, for each coordinate, of a factorised
        prior; number of components of a mixture. Unused by fixed priors.

    Examples
    --------
    >>> import torch
    >>> prior = PriorSpec("factorized", dim=3, size=8).build(seed=0)
    >>> prior(5, torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3])
    """

    family: Annotated[str, OneOf(*PRIORS)]
    dim: PositiveInteger
    size: PositiveInteger = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of coordinates of noise and codes."""
        return self.dim, self.dim

    def weight_shapes(self) -> Shapes:
        """Names and shapes of all weights."""
        return _SHAPES[self.family](self.dim, self.size)

    def build(self, seed: int = 0) -> TrainablePrior:
        """Build a prior with fresh weights in float32."""
        source = weight_source(seed)
        if self.family == "neural":
            return NeuralPrior(self.dim, self.size, source)
        if self.family == "factorized":
            return FactorizedPrior(self.dim, self.size, source)
        if self.family == "gaussian-mixture":
            return GaussianMixturePrior(self.dim, self.size, source)
        return FixedPrior(self.dim, uniform=self.family == "uniform")


def _no_shapes(dim: int, size: int) -> Shapes:
    return iter(())


def _neural_shapes(dim: int, size: int) -> Shapes:
    sizes = (dim, *(size,) * N_HIDDEN, dim)
    for i, (n_inputs, n_outputs) in enumerate(itertools.pairwise(sizes)):
        yield f"layers.{i}.weight", (n_outputs, n_inputs)
        yield f"layers.{i}.bias", (n_outputs,)
    yield from _norm_shapes(dim)


def _factorized_shapes(dim: int, size: int) -> Shapes:
    sizes = (1, *(size,) * N_HIDDEN, 1)
    for i, (n_inputs, n_outputs) in enumerate(itertools.pairwise(sizes)):
        yield f"weights.{i}", (dim, n_inputs, n_outputs)
        yield f"biases.{i}", (dim, 1, n_outputs)
    yield from _norm_shapes(dim)


def _mixture_shapes(dim: int, size: int) -> Shapes:
    yield "logits", (size,)
    yield "raw_means", (size, dim)
    yield "raw_factors", (size, dim, dim)


def _norm_shapes(dim: int) -> Shapes:
    yield "norm.running_mean", (dim,)
    yield "norm.running_var", (dim,)
    yield "norm.num_batches_tracked", ()


_SHAPES: dict[str, Callable[[int, int], Shapes]] = {
    "neural": _neural_shapes,
    "factorized": _factorized_shapes,
    "gaussian-mixture": _mixture_shapes,
    "normal": _no_shapes,
    "uniform": _no_shapes,
}


def _activation(x: Tensor) -> Tensor:
    return (1 - LINEAR_SHARE) * silu(x) + LINEAR_SHARE * x


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> nn.Parameter:
    share = torch.rand(shape, generator=generator, dtype=torch.float32)
    return nn.Parameter(bound * (2 * share - 1))


def _standardization(dim: int) -> nn.BatchNorm1d:
    """Mean zero and variance one; `eps` is far below the variance of an untrained network."""
    return nn.BatchNorm1d(dim, eps=1e-10, affine=False, momentum=MOMENTUM, dtype=torch.float32)
