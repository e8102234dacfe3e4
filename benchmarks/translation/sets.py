"""Pairs of domains with a known truth, read from a folder of ``.npz`` files.

A set is (X, Y, metric, truth). The rows of Y are shuffled, and the truth is only there to score:
partners (position in Y of the true match of each row) or None, and labels of both domains or None.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgw.spaces import graph_distances

Array = NDArray[Any]
MAX_NODES = 1000  # of a mesh


class Task(NamedTuple):
    X: Array
    Y: Array
    metric: str = "auto"
    partners: Array | None = None
    labels: tuple[Array, Array] | None = None


def _read(folder: Path, name: str) -> dict[str, Array]:
    with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _shuffled(
    X: Array, Y: Array, seed: int, *, labels: Array | None = None, metric: str = "auto"
) -> Task:
    """Row i of X belongs to row i of Y, until Y is shuffled."""
    order = np.random.default_rng(seed).permutation(len(Y))
    Y = Y[np.ix_(order, order)] if metric == "precomputed" else Y[order]
    both = None if labels is None else (labels, labels[order])
    return Task(X, Y, metric, np.argsort(order), both)


def tree(folder: Path, seed: int) -> Task:
    z = _read(folder, "sim_alignment/unioncom_tree")
    return _shuffled(z["data1"], z["domain2_500d"].astype(float), seed, labels=z["label"])


def branches(folder: Path, seed: int) -> Task:
    z = _read(folder, "sim_alignment/mmdma_s1")
    return _shuffled(z["X2"], z["Y2"], seed, labels=z["label"])


def cells(folder: Path, seed: int) -> Task:
    z = _read(folder, "scgem/scgem")
    X, Y = z["expression"], z["methylation"].astype(float)
    return _shuffled(X, Y, seed, labels=z["label"])


def digits(one: str, other: str) -> Callable[[Path, int], Task]:
    def load(folder: Path, seed: int) -> Task:
        z = _read(folder, "mfeat_digits/mfeat")
        return _shuffled(z[one].astype(float), z[other].astype(float), seed, labels=z["y"])

    return load


def things(one: int, other: int) -> Callable[[Path, int], Task]:
    def load(folder: Path, seed: int) -> Task:
        z = _read(folder, "things/things")
        X, Y = (z[f"group{k}"].astype(float) for k in (one, other))
        return _shuffled(X, Y, seed)

    return load


def protein(index: int) -> Callable[[Path, int], Task]:
    def load(folder: Path, seed: int) -> Task:
        z = _read(folder, "casp14/casp14_pairs")
        rows = slice(*z["offsets"][index : index + 2])
        return _shuffled(z["A"][rows].astype(float), z["B"][rows].astype(float), seed)

    return load


def interactions(noise: int) -> Callable[[Path, int], Task]:
    def load(folder: Path, seed: int) -> Task:
        z = _read(folder, "graph_matching/ppi_yeast_noise")
        n = int(z["n"])
        one, other = (
            sparse.coo_array((np.ones(len(e)), tuple(e.T)), shape=(n, n)).tocsr()
            for e in (z["edges0"], z[f"edges{noise}"])
        )
        _, component = sparse.csgraph.connected_components(one, directed=False)
        kept = np.flatnonzero(component == np.bincount(component).argmax())
        hops = [graph_distances(g[kept][:, kept], edge_length="hops") for g in (one, other)]
        return _shuffled(*hops, seed, metric="precomputed")

    return load


def mesh(one: int, other: int) -> Callable[[Path, int], Task]:
    """Paths along the edges, between the same random vertices of both poses."""

    def load(folder: Path, seed: int) -> Task:
        z = _read(folder, "meshes/elephant_poses")
        edges = np.concatenate([z["F"][:, [0, 1]], z["F"][:, [1, 2]], z["F"][:, [2, 0]]])
        edges = np.unique(np.sort(edges, axis=1), axis=0)
        n = z["V"].shape[1]
        kept = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_NODES])
        both = []
        for V in (z["V"][one].astype(float), z["V"][other].astype(float)):
            length = np.linalg.norm(V[edges[:, 0]] - V[edges[:, 1]], axis=1)
            graph = sparse.coo_array((length, tuple(edges.T)), shape=(n, n))
            both.append(graph_distances(graph, edge_length="weight", sources=kept)[:, kept])
        return _shuffled(*both, seed, metric="precomputed")

    return load


def brains(folder: Path, seed: int) -> Task:
    z = _read(folder, "allen_brain/allen")
    return _shuffled(
        *(1 - np.corrcoef(z[f"pseudo_mouse_{k}"].astype(float)) for k in "ab"), seed,
        metric="precomputed",
    )  # fmt: skip


def colors(folder: Path, seed: int) -> Task:
    z = _read(folder, "color_similarity/color")["group_dissimilarity"].astype(float)
    # Pairs that everybody found alike are at distance zero, and still different colours.
    both = [((D + D.T) / 2 + 1e-2) * (1 - np.eye(len(D))) for D in z[:2]]
    return _shuffled(*both, seed, metric="precomputed")


def blood(folder: Path, seed: int) -> Task:
    z = _read(folder, "pbmc_rna_atac/pbmc")
    order = np.random.default_rng(seed).permutation(len(z["atac"]))
    labels = z["rna_celltype"], z["atac_celltype"][order]
    return Task(z["rna"].astype(float), z["atac"].astype(float)[order], labels=labels)


SETS: dict[str, Callable[[Path, int], Task]] = {
    "UnionCom tree": tree,
    "MMD-MA s1": branches,
    "scGEM": cells,
    "colors": colors,
    "Allen areas": brains,
    **{f"protein {k}": protein(k) for k in range(58)},
    "yeast +5%": interactions(1),
    "yeast +15%": interactions(3),
    "yeast +25%": interactions(5),
    "elephant": mesh(0, 3),
    "mfeat pix-kar": digits("pix", "kar"),
    "mfeat pix-fac": digits("pix", "fac"),
    "mfeat fou-zer": digits("fou", "zer"),
    "THINGS 1-2": things(1, 2),
    "THINGS 3-4": things(3, 4),
    "PBMC": blood,
}
