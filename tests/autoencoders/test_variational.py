"""VariationalAutoencoder: closed forms of the linear model, and contract."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skgw import VariationalAutoencoder
from skgw.autoencoders.moments import standardize_codes
from skgw.base.trained import Optimizer
from skgw.nn import AutoencoderSpec, gaussian_kl

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0}
WIDTHS = np.array([3.0, 2.0, 0.3, 0.3, 0.3])


def linear(n_inputs, n_outputs):
    return nn.Linear(n_inputs, n_outputs)


LINEAR = {"network": linear, "learning_rate_init": 3e-2, "random_state": 0}


@pytest.fixture
def quick():
    return lambda **params: VariationalAutoencoder(**{**QUICK, **params})


@pytest.fixture(scope="session")
def X():
    """Normal rows with two wide axes among five, rotated."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return rng.normal(size=(600, 5)) * WIDTHS @ frame + [5, 0, 0, -1, 2]


@pytest.fixture(scope="session")
def fitted(X):
    """The linear model, whose optimum is probabilistic PCA (Lucas et al. 2019)."""
    return VariationalAutoencoder(2, **LINEAR, max_iter=2000).fit(X)


def test_the_linear_bound_is_the_likelihood_of_probabilistic_pca(fitted, X):
    likelihood = PCA(2).fit(X).score(X) / X.shape[1]
    assert fitted.score(X) == pytest.approx(likelihood, abs=0.005)


def test_the_calibrated_variance_is_the_variance_of_the_narrow_axes(fitted):
    """Of 5 features; draws of the codes add the variance of the posterior."""
    assert fitted.decoder_variance_ == pytest.approx(0.3**2, rel=0.1)


def test_samples_have_the_distribution_of_the_data(fitted, X):
    samples = fitted.sample(20_000, random_state=0)
    assert_allclose(samples.mean(0), X.mean(0), atol=0.15)
    wide = PCA(2).fit(X).components_.T
    assert_allclose(np.cov((samples @ wide).T), np.cov((X @ wide).T), atol=0.5)


def test_codes_follow_the_standard_normal_distribution(fitted, X):
    """Their means, plus the variance of the posterior, which is small here."""
    Z = fitted.transform(X)
    assert_allclose(Z.mean(0), 0, atol=0.05)
    assert_allclose(np.cov(Z.T), np.eye(2), atol=0.12)


def test_rows_are_reconstructed_as_by_pca(fitted, X):
    pca = PCA(2).fit(X)
    error = np.square(fitted.inverse_transform(fitted.transform(X)) - X).mean()
    best = np.square(pca.inverse_transform(pca.transform(X)) - X).mean()
    assert best <= error < 1.1 * best


def test_a_larger_beta_reconstructs_less_and_scores_lower(X):
    betas = 1.0, 40.0
    models = [VariationalAutoencoder(2, beta=b, **LINEAR, max_iter=800).fit(X) for b in betas]
    errors = [np.square(m.inverse_transform(m.transform(X)) - X).mean() for m in models]
    assert errors[1] > 1.5 * errors[0]
    assert models[0].score(X) > models[1].score(X) + 0.1


def test_no_divergence_leaves_the_codes_free(X):
    free = VariationalAutoencoder(2, beta=0.0, **LINEAR, max_iter=800)
    assert np.abs(np.cov(free.fit(X).transform(X).T) - np.eye(2)).max() > 1


def test_a_number_as_variance_is_in_units_of_the_features(X):
    """A variance that is far too large lets the divergence win: all codes become the prior."""
    params = {**LINEAR, "max_iter": 800}
    right = VariationalAutoencoder(2, decoder_variance=0.09, **params).fit(X)
    large = VariationalAutoencoder(2, decoder_variance=1e4, **params).fit(X)
    assert right.transform(X).std(0).min() > 0.8
    assert large.transform(X).std(0).max() < 0.1
    assert right.score(X) > large.score(X) + 0.5


def test_units_of_the_features_change_the_score_by_their_logarithm(quick, X):
    one = quick(decoder_variance=0.5).fit(X)
    ten = quick(decoder_variance=50.0).fit(10 * X)
    assert_allclose(one.transform(X), ten.transform(10 * X), atol=1e-4)
    assert ten.decoder_variance_ == pytest.approx(100 * one.decoder_variance_, rel=1e-3)
    assert ten.score(10 * X) == pytest.approx(one.score(X) - np.log(10), abs=1e-3)


def test_the_score_is_the_same_in_chunks_of_another_size(quick, X):
    model = quick().fit(X)
    whole = model.score(X)
    model.chunk_size = 7
    assert model.score(X) == pytest.approx(whole, abs=0.02)  # other draws of the codes


def test_the_linear_estimate_is_the_likelihood_of_probabilistic_pca(fitted, X):
    """Row by row, and above the bound."""
    exact = PCA(2).fit(X).score_samples(X)
    found = fitted.score_samples(X)
    assert_allclose(found, exact, atol=0.4)
    assert found.mean() == pytest.approx(exact.mean(), abs=0.03)
    assert found.mean() > X.shape[1] * fitted.score(X) - 0.03  # of eight draws of each code


