"""`solve_gromov`: the front door of the solver."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers._inputs import Inputs, as_like, read_inputs, refuse_sparse
from skgw.solvers._scales import absolute_reg, shift_for_kl
from skgw.solvers.descent import CONVERGED, STATUS, Solution, attainable_tol, minimize
from skgw.solvers.envelope import envelope_value
from skgw.solvers.gromov_lazy import as_matrix, check_plan, solve_lazy
from skgw.solvers.lowrank import MIN_SIZE, minimize_from_truncated
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic import QuadraticProblem, quadratic_problem
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.starts import matched_start, product_start

ANNEALING_START = 0.2  # relative temperature: above it the product coupling is the only minimum
BUDGETS = {
    "max_iter": "the outer steps ran out: raise max_iter, tol or reg",
    "inner": "the Newton steps of the linear problem ran out: raise tol or reg",
    "non_finite": "the values overflowed: rescale the matrices or raise reg",
}


@full_precision()
def solve_gromov(
    Ca: Array,
    Cb: Array,
    M: Array | None = None,
    a: Array | None = None,
    b: Array | None = None,
    *,
    loss: str = "L2",
    alpha: float | None = None,
    reg: float | Array = 5e-3,
    reg_scale: str | None = "auto",
    kl_shift: float = 1e-2,
    unbalanced: float | tuple[float, float] | None = None,
    init: str | Array | State = "auto",
    n_init: int = 1,
    tol: float | None = None,
    max_iter: int = 100,
    rank: int | None = None,
    plan: str = "dense",
    backend: str = "auto",
    random_state: int | None = None,
) -> GromovResult:
    """Solve the entropic (fused) Gromov-Wasserstein problem, or a batch of them.

    Minimises ``(1 - alpha) <M, T> + alpha sum_ijkl L(Ca_ik, Cb_jl) T_ij T_kl - reg * H(T)`` over
    the couplings T of `a` and `b`, where ``H(T) = -sum T log T``. This is POT's convention; OTT's
    epsilon is half of this `reg`.

    Parameters
    ----------
    Ca, Cb : array of shape (n, n) and (m, m), or (batch, n, n) and (batch, m, m)
        Symmetric matrices of distances (or other relations), numpy or torch; or spaces,
        `PointCloud` and `LowRank`, of which matrices are made unless `plan` is "lazy".
    M : array of shape (n, m), optional
        Cost across the two spaces, for the fused problem.
    a, b : array of shape (n,) and (m,), optional
        Weights, uniform by default.
    loss : {"L2", "KL"}
        ``L(x, y)`` is ``(x - y)**2`` or ``x log(x / y) - x + y``.
    alpha : float in [0, 1], optional
        Weight of the quadratic part: 1 without `M`, 0.5 with it.
    reg : float, or array of shape (batch,)
        Strength of the entropy.
    reg_scale : "auto" or None
        "auto" multiplies `reg` by the average over both sides of the mean squared entry (of the
        mean entry for the KL loss), so that results do not depend on units. None: `reg` is
        absolute.
    kl_shift : float
        The KL loss compares ``x + s`` with ``y + s``, s being `kl_shift` times the mean entry of
        both matrices: without it zeros on the diagonals make the value meaningless. The value
        depends on it; it is a constant for gradients.
    unbalanced : None
        Reserved for penalised marginals.
    init : {"auto", "anneal", "product", "identity"}, plan of shape (n, m), or State
        Where to start. "auto" is "anneal": from the product coupling at a high temperature, cooled
        by halves. All others start at `reg` itself: "product" from the product coupling,
        "identity" (n = m, equal weights) from every point matched with itself, a plan from there,
        the ``state`` of an earlier result from where that left off.
    n_init : int
        Reserved for pools of starts; 1.
    tol : float, optional
        1e-5 by default, for lazy plans 1e-2. Converged means that the plan changes by less in one
        step, and that its marginals are off by less, both in L1 norm (the plan's mass is 1, so this
        does not depend on n or m). Raised to what the floating point type can resolve; the result
        says to what.
    max_iter : int
        Outer steps, annealing included.
    rank : int, optional
        For lazy plans: coordinates that stand for the Euclidean distances of a `PointCloud`, 64 by
        default.
    plan : {"dense", "lazy"}
        "lazy" is for large spaces: no array of shape (n, n) or (n, m) is made, and the result's
        plan is a `LazyPlan`. It takes spaces, the square loss, no `M`, no batch, and no gradients.
    backend : {"auto", "torch", "numba"}
        What the inner iterations run in. "auto" is numba on CPUs where it is installed (then the
        first solve of each dtype compiles for some seconds, once per installation), else torch.
    random_state : int, optional
        For lazy plans: seed of the samples of points that the solve starts from, 0 by default.

    Returns
    -------
    GromovResult

    Raises
    ------
    ValueError, TypeError
        For input that makes no sense; the message says what to do.
    NotImplementedError
        For options that are reserved.

    Warns
    -----
    GWConvergenceWarning
        Once per call, when a problem has not converged; names the budget that ran out.

    References
    ----------
    Peyre, Cuturi, Solomon (2016), Gromov-Wasserstein averaging of kernel and distance matrices.
    Vayer et al. (2020), Fused Gromov-Wasserstein distance for structured objects.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import solve_gromov
    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    >>> order = np.roll(np.arange(30), 7)
    >>> result = solve_gromov(distances, distances[np.ix_(order, order)], reg=1e-3)
    >>> bool(result.converged), bool((order[result.argmax(axis=1)] == np.arange(30)).all())
    (True, True)
    """
    alpha = check_options(loss, alpha, M is not None, 1e-5 if tol is None else tol, max_iter)
    check_plan(plan, rank, loss, M, unbalanced)
    if plan == "lazy":
        result = solve_lazy(
            Ca, Cb, a, b, reg=reg, reg_scale=reg_scale, init=init, n_init=n_init, tol=tol,
            max_iter=max_iter, rank=rank, backend=backend, random_state=random_state,
        )  # fmt: skip
        warn_if_not_converged(result)
        return result
    _refuse_reserved(unbalanced=(unbalanced, None), n_init=(n_init, 1))
    tol = 1e-5 if tol is None else tol
    Ca, Cb = as_matrix(Ca, "Ca"), as_matrix(Cb, "Cb")
    inputs = shift_for_kl(read_inputs(Ca, Cb, M, a, b, loss), loss, kl_shift)
    reg, scale = absolute_reg(reg, reg_scale, inputs, loss)
    result = solve_inputs(
        inputs, reg, scale, loss=loss, alpha=alpha, init=init, tol=tol, max_iter=max_iter,
        backend=backend,
    )  # fmt: skip
    warn_if_not_converged(result)
    return result


def solve_inputs(
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    *,
    loss: str,
    alpha: float,
    init: str | Array | State,
    tol: float,
    max_iter: int,
    symmetric: bool = False,
    backend: str = "auto",
) -> GromovResult:
    """`solve_gromov` on validated tensors, at an absolute `reg` (B,), without a warning.

    `symmetric` says that a space is compared with itself under the square loss, from a symmetric
    start.
    """
    with torch.no_grad():
        problem = quadratic_problem(
            inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha
        )
        start, level = _start(init, problem, inputs, reg, scale, loss)
        if inputs.M is not None:
            scale = scale + (1 - alpha) * inputs.M.abs().amax((1, 2))
        tol_used = attainable_tol(tol, reg, scale)
        if level is not None and min(problem.offset.shape[1:]) >= MIN_SIZE:
            solution = minimize_from_truncated(
                problem, reg, start,
                level=level, tol=tol_used, max_iter=max_iter, backend=backend,
            )  # fmt: skip
        else:
            solution = minimize(
                problem, reg, start, level=level, tol=tol_used, max_iter=max_iter,
                symmetric=symmetric, backend=backend,
            )  # fmt: skip
    return _package(solution, problem, inputs, reg, tol_used, loss)


def warn_if_not_converged(*results: GromovResult) -> None:
    """Warn once for all `results`, naming the budgets that ran out."""
    status = [s for r in results for s in ([r.status] if isinstance(r.status, str) else r.status)]
    failed = [s for s in status if s != "converged"]
    if failed:
        reasons = "; ".join(BUDGETS[s] for s in sorted(set(failed)))
        tol = max(float(r.tol.max()) for r in results)
        warnings.warn(
            f"{len(failed)} of {len(status)} Gromov-Wasserstein problems did not converge "
            f"to tol={tol:.1e} ({reasons}).",
            GWConvergenceWarning,
            stacklevel=4,  # 3, and the frame of the caller's decorator
        )


def _refuse_reserved(**options: tuple[Any, Any]) -> None:
    for name, (value, only) in options.items():
        if not np.array_equal(value, only):  # `value` may be an array
            raise NotImplementedError(f"{name}={value!r} is not available; use {only!r}.")


def check_options(loss: str, alpha: float | None, fused: bool, tol: float, max_iter: int) -> float:
    """Validate the options that need no arrays, and return alpha's value."""
    if loss not in ("L2", "KL"):
        raise ValueError(f"loss must be 'L2' or 'KL', got {loss!r}.")
    if alpha is None:
        alpha = 0.5 if fused else 1.0
    if not 0 <= alpha <= 1 or (alpha < 1) != fused:
        raise ValueError(
            f"alpha={alpha} {'with' if fused else 'without'} M: the fused problem needs M and "
            "0 <= alpha < 1, the plain one neither."
        )
    if not tol > 0 or max_iter < 1:
        raise ValueError("tol must be positive and max_iter at least 1.")
    return alpha


