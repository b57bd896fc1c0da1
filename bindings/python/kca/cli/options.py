"""Options that several commands have: each is declared once, as a field of a group that a command takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from .settings import Settings, settings_of

_CLUSTER = "Cluster"

Timeout = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", rich_help_panel=_CLUSTER, help="How long to wait."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]


@dataclass(frozen=True)
class Cluster:
    """The options that say which cluster a command works on, and how."""

    brokers: Annotated[
        str | None,
        typer.Option(
            "-b", "--brokers", metavar="HOST:PORT,...", envvar="KCA_BROKERS", rich_help_panel=_CLUSTER,
            help="Bootstrap brokers, or embedded:// for a broker inside this process.",
        ),
    ] = None  # fmt: skip
    properties: Annotated[
        list[str] | None,
        typer.Option(
            "-X", "--property", metavar="NAME=VALUE", rich_help_panel=_CLUSTER,
            help="A property of librdkafka, such as sasl.username=me. Repeatable. KCA_PROPERTIES can hold more.",
        ),
    ] = None  # fmt: skip
    timeout: Timeout = 10.0
    verbose: Annotated[
        int,
        typer.Option(
            "-v", "--verbose", count=True, rich_help_panel=_CLUSTER, help="Log more; twice: debug messages, too."
        ),
    ] = 0

    def settings(self) -> Settings:
        """The settings, from these options and the environment."""
        return settings_of(self.brokers, self.properties, self.verbose, self.timeout)


def grouped(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a command of a function that takes groups: typer sees the fields of each group as options.

    Args:
        defaults: of single fields, in place of the group's own.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        groups: dict[str, type[Any]] = {}
        options: list[Parameter] = []
        for name, parameter in signature(function, eval_str=True).parameters.items():
            members: Mapping[str, Parameter] = {name: parameter}
            if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation):
                groups[name] = parameter.annotation
                members = signature(groups[name], eval_str=True).parameters
            for each in members.values():
                default = defaults.get(each.name, each.default)
                options.append(each.replace(kind=Parameter.KEYWORD_ONLY, default=default))

        @wraps(function)
        def command(**given: Any) -> None:
            made = {name: group(**{f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
            function(**given, **made)

        command.__signature__ = Signature(options)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in options}
        return command

    return decorate
