"""Handlers: the arguments of a function, chosen by its annotations, and the name of the messages that it handles."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from . import payload, shapes
from .errors import PayloadError
from .message import Delivery, Message

Convert = Callable[[Delivery], Any]


def name_of(kind: type) -> str:
    """The message's name for a payload's class: that of the class, but `OrderCreated` gives "orderCreated"."""
    return kind.__name__[:1].lower() + kind.__name__[1:]


def is_payload_class(kind: Any) -> bool:
    """Whether a class is a dataclass, a pydantic model or a msgspec struct."""
    return isinstance(kind, type) and (is_dataclass(kind) or payload.is_model(kind) or payload.is_struct(kind))


class Mismatched(Exception):
    """A payload is not what the handler's annotation says."""


# ---- conversions ----


def _values(d: Delivery) -> Any:
    try:
        return payload.read(d._payload)  # type: ignore[arg-type]
    except (ValueError, RecursionError, TypeError):  # TypeError: there is no payload
        return d.json()


def _values_or_bytes(d: Delivery) -> Any:
    try:
        return d.json()
    except (PayloadError, ValueError, RecursionError):
        return d.payload


def _octets(d: Delivery) -> Any:
    return d.payload


def _text(path: Any) -> str:
    """A path of pydantic's, ("items", 0, "sku"), as items[0].sku."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _schema_has_decimal(schema: Any) -> bool:
    """Whether there is a Decimal in a schema of pydantic's."""
    if isinstance(schema, dict):
        return schema.get("type") == "decimal" or any(_schema_has_decimal(part) for part in schema.values())
    return isinstance(schema, list | tuple) and any(_schema_has_decimal(part) for part in schema)


def _with_all_digits(d: Delivery) -> Any:
    """The values of a payload, with Decimals for numbers that a float cannot hold; None: there are none."""
    lost = False

    def fraction(text: str) -> float | Decimal:
        nonlocal lost
        short, whole = float(text), Decimal(text)
        if str(whole) == repr(short):
            return short
        lost = True
        return whole

    values = payload.exactly(d.payload, d._handle, fraction) if d.payload else None
    return values if lost else None


def _by_pydantic(kind: Any) -> Convert:
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(kind)
    has_decimal = _schema_has_decimal(adapter.core_schema)

    def convert(d: Delivery) -> Any:
        # pydantic reads JSON numbers as floats, which would lose digits of a Decimal.
        exact = _with_all_digits(d) if has_decimal else None
        try:
            if exact is not None:
                with suppress(ValidationError):
                    return adapter.validate_python(exact)
            made = adapter.validate_json(d.payload or b"null")
        except ValidationError as e:
            errors = e.errors(include_url=False, include_context=False, include_input=False)
            if errors[0]["type"] == "json_invalid":
                d.json()  # says where it breaks
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise shapes.Mismatch(_text(errors[0]["loc"]), errors[0]["msg"] + more) from None
        if exact is not None:
            raise shapes.Mismatch("", "a number has more digits than a float, and a strict model takes only floats")
        return made

    return convert


def _by_msgspec(kind: Any) -> Convert:
    import msgspec

    decoder = msgspec.json.Decoder(kind)

    def convert(d: Delivery) -> Any:
        try:
            return decoder.decode(d.payload or b"null")
        except msgspec.ValidationError as e:  # Expected `int`, got `str` - at `$.items[...].sku`
            said, _, path = str(e).partition(" - at `$")
            raise shapes.Mismatch(path.rstrip("`").removeprefix("."), said) from None
        except msgspec.DecodeError:
            d.json()  # says where it breaks
            raise

    return convert


def _by_shape(kind: Any) -> Convert:
    convert = shapes.converter(kind)
    if shapes.has_decimal(kind):
        return lambda d: convert(payload.exactly(d._payload, d._handle))
    return lambda d: convert(_values(d))


def _named(make: Convert, wanted: str) -> Convert:
    """Has a mismatch say what was wanted, in one line."""

    def convert(d: Delivery) -> Any:
        try:
            return make(d)
        except shapes.Mismatch as e:
            text = " ".join(str(e).split())
            raise Mismatched(f"the payload is not {wanted}: {text}") from None

    return convert


