import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.nn import (
    FittedNetwork,
    GaussianPrior,
    Generator,
    GeneratorSpec,
    MixturePrior,
    mlp,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def spec(**changes):
    defaults = {
        "n_outputs": 2,
        "latent_dim": 3,
        "network": "mlp",
        "hidden_layer_sizes": (5, 4),
        "n_prior_components": 6,
    }
    return GeneratorSpec(**{**defaults, **changes})


# ---------------------------------------------------------------------------------------- mlp


def test_mlp_has_the_widths_it_is_given():
    network = mlp((3, 5, 4, 2))
    kinds = [type(layer).__name__ for layer in network]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [tuple(p.shape) for p in network.parameters() if p.ndim == 2] == [(5, 3), (4, 5), (2, 4)]


def test_mlp_without_hidden_layers_is_linear():
    network = mlp((3, 2))
    x = torch.randn(4, 3, generator=seeded())
    assert_close(network(x), x @ network[0].weight.T + network[0].bias)


# ------------------------------------------------------------------------------------- generator


def test_a_generator_is_its_network_on_its_prior():
    prior, network = GaussianPrior(3), nn.Linear(3, 2)
    points = Generator(prior, network, 2)(7, seeded())
    assert_close(points, network(prior(7, seeded())))


def test_axes_are_scaled():
    generator = Generator(GaussianPrior(3), nn.Linear(3, 2), 2)
    before = generator(7, seeded())
    generator.scale.copy_(torch.tensor([2.0, 0.5]))
    assert_close(generator(7, seeded()), before * torch.tensor([2.0, 0.5]))


def test_points_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"shape \(7, 4\).* n_components is 2"):
        Generator(GaussianPrior(3), nn.Linear(3, 4), 2)(7, seeded())


def test_a_network_for_noise_of_another_dimension_is_named():
    generator = Generator(GaussianPrior(3), nn.Linear(5, 2), 2)
    with pytest.raises(ValueError, match=r"generator does not fit .* \(7, 3\): .*7x3 and 5x2"):
        generator(7, seeded())


def test_stratification_reaches_the_prior():
    prior = MixturePrior(1, 4, scale=0.0)
    generator = Generator(prior, nn.Identity(), 1)
    assert len(generator(4, seeded(), stratified=True).unique()) == 4


# ------------------------------------------------------------------------------------------ spec


def test_weights_follow_the_seed_and_nothing_else():
    before = torch.get_rng_state()
    first, again, reseeded = (spec().build(seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.items():
        assert_close(weight, again[name])
        assert name in ("scale", "origin") or not torch.allclose(weight, reseeded[name])


def test_weights_do_not_depend_on_the_default_dtype(double_by_default):
    weights = spec().build(seed=0).state_dict()
    torch.set_default_dtype(torch.float32)
    for name, weight in spec().build(seed=0).state_dict().items():
        assert torch.equal(weights[name], weight), name


def test_one_component_is_the_normal_distribution():
    assert isinstance(spec(n_prior_components=1).build().prior, GaussianPrior)
    assert spec(n_prior_components=7).build().prior.means.shape == (7, 3)


def test_a_factory_gets_both_dimensions():
    generator = spec(network=lambda *dims: nn.Linear(*dims)).build()
    assert (generator.network.in_features, generator.network.out_features) == (3, 2)


def test_a_module_is_copied_with_its_weights():
    module = nn.Linear(3, 2)
    network = spec(network=module).build().network
    assert network is not module
    assert_close(network.weight, module.weight)
    with torch.no_grad():
        network.weight.zero_()
    assert module.weight.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_module_of_another_dtype_is_converted(dtype):
    generator = spec(network=nn.Linear(3, 2, dtype=dtype)).build()
    assert generator.network.weight.dtype == torch.float32
    assert generator(5, seeded()).dtype == torch.float32


@pytest.mark.parametrize("sizes", [(-3,), (0,), (5, 0), (4.0,), ("8",), (None,)])
def test_hidden_layers_have_positive_sizes(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be positive integers, got"):
        spec(hidden_layer_sizes=sizes).build()


def test_a_factory_has_to_return_a_module():
    with pytest.raises(TypeError, match=r"generator returned a function, expected a torch\.nn"):
        spec(network=lambda *dims: lambda noise: noise).build()


def test_specs_compare_by_value():
    assert spec() == spec()
    assert spec() != spec(latent_dim=4)


# ---------------------------------------------------------------------------------------- fitted


@pytest.mark.parametrize("network", ["mlp", nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))])
def test_a_fitted_generator_gives_the_same_points(network):
    generator = spec(network=network).build(seed=3)
    generator(50, seeded())  # moves the running statistics
    fitted = FittedNetwork.of(generator, spec(network=network))
    assert all(type(weight) is np.ndarray for weight in fitted.weights.values())
    rebuilt = fitted.build()
    assert not rebuilt.training
    assert_close(rebuilt(9, seeded()), generator.eval()(9, seeded()))


def test_weights_are_copied_not_shared():
    generator = spec().build()
    fitted = FittedNetwork.of(generator, spec())
    expected = fitted.build()(5, seeded())
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
    assert_close(fitted.build()(5, seeded()), expected)
    with torch.no_grad():
        for parameter in fitted.build().parameters():
            parameter.zero_()
    assert_close(fitted.build()(5, seeded()), expected)
