"""The GPU kernel takes the steps that torch takes: on a GPU, or in Triton's interpreter."""

import os
import subprocess
import sys

import pytest
import torch

from skgw.solvers import solve_gromov
from skgw.solvers.linear import newton_cg
from skgw.solvers.linear.balanced import solve_linear
from skgw.solvers.linear.newton_cg import BalancedDual, LinearProblem, newton

pytest.importorskip("triton", reason="needs triton: pip install 'skgw[gpu]'")

from skgw.solvers.experimental import newton_cg_triton
from skgw.solvers.experimental.newton_cg_triton import newton_triton

# NumPy, which the interpreter computes with, warns of what GPUs do not mind, such as log 0.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:triton.runtime.interpreter")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DOUBLE, SINGLE = torch.float64, torch.float32


def problems(n, m, *, dtype=DOUBLE, regs=(1.0, 0.1, 0.01), tol=1e-9, start=0.0):
    """From easy to hard, squared distances in the plane, with points of no weight."""
    noise = torch.Generator().manual_seed(0)
    points = torch.randn(len(regs), n + m, 2, generator=noise, dtype=DOUBLE)
    cost = torch.cdist(points[:, :n], points[:, n:]) ** 2 / 4  # of mean one
    a, b = (torch.rand(k, generator=noise, dtype=DOUBLE) + 0.5 for k in (n, m))
    a[1] = b[[0, m - 1]] = 0
    potential = start * torch.randn(len(regs), m, generator=noise, dtype=DOUBLE)
    tols = torch.full((len(regs),), tol)
    fields = (cost, (a / a.sum()).expand(len(regs), n), (b / b.sum()).expand(len(regs), m),
              torch.tensor(regs), potential, tols)  # fmt: skip
    return LinearProblem(*(x.to(DEVICE, dtype) for x in fields))


def one_by_one(problem, max_iter):
    """Torch's solutions. In a batch it absorbs all scalings with the largest, a kernel does not."""
    parts = [
        newton(problem.take(torch.tensor([k], device=DEVICE)), max_iter)
        for k in range(len(problem.reg))
    ]
    return newton_cg.LinearSolution(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


@pytest.mark.parametrize(
    ("n", "m", "max_iter"), [(5, 5, 40), (17, 9, 40), (9, 17, 2), (64, 64, 3), (100, 70, 2)]
)
def test_the_same_steps(n, m, max_iter):
    problem = problems(n, m)
    expected, found = one_by_one(problem, max_iter), newton_triton(problem, max_iter)
    torch.testing.assert_close(found.plan, expected.plan, atol=1e-9, rtol=1e-6)
    torch.testing.assert_close(found.error, expected.error, atol=1e-9, rtol=1e-6)
    weighs = problem.b > 0  # the potential of other points is arbitrary
    potentials = (x.potential[weighs] for x in (found, expected))
    torch.testing.assert_close(*potentials, atol=1e-8, rtol=1e-6)
    if max_iter == 40:
        assert (found.error < 1e-9).all()


@pytest.mark.parametrize(("n", "m"), [(5, 5), (40, 30)])
def test_float32(n, m):
    problem = problems(n, m, dtype=SINGLE, tol=1e-4)
    found = newton_triton(problem, 60)
    assert found.plan.dtype == SINGLE
    assert (found.error <= 1e-4).all()
    exact = newton(LinearProblem(*(x.double() for x in problem)), 60)
    assert ((found.plan - exact.plan).abs().sum((1, 2)) < 1e-2).all()


def test_no_steps_give_the_plan_of_the_start():
    problem = problems(12, 7, start=0.3)
    found = newton_triton(problem, 0)
    scores = (problem.potential[:, None] - problem.cost) / problem.reg[:, None, None]
    expected = problem.a[:, :, None] * torch.softmax(scores + problem.b.log()[:, None], 2)
    torch.testing.assert_close(found.plan, expected)
    torch.testing.assert_close(found.potential, problem.potential)


def test_sinkhorn_steps_in_where_newton_fails(monkeypatch):
    fallbacks, exact = [], BalancedDual.fallback
    monkeypatch.setattr(BalancedDual, "fallback", lambda *x: fallbacks.append(1) or exact(*x))
    problem = problems(20, 16, regs=(3e-3,), tol=1e-8)
    expected, found = newton(problem, 60), newton_triton(problem, 60)
    assert fallbacks
    assert found.error < 1e-8
    torch.testing.assert_close(found.plan, expected.plan, atol=1e-8, rtol=1e-5)


def test_underflowed_columns_are_recovered(monkeypatch):
    rescues, exact = [], newton_cg._log_sinkhorn
    monkeypatch.setattr(newton_cg, "_log_sinkhorn", lambda *x: rescues.append(1) or exact(*x))
    problem = problems(20, 16, regs=(0.05,), tol=1e-8, start=20.0)
    expected, found = newton(problem, 60), newton_triton(problem, 60)
    assert rescues
    assert found.error < 1e-8
    torch.testing.assert_close(found.plan, expected.plan, atol=1e-8, rtol=1e-5)


def test_not_a_number_stays_in_its_problem():
    problem = problems(8, 6, regs=(1.0, 0.3, 0.1))
    problem.cost[1, 2, 3] = torch.nan
    found = newton_triton(problem, 20)
    assert found.error.isnan().tolist() == [False, True, False]
    assert (found.error[[0, 2]] < 1e-9).all()


def test_large_problems_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(newton_cg_triton, "MAX_SIZE", 8)
    monkeypatch.setattr(newton_cg_triton, "newton", lambda *_: "from torch")
    assert newton_triton(problems(9, 3), 1) == "from torch"
    assert newton_triton(problems(3, 9), 1) == "from torch"
    assert newton_triton(problems(8, 8), 1) != "from torch"


def test_solve_linear():
    problem = problems(10, 8, regs=(1.0, 1e-3))
    cost, a, b, reg, _, tol = problem
    plans = [
        solve_linear(cost, a, b, reg, tol=tol, max_iter=40, backend=backend).plan
        for backend in ("torch", "triton")
    ]
    torch.testing.assert_close(plans[1], plans[0], atol=1e-8, rtol=1e-5)


def test_solve_gromov(noisy_copies):
    Ca, Cb, order = noisy_copies(12, seed=2)
    arrays = [torch.tensor(x, device=DEVICE) for x in (Ca, Cb)]
    one, other = (
        solve_gromov(*arrays, reg=1e-2, tol=1e-6, backend=backend)
        for backend in ("torch", "triton")
    )
    assert other.converged
    torch.testing.assert_close(other.plan, one.plan, atol=1e-6, rtol=1e-4)
    assert other.argmax(axis=0).tolist() == order.tolist()


COMPILE = """
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from skgw.solvers.experimental.newton_cg_triton import N_WARPS, _solve, _tile

for name, dtype in (("fp32", torch.float32), ("fp64", torch.float64)):
    constants = {"flat": 1e-7, **_tile(torch.empty(1, 100, 70, dtype=dtype))}
    kinds = {x: "*" + name if x.endswith("_ptr") else "i32" for x in _solve.arg_names}
    kinds |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(_solve, kinds, constexprs=constants)
    triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"num_warps": N_WARPS})
"""


@pytest.mark.slow
def test_the_kernel_compiles(tmp_path):
    """Which takes no GPU. The interpreter is lenient about types, the compiler is not."""
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", COMPILE], check=True, env=environment)
