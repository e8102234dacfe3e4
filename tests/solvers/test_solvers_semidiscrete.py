"""Semi-discrete transport: exact answers, duality, and the linear programme."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import norm

from skgw.solvers.semidiscrete import (
    METHODS,
    CellLookup,
    NormalSource,
    SampledSource,
    SemiDiscreteOptions,
    UniformSource,
    marginal_error,
    solve_semidiscrete,
)
from skgw.solvers.semidiscrete import cells as cells_module
from skgw.solvers.semidiscrete.ascent import adam_ascent
from skgw.solvers.semidiscrete.multiscale import clusters
from skgw.solvers.semidiscrete.plane import planar_cells

SOLVED = {
    "asgd": {},
    "adam": {"batch_size": 2000, "learning_rate": 1e-2},
    "newton": {"batch_size": 10_000},
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tensor(x):
    return torch.tensor(x, dtype=torch.float64)


def problem(n=12, d=2, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2, n)
    return tensor(rng.normal(size=(n, d)) * [2, 1, 0.5][:d]), tensor(weights / weights.sum())


def solve(atoms, weights, method="asgd", source=None, seed=0, **options):
    source = NormalSource(atoms.shape[1]) if source is None else source
    settings = SemiDiscreteOptions(method, **{"tol": 2e-3, **SOLVED[method], **options})
    return solve_semidiscrete(atoms, weights, source, settings, seeded(seed))


@pytest.fixture(scope="module")
def solved():
    atoms, weights = problem()
    return {method: solve(atoms, weights, method) for method in METHODS}


def test_two_atoms_of_a_normal_source():
    """The border is a quantile along the line between the atoms."""
    atoms, weights = tensor([[0.0, 3.0], [4.0, 0.0]]), tensor([0.3, 0.7])
    for method in METHODS:
        heights = solve(atoms, weights, method).heights
        assert float(heights[1] - heights[0]) == pytest.approx(-5 * norm.ppf(0.3), abs=0.15)


@pytest.mark.parametrize(
    ("source", "quantile"),
    [
        (UniformSource(1), lambda p: p - 0.5),
        (NormalSource(1), norm.ppf),
        (SampledSource(1, lambda n, g: 3 + 2 * torch.randn(n, 1, generator=g), seeded(5)), None),
    ],
    ids=["uniform", "normal", "sampled"],
)
def test_a_line_is_exact(source, quantile):
    atoms, weights = problem(9, 1)
    result = solve(atoms, weights, "newton", source)
    assert result.n_iter == 0
    assert result.converged
    order = atoms[:, 0].argsort()
    y, h, p = atoms[order, 0], result.heights[order], weights[order].cumsum(0)[:-1].numpy()
    borders = (-h.diff() / y.diff()).numpy()
    if quantile is None:
        assert_allclose(borders, norm.ppf(p, 3, 2), atol=0.02)
    else:
        assert_allclose(borders, quantile(p), atol=1e-9)


def test_the_line_agrees_with_the_ascent():
    atoms, weights = problem(6, 1)
    exact = solve(atoms, weights, "newton", UniformSource(1)).heights
    assert_allclose(solve(atoms, weights, "asgd", UniformSource(1)).heights, exact, atol=0.02)


def test_methods_agree_on_the_heights(solved):
    """Unique up to a constant, which the weighted mean fixes."""
    _, weights = problem()
    reference = solved["newton"].heights
    for result in solved.values():
        assert result.converged
        assert float(weights @ result.heights) == pytest.approx(0, abs=1e-12)
        assert_allclose(result.heights, reference, atol=0.12)


def test_the_start_does_not_matter():
    atoms, weights = problem()
    found = [solve(atoms, weights, start=start).heights for start in ("zero", "voronoi")]
    assert_allclose(*found, atol=0.12)


def test_dual_value_transform_and_primal_cost_agree(solved):
    atoms, weights = problem()
    x = NormalSource(2).draw(200_000, seeded(7))
    for result in solved.values():
        index, energy = CellLookup(atoms, result.heights).best(x)
        primal = float((x - atoms[index]).square().sum(1).mean())
        potential = 2 * result.heights + atoms.square().sum(1)
        costs = torch.cdist(x, atoms).square()
        transform = (costs - potential).min(1).values
        assert_allclose(transform, x.square().sum(1) - 2 * energy, atol=1e-9)
        dual = float(transform.mean() + weights @ potential)
        assert dual == pytest.approx(primal, rel=0.05)  # equal for exact masses
        assert result.cost == pytest.approx(dual, rel=0.05)


def test_two_symmetric_atoms_in_closed_form():
    atoms, a = tensor([[-1.5], [1.5]]), 1.5
    result = solve(atoms, tensor([0.5, 0.5]), "newton", min_validation=400_000)
    assert result.cost == pytest.approx(1 + a**2 - 2 * a * math.sqrt(2 / math.pi), abs=0.01)


def test_the_cost_is_that_of_the_linear_programme(solved):
    atoms, weights = problem()
    x = NormalSource(2).draw(1500, seeded(3))
    masses = np.full(len(x), 1 / len(x))
    costs = torch.cdist(x, atoms).square().numpy()
    potential = 2 * solved["newton"].heights + atoms.square().sum(1)
    dual = (torch.tensor(costs) - potential).min(1).values.mean() + weights @ potential
    programme = ot.emd2(masses, weights.numpy(), costs)
    assert programme == pytest.approx(float(dual), rel=0.01)
    assert programme >= float(dual) - 1e-9  # weak duality on the same points


def test_the_potentials_are_those_of_pot():
    from ot.semidiscrete import solve_semidiscrete as solve_with_pot

    atoms, weights = problem(6)
    rng = np.random.default_rng(0)
    reference = solve_with_pot(
        atoms.numpy(), lambda n: rng.normal(size=(n, 2)), weights.numpy(), max_iter=2000
    )
    ours = (2 * solve(atoms, weights).heights + atoms.square().sum(1)).numpy()
    difference = ours - reference
    assert np.ptp(difference) < 0.15 * np.ptp(reference)


@pytest.mark.parametrize("method", METHODS)
def test_seeds_repeat(method):
    atoms, weights = problem(d=3)
    one, same, other = (
        solve(atoms, weights, method, seed=s, max_iter=20, tol=0.5) for s in (0, 0, 1)
    )
    assert torch.equal(one.heights, same.heights)
    assert one.marginal_error == same.marginal_error
    assert not torch.equal(one.heights, other.heights)


@pytest.mark.parametrize("method", ["asgd", "newton"])
def test_units_translations_and_rotations(method):
    atoms, weights = problem()
    options = {"max_iter": 30, "tol": 0.05}
    expected = solve(atoms, weights, method, **options).heights
    scale = float(expected.abs().max())
    moved = solve(atoms + 100, weights, method, **options).heights
    assert_allclose(moved, expected, atol=1e-3 * scale)
    scaled = solve(1e6 * atoms, weights, method, **options).heights
    assert_allclose(scaled, 1e6 * expected, rtol=1e-4, atol=1e3 * scale)


def test_the_marginal_error_is_unbiased():
    rng, weights = np.random.default_rng(0), np.array([0.5, 0.3, 0.2])
    masses = np.array([0.4, 0.4, 0.2])
    exact = np.sum((masses - weights) ** 2 / weights)
    draws = rng.multinomial(50, masses, size=4000)
    found = [marginal_error(torch.tensor(c), tensor(weights)) for c in draws]
    assert np.mean(found) == pytest.approx(exact, abs=4 * np.std(found) / 4000**0.5)


def test_convergence_is_judged_by_new_points():
    """Two hundred points give their own cells the right masses, and new points wrong ones."""
    atoms, weights = problem(40)
    fixed = NormalSource(2).draw(200, seeded(1))
    source = SampledSource(2, lambda n, g: fixed[torch.randint(200, (n,), generator=g)], seeded())
    heights = solve(atoms, weights, "asgd", source, tol=0.05).heights
    counts, _ = CellLookup(atoms, heights).counts(NormalSource(2).draw(50_000, seeded(2)))
    assert marginal_error(counts, weights) > 0.05
    assert solve(atoms, weights, max_iter=3).converged is False


def test_a_tree_finds_the_cells_of_all_energies(monkeypatch):
    atoms, _ = problem(300, 3)
    heights = tensor(np.random.default_rng(1).normal(size=300)) * 0.1 - atoms.square().sum(1) / 2
    x = 5 + 0.1 * NormalSource(3).draw(500, seeded())
    for unit in (1.0, 1e6):
        lookup = CellLookup(unit * atoms, unit * heights, chunk_entries=1000)
        index, value = lookup.best(x)
        monkeypatch.setattr(cells_module, "MIN_TREE_ATOMS", 2)
        by_tree = lookup.best(x)
        monkeypatch.undo()
        assert torch.equal(by_tree[0], index)
        assert_allclose(by_tree[1], value, rtol=1e-9)


def test_chunks_do_not_matter():
    atoms, weights = problem(30)
    x = NormalSource(2).draw(50, seeded())
    small, large = (CellLookup(atoms, weights, chunk_entries=c) for c in (1, 10**6))
    assert torch.equal(small.best(x)[0], large.best(x)[0])
    assert torch.equal(small.leading(x, 3), large.leading(x, 3))
    assert torch.equal(small.leading(x, 3)[:, 0], small.best(x)[0])
    assert_allclose(small.best(x)[1], (x @ atoms.T + weights).max(1).values)


def test_adam_doubles_the_samples_when_the_energy_stagnates():
    atoms, weights = problem(4)
    options = SemiDiscreteOptions(
        "adam", max_iter=40, batch_size=10, patience=2, tol=0.1, learning_rate=0.1
    )
    drawn = []

    def draw(m):
        drawn.append(m)
        return NormalSource(2).draw(m, generator)

    generator = seeded()
    list(adam_ascent(draw, atoms, weights, torch.zeros_like(weights), options))
    assert drawn[0] == 10
    assert drawn[-1] > 10
    assert max(drawn) <= 10 * 4 / 0.1
    assert {b / a for a, b in itertools.pairwise(drawn)} == {1.0, 2.0}


def test_newton_refuses_a_hessian_that_is_too_large():
    atoms, weights = problem(20, 3)
    with pytest.raises(ValueError, match=r"Hessian of 20 atoms is too large.*up to 10"):
        solve(atoms, weights, "newton", max_newton_atoms=10)


def test_wrong_options_and_sources_are_refused():
    with pytest.raises(ValueError, match="'sgd' is none of"):
        SemiDiscreteOptions("sgd")
    with pytest.raises(ValueError, match=r"points of shape \(16384, 2\)"):
        SampledSource(2, lambda n, g: np.zeros((n, 3)), seeded())


def test_clusters_have_the_weights_and_means_of_their_atoms():
    atoms = tensor([[0.0, 0.0], [0.2, 0.0], [5.0, 5.0], [5.0, 5.2], [9.0, -9.0]])
    weights = tensor([0.1, 0.3, 0.2, 0.2, 0.2])
    means, label, mass = clusters(atoms, weights, 3, seeded())
    assert label[0] == label[1] != label[2] == label[3] != label[4]
    assert_allclose(mass.sort().values, [0.2, 0.4, 0.4])
    assert_allclose(means[label[0]], [0.15, 0.0])
    assert len(clusters(atoms[:2], tensor([0.5, 0.5]), 30, seeded())[0]) == 2


@pytest.mark.parametrize("start", ["voronoi", "multiscale"])
def test_the_start_of_clusters_has_their_masses(start):
    """Two groups of 60 atoms, one of them with a tenth of the mass, far away."""
    rng = np.random.default_rng(0)
    atoms = tensor(rng.normal(size=(120, 2)) + np.repeat([[0, 0], [15, 0]], 60, axis=0))
    weights = tensor(np.repeat([0.9, 0.1], 60) / 60)
    options = SemiDiscreteOptions(start=start, max_iter=1, tol=100.0)
    masses = solve_semidiscrete(atoms, weights, NormalSource(2), options, seeded()).masses
    assert (float(masses[60:].sum()) == pytest.approx(0.1, abs=0.03)) == (start == "multiscale")


def test_few_atoms_have_no_clusters():
    atoms = tensor(np.random.default_rng(0).normal(size=(50, 2)))
    weights = torch.full((50,), 1 / 50, dtype=torch.float64)
    one, other = (
        solve_semidiscrete(
            atoms, weights, NormalSource(2), SemiDiscreteOptions(start=start, max_iter=50), seeded()
        ).heights
        for start in ("voronoi", "multiscale")
    )
    assert_allclose(one, other)


@pytest.mark.parametrize("uniform", [0.0, 0.3, 1.0])
def test_masses_of_planar_cells_are_those_of_many_points(uniform):
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(60, 2))
    heights = -0.5 * np.square(atoms).sum(1) + 0.05 * rng.normal(size=60)
    cells = planar_cells(atoms, heights, uniform)
    assert cells.masses.sum() == pytest.approx(1, abs=1e-12)
    x, other = (source.draw(200_000, seeded(3)) for source in (NormalSource(2), UniformSource(2)))
    parts = [
        (share, points / scale)
        for share, points, scale in ((1 - uniform, x, 1.0), (uniform, other, 12**-0.5))
    ]
    lookup = CellLookup(tensor(atoms), tensor(heights))
    found = sum(share * lookup.counts(points)[0].numpy() / 200_000 for share, points in parts)
    assert_allclose(cells.masses, found, atol=3e-3)


@pytest.mark.parametrize("uniform", [0.0, 1.0])
def test_the_faces_are_derivatives_of_masses(uniform):
    rng = np.random.default_rng(1)
    atoms, k, step = rng.normal(size=(20, 2)), 7, 1e-6
    heights = -0.5 * np.square(atoms).sum(1)
    moved = [heights + sign * step * (np.arange(20) == k) for sign in (1, -1)]
    slope = np.subtract(*(planar_cells(atoms, h, uniform).masses for h in moved)) / (2 * step)
    cells = planar_cells(atoms, heights, uniform)
    expected = np.zeros(20)
    np.subtract.at(expected, cells.pairs[:, 0], cells.faces * (cells.pairs[:, 1] == k))
    np.subtract.at(expected, cells.pairs[:, 1], cells.faces * (cells.pairs[:, 0] == k))
    expected[k] = cells.faces[(cells.pairs == k).any(1)].sum()
    assert_allclose(slope, expected, atol=1e-6)


PLANAR = {
    "modes": lambda rng: np.repeat([[0, 0], [9, 0], [0, 40]], 50, 0) + rng.normal(size=(150, 2)),
    "narrow": lambda rng: np.repeat([[0, 0], [1, 0]], 70, 0) + 1e-3 * rng.normal(size=(140, 2)),
    "curve": lambda rng: np.column_stack([np.cos(t := np.linspace(0, 6, 150)), t * np.sin(t)]),
    "line": lambda rng: np.linspace(-1, 1, 30)[:, None] * [1.0, 2.0],
    "pair": lambda rng: np.array([[0.0, 0.0], [3.0, 4.0]]),
    "grid": lambda rng: np.stack(np.meshgrid(*2 * [np.arange(12.0)]), -1).reshape(-1, 2),
}


@pytest.mark.parametrize("source", [NormalSource(2), UniformSource(2)], ids=["normal", "uniform"])
@pytest.mark.parametrize("name", PLANAR)
def test_planar_cells_get_their_masses_exactly(name, source):
    rng = np.random.default_rng(0)
    atoms = PLANAR[name](rng)
    weights = rng.uniform(0.5, 2, len(atoms))
    weights /= weights.sum()
    heights = solve(
        tensor(atoms), tensor(weights), "newton", source, max_iter=60, tol=0.01
    ).heights.numpy()
    centred = atoms - weights @ atoms
    found = planar_cells(
        centred, heights / source.scale, float(isinstance(source, UniformSource))
    ).masses
    assert_allclose(found, weights, rtol=1e-6)


def test_few_planar_steps_are_not_exact():
    atoms, weights = problem(200)
    result = solve(atoms, weights, "newton", max_iter=1)
    assert result.n_iter == 1
    assert not result.converged
