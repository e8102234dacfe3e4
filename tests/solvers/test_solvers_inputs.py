"""What goes in comes out: kinds, dtypes, batches; and what makes no sense is refused."""

import numpy as np
import pytest
import scipy.sparse
import torch

from skgw.solvers import gw_divergence, solve_gromov
from skgw.solvers.result import State


@pytest.fixture
def arrays(noisy_copies):
    Ca, Cb, _ = noisy_copies(12, 10, noise=0.1)
    M = np.random.default_rng(0).random((12, 10))
    return {"Ca": Ca, "Cb": Cb, "M": M, "a": np.full(12, 1 / 12), "b": np.full(10, 1 / 10)}


def fields(result):
    """All arrays of a result, by name."""
    names = ("plan", "value", "value_linear", "value_quad", "cost", "marginal_error", "reg", "tol")
    found = {name: getattr(result, name) for name in names}
    found |= {f"potentials{i}": x for i, x in enumerate(result.potentials)}
    found |= {f"marginals{i}": x for i, x in enumerate(result.marginals)}
    return found | {"state.cost": result.state.cost, "state.potential": result.state.potential}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_in_numpy_out(arrays, dtype):
    result = solve_gromov(**{k: x.astype(dtype) for k, x in arrays.items()}, reg=0.05)
    for name, x in fields(result).items():
        assert isinstance(x, (np.ndarray, np.generic)), name
        assert x.dtype == dtype, name
    assert result.plan.shape == (12, 10)
    assert np.ndim(result.value) == 0
    assert type(result.converged) is bool
    assert type(result.n_iter) is int
    assert result.status == "converged"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_in_torch_out(arrays, dtype):
    result = solve_gromov(**{k: torch.tensor(x, dtype=dtype) for k, x in arrays.items()}, reg=0.05)
    for name, x in fields(result).items():
        assert isinstance(x, torch.Tensor), name
        assert x.dtype == dtype, name
    assert result.value.shape == ()
    assert type(result.converged) is bool
    assert type(result.n_iter) is int


@pytest.mark.gpu
def test_device_is_kept(arrays):
    tensors = {k: torch.tensor(x, device="cuda") for k, x in arrays.items()}
    result = solve_gromov(**tensors, reg=0.05)
    assert all(x.is_cuda for x in fields(result).values())
    on_cpu = solve_gromov(**arrays, reg=0.05)
    np.testing.assert_allclose(result.plan.cpu(), on_cpu.plan, atol=1e-6)


def test_batches_have_a_leading_axis(arrays):
    Ca, Cb = np.stack([arrays["Ca"]] * 3), arrays["Cb"]
    result = solve_gromov(Ca, Cb, reg=0.05)
    assert all(len(x) == 3 for x in fields(result).values())
    assert result.plan.shape == (3, 12, 10)
    assert result.converged.tolist() == [True] * 3
    assert result.status == ("converged",) * 3
    assert result.n_iter.shape == (3,)
    assert gw_divergence(Ca, Cb, reg=0.05).shape == (3,)


def test_integers_become_float64():
    hops = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    for kind in (np.asarray, torch.as_tensor, lambda x: x.tolist()):
        result = solve_gromov(kind(hops), kind(hops), reg=0.05)
        assert str(result.plan.dtype).endswith("float64")


def test_dtypes_are_promoted(arrays):
    result = solve_gromov(arrays["Ca"].astype(np.float32), arrays["Cb"], reg=0.05)
    assert result.plan.dtype == np.float64


def test_memory_of_any_kind(arrays):
    expected = solve_gromov(arrays["Ca"], arrays["Cb"], reg=0.05).plan
    locked = arrays["Ca"].copy()
    locked.flags.writeable = False
    views = (
        locked,
        arrays["Ca"].astype(">f8"),
        np.asfortranarray(arrays["Ca"]),
        arrays["Ca"][::-1, ::-1].copy()[::-1, ::-1],
    )
    for Ca in views:
        np.testing.assert_array_equal(solve_gromov(Ca, arrays["Cb"], reg=0.05).plan, expected)


def test_inputs_are_not_changed(arrays):
    before = {k: x.copy() for k, x in arrays.items()}
    solve_gromov(**arrays, reg=0.05, loss="KL")
    for k, x in arrays.items():
        np.testing.assert_array_equal(x, before[k])


