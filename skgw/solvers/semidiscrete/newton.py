"""Newton's method for semi-discrete transport, and the exact solution in one dimension."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from skgw.solvers.semidiscrete.ascent import Draw
from skgw.solvers.semidiscrete.settings import SemiDiscreteOptions
from skgw.solvers.semidiscrete.sources import Source

DAMPING = 1e-3  # added to the diagonal of the Hessian, relative to its mean
MIN_DAMPING = 1e-9  # in units of the Hessian
MIN_REG = 10.0  # least regularisation times source points: fewer would see no border of cells
MIN_STEP = 1e-3  # share of a Newton step that the line search tries last
DECREASE = 1e-4  # of the line search, relative to the linear prediction


def heights_on_a_line(
    source: Source, atoms: Tensor, weights: Tensor, generator: torch.Generator
) -> Tensor:
    """Heights (n,) of atoms (n, 1) whose cells have exactly the masses `weights` (n,).

    Between neighbours, the border of two cells is a quantile of the source. For a sampled source
    the quantiles are those of a large sample.
    """
    y, order = atoms[:, 0].sort()
    levels = weights[order].cumsum(0)[:-1].clamp(1e-300, 1 - 1e-16)
    borders = source.quantile(levels.cpu(), generator).to(y)
    steps = -borders * y.diff()
    heights = torch.empty_like(y)
    heights[order] = torch.cat([torch.zeros_like(y[:1]), steps.cumsum(0)])
    return heights


class _Dual(NamedTuple):
    """Value, gradient (n,) and, if asked for, Hessian (n, n) of minus the regularised dual."""

    value: float
    gradient: Tensor
    hessian: Tensor | None


def newton_ascent(
    draw: Draw, atoms: Tensor, weights: Tensor, start: Tensor, options: SemiDiscreteOptions
) -> Iterator[tuple[Tensor, int]]:
    """Damped Newton steps on samples; each stage has less regularisation and more samples.

    Arguments and results are those of `averaged_ascent`, without an average.

    Raises
    ------
    ValueError
        If there are more atoms than the dense Hessian allows.
    """
    n = len(atoms)
    if n > options.max_newton_atoms:
        raise ValueError(
            f"The Hessian of {n} atoms is too large: method='newton' takes up to "
            f"{options.max_newton_atoms} atoms in more than one dimension."
        )
    heights, reg, n_points = start.clone(), options.reg, 0
    m, limit = max(options.batch_size, options.samples_per_atom * n), math.ceil(2 * n / options.tol)
    n_stages, rest = divmod(options.max_iter, options.steps_per_stage)
    for _ in range(n_stages + (rest > 0)):
        x, reg = draw(m), max(reg, MIN_REG / m)
        n_points += m
        for _ in range(options.steps_per_stage):
            heights = _newton_step(x, atoms, weights, heights, reg, options)
            yield heights, n_points
        reg, m = reg * options.reg_factor, min(2 * m, max(m, limit))


def _newton_step(
    x: Tensor,
    atoms: Tensor,
    weights: Tensor,
    heights: Tensor,
    reg: float,
    options: SemiDiscreteOptions,
) -> Tensor:
    """Heights after one step with a backtracking line search."""
    dual = _evaluate(x, atoms, weights, heights, reg, options, with_hessian=True)
    assert dual.hessian is not None
    damping = max(DAMPING * float(dual.hessian.diagonal().mean()), MIN_DAMPING)
    dual.hessian.diagonal().add_(damping)
    step = -torch.linalg.solve(dual.hessian, dual.gradient)
    slope, share = float(dual.gradient @ step), 1.0
    while share >= MIN_STEP:
        trial = heights + share * step
        value = _evaluate(x, atoms, weights, trial, reg, options, with_hessian=False).value
        if value <= dual.value + DECREASE * share * slope:
            return trial
        share /= 2
    return heights


def _evaluate(
    x: Tensor,
    atoms: Tensor,
    weights: Tensor,
    heights: Tensor,
    reg: float,
    options: SemiDiscreteOptions,
    *,
    with_hessian: bool,
) -> _Dual:
    """Minus the regularised dual of the points x (m, d)."""
    masses, total = torch.zeros_like(heights), 0.0
    hessian = torch.zeros(len(atoms), len(atoms), dtype=x.dtype, device=x.device)
    for chunk in x.split(max(1, options.chunk_entries // len(atoms))):
        energies = torch.addmm(heights, chunk, atoms.T) / reg
        soft = energies.logsumexp(1)
        total += reg * float(soft.sum())
        shares = (energies - soft[:, None]).exp()
        masses += shares.sum(0)
        if with_hessian:
            hessian.addmm_(shares.T, shares, alpha=-1)
    masses /= len(x)
    value = total / len(x) - float(heights @ weights)
    if not with_hessian:
        return _Dual(value, masses - weights, None)
    return _Dual(value, masses - weights, (hessian / len(x) + masses.diag()) / reg)
