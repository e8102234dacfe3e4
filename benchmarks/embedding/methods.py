"""Baselines of the embedding, and a measure that all methods share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.manifold import MDS, Isomap, SpectralEmbedding

from skgw import GWGenerativeEmbedding

OURS, RANDOM_MDS, CLASSICAL_MDS = "GWGenerativeEmbedding", "MDS, 4 random starts", "MDS, classical"
N_NEIGHBORS = 15


@cache
def warm_up() -> None:
    """Import and compile outside of the times what the first fit of a process needs."""
    GWGenerativeEmbedding(max_iter=1).fit(np.random.default_rng(0).normal(size=(50, 3)))


def mds(metric: str, seed: int, **options: Any) -> MDS:
    return MDS(metric=metric, random_state=seed, **options)


def spectral(metric: str, seed: int) -> SpectralEmbedding:
    """Of an adjacency matrix or of features."""
    affinity = "precomputed" if metric == "precomputed" else "nearest_neighbors"
    return SpectralEmbedding(affinity=affinity, n_neighbors=N_NEIGHBORS, random_state=seed)


def umap(metric: str, seed: int) -> Any:
    return umap_class()(n_neighbors=N_NEIGHBORS, metric=metric, random_state=seed)


@cache
def umap_class() -> Any:
    from umap import UMAP

    UMAP(n_neighbors=5).fit(np.random.default_rng(0).normal(size=(50, 3)))  # compiles
    return UMAP


BASELINES: dict[str, Callable[[str, int], Any]] = {  # of metric and seed
    RANDOM_MDS: lambda metric, seed: mds(metric, seed, init="random", n_init=4),
    CLASSICAL_MDS: lambda metric, seed: mds(metric, seed, init="classical_mds", n_init=1),
    "Isomap": lambda metric, seed: Isomap(n_neighbors=N_NEIGHBORS, metric=metric),
    "SpectralEmbedding": spectral,
    "UMAP": umap,
}
WITH_SCALE = OURS, RANDOM_MDS, CLASSICAL_MDS, "Isomap", "PCA"  # distances have the data's unit


def rank_correlation(D: np.ndarray, embedded: np.ndarray) -> float:
    """Spearman correlation of any two blocks of distances, from test rows to training rows too."""
    return float(spearmanr(D.ravel(), embedded.ravel()).statistic)
