"""Exact cells in the plane, and Newton's method for their masses.

In the plane the upper envelope of the hyperplanes ``<x, y> + h`` is the dual of the upper convex
hull of the points (y, h): a facet of the hull is a vertex of the cells. Masses of cells are
integrals along their edges, by Green's theorem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import ConvexHull
from scipy.special import ndtr
from torch import Tensor

from skgw.solvers.semidiscrete.cells import CellLookup
from skgw.solvers.semidiscrete.sources import NormalSource, Source, UniformSource

Array = NDArray[Any]

N_NODES = 8  # of the Gauss-Legendre rule on a piece of an edge
PIECE = 1.0  # longest piece of an edge, in standard deviations of the normal distribution
RADIUS = 14.0  # beyond which a distribution of variance 1 has no mass
HALF_WIDTH = 3**0.5  # of the uniform distribution of variance 1
LEAST = 1e-3  # mass of a cell relative to its weight, below which atoms are moved onto the hull
TINY = 1e-5  # mass of a cell relative to its weight, from which Newton's method gets far
CURVATURE = 0.1  # of the concave function that gives each atom on the hull a cell
REACH, N_ANGLES = 4.0, 256  # radius of the disc in which each atom has a cell; points on its rim
ENTRIES = 2**24  # products of atoms and vertices at a time
MIN_SHARE = 2.0**-20  # of a Newton step
RESOLUTION = 1e-9  # of the root of the chi-square error
MIXTURES = 0.5, 0.9, 0.99, 0.999  # shares of the uniform distribution on the way to it


@dataclass(frozen=True)
class PlanarCells:
    """Cells of atoms with heights, as seen by a source.

    Attributes
    ----------
    masses : array of shape (n,)
    pairs : array of int of shape (m, 2)
        Atoms on both sides of each edge.
    faces : array of shape (m,)
        Derivative of the mass of one atom of an edge by minus the height of the other: the
        integral of the density along the edge, divided by the distance of the atoms.
    """

    masses: Array
    pairs: Array
    faces: Array


def has_planar_cells(source: Source) -> bool:
    """Whether the masses of planar cells are known for a source."""
    return source.dim == 2 and isinstance(source, NormalSource | UniformSource)


def planar_cells(atoms: Array, heights: Array, uniform: float = 0.0) -> PlanarCells:
    """Masses of the cells and of their common edges, of the standard normal distribution.

    Parameters
    ----------
    atoms : array of shape (n, 2)
        Distinct, centred.
    heights : array of shape (n,)
    uniform : float, default=0
        Share of the uniform distribution of mean 0 and variance 1 in a mixture with the normal one.

    Examples
    --------
    >>> import numpy as np
    >>> atoms = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> planar_cells(atoms, np.zeros(4)).masses.round(6).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    pairs, begin, end, _ = _edges(atoms, heights)
    n, kept = len(atoms), pairs.min(1) < len(atoms)
    pairs, begin, end = pairs[kept], begin[kept], end[kept]
    flux, density = np.zeros(len(pairs)), np.zeros(len(pairs))
    for rule, share in ((_normal_edges, 1 - uniform), (_uniform_edges, uniform)):
        if share:
            found = rule(begin, end)
            flux, density = flux + share * found[0], density + share * found[1]
    masses = np.bincount(pairs[:, 0], flux, minlength=n + 4)
    masses -= np.bincount(pairs[:, 1], flux, minlength=n + 4)
    inner = pairs.max(1) < n
    pairs = pairs[inner]
    distances = np.linalg.norm(atoms[pairs[:, 0]] - atoms[pairs[:, 1]], axis=1)
    return PlanarCells(masses[:n], pairs, density[inner] / distances)


