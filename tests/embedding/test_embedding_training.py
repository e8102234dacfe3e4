"""Training: generators, optimisers, early stopping, warm starts, callbacks."""

import copy
import re
from functools import partial

import numpy as np
import pytest
import torch
from _training_parts import Recorder, linear, noisy
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skgw import GWGenerativeEmbedding, Optimizer
from skgw.embedding import Generator, GWOptimizer, Penalties, Prior, paper_settings
from skgw.spaces import graph_distances
from skgw.training.optimizers import OPTIMIZERS

# -------------------------------------------------------------------- generator and optimiser


def test_generator_from_a_factory(quick, X):
    estimator = quick(generator=linear).fit(X)
    assert_array_equal(estimator.transform(X), estimator.embedding_)
    assert estimator.sample(5, random_state=0).shape == (5, 2)


def test_a_module_is_copied(quick, X):
    module = nn.Linear(16, 2)
    before = copy.deepcopy(module.state_dict())
    first = quick(generator=module, max_iter=20).fit(X)
    for name, weight in module.state_dict().items():
        assert_array_equal(weight, before[name])
    assert first.generator is module
    second = quick(generator=module, max_iter=20).fit(X)
    assert_array_equal(first.embedding_, second.embedding_)


def test_layers_with_noise_of_their_own_are_seeded_and_evaluated(quick, X):
    before = torch.get_rng_state()
    estimator, again = (quick(generator=noisy).fit(X) for _ in range(2))
    assert_array_equal(torch.get_rng_state(), before)
    assert_array_equal(estimator.embedding_, again.embedding_)
    # Without dropout, samples depend on the noise alone, not on those drawn beside them.
    assert_array_equal(*(estimator.sample(50, random_state=0) for _ in range(2)))


def test_the_cloud_is_generated_like_the_samples(quick, X):
    """In evaluation mode, both: dropout would pull the cloud towards its mean."""
    estimator = quick(generator=noisy, n_generated=400).fit(X)
    sample = estimator.sample(400, random_state=0)
    assert_allclose(sample.std(0), estimator.generated_.std(0), rtol=0.15)


@pytest.mark.parametrize(
    "generator", [nn.Linear(16, 3), lambda latent_dim, n_components: nn.Linear(latent_dim, 3)]
)
def test_a_generator_of_another_dimension_is_refused(quick, X, generator):
    with pytest.raises(ValueError, match=r"shape \(.*, 3\) .*n_components is 2"):
        quick(generator=generator).fit(X)


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, autocast])
def test_it_trains_whatever_mode_the_caller_is_in(quick, X, mode):
    with mode():
        estimator = quick().fit(X)
        sample = estimator.sample(5, random_state=0)
    assert_array_equal(estimator.embedding_, quick().fit(X).embedding_)
    assert_array_equal(sample, quick().fit(X).sample(5, random_state=0))


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_it_trains_in_float32_whatever_the_default(quick, X, double_by_default):
    for params in (
        {},
        {"generator": linear},
        {"generator__prior": Prior(n_components=1), "early_stopping": True},
    ):
        estimator = quick(**params).fit(X)
        assert np.isfinite(estimator.sample(9, random_state=0)).all()
        assert_array_equal(estimator.transform(X), estimator.embedding_)


def test_a_module_of_another_dtype_is_converted(quick, X):
    module = nn.Linear(16, 2).double()
    assert np.isfinite(quick(generator=module).fit(X).embedding_).all()
    assert module.weight.dtype == torch.float64


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", torch.optim.RMSprop])
def test_optimizers(quick, X, optimizer):
    estimator = quick(optimizer=optimizer).fit(X)
    slow = quick(optimizer=optimizer, learning_rate_init=1e-9).fit(X)
    assert np.isfinite(estimator.embedding_).all()
    assert not np.allclose(estimator.embedding_, slow.embedding_)


