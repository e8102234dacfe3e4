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

INTERCEPT, OF_NEIGHBORS, OF_MARGIN = 3.4, 1.7, 0.9  # logarithms of odds
NEIGHBORS_OFFSET, MARGIN_OFFSET, MAX_MARGIN = 0.01, 0.01, 3.0  # bounds of the logarithms
WARNING_PROBABILITY = 0.4  # below it a matching counts as ambiguous


def matching_probability(preserved: float, margin: float) -> float:
    """Probability that a matching is right.

    Parameters
    ----------
    preserved : float
        Share of nearest neighbours that the plan preserves.
    margin : float
        By how much the best other matching is worse, over the misfit of the best matching.
    """
    odds = INTERCEPT + OF_NEIGHBORS * of_neighbors(preserved) + OF_MARGIN * of_margin(margin)
    return 1 / (1 + math.exp(-odds))


def of_neighbors(preserved: float) -> float:
    """Logarithm of the odds of a preserved neighbour, bounded."""
    return math.log(preserved / (1 - preserved + NEIGHBORS_OFFSET) + NEIGHBORS_OFFSET)


def of_margin(margin: float) -> float:
    """Logarithm of the margin, bounded."""
    return math.log(min(margin, MAX_MARGIN) + MARGIN_OFFSET)
