"""What the estimators share: devices, seeds, array kinds, files."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.base.serialization import load_state, save_state
from skgw.base.sklearn_compat import check_sample_weight
from skgw.base.validation import as_array
from skgw.metrics import relative_distortion
from skgw.training.process_group import ProcessGroup

NOT_SAVED = ("_skl_callbacks", "_metadata_request")  # what scikit-learn hangs on an estimator


def resolve_device(device: str, *, required: bool = True) -> torch.device:
    """The torch device of that name; "auto" is CUDA where there is one, else the CPU.

    A device that is missing here is an error, or the CPU if it is not `required`.

    Raises
    ------
    ValueError
        For a missing device that is required, and for any of another kind.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(
            f"device={device!r} is not available here, only 'auto', 'cpu', 'cuda' and 'cuda:N': "
            "others lack float64."
        )
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, RuntimeError) as error:  # torch raises either
        if not required:
            return torch.device("cpu")
        raise ValueError(f"device={device!r} is not available here: {error}") from None


def draw_seed(random_state: Any) -> int:
    """A seed for torch from scikit-learn's `random_state`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def shared_random_state(random_state: Any, process_group: ProcessGroup) -> np.random.RandomState:
    """The random state of a fit, the same on all processes of the group."""
    if process_group.size > 1 and not isinstance(random_state, Integral):
        random_state = process_group.broadcast(draw_seed(random_state))
    return check_random_state(random_state)


def seeded(seed: int) -> torch.Generator:
    """A CPU generator of its own: the global random state is never touched."""
    return torch.Generator().manual_seed(seed)


def tensor_in_tensor_out(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that maps an array to an array take a torch tensor, and return one like it."""
    name = list(inspect.signature(method).parameters)[1]  # of the array; the first is self

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if name in kwargs:
            args = (kwargs.pop(name), *args)
        if not (args and isinstance(args[0], Tensor)):
            return method(self, *args, **kwargs)
        X, *others = args
        out = method(self, as_array(X), *others, **kwargs)
        return torch.as_tensor(out, device=X.device) if isinstance(out, np.ndarray) else out

    return wrapper


def all_or_nothing(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Let a `fit` that fails, or is interrupted, leave the estimator as it was."""

    @functools.wraps(fit)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return wrapper


def canonical_axes(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean (k,) and axes (k, k) of a cloud: principal axes, each pointing to its longer tail.

    ``(points - mean) @ axes`` is the same, whichever way the cloud was turned or mirrored, as far
    as its variances differ and its axes are skewed.
    """
    mean = points.mean(0)
    _, _, axes = np.linalg.svd(np.linalg.qr(points - mean, mode="r"), full_matrices=True)
    skewness = (((points - mean) @ axes.T) ** 3).sum(0)
    return mean, axes.T * np.where(skewness < 0, -1.0, 1.0)


def weighted_distortion(D: NDArray[Any], E: NDArray[Any], sample_weight: Any, X: Any) -> float:
    """Relative distortion of distances (n, r), by weights of the n rows of `X` if there are any."""
    if sample_weight is not None:
        root = np.sqrt(check_sample_weight(sample_weight, X))[:, None]
        D, E = root * D, root * E
    return relative_distortion(D, E)


class PersistenceMixin:
    """`save` and `load` without pickle."""

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a file.

        The file holds plain arrays and parameters (safetensors); it can be read on a machine
        without a GPU, and reading it runs no code. Callbacks and metadata requests are left out.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TypeError
            If a parameter is a function, a module, another estimator (such as a transformer) or a
            random state object: those cannot be rebuilt without running code. Pickle such an
            estimator instead.
        """
        check_is_fitted(self)
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        left_out = {*params, *NOT_SAVED}
        state = {name: x for name, x in vars(self).items() if name not in left_out}
        save_state(path, type(self).__name__, params, state)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an estimator written by `save`.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        estimator

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        params, state = load_state(path, cls.__name__)
        estimator = cls(**params)
        vars(estimator).update(state)
        return estimator
