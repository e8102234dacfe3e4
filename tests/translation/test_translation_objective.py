"""The objective of co-training, with autoencoders whose codes are the rows."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.autoencoders.kinds import AutoencodingOptions
from skgw.nn import Autoencoder, AutoencoderSpec, pairwise_distances
from skgw.registration.procrustes import Registration, Transport
from skgw.registration.similarity import Similarity
from skgw.solvers import gw_divergence
from skgw.translation.autoencoded_domain import AutoencodedDomain, rms_distance
from skgw.translation.latent_matching import LatentMatching
from skgw.translation.objective import (
    CoTrainingObjective,
    CoTrainingOptions,
    MatchedBy,
    nearest_both_ways,
)
from skgw.translation.parameters import GWLoss

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


def domain_of(X, autoencoder=None, *, kind="ae", anchors=(), held_out=(), **params):
    model = AutoencodingOptions(kind).build(autoencoder or identity())
    order = np.setdiff1d(np.arange(len(X)), held_out)
    anchors, held_out = (np.asarray(rows, dtype=np.intp) for rows in (anchors, held_out))
    return AutoencodedDomain(
        X, model, order=order, held_out=held_out, anchors=anchors, coordinates=lambda rows: rows,
        **{"n_reference": 100, **params},
    )  # fmt: skip


def two_domains():
    return [domain_of(cloud()), domain_of(cloud())]


IDENTITY = Similarity(torch.eye(K), torch.zeros(K))


class SameOrder:
    """A matcher for domains of the same rows in the same order."""

    def __init__(self, *, by_rows=False):
        self.by_rows, self.calls = by_rows, []

    def match(self, codes, rows, coordinates):
        self.calls.append(("match", codes))
        mass = tuple(torch.full((len(x),), 1 / len(x)) for x in rows)
        return LatentMatching(self.by_rows, IDENTITY, mass, margin=3.0, cost_ratio=1.0)

    def refine(self, codes, start):
        """Every other reference row is matched."""
        self.calls.append(("refine", start))
        n = len(codes[0])
        plan = torch.diag(torch.arange(float(n)) % 2)
        transport = Transport(plan / plan.sum(), torch.zeros(n), torch.ones(()), torch.zeros(()))
        return Registration(IDENTITY, transport, torch.zeros(()))


def objective_for(domains, matcher=None, **options):
    defaults = {
        "gw_weight": 1.0,
        "epsilon": 5e-3,
        "batch_size": 32,
        "n_alone": 2,
        "match_every": 3,
    }
    return CoTrainingObjective(
        domains, CoTrainingOptions(**{**defaults, **options}), matcher or SameOrder()
    )


# -------------------------------------------------------------------------------- one domain


def test_reference_rows_are_drawn_anew_after_the_anchors():
    domain = domain_of(cloud(), anchors=(5, 2), held_out=(7, 8), n_reference=10)
    first = domain.pool[domain.draw_reference(seeded())].tolist()
    assert first[:2] == [5, 2]
    assert len(set(first)) == 10
    assert not {7, 8} & set(domain.pool.tolist())
    assert domain.pool[domain.draw_reference(seeded(1))].tolist() != first


def test_normal_codes_are_centred_and_of_rms_distance_one():
    domain = domain_of(cloud(), held_out=(7, 8))
    codes, mean = domain.normal_codes()
    assert_close(codes.mean(0), torch.zeros(K), atol=1e-5, rtol=0)
    assert rms_distance(codes) == pytest.approx(1, rel=1e-4)
    assert_close(codes * domain.scale + mean, domain.rows[domain.pool])
    scale = domain.scale.clone()
    with torch.no_grad():
        domain.model.autoencoder.encoder.weight.mul_(2)
    assert rms_distance(domain.normal_codes()[0]) == pytest.approx(2, rel=1e-3)
    assert_close(domain.scale, scale)  # the first one stays


def test_matches_are_sought_for_a_limited_pool():
    domain = domain_of(cloud(), anchors=(5, 2), n_reference=30, max_pool=20)
    assert domain.pool[:2].tolist() == [5, 2]
    assert (len(domain.pool), len(domain.coordinates), len(domain.reference)) == (20, 20, 20)


def test_the_rms_distance():
    x = torch.as_tensor(cloud())
    assert_close(rms_distance(x), torch.cdist(x, x).square().mean().sqrt())
    assert_close(rms_distance(3 * x + 1), 3 * rms_distance(x))
    assert rms_distance(torch.ones(4, 2)) > 0


def test_there_are_no_more_reference_rows_than_rows():
    assert len(domain_of(cloud(), held_out=range(10)).reference) == N - 10
    assert len(domain_of(cloud(), anchors=range(12), n_reference=4).reference) == 12


def test_encoding_leaves_the_mode_alone():
    dropping = Autoencoder(
        nn.Sequential(nn.Linear(K, K), nn.Dropout(0.5)),
        nn.Linear(K, K),
        n_features=K,
        latent_dim=K,
        stochastic=False,
    )
    domain = domain_of(cloud(), dropping)
    domain.train()
    everything = torch.arange(N)
    assert_close(domain.encode(everything), domain.encode(everything))
    assert domain.training
    assert not domain.encode(everything).requires_grad


def test_validation_is_the_error_of_held_out_rows():
    X = cloud()
    autoencoder = AutoencoderSpec(K, 1, "mlp", (4,)).build(seed=0)
    domains = [domain_of(X, autoencoder, held_out=(3, 4)), domain_of(X, held_out=(5,))]
    x = torch.as_tensor(X[[3, 4]], dtype=torch.float32)
    expected = float((autoencoder(x) - x).square().mean().detach())
    objective = objective_for(domains)
    assert objective.validation_loss() == pytest.approx(expected)  # the other is perfect
    assert objective_for([domains[0], domain_of(X)]).validation_loss() is None


# --------------------------------------------------------------------------------- the losses


def test_each_autoencoder_trains_alone_at_first():
    objective = objective_for(two_domains())
    generator = seeded()
    losses = [objective.losses("autoencoders", generator) for _ in range(4)]
    assert ["gw" in each for each in losses] == [False, False, True, True]
    for each in losses:
        assert_close(each["reconstruction"], torch.tensor(0.0))
    assert_close(losses[0]["loss"], losses[0]["reconstruction"])
    assert int(objective.n_updates) == 4


def test_without_a_weight_there_is_no_matching():
    objective = objective_for(two_domains(), gw_weight=0.0, n_alone=0)
    assert set(objective.losses("autoencoders", seeded())) == {"loss", "reconstruction"}
    assert objective.matched_by is MatchedBy.NOTHING


def test_losses_of_both_domains_are_summed():
    X = cloud()
    worse = AutoencoderSpec(K, 1, "mlp", (4,)).build(seed=0)
    objective = objective_for([domain_of(X, worse), domain_of(X, worse)], n_alone=100, batch_size=N)
    losses = objective.losses("autoencoders", seeded())
    x = objective.pair[0].rows
    assert_close(losses["loss"], 2 * (worse(x) - x).square().mean())


def test_the_matching_is_renewed_at_regular_intervals():
    matcher = SameOrder()
    objective = objective_for(two_domains(), matcher)
    generator = seeded()
    n_calls = []
    for _ in range(9):
        objective.losses("autoencoders", generator)
        n_calls.append(len(matcher.calls))
    assert n_calls == [0, 0, 1, 1, 1, 2, 2, 2, 3]  # after two updates, and every third then
    assert [name for name, *_ in matcher.calls] == ["match", "refine", "refine"]
    assert_close(matcher.calls[1][1], IDENTITY)  # the similarity found before
    assert (objective.margin, objective.cost_ratio) == (3, 1)
    assert objective.matched_by is MatchedBy.CODES


def test_rows_are_matched_once_and_codes_follow():
    larger = identity()
    with torch.no_grad():
        larger.encoder.weight.mul_(1.5)
    matcher = SameOrder(by_rows=True)
    domains = [domain_of(cloud(), larger), domain_of(cloud())]
    objective = objective_for(domains, matcher)
    objective.match(seeded())
    with torch.no_grad():
        larger.encoder.weight.mul_(-0.5)  # a rotation by half a turn, and a smaller scale
    codes, _ = objective.match(seeded())
    assert [name for name, *_ in matcher.calls] == ["match"]
    assert objective.matched_by is MatchedBy.ROWS
    assert_close(objective.code_similarity.rotation, -2 * torch.eye(K), atol=1e-4, rtol=0)
    assert_close(objective.code_similarity(codes[0]), codes[1], atol=1e-4, rtol=0)
    assert_close(objective.in_common_space(codes)[0], domains[0].coordinates)
    assert_close(objective.matches[:, 0], objective.matches[:, 1])


def test_rows_without_mass_are_not_drawn():
    objective = objective_for(two_domains(), n_alone=0, batch_size=40)
    generator = seeded()
    for _ in range(2):
        objective.match(generator)
    kept = [set(domain.pool[domain.reference[1::2]].tolist()) for domain in objective.pair]
    drawn = [index.tolist() for index in objective._draw_matched(generator)]
    assert set(drawn[0][:20]) <= kept[0]
    assert set(drawn[1][20:]) <= kept[1]


def test_the_cost_of_matched_codes():
    objective = objective_for(two_domains())
    codes, _ = objective.match(seeded())
    assert objective.cost(codes) == pytest.approx(0, abs=1e-6)
    objective.code_similarity.offset += 1.0
    assert objective.cost(codes) == pytest.approx(K / (1 + K), rel=1e-2)


def test_critics_have_a_phase_of_their_own():
    spec = AutoencoderSpec(K, K, "mlp", (4,))
    domains = [domain_of(cloud(), spec.build(seed=k), kind="wae-gan") for k in (0, 1)]
    objective = objective_for(domains, n_alone=0)
    phases = {phase.name: phase for phase in objective.phases()}
    assert set(phases) == {"autoencoders", "critics"}
    assert set(objective.losses("critics", seeded())) == {"loss"}
    assert int(objective.n_updates) == 0  # counts those of the autoencoders
    plain = objective_for(two_domains())
    assert [phase.name for phase in plain.phases()] == ["autoencoders"]


# ----------------------------------------------------------------------------- the discrepancy


def test_identical_domains_have_no_discrepancy():
    objective = objective_for(two_domains(), n_alone=0, batch_size=2 * N)
    found = objective.losses("autoencoders", seeded())
    assert_close(found["gw"], torch.tensor(0.0), atol=1e-4, rtol=0)
    assert_close(found["loss"], torch.tensor(0.0), atol=1e-3, rtol=0)


def test_scale_and_mean_of_the_codes_do_not_change_the_discrepancy():
    """The penalty on the scale is zero when the domains are matched for the first time."""
    larger = identity()
    with torch.no_grad():
        larger.encoder.weight.mul_(7)
        larger.encoder.bias.add_(4)
    objective = objective_for(
        [domain_of(cloud()), domain_of(cloud(), larger)], n_alone=0, batch_size=2 * N
    )
    losses = objective.losses("autoencoders", seeded())
    assert_close(losses["gw"], torch.tensor(0.0), atol=1e-4, rtol=0)
    assert_close(losses["loss"] - losses["reconstruction"], losses["gw"], atol=1e-2, rtol=0)


def test_deformed_codes_have_a_discrepancy_and_a_gradient():
    deformed = identity()
    with torch.no_grad():
        deformed.encoder.weight[0, 0] = 0.2
    objective = objective_for([domain_of(cloud()), domain_of(cloud(), deformed)], n_alone=0)
    found = objective.losses("autoencoders", seeded())["gw"]
    found.backward()
    assert found > 0.05
    assert deformed.encoder.weight.grad[0, 0] < 0  # longer again


def test_changes_of_the_scale_are_penalised():
    domain = domain_of(cloud())
    objective = objective_for(
        [domain, domain_of(cloud())], n_alone=0, match_every=1000, batch_size=2 * N
    )
    generator = seeded()
    objective.losses("autoencoders", generator)
    for factor in (0.5, 2.0):
        with torch.no_grad():
            domain.model.autoencoder.encoder.weight.mul_(factor)
            domain.model.autoencoder.decoder.weight.div_(factor)
        losses = objective.losses("autoencoders", generator)
        drift = losses["loss"] - losses["reconstruction"] - losses["gw"]
        codes = domain.model.autoencoder.encode(domain.rows)
        assert_close(drift, (rms_distance(codes) / domain.scale - 1).square(), atol=1e-3, rtol=0)
    assert drift < 1e-3  # halved, then doubled


def test_matched_rows_are_drawn_from_either_domain():
    domains = two_domains()
    objective = objective_for(domains, n_alone=0)
    objective.match(seeded())
    one, other = objective._draw_matched(seeded(1))
    assert len(one) == 32
    assert len(set(one[:16].tolist())) == len(set(other[16:].tolist())) == 16
    assert_close(domains[0].rows[one], domains[1].rows[other])


def test_nearest_points_both_ways():
    one, other = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[4.0], [0.9]])
    expected = [[0, 1], [1, 1], [2, 0], [2, 0], [1, 1]]
    assert nearest_both_ways(one, other).tolist() == expected


def test_codes_that_coincide_have_neither_discrepancy_nor_nan():
    flat = identity()
    nn.init.zeros_(flat.encoder.weight)
    objective = objective_for([domain_of(cloud(), flat), domain_of(cloud(), flat)], n_alone=0)
    loss = objective.losses("autoencoders", seeded())["gw"]
    loss.backward()
    assert_close(loss, torch.tensor(0.0), atol=1e-5, rtol=0)
    assert torch.isfinite(flat.encoder.weight.grad).all()


def test_the_discrepancy_agrees_with_its_definition():
    """2 GW(D, E) - GW(D, D) - GW(E, E) of a batch that is all rows, solved to the end."""
    deformed = identity()
    with torch.no_grad():
        deformed.encoder.weight[0, 0] = 0.7
    domains = [domain_of(cloud()), domain_of(cloud(), deformed)]
    objective = objective_for(domains, n_alone=0)
    objective._draw_matched = lambda generator: (torch.arange(N), torch.arange(N))
    found = objective.losses("autoencoders", seeded())["gw"]
    D, E = (pairwise_distances(domain.model.autoencoder.encode(domain.rows)) for domain in domains)
    D, E = (C.detach() / C.square().mean().sqrt() for C in (D, E))
    expected = gw_divergence(D, E, reg=5e-3, reg_scale=None)
    assert_close(found.detach(), expected, atol=5e-3, rtol=0)
    assert expected > 5e-3


def deformed_domains():
    deformed = identity()
    with torch.no_grad():
        deformed.encoder.weight[0, 0] = 0.7
    return [domain_of(cloud()), domain_of(cloud(), deformed)]


def test_the_loss_of_the_source_is_its_equation():
    """Raw distances of the batches themselves, an absolute epsilon, and no matching."""
    domains, matcher = deformed_domains(), SameOrder()
    objective = objective_for(
        domains, matcher, n_alone=0, batch_size=N, loss=GWLoss("independent", normalized=False)
    )
    found = objective.losses("autoencoders", seeded())
    found["gw"].backward(retain_graph=True)
    D, E = (pairwise_distances(domain.model.autoencoder.encode(domain.rows)) for domain in domains)
    expected = gw_divergence(D, E, reg=5e-3, reg_scale=None)
    assert_close(found["gw"], expected, atol=1e-2, rtol=0)
    assert_close(found["loss"], found["reconstruction"] + found["gw"])
    assert matcher.calls == []
    gradient = domains[1].model.autoencoder.encoder.weight.grad
    exact = torch.autograd.grad(expected, domains[1].model.autoencoder.encoder.weight)[0]
    cosine = (gradient * exact).sum() / gradient.norm() / exact.norm()
    assert cosine > 0.99


def test_independent_batches_may_be_normalised():
    domains = deformed_domains()
    objective = objective_for(domains, n_alone=0, batch_size=N, loss=GWLoss("independent"))
    first = objective.losses("autoencoders", seeded())
    assert_close(first["loss"], first["reconstruction"] + first["gw"])  # no drift yet
    with torch.no_grad():
        domains[0].model.autoencoder.encoder.weight.mul_(2)
    second = objective.losses("autoencoders", seeded())
    assert_close(second["gw"], first["gw"], atol=1e-4, rtol=1e-3)
    drift = second["loss"] - second["reconstruction"] - second["gw"]
    assert_close(drift, torch.tensor(1.0), atol=1e-2, rtol=0)


@pytest.mark.parametrize("by_rows", [False, True])
def test_everything_that_a_resumed_run_needs_is_in_the_state(by_rows):
    objective, resumed = (
        objective_for(
            [domain_of(cloud()), domain_of(3 * cloud())], SameOrder(by_rows=by_rows), n_alone=0
        )
        for _ in range(2)
    )
    objective.losses("autoencoders", seeded())
    resumed.load_state_dict(objective.state_dict())
    state = resumed.state_dict()
    for part in ("rotation", "offset"):
        for similarity in ("code_similarity", "row_similarity"):
            name = f"{similarity}.{part}"
            assert_close(state[name], objective.state_dict()[name])
    assert resumed.matched_by is (MatchedBy.ROWS if by_rows else MatchedBy.CODES)
    for name in ("matches", "mass", "margin", "cost_ratio", "displaced", "n_updates"):
        assert_close(state[name], getattr(objective, name))
    for mine, theirs in zip(objective.pair, resumed.pair, strict=True):
        assert_close(mine.reference, theirs.reference)
        assert_close(mine.scale, theirs.scale)
    assert_close(
        objective.losses("autoencoders", seeded(1))["loss"],
        resumed.losses("autoencoders", seeded(1))["loss"],
    )
