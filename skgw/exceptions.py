"""Warning categories, so that callers can filter the warnings of skgw."""

import inspect
import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "AmbiguousMatchingWarning",
    "CheckpointWarning",
    "GWConvergenceWarning",
    "LabelsAsDomainWarning",
]

# Packages on the call stack between the user's line and the warning.
INTERMEDIATE_PACKAGES = {"skgw", "sklearn", "torch", "contextlib", "joblib"}


class GWConvergenceWarning(ConvergenceWarning):
    """A Gromov-Wasserstein solver stopped before it converged.

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
    """Several different matchings of the two domains have nearly the same cost.

    The distances do not determine the matching, for instance if a domain is symmetric. Anchor
    pairs, passed as ``fit(X, y, pairs=...)``, select one of the matchings.

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


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the user's line, the innermost frame outside of `INTERMEDIATE_PACKAGES`.

    Parameters
    ----------
    message : str
    category : type
        A subclass of `Warning`.
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None:
        package = frame.f_globals.get("__name__", "").split(".")[0]
        if package not in INTERMEDIATE_PACKAGES:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
