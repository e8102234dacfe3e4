"""Random fits of all estimators: odd values, containers, distances, graphs, pairs and parameters.

A seed chooses the estimator, the input and the parameters. A fit ends with a documented error, or
with an estimator whose methods accept the training rows and give finite numbers. Either leaves the
input and the global random states as they were, and a failed fit leaves the estimator as it was.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import pickle
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import clone

from benchmarks.common import Figures, parser, print_table, run, seeds, summary
from benchmarks.reliability.inputs import CONTAINERS, RELATIONS, VALUES, rows
from skgw import (
    GWCoTrainedAutoencoders,
    GWGenerativeEmbedding,
    GWMatcher,
    VariationalAutoencoder,
)
from skgw.base.coupling import Coupling
from skgw.embedding import Generator

SECONDS = 30  # of a fit and its methods
DOCUMENTED = (ValueError, TypeError, FloatingPointError)
NETWORKS = {"hidden_layer_sizes": (4,), "max_iter": 2, "batch_size": 8, "random_state": 0}
ESTIMATORS = {
    "embedding": GWGenerativeEmbedding(
        n_generated=9, generator=Generator(n_init_updates=2), **NETWORKS
    ),
    "matcher": GWMatcher(metric="euclidean", n_init=1, random_state=0),
    "variational": VariationalAutoencoder(**NETWORKS),
    "co-trained": GWCoTrainedAutoencoders(1, n_init=1, **NETWORKS),
}
FEATURE_METRICS = ("euclidean", "cityblock", "cosine", "sqeuclidean", "geodesic", "chebyshev")
BAD = (
    -1, 0, 1, 1.5, float("nan"), float("inf"), -0.0, "no", "", b"x", None, True, (), (1, 2, 3),
    (-1,), [], {}, object, np.array([1.0, 2.0]), ("euclidean", "no"), 1e300, 1e-300, "precomputed",
    "auto",
)  # fmt: skip
WITHOUT_BAD = ("checkpoint", "verbose")  # would write files and lines
KINDS = ("values", "containers", "distances and graphs", "two domains", "parameters")
OUTCOMES = {
    "fitted": "fitted, finite",
    "refused": "documented error",
    "undocumented": "undocumented error",
    "method": "error of a method on the training rows",
    "infinite": "infinite or NaN",
    "changed": "input, state or estimator changed",
    "warning": "foreign warning",
    "slow": "over 30 s",
}
FAILURES = [name for name in OUTCOMES if name not in ("fitted", "refused")]


def count(outcome: str) -> Callable[[Sequence[Figures]], str]:
    return lambda records: str(sum(record["outcome"] == outcome for record in records))


COLUMNS: dict[str, Any] = {title: count(outcome) for outcome, title in OUTCOMES.items()}
COLUMNS["longest, s"] = lambda records: f"{max(r['seconds'] for r in records):.1f}"
TABLES = {"estimator_fuzz": summary({"kind": "kind"}, COLUMNS, seeds="fits")}


def measure(kind: str, seed: int) -> Figures:
    """One random fit."""
    compile_solvers()
    rng = np.random.default_rng([KINDS.index(kind), seed])
    name = [*ESTIMATORS][seed % len(ESTIMATORS)]
    estimator = clone(ESTIMATORS[name])
    what, arguments = problem(kind, name, estimator, seed // len(ESTIMATORS), rng)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome, detail = checked_fit(estimator, arguments)
    seconds = time.perf_counter() - start
    foreign = [w for w in caught if issubclass(w.category, RuntimeWarning)]
    if foreign and outcome in ("fitted", "refused"):
        outcome, detail = "warning", f"{foreign[0].filename}: {foreign[0].message}"
    if seconds > SECONDS and outcome in ("fitted", "refused"):
        outcome = "slow"
    return {
        "estimator": name, "input": what, "outcome": outcome, "detail": detail[:200],
        "seconds": seconds,
    }  # fmt: skip


@functools.cache
def compile_solvers() -> None:
    """Fit each estimator once, so that no fit of the fuzz waits for the compilation."""
    rng = np.random.default_rng(0)
    for name, estimator in ESTIMATORS.items():
        second = [rows(rng, 12, 2)] if name in ("matcher", "co-trained") else []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone(estimator).fit(rows(rng, 15, 3), *second)


def problem(
    kind: str, name: str, estimator: Any, number: int, rng: np.random.Generator
) -> tuple[str, dict[str, Any]]:
    """What is tried, and the arguments of `fit`; sets parameters of the estimator."""
    two = name in ("matcher", "co-trained")
    first: Any = rows(rng)
    second: Any = rows(rng, d=2)
    side: dict[str, Any] = {}
    if kind in ("values", "containers"):
        kinds = VALUES if kind == "values" else CONTAINERS
        what = [*kinds][number % len(kinds)]
        first = kinds[what](rng)
        if hasattr(estimator, "metric") and rng.uniform() < 0.5:
            estimator.set_params(metric=str(rng.choice(FEATURE_METRICS)))
    elif kind == "distances and graphs":
        what = [*RELATIONS][number % len(RELATIONS)]
        first = RELATIONS[what](rng)
        if hasattr(estimator, "metric"):
            both = ("precomputed", "euclidean")
            estimator.set_params(metric=both if two else "precomputed")
    elif kind == "two domains":
        what, side = side_information(rng, len(first), len(second))
        if name == "matcher":
            side.pop("labels", None)
        else:
            side.pop("shared", None)
    else:
        names = [p for p in estimator.get_params(deep=False) if p not in WITHOUT_BAD]
        parameter = str(rng.choice(names))
        value = BAD[int(rng.integers(len(BAD)))]
        what = f"{parameter}={value!r}"
        estimator.set_params(**{parameter: value})
    if not two:
        return what, {"X": first}
    if rng.uniform() < 0.5 and kind in ("values", "containers") and name == "matcher":
        first, second = second, first
    return what, {"X": first, "y": second, **side}


def side_information(rng: np.random.Generator, n: int, m: int) -> tuple[str, dict[str, Any]]:
    """Pairs, labels and shared features that may not fit domains of n and m rows."""
    k = int(rng.integers(0, 5))
    i, j = rng.integers(0, n + (rng.uniform() < 0.2), k), rng.integers(0, m, k)
    forms = {
        "tuple": (i, j), "lists": (i.tolist(), j.tolist()), "array": np.array([i, j]),
        "transposed": np.array([i, j]).T, "list of pairs": list(zip(i, j, strict=True)),
        "names": (["a"] * k, j), "real": (i + 0.5, j), "text": "pairs", "number": 3, "none": None,
    }  # fmt: skip
    form = str(rng.choice([*forms]))
    side: dict[str, Any] = {"pairs": forms[form]}
    if rng.uniform() < 0.4:
        classes = rng.integers(-1, 3, n), rng.integers(-1, 3 + 2 * (rng.uniform() < 0.3), m)
        side["labels"] = classes if rng.uniform() < 0.8 else classes[0]
    if rng.uniform() < 0.4:
        shared = rng.normal(size=(n, 2)), rng.normal(size=(m, 2 + (rng.uniform() < 0.2)))
        side["shared"] = shared
    return f"pairs as {form}", side


def checked_fit(estimator: Any, arguments: dict[str, Any]) -> tuple[str, str]:
    """Outcome of a fit, and of the methods of a fitted estimator, with a detail."""
    before, copies = dict(vars(estimator)), snapshot(arguments)
    states = global_states()
    outcome, detail = "fitted", ""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            estimator.fit(**arguments)
        except Exception as error:
            documented = isinstance(error, DOCUMENTED) and not isinstance(
                error, np.linalg.LinAlgError
            )
            outcome, detail = "refused" if documented else "undocumented", repr(error)
            if not same_objects(vars(estimator), before):
                return "changed", "attributes of the estimator"
        if outcome == "fitted":
            outcome, detail = checked_methods(estimator, arguments)
    if outcome in ("fitted", "refused"):
        if global_states() != states:
            return "changed", "a global random state"
        if snapshot(arguments) != copies:
            return "changed", "the input"
    return outcome, detail


def checked_methods(estimator: Any, arguments: dict[str, Any]) -> tuple[str, str]:
    """Outcome of the methods on the training rows."""
    for name, values in outputs(estimator, arguments):
        if isinstance(values, Exception):
            return "method", f"{name}: {values!r}"
        numbers = np.asarray(values.detach() if isinstance(values, torch.Tensor) else values)
        if not np.isfinite(numbers.astype(float)).all():
            return "infinite", name
    return "fitted", ""


def outputs(estimator: Any, arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and results of the methods and of the fitted attributes that hold numbers."""
    X, y = arguments["X"], arguments.get("y")
    calls: dict[str, Callable[[], Any]] = {
        "transform": lambda: estimator.transform(X),
        "match": lambda: estimator.match(X),
        "translate": lambda: estimator.translate(X),
        "translate y": lambda: estimator.translate(y, domain="y"),
        "sample": lambda: estimator.sample(4, random_state=0),
        "score": lambda: estimator.score(X) if y is None else estimator.score(X, y),
    }
    for name, call in calls.items():
        if not hasattr(estimator, name.split()[0]) or (name == "translate y" and y is None):
            continue
        try:
            yield name, call()
        except Exception as error:
            yield name, error
    for name, value in vars(estimator).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and name.endswith("_"):
            yield name, value
        if isinstance(value, Coupling):
            yield name, value.toarray()


