"""Transport plans between two finite sets: the interface, and plans that are held as an array."""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from skgw.solvers.inputs import Array
from skgw.solvers.precision import full_precision


class Plan(ABC):
    """Transport plan T of shape (n, m): masses T_ij >= 0 that are moved from row i to column j.

    `DensePlan` holds the array, `LazyPlan` computes entries from factors. A plan is made of numpy
    arrays or of torch tensors; methods return the same kind.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Numbers of rows and columns."""

    @abstractmethod
    def apply(self, x: Array, axis: int = 0) -> Array:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1.

        Parameters
        ----------
        x : array of shape (n,) or (n, k) for axis 0, (m,) or (m, k) for axis 1
            Converted to the plan's dtype.
        axis : {0, 1}, default=0
            The axis of the plan that is summed over.

        Returns
        -------
        array of shape (m,) or (m, k) for axis 0, (n,) or (n, k) for axis 1

        Raises
        ------
        ValueError
            If `axis` is neither 0 nor 1, or if the shape of `x` does not fit.
        """

    @abstractmethod
    def barycenter(self, Y: Array) -> Array:
        """Barycentric projection: for each row the mean of `Y` under the row's masses.

        Parameters
        ----------
        Y : array of shape (m,) or (m, k)

        Returns
        -------
        array of shape (n,) or (n, k)
            NaN for rows without mass, see `unmatched`.
        """

    @abstractmethod
    def argmax(self, axis: int = 1) -> Array:
        """Index of the heaviest match: of each row for axis 1, of each column for axis 0.

        It is -1 for rows or columns without mass, see `unmatched`.
        """

    @abstractmethod
    def topk(self, k: int) -> tuple[Array, Array]:
        """The k heaviest matches of each row, heaviest first: columns and masses, both (n, k).

        Rows without mass have the columns -1 and the masses 0, see `unmatched`.
        """

    @abstractmethod
    def toarray(self) -> Array:
        """The plan as a new array, (n, m)."""

    def to_sparse(self, k: int) -> sparse.csr_array:
        """The plan with the k heaviest entries of each row only, (n, m).

        Rows without mass are empty.

        Raises
        ------
        ValueError
            For a batch of plans, and unless `k` is between 1 and m.
        """
        if len(self.shape) != 2:
            raise ValueError(
                f"The plans form a batch of shape {self.shape}, a sparse array holds one plan: "
                "take each of them, DensePlan(plans[i]).to_sparse(k)."
            )
        columns, masses = (torch.as_tensor(x).cpu().numpy() for x in self.topk(k))
        rows = np.repeat(np.arange(self.shape[0]), k)
        kept = columns.ravel() >= 0
        entries = masses.ravel()[kept], (rows[kept], columns.ravel()[kept])
        return sparse.csr_array(entries, shape=self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("The entries are computed: an array of them is a copy.")
        return as_numpy(self.toarray(), dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape})"


@dataclass(frozen=True, eq=False, repr=False)
class DensePlan(Plan):
    """A plan, or a batch of plans, that is held as an array.

    Attributes
    ----------
    plan : array of shape (n, m) or (batch, n, m)
        Non-negative.
    row_sums : array of shape (n,) or (batch, n), optional
        Row sums of `plan`, if they are known.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import DensePlan
    >>> plan = DensePlan(np.array([[0.4, 0.1], [0.0, 0.5]]))
    >>> plan.argmax(), plan.barycenter(np.array([1.0, 2.0]))
    (array([0, 1]), array([1.2, 2. ]))
    """

    plan: Array
    row_sums: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of rows and columns, after the length of the batch if there is one."""
        return tuple(self.plan.shape)

    @full_precision()
    def apply(self, x: Array, axis: int = 0) -> Array:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1.

        Parameters
        ----------
        x : array of shape (n,) or (n, k) for axis 0, (m,) or (m, k) for axis 1
            Converted to the plan's dtype. In a batch it serves all problems; an array of shape
            (batch, n, k) or (batch, m, k) holds one for each. The number of axes decides: one
            vector per problem needs a last axis of length 1.
        axis : {0, 1}, default=0
            The axis of the plan that is summed over.

        Returns
        -------
        array of shape (m,) or (m, k) for axis 0, (n,) or (n, k) for axis 1
            With a leading axis in a batch.

        Raises
        ------
        ValueError
            If `axis` is neither 0 nor 1, or if the shape of `x` does not fit.
        """
        check_axis(axis)
        plan = self.plan if axis == 1 else self.plan.swapaxes(-1, -2)
        x = self._like_plan(x)
        *batch, _, size = plan.shape
        points = tuple(x.shape[:-1] if x.ndim > 1 else x.shape)
        if points not in ((size,), (*batch, size)):
            each = f" or ({batch[0]}, {size}, k)" if batch else ""
            raise ValueError(
                f"Got an array of shape {tuple(x.shape)}; to sum over axis {axis} of the plan "
                f"takes ({size},) or ({size}, k){each}."
            )
        return plan @ x

    def barycenter(self, Y: Array) -> Array:
        """Barycentric projection: for each row the mean of `Y` under the row's masses.

        Parameters
        ----------
        Y : array of shape (m,) or (m, k)
            In a batch also (batch, m, k), as in `apply`.

        Returns
        -------
        array of shape (n,) or (n, k)
            NaN for rows without mass, see `unmatched`. With a leading axis in a batch.
        """
        sums = self.apply(Y, axis=1)
        mass, empty = self._row_sums, unmatched(self._row_sums)
        mass = marked(mass, empty, 1)
        if sums.ndim > mass.ndim:
            mass, empty = mass[..., None], empty[..., None]
        return marked(sums / mass, empty, math.nan)

    def argmax(self, axis: int = 1) -> Array:
        """Index of the heaviest match: of each row for axis 1, of each column for axis 0.

        It is -1 for rows or columns without mass, see `unmatched`.
        """
        check_axis(axis)
        mass = self._row_sums if axis == 1 else self.plan.sum(-2)
        return marked(self.plan.argmax(-1 if axis == 1 else -2), unmatched(mass), -1)

    def topk(self, k: int) -> tuple[Array, Array]:
        """The k heaviest matches of each row, heaviest first: columns and masses, both (n, k).

        Rows without mass have the columns -1 and the masses 0, see `unmatched`.
        """
        check_k(k, self.shape[-1])
        columns, masses = self._largest(k)
        empty = unmatched(self._row_sums)[..., None]
        return marked(columns, empty, -1), marked(masses, empty, 0)

    def _largest(self, k: int) -> tuple[Array, Array]:
        """Positions and values of the k largest entries of each row, in descending order."""
        if isinstance(self.plan, Tensor):
            return self.plan.topk(k, -1)[::-1]
        columns = np.argpartition(-self.plan, k - 1, axis=-1)[..., :k]
        masses = np.take_along_axis(self.plan, columns, axis=-1)
        order = np.argsort(-masses, axis=-1, kind="stable")
        return np.take_along_axis(columns, order, -1), np.take_along_axis(masses, order, -1)

    def toarray(self) -> Array:
        """A copy of the array."""
        return self.plan.clone() if isinstance(self.plan, Tensor) else self.plan.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return as_numpy(self.plan, dtype, copy)

    @property
    def _row_sums(self) -> Array:
        return self.plan.sum(-1) if self.row_sums is None else self.row_sums

    def _like_plan(self, x: Array) -> Array:
        """`x`, which may be a list, as an array of the plan's kind and dtype."""
        if isinstance(self.plan, Tensor):
            return torch.as_tensor(x, dtype=self.plan.dtype, device=self.plan.device)
        return np.asarray(x, dtype=self.plan.dtype)


