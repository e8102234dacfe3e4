"""Files of arrays with a JSON header: written whole or not at all, and refused if damaged.

A file is in the format of safetensors. Its metadata has one entry, so that the same content gives
the same bytes: a JSON text of the header and of a checksum of header and arrays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skgw._version import __version__

ENTRY = "skgw"  # the one entry of the metadata
DRAFT_SUFFIX = ".partial"


def write_file(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write a file, or replace it.

    The content is written beside the file and takes its place when it is complete and on the disk,
    so that an error or an interruption leaves the old file.

    Parameters
    ----------
    path : str or Path
    header : mapping of str
        Values of JSON. The version of skgw is added as "version".
    arrays : mapping of str to array
        Arrays of numbers.

    Raises
    ------
    OSError
        If the file cannot be written, for instance for want of the folder or of space.
    """
    from safetensors.numpy import save

    header = {**header, "version": __version__}
    text = json.dumps({"header": header, "checksum": checksum(header, arrays)})
    content = save(dict(arrays), metadata={ENTRY: text})
    path = Path(os.path.realpath(path))
    while not _replace(path, content):  # until no other process has removed the draft
        pass


def _replace(path: Path, content: bytes) -> bool:
    """Write a draft and let it take the place of the file; False if the draft has vanished."""
    draft = path.with_name(f"{_draft_prefix(path)}{secrets.token_hex(8)}{DRAFT_SUFFIX}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException as error:
        if isinstance(error, FileNotFoundError) and path.parent.is_dir():
            return False
        with contextlib.suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None  # not the draft
        raise
    return True


def remove_drafts(path: str | Path) -> None:
    """Delete the drafts of a file, which killed processes have left.

    A process that is writing one of them writes another one.
    """
    path = Path(os.path.realpath(path))
    for draft in path.parent.glob(f"{_draft_prefix(path)}*{DRAFT_SUFFIX}"):
        with contextlib.suppress(OSError):
            draft.unlink()


def _draft_prefix(path: Path) -> str:
    """Beginning of the names of the drafts of a file, shorter than the longest names of files."""
    return f".skgw-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


def check_folder(folder: str | Path) -> None:
    """Create a folder unless it exists, and try to write to it.

    Raises
    ------
    OSError
        If no file can be written to the folder; the message names the folder.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        trial = Path(folder) / f".skgw-{secrets.token_hex(8)}{DRAFT_SUFFIX}"
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        error.filename, error.filename2 = str(folder), None
        raise


def read_file(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read header and arrays of a file that `write_file` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file was not written by `write_file`, or was damaged afterwards; the message names
        the file.
    """
    from safetensors import safe_open

    with errors_name(path):
        if Path(path).exists() and not Path(path).is_file():
            raise ValueError("it is no file")
        with safe_open(Path(path), framework="numpy") as file:
            entries = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if ENTRY not in entries:
            raise ValueError("its header has another form")
        content = json.loads(entries[ENTRY])
        header, expected = dict(content["header"]), content["checksum"]
        if checksum(header, arrays) != expected:
            raise ValueError("the checksum is that of another content")
    return header, arrays


@contextlib.contextmanager
def errors_name(path: str | Path) -> Iterator[None]:
    """Turn an error of the block into a ValueError that names the file.

    A damaged file may raise anything. Errors of the operating system remain what they are.
    """
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{path} is damaged, or was not written by this version of skgw: {shortened(reason)}"
        ) from error


def shortened(value: object, max_length: int = 300) -> str:
    """The beginning of a text, for messages about values of any length."""
    text = str(value)
    return text if len(text) <= max_length else f"{text[:max_length]}..."


def checksum(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of header and arrays. It reveals damage; who edits a file can compute it anew."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
