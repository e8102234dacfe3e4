"""Matching of two unpaired domains by the distances inside each."""

from skgw.matching.matcher import GWMatcher

__all__ = ["GWMatcher"]
