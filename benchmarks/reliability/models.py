"""Small fitted estimators of every kind, and a call of each of their methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from skgw import (
    UNIT,
    AlignFlow,
    CycleGAN,
    GWAutoencoder,
    GWCoTrainedAutoencoders,
    GWGenerativeEmbedding,
    GWMatcher,
    OTAutoencoder,
    OTAutoencoderGAN,
    SemiDiscreteOT,
    VariationalAutoencoder,
    WassersteinAutoencoder,
    WassersteinGAN,
)
from skgw.autoencoders import GANPenalty
from skgw.base.coupling import Coupling
from skgw.embedding import Adversary, Generator, Penalties, Prior
from skgw.generative import FlowSampler
from skgw.solvers import LazyPlan
from skgw.translation import DomainCritic, TranslationNetwork
from skgw.translation.adversarial_translator import AdversarialTranslator

N, M = 14, 11  # rows of the two domains
NETWORKS = {"hidden_layer_sizes": (4,), "max_iter": 2, "batch_size": 8, "random_state": 0}
GENERATOR = Generator(prior=Prior(3, n_components=2), n_init_updates=2)
EMBEDDING = {**NETWORKS, "n_generated": 6, "generator": GENERATOR}
IMAGES = {
    **EMBEDDING,
    "generator": Generator("conv", prior="normal", n_init_updates=2),
    "output_shape": (1, 2, 2),
    "penalties": Penalties(0.1, l1=0.1),
    "adversary": Adversary(n_features=4),
}
PAIR = {
    "autoencoder": "vae",
    "translator": TranslationNetwork(n_updates=1),
    "network": ("mlp", "conv"),
    "image_shape": (None, (1, 2, 2)),
}


CODED_IMAGES = {
    **NETWORKS,
    "network": "infogan",
    "image_shape": (1, 4, 4),
    "encoder": "random",
    "penalty": GANPenalty(regularizer="spectral", hidden_layer_sizes=(3,)),
    "sampler": "gaussian-mixture",
}
TRANSPORT = {"max_iter": 5, "tol": 100.0, "random_state": 0}
CODES = {
    "autoencoder": WassersteinAutoencoder(2, **NETWORKS),
    "transport": SemiDiscreteOT(**TRANSPORT),
    "random_state": 0,
}
CRITIC = {"max_iter": 2, "n_warmup": 1, "batch_size": 8, "random_state": 0}
SAMPLERS = {
    "local": "local",
    "angle": "angle",
    "pair": "pair",
    "flow": FlowSampler(hidden_layer_sizes=(4,), max_iter=2, n_steps=2),
}


class Model(NamedTuple):
    """A fitted estimator with its input."""

    estimator: Any
    X: Any
    Y: Any = None


def models() -> dict[str, Model]:
    """Fitted estimators of every class, kind of space and network."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(N, 3)) * [3, 2, 1], rng.gamma(2.0, size=(M, 2))
    images = rng.gamma(2.0, size=(M, 4))
    wide = np.random.default_rng(1).gamma(2.0, size=(M, 16))
    D, graph = pairwise_distances(X), sparse.csr_array(np.eye(N, k=1) + np.eye(N, k=-1))
    matcher = GWMatcher(metric="euclidean", n_init=1, random_state=0)
    cotrained = GWCoTrainedAutoencoders(2, n_init=1, **NETWORKS)
    found = {
        "embedding": Model(GWGenerativeEmbedding(**EMBEDDING), X),
        "embedding, distances": Model(GWGenerativeEmbedding(metric="precomputed", **EMBEDDING), D),
        "embedding, graph": Model(GWGenerativeEmbedding(metric="precomputed", **EMBEDDING), graph),
        "embedding, geodesic": Model(
            GWGenerativeEmbedding(metric="geodesic", n_neighbors=4, **EMBEDDING), X
        ),
        "embedding, images": Model(GWGenerativeEmbedding(4, **IMAGES), X),
        "matcher": Model(matcher, X, Y),
        "matcher, refined": Model(clone(matcher), X, X @ np.linalg.qr(np.vander([1.0, 2, 3]))[0]),
        "matcher, sparse": Model(
            clone(matcher).set_params(metric="auto", n_neighbors=4), _wide(N, rng), _wide(M, rng)
        ),
        "matcher, automatic": Model(clone(matcher).set_params(metric="auto", n_neighbors=4), X, Y),
        "matcher, graph": Model(
            clone(matcher).set_params(metric=("precomputed", "geodesic"), n_neighbors=4), graph, Y
        ),
        "matcher, lazy plan": Model(clone(matcher), X, Y),
        "co-trained": Model(cotrained, X, Y),
        "co-trained, networks": Model(
            clone(cotrained).set_params(n_components=(2, 1), **PAIR), X, images
        ),
        "maps": Model(CycleGAN(**NETWORKS), X, Y),
        "maps, images": Model(
            CycleGAN(network="conv", image_shape=(1, 2, 2), residual=True, **NETWORKS),
            images[:5],
            images,
        ),
        "shared codes": Model(
            UNIT(2, n_shared=0, network=("mlp", "conv"), image_shape=(None, (1, 2, 2)), **NETWORKS),
            X,
            images,
        ),
        "flows": Model(
            AlignFlow(2, n_shared=1, critic=DomainCritic(weight=0.5), **NETWORKS), X, X[:M] + 1
        ),
        "flows, images": Model(
            AlignFlow(2, n_shared=1, network="conv", image_shape=(1, 2, 2), **NETWORKS),
            images,
            images[:5],
        ),
        "variational": Model(VariationalAutoencoder(2, **NETWORKS), X),
        "wasserstein": Model(WassersteinAutoencoder(2, **NETWORKS), X),
        "gromov-wasserstein": Model(GWAutoencoder(2, prior="gaussian-mixture", **NETWORKS), X),
        "semi-discrete": Model(SemiDiscreteOT(**TRANSPORT), X),
        "adversarial": Model(WassersteinGAN(2, critic_layer_sizes=(4,), **NETWORKS), X),
        **{
            f"optimal transport, {name}": Model(OTAutoencoder(sampler=sampler, **CODES), X)
            for name, sampler in SAMPLERS.items()
        },
        "optimal transport, critic": Model(
            OTAutoencoderGAN(OTAutoencoder(**CODES), critic_layer_sizes=(4,), **CRITIC), X
        ),
        "wasserstein, images": Model(WassersteinAutoencoder(2, **CODED_IMAGES), wide),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in found.values():
            model.estimator.fit(model.X, model.Y)
    _make_lazy(found["matcher, lazy plan"].estimator)
    return found


def _wide(n: int, rng: np.random.Generator) -> sparse.csr_array:
    """Sparse rows of more features than rows."""
    return sparse.csr_array(rng.poisson(0.4, size=(n, 30)).astype(float))


def _make_lazy(matcher: GWMatcher) -> None:
    """Give a matcher the plan that it has for many rows."""
    extension = matcher._extension.to_y
    left = np.random.default_rng(0).random((N, M))
    a = np.full(N, 1 / N)
    matcher.plan_ = Coupling(LazyPlan(left, np.eye(M), extension.log_scaling, a))


def calls(model: Model) -> list[Callable[[], Any]]:
    """A call of each method, and of each form of it."""
    e, X, Y = model
    common = [lambda: repr(e), lambda: clone(e)]
    if isinstance(e, GWAutoencoder | VariationalAutoencoder | WassersteinAutoencoder):
        own = [*common, *_codes(e, e.transform(X), {}), lambda: e.score(X)]
        scored = hasattr(e, "score_samples")
        return [*own, *([lambda: e.score_samples(X)] if scored else [])]
    if isinstance(e, OTAutoencoder):
        return [*common, *_codes(e, e.transform(X), {}), lambda: e.sample_codes(3, random_state=0)]
    if isinstance(e, OTAutoencoderGAN):
        return [*common, *_codes(e, e.transform(X), {})]
    if isinstance(e, SemiDiscreteOT):
        maps = [e.predict, e.transport, e.potential, e.singularity]
        return [*common, *[lambda f=f: f(X) for f in maps], lambda: e.sample(3, random_state=0)]
    if isinstance(e, WassersteinGAN):
        noise = np.ones((3, 2))
        return [*common, lambda: e.inverse_transform(noise), lambda: e.sample(3, random_state=0)]
    if isinstance(e, GWGenerativeEmbedding):
        of_plan = _plan(e.plan_)
        features = [] if e.metric == "precomputed" else [lambda: e.inverse_transform(e.embedding_)]
        new = [lambda: e.transform(X), lambda: e.transform(X[:1]), lambda: e.score(X)]
        return [*common, *of_plan, *features, *new, lambda: e.sample(3, random_state=0)]
    if isinstance(e, AdversarialTranslator):
        both = [
            lambda method=method, rows=rows, domain=domain: method(rows, domain=domain)
            for domain, rows in (("x", X), ("y", Y))
            for method in (e.translate, *([e.score_samples] if isinstance(e, AlignFlow) else []))
        ]
        return [*common, *both, *_codes_of_domains(e, X, Y), lambda: e.score(X, Y)]
    between = [
        lambda: e.match(),
        lambda: e.match(domain="y"),
        lambda: e.match(X),
        lambda: e.match(X, Y),
        lambda: e.match(Y, domain="y"),
        lambda: e.translate(X),
        lambda: e.translate(Y, domain="y"),
        lambda: e.transfer_labels(np.arange(e.plan_.shape[0]) % 3),
        lambda: e.score(X, Y),
    ]
    if isinstance(e, GWMatcher):
        return [*common, *_plan(e.plan_), *between, lambda: e.match(assignment="one-to-one")]
    codes = _codes_of_domains(e, X, Y)
    methods = [lambda m=m: e.translate(X, method=m) for m in ("decoded", "barycentric", "greedy")]
    return [*common, *_plan(e.plan_), *between, *codes, *methods]


def _codes_of_domains(e: Any, X: Any, Y: Any) -> list[Callable[[], Any]]:
    return [
        call
        for domain, rows in (("x", X), ("y", Y))
        for call in _codes(e, e.transform(rows, domain=domain), {"domain": domain})
    ]


def _codes(e: Any, Z: np.ndarray, domain: dict[str, str]) -> list[Callable[[], Any]]:
    return [
        lambda: e.inverse_transform(Z, **domain),
        lambda: e.sample(3, random_state=0, **domain),
    ]


def _plan(plan: Coupling) -> list[Callable[[], Any]]:
    return [
        plan.toarray,
        plan.argmax,
        lambda: plan.topk(1),
        lambda: plan.apply(np.ones(plan.shape[0])),
    ]
