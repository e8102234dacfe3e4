"""CycleGAN: two maps between two domains, with a cycle loss and critics of the rows."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from skgw.base.parameters import NON_NEGATIVE, one_of, param, with_parameters
from skgw.base.training_run import TrainingRun
from skgw.fields import Shape
from skgw.nn import FittedNetwork
from skgw.nn.coded_domain import Scaler
from skgw.nn.networks import NETWORKS
from skgw.nn.translation_maps import MapSpec, TranslationMap
from skgw.spaces.finite import Array
from skgw.translation.adversarial_translator import (
    DOCUMENTED,
    AdversarialState,
    AdversarialTranslator,
    ArrayPair,
)
from skgw.translation.cycle_maps import CycleMaps
from skgw.translation.setup import image_shape_of


class CycleGANState(AdversarialState):
    """Fitted attributes for rows of p and q columns."""

    _networks: tuple[
        Annotated[FittedNetwork[TranslationMap], Shape("p", "q")],
        Annotated[FittedNetwork[TranslationMap], Shape("q", "p")],
    ]


@with_parameters
class CycleGAN(AdversarialTranslator):
    """Two maps between two unpaired data sets that undo each other.

    One network maps rows of the first domain to rows of the second domain, another one maps back. A
    critic of each domain learns to tell its rows from translations, and the maps learn to deceive
    both critics. A cycle loss draws the translation there and back to the row itself.

    Nothing in these losses says which row belongs to which: followed by any bijection that keeps
    the distribution of the target, a translation has the same losses. The architecture decides.
    Maps with `residual` start near the identity, and a map without dense layers
    (``network="conv"``) computes a pixel from the pixels around it, so that the method is for
    domains whose rows are close to their counterparts.

    Parameters
    ----------
    network : {"mlp", "conv"} or callable, default="mlp"
        Architecture of both maps and of the critics. "conv" halves images, doubles them again and
        has no dense layer; the images of both domains have one height and width. A callable takes
        the numbers of inputs and outputs and returns a `torch.nn.Module`.
    hidden_layer_sizes : tuple of int, default=(256, 256)
        Hidden layers: widths of "mlp", or channels of the layers of "conv" that halve the image.
    image_shape : (channels, height, width), pair of these or None, default=None
        Shape of the images that rows hold, for "conv".
    residual : bool, default=False
        Whether a map is the row plus a network of the row. It needs domains of equal width.
    cycle_weight : float, default=3.0
        Weight of the mean absolute difference between rows and their translations there and back.
    identity_weight : float, default=0.0
        Weight of the mean absolute difference between rows of a domain and their images under the
        map to this domain, which draws the maps to the identity. It needs domains of equal width.
    transport_weight : float, default=0.0
        Weight of the mean squared difference between rows and their translations, the transport
        cost of the maps. It needs domains of equal width.
    {translation_parameters}
    {training_parameters}

    Attributes
    ----------
    diagnostics_ : dict
        Of (up to 1000) training rows of each domain. "cycle_x", "cycle_y": RMS difference of a
        feature between rows and their translations there and back, in units of the root of the mean
        variance of a feature. "discrepancy_x", "discrepancy_y": unbiased squared maximum mean
        discrepancy between rows of a domain and translations into it, 0 for equal distributions.
        "transport_x", "transport_y", for domains of equal width: mean squared difference of a
        feature between rows and their translations, over the mean variance of a feature.
    loss_curve_ : list of float
        Loss of both maps at each update.
    validation_curve_ : list of float
        Discrepancies of translated held-out rows plus squared errors of cycles, every 50 updates;
        empty without early stopping.
    n_iter_ : int
        Number of updates of the maps.
    n_features_in_, n_features_y_in_ : int
        Numbers of columns of the two domains.
    feature_names_in_, feature_names_y_in_ : array of str
        Names of the columns, for a domain whose names are all strings.

    See Also
    --------
    GWCoTrainedAutoencoders : Translates between domains whose rows are not close to each other.

    Notes
    -----
    There is no space of codes: `transform` translates, to the output space of a transformer, and
    `inverse_transform` applies the map back. `sample` translates (up to 1000) kept training rows of
    the other domain, drawn at random.

    Rows of each domain are centred and divided by the root of the mean variance of a feature. With
    `residual`, `identity_weight` or `transport_weight` the domains are one space, and have one mean
    and one divisor.

    The sources keep the last 50 translations for the critic. Here the critic sees the translations
    of the batch, and has a penalty on its gradient.

    References
    ----------
    :cite:t:`zhu2017`; :cite:t:`debezenac2021`, maps of least transport cost.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import CycleGAN
    >>> X = np.random.default_rng(0).exponential(size=(120, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(100, 2)) * [3, 1] + 1
    >>> model = CycleGAN(residual=True, max_iter=100, random_state=0).fit(X, Y)
    >>> model.translate(X[:3]).shape, model.sample(5, domain="y", random_state=0).shape
    ((3, 2), (5, 2))
    """

    documented: ClassVar[dict[str, str]] = DOCUMENTED
    fitted_state: ClassVar[type] = CycleGANState

    network: Any = param(one_of(*NETWORKS), callable, default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(256, 256))
    image_shape: Any = param(tuple, list, None, default=None)
    residual: bool = param("boolean", default=False)
    cycle_weight: float = param(NON_NEGATIVE, default=3.0)
    identity_weight: float = param(NON_NEGATIVE, default=0.0)
    transport_weight: float = param(NON_NEGATIVE, default=0.0)

    def _spec(self, widths: tuple[int, int], index: int) -> MapSpec:
        self._check_widths(widths)
        return MapSpec(
            n_inputs=widths[index],
            n_outputs=widths[1 - index],
            network=self.network,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            image_shape=image_shape_of(self.image_shape, index),
            output_shape=image_shape_of(self.image_shape, 1 - index),
            residual=self.residual,
        )

    def _model(self, networks: Any, rows: ArrayPair, run: TrainingRun) -> CycleMaps:
        weights = {
            "cycle": self.cycle_weight,
            "identity": self.identity_weight,
            "transport": self.transport_weight,
        }
        return CycleMaps(networks, weights)

    @property
    def _compares_domains(self) -> tuple[str, ...]:
        """Parameters in use that take both domains as one space."""
        names = "residual", "identity_weight", "transport_weight"
        return tuple(name for name in names if getattr(self, name))

    def _check_widths(self, widths: tuple[int, int]) -> None:
        names = self._compares_domains
        if names and widths[0] != widths[1]:
            raise ValueError(
                f"{' and '.join(names)} compare rows with their translations, and need domains of "
                f"equal width: X has {widths[0]} columns, y has {widths[1]}. Leave the parameters "
                "at their defaults, or bring both domains into one space by transformer_x and "
                "transformer_y."
            )

    def _fitted_scalers(self, rows: ArrayPair) -> tuple[Scaler, Scaler]:
        self._check_widths((rows[0].shape[1], rows[1].shape[1]))
        if not self._compares_domains:
            return super()._fitted_scalers(rows)
        common = Scaler.of(np.concatenate(rows))
        return common, common

    def _width(self, source: int) -> int:
        return self._networks[source].shape[1]

    def _encode(self, rows: Array, source: int) -> Array:
        return self._scalers[1 - source].inverse_transform(self._translate(rows, source))

    def _decode(self, codes: Array, source: int) -> Array:
        return self._translate(self._scalers[1 - source].transform(codes), 1 - source)

    def _translate(self, rows: Array, source: int) -> Array:
        return self._evaluate(source, TranslationMap.forward, rows)

    def _draw(self, n: int, source: int, rng: np.random.RandomState) -> Array:
        kept = self._scalers[1 - source].transform(self._kept[1 - source])
        return self._translate(kept[rng.randint(len(kept), size=n)], 1 - source)

    def _check_state(self) -> None:
        if not all(isinstance(network.spec, MapSpec) for network in self._networks):
            raise ValueError("a CycleGAN holds two maps")
