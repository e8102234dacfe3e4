"""Gromov-Wasserstein learning across incomparable spaces, with a scikit-learn interface."""

from skgw._version import __version__
from skgw.cotraining import GWCoTrainedAutoencoders
from skgw.coupling import Coupling
from skgw.domains import DomainKFold, Domains
from skgw.embedding import GWGenerativeEmbedding
from skgw.matching import GWMatcher

__all__ = [
    "Coupling",
    "DomainKFold",
    "Domains",
    "GWCoTrainedAutoencoders",
    "GWGenerativeEmbedding",
    "GWMatcher",
    "__version__",
]
