"""Generators of images: one autoencoder, and what generates its codes; adversarial networks.

    python -m benchmarks.generators.images --mnist mnist.npz --fashion fashion_mnist.npz

10,000 images by default, values from 0 to 1, networks "mlp", 16 codes without a penalty. Samples
are 1,000 draws, compared with as many held-out images. *Fréchet*, precision, recall and coverage
are those of the features of a small classifier of these images: only their order can be compared
with the literature, whose features are those of another network. *1-NN of codes* separates the
codes of samples from those of held-out images; *memorization* is the probability that the features
of a sample are nearer to those of a training image than those of a held-out image.
"""

from __future__ import annotations

import copy
import functools
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.embedding.image_splits import N_MEASURED, Array, Judge, Split, split
from benchmarks.generators import baselines
from benchmarks.tables import short, summary
from skgw import (
    OTAutoencoder,
    OTAutoencoderGAN,
    VariationalAutoencoder,
    WassersteinAutoencoder,
    WassersteinGAN,
)
from skgw.autoencoders import MMDPenalty
from skgw.generative.parameters import CodeSampler
from skgw.metrics import memorization, nearest_neighbor_two_sample

N_CODES, N_MIXTURE = 16, 20
COPIES, NEW, DECODED = "training images", "held-out images", "autoencoder, held-out images"
SAMPLERS = {f"AE-OT, {name}": name for name in ("local", "angle", "pair", "flow")}
CODES = (
    "autoencoder, normal codes", "autoencoder, Gaussian mixture", "autoencoder, kernel density",
    "autoencoder, SMOTE", "autoencoder, local step",
)  # fmt: skip
OTHERS = {
    "VAE": lambda seed: VariationalAutoencoder(N_CODES, random_state=seed),
    "WAE-MMD": lambda seed: WassersteinAutoencoder(N_CODES, random_state=seed),
    "WGAN": lambda seed: WassersteinGAN(
        N_CODES, lipschitz="gp", gp_weight=10.0, n_critic=3, learning_rate_init=1e-3,
        max_iter=4000, random_state=seed,
    ),
}  # fmt: skip
ENCODERS = {  # AE-OT with another manifold step
    "AE-OT, PCA": lambda seed: PCA(N_CODES, random_state=seed),
    "AE-OT, VAE": lambda seed: VariationalAutoencoder(N_CODES, random_state=seed),
    "AE-OT, WAE-MMD": lambda seed: WassersteinAutoencoder(N_CODES, random_state=seed),
}
CRITICS: dict[str, dict[str, Any]] = {
    "AE-OT-GAN": {},
    "AE-OT-GAN, normal codes": {"latent": "normal"},
    "AE-OT-GAN, no paired loss": {"reconstruction_weight": 0.0, "feature_weight": 0.0},
    "AE-OT-GAN, normal codes, no paired loss": {
        "latent": "normal", "reconstruction_weight": 0.0, "feature_weight": 0.0,
    },
}  # fmt: skip
METHODS = COPIES, NEW, DECODED, *CODES, *SAMPLERS, *ENCODERS, *OTHERS, *CRITICS
COLUMNS = {
    "s": ("seconds", 0),
    "Fréchet": ("frechet", 2),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "coverage": ("coverage", 2),
    "1-NN of codes": ("one_nn", 2),
    "memorization": ("memorization", 2),
}
TITLES = {name: short(*figure) for name, figure in COLUMNS.items()}
TABLES = {
    "images": summary(
        {"data": "data", "method": "method"},
        TITLES,
        where=lambda cell: cell["method"] not in CRITICS,
    ),
    "ablation": summary(
        {"data": "data", "method": "method"},
        TITLES,
        where=lambda cell: cell["method"] in CRITICS,
    ),
}


def autoencoder(seed: int) -> WassersteinAutoencoder:
    return WassersteinAutoencoder(N_CODES, penalty=MMDPenalty(0.0), random_state=seed)


