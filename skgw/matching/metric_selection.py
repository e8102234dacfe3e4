"""Which of several distances to see two domains under, judged without any truth.

The value of the best plan alone misleads: distances that tell little apart, such as those of a
ring, are matched well in many ways. A good pair of spaces has one matching that is much better
than any other one, and a right matching keeps distances of every kind, also those under which it
was not found. So each candidate is judged by

    margin = (F of the best plan that is *another* matching - F of the best plan) / E of it,

F being the objective and E its part without the entropy, and by

    agreement = mean over all candidates of 1 - E / E_product of this plan under their distances,

the share of the discrepancy that the matching explains at all. The product coupling, which matches
everything with everything, always counts as another one. The score is (1 + margin) agreement^2:
a clear margin decides, and without one what most distances agree on. All are taken from a pool of
starts on subsamples.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.exceptions import GWConvergenceWarning
from skgw.matching.training_domain import root_mean_square
from skgw.solvers import GromovResult, solve_gromov
from skgw.solvers.problems import plan_cost

Array = NDArray[Any]

SAME_MATCHING = 0.5, 0.25  # total variation up to which plans count as the same matching; the
# second where there are no others by the first
ELSEWHERE = (0.75,)  # from which on they differ as a whole; of noisy rows half of the mass may find
# other neighbours in a matching that is the same
TEMPERATURE, COLDEST = 0.015, 3e-4  # the entropy's strength, relative to E_product; and its least
TOLERANCE, MAX_ITER = 1e-3, 100
CLEAR = 0.2  # margin below which a matching is ambiguous: samples of rings, squares and normal
# distributions have .00 to .17, those of most shapes without symmetry .2 and more
SMALL = 1e-3  # misfits below are as good as none


class Trial(NamedTuple):
    """What a pool of starts tells about one pair of spaces.

    Attributes
    ----------
    margin, explained, misfit : float
        As above; `explained` is 1 - E / E_product, and the misfit E.
    plan : array of shape (n, m)
        The best one.
    rival : float
        The margin to matchings that differ as a whole, as those of a symmetric domain do.
    """

    margin: float
    explained: float
    misfit: float
    plan: Array
    rival: float = np.inf


def score(trial: Trial, spaces: Iterable[tuple[Array, Array]]) -> float:
    """What candidates are compared by, `spaces` being the distances of all of them."""
    agreement = float(np.mean([explained(Dx, Dy, trial.plan) for Dx, Dy in spaces]))
    return (1 + trial.margin) * max(agreement, 0) ** 2


def explained(Dx: Array, Dy: Array, plan: Array) -> float:
    """Share of the product coupling's discrepancy that a plan does without."""
    p, q = plan.sum(1), plan.sum(0)
    of_product = p @ (Dx * Dx) @ p + q @ (Dy * Dy) @ q - 2 * (p @ Dx @ p) * (q @ Dy @ q)
    return float(1 - plan_cost(Dx, Dy, plan) / of_product) if of_product > 0 else 1.0


def attempt(
    Dx: Array,
    Dy: Array,
    n_init: int,
    seed: int,
    *,
    M: Array | None = None,
    alpha: float | None = None,
) -> Trial:
    """Judge one pair of matrices of distances, (n, n) and (m, m), in float32 and roughly.

    Parameters
    ----------
    Dx, Dy : array of shapes (n, n) and (m, m)
    n_init : int
        Size of the pool of starts.
    seed : int
    M, alpha : array of shape (n, m) and float, optional
        Cost across the domains, as for `solve_gromov`.
    """
    A, B = (torch.from_numpy((D / root_mean_square(D)).astype(np.float32)) for D in (Dx, Dy))
    product = float((A * A).mean() + (B * B).mean() - 2 * A.mean() * B.mean())
    cost = None if M is None else torch.from_numpy(M.astype(np.float32))
    reg = max(TEMPERATURE * product, COLDEST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GWConvergenceWarning)  # it need not
        result = solve_gromov(
            A, B, cost, alpha=alpha, reg=reg, n_init=n_init, tol=TOLERANCE, max_iter=MAX_ITER,
            random_state=seed,
        )  # fmt: skip
    misfit, value = float(result.value_quad), float(result.value)
    of_product = product - float(result.reg) * np.log(len(A) * len(B))
    margin, rival = (
        max(min(_gap(result, levels), of_product - value), 0.0) / (misfit + SMALL)
        for levels in (SAME_MATCHING, ELSEWHERE)
    )
    share = 1 - misfit / product if product > 0 else 1.0
    return Trial(margin, share, misfit, result.plan.double().numpy(), rival)


def _gap(result: GromovResult, levels: tuple[float, ...]) -> float:
    """How much worse the best other matching is, as far as the starts know any."""
    starts = result.starts
    if starts is None:
        return np.inf
    for same in levels:
        others = starts.values[starts.distances > same]
        if len(others):
            return float(others.min() - starts.values.min())
    return np.inf
