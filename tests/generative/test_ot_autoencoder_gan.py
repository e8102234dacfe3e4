"""OTAutoencoderGAN: terms of the decoder's loss against closed forms, and the contract."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA

from skgw import OTAutoencoder, OTAutoencoderGAN, SemiDiscreteOT, WassersteinAutoencoder
from skgw.generative.decoder_training import DecoderObjective, DecoderOptions, FeatureCritic
from skgw.nn import AutoencoderSpec

START = OTAutoencoder(
    WassersteinAutoencoder(2, hidden_layer_sizes=(8,), max_iter=20),
    transport=SemiDiscreteOT(max_iter=200, tol=10.0),
)
QUICK = {"critic_layer_sizes": (8,), "max_iter": 6, "n_warmup": 2, "batch_size": 16}
QUICK["random_state"] = 0


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 4)) * [3, 2, 1, 1] + 5


@pytest.fixture(scope="module")
def fitted(X):
    return OTAutoencoderGAN(START, **QUICK).fit(X)


class Sum(torch.nn.Module):
    """The sum of the columns as the only feature, and as the output."""

    def forward(self, x):
        return x.sum(1, keepdim=True)


class Decoder(torch.nn.Module):
    """Rows that repeat the code, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, z):
        return self.weight * z.repeat(1, 4)


def objective(**weights):
    """Four columns of ones with the code one; the decoder gives twos, and tens for new codes."""
    options = {
        "loss": "wasserstein", "gp_weight": 0.0, "adversarial_weight": 0.0, "feature_weight": 0.0,
        "reconstruction_weight": 0.0, "n_critic": 1, "n_warmup": 0, "batch_size": 3, **weights,
    }  # fmt: skip
    autoencoder = AutoencoderSpec(n_features=4, latent_dim=1).build(0)
    autoencoder.decoder = Decoder()
    return DecoderObjective(
        np.ones((5, 4)), np.ones((5, 1)), np.full((7, 1), 5.0), autoencoder,
        FeatureCritic(Sum(), Sum()), DecoderOptions(**options),
        order=np.arange(5), held_out=np.arange(0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"adversarial_weight": 2.0}, -2 * 40.0),  # minus the mean output at new codes
        ({"feature_weight": 3.0}, 3 * 4.0),  # features 8 and 4
        ({"reconstruction_weight": 5.0}, 5 * 2 * 1.0),  # root of four features, squared error 1
    ],
)
def test_terms_of_the_loss(weights, expected):
    losses = objective(**weights).losses("decoder", torch.Generator().manual_seed(0))
    assert float(losses["loss"].detach()) == pytest.approx(expected)
    assert float(losses["reconstruction"]) == pytest.approx(1)


def test_the_critic_compares_rows_with_new_rows():
    losses = objective().losses("critic", torch.Generator().manual_seed(0))
    assert float(losses["distance"]) == pytest.approx(4 - 40)


def test_features_of_rows_have_no_gradient_in_the_decoder_only():
    losses = objective(feature_weight=1.0).losses("decoder", torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert losses["loss"].requires_grad


def test_the_encoder_and_the_codes_are_kept(fitted, X):
    assert_allclose(fitted.transform(X), fitted.start_.transform(X))
    codes = fitted.start_.sample_codes(5, random_state=1)
    assert_allclose(fitted.inverse_transform(codes), fitted.sample(5, random_state=1))
    assert not np.allclose(fitted.inverse_transform(codes), fitted.start_.inverse_transform(codes))


def test_the_decoder_starts_as_that_of_the_autoencoder(X):
    model = OTAutoencoderGAN(START, **{**QUICK, "max_iter": 2}).fit(X)  # the critic alone
    codes = model.transform(X)
    assert_allclose(model.inverse_transform(codes), model.start_.inverse_transform(codes))


def test_normal_codes_have_the_moments_of_the_codes(X):
    model = OTAutoencoderGAN(START, latent="normal", **QUICK).fit(X)
    drawn = model._new_codes(20_000, np.random.RandomState(0))
    codes = model.transform(X)
    assert_allclose(drawn.mean(0), codes.mean(0), atol=0.1 * codes.std())
    assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.1 * codes.var())


def test_saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = OTAutoencoderGAN.load(tmp_path / "model")
    assert_array_equal(loaded.sample(4, random_state=0), fitted.sample(4, random_state=0))
    assert isinstance(loaded.start, OTAutoencoder)


def test_seeds(fitted, X):
    again = clone(fitted).fit(X).sample(4, random_state=0)
    assert_array_equal(again, fitted.sample(4, random_state=0))
    other = clone(fitted).set_params(random_state=1).fit(X).sample(4, random_state=0)
    assert not np.allclose(again, other)


def test_an_interrupted_fit_resumes(X, tmp_path):
    params = {**QUICK, "max_iter": 120}
    expected = OTAutoencoderGAN(START, **params).fit(X).sample(4, random_state=0)

    class Stop(OTAutoencoderGAN):
        def _fit(self, X, run):
            report = run._report

            def stop(history):
                if history.n_iter >= 100:
                    raise KeyboardInterrupt
                return report(history)

            run._report = stop
            super()._fit(X, run)

    Stop.__name__ = "OTAutoencoderGAN"  # the checkpoint is named after the class
    with pytest.raises(KeyboardInterrupt):
        Stop(START, checkpoint=tmp_path, **params).fit(X)
    assert list(tmp_path.iterdir())
    model = OTAutoencoderGAN(START, checkpoint=tmp_path, **params).fit(X)
    assert_allclose(model.sample(4, random_state=0), expected)


def test_early_stopping(X):
    model = OTAutoencoderGAN(START, early_stopping=True, **{**QUICK, "max_iter": 60}).fit(X)
    assert len(model.validation_curve_) >= 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"start": OTAutoencoder(PCA(2))}, "autoencoder of skgw, got a PCA"),
        ({"network": torch.nn.Linear(4, 1)}, "network"),
        ({"latent": "uniform"}, "latent"),
    ],
)
def test_parameters_that_are_refused(X, params, message):
    with pytest.raises(ValueError, match=message):
        OTAutoencoderGAN(**{"start": START, **QUICK, **params}).fit(X)
