import copy
from typing import Annotated, NamedTuple

import numpy as np
import pytest

from skgw.base.coupling import Coupling
from skgw.fields import Numbers
from skgw.spaces import MatrixSpace
from skgw.storable import field_names, storable, stored_class, stored_name


class Pair(NamedTuple):
    x: int
    y: int


def test_a_marked_class_is_found_by_its_name():
    assert stored_name(MatrixSpace) == "MatrixSpace"
    assert stored_class("MatrixSpace") is MatrixSpace


def test_the_stored_name_is_not_the_module_path():
    assert stored_name(Coupling) == "Coupling"


def test_a_class_may_keep_an_old_name():
    class Renamed(NamedTuple):
        x: int

    Renamed.__module__ = "skgw.somewhere"
    storable(name="BeforeItWasRenamed")(Renamed)
    assert stored_name(Renamed) == "BeforeItWasRenamed"
    assert stored_class("BeforeItWasRenamed") is Renamed


def test_subclasses_are_not_storable():
    assert stored_name(type("Coupling", (Coupling,), {})) is None


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="'Popen' is no class that a file may hold"):
        stored_class("Popen")


def test_a_name_is_given_once():
    Namesake = type("Coupling", (Pair,), {"__module__": "skgw.somewhere"})
    with pytest.raises(TypeError, match="'Coupling' is the stored name of"):
        storable(Namesake)


def test_classes_of_others_are_refused():
    with pytest.raises(TypeError, match="is no class of skgw"):
        storable(Pair)


def test_a_class_without_fields_is_refused():
    with pytest.raises(TypeError, match="neither a dataclass nor a named tuple"):
        storable(type("Plain", (), {}))


def test_fields_of_dataclasses_and_named_tuples():
    assert field_names(MatrixSpace) == ["matrix", "anchors"]
    assert field_names(Pair) == ["x", "y"]


class Shares(NamedTuple):
    values: Annotated[np.ndarray, Numbers("n")]
    names: tuple[str, ...] = ()

    def _check(self):
        if self.values.sum() != 1:
            raise ValueError("shares must sum to 1")


Shares.__module__ = "skgw.somewhere"
storable(Shares)


def test_an_object_that_exists_is_valid():
    shares = Shares(np.array([0.5, 0.5]), names=("a", "b"))
    assert copy.deepcopy(shares).names == ("a", "b")
    for values in ([0.5, 0.5], np.array([1]), np.array([[1.0]]), np.array([np.nan])):
        with pytest.raises(ValueError, match=r"Shares\.values"):
            Shares(values)
    with pytest.raises(ValueError, match="shares must sum to 1"):
        Shares(np.ones(3))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"matrix": np.zeros((2, 3))}, "anchors must hold positions from 0 below 2, got 0 to 2"),
        ({"matrix": np.eye(3)[:, :2]}, r"matrix must have shape \(n, r\), .*r = 3, got \(3, 2\)"),
        ({"anchors": np.array([0.0, 1.0, 2.0])}, "anchors must hold integers"),
        ({"anchors": [0, 1, 2]}, "anchors must be a ndarray, got a list"),
        ({"matrix": np.full((3, 3), np.inf)}, "matrix must be finite"),
    ],
)
def test_frozen_dataclasses_are_checked(fields, message):
    good = {"matrix": np.zeros((3, 3)), "anchors": np.arange(3)}
    MatrixSpace(**good)
    with pytest.raises(ValueError, match=message):
        MatrixSpace(**(good | fields))
