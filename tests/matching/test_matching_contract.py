"""The contract beyond scikit-learn's own checks: kinds of input, splits, searches, files."""

import copy
import pickle
import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw import DomainKFold, Domains, GWMatcher
from skgw.base.serialization import encode_state, load_state
from skgw.exceptions import AmbiguousMatchingWarning, LabelsAsDomainWarning
from skgw.files import write_file

pytestmark = pytest.mark.filterwarnings(
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"  # of small folds
)


@pytest.fixture
def both(copies):
    return Domains(copies.X, copies.Y[:50])


def test_domains_are_the_same_as_two_arguments(quick, both):
    by_object, by_pair = quick().fit(both), quick().fit(both.X, both.Y)
    assert_array_equal(np.asarray(by_object.plan_), np.asarray(by_pair.plan_))
    assert by_object.score(both) == by_pair.score(both.X, both.Y)
    assert by_object.plan_.shape == (60, 50)
    assert (by_object.n_features_in_, by_object.n_features_y_in_) == (3, 5)


def test_the_second_domain_must_be_given_once(quick, both):
    with pytest.raises(ValueError, match="requires y to be passed"):
        quick().fit(both.X)
    with pytest.raises(ValueError, match="both domains already"):
        quick().fit(both, both.Y)


def test_cross_validation_with_different_lengths(quick, both):
    scores = cross_validate(quick(), both, cv=DomainKFold(3), return_train_score=True)
    assert len(scores["test_score"]) == 3
    assert (scores["test_score"] > -0.6).all()
    assert scores["train_score"].mean() > scores["test_score"].mean()


def test_distances_are_cross_validated(quick, both):
    distances = Domains(*(pairwise_distances(Z) for Z in both.parts), precomputed=True)
    by_distances = cross_validate(quick(metric="precomputed"), distances, cv=DomainKFold(3))
    by_points = cross_validate(quick(), both, cv=DomainKFold(3))
    assert_allclose(by_distances["test_score"], by_points["test_score"], rtol=1e-3)


def test_a_search_prefers_what_distorts_less(quick, both):
    grid = {"epsilon": [5e-3, 0.5], "transformer_x": [None, PCA(1)]}
    search = GridSearchCV(quick(), grid, cv=DomainKFold(2)).fit(both)
    assert search.best_params_ == {"epsilon": 5e-3, "transformer_x": None}
    assert search.best_estimator_.match(both.X[:3]).shape == (3,)


def test_parts_of_domains_are_trained_on(quick, both):
    train, test = train_test_split(both, stratify=both.domain, random_state=0)
    matcher = quick().fit(train)
    assert matcher.plan_.shape == (45, 37)
    assert matcher.translate(test.X).shape == (15, 5)
    assert -0.5 < matcher.score(test) < 0


def test_transformers_see_features_and_translation_undoes_nothing(quick, copies):
    warped = copies.Y * [1, 100, 1, 1, 1]
    scaler = StandardScaler(with_mean=False)
    scaler.fit(warped)
    matcher = quick(transformer_y=scaler).fit(copies.X, warped)
    assert matcher.transformer_y_ is not scaler
    assert matcher.transformer_x_ is None
    translated = matcher.translate(copies.X)
    assert warped.min(0) == pytest.approx(translated.min(0), rel=0.5, abs=1)  # its own units
    same = quick().fit(copies.X, scaler.transform(warped))
    assert_array_equal(matcher.match(), same.match())
    D = pairwise_distances(copies.X)
    with pytest.raises(ValueError, match="transformer_x transforms features"):
        quick(metric="precomputed", transformer_x=scaler).fit(D, D)


