"""Fingerprints of results on fixed data: does another checkout compute the same, bit for bit?

    python -m benchmarks.fingerprint                  # this tree
    python -m benchmarks.fingerprint PATH             # another checkout
    python -m benchmarks.fingerprint --compiled       # with the extra numba, as users have it

One thread. Without `--compiled` the solver runs in torch, whose results repeat bit for bit;
compiled code is rounded differently by the run that compiles it and by later runs. `--data FOLDER`
adds three matchings of real data.
"""

# ruff: noqa: E402 (threads are set before numpy is imported)

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
os.environ |= dict.fromkeys(THREADS, "1")  # before numpy and torch are imported

import networkx as nx
import numpy as np
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from benchmarks.common import Figures, print_table

PAIRED = ("scgem/expression-methylation", "mfeat_digits/pix-kar", "casp14/TS1024-D1")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("tree", nargs="?", type=Path, default=Path(__file__).parents[1])
    options.add_argument("--compiled", action="store_true", help="let numba compile the solver")
    options.add_argument("--data", type=Path, help="folder with the sets of the benchmarks")
    args = options.parse_args()
    use(args.tree.resolve(), compiled=args.compiled)
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, case in cases(args.data):
            start = time.process_time()
            figures = case()
            seconds = f"{time.process_time() - start:.2f}"
            others = ", ".join(f"{k} {v:.6g}" for k, v in figures.items() if k != "hash")
            lines.append([name, figures["hash"], others, seconds])
    print_table(["case", "fingerprint", "figures", "s"], lines)


HOPS = {"metric": "precomputed", "edge_length": "hops"}


def use(tree: Path, *, compiled: bool) -> None:
    """Import skgw from this tree from now on; hide numba unless the solver may be compiled."""
    torch.set_num_threads(1)
    sys.path.insert(0, str(tree))
    for name in [name for name in sys.modules if name.partition(".")[0] == "skgw"]:
        del sys.modules[name]
    if not compiled:
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *args: (
            None if name == "numba" else find(name, *args)
        )


def cases(data: Path | None) -> Iterator[tuple[str, Callable[[], Figures]]]:
    """Names and measurements."""
    rng = np.random.default_rng(0)
    angles = np.pi / 2 * rng.integers(0, 4, 800)
    modes = 2 * np.c_[np.cos(angles), np.sin(angles)] + 0.2 * rng.normal(size=(800, 2))
    yield "4 modes", lambda: embedding(modes)
    yield "karate club", lambda: embedding(nx.karate_club_graph(), **HOPS)
    yield "Les Misérables", lambda: embedding(nx.les_miserables_graph(), **HOPS)
    yield "4 modes, adversary", lambda: embedding(modes, adversary="mlp", max_iter=120)
    images = load_digits().data[:300]
    order = np.random.default_rng(0).permutation(len(images))
    yield "digits, halves of the pixels", lambda: matching(images[:, :32], images[order, 32:])
    if data is not None:
        yield from ((name, lambda x=x, y=y: matching(x, y)) for name, x, y in paired(data))
    yield "digits, inverted, co-trained", lambda: translation(images, 16 - images[order])
    for n in (100, 500):
        yield f"solve, n = {n}", lambda n=n: solve(n)
    for name, options in (
        ("unbalanced", {"unbalanced": 0.1}),
        ("partial", {"mass": 0.7}),
        ("KL loss", {"loss": "KL"}),
        ("8 starts", {"n_init": 8, "random_state": 0}),
    ):
        yield f"solve, {name}", lambda options=options: solve(60, **options)


def paired(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Pairs of views of real data, 300 rows, the second view in another order."""
    sys.path.insert(0, str(data))
    from load import view_pairs

    for pair in view_pairs(max_rows=300):
        if pair.name in PAIRED:
            order = np.random.default_rng(0).permutation(len(pair.B))
            Y = pair.B[order] if pair.kind == "features" else pair.B[np.ix_(order, order)]
            yield pair.name, np.asarray(pair.A, float), np.asarray(Y, float)


def embedding(X: Any, **params: Any) -> Figures:
    from skgw import GWGenerativeEmbedding

    model = GWGenerativeEmbedding(random_state=0, **params).fit(X)
    arrays = model.embedding_, model.sample(200, random_state=1), model.plan_.toarray()
    return {"hash": fingerprint(*arrays), "divergence": model.gw_divergence_}


def matching(X: np.ndarray, Y: np.ndarray) -> Figures:
    from skgw import GWMatcher

    metric = "precomputed" if X.shape[0] == X.shape[1] == Y.shape[0] == Y.shape[1] else "auto"
    model = GWMatcher(metric=metric, random_state=0).fit(X, Y)
    arrays = model.match(), model.confidence_, model.plan_.toarray()
    return {"hash": fingerprint(*arrays), "value": model.gw_value_, "margin": margin(model)}


def translation(X: np.ndarray, Y: np.ndarray) -> Figures:
    from skgw import GWCoTrainedAutoencoders

    model = GWCoTrainedAutoencoders(4, max_iter=300, random_state=0).fit(X, Y)
    arrays = model.embedding_, model.translate(X[:50]), model.match()
    return {"hash": fingerprint(*arrays), "margin": margin(model)}


def margin(model: Any) -> float:
    """The margin of a matching, in trees in which it is called a contrast, too."""
    return float(getattr(model, "margin_", getattr(model, "contrast_", np.nan)))


def solve(n: int, n_runs: int = 9, **options: Any) -> Figures:
    """A noisy copy in another order: plan and value, and the median time of a solve."""
    from skgw.solvers import solve_gromov

    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 3)) * [3, 2, 1]
    Y = X[rng.permutation(n)] + 0.05 * rng.normal(size=(n, 3))
    A, B, times = cdist(X, X), cdist(Y, Y), []
    for _ in range(n_runs):
        start = time.process_time()
        result = solve_gromov(A, B, **options)
        times.append(time.process_time() - start)
    milliseconds = 1e3 * float(np.median(times))
    return {"hash": fingerprint(result.plan, result.value), "ms": milliseconds}


def fingerprint(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(np.asarray(array)).tobytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    main()
