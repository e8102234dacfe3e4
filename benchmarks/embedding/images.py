"""Images from distances alone: train for some minutes, draw a sheet of samples, and measure them.

    python -m benchmarks.embedding.images mnist.npz --minutes 5 --adversary mlp --sheet mnist.png

The set is an archive as `skgw.datasets.load_images` reads it, grey or in colours; `--grey` takes
the mean of its colours. Gromov-Wasserstein leaves every orthogonal map of pixel space free, so that
samples need not look like the data. The sheet has them as they are generated, then after the
orthogonal map that agrees with the model's own coupling, and data below.

Measures respect what is free: the distribution of distances needs no map; all others are taken
after it, in pixels and in the features of a classifier that was trained on the data and its labels
(its hidden layer, 128 units). "data" is what held-out images reach, "PCA" a normal distribution
with the moments of the training images along 50 axes.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier

from benchmarks.common import Figures, pin_threads, print_table
from skgw import GWGenerativeEmbedding
from skgw.datasets import load_images
from skgw.metrics import (
    distance_distribution_error,
    frechet_distance,
    nearest_neighbor_two_sample,
    sample_support,
)

Array = NDArray[Any]
N_MEASURED = 1000  # images on either side of a measure
PROJECTION = 30.0  # seconds that are left for the coupling after training
N_HEAD_START = 250  # updates that the start by scaling costs
N_SHOWN = 10  # images in a row of the sheet
COLUMNS = {
    "distances": 3,
    "1-NN": 3,
    "precision": 3,
    "recall": 3,
    "coverage": 3,
    "Frechet": 2,
    "classes": 1,
    "confidence": 3,
}


class Judge:
    """A classifier of the images, and the features that it has learned."""

    def __init__(self, X: Array, y: Array) -> None:
        network = MLPClassifier((128,), early_stopping=True, max_iter=20, random_state=0)
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
            "1-NN": nearest_neighbor_two_sample(samples, test, random_state=0),
            **vars(sample_support(ours, theirs)),
            "Frechet": frechet_distance(ours, theirs),
            "classes": math.exp(entropy),
            "confidence": float(opinion.max(1).mean()),
        }


def make_model(args: argparse.Namespace, shape: tuple[int, int, int]) -> GWGenerativeEmbedding:
    out = (args.channels or shape[0], *shape[1:])
    return GWGenerativeEmbedding(
        math.prod(out),
        output_shape=out,
        image_shape=shape,
        generator=args.generator,
        adversary=None if args.adversary == "none" else args.adversary,
        hidden_layer_sizes=(32, 64) if args.generator == "conv" else (256, 256),
        penalty="tv",
        penalty_weight=args.tv,
        n_prior_components=args.components,
        random_state=args.seed,
    )


class Clock:
    """A callback that notes when reports came, one every 50 updates."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to prepare."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **about: Any) -> None:
        """Of no interest."""

    def on_fit_task_end(self, estimator: Any, context: Any, **about: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def fit_for(model: GWGenerativeEmbedding, X: Array, minutes: float) -> float:
    """Fit with as many updates as there is time for; the seconds that the fit took."""
    start, clock = time.perf_counter(), Clock()
    trial = GWGenerativeEmbedding(**model.get_params())
    trial.set_params(init="random", adversary_start=0.0, n_generated=10, max_iter=100)
    trial.set_callbacks(clock).fit(X[:300])
    update = (clock.times[1] - clock.times[0]) / 50
    left = 60 * minutes - PROJECTION - (time.perf_counter() - start)
    model.set_params(max_iter=max(100, int(left / update) - N_HEAD_START))
    start = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - start


def in_place(model: GWGenerativeEmbedding, samples: Array) -> Array:
    """Samples in the data's own space, by the orthogonal map that agrees with the coupling."""
    cloud = model.generated_
    partners = model.inverse_transform(cloud)
    width = max(cloud.shape[1], partners.shape[1])
    one, other = (
        np.pad(Z - Z.mean(0), ((0, 0), (0, width - Z.shape[1]))) for Z in (cloud, partners)
    )
    rotation, _ = orthogonal_procrustes(one, other)
    moved = np.pad(samples - cloud.mean(0), ((0, 0), (0, width - samples.shape[1]))) @ rotation
    return np.asarray(moved[:, : partners.shape[1]] + partners.mean(0))


def sheet(path: Path, rows: list[tuple[Array, tuple[int, int, int]]]) -> None:
    """Write groups of images, each from its darkest to its lightest value, as one picture."""
    import matplotlib.pyplot as plt

    strips = [_strip(images[: 3 * N_SHOWN], shape) for images, shape in rows]
    plt.imsave(path, np.concatenate(strips))


def _strip(images: Array, shape: tuple[int, int, int]) -> Array:
    low, high = np.quantile(images, [0.01, 0.99])
    pixels = np.clip((images - low) / (high - low), 0, 1).reshape(-1, N_SHOWN, *shape)
    pixels = np.moveaxis(pixels, 2, 4)  # (rows, N_SHOWN, h, w, c)
    if shape[0] == 1:
        pixels = np.repeat(pixels, 3, axis=4)
    lines = [np.concatenate(list(line), axis=1) for line in pixels]
    frame = np.ones((4, lines[0].shape[1], 3))
    return np.concatenate([*lines, frame])


def normal_samples(X: Array, n: int, seed: int) -> Array:
    """Draws of the normal distribution with the moments of the data."""
    pca = PCA(min(50, X.shape[1])).fit(X)
    noise = np.random.default_rng(seed).normal(size=(n, pca.n_components_))
    return np.asarray(pca.inverse_transform(noise * np.sqrt(pca.explained_variance_)))


def main() -> None:
    args = _options()
    pin_threads(args.threads)
    X, y, shape = load_images(args.path, split="train")
    if args.grey:
        X, shape = X.reshape(len(X), shape[0], -1).mean(1), (1, *shape[1:])
    order = np.random.default_rng(args.seed).permutation(len(X))
    X, y = X[order].astype(np.float32), y[order]
    test, other = X[:N_MEASURED], X[N_MEASURED : 2 * N_MEASURED]
    X, y = X[2 * N_MEASURED :][: args.rows], y[2 * N_MEASURED :][: args.rows]
    model = make_model(args, shape)
    seconds = fit_for(model, X, args.minutes)
    samples = model.sample(N_MEASURED, random_state=args.seed)
    moved = in_place(model, samples)
    judge = Judge(X, y)
    figures = {
        "samples": judge.measure(moved, test),
        "PCA": judge.measure(normal_samples(X, N_MEASURED, args.seed), test),
        "data": judge.measure(other, test),
    }
    lines = [
        [name, *(f"{row[column]:.{digits}f}" for column, digits in COLUMNS.items())]
        for name, row in figures.items()
    ]
    about = {
        "set": Path(args.path).stem,
        "generator": args.generator,
        "adversary": args.adversary,
        "updates": model.n_iter_,
        "seconds": round(seconds),
        "gw": round(model.gw_divergence_, 4),
        "seed": args.seed,
    }
    print(json.dumps(about))
    print_table(["", *COLUMNS], lines)
    if args.sheet is not None:
        sheet(args.sheet, [(samples, model.output_shape), (moved, shape), (test, shape)])


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("path", help="an .npz archive, an IDX file, or a folder with either")
    options.add_argument("--minutes", type=float, default=5.0, help="of training (default 5)")
    options.add_argument("--rows", type=int, default=10000, help="training images (default 10000)")
    options.add_argument("--generator", choices=["conv", "mlp"], default="conv")
    options.add_argument("--adversary", choices=["none", "mlp", "conv"], default="none")
    options.add_argument("--grey", action="store_true", help="train on the mean of the colours")
    options.add_argument("--channels", type=int, help="of samples (default: as the data)")
    options.add_argument("--components", type=int, default=128, help="Gaussians of the noise")
    options.add_argument("--tv", type=float, default=0.1, help="weight of the total variation")
    options.add_argument("--sheet", type=Path, help="picture to write, such as samples.png")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=2, help="of torch and BLAS (default 2)")
    return options.parse_args()


if __name__ == "__main__":
    main()
