"""Serialization of parameters and fitted state without pickle.

Loading a file runs no code from the file. Objects of classes marked as `storable` are rebuilt field
by field, and are checked as any object of these classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skgw.encoding import decode, encode
from skgw.files import errors_name, read_file, shortened

FORMAT = "2"  # version of the content of a file


def encode_state(
    kind: str, params: dict[str, Any], state: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Encode parameters and fitted state of an estimator of class name `kind`.

    Returns
    -------
    header, arrays : dict
        Content for `skgw.files.write_file`.

    Raises
    ------
    TypeError
        For a value that cannot be rebuilt without running code; the message names the value.
    """
    arrays: dict[str, np.ndarray] = {}
    header = {
        "format": FORMAT,
        "class": kind,
        "params": encode(params, "params", arrays),
        "state": encode(state, "state", arrays),
    }
    return header, arrays


def load_state(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read parameters and fitted state of a file of the content of `encode_state`.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        For a file of another class or format, and for a damaged file; the message names the file.
    """
    header, arrays = read_file(path)
    if header.get("class") != kind or header.get("format") != FORMAT:
        raise ValueError(
            f"{path} holds a {shortened(header.get('class', 'foreign object'))} in format "
            f"{shortened(header.get('format', 'unknown'))}, expected a {kind} in format {FORMAT}."
        )
    with errors_name(path):
        params, state = decode(header["params"], arrays), decode(header["state"], arrays)
        if arrays:
            raise ValueError(f"nothing names the array {shortened(min(arrays))}")
        if not isinstance(params, dict) or not isinstance(state, dict):
            raise TypeError("parameters and state must be dictionaries")
    return params, state
