"""The results pages: their commands parse, their tables exist and are those that scripts write."""

import argparse
import csv
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "results"
PAGES = sorted(FOLDER.glob("*.rst"))
COMMANDS = [
    (page.stem, command)
    for page in PAGES
    for command in re.findall(r"python -m (benchmarks\.[^`\n]+)", page.read_text())
]
INCLUDED = [
    (page.stem, name)
    for page in PAGES
    for name in re.findall(r"^ +:file: (\S+)$", page.read_text(), re.MULTILINE)
]
BY_HAND = {  # files that no script writes; see docs/results/index.rst
    "solver/ranks.csv", "solver/convergence.csv",
    "translation/report.csv",
}  # fmt: skip


class Parsed(Exception):
    """Carries the options of a script out of it."""


def options(command, monkeypatch):
    """Module and options of a command, as the script's own parser reads them."""
    name, *arguments = shlex.split(command)
    module, parse = importlib.import_module(name), argparse.ArgumentParser.parse_args

    def parse_and_stop(self, *args, **kwargs):
        raise Parsed(parse(self, *args, **kwargs))

    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with pytest.raises(Parsed) as caught:
        module.main()
    return module, caught.value.args[0]


def table(name):
    with (FOLDER / name).open(newline="") as file:
        return list(csv.reader(file))


def test_there_are_pages():
    assert len(PAGES) > 4
    assert len(COMMANDS) >= len(PAGES)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_parse(page, command, monkeypatch):
    module, args = options(command, monkeypatch)
    for path in args.csv:
        name = path.relative_to("docs/results").as_posix()
        assert (page, name) in INCLUDED
        assert name.split("/")[0] == module.__name__.split(".")[1]
        assert table(name)[0] == list(module.TABLES[path.stem].header)


@pytest.mark.parametrize(("page", "name"), INCLUDED)
def test_tables_are_rectangular(page, name):
    header, *lines = table(name)
    assert lines
    assert len(set(header)) == len(header) == len([title for title in header if title.strip()])
    assert {len(line) for line in lines} == {len(header)}


def test_every_table_is_on_one_page_with_its_command():
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.csv")}
    names = [name for _, name in INCLUDED]
    assert sorted(names) == sorted(files)
    written = {name for name in files if any(f"docs/results/{name}" in c for _, c in COMMANDS)}
    assert files - written == BY_HAND


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_short(page):
    assert len(page.read_text().splitlines()) <= 250
