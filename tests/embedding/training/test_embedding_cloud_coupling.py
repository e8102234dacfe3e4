import numpy as np
import torch
from _objectives import N, mlp_generator, objective_for, recall, seeded
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist
from torch.testing import assert_close

from skgw.embedding.cloud_coupling import couple_with_cloud
from skgw.embedding.initialization import initialize_by_scaling
from skgw.training import TrainingOptions, train


def test_coupling_of_a_perfect_generator(X, scale):
    objective = objective_for(X, recall(X / scale), scale=scale)
    objective.losses("generator", seeded())
    coupling = couple_with_cloud(objective, np.arange(N), N, seeded())
    D = cdist(X, X) / scale
    assert_close(coupling.cloud, X / scale, rtol=1e-5, atol=1e-6)
    assert coupling.converged
    assert abs(coupling.divergence) < 5e-3
    to_cloud, to_data = coupling.to_cloud.rows(D), coupling.to_data.rows(D)
    for rows in (to_cloud, to_data):
        assert_close(rows.sum(1), np.ones(N))
        assert_close(rows.mean(0), np.full(N, 1 / N), atol=1e-3, rtol=0)
    assert np.corrcoef((to_cloud @ coupling.cloud).ravel(), X.ravel())[0, 1] > 0.95
    assert np.corrcoef((to_data @ X).ravel(), X.ravel())[0, 1] > 0.95


def test_coupling_of_some_rows_onto_more_points(X, scale):
    objective = objective_for(X, mlp_generator(), batch_size=24, scale=scale)
    objective.losses("generator", seeded())
    coupling = couple_with_cloud(objective, np.arange(0, N, 2), 60, seeded())
    assert coupling.cloud.shape == (60, 2)
    assert coupling.cloud.dtype == np.float64
    assert coupling.to_cloud.rows(cdist(X, X[::2]) / scale).shape == (N, 60)
    E = cdist(coupling.cloud, coupling.cloud)
    assert coupling.to_data.rows(E).shape == (60, N // 2)


def couplings(X, scale):
    """Couplings of a generator before and after training."""
    objective = objective_for(X, mlp_generator(), batch_size=24, scale=scale)
    initialize_by_scaling(objective, seeded(1))
    before = couple_with_cloud(objective, np.arange(N), N, seeded(2))
    train(objective, TrainingOptions(max_iter=5), seeded())
    return before, couple_with_cloud(objective, np.arange(N), N, seeded(2))


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert_array_equal(a.cloud, b.cloud)
        assert_array_equal(a.to_cloud.transported_distances, b.to_cloud.transported_distances)
        assert a.divergence == b.divergence


def test_no_step_depends_on_the_default_dtype(X, scale, double_by_default):
    double = couplings(X, scale)
    torch.set_default_dtype(torch.float32)
    assert_same(double, couplings(X, scale))


def test_no_step_runs_in_half_precision(X, scale):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = couplings(X, scale)
    assert_same(half, couplings(X, scale))


def test_a_misleading_coupling_is_not_followed(X, scale):
    """Here one that mirrors the data along the first axis."""
    order = X[:, 0].argsort()
    objective = objective_for(X, recall(X / scale), scale=scale)
    objective.losses("generator", seeded())
    expected = couple_with_cloud(objective, np.arange(N), N, seeded()).divergence
    objective.last_plan.zero_()[0, order, order[::-1].copy()] = 1 / N
    divergence = couple_with_cloud(objective, np.arange(N), N, seeded()).divergence
    np.testing.assert_allclose(divergence, expected, atol=1e-3)


def test_a_coupling_out_of_steps_has_not_converged(X, scale):
    objective = objective_for(X, mlp_generator(), scale=scale)
    objective.losses("generator", seeded())
    assert couple_with_cloud(objective, np.arange(N), N, seeded()).converged
    assert not couple_with_cloud(objective, np.arange(N), N, seeded(), max_iter=2).converged
