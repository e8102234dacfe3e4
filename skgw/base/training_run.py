"""One training run of an estimator: callbacks, progress on the screen, checkpoint."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator

from skgw._version import __version__
from skgw.base.sklearn_compat import CallbackTask
from skgw.training import Checkpoint, History, Objective, TrainingOptions, train
from skgw.training.process_group import current_world

REPORT_EVERY = 50  # updates between reports, validations and checkpoints
NOT_IN_NAME = ("checkpoint", "verbose", "device")  # parameters that do not change the result


class TrainingRun:
    """Train with the parameters of an estimator, and report to its user.

    Parameters
    ----------
    estimator : BaseEstimator
        Has the parameters `learning_rate_init`, `optimizer`, `early_stopping`, `n_iter_no_change`,
        `tol`, `verbose` and `checkpoint`.
    X : array, sparse matrix or Domains
        The training data, as validated; callbacks see it.
    max_iter : int
        Updates to make.
    further : Any
        What else decides the result: a checkpoint belongs to it, too.
    """

    def __init__(
        self, estimator: BaseEstimator, X: Any, max_iter: int, *, further: Any = None
    ) -> None:
        self.estimator, self.max_iter = estimator, max_iter
        self.world = current_world()
        self.checkpoint = self._checkpoint((X, further))
        n_steps = -(-max_iter // REPORT_EVERY)
        self.task = CallbackTask(estimator, X, n_steps) if self.world.is_first else None

    def train(self, objective: Objective, noise: torch.Generator) -> History:
        """Train `objective`, from a checkpoint if there is one."""
        params = self.estimator
        options = TrainingOptions(
            max_iter=self.max_iter,
            learning_rate=params.learning_rate_init,
            optimizer=params.optimizer,
            report_every=REPORT_EVERY,
            n_iter_no_change=params.n_iter_no_change if params.early_stopping else None,
            tol=params.tol,
        )
        return train(objective, options, noise, report=self._report, checkpoint=self.checkpoint)

    def finish(self) -> None:
        """The fit is complete: no need to resume it."""
        if self.task is None:  # not the process that speaks for all
            return
        self.task.end()
        if self.checkpoint is not None:
            self.checkpoint.remove()

    def _report(self, history: History) -> bool:
        """Show the recent losses; True means that a callback asks to stop."""
        if self.estimator.verbose:
            recent = (
                f"{name}={np.mean(values[-REPORT_EVERY:]):.5f}"
                for name, values in history.losses.items()
            )
            name = type(self.estimator).__name__
            print(f"[{name}] {history.n_iter}/{self.max_iter}", *recent)
        return self.task is not None and self.task.step()

    def _checkpoint(self, data: Any) -> Checkpoint | None:
        """A file for this fit alone: its name depends on parameters, data and version."""
        folder = self.estimator.checkpoint
        if folder is None:
            return None
        params = self.estimator.get_params(deep=False)
        identity = {k: _stable(v) for k, v in params.items() if k not in NOT_IN_NAME}
        try:
            name = joblib.hash((identity, self._start(), data, __version__, *self._crowd()))
        except pickle.PicklingError:
            raise ValueError(
                "checkpoint names its file after the parameters, and a lambda or local function "
                "has no name of its own: use functions defined in a module."
            ) from None
        return Checkpoint(Path(folder) / f"{type(self.estimator).__name__}-{name}.pt")

    def _crowd(self) -> tuple[int, ...]:
        """The number of processes, if there are several: each has its part in a checkpoint."""
        return () if self.world.size == 1 else (self.world.size,)

    def _start(self) -> Any:
        """Weights that a warm start continues."""
        if not getattr(self.estimator, "warm_start", False):
            return None
        fitted = getattr(self.estimator, "_generator", None)
        return None if fitted is None else fitted.weights


def _stable(value: Any) -> Any:
    """Something with the same hash in every process; the pickle of a module has not."""
    if not isinstance(value, torch.nn.Module):
        return value
    return repr(value), {k: x.numpy(force=True) for k, x in value.state_dict().items()}
