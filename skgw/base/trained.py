"""TrainedEstimator: training parameters and the template of `fit` of estimators with networks."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skgw.base.estimator import (
    FittedState,
    PersistenceMixin,
    all_or_nothing,
    resolve_device,
    tensor_in_tensor_out,
)
from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    Part,
    PartsMixin,
    one_of,
    param,
    part,
    with_parameters,
)
from skgw.base.sklearn_compat import CallbackSupportMixin, Interval, fit_context
from skgw.base.training_run import TrainingRun
from skgw.fields import PositiveInteger
from skgw.spaces.finite import Index
from skgw.storable import storable
from skgw.training.optimizers import OPTIMIZERS

TRAINING_PARAMETERS = """
batch_size : int, default={batch_size}
    Rows per mini-batch.
max_iter : int or "auto", default={max_iter}
    Number of updates; "auto" depends on the number of rows.
learning_rate_init : float, default={learning_rate_init}
    Largest learning rate.
optimizer : {"adam", "adamw", "rmsprop", "sgd"}, callable or Optimizer, default={optimizer}
    A callable takes the network parameters and ``lr`` and returns a torch optimiser. An
    `Optimizer` also sets the schedule of the learning rate.
early_stopping : bool, default={early_stopping}
    Hold rows out, validate on the held-out rows every 50 updates, keep the best weights, and stop
    when the validation loss no longer improves.
validation_fraction : float, default={validation_fraction}
    Share of the rows that `early_stopping` holds out.
n_iter_no_change : int, default={n_iter_no_change}
    Number of validations without improvement before training stops.
tol : float, default={tol}
    Smallest relative improvement of the validation loss that counts.
checkpoint : str, Path or None, default={checkpoint}
    Folder for checkpoints, written every 50 updates. An interrupted fit resumes when `fit` is
    called again with the same parameters and data. With an integer `random_state` the resumed fit
    ends with the same result. `fit` deletes the file when it is complete. A file that is damaged is
    not used: `fit` warns (`CheckpointWarning`) and begins anew. Loading a file runs no code.
device : str or torch.device, default={device}
    "cpu", "cuda", "cuda:N" or "auto": CUDA if it is available, else the CPU.
verbose : int, default={verbose}
    Print the losses every 50 updates, and the time of slow fits. Progress bars: `set_callbacks` of
    scikit-learn.
random_state : int, RandomState or None, default={random_state}
    On one device, the same integer gives the same result.
"""


OPTIMIZER_PARAMETERS = """
method : {"adam", "adamw", "rmsprop", "sgd"} or callable, default={method}
    A callable takes the network parameters and ``lr`` and returns a torch optimiser of first
    order.
schedule : {"cosine", "constant"}, default={schedule}
    "cosine" raises the learning rate over 50 updates and lowers it to zero along a cosine.
betas : (float, float) or None, default={betas}
    Decay rates of the means of gradients and of squared gradients, for "adam" and "adamw". None:
    (0.9, 0.99).
clip_norm : float or None, default={clip_norm}
    Largest norm of the gradient of an update; a larger gradient is scaled down. None: no limit.
"""


@storable
@with_parameters
class Optimizer(Part):
    """Stochastic optimiser and schedule of its learning rate.

    Parameters
    ----------
    {optimizer_parameters}

    Examples
    --------
    >>> from skgw import Optimizer, VariationalAutoencoder
    >>> model = VariationalAutoencoder(optimizer=Optimizer("sgd", schedule="constant"))
    >>> model.set_params(optimizer__schedule="cosine").optimizer.schedule
    'cosine'
    """

    documented: ClassVar[dict[str, str]] = {"{optimizer_parameters}": OPTIMIZER_PARAMETERS}
    short_form: ClassVar[str] = "method"

    method: str | Callable[..., torch.optim.Optimizer] = param(
        one_of(*OPTIMIZERS), callable, default="adam", kw_only=False
    )
    schedule: str = param(one_of("cosine", "constant"), default="cosine")
    betas: tuple[float, float] | None = param(tuple, list, None, default=None)
    clip_norm: float | None = param(POSITIVE, None, default=10.0)

    def of_phase(
        self, betas: tuple[float, float]
    ) -> tuple[str, tuple[float, float]] | tuple[None, None]:
        """Method and decay rates of a phase whose Adam has these `betas`, if none are given.

        (None, None) stands for the optimiser of the training options.
        """
        if self.method == "adam" and self.betas is None:
            return "adam", betas
        return None, None


class TrainedState(FittedState):
    """Fitted attributes of all trained estimators."""

    n_iter_: PositiveInteger
    loss_curve_: list[float]
    validation_curve_: list[float]


def whole_fit(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `fit`.

    The decorated `fit` validates the parameters, converts tensors to arrays, enables gradients
    whatever the mode of the caller, and leaves the estimator unchanged if it fails.
    """
    gradients_on = torch.inference_mode(False)
    return all_or_nothing(fit_context(gradients_on(tensor_in_tensor_out(fit))))


