import pytest
import torch
from _objectives import N, mlp_generator, objective_for, recall, seeded
from torch import nn
from torch.testing import assert_close

from skgw.embedding.adversary import AdversarialDistances, AdversaryOptions
from skgw.nn import adversary_network, procrustes_penalty
from skgw.training import TrainingOptions, train


def adversary_for(
    X, scale, *, orthogonality="procrustes", weight=10.0, start=0, every=1, networks=None
):
    if networks is None:
        networks = tuple(
            adversary_network(
                "mlp",
                2,
                2,
                hidden_layer_sizes=(16,),
                residual=orthogonality != "layerwise",
                seed=seed,
            )
            for seed in (0, 1)
        )
    rows = torch.as_tensor(X / scale, dtype=torch.float32)
    return AdversarialDistances(
        rows, networks, AdversaryOptions(orthogonality, weight, start, every)
    )


def stretch(factor):
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(factor * torch.eye(2))
    return layer


@pytest.fixture
def perfect(X, scale):
    """Objectives whose generator returns the data, beside an adversary."""

    def make(adversary):
        return objective_for(X, recall(X / scale), scale=scale, adversary=adversary)

    return make


# -------------------------------------------------------------------------------------- phases


def test_the_phases(X, scale):
    adversary = adversary_for(X, scale, start=7, every=3)
    objective = objective_for(X, mlp_generator(), adversary=adversary)
    generator, phase = objective.phases()
    assert (generator.name, phase.name) == ("generator", "adversary")
    assert (phase.start, phase.every) == (7, 3)
    assert {id(p) for p in phase.parameters} == {id(p) for p in adversary.parameters()}
    assert not {id(p) for p in generator.parameters} & {id(p) for p in phase.parameters}


def test_a_shared_network_is_updated_once(X, scale):
    network = stretch(2.0)
    for orthogonality in ("layerwise", "procrustes"):
        adversary = adversary_for(
            X, scale, orthogonality=orthogonality, networks=(network, network)
        )
        (phase,) = adversary.phases()
        assert [p is network.weight for p in phase.parameters] == [True]
        x = adversary.rows
        penalty = adversary.penalty(torch.arange(N), 3 * x)
        expected = 2 * 9 if orthogonality == "layerwise" else 10 * procrustes_penalty(2 * x, x)
        assert penalty.item() == pytest.approx(float(expected), rel=1e-4)


def test_it_begins_late_and_moves_now_and_then(X, scale):
    adversary = adversary_for(X, scale, start=4, every=3)
    objective = objective_for(X, mlp_generator(), scale=scale, adversary=adversary)
    history = train(objective, TrainingOptions(max_iter=4), seeded())
    assert not adversary.started
    assert adversary.row_network.gain == 0
    assert set(history.losses) == {"loss", "gw"}
    history = train(objective, TrainingOptions(max_iter=12), seeded())
    assert adversary.started
    assert adversary.row_network.gain != 0
    assert len(history.losses["gw"]) == 12
    assert {len(history.losses[f"adversary.{name}"]) for name in ("loss", "gw", "penalty")} == {3}


def test_until_it_begins_distances_are_plain(X, scale):
    """Also where the network would contract them."""
    adversary = adversary_for(X, scale, networks=(stretch(0.1), stretch(5)))
    with_it, without = (
        objective_for(X, mlp_generator(), scale=scale, adversary=a) for a in (adversary, None)
    )
    plain = without.losses("generator", seeded())["gw"]
    assert_close(with_it.losses("generator", seeded())["gw"], plain)
    with_it.losses("adversary", seeded())
    assert abs(with_it.losses("generator", seeded())["gw"] - plain) > 0.3


def test_an_isometry_changes_nothing(X, scale):
    one, other = (objective_for(X, mlp_generator(), scale=scale, adversary=a)
                  for a in (adversary_for(X, scale), None))  # fmt: skip
    for objective in (one, other):
        objective.losses("generator", seeded())
    one.adversary.started.fill_(True)
    losses = [objective.losses("generator", seeded())["gw"] for objective in (one, other)]
    assert_close(*losses, atol=1e-5, rtol=1e-3)


# -------------------------------------------------------------------------------------- losses


