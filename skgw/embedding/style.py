"""Style penalties: differentiable copies of fitted scikit-learn classifiers."""

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

from skgw.nn.networks import new_layer, weight_source
from skgw.nn.regularizers import StylePenalty

ACTIVATIONS = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}
AFFINITY_TOLERANCE = 1e-6  # relative deviation of an affine transformer from its affine map


class TwoLogits(nn.Module):
    """Logits (n, 2) of two classes from the log odds (n, 1) of the second class."""

    def forward(self, log_odds: Tensor) -> Tensor:
        """Join zeros and the log odds."""
        return torch.cat([torch.zeros_like(log_odds), log_odds], dim=1)


def style_penalty(classifier: Any, target: Any, n_features: int) -> Any:
    """Penalty of a style on points (n, n_features).

    Parameters
    ----------
    classifier : callable, Module, or fitted scikit-learn classifier
        A callable is a penalty.
    target : label
        Target class: a label of the scikit-learn classifier, or the position of a logit of the
        module. Ignored for a callable.
    n_features : int
        Dimension of the points.

    Returns
    -------
    callable
        The callable, or a `StylePenalty` of a copy of the classifier.

    Raises
    ------
    ValueError
        If a classifier lacks the target class, takes points of another dimension, or has no
        differentiable copy.
    """
    if isinstance(classifier, nn.Module):
        if not isinstance(target, Integral | None):
            raise ValueError(
                f"The target {target!r} of a style must be the position of a logit of the module."
            )
        return StylePenalty(copy.deepcopy(classifier).float(), 0 if target is None else int(target))
    if not hasattr(classifier, "predict"):
        return classifier
    network = differentiable(classifier, n_features)
    if not hasattr(classifier, "classes_"):
        raise ValueError(f"The style is a {type(classifier).__name__}, which has no classes.")
    (columns,) = np.nonzero(np.asarray(classifier.classes_) == target)
    if len(columns) != 1:
        raise ValueError(
            f"The target {target!r} of a style is not a class of the classifier: "
            f"{classifier.classes_}."
        )
    return StylePenalty(network, int(columns[0]))


def differentiable(estimator: Any, n_features: int) -> nn.Module:
    """Copy a fitted classifier to a module that returns its logits.

    Linear classifiers (with `coef_` and `intercept_`) and `MLPClassifier` have exact copies, also
    behind affine transformers in a `Pipeline`.

    Raises
    ------
    ValueError
        If the classifier takes points of another dimension, or has no differentiable copy.
    """
    if isinstance(estimator, FrozenEstimator):
        return differentiable(estimator.estimator, n_features)
    check_is_fitted(
        estimator,
        msg="The style is a %(name)s that is not fitted. Fit the classifier first. A search clones "
        "it: wrap the fitted classifier as sklearn.frozen.FrozenEstimator(classifier).",
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
        return _at_least_two_logits(_linear(np.atleast_2d(estimator.coef_), estimator.intercept_))
    raise ValueError(
        f"There is no differentiable copy of a {type(estimator).__name__}. A style can be a linear "
        "classifier, an MLPClassifier, a Pipeline of affine transformers and such a classifier, "
        "or a torch module that returns logits."
    )


def _linear(coef: np.ndarray, intercept: Any) -> nn.Linear:
    """Linear layer with a matrix (n_out, n_in) and an intercept."""
    layer = new_layer(nn.Linear, coef.shape[1], coef.shape[0], generator=weight_source(0))
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(coef))
        layer.bias.copy_(torch.as_tensor(np.broadcast_to(intercept, len(coef)).copy()))
    return layer


def _at_least_two_logits(layer: nn.Linear) -> nn.Module:
    """Append the conversion of log odds to two logits to a layer with one output."""
    return nn.Sequential(layer, TwoLogits()) if layer.out_features == 1 else layer


def _perceptron(classifier: MLPClassifier) -> nn.Module:
    """Copy a multilayer perceptron."""
    if classifier.out_activation_ == "logistic" and classifier.n_outputs_ > 1:
        raise ValueError("A style needs a classifier with one class per point, not several labels.")
    pairs = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    *hidden, last = (_linear(coef.T, intercept) for coef, intercept in pairs)
    activation = ACTIVATIONS[classifier.activation]
    layers = [module for layer in hidden for module in (layer, activation())]
    return nn.Sequential(*layers, _at_least_two_logits(last))


def _affine(transformer: Any, n_features: int) -> nn.Linear:
    """Linear layer of an affine transformer, from its values at the origin and at unit vectors."""
    offset = transformer.transform(np.zeros((1, n_features)))
    matrix = transformer.transform(np.eye(n_features)) - offset
    probe = 3 * np.random.default_rng(0).normal(size=(9, n_features))
    expected = transformer.transform(probe)
    if abs(probe @ matrix + offset - expected).max() > AFFINITY_TOLERANCE * abs(expected).max():
        raise ValueError(
            "The pipeline of the style has a transformer that is not affine. Pass a torch module "
            "that returns logits instead."
        )
    return _linear(matrix.T, offset[0])
