"""Wishes about generated samples that distances say nothing of (Bunne et al. 2019, section 2.3).

Each is a function from points (n, k) to a number that is to be small, with a weight. The
discrepancy keeps the structure of the data; constraints choose among all that have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from skgw.nn.convolutions import ImageShape
from skgw.nn.networks import named_shape_errors


class Regularizer(nn.Module):
    """A weighted penalty on generated points.

    Parameters
    ----------
    name : str
        Of the loss that training reports.
    weight : float
    penalty : callable or Module
        From points (n, k) to a number (0-d), or to one for each point, of which the mean is taken.
    scale : float
        Points are multiplied by it first.
    """

    def __init__(
        self, name: str, weight: float, penalty: Callable[[Tensor], Tensor], *, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.name, self.weight, self.penalty, self.scale = name, weight, penalty, scale

    def forward(self, points: Tensor) -> Tensor:
        """The penalty before it is weighted, 0-d.

        Raises
        ------
        ValueError
            If the penalty gives neither one number nor one for each point, or is a network for
            points of another dimension.
        """
        with named_shape_errors(points, self.name):
            values = self.penalty(points * self.scale)
        if not isinstance(values, Tensor) or values.shape not in ((), (len(points),)):
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"The constraint {self.name!r} must give a tensor with one number, or one for each "
                f"of {len(points)} points; got {got}."
            )
        return values.mean()


class StylePenalty(nn.Module):
    """Cross-entropy of a classifier's opinion of points, and the class that they are wanted in.

    Parameters
    ----------
    classifier : Module
        From points (n, k) to logits (n, n_classes). It is not trained, and always in evaluation
        mode.
    index : int
        Of the class, among the logits.

    Examples
    --------
    >>> import torch
    >>> leaning = StylePenalty(torch.nn.Identity(), 1)  # points are their own logits
    >>> bool(leaning(torch.tensor([[0.0, 9.0]])) < leaning(torch.tensor([[9.0, 0.0]])))
    True
    """

    def __init__(self, classifier: nn.Module, index: int) -> None:
        super().__init__()
        self.classifier, self.index = classifier.requires_grad_(False), index
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Remain in evaluation mode."""
        del mode
        return super().train(False)

    def forward(self, points: Tensor) -> Tensor:
        """In nats, (n,).

        Raises
        ------
        ValueError
            If there are no logits of such a class.
        """
        logits: Tensor = self.classifier(points)
        if logits.ndim != 2 or not 0 <= self.index < logits.shape[1]:
            raise ValueError(
                f"A style needs logits of shape (n_points, n_classes), with a class {self.index}; "
                f"the classifier gives {tuple(logits.shape)}."
            )
        wanted = torch.full((len(points),), self.index, device=points.device)
        return cross_entropy(logits, wanted, reduction="none")


class TotalVariation(nn.Module):
    """Mean absolute difference of neighbouring pixels, of images that come as rows.

    Rudin, Osher, Fatemi (1992), in its anisotropic form: differences along rows and along columns,
    added.

    Parameters
    ----------
    image_shape : (int, int, int)
        Channels, height and width.

    Examples
    --------
    >>> import torch
    >>> stripes = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    >>> TotalVariation((1, 1, 4))(stripes), TotalVariation((1, 2, 2))(stripes)
    (tensor(1.), tensor(1.))
    """

    def __init__(self, image_shape: ImageShape) -> None:
        super().__init__()
        self.image_shape = image_shape

    def forward(self, points: Tensor) -> Tensor:
        """Of points (n, c * h * w), 0-d."""
        images = points.unflatten(1, self.image_shape)  # (n, c, h, w)
        steps = [images.diff(dim=axis).abs() for axis in (2, 3)]
        return sum((step.mean() for step in steps if step.numel()), points.new_zeros(()))
