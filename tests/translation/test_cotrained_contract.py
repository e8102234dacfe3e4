"""Contract beyond scikit-learn's own checks: kinds of input, splits, searches, mistakes."""

import random

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgw import DomainKFold, Domains, GWCoTrainedAutoencoders
from skgw.base.coupling import Coupling
from skgw.exceptions import AmbiguousMatchingWarning, LabelsAsDomainWarning
from skgw.solvers import solve_gromov
from skgw.translation import GWLoss, TranslationNetwork, report_settings

pytestmark = pytest.mark.filterwarnings(
    "ignore::skgw.exceptions.AmbiguousMatchingWarning"  # of models that are hardly trained
)


def linear(n_inputs, n_outputs):
    return torch.nn.Linear(n_inputs, n_outputs)


def global_random_state():
    numpy_state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    return hash((random.getstate(), numpy_state, torch.get_rng_state().numpy().tobytes()))


def outputs(model, X, Y):
    """All that a fitted model gives for rows of either domain."""
    return [
        model.transform(X),
        model.transform(Y, domain="y"),
        model.inverse_transform(model.embedding_),
        model.inverse_transform(model.embedding_y_, domain="y"),
        *(model.translate(X, method=m) for m in ("auto", "decoded", "barycentric", "greedy")),
        model.translate(Y, domain="y"),
        model.match(),
        model.match(domain="y"),
        model.match(X),
        model.match(X, Y),
        model.match(Y, domain="y"),
        model.sample(3, random_state=0),
        model.sample(3, domain="y", random_state=0),
    ]


# ------------------------------------------------------------------------ fitted attributes


def test_labels_of_one_domain_for_the_other(quick, X, Y):
    model = quick().fit(X, Y)
    kind = np.where(X[:, 0] > np.median(X[:, 0]), "long", "short")
    labels, probabilities = model.transfer_labels(kind)
    mass = np.asarray(model.plan_)[kind == "long"].sum(0) / np.asarray(model.plan_).sum(0)
    assert_allclose(probabilities[:, 0], mass, rtol=1e-4)
    assert_array_equal(labels == "long", probabilities[:, 0] >= 0.5)
    assert model.transfer_labels(labels, domain="y")[1].shape == (len(X), 2)


def test_shapes_and_lengths(quick, X, Y):
    model = quick(n_components=(2, 3)).fit(X, Y)
    assert (model.n_features_in_, model.n_features_y_in_) == (3, 6)
    assert (model.embedding_.shape, model.embedding_y_.shape) == ((40, 2), (30, 3))
    assert isinstance(model.plan_, Coupling)
    assert model.plan_.shape == (40, 30)
    assert model.confidence_.shape == (40,)
    assert model.n_iter_ == len(model.loss_curve_) == 8
    assert len(model.gw_curve_) == 4
    assert model.validation_curve_ == []
    assert model.translate(X[:5]).shape == (5, 6)
    assert model.translate(Y[:5], domain="y").shape == (5, 3)
    assert (model.match(X[:5]) < 30).all()
    assert (model.match(X[:5], Y[:4]) < 4).all()


def test_rows_are_encoded_alike_in_any_company(quick, X, Y):
    model = quick().fit(X, Y)
    assert_array_equal(model.embedding_, model.transform(X))
    assert_array_equal(model.embedding_y_, model.transform(Y, domain="y"))
    assert_allclose(model.transform(X[[5, 3, 3]]), model.embedding_[[5, 3, 3]], rtol=1e-4)
    assert_allclose(model.translate(X[[5, 3]]), model.translate(X)[[5, 3]], rtol=1e-4, atol=1e-5)
    assert_array_equal(model.match(X), model.match())
    assert_array_equal(quick().fit_transform(X, Y), model.embedding_)


def test_the_default_method_decodes_the_mean_of_matches(quick, X, Y):
    model = quick().fit(X, Y)
    assert_array_equal(model.translate(X), model.translate(X, method="barycentric"))
    assert not np.allclose(model.translate(X), model.translate(X, method="decoded"))


def test_a_translation_network_is_the_default_method(quick, X, Y):
    model = quick(translator=TranslationNetwork(n_updates=5)).fit(X, Y)
    assert_array_equal(model.translate(X), model.translate(X, method="network"))
    assert not np.allclose(model.translate(X), model.translate(X, method="decoded"))
    assert_array_equal(model.embedding_, quick().fit(X, Y).embedding_)


