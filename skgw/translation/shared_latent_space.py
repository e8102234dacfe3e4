"""Model of `UNIT`: two variational autoencoders with one space of codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skgw.nn import Autoencoder, draw_codes, gaussian_kl
from skgw.translation.adversarial_objective import Rows, TwoWayModel

LAYERS_WITH_WEIGHTS = nn.Linear, nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase


class SharedLatentSpace(TwoWayModel):
    """Two variational autoencoders whose codes are exchanged, with the losses of Liu et al. (2017).

    - "reconstruction": mean squared error of a feature.
    - "prior": Kullback-Leibler divergence of the codes of each row from the standard normal
      distribution, times 2 s^2 / p for p features and the squared error s^2, so that the sum with
      the squared error is the evidence lower bound.
    - "cycle": the same two terms for rows and their translations there and back, where the
      other autoencoder encodes the translations.

    Parameters
    ----------
    autoencoders : pair of Autoencoder
        With stochastic encoders and one dimension of codes.
    reconstruction_weight, prior_weight, cycle_weight : float
        Weights; `prior_weight` is relative to the squared error that it accompanies.

    Examples
    --------
    >>> import torch
    >>> from skgw.nn import AutoencoderSpec
    >>> specs = [AutoencoderSpec(p, 2, hidden_layer_sizes=(8,), stochastic=True) for p in (3, 4)]
    >>> model = SharedLatentSpace(
    ...     (specs[0].build(0), specs[1].build(1)),
    ...     reconstruction_weight=10.0,
    ...     prior_weight=1.0,
    ...     cycle_weight=10.0,
    ... )
    >>> noise = torch.Generator().manual_seed(0)
    >>> translations, losses = model.losses((torch.zeros(5, 3), torch.zeros(6, 4)), noise)
    >>> [tuple(x.shape) for x in translations], list(losses)
    ([(5, 4), (6, 3)], ['reconstruction', 'prior', 'cycle'])
    """

    def __init__(
        self,
        autoencoders: tuple[Autoencoder, Autoencoder],
        *,
        reconstruction_weight: float,
        prior_weight: float,
        cycle_weight: float,
    ) -> None:
        weights = {
            "reconstruction": reconstruction_weight,
            "prior": reconstruction_weight * prior_weight,
            "cycle": cycle_weight,
        }
        super().__init__(autoencoders, weights)
        self.prior_weight = prior_weight

    def translate(self, x: Tensor, source: int) -> Tensor:
        """Mean codes of rows of the domain `source`, decoded to the other domain."""
        own, other = self._from(source)
        return other.decode(own.encode(x))

    def losses(self, rows: Rows, generator: torch.Generator) -> tuple[Rows, dict[str, Tensor]]:
        """Translations of draws of the codes of a batch, and the losses by name."""
        translations = []
        reconstruction, prior, cycle = rows[0].new_zeros(3)
        for source, x in enumerate(rows):
            own, other = self._from(source)
            codes, divergence = _code(own, x, generator)
            error = (own.decode(codes) - x).square().mean()
            reconstruction = reconstruction + error
            prior = prior + divergence * _unit(error, x)
            translated = other.decode(codes)
            codes, divergence = _code(other, translated, generator)
            error = (own.decode(codes) - x).square().mean()
            cycle = cycle + error + self.prior_weight * divergence * _unit(error, x)
            translations.append(translated)
        losses = {"reconstruction": reconstruction, "prior": prior, "cycle": cycle}
        return (translations[0], translations[1]), losses

    def _from(self, source: int) -> tuple[Autoencoder, Autoencoder]:
        """The autoencoders of the domain `source` and of the other domain."""
        return self.networks[source], self.networks[1 - source]  # type: ignore[return-value]


def _code(autoencoder: Autoencoder, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws of the codes (n, k) of rows (n, p), and their mean divergence from the prior."""
    means, log_variances = autoencoder.posterior(x)
    assert log_variances is not None
    return draw_codes(means, log_variances, generator), gaussian_kl(means, log_variances)


def _unit(error: Tensor, x: Tensor) -> Tensor:
    """Squared error of a feature that a nat of rows (n, p) weighs, at the error of the batch."""
    return 2 * error.detach() / x.shape[1]


def share_layers(autoencoders: tuple[Autoencoder, Autoencoder], n_shared: int) -> None:
    """Let the second autoencoder use layers of the first one, in place.

    The last `n_shared` layers of the encoders and the first `n_shared` layers of the decoders are
    shared.

    Raises
    ------
    ValueError
        If a network is no sequence of layers, has too few of them, or if the layers have weights of
        different shapes.
    """
    if not n_shared:
        return
    for name, from_end in (("encoder", True), ("decoder", False)):
        first, second = (getattr(autoencoder, name) for autoencoder in autoencoders)
        for i, j in zip(*(_positions(x, n_shared, from_end) for x in (first, second)), strict=True):
            shapes = [[tuple(w.shape) for w in x.parameters()] for x in (first[i], second[j])]
            if type(first[i]) is not type(second[j]) or shapes[0] != shapes[1]:
                raise ValueError(
                    f"n_shared={n_shared} layers of the {name}s cannot be shared: their weights "
                    f"have shapes {shapes[0]} and {shapes[1]}. Share fewer layers."
                )
            second[j] = first[i]


def _positions(network: nn.Module, n: int, from_end: bool) -> Sequence[int]:
    """Positions of n layers with weights at an end of a network, the outermost first."""
    found: list[int] = []
    if isinstance(network, nn.Sequential):
        found = [i for i, x in enumerate(network) if isinstance(x, LAYERS_WITH_WEIGHTS)]
    if len(found) < n:
        raise ValueError(
            f"n_shared={n} layers cannot be shared: a network has {len(found)} layers in a row. "
            "Share fewer layers."
        )
    return found[::-1][:n] if from_end else found[:n]
