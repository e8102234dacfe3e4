"""Differentiable copies of fitted scikit-learn classifiers, for the style of generated samples."""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skgw.nn.regularizers import StylePenalty

ACTIVATIONS = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}
TOLERANCE = 1e-6  # relative; of a transformer that is to be affine


class TwoLogits(nn.Module):
    """Logits (n, 2) of two classes, from the log odds (n, 1) of the second."""

    def forward(self, odds: Tensor) -> Tensor:
        """Zeros, and the odds."""
        return torch.cat([torch.zeros_like(odds), odds], dim=1)


def style_penalty(style: Any, wanted: Any, n_features: int) -> Any:
    """What a style asks of points (n, n_features): a callable, or the penalty of a classifier.

    Parameters
    ----------
    style : callable, Module, or fitted scikit-learn classifier
    wanted : label
        The class that points are wanted in: a label of the scikit-learn classifier, or the position
        of a logit of the module. Of no meaning for other callables.
    n_features : int

    Raises
    ------
    ValueError
        If a classifier has no such class, or takes other points, or if there is no differentiable
        copy of it.
    """
    if isinstance(style, nn.Module):
        if not isinstance(wanted, Integral | None):
            raise ValueError(f"style_class={wanted!r} must be the position of the module's logit.")
        return StylePenalty(copy.deepcopy(style).float(), 0 if wanted is None else int(wanted))
    if not hasattr(style, "predict"):
        return style
    classifier = differentiable(style, n_features)
    if not hasattr(style, "classes_"):
        raise ValueError(f"The style is a {type(style).__name__}, which has no classes.")
    found = np.flatnonzero(np.asarray(style.classes_) == wanted)
    if len(found) != 1:
        raise ValueError(f"style_class={wanted!r} is none of the style's {style.classes_}.")
    return StylePenalty(classifier, int(found[0]))


def differentiable(estimator: Any, n_features: int) -> nn.Module:
    """A module with the logits of a fitted classifier.

    Linear classifiers (with `coef_` and `intercept_`) and `MLPClassifier` are copied exactly, also
    behind affine transformers in a `Pipeline`.
    """
    if isinstance(estimator, FrozenEstimator):
        return differentiable(estimator.estimator, n_features)
    check_is_fitted(
        estimator,
        msg="The style is a %(name)s that is not fitted. Fit it first; if it was cloned with this "
        "estimator, as searches do, wrap it as sklearn.frozen.FrozenEstimator(classifier).",
    )
    expected = getattr(estimator, "n_features_in_", n_features)
    if expected != n_features:
        raise ValueError(f"The style takes {expected} features, but n_components is {n_features}.")
    if isinstance(estimator, Pipeline):
        *before, (_, last) = estimator.steps
        layers = [_affine(Pipeline(before), n_features)] if before else []
        width = layers[0].out_features if layers else n_features
        return nn.Sequential(*layers, differentiable(last, width))
    if isinstance(estimator, MLPClassifier):
        return _perceptron(estimator)
    if hasattr(estimator, "coef_") and hasattr(estimator, "intercept_"):
        return _with_two(_linear(np.atleast_2d(estimator.coef_), estimator.intercept_))
    raise ValueError(
        f"No gradient is known for a {type(estimator).__name__}. A style can be a linear "
        "classifier, an MLPClassifier, a Pipeline of affine transformers and one of them, or a "
        "torch module that returns logits."
    )


def _linear(coef: np.ndarray, intercept: Any) -> nn.Linear:
    """A layer from matrix (n_out, n_in) and intercept."""
    layer = nn.Linear(coef.shape[1], coef.shape[0], dtype=torch.float32)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(coef))
        layer.bias.copy_(torch.as_tensor(np.broadcast_to(intercept, len(coef)).copy()))
    return layer


def _with_two(layer: nn.Linear) -> nn.Module:
    return nn.Sequential(layer, TwoLogits()) if layer.out_features == 1 else layer


def _perceptron(classifier: MLPClassifier) -> nn.Module:
    if classifier.out_activation_ == "logistic" and classifier.n_outputs_ > 1:
        raise ValueError("A style needs one class for each point, not several labels.")
    pairs = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    *hidden, last = (_linear(coef.T, intercept) for coef, intercept in pairs)
    activation = ACTIVATIONS[classifier.activation]
    layers = [module for layer in hidden for module in (layer, activation())]
    return nn.Sequential(*layers, _with_two(last))


def _affine(transformer: Any, n_features: int) -> nn.Linear:
    """What a transformer does, if it is affine: read off at the origin and at the unit vectors."""
    offset = transformer.transform(np.zeros((1, n_features)))
    matrix = transformer.transform(np.eye(n_features)) - offset
    probe = 3 * np.random.default_rng(0).normal(size=(9, n_features))
    expected = transformer.transform(probe)
    if abs(probe @ matrix + offset - expected).max() > TOLERANCE * abs(expected).max():
        raise ValueError(
            "The style has a step before its classifier that is not affine. Pass a torch module "
            "that returns logits instead."
        )
    return _linear(matrix.T, offset[0])
