"""Entropic optimal transport by semi-dual Newton steps with conjugate gradients.

The row potential is eliminated: with the column potential g alone, the plan

    T_ij = a_i softmax_j((g_j - M_ij) / reg + log b_j)

has exact row sums, and g maximises the concave semi-dual whose gradient is b - T'1 and whose
Hessian is -(diag(T'1) - T' diag(1/a) T) / reg. A Newton step takes tens of matrix-vector products;
Sinkhorn's iteration takes thousands for the same accuracy at small `reg`. Truncated Newton steps
for entropic transport are studied in [1]_. The steps are in `newton_cg.py`; problems on which they
make slow progress are annealed in `annealing.py`; this module chooses the backend.

References
----------
.. [1] :cite:t:`kemertas2025`.
.. [2] :cite:t:`knight2014`.
.. [3] :cite:t:`feydy2019`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor

from skgw.solvers.linear.annealing import AnnealingBudget, solve_annealed
from skgw.solvers.linear.conjugate_gradients import SMALLEST_DIVISOR
from skgw.solvers.linear.newton_cg import LinearProblem, LinearSolution, newton, times
from skgw.solvers.settings import NEWTON, NewtonSettings
from skgw.solvers.subnormals import flush_subnormals

NewtonSteps = Callable[[LinearProblem, int, NewtonSettings], LinearSolution]
BACKENDS = ("auto", "torch", "numba", "triton")

EXPERIMENTAL: dict[str, NewtonSteps] = {}  # backends that a module adds when it is imported


@torch.no_grad()
def solve_linear(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    reg: Tensor,
    *,
    potential: Tensor | None = None,
    tol: Tensor,
    max_iter: int = 20,
    symmetric: bool = False,
    backend: str = "auto",
    settings: NewtonSettings = NEWTON,
    budget: AnnealingBudget | None = None,
) -> LinearSolution:
    """Minimise <cost, T> - reg H(T) over couplings T of `a` and `b`, for a batch of problems.

    Parameters
    ----------
    cost : Tensor of shape (B, n, m)
    a, b : Tensor of shapes (B, n) and (B, m)
        Marginals, of mass one.
    reg : Tensor of shape (B,)
        Weight of the entropy, in units of the cost.
    potential : Tensor of shape (B, m), optional
        Column potential of the start, in units of the cost; zero by default.
    tol : Tensor of shape (B,)
        L1 error of the column sums at which a problem stops.
    max_iter : int
        Newton steps at `reg`. A problem whose error is above `annealing_error` after
        `direct_steps` of them is solved coarsely at `annealing_factor` times `reg`, and by up to
        `direct_steps` further steps from there, which are discarded unless they reduce the error;
        neither these steps nor the steps at higher levels count.
    symmetric : bool
        Whether the costs are symmetric and `a` equals `b`. Both potentials are then equal, and
        averaged Sinkhorn iterations approximate them in a few products [2]_, [3]_.
    backend : {"auto", "torch", "numba", "triton"}
        "auto" is numba on CPUs if it is installed, else torch. "triton" is for problems of up to
        256 points a side on GPUs, and leaves larger problems to torch. It is registered by
        ``import skgw.solvers.experimental.newton_cg_triton``.
    settings : NewtonSettings
    budget : AnnealingBudget, optional
        Levels that may still be taken, which are subtracted; no limit by default.

    Returns
    -------
    LinearSolution
        Its `error` is the L1 error of the column sums. No gradients flow through it.
    """
    potential = torch.zeros_like(b) if potential is None else potential
    problem = LinearProblem(cost, a, b, reg, potential, tol)
    if symmetric:
        problem = problem._replace(potential=_symmetric_sinkhorn(problem, settings.symmetric_steps))
    newton = newton_steps(backend, cost.device.type)
    return solve_annealed(problem, max_iter, newton, settings, budget)


def newton_steps(backend: str, device: str) -> NewtonSteps:
    """The Newton steps of `backend` for tensors on `device`; raises as `resolved` does."""
    kind = resolved(backend, device)
    if kind == "numba":
        from skgw.solvers.linear.newton_cg_numba import newton_numba

        return newton_numba
    return EXPERIMENTAL.get(kind, newton)


def resolved(backend: str, device: str) -> str:
    """The name "torch", "numba" or "triton" of `backend` for tensors on `device`.

    Raises
    ------
    ImportError
        If numba or triton is asked for and not installed.
    ValueError
        If numba is asked for on a GPU, or triton without one or without the import of its module,
        and for unknown names.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {backend!r}.")
    if backend == "auto":
        return "numba" if device == "cpu" and _is_installed("numba") else "torch"
    if backend == "numba":
        _require("numba", extra="numba")
        if device != "cpu":
            raise ValueError(f"backend='numba' is for CPUs, the input is on {device}; use 'torch'.")
    if backend == "triton":
        _require("triton", extra="gpu")
        if backend not in EXPERIMENTAL:
            raise ValueError(
                "backend='triton' is experimental: "
                "import skgw.solvers.experimental.newton_cg_triton first."
            )
        if device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":  # its slow interpreter
            raise ValueError(f"backend='triton' is for GPUs, the input is on {device}; use 'auto'.")
    return backend


@functools.cache
def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _require(package: str, *, extra: str) -> None:
    if not _is_installed(package):
        raise ImportError(f"backend={package!r} needs {package}: pip install 'skgw[{extra}]'.")


def _symmetric_sinkhorn(problem: LinearProblem, n_steps: int) -> Tensor:
    """Averaged Sinkhorn iterations g <- (g - log sum exp(kernel + g)) / 2; returns a potential."""
    reg = problem.reg[:, None]
    kernel = problem.b.log()[:, None, :] - problem.cost / reg[:, :, None]  # (B, n, n), log domain
    g = problem.potential / reg
    g = 0.5 * (g - (kernel + g[:, None, :]).logsumexp(2))
    log_rows = (kernel + g[:, None, :]).logsumexp(2)
    scaling = flush_subnormals((kernel + g[:, None, :]).sub_(log_rows[:, :, None]).exp_())
    # Potentials of points without weight may overflow in exp, and change no row sum.
    log_rows = torch.where(problem.b > 0, log_rows + g, 0.0)
    delta = -0.5 * log_rows
    for _ in range(n_steps):
        z = times(delta.exp(), scaling.mT).clamp_min(SMALLEST_DIVISOR)
        delta = 0.5 * (delta - log_rows - z.log())
    return (g + delta) * reg
