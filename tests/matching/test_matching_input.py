"""Graphs by the names of their nodes, and sparse features."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from common_estimators import rows
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from skgw import DomainKFold, Domains, GWMatcher
from skgw.spaces import graph_distances

pytestmark = pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")


@pytest.fixture(scope="module")
def graphs():
    """A graph, and the same graph with other names, its nodes and edges in another order."""
    graph = nx.connected_watts_strogatz_graph(40, 4, 0.3, seed=0)
    graph = nx.relabel_nodes(graph, {k: f"node {k}" for k in graph})
    rng = np.random.default_rng(0)
    for _, _, edge in graph.edges(data=True):
        edge["km"] = float(rng.uniform(0.5, 2.0))
    other = nx.Graph()
    edges = list(graph.edges(data=True))[::-1]
    other.add_edges_from([(v.upper(), u.upper(), data) for u, v, data in edges])
    return graph, other


def test_nodes_are_matched_by_name(quick, graphs):
    graph, other = graphs
    matcher = quick(metric="precomputed", edge_length="km").fit(graph, other)
    matches = np.array(list(other.nodes))[matcher.match()]
    right = [name.upper() == match for name, match in zip(graph.nodes, matches, strict=True)]
    assert np.mean(right) > 0.9
    assert list(matcher.node_names_) == list(graph.nodes)
    assert list(matcher.node_names_y_) == list(other.nodes)
    again = nx.Graph()
    again.add_edges_from(list(graph.edges(data=True))[::-1])
    order = [list(graph.nodes).index(name) for name in again.nodes]
    assert_array_equal(matcher.match(again), matcher.match(graph)[order])
    assert_array_equal(matcher.translate(again), matcher.translate(graph)[order])
    assert matcher.score(again, other) == pytest.approx(matcher.score(graph, other), rel=1e-9)
    reordered = nx.Graph()
    reordered.add_edges_from(list(other.edges(data=True))[::-1])
    order = [list(other.nodes).index(name) for name in reordered.nodes]
    backward = matcher.match(other, domain="y")
    assert_array_equal(matcher.match(reordered, domain="y"), backward[order])
    assert_array_equal(matcher.match(graph, reordered), np.argsort(order)[matcher.match(graph)])


def test_nodes_name_matches_and_translations(quick, graphs):
    graph, other = graphs
    matcher = quick(metric="precomputed", edge_length="km").fit(graph, other)
    names = matcher.match(return_names=True)
    assert list(names) == [list(other.nodes)[k] for k in matcher.match()]
    assert list(matcher.match(graph, other, return_names=True)) == list(names)
    new = nx.Graph([("NEW", "NODE 3", {"km": 1.0}), ("NEW", "NODE 30", {"km": 3.5})])
    frame = matcher.set_output(transform="pandas").translate(new, domain="y")
    assert list(frame.index) == ["NEW"]
    assert list(frame.columns) == list(graph.nodes)


def test_new_nodes_of_either_domain(quick, graphs):
    graph, other = graphs
    by_graph = quick(metric="precomputed", edge_length="km").fit(graph, other)
    distances = [graph_distances(each, edge_length="km") for each in graphs]
    by_distances = quick(metric="precomputed").fit(*distances)
    new = nx.Graph([("NEW", "NODE 3", {"km": 1.0}), ("NEW", "NODE 30", {"km": 3.5})])
    larger = nx.compose(other, new)
    D = graph_distances(larger, edge_length="km")[40:, :40]
    expected = by_distances.translate(D, domain="y")
    assert_allclose(by_graph.translate(new, domain="y"), expected, atol=1e-6)
    assert_allclose(by_graph.translate(larger, domain="y"), expected, atol=1e-6)


def test_names_survive_files(quick, graphs, tmp_path):
    graph, other = graphs
    matcher = quick(metric="precomputed", edge_length="km").fit(graph, other)
    matcher.save(tmp_path / "matcher")
    copy = GWMatcher.load(tmp_path / "matcher")
    assert_array_equal(copy.translate(other, domain="y"), matcher.translate(other, domain="y"))


# ------------------------------------------------------------------------------ sparse features


@pytest.fixture(scope="module")
def counts():
    """Sparse rows of 20 features, and the same rows in another order and with other columns."""
    rng = np.random.default_rng(0)
    X = rng.gamma(1.0, size=(50, 20)) * np.linspace(4, 0.2, 20) * (rng.uniform(size=(50, 20)) < 0.4)
    order = rng.permutation(50)
    return X, X[order][:, rng.permutation(20)], np.argsort(order)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "cityblock", ("l2", "euclidean")])
def test_sparse_features(quick, counts, metric):
    X, Y, match = counts
    dense = quick(metric=metric).fit(X, Y)
    given = sparse.csc_array(X), sparse.coo_array(Y)
    matcher = quick(metric=metric).fit(*given)
    assert_array_equal(matcher.match(), dense.match())
    assert (matcher.match() == match).mean() > 0.9
    translated = matcher.translate(given[0])
    assert type(translated) is np.ndarray
    assert_allclose(translated, dense.translate(X), atol=1e-2 * X.max())
    assert matcher.score(*given) == pytest.approx(dense.score(X, Y), abs=1e-2)


def many_features(n, n_features, seed=0):
    """Sparse counts of rows on a surface, and the same rows rotated, in another order."""
    rng = np.random.default_rng(seed)
    position = rng.exponential(size=(n, 4)) * [4, 3, 2, 1]
    rate = position @ rng.gamma(0.5, size=(4, n_features))
    X = np.log1p(rng.poisson(rate * 0.2).astype(float))
    order = rng.permutation(n)
    return X, X[order][:, rng.permutation(n_features)], np.argsort(order)


@pytest.mark.parametrize("n_features", [30, 300])  # fewer than rows, and more
def test_sparse_features_under_auto(quick, n_features, tmp_path):
    X, Y, match = many_features(70, n_features)
    dense = quick(metric="auto").fit(X, Y)
    matcher = quick(metric="auto").fit(sparse.csr_matrix(X), sparse.csr_array(Y))
    assert (matcher.match() == match).mean() > 0.95
    assert_allclose(np.asarray(matcher.plan_), np.asarray(dense.plan_), atol=1e-4)
    matcher.save(tmp_path / "matcher")
    copy = GWMatcher.load(tmp_path / "matcher")
    new = many_features(10, n_features, seed=1)[0]
    expected = dense.translate(new)
    for rows_of in (sparse.csr_array(new), new):
        assert_allclose(copy.translate(rows_of), expected, atol=1e-2 * X.max())
    mixed = quick(metric="auto").fit(X, sparse.csr_array(Y))
    assert_array_equal(mixed.match(sparse.csr_array(X)), mixed.match(X))
    assert (mixed.match() == match).mean() > 0.95


def test_thousands_of_sparse_features(quick):
    X, Y, match = many_features(100, 5000)
    matcher = quick(metric="auto", n_init=2).fit(sparse.csr_matrix(X), sparse.csr_matrix(Y))
    assert (matcher.match() == match).mean() > 0.95
    assert matcher.translate(sparse.csr_matrix(X[:3])).shape == (3, 5000)


def test_transformers_take_sparse_features(quick, counts):
    X, Y, match = counts
    reduce = {f"transformer_{d}": TruncatedSVD(15, random_state=0) for d in "xy"}
    matcher = quick(metric="geodesic", **reduce).fit(sparse.csr_array(X), sparse.csr_array(Y))
    assert (matcher.match(sparse.csr_array(X)) == match).mean() > 0.8
    one = quick(metric="auto", transformer_y=TruncatedSVD(15)).fit(X, sparse.csr_array(Y))
    assert one.translate(X).shape == (50, 20)


def test_domains_keep_sparse_features(quick, counts):
    X, Y, _ = counts
    both = Domains(sparse.csr_array(X), sparse.csr_array(Y))
    scores = cross_val_score(quick(), both, cv=DomainKFold(2, shuffle=True, random_state=0))
    assert np.isfinite(scores).all()


def test_metrics_that_need_dense_features(quick, counts):
    X, Y, _ = counts
    with pytest.raises(TypeError, match=r"In the second domain.*dense.*metric='euclidean'"):
        quick(metric=("euclidean", "chebyshev")).fit(sparse.csr_array(X), sparse.csr_array(Y))
    with pytest.raises(TypeError, match=r"Sparse data was passed.*TruncatedSVD"):
        GWMatcher(metric="chebyshev").fit(sparse.csr_array(X), Y)


@pytest.mark.parametrize("method", ["full", "reference"])
def test_geodesics_of_sparse_features(quick, few_rows, method, tmp_path):
    few_rows(50)
    X, Y, match = many_features(70, 300)
    matchers = [
        quick(metric="geodesic", method=method).fit(kind(X), kind(Y))
        for kind in (np.asarray, sparse.csr_matrix)
    ]
    plans = [np.asarray(matcher.plan_) for matcher in matchers]
    assert_allclose(plans[1], plans[0], atol=1e-5)
    assert method == "reference" or (matchers[1].match() == match).mean() > 0.8
    matchers[1].save(tmp_path / "matcher")
    copy, new = GWMatcher.load(tmp_path / "matcher"), many_features(10, 300, seed=1)[0]
    for rows_of in (sparse.csr_array(new), new):
        assert_allclose(copy.translate(rows_of), matchers[0].translate(new), atol=1e-3)


def frames(X, order, names):
    shared = pd.DataFrame(X[:, :2], columns=["a", "b"])
    return shared, pd.DataFrame(X[order][:, :2], columns=["a", "b"])[names]


def test_shared_features_in_another_order_are_refused(quick):
    X, order = rows(20), np.random.default_rng(0).permutation(20)
    shared = frames(X, order, ["a", "b"])
    matcher = quick(alpha=0.0, epsilon=1e-4).fit(X, X[order], shared=shared)
    assert_array_equal(order[matcher.match()], np.arange(20))
    with pytest.raises(ValueError, match="column 'a' is column 0 of the first array, and column 1"):
        quick().fit(X, X[order], shared=frames(X, order, ["b", "a"]))
    shared[1].columns = ["height", "width"]  # other names may name the same features
    assert quick(alpha=0.0, epsilon=1e-4).fit(X, X[order], shared=shared).match().shape == (20,)


def test_labels_of_words_as_the_second_domain(quick):
    with pytest.raises(ValueError, match=r"could not convert string .* is y labels\? It is the"):
        quick().fit(rows(20), np.array(["cat", "dog"] * 10))


def test_errors_about_the_second_domain_name_no_class_of_skgw(quick):
    for y in (rows(1), np.full((5, 2), np.nan)):
        with pytest.raises(ValueError, match=r"^In the second domain, y: ") as caught:
            quick().fit(rows(20), y)
        assert "SecondDomain" not in str(caught.value)
        assert "the estimator" in str(caught.value)


@pytest.mark.filterwarnings("error:X has feature names")
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_transformers_that_return_data_frames(quick, output):
    X = pd.DataFrame(rows(20), columns=list("abcd"))
    transformer = StandardScaler().set_output(transform=output)
    matcher = quick(transformer_x=transformer).fit(X, rows(15))
    expected = quick(transformer_x=StandardScaler()).fit(X, rows(15))
    assert_array_equal(matcher.translate(X), expected.translate(X))


@pytest.mark.parametrize("as_rows", [np.asarray, sparse.csr_array])
def test_rows_without_a_direction(quick, as_rows):
    X = rows(20)
    X[[3, 7]] = 0
    with pytest.raises(ValueError, match=r"undefined for rows of zeros, such as row 3 \(2 of 20\)"):
        quick(metric="cosine").fit(as_rows(X), rows(15))
    matcher = quick(metric="cosine").fit(as_rows(rows(20)), rows(15))
    with pytest.raises(ValueError, match=r"undefined for rows of zeros, such as row 3"):
        matcher.match(as_rows(X))
    X[[3, 7]] = 5.0
    with pytest.raises(ValueError, match="undefined for rows of equal numbers, such as row 3"):
        quick(metric="correlation").fit(X, rows(15))


# ---------------------------------------------------------------------------------- distances


def cosine_distances(X):
    """One minus the cosine as users write it, in float32: below zero for equal directions."""
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    return 1 - X @ X.T


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_rounding_below_zero_is_repaired(quick, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    D, order = cosine_distances(np.r_[X, X[:5]]), rng.permutation(45)
    D += np.float32(1e-6) * np.triu(rng.uniform(size=D.shape), 1)  # and it is not symmetric
    assert D.min() < 0
    matcher = quick(metric="precomputed").fit(kind(D), D[np.ix_(order, order)])
    assert (order[matcher.match()] % 40 == np.arange(45) % 40).mean() > 0.9
    assert_allclose(matcher.translate(kind(D)), matcher.translate(D.clip(min=0)), atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda D: 1 - D, r"Negative values .*-\d.*1 - X if they are at most 1"),
        (lambda D: np.exp(-D), "zero on the diagonal.*1 - X for similarities"),
        (lambda D: D * np.linspace(1, 2, len(D)), r"symmetric; take \(D \+ D.T\) / 2"),
        (lambda D: np.where(np.eye(len(D))[::-1] > 0, np.nan, D), "NaN.*leave out rows"),
        (
            lambda D: np.where(np.eye(len(D))[::-1] > 0, np.inf, D),
            "infinity.*one of several components",
        ),
    ],
)
def test_what_is_no_distance_is_refused(quick, spoil, message):
    X = np.random.default_rng(0).normal(size=(30, 3))
    D = np.linalg.norm(X[:, None] - X, axis=2)
    with pytest.raises(ValueError, match=message):
        quick(metric="precomputed").fit(spoil(D), D)
