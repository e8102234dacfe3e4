"""Declared fields: types, shapes and ranges of values, checked wherever an object is built.

A class declares by annotations what its fields hold, and `check_fields` compares the values::

    class Extension(NamedTuple):
        transported_distances: Annotated[Array, Numbers("r", "m")]
        log_scaling: Annotated[Array, Logarithms("m")]
        reg: Positive

A letter stands for one size in all fields of an object, here for r rows and m columns. Sizes are at
least 1, so that an object is never larger than its arrays.
"""

from __future__ import annotations

import functools
import math
import numbers
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired, Union

import numpy as np

Size = str | None  # a letter, or None for a size that no other field shares


class Sizes:
    """Sizes of the letters of one object, and the checks that need all of them."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.later: list[Callable[[], None]] = []

    def match(self, name: str, found: Any, declared: tuple[Size, ...]) -> None:
        """Compare a shape with its letters, and note the sizes of new letters."""
        sizes = tuple(found)
        fits = len(sizes) == len(declared) and all(
            size >= 1 and (letter is None or self.known.setdefault(letter, size) == size)
            for size, letter in zip(sizes, declared, strict=True)
        )
        if not fits:
            letters = ", ".join(letter or "any" for letter in declared)
            known = {x: self.known[x] for x in declared if x in self.known}
            where = "".join(f", {letter} = {size}" for letter, size in known.items())
            raise ValueError(f"{name} must have shape ({letters}){where}, got {sizes}")


class Marker:
    """A condition on the value of a field, in ``Annotated[type, marker]``."""

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Raise a ValueError that names the field unless the value satisfies the condition."""
        raise NotImplementedError


class Shape(Marker):
    """Any object with a `shape`, of these sizes."""

    def __init__(self, *shape: Size) -> None:
        self.shape = shape

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare the shape."""
        sizes.match(name, value.shape, self.shape)


class Numbers(Shape):
    """Finite real numbers of floating point type: an array, or a tensor whose values are unread."""

    lowest = -math.inf  # numbers lie above it and below infinity

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare dtype, shape and values."""
        if not isinstance(value, np.ndarray):
            if not getattr(value, "is_floating_point", lambda: False)():
                raise ValueError(f"{name} must be an array, got {_kind(value)}")
        elif value.dtype.name not in ("float32", "float64"):
            raise ValueError(f"{name} must hold real numbers, got dtype {value.dtype}")
        super().check(name, value, sizes)
        if isinstance(value, np.ndarray) and not self._holds(value):
            raise ValueError(f"{name} must be finite, but holds NaN or infinity")

    def _holds(self, array: Any) -> bool:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


class SparseNumbers(Shape):
    """A csr array of finite real numbers of floating point type."""

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare the shape, and the dtype and the values of the stored entries."""
        super().check(name, value, sizes)
        if value.data.dtype.kind != "f" or not np.isfinite(value.data).all():
            raise ValueError(f"{name} must hold finite real numbers")


class Names(Shape):
    """A list of names, all hashable and distinct."""

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare the length and the names."""
        sizes.match(name, (len(value),), self.shape)
        try:
            distinct = len(set(value)) == len(value)
        except TypeError as error:
            raise ValueError(f"{name} must hold names: {error}") from None
        if not distinct:
            raise ValueError(f"{name} must hold each name once")


class Logarithms(Numbers):
    """Logarithms of finite non-negative numbers: minus infinity is allowed."""

    def _holds(self, array: Any) -> bool:
        return bool((array < np.inf).all())


class Positions(Shape):
    """Positions: integers from 0, below the size of a letter if `below` is given."""

    def __init__(self, *shape: Size, below: str | None = None) -> None:
        super().__init__(*shape)
        self.below = below

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare dtype and shape, and the values once all sizes are known."""
        if value.dtype.kind not in "iu":
            raise ValueError(f"{name} must hold integers, got dtype {value.dtype}")
        super().check(name, value, sizes)
        sizes.later.append(lambda: self._check_range(name, value, sizes))

    def _check_range(self, name: str, value: Any, sizes: Sizes) -> None:
        end = math.inf if self.below is None else sizes.known[self.below]
        lowest, highest = value.min(), value.max()
        if lowest < 0 or highest >= end:
            raise ValueError(
                f"{name} must hold positions from 0 below {end}, got {lowest} to {highest}"
            )


class Strings(Shape):
    """An array of strings."""

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare the shape and the elements."""
        super().check(name, value, sizes)
        if not all(isinstance(x, str) for x in value.ravel()):
            raise ValueError(f"{name} must hold strings")


