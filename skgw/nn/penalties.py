"""Penalties on generated samples and on maps: means over the batch, in units of the scale."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skgw.nn.geometry import polar_factor


def centering_mean(y: Tensor) -> Tensor:
    """Squared norm of the mean of `y` (n, k): keeps samples centred, leaves their shape free."""
    return y.mean(0).square().sum()


def centering_l1(y: Tensor) -> Tensor:
    """Mean l1 norm of `y` (n, k), as in Bunne et al. (2019), section 2.3: also shrinks."""
    return y.abs().sum(1).mean()


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {"mean": centering_mean, "l1": centering_l1}


def isometry_penalty(Dz: Tensor, Dx: Tensor, *, scale: float | None = None) -> Tensor:
    """Squared relative distortion of distances by a map, from x to z.

    With a scale s it is ``||Dz - s Dx||^2 / ||s Dx||^2``. Without one it is the smallest value of
    ``||Dz - s Dx||^2 / ||Dz||^2`` over all s, one minus the squared cosine between both matrices:
    it is at most one, and does not change with the units of x or z.

    Parameters
    ----------
    Dz, Dx : Tensor of shape (n, n)
        Distances after the map, and before.
    scale : float, optional
        What a unit of x shall be in z.

    Returns
    -------
    Tensor of shape ()
        Without unit; zero for an isometry, up to the scale, and for rows that are all equal.
    """
    tiny = torch.finfo(Dz.dtype).tiny
    if scale is not None:
        target = scale * Dx
        return (Dz - target).square().sum() / target.square().sum().clamp_min(tiny)
    best = (Dz * Dx).sum() / Dx.square().sum().clamp_min(tiny)
    return (Dz - best * Dx).square().sum() / Dz.square().sum().clamp_min(tiny)


def procrustes_penalty(y: Tensor, x: Tensor) -> Tensor:
    """How far a map from x to y is from turning and shifting: ``||y - x P^T||^2 / n``, centred.

    P (d_y, d_x) is the polar factor of the cross product y^T x, the orthogonal matrix that turns x
    closest to y; it is held constant, and the gradient pulls y towards x as turned. Where
    d_y < d_x, P has orthonormal rows and projects x; where d_y > d_x, it has orthonormal columns.
    Singular values are those of a square matrix of size min(n, d) at most.

    Parameters
    ----------
    y : Tensor of shape (n, d_y)
        What the map makes of x.
    x : Tensor of shape (n, d_x)
        No gradient flows to it.

    Returns
    -------
    Tensor of shape ()
        Squared units of y, mean over the rows.

    References
    ----------
    Bunne, Alvarez-Melis, Krause, Jegelka (2019), Learning generative models across incomparable
    spaces. ICML. Equation 5; here both sides are centred, as distances do not see a shift.

    Examples
    --------
    >>> import torch
    >>> x = torch.eye(3)
    >>> turned = x[:, [1, 2, 0]] + 5
    >>> round(float(procrustes_penalty(turned, x)), 6)
    0.0
    """
    y, x = y - y.mean(0), x - x.mean(0)
    return (y - _turned_towards(y, x)).square().sum() / len(y)


@torch.no_grad()
def _turned_towards(y: Tensor, x: Tensor) -> Tensor:
    """``x P^T`` (n, d_y) for the polar factor P of y^T x, through QR: n may be below d."""
    basis_y, y_in_basis = torch.linalg.qr(y.T)  # (d_y, r), (r, n) with r = min(n, d_y)
    _, x_in_basis = torch.linalg.qr(x.T, mode="r")  # (s, n) with s = min(n, d_x)
    return x_in_basis.T @ polar_factor(y_in_basis @ x_in_basis.T).T @ basis_y.T


def layerwise_penalty(network: nn.Module) -> Tensor:
    """How far the weight matrices of a network are from orthogonal: the sum of ``||W^T W - I||^2``.

    Of the two products W^T W and W W^T the smaller one is compared with the identity. The weights
    of a convolution are taken as a matrix, with one row per output channel. Vectors do not count.

    Parameters
    ----------
    network : Module

    Returns
    -------
    Tensor of shape ()
        Without unit.

    References
    ----------
    Brock, Lim, Ritchie, Weston (2017), Neural photo editing with introspective adversarial
    networks. ICLR. In Bunne et al. (2019) it is the alternative in section 2.4.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(2, 2)
    >>> _ = torch.nn.init.eye_(layer.weight)
    >>> layerwise_penalty(layer).item(), layerwise_penalty(torch.nn.ReLU()).item()
    (0.0, 0.0)
    """
    matrices = [w.flatten(1) for w in network.parameters() if w.ndim > 1]
    return sum((_orthogonality_error(w) for w in matrices), torch.zeros(()))


def _orthogonality_error(w: Tensor) -> Tensor:
    w = w if w.shape[0] >= w.shape[1] else w.T
    gram = w.T @ w
    return (gram - torch.eye(len(gram)).to(gram)).square().sum()
