"""Maps between domains: shapes, locality of convolutions, residuals, and mistakes."""

import pytest
import torch

from skgw.nn import FittedNetwork
from skgw.nn.translation_maps import MapSpec, conv_map


@pytest.mark.parametrize(
    "spec",
    [
        MapSpec(5, 3, hidden_layer_sizes=(8, 4)),
        MapSpec(5, 5, hidden_layer_sizes=(8,), residual=True),
        MapSpec(63, 126, "conv", (4, 6), (1, 7, 9), (2, 7, 9)),
    ],
    ids=str,
)
def test_maps_are_rebuilt_from_their_specification(spec):
    made = spec.build(seed=1)
    x = torch.randn(4, spec.n_inputs, generator=torch.Generator().manual_seed(0))
    fitted = FittedNetwork.of(made, spec)
    assert fitted.shape == (spec.n_inputs, spec.n_outputs)
    assert made(x).shape == (4, spec.n_outputs)
    assert torch.equal(fitted.build()(x), made(x))


def test_a_residual_map_adds_the_row():
    x = torch.ones(2, 4)
    plain, residual = (MapSpec(4, 4, "mlp", (8,), residual=r).build(seed=0) for r in (False, True))
    assert torch.allclose(residual(x), plain(x) + x)


def test_pixels_of_a_convolutional_map_depend_on_pixels_near_them():
    network = conv_map((1, 16, 16), (4,), 1, torch.Generator().manual_seed(0))
    image = torch.zeros(1, 256, requires_grad=True)
    network(image)[0, 0].backward()  # the corner
    reached = image.grad.reshape(16, 16) != 0
    assert reached[:4, :4].any()
    assert not reached[6:].any()
    assert not reached[:, 6:].any()


def test_a_callable_makes_the_network():
    spec = MapSpec(3, 2, lambda n_inputs, n_outputs: torch.nn.Linear(n_inputs, n_outputs))
    assert spec.weight_shapes() is None
    assert spec.build()(torch.ones(4, 3)).shape == (4, 2)
    wrong = MapSpec(3, 2, lambda n_inputs, n_outputs: torch.nn.Linear(n_inputs, 5)).build()
    with pytest.raises(ValueError, match=r"shape \(4, 5\), expected \(4, 2\)"):
        wrong(torch.ones(4, 3))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"residual": True}, "5 and 3 columns"),
        ({"network": "dcgan"}, "network must be one of"),
        ({"network": "conv"}, "image_shape"),
        ({"network": "conv", "image_shape": (1, 5, 1), "output_shape": (1, 1, 3)}, "same height"),
        ({"hidden_layer_sizes": (0,)}, "positive integers"),
    ],
)
def test_mistakes(params, message):
    with pytest.raises(ValueError, match=message):
        MapSpec(5, 3, **params).build()