def snapshot(arguments: dict[str, Any]) -> list[bytes]:
    """The content of arguments that have one, as bytes."""
    return [content(value) for value in arguments.values()]


def content(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        return pickle.dumps(value.detach().float().numpy().tobytes())
    if isinstance(value, np.ma.MaskedArray):
        return value.data.tobytes() + np.ma.getmaskarray(value).tobytes()
    if sparse.issparse(value):
        made = value.tocoo()
        return b"".join(np.ascontiguousarray(x).tobytes() for x in (*made.coords, made.data))
    if isinstance(value, pd.DataFrame | pd.Series | np.ndarray):
        return pickle.dumps(value.copy())
    if isinstance(value, nx.Graph):
        return repr((list(value.nodes), list(value.edges(data=True)))).encode()
    return repr(value).encode() if isinstance(value, list | tuple | dict) else b""


def same_objects(x: dict[str, Any], y: dict[str, Any]) -> bool:
    return x.keys() == y.keys() and all(x[name] is y[name] for name in x)


def global_states() -> tuple[bytes, bytes, Any]:
    numpy_state = pickle.dumps(copy.deepcopy(np.random.get_state()))  # noqa: NPY002
    return numpy_state, torch.get_rng_state().numpy().tobytes(), random.getstate()


def main() -> None:
    options = parser(__doc__, "estimator_fuzz", TABLES)
    options.set_defaults(seeds=200, threads=1)
    args = options.parse_args()
    cells: list[dict[str, Any]] = [
        {"kind": kind, "seed": seed} for kind in KINDS for seed in seeds(args)
    ]
    found = run(cells, measure, args)
    table = TABLES["estimator_fuzz"]
    print_table(table.header, table.lines(found))
    for cell, figures in found:
        if figures["outcome"] in FAILURES:
            print(cell, figures)


if __name__ == "__main__":
    main()
