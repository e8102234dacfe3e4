"""Scorers of fitted estimators on held-out rows, for ``scoring=`` of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.utils import get_tags

from ._checks import float_matrix, power_of_two
from .embedding import rank_correlation
from .gromov import Metric, feature_distances, gw_discrepancy


def rank_correlation_scorer(
    estimator: Any, X: ArrayLike, y: Any = None, *, metric: Metric = "euclidean"
) -> float:
    """Spearman correlation of distances of held-out rows with distances of their embedding.

    Pass it as ``scoring=`` to `sklearn.model_selection.GridSearchCV` or another search. The metric
    belongs to the scorer, not to the estimator: so it compares estimators that were fitted with
    different metrics, and pipelines that scale. For another metric pass
    ``functools.partial(rank_correlation_scorer, metric="cityblock")``.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with `transform`; if it takes distances, also with `embedding_`.
    X : array-like of shape (n_rows, n_features), or (n_rows, n_train)
        Held-out rows; for an estimator that takes distances, their distances to its training rows.
    y : None
        Ignored.
    metric : str or callable, default="euclidean"
        A metric of `sklearn.metrics.pairwise_distances`; unused for distances.

    Returns
    -------
    score : float
        Between -1 and 1, higher is better. It includes all pairs of held-out rows for features, and
        all pairs of a held-out and a training row for distances.

    Raises
    ------
    ValueError
        If all given or all embedded distances are equal, or there is only one distance.

    See Also
    --------
    distance_rank_correlation : The measure, for arrays.

    References
    ----------
    .. [1] :cite:t:`spearman1904`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skgw.metrics import rank_correlation_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> grid = {"n_components": [1, 2, 3]}
    >>> search = GridSearchCV(PCA(), grid, scoring=rank_correlation_scorer).fit(X)
    >>> search.best_params_
    {'n_components': 3}
    """
    embedding = np.asarray(estimator.transform(X), dtype=np.float64)
    unit = power_of_two(embedding)
    if get_tags(estimator).input_tags.pairwise:
        given, embedded = float_matrix(X, "X"), cdist(embedding / unit, estimator.embedding_ / unit)
        return rank_correlation(given.ravel(), embedded.ravel())
    given = feature_distances(float_matrix(X, "X"), metric)
    return rank_correlation(squareform(given, checks=False), pdist(embedding / unit))


def gw_scorer(
    estimator: Any,
    X: ArrayLike,
    y: Any = None,
    *,
    metric: Metric = "euclidean",
    epsilon: float = 5e-3,
    sample_size: int = 500,
    random_state: int | np.random.RandomState | None = 0,
) -> float:
    """Minus the Gromov-Wasserstein discrepancy between held-out rows and generated samples.

    Pass it as ``scoring=`` to `sklearn.model_selection.GridSearchCV` or another search, with other
    settings by `functools.partial`. Data and samples may live in different spaces. The estimator's
    own ``score`` measures the embedded rows, this scorer measures the samples.

    Parameters
    ----------
    estimator : estimator instance
        Fitted to features, with `sample`.
    X : array-like of shape (n_rows, n_features)
        Held-out rows; their distances have the unit of the samples' distances.
    y : None
        Ignored.
    metric : str or callable, default="euclidean"
        Metric of the held-out rows, one of `sklearn.metrics.pairwise_distances`. The metric of the
        samples is Euclidean.
    epsilon : float, default=5e-3
        Entropic regularisation of the scorer, relative to the mean squared distance in `X`; it does
        not depend on the estimator.
    sample_size : int, default=500
        Number of samples, and of held-out rows at most.
    random_state : int, RandomState instance or None, default=0
        Draws samples and rows; fixed, so that all candidates of a search have the same draws.

    Returns
    -------
    score : float
        Higher is better; 0 for samples that are isometric to the rows, about -2 if all samples
        are one point.

    Raises
    ------
    ValueError
        If the estimator takes distances: distances between held-out rows are then unknown.

    See Also
    --------
    gw_discrepancy : The measure, for arrays.

    References
    ----------
    .. [1] :cite:t:`bunne_short`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from skgw import GWGenerativeEmbedding
    >>> from skgw.metrics import gw_scorer
    >>> X = np.random.default_rng(0).normal(size=(200, 3)) * [3, 1, 0.1]
    >>> embedding = GWGenerativeEmbedding(max_iter=50, n_generated=100, random_state=0)
    >>> scores = cross_val_score(embedding, X, scoring=gw_scorer, cv=2)
    >>> bool(scores.min() > -0.3)
    True
    """
    if get_tags(estimator).input_tags.pairwise:
        raise ValueError(
            "gw_scorer needs features: cross-validation hands out the distances from held-out to "
            "training rows only. Use the estimator's score, or rank_correlation_scorer."
        )
    samples = estimator.sample(sample_size, random_state=random_state)
    return -gw_discrepancy(
        X,
        samples,
        metric=(metric, "euclidean"),
        epsilon=epsilon,
        sample_size=sample_size,
        random_state=random_state,
    )
