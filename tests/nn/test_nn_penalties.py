import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from torch import nn
from torch.testing import assert_close

from skgw.nn import (
    isometry_penalty,
    layerwise_penalty,
    pairwise_distances,
    procrustes_penalty,
)
from skgw.nn.procrustes import closest_projection


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rotation(d, seed=0):
    return torch.as_tensor(ortho_group.rvs(d, random_state=np.random.RandomState(seed)))


# ----------------------------------------------------------------------------------- isometry


def test_isometries_cost_nothing():
    x = normal(9, 4)
    Dx = pairwise_distances(x)
    Dz = pairwise_distances(3 * x @ rotation(4) + 1)
    assert isometry_penalty(Dz, Dx) < 1e-20
    assert isometry_penalty(Dz, Dx, scale=3.0) < 1e-20
    assert_close(isometry_penalty(Dz, Dx, scale=1.0).item(), 4.0)  # (3 - 1)^2


def test_without_a_scale_the_penalty_is_the_minimum_over_scales():
    Dz, Dx = pairwise_distances(normal(9, 2)), pairwise_distances(normal(9, 4, seed=1))
    penalty = isometry_penalty(Dz, Dx)
    residuals = [(Dz - s * Dx).square().sum() for s in np.linspace(0, 2, 2001)]
    assert_close(penalty, min(residuals) / Dz.square().sum(), rtol=1e-5, atol=0)
    cosine = (Dz * Dx).sum() / (Dz.norm() * Dx.norm())
    assert_close(penalty, 1 - cosine**2)


def test_without_a_scale_the_penalty_has_no_units():
    Dz, Dx = pairwise_distances(normal(9, 2)), pairwise_distances(normal(9, 4, seed=1))
    assert_close(isometry_penalty(7 * Dz, Dx / 5), isometry_penalty(Dz, Dx))


@pytest.mark.parametrize("scale", [None, 0.7])
def test_isometry_has_the_right_gradient(scale):
    x = normal(6, 4)

    def penalty(z):
        return isometry_penalty(pairwise_distances(z), pairwise_distances(x), scale=scale)

    assert torch.autograd.gradcheck(penalty, normal(6, 2, seed=1).requires_grad_())


@pytest.mark.parametrize("scale", [None, 0.7])
def test_equal_rows_cost_nothing(scale):
    z = torch.zeros(5, 2, requires_grad=True)
    penalty = isometry_penalty(pairwise_distances(z), torch.zeros(5, 5), scale=scale)
    penalty.backward()
    assert penalty == 0
    assert_close(z.grad, torch.zeros(5, 2))


# ---------------------------------------------------------------------------------- Procrustes


def brute_force(y, x):
    """Equation 5 of Bunne et al. (2019) for centred points, from the SVD of all of y^T x."""
    y, x = y - y.mean(0), x - x.mean(0)
    left, _, right = torch.linalg.svd(y.T @ x, full_matrices=False)
    return (y - x @ (left @ right).T).square().sum() / len(y)


SIZES = [
    (20, 4, 4), (20, 3, 7), (20, 7, 3), (8, 8, 8), (5, 9, 9), (5, 9, 12), (5, 12, 9), (5, 3, 12),
    (5, 12, 3),
]  # fmt: skip


@pytest.mark.parametrize(("n", "d_y", "d_x"), [size for size in SIZES if size[1] >= size[2]])
def test_procrustes_equals_brute_force(n, d_y, d_x):
    y, x = normal(n, d_y), normal(n, d_x, seed=1)
    assert_close(procrustes_penalty(y, x), brute_force(y, x))


@pytest.mark.parametrize(("n", "d_y", "d_x"), [size for size in SIZES if size[1] < size[2]])
def test_a_projection_is_closer_than_the_polar_factor(n, d_y, d_x):
    """No projection near the solution is closer; nor is the solution from 20 random projections."""
    y, x = normal(n, d_y), normal(n, d_x, seed=1)
    penalty = procrustes_penalty(y, x)
    assert penalty < brute_force(y, x) - 1e-3
    y, x = y - y.mean(0), x - x.mean(0)
    gram, cross = x.T @ x / n, x.T @ y / n
    top = torch.linalg.eigvalsh(gram)[-1]
    for seed in range(20):
        Q = rotation(d_x, seed)[:, :d_y]
        for _ in range(2000):  # without extrapolation
            left, _, right = torch.linalg.svd(top * Q - gram @ Q + cross, full_matrices=False)
            Q = left @ right
        assert penalty <= (y - x @ Q).square().sum() / n + 1e-7


def test_a_projection_to_one_dimension_solves_the_secular_equation():
    """min ||y - x q||^2 over unit vectors q: (G - t) q = c, with t below the eigenvalues of G."""
    x, y = normal(30, 6), normal(30, 1, seed=1)
    x, y = x - x.mean(0), y - y.mean(0)
    values, axes = torch.linalg.eigh(x.T @ x)
    c = (axes.T @ (x.T @ y))[:, 0]
    low, high = float(values[0] - c.norm()), float(values[0])
    for _ in range(200):
        t = (low + high) / 2
        low, high = (t, high) if (c / (values - t)).norm() < 1 else (low, t)
    q = axes @ (c / (values - t))
    assert_close(procrustes_penalty(y, x), (y[:, 0] - x @ q).square().mean())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("axes", [[0, 1], [4, 2], [3]])
