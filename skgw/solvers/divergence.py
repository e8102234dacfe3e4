"""The normalised Gromov-Wasserstein discrepancy, Eq. 2 of Bunne et al. (2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skgw.solvers.inputs import Inputs, read_inputs
from skgw.solvers.options import check_options
from skgw.solvers.precision import full_precision
from skgw.solvers.quadratic.balanced import solve_dense
from skgw.solvers.quadratic.descent import STATUS, attainable_tol, is_compiled
from skgw.solvers.quadratic.envelope import given_gradients
from skgw.solvers.quadratic.package import warn_if_not_converged, warn_of
from skgw.solvers.result import Array, GromovResult, State
from skgw.solvers.scales import absolute_reg, problem_scale, shift_for_kl


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
    tol: float = 1e-5,
    max_iter: int = 100,
    backend: str = "auto",
    return_results: bool = False,
) -> Any:
    """Normalised GW_eps: ``2 GW(a, b) - GW(a, a) - GW(b, b)``.

    The entropy makes the discrepancy of a space with itself positive; subtracting the self terms
    brings it back to zero. All three terms are solved at one absolute `reg`, that of the cross
    term. The self terms start from the identity coupling: other starts find worse minima.

    The result is 0, up to `tol`, for isometric copies whose matching is found; where the cross
    term stops at a worse minimum, as on very symmetric spaces, it is positive. It is not guaranteed
    to be non-negative: the terms are local minima of non-convex problems.

    Parameters
    ----------
    Ca, Cb : array of shape (n, n) and (m, m), or (batch, n, n) and (batch, m, m)
        Symmetric matrices of distances, numpy or torch.
    a, b : array of shape (n,) and (m,), optional
        Weights, uniform by default.
    loss, reg, reg_scale, kl_shift, init, tol, max_iter, backend
        As for `solve_gromov`; `init` is that of the cross term.
    return_results : bool
        Whether to return the three results as well.

    Returns
    -------
    value : 0-d array or array of shape (batch,)
        Of the input's kind. For torch tensors that require gradients it is differentiable in both
        matrices by the envelope theorem; no gradient flows through the plans.
    results : tuple of three GromovResult
        Cross term, self term of a, self term of b; only with `return_results`.

    Raises
    ------
    ValueError, TypeError
        As for `solve_gromov`.

    Warns
    -----
    GWConvergenceWarning
        Once per call, when one of the problems has not converged.

    References
    ----------
    Bunne, Alvarez-Melis, Krause, Jegelka (2019), Learning generative models across incomparable
    spaces, Eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import gw_divergence
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    >>> turned = distances[::-1, ::-1]
    >>> bool(abs(gw_divergence(distances, turned)) < 1e-4)
    True
    >>> bool(gw_divergence(distances, 2 * distances) > 1)
    True
    """
    check_options(loss, None, False, tol, max_iter)
    cross = shift_for_kl(read_inputs(Ca, Cb, None, a, b, loss), loss, kl_shift)
    scale = problem_scale(cross, loss)
    reg = absolute_reg(reg, reg_scale, scale)
    is_plain = loss == "L2" and isinstance(init, str) and init in ("auto", "anneal")
    if is_plain and not return_results and _are_compiled(cross, backend):
        tols = attainable_tol(tol, reg, scale)
        value, status = _compiled(cross, reg, scale, tols, max_iter)
        warn_of([STATUS[k] for k in status.flatten().tolist()], float(tols.max()))
        return cross.restore(value)
    terms = (
        (cross, init),
        (cross._replace(Cb=cross.Ca, b=cross.a), "identity"),
        (cross._replace(Ca=cross.Cb, a=cross.b), "identity"),
    )
    results: list[GromovResult] = [
        solve_dense(
            inputs, reg, scale,
            loss=loss, alpha=1.0, init=start, tol=tol, max_iter=max_iter,
            symmetric=loss == "L2" and inputs is not cross, backend=backend,
        )
        for inputs, start in terms
    ]  # fmt: skip
    warn_if_not_converged(*results)
    value = 2 * results[0].value - results[1].value - results[2].value
    return (value, tuple(results)) if return_results else value


def _are_compiled(inputs: Inputs, backend: str) -> bool:
    return all(is_compiled(C, backend) for C in (inputs.Ca, inputs.Cb))


def _compiled(
    inputs: Inputs, reg: Tensor, scale: Tensor, tol: Tensor, max_iter: int
) -> tuple[Tensor, Tensor]:
    """Value (B,) and status of the terms (3, B), without results on the way."""
    from skgw.solvers.quadratic.divergence_numba import divergence_numba

    Ca, Cb, _, a, b, _ = inputs
    needed = tuple(torch.is_grad_enabled() and C.requires_grad for C in (Ca, Cb))
    found = divergence_numba(
        Ca, Cb, a, b, reg=reg, scale=scale, tol=tol, max_iter=max_iter, needed=needed
    )
    value = found.value
    if any(needed):
        value = given_gradients(value, (Ca, Cb), (found.grad_a, found.grad_b))
    return value, found.status
