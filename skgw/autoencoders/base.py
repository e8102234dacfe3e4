"""AutoencoderEstimator: base of the estimators that train one autoencoder."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import nn

from skgw.autoencoders.objective import (
    AutoencoderLoss,
    AutoencodingObjective,
    AutoencodingOptions,
)
from skgw.base.estimator import tensor_in_tensor_out
from skgw.base.parameters import POSITIVE_INTEGER, one_of, param, with_parameters
from skgw.base.trained import TRAINING_PARAMETERS, TrainedEstimator, hold_out
from skgw.base.training_run import TrainingRun
from skgw.nn import AutoencoderSpec, FittedNetwork
from skgw.nn.coded_domain import CodedDomain, NormalMixture, Unit

MIN_UPDATES, MAX_UPDATES = 1500, 20_000  # of max_iter="auto"
EPOCHS = 15  # of max_iter="auto", within these limits
NETWORKS = "mlp", "conv"

AUTOENCODER_PARAMETERS = """
n_components : int, default={n_components}
    Dimension of the codes.
network : {"mlp", "conv"} or callable, default={network}
    Architecture of encoder and decoder. A callable takes the numbers of inputs and outputs and
    returns a `torch.nn.Module`.
hidden_layer_sizes : tuple of int, default={hidden_layer_sizes}
    Layers of the encoder, mirrored in the decoder: widths of "mlp"; channels of "conv", where each
    layer halves the image.
image_shape : (int, int, int) or None, default={image_shape}
    Channels, height and width of the images that rows hold, for "conv".
"""

Array = NDArray[Any]


def automatic_updates(n_rows: int, batch_size: int) -> int:
    """Number of updates that "auto" stands for: 15 epochs within 1,500 and 20,000 updates."""
    return int(np.clip(EPOCHS * n_rows / batch_size, MIN_UPDATES, MAX_UPDATES))


def check_network(network: Any) -> None:
    """Raise a ValueError for anything but the name of an architecture or a factory."""
    if isinstance(network, nn.Module) or not (callable(network) or network in NETWORKS):
        raise ValueError(
            f"network must be {' or '.join(map(repr, NETWORKS))}, or a callable that makes a new "
            f"module of the numbers of inputs and outputs, got {network!r}."
        )


@with_parameters
class AutoencoderEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """Base of estimators that compress rows to codes, and generate rows from codes.

    A subclass says by `_options` what the autoencoder is trained for, and overrides `_describe` to
    store more than the networks. The placeholders ``{autoencoder_parameters}`` and
    ``{training_parameters}`` in its docstring stand for the entries of the inherited parameters.
    """

    documented: ClassVar[dict[str, str]] = {
        "{autoencoder_parameters}": AUTOENCODER_PARAMETERS,
        "{training_parameters}": TRAINING_PARAMETERS,
    }

    n_components: int = param(POSITIVE_INTEGER, default=2, kw_only=False)
    network: Any = param(one_of(*NETWORKS), callable, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 128))
    image_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)
    batch_size: int = param(default=100)

    @tensor_in_tensor_out
    def transform(self, X: Any) -> Any:
        """Codes of rows; mean codes if the encoder is stochastic.

        Parameters
        ----------
        X : array of shape (n_rows, n_features)
            Numpy or torch.

        Returns
        -------
        array of shape (n_rows, n_components)
            Of the kind of `X`.
        """
        check_is_fitted(self)
        return self._domain.encode(self._read(X, reset=False), self._device())

    @tensor_in_tensor_out
    def inverse_transform(self, Z: Any) -> Any:
        """Rows that the decoder makes of codes.

        Parameters
        ----------
        Z : array of shape (n_codes, n_components)
            Numpy or torch.

        Returns
        -------
        array of shape (n_codes, n_features)
            Of the kind of `Z`.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32])
        if Z.shape[1] != self._n_features_out:
            raise ValueError(f"Z has {Z.shape[1]} columns, codes have {self._n_features_out}.")
        return self._domain.decode(Z, self._device())

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw new rows: codes from the distribution of the codes, decoded.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState or None, default=None

        Returns
        -------
        array of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        codes = self._prior.draw(n_samples, check_random_state(random_state))
        return self._domain.decode(codes, self._device())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _options(self, unit: Unit) -> AutoencodingOptions:
        """The loss, for rows in this unit."""
        raise NotImplementedError

    def _describe(self, model: AutoencoderLoss, rows: Array) -> None:
        """Store what is known of a fitted model, from training rows in its unit."""

    def _fit(self, X: Array, run: TrainingRun) -> None:
        unit = Unit.of(X)
        options = self._options(unit)
        spec = self._spec(X.shape[1], stochastic=options.kind == "vae")
        model = AutoencoderLoss(spec.build(run.seed), options, seed=run.seed)
        rows = unit.forth(X)
        order, held_out = hold_out(
            run.rng.permutation(len(rows)), self._held_out_share, min_held_out=1
        )
        objective = AutoencodingObjective(
            rows, model, batch_size=self.batch_size, order=order, held_out=held_out
        ).to(run.device)
        run.train(objective, X, self._n_updates(len(X)), run.noise(1))
        network = FittedNetwork.of(model.autoencoder, spec)
        self._domain = CodedDomain(unit, network, X.dtype.name)
        self._prior = NormalMixture.standard(spec.latent_dim)
        self._describe(model, rows)

    def _spec(self, n_features: int, *, stochastic: bool) -> AutoencoderSpec:
        check_network(self.network)
        shape = self.image_shape
        return AutoencoderSpec(
            n_features=n_features,
            latent_dim=int(self.n_components),
            network=self.network,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            stochastic=stochastic,
            image_shape=None if shape is None else tuple(shape),  # type: ignore[arg-type]
        )

    def _auto_updates(self, n_rows: int) -> int:
        return automatic_updates(n_rows, self.batch_size)

    def _read(self, X: Any, *, reset: bool) -> Array:
        kinds = [np.float64, np.float32]
        least = 2 if reset else 1
        return validate_data(self, X, reset=reset, dtype=kinds, ensure_min_samples=least)

    @property
    def _n_features_out(self) -> int:
        return self._domain.latent_dim
