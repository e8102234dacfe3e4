"""Gromov-Wasserstein learning across incomparable spaces, with a scikit-learn interface."""

__version__ = "0.1.0.dev0"

from skgw.coupling import Coupling
from skgw.embedding import GWGenerativeEmbedding

__all__ = ["Coupling", "GWGenerativeEmbedding", "__version__"]
