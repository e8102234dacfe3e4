"""Random fits end as documented; the oracles of the fuzz see what they should."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from benchmarks.reliability import estimator_fuzz as fuzz
from benchmarks.reliability.inputs import CONTAINERS, RELATIONS, VALUES


@pytest.mark.parametrize("seed", range(1000, 1012))
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_random_fits(kind, seed):
    found = fuzz.measure(kind, seed)
    assert found["outcome"] in ("fitted", "refused", "slow"), found  # a busy machine may be slow


def test_there_are_many_kinds_of_input():
    assert len(VALUES) + len(CONTAINERS) + len(RELATIONS) >= 90


class Faulty(BaseEstimator):
    """An estimator with one fault."""

    def __init__(self, fault=None):
        self.fault = fault

    def fit(self, X, y=None):
        self.mean_ = X.mean(0)
        if self.fault == "input":
            X += 1
        elif self.fault == "global":
            np.random.seed(0)  # noqa: NPY002
        elif self.fault == "infinite":
            self.mean_ = self.mean_ / 0.0
        elif self.fault in ("leftover", "crash"):
            vars(self).pop("mean_" if self.fault == "crash" else None, None)
            raise KeyError("undocumented")
        return self

    def transform(self, X):
        if self.fault == "method":
            raise ValueError("X is not fitted")
        return X - self.mean_


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize(
    ("fault", "outcome", "detail"),
    [
        (None, "fitted", ""),
        ("input", "changed", "the input"),
        ("global", "changed", "a global random state"),
        ("infinite", "infinite", "transform"),
        ("leftover", "changed", "attributes of the estimator"),
        ("crash", "undocumented", "KeyError('undocumented')"),
        ("method", "method", "transform: ValueError('X is not fitted')"),
    ],
)
def test_the_oracles_see_faults(fault, outcome, detail):
    X = np.random.default_rng(0).normal(size=(9, 2))
    assert fuzz.checked_fit(Faulty(fault), {"X": X}) == (outcome, detail)
