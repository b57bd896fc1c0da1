"""OpenTelemetry: the current span goes out with a publish, and a message's context is current in its handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kca
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from support import KEY, declared


class Spans(SpanProcessor):
    def __init__(self) -> None:
        self.ended: dict[str, ReadableSpan] = {}

    def on_end(self, span: ReadableSpan) -> None:
        self.ended[span.name] = span


SPANS = Spans()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SPANS)
TRACER = PROVIDER.get_tracer("shop")


@pytest.fixture
def system() -> Iterator[kca.System]:
    made = declared()
    yield made
    made.shutdown()


def run(system: kca.System, publish: Any, last: str) -> dict[str, tuple[str, str]]:
    """Runs until the message of that name; gives the trace contexts of all messages by their names."""
    seen: dict[str, tuple[str, str]] = {}

    @system.handler("*")
    def handle(message: kca.Delivery) -> None:
        seen[message.name] = message.trace_context
        with TRACER.start_as_current_span(f"handle {message.name}"):
            if message.name == "orderCreated":
                bus.publish("orderBilled", key=KEY)
        if message.name == last:
            consumer.stop()

    system.start()
    bus = system.event_bus("orders")
    publish(bus)
    consumer = system.consumer("shop")
    consumer.run()
    return seen


def parent_of(span: Any) -> str:
    own = span.get_span_context()
    return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"


def test_one_trace_goes_through_publish_handler_and_publish(system: kca.System) -> None:
    spans: list[Any] = []

    def publish(bus: kca.Bus) -> None:
        state = trace.TraceState([("vendor", "1")])
        root = trace.SpanContext(7, 8, is_remote=True, trace_flags=trace.TraceFlags(1), trace_state=state)
        outside = trace.set_span_in_context(trace.NonRecordingSpan(root))
        with TRACER.start_as_current_span("publish", context=outside) as span:
            spans.append(span)
            bus.publish("orderCreated", key=KEY)

    seen = run(system, publish, "orderBilled")
    assert seen["orderCreated"] == (parent_of(spans[0]), "vendor=1")
    handling = SPANS.ended["handle orderCreated"]
    assert handling.parent is not None
    assert handling.parent.span_id == spans[0].get_span_context().span_id
    assert handling.parent.is_remote
    assert seen["orderBilled"] == (parent_of(handling), "vendor=1")
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert context.get_current() == {}


def test_a_context_of_ones_own_goes_before_the_span(system: kca.System) -> None:
    own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    kept = kca.Message("kept", key=KEY)

    def publish(bus: kca.Bus) -> None:
        with TRACER.start_as_current_span("publish"):
            bus.publish("given", key=KEY, trace_context=(own, None))
            bus.publish(kept)
        bus.publish(kept)
        bus.publish("last", key=KEY)

    seen = run(system, publish, "last")
    assert seen["given"][0] == own
    assert seen["kept"][0] == ""  # the second time, outside of the span
    assert kept.trace_context == ("", "")


def test_what_is_not_sampled_says_so(system: kca.System) -> None:
    tracer = TracerProvider(sampler=TraceIdRatioBased(0)).get_tracer("shop")

    def publish(bus: kca.Bus) -> None:
        with tracer.start_as_current_span("publish"):
            bus.publish("last", key=KEY)

    flags = run(system, publish, "last")["last"][0].split("-")[3]
    assert int(flags, 16) & 1 == 0


def test_a_handler_that_fails_leaves_no_context() -> None:
    system = declared()

    @system.handler("*")
    def handle(order: Any) -> None:
        assert trace.get_current_span().get_span_context().is_valid
        raise ValueError("it failed")

    with system:
        with TRACER.start_as_current_span("publish"):
            system.event_bus("orders").publish("a", key=KEY)
        with pytest.raises(kca.HandlerError, match="ValueError"):
            system.consumer("shop").run()
    assert context.get_current() == {}


def test_baggage_goes_through_publish_handler_and_publish(system: kca.System) -> None:
    current: dict[str, dict[str, object]] = {}
    copies: list[Any] = []

    @system.handler("*")
    def handle(message: kca.Delivery) -> None:
        current[message.name] = dict(baggage.get_all())
        if message.name == "orderCreated":
            bus.publish("orderBilled", key=KEY)
            bus.publish(kca.Message(None, key=KEY, headers=[("route", b"copy")], raw=True))
        if message.name == "copy":
            copies.append(message.record_headers)
        if len(current) == 5:
            consumer.stop()

    system.start()
    bus = system.event_bus("orders")
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    bus.publish("orderCreated", key=KEY, headers={"note": "1"})
    context.detach(token)
    bus.publish("orderPaid", key=KEY, headers={"baggage": "tenant=other,region=eu"})
    bus.publish("orderShipped", key=KEY)
    consumer = system.consumer("shop")
    consumer.run()
    assert current["orderCreated"] == {"tenant": "acme"}
    assert current["orderPaid"] == {"tenant": "other", "region": "eu"}
    assert current["orderShipped"] == {}
    assert current["orderBilled"] == {"tenant": "acme"}
    assert copies == [[("route", b"copy")]]  # a raw record is what it is


def test_a_strangers_trace_headers_leave_the_handler_alone(system: kca.System) -> None:
    parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    hostile = [
        [("baggage", b"\xff=\xfe"), ("traceparent", b"\xff\0"), ("tracestate", b"\xff=1")],
        [("baggage", b"a=%FF%00,;;;=,=\n"), ("traceparent", parent), ("tracestate", b"a=b,,," + b"=" * 600)],
    ]
    handled: list[bytes | None] = []

    @system.handler("*")
    def handle(message: kca.Delivery) -> None:
        handled.append(message.key)
        bus.publish("caused", key="elsewhere")
        if len(handled) == len(hostile):
            system.consumer("shop").stop()

    system.start()
    bus = system.event_bus("orders")
    for headers in hostile:
        bus.publish(kca.Message(None, headers=[("route", b"strange"), *headers], key=KEY, raw=True))
    system.consumer("shop").run()
    assert handled == [KEY.encode()] * len(hostile)
    assert "0 failed" in system.describe()
