"""Similarity transformations: their closed-form fits to matched points.

A similarity is a rotation or reflection, a translation and a change of scale. The fits solve the
orthogonal Procrustes problem with weights. They take torch tensors or numpy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skgw.nn import polar_factor

MIN_VARIANCE = 1e-6  # squared distance below which matched points count as one point

Floats = NDArray[np.float64]
Points = TypeVar("Points", bound=Any)  # Tensor or array
Candidate = TypeVar("Candidate")


class Similarity(NamedTuple, Generic[Points]):
    """The map z -> z R + t, reflections included.

    Attributes
    ----------
    rotation : Tensor or array of shape (kx, ky)
        R: orthonormal rows or columns, times one scale.
    offset : Tensor or array of shape (ky,)
        t.
    """

    rotation: Points
    offset: Points

    def __call__(self, points: Points) -> Points:
        """Transform points (n, kx) to (n, ky)."""
        return points @ self.rotation + self.offset


def similarity_of_plan(
    source: Tensor, target: Tensor, plan: Tensor, *, max_scale: float = 2.0
) -> Similarity[Tensor]:
    """The similarity that fits source points to the target points that a plan matches them with.

    Its scale makes the matched parts of both clouds vary alike: two clouds of one RMS distance
    whose groups have different shares differ in scale.

    Parameters
    ----------
    source, target : Tensor of shapes (n, kx) and (m, ky)
    plan : Tensor of shape (n, m)
    max_scale : float
        Largest scale, and the inverse of the smallest scale.
    """
    a, b = plan.sum(1), plan.sum(0)
    return _scaled_similarity(
        source, target, a, b, lambda x, y: x.T @ plan @ y, max_scale=max_scale
    )


def similarity_of_matches(
    source: Tensor, target: Tensor, weights: Tensor, *, max_scale: float = 2.0
) -> Similarity[Tensor]:
    """The similarity that fits source points (n, kx) to their matches (n, ky), row by row."""
    return _scaled_similarity(
        source, target, weights, weights, lambda x, y: (weights[:, None] * x).T @ y,
        max_scale=max_scale,
    )  # fmt: skip


def rigid_of_matches(source: Floats, target: Floats, weights: Floats) -> Similarity[Floats]:
    """The similarity of scale 1 that fits source points (n, d) to their matches (n, d)."""
    mean_x, mean_y = (np.average(Z, axis=0, weights=weights) for Z in (source, target))
    cross = ((source - mean_x) * weights[:, None]).T @ (target - mean_y)  # (d, d)
    return about_means(mean_x, mean_y, polar_factor(cross))


def about_means(mean_x: Points, mean_y: Points, rotation: Points) -> Similarity[Points]:
    """The similarity of this rotation that takes mean_x (kx,) to mean_y (ky,)."""
    return Similarity(rotation, mean_y - mean_x @ rotation)


def first_distinct(
    candidates: Iterable[Candidate], n_max: int, differ: Callable[[Candidate, Candidate], bool]
) -> list[Candidate]:
    """The first candidates that differ from all kept candidates, at most `n_max`."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if len(kept) == n_max:
            break
        if all(differ(candidate, other) for other in kept):
            kept.append(candidate)
    return kept


def _scaled_similarity(
    source: Tensor,
    target: Tensor,
    a: Tensor,
    b: Tensor,
    cross: Callable[[Tensor, Tensor], Tensor],
    *,
    max_scale: float,
) -> Similarity[Tensor]:
    """The fit for weights a (n,) and b (m,), and a function that gives the cross-covariance."""
    mean_x, mean_y = a @ source / a.sum(), b @ target / b.sum()
    x, y = source - mean_x, target - mean_y
    ratio = (b @ y.square().sum(1)) / (a @ x.square().sum(1)).clamp_min(MIN_VARIANCE)
    scale = ratio.sqrt().clamp(1 / max_scale, max_scale)
    return about_means(mean_x, mean_y, scale * polar_factor(cross(x, y)))
