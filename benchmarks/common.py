"""The command line that all scripts share, and the run over cells that survives an interruption."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchmarks import records
from benchmarks.records import Cell, Figures, Rows
from benchmarks.tables import (
    Column,
    Table,
    groups,
    mean,
    pivot,
    print_figures,
    print_table,
    print_warnings,
    short,
    spread,
    summary,
    write_csv,
)
from skgw import __version__

__all__ = [
    "RESULTS",
    "Cell",
    "Column",
    "Figures",
    "Rows",
    "Table",
    "groups",
    "mean",
    "parser",
    "pin_threads",
    "pivot",
    "print_figures",
    "print_table",
    "print_warnings",
    "run",
    "seeds",
    "short",
    "spread",
    "summary",
]

RESULTS = Path(__file__).parent / "results"


def parser(
    description: str, name: str, tables: Mapping[str, Table] | None = None
) -> argparse.ArgumentParser:
    """The options that all scripts have; `--max-iter 20` makes a quick trial of any.

    `tables` are the files of `docs/results` that `--csv` may write, by their names without suffix.
    """
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, default=5, help="how many seeds (default 5)")
    options.add_argument("--first-seed", type=int, default=0, help="the first of them (default 0)")
    options.add_argument("--threads", type=int, default=2, help="of torch and BLAS (default 2)")
    options.add_argument("--out", type=Path, default=RESULTS / f"{name}.csv", help="records")
    options.add_argument("--table", action="store_true", help="only print what is in the file")
    options.add_argument("--max-iter", type=_max_iter, default="auto", help="of the estimator")
    options.add_argument(
        "--csv",
        type=partial(_table_path, names=[*(tables or ())]),
        nargs="+",
        default=[],
        metavar="PATH",
        help=f"write tables of docs/results: {', '.join(tables or ['none'])}.csv",
    )
    options.set_defaults(tables=tables)
    return options


def seeds(args: argparse.Namespace) -> range:
    return range(args.first_seed, args.first_seed + args.seeds)


def _max_iter(text: str) -> int | str:
    return text if text == "auto" else int(text)


def _table_path(text: str, names: list[str]) -> Path:
    path = Path(text)
    if path.suffix != ".csv" or path.stem not in names:
        known = ", ".join(f"{name}.csv" for name in names) or "no table"
        raise argparse.ArgumentTypeError(f"{path.name}: this script writes {known}")
    return path


def pin_threads(n: int) -> None:
    os.environ["NUMBA_NUM_THREADS"] = str(n)  # read when UMAP is imported
    torch.set_num_threads(n)
    threadpool_limits(n)


def run(cells: Iterable[Cell], measure: Callable[..., Figures], args: argparse.Namespace) -> Rows:
    """Measure the cells that are not in the file yet; return those that are, in order.

    A cell is known by its configuration, seed, number of threads and version of skgw. After a
    change of code within a version, use another file.
    """
    pin_threads(args.threads)
    of_all = {"threads": args.threads, "skgw": __version__}
    cells = [{**cell, **of_all} for cell in cells]
    done = {records.key(cell): figures for cell, figures in records.read(args.out)}
    for cell in cells:
        key = records.key(cell)
        if args.table or key in done:
            continue
        start = time.perf_counter()
        figures = _measure(measure, cell)
        records.append(args.out, cell, figures)
        done[key] = records.plain(figures)
        print(f"{time.perf_counter() - start:6.1f} s  {cell}", file=sys.stderr)
    for path in args.csv:
        rows = [row for row in records.read(args.out) if of_all.items() <= row[0].items()]
        write_csv(path, args.tables[path.stem], rows)
    return [(cell, done[records.key(cell)]) for cell in cells if records.key(cell) in done]


def _measure(measure: Callable[..., Figures], cell: Cell) -> Figures:
    """Call `measure` with the configuration; count the warnings instead of showing them."""
    settings = {name: value for name, value in cell.items() if name not in ("threads", "skgw")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figures = measure(**settings)
    return {**figures, "warnings": dict(Counter(w.category.__name__ for w in caught))}
