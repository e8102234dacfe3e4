"""Domains in splits and searches of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw import DomainKFold, Domains

X = np.arange(20.0).reshape(10, 2)
Y = -np.arange(18.0).reshape(6, 3)


class Recorder(BaseEstimator):
    """Scores with the number of rows of X, and remembers what it was fitted to."""

    def __init__(self, metric="euclidean", factor=1.0):
        self.metric = metric
        self.factor = factor

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    def fit(self, X, y=None):
        self.fitted_ = X
        return self

    def score(self, X, y=None):
        self.scored_ = X
        return self.factor * X.X.shape[0]


def distances(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def test_the_rows_of_x_precede_the_rows_of_y():
    both = Domains(X, Y)
    assert len(both) == 16
    assert both.shape == (16, 5)
    np.testing.assert_array_equal(both.domain, [0] * 10 + [1] * 6)
    some = both[np.array([12, 0, 15, 3])]
    np.testing.assert_array_equal(some.X, X[[0, 3]])
    np.testing.assert_array_equal(some.Y, Y[[2, 5]])


@pytest.mark.parametrize("key", [slice(8, 12), np.arange(16) // 4 == 2, [8, 9, 10, 11]])
def test_any_kind_of_index_selects_rows(key):
    some = Domains(X, Y)[key]
    np.testing.assert_array_equal(some.X, X[8:])
    np.testing.assert_array_equal(some.Y, Y[:2])


def test_data_frames_and_sparse_matrices_stay_what_they_are():
    frame = pd.DataFrame(X, columns=["a", "b"])
    some = Domains(frame, sparse.csr_array(Y))[[2, 11]]
    assert list(some.X.columns) == ["a", "b"]
    assert sparse.issparse(some.Y)
    np.testing.assert_array_equal(some.Y.toarray(), Y[[1]])


def test_rows_and_columns_of_distances_are_selected_together():
    A, B = distances(X), distances(Y)
    rows, columns = np.array([1, 14]), np.array([0, 2, 11, 12, 13])
    some = Domains(A, B, precomputed=True)[np.ix_(rows, columns)]
    np.testing.assert_array_equal(some.X, A[np.ix_([1], [0, 2])])
    np.testing.assert_array_equal(some.Y, B[np.ix_([4], [1, 2, 3])])
    assert some.shape == (2, 5)


def test_features_beside_distances_keep_their_columns():
    some = Domains(distances(X), Y[:, :3], precomputed=(True, False))
    some = some[np.ix_([0, 1, 10], [0, 1, 10])]
    assert some.X.shape == (2, 2)
    assert some.Y.shape == (1, 3)


def test_distances_beside_features_are_cross_validated():
    both = Domains(distances(X), Y, precomputed=(True, False))
    assert both.shape == (16, 16)  # square, as scikit-learn asks for
    estimator = Recorder(metric="precomputed")
    results = cross_validate(estimator, both, cv=DomainKFold(2), return_estimator=True)
    first = results["estimator"][0]
    np.testing.assert_array_equal(first.scored_.X, distances(X)[:5, 5:])
    np.testing.assert_array_equal(first.fitted_.Y, Y[3:])


def test_estimators_of_one_domain_get_no_array():
    with pytest.raises(TypeError, match=r"two data sets.*domains\.map"):
        make_pipeline(StandardScaler(), Recorder()).fit(Domains(X, Y))


def test_distances_are_not_split_by_rows_alone():
    with pytest.raises(IndexError, match="must be 'precomputed'"):
        Domains(X, distances(Y), precomputed=(False, True))[[0, 12]]


def test_map_treats_each_domain_in_its_own_way():
    both = Domains(X, Y).map(lambda x: 2 * x, lambda y: y[:, :1])
    np.testing.assert_array_equal(both.X, 2 * X)
    assert both.Y.shape == (6, 1)


def test_a_domain_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"No rows of Y: split with cv=DomainKFold\(\)"):
        Domains(X, Y)[:10]


@pytest.mark.parametrize("part", [Y[0], Y.tolist()])
def test_a_domain_must_be_a_table(part):
    with pytest.raises(ValueError, match="Y must be a two-dimensional array"):
        Domains(X, part)


def test_train_test_split_can_be_stratified_by_domain():
    both = Domains(X, Y)
    train, test = train_test_split(both, stratify=both.domain, test_size=0.5, random_state=0)
    assert train.X.shape == test.X.shape == (5, 2)
    assert train.Y.shape == test.Y.shape == (3, 3)
    np.testing.assert_array_equal(np.sort(np.vstack([train.X, test.X]), 0), X)


@pytest.mark.parametrize("shuffle", [False, True])
def test_folds_hold_a_part_of_either_domain_and_cover_both(shuffle):
    both = Domains(X, Y)
    folds = DomainKFold(3, shuffle=shuffle, random_state=0 if shuffle else None)
    assert folds.get_n_splits(both) == 3
    held_out = []
    for train, test in folds.split(both):
        assert both.domain[test].tolist() in ([0] * 4 + [1] * 2, [0] * 3 + [1] * 2)
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(16))
        held_out.extend(test)
    np.testing.assert_array_equal(np.sort(held_out), np.arange(16))


def test_equal_domains_are_not_shuffled_alike():
    """Row i of one domain may be the same object as row i of the other, which must not be used."""
    both = Domains(np.zeros((20, 1)), np.zeros((20, 1)))
    _, test = next(DomainKFold(2, shuffle=True, random_state=0).split(both))
    assert set(test[:10]) != set(test[10:] - 20)


def test_only_domains_are_split_by_domain():
    with pytest.raises(TypeError, match=r"splits skgw\.Domains, got ndarray"):
        next(DomainKFold().split(X))


def test_cross_validation_hands_out_both_domains():
    results = cross_validate(Recorder(), Domains(X, Y), cv=DomainKFold(2), return_estimator=True)
    assert results["test_score"].tolist() == [5, 5]
    fitted = results["estimator"][0].fitted_
    np.testing.assert_array_equal(fitted.X, X[5:])
    np.testing.assert_array_equal(fitted.Y, Y[3:])


def test_cross_validation_of_distances_scores_held_out_against_training_rows():
    both = Domains(distances(X), distances(Y), precomputed=True)
    estimator = Recorder(metric="precomputed")
    results = cross_validate(estimator, both, cv=DomainKFold(5), return_estimator=True)
    first = results["estimator"][0]
    assert first.fitted_.X.shape == (8, 8)
    assert first.fitted_.Y.shape == (4, 4)
    np.testing.assert_array_equal(first.scored_.Y, distances(Y)[:2, 2:])


def test_grid_search_works_through_a_pipeline():
    pipeline = make_pipeline("passthrough", Recorder())
    search = GridSearchCV(pipeline, {"recorder__factor": [1.0, 3.0]}, cv=DomainKFold(2))
    assert search.fit(Domains(X, Y)).best_params_ == {"recorder__factor": 3.0}
