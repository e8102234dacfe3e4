"""Part of `GWCoTrainedAutoencoders`: the networks between the codes."""

from __future__ import annotations

from typing import Any, Self

from skgw.base.parameters import NON_NEGATIVE, POSITIVE_INTEGER, Part, param, with_parameters
from skgw.storable import storable


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
