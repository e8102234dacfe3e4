"""Data frames, pipelines, searches, callbacks and tensors."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw.spaces import graph_distances

GRID = {"n_components": [1, 2], "epsilon": [5e-3, 5e-2]}


class StopAtOnce:
    """A callback that ends the training at the first report."""

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        return True


# ------------------------------------------------------------------------------- data frames


def test_data_frames_in_and_out(quick, X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=[f"row {i}" for i in range(len(X))])
    estimator = quick().fit(frame)
    assert list(estimator.feature_names_in_) == ["a", "b", "c"]
    assert_allclose(estimator.transform(frame), quick().fit_transform(X), atol=1e-6)
    out = quick().set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == ["gwgenerativeembedding0", "gwgenerativeembedding1"]
    assert list(out.index) == list(frame.index)
    assert_array_equal(out.to_numpy(), estimator.embedding_)
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(frame.rename(columns={"a": "z"}))


def test_samples_stay_arrays(quick, X):
    estimator = quick().set_output(transform="pandas").fit(X)
    assert isinstance(estimator.sample(3), np.ndarray)
    assert isinstance(estimator.inverse_transform(estimator.sample(3)), np.ndarray)
    assert np.isfinite(estimator.score(X))


def test_names_follow_the_fit_not_later_parameters(quick, X):
    estimator = quick().fit(X).set_params(n_components=5)
    assert len(estimator.get_feature_names_out()) == 2


# ------------------------------------------------------------------ pipelines and searches


def test_pipeline(quick, X):
    pipeline = make_pipeline(StandardScaler(), quick())
    Z = pipeline.fit_transform(X)
    scaled = StandardScaler().fit_transform(X)
    assert_array_equal(Z, quick().fit_transform(scaled))
    assert pipeline.inverse_transform(Z).shape == X.shape
    assert pipeline.score(X) == pipeline[-1].score(scaled)


def test_pipeline_score_with_metadata_routing(quick, X):
    """`score` has to have a `sample_weight` there."""
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), quick()).fit(X)
        assert pipeline.score(X) == pytest.approx(pipeline[-1].score(pipeline[0].transform(X)))


@pytest.mark.parametrize("metric", ["euclidean", "geodesic", "precomputed"])
def test_grid_search(quick, X, graph, metric):
    estimator = quick(metric=metric, n_neighbors=5)
    X = graph_distances(graph) if metric == "precomputed" else X
    search = GridSearchCV(estimator, GRID, cv=KFold(2), error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_
    assert_array_equal(
        search.best_estimator_.embedding_, estimator.set_params(**best).fit(X).embedding_
    )


def test_grid_search_in_a_pipeline(quick, X):
    grid = {f"gwgenerativeembedding__{name}": values for name, values in GRID.items()}
    pipeline = make_pipeline(StandardScaler(), quick())
    search = GridSearchCV(pipeline, grid, cv=KFold(2), error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_grid_search_over_two_workers(quick, X):
    """Processes of joblib: they get estimators by pickle, and scores come back the same."""
    estimator = quick(generator__init="random")
    one, two = (
        GridSearchCV(estimator, GRID, cv=KFold(2), error_score="raise", n_jobs=n_jobs).fit(X)
        for n_jobs in (1, 2)
    )
    scores = (search.cv_results_["mean_test_score"] for search in (one, two))
    assert_allclose(*scores, rtol=1e-3)
    assert one.best_params_ == two.best_params_


def test_folds_of_distances_are_rectangles(quick, D):
    """A fold is scored by its distances to the training rows: nothing else is at hand."""
    folds = KFold(4, shuffle=True, random_state=0)
    estimator = quick(metric="precomputed")
    result = cross_validate(estimator, D, cv=folds, return_estimator=True, error_score="raise")
    for fitted, score, (train, test) in zip(
        result["estimator"], result["test_score"], folds.split(D), strict=True
    ):
        assert fitted.n_features_in_ == len(train) == 30
        assert score == fitted.score(D[np.ix_(test, train)])


# ---------------------------------------------------------------------------------- callbacks


@pytest.mark.parametrize("inside", ["alone", "pipeline", "search"])
def test_progress_bars(quick, X, inside, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    estimator = quick()
    if inside == "pipeline":
        estimator = make_pipeline(StandardScaler(), estimator)
    elif inside == "search":
        estimator = GridSearchCV(estimator, {"epsilon": [5e-3, 5e-2]}, cv=KFold(2))
    estimator.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
    printed = capsys.readouterr().out
    assert "GWGenerativeEmbedding - fit" in printed
    assert "100%" in printed


@pytest.mark.parametrize("inside", ["pipeline", "search"])
def test_callbacks_inside(quick, X, inside, frequent):
    estimator = quick(max_iter=50).set_callbacks(StopAtOnce())
    if inside == "pipeline":
        fitted = make_pipeline(StandardScaler(), estimator).fit(X)[-1]
    else:
        search = GridSearchCV(estimator, {"epsilon": [5e-3]}, cv=KFold(2), error_score="raise")
        fitted = search.fit(X).best_estimator_
    assert fitted.n_iter_ == 2


# ------------------------------------------------------------------------------------ tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensor_in_tensor_out(quick, X, dtype):
    tensor = torch.tensor(X, dtype=dtype, requires_grad=True)
    array = tensor.detach().numpy()
    estimator = quick(device="cpu").fit(tensor)
    assert isinstance(estimator.embedding_, np.ndarray)
    assert_array_equal(estimator.embedding_, quick().fit(array).embedding_)
    for out, expected in (
        (quick().fit_transform(tensor), estimator.embedding_),
        (estimator.transform(tensor), estimator.transform(array)),
        (
            estimator.inverse_transform(torch.tensor(estimator.embedding_)),
            estimator.inverse_transform(estimator.embedding_),
        ),
    ):
        assert isinstance(out, torch.Tensor)
        assert out.dtype == dtype
        assert not out.requires_grad
        assert_array_equal(out.numpy(), expected)
    assert isinstance(estimator.transform(array), np.ndarray)
    assert estimator.score(tensor) == estimator.score(array)


def test_tensor_of_distances(quick, D):
    out = quick(metric="precomputed").fit_transform(torch.tensor(D))
    assert_array_equal(out.numpy(), quick(metric="precomputed").fit_transform(D))
