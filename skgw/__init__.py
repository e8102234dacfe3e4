"""Gromov-Wasserstein learning across incomparable spaces, with a scikit-learn interface."""

from skgw._version import __version__
from skgw.autoencoders import GWAutoencoder, VariationalAutoencoder, WassersteinAutoencoder
from skgw.base.coupling import Coupling
from skgw.base.domains import DomainKFold, Domains
from skgw.base.trained import Optimizer
from skgw.embedding import GWGenerativeEmbedding
from skgw.generative import OTAutoencoder, OTAutoencoderGAN, SemiDiscreteOT, WassersteinGAN
from skgw.matching import GWMatcher
from skgw.translation import UNIT, AlignFlow, CycleGAN, GWCoTrainedAutoencoders

__all__ = [
    "UNIT",
    "AlignFlow",
    "Coupling",
    "CycleGAN",
    "DomainKFold",
    "Domains",
    "GWAutoencoder",
    "GWCoTrainedAutoencoders",
    "GWGenerativeEmbedding",
    "GWMatcher",
    "OTAutoencoder",
    "OTAutoencoderGAN",
    "Optimizer",
    "SemiDiscreteOT",
    "VariationalAutoencoder",
    "WassersteinAutoencoder",
    "WassersteinGAN",
    "__version__",
]
