"""Autoencoders: estimators that encode rows and generate rows from codes."""

from skgw.autoencoders.gromov_wasserstein import GWAutoencoder
from skgw.autoencoders.parameters import (
    CodePrior,
    GANPenalty,
    MMDPenalty,
    gwae_settings,
    wae_settings,
)
from skgw.autoencoders.variational import VariationalAutoencoder
from skgw.autoencoders.wasserstein import WassersteinAutoencoder

__all__ = [
    "CodePrior",
    "GANPenalty",
    "GWAutoencoder",
    "MMDPenalty",
    "VariationalAutoencoder",
    "WassersteinAutoencoder",
    "gwae_settings",
    "wae_settings",
]
