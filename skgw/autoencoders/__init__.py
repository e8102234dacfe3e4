"""Autoencoders: estimators that encode rows and generate rows from codes."""

from skgw.autoencoders.variational import VariationalAutoencoder

__all__ = ["VariationalAutoencoder"]
