"""Dataclasses and their fields, from the values of a JSON payload: `converter(Order)({"id": 1})`.

For annotations that need no other library. Fields that are not declared are ignored, so that a publisher may add some.
A value that does not fit raises a `Mismatch`, whose text names the field. Fractions come as floats, or, for annotations
with a `Decimal` in them, as Decimals, which have all their digits.
"""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union
from uuid import UUID

Convert = Callable[[Any], Any]


class Mismatch(ValueError):
    """The payload does not fit the annotation; the text says at which field."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}" if path else text)
        self.path, self.text = path, text

    def inside(self, where: str) -> Mismatch:
        """This mismatch, with the path from one level further out."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return Mismatch(f"{where}{joint}{self.path}", self.text)


_CALLED = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", int: "an integer", float: "a number",
           Decimal: "a number"}  # fmt: skip


def _called(value: Any) -> str:
    return "null" if value is None else _CALLED.get(type(value), type(value).__name__)


def _must_be(wanted: str, value: Any) -> Mismatch:
    return Mismatch("", f"must be {wanted}, got {_called(value)}")


def _anything(value: Any) -> Any:
    """The value with floats for Decimals, for places where no Decimal is declared."""
    if type(value) is Decimal:
        return float(value)
    if type(value) is list:
        return [_anything(item) for item in value]
    if type(value) is dict:
        return {name: _anything(item) for name, item in value.items()}
    return value


def _exactly(kind: type) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is kind:
            return value if kind in (str, bool, int, float) else _anything(value)
        if type(value) is Decimal:
            value = float(value)
            if kind is float:
                return value
        if kind is float and type(value) is int:
            return float(value)
        if kind is int and type(value) is float and value.is_integer():
            return int(value)
        raise _must_be(_CALLED[kind], value)

    return convert


def _nothing(value: Any) -> None:
    if value is not None:
        raise _must_be("null", value)


