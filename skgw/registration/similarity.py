"""Rigid motions: where the search for an alignment starts, and its one closed-form step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Motion(NamedTuple):
    """The map x -> x @ rotation + shift, reflections included."""

    rotation: Floats  # (d, d), orthogonal
    shift: Floats  # (d,)

    def __call__(self, points: Floats) -> Floats:
        """Move points, one a row."""
        return points @ self.rotation + self.shift


def principal_motions(X: Floats, Y: Floats) -> Iterator[Motion]:
    """Principal axes onto principal axes, the leading three in any order and with any sign."""
    axes_x, axes_y = _axes(X), _axes(Y)  # rows, the widest first
    n_free = min(len(axes_x), 3)
    for order in permutations(range(n_free)):
        for signs in product((-1.0, 1.0), repeat=n_free):
            chosen = axes_y.copy()
            chosen[:n_free] = np.array(signs)[:, None] * axes_y[list(order)]
            yield _about_means(X, Y, axes_x.T @ chosen)


def _axes(points: Floats) -> Floats:
    centred = points - points.mean(axis=0)
    return np.asarray(np.linalg.eigh(centred.T @ centred).eigenvectors.T[::-1])


def random_motions(
    X: Floats, Y: Floats, n_starts: int, rng: np.random.RandomState
) -> Iterator[Motion]:
    """Uniform rotations and reflections about the means."""
    for _ in range(n_starts):
        q, r = np.linalg.qr(rng.standard_normal((X.shape[1], X.shape[1])))
        # Without the signs the QR decomposition does not give uniform rotations.
        yield _about_means(X, Y, q * np.sign(np.diag(r)))


def _about_means(X: Floats, Y: Floats, rotation: Floats) -> Motion:
    return Motion(rotation, Y.mean(axis=0) - X.mean(axis=0) @ rotation)


def best_motion(X: Floats, targets: Floats, weights: Floats) -> Motion:
    """Solve the weighted orthogonal Procrustes problem with a translation."""
    mean_x, mean_y = (np.average(Z, axis=0, weights=weights) for Z in (X, targets))
    cross = ((X - mean_x) * weights[:, None]).T @ (targets - mean_y)  # (d, d)
    left, _, right = np.linalg.svd(cross)
    rotation = left @ right
    return Motion(rotation, mean_y - mean_x @ rotation)


def distinct_motions(motions: list[Motion], n_kept: int, gap: float = 0.5) -> list[Motion]:
    """First few motions whose rotations differ; a gap of .5 is about 20 degrees."""
    kept: list[Motion] = []
    for motion in motions:
        if all(np.linalg.norm(motion.rotation - other.rotation) > gap for other in kept):
            kept.append(motion)
        if len(kept) == n_kept:
            break
    return kept
