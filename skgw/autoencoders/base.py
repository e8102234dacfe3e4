"""AutoencoderEstimator: base class of the estimators with one autoencoder."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from skgw.autoencoders.codes import SAMPLERS, code_distribution, prior_diagnostics
from skgw.autoencoders.objective import AutoencodingObjective, RegularizedAutoencoder
from skgw.autoencoders.parameters import GEOMETRIES, CodeGeometry
from skgw.base.generators import CodedGeneratorMixin
from skgw.base.parameters import POSITIVE_INTEGER, one_of, param, part, with_parameters
from skgw.base.trained import TRAINING_PARAMETERS, TrainedEstimator, TrainedState, hold_out
from skgw.base.training_run import TrainingRun
from skgw.fields import Shape
from skgw.nn import AUTOENCODER_NETWORKS, Autoencoder, AutoencoderSpec, FittedNetwork
from skgw.nn.coded_domain import Array, CodedDomain, NormalMixture, Scaler

MIN_UPDATES, MAX_UPDATES = 1500, 20_000  # updates of max_iter="auto"
N_EPOCHS = 15  # passes over the rows of max_iter="auto", within these limits

AUTOENCODER_PARAMETERS = """
n_components : int, default={n_components}
    Dimension of the codes.
network : str or callable, default={network}
    Architecture of encoder and decoder: "mlp", "conv", or a network of the literature for images,
    "infogan", "dcgan", "dcgan-no-norm" (without batch normalisation) or "wae", see
    `skgw.nn.image_encoder`. A callable takes the numbers of inputs and outputs and returns a
    `torch.nn.Module`.
hidden_layer_sizes : tuple of int, default={hidden_layer_sizes}
    Hidden layers of the encoder: widths of "mlp"; channels of "conv", where each layer halves the
    image. Other networks ignore it.
decoder_layer_sizes : tuple of int or None, default={decoder_layer_sizes}
    Hidden layers of the decoder of "mlp" and "conv", from the code to the row. None: those of the
    encoder in reverse.
image_shape : (int, int, int) or None, default={image_shape}
    Channels, height and width of the images in the rows, for all named networks but "mlp".
geometry : {"isometry", "procrustes"}, part or None, default={geometry}
    Penalty that keeps the geometry of the rows in the codes. "isometry": relative distortion of
    their distances. "procrustes": distance from the closest orthogonal projection of the rows.
    Parts: `skgw.autoencoders.IsometryPenalty` and `ProcrustesPenalty`.
sampler : {"prior", "gaussian-mixture"}, default={sampler}
    Distribution of codes that `sample` draws from: the prior, or a mixture of up to 20 normal
    distributions that is fitted to the codes of the training rows.
