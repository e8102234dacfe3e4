"""The Procrustes problem where the image has fewer dimensions than the points."""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.nn.geometry import polar_factor

MAX_STEPS = 300  # a step decomposes a (d, k) matrix
RESOLUTION = 1e-8  # change of an entry of the projection, at which the iteration ends
PERTURBATION = 1e-2  # of the start, against stationary points that are no minima
MIN_VARIANCE = 1e-10  # of a principal direction, relative to the largest one


@torch.no_grad()
def closest_projection(x: Tensor, y: Tensor) -> Tensor:
    """The matrix Q with orthonormal columns for which ``x @ Q`` is closest to y.

    Q preserves the norm of no row where it has fewer columns than rows, so that ``||x Q||^2``
    depends on Q, and the polar factor of ``x.T @ y`` is not the minimiser. The quadratic term is
    majorised at the last Q, whose successor is a polar factor [1]_. The steps are extrapolated.
    They start from the better of the polar factors of ``x.T @ y`` and of the regression of y on x.

    Parameters
    ----------
    x : Tensor of shape (n, d)
    y : Tensor of shape (n, k), with k of at most d

    Returns
    -------
    Tensor of shape (d, k)

    References
    ----------
    .. [1] :cite:t:`elden1999`, where the problem is unbalanced.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    >>> y = x[:, [2, 0]]
    >>> bool((x @ closest_projection(x, y) - y).abs().max() < 1e-5)
    True
    """
    gram, cross = x.T @ x, x.T @ y  # (d, d), (d, k)
    values, axes = torch.linalg.eigh(gram)
    top = values[-1].clamp_min(torch.finfo(x.dtype).tiny)
    gram, cross, values = gram / top, cross / top, values / top
    inverse = values.clamp_min(MIN_VARIANCE).reciprocal()
    regression = axes @ (inverse[:, None] * (axes.T @ cross))
    starts = (polar_factor(cross), polar_factor(regression))
    best = min(starts, key=lambda start: float(_objective(start, gram, cross)))
    noise = torch.randn(best.shape, generator=torch.Generator().manual_seed(0)).to(best)
    return _descend(polar_factor(best + PERTURBATION * noise), gram, cross)


def _descend(Q: Tensor, gram: Tensor, cross: Tensor) -> Tensor:
    """Minimise `_objective` over Q with orthonormal columns; no eigenvalue of gram is above 1."""
    resolution = max(RESOLUTION, 10 * torch.finfo(Q.dtype).eps)
    last, momentum = Q, 1.0
    for _ in range(MAX_STEPS):
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = Q + (momentum - 1) / following * (Q - last)
        step = polar_factor(ahead - gram @ ahead + cross)
        is_uphill = ((ahead - step) * (step - Q)).sum() > 0  # extrapolated too far
        last, Q, momentum = Q, step, 1.0 if is_uphill else following
        if (Q - last).abs().amax() <= resolution:
            break
    return Q


def _objective(Q: Tensor, gram: Tensor, cross: Tensor) -> Tensor:
    """``||x Q - y||^2`` up to a constant."""
    return (Q * (gram @ Q - 2 * cross)).sum()
