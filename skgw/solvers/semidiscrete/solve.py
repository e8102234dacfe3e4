"""solve_semidiscrete: heights whose cells have given masses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from skgw.solvers.semidiscrete.ascent import adam_ascent, averaged_ascent
from skgw.solvers.semidiscrete.cells import CellLookup, marginal_error
from skgw.solvers.semidiscrete.multiscale import multiscale_start
from skgw.solvers.semidiscrete.newton import heights_on_a_line, newton_ascent
from skgw.solvers.semidiscrete.plane import has_planar_cells, planar_newton
from skgw.solvers.semidiscrete.settings import SemiDiscreteOptions
from skgw.solvers.semidiscrete.sources import Source

ASCENTS = {"asgd": averaged_ascent, "adam": adam_ascent, "newton": newton_ascent}
POINTS_PER_CHECK = 2  # source points of the iterations between checks, per point of a check


@dataclass(frozen=True)
class SemiDiscreteResult:
    """Solution of a semi-discrete transport problem.

    Attributes
    ----------
    heights : Tensor of shape (n,)
        Heights h in float64: source point x goes to the atom y of the largest ``<x, y> + h``. Their
        weighted mean is zero.
    masses : Tensor of shape (n,)
        Masses of the cells, estimated from new source points.
    marginal_error : float
        Unbiased estimate from the same points, see `skgw.solvers.semidiscrete.marginal_error`.
    cost : float
        Value of the dual at the heights, estimated from the same points: at most the squared
        2-Wasserstein distance, which it equals for cells with the right masses.
    n_iter : int
        Number of iterations; 0 for an exact solution.
    converged : bool
        Whether the marginal error is at most `tol`.
    errors : list of float
        Marginal error at each check, from other points each time.
    """

    heights: Tensor
    masses: Tensor
    marginal_error: float
    cost: float
    n_iter: int
    converged: bool
    errors: list[float]


class _Problem:
    """A problem in centred coordinates, in which energies have the unit 1."""

    def __init__(self, atoms: Tensor, weights: Tensor, source: Source) -> None:
        self.weights, self.source, d = weights, source, atoms.shape[1]
        self.mean = source.mean.to(atoms)
        self.centre = weights @ atoms
        centred = atoms - self.centre
        scale = float((weights @ centred.square()).mean().sqrt()) or 1.0
        self.centred, self.root = centred, math.sqrt(d)
        self.atoms = centred / (scale * self.root)
        self.unit = source.scale * scale * self.root

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Source points (n, d), centred and scaled."""
        x = self.source.draw(n, generator).to(self.atoms.device)
        return (x - self.mean) / self.source.scale

    def start(self, options: SemiDiscreteOptions, generator: torch.Generator) -> Tensor:
        """First heights (n,), in the unit of energies."""
        if options.start == "zero":
            return self.atoms @ (self.mean / self.source.scale)
        if is_clustered(options, len(self.atoms)):
            return multiscale_start(
                lambda m: self.draw(m, generator),
                self.atoms, self.weights, self.root, options, generator,
            )  # fmt: skip
        return -0.5 * self.root * self.atoms.square().sum(1)

    def outer(self, heights: Tensor) -> Tensor:
        """Heights (n,) of the atoms that were given, with weighted mean zero."""
        h = self.unit * heights - self.centred @ self.mean
        return h - self.weights @ h

    def dual_value(self, x: Tensor, energy: float, heights: Tensor) -> float:
        """Dual value of the squared distance, from points (m, d) and their mean energy."""
        points = self.mean + self.source.scale * x - self.centre
        potential = self.weights @ self.centred.square().sum(1)
        offset = 2 * self.unit * (self.weights @ heights - energy)
        return float(points.square().sum(1).mean() + potential + offset)

    def inner(self, heights: Tensor) -> Tensor:
        """Heights (n,) in the unit of energies, from heights of centred atoms."""
        return (heights + self.centred @ self.mean) / self.unit


