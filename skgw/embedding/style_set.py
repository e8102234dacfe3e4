"""Style sets: a critic of patches draws generated images towards the texture of examples.

The critic sees patches of an image, not the image: it learns what strokes, edges and grey values
the examples have, and nothing of where they are (Isola et al. 2017, section 3.2.2). The generator
lowers the critic's certainty that its patches are not those of examples, and the discrepancy
keeps the structure of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skgw.nn import critic_loss, gradient_penalty
from skgw.training.objective import Phase

PENALTY_WEIGHT = 1.0  # of the gradient penalty of the critic, per unit of the examples' spread
PHASE = "style_set"


class PatchStyle(nn.Module):
    """Examples of a style, and a critic of patches.

    Parameters
    ----------
    examples : Tensor of shape (N, k)
        Images in flat rows, in units of the scale.
    critic : Module
        Maps images (n, k) to log odds (n, p) that their p patches are those of examples.
    every : int
        Number of updates of the generator per update of the critic.
    """

    examples: Tensor
    mean: Tensor  # (), of all pixels
    spread: Tensor  # (), standard deviation of all pixels

    def __init__(self, examples: Tensor, critic: nn.Module, every: int) -> None:
        super().__init__()
        self.critic, self.every = critic, every
        self.register_buffer("examples", examples, persistent=False)
        self.register_buffer("mean", examples.mean(), persistent=False)
        spread = examples.std(correction=0)
        self.register_buffer("spread", spread if spread > 0 else torch.ones_like(spread), False)

    def phases(self) -> Sequence[Phase]:
        """One phase that updates the critic."""
        return [Phase(PHASE, list(self.critic.parameters()), every=self.every)]

    def forward(self, points: Tensor) -> Tensor:
        """Mean of -log sigmoid of the log odds of the patches of each image (n, k), (n,)."""
        return nn.functional.softplus(-self._log_odds(points)).mean(1)

    def losses(self, points: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of the critic on generated images (n, k) and on as many examples."""
        n = len(points)
        drawn = torch.randint(len(self.examples), (n,), generator=generator)
        real = self.examples[drawn.to(self.examples.device)]
        loss = critic_loss(self._log_odds(real).flatten(), self._log_odds(points).flatten())
        n_patches = self._log_odds(real[:1]).shape[1]
        slope = gradient_penalty(lambda x: self.critic(x).sum(1), self._standard(real)) / n_patches
        return {"loss": loss + PENALTY_WEIGHT / 2 * slope, "critic": loss, "slope": slope}

    def _log_odds(self, images: Tensor) -> Tensor:
        log_odds: Tensor = self.critic(self._standard(images))
        return log_odds

    def _standard(self, images: Tensor) -> Tensor:
        """Images with the mean and spread of the examples taken out."""
        return (images - self.mean) / self.spread
