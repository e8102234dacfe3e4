"""Reader for image sets on disk: NumPy archives and MNIST-style IDX files."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ._idx import idx_pair, read_idx

Array = NDArray[Any]
_SPLITS = ("train", "test", "all")


def load_images(
    path: str | Path, *, split: str = "train", target: str | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[int, int, int]]:
    """Read images and labels from files on disk.

    The function neither downloads nor unpickles data.

    Parameters
    ----------
    path : str or Path
        An ``.npz`` archive, an MNIST-style IDX file of images, or a folder with one archive or with
        IDX files. An archive holds the arrays ``X_train``, ``y_train``, ``X_test`` and ``y_test``,
        or ``X`` and ``y``. The file of labels of an IDX file is in the same folder; both can be
        gzipped. Images have the shape (n, h, w) or (n, h, w, c).
    split : {"train", "test", "all"}, default="train"
        Part of the set to read. A set without a split is read for "train" and for "all". The split
        is ignored if `path` is an IDX file.
    target : str, default=None
        Name of the array of labels in an archive; ``target + "_train"`` or ``target + "_test"``
        takes precedence. None is "y".

    Returns
    -------
    X : ndarray of shape (n, c * h * w), dtype float32
        Flat images with the channels first and values in [0, 1]. ``X.reshape(-1, *image_shape)``
        restores the images. Values in [0, 1] are kept, other 8-bit values are divided by 255, and
        all other values are mapped linearly from [min(lowest, 0), highest] to [0, 1], with lowest
        and highest taken over all splits.
    y : ndarray of shape (n,), dtype int64
        Labels.
    image_shape : tuple of int
        Channels, height and width in pixels, (c, h, w).

    Raises
    ------
    FileNotFoundError
        If `path` does not exist.
    ValueError
        If `split` is unknown, if arrays or files are missing or damaged, or if images or labels
        have another shape or type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skgw.datasets import load_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = np.full((2, 3, 3), 255, dtype=np.uint8)
    ...     np.savez(Path(folder) / "tiny.npz", X=images, y=np.array([0, 1]))
    ...     X, y, image_shape = load_images(folder)
    >>> X.shape, X.max(), y.tolist(), image_shape
    ((2, 9), np.float32(1.0), [0, 1], (1, 3, 3))
    """
    if split not in _SPLITS:
        raise ValueError(f"split must be one of {', '.join(_SPLITS)}, got {split!r}.")
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist; load_images does not download data.")
    archive = _find_archive(source)
    if archive is not None:
        images, labels, value_range = _read_archive(archive, split, target)
    else:
        pairs = idx_pair(source, split)
        images = np.concatenate([read_idx(pair[0]) for pair in pairs])
        labels = np.concatenate([read_idx(pair[1]) for pair in pairs])
        value_range = _range([images])
    rows, image_shape = _flat_rows(images, source)
    return _to_unit(rows, value_range), _check_labels(labels, len(rows), source), image_shape


def _find_archive(source: Path) -> Path | None:
    if source.is_file():
        return source if source.suffix == ".npz" else None
    archives = sorted(source.glob("*.npz"))
    if len(archives) > 1:
        names = ", ".join(archive.name for archive in archives)
        raise ValueError(f"{source} holds several archives ({names}); give the path of one.")
    return archives[0] if archives else None


def _read_archive(
    archive: Path, split: str, target: str | None
) -> tuple[Array, Array, tuple[float, float]]:
    """Images and labels of a split, and the range of values over all splits."""
    arrays = _arrays_of(archive)
    found = {name: values.shape for name, values in arrays.items()}
    parts = _parts(split, found, archive)
    label_names = [_label_name(part, target or "y", found, archive) for part in parts]
    images = np.concatenate([arrays[part] for part in parts])
    labels = np.concatenate([arrays[name] for name in label_names])
    all_splits = [arrays[name] for name in ("X", "X_train", "X_test") if name in found]
    return images, labels, _range(all_splits)


def _arrays_of(archive: Path) -> dict[str, Array]:
    """All arrays of an archive; a ValueError names a file that cannot be read."""
    try:
        with archive.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (AttributeError, BadZipFile, EOFError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(
            f"{archive} is damaged, or no .npz archive of numbers. Objects are not unpickled."
        ) from error


def _parts(split: str, found: dict[str, tuple[int, ...]], archive: Path) -> list[str]:
    names = ["X_train", "X_test"] if split == "all" else [f"X_{split}"]
    if all(name in found for name in names):
        return names
    if "X" in found and split != "test":
        return ["X"]
    raise ValueError(
        f"{archive} holds {_describe(found)}; split={split!r} needs {' and '.join(names)}"
        + ("." if split == "test" else " or X.")
    )


def _label_name(part: str, target: str, found: dict[str, tuple[int, ...]], archive: Path) -> str:
    for name in (target + part.removeprefix("X"), target):
        if name in found and found[name][:1] == found[part][:1]:
            return name
    raise ValueError(
        f"{archive} holds {_describe(found)}; no labels {target + part.removeprefix('X')!r} for "
        f"{part}. Name the array of labels with target=."
    )


def _describe(found: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in found.items()) or "no arrays"


def _range(arrays: list[Array]) -> tuple[float, float]:
    """Values of black and white pixels."""
    for array in arrays:
        if array.dtype.kind not in "buif" or array.size == 0 or not np.isfinite(array).all():
            raise ValueError(
                f"Images must be a filled array of finite numbers, got {array.dtype} of shape "
                f"{array.shape}."
            )
    low, high = min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if arrays[0].dtype == np.uint8:
        return 0.0, 255.0
    return min(low, 0.0), high


def _flat_rows(images: Array, source: Path) -> tuple[Array, tuple[int, int, int]]:
    if images.ndim == 4 and images.shape[3] in (1, 3, 4):
        images = np.moveaxis(images, 3, 1)
    elif images.ndim == 3:
        images = images[:, None]
    else:
        raise ValueError(
            f"Images in {source} have shape {images.shape}; expected (n, h, w) or (n, h, w, c) "
            "with 1, 3 or 4 channels last."
        )
    n_images, *image_shape = images.shape
    channels, height, width = image_shape
    return images.reshape(n_images, -1), (channels, height, width)


def _to_unit(rows: Array, value_range: tuple[float, float]) -> NDArray[np.float32]:
    low, high = value_range
    unit = rows.astype(np.float32)
    unit -= np.float32(low)
    unit /= np.float32(high - low or 1.0)  # one value below zero becomes zero
    return unit


def _check_labels(labels: Array, n_images: int, source: Path) -> NDArray[np.int64]:
    if labels.shape == (n_images, 1):
        labels = labels[:, 0]
    if labels.shape != (n_images,) or labels.dtype.kind not in "bui":
        raise ValueError(
            f"Labels in {source} must be {n_images} whole numbers in one dimension, got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    return labels.astype(np.int64)
