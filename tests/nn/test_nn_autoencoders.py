import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.nn import AutoencoderSpec, FittedNetwork, conv_encoder, decode, encode


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def spec(**changes):
    defaults = {"n_features": 6, "latent_dim": 2, "hidden_layer_sizes": (5, 4)}
    return AutoencoderSpec(**{**defaults, **changes})


def image_spec(shape, channels=(3, 4), **changes):
    return spec(
        n_features=math.prod(shape),
        network="conv",
        hidden_layer_sizes=channels,
        image_shape=shape,
        **changes,
    )


def widths(network):
    return [tuple(p.shape) for p in network.parameters() if p.ndim == 2]


# ----------------------------------------------------------------------------------- networks


def test_the_decoder_mirrors_the_encoder():
    autoencoder = spec().build()
    assert widths(autoencoder.encoder) == [(5, 6), (4, 5), (2, 4)]
    assert widths(autoencoder.decoder) == [(4, 2), (5, 4), (6, 5)]


def test_without_hidden_layers_both_are_linear():
    autoencoder = spec(hidden_layer_sizes=()).build()
    x = torch.randn(3, 6, generator=seeded())
    layer = autoencoder.encoder[0]
    assert_close(autoencoder.encode(x), x @ layer.weight.T + layer.bias)


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 8, 8), (1, 9, 11), (1, 28, 28), (3, 32, 32), (3, 33, 50), (1, 64, 64)]
)
@pytest.mark.parametrize("channels", [(3,), (3, 4), (3, 4, 5)])
def test_images_of_any_size(shape, channels):
    autoencoder = image_spec(shape, channels).build()
    x = torch.randn(2, math.prod(shape), generator=seeded())
    assert autoencoder.encode(x).shape == (2, 2)
    assert autoencoder(x).shape == x.shape
    convolutions = [m for m in autoencoder.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == list(channels)


def test_rows_are_images_channel_by_channel():
    """A filter that sums one channel sees the values of that channel alone."""
    encoder = conv_encoder((2, 4, 4), (1,), 1)
    with torch.no_grad():
        encoder[1].weight.zero_()[:, 1].fill_(1.0)
        encoder[1].bias.zero_()
        encoder[-1].weight.fill_(1.0)
        encoder[-1].bias.zero_()
    x = torch.zeros(2, 32)
    x[0, :16], x[1, 16:] = 1.0, 1.0
    assert encoder(x)[0] == 0
    assert encoder(x)[1] > 0


@pytest.mark.parametrize("channels", [(), (2, 2, 2, 2)])
def test_images_cannot_be_halved_below_one_pixel(channels):
    with pytest.raises(ValueError, match=r"8 x 9 pixels .* at least one layer, .* at most 3"):
        image_spec((1, 8, 9), channels).build()


@pytest.mark.parametrize("shape", [None, (1, 2, 2), (2, 3)])
def test_convolutions_need_the_shape_of_the_images(shape):
    with pytest.raises(ValueError, match=r"image_shape=.* of 6 values"):
        spec(network="conv", image_shape=shape).build()


def test_the_decoder_may_have_other_layers():
    autoencoder = spec(decoder_layer_sizes=(3, 7, 8)).build()
    assert widths(autoencoder.encoder) == [(5, 6), (4, 5), (2, 4)]
    assert widths(autoencoder.decoder) == [(3, 2), (7, 3), (8, 7), (6, 8)]
    images = image_spec((1, 8, 8), (3, 4), decoder_layer_sizes=(6, 5, 2)).build()
    doubling = [m for m in images.decoder if isinstance(m, nn.ConvTranspose2d)]
    assert [m.in_channels for m in doubling] == [6, 5, 2]
    assert images(torch.zeros(2, 64)).shape == (2, 64)


@pytest.mark.parametrize("network", ["wae", nn.Linear])
def test_layers_of_the_decoder_of_a_given_network_are_refused(network):
    with pytest.raises(ValueError, match="leave decoder_layer_sizes at None"):
        AutoencoderSpec(64, 2, network, image_shape=(1, 8, 8), decoder_layer_sizes=(3,))
    with pytest.raises(ValueError, match="decoder_layer_sizes must be positive integers"):
        spec(decoder_layer_sizes=(0,)).build()


@pytest.mark.parametrize(
    ("shape", "encoder", "decoder"),
    [
        # 64 pixels: FC 64; FC 8x8x1024, then 512, 256 and 128 channels (slides, appendix F)
        ((3, 64, 64), [128, 256, 512, 1024], [512, 256, 128]),
        ((1, 28, 28), [128, 256, 512, 1024], [512, 256]),  # FC 7x7x1024
    ],
)
def test_the_wasserstein_autoencoder_of_the_paper(shape, encoder, decoder):
    k, size = (64, 8) if shape[1] == 64 else (8, 7)
    found = AutoencoderSpec(math.prod(shape), k, "wae", image_shape=shape)
    shapes = dict(found.weight_shapes())
    convolutions = [s for n, s in shapes.items() if n.startswith("encoder") and len(s) == 4]
    assert [s[0] for s in convolutions] == encoder
    dense = [s for n, s in shapes.items() if n.startswith("encoder") and len(s) == 2]
    assert [s[0] for s in dense] == [k]
    assert shapes["decoder.0.weight"] == (size * size * 1024, k)
    doubling = [s for n, s in shapes.items() if n.startswith("decoder") and s[2:] == (4, 4)]
    assert [s[1] for s in doubling] == decoder


@pytest.mark.parametrize("name", ["wae", "dcgan", "dcgan-no-norm", "infogan"])
def test_networks_of_the_literature(name):
    case = AutoencoderSpec(
        64, 2, name, stochastic=True, image_shape=(1, 8, 8), output_activation="tanh"
    )
    autoencoder = case.build()
    x = torch.randn(5, 64, generator=seeded())
    mean, log_variance = autoencoder.posterior(x)
    assert mean.shape == log_variance.shape == (5, 2)
    assert autoencoder(x).shape == (5, 64)
    assert autoencoder(100 * x).abs().max() <= 1
    with pytest.raises(ValueError, match="image_shape"):
        AutoencoderSpec(64, 2, name).build()


def test_output_activations():
    x = 10 * torch.randn(50, 6, generator=seeded())
    for name, low, high in (("logistic", 0, 1), ("tanh", -1, 1)):
        out = spec(output_activation=name).build().decode(10 * torch.randn(50, 2))
        assert low <= out.min() < out.max() <= high
    linear, squashed = spec().build(), spec(output_activation="tanh").build()
    assert_close(squashed(x), linear(x).tanh())


def test_stochastic_encoders_return_means_and_log_variances():
    autoencoder = spec(stochastic=True).build()
    assert widths(autoencoder.encoder)[-1] == (4, 4)
    x = torch.randn(3, 6, generator=seeded())
    mean, log_variance = autoencoder.posterior(x)
    assert_close(torch.cat([mean, log_variance], dim=1), autoencoder.encoder(x))
    assert_close(autoencoder.encode(x), mean)
    assert spec().build().posterior(x)[1] is None


# -------------------------------------------------------------------------------------- custom


def test_a_factory_gets_both_dimensions_of_either_network():
    autoencoder = spec(network=nn.Linear, stochastic=True).build()
    assert widths(autoencoder) == [(4, 6), (6, 2)]


def test_a_pair_of_a_module_and_a_factory():
    module = nn.Linear(6, 2)
    autoencoder = spec(network=(module, lambda n, p: nn.Linear(n, p, bias=False))).build()
    assert autoencoder.encoder is not module
    assert_close(autoencoder.encoder.weight, module.weight)
    assert widths(autoencoder.decoder) == [(6, 2)]


def test_custom_networks_of_another_shape_are_refused():
    x = torch.zeros(3, 6)
    with pytest.raises(ValueError, match=r"encoder returns .* shape \(3, 5\), expected \(3, 2\)"):
        spec(network=(nn.Linear(6, 5), nn.Linear(2, 6))).build()(x)
    with pytest.raises(ValueError, match=r"decoder returns .* shape \(3, 7\), expected \(3, 6\)"):
        spec(network=(nn.Linear(6, 2), nn.Linear(2, 7))).build()(x)
    for pair, message in (
        ((nn.Linear(5, 2), nn.Linear(2, 6)), r"encoder does not fit .* \(3, 6\): .*3x6 and 5x2"),
        ((nn.Linear(6, 2), nn.Linear(5, 6)), r"decoder does not fit .* \(3, 2\): .*3x2 and 5x6"),
    ):
        with pytest.raises(ValueError, match=message):
            spec(network=pair).build()(x)


def test_a_factory_has_to_return_a_module():
    with pytest.raises(TypeError, match="network returned a function"):
        spec(network=lambda *dims: lambda x: x).build()


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("sizes", [(-3,), (4.0,), (None,)])
def test_hidden_layers_have_positive_sizes(network, sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be positive integers"):
        image_spec((1, 8, 8), sizes, latent_dim=3).build()
    with pytest.raises(ValueError, match="hidden_layer_sizes must be positive integers"):
        spec(hidden_layer_sizes=sizes).build()


# ------------------------------------------------------------------------- weights, fitted state


@pytest.mark.parametrize("case", [spec(), image_spec((1, 8, 8))])
def test_weights_follow_the_seed_and_nothing_else(case, double_by_default):
    before = torch.get_rng_state()
    first, reseeded = (case.build(seed).state_dict() for seed in (0, 1))
    torch.set_default_dtype(torch.float32)
    again = case.build(0).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, again[name])
        assert not torch.equal(weight, reseeded[name])


def test_specs_compare_by_value():
    assert spec() == spec()
    assert spec() != spec(stochastic=True)


@pytest.mark.parametrize(
    "case",
    [
        spec(),
        image_spec((3, 8, 8), stochastic=True),
        spec(network=(nn.Sequential(nn.Linear(6, 2), nn.BatchNorm1d(2)), nn.Linear)),
    ],
)
def test_a_fitted_autoencoder_is_rebuilt(case):
    autoencoder = case.build(seed=3)
    x = torch.randn(9, case.n_features, generator=seeded())
    autoencoder(x)  # moves running statistics
    fitted = pickle.loads(pickle.dumps(FittedNetwork.of(autoencoder, case)))
    expected = autoencoder.eval()(x)
    assert all(type(weight) is np.ndarray for weight in fitted.weights.values())
    with torch.no_grad():
        for parameter in autoencoder.parameters():
            parameter.zero_()  # weights are copied, not shared
    assert not fitted.build().training
    assert_close(fitted.build()(x), expected)


# -------------------------------------------------------------------------------------- chunks


def test_chunks_make_no_difference():
    autoencoder = spec(stochastic=True).build()
    X = np.random.default_rng(0).normal(size=(23, 6))
    Z, R = encode(autoencoder, X), decode(autoencoder, np.ones((23, 2)))
    assert Z.dtype == R.dtype == np.float32
    assert (Z.shape, R.shape) == ((23, 2), (23, 6))
    assert_close(torch.tensor(Z), autoencoder.encode(torch.tensor(X).float()).detach())
    np.testing.assert_allclose(encode(autoencoder, X, chunk_size=5), Z, atol=1e-6)
    codes = np.ones((23, 2))
    np.testing.assert_allclose(decode(autoencoder, codes, chunk_size=5), R, atol=1e-6)


def test_encode_runs_in_evaluation_mode():
    network = (nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 2)), nn.Linear)
    autoencoder = spec(network=network).build()
    X = np.ones((50, 6))
    assert len(np.unique(encode(autoencoder, X), axis=0)) == 1
    assert autoencoder.training  # restored
    assert len(autoencoder.encode(torch.ones(50, 6)).unique(dim=0)) > 1


def test_codes_under_autocast_are_arrays_of_numpy():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert encode(spec().build(), np.ones((3, 6))).dtype == np.float32
