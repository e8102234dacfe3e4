"""Generators: estimators that map noise to new rows, and transport between noise and rows."""

from skgw.generative.semi_discrete_ot import SemiDiscreteOT, an_settings

__all__ = ["SemiDiscreteOT", "an_settings"]
