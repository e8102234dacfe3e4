import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch.testing import assert_close

from skgw.autoencoders.bound import negative_bound
from skgw.autoencoders.kinds import GENERATOR_LOSS_UNIT, KINDS, AutoencodingOptions
from skgw.autoencoders.objective import (
    AutoencodingObjective,
    RegularizedAutoencoder,
    absolute_error,
)
from skgw.autoencoders.penalties import (
    AdversarialPenalty,
    LatentAdversary,
    NormalDivergence,
)
from skgw.nn import (
    AutoencoderSpec,
    GaussianPrior,
    critic_loss,
    decode,
    encode,
    gaussian_kl,
    gaussian_kl_of_rows,
    isometry_penalty,
    mmd,
    non_saturating_loss,
    pairwise_distances,
)
from skgw.training import Checkpoint, TrainingOptions, train

P, K = 6, 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model_for(kind, *, n_features=P, latent_dim=K, sizes=(8,), seed=0, **options):
    spec = AutoencoderSpec(n_features, latent_dim, "mlp", sizes, stochastic=kind == "vae")
    return AutoencodingOptions(kind, **options).build(spec.build(seed), seed=seed)


def objective_for(X, model, *, batch_size=16, held_out=(), **options):
    order = np.setdiff1d(np.arange(len(X)), held_out)
    held_out = np.asarray(held_out, dtype=int)
    return AutoencodingObjective(
        X, model, batch_size=batch_size, order=order, held_out=held_out, **options
    )


@pytest.fixture
def x():
    return torch.randn(30, P, generator=seeded(7))


@pytest.fixture
def X(x):
    return x.numpy()


# -------------------------------------------------------------------------------------- losses


def test_an_autoencoder_without_prior_is_its_squared_error(x):
    model = model_for("ae")
    codes, losses = model(x, seeded())
    expected = (model.autoencoder(x) - x).square().mean()
    assert_close(codes, model.autoencoder.encode(x))
    assert_close(losses["reconstruction"], expected)
    assert_close(losses["loss"], expected)
    assert set(losses) == {"loss", "reconstruction"}


def test_the_prior_term_of_either_kind(x):
    drawn = GaussianPrior(K)(len(x), seeded())
    for kind, expected in (
        ("wae-mmd", lambda model, z: mmd(z, drawn)),
        ("wae-gan", lambda model, z: non_saturating_loss(model.penalties[0].adversary(z))),
    ):
        model = model_for(kind, prior_weight=3.0)
        codes, losses = model(x, seeded())
        assert_close(losses["prior"], expected(model, codes))
        unit = GENERATOR_LOSS_UNIT if kind == "wae-gan" else 1.0
        assert_close(losses["loss"], losses["reconstruction"] + 3 * unit * losses["prior"])


def test_a_vae_decodes_random_codes(x):
    model = model_for("vae")
    mean, log_variance = model.autoencoder.posterior(x)
    codes, losses = model(x, seeded())
    z = mean + (log_variance / 2).exp() * GaussianPrior(K)(len(x), seeded())
    assert_close(codes, mean)
    assert_close(losses["prior"], gaussian_kl(mean, log_variance))
    assert_close(losses["reconstruction"], (model.autoencoder.decode(z) - x).square().mean())
    assert model(x, seeded(1))[1]["reconstruction"] != losses["reconstruction"]


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_loss_of_a_vae_has_the_gradient_of_its_bound(x, beta):
    """The bound with the best variance of the decoder, in nats, summed over features."""
    model = model_for("vae", prior_weight=beta)
    losses = model(x, seeded())[1]
    weights = list(model.autoencoder.parameters())
    gradient = torch.autograd.grad(losses["loss"], weights, retain_graph=True)
    variance = losses["reconstruction"].detach()
    likelihood = torch.distributions.Normal(torch.tensor(0.0), losses["reconstruction"].sqrt())
    error = (losses["reconstruction"] / variance).sqrt() * variance.sqrt()  # its root mean square
    bound = P * likelihood.log_prob(error) - beta * losses["prior"]
    expected = torch.autograd.grad(-bound, weights)
    for g, e in zip(gradient, expected, strict=True):
        assert_close(g * P / (2 * variance), e, atol=1e-5, rtol=1e-4)


