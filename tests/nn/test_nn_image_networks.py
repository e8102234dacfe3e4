"""Convolutional networks of the literature."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.nn import IMAGE_NETWORKS, FittedNetwork, GeneratorSpec, adversary_network
from skgw.nn.image_networks import (
    image_encoder,
    image_encoder_shapes,
    image_generator,
    image_generator_shapes,
)
from skgw.nn.networks import without_dropout

SHAPES = [(1, 4, 4), (1, 8, 8), (2, 9, 13), (1, 17, 5)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def widths(network):
    """Shapes of what the linear maps and convolutions return for one vector or image."""
    is_generator = isinstance(network[0], nn.Linear)
    size = network[0].in_features if is_generator else np.prod(network[0].unflattened_size)
    x, shapes = torch.zeros(1, size), []
    for layer in network.eval():
        x = layer(x)
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            shapes.append(tuple(x.shape[1:]))
    return shapes


def kinds(network):
    return [type(layer).__name__ for layer in network]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_any_size_is_generated_and_encoded(name, shape):
    images = image_generator(name, 3, shape, seeded())(torch.randn(4, 3, generator=seeded()))
    assert images.shape == (4, torch.Size(shape).numel())
    assert image_encoder(name, shape, 5, seeded())(images).shape == (4, 5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_shapes_are_those_of_the_weights(name, shape):
    for network, shapes in (
        (image_generator(name, 3, shape), image_generator_shapes(name, 3, shape)),
        (image_encoder(name, shape, 5), image_encoder_shapes(name, shape, 5)),
    ):
        built = {key: tuple(x.shape) for key, x in network.state_dict().items()}
        assert dict(shapes) == built


def test_infogan_has_the_layers_of_its_paper():
    generator = image_generator("infogan", 74, (1, 28, 28))
    assert widths(generator) == [(1024,), (128 * 49,), (64, 14, 14), (1, 28, 28)]
    assert kinds(generator).count("BatchNorm1d") == 2
    assert kinds(generator).count("BatchNorm2d") == 1
    encoder = image_encoder("infogan", (1, 28, 28), 10)
    assert widths(encoder) == [(64, 14, 14), (128, 7, 7), (1024,), (10,)]
    assert kinds(encoder)[:3] == ["Unflatten", "Conv2d", "LeakyReLU"]
    assert encoder[2].negative_slope == 0.1
    assert kinds(encoder)[-4:] == ["Linear", "BatchNorm1d", "LeakyReLU", "Linear"]


def test_dcgan_has_the_layers_of_its_paper():
    sizes = [(16384,), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    assert widths(image_generator("dcgan", 100, (3, 64, 64))) == sizes
    for name, n in (("dcgan", 4), ("dcgan-no-norm", 0)):
        norms = [k for k in kinds(image_generator(name, 100, (3, 64, 64))) if "BatchNorm" in k]
        assert len(norms) == n
    assert kinds(image_encoder("dcgan", (1, 8, 8), 1))[1:3] == ["Conv2d", "LeakyReLU"]


def test_wae_has_the_layers_of_its_paper():
    digits = [(1024 * 49,), (512, 14, 14), (256, 28, 28), (1, 28, 28)]
    assert widths(image_generator("wae", 8, (1, 28, 28))) == digits
    faces = [(128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4), (64,)]
    encoder = image_encoder("wae", (3, 64, 64), 64)
    assert widths(encoder) == faces
    assert kinds(encoder).count("BatchNorm2d") == 4
    assert "LeakyReLU" not in kinds(encoder)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_weights_follow_the_seed_and_nothing_else(name):
    before = torch.get_rng_state()
    first, again, other = (
        image_generator(name, 3, (1, 4, 4), seeded(s)).state_dict() for s in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(x, again[key]) for key, x in first.items())
    assert not torch.equal(first["0.weight"], other["0.weight"])
    assert abs(float(first["0.weight"].std()) - 0.02) < 0.002


@pytest.mark.parametrize("build", [image_generator, image_encoder])
def test_small_images_are_refused(build):
    arguments = (3, (1, 3, 28)) if build is image_generator else ((1, 3, 28), 3)
    with pytest.raises(
        ValueError, match=r"Images of 3 x 28 pixels are too small: .* need 4 pixels"
    ):
        build("dcgan", *arguments)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_a_generator_needs_the_shape_of_its_images(name):
    with pytest.raises(ValueError, match=r"Images need output_shape=.* of 63 values"):
        GeneratorSpec(63, 3, name, (), 1, (1, 8, 8)).build()


def test_a_fitted_network_keeps_its_running_statistics():
    spec = GeneratorSpec(64, 3, "infogan", (), 1, (1, 8, 8))
    generator = spec.build()
    for _ in range(5):
        generator(50, seeded())
    fitted = FittedNetwork.of(generator, spec)
    assert fitted.weights["network.1.num_batches_tracked"] == 5
    assert_close(fitted.build()(9, seeded()), generator.eval()(9, seeded()))


def test_one_sampled_image_does_not_depend_on_the_others():
    spec = GeneratorSpec(64, 3, "dcgan", (), 1, (1, 8, 8))
    generator = spec.build().eval()
    noise = torch.randn(5, 3, generator=seeded())
    assert_close(generator.points(noise)[:1], generator.points(noise[:1]))


def test_an_adversary_of_images_starts_as_an_isometry():
    x = torch.randn(6, 64, generator=seeded())
    network = adversary_network("infogan", 64, 64, hidden_layer_sizes=(), image_shape=(1, 8, 8))
    assert_close(network(x), x)
    with pytest.raises(ValueError, match="Images need image_shape"):
        adversary_network("infogan", 64, 64, hidden_layer_sizes=())


def test_without_dropout_normalisation_stays_in_training_mode():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    without_dropout(network)
    assert [layer.training for layer in network] == [False, True, False]
