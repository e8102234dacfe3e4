"""Fitted attributes of `GWCoTrainedAutoencoders`."""

from __future__ import annotations

from typing import Annotated, NotRequired

from skgw.base.coupling import Coupling
from skgw.base.trained import TrainedState
from skgw.base.two_domains import TwoDomainState
from skgw.fields import Numbers, Positions, Shape, Strings
from skgw.nn.coded_domain import NormalMixture
from skgw.spaces.finite import Array
from skgw.translation.domain_rows import DomainRows
from skgw.translation.translator import Translator


class CoTrainedState(TrainedState, TwoDomainState):
    """Fitted attributes for n and m rows of p and q columns.

    The autoencoders read v and w coordinates of the rows; the codes have kx and ky columns.
    """

    embedding_: Annotated[Array, Numbers("n", "kx")]
    embedding_y_: Annotated[Array, Numbers("m", "ky")]
    plan_: Annotated[Coupling, Shape("n", "m")]
    confidence_: Annotated[Array, Numbers("n")]
    matched_mass_: Annotated[Array, Numbers("n")]
    margin_: float
    diagnostics_: dict[str, float]
    gw_curve_: list[float]
    row_names_in_: NotRequired[Annotated[Array, Strings("n")]]
    row_names_y_in_: NotRequired[Annotated[Array, Strings("m")]]
    _metrics: tuple[str, str]
    _domains: tuple[Annotated[DomainRows, Shape("p", "v")], Annotated[DomainRows, Shape("q", "w")]]
    _fitted: Annotated[Translator, Shape("v", "w", "kx", "ky")]
    _code_distributions: tuple[
        Annotated[NormalMixture, Shape(None, "kx")], Annotated[NormalMixture, Shape(None, "ky")]
    ]
    _matches: tuple[
        Annotated[Array, Positions("n", below="m")], Annotated[Array, Positions("m", below="n")]
    ]
