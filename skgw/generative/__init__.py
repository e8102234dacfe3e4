"""Generators: estimators that map noise to new rows, and transport between noise and rows."""

from skgw.generative.ot_autoencoder import OTAutoencoder
from skgw.generative.ot_autoencoder_gan import OTAutoencoderGAN
from skgw.generative.parameters import AngleSampler, FlowSampler, LocalSampler, PairSampler
from skgw.generative.semi_discrete_ot import SemiDiscreteOT, an_settings
from skgw.generative.wasserstein_gan import WassersteinGAN, wgan_settings

__all__ = [
    "AngleSampler",
    "FlowSampler",
    "LocalSampler",
    "OTAutoencoder",
    "OTAutoencoderGAN",
    "PairSampler",
    "SemiDiscreteOT",
    "WassersteinGAN",
    "an_settings",
    "wgan_settings",
]
