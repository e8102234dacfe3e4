"""Generative embeddings."""

from skgw.embedding.generative_embedding import GWGenerativeEmbedding
from skgw.embedding.parameters import (
    Adversary,
    Anchors,
    Generator,
    GWOptimizer,
    Penalties,
    Prior,
    Style,
    StyleSet,
    paper_settings,
)

__all__ = [
    "Adversary",
    "Anchors",
    "GWGenerativeEmbedding",
    "GWOptimizer",
    "Generator",
    "Penalties",
    "Prior",
    "Style",
    "StyleSet",
    "paper_settings",
]
