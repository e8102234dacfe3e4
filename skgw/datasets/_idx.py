"""The IDX format of the MNIST files."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PREFIXES = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> NDArray[Any]:
    """Read one IDX file, gzipped or not.

    Two zero bytes, a type code and the number of dimensions are followed by the dimensions as
    big-endian 32-bit integers, then by the values.
    """
    content = _unpacked(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"{path} is neither an .npz archive nor an IDX file.")
    offset = 4 + 4 * content[3]
    if len(content) < offset:
        raise ValueError(f"{path} is cut short or damaged: its header is not complete.")
    shape = tuple(np.frombuffer(content[4:offset], dtype=">i4").tolist())
    kind = np.dtype(_TYPES[content[2]])
    if len(content) - offset != prod(shape) * kind.itemsize:
        raise ValueError(f"{path} is cut short or damaged: its header promises shape {shape}.")
    values = np.frombuffer(content, dtype=kind, offset=offset).reshape(shape)
    return values.astype(kind.newbyteorder("="))


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is cut short or damaged: it cannot be unzipped.") from error


def idx_pair(source: Path, split: str) -> list[tuple[Path, Path]]:
    """Files of images and labels of a split, one pair for each part of it."""
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
            f"{folder} holds {names}; expected one .npz archive or "
            f"{_PREFIXES[part]}-images-idx3-ubyte, gzipped or not, and its labels."
        )
    # An unpacked file comes before its own .gz and is the faster one to read.
    return found[0]


def _labels_beside(images: Path) -> Path:
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for candidate in (images.with_name(name), images.with_name(name + ".gz")):
        if candidate.exists() and candidate != images:
            return candidate
    raise ValueError(f"{images} has no file of labels beside it; expected {name}, gzipped or not.")
