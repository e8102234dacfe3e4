"""Autoencoders of pythae 0.1.2 with the networks of skgw, as estimators of flat images.

``pip install pythae==0.1.2`` is needed. Rows have values from 0 to 1. A decoder ends in a sigmoid,
as those of pythae do. Training has the batches of skgw (100 rows) and Adam with a rate of 0.001
that falls along a cosine, in place of the constant 0.0001 that pythae sets.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skgw.nn import AutoencoderSpec

Array = NDArray[Any]
BATCH_SIZE, LEARNING_RATE = 100, 1e-3
PAPER_WEIGHT = 10 / 0.05  # lambda of MNIST relative to the sum of squared errors

# The class, its settings, and whether the encoder is random.
MODELS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "pythae VAE": ("VAE", {}, True),
    "pythae VAE, bce": ("VAE", {"reconstruction_loss": "bce"}, True),
    "pythae BetaVAE, 4": ("BetaVAE", {"beta": 4.0}, True),
    "pythae FactorVAE": ("FactorVAE", {"gamma": 10.0}, True),
    "pythae BetaTCVAE": ("BetaTCVAE", {"beta": 4.0, "use_mss": False}, True),
    "pythae INFOVAE_MMD": ("INFOVAE_MMD", {}, True),
    "pythae WAE_MMD": ("WAE_MMD", {}, False),
    "pythae WAE_MMD, published": ("WAE_MMD", {"reg_weight": PAPER_WEIGHT}, False),
    "pythae Adversarial_AE": ("Adversarial_AE", {"deterministic_posterior": True}, True),
    "pythae RAE_L2": ("RAE_L2", {}, False),
}


class PythaeModel:
    """One model of pythae.

    Parameters
    ----------
    name : str
        Key of `MODELS`.
    spec : AutoencoderSpec
        Its networks; `stochastic` is set as the model needs it.
    seed : int
    n_epochs : int
    """

    def __init__(self, name: str, spec: AutoencoderSpec, seed: int, n_epochs: int = 1) -> None:
        self.name, self.spec, self.seed, self.n_epochs = name, spec, seed, n_epochs

    def fit(self, X: Array) -> PythaeModel:
        """Train on rows (n, p)."""
        from pythae import trainers

        self.model = self._build()
        adversarial = self.name.split()[1].rstrip(",") in ("FactorVAE", "Adversarial_AE")
        names = ["autoencoder", "discriminator"] if adversarial else [""]
        settings: dict[str, Any] = {}
        for name in names:
            prefix = f"{name}_" if name else ""
            settings[f"{prefix}learning_rate"] = LEARNING_RATE
            settings[f"{prefix}scheduler_cls"] = "CosineAnnealingLR"
            settings[f"{prefix}scheduler_params"] = {"T_max": self.n_epochs}
        kind = "Adversarial" if adversarial else "Base"
        with tempfile.TemporaryDirectory() as folder, _quiet():
            config = getattr(trainers, f"{kind}TrainerConfig")(
                output_dir=folder, num_epochs=self.n_epochs, seed=self.seed, no_cuda=True,
                per_device_train_batch_size=BATCH_SIZE, **settings,
            )  # fmt: skip
            trainer = getattr(trainers, f"{kind}Trainer")(
                self.model, train_dataset=_dataset(X), training_config=config
            )
            trainer.train()
        self.model.eval()
        return self

    @torch.no_grad()
    def transform(self, X: Array) -> Array:
        """Mean codes."""
        return self._encode(X)[0].numpy()

    @torch.no_grad()
    def draw(self, X: Array) -> Array:
        """A draw of the code of each row, with a fixed seed."""
        mean, log_variance = self._encode(X)
        random = MODELS[self.name][2] and "Adversarial" not in self.name
        if not random:
            return mean.numpy()
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
        return (mean + (0.5 * log_variance).exp() * noise).numpy()

    @torch.no_grad()
    def inverse_transform(self, Z: Array) -> Array:
        """Decoded codes."""
        codes = torch.as_tensor(Z, dtype=torch.float32)
        return self.model.decoder(codes)["reconstruction"].numpy()

    def mixture_samples(self, X: Array, n: int, seed: int) -> Array:
        """Samples of pythae's mixture of ten normal distributions of the codes of rows."""
        from pythae.samplers import GaussianMixtureSampler

        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 of the mixture of scikit-learn
        with _quiet():
            sampler = GaussianMixtureSampler(self.model)
            sampler.fit(torch.as_tensor(X, dtype=torch.float32))
            samples = sampler.sample(num_samples=n, return_gen=True)
        return samples.detach().reshape(n, -1).numpy()

    def _encode(self, X: Array) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.model.encoder(torch.as_tensor(X, dtype=torch.float32))
        return out["embedding"], out["log_covariance"]

    def _build(self) -> Any:
        from pythae import models

        torch.manual_seed(self.seed)
        kind, settings, random = MODELS[self.name]
        config = getattr(models, "WAE_MMD_Config" if kind == "WAE_MMD" else f"{kind}Config", None)
        if config is None:
            config = getattr(models, f"{kind}_Config")
        spec = AutoencoderSpec(**{**vars(self.spec), "stochastic": random})
        encoder, decoder = _networks(spec.build(self.seed))
        shape = (spec.n_features,)
        return getattr(models, kind)(
            config(input_dim=shape, latent_dim=spec.latent_dim, **settings),
            encoder=encoder, decoder=decoder,
        )  # fmt: skip


def _networks(autoencoder: Any) -> tuple[Any, Any]:
    """Encoder and decoder with the interface of pythae."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = autoencoder.encoder

        def forward(self, x: torch.Tensor) -> Any:
            mean, *rest = self.network(x).split(autoencoder.latent_dim, dim=1)
            return ModelOutput(embedding=mean, log_covariance=rest[0] if rest else None)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = autoencoder.decoder

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))

    return Encoder(), Decoder()


def _dataset(X: Array) -> Any:
    from pythae.data.datasets import BaseDataset

    return BaseDataset(torch.as_tensor(X, dtype=torch.float32), torch.zeros(len(X)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No logs and no bars of progress."""
    logging.disable(logging.CRITICAL)
    with (
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stderr(nothing),
        contextlib.redirect_stdout(nothing),
    ):
        yield
    logging.disable(logging.NOTSET)
