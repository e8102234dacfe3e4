"""Alignment of two domains known by the distances inside each: which distances, which plan."""

from skgw.alignment.correspondence import Correspondence, correspond
from skgw.alignment.domains import ReferenceDomain, TrainingDomain
from skgw.alignment.fitting import AlignOptions, align
from skgw.alignment.hints import Hints, read_hints
from skgw.alignment.result import Alignment

__all__ = [
    "AlignOptions",
    "Alignment",
    "Correspondence",
    "Hints",
    "ReferenceDomain",
    "TrainingDomain",
    "align",
    "correspond",
    "read_hints",
]
