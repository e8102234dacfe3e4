"""Weights of the training rows: the weights of the space."""

import numpy as np
import pytest
import torch
from _objectives import objective_for, seeded
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw import GWGenerativeEmbedding
from skgw.embedding.cloud_coupling import couple_with_cloud
from skgw.nn import GeneratorSpec
from skgw.spaces import FeatureSpace

KINDS = ["features", "geodesic", "precomputed", "graph"]


@pytest.fixture
def weights():
    """From 0 to 3, for 36 and for 40 rows."""

    def make(n):
        return np.random.default_rng(0).integers(0, 4, size=n)

    return make


def n_rows(X):
    return len(X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stratified", [True, False])
def test_every_kind_of_input_takes_weights(quick, inputs, weights, kind, stratified, tmp_path):
    params, X, new = inputs[kind]
    w = weights(n_rows(X))
    estimator = quick(**params, optimizer__stratified=stratified).fit(X, sample_weight=w)
    assert_allclose(estimator.plan_.toarray().sum(1), w / w.sum(), atol=1e-7)
    assert_allclose(estimator.plan_.toarray().sum(0), 1 / 40, rtol=5e-2)
    assert_allclose(estimator.transform(X), estimator.embedding_, rtol=1e-9, atol=1e-9)
    assert np.isfinite(estimator.embedding_).all()
    again = quick(**params, optimizer__stratified=stratified).fit_transform(X, sample_weight=w)
    assert_array_equal(again, estimator.embedding_)
    estimator.save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    assert loaded.score(X) == estimator.score(X)
    assert_array_equal(loaded.transform(new), estimator.transform(new))


@pytest.mark.parametrize("weight", [1.0, 7, "list", "tensor"])
def test_equal_weights_change_nothing(quick, X, weight):
    w = {"list": [2.0] * 40, "tensor": torch.full((40,), 3.0)}.get(weight)
    w = np.full(40, weight) if w is None else w
    expected, estimator = quick().fit(X), quick().fit(X, sample_weight=w)
    assert_array_equal(estimator.embedding_, expected.embedding_)
    assert estimator.stress_ == pytest.approx(expected.stress_, rel=1e-9)
    assert estimator.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize("kind", ["features", "precomputed"])
def test_rows_of_weight_zero_are_new_rows(quick, inputs, D, kind):
    """A fit with weights 0 and 1 is a fit to the rows of weight 1, which embeds all rows."""
    params, X, _ = inputs[kind]
    kept = np.flatnonzero(np.arange(40) % 3)
    w = np.isin(np.arange(40), kept).astype(float)
    few = X[kept] if kind == "features" else X[np.ix_(kept, kept)]
    every = X if kind == "features" else X[:, kept]
    params = {**params, "early_stopping": True, "validation_fraction": 0.2}
    expected = quick(**params).fit(few)
    estimator = quick(**params).fit(X, sample_weight=w)
    assert estimator.embedding_.shape == (40, 2)
    scale = np.abs(expected.embedding_).max()
    assert_allclose(estimator.embedding_[kept], expected.embedding_, atol=1e-4 * scale)
    assert_allclose(estimator.embedding_, expected.transform(every), atol=1e-4 * scale)
    assert estimator.stress_ == pytest.approx(expected.stress_, rel=1e-3)
    assert estimator.validation_curve_ == pytest.approx(expected.validation_curve_, rel=1e-3)


def test_weights_of_the_scale_and_of_the_stress_are_repetitions(quick, X, weights):
    w = weights(40)
    estimator = quick().fit(X, sample_weight=w)
    rows = np.repeat(np.arange(40), w)
    repeated = quick().fit(X[rows])
    assert estimator._scale == pytest.approx(repeated._scale)
    D, E = (cdist(points[rows], points[rows]) for points in (X, estimator.embedding_))
    assert estimator.stress_ == pytest.approx(np.sqrt(((D - E) ** 2).sum() / (E**2).sum()))


def test_the_coupling_with_the_cloud_is_that_of_repeated_rows(X, weights):
    """The same cloud, the same divergence, and the same plans of new rows."""
    w = weights(40) + 1
    rows = np.repeat(np.arange(40), w)
    network = GeneratorSpec(2, 4, "mlp", (8,), 4).build(0)
    scale = np.sqrt(np.mean(cdist(X, X) ** 2))
    options = {"scale": scale, "epsilon": 0.05}
    weighted = objective_for(X, network, **options)
    repeated = objective_for(X[rows], network, **options)
    found = couple_with_cloud(weighted, np.arange(40), 50, seeded(), weights=w / w.sum(), tol=1e-7)
    expected = couple_with_cloud(repeated, np.arange(len(rows)), 50, seeded(), tol=1e-7)
    assert_array_equal(found.cloud, expected.cloud)
    assert found.divergence == pytest.approx(expected.divergence, rel=1e-4)
    new = np.random.default_rng(1).normal(size=(5, 3)) + X[:5]
    plans = [
        coupling.to_cloud.rows(cdist(new, points) / scale)
        for coupling, points in ((found, X), (expected, X[rows]))
    ]
    assert_allclose(*plans, atol=1e-4)
    to_cloud = cdist(found.cloud[:5], found.cloud)
    back = expected.to_data.rows(to_cloud)
    summed = np.stack([back[:, rows == i].sum(1) for i in range(40)], axis=1)
    assert_allclose(found.to_data.rows(to_cloud), summed, atol=1e-4)


@pytest.mark.parametrize("max_reference", [1000, 40])
def test_samples_have_the_shares_of_the_weights(quick, max_reference):
    """Two far clusters of 60 rows; the rows of one have three times the weight."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2)) * 0.3
    X[60:, 0] += 10
    w = np.repeat([3.0, 1.0], 60)
    estimator = quick(max_iter=150, batch_size=64, n_generated=200, generator="mlp")
    estimator.max_reference = max_reference
    estimator.fit(X, sample_weight=w)
    samples = estimator.sample(1000, random_state=0)
    near = cdist(samples, estimator.embedding_[:60]).min(1) < 3
    far = cdist(samples, estimator.embedding_[60:]).min(1) < 3
    assert near.mean() == pytest.approx(0.75, abs=0.07)
    assert far.mean() == pytest.approx(0.25, abs=0.07)
    assert -estimator.score(X, sample_weight=w) < 0.15


def test_large_graphs_are_seen_from_nodes_with_weight(quick, graph):
    w = np.zeros(36)
    w[5:20] = np.arange(1, 16)
    estimator = quick(metric="precomputed")
    estimator.max_anchors = 10
    estimator.fit(graph, sample_weight=w)
    anchors = estimator._reference_space.anchors
    assert len(anchors) == 10
    assert set(anchors) <= set(range(5, 20))
    assert estimator.embedding_.shape == (36, 2)


@pytest.mark.parametrize("adversary", ["mlp", "n_features"])
def test_weights_with_an_adversary(quick, X, weights, adversary):
    params = {"adversary": "mlp", "adversary__start": 0.0}
    params |= {"adversary__n_features": 2} if adversary == "n_features" else {}
    estimator = quick(**params).fit(X, sample_weight=weights(40))
    rows, w = np.repeat(np.arange(40), weights(40)), weights(40)
    assert np.isfinite(estimator.embedding_).all()
    if adversary == "n_features":
        never = quick(**params | {"adversary__start": 1.0})
        both = (never.fit(X, sample_weight=w), quick(**params | {"adversary__start": 1.0}))
        one, other = (
            e.adversary_.rows(torch.as_tensor(X)).detach() for e in (both[0], both[1].fit(X[rows]))
        )
        assert_allclose(cdist(one, one), cdist(other, other), atol=1e-4)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (np.ones(39), r"sample_weight.shape == \(39,\), expected \(40,\)"),
        (-np.ones(40), "Negative values"),
        (np.full(40, np.nan), "NaN"),
        (np.zeros(40), "zero"),
        (np.eye(40)[0], "1 positive weight: at least 2 rows"),
    ],
)
def test_weights_are_checked(quick, X, w, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, sample_weight=w)


def test_the_unit_of_weights_does_not_matter(quick, X, weights):
    w = weights(40).astype(float)
    one, other = (quick().fit(X, sample_weight=unit * w) for unit in (1.0, 2.0**-900))
    assert_array_equal(one.embedding_, other.embedding_)


def test_weights_in_a_pipeline(quick, X, weights):
    model = make_pipeline(StandardScaler(), quick())
    w = weights(40)
    model.fit(X, gwgenerativeembedding__sample_weight=w)
    expected = quick().fit_transform(StandardScaler().fit_transform(X), sample_weight=w)
    assert_array_equal(model[-1].embedding_, expected)


def test_other_weights_are_another_checkpoint(quick, X, weights, tmp_path, frequent):
    from _training_parts import Recorder

    w = weights(40)
    params = {"max_iter": 12, "checkpoint": tmp_path}
    whole = quick(max_iter=12).fit(X, sample_weight=w)
    with pytest.raises(KeyboardInterrupt):
        quick(**params).set_callbacks(Recorder(interrupt_at=2)).fit(X, sample_weight=w)
    assert_array_equal(quick(**params).fit(X).embedding_, quick(max_iter=12).fit(X).embedding_)
    assert_array_equal(quick(**params).fit(X, sample_weight=w).embedding_, whole.embedding_)
    assert isinstance(whole._reference_space, FeatureSpace)
