"""Encoding of values without pickle: a JSON tree, with arrays apart.

Objects of classes marked as `storable` are encoded field by field. Decoding runs no code, and needs
memory in proportion to the tree and the arrays: an array is used once; sparse matrices, integers
and the depth of the tree are checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from skgw.storable import field_names, stored_class, stored_name

MAX_DEPTH = 100  # levels of a tree
MAX_INTEGER = 2**63  # integers lie between its negative and itself


def encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Encode a value as a JSON tree; its arrays are added to `arrays`."""
    kind = type(value)  # subclasses, such as named tuples and enums, would lose their class
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is np.str_:
        return str(value)
    if isinstance(value, np.generic) and _is_numeric(value.dtype):
        return {"scalar": _add_array(np.asarray(value), name, arrays)}
    if kind in (np.ndarray, np.memmap):
        if _is_numeric(value.dtype):
            return {"array": _add_array(value, name, arrays)}
        if value.ndim == 1 and all(isinstance(x, str) for x in value):  # feature names
            return {"strings": value.tolist()}
    if sparse.issparse(value):
        value = sparse.csr_array(value)
        parts = (value.data, value.indices, value.indptr, np.array(value.shape))
        return {"csr": [encode(x, f"{name}.{i}", arrays) for i, x in enumerate(parts)]}
    if kind in (list, tuple):
        return {kind.__name__: [encode(x, f"{name}.{i}", arrays) for i, x in enumerate(value)]}
    if kind is dict and all(isinstance(k, str) for k in value):
        return {"dict": {k: encode(x, f"{name}.{k}", arrays) for k, x in value.items()}}
    stored_as = stored_name(kind)
    if stored_as is not None:
        fields = {f: getattr(value, f) for f in field_names(kind)}
        encoded = {f: encode(x, f"{name}.{f}", arrays) for f, x in fields.items()}
        return {"object": stored_as, "fields": encoded}
    raise TypeError(
        f"Cannot save {name}: a {kind.__name__} cannot be rebuilt without running code. "
        "Use plain values, arrays of numbers, dicts with string keys, named metrics and networks, "
        "or pickle the estimator."
    )


def _is_numeric(dtype: np.dtype) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8  # dtypes of safetensors


def _add_array(array: np.ndarray, name: str, arrays: dict[str, np.ndarray]) -> str:
    """Add an array and return its key, numbered because keys of dicts may contain dots."""
    unique = f"{len(arrays)}.{name}"
    arrays[unique] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return unique


def decode(tree: Any, arrays: dict[str, np.ndarray], depth: int = 0) -> Any:
    """Decode a JSON tree; an array that is used is removed from `arrays`.

    Raises
    ------
    Exception
        Of any kind, for a tree that `encode` does not return.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels")
    if not isinstance(tree, dict):
        return _plain(tree)
    if "object" in tree:
        return stored_class(tree["object"])(**_decode_values(tree["fields"], arrays, depth))
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays.pop(content)
    if kind == "scalar":
        return _only_entry(arrays.pop(content))
    if kind == "strings":
        return _strings(content)
    if kind == "dict":
        return _decode_values(content, arrays, depth)
    if kind not in ("list", "tuple", "csr"):
        raise ValueError(f"a file cannot hold {kind!r}")
    items = [decode(x, arrays, depth + 1) for x in _list(content)]
    if kind == "csr":
        return _csr(*items)
    return tuple(items) if kind == "tuple" else items


def _decode_values(tree: Any, arrays: dict[str, np.ndarray], depth: int) -> dict[str, Any]:
    return {name: decode(x, arrays, depth + 1) for name, x in tree.items()}


def _plain(value: Any) -> Any:
    """A value that JSON and `encode` have in common."""
    if isinstance(value, list):
        raise ValueError("a list without its type")
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        raise ValueError("an integer of more than 64 bits")
    return value


def _list(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise TypeError(f"a {type(content).__name__} in place of a list")
    return content


def _strings(content: Any) -> np.ndarray:
    if not all(isinstance(x, str) for x in _list(content)):
        raise TypeError("strings of another type")
    return np.array(content, dtype=object)


def _only_entry(array: np.ndarray) -> Any:
    if array.ndim:
        raise ValueError(f"an array of shape {array.shape} in place of a scalar")
    return array[()]


def _csr(data: Any, indices: Any, indptr: Any, shape: Any) -> sparse.csr_array:
    """A sparse matrix, whose indices lie in its arrays and its shape."""
    n_rows, n_columns = (int(size) for size in shape)
    matrix = sparse.csr_array((data, indices, indptr), shape=(n_rows, n_columns))
    matrix.check_format(full_check=True)
    return matrix
