"""The result of an alignment of two domains."""

from __future__ import annotations

from typing import Annotated, NamedTuple, NotRequired

import numpy as np
from scipy import sparse

from skgw.base.coupling import Coupling
from skgw.base.two_domains import TwoDomainState
from skgw.fields import Numbers, Positive, Shape, SparseNumbers, Strings
from skgw.matching.contradiction import PairCosts
from skgw.matching.matching_probability import Judgement
from skgw.matching.out_of_sample import PlanExtension
from skgw.matching.training_domain import ReferenceDomain
from skgw.solvers import LazyPlan
from skgw.spaces.finite import Array, Metric


class MatcherState(TwoDomainState):
    """Fitted attributes of `GWMatcher`.

    The domains have n and m rows of p and q columns, r and s of which are reference rows.
    """

    plan_: Annotated[Coupling, Shape("n", "m")]
    gw_value_: float
    epsilon_: Positive
    margin_: float
    matching_probability_: float
    diagnostics_: dict[str, float]
    confidence_: Annotated[Array, Numbers("n")]
    matched_mass_: Annotated[Array, Numbers("n")]
    converged_: bool
    row_names_in_: NotRequired[Annotated[Array, Strings("n")]]
    row_names_y_in_: NotRequired[Annotated[Array, Strings("m")]]
    _metric_y: Metric
    _extension: Annotated[PlanExtension, Shape("n", "m", "r", "s")]
    _domains: tuple[
        Annotated[ReferenceDomain, Shape("p", "r")], Annotated[ReferenceDomain, Shape("q", "s")]
    ]
    _points: tuple[
        Annotated[Array, Numbers("r", None)]
        | Annotated[sparse.csr_array, SparseNumbers("r", None)],
        Annotated[Array, Numbers("s", None)]
        | Annotated[sparse.csr_array, SparseNumbers("s", None)],
    ]


class Alignment(NamedTuple):
    """An alignment of two domains.

    Attributes
    ----------
    judgement : Judgement
    margin : float
        Of the plans between a subsample.
    epsilon : float
        Entropic regularisation, relative to the mean squared distance.
    domains : tuple of ReferenceDomain
    extension : PlanExtension
    distances : tuple of arrays of shapes (n, r) and (m, s)
        From all training rows to the reference rows.
    plan : array of shape (r, s)
        Between the reference rows.
    value : float
        Gromov-Wasserstein discrepancy of the plan, without entropy.
    confidence : array of shape (n,)
    converged : bool
    pair_costs : PairCosts or None
        Of the anchor pairs, if they were checked.
    """

    judgement: Judgement
    margin: float
    epsilon: float
    domains: tuple[ReferenceDomain, ReferenceDomain]
    extension: PlanExtension
    distances: tuple[Array, Array]
    plan: Array
    value: float
    confidence: Array
    converged: bool
    pair_costs: PairCosts | None

    def whole_plan(self) -> Array | LazyPlan:
        """The plan between all training rows, (n, m).

        It is an array of float32 if all rows are reference rows; otherwise it is lazy, and extends
        the plan to rows of equal mass.
        """
        if self.plan.shape == tuple(len(D) for D in self.distances):
            return self.plan.astype(np.float32)
        transported_distances, log_scaling, reg = self.extension.to_y
        dtype = transported_distances.dtype  # `distances` may be float32
        distances = self.distances[0].astype(dtype, copy=False)
        weights = np.full(len(distances), 1 / len(distances), dtype=dtype)
        return LazyPlan((4 / reg) * distances, transported_distances.T, log_scaling, weights)

    def matched_mass(self) -> Array:
        """Matched mass of each training row of the first domain, over its weight, (n,).

        A row outside of the reference rows has the matched mass of the nearest reference row.
        """
        mass = self.plan.sum(1) * len(self.plan)  # of the reference rows
        nearest = self.distances[0].argmin(1)
        nearest[self.domains[0].rows] = np.arange(len(mass))
        return mass[nearest]