def test_more_draws_raise_the_estimate(quick, X):
    model = quick(max_iter=50).fit(X)
    found = [model.score_samples(X, n_draws=n).mean() for n in (1, 10, 300)]
    assert found == sorted(found)
    with pytest.raises(ValueError, match="n_draws"):
        model.score_samples(X, n_draws=0)


def test_a_row_has_the_same_estimate_in_chunks_of_any_size(quick, X):
    model = quick().fit(X)
    whole = model.score_samples(X[:50])
    assert_allclose(model.score_samples(X[7:8]), whole[7:8], rtol=1e-12)
    model.chunk_size = 30
    assert_allclose(model.score_samples(X[:50]), whole, rtol=1e-12)
    assert model.score_samples(X[:50] + 30).max() < whole.min()  # outliers


def test_annealing_begins_without_the_divergence(quick, X):
    params = {"beta": 50.0, "decoder_variance": 1.0, "batch_size": len(X)}
    constant, annealed = (quick(**params, annealing=a).fit(X) for a in (0.0, 0.5))
    assert annealed.loss_curve_[0] < constant.loss_curve_[0]
    still = quick(**params, annealing=0.5, learning_rate_init=1e-12).fit(X)
    rises = np.diff(still.loss_curve_)
    assert_allclose(rises[:3], rises[0], rtol=0.2)  # three updates of six
    assert rises[0] > 10 * abs(rises[3:]).max()


def test_diagnostics_and_the_fitted_sampler(X):
    free = VariationalAutoencoder(2, beta=0.0, **LINEAR, max_iter=300)
    models = {s: clone(free).set_params(sampler=s).fit(X) for s in ("prior", "gaussian-mixture")}
    assert models["prior"].diagnostics_ == models["gaussian-mixture"].diagnostics_
    assert models["prior"].diagnostics_["mmd"] > 0.1
    wide = PCA(2).fit(X).components_.T
    errors = {
        name: np.abs(np.cov((m.sample(4000, random_state=0) @ wide).T) - np.cov((X @ wide).T)).max()
        for name, m in models.items()
    }
    assert errors["gaussian-mixture"] < 0.7
    assert errors["prior"] > 3 * errors["gaussian-mixture"]


def test_sample_weights(quick, X):
    model = quick().fit(X)
    weights = np.r_[np.ones(10), np.zeros(len(X) - 10)]
    noisy = model.score(X[:10])
    assert model.score(X, sample_weight=weights) == pytest.approx(noisy, abs=0.05)
    assert model.score(X, sample_weight=np.full(len(X), 3.0)) == pytest.approx(model.score(X))


def test_the_score_is_deterministic(quick, X):
    model = quick().fit(X)
    assert model.score(X) == model.score(X)


def test_images_of_a_convolutional_model(quick):
    images = load_digits().data[:60]
    model = quick(n_components=3, network="conv", image_shape=(1, 8, 8), hidden_layer_sizes=(4,))
    model.fit(images)
    assert model.sample(2, random_state=0).shape == (2, 64)
    assert model.inverse_transform(model.transform(images)).shape == images.shape
    with pytest.raises(ValueError, match="image_shape"):
        clone(model).set_params(image_shape=(1, 4, 4)).fit(images)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_outputs_have_the_type_of_the_rows(quick, X, dtype):
    model = quick().fit(X.astype(dtype))
    Z = model.transform(X.astype(dtype))
    assert Z.dtype == model.inverse_transform(Z).dtype == model.sample(2).dtype == dtype


def test_tensors_in_tensors_out(quick, X):
    model = quick().fit(torch.as_tensor(X))
    Z = model.transform(torch.as_tensor(X))
    assert isinstance(Z, torch.Tensor)
    assert isinstance(model.inverse_transform(Z), torch.Tensor)
    assert_array_equal(Z.numpy(), model.transform(X))


def test_the_same_seed_gives_the_same_model(quick, X):
    one, same, other = quick().fit(X), quick().fit(X), quick(random_state=1).fit(X)
    assert_array_equal(one.transform(X), same.transform(X))
    assert_array_equal(one.sample(3, random_state=0), same.sample(3, random_state=0))
    assert np.abs(one.transform(X) - other.transform(X)).max() > 1e-3


def test_a_saved_model_does_the_same(quick, X, tmp_path):
    model = quick(optimizer=Optimizer("adamw", schedule="constant")).fit(X)
    model.save(tmp_path / "model")
    loaded = VariationalAutoencoder.load(tmp_path / "model")
    assert_array_equal(loaded.transform(X), model.transform(X))
    assert_array_equal(loaded.sample(3, random_state=0), model.sample(3, random_state=0))
    assert loaded.score(X) == model.score(X)
    assert loaded.get_params() == model.get_params()


