"""WassersteinAutoencoder: known answers of linear models, its parts, and its contract."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skgw import Optimizer, WassersteinAutoencoder
from skgw.autoencoders import GANPenalty, MMDPenalty, wae_settings
from skgw.autoencoders.codes import prior_discrepancy
from skgw.nn import mmd

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0}
WIDTHS = np.array([3.0, 2.0, 0.3, 0.3, 0.3])


def linear(n_inputs, n_outputs):
    return nn.Linear(n_inputs, n_outputs)


LINEAR = {"network": linear, "learning_rate_init": 3e-2, "random_state": 0, "max_iter": 250}


@pytest.fixture
def quick():
    return lambda **params: WassersteinAutoencoder(**{**QUICK, **params})


@pytest.fixture(scope="session")
def X():
    """Normal rows with two wide axes among five, rotated."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return rng.normal(size=(300, 5)) * WIDTHS @ frame + [5, 0, 0, -1, 2]


@pytest.fixture(
    scope="session",
    params=[MMDPenalty(), GANPenalty(1.0, learning_rate_factor=0.3)],
    ids=["mmd", "gan"],
)
def fitted(request, X):
    return WassersteinAutoencoder(2, penalty=request.param, **LINEAR).fit(X)


@pytest.fixture(scope="session")
def free(X):
    """Without a penalty."""
    return WassersteinAutoencoder(2, penalty=MMDPenalty(0.0), **LINEAR).fit(X)


# ------------------------------------------------------------------------------- known answers


def test_without_penalty_the_linear_model_is_the_principal_subspace(free, X):
    pca = PCA(2).fit(X)
    best = np.square(pca.inverse_transform(pca.transform(X)) - X).mean()
    error = np.square(free.inverse_transform(free.transform(X)) - X).mean()
    assert best <= error < 1.2 * best
    assert free.diagnostics_["mmd"] > 0.1  # and its codes are where they like


def test_codes_follow_the_prior(fitted):
    found = fitted.diagnostics_
    assert abs(found["mmd"]) < 0.05
    assert found["mean"] < 0.15
    assert 0.8 < found["smallest_sd"] <= found["largest_sd"] < 1.2


def test_the_penalty_costs_no_reconstruction_where_the_data_are_normal(fitted, X):
    pca = PCA(2).fit(X)
    best = np.square(pca.inverse_transform(pca.transform(X)) - X).mean()
    error = np.square(fitted.inverse_transform(fitted.transform(X)) - X).mean()
    assert best <= error < 1.3 * best


def test_samples_have_the_distribution_of_the_data(fitted, X):
    samples = fitted.sample(20_000, random_state=0)
    assert_allclose(samples.mean(0), X.mean(0), atol=0.35)
    wide = PCA(2).fit(X).components_.T
    assert_allclose(np.cov((samples @ wide).T), np.cov((X @ wide).T), atol=2.0)