def _start(
    init: str | Array | State,
    problem: QuadraticProblem,
    inputs: Inputs,
    reg: Tensor,
    scale: Tensor,
    loss: str,
) -> tuple[State, Tensor | None]:
    """First linearised cost and, where the solve is to be annealed, its first temperature."""
    if isinstance(init, State):
        cost, potential = init
        if potential is not None:
            potential = _given(potential, problem.b, "init.potential")
        return State(_given(cost, problem.offset, "init.cost"), potential), None
    if not isinstance(init, str):
        plan = _given(init, problem.offset, "init")
        if (plan < 0).any() or ((plan.sum((1, 2)) - 1).abs() > 1e-2).any():
            raise ValueError("init must be non-negative and sum to 1; divide it by its sum.")
        return State(problem.gradient(plan)), None
    if init == "product":
        return product_start(problem, reg), None
    if init in ("auto", "anneal"):
        return State(problem.offset), ANNEALING_START * scale
    if init == "identity":
        if problem.a.shape != problem.b.shape or not torch.allclose(problem.a, problem.b):
            raise ValueError("init='identity' needs both sides to have the same size and weights.")
        return matched_start(problem, inputs.Ca, inputs.Cb, loss=loss), None
    raise ValueError(
        f"init must be 'auto', 'anneal', 'product', 'identity', a plan or a State, got {init!r}."
    )


