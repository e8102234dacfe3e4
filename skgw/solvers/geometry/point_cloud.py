"""Spaces that are given by coordinates: point clouds, and relations of low rank.

A relation of low rank has the form

    C_ik = |F_i - F_k|^2 + rho_i + rho_k

with r coordinates F_i per point. Squared Euclidean distances have this form, with the points as F
and rho = 0. Other distances are approximated from landmarks: classical scaling of the matrix C (not
of its squares) between the landmarks, and the Nyström extension to all points [1]_. In high
dimension r coordinates explain a part of C only, but the rest of C_ik is nearly the same for all k.
The residual rho_i holds it, as the diagonal correction of sparse Gaussian processes does [2]_.

References
----------
.. [1] :cite:t:`desilva2004`.
.. [2] :cite:t:`snelson2006`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.inputs import Array, read_tensor
from skgw.solvers.lazy_plan import as_index
from skgw.solvers.precision import full_precision
from skgw.solvers.settings import MULTISCALE

METRICS = ("euclidean", "sqeuclidean")
DEFAULT_RANK = 64  # coordinates of a space whose relations are approximated
CHUNK_SIZE = 4096  # points whose distances to the landmarks are held at once


@dataclass(frozen=True, eq=False)
class PointCloud:
    r"""Space of points in :math:`\mathbb{R}^d` with their Euclidean distances.

    The relation of points :math:`x_i, x_k` is :math:`\|x_i - x_k\|` or :math:`\|x_i - x_k\|^2`.
    Memory is O(nd), for the points; `solve_gromov` with ``plan="lazy"`` computes no distance
    matrix.

    Parameters
    ----------
    points : array of shape (n, d)
        Coordinates, numpy or torch, float32 or float64. One length unit for all coordinates.
    metric : {"euclidean", "sqeuclidean"}, default="euclidean"
        Distances, or squared distances.

    Raises
    ------
    ValueError
        For another metric, and for points that are not a finite (n, d) array.

    See Also
    --------
    LowRank : Relations that are given by factors, or by distances to landmarks.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import PointCloud
    >>> cloud = PointCloud(np.array([[0.0, 0.0], [3.0, 4.0]]))
    >>> len(cloud)
    2
    >>> cloud.toarray()
    array([[0., 5.],
           [5., 0.]])
    """

    points: Array
    metric: str = "euclidean"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(
                f"metric must be one of {METRICS}, got {self.metric!r}; LowRank.from_landmarks "
                "takes distances of any kind."
            )
        _check_rows(self.points, "points")

    def __len__(self) -> int:
        return len(self.points)

    @full_precision()
    def toarray(self) -> Array:
        """The matrix of distances, (n, n)."""
        x = read_tensor(self.points, "points")
        x = x - x.mean(0)  # inner products lose small distances far from zero
        distances = torch.cdist(x, x)
        return _like(distances.square() if self.metric == "sqeuclidean" else distances, self.points)


@dataclass(frozen=True, eq=False)
class LowRank:
    r"""Space of n points with relations of low rank.

    .. math:: C_{ik} = \|F_i - F_k\|^2 + \rho_i + \rho_k

    Memory is O(nr), for the factors.

    Parameters
    ----------
    factors : array of shape (n, r)
        Coordinates F, numpy or torch, float32 or float64, in units of the root of C.
    residual : array of shape (n,), optional
        Part rho of the relations of each point that the coordinates do not explain, of any sign, in
        units of C; zero by default. It enters the diagonal of C, too, which is zero for distances.

    Raises
    ------
    ValueError
        For factors that are not a finite (n, r) array, and for a residual that is not finite or
        has another length.

    See Also
    --------
    LowRank.from_landmarks : Approximate other distances.
    PointCloud : Euclidean distances.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw.solvers import LowRank
    >>> LowRank(np.array([[0.0], [1.0], [3.0]])).toarray()
    array([[0., 1., 9.],
           [1., 0., 4.],
           [9., 4., 0.]])
    """

    factors: Array
    residual: Array | None = None

    def __post_init__(self) -> None:
        _check_rows(self.factors, "factors")
        if self.residual is None:
            return
        if tuple(np.shape(self.residual)) != (len(self),):
            raise ValueError(
                f"residual has shape {tuple(np.shape(self.residual))}, expected ({len(self)},)."
            )
        _check_finite(self.residual, "residual")

    def __len__(self) -> int:
        return len(self.factors)

    @classmethod
    @full_precision()
    def from_landmarks(
        cls, distances: Array, landmarks: Array, *, rank: int = DEFAULT_RANK
    ) -> Self:
        """Approximate distances by landmark scaling.

        Classical scaling is exact for distances of negative type, as Euclidean distances, and
        nearly exact for geodesic distances. Coordinates of negative eigenvalues are set to zero.

        Parameters
        ----------
        distances : array of shape (n, l)
            Distances from all points to l landmarks, a few hundred randomly drawn points.
        landmarks : int array of shape (l,)
            Indices of the landmarks.
        rank : int, default=64
            Number of coordinates, at most l - 1.

        Returns
        -------
        LowRank

        Raises
        ------
        ValueError
            For shapes that do not fit.

        References
        ----------
        .. [1] :cite:t:`desilva2004`.

        Examples
        --------
        >>> import numpy as np
        >>> from skgw.solvers import LowRank
        >>> x = np.random.default_rng(0).normal(size=(300, 2))
        >>> distances = np.linalg.norm(x[:, None] - x[None, :100], axis=2)
        >>> space = LowRank.from_landmarks(distances, np.arange(100), rank=20)
        >>> error = space.toarray()[:, :100] - distances
        >>> bool(np.sqrt(np.mean(error**2) / np.mean(distances**2)) < 0.03)
        True
        """
        D, index = read_tensor(distances, "distances"), as_index(landmarks)
        if D.ndim != 2 or tuple(index.shape) != (D.shape[-1],):
            raise ValueError(
                f"distances has shape {tuple(D.shape)} and landmarks {tuple(index.shape)}, "
                "expected (n, l) and (l,)."
            )
        scaling = _Scaling.fit(D[index.to(D.device)], rank)
        factors, residual = scaling.extend(D)
        return cls(_like(factors, distances), _like(residual, distances))

    @full_precision()
    def relations(self, rows: Any, columns: Any) -> Array:
        """The entries of C at `rows` and `columns`, index arrays or slices, as a matrix."""
        x, rows, columns = read_tensor(self.factors, "factors"), as_index(rows), as_index(columns)
        C = torch.cdist(x[rows], x[columns]).square()
        if self.residual is not None:
            rho = read_tensor(self.residual, "residual").to(x)
            C = C + rho[rows][:, None] + rho[columns]
        return _like(C, self.factors)

    def toarray(self) -> Array:
        """The matrix C, (n, n)."""
        return self.relations(slice(None), slice(None))


Space = PointCloud | LowRank


@dataclass(frozen=True)
class _Scaling:
    """Classical scaling of landmarks, and its Nyström extension."""

    projection: Tensor  # (l, r)
    means: Tensor  # (l,), u of the landmarks
    half: float  # half the mean of all entries

    @classmethod
    def fit(cls, D: Tensor, rank: int) -> _Scaling:
        """From distances D (l, l) between the landmarks."""
        if not 1 <= rank <= max(len(D) - 1, 1):
            raise ValueError(
                f"rank must be at least 1 and less than the number of landmarks, {len(D)}, "
                f"got {rank}."
            )
        exact = D.to(torch.float64)
        half = float(exact.mean() / 2)
        means = 0.5 * (exact.mean(0) + exact.mean(1)) - half
        K = 0.5 * (means[:, None] + means - 0.5 * (exact + exact.T))
        values, vectors = torch.linalg.eigh(K)
        values, vectors = values.flip(0)[:rank], vectors.flip(1)[:, :rank]
        floor = len(D) * torch.finfo(D.dtype).eps * values[0].clamp_min(0)
        scale = torch.where(values > floor, values, torch.inf).rsqrt()
        return cls((vectors * scale).to(D), means.to(D), half)

    def extend(self, D: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates and residual from distances D (n, l) to the landmarks."""
        u = D.mean(1) - self.half
        factors = 0.5 * (u[:, None] + self.means - D) @ self.projection
        return factors, u - factors.square().sum(1)


