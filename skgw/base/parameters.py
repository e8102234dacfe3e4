"""Declaration of the parameters of an estimator: name, type, default and constraints.

A class decorated with `with_parameters` declares its parameters as typed fields and inherits the
fields of its bases. The decorator writes the constructor that scikit-learn requires, which assigns
the parameters and does nothing else::

    @with_parameters
    class Ridge(TrainedEstimator):
        alpha: float = param(POSITIVE, default=1.0, kw_only=False)

A `Part` groups parameters that belong together. An estimator accepts the part or a short form, such
as a string, and scikit-learn reaches the parameters of the part as ``part__name``.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from abc import abstractmethod
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import numpy as np
from sklearn.base import BaseEstimator

from skgw.base.documentation_link import DocumentationLinkMixin
from skgw.base.sklearn_compat import Interval, StrOptions, validate_parameters

T = TypeVar("T")

POSITIVE_INTEGER = Interval(Integral, 1, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="both")
NOT_VALIDATED = "no_validation"


def one_of(*names: str) -> StrOptions:
    """Constraint: the parameter is one of these strings."""
    return StrOptions(set(names))


def param(*constraints: Any, default: Any, kw_only: bool = True) -> Any:
    """Declare a parameter.

    Parameters
    ----------
    *constraints : object
        Alternatives as in `_parameter_constraints` of scikit-learn, or `NOT_VALIDATED` alone. No
        constraint: the constraints of the base class hold.
    default : object
        Immutable default.
    kw_only : bool, default=True
        Whether the constructor takes the parameter by keyword only.
    """
    return dataclasses.field(
        default=default, kw_only=kw_only, metadata={"constraints": constraints}
    )


def part(kind: type[Part], *constraints: Any, default: Any) -> Any:
    """Declare a parameter that is a part, or a short form that satisfies the constraints.

    Parameters
    ----------
    kind : subclass of Part
    *constraints : object
        Constraints of the short forms.
    default : object
        Immutable default, a short form.
    """
    metadata = {"constraints": (*constraints, kind), "part": kind}
    return dataclasses.field(default=default, kw_only=True, metadata=metadata)


@dataclass_transform(
    kw_only_default=True, eq_default=False, field_specifiers=(param, part, dataclasses.field)
)
def with_parameters(cls: type[T]) -> type[T]:
    """Class decorator: write the constructor and the constraints of the declared parameters.

    A class attribute `documented` maps placeholder lines of the docstring to numpydoc entries, so
    that the parameters of a base class are documented once.
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
    """Constraints of a field, as in `_parameter_constraints`."""
    constraints = field.metadata.get("constraints", ())
    return NOT_VALIDATED if constraints == (NOT_VALIDATED,) else list(constraints)


def _put_own_parameters_first(cls: type) -> None:
    """Order the signature: parameters that the class declares, then inherited parameters."""
    init: Any = vars(cls)["__init__"]
    signature = inspect.signature(init)
    own = [name for name in inspect.get_annotations(cls) if name in signature.parameters]
    names = ["self", *own, *(name for name in signature.parameters if name not in own)]
    parameters = [signature.parameters[name] for name in dict.fromkeys(names)]
    parameters.sort(key=lambda p: p.kind)  # stable: positional ones first
    init.__signature__ = signature.replace(parameters=parameters)


def _insert_entries(cls: type, placeholder: str, entries: str) -> None:
    """Replace a placeholder line in the docstring of a class by numpydoc entries.

    ``{name}`` in an entry stands for the default of the parameter in this class. An entry is
    omitted if the docstring already has an entry of the same name.
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
    """Mixin: `set_params` reaches the parameters of a part that is given by its short form."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``part__name`` sets a parameter of a part.

        Parameters
        ----------
        **params : object
            Values by name. Setting a parameter of a part replaces a short form by the part that the
            short form stands for.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an unknown name, or for a parameter of a value that stands for no part.
        """
        parts = parts_of(type(self))
        for name in sorted({key.partition("__")[0] for key in params if "__" in key}):
            value = params.get(name, getattr(self, name, None))
            kind = parts.get(name)
            if kind is None or isinstance(value, kind):
                continue
            try:
                params[name] = kind.expand(value)
            except ValueError as error:
                raise ValueError(
                    f"{name}={value!r} has no parameters: {error} Set {name} to {kind.__name__}(), "
                    f"with parameters of your choice, first."
                ) from None
        return super().set_params(**params)  # type: ignore[misc]


class Part(DocumentationLinkMixin, PartsMixin, BaseEstimator):
    """Group of parameters that scikit-learn clones, searches and prints like an estimator.

    A part has no `fit`. A subclass is decorated with `with_parameters`; its `short_form` names the
    parameter that a short form sets.
    """

    short_form: ClassVar[str]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        own, others = self.get_params(deep=False), other.get_params(deep=False)
        return all(_equal(value, others[name]) for name, value in own.items())

    def __hash__(self) -> int:
        return hash(type(self).__name__)

    @classmethod
    def read(cls, value: Any) -> Self:
        """Validate a part, or the part that a short form stands for, and the parts within.

        Raises
        ------
        ValueError
            If a parameter violates a constraint, or if the part is of a subclass.
        """
        found = cls.expand(value)
        if type(found) is not cls:
            raise ValueError(
                f"A {type(found).__name__} has parameters that have no effect here: use "
                f"{cls.__name__}."
            )
        validate_parameters(found)
        for name in parts_of(cls):
            inner = getattr(found, name)
            if isinstance(inner, Part):
                inner.read(inner)
        return found

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The part that `value` is or stands for.

        Raises
        ------
        ValueError
            If `value` stands for no part.
        """
        if value is None:
            raise ValueError(f"None is no {cls.__name__}.")
        return value if isinstance(value, cls) else cls(**{cls.short_form: value})

    @classmethod
    def expand_name(cls, value: Any, forms: Mapping[str, Mapping[str, Any]]) -> Self:
        """The part that `value` is, or whose parameters `forms` lists under the name `value`."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or value not in forms:
            raise ValueError(f"{value!r} is no {cls.__name__}.")
        return cls(**forms[value])


class NamedPart(Part):
    """Base class of alternative parts, for each of which a name stands.

    A direct subclass implements `kinds`; its own subclasses are the alternatives.
    """

    @classmethod
    @abstractmethod
    def kinds(cls) -> Mapping[str, type[Self]]:
        """Classes of the alternatives by name."""

    @classmethod
    def expand(cls, value: Any) -> Self:
        """The part that `value` is, or the part of this name with default parameters."""
        if isinstance(value, str) and value in cls.kinds():
            value = cls.kinds()[value]()
        if not isinstance(value, cls):
            raise ValueError(f"{value!r} is no {cls.__name__}.")
        return value

    @classmethod
    def read(cls, value: Any) -> Self:
        """Validate a part, or the part that a name stands for."""
        found = cls.expand(value)
        if type(found) is not cls and type(found) in cls.kinds().values():
            return type(found).read(found)
        return super().read(found)


def _equal(one: Any, other: Any) -> bool:
    """Whether two parameters are equal, arrays in all entries."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is other or np.array_equal(one, other)
    return bool(one == other)


def parts_of(cls: type) -> Mapping[str, type[Part]]:
    """Classes of the parts of a class with parameters, by the name of the parameter."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {f.name: f.metadata["part"] for f in fields if "part" in f.metadata}
