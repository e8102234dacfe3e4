"""Pictures of fitted models, as scikit-learn *Display* objects.

They need matplotlib, which is imported when something is drawn: ``pip install 'skgw[plot]'``.
"""

from .alignment import AlignmentDisplay
from .coupling import CouplingDisplay
from .embedding import EmbeddingDisplay

__all__ = ["AlignmentDisplay", "CouplingDisplay", "EmbeddingDisplay"]
