"""Data cost of an autoencoder: what a reconstruction costs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skgw.autoencoders.objective import Cost, absolute_error, squared_error
from skgw.nn.coded_domain import Scaler
from skgw.nn.regularizers import Frozen

COSTS: dict[str, Cost] = {"squared": squared_error, "absolute": absolute_error}


class DataCost(Frozen):
    """A cost of rows in the unit of the data, for an autoencoder of scaled rows.

    Parameters
    ----------
    function : callable or Module
        Maps rows and their reconstructions (n, p) to one number, or to one number for each row,
        which are averaged. A module is copied, and its weights do not change.
    scaler : Scaler
    """

    mean: Tensor  # (p,)

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], scaler: Scaler) -> None:
        super().__init__()
        if isinstance(function, nn.Module):
            function = copy.deepcopy(function).float().requires_grad_(False)
        self.function, self.scale = function, float(scaler.scale)
        mean = torch.as_tensor(scaler.mean, dtype=torch.float32)
        self.register_buffer("mean", mean, persistent=False)
        self.train(False)

    def forward(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Mean cost, 0-d.

        Raises
        ------
        ValueError
            If the function returns neither one number nor one number for each row.
        """
        found: Any = self.function(self._in_units(x), self._in_units(decoded))
        if not isinstance(found, Tensor) or found.shape not in ((), (len(x),)):
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                "cost must return a tensor with one number, or with one number for each of the "
                f"{len(x)} rows; got {got}."
            )
        return found.mean()

    def _in_units(self, x: Tensor) -> Tensor:
        return x * self.scale + self.mean


def data_cost(cost: str | Callable[[Tensor, Tensor], Tensor], scaler: Scaler) -> Cost:
    """The cost of a name, or of a function of rows in the unit of the data."""
    return COSTS[cost] if isinstance(cost, str) else DataCost(cost, scaler)
