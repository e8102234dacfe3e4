"""Texts under two encoders, matched without a pair, beside an orthogonal map of the true pairs.

    python -m benchmarks.matching.texts --data captions descriptions

Each folder of `--data` is a set of texts: files ``ENCODER.npy`` hold arrays of shapes (n, width of
the encoder), and row i of each array is text i. Any encoder of sentences writes such a file:

    numpy.save("captions/minilm.npy", model.encode(texts))

n is at least the number of held-out texts plus the rows of both domains: 5,600 for 2,500 disjoint
texts on either side. Seeds draw the texts of each domain and of the test, and their order. With
"same rows" both domains have the same texts, with "disjoint rows" no text is in both. Held-out
pairs score every map, means of both directions:

*translate* is `GWMatcher.translate`; *matches* is the orthogonal map that fits the pairs of
`GWMatcher.match` best (Procrustes), and *true pairs* the one that fits the texts of the first
domain and their true matches: the ceiling, with as many pairs as there are rows. All are compared
by cosines from the mean of the fitted rows. FOSCTTM is the share of texts that are nearer than the
true match, *top-1* the share of texts whose nearest one is the true match; *match* is the share of
held-out texts that `GWMatcher.match` gives the true one of the held-out texts, and *match@1* the
share of fitted rows with the right match.
"""

from __future__ import annotations

import functools
import itertools
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Cell, Figures, mean, parser, print_figures, run, seeds
from benchmarks.matching.centres import UnitRows, polar
from benchmarks.matching.problems import DISJOINT, SAME
from benchmarks.tables import short, summary
from skgw import GWMatcher
from skgw.exceptions import AmbiguousMatchingWarning
from skgw.metrics import foscttm

Array = NDArray[Any]
ROWS = 600, 1250, 2500
N_HELD_OUT = 600
MAPS = "translate", "matches", "true pairs"


class Texts(NamedTuple):
    """Embedded texts of two domains, and pairs of both encoders.

    Attributes
    ----------
    X, Y : arrays of shapes (n, p) and (n, q)
        Rows of the two domains, in an order of their own.
    pairs : pair of arrays of shapes (n, p) and (n, q)
        The texts of the first domain under both encoders.
    test : pair of arrays of shapes (t, p) and (t, q)
        Held-out texts under both encoders.
    matches : array of int of shape (n,), or None
        Position in `Y` of each text of `X`; None if no text is in both.
    """

    X: Array
    Y: Array
    pairs: tuple[Array, Array]
    test: tuple[Array, Array]
    matches: NDArray[np.int_] | None


def draw(A: Array, B: Array, protocol: str, rows: int, seed: int) -> Texts:
    """Draw `rows` texts of either domain, and the held-out texts.

    Raises
    ------
    ValueError
        If there are too few texts.
    """
    n_needed = N_HELD_OUT + rows * (1 + (protocol == DISJOINT))
    if n_needed > len(A):
        raise ValueError(f"{rows} {protocol} need {n_needed} texts, got {len(A)}")
    rng = np.random.default_rng(seed)
    test, i, rest = np.split(rng.permutation(len(A)), [N_HELD_OUT, N_HELD_OUT + rows])
    order = rng.permutation(rows)
    j = (i if protocol == SAME else rest[:rows])[order]
    matches = np.argsort(order) if protocol == SAME else None
    return Texts(A[i], B[j], (A[i], B[i]), (A[test], B[test]), matches)


@cache
def embedded(folder: Path, encoder: str) -> Array:
    return np.asarray(np.load(folder / f"{encoder}.npy"), dtype=np.float64)


def measure(
    texts: str, encoders: str, protocol: str, rows: int, seed: int, *, folders: dict[str, Path]
) -> Figures:
    A, B = (embedded(folders[texts], encoder) for encoder in encoders.split(" - "))
    drawn = draw(A, B, protocol, rows, seed)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        matcher = GWMatcher(random_state=seed).fit(drawn.X, drawn.Y)
    seconds = time.process_time() - start
    found = matcher.match()
    units = UnitRows(drawn.X), UnitRows(drawn.Y)
    forth, back = (matcher.translate(Z, domain=d) for Z, d in zip(drawn.test, "xy", strict=True))
    figures: dict[str, Any] = {
        "translate": scores(units, drawn.test, (units[0](back), units[1](forth))),
        "matches": scores(units, drawn.test, rotated(units, (drawn.X, drawn.Y[found]), drawn.test)),
        "true pairs": scores(units, drawn.test, rotated(units, drawn.pairs, drawn.test)),
    }
    chosen = (
        matcher.match(*pair, domain=d) for pair, d in ((drawn.test, "x"), (drawn.test[::-1], "y"))
    )
    figures["match top1"] = float(np.mean([each == np.arange(len(each)) for each in chosen]))
    if drawn.matches is not None:
        figures["match@1"] = float((found == drawn.matches).mean())
    warned = any(issubclass(w.category, AmbiguousMatchingWarning) for w in caught)
    return {
        "seconds": seconds,
        **{f"{name} {key}": x for name in MAPS for key, x in figures.pop(name).items()},
        **figures,
        "probability": matcher.matching_probability_,
        **matcher.diagnostics_,
        "warned": float(warned),
    }


