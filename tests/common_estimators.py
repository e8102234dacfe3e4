"""Every estimator of skgw, quick to fit: a line here, and all common tests run on it."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

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
from skgw.base.trained import TrainedEstimator
from skgw.embedding import Generator
from skgw.generative import FlowSampler

# The contract is checked with these, not the quality of a fit.
QUICK = {"max_iter": 3, "n_generated": 50, "generator": Generator(n_init_updates=3)}
QUICK_TRANSLATION = {"hidden_layer_sizes": (8,), "max_iter": 4, "n_init": 2}
QUICK_NETWORKS = {"hidden_layer_sizes": (8,), "max_iter": 4}
QUICK_OT = {
    "autoencoder": WassersteinAutoencoder(2, hidden_layer_sizes=(8,), max_iter=4),
    "transport": SemiDiscreteOT(max_iter=5, tol=100.0),
}


class FirstColumn(TransformerMixin, BaseEstimator):
    """One column, so that both domains have one width whatever scikit-learn hands out.

    The names of tests contain its representation, which must not hold an address.
    """

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[:, :1]

    def get_feature_names_out(self, names=None):
        return np.asarray(["x0"] if names is None else names[:1], dtype=object)

    def __sklearn_is_fitted__(self):
        return True


ESTIMATORS = {
    "features": GWGenerativeEmbedding(**QUICK),
    "geodesic": GWGenerativeEmbedding(metric="geodesic", **QUICK),
    "precomputed": GWGenerativeEmbedding(metric="precomputed", **QUICK),
    "matcher": GWMatcher(metric="euclidean", n_init=2),
    "matcher, geodesic": GWMatcher(metric="geodesic", n_init=2),
    "matcher, precomputed": GWMatcher(metric="precomputed", n_init=2),
    "semi-discrete": SemiDiscreteOT(max_iter=5, tol=100.0),
    "variational": VariationalAutoencoder(hidden_layer_sizes=(8,), max_iter=4),
    "wasserstein": WassersteinAutoencoder(hidden_layer_sizes=(8,), max_iter=4),
    "wasserstein, critic": WassersteinAutoencoder(
        penalty="gan", encoder="random", hidden_layer_sizes=(8,), max_iter=4
    ),
    "gromov-wasserstein": GWAutoencoder(hidden_layer_sizes=(8,), max_iter=4),
    "gromov-wasserstein, critic": GWAutoencoder(
        prior="gaussian-mixture",
        gw_term="generative",
        joint="critic",
        gap_weight=1.0,
        hidden_layer_sizes=(8,),
        max_iter=4,
    ),
    "adversarial": WassersteinGAN(
        hidden_layer_sizes=(8,), critic_layer_sizes=(8,), max_iter=4, n_warmup=1
    ),
    "optimal transport": OTAutoencoder(**QUICK_OT),
    "optimal transport, angle": OTAutoencoder(sampler="angle", **QUICK_OT),
    "optimal transport, flow": OTAutoencoder(
        sampler=FlowSampler(hidden_layer_sizes=(8,), max_iter=4, n_steps=2), **QUICK_OT
    ),
    "optimal transport, critic": OTAutoencoderGAN(
        OTAutoencoder(**QUICK_OT), critic_layer_sizes=(8,), max_iter=4, n_warmup=1
    ),
    "co-trained": GWCoTrainedAutoencoders(1, **QUICK_TRANSLATION),
    "co-trained, geodesic": GWCoTrainedAutoencoders(1, metric="geodesic", **QUICK_TRANSLATION),
    "co-trained, precomputed": GWCoTrainedAutoencoders(
        1, metric="precomputed", **QUICK_TRANSLATION
    ),
    "maps": CycleGAN(**QUICK_NETWORKS),
    "shared codes": UNIT(1, **QUICK_NETWORKS),
    "flows": AlignFlow(
        2, n_shared=1, transformer_x=FirstColumn(), transformer_y=FirstColumn(), **QUICK_NETWORKS
    ),
}
TRAINED = {
    name: estimator
    for name, estimator in ESTIMATORS.items()
    if isinstance(estimator, TrainedEstimator)
    and getattr(estimator, "metric", "euclidean") == "euclidean"
} | {"flows": AlignFlow(2, n_shared=1, **QUICK_NETWORKS)}


def rows(n, n_features=4, seed=0):
    """Rows without symmetries."""
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, size=(n, n_features)) * np.arange(n_features, 0, -1)


def fit(estimator, **params):
    """A fit to 40 rows, and for two domains to 30 others."""
    estimator.set_params(random_state=0, **params)
    required = estimator.__sklearn_tags__().target_tags.required
    width = 4 if isinstance(estimator, AlignFlow) else 3
    return estimator.fit(rows(40), rows(30, width, seed=1) if required else None)
