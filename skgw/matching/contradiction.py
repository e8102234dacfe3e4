"""Whether anchor pairs contradict the distances inside the domains.

Right pairs select among matchings that preserve distances about equally well, or correct a matching
a little. Wrong pairs force a matching whose distances differ much more than those of the best
matching without the pairs, which gives the rows of the pairs to other rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skgw.exceptions import warn_user
from skgw.matching.plan_pool import PlanPool, solve_distances
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import DomainPair, reference_domains
from skgw.solvers.problems import plan_cost

N_STARTS = 4  # of the matching without the pairs
RESOLUTION = 2e-3  # discrepancy, relative to the mean squared distance, that is left by epsilon


class PairCosts(NamedTuple):
    """Discrepancy of the distances with and without anchor pairs.

    Attributes
    ----------
    with_pairs, without_pairs : float
        Of the best matching of the rows of a subsample, relative to the mean squared distance.
    kept : float
        Share of the mass of the pairs' rows that the matching without the pairs gives to the pairs.
    """

    with_pairs: float
    without_pairs: float
    kept: float

    def contradict(self) -> bool:
        """Whether the pairs double the discrepancy, and lose most of their mass without a term."""
        doubled = self.with_pairs + RESOLUTION > 2 * (self.without_pairs + RESOLUTION)
        return doubled and self.kept < 0.5


def pair_costs(
    pair: DomainPair, side_information: SideInformation, pool: PlanPool, seed: int
) -> PairCosts | None:
    """Costs of a plan with pairs, and of a plan of the same rows without; None without pairs."""
    if side_information.weight is None or not len(side_information.pairs[0]):
        return None
    domains = reference_domains(pair, (pair[0].metric, pair[1].metric), pool.rows)
    Dx, Dy = (domain.between() for domain in domains)
    free = solve_distances(Dx, Dy, n_init=N_STARTS, seed=seed)
    i, j = (
        np.searchsorted(rows, index)
        for rows, index in zip(pool.rows, side_information.pairs, strict=True)
    )
    with_pairs, without_pairs = (
        float(plan_cost(Dx, Dy, plan) / plan.sum() ** 2) for plan in (pool.plan, free)
    )
    kept = float(free[i, j].sum() / free[i].sum())
    return PairCosts(with_pairs, without_pairs, kept)


def warn_of_contradiction(costs: PairCosts | None) -> None:
    """Warn if anchor pairs contradict the distances."""
    if costs is None or not costs.contradict():
        return
    warn_user(
        "The anchor pairs contradict the distances: with `pairs`, matched rows differ in their "
        f"distances by {costs.with_pairs:.2g} of the mean squared distance, and without `pairs` by "
        f"{costs.without_pairs:.2g}, where the rows of the pairs match other rows. Are the pairs "
        "(rows of X, rows of y)? `alpha` nearer to 1 gives the distances more weight.",
        UserWarning,
    )
