import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skgw.base.sklearn_compat import (
    CallbackSupportMixin,
    CallbackTask,
    check_sample_weight,
    fit_context,
)


class Recorder:
    def __init__(self, stop_at=None):
        self.stop_at, self.events = stop_at, []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X):
        self.events.append(f"begin {context.task_name} {context.max_subtasks}")

    def on_fit_task_end(self, estimator, context, *, X):
        self.events.append(f"end {context.task_name} {context.task_id}")
        return context.task_id == self.stop_at


class Stepper(CallbackSupportMixin, BaseEstimator):
    _parameter_constraints = {"n_steps": [int]}

    def __init__(self, n_steps=2):
        self.n_steps = n_steps

    @fit_context
    def fit(self, X, y=None):
        task = CallbackTask(self, X, self.n_steps)
        self.stopped_ = [task.step() for _ in range(self.n_steps)]
        if X is None:
            raise ZeroDivisionError
        task.end()
        return self


def test_a_fit_is_told_step_by_step():
    recorder = Recorder(stop_at=1)
    estimator = Stepper().set_callbacks(recorder).fit(np.zeros(2))
    check_is_fitted(estimator)
    assert recorder.events == [
        "setup",
        "begin fit 2",
        "begin training 0",
        "end training 0",
        "begin training 0",
        "end training 1",
        "end fit 0",
        "teardown",
    ]
    assert estimator.stopped_ == [False, True]


def test_it_costs_nothing_without_callbacks():
    assert Stepper().fit(np.zeros(2)).stopped_ == [False, False]


def test_callbacks_end_when_the_fit_fails():
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        Stepper().set_callbacks(recorder).fit(None)
    assert recorder.events[-1] == "teardown"


def test_parameters_are_validated_first():
    recorder = Recorder()
    with pytest.raises(ValueError, match="'n_steps' parameter of Stepper must be"):
        Stepper("two").set_callbacks(recorder).fit(np.zeros(2))
    assert recorder.events == []


def test_sample_weights():
    X = np.zeros((3, 2))
    assert check_sample_weight([1, 0, 2], X).dtype == np.float64
    for weight in ([1, 2], [[1, 1, 1]], [1, -1, 1], [0, 0, 0], [1, np.nan, 1]):
        with pytest.raises(ValueError, match=r"shape|1D|Negative|zero|NaN"):
            check_sample_weight(weight, X)
