"""Encoding of values without pickle: a JSON tree, with arrays apart.

Objects of classes marked as `storable` are encoded field by field. Decoding runs no code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from skgw.storable import field_names, stored_class, stored_name


def encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Encode a value as a JSON tree; its arrays are added to `arrays`."""
    kind = type(value)  # subclasses, such as named tuples and enums, would lose their class
    if value is None or kind in (bool, int, float, str):
        return value
    if isinstance(value, Path):
        return {"path": str(value)}
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
    arrays[unique] = np.asarray(array, order="C")
    return unique


def decode(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Decode a JSON tree."""
    if not isinstance(tree, dict):
        return tree
    if "object" in tree:
        fields = {name: decode(x, arrays) for name, x in tree["fields"].items()}
        return stored_class(tree["object"])(**fields)
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays[content]
    if kind == "scalar":
        return arrays[content][()]
    if kind == "strings":
        return np.array(content, dtype=object)
    if kind == "path":
        return Path(content)
    if kind == "dict":
        return {name: decode(x, arrays) for name, x in content.items()}
    if kind not in ("list", "tuple", "csr"):
        raise ValueError(f"a file cannot hold {kind!r}")
    items = [decode(x, arrays) for x in content]
    if kind == "csr":
        data, indices, indptr, shape = items
        return sparse.csr_array((data, indices, indptr), shape=tuple(shape))
    return tuple(items) if kind == "tuple" else items
