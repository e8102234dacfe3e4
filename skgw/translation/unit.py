"""UNIT: two variational autoencoders that share a space of codes."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any, ClassVar

from skgw.autoencoders.base import check_network
from skgw.base.parameters import NON_NEGATIVE, POSITIVE_INTEGER, one_of, param, with_parameters
from skgw.base.sklearn_compat import Interval
from skgw.base.training_run import TrainingRun
from skgw.base.two_domains import of_domain
from skgw.fields import Shape
from skgw.nn import AUTOENCODER_NETWORKS, Autoencoder, AutoencoderSpec, FittedNetwork
from skgw.spaces.finite import Array
from skgw.translation.adversarial_translator import (
    DOCUMENTED,
    AdversarialState,
    AdversarialTranslator,
    ArrayPair,
)
from skgw.translation.setup import image_shape_of
from skgw.translation.shared_latent_space import SharedLatentSpace, share_layers


class UNITState(AdversarialState):
    """Fitted attributes for rows of p and q columns and codes of k columns."""

    _networks: tuple[
        Annotated[FittedNetwork[Autoencoder], Shape("p", "k")],
        Annotated[FittedNetwork[Autoencoder], Shape("q", "k")],
    ]


@with_parameters
class UNIT(AdversarialTranslator):
    """Unsupervised image-to-image translation by a shared latent space, for rows of any kind.

    A variational autoencoder of each domain encodes rows to codes of one space: the last layers of
    the encoders and the first layers of the decoders are the same. A row is translated by decoding
    its code with the other decoder. A critic of each domain learns to tell rows from translations,
    and a cycle loss draws the translation there and back to the row.

    The domains may have different widths. The losses are as blind as those of `CycleGAN` to which
    row belongs to which: the shared layers and the starting weights decide.

    Parameters
    ----------
    n_components : int, default=8
        Dimension of the codes.
    network : str, callable, or pair of these, default="mlp"
        Architecture of the autoencoders, of both domains or of each, and of the critics: "mlp",
        "conv", "infogan", "dcgan", "dcgan-no-norm" or "wae", as for `VariationalAutoencoder`. A
        callable takes the numbers of inputs and outputs and returns a `torch.nn.Module`.
    hidden_layer_sizes : tuple of int, default=(256, 128)
        Layers of the encoder, mirrored in the decoder: widths of "mlp", or channels of "conv".
    image_shape : (channels, height, width), pair of these or None, default=None
        Shape of the images that rows hold, for all named networks but "mlp".
    n_shared : int, default=1
        Number of layers with weights that the encoders share at their end, and the decoders at
        their start. Shared layers have equal widths, which "conv" has for images of one size.
    reconstruction_weight : float, default=10.0
        Weight of the mean squared error of the reconstruction.
    prior_weight : float, default=0.1
        Weight of the Kullback-Leibler divergence of the codes from the standard normal
        distribution; with 1, reconstruction and divergence are the evidence lower bound.
    cycle_weight : float, default=10.0
        Weight of the mean squared error of rows and their translations there and back, and of the
        divergence of the codes of translations.
    {translation_parameters}
    {training_parameters}

    Attributes
    ----------
    diagnostics_ : dict
        As for `CycleGAN`.
    loss_curve_ : list of float
        Loss of both autoencoders at each update.
    validation_curve_ : list of float
        Discrepancies of translated held-out rows plus squared errors of cycles, every 50 updates;
        empty without early stopping.
    n_iter_ : int
        Number of updates of the autoencoders.
    n_features_in_, n_features_y_in_ : int
        Numbers of columns of the two domains.
    feature_names_in_, feature_names_y_in_ : array of str
        Names of the columns, for a domain whose names are all strings.

    See Also
    --------
    GWCoTrainedAutoencoders : Two autoencoders whose codes agree in their distances.

    Notes
    -----
    Rows of each domain are centred and divided by the root of the mean variance of a feature. The
    variances of the codes are learned; the source fixes them at one. `transform` returns the mean
    codes, and `sample` decodes draws of the standard normal distribution.

    References
    ----------
    :cite:t:`liu2017`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import UNIT
    >>> X = np.random.default_rng(0).exponential(size=(120, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(100, 2)) * [1, 3] @ np.eye(2, 5) + 1
    >>> model = UNIT(2, hidden_layer_sizes=(32,), max_iter=100, random_state=0).fit(X, Y)
    >>> model.translate(X[:3]).shape, model.transform(Y[:3], domain="y").shape
    ((3, 5), (3, 2))
    """

    documented: ClassVar[dict[str, str]] = DOCUMENTED
    fitted_state: ClassVar[type] = UNITState

    n_components: int = param(POSITIVE_INTEGER, default=8, kw_only=False)
    network: Any = param(one_of(*AUTOENCODER_NETWORKS), callable, tuple, list, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 128))
    image_shape: Any = param(tuple, list, None, default=None)
    n_shared: int = param(Interval(Integral, 0, None, closed="left"), default=1)
    reconstruction_weight: float = param(NON_NEGATIVE, default=10.0)
    prior_weight: float = param(NON_NEGATIVE, default=0.1)
    cycle_weight: float = param(NON_NEGATIVE, default=10.0)

    def _spec(self, widths: tuple[int, int], index: int) -> AutoencoderSpec:
        network = of_domain(self.network, index, "network")
        check_network(network)
        return AutoencoderSpec(
            n_features=widths[index],
            latent_dim=int(self.n_components),
            network=network,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            stochastic=True,
            image_shape=image_shape_of(self.image_shape, index),
        )

    def _model(self, networks: Any, rows: ArrayPair, run: TrainingRun) -> SharedLatentSpace:
        share_layers(networks, self.n_shared)
        return SharedLatentSpace(
            networks,
            reconstruction_weight=self.reconstruction_weight,
            prior_weight=self.prior_weight,
            cycle_weight=self.cycle_weight,
        )

    def _width(self, source: int) -> int:
        return self._networks[source].shape[1]

    def _encode(self, rows: Array, source: int) -> Array:
        return self._evaluate(source, Autoencoder.encode, rows)

    def _decode(self, codes: Array, source: int) -> Array:
        return self._evaluate(source, Autoencoder.decode, codes)

    def _check_state(self) -> None:
        if not all(isinstance(network.spec, AutoencoderSpec) for network in self._networks):
            raise ValueError("a UNIT holds two autoencoders")
