"""Gradients of values in matrices, weights, reg and penalties are finite differences."""

import functools
import warnings

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from skgw.solvers import PointCloud, gw_divergence, solve_gromov

STEP = 1e-4
N, M_SIZE = 9, 7
TIGHT = {"tol": 1e-10, "max_iter": 2000}
REG = {("L2", "auto"): 0.05, ("L2", None): 0.8, ("KL", "auto"): 0.05, ("KL", None): 0.3}


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    Ca, Cb = (cdist(x, x) for x in (rng.normal(size=(n, 3)) * [3, 2, 1] for n in (N, M_SIZE)))
    M = 5 * rng.random((N, M_SIZE))
    a, b = (rng.uniform(0.5, 1.5, n) for n in (N, M_SIZE))
    found = {"Ca": Ca, "Cb": Cb, "M": M, "a": a / a.sum(), "b": b / b.sum()}
    return {name: torch.tensor(x) for name, x in found.items()}


def direction(name, x):
    """A random direction in which the array stays valid."""
    d = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    if name.startswith("C"):
        return (d + d.mT).fill_diagonal_(0) if d.ndim == 2 else d + d.mT
    return 0.1 * (d - d.mean(-1, keepdim=True)) if name in "ab" else d


def assert_gradients(function, arrays, names, rel=2e-5):
    """Autograd in each array, alone and beside the others, and central differences."""
    leaves = {name: arrays[name].clone().requires_grad_() for name in names}
    together = torch.autograd.grad(function(**arrays | leaves).sum(), list(leaves.values()))
    for name, gradient in zip(names, together, strict=True):
        x, leaf = arrays[name], leaves[name]
        alone = torch.autograd.grad(function(**arrays | {name: leaf}).sum(), leaf)[0]
        torch.testing.assert_close(alone, gradient, rtol=1e-6, atol=1e-8)
        d = direction(name, x)
        ahead, behind = (function(**arrays | {name: x + s * d}).sum() for s in (STEP, -STEP))
        expected = float(ahead - behind) / (2 * STEP)
        assert float((gradient * d).sum()) == pytest.approx(expected, rel=rel, abs=1e-8), name
        assert abs(expected) > 1e-4
        if name in "ab":  # the constant that weights leave free
            torch.testing.assert_close(gradient.mean(-1), torch.zeros_like(gradient[..., 0]))


@pytest.mark.parametrize("reg_scale", ["auto", None])
@pytest.mark.parametrize("loss", ["L2", "KL"])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_balanced(arrays, loss, reg_scale, alpha):
    options = {"loss": loss, "reg": REG[loss, reg_scale], "reg_scale": reg_scale, **TIGHT}

    def value(Ca, Cb, M, a, b):
        return solve_gromov(Ca, Cb, M if alpha < 1 else None, a, b, alpha=alpha, **options).value

    names = {0.0: ("M", "a", "b"), 0.6: ("Ca", "Cb", "M", "a", "b"), 1.0: ("Ca", "Cb", "a", "b")}
    if alpha == 0 and reg_scale == "auto":
        names[alpha] = (*names[alpha], "Ca", "Cb")  # by the scale of reg alone
    assert_gradients(value, arrays, names[alpha])


@pytest.mark.parametrize("reg_scale", ["auto", None])
@pytest.mark.parametrize(("loss", "backend"), [("L2", "auto"), ("L2", "torch"), ("KL", "auto")])
def test_divergence(arrays, loss, backend, reg_scale):
    options = {"loss": loss, "reg": REG[loss, reg_scale], "reg_scale": reg_scale, **TIGHT}

    def value(Ca, Cb, M, a, b):
        return gw_divergence(Ca, Cb, a, b, backend=backend, **options)

    assert_gradients(value, arrays, ("Ca", "Cb"))  # compiled as a whole
    assert_gradients(value, arrays, ("Ca", "Cb", "a", "b"))


@pytest.mark.parametrize(
    ("loss", "reg_scale", "freedom"),
    [
        ("L2", "auto", {"unbalanced": 0.5}),
        ("KL", "auto", {"unbalanced": (1.0, 0.2)}),
        ("L2", "auto", {"unbalanced": (np.inf, 0.3)}),
        ("L2", None, {"unbalanced": (np.inf, 0)}),
        ("KL", None, {"unbalanced": (0.3, np.inf)}),
        ("L2", "auto", {"mass": 0.6}),
        ("KL", "auto", {"mass": 1.0}),
        ("L2", None, {"mass": 0.6}),
    ],
)
def test_free_marginals(arrays, loss, reg_scale, freedom):
    reg = REG[loss, reg_scale]
    options = {"loss": loss, "reg": reg, "reg_scale": reg_scale, "init": "anneal", **TIGHT}

    def value(Ca, Cb, M, a, b):
        return solve_gromov(Ca, Cb, M, a, b, alpha=0.6, **freedom, **options).value

    assert_gradients(value, arrays, ("Ca", "Cb", "M", "a", "b"))