"""


def automatic_updates(n_rows: int, batch_size: int) -> int:
    """Number of updates of ``max_iter="auto"``: 15 epochs, within 1,500 and 20,000 updates."""
    return int(np.clip(N_EPOCHS * n_rows / batch_size, MIN_UPDATES, MAX_UPDATES))


def check_network(network: Any) -> None:
    """Raise a ValueError if `network` is neither the name of an architecture nor a callable."""
    names = AUTOENCODER_NETWORKS
    if isinstance(network, nn.Module) or not (callable(network) or network in names):
        raise ValueError(
            f"network must be one of {names}, or a callable that makes a new module from the "
            f"numbers of inputs and outputs, got {network!r}."
        )


class AutoencoderState(TrainedState):
    """Fitted attributes for rows of p columns and codes of k columns."""

    _domain: Annotated[CodedDomain, Shape("p", "k")]
    diagnostics_: dict[str, float]
    _code_distribution: Annotated[NormalMixture, Shape(None, "k")]


@with_parameters
class AutoencoderEstimator(CodedGeneratorMixin, TrainedEstimator):
    """Base class of estimators that encode rows and generate rows from codes.

    A subclass, decorated with `with_parameters`, implements `_regularized`, the autoencoder with
    its penalties; it may override

    - `_stochastic`, whether the encoder is stochastic;
    - `_validation_loss`, the loss that early stopping watches;
    - `_initialize`, what precedes the training, and `_finish`, what follows it;
    - `_describe`, to store further attributes.

    In its docstring the lines ``{autoencoder_parameters}`` and ``{training_parameters}`` stand for
    the entries of the inherited parameters.
    """

    documented: ClassVar[dict[str, str]] = {
        "{autoencoder_parameters}": AUTOENCODER_PARAMETERS,
        "{training_parameters}": TRAINING_PARAMETERS,
    }

    fitted_state: ClassVar[type] = AutoencoderState
    min_held_out: ClassVar[int] = 1  # rows that early stopping holds out at least

    n_components: int = param(POSITIVE_INTEGER, default=2, kw_only=False)
    network: Any = param(one_of(*AUTOENCODER_NETWORKS), callable, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 128))
    decoder_layer_sizes: tuple[int, ...] | None = param("array-like", None, default=None)
    image_shape: tuple[int, int, int] | None = param(tuple, list, None, default=None)
    geometry: Any = part(CodeGeometry, one_of(*GEOMETRIES), None, default=None)
    sampler: str = param(one_of(*SAMPLERS), default="prior")
    batch_size: int = param(default=100)

    def _encode(self, X: Array) -> Array:
        return self._domain.encode(X, self._device())

    def _decode(self, Z: Array) -> Array:
        return self._domain.decode(Z, self._device())

    def _sample(self, n: int, rng: np.random.RandomState) -> Array:
        return self._decode(self._code_distribution.draw(n, rng))

    def _regularized(
        self, autoencoder: Autoencoder, scaler: Scaler, *, n_updates: int, seed: int
    ) -> RegularizedAutoencoder:
        """The autoencoder with its penalties.

        Parameters
        ----------
        autoencoder : Autoencoder
        scaler : Scaler
            Scaler of the rows that the autoencoder reads.
        n_updates : int
            Number of updates of the training.
        seed : int
            Seed of the weights of the penalties.
        """
        raise NotImplementedError

    @property
    def _stochastic(self) -> bool:
        """Whether the encoder is stochastic."""
        return False

    def _validation_loss(self, model: RegularizedAutoencoder, x: Tensor) -> Tensor:
        """Loss of held-out rows, 0-d."""
        return model.validation_loss(x)

    def _initialize(self, model: RegularizedAutoencoder, rows: Array, run: TrainingRun) -> None:
        """Prepare the weights for the training on the scaled training rows."""

    def _finish(self, model: RegularizedAutoencoder, rows: Array) -> None:
        """Change the weights of a trained model, given the scaled training rows."""

    def _describe(self, model: RegularizedAutoencoder, rows: Array) -> None:
        """Store further attributes of a fitted model, from the scaled training rows."""

    def _fit(self, X: Array, run: TrainingRun) -> None:
        scaler, n_updates = Scaler.of(X), self._n_updates(len(X))
        spec = self._spec(X.shape[1])
        model = self._regularized(
            spec.build(run.seed), scaler, n_updates=n_updates, seed=run.seed
        ).to(run.device)
        if self.geometry is not None:
            model.penalties.append(CodeGeometry.read(self.geometry).build())
        rows = scaler.transform(X)
        order, held_out = hold_out(
            run.rng.permutation(len(rows)),
            self._held_out_share,
            min_held_out=self.min_held_out,
        )
        self._initialize(model, rows[order], run)
        objective = AutoencodingObjective(
            rows, model, batch_size=self.batch_size, order=order, held_out=held_out,
            validation=self._validation_loss,
        ).to(run.device)  # fmt: skip
        run.train(objective, X, n_updates, run.noise(1))
        self._finish(model, rows)
        network = FittedNetwork.of(model.autoencoder, spec)
        self._domain = CodedDomain(scaler, network, self._dtype)
        codes = self._domain.draw(X, run.device, run.noise(3))
        self.diagnostics_ = prior_diagnostics(codes)
        self._code_distribution = code_distribution(codes, self.sampler, run.rng)
        self._describe(model, rows)

    def _spec(self, n_features: int) -> AutoencoderSpec:
        check_network(self.network)
        shape, decoder_sizes = self.image_shape, self.decoder_layer_sizes
        return AutoencoderSpec(
            n_features=n_features,
            latent_dim=int(self.n_components),
            network=self.network,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            stochastic=self._stochastic,
            image_shape=None if shape is None else tuple(shape),
            decoder_layer_sizes=None if decoder_sizes is None else tuple(decoder_sizes),
        )

    def _auto_updates(self, n_rows: int) -> int:
        return automatic_updates(n_rows, self.batch_size)

    @property
    def _n_features_out(self) -> int:
        return self._domain.latent_dim