@pytest.mark.parametrize("n_components", [1, 7])
@pytest.mark.parametrize("init", ["mds", "random"])
def test_priors_and_starts(quick, X, n_components, init):
    prior = Prior(n_components=n_components)
    estimator = quick(generator__prior=prior, generator__init=init).fit(X)
    assert np.isfinite(estimator.sample(9, random_state=0)).all()


def test_penalties_keep_the_samples_around_the_origin(quick, X):
    """Before the embedding is centred, that is: the offset of the cloud is what they change."""
    params = {"max_iter": 60, "generator__init": "random"}
    offset, scale = {}, {}
    for penalty in (None, "mean", "l1"):
        weights = {"mean": 0.0} | ({} if penalty is None else {penalty: 100.0})
        estimator = quick(penalties=Penalties(**weights), **params).fit(X)
        offset[penalty] = np.linalg.norm(estimator._axes[0])
        scale[penalty] = estimator.generated_.std()
    assert offset["mean"] < 0.5 * offset[None]
    assert offset["l1"] < 0.5 * offset[None]
    assert scale["l1"] < 0.5 * scale["mean"]  # it also shrinks


def test_divergence_of_the_training_is_an_error(quick, X):
    with pytest.raises(FloatingPointError, match="Lower the learning rate or raise epsilon"):
        quick(optimizer=torch.optim.SGD, learning_rate_init=1e30, max_iter=60).fit(X)


@pytest.mark.parametrize(
    ("n_rows", "n_refinements", "n_updates"), [(40, 100, 300), (600, 120, 400), (10_000, 150, 1500)]
)
def test_automatic_number_of_updates(quick, n_rows, n_refinements, n_updates):
    assert quick(max_iter="auto")._n_updates(n_rows) == n_refinements
    for params in ({"generator": linear}, {"adversary": "mlp"}, {"penalties": "l1"}):
        assert quick(max_iter="auto", **params)._n_updates(n_rows) == n_updates
    assert quick(max_iter=7)._n_updates(n_rows) == 7


@pytest.mark.slow
def test_the_automatic_number_of_updates_is_made(quick, X):
    assert quick(max_iter="auto").fit(X).n_iter_ == 100


# ------------------------------------------------------------------- stopping and continuing


def test_early_stopping_stops(quick, X, frequent):
    """A loss below zero, tol=10, is not to be had: two more validations after the first."""
    estimator = quick(early_stopping=True, max_iter=50, n_iter_no_change=2, tol=10).fit(X)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 6
    assert len(estimator.validation_curve_) == 3
    patient = quick(early_stopping=True, max_iter=8, n_iter_no_change=99).fit(X)
    assert patient.n_iter_ == 8
    assert len(patient.validation_curve_) == 4


def test_early_stopping_keeps_the_best_weights(quick, X, frequent):
    """A learning rate that ruins the generator: what is kept is as if it had stopped in time."""
    params = {"early_stopping": True, "learning_rate_init": 0.3, "max_iter": 40}
    ruined = quick(**params, n_iter_no_change=99).fit(X)
    best = int(np.argmin(ruined.validation_curve_))
    assert best < len(ruined.validation_curve_) - 1
    stopped = quick(**params, n_iter_no_change=99).set_callbacks(Recorder(stop_at=best + 1)).fit(X)
    assert stopped.n_iter_ == 2 * (best + 1)
    assert_array_equal(stopped.sample(9, random_state=0), ruined.sample(9, random_state=0))


def test_early_stopping_needs_enough_rows(quick, X):
    with pytest.raises(ValueError, match="Too few samples for early_stopping; switch it off"):
        quick(early_stopping=True).fit(X[:3])


def test_warm_start_continues(quick, X):
    estimator = quick(max_iter=30).fit(X)
    before = estimator.sample(9, random_state=0)
    standing = {"warm_start": True, "max_iter": 1, "learning_rate_init": 1e-12}
    estimator.set_params(**standing).fit(X)
    assert_allclose(estimator.sample(9, random_state=0), before, atol=1e-5)
    fresh = quick(**standing, generator__init="random").fit(X)
    assert not np.allclose(fresh.sample(9, random_state=0), before, atol=0.1)


