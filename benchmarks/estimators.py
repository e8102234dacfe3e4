"""Small fits of every trained estimator on a device, beside the same fits on the CPU."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import skgw
from benchmarks.common import Figures
from skgw import AlignFlow
from skgw.base.trained import TrainedEstimator


def trained_estimators() -> list[type[TrainedEstimator]]:
    """All public estimators with networks."""
    public = [getattr(skgw, name) for name in skgw.__all__ if isinstance(getattr(skgw, name), type)]
    return [cls for cls in public if issubclass(cls, TrainedEstimator)]


def fits(device: str, max_iter: int = 100, n_rows: int = 400) -> Figures:
    """Seconds on the device and on the CPU, and gaps between their results.

    Gaps are largest differences over the standard deviation of the CPU's result: of the codes of
    the training rows, of samples, and of the codes by a model that was saved there and loaded here.
    Where there are no codes, samples take their place.
    """
    return {cls.__name__: _one(cls, device, max_iter, n_rows) for cls in trained_estimators()}


def _one(cls: type[TrainedEstimator], device: str, max_iter: int, n_rows: int) -> Figures:
    rng = np.random.default_rng(0)
    X = rng.gamma(2.0, size=(n_rows, 6)) * np.arange(6, 0, -1)
    Y = rng.gamma(2.0, size=(3 * n_rows // 4, 4)) * np.arange(4, 0, -1)
    models, seconds = {}, {}
    for name in ("cpu", device):
        model = cls(max_iter=max_iter, device=name, random_state=0, **_within(cls, max_iter))
        second = None
        if model.__sklearn_tags__().target_tags.required:
            second = X[: len(Y)] if cls is AlignFlow else Y  # which needs equal widths
        start = time.perf_counter()
        models[name] = model.fit(X, second)
        seconds[name] = time.perf_counter() - start
    here, there = models["cpu"], models[device]
    with tempfile.TemporaryDirectory() as folder:
        there.save(Path(folder) / "model")
        loaded = cls.load(Path(folder) / "model").set_params(device="cpu")
    samples, *others = (model.sample(50, random_state=0) for model in (there, here, loaded))
    codes = [model.transform(X) for model in (there, here, loaded) if hasattr(model, "transform")]
    found, *expected = codes or [samples, *others]
    return {
        "seconds": seconds[device],
        "seconds_cpu": seconds["cpu"],
        "codes": _gap(found, expected[0]),
        "samples": _gap(samples, others[0]),
        "loaded": _gap(expected[1], found),
    }


def _within(cls: type[TrainedEstimator], max_iter: int) -> dict[str, Any]:
    """Parameters for a small fit of the estimators within an estimator."""
    if cls is not skgw.OTAutoencoderGAN:
        return {}
    autoencoder = skgw.WassersteinAutoencoder(2, max_iter=max_iter)
    return {"start": skgw.OTAutoencoder(autoencoder)}


def _gap(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / expected.std())