def planar_newton(
    atoms: Tensor, weights: Tensor, start: Tensor, source: Source, max_iter: int
) -> Iterator[Tensor]:
    """Damped Newton steps with exact masses and an exact, sparse Hessian.

    A uniform source has no mass outside of its square, and cells there have no derivative. The
    steps then lead from the normal distribution through mixtures to the uniform one.

    Parameters
    ----------
    atoms : Tensor of shape (n, 2)
        Centred, in the unit of energies.
    weights, start : Tensor of shape (n,)
        Weights and first heights, in float64.
    source : Source
        See `has_planar_cells`.
    max_iter : int
        Largest number of steps for each mixture.

    Yields
    ------
    heights : Tensor of shape (n,)
        The steps end when the masses are right to the resolution of float64, or when no step brings
        them closer.

    References
    ----------
    :cite:t:`kitagawa2019`, the damping.
    """
    y, w, h = (x.cpu().numpy().astype(np.float64) for x in (atoms, weights, start))
    unit = float(np.sqrt(np.square(y).mean()))
    y, h = y / unit, _first_heights(y / unit, w, h / unit)
    last = () if isinstance(source, NormalSource) else (*MIXTURES, 1 - 0.25 / len(y), 1.0)
    for uniform in (0.0, *last):
        cells = planar_cells(y, h, uniform)
        for _ in range(max_iter):
            h, cells, moved = _newton_step(y, w, h, cells, uniform)
            if not moved:
                break
            yield torch.as_tensor(unit * h).to(start)


def _error(cells: PlanarCells, weights: Array) -> float:
    return float(np.sqrt((np.square(cells.masses - weights) / weights).sum()))


def _newton_step(
    atoms: Array, weights: Array, heights: Array, cells: PlanarCells, uniform: float
) -> tuple[Array, PlanarCells, bool]:
    """Heights after a step that keeps all cells, their cells, and whether there is such a step."""
    error, least = _error(cells, weights), 0.5 * min(cells.masses.min(), weights.min())
    if error <= RESOLUTION or least <= 0:
        return heights, cells, False
    step, share = _direction(cells, weights), 1.0
    while np.isfinite(step).all() and share >= MIN_SHARE:
        trial = heights + share * step
        new = planar_cells(atoms, trial, uniform)
        if new.masses.min() >= least and _error(new, weights) <= (1 - share / 2) * error:
            return trial, new, True
        share /= 2
    return heights, cells, False


def _direction(cells: PlanarCells, weights: Array) -> Array:
    """Heights (n,) to add, the last one zero, such that the linearised masses are the weights."""
    n, (i, j), c = len(weights), cells.pairs.T, cells.faces
    diagonal = np.bincount(i, c, minlength=n) + np.bincount(j, c, minlength=n)
    rows, columns = np.concatenate([i, j, np.arange(n)]), np.concatenate([j, i, np.arange(n)])
    hessian = coo_array((np.concatenate([-c, -c, diagonal]), (rows, columns)), shape=(n, n))
    kept = hessian.tocsc()[: n - 1, : n - 1]
    step = spsolve(kept, (weights - cells.masses)[: n - 1], permc_spec="MMD_AT_PLUS_A")
    return np.append(np.atleast_1d(step), 0.0)


def _first_heights(atoms: Array, weights: Array, start: Array) -> Array:
    """The start, or the cells of the nearest atoms if the start has cells of tiny masses."""
    found = (
        _with_cells(atoms, weights, heights) for heights in (start, -0.5 * np.square(atoms).sum(1))
    )
    least = [(heights, planar_cells(atoms, heights).masses.min()) for heights in found]
    return max(least, key=lambda x: min(x[1], TINY * weights.min()))[0]