def test_isometry_is_added_with_its_weight(x):
    Dx = pairwise_distances(x)
    for kind in KINDS:
        codes, losses = model_for(kind, isometry_weight=0.5, isometry_scale=2.0)(x, seeded())
        plain = model_for(kind)(x, seeded())[1]
        expected = isometry_penalty(pairwise_distances(codes), Dx, scale=2.0)
        assert_close(losses["isometry"], expected)
        assert_close(losses["loss"], plain["loss"] + 0.5 * expected)
        assert "isometry" not in plain


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_what_a_phase_moves(X, kind):
    objective = objective_for(X, model_for(kind, isometry_weight=1.0))
    phases = objective.phases()
    assert [phase.name for phase in phases] == ["autoencoder", "critic"][: 1 + (kind == "wae-gan")]
    moved = [id(p) for phase in phases for p in phase.parameters]
    assert sorted(moved) == sorted(id(p) for p in objective.parameters())
    for phase in phases:
        objective.zero_grad()
        objective.losses(phase.name, seeded())["loss"].backward()
        for parameter in phase.parameters:
            assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_losses_do_not_depend_on_the_default_dtype(X, kind, double_by_default):
    objective = objective_for(X, model_for(kind, isometry_weight=1.0))
    losses = {phase.name: objective.losses(phase.name, seeded()) for phase in objective.phases()}
    torch.set_default_dtype(torch.float32)
    objective = objective_for(X, model_for(kind, isometry_weight=1.0))
    for phase, named in losses.items():
        for name, loss in objective.losses(phase, seeded()).items():
            assert loss.dtype == torch.float32
            assert torch.equal(loss, named[name])


def test_the_critic_learns_to_tell_codes_from_the_prior(x):
    model = model_for("wae-gan")
    critic, prior = model.penalties[0].adversary, GaussianPrior(K)
    loss = model.adversary_loss(x, seeded())["loss"]
    drawn, codes = prior(len(x), seeded()), model.autoencoder.encode(x)
    slope = torch.func.vmap(torch.func.grad(lambda z: critic(z)[0]))(drawn)
    expected = critic_loss(critic(drawn), critic(codes))
    assert_close(loss, expected + 0.5 * slope.square().sum(1).mean())
    loss.backward()
    assert all(p.grad is None for p in model.autoencoder.parameters())
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    noise = seeded()
    for _ in range(100):
        optimizer.zero_grad()
        model.adversary_loss(x, noise)["loss"].backward()
        optimizer.step()
    codes, drawn = model.autoencoder.encode(x), prior(500, seeded(1))
    assert critic(drawn).mean() > 0 > critic(codes).mean()


def test_kinds_that_do_not_exist_or_fit_are_refused():
    with pytest.raises(ValueError, match=r"must be one of .* got 'gan'"):
        model_for("gan")
    autoencoder = AutoencoderSpec(P, K).build()
    with pytest.raises(ValueError, match='"vae" needs a stochastic encoder'):
        AutoencodingOptions("vae").build(autoencoder)
    with pytest.raises(ValueError, match="No penalty of this autoencoder has such an adversary"):
        model_for("ae").adversary_loss(torch.zeros(2, P), seeded())
    with pytest.raises(ValueError, match="needs a stochastic encoder"):
        RegularizedAutoencoder(autoencoder, [NormalDivergence(P)])(torch.zeros(2, P), seeded())
    with pytest.raises(ValueError, match="no evidence lower bound"):
        negative_bound(autoencoder, torch.zeros(2, P), torch.zeros(2, K))


# ------------------------------------------------------------------------- batches, validation