def _parsed(kind: Any, wanted: str) -> Convert:
    """Converts a text (for a Decimal also a number)."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str) and not (kind is Decimal and type(value) in (int, float, Decimal)):
            raise _must_be(wanted, value)
        try:
            return kind(str(value))
        except (ValueError, ArithmeticError):
            raise Mismatch("", f"must be {wanted}") from None

    return convert


def _with_offset(text: str) -> str:
    """Replaces Z, which Python 3.10 does not know, by an offset."""
    return text[:-1] + "+00:00" if text.endswith("Z") else text


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(_with_offset(text))


def _time(text: str) -> time:
    return time.fromisoformat(_with_offset(text))


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_SCALARS: dict[Any, Convert] = {
    Any: _anything,
    object: _anything,
    None: _nothing,
    type(None): _nothing,
    datetime: _parsed(_instant, "a time in ISO 8601"),
    date: _parsed(date.fromisoformat, "a date in ISO 8601"),
    time: _parsed(_time, "a time of day in ISO 8601"),
    bytes: _parsed(_octets, "a text in base64"),
    UUID: _parsed(UUID, "a UUID"),
    Decimal: _parsed(Decimal, "a decimal number"),
    **{kind: _exactly(kind) for kind in (str, bool, int, float, dict, list)},
}


def _one_of(kinds: tuple[Any, ...]) -> Convert:
    """Converts to the first kind that fits; an exact fit goes before one that changes the value."""
    converters = [converter(kind) for kind in kinds]
    wanted = " or ".join("null" if kind is type(None) else getattr(kind, "__name__", str(kind)) for kind in kinds)

    def convert(value: Any) -> Any:
        failures = []
        kind: Any = type(value)
        if kind is Decimal and kind not in kinds and float in kinds:
            kind = float
        if kind in kinds:
            return converter(kind)(value)
        for each in converters:
            try:
                return each(value)
            except Mismatch as e:
                failures.append(e)
        deep = [e for e in failures if e.path]
        raise deep[0] if len(deep) == 1 else _must_be(wanted, value)

    return convert


def _literal(allowed: tuple[Any, ...]) -> Convert:
    def convert(value: Any) -> Any:
        value = _anything(value)
        for each in allowed:
            if type(each) is type(value) and each == value:
                return each
        raise Mismatch("", "must be one of " + ", ".join(repr(each) for each in allowed))

    return convert


def _enum(kind: type[Enum]) -> Convert:
    def convert(value: Any) -> Any:
        try:
            return kind(_anything(value))
        except ValueError:
            raise Mismatch("", "must be one of " + ", ".join(repr(each.value) for each in kind)) from None

    return convert


def _items(container: type, of: Any) -> Convert:
    each = converter(of)

    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise _must_be("a list", value)
        made = []
        for index, item in enumerate(value):
            try:
                made.append(each(item))
            except Mismatch as e:
                raise e.inside(f"[{index}]") from None
        return made if container is list else container(made)

    return convert


def _places(kinds: tuple[Any, ...]) -> Convert:
    """Converts to a tuple with a kind for each place."""
    converters = [converter(kind) for kind in kinds]

    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise _must_be("a list", value)
        if len(value) != len(converters):
            raise Mismatch("", f"must be a list of {len(converters)}, got one of {len(value)}")
        made = []
        for index, (each, item) in enumerate(zip(converters, value, strict=True)):
            try:
                made.append(each(item))
            except Mismatch as e:
                raise e.inside(f"[{index}]") from None
        return tuple(made)

    return convert


def _values(of: Any) -> Convert:
    if of in (Any, object):
        return converter(dict)
    each = converter(of)

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _must_be("an object", value)
        made = {}
        for name, item in value.items():
            try:
                made[name] = each(item)
            except Mismatch as e:
                raise e.inside(name) from None
        return made

    return convert


def _fields(kind: Any) -> tuple[Convert, Callable[[], None]]:
    """Converts to a dataclass; a second function completes the converter, because a class may refer to itself."""
    hints = typing.get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    absent = dataclasses.MISSING
    needed = [f.name for f in fields if f.default is absent and f.default_factory is absent]
    converters: list[tuple[str, Convert]] = []

    def complete() -> None:
        converters.extend((field.name, converter(hints[field.name])) for field in fields)

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _must_be("an object", value)
        for name in needed:
            if name not in value:
                raise Mismatch(name, "is missing")
        made = {}
        for name, each in converters:
            if name in value:
                try:
                    made[name] = each(value[name])
                except Mismatch as e:
                    raise e.inside(name) from None
        try:
            return kind(**made)
        except (ValueError, TypeError) as e:  # __post_init__ refuses it
            raise Mismatch("", str(e)) from e

    return convert, complete


_dataclasses: dict[Any, Convert] = {}


def converter(kind: Any) -> Convert:
    """Gives the function that makes a value of this annotation from the values of JSON.

    Raises:
        TypeError: no function is known for the annotation.
    """
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return converter(arguments[0])
    if origin in (Union, types.UnionType):
        return _one_of(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin in (list, Sequence):
        return _items(list, arguments[0])
    if origin in (set, frozenset):
        return _items(origin, arguments[0])
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _items(tuple, arguments[0])
    if origin is tuple and ... not in arguments:
        return _places(arguments)
    if origin in (dict, Mapping) and arguments[0] in (str, Any):
        return _values(arguments[1])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if dataclasses.is_dataclass(kind):
        if kind not in _dataclasses:
            _dataclasses[kind], complete = _fields(kind)
            try:
                complete()
            except BaseException:
                _dataclasses.clear()  # others may refer to the incomplete one
                raise
        return _dataclasses[kind]
    raise TypeError(f"a payload cannot be read as {kind!r}")


def has_decimal(kind: Any) -> bool:
    """Whether a `Decimal` stands in the annotation, or in the fields of its dataclasses."""
    seen: set[Any] = set()

    def has(kind: Any) -> bool:
        if kind is Decimal:
            return True
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            if kind in seen:
                return False
            seen.add(kind)
            hints = typing.get_type_hints(kind)
            return any(has(hints[field.name]) for field in dataclasses.fields(kind))
        return any(has(argument) for argument in typing.get_args(kind))

    return has(kind)
