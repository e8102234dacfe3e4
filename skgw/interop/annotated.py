"""Matching of the observations of two AnnData objects, or of two modalities of one MuData."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgw.base.two_domains import of_domain
from skgw.base.validation import SPARSE_ROW_METRICS
from skgw.exceptions import warn_user
from skgw.matching import GWMatcher
from skgw.matching.assignment import is_one_to_one
from skgw.matching.pairs import read_pairs

ATTRIBUTES = ("X", "layers", "obs", "obs_names", "obsm", "uns")  # of AnnData that are used here
BYTES_PER_VALUE = 8  # of rows in float64


def match_anndata(
    adata_x: Any,
    adata_y: Any,
    *,
    use_rep: str | tuple[str | None, str | None] | None = None,
    layer: str | tuple[str | None, str | None] | None = None,
    matcher: GWMatcher | None = None,
    pairs: Any = None,
    shared: str | tuple[str, str] | None = None,
    assignment: str = "argmax",
    key_added: str = "skgw",
    n_plan_entries: int = 10,
) -> GWMatcher:
    """Match the observations of two AnnData objects, and write the results into both.

    Parameters
    ----------
    adata_x, adata_y : AnnData
        Two data sets without common observations or variables. Their results are written in place.
    use_rep : str, pair of str or None, default=None
        Key of the representation in ``obsm``, for both or one for each. None and "X" are the values
        of `layer`.
    layer : str, pair of str or None, default=None
        Key of the values in ``layers``, for both or one for each. None is ``X``.
    matcher : GWMatcher, default=None
        The parameters of the matching; it is cloned. None is ``GWMatcher()``.
    pairs : tuple of two sequences, array or list of pairs, default=None
        Anchor pairs, as in `GWMatcher.fit`: names of observations, or positions.
    shared : str or pair of str, default=None
        Key in ``obsm`` of features that are measured in both data sets, in the same units.
    assignment : {"argmax", "one-to-one"}, default="argmax"
        As in `GWMatcher.match`: "one-to-one" gives no observation to two observations.
    key_added : str, default="skgw"
        Prefix of the results.
    n_plan_entries : int, default=10
        Number of entries of the plan to store for each observation: the largest ones.

    Returns
    -------
    matcher : GWMatcher
        The fitted matcher, for new rows, labels and the whole plan.

    Raises
    ------
    TypeError
        If an argument is no AnnData object, or a representation is sparse and backed by a file.
    ValueError
        If a key is missing, names of observations are not unique, both arguments are one object, or
        the metric is "precomputed".

    Warns
    -----
    UserWarning
        If sparse values are copied into a dense array, because the metric needs dense rows. The
        warning states the size of the copy. A representation of few features needs none.
    AmbiguousMatchingWarning
        If the matching may be wrong.

    See Also
    --------
    match_mudata : The same for two modalities of one object.
    skgw.GWMatcher.transfer_labels : Transfer labels, such as cell types.

    Notes
    -----
    Results, with ``key_added="skgw"``:

    - ``obs["skgw_match"]`` in both: name of the observation of the other data set that receives
      most of the mass; missing for observations without a match.
    - ``obs["skgw_confidence"]`` in both: confidence in this match, between 0 and 1.
    - ``obsm["X_skgw"]`` in both: observations in the representation of the other data set.
    - ``obsm["skgw_plan"]`` in `adata_x`: the largest entries of the plan, a sparse matrix (n, m).
    - ``uns["skgw"]`` in both: the probability that the matching is right, the discrepancy, the
      diagnostics, the parameters and the representations; in `adata_x` also the names of the
      columns of the plan.

    Examples
    --------
    >>> from anndata import AnnData  # doctest: +SKIP
    >>> from skgw.datasets import make_views
    >>> from skgw.interop import match_anndata
    >>> views = make_views(100, random_state=0)
    >>> adata_x, adata_y = AnnData(views.X), AnnData(views.Y)  # doctest: +SKIP
    >>> matcher = match_anndata(adata_x, adata_y)  # doctest: +SKIP
    >>> adata_x.obsm["X_skgw"].shape  # doctest: +SKIP
    (100, 15)
    """
    if adata_x is adata_y:
        raise ValueError("adata_x and adata_y are one object: match two data sets.")
    matcher = GWMatcher() if matcher is None else clone(matcher)
    is_one_to_one(assignment)  # an unknown name fails before the fit
    both = (adata_x, adata_y)
    names, rows, sources = [], [], []
    for domain, adata in enumerate(both):
        name = f"adata_{'xy'[domain]}"
        _check(adata, name)
        source, values = _representation(
            adata, name, of_domain(use_rep, domain, "use_rep"), of_domain(layer, domain, "layer")
        )
        names.append(_unique_names(adata, name))
        rows.append(_as_rows(values, f"{name}.{source}", matcher, domain))
        sources.append(source)
    if pairs is not None:
        pairs = read_pairs(pairs, (len(names[0]), len(names[1])), (names[0], names[1]))
    features = None
    if shared is not None:
        features = tuple(
            _entry(adata.obsm, of_domain(shared, domain, "shared"), f"adata_{'xy'[domain]}.obsm")
            for domain, adata in enumerate(both)
        )
    matcher.fit(*rows, pairs=pairs, shared=features)
    _write(both, matcher, names, rows, sources, assignment, key_added, n_plan_entries)
    return matcher


def match_mudata(mdata: Any, mod_x: str, mod_y: str, **arguments: Any) -> GWMatcher:
    """Match the observations of two modalities of a MuData object.

    Names of observations that occur in both modalities are not used as pairs: the modalities are
    matched as unpaired data. ``pairs`` gives known pairs.

    Parameters
    ----------
    mdata : MuData
        The results are written into its modalities, as by `match_anndata`. ``mdata.pull_obs()``
        copies columns of ``obs`` into `mdata`.
    mod_x, mod_y : str
        Names of the two modalities.
    **arguments
        Keywords of `match_anndata`.

    Returns
    -------
    matcher : GWMatcher
        The fitted matcher.

    Raises
    ------
    TypeError
        If `mdata` is no MuData object.
    ValueError
        If a modality is missing, or for the reasons of `match_anndata`.

    See Also
    --------
    match_anndata : The results, and the other parameters.

    Examples
    --------
    >>> from anndata import AnnData  # doctest: +SKIP
    >>> from mudata import MuData  # doctest: +SKIP
    >>> from skgw.datasets import make_views
    >>> from skgw.interop import match_mudata
    >>> views = make_views(100, random_state=0)
    >>> mdata = MuData({"rna": AnnData(views.X), "atac": AnnData(views.Y)})  # doctest: +SKIP
    >>> matcher = match_mudata(mdata, "rna", "atac")  # doctest: +SKIP
    >>> mdata["rna"].obsm["X_skgw"].shape  # doctest: +SKIP
    (100, 15)
    """
    if not hasattr(mdata, "mod"):
        raise TypeError(f"mdata must be a MuData object, got {type(mdata).__name__}.")
    adata_x, adata_y = (_entry(mdata.mod, name, "mdata.mod") for name in (mod_x, mod_y))
    return match_anndata(adata_x, adata_y, **arguments)


def _check(adata: Any, name: str) -> None:
    """Raise a TypeError for other objects than AnnData."""
    if hasattr(adata, "mod"):
        raise TypeError(f"{name} is a {type(adata).__name__}: use match_mudata.")
    if not all(hasattr(adata, attribute) for attribute in ATTRIBUTES):
        raise TypeError(
            f"{name} must be an AnnData object, got {type(adata).__name__}. GWMatcher().fit "
            "matches arrays and data frames."
        )


def _unique_names(adata: Any, name: str) -> Any:
    names = np.asarray(adata.obs_names)
    if len(set(names)) < len(names):
        raise ValueError(
            f"obs_names of {name} are not unique: call {name}.obs_names_make_unique() first."
        )
    return names


def _representation(
    adata: Any, name: str, use_rep: str | None, layer: str | None
) -> tuple[str, Any]:
    """Where the values of a data set stand, and the values."""
    if use_rep not in (None, "X"):
        if layer is not None:
            raise ValueError(f"use_rep={use_rep!r} and layer={layer!r} exclude each other.")
        return f"obsm[{use_rep!r}]", _entry(adata.obsm, use_rep, f"{name}.obsm")
    if layer is not None:
        return f"layers[{layer!r}]", _entry(adata.layers, layer, f"{name}.layers")
    if adata.X is None:
        raise ValueError(f"{name}.X is None: name a representation by use_rep or layer.")
    return "X", adata.X


def _entry(mapping: Any, key: Any, name: str) -> Any:
    if key not in mapping:
        keys = ", ".join(map(repr, mapping)) or "nothing"
        raise ValueError(f"{name} has no {key!r}; it has {keys}.")
    return mapping[key]


def _as_rows(values: Any, name: str, matcher: GWMatcher, domain: int) -> Any:
    """Values as the matcher reads them: dense, or sparse if its metric or transformer takes it."""
    metric = of_domain(matcher.metric, domain, "metric")
    if metric == "precomputed":
        raise ValueError(
            "The metric is 'precomputed', but AnnData holds features. Fit a GWMatcher to "
            "distances, such as adata.obsp['distances']."
        )
    if not sparse.issparse(values):
        return _dense_rows(values, name)
    transformer = (matcher.transformer_x, matcher.transformer_y)[domain]
    if transformer is not None or metric in SPARSE_ROW_METRICS:
        return values
    n, p = values.shape
    warn_user(
        f"{name} is sparse, and the metric {metric!r} needs dense rows: a dense copy of {n} x {p} "
        f"values ({n * p * BYTES_PER_VALUE / 1e6:.3g} MB) is made. A representation of fewer "
        "features (use_rep), a transformer such as TruncatedSVD, or the metric 'auto', 'euclidean' "
        "or 'cosine' avoids it.",
        UserWarning,
    )
    return values.toarray()


def _dense_rows(values: Any, name: str) -> Any:
    """An array or a data frame as an array; a TypeError for rows of a file."""
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    of_file = type(values).__module__.startswith(("anndata", "h5py"))
    if of_file and not isinstance(values, np.ndarray):  # which views of AnnData hold
        raise TypeError(f"{name} is backed by a file: read it by adata.to_memory() first.")
    return np.asarray(values)


def _write(
    both: tuple[Any, Any],
    matcher: GWMatcher,
    names: list[Any],
    rows: list[Any],
    sources: list[str],
    assignment: str,
    key: str,
    n_plan_entries: int,
) -> None:
    """Compute all results, then write them: an error leaves both data sets as they were."""
    import pandas as pd

    plan = matcher.plan_.to_sparse(min(n_plan_entries, len(names[1])))
    summary = {
        "matching_probability": float(matcher.matching_probability_),
        "gw_value": float(matcher.gw_value_),
        "diagnostics": {name: float(value) for name, value in matcher.diagnostics_.items()},
        "matcher": repr(matcher),
        "representations": np.array(sources, dtype=object),
    }
    results = []
    for domain in (0, 1):
        label = "xy"[domain]
        codes = matcher.match(domain=label, assignment=assignment)
        translated = np.asarray(matcher.translate(rows[domain], domain=label))  # or a data frame
        results.append((pd.Categorical.from_codes(codes, names[1 - domain]), translated))
    for adata, (match, translated) in zip(both, results, strict=True):
        adata.obs[f"{key}_match"] = match
        adata.obsm[f"X_{key}"] = translated
        adata.uns[key] = dict(summary)
    both[0].obs[f"{key}_confidence"] = matcher.confidence_
    both[1].obs[f"{key}_confidence"] = matcher.confidence_y_
    both[0].obsm[f"{key}_plan"] = sparse.csr_matrix(plan)  # older AnnData writes no sparse arrays
    both[0].uns[key]["plan_columns"] = names[1]