def test_rounded_weights_are_normalised(arrays):
    a = (arrays["a"] * 1.0005).astype(np.float32)
    result = solve_gromov(arrays["Ca"], arrays["Cb"], a=a, reg=0.05)
    assert result.plan.sum() == pytest.approx(1, abs=1e-12)


def test_mixed_kinds(arrays):
    for name in ("Cb", "M", "a"):
        mixed = arrays | {name: torch.tensor(arrays[name])}
        with pytest.raises(TypeError, match="not a mixture of both"):
            solve_gromov(**mixed)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"Ca": np.ones((3, 4))}, ValueError, "Ca must be a square matrix"),
        ({"Ca": np.ones(4)}, ValueError, r"Ca must be a square matrix .* got shape \(4,\)"),
        ({"Ca": np.ones((0, 0))}, ValueError, "not empty"),
        ({"Ca": np.ones((0, 12, 12))}, ValueError, "not empty"),
        ({"Ca": np.full((12, 12), np.nan)}, ValueError, "Ca contains NaN.*remove or impute"),
        ({"M": np.full((12, 10), np.inf)}, ValueError, "M contains NaN or infinity"),
        ({"M": np.ones((10, 12))}, ValueError, r"M has shape \(10, 12\), expected \(12, 10\)"),
        ({"M": np.ones((2, 12, 10))}, ValueError, "M holds a batch of 2, Ca and Cb none: give all"),
        ({"a": np.full(10, 0.1)}, ValueError, r"a has shape \(10,\), expected \(12,\)"),
        ({"a": np.full((12, 1), 1 / 12)}, ValueError, r"a has shape \(12, 1\), expected \(12,\)"),
        ({"a": np.ones(10)}, ValueError, r"a has shape \(10,\), expected \(12,\)"),
        ({"b": 0.1}, ValueError, r"b has shape \(\), expected \(10,\)"),
        ({"a": np.full(12, 1.0)}, ValueError, "a must be non-negative and sum to 1; divide"),
        ({"b": np.r_[-0.5, 1.5, np.zeros(8)]}, ValueError, "b must be non-negative and sum to 1"),
        ({"Ca": np.ones((12, 12), complex)}, TypeError, "Ca must hold real numbers"),
        ({"Ca": np.full((12, 12), "x")}, TypeError, "Ca must hold real numbers"),
        ({"Ca": np.ones((12, 12), np.float16)}, TypeError, "needs float32 or float64, convert"),
        ({"Ca": np.full((12, 12), 1e-25, np.float32)}, None, ""),
    ],
)
def test_arrays_that_make_no_sense(arrays, change, error, message):
    if error is None:  # promoted to float64 by the other matrix: no squares vanish
        solve_gromov(**(arrays | change), reg=0.05)
        return
    with pytest.raises(error, match=message):
        solve_gromov(**(arrays | change))


def test_complex_and_half_tensors():
    for dtype, message in ((torch.complex64, "real numbers"), (torch.bfloat16, "convert it")):
        C = torch.ones(3, 3, dtype=dtype)
        with pytest.raises(TypeError, match=message):
            solve_gromov(C, C)


def test_batches_of_different_length(arrays):
    Ca, Cb = np.stack([arrays["Ca"]] * 3), np.stack([arrays["Cb"]] * 2)
    with pytest.raises(ValueError, match="Cb holds a batch of 2, the longer batch of matrices 3"):
        solve_gromov(Ca, Cb)
    with pytest.raises(ValueError, match="a holds a batch of 2"):
        solve_gromov(Ca, arrays["Cb"], a=np.full((2, 12), 1 / 12))
    with pytest.raises(ValueError, match="give a number, or one per problem"):
        solve_gromov(Ca, arrays["Cb"], reg=np.ones(2))


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("float32", 1e-25), ("float32", 1e25), ("float64", 1e-200), ("float64", 1e200)],
)
def test_squares_out_of_range(arrays, dtype, factor):
    Ca, Cb = ((arrays[k] * factor).astype(dtype) for k in ("Ca", "Cb"))
    for solve in (solve_gromov, gw_divergence):
        with pytest.raises(ValueError, match=f"leave the range of torch.{dtype}: rescale"):
            solve(Ca, Cb)
    if dtype == "float32":
        assert solve_gromov(Ca.astype(float), Cb.astype(float), reg=0.05).converged


