"""Placement of rows: points whose Euclidean distances fit given distances (metric scaling).

The error is the raw stress, the sum of the squared differences between the distances of points and
the given distances. Reference rows are placed together. Any row, of the training data or new, is
then placed alone, against the fixed reference points, so that its point depends on no other row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from sklearn.utils import gen_batches

from skgw.spaces import Space
from skgw.spaces.finite import Array, Index

MAX_JOINT_ITER = 300  # iterations of L-BFGS for the reference rows
STRESS_TOLERANCE = 1e-8  # relative decrease of the stress below which L-BFGS stops
GRADIENT_TOLERANCE = 1e-7  # of L-BFGS: derivatives of the stress per row
MAX_ROW_ITER = 40  # iterations of Levenberg-Marquardt for a row
MAX_CG_STEPS = 10  # conjugate gradient steps of an iteration
STEP_TOLERANCE = 1e-7  # step of a row, over the root mean square distance, below which a row stops
FIRST_DAMPING = 1e-2  # of Levenberg-Marquardt, relative to the mean curvature
LESS_DAMPING, MORE_DAMPING = 0.2, 4.0  # factors after a step that lowers the stress, or does not
BLOCK = 256  # rows that are placed at a time: their distances to 1000 points stay in the cache


class Placement(NamedTuple):
    """Map from rows to points of the embedding.

    Attributes
    ----------
    space : Space
        Space whose anchors are the r reference rows.
    scale : float
        Unit in which distances are compared.
    points : array of shape (r, k)
        Points of the reference rows, in the unit of the distances.
    weights : array of shape (r,) or None
        Weights of the reference rows in the stress; None: equal weights.
    chunk_size : int
        Number of rows whose distances are in memory at a time.
    """

    space: Space
    scale: float
    points: Array
    weights: Array | None = None
    chunk_size: int = 2048

    def distances(self, X: Any) -> Iterator[Array]:
        """Scaled distances from validated rows to the r reference rows, in chunks (b, r)."""
        for chunk in self.space.chunks_from_new(X, self.chunk_size):
            yield chunk / self.scale

    @classmethod
    def near(
        cls, start: Array, space: Space, scale: float, weights: Array | None, chunk_size: int
    ) -> Placement:
        """Place the anchors of a space near a start (r, k)."""
        reference = np.arange(len(space.anchors))
        relative = space.between(reference, reference) / scale
        points = scale * place_together(relative, start.astype(np.float64) / scale, weights)
        return cls(space, scale, points.astype(start.dtype), weights, chunk_size)

    def place(self, distances: Array) -> Array:
        """Points (n, k) of rows at scaled distances (n, r) from the reference rows."""
        reference = self.points.astype(np.float64) / self.scale
        return (self.scale * place(distances, reference, self.weights)).astype(self.points.dtype)

    def place_training_rows(self, space: Space, reference: Index) -> Array:
        """Points (n, k) of all training rows.

        Parameters
        ----------
        space : Space
            Space of all n training rows.
        reference : array of int of shape (r,)
            Positions of the reference rows among the anchors of `space`.
        """
        rows = np.arange(space.n_rows)
        chunks = (
            space.distances(rows[i], reference) / self.scale
            for i in gen_batches(len(rows), self.chunk_size)
        )
        return np.concatenate([self.place(distances) for distances in chunks])


def place_together(distances: Array, start: Array, weights: Array | None = None) -> Array:
    """Points of least stress near a start: a local minimum, found by L-BFGS.

    Parameters
    ----------
    distances : array of shape (n, n)
        Distances between the rows.
    start : array of shape (n, k)
        The points keep the mean of the start, and are not rotated.
    weights : array of shape (n,), optional
        A pair of rows counts with the product of its weights; by default equal.

    Returns
    -------
    array of shape (n, k)

    References
    ----------
    :cite:t:`kruskal1964`.
    """
    norm = np.linalg.norm(distances)
    if not norm:
        return np.broadcast_to(start.mean(axis=0), start.shape).copy()
    unit = norm / len(start)
    relative, mean = distances / unit, start.mean(axis=0)
    share = _shares(weights, len(start))

    def stress(flat: Array) -> tuple[float, Array]:
        points = flat.reshape(start.shape)
        errors, inverse = _errors(points, points, relative)
        np.fill_diagonal(errors, 0.0)
        value = float(share @ np.square(errors) @ share)
        errors *= inverse
        gradient = (errors @ share)[:, None] * points - errors @ (share[:, None] * points)
        return len(start) * value, (4 * len(start) * share[:, None] * gradient).ravel()

    options = {"maxiter": MAX_JOINT_ITER, "ftol": STRESS_TOLERANCE, "gtol": GRADIENT_TOLERANCE}
    first = ((start - mean) / unit).ravel()
    found = minimize(stress, first, jac=True, method="L-BFGS-B", options=options)
    return mean + unit * found.x.reshape(start.shape)


def place(distances: Array, reference: Array, weights: Array | None = None) -> Array:
    """Points of least stress against fixed reference points, by Levenberg-Marquardt.

    Each row starts at the point of its nearest reference row.

    Parameters
    ----------
    distances : array of shape (n, r)
        Distances from the rows to the reference rows, whose root mean square is about one.
    reference : array of shape (r, k)
        Points of the reference rows.
    weights : array of shape (r,), optional
        Weights of the reference rows; by default equal.

    Returns
    -------
    array of shape (n, k)

    References
    ----------
    :cite:t:`more1978`.

    Examples
    --------
    >>> import numpy as np
    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> to_corners = np.linalg.norm(corners - [0.5, 0.25], axis=1)
    >>> bool(np.allclose(place(to_corners[None], corners), [[0.5, 0.25]]))
    True
    """
    mean = reference.mean(axis=0)
    centred = reference - mean  # inner products lose small distances far from zero
    points = centred[distances.argmin(axis=1)]
    share = _shares(weights, len(reference))
    for block in gen_batches(len(distances), BLOCK):
        _descend(points[block], distances[block], centred, share)
    return mean + points


def _shares(weights: Array | None, n: int) -> Array:
    """Weights with sum 1."""
    return np.full(n, 1 / n) if weights is None else weights / weights.sum()


def _descend(points: Array, distances: Array, reference: Array, share: Array) -> None:
    """Move points (b, k), in place, to local minima of their stresses."""
    rows = np.arange(len(points))  # rows that have not stopped
    damping = np.full(len(points), FIRST_DAMPING)
    smallest = STEP_TOLERANCE * np.sqrt(np.square(distances).mean(axis=1))
    for _ in range(MAX_ROW_ITER):
        here, targets = points[rows], distances[rows]
        errors, inverse = _errors(here, reference, targets)
        stress = np.square(errors) @ share
        step = _damped_step(here, reference, errors, inverse, share, damping[rows])
        new_errors, _ = _errors(here + step, reference, targets)
        new_stress = np.square(new_errors) @ share
        is_lower = new_stress < stress
        points[rows[is_lower]] += step[is_lower]
        damping[rows] *= np.where(is_lower, LESS_DAMPING, MORE_DAMPING)
        goes_on = np.linalg.norm(step, axis=1) > smallest[rows]
        goes_on &= ~is_lower | (stress - new_stress > STRESS_TOLERANCE * stress)
        rows = rows[goes_on]
        if not len(rows):
            return


def _errors(points: Array, reference: Array, distances: Array) -> tuple[Array, Array]:
    """Distances of points minus given distances, and one over the distances of points (0 for 0)."""
    embedded = np.sqrt(np.maximum(_squares(points, reference), 0.0))
    inverse = np.divide(1.0, embedded, out=np.zeros_like(embedded), where=embedded > 0)
    return embedded - distances, inverse


def _squares(points: Array, reference: Array) -> Array:
    """Squared distances (b, r), up to rounding."""
    out = points @ (-2 * reference.T)
    out += np.einsum("bk,bk->b", points, points)[:, None]
    out += np.einsum("rk,rk->r", reference, reference)
    return out


def _damped_step(
    points: Array,
    reference: Array,
    errors: Array,
    inverse: Array,
    share: Array,
    damping: Array,
) -> Array:
    """Gauss-Newton steps (b, k) with relative damping (b,), by conjugate gradients.

    The derivative of the distance from a point to a reference point is the unit vector between the
    two. Products with these vectors need matrix products only.
    """
    weighted = inverse * share

    def pull(values: Array) -> Array:  # (b, r) -> (b, k), the transposed derivative
        values = values * weighted
        return values.sum(axis=1)[:, None] * points - values @ reference

    def push(step: Array) -> Array:  # (b, k) -> (b, r), the derivative
        along = np.einsum("bk,bk->b", step, points)[:, None] - step @ reference.T
        return np.asarray(along * inverse)

    k = points.shape[1]
    shift = (damping / k)[:, None]
    step = np.zeros_like(points)
    residual = -pull(errors)
    direction, square = residual, np.einsum("bk,bk->b", residual, residual)
    for _ in range(min(k, MAX_CG_STEPS)):
        image = pull(push(direction)) + shift * direction
        length = _ratio(square, np.einsum("bk,bk->b", direction, image))[:, None]
        step = step + length * direction
        residual = residual - length * image
        last, square = square, np.einsum("bk,bk->b", residual, residual)
        direction = residual + _ratio(square, last)[:, None] * direction
    return step


def _ratio(a: Array, b: Array) -> Array:
    """a over b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
