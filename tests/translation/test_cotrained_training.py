"""The training run: phases, curves, early stopping, callbacks, and fits that are interrupted."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytestmark = pytest.mark.filterwarnings(
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"  # of models that are hardly trained
)


class Recorder:
    """A callback that counts finished steps, and may stop or interrupt the fit.

    In the end it scores the fitted estimator on what it was fitted to.
    """

    def __init__(self, stop_at=None, interrupt_at=None):
        self.stop_at, self.interrupt_at = stop_at, interrupt_at
        self.steps, self.score = 0, None

    def setup(self, estimator, context):
        self.steps = 0

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        if context.task_name == "fit":
            self.score = fitted_estimator.score(X)
            return False
        self.steps += 1
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt
        return self.steps == self.stop_at


def assert_same(one, other, X, Y):
    for name in ("embedding_", "embedding_y_", "confidence_"):
        assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("margin_", "loss_curve_", "gw_curve_", "validation_curve_", "n_iter_"):
        assert getattr(one, name) == getattr(other, name)
    assert_array_equal(one.translate(X), other.translate(X))
    assert_array_equal(one.match(X, Y), other.match(X, Y))
    assert_array_equal(one.sample(5, random_state=0), other.sample(5, random_state=0))


# ----------------------------------------------------------------------------------- phases


@pytest.mark.parametrize(("warm_up", "n_matched"), [(0.0, 8), (0.5, 4), (0.9, 1)])
def test_the_loss_joins_after_the_warm_up(quick, X, Y, warm_up, n_matched):
    model = quick(warm_up=warm_up).fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 8
    assert len(model.gw_curve_) == n_matched
    assert np.isfinite(model.gw_curve_).all()
    assert np.isfinite(model.margin_) or model.margin_ == np.inf


@pytest.mark.parametrize(("max_iter", "warm_up"), [(1, 0.5), (1, 0.9), (2, 0.9)])
def test_training_may_end_before_the_warm_up(quick, X, Y, max_iter, warm_up):
    model = quick(max_iter=max_iter, warm_up=warm_up).fit(X, Y)
    assert len(model.gw_curve_) == max_iter - round(max_iter * warm_up)
    assert model.plan_.shape == (40, 30)
    assert model.match().shape == (40,)
    assert model.diagnostics_["scale_x"] == pytest.approx(1, abs=0.1)


def test_without_the_loss_the_domains_train_separately(quick, X, Y):
    """Codes do not depend on the other domain; the domains are matched nevertheless."""
    alone = quick(gw_weight=0.0).fit(X, Y)
    other = quick(gw_weight=0.0).fit(X, Y[::-1] ** 3)
    assert alone.gw_curve_ == []
    assert_array_equal(alone.embedding_, other.embedding_)
    assert alone.match().shape == (40,)
    assert not np.allclose(quick().fit(X, Y).embedding_, alone.embedding_)


def test_batches_and_references_larger_than_the_domains(quick, X, Y):
    model = quick(batch_size=500, n_reference=500).fit(X[:5], Y[:4])
    assert model.plan_.shape == (5, 4)
    assert model.translate(X).shape == (40, 6)


def test_pairs_are_always_among_the_reference(quick, X, Y):
    known = np.arange(12), np.arange(12)
    model = quick(n_reference=4).fit(X, Y, pairs=known)
    assert np.isfinite(model.translate(X)).all()
    assert model.plan_.shape == (40, 30)


def test_auto_has_a_least_number_of_updates(quick, X, Y):
    model = quick(max_iter="auto", batch_size=4, n_reference=10, network="mlp")
    assert model.set_callbacks(Recorder(stop_at=1)).fit(X, Y).n_iter_ == 50


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_optimisers(quick, X, Y, optimizer):
    model = quick(optimizer=optimizer, learning_rate_init=1e-3).fit(X, Y)
    assert not np.allclose(model.embedding_, quick().fit(X, Y).embedding_)


# --------------------------------------------------------------------------- early stopping


def test_early_stopping(quick, X, Y, frequent):
    params = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 60}
    model = quick(tol=10.0, **params).fit(X, Y)
    assert model.n_iter_ == 6  # three validations, of which two are no better
    assert len(model.validation_curve_) == 3
    patient = quick(tol=0.0, **params).fit(X, Y)
    assert patient.n_iter_ > 6
    assert min(patient.validation_curve_) < patient.validation_curve_[0]


def test_anchor_rows_are_not_held_out(quick, X, Y):
    known = np.arange(28)
    model = quick(early_stopping=True, validation_fraction=0.9).fit(X, Y, pairs=(known, known))
    assert len(model.validation_curve_) == 1
    with pytest.raises(ValueError, match="Too few samples for early_stopping"):
        quick(early_stopping=True, validation_fraction=0.99).fit(X[:2], Y[:2])


# -------------------------------------------------------------------------------- callbacks


def test_callbacks_see_both_domains(quick, X, Y, frequent):
    recorder = Recorder()
    model = quick().set_callbacks(recorder).fit(X, Y)
    assert recorder.steps == 5  # the last is the matching
    assert recorder.score == model.score(X, Y)


def test_callbacks_stop_the_training(quick, X, Y, frequent):
    model = quick().set_callbacks(Recorder(stop_at=3)).fit(X, Y)
    assert model.n_iter_ == 6
    assert model.plan_.shape == (40, 30)


def test_what_is_printed(quick, X, Y, frequent, capsys):
    quick(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("[GWCoTrainedAutoencoders] 2/8 loss=")
    assert "gw=" in lines[3]
    assert lines[-1] == "[GWCoTrainedAutoencoders] matching of 40 and 30 rows"
    assert "gw=" not in lines[0]


# ------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"autoencoder": "vae", "early_stopping": True},
        {"autoencoder": "wae-gan", "optimizer": "adamw"},
        {"n_reference": 15, "warm_up": 0.2},
        {"gw_weight": 0.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_done", [1, 3])
def test_an_interrupted_fit_resumes(quick, X, Y, frequent, tmp_path, params, n_done):
    known = {"pairs": ([1, 5], [2, 7])}
    expected = quick(**params).fit(X, Y, **known)
    model = quick(checkpoint=tmp_path, **params)
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(Recorder(interrupt_at=n_done)).fit(X, Y, **known)
    assert len(list(tmp_path.iterdir())) == 1
    recorder = Recorder()
    resumed = quick(checkpoint=str(tmp_path), **params).set_callbacks(recorder)
    resumed.fit(X, Y, **known)
    assert recorder.steps == 5 - n_done  # the rest only
    assert_same(resumed, expected, X, Y)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_of_other_fits_are_left_alone(quick, X, Y, frequent, tmp_path):
    """Other seeds, parameters, data, pairs or labels have other files."""
    labels = np.arange(40) % 3, np.arange(30) % 3
    for n_files, (params, parts, side_information) in enumerate(
        [
            ({}, (X, Y), {}),
            ({"random_state": 1}, (X, Y), {}),
            ({"epsilon": 0.1}, (X, Y), {}),
            ({}, (X, Y[:-1]), {}),
            ({}, (X[:-1], Y), {}),
            ({}, (X, Y), {"pairs": ([0], [0])}),
            ({}, (X, Y), {"labels": labels}),
        ]
    ):
        model = quick(checkpoint=tmp_path, **params)
        with pytest.raises(KeyboardInterrupt):
            model.set_callbacks(Recorder(interrupt_at=1)).fit(*parts, **side_information)
        assert len(list(tmp_path.iterdir())) == n_files + 1
    quick(checkpoint=tmp_path).fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 6


def test_an_interrupted_refit_leaves_the_last_fit(quick, X, Y, frequent):
    model = quick().fit(X, Y).set_callbacks(Recorder(interrupt_at=3))
    before = dict(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(1000 * X, Y[:20, :2])
    assert vars(model) == before


def test_a_fit_that_diverges_says_so_before_it_matches(quick, X, Y):
    with pytest.raises(FloatingPointError, match="diverged: codes are not finite"):
        quick(learning_rate_init=1e6, max_iter=30).fit(X, Y)