def unmatched(mass: Array) -> Array:
    """Whether points have no mass: at most the rounding error of the mean mass.

    Parameters
    ----------
    mass : array of shape (..., n)
        Row sums or column sums of a plan.

    Returns
    -------
    bool array of shape (..., n)
    """
    mass = 1.0 * mass
    finfo = torch.finfo if isinstance(mass, Tensor) else np.finfo
    return mass <= finfo(mass.dtype).eps * mass.mean(-1)[..., None]


def marked(x: Array, where: Array, mark: float) -> Array:
    """`x` with `mark` where a condition holds."""
    return x.masked_fill(where, mark) if isinstance(x, Tensor) else np.where(where, mark, x)


def as_numpy(x: Array, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """`x` as numpy's protocol asks for: a copy is made if `copy` is True, or where it must be."""
    if isinstance(x, Tensor):
        x = x.numpy(force=copy is not False)
    return np.array(x, dtype=dtype, copy=copy)


def as_plan(plan: Array | Plan, row_sums: Array | None = None) -> Plan:
    """Return a plan unchanged, and an array as a `DensePlan`.

    Parameters
    ----------
    plan : Plan, or array of shape (n, m) or (batch, n, m)
    row_sums : array of shape (n,) or (batch, n), optional
        Row sums of an array, if they are known.

    Returns
    -------
    Plan
    """
    return plan if isinstance(plan, Plan) else DensePlan(plan, row_sums)


def check_axis(axis: int) -> None:
    """Raise a ValueError unless `axis` is 0 or 1."""
    if axis not in (0, 1):
        raise ValueError(f"axis must be 0 or 1, got {axis!r}.")


def check_k(k: Any, n_columns: int) -> None:
    """Raise an error unless `k` is an integer from 1 to `n_columns`."""
    if not isinstance(k, numbers.Integral):
        raise TypeError(f"k must be an integer, got {k!r}.")
    if not 1 <= int(k) <= n_columns:
        raise ValueError(f"k must be between 1 and {n_columns}, got {k}.")
