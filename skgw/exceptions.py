"""Warning categories, so that callers can filter the warnings of skgw."""

import contextlib
import contextvars
import inspect
import threading
import warnings
from collections.abc import Iterator

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AmbiguousMatchingWarning",
    "CheckpointWarning",
    "GWConvergenceWarning",
    "IgnoredWeightsWarning",
    "LabelsAsDomainWarning",
]

# Packages on the call stack between the user's line and the warning.
INTERMEDIATE_PACKAGES = {"skgw", "sklearn", "torch", "contextlib", "joblib"}

_left_out: contextvars.ContextVar[tuple[type[Warning], ...]] = contextvars.ContextVar(
    "categories of warnings that skgw leaves out", default=()
)
_filters = threading.RLock()  # for changes of the filters of `warnings`


class GWConvergenceWarning(ConvergenceWarning):
    """A solver stopped before it converged.

    The message names the budget that ran out. The category is a subclass of
    `sklearn.exceptions.ConvergenceWarning`, so that filters of scikit-learn apply.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skgw.solvers import solve_gromov
    >>> D = np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     result = solve_gromov(D, D**2, reg=1e-3, max_iter=1)
    >>> result.converged, caught[0].category.__name__
    (False, 'GWConvergenceWarning')
    """


class IgnoredWeightsWarning(UserWarning):
    """The edges of a networkx graph have weights that differ, and every edge has length 1.

    Weights are often similarities, so that ``edge_length="auto"`` ignores them.
    ``edge_length="weight"`` takes the weights as lengths, and ``edge_length="hops"`` says that they
    are ignored on purpose.

    Examples
    --------
    >>> import warnings
    >>> import networkx as nx
    >>> from skgw.spaces import graph_distances
    >>> graph = nx.Graph([(0, 1, {"weight": 1.0}), (1, 2, {"weight": 5.0})])
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     D = graph_distances(graph)
    >>> D[0], caught[0].category.__name__
    (array([0., 1., 2.]), 'IgnoredWeightsWarning')
    """


class LabelsAsDomainWarning(UserWarning):
    """The second domain looks like class labels of the first domain.

    Estimators of two domains take the second domain as `y`. They warn if `y` is a one-dimensional
    array of integers.

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_iris
    >>> from skgw import GWMatcher
    >>> X, labels = load_iris(return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     matcher = GWMatcher(metric="euclidean", random_state=0).fit(X[::5], labels[::5])
    >>> caught[0].category.__name__
    'LabelsAsDomainWarning'
    """


class AmbiguousMatchingWarning(UserWarning):
    """The matching of two domains may be wrong.

    The distances do not determine the matching, for instance if a domain is symmetric, or do not
    agree between the domains. Anchor pairs, passed as ``fit(X, y, pairs=...)``, select one of the
    matchings.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skgw import GWMatcher
    >>> square = np.stack(np.meshgrid(np.arange(7.0), np.arange(7.0)), axis=-1).reshape(-1, 2)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     matcher = GWMatcher(random_state=0).fit(square, square)
    >>> caught[0].category.__name__
    'AmbiguousMatchingWarning'
    """


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be used, and training begins anew.

    The message names the file and what is wrong: the file is damaged, belongs to another run or
    version, or its state does not fit.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skgw.training import Checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.safetensors"
    ...     _ = path.write_bytes(b"of another program")
    ...     with warnings.catch_warnings(record=True) as caught:
    ...         warnings.simplefilter("always")
    ...         restored = Checkpoint(path).restore(state=None)
    >>> restored, caught[0].category.__name__
    (False, 'CheckpointWarning')
    """


@contextlib.contextmanager
def without_warnings(category: type[Warning]) -> Iterator[None]:
    """Leave out the warnings of skgw of a category in the block, in this thread only.

    `warnings.catch_warnings` would replace the filters of all threads.
    """
    token = _left_out.set((*_left_out.get(), category))
    try:
        yield
    finally:
        _left_out.reset(token)


@contextlib.contextmanager
def without_foreign_warnings(category: type[Warning], module: str) -> Iterator[None]:
    """Leave out the warnings that a module of another package issues in the block.

    The filters belong to all threads, so that one thread at a time is in such a block.

    Parameters
    ----------
    category : type
        A subclass of `Warning`.
    module : str
        Regular expression for the beginning of the name of the module.
    """
    with _filters, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=category, module=module)
        yield


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the user's line, the innermost frame outside of `INTERMEDIATE_PACKAGES`.

    In a block of `without_warnings` nothing happens.

    Parameters
    ----------
    message : str
    category : type
        A subclass of `Warning`.
    """
    if issubclass(category, _left_out.get()):
        return
    level, frame = 1, inspect.currentframe()
    while frame is not None:
        package = frame.f_globals.get("__name__", "").split(".")[0]
        if package not in INTERMEDIATE_PACKAGES:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
