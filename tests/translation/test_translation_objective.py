"""The objective of co-training, with autoencoders that do what they are told."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.autoencoders.objective import AutoencodingOptions, RegularizedAutoencoder
from skgw.nn import Autoencoder, AutoencoderSpec, pairwise_distances
from skgw.solvers import gw_divergence
from skgw.translation.domain import Side, size_of
from skgw.translation.objective import CoTrainingObjective, CoTrainingOptions, nearest_partners

N, K = 48, 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def cloud(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(n, K)) * [2, 1] + 3


def identity(n=K):
    """An autoencoder whose codes are the rows, but with weights."""
    layers = []
    for _ in range(2):
        layer = nn.Linear(n, n)
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers.append(layer)
    return Autoencoder(*layers, n_features=n, latent_dim=n, stochastic=False)


def side_of(X, autoencoder=None, *, kind="ae", known=(), held_out=(), n_reference=100):
    model = RegularizedAutoencoder(autoencoder or identity(), AutoencodingOptions(kind))
    order = np.setdiff1d(np.arange(len(X)), held_out)
    known, held_out = (np.asarray(rows, dtype=np.intp) for rows in (known, held_out))
    return Side(
        X, model, order=order, held_out=held_out, known=known, n_reference=n_reference,
        coordinates=lambda rows: rows,
    )  # fmt: skip


class OwnOrder:
    """A matcher that knows: rows of both domains are the same, and codes are relied on."""

    def __init__(self, *, by_rows=False):
        self.by_rows, self.calls = by_rows, []

    def first(self, codes, rows, axes):
        self.calls.append(("first", codes, rows, axes))
        weights = tuple(torch.full((len(x),), 1 / len(x)) for x in rows)
        return self.by_rows, (torch.eye(K), torch.zeros(K)), weights, 3.0, 1.0

    def again(self, codes, motion):
        self.calls.append(("again", codes, motion))
        weights = tuple(torch.arange(float(len(x))) % 2 for x in codes)
        return (torch.eye(K), torch.zeros(K)), tuple(w / w.sum() for w in weights)

    def fit(self, codes, weights):
        self.calls.append(("fit", codes, weights))
        return 2 * torch.eye(K), torch.ones(K)


def objective_for(sides, matcher=None, **options):
    defaults = {
        "gw_weight": 1.0,
        "epsilon": 5e-3,
        "batch_size": 32,
        "n_alone": 2,
        "match_every": 3,
    }
    return CoTrainingObjective(
        sides, CoTrainingOptions(**{**defaults, **options}), matcher or OwnOrder()
    )


# --------------------------------------------------------------------------------- one side


def test_reference_rows_are_drawn_anew_after_the_known_ones():
    side = side_of(cloud(), known=(5, 2), held_out=(7, 8), n_reference=10)
    first = side.pool[side.draw_reference(seeded())].tolist()
    assert first[:2] == [5, 2]
    assert len(set(first)) == 10
    assert not {7, 8} & set(side.pool.tolist())
    assert side.pool[side.draw_reference(seeded(1))].tolist() != first


def test_normal_codes_are_centred_and_of_unit_size():
    side = side_of(cloud(), held_out=(7, 8))
    codes, mean = side.normal_codes()
    assert_close(codes.mean(0), torch.zeros(K), atol=1e-5, rtol=0)
    assert size_of(codes) == pytest.approx(1, rel=1e-4)
    assert_close(codes * side.size + mean, side.rows[side.pool])
    size = side.size.clone()
    with torch.no_grad():
        side.model.autoencoder.encoder.weight.mul_(2)
    assert size_of(side.normal_codes()[0]) == pytest.approx(2, rel=1e-3)
    assert_close(side.size, size)  # the first one stays


def test_partners_are_sought_for_a_limited_pool(monkeypatch):
    monkeypatch.setattr("skgw.translation.domain.MAX_POOL", 20)
    side = side_of(cloud(), known=(5, 2), n_reference=30)
    assert side.pool[:2].tolist() == [5, 2]
    assert (len(side.pool), len(side.axes), len(side.reference)) == (20, 20, 20)


def test_size_is_the_root_mean_square_distance():
    x = torch.as_tensor(cloud())
    assert_close(size_of(x), torch.cdist(x, x).square().mean().sqrt())
    assert_close(size_of(3 * x + 1), 3 * size_of(x))
    assert size_of(torch.ones(4, 2)) > 0


def test_there_are_no_more_reference_rows_than_rows():
    assert len(side_of(cloud(), held_out=range(10)).reference) == N - 10
    assert len(side_of(cloud(), known=range(12), n_reference=4).reference) == 12


def test_encoding_leaves_the_mode_alone():
    dropping = Autoencoder(
        nn.Sequential(nn.Linear(K, K), nn.Dropout(0.5)),
        nn.Linear(K, K),
        n_features=K,
        latent_dim=K,
        stochastic=False,
    )
    side = side_of(cloud(), dropping)
    side.train()
    everything = torch.arange(N)
    assert_close(side.encode(everything), side.encode(everything))
    assert side.training
    assert not side.encode(everything).requires_grad


def test_validation_is_the_error_of_held_out_rows():
    X = cloud()
    autoencoder = AutoencoderSpec(K, 1, "mlp", (4,)).build(seed=0)
    sides = [side_of(X, autoencoder, held_out=(3, 4)), side_of(X, held_out=(5,))]
    x = torch.as_tensor(X[[3, 4]], dtype=torch.float32)
    expected = float((autoencoder(x) - x).square().mean().detach())
    objective = objective_for(sides)
    assert objective.validation_loss() == pytest.approx(expected)  # the other is perfect
    assert objective_for([sides[0], side_of(X)]).validation_loss() is None


# --------------------------------------------------------------------------------- the losses


def test_each_learns_alone_at_first():
    objective = objective_for([side_of(cloud()), side_of(cloud())])
    generator = seeded()
    losses = [objective.losses("autoencoders", generator) for _ in range(4)]
    assert ["gw" in each for each in losses] == [False, False, True, True]
    for each in losses:
        assert_close(each["reconstruction"], torch.tensor(0.0))
    assert_close(losses[0]["loss"], losses[0]["reconstruction"])
    assert int(objective.n_updates) == 4


def test_without_a_weight_there_is_no_matching():
    objective = objective_for([side_of(cloud()), side_of(cloud())], gw_weight=0.0, n_alone=0)
    assert set(objective.losses("autoencoders", seeded())) == {"loss", "reconstruction"}
    assert not objective.rotation.any()


def test_losses_of_both_sides_are_summed():
    X = cloud()
    worse = AutoencoderSpec(K, 1, "mlp", (4,)).build(seed=0)
    objective = objective_for([side_of(X, worse), side_of(X, worse)], n_alone=100, batch_size=N)
    losses = objective.losses("autoencoders", seeded())
    x = objective.pair[0].rows
    assert_close(losses["loss"], 2 * (worse(x) - x).square().mean())


def test_the_matching_is_renewed_now_and_then():
    matcher = OwnOrder()
    objective = objective_for([side_of(cloud()), side_of(cloud())], matcher)
    generator = seeded()
    n_calls = []
    for _ in range(9):
        objective.losses("autoencoders", generator)
        n_calls.append(len(matcher.calls))
    assert n_calls == [0, 0, 1, 1, 1, 2, 2, 2, 3]  # after two updates, and every third then
    assert [name for name, *_ in matcher.calls] == ["first", "again", "again"]
    assert_close(matcher.calls[1][2], (torch.eye(K), torch.zeros(K)))  # on what is known
    assert (objective.contrast, objective.excess) == (3, 1)


def test_rows_tell_partners_once_and_codes_follow():
    matcher = OwnOrder(by_rows=True)
    objective = objective_for([side_of(cloud()), side_of(cloud())], matcher)
    for _ in range(2):
        codes, _ = objective.match(seeded())
    assert [name for name, *_ in matcher.calls] == ["first", "fit", "fit"]
    assert_close(matcher.calls[1][1][0], matcher.calls[1][1][1])  # codes of partners
    assert_close((objective.rotation, objective.offset), (2 * torch.eye(K), torch.ones(K)))
    assert_close(objective.placed(codes)[0], objective.pair[0].axes)
    assert_close(objective.partners[:, 0], objective.partners[:, 1])


def test_rows_without_mass_are_not_drawn():
    objective = objective_for([side_of(cloud()), side_of(cloud())], n_alone=0, batch_size=40)
    generator = seeded()
    for _ in range(2):
        objective.match(generator)
    kept = [set(side.pool[side.reference[1::2]].tolist()) for side in objective.pair]
    drawn = [index.tolist() for index in objective._draw_partners(generator)]
    assert set(drawn[0][:20]) <= kept[0]
    assert set(drawn[1][20:]) <= kept[1]


def test_the_cost_is_that_of_partners():
    objective = objective_for([side_of(cloud()), side_of(cloud())])
    codes, _ = objective.match(seeded())
    assert objective.cost(codes) == pytest.approx(0, abs=1e-6)
    objective.offset += 1.0
    assert objective.cost(codes) == pytest.approx(K / (1 + K), rel=1e-2)


def test_critics_have_a_phase_of_their_own():
    spec = AutoencoderSpec(K, K, "mlp", (4,))
    sides = [side_of(cloud(), spec.build(seed=k), kind="wae-gan") for k in (0, 1)]
    objective = objective_for(sides, n_alone=0)
    phases = {phase.name: phase for phase in objective.phases()}
    assert set(phases) == {"autoencoders", "critics"}
    assert set(objective.losses("critics", seeded())) == {"loss"}
    assert int(objective.n_updates) == 0  # counts those of the autoencoders
    plain = objective_for([side_of(cloud()), side_of(cloud())])
    assert [phase.name for phase in plain.phases()] == ["autoencoders"]


# ----------------------------------------------------------------------------- the discrepancy


def test_identical_sides_have_no_discrepancy():
    objective = objective_for([side_of(cloud()), side_of(cloud())], n_alone=0, batch_size=2 * N)
    found = objective.losses("autoencoders", seeded())
    assert_close(found["gw"], torch.tensor(0.0), atol=1e-4, rtol=0)
    assert_close(found["loss"], torch.tensor(0.0), atol=1e-3, rtol=0)


def test_size_and_place_of_the_codes_do_not_matter_to_it():
    """The penalty on the size does not count when they are matched for the first time."""
    larger = identity()
    with torch.no_grad():
        larger.encoder.weight.mul_(7)
        larger.encoder.bias.add_(4)
    objective = objective_for(
        [side_of(cloud()), side_of(cloud(), larger)], n_alone=0, batch_size=2 * N
    )
    losses = objective.losses("autoencoders", seeded())
    assert_close(losses["gw"], torch.tensor(0.0), atol=1e-4, rtol=0)
    assert_close(losses["loss"] - losses["reconstruction"], losses["gw"], atol=1e-2, rtol=0)


def test_deformed_codes_have_a_discrepancy_and_a_gradient():
    deformed = identity()
    with torch.no_grad():
        deformed.encoder.weight[0, 0] = 0.2
    objective = objective_for([side_of(cloud()), side_of(cloud(), deformed)], n_alone=0)
    found = objective.losses("autoencoders", seeded())["gw"]
    found.backward()
    assert found > 0.05
    assert deformed.encoder.weight.grad[0, 0] < 0  # longer again


def test_codes_that_shrink_or_grow_are_brought_back():
    side = side_of(cloud())
    objective = objective_for(
        [side, side_of(cloud())], n_alone=0, match_every=1000, batch_size=2 * N
    )
    generator = seeded()
    objective.losses("autoencoders", generator)
    for factor in (0.5, 2.0):
        with torch.no_grad():
            side.model.autoencoder.encoder.weight.mul_(factor)
            side.model.autoencoder.decoder.weight.div_(factor)
        losses = objective.losses("autoencoders", generator)
        drift = losses["loss"] - losses["reconstruction"] - losses["gw"]
        codes = side.model.autoencoder.encode(side.rows)
        assert_close(drift, (size_of(codes) / side.size - 1).square(), atol=1e-3, rtol=0)
    assert drift < 1e-3  # halved, then doubled


def test_partners_are_drawn_from_either_side():
    sides = [side_of(cloud()), side_of(cloud())]
    objective = objective_for(sides, n_alone=0)
    objective.match(seeded())
    one, other = objective._draw_partners(seeded(1))
    assert len(one) == 32
    assert len(set(one[:16].tolist())) == len(set(other[16:].tolist())) == 16
    assert_close(sides[0].rows[one], sides[1].rows[other])


def test_nearest_partners_both_ways():
    one, other = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[4.0], [0.9]])
    expected = [[0, 1], [1, 1], [2, 0], [2, 0], [1, 1]]
    assert nearest_partners(one, other).tolist() == expected


def test_codes_that_coincide_have_neither_discrepancy_nor_nan():
    flat = identity()
    nn.init.zeros_(flat.encoder.weight)
    objective = objective_for([side_of(cloud(), flat), side_of(cloud(), flat)], n_alone=0)
    loss = objective.losses("autoencoders", seeded())["gw"]
    loss.backward()
    assert_close(loss, torch.tensor(0.0), atol=1e-5, rtol=0)
    assert torch.isfinite(flat.encoder.weight.grad).all()


def test_the_discrepancy_agrees_with_its_definition():
    """2 GW(D, E) - GW(D, D) - GW(E, E) of a batch that is all rows, solved to the end."""
    deformed = identity()
    with torch.no_grad():
        deformed.encoder.weight[0, 0] = 0.7
    sides = [side_of(cloud()), side_of(cloud(), deformed)]
    objective = objective_for(sides, n_alone=0)
    objective._draw_partners = lambda generator: (torch.arange(N), torch.arange(N))
    found = objective.losses("autoencoders", seeded())["gw"]
    D, E = (pairwise_distances(side.model.autoencoder.encode(side.rows)) for side in sides)
    D, E = (C.detach() / C.square().mean().sqrt() for C in (D, E))
    expected = gw_divergence(D, E, reg=5e-3, reg_scale=None)
    assert_close(found.detach(), expected, atol=5e-3, rtol=0)
    assert expected > 5e-3


def test_everything_that_a_resumed_run_needs_is_in_the_state():
    one, other = (objective_for([side_of(cloud()), side_of(cloud())], n_alone=0) for _ in range(2))
    one.losses("autoencoders", seeded())
    other.load_state_dict(one.state_dict())
    for mine, theirs in zip(one.pair, other.pair, strict=True):
        assert_close(mine.reference, theirs.reference)
        assert_close(mine.size, theirs.size)
    assert_close(
        one.losses("autoencoders", seeded(1))["loss"],
        other.losses("autoencoders", seeded(1))["loss"],
    )
