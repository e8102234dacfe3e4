"""Copies, pickles and files do the same as the estimator they were made of."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA

from skgw import GWCoTrainedAutoencoders, GWMatcher
from skgw.translation import TranslationNetwork
from skgw.translation.latent_matching import LatentMatcher

pytestmark = pytest.mark.filterwarnings(
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"  # of models that are hardly trained
)


def linear(n_inputs, n_outputs):
    return torch.nn.Linear(n_inputs, n_outputs)


def by_save(estimator, path):
    estimator.save(path / "estimator.skgw")
    return GWCoTrainedAutoencoders.load(path / "estimator.skgw")


COPIES = {
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "save": by_save,
}
PARAMS = {
    "ae": {},
    "vae": {"autoencoder": "vae"},
    "wae-gan": {"autoencoder": "wae-gan", "n_components": (2, 3)},
    "network": {"translator": TranslationNetwork(n_updates=5)},
    "conv": {"network": ("mlp", "conv"), "image_shape": (None, (1, 2, 3))},
    "reference": {"n_reference": 20, "early_stopping": True},
}


def assert_same(copied, model, X, Y):
    assert copied.get_params() == model.get_params()
    for name in ("embedding_", "embedding_y_", "confidence_"):
        assert_array_equal(getattr(copied, name), getattr(model, name))
    for name in ("margin_", "diagnostics_", "loss_curve_", "gw_curve_", "n_features_y_in_"):
        assert getattr(copied, name) == getattr(model, name)
    for method in ("auto", "decoded", "barycentric", "greedy"):
        expected = model.translate(X, method=method)
        assert_array_equal(copied.translate(X, method=method), expected)
    assert_array_equal(copied.translate(Y, domain="y"), model.translate(Y, domain="y"))
    assert_array_equal(copied.match(), model.match())
    assert_array_equal(copied.match(X, Y), model.match(X, Y))
    for domain in "xy":
        drawn = copied.sample(5, domain=domain, random_state=0)
        assert_array_equal(drawn, model.sample(5, domain=domain, random_state=0))
    assert copied.score(X, Y) == model.score(X, Y)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", PARAMS)
def test_copies_do_the_same(quick, X, Y, tmp_path, kind, way):
    model = quick(**PARAMS[kind]).fit(X, Y)
    copied = COPIES[way](model, tmp_path)
    assert copied is not model
    assert_same(copied, model, X, Y)


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_copies_with_transformers_and_networks_of_ones_own(quick, X, Y, tmp_path, way):
    model = quick(transformer_y=PCA(4), network=linear).fit(X, Y)
    assert_same_outputs = COPIES[way](model, tmp_path)
    assert_array_equal(assert_same_outputs.translate(X), model.translate(X))
    assert_array_equal(assert_same_outputs.translate(Y, domain="y"), model.translate(Y, domain="y"))


def test_save_refuses_what_would_run_code(quick, X, Y, tmp_path):
    for params in ({"network": linear}, {"transformer_x": PCA(2)}):
        with pytest.raises(TypeError, match="cannot be rebuilt without running code"):
            quick(**params).fit(X, Y).save(tmp_path / "model")


def test_a_file_is_read_by_its_own_class(quick, X, Y, tmp_path):
    quick().fit(X, Y).save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a GWCoTrainedAutoencoders"):
        GWMatcher.load(tmp_path / "model")


def test_save_keeps_names_and_output_format(quick, X, Y, tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = quick().set_output(transform="pandas").fit(frame, Y)
    loaded = by_save(model, tmp_path)
    assert list(loaded.feature_names_in_) == ["a", "b", "c"]
    pd.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))


def test_a_loaded_estimator_fits_again(quick, X, Y, tmp_path):
    model = quick().fit(X, Y)
    loaded = by_save(model, tmp_path)
    assert_array_equal(loaded.fit(X, Y).embedding_, model.embedding_)


def test_fitted_state_is_plain_numpy(quick, X, Y):
    """So that what was fitted on a GPU loads without one."""
    model = quick().fit(torch.tensor(X), torch.tensor(Y))
    assert b"torch" not in pickle.dumps(model)
    assert isinstance(model.embedding_, np.ndarray)


@pytest.mark.parametrize("by_rows", [True, False])
def test_a_displacement_by_pairs_is_kept(quick, X, Y, by_rows, monkeypatch, tmp_path):
    poor = iter((3.0, 2.0) if by_rows else (2.0, 3.0))  # rows are first

    def displaced(self, fit, points):
        return found(self, fit._replace(cost_ratio=3.0), points)._replace(cost_ratio=4 - next(poor))

    found = LatentMatcher._displaced
    monkeypatch.setattr(LatentMatcher, "_displaced", displaced)
    monkeypatch.setattr("skgw.translation.latent_matching.split_half_cost_ratio", lambda x, y: 1.0)
    model = quick(alpha=0.1).fit(X, Y, pairs=(np.arange(20), np.arange(20)[::-1]))
    assert model.diagnostics_["cost_ratio"] == 1
    assert model._fitted.displacement is not None
    assert_array_equal(model.match(X), model.match())
    assert_same(by_save(model, tmp_path), model, X, Y)
