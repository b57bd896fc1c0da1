"""Options of builders that are given as texts: `-X isolation_level=read_uncommitted`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import kca

from .output import Wrong

# The commands' own options say these.
_LEFT_OUT = {"property", "partition", "group_topic", "group_id"}
_LISTS = {"retry_delay_ms", "rejected_error", "retry_channel", "delay_channel", "delay_channel_ms"}
_ALIASES = {"auto.offset.reset": "start_offset"}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Builder = kca.PublisherBuilder | kca.ConsumerBuilder


def _options_of(builder: type[Any]) -> dict[str, inspect.Parameter]:
    """The options that the builder has a method for, each with that method's parameter."""
    found = {}
    for name, method in inspect.getmembers(builder, inspect.isfunction):
        option = name.removeprefix("with_")
        if option != name and option not in _LEFT_OUT:
            found[option] = list(inspect.signature(method).parameters.values())[1]
    return found


_OPTIONS = _options_of(kca.PublisherBuilder) | _options_of(kca.ConsumerBuilder)


def option_named(name: str) -> str | None:
    """The option of a builder that has this name, with underscores or as a property; None: it is a property."""
    option = _ALIASES.get(name, name.replace(".", "_"))
    return option if option in _OPTIONS else None


def flag(option: str, told: str) -> bool:
    """The value of an option that is on or off."""
    try:
        return _WORDS[told.lower()]
    except KeyError:
        raise Wrong(f"-X {option} must be true or false, got {told}") from None


def _value(option: str, told: str) -> Any:
    kind = _OPTIONS[option].annotation
    if kind == "bool":
        return flag(option, told)
    try:
        return {"int": int, "float": float}.get(kind, str)(told)
    except (ValueError, KeyError):
        allowed = "an integer" if kind == "int" else "a number"
        raise Wrong(f"-X {option} must be {allowed}, got {told}") from None


def set_options(builder: Builder, options: Mapping[str, str]) -> None:
    """Sets those of the options that the builder has; a list has commas between its values."""
    own = _options_of(type(builder))
    for option, told in options.items():
        if option in own:
            values = told.split(",") if option in _LISTS else [told]
            for value in values:
                getattr(builder, f"with_{option}")(_value(option, value))
