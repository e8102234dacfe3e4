"""A linear map between two domains from k-means centres: a baseline after Rosetta and mini-vec2vec.

Rows are centred and of unit length. For each of many clusterings, a quadratic assignment of the
cosines between centres pairs the centres of both domains. All pairs add to one cross-covariance,
whose polar factor is a rotation; it is refined with the nearest rows, then with an optimal
assignment of the rows. The method follows the published descriptions, the implementation is ours.

References
----------
Dar, "mini-vec2vec", arXiv 2510.02348. "Rosetta", arXiv 2610.09411.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import ot
from numpy.typing import NDArray
from scipy.optimize import quadratic_assignment
from sklearn.cluster import KMeans

Array = NDArray[Any]
N_CENTRES = 20  # of a clustering, or a fifth of the rows where that is less
N_CLUSTERINGS = 30  # of either domain
N_RESTARTS = 50  # of each quadratic assignment
NEAREST = 0.05  # share of the rows of a domain, whose mean is the match of a row
MAX_NEAREST_STEPS = 50  # half steps with the nearest rows
MAX_ASSIGNMENT_STEPS = 30  # full steps with an optimal assignment


class UnitRows:
    """Rows of a domain from its mean, of unit length, in coordinates of the span of all rows.

    Parameters
    ----------
    Z : array of shape (n, p)
        The rows that give the mean and the span.
    """

    def __init__(self, Z: Array) -> None:
        self.mean = Z.mean(0)
        _, s, Vt = np.linalg.svd(Z - self.mean, full_matrices=False)
        self.basis = Vt[s > 1e-9 * s[0]].T  # (p, rank)

    def __call__(self, Z: Array) -> Array:
        """Unit rows of shape (n, rank); a row at the mean stays zero."""
        C = (Z - self.mean) @ self.basis
        norms = np.linalg.norm(C, axis=1, keepdims=True)
        return C / np.where(norms > 0, norms, 1)


class CentreMatcher:
    """Rotation between the unit rows of two domains; see the module.

    Parameters
    ----------
    random_state : int
        Seed of the clusterings and of the restarts.

    Attributes
    ----------
    unit_x, unit_y : UnitRows
        From rows of a domain to unit rows of shapes (n, p') and (m, q').
    rotation : array of shape (p', q')
        Semi-orthogonal; unit rows of X times the rotation are near unit rows of Y.
    plan : array of shape (n, m)
        Optimal assignment of the rotated rows, with uniform marginals.
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Array, Y: Array) -> CentreMatcher:
        rng = np.random.default_rng(self.random_state)
        self.unit_x, self.unit_y = UnitRows(X), UnitRows(Y)
        U, V = self.unit_x(X), self.unit_y(Y)

        def half_step(R: Array) -> Array:
            return (R + polar(U.T @ nearest(U @ R @ V.T) @ V)) / 2

        def full_step(R: Array) -> Array:
            return U.T @ assigned(U @ R @ V.T) @ V

        R = polar(cross_covariance(U, V, rng))
        R = refined(R, half_step, MAX_NEAREST_STEPS)
        R = refined(R, full_step, MAX_ASSIGNMENT_STEPS)
        self.rotation, self.plan = R, assigned(U @ R @ V.T)
        return self

    def translate(self, Z: Array, *, domain: str = "x") -> Array:
        """Rows of one domain as unit rows of the other, of any length."""
        if domain == "x":
            return self.unit_x(Z) @ self.rotation
        return self.unit_y(Z) @ self.rotation.T


def cross_covariance(U: Array, V: Array, rng: np.random.Generator) -> Array:
    """Mean over clusterings of the products of matched centres, of shape (p, q)."""
    k = max(2, min(N_CENTRES, len(U) // 5, len(V) // 5))
    total = np.zeros((U.shape[1], V.shape[1]))
    for _ in range(N_CLUSTERINGS):
        (A, a), (B, b) = (centres(Z, k, rng) for Z in (U, V))
        order = quadratic_match(A @ A.T, B @ B.T, rng)
        weights = np.sqrt(a * b[order])
        total += A.T @ (weights[:, None] * B[order])
    return total / N_CLUSTERINGS


def centres(Z: Array, k: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Centres of shape (k, p) of one clustering, and their shares of the rows."""
    found = KMeans(k, n_init=1, random_state=int(rng.integers(2**31))).fit(Z)
    return found.cluster_centers_, np.bincount(found.labels_, minlength=k) / len(Z)


def quadratic_match(A: Array, B: Array, rng: np.random.Generator) -> Array:
    """Order of `B` (k,) with a high sum of products with `A`: best of restarts, then exchanges."""
    options: dict[str, Any] = {"maximize": True, "rng": rng}
    found = [
        quadratic_assignment(A, B, method="faq", options={**options, "P0": "randomized"})
        for _ in range(N_RESTARTS)
    ]
    best = max(found, key=lambda result: result.fun).col_ind
    guess = np.stack([np.arange(len(A)), best], axis=1)
    return quadratic_assignment(
        A, B, method="2opt", options={**options, "partial_guess": guess}
    ).col_ind


def polar(M: Array) -> Array:
    """Nearest semi-orthogonal matrix of the same shape."""
    U, _, Vt = np.linalg.svd(M, full_matrices=False)
    return U @ Vt


def refined(R: Array, step: Callable[[Array], Array], max_steps: int) -> Array:
    """The polar factor after each step is the next rotation, until the rotation stays."""
    for _ in range(max_steps):
        previous, R = R, polar(step(R))
        if np.linalg.norm(R - previous) < 1e-4 * np.linalg.norm(R):
            break
    return R


def nearest(S: Array) -> Array:
    """Weights (n, m) of the rows with the highest similarity: mean of both directions."""
    weights = np.zeros_like(S)
    for axis, size in enumerate(S.shape):
        k = max(1, round(NEAREST * S.shape[1 - axis]))
        top = np.argpartition(-S, k - 1, axis=1 - axis)
        chosen = np.take(top, np.arange(k), axis=1 - axis)
        share = np.zeros_like(S)
        np.put_along_axis(share, chosen, 1 / (2 * k * size), axis=1 - axis)
        weights += share
    return weights


def assigned(S: Array) -> Array:
    """Optimal plan (n, m) with uniform marginals and the highest total similarity."""
    n, m = S.shape
    return ot.emd(np.full(n, 1 / n), np.full(m, 1 / m), -S)
