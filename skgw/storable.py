"""Classes whose objects `save` may write to a file and `load` may rebuild.

A class marks itself with the decorator `storable`. Files name the class by its registered name,
not by its module, so that a file outlives moves of the code; a class that is renamed keeps its
old name in files with ``storable(name="OldName")``.

An immutable object that exists is valid: the constructor compares the fields with their annotations
(`skgw.fields`), whoever calls it, and then calls the method `_check`, if the class has one, for
conditions on several fields. Parts of parameters are mutable and are checked where they are used.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from skgw.fields import check_fields

T = TypeVar("T", bound=type)

_CLASS_OF: dict[str, type] = {}
_NAME_OF: dict[type, str] = {}


@overload
def storable(cls: T, /) -> T: ...
@overload
def storable(*, name: str) -> Callable[[T], T]: ...
def storable(cls: Any = None, /, *, name: str | None = None) -> Any:
    """Class decorator: objects of this class are stored field by field.

    Parameters
    ----------
    cls : dataclass or named tuple
        The constructor takes the fields by name. It raises a ValueError if a field of a named
        tuple or a frozen dataclass is not what its annotation says. A subclass is not storable
        unless it is decorated, too.
    name : str, optional
        Name of the class in files; by default the name of the class itself.

    Raises
    ------
    TypeError
        If the class is not defined in skgw or has no fields, or if another class has the name.
    """
    if cls is None:
        return lambda decorated: _register(decorated, name or decorated.__name__)
    return _register(cls, cls.__name__)


def _register(cls: T, name: str) -> T:
    field_names(cls)
    if cls.__module__.partition(".")[0] != "skgw":
        raise TypeError(f"{cls.__module__}.{cls.__name__} is no class of skgw.")
    known = _CLASS_OF.get(name)
    if known is not None and _path(known) != _path(cls):  # the same path: a module reloaded
        raise TypeError(f"{name!r} is the stored name of {_CLASS_OF[name]}; choose another one.")
    _CLASS_OF[name], _NAME_OF[cls] = cls, name
    if not dataclasses.is_dataclass(cls):
        setattr(cls, "__new__", staticmethod(_checked(cls.__new__)))  # noqa: B010
    elif cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        setattr(cls, "__init__", _checked(cls.__init__))  # noqa: B010
    return cls


def _checked(constructor: Callable[..., Any]) -> Callable[..., Any]:
    """A constructor, `__new__` or `__init__`, that checks the fields of the object."""

    @functools.wraps(constructor)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = constructor(self, *args, **kwargs)
        _check_object(self if made is None else made)
        return made

    return checked


def _check_object(value: Any) -> None:
    """Raise a ValueError unless the fields of an object are what their annotations say."""
    kind = type(value)
    check_fields(kind, {name: getattr(value, name) for name in field_names(kind)})
    check = getattr(value, "_check", None)
    if check is not None:
        check()


def _path(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def stored_name(cls: type) -> str | None:
    """Name of `cls` in files; None if its objects cannot be stored."""
    return _NAME_OF.get(cls)


def stored_class(name: str) -> type:
    """The class with this name in files.

    Raises
    ------
    ValueError
        If no storable class has the name.
    """
    try:
        return _CLASS_OF[name]
    except KeyError:
        raise ValueError(f"{name!r} is no class that a file may hold") from None


def field_names(cls: type) -> list[str]:
    """Names of the fields of a dataclass or named tuple."""
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    try:
        return list(cls._fields)  # type: ignore[attr-defined]
    except AttributeError:
        raise TypeError(f"{cls.__name__} is neither a dataclass nor a named tuple.") from None
