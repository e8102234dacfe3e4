"""Fitted samplers of codes: rules that map source points and transported atoms to new codes."""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from torch import nn

from skgw.fields import Numbers, Positions, Positive, Shape
from skgw.generative.code_flow import integrate
from skgw.generative.semi_discrete_ot import SemiDiscreteOT
from skgw.nn import FittedNetwork
from skgw.solvers.semidiscrete import facet_angles, facet_normals
from skgw.storable import storable

Array = NDArray[Any]

FACET_NEIGHBORS = "centers", "hyperplanes"  # what the atoms next to a source point are
N_ANGLES = 10_000  # source points whose angles give a threshold
MIN_GAP = 1.5  # ratio of two successive angles between which there is a threshold
LEAST_SHARE = 0.5  # of the angles lies below a threshold
FALLBACK_QUANTILE = 0.9  # of angles, the threshold if there is no gap
GAP_OF_MODES = 3.0  # ratio of successive distances of neighbours, beyond which a mode ends
MIN_NEIGHBORS = 4  # atoms of a neighbourhood, itself included, if there are as many
TINY = np.finfo(np.float64).tiny
CHUNK_ENTRIES = 2**22  # coordinates of neighbours at a time


class CodeDraws(Protocol):
    """A fitted sampler of codes."""

    def draw(
        self, transport: SemiDiscreteOT, points: Array, rng: np.random.RandomState
    ) -> tuple[Array, Array]:
        """Codes of source points.

        Parameters
        ----------
        transport : SemiDiscreteOT
            Fitted map to the n atoms with d coordinates.
        points : array of shape (m, d)
            Source points.
        rng : RandomState

        Returns
        -------
        codes : array of shape (m', d)
        accepted : array of bool of shape (m,)
            The m' source points that have a code.
        """
        ...


