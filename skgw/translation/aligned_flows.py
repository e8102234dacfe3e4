"""Model of `AlignFlow`: two flows with one space of codes."""

from __future__ import annotations

import torch
from torch import Tensor

from skgw.nn.flows import Flow
from skgw.translation.adversarial_objective import Rows, TwoWayModel

MAX_STARTED = 5000  # rows of a domain that the normalisations start from


class AlignedFlows(TwoWayModel):
    """Two flows whose codes are exchanged, with the likelihood of Grover et al. (2020).

    The translation there and back is the row itself, so that there is no cycle loss. "likelihood"
    is minus the mean log density of rows plus noise, for standard normal codes, over the number of
    features: in nats, the sum over both domains.

    Parameters
    ----------
    flows : pair of Flow
        Of rows of one width.
    likelihood_weight : float
        Weight of the likelihood. 0 does not compute it.
    noise : float
        Standard deviation of the noise that is added to rows.

    Examples
    --------
    >>> import torch
    >>> from skgw.nn.flows import FlowSpec
    >>> spec = FlowSpec(3, n_blocks=2, hidden_layer_sizes=(8,))
    >>> model = AlignedFlows((spec.build(0), spec.build(1)), likelihood_weight=1.0, noise=0.1)
    >>> x = torch.randn(5, 3)
    >>> torch.allclose(model.translate(model.translate(x, 0), 1), x, atol=1e-5)
    True
    """

    def __init__(self, flows: tuple[Flow, Flow], *, likelihood_weight: float, noise: float) -> None:
        super().__init__(flows, {"likelihood": likelihood_weight})
        self.noise = noise

    def translate(self, x: Tensor, source: int) -> Tensor:
        """Codes of rows of the domain `source`, decoded to the other domain."""
        own, other = self._flow(source), self._flow(1 - source)
        return other.decode(own.encode(x))

    def losses(self, rows: Rows, generator: torch.Generator) -> tuple[Rows, dict[str, Tensor]]:
        """Translations of a batch, and the likelihood of the batch plus noise."""
        translations = self.translate(rows[0], 0), self.translate(rows[1], 1)
        if not self.weights["likelihood"]:
            return translations, {}
        likelihood = rows[0].new_zeros(())
        for source, x in enumerate(rows):
            density = self._flow(source).log_density(x + self.noise * _normal(x, generator))
            likelihood = likelihood - density.mean() / x.shape[1]
        return translations, {"likelihood": likelihood}

    @torch.no_grad()
    def start_at(self, rows: Rows, n_shared: int, generator: torch.Generator) -> None:
        """Share the last blocks, and start the normalisations from rows plus noise.

        Parameters
        ----------
        rows : pair of Tensor of shape (n, p)
        n_shared : int
            Number of blocks next to the codes that both flows share.
        generator : torch.Generator
        """
        first, second = self._flow(0).blocks, self._flow(1).blocks
        x, y = (some[:MAX_STARTED] for some in rows)
        x, y = (each + self.noise * _normal(each, generator) for each in (x, y))
        for i, block in enumerate(first):
            if i < len(first) - n_shared:
                block.norm.start_at(x)  # type: ignore[operator, union-attr]
                second[i].norm.start_at(y)  # type: ignore[operator, union-attr]
            else:
                second[i] = block
                block.norm.start_at(torch.cat([x, y]))  # type: ignore[operator, union-attr]
            x, y = block(x)[0], second[i](y)[0]

    def _flow(self, domain: int) -> Flow:
        return self.networks[domain]  # type: ignore[return-value]


def _normal(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise of a CPU generator, of the shape of rows."""
    return torch.randn(x.shape, generator=generator, dtype=torch.float32).to(x)
