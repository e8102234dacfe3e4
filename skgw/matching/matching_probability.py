"""The probability that a matching is right, from figures that need no ground truth.

Right matchings explain most of the discrepancy under distances of several kinds, and they preserve
nearest neighbours, which no plan is asked to do. Between few rows wrong matchings do so, too: some
rotation always fits. And where a matching is right, no other matching explains nearly as much. So
the probability is a logistic model of the two shares, of the number of rows, and of the weight of
the best other matching. In a symmetric space another matching explains as much, and one of the two
is wrong: the probability of the model is multiplied by one minus the weight of the other.

The model was fitted to problems with known pairs, for a fixed ratio of the two coefficients that
rank rotations; `benchmarks/matching/calibration.py` fits the other numbers. Right means that less
than .15 of all rows are nearer to a translated row than its true match, in the mean over the rows,
and wrong means more than .3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

# In logarithms of odds.
INTERCEPT, OF_EXPLAINED, OF_PRESERVED, OF_ROWS, OF_OTHER = -7.0, 10.0, 16.0, 3.4, -5.2
MAX_ROWS = 1000  # of the problems that the model was fitted to; more rows count as so many
WARNING_PROBABILITY = 0.35  # below it a matching counts as ambiguous


class Judgement(NamedTuple):
    """What speaks for a matching, without ground truth.

    Attributes
    ----------
    explained : float
        Share of the discrepancy of the product coupling that the plan removes.
    preserved_neighbors : float
        Share of nearest neighbours that the plan preserves.
    other_weight : float
        Weight of the best other matching, relative to the best plan; 0 if no start ends at another
        matching.
    n_rows : int
        Rows of the smaller domain, between which the plan was judged.
    """

    explained: float
    preserved_neighbors: float
    other_weight: float
    n_rows: int = MAX_ROWS

    @property
    def log_odds(self) -> float:
        """Logarithm of the odds that the matching is right, if no other matching has any weight."""
        shares = OF_EXPLAINED * self.explained + OF_PRESERVED * self.preserved_neighbors
        return INTERCEPT + shares + OF_ROWS * math.log(min(self.n_rows / MAX_ROWS, 1))

    @property
    def is_sure(self) -> bool:
        """Whether the logistic model favours the matching, whatever weight another one may have."""
        return self.log_odds + OF_OTHER >= 0

    @property
    def probability(self) -> float:
        """Probability that the matching is right."""
        log_odds = self.log_odds + OF_OTHER * self.other_weight
        return (1 - self.other_weight) / (1 + math.exp(-log_odds))