@storable
class LocalDraws(NamedTuple):
    """A step of an Ornstein-Uhlenbeck process in the neighbourhood of the transported atom.

    With mean m and covariance S of the neighbours of an atom y, itself included, a code is ``m +
    kept (y - m) + noise e`` for e of the covariance S. Where the neighbours are a whole normal mode
    and ``kept ** 2 + noise ** 2 = 1``, y and code have the same distribution. Where they are a
    small part of a smooth density, ``m - y`` is about S times the slope of the log density.

    Attributes
    ----------
    neighbors : array of int of shape (n, k)
        Nearest atoms of each atom, itself included.
    kept, noise : float
    """

    neighbors: Annotated[Array, Positions("n", None, below="n")]
    kept: float
    noise: float

    @classmethod
    def fit(cls, atoms: Array, weights: Array, n_neighbors: int, step: float) -> LocalDraws:
        """Choose the noise, about `step`, with which codes have the variance of the atoms.

        It is the variance within connected components of the graph of the neighbours.

        Parameters
        ----------
        atoms : array of shape (n, d)
        weights : array of shape (n,)
        n_neighbors : int
        step : float
            Share of the variance of a neighbourhood that is drawn anew, as a square root.
        """
        kept = math.sqrt(max(0.0, 1 - step**2))
        draws = cls(neighborhoods(atoms, n_neighbors), kept, 0.0)
        parts = _parts(np.arange(len(atoms)), draws._rows(atoms.shape[1]))
        variances = np.concatenate([draws._variance(atoms, part) for part in parts])
        nothing = np.random.RandomState(0)  # codes without noise draw none
        moved = np.concatenate([draws._codes(atoms, part, nothing) for part in parts])
        component = _components(draws.neighbors)
        missing = _variance_within(atoms, weights, component)
        missing -= _variance_within(moved, weights, component)
        variance = float(weights @ variances)
        return draws._replace(noise=math.sqrt(max(0.0, missing / variance)) if variance else 0.0)

    def draw(
        self, transport: SemiDiscreteOT, points: Array, rng: np.random.RandomState
    ) -> tuple[Array, Array]:
        """Codes of all points."""
        parts = _parts(transport.predict(points), self._rows(points.shape[1]))
        codes = [self._codes(transport.atoms_, part, rng) for part in parts]
        return np.concatenate(codes), np.ones(len(points), dtype=bool)

    def _rows(self, d: int) -> int:
        """Atoms whose neighbourhoods are in memory at a time."""
        return max(1, CHUNK_ENTRIES // (self.neighbors.shape[1] * d))

    def _variance(self, atoms: Array, chosen: Array) -> Array:
        """Traces of the covariances (m,) of the neighbourhoods of atoms."""
        return np.asarray(atoms[self.neighbors[chosen]].var(1).sum(1))

    def _codes(self, atoms: Array, chosen: Array, rng: Any) -> Array:
        """Codes (m, d) of atoms."""
        near = atoms[self.neighbors[chosen]]
        mean = near.mean(1)
        codes = mean + self.kept * (atoms[chosen] - mean)
        if self.noise:
            noise = rng.standard_normal(near.shape[:2]) / math.sqrt(near.shape[1])
            codes += self.noise * np.einsum("mk,mkd->md", noise, near - mean[:, None])
        return np.asarray(codes)


@storable
class AngleDraws(NamedTuple):
    """Means of atoms whose facets form small angles, as in Algorithm 2 of An et al. (2020).

    Attributes
    ----------
    centers : array of shape (n, d)
        Mass centres of the cells.
    threshold : float
        Largest angle in radians.
    n_vertices : int
        Number of atoms next to a source point, of which those above the threshold are left out.
    by_centers : bool
        Whether these are the atoms of the nearest centres; otherwise the highest hyperplanes.
    """

    centers: Annotated[Array, Numbers("n", "d")]
    threshold: Positive
    n_vertices: int
    by_centers: bool

    def draw(
        self, transport: SemiDiscreteOT, points: Array, rng: np.random.RandomState
    ) -> tuple[Array, Array]:
        """Codes of the points with a facet below the threshold."""
        del rng
        k = min(self.n_vertices, len(self.centers))
        if k < 2:
            return transport.transport(points), np.ones(len(points), dtype=bool)
        if self.by_centers:
            search = NearestNeighbors(n_neighbors=k).fit(self.centers)
            near = search.kneighbors(points, return_distance=False)
        else:
            near = transport.leading_atoms(points, k)
        angles = facet_angles(facet_normals(transport.atoms_), near[:, 0], near[:, 1:])
        kept = angles <= self.threshold
        accepted = np.asarray(kept.any(1))
        near, kept, points = near[accepted], kept[accepted], points[accepted]
        distances = np.linalg.norm(points[:, None] - self.centers[near], axis=2)
        weights = 1 / np.maximum(distances, TINY)
        weights[:, 1:] *= kept
        weights /= weights.sum(1, keepdims=True)
        return np.einsum("mk,mkd->md", weights, transport.atoms_[near]), accepted


@storable
class PairDraws(NamedTuple):
    """Points between two atoms whose facets form a small angle, as the published program draws.

    Attributes
    ----------
    threshold : float
        Largest angle in radians.
    n_vertices : int
        Number of highest hyperplanes among which the second atom is drawn.
    weight : float or None
        Share of the second atom; None draws it uniformly.
    """

    threshold: Positive
    n_vertices: int
    weight: float | None

    def draw(
        self, transport: SemiDiscreteOT, points: Array, rng: np.random.RandomState
    ) -> tuple[Array, Array]:
        """Codes of the points with a facet below the threshold."""
        k = min(self.n_vertices, len(transport.atoms_))
        if k < 2:
            return transport.transport(points), np.ones(len(points), dtype=bool)
        near = transport.leading_atoms(points, k)
        angles = facet_angles(facet_normals(transport.atoms_), near[:, 0], near[:, 1:])
        kept = angles <= self.threshold
        accepted = np.asarray(kept.any(1))
        second = np.where(kept, rng.random_sample(kept.shape), -1.0).argmax(1)
        first, other = near[:, 0], np.take_along_axis(near[:, 1:], second[:, None], 1)[:, 0]
        share = (
            np.full(len(points), self.weight) if self.weight is not None else rng.rand(len(points))
        )
        one, two = transport.atoms_[first[accepted]], transport.atoms_[other[accepted]]
        return one + share[accepted, None] * (two - one), accepted


@storable
class FlowDraws(NamedTuple):
    """Source points that a velocity field moves to codes.

    Attributes
    ----------
    velocity : FittedNetwork
        Maps position and time (d + 1) to velocity (d).
    n_steps : int
        Number of midpoint steps.
    """

    velocity: Annotated[FittedNetwork[nn.Module], Shape(None, "d")]
    n_steps: int

    def draw(
        self, transport: SemiDiscreteOT, points: Array, rng: np.random.RandomState
    ) -> tuple[Array, Array]:
        """Codes of all points."""
        del rng
        start = torch.tensor(points, dtype=torch.float32)
        codes = integrate(self.velocity.build(), start, self.n_steps)
        return codes.double().numpy(), np.ones(len(points), dtype=bool)


def neighborhoods(atoms: Array, n_neighbors: int) -> Array:
    """Nearest atoms (n, k) of each atom, itself first.

    A neighbourhood ends where the next distance is more than three times the last one, from the
    fourth neighbour on: other modes begin there. Its atoms then fill the row repeatedly.
    """
    k = min(n_neighbors, len(atoms))
    distances, near = NearestNeighbors(n_neighbors=k).fit(atoms).kneighbors(atoms)
    gap = distances[:, 1:] > GAP_OF_MODES * distances[:, :-1]
    gap[:, : MIN_NEIGHBORS - 1] = False
    size = np.where(gap, np.arange(1, k), k).min(1, initial=k)
    return np.asarray(np.take_along_axis(near, np.arange(k) % size[:, None], axis=1))


def mass_centers(transport: SemiDiscreteOT, n_per_atom: int, rng: np.random.RandomState) -> Array:
    """Mass centres (n, d) of the cells, by source points; an empty cell has its atom.

    Parameters
    ----------
    transport : SemiDiscreteOT
        Its atoms have about the mean and the variance of the source.
    n_per_atom : int
        Number of source points per atom.
    rng : RandomState
    """
    n, d = transport.atoms_.shape
    sums, counts = np.zeros((n, d)), np.zeros(n)
    for _ in range(n_per_atom):
        points = transport.sample_source(n, random_state=rng)
        cells = transport.predict(points)
        np.add.at(sums, cells, points)
        counts += np.bincount(cells, minlength=n)
    return np.asarray(
        np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], transport.atoms_)
    )


