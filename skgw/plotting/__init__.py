"""Displays of fitted models, in the style of scikit-learn's *Display* classes.

Drawing needs matplotlib, which is imported on first use: ``pip install 'skgw[plot]'``.
"""

from .adversary import AdversaryDisplay
from .alignment import AlignmentDisplay
from .coupling import CouplingDisplay
from .embedding import EmbeddingDisplay
from .images import (
    ImageSheetDisplay,
    InterpolationDisplay,
    LatentPlaneDisplay,
    ReconstructionDisplay,
)
from .joint import JointDisplay
from .latent import LatentSpaceDisplay

__all__ = [
    "AdversaryDisplay",
    "AlignmentDisplay",
    "CouplingDisplay",
    "EmbeddingDisplay",
    "ImageSheetDisplay",
    "InterpolationDisplay",
    "JointDisplay",
    "LatentPlaneDisplay",
    "LatentSpaceDisplay",
    "ReconstructionDisplay",
]
