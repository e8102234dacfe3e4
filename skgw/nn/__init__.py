"""Networks, priors and penalties: plain torch modules and functions."""

from skgw.nn.generators import FittedGenerator, Generator, GeneratorSpec
from skgw.nn.geometry import pairwise_distances
from skgw.nn.networks import mlp
from skgw.nn.penalties import PENALTIES, centering_l1, centering_mean
from skgw.nn.priors import GaussianPrior, MixturePrior, Prior

__all__ = [
    "PENALTIES",
    "FittedGenerator",
    "GaussianPrior",
    "Generator",
    "GeneratorSpec",
    "MixturePrior",
    "Prior",
    "centering_l1",
    "centering_mean",
    "mlp",
    "pairwise_distances",
]