_checked_object = _named(_by_shape(dict), "dict")


def _object(d: Delivery) -> Any:
    """A dict, which most handlers ask for, without the detour through a converter."""
    value = _values(d)
    return value if type(value) is dict else _checked_object(d)


# Conversions that `serve` does itself when it can: 1 the payload's values, 2 those if they are a dict.
_SHORT_WAYS: dict[Convert, int] = {_values: 1, _object: 2}


def _has(kind: Any, test: Callable[[Any], bool]) -> bool:
    """Whether the test holds for an annotation or for a part of it, such as Model in list[Model]."""
    return test(kind) or any(_has(part, test) for part in typing.get_args(kind))


def _conversion(kind: Any, name: str) -> Convert:
    if kind is inspect.Parameter.empty or kind is Any:
        return _values_or_bytes if name == "*" else _values
    if kind is bytes or (typing.get_origin(kind) is not None and typing.get_args(kind) == (bytes, type(None))):
        return _octets
    if kind in (dict, dict[str, Any]):
        return _object
    if _has(kind, payload.is_model):
        make = _by_pydantic(kind)
    elif _has(kind, payload.is_struct):
        make = _by_msgspec(kind)
    else:
        make = _by_shape(kind)
    return _named(make, getattr(kind, "__name__", "") if isinstance(kind, type) else str(kind))


def conversion_of(kind: Any) -> Callable[[Any], Any]:
    """The conversion of a reply's payload to an annotated type; None: to the values of the JSON.

    It raises `PayloadError`, and `ValueError` or `RecursionError` for JSON that Python cannot hold.
    """
    convert = _conversion(inspect.Parameter.empty if kind is None else kind, "")

    def fitting(d: Any) -> Any:
        try:
            return convert(d)
        except Mismatched as e:
            raise PayloadError(str(e)) from None

    return fitting


# ---- the handler ----


def _is_delivery(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Message)


def _parameters(function: Any) -> list[Any]:
    """The annotations of the parameters that kca gives by position."""
    whole = _whole(function)
    target = whole if inspect.isroutine(whole) else type(whole).__call__
    try:
        hints = typing.get_type_hints(target)
    except NameError:  # a name that only the function with the decorator knows
        frame = inspect.currentframe()
        local: dict[str, Any] = {}
        while frame:
            local = {**frame.f_locals, **local}
            frame = frame.f_back
        hints = typing.get_type_hints(target, localns=local)
    try:
        given = list(inspect.signature(function).parameters.values())
    except ValueError:  # a function in C has no signature
        return [inspect.Parameter.empty, Delivery]
    taken, left = _shared_out(given, hints)
    if left is not None:
        raise TypeError(
            f"{_called(function)} takes the payload, the delivery, or both: kca has nothing for its parameter {left}"
        )
    if any(p.kind is p.VAR_POSITIONAL for p in given):
        return [inspect.Parameter.empty, Delivery]
    if not taken:
        raise TypeError(f"{_called(function)} takes nothing: it must take the payload, the delivery, or both")
    return taken


def _shared_out(given: list[inspect.Parameter], hints: dict[str, Any]) -> tuple[list[Any], str | None]:
    """The annotations of the parameters that get an argument, and the first parameter that needs one and gets none.

    A parameter with a default keeps the default, unless it is the first or is annotated as a delivery.
    """
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken: list[Any] = []
    most = 2
    for p in given:
        annotation = hints.get(p.name, p.annotation)
        needs = p.default is p.empty
        if p.kind in by_place and len(taken) < most and (needs or not taken or _is_delivery(annotation)):
            taken.append(annotation)
        elif needs and p.kind in (*by_place, p.KEYWORD_ONLY):
            return taken, p.name
        elif p.kind in by_place:
            most = 0  # positions end here: a parameter was left out
    return taken, None


def _called(function: Any) -> str:
    return f"handler {getattr(function, '__qualname__', None) or repr(function)}"


def is_kind(test: Callable[[Any], bool], function: Any) -> bool:
    """Whether the test of `inspect` holds for a function, for an object that is called like one, or for what either is
    part of.
    """
    whole = _whole(function)
    return test(whole) or test(type(whole).__call__)


