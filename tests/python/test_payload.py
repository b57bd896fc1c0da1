"""JSON by three libraries: the same bytes, the same values, the same failures."""

from __future__ import annotations

import json
import math
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

import kca
import msgspec
import pydantic
import pytest
from kca import payload

LIBRARIES = ["orjson", "msgspec", "json"]


@pytest.fixture(autouse=True)
def chosen_again() -> Iterator[None]:
    yield
    payload.use()


def outcomes(call: Callable[[], Any]) -> list[Any]:
    """What comes of a call with each library."""
    found = []
    for library in LIBRARIES:
        assert payload.use(library) == library
        try:
            found.append(call())
        except (ValueError, TypeError) as e:
            found.append(ValueError if isinstance(e, ValueError) else TypeError)
        except kca.Error as e:
            found.append((type(e), str(e)))
    return found


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: float
    when: datetime


class Model(pydantic.BaseModel):
    a: float = 1e22
    b: None = None


class Record(msgspec.Struct):
    a: float = 1e-7
    big: int = 2**70


VALUES: list[tuple[Any, bytes | type[Exception]]] = [
    ({"orderId": "ORD-1", "amount": 299.99, "open": True}, b'{"orderId":"ORD-1","amount":299.99,"open":true}'),
    ({"text": 'ä \u2028 \U0001f600 " \\ / \b\f\n\r\t\x00\x1f\x7f'}, None),  # type: ignore[list-item]
    ([1e16, 1e15, 1e-5, 1.5e-7, -0.0, 5e-324], b"[1e+16,1000000000000000.0,1e-05,1.5e-07,-0.0,5e-324]"),
    ([2**53 + 1, 2**64, -(2**63) - 1, 10**40], f"[{2**53 + 1},{2**64},{-(2**63) - 1},{10**40}]".encode()),
    ({1: 2, None: 3, False: 4}, b'{"1":2,"null":3,"false":4}'),
    ({"a": None}, b'{"a":null}'),
    (math.nan, ValueError),
    ([{"a": math.inf}], ValueError),
    ("\ud800", ValueError),
    ({"a": "\ud800"}, ValueError),
    ({"a": object()}, TypeError),
    (Colour.RED, b'"red"'),
    (Point(1e30, datetime(2026, 1, 2, tzinfo=timezone.utc)), b'{"x":1e+30,"when":"2026-01-02T00:00:00Z"}'),
    ([date(2026, 1, 2), UUID(int=1), Decimal("1.10"), {7}, (1, 2)], None),  # type: ignore[list-item]
    (Model(), b'{"a":1e+22,"b":null}'),
    (Record(), b'{"a":1e-07,"big":1180591620717411303424}'),
    ({"in": [Model(a=1), Record(1.5, 1)]}, b'{"in":[{"a":1.0,"b":null},{"a":1.5,"big":1}]}'),
    ({"digits": "x1e5,1e5"}, b'{"digits":"x1e5,1e5"}'),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=range(len(VALUES)))
def test_each_library_writes_the_same_bytes(value: Any, expected: Any) -> None:
    found = outcomes(lambda: payload.encoded(value if not isinstance(value, str) else [value]))
    assert found[0] == found[1] == found[2]
    assert expected is None or found[0] == expected
    if isinstance(found[0], bytes) and not hasattr(value, "__dict__"):
        assert b'": ' not in found[0]
        json.loads(found[0])


def test_numbers_are_written_alike() -> None:
    made = random.Random(int(os.environ.get("KCA_SEED", "1")))
    for _ in range(20000):
        numbers = [
            made.random() * 10 ** made.randint(-30, 30),
            round(made.random() * 10 ** made.randint(0, 18), made.randint(0, 4)),
            float(made.randint(-(10**18), 10**18)),
            struct.unpack("d", made.randbytes(8))[0],
            made.randint(-(2**70), 2**70),
        ]
        finite = [number for number in numbers if math.isfinite(number)]
        found = outcomes(partial(payload.encoded, finite))
        assert found[0] == found[1] == found[2] == json.dumps(finite, separators=(",", ":")).encode()
        read = outcomes(kca.Message("numbers", found[0]).json)
        assert read[0] == read[1] == read[2] == finite
        assert [type(n) for n in read[0]] == [type(n) for n in finite]


TEXTS = [
    b'{"a":1,"a":2}', b" [1 , 2]\n", b"-0", b"-0.0", b"1.0E5", b"18446744073709551616", b"1" * 30, b'"\\ud83d\\ude00"',
    b'"\\u0000"', b'"' + b"1" * 30 + b'"', b"1e400",
    b"", b"NaN", b"Infinity", b"[1,]", b"01", b"\x0b1", b"\xef\xbb\xbf1", b'"\xff"', b'"\x01"', b'"\\ud800"', b"{",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_each_library_reads_the_same(text: bytes) -> None:
    message = kca.Message("order", text)
    found = outcomes(message.json)
    assert repr(found[0]) == repr(found[1]) == repr(found[2])


@pytest.mark.parametrize("digits", [17, 18, 19, 20, 21, 60])
def test_a_long_integer_is_read_exactly_wherever_it_stands(digits: int) -> None:
    number = int("9" * digits)
    for before in range(50):
        read = outcomes(kca.Message("order", b" " * before + b"[%d]" % number).json)
        assert read[0] == read[1] == read[2] == [number]
        assert {type(each[0]) for each in read} == {int}


def test_the_first_library_that_is_there_is_taken() -> None:
    script = """
import sys, importlib.util
there = importlib.util.find_spec
hidden = sys.argv[1:]
importlib.util.find_spec = lambda name, *more: None if name in hidden else there(name, *more)
import kca
from kca import payload
print(payload.use(), [name for name in ("orjson", "msgspec") if name in sys.modules])
"""
    for hidden, expected in (
        ([], "orjson ['orjson']"),
        (["orjson"], "msgspec ['msgspec']"),
        (["orjson", "msgspec"], "json []"),
    ):
        ended = subprocess.run([sys.executable, "-c", script, *hidden], capture_output=True, text=True, timeout=300)
        assert (ended.stdout, ended.stderr) == (expected + "\n", "")