@pytest.mark.parametrize("batch_size", [1, 16, 30, 100])
def test_batches_are_rows_of_the_training_part(X, batch_size):
    seen = []
    model = model_for("ae")
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    objective = objective_for(X, model, batch_size=batch_size, held_out=[0, 5])
    noise = seeded()
    for _ in range(max(2, 300 // batch_size)):
        objective.losses("autoencoder", noise)
    rows = np.delete(X, [0, 5], axis=0)
    assert {len(x) for x in seen} == {min(batch_size, 28)}
    assert_close(torch.cat(seen).unique(dim=0), torch.tensor(rows).unique(dim=0))


def test_validation_is_the_error_of_held_out_rows(X):
    model = model_for("ae")
    assert objective_for(X, model).validation_loss() is None
    objective = objective_for(X, model, held_out=[2, 4]).eval()
    rows = torch.tensor(X[[2, 4]])
    expected = (model.autoencoder(rows) - rows).square().mean().item()
    assert objective.validation_loss() == pytest.approx(expected)


def test_another_validation_loss(X):
    """It gets the model and the held-out rows."""
    model = model_for("ae")
    objective = objective_for(
        X, model, held_out=[2, 4], validation=lambda m, x: x.sum() * (m is model)
    )
    assert objective.validation_loss() == pytest.approx(X[[2, 4]].sum())


def test_the_bound_of_a_row(x):
    """A normal density around the reconstruction of the drawn code, and the divergence."""
    autoencoder, noise = model_for("vae").autoencoder, torch.randn(len(x), K, generator=seeded())
    with torch.no_grad():
        mean, log_variance = autoencoder.posterior(x)
        decoded = autoencoder.decode(mean + (log_variance / 2).exp() * noise)
        for variance in (0.7, None):
            reconstruction, divergence = negative_bound(autoencoder, x, noise, variance=variance)
            s2 = (decoded - x).square().mean().item() if variance is None else variance
            density = torch.distributions.Normal(decoded, math.sqrt(s2)).log_prob(x).sum(1)
            assert_close(reconstruction, -density)
            assert_close(divergence, gaussian_kl_of_rows(mean, log_variance))


@pytest.mark.parametrize("cost", [absolute_error, lambda x, decoded: (x - decoded)[:, 0].norm()])
def test_the_cost_replaces_the_squared_error(x, cost):
    model = RegularizedAutoencoder(AutoencoderSpec(P, K).build(), cost=cost)
    losses = model(x, seeded())[1]
    assert_close(losses["loss"], cost(x, model.autoencoder(x)))
    assert losses["loss"] != model_for("ae")(x, seeded())[1]["loss"]


def test_an_annealed_divergence_grows_to_its_weight(x):
    autoencoder = AutoencoderSpec(P, K, stochastic=True).build()
    penalty = NormalDivergence(P, 2.0, variance=0.5, n_annealed=4)
    model = RegularizedAutoencoder(autoencoder, [penalty])
    factors = []
    for _ in range(6):
        losses = model(x, seeded())[1]
        factors.append(((losses["loss"] - losses["reconstruction"]) / losses["prior"]).item())
    full = 2.0 * 2 * 0.5 / P
    assert_close(
        factors, [share * full for share in (0, 0.25, 0.5, 0.75, 1, 1)], rtol=1e-4, atol=1e-7
    )
    resumed = NormalDivergence(P, 2.0, variance=0.5, n_annealed=4)
    resumed.load_state_dict(penalty.state_dict())
    assert resumed.n_updates == 6


class Spread(AdversarialPenalty):
    """An own penalty: a trained centre, and an adversary that shifts it."""

    phase_name = "shift"

    def __init__(self):
        super().__init__("spread", 0.3)
        self.centre = torch.nn.Parameter(torch.zeros(K))
        self.adversary = torch.nn.Linear(1, K)

    def distance(self, batch):
        shift = self.adversary(torch.ones(1, 1))
        return (batch.codes - self.centre - shift).square().mean()

    def forward(self, batch, generator):
        return self.distance(batch)

    def adversary_loss(self, batch, generator):
        assert batch.error is None
        return -self.distance(batch)


def test_a_penalty_with_own_weights_and_a_phase_for_its_adversary(X):
    """Two adversaries: each phase trains its own; the centre is trained with the autoencoder."""
    autoencoder = AutoencoderSpec(P, K, "mlp", (8,)).build()
    own = Spread()
    objective = objective_for(X, RegularizedAutoencoder(autoencoder, [own, LatentAdversary(K)]))
    phases = {phase.name: phase.parameters for phase in objective.phases()}
    assert list(phases) == ["autoencoder", "shift", "critic"]
    assert any(p is own.centre for p in phases["autoencoder"])
    assert len(phases["autoencoder"]) == 1 + len(list(autoencoder.parameters()))
    objective.losses("shift", seeded())["loss"].backward()
    assert all(p.grad is not None for p in phases["shift"])
    assert all(p.grad is None for p in phases["critic"])
    history = train(objective, TrainingOptions(max_iter=3), seeded())
    assert {"loss", "spread", "prior", "shift.loss", "critic.loss"} <= set(history.losses)
    assert own.centre.abs().sum() > 0


def test_a_long_list_of_held_out_rows_is_cut(X):
    objective = objective_for(X, model_for("ae"), held_out=np.arange(10), max_held_out=5)
    assert objective.held_out.tolist() == [0, 1, 2, 3, 4]


def test_early_stopping_keeps_the_weights_that_reconstruct_held_out_rows_best(X):
    objective = objective_for(X, model_for("ae", sizes=(64,)), held_out=np.arange(8))
    options = TrainingOptions(
        max_iter=600, learning_rate=0.02, report_every=10, n_iter_no_change=10
    )
    history = train(objective, options, seeded())  # it learns 22 rows by heart
    assert history.best_iter < history.n_iter < 600
    assert objective.validation_loss() == pytest.approx(min(history.validation))


# ---------------------------------------------------------------------------------- training


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, X, kind):
    class Interrupt(Exception):
        pass

    def interrupt(history):
        raise Interrupt

    def objective(seed):
        return objective_for(X, model_for(kind, seed=seed), held_out=[1, 2])

    options = TrainingOptions(max_iter=8, report_every=4)
    whole, parts, resumed = objective(0), objective(0), objective(1)
    history = train(whole, options, seeded())
    checkpoint = Checkpoint(tmp_path / "run.pt")
    with pytest.raises(Interrupt):
        train(parts, options, seeded(), report=interrupt, checkpoint=checkpoint)
    assert train(resumed, options, seeded(5), checkpoint=checkpoint) == history
    for name, x in whole.state_dict().items():
        assert torch.equal(x, resumed.state_dict()[name]), name
    assert set(history.losses) >= {"loss", "reconstruction"}
    assert ("critic.loss" in history.losses) == (kind == "wae-gan")


def test_the_state_holds_no_data(X):
    objective = objective_for(X, model_for("wae-gan"))
    parts = {name.split(".")[1] for name in objective.state_dict()}
    assert parts == {"autoencoder", "penalties"}
    rows = [x for x in objective.state_dict().values() if len(x.shape) and len(x) == len(X)]
    assert rows == []


def test_a_linear_autoencoder_finds_the_principal_subspace():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(200, P)) * [2, 1.5, 0.3, 0.3, 0.3, 0.3]).astype(np.float32)
    X -= X.mean(0)
    model = model_for("ae", sizes=())
    options = TrainingOptions(max_iter=500, learning_rate=0.03)
    train(objective_for(X, model, batch_size=200), options, seeded())
    pca = PCA(K).fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    assert_close(
        model.autoencoder(torch.tensor(X)).detach(), torch.tensor(expected), atol=0.02, rtol=0
    )


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    X = X - X.mean(0)
    return (X / np.sqrt(X.var(0).mean())).astype(np.float32)


