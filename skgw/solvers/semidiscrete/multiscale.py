"""First heights of semi-discrete transport from a few clusters of atoms."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import torch
from torch import Tensor

from skgw.solvers.semidiscrete.ascent import Draw, averaged_ascent
from skgw.solvers.semidiscrete.cells import CellLookup
from skgw.solvers.semidiscrete.newton import newton_ascent
from skgw.solvers.semidiscrete.settings import SemiDiscreteOptions

LLOYD_STEPS = 8  # of k-means


def multiscale_start(
    draw: Draw,
    atoms: Tensor,
    weights: Tensor,
    voronoi: float,
    options: SemiDiscreteOptions,
    generator: torch.Generator,
) -> Tensor:
    """Heights whose cells have the right masses in sums over clusters of atoms.

    The atoms are clustered, and the transport to the means of the clusters is computed. Within the
    cell of a cluster, the cells are those of the nearest atom, after the atoms of the cluster are
    moved and scaled to the mean and the mean variance of the source within the cell.

    Parameters
    ----------
    draw : callable
        Returns m independent source points (m, d).
    atoms : Tensor of shape (n, d)
        Centred, in the unit of energies.
    weights : Tensor of shape (n,)
        In float64.
    voronoi : float
        Factor of minus half the squared norms of atoms, the heights of the nearest atoms.
    options : SemiDiscreteOptions
    generator : torch.Generator
        CPU generator of the starts of the clusters.

    Returns
    -------
    Tensor of shape (n,)
    """
    means, label, mass = clusters(atoms, weights, options.n_clusters, generator)
    heights = -0.5 * voronoi * means.square().sum(1)
    if len(means) > 1:  # Newton's method gives mass to clusters far from the source
        newton = replace(options, max_iter=options.cluster_newton_iter, batch_size=1000)
        heights = deque(newton_ascent(draw, means, mass, heights, newton), maxlen=1).pop()[0]
        ascent = replace(
            options, max_iter=options.cluster_iter, batch_size=32, learning_rate=1.0,
            first_step=options.cluster_first_step,
        )  # fmt: skip
        heights = deque(averaged_ascent(draw, means, mass, heights, ascent), maxlen=1).pop()[0]
    x = draw(options.min_validation)
    cell, _ = CellLookup(means, heights, chunk_entries=options.chunk_entries).best(x)
    k = len(means)
    counts = torch.bincount(cell, minlength=k).clamp_min(1).to(x)
    centre = _sums(x, cell, k) / counts[:, None]
    of_source = _sums((x - centre[cell]).square().sum(1), cell, k) / counts
    offset = atoms - means[label]
    squares = offset.square().sum(1)
    of_atoms = _sums(weights * squares, label, k) / mass
    tiny = torch.finfo(atoms.dtype).tiny
    ratio = torch.where(of_atoms > tiny, of_source / of_atoms.clamp_min(tiny), 0.0).sqrt()
    inner = -(centre[label] * offset).sum(1) - 0.5 * ratio[label] * squares
    # The atoms of a cluster are together as high as its mean was.
    excess = torch.zeros_like(heights)
    for j in range(k):
        own, points = label == j, x[cell == j][: options.cluster_points]
        if len(points):
            energies = torch.addmm(inner[own], points, offset[own].T)
            excess[j] = energies.max(1).values.mean()
    return (heights - excess)[label] + inner


def clusters(
    atoms: Tensor, weights: Tensor, n_clusters: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Clusters of weighted atoms (n, d) by k-means.

    Parameters
    ----------
    atoms : Tensor of shape (n, d)
    weights : Tensor of shape (n,)
    n_clusters : int
        Largest number of clusters.
    generator : torch.Generator
        CPU generator.

    Returns
    -------
    means : Tensor of shape (k, d)
    label : Tensor of int of shape (n,)
    mass : Tensor of shape (k,)
        Weights of the clusters, all positive.
    """
    first = torch.multinomial(weights.cpu(), 1, generator=generator).to(atoms.device)
    means = atoms[first]
    distances = (atoms - means).square().sum(1)
    for _ in range(n_clusters - 1):
        chances = weights * distances
        if not float(chances.sum()) > 0:
            break
        new = atoms[torch.multinomial(chances.cpu(), 1, generator=generator).to(atoms.device)]
        means = torch.cat([means, new])
        distances = torch.minimum(distances, (atoms - new).square().sum(1))
    for _ in range(LLOYD_STEPS):
        means, label, mass = _means(atoms, weights, torch.cdist(atoms, means).argmin(1))
    return means, label, mass


def _means(atoms: Tensor, weights: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means of the clusters that have atoms, their numbers, and their weights."""
    found, label = label.unique(return_inverse=True)
    mass = _sums(weights, label, len(found))
    return _sums(weights[:, None] * atoms, label, len(found)) / mass[:, None], label, mass


def _sums(values: Tensor, label: Tensor, k: int) -> Tensor:
    """Sums (k, ...) of values (n, ...) with a label."""
    return values.new_zeros((k, *values.shape[1:])).index_add_(0, label, values)
