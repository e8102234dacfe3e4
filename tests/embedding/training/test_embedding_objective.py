import numpy as np
import pytest
import torch
from _objectives import EPSILON, N, mlp_generator, objective_for, recall, seeded
from scipy.spatial.distance import cdist
from torch import nn
from torch.testing import assert_close

from skgw.nn import Generator, MixturePrior, pairwise_distances
from skgw.solvers import gw_divergence, solve_gromov
from skgw.training import TrainingOptions, train

# ------------------------------------------------------------------------------------ the loss


def test_a_perfect_match_costs_nothing(X, scale):
    objective = objective_for(X, recall(X / scale), scale=scale)
    losses = objective.losses("generator", seeded())
    assert losses["gw"].abs() < 5e-3
    wrong = objective_for(X, recall(np.c_[X[:, 0], 0 * X[:, 1]] / scale), scale=scale)
    assert wrong.losses("generator", seeded())["gw"] > 0.05


def test_loss_is_the_divergence_between_data_and_points(X, scale):
    points = np.random.default_rng(1).normal(size=(N, 2))
    objective = objective_for(X, recall(points), scale=scale)
    gw = objective.losses("generator", seeded())["gw"].item()
    D, E = cdist(X, X) / scale, cdist(points, points)
    expected = gw_divergence(D, E, reg=EPSILON, reg_scale=None, tol=1e-4)
    assert gw == pytest.approx(float(expected), rel=0.02)


def test_loss_does_not_depend_on_the_unit_of_the_data(X, scale):
    points = np.random.default_rng(1).normal(size=(N, 2))
    one, other = (
        objective_for(factor * X, recall(points), scale=factor * scale).losses("", seeded())["gw"]
        for factor in (1, 1000)
    )
    assert_close(one, other, rtol=1e-3, atol=0)


@pytest.mark.parametrize("epsilon", [0.005, 0.01, 0.011, 0.05, 0.2])
def test_self_terms_are_minimal_at_any_epsilon(X, scale, epsilon):
    objective = objective_for(X, recall(X / scale), scale=scale, epsilon=epsilon)
    objective.losses("generator", seeded())
    D = cdist(X, X) / scale
    expected = solve_gromov(D, D, reg=epsilon, reg_scale=None, init="identity").value
    assert float(objective.self_value) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(("penalty", "expected"), [("mean", 0.5 * 25), ("l1", 0.5 * 7)])
def test_penalty_is_added_with_its_weight(X, penalty, expected):
    table = np.tile([[3.0, 4.0]], (N, 1))
    losses = objective_for(X, recall(table), penalty=penalty).losses("generator", seeded())
    assert_close(losses["loss"] - losses["gw"], torch.tensor(expected), rtol=1e-4, atol=0)
    plain = objective_for(X, recall(table)).losses("generator", seeded())
    assert plain["loss"] == plain["gw"]


def test_gradients_reach_the_generator_alone(X):
    generator = mlp_generator()
    objective = objective_for(X, generator, batch_size=32)
    (phase,) = objective.phases()
    assert phase.name == "generator"
    assert {id(p) for p in phase.parameters} == {id(p) for p in generator.parameters()}
    assert {id(p) for p in objective.parameters()} == {id(p) for p in generator.parameters()}
    objective.losses("generator", seeded())["loss"].backward()
    for parameter in generator.parameters():
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0


def test_gradient_is_that_of_the_divergence(X, scale):
    """Finite differences of converged solves, along random directions."""
    points = 0.7 * np.random.default_rng(1).normal(size=(N, 2))
    generator = recall(points)
    objective_for(X, generator, scale=scale).losses("generator", seeded())["loss"].backward()
    D = cdist(X, X) / scale

    def divergence(table):
        E = cdist(table, table)
        init = solve_gromov(D, cdist(points, points), reg=EPSILON, reg_scale=None).plan
        cross = solve_gromov(D, E, reg=EPSILON, reg_scale=None, init=init).value
        own = solve_gromov(E, E, reg=EPSILON, reg_scale=None, init="identity").value
        return 2 * float(cross) - float(own)

    gradient = generator.prior.table.grad.numpy()
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=points.shape)
        step = 1e-3 * direction
        slope = (divergence(points + step) - divergence(points - step)) / 2e-3
        assert (gradient * direction).sum() == pytest.approx(slope, rel=0.1, abs=4e-3)


def test_a_step_against_the_gradient_helps(X, scale):
    generator = recall(0.5 * np.random.default_rng(1).normal(size=(N, 2)))
    objective = objective_for(X, generator, scale=scale)
    options = TrainingOptions(max_iter=60, learning_rate=0.05)
    history = train(objective, options, seeded())
    assert history.losses["gw"][-1] < 0.2 * history.losses["gw"][0]


# ------------------------------------------------------------------------------ batches, caching


