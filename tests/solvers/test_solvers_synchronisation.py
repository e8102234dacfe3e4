"""Host-device synchronisations of a solve, counted on the CPU.

Where the Newton steps are one kernel, as with Triton, the outer loop alone synchronises. Compiled
Newton steps of numba stand in for that kernel.
"""

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from skgw.solvers.inputs import read_inputs
from skgw.solvers.linear import newton_cg
from skgw.solvers.linear.newton_cg import LinearProblem, newton
from skgw.solvers.problems.quadratic import quadratic_problem
from skgw.solvers.quadratic.descent import minimize
from skgw.solvers.result import State

SYNCHRONISING = {"__bool__", "__int__", "__float__", "__index__", "item", "tolist", "nonzero"}
SYNCHRONISING |= {"cpu", "equal", "allclose", "masked_select", "unique"}


class Synchronisations(TorchFunctionMode):
    """Counts the operations whose result the host has to wait for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += function.__name__ in SYNCHRONISING or self._finds_a_mask(
            function.__name__, args
        )
        return function(*args, **(kwargs or {}))

    @staticmethod
    def _finds_a_mask(name, args):
        """A mask picks as many values as it has; only a fill with one number need not know."""
        if name not in ("__getitem__", "__setitem__"):
            return False
        fills = name == "__setitem__" and not isinstance(args[2], torch.Tensor)
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return not fills and any(getattr(i, "dtype", None) == torch.bool for i in index)


@pytest.mark.parametrize(
    ("read", "count"),
    [
        (lambda x: bool(x.any()), 1),
        (lambda x: [float(x[0]), int(x[1])], 2),
        (lambda x: x.tolist(), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: (x > 0).nonzero(as_tuple=True)[0], 1),
        (lambda x: x.__setitem__(x > 0, 2.0), 0),
        (lambda x: torch.where(x > 0, x, 0.0).amax(), 0),
    ],
)
def test_synchronisations_are_counted(read, count):
    x = torch.tensor([1.0, 2.0])
    with Synchronisations() as synchronisations:
        read(x)
    assert synchronisations.count == count


@pytest.fixture
def batch():
    """Problems that converge at different steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 25, 2)) * [2, 1]
    y = x + 0.1 * rng.normal(size=x.shape)
    distances = (np.linalg.norm(z[:, :, None] - z[:, None], axis=3) for z in (x, y))
    inputs = read_inputs(*distances, None, None, None, "L2")
    return quadratic_problem(inputs.Ca, inputs.Cb, inputs.a, inputs.b)


def test_outer_loop(batch):
    """Four per step, one per annealing level, two where problems have ended."""
    reg = torch.full((6,), 0.1, dtype=torch.float64)
    tol = torch.full_like(reg, 1e-4)
    with Synchronisations() as synchronisations:
        solution = minimize(
            batch, reg, State(batch.offset), first_reg=8 * reg, tol=tol, backend="numba"
        )
    n_steps = int(solution.n_iter.max()) - 3
    n_ends = len(solution.n_iter.unique())
    assert n_ends > 1
    assert synchronisations.count <= 1 + 3 + 4 * n_steps + 2 * n_ends


def test_newton_steps(monkeypatch):
    """Three per step, one for each eight of its products, two where some problems continue."""
    steps, products = [], []
    step, product = newton_cg.newton_step, torch.bmm
    monkeypatch.setattr(newton_cg, "newton_step", lambda *x: steps.append(1) or step(*x))
    monkeypatch.setattr(torch, "bmm", lambda *x: products.append(1) or product(*x))
    cost = torch.rand(3, 30, 20, generator=torch.Generator().manual_seed(0))
    a, b = torch.full((3, 30), 1 / 30), torch.full((3, 20), 1 / 20)
    reg = torch.full((3,), 0.05)
    with Synchronisations() as synchronisations:
        solution = newton(
            LinearProblem(cost, a, b, reg, torch.zeros_like(b), torch.full((3,), 1e-4)), 20
        )
    assert (solution.error <= 1e-4).all()
    assert synchronisations.count <= 3 * len(steps) + len(products) / 8 + 4
