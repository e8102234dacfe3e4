"""Fits in threads give the results of fits one after the other, and leave the global state."""

import joblib
import numpy as np
import pytest
import torch
from common_estimators import rows
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch import nn

from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, VariationalAutoencoder
from skgw.embedding import Adversary, Generator, Penalties, Style


def dropping(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, 16), nn.Dropout(0.5), nn.Linear(16, n_outputs))


class Jitter(nn.Module):
    """Noise of the global generator in all modes."""

    def forward(self, x):
        return x + 0.1 * torch.randn_like(x)


def jittering(n_inputs, n_outputs):
    return nn.Sequential(nn.Linear(n_inputs, n_outputs), Jitter())


class Noisy(torch.optim.SGD):
    """Langevin dynamics with noise of the global generator."""

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for weights in group["params"]:
                    weights += 1e-3 * torch.randn_like(weights)


def noisy_penalty(points):
    return (points * torch.rand_like(points)).square().sum(1)


SHORT = {"max_iter": 6, "batch_size": 16, "random_state": 0}
EMBEDDING = GWGenerativeEmbedding(n_generated=30, hidden_layer_sizes=(16,), **SHORT).set_params(
    generator=Generator(n_init_updates=5)
)
PAIR = GWCoTrainedAutoencoders(1, hidden_layer_sizes=(8,), n_init=1, **SHORT)
ESTIMATORS = {
    "embedding": EMBEDDING,
    "adversary": clone(EMBEDDING).set_params(adversary=Adversary("mlp", start=0, every=1)),
    "dropout": clone(EMBEDDING).set_params(generator=dropping, early_stopping=True),
    "optimiser": clone(EMBEDDING).set_params(optimizer=Noisy),
    "penalty": clone(EMBEDDING).set_params(penalties=Penalties(style=Style(noisy_penalty))),
    "variational": VariationalAutoencoder(hidden_layer_sizes=(8,), **SHORT),
    "co-trained": PAIR,
    "co-trained, dropout": clone(PAIR).set_params(network=dropping),
}


def fitted(estimator):
    """Arrays of a new fit."""
    new = clone(estimator)
    if isinstance(new, GWCoTrainedAutoencoders):
        new.fit(rows(40), rows(30, 3, seed=1))
        return new.embedding_, np.asarray(new.loss_curve_), new.sample(5, random_state=0)
    new.fit(rows(40))
    return (
        np.asarray(new.loss_curve_),
        new.transform(rows(9, seed=2)),
        new.sample(5, random_state=0),
    )


@pytest.mark.usefixtures("frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")  # of short fits
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_threads_fit_the_same(estimator):
    before, expected = torch.get_rng_state(), fitted(estimator)
    found = joblib.Parallel(4, backend="threading")(
        joblib.delayed(fitted)(estimator) for _ in range(6)
    )
    for arrays in found:
        for one, other in zip(arrays, expected, strict=True):
            assert_array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["embedding", "adversary", "variational", "co-trained"])
def test_fits_of_networks_of_skgw_run_beside_the_lock(name, monkeypatch):
    def forbidden(*args):
        raise AssertionError("the global generator is touched")

    for module in ("global_generator", "networks"):
        monkeypatch.setattr(f"skgw.nn.{module}.lent", forbidden)
    fitted(ESTIMATORS[name])


@pytest.mark.usefixtures("frequent")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_module_with_noise_in_all_modes_is_seeded_in_training():
    estimator = clone(EMBEDDING).set_params(generator=jittering, early_stopping=True)
    one, other = (clone(estimator).fit(rows(40)) for _ in range(2))
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_curve_ == other.validation_curve_
