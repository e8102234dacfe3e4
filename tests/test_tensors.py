"""Every method of every estimator takes tensors, and gives tensors for tensors."""

import inspect

import numpy as np
import pytest
import torch
from common_estimators import ESTIMATORS, rows
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

pytestmark = [pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")]
FIRST = {"X": rows(40), "pairwise": pairwise_distances(rows(40))}
SECOND = {"X": rows(30, 3, seed=1), "pairwise": pairwise_distances(rows(30, 3, seed=1))}
WITHOUT_ARRAYS = {
    "get_feature_names_out",
    "save",
    "sample_latent",
    "sample_codes",
    "sample_source",
    "set_output",
}  # neither in nor out


def tensor(array):
    return torch.tensor(array, requires_grad=array.dtype.kind == "f")


def calls(estimator, X, Y):
    """Arguments of the methods of a fitted estimator, by method and a number."""
    two = estimator.__sklearn_tags__().target_tags.required
    pair = (X, Y) if two else (X,)
    weight = np.linspace(0.5, 2, len(X))
    found = {"fit": [(pair, {})], "fit_transform": [(pair, {})], "transform": [((X,), {})]}
    of_rows = "predict", "predict_proba", "score_samples", "transport", "potential", "singularity"
    found |= {name: [((X,), {})] for name in of_rows}
    if hasattr(estimator, "score"):
        is_weighted = "sample_weight" in inspect.signature(estimator.score).parameters
        found["score"] = [(pair, {"sample_weight": weight} if is_weighted else {})]
    found["translate"] = [((X,), {}), ((Y,), {"domain": "y"})]
    found["match"] = [((X,), {}), ((X, Y), {})]
    found["transfer_labels"] = [
        ((np.arange(len(Z)) % 3,), {"domain": domain}) for Z, domain in ((X, "x"), (Y, "y"))
    ]
    found["leading_atoms"] = [((X, 2), {})]
    if hasattr(estimator, "inverse_transform"):
        generated = hasattr(estimator, "start_") or hasattr(estimator, "autoencoder_")
        is_coded = hasattr(estimator, "n_components") and not generated
        n = estimator.n_components if is_coded else estimator.transform(X).shape[1]
        found["inverse_transform"] = [((np.ones((3, n)),), {})]
    if hasattr(estimator, "sample_latent"):
        latent = estimator.sample_latent(5, random_state=0)
        found["sample"] = [((), {"latent": latent}), ((5,), {"latent": latent})]
        found["interpolate"] = [((latent[0], latent[1]), {"n_samples": 4})]
    return found


def public_methods(estimator):
    """Methods that skgw defines, but for those of parameters and callbacks."""
    for name, method in inspect.getmembers(estimator, inspect.ismethod):
        module = getattr(method, "__module__", "") or ""
        is_own = module.startswith("skgw.") and not name.startswith("_")
        if is_own and name not in WITHOUT_ARRAYS | {"load", "set_params"}:
            yield name


def same(out, expected):
    """A tensor in place of an array, with the same numbers."""
    if isinstance(expected, np.ndarray):
        assert isinstance(out, torch.Tensor)
        assert not out.requires_grad
        assert_allclose(out.numpy(), expected, rtol=1e-12)
    elif isinstance(expected, tuple):
        for each, other in zip(out, expected, strict=True):
            same(each, other)
    elif isinstance(expected, float):
        assert out == pytest.approx(expected)
    else:
        assert type(out) is type(expected)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_tensors_in_give_tensors_out(name):
    estimator = clone(ESTIMATORS[name]).set_params(random_state=0)
    kind = "pairwise" if estimator.__sklearn_tags__().input_tags.pairwise else "X"
    X, Y = FIRST[kind], SECOND[kind]
    two = estimator.__sklearn_tags__().target_tags.required
    fitted = estimator.fit(X, Y) if two else estimator.fit(X)
    known = calls(fitted, X, Y)
    methods = set(public_methods(fitted))
    assert methods - {"sample"} <= known.keys()
    for method in sorted(methods & known.keys()):
        for args, kwargs in known[method]:
            expected = getattr(fitted, method)(*args, **kwargs)
            given = {k: tensor(x) if isinstance(x, np.ndarray) else x for k, x in kwargs.items()}
            args = [tensor(x) if isinstance(x, np.ndarray) else x for x in args]
            same(getattr(fitted, method)(*args, **given), expected)


def test_couplings_take_tensors():
    plan = clone(ESTIMATORS["features"]).set_params(random_state=0).fit(FIRST["X"]).plan_
    x = np.random.default_rng(0).normal(size=(plan.shape[1], 2))
    for method, arguments in (("apply", {"axis": 1}), ("barycenter", {})):
        out = getattr(plan, method)(tensor(x), **arguments)
        assert isinstance(out, torch.Tensor)
        assert_array_equal(out.numpy(), getattr(plan, method)(x, **arguments))
