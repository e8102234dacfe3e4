"""The probability that a matching is right, from figures that need no ground truth.

Right matchings explain most of the discrepancy under distances of several kinds, even as an average
of plans, and they preserve nearest neighbours, which no plan is asked to do: a logistic model of
these two shares. If another matching explains as much, as in a symmetric space, one of the two is
wrong. The probability of the model is therefore multiplied by one minus the weight of the other.

The model was fitted to problems with known pairs (`benchmarks/matching/calibration.py`). Right
means that less than .15 of all rows are nearer to a translated row than its true match, in the mean
over the rows, and wrong means more than .3.
"""

from __future__ import annotations

import math

INTERCEPT, OF_EXPLAINED, OF_PRESERVED = -9.9, 11.0, 5.0  # in logarithms of odds
WARNING_PROBABILITY = 0.3  # below it a matching counts as ambiguous


def matching_probability(explained: float, preserved: float, other_weight: float) -> float:
    """Probability that a matching is right.

    Parameters
    ----------
    explained : float
        Share of the discrepancy that the average of plans explains.
    preserved : float
        Share of nearest neighbours that the average preserves.
    other_weight : float
        Weight of the best other matching relative to the weight of the best matching.
    """
    odds = INTERCEPT + OF_EXPLAINED * explained + OF_PRESERVED * preserved
    return (1 - other_weight) / (1 + math.exp(-odds))
