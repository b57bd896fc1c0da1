"""Data goes to stdout, talk to stderr."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Trouble(Exception):
    """A user's mistake, or something that is not there: one line on stderr, and exit code 1."""


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
talk = Console(stderr=True, highlight=False)
# A file or a pipe has no width.
data = Console(highlight=False, width=None if sys.stdout.isatty() else 500)


def visible(text: str) -> str:
    """Makes control characters in the text of others visible, so that a terminal does not obey them."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def shown(text: str) -> str:
    """Makes control characters visible, and escapes the text for rich's markup."""
    return escape(visible(text))


def say(text: str) -> None:
    """Prints a line to stderr, marked as kcat does."""
    talk.print(f"% {visible(text)}", markup=False, soft_wrap=True)


def put(line: bytes) -> None:
    """Writes a line of data to stdout."""
    sys.stdout.buffer.write(line + b"\n")


def flush() -> None:
    """Flushes stdout, so that the data can be read now."""
    sys.stdout.buffer.flush()


def put_json(value: Any) -> None:
    """Writes a value to stdout as one line of JSON."""
    put(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
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
