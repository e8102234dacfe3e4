"""Validation of input arrays, and their conversion to batched tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor
from torch.autograd.function import once_differentiable

from skgw.solvers.directed import is_directed

Array = Any  # a numpy array or a torch tensor: the kind that the caller uses
NumpyArray = NDArray[Any]


class Inputs(NamedTuple):
    """Validated tensors with a batch axis, and the conversion of results."""

    Ca: Tensor  # (B, n, n)
    Cb: Tensor  # (B, m, m)
    M: Tensor | None  # (B, n, m)
    a: Tensor  # (B, n)
    b: Tensor  # (B, m)
    restore: Callable[[Tensor], Any]  # drops an added batch axis; numpy for numpy input

    def detach(self, *, with_m: bool = True) -> Inputs:
        """The same arrays as constants; `M` may be left out."""
        M = self.M.detach() if with_m and self.M is not None else None
        Ca, Cb, a, b = (x.detach() for x in (self.Ca, self.Cb, self.a, self.b))
        return Inputs(Ca, Cb, M, a, b, self.restore)


def read_inputs(
    Ca: Any, Cb: Any, M: Any, a: Any, b: Any, loss: str, *, directed: bool = False
) -> Inputs:
    """Validate the arrays of a problem or a batch of problems; matrices may be `directed`.

    Raises
    ------
    TypeError
        For numpy arrays mixed with torch tensors, and for sparse matrices.
    ValueError
        For matrices that are not square and finite, not symmetric unless they may be `directed`,
        negative ones under the KL loss,
        weights that are negative or do not sum to one, and shapes that do not fit.
    """
    is_torch = are_tensors(Ca, Cb, M, a, b)
    tensors = {"Ca": read_tensor(Ca, "Ca"), "Cb": read_tensor(Cb, "Cb")}
    dtype = torch.promote_types(tensors["Ca"].dtype, tensors["Cb"].dtype)
    device = tensors["Ca"].device
    for name, x in tensors.items():
        check_square(x, name, loss, directed=directed)
    n_problems = max((len(x) for x in tensors.values() if x.ndim == 3), default=0)
    n, m = tensors["Ca"].shape[-1], tensors["Cb"].shape[-1]

    def batched(x: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        if x.shape[x.ndim - len(shape) :] != shape or x.ndim > len(shape) + 1:
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {shape} (batch first).")
        if x.ndim > len(shape) and len(x) != n_problems:
            found = f"the longer batch of matrices {n_problems}" if n_problems else "Ca and Cb none"
            raise ValueError(
                f"{name} holds a batch of {len(x)}, {found}: give all batches the same length; an "
                "array without a batch axis serves all problems."
            )
        x = first_order(x.to(device=device, dtype=dtype))
        return x.expand(max(n_problems, 1), *shape)

    Ca, Cb = batched(tensors["Ca"], "Ca", (n, n)), batched(tensors["Cb"], "Cb", (m, m))
    if M is not None:
        M = _finite(read_tensor(M, "M"), "M")
        if M.ndim == 1:
            raise ValueError(
                f"M has shape {tuple(M.shape)}, expected {(n, m)}: M is the cost between the "
                "spaces, weights are a= and b=."
            )
        M = batched(M, "M", (n, m))
    a, b = (
        batched(read_weights(w, size, name, dtype, device), name, (size,))
        for w, size, name in ((a, n, "a"), (b, m, "b"))
    )

    def restore(x: Tensor) -> Any:
        x = x if n_problems else x[0]
        return x if is_torch else x.detach().cpu().numpy()[()]

    return Inputs(Ca, Cb, M, a, b, restore)


class _FirstOrder(torch.autograd.Function):
    """Identity that is differentiated once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def first_order(x: Tensor) -> Tensor:
    """`x`, which has first derivatives only: the plan is held fixed, the second would be wrong."""
    return _FirstOrder.apply(x) if x.requires_grad else x


def are_tensors(*arrays: Any) -> bool:
    """Whether arrays, some of which may be None, are torch tensors; a TypeError for a mixture."""
    kinds = {isinstance(x, Tensor) for x in arrays if x is not None}
    if len(kinds) > 1:
        raise TypeError("Pass numpy arrays or torch tensors, not a mixture of both.")
    return kinds == {True}


