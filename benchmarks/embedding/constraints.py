"""Effects of penalties and styles on five Gaussian modes in the plane.

A style is a classifier of the plane with a target class. A shift of all samples satisfies the
first style, the right of a line ("half plane", a logistic regression), and keeps all distances. The
second style is a disc smaller than the data ("disc", a network): samples in the disc have smaller
distances than the data. Penalties keep the cloud around the origin: the squared norm of its mean,
or the mean l1 norm of its points, which also shrinks it. Total variation is in `images.py`.

"in style" is the share of fresh samples in the target class. Then, after a rigid
transformation onto the true centres: samples near a mode and their width, as in `modes.py`; their
size, which is the root mean square distance relative to the one of fresh data; and the error of the
distribution of distances. "clusters" is the adjusted Rand index of the modes and five clusters
(k-means) of the embedded rows, "held out" how often the nearest of them has the mode of a row that
was not fitted.
"""

from __future__ import annotations

import time
from argparse import Namespace
from functools import cache
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from benchmarks.common import Figures, parser, print_figures, run, seeds, summary
from benchmarks.embedding.modes import CASES, SIGMA, coverage
from skgw import GWGenerativeEmbedding
from skgw.datasets import make_modes
from skgw.embedding import Penalties, Style
from skgw.metrics import distance_distribution_error, rigid_alignment

N_ROWS, N_FRESH = 1000, 1000
LINE, RADIUS = 3.0, 1.5  # of the styles; the modes reach 2 from the origin
WEIGHTS = 0.01, 0.1, 1.0
CONSTRAINTS = [
    ("none", 0.0),
    ("mean", 0.1),
    ("l1", 0.1),
    ("l1", 1.0),
    *(("half plane", weight) for weight in WEIGHTS),
    *(("disc", weight) for weight in WEIGHTS),
]
COLUMNS = {
    "fit, s": ("seconds", 1),
    "in style": ("in_style", 3),
    "divergence": ("divergence", 4),
    "in 3 sd": ("within", 3),
    "sd": ("sd", 3),
    "size": ("size", 3),
    "distances": ("distances", 4),
    "clusters": ("clusters", 3),
    "held out": ("held_out", 3),
}
TABLES = {
    "constraints": summary(
        {
            "constraint": "constraint",
            "weight": lambda cell: "–" if cell["constraint"] == "none" else str(cell["weight"]),
        },
        {
            "samples in the style": ("in_style", 3),
            "divergence": ("divergence", 4),
            "within 3 sd": ("within", 3),
            "size": ("size", 2),
            "distances": ("distances", 3),
            "clusters kept": ("clusters", 3),
        },
        seeds=None,
        where=lambda cell: cell["data"] == "5 modes",
    )
}


@cache
def style(name: str) -> Any:
    """A fitted classifier, from labelled points of the plane: whether they are in the style."""
    points = np.random.default_rng(0).uniform(-8, 8, size=(2000, 2))
    if name == "half plane":
        return LogisticRegression().fit(points, points[:, 0] > LINE)
    network = MLPClassifier((32, 32), learning_rate_init=5e-3, max_iter=300, random_state=0)
    return network.fit(points, np.linalg.norm(points, axis=1) < RADIUS)


def parameters(constraint: str, weight: float) -> Figures:
    if constraint in ("half plane", "disc"):
        wanted = Style(style(constraint), target=True, weight=weight)
        return {"penalties": Penalties(mean=0.0, style=wanted)}
    weights = {"mean": 0.0} | ({} if constraint == "none" else {constraint: weight})
    return {"penalties": Penalties(**weights)}


def measure(data: str, constraint: str, weight: float, max_iter: int | str, seed: int) -> Figures:
    modes, _ = CASES[data]
    X, labels, centers = make_modes(
        N_ROWS, sigma=SIGMA, return_centers=True, random_state=seed, **modes
    )
    fresh, fresh_labels = make_modes(N_FRESH, sigma=SIGMA, random_state=1000 + seed, **modes)
    params = parameters(constraint, weight)
    model = GWGenerativeEmbedding(max_iter=max_iter, random_state=seed, **params)
    start = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - start
    samples = model.sample(N_FRESH, random_state=seed)
    return {
        "seconds": seconds,
        "in_style": share_in_style(params["penalties"], samples),
        "divergence": model.gw_divergence_,
        **of_samples(samples, fresh, centers, seed),
        **of_rows(model, labels, fresh, fresh_labels),
    }


def share_in_style(penalties: Penalties, samples: np.ndarray) -> float | None:
    """Share of the samples in the target class; None without a style."""
    if penalties.style is None:
        return None
    return float(np.mean(penalties.style.classifier.predict(samples)))


def of_samples(samples: np.ndarray, fresh: np.ndarray, centers: np.ndarray, seed: int) -> Figures:
    moved = rigid_alignment(samples, centers, max_distance=3 * SIGMA, random_state=seed)
    ours, theirs = cdist(samples, samples), cdist(fresh, fresh)
    return {
        **coverage(moved, fresh, centers),
        "size": float(np.linalg.norm(ours) / np.linalg.norm(theirs)),
        "distances": distance_distribution_error(theirs, ours),
    }


def of_rows(
    model: GWGenerativeEmbedding, labels: np.ndarray, fresh: np.ndarray, fresh_labels: np.ndarray
) -> Figures:
    """Agreement of clusters and neighbours of embedded rows with their modes."""
    Z = model.embedding_
    clusters = KMeans(labels.max() + 1, n_init=10, random_state=0).fit_predict(Z)
    nearest = KNeighborsClassifier(1).fit(Z, labels)
    return {
        "clusters": adjusted_rand_score(labels, clusters),
        "held_out": nearest.score(model.transform(fresh), fresh_labels),
    }


def main() -> None:
    args = _options()
    cells = [
        {
            "data": data,
            "constraint": constraint,
            "weight": weight,
            "max_iter": args.max_iter,
            "seed": seed,
        }
        for seed in seeds(args)
        for data in args.data
        for constraint, weight in CONSTRAINTS
    ]
    print_figures(run(cells, measure, args), ["data", "constraint", "weight"], COLUMNS)


def _options() -> Namespace:
    options = parser(__doc__, "constraints", TABLES)
    planar = [data for data in CASES if data.endswith("modes")]
    options.add_argument("--data", nargs="+", choices=planar, default=["5 modes"])
    options.set_defaults(max_iter=300)
    return options.parse_args()


if __name__ == "__main__":
    main()
