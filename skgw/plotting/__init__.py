"""Displays of fitted models, in the style of scikit-learn's *Display* classes.

Drawing needs matplotlib, which is imported on first use: ``pip install 'skgw[plot]'``.
"""

from .alignment import AlignmentDisplay
from .coupling import CouplingDisplay
from .embedding import EmbeddingDisplay

__all__ = ["AlignmentDisplay", "CouplingDisplay", "EmbeddingDisplay"]
