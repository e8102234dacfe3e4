"""Shared parts of the estimators: devices, seeds, tensors and arrays, canonical axes, files."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Number
from pathlib import Path
from typing import Annotated, Any, ClassVar, NotRequired, Self, TypedDict

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skgw.base.documentation_link import DocumentationLinkMixin
from skgw.base.parameters import Part
from skgw.base.serialization import encode_state, load_state
from skgw.base.sklearn_compat import check_sample_weight, validate_parameters
from skgw.base.validation import as_array
from skgw.fields import (
    Count,
    FloatType,
    Names,
    OneOf,
    SparseNumbers,
    Strings,
    check_fields,
)
from skgw.files import errors_name, write_file
from skgw.metrics import relative_distortion
from skgw.registration.principal_axes import principal_axes
from skgw.solvers import cpu_by_default
from skgw.spaces.finite import Array
from skgw.storable import storable
from skgw.threads import distances_work, threads_for
from skgw.training.process_group import ProcessGroup

UNSAVED_PARAMETERS = ("checkpoint",)  # a path of this machine, to which `fit` writes
_STORED_CLASSES: dict[str, type[PersistenceMixin]] = {}  # estimators that a file may hold
OUTPUT_FORMATS = ("default", "pandas", "polars")  # of `set_output`
UNSAVED_ATTRIBUTES = ("_skl_callbacks", "_metadata_request")  # of scikit-learn, not fitted state


def resolve_device(device: str | torch.device, *, required: bool = True) -> torch.device:
    """The torch device of a name.

    Parameters
    ----------
    device : str or torch.device
        "cpu", "cuda", "cuda:N" or "auto": CUDA if it is available, else the CPU.
    required : bool, default=True
        Whether an unavailable device is an error; otherwise the CPU replaces the device.

    Raises
    ------
    ValueError
        For an unavailable device that is required, and for a device of another kind.
    """
    device = check_device_name(device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, RuntimeError) as error:  # torch raises either
        if not required:
            return torch.device("cpu")
        raise ValueError(f"device={device!r} is not available: {error}") from None


def check_device_name(device: str | torch.device) -> str:
    """The name of a device; a ValueError for a device of a kind that `resolve_device` refuses."""
    device = str(device)
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", device):
        raise ValueError(
            f"device={device!r} is not supported: use 'auto', 'cpu', 'cuda' or 'cuda:N'. "
            "Devices of other kinds lack float64."
        )
    return device


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
    """Decorate a method of arrays: it takes tensors, too.

    If the first of its arguments that is neither None nor a number is a tensor, an array or a tuple
    of arrays that the method returns becomes tensors on the same device. The method runs on as many
    threads as the distances between its rows occupy.
    """
    _, *names = inspect.signature(method).parameters  # without self

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        values = (given[name] for name in names if name in given)
        first = next((x for x in values if not isinstance(x, Number | None)), None)
        with cpu_by_default(), threads_for(distances_work(*given.values())):
            out = method(
                self,
                *map(_without_tensor, args),
                **{k: _without_tensor(x) for k, x in kwargs.items()},
            )
        if not isinstance(first, Tensor):
            return out
        if type(out) is tuple:
            return tuple(_as_tensor(x, first.device) for x in out)
        return _as_tensor(out, first.device)

    return wrapper


def _as_tensor(value: Any, device: torch.device) -> Any:
    """A tensor in place of an array."""
    return torch.as_tensor(value, device=device) if isinstance(value, np.ndarray) else value


def _without_tensor(value: Any) -> Any:
    """An array in place of a tensor."""
    return as_array(value) if isinstance(value, Tensor) else value


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


class FittedState(TypedDict):
    """Fitted attributes of an estimator, for `save` and `load`.

    The base class of declarations: an estimator of p columns declares its attributes in a subclass,
    its `fitted_state`, with the annotations of `skgw.fields`.
    """

    n_features_in_: Annotated[int, Count("p")]
    feature_names_in_: NotRequired[Annotated[Array, Strings("p")]]
    node_names_: NotRequired[Annotated[list, Names("p")]]
    _graph: NotRequired[Annotated[sparse.csr_array, SparseNumbers("p", "p")]]
    _dtype: FloatType
    _sklearn_output_config: NotRequired[dict[str, Annotated[str, OneOf(*OUTPUT_FORMATS)] | None]]


@storable
@dataclass(frozen=True)
class StoredEstimator:
    """An estimator of skgw as part of the file of another one.

    Attributes
    ----------
    kind : str
        Name of its class.
    params, state : dict
        Parameters and fitted attributes; no attributes of an estimator that is not fitted.
    """

    kind: str
    params: dict[str, Any]
    state: dict[str, Any]


def _packed(value: Any) -> Any:
    """An estimator of skgw as a file holds it; another value as it is."""
    kind = type(value).__name__
    if _STORED_CLASSES.get(kind) is not type(value):
        return value
    params, state = value._stored()
    if state:
        value._check_fitted()
    return StoredEstimator(kind, params, state)


def _unpacked(value: Any) -> Any:
    """The value of which `_packed` made a part of a file."""
    if not isinstance(value, StoredEstimator):
        return value
    if value.kind not in _STORED_CLASSES:
        raise ValueError(f"{value.kind!r} is no estimator that a file may hold")
    return _STORED_CLASSES[value.kind]._restored(value.params, value.state)


class PersistenceMixin(DocumentationLinkMixin):
    """Methods `save` and `load`, without pickle.

    A class declares its fitted attributes as `fitted_state`, and may override `_check_state` for
    conditions on attributes and parameters.
    """

    fitted_state: ClassVar[type] = FittedState

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] == "skgw":
            _STORED_CLASSES[cls.__name__] = cls

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a file.

        The file holds plain arrays and parameters (safetensors), the version of skgw and a
        checksum. A machine without a GPU can read the file, and reading runs no code. Equal
        estimators give equal files. The parameter `checkpoint`, callbacks and metadata requests are
        not saved.

        The file is complete or is not written: an error or an interruption leaves an old file of
        the same name unchanged. A process that is killed may leave a file ``.skgw-*.partial``.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        TypeError
            If a parameter is a function, a module, an estimator of another package (such as a
            transformer) or a random state object, which cannot be rebuilt without running code.
            Pickle such an estimator instead.
        ValueError
            If parameters or fitted attributes were changed to values that `load` would refuse.
        OSError
            If the file cannot be written: the folder is missing, or the disk is full.
        """
        check_is_fitted(self)
        params, state = self._stored()
        content = encode_state(type(self).__name__, params, state)
        self._check_fitted()
        write_file(path, *content)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an estimator written by `save`.

        A file from an unknown source can be read and used. Reading runs no code, opens no other
        file, and checks parameters and fitted attributes before anything is built from them: types,
        shapes, positions in arrays, and the sizes of networks, so that the estimator needs no more
        memory and time than a fitted estimator with arrays of these sizes. The checks do not tell
        whether the numbers are right: an edited file may hold another model.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        estimator

        Raises
        ------
        FileNotFoundError, OSError
            If there is no file, or if the system cannot read it.
        ValueError
            If the file does not hold an estimator of this class, was damaged, or holds what no
            fitted estimator has, such as NaN among the weights; the message names the file.
        """
        params, state = load_state(path, cls.__name__)
        with errors_name(path):
            return cls._restored(params, state)

    @classmethod
    def _restored(cls, params: dict[str, Any], state: dict[str, Any]) -> Self:
        """An estimator of parameters and state of a file; without state it is not fitted."""
        for name in UNSAVED_PARAMETERS:
            if name in params:
                raise ValueError(f"a file does not set {name}")
        estimator = cls(**{name: _unpacked(x) for name, x in params.items()})
        vars(estimator).update({name: _unpacked(x) for name, x in state.items()})
        if state:
            estimator._check_fitted()
        else:
            validate_parameters(estimator)
        return estimator

    def _stored(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters and fitted state as a file holds them."""
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        excluded = {*params, *UNSAVED_ATTRIBUTES}
        state = {name: _packed(x) for name, x in vars(self).items() if name not in excluded}
        saved = {
            name: str(x) if isinstance(x, torch.device) else _packed(x)
            for name, x in params.items()
            if name not in UNSAVED_PARAMETERS
        }
        return saved, state

    def _check_fitted(self) -> None:
        """Raise a ValueError unless parameters and state, and those of estimators within, hold."""
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        excluded = {*params, *UNSAVED_ATTRIBUTES}
        self._check_content({k: x for k, x in vars(self).items() if k not in excluded})
        self._check_state()

    def _check_content(self, state: dict[str, Any]) -> None:
        """Raise a ValueError unless the parameters are valid, and the state is as declared."""
        validate_parameters(self)
        for name, value in self.get_params(deep=False).items():  # type: ignore[attr-defined]
            if isinstance(value, Part):
                type(value).read(value)
            elif name == "device":
                check_device_name(value)
        check_fields(self.fitted_state, state)

    def _check_state(self) -> None:
        """Raise a ValueError if fitted attributes contradict each other or the parameters."""
