"""A domain in co-training: its rows, its autoencoder, and the rows that are matched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.autoencoders.objective import MAX_HELD_OUT, RegularizedAutoencoder
from skgw.nn.autoencoders import CHUNK_SIZE
from skgw.training.batches import draw_batch

MIN_RMS_DISTANCE = 1e-6  # lower bound of the RMS distance, for codes that all coincide


class AutoencodedDomain(nn.Module):
    """One domain: its rows, its autoencoder, and the rows of its matchings.

    Matches are sought for the rows of a pool: the anchors, and other rows up to `max_pool`.

    Parameters
    ----------
    X : array of shape (n, p)
        Rows, scaled as for `AutoencodingObjective`.
    model : RegularizedAutoencoder
    order, held_out : array of int
        Positions of the rows to train and to validate on.
    anchors : array of int
        Positions of the anchor rows, which are the first reference rows of every matching.
    n_reference : int
        Number of rows of the pool that a similarity is fitted to.
    coordinates : callable
        Maps the rows of the pool (P, p) to their principal coordinates (P, d).
    max_pool : int, default=10,000
        Largest number of rows of the pool.
    """

    rows: Tensor  # (n, p)
    order: Tensor  # (N,)
    held_out: Tensor  # (N',)
    pool: Tensor  # (P,), positions of the rows that matches are sought for
    coordinates: Tensor  # (P, d), principal coordinates of the pool
    reference: Tensor  # (r,), positions in the pool of the rows that were matched last
    scale: Tensor  # (), RMS distance of codes when they were first matched; 0 before

    def __init__(
        self,
        X: NDArray[np.floating],
        model: RegularizedAutoencoder,
        *,
        order: NDArray[np.intp],
        held_out: NDArray[np.intp],
        anchors: NDArray[np.intp],
        n_reference: int,
        coordinates: Callable[[NDArray], NDArray],
        max_pool: int = 10_000,
    ) -> None:
        super().__init__()
        self.model, self.n_anchors = model, len(anchors)
        pool = np.concatenate([anchors, order[~np.isin(order, anchors)]])[
            : max(max_pool, len(anchors))
        ]
        constant = {
            "rows": torch.as_tensor(X, dtype=torch.float32),
            "order": torch.as_tensor(order),
            "held_out": torch.as_tensor(held_out[:MAX_HELD_OUT]),
            "pool": torch.as_tensor(pool),
            "coordinates": torch.as_tensor(coordinates(X[pool]), dtype=torch.float32),
        }
        for name, values in constant.items():
            self.register_buffer(name, values, persistent=False)
        n_reference = max(len(anchors), min(n_reference, len(pool)))
        self.register_buffer("reference", torch.zeros(n_reference, dtype=torch.long))
        self.register_buffer("scale", torch.zeros((), dtype=torch.float32))

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw the rows of a batch, (n, p)."""
        return self.rows[draw_batch(self.order, n, generator)]

    def draw_reference(self, generator: torch.Generator) -> Tensor:
        """Draw new reference rows: their positions in the pool, (r,)."""
        n_others = len(self.pool) - self.n_anchors
        n_drawn = len(self.reference) - self.n_anchors
        drawn = torch.randperm(n_others, generator=generator)[:n_drawn]
        self.reference.copy_(torch.cat([torch.arange(self.n_anchors), self.n_anchors + drawn]))
        return self.reference

    @torch.no_grad()
    def normal_codes(self) -> tuple[Tensor, Tensor]:
        """Codes of the pool, centred and divided by `scale`, (P, k), and their mean (k,).

        Raises
        ------
        FloatingPointError
            If the codes are not finite.
        """
        codes = self.encode(self.pool)
        if not codes.isfinite().all():
            raise FloatingPointError(
                "Training diverged: codes are not finite. Lower the learning rate."
            )
        if not self.scale:
            self.scale.copy_(rms_distance(codes))
        mean = codes.mean(0)
        return (codes - mean) / self.scale, mean

    @torch.no_grad()
    def encode(self, index: Tensor) -> Tensor:
        """Codes (len(index), k) of rows, in evaluation mode and without a gradient."""
        training = self.training
        self.eval()
        codes = [self.model.autoencoder.encode(self.rows[i]) for i in index.split(CHUNK_SIZE)]
        self.train(training)
        return torch.cat(codes)

    def validation_loss(self) -> Tensor:
        """Mean squared error per feature of the held-out rows."""
        x = self.rows[self.held_out]
        return (self.model.autoencoder(x) - x).square().mean()


def rms_distance(codes: Tensor) -> Tensor:
    """Root mean square distance of codes (n, k), each row with itself included."""
    squared = 2 * (codes - codes.mean(0)).square().sum(1).mean()
    return squared.sqrt().clamp_min(MIN_RMS_DISTANCE)
