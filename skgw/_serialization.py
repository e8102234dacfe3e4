"""Fitted state to a file and back, without pickle: arrays in safetensors, the rest in its header.

Only the classes in `CLASSES` are rebuilt, field by field; loading a file runs no code from it.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from skgw.coupling import Coupling
from skgw.nn import FittedGenerator, GeneratorSpec
from skgw.solvers.projection import Extension
from skgw.spaces import FeatureSpace, GeodesicSpace, GraphSpace, MatrixSpace

CLASSES = {
    cls.__name__: cls
    for cls in (
        Coupling, Extension, FeatureSpace, FittedGenerator, GeneratorSpec, GeodesicSpace,
        GraphSpace, MatrixSpace,
    )
}  # fmt: skip
FORMAT = "1"


def save_state(path: str | Path, kind: str, params: dict[str, Any], state: dict[str, Any]) -> None:
    """Write parameters and fitted state of an estimator of class name `kind`.

    Raises
    ------
    TypeError
        For something that cannot be rebuilt without running code, naming it.
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
    """Read what `save_state` wrote for the class `kind`: parameters and fitted state."""
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
    params = _decode(json.loads(header["params"]), arrays)
    return params, _decode(json.loads(header["state"]), arrays)


def _encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """A JSON tree; arrays are put aside under their path."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return _encode(value.item(), name, arrays)
    if isinstance(value, np.ndarray) and value.dtype.kind in "US":
        return {"strings": value.tolist()}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, np.ndarray) and value.dtype == object:
        if all(isinstance(x, str) for x in value):  # feature names
            return {"strings": value.tolist()}
    elif isinstance(value, np.ndarray):
        arrays[name] = np.asarray(value, order="C")
        return {"array": name}
    if sparse.issparse(value):
        value = sparse.csr_array(value)
        parts = (value.data, value.indices, value.indptr, np.array(value.shape))
        return {"csr": [_encode(x, f"{name}.{i}", arrays) for i, x in enumerate(parts)]}
    if isinstance(value, (list, tuple)) and type(value).__name__ not in CLASSES:
        items = [_encode(x, f"{name}.{i}", arrays) for i, x in enumerate(value)]
        return {type(value).__name__: items}
    if isinstance(value, dict):
        return {"dict": {k: _encode(x, f"{name}.{k}", arrays) for k, x in value.items()}}
    if type(value).__name__ in CLASSES:
        fields = {f: getattr(value, f) for f in _field_names(type(value))}
        encoded = {f: _encode(x, f"{name}.{f}", arrays) for f, x in fields.items()}
        return {"object": type(value).__name__, "fields": encoded}
    raise TypeError(
        f"Cannot save {name}: a {type(value).__name__} cannot be rebuilt without running code. "
        "Use named metrics and networks, or pickle the estimator."
    )


def _decode(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "object" in tree:
        fields = {name: _decode(x, arrays) for name, x in tree["fields"].items()}
        return CLASSES[tree["object"]](**fields)
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays[content]
    if kind == "strings":
        return np.array(content, dtype=object)
    if kind == "path":
        return Path(content)
    if kind == "dict":
        return {name: _decode(x, arrays) for name, x in content.items()}
    items = [_decode(x, arrays) for x in content]
    if kind == "csr":
        data, indices, indptr, shape = items
        return sparse.csr_array((data, indices, indptr), shape=tuple(shape))
    return tuple(items) if kind == "tuple" else items


def _field_names(cls: type) -> list[str]:
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return list(cls._fields)  # type: ignore[attr-defined]
