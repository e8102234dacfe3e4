"""Inputs of all kinds, and estimators that fit in a moment."""

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from skgw import GWGenerativeEmbedding
from skgw.embedding import Generator

QUICK = {
    "generator": Generator(n_init_updates=3),
    "max_iter": 3,
    "n_generated": 40,
    "batch_size": 32,
    "random_state": 0,
}
KINDS = ["features", "geodesic", "precomputed", "graph", "sparse", "sparse one way", "weights"]


@pytest.fixture
def quick():
    """An estimator that fits in a moment; a parameter of a part is given as part__name."""

    def build(**params):
        parts = {name: params.pop(name) for name in list(params) if "__" in name}
        own = {"generator": clone(QUICK["generator"])}  # set_params changes parts in place
        return GWGenerativeEmbedding(**{**QUICK, **own, **params}).set_params(**parts)

    return build


@pytest.fixture(scope="session")
def X():
    return np.random.default_rng(0).normal(size=(40, 3)) * [3, 2, 1] + [0, 0, 5]


@pytest.fixture(scope="session")
def graph():
    return nx.grid_2d_graph(6, 6)


@pytest.fixture(scope="session")
def D(X):
    return pairwise_distances(X)


@pytest.fixture(scope="session")
def inputs(X, D, graph):
    """By kind: parameters, training input, and input of two new points."""
    new = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 5.0]])
    adjacency = sparse.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    edges = sparse.csr_array(([1.0, 1.0, 1.0], ([0, 0, 1], [0, 1, 35])), shape=(2, 36))
    weighted = nx.Graph((u, v, {"km": 1 + u[0]}) for u, v in graph.edges)
    precomputed = {"metric": "precomputed"}
    return {
        "features": ({}, X, new),
        "geodesic": ({"metric": "geodesic", "n_neighbors": 6}, X, new),
        "precomputed": (precomputed, D, pairwise_distances(new, X)),
        "graph": (precomputed, graph, edges),
        "sparse": (precomputed, adjacency, edges),
        "sparse one way": (precomputed, sparse.triu(adjacency, format="csr"), edges),
        "weights": ({**precomputed, "edge_length": "km"}, weighted, edges),
    }


@pytest.fixture(scope="session")
def _cache():
    return {}


@pytest.fixture(params=KINDS)
def fitted(request, inputs, _cache):
    """For each kind: a fitted estimator (read only), its input, and new points."""
    kind = request.param
    params, X, new = inputs[kind]
    if kind not in _cache:
        _cache[kind] = GWGenerativeEmbedding(**QUICK, **params).fit(X)
    return SimpleNamespace(kind=kind, params=params, X=X, new=new, estimator=_cache[kind])
