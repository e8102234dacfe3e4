"""Reader for the IDX format of the MNIST files."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # by code
_PREFIXES = {"train": "train", "test": "t10k"}  # of the file names of a split


def read_idx(path: Path) -> NDArray[Any]:
    """Read one IDX file, gzipped or not.

    The file holds two zero bytes, a type code, the number of dimensions, the dimensions as
    big-endian unsigned 32-bit integers, and the values.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray
        Values in native byte order, in the shape that the header declares.

    Raises
    ------
    ValueError
        If the file has another format, or is truncated.
    """
    content = _unpacked(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"{path} is neither an .npz archive nor an IDX file.")
    offset = 4 + 4 * content[3]
    if len(content) < offset:
        raise ValueError(f"{path} is truncated or damaged: its header is not complete.")
    shape = tuple(np.frombuffer(content[4:offset], dtype=">u4").tolist())
    kind = np.dtype(_TYPES[content[2]])
    if len(content) - offset != prod(shape) * kind.itemsize:
        raise ValueError(f"{path} is truncated or damaged: its header declares shape {shape}.")
    values = np.frombuffer(content, dtype=kind, offset=offset).reshape(shape)
    return values.astype(kind.newbyteorder("="))


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged: it cannot be unzipped.") from error


def idx_pair(source: Path, split: str) -> list[tuple[Path, Path]]:
    """Find the files of images and labels of a split.

    Parameters
    ----------
    source : Path
        A file of images, or a folder.
    split : {"train", "test", "all"}
        Ignored if `source` is a file.

    Returns
    -------
    list of (Path, Path)
        Images and labels of each part of the split.

    Raises
    ------
    ValueError
        If a file is missing.
    """
    if source.is_file():
        return [(source, _labels_beside(source))]
    parts = ("train", "test") if split == "all" else (split,)
    images = [_images_in(source, part) for part in parts]
    return [(path, _labels_beside(path)) for path in images]


def _images_in(folder: Path, part: str) -> Path:
    found = sorted(folder.glob(f"{_PREFIXES[part]}-images*idx3-ubyte*"))
    if not found:
        names = ", ".join(sorted(entry.name for entry in folder.iterdir())[:10]) or "nothing"
        raise ValueError(
            f"{folder} holds {names}; expected one .npz archive, or "
            f"{_PREFIXES[part]}-images-idx3-ubyte, gzipped or not, and its file of labels."
        )
    # An unpacked file sorts before its .gz, and is faster to read.
    return found[0]


def _labels_beside(images: Path) -> Path:
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for candidate in (images.with_name(name), images.with_name(name + ".gz")):
        if candidate.exists() and candidate != images:
            return candidate
    read_idx(images)  # a file of another format lacks no labels
    raise ValueError(f"{images} has no file of labels in its folder; expected {name} or {name}.gz.")
