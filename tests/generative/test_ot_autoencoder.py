"""OTAutoencoder: samplers against closed forms, its diagnostics, and the contract."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skgw import OTAutoencoder, SemiDiscreteOT, VariationalAutoencoder, WassersteinAutoencoder
from skgw.datasets import make_grid
from skgw.generative import AngleSampler, FlowSampler, LocalSampler, PairSampler
from skgw.generative.code_flow import FlowObjective, integrate
from skgw.generative.code_samplers import (
    AngleDraws,
    LocalDraws,
    automatic_threshold,
    mass_centers,
    neighborhoods,
)
from skgw.metrics import mode_coverage

QUICK = {"transport": SemiDiscreteOT(max_iter=500, tol=10.0), "random_state": 0}
FLOW = FlowSampler(hidden_layer_sizes=(8,), max_iter=3, n_steps=2)
SAMPLERS = {"local": "local", "angle": "angle", "pair": "pair", "flow": FLOW}
GROUPS = np.array([[-3.0, 0.0], [3.0, 0.0]])


@pytest.fixture(scope="module")
def X():
    """Two groups far from each other."""
    rng = np.random.default_rng(0)
    return GROUPS[np.arange(120) % 2] + 0.1 * rng.normal(size=(120, 2))


@pytest.fixture(scope="module", params=SAMPLERS)
def fitted(request, X):
    return OTAutoencoder(PCA(2), sampler=SAMPLERS[request.param], **QUICK).fit(X)


def to_groups(points):
    return np.linalg.norm(points[:, None] - GROUPS, axis=2).min(1)


@pytest.mark.parametrize("sampler", ["local", "angle", "pair"])
def test_no_sample_is_between_the_groups(X, sampler):
    model = OTAutoencoder(PCA(2), sampler=sampler, **QUICK).fit(X)
    samples = model.sample(500, random_state=0)
    assert to_groups(samples).max() < 0.6
    assert (samples[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.1)


def test_without_a_threshold_there_are_samples_between_the_groups(X):
    model = OTAutoencoder(PCA(2), sampler=AngleSampler(threshold=3.2), **QUICK).fit(X)
    assert model.diagnostics_["acceptance_rate"] == 1
    assert (to_groups(model.sample(500, random_state=0)) > 1).mean() > 0.02


def test_a_neighborhood_ends_with_its_mode(X):
    few = np.vstack([X[::2], X[1::2][:6]])  # the second group has fewer atoms than neighbours
    near = neighborhoods(few, 30)
    assert near.shape == (66, 30)
    assert_array_equal(near[:, 0], np.arange(66))
    assert set(near[60:].ravel()) == set(range(60, 66))


def test_a_local_step_preserves_a_normal_mode():
    atoms = np.random.default_rng(0).normal(size=(400, 2)) @ [[2, 1], [0, 0.5]]
    draws = LocalDraws.fit(atoms, np.full(400, 1 / 400), 400, 0.6)
    assert_allclose([draws.kept, draws.noise], [0.8, 0.6], rtol=0.01)
    rng = np.random.RandomState(0)
    codes = draws._codes(atoms, rng.randint(400, size=20_000), rng)
    assert_allclose(codes.mean(0), atoms.mean(0), atol=0.05)
    assert_allclose(np.cov(codes.T), np.cov(atoms.T), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("step", [0.3, 0.7, 1.0])
def test_local_steps_keep_the_variance_within_modes(X, step):
    weights = np.arange(1, 121) / np.arange(1, 121).sum()
    draws = LocalDraws.fit(X, weights, 10, step)
    rng = np.random.RandomState(0)
    chosen = rng.choice(120, size=20_000, p=weights)
    codes = draws._codes(X, chosen, rng)
    for mode in (0, 1):
        w = weights[mode::2] / weights[mode::2].sum()
        expected = w @ np.square(X[mode::2] - w @ X[mode::2])
        assert_allclose(codes[chosen % 2 == mode].var(0).sum(), expected.sum(), rtol=0.2)
        # exact in the sum over modes, up to the noise of the draws
    within = np.concatenate(
        [codes[chosen % 2 == mode] - codes[chosen % 2 == mode].mean(0) for mode in (0, 1)]
    )
    atoms = sum(
        weights[mode::2] @ np.square(X[mode::2] - np.average(X[mode::2], 0, weights[mode::2]))
        for mode in (0, 1)
    )
    assert_allclose(np.square(within).sum() / len(codes), atoms.sum(), rtol=0.03)


def test_a_step_of_one_forgets_the_code():
    atoms = np.array([[0.0], [1.0], [2.0]])
    draws = LocalDraws(np.array([[0, 1, 2]] * 3), 0.0, 1.0)
    one, other = (draws._codes(atoms, np.full(5, i), np.random.RandomState(0)) for i in (0, 2))
    assert_array_equal(one, other)


def test_weights_of_angles_are_inverse_distances():
    """Two atoms, source points on the line between the centres."""
    transport = SemiDiscreteOT(random_state=0).fit([[-1.0], [1.0]])
    draws = AngleDraws(np.array([[-1.0], [1.0]]), 3.0, 2, by_centers=True)
    points = np.array([[0.5], [-0.5]])
    codes, accepted = draws.draw(transport, points, np.random.RandomState(0))
    assert accepted.all()
    assert_allclose(codes, points)  # weights 3 / 4 and 1 / 4
    _, accepted = draws._replace(threshold=1.5).draw(transport, points, np.random.RandomState(0))
    assert not accepted.any()  # the angle is that of (1, -1) and (-1, -1), a right one


def test_mass_centers_of_halves_of_the_normal_distribution():
    transport = SemiDiscreteOT(random_state=0).fit([[-1.0], [1.0]])
    found = mass_centers(transport, 10_000, np.random.RandomState(0))
    assert_allclose(found.ravel(), np.sqrt(2 / np.pi) * np.array([-1, 1]), atol=0.02)


def test_the_automatic_threshold_lies_in_the_gap(X):
    transport = SemiDiscreteOT(tol=10.0, max_iter=500, random_state=0).fit(X / 3)
    threshold = automatic_threshold(transport, np.random.RandomState(0))
    assert 0.2 < threshold < np.pi / 2  # within groups below .2, between them a right angle
    one = SemiDiscreteOT(random_state=0).fit(np.ones((2, 2)))
    assert automatic_threshold(one, np.random.RandomState(0)) == np.pi


def test_a_threshold_that_rejects_all_points(X):
    model = OTAutoencoder(PCA(2), sampler=AngleSampler(threshold=1e-12), **QUICK)
    with pytest.raises(ValueError, match="raise the threshold"):
        model.fit(X)


def test_pairs_lie_on_segments(X):
    sampler = PairSampler(n_vertices=5, weight=1.0)
    model = OTAutoencoder(FunctionTransformer(), sampler=sampler, **QUICK)
    codes = model.fit(X).sample_codes(50, random_state=0)
    distances = np.linalg.norm(codes[:, None] - model.transform(X), axis=2).min(1)
    assert_allclose(distances, 0, atol=1e-9)  # the second atom alone


def test_the_flow_of_a_constant_velocity():
    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.ones_like(x[:, :-1]) * x[:, -1:]  # the time

    end = integrate(Constant(), torch.zeros(3, 2), 4)
    assert_allclose(end, 0.5, atol=1e-6)


def test_the_loss_of_the_right_velocity_of_one_atom():
    """All lines end at y, so that the velocity is (y - x) / (1 - t)."""
    atom = torch.tensor([[1.0, -2.0]])

    class Right(torch.nn.Module):
        def forward(self, x):
            return (atom - x[:, :2]) / (1 - x[:, 2:])

    objective = FlowObjective(Right(), atom.numpy(), np.zeros(1), batch_size=64)
    loss = objective.losses("velocity", torch.Generator().manual_seed(0))["loss"]
    assert float(loss) < 1e-3


def test_diagnostics(fitted):
    assert set(fitted.diagnostics_) == {"acceptance_rate", "spread_ratio", "memorization"}
    assert 0 < fitted.diagnostics_["acceptance_rate"] <= 1


def test_copies_are_found(X):
    copies = OTAutoencoder(PCA(2), sampler=LocalSampler(step=1e-9), **QUICK).fit(X)
    assert copies.diagnostics_["memorization"] > 0.99
    assert copies.diagnostics_["spread_ratio"] == pytest.approx(1, abs=0.15)


def test_samples_are_decoded_codes(fitted):
    codes = fitted.sample_codes(7, random_state=3)
    assert_allclose(fitted.inverse_transform(codes), fitted.sample(7, random_state=3))
    assert fitted.sample(1).shape == (1, 2)
    assert_array_equal(fitted.get_feature_names_out(), ["otautoencoder0", "otautoencoder1"])


@pytest.mark.parametrize("autoencoder", [None, VariationalAutoencoder(3, max_iter=3)])
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_saved_with_an_autoencoder_of_skgw(autoencoder, sampler, tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 4))
    if autoencoder is None:
        autoencoder = WassersteinAutoencoder(max_iter=2, hidden_layer_sizes=(4,))
    model = OTAutoencoder(autoencoder, sampler=sampler, **QUICK).fit(rows)
    model.save(tmp_path / "model")
    loaded = OTAutoencoder.load(tmp_path / "model")
    assert_array_equal(loaded.sample(5, random_state=0), model.sample(5, random_state=0))
    assert_array_equal(loaded.transform(rows), model.transform(rows))
    assert type(loaded.autoencoder) is type(autoencoder)
    assert not hasattr(loaded.autoencoder, "n_iter_")
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_an_autoencoder_of_another_package_is_pickled(fitted, tmp_path):
    with pytest.raises(TypeError, match="PCA cannot be rebuilt"):
        fitted.save(tmp_path / "model")
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.sample(5, random_state=0), fitted.sample(5, random_state=0))


def test_a_file_with_atoms_of_another_map_is_refused(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 4))
    autoencoder = WassersteinAutoencoder(2, max_iter=2, hidden_layer_sizes=(4,))
    model = OTAutoencoder(autoencoder, **QUICK).fit(rows)
    model.transport_ = clone(QUICK["transport"]).fit(rows[:20, :2])
    with pytest.raises(ValueError, match="belong to the atoms"):
        model.save(tmp_path / "model")


def test_seeds(X):
    model = OTAutoencoder(WassersteinAutoencoder(2, max_iter=3), **QUICK)
    one, other = (clone(model).fit(X).sample(5, random_state=0) for _ in range(2))
    assert_array_equal(one, other)
    third = clone(model).set_params(random_state=1).fit(X).sample(5, random_state=0)
    assert not np.allclose(one, third)
    assert model.autoencoder.random_state is None


def test_pipelines_and_nested_parameters(X):
    model = make_pipeline(StandardScaler(), OTAutoencoder(PCA(), **QUICK))
    model.set_params(otautoencoder__autoencoder__n_components=1, otautoencoder__sampler="pair")
    model.set_params(otautoencoder__sampler__n_vertices=3)
    assert model.fit(X).transform(X).shape == (120, 1)
    assert model[-1].sampler == PairSampler(n_vertices=3)


def test_one_distinct_code():
    model = OTAutoencoder(FunctionTransformer(), **QUICK).fit(np.ones((5, 2)))
    assert_allclose(model.sample(3, random_state=0), 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"transport": SemiDiscreteOT("uniform")}, "source 'normal'"),
        ({"sampler": "nearest"}, "sampler"),
        ({"sampler": LocalSampler(step=2.0)}, "step"),
        ({"autoencoder": "pca"}, "autoencoder"),
    ],
)
def test_parameters_that_are_refused(X, params, message):
    with pytest.raises(ValueError, match=message):
        OTAutoencoder(**{"autoencoder": PCA(2), **QUICK, **params}).fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["local", "angle", "pair"])
def test_all_modes_of_the_grid(sampler):
    X, _, centers = make_grid(1500, random_state=0)
    model = OTAutoencoder(
        PCA(2), sampler=sampler, transport=SemiDiscreteOT(tol=0.5), random_state=0
    )
    model.fit(X)
    found = mode_coverage(model.sample(2500, random_state=0), centers, 0.05)
    assert found.covered == 25
    assert found.within > 0.98
