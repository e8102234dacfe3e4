"""CycleGAN, UNIT and AlignFlow: their losses, known answers, and the contract that they share."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

from skgw import UNIT, AlignFlow, CycleGAN, DomainKFold, Domains
from skgw.nn import AutoencoderSpec
from skgw.nn.translation_maps import MapSpec
from skgw.translation import DomainCritic
from skgw.translation.adversarial_objective import (
    AdversarialSettings,
    AdversarialTranslation,
    TrainingRows,
    TwoWayModel,
)
from skgw.translation.adversarial_translator import AdversarialTranslator
from skgw.translation.cycle_maps import CycleMaps
from skgw.translation.shared_latent_space import share_layers

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 8, "batch_size": 16, "random_state": 0}
MODELS = {
    "maps": CycleGAN(**QUICK),
    "shared codes": UNIT(2, **QUICK),
    "flows": AlignFlow(3, n_shared=1, **QUICK),
}
WIDE = {name: model for name, model in MODELS.items() if name != "flows"}  # of any two widths


class Steps:
    """A callback that counts finished steps, and may interrupt the fit."""

    def __init__(self, interrupt_at=None):
        self.interrupt_at, self.n = interrupt_at, 0

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        if context.task_name == "fit":
            return False
        self.n += 1
        if self.n == self.interrupt_at:
            raise KeyboardInterrupt
        return False


@pytest.fixture(params=MODELS)
def model(request):
    return clone(MODELS[request.param])


@pytest.fixture
def X():
    return np.random.default_rng(0).gamma(2.0, size=(40, 3)) * [3, 2, 1]


@pytest.fixture
def Y():
    return np.random.default_rng(1).gamma(2.0, size=(30, 3)) * [1, 2, 3] + 5


@pytest.fixture
def frequent(monkeypatch):
    """Reports, validations and checkpoints every 2 updates."""
    monkeypatch.setattr(AdversarialTranslator, "report_every", 2)


def outputs(model, X, Y):
    """All that a fitted model gives for rows of either domain."""
    found = [model.score(X, Y), *model.diagnostics_.values(), *model.loss_curve_]
    for domain, rows in (("x", X), ("y", Y)):
        codes = model.transform(rows, domain=domain)
        found += [codes, model.inverse_transform(codes, domain=domain)]
        found += [
            model.translate(rows, domain=domain),
            model.sample(4, domain=domain, random_state=0),
        ]
        if hasattr(model, "score_samples"):
            found.append(model.score_samples(rows, domain=domain))
    return found


def assert_same(one, other, X, Y):
    for found, expected in zip(outputs(one, X, Y), outputs(other, X, Y), strict=True):
        assert_array_equal(found, expected)


# ------------------------------------------------------------------------------------ losses


class Fixed(TwoWayModel):
    """Translations by a factor."""

    def __init__(self):
        factors = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
        super().__init__(factors, {"own": 2.0})
        with torch.no_grad():
            factors[0].weight.fill_(3.0)
            factors[1].weight.fill_(0.5)

    def translate(self, x, source):
        return self.networks[source](x)

    def losses(self, rows, generator):
        own = {"own": torch.tensor(1.0)}
        return (self.translate(rows[0], 0), self.translate(rows[1], 1)), own


def objective(**settings):
    """Rows at 1 and at 2, critics that return their rows, and one known pair."""
    defaults = {
        "loss": "least-squares", "weight": 1.0, "gradient_weight": 0.0, "n_steps": 1,
        "learning_rate_factor": 1.0, "pair_weight": 0.0, "batch_size": 4,
    }  # fmt: skip
    every, none = np.arange(4), np.arange(0)
    domains = [
        TrainingRows(np.full((4, 1), value), every, held_out=none, anchors=every[:1])
        for value in (1.0, 2.0)
    ]
    return AdversarialTranslation(
        Fixed(), domains, (torch.nn.Identity(), torch.nn.Identity()),
        AdversarialSettings(**{**defaults, **settings}),
    )  # fmt: skip


def detached(losses):
    return {name: x.detach() for name, x in losses.items()}


def test_the_losses_of_the_translations():
    generator = torch.Generator().manual_seed(0)
    losses = detached(objective().losses("translation", generator))
    assert float(losses["adversarial"]) == pytest.approx((3 - 1) ** 2 / 2 + (1 - 1) ** 2 / 2)
    assert float(losses["loss"]) == pytest.approx(2 * 1 + 2)
    weighted = objective(weight=0.5, pair_weight=10.0).losses("translation", generator)
    weighted = detached(weighted)
    assert float(weighted["pairs"]) == pytest.approx(abs(3 - 2) + abs(1 - 1))
    assert float(weighted["loss"]) == pytest.approx(2 * 1 + 0.5 * 2 + 10 * 1)
    assert "adversarial" not in objective(weight=0.0).losses("translation", generator)


def test_the_loss_of_the_critics():
    generator = torch.Generator().manual_seed(0)
    plain = ((2 - 1) ** 2 + 3**2) / 2 + ((1 - 1) ** 2 + 1**2) / 2  # real, then translated rows
    assert float(objective().losses("critic", generator)["loss"]) == pytest.approx(plain)
    smooth = objective(gradient_weight=0.3).losses("critic", generator)["loss"]
    assert float(smooth) == pytest.approx(plain + 2 * 0.3)  # both slopes are one


def test_the_losses_of_maps():
    maps = tuple(MapSpec(2, 2, hidden_layer_sizes=(), residual=True).build() for _ in range(2))
    with torch.no_grad():
        for found, shift in zip(maps, (1.0, -0.5), strict=True):
            found.network[0].weight.zero_()
            found.network[0].bias.fill_(shift)
    model = CycleMaps(maps, {"cycle": 1.0, "identity": 1.0, "transport": 1.0})
    rows = torch.randn(5, 2), torch.randn(4, 2)
    (to_y, to_x), losses = model.losses(rows, torch.Generator())
    assert torch.allclose(to_y, rows[0] + 1)
    assert torch.allclose(to_x, rows[1] - 0.5)
    assert float(losses["cycle"].detach()) == pytest.approx(2 * 0.5, rel=1e-5)
    assert float(losses["identity"].detach()) == pytest.approx(1.5, rel=1e-5)
    assert float(losses["transport"].detach()) == pytest.approx(1 + 0.25, rel=1e-5)
    assert list(CycleMaps(maps, {"cycle": 1.0, "identity": 0.0}).losses(rows, None)[1]) == ["cycle"]


def test_layers_next_to_the_codes_are_shared():
    specs = [AutoencoderSpec(p, 2, hidden_layer_sizes=(8, 4), stochastic=True) for p in (3, 5)]
    one, other = specs[0].build(0), specs[1].build(1)
    share_layers((one, other), 2)
    assert [one.encoder[i] is other.encoder[i] for i in (0, 2, 4)] == [False, True, True]
    assert [one.decoder[i] is other.decoder[i] for i in (0, 2, 4)] == [True, True, False]
    with pytest.raises(ValueError, match=r"shapes \[\(8, 3\), \(8,\)\] and \[\(8, 5\)"):
        share_layers((one, other), 3)
    with pytest.raises(ValueError, match="has 3 layers in a row"):
        share_layers((one, other), 4)


# ----------------------------------------------------------------------------- known answers


def test_residual_maps_learn_a_shift():
    X, Y = (np.random.default_rng(i).gamma(2.0, size=(300, 2)) * [2, 1] for i in (0, 1))
    model = CycleGAN(
        residual=True, cycle_weight=1.0, hidden_layer_sizes=(32,), max_iter=300, random_state=0
    )
    model.fit(X, Y + [4, 0])
    error = model.translate(X) - (X + [4, 0])
    assert np.mean(error**2) < 0.1 * X.var(0).mean()
    assert model.diagnostics_["discrepancy_y"] < 0.1
    assert model.diagnostics_["cycle_x"] < 0.2


def test_transport_weight_lowers_the_transport_cost(X, Y):
    params = {**QUICK, "max_iter": 100, "residual": True, "learning_rate_init": 0.01}
    free, cheap = (
        CycleGAN(**params, transport_weight=w).fit(X, Y).diagnostics_ for w in (0.0, 10.0)
    )
    assert cheap["transport_x"] < 0.5 * free["transport_x"]
    assert cheap["transport_y"] < 0.5 * free["transport_y"]


def test_flows_undo_each_other_exactly(X, Y):
    model = AlignFlow(4, n_shared=2, **{**QUICK, "max_iter": 30}).fit(X, Y)
    for domain, other, rows in (("x", "y", X), ("y", "x", Y)):
        there = model.translate(rows, domain=domain)
        assert_allclose(model.translate(there, domain=other), rows, rtol=1e-9, atol=1e-9)
        codes = model.transform(rows, domain=domain)
        assert_allclose(model.inverse_transform(codes, domain=domain), rows, rtol=1e-9, atol=1e-9)


def test_flows_learn_a_density():
    """The mean log density of new rows is near minus the entropy of noisy rows."""
    train, new = (
        np.random.default_rng(i).normal(size=(1000, 2)) @ [[3, 1], [0, 0.5]] for i in (0, 1)
    )
    model = AlignFlow(4, n_shared=0, hidden_layer_sizes=(32,), max_iter=300, random_state=0)
    model.fit(train, train + 5)
    covariance = np.cov(train.T) + (0.1 * model._scalers[0].scale) ** 2 * np.eye(2)
    entropy = np.log(2 * np.pi * np.e) + 0.5 * np.linalg.slogdet(covariance)[1]
    assert model.score_samples(new).mean() == pytest.approx(-entropy, abs=0.25)
    shifted = model.score_samples(new + 5, domain="y").mean()
    assert shifted == pytest.approx(-entropy, abs=0.25)


@pytest.mark.parametrize("name", MODELS)
def test_pairs_draw_rows_to_their_partners(name, X):
    Y = -X[:, ::-1]
    params = {"max_iter": 150, "hidden_layer_sizes": (32,), "learning_rate_init": 5e-3}
    pairs = np.arange(40), np.arange(40)
    without, known = (
        clone(MODELS[name]).set_params(**params).fit(X, Y, pairs=p) for p in (None, pairs)
    )
    errors = [np.mean((m.translate(X) - Y) ** 2) / Y.var(0).mean() for m in (without, known)]
    assert errors[1] < (0.7 if name == "flows" else 0.5) * errors[0]
    same = clone(MODELS[name]).set_params(pair_weight=0.0, **params).fit(X, Y, pairs=pairs)
    assert_array_equal(same.translate(X), without.translate(X))


# ---------------------------------------------------------------------------------- contract


@pytest.mark.parametrize("name", WIDE)
def test_shapes_of_domains_of_two_widths(name, X):
    Y = np.random.default_rng(1).normal(size=(30, 5))
    model = clone(WIDE[name]).fit(X, Y)
    codes = {"maps": (5, 3), "shared codes": (2, 2)}[name]
    for domain, rows, own, other, k in (("x", X, 3, 5, codes[0]), ("y", Y, 5, 3, codes[1])):
        Z = model.transform(rows, domain=domain)
        assert Z.shape == (len(rows), k)
        assert model.inverse_transform(Z, domain=domain).shape == (len(rows), own)
        assert model.translate(rows, domain=domain).shape == (len(rows), other)
        assert model.sample(4, domain=domain, random_state=0).shape == (4, own)
    assert (model.n_features_in_, model.n_features_y_in_) == (3, 5)
    assert "transport_x" not in model.diagnostics_
    assert len(model.loss_curve_) == model.n_iter_ == 8
    assert model.validation_curve_ == []


def test_maps_are_codes(X, Y):
    model = clone(MODELS["maps"]).fit(X, Y)
    assert_allclose(model.transform(X), model.translate(X))
    back = model.translate(model.translate(X), domain="y")
    assert_allclose(model.inverse_transform(model.transform(X)), back, rtol=1e-6)
    drawn = model.sample(50, random_state=0)
    known = model.translate(Y, domain="y")
    assert all(np.isclose(known, row).all(1).any() for row in drawn)


def test_diagnostics_and_domains(model, X, Y):
    one, other = clone(model).fit(Domains(X, Y)), model.fit(X, Y)
    assert_same(one, other, X, Y)
    assert one.score(Domains(X, Y)) == other.score(X, Y)
    expected = {f"{name}_{d}" for name in ("cycle", "discrepancy", "transport") for d in "xy"}
    assert set(one.diagnostics_) == expected
    assert one.diagnostics_["transport_x"] == pytest.approx(
        np.mean((one.translate(X) - X) ** 2) / X.var(0).mean(), rel=1e-4
    )


def test_seeds(model, X, Y):
    before = np.random.get_state()[1].tobytes(), torch.get_rng_state()  # noqa: NPY002
    assert_same(clone(model).fit(X, Y), clone(model).fit(X, Y), X, Y)
    assert np.random.get_state()[1].tobytes() == before[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    other = clone(model).set_params(random_state=1).fit(X, Y)
    assert not np.allclose(other.translate(X), model.fit(X, Y).translate(X))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_interrupted_fit_resumes(model, X, Y, frequent, tmp_path, early_stopping):
    model.set_params(early_stopping=early_stopping)
    expected = clone(model).fit(X, Y, pairs=([1, 5], [2, 7]))
    interrupted = clone(model).set_params(checkpoint=tmp_path)
    interrupted.set_callbacks(Steps(interrupt_at=2))
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, Y, pairs=([1, 5], [2, 7]))
    assert len(list(tmp_path.iterdir())) == 1
    steps = Steps()
    resumed = clone(model).set_params(checkpoint=tmp_path).set_callbacks(steps)
    assert_same(resumed.fit(X, Y, pairs=([1, 5], [2, 7])), expected, X, Y)
    assert steps.n == 2
    assert list(tmp_path.iterdir()) == []
    assert len(resumed.validation_curve_) == 4 * early_stopping


WAYS = {
    "deepcopy": lambda fitted, path: copy.deepcopy(fitted),
    "pickle": lambda fitted, path: pickle.loads(pickle.dumps(fitted)),
    "save": lambda fitted, path: (fitted.save(path / "m"), type(fitted).load(path / "m"))[1],
}


@pytest.mark.parametrize("way", WAYS)
def test_copies_do_the_same(model, X, Y, tmp_path, way):
    model.set_params(critic=DomainCritic(weight=0.5, hidden_layer_sizes=(4,))).fit(X, Y)
    copied = WAYS[way](model, tmp_path)
    assert copied.get_params() == model.get_params()
    assert_same(copied, model, X, Y)


IMAGES = {
    "maps": CycleGAN(network="conv", image_shape=((1, 4, 6), (2, 4, 6)), **QUICK),
    "residual maps": CycleGAN(network="conv", image_shape=(1, 4, 6), residual=True, **QUICK),
    "shared codes": UNIT(2, network="conv", image_shape=(1, 4, 6), **QUICK),
    "one of images": UNIT(
        2, network=("mlp", "conv"), image_shape=(None, (1, 4, 6)), n_shared=0, **QUICK
    ),
    "dcgan": UNIT(
        2, network="dcgan", image_shape=(1, 4, 6), max_iter=2, batch_size=8, random_state=0
    ),
    "flows": AlignFlow(2, n_shared=1, network="conv", image_shape=(1, 4, 6), **QUICK),
}


@pytest.mark.parametrize("name", IMAGES)
def test_networks_of_images(name, tmp_path):
    rng = np.random.default_rng(0)
    X, Y = rng.random((20, 24)), rng.random((16, 48 if name == "maps" else 24))
    model = clone(IMAGES[name]).fit(X, Y)
    assert model.translate(X).shape == (20, Y.shape[1])
    model.save(tmp_path / "m")
    assert_array_equal(type(model).load(tmp_path / "m").translate(X), model.translate(X))


def linear(n_inputs, n_outputs):
    return torch.nn.Linear(n_inputs, n_outputs)


@pytest.mark.parametrize("name", WIDE)
def test_a_callable_makes_the_networks(name, X):
    model = clone(WIDE[name]).set_params(network=linear)
    if name == "shared codes":
        with pytest.raises(ValueError, match="has 0 layers in a row"):
            model.fit(X, X[:20, :2])
        model.set_params(n_shared=0)
    model.fit(X, X[:20, :2])
    middle = model.translate(np.stack([X[0], X[1], (X[0] + X[1]) / 2]))
    assert_allclose(middle[2], (middle[0] + middle[1]) / 2, rtol=1e-4)


MISTAKES = {
    "flows": (AlignFlow(), "bijections and need domains of equal width: X has 3 columns, y has 2"),
    "residual": (CycleGAN(residual=True), "residual compare rows .* equal width"),
    "identity": (CycleGAN(identity_weight=1.0), "identity_weight compare"),
    "transport": (CycleGAN(transport_weight=1.0, residual=True), "residual and transport_weight"),
    "no shape": (CycleGAN(network="conv"), "image_shape"),
    "layers": (UNIT(n_shared=4), "3 layers in a row"),
    "network": (UNIT(network=("mlp", "lstm")), "network must be one of"),
    "loss": (UNIT(critic="wasserstein"), "critic"),
    "critic": (UNIT(critic=DomainCritic(n_steps=0)), "n_steps"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, X):
    model, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, X[:20, :2])


def test_more_mistakes(model, X, Y):
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.fit(X)
    with pytest.raises(ValueError, match="pairs"):
        model.fit(X, Y, pairs=([0], [99]))
    with pytest.raises(ValueError, match="Too few samples"):
        clone(model).set_params(early_stopping=True).fit(X, Y[:3])
    with pytest.raises(TypeError, match="labels"):
        model.fit(X, Y, labels=(np.zeros(40), np.zeros(30)))
    with pytest.raises(ValueError, match="must be 'x' or 'y'"):
        model.fit(X, Y).translate(X, domain="z")
    with pytest.raises(ValueError, match="blocks cannot be shared"):
        AlignFlow(2, n_shared=3).fit(X, Y)


def test_data_frames(model, X, Y):
    X, Y = pd.DataFrame(X, columns=[*"abc"]), pd.DataFrame(Y, columns=[*"uvw"])
    X.index += 7
    model.set_output(transform="pandas").fit(X, Y)
    assert list(model.translate(X).columns) == [*"uvw"]
    assert list(model.translate(Y, domain="y").columns) == [*"abc"]
    assert list(model.translate(X).index) == list(X.index)
    assert list(model.transform(X).columns) == list(model.get_feature_names_out())
    assert isinstance(model.sample(3, random_state=0), np.ndarray)


def test_data_frames_name_the_output_for_the_first_domain(X):
    model = clone(MODELS["maps"]).set_output(transform="pandas").fit(X, X[:20, :2])
    assert model.transform(X).shape == (40, 2)
    with pytest.raises(ValueError, match="domain 'y' have 3"):
        model.transform(X[:20, :2], domain="y")


def test_transformers(model, X):
    Y = np.random.default_rng(1).normal(size=(30, 6)) * np.arange(1, 7)
    model.set_params(transformer_y=PCA(3)).fit(X, Y)
    assert model.translate(X).shape == (40, 6)
    assert model.sample(2, domain="y", random_state=0).shape == (2, 6)
    assert np.isfinite(model.score(X, Y))


def test_searches(model, X, Y):
    search = GridSearchCV(
        model, {"critic__weight": [0.5, 1.0]}, cv=DomainKFold(2), error_score="raise"
    )
    search.fit(Domains(X, Y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_units_of_the_data_do_not_matter(model, X, Y):
    one = clone(model).fit(X, Y)
    unit = 2.0**130
    other = clone(model).fit(unit * X, Y)
    assert_allclose(other.translate(Y, domain="y") / unit, one.translate(Y, domain="y"), rtol=1e-5)
    assert other.score(unit * X, Y) == pytest.approx(one.score(X, Y), rel=1e-4)


def test_weights_count_in_the_score(model, X, Y):
    model.fit(X, Y)
    weighted = model.score(X[:3], sample_weight=[2, 0, 1])
    assert weighted == pytest.approx(model.score(X[[0, 0, 2]]), rel=1e-5)


def test_rows_that_coincide_are_no_trouble(model, X):
    model.fit(np.zeros((10, 3)), np.ones((8, 3)))
    assert np.isfinite(model.translate(np.zeros((2, 3)))).all()
    assert np.isfinite(clone(model).fit(X, np.ones((8, 3))).translate(X)).all()
