"""Autoencoders of images beside those of pythae: the same networks, the same time.

    python -m benchmarks.autoencoders.images --mnist mnist.npz --fashion fashion_mnist.npz

7,500 images, codes of 8 coordinates, one thread. Every fit gets the same CPU time (`--seconds`): a
short fit of each model measures its speed, and sets the number of updates or epochs. `pip install
pythae==0.1.2` is needed for the rows of pythae.

*Error* is the mean squared error of held-out images, relative to the variance of a pixel; *MMD to
prior* the unbiased squared discrepancy between the codes of the training images and the prior of
the model. Samples are 1,000 decoded draws of the prior, compared with as many held-out images by
the features of a classifier (Fréchet distance, precision, recall, density, coverage); *sharpness*
is that of the samples over that of the data. *Fréchet, mixture* is the distance of samples that
decode draws of a mixture which is fitted to the codes. "PCA" draws from a normal distribution of 8
principal components, "published" are the settings of the papers, and for the
GWAE its objective with the training of skgw. "held-out images" are other data in place of samples.
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

from benchmarks.autoencoders import rivals
from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.embedding.image_splits import HELD_OUT, N_MEASURED, Array, Judge, Split, split
from benchmarks.tables import short, summary
from skgw import GWAutoencoder, VariationalAutoencoder, WassersteinAutoencoder
from skgw.autoencoders import gwae_settings, wae_settings
from skgw.autoencoders.codes import prior_discrepancy
from skgw.metrics import image_sharpness
from skgw.nn import AutoencoderSpec

N_CODES = 8
NETWORKS = {"mlp": (256, 128), "conv": (16, 32)}
OWN_TRAINING = {"optimizer": "adam", "learning_rate_init": 2e-3, "batch_size": 100}
Model = Any
MODELS: dict[str, Callable[[Array], Model]] = {
    "VAE": lambda X: VariationalAutoencoder(N_CODES),
    "WAE-MMD": lambda X: WassersteinAutoencoder(N_CODES),
    "WAE-GAN": lambda X: WassersteinAutoencoder(N_CODES, penalty="gan"),
    "WAE-MMD, published": lambda X: WassersteinAutoencoder(N_CODES, **wae_settings(X, "mmd")),
    "WAE-GAN, published": lambda X: WassersteinAutoencoder(N_CODES, **wae_settings(X, "gan")),
    "GWAE": lambda X: GWAutoencoder(N_CODES),
    "GWAE, published": lambda X: GWAutoencoder(N_CODES, **published_gwae(X)),
}
OF_PYTHAE = (
    "pythae VAE", "pythae VAE, bce", "pythae INFOVAE_MMD", "pythae WAE_MMD",
    "pythae WAE_MMD, published", "pythae Adversarial_AE", "pythae RAE_L2",
)  # fmt: skip
ALONE = "PCA", HELD_OUT  # rows without a network
METHODS = *MODELS, *OF_PYTHAE, *ALONE
COLUMNS = {
    "s": ("seconds", 0),
    "error": ("error", 3),
    "MMD to prior": ("mmd", 4),
    "Fréchet": ("frechet", 2),
    "Fréchet, mixture": ("mixture", 2),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "density": ("density", 2),
    "coverage": ("coverage", 2),
    "sharpness": ("sharpness", 2),
}


def published_gwae(X: Array) -> dict[str, Any]:
    """The published objective, with the training of skgw: the published rate needs hours."""
    return {**gwae_settings(X), **OWN_TRAINING}


def table(network: str) -> Any:
    return summary(
        {"data": "data", "model": "method"},
        {name: short(*figure) for name, figure in COLUMNS.items()},
        where=lambda cell: cell["network"] in (None, network),
    )


TABLES = {"images": table("mlp"), "images_conv": table("conv")}


@lru_cache(maxsize=2)
def judge(archive: Path, rows: int, seed: int) -> Judge:
    images = split(archive, rows, seed)
    return Judge(images.train, images.classes)


def measure(
    data: str, network: str | None, method: str, rows: int, budget: float | None, seed: int,
    *, archives: dict[str, Path], max_iter: int | str,
) -> Figures:  # fmt: skip
    images = split(archives[data], rows, seed)
    if method == HELD_OUT:
        samples, figures = images.other, {}
    elif method == "PCA":
        samples, figures = by_pca(images, seed)
    elif method in MODELS:
        samples, figures = by_model(method, network, images, seed, budget, max_iter)
    else:
        samples, figures = by_pythae(method, network, images, seed, budget)
    of_samples = judge(archives[data], rows, seed).measure
    if "mixture" in figures:
        figures["mixture"] = of_samples(figures["mixture"], images.test)["frechet"]
    return {**figures, **of_draws(samples, images, of_samples)}


def of_draws(samples: Array, images: Split, measured: Callable[..., Figures]) -> Figures:
    """Figures of samples beside held-out images."""
    found = measured(samples, images.test)
    kept = ("frechet", "precision", "recall", "density", "coverage")
    of_samples, of_data = (
        image_sharpness(X, images.shape).mean() for X in (samples, images.test)
    )  # fmt: skip
    return {**{name: found[name] for name in kept}, "sharpness": float(of_samples / of_data)}


def by_model(
    method: str, network: str, images: Split, seed: int, seconds: float, max_iter: int | str
) -> tuple[Array, Figures]:
    model = estimator(method, network, images).set_params(random_state=seed)
    if max_iter == "auto":
        shape = tuple(images.train.shape)
        max_iter = round(seconds / seconds_of_update(method, network, shape, images))
    start = time.process_time()
    model.set_params(max_iter=max_iter).fit(images.train)
    spent = time.process_time() - start
    codes, distances = model.transform(images.test), model.diagnostics_
    return prior_samples(model, seed), {
        "seconds": spent,
        "updates": max_iter,
        "error": relative_error(images, model.inverse_transform(codes)),
        "mmd": distances.get("prior_mmd", distances["mmd"]),
        "mixture": model.sample(N_MEASURED, random_state=seed),
    }


def estimator(method: str, network: str, images: Split) -> Model:
    """A model that has both samplers: `sample` takes the mixture, `prior_samples` the prior."""
    return MODELS[method](images.train).set_params(
        network=network, hidden_layer_sizes=NETWORKS[network], sampler="gaussian-mixture",
        image_shape=None if network == "mlp" else images.shape,
    )  # fmt: skip


def prior_samples(model: Model, seed: int) -> Array:
    if isinstance(model, GWAutoencoder):
        samples = model.set_params(sampler="prior").sample(N_MEASURED, random_state=seed)
        model.set_params(sampler="gaussian-mixture")
        return samples
    return model.inverse_transform(normal_codes(seed))


def normal_codes(seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(N_MEASURED, N_CODES)).astype(np.float32)


def by_pythae(
    method: str, network: str, images: Split, seed: int, seconds: float
) -> tuple[Array, Figures]:
    spec = AutoencoderSpec(
        images.train.shape[1], N_CODES, network, NETWORKS[network],
        image_shape=None if network == "mlp" else images.shape,
    )  # fmt: skip
    n_epochs = max(1, round(seconds / seconds_of_epoch(method, spec, images)))
    start = time.process_time()
    model = rivals.PythaeModel(method, spec, seed, n_epochs).fit(images.train)
    spent = time.process_time() - start
    decoded = model.inverse_transform(model.transform(images.test))
    return model.inverse_transform(normal_codes(seed)), {
        "seconds": spent,
        "updates": n_epochs * len(images.train) // rivals.BATCH_SIZE,
        "error": relative_error(images, decoded),
        "mmd": prior_discrepancy(model.draw(images.train)),
        "mixture": model.mixture_samples(images.train, N_MEASURED, seed),
    }


_speeds: dict[tuple[Any, ...], float] = {}  # seconds of an update or epoch of a model


def seconds_of_update(method: str, network: str, shape: tuple[int, ...], images: Split) -> float:
    """From fits of 20, 50 and 150 updates, the first of which is not counted."""
    key = method, network, shape
    if key not in _speeds:
        times = []
        for n in (20, 50, 150):
            model = estimator(method, network, images).set_params(max_iter=n, sampler="prior")
            start = time.process_time()
            model.fit(images.train)
            times.append(time.process_time() - start)
        _speeds[key] = max(times[2] - times[1], 1e-3) / 100
    return _speeds[key]


def seconds_of_epoch(method: str, spec: AutoencoderSpec, images: Split) -> float:
    """From fits of one and three epochs."""
    key = method, spec, images.train.shape
    if key not in _speeds:
        times = []
        for n in (1, 1, 3):
            start = time.process_time()
            rivals.PythaeModel(method, spec, 0, n).fit(images.train)
            times.append(time.process_time() - start)
        _speeds[key] = max(times[2] - times[1], 1e-3) / 2
    return _speeds[key]


def by_pca(images: Split, seed: int) -> tuple[Array, Figures]:
    start = time.process_time()
    pca = PCA(N_CODES, random_state=0).fit(images.train)
    spent = time.process_time() - start
    samples = pca.inverse_transform(normal_codes(seed) * np.sqrt(pca.explained_variance_))
    decoded = pca.inverse_transform(pca.transform(images.test))
    return samples, {"seconds": spent, "error": relative_error(images, decoded)}


def relative_error(images: Split, decoded: Array) -> float:
    variance = images.train.var(0, dtype=np.float64).mean()
    return float(np.square(decoded - images.test, dtype=np.float64).mean() / variance)


def main() -> None:
    options = parser(__doc__ or "", "autoencoder_images", TABLES)
    options.add_argument("--mnist", type=Path, help="archive with MNIST")
    options.add_argument("--fashion", type=Path, help="archive with Fashion-MNIST")
    options.add_argument("--rows", type=int, default=7500, help="training images (default 7500)")
    options.add_argument("--seconds", type=float, default=12, help="CPU time of a fit (default 12)")
    options.add_argument("--network", choices=NETWORKS, default="mlp")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    args = options.parse_args()
    archives = {
        name: path for name, path in (("MNIST", args.mnist), ("Fashion", args.fashion)) if path
    }
    cells: list[Cell] = [
        {
            "data": data, "method": method, "rows": args.rows,
            "network": None if method in ALONE else args.network,
            "budget": None if method in ALONE else args.seconds,
            "seed": seed,
        }
        for seed in seeds(args)
        for data in archives
        for method in args.methods
    ]  # fmt: skip
    each = functools.partial(measure, archives=archives, max_iter=args.max_iter)
    print_figures(run(cells, each, args), ["data", "network", "method"], COLUMNS)


if __name__ == "__main__":
    main()
