"""Matching of annotated data: AnnData and MuData.

Neither package is imported. The functions read and write the attributes of the objects that they
are given.
"""

from skgw.interop.annotated import match_anndata, match_mudata

__all__ = ["match_anndata", "match_mudata"]