def read_tensor(x: Any, name: str) -> Tensor:
    """A float32 or float64 tensor; integers become float64."""
    refuse_sparse(x, name)
    refuse_hidden(x, name)
    if not isinstance(x, Tensor):
        x = _as_array(x, name)
        if x.dtype.kind not in "biuf":
            raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}.")
        if x.dtype.kind == "f" and x.dtype.itemsize > 8:
            raise TypeError(
                f"{name} is {x.dtype}: the solver needs float32 or float64, convert it."
            )
        if x.dtype.kind != "f":
            x = x.astype(np.float64)
        # A copy: numpy's memory may be read-only, reversed, or of another byte order.
        x = torch.from_numpy(np.array(x, dtype=x.dtype.newbyteorder("="), order="C"))
    if x.dtype in (torch.float32, torch.float64):
        return x
    if x.is_complex():
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}.")
    if x.is_floating_point():
        raise TypeError(f"{name} is {x.dtype}: the solver needs float32 or float64, convert it.")
    return x.to(torch.float64)


def _as_array(x: Any, name: str) -> NumpyArray:
    try:
        return np.asarray(x)
    except ValueError as error:  # numpy names no argument
        raise ValueError(
            f"{name} is a list of unequal parts: give one array, or a list of square matrices, "
            "which may have different sizes."
        ) from error


def refuse_sparse(x: Any, name: str) -> None:
    """Raise a TypeError for a sparse matrix, whose zeros may mean "no edge"."""
    if issparse(x) or (isinstance(x, Tensor) and x.layout != torch.strided):
        raise TypeError(
            f"{name} is sparse, the solver needs a dense array. If it is the adjacency of a graph, "
            "skgw.spaces.graph_distances computes its matrix of distances."
        )


def refuse_hidden(x: Any, name: str) -> None:
    """Raise a TypeError for arrays whose entries are masked, quantized, or not there."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        raise TypeError(
            f"{name} is a masked array: fill the masked entries by {name}.filled(value), or leave "
            "out their rows and columns."
        )
    if isinstance(x, Tensor) and (x.is_meta or x.is_quantized or x.is_nested):
        kind = "on the meta device" if x.is_meta else "quantized" if x.is_quantized else "nested"
        raise TypeError(f"{name} is {kind}: the solver needs a dense tensor of float32 or float64.")


def as_like(x: Any, reference: Tensor) -> Tensor:
    """`x` with the dtype and on the device of `reference`."""
    x = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x, dtype=np.float64, order="C"))
    return x.detach().to(reference)


def given(x: Any, reference: Tensor, name: str) -> Tensor:
    """An array of `init`, validated and expanded to the batch of `reference`."""
    refuse_sparse(x, name)
    refuse_hidden(x, name)
    x = as_like(x, reference)
    one, each = tuple(reference.shape[1:]), tuple(reference.shape)
    if tuple(x.shape) not in (one, (1, *one), each):
        raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {one} or {each}.")
    return _finite(x, name).expand_as(reference)


def _finite(x: Tensor, name: str) -> Tensor:
    # The sum is a faster test. It may overflow for finite entries, but is never finite otherwise.
    if not math.isfinite(x.detach().sum().item()) and not torch.isfinite(x).all():
        raise ValueError(f"{name} contains NaN or infinity; remove or impute those entries.")
    return x


def check_square(x: Tensor, name: str, loss: str, *, directed: bool = False) -> None:
    """Raise a ValueError unless x is a matrix, or a batch, that the loss takes.

    It must be symmetric, unless it may be `directed`.
    """
    if x.ndim not in (2, 3) or x.shape[-1] != x.shape[-2] or x.numel() == 0:
        raise ValueError(
            f"{name} must be a square matrix (n, n) or a batch of them (batch, n, n), not empty, "
            f"got shape {tuple(x.shape)}."
        )
    _finite(x, name)
    if not directed and is_directed(x):
        raise ValueError(f"{name} is not symmetric; pass (C + C.T) / 2 to compare symmetric parts.")
    if loss == "KL" and (x < 0).any():
        raise ValueError(f"{name} has negative entries; the KL loss needs non-negative ones.")


def read_weights(w: Any, size: int, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weights (size,) of sum one; uniform for None.

    On weights of sum one a gradient is defined up to a constant. The mean over the points is
    subtracted.
    """
    if w is None:
        return torch.full((size,), 1 / size, dtype=dtype, device=device)
    w = _finite(read_tensor(w, name), name).to(device=device, dtype=dtype)
    if w.ndim not in (1, 2) or w.shape[-1] != size:
        raise ValueError(f"{name} has shape {tuple(w.shape)}, expected {(size,)} (batch first).")
    total = w.detach().sum(-1, keepdim=True)
    if (w < 0).any() or ((total - 1).abs() > 1e-3).any():
        raise ValueError(f"{name} must be non-negative and sum to 1; divide it by its sum.")
    w = w / total
    if w.requires_grad:
        w.register_hook(lambda gradient: gradient - gradient.mean(-1, keepdim=True))
    return w
