"""Penalties on generated samples and on maps, averaged over the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from skgw.nn.geometry import polar_factor
from skgw.nn.procrustes import closest_projection


def centering_mean(y: Tensor) -> Tensor:
    """Squared norm of the mean of the points y (n, k), which does not depend on their shape."""
    return y.mean(0).square().sum()


def centering_l1(y: Tensor) -> Tensor:
    """Mean l1 norm of the points y (n, k), which also shrinks them (Bunne et al. 2019, 2.3)."""
    return y.abs().sum(1).mean()


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {"mean": centering_mean, "l1": centering_l1}


def isometry_penalty(Dz: Tensor, Dx: Tensor, *, scale: float | None = None) -> Tensor:
    """Squared relative distortion of distances by a map from x to z.

    With a scale s, the penalty is ``||Dz - s Dx||^2 / ||s Dx||^2``. Without a scale, the penalty is
    the minimum of ``||Dz - s Dx||^2 / ||Dz||^2`` over all s, which equals one minus the squared
    cosine between the two matrices. The minimum is at most one and invariant to the units of x and
    z.

    Parameters
    ----------
    Dz, Dx : Tensor of shape (n, n)
        Distances after the map and before the map.
    scale : float, default=None
        Target ratio of a distance after the map to the distance before the map. None minimises
        over all ratios.

    Returns
    -------
    Tensor of shape ()
        Dimensionless. Zero for an isometry times `scale`, and for rows that are all equal.
    """
    tiny = torch.finfo(Dz.dtype).tiny
    if scale is not None:
        target = scale * Dx
        return (Dz - target).square().sum() / target.square().sum().clamp_min(tiny)
    best = (Dz * Dx).sum() / Dx.square().sum().clamp_min(tiny)
    return (Dz - best * Dx).square().sum() / Dz.square().sum().clamp_min(tiny)


def procrustes_penalty(y: Tensor, x: Tensor) -> Tensor:
    """Squared distance of a map from isometries, the minimum of ``||y - x P^T||^2 / n`` over P.

    P (d_y, d_x) has orthonormal rows or columns, and x and y are centred. If d_y is at least d_x,
    P is orthogonal, the polar factor of the cross product y^T x. If d_y < d_x, P projects x, and
    is found iteratively, see `skgw.nn.procrustes`; the penalty is then zero for every projection of
    x, although no projection preserves all distances. The gradient holds P constant, as it may at a
    minimum.

    Parameters
    ----------
    y : Tensor of shape (n, d_y)
        Images of the rows of x.
    x : Tensor of shape (n, d_x)
        Points, which receive no gradient.

    Returns
    -------
    Tensor of shape ()
        In squared units of y, averaged over the rows.

    References
    ----------
    :cite:t:`bunne_short`, Equation 5: here x and y are centred, since distances are invariant
    to shifts.

    Examples
    --------
    >>> import torch
    >>> x = torch.eye(3)
    >>> permuted = x[:, [1, 2, 0]] + 5
    >>> round(float(procrustes_penalty(permuted, x)), 6)
    0.0
    """
    y, x = y - y.mean(0), x - x.mean(0)
    return (y - _procrustes_fit(y, x)).square().sum() / len(y)


@torch.no_grad()
def _procrustes_fit(y: Tensor, x: Tensor) -> Tensor:
    """The closest ``x P^T`` (n, d_y) to y, through QR: n may be below d."""
    _, x_in_basis = torch.linalg.qr(x.T, mode="r")  # (s, n) with s = min(n, d_x)
    if y.shape[1] < x.shape[1]:
        # Directions in which x vanishes: the projection may use them, and needs at most d_y.
        n_null = min(y.shape[1], x.shape[1] - len(x_in_basis))
        x = pad(x_in_basis.T, (0, n_null))
        return x @ closest_projection(x, y)
    basis_y, y_in_basis = torch.linalg.qr(y.T)  # (d_y, r), (r, n) with r = min(n, d_y)
    return x_in_basis.T @ polar_factor(y_in_basis @ x_in_basis.T).T @ basis_y.T


def layerwise_penalty(network: nn.Module) -> Tensor:
    """Distance of the weight matrices from orthogonal matrices, the sum of ``||W^T W - I||^2``.

    A matrix with fewer rows than columns is transposed first. The weights of a convolution form a
    matrix with one row per output channel. Weights with one dimension are left out.

    Parameters
    ----------
    network : Module

    Returns
    -------
    Tensor of shape ()
        Dimensionless.

    References
    ----------
    :cite:t:`brock2017`; the alternative to Equation 5 in :cite:t:`bunne_short`, section 2.4.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.eye_(layer.weight)
    >>> layerwise_penalty(layer).item(), layerwise_penalty(torch.nn.ReLU()).item()
    (0.0, 0.0)
    """
    matrices = [w.flatten(1) for w in network.parameters() if w.ndim > 1]
    return sum((_orthogonality_error(w) for w in matrices), torch.zeros((), dtype=torch.float32))


def _orthogonality_error(w: Tensor) -> Tensor:
    w = w if w.shape[0] >= w.shape[1] else w.T
    gram = w.T @ w
    return (gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).square().sum()
