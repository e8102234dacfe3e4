"""Records of a benchmark: one CSV file with a header, and a line for each finished cell.

The columns up to `skgw`, the version, are the configuration; the columns after `skgw` are figures.
A nested figure has a column for each of its parts: `{"POT": {"ms": 2.0}}` is `POT.ms`, and a list
of dictionaries counts, as in `grid.0.score`. A field is the text of a string or the JSON of any
other value; an empty field is None, or a figure that this cell does not have.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Cell = dict[str, Any]  # the configuration of one run, seed included
Figures = dict[str, Any]  # what the run measured
Rows = list[tuple[Cell, Figures]]
Fields = dict[str, str]  # a part of a line, by column

LAST = "skgw"  # column of the configuration


class Line(NamedTuple):
    """A finished cell, as texts by column; an empty field is left out."""

    cell: Fields
    figures: Fields


class Header(NamedTuple):
    """Columns of the configuration, which end with the version, and of the figures."""

    cell: list[str]
    figures: list[str]

    def with_columns(self, cell: Iterable[str], figures: Iterable[str]) -> Header:
        """The header with what is new in a line; of the configuration before the version."""
        old = [name for name in self.cell if name != LAST]
        new = [name for name in cell if name not in self.cell and name != LAST]
        measured = [name for name in figures if name not in self.figures]
        return Header([*old, *new, LAST], [*self.figures, *measured])

    def row(self, line: Line) -> list[str]:
        return [
            part.get(name, "") for names, part in zip(self, line, strict=True) for name in names
        ]


def key(cell: Cell) -> frozenset[tuple[str, str]]:
    """Whatever tells a cell from others; a value of None is no value."""
    return frozenset(_fields(cell).items())


def read(path: Path) -> Rows:
    """Cells and figures of all complete lines, in order."""
    header, lines = _load(path)
    return [
        ({name: decode(line.cell.get(name, "")) for name in header.cell}, nested(line.figures))
        for line in lines
    ]


def append(path: Path, cell: Cell, figures: Figures) -> None:
    """Add a line. The file is written anew where it has a broken line or lacks a column."""
    known, lines = _load(path)
    line = Line(_fields(cell), _fields(flat(figures)))
    header = known.with_columns(cell, line.figures)
    if header != known or not _ends_with_a_line(path):
        _write(path, header, lines)
    with path.open("a", newline="") as file:
        _writer(file).writerow(header.row(line))


def plain(figures: Figures) -> Figures:
    """The figures as they come back from a file."""
    return nested(_fields(flat(figures)))


def flat(figures: Figures) -> Figures:
    """Parts of nested figures by the path to them, with dots."""
    return dict(_parts(figures, ""))


def nested(fields: Fields) -> Figures:
    """The values of fields, and what `flat` made flat."""
    figures: Figures = {}
    for path, text in fields.items():
        *parents, name = path.split(".")
        place = figures
        for parent in parents:
            place = place.setdefault(parent, {})
        if text:
            place[name] = decode(text)
    return {name: _listed(value) for name, value in figures.items()}


def encode(value: Any) -> str:
    """The text of a field."""
    if value is None:
        return ""
    if isinstance(value, str) and value and decode(value) == value and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False, default=lambda x: x.item())


def decode(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except json.JSONDecodeError:
        return text


def _fields(values: dict[str, Any]) -> Fields:
    texts = {name: encode(value) for name, value in values.items()}
    return {name: text for name, text in texts.items() if text}


def _parts(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, (list, tuple)) and part and isinstance(part[0], dict):
            part = dict(enumerate(part))
        if isinstance(part, dict):
            yield from _parts(part, f"{path}{name}.")
        else:
            yield f"{path}{name}", part


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    parts = {name: _listed(part) for name, part in value.items()}
    counts = list(parts) == [str(k) for k in range(len(parts))]
    return list(parts.values()) if counts else parts


def _load(path: Path) -> tuple[Header, list[Line]]:
    """The header, and the lines that were written to their end."""
    text = path.read_text() if path.exists() else ""
    header, *lines = [*csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))] or [[]]
    n = header.index(LAST) + 1 if header else 0
    return (
        Header(header[:n], header[n:]),
        [Line(_of(header[:n], line[:n]), _of(header[n:], line[n:])) for line in lines],
    )


def _of(names: Sequence[str], line: Sequence[str]) -> Fields:
    return {name: text for name, text in zip(names, line, strict=True) if text}


def _write(path: Path, header: Header, lines: Iterable[Line]) -> None:
    """All of a file at once, so that an interruption leaves the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    with draft.open("w", newline="") as file:
        _writer(file).writerow([*header.cell, *header.figures])
        _writer(file).writerows(header.row(line) for line in lines)
    draft.replace(path)


def _writer(file: Any) -> Any:
    return csv.writer(file, lineterminator="\n")


def _ends_with_a_line(path: Path) -> bool:
    return path.exists() and path.read_bytes().endswith(b"\n")
