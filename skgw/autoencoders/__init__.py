"""Autoencoders: estimators that encode rows and generate rows from codes."""

from skgw.autoencoders.gromov_wasserstein import GWAutoencoder
from skgw.autoencoders.parameters import CodePrior, GANPenalty, MMDPenalty, wae_settings
from skgw.autoencoders.variational import VariationalAutoencoder
from skgw.autoencoders.wasserstein import WassersteinAutoencoder

__all__ = [
    "CodePrior",
    "GANPenalty",
    "GWAutoencoder",
    "MMDPenalty",
    "VariationalAutoencoder",
    "WassersteinAutoencoder",
    "wae_settings",
]
