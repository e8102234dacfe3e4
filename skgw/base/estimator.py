"""Shared parts of the estimators: devices, seeds, tensors and arrays, canonical axes, files."""

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
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.base.serialization import load_state, save_state
from skgw.base.sklearn_compat import check_sample_weight
from skgw.base.validation import as_array
from skgw.metrics import relative_distortion
from skgw.registration.principal_axes import principal_axes
from skgw.spaces.finite import Array
from skgw.training.process_group import ProcessGroup

UNSAVED_ATTRIBUTES = ("_skl_callbacks", "_metadata_request")  # of scikit-learn, not fitted state


def resolve_device(device: str, *, required: bool = True) -> torch.device:
    """The torch device of a name.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:N" or "auto": CUDA if it is available, else the CPU.
    required : bool, default=True
        Whether an unavailable device is an error; otherwise the CPU replaces the device.

    Raises
    ------
    ValueError
        For an unavailable device that is required, and for a device of another kind.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(
            f"device={device!r} is not supported: use 'auto', 'cpu', 'cuda' or 'cuda:N'. "
            "Devices of other kinds lack float64."
        )
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, RuntimeError) as error:  # torch raises either
        if not required:
            return torch.device("cpu")
        raise ValueError(f"device={device!r} is not available: {error}") from None


def draw_seed(random_state: Any) -> int:
    """Draw a seed for torch from `random_state` of scikit-learn."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def shared_random_state(random_state: Any, process_group: ProcessGroup) -> np.random.RandomState:
    """The random state of a fit, the same on all processes of the group."""
    if process_group.size > 1 and not isinstance(random_state, Integral):
        random_state = process_group.broadcast(draw_seed(random_state))
    return check_random_state(random_state)


def seeded(seed: int) -> torch.Generator:
    """A new CPU generator; the global random state does not change."""
    return torch.Generator().manual_seed(seed)


def tensor_in_tensor_out(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method of arrays: for a tensor it returns a tensor on the same device."""
    _, name, *_ = inspect.signature(method).parameters  # self, the array, and other parameters

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
    """Decorate a `fit`: an error or an interruption leaves the estimator unchanged."""

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


def canonical_axes(points: Array) -> tuple[Array, Array]:
    """Mean and principal axes of points, each axis in the direction of positive skewness.

    ``(points - mean) @ axes`` is invariant under rotations, reflections and translations of the
    points if the variances along the axes differ and no skewness is zero.

    Parameters
    ----------
    points : array of shape (n, k)

    Returns
    -------
    mean : array of shape (k,)
    axes : array of shape (k, k)
        Orthonormal columns, by decreasing variance.
    """
    mean, axes = principal_axes(points)
    skewness = (((points - mean) @ axes.T) ** 3).sum(0)
    return mean, axes.T * np.where(skewness < 0, -1.0, 1.0)


def weighted_distortion(D: Array, E: Array, sample_weight: Any, X: Any) -> float:
    """Relative distortion between distances D and E (n, r), with weights of the n rows of `X`.

    Parameters
    ----------
    D, E : array of shape (n, r)
    sample_weight : array of shape (n,) or None
        None: equal weights.
    X : array or sparse matrix
        The n rows, for the checks of the weights.
    """
    if sample_weight is not None:
        root = np.sqrt(check_sample_weight(sample_weight, X))[:, None]
        D, E = root * D, root * E
    return relative_distortion(D, E)


class PersistenceMixin:
    """Methods `save` and `load`, without pickle."""

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a file.

        The file holds plain arrays and parameters (safetensors). A machine without a GPU can read
        it, and reading runs no code. Callbacks and metadata requests are not saved.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TypeError
            If a parameter is a function, a module, another estimator (such as a transformer) or a
            random state object, which cannot be rebuilt without running code. Pickle such an
            estimator instead.
        """
        check_is_fitted(self)
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        excluded = {*params, *UNSAVED_ATTRIBUTES}
        state = {name: x for name, x in vars(self).items() if name not in excluded}
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
            If the file does not hold an estimator of this class.
        """
        params, state = load_state(path, cls.__name__)
        estimator = cls(**params)
        vars(estimator).update(state)
        return estimator
