"""Tables of figures: Markdown for the terminal, CSV for the pages of `docs/results`.

A `Table` makes one file of `docs/results` of the records of a benchmark. `summary` describes the
usual one: a line for each configuration, and mean ± standard deviation over the seeds.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.records import Cell, Figures, Rows

NOTHING = "–"
Label = str | Callable[[Cell], str]  # a name in the configuration, or what a line is called
Column = tuple[str, int] | Callable[[Sequence[Figures]], str]  # a figure and its digits


class Table(NamedTuple):
    """The header of a table, and its lines, from records."""

    header: Sequence[str]
    lines: Callable[[Rows], Iterable[Sequence[str]]]


def summary(
    by: Mapping[str, Label],
    columns: Mapping[str, Column],
    *,
    seeds: str | None = "seeds",
    over: Sequence[str] = ("seed",),
    where: Callable[[Cell], bool] = lambda cell: True,
) -> Table:
    """A line for each configuration that differs in `by`; `seeds` heads the number of records.

    Records of a line may differ in what is named in `over`.
    """

    def lines(rows: Rows) -> list[list[str]]:
        found = alike([row for row in rows if where(row[0])], by, over)
        return [
            [*labels, *figures(records, columns), *([str(len(records))] if seeds else [])]
            for labels, records in found.items()
        ]

    return Table([*by, *columns, *([seeds] if seeds else [])], lines)


def pivot(by: str, label: str, along: str, names: Sequence[str], column: tuple[str, int]) -> Table:
    """One figure: a line for each value of `by`, a column for each of `names`."""

    def lines(rows: Rows) -> list[list[str]]:
        found = alike(rows, {label: by, along: along})
        values = dict.fromkeys(labels[0] for labels in found)
        return [
            [value, *(spread(found.get((value, name), []), *column) for name in names)]
            for value in values
        ]

    return Table([label, *names], lines)


def alike(
    rows: Rows, by: Mapping[str, Label], over: Sequence[str] = ("seed",)
) -> dict[tuple[str, ...], list[Figures]]:
    """Figures of records with the same labels, which may differ in nothing but `over`."""
    cells: dict[tuple[str, ...], Cell] = {}
    found: dict[tuple[str, ...], list[Figures]] = {}
    for cell, record in rows:
        labels = tuple(
            label(cell) if callable(label) else str(cell[label]) for label in by.values()
        )
        rest = {name: value for name, value in cell.items() if name not in over}
        first = cells.setdefault(labels, rest)
        if mixed := [name for name in rest if rest[name] != first.get(name)]:
            raise ValueError(f"Records of {labels} differ in {mixed}: use another --out.")
        found.setdefault(labels, []).append(record)
    return found


def figures(records: Sequence[Figures], columns: Mapping[str, Column]) -> list[str]:
    return [
        column(records) if callable(column) else spread(records, *column)
        for column in columns.values()
    ]


def write_csv(path: Path, table: Table, rows: Rows) -> None:
    """The file that a page of `docs/results` includes."""
    lines = [list(line) for line in table.lines(rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([table.header, *lines])


def groups(rows: Rows, *by: str) -> dict[tuple[Any, ...], list[Figures]]:
    """Figures of all seeds, by what is in the columns `by`."""
    grouped: dict[tuple[Any, ...], list[Figures]] = {}
    for cell, record in rows:
        grouped.setdefault(tuple(cell[name] for name in by), []).append(record)
    return grouped


def mean(records: Sequence[Figures], name: str) -> float:
    return float(np.mean([record[name] for record in records]))


def spread(records: Sequence[Figures], name: str, digits: int = 2) -> str:
    """Mean ± standard deviation over the records that have the figure."""
    values = [record[name] for record in records if record.get(name) is not None]
    if not values or any(map(math.isnan, values)):
        return NOTHING
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def short(name: str, digits: int) -> Column:
    """Mean ± standard deviation, without a deviation that rounds to zero."""
    zero = f" ± {0:.{digits}f}"
    return lambda records: spread(records, name, digits).removesuffix(zero)


def print_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    print("\n| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def print_figures(rows: Rows, by: Sequence[str], columns: dict[str, tuple[str, int]]) -> None:
    """One line per configuration; `columns` maps headers to names of figures and digits."""
    lines = [
        [*map(str, group), *figures(records, columns), str(len(records))]
        for group, records in groups(rows, *by).items()
    ]
    print_table([*by, *columns, "seeds"], lines)
    print_warnings(rows)


def print_warnings(rows: Rows) -> None:
    """Which warnings came up in how many cells, if one says that something did not converge."""
    cells = Counter(name for _, record in rows for name in record.get("warnings", {}))
    for name, count in cells.items():
        if "Convergence" in name:
            print(f"\n{name} in {count} of {len(rows)} cells.")
