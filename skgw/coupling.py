"""Coupling: a plan between two finite sets, as estimators hand it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from skgw.solvers.projection import Extension

Array = NDArray[Any]

BLOCK = 2**24  # entries of a lazy plan that are computed at a time
MAX_DENSE = 2**28  # entries of a lazy plan that is turned into an array


class ExtendedPlan(NamedTuple):
    """A plan too large to be stored, by the distances of its rows to reference points.

    Attributes
    ----------
    distances : array of shape (n, r)
    extension : Extension
        Rows over the m columns.
    """

    distances: Array
    extension: Extension

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self.distances), len(self.extension.log_scaling)

    def rows(self, chunk: slice) -> Array:
        """Some rows of the plan; each row has the same mass."""
        return self.extension.rows(self.distances[chunk]) / len(self.distances)


@dataclass(frozen=True, eq=False)
class Coupling:
    """A plan between the rows of one set and the columns of another.

    Attributes
    ----------
    plan : array of shape (n, m), or ExtendedPlan
        Non-negative; its entries sum to one, or less where some mass is not matched. A large plan
        is not stored but computed in blocks of rows whenever it is needed.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.coupling import Coupling
    >>> coupling = Coupling(np.array([[0.4, 0.1], [0.0, 0.5]]))
    >>> coupling.argmax(), coupling.apply(np.array([1.0, 3.0]), axis=1)
    (array([0, 1]), array([0.7, 1.5]))
    """

    plan: Array | ExtendedPlan

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        n, m = self.plan.shape
        return n, m

    def toarray(self) -> Array:
        """The plan as an array (n, m).

        Raises
        ------
        MemoryError
            For a plan that is not stored and has more than 2**28 entries.
        """
        n, m = self.shape
        if isinstance(self.plan, ExtendedPlan) and n * m > MAX_DENSE:
            raise MemoryError(
                f"The plan has {n} x {m} entries. Use apply, argmax, topk or to_sparse, which "
                "compute it in blocks."
            )
        return np.concatenate([block for _, block in self._blocks()])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if isinstance(self.plan, ExtendedPlan):
            return self.toarray().astype(dtype, copy=False)
        return np.array(self.plan, dtype=dtype, copy=copy)

    def apply(self, x: Array, axis: int = 0) -> Array:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1."""
        self._check_axis(axis)
        x = np.asarray(x)
        if axis == 1:
            return np.concatenate([block @ x for _, block in self._blocks()])
        return np.asarray(sum(block.T @ x[rows] for rows, block in self._blocks()))

    def argmax(self, axis: int = 1) -> Array:
        """Heaviest partner: of each row for axis 1, of each column for axis 0."""
        self._check_axis(axis)
        if axis == 1:
            return np.concatenate([block.argmax(1) for _, block in self._blocks()])
        best, partner = np.full(self.shape[1], -np.inf), np.zeros(self.shape[1], dtype=np.intp)
        for rows, block in self._blocks():
            first = block.argmax(0)
            mass = block.max(0)
            partner = np.where(mass > best, rows.start + first, partner)
            best = np.maximum(mass, best)
        return partner

    def topk(self, k: int) -> tuple[Array, Array]:
        """The k heaviest partners of each row, heaviest first: columns and masses, both (n, k)."""
        if not 1 <= k <= self.shape[1]:
            raise ValueError(f"k must be between 1 and {self.shape[1]}, got {k}.")
        parts = [_heaviest(block, k) for _, block in self._blocks()]
        columns, masses = (np.concatenate(part) for part in zip(*parts, strict=True))
        return columns, masses

    def to_sparse(self, k: int) -> sparse.csr_array:
        """The plan with the k heaviest entries of each row only, (n, m)."""
        columns, masses = self.topk(k)
        rows = np.repeat(np.arange(self.shape[0]), k)
        return sparse.csr_array((masses.ravel(), (rows, columns.ravel())), shape=self.shape)

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        """Blocks of rows, and where they are."""
        n, m = self.shape
        if not isinstance(self.plan, ExtendedPlan):
            yield slice(0, n), self.plan
            return
        for rows in gen_batches(n, max(1, BLOCK // m)):
            yield rows, self.plan.rows(rows)

    @staticmethod
    def _check_axis(axis: int) -> None:
        if axis not in (0, 1):
            raise ValueError(f"axis must be 0 or 1, got {axis!r}.")


def _heaviest(plan: Array, k: int) -> tuple[Array, Array]:
    columns = np.argpartition(-plan, k - 1, axis=1)[:, :k]
    masses = np.take_along_axis(plan, columns, axis=1)
    order = np.argsort(-masses, axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1), np.take_along_axis(masses, order, 1)
