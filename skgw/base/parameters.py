"""Parameters of estimators, declared once: name, type, default and constraints.

A class decorated with `with_parameters` lists its parameters as typed fields, inherits the fields
of its bases, and gets the constructor that scikit-learn asks for: it assigns, and does no more.

Parameters that belong together form a `Part`, a small object of parameters. An estimator takes the
part, or a short form such as a string, and scikit-learn reaches inside by ``part__name``.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from sklearn.base import BaseEstimator

from skgw.base.sklearn_compat import Interval, StrOptions, validate_parameters

T = TypeVar("T")

POSITIVE_INTEGER = Interval(Integral, 1, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="both")
NOT_VALIDATED = "no_validation"


def one_of(*names: str) -> StrOptions:
    """The constraint that a parameter is one of these strings."""
    return StrOptions(set(names))


def param(*constraints: Any, default: Any, kw_only: bool = True) -> Any:
    """A field of a class with parameters.

    Parameters
    ----------
    *constraints : object
        As in `_parameter_constraints` of scikit-learn; or `NOT_VALIDATED` alone. Without any, the
        constraints of a base class hold.
    default : object
        Immutable.
    kw_only : bool, default=True
        Whether the constructor takes the parameter by keyword only.
    """
    return dataclasses.field(
        default=default, kw_only=kw_only, metadata={"constraints": constraints}
    )


def part(kind: type[Part], *constraints: Any, default: Any) -> Any:
    """A field that holds a part of this kind, or a short form that meets the constraints."""
    metadata = {"constraints": (*constraints, kind), "part": kind}
    return dataclasses.field(default=default, kw_only=True, metadata=metadata)


@dataclass_transform(
    kw_only_default=True, eq_default=False, field_specifiers=(param, part, dataclasses.field)
)
def with_parameters(cls: type[T]) -> type[T]:
    """Class decorator: make the constructor and the constraints of the declared parameters.

    A class attribute `documented` maps placeholders, lines of a docstring, to the numpydoc entries
    that take their place: so parameters of a base are documented once.
    """
    cls = dataclasses.dataclass(eq=False, repr=False, kw_only=True)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    inherited: dict[str, Any] = getattr(cls, "_parameter_constraints", {})
    found = {field.name: _constraints(field) for field in fields}
    cls._parameter_constraints = inherited | {  # type: ignore[attr-defined]
        name: constraints for name, constraints in found.items() if constraints
    }
    _put_own_parameters_first(cls)
    for placeholder, entries in getattr(cls, "documented", {}).items():
        _insert_entries(cls, placeholder, entries)
    return cls


def _constraints(field: dataclasses.Field) -> Any:
    constraints = field.metadata.get("constraints", ())
    return NOT_VALIDATED if constraints == (NOT_VALIDATED,) else list(constraints)


def _put_own_parameters_first(cls: type) -> None:
    """Let the signature begin with what the class itself declares, not with its base's."""
    init: Any = vars(cls)["__init__"]
    signature = inspect.signature(init)
    own = [name for name in inspect.get_annotations(cls) if name in signature.parameters]
    names = ["self", *own, *(name for name in signature.parameters if name not in own)]
    parameters = [signature.parameters[name] for name in dict.fromkeys(names)]
    parameters.sort(key=lambda p: p.kind)  # stable: positional ones first
    init.__signature__ = signature.replace(parameters=parameters)


def _insert_entries(cls: type, placeholder: str, entries: str) -> None:
    """Put numpydoc entries of parameters into the docstring of a class, in place of a line.

    ``{name}`` in the entries is replaced by the default that the class gives to the parameter. An
    entry is left out if the docstring has one of the same name.
    """
    doc = cls.__doc__
    if doc is None or placeholder not in doc:  # python -OO
        return
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    chosen = [
        entry
        for entry in re.split(r"\n(?=\S)", textwrap.dedent(entries).strip())
        if f"\n    {entry.partition(' :')[0]} :" not in doc
    ]
    text = re.sub(r"\{(\w+)\}", lambda found: repr(defaults[found[1]]), "\n".join(chosen))
    cls.__doc__ = doc.replace(placeholder, textwrap.indent(text, "    ").strip())


class PartsMixin:
    """Let `set_params` reach into a part that is given by its short form."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of parts by ``part__name``.

        Parameters
        ----------
        **params : object
            Values by name. A part that is given by a string becomes the object that the string
            stands for when one of its parameters is set.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an unknown name, or for a parameter of a part that is None.
        """
        parts = parts_of(type(self))
        for name in sorted({key.partition("__")[0] for key in params if "__" in key}):
            value = params.get(name, getattr(self, name, None))
            if name not in parts or isinstance(value, Part):
                continue
            if value is None:
                raise ValueError(
                    f"{name} is None and has no parameters: set {name} to a "
                    f"{parts[name].__name__}, or to its short form, first."
                )
            params[name] = parts[name].expand(value)
        return super().set_params(**params)  # type: ignore[misc]


class Part(PartsMixin, BaseEstimator):
    """Parameters that belong together; scikit-learn clones, searches and prints them.

    A part has no `fit`. Subclasses are decorated with `with_parameters` and say which of their
    parameters a short form stands for.
    """

    short_form: ClassVar[str]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return bool(self.get_params(deep=False) == other.get_params(deep=False))

    def __hash__(self) -> int:
        return hash(type(self).__name__)

    @classmethod
    def read(cls, value: Any) -> Self:
        """The part that an estimator was given, or that a short form stands for, validated.

        Raises
        ------
        ValueError
            If one of the part's parameters breaks a constraint.
        """
        found = cls.expand(value)
        validate_parameters(found)
        return found

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The part that `value` is, or is the short form of."""
        return value if isinstance(value, cls) else cls(**{cls.short_form: value})


def parts_of(cls: type) -> Mapping[str, type[Part]]:
    """The kinds of the parts of a class with parameters, by name."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {f.name: f.metadata["part"] for f in fields if "part" in f.metadata}
