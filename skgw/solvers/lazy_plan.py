"""Transport plans that are held by their factors; entries are computed in blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from skgw.fields import Logarithms, Numbers
from skgw.solvers.inputs import Array, as_like
from skgw.solvers.plan import Plan, check_axis, check_k, marked, unmatched
from skgw.solvers.precision import full_precision
from skgw.storable import storable

BLOCK_BYTES = {"cpu": 2**23, "cuda": 2**28}  # size of a block of rows; on CPUs it fits the cache
MAX_ENTRIES = 10**8  # of an array that `toarray` makes


def logit_blocks(left: Tensor, right: Tensor, scores: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows of ``left @ right.T + scores``; each block overwrites the one before it."""
    ones = torch.ones_like(left[:, :1])
    left = torch.cat([left, ones], 1)  # (n, k + 1)
    right = torch.cat([right, scores[:, None]], 1).T.contiguous()  # (k + 1, m)
    n, m = len(left), right.shape[1]
    budget = BLOCK_BYTES.get(left.device.type, BLOCK_BYTES["cuda"])
    size = min(n, max(1, budget // (m * left.element_size())))
    out = left.new_empty(size, m)
    for start in range(0, n, size):
        rows = slice(start, min(n, start + size))
        block = out[: rows.stop - start]
        torch.mm(left[rows], right, out=block)
        yield rows, block


def conditional_blocks(
    left: Tensor, right: Tensor, scores: Tensor
) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows of the softmax of `logit_blocks`; each overwrites the one before it."""
    for rows, block in logit_blocks(left, right, scores):
        torch.softmax(block, 1, out=block)
        yield rows, block


@storable
@dataclass(frozen=True, eq=False, repr=False)
class LazyPlan(Plan):
    r"""Transport plan that is computed from factors, in blocks of rows, whenever it is needed.

    Its entries are

    .. math:: T_{ij} = a_i \, \mathrm{softmax}_j(\langle l_i, r_j \rangle + s_j).

    Memory is O((n + m) k), for the factors, and one block of rows while a method runs. Each
    method takes O(nmk) operations.

    Parameters
    ----------
    left : array of shape (n, k)
        Factors l of the rows, numpy or torch: factors of the linearised cost over -reg.
    right : array of shape (m, k)
        Factors r of the columns.
    scores : array of shape (m,)
        Logits s of the columns: column potential over reg, plus the logarithm of the weights.
    a : array of shape (n,)
        Row sums.

    See Also
    --------
    solve_gromov : Returns a lazy plan with ``plan="lazy"``.
    DensePlan : The same methods for a plan that is held as an array.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import LazyPlan
    >>> plan = LazyPlan(np.zeros((2, 1)), np.zeros((4, 1)), np.zeros(4), np.array([0.25, 0.75]))
    >>> plan.apply(np.array([1.0, 2.0, 3.0, 2.0]), axis=1)
    array([0.5, 1.5])
    >>> plan.to_sparse(4).shape
    (2, 4)
    """

    left: Annotated[Array, Numbers("n", "k")]
    right: Annotated[Array, Numbers("m", "k")]
    scores: Annotated[Array, Logarithms("m")]
    a: Annotated[Array, Numbers("n")]

    def _check(self) -> None:
        if len({x.dtype for x in (self.left, self.right, self.scores, self.a)}) > 1:
            raise ValueError("the factors of a LazyPlan must have one dtype")

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self.left), len(self.right)

    def __repr__(self) -> str:
        kind = "torch" if isinstance(self.left, Tensor) else "numpy"
        return f"LazyPlan(shape={self.shape}, rank={self.left.shape[1]}, {kind})"

    @property
    def dtype(self) -> Any:
        """Floating point type of the entries."""
        return self.left.dtype

    def rows(self, index: Any) -> Array:
        """Rows of the plan.

        Parameters
        ----------
        index : array of int or slice
            Positions of r rows.

        Returns
        -------
        array of shape (r, m)
        """
        left, right, scores, a = self._tensors()
        index = as_index(index)
        left, a = left[index], a[index]
        out = a.new_empty(len(a), len(right))
        for rows, block in conditional_blocks(left, right, scores):
            torch.mul(block, a[rows, None], out=out[rows])
        return self._like(out)

    @full_precision()
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
        x = self._given(x, axis)
        left, right, scores, a = self._tensors()
        if axis == 1:
            return self._like(_weighted(self._means(x), a))
        x, out = _weighted(x, a), x.new_zeros(len(right), *x.shape[1:])
        for rows, block in conditional_blocks(left, right, scores):
            out += block.T @ x[rows]
        return self._like(out)

    @full_precision()
    def barycenter(self, Y: Array) -> Array:
        """Barycentric projection: for each row the mean of `Y` under the row's masses.

        Parameters
        ----------
        Y : array of shape (m,) or (m, k)

        Returns
        -------
        array of shape (n,) or (n, k)
            NaN for rows without mass.
        """
        means = self._means(self._given(Y, 1))
        empty = unmatched(self._tensors()[-1])
        return self._like(marked(means, empty if means.ndim == 1 else empty[:, None], math.nan))

    def argmax(self, axis: int = 1) -> Array:
        """Index of the heaviest match: of each row for axis 1, of each column for axis 0.

        It is -1 for rows or columns without mass.
        """
        check_axis(axis)
        if axis == 1:
            return self.topk(1)[0][:, 0]
        left, right, scores, a = self._tensors()
        best, match = torch.full_like(scores, -1.0), torch.zeros_like(scores, dtype=torch.long)
        columns = torch.zeros_like(scores)
        for rows, block in conditional_blocks(left, right, scores):
            block *= a[rows, None]
            columns += block.sum(0)
            mass, row = block.max(0)
            better = mass > best
            best = torch.where(better, mass, best)
            match = torch.where(better, row + rows.start, match)
        return self._like(marked(match, unmatched(columns), -1))

    def topk(self, k: int) -> tuple[Array, Array]:
        """The k heaviest matches of each row, heaviest first: columns and masses, both (n, k).

        Rows without mass have the columns -1 and the masses 0.
        """
        check_k(k, self.shape[1])
        *factors, a = self._tensors()
        parts = [block.topk(k, 1) for _, block in conditional_blocks(*factors)]
        shares, columns = (torch.cat(part) for part in zip(*parts, strict=True))
        empty = unmatched(a)[:, None]
        masses = marked(shares * a[:, None], empty, 0)
        return self._like(marked(columns, empty, -1)), self._like(masses)

    def marginals(self) -> tuple[Array, Array]:
        """Row and column sums, (n,) and (m,)."""
        return self.a, self.apply([1.0] * self.shape[0], axis=0)

    def toarray(self) -> Array:
        """The plan as an array (n, m).

        Raises
        ------
        ValueError
            If it has more than 10**8 entries.
        """
        n, m = self.shape
        if n * m > MAX_ENTRIES:
            raise ValueError(
                f"A dense plan of {n} x {m} entries is too large. Use rows(index), to_sparse(k), "
                "apply(x) or barycenter(Y), which need no such array."
            )
        return self.rows(slice(None))

    def numpy(self) -> LazyPlan:
        """The same plan, made of numpy arrays."""
        return LazyPlan(*(x.detach().cpu().numpy() for x in self._tensors()))

    def _means(self, x: Tensor) -> Tensor:
        """Conditional means of x (m, ...) given each row."""
        left, right, scores, a = self._tensors()
        out = x.new_empty(len(a), *x.shape[1:])
        for rows, block in conditional_blocks(left, right, scores):
            out[rows] = block @ x
        return out

    def _given(self, x: Array, axis: int) -> Tensor:
        """`x`, which may be a list, as a tensor that fits the plan's axis."""
        check_axis(axis)
        like, size = self._tensors()[-1], self.shape[axis]
        x = as_like(x, like)
        if x.ndim not in (1, 2) or len(x) != size:
            raise ValueError(
                f"Got an array of shape {tuple(x.shape)}; to sum over axis {axis} of the plan "
                f"takes ({size},) or ({size}, k)."
            )
        return x

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The fields as tensors that share their memory, unless that is read-only."""
        left, right, scores, a = (
            x if isinstance(x, Tensor) else torch.from_numpy(np.require(x, requirements=["C", "W"]))
            for x in (self.left, self.right, self.scores, self.a)
        )
        return left, right, scores, a

    def _like(self, x: Tensor) -> Array:
        return x if isinstance(self.left, Tensor) else x.numpy()


def as_index(index: Any) -> Any:
    """Return a slice or a tensor unchanged, and other indices as a tensor."""
    if isinstance(index, slice | Tensor):
        return index
    return torch.from_numpy(np.array(index))


def _weighted(x: Tensor, weights: Tensor) -> Tensor:
    """The rows of x (n,) or (n, k) times weights (n,)."""
    return x * (weights if x.ndim == 1 else weights[:, None])