def solve_semidiscrete(
    atoms: Tensor,
    weights: Tensor,
    source: Source,
    options: SemiDiscreteOptions,
    generator: torch.Generator,
) -> SemiDiscreteResult:
    """Transport a continuous source to weighted atoms at the least mean squared distance.

    The dual problem maximises ``<h, weights> - E max_i(<x, y_i> + h_i)``, a concave function whose
    gradient is the weights minus the masses of the cells.

    Parameters
    ----------
    atoms : Tensor of shape (n, d)
        Distinct atoms in float64. The computations take place on their device.
    weights : Tensor of shape (n,)
        Positive, with the sum 1, in float64.
    source : Source
        Distribution on R^d.
    options : SemiDiscreteOptions
    generator : torch.Generator
        CPU generator, the only source of randomness.

    Returns
    -------
    SemiDiscreteResult

    Raises
    ------
    ValueError
        If "newton" gets too many atoms.

    Notes
    -----
    The iterations stop when the marginal error of new source points is at most `tol`. An in-sample
    error would fall with the number of iterations, whatever the number of points. Memory grows with
    ``n * d``, and for "newton" with the square of n.

    References
    ----------
    :cite:t:`gu2016`, the concave function.

    Examples
    --------
    >>> import torch
    >>> from skgw.solvers.semidiscrete import NormalSource
    >>> atoms = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    >>> weights = torch.full((2,), 0.5, dtype=torch.float64)
    >>> options = SemiDiscreteOptions("newton")
    >>> generator = torch.Generator().manual_seed(0)
    >>> result = solve_semidiscrete(atoms, weights, NormalSource(1), options, generator)
    >>> result.heights.abs().max().item(), round(result.cost, 1)  # 2 - 2 sqrt(2 / pi)
    (0.0, 0.4)
    """
    problem = _Problem(atoms, weights, source)
    n_points = options.n_validation(len(atoms))
    errors: list[float] = []

    def check(heights: Tensor) -> tuple[Tensor, float, float]:
        """Counts, marginal error and dual value of the same new points."""
        cells = CellLookup(problem.atoms, heights, chunk_entries=options.chunk_entries)
        x = problem.draw(n_points, generator)
        counts, energy = cells.counts(x)
        errors.append(marginal_error(counts, weights))
        return counts, errors[-1], problem.dual_value(x, energy / n_points, heights)

    n_iter, last, found = 0, 0, None
    if options.method == "newton" and atoms.shape[1] == 1:
        heights = problem.inner(heights_on_a_line(source, problem.centred, weights, generator))
    elif len(atoms) == 1:
        heights = torch.zeros_like(weights)
    elif options.method == "newton" and has_planar_cells(source):
        heights = problem.start(options, generator)
        iterates = [
            heights, *planar_newton(problem.atoms, weights, heights, source, options.max_iter)
        ]  # fmt: skip
        heights, n_iter = iterates[-1], len(iterates) - 1
    else:
        heights = problem.start(options, generator)
        if is_clustered(options, len(atoms)):
            options = replace(options, first_step=late_step(atoms.shape[1]))
        steps = ASCENTS[options.method](
            lambda m: problem.draw(m, generator), problem.atoms, weights, heights, options
        )
        for iterate, n_drawn in steps:
            heights, n_iter = iterate, n_iter + 1
            if n_drawn - last >= POINTS_PER_CHECK * n_points:
                last = n_drawn
                # The points that confirm the error are not those that ended the iterations.
                if check(heights)[1] <= options.tol and (found := check(heights))[1] <= options.tol:
                    break
            found = None
    counts, error, cost = found or check(heights)
    return SemiDiscreteResult(
        heights=problem.outer(heights),
        masses=counts.double() / n_points,
        marginal_error=error,
        cost=cost,
        n_iter=n_iter,
        converged=error <= options.tol,
        errors=errors,
    )


def is_clustered(options: SemiDiscreteOptions, n_atoms: int) -> bool:
    """Whether the start is computed from clusters of atoms."""
    return options.start == "multiscale" and n_atoms > options.min_clustered


def late_step(dim: int) -> int:
    """Iteration of which "asgd" has the step after a start from clusters.

    In few dimensions the cells within a cluster are narrow, and large steps move them for long.
    """
    return int(np.clip(10.0 ** (7 - dim), 100, 100_000))