def _whole(function: Any) -> Any:
    """The function that a partial one is made of; another is its own."""
    while isinstance(function, partial):
        function = function.func
    return function


def _snake_to_camel(name: str) -> str:
    return re.sub(r"_+(\w)", lambda found: found[1].upper(), name.strip("_"))


class Handler:
    """A function and how kca calls it: with the payload, with the delivery, or with both.

    Attributes:
        name: the name of the messages that it handles.
        function: the function.
        is_async: whether it is a coroutine function.
        is_told: whether the log has told that nobody gets its results.
        takes: 1 or 2: `serve` makes the only argument itself when it can, see _SHORT_WAYS; else 0.
        arguments: gives the arguments for a delivery; raises `Mismatched` when the payload does not fit the annotation,
            and `PayloadError`, `ValueError` or `RecursionError` when the payload is not JSON.
    """

    def __init__(self, function: Callable[..., Any], name: str | None) -> None:
        if not callable(function):
            raise TypeError(f"handler {name} must be callable, got {function!r}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{_called(function)}: the name of its messages must be a text, got {name!r}")
        if is_kind(inspect.isgeneratorfunction, function) or is_kind(inspect.isasyncgenfunction, function):
            raise TypeError(f"{_called(function)} yields: it would never run; a handler returns, or raises")
        annotations = self._annotations(function)
        kind = next((a for a in annotations if not _is_delivery(a)), None)
        if len(annotations) == 2:
            delivery_first = _is_delivery(annotations[0])
            kind = annotations[1 if delivery_first else 0]
        self.name = name or self._default_name(function, kind)
        self.function = function
        self.is_async = is_kind(inspect.iscoroutinefunction, function)
        self.is_told = False
        convert = _conversion(kind, self.name)
        self.takes = _SHORT_WAYS.get(convert, 0) if len(annotations) == 1 and kind is not None else 0
        self.arguments: Callable[[Delivery], tuple[Any, ...]]
        if len(annotations) == 2:
            self.arguments = (lambda d: (d, convert(d))) if delivery_first else (lambda d: (convert(d), d))
        elif kind is None:
            self.arguments = lambda d: (d,)
        else:
            self.arguments = lambda d: (convert(d),)

    @staticmethod
    def _annotations(function: Any) -> list[Any]:
        """The annotations of what the function takes of each delivery."""
        return _parameters(function)

    @staticmethod
    def _default_name(function: Any, kind: Any) -> str:
        if is_payload_class(kind):
            return name_of(kind)
        name = getattr(function, "__name__", "<lambda>")
        if name == "<lambda>":
            raise TypeError("a handler that is a function without a name needs the name of its messages")
        return _snake_to_camel(name)


class BatchHandler(Handler):
    """A function that handles many messages at once: it takes their payloads in a list, their deliveries, or both.

    Attributes:
        batch_max: the most messages that it is given.
        batch_wait_ms: how long the first of them may wait for more.
    """

    def __init__(self, function: Callable[..., Any], name: str | None, batch_max: int, batch_wait_ms: int) -> None:
        self.batch_max = batch_max
        self.batch_wait_ms = batch_wait_ms
        super().__init__(function, name)

    @staticmethod
    def _annotations(function: Any) -> list[Any]:
        return [_element(function, annotation) for annotation in _parameters(function)]

    @staticmethod
    def together(arguments: list[tuple[Any, ...]]) -> tuple[list[Any], ...]:
        """The lists that the function takes, of the arguments for each delivery."""
        return tuple(list(column) for column in zip(*arguments, strict=True))


def _element(function: Any, annotation: Any) -> Any:
    """What a list is made of, by the annotation of a parameter."""
    if annotation in (inspect.Parameter.empty, Any, list) or _is_delivery(annotation):
        return inspect.Parameter.empty if annotation is list else annotation
    if typing.get_origin(annotation) in (list, Sequence, Iterable):
        return typing.get_args(annotation)[0]
    raise TypeError(f"{_called(function)} gets lists: annotate its parameters by list[...], got {annotation!r}")