def test_conv_for_one_domain(quick, X):
    images = np.random.default_rng(0).normal(size=(30, 64))
    model = quick(network=("mlp", "conv"), image_shape=(None, (1, 8, 8))).fit(X, images)
    assert model.translate(X[:2]).shape == (2, 64)
    both = quick(network="conv", image_shape=(1, 8, 8)).fit(images, images[::-1])
    assert both.translate(images[:2]).shape == (2, 64)


def test_a_callable_makes_the_networks(quick, X, Y):
    model = quick(network=linear).fit(X, Y)
    middle = model.transform(np.stack([X[0], X[1], (X[0] + X[1]) / 2]))
    assert_allclose(middle[2], (middle[0] + middle[1]) / 2, rtol=1e-4)


# ------------------------------------------------------------------------------- two domains


def test_returned_matches_are_not_those_of_the_model(quick, X, Y):
    model = quick().fit(X, Y)
    for domain in "xy":
        returned = model.match(domain=domain)
        expected = returned.copy()
        returned[:] = -5
        assert_array_equal(model.match(domain=domain), expected)


def test_domains_are_the_same_as_two_arguments(quick, X, Y):
    both = Domains(X, Y)
    one, other = quick().fit(both), quick().fit(X, Y)
    for found, expected in zip(outputs(one, X, Y), outputs(other, X, Y), strict=True):
        assert_array_equal(found, expected)
    assert one.score(both) == other.score(X, Y)


def test_the_second_domain_must_be_given_once(quick, X, Y):
    with pytest.raises(ValueError, match="requires y to be passed"):
        quick().fit(X)
    with pytest.raises(ValueError, match="both domains already"):
        quick().fit(Domains(X, Y), Y)


def test_labels_are_suspected(quick, X):
    with pytest.warns(LabelsAsDomainWarning, match="is it labels") as caught:
        quick().fit(X, np.arange(40) % 3)
    assert caught[0].filename == __file__
    assert quick().fit(X, X[:, 0]).translate(X).shape == (40, 1)  # floats: no warning


def test_cross_validation_with_different_lengths(quick, X, Y):
    result = cross_validate(quick(), Domains(X, Y), cv=DomainKFold(3), return_estimator=True)
    assert np.isfinite(result["test_score"]).all()
    assert [fitted.plan_.shape for fitted in result["estimator"]] == [(26, 20), (27, 20), (27, 20)]


def test_a_search_prefers_what_distorts_less(copies, quick):
    both = Domains(copies.X, copies.Y[:120])
    grid = {"n_components": [1, 3]}
    search = GridSearchCV(
        quick(hidden_layer_sizes=(32,), max_iter=150, n_init=2), grid, cv=DomainKFold(2)
    ).fit(both)
    assert search.best_params_ == {"n_components": 3}
    assert search.best_estimator_.translate(copies.new).shape == (40, 6)


