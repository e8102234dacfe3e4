"""Distances, graphs and other metrics: all methods, copies, splits and searches, errors."""

import copy
import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skgw import DomainKFold, Domains, GWCoTrainedAutoencoders
from skgw.exceptions import LabelsAsDomainWarning
from skgw.translation import TranslationNetwork

pytestmark = pytest.mark.filterwarnings(
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"  # of models that are hardly trained
)


def distances(X):
    return cdist(X, X)


# -------------------------------------------------------------------------------------- all methods


def city_block(a, b):
    return abs(a - b).sum()


METRICS = {
    "precomputed": "precomputed",
    "distances of x": ("precomputed", "euclidean"),
    "distances of y": ("euclidean", "precomputed"),
    "geodesic": "geodesic",
    "cosine": ["cosine", "euclidean"],
    "callable": (city_block, "cityblock"),
}


def given(metric, X, Y):
    x, y = (metric, metric) if isinstance(metric, str) else metric
    return (
        distances(X) if x == "precomputed" else X,
        distances(Y) if y == "precomputed" else Y,
    )


def outputs(model, X, Y):
    """All that a fitted model gives for rows of either domain."""
    methods = ["auto", "decoded", "barycentric", "greedy"]
    return [
        model.transform(X),
        model.transform(Y, domain="y"),
        model.inverse_transform(model.embedding_),
        model.inverse_transform(model.embedding_y_, domain="y"),
        *(model.translate(X, method=method) for method in methods),
        *(model.translate(Y, domain="y", method=method) for method in methods),
        model.match(X),
        model.match(X, Y),
        model.match(Y, domain="y"),
        model.sample(3, random_state=0),
        model.sample(3, domain="y", random_state=0),
        np.float64(model.score(X, Y)),
    ]


@pytest.mark.parametrize("kind", METRICS)
def test_every_method_and_every_copy(quick, X, Y, tmp_path, kind):
    metric = METRICS[kind]
    A, B = given(metric, X, Y)
    model = quick(metric=metric, n_components=(2, 3)).fit(A, B)
    expected = outputs(model, A, B)
    widths = [2, 3, A.shape[1], B.shape[1], *4 * [B.shape[1]], *4 * [A.shape[1]]]
    assert [found.shape[1] for found in expected[:12]] == widths
    assert all(np.isfinite(found).all() for found in expected)
    assert_array_equal(model.embedding_, expected[0])
    assert_array_equal(model.match(), expected[12])
    assert (model.n_features_in_, model.n_features_y_in_) == (A.shape[1], B.shape[1])
    assert model.plan_.shape == (40, 30)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    if kind != "callable":
        model.save(tmp_path / "model")
        copies.append(GWCoTrainedAutoencoders.load(tmp_path / "model"))
    for other in [*copies, quick(metric=metric, n_components=(2, 3)).fit(Domains(A, B))]:
        for found, known in zip(outputs(other, A, B), expected, strict=True):
            assert_array_equal(found, known)


def test_a_function_is_not_saved(quick, X, Y, tmp_path):
    with pytest.raises(TypeError, match="without running code"):
        quick(metric=city_block).fit(X, Y).save(tmp_path / "model")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_in_tensors_out(quick, X, Y, dtype):
    D, E = torch.tensor(distances(X), dtype=dtype), torch.tensor(Y, dtype=dtype)
    metric = ("precomputed", "euclidean")
    model = quick(metric=metric).fit(D, E)
    arrays = quick(metric=metric).fit(D.numpy(), E.numpy())
    for found, expected in (
        (model.transform(D), arrays.embedding_),
        (model.translate(D), arrays.translate(D.numpy())),
        (model.translate(E, domain="y"), arrays.translate(E.numpy(), domain="y")),
        (model.inverse_transform(model.transform(D)), arrays.inverse_transform(arrays.embedding_)),
    ):
        assert isinstance(found, torch.Tensor)
        assert found.dtype == dtype
        assert_array_equal(found.numpy(), expected)
    assert model.score(D, E) == arrays.score(D.numpy(), E.numpy())