def test_it_raises_the_discrepancy(X, scale):
    """Of a generator that stands still, and is wrong."""
    points = X[:, [0]] / scale * torch.tensor([[1.0, 0.0]]).numpy()
    adversary = adversary_for(X, scale, orthogonality=None)
    objective = objective_for(X, recall(points), scale=scale, adversary=adversary)
    objective.phases = adversary.phases
    history = train(objective, TrainingOptions(max_iter=100, learning_rate=0.05), seeded())
    assert history.losses["gw"][-1] > 1.5 * history.losses["gw"][0]
    assert_close(history.losses["loss"], [-gw for gw in history.losses["gw"]])


def test_gradients_of_its_loss_reach_it_alone(X, scale):
    adversary = adversary_for(X, scale)
    for network in (adversary.row_network, adversary.point_network):
        nn.init.constant_(network.gain, 0.1)
    objective = objective_for(X, mlp_generator(), scale=scale, adversary=adversary)
    objective.losses("adversary", seeded())["loss"].backward()
    assert all(p.grad is None for p in objective.generator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in adversary.parameters())


@pytest.mark.parametrize(("weight", "gains"), [(7.5, True), (8.5, False)])
def test_above_its_least_weight_a_stretch_gains_nothing_at_a_perfect_match(
    X, scale, perfect, weight, gains
):
    """The bound is attained: by a stretch of one space and an equal shrinking of the other."""
    networks = stretch(1.2), stretch(0.8)
    adversary = adversary_for(X, scale, weight=weight, networks=networks)
    losses = perfect(adversary).losses("adversary", seeded())
    assert losses["penalty"].item() == pytest.approx(
        0.2**2, rel=1e-4
    )  # 2 * .2^2 * the variance, .5
    assert losses["gw"].item() == pytest.approx(8 * 0.2**2, abs=5e-3)
    assert (losses["loss"] < 0) == gains


def test_it_gains_nothing_by_learning_either(X, scale, perfect):
    adversary = adversary_for(X, scale, weight=10.0)
    objective = perfect(adversary)
    objective.phases = adversary.phases
    history = train(objective, TrainingOptions(max_iter=60, learning_rate=0.02), seeded())
    assert abs(history.losses["gw"][-1]) < 5e-3
    assert history.losses["penalty"][-1] < 1e-3


def test_procrustes_holds_both_networks(X, scale):
    adversary = adversary_for(X, scale, networks=(stretch(2.0), stretch(3.0)))
    rows = torch.arange(N)
    x, y = adversary.rows, torch.as_tensor(X, dtype=torch.float32)
    expected = procrustes_penalty(2 * x, x) + procrustes_penalty(3 * y, y)
    assert_close(adversary.penalty(rows, y), expected)


def test_layerwise_holds_the_weights_of_both(X, scale):
    networks = stretch(2.0), stretch(3.0)
    adversary = adversary_for(X, scale, orthogonality="layerwise", networks=networks)
    assert adversary.penalty(torch.arange(N), torch.ones(N, 2)) == 2 * 9 + 2 * 64


# --------------------------------------------------------------------------------------- state


def test_the_constant_of_the_loss_follows_the_features(X, scale, perfect):
    """So that the generator's loss remains zero where the features match."""
    objective = perfect(adversary_for(X, scale, networks=(stretch(3.0), stretch(3.0))))
    objective.losses("generator", seeded())
    objective.losses("adversary", seeded())
    assert objective.losses("generator", seeded())["gw"].abs() < 0.05


def test_validation_is_without_it(X, scale):
    def objective(adversary):
        return objective_for(
            X, mlp_generator(), scale=scale, held_out=range(10), batch_size=38, adversary=adversary
        )

    changed = objective(adversary_for(X, scale, networks=(stretch(3.0), stretch(0.2))))
    changed.losses("adversary", seeded())
    assert changed.validation_loss() == objective(None).validation_loss()


def test_a_restored_adversary_goes_on_identically(X, scale):
    one, other = (
        objective_for(
            X, mlp_generator(seed), batch_size=24, scale=scale, adversary=adversary_for(X, scale)
        )
        for seed in (0, 1)
    )
    noise = seeded()
    for phase in ("generator", "adversary", "generator"):
        one.losses(phase, noise)
    other.load_state_dict(one.state_dict())
    assert "adversary.rows" not in one.state_dict()
    state = noise.get_state()
    expected = [one.losses(p, noise)["loss"].item() for p in ("generator", "adversary")]
    noise.set_state(state)
    assert [other.losses(p, noise)["loss"].item() for p in ("generator", "adversary")] == expected