def test_transformers_are_searched(quick, X, Y):
    grid = {"transformer_x": [None, PCA(2)]}
    search = GridSearchCV(quick(), grid, cv=DomainKFold(2), error_score="raise").fit(Domains(X, Y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_parts_of_domains_are_trained_on(quick, X, Y):
    both = Domains(X, Y)
    train, test = train_test_split(both, stratify=both.domain, random_state=0)
    model = quick().fit(train)
    assert model.plan_.shape == (30, 22)
    assert model.translate(test.X).shape == (10, 6)
    assert model.score(test) < 0


def test_pipelines(quick, X, Y):
    pipeline = make_pipeline(StandardScaler(), quick()).fit(X, Y)
    assert pipeline.transform(X).shape == (40, 2)
    assert isinstance(pipeline.score(X, Y), float)


# ------------------------------------------------------------------------------ transformers


def test_transformers_are_cloned_and_undone(quick, X, Y):
    scaler = StandardScaler()
    model = quick(transformer_x=scaler, transformer_y=scaler).fit(X, Y)
    assert not hasattr(scaler, "mean_")
    assert model.transformer_x_ is not model.transformer_y_
    by_hand = quick().fit(StandardScaler().fit_transform(X), StandardScaler().fit_transform(Y))
    assert_array_equal(model.embedding_, by_hand.embedding_)
    translated = by_hand.translate(StandardScaler().fit_transform(X))
    assert_allclose(model.translate(X), model.transformer_y_.inverse_transform(translated))
    back = model.inverse_transform(model.embedding_)
    assert_allclose(back.mean(0), X.mean(0), atol=X.std())


def test_a_transformer_without_inverse(quick, X, Y):
    """Rows are then in the space that it leads to."""
    model = quick(transformer_y=PlainPCA(2)).fit(X, Y)
    assert model.translate(X).shape == (40, 2)
    assert model.sample(3, domain="y", random_state=0).shape == (3, 2)
    assert model.translate(Y, domain="y").shape == (30, 3)
    assert np.isfinite(model.score(X, Y))


class PlainPCA(PCA):
    """A transformer without inverse."""

    @property
    def inverse_transform(self):
        raise AttributeError


def test_a_refit_forgets_the_transformer(quick, X, Y):
    model = quick(transformer_x=PCA(2)).fit(X, Y)
    assert model.translate(Y, domain="y").shape == (30, 3)
    assert model.set_params(transformer_x=None).fit(X, Y).transformer_x_ is None


# ---------------------------------------------------------------------------- kinds of input


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensor_in_tensor_out(quick, X, Y, dtype):
    one, other = (torch.tensor(x, dtype=dtype, requires_grad=True) for x in (X, Y))
    X, Y = one.detach().numpy(), other.detach().numpy()
    model = quick().fit(one, other)
    assert_array_equal(model.embedding_, quick().fit(X, Y).embedding_)
    for found, expected in (
        (quick().fit_transform(one, other), model.embedding_),
        (model.transform(one), model.transform(X)),
        (model.translate(one), model.translate(X)),
        (model.translate(other, domain="y"), model.translate(Y, domain="y")),
        (model.match(one, other), model.match(X, Y)),
        (model.inverse_transform(model.transform(one)), model.inverse_transform(model.embedding_)),
    ):
        assert isinstance(found, torch.Tensor)
        assert not found.requires_grad
        assert_array_equal(found.numpy(), expected)
    assert model.transform(one).dtype == dtype
    assert model.score(one, other) == model.score(X, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out(quick, X, Y, dtype):
    X, Y = X.astype(dtype), Y.astype(dtype)
    model = quick().fit(X, Y)
    for found in outputs(model, X, Y):
        assert found.dtype in (dtype, np.int64)
    assert model.embedding_.dtype == model.embedding_y_.dtype == dtype


def test_gradients_may_be_switched_off(quick, X, Y):
    with torch.inference_mode():
        model = quick().fit(X, Y)
    assert_array_equal(model.embedding_, quick().fit(X, Y).embedding_)


def test_data_frames_in_and_out(quick, X, Y):
    X = pd.DataFrame(X, columns=["a", "b", "c"], index=[f"row {i}" for i in range(len(X))])
    Y = pd.DataFrame(Y, columns=list("pqrstu"))
    model = quick().set_output(transform="pandas").fit(X, Y)
    out = model.transform(X)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    names = ["gwcotrainedautoencoders0", "gwcotrainedautoencoders1"]
    assert list(out.columns) == list(model.get_feature_names_out()) == names
    assert list(out.index) == list(X.index)
    assert isinstance(model.embedding_, np.ndarray)
    for translated in (model.translate(X[:5]), model.translate(X[:5], method="greedy")):
        assert list(translated.columns) == list(Y.columns)
        assert list(translated.index) == list(X.index[:5])
    assert list(model.translate(Y[3:5], domain="y").columns) == ["a", "b", "c"]
    assert isinstance(model.sample(3, random_state=0), np.ndarray)
    assert np.isfinite(model.score(X, Y))
    with pytest.raises(ValueError, match="feature names should match"):
        model.translate(X.rename(columns={"a": "z"}))


def test_data_frames_name_codes_of_the_first_domain(quick, X, Y):
    model = quick(n_components=(2, 3)).set_output(transform="pandas").fit(X, Y)
    assert model.transform(X).shape == (40, 2)
    with pytest.raises(ValueError, match=r"names the 2 components .* domain 'y' have 3"):
        model.transform(Y, domain="y")
    assert model.set_output(transform="default").transform(Y, domain="y").shape == (30, 3)


def test_units_and_offsets_of_the_data_do_not_matter(quick, X, Y):
    one = quick().fit(X, Y)
    other = quick().fit(1e4 * X + 7, 1e-4 * Y)
    assert_allclose(other.embedding_, one.embedding_, atol=1e-3 * one.embedding_.std())
    assert_allclose(1e4 * other.translate(1e4 * X + 7), one.translate(X), atol=1e-2 * Y.std())


def test_rows_that_coincide_are_no_trouble(quick, X):
    with pytest.warns(AmbiguousMatchingWarning):
        model = quick().fit(np.zeros((10, 2)), np.ones((8, 3)))
    assert_allclose(model.translate(np.zeros((10, 2))), 1, atol=1)
    assert np.isfinite(model.confidence_).all()
    assert np.isfinite(quick().fit(X, np.ones((8, 3))).translate(X)).all()


def test_weights_count_in_the_score(quick, X, Y):
    model = quick().fit(X, Y)
    weighted = model.score(X[:3], sample_weight=[2, 0, 1])
    assert weighted == pytest.approx(model.score(X[[0, 0, 2]]), rel=1e-5)
    of_first = model.score(Domains(X, Y), sample_weight=np.r_[np.arange(40), np.ones(30)])
    assert of_first == pytest.approx(model.score(X, Y, sample_weight=np.arange(40)))
    with pytest.raises(ValueError, match="Negative"):
        model.score(X[:2], sample_weight=[1, -1])


# -------------------------------------------------------------------------------- randomness


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"autoencoder": "vae"},
        {"autoencoder": "wae-mmd"},
        {"autoencoder": "wae-gan"},
        {"translator": TranslationNetwork(n_updates=5)},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_result(quick, X, Y, params):
    before = global_random_state()
    one, two, three = (quick(random_state=seed, **params).fit(X, Y) for seed in (3, 3, 4))
    for found, expected in zip(outputs(two, X, Y), outputs(one, X, Y), strict=True):
        assert_array_equal(found, expected)
    assert two.loss_curve_ == one.loss_curve_
    assert not np.allclose(three.embedding_, one.embedding_)
    assert global_random_state() == before


def test_a_random_state_object_moves_on(quick, X, Y):
    rng = np.random.RandomState(0)
    one, two = (quick(random_state=rng).fit(X, Y).embedding_ for _ in range(2))
    assert not np.allclose(one, two)


@pytest.mark.parametrize("kind", ["ae", "vae", "wae-gan"])
def test_the_distribution_that_samples_come_from(quick, X, Y, kind):
    """Of codes without a prior a fitted one; "auto" keeps the prior of others."""
    fitted = {s: quick(autoencoder=kind, sampler=s).fit(X, Y) for s in ("auto", "gaussian-mixture")}
    samples = {s: m.sample(4, domain="y", random_state=0) for s, m in fitted.items()}
    same = np.array_equal(samples["auto"], samples["gaussian-mixture"])
    assert same == (kind == "ae")
    found = fitted["auto"].diagnostics_
    assert ("mmd_x" in found) == ("largest_sd_y" in found) == (kind != "ae")
    if kind != "ae":
        spread = np.linalg.svd(fitted["auto"].embedding_ - fitted["auto"].embedding_.mean(0))[1]
        assert found["largest_sd_x"] == pytest.approx(spread[0] / np.sqrt(len(X)), rel=1e-4)


def test_a_prior_that_the_codes_do_not_have_is_refused(quick, X, Y):
    with pytest.raises(ValueError, match='sampler="prior" needs codes'):
        quick(sampler="prior").fit(X, Y)


def test_samples_are_seeded(quick, X, Y):
    model = quick().fit(X, Y)
    one, two, other = (model.sample(5, random_state=seed) for seed in (0, 0, 1))
    assert model.sample().shape == (1, 3)
    assert_array_equal(one, two)
    assert not np.allclose(one, other)


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("side_information", "message"),
    [
        ({"pairs": ([0, 1], [0])}, "of one length"),
        ({"pairs": ([0.5], [0.5])}, "Rows are positions, or names"),
        ({"pairs": ([0], [30])}, "outside of a domain of 30"),
        ({"pairs": ([-1], [0])}, "outside of a domain of 40"),
        ({"pairs": ([0, 0], [0, 1])}, "twice"),
        ({"labels": (np.zeros(40), np.zeros(40))}, r"40 and 30 labels, got \[40, 40\]"),
        ({"labels": (np.zeros((40, 2)), np.zeros(30))}, "1d array"),
        ({"labels": 3}, "labels must be two arrays"),
        (
            {"labels": (np.zeros(40, dtype=int), np.full(30, "0"))},
            "no class in common: .* labels like 0, the second domain labels like '0'",
        ),
    ],
)
def test_side_information_must_fit_the_domains(quick, X, Y, side_information, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, Y, **side_information)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_components": (2, 0)}, "n_components == 0, must be >= 1"),
        ({"n_components": (2, 2, 2)}, "n_components must be one value or a pair"),
        ({"n_components": "two"}, "n_components"),
        ({"network": ("mlp",)}, "network must be one value or a pair"),
        ({"network": ("mlp", "cnn")}, "network must be one of .*, or a callable"),
        ({"network": torch.nn.Linear(3, 2)}, "a callable that makes a new module"),
        ({"image_shape": (8, 8)}, r"image_shape must be \(channels, height, width\)"),
        ({"network": "conv"}, r"need image_shape=\(channels, height, width\) of 3 values"),
        ({"network": "conv", "image_shape": (1, 8, 8)}, "of 3 values in all"),
        ({"autoencoder": "gan"}, "autoencoder"),
        ({"translator": "transformer"}, "translator"),
        ({"translator": TranslationNetwork(cycle_weight=-1.0)}, "cycle_weight"),
        ({"gw_loss": "paired"}, "gw_loss"),
        ({"gw_loss": GWLoss("paired")}, "batches"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"alpha": 1.1}, "alpha"),
        ({"warm_up": 1.0}, "warm_up"),
        ({"device": "warp"}, "device='warp' is not supported"),
        ({"transformer_x": "pca"}, "transformer_x"),
    ],
)
def test_wrong_parameters_are_named(quick, X, Y, params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        quick(**params).fit(X, Y)


def test_mistakes_are_named(quick, X, Y):
    model = quick(n_components=(2, 3)).fit(X, Y)
    with pytest.raises(ValueError, match="domain must be 'x' or 'y', got 'z'"):
        model.translate(X, domain="z")
    with pytest.raises(ValueError, match="domain must be 'x' or 'y'"):
        model.match(X, domain="z")
    for method in (model.transform, model.inverse_transform):
        with pytest.raises(ValueError, match="domain must be 'x' or 'y', got 'z'"):
            method(X, domain="z")
    with pytest.raises(ValueError, match="domain must be 'x' or 'y'"):
        model.sample(3, domain="z")
    with pytest.raises(ValueError, match="method must be one of"):
        model.translate(X, method="best")
    with pytest.raises(ValueError, match='needs translator="network" in the fit'):
        model.translate(X, method="network")
    with pytest.raises(ValueError, match="match needs X with y"):
        model.match(y=Y)
    with pytest.raises(ValueError, match="expecting 3 features"):
        model.translate(Y)
    with pytest.raises(ValueError, match="expecting 6 features"):
        model.translate(X, domain="y")
    with pytest.raises(ValueError, match="expecting 6 features"):
        model.match(X, X)
    with pytest.raises(ValueError, match="Z has 2 columns, codes of domain 'y' have 3"):
        model.inverse_transform(model.embedding_, domain="y")


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3"])
def test_sample_needs_a_positive_number(quick, X, Y, n_samples):
    with pytest.raises((TypeError, ValueError), match="n_samples"):
        quick().fit(X, Y).sample(n_samples)


@pytest.mark.parametrize(
    "method", ["transform", "inverse_transform", "translate", "match", "score", "save"]
)
def test_methods_wait_for_a_fit(method, X):
    with pytest.raises(NotFittedError):
        getattr(GWCoTrainedAutoencoders(), method)(X)
    with pytest.raises(NotFittedError):
        GWCoTrainedAutoencoders().sample()


def test_clones_are_not_fitted(quick, X, Y):
    copied = clone(quick().fit(X, Y))
    with pytest.raises(NotFittedError):
        copied.match()


def test_alpha_of_one_ignores_pairs_and_labels(quick, X, Y):
    plain = quick(alpha=1).fit(X, Y).translate(X)
    known = np.arange(5), np.arange(5)
    labels = np.arange(len(X)) % 3, np.arange(len(Y)) % 3
    np.testing.assert_array_equal(quick(alpha=1).fit(X, Y, pairs=known).translate(X), plain)
    np.testing.assert_array_equal(quick(alpha=1).fit(X, Y, labels=labels).translate(X), plain)
    assert not np.array_equal(quick(alpha=0).fit(X, Y, pairs=known).translate(X), plain)
    with pytest.raises(ValueError, match="labels must be two arrays"):
        quick(alpha=1).fit(X, Y, labels=(labels[0][:-1], labels[1]))
    with pytest.raises(ValueError, match="pairs"):
        quick(alpha=1).fit(X, Y, pairs=([0], [len(Y)]))


def test_no_row_is_matched_twice_one_to_one(quick, X, Y):
    model = quick().fit(X, Y)
    for source, (rows, others) in {"x": (X, Y), "y": (Y, X)}.items():
        for given in ((), (rows, others)):
            found = model.match(*given, domain=source, assignment="one-to-one")
            kept = found[found >= 0]
            assert len(found) == len(rows)
            assert len(kept) == len(set(kept)) == min(len(rows), len(others))
    with pytest.raises(ValueError, match="needs y with X"):
        model.match(X, assignment="one-to-one")
    with pytest.raises(ValueError, match="assignment must be one of"):
        model.match(assignment="nearest")


def test_the_matching_by_distances_is_that_of_a_plan_between_codes(quick, X, Y):
    model = quick(n_components=(2, 3)).fit(X, Y)
    codes = model.transform(X[:20]), model.transform(Y[:25], domain="y")
    plan = solve_gromov(
        *(pairwise_distances(z) for z in codes), reg=5e-3, n_init=1, random_state=0
    ).plan
    given = {"assignment": "gromov-wasserstein"}
    np.testing.assert_array_equal(model.match(X[:20], Y[:25], **given), plan.argmax(1))
    assert len(model.match(Y[:25], X[:20], domain="y", **given)) == 25
    for rows in ((), (X,)):
        with pytest.raises(ValueError, match="needs X and y"):
            model.match(*rows, **given)


def test_matches_by_name(quick, X, Y, tmp_path):
    X = pd.DataFrame(X, index=[f"x {i}" for i in range(len(X))], columns=list("abc"))
    Y = pd.DataFrame(Y, index=[f"y {i}" for i in range(len(Y))], columns=list("pqrstu"))
    quick().fit(X, Y).save(tmp_path / "model")
    model = GWCoTrainedAutoencoders.load(tmp_path / "model")
    assert list(model.match(return_names=True)) == list(Y.index[model.match()])
    backward = model.match(Y, domain="y", return_names=True)
    assert list(backward) == list(X.index[model.match(Y, domain="y")])
    found = model.match(X[:3], Y[5:7], assignment="one-to-one", return_names=True)
    assert sorted(found, key=str) == [None, *Y.index[5:7]]
    with (
        pytest.warns(UserWarning, match="valid feature names"),
        pytest.raises(ValueError, match="have no names"),
    ):
        model.match(X, Y.to_numpy(), return_names=True)


def test_the_settings_of_the_report(quick, X, Y):
    settings = report_settings(X, Y, 2, "wae-mmd")
    ratio = np.mean([Z.var() / Z.var(axis=0).mean() for Z in (X, Y)])
    assert settings["gw_weight"] == pytest.approx(100 * ratio)  # figure 4.5
    assert settings["max_iter"] == 50  # one batch an epoch
    assert report_settings(X, Y, 8)["gw_weight"] == pytest.approx(ratio)
    assert report_settings(X, Y, 4, "vae")["gw_weight"] == 0
    model = quick(**settings | {"max_iter": 3}).fit(X, Y)
    assert len(model.gw_curve_) == 3  # from the first update on
    assert model.diagnostics_["scale_x"] == pytest.approx(1)  # measured at the end
    assert model.match(X[:9], Y[:9], assignment="gromov-wasserstein").shape == (9,)
    with pytest.raises(ValueError, match="equal"):
        report_settings(np.ones((4, 2)), Y)