def test_networks_and_other_autoencoders(quick, X, Y):
    D = distances(X)
    for params in ({"autoencoder": "vae"}, {"translator": TranslationNetwork(n_updates=5)}):
        model = quick(metric=("precomputed", "geodesic"), **params).fit(D, Y)
        assert model.translate(D).shape == (40, 6)
        assert model.translate(Y, domain="y").shape == (30, 40)


def test_anchor_pairs_and_held_out_rows(quick, X, Y):
    model = quick(metric="precomputed", n_reference=15, early_stopping=True, n_landmarks=5)
    model.fit(distances(X), distances(Y), pairs=([3, 8], [5, 2]))
    assert model.match().max() < 30
    assert model.inverse_transform(model.embedding_y_, domain="y").shape == (30, 30)


def test_transformers_of_features(quick, X, Y):
    model = quick(metric=("precomputed", "cosine"), transformer_y=StandardScaler())
    D = distances(X)
    translated = model.fit(D, Y).translate(D)
    assert translated.shape == (40, 6)
    assert (translated >= Y.min(0) - 1e-9).all()  # in the units of the features
    assert (translated <= Y.max(0) + 1e-9).all()
    assert_allclose(model.translate(D, method="greedy"), Y[model.match()])


def test_frames_of_distances(quick, X, Y):
    names = [f"row {i}" for i in range(40)]
    frame = pd.DataFrame(distances(X), index=names, columns=names)
    model = quick(metric=("precomputed", "euclidean")).set_output(transform="pandas").fit(frame, Y)
    assert list(model.transform(frame).index) == names
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame[names[::-1]])


def test_rows_at_distance_zero(quick):
    model = quick(metric="precomputed").fit(np.zeros((10, 10)), np.zeros((8, 8)))
    assert_allclose(model.translate(np.zeros((10, 10))), 0, atol=1)
    assert np.isfinite(model.confidence_).all()
    pair = quick(metric="precomputed").fit(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros((2, 2)))
    assert pair.match().shape == (2,)


def test_a_one_dimensional_y_is_one_feature(quick, X):
    with pytest.warns(LabelsAsDomainWarning):
        model = quick(metric="precomputed").fit(distances(X), np.arange(40) % 3)
    assert model.translate(distances(X)).shape == (40, 1)


# ------------------------------------------------------------------------------------- scikit-learn


def test_distances_are_cross_validated(quick, X, Y):
    both = Domains(distances(X), distances(Y), precomputed=True)
    model = quick(metric="precomputed", hidden_layer_sizes=(16,), max_iter=40)
    result = cross_validate(
        model, both, cv=DomainKFold(3), return_estimator=True, error_score="raise"
    )
    assert np.isfinite(result["test_score"]).all()
    assert [fitted.plan_.shape for fitted in result["estimator"]] == [(26, 20), (27, 20), (27, 20)]
    mixed = Domains(distances(X), Y, precomputed=(True, False))
    model.set_params(metric=("precomputed", "euclidean"))
    assert np.isfinite(cross_validate(model, mixed, cv=DomainKFold(2))["test_score"]).all()