def automatic_threshold(transport: SemiDiscreteOT, rng: np.random.RandomState) -> float:
    """Angle in radians that separates facets within modes from facets between modes.

    Angles are those between the two highest hyperplanes at source points. The threshold is the
    geometric middle of the largest ratio of successive angles above their median, if the ratio is
    at least 1.5; otherwise the 90 % quantile.
    """
    if len(transport.atoms_) < 2:
        return math.pi
    points = transport.sample_source(N_ANGLES, random_state=rng)
    near = transport.leading_atoms(points, 2)
    angles = facet_angles(facet_normals(transport.atoms_), near[:, 0], near[:, 1:])[:, 0]
    angles = np.sort(np.maximum(angles, TINY))
    low = int(LEAST_SHARE * len(angles))
    ratios = angles[low + 1 :] / angles[low:-1]
    gap = int(ratios.argmax())
    if ratios[gap] >= MIN_GAP:
        return float(np.sqrt(angles[low + gap] * angles[low + gap + 1]))
    return float(angles[int(FALLBACK_QUANTILE * len(angles))])


def _components(neighbors: Array) -> Array:
    """Numbers (n,) of the connected components of the graph of neighbours (n, k)."""
    n, k = neighbors.shape
    ones, ends = np.ones(n * k, dtype=np.int8), np.arange(0, n * k + 1, k)
    graph = sparse.csr_array((ones, neighbors.ravel(), ends), shape=(n, n))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1])


def _variance_within(points: Array, weights: Array, groups: Array) -> float:
    """Sum over the coordinates of the variance of weighted points (n, d) about means of groups."""
    sums = [np.bincount(groups, weights * x) for x in points.T]
    means = np.stack(sums, axis=1) / np.bincount(groups, weights)[:, None]
    return float((weights @ np.square(points - means[groups])).sum())


def _parts(values: Array, size: int) -> list[Array]:
    return np.split(values, range(size, len(values), size))
