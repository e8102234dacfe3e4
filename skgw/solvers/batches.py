"""Batches that are given as lists: problems of different sizes are padded.

The padding repeats the first point with weight zero. It adds no new distance, so that every option
that depends on the entries of a matrix means the same as for the matrix alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from skgw.solvers.inputs import (
    Inputs,
    are_tensors,
    as_like,
    check_square,
    read_inputs,
    read_tensor,
    read_weights,
)
from skgw.solvers.plan import Array
from skgw.solvers.result import GromovResult, State

Sizes = tuple[int, ...]


class Shapes(NamedTuple):
    """Numbers of points of each problem of a padded batch; None for a space of one size."""

    n: Sizes | None
    m: Sizes | None

    @property
    def is_padded(self) -> bool:
        """Whether a space has several sizes."""
        return self.n is not None or self.m is not None

    def crop(self, x: Array, *axes: str) -> Any:
        """A list of the parts of x (batch, ...) without padding; its axes are "n" or "m"."""
        sizes = [self.n if axis == "n" else self.m for axis in axes]
        if not any(sizes):
            return x
        return [
            x[(k, *(slice(None if size is None else size[k]) for size in sizes))]
            for k in range(len(x))
        ]


def read_problems(
    Ca: Any, Cb: Any, M: Any, a: Any, b: Any, loss: str, *, directed: bool = False
) -> tuple[Inputs, Shapes]:
    """As `read_inputs`, for arrays and for lists of arrays, whose sizes may differ.

    Raises
    ------
    TypeError, ValueError
        As `read_inputs`, and for a list beside an array that cannot belong to all its sizes.
    """
    lists = [as_list(x, n_dims) for x, n_dims in ((Ca, 2), (Cb, 2), (M, 2), (a, 1), (b, 1))]
    if all(x is None for x in lists):
        return read_inputs(Ca, Cb, M, a, b, loss, directed=directed), Shapes(None, None)
    arrays = [Ca, Cb, M, a, b]
    flat = [[x] if parts is None else parts for x, parts in zip(arrays, lists, strict=True)]
    is_torch = are_tensors(*(part for parts in flat for part in parts))
    sides = [
        _padded_side(arrays[i], lists[i], arrays[i + 3], lists[i + 3], names, loss, directed)
        for i, names in enumerate((("Ca", "a"), ("Cb", "b")))
    ]
    shapes = Shapes(sides[0][2], sides[1][2])
    M = _padded_cost(M, lists[2], shapes, tuple(np.shape(side[0])[-1] for side in sides))
    Ca, Cb, M, a, b = (
        _kind(x, is_torch) for x in (sides[0][0], sides[1][0], M, sides[0][1], sides[1][1])
    )
    return read_inputs(Ca, Cb, M, a, b, loss, directed=directed), shapes


def as_list(x: Any, n_dims: int) -> list[Any] | None:
    """The arrays of a list or tuple, if each has `n_dims` axes; a nested list is one array."""
    if isinstance(x, list | tuple) and len(x) and all(_ndim(part) == n_dims for part in x):
        return list(x)
    return None


def padded_plans(init: Any, inputs: Inputs, shapes: Shapes) -> Any:
    """A list of plans as an option `init` of a padded batch; other starts are unchanged."""
    plans = None if isinstance(init, State) else as_list(init, 2)
    if plans is None or not shapes.is_padded:
        return init
    n, m = inputs.a.shape[1], inputs.b.shape[1]
    tensors = [as_like(plan, inputs.a) for plan in plans]
    expected = [
        tuple(size[k] if size else full for size, full in zip(shapes, (n, m), strict=True))
        for k in range(len(inputs.a))
    ]
    if [tuple(x.shape) for x in tensors] != expected:
        raise ValueError(
            f"init holds plans of shapes {[tuple(x.shape) for x in tensors]}, expected {expected}."
        )
    return torch.stack([pad(x, (0, m - x.shape[1], 0, n - x.shape[0])) for x in tensors])


def cropped(result: GromovResult, shapes: Shapes) -> GromovResult:
    """`result` without padding: lists of plans, potentials and marginals."""
    if not shapes.is_padded:
        return result
    (f, g), (rows, columns) = result.potentials, result.marginals
    return replace(
        result,
        plan=shapes.crop(result.plan, "n", "m"),
        potentials=(shapes.crop(f, "n"), shapes.crop(g, "m")),
        marginals=(shapes.crop(rows, "n"), shapes.crop(columns, "m")),
    )


def _padded_side(
    C: Any, matrices: list[Any] | None, w: Any, weights: list[Any] | None,
    names: tuple[str, str], loss: str, directed: bool,
) -> tuple[Any, Any, Sizes | None]:  # fmt: skip
    """Matrices and weights of one space as arrays, and its sizes, if there are several."""
    if matrices is None:
        return C, w if weights is None else _stacked(weights, names[1]), None
    tensors = [read_tensor(x, f"{names[0]}[{k}]") for k, x in enumerate(matrices)]
    for k, x in enumerate(tensors):
        check_square(x, f"{names[0]}[{k}]", loss, directed=directed)
    sizes = tuple(len(x) for x in tensors)
    dtype = _common_dtype(tensors)
    if len(set(sizes)) == 1:
        w = w if weights is None else _stacked(weights, names[1])
        return torch.stack([x.to(dtype) for x in tensors]), w, None
    if w is not None and (weights is None or len(weights) != len(sizes)):
        raise ValueError(
            f"{names[0]} holds {len(sizes)} matrices of different sizes, {_listed(sizes)}: give "
            f"{names[1]} as a list of as many arrays of weights, or leave it out."
        )
    parts = [None] * len(sizes) if weights is None else weights
    read = [
        read_weights(part, size, f"{names[1]}[{k}]", dtype, x.device)
        for k, (part, size, x) in enumerate(zip(parts, sizes, tensors, strict=True))
    ]
    n = max(sizes)
    padded = [_repeated(x.to(dtype), n, n) for x in tensors]
    return torch.stack(padded), torch.stack([pad(p, (0, n - len(p))) for p in read]), sizes


def _padded_cost(M: Any, parts: list[Any] | None, shapes: Shapes, largest: Sizes) -> Any:
    """The costs between the spaces as an array."""
    if M is None or not shapes.is_padded:
        return M if parts is None else _stacked(parts, "M")
    n_problems = len(shapes.n or shapes.m or ())
    if parts is None or len(parts) != n_problems:
        raise ValueError(
            "The problems have different sizes: give M as a list of one matrix for each problem."
        )
    tensors = [read_tensor(x, f"M[{k}]") for k, x in enumerate(parts)]
    for k, x in enumerate(tensors):
        expected = tuple(
            size[k] if size else full for size, full in zip(shapes, largest, strict=True)
        )
        if tuple(x.shape) != expected:
            raise ValueError(f"M[{k}] has shape {tuple(x.shape)}, expected {expected}.")
    dtype = _common_dtype(tensors)
    return torch.stack([_repeated(x.to(dtype), largest[0], largest[1]) for x in tensors])


def _repeated(x: Tensor, n: int, m: int) -> Tensor:
    """x (k, l) as an array (n, m): the first row and column are repeated."""
    rows, columns = (
        torch.arange(size, device=x.device) * (torch.arange(size, device=x.device) < length)
        for size, length in zip((n, m), x.shape, strict=True)
    )
    return x[rows][:, columns]


def _stacked(parts: Sequence[Any], name: str) -> Tensor:
    tensors = [read_tensor(x, f"{name}[{k}]") for k, x in enumerate(parts)]
    shapes = {tuple(x.shape) for x in tensors}
    if len(shapes) > 1:
        raise ValueError(
            f"{name} holds arrays of different shapes, {_listed(shapes)}, and the problems have "
            "one size."
        )
    dtype = _common_dtype(tensors)
    return torch.stack([x.to(dtype) for x in tensors])


def _common_dtype(tensors: list[Tensor]) -> torch.dtype:
    dtype = tensors[0].dtype
    for x in tensors:
        dtype = torch.promote_types(dtype, x.dtype)
    return dtype


def _kind(x: Any, is_torch: bool) -> Any:
    """Tensors that stand for numpy arrays, as numpy arrays again."""
    return x.numpy() if isinstance(x, Tensor) and not is_torch else x


def _ndim(x: Any) -> int:
    n_dims = getattr(x, "ndim", None)
    if n_dims is None:
        try:
            return np.ndim(x)
        except ValueError:  # of unequal parts
            return -1
    return int(n_dims)


def _listed(items: Any) -> str:
    return ", ".join(map(str, sorted(items)))
