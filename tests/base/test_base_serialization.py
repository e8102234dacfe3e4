import enum
import errno
import json
import math
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import sparse

import skgw
from skgw.base.coupling import Coupling
from skgw.base.serialization import encode_state, load_state
from skgw.files import write_file
from skgw.nn import AutoencoderSpec, FittedNetwork, GeneratorSpec, encode
from skgw.solvers import LazyPlan
from skgw.spaces import MatrixSpace
from skgw.storable import stored_class, stored_name


class Pair(NamedTuple):
    one: int
    two: int


class Colour(enum.IntEnum):
    RED = 1


Namesake = type("Coupling", (Coupling,), {})


def save_state(path, kind, params, state):
    write_file(path, *encode_state(kind, params, state))


@pytest.fixture
def round_trip(tmp_path):
    def back(value):
        save_state(tmp_path / "file", "Thing", {"value": value}, {"value_": value})
        params, state = load_state(tmp_path / "file", "Thing")
        return params["value"], state["value_"]

    return back


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -2.5,
        float("inf"),
        "text",
        "",
        (1, (2.0, None)),
        [1, "two"],
        (),
        [],
        {},
        {"a": {"b": (1,)}, "array": 2, "object": "Coupling"},
    ],
    ids=repr,
)
def test_plain_values(round_trip, value):
    for back in round_trip(value):
        assert back == value
        assert type(back) is type(value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0)], ids=str)
def test_arrays(round_trip, dtype, shape):
    value = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    for back in round_trip(value):
        assert back.dtype == value.dtype
        assert back.shape == value.shape
        assert_array_equal(back, value)


def test_arrays_in_any_order(round_trip):
    value = np.arange(24.0).reshape(2, 3, 4)
    for view in (
        value.T, value[:, ::2], value[::-1], np.asfortranarray(value), value.astype(">f8"),
    ):  # fmt: skip
        assert_array_equal(round_trip(view)[0], view)


@pytest.mark.parametrize("value", [np.float32(0.1), np.float64(0.1), np.int8(-3), np.bool_(True)])
def test_numpy_scalars_keep_their_type(round_trip, value):
    for back in round_trip(value):
        assert back == value
        assert type(back) is type(value)


def test_strings_of_numpy_become_strings(round_trip):
    back, _ = round_trip(np.str_("x"))
    assert (back, type(back)) == ("x", str)


def test_nan(round_trip):
    for value in (math.nan, np.float32("nan"), np.array([np.nan, np.inf])):
        assert_array_equal(round_trip(value)[0], value)


def test_dots_in_names_do_not_mix_arrays_up(round_trip):
    one, two = np.ones(2), np.full(3, 2.0)
    back, _ = round_trip({"a.b": one, "a": {"b": two}})
    assert_array_equal(back["a.b"], one)
    assert_array_equal(back["a"]["b"], two)


def test_arrays_of_strings_become_feature_names(round_trip):
    for value in (np.array(["a", "bc"]), np.array(["a", "bc"], dtype=object)):
        back, _ = round_trip(value)
        assert back.dtype == object
        assert list(back) == ["a", "bc"]


@pytest.mark.parametrize(
    "kind", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array]
)
def test_sparse_matrices_with_their_explicit_zeros(round_trip, kind):
    value = kind(([1.0, 0.0], ([0, 2], [1, 3])), shape=(3, 5))
    back, _ = round_trip(value)
    assert back.nnz == 2
    assert back.shape == (3, 5)
    assert_array_equal(back.toarray(), value.toarray())


def test_classes_of_skgw_field_by_field(round_trip):
    space = MatrixSpace(matrix=np.eye(2), anchors=np.arange(2))
    spec = GeneratorSpec(2, 3, "mlp", (4, 5), 6)
    generator = FittedNetwork.of(spec.build(), spec)
    back, _ = round_trip({"space": space, "generator": generator, "plan": Coupling(np.eye(2))})
    assert type(back["space"]) is MatrixSpace
    assert_array_equal(back["space"].matrix, space.matrix)
    assert back["generator"].spec == spec
    for name, weights in generator.weights.items():
        assert_array_equal(back["generator"].weights[name], weights)
    assert_array_equal(back["plan"].plan, np.eye(2))


def test_a_lazy_coupling(round_trip):
    plan = LazyPlan(np.ones((3, 1)), np.ones((2, 1)), np.array([0.0, 1.0]), np.full(3, 1 / 3))
    back, _ = round_trip(Coupling(plan))
    assert type(back.plan) is LazyPlan
    assert_array_equal(back.toarray(), plan.toarray())


