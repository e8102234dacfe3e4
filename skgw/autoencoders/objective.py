"""Objective of an autoencoder: the reconstruction error and penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.autoencoders.penalties import AdversarialPenalty, CodedBatch, Penalty
from skgw.nn import Autoencoder, draw_codes
from skgw.training.batches import draw_batch
from skgw.training.objective import Objective, Phase

MAX_HELD_OUT = 1000  # held-out rows in a validation

Cost = Callable[[Tensor, Tensor], Tensor]  # of rows and their reconstructions (n, p), to a number


def squared_error(x: Tensor, decoded: Tensor) -> Tensor:
    """Mean squared error of a feature, 0-d."""
    return (decoded - x).square().mean()


def absolute_error(x: Tensor, decoded: Tensor) -> Tensor:
    """Mean absolute error of a feature, 0-d."""
    return (decoded - x).abs().mean()


class RegularizedAutoencoder(nn.Module):
    """An autoencoder, its penalties, and its losses on a batch of rows.

    Parameters
    ----------
    autoencoder : Autoencoder
    penalties : sequence of Penalty, default=()
        Terms of the loss beside the reconstruction error, with different names.
    cost : callable, default=squared_error
        Maps rows and their reconstructions (n, p) to the reconstruction error, 0-d.

    Examples
    --------
    >>> import torch
    >>> from skgw.autoencoders.penalties import MeanDiscrepancy
    >>> from skgw.nn import AutoencoderSpec
    >>> autoencoder = AutoencoderSpec(n_features=3, latent_dim=2).build(seed=0)
    >>> model = RegularizedAutoencoder(autoencoder, [MeanDiscrepancy(2, weight=0.5)])
    >>> codes, losses = model(torch.zeros(4, 3), torch.Generator().manual_seed(0))
    >>> sorted(losses)
    ['loss', 'prior', 'reconstruction']
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        penalties: Sequence[Penalty] = (),
        *,
        cost: Cost = squared_error,
    ) -> None:
        super().__init__()
        self.autoencoder, self.penalties, self.cost = autoencoder, nn.ModuleList(penalties), cost

    @property
    def terms(self) -> list[Penalty]:
        """The penalties."""
        return [cast(Penalty, penalty) for penalty in self.penalties]

    @property
    def adversarial(self) -> list[AdversarialPenalty]:
        """The penalties that have an adversary."""
        return [p for p in self.penalties if isinstance(p, AdversarialPenalty)]

    def own_parameters(self) -> list[nn.Parameter]:
        """Weights of the autoencoder and of its penalties, without those of adversaries."""
        others = {id(p) for penalty in self.adversarial for p in penalty.adversary.parameters()}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in others]

    def code(self, x: Tensor, generator: torch.Generator) -> CodedBatch:
        """Encode rows (n, p), and draw their codes if the encoder is stochastic."""
        means, log_variances = self.autoencoder.posterior(x)
        codes = means if log_variances is None else draw_codes(means, log_variances, generator)
        return CodedBatch(self.autoencoder, x, means, log_variances, codes)

    def forward(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean codes and losses of a batch of rows.

        Parameters
        ----------
        x : Tensor of shape (n, p)
        generator : torch.Generator
            Source of the noise of codes and of draws from the prior.

        Returns
        -------
        codes : Tensor of shape (n, k)
        losses : dict of Tensor
            "loss", the weighted sum of the other losses; "reconstruction", the reconstruction
            error; each penalty by its name, without its weight.
        """
        batch = self.code(x, generator)
        error = self.cost(x, self.autoencoder.decode(batch.codes))
        batch = replace(batch, error=error)
        loss, losses = error, {"reconstruction": error}
        for penalty in self.terms:
            value = penalty(batch, generator)
            losses[penalty.name] = value
            loss = loss + penalty.factor(batch) * value
        return batch.means, {"loss": loss, **losses}

    def adversary_loss(
        self, x: Tensor, generator: torch.Generator, phase: str | None = None
    ) -> dict[str, Tensor]:
        """Loss of the adversaries on a batch of rows, their sum.

        Parameters
        ----------
        x : Tensor of shape (n, p)
        generator : torch.Generator
            Source of the noise of codes and of draws from the prior.
        phase : str, optional
            Name of the phase of the adversaries; by default all adversaries.

        Raises
        ------
        ValueError
            If there is no such adversary.
        """
        chosen = [p for p in self.adversarial if phase in (None, p.phase_name)]
        if not chosen:
            raise ValueError("No penalty of this autoencoder has such an adversary.")
        with torch.no_grad():
            batch = self.code(x, generator)
        parts = [penalty.adversary_loss(batch, generator) for penalty in chosen]
        return {"loss": torch.stack(parts).sum()}

    def validation_loss(self, x: Tensor) -> Tensor:
        """Mean squared error of a feature of held-out rows, 0-d, from their mean codes."""
        return squared_error(x, self.autoencoder(x))


class AutoencodingObjective(Objective):
    """Objective of one autoencoder on mini-batches of rows.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Centred rows, divided by one number so that the mean variance of a feature is one.
    model : RegularizedAutoencoder
    batch_size : int
    order : array of int
        Positions of the training rows. A batch has one row from each of `batch_size` runs of
        consecutive positions.
    held_out : array of int
        Positions of the validation rows.
    max_held_out : int, default=1000
        Largest number of rows in a validation; the first rows of `held_out`.
    validation : callable, default=RegularizedAutoencoder.validation_loss
        Maps the model and held-out rows (n, p) to their loss, 0-d.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skgw.autoencoders.penalties import MeanDiscrepancy
    >>> from skgw.nn import AutoencoderSpec, encode
    >>> from skgw.training import TrainingOptions, train
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> spec = AutoencoderSpec(n_features=3, latent_dim=2, hidden_layer_sizes=(16,))
    >>> model = RegularizedAutoencoder(spec.build(seed=0), [MeanDiscrepancy(2)])
    >>> rows = np.arange(50)
    >>> objective = AutoencodingObjective(
    ...     X, model, batch_size=20, order=rows[:40], held_out=rows[40:]
    ... )
    >>> history = train(objective, TrainingOptions(max_iter=100), torch.Generator().manual_seed(0))
    >>> sorted(history.losses), len(history.validation)
    (['loss', 'prior', 'reconstruction'], 2)
    >>> encode(model.autoencoder, X).shape
    (50, 2)
    """

    rows: Tensor  # (n, p)
    order: Tensor  # (N,), positions of the training rows
    held_out: Tensor  # (N',), positions of the validation rows

    def __init__(
        self,
        X: NDArray[np.floating],
        model: RegularizedAutoencoder,
        *,
        batch_size: int,
        order: NDArray[np.intp],
        held_out: NDArray[np.intp],
        max_held_out: int = MAX_HELD_OUT,
        validation: Callable[
            [RegularizedAutoencoder, Tensor], Tensor
        ] = RegularizedAutoencoder.validation_loss,
    ) -> None:
        super().__init__()
        self.model, self.batch_size, self.validation = model, batch_size, validation
        self.register_buffer("rows", torch.as_tensor(X, dtype=torch.float32), persistent=False)
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        kept = torch.as_tensor(held_out[:max_held_out])
        self.register_buffer("held_out", kept, persistent=False)

    def phases(self) -> Sequence[Phase]:
        """The phase of the autoencoder, and a phase for each penalty with an adversary."""
        own = Phase("autoencoder", self.model.own_parameters())
        return [own, *(penalty.phase() for penalty in self.model.adversarial)]

    def losses(self, phase: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the model on a batch, by name."""
        x = self.rows[draw_batch(self.order, self.batch_size, generator)]
        if phase == "autoencoder":
            return self.model(x, generator)[1]
        return self.model.adversary_loss(x, generator, phase)

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """`validation` of the held-out rows; None without such rows."""
        if not len(self.held_out):
            return None
        return float(self.validation(self.model, self.rows[self.held_out]))
