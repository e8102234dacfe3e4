"""Declared fields are compared with values; a letter stands for one size."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
import pytest
import torch

from skgw.fields import (
    Count,
    Logarithms,
    Numbers,
    OneOf,
    Positions,
    Positive,
    PositiveInteger,
    Shape,
    Strings,
    check_fields,
)

Rows = Annotated[np.ndarray, Numbers("n", "d")]
SUITABLE = [
    (bool, True),
    (bool, np.bool_(False)),
    (int, 3),
    (int, np.int8(3)),
    (float, 1),
    (float, math.inf),
    (str, "x"),
    (None, None),
    (int | None, None),
    (Any, object()),
    (Literal["a", "b"], "b"),
    (Annotated[str, OneOf("a", "b")], "b"),
    (Callable[..., float], len),
    (list[float], [1.0, 2]),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], ()),
    (dict[str, float], {"a": 1.0}),
    (Positive, 1e-300),
    (PositiveInteger, 1),
    (Rows, np.ones((2, 3))),
    (Rows, np.ones((2, 3), np.float32)),
    (Annotated[Any, Numbers("n")], torch.full((2,), torch.nan)),
    (Annotated[np.ndarray, Numbers()], np.full((), 1e308)),
    (Annotated[np.ndarray, Numbers("n")], np.full(9, 1e308)),
    (Annotated[np.ndarray, Logarithms("n")], np.array([-np.inf, 3.0])),
    (Annotated[np.ndarray, Positions("n", below="n")], np.array([1, 0])),
    (Annotated[np.ndarray, Positions(None)], np.array([7], np.uint8)),
    (Annotated[np.ndarray, Strings("n")], np.array(["a"], dtype=object)),
    (Rows | Annotated[str, Count()], np.ones((2, 2))),
]
UNSUITABLE = [
    (bool, 1),
    (int, True),
    (int, 1.0),
    (float, "1"),
    (float, True),
    (float, 1j),
    (str, b"x"),
    (None, 0),
    (int | str | None, 1.5),
    (Literal["a", "b"], "c"),
    (Annotated[str, OneOf("a", "b")], "c"),
    (Callable[..., float], "len"),
    (list[float], (1.0,)),
    (list[float], [1.0, "2"]),
    (tuple[int, str], (1,)),
    (tuple[int, str], ("a", 1)),
    (dict[str, float], {1: 1.0}),
    (dict[str, float], {"a": None}),
    (Positive, 0.0),
    (Positive, math.nan),
    (Positive, math.inf),
    (PositiveInteger, 0),
    (Rows, [[1.0]]),
    (Rows, np.ones(2)),
    (Rows, np.ones((2, 0))),
    (Rows, np.ones((2, 2), int)),
    (Rows, np.ones((2, 2), complex)),
    (Rows, np.array([[1.0, np.nan]])),
    (Rows, np.array([[np.inf, -np.inf]])),
    (Annotated[Any, Numbers("n")], torch.ones(2, dtype=torch.long)),
    (Annotated[Any, Numbers("n")], [1.0]),
    (Annotated[np.ndarray, Logarithms("n")], np.array([np.inf])),
    (Annotated[np.ndarray, Logarithms("n")], np.array([np.nan])),
    (Annotated[np.ndarray, Positions("n", below="n")], np.array([0, 2])),
    (Annotated[np.ndarray, Positions("n")], np.array([-1])),
    (Annotated[np.ndarray, Positions("n")], np.array([1.0])),
    (Annotated[np.ndarray, Strings("n")], np.array([1], dtype=object)),
]


def check(hint, value):
    check_fields(TypedDict("Thing", {"field": hint}), {"field": value})


@pytest.mark.parametrize(("hint", "value"), SUITABLE)
def test_suitable_values(hint, value):
    check(hint, value)


@pytest.mark.parametrize(("hint", "value"), UNSUITABLE)
def test_unsuitable_values_are_refused_by_name(hint, value):
    with pytest.raises(ValueError, match=r"Thing\.field.* must "):
        check(hint, value)


class Plan(NamedTuple):
    rows: Annotated[np.ndarray, Numbers("n", "m")]
    scores: Annotated[np.ndarray, Numbers("m")] | None
    index: Annotated[np.ndarray, Positions("k", below="m")]
    width: Annotated[int, Count("m")]
    neighbours: Annotated[int, Count(at_most="n")]
    other: Annotated[Any, Shape("k")]


GOOD = {
    "rows": np.ones((2, 3)),
    "scores": np.ones(3),
    "index": np.array([2, 0, 1, 1]),
    "width": 3,
    "neighbours": 2,
    "other": np.ones(4),
}


def test_letters_agree():
    check_fields(Plan, GOOD)
    check_fields(Plan, GOOD | {"scores": None})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.ones(2)}, r"scores must have shape \(m\), m = 3, got \(2,\)"),
        ({"index": np.array([0, 1, 2, 3])}, "index must hold positions from 0 below 3, got 0 to 3"),
        ({"width": 4}, r"width must have shape \(m\), m = 3, got \(4,\)"),
        ({"neighbours": 3}, "neighbours must be at most 2, got 3"),
        ({"other": np.ones(5)}, r"other must have shape \(k\), k = 4"),
    ],
)
def test_letters_that_disagree(change, message):
    with pytest.raises(ValueError, match=message):
        check_fields(Plan, GOOD | change)


def test_missing_and_unknown_fields():
    class State(TypedDict):
        x: int
        y: NotRequired[int]

    check_fields(State, {"x": 1})
    check_fields(State, {"x": 1, "y": 2})
    with pytest.raises(ValueError, match=r"State\.x is missing"):
        check_fields(State, {"y": 2})
    with pytest.raises(ValueError, match="'z' is no field of State"):
        check_fields(State, {"x": 1, "z": 2})
    with pytest.raises(ValueError, match=r"State\.y must be a int, got 'no'"):
        check_fields(State, {"x": 1, "y": "no"})


def test_an_alternative_that_fails_leaves_no_sizes():
    hint = tuple[
        Annotated[np.ndarray, Numbers("n", "n")] | Annotated[np.ndarray, Numbers("n", "m")],
        Annotated[np.ndarray, Numbers("m")],
    ]
    check(hint, (np.ones((2, 3)), np.ones(3)))


def test_an_alternative_that_fails_leaves_no_checks():
    index = tuple[Annotated[np.ndarray, Positions("n", below="n")], str]
    other = tuple[Annotated[np.ndarray, Positions("n")], int]
    check(index | other, (np.array([7]), 1))


@pytest.mark.parametrize("order", [1, -1])
def test_the_alternative_of_the_class_of_a_value_explains(order):
    """Not that an array is no text, but what is wrong with the array."""
    first, second = (Annotated[np.ndarray, Numbers("n")], Annotated[str, OneOf("lazy")])[::order]
    with pytest.raises(ValueError, match="finite"):
        check(first | second, np.array([np.nan]))
    with pytest.raises(ValueError, match="lazy"):
        check(first | second, "other")
