"""Fits do not depend on torch's default dtype: no tensor of theirs takes its dtype from there."""

import traceback

import numpy as np
import pytest
import torch
from common_estimators import ESTIMATORS, fit, rows
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import pairwise_distances
from torch.utils._python_dispatch import TorchDispatchMode

from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, GWMatcher
from skgw.embedding import Adversary, Generator, Penalties, Prior
from skgw.solvers import PointCloud, gw_divergence, solve_gromov

IMAGES = {"n_components": 27, "output_shape": (3, 3, 3), "hidden_layer_sizes": (4,)}
SHORT = {"max_iter": 4, "n_generated": 50, "batch_size": 16}
VARIANTS = {
    "adversary": GWGenerativeEmbedding(adversary="mlp", **SHORT),
    "layerwise adversary": GWGenerativeEmbedding(
        adversary=Adversary("mlp", orthogonality="layerwise", start=0, every=1), **SHORT
    ),
    "images": GWGenerativeEmbedding(
        generator="conv",
        penalties=Penalties(mean=0.1, l1=0.1, total_variation=0.1),
        early_stopping=True,
        **IMAGES,
        **SHORT,
    ),
    "normal prior": GWGenerativeEmbedding(
        generator=Generator(prior=Prior(n_components=1)), **SHORT
    ),
    "matcher, auto": GWMatcher(n_init=2),
    "matcher, unbalanced": GWMatcher(metric="euclidean", n_init=2, unbalanced=0.1),
    "matcher, partial": GWMatcher(metric="euclidean", n_init=2, mass=0.7),
    **{
        f"co-trained, {kind}": GWCoTrainedAutoencoders(
            1, autoencoder=kind, hidden_layer_sizes=(8,), max_iter=4, n_init=2, early_stopping=True
        )
        for kind in ("ae", "vae", "wae-mmd", "wae-gan")
    },
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of untrained models


class NewTensors(TorchDispatchMode):
    """Collects operations that return tensors of a dtype."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype, self.found = dtype, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(x, torch.Tensor) and x.dtype == self.dtype:
                self.found.add((str(function), _line_of_skgw()))
        return out


def _line_of_skgw():
    """File, line and text of the innermost frame in skgw."""
    frames = [f for f in traceback.extract_stack() if "/skgw/" in f.filename]
    return (f"{frames[-1].filename}:{frames[-1].lineno}", frames[-1].line) if frames else None


@pytest.fixture
def short_by_default():
    """A default of bfloat16, which skgw uses nowhere, and where tensors of this dtype arise."""
    torch.set_default_dtype(torch.bfloat16)
    with NewTensors(torch.bfloat16) as tensors:
        yield tensors.found
    torch.set_default_dtype(torch.float32)


def fitted(estimator):
    if getattr(estimator, "metric", None) == "precomputed":
        D = pairwise_distances(rows(40))
        both = estimator.__sklearn_tags__().target_tags.required
        return clone(estimator).set_params(random_state=0).fit(D, D if both else None)
    return fit(clone(estimator))


def use(estimator):
    """Methods of a fitted estimator for other rows."""
    if hasattr(estimator, "sample"):
        estimator.sample(3, random_state=0)
    if getattr(estimator, "metric", None) != "precomputed":
        for name in ("transform", "translate"):
            if hasattr(estimator, name):
                getattr(estimator, name)(rows(12, seed=5))


@pytest.mark.parametrize(
    "estimator", [*ESTIMATORS.values(), *VARIANTS.values()], ids=[*ESTIMATORS, *VARIANTS]
)
def test_no_tensor_of_an_estimator_has_the_default_dtype(estimator, short_by_default):
    use(fitted(estimator))
    assert short_by_default == set()


def test_no_tensor_of_the_solver_has_the_default_dtype(short_by_default):
    X = rows(30)
    D, E = pairwise_distances(X), pairwise_distances(X[:20])
    for options in (
        {"n_init": 4},
        {"init": "flb"},
        {"init": "tlb"},
        {"init": "spectral"},
        {"loss": "KL"},
        {"unbalanced": 0.1},
        {"mass": 0.7},
        {"M": np.ones((30, 20)), "alpha": 0.5},
    ):
        solve_gromov(D, E, random_state=0, **options)
    for rank in (None, 5):
        solve_gromov(PointCloud(X), PointCloud(X[:20]), plan="lazy", rank=rank, random_state=0)
    gw_divergence(D, E)
    assert short_by_default == set()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_results_are_the_same_bit_for_bit(dtype):
    estimator = VARIANTS["co-trained, wae-gan"]
    expected = fit(clone(estimator))
    torch.set_default_dtype(dtype)
    try:
        found = fit(clone(estimator))
        translated = found.translate(rows(12, seed=5))
    finally:
        torch.set_default_dtype(torch.float32)
    assert_array_equal(found.embedding_, expected.embedding_)
    assert_array_equal(found.plan_.toarray(), expected.plan_.toarray())
    assert_array_equal(translated, expected.translate(rows(12, seed=5)))
