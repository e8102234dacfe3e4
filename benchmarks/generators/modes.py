"""Generators of planar mixtures: modes, quality, mass, spread, copies.

    python -m benchmarks.generators.modes --threads 1

2,500 training rows, 2,500 samples, and as many held-out rows. "grid": 25 modes of standard
deviation .05 at spacing 2. "ring": 8 modes of .01 on a circle of radius 1. "far": a normal mode,
and 2 % of the rows in another one at 20 standard deviations. Codes of `OTAutoencoder` are the rows.
*Modes* hold a sample within three standard deviations; *HQ* is the share of samples within three
of a mode; *between* that of samples more than ten from every mode; *spread* the standard deviation
within modes over that of held-out rows; *1-NN* the accuracy of a nearest neighbour that separates
samples from held-out rows; *memorization* the probability that a sample is nearer to the training
rows than a held-out row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances

from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.generators import baselines
from benchmarks.generators.baselines import Array
from benchmarks.tables import short, summary
from skgw import OTAutoencoder, WassersteinGAN
from skgw.datasets import make_far_mode, make_grid, make_modes
from skgw.generative import wgan_settings
from skgw.metrics import (
    memorization,
    mode_coverage,
    nearest_neighbor_two_sample,
    spread_ratio,
)

N = 2500  # rows of each kind
SIGMA = {"grid": 0.05, "ring": 0.01, "far": 1.0}
DISTANCE = 20.0  # of the small mode, whose share is .02
PLAIN = {"learning_rate_init": 1e-3, "max_iter": 3000}
GAN = {**PLAIN, "loss": "non-saturating", "lipschitz": None, "n_warmup": 0}
WGAN: dict[str, dict[str, Any]] = {
    "GAN": GAN,
    "GAN, packs of 4": {**GAN, "pack": 4},
    "GAN, slope penalty": {"loss": "non-saturating"},
    "WGAN, clipped, as published": wgan_settings(),
    "WGAN, spectral": {**PLAIN, "lipschitz": "sn", "n_critic": 3},
    "WGAN, gradient penalty": {**PLAIN, "lipschitz": "gp", "n_critic": 3},
    "WGAN": {},
}
COPIES, NEW = "training rows", "held-out rows"
LOCAL = "local step, no transport"
SAMPLERS = "local", "angle", "pair", "flow"
METHODS = (
    COPIES, NEW, "Gaussian mixture", "kernel density", "SMOTE", LOCAL, *WGAN,
    *(f"AE-OT, {name}" for name in SAMPLERS),
)  # fmt: skip
COLUMNS = {
    "s": ("seconds", 0),
    "modes": ("modes", 1),
    "HQ": ("within", 3),
    "between": ("between", 3),
    "reverse KL": ("reverse_kl", 3),
    "spread": ("spread", 2),
    "1-NN": ("one_nn", 2),
    "memorization": ("memorization", 2),
}
FAR = {
    "s": ("seconds", 0),
    "mass of the far mode": ("far", 4),
    "of the data": ("far_data", 4),
    "between": ("between", 4),
    "spread": ("spread", 2),
    "1-NN": ("one_nn", 2),
}
TABLES = {
    name: summary(
        {"method": "method"},
        {title: short(*figure) for title, figure in columns.items()},
        where=lambda cell, data=name: cell["data"] == data,
    )
    for name, columns in (("grid", COLUMNS), ("ring", COLUMNS), ("far", FAR))
}


def data(name: str, seed: int) -> tuple[Array, Array]:
    """Rows, and the centres of their modes."""
    if name == "grid":
        X, _, centers = make_grid(N, sigma=SIGMA[name], random_state=seed)
        return X, centers
    if name == "far":
        X, _ = make_far_mode(N, distance=DISTANCE, random_state=seed)
        return X, np.array([[0.0, 0.0], [DISTANCE, 0.0]])
    X, _, centers = make_modes(
        N, n_modes=8, sigma=SIGMA[name], radius=1.0, return_centers=True, random_state=seed
    )
    return X, centers


def generator(
    method: str, X: Array, n_modes: int, seed: int, max_iter: int | str
) -> Callable[[int, np.random.RandomState], Array]:
    """What draws new rows, fitted to `X`."""
    if method in WGAN:
        settings = dict(WGAN[method])
        if max_iter != "auto":
            settings["max_iter"] = max_iter
        gan = WassersteinGAN(**settings, random_state=seed).fit(X)
        return lambda n, rng: np.asarray(gan.sample(n, random_state=rng))
    if method.startswith("AE-OT"):
        model = OTAutoencoder(PCA(2), sampler=method.split(", ")[1], random_state=seed).fit(X)
        return lambda n, rng: np.asarray(model.sample(n, random_state=rng))
    return {
        COPIES: lambda: lambda n, rng: X,
        NEW: lambda: lambda n, rng: data_of(X, n_modes, rng),
        "Gaussian mixture": lambda: baselines.gaussian_mixture(X, n_modes, seed),
        "kernel density": lambda: baselines.kernel_density(X, seed),
        "SMOTE": lambda: baselines.smote(X),
        LOCAL: lambda: baselines.local_step(X),
    }[method]()


def data_of(X: Array, n_modes: int, rng: np.random.RandomState) -> Array:
    """New rows of the distribution of `X`."""
    name = {25: "grid", 8: "ring", 2: "far"}[n_modes]
    return data(name, rng.randint(2**31 - 1))[0]


def measure(name: str, method: str, seed: int, *, max_iter: int | str) -> Figures:
    X, centers = data(name, seed)
    held_out, _ = data(name, seed + 10_000)
    start = time.process_time()
    draw = generator(method, X, len(centers), seed, max_iter)
    samples = draw(N, np.random.RandomState(seed))
    seconds = time.process_time() - start
    sigma = SIGMA[name]
    found = mode_coverage(samples, centers, sigma)
    distances = pairwise_distances(samples, centers).min(1) / sigma
    limit = 6 if name == "far" else 10
    figures = {
        "seconds": seconds,
        "modes": int((found.shares > 0).sum()),
        "within": found.within,
        "between": float((distances > limit).mean()),
        "reverse_kl": found.reverse_kl if np.isfinite(found.reverse_kl) else None,
        "spread": spread_ratio(samples, held_out, n_groups=len(centers), random_state=0),
        "one_nn": nearest_neighbor_two_sample(held_out, samples, random_state=0),
        "memorization": memorization(samples, X, held_out),
    }
    if name == "far":
        shares = {"far": samples, "far_data": X}
        figures |= {key: float((Z[:, 0] > DISTANCE / 2).mean()) for key, Z in shares.items()}
    return figures


def main() -> None:
    options = parser(__doc__ or "", "generator_modes", TABLES)
    options.add_argument("--data", nargs="+", choices=[*SIGMA], default=[*SIGMA], metavar="NAME")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    args = options.parse_args()
    cells: list[Cell] = [
        {"data": name, "method": method, "seed": seed}
        for seed in seeds(args)
        for method in args.methods
        for name in args.data
    ]
    each = partial(_measure, max_iter=args.max_iter)
    print_figures(run(cells, each, args), ["data", "method"], COLUMNS)


def _measure(data: str, method: str, seed: int, *, max_iter: int | str) -> Figures:
    return measure(data, method, seed, max_iter=max_iter)


if __name__ == "__main__":
    main()
