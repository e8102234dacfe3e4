"""The coupling of the reference rows, from one of some of them."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.solvers import GromovResult, State, solve_gromov
from skgw.solvers.initializers import warm_start

Array = NDArray[Any]

TOLERANCE, MAX_ITER = 1e-4, 200
EPSILON_RANGE = (1e-4, 2e-2)
SHARE = 0.1  # of the misfit


class Known(NamedTuple):
    """A plan between some of the reference rows, to start from.

    Attributes
    ----------
    plan : array of shape (k, l)
    rows, columns : arrays of int of shapes (k,) and (l,)
        Where these are among the reference rows.
    """

    plan: Array
    rows: Array
    columns: Array


def choose_epsilon(misfit: float) -> float:
    """Temperature in proportion to what even the best plan leaves unexplained.

    Below that scale differences of the cost are noise of the data, and the plan should average
    over partners that differ by no more.
    """
    return float(np.clip(SHARE * misfit, *EPSILON_RANGE))


def couple(
    Dx: Array,
    Dy: Array,
    *,
    epsilon: float,
    known: Known,
    seed: int,
    M: Array | None = None,
    alpha: float | None = None,
    unbalanced: Any = None,
    mass: float | None = None,
    device: torch.device | str = "cpu",
) -> GromovResult:
    """Couple the reference rows: from what is known of some of them or annealed, as is better.

    Parameters
    ----------
    Dx, Dy : array of shapes (r, r) and (s, s)
        Distances over their root mean square.
    epsilon : float
    known : Known
    seed : int
    M, alpha, unbalanced, mass
        As for `solve_gromov`; with the last two, the better of
        starts from the balanced plan and from the solver's own pool.
    device : torch.device
    """
    A, B = (torch.from_numpy(np.asarray(D, dtype=np.float64)).to(device) for D in (Dx, Dy))
    solve = functools.partial(
        solve_gromov, A, B, None if M is None else torch.from_numpy(M).to(A),
        alpha=alpha, reg=epsilon, tol=TOLERANCE, max_iter=MAX_ITER,
    )  # fmt: skip
    result = solve(init=_carried(A, B, known), n_init=2, random_state=seed)
    if unbalanced is None and mass is None:
        return result
    relaxed = (solve(init=init, unbalanced=unbalanced, mass=mass) for init in (result.plan, "auto"))
    return min(relaxed, key=lambda outcome: float(outcome.value))


def _carried(A: torch.Tensor, B: torch.Tensor, known: Known) -> State:
    a, b = (A.new_full((1, len(D)), 1 / len(D)) for D in (A, B))
    plan = torch.from_numpy(known.plan).to(A)
    cost, potential = warm_start(
        A[None][:, :, known.rows], plan[None], B[None][:, :, known.columns], a, b
    )
    return State(cost[0], None if potential is None else potential[0])
