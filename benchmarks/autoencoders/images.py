"""Autoencoders of images: reconstruction, codes beside the prior, samples, sharpness, time.

    python -m benchmarks.autoencoders.images --mnist mnist.npz --fashion fashion_mnist.npz

7,500 images by default, codes of 8 coordinates, the default networks of the estimators. *Error* is
the mean squared error of held-out images, relative to the variance of a pixel; *MMD to prior* the
unbiased squared discrepancy between the codes of the training images and the prior of the model.
Samples are 1,000 draws, compared with as many held-out images by the features of a classifier
(Fréchet distance, precision, recall, coverage); *sharpness* is that of the samples over that of the
data.
"PCA" draws from a normal distribution of 8 principal components, "published" are the settings of
the paper, "mixture" draws codes from a fitted mixture. "held-out images" are other data in place of
samples.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.embedding.image_splits import HELD_OUT, N_MEASURED, Array, Judge, Split, split
from benchmarks.tables import short, summary
from skgw import GWAutoencoder, VariationalAutoencoder, WassersteinAutoencoder
from skgw.autoencoders import wae_settings
from skgw.metrics import image_sharpness

N_CODES = 8
PUBLISHED_GWAE = {
    "gw_term": "generative", "joint": "critic", "n_critic_updates": 5, "entropy_weight": 0.03,
}  # fmt: skip
Model = Any
MODELS: dict[str, Callable[[Array, int], Model]] = {
    "VAE": lambda X, seed: VariationalAutoencoder(N_CODES, random_state=seed),
    "VAE, mixture": lambda X, seed: VariationalAutoencoder(
        N_CODES, sampler="gaussian-mixture", random_state=seed
    ),
    "WAE-MMD": lambda X, seed: WassersteinAutoencoder(N_CODES, random_state=seed),
    "WAE-GAN": lambda X, seed: WassersteinAutoencoder(N_CODES, penalty="gan", random_state=seed),
    "WAE-MMD, published": lambda X, seed: WassersteinAutoencoder(
        N_CODES, **wae_settings(X, "mmd"), random_state=seed
    ),
    "WAE-GAN, published": lambda X, seed: WassersteinAutoencoder(
        N_CODES, **wae_settings(X, "gan"), random_state=seed
    ),
    "GWAE": lambda X, seed: GWAutoencoder(N_CODES, random_state=seed),
    "GWAE, mixture prior": lambda X, seed: GWAutoencoder(
        N_CODES, prior="gaussian-mixture", random_state=seed
    ),
    "GWAE, published": lambda X, seed: GWAutoencoder(N_CODES, **PUBLISHED_GWAE, random_state=seed),
}
ALONE = "PCA", HELD_OUT  # rows without a model of skgw
METHODS = *MODELS, *ALONE
COLUMNS = {
    "s": ("seconds", 0),
    "error": ("error", 3),
    "MMD to prior": ("mmd", 4),
    "Fréchet": ("frechet", 2),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "coverage": ("coverage", 2),
    "sharpness": ("sharpness", 2),
}
TABLES = {
    "images": summary(
        {"data": "data", "model": "method"},
        {name: short(*figure) for name, figure in COLUMNS.items()},
    )
}


@lru_cache(maxsize=2)
def judge(archive: Path, rows: int, seed: int) -> Judge:
    images = split(archive, rows, seed)
    return Judge(images.train, images.classes)


def measure(
    data: str, method: str, rows: int, seed: int, *, archives: dict[str, Path], max_iter: int | str
) -> Figures:
    images = split(archives[data], rows, seed)
    start = time.process_time()
    if method == HELD_OUT:
        samples, figures = images.other, {}
    elif method == "PCA":
        samples, figures = by_pca(images, seed)
    else:
        model = MODELS[method](images.train, seed)
        if max_iter != "auto":
            model.set_params(max_iter=max_iter)
        samples, figures = by_model(model, images, seed)
    seconds = time.process_time() - start
    found = judge(archives[data], rows, seed).measure(samples, images.test)
    kept = {name: found[name] for name in ("frechet", "precision", "recall", "coverage")}
    of_samples, of_data = (
        image_sharpness(X, images.shape).mean() for X in (samples, images.test)
    )  # fmt: skip
    return {"seconds": seconds, **figures, **kept, "sharpness": float(of_samples / of_data)}


def by_model(model: Model, images: Split, seed: int) -> tuple[Array, Figures]:
    model.fit(images.train)
    decoded = model.inverse_transform(model.transform(images.test))
    distances = model.diagnostics_
    return model.sample(N_MEASURED, random_state=seed), {
        "error": relative_error(images, decoded),
        "mmd": distances.get("prior_mmd", distances["mmd"]),
    }


def by_pca(images: Split, seed: int) -> tuple[Array, Figures]:
    pca = PCA(N_CODES, random_state=0).fit(images.train)
    noise = np.random.default_rng(seed).normal(size=(N_MEASURED, N_CODES))
    samples = pca.inverse_transform(noise * np.sqrt(pca.explained_variance_))
    decoded = pca.inverse_transform(pca.transform(images.test))
    return samples, {"error": relative_error(images, decoded)}


def relative_error(images: Split, decoded: Array) -> float:
    variance = images.train.var(0, dtype=np.float64).mean()
    return float(np.square(decoded - images.test, dtype=np.float64).mean() / variance)


def main() -> None:
    options = parser(__doc__ or "", "autoencoder_images", TABLES)
    options.add_argument("--mnist", type=Path, help="archive with MNIST")
    options.add_argument("--fashion", type=Path, help="archive with Fashion-MNIST")
    options.add_argument("--rows", type=int, default=7500, help="training images (default 7500)")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    args = options.parse_args()
    archives = {
        name: path for name, path in (("MNIST", args.mnist), ("Fashion", args.fashion)) if path
    }
    cells: list[Cell] = [
        {"data": data, "method": method, "rows": args.rows, "seed": seed}
        for seed in seeds(args)
        for data in archives
        for method in args.methods
    ]
    each = functools.partial(measure, archives=archives, max_iter=args.max_iter)
    print_figures(run(cells, each, args), ["data", "method"], COLUMNS)


if __name__ == "__main__":
    main()