def fitted_to(digits, kind, *, latent_dim, max_iter, **options):
    """Trained on the first 1200 digits."""
    model = model_for(kind, n_features=64, latent_dim=latent_dim, sizes=(128, 64), **options)
    objective = objective_for(digits[:1200], model, batch_size=100)
    history = train(objective, TrainingOptions(max_iter=max_iter), seeded())
    return model.autoencoder, history


def squared_errors(digits, autoencoder, latent_dim):
    """Of new digits: the autoencoder's, and that of as many principal components."""
    test, pca = digits[1200:], PCA(latent_dim).fit(digits[:1200])
    linear = np.mean((pca.inverse_transform(pca.transform(test)) - test) ** 2)
    return np.mean((decode(autoencoder, encode(autoencoder, test)) - test) ** 2), linear


def test_it_reconstructs_new_digits_better_than_pca(digits):
    autoencoder, _ = fitted_to(digits, "ae", latent_dim=8, max_iter=600)
    error, linear = squared_errors(digits, autoencoder, 8)
    assert error < 0.85 * linear


def test_isometry_keeps_distances(digits):
    test = digits[1200:1500]
    Dx = pairwise_distances(torch.tensor(test))
    distortion = {}
    for weight in (0.0, 1.0):
        options = {"isometry_weight": weight}
        autoencoder, _ = fitted_to(digits, "ae", latent_dim=8, max_iter=150, **options)
        codes = torch.tensor(encode(autoencoder, test))
        distortion[weight] = isometry_penalty(pairwise_distances(codes), Dx).item()
    assert distortion[1.0] < 0.5 * distortion[0.0]


@pytest.mark.parametrize("kind", ["vae", "wae-mmd", "wae-gan"])
def test_codes_follow_the_prior(digits, kind):
    """Near enough to sample from it, at no price in reconstruction."""
    autoencoder, history = fitted_to(digits, kind, latent_dim=4, max_iter=300)
    error, linear = squared_errors(digits, autoencoder, 4)
    assert error < 0.9 * linear
    with torch.no_grad():
        mean, log_variance = autoencoder.posterior(torch.tensor(digits))
    drawn = torch.randn(2, *mean.shape, generator=seeded(1))
    codes = mean if log_variance is None else mean + (log_variance / 2).exp() * drawn[0]
    widths = torch.linalg.eigvalsh(codes.T.cov()).sqrt()
    assert mmd(codes, drawn[1]) < 0.15
    assert codes.mean(0).norm() < 0.25
    assert 0.8 < widths.min() < widths.max() < 1.5
    critic = np.array(history.losses.get("critic.loss", []))
    assert (np.abs(critic[100:] - 2 * np.log(2)) < 0.2).all()  # it hardly tells, and never wins
