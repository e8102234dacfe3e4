"""Cells of semi-discrete transport: the atom of the largest energy at each source point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

MAX_TREE_DIM = 5  # dimensions in which a tree finds cells faster than all energies do
MIN_TREE_ATOMS = 1000


class CellLookup:
    """The cells of atoms with heights: a point x is in the cell of the largest ``<x, y> + h``.

    Energies are computed for a chunk of points at a time, so that memory grows with
    `chunk_entries` and with the number of atoms, not with their product with the number of points.
    For 1,000 atoms and more in up to five dimensions, `best` searches a tree: the largest energy
    belongs to the nearest atom, after one more coordinate is appended.

    Parameters
    ----------
    atoms : Tensor of shape (n, d)
    heights : Tensor of shape (n,)
    chunk_entries : int, default=2**22
        Energies that are computed at once; at least those of one point.

    Examples
    --------
    >>> import torch
    >>> atoms = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    >>> cells = CellLookup(atoms, torch.tensor([0.0, -1.0], dtype=torch.float64))
    >>> cells.best(torch.tensor([[0.4], [0.6]], dtype=torch.float64))[0]
    tensor([0, 1])
    """

    def __init__(self, atoms: Tensor, heights: Tensor, *, chunk_entries: int = 2**22) -> None:
        self.atoms, self.heights = atoms, heights
        self.chunk_size = max(1, chunk_entries // len(atoms))

    def best(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cells (m,) of points (m, d), and their energies (m,)."""
        n, d = self.atoms.shape
        if d <= MAX_TREE_DIM and n >= MIN_TREE_ATOMS and x.device.type == "cpu" and len(x) > 1:
            index = self._nearest(x)
            return index, (x * self.atoms[index]).sum(1) + self.heights[index]
        found = [energies.max(1) for energies in self._energies(x)]
        return torch.cat([f.indices for f in found]), torch.cat([f.values for f in found])

    def leading(self, x: Tensor, k: int) -> Tensor:
        """Atoms (m, k) of the k largest energies at points (m, d), the largest first."""
        return torch.cat([energies.topk(k, dim=1).indices for energies in self._energies(x)])

    def counts(self, x: Tensor) -> tuple[Tensor, float]:
        """Numbers of points (m, d) in the cells (n,), and the sum of the energies."""
        index, value = self.best(x)
        return torch.bincount(index, minlength=len(self.atoms)), float(value.sum())

    def _nearest(self, x: Tensor) -> Tensor:
        """Cells (m,) of points (m, d), by a tree.

        With ``g = h + |y|^2 / 2`` the energy is ``(|x|^2 - |x - y|^2) / 2 + g``, so that the cell
        is that of the nearest of the points (y, sqrt(2 max(g) - 2 g)). Points and atoms are
        centred, and atoms scaled to the points, which changes no cell and keeps the last coordinate
        small.
        """
        mean, centred = x.mean(0), self.atoms - self.atoms.mean(0)
        points = x - mean
        heights = self.heights + centred @ mean
        spread = centred.square().mean().sqrt()
        factor = points.square().mean().sqrt() / spread if float(spread) else spread
        if float(factor) == 0:
            factor = torch.ones_like(spread)
        scaled = factor * centred
        g = factor * heights + scaled.square().sum(1) / 2
        last = (2 * (g.max() - g)).clamp_min(0).sqrt()
        tree = cKDTree(np.column_stack([scaled.numpy(), last.numpy()]))
        _, index = tree.query(np.column_stack([points.numpy(), np.zeros(len(x))]))
        return torch.as_tensor(index)

    def _energies(self, x: Tensor) -> Iterator[Tensor]:
        for chunk in x.split(self.chunk_size):
            yield torch.addmm(self.heights, chunk, self.atoms.T)


def marginal_error(counts: Tensor, weights: Tensor) -> float:
    """Unbiased chi-square error of the masses of cells, from numbers of independent points.

    The estimate of ``sum((mass - weight) ** 2 / weight)``, the mean squared relative error of a
    mass, from pairs of different points in one cell. Its standard deviation for m points and n
    cells with the right masses is ``sqrt(2 n) / m``. It may be negative.

    Parameters
    ----------
    counts : Tensor of shape (n,)
        Numbers of points in the cells.
    weights : Tensor of shape (n,)
        Positive, with the sum 1.

    Examples
    --------
    >>> import torch
    >>> marginal_error(torch.tensor([500, 500]), torch.tensor([0.5, 0.5], dtype=torch.float64))
    -0.001001...
    """
    m, pairs = int(counts.sum()), counts.double()
    pairs = pairs * (pairs - 1)
    return float((pairs / weights).sum()) / (m * (m - 1)) - 1
