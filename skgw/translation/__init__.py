"""Translation between two unpaired domains by autoencoders, by maps and by flows."""

from skgw.translation.align_flow import AlignFlow
from skgw.translation.cotrained_autoencoders import GWCoTrainedAutoencoders
from skgw.translation.cycle_gan import CycleGAN
from skgw.translation.parameters import DomainCritic, GWLoss, TranslationNetwork, report_settings
from skgw.translation.unit import UNIT

__all__ = [
    "UNIT",
    "AlignFlow",
    "CycleGAN",
    "DomainCritic",
    "GWCoTrainedAutoencoders",
    "GWLoss",
    "TranslationNetwork",
    "report_settings",
]
