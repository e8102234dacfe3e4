"""Autoencoders: estimators that encode rows and generate rows from codes."""

from skgw.autoencoders.parameters import GANPenalty, MMDPenalty, wae_settings
from skgw.autoencoders.variational import VariationalAutoencoder
from skgw.autoencoders.wasserstein import WassersteinAutoencoder

__all__ = [
    "GANPenalty",
    "MMDPenalty",
    "VariationalAutoencoder",
    "WassersteinAutoencoder",
    "wae_settings",
]