def test_batch_with_shared_arrays(arrays):
    Ca, Cb, M, a, b = arrays.values()
    batch = {"Ca": torch.stack([Ca, 1.5 * Ca, Ca**1.1]), "Cb": Cb, "M": M, "a": a}
    batch["b"] = torch.stack([b, b.flip(0), torch.full_like(b, 1 / len(b))])

    def value(**given):
        return solve_gromov(**given, reg=0.05, **TIGHT).value

    assert_gradients(value, batch, ("Ca", "Cb", "M", "a", "b"))
    assert_gradients(
        lambda Ca, Cb, M, a, b: gw_divergence(Ca, Cb, a, b, reg=0.05, **TIGHT),
        batch,
        ("Ca", "Cb", "a", "b"),
    )


def test_reg_may_require_a_gradient(arrays):
    Ca, Cb, *_ = arrays.values()
    for function in (
        lambda reg: solve_gromov(Ca, torch.stack([Cb, 2 * Cb]), reg=reg, **TIGHT).value,
        lambda reg: (
            solve_gromov(
                Ca, torch.stack([Cb, 2 * Cb]), reg=reg, unbalanced=0.3, init="anneal", **TIGHT
            ).value
        ),
        lambda reg: gw_divergence(Ca, torch.stack([Cb, 2 * Cb]), reg=reg, **TIGHT),
    ):
        reg = torch.tensor([0.05, 0.1], dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(function(reg).sum(), reg)
        with torch.no_grad():
            step = torch.full_like(reg, 1e-5)
            expected = (function(reg + step) - function(reg - step)) / 2e-5
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


def test_weights_that_are_not_normalised_by_softmax(arrays):
    """Logits of the softmax see the gradient whatever constant it leaves out."""
    Ca, Cb, *_ = arrays.values()
    logits = torch.linspace(-0.5, 0.5, N, dtype=torch.float64).requires_grad_()

    def value(logits):
        return gw_divergence(Ca, Cb, torch.softmax(logits, 0), reg=0.1, **TIGHT)

    (gradient,) = torch.autograd.grad(value(logits), logits)
    with torch.no_grad():
        steps = STEP * torch.eye(N, dtype=torch.float64)
        expected = torch.stack([value(logits + s) - value(logits - s) for s in steps]) / (2 * STEP)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-7)


def test_values_do_not_depend_on_who_requires_a_gradient(arrays):
    Ca, Cb, M, a, b = arrays.values()
    plain = solve_gromov(Ca, Cb, M, a, b, reg=0.05)
    for name in arrays:
        given = arrays | {name: arrays[name].clone().requires_grad_()}
        result = solve_gromov(**given, reg=0.05)
        assert result.value.requires_grad
        assert not any(
            x.requires_grad for x in (result.plan, result.cost, result.reg, *result.potentials)
        )
        torch.testing.assert_close(result.value, plain.value, rtol=1e-12, atol=0)
        with torch.no_grad():
            assert not solve_gromov(**given, reg=0.05).value.requires_grad


@pytest.mark.parametrize(
    "value",
    [
        functools.partial(gw_divergence, reg=0.05),
        lambda *inputs: solve_gromov(*inputs[:2], a=inputs[2], loss="KL", reg=0.05).value,
    ],
)
def test_second_derivatives_are_refused(arrays, value):
    Ca, Cb, a = (arrays[name].clone().requires_grad_() for name in ("Ca", "Cb", "a"))
    for leaf in (Ca, a):
        (gradient,) = torch.autograd.grad(value(Ca, Cb, a), leaf, create_graph=True)
        with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
            gradient.square().sum().backward()


def test_lazy_plans_say_that_they_have_no_gradient(arrays):
    x = torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.full((30,), 1 / 30, dtype=torch.float64)
    solve = functools.partial(solve_gromov, plan="lazy", reg=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(PointCloud(x), PointCloud(x), a=weights)
    with pytest.warns(UserWarning, match="no gradients"):
        solve(PointCloud(x), PointCloud(x), a=weights.requires_grad_())
    with pytest.warns(UserWarning, match="no gradients"):
        solve(PointCloud(x.requires_grad_()), PointCloud(x.detach()))
