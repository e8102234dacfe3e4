"""Fitted attributes of `GWGenerativeEmbedding`."""

from __future__ import annotations

from typing import Annotated

from torch import nn

from skgw.base.coupling import Coupling
from skgw.base.trained import TrainedState
from skgw.fields import Numbers, Positive, Shape
from skgw.nn import FittedNetwork, Generator
from skgw.solvers.linear import Extension
from skgw.spaces import Space
from skgw.spaces.finite import Array


class EmbeddingState(TrainedState):
    """Fitted attributes for n rows of p columns, r reference rows and m points of dimension k."""

    embedding_: Annotated[Array, Numbers("n", "k")]
    generated_: Annotated[Array, Numbers("m", "k")]
    plan_: Annotated[Coupling, Shape("n", "m")]
    adversary_curve_: list[float]
    gw_divergence_: float
    stress_: float
    _generator: Annotated[FittedNetwork[Generator], Shape(None, "k")]
    _adversary: (
        tuple[
            Annotated[FittedNetwork[nn.Module], Shape("p", "s")],
            Annotated[FittedNetwork[nn.Module], Shape("k", "s")],
        ]
        | None
    )
    _scale: Positive
    _axes: tuple[Annotated[Array, Numbers("k")], Annotated[Array, Numbers("k", "k")]] | None
    _to_cloud: Annotated[Extension, Shape("r", "m")]
    _to_data: Annotated[Extension, Shape("m", "r")]
    _reference_space: Annotated[Space, Shape("p", "r")]
    _reference_embedding: Annotated[Array, Numbers("r", "k")]
    _reference_weights: Annotated[Array, Numbers("r")] | None
