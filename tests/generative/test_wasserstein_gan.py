"""WassersteinGAN: losses against closed forms, constraints of the critic, and the contract."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skgw import WassersteinGAN
from skgw.base.trained import Optimizer
from skgw.datasets import make_parallel_lines
from skgw.generative import wgan_settings
from skgw.generative.adversarial import LIPSCHITZ, AdversarialObjective
from skgw.nn.adversarial_losses import (
    ADVERSARIAL_LOSSES,
    clip_weights,
    interpolation_penalty,
    project_to_orthogonal,
    slope_penalty,
)

QUICK = {
    "hidden_layer_sizes": (8,),
    "critic_layer_sizes": (8,),
    "max_iter": 5,
    "n_warmup": 1,
    "batch_size": 16,
    "random_state": 0,
}


@pytest.fixture
def quick():
    return lambda **params: WassersteinGAN(**{**QUICK, **params})


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 3)) * [3, 1, 1] + [5, 0, 0]


def density(at, mean):
    return np.exp(-((at - mean) ** 2) / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
def test_the_best_classifier_gives_twice_the_jensen_shannon_divergence(name):
    at = np.linspace(-12, 13, 20_001)
    p, q = density(at, 0), density(at, 1)
    divergence = np.trapezoid(p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)), at)
    real = torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fake = real + 1
    odds = [0.5 - x for x in (real, fake)]  # log p / q
    loss = ADVERSARIAL_LOSSES[name]
    assert loss.chance - float(loss.critic(*odds)) == pytest.approx(divergence, abs=0.005)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_a_constant_critic_has_the_loss_of_chance(name):
    best = torch.full((5,), 0.5 if name == "least-squares" else 0.0)
    loss = ADVERSARIAL_LOSSES[name]
    assert float(loss.critic(best, best)) == pytest.approx(loss.chance, abs=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_generators_raise_the_outputs_of_the_critic(name):
    fake = torch.tensor([-1.0, 0.2], requires_grad=True)
    ADVERSARIAL_LOSSES[name].generator(fake).backward()
    assert (fake.grad < 0).all()


def test_only_the_saturating_loss_has_no_slope_where_the_critic_is_sure():
    slopes = {}
    for name in ("minimax", "non-saturating"):
        fake = torch.tensor([-20.0], requires_grad=True)
        ADVERSARIAL_LOSSES[name].generator(fake).backward()
        slopes[name] = -float(fake.grad)
    assert slopes["minimax"] < 1e-6
    assert slopes["non-saturating"] == pytest.approx(1)


def test_the_penalty_of_a_linear_critic():
    w = torch.tensor([3.0, 4.0])
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    found = interpolation_penalty(lambda z: z @ w, x, -x, torch.Generator())
    assert float(found) == pytest.approx((5 - 1) ** 2)


def test_the_slopes_of_a_critic():
    points = torch.randn(10, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = slope_penalty((points**2).sum(1), points)
    assert float(found.detach()) == pytest.approx(4 * float((points**2).sum(1).mean().detach()))


def test_clipped_and_projected_weights():
    network = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Linear(6, 2))
    project_to_orthogonal(network)
    for layer in network:
        singular = torch.linalg.svdvals(layer.weight.detach())
        assert_allclose(singular, 1, rtol=1e-5)
    clip_weights(network, 0.01)
    assert max(float(p.detach().abs().max()) for p in network.parameters()) == pytest.approx(0.01)


@pytest.mark.parametrize("lipschitz", [*LIPSCHITZ, None])
def test_fitted_critics_keep_their_constraint(quick, X, lipschitz):
    critic = quick(lipschitz=lipschitz, max_iter=20).fit(X)._critic.build()
    weights = [p.detach() for p in critic.parameters()]
    matrices = [w for w in weights if w.ndim > 1]
    if lipschitz == "clip":
        assert max(float(w.abs().max()) for w in weights) <= 0.01 + 1e-9
    elif lipschitz == "procrustes":
        for w in matrices:
            assert_allclose(torch.linalg.svdvals(w), 1, rtol=1e-4)
    elif lipschitz == "sn":
        assert all(float(torch.linalg.matrix_norm(w, 2)) < 1.2 for w in matrices)
        assert not hasattr(critic[0], "parametrizations")


@pytest.mark.parametrize(
    ("lipschitz", "theta"), [("gp", 1.0), ("gp", 3.0), ("zero-gp", 1.0), ("zero-gp", 3.0)]
)
def test_the_critic_estimates_the_distance_of_parallel_lines(lipschitz, theta):
    """W = theta, by a critic that is trained alone.

    The best slope a under the penalty maximises a theta - weight (a - 1)^2, or a theta -
    weight a^2.
    """
    real, fake = make_parallel_lines(500, theta=theta, random_state=0)

    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(()))

        def forward(self, n, generator):
            chosen = torch.randint(len(fake), (n,), generator=generator)
            return torch.as_tensor(fake, dtype=torch.float32)[chosen] + 0 * self.unused

    from skgw.nn import AdversarySpec
    from skgw.training import TrainingOptions, train

    gan = WassersteinGAN(
        lipschitz=lipschitz,
        gp_weight=10.0 if lipschitz == "gp" else 1.0,
        n_warmup=10**6,
        batch_size=128,
    )
    objective = AdversarialObjective(
        real, Fixed(), AdversarySpec(2, 1, "mlp", (32, 32), residual=False).build(0),
        gan._options(), order=np.arange(500), held_out=np.arange(0),
    )  # fmt: skip
    history = train(
        objective,
        TrainingOptions(300, 5e-3, n_iter_no_change=None),
        torch.Generator().manual_seed(0),
    )
    slope = theta / (2 * gan.gp_weight) + (lipschitz == "gp")
    assert np.mean(history.losses["distance"][-50:]) == pytest.approx(theta * slope, rel=0.1)


@pytest.mark.slow
def test_samples_are_near_the_data():
    rows = np.random.default_rng(0).normal(size=(400, 3)) * [3, 1, 1] + [5, 0, 0]
    gan = WassersteinGAN(
        hidden_layer_sizes=(32,), critic_layer_sizes=(32, 32), max_iter=400, batch_size=64,
        gp_weight=1.0, random_state=0,
    ).fit(rows)  # fmt: skip
    samples = gan.sample(3000, random_state=0)
    assert_allclose(samples.mean(0), rows.mean(0), atol=0.4)
    assert_allclose(samples.std(0), rows.std(0), rtol=0.6)


def test_the_generator_waits_for_the_critic(quick, X):
    """During the warm-up its weights are those of the start."""
    waiting, longer = (quick(n_warmup=9, max_iter=n).fit(X)._generator for n in (2, 5))
    for name, weights in waiting.weights.items():
        assert_array_equal(longer.weights[name], weights)
    moved = quick(n_warmup=0).fit(X)._generator
    assert any(not np.array_equal(w, waiting.weights[name]) for name, w in moved.weights.items())


def test_the_settings_of_the_paper(X):
    gan = WassersteinGAN(
        **wgan_settings(),
        max_iter=3,
        hidden_layer_sizes=(4,),
        critic_layer_sizes=(4,),
        random_state=0,
    ).fit(X)
    options = gan._options()
    assert (options.n_critic, options.n_warmup, options.batch_size) == (5, 0, 64)
    assert options.optimizer is None  # that of the training options
    assert gan.optimizer == Optimizer("rmsprop", schedule="constant", clip_norm=None)
    critic = gan._critic.weights.values()
    assert max(np.abs(w).max() for w in critic) <= 0.01 + 1e-9


@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
def test_every_loss_trains_and_scores(quick, X, loss):
    gan = quick(loss=loss, pack=2).fit(X)
    assert len(gan.loss_curve_) == gan.n_iter_ == 5
    assert np.isfinite(gan.score(X))
    assert gan.score(X) == gan.score(X)
    assert gan._critic.shape == (6, 1)


def test_the_score_has_the_unit_of_the_rows(quick, X):
    one, other = quick().fit(X), quick().fit(4.0 * X)
    assert other.score(4.0 * X) == pytest.approx(4 * one.score(X), rel=1e-5)


@pytest.mark.parametrize(
    ("network", "lipschitz", "critic"),
    [("dcgan", "gp", "dcgan-no-norm"), ("dcgan", "clip", "dcgan"), ("conv", "sn", "conv")],
)
def test_images(quick, network, lipschitz, critic):
    images = np.random.default_rng(0).normal(size=(12, 64))
    gan = quick(
        network=network, lipschitz=lipschitz, image_shape=(1, 8, 8), pack=2, batch_size=4,
        max_iter=2, n_critic=1, hidden_layer_sizes=(4,), critic_layer_sizes=(4,),
    ).fit(images)  # fmt: skip
    assert gan._critic.spec.network == critic
    assert gan._critic.spec.image_shape == (2, 8, 8)
    assert gan.sample(3).shape == (3, 64)


def test_early_stopping_watches_held_out_rows(quick, X):
    gan = quick(early_stopping=True, max_iter=60).fit(X)
    assert len(gan.validation_curve_) == 2


def test_interrupted_fits_resume(quick, X, tmp_path):
    class Interrupted(Exception):
        pass

    expected = quick(max_iter=100, n_critic=1).fit(X)
    gan = quick(max_iter=100, n_critic=1, checkpoint=tmp_path)
    plain, calls = AdversarialObjective.losses, []

    def failing(self, phase, generator):
        calls.append(phase)
        if len(calls) > 150:
            raise Interrupted
        return plain(self, phase, generator)

    AdversarialObjective.losses = failing
    try:
        with pytest.raises(Interrupted):
            clone(gan).fit(X)
    finally:
        AdversarialObjective.losses = plain
    assert len(list(tmp_path.iterdir())) == 1
    resumed = clone(gan).fit(X)
    assert_array_equal(resumed.sample(5, random_state=0), expected.sample(5, random_state=0))
    assert resumed.loss_curve_ == expected.loss_curve_


def test_files_give_the_same_model(quick, X, tmp_path):
    for lipschitz in ("zero-gp", "sn"):
        gan = quick(lipschitz=lipschitz).fit(X)
        gan.save(tmp_path / "model")
        loaded = WassersteinGAN.load(tmp_path / "model")
        assert_array_equal(loaded.sample(5, random_state=0), gan.sample(5, random_state=0))
        assert loaded.score(X) == gan.score(X)
        assert_array_equal(
            loaded.inverse_transform(np.ones((2, 2))), gan.inverse_transform(np.ones((2, 2)))
        )


def test_wrong_parameters_are_refused(quick, X):
    for params, message in (
        ({"pack": 20}, "batch_size=16 is less than pack=20"),
        ({"loss": "hinge"}, "loss"),
        ({"network": torch.nn.Linear(2, 3)}, "network"),
    ):
        with pytest.raises(ValueError, match=message):
            quick(**params).fit(X)
    with pytest.raises(ValueError, match="packs of 4 rows"):
        quick(pack=4).fit(X).score(X[:3])
