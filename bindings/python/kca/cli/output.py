"""Data goes to stdout, talk to stderr."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..visible import visible
from .secrets import masked


class Trouble(Exception):
    """What was asked for cannot be done: one line on stderr, and exit code 1."""


class Wrong(Trouble):
    """The command is used in a wrong way: one line on stderr, and exit code 2."""


# What `visible` makes visible, in JSON, where white space between the values is no part of a text.
_HIDDEN_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class _Console(Console):
    """A console that leaves it to the command what a closed stdout means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


talk = _Console(stderr=True, highlight=False, emoji=False)
# A file or a pipe has no width.
data = _Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 500)


def escaped(told: str) -> str:
    """JSON with what a terminal would obey as escapes of JSON, which stand for the same texts."""
    return _HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", told)


def for_terminal(line: bytes) -> bytes:
    """A line of JSON; on a terminal with escapes, elsewhere to the byte: programs do not obey it."""
    return escaped(line.decode()).encode() if sys.stdout.isatty() else line


def shown(text: str | bytes) -> str:
    """Makes the text of others visible, and escapes it for rich's markup."""
    return escape(visible(text))


def say(text: str) -> None:
    """Prints a line to stderr, marked as kcat does, and without secrets."""
    talk.print(f"% {visible(masked(text))}", markup=False, soft_wrap=True)


def put(line: bytes) -> None:
    """Writes a line of data to stdout."""
    sys.stdout.buffer.write(line + b"\n")


def flush() -> None:
    """Flushes stdout, so that the data can be read now."""
    sys.stdout.buffer.flush()


def close() -> None:
    """Throws away what is written to stdout from now on, and what Python would write at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def put_json(value: Any) -> None:
    """Writes a value to stdout as one line of JSON."""
    put(escaped(json.dumps(value, ensure_ascii=False)).encode())
    flush()


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table; the columns named in `right` are numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return made


def number(value: int | None) -> str:
    """A number for people; None: not known."""
    return "?" if value is None else f"{value:,}"
