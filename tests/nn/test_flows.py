"""Flows: inverses, determinants and densities against automatic differentiation and quadrature."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skgw.nn import FittedNetwork
from skgw.nn.flows import ActNorm, FlowSpec

SPECS = {
    "mlp": FlowSpec(5, n_blocks=3, hidden_layer_sizes=(8,)),
    "conv": FlowSpec(
        12, n_blocks=3, network="conv", hidden_layer_sizes=(4,), image_shape=(2, 2, 3)
    ),
    "one feature": FlowSpec(1, n_blocks=2, hidden_layer_sizes=(4,)),
}


@pytest.fixture(params=SPECS)
def spec(request):
    return SPECS[request.param]


@pytest.fixture
def flow(spec):
    """A flow with random weights in every layer, in float64."""
    made, source = spec.build(seed=0).double(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in made.parameters():
            weights.copy_(0.5 * torch.randn(weights.shape, generator=source, dtype=torch.float64))
    return made


@pytest.fixture
def x(spec):
    source = torch.Generator().manual_seed(2)
    return torch.randn(6, spec.n_features, generator=source, dtype=torch.float64)


def test_decoding_undoes_encoding(flow, x):
    z = flow.encode(x)
    assert not torch.allclose(z, x)
    assert_allclose(flow.decode(z).detach(), x, atol=1e-10)


def test_the_log_determinant_is_that_of_the_jacobian(flow, x):
    _, found = flow(x)
    for row, log_determinant in zip(x, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda r: flow.encode(r[None])[0], row)
        assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(
            float(log_determinant.detach())
        )


@pytest.mark.parametrize("n_features", [1, 2])
def test_the_density_integrates_to_one(n_features):
    flow = FlowSpec(n_features, n_blocks=4, hidden_layer_sizes=(8,)).build(seed=3).double()
    with torch.no_grad():
        for block in flow.blocks:
            block.norm.log_factor.fill_(0.2)
            block.coupling.network[-1].weight.normal_(std=0.3, generator=torch.Generator())
    at = torch.linspace(-12, 12, 400, dtype=torch.float64)
    grid = torch.cartesian_prod(*n_features * [at]).reshape(-1, n_features)
    with torch.no_grad():
        density = flow.log_density(grid).exp()
    assert float(density.sum() * (at[1] - at[0]) ** n_features) == pytest.approx(1, rel=1e-3)


def test_a_new_flow_is_the_normalisation_alone(spec, x):
    x = x.float()
    assert torch.equal(spec.build(seed=0).encode(x), x)


def test_every_feature_is_moved(spec):
    masks = torch.stack([block.coupling.kept for block in spec.build().blocks])
    assert_allclose(masks[0] + masks[1], 1)
    if spec.n_features > 1:
        assert 0 < masks[0].mean() < 1


def test_normalisations_start_from_rows():
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * 4 + 7
    x[:, 2] = 1.0  # a constant feature has no scale
    norm = ActNorm(3)
    norm.start_at(x)
    z, log_determinant = norm(x)
    assert_allclose(z.mean(0).detach(), 0, atol=1e-5)
    assert_allclose(z[:, :2].std(0, correction=0).detach(), 1, rtol=1e-5)
    assert log_determinant.shape == (500,)
    assert_allclose(norm.inverse(z).detach(), x, atol=1e-4)


def test_weights_are_those_of_the_specification(spec):
    fitted = FittedNetwork.of(spec.build(seed=4), spec)
    x = torch.zeros(2, spec.n_features)
    assert torch.equal(fitted.build().encode(x), spec.build(seed=4).encode(x))
    assert all(np.isfinite(w).all() for w in fitted.weights.values())


def test_mistakes():
    with pytest.raises(ValueError, match="positive integers"):
        FlowSpec(4, hidden_layer_sizes=(0,)).build()
    with pytest.raises(ValueError, match="image_shape"):
        FlowSpec(4, network="conv").build()
    with pytest.raises(ValueError, match="network"):
        FlowSpec(4, network="dcgan")
