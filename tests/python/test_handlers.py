"""What handlers are called with, and what is rejected, by their annotations."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import kca
import msgspec
import pydantic
import pytest
from support import KEY, declared


class Kind(Enum):
    NEW = "new"
    OLD = "old"


@dataclass
class Item:
    sku: str
    count: int = 1


@dataclass
class OrderCreated:
    id: str
    amount: float
    items: list[Item] = field(default_factory=list)
    kind: Kind = Kind.NEW
    note: str | None = None


class OrderBilled(pydantic.BaseModel):
    id: str
    amount: Annotated[float, pydantic.Field(ge=0)]
    lines: list[dict[str, int]] = []


class OrderSent(msgspec.Struct):
    id: str
    amount: float
    stops: list[str] = []


@pytest.fixture
def system() -> Iterator[kca.System]:
    made = declared(failure_policy="skip")
    yield made
    made.shutdown()


def handled(system: kca.System, handler: Any, *published: Any, name: str | None = None) -> list[str]:
    """Runs a consumer until the last message, which has the name "end"; gives its faults."""
    system.handler(name, handler)
    faults: list[str] = []
    system.on(kca.Fault, lambda fault: faults.append(str(fault.error)))

    @system.handler("end")
    def end(message: kca.Delivery) -> None:
        consumer.stop()

    system.start()
    bus = system.event_bus("orders")
    for one in published:
        arguments = one if isinstance(one, tuple) else (one,)
        bus.publish(*arguments, key=KEY)
    bus.publish("end", key=KEY)
    consumer = system.consumer("shop")
    consumer.run()
    return faults


ORDER = {"id": "ORD-1", "amount": 9.5}


@pytest.mark.parametrize(
    "sent",
    [
        OrderCreated("ORD-1", 9.5, [Item("a", 2)], Kind.OLD, "ä"),
        OrderBilled(id="ORD-1", amount=9.5, lines=[{"a": 1}]),
        OrderSent("ORD-1", 9.5, ["a", "b"]),
    ],
    ids=lambda sent: type(sent).__name__,
)
def test_an_object_comes_as_it_was_published(system: kca.System, sent: Any) -> None:
    seen: list[Any] = []

    def handle(order: Any) -> None:
        seen.append(order)

    handle.__annotations__["order"] = type(sent)
    assert handled(system, handle, sent) == []
    assert seen == [sent]


def test_a_payload_may_be_what_json_has_or_its_bytes(system: kca.System) -> None:
    seen: list[Any] = []

    @system.handler("raw")
    def raw(payload: bytes) -> None:
        seen.append(payload)

    @system.handler("dict")
    def values(payload: dict[str, Any], message: kca.Delivery) -> None:
        seen.append((payload, message.name))

    @system.handler("delivery")
    def both(message: kca.Delivery, payload: list[int]) -> None:
        seen.append((message.name, payload))

    def plain(payload, message):  # type: ignore[no-untyped-def]
        seen.append((payload, message.topic))

    published = [("raw", b"\0\xff"), ("dict", ORDER), ("delivery", [1, 2]), ("plain", ORDER)]
    assert handled(system, plain, *published) == []
    assert seen == [b"\0\xff", (ORDER, "dict"), ("delivery", [1, 2]), (ORDER, "orders")]


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (dict, [1], "the payload is not dict: must be an object, got a list"),
        (dict[str, int], {"a": "1"}, "a: must be an integer, got a text"),
        (OrderCreated, {"id": "ORD-1"}, "the payload is not OrderCreated: amount: is missing"),
        (OrderCreated, {"id": "ORD-1", "amount": "9"}, "amount: must be a number, got a text"),
        (OrderCreated, ORDER | {"items": [{"sku": "a"}, {"sku": 5}]}, "items[1].sku: must be a text, got an integer"),
        (OrderCreated, ORDER | {"kind": "odd"}, "kind: must be one of 'new', 'old'"),
        (OrderCreated, ORDER | {"note": 1}, "note: must be str or null, got an integer"),
        (OrderCreated, None, "must be an object, got null"),
        (tuple[int, str], [1], "the payload is not tuple[int, str]: must be a list of 2, got one of 1"),
        (tuple[int, str], [1, 2], "[1]: must be a text, got an integer"),
        (time, '"late"', "must be a time of day in ISO 8601"),
        (dict[str, bytes], {"a": "*"}, "a: must be a text in base64"),
        (Decimal, [1], "must be a decimal number, got a list"),
        (OrderBilled, ORDER | {"amount": -1}, "the payload is not OrderBilled: amount: Input should be greater"),
        (OrderBilled, ORDER | {"lines": [{"a": "x"}]}, "lines[0].a: Input should be a valid integer"),
        (list[OrderBilled], [ORDER, {}], "[1].id: Field required (and 1 more)"),
        (OrderSent, {"id": "ORD-1"}, "the payload is not OrderSent: Object missing required field `amount`"),
        (OrderSent, ORDER | {"stops": [1]}, "stops[0]: Expected `str`, got `int`"),
        (OrderCreated, "{", "JSON"),
        (OrderBilled, "{", "JSON"),
        (OrderSent, "{", "JSON"),
        (dict, b"\xff", "JSON"),
    ],
)
def test_what_does_not_fit_is_rejected_with_the_field_in_one_line(
    system: kca.System, kind: Any, payload: Any, reason: str
) -> None:
    called: list[Any] = []

    def handle(order: Any) -> None:
        called.append(order)

    handle.__annotations__["order"] = kind
    [fault] = handled(system, handle, ("order", payload), name="order")
    assert "rejected" in fault and "payload: " in fault and reason in fault
    assert "\n" not in fault
    assert called == []


def test_a_failure_inside_the_handler_is_no_mismatch(system: kca.System) -> None:
    def handle(order: OrderCreated) -> None:
        raise kca.PayloadError("it is of another time")

    [fault] = handled(system, handle, OrderCreated("ORD-1", 1.0))
    assert "failed" in fault and "PayloadError: it is of another time" in fault


class Strange(pydantic.BaseModel):
    id: str

    @pydantic.field_validator("id")
    @classmethod
    def known(cls, value: str) -> str:
        return {"ORD-1": value}[value]


def test_a_validator_that_breaks_fails_the_message_and_not_the_consumer(system: kca.System) -> None:
    seen: list[Strange] = []

    def handle(order: Strange) -> None:
        seen.append(order)

    [fault] = handled(system, handle, ("strange", {"id": "ORD-2"}), ("strange", {"id": "ORD-1"}))
    assert "failed" in fault and "KeyError: 'ORD-2'" in fault
    assert [order.id for order in seen] == ["ORD-1"]


def test_a_handler_may_return_its_verdict(system: kca.System) -> None:
    verdicts = {"a": kca.DONE, "b": kca.REJECTED, "c": kca.FAILED, "d": kca.DUPLICATE, "e": 3}

    def handle(order: str) -> Any:
        return verdicts[order]

    assert len(handled(system, handle, *[("order", f'"{name}"') for name in verdicts], name="order")) == 2
    [counts] = system.description()["consumers"]
    assert (counts["handled"], counts["rejected"], counts["failed"], counts["duplicates"]) == (3, 1, 1, 1)


def test_names_come_from_the_class_or_the_function() -> None:
    system = kca.System()

    @system.handler
    def some_thing(payload: Any) -> None: ...

    @system.handler()
    def anything(order: OrderBilled) -> None: ...

    @system.handler
    def orderLost(payload: dict[str, Any]) -> None: ...

    assert system.description()["handlers"] == ["someThing", "orderBilled", "orderLost"]
    with pytest.raises(TypeError, match="needs the name"):
        system.handler(lambda payload: None)
    with pytest.raises(TypeError, match="must take the payload, the delivery, or both"):
        system.handler("none", lambda: None)
    with pytest.raises(TypeError, match="cannot be read as"):

        @system.handler("odd")
        def odd(payload: range) -> None: ...

    with pytest.raises(TypeError, match="cannot be read as"):

        @system.handler
        def odder(order: Odd) -> None: ...


@dataclass
class Odd:
    """One whose field is not to be read; it is said when it is declared."""

    within: list[range]
    again: Odd | None = None


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (lambda payload, message, bus: None, "kca has nothing for its parameter bus"),
        (lambda payload, *, bus: None, "kca has nothing for its parameter bus"),
        (lambda *arguments, bus: None, "kca has nothing for its parameter bus"),
        (lambda *, bus: None, "kca has nothing for its parameter bus"),
        (lambda: None, "nothing"),
    ],
)
def test_a_handler_that_could_not_be_called_is_refused_in_one_line(handler: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=f"handler .*lambda.* takes.* {reason}") as raised:
        kca.System().handler("order", handler)
    assert "\n" not in str(raised.value)


def test_a_parameter_with_a_default_keeps_it(system: kca.System) -> None:
    seen: list[Any] = []

    @system.handler("a")
    def a(order: int, times: int = 3, *, unit: str = "kg") -> None:
        seen.append((order, times, unit))

    @system.handler("b")
    def b(order: int, message: kca.Delivery | None = None, times: int = 3) -> None:
        seen.append((order, message, times))

    @system.handler("c")
    def c(order: int, message: kca.Delivery = None, times: int = 3) -> None:  # type: ignore[assignment]
        seen.append((order, message.name, times))

    @system.handler("d")
    def d(order: int = 1) -> None:
        seen.append(order)

    assert handled(system, lambda order, *rest: None, ("a", 1), ("b", 2), ("c", 3), ("d", 4), name="e") == []
    assert seen == [(1, 3, "kg"), (2, None, 3), (3, "c", 3), 4]


LONG = "12345678901234567890.12345678901234567890"


@dataclass
class Price:
    amount: Decimal
    weight: float = 0.0
    rest: Any = None
    either: Decimal | float | None = None


class PriceModel(pydantic.BaseModel):
    amount: Decimal
    weight: float = 0.0
    rest: Any = None
    lines: list[Item] = []


class StrictPrice(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    amount: Decimal
    weight: float = 0.0


class PriceStruct(msgspec.Struct):
    amount: Decimal
    weight: float = 0.0


@pytest.mark.parametrize("kind", [Price, PriceModel, PriceStruct, StrictPrice])
@pytest.mark.parametrize("amount", [LONG, "1.10", "0.1", "1e400", "5", f'"{LONG}"'])
def test_a_decimal_keeps_its_digits(system: kca.System, kind: Any, amount: str) -> None:
    seen: list[Any] = []

    def handle(price: Any) -> None:
        seen.append(price)

    handle.__annotations__["price"] = kind
    assert handled(system, handle, ("price", f'{{"amount": {amount}, "weight": 0.25}}'), name="price") == []
    assert (str(seen[0].amount), seen[0].weight) == (str(Decimal(amount.strip('"'))), 0.25)


@pytest.mark.parametrize("kind", [Price, PriceModel])
def test_beside_a_decimal_all_is_as_ever(system: kca.System, kind: Any) -> None:
    seen: list[Any] = []

    def handle(price: Any) -> None:
        seen.append(price)

    handle.__annotations__["price"] = kind
    sent = '{"amount": 1.5, "weight": 2, "rest": [0.1, {"a": 0.2}, 3]}'
    assert handled(system, handle, ("price", sent), ("price", "{"), name="price")
    assert (seen[0].amount, seen[0].weight, repr(seen[0].rest)) == (Decimal("1.5"), 2.0, "[0.1, {'a': 0.2}, 3]")


@pytest.mark.parametrize("kind", [Price, PriceModel, PriceStruct])
def test_a_decimal_is_published_with_its_digits(kind: Any) -> None:
    assert kca.Message("price", kind(amount=Decimal(LONG))).json()["amount"] == LONG


def test_a_digit_that_a_strict_model_cannot_have_is_told() -> None:
    """Here in the middle of numbers that are no Decimals."""
    system = declared(failure_policy="skip")

    def handle(price: StrictPrice) -> None: ...

    [fault] = handled(system, handle, ("price", f'{{"amount": 1.5, "weight": {LONG}}}'), name="price")
    system.shutdown()
    assert "more digits than a float" in fault


@dataclass
class All:
    when: datetime
    at: time
    place: tuple[int, str]
    nothing: tuple[()]
    picture: bytes
    id: UUID
    price: Decimal
    size: Literal["s", "m"]
    tags: set[str]
    pair: tuple[int, ...]
    by_name: dict[str, Item]
    either: int | str
    nested: All | None = None


def test_dataclasses_may_have_more_than_json_has(system: kca.System) -> None:
    seen: list[All] = []
    inner = All(
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
        time(3, 4, 5, 6, tzinfo=timezone.utc),
        (1, "a"),
        (),
        b"\0\xff",
        UUID(int=7),
        Decimal("1.10"),
        "m",
        {"x"},
        (1, 2),
        {"a": Item("b")},
        "five",
    )
    sent = All(**{**vars(inner), "either": 5, "nested": inner})

    def handle(payload: All) -> None:
        seen.append(payload)

    assert handled(system, handle, sent) == []
    assert seen == [sent]


def test_where_a_handler_failed_is_in_the_log(system: kca.System, caplog: pytest.LogCaptureFixture) -> None:
    def look_up(order: dict[str, Any]) -> None:
        print(order["customer"])

    def refuse(order: dict[str, Any]) -> None:
        raise kca.Rejected("it will never work")

    system.handler("orderRefused", refuse)
    with caplog.at_level(logging.INFO, "kca"):
        [failed, _] = handled(system, look_up, ("lookUp", {}), ("orderRefused", {}))
    assert "KeyError: 'customer'" in failed
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.name == "kca.consumer"
    assert 'print(order["customer"])' in caplog.text


def test_publishing_needs_a_name() -> None:
    bus = kca.Bus(None)
    for wrong in 5, object(), {"id": 1}:
        with pytest.raises(TypeError, match="a name and a payload"):
            bus.publish(wrong)


def test_nothing_heavy_is_imported_without_need() -> None:
    script = """
import sys, kca
system = kca.System(kca.Connection("local", "embedded://"), kca.ConsumerBuilder("local", "orders", "shop"))
system.handler("a", lambda payload: None)
print([m for m in ("pydantic", "fastapi", "opentelemetry", "asyncio", "logging.handlers") if m in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
