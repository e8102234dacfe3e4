"""Point clouds whose matching is known, for the solvers' tests."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from skgw.solvers import GromovResult
from skgw.solvers.inputs import read_inputs
from skgw.solvers.options import check_options
from skgw.solvers.quadratic.balanced import solve_dense
from skgw.solvers.quadratic.lazy import solve_lazy
from skgw.solvers.quadratic.package import warn_if_not_converged
from skgw.solvers.scales import absolute_reg, problem_scale, shift_for_kl

CENTERS = np.array([[0, 0, 0], [3, 0, 1], [0, 5, 0], [4, 4.5, 2]])  # no symmetry to confuse
SHARES = np.array([0.4, 0.3, 0.2, 0.1])


@pytest.fixture(scope="session")
def mixture() -> Callable[..., np.ndarray]:
    """``mixture(n, seed, n_dims=2)``: points of a mixture of four Gaussians without symmetries."""

    def sample(n: int, seed: int, n_dims: int = 2) -> np.ndarray:
        rng = np.random.default_rng(seed)
        labels = np.repeat(
            np.arange(4), np.diff(np.round(np.r_[0, SHARES.cumsum()] * n)).astype(int)
        )
        return CENTERS[labels, :n_dims] + 0.35 * rng.normal(size=(n, n_dims))

    return sample


@pytest.fixture(scope="session")
def noisy_copies(mixture) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """``noisy_copies(n, m, seed, noise)``: distances of n points and of m of them, and which.

    The second space is turned in three dimensions, noisy and in an order of its own, so that row
    ``order[j]`` of the first belongs to row ``j`` of the second.
    """

    def build(n: int, m: int | None = None, seed: int = 0, noise: float = 0.0):
        rng = np.random.default_rng(seed)
        x = mixture(n, seed, n_dims=3)
        x[:, 2] = 0
        order = rng.permutation(n)[:m]
        y = x[order] @ ortho_group.rvs(3, random_state=seed)
        y = y + noise * rng.normal(size=y.shape)
        return cdist(x, x), cdist(y, y), order

    return build


@pytest.fixture(scope="session")
def solve_with() -> Callable[..., GromovResult]:
    """``solve_with(settings, Ca, Cb, M=None, ...)``: `solve_gromov` under other `DenseSettings`."""

    def solve(
        settings: Any,
        Ca: Any,
        Cb: Any,
        M: Any = None,
        *,
        loss: str = "L2",
        alpha: float | None = None,
        reg: float = 5e-3,
        reg_scale: str | None = "auto",
        **options: Any,
    ) -> GromovResult:
        options = {"init": "auto", "tol": 1e-5, "max_iter": 100} | options
        alpha = check_options(loss, alpha, M is not None, options["tol"], options["max_iter"])
        inputs = shift_for_kl(read_inputs(Ca, Cb, M, None, None, loss), loss, 1e-2)
        scale = problem_scale(inputs, loss)
        regs = absolute_reg(reg, reg_scale, scale)
        result = solve_dense(
            inputs, regs, scale, loss=loss, alpha=alpha, settings=settings, **options
        )
        warn_if_not_converged(result, tol=options.get("tol"))
        return result

    return solve


@pytest.fixture(scope="session")
def solve_lazy_with() -> Callable[..., GromovResult]:
    """``solve_lazy_with(settings, X, Y, ...)``: a lazy solve under other `MultiscaleSettings`."""

    def solve(settings: Any, X: Any, Y: Any, **options: Any) -> GromovResult:
        defaults = {
            "M": None, "alpha": 1.0, "reg": 5e-3, "reg_scale": "auto", "init": "auto", "n_init": 1,
            "tol": None, "max_iter": 100, "rank": None, "backend": "auto", "random_state": None,
        }  # fmt: skip
        result = solve_lazy(X, Y, a=None, b=None, settings=settings, **(defaults | options))
        warn_if_not_converged(result, tol=options.get("tol"))
        return result

    return solve
