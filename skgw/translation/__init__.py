"""Translation between two unpaired domains by autoencoders."""

from skgw.translation.cotrained_autoencoders import GWCoTrainedAutoencoders

__all__ = ["GWCoTrainedAutoencoders"]
