"""Serialization of fitted state without pickle: arrays in safetensors, other values in the header.

Objects of classes marked as `storable` are rebuilt field by field. Loading a file runs no code from
the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from skgw.encoding import decode, encode

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
        "params": json.dumps(encode(params, "params", arrays)),
        "state": json.dumps(encode(state, "state", arrays)),
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
        params = decode(json.loads(header["params"]), arrays)
        return params, decode(json.loads(header["state"]), arrays)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, or was not written by save(): {error}") from None
