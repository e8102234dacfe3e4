"""Problems and baselines of the benchmark of matchings."""

import numpy as np
import pytest

from benchmarks.matching import family, texts
from benchmarks.matching.centres import CentreMatcher, assigned, nearest, polar
from benchmarks.matching.problems import DISJOINT, SAME, Problem, named, split
from benchmarks.matching.scot import (
    EPSILONS,
    complete,
    entropic_plan,
    hops,
    neighborhoods,
    self_tuned,
)
from skgw.metrics import foscttm

PROBLEMS = named(None)


def rotated(Z, width, seed=0):
    """The rows in a random orthonormal basis of more dimensions."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, Z.shape[1])))[0]
    return Z @ basis.T


def skewed(n, seed=0):
    return np.random.default_rng(seed).gamma(2.0, size=(n, 3)) * [3.0, 2.0, 1.0]


def labelled(n, **settings):
    """A problem whose rows are the numbers of the objects."""
    numbers = np.arange(float(n))[:, None]
    return Problem("numbers", "numbers", numbers, numbers, np.arange(n), **settings)


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_are_finite_and_paired(name):
    problem = PROBLEMS[name]
    assert len(problem.A) == len(problem.B)
    parts = split(problem, SAME, 300, 0)
    assert all(np.isfinite(rows).all() for rows in parts[:4])
    matched = parts.matches >= 0
    assert matched.all() == (problem.seen is None)
    assert np.array_equal(parts.X[matched], parts.test_x)
    assert np.array_equal(parts.Y[parts.matches[matched]], parts.test_y)


@pytest.mark.parametrize("seed", [0, 1])
def test_disjoint_rows_are_in_one_part_only(seed):
    parts = split(labelled(90), DISJOINT, 300, seed)
    assert parts.matches is None
    assert np.array_equal(parts.test_x, parts.test_y)
    rows = np.concatenate([parts.X, parts.Y, parts.test_x]).ravel()
    assert sorted(rows) == [*range(90)]


@pytest.mark.parametrize("protocol", [SAME, DISJOINT])
def test_rows_without_a_match_are_fitted_and_not_scored(protocol):
    in_x, in_y = np.arange(120) < 100, np.arange(120) >= 30
    parts = split(labelled(120, seen=(in_x, in_y)), protocol, 120, 0)
    x, y, test = (Z.ravel().astype(int) for Z in (parts.X, parts.Y, parts.test_x))
    assert in_x[x].all()
    assert in_y[y].all()
    assert (in_x & in_y)[test].all()
    assert np.array_equal(parts.labels[0], x)
    assert np.array_equal(parts.labels[1], y)
    if protocol == SAME:
        assert (len(x), len(y), len(test)) == (100, 90, 70)
        assert np.array_equal(parts.matches < 0, x < 30)


def test_too_few_rows_are_an_error():
    with pytest.raises(ValueError, match="too few rows"):
        split(labelled(30), DISJOINT, 300, 0)


def test_views_of_digits_with_equal_distances():
    problem = PROBLEMS["scikit-learn/digits/pixels-Fourier coefficients"]
    i = np.random.default_rng(0).permutation(len(problem.A))[:200]
    one, other = (np.linalg.norm(Z[i[:100]] - Z[i[100:]], axis=1) for Z in (problem.A, problem.B))
    assert np.corrcoef(one, other)[0, 1] > 0.95
    amplitudes = PROBLEMS["scikit-learn/digits/pixels-Fourier amplitudes"]
    other = np.linalg.norm(amplitudes.B[i[:100]] - amplitudes.B[i[100:]], axis=1)
    assert np.corrcoef(one, other)[0, 1] < 0.9


def test_the_true_plan_has_no_error_where_rows_lack_a_match():
    parts = split(PROBLEMS["simulated/partial, overlap 0.8/noise 0.05"], SAME, 300, 0)
    plan = np.zeros((len(parts.X), len(parts.Y)))
    matched = parts.matches >= 0
    plan[matched, parts.matches[matched]] = 1
    figures = family.of_plan(parts, plan)
    assert figures["foscttm"] == 0
    assert figures["top1"] == 1
    assert family.of_plan(parts, np.ones_like(plan))["foscttm"] == pytest.approx(0.5, abs=0.02)


def test_centres_find_a_rotated_copy_and_translate_other_rows():
    Z = skewed(400)
    X, Y = Z[:300], 2.5 * rotated(Z, 5) + 1
    order = np.random.default_rng(1).permutation(300)
    matcher = CentreMatcher(0).fit(X, Y[:300][order])
    assert (matcher.plan.argmax(1) == np.argsort(order)).mean() > 0.99
    new_x, new_y = Z[300:], Y[300:]
    assert np.allclose(matcher.translate(new_x), matcher.unit_y(new_y), atol=1e-6)
    assert np.allclose(matcher.translate(new_y, domain="y"), matcher.unit_x(new_x), atol=1e-6)


def test_centres_find_disjoint_rows_of_a_rotated_copy():
    Z = skewed(900)
    Y = rotated(Z, 4)
    matcher = CentreMatcher(0).fit(Z[:300], Y[300:600])
    assert foscttm(matcher.translate(Z[600:]), matcher.unit_y(Y[600:])) < 0.1


def test_the_polar_factor_is_semi_orthogonal():
    M = np.random.default_rng(0).standard_normal((3, 5))
    R = polar(M)
    assert np.allclose(R @ R.T, np.eye(3))
    assert np.trace(R.T @ M) == pytest.approx(np.linalg.svd(M, compute_uv=False).sum())


def test_weights_of_rows():
    S = np.random.default_rng(0).standard_normal((40, 60))
    W = nearest(S)
    assert W.sum() == pytest.approx(1)
    assert W.ravel()[S.argmax()] == W.max() > W.min() == 0
    assert (W > 0).sum() <= 40 * 3 + 60 * 2
    plan = assigned(S)
    assert np.allclose(plan.sum(1), 1 / 40)
    assert np.allclose(plan.sum(0), 1 / 60)
    square = assigned(S[:, :40])
    assert np.array_equal(assigned(S[:, :40][:, ::-1])[:, ::-1], square)


def test_scot_finds_a_rotated_copy():
    Z = np.random.default_rng(0).standard_normal((80, 6)) * np.arange(1, 7)
    labels = Z[:, 5] > 0
    order = np.random.default_rng(1).permutation(80)
    found = self_tuned(Z, 3 * Z[order])
    assert found.n_sizes > 0
    assert found.n_neighbors in neighborhoods(80)
    translated = found.plan @ Z[order] / found.plan.sum(1, keepdims=True)
    assert foscttm(translated, Z) < 0.1
    assert (labels[order][found.plan.argmax(1)] == labels).mean() > 0.9


def test_scot_takes_the_lowest_distance_of_plans_that_count():
    X, Y = skewed(40), skewed(40, seed=1)
    found = self_tuned(X, Y)
    a = np.full(40, 1 / 40)
    distances = {}
    for k in neighborhoods(40):
        of_k = [entropic_plan(hops(X, k), hops(Y, k), a, a, reg) for reg in EPSILONS[::4]]
        distances[k] = min(distance for plan, distance in of_k if plan is not None)
    assert len(distances) > 2
    assert found.distance == pytest.approx(min(distances.values()))
    assert found.n_neighbors == min(distances, key=distances.get)
    assert max(distances.values()) > 1.1 * found.distance
    assert entropic_plan(hops(X, 5), hops(Y, 5), a, a, 1e-7)[0] is None


def test_scot_without_time_knows_nothing():
    found = self_tuned(skewed(40), skewed(50), max_seconds=-1)
    assert found.n_tried == found.n_sizes == 0
    assert np.isnan(found.distance)
    assert np.allclose(found.plan, 1 / (40 * 50))


def test_distances_of_scot_are_numbers_of_edges():
    Z = np.concatenate([np.arange(6.0), 100 + np.arange(6.0)])[:, None]
    D = hops(Z, 2)
    assert D[0, 0] == 0
    assert D.max() == D[0, 6] == D[0, 5] == 1
    assert np.array_equal(D, D.T)


def test_plans_that_count():
    plan = np.full((2, 2), 0.25)
    assert complete(plan)
    for bad in (np.diag([0.5, 0.0]), 0.9 * plan, np.full((2, 2), np.nan)):
        assert not complete(bad)


@pytest.mark.parametrize("method", [family.CENTRES, family.SCOT])
def test_baselines_have_the_figures_of_the_tables(method):
    name = "scikit-learn/linnerud"
    figures = family.measure(name, "tabular", SAME, method, 300, 0, folder=None)
    assert 0 <= figures["foscttm"] <= 1
    cell = {"problem": name, "family": "tabular", "protocol": SAME, "method": method, "rows": 300}
    table = family.TABLES["families"]
    for line in table.lines([(cell, figures)]):
        assert line[table.header.index(method)] == f"{figures['foscttm']:.3f}"
        assert line.count("–") == len(table.header) - 3
    assert family.TABLES["verdicts"].lines([(cell, figures)])[0][:2] == [SAME, method]
    of_many = {**cell, "rows": 2000}
    assert family.TABLES["verdicts"].lines([(of_many, figures)]) == []
    assert family.TABLES["families_of_many_rows"].lines([(cell, figures)]) == []
    lines = family.TABLES["figures"].lines([(cell, figures), (of_many, figures)])
    assert [line[:3] for line in lines] == [["300", SAME, method], ["2,000", SAME, method]]


@pytest.mark.parametrize("protocol", [SAME, DISJOINT])
def test_texts_are_drawn_in_parts(protocol):
    numbers = np.arange(900.0)[:, None]
    drawn = texts.draw(numbers, numbers + 0.5, protocol, 100, 0)
    x, y = drawn.X.ravel(), drawn.Y.ravel() - 0.5
    assert np.array_equal(drawn.pairs[0], drawn.pairs[1] - 0.5)
    assert np.array_equal(drawn.pairs[0], drawn.X)
    if protocol == SAME:
        assert np.array_equal(y[drawn.matches], x)
        assert not np.array_equal(y, x)
    else:
        assert drawn.matches is None
        assert not set(x) & set(y)
    for held_out in drawn.test[0], drawn.test[1] - 0.5:
        assert len(held_out) == texts.N_HELD_OUT
        assert not set(held_out.ravel()) & {*x, *y}
    with pytest.raises(ValueError, match="need 1600 texts"):
        texts.draw(numbers, numbers, DISJOINT, 500, 0)


def test_encoders_that_are_rotations_of_each_other(tmp_path):
    Z = skewed(700)
    for name, embedded in (("one", Z), ("other", 2 * rotated(Z, 5) + 1), ("third", Z[:, ::-1])):
        np.save(tmp_path / f"{name}.npy", embedded)
    assert texts.encoders(tmp_path, None) == ["one", "other", "third"]
    assert texts.encoders(tmp_path, ["third", "one"]) == ["third", "one"]
    cell = {"texts": "numbers", "encoders": "one - other", "protocol": SAME, "rows": 100, "seed": 0}
    figures = texts.measure(**cell, folders={"numbers": tmp_path})
    assert figures["match@1"] == 1
    for name in texts.MAPS[1:]:
        assert figures[f"{name} top1"] > 0.99
        assert figures[f"{name} foscttm"] < 1e-3
    (line,) = texts.TABLES["same_texts"].lines([(cell, figures)])
    assert line[:4] == ["numbers", "one - other", "100", "1.000"]
    assert list(texts.TABLES["disjoint_texts"].lines([(cell, figures)])) == []


def test_a_map_of_wrong_pairs_is_at_chance():
    Z, W = (np.random.default_rng(seed).standard_normal((700, 8)) for seed in (0, 1))
    drawn = texts.draw(Z, W, DISJOINT, 50, 0)
    units = texts.UnitRows(drawn.X), texts.UnitRows(drawn.Y)
    found = texts.scores(units, drawn.test, texts.rotated(units, (drawn.X, drawn.Y), drawn.test))
    assert found["foscttm"] == pytest.approx(0.5, abs=0.05)
    assert found["top1"] < 0.02