@lru_cache(maxsize=1)
def judge(archive: Path, rows: int, seed: int) -> Judge:
    images = split(archive, rows, seed)
    return Judge(images.train, images.classes)


@lru_cache(maxsize=1)
def transported(archive: Path, rows: int, seed: int) -> tuple[OTAutoencoder, float]:
    """The model that the rows of the table share, and its seconds."""
    start = time.process_time()
    model = OTAutoencoder(autoencoder(seed), random_state=seed)
    model.fit(split(archive, rows, seed).train)
    return model, time.process_time() - start


def with_sampler(model: OTAutoencoder, sampler: str, seed: int) -> OTAutoencoder:
    """The same autoencoder and transport map with another sampler."""
    found, rng = copy.copy(model), np.random.RandomState(seed)
    part = CodeSampler.read(sampler)
    found._draws = part.fit(found.transport_, rng, torch.device("cpu"))
    found._diagnose(found.transport_.atoms_, rng)
    return found


def new_codes(method: str, codes: Array, seed: int) -> Array:
    rng = np.random.RandomState(seed)
    if method == CODES[0]:
        return rng.multivariate_normal(codes.mean(0), np.cov(codes.T), size=N_MEASURED)
    draw = {
        CODES[1]: lambda: baselines.gaussian_mixture(codes, N_MIXTURE, seed),
        CODES[2]: lambda: baselines.kernel_density(codes, seed),
        CODES[3]: lambda: baselines.smote(codes),
        CODES[4]: lambda: baselines.local_step(codes),
    }[method]()
    return draw(N_MEASURED, rng)


def samples_of(method: str, images: Split, model: OTAutoencoder, seed: int) -> Array:
    X, n = images.train, N_MEASURED
    if method in (COPIES, NEW):
        return X[:n] if method == COPIES else images.other
    if method == DECODED:
        return np.asarray(model.inverse_transform(model.transform(images.other)))
    if method in CODES:
        codes = new_codes(method, model.transform(X).astype(np.float64), seed)
        return np.asarray(model.inverse_transform(codes))
    if method in SAMPLERS:
        return with_sampler(model, SAMPLERS[method], seed).sample(n, random_state=seed)
    fitted: Any
    if method in OTHERS:
        fitted = OTHERS[method](seed)
    elif method in ENCODERS:
        fitted = OTAutoencoder(ENCODERS[method](seed), random_state=seed)
    else:
        start = OTAutoencoder(autoencoder(seed), random_state=seed)
        fitted = OTAutoencoderGAN(start, random_state=seed, **CRITICS[method])
    return np.asarray(fitted.fit(X).sample(n, random_state=seed))


def measure(data: str, method: str, rows: int, seed: int, *, archives: dict[str, Path]) -> Figures:
    images = split(archives[data], rows, seed)
    model, shared = transported(archives[data], rows, seed)
    start = time.process_time()
    samples = samples_of(method, images, model, seed)
    seconds = time.process_time() - start + shared * (method in (DECODED, *CODES, *SAMPLERS))
    jury = judge(archives[data], rows, seed)
    found = jury.measure(samples, images.test)
    kept = {name: found[name] for name in ("frechet", "precision", "recall", "coverage")}
    drawn, test = model.transform(samples), model.transform(images.test)
    features = [jury.features(Z) for Z in (samples, images.train, images.other)]
    return {
        "seconds": seconds,
        **kept,
        "one_nn": nearest_neighbor_two_sample(test, drawn, random_state=0),
        "memorization": memorization(*features),
        "marginal_error": model.transport_.marginal_error_,
    }


def main() -> None:
    options = parser(__doc__ or "", "generator_images", TABLES)
    options.add_argument("--mnist", type=Path, help="archive with MNIST")
    options.add_argument("--fashion", type=Path, help="archive with Fashion-MNIST")
    options.add_argument("--rows", type=int, default=10_000, help="training images")
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
    each = functools.partial(measure, archives=archives)
    print_figures(run(cells, each, args), ["data", "method"], COLUMNS)


if __name__ == "__main__":
    main()
