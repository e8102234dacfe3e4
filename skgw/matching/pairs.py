"""Anchor pairs as users give them: rows of X and rows of y, or one pair after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from torch import Tensor

from skgw.base.validation import as_array
from skgw.spaces.finite import Array, Index

Names = Sequence[Any] | None  # names of the rows of a domain, if they have names

FORMS = (
    "pairs must be a tuple of two sequences of one length, (rows of X, rows of y), or an array or "
    "a list of pairs, [(row of X, row of y), ...]"
)


def no_pairs() -> tuple[Index, Index]:
    """An empty list of pairs."""
    return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)


def read_pairs(
    pairs: Any, shape: tuple[int, int], names: tuple[Names, Names] = (None, None)
) -> tuple[Index, Index]:
    """Validate anchor pairs.

    Parameters
    ----------
    pairs : tuple of two sequences, array or list
        A tuple of two sequences of length k holds rows of `X` and rows of `y`. An array or a list
        is read by its shape: (k, 2) is k pairs, (2, k) is rows of `X` and rows of `y`.
    shape : tuple of int
        Numbers of rows of the two domains.
    names : pair of sequences or None
        Names of the rows of the two domains. Rows are given by position or by name.

    Returns
    -------
    i, j : array of int of shape (k,)

    Raises
    ------
    ValueError
        If an array or a list has shape (2, 2), which both readings fit; if the pairs are no
        positions or names of rows of one length; or if a row is named twice.
    """
    rows = _two_sequences(pairs)
    i, j = (
        _positions(index, n, name, domain)
        for index, n, name, domain in zip(rows, shape, names, "Xy", strict=True)
    )
    if len(i) != len(j):
        raise ValueError(f"{FORMS}; got {len(i)} rows of X and {len(j)} rows of y.")
    return i, j


def _two_sequences(pairs: Any) -> tuple[Any, Any]:
    """Rows of X, and rows of y."""
    if isinstance(pairs, Tensor):
        pairs = as_array(pairs)
    if isinstance(pairs, tuple) and len(pairs) == 2 and all(map(_is_sequence, pairs)):
        return pairs
    if isinstance(pairs, str | bytes | dict) or not isinstance(pairs, Iterable):
        raise ValueError(f"{FORMS}.")
    if not isinstance(pairs, np.ndarray):
        pairs = pairs.to_numpy() if hasattr(pairs, "to_numpy") else _stacked(list(pairs))
    if pairs.size == 0:
        return no_pairs()
    if pairs.ndim != 2 or 2 not in pairs.shape:
        raise ValueError(f"{FORMS}; got shape {pairs.shape}.")
    if pairs.shape == (2, 2):
        (a, b), (c, d) = pairs.tolist()
        raise ValueError(
            "pairs of shape (2, 2) can be read in two ways. Write a tuple of rows of X and rows of "
            f"y: ([{a!r}, {c!r}], [{b!r}, {d!r}]) for the pairs {a!r} with {b!r} and {c!r} with "
            f"{d!r}; or ([{a!r}, {b!r}], [{c!r}, {d!r}]) for the pairs {a!r} with {c!r} and {b!r} "
            f"with {d!r}."
        )
    return tuple(pairs.T if pairs.shape[1] == 2 else pairs)


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes | dict)


def _stacked(pairs: list[Any]) -> Array:
    """A list of sequences of one length as an array of objects, so that names stay names."""
    rows = [as_array(x) if isinstance(x, Tensor) else x for x in pairs]
    lengths = {len(x) if _is_sequence(x) else -1 for x in rows}
    if len(lengths) > 1 or -1 in lengths:
        raise ValueError(f"{FORMS}.")
    values = np.empty((len(rows), *lengths), dtype=object)
    for i, row in enumerate(rows):
        values[i] = [x.item() if isinstance(x, np.generic) else x for x in row]
    return values


def _positions(index: Any, n: int, names: Names, domain: str) -> Index:
    """Positions (k,) of rows that are given by position or by name."""
    values = as_array(index) if isinstance(index, Tensor) else np.asarray(index)
    if values.size == 0:
        return no_pairs()[0]
    if values.dtype.kind == "O" and all(type(x) is int for x in values.flat):
        values = values.astype(np.intp)
    if values.ndim == 1 and values.dtype.kind not in "iu" and names is not None:
        values = _find(column_or_1d(values, dtype=object).tolist(), list(names), domain)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(
            f"{FORMS}. Rows are positions, or names: of the index of a data frame, or of the nodes "
            "of a networkx graph."
        )
    if not (values.min() >= 0 and values.max() < n):
        raise ValueError(f"pairs names rows outside of a domain of {n}.")
    if len(np.unique(values)) < len(values):
        raise ValueError("pairs names a row twice.")
    return values.astype(np.intp)


def _find(wanted: list[Any], names: list[Any], domain: str) -> Index:
    """Positions of names."""
    position = {name: i for i, name in enumerate(names)}
    for name in wanted:
        if name not in position:
            raise ValueError(f"pairs names the row {name!r}, which {domain} does not have.")
        if len(position) < len(names) and names.count(name) > 1:
            raise ValueError(f"pairs names the row {name!r}, which {domain} has more than once.")
    return np.array([position[name] for name in wanted], dtype=np.intp)
