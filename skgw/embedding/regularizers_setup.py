"""From an estimator's parameters to the constraints of its training."""

from __future__ import annotations

from sklearn.base import BaseEstimator

from skgw.embedding.style import style_penalty
from skgw.nn import PENALTIES
from skgw.nn.regularizers import Regularizer, TotalVariation


def build_constraints(estimator: BaseEstimator, scale: float) -> list[Regularizer]:
    """What generated points, in units of `scale`, are to be besides alike.

    Parameters
    ----------
    estimator : BaseEstimator
        Has the parameters `penalty`, `penalty_weight`, `style`, `style_class`, `style_weight`,
        `output_shape` and `n_components`.
    scale : float

    Raises
    ------
    ValueError
        If a constraint does not fit the points.
    """
    params, constraints = estimator, []
    if params.penalty == "tv":
        if params.output_shape is None:
            raise ValueError('penalty="tv" is for images: it needs output_shape=(c, h, w).')
        variation = TotalVariation(params.output_shape)
        constraints.append(Regularizer("tv", params.penalty_weight, variation))
    elif params.penalty is not None:
        penalty = PENALTIES[params.penalty]
        constraints.append(Regularizer(params.penalty, params.penalty_weight, penalty))
    if params.style is not None:
        style = style_penalty(params.style, params.style_class, params.n_components)
        constraints.append(Regularizer("style", params.style_weight, style, scale=scale))
    return constraints


def keeps_frame(estimator: BaseEstimator) -> bool:
    """Whether the generator's own coordinates have a meaning, and must not be turned."""
    return estimator.output_shape is not None or estimator.style is not None
