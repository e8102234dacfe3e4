"""Autoencoders: codes of few dimensions, and rows from codes."""

from skgw.autoencoders.variational import VariationalAutoencoder

__all__ = ["VariationalAutoencoder"]
