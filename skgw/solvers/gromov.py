"""`solve_gromov`: validate the options, and call the solver of the problem."""

from __future__ import annotations

from typing import Any

import torch

from skgw.solvers.batches import cropped, padded_plans, read_problems
from skgw.solvers.options import (
    check_mass,
    check_n_init,
    check_options,
    check_plan,
    check_seed,
    check_unregularised,
)
from skgw.solvers.pot import names_from_pot
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic.balanced import solve_dense
from skgw.solvers.quadratic.conditional_gradient import solve_unregularised
from skgw.solvers.quadratic.lazy import as_matrix, solve_lazy, warn_of_gradients
from skgw.solvers.quadratic.package import warn_if_not_converged
from skgw.solvers.quadratic.partial import solve_partial
from skgw.solvers.quadratic.sensitivity import Parameters, differentiable
from skgw.solvers.quadratic.unbalanced import absolute_penalties, solve_unbalanced
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import absolute_reg, is_unregularised, problem_scale, shift_for_kl
from skgw.threads import matrices_work, threads_by


@names_from_pot
@threads_by(matrices_work)
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
    r"""Solve the entropic (fused) Gromov-Wasserstein problem, or a batch of problems.

    Minimises over the couplings T of `a` and `b`

    .. math::

        (1 - \alpha) \langle M, T \rangle
        + \alpha \sum_{ijkl} L(C^a_{ik}, C^b_{jl}) \, T_{ij} T_{kl}
        - \varepsilon H(T), \qquad H(T) = -\sum_{ij} T_{ij} \log T_{ij},

    by successive linearisation [1]_, [2]_. The weight :math:`\varepsilon` of the entropy is `reg`
    times the scale of the matrices, see `reg_scale`. This is POT's convention; OTT's epsilon is
    half of it.

    Parameters
    ----------
    Ca : array of shape (n, n) or (batch, n, n), list of arrays, PointCloud, or LowRank
        Matrix of distances or other relations of the first space, numpy or torch; it need not be
        symmetric, see the notes. Of a `PointCloud` or `LowRank` the matrix is computed, unless
        `plan` is "lazy". A list of matrices (n_k, n_k) is a batch whose problems may have different
        sizes: see the notes.
    Cb : array of shape (m, m) or (batch, m, m), list of arrays, PointCloud, or LowRank
        The same for the second space.
    M : array of shape (n, m) or (batch, n, m), optional
        Cost between the spaces, in units of L: a fused problem. With lazy plans a pair of arrays of
        shapes (n, d) and (m, d), whose squared Euclidean distances are the cost.
    a : array of shape (n,) or (batch, n), optional
        Weights of the first space, of sum one; uniform by default.
    b : array of shape (m,) or (batch, m), optional
        Weights of the second space.
    loss : {"L2", "KL"}, default="L2"
        ``L(x, y)`` is ``(x - y)**2`` or ``x log(x / y) - x + y``.
    alpha : float in [0, 1], optional
        Weight of the quadratic part: 1 without `M`, 0.5 with it by default. 1 ignores `M`, 0 is
        the linear problem of `M`.
    reg : float or array of shape (batch,), default=5e-3
        Weight of the entropy, in the unit of `reg_scale`. The solver works with at least one ulp of
        the largest cost; below that the status is "precision". 0 is the problem without entropy,
        for balanced problems with dense plans: see the notes.
    reg_scale : {"auto", None}, default="auto"
        Unit of `reg` and `unbalanced`. "auto": the average over both spaces of the mean squared
        entry (mean entry for the KL loss), so that results do not depend on the unit of the
        matrices. None: one, as in POT.
    kl_shift : float, default=1e-2
        The KL loss compares ``x + s`` with ``y + s``, where s is `kl_shift` times the mean entry of
        both matrices, because the loss is undefined at zero. The value depends on s.
    unbalanced : float or pair of floats, optional
        Penalty rho of the deviation of the marginals from `a` and `b`, for both spaces or for each,
        in the unit of `reg_scale`; 0 leaves a marginal free, infinity fixes it. See the notes.
    mass : float in (0, 1], optional
        Partial problem: the plan transports this mass, at the lowest cost. Excludes `unbalanced`.
    init : str, array of shape (n, m), or State, default="auto"
        The start.

        - "auto" is "anneal". With `unbalanced` or `mass` it is a multistart from "anneal",
          "product", the plan of the balanced problem, and plans of less mass.
        - "anneal": the product coupling at 0.2 times the scale, then annealing levels that halve
          down to `reg`.
        - "product": the product coupling at `reg`.
        - "identity": each point is matched with itself (n = m, equal weights).
        - "flb": optimal coupling of eccentricities, the first lower bound [5]_.
        - "tlb": comparison of distance profiles, the third lower bound [5]_.
        - "spectral": alignment of the leading eigenvectors of the centred matrices. Like "flb" and
          "tlb" it is annealed from 0.1 times the scale, and excludes `unbalanced` and `mass`.
        - A plan, or the ``state`` of an earlier result, without annealing.
    n_init : int, default=1
        Number of starts: `init`, "anneal", "tlb", sign flips of the eigenvectors, and randomly
        drawn matched pairs of points. Each is solved coarsely, in at most `max_iter` steps, and the
        solution of lowest objective is solved to `tol`. ``result.starts`` says how far the starts
        agree. The plan of each start is kept at half precision. For lazy plans, the number of
        samples to start from.
    tol : float, optional
        L1 norm, 1e-5 by default, 1e-2 for lazy plans. A problem has converged if a step changes the
        plan by less, and the marginal error is below it. As the plan has mass one, `tol` does not
        depend on n and m. The default is raised to the resolution of the floating point type, up to
        0.1, see ``result.tol``. An explicit `tol` below the resolution is not reached: the status
        is then "precision".
    max_iter : int, default=100
        Outer steps of a start, annealing included.
    rank : int, optional
        For lazy plans: number of coordinates that approximate the Euclidean distances of a
        `PointCloud`, 64 by default.
    plan : {"dense", "lazy"}, default="dense"
        "lazy" is for large spaces: no array of shape (n, n) or (n, m) is made, and the plan of the
        result is a `LazyPlan`. It needs spaces and the square loss, and excludes batches,
        `unbalanced`, `mass` and gradients.
    backend : {"auto", "torch", "numba", "triton"}, default="auto"
        Implementation of the iterations. "auto" is numba on CPUs if it is installed, else torch.
        The first solve of each dtype with numba compiles for up to a minute, once per
        installation. "triton" is experimental, for batches of small problems on GPUs, and needs
        ``import skgw.solvers.experimental.newton_cg_triton``. With `unbalanced` the iterations run
        in torch.
    random_state : int, numpy Generator or RandomState, optional
        Seed of random starts and of the samples of lazy plans; None is 0. A single dense start
        draws nothing.

    Returns
    -------
    GromovResult

    Raises
    ------
    ValueError, TypeError
        For invalid input; the message says what to do.

    Warns
    -----
    GWConvergenceWarning
        Once per call, if a problem has not converged; the message names the budget that ran out.

    Notes
    -----
    The cost of a plan T of any mass is quadratic, ``E(T) = sum_ijkl ((1 - alpha) M_ij + alpha
    L(Ca_ik, Cb_jl)) T_ij T_kl``, which equals the cost above for plans of mass 1.

    With ``unbalanced=(rho_a, rho_b)`` the objective is ``E(T) + rho_a/2 KL2(T1 | a) + rho_b/2
    KL2(T'1 | b) + reg/2 KL2(T | ab')``, where KL2 compares tensor squares [3]_. It is the objective
    of ``ot.solve_gromov(alpha=1, unbalanced=..., reg=...)``. As the penalties grow, the plan tends
    to the balanced plan, and the value to the balanced value plus ``reg * (H(a) + H(b))``.

    In a batch a list of arrays is the same as the stacked array. If the matrices of a list have
    different sizes, `a` or `b` and `M` are lists, too, or None; smaller problems are padded with
    points of weight zero, at the cost of the largest one. ``result.plan``, ``potentials`` and
    ``marginals`` are then lists of arrays of the problems' own sizes.

    A relation may be directed, as the adjacency of a directed graph or the times of travel are:
    C_ik is from i to k. The loss compares C_ik with C_jl and C_ki with C_lj [6]_. A step takes
    twice the products of a symmetric problem. If one matrix is symmetric, the symmetric part of
    the other decides the plan. Differences of C_ik and C_ki up to 1e-4 of the largest entry are
    taken for rounding errors.

    Torch tensors that require gradients make ``result.value`` differentiable in the matrices, `M`,
    the weights and `reg`, by the envelope theorem: the plan is held fixed, and second derivatives
    are refused. A relative `reg`, a relative `unbalanced` and the shift of the KL loss move with
    the matrices and weights, and the gradient follows them. As weights sum to one, the gradient in
    them is defined up to a constant: its mean over the points is zero.

    With ``reg=0`` the entropic problem is annealed to 0.01 times the scale, and its plan is the
    start of a conditional gradient descent with exact line search [2]_, whose linear problems are
    solved by the network simplex of POT, on the CPU in float64. The plan has about n + m positive
    entries where E is concave. ``init="auto"`` descends from the product coupling, too, as POT
    does, and keeps the lower value; "anneal" alone takes about half of the time. `n_init` starts
    are compared at the annealed `reg`. A problem has converged if no plan lowers the linearised
    cost by more than `tol`, 1e-6 by default, times the scale. Problems of a batch are solved one
    by one after annealing.

    With ``mass=s`` the objective is ``E(T) - s * reg * (H(T) + H(a - T1) + H(b - T'1))`` over the
    plans of mass s with row sums of at most `a` and column sums of at most `b` [4]_.

    References
    ----------
    .. [1] :cite:t:`peyre2016`.
    .. [2] :cite:t:`vayer2020`.
    .. [3] :cite:t:`sejourne2021`.
    .. [4] :cite:t:`chapel2020`.
    .. [5] :cite:t:`memoli2011`.
    .. [6] :cite:t:`chowdhury2019`.

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
    has_free_marginals = unbalanced is not None or mass is not None
    alpha = check_options(loss, alpha, M is not None, tol, max_iter)
    tol, max_iter = None if tol is None else float(tol), int(max_iter)
    check_plan(plan, rank, loss, has_free_marginals)
    check_n_init(n_init, has_free_marginals)
    mass = check_mass(mass)
    check_seed(random_state)
    if unbalanced is not None and mass is not None:
        raise ValueError("Give unbalanced or mass, not both: each frees the marginals.")
    without_entropy = is_unregularised(reg)
    if without_entropy:
        check_unregularised(plan, has_free_marginals)
    common: dict[str, Any] = {"init": init, "max_iter": max_iter, "backend": backend}
    pooled: dict[str, Any] = {"n_init": int(n_init), "random_state": random_state}
    if plan == "lazy":
        warn_of_gradients(Ca, Cb, a, b, reg, *(M if isinstance(M, tuple | list) else ()))
        result = solve_lazy(
            Ca, Cb, M, a, b,
            alpha=alpha, reg=reg, reg_scale=reg_scale, tol=tol, rank=rank, **pooled, **common,
        )  # fmt: skip
        warn_if_not_converged(result, tol=tol)
        return result
    Ca, Cb = as_matrix(Ca, "Ca"), as_matrix(Cb, "Cb")
    inputs, shapes = read_problems(Ca, Cb, M, a, b, loss, directed=True)
    inputs = shift_for_kl(inputs, loss, kl_shift)
    common["init"] = padded_plans(init, inputs, shapes)
    scale = problem_scale(inputs, loss)
    regs = scale.detach() * 0 if without_entropy else absolute_reg(reg, reg_scale, scale)
    rho = None
    if unbalanced is not None:
        unit = scale if reg_scale == "auto" else torch.ones_like(scale)
        rho = absolute_penalties(unbalanced, unit)
    parameters = Parameters(regs, rho, mass, loss, alpha)
    common |= {"loss": loss, "alpha": alpha, "tol": tol}
    fixed, reg, scale = inputs.detach(with_m=alpha < 1), regs.detach(), scale.detach()
    if rho is not None:
        result = solve_unbalanced(fixed, reg, scale, (rho[0].detach(), rho[1].detach()), **common)
    elif mass is not None:
        result = solve_partial(fixed, reg, scale, mass, **common)
    elif without_entropy:
        result = solve_unregularised(fixed, scale, **pooled, **common)
    else:
        result = solve_dense(fixed, reg, scale, **pooled, **common)
    warn_if_not_converged(result, tol=tol)
    return cropped(differentiable(result, inputs, parameters), shapes)
