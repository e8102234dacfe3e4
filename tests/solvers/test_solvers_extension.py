"""Rows of a plan for new points; the rows of the reference points are rows of the plan."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.solvers import solve_gromov
from skgw.solvers.linear.extension import extend_plan


@pytest.fixture(scope="module")
def extended(mixture):
    x, y = mixture(60, 0), mixture(40, 1)
    result = solve_gromov(cdist(x, x), cdist(y, y), reg=0.01, tol=1e-7)
    D, E = (torch.tensor(cdist(z, z)) for z in (x, y))
    extension, error = extend_plan(D, torch.tensor(result.plan), E, float(result.reg))
    return x, y, result, extension, error


def test_reference_points_keep_their_rows(extended):
    x, _, result, extension, error = extended
    rows = extension.rows(cdist(x, x))
    assert error < 1e-6
    np.testing.assert_allclose(rows, 60 * result.plan, atol=1e-4)
    np.testing.assert_allclose(rows.sum(1), 1)


def test_new_points_follow_their_neighbours(extended, mixture):
    x, y, result, extension, _ = extended
    new = x + 1e-3 * np.random.default_rng(0).normal(size=x.shape)
    moved = extension.rows(cdist(new, x)) @ y
    assert abs(moved - result.barycenter(y)).max() < 0.1


def test_a_chunk_is_a_chunk(extended):
    x, _, _, extension, _ = extended
    D = cdist(x, x)
    np.testing.assert_allclose(
        np.vstack([extension.rows(D[:7]), extension.rows(D[7:])]), extension.rows(D), atol=1e-12
    )
