"""The plans of a batch of problems of different sizes, as one plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from skgw.solvers.plan import Array, Plan


@dataclass(frozen=True, eq=False, repr=False)
class PlanList(Plan):
    """Plans of several problems. Each method returns a list, with one item for each plan.

    Attributes
    ----------
    plans : tuple of Plan

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import DensePlan
    >>> from skgw.solvers.plan_list import PlanList
    >>> plans = PlanList((DensePlan(np.eye(2) / 2), DensePlan(np.eye(3)[::-1] / 3)))
    >>> plans.argmax()
    [array([0, 1]), array([2, 1, 0])]
    """

    plans: tuple[Plan, ...]

    @property
    def shape(self) -> Any:
        """The shape of each plan."""
        return tuple(plan.shape for plan in self.plans)

    def apply(self, x: Array, axis: int = 0) -> Any:
        """Sum each plan against its array of the list `x`, or against one array `x` for all."""
        return [plan.apply(part, axis) for plan, part in self._with(x)]

    def barycenter(self, Y: Array) -> Any:
        """Barycentric projections of its array of the list `Y`, or of one array `Y` for all."""
        return [plan.barycenter(part) for plan, part in self._with(Y)]

    def argmax(self, axis: int = 1) -> Any:
        """Index of the heaviest match: of each row for axis 1, of each column for axis 0."""
        return [plan.argmax(axis) for plan in self.plans]

    def topk(self, k: int) -> Any:
        """Columns and masses of the k heaviest matches of each row, a pair for each plan."""
        return [plan.topk(k) for plan in self.plans]

    def to_sparse(self, k: int) -> Any:
        """The plans with the k heaviest entries of each row only."""
        return [plan.to_sparse(k) for plan in self.plans]

    def toarray(self) -> NoReturn:
        """Raise a ValueError: plans of different shapes are no array."""
        raise ValueError(
            f"The plans have different shapes, {', '.join(map(str, self.shape))}, and are no "
            "array: take each of them, plan[k]."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self.toarray()

    def _with(self, x: Any) -> list[tuple[Plan, Array]]:
        """Each plan with its array."""
        if not isinstance(x, list | tuple) or all(np.ndim(part) == 0 for part in x):
            return [(plan, x) for plan in self.plans]
        if len(x) != len(self.plans):
            raise ValueError(
                f"Got a list of {len(x)} arrays for {len(self.plans)} plans: give one array for "
                "each plan, or one array for all."
            )
        return list(zip(self.plans, x, strict=True))
