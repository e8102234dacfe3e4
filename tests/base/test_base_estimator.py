import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgw.base.estimator import (
    canonical_axes,
    draw_seed,
    resolve_device,
    seeded,
    tensor_in_tensor_out,
)


@pytest.fixture
def cloud():
    """Skewed along every axis, with clearly different variances."""
    return np.random.default_rng(0).exponential(size=(200, 3)) * [3, 2, 1]


# ------------------------------------------------------------------------------------ devices


def test_devices_by_name(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


def test_a_missing_device_is_an_error_unless_it_is_not_required():
    with pytest.raises(ValueError, match="device='cuda:99' is not available"):
        resolve_device("cuda:99")
    assert resolve_device("cuda:99", required=False) == torch.device("cpu")


@pytest.mark.parametrize("device", ["mps", "meta", "xpu", "warp", "cpu:0", "cuda:", "cuda\n", ""])
@pytest.mark.parametrize("required", [False, True])
def test_other_kinds_of_device_are_refused(device, required):
    with pytest.raises(ValueError, match=r"device='.*' is not supported: use 'auto', 'cpu'"):
        resolve_device(device, required=required)


# --------------------------------------------------------------------------------- randomness


def test_seeds():
    assert draw_seed(0) == draw_seed(0) == draw_seed(np.random.RandomState(0))
    assert draw_seed(0) != draw_seed(1)
    rng = np.random.RandomState(0)
    assert draw_seed(rng) != draw_seed(rng)


def test_generators_are_their_own():
    before = torch.get_rng_state()
    one, two = (torch.rand(3, generator=seeded(5)) for _ in range(2))
    assert_array_equal(one, two)
    assert_array_equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------------------------ tensors


class Doubler:
    @tensor_in_tensor_out
    def double(self, X, factor=2):
        """Times two."""
        assert isinstance(X, np.ndarray)
        return factor * X

    @tensor_in_tensor_out
    def total(self, X):
        return float(X.sum())

    @tensor_in_tensor_out
    def shifted(self, n=1, *, by=None, weight=1):
        assert not isinstance(weight, torch.Tensor)
        return n + by * np.asarray(weight)


def test_the_kind_of_array_is_kept():
    X = np.arange(3.0)
    assert_array_equal(Doubler().double(X), 2 * X)
    out = Doubler().double(torch.tensor(X, dtype=torch.float32, requires_grad=True), factor=3)
    assert isinstance(out, torch.Tensor)
    assert out.dtype == torch.float32
    assert not out.requires_grad
    assert_array_equal(out, 3 * X)
    assert isinstance(Doubler().double(X=torch.tensor(X)), torch.Tensor)
    assert Doubler().total(torch.tensor(X)) == 3.0
    assert Doubler().double(torch.tensor(X, dtype=torch.bfloat16)).dtype == torch.float32
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'X'"):
        Doubler().double()
    assert Doubler.double.__doc__ == "Times two."


def test_the_first_array_decides():
    X, weight = np.arange(3.0), torch.ones(3, requires_grad=True)
    assert isinstance(Doubler().shifted(2, weight=weight, by=torch.tensor(X)), torch.Tensor)
    assert isinstance(Doubler().shifted(by=torch.tensor(X)), torch.Tensor)
    assert isinstance(Doubler().shifted(by=X, weight=weight), np.ndarray)


# ------------------------------------------------------------------------------ canonical axes


def test_axes_are_principal(cloud):
    mean, axes = canonical_axes(cloud)
    assert_allclose(mean, cloud.mean(0))
    assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    placed = (cloud - mean) @ axes
    covariance = np.cov(placed.T)
    assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-12 * covariance.max())
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert ((placed**3).sum(0) > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_axes_are_invariant_under_rigid_transformations(cloud, seed):
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.choice([-1, 1], 3)
    expected, moved = (
        (points - mean) @ axes
        for points in (cloud, cloud @ rotation + rng.normal(size=3))
        for mean, axes in [canonical_axes(points)]
    )
    assert_allclose(moved, expected, atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 5), (5, 1), (1, 2), (4, 4)])
def test_few_points_still_have_all_axes(shape):
    points = np.random.default_rng(0).normal(size=shape)
    mean, axes = canonical_axes(points)
    assert axes.shape == (shape[1], shape[1])
    assert_allclose(axes.T @ axes, np.eye(shape[1]), atol=1e-12)
    assert np.isfinite((points - mean) @ axes).all()


def test_coinciding_points_have_axes_too():
    _, axes = canonical_axes(np.full((5, 2), 3.0))
    assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
