import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import sparse

from skgw._serialization import CLASSES, load_state, save_state
from skgw.coupling import Coupling
from skgw.nn import FittedGenerator, GeneratorSpec
from skgw.spaces import MatrixSpace


@pytest.fixture
def there_and_back(tmp_path):
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
        Path("some") / "file",
    ],
    ids=repr,
)
def test_plain_values(there_and_back, value):
    for back in there_and_back(value):
        assert back == value
        assert type(back) is type(value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0)], ids=str)
def test_arrays(there_and_back, dtype, shape):
    value = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    for back in there_and_back(value):
        assert back.dtype == value.dtype
        assert back.shape == value.shape
        assert_array_equal(back, value)


def test_arrays_in_any_order(there_and_back):
    value = np.arange(24.0).reshape(2, 3, 4)
    for view in (value.T, value[:, ::2], value[::-1], np.asfortranarray(value)):
        assert_array_equal(there_and_back(view)[0], view)


def test_numpy_scalars_become_numbers(there_and_back):
    for value in (np.float32(0.5), np.int64(3), np.bool_(True), np.str_("x")):
        back, _ = there_and_back(value)
        assert back == value
        assert type(back) in (float, int, bool, str)


def test_arrays_of_strings_become_feature_names(there_and_back):
    for value in (np.array(["a", "bc"]), np.array(["a", "bc"], dtype=object)):
        back, _ = there_and_back(value)
        assert back.dtype == object
        assert list(back) == ["a", "bc"]


@pytest.mark.parametrize(
    "kind", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array]
)
def test_sparse_matrices_with_their_explicit_zeros(there_and_back, kind):
    value = kind(([1.0, 0.0], ([0, 2], [1, 3])), shape=(3, 5))
    back, _ = there_and_back(value)
    assert back.nnz == 2
    assert back.shape == (3, 5)
    assert_array_equal(back.toarray(), value.toarray())


def test_classes_of_skgw_field_by_field(there_and_back):
    space = MatrixSpace(matrix=np.eye(2), anchors=np.arange(2))
    spec = GeneratorSpec(2, 3, "mlp", (4, 5), 6)
    generator = FittedGenerator(spec, {"network.0.weight": np.ones((4, 3))})
    back, _ = there_and_back({"space": space, "generator": generator, "plan": Coupling(np.eye(2))})
    assert type(back["space"]) is MatrixSpace
    assert_array_equal(back["space"].matrix, space.matrix)
    assert back["generator"].spec == spec
    assert_array_equal(back["generator"].weights["network.0.weight"], np.ones((4, 3)))
    assert_array_equal(back["plan"].plan, np.eye(2))


def test_the_table_of_classes_has_all_spaces_of_fitted_estimators():
    assert {"FeatureSpace", "MatrixSpace", "GraphSpace", "GeodesicSpace"} <= set(CLASSES)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (len, "params.value: a builtin_function_or_method"),
        ([1, {"deep": object()}], "params.value.1.deep: a object"),
        (np.array([1, None], dtype=object), "params.value: a ndarray"),
        (1j, "params.value: a complex"),
    ],
)
def test_code_and_strange_objects_are_refused_by_name(tmp_path, value, message):
    with pytest.raises(TypeError, match=f"Cannot save {message} cannot be rebuilt"):
        save_state(tmp_path / "file", "Thing", {"value": value}, {})
    assert not (tmp_path / "file").exists()


def test_the_file_is_safetensors_with_a_json_header(tmp_path):
    save_state(tmp_path / "file", "Thing", {"a": 1}, {"x_": np.ones(2)})
    with safe_open(tmp_path / "file", framework="numpy") as file:
        header = file.metadata()
        assert list(file.keys()) == ["state.x_"]
    assert header["class"] == "Thing"
    assert json.loads(header["params"]) == {"dict": {"a": 1}}


def test_another_class_or_format_is_refused(tmp_path):
    save_state(tmp_path / "file", "Thing", {}, {})
    with pytest.raises(ValueError, match="holds a Thing in format 1, expected a Other"):
        load_state(tmp_path / "file", "Other")
    save_file({}, tmp_path / "later", metadata={"class": "Thing", "format": "99"})
    with pytest.raises(ValueError, match="in format 99, expected a Thing in format 1"):
        load_state(tmp_path / "later", "Thing")


def test_a_truncated_file_is_refused(tmp_path):
    save_state(tmp_path / "file", "Thing", {}, {"x_": np.ones(100)})
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:-10])
    with pytest.raises(ValueError, match=r"not a file written by save\(\)"):
        load_state(tmp_path / "file", "Thing")


def test_a_file_cannot_name_other_classes(tmp_path):
    """Loading builds what is in the table, nothing else."""
    forged = json.dumps({"dict": {"x": {"object": "Popen", "fields": {"args": "true"}}}})
    header = {"class": "Thing", "format": "1", "params": forged, "state": forged}
    save_file({}, tmp_path / "file", metadata=header)
    with pytest.raises(KeyError, match="Popen"):
        load_state(tmp_path / "file", "Thing")