def test_warm_start_moves_on_to_other_data(quick, X):
    estimator = quick(warm_start=True).fit(X)
    assert estimator.fit(X[:30]).embedding_.shape == (30, 2)


@pytest.mark.parametrize(
    "change",
    [{"n_components": 3}, {"generator__prior": Prior(latent_dim=4)}, {"generator": linear}],
)
def test_warm_start_wants_the_same_generator(quick, X, change):
    estimator = quick(warm_start=True).fit(X)
    with pytest.raises(ValueError, match="warm_start continues the last fit's generator"):
        estimator.set_params(**change).fit(X)


# ---------------------------------------------------------------------- reports and callbacks


def test_verbose_prints_progress(quick, X, frequent, capsys):
    placement = ["placement of 40 rows"]
    regression = [rf"initialisation {n}/3 error=\d+\.\d+" for n in (2, 3)]
    for prior, start in (("mixture", placement), (Prior(latent_dim=4), regression)):
        quick(verbose=1, max_iter=5, generator__prior=prior).fit(X)
        expected = [
            *start,
            *(rf"{n}/5 .*gw=-?\d\.\d+" for n in (2, 4, 5)),
            "coupling of 40 rows with 40 generated points",
        ]
        for line, message in zip(capsys.readouterr().out.splitlines(), expected, strict=True):
            assert re.match(rf"\[GWGenerativeEmbedding\] {message}", line)
    quick().fit(X)
    assert capsys.readouterr().out == ""


def test_callbacks_see_every_report_and_the_fitted_estimator(quick, X, frequent):
    starts = {"mixture": ["placement"], Prior(latent_dim=4): 2 * ["initialisation"]}
    for prior, start in starts.items():
        recorder = Recorder()
        estimator = quick(max_iter=5, generator__prior=prior).set_callbacks(recorder).fit(X)
        steps = [*start, *3 * ["training"], "coupling"]
        assert recorder.tasks == [*steps, "fit", "teardown"]
        assert_array_equal(recorder.fitted, estimator.embedding_)


def test_a_callback_stops_the_training(quick, X, frequent):
    estimator = quick(max_iter=50).set_callbacks(Recorder(stop_at=2)).fit(X)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 4
    assert_array_equal(estimator.transform(X), estimator.embedding_)


def test_callbacks_are_torn_down_after_an_error(quick, graph):
    recorder = Recorder(interrupt_at=1)
    estimator = quick(metric="precomputed").set_callbacks(recorder)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(graph_distances(graph))
    assert recorder.tasks == ["placement", "training", "teardown"]


def test_a_short_training_has_a_short_initialisation(quick, X, frequent, capsys):
    params = {"generator": Generator(prior=Prior(4)), "max_iter": 4, "verbose": 1}
    quick(**params).fit(X)
    assert "initialisation 8/8" in capsys.readouterr().out
    for generator in (Generator(init="random"), Generator(prior="normal")):
        quick(**{**params, "generator": generator}).fit(X)
        assert "initialisation" not in capsys.readouterr().out


def test_a_callback_stops_the_initialisation(quick, X, frequent):
    recorder = Recorder(stop_at=0)
    generator = Generator(prior=Prior(4), n_init_updates=4)
    quick(generator=generator, max_iter=5).set_callbacks(recorder).fit(X)
    assert recorder.tasks.count("initialisation") == 1
    assert recorder.tasks.count("training") == 3


# ------------------------------------------------------------------------- as in the paper


def test_the_settings_of_the_paper(quick, X):
    """The adversary moves after every update of the generator, from the first on."""
    estimator = quick(**{**paper_settings(beta=2.0, batch_size=16), "max_iter": 5}).fit(X)
    assert estimator.adversary.weight == 2.0 * 16
    assert len(estimator.adversary_curve_) == estimator.n_iter_ == 5
    assert_array_equal(estimator.transform(X), estimator.embedding_)


