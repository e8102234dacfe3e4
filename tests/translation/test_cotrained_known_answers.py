"""A similar copy is translated and matched; side information decides where distances do not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from skgw import Domains, GWCoTrainedAutoencoders
from skgw.exceptions import AmbiguousMatchingWarning


def error(found, expected):
    """Median distance, over the size of the expected cloud."""
    size = np.linalg.norm(expected - expected.mean(0), axis=1).mean()
    return np.median(np.linalg.norm(found - expected, axis=1)) / size


KINDS = {  # parameters: error of new rows
    "ae": ({}, 0.2),
    "vae": ({"prior_weight": 0.1}, 0.2),
    "wae-mmd": ({}, 0.2),
    "wae-gan": ({}, 0.2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_the_copy(copies, trained, kind):
    params, tolerance = KINDS[kind]
    model = trained(autoencoder=kind, **params)
    assert (model.match() == copies.match).mean() > 0.8
    assert error(model.translate(copies.new), copies.move(copies.new)) < tolerance
    assert error(model.translate(copies.Y, domain="y"), copies.X[copies.order]) < tolerance


# ----------------------------------------------------------------------------- translation


@pytest.mark.parametrize("domain", ["x", "y"])
@pytest.mark.parametrize("method", ["auto", "decoded", "barycentric", "greedy"])
def test_rows_are_translated_to_where_they_would_be(copies, trained, domain, method):
    rows, images = copies.X, copies.move(copies.X)
    if domain == "y":
        rows, images = images, rows
    assert error(trained().translate(rows, domain=domain, method=method), images) < 0.2


def test_new_rows_are_translated(copies, trained):
    for method, tolerance in (("decoded", 0.2), ("barycentric", 0.3), ("greedy", 0.4)):
        found = trained().translate(copies.new, method=method)
        assert error(found, copies.move(copies.new)) < tolerance


def test_a_greedy_translation_is_a_training_row(copies, trained):
    found = trained().translate(copies.X, method="greedy")
    assert_array_equal(found, copies.Y[trained().match()])


def test_a_network_translates_as_well(copies, trained):
    model = trained(translator="network")
    images = copies.move(copies.new)
    assert_array_equal(model.translate(copies.new), model.translate(copies.new, method="network"))
    assert error(model.translate(copies.new), images) < 0.2
    assert error(model.translate(images, domain="y"), copies.new) < 0.2
    assert not np.allclose(
        model.translate(copies.new), model.translate(copies.new, method="decoded")
    )


def test_a_translation_to_y_and_back(copies, trained):
    there = trained().translate(copies.new)
    assert error(trained().translate(there, domain="y"), copies.new) < 0.3


def test_decoding_undoes_encoding(copies, trained):
    model = trained()
    for rows, domain in ((copies.new, "x"), (copies.move(copies.new), "y")):
        codes = model.transform(rows, domain=domain)
        assert codes.shape == (40, 3)
        assert error(model.inverse_transform(codes, domain=domain), rows) < 0.2


def test_the_score_measures_the_translation(copies, trained):
    model = trained()
    both = Domains(copies.new, copies.move(copies.new))
    assert -0.15 < model.score(both) < 0
    assert model.score(both) == model.score(both.X, both.Y)
    assert model.score(copies.new) != model.score(both)  # one direction only
    assert trained(gw_weight=0.0).score(both) < model.score(both)


# ---------------------------------------------------------------------------------- matching


def test_training_rows_are_matched(copies, trained):
    model = trained()
    assert (model.match() == copies.match).mean() > 0.8
    assert (model.match(domain="y") == copies.order).mean() > 0.8
    assert (model.match(copies.X) == copies.match).mean() > 0.8
    assert (model.match(copies.Y, domain="y") == copies.order).mean() > 0.8


def test_new_rows_are_matched_with_new_rows(copies, trained):
    order = np.random.default_rng(1).permutation(40)
    images = copies.move(copies.new)[order]
    assert (order[trained().match(copies.new, images)] == np.arange(40)).mean() > 0.8
    assert (trained().match(images, copies.new, domain="y") == order).mean() > 0.8


def test_new_rows_are_matched_with_training_rows(copies, trained):
    near = copies.X[:20] + 0.01 * np.random.default_rng(1).normal(size=(20, 3))
    assert (trained().match(near) == copies.match[:20]).mean() > 0.8


def test_the_plan_couples_all_rows(copies, trained):
    plan = trained().plan_
    assert plan.shape == (160, 160)
    assert plan.apply(np.ones(160), axis=1) == pytest.approx(np.full(160, 1 / 160))
    assert plan.apply(np.ones(160), axis=0) == pytest.approx(np.full(160, 1 / 160), rel=0.3)


# ------------------------------------------------------------------------ what is said of it


def test_diagnostics_of_a_good_fit(trained):
    model = trained()
    found = model.diagnostics_
    assert set(found) == {"cost", "cost_ratio", "scale_x", "scale_y", "rank_x", "rank_y"}
    assert 0 < found["cost"] < 0.06
    # Of a copy about half of the rows of each half have their match in the other domain's half,
    # so that it is below 1; a matching by chance is above 1.3.
    assert 0.3 < found["cost_ratio"] < 0.8
    for k in "xy":
        assert found[f"scale_{k}"] == pytest.approx(1, abs=0.1)
        assert 1 < found[f"rank_{k}"] <= 3
    assert model.margin_ > 0.5
    assert model.confidence_.shape == (160,)
    assert model.confidence_.mean() > 0.5
    assert ((model.confidence_ >= 0) & (model.confidence_ <= 1)).all()


def test_confidence_is_lower_where_rows_were_spoilt(copies):
    rng = np.random.default_rng(0)
    noise = np.where(np.arange(160) < 50, 1.5, 0.0)[:, None] * rng.normal(size=(160, 6))
    model = GWCoTrainedAutoencoders(
        3, hidden_layer_sizes=(32,), max_iter=300, n_init=4, random_state=0
    ).fit(copies.X, (copies.move(copies.X) + noise)[copies.order])
    right = model.match() == copies.match
    assert 0.5 < right.mean() < 0.95
    assert roc_auc_score(right, model.confidence_) > 0.6


# ------------------------------------------------------------------------- other situations


def test_codes_of_different_dimensions(copies, trained):
    model = trained(n_components=(3, 4))
    assert model.embedding_.shape == (160, 3)
    assert model.embedding_y_.shape == (160, 4)
    assert (model.match() == copies.match).mean() > 0.8
    assert error(model.translate(copies.new), copies.move(copies.new)) < 0.2
    images = copies.move(copies.new)
    assert error(model.translate(images, domain="y"), copies.new) < 0.2


def test_domains_of_different_lengths(copies):
    model = GWCoTrainedAutoencoders(
        3, hidden_layer_sizes=(32,), max_iter=250, n_init=4, random_state=0
    ).fit(copies.X, copies.Y[:120])
    assert model.plan_.shape == (160, 120)
    found = model.match(domain="y")
    assert (found == copies.order[:120]).mean() > 0.5
    near = np.linalg.norm(copies.X[found] - copies.X[copies.order[:120]], axis=1)
    assert np.median(near) < 0.2 * np.linalg.norm(copies.X - copies.X.mean(0), axis=1).mean()
    assert error(model.translate(copies.new), copies.move(copies.new)) < 0.4


def test_training_brings_codes_together(copies, trained):
    """Without the loss the autoencoders are as good, and the translation is not."""
    apart, together = trained(gw_weight=0.0), trained()
    assert apart.gw_curve_ == []
    assert together.gw_curve_[-1] < together.gw_curve_[0]
    assert together.diagnostics_["cost"] < 0.5 * apart.diagnostics_["cost"]
    images = copies.move(copies.new)
    found = [error(m.translate(copies.new, method="decoded"), images) for m in (together, apart)]
    assert found[0] < found[1]


def test_isometric_codes_keep_distances(trained):
    held, free = trained(isometry_weight=1.0), trained()
    assert held.diagnostics_["rank_x"] == pytest.approx(held.diagnostics_["rank_y"], rel=0.05)
    assert held.diagnostics_["rank_x"] != pytest.approx(free.diagnostics_["rank_x"], rel=1e-3)


@pytest.mark.parametrize("kind", ["ae", "wae-mmd"])
def test_samples_are_distributed_like_the_rows(copies, trained, kind):
    model = trained(autoencoder=kind)
    for rows, domain in ((copies.X, "x"), (copies.Y, "y")):
        drawn = model.sample(2000, domain=domain, random_state=0)
        assert drawn.shape == (2000, rows.shape[1])
        radius = np.linalg.norm(rows - rows.mean(0), axis=1).mean()
        assert np.linalg.norm(drawn.mean(0) - rows.mean(0)) < 0.3 * radius
        drawn_radius = np.linalg.norm(drawn - drawn.mean(0), axis=1).mean()
        assert drawn_radius == pytest.approx(radius, rel=0.3)


def test_transformers_are_undone(copies, trained):
    pca = PCA(3)
    model = trained(transformer_y=pca)
    assert not hasattr(pca, "components_")
    assert model.transformer_y_.n_components_ == 3
    assert error(model.translate(copies.new), copies.move(copies.new)) < 0.2
    assert model.translate(copies.new).shape == (40, 6)
    assert model.sample(3, domain="y", random_state=0).shape == (3, 6)
    assert (model.match() == copies.match).mean() > 0.8


# ---------------------------------------------------------------------------------- symmetry


@pytest.fixture(scope="module")
def square():
    """A grid, a rotated copy in another order, and the matches."""
    rng = np.random.default_rng(0)
    line = np.linspace(-1, 1, 9)
    X = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    order = rng.permutation(len(X))
    frame = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    return X, (X @ frame.T)[order], np.argsort(order)


@pytest.fixture
def of_a_plane():
    return GWCoTrainedAutoencoders(
        2, hidden_layer_sizes=(32,), max_iter=200, n_init=4, random_state=0
    )


def test_symmetric_domains_are_called_ambiguous(square, of_a_plane):
    X, Y, _ = square
    with pytest.warns(AmbiguousMatchingWarning, match="`pairs` or `labels`") as caught:
        of_a_plane.fit(X, Y)
    assert caught[0].filename == __file__
    assert of_a_plane.margin_ < 0.02


def test_pairs_decide(square, of_a_plane):
    X, Y, match = square
    known = np.array([0, 3, 20, 35])  # not on one of the axes
    of_a_plane.fit(X, Y, pairs=(known, match[known]))
    assert (of_a_plane.match() == match).mean() > 0.9


def test_labels_decide(square, of_a_plane):
    X, Y, match = square
    labels = 3 * (X[:, 0] > 0.3) + (X[:, 1] > 0.3)
    of_a_plane.fit(X, Y, labels=(labels, labels[np.argsort(match)]))
    near = np.linalg.norm(X[np.argsort(match)[of_a_plane.match()]] - X, axis=1)
    assert np.median(near) < 0.6
    assert (labels == labels[np.argsort(match)[of_a_plane.match()]]).mean() > 0.8


def test_labels_may_be_unknown(square, of_a_plane):
    """Four rows of classes of their own are four pairs."""
    X, Y, match = square
    known = np.array([0, 3, 20, 35])
    one, other = np.full(len(X), -1), np.full(len(X), -1)
    one[known] = other[match[known]] = np.arange(4)
    of_a_plane.fit(X, Y, labels=(one, other))
    codes = of_a_plane.embedding_
    by_pairs = GWCoTrainedAutoencoders(**of_a_plane.get_params())
    by_pairs.fit(X, Y, pairs=(known, match[known]))
    assert (of_a_plane.match() == match).mean() > 0.9
    assert codes.shape == by_pairs.embedding_.shape
    assert_array_equal(of_a_plane.match(), by_pairs.match())
