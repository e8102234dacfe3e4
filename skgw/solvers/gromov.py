"""`solve_gromov`: the front door of the solver."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skgw.exceptions import GWConvergenceWarning
from skgw.solvers._inputs import Inputs, read_inputs
from skgw.solvers._package import differentiable, package
from skgw.solvers._scales import absolute_reg, shift_for_kl
from skgw.solvers.descent import Solution, attainable_tol, entropic_value, minimize
from skgw.solvers.initial import Setting, read_start
from skgw.solvers.lowrank import MIN_SIZE, minimize_from_truncated
from skgw.solvers.partial import solve_partial
from skgw.solvers.pool import best_of_pool, check_n_init
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic import QuadraticProblem, quadratic_problem
from skgw.solvers.result import Array, GromovResult, StartsReport, State
from skgw.solvers.unbalanced import solve_unbalanced, strengths

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
    mass: float | None = None,
    init: str | Array | State = "auto",
    n_init: int = 1,
    tol: float = 1e-5,
    max_iter: int = 100,
    rank: int | None = None,
    plan: str = "dense",
    backend: str = "auto",
    random_state: Any = None,
) -> GromovResult:
    """Solve the entropic (fused) Gromov-Wasserstein problem, or a batch of them.

    Minimises ``(1 - alpha) <M, T> + alpha sum_ijkl L(Ca_ik, Cb_jl) T_ij T_kl - reg * H(T)`` over
    the couplings T of `a` and `b`, where ``H(T) = -sum T log T``. This is POT's convention; OTT's
    epsilon is half of this `reg`.

    Parameters
    ----------
    Ca, Cb : array of shape (n, n) and (m, m), or (batch, n, n) and (batch, m, m)
        Symmetric matrices of distances (or other relations), numpy or torch.
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
    unbalanced : float or pair of floats, optional
        Relax the marginals: strength of the penalty on their deviation, of both sides or of each.
        Relative like `reg`; 0 leaves a side free, infinity keeps it fixed. See the notes.
    mass : float in (0, 1], optional
        Transport this part of the mass only, the best one. Not together with `unbalanced`.
    init : str, plan of shape (n, m), or State
        Where to start: "auto", "anneal", "product", "identity", "tlb", "spectral", or an array.

        - "auto" is "anneal": the product coupling at a high temperature, cooled by halves.
        - "product" is the product coupling at `reg` itself.
        - "identity" (n = m, equal weights) matches every point with itself.
        - "tlb" matches points with similar distributions of distances (the third lower bound).
        - "spectral" aligns the leading eigenvectors of the centred matrices; it and "tlb" are
          cooled from half the temperature of "anneal".
        - With `unbalanced` or `mass`, "auto" tries "anneal", "product", the balanced problem's plan
          and plans of less mass, and goes on from the one with the lowest value; "tlb" and
          "spectral" are not available.
        - A plan, or the ``state`` of an earlier result, is where the solve starts, at `reg`.
    n_init : int
        Number of starts. Several are solved roughly, the one with the lowest objective is solved to
        `tol`, and ``result.starts`` says how far they agree. The pool consists of `init`, "anneal",
        "tlb", sign flips of the eigenvectors, and randomly drawn pairs of points that are matched
        with each other. Each start may take `max_iter` steps, and keeps a plan at half precision.
    tol : float
        Converged means that the plan changes by less in one step, and that its marginals are off
        by less, both in L1 norm (the plan's mass is 1, so this does not depend on n or m). Raised
        to what the floating point type can resolve; the result says to what.
    max_iter : int
        Outer steps of a start, annealing included.
    rank, plan : None, "dense"
        Reserved for low-rank costs and lazy plans.
    backend : {"auto", "torch", "numba", "triton"}
        What the inner iterations run in. "auto" is numba on CPUs where it is installed (then the
        first solve of each dtype compiles for some seconds, once per installation), else torch.
        "triton" is for batches of small problems on GPUs, and experimental.
        With `unbalanced` they run in torch.
    random_state : int, numpy Generator or RandomState, optional
        Seeds what a pool draws at random; None is the same as 0. A single start draws nothing.

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

    Notes
    -----
    Where not all mass has to be transported, the cost of a plan T is quadratic as a whole,
    ``E(T) = sum_ijkl ((1 - alpha) M_ij + alpha L(Ca_ik, Cb_jl)) T_ij T_kl``, which is the same as
    above for plans of mass 1.

    With ``unbalanced=(rho_a, rho_b)`` the objective is ``E(T) + rho_a/2 KL2(T1 | a) + rho_b/2
    KL2(T'1 | b) + reg/2 KL2(T | ab')``, where KL2 compares the tensor squares of its arguments.
    This is what ``ot.solve_gromov(alpha=1, unbalanced=..., reg=...)`` minimises. As the strengths
    grow the plan becomes the balanced one, and the value the balanced one plus
    ``reg * (H(a) + H(b))``.

    With ``mass=s`` it is ``E(T) - s * reg * (H(T) + H(a - T1) + H(b - T'1))`` over the plans of
    mass s with row sums of at most `a` and column sums of at most `b`.

    References
    ----------
    Peyre, Cuturi, Solomon (2016), Gromov-Wasserstein averaging of kernel and distance matrices.
    Vayer et al. (2020), Fused Gromov-Wasserstein distance for structured objects.
    Sejourne, Vialard, Peyre (2021), The unbalanced Gromov Wasserstein distance: conic formulation
    and relaxation.
    Chapel, Alaya, Gasso (2020), Partial optimal transport with applications on positive-unlabeled
    learning.

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
    _refuse_reserved(rank=(rank, None), plan=(plan, "dense"))
    relaxed = unbalanced is not None or mass is not None
    if unbalanced is not None and mass is not None:
        raise ValueError("Give unbalanced or mass, not both: each says what may stay unmatched.")
    check_n_init(n_init)
    if relaxed and n_init > 1:
        raise ValueError("n_init must be 1 with unbalanced or mass: init='auto' is a pool there.")
    alpha = check_options(loss, alpha, M is not None, tol, max_iter)
    inputs = shift_for_kl(read_inputs(Ca, Cb, M, a, b, loss), loss, kl_shift)
    reg, scale = absolute_reg(reg, reg_scale, inputs, loss)
    solve = functools.partial(
        solve_inputs, loss=loss, alpha=alpha, init=init, tol=tol, max_iter=max_iter, backend=backend
    )
    if unbalanced is not None:
        rho = strengths(unbalanced, scale if reg_scale == "auto" else torch.ones_like(scale))
        solve = functools.partial(solve_unbalanced, rho=rho, **solve.keywords)
    elif mass is not None:
        solve = functools.partial(solve_partial, mass=mass, **solve.keywords)
    else:
        solve = functools.partial(solve, n_init=n_init, random_state=random_state)
    result = solve(inputs, reg, scale)
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
    n_init: int = 1,
    symmetric: bool = False,
    backend: str = "auto",
    random_state: Any = None,
) -> GromovResult:
    """`solve_gromov` on validated tensors, at an absolute `reg` (B,), without a warning.

    `symmetric` says that a space is compared with itself under the square loss, from a symmetric
    start.
    """
    with torch.no_grad():
        problem = quadratic_problem(
            inputs.Ca, inputs.Cb, inputs.a, inputs.b, loss=loss, M=inputs.M, alpha=alpha
        )
        setting = Setting(problem, inputs, reg, scale, loss)
        start, report = read_start(init, setting), None
        if n_init > 1:
            start, report = best_of_pool(
                start, int(n_init), setting,
                max_iter=max_iter, backend=backend, random_state=random_state,
            )  # fmt: skip
        if inputs.M is not None:
            scale = scale + (1 - alpha) * inputs.M.abs().amax((1, 2))
        tol_used = attainable_tol(tol, reg, scale)
        is_far = n_init > 1 or bool((start.level > reg).any())
        if is_far and min(problem.offset.shape[1:]) >= MIN_SIZE:
            solution = minimize_from_truncated(
                problem, reg, start.state,
                level=start.level, tol=tol_used, max_iter=max_iter, backend=backend,
            )  # fmt: skip
        else:
            solution = minimize(
                problem, reg, start.state, level=start.level, tol=tol_used, max_iter=max_iter,
                symmetric=symmetric, backend=backend,
            )  # fmt: skip
    return _package(solution, problem, inputs, reg, tol_used, loss, report)


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


def _package(
    s: Solution,
    problem: QuadraticProblem,
    inputs: Inputs,
    reg: Tensor,
    tol: Tensor,
    loss: str,
    report: StartsReport | None,
) -> GromovResult:
    value = entropic_value(s.plan, s.potential, s.energy, problem.b, reg)
    return package(
        s, inputs,
        plan=s.plan, value=differentiable(value, s.plan, inputs, problem.alpha, loss),
        value_quad=s.energy, row_potential=_row_transform(problem, s, reg),
        reg=reg, tol=tol, starts=report,
    )  # fmt: skip


def _row_transform(problem: QuadraticProblem, s: Solution, reg: Tensor) -> Tensor:
    """Row potential that goes with the column potential, (B, n)."""
    scores = (s.potential[:, None, :] - s.cost) / reg[:, None, None] + problem.b.log()[:, None, :]
    return -reg[:, None] * scores.logsumexp(2)