def test_tensors_in_tensors_out(quick, copies):
    X, Y = torch.tensor(copies.X), torch.tensor(copies.Y)
    matcher, arrays = quick().fit(X, Y), quick().fit(copies.X, copies.Y)
    translated = matcher.translate(X)
    assert isinstance(translated, torch.Tensor)
    assert_array_equal(translated.numpy(), arrays.translate(copies.X))
    assert_array_equal(matcher.match(X, Y).numpy(), arrays.match(copies.X, copies.Y))
    assert matcher.score(X, Y) == arrays.score(copies.X, copies.Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_keep_their_dtype(quick, copies, dtype):
    matcher = quick().fit(copies.X.astype(dtype), copies.Y.astype(dtype))
    assert matcher.translate(copies.X.astype(dtype)).dtype == dtype


def test_data_frames_and_pipelines(quick, copies):
    X = pd.DataFrame(copies.X, columns=list("abc"))
    pipeline = make_pipeline(StandardScaler(), quick(transformer_y=StandardScaler()))
    pipeline.fit(X, pd.DataFrame(copies.Y[:40]))
    assert pipeline[-1].plan_.shape == (60, 40)
    assert isinstance(pipeline.score(X, copies.Y), float)
    assert_array_equal(quick().fit(X, copies.Y).feature_names_in_, list("abc"))


def test_names_of_the_second_domain_are_kept(quick, copies, tmp_path):
    Y = pd.DataFrame(copies.Y, columns=list("abcde"))
    matcher = quick().fit(copies.X, Y)
    matcher.save(tmp_path / "matcher.safetensors")
    for known in (matcher, GWMatcher.load(tmp_path / "matcher.safetensors")):
        assert_array_equal(known.feature_names_y_in_, list("abcde"))
        known.translate(Y, domain="y")  # no warning about names
        with pytest.raises(ValueError, match="feature names should match"):
            known.translate(Y[list("edcba")], domain="y")
    assert not hasattr(matcher.fit(copies.X, copies.Y), "feature_names_y_in_")


@pytest.fixture
def named(copies):
    """Both domains as data frames with names of rows and columns."""
    X = pd.DataFrame(copies.X, columns=list("abc"), index=[f"x {i}" for i in range(60)])
    return X, pd.DataFrame(copies.Y, columns=list("pqrst"), index=[f"y {i}" for i in range(60)])


def test_matches_by_name(quick, named, tmp_path):
    X, Y = named
    quick().fit(X, Y).save(tmp_path / "matcher")
    matcher = GWMatcher.load(tmp_path / "matcher")
    names, positions = matcher.match(return_names=True), matcher.match()
    assert list(names) == list(Y.index[positions])
    backward = matcher.match(domain="y", return_names=True)
    assert list(backward) == list(X.index[matcher.match(domain="y")])
    assert list(matcher.match(X[:4], return_names=True)) == list(names[:4])
    found = matcher.match(X[:3], Y[5:7], assignment="one-to-one", return_names=True)
    assert sorted(found, key=str) == [None, *Y.index[5:7]]


def test_rows_without_names(quick, named):
    X, Y = named
    matcher = quick().fit(X.to_numpy(), Y.to_numpy())
    with pytest.raises(ValueError, match="domain 'y' have no names"):
        matcher.match(X.to_numpy(), Y.to_numpy(), return_names=True)
    matcher.fit(X, Y.reset_index(drop=True))  # numbers are positions
    assert not hasattr(matcher, "row_names_y_in_")
    with pytest.raises(ValueError, match="domain 'y' have no names"):
        matcher.match(return_names=True)
    assert matcher.match(domain="y", return_names=True)[0].startswith("x ")


@pytest.mark.parametrize("source", ["x", "y"])
def test_translations_as_data_frames(quick, named, source):
    rows, other = named if source == "x" else named[::-1]
    matcher = quick().fit(*named)
    array = matcher.translate(rows[2:9], domain=source)
    assert type(array) is np.ndarray
    frame = matcher.set_output(transform="pandas").translate(rows[2:9], domain=source)
    assert list(frame.index) == list(rows.index[2:9])
    assert list(frame.columns) == list(other.columns)
    assert_array_equal(frame.to_numpy(), array)
    again = clone(matcher).fit(*named)
    assert isinstance(again.translate(rows, domain=source), pd.DataFrame)
    assert matcher.set_output() is matcher
    assert type(matcher.set_output(transform="default").translate(rows, domain=source)) is (
        np.ndarray
    )
    with config_context(transform_output="polars"):
        by_config = quick().fit(*named).translate(rows, domain=source)
    assert by_config.columns == list(other.columns)
    with pytest.raises(ValueError, match="transform must be one of"):
        matcher.set_output(transform="xarray")


def test_a_verbose_fit_prints_each_step(quick, copies, monkeypatch, capsys):
    """A clock of a second per look: a line after 1, 2, 4, ... seconds."""
    clock = iter(range(1000))
    monkeypatch.setattr("skgw.base.progress.time.monotonic", lambda: float(next(clock)))
    quick(verbose=1, metric="auto").fit(copies.X, copies.Y)
    steps = [
        "plans of 60 and 60 rows: 26 solves",
        *(f"solve {3 + s}/26 after {s} s" for s in (1, 2, 4, 8, 16)),
        "registration",
        r"right with a probability of 1\.00",
        "extension to 60 and 60 rows",
        "confidence of the rows",
    ]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(steps)
    for line, step in zip(lines, steps, strict=True):
        assert re.fullmatch(rf"\[GWMatcher\] {step}", line), line
    quick().fit(copies.X, copies.Y)
    assert capsys.readouterr().out == ""


def test_a_verbose_fit_of_a_coupling_prints_its_steps(quick, copies, capsys):
    quick(verbose=1).fit(copies.X, copies.Y)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[GWMatcher\] coupling of 60 and 60 rows, epsilon=\S+", lines[-4])
    assert lines[-3] == "[GWMatcher] refinement"


def test_weights_count_in_the_score(quick, copies):
    Y = copies.Y.copy()
    Y[copies.match[:20]] += 3 * np.random.default_rng(0).normal(size=(20, 5))
    matcher = quick(epsilon=5e-3).fit(copies.X, Y)
    weights = np.r_[np.zeros(20), np.ones(40)]
    assert matcher.score(copies.X, sample_weight=weights) > matcher.score(copies.X)
    doubled = matcher.score(np.concatenate([copies.X, copies.X]))
    assert doubled == pytest.approx(matcher.score(copies.X))
    everything = np.r_[weights, np.ones(60)]
    assert matcher.score(Domains(copies.X, Y), sample_weight=everything) != matcher.score(copies.X)


def test_labels_are_suspected(quick, copies):
    with pytest.warns(LabelsAsDomainWarning, match="is it labels") as caught:
        quick().fit(copies.X, np.arange(60) % 3)
    assert caught[0].filename == __file__
    one_feature = quick().fit(copies.X, copies.X[:, 0])  # floats: no warning
    assert one_feature.translate(copies.X).shape == (60, 1)


def test_the_same_seed_gives_the_same_result(copies):
    one, other = (GWMatcher(n_init=2, random_state=7).fit(copies.X, copies.Y) for _ in range(2))
    assert_array_equal(np.asarray(one.plan_), np.asarray(other.plan_))


FILES = {
    "features": {},
    "geodesic": {"metric": "geodesic"},
    "auto": {"metric": "auto", "n_init": 2},
    "reference": {"method": "reference"},
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_holds_everything(quick, copies, tmp_path, few_rows, kind):
    few_rows(30)
    matcher = quick(**FILES[kind]).fit(copies.X, copies.Y)
    matcher.save(tmp_path / "matcher")
    loaded = GWMatcher.load(tmp_path / "matcher")
    for other in (loaded, copy.deepcopy(matcher), pickle.loads(pickle.dumps(matcher))):
        assert_array_equal(other.translate(copies.X), matcher.translate(copies.X))
        assert_array_equal(other.match(domain="y"), matcher.match(domain="y"))
        assert_array_equal(other.match(copies.X, copies.Y), matcher.match(copies.X, copies.Y))
        assert other.score(copies.X, copies.Y) == matcher.score(copies.X, copies.Y)
        assert other.get_params() == matcher.get_params()


def test_a_file_without_the_confidence_of_the_second_domain_is_refused(quick, copies, tmp_path):
    """As files of versions that had none."""
    path = tmp_path / "matcher"
    quick().fit(copies.X, copies.Y).save(path)
    params, state = load_state(path, "GWMatcher")
    del state["confidence_y_"]
    write_file(path, *encode_state("GWMatcher", params, state))
    with pytest.raises(ValueError, match=r"confidence_y_ is missing"):
        GWMatcher.load(path)


def test_a_graph_against_points(quick):
    graph = nx.path_graph(30)
    matcher = quick(metric=("precomputed", "euclidean")).fit(graph, np.arange(30.0)[::-1] ** 1.01)
    assert matcher.match(graph).shape == (30,)
    assert abs(np.corrcoef(matcher.match(), np.arange(30))[0, 1]) > 0.99


def test_mistakes_are_named(quick, copies):
    X, Y = copies.X, copies.Y
    matcher = quick().fit(X, Y)
    for call in (matcher.match, matcher.translate):
        with pytest.raises(ValueError, match="domain must be 'x' or 'y'"):
            call(X, domain="z")
    with pytest.raises(ValueError, match="match needs X with y"):
        matcher.match(y=Y)
    with pytest.raises(ValueError, match="expecting 5 features"):
        matcher.match(X, X)
    with pytest.raises(ValueError, match="one value or a pair"):
        quick(metric=("euclidean",) * 3).fit(X, Y)
    for pairs, message in [
        (([0, 1], [0]), "of one length"),
        (([0], [60]), "outside of a domain of 60"),
        (([0, 0], [0, 1]), "twice"),
        (3, "a tuple of two sequences"),
    ]:
        with pytest.raises(ValueError, match=message):
            quick().fit(X, Y, pairs=pairs)
    with pytest.raises(ValueError, match="rows of the same features"):
        quick().fit(X, Y, shared=(X, Y))
    with pytest.raises(ValueError, match="shared must be two arrays"):
        quick().fit(X, Y, shared=X)
    with pytest.raises(ValueError, match=r"In the second domain, y: .*NaN"):
        quick().fit(X, np.where(Y > 2, np.nan, Y))


def test_a_refit_that_fails_leaves_the_last_fit(quick, copies):
    matcher = quick().fit(copies.X, copies.Y)
    before = dict(vars(matcher))
    with pytest.raises(ValueError, match="pairs names rows outside"):
        matcher.fit(copies.X, copies.Y[:, :2], pairs=([0], [60]))
    assert vars(matcher) == before


def test_no_pairs_are_no_side_information(quick, copies):
    plans = [quick().fit(copies.X, copies.Y, pairs=pairs).plan_ for pairs in (None, ([], []))]
    assert_array_equal(*plans)


def test_points_that_coincide_are_no_trouble(quick):
    X = np.zeros((10, 2))
    with pytest.warns(AmbiguousMatchingWarning) as caught:
        matcher = quick(metric="auto").fit(X, np.ones((8, 3)))
    assert caught[0].filename == __file__
    assert_allclose(matcher.translate(X), 1)
    assert np.isfinite(matcher.confidence_).all()


@pytest.mark.filterwarnings("ignore:The anchor pairs contradict")  # the pairs are arbitrary
@pytest.mark.parametrize("kind", ["shared", "pairs"])
def test_alpha_from_zero_to_one(quick, kind):
    """At 1 the side information has no weight; below it has."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(25, 2)), rng.normal(size=(20, 2))
    known = {"shared": (X, Y)} if kind == "shared" else {"pairs": (np.arange(3), np.arange(3))}
    values = [quick(alpha=alpha).fit(X, Y, **known).gw_value_ for alpha in (0, 0.5, 1)]
    assert np.isfinite(values).all()
    plain = quick(alpha=1).fit(X, Y)
    given = quick(alpha=1).fit(X, Y, **known)
    np.testing.assert_array_equal(given.plan_.toarray(), plain.plan_.toarray())
    np.testing.assert_array_equal(given.translate(X), plain.translate(X))
    assert values[2] == plain.gw_value_ != values[1]


def test_rows_that_are_left_out_have_no_match(quick):
    """`match` says so of training rows; `translate` gives the limit for rows of little mass."""
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(30, 2)) * [3, 1] + 50
    X = np.r_[Y, rng.normal(size=(3, 2)) + 400]
    matcher = quick(mass=0.5, epsilon=1e-3).fit(X, Y)
    left_out = matcher.matched_mass_ < 1e-7
    assert left_out[-3:].all()
    np.testing.assert_array_equal(matcher.match() == -1, left_out)
    assert np.isnan(matcher.plan_.barycenter(Y)[left_out]).all()
    assert np.isfinite(matcher.translate(X)).all()
    assert (matcher.match(X) >= 0).all()
