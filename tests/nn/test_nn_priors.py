import pytest
import torch
from torch.testing import assert_close

from skgw.nn import GaussianPrior, MixturePrior, Prior


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def mixture():
    """Four narrow components with known means."""
    prior = MixturePrior(2, 4, scale=0.01)
    with torch.no_grad():
        prior.means.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    return prior


@pytest.mark.parametrize("prior", [GaussianPrior(3), MixturePrior(3, 5, 0.5)])
@pytest.mark.parametrize("stratified", [False, True])
def test_draws_follow_the_generator_alone(prior, stratified):
    before = torch.get_rng_state()
    first, again, reseeded = (prior(10, seeded(s), stratified=stratified) for s in (0, 0, 1))
    assert first.shape == (10, 3)
    assert_close(first, again)
    assert not torch.allclose(first, reseeded)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("prior", [GaussianPrior(3), MixturePrior(3, 5, 0.5)])
def test_draws_do_not_depend_on_the_default_dtype(prior, double_by_default):
    noise = prior(10, seeded(), stratified=True)
    torch.set_default_dtype(torch.float32)
    assert torch.equal(noise, prior(10, seeded(), stratified=True))


def test_gaussian_moments():
    noise = GaussianPrior(2)(20_000, seeded())
    assert_close(noise.mean(0), torch.zeros(2), atol=0.03, rtol=0)
    assert_close(noise.T.cov(), torch.eye(2), atol=0.04, rtol=0)


def test_gaussian_noise_has_the_dtype_of_the_prior():
    prior = GaussianPrior(2).double()
    assert prior(3, seeded()).dtype == torch.float64
    assert list(prior.state_dict()) == []  # nothing to learn, nothing to save


def nearest_component(prior, noise):
    return torch.cdist(noise, prior.means).argmin(1)


@pytest.mark.parametrize("n", [4, 8, 100])
def test_strata_are_components_in_exact_shares(mixture, n):
    for seed in range(5):
        noise = mixture(n, seeded(seed), stratified=True)
        counts = nearest_component(mixture, noise).bincount(minlength=4)
        assert counts.tolist() == [n // 4] * 4


@pytest.mark.parametrize("n", [3, 5, 10])
def test_shares_of_other_batch_sizes_differ_by_one_draw(mixture, n):
    totals = torch.zeros(4)
    for seed in range(400):
        noise = mixture(n, seeded(seed), stratified=True)
        counts = nearest_component(mixture, noise).bincount(minlength=4)
        assert counts.max() - counts.min() <= 1
        totals += counts
    assert_close(totals / totals.sum(), torch.full((4,), 0.25), atol=0.03, rtol=0)


def test_unstratified_draws_choose_components_at_random(mixture):
    counts = nearest_component(mixture, mixture(4000, seeded())).bincount(minlength=4)
    assert counts.sum() == 4000
    assert (counts - 1000).abs().max() < 120  # four standard deviations
    assert counts.unique().numel() > 1


def test_components_have_their_mean_and_covariance():
    prior = MixturePrior(3, 1, scale=0.5)
    noise = prior(20_000, seeded()).detach()
    assert_close(noise.mean(0), prior.means[0].detach(), atol=0.02, rtol=0)
    assert_close(noise.T.cov(), 0.25 * torch.eye(3), atol=0.02, rtol=0)


def test_components_and_their_noise_are_drawn_together(mixture):
    component, deviation = mixture.draw(40, seeded(), stratified=True)
    noise = mixture.place(component, deviation)
    assert_close(noise, mixture(40, seeded(), stratified=True))
    assert_close((noise - mixture.means[component]) / 0.01, deviation, atol=1e-4, rtol=0)


def test_means_are_learned(mixture):
    mixture(8, seeded(), stratified=True).sum().backward()
    assert_close(mixture.means.grad, torch.full((4, 2), 2.0))  # each drew two of eight
    assert [name for name, _ in mixture.named_parameters()] == ["means"]


def test_a_prior_without_forward_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Prior(2)
