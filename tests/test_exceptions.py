"""Warnings of skgw in threads: one thread's block leaves the warnings of the others alone."""

import threading
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgw import GWCoTrainedAutoencoders, GWMatcher
from skgw.exceptions import (
    AmbiguousMatchingWarning,
    GWConvergenceWarning,
    warn_user,
    without_foreign_warnings,
    without_warnings,
)


def test_a_block_leaves_out_a_category_and_its_subclasses():
    with without_warnings(ConvergenceWarning):
        warn_user("left out", GWConvergenceWarning)
        with pytest.warns(AmbiguousMatchingWarning, match="another"):
            warn_user("another", AmbiguousMatchingWarning)
        with without_warnings(AmbiguousMatchingWarning):
            warn_user("left out", AmbiguousMatchingWarning)
            warn_user("left out", GWConvergenceWarning)
    with pytest.warns(GWConvergenceWarning, match="after"):
        warn_user("after", GWConvergenceWarning)


def test_other_threads_warn_meanwhile():
    inside, warned = threading.Event(), threading.Event()

    def block():
        with without_warnings(GWConvergenceWarning):
            inside.set()
            warned.wait()

    thread = threading.Thread(target=block)
    thread.start()
    inside.wait()
    with pytest.warns(GWConvergenceWarning, match="here"):
        warn_user("here", GWConvergenceWarning)
    warned.set()
    thread.join()


def test_foreign_warnings_are_left_out_by_module():
    with without_foreign_warnings(ConvergenceWarning, "sklearn"):
        warnings.warn_explicit("left out", ConvergenceWarning, "f", 1, module="sklearn.cluster")
        with pytest.raises(ConvergenceWarning, match="of another"):  # an error in all tests
            warnings.warn_explicit("of another", ConvergenceWarning, "f", 1, module="skgw")


def test_fits_in_threads_leave_the_filters():
    """And the warnings that come after them."""
    rng = np.random.default_rng(0)
    X, Y = rng.gamma(2.0, size=(40, 3)), rng.gamma(2.0, size=(30, 2))
    estimators = [
        GWMatcher(n_init=2, random_state=0),
        GWCoTrainedAutoencoders(1, hidden_layer_sizes=(4,), max_iter=2, n_init=1, random_state=0),
    ]

    def fit(k):
        clone(estimators[k % 2]).fit(X, Y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousMatchingWarning)
        joblib.Parallel(4, backend="threading")(joblib.delayed(fit)(k) for k in range(8))
        left = [category for _, _, category, *_ in warnings.filters]
    assert not any(issubclass(category, ConvergenceWarning) for category in left)
