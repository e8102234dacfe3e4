"""Autoencoders: estimators that encode rows and generate rows from codes."""

from skgw.autoencoders.gromov_wasserstein import GWAutoencoder
from skgw.autoencoders.parameters import (
    CodePrior,
    GANPenalty,
    IsometryPenalty,
    MMDPenalty,
    ProcrustesPenalty,
    gwae_settings,
    wae_settings,
)
from skgw.autoencoders.variational import VariationalAutoencoder
from skgw.autoencoders.wasserstein import WassersteinAutoencoder

__all__ = [
    "CodePrior",
    "GANPenalty",
    "GWAutoencoder",
    "IsometryPenalty",
    "MMDPenalty",
    "ProcrustesPenalty",
    "VariationalAutoencoder",
    "WassersteinAutoencoder",
    "gwae_settings",
    "wae_settings",
]
