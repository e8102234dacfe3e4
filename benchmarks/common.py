"""What the scripts share: command line, threads, results that survive an interruption, tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from skgw import __version__

Cell = dict[str, Any]  # the configuration of one run, seed included
Figures = dict[str, Any]  # what it measured
Rows = list[tuple[Cell, Figures]]

RESULTS = Path(__file__).parent / "results"


def parser(description: str, name: str) -> argparse.ArgumentParser:
    """The options that all scripts have; `--max-iter 20` makes a quick trial of any."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, default=5, help="how many seeds (default 5)")
    options.add_argument("--first-seed", type=int, default=0, help="the first of them (default 0)")
    options.add_argument("--threads", type=int, default=2, help="of torch and BLAS (default 2)")
    options.add_argument("--out", type=Path, default=RESULTS / f"{name}.jsonl", help="results file")
    options.add_argument("--table", action="store_true", help="only print what is in the file")
    options.add_argument("--max-iter", type=_max_iter, default="auto", help="of the estimator")
    return options


def seeds(args: argparse.Namespace) -> range:
    return range(args.first_seed, args.first_seed + args.seeds)


def _max_iter(text: str) -> int | str:
    return text if text == "auto" else int(text)


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
    cells = [{**cell, "threads": args.threads, "skgw": __version__} for cell in cells]
    done = _read(args.out)
    for cell in cells:
        if args.table or _key(cell) in done:
            continue
        start = time.perf_counter()
        figures = _measure(measure, cell)
        _append(args.out, cell, figures)
        done[_key(cell)] = figures
        print(f"{time.perf_counter() - start:6.1f} s  {_key(cell)}", file=sys.stderr)
    return [(cell, done[_key(cell)]) for cell in cells if _key(cell) in done]


def _measure(measure: Callable[..., Figures], cell: Cell) -> Figures:
    """Call `measure` with the configuration; count the warnings instead of showing them."""
    settings = {name: value for name, value in cell.items() if name not in ("threads", "skgw")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figures = measure(**settings)
    return {**figures, "warnings": dict(Counter(w.category.__name__ for w in caught))}


def _key(cell: Cell) -> str:
    return json.dumps(cell, sort_keys=True)


def _read(path: Path) -> dict[str, Figures]:
    lines = path.read_text().splitlines() if path.exists() else []
    records = [json.loads(line) for line in lines]
    return {_key(record["cell"]): record["figures"] for record in records}


def _append(path: Path, cell: Cell, figures: Figures) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"cell": cell, "figures": figures}) + "\n")


def groups(rows: Rows, *by: str) -> dict[tuple[Any, ...], list[Figures]]:
    """Figures of all seeds, by what is in the columns `by`."""
    grouped: dict[tuple[Any, ...], list[Figures]] = {}
    for cell, figures in rows:
        grouped.setdefault(tuple(cell[name] for name in by), []).append(figures)
    return grouped


def mean(records: Sequence[Figures], name: str) -> float:
    return float(np.mean([record[name] for record in records]))


def spread(records: Sequence[Figures], name: str, digits: int = 2) -> str:
    """Mean ± standard deviation over the records that have the figure."""
    values = [record[name] for record in records if record.get(name) is not None]
    if not values:
        return "–"
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def print_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    print("\n| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def print_figures(rows: Rows, by: Sequence[str], columns: dict[str, tuple[str, int]]) -> None:
    """One line per configuration; `columns` maps headers to names of figures and digits."""
    lines = []
    for group, records in groups(rows, *by).items():
        figures = [spread(records, name, digits) for name, digits in columns.values()]
        lines.append([*map(str, group), *figures, str(len(records))])
    print_table([*by, *columns, "seeds"], lines)
    print_warnings(rows)


def print_warnings(rows: Rows) -> None:
    """Which warnings came up in how many cells, if one says that something did not converge."""
    cells = Counter(name for _, figures in rows for name in figures["warnings"])
    for name, count in cells.items():
        if "Convergence" in name:
            print(f"\n{name} in {count} of {len(rows)} cells.")
