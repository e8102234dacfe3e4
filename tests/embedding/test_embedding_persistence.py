"""Copies, pickles and files of estimators."""

import copy
import pickle

import joblib
import networkx as nx
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import NotFittedError

from skgw import GWGenerativeEmbedding
from skgw.embedding import Generator, Penalties, Prior


def linear(latent_dim, n_components):
    return torch.nn.Linear(latent_dim, n_components)


def by_joblib(estimator, path):
    joblib.dump(estimator, path / "estimator.joblib")
    return joblib.load(path / "estimator.joblib", mmap_mode="r")


def by_save(estimator, path):
    estimator.save(path / "estimator.skgw")
    return GWGenerativeEmbedding.load(path / "estimator.skgw")


COPIES = {
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "joblib": by_joblib,
    "save": by_save,
}


def assert_same(copied, fitted):
    original = fitted.estimator
    assert copied.get_params() == original.get_params()
    assert_array_equal(copied.embedding_, original.embedding_)
    assert_array_equal(copied.plan_.toarray(), original.plan_.toarray())
    assert_array_equal(copied.transform(fitted.X), original.transform(fitted.X))
    assert_array_equal(copied.transform(fitted.new), original.transform(fitted.new))
    assert_array_equal(copied.sample(7, random_state=0), original.sample(7, random_state=0))
    assert copied.score(fitted.X) == original.score(fitted.X)
    assert copied.loss_curve_ == original.loss_curve_
    assert copied.n_features_in_ == original.n_features_in_


@pytest.mark.parametrize("way", COPIES)
def test_copies_do_the_same(fitted, way, tmp_path):
    copied = COPIES[way](fitted.estimator, tmp_path)
    assert copied is not fitted.estimator
    assert_same(copied, fitted)


def test_clones_are_not_fitted(fitted):
    copied = clone(fitted.estimator)
    assert copied.get_params() == fitted.estimator.get_params()
    with pytest.raises(NotFittedError):
        copied.sample()


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "joblib"])
@pytest.mark.parametrize("generator", [linear, torch.nn.Linear(16, 2)], ids=["factory", "module"])
def test_copies_with_a_network_of_ones_own(quick, X, tmp_path, way, generator):
    estimator = quick(generator=generator).fit(X)
    copied = COPIES[way](estimator, tmp_path)
    assert_array_equal(copied.transform(X), estimator.embedding_)
    sample = estimator.sample(5, random_state=0)
    assert_array_equal(copied.sample(5, random_state=0), sample)


def test_a_copy_can_go_on(quick, X, tmp_path):
    estimator = quick(warm_start=True).fit(X)
    copied = by_save(estimator, tmp_path)
    assert_array_equal(copied.fit(X).embedding_, estimator.fit(X).embedding_)


def test_fitted_state_is_plain_numpy(fitted):
    """So that what was fitted on a GPU loads without one."""
    assert b"torch" not in pickle.dumps(fitted.estimator)


# --------------------------------------------------------------------------- save and load


def test_save_keeps_parameters_of_every_kind(quick, X, tmp_path):
    params = {
        "hidden_layer_sizes": (8, 4),
        "penalties": Penalties(mean=0.3, l1=np.float64(0.1)),
        "generator": Generator(prior=Prior(4, n_components=2)),
        "max_iter": np.int64(2),
        "epsilon": np.float32(0.05),
    }
    loaded = by_save(quick(**params).fit(X), tmp_path)
    assert {name: getattr(loaded, name) for name in params} == params
    assert loaded.fit(X).n_iter_ == 2


def test_save_leaves_the_path_of_checkpoints_out(quick, X, tmp_path):
    """A file from elsewhere names no folder to write to."""
    assert by_save(quick(checkpoint=tmp_path).fit(X), tmp_path).checkpoint is None


def test_save_keeps_names_and_output_format(quick, X, tmp_path):
    import pandas as pd

    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    estimator = quick().set_output(transform="pandas").fit(frame)
    loaded = by_save(estimator, tmp_path)
    assert list(loaded.feature_names_in_) == ["a", "b", "c"]
    pd.testing.assert_frame_equal(loaded.transform(frame), estimator.transform(frame))


def test_save_leaves_callbacks_and_requests_out(quick, X, tmp_path, capsys):
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        estimator = quick().set_score_request(sample_weight=True)
    estimator.set_callbacks(ProgressBar()).fit(X)
    loaded = by_save(estimator, tmp_path)
    capsys.readouterr()
    loaded.fit(X)
    assert capsys.readouterr().out == ""