def test_coordinates_of_the_points_cost_nothing(axes, dtype):
    """Their polar factor costs up to 4 times the variance."""
    x = normal(50, 5) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2])
    x, y = x.to(dtype), x[:, axes].to(dtype) + 7
    assert procrustes_penalty(y, x) < (1e-13 if dtype == torch.float64 else 1e-7)


@pytest.mark.parametrize("n", [5, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rotated_reflected_and_shifted_points_cost_nothing(n, dtype):
    x = normal(n, 8)
    y = x @ rotation(8) * torch.tensor([-1.0] + 7 * [1.0]) + 3
    penalty = procrustes_penalty(y.to(dtype), x.to(dtype))
    assert penalty.dtype == dtype
    assert penalty < 1e3 * torch.finfo(dtype).eps ** 2


def test_an_isometric_embedding_in_more_dimensions_costs_nothing():
    x = normal(30, 3)
    assert procrustes_penalty(x @ rotation(7)[:3], x) < 1e-20


def test_a_projection_to_fewer_dimensions_is_matched_along_its_principal_axes():
    x = normal(30, 5)
    x = x - x.mean(0)
    _, _, axes = torch.linalg.svd(x)
    assert procrustes_penalty(x @ axes[:2].T, x) < 1e-13


def test_a_stretch_costs_what_it_changes():
    """y = x diag(s) has P = 1, and the penalty is the sum of (s - 1)^2 times the variances."""
    x = normal(50, 3)
    stretch = torch.tensor([2.0, 1.0, 0.5])
    expected = ((stretch - 1) ** 2 * x.var(0, correction=0)).sum()
    x = x - x.mean(0)
    _, _, axes = torch.linalg.svd(x)
    x = x @ axes.T  # uncorrelated, so that the cross product is diagonal
    expected = ((stretch - 1) ** 2 * x.var(0, correction=0)).sum()
    assert_close(procrustes_penalty(x * stretch, x), expected)


def test_no_other_rotation_is_closer():
    y, x = normal(20, 4), normal(20, 4, seed=1)
    centred_y, centred_x = y - y.mean(0), x - x.mean(0)
    for seed in range(50):
        rotated = centred_x @ rotation(4, seed)
        assert (centred_y - rotated).square().sum() / 20 > procrustes_penalty(y, x)


@pytest.mark.parametrize(
    ("n", "d_y", "d_x"), [(20, 4, 4), (20, 7, 3), (5, 9, 9), (20, 2, 5), (20, 1, 4), (6, 3, 9)]
)
def test_procrustes_has_the_right_gradient(n, d_y, d_x):
    """A constant P is exact, as P is the minimiser."""
    x = normal(n, d_x, seed=1)
    y = normal(n, d_y).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: procrustes_penalty(y, x), y)


def test_procrustes_of_a_collapsed_map_is_the_variance_of_the_data():
    x = normal(20, 3)
    y = torch.ones(20, 3, dtype=torch.float64, requires_grad=True)
    penalty = procrustes_penalty(y, x)
    penalty.backward()
    assert_close(penalty.item(), x.var(0, correction=0).sum().item())
    assert torch.isfinite(y.grad).all()


# ------------------------------------------------------------------------------------ layerwise


def test_orthogonal_layers_cost_nothing():
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.BatchNorm1d(2))
    for layer in (network[0], network[2]):
        nn.init.orthogonal_(layer.weight)
    assert layerwise_penalty(network) < 1e-10
    nn.init.ones_(network[0].bias)
    assert layerwise_penalty(network) < 1e-10


def test_layers_cost_what_they_stretch():
    """A layer diag(s) costs the sum of (s^2 - 1)^2."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.diag(torch.tensor([2.0, 1.0])))
        network[1].weight.copy_(torch.diag(torch.tensor([0.0, 1.0])))
    assert layerwise_penalty(network) == 9 + 1


def test_a_convolution_is_a_matrix_with_a_row_per_channel():
    layer = nn.Conv2d(1, 4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(3 * torch.eye(4).view(4, 1, 2, 2))
    assert layerwise_penalty(layer) == 4 * 64


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5])
def test_a_wide_projection_in_float32_survives_decompositions_that_fail(seed):
    """LAPACK may fail on a well-conditioned matrix in float32; here it did after 40 steps."""
    noise = torch.Generator().manual_seed(seed)
    scale = torch.logspace(0, -2, 784)
    x = torch.randn(256, 784, generator=noise) * scale
    axes = torch.linalg.qr(torch.randn(784, 300, generator=noise))[0]
    y = x @ axes
    y = y + 0.3 * y.std() * torch.randn(256, 300, generator=noise)
    Q = closest_projection(x - x.mean(0), y - y.mean(0))
    assert_close(Q.T @ Q, torch.eye(300), atol=1e-5, rtol=0)
