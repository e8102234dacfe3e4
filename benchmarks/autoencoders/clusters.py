"""A mixture prior as a clustering of digits, and densities as detectors of outliers.

    python -m benchmarks.autoencoders.clusters --mnist mnist.npz --fashion fashion_mnist.npz

7,500 images of MNIST, codes of 8 coordinates, ten components. Labels of 1,000 held-out digits score
the clusters: accuracy after the best renaming of the clusters, normalised mutual information (NMI),
adjusted Rand index (ARI). *Outlier AUC* separates the held-out digits from 1,000 garments by
`score_samples`. "codes" are the mean codes of a variational autoencoder; a "mixture" is that of
scikit-learn, the most likely of three starts. Other figures are those of `options.py`.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, roc_auc_score
from sklearn.mixture import GaussianMixture

from benchmarks.autoencoders.geometry import geometry
from benchmarks.autoencoders.images import N_CODES, split
from benchmarks.common import Cell, Figures, parser, print_figures, run, seeds
from benchmarks.embedding.image_splits import N_MEASURED
from benchmarks.tables import short, summary
from skgw import GWAutoencoder, VariationalAutoencoder
from skgw.datasets import load_images
from skgw.metrics import permuted_accuracy

N_CLUSTERS = 10
ENCODERS: dict[str, Any] = {
    "pixels": None,
    "components": lambda seed: PCA(50, random_state=seed),
    "codes": lambda seed: VariationalAutoencoder(N_CODES, random_state=seed),
}
CLUSTERINGS: dict[str, Any] = {
    "k-means": lambda seed: KMeans(N_CLUSTERS, n_init=10, random_state=seed),
    "mixture": lambda seed: GaussianMixture(
        N_CLUSTERS, n_init=3, reg_covar=1e-4, random_state=seed
    ),
}
OURS = "GWAE, mixture prior"
METHODS = "k-means, pixels", "k-means, codes", "mixture, components", "mixture, codes", OURS
COLUMNS = {
    "s": ("seconds", 0),
    "accuracy": ("accuracy", 2),
    "NMI": ("nmi", 2),
    "ARI": ("ari", 2),
    "outlier AUC": ("auc", 3),
    "MMD to prior": ("mmd", 3),
    "GW": ("gw", 3),
    "GW to decoded": ("gw_decoded", 3),
    "bound": ("bound", 3),
    "correlation": ("correlation", 2),
}
TABLES = {
    "clusters": summary(
        {"clustering": "method"}, {name: short(*figure) for name, figure in COLUMNS.items()}
    )
}


def measure(method: str, rows: int, seed: int, *, archive: Path, others: Path) -> Figures:
    images = split(archive, rows, seed)
    X, y, _ = load_images(archive, split="train")
    order = np.random.default_rng(seed).permutation(len(X))[:N_MEASURED]  # those of the split
    labels = y[order]
    garments = load_images(others, split="train")[0][:N_MEASURED].astype(np.float32)
    mixed = np.vstack([images.test, garments])
    inlier = np.arange(len(mixed)) < N_MEASURED
    start = time.process_time()
    if method == OURS:
        model = GWAutoencoder(N_CODES, prior="gaussian-mixture", random_state=seed)
        model.fit(images.train)
        seconds = time.process_time() - start
        return {
            "seconds": seconds,
            **agreement(labels, model.predict(images.test)),
            "auc": roc_auc_score(inlier, model.score_samples(mixed)),
            "mmd": model.diagnostics_["prior_mmd"],
            **geometry(model, images.test),
        }
    clustering, space = method.split(", ")
    encoder = ENCODERS[space] and ENCODERS[space](seed).fit(images.train)
    encode = encoder.transform if encoder else np.asarray
    clusters = CLUSTERINGS[clustering](seed).fit(encode(images.train))
    figures = {
        "seconds": time.process_time() - start,
        **agreement(labels, clusters.predict(encode(images.test))),
    }
    if method == "k-means, codes":
        scores = encoder.score_samples(mixed, n_draws=20)
        figures["auc"] = roc_auc_score(inlier, scores)
    if clustering == "mixture":
        figures["auc"] = roc_auc_score(inlier, clusters.score_samples(encode(mixed)))
    return figures


def agreement(labels: Any, found: Any) -> Figures:
    """How well clusters agree with classes."""
    return {
        "accuracy": permuted_accuracy(labels, found),
        "nmi": normalized_mutual_info_score(labels, found),
        "ari": adjusted_rand_score(labels, found),
    }


def main() -> None:
    options = parser(__doc__ or "", "autoencoder_clusters", TABLES)
    options.add_argument("--mnist", type=Path, help="archive with MNIST")
    options.add_argument("--fashion", type=Path, help="archive with Fashion-MNIST")
    options.add_argument("--rows", type=int, default=7500, help="training images (default 7500)")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    args = options.parse_args()
    cells: list[Cell] = [
        {"method": method, "rows": args.rows, "seed": seed}
        for seed in seeds(args)
        for method in args.methods
    ]
    each = functools.partial(measure, archive=args.mnist, others=args.fashion)
    print_figures(run(cells, each, args), ["method"], COLUMNS)


if __name__ == "__main__":
    main()
