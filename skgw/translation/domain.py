"""One of two domains that are trained together: its rows, its autoencoder, and the codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skgw.autoencoders.objective import MAX_HELD_OUT, RegularizedAutoencoder
from skgw.nn.autoencoders import CHUNK_SIZE
from skgw.training.batches import draw_batch

MAX_POOL = 10_000  # rows that partners are sought for
MIN_SIZE = 1e-6  # of codes that all coincide


class Side(nn.Module):
    """One domain: its rows, its autoencoder, and the rows that stand for it in a matching.

    Partners are sought for a pool of rows: those that are `known`, and others up to `MAX_POOL`.

    Parameters
    ----------
    X : array of shape (n, p)
        As for `AutoencodingObjective`.
    model : RegularizedAutoencoder
    order, held_out : array of int
        Positions of the rows to train and to validate on.
    known : array of int
        Positions of rows that are always among the reference rows, as the first of them.
    n_reference : int
        Rows of the pool that a motion is fitted to.
    coordinates : callable
        From the rows of the pool (P, p) to their principal coordinates (P, d).
    """

    rows: Tensor  # (n, p)
    order: Tensor  # (N,)
    held_out: Tensor  # (N',)
    pool: Tensor  # (P,), positions of the rows that partners are sought for
    axes: Tensor  # (P, d), their principal coordinates
    reference: Tensor  # (r,), positions in the pool of the rows that were matched last
    size: Tensor  # (), root mean square distance of codes when they were first matched

    def __init__(
        self,
        X: NDArray[np.floating],
        model: RegularizedAutoencoder,
        *,
        order: NDArray[np.intp],
        held_out: NDArray[np.intp],
        known: NDArray[np.intp],
        n_reference: int,
        coordinates: Callable[[NDArray], NDArray],
    ) -> None:
        super().__init__()
        self.model, self.n_known = model, len(known)
        pool = np.concatenate([known, order[~np.isin(order, known)]])[: max(MAX_POOL, len(known))]
        fixed = {
            "rows": torch.as_tensor(X, dtype=torch.float32),
            "order": torch.as_tensor(order),
            "held_out": torch.as_tensor(held_out[:MAX_HELD_OUT]),
            "pool": torch.as_tensor(pool),
            "axes": torch.as_tensor(coordinates(X[pool]), dtype=torch.float32),
        }
        for name, values in fixed.items():
            self.register_buffer(name, values, persistent=False)
        n_reference = max(len(known), min(n_reference, len(pool)))
        self.register_buffer("reference", torch.zeros(n_reference, dtype=torch.long))
        self.register_buffer("size", torch.zeros(()))

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Rows of a batch, (n, p)."""
        return self.rows[draw_batch(self.order, n, generator)]

    def draw_reference(self, generator: torch.Generator) -> Tensor:
        """Choose reference rows anew: their positions in the pool, (r,)."""
        n_others = len(self.pool) - self.n_known
        chosen = torch.randperm(n_others, generator=generator)[: len(self.reference) - self.n_known]
        self.reference.copy_(torch.cat([torch.arange(self.n_known), self.n_known + chosen]))
        return self.reference

    @torch.no_grad()
    def normal_codes(self) -> tuple[Tensor, Tensor]:
        """Codes of the pool, centred and over `size`, (P, k), and the mean."""
        codes = self.encode(self.pool)
        if not codes.isfinite().all():
            raise FloatingPointError(
                "Training diverged: codes are not finite. Lower the learning rate."
            )
        if not self.size:
            self.size.copy_(size_of(codes))
        mean = codes.mean(0)
        return (codes - mean) / self.size, mean

    @torch.no_grad()
    def encode(self, index: Tensor) -> Tensor:
        """Codes (len(index), k) of rows, in evaluation mode and without a gradient."""
        training = self.training
        self.eval()
        codes = [self.model.autoencoder.encode(self.rows[i]) for i in index.split(CHUNK_SIZE)]
        self.train(training)
        return torch.cat(codes)

    def validation_loss(self) -> Tensor:
        """Mean squared error of a feature of held-out rows."""
        x = self.rows[self.held_out]
        return (self.model.autoencoder(x) - x).square().mean()


def size_of(codes: Tensor) -> Tensor:
    """Root mean square distance of codes (n, k), of a row to itself included."""
    return (2 * (codes - codes.mean(0)).square().sum(1).mean()).sqrt().clamp_min(MIN_SIZE)
