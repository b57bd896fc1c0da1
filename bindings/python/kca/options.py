"""Declarations check the types of their options, and remember the values for copies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from . import _kca
from .errors import ArgumentError, Error, make

D = TypeVar("D", bound="Declared")
C = TypeVar("C", bound="type[Declared]")

# Of a keyword argument.
Properties = Mapping[str, str]

# By the parameters' annotations; any other is a Literal, of texts.
_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "int": (int, "an integer"),
    "float": ((int, float), "a number"),
    "bool": (bool, "True or False"),
    "str": (str, "a text"),
    "str | None": ((str, type(None)), "a text or None"),
}
_SECRET = ("password", "key")


def _calls(value: Any) -> list[Any]:
    """The arguments of each call of the option's method."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list):
        return [(each,) for each in value]
    return [value if isinstance(value, tuple) else (value,)]


def take(declared: Declared, given: Mapping[str, Any], failure: Callable[[Any], Error | None]) -> None:
    """Calls the `with_` method of each keyword argument that is not None; raises the first failure."""
    for name, parameter in inspect.signature(type(declared)).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and given[name] is not None:
            for arguments in _calls(given[name]):
                getattr(declared, f"with_{name.removesuffix('_')}")(*arguments)
    error = failure(declared._handle)
    if error is not None:
        raise error


class Declared:
    """A declaration with options.

    Attributes:
        _handle: the low-level declaration.
        _what: its name in an error's text, such as "publisher orders".
    """

    _handle: Any
    _what: str

    def _begin(self, kind: str, new: Callable[..., Any], **names: str) -> None:
        """Makes the declaration; its own name is `name`, or else the last of the names."""
        self._what = f"{kind} {names.get('name', list(names.values())[-1])}"
        for name, value in names.items():
            check(kind, name, "str", value)
        self._names = tuple(names.values())
        self._given: list[tuple[str, tuple[Any, ...]]] = []
        self._handle = new(*self._names)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._what}>"

    def _last(self, option: str, otherwise: Any) -> Any:
        """What the option was set to."""
        return next((values[0] for method, values in reversed(self._given) if method == f"with_{option}"), otherwise)

    def _copy(self: D) -> D:
        """A copy, which may be changed by itself."""
        made = type(self)(*self._names)
        for method, arguments in self._given:
            getattr(made, method)(*arguments)
        return made


def check(what: str, option: str, annotation: str, value: Any, secret: bool = False) -> None:
    """Raises when the value has another type than the annotation."""
    kinds, wanted = _KINDS.get(annotation, _KINDS["str"])
    if not isinstance(value, kinds) or (isinstance(value, bool) and annotation in ("int", "float")):
        got = f"one of type {type(value).__name__}" if secret else repr(value)
        raise TypeError(f"{what}: {option} must be {wanted}, got {got}")
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"{what}: {option} must be without NUL")


def out_of_range(text: str) -> ArgumentError:
    """The error of a number that is not allowed."""
    error = make(_kca.KCA_ERROR_ARGUMENT, "argument", text, 0, 0, 0)
    assert isinstance(error, ArgumentError)
    return error


def check_number(what: str, option: str, value: Any, least: int, most: int) -> None:
    """Raises when the value is no integer from `least` to `most`."""
    check(what, option, "int", value)
    if not least <= value <= most:
        raise out_of_range(f"{what}: {option} must be {least} to {most}, got {value}")


def _checked(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    option = name.removeprefix("with_")
    signature = inspect.signature(method)
    parameters = list(signature.parameters.values())[1:]

    @wraps(method)
    def call(self: Declared, *args: Any, **keywords: Any) -> Any:
        try:
            bound = signature.bind(self, *args, **keywords)
        except TypeError:
            wanted = ", ".join(p.name for p in parameters)
            raise TypeError(f"{self._what}: {option} takes {wanted}, got {len(args) + len(keywords)} values") from None
        bound.apply_defaults()
        values = bound.args[1:]
        for parameter, value in zip(parameters, values, strict=True):
            called = option if len(parameters) == 1 else f"{option}: {parameter.name}"
            check(self._what, called, parameter.annotation, value, any(s in called for s in _SECRET))
        try:
            made = method(self, *values)
        except OverflowError:
            raise out_of_range(f"{self._what}: {option} is out of range, got {values[0]}") from None
        self._given.append((name, values))
        return made

    return call


def checked(kind: C) -> C:
    """Makes the class' `with_` methods check their arguments, and remember them."""
    for name, method in list(vars(kind).items()):
        if name.startswith("with_"):
            setattr(kind, name, _checked(name, method))
    return kind
