"""Style sets: generated images take on the texture of examples."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits

from skgw import GWGenerativeEmbedding, nn
from skgw.embedding import Anchors, Generator, Penalties, Prior, StyleSet
from skgw.embedding.style_set import PatchStyle

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:200] / 16


def images(quick, **params):
    """An estimator of digits whose images begin at black."""
    generator = Generator(n_init_updates=20, prior=Prior(4, n_components=8))
    sizes = {"n_components": 64, "output_shape": SHAPE, "hidden_layer_sizes": (32,)}
    return quick(generator=generator, **{**sizes, **params})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------- the critic


@pytest.mark.parametrize(("n_layers", "size"), [(1, 4), (2, 10), (3, 22)])
def test_a_patch_is_all_that_the_critic_sees(n_layers, size):
    critic = nn.patch_critic((1, 64, 64), n_layers, seeded())
    x = torch.zeros(1, 64 * 64, requires_grad=True)
    log_odds = critic(x)[0]
    side = round(len(log_odds) ** 0.5)
    middle = log_odds[side * (side // 2) + side // 2]
    (seen,) = torch.autograd.grad(middle, x)
    rows, columns = seen.reshape(64, 64).nonzero().T
    assert len(rows.unique()) == len(columns.unique()) == size


def test_the_critic_learns_to_tell_textures_apart():
    noise = torch.randn(40, 64, generator=seeded())
    stripes = noise.reshape(-1, 8, 8)[:, :, :1].expand(-1, 8, 8).flatten(1)
    style = PatchStyle(stripes, nn.patch_critic(SHAPE, 2, seeded()), 1)
    optimizer = torch.optim.Adam(style.critic.parameters(), lr=2e-3)
    for _ in range(30):
        losses = style.losses(noise, seeded())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses["critic"] < 1.2 < 2 * np.log(2)
    assert style(stripes).mean() < style(noise).mean()
    assert style(noise).shape == (40,)


def test_free_images_take_on_the_style(digits):
    """Images that follow the critic become dark, or light, as the examples are."""
    for examples in (digits, 1 - digits):
        inputs = torch.as_tensor(examples, dtype=torch.float32)
        style = PatchStyle(inputs, nn.patch_critic(SHAPE, 2, seeded()), 1)
        points = torch.rand(20, 64, generator=seeded()).requires_grad_()
        of_points = torch.optim.Adam([points], lr=0.02)
        of_critic = torch.optim.Adam(style.critic.parameters(), lr=2e-3)
        for _ in range(40):
            for optimizer in (of_critic, of_points):
                losses = style.losses(points.detach(), seeded())["loss"]
                loss = losses if optimizer is of_critic else style(points).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        reached = float(points.detach().mean())
        assert abs(reached - examples.mean()) < 0.5 * abs(0.5 - examples.mean())


def test_the_critic_does_not_depend_on_the_unit():
    examples = torch.rand(50, 64, generator=seeded())
    critic = nn.patch_critic(SHAPE, 2, seeded())
    one, other = PatchStyle(examples, critic, 1), PatchStyle(255 * examples + 3, critic, 1)
    torch.testing.assert_close(one(examples), other(255 * examples + 3), atol=1e-4, rtol=1e-4)


def test_examples_without_contrast_are_finite():
    style = PatchStyle(torch.ones(5, 64), nn.patch_critic(SHAPE, 2, seeded()), 1)
    assert torch.isfinite(style(torch.ones(2, 64))).all()


# ---------------------------------------------------------------------------------- the estimator


def test_fits_with_a_style_set_repeat(quick, digits):
    style = Penalties(mean=0.0, style_set=digits)
    first, again = (images(quick, penalties=style).fit(digits) for _ in range(2))
    assert_array_equal(first.embedding_, again.embedding_)
    other = images(quick, penalties=Penalties(mean=0.0)).fit(digits)
    assert not np.array_equal(first.embedding_, other.embedding_)


def test_a_style_set_is_cloned_and_saved(quick, digits, tmp_path):
    style = Penalties(mean=0.0, style_set=StyleSet(digits), anchors=Anchors([0, 1], digits[:2]))
    estimator = images(quick, penalties=style)
    assert clone(estimator).penalties == style
    estimator.set_params(penalties__style_set__weight=0.2).fit(digits).save(tmp_path / "model")
    loaded = GWGenerativeEmbedding.load(tmp_path / "model")
    assert loaded.penalties.style_set.weight == 0.2
    assert_array_equal(loaded.sample(5, random_state=0), estimator.sample(5, random_state=0))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"output_shape": None}, "A style set is for images: it needs output_shape"),
        ({"penalties__style_set": StyleSet()}, "StyleSet needs examples"),
        ({"penalties__style_set": np.zeros((3, 5))}, "have 5 values, and n_components is 64"),
        ({"penalties__style_set__n_layers": 0}, "n_layers"),
    ],
)
def test_wrong_style_sets_are_named(quick, digits, params, message):
    estimator = images(quick, penalties=Penalties(style_set=StyleSet(digits)))
    with pytest.raises(ValueError, match=message):
        estimator.set_params(**params).fit(digits)


# -------------------------------------------------------------------------------- bounded outputs


@pytest.mark.parametrize(("activation", "low"), [("logistic", 0), ("tanh", -1)])
def test_bounded_points_stay_in_their_range(quick, digits, activation, low):
    params = {"max_iter": 50, "generator__n_init_updates": 200}
    params |= {"generator__output_activation": activation}
    anchors = Anchors(np.arange(20), digits[:20])
    for penalties in (None, anchors):
        estimator = images(quick, penalties=penalties, **params).fit(digits)
        samples = estimator.sample(100, random_state=0)
        assert low <= samples.min() < samples.max() <= 1
        assert samples.std() > 0.1
    assert abs(samples.mean() - digits.mean()) < 0.1  # the anchors know where the digits are


def test_the_activation_is_the_last_layer():
    network = torch.nn.Linear(3, 2)
    noise = torch.randn(5, 3, generator=seeded())
    points = nn.Generator(nn.GaussianPrior(3), network, 2, "tanh").points(noise)
    torch.testing.assert_close(points, network(noise).tanh())
    for name, midpoint in (("identity", None), ("logistic", 0.5), ("tanh", 0.0)):
        assert nn.Generator(nn.GaussianPrior(3), network, 2, name).midpoint == midpoint
