"""Affine maps across spaces: of two Gaussians in closed form, and of a plan by least squares.

Under squared Euclidean distances the discrepancy of two Gaussians N(m, C) and N(m', C') over the
Gaussian couplings depends on the cross-covariance K alone,

    4 (tr C - tr C')^2 + 8 (|C|^2 + |C'|^2 - 2 |K|^2),

with Frobenius norms. It is least where the principal axes are coupled in the order of their
variances, up to signs [1]_: with eigenvectors U, V and decreasing eigenvalues s, t,
K = U diag(+-sqrt(s t)) V', and the conditional mean of the second Gaussian is affine,

    y(x) = m' + V diag(+-sqrt(t / s)) U' (x - m).

References
----------
.. [1] :cite:t:`delon2022`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skgw.solvers.directed import is_directed
from skgw.solvers.inputs import Array, are_tensors, read_tensor
from skgw.solvers.plan import Plan, as_plan
from skgw.solvers.precision import full_precision

RANK_TOLERANCE = 1e-10  # of the largest variance; smaller ones are directions without extent


@dataclass(frozen=True, eq=False, repr=False)
class AffineMap:
    """The map x -> matrix x + offset between two Euclidean spaces; call it with rows.

    Attributes
    ----------
    matrix : array of shape (n_features_b, n_features_a)
    offset : array of shape (n_features_b,)
    value : 0-d array
        Of `gaussian_gw_map` the discrepancy, in units of a distance to the fourth power. Of
        `plan_map` the mean squared distance between the images of the rows and their matches.
    """

    matrix: Array
    offset: Array
    value: Array

    def __call__(self, X: Array) -> Array:
        """Map rows (n, n_features_a) to rows (n, n_features_b)."""
        return X @ self.matrix.T + self.offset

    def __repr__(self) -> str:
        return f"AffineMap(matrix of shape {tuple(self.matrix.shape)}, value={self.value:.4g})"


@full_precision()
def gaussian_gw_map(
    mean_a: Array,
    cov_a: Array,
    mean_b: Array,
    cov_b: Array,
    *,
    signs: Array | None = None,
) -> AffineMap:
    """Gromov-Wasserstein map between two Gaussians, in closed form [1]_.

    It is optimal among the Gaussian couplings, for the square loss between squared Euclidean
    distances. The first Gaussian is mapped to the second one if its space has at least as many
    dimensions, else to its leading principal components, the conditional mean of the coupling.

    Parameters
    ----------
    mean_a : array of shape (p,)
    cov_a : array of shape (p, p)
        Covariance of the first Gaussian, numpy or torch; it may be singular.
    mean_b : array of shape (q,)
    cov_b : array of shape (q, q)
    signs : array of shape (min(p, q),), optional
        Orientation of each principal axis, 1 or -1, in the order of decreasing variance. All
        choices are optimal. By default all are 1, where the entry of largest modulus of each
        axis is positive.

    Returns
    -------
    AffineMap

    Raises
    ------
    ValueError, TypeError
        For invalid input; the message says what to do.

    See Also
    --------
    plan_map : The least-squares map of a plan, which fixes the signs.

    References
    ----------
    .. [1] :cite:t:`delon2022`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import gaussian_gw_map
    >>> wide, narrow = np.diag([9.0, 4.0, 1.0]), np.diag([1.0, 36.0])
    >>> found = gaussian_gw_map(np.zeros(3), wide, np.ones(2), narrow)
    >>> found.matrix.round(3) + 0.0
    array([[0. , 0.5, 0. ],
           [2. , 0. , 0. ]])
    >>> found.offset
    array([1., 1.])
    """
    is_torch = are_tensors(mean_a, cov_a, mean_b, cov_b)
    covariances = read_tensor(cov_a, "cov_a"), read_tensor(cov_b, "cov_b")
    dtype = torch.promote_types(covariances[0].dtype, covariances[1].dtype)
    means = [
        _checked(mean, covariance, name)
        for mean, covariance, name in zip(
            (mean_a, mean_b), covariances, ("mean_a, cov_a", "mean_b, cov_b"), strict=True
        )
    ]
    (s, U), (t, V) = (_principal_axes(covariance.to(dtype)) for covariance in covariances)
    k = min(len(s), len(t))
    oriented = torch.ones_like(s[:k]) if signs is None else _signs(signs, k).to(s)
    rounding = len(s) * torch.finfo(covariances[0].dtype).eps
    extended = s[:k] > max(RANK_TOLERANCE, rounding) * s[0]
    ratio = torch.where(extended, t[:k] / torch.where(extended, s[:k], 1.0), 0.0).sqrt()
    matrix = (V[:, :k] * (oriented * ratio)) @ U[:, :k].mT
    mean_a, mean_b = (mean.to(matrix) for mean in means)
    coupled = (s[:k] * t[:k]).sum()
    traces = (s.sum() - t.sum()) ** 2
    value = 4 * traces + 8 * (s @ s + t @ t - 2 * coupled).clamp_min(0.0)
    return _packaged(matrix, mean_b - matrix @ mean_a, value, is_torch=is_torch)


@full_precision()
def plan_map(plan: Any, X: Array, Y: Array, *, ridge: float = 0.0) -> AffineMap:
    """Affine map that carries rows to their matches, by least squares under a plan.

    Minimises ``sum_ij T_ij |A x_i + c - y_j|**2`` over A and c, so that new rows of the first
    space have images in the second one.

    Parameters
    ----------
    plan : array of shape (n, m), Plan, or GromovResult
        Masses T_ij; of a lazy plan no array of shape (n, m) is made.
    X : array of shape (n, p)
    Y : array of shape (m, q)
    ridge : float, default=0.0
        Weight of the squared entries of A, over the mean variance of a feature of `X`. Without it
        directions in which `X` has no extent are mapped to zero.

    Returns
    -------
    AffineMap

    Raises
    ------
    ValueError, TypeError
        For invalid input; the message says what to do.

    See Also
    --------
    gaussian_gw_map : The map of two Gaussians, without a plan.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import PointCloud, plan_map, solve_gromov
    >>> X = np.random.default_rng(0).normal(size=(60, 3)) ** 3
    >>> Y = 2 * X[:, [1, 2, 0]] + 5
    >>> plan = solve_gromov(PointCloud(X), PointCloud(Y / 2), reg=1e-3)
    >>> found = plan_map(plan, X, Y)
    >>> bool(np.abs(found(X) - Y).mean() < 0.1)
    True
    """
    plan = getattr(plan, "plan", plan)
    if not isinstance(plan, Plan):
        plan = read_tensor(plan, "plan") if not isinstance(plan, Tensor) else plan
    if len(plan.shape) != 2:
        raise ValueError(f"plan must be of one problem, (n, m), got shape {tuple(plan.shape)}.")
    if isinstance(plan, Tensor) and not (torch.isfinite(plan).all() and (plan >= 0).all()):
        raise ValueError("plan contains NaN, infinity or negative masses.")
    if not 0 <= ridge < math.inf:
        raise ValueError(f"ridge must be finite and not negative, got {ridge!r}.")
    is_torch = are_tensors(X, Y)
    X, Y = read_tensor(X, "X"), read_tensor(Y, "Y")
    for rows, name, size in ((X, "X", plan.shape[0]), (Y, "Y", plan.shape[1])):
        if rows.ndim != 2 or len(rows) != size or not rows.shape[1]:
            raise ValueError(f"{name} has shape {tuple(rows.shape)}, expected ({size}, features).")
        if not torch.isfinite(rows).all():
            raise ValueError(f"{name} contains NaN or infinity; remove or impute those entries.")
    X, Y = (rows.detach().double() for rows in (X, Y))
    masses = _applied(plan, torch.ones_like(Y[:, :1]), 1)
    total = masses.sum()
    if not total > 0:
        raise ValueError("plan has no mass.")
    p = masses / total  # (n, 1)
    q = _applied(plan, torch.ones_like(X[:, :1]), 0) / total  # (m, 1)
    mean_a, mean_b = (p * X).sum(0), (q * Y).sum(0)
    X, Y = X - mean_a, Y - mean_b
    covariance = X.mT @ (p * X)
    cross = X.mT @ _applied(plan, Y, 1) / total  # (p, q)
    added = ridge * covariance.diagonal().mean() * torch.eye(len(covariance)).to(covariance)
    matrix = (torch.linalg.pinv(covariance + added, rtol=RANK_TOLERANCE, hermitian=True) @ cross).mT
    explained = 2 * (matrix * cross.mT).sum() - (matrix @ covariance * matrix).sum()
    value = ((q * Y * Y).sum() - explained).clamp_min(0.0)
    return _packaged(matrix, mean_b - matrix @ mean_a, value, is_torch=is_torch)


def _applied(plan: Any, x: Tensor, axis: int) -> Tensor:
    """The plan summed against x (., k) along an axis, in float64."""
    if isinstance(plan, Tensor):
        return as_plan(plan.detach().double()).apply(x, axis)
    applied = plan.apply(x if _holds_tensors(plan) else x.numpy(), axis)
    return torch.as_tensor(applied).double()


def _holds_tensors(plan: Plan) -> bool:
    return any(isinstance(x, Tensor) for x in vars(plan).values())


def _checked(mean: Array, covariance: Tensor, names: str) -> Tensor:
    """The mean as a tensor, if it and its covariance are of one Gaussian."""
    mean = read_tensor(mean, names)
    p = mean.numel()
    if tuple(mean.shape) != (p,) or tuple(covariance.shape) != (p, p) or not p:
        raise ValueError(
            f"{names} have shapes {tuple(mean.shape)} and {tuple(covariance.shape)}, expected "
            "(p,) and (p, p)."
        )
    if not (torch.isfinite(mean).all() and torch.isfinite(covariance).all()):
        raise ValueError(f"{names} contain NaN or infinity.")
    if is_directed(covariance):
        raise ValueError(f"{names}: the covariance is not symmetric.")
    return mean


def _principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Decreasing variances (p,) and axes (p, p), whose largest entries are positive."""
    values, vectors = torch.linalg.eigh(0.5 * (covariance + covariance.mT))
    values, vectors = values.flip(0), vectors.flip(1)
    if values[-1] < -1e-6 * values[0].abs():
        raise ValueError("A covariance has negative eigenvalues: it is none.")
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return values.clamp_min(0.0), vectors * torch.where(largest < 0, -1.0, 1.0).to(vectors)


def _signs(signs: Array, k: int) -> Tensor:
    read = read_tensor(signs, "signs")
    if tuple(read.shape) != (k,) or not (read.abs() == 1).all():
        raise ValueError(f"signs must hold {k} times 1 or -1, got {signs!r}.")
    return read


def _packaged(matrix: Tensor, offset: Tensor, value: Tensor, *, is_torch: bool) -> AffineMap:
    if is_torch:
        return AffineMap(matrix, offset, value)
    return AffineMap(matrix.numpy(), offset.numpy(), value.numpy()[()])
