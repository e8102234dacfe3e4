"""AnnData and MuData: by objects with their attributes, and by the packages where they are."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD

from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, GWMatcher
from skgw.datasets import make_views
from skgw.interop import match_anndata, match_mudata

REASON = "needs AnnData and MuData: pip install 'skgw[anndata]'"
VIEWS = make_views(60, kind="nonlinear", noise=0.0, random_state=0)
MATCHER = GWMatcher(metric="euclidean", n_init=4, random_state=0)
HALF = GWMatcher(metric="euclidean", n_init=4, mass=0.5, epsilon=1e-4, random_state=0)


class Annotated:
    """What AnnData has of the attributes that matter here."""

    def __init__(self, X, name):
        self.X = X
        self.obs = pd.DataFrame(index=[f"{name}{i}" for i in range(VIEWS.X.shape[0])])
        self.layers, self.obsm, self.uns = {}, {}, {}

    @property
    def obs_names(self):
        return self.obs.index


def fake(X, name):
    return Annotated(X, name)


def real(X, name):
    anndata = pytest.importorskip("anndata", reason=REASON)
    obs = pd.DataFrame(index=[f"{name}{i}" for i in range(len(VIEWS.X))])
    return anndata.AnnData(X, obs=obs)


@pytest.fixture(params=[fake, real], ids=["attributes", "AnnData"])
def build(request):
    return request.param


@pytest.fixture
def both(build):
    return build(VIEWS.X.copy(), "x"), build(VIEWS.Y.copy(), "y")


def untouched(adata):
    return not len(adata.obs.columns) and not len(adata.obsm) and not len(adata.uns)


def test_results(both):
    matcher = match_anndata(*both, matcher=MATCHER)
    x, y = both
    assert matcher is not MATCHER
    assert not hasattr(MATCHER, "plan_")
    by_hand = GWMatcher(**MATCHER.get_params()).fit(VIEWS.X, VIEWS.Y)
    found = by_hand.match()
    assert np.mean(found == VIEWS.matches) > 0.9
    assert x.obs["skgw_match"].tolist() == [f"y{j}" for j in found]
    assert y.obs["skgw_match"].tolist() == [f"x{i}" for i in by_hand.match(domain="y")]
    assert_array_equal(x.obs["skgw_confidence"], by_hand.confidence_)
    assert_array_equal(x.obsm["X_skgw"], by_hand.translate(VIEWS.X))
    assert_array_equal(y.obsm["X_skgw"], by_hand.translate(VIEWS.Y, domain="y"))
    assert_array_equal(y.obs["skgw_confidence"], by_hand.confidence_y_)
    for adata in both:
        assert adata.uns["skgw"]["matching_probability"] == by_hand.matching_probability_
        assert adata.uns["skgw"]["matcher"] == repr(MATCHER)
        assert list(adata.uns["skgw"]["representations"]) == ["X", "X"]


def test_the_plan_keeps_its_largest_entries(both):
    matcher = match_anndata(*both, matcher=MATCHER, n_plan_entries=3)
    plan = both[0].obsm["skgw_plan"]
    assert_array_equal(np.diff(plan.indptr), np.full(60, 3))
    whole = matcher.plan_.toarray()
    assert_allclose(np.sort(plan.toarray(), axis=1)[:, -3:], np.sort(whole, axis=1)[:, -3:])
    assert list(both[0].uns["skgw"]["plan_columns"]) == list(both[1].obs_names)
    match_anndata(*both, matcher=MATCHER, n_plan_entries=1000, key_added="all")
    assert_allclose(both[0].obsm["all_plan"].toarray(), whole)
    assert "X_all" in both[1].obsm


def test_representations_and_layers(both):
    x, y = both
    x.obsm["X_pca"], y.layers["counts"] = x.X, y.X
    x.X, y.X = np.zeros_like(x.X), np.zeros_like(y.X)
    matcher = match_anndata(x, y, use_rep=("X_pca", None), layer=(None, "counts"), matcher=MATCHER)
    assert np.mean(matcher.match() == VIEWS.matches) > 0.9
    assert list(x.uns["skgw"]["representations"]) == ["obsm['X_pca']", "layers['counts']"]


def test_a_data_frame_in_obsm(both):
    x, y = both
    x.obsm["X_pca"] = pd.DataFrame(x.X, index=x.obs_names).add_prefix("pc")
    y.obsm["X_pca"] = y.X
    match_anndata(x, y, use_rep="X_pca", matcher=MATCHER)
    assert x.obsm["X_skgw"].shape == y.X.shape


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
@pytest.mark.parametrize(
    "changes",
    [{}, {"metric": "auto"}, {f"transformer_{name}": TruncatedSVD(4) for name in "xy"}],
    ids=["euclidean", "auto", "transformers"],
)
def test_sparse_values_stay_sparse_where_the_matcher_takes_them(build, changes):
    matcher = clone(MATCHER).set_params(**changes)
    x, y = build(sparse.csr_matrix(VIEWS.X), "x"), build(sparse.csr_matrix(VIEWS.Y), "y")
    found = match_anndata(x, y, matcher=matcher).match()  # a warning would be an error
    assert np.mean(found == VIEWS.matches) > 0.9
    assert isinstance(x.obsm["X_skgw"], np.ndarray)


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_a_dense_copy_is_announced_with_its_size(build):
    x, y = build(sparse.csr_matrix(VIEWS.X), "x"), build(VIEWS.Y.copy(), "y")
    message = r"adata_x\.X is sparse, .*dense copy of 60 x 10 values \(0\.0048 MB\) is made"
    with pytest.warns(UserWarning, match=message):
        copied = match_anndata(
            x, y, matcher=GWMatcher(metric="chebyshev", n_init=2, random_state=0)
        )
    assert sparse.issparse(x.X)
    assert copied.n_features_in_ == 10


def test_pairs_by_name_and_shared_features(both):
    x, y = both
    names = ([f"x{i}" for i in range(5)], [f"y{j}" for j in VIEWS.matches[:5]])
    by_name = match_anndata(x, y, matcher=MATCHER, pairs=names)
    by_position = match_anndata(x, y, matcher=MATCHER, pairs=(range(5), VIEWS.matches[:5]))
    assert_array_equal(by_name.plan_.toarray(), by_position.plan_.toarray())
    x.obsm["common"] = VIEWS.X[:, :2]
    y.obsm["other"] = VIEWS.X[np.argsort(VIEWS.matches), :2]
    shared = match_anndata(x, y, matcher=MATCHER, shared=("common", "other"))
    assert np.mean(shared.match() == VIEWS.matches) == 1
    with pytest.raises(
        ValueError, match=r"adata_y\.obsm has no 'common'; it has 'X_skgw', 'other'"
    ):
        match_anndata(x, y, matcher=MATCHER, shared="common")


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
def test_one_to_one(both):
    rough = GWMatcher(metric="euclidean", n_init=4, epsilon=0.2, random_state=0)
    matcher = match_anndata(*both, matcher=rough, assignment="one-to-one")
    assert both[0].obs["skgw_match"].nunique() == 60
    assert len(set(matcher.match())) < 60
    with pytest.raises(ValueError, match="assignment"):
        match_anndata(*both, matcher=rough, assignment="greedy")


def test_results_are_arrays_whatever_the_output_of_scikit_learn(both):
    with config_context(transform_output="pandas"):
        match_anndata(*both, matcher=MATCHER)
    assert isinstance(both[0].obsm["X_skgw"], np.ndarray)


def test_rows_without_a_match_have_no_name(build):
    views = make_views(60, kind="partial", random_state=0)
    x, y = build(views.X, "x"), build(views.Y, "y")
    matcher = match_anndata(x, y, matcher=HALF)
    lonely = matcher.match() < 0
    assert 0 < lonely.sum() < 60
    assert_array_equal(x.obs["skgw_match"].isna(), lonely)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"use_rep": "X_pca"}, r"adata_x\.obsm has no 'X_pca'; it has nothing"),
        ({"layer": "counts"}, r"adata_x\.layers has no 'counts'"),
        ({"use_rep": ("X", "X_pca")}, r"adata_y\.obsm has no 'X_pca'"),
        ({"use_rep": "X_pca", "layer": "counts"}, "exclude each other"),
        ({"use_rep": ("X", "X", "X")}, "use_rep must be one value or a pair"),
        ({"matcher": GWMatcher(metric="precomputed")}, r"Fit a GWMatcher to distances"),
        ({"matcher": GWMatcher(n_init=0)}, "n_init"),
        ({"pairs": (["x0"], ["z0"])}, "z0"),
    ],
)
def test_bad_arguments_leave_the_data_as_they_were(both, arguments, message):
    with pytest.raises(ValueError, match=message):
        match_anndata(*both, **arguments)
    assert all(map(untouched, both))


def test_a_bad_number_of_entries_leaves_the_data_as_they_were(both):
    with pytest.raises(ValueError, match="k must be"):
        match_anndata(*both, matcher=MATCHER, n_plan_entries=0)
    assert all(map(untouched, both))


def test_other_objects_are_refused(both):
    x, y = both
    with pytest.raises(ValueError, match="one object"):
        match_anndata(x, x)
    with pytest.raises(TypeError, match=r"adata_y must be an AnnData object, got ndarray"):
        match_anndata(x, VIEWS.Y)
    with pytest.raises(TypeError, match="adata_x is a SimpleNamespace: use match_mudata"):
        match_anndata(SimpleNamespace(mod={}, obsm={}), y)
    with pytest.raises(TypeError, match="mdata must be a MuData object"):
        match_mudata(x, "rna", "atac")
    x.obs.index = ["same"] * 60
    with pytest.raises(ValueError, match=r"adata_x\.obs_names_make_unique\(\)"):
        match_anndata(x, y)


def test_values_that_are_missing_or_in_a_file(both):
    x, y = both
    x.X = None
    with pytest.raises(ValueError, match=r"adata_x\.X is None: name a representation"):
        match_anndata(x, y)
    other = fake(type("Dataset", (), {"__module__": "h5py._hl.dataset"})(), "x")
    with pytest.raises(TypeError, match=r"adata_x\.X is backed by a file: .*to_memory"):
        match_anndata(other, y)


def modalities(x, y):
    if isinstance(x, Annotated):
        return SimpleNamespace(mod={"rna": x, "atac": y}, obsm={})
    mudata = pytest.importorskip("mudata", reason=REASON)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mudata.MuData({"rna": x, "atac": y})


def test_modalities(both):
    mdata = modalities(*both)
    match_mudata(mdata, "rna", "atac", matcher=MATCHER, key_added="gw")
    found = mdata.mod["rna"].obs["gw_match"].tolist()
    assert np.mean([name == f"y{j}" for name, j in zip(found, VIEWS.matches, strict=True)]) > 0.9
    assert mdata.mod["atac"].obsm["X_gw"].shape == (60, 10)
    with pytest.raises(ValueError, match=r"mdata\.mod has no 'protein'; it has 'rna', 'atac'"):
        match_mudata(mdata, "rna", "protein")


@pytest.mark.parametrize(
    "estimator",
    [GWMatcher(), GWCoTrainedAutoencoders(2), GWGenerativeEmbedding()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators_name_the_functions(both, estimator):
    second = [] if isinstance(estimator, GWGenerativeEmbedding) else [VIEWS.Y]
    with pytest.raises(TypeError, match=r"skgw\.interop\.match_anndata"):
        estimator.fit(both[0], *second)
    with pytest.raises(TypeError, match=r"skgw\.interop\.match_mudata"):
        estimator.fit(modalities(*both), *second)
    if second:
        with pytest.raises(TypeError, match=r"second domain, y: .*skgw\.interop\.match_anndata"):
            estimator.fit(VIEWS.X, both[1])


@pytest.mark.filterwarnings("ignore:Trying to modify attribute:UserWarning")
@pytest.mark.parametrize(
    "form", [np.array, sparse.csr_matrix, pd.DataFrame], ids=lambda f: f.__name__
)
def test_views_are_matched_as_their_copies(form):
    x, y = real(VIEWS.X.copy(), "x"), real(VIEWS.Y.copy(), "y")
    rows = form(VIEWS.X)
    x.obsm["X_pca"] = rows.set_index(x.obs_names) if form is pd.DataFrame else rows
    part, copied = x[10:50], x[10:50].copy()
    for adata in (part, copied):
        match_anndata(adata, y, use_rep=("X_pca", None), matcher=MATCHER)
    assert_array_equal(part.obsm["X_skgw"], copied.obsm["X_skgw"])
    assert part.obs["skgw_match"].tolist() == copied.obs["skgw_match"].tolist()
    assert "skgw_match" not in x.obs


def test_files_hold_the_results(tmp_path):
    anndata = pytest.importorskip("anndata", reason=REASON)
    x, y = real(VIEWS.X.copy(), "x"), real(VIEWS.Y.copy(), "y")
    match_anndata(x, y, matcher=HALF)
    assert x.obs["skgw_match"].isna().any()
    for adata in (x, y):
        adata.write_h5ad(tmp_path / "a.h5ad")
        again = anndata.read_h5ad(tmp_path / "a.h5ad")
        pd.testing.assert_series_equal(again.obs["skgw_match"], adata.obs["skgw_match"])
        assert_array_equal(again.obsm["X_skgw"], adata.obsm["X_skgw"])
        assert again.uns["skgw"]["matcher"] == adata.uns["skgw"]["matcher"]
    x.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(TypeError, match="to_memory"):
        match_anndata(backed, y)
    backed.file.close()
