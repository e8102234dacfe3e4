"""The normalised Gromov-Wasserstein divergence of two spaces."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skgw.solvers.batches import Shapes, cropped, padded_plans, read_problems
from skgw.solvers.directed import any_directed
from skgw.solvers.inputs import Inputs
from skgw.solvers.options import check_options
from skgw.solvers.pot import names_from_pot
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic.balanced import solve_dense
from skgw.solvers.quadratic.descent import STATUS, is_compiled
from skgw.solvers.quadratic.envelope import given_gradients
from skgw.solvers.quadratic.lazy import as_matrix
from skgw.solvers.quadratic.outer_step import judged
from skgw.solvers.quadratic.package import warn_if_not_converged, warn_of
from skgw.solvers.quadratic.sensitivity import Parameters, differentiable, needs_gradient
from skgw.solvers.resolution import Accuracy, attainable
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import absolute_reg, problem_scale, shift_for_kl
from skgw.threads import matrices_work, threads_by


@names_from_pot
@threads_by(matrices_work)
@full_precision()
def gw_divergence(
    Ca: Array,
    Cb: Array,
    a: Array | None = None,
    b: Array | None = None,
    *,
    loss: str = "L2",
    reg: float | Array = 5e-3,
    reg_scale: str | None = "auto",
    kl_shift: float = 1e-2,
    init: str | Array | State = "auto",
    tol: float | None = None,
    max_iter: int = 100,
    backend: str = "auto",
    return_results: bool = False,
) -> Any:
    r"""Normalised Gromov-Wasserstein divergence between two spaces.

    .. math:: \mathrm{GW}_\varepsilon\text{-div}(a, b)
        = 2 \, \mathrm{GW}_\varepsilon(a, b)
        - \mathrm{GW}_\varepsilon(a, a) - \mathrm{GW}_\varepsilon(b, b)

    The entropy makes the discrepancy of a space with itself positive; the self terms remove this
    bias [1]_. All terms are solved at the absolute :math:`\varepsilon` of the cross term. The
    self terms start from the identity coupling, as other starts find worse minima.

    The divergence is 0, up to `tol`, between isometric spaces whose matching is found. It is
    positive if the cross term stops at a worse minimum, as it may on spaces with many symmetries.
    It may be negative: by the rounding errors and the tolerance of three terms, between isometric
    spaces, and further below 0 where a self term stops at a worse minimum than the cross term. Take
    the root of ``max(value, 0)`` for a distance.

    Parameters
    ----------
    Ca : array of shape (n, n) or (batch, n, n), list of arrays, PointCloud, or LowRank
        Matrix of distances of the first space, numpy or torch; it need not be symmetric. Of a
        `PointCloud` or `LowRank` the matrix is computed. Matrices of a list may have different
        sizes, see `solve_gromov`.
    Cb : array of shape (m, m) or (batch, m, m), list of arrays, PointCloud, or LowRank
        The same for the second space.
    a : array of shape (n,) or (batch, n), optional
        Weights of the first space, of sum one; uniform by default.
    b : array of shape (m,) or (batch, m), optional
        Weights of the second space.
    loss : {"L2", "KL"}, default="L2"
        ``(x - y)**2`` or ``x log(x / y) - x + y``.
    reg : float or array of shape (batch,), default=5e-3
        Weight of the entropy, in the unit of `reg_scale`.
    reg_scale : {"auto", None}, default="auto"
        "auto": the average over both spaces of the mean squared entry (mean entry for the KL loss);
        None: one.
    kl_shift : float, default=1e-2
        Shift of the entries under the KL loss, see `solve_gromov`.
    init : str, array of shape (n, m), or State, default="auto"
        Start of the cross term, see `solve_gromov`.
    tol : float, optional
        L1 norm of changes of the plan and of marginal errors, 1e-5 by default, see `solve_gromov`.
    max_iter : int, default=100
        Outer steps of each term.
    backend : {"auto", "torch", "numba", "triton"}, default="auto"
        Implementation of the iterations, see `solve_gromov`.
    return_results : bool, default=False
        Whether to return the results of the three terms, too.

    Returns
    -------
    value : 0-d array or array of shape (batch,)
        In units of L, of the kind of the input. For torch tensors that require gradients it is
        differentiable in the matrices, the weights and `reg`, as the value of `solve_gromov`.
    results : tuple of three GromovResult
        Cross term, self term of a, self term of b; only with `return_results`.

    Raises
    ------
    ValueError, TypeError
        For invalid input; the message says what to do.

    Warns
    -----
    GWConvergenceWarning
        Once per call, if a term has not converged.

    See Also
    --------
    solve_gromov : One term, with all options.

    References
    ----------
    .. [1] :cite:t:`bunne_short`, Eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import gw_divergence
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    >>> reversed_distances = distances[::-1, ::-1]
    >>> bool(abs(gw_divergence(distances, reversed_distances)) < 1e-4)
    True
    >>> bool(gw_divergence(distances, 2 * distances) > 1)
    True
    """
    check_options(loss, None, False, tol, max_iter)
    tol, max_iter = None if tol is None else float(tol), int(max_iter)
    Ca, Cb = as_matrix(Ca, "Ca"), as_matrix(Cb, "Cb")
    cross, shapes = read_problems(Ca, Cb, None, a, b, loss, directed=True)
    cross = shift_for_kl(cross, loss, kl_shift)
    init = padded_plans(init, cross, shapes)
    scale = problem_scale(cross, loss)
    regs, scale = absolute_reg(reg, reg_scale, scale), scale.detach()
    is_plain = loss == "L2" and isinstance(init, str) and init in ("auto", "anneal")
    is_compiled_whole = is_plain and not return_results and _are_compiled(cross, backend)
    is_compiled_whole = is_compiled_whole and not any_directed(cross.Ca, cross.Cb)
    if is_compiled_whole and not needs_gradient(cross.a, cross.b):
        accuracy = attainable(tol, regs.detach(), scale)
        value, status = _compiled(cross, regs, scale, accuracy, max_iter)
        names = [STATUS[k] for k in judged(status, accuracy).flatten().tolist()]
        warn_of(names, tol or float(accuracy.tol.max()))
        return cross.restore(value)
    terms = (
        (cross, init),
        (cross._replace(Cb=cross.Ca, b=cross.a), "identity"),
        (cross._replace(Ca=cross.Cb, a=cross.b), "identity"),
    )
    results: list[GromovResult] = [
        solve_dense(
            inputs.detach(), regs.detach(), scale,
            loss=loss, alpha=1.0, init=start, tol=tol, max_iter=max_iter,
            symmetric=loss == "L2" and inputs is not cross, backend=backend,
        )
        for inputs, start in terms
    ]  # fmt: skip
    warn_if_not_converged(*results, tol=tol)
    parameters = Parameters(regs, None, None, loss, 1.0)
    results = [
        differentiable(result, inputs, parameters)
        for result, (inputs, _) in zip(results, terms, strict=True)
    ]
    value = 2 * results[0].value - results[1].value - results[2].value
    if not return_results:
        return value
    sides = (shapes, Shapes(shapes.n, shapes.n), Shapes(shapes.m, shapes.m))
    return value, tuple(map(cropped, results, sides))


def _are_compiled(inputs: Inputs, backend: str) -> bool:
    return all(is_compiled(C, backend) for C in (inputs.Ca, inputs.Cb))


def _compiled(
    inputs: Inputs, reg: Tensor, scale: Tensor, accuracy: Accuracy, max_iter: int
) -> tuple[Tensor, Tensor]:
    """Value (B,) and status of the terms (3, B), by compiled code."""
    from skgw.solvers.quadratic.divergence_numba import divergence_numba

    Ca, Cb, _, a, b, _ = inputs
    needed = tuple(needs_gradient(C) for C in (Ca, Cb))
    found = divergence_numba(
        Ca,
        Cb,
        a,
        b,
        reg=accuracy.reg,
        scale=scale,
        tol=accuracy.tol,
        max_iter=max_iter,
        needed=needed,
    )
    value = found.value
    if needs_gradient(Ca, Cb, reg):
        gradients = (found.grad_a, found.grad_b, found.grad_reg)
        value = given_gradients(value, (Ca, Cb, reg), gradients)
    return value, found.status