def _given(x: Array, reference: Tensor, name: str) -> Tensor:
    """An array of `init`, for every problem of the batch."""
    refuse_sparse(x, name)
    x = as_like(x, reference)
    one, each = tuple(reference.shape[1:]), tuple(reference.shape)
    if tuple(x.shape) not in (one, (1, *one), each):
        raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {one} or {each}.")
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    return x.expand_as(reference)


def _package(
    s: Solution,
    problem: QuadraticProblem,
    inputs: Inputs,
    reg: Tensor,
    tol: Tensor,
    loss: str,
) -> GromovResult:
    """The public result, in the kind of the input."""
    value = s.energy - reg * torch.special.entr(s.plan).sum((1, 2))
    if any(x is not None and x.requires_grad for x in (inputs.Ca, inputs.Cb, inputs.M)):
        value = envelope_value(inputs.Ca, inputs.Cb, inputs.M, value, s.plan, problem.alpha, loss)
    rows, columns = s.plan.sum(2), s.plan.sum(1)
    row_potential = _row_transform(problem, s, reg)
    out = inputs.restore
    names = tuple(STATUS[k] for k in s.status.tolist())
    is_batch = out(reg).ndim > 0
    converged = out(s.status == CONVERGED)
    return GromovResult(
        plan=out(s.plan),
        value=out(value),
        value_quad=out(s.energy),
        potentials=(out(row_potential), out(s.potential)),
        marginals=(out(rows), out(columns)),
        marginal_error=out(s.error),
        converged=converged if is_batch else bool(converged),
        status=names if is_batch else names[0],
        n_iter=out(s.n_iter) if is_batch else int(s.n_iter[0]),
        reg=out(reg),
        tol=out(tol),
        state=State(out(s.cost), out(s.potential)),
    )


def _row_transform(problem: QuadraticProblem, s: Solution, reg: Tensor) -> Tensor:
    """Row potential that goes with the column potential, (B, n)."""
    scores = (s.potential[:, None, :] - s.cost) / reg[:, None, None] + problem.b.log()[:, None, :]
    return -reg[:, None] * scores.logsumexp(2)
