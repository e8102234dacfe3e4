"""GWGenerativeEmbedding with an adversary."""

import pickle

import numpy as np
import pytest
import torch
from _training_parts import Recorder
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from torch import nn

from skgw import GWGenerativeEmbedding
from skgw.embedding import Adversary

QUICK = {"max_iter": 12, "adversary__start": 0.5, "adversary__every": 2}


def linear(n_inputs, n_features):
    return nn.Linear(n_inputs, n_features)


@pytest.mark.parametrize("orthogonality", ["procrustes", "layerwise", None])
@pytest.mark.parametrize("adversary", ["mlp", linear])
def test_it_fits(quick, X, adversary, orthogonality):
    estimator = quick(adversary=adversary, adversary__orthogonality=orthogonality, **QUICK).fit(X)
    assert len(estimator.loss_curve_) == 12
    assert len(estimator.adversary_curve_) == 3
    assert_array_equal(estimator.transform(X), estimator.embedding_)


@pytest.mark.parametrize("n_components", [1, 2, 5])
@pytest.mark.parametrize("n_features", [None, 5, 8])
def test_the_spaces_may_differ_in_dimension(quick, X, n_components, n_features):
    params = {"n_components": n_components, "adversary__n_features": n_features, **QUICK}
    estimator = quick(adversary="mlp", **params).fit(X)
    assert np.isfinite(estimator.embedding_).all()


def test_fewer_features_than_dimensions_of_the_data(quick, X):
    """They begin as the principal axes: most of the distances is there."""
    narrow = Adversary(n_features=2, start=0.0)
    plain, projected = (quick(adversary=a, max_iter=1).fit(X) for a in (None, narrow))
    assert abs(plain.loss_curve_[0] - projected.loss_curve_[0]) < 0.1


def test_fewer_features_than_components_are_refused(quick, X):
    with pytest.raises(
        ValueError, match="n_features=2 of the adversary is less than n_components=3"
    ):
        quick(n_components=3, adversary=Adversary(n_features=2)).fit(X)


def test_an_adversary_that_never_begins_changes_nothing(quick, X):
    never, other = (quick(adversary=Adversary(start=1.0, weight=w)).fit(X) for w in (10.0, 99.0))
    assert never.adversary_curve_ == []
    assert_array_equal(never.sample(9, random_state=0), other.sample(9, random_state=0))


def test_several_steps_in_a_turn(quick, X):
    params = {"adversary": Adversary(start=0.0, every=2), "max_iter": 6, "learning_rate_init": 0.1}
    params["optimizer__schedule"] = "constant"
    one, three = (quick(**params, adversary__n_steps=n).fit(X) for n in (1, 3))
    assert len(one.adversary_curve_) == len(three.adversary_curve_) == 3
    assert one.adversary_curve_[0] < 1e-10  # an isometry
    assert three.adversary_curve_[0] > 1e-6  # after the first of its three updates


@pytest.mark.parametrize("orthogonality", ["procrustes", "layerwise", None])
def test_a_shared_network(quick, X, orthogonality):
    params = {"n_components": 3, "learning_rate_init": 0.1, "optimizer__schedule": "constant"}
    shared, apart = (
        quick(adversary=Adversary(shared=x, start=0.0, orthogonality=orthogonality), **params)
        for x in (True, False)
    )
    assert len(shared.fit(X).adversary_curve_) == 2
    assert np.abs(shared.embedding_ - apart.fit(X).embedding_).max() > 1e-3


def test_a_shared_network_needs_equal_spaces(quick, X):
    with pytest.raises(ValueError, match=r"X has 3 features: set n_components=3, not 2, or"):
        quick(adversary=Adversary(shared=True)).fit(X)
    images = {"n_components": 16, "output_shape": (1, 4, 4)}
    X = np.random.default_rng(0).normal(size=(40, 16))
    quick(adversary=Adversary("conv", shared=True), hidden_layer_sizes=(4,), **images).fit(X)
    with pytest.raises(ValueError, match=r"must be equal, got \(4, 2, 2\) and \(1, 4, 4\)"):
        quick(adversary=Adversary("conv", shared=True, image_shape=(4, 2, 2)), **images).fit(X)


def test_the_seed_decides(quick, X):
    one, same = (quick(adversary="mlp", **QUICK).fit(X) for _ in range(2))
    assert_array_equal(one.embedding_, same.embedding_)
    assert one.adversary_curve_ == same.adversary_curve_


