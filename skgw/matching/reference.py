"""Couple the reference rows, starting from a plan between a subset of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from skgw.solvers import GromovResult, State, solve_gromov
from skgw.solvers.initializers import warm_start
from skgw.spaces.finite import Array


@dataclass(frozen=True)
class CouplingSettings:
    """Settings of the coupling of reference rows.

    Attributes
    ----------
    tol : float
        L1 error of the marginals, and change of the plan.
    max_iter : int
        Outer steps.
    epsilon_per_misfit : float
        Entropic regularisation that `choose_epsilon` gives for a misfit of 1.
    epsilon_range : tuple of float
        Bounds of the regularisation that `choose_epsilon` gives.
    """

    tol: float = 1e-4
    max_iter: int = 200
    epsilon_per_misfit: float = 0.1
    epsilon_range: tuple[float, float] = (1e-4, 2e-2)


class PartialPlan(NamedTuple):
    """A plan between some of the reference rows.

    Attributes
    ----------
    plan : array of shape (k, l)
    rows, columns : arrays of int of shapes (k,) and (l,)
        Positions of these rows among the reference rows.
    """

    plan: Array
    rows: Array
    columns: Array


def choose_epsilon(misfit: float, settings: CouplingSettings = CouplingSettings()) -> float:
    """Entropic regularisation in proportion to the misfit of the best plan.

    Below this scale, differences of the cost are noise of the data: the plan should average over
    rows that differ by no more.
    """
    return float(np.clip(settings.epsilon_per_misfit * misfit, *settings.epsilon_range))


def couple(
    Dx: Array,
    Dy: Array,
    *,
    epsilon: float,
    start: PartialPlan,
    seed: int,
    M: Array | None = None,
    alpha: float | None = None,
    unbalanced: Any = None,
    mass: float | None = None,
    device: torch.device | str = "cpu",
    settings: CouplingSettings = CouplingSettings(),
) -> GromovResult:
    """Couple the reference rows: the better of an extended partial plan and an annealed plan.

    Parameters
    ----------
    Dx, Dy : array of shapes (r, r) and (s, s)
        Distances, divided by their root mean square.
    epsilon : float
    start : PartialPlan
    seed : int
    M, alpha, unbalanced, mass
        As for `solve_gromov`. With `unbalanced` or `mass`, the better of two solves: from the
        balanced plan, and from the solver's own starts.
    device : torch.device
    settings : CouplingSettings
    """
    A, B = (torch.from_numpy(np.asarray(D, dtype=np.float64)).to(device) for D in (Dx, Dy))
    solve = functools.partial(
        solve_gromov, A, B, None if M is None else torch.from_numpy(M).to(A),
        alpha=alpha, reg=epsilon, tol=settings.tol, max_iter=settings.max_iter,
    )  # fmt: skip
    result = solve(init=_warm_start(A, B, start), n_init=2, random_state=seed)
    if unbalanced is None and mass is None:
        return result
    solves = (solve(init=init, unbalanced=unbalanced, mass=mass) for init in (result.plan, "auto"))
    return min(solves, key=lambda outcome: float(outcome.value))


def _warm_start(A: torch.Tensor, B: torch.Tensor, start: PartialPlan) -> State:
    """The state of a solve between all reference rows that the partial plan leads to."""
    a, b = (A.new_full((1, len(D)), 1 / len(D)) for D in (A, B))
    plan = torch.from_numpy(start.plan).to(A)
    cost, potential = warm_start(
        A[None][:, :, start.rows], plan[None], B[None][:, :, start.columns], a, b
    )
    return State(cost[0], None if potential is None else potential[0])
