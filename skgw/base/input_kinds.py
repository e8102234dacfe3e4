"""Kinds of input that are no array of numbers: refusals that say what to pass instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from skgw.spaces.finite import Metric

TIMES = ("m", "M")  # kinds of numpy's datetime64 and timedelta64


def refuse_foreign_kinds(X: Any) -> None:
    """Raise an error for containers that are no table of numbers.

    Raises
    ------
    TypeError
        For annotated data (AnnData, MuData), data sets and loaders of torch, and columns of dates.
    ValueError
        For masked arrays with masked entries, and arrays of three and more dimensions.
    """
    if any(kind.__module__.startswith("torch.utils.data") for kind in type(X).__mro__):
        raise TypeError(
            f"X is a {type(X).__name__} of torch. Pass the rows as one tensor or array, such as "
            "dataset.tensors[0]."
        )
    if hasattr(X, "obsm") and hasattr(X, "mod"):  # its X is None
        raise TypeError(
            f'X is a {type(X).__name__}. Pass the values of one modality: mdata.mod["rna"].X, or '
            'mdata.mod["rna"].obsm["X_pca"]. skgw.interop.match_mudata matches two modalities.'
        )
    if hasattr(X, "obsm") and hasattr(X, "X"):
        raise TypeError(
            f'X is a {type(X).__name__}. Pass its values: adata.X, adata.obsm["X_pca"], or '
            "adata.to_df() for a data frame. skgw.interop.match_anndata matches two of them."
        )
    if np.ma.is_masked(X):
        raise ValueError(
            "X is a masked array, and the values behind the mask would be used. Impute them, such "
            "as by SimpleImputer().fit_transform(X.filled(np.nan)), or drop the rows: "
            "np.ma.compress_rows(X)."
        )
    ndim = getattr(X, "ndim", 2)
    if isinstance(ndim, int) and ndim > 2:
        raise ValueError(
            f"Found array with dim {ndim}, while dim <= 2 is required. Pass one row for each "
            "sample: X.reshape(len(X), -1)."
        )
    if _holds_times(X):
        raise TypeError(
            "X has dates or time spans, which have no unit in common with numbers. Convert them to "
            'numbers first, such as (X - X.min()) / np.timedelta64(1, "D").'
        )


def refuse_condensed_distances(X: Any) -> None:
    """Raise a ValueError for a vector of distances, as `scipy.spatial.distance.pdist` returns."""
    ndim = np.ndim(X) if isinstance(X, list | tuple) else getattr(X, "ndim", 2)
    if ndim != 1:
        return
    n = (1 + np.sqrt(1 + 8 * len(X))) / 2  # points of n (n - 1) / 2 pairs
    if n == int(n) and n > 1:
        raise ValueError(
            f"Expected 2D array, got 1D array instead. A vector of {len(X)} distances, as pdist "
            f"returns it, holds the pairs of {int(n)} points: pass the square matrix, "
            "scipy.spatial.distance.squareform(X)."
        )


def explained(error: TypeError | ValueError, metric: Metric) -> TypeError | ValueError:
    """The error of a failed validation, with a remedy for what is no number or no distance."""
    if metric == "precomputed" and str(error).startswith("Input X contains"):
        return ValueError(
            f"{str(error).splitlines()[0]} Distances must be known and finite: leave out rows that "
            "lack some of them, and keep one of several components between which they are infinite."
        )
    if not str(error).startswith(("could not convert", "float() argument")):
        return error
    remedy = "Encode names and categories as numbers first, such as by OneHotEncoder."
    if callable(metric):
        remedy = (
            "A metric that is a function takes two numeric rows. For other objects compute the "
            "matrix of distances, and set metric='precomputed'."
        )
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"X must hold numeric rows: {error}. {remedy}")


def _holds_times(X: Any) -> bool:
    """Whether an array, or a column of a data frame, holds dates or time spans."""
    dtypes = [X.dtype] if hasattr(X, "dtype") else getattr(X, "dtypes", [])
    return any(
        getattr(dtype, "kind", None) in TIMES or getattr(dtype, "is_temporal", bool)()
        for dtype in dtypes
    )
