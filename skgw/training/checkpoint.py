"""Checkpoint: the file that holds the state of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skgw._version import __version__
from skgw.encoding import decode, encode
from skgw.exceptions import CheckpointWarning, warn_user
from skgw.files import check_folder, errors_name, read_file, remove_drafts, write_file
from skgw.storable import storable

KIND = "checkpoint"
FORMAT = "1"  # version of the content of a file


class Stateful(Protocol):
    """Object with the two methods of torch for its state."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, arrays, numbers and strings, nested in dicts, lists and tuples."""

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a saved state, or raise an error and leave the state as it is."""


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of one training run, without pickle.

    Attributes
    ----------
    path : Path
        Its name is the name of the run, and stands in the file, too. Every save replaces the whole
        file, so that an interrupted save leaves the last state.
    """

    path: Path

    def prepare(self) -> None:
        """Create the folder, and delete what interrupted saves of the run have left.

        Raises
        ------
        OSError
            If no file can be written to the folder; the message names the folder.
        """
        check_folder(self.path.parent)
        remove_drafts(self.path)

    def save(self, state: Stateful) -> None:
        """Write the state to the file.

        Raises
        ------
        OSError
            If the file cannot be written, for instance for want of space.
        TypeError
            If the state has a value of another kind than tensors, arrays, numbers and strings.
        """
        arrays: dict[str, np.ndarray] = {}
        tree = encode(_packed(state.state_dict()), "state", arrays)
        write_file(self.path, {**self._header(), "state": tree}, arrays)

    def restore(self, state: Stateful) -> bool:
        """Restore the saved state; False if there is none that can be used.

        A damaged file, a file of another run or format, and a file whose state does not fit leave
        the state as it is, with a `CheckpointWarning` that names the file.
        """
        if not self.path.exists():
            return False
        try:
            header, arrays = read_file(self.path)
            with errors_name(self.path):
                self._check(header)
                state.load_state_dict(_unpacked(decode(header["state"], arrays)))
        except (ValueError, OSError) as error:  # either names the file
            warn_user(
                f"The checkpoint is not used, and training begins anew: {error}",
                CheckpointWarning,
            )
            return False
        return True

    def remove(self) -> None:
        """Delete the file and what interrupted saves have left, if they exist."""
        self.path.unlink(missing_ok=True)
        remove_drafts(self.path)

    def _header(self) -> dict[str, str]:
        return {"kind": KIND, "format": FORMAT, "version": __version__, "run": self.path.stem}

    def _check(self, header: Mapping[str, Any]) -> None:
        """Raise an error for a file of another run, version or kind."""
        for name, expected in self._header().items():
            if header.get(name) != expected:
                raise ValueError(f"its {name} is {header.get(name)!r}, expected {expected!r}")


@storable
class PackedTensor(NamedTuple):
    """A tensor as bytes, whatever its dtype."""

    dtype: str
    shape: tuple[int, ...]
    content: NDArray[np.uint8]


@storable
class PackedDict(NamedTuple):
    """A dictionary, whatever its keys."""

    keys: list[Any]
    values: list[Any]


@storable
class PackedNumbers(NamedTuple):
    """A list of numbers of type float."""

    content: NDArray[np.float64]


def _packed(value: Any) -> Any:
    """A state in terms that `encode` knows."""
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        return PackedTensor(str(value.dtype).removeprefix("torch."), tuple(value.shape), content)
    if isinstance(value, Mapping):
        return PackedDict(list(value), [_packed(x) for x in value.values()])
    if isinstance(value, list) and value and all(type(x) is float for x in value):
        return PackedNumbers(np.array(value))
    if isinstance(value, list):
        return [_packed(x) for x in value]
    if isinstance(value, tuple):
        return tuple(_packed(x) for x in value)
    return value


def _unpacked(value: Any) -> Any:
    """The state of which `_packed` made the value."""
    if isinstance(value, PackedTensor):
        dtype, content = getattr(torch, value.dtype), torch.from_numpy(value.content.copy())
        flat = content.view(dtype) if len(content) else torch.empty(0, dtype=dtype)
        return flat.reshape(value.shape)
    if isinstance(value, PackedDict):
        return dict(zip(value.keys, map(_unpacked, value.values), strict=True))
    if isinstance(value, PackedNumbers):
        return value.content.tolist()
    if isinstance(value, list | tuple):
        return type(value)(map(_unpacked, value))
    return value
