"""AlignFlow: two flows that share a space of codes."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skgw.base.estimator import tensor_in_tensor_out
from skgw.base.parameters import NON_NEGATIVE, POSITIVE_INTEGER, one_of, param, with_parameters
from skgw.base.sklearn_compat import Interval
from skgw.base.training_run import TrainingRun
from skgw.base.two_domains import position
from skgw.fields import Shape
from skgw.nn import FittedNetwork
from skgw.nn.flows import Flow, FlowSpec
from skgw.nn.networks import NETWORKS
from skgw.spaces.finite import Array
from skgw.translation.adversarial_translator import (
    DOCUMENTED,
    AdversarialState,
    AdversarialTranslator,
    ArrayPair,
)
from skgw.translation.aligned_flows import AlignedFlows
from skgw.translation.setup import image_shape_of


class AlignFlowState(AdversarialState):
    """Fitted attributes for rows of p and q columns; both numbers are equal."""

    _networks: tuple[
        Annotated[FittedNetwork[Flow], Shape("p", "p")],
        Annotated[FittedNetwork[Flow], Shape("q", "q")],
    ]


@with_parameters
class AlignFlow(AdversarialTranslator):
    """Two normalizing flows to one space of codes: translations that undo each other exactly.

    A flow of each domain is a bijection between rows and codes with an exact density, which is
    fitted to the rows for standard normal codes. A row is translated by decoding its code with the
    other flow, and the translation there and back is the row itself. A critic of each domain learns
    to tell rows from translations.

    Bijections need domains of equal width. The losses are as blind as those of `CycleGAN` to which
    row belongs to which: any rotation of the codes of one domain keeps the likelihood. The flows
    start as maps of single features that keep their order, so that the method is for domains whose
    rows are close to their counterparts.

    Parameters
    ----------
    n_blocks : int, default=8
        Number of blocks of each flow. A block normalises the features and moves one half of them by
        factors and shifts that depend on the other half.
    n_shared : int, default=4
        Number of blocks next to the codes that both flows share.
    network : {"mlp", "conv"}, default="mlp"
        Architecture of the couplings and of the critics. "mlp" couples random halves of the
        features, "conv" the squares of a chessboard on images of equal size.
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Hidden layers of a coupling and of the critics: widths of "mlp", channels of "conv".
    image_shape : (channels, height, width) or None, default=None
        Shape of the images that rows hold, for "conv".
    likelihood_weight : float, default=1.0
        Weight of minus the mean log density of a feature, in nats. 0 trains by the critics alone.
    noise : float, default=0.1
        Standard deviation of the noise that is added to rows for the likelihood, in units of the
        root of the mean variance of a feature. Without noise the density of rows that lie in a
        subspace, such as images with constant pixels, has no upper bound.
    {translation_parameters}
    {training_parameters}

    Attributes
    ----------
    diagnostics_ : dict
        As for `CycleGAN`. "cycle_x" and "cycle_y" show rounding alone.
    loss_curve_ : list of float
        Loss of both flows at each update.
    validation_curve_ : list of float
        Discrepancies of translated held-out rows, every 50 updates; empty without early stopping.
    n_iter_ : int
        Number of updates of the flows.
    n_features_in_, n_features_y_in_ : int
        Numbers of columns of the two domains.
    feature_names_in_, feature_names_y_in_ : array of str
        Names of the columns, for a domain whose names are all strings.

    See Also
    --------
    UNIT : Domains of different widths, with codes of fewer dimensions.

    Notes
    -----
    Rows of each domain are centred and divided by the root of the mean variance of a feature.

    References
    ----------
    :cite:t:`grover2020`; :cite:t:`dinh2017`; :cite:t:`kingma2018`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgw import AlignFlow
    >>> X = np.random.default_rng(0).exponential(size=(120, 2)) * [3, 1]
    >>> Y = np.random.default_rng(1).exponential(size=(100, 2)) * [3, 1] + 1
    >>> flow = AlignFlow(4, n_shared=2, max_iter=50, random_state=0).fit(X, Y)
    >>> np.allclose(flow.translate(flow.translate(X), domain="y"), X)
    True
    >>> flow.score_samples(X).shape
    (120,)
    """

    documented: ClassVar[dict[str, str]] = DOCUMENTED
    fitted_state: ClassVar[type] = AlignFlowState

    n_blocks: int = param(POSITIVE_INTEGER, default=8, kw_only=False)
    n_shared: int = param(Interval(Integral, 0, None, closed="left"), default=4)
    network: str = param(one_of(*NETWORKS), default="mlp")
    hidden_layer_sizes: tuple[int, ...] = param("array-like", default=(128, 128))
    image_shape: Any = param(tuple, list, None, default=None)
    likelihood_weight: float = param(NON_NEGATIVE, default=1.0)
    noise: float = param(NON_NEGATIVE, default=0.1)

    @tensor_in_tensor_out
    def score_samples(self, X: Any, *, domain: str = "x") -> Any:
        """Log density of rows under the flow of their domain.

        The flow is fitted to rows plus `noise`: the density is that of noisy rows.

        Parameters
        ----------
        X : array of shape (b, p)
            Numpy or torch.
        domain : {"x", "y"}, default="x"
            Domain that the rows belong to.

        Returns
        -------
        array of shape (b,)
            In nats, per unit of the features as `transformer_x` or `transformer_y` returns them.
        """
        check_is_fitted(self)
        source = position(domain)
        rows = self._read_scaled(X, source)
        density = self._evaluate(source, Flow.log_density, rows)
        return density - rows.shape[1] * np.log(self._scalers[source].scale)

    def _spec(self, widths: tuple[int, int], index: int) -> FlowSpec:
        if widths[0] != widths[1]:
            raise ValueError(
                f"The flows of AlignFlow are bijections and need domains of equal width: X has "
                f"{widths[0]} columns, y has {widths[1]}. Bring both to one width by transformer_x "
                "and transformer_y, or use UNIT or GWCoTrainedAutoencoders."
            )
        if self.n_shared > self.n_blocks:
            raise ValueError(
                f"n_shared={self.n_shared} of n_blocks={self.n_blocks} blocks cannot be shared."
            )
        return FlowSpec(
            n_features=widths[index],
            n_blocks=int(self.n_blocks),
            network=self.network,
            hidden_layer_sizes=tuple(self.hidden_layer_sizes),
            image_shape=image_shape_of(self.image_shape, index),
        )

    def _model(self, networks: Any, rows: ArrayPair, run: TrainingRun) -> AlignedFlows:
        model = AlignedFlows(networks, likelihood_weight=self.likelihood_weight, noise=self.noise)
        x, y = (torch.as_tensor(some, dtype=torch.float32) for some in rows)
        model.start_at((x, y), self.n_shared, run.noise(5))
        return model

    def _width(self, source: int) -> int:
        return self._networks[source].shape[1]

    def _encode(self, rows: Array, source: int) -> Array:
        return self._evaluate(source, Flow.encode, rows)

    def _decode(self, codes: Array, source: int) -> Array:
        return self._evaluate(source, Flow.decode, codes)

    def _check_state(self) -> None:
        if not all(isinstance(network.spec, FlowSpec) for network in self._networks):
            raise ValueError("an AlignFlow holds two flows")
