import numpy as np
import pytest
import torch
from torch.testing import assert_close

from skgw.nn import PENALTIES, centering_l1, centering_mean, pairwise_distances, polar_factor


@pytest.mark.parametrize("k", [1, 2, 16, 17, 40])  # above 16 from inner products
def test_distances(k):
    x = torch.randn(6, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x[:4] + 1
    expected = (x[:, None] - y[None]).square().sum(2).sqrt()
    assert_close(pairwise_distances(x, y), expected)
    assert_close(
        pairwise_distances(x), (x[:, None] - x[None]).square().sum(2).sqrt(), atol=1e-6, rtol=0
    )


def test_distances_far_from_the_origin_are_exact_in_low_dimension():
    x = torch.tensor([[1e4, 0.0], [1e4 + 0.5, 0.0]])
    assert_close(pairwise_distances(x), torch.tensor([[0.0, 0.5], [0.5, 0.0]]))


@pytest.mark.parametrize("k", [2, 20])
def test_gradients(k):
    x = torch.randn(4, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.randn(3, k, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradcheck(pairwise_distances, (x, y))


@pytest.mark.parametrize("k", [2, 20])
def test_gradient_at_distance_zero_is_zero(k):
    x = torch.ones(3, k, requires_grad=True)
    pairwise_distances(x).sum().backward()
    assert_close(x.grad, torch.zeros(3, k))


def test_penalties_on_known_points():
    y = torch.tensor([[3.0, 0.0], [1.0, -4.0]])
    assert centering_mean(y) == 2.0**2 + 2.0**2
    assert centering_l1(y) == (3 + 5) / 2
    assert {"mean": centering_mean, "l1": centering_l1} == PENALTIES


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_do_not_depend_on_the_size_of_the_batch(name):
    y = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    assert_close(PENALTIES[name](torch.cat([y, y])), PENALTIES[name](y))


def test_only_the_mean_penalty_leaves_the_shape_free():
    y = torch.tensor([[3.0, 0.0], [-3.0, 0.0]])
    assert centering_mean(y) == centering_mean(10 * y) == 0
    assert centering_l1(10 * y) == 10 * centering_l1(y) > 0


@pytest.mark.parametrize(("k", "d"), [(3, 3), (2, 4), (4, 2)])
@pytest.mark.parametrize("convert", [torch.as_tensor, np.asarray])
def test_the_polar_factor_is_the_nearest_orthogonal_map(k, d, convert):
    cross = np.random.default_rng(0).normal(size=(k, d))
    given = convert(cross)
    best = polar_factor(given)
    assert type(best) is type(given)
    best = np.asarray(best)
    gram = best @ best.T if k <= d else best.T @ best
    np.testing.assert_allclose(gram, np.eye(min(k, d)), atol=1e-12)
    nuclear_norm = np.linalg.svd(cross, compute_uv=False).sum()
    assert (best * cross).sum() == pytest.approx(nuclear_norm)
