"""The default device of torch changes nothing: here the meta device, which holds no numbers."""

import numpy as np
import pytest
import torch
from common_estimators import ESTIMATORS, fit, rows
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from skgw import GWMatcher
from skgw.metrics import gw_discrepancy
from skgw.solvers import PointCloud, gw_divergence, solve_gromov

NAMES = (
    "features", "geodesic", "matcher", "variational", "co-trained", "co-trained, geodesic",
    "shared codes",
)  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")


@pytest.fixture
def on_meta():
    """Call a function under another default device."""

    def call(function):
        torch.set_default_device("meta")
        try:
            return function()
        finally:
            torch.set_default_device(None)

    return call


def outputs(estimator):
    """What the methods of a fitted estimator return for other rows."""
    X, found = rows(6, seed=5), {}
    for name in ("transform", "translate", "match", "score"):
        if hasattr(estimator, name):
            found[name] = getattr(estimator, name)(X)
    if hasattr(estimator, "inverse_transform"):
        found["inverse"] = estimator.inverse_transform(np.ones((2, estimator.n_components)))
    if hasattr(estimator, "sample"):
        found["sample"] = estimator.sample(3, random_state=0)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_estimators(name, on_meta, tmp_path):
    expected = fit(clone(ESTIMATORS[name]))
    found = on_meta(lambda: fit(clone(ESTIMATORS[name])))
    for part, values in outputs(expected).items():
        assert_array_equal(outputs(found)[part], values)
        assert_array_equal(on_meta(lambda: outputs(found))[part], values)
    found.save(tmp_path / "model")
    loaded = on_meta(lambda: type(found).load(tmp_path / "model"))
    assert_array_equal(outputs(loaded)["score"], outputs(expected)["score"])


@pytest.mark.parametrize(
    "options",
    [
        {"n_init": 3},
        {"init": "spectral"},
        {"loss": "KL"},
        {"unbalanced": 0.5},
        {"mass": 0.5},
        {"M": np.ones((20, 15)), "backend": "torch"},
    ],
)
def test_solver(options, on_meta):
    D, E = (pairwise_distances(rows(n)) for n in (20, 15))
    expected = solve_gromov(D, E, reg=0.05, **options)
    found = on_meta(lambda: solve_gromov(D, E, reg=0.05, **options))
    assert_array_equal(np.asarray(found), np.asarray(expected))
    assert found.value == expected.value
    assert_array_equal(on_meta(lambda: found.barycenter(rows(15))), expected.barycenter(rows(15)))


def test_functions(on_meta):
    X, Y = rows(20), rows(15)
    D, E = pairwise_distances(X), pairwise_distances(Y)
    for function in (
        lambda: gw_divergence(D, E, reg=0.05),
        lambda: gw_divergence(D, E, reg=0.05, backend="torch"),
        lambda: gw_discrepancy(X, Y),
        lambda: solve_gromov(PointCloud(X), PointCloud(Y), plan="lazy", reg=0.05).value,
        lambda: GWMatcher(n_init=2, random_state=0).fit(X, Y, pairs=([0, 1, 2], [0, 1, 2])).match(),
    ):
        assert_array_equal(on_meta(function), function())


def test_gradients(on_meta):
    def gradient():
        D, E = (torch.from_numpy(pairwise_distances(rows(n))) for n in (12, 9))
        D.requires_grad_()
        gw_divergence(D, E, reg=0.05).backward()
        return D.grad.numpy()

    assert_array_equal(on_meta(gradient), gradient())


def test_the_default_of_the_caller_is_kept(on_meta):
    def default():
        fit(clone(ESTIMATORS["variational"]))
        return torch.zeros(1).device.type

    assert on_meta(default) == "meta"