@pytest.mark.parametrize("kind", ["geodesic", "precomputed", "graph"])
def test_it_needs_features(quick, inputs, kind):
    params, X, _ = inputs[kind]
    metric = "geodesic" if kind == "geodesic" else "precomputed"
    with pytest.raises(ValueError, match=f"needs metric='euclidean', got '{metric}'"):
        quick(adversary="mlp", **params).fit(X)


def test_it_needs_euclidean_distances(quick, X):
    with pytest.raises(ValueError, match="needs metric='euclidean', got 'cosine'"):
        quick(adversary="mlp", metric="cosine").fit(X)


def test_an_interrupted_fit_resumes_with_its_adversary(quick, X, tmp_path, frequent):
    params = {"adversary": "mlp", "checkpoint": tmp_path, **QUICK}
    whole = quick(**{**params, "checkpoint": None}).fit(X)
    with pytest.raises(KeyboardInterrupt):
        quick(**params).set_callbacks(Recorder(interrupt_at=5)).fit(X)
    resumed = quick(**params).fit(X)
    assert_array_equal(resumed.embedding_, whole.embedding_)
    assert resumed.adversary_curve_ == whole.adversary_curve_


@pytest.mark.parametrize("params", [{}, {"shared": True}, {"n_features": 2}], ids=str)
@pytest.mark.parametrize("orthogonality", ["procrustes", "layerwise", None])
def test_the_trained_networks(quick, X, params, orthogonality, tmp_path):
    """The same features before and after files."""
    n_components = 3 if "shared" in params else 2
    options = Adversary(start=0.0, every=1, orthogonality=orthogonality, **params)
    training = {"learning_rate_init": 0.02, "optimizer__schedule": "constant", "max_iter": 4}
    estimator = quick(n_components=n_components, adversary=options, **training).fit(X)
    estimator.save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    for one in (estimator, loaded, pickle.loads(pickle.dumps(estimator))):
        rows, points = one.adversary_
        features = rows(torch.as_tensor(X)), points(torch.as_tensor(one.generated_))
        n_features = params.get("n_features", 3)
        assert [x.shape for x in features] == [(40, n_features), (40, n_features)]
        assert all(x.dtype == torch.float64 for x in features)
        assert not rows.training
        assert_array_equal(
            features[0].detach(), estimator.adversary_.rows(torch.as_tensor(X)).detach()
        )


@pytest.mark.parametrize("n_features", [None, 2])
def test_features_of_an_adversary_that_never_moved(quick, X, n_features):
    """Isometries of rows and points, in the unit and the coordinates of both."""
    params = {"start": 1.0, "n_features": n_features}
    estimator = quick(adversary=Adversary(**params)).fit(X)
    rows, points = estimator.adversary_
    Z, x = torch.as_tensor(estimator.generated_), torch.as_tensor(X)
    assert_allclose(torch.cdist(points(Z), points(Z)).detach(), torch.cdist(Z, Z), atol=1e-5)
    if n_features is None:
        assert_allclose(torch.cdist(rows(x), rows(x)).detach(), torch.cdist(x, x), atol=1e-5)
    else:
        expected = pdist(PCA(2).fit_transform(X))
        assert_allclose(pdist(rows(x).numpy(force=True)), expected, atol=1e-5)


def test_a_shared_network_has_the_coordinates_of_the_generator(quick, X):
    options = Adversary(shared=True, orthogonality="layerwise", start=1.0)
    estimator = quick(n_components=3, adversary=options).fit(X)
    rows, points = estimator.adversary_
    network, z = estimator.generator_.network, torch.zeros(1, 3)
    of_network = estimator._scale * network.points(z) + torch.as_tensor(X.mean(0))
    assert_allclose(points(estimator.generator_(z)).detach(), rows(of_network).detach(), atol=1e-5)


def test_without_an_adversary_there_is_none(quick, X):
    estimator = quick().fit(X)
    assert not hasattr(estimator, "adversary_")
    assert not hasattr(GWGenerativeEmbedding(), "adversary_")
    with pytest.raises(AttributeError, match="needs a fit with an adversary"):
        _ = estimator.adversary_


def test_it_saves(quick, X, tmp_path):
    estimator = quick(adversary="mlp", **QUICK).fit(X)
    estimator.save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    assert_array_equal(loaded.transform(X), estimator.embedding_)
    assert loaded.adversary_curve_ == estimator.adversary_curve_
