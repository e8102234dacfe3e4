import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from skgw.matching.pairs import read_pairs
from skgw.matching.side_information import read_anchors

ROWS, MATCHES = [3, 9, 12], [5, 0, 7]
NAMES = [f"cell {k}" for k in range(20)], [f"CELL {k}" for k in range(20)]


@pytest.mark.parametrize(
    "pairs",
    [
        (ROWS, MATCHES),
        (np.array(ROWS), tuple(MATCHES)),
        (torch.tensor(ROWS), pd.Series(MATCHES)),
        np.array([ROWS, MATCHES]),
        np.array([ROWS, MATCHES]).T,
        [ROWS, MATCHES],
        [tuple(ROWS), tuple(MATCHES)],
        list(zip(ROWS, MATCHES, strict=True)),
        tuple(zip(ROWS, MATCHES, strict=True)),
        zip(ROWS, MATCHES, strict=True),
        pd.DataFrame({"X": ROWS, "y": MATCHES}),
        torch.tensor([ROWS, MATCHES]).T,
        np.array([ROWS, MATCHES], dtype=object),
        [np.array(pair) for pair in zip(ROWS, MATCHES, strict=True)],
        ([NAMES[0][k] for k in ROWS], [NAMES[1][k] for k in MATCHES]),
        [(NAMES[0][i], NAMES[1][j]) for i, j in zip(ROWS, MATCHES, strict=True)],
        (ROWS, [NAMES[1][k] for k in MATCHES]),
    ],
)
def test_forms_of_pairs(pairs):
    i, j = read_pairs(pairs, (20, 20), NAMES)
    assert_array_equal(i, ROWS)
    assert_array_equal(j, MATCHES)
    assert i.dtype.kind == j.dtype.kind == "i"


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_tuple_of_two_sequences_has_rows_of_each_domain(k):
    for pairs in ((ROWS[:k], MATCHES[:k]), (tuple(ROWS[:k]), tuple(MATCHES[:k]))):
        i, j = read_pairs(pairs, (20, 20))
        assert (i.tolist(), j.tolist()) == (ROWS[:k], MATCHES[:k])


def test_one_pair_in_a_list():
    assert [x.tolist() for x in read_pairs([(3, 5)], (20, 20))] == [[3], [5]]
    assert [x.tolist() for x in read_pairs([[3], [5]], (20, 20))] == [[3], [5]]


@pytest.mark.parametrize("pairs", [[(3, 5), (9, 0)], [[3, 5], [9, 0]], np.array([[3, 5], [9, 0]])])
def test_two_readings_are_refused(pairs):
    with pytest.raises(ValueError, match="two ways") as caught:
        read_pairs(pairs, (20, 20))
    assert "([3, 9], [5, 0])" in str(caught.value)
    assert "([3, 5], [9, 0])" in str(caught.value)


@pytest.mark.parametrize("pairs", [[], ([], []), np.empty((0, 2)), np.empty((2, 0), dtype=int)])
def test_no_pairs(pairs):
    assert [len(x) for x in read_pairs(pairs, (20, 20))] == [0, 0]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("ab", "a tuple of two sequences"),
        ({0: 1}, "a tuple of two sequences"),
        (np.zeros((3, 4), dtype=int), r"got shape \(3, 4\)"),
        ([(0, 1), (2,), (3, 4)], "array or a list of pairs"),
        ([(0, 1, 2), (3, 4, 5), (6, 7, 8)], r"got shape \(3, 3\)"),
        ([0, 1, 2], "array or a list of pairs"),
        (([0, 1], [0]), "got 2 rows of X and 1 rows of y"),
        (([0.5], [0]), "Rows are positions, or names"),
        (([True], [False]), "Rows are positions, or names"),
        (([-1], [0]), "outside of a domain of 20"),
        (([0], [20]), "outside of a domain of 20"),
        (([0, 0], [1, 2]), "names a row twice"),
        (([[0, 1]], [[1, 2]]), "Rows are positions, or names"),
        ((["cell 3"], [1]), "'cell 3', which X does not have"),
    ],
)
def test_mistakes_are_named(pairs, message):
    names = None if "positions, or names" in message else ["a"] * 20
    with pytest.raises(ValueError, match=message):
        read_pairs(pairs, (20, 20), (names, names))


def test_names_that_are_not_unique():
    with pytest.raises(ValueError, match="'a', which y has more than once"):
        read_pairs(([0], ["a"]), (2, 2), (None, ["a", "a"]))


def test_labels_and_pairs_have_the_same_forms():
    rng = np.random.RandomState(0)
    pairs = [(0, 1), (1, 2), (2, 0)]
    i, j = read_anchors(pairs, (["a", "b", "c", "d"], ["c", "a", "b", "d"]), (4, 4), rng)
    assert_array_equal(i, [0, 1, 2, 3])
    assert_array_equal(j, [1, 2, 0, 3])


def test_estimators_know_names(quick, copies):
    X = pd.DataFrame(copies.X, index=[f"cell {k}" for k in range(60)]).add_prefix("x")
    Y = pd.DataFrame(copies.Y, index=[f"CELL {k}" for k in range(60)]).add_prefix("y")
    by_names = [(f"cell {k}", f"CELL {copies.match[k]}") for k in (4, 40, 11)]
    by_positions = ([4, 40, 11], copies.match[[4, 40, 11]])
    plans = [quick().fit(X, Y, pairs=pairs).plan_ for pairs in (by_names, by_positions)]
    assert_array_equal(*plans)


def test_graphs_know_names(quick):
    grid = nx.grid_2d_graph(5, 3)
    graph = nx.relabel_nodes(grid, {(i, j): f"{i}{j}" for i, j in grid})
    matcher = quick(metric="precomputed").fit(graph, graph, pairs=(["00", "22"], ["40", "22"]))
    match = dict(zip(graph, np.array(list(graph))[matcher.match()], strict=True))
    assert match == {f"{i}{j}": f"{4 - i}{j}" for i in range(5) for j in range(3)}


# ---------------------------------------------------------------- pairs against the distances


@pytest.fixture(scope="module")
def isometric():
    """Distances that match every row: rows, and partners of the first domain's rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4)) * [4, 2, 0.2, 0.1]
    order = rng.permutation(80)
    Y = (X @ np.linalg.qr(rng.normal(size=(6, 4)))[0].T)[order]
    return X, Y, np.argsort(order)


@pytest.mark.parametrize("k", [1, 2, 6])
def test_right_pairs_agree_with_the_distances(quick, isometric, k):
    X, Y, match = isometric
    rows = np.arange(3, 3 + k)
    matcher = quick().fit(X, Y, pairs=(rows, match[rows]))  # a warning would be an error
    assert (matcher.match() == match).mean() > 0.95


@pytest.mark.filterwarnings("ignore::skgw.exceptions.AmbiguousMatchingWarning")
@pytest.mark.parametrize("rows", [[3, 9], [3, 9, 20, 31]])
def test_wrong_pairs_contradict_the_distances(quick, isometric, rows):
    X, Y, match = isometric
    with pytest.warns(UserWarning, match=r"pairs contradict the distances.*alpha"):
        quick().fit(X, Y, pairs=(rows, np.roll(match[rows], 1)))
