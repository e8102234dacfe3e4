"""Serialization of fitted state without pickle: arrays in safetensors, other values in the header.

Objects of classes marked as `storable` are rebuilt field by field. Loading a file runs no code from
the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from skgw.storable import field_names, stored_class, stored_name

FORMAT = "1"  # version of the file format


def save_state(path: str | Path, kind: str, params: dict[str, Any], state: dict[str, Any]) -> None:
    """Write parameters and fitted state of an estimator of class name `kind`.

    Raises
    ------
    TypeError
        For a value that cannot be rebuilt without running code; the message names the value.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    header = {
        "format": FORMAT,
        "class": kind,
        "params": json.dumps(_encode(params, "params", arrays)),
        "state": json.dumps(_encode(state, "state", arrays)),
    }
    save_file(arrays, Path(path), metadata=header)


def load_state(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read parameters and fitted state that `save_state` wrote for the class `kind`.

    Raises
    ------
    ValueError
        For a file of another class or format, and for a damaged file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(Path(path), framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a file written by save(): {error}") from None
    if header.get("class") != kind or header.get("format") != FORMAT:
        raise ValueError(
            f"{path} holds a {header.get('class', 'foreign object')} in format "
            f"{header.get('format', 'unknown')}, expected a {kind} in format {FORMAT}."
        )
    try:
        params = _decode(json.loads(header["params"]), arrays)
        return params, _decode(json.loads(header["state"]), arrays)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, or was not written by save(): {error}") from None


def _encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
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
        return {"csr": [_encode(x, f"{name}.{i}", arrays) for i, x in enumerate(parts)]}
    if kind in (list, tuple):
        return {kind.__name__: [_encode(x, f"{name}.{i}", arrays) for i, x in enumerate(value)]}
    if kind is dict and all(isinstance(k, str) for k in value):
        return {"dict": {k: _encode(x, f"{name}.{k}", arrays) for k, x in value.items()}}
    stored_as = stored_name(kind)
    if stored_as is not None:
        fields = {f: getattr(value, f) for f in field_names(kind)}
        encoded = {f: _encode(x, f"{name}.{f}", arrays) for f, x in fields.items()}
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


def _decode(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Decode a JSON tree."""
    if not isinstance(tree, dict):
        return tree
    if "object" in tree:
        fields = {name: _decode(x, arrays) for name, x in tree["fields"].items()}
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
        return {name: _decode(x, arrays) for name, x in content.items()}
    if kind not in ("list", "tuple", "csr"):
        raise ValueError(f"a file cannot hold {kind!r}")
    items = [_decode(x, arrays) for x in content]
    if kind == "csr":
        data, indices, indptr, shape = items
        return sparse.csr_array((data, indices, indptr), shape=tuple(shape))
    return tuple(items) if kind == "tuple" else items
