"""Pictures of fitted models, as scikit-learn *Display* objects.

They need matplotlib, which is imported when something is drawn: ``pip install 'skgw[plot]'``.
"""

from .embedding import EmbeddingDisplay

__all__ = ["EmbeddingDisplay"]
