"""TrainingRun: seeds, device, callbacks, progress and checkpoint of one fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator

from skgw._version import __version__
from skgw.base.estimator import draw_seed, resolve_device, seeded, shared_random_state
from skgw.base.parameters import Part, parts_of
from skgw.base.sklearn_compat import CallbackTask
from skgw.training import Checkpoint, History, Objective, TrainingOptions, train
from skgw.training.process_group import current_process_group, join_process_group

NOT_IN_NAME = ("checkpoint", "verbose", "device")  # parameters that do not change the result


class TrainingRun:
    """What one `fit` of a `TrainedEstimator` trains with.

    Parameters
    ----------
    estimator : TrainedEstimator

    Attributes
    ----------
    device : torch.device
    rng : RandomState
        The same on all processes that share the fit.
    seed : int
    """

    def __init__(self, estimator: BaseEstimator) -> None:
        self.estimator = estimator
        self.device = resolve_device(estimator.device)
        if estimator.shares_training:
            self.process_group = join_process_group(self.device)
        else:
            self.process_group = current_process_group()
        self.rng = shared_random_state(estimator.random_state, self.process_group)
        self.seed = draw_seed(self.rng)
        self.task: CallbackTask | None = None
        self.checkpoint: Checkpoint | None = None

    def noise(self, offset: int = 0) -> torch.Generator:
        """A generator for one purpose of the fit; different offsets draw different noise."""
        return seeded(self.seed + offset)

    def train(
        self,
        objective: Objective,
        X: Any,
        max_iter: int,
        noise: torch.Generator,
        *,
        curve: str = "loss",
        further: Any = None,
        start: Any = None,
    ) -> History:
        """Train, from a checkpoint if there is one, and store `n_iter_` and the curves.

        Parameters
        ----------
        objective : Objective
            On the device of the run already.
        X : array, sparse matrix or Domains
            The training data, as validated; callbacks see it.
        max_iter : int
            Number of updates.
        noise : torch.Generator
        curve : str, default="loss"
            Name of the loss that becomes `loss_curve_`.
        further : object, optional
            What else determines the result: a checkpoint belongs to it.
        start : object, optional
            Weights that a warm start continues; a checkpoint belongs to them, too.
        """
        params = self.estimator
        self.max_iter = max_iter
        self.checkpoint = self._checkpoint((X, further), start)
        n_steps = -(-max_iter // params.report_every)
        self.task = CallbackTask(params, X, n_steps) if self.process_group.is_first else None
        optimizer = parts_of(type(params))["optimizer"].read(params.optimizer)
        options = TrainingOptions(
            max_iter=max_iter,
            learning_rate=params.learning_rate_init,
            optimizer=optimizer.method,
            schedule=optimizer.schedule,
            report_every=params.report_every,
            n_iter_no_change=params.n_iter_no_change if params.early_stopping else None,
            tol=params.tol,
        )
        history = train(objective, options, noise, report=self._report, checkpoint=self.checkpoint)
        params.n_iter_ = history.n_iter
        params.loss_curve_ = history.losses[curve]
        params.validation_curve_ = history.validation
        return history

    def finish(self) -> None:
        """End the callbacks' task and delete the checkpoint: the fit is complete."""
        if self.task is None:  # not the process that speaks for all
            return
        self.task.end()
        if self.checkpoint is not None:
            self.checkpoint.remove()

    def _report(self, history: History) -> bool:
        """Print the recent losses; True means that a callback asks to stop."""
        if self.estimator.verbose:
            recent = (
                f"{name}={np.mean(values[-self.estimator.report_every :]):.5f}"
                for name, values in history.losses.items()
            )
            name = type(self.estimator).__name__
            print(f"[{name}] {history.n_iter}/{self.max_iter}", *recent)
        return self.task is not None and self.task.step()

    def _checkpoint(self, data: Any, start: Any) -> Checkpoint | None:
        """The file of this fit alone: its name depends on parameters, data and version."""
        folder = self.estimator.checkpoint
        if folder is None:
            return None
        try:
            name = joblib.hash((self._identity(), start, data, __version__, *self._ranks()))
        except pickle.PicklingError:
            raise ValueError(
                "checkpoint names its file after the parameters, and a lambda or local function "
                "has no name of its own: use functions defined in a module."
            ) from None
        return Checkpoint(Path(folder) / f"{type(self.estimator).__name__}-{name}.pt")

    def _identity(self) -> dict[str, Any]:
        """All parameters that change the result, parts taken apart."""
        params = self.estimator.get_params(deep=False)
        return {k: _stable(v) for k, v in params.items() if k not in NOT_IN_NAME}

    def _ranks(self) -> tuple[int, ...]:
        """The number of processes, if there are several: each has its part in a checkpoint."""
        return () if self.process_group.size == 1 else (self.process_group.size,)


def _stable(value: Any) -> Any:
    """An object with the same hash in every process; the pickle of a module has not."""
    if isinstance(value, Part):
        parameters = value.get_params(deep=False)
        return type(value).__name__, {k: _stable(v) for k, v in parameters.items()}
    if not isinstance(value, torch.nn.Module):
        return value
    return repr(value), {k: x.numpy(force=True) for k, x in value.state_dict().items()}
