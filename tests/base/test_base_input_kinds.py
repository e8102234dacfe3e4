"""Containers that are no arrays of numbers: what is refused says what to pass, the rest works."""

import datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from common_estimators import ESTIMATORS
from numpy.testing import assert_array_equal
from scipy.spatial.distance import pdist
from sklearn.base import clone
from torch.utils.data import DataLoader, TensorDataset

from skgw import GWGenerativeEmbedding, GWMatcher

pytestmark = [
    pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning"),
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
]
X = np.random.default_rng(0).gamma(2.0, size=(20, 3)) * [3, 2, 1]
Y = np.random.default_rng(1).gamma(2.0, size=(16, 2)) * [3, 1]
DAYS = pd.date_range("2026-01-01", periods=20)


def masked():
    return np.ma.masked_array(X, mask=X > 10)


REFUSED = {
    "matrix": (lambda: np.matrix(X), TypeError, "np.matrix is not supported"),
    "masked": (masked, ValueError, r"masked array.*Impute.*compress_rows"),
    "annotated": (lambda: SimpleNamespace(X=X, obsm={}), TypeError, r'adata\.X, adata\.obsm\["X_'),
    "modalities": (lambda: SimpleNamespace(mod={}, obsm={}), TypeError, r'mdata\.mod\["rna"\]\.X'),
    "modalities with X": (
        lambda: SimpleNamespace(X=None, mod={}, obsm={}), TypeError, r"skgw\.interop\.match_mudata",
    ),
    "data set": (lambda: TensorDataset(torch.tensor(X)), TypeError, r"dataset\.tensors\[0\]"),
    "loader": (lambda: DataLoader(TensorDataset(torch.tensor(X))), TypeError, "as one tensor or"),
    "images": (lambda: np.zeros((20, 1, 4, 4)), ValueError, r"X\.reshape\(len\(X\), -1\)"),
    "dates": (lambda: DAYS.to_numpy().reshape(-1, 1), TypeError, "dates or time spans"),
    "spans": (lambda: (DAYS - DAYS[0]).to_numpy()[:, None], TypeError, "dates or time spans"),
    "column of dates": (lambda: pd.DataFrame({"a": DAYS, "b": 1.0}), TypeError, "dates or time"),
    "polars dates": (lambda: pl.DataFrame({"a": DAYS.to_list()}), TypeError, "dates or time spans"),
    "date objects": (
        lambda: np.array([[datetime.date(2026, 1, 1)]] * 20), TypeError, "must hold numeric rows",
    ),
    "complex": (lambda: X + 1j, ValueError, "Complex data not supported"),
    "strings": (lambda: np.array([["cat"], ["dog"]] * 10), ValueError, "numeric rows.*OneHotEnc"),
    "string column": (lambda: pd.DataFrame({"a": ["x"] * 20}), ValueError, "numeric rows.*OneHot"),
    "missing": (
        lambda: pd.DataFrame({"a": pd.array([1, None] * 10, dtype="Int64")}), ValueError, "NaN",
    ),
    "polars missing": (lambda: pl.DataFrame({"a": [1, None] * 10}), ValueError, "NaN"),
    "dict": (lambda: {"a": 1}, TypeError, "must hold numeric rows"),
    "generator": (lambda: (x for x in X), TypeError, "must hold numeric rows"),
    "ragged": (lambda: [[1, 2], [3]], ValueError, "inhomogeneous"),
    "number": (lambda: 3.0, ValueError, "2D array"),
    "none": (lambda: None, ValueError, "2D array|requires y|NoneType"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", ["features", "matcher", "variational", "co-trained"])
def test_refused(name, kind):
    build, error, message = REFUSED[kind]
    estimator = clone(ESTIMATORS[name])
    second = [Y] if estimator.__sklearn_tags__().target_tags.required else []
    with pytest.raises(error, match=message):
        estimator.fit(build(), *second)
    assert not [a for a in vars(estimator) if a.endswith("_")]


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind not in ("none", "number")])
def test_refused_as_the_second_domain(kind):
    build, error, message = REFUSED[kind]
    with pytest.raises(error, match=f"In the second domain, y: (.|\n)*({message})"):
        GWMatcher(metric="euclidean").fit(X, build())


ACCEPTED = {
    "polars": lambda: pl.DataFrame({c: X[:, k] for k, c in enumerate("abc")}),
    "nullable": lambda: pd.DataFrame(X, columns=[*"abc"]).convert_dtypes(),
    "masked without masked entries": lambda: np.ma.masked_array(X, mask=np.zeros_like(X)),
    "text of numbers": lambda: X.astype(str).astype(object),
    "tensor with a gradient": lambda: torch.tensor(X, requires_grad=True),
}


@pytest.mark.parametrize("kind", ACCEPTED)
@pytest.mark.parametrize("name", ["features", "matcher", "variational"])
def test_accepted(name, kind):
    second = [Y] if name == "matcher" else []
    fits = [
        clone(ESTIMATORS[name]).set_params(random_state=0).fit(rows, *second)
        for rows in (X, ACCEPTED[kind]())
    ]
    outputs = [fit.plan_.toarray() if second else fit.sample(9, random_state=0) for fit in fits]
    assert_array_equal(*outputs)


@pytest.mark.parametrize("estimator", [GWGenerativeEmbedding, GWMatcher])
def test_vectors_of_distances(estimator):
    given = pdist(X)
    second = [given] if estimator is GWMatcher else []
    with pytest.raises(ValueError, match=r"190 distances.* 20 points.*squareform\(X\)"):
        estimator(metric="precomputed").fit(given, *second)
    with pytest.raises(ValueError, match=r"190 distances.* 20 points.*squareform\(X\)"):
        estimator(metric="precomputed").fit(list(given), *second)


def test_a_vector_of_distances_as_the_second_domain():
    with pytest.raises(ValueError, match=r"In the second domain.*squareform\(X\)"):
        GWMatcher(metric="precomputed").fit(np.zeros((3, 3)), pdist(X))


def test_a_metric_of_other_objects():
    with pytest.raises(ValueError, match="metric that is a function takes two numeric rows"):
        GWGenerativeEmbedding(metric=lambda x, y: len(x)).fit([["cat"], ["dog"]])


@pytest.mark.parametrize("name", ["features", "matcher", "variational"])
def test_devices_of_torch(name, tmp_path):
    estimator = clone(ESTIMATORS[name]).set_params(random_state=0, device=torch.device("cpu"))
    estimator = clone(estimator)
    estimator.fit(X, *([Y] if name == "matcher" else []))
    estimator.save(tmp_path / "model")
    assert type(estimator).load(tmp_path / "model").device == "cpu"
    with pytest.raises(ValueError, match="device='mps' is not supported"):
        estimator.set_params(device=torch.device("mps")).fit(X, Y)
