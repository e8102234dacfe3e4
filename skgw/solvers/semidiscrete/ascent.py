"""Stochastic ascent of the dual of semi-discrete transport.

The functions yield heights after each iteration, with the number of source points so far. They know
nothing of when to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from skgw.solvers.semidiscrete.cells import CellLookup
from skgw.solvers.semidiscrete.settings import SemiDiscreteOptions

Draw = Callable[[int], Tensor]  # of source points (m, d), on the device of the atoms
EPSILON = 1e-8  # of Adam


def averaged_ascent(
    draw: Draw, atoms: Tensor, weights: Tensor, start: Tensor, options: SemiDiscreteOptions
) -> Iterator[tuple[Tensor, int]]:
    """Stochastic ascent of the regularised dual with decreasing regularisation, averaged.

    Parameters
    ----------
    draw : callable
        Returns m independent source points (m, d).
    atoms : Tensor of shape (n, d)
        Centred, in the unit of energies.
    weights, start : Tensor of shape (n,)
        Weights and first heights, in float64.
    options : SemiDiscreteOptions

    Yields
    ------
    heights : Tensor of shape (n,)
        Weighted average of the iterates so far.
    n_points : int
        Number of source points so far.

    References
    ----------
    :cite:t:`genans2025`.
    """
    heights, average, total, n_points = start.clone(), start.clone(), 0.0, 0
    # Float32 halves the time; the regularisation is far above its resolution.
    transposed = atoms.T.float().contiguous()
    rate = options.learning_rate * math.sqrt(len(atoms) * options.batch_size)
    chunk_size = max(1, options.chunk_entries // len(atoms))
    for step in range(1, options.max_iter + 1):
        t = options.first_step + step
        reg = options.reg / t**options.reg_decay
        scaled, masses = (heights / reg).float(), torch.zeros_like(heights)
        for x in draw(options.batch_size).split(chunk_size):
            energies = torch.addmm(scaled, x.float(), transposed, alpha=1 / reg)
            masses += energies.softmax(1).sum(0)
        heights = heights + rate / t ** (2 / 3) * (weights - masses / options.batch_size)
        weight = math.log(step + 1) ** options.averaging
        total += weight
        average = average + weight / total * (heights - average)
        n_points += options.batch_size
        yield average, n_points


def adam_ascent(
    draw: Draw, atoms: Tensor, weights: Tensor, start: Tensor, options: SemiDiscreteOptions
) -> Iterator[tuple[Tensor, int]]:
    """Adam on the mass error of hard cells; the batch is doubled when the energy stagnates.

    Arguments and results are those of `averaged_ascent`, without an average.

    References
    ----------
    :cite:t:`an2020`, Algorithm 1.
    """
    heights, n_points, m = start.clone(), 0, options.batch_size
    mean, square = torch.zeros_like(start), torch.zeros_like(start)
    (beta1, beta2), best, n_since = options.betas, math.inf, 0
    limit = options.max_batch * len(atoms) / options.tol
    for t in range(1, options.max_iter + 1):
        cells = CellLookup(atoms, heights, chunk_entries=options.chunk_entries)
        counts, total = cells.counts(draw(m))
        gradient = counts / m - weights  # of minus the dual, which Adam descends
        gradient = gradient - gradient.mean()
        energy = total / m - float(heights @ weights)
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient.square()
        step = (mean / (1 - beta1**t)) / ((square / (1 - beta2**t)).sqrt() + EPSILON)
        heights = heights - options.learning_rate * step
        n_points += m
        n_since = 0 if energy < best else n_since + 1
        best = min(best, energy)
        if n_since >= options.patience and 2 * m <= limit:
            m, best, n_since = 2 * m, math.inf, 0
        yield heights, n_points
