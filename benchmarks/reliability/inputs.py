"""Kinds of input for fits: rows of many values, in many containers, and distances and graphs.

Each kind is a function of a random generator. Whether a kind can be fitted is not said: the fuzz
asks for a documented refusal or a finite result.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.spatial.distance import pdist
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import kneighbors_graph
from torch.utils.data import TensorDataset

Rng = np.random.Generator
Build = Callable[[Rng], Any]


def rows(rng: Rng, n: int | None = None, d: int | None = None) -> np.ndarray:
    """Rows without symmetries: 8 to 30 rows of 1 to 6 features."""
    n = int(rng.integers(8, 31)) if n is None else n
    d = int(rng.integers(1, 7)) if d is None else d
    return rng.gamma(2.0, size=(n, d)) * np.arange(d, 0, -1)


def changed(x: np.ndarray, value: float) -> np.ndarray:
    """Rows with one entry of another value."""
    x = x.copy()
    x[2, 0] = value
    return x


SCALES = (1e-307, 1e-170, 1e-99, 1e-50, 1e-8, 1e8, 1e38, 1e50, 1e99, 1e120, 1e170, 1e300)
VALUES: dict[str, Build] = {
    **{f"times {scale:g}": lambda rng, s=scale: s * rows(rng) for scale in SCALES},
    "gamma": rows,
    "normal": lambda rng: rng.normal(size=(20, 3)),
    "constant": lambda rng: np.full((12, 3), 0.1),
    "zeros": lambda rng: np.zeros((12, 3)),
    "negative zeros": lambda rng: -np.zeros((12, 3)),
    "equal up to rounding": lambda rng: 0.1 + rng.choice([0, 1e-17], size=(15, 3)),
    "duplicates": lambda rng: np.repeat(rows(rng, 5), 4, axis=0),
    "one other row": lambda rng: np.r_[np.ones((14, 2)), [[3.0, 4.0]]],
    "constant column": lambda rng: np.c_[rows(rng, 15), np.full(15, 9.0)],
    "one feature": lambda rng: rows(rng, d=1),
    "line": lambda rng: rng.normal(size=(20, 1)) * [[1.0, 2.0, 3.0]],
    "circle": lambda rng: np.c_[np.cos(np.arange(16)), np.sin(np.arange(16))],
    "grid": lambda rng: np.stack(np.meshgrid(*[np.arange(5.0)] * 2), -1).reshape(-1, 2),
    "two rows": lambda rng: rows(rng, 2),
    "three rows": lambda rng: rows(rng, 3),
    "one row": lambda rng: rows(rng, 1),
    "no rows": lambda rng: rows(rng, 0, 3),
    "no columns": lambda rng: np.zeros((10, 0)),
    "wide": lambda rng: rows(rng, 9, 60),
    "far from zero": lambda rng: rows(rng) + 1e9,
    "columns of other units": lambda rng: rng.normal(size=(20, 3)) * [1e-30, 1, 1e30],
    "outlier": lambda rng: changed(rows(rng), 1e12),
    "cauchy": lambda rng: rng.standard_cauchy(size=(25, 3)),
    "exponential of normal": lambda rng: np.exp(20 * rng.normal(size=(25, 2))),
    "subnormal": lambda rng: rng.integers(0, 9, size=(12, 2)) * 5e-324,
    "NaN": lambda rng: changed(rows(rng), np.nan),
    "infinity": lambda rng: changed(rows(rng), np.inf),
    "minus infinity": lambda rng: changed(rows(rng), -np.inf),
    "whole numbers": lambda rng: rng.integers(-5, 6, size=(20, 3)),
    "large whole numbers": lambda rng: rng.integers(2**60, 2**62, size=(20, 3)),
    "truth values": lambda rng: rng.uniform(size=(20, 4)) < 0.5,
}


def masked(rng: Rng) -> np.ma.MaskedArray:
    x = rows(rng)
    return np.ma.masked_array(x, mask=x > x.mean())


def table(rng: Rng, **options: Any) -> pd.DataFrame:
    x = rows(rng, 15, 3)
    return pd.DataFrame(x, columns=options.get("columns", ["a", "b", "c"]))


def readable_only(rng: Rng) -> np.ndarray:
    x = rows(rng)
    x.flags.writeable = False
    return x


DTYPES = (">f8", "<f4", "f2", "g", "i1", "u1", "i8", "?", "O", "U", "S", "c16", "M8[s]", "m8[s]")
CONTAINERS: dict[str, Build] = {
    **{
        f"dtype {name}": lambda rng, t=name: (9 * rows(rng)).astype("i8").astype(t)
        for name in DTYPES
    },
    **{
        f"sparse {form}": lambda rng, f=form: sparse.coo_array(
            np.round(rows(rng, 15, 5)) * (rng.uniform(size=(15, 5)) < 0.6)
        ).asformat(f)
        for form in ("csr", "csc", "coo", "lil", "dok", "bsr")
    },
    "sparse matrix, old": lambda rng: sparse.csr_matrix(rows(rng)),
    "sparse NaN": lambda rng: sparse.csr_array(changed(rows(rng), np.nan)),
    "fortran": lambda rng: np.asfortranarray(rows(rng)),
    "negative strides": lambda rng: rows(rng)[::-1, ::-1],
    "read-only": readable_only,
    "view": lambda rng: rows(rng, 30, 6)[::2, ::2],
    "lists": lambda rng: rows(rng).tolist(),
    "tuples": lambda rng: tuple(map(tuple, rows(rng))),
    "frame": table,
    "frame with numbers as names": lambda rng: table(rng, columns=[0, 1, 2]),
    "frame with equal names": lambda rng: table(rng, columns=["a", "a", "b"]),
    "frame with a missing value": lambda rng: table(rng).mask(table(rng) > 3),
    "frame with text": lambda rng: table(rng).assign(c="x"),
    "frame with dates": lambda rng: table(rng).assign(c=pd.Timestamp("2026-01-01")),
    "frame of categories": lambda rng: table(rng).round().astype("category"),
    "series": lambda rng: table(rng)["a"],
    "masked": masked,
    "not masked": lambda rng: np.ma.masked_array(rows(rng)),
    "tensor": lambda rng: torch.tensor(rows(rng)),
    "tensor with gradient": lambda rng: torch.tensor(rows(rng), requires_grad=True),
    "bfloat16": lambda rng: torch.tensor(rows(rng)).bfloat16(),
    "tensor of whole numbers": lambda rng: torch.tensor(rows(rng)).long(),
    "images": lambda rng: rng.normal(size=(10, 1, 3, 3)),
    "tensor of images": lambda rng: torch.zeros(10, 1, 3, 3),
    "one dimension": lambda rng: rows(rng)[:, 0],
    "scalar": lambda rng: np.array(3.0),
    "number": lambda rng: 3,
    "text": lambda rng: "rows",
    "none": lambda rng: None,
    "dict": lambda rng: {"a": [1.0, 2.0]},
    "generator": lambda rng: (x for x in rows(rng)),
    "data set": lambda rng: TensorDataset(torch.zeros(9, 2)),
    "annotated": lambda rng: SimpleNamespace(X=rows(rng), obsm={}),
    "ragged": lambda rng: [[1.0, 2.0], [3.0]],
    "objects with none": lambda rng: np.array([[None, 1.0]] * 9, dtype=object),
}


def distances(rng: Rng) -> np.ndarray:
    return pairwise_distances(rows(rng))


def with_entry(i: int, j: int, value: float, *, both: bool) -> Build:
    """Distances with another value of one entry, in one direction or in both."""

    def build(rng: Rng) -> np.ndarray:
        D = distances(rng)
        D[i, j] = value
        if both:
            D[j, i] = value
        return D

    return build


def graph(rng: Rng, kind: Any = nx.Graph, weight: Callable[[Rng], Any] | None = None) -> Any:
    """A connected graph, with an attribute "weight" by a function of the generator."""
    made = kind(nx.connected_watts_strogatz_graph(16, 4, 0.3, seed=int(rng.integers(2**31))))
    if weight is not None:
        for *_, attributes in made.edges(data=True):
            attributes["weight"] = weight(rng)
    return made


def neighbors(rng: Rng, **options: Any) -> Any:
    return kneighbors_graph(rows(rng, 20, 2), **{"n_neighbors": 8, "mode": "distance", **options})


RELATIONS: dict[str, Build] = {
    "distances": distances,
    "distances of float32": lambda rng: distances(rng).astype(np.float32),
    "whole distances": lambda rng: np.round(distances(rng)).astype(int),
    "rounded distances": lambda rng: distances(rng).round(1),
    "zero distances": lambda rng: np.zeros((9, 9)),
    "one distance": lambda rng: np.ones((9, 9)) - np.eye(9),
    "asymmetric": with_entry(1, 2, 9.0, both=False),
    "rounding errors": with_entry(1, 1, 1e-9, both=False),
    "negative": with_entry(1, 2, -1.0, both=True),
    "diagonal": with_entry(3, 3, 5.0, both=False),
    "zero entry": with_entry(1, 2, 0.0, both=True),
    "NaN distance": with_entry(1, 2, np.nan, both=True),
    "infinite distance": with_entry(1, 2, np.inf, both=True),
    "huge distance": with_entry(1, 2, 1e200, both=True),
    "kernel": lambda rng: np.exp(-distances(rng)),
    "rectangle": lambda rng: distances(rng)[:, 1:],
    "vector": lambda rng: pdist(rows(rng)),
    "frame of distances": lambda rng: pd.DataFrame(distances(rng)),
    "adjacency": lambda rng: nx.to_numpy_array(graph(rng)),
    "sparse distances": lambda rng: sparse.csr_array(distances(rng)),
    "sparse kernel": lambda rng: sparse.csr_array(np.exp(-distances(rng))),
    "neighbours": neighbors,
    "connectivity": lambda rng: neighbors(rng, mode="connectivity", include_self=True),
    "few neighbours": lambda rng: neighbors(rng, n_neighbors=1),
    "two directions": lambda rng: sparse.csr_array(rng.uniform(1, 2, size=(9, 9))),
    "negative edges": lambda rng: -neighbors(rng),
    "no edges": lambda rng: sparse.csr_array((9, 9)),
    "sparse rectangle": lambda rng: sparse.csr_array(np.ones((5, 7))),
    "graph": graph,
    "weighted graph": lambda rng: graph(rng, weight=lambda r: float(r.uniform(1, 2))),
    "text as weights": lambda rng: graph(rng, weight=lambda r: "far"),
    "multigraph": lambda rng: graph(rng, nx.MultiGraph),
    "directed": lambda rng: graph(rng, nx.DiGraph),
    "disconnected": lambda rng: nx.disjoint_union(graph(rng), graph(rng)),
    "one node": lambda rng: nx.empty_graph(1),
    "empty graph": lambda rng: nx.empty_graph(0),
    "loops": lambda rng: nx.Graph([(0, 0), (0, 1), (1, 2), (2, 2)]),
    "tuples as nodes": lambda rng: nx.grid_2d_graph(4, 3),
}