@with_parameters
class TrainedEstimator(CallbackSupportMixin, PersistenceMixin, PartsMixin, BaseEstimator):
    """Base class of estimators whose networks `skgw.training` trains.

    The class declares the training parameters with constraints and documentation. In the docstring
    of a subclass the line ``{training_parameters}`` stands for their entries.

    A new estimator is a subclass, decorated with `with_parameters`, that

    - declares its own parameters by `param` and `part`;
    - implements `_read`: validate rows;
    - implements `_fit`: build an `Objective`, call ``run.train(objective, ...)`` and store the
      fitted state as arrays and `FittedNetwork`, so that `save` and pickle work;
    - declares the fitted state as a `fitted_state`, a subclass of `TrainedState`, for `load`;
    - implements `_auto_updates`: the number of updates for ``max_iter="auto"``;
    - implements its methods, such as `transform`, with `_device` for their computations.

    A subclass whose `fit` has other arguments than `X` and `y` overrides `fit`, decorated with
    `whole_fit`.
    """

    documented: ClassVar[dict[str, str]] = {"{training_parameters}": TRAINING_PARAMETERS}
    fitted_state: ClassVar[type] = TrainedState
    shares_training: ClassVar[bool] = True  # whether the processes of torchrun share one fit
    report_every: ClassVar[int] = 50  # updates between reports, validations and checkpoints

    batch_size: int = param(Interval(Integral, 2, None, closed="left"), default=256)
    max_iter: int | str = param(POSITIVE_INTEGER, one_of("auto"), default="auto")
    learning_rate_init: float = param(POSITIVE, default=2e-3)
    optimizer: Any = part(Optimizer, one_of(*OPTIMIZERS), callable, default="adam")
    early_stopping: bool = param("boolean", default=False)
    validation_fraction: float = param(Interval(Real, 0, 1, closed="neither"), default=0.1)
    n_iter_no_change: int = param(POSITIVE_INTEGER, default=10)
    tol: float = param(NON_NEGATIVE, default=1e-4)
    checkpoint: str | Path | None = param(str, Path, None, default=None)
    device: str | torch.device = param(str, torch.device, default="auto")
    verbose: int = param("verbose", default=0)
    random_state: Any = param("random_state", default=None)

    @whole_fit
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on the rows of `X`.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Numpy or torch.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows that are not finite numbers.
        FloatingPointError
            If training diverges.
        OSError
            If `checkpoint` is a folder that cannot be written to.
        """
        return self._run_fit(X)

    def _run_fit(self, X: Any, **data: Any) -> Self:
        """The steps of every `fit` to one set of rows; `data` are further arguments of `_fit`."""
        X = self._read(X, reset=True)
        run = TrainingRun(self)
        self._fit(X, run, **data)
        run.finish()
        return self

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Validate rows; `reset` is True in a fit and False in other methods."""
        raise NotImplementedError

    def _fit(self, X: Any, run: TrainingRun) -> None:
        """Train on validated rows and store the fitted state."""
        raise NotImplementedError

    def _device(self) -> torch.device:
        """Device of a fitted estimator: the device of the fit if it is available, else the CPU."""
        return resolve_device(self.device, required=False)

    def _n_updates(self, n_rows: int) -> int:
        """Number of updates for a number of rows, by `max_iter`."""
        return self._auto_updates(n_rows) if self.max_iter == "auto" else int(self.max_iter)

    def _auto_updates(self, n_rows: int) -> int:
        """Number of updates for a number of rows if `max_iter` is "auto"."""
        raise NotImplementedError

    @property
    def _held_out_share(self) -> float:
        """Share of the rows that early stopping holds out; 0 without early stopping."""
        return self.validation_fraction if self.early_stopping else 0.0


def hold_out(
    order: Index, share: float, *, min_held_out: int, always_train: Index | None = None
) -> tuple[Index, Index]:
    """Split rows into training rows and held-out rows.

    Parameters
    ----------
    order : array of int of shape (n,)
        The rows in random order.
    share : float
        Share of the rows that are held out; 0 holds no row out.
    min_held_out : int
        Smallest number of held-out rows if `share` is positive.
    always_train : array of int, optional
        Rows that are never held out.

    Returns
    -------
    train, held_out : array of int

    Raises
    ------
    ValueError
        If fewer than two rows remain to train on.
    """
    if not share:
        return order, order[:0]
    candidates = order if always_train is None else order[~np.isin(order, always_train)]
    held_out = candidates[: max(min_held_out, round(share * len(order)))]
    train = order[~np.isin(order, held_out)]
    if len(train) < 2:
        raise ValueError("Too few samples for early_stopping; switch it off.")
    return train, held_out
