"""The solvers that are compared: from two distance matrices and an absolute reg to a plan.

Each entry prepares its input outside of the clock and returns a function of no arguments that
solves once and returns the plan.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch

from skgw.solvers import solve_gromov

Run = Callable[[], np.ndarray]
Prepare = Callable[[np.ndarray, np.ndarray, float], Run]


def ours(dtype: torch.dtype, tol: float, backend: str) -> Prepare:
    def prepare(Ca: np.ndarray, Cb: np.ndarray, reg: float) -> Run:
        A, B = (torch.tensor(C, dtype=dtype) for C in (Ca, Cb))

        def run() -> np.ndarray:
            result = solve_gromov(A, B, reg=reg, reg_scale=None, tol=tol, backend=backend)
            return result.plan.numpy()

        return run

    return prepare


def pot(dtype: type, **options: float) -> Prepare:
    from ot.gromov import entropic_gromov_wasserstein

    def prepare(Ca: np.ndarray, Cb: np.ndarray, reg: float) -> Run:
        A, B = Ca.astype(dtype), Cb.astype(dtype)
        return lambda: entropic_gromov_wasserstein(A, B, epsilon=reg, solver="PGD", **options)

    return prepare


def pot_loop(dtype: type, **options: float) -> Prepare:
    """One problem of a batch after the other."""
    prepare_one = pot(dtype, **options)

    def prepare(Ca: np.ndarray, Cb: np.ndarray, reg: float) -> Run:
        runs = [prepare_one(A, B, reg) for A, B in zip(Ca, Cb, strict=True)]
        return lambda: np.stack([run() for run in runs])

    return prepare


def ott(Ca: np.ndarray, Cb: np.ndarray, reg: float) -> Run:
    """One problem or, along the first axis, a batch of them."""
    import jax
    from ott.geometry.geometry import Geometry
    from ott.problems.quadratic.quadratic_problem import QuadraticProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn
    from ott.solvers.quadratic.gromov_wasserstein import GromovWasserstein

    solver = GromovWasserstein(linear_solver=Sinkhorn(), epsilon=reg / 2)  # its convention

    def one(A: jax.Array, B: jax.Array) -> jax.Array:
        return solver(QuadraticProblem(Geometry(A), Geometry(B))).matrix

    solve = jax.jit(jax.vmap(one) if Ca.ndim == 3 else one)
    A, B = (jax.numpy.asarray(C, dtype="float32") for C in (Ca, Cb))
    solve(A, B).block_until_ready()  # compiled outside of the clock
    return lambda: np.asarray(solve(A, B))


ACCURATE, QUICK = (torch.float64, 1e-5), (torch.float32, 1e-3)
# The first of each group is what the others' times are divided by.
GROUPS: dict[str, dict[str, Prepare]] = {
    "float64, tol 1e-5": {
        "skgw": ours(*ACCURATE, "auto"),
        "skgw, torch alone": ours(*ACCURATE, "torch"),
        "POT, default": pot(np.float64),
    },
    "float32, tol 1e-3": {
        "skgw": ours(*QUICK, "auto"),
        "skgw, torch alone": ours(*QUICK, "torch"),
        # Its kernels underflow in float32 at this reg: hand-tuned means float64.
        "POT, tol 1e-6, 100 inner steps": pot(np.float64, tol=1e-6, numItermax=100),
        "OTT, jit": ott,
    },
}
BATCH: dict[str, Prepare] = {
    "skgw": ours(*QUICK, "auto"),
    "skgw, torch alone": ours(*QUICK, "torch"),
    "POT in a loop, tol 1e-6, 100 inner steps": pot_loop(np.float64, tol=1e-6, numItermax=100),
    "OTT, jit(vmap)": ott,
}


def quietly(run: Run) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(run(), dtype=np.float64)
