"""Embeddings that can be sampled from."""

from skgw.embedding.generative_embedding import GWGenerativeEmbedding

__all__ = ["GWGenerativeEmbedding"]