@pytest.mark.parametrize("option", ["stratified", "warm_couplings"])
def test_batches_and_couplings_can_be_switched(quick, X, option):
    params = {"batch_size": 16, "max_iter": 4}
    usual, other = (
        quick(optimizer=GWOptimizer(**{option: on}), **params).fit(X) for on in (True, False)
    )
    assert usual.loss_curve_ == quick(**params).fit(X).loss_curve_
    assert other.loss_curve_ != usual.loss_curve_
    assert np.isfinite(other.loss_curve_).all()


@pytest.mark.parametrize("method", ["adam", "adamw"])
def test_decay_rates_of_adam(quick, X, method, tmp_path):
    rate = {"schedule": "constant"}
    optimizers = [
        Optimizer(method, betas=(0.5, 0.9), **rate),
        Optimizer(partial(OPTIMIZERS[method], betas=(0.5, 0.9)), **rate),
        Optimizer(method, **rate),
        GWOptimizer(method, betas=[0.9, 0.99], **rate),
    ]
    given, factory, default, same = (quick(optimizer=x).fit(X).embedding_ for x in optimizers)
    assert_array_equal(given, factory)
    assert_array_equal(default, same)
    assert not np.allclose(given, default)
    quick(optimizer=optimizers[0]).fit(X).save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    assert loaded.optimizer.betas == (0.5, 0.9)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (Optimizer("sgd", betas=(0.5, 0.9)), "the optimizer is 'sgd': leave betas at None"),
        (GWOptimizer("rmsprop", betas=(0.5, 0.9)), "the optimizer is 'rmsprop'"),
        (Optimizer(torch.optim.Adam, betas=(0.5, 0.9)), "the optimizer is a callable"),
        (Optimizer(betas=(0.5, 1.0)), r"two numbers from 0 to below 1, got \(0.5, 1.0\)"),
        (Optimizer(betas=(0.5,)), "two numbers"),
        (Optimizer(betas=("a", 0.5)), "two numbers"),
    ],
    ids=str,
)
def test_decay_rates_are_checked(quick, X, optimizer, message):
    with pytest.raises(ValueError, match=message):
        quick(optimizer=optimizer).fit(X)


def test_a_constant_rate_goes_further(quick, X):
    """A cosine with a warm-up makes smaller steps: 3 of its first 3 are below a fiftieth."""
    start = quick(max_iter=1, optimizer="sgd", learning_rate_init=1e-9).fit(X)
    ends = [
        quick(optimizer=GWOptimizer("sgd", schedule=schedule)).fit(X)
        for schedule in ("cosine", "constant")
    ]
    moved = [np.abs(end.generated_ - start.generated_).max() for end in ends]
    assert moved[1] > 3 * moved[0]


@pytest.mark.parametrize("learning_rate", [1e6, 1e30, 1e200])
@pytest.mark.parametrize("adversary", [None, "mlp"])
def test_any_divergence_is_a_floating_point_error(quick, X, frequent, learning_rate, adversary):
    estimator = quick(adversary=adversary, max_iter=40, learning_rate_init=learning_rate)
    if learning_rate == 1e6:  # steps within a fitted mixture are no divergence
        estimator.set_params(generator__prior=Prior(4))
    if adversary is None and learning_rate == 1e6:
        estimator.set_params(optimizer="sgd", learning_rate_init=1e10)
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        estimator.fit(X)


def test_slow_fits_print_progress_by_the_clock(quick, X, monkeypatch, capsys):
    """A clock of a second per look: a line at once, and after twice, four times, ... the time."""
    clock = iter(range(10_000))
    monkeypatch.setattr("skgw.base.progress.time.monotonic", lambda: float(next(clock)))
    quick(verbose=1, max_iter=9, generator__prior=Prior(4)).fit(X)
    lines = re.findall(r"\] (initialisation )?(\d+)/\d+ after (\d+) s", capsys.readouterr().out)
    assert [int(seconds) for *_, seconds in lines] == [1, 2, 4, 8]
    assert [bool(name) for name, *_ in lines] == [True, True, False, False]
