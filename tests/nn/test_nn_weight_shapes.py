"""Shapes of weights without a network are those of the network."""

import numpy as np
import pytest
from torch import nn

from skgw.nn import IMAGE_NETWORKS, AdversarySpec, AutoencoderSpec, FittedNetwork, GeneratorSpec
from skgw.nn.residual import ResidualSpec

SPECS = {
    "generator": GeneratorSpec(2, 3, "mlp", (4, 5), 6),
    "normal prior": GeneratorSpec(2, 3, "mlp", (), 1),
    "generator of images": GeneratorSpec(2 * 9 * 8, 3, "conv", (4, 5), 2, (2, 9, 8)),
    "autoencoder": AutoencoderSpec(6, 2, "mlp", (5, 4)),
    "stochastic": AutoencoderSpec(6, 2, "mlp", (5,), stochastic=True),
    "images": AutoencoderSpec(3 * 9 * 12, 2, "conv", (4, 5, 6), image_shape=(3, 9, 12)),
    "asymmetric": AutoencoderSpec(6, 2, "mlp", (5, 4), decoder_layer_sizes=(3, 7, 8)),
    "asymmetric images": AutoencoderSpec(
        3 * 9 * 12, 2, "conv", (4, 5, 6), image_shape=(3, 9, 12), decoder_layer_sizes=(7, 3)
    ),
    "wae": AutoencoderSpec(64, 2, "wae", image_shape=(1, 8, 8)),
    "infogan, stochastic": AutoencoderSpec(
        64, 2, "infogan", stochastic=True, image_shape=(1, 8, 8)
    ),
    "activation": AutoencoderSpec(6, 2, output_activation="tanh"),
    **{name: GeneratorSpec(45, 3, name, (), 2, (1, 5, 9)) for name in IMAGE_NETWORKS},
    "residual": ResidualSpec(3, (4, 5)),
    "adversary": AdversarySpec(3, 5, "mlp", (4, 5)),
    "adversary with axes": AdversarySpec(5, 3, "mlp", (4,), has_axes=True),
    "layerwise adversary": AdversarySpec(5, 3, "mlp", (4,), residual=False),
    "adversary of images": AdversarySpec(2 * 9 * 8, 3, "conv", (4, 5), (2, 9, 8)),
    **{f"adversary {name}": AdversarySpec(45, 3, name, (), (1, 5, 9)) for name in IMAGE_NETWORKS},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_shapes_are_those_of_the_network(spec):
    built = {name: tuple(x.shape) for name, x in spec.build().state_dict().items()}
    assert dict(spec.weight_shapes()) == built


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_fitted_network_has_the_weights_of_its_specification(spec):
    weights = FittedNetwork.of(spec.build(), spec).weights
    name = max(weights)
    for wrong in (
        {name: weights[name][None]},
        {name: weights[name].astype(np.float64)},
        {name: np.full_like(weights[name], np.nan)},
        {"another": weights[name]},
    ):
        with pytest.raises(ValueError, match=r"weights"):
            FittedNetwork(spec, weights | wrong)
    with pytest.raises(ValueError, match="must have shape"):
        FittedNetwork(spec, {k: x for k, x in weights.items() if k != name})


def test_networks_of_users_are_not_compared():
    spec = GeneratorSpec(2, 3, nn.Linear(3, 2), (), 1)
    assert spec.weight_shapes() is None
    assert FittedNetwork(spec, {"x": np.ones(1)}).weights["x"] == 1


@pytest.mark.parametrize(
    ("sizes", "n_components"),
    [((10**5, 10**5), 2), ((4,), 10**9), ((2**62,), 2), (10**5 * (4,), 2)],
)
def test_a_large_network_is_refused_without_building_it(sizes, n_components):
    weights = FittedNetwork.of(SPECS["generator"].build(), SPECS["generator"]).weights
    with pytest.raises(ValueError, match="must have shape"):
        FittedNetwork(GeneratorSpec(2, 3, "mlp", sizes, n_components), weights)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match=r"network must be one of .*'transformer'"):
        AutoencoderSpec(6, 2, "transformer")
