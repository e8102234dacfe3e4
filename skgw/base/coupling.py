"""Coupling: the plan between two finite sets that estimators store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skgw.solvers import LazyPlan
from skgw.spaces.finite import Array
from skgw.storable import storable


@storable
@dataclass(frozen=True, eq=False)
class Coupling:
    """A plan between the rows of one set and the columns of another.

    Attributes
    ----------
    plan : array of shape (n, m), or LazyPlan
        Non-negative entries with sum 1. A lazy plan computes its entries on demand.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.base.coupling import Coupling
    >>> coupling = Coupling(np.array([[0.4, 0.1], [0.0, 0.5]]))
    >>> coupling.argmax(), coupling.apply(np.array([1.0, 3.0]), axis=1)
    (array([0, 1]), array([0.7, 1.5]))
    """

    plan: Array | LazyPlan

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        n, m = self.plan.shape
        return n, m

    def toarray(self) -> Array:
        """The plan as an array (n, m); a ValueError for a lazy plan above the size limit."""
        return np.array(self.plan)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.plan, dtype=dtype, copy=copy)

    def apply(self, x: Array, axis: int = 0) -> Array:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1."""
        if isinstance(self.plan, LazyPlan):
            return self.plan.apply(x, axis)
        self._check_axis(axis)
        return (self.plan.T if axis == 0 else self.plan) @ np.asarray(x)

    def argmax(self, axis: int = 1) -> Array:
        """Position of the largest mass of each row (axis 1) or column (axis 0)."""
        if isinstance(self.plan, LazyPlan):
            return self.plan.argmax(axis)
        self._check_axis(axis)
        return self.plan.argmax(axis)

    def topk(self, k: int) -> tuple[Array, Array]:
        """Columns and masses of the k largest entries of each row, in descending order, (n, k)."""
        if isinstance(self.plan, LazyPlan):
            return self.plan.topk(k)
        if not 1 <= k <= self.shape[1]:
            raise ValueError(f"k must be between 1 and {self.shape[1]}, got {k}.")
        columns = np.argpartition(-self.plan, k - 1, axis=1)[:, :k]
        masses = np.take_along_axis(self.plan, columns, axis=1)
        order = np.argsort(-masses, axis=1, kind="stable")
        return np.take_along_axis(columns, order, 1), np.take_along_axis(masses, order, 1)

    def to_sparse(self, k: int) -> sparse.csr_array:
        """The plan with the k largest entries of each row, (n, m)."""
        columns, masses = self.topk(k)
        rows = np.repeat(np.arange(self.shape[0]), k)
        return sparse.csr_array((masses.ravel(), (rows, columns.ravel())), shape=self.shape)

    @staticmethod
    def _check_axis(axis: int) -> None:
        if axis not in (0, 1):
            raise ValueError(f"axis must be 0 or 1, got {axis!r}.")
