"""Regularisers of generated samples (Bunne et al. 2019, section 2.3).

Distances determine samples only up to an isometry. A regulariser is a penalty on the points (n, k)
with a weight; it selects among the samples that keep the distances of the data.
"""

from __future__ import annotations

import copy
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
        Name of the loss that training reports.
    weight : float
        Factor of the penalty in the training loss.
    penalty : callable or Module
        Maps points (n, k) to one number (0-d), or to one number per point, which are averaged.
    scale : float, default=1.0
        The penalty sees the points multiplied by `scale`.
    """

    def __init__(
        self, name: str, weight: float, penalty: Callable[[Tensor], Tensor], *, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.name, self.weight, self.penalty, self.scale = name, weight, penalty, scale

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the penalty, without its weight.

        Parameters
        ----------
        points : Tensor of shape (n, k)

        Returns
        -------
        Tensor of shape ()

        Raises
        ------
        ValueError
            If the penalty returns neither one number nor one number per point, or if it is a
            network for points of another dimension.
        """
        with named_shape_errors(points, self.name):
            values = self.penalty(points * self.scale)
        if not isinstance(values, Tensor) or values.shape not in ((), (len(points),)):
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"The regulariser {self.name!r} must return a tensor with one number, or with one "
                f"number for each of the {len(points)} points; got {got}."
            )
        return values.mean()


class Frozen(nn.Module):
    """Base of modules that stay in evaluation mode."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever `mode` is."""
        del mode
        return super().train(False)


class FrozenPenalty(Frozen):
    """A copy of a module as a penalty, in float32, with constant weights.

    Parameters
    ----------
    module : Module
        Maps points (n, k) to one number, or to one number for each point.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).float().requires_grad_(False)
        self.train(False)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the module."""
        values: Tensor = self.module(points)
        return values


class StylePenalty(Frozen):
    """Cross-entropy between a classifier's prediction and the target class.

    Parameters
    ----------
    classifier : Module
        Maps points (n, k) to logits (n, n_classes). Its weights are frozen, and it stays in
        evaluation mode.
    index : int
        Column of the target class among the logits.

    Examples
    --------
    >>> import torch
    >>> penalty = StylePenalty(torch.nn.Identity(), 1)  # points are their own logits
    >>> bool(penalty(torch.tensor([[0.0, 9.0]])) < penalty(torch.tensor([[9.0, 0.0]])))
    True
    """

    def __init__(self, classifier: nn.Module, index: int) -> None:
        super().__init__()
        self.classifier, self.index = classifier.requires_grad_(False), index
        self.train(False)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the cross-entropy of each point.

        Parameters
        ----------
        points : Tensor of shape (n, k)

        Returns
        -------
        Tensor of shape (n,)
            In nats.

        Raises
        ------
        ValueError
            If the classifier has no logit for the target class.
        """
        logits: Tensor = self.classifier(points)
        if logits.ndim != 2 or not 0 <= self.index < logits.shape[1]:
            raise ValueError(
                f"A style needs logits of shape (n_points, n_classes), with a class {self.index}; "
                f"the classifier gives {tuple(logits.shape)}."
            )
        target = torch.full((len(points),), self.index, device=points.device)
        return cross_entropy(logits, target, reduction="none")


class TotalVariation(nn.Module):
    """Mean absolute difference of neighbouring pixels of images in flat rows.

    This is the anisotropic form: the mean difference along the height plus the mean difference
    along the width.

    Parameters
    ----------
    image_shape : (int, int, int)
        Channels, height and width in pixels.

    References
    ----------
    :cite:t:`rudin1992`.

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
        """Evaluate the total variation of points (n, c * h * w), as a 0-d tensor."""
        images = points.unflatten(1, self.image_shape)  # (n, c, h, w)
        steps = [images.diff(dim=axis).abs() for axis in (2, 3)]
        return sum((step.mean() for step in steps if step.numel()), points.new_zeros(()))
