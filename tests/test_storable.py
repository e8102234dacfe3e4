from typing import NamedTuple

import pytest

from skgw.base.coupling import Coupling
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