def test_a_fitted_autoencoder_is_rebuilt(round_trip):
    spec = AutoencoderSpec(192, 3, "conv", (4, 8), stochastic=True, image_shape=(3, 8, 8))
    fitted = FittedNetwork.of(spec.build(seed=1), spec)
    for back in round_trip(fitted):
        assert back.spec == spec
        x = np.ones((2, 192), dtype=np.float32)
        assert_array_equal(encode(back.build(), x), encode(fitted.build(), x))


@pytest.mark.parametrize("name", ["FeatureSpace", "MatrixSpace", "GraphSpace", "GeodesicSpace"])
def test_all_spaces_of_fitted_estimators_are_storable(name):
    assert stored_name(stored_class(name)) == name


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (len, "params.value: a builtin_function_or_method"),
        ([1, {"deep": object()}], "params.value.1.deep: a object"),
        (np.array([1, None], dtype=object), "params.value: a ndarray"),
        (1j, "params.value: a complex"),
        (np.complex64(1j), "params.value: a complex64"),
        (np.ones(2, dtype=complex), "params.value: a ndarray"),
        (np.ones(2, dtype=np.longdouble), "params.value: a ndarray"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "params.value: a ndarray"),
        (np.array([b"bytes"]), "params.value: a ndarray"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "params.value: a MaskedArray"),
        ({1: "one"}, "params.value: a dict"),
        ({"a": {None: 1}}, "params.value.a: a dict"),
        ([{1, 2}], "params.value.0: a set"),
        (b"bytes", "params.value: a bytes"),
        (OrderedDict(a=1), "params.value: a OrderedDict"),
        (Pair(1, 2), "params.value: a Pair"),
        (Colour.RED, "params.value: a Colour"),
        (Namesake(np.ones((1, 1))), "params.value: a Coupling"),
    ],
)
def test_code_and_strange_objects_are_refused_by_name(tmp_path, value, message):
    with pytest.raises(TypeError, match=f"Cannot save {message} cannot be rebuilt"):
        save_state(tmp_path / "file", "Thing", {"value": value}, {})
    assert not (tmp_path / "file").exists()


def test_the_file_is_safetensors_with_a_json_header(tmp_path):
    save_state(tmp_path / "file", "Thing", {"a": 1}, {"x_": np.ones(2)})
    with safe_open(tmp_path / "file", framework="numpy") as file:
        entries = file.metadata()
        assert list(file.keys()) == ["0.state.x_"]
    header = json.loads(entries["skgw"])["header"]
    assert (header["class"], header["version"]) == ("Thing", skgw.__version__)
    assert header["params"] == {"dict": {"a": 1}}


def test_the_same_content_gives_the_same_bytes(tmp_path):
    content = {f"x{i}_": np.full(3, i, dtype) for i, dtype in enumerate("bfdqi?BfdH")}
    for name in ("one", "two"):
        save_state(tmp_path / name, "Thing", {"a": 1, "b": "two"}, content)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_class_or_format_is_refused(tmp_path):
    save_state(tmp_path / "file", "Thing", {}, {})
    with pytest.raises(ValueError, match="file holds a Thing in format 2, expected a Other"):
        load_state(tmp_path / "file", "Other")
    write_file(tmp_path / "later", {"class": "Thing", "format": "99"}, {})
    with pytest.raises(ValueError, match="later holds a Thing in format 99, expected"):
        load_state(tmp_path / "later", "Thing")


def test_the_first_format_is_refused(tmp_path):
    tree = json.dumps({"dict": {}})
    header = {"class": "Thing", "format": "1", "params": tree, "state": tree}
    save_file({}, tmp_path / "early", metadata=header)
    with pytest.raises(ValueError, match="early is damaged, or was not written by this version"):
        load_state(tmp_path / "early", "Thing")


def test_a_truncated_file_is_refused(tmp_path):
    save_state(tmp_path / "file", "Thing", {}, {"x_": np.ones(100)})
    content = (tmp_path / "file").read_bytes()
    for length in (0, 1, 8, 100, len(content) - 10, len(content) - 1):
        (tmp_path / "file").write_bytes(content[:length])
        with pytest.raises(ValueError, match="file is damaged"):
            load_state(tmp_path / "file", "Thing")


