"""Trainable priors: moments of draws, independence, gradients, and what files may hold."""

import itertools

import numpy as np
import pytest
import torch

from skgw.nn import FittedNetwork
from skgw.nn.networks import check_shapes
from skgw.nn.trainable_priors import PRIORS, GaussianMixturePrior, PriorSpec

SIZES = {"neural": 16, "factorized": 8, "gaussian-mixture": 3}


def built(family, dim=3, seed=0):
    return PriorSpec(family, dim, SIZES.get(family, 1)).build(seed)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("family", PRIORS)
def test_codes_have_mean_zero_and_variance_one(family):
    codes = built(family)(20_000, source())
    assert codes.dtype == torch.float32
    assert torch.allclose(codes.mean(0), torch.zeros(3), atol=0.05)
    assert torch.allclose(codes.var(0), torch.ones(3), atol=0.06)


@pytest.mark.parametrize("family", PRIORS)
def test_draws_repeat_and_weights_depend_on_the_seed(family):
    prior = built(family)
    assert torch.equal(prior(50, source()), built(family)(50, source()))
    assert not torch.equal(prior(50, source()), prior(50, source(1)))
    if family in SIZES:
        assert not torch.equal(prior(50, source()), built(family, seed=1)(50, source()))


@pytest.mark.parametrize("family", PRIORS)
def test_specification_and_weights_rebuild_the_prior(family):
    prior = built(family)
    prior.train()
    for _ in range(3):
        prior(100, source())
    prior.eval()
    fitted = FittedNetwork.of(prior, PriorSpec(family, 3, SIZES.get(family, 1)))
    assert torch.equal(fitted.build()(10, source()), prior(10, source()))
    shapes = {name: tuple(x.shape) for name, x in prior.state_dict().items()}
    check_shapes(fitted.spec.weight_shapes(), shapes)


def test_unknown_family_is_an_error():
    with pytest.raises(ValueError, match="family"):
        PriorSpec("learned", 2, 4)


def hsic(a, b):
    """Cross-covariance of functions of two samples; near zero if these are independent."""
    features = [torch.stack([f(x) for f in (torch.sin, torch.abs, torch.square)]) for x in (a, b)]
    A, B = (F - F.mean(1, keepdim=True) for F in features)
    A, B = (F / F.norm(dim=1, keepdim=True) for F in (A, B))
    return float((A @ B.T).abs().max())


def test_coordinates_of_a_factorized_prior_are_independent_and_others_are_not():
    for seed in range(3):
        codes = built("factorized", seed=seed)(20_000, source()).detach()
        pairs = itertools.combinations(codes.T, 2)
        assert max(hsic(a, b) for a, b in pairs) < 0.03
    codes = built("neural")(20_000, source()).detach()
    assert max(hsic(a, b) for a, b in itertools.combinations(codes.T, 2)) > 0.1


def test_moments_of_a_mixture_are_those_of_its_draws():
    prior = GaussianMixturePrior(2, 3, source())
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.0, 1.0, 2.0]))
        prior.raw_factors.copy_(torch.randn(3, 2, 2, generator=source(1)))
    with torch.no_grad():
        shares, means, factors = prior.parameters_of_codes()
        codes, _, component = prior.draw(100_000, source(2))
    assert torch.allclose(shares.sum(), torch.ones(()))
    for k in range(3):
        own = codes[component == k]
        assert len(own) / 100_000 == pytest.approx(float(shares[k]), abs=0.01)
        assert torch.allclose(own.mean(0), means[k], atol=0.03)
        assert torch.allclose(own.T.cov(), factors[k] @ factors[k].T, atol=0.05)
    assert abs(float((factors[0] @ factors[0].T)[0, 1])) > 0.05  # a full covariance


def test_gradient_in_the_shares_of_a_mixture_is_that_of_the_expectation():
    """E |z - t|^2 of the raw mixture is known in closed form; only the shares vary."""
    prior = GaussianMixturePrior(2, 3, source())
    value = torch.tensor([1.0, -2.0, 4.0])  # a function of the component
    expected = (prior.logits.softmax(0) * value).sum()
    exact = torch.autograd.grad(expected, prior.logits)[0]
    _, weights, component = prior.draw(400_000, source(1))
    assert torch.allclose(weights.detach(), torch.ones(len(weights)))
    estimate = torch.autograd.grad((weights * value[component]).mean(), prior.logits)[0]
    assert torch.allclose(estimate, exact, atol=0.01)
    assert exact.abs().max() > 0.1


@pytest.mark.parametrize("family", SIZES)
def test_all_parameters_have_gradients(family):
    prior = built(family)
    codes, weights, _ = prior.draw(64, source())
    each = codes.square().sum(1).sin()
    (each if weights is None else weights * each).mean().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is not None, name
        assert np.isfinite(parameter.grad.numpy()).all()