class Count(Marker):
    """An integer from 1: the size of a letter, or at most the size of a letter."""

    def __init__(self, letter: Size = None, *, at_most: str | None = None) -> None:
        self.letter, self.at_most = letter, at_most

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare the integer with the size."""
        if value < 1:
            raise ValueError(f"{name} must be an integer from 1, got {value}")
        sizes.match(name, (value,), (self.letter,))
        sizes.later.append(lambda: self._check_limit(name, value, sizes))

    def _check_limit(self, name: str, value: Any, sizes: Sizes) -> None:
        if self.at_most is not None and value > sizes.known[self.at_most]:
            raise ValueError(f"{name} must be at most {sizes.known[self.at_most]}, got {value}")


class Above(Marker):
    """A finite number above a bound."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Compare the number with the bound."""
        if not self.bound < value < math.inf:
            raise ValueError(f"{name} must be a finite number above {self.bound}, got {value}")


class OneOf(Marker):
    """One of several strings."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def check(self, name: str, value: Any, sizes: Sizes) -> None:
        """Look for the string among the names."""
        _require(value in self.names, name, value, " or ".join(map(repr, self.names)))


Positive = Annotated[float, Above(0)]
PositiveInteger = Annotated[int, Count()]
FloatType = Annotated[str, OneOf("float32", "float64")]  # name of a dtype


def check_fields(kind: type, values: Mapping[str, Any]) -> None:
    """Compare values with the annotations of a class.

    Parameters
    ----------
    kind : dataclass, named tuple or TypedDict
        An annotation is a type, a union, a container such as ``tuple[X, Y]``, or one of these with
        markers, ``Annotated[X, marker]``. Type arguments of other classes and protocols are not
        compared.
    values : mapping
        Values of all fields by name; a field that is declared as ``NotRequired`` may be missing.

    Raises
    ------
    ValueError
        If a field is missing or unknown, or if a value is not what its annotation says.
    """
    hints, sizes = declared_fields(kind), Sizes()
    for name in values:
        if name not in hints:
            raise ValueError(f"{name!r} is no field of {kind.__name__}")
    for name, hint in hints.items():
        optional = typing.get_origin(hint) is NotRequired
        if name in values:
            _match(f"{kind.__name__}.{name}", values[name], hint, sizes)
        elif not optional:
            raise ValueError(f"{kind.__name__}.{name} is missing")
    for check in sizes.later:
        check()


@functools.cache
def declared_fields(kind: type) -> dict[str, Any]:
    """Annotations of the fields of a class, by name."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: x for name, x in hints.items() if typing.get_origin(x) is not typing.ClassVar}


def _match(name: str, value: Any, hint: Any, sizes: Sizes) -> None:
    """Raise a ValueError unless `value` is what the annotation `hint` says."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return
    if origin is Annotated:
        _match(name, value, parts[0], sizes)
        for marker in hint.__metadata__:
            marker.check(name, value, sizes)
    elif origin is NotRequired:
        _match(name, value, parts[0], sizes)
    elif origin in (Union, types.UnionType):
        _match_any(name, value, parts, sizes)
    elif origin is typing.Literal:
        _require(value in parts, name, value, " or ".join(map(repr, parts)))
    elif origin in (tuple, list, dict):
        _match_items(name, value, origin, parts, sizes)
    else:
        kind = hint if origin is None else origin
        _require(_is_a(value, kind), name, value, f"a {getattr(kind, '__name__', kind)}")


def _match_any(name: str, value: Any, alternatives: tuple[Any, ...], sizes: Sizes) -> None:
    if value is None and types.NoneType in alternatives:
        return
    known, n_later, failure = dict(sizes.known), len(sizes.later), None
    for hint in alternatives:
        if hint is types.NoneType:
            continue
        try:
            _match(name, value, hint, sizes)
            return
        except ValueError as error:
            sizes.known = dict(known)
            if failure is None or _is_of_class(value, hint):
                failure = error
            del sizes.later[n_later:]
    raise failure or ValueError(f"{name} must be None")


def _is_of_class(value: Any, hint: Any) -> bool:
    """Whether a value is of the class of an annotation, whatever else the annotation says."""
    kind = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    kind = typing.get_origin(kind) or kind
    return isinstance(kind, type) and _is_a(value, kind)


def _match_items(name: str, value: Any, kind: type, parts: tuple[Any, ...], sizes: Sizes) -> None:
    _require(isinstance(value, kind), name, value, f"a {kind.__name__}")
    if kind is dict:
        for key, item in value.items():
            _match(f"a key of {name}", key, parts[0], sizes)
            _match(f"{name}[{key!r}]", item, parts[1], sizes)
        return
    if kind is list or parts[-1:] == (...,):
        parts = () if parts[0] is Any else len(value) * parts[:1]
        value = value if parts else ()
    _require(len(value) == len(parts), name, value, f"a {kind.__name__} of length {len(parts)}")
    for i, (item, hint) in enumerate(zip(value, parts, strict=True)):
        _match(f"{name}[{i}]", item, hint, sizes)


def _is_a(value: Any, kind: Any) -> bool:
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    if getattr(kind, "_is_protocol", False):  # static only
        return True
    return isinstance(value, kind)


def _require(holds: bool, name: str, value: Any, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {_kind(value)}")


def _kind(value: Any) -> str:
    text = repr(value) if isinstance(value, bool | int | float | str | None) else ""
    return text if 0 < len(text) < 40 else f"a {type(value).__name__}"