def test_landmarks_and_metrics_are_searched(quick, X, Y):
    both = Domains(distances(X), distances(Y), precomputed=True)
    search = GridSearchCV(
        quick(metric="precomputed"),
        {"n_landmarks": [4, 20]},
        cv=DomainKFold(2),
        error_score="raise",
    ).fit(both)
    assert search.best_estimator_.translate(both.X).shape == (40, 30)
    grid = {"metric": ["euclidean", ("geodesic", "cosine")]}
    search = GridSearchCV(quick(), grid, cv=DomainKFold(2), error_score="raise").fit(Domains(X, Y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pipelines(quick, X, Y):
    to_distances = FunctionTransformer(pairwise_distances)
    pipeline = make_pipeline(to_distances, quick(metric=("precomputed", "euclidean"))).fit(X, Y)
    assert pipeline.transform(X).shape == (40, 2)
    assert isinstance(pipeline.score(X, Y), float)


def test_tags_follow_the_first_metric():
    for metric, expected in (
        ("precomputed", True),
        (("precomputed", "euclidean"), True),
        (("euclidean", "precomputed"), False),
        ("geodesic", False),
    ):
        tags = GWCoTrainedAutoencoders(metric=metric).__sklearn_tags__().input_tags
        assert (tags.pairwise, tags.positive_only, tags.sparse) == 3 * (expected,)


def test_features_draw_no_landmarks(quick, X, Y):
    """Parameters of other metrics leave the result for features as it is."""
    one = quick().fit(X, Y)
    other = quick(metric=("euclidean", "euclidean"), n_landmarks=3, n_neighbors=2).fit(X, Y)
    assert_array_equal(one.embedding_, other.embedding_)
    assert_array_equal(one.translate(X), other.translate(X))


def test_the_seed_draws_the_landmarks(quick, X, Y):
    D = distances(X)
    fits = [
        quick(metric=("precomputed", "euclidean"), n_landmarks=5, random_state=seed).fit(D, Y)
        for seed in (0, 0, 1)
    ]
    landmarks = [fit._domains[0].placement.space.anchors for fit in fits]
    assert_array_equal(landmarks[0], landmarks[1])
    assert_array_equal(fits[0].translate(D), fits[1].translate(D))
    assert not np.array_equal(landmarks[0], landmarks[2])


# ------------------------------------------------------------------------------------------- errors


def broken(X, change):
    D = distances(X)
    change(D)
    return D


def asymmetric(D):
    D[0, 1] += 1


def negative(D):
    D[0, 1] = D[1, 0] = -1


def undefined(D):
    D[0, 1] = D[1, 0] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [(asymmetric, "must be symmetric"), (negative, "Negative values"), (undefined, "NaN")],
)
def test_matrices_that_are_no_distances(quick, X, Y, change, message):
    with pytest.raises(ValueError, match=message):
        quick(metric="precomputed").fit(broken(X, change), distances(Y))
    with pytest.raises(ValueError, match=message):
        quick(metric="precomputed").fit(distances(Y), broken(X, change))


def test_mistakes_are_named(quick, X, Y):
    D, E = distances(X), distances(Y)
    apart = nx.disjoint_union(nx.path_graph(3), nx.path_graph(4))
    for params, parts, message in [
        ({"metric": "precomputed"}, (abs(X), E), "square matrix"),
        ({"metric": "precomputed"}, (apart, E), "2 connected components"),
        ({"metric": "euclidean"}, (nx.path_graph(5), Y), "metric='precomputed'"),
        ({"metric": ("precomputed",) * 3}, (D, E), "metric must be one value or a pair"),
        ({"metric": "auto"}, (X, Y), "metric='auto' gives no distances"),
        ({"metric": "precomputed", "transformer_x": PCA(2)}, (D, E), "transformer_x transforms"),
        ({"metric": "precomputed", "transformer_y": PCA(2)}, (D, E), "transformer_y transforms"),
        ({"metric": "geodesic", "network": "conv"}, (X, Y), 'network="conv" reads images'),
        ({"metric": lambda a, b: a[0] - b[0]}, (X, Y), "negative, NaN or infinite"),
        ({"n_landmarks": 1}, (X, Y), "n_landmarks"),
    ]:
        with pytest.raises(ValueError, match=message):
            quick(**params).fit(*parts)
    model = quick(metric="precomputed").fit(D, E)
    with pytest.raises(ValueError, match="expecting 40 features"):
        model.transform(D[:, :-1])
    with pytest.raises(ValueError, match="Z has 3 columns"):
        model.inverse_transform(np.zeros((1, 3)))


def test_a_refit_that_fails_leaves_the_last_fit(quick, X, Y):
    model = quick(metric="precomputed").fit(distances(X), distances(Y))
    before = dict(vars(model))
    with pytest.raises(ValueError, match="square matrix"):
        model.fit(distances(X), abs(Y))
    assert vars(model) == before


def test_later_changes_of_the_input_change_nothing(quick, X, Y):
    D, features = distances(X), Y.copy()
    model = quick(metric=("precomputed", "cosine")).fit(D, features)
    expected = model.translate(Y, domain="y"), model.translate(distances(X))
    D *= 2
    features *= -1
    assert_array_equal(model.translate(Y, domain="y"), expected[0])
    assert_array_equal(model.translate(distances(X)), expected[1])
