"""The result of an alignment of two domains."""

from __future__ import annotations

from typing import Annotated, NamedTuple, NotRequired

import numpy as np
from scipy import sparse

from skgw.base.coupling import Coupling
from skgw.base.two_domains import TwoDomainState
from skgw.fields import Numbers, Positive, Shape, SparseNumbers, Strings
from skgw.matching.confidence import RowExtension
from skgw.matching.contradiction import PairCosts
from skgw.matching.matching_probability import Judgement
from skgw.matching.registered_extension import Mixture, RegisteredDomain
from skgw.matching.training_domain import ReferenceDomain
from skgw.solvers import LazyPlan
from skgw.spaces.finite import Array, Metric

RowDomain = ReferenceDomain | RegisteredDomain


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
    confidence_y_: Annotated[Array, Numbers("m")]
    matched_mass_: Annotated[Array, Numbers("n")]
    converged_: bool
    row_names_in_: NotRequired[Annotated[Array, Strings("n")]]
    row_names_y_in_: NotRequired[Annotated[Array, Strings("m")]]
    _metric_y: Metric
    _extension: Annotated[RowExtension, Shape("n", "m", "r", "s", "v", "w")]
    _domains: tuple[
        Annotated[RowDomain, Shape("p", "r", "v")], Annotated[RowDomain, Shape("q", "s", "w")]
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
    domains : tuple of ReferenceDomain or RegisteredDomain
    extension : PlanExtension or RegisteredExtension
    features : array of shape (n, v)
        What the extension reads of the training rows of the first domain.
    plan : array of shape (r, s)
        Between the reference rows.
    value : float
        Gromov-Wasserstein discrepancy of the plan, without entropy.
    confidence : pair of arrays of shapes (n,) and (m,)
        Of the training rows of both domains.
    matched_mass : array of shape (n,)
        Of the training rows of the first domain.
    converged : bool
    pair_costs : PairCosts or None
        Of the anchor pairs, if they were checked.
    """

    judgement: Judgement
    margin: float
    epsilon: float
    domains: tuple[RowDomain, RowDomain]
    extension: RowExtension
    features: Array
    plan: Array
    value: float
    confidence: tuple[Array, Array]
    matched_mass: Array
    converged: bool
    pair_costs: PairCosts | None

    def whole_plan(self) -> Array | LazyPlan:
        """The plan between all training rows, (n, m).

        It is an array of float32 if all rows are reference rows; otherwise it is lazy, and extends
        the plan to rows of their matched mass.
        """
        if self.plan.shape == self.extension.shape[:2]:
            return self.plan.astype(np.float32)
        to_y = self.extension.to_y
        columns, log_scaling, reg = to_y.parts[0] if isinstance(to_y, Mixture) else to_y
        features = self.features.astype(columns.dtype, copy=False)  # may be float32
        weights = (self.matched_mass / len(features)).astype(columns.dtype)
        return LazyPlan((4 / reg) * features, columns.T, log_scaling, weights)
