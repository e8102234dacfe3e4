"""Reading the second of two domains."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array
from torch import Tensor

from skgw._input import read_points
from skgw.domains import Domains
from skgw.exceptions import LabelsAsDomainWarning
from skgw.spaces import is_networkx
from skgw.spaces.finite import Metric


def split_domains(X: Any, y: Any, estimator: BaseEstimator) -> tuple[Any, Any]:
    """Both domains, from `Domains` in place of `X` or from `X` and `y`."""
    if isinstance(X, Domains):
        if y is not None:
            raise ValueError("X holds both domains already: leave y out.")
        return X.parts
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: it is "
            "the second domain. Or pass Domains(X, Y) as X."
        )
    return X, y


class SecondDomain(BaseEstimator):
    """Stands for the second domain where scikit-learn's validation counts columns."""

    n_features_in_: int

    def __init__(self, metric: Metric = "euclidean", edge_length: str = "hops") -> None:
        self.metric = metric
        self.edge_length = edge_length

    def read(self, y: Any, *, reset: bool) -> Any:
        """Validate as `read_points` does; what has one dimension is one feature."""
        y = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
        if not (sparse.issparse(y) or is_networkx(y)) and np.asarray(y).ndim == 1:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            if reset and y.dtype.kind in "biu":
                warnings.warn(
                    "y has one dimension and holds integers: is it labels? It is the second "
                    "domain, and taken as one feature. Reshape it if that is what you mean.",
                    LabelsAsDomainWarning,
                    stacklevel=6,
                )
            y = y.astype(np.float64).reshape(-1, 1)
            if reset and self.metric == "precomputed":
                self.metric = "euclidean"
        return read_points(self, y, metric=self.metric, edge_length=self.edge_length, reset=reset)
