"""Facets of the Brenier potential: angles between the hyperplanes ``<x, y> + h`` of atoms y."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def facet_normals(atoms: Array) -> Array:
    """Unit normals (n, d + 1) of the hyperplanes of atoms (n, d), in the direction ``(y, -1)``."""
    scale = np.maximum(1.0, np.abs(atoms).max(1, keepdims=True))  # squares stay finite
    normals = np.hstack([atoms / scale, -1 / scale])
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def facet_angles(normals: Array, first: Array, others: Array) -> Array:
    """Angles in radians, from 0 to pi, between hyperplanes and others.

    The angle between the hyperplanes of two atoms depends on the unit of the atoms: it is the
    distance of atoms of norm far below 1, and the angle between atoms of norm far above 1.

    Parameters
    ----------
    normals : array of shape (n, d + 1)
        Unit normals.
    first : array of int of shape (m,)
        One atom for each row.
    others : array of int of shape (m, k)
        Atoms whose hyperplanes are compared with it.

    Returns
    -------
    array of shape (m, k)

    Examples
    --------
    >>> import numpy as np
    >>> normals = facet_normals(np.array([[0.0], [1.0]]))
    >>> facet_angles(normals, np.array([0]), np.array([[0, 1]])) * 4 / np.pi
    array([[0., 1.]])
    """
    chords = np.linalg.norm(normals[first][:, None] - normals[others], axis=2)
    return np.asarray(2 * np.arcsin(np.minimum(chords / 2, 1.0)))
