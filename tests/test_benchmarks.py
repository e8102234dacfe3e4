"""Records of benchmarks: appended, resumed, skipped; and the tables that are made of them."""

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import common, records
from benchmarks.embedding import constraints, image_sheets
from benchmarks.tables import Table, pivot, short, spread, summary, write_csv

TABLES = {"scores": summary({"data": "data"}, {"score": ("score", 2)})}


class Scorer:
    """Measures a figure, and counts how often it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, data, seed, **settings):
        self.asked.append((data, seed))
        if data == "broken":
            raise RuntimeError
        return {"score": seed + 0.5, "parts": {"one": 1, "other": None}, "names": ["a", "b"]}


def options(path, *arguments):
    return common.parser("", "none", TABLES).parse_args(
        ["--threads", "1", "--out", str(path), *map(str, arguments)]
    )


def cells(*names, n_seeds=2, **settings):
    return [{"data": name, **settings, "seed": seed} for name in names for seed in range(n_seeds)]


def lines(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "records.csv"


def test_a_line_is_appended_when_a_cell_is_finished(path):
    with pytest.raises(RuntimeError):
        common.run(cells("4 modes", "broken"), Scorer(), options(path))
    header, *rest = lines(path)
    assert header == ["data", "seed", "threads", "skgw", "score", "parts.one", "names"]
    assert [line[:3] + line[4:] for line in rest] == [
        ["4 modes", "0", "1", "0.5", "1", '["a", "b"]'],
        ["4 modes", "1", "1", "1.5", "1", '["a", "b"]'],
    ]


def test_a_run_resumes_and_skips_finished_cells(path):
    first, second = Scorer(), Scorer()
    measured = common.run(cells("a", rank=None), first, options(path))
    rows = common.run(cells("a", "b", rank=None), second, options(path))
    assert first.asked == [("a", 0), ("a", 1)]
    assert second.asked == [("b", 0), ("b", 1)]
    assert rows[:2] == measured
    assert common.run(cells("a", "c", rank=None), second, options(path, "--table")) == measured
    assert len(second.asked) == 2


def test_other_threads_are_another_cell(path):
    scorer = Scorer()
    common.run(cells("a"), scorer, options(path))
    common.run(cells("a"), scorer, options(path, "--threads", 2))
    assert len(scorer.asked) == 4


def test_a_line_that_was_not_finished_is_measured_again(path):
    scorer = Scorer()
    common.run(cells("a"), scorer, options(path))
    complete = path.read_text()
    for length in (len(complete) - 1, len(complete) - 9, 7, 0):
        path.write_text(complete[:length])
        assert len(common.run(cells("a"), scorer, options(path))) == 2
        assert path.read_text() == complete
    assert len(scorer.asked) == 2 + 1 + 1 + 2 + 2


def test_new_columns_widen_the_file(path):
    common.run(cells("a", n_seeds=1), Scorer(), options(path))
    common.run(cells("b", n_seeds=1, rank=3), lambda **_: {"error": 1e-3}, options(path))
    header, *rest = lines(path)
    names = ["data", "seed", "threads", "rank", "skgw", "score", "parts.one", "names", "error"]
    assert header == names
    assert [line[3:4] + line[5:] for line in rest] == [
        ["", "0.5", "1", '["a", "b"]', ""],
        ["3", "", "", "", "0.001"],
    ]
    scorer = Scorer()
    common.run(cells("a", n_seeds=1), scorer, options(path))
    common.run(cells("b", n_seeds=1, rank=3), scorer, options(path))
    assert not scorer.asked


@pytest.mark.parametrize(
    "value",
    ["auto", "4 modes, 3-D", "300", "true", "", "two\nlines", "±", 3, 1.0, 1e-9, True, [8, 16]],
)
def test_values_survive_a_file(path, value):
    cell = {"value": value, "seed": 0, "skgw": "1.0"}
    records.append(path, cell, {"value": value})
    records.append(path, cell, {})
    assert records.read(path) == [(cell, {"value": value}), (cell, {})]


def test_nested_figures_survive_a_file(path):
    figures = {
        "solvers": {"POT, tuned": {"ms": 2.0}, "skgw": {"ms": np.float32(1.0)}},
        "grid": [{"epsilon": 0.1}, {"epsilon": 0.2}],
        "warnings": {},
    }
    records.append(path, {"seed": 0, "skgw": "1.0"}, figures)
    ((_, found),) = records.read(path)
    assert found == {name: value for name, value in figures.items() if value}
    assert found == records.plain(figures)


def test_mean_and_standard_deviation():
    rows = [{"x": 1.0}, {"x": 2.0}, {"x": None}, {}]
    assert spread(rows, "x", 3) == "1.500 ± 0.707"
    assert spread(rows[:1], "x", 1) == "1.0"
    assert spread(rows[2:], "x") == spread([{"x": float("nan")}], "x") == "–"
    assert short("x", 1)([{"x": 1.0}, {"x": 1.01}]) == "1.0"


def test_the_table_of_a_page_is_written_from_all_records(path, tmp_path, capsys):
    page = tmp_path / "pages" / "scores.csv"
    common.run(cells("a", "b, c"), Scorer(), options(path))
    common.run(cells("d", n_seeds=1), Scorer(), options(path, "--csv", page))
    expected = [["data", "score", "seeds"], ["a", "1.00 ± 0.71", "2"], ["b, c", "1.00 ± 0.71", "2"]]
    assert lines(page) == [*expected, ["d", "0.50", "1"]]
    page.unlink()
    common.run(cells("e"), Scorer(), options(path, "--table", "--csv", page))
    assert lines(page) == [*expected, ["d", "0.50", "1"]]
    with pytest.raises(SystemExit):
        options(path, "--csv", tmp_path / "unknown.csv")
    assert "scores.csv" in capsys.readouterr().err


def test_a_table_mixes_no_configurations(tmp_path):
    rows = [({"data": "a", "max_iter": k, "seed": 0}, {"score": 1.0}) for k in (20, 300)]
    with pytest.raises(ValueError, match="max_iter"):
        write_csv(tmp_path / "scores.csv", TABLES["scores"], rows)


def test_pivot():
    rows = [
        ({"graph": graph, "method": method, "seed": seed}, {"rank": seed + k})
        for k, (graph, method) in enumerate([("karate", "MDS"), ("karate", "PCA"), ("tree", "PCA")])
        for seed in (0, 1)
    ]
    table = pivot("graph", "data", "method", ["MDS", "PCA"], ("rank", 1))
    assert list(table.header) == ["data", "MDS", "PCA"]
    assert table.lines(rows) == [
        ["karate", "0.5 ± 0.7", "1.5 ± 0.7"],
        ["tree", "–", "2.5 ± 0.7"],
    ]


SCRIPTS = [
    path
    for path in sorted(Path(common.__file__).parent.glob("*/*.py"))
    if "TABLES" in path.read_text()
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tables_of_scripts_have_no_lines_without_records(script):
    module = importlib.import_module(f"benchmarks.{script.parent.name}.{script.stem}")
    for table in module.TABLES.values():
        assert isinstance(table, Table)
        assert len(set(table.header)) == len(table.header)
        for line in table.lines([]):
            assert len(line) == len(table.header)


def test_the_share_of_samples_in_a_style_is_measured():
    points = np.array([[constraints.LINE + 1.0, 0.0], [constraints.LINE - 1.0, 0.0]])
    shares = [
        constraints.share_in_style(constraints.parameters(name, 0.1)["penalties"], points)
        for name in ("none", "l1", "half plane")
    ]
    assert shares == [None, None, 0.5]


def test_an_album_keeps_five_moments_of_training():
    album = image_sheets.Album(20)
    for i in range(20):
        assert album(torch.full((32, 4), float(i))) == 0
    assert [row[0, 0] for row in album.rows] == [0, 1, 4, 9, 19]
    assert {row.shape for row in album.rows} == {(image_sheets.N_SHOWN, 4)}


def test_styles_of_images():
    X = np.zeros((2, 25))
    X[:, 12] = 1
    assert np.array_equal(image_sheets.in_style(X, "inverted", (1, 5, 5)), 1 - X)
    bold = image_sheets.in_style(X, "bold", (1, 5, 5)).reshape(2, 5, 5)
    assert (bold.sum((1, 2)) == 9).all()
    assert image_sheets.in_style(X, "paper", (1, 5, 5)) is X
