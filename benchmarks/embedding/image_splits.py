"""Images to train on and images that are held out, what they are compared with, and measures."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.common import Figures
from skgw.datasets import load_images
from skgw.metrics import (
    distance_distribution_error,
    frechet_distance,
    nearest_neighbor_two_sample,
    sample_support,
)

Array = NDArray[Any]
N_MEASURED = 1000  # images on either side of a measure
NORMAL, HELD_OUT = "normal distribution", "held-out images"  # what samples are compared with


@dataclass(frozen=True)
class Split:
    """Training images with values up to 1 and their classes, and two sets that are held out."""

    train: Array
    classes: Array
    test: Array
    other: Array
    shape: tuple[int, int, int]


@lru_cache(maxsize=2)
def split(archive: Path, rows: int, seed: int, *, grey: bool = False) -> Split:
    X, y, shape = load_images(archive, split="train")
    if grey:
        X, shape = X.reshape(len(X), shape[0], -1).mean(1), (1, *shape[1:])
    order = np.random.default_rng(seed).permutation(len(X))[: 2 * N_MEASURED + rows]
    X = X[order].astype(np.float32)
    X /= X.max()
    test, other, train = np.split(X, [N_MEASURED, 2 * N_MEASURED])
    return Split(train, y[order][2 * N_MEASURED :], test, other, shape)


class Judge:
    """A classifier of the images, and the features that it has learned."""

    def __init__(self, X: Array, y: Array) -> None:
        network = MLPClassifier((128,), early_stopping=True, max_iter=20, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 20 passes are enough
            self.network = network.fit(X, y)

    def features(self, X: Array) -> Array:
        """Its hidden layer, (n, 128)."""
        hidden = X @ self.network.coefs_[0] + self.network.intercepts_[0]
        return np.asarray(np.maximum(hidden, 0))

    def measure(self, samples: Array, test: Array) -> Figures:
        """How far samples are from images that neither model nor judge has seen."""
        ours, theirs = self.features(samples), self.features(test)
        opinion = self.network.predict_proba(samples)
        shares = np.bincount(opinion.argmax(1), minlength=opinion.shape[1]) / len(samples)
        entropy = -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
        return {
            "distances": distance_distribution_error(cdist(test, test), cdist(samples, samples)),
            "one_nn": nearest_neighbor_two_sample(samples, test, random_state=0),
            **vars(sample_support(ours, theirs)),
            "frechet": frechet_distance(ours, theirs),
            "classes": math.exp(entropy),
            "confidence": self.confidence(samples),
        }

    def confidence(self, X: Array) -> float:
        """Mean probability of the likeliest class."""
        return float(self.network.predict_proba(X).max(1).mean())


def normal_samples(X: Array, n: int, seed: int) -> Array:
    """Draws of the normal distribution with the moments of the data."""
    pca = PCA(min(50, X.shape[1])).fit(X)
    noise = np.random.default_rng(seed).normal(size=(n, pca.n_components_))
    return np.asarray(pca.inverse_transform(noise * np.sqrt(pca.explained_variance_)))