def test_a_random_encoder_adds_noise_where_codes_have_more_dimensions_than_the_data():
    """One-dimensional data, two-dimensional codes: a curve cannot fill the plane, noise can."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) * [1.0, 2.0, -1.0]
    params = {**LINEAR, "max_iter": 200, "penalty": MMDPenalty(3.0)}
    narrow = WassersteinAutoencoder(2, **params).fit(X).diagnostics_
    filled = WassersteinAutoencoder(2, encoder="random", **params).fit(X).diagnostics_
    assert narrow["smallest_sd"] < 0.05
    assert filled["smallest_sd"] > 0.7
    assert filled["mmd"] < 0.2 * narrow["mmd"]


def test_pretraining_gives_the_codes_the_moments_of_the_prior(X):
    params = {"hidden_layer_sizes": (8,), "max_iter": 1, "random_state": 0}
    fresh = WassersteinAutoencoder(2, **params).fit(X).diagnostics_
    prepared = WassersteinAutoencoder(2, n_pretraining_updates=1000, **params).fit(X).diagnostics_
    assert fresh["smallest_sd"] < 0.5
    assert prepared["mean"] < 0.1
    assert 0.9 < prepared["smallest_sd"] <= prepared["largest_sd"] < 1.1


@pytest.mark.parametrize("cost", ["squared", "absolute"])
def test_the_loss_of_the_first_update_is_the_cost(quick, X, cost):
    still = quick(
        cost=cost, penalty=MMDPenalty(0.0), max_iter=1, batch_size=len(X), learning_rate_init=1e-12
    ).fit(X)
    scaled = (still.inverse_transform(still.transform(X)) - X) / still._domain.scaler.scale
    expected = np.mean(scaled**2) if cost == "squared" else np.mean(np.abs(scaled))
    assert still.loss_curve_[0] == pytest.approx(expected, rel=1e-4)


# --------------------------------------------------------------------------------------- costs


def test_a_cost_gets_rows_in_the_unit_of_the_data(quick, X):
    seen = []

    def cost(x, decoded):
        seen.append(x)
        assert x.shape == decoded.shape
        return (x - decoded).square().sum(1)

    quick(cost=cost, max_iter=1, batch_size=300).fit(X)
    assert_allclose(np.sort(seen[0].numpy(), axis=0), np.sort(X, axis=0), atol=1e-4)


def test_a_module_as_cost_is_copied_and_fixed(quick, X):
    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x, decoded):
            return (self.layer(x) - self.layer(decoded)).square().mean()

    module = Features()
    before = module.layer.weight.detach().clone()
    model = quick(cost=module, max_iter=30).fit(X)
    assert torch.equal(module.layer.weight, before)
    assert module.layer.weight.requires_grad
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize("cost", [lambda x, y: 1.0, lambda x, y: x - y])
def test_costs_of_another_shape_are_refused(quick, X, cost):
    with pytest.raises(ValueError, match="cost must return a tensor with one number"):
        quick(cost=cost).fit(X)


# --------------------------------------------------------------------------------------- score


@pytest.mark.parametrize("encoder", ["deterministic", "random"])
def test_the_score_is_error_plus_discrepancy(quick, X, encoder):
    model = quick(encoder=encoder, penalty=MMDPenalty(5.0), max_iter=50).fit(X)
    new = X[:100] + 0.1
    codes = model._domain.draw(new, torch.device("cpu"), torch.Generator().manual_seed(0))
    variance = np.square(X - X.mean(0)).mean()
    error = np.square(model.inverse_transform(codes) - new).mean() / variance
    expected = -(error + prior_discrepancy(codes))
    assert model.score(new) == pytest.approx(expected, rel=1e-4)
    assert model.score(new) == model.score(new)
    other = clone(model).set_params(penalty=MMDPenalty(5.0, kernel="rbf", scales=(1.0,)))
    other.__dict__.update({k: v for k, v in vars(model).items() if k.endswith("_") or k[0] == "_"})
    assert other.score(new) == model.score(new)  # the kernel of the score is fixed


def test_a_single_row_has_no_score(quick, X):
    with pytest.raises(ValueError, match="it needs two rows"):
        quick().fit(X).score(X[:1])


def test_early_stopping_watches_the_score(quick, X):
    model = quick(early_stopping=True, max_iter=100, validation_fraction=0.5).fit(X)
    order = np.random.RandomState(0)
    order.randint(np.iinfo(np.int32).max)  # the seed of the fit
    held_out = X[order.permutation(len(X))[:150]]
    assert min(model.validation_curve_) == pytest.approx(-model.score(held_out), rel=1e-3)
    assert len(model.validation_curve_) == 2


def test_searches_choose_a_moderate_weight(X):
    """Without penalty codes leave the prior; with a huge one they do not reconstruct."""
    search = GridSearchCV(
        WassersteinAutoencoder(2, **{**LINEAR, "max_iter": 120}),
        {"penalty__weight": [0.0, 1.0, 1e4]},
        cv=2,
        error_score="raise",
    ).fit(X)
    assert search.best_params_ == {"penalty__weight": 1.0}


def test_a_latent_space_before_a_classifier():
    X, y = load_digits(return_X_y=True)
    encoder = WassersteinAutoencoder(8, hidden_layer_sizes=(64,), max_iter=150, random_state=0)
    model = make_pipeline(encoder, LogisticRegression(max_iter=1000)).fit(X[:1000], y[:1000])
    assert model.score(X[1000:], y[1000:]) > 0.8
    Z = model[:-1].set_output(transform="pandas").transform(X[:3])
    assert list(Z.columns) == [f"wassersteinautoencoder{i}" for i in range(8)]


# ------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("penalty", ["mmd", "gan"])
def test_published_settings_weigh_as_the_published_loss(penalty):
    """0.05 times the sum of squared errors, plus lambda times the penalty."""
    X = load_digits().data / 16
    settings = wae_settings(X, penalty, coefficient=7.0)
    model = WassersteinAutoencoder(3, **settings, hidden_layer_sizes=(8,), max_iter=1)
    model.set_params(random_state=0, batch_size=len(X)).fit(X)
    scaler = model._domain.scaler
    regularized = model._regularized(model._domain.autoencoder.build(), scaler, n_updates=1, seed=0)
    rows = torch.tensor(scaler.transform(X), dtype=torch.float32)
    with torch.no_grad():
        losses = regularized(rows, torch.Generator().manual_seed(0))[1]
        codes = torch.tensor(model.transform(X), dtype=torch.float32)
        decoded = torch.tensor(model.inverse_transform(codes.numpy().astype(np.float64)))
        drawn = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
        critic = regularized.penalties[0]
        term = (
            mmd(codes, drawn) if penalty == "mmd"
            else -torch.log(torch.sigmoid(critic.adversary(codes))).mean()
        )  # fmt: skip
    published = 0.05 * (decoded - torch.tensor(X)).square().sum(1).mean() + 7.0 * term
    unit = 0.05 * X.var(0).sum()
    assert float(losses["loss"]) * unit == pytest.approx(float(published), rel=1e-3)


def test_published_settings_are_those_of_the_slides():
    X = load_digits().data / 16
    settings = wae_settings(X, "gan")
    critic = settings["penalty"]
    assert critic.hidden_layer_sizes == (512, 512, 512, 512)
    assert critic.regularizer is None
    assert not critic.prior_trick
    assert settings["learning_rate_init"] * critic.learning_rate_factor == 5e-4
    assert settings["optimizer"] == Optimizer(
        schedule="constant", betas=(0.5, 0.999), clip_norm=None
    )
    assert wae_settings(X)["penalty"] == MMDPenalty(critic.weight)
    with pytest.raises(ValueError, match="penalty must be one of"):
        wae_settings(X, "vae")
    with pytest.raises(ValueError, match="All rows are equal"):
        wae_settings(np.ones((3, 2)))


# ------------------------------------------------------------------------------------- contract


KINDS = {
    "mmd": {},
    "rbf": {"penalty": MMDPenalty(0.5, kernel="rbf", scales=(0.5, 1.0))},
    "critic": {"penalty": "gan", "encoder": "random", "n_pretraining_updates": 3},
    "spectral": {"penalty": GANPenalty(regularizer="spectral", n_steps=2, optimizer="sgd")},
    "mixture": {"sampler": "gaussian-mixture", "decoder_layer_sizes": (4, 6)},
    "infogan": {"network": "infogan", "image_shape": (1, 8, 8), "max_iter": 3},
}


@pytest.fixture(scope="session")
def images():
    return load_digits().data[:60] + np.random.default_rng(0).normal(size=(60, 64))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_does_the_same(quick, images, tmp_path, kind):
    model = quick(**KINDS[kind]).fit(images)
    model.save(tmp_path / "model")
    loaded = WassersteinAutoencoder.load(tmp_path / "model")
    assert_array_equal(loaded.transform(images), model.transform(images))
    assert_array_equal(loaded.sample(3, random_state=0), model.sample(3, random_state=0))
    assert loaded.score(images) == model.score(images)
    assert loaded.get_params() == model.get_params()
    assert loaded.diagnostics_ == model.diagnostics_


def test_a_file_with_another_encoder_is_refused(quick, X, tmp_path):
    model = quick().fit(X)
    model.encoder = "random"
    with pytest.raises(ValueError, match="the encoder must be random"):
        model.save(tmp_path / "model")


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


@pytest.mark.parametrize("kind", ["critic", "spectral"])
def test_an_interrupted_fit_resumes(quick, X, tmp_path, kind, frequent):
    params = {**KINDS[kind], "max_iter": 6}
    whole = quick(**params).fit(X)
    params["checkpoint"] = tmp_path
    with pytest.raises(KeyboardInterrupt):
        quick(**params).set_callbacks(Interruption()).fit(X)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = quick(**params).fit(X)
    assert_array_equal(resumed.transform(X), whole.transform(X))
    assert resumed.loss_curve_ == whole.loss_curve_
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_model(quick, X):
    for params in ({}, {"penalty": "gan", "encoder": "random"}):
        one, same, other = (quick(**params, random_state=s).fit(X) for s in (0, 0, 1))
        assert_array_equal(one.transform(X), same.transform(X))
        assert one.diagnostics_ == same.diagnostics_
        assert np.abs(one.transform(X) - other.transform(X)).max() > 1e-3


def test_the_fitted_sampler_follows_codes_that_left_the_prior():
    """Two far clusters, no penalty: between them the prior has draws, the mixture has none."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) + np.array([20, 0, 0]) * rng.choice([-1, 1], size=(400, 1))
    far = {}
    for sampler in ("prior", "gaussian-mixture"):
        params = {**LINEAR, "max_iter": 100, "penalty": MMDPenalty(0.0)}
        model = WassersteinAutoencoder(1, sampler=sampler, **params).fit(X)
        samples = model.sample(500, random_state=0)
        far[sampler] = (np.abs(np.abs(samples[:, 0]) - 20) < 5).mean()
    assert far["gaussian-mixture"] > 0.95
    assert far["prior"] < 0.7


