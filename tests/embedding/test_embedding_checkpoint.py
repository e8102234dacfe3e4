"""Interrupted fits resume and end like uninterrupted fits."""

import copy

import pytest
from _training_parts import Recorder, noisy
from numpy.testing import assert_array_equal
from torch import nn

from skgw.embedding import Adversary, Prior
from skgw.exceptions import CheckpointWarning

# Batch normalisation in both networks, whose running statistics are part of the state.
NORMALIZED = {
    "n_components": 16,
    "output_shape": (1, 4, 4),
    "generator__network": "infogan",
    "adversary": Adversary("infogan", start=0.2),
}


@pytest.mark.parametrize(
    ("metric", "params"),
    [
        ("euclidean", {}),
        ("euclidean", {"early_stopping": True}),
        ("euclidean", {"generator": noisy, "optimizer": "adamw"}),
        ("euclidean", {"generator__prior": Prior(n_components=1), "optimizer": "sgd"}),
        ("euclidean", NORMALIZED),
        ("geodesic", {}),
        ("precomputed", {}),
    ],
)
@pytest.mark.parametrize("n_done", [1, 3])
def test_an_interrupted_fit_resumes(quick, inputs, frequent, tmp_path, metric, params, n_done):
    X = inputs["graph"][1] if metric == "precomputed" else inputs["features"][1]
    params = {"metric": metric, "max_iter": 8, **params}
    expected = quick(**params).fit(X)
    estimator = quick(checkpoint=tmp_path, **params)
    with pytest.raises(KeyboardInterrupt):
        estimator.set_callbacks(Recorder(interrupt_at=n_done)).fit(X)
    assert len(list(tmp_path.iterdir())) == 1
    recorder = Recorder()
    resumed = quick(checkpoint=str(tmp_path), **params).set_callbacks(recorder).fit(X)
    assert recorder.tasks.count("training") == 4 - n_done  # the rest only
    assert_array_equal(resumed.embedding_, expected.embedding_)
    assert_array_equal(resumed.sample(5, random_state=0), expected.sample(5, random_state=0))
    assert resumed.loss_curve_ == expected.loss_curve_
    assert resumed.validation_curve_ == expected.validation_curve_
    assert list(tmp_path.iterdir()) == []


def test_a_fit_interrupted_after_its_training_resumes(quick, X, frequent, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    params = {"early_stopping": True, "max_iter": 50, "n_iter_no_change": 2, "tol": 10}
    expected = quick(**params).fit(X)
    estimator = quick(checkpoint=tmp_path, **params)
    with monkeypatch.context() as patch:
        patch.setattr("skgw.embedding.generative_embedding.couple_with_cloud", interrupted)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X)
    recorder = Recorder()
    resumed = quick(checkpoint=tmp_path, **params).set_callbacks(recorder).fit(X)
    assert recorder.tasks.count("training") == 0
    assert_array_equal(resumed.embedding_, expected.embedding_)
    assert resumed.n_iter_ == expected.n_iter_ == 6


def test_checkpoints_of_other_fits_are_left_alone(quick, X, frequent, tmp_path):
    """Other seeds, parameters or data have other files; verbosity is no difference."""
    for params, rows in (
        ({}, X),
        ({"random_state": 1}, X),
        ({"epsilon": 0.1}, X),
        ({}, X[:-1]),
        ({"verbose": 1}, X),
    ):
        estimator = quick(checkpoint=tmp_path, **params)
        with pytest.raises(KeyboardInterrupt):
            estimator.set_callbacks(Recorder(interrupt_at=1)).fit(rows)
    assert len(list(tmp_path.iterdir())) == 4
    quick(checkpoint=tmp_path).fit(X)
    assert len(list(tmp_path.iterdir())) == 3


def test_checkpoints_know_equal_modules(quick, X, frequent, tmp_path):
    module = nn.Linear(16, 2)
    others = [copy.deepcopy(module), nn.Linear(16, 2)]
    for generator, n_files in zip([module, *others], [1, 1, 2], strict=True):
        estimator = quick(checkpoint=tmp_path, generator=generator)
        with pytest.raises(KeyboardInterrupt):
            estimator.set_callbacks(Recorder(interrupt_at=1)).fit(X)
        assert len(list(tmp_path.iterdir())) == n_files


def test_a_resumed_fit_says_so(quick, X, frequent, tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        quick(checkpoint=tmp_path).set_callbacks(Recorder(interrupt_at=1)).fit(X)
    quick(checkpoint=tmp_path, verbose=1).fit(X)
    assert "[GWGenerativeEmbedding] resumed at iteration 2\n" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_not_used(quick, X, frequent, tmp_path):
    expected = quick().fit(X)
    with pytest.raises(KeyboardInterrupt):
        quick(checkpoint=tmp_path).set_callbacks(Recorder(interrupt_at=2)).fit(X)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.warns(CheckpointWarning, match=f"training begins anew: {path} is damaged") as seen:
        found = quick(checkpoint=tmp_path).fit(X)
    assert seen[0].filename == __file__
    assert_array_equal(found.embedding_, expected.embedding_)
    assert found.loss_curve_ == expected.loss_curve_
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_an_error_at_once(quick, X, tmp_path):
    (tmp_path / "file").write_text("")
    recorder = Recorder()
    estimator = quick(checkpoint=tmp_path / "file").set_callbacks(recorder)
    with pytest.raises(OSError, match=str(tmp_path / "file")):
        estimator.fit(X)
    assert recorder.tasks == []


def test_a_lambda_has_no_checkpoint(quick, X, tmp_path):
    with pytest.raises(ValueError, match="use functions defined in a module"):
        quick(checkpoint=tmp_path, generator=lambda i, k: nn.Linear(i, k)).fit(X)


def test_a_warm_start_does_not_resume_the_cold_fit(quick, X, frequent, tmp_path):
    estimator = quick(checkpoint=tmp_path, warm_start=True).fit(X)
    with pytest.raises(KeyboardInterrupt):
        estimator.set_callbacks(Recorder(interrupt_at=1)).fit(X)
    cold = quick(checkpoint=tmp_path, warm_start=True).fit(X)
    assert_array_equal(cold.embedding_, quick().fit(X).embedding_)
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupted_refit_leaves_the_last_fit(quick, X, frequent):
    estimator = quick().fit(X).set_callbacks(Recorder(interrupt_at=1))
    before = dict(vars(estimator))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(1000 * X[:, :2])
    assert vars(estimator) == before