def test_one_start_for_each_problem_of_a_batch(arrays):
    batch = np.stack([arrays["Ca"]] * 3)
    with pytest.raises(
        ValueError, match=r"init has shape \(2, 12, 10\), expected \(12, 10\) or \(3, 12, 10\)"
    ):
        solve_gromov(batch, arrays["Cb"], init=np.ones((2, 12, 10)))


@pytest.mark.parametrize("name", ["Ca", "Cb", "M", "a", "init"])
@pytest.mark.parametrize("kind", ["matrix", "array", "tensor"])
def test_sparse_matrices(arrays, name, kind):
    arrays["init"] = np.full((12, 10), 1 / 120)
    if kind == "tensor":
        arrays = {k: torch.tensor(x) for k, x in arrays.items()}
        arrays[name] = arrays[name].to_sparse()
    else:
        arrays[name] = getattr(scipy.sparse, f"csr_{kind}")(arrays[name])
    with pytest.raises(TypeError, match=f"^{name} is sparse.*skgw.spaces.graph_distances"):
        solve_gromov(**arrays)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "l2"}, "loss must be 'L2' or 'KL', got 'l2'"),
        ({"reg": -1}, "reg must be positive and finite; for the unregularised problem use .*reg=0"),
        ({"reg": float("nan")}, "reg must be positive"),
        ({"reg": float("inf")}, "reg must be positive and finite"),
        ({"reg_scale": "mean"}, "reg_scale must be 'auto' or None, got 'mean'"),
        ({"tol": 0}, "tol must be a positive number, got 0"),
        ({"tol": "1e-3"}, "tol must be a positive number, got '1e-3'"),
        ({"max_iter": 0}, "max_iter must be an integer of at least 1, got 0"),
        ({"max_iter": 1.5}, "max_iter must be an integer of at least 1, got 1.5"),
        ({"max_iter": float("nan")}, "max_iter must be an integer of at least 1, got nan"),
        ({"max_iter": True}, "max_iter must be an integer of at least 1, got True"),
        ({"max_iter": "5"}, "max_iter must be an integer of at least 1, got '5'"),
        ({"tol": float("inf")}, "tol must be a positive number, got inf"),
        ({"tol": True}, "tol must be a positive number, got True"),
        ({"reg": "x"}, "reg must be a positive number, or one per problem of a batch, got 'x'"),
        ({"reg": True}, "reg must be a positive number, .* got True"),
        ({"loss": "KL", "kl_shift": float("nan")}, "kl_shift must not be negative, got nan"),
        ({"loss": "KL", "kl_shift": float("inf")}, "kl_shift must not be negative, got inf"),
        ({"init": None}, "init must be 'auto', .* got None"),
        ({"init": "random"}, "init must be 'auto', .* got 'random'"),
        ({"init": "identity"}, "the same size and weights"),
        ({"init": np.ones((12, 10))}, "init must be non-negative and sum to 1; divide it"),
        ({"init": np.full((12, 10), np.nan)}, "init contains NaN"),
        ({"init": np.ones((3, 3)) / 9}, r"init has shape \(3, 3\), expected \(12, 10\)"),
        ({"init": np.ones(12)}, r"init has shape \(12,\), expected \(12, 10\)"),
        ({"init": 0.5}, r"init has shape \(\), expected \(12, 10\)"),
        ({"init": np.ones((3, 12, 10))}, r"init has shape \(3, 12, 10\), expected \(12, 10\)"),
        ({"init": State(np.ones((3, 3)))}, r"init.cost has shape \(3, 3\), expected \(12, 10\)"),
        (
            {"init": State(np.ones((12, 10)), np.ones(3))},
            r"init.potential has shape \(3,\), expected \(10,\)",
        ),
        ({"loss": "KL", "kl_shift": 0}, "set kl_shift > 0"),
        ({"loss": "KL", "kl_shift": -1}, "kl_shift must not be negative, got -1"),
    ],
)
def test_options_that_make_no_sense(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        solve_gromov(arrays["Ca"], arrays["Cb"], **options)
    with pytest.raises(ValueError, match=message):
        gw_divergence(arrays["Ca"], arrays["Cb"], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_init": True}, "n_init must be an integer of at least 1, got True"),
        ({"rank": 1.5, "plan": "lazy"}, "rank must be an integer, got 1.5"),
        ({"alpha": float("nan")}, "alpha must be a number from 0 to 1, got nan"),
        ({"alpha": True}, "alpha must be a number from 0 to 1, got True"),
        ({"mass": True}, "mass must be a number above 0 and at most 1, .* got True"),
        ({"random_state": 2**80}, "random_state must be a 64-bit integer"),
    ],
)
def test_numbers_of_solve_gromov_that_make_no_sense(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        solve_gromov(arrays["Ca"], arrays["Cb"], arrays["M"], **options)


@pytest.mark.parametrize("random_state", ["x", 1.5, True, (1,)])
def test_random_states_are_checked_where_none_is_drawn_from(arrays, random_state):
    with pytest.raises(TypeError, match="random_state must be None, an integer"):
        solve_gromov(arrays["Ca"], arrays["Cb"], random_state=random_state)


def test_numbers_of_numpy_and_torch(arrays):
    Ca, Cb = arrays["Ca"], arrays["Cb"]
    plain = solve_gromov(Ca, Cb, reg=0.5, tol=1e-4, max_iter=70, mass=0.5)
    result = solve_gromov(
        Ca, Cb, reg=np.float64(0.5), tol=torch.tensor(1e-4, dtype=torch.float64),
        max_iter=np.int64(70), mass=np.array(0.5), n_init=np.int8(1),
    )  # fmt: skip
    np.testing.assert_array_equal(result.plan, plain.plan)


@pytest.mark.parametrize("name", ["Ca", "Cb", "M", "a", "init"])
def test_masked_entries(arrays, name):
    arrays["init"] = np.full((12, 10), 1 / 120)
    plain = solve_gromov(**arrays)
    arrays[name] = np.ma.array(arrays[name])  # nothing is masked
    np.testing.assert_array_equal(solve_gromov(**arrays).plan, plain.plan)
    arrays[name][..., 0] = np.ma.masked
    with pytest.raises(TypeError, match=f"{name} is a masked array: fill the masked entries"):
        solve_gromov(**arrays)


def test_tensors_without_entries_that_can_be_read(arrays):
    C = torch.tensor(arrays["Ca"])
    with pytest.raises(TypeError, match="Ca is on the meta device"):
        solve_gromov(C.to("meta"), C)
    with pytest.raises(TypeError, match=r"Ca is float128|Ca is longdouble"):
        solve_gromov(arrays["Ca"].astype(np.longdouble), arrays["Cb"])


def test_negative_entries_under_the_kl_loss(arrays):
    with pytest.raises(ValueError, match="Cb has negative entries; the KL loss needs non-negative"):
        solve_gromov(arrays["Ca"], -arrays["Cb"], loss="KL")


@pytest.mark.parametrize(
    ("alpha", "fused", "message"),
    [(1.5, True, "from 0 to 1"), (-0.1, True, "from 0 to 1"), (0.5, False, "needs M")],
)
def test_alpha_and_m_belong_together(arrays, alpha, fused, message):
    M = arrays["M"] if fused else None
    with pytest.raises(ValueError, match=message):
        solve_gromov(arrays["Ca"], arrays["Cb"], M, alpha=alpha)


@pytest.mark.parametrize("options", [{}, {"unbalanced": 0.3}, {"mass": 0.7}, {"n_init": 3}])
def test_alpha_of_one_is_the_plain_problem(arrays, options):
    arrays = arrays | {"M": 1e3 * arrays["M"]}
    plain = fields(solve_gromov(**arrays | {"M": None}, reg=0.05, **options))
    for name, field in fields(solve_gromov(**arrays, alpha=1, reg=0.05, **options)).items():
        np.testing.assert_array_equal(field, plain[name], err_msg=name)
    with pytest.raises(ValueError, match="M has shape"):
        solve_gromov(**arrays | {"M": arrays["M"].T}, alpha=1)


def test_each_matrix_of_a_batch_may_be_directed(arrays):
    C = arrays["Ca"]
    batch = solve_gromov(np.stack([1e6 * C, np.triu(C)]), arrays["Cb"])
    alone = solve_gromov(np.triu(C), arrays["Cb"])
    assert batch.value[1] == pytest.approx(float(alone.value), rel=1e-6)