class Interruption:
    """A callback that interrupts after the first report."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X):
        raise KeyboardInterrupt


def test_an_interrupted_fit_resumes(quick, X, tmp_path):
    params = {"max_iter": 120, "checkpoint": tmp_path}
    whole = quick(max_iter=120).fit(X)
    with pytest.raises(KeyboardInterrupt):
        quick(**params).set_callbacks(Interruption()).fit(X)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = quick(**params).fit(X)
    assert_array_equal(resumed.transform(X), whole.transform(X))
    assert resumed.loss_curve_ == whole.loss_curve_
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_watches_the_bound(X):
    """It stops, and the best validation is minus the score per feature in the model's units."""
    params = {"early_stopping": True, "n_iter_no_change": 3, "tol": 1e-3}
    model = VariationalAutoencoder(2, **LINEAR, max_iter=5000, **params).fit(X)
    assert model.n_iter_ < 5000
    assert len(model.validation_curve_) == model.n_iter_ // 50
    scale = np.sqrt(np.square(X - X.mean(0)).mean())
    assert min(model.validation_curve_) == pytest.approx(-model.score(X) - np.log(scale), abs=0.1)


def test_searches_choose_a_moderate_beta(X):
    model = VariationalAutoencoder(2, **LINEAR, max_iter=500)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"variationalautoencoder__beta": [1.0, 50.0]},
        cv=2,
        error_score="raise",
    ).fit(X)
    assert search.best_params_ == {"variationalautoencoder__beta": 1.0}


def test_rows_without_variance(quick):
    model = quick().fit(np.full((10, 3), 2.0))
    assert_allclose(model.inverse_transform(model.transform(np.full((1, 3), 2.0))), 2.0, atol=2)
    assert np.isfinite(model.score(np.full((4, 3), 2.0)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"beta": -1.0}, "'beta' parameter"),
        ({"decoder_variance": 0.0}, "'decoder_variance' parameter"),
        ({"decoder_variance": "learned"}, "'decoder_variance' parameter"),
        ({"network": nn.Linear(5, 2)}, "network must be one of .*, or a callable"),
        ({"network": "conv"}, "image_shape"),
        ({"early_stopping": True, "validation_fraction": 0.999}, "Too few samples"),
    ],
)
def test_wrong_parameters_are_named(quick, X, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(X)


def test_codes_of_another_width_are_refused(quick, X):
    with pytest.raises(ValueError, match="Z has 3 columns, codes have 2"):
        quick().fit(X).inverse_transform(np.zeros((1, 3)))


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(quick, X, tmp_path):
    cpu, gpu = (quick(device=device).fit(X) for device in ("cpu", "cuda"))
    assert_allclose(gpu.transform(X), cpu.transform(X), atol=1e-3)
    assert_allclose(gpu.sample(5, random_state=0), cpu.sample(5, random_state=0), atol=1e-2)
    gpu.save(tmp_path / "model")
    loaded = VariationalAutoencoder.load(tmp_path / "model").set_params(device="cpu")
    assert_allclose(loaded.transform(X), gpu.transform(X), atol=1e-5)


def test_draws_of_codes_have_mean_zero_and_variance_one(quick, X):
    model = quick(max_iter=50).fit(X)
    autoencoder = model._domain.autoencoder.build("cpu").double()
    rows = torch.as_tensor(model._domain.scaler.transform(X.astype(np.float64)))
    with torch.no_grad():
        mean, log_variance = autoencoder.posterior(rows)
    assert_allclose(mean.mean(0), 0, atol=1e-5)
    assert_allclose(mean.var(0, correction=0) + log_variance.exp().mean(0), 1, rtol=1e-5)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_standard_codes_have_the_least_divergence_and_the_same_reconstructions(network):
    spec = AutoencoderSpec(
        64, 3, network, (16,), stochastic=True,
        image_shape=None if network == "mlp" else (1, 8, 8),
    )  # fmt: skip
    rows = torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    autoencoder = spec.build(1)
    with torch.no_grad():
        autoencoder.encoder[-1].bias += torch.linspace(-1, 1, 6)
        before = autoencoder(rows), gaussian_kl(*autoencoder.posterior(rows))
        assert standardize_codes(autoencoder, rows.numpy())
        after = autoencoder(rows), gaussian_kl(*autoencoder.posterior(rows))
        assert_allclose(after[0], before[0], atol=1e-5)
        assert after[1] < before[1]
        for shift, scale in ((0.1, 1.0), (0.0, 0.9), (0.0, 1.1)):
            moved = copy.deepcopy(autoencoder)
            moved.shift_codes(torch.full((3,), shift), torch.full((3,), scale))
            assert gaussian_kl(*moved.posterior(rows)) > after[1]


def test_codes_of_other_networks_are_not_scaled(X):
    class Layer(nn.Module):
        def __init__(self, n_inputs, n_outputs):
            super().__init__()
            self.inner = nn.Linear(n_inputs, n_outputs)

        def forward(self, x):
            return self.inner(x)

    autoencoder = AutoencoderSpec(X.shape[1], 2, Layer, stochastic=True).build(0)
    assert not standardize_codes(autoencoder, X)