def test_tensors_and_types(quick, X):
    model = quick().fit(torch.as_tensor(X))
    Z = model.transform(torch.as_tensor(X))
    assert isinstance(Z, torch.Tensor)
    single = quick().fit(X.astype(np.float32))
    assert single.transform(X.astype(np.float32)).dtype == single.sample(2).dtype == np.float32


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"penalty": "kl"}, "'penalty' parameter"),
        ({"penalty": MMDPenalty(-1.0)}, "'weight' parameter of MMDPenalty"),
        ({"penalty": GANPenalty(regularizer="wgan")}, "'regularizer' parameter of GANPenalty"),
        ({"encoder": "stochastic"}, "'encoder' parameter"),
        ({"cost": "cubic"}, "'cost' parameter"),
        ({"sampler": "kde"}, "'sampler' parameter"),
        ({"n_pretraining_updates": -1}, "'n_pretraining_updates' parameter"),
        ({"network": "dcgan"}, "image_shape"),
        ({"network": linear, "decoder_layer_sizes": (3,)}, "leave decoder_layer_sizes at None"),
        ({"early_stopping": True, "validation_fraction": 0.999}, "Too few samples"),
    ],
)
def test_wrong_parameters_are_named(quick, X, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(X)


def test_parts_are_reached_from_a_name():
    model = WassersteinAutoencoder(penalty="gan")
    model.set_params(penalty__weight=0.3)
    assert model.penalty == GANPenalty(0.3)
    assert clone(model).penalty == model.penalty
    with pytest.raises(ValueError, match="Invalid parameter 'kernel'"):
        model.set_params(penalty__kernel="rbf")


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(quick, X):
    for params in KINDS.values():
        if "network" not in params:
            cpu, gpu = (quick(device=device, **params).fit(X) for device in ("cpu", "cuda"))
            assert_allclose(gpu.transform(X), cpu.transform(X), atol=1e-3)