def _with_cells(atoms: Array, weights: Array, heights: Array) -> Array:
    """Heights (n,) of which each atom has a cell within reach of the source.

    An atom whose hyperplane is below the potential in a disc is raised until it touches, and a
    concave function is added. Each atom is then the vertex of a hull.
    """
    if planar_cells(atoms, heights).masses.min() > LEAST * weights.min():
        return heights
    _, _, _, vertices = _edges(atoms, heights)
    angle = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
    rim = REACH * np.column_stack([np.cos(angle), np.sin(angle)])
    x = np.vstack([vertices[np.linalg.norm(vertices, axis=1) < REACH], rim])
    lookup = CellLookup(torch.as_tensor(atoms), torch.as_tensor(heights))
    values = lookup.best(torch.as_tensor(x))[1].numpy()
    found = [
        (values - chunk @ x.T).min(1)
        for chunk in np.array_split(atoms, 1 + len(atoms) * len(values) // ENTRIES)
    ]
    return np.asarray(np.concatenate(found) - CURVATURE / 2 * np.square(atoms).sum(1))


def _edges(atoms: Array, heights: Array) -> tuple[Array, Array, Array, Array]:
    """Edges of the cells: atoms (m, 2), first and last points (m, 2); and all vertices.

    Seen along an edge, the first atom is on the left. Four atoms far away, the last ones, bound the
    cells outside of the source.
    """
    far = 8 * float(np.abs(atoms).max() or 1.0)
    corners = far * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    bound = float(heights.max()) - RADIUS * (far + far / 8)
    y = np.vstack([atoms, corners])
    lifted = np.column_stack([y, np.append(heights, np.full(4, bound))])
    lifted[:, 2] /= RADIUS  # the hull of a flat body is exact
    hull = ConvexHull(lifted)
    normal, steep = hull.equations[:, :2], hull.equations[:, 2]
    upper = steep > 1e-14
    vertices = np.zeros((len(upper), 2))
    vertices[upper] = RADIUS * normal[upper] / steep[upper, None]
    s = np.repeat(np.arange(len(upper)), 3)
    t, opposite = hull.neighbors.ravel(), np.tile(np.arange(3), len(upper))
    once = (s < t) & upper[s] & upper[t]
    s, t, opposite = s[once], t[once], opposite[once]
    i = hull.simplices[s, (opposite + 1) % 3]
    j = hull.simplices[s, (opposite + 2) % 3]
    begin, end = vertices[s], vertices[t]
    across = y[i] - y[j]
    along = across[:, 1] * (end - begin)[:, 0] - across[:, 0] * (end - begin)[:, 1]
    back = along < 0
    begin[back], end[back] = end[back], begin[back].copy()
    return np.column_stack([i, j]), begin, end, vertices[upper]


def _normal_edges(begin: Array, end: Array) -> tuple[Array, Array]:
    """Integrals (m,) of cdf(x) pdf(y) dy and of the density, along edges of a normal source."""
    lengths = np.linalg.norm(end - begin, axis=1)
    n_pieces = np.maximum(1, np.ceil(lengths / PIECE)).astype(int)
    edge = np.repeat(np.arange(len(begin)), n_pieces)
    piece = np.arange(len(edge)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    nodes, rule = np.polynomial.legendre.leggauss(N_NODES)
    t = (piece[:, None] + (nodes + 1) / 2) / n_pieces[edge, None]
    x, y = (begin[edge, k, None] + t * (end - begin)[edge, k, None] for k in (0, 1))
    pdf = np.exp(-0.5 * y**2) / (2 * np.pi) ** 0.5
    share = rule / 2 / n_pieces[edge, None]
    flux = (share * ndtr(x) * pdf).sum(1) * (end - begin)[edge, 1]
    density = (share * pdf * np.exp(-0.5 * x**2)).sum(1) / (2 * np.pi) ** 0.5 * lengths[edge]
    n = len(begin)
    return np.bincount(edge, flux, minlength=n), np.bincount(edge, density, minlength=n)


def _uniform_edges(begin: Array, end: Array) -> tuple[Array, Array]:
    """The same for a uniform source on a square, exactly: the integrands are linear in pieces."""
    a, step = HALF_WIDTH, end - begin
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = [(side - begin[:, k]) / step[:, k] for k in (0, 1) for side in (-a, a)]
    t = np.nan_to_num(np.column_stack(crossings), nan=0.0, posinf=1.0, neginf=0.0)
    t = np.sort(np.column_stack([t.clip(0, 1), np.zeros(len(t)), np.ones(len(t))]), axis=1)
    middle, share = (t[:, 1:] + t[:, :-1]) / 2, np.diff(t, axis=1)
    x, y = (begin[:, k, None] + middle * step[:, k, None] for k in (0, 1))
    inside_y = (np.abs(y) < a) / (2 * a)
    flux = (share * ((x + a) / (2 * a)).clip(0, 1) * inside_y).sum(1) * step[:, 1]
    density = (share * inside_y * (np.abs(x) < a)).sum(1) / (2 * a) * np.linalg.norm(step, axis=1)
    return flux, density
