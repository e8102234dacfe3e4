"""Names of rows and columns in the output of estimators of two domains."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skgw.base.sklearn_compat import as_data_frame, gives_data_frames
from skgw.base.two_domains import row_names
from skgw.spaces import is_networkx
from skgw.spaces.finite import Array, Index
from skgw.spaces.node_names import new_nodes

NODE_NAMES = ("node_names_", "node_names_y_")  # of both domains
COLUMN_NAMES = ("feature_names_in_", "feature_names_y_in_")
ROW_NAMES = ("row_names_in_", "row_names_y_in_")


def keep_row_names(estimator: BaseEstimator, names: tuple[Any, Any]) -> None:
    """Keep the names of the training rows of domains whose names are all strings."""
    for attribute, names_of_domain in zip(ROW_NAMES, names, strict=True):
        vars(estimator).pop(attribute, None)
        if names_of_domain is not None and all(isinstance(x, str) for x in names_of_domain):
            setattr(estimator, attribute, np.array(names_of_domain, dtype=object))


def name_matches(estimator: BaseEstimator, matches: Index, y: Any, domain: int) -> Array:
    """Names of matched rows of a domain, 0 or 1; None for -1.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted to named rows.
    matches : array of int of shape (b,)
        Positions in `y`, or among the training rows.
    y : data frame, graph or None
        Candidates; None for the training rows.
    domain : int

    Raises
    ------
    ValueError
        If the rows have no names.
    """
    nodes = getattr(estimator, NODE_NAMES[domain], None)
    if y is None:
        names = getattr(estimator, ROW_NAMES[domain], None) if nodes is None else nodes
    else:
        names = _names_of_new(y, nodes)
    if names is None:
        raise ValueError(
            f"The rows of domain {'xy'[domain]!r} have no names: return_names needs a data frame "
            "with strings as its index, or a networkx graph, in the place of these rows."
        )
    named = np.empty(len(matches), dtype=object)
    named[:] = [None if k < 0 else names[k] for k in matches]
    return named


def with_names(estimator: BaseEstimator, rows: Array, X: Any, source: int) -> Any:
    """Translations of rows `X` of a domain, 0 or 1, as the data frame that `set_output` asks for.

    The frame has the index of `X` and the columns of the other domain. Without `set_output` the
    rows are returned as they are.
    """
    if not gives_data_frames(estimator):
        return rows
    columns = getattr(estimator, COLUMN_NAMES[1 - source], None)
    if columns is None and (nodes := getattr(estimator, NODE_NAMES[1 - source], None)):
        columns = [str(name) for name in nodes]
    frame = as_data_frame(estimator, rows, X, columns)
    if is_networkx(X) and gives_data_frames(estimator, "pandas"):
        frame.index = _names_of_new(X, getattr(estimator, NODE_NAMES[source], None))
    return frame


def _names_of_new(X: Any, training_nodes: list[Any] | None) -> Any:
    """Names of given rows, in the order in which methods read them; None without names."""
    if is_networkx(X):
        return new_nodes(X, training_nodes or [])
    return row_names(X)[0]