@full_precision()
def low_rank(
    space: Space,
    rank: int | None,
    noise: torch.Generator,
    n_landmarks: int = MULTISCALE.n_landmarks,
) -> tuple[Tensor, Tensor]:
    """Factors (n, r) and residual (n,) of a space; `noise` draws the landmarks of a cloud."""
    if isinstance(space, LowRank):
        factors = read_tensor(space.factors, "factors")
        if space.residual is None:
            return factors, torch.zeros_like(factors[:, 0])
        return factors, read_tensor(space.residual, "residual").to(factors)
    x = read_tensor(space.points, "points")
    x = x - x.mean(0)
    if space.metric == "sqeuclidean":
        return x, torch.zeros_like(x[:, 0])
    landmarks = x[torch.randperm(len(x), generator=noise)[:n_landmarks].to(x.device)]
    rank = min(DEFAULT_RANK if rank is None else rank, max(len(landmarks) - 1, 1))
    scaling = _Scaling.fit(torch.cdist(landmarks, landmarks), rank)
    parts = [scaling.extend(torch.cdist(chunk, landmarks)) for chunk in x.split(CHUNK_SIZE)]
    factors, residual = (torch.cat(part) for part in zip(*parts, strict=True))
    return factors, residual


def _check_rows(x: Array, name: str) -> None:
    if getattr(x, "ndim", None) != 2 or 0 in x.shape:
        raise ValueError(f"{name} must be an array of shape (n, d), not empty.")
    _check_finite(x, name)


def _check_finite(x: Array, name: str) -> None:
    if not isinstance(x, Tensor) and np.asarray(x).dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {np.asarray(x).dtype}.")
    finite = torch.isfinite(x) if isinstance(x, Tensor) else np.isfinite(x)
    if not finite.all():
        raise ValueError(f"{name} contains NaN or infinity; remove or impute those rows.")


def _like(x: Tensor, reference: Array) -> Array:
    """A tensor for tensors, else a numpy array."""
    return x if isinstance(reference, Tensor) else x.numpy()
