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

from skgw._translator import RowMap, Translator
from skgw.alignment import Correspondence, ReferenceDomain
from skgw.alignment.code_map import CodeMap
from skgw.alignment.partners import Partners
from skgw.alignment.principal import PrincipalAxes
from skgw.coupling import Coupling
from skgw.nn import AutoencoderSpec, FittedNetwork, GeneratorSpec
from skgw.nn.coding import CodedDomain, NormalMixture, Unit
from skgw.nn.residual import ResidualSpec
from skgw.solvers import LazyPlan
from skgw.solvers.projection import Extension
from skgw.spaces import FeatureSpace, GeodesicSpace, GraphSpace, MatrixSpace
from skgw.spaces.composed import ConsensusSpace, Preparation, PreparedSpace, SaturatedSpace

CLASSES = {
    cls.__name__: cls
    for cls in (
        AutoencoderSpec, CodedDomain, CodeMap, ConsensusSpace, Correspondence, Coupling,
        Extension, FeatureSpace, FittedNetwork, GeneratorSpec, GeodesicSpace, GraphSpace, LazyPlan,
        MatrixSpace, NormalMixture, Partners, Preparation, PreparedSpace, PrincipalAxes,
        ReferenceDomain, ResidualSpec, RowMap, SaturatedSpace, Translator, Unit,
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
    kind = type(value)  # exactly: subclasses, such as named tuples and enums, would become plain
    if value is None or kind in (bool, int, float, str):
        return value
    if isinstance(value, Path):
        return {"path": str(value)}
    if kind is np.str_:
        return str(value)
    if isinstance(value, np.generic) and _is_numeric(value.dtype):
        return {"scalar": _put_aside(np.asarray(value), name, arrays)}
    if kind in (np.ndarray, np.memmap):
        if _is_numeric(value.dtype):
            return {"array": _put_aside(value, name, arrays)}
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
    if kind in CLASSES.values():
        fields = {f: getattr(value, f) for f in _field_names(kind)}
        encoded = {f: _encode(x, f"{name}.{f}", arrays) for f, x in fields.items()}
        return {"object": kind.__name__, "fields": encoded}
    raise TypeError(
        f"Cannot save {name}: a {kind.__name__} cannot be rebuilt without running code. "
        "Use plain values, arrays of numbers, dicts with string keys, named metrics and networks, "
        "or pickle the estimator."
    )


def _is_numeric(dtype: np.dtype) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8  # what safetensors can hold


def _put_aside(array: np.ndarray, name: str, arrays: dict[str, np.ndarray]) -> str:
    """Add to `arrays`, and return the name: numbered, as a key of a dict may contain dots."""
    unique = f"{len(arrays)}.{name}"
    arrays[unique] = np.asarray(array, order="C")
    return unique


def _decode(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "object" in tree:
        fields = {name: _decode(x, arrays) for name, x in tree["fields"].items()}
        return CLASSES[tree["object"]](**fields)
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
    items = [_decode(x, arrays) for x in content]
    if kind == "csr":
        data, indices, indptr, shape = items
        return sparse.csr_array((data, indices, indptr), shape=tuple(shape))
    return tuple(items) if kind == "tuple" else items


def _field_names(cls: type) -> list[str]:
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return list(cls._fields)  # type: ignore[attr-defined]
