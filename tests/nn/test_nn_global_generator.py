"""The global generator of torch: touched only for code that may draw from it, by one thread."""

import threading

import joblib
import pytest
import torch
from torch import nn

from skgw.nn import PENALTIES, AutoencoderSpec, GeneratorSpec, NearIsometry, adversary_network, mlp
from skgw.nn.global_generator import lent, may_draw, seeded_global
from skgw.nn.networks import weight_source
from skgw.nn.regularizers import Regularizer, StylePenalty


def state():
    return torch.get_rng_state()


def noisy(n_inputs, n_outputs):
    """A factory that draws its weights from the global generator."""
    return nn.Sequential(nn.Linear(n_inputs, 8), nn.Dropout(), nn.Linear(8, n_outputs))


def flat(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


BUILDS = {
    "mlp": lambda: GeneratorSpec(2, 5, "mlp", (16, 16), 8).build(1),
    "conv": lambda: GeneratorSpec(72, 5, "conv", (3, 4), 8, (2, 6, 6)).build(1),
    "factory": lambda: GeneratorSpec(2, 5, noisy, (), 8).build(1),
    "autoencoder": lambda: AutoencoderSpec(72, 5, "conv", (3, 4), image_shape=(2, 6, 6)).build(1),
    "pair": lambda: AutoencoderSpec(7, 5, (noisy, noisy)).build(1),
    "adversary": lambda: adversary_network(
        "mlp", 3, 4, hidden_layer_sizes=(5,), residual=False, seed=1
    ),
}


@pytest.mark.parametrize("build", [BUILDS[kind] for kind in ("mlp", "conv", "adversary")])
def test_weights_are_those_of_the_global_generator(build, monkeypatch):
    """As if torch drew all of them from its global generator, seeded before."""
    expected = flat(build())
    with lent(torch.Generator()):
        torch.manual_seed(1)
        for module in ("generators", "adversaries"):
            monkeypatch.setattr(
                f"skgw.nn.{module}.weight_source", lambda _: torch.default_generator
            )
        found = flat(build())
    assert torch.equal(found, expected)


def test_layers_are_initialised_as_those_of_torch():
    with lent(weight_source(3)):
        theirs = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    ours = mlp((4, 6, 2), weight_source(3))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_building_leaves_the_global_state(build):
    before = state()
    build()
    assert torch.equal(state(), before)


@pytest.mark.parametrize("kind", ["mlp", "conv", "autoencoder", "adversary"])
def test_networks_of_skgw_are_built_beside_the_lock(kind, monkeypatch):
    def forbidden(*args):
        raise AssertionError("the global generator is touched")

    monkeypatch.setattr("skgw.nn.networks.lent", forbidden)
    BUILDS[kind]()


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_threads_build_the_same_weights(build):
    before, expected = state(), flat(build())
    built = joblib.Parallel(4, backend="threading")(joblib.delayed(build)() for _ in range(60))
    assert sum(not torch.equal(flat(network), expected) for network in built) == 0
    assert torch.equal(state(), before)


# ---------------------------------------------------------------------------------- lent


def test_the_block_continues_the_generator():
    before, generator = state(), torch.Generator().manual_seed(7)
    expected = torch.rand(6, generator=torch.Generator().manual_seed(7))
    first = torch.rand(2, generator=generator)
    with lent(generator):
        second = torch.rand(2)
    third = torch.rand(2, generator=generator)
    assert torch.equal(torch.cat([first, second, third]), expected)
    assert torch.equal(state(), before)


def test_an_error_restores_the_global_state():
    before = state()
    with pytest.raises(ZeroDivisionError), lent(torch.Generator()):
        1 / torch.rand(0).numel()
    assert torch.equal(state(), before)


def test_blocks_may_be_nested():
    before = state()
    with lent(weight_source(0)):
        first = torch.rand(1)
        with lent(weight_source(5)):
            torch.rand(9)
        second = torch.rand(1)
    assert torch.equal(torch.cat([first, second]), torch.rand(2, generator=weight_source(0)))
    assert torch.equal(state(), before)


def test_one_thread_at_a_time():
    entered = threading.Event()

    def enter():
        with lent(weight_source(1)):
            entered.set()

    with lent(weight_source(0)):
        other = threading.Thread(target=enter)
        other.start()
        assert not entered.is_set()
        assert torch.equal(torch.rand(1), torch.rand(1, generator=weight_source(0)))
    other.join()
    assert entered.is_set()


# -------------------------------------------------------------------------------- may_draw


class OfUser(nn.Module):
    def forward(self, x):
        return x


def hooked():
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda *_: None)
    return layer


def patched():
    layer = nn.Linear(2, 2)
    layer.forward = lambda x: x + torch.rand(1)
    return layer


def penalty_of_user(points):
    return points.sum(1)


@pytest.mark.parametrize(
    "module",
    [
        mlp((2, 3, 2)),
        GeneratorSpec(2, 5, "mlp", (16,), 8).build(),
        NearIsometry(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.GELU()), 2),
        noisy(2, 2).eval(),
        Regularizer("l1", 1.0, PENALTIES["l1"]),
        StylePenalty(noisy(2, 2), 0),
    ],
    ids=["mlp", "generator", "layers", "evaluation", "penalty", "style"],
)
def test_what_draws_nothing(module):
    assert not may_draw(module)


@pytest.mark.parametrize(
    "module",
    [
        noisy(2, 2),
        nn.Dropout2d(),
        nn.AlphaDropout(),
        nn.RReLU(),
        nn.TransformerEncoderLayer(4, 2),
        nn.LSTM(2, 2, 2, dropout=0.5),
        NearIsometry(OfUser(), 2),
        OfUser().eval(),
        hooked(),
        patched(),
        Regularizer("mine", 1.0, penalty_of_user),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_may_draw(module):
    assert may_draw(module)


def test_without_such_a_layer_the_global_state_is_not_touched():
    before = state()
    with seeded_global(0, mlp((2, 2), weight_source(0))):
        drawn = torch.rand(1)
    with lent(torch.Generator()):
        torch.set_rng_state(before)
        assert torch.equal(drawn, torch.rand(1))


def test_with_such_a_layer_or_optimiser_it_is_seeded():
    class Noisy(torch.optim.SGD):
        pass

    network = mlp((2, 2))
    for things in ((noisy(2, 2),), (network, Noisy(network.parameters()))):
        before = state()
        with seeded_global(0, *things):
            assert torch.equal(torch.rand(1), torch.rand(1, generator=weight_source(0)))
        assert torch.equal(state(), before)
