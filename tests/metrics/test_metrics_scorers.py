import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw import GWGenerativeEmbedding
from skgw.metrics import distance_rank_correlation, gw_scorer, rank_correlation_scorer


class Scaled(BaseEstimator):
    """Returns the data, and samples them, at another scale."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        self.rows_ = self.factor * X
        return self

    def transform(self, X):
        return self.factor * X

    def sample(self, n_samples=1, *, random_state=None):
        return self.rows_[:n_samples]


@pytest.fixture
def X():
    return np.random.RandomState(0).standard_normal((90, 3)) * [3, 1, 0.3]


def test_the_scorer_correlates_held_out_pairs(X):
    pipeline = make_pipeline(StandardScaler(), PCA(1)).fit(X[:60])
    test = X[60:]
    expected = distance_rank_correlation(cdist(test, test), pipeline.transform(test))
    assert_allclose(rank_correlation_scorer(pipeline, test), expected)


def test_the_scorer_has_its_own_metric(X):
    pca = PCA(1).fit(X)
    expected = distance_rank_correlation(cdist(X, X, "chebyshev"), pca.transform(X))
    assert_allclose(rank_correlation_scorer(pca, X, metric="chebyshev"), expected)
    assert rank_correlation_scorer(pca, X) != expected


def test_rank_correlation_of_distances_runs_to_the_training_rows(X):
    D = cdist(X, X)
    embedding = GWGenerativeEmbedding(
        metric="precomputed", max_iter=20, n_generated=50, random_state=0
    )
    cv = KFold(2)
    scores = cross_val_score(embedding, D, scoring=rank_correlation_scorer, cv=cv)
    train, test = next(cv.split(D))
    embedding.fit(D[np.ix_(train, train)])
    block = D[np.ix_(test, train)]
    embedded = cdist(embedding.transform(block), embedding.embedding_)
    assert_allclose(scores[0], spearmanr(block.ravel(), embedded.ravel()).statistic)


def test_an_embedding_on_one_point_has_no_ranks(X):
    with pytest.raises(ValueError, match="no ranks"):
        rank_correlation_scorer(Scaled(0.0).fit(X), X)


def test_samples_that_are_the_data_score_zero(X):
    assert_allclose(gw_scorer(Scaled().fit(X), X), 0, atol=1e-4)
    # As in the closed form for a scaled copy: 2 (1 - factor)^2.
    assert_allclose(gw_scorer(Scaled(0.5).fit(X), X), -0.5, rtol=5e-3)


def test_a_search_prefers_samples_of_the_right_size(X):
    search = GridSearchCV(Scaled(), {"factor": [0.5, 1.0, 2.0]}, scoring=gw_scorer, cv=2).fit(X)
    assert search.best_params_ == {"factor": 1.0}
    again = GridSearchCV(Scaled(), {"factor": [0.5, 1.0, 2.0]}, scoring=gw_scorer, cv=2).fit(X)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], again.cv_results_["mean_test_score"]
    )


def test_sample_quality_needs_features():
    with pytest.raises(ValueError, match="gw_scorer needs features"):
        gw_scorer(GWGenerativeEmbedding(metric="precomputed"), np.ones((2, 3)))
