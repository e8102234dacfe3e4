"""Model of `CycleGAN`: two maps that undo each other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from skgw.nn.translation_maps import TranslationMap
from skgw.translation.adversarial_objective import Rows, TwoWayModel


class CycleMaps(TwoWayModel):
    """Two maps between two domains, with the losses of Zhu et al. (2017).

    - "cycle": mean absolute difference between rows and their translations there and back
      (Chevalley, equation 2.12).
    - "identity": mean absolute difference between rows of the target and their images under the map
      to it.
    - "transport": mean squared difference between rows and their translations.

    A loss without weight is not computed; the last two need domains of equal width.

    Parameters
    ----------
    maps : pair of TranslationMap
        From the first to the second domain, and back.
    weights : dict of str to float
        Weights of the losses.

    Examples
    --------
    >>> import torch
    >>> from skgw.nn.translation_maps import MapSpec
    >>> maps = MapSpec(2, 3).build(0), MapSpec(3, 2).build(1)
    >>> model = CycleMaps(maps, {"cycle": 10.0})
    >>> translations, losses = model.losses(
    ...     (torch.zeros(5, 2), torch.zeros(4, 3)), torch.Generator()
    ... )
    >>> [tuple(x.shape) for x in translations], list(losses)
    ([(5, 3), (4, 2)], ['cycle'])
    """

    def __init__(
        self, maps: tuple[TranslationMap, TranslationMap], weights: Mapping[str, float]
    ) -> None:
        super().__init__(maps, {name: weight for name, weight in weights.items() if weight})

    def translate(self, x: Tensor, source: int) -> Tensor:
        """Images of rows under the map from the domain `source`."""
        translated: Tensor = self.networks[source](x)
        return translated

    def losses(self, rows: Rows, generator: torch.Generator) -> tuple[Rows, dict[str, Tensor]]:
        """Translations of a batch, and the weighted losses by name."""
        del generator
        x, y = rows
        to_y, to_x = self.translate(x, 0), self.translate(y, 1)
        losses = {}
        if "cycle" in self.weights:
            there_and_back = self.translate(to_y, 1) - x, self.translate(to_x, 0) - y
            losses["cycle"] = there_and_back[0].abs().mean() + there_and_back[1].abs().mean()
        if "identity" in self.weights:
            changes = self.translate(y, 0) - y, self.translate(x, 1) - x
            losses["identity"] = changes[0].abs().mean() + changes[1].abs().mean()
        if "transport" in self.weights:
            moves = to_y - x, to_x - y
            losses["transport"] = moves[0].square().mean() + moves[1].square().mean()
        return (to_y, to_x), losses