def test_save_of_float32(quick, X, tmp_path):
    estimator = quick(early_stopping=True).fit(X.astype(np.float32))
    loaded = by_save(estimator, tmp_path)
    assert loaded.embedding_.dtype == loaded.sample(2).dtype == np.float32
    assert_array_equal(loaded.transform(X.astype(np.float32)), estimator.embedding_)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"metric": lambda x, y: np.abs(x - y).sum()}, "params.metric: a function"),
        ({"generator": torch.nn.Linear(16, 2)}, "params.generator: a Linear"),
        ({"optimizer": torch.optim.Adam}, "params.optimizer: a type"),
        ({"random_state": np.random.RandomState(0)}, "params.random_state: a RandomState"),
    ],
)
def test_save_refuses_code_and_names_it(quick, X, tmp_path, params, name):
    estimator = quick(**params).fit(X)
    with pytest.raises(TypeError, match=f"Cannot save {name}.*or pickle the estimator"):
        estimator.save(tmp_path / "estimator")
    assert list(tmp_path.iterdir()) == []


def test_load_refuses_what_save_has_not_written(quick, X, tmp_path):
    (tmp_path / "text").write_text("something else")
    with pytest.raises(ValueError, match="text is damaged, or was not written by this version"):
        GWGenerativeEmbedding.load(tmp_path / "text")
    save_file({"x": np.zeros(3)}, tmp_path / "tensors")
    with pytest.raises(ValueError, match="tensors is damaged, or was not written by this version"):
        GWGenerativeEmbedding.load(tmp_path / "tensors")
    with pytest.raises(FileNotFoundError):
        GWGenerativeEmbedding.load(tmp_path / "nothing")


def test_load_refuses_another_class(quick, X, tmp_path):
    class Other(GWGenerativeEmbedding):
        pass

    quick().fit(X).save(tmp_path / "estimator")
    with pytest.raises(ValueError, match=r"holds a GWGenerativeEmbedding.*expected a Other"):
        Other.load(tmp_path / "estimator")


# ------------------------------------------------------------------------------------ devices


def test_a_device_that_is_gone_is_replaced(quick, X):
    """Fitted on a device that this machine has not got, as after loading a file."""
    estimator = quick().fit(X)
    expected = estimator.sample(5, random_state=0)
    estimator.set_params(device="cuda:99")
    assert_array_equal(estimator.transform(X), estimator.embedding_)
    assert_array_equal(estimator.sample(5, random_state=0), expected)
    with pytest.raises(ValueError, match="device='cuda:99' is not available"):
        estimator.fit(X)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["features", "geodesic", "graph"])
def test_fit_on_a_gpu_and_load_on_a_cpu(quick, inputs, kind, tmp_path, monkeypatch):
    params, X, new = inputs[kind]
    estimator = quick(device="cuda", **params).fit(X)
    sample = estimator.sample(50, random_state=0)
    placed = estimator.transform(new)
    on_cpu = quick(device="cpu", **params).fit(X)
    size = np.abs(on_cpu.embedding_).max()
    assert_allclose(estimator.embedding_, on_cpu.embedding_, atol=0.05 * size)
    estimator.save(tmp_path / "estimator")
    pickled = pickle.dumps(estimator)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for copied in (pickle.loads(pickled), GWGenerativeEmbedding.load(tmp_path / "estimator")):
        copied.set_params(device="auto")
        assert_array_equal(copied.transform(new), placed)
        assert_allclose(copied.sample(50, random_state=0), sample, atol=1e-4 * size)


@pytest.mark.gpu
def test_tensors_stay_on_the_gpu(quick, X):
    tensor = torch.tensor(X, device="cuda")
    estimator = quick(device="cuda").fit(tensor)
    out = estimator.transform(tensor)
    assert out.device == tensor.device
    assert_array_equal(out.cpu().numpy(), estimator.embedding_)
    assert estimator.inverse_transform(out).device == tensor.device


@pytest.mark.gpu
def test_checkpoints_on_the_gpu(quick, tmp_path):
    graph = nx.grid_2d_graph(6, 6)
    params = {"metric": "precomputed", "device": "cuda", "early_stopping": True}
    estimator = quick(checkpoint=tmp_path, **params).fit(graph)
    assert np.isfinite(estimator.embedding_).all()
