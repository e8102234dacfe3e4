"""Networks, priors and penalties: plain torch modules and functions."""

from skgw.nn.adversaries import AdversarySpec, NearIsometry, adversary_network
from skgw.nn.autoencoders import (
    AUTOENCODER_NETWORKS,
    Autoencoder,
    AutoencoderSpec,
    decode,
    draw,
    draw_codes,
    encode,
)
from skgw.nn.convolutions import conv_decoder, conv_encoder
from skgw.nn.divergences import (
    critic_loss,
    gaussian_kl,
    gaussian_kl_of_rows,
    gradient_penalty,
    mmd,
    non_saturating_loss,
)
from skgw.nn.generators import Generator, GeneratorSpec
from skgw.nn.geometry import pairwise_distances, polar_factor
from skgw.nn.image_networks import IMAGE_NETWORKS, image_encoder, image_generator, patch_critic
from skgw.nn.networks import FittedNetwork, mlp, without_dropout
from skgw.nn.penalties import (
    PENALTIES,
    centering_l1,
    centering_mean,
    isometry_penalty,
    layerwise_penalty,
    procrustes_penalty,
)
from skgw.nn.priors import GaussianPrior, MixturePrior, NormalMixturePrior, Prior

__all__ = [
    "AUTOENCODER_NETWORKS",
    "IMAGE_NETWORKS",
    "PENALTIES",
    "AdversarySpec",
    "Autoencoder",
    "AutoencoderSpec",
    "FittedNetwork",
    "GaussianPrior",
    "Generator",
    "GeneratorSpec",
    "MixturePrior",
    "NearIsometry",
    "NormalMixturePrior",
    "Prior",
    "adversary_network",
    "centering_l1",
    "centering_mean",
    "conv_decoder",
    "conv_encoder",
    "critic_loss",
    "decode",
    "draw",
    "draw_codes",
    "encode",
    "gaussian_kl",
    "gaussian_kl_of_rows",
    "gradient_penalty",
    "image_encoder",
    "image_generator",
    "isometry_penalty",
    "layerwise_penalty",
    "mlp",
    "mmd",
    "non_saturating_loss",
    "pairwise_distances",
    "patch_critic",
    "polar_factor",
    "procrustes_penalty",
    "without_dropout",
]
