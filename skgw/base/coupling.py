"""Coupling: the plan between two finite sets that estimators store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from scipy import sparse

from skgw.base.estimator import tensor_in_tensor_out
from skgw.fields import Numbers, Shape
from skgw.solvers import LazyPlan, Plan, as_plan
from skgw.spaces.finite import Array
from skgw.storable import storable


@storable
@dataclass(frozen=True, eq=False, repr=False)
class Coupling:
    """Transport plan between the rows of one set and the rows of another.

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

    plan: Annotated[Array, Numbers("n", "m")] | Annotated[LazyPlan, Shape("n", "m")]

    def __repr__(self) -> str:
        kind = "lazy" if isinstance(self.plan, LazyPlan) else str(self.plan.dtype)
        return f"Coupling(shape={self.shape}, {kind})"

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        n, m = self.plan.shape
        return n, m

    def toarray(self) -> Array:
        """The plan as a new array (n, m).

        Raises
        ------
        ValueError
            If the plan is lazy and has more than 10**8 entries.
        """
        return np.array(self.plan)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.plan, dtype=dtype, copy=copy)

    @tensor_in_tensor_out
    def apply(self, x: Any, axis: int = 0) -> Any:
        """Sum the plan against `x` along `axis`: ``plan.T @ x`` for 0, ``plan @ x`` for 1.

        Parameters
        ----------
        x : array of shape (n,) or (n, k) for axis 0, (m,) or (m, k) for axis 1
            Numpy or torch. An array of the plan is summed in the wider dtype of both, a lazy plan
            in its own.
        axis : {0, 1}, default=0
            The axis of the plan that is summed over.

        Returns
        -------
        array of shape (m,) or (m, k) for axis 0, (n,) or (n, k) for axis 1
            An array or a tensor like `x`.

        Raises
        ------
        ValueError
            If `axis` is neither 0 nor 1, or if the shape of `x` does not fit.
        """
        return self._plan_for(x).apply(x, axis)

    @tensor_in_tensor_out
    def barycenter(self, Y: Any) -> Any:
        """Barycentric projection: for each row the mean of `Y` under the row's masses.

        Parameters
        ----------
        Y : array of shape (m,) or (m, k)
            Numpy or torch.

        Returns
        -------
        array of shape (n,) or (n, k)
            An array or a tensor like `Y`. NaN for rows without mass: at most the rounding error of
            the mean row sum.
        """
        means = self._plan_for(Y).barycenter(Y)
        if not isinstance(self.plan, LazyPlan):  # in the plan's own dtype, which may be narrower
            means[self._plan.argmax(1) < 0] = np.nan
        return means

    def argmax(self, axis: int = 1) -> Array:
        """Position of the largest mass of each row or column.

        Parameters
        ----------
        axis : {0, 1}, default=1
            1 for the largest mass of each row, 0 for the largest mass of each column.

        Returns
        -------
        array of int of shape (n,) for axis 1, (m,) for axis 0
            -1 for rows or columns without mass.

        Raises
        ------
        ValueError
            If `axis` is neither 0 nor 1.
        """
        return self._plan.argmax(axis)

    def topk(self, k: int) -> tuple[Array, Array]:
        """The k largest entries of each row, in descending order.

        Parameters
        ----------
        k : int
            Between 1 and m.

        Returns
        -------
        columns : array of int of shape (n, k)
            -1 for rows without mass.
        masses : array of shape (n, k)

        Raises
        ------
        TypeError
            If `k` is not an integer.
        ValueError
            Unless `k` is between 1 and m.
        """
        return self._plan.topk(k)

    def to_sparse(self, k: int) -> sparse.csr_array:
        """The plan with the k largest entries of each row only.

        Parameters
        ----------
        k : int
            Between 1 and m.

        Returns
        -------
        csr_array of shape (n, m)

        Raises
        ------
        TypeError
            If `k` is not an integer.
        ValueError
            Unless `k` is between 1 and m.
        """
        return self._plan.to_sparse(k)

    @property
    def _plan(self) -> Plan:
        return as_plan(self.plan)

    def _plan_for(self, x: Array) -> Plan:
        """The plan, as an array in a dtype that holds `x`: `plan_` of estimators is float32."""
        if isinstance(self.plan, LazyPlan):
            return self.plan
        return as_plan(self.plan.astype(np.result_type(self.plan, np.asarray(x)), copy=False))