def test_a_changed_byte_is_noticed(tmp_path):
    save_state(tmp_path / "file", "Thing", {"a": 1}, {"x_": np.ones(3)})
    content = bytearray((tmp_path / "file").read_bytes())
    for position in (-1, -10, -24):  # of the numbers
        changed = content.copy()
        changed[position] ^= 1
        (tmp_path / "file").write_bytes(changed)
        with pytest.raises(ValueError, match=r"file is damaged.*checksum"):
            load_state(tmp_path / "file", "Thing")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is damaged.*no file"):
        load_state(tmp_path, "Thing")
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_state(tmp_path / "nothing", "Thing")


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=f"{folder}/model"):
        save_state(tmp_path / folder / "model", "Thing", {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch):
    save_state(tmp_path / "file", "Thing", {"a": 1}, {})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(tmp_path / "file", "Thing", {"a": 2}, {})
    assert load_state(tmp_path / "file", "Thing")[0] == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def forged(path, tree, **arrays):
    """A file that holds `tree`, as nobody's `save` would write it."""
    header = {"class": "Thing", "format": "2", "params": tree, "state": {"dict": {}}}
    write_file(path, header, arrays)
    return path


@pytest.mark.parametrize(
    "name", ["Popen", "subprocess.Popen", "skgw.spaces.MatrixSpace", "Namesake", "Space", "", None]
)
def test_a_file_cannot_name_other_classes(tmp_path, name):
    """Loading builds objects of marked classes, nothing else."""
    path = forged(tmp_path / "file", {"dict": {"x": {"object": name, "fields": {"args": "true"}}}})
    with pytest.raises(ValueError, match=f"{path} is damaged.*no class that a file may hold"):
        load_state(path, "Thing")


@pytest.mark.parametrize(
    "tree",
    [
        "{",
        None,
        [1],
        2**70,
        {"dict": {"a": 10**400}},
        {"dict": {"a": [1, 2]}},
        {"array": "0.params.x"},
        {"scalar": 3},
        {"pickle": [1]},
        {"csr": [1]},
        {"dict": [1, 2]},
        {"array": "a", "dict": {}},
        {"object": "MatrixSpace"},
        {"object": "MatrixSpace", "fields": {"matrix": 1}},
        {"object": "MatrixSpace", "fields": {"matrix": 1, "anchors": 2, "__class__": 3}},
        {"object": ["MatrixSpace"], "fields": {}},
    ],
    ids=str,
)
def test_a_file_of_another_structure_is_refused_by_name(tmp_path, tree):
    path = forged(tmp_path / "file", tree)
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        load_state(path, "Thing")


def test_a_file_that_nests_without_end_is_refused_by_name(tmp_path):
    tree = {"list": []}
    for _ in range(101):
        tree = {"list": [tree]}
    path = forged(tmp_path / "file", tree)
    with pytest.raises(ValueError, match=f"{path} is damaged.*levels"):
        load_state(path, "Thing")
    text = '{"header": ' + '{"list": [' * 100_000 + "]}" * 100_000 + "}"
    save_file({}, path, metadata={"skgw": text})
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        load_state(path, "Thing")


def test_an_array_is_used_once(tmp_path):
    tree = {"dict": {"a": {"array": "x"}, "b": {"array": "x"}}}
    path = forged(tmp_path / "file", tree, x=np.ones(3))
    with pytest.raises(ValueError, match=f"{path} is damaged.*'x'"):
        load_state(path, "Thing")


def test_every_array_is_used(tmp_path):
    path = forged(tmp_path / "file", {"dict": {"a": {"array": "x"}}}, x=np.ones(3), y=np.ones(3))
    with pytest.raises(ValueError, match=f"{path} is damaged.*nothing names the array y"):
        load_state(path, "Thing")


@pytest.mark.parametrize(
    "parts",
    [
        {"indptr": [0, 2, -(2**30), 3]},
        {"indptr": [0, 2, 1, 3]},
        {"indptr": [0, 1, 2, 9]},
        {"indices": [0, 1, 3]},
        {"indices": [0, -1, 2]},
        {"indices": [0.0, 1.0, 2.0]},
        {"indices": [0, 1]},
        {"data": [1.0]},
        {"shape": [3, 2]},
        {"shape": [10**12, 3]},
        {"shape": [3]},
        {"shape": [-3, 3]},
    ],
    ids=str,
)
def test_a_sparse_matrix_with_indices_out_of_range_is_refused(tmp_path, parts):
    """Such a matrix would be read, or sorted, outside of its memory."""
    whole = {"data": [1.0, 2.0, 3.0], "indices": [0, 1, 2], "indptr": [0, 1, 2, 3], "shape": [3, 3]}
    arrays = {name: np.array(x) for name, x in (whole | parts).items()}
    path = forged(tmp_path / "file", {"csr": [{"array": name} for name in whole]}, **arrays)
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        load_state(path, "Thing")