@pytest.mark.parametrize(
    ("batch_size", "n_points"), [(16, 16), (N, N), (3 * N, 128), (10_000, 128)]
)
def test_batches_of_any_size(X, batch_size, n_points):
    objective = objective_for(X, mlp_generator(), batch_size=batch_size)
    for _ in range(3):
        assert torch.isfinite(objective.losses("generator", seeded())["loss"])
    assert objective.last_plan.shape == (1, min(batch_size, N), n_points)
    assert objective.n_batches == 3
    assert_close(objective.last_plan.sum(), torch.tensor(1.0), atol=1e-4, rtol=0)


def test_a_warm_started_coupling_is_as_good_as_a_cold_one(X, scale):
    objective = objective_for(X, mlp_generator(), batch_size=24, scale=scale)
    noise = seeded()
    for _ in range(5):
        objective.losses("generator", noise)
    rows, points = objective.last_rows, objective.last_points
    D, E = objective.distances(rows, rows), pairwise_distances(points)
    cold = solve_gromov(D, E, reg=EPSILON, reg_scale=None, tol=1e-3)
    plan = objective.last_plan[0]
    energy = float(
        ((D[:, None, :, None] - E[None, :, None]).square() * plan[:, :, None, None] * plan).sum()
    )
    value = energy - EPSILON * float(torch.special.entr(plan).sum())
    assert value < float(cold.value) + 0.02


def test_a_misleading_coupling_loses_to_the_next_cold_restart(X, scale):
    """Here one that tells all generated points to go everywhere."""
    objective = objective_for(X, recall(X / scale), scale=scale)
    cold = objective.losses("generator", seeded())["gw"].item()
    objective.last_plan.fill_(1 / N**2)
    objective.n_batches.fill_(objective.options.restart_every)
    assert objective.losses("generator", seeded())["gw"].item() == pytest.approx(cold, abs=1e-3)
    objective.last_plan.fill_(1 / N**2)
    assert objective.losses("generator", seeded())["gw"].item() > cold + 0.02


def test_generated_batches_are_stratified(X):
    generator = Generator(MixturePrior(2, N, scale=0.0), nn.Identity(), 2)
    objective = objective_for(X, generator)
    objective.losses("generator", seeded())
    assert len(objective.last_points.unique(dim=0)) == N


def test_distances_are_over_the_scale_cached_or_not(X, scale):
    i, j = torch.tensor([3, 1]), torch.tensor([0, 5, 7])
    expected = torch.tensor(cdist(X[i], X[j]) / scale, dtype=torch.float32)
    cached = objective_for(X, mlp_generator(), scale=scale)
    assert cached.matrix.shape == (N, N)
    computed = objective_for(X, mlp_generator(), scale=scale, max_cached=N - 1)
    assert computed.matrix is None
    for objective in (cached, computed):
        assert_close(objective.distances(i, j), expected, atol=1e-6, rtol=1e-5)


# ---------------------------------------------------------------------------------- validation


def test_no_validation_without_held_out_points(X):
    assert objective_for(X, mlp_generator()).validation_loss() is None


def test_validation_looks_at_held_out_points_only(X, scale):
    """They are far away here, where the generator has no points."""
    held_out = np.arange(10)
    generator = recall(X[10:] / scale)
    near = objective_for(X, generator, held_out=held_out, batch_size=38, scale=scale)
    far = X.copy()
    far[:10] *= 10
    moved = objective_for(far, generator, held_out=held_out, batch_size=38, scale=scale)
    assert moved.validation_loss() > near.validation_loss() + 1
    assert not np.isin(held_out, near.order.numpy()).any()
    assert_close(moved.losses("", seeded())["gw"], near.losses("", seeded())["gw"])


def test_validation_leaves_no_trace(X):
    objective = objective_for(X, mlp_generator(), held_out=np.arange(10), batch_size=24)
    objective.losses("generator", seeded())
    before = {name: x.clone() for name, x in objective.state_dict().items()}
    assert objective.validation_loss() == objective.validation_loss()  # the same draw
    for name, x in objective.state_dict().items():
        assert torch.equal(x, before[name]), name


def test_a_long_list_of_held_out_points_is_cut(X):
    objective = objective_for(X, mlp_generator(), held_out=np.arange(10), max_held_out=5)
    assert objective.held_out.tolist() == [0, 1, 2, 3, 4]


# --------------------------------------------------------------------------------------- state


def test_a_restored_objective_goes_on_identically(X):
    one, other = (objective_for(X, mlp_generator(seed), batch_size=24) for seed in (0, 1))
    noise = seeded()
    for _ in range(3):
        one.losses("generator", noise)
    other.load_state_dict(one.state_dict())
    state = noise.get_state()
    expected = [one.losses("generator", noise)["loss"].item() for _ in range(3)]
    noise.set_state(state)
    assert [other.losses("generator", noise)["loss"].item() for _ in range(3)] == expected


def test_the_state_holds_no_data(X):
    """So that checkpoints do not grow with the square of it."""
    objective = objective_for(X, mlp_generator(), batch_size=4)
    names = set(objective.state_dict()) - {
        f"generator.{k}" for k in objective.generator.state_dict()
    }
    assert names == {
        "last_rows", "last_points", "last_plan", "n_batches", "self_value", "starts_placed",
    }  # fmt: skip
