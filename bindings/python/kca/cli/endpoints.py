"""`kca endpoints`: what an application declares."""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from typing import Annotated, Any

import typer

import kca
from kca.asyncio import System as AsyncSystem

from .options import Json, Timeout
from .output import Trouble, Wrong, data, put_json, table
from .settings import started


def endpoints(
    application: Annotated[
        str,
        typer.Argument(metavar="MODULE:NAME", envvar="KCA_APP", help="A system, or a function that makes one."),
    ],
    start: Annotated[
        bool, typer.Option("--start", help="Start the system first, and show its properties of librdkafka, too.")
    ] = False,
    as_json: Json = False,
    timeout: Timeout = 10.0,
) -> None:
    """Show the connections, publishers, consumers and handlers that an application declares, without starting it."""
    system = load(application)
    if start and not isinstance(system, kca.System):
        raise Wrong(f"{application}: --start is for a kca.System, got one of kca.asyncio")
    running = started(system, int(timeout * 1000)) if start and isinstance(system, kca.System) else nullcontext()
    with running:
        told = system.description()
    if as_json:
        put_json(told)
    else:
        _show(told)


def load(application: str) -> kca.System | AsyncSystem:
    """Gives the system MODULE:NAME; the module is in the working directory or installed."""
    module_name, found, name = application.partition(":")
    if not found:
        raise Wrong(f"an application must be MODULE:NAME, such as shop.main:system; got {application}")
    sys.path.insert(0, "")
    try:
        value: Any = importlib.import_module(module_name)
    except ImportError as e:
        raise Trouble(f"{module_name}: {e}") from None
    for part in name.split("."):
        if not hasattr(value, part):
            raise Trouble(f"{module_name} has no {name}")
        value = getattr(value, part)
    if callable(value):
        value = value()
    if not isinstance(value, kca.System | AsyncSystem):
        raise Trouble(f"{application} must be a system, got a {type(value).__name__}")
    return value


def _show(told: dict[str, Any]) -> None:
    for title, rows, columns in (
        ("connections", told["connections"], ("name", "hosts", "tls", "sasl", "user")),
        ("publishers", told["publishers"], ("channel", "connection", "async", "required_acks", "stored", "failed")),
        (
            "consumers",
            told["consumers"],
            ("name", "group", "topics", "connection", "order", "max_attempts", "dead_letter_channel", "handled"),
        ),
    ):
        if not rows:
            continue
        made = table(*columns)
        made.title, made.title_justify = title, "left"
        for row in rows:
            made.add_row(*(_cell(row.get(column)) for column in columns))
        data.print(made)
    data.print("handlers: " + ", ".join(told["handlers"]), markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
