"""The same numbers give the same result, however they lie in memory."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from common_estimators import ESTIMATORS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from skgw.metrics import distance_rank_correlation, foscttm, relative_distortion

pytestmark = pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")

METHODS = ("transform", "match", "translate", "score")
NAMES = ("features", "precomputed", "matcher", "variational", "co-trained")


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def with_gaps(x):
    """A view of every second entry of a larger array."""
    large = np.full((2 * x.shape[0], 3 * x.shape[1]), np.nan)
    large[::2, ::3] = x
    return large[::2, ::3]


LAYOUTS = {
    "fortran": np.asfortranarray,
    "frame built by columns": lambda x: pd.DataFrame({k: x[:, k] for k in range(x.shape[1])}),
    "polars": lambda x: pl.DataFrame({str(k): x[:, k] for k in range(x.shape[1])}),
    "big-endian": lambda x: x.astype(">f8"),
    "read-only": read_only,
    "view with gaps": with_gaps,
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "lists": lambda x: x.tolist(),
    "objects": lambda x: x.astype(object),
    "subclass": lambda x: np.ma.masked_array(x),
    "tensor": torch.tensor,
    "transposed tensor": lambda x: torch.tensor(x.T.copy()).T,
    "float32": lambda x: x.astype(np.float32),
}


@pytest.fixture(scope="module")
def data():
    """Rows that float32 holds exactly, as features and as distances."""
    rng = np.random.default_rng(0)
    X, Y = (
        (rng.gamma(2.0, size=(n, d)) * np.arange(d, 0, -1)).astype(np.float32).astype(float)
        for n, d in ((30, 4), (24, 3))
    )
    D, E = (pairwise_distances(x).astype(np.float32).astype(float) for x in (X, Y))
    return {"features": (X, Y), "precomputed": (D, E)}


@pytest.fixture(scope="module")
def reference(data):
    fits = {}

    def reference(name):
        if name not in fits:
            fits[name] = results(name, lambda x: x, data)
        return fits[name]

    return reference


def results(name, layout, data):
    """All outputs of a fit to rows of a layout, as arrays, with rows of the layout."""
    estimator = clone(ESTIMATORS[name]).set_params(random_state=0)
    kind = "precomputed" if getattr(estimator, "metric", "") == "precomputed" else "features"
    X, Y = data[kind]
    two = estimator.__sklearn_tags__().target_tags.required
    estimator.fit(layout(X), *([layout(Y)] if two else []))
    out = {
        method: np.asarray(getattr(estimator, method)(layout(X[:7])))
        for method in METHODS
        if hasattr(estimator, method)
    }
    if hasattr(estimator, "inverse_transform"):
        out["inverse_transform"] = np.asarray(
            estimator.inverse_transform(layout(np.ones((3, estimator.n_components))))
        )
    if two:
        out["from y"] = np.asarray(estimator.translate(layout(Y[:5]), domain="y"))
        out["confidence"] = estimator.confidence_
        if name == "matcher":
            out["confidence, y"] = estimator.confidence_y_
    return out


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "name", ["features", "precomputed", "matcher", "variational", "co-trained"]
)
def test_estimators(name, layout, data, reference):
    expected, found = reference(name), results(name, LAYOUTS[layout], data)
    assert found.keys() == expected.keys()
    for part, values in expected.items():
        if layout == "float32":
            tolerance = {"rtol": 1e-4, "atol": 1e-5 * np.abs(values).max()}  # float32 codes
            assert_allclose(found[part], values, **tolerance, err_msg=part)
            of_its_own_type = part in ("match", "score") or part.startswith("confidence")
            assert of_its_own_type or found[part].dtype == np.float32
        else:
            assert_array_equal(found[part], values, err_msg=part)


def test_memmaps(tmp_path, data, reference):
    def stored(x):
        path = tmp_path / f"{x.shape}.npy"
        np.save(path, np.asfortranarray(x))
        return np.load(path, mmap_mode="r")

    for part, values in results("matcher", stored, data).items():
        assert_array_equal(values, reference("matcher")[part], err_msg=part)


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x != "float32"])
def test_metrics(layout, data):
    (X, _), (D, _) = data["features"], data["precomputed"]
    Z, change = X[:, :2].copy(), LAYOUTS[layout]
    for metric, arguments in (
        (relative_distortion, (D, pairwise_distances(Z))),
        (distance_rank_correlation, (D, Z)),
        (foscttm, (Z, X[:, 1:3].copy())),
    ):
        assert metric(*map(change, arguments)) == metric(*arguments)
