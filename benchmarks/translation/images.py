"""Pairs of domains of images with labels, read from ``.npz`` files.

The rows of the second domain are shuffled, and no image is in both, except in `paired`. Labels are
there to judge by, and to tell the pairs that a fit may know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

Array = NDArray[Any]
N_TEST = 2000
RARE = {"unbalanced": 0.2, "rarer": 1 / 3}  # share that is left of the rarer classes
MISSING = (0, 1, 4)  # classes that the second domain lacks


class Images(NamedTuple):
    """Rows and labels of one domain, to train on and to test with."""

    rows: Array
    labels: Array
    test_rows: Array
    test_labels: Array


class Judge:
    """A classifier of one domain, trained on its own images."""

    def __init__(self, images: Images) -> None:
        rows = images.rows
        self.mean = rows.mean(0)
        self.scale = (rows - self.mean).std()
        network = MLPClassifier((256,), early_stopping=True, max_iter=30, random_state=0)
        self.network = network.fit(self._scaled(rows), images.labels)

    def accuracy(self, rows: Array, labels: Array) -> float:
        """Share of rows whose label it recognises."""
        return float(np.mean(self.predict(rows) == labels))

    def predict(self, rows: Array) -> Array:
        """Labels that it sees in rows."""
        return np.asarray(self.network.predict(self._scaled(rows)))

    def _scaled(self, rows: Array) -> Array:
        return np.asarray((rows - self.mean) / self.scale)


def flat(images: Array) -> Array:
    """Images of bytes as rows of numbers from 0 to 1."""
    return np.asarray(images.reshape(len(images), -1) / np.float32(255))


def inverted(images: Array) -> Array:
    """White becomes black."""
    return 1 - flat(images)


def halved(images: Array) -> Array:
    """Half the resolution, and the pixels in another order."""
    small = flat(images.reshape(-1, 14, 2, 14, 2).mean((2, 4)))
    return small[:, np.random.default_rng(0).permutation(small.shape[1])]


def paired(folder: Path, n: int, seed: int, change: Callable[[Array], Array] = inverted) -> Any:
    """The same images in both domains, in another order; test images in the same one."""
    (images, labels), (test, test_labels) = _mnist(folder, seed)
    i = np.random.default_rng(seed + 1).permutation(min(n, len(images)))
    one = Images(flat(images[:n]), labels[:n], flat(test[:N_TEST]), test_labels[:N_TEST])
    other = Images(change(images[i]), labels[i], change(test[:N_TEST]), test_labels[:N_TEST])
    return one, other


def unpaired(folder: Path, task: str, n: int, seed: int) -> tuple[Images, Images]:
    """Other images in the second domain: TASKS says which, and what is done to them."""
    (images, labels), (test, test_labels) = _mnist(folder, seed)
    second = slice(n, 2 * n), slice(N_TEST, 2 * N_TEST)
    one = Images(flat(images[:n]), labels[:n], flat(test[:N_TEST]), test_labels[:N_TEST])
    if task == "USPS":
        return one, _usps(folder, seed)
    change = halved if task == "halved" else inverted
    other = Images(
        change(images[second[0]]), labels[second[0]], change(test[second[1]]),
        test_labels[second[1]],
    )  # fmt: skip
    if task in RARE:
        share = RARE[task]
        return _thinned(one, range(5), share, seed), _thinned(other, range(5, 10), share, seed)
    if task == "missing":
        return _tested_without(one, MISSING), _tested_without(
            _thinned(other, MISSING, 0, seed), MISSING
        )
    return one, other


TASKS = "inverted", "halved", "USPS", "unbalanced", "rarer", "missing"


def known_pairs(one: Images, other: Images, n: int) -> tuple[Array, Array] | None:
    """Positions of `n` pairs of images for each class, which are of one class and no more."""
    if not n:
        return None
    rows = [
        np.concatenate([np.flatnonzero(d.labels == c)[:n] for c in range(10)]) for d in (one, other)
    ]
    return rows[0], rows[1]


def _mnist(folder: Path, seed: int) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist" / "mnist.npz") as file:
        parts = [(file[f"X_{part}"], file[f"y_{part}"]) for part in ("train", "test")]
    return [(X[order], y[order]) for X, y in parts for order in [rng.permutation(len(X))]]


def _usps(folder: Path, seed: int) -> Images:
    with np.load(folder / "usps" / "usps.npz") as file:
        X, y, test, test_y = (file[k] for k in ("X_train", "y_train", "X_test", "y_test"))
    order = np.random.default_rng(seed).permutation(len(X))
    flattened = (x.reshape(len(x), -1).astype(np.float32) / 1000 - 1 for x in (X[order], test))
    rows, test_rows = flattened
    return Images(rows, y[order], test_rows[:N_TEST], test_y[:N_TEST])


def _thinned(images: Images, rare: Collection[int], share: float, seed: int) -> Images:
    kept = ~np.isin(images.labels, list(rare))
    kept |= np.random.default_rng(seed).random(len(kept)) < share
    return images._replace(rows=images.rows[kept], labels=images.labels[kept])


def _tested_without(images: Images, classes: Collection[int]) -> Images:
    kept = ~np.isin(images.test_labels, list(classes))
    return images._replace(test_rows=images.test_rows[kept], test_labels=images.test_labels[kept])
