"""GWAutoencoder: samples, clusters, outliers, scores; every option trains what it names."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from skgw import GWAutoencoder
from skgw.autoencoders import CodePrior, gwae_settings
from skgw.metrics import permuted_accuracy


@pytest.fixture(scope="module")
def blobs():
    """Three clusters of unequal shares on a plane in five dimensions, and their labels."""
    Z, y = make_blobs([160, 100, 60], centers=[[0, 0], [8, 0], [3, 7]], random_state=0)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 2)))[0]
    return Z @ basis.T + 0.1 * np.random.default_rng(1).standard_normal((len(Z), 5)), y


@pytest.fixture
def quick():
    return lambda **params: GWAutoencoder(
        **{
            "n_components": 2, "hidden_layer_sizes": (32,), "max_iter": 20, "random_state": 0,
            **params,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def mixture(blobs):
    model = GWAutoencoder(
        2, prior=CodePrior("gaussian-mixture", n_components=3), hidden_layer_sizes=(64, 32),
        max_iter=600, random_state=0,
    )  # fmt: skip
    return model.fit(blobs[0])


def test_codes_follow_the_fitted_prior_and_rows_are_reconstructed(mixture, blobs):
    X, _ = blobs
    assert mixture.diagnostics_["prior_mmd"] < 0.1
    decoded = mixture.inverse_transform(mixture.transform(X))
    assert np.mean((decoded - X) ** 2) < 0.1 * X.var(0).mean()
    assert_allclose(
        mixture.decoder_variance_, np.mean((decoded - X) ** 2), rtol=1, atol=0.05 * X.var(0).mean()
    )


def test_samples_have_the_moments_of_the_data(mixture, blobs):
    X, _ = blobs
    samples = mixture.sample(2000, random_state=0)
    assert_allclose(samples.mean(0), X.mean(0), atol=0.2 * X.std())
    assert_allclose(np.trace(np.cov(samples.T)), np.trace(np.cov(X.T)), rtol=0.3)
    assert_array_equal(samples[:5], mixture.sample(2000, random_state=0)[:5])


def test_components_of_the_prior_find_clusters(mixture, blobs):
    X, y = blobs
    probabilities = mixture.predict_proba(X)
    assert probabilities.shape == (320, 3)
    assert_allclose(probabilities.sum(1), 1)
    assert_array_equal(probabilities.argmax(1), mixture.predict(X))
    assert permuted_accuracy(mixture.predict(X), y) > 0.8


def test_far_rows_have_a_low_density(mixture, blobs):
    X, _ = blobs
    far = X.mean(0) + 4 * X.std() * np.random.default_rng(2).standard_normal((100, 5))
    scores = mixture.score_samples(np.vstack([X, far]))
    assert roc_auc_score(np.arange(420) < 320, scores) > 0.9


def test_other_priors_have_no_components(quick, blobs):
    model = quick().fit(blobs[0])
    assert not hasattr(model, "predict")
    with pytest.raises(AttributeError) as caught:
        model.predict_proba(blobs[0])
    assert "gaussian-mixture" in str(caught.value.__cause__)


OPTIONS = [
    {"prior": "factorized"}, {"prior": "normal"}, {"prior": "uniform"},
    {"gw_term": "generative"}, {"joint": "critic", "n_critic_updates": 2}, {"gap_weight": 1.0},
    {"entropy_weight": 0}, {"entropy_weight": 0.03}, {"features": torch.tanh},
    {"features": "geodesic"}, {"features": "geodesic", "gw_term": "generative"},
    {"sampler": "gaussian-mixture"},
]  # fmt: skip


@pytest.mark.parametrize("params", OPTIONS, ids=[", ".join(params) for params in OPTIONS])
def test_every_option_fits_and_samples_and_changes_the_model(quick, blobs, params):
    X, _ = blobs
    model, plain = quick(**params).fit(X), quick().fit(X)
    assert np.isfinite(model.sample(7, random_state=0)).all()
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.score(X))
    assert not np.array_equal(model.sample(7, random_state=0), plain.sample(7, random_state=0))


def test_a_deterministic_encoder_has_no_variances(quick, blobs):
    model = quick(entropy_weight=0).fit(blobs[0])
    assert not model._domain.autoencoder.spec.stochastic


@pytest.mark.parametrize("family", ["neural", "factorized", "gaussian-mixture"])
def test_the_prior_is_trained(quick, blobs, family):
    start = CodePrior(family).spec(2).build(np.random.RandomState(0).randint(1))
    fitted = quick(prior=family).fit(blobs[0]).prior_.build()
    weights = dict(start.named_parameters())
    assert all(not torch.equal(p, weights[name]) for name, p in fitted.named_parameters())


def test_a_saved_model_does_the_same(quick, blobs, tmp_path):
    X, _ = blobs
    model = quick(prior="gaussian-mixture").fit(X)
    model.save(tmp_path / "model")
    restored = GWAutoencoder.load(tmp_path / "model")
    assert_array_equal(restored.sample(5, random_state=0), model.sample(5, random_state=0))
    assert_array_equal(restored.predict(X), model.predict(X))
    assert_array_equal(restored.score_samples(X), model.score_samples(X))


def test_a_search_over_a_part_of_the_prior(quick, blobs):
    search = GridSearchCV(
        quick(prior="gaussian-mixture"), {"prior__n_components": [2, 4]}, cv=2, error_score="raise"
    ).fit(blobs[0])
    assert search.best_estimator_.prior.n_components in (2, 4)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_early_stopping_watches_the_score(quick, blobs):
    model = quick(max_iter=100, early_stopping=True).fit(blobs[0])
    assert len(model.validation_curve_) >= 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prior": "learned"}, "prior"),
        ({"prior": CodePrior("neural", n_units=0)}, "n_units"),
        ({"joint": "gan"}, "joint"),
        ({"epsilon": 0.0}, "epsilon"),
    ],
)
def test_wrong_parameters_are_named(quick, blobs, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(blobs[0])


def test_one_row_has_no_score(quick, blobs):
    with pytest.raises(ValueError, match="two rows"):
        quick().fit(blobs[0]).score(blobs[0][:1])


def test_placed_components_are_the_mixture_of_the_codes():
    prior = CodePrior("gaussian-mixture", n_components=2).spec(2).build(0)
    shares, means = torch.tensor([0.25, 0.75]), torch.tensor([[3.0, 0.0], [-1.0, 0.0]])
    factors = torch.tensor([[[1.0, 0.0], [0.5, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    prior.place(shares, means, factors)
    found = [part.detach() for part in prior.parameters_of_codes()]
    scale = torch.tensor([4.0, 17 / 16]).sqrt()  # of the coordinates of the mixture
    assert_allclose(found[0], shares, rtol=1e-6)
    assert_allclose(found[1], means / scale, rtol=1e-5)
    assert_allclose(found[2], factors / scale[:, None], rtol=1e-5)


@pytest.mark.parametrize("entropy_weight", ["calibrated", 0])
def test_the_components_start_from_the_codes(blobs, entropy_weight):
    X, y = blobs
    model = GWAutoencoder(
        2, prior=CodePrior("gaussian-mixture", n_components=3), hidden_layer_sizes=(64, 32),
        max_iter=150, entropy_weight=entropy_weight, random_state=0,
    ).fit(X)  # fmt: skip
    assert permuted_accuracy(model.predict(X), y) > 0.9


def test_fewer_rows_than_components(quick, blobs):
    model = quick(prior="gaussian-mixture", batch_size=4).fit(blobs[0][:5])
    assert model.predict_proba(blobs[0][:5]).shape == (5, 10)


def test_published_weights_are_those_of_half_the_squared_error_of_a_row(blobs):
    """The loss in our unit times half the total variance is the published loss."""
    X, _ = blobs
    settings = gwae_settings(X)
    model = GWAutoencoder(2, **settings, hidden_layer_sizes=(8,), max_iter=1, random_state=0).fit(X)
    scaler = model._domain.scaler
    parts = model._regularized(model._domain.autoencoder.build(), scaler, n_updates=1, seed=0)
    batch = parts.code(torch.tensor(scaler.transform(X), dtype=torch.float32), torch.Generator())
    batch = replace(batch, error=torch.tensor(1.0))
    unit = X.var(0).sum() / 2  # half the squared error of a row whose error is 1
    gromov, joint, entropy = parts.terms
    root_mean_square = np.sqrt(2 * X.var(0).sum())
    assert_allclose(gromov.factor(batch) * unit, root_mean_square)
    assert_allclose(joint.factor(batch) * unit, 1)
    assert_allclose(entropy.factor(batch) * unit * 0.5, 0.03)  # its value has a factor one half
    assert joint.n_steps == 5
    with pytest.raises(ValueError, match="All rows are equal"):
        gwae_settings(np.ones((3, 2)))
