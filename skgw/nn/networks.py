"""Network architectures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn


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
