"""Short fits that are repeated, and digests of all that they learned."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import nn

from skgw import GWCoTrainedAutoencoders, GWGenerativeEmbedding, VariationalAutoencoder
from skgw.base.trained import TrainedEstimator
from skgw.embedding import Adversary, Generator
from skgw.translation import TranslationNetwork

REPORT_EVERY = 10  # updates between checkpoints, so that short fits have several


def dropping(n_inputs: int, n_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_inputs, 32), nn.Dropout(0.5), nn.Linear(32, n_outputs))


SHORT = {"max_iter": 100, "batch_size": 16, "random_state": 0}
EMBEDDING = GWGenerativeEmbedding(
    n_generated=50, hidden_layer_sizes=(32, 32), generator=Generator(n_init_updates=10), **SHORT
)
PAIR = GWCoTrainedAutoencoders(2, hidden_layer_sizes=(16,), n_init=2, **SHORT)
FITS: dict[str, Any] = {
    "embedding": EMBEDDING,
    "embedding, adversary, early stopping": clone(EMBEDDING).set_params(
        adversary=Adversary("mlp", start=0.2), early_stopping=True
    ),
    "co-trained ae": PAIR,
    "co-trained wae-gan, network": clone(PAIR).set_params(
        autoencoder="wae-gan", translator=TranslationNetwork(n_updates=50)
    ),
    "vae": VariationalAutoencoder(hidden_layer_sizes=(32,), early_stopping=True, **SHORT),
    "embedding, dropout": clone(EMBEDDING).set_params(generator=dropping),
    "co-trained ae, dropout": clone(PAIR).set_params(network=dropping),
}


def fitted(name: str, **params: Any) -> Any:
    """A fit of this name to 60 rows, and for two domains to 50 others."""
    TrainedEstimator.report_every = REPORT_EVERY
    rng = np.random.default_rng(0)
    X, Y = rng.gamma(2.0, size=(60, 4)) * [4, 3, 2, 1], rng.gamma(2.0, size=(50, 3)) * [3, 2, 1]
    estimator = clone(FITS[name]).set_params(**params)
    return (
        estimator.fit(X, Y) if isinstance(estimator, GWCoTrainedAutoencoders) else estimator.fit(X)
    )


def digest(estimator: Any) -> str:
    """Digest of all arrays of a fitted estimator, weights of networks included."""
    found = hashlib.sha256()
    _add(
        found, {name: x for name, x in vars(estimator).items() if name[0] == "_" or name[-1] == "_"}
    )
    return found.hexdigest()


def in_child(function: Callable[[], str], write: int | None = None) -> int:
    """Run a function in a child process that writes its text to a pipe; the id of the child."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        text = function()
        if write is not None:
            os.write(write, text.encode())
        status = 0
    finally:
        os._exit(status)


def result_of(function: Callable[[], str]) -> str:
    """The text of a function that runs in a child process; a failure is a text, too."""
    read, write = os.pipe()
    child = in_child(function, write)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    return text if status == 0 else f"failed with status {status}"


def _add(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found.update(f"{value.dtype} {value.shape}".encode())
        found.update(repr(value.tolist()).encode() if value.dtype == object else value.tobytes())
    elif isinstance(value, dict):
        for key, x in value.items():
            found.update(str(key).encode())
            _add(found, x)
    elif isinstance(value, (list, tuple)):
        for x in value:
            _add(found, x)
    elif hasattr(value, "__dict__") and not callable(value):
        _add(found, vars(value))
    elif not callable(value):
        found.update(repr(value).encode())
