"""`solve_gromov`: the front door of the solver."""

from __future__ import annotations

from typing import Any

import torch

from skgw.solvers.inputs import read_inputs
from skgw.solvers.options import check_n_init, check_options, check_plan
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic.balanced import solve_dense
from skgw.solvers.quadratic.lazy import as_matrix, solve_lazy
from skgw.solvers.quadratic.package import warn_if_not_converged
from skgw.solvers.quadratic.partial import solve_partial
from skgw.solvers.quadratic.unbalanced import solve_unbalanced, strengths
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import absolute_reg, problem_scale, shift_for_kl

DENSE_TOLERANCE = 1e-5


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
    tol: float | None = None,
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
    unbalanced : float or pair of floats, optional
        Relax the marginals: strength of the penalty on their deviation, of both sides or of each.
        Relative like `reg`; 0 leaves a side free, infinity keeps it fixed. See the notes.
    mass : float in (0, 1], optional
        Transport this part of the mass only, the best one. Not together with `unbalanced`.
    init : str, plan of shape (n, m), or State
        Where to start: "auto", "anneal", "product", "identity", "flb", "tlb", "spectral",
        or an array.

        - "auto" is "anneal": the product coupling at a high temperature, cooled by halves.
        - "product" is the product coupling at `reg` itself.
        - "identity" (n = m, equal weights) matches every point with itself.
        - "flb" matches points with similar mean squared distances to the others (the first lower
          bound).
        - "tlb" matches points with similar distributions of distances (the third lower bound).
        - "spectral" aligns the leading eigenvectors of the centred matrices; it, "flb" and "tlb"
          are cooled from half the temperature of "anneal".
        - With `unbalanced` or `mass`, "auto" tries "anneal", "product", the balanced problem's plan
          and plans of less mass, and goes on from the one with the lowest value; "flb",
          "tlb" and "spectral" are not available.
        - A plan, or the ``state`` of an earlier result, is where the solve starts, at `reg`.
    n_init : int
        Number of starts. Several are solved roughly, the one with the lowest objective is solved to
        `tol`, and ``result.starts`` says how far they agree. The pool consists of `init`, "anneal",
        "tlb", sign flips of the eigenvectors, and randomly drawn pairs of points that are matched
        with each other. Each start may take `max_iter` steps, and keeps a plan at half precision.
        Lazy plans start from so many pairs of samples.
    tol : float, optional
        1e-5 by default, for lazy plans 1e-2. Converged means that the plan changes by less in one
        step, and that its marginals are off by less, both in L1 norm (the plan's mass is 1, so this
        does not depend on n or m). Raised to what the floating point type can resolve; the result
        says to what.
    max_iter : int
        Outer steps of a start, annealing included.
    rank : int, optional
        For lazy plans: coordinates that stand for the Euclidean distances of a `PointCloud`, 64 by
        default.
    plan : {"dense", "lazy"}
        "lazy" is for large spaces: no array of shape (n, n) or (n, m) is made, and the result's
        plan is a `LazyPlan`. It takes spaces, the square loss, no `M`, no batch, and no gradients.
    backend : {"auto", "torch", "numba", "triton"}
        What the iterations run in. "auto" is numba on CPUs where it is installed (then the first
        solve of each dtype compiles for up to a minute, once per installation), else
        torch. "triton" is for batches of small problems on GPUs, and experimental: import
        `skgw.solvers.experimental.newton_cg_triton` first. With `unbalanced` they run in torch.
    random_state : int, numpy Generator or RandomState, optional
        Seeds what a pool draws at random, and the samples that lazy plans start from; None is the
        same as 0. A single start of a dense plan draws nothing.

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
    relaxed = unbalanced is not None or mass is not None
    alpha = check_options(loss, alpha, M is not None, tol, max_iter)
    check_plan(plan, rank, loss, M is not None, relaxed)
    check_n_init(n_init, relaxed)
    if unbalanced is not None and mass is not None:
        raise ValueError("Give unbalanced or mass, not both: each says what may stay unmatched.")
    common: dict[str, Any] = {"init": init, "max_iter": max_iter, "backend": backend}
    pooled: dict[str, Any] = {"n_init": n_init, "random_state": random_state}
    if plan == "lazy":
        result = solve_lazy(
            Ca, Cb, a, b, reg=reg, reg_scale=reg_scale, tol=tol, rank=rank, **pooled, **common
        )
        warn_if_not_converged(result)
        return result
    Ca, Cb = as_matrix(Ca, "Ca"), as_matrix(Cb, "Cb")
    inputs = shift_for_kl(read_inputs(Ca, Cb, M, a, b, loss), loss, kl_shift)
    scale = problem_scale(inputs, loss)
    reg = absolute_reg(reg, reg_scale, scale)
    common |= {"loss": loss, "alpha": alpha, "tol": DENSE_TOLERANCE if tol is None else tol}
    if unbalanced is not None:
        rho = strengths(unbalanced, scale if reg_scale == "auto" else torch.ones_like(scale))
        result = solve_unbalanced(inputs, reg, scale, rho, **common)
    elif mass is not None:
        result = solve_partial(inputs, reg, scale, mass, **common)
    else:
        result = solve_dense(inputs, reg, scale, **pooled, **common)
    warn_if_not_converged(result)
    return result
