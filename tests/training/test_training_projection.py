import numpy as np
from _objectives import N, mlp_generator, objective_for, recall, seeded
from scipy.spatial.distance import cdist
from torch.testing import assert_close

from skgw.training.projection import project


def test_projection_of_a_perfect_generator(X, scale):
    objective = objective_for(X, recall(X / scale), scale=scale)
    objective.losses("generator", seeded())
    projection = project(objective, np.arange(N), N, seeded())
    D = cdist(X, X) / scale
    assert_close(projection.cloud, X / scale, rtol=1e-5, atol=1e-6)
    assert projection.converged
    assert abs(projection.divergence) < 5e-3
    to_cloud, to_data = projection.to_cloud.rows(D), projection.to_data.rows(D)
    for rows in (to_cloud, to_data):
        assert_close(rows.sum(1), np.ones(N))
        assert_close(rows.mean(0), np.full(N, 1 / N), atol=1e-3, rtol=0)
    assert np.corrcoef((to_cloud @ projection.cloud).ravel(), X.ravel())[0, 1] > 0.95
    assert np.corrcoef((to_data @ X).ravel(), X.ravel())[0, 1] > 0.95


def test_projection_of_some_rows_onto_more_points(X, scale):
    objective = objective_for(X, mlp_generator(), batch_size=24, scale=scale)
    objective.losses("generator", seeded())
    projection = project(objective, np.arange(0, N, 2), 60, seeded())
    assert projection.cloud.shape == (60, 2)
    assert projection.cloud.dtype == np.float64
    assert projection.to_cloud.rows(cdist(X, X[::2]) / scale).shape == (N, 60)
    E = cdist(projection.cloud, projection.cloud)
    assert projection.to_data.rows(E).shape == (60, N // 2)
