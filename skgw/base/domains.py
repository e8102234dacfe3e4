"""Domains: two unpaired data sets in one container that scikit-learn can split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, KFold
from sklearn.utils import check_random_state

from skgw.base.sklearn_compat import safe_indexing
from skgw.spaces.finite import Index


@dataclass(frozen=True, eq=False)
class Domains:
    """Two data sets without common rows or columns, as one set of ``n + m`` rows.

    The rows of `X` precede the rows of `Y`. Indexing by rows, as in
    `sklearn.model_selection.cross_validate`, `GridSearchCV` and `train_test_split`, selects rows of
    both data sets and returns `Domains`. Estimators of two domains accept `Domains` as `X`, with
    ``y=None``.

    Parameters
    ----------
    X : array of shape (n, p)
        The first domain: features or, if `precomputed`, distances. Data frames and sparse matrices
        are not converted.
    Y : array of shape (m, q)
        The second domain.
    precomputed : bool or (bool, bool), default=False
        Whether the columns of a domain correspond to its rows, so that a split selects rows and
        columns. If one metric of a pair is "precomputed", cross-validation needs that domain as
        `X`: scikit-learn reads the metric of the first domain.

    Attributes
    ----------
    parts : tuple
        `X` and `Y`.
    domain : array of int of shape (n + m,)
        0 for the rows of `X`, 1 for the rows of `Y`; for ``stratify=`` of `train_test_split`.
    shape : tuple of int
        ``(n + m, p + q)``, the shape of a block-diagonal matrix. If one domain holds distances, the
        other domain counts one column per row, because scikit-learn requires a square shape.

    Raises
    ------
    ValueError
        If a domain is not two-dimensional, or has no rows, as in a fold of an unshuffled `KFold`:
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
        """Both domains, `X` and `Y`."""
        return self.X, self.Y

    @property
    def domain(self) -> Index:
        """Position of the domain of each row, 0 or 1, (n + m,)."""
        return np.repeat([0, 1], [part.shape[0] for part in self.parts])

    @property
    def shape(self) -> tuple[int, int]:
        """Total numbers of rows and columns; features beside distances count one column per row."""
        return self.X.shape[0] + self.Y.shape[0], sum(self._columns)

    @property
    def _columns(self) -> tuple[int, int]:
        """Numbers of columns of the two domains in `shape`."""
        are_distances, no_distances = self._are_distances, not np.any(self.precomputed)
        p, q = (
            part.shape[1 if no_distances or distances else 0]
            for part, distances in zip(self.parts, are_distances, strict=True)
        )
        return p, q

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError(
            "Domains are two data sets and cannot become one array: only estimators of two domains "
            "accept Domains. Transform one domain by transformer_x or transformer_y, or by "
            "domains.map(f, g)."
        )

    def __repr__(self) -> str:
        return f"Domains(X of shape {self.X.shape}, Y of shape {self.Y.shape})"

    def __getitem__(self, key: Any) -> Domains:
        """Select rows, or rows and columns by `numpy.ix_`; the order within each domain is kept."""
        rows, columns = key if isinstance(key, tuple) else (key, Ellipsis)
        x_rows, y_rows = _split(rows, self.X.shape[0], len(self))
        if columns is Ellipsis:
            if np.any(self.precomputed):
                raise IndexError(
                    "A split of distances must select rows and columns. In cross-validation, the "
                    "metric of the first domain must be 'precomputed'. Instead of "
                    "train_test_split, split the positions of the rows and use "
                    "domains[np.ix_(train, train)] and domains[np.ix_(test, train)]."
                )
            return self._select((x_rows, y_rows))
        return self._select((x_rows, y_rows), _split(columns, self._columns[0], self.shape[1]))

    @property
    def _are_distances(self) -> Any:
        """Whether each domain holds distances, (2,)."""
        return np.broadcast_to(self.precomputed, 2)

    def _select(
        self, rows: tuple[Index, Index], columns: tuple[Index, Index] | None = None
    ) -> Domains:
        """Select rows of each domain, and columns of the domains that hold distances."""
        X, Y = (safe_indexing(part, i) for part, i in zip(self.parts, rows, strict=True))
        if columns is not None:
            x_distances, y_distances = self._are_distances
            X = safe_indexing(X, columns[0], axis=1) if x_distances else X
            Y = safe_indexing(Y, columns[1], axis=1) if y_distances else Y
        return Domains(X, Y, self.precomputed)

    def map(self, f: Callable[[Any], Any], g: Callable[[Any], Any]) -> Domains:
        """Apply a function to each domain.

        Parameters
        ----------
        f, g : callable
            Functions of the first and of the second domain. They return arrays.

        Returns
        -------
        Domains
            With the same `precomputed`.
        """
        return Domains(f(self.X), g(self.Y), self.precomputed)


def _split(key: Any, n: int, total: int) -> tuple[Index, Index]:
    """Split the positions that `key` selects of `total` into positions below `n` and the rest."""
    selected = np.arange(total)[np.ravel(key) if isinstance(key, np.ndarray) else key]
    selected = np.atleast_1d(selected)
    return selected[selected < n], selected[selected >= n] - n


class DomainKFold(BaseCrossValidator):
    """K-fold cross-validation of `Domains`: each fold holds rows of both domains.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.
    shuffle : bool, default=False
        Whether to shuffle the rows of each domain, independently of the other domain.
    random_state : int, RandomState or None, default=None
        Source of the shuffling.

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
        """Number of folds.

        Parameters
        ----------
        X, y, groups : None
            Ignored.

        Returns
        -------
        int
        """
        return self.n_splits

    def split(self, X: Domains, y: Any = None, groups: Any = None) -> Iterator[tuple[Index, Index]]:
        """Split the rows of both domains into training rows and test rows, fold by fold.

        Parameters
        ----------
        X : Domains
        y, groups : None
            Ignored.

        Yields
        ------
        train, test : array of int
            Positions among the ``n + m`` rows.
        """
        if not isinstance(X, Domains):
            raise TypeError(f"DomainKFold splits skgw.Domains, got {type(X).__name__}.")
        rng = check_random_state(self.random_state) if self.shuffle else None
        folds = KFold(self.n_splits, shuffle=self.shuffle, random_state=rng)
        rows = [np.flatnonzero(X.domain == d) for d in (0, 1)]
        for x_fold, y_fold in zip(*(folds.split(i) for i in rows), strict=True):
            train, test = (
                np.concatenate([rows[0][i], rows[1][j]])
                for i, j in zip(x_fold, y_fold, strict=True)
            )
            yield train, test