def rotated(
    units: tuple[UnitRows, UnitRows], pairs: tuple[Array, Array], test: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Test rows of either domain, translated by the orthogonal map that fits pairs best.

    Returns
    -------
    in_x, in_y : arrays of unit rows of the first and of the second domain
    """
    U, V = (unit(Z) for unit, Z in zip(units, pairs, strict=True))
    R = polar(U.T @ V)
    return units[1](test[1]) @ R.T, units[0](test[0]) @ R


def scores(
    units: tuple[UnitRows, UnitRows], test: tuple[Array, Array], mapped: tuple[Array, Array]
) -> dict[str, float]:
    """Means of both directions: rows that were translated into a domain, beside the true rows."""
    found: dict[str, list[float]] = {"foscttm": [], "top1": []}
    for unit, truth, rows in zip(units, test, mapped, strict=True):
        targets = unit(truth)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        directions = rows / np.where(norms > 0, norms, 1)
        found["foscttm"].append(foscttm(directions, targets))
        nearest = (directions @ targets.T).argmax(1)
        found["top1"].append(float((nearest == np.arange(len(targets))).mean()))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _warned(records: list[Figures]) -> str:
    return f"{mean(records, 'warned'):.0%}"


COLUMNS = {
    "match@1": ("match@1", 3),
    "top-1, translate": ("translate top1", 3),
    "top-1, match": ("match top1", 3),
    "top-1, matches": ("matches top1", 3),
    "top-1, true pairs": ("true pairs top1", 3),
    "FOSCTTM, translate": ("translate foscttm", 3),
    "FOSCTTM, true pairs": ("true pairs foscttm", 3),
    "probability": ("probability", 2),
    "s": ("seconds", 0),
}
BY = {"texts": "texts", "encoders": "encoders", "rows": lambda cell: f"{cell['rows']:,}"}


def _table(protocol: str, names: list[str]) -> Any:
    columns = {name: short(*COLUMNS[name]) for name in names}
    return summary(
        BY, {**columns, "warned": _warned}, where=lambda cell: cell["protocol"] == protocol
    )


TABLES = {
    "same_texts": _table(SAME, [name for name in COLUMNS if "FOSCTTM" not in name]),
    "disjoint_texts": _table(DISJOINT, [name for name in COLUMNS if name != "match@1"]),
}


def main() -> None:
    options = parser(__doc__ or "", "texts", TABLES)
    options.add_argument("--data", type=Path, nargs="+", required=True, metavar="FOLDER")
    options.add_argument("--encoders", nargs="+", metavar="NAME", help="default: all files")
    options.add_argument("--protocols", nargs="+", choices=(SAME, DISJOINT), default=[SAME])
    options.add_argument("--rows", nargs="+", type=int, default=ROWS, help="of either domain")
    args = options.parse_args()
    folders = {folder.name: folder for folder in args.data}
    cells: list[Cell] = [
        {
            "texts": name, "encoders": " - ".join(pair), "protocol": protocol, "rows": rows,
            "seed": seed,
        }
        for seed in seeds(args)
        for name, folder in folders.items()
        for pair in itertools.combinations(encoders(folder, args.encoders), 2)
        for protocol in args.protocols
        for rows in args.rows
    ]  # fmt: skip
    rows = run(cells, functools.partial(measure, folders=folders), args)
    print_figures(rows, ["protocol", "texts", "encoders", "rows"], COLUMNS)


def encoders(folder: Path, chosen: list[str] | None) -> list[str]:
    """Names of the encoders of a folder, in the order of the option, or of the alphabet."""
    return chosen or sorted(path.stem for path in folder.glob("*.npy"))


if __name__ == "__main__":
    main()
