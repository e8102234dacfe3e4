"""The probability that a matching is right, from figures that need no ground truth.

A logistic model of two figures of a `PlanPool`: the share of nearest neighbours that the average
plan preserves, and the margin to other matchings. Right matchings preserve neighbours, which no
plan is asked to do, and no other matching explains the distances as well; the plans of a symmetric
space have no margin. The model was fitted to problems with known pairs
(`benchmarks/matching/calibration.py`): right means that less than .15 of all rows are nearer to a
translated row than its true match, in the mean over the rows, and wrong more than .3.
"""

from __future__ import annotations

import math

INTERCEPT, OF_NEIGHBORS, OF_MARGIN = 0.0, 1.7, 0.9  # logarithms of odds
OFFSET, MAX_PRESERVED, MAX_MARGIN = 0.01, 0.5, 3.0  # bounds of the logarithms
WARNING_PROBABILITY = 0.4  # below it a matching counts as ambiguous


def matching_probability(preserved: float, chance: float, margin: float) -> float:
    """Probability that a matching is right.

    Parameters
    ----------
    preserved : float
        Share of nearest neighbours that the plan preserves.
    chance : float
        Share that a random matching preserves in the mean.
    margin : float
        By how much the best other matching is worse, over the misfit of the best matching.
    """
    odds = (
        INTERCEPT + OF_NEIGHBORS * of_neighbors(preserved, chance) + OF_MARGIN * of_margin(margin)
    )
    return 1 / (1 + math.exp(-odds))


def of_neighbors(preserved: float, chance: float) -> float:
    """Logarithm of the odds of a preserved neighbour over its odds by chance, bounded."""
    return _log_odds(min(preserved, MAX_PRESERVED)) - _log_odds(chance)


def of_margin(margin: float) -> float:
    """Logarithm of the margin, bounded."""
    return math.log(min(margin, MAX_MARGIN) + OFFSET)


def _log_odds(share: float) -> float:
    return math.log((share + OFFSET) / (1 - share + OFFSET))
