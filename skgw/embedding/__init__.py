"""Generative embeddings."""

from skgw.embedding.generative_embedding import GWGenerativeEmbedding
from skgw.embedding.parameters import (
    Adversary,
    Generator,
    GWOptimizer,
    Penalties,
    Prior,
    Style,
    paper_settings,
)

__all__ = [
    "Adversary",
    "GWGenerativeEmbedding",
    "GWOptimizer",
    "Generator",
    "Penalties",
    "Prior",
    "Style",
    "paper_settings",
]
