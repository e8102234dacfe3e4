"""Translation between two unpaired domains by autoencoders."""

from skgw.translation.cotrained_autoencoders import GWCoTrainedAutoencoders
from skgw.translation.parameters import TranslationNetwork

__all__ = ["GWCoTrainedAutoencoders", "TranslationNetwork"]
