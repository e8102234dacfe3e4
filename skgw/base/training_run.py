"""TrainingRun: seeds, device, callbacks, progress and checkpoint of one fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from skgw._version import __version__
from skgw.base.estimator import draw_seed, resolve_device, seeded, shared_random_state
from skgw.base.parameters import Part, parts_of
from skgw.base.progress import Progress
from skgw.base.sklearn_compat import CallbackTask
from skgw.files import check_folder
from skgw.threads import network_work, threads_for
from skgw.training import Checkpoint, History, Objective, TrainingOptions, train
from skgw.training.process_group import current_process_group, join_process_group

IRRELEVANT_PARAMETERS = ("checkpoint", "verbose", "device")  # parameters that do not change the fit


class TrainingRun:
    """Context of one `fit` of a `TrainedEstimator`: it trains an objective and reports progress.

    Parameters
    ----------
    estimator : TrainedEstimator

    Attributes
    ----------
    device : torch.device
        Device of the training.
    process_group : ProcessGroup
        Processes that share the fit.
    rng : RandomState
        Source of the seed and of choices of rows; the same on all processes.
    seed : int
        Seed of the networks and of `noise`.
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
        self.progress = Progress(type(estimator).__name__, estimator.verbose)
        self.task: CallbackTask | None = None
        self.checkpoint: Checkpoint | None = None
        if estimator.checkpoint is not None and self.process_group.is_first:
            check_folder(estimator.checkpoint)  # before any work

    def noise(self, offset: int = 0) -> torch.Generator:
        """A CPU generator for one purpose of the fit; each purpose has its own offset."""
        return seeded(self.seed + offset)

    def begin(self, X: Any, *n_updates: int, n_more_steps: int = 0) -> None:
        """Begin the task of the callbacks.

        Parameters
        ----------
        X : array, sparse matrix or Domains
            Validated training data, for the callbacks.
        *n_updates : int
            Numbers of updates of the parts of the fit, which report at regular intervals.
        n_more_steps : int, default=0
            Number of steps that report once.
        """
        if self.task is None and self.process_group.is_first:
            every = self.estimator.report_every
            n_steps = sum(-(-n // every) for n in n_updates) + n_more_steps
            self.task = CallbackTask(self.estimator, X, n_steps)

    def say(self, text: str) -> None:
        """Print a line of progress if the estimator is verbose."""
        self.progress.say(text)

    def initializing(self, n_done: int, n_updates: int, error: Tensor) -> bool:
        """Report an update of an initialisation; True if a callback stops the initialisation."""
        self.progress.step(f"initialisation {n_done}/{n_updates}")
        if n_done % self.estimator.report_every and n_done < n_updates:
            return False
        if self.estimator.verbose:
            self.say(f"initialisation {n_done}/{n_updates} error={float(error):.5f}")
        return self.task is not None and self.task.step("initialisation")

    def step(self, name: str) -> None:
        """Report a step that the callbacks cannot stop."""
        if self.task is not None:
            self.task.step(name)

    def train(
        self,
        objective: Objective,
        X: Any,
        max_iter: int,
        noise: torch.Generator,
        *,
        curve: str = "loss",
        checkpoint_key: Any = None,
        initial_weights: Any = None,
    ) -> History:
        """Train an objective, and set `n_iter_`, `loss_curve_` and `validation_curve_`.

        If a checkpoint of the same fit exists, training resumes from it.

        Parameters
        ----------
        objective : Objective
            Networks and losses, on `device`.
        X : array, sparse matrix or Domains
            Validated training data, for the callbacks and the name of the checkpoint.
        max_iter : int
            Number of updates.
        noise : torch.Generator
            Source of the noise of training.
        curve : str, default="loss"
            Name of the loss that becomes `loss_curve_`.
        checkpoint_key : object, optional
            Other data that determine the result; part of the name of the checkpoint.
        initial_weights : object, optional
            Initial weights of a warm start; part of the name of the checkpoint.

        Returns
        -------
        History
        """
        params = self.estimator
        self.max_iter = max_iter
        self.checkpoint = self._checkpoint((X, checkpoint_key), initial_weights)
        self.begin(X, max_iter)
        optimizer = parts_of(type(params))["optimizer"].read(params.optimizer)
        options = TrainingOptions(
            max_iter=max_iter,
            learning_rate=params.learning_rate_init,
            optimizer=optimizer.method,
            betas=optimizer.betas,
            schedule=optimizer.schedule,
            clip_norm=optimizer.clip_norm,
            report_every=params.report_every,
            n_iter_no_change=params.n_iter_no_change if params.early_stopping else None,
            tol=params.tol,
        )
        if self.checkpoint is not None and self.process_group.is_first:
            self.checkpoint.prepare()
        with threads_for(network_work(objective, params.batch_size)):
            history = train(
                objective,
                options,
                noise,
                report=self._report,
                checkpoint=self.checkpoint,
                report_resumed=self._report_resumed,
                progress=lambda n_done: self.progress.step(f"{n_done}/{max_iter}"),
            )
        params.n_iter_ = history.n_iter
        params.loss_curve_ = history.losses[curve]
        params.validation_curve_ = history.validation
        return history

    def finish(self) -> None:
        """End the task of the callbacks and delete the checkpoint after a complete fit."""
        if self.task is None:  # not the first process
            return
        self.task.end()
        if self.checkpoint is not None:
            self.checkpoint.remove()

    def _report(self, history: History) -> bool:
        """Print the mean losses since the last report; True if a callback stops the training."""
        if self.estimator.verbose:
            recent = (
                f"{name}={np.mean(values[-self.estimator.report_every :]):.5f}"
                for name, values in history.losses.items()
            )
            self.say(" ".join([f"{history.n_iter}/{self.max_iter}", *recent]))
        return self.task is not None and self.task.step()

    def _report_resumed(self, history: History) -> None:
        """Print the iteration at which training resumes."""
        self.say(f"resumed at iteration {history.n_iter}")

    def _checkpoint(self, data: Any, initial_weights: Any) -> Checkpoint | None:
        """The checkpoint of this fit: its name depends on parameters, data and version."""
        folder = self.estimator.checkpoint
        if folder is None:
            return None
        try:
            name = joblib.hash(
                (self._parameters(), initial_weights, data, __version__, *self._n_processes())
            )
        except pickle.PicklingError:
            raise ValueError(
                "checkpoint names its file after the parameters, and a lambda or local function "
                "has no unique name: use functions defined in a module."
            ) from None
        return Checkpoint(Path(folder) / f"{type(self.estimator).__name__}-{name}.safetensors")

    def _parameters(self) -> dict[str, Any]:
        """Parameters that change the result, in hashable form."""
        params = self.estimator.get_params(deep=False)
        return {k: _hashable(v) for k, v in params.items() if k not in IRRELEVANT_PARAMETERS}

    def _n_processes(self) -> tuple[int, ...]:
        """The number of processes, if several share the fit and a checkpoint holds their states."""
        return () if self.process_group.size == 1 else (self.process_group.size,)


def _hashable(value: Any) -> Any:
    """An object with the same hash in every process, unlike the pickle of a module."""
    if isinstance(value, Part):
        parameters = value.get_params(deep=False)
        return type(value).__name__, {k: _hashable(v) for k, v in parameters.items()}
    if type(value) in (list, tuple):
        return [_hashable(x) for x in value]
    if not isinstance(value, torch.nn.Module):
        return value
    return repr(value), {k: x.numpy(force=True) for k, x in value.state_dict().items()}
