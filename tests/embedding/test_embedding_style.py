"""Differentiable copies of classifiers predict like the classifiers."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from torch import nn

from skgw.embedding.style import differentiable, style_penalty


def blobs(n_classes):
    return make_blobs(120, n_features=4, centers=n_classes, cluster_std=4.0, random_state=0)


def perceptron(activation="relu"):
    # solver="lbfgs" because it has no iterations to run out of with a warning in so few steps
    return MLPClassifier((8, 5), activation=activation, solver="lbfgs", tol=0.1, random_state=0)


CLASSIFIERS = {
    "logistic": LogisticRegression(),
    "discriminant": LinearDiscriminantAnalysis(),
    "pipeline": make_pipeline(StandardScaler(), PCA(3), LogisticRegression()),
    "perceptron": perceptron(),
    "tanh in a pipeline": make_pipeline(StandardScaler(), perceptron("tanh")),
    "sigmoid": perceptron("logistic"),
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_copy_has_the_probabilities_of_the_classifier(name, n_classes):
    X, y = blobs(n_classes)
    classifier = clone(CLASSIFIERS[name]).fit(X, y)
    logits = differentiable(classifier, 4)(torch.as_tensor(X, dtype=torch.float32))
    assert_allclose(logits.softmax(1).detach(), classifier.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers_without_probabilities_decide_alike(n_classes):
    X, y = blobs(n_classes)
    classifier = RidgeClassifier().fit(X, y)
    logits = differentiable(classifier, 4)(torch.as_tensor(X, dtype=torch.float32))
    assert (classifier.classes_[logits.argmax(1)] == classifier.predict(X)).all()


def test_the_class_is_found_by_its_label():
    X, y = blobs(3)
    labels = np.array(["bold", "thin", "slanted"])[y]
    style = style_penalty(FrozenEstimator(LogisticRegression().fit(X, labels)), "thin", 4)
    expected = -LogisticRegression().fit(X, labels).predict_log_proba(X)[:, 2]
    assert_allclose(style(torch.as_tensor(X, dtype=torch.float32)), expected, atol=1e-4)


def test_a_module_is_copied_and_a_callable_taken_as_it_is():
    layer = nn.Linear(4, 3).double()
    style = style_penalty(layer, 1, 4)
    assert style(torch.ones(2, 4)).shape == (2,)
    assert layer.weight.dtype == torch.float64
    assert layer.weight.requires_grad
    assert style_penalty(torch.sum, None, 4) is torch.sum


@pytest.mark.parametrize(
    ("style", "target", "message"),
    [
        (LogisticRegression(), 0, "is not fitted. .*FrozenEstimator"),
        (make_pipeline(Normalizer(), LogisticRegression()), 0, "not affine"),
        (KNeighborsClassifier(), 0, "There is no differentiable copy of a KNeighborsClassifier"),
        (LogisticRegression(), 7, "The target 7 of a style is not a class"),
        (LinearRegression(), 0, "is a LinearRegression, which has no classes"),
    ],
)
def test_what_has_no_gradient_or_class_is_refused(style, target, message):
    X, y = blobs(3)
    if "fitted" not in message:
        style = clone(style).fit(X, y)
    with pytest.raises((ValueError, AttributeError), match=message):
        style_penalty(style, target, 4)


def test_a_module_has_positions_and_no_labels():
    with pytest.raises(ValueError, match="The target 'seven' of a style must be the position"):
        style_penalty(torch.nn.Linear(4, 3), "seven", 4)


def test_a_classifier_of_other_points_is_refused():
    X, y = blobs(2)
    with pytest.raises(ValueError, match="takes 4 features, but n_components is 2"):
        style_penalty(LogisticRegression().fit(X, y), 0, 2)
