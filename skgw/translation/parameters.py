"""Parts of translations: networks between codes, and critics of rows."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from skgw.base.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    Part,
    one_of,
    param,
    with_parameters,
)
from skgw.base.two_domains import of_domain
from skgw.nn import AdversarySpec
from skgw.storable import storable
from skgw.translation.setup import image_shape_of

CRITIC_LOSSES = "non-saturating", "least-squares"  # of critics of rows


@storable
@with_parameters
class TranslationNetwork(Part):
    """Two networks that map the codes of each domain to the codes of the other domain.

    The networks are trained after the autoencoders, on the mean codes of matched rows. A penalty
    acts on the distance between a code and its image under both networks (cycle consistency).

    Parameters
    ----------
    cycle_weight : float, default=1.0
        Weight of the penalty on cycles.
    n_updates : int, default=1000
        Number of updates of both networks.

    Examples
    --------
    >>> from skgw import GWCoTrainedAutoencoders
    >>> model = GWCoTrainedAutoencoders(translator="network")
    >>> model.set_params(translator__cycle_weight=0.5).translator
    TranslationNetwork(cycle_weight=0.5)
    """

    cycle_weight: float = param(NON_NEGATIVE, default=1.0)
    n_updates: int = param(POSITIVE_INTEGER, default=1000)

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The networks with default parameters, for "network"."""
        return cls.expand_name(value, {"network": {}})


@storable
@with_parameters
class DomainCritic(Part):
    """Critics of the rows of two domains, which learn to tell rows from translations.

    A critic has the architecture that `network` names; for "dcgan" the one without batch
    normalisation, which the penalty on gradients of single rows contradicts.

    Parameters
    ----------
    loss : {"non-saturating", "least-squares"}, default="non-saturating"
        "non-saturating": the cross-entropy of a classifier, with -log D as the loss of the
        translation. "least-squares": squared errors of the labels 0 and 1.
    weight : float, default=1.0
        Weight of the critics' judgement in the loss of the translations. 0 trains without.
    hidden_layer_sizes : tuple of int or None, default=None
        Hidden layers of both critics: widths of "mlp", channels of "conv". None: those of the
        estimator.
    gradient_weight : float, default=0.05
        Weight of the mean squared gradient of a critic at rows, times the number of features, in
        the loss of the critic; rows are in units of the root of the mean variance of a feature.
    n_steps : int, default=1
        Updates of the critics for each update of the translations, each with its own batch.
    learning_rate_factor : float, default=1.0
        Learning rate of the critics over `learning_rate_init`.

    References
    ----------
    :cite:t:`mao2017`, "least-squares"; :cite:t:`mescheder2018`, the penalty.

    Examples
    --------
    >>> from skgw import CycleGAN
    >>> model = CycleGAN(critic="least-squares")
    >>> model.set_params(critic__weight=0.5).critic
    DomainCritic(loss='least-squares', weight=0.5)
    """

    short_form: ClassVar[str] = "loss"

    loss: str = param(one_of(*CRITIC_LOSSES), default="non-saturating", kw_only=False)
    weight: float = param(NON_NEGATIVE, default=1.0)
    hidden_layer_sizes: tuple[int, ...] | None = param("array-like", None, default=None)
    gradient_weight: float = param(NON_NEGATIVE, default=0.05)
    n_steps: int = param(POSITIVE_INTEGER, default=1)
    learning_rate_factor: float = param(POSITIVE, default=1.0)

    def spec(self, params: Any, n_features: int, domain: int) -> AdversarySpec:
        """The critic of one domain, 0 or 1, of an estimator with these parameters."""
        network = of_domain(params.network, domain, "network")
        sizes = self.hidden_layer_sizes
        return AdversarySpec(
            n_inputs=n_features,
            n_features=1,
            network="dcgan-no-norm" if network == "dcgan" else network,
            hidden_layer_sizes=tuple(params.hidden_layer_sizes if sizes is None else sizes),
            image_shape=image_shape_of(params.image_shape, domain),
            residual=False,
        )
