"""Domains: two unpaired data sets as one thing that scikit-learn can split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold
from sklearn.utils import check_random_state

from skgw.base.sklearn_compat import safe_indexing

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Domains:
    """Two data sets without common rows or columns, seen as one set of ``n + m`` rows.

    The rows of `X` come first, those of `Y` after them. Whatever selects rows, as
    `sklearn.model_selection.cross_validate`, `GridSearchCV` and `train_test_split` do, selects
    rows of both and gives `Domains` again. Estimators of two domains take it in place of `X`, with
    ``y=None``.

    Parameters
    ----------
    X : array of shape (n, p)
        The first domain: features or, if `precomputed`, distances. Data frames and sparse matrices
        are kept as they are.
    Y : array of shape (m, q)
        The second.
    precomputed : bool or (bool, bool)
        Whether the columns of a domain are its own rows, so that a split has to select both. For
        searches over a pair of metrics of which one is "precomputed", that domain has to be `X`:
        scikit-learn looks at the first.

    Attributes
    ----------
    parts : tuple
        `X` and `Y`.
    domain : array of shape (n + m,)
        0 for the rows of `X`, 1 for those of `Y`; ``stratify=`` of `train_test_split`.
    shape : tuple of int
        ``(n + m, p + q)``: that of a block-diagonal matrix. Beside distances, features count as
        square: scikit-learn asks for that.

    Raises
    ------
    ValueError
        If a domain is no table, or has no rows, as in the folds of a `KFold` that does not shuffle:
        use `DomainKFold`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import train_test_split
    >>> from skgw import Domains
    >>> both = Domains(np.zeros((6, 2)), np.ones((4, 3)))
    >>> train, test = train_test_split(both, stratify=both.domain, random_state=0, test_size=0.5)
    >>> [part.shape for part in test.parts]
    [(3, 2), (2, 3)]
    """

    X: Any
    Y: Any
    precomputed: bool | tuple[bool, bool] = False

    def __post_init__(self) -> None:
        for name, part in zip("XY", self.parts, strict=True):
            shape: tuple[int, ...] = getattr(part, "shape", ())
            if len(shape) != 2:
                raise ValueError(f"{name} must be a two-dimensional array or a data frame.")
            if shape[0] == 0:
                raise ValueError(
                    f"No rows of {name}: split with cv=DomainKFold() or stratify=domains.domain, "
                    "which take rows of both domains."
                )

    @property
    def parts(self) -> tuple[Any, Any]:
        """Both domains."""
        return self.X, self.Y

    @property
    def domain(self) -> NDArray[np.int64]:
        """Which domain each row is of, (n + m,)."""
        return np.repeat([0, 1], [part.shape[0] for part in self.parts])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of both together; of features beside distances, one for each row."""
        return self.X.shape[0] + self.Y.shape[0], sum(self._columns)

    @property
    def _columns(self) -> tuple[int, int]:
        """How many columns of the whole are of either domain."""
        given, whole = np.broadcast_to(self.precomputed, 2), not np.any(self.precomputed)
        p, q = (
            part.shape[1 if whole or distances else 0]
            for part, distances in zip(self.parts, given, strict=True)
        )
        return p, q

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError(
            "Domains are two data sets, and no array: only estimators of two domains take them. "
            "What is to be done to one domain first goes into its transformer_x or transformer_y, "
            "or into domains.map(f, g)."
        )

    def __repr__(self) -> str:
        return f"Domains(X of shape {self.X.shape}, Y of shape {self.Y.shape})"

    def __getitem__(self, key: Any) -> Domains:
        """Rows, or by `numpy.ix_` rows and columns; in the order given, within each domain."""
        rows, columns = key if isinstance(key, tuple) else (key, Ellipsis)
        x_rows, y_rows = _split(rows, self.X.shape[0], len(self))
        if columns is Ellipsis:
            if np.any(self.precomputed):
                raise IndexError(
                    "Rows of distances lose their columns in a split. In cross-validation the "
                    "metric of the first domain must be 'precomputed', for scikit-learn to select "
                    "both. In place of train_test_split, split positions, and take "
                    "domains[np.ix_(train, train)] and domains[np.ix_(test, train)]."
                )
            return self._select((x_rows, y_rows))
        return self._select((x_rows, y_rows), _split(columns, self._columns[0], self.shape[1]))

    def _select(
        self, rows: tuple[Index, Index], columns: tuple[Index, Index] | None = None
    ) -> Domains:
        X, Y = (safe_indexing(part, i) for part, i in zip(self.parts, rows, strict=True))
        if columns is not None:
            given = np.broadcast_to(self.precomputed, 2)
            X = safe_indexing(X, columns[0], axis=1) if given[0] else X
            Y = safe_indexing(Y, columns[1], axis=1) if given[1] else Y
        return Domains(X, Y, self.precomputed)

    def map(self, f: Callable[[Any], Any], g: Callable[[Any], Any]) -> Domains:
        """Apply `f` to the first domain and `g` to the second."""
        return Domains(f(self.X), g(self.Y), self.precomputed)


def _split(key: Any, n: int, total: int) -> tuple[Index, Index]:
    """Positions below and above `n` of those that `key` selects of `total`."""
    selected = np.arange(total)[np.ravel(key) if isinstance(key, np.ndarray) else key]
    selected = np.atleast_1d(selected)
    return selected[selected < n], selected[selected >= n] - n


class DomainKFold(BaseCrossValidator):
    """K-fold splits of `Domains`: each fold holds a part of either domain.

    Parameters
    ----------
    n_splits : int
    shuffle : bool
        Whether to shuffle the rows of each domain first, independently.
    random_state : int, RandomState or None
        Of the shuffling.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import DomainKFold, Domains
    >>> both = Domains(np.zeros((6, 2)), np.zeros((3, 1)))
    >>> [test.tolist() for _, test in DomainKFold(n_splits=3).split(both)]
    [[0, 1, 6], [2, 3, 7], [4, 5, 8]]
    """

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: Any = None
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds."""
        return self.n_splits

    def split(self, X: Domains, y: Any = None, groups: Any = None) -> Iterator[tuple[Index, Index]]:
        """Positions of the rows to fit on and of those held out.

        Parameters
        ----------
        X : Domains
        y, groups : None
            Ignored.

        Yields
        ------
        train, test : arrays of int
        """
        if not isinstance(X, Domains):
            raise TypeError(f"DomainKFold splits skgw.Domains, got {type(X).__name__}.")
        rng = check_random_state(self.random_state) if self.shuffle else None
        folds = KFold(self.n_splits, shuffle=self.shuffle, random_state=rng)
        rows = [np.flatnonzero(X.domain == d) for d in (0, 1)]
        for of_x, of_y in zip(*(folds.split(i) for i in rows), strict=True):
            train, test = (
                np.concatenate([rows[0][i], rows[1][j]]) for i, j in zip(of_x, of_y, strict=True)
            )
            yield train, test
