"""Spans that kca makes with OpenTelemetry's API, as the SDK exports them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import kca
import kca.asyncio
import kca.telemetry
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.trace import SpanKind, StatusCode
from support import DEADLINE_SECONDS, KEY, declared
from waits import take_turns

CONVENTION = {value for value in vars(messaging_attributes).values() if isinstance(value, str)} | {"error.type"}
OWN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Exported:
    """The spans that have ended, in their order."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self, name: str) -> list[ReadableSpan]:
        found = [span for span in self.exporter.get_finished_spans() if span.name == name]
        for span in found:
            unknown = {key for key in span.attributes or {} if key not in CONVENTION and not key.startswith("kca.")}
            assert not unknown, unknown
        return found

    def only(self, name: str) -> ReadableSpan:
        (span,) = self.spans(name)
        return span


@pytest.fixture
def exported() -> Exported:
    return Exported()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def span_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def parent_id(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def run(
    system: kca.System, handle: Any, *names: str, publish: Any = None, last: str = "last", processors: int = 1
) -> None:
    """Publishes messages of these names, and handles until the last one, which the handler may publish, has come."""
    consumer = None

    @system.handler("*")
    def handled(d: kca.Delivery) -> Any:
        if d.name == last and consumer is not None:
            consumer.stop()
            return None
        return handle(d)

    with system:
        bus = system.event_bus("orders")
        for name in names:
            bus.publish(name, {"id": 1}, key=KEY, message_id=f"id of {name}", correlation_id="order 1")
        if publish:
            publish(bus)
        if last == "last":
            bus.publish(last, key=KEY)
        consumer = system.consumer("shop", amount_of_processors=processors)
        consumer.run()


def test_one_trace_goes_from_publish_through_handlers_to_the_last(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)
    tracer = exported.provider.get_tracer("shop")

    def handle(d: kca.Delivery) -> None:
        system.event_bus("orders").publish("billed", key=KEY)

    with tracer.start_as_current_span("request"):
        run(system, handle, "ordered", last="billed")
    request = exported.only("request")
    creates, sends = exported.spans("create orders"), exported.spans("send orders")
    handled = exported.spans("process orders")
    assert [attributes(span)["kca.verdict"] for span in handled] == ["done"] * 2
    first, billed = creates
    assert parent_id(first) == span_id(request)
    assert parent_id(handled[0]) == span_id(first)
    assert handled[0].parent is not None and handled[0].parent.is_remote
    assert parent_id(billed) == span_id(handled[0])
    assert parent_id(handled[-1]) == span_id(billed)
    assert {span.get_span_context().trace_id for span in (*creates, *sends, *handled)} == {  # type: ignore[union-attr]
        request.get_span_context().trace_id  # type: ignore[union-attr]
    }
    for create, send in zip(creates, sends, strict=True):
        assert [link.context.span_id for link in send.links] == [span_id(create)]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_spans_have_the_kinds_and_attributes_of_the_convention(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)
    run(system, lambda d: None, "ordered")
    create, send, process = (exported.spans(f"{name} orders")[0] for name in ("create", "send", "process"))
    assert [span.kind for span in (create, send, process)] == [SpanKind.PRODUCER, SpanKind.CLIENT, SpanKind.CONSUMER]
    common = {
        "messaging.system": "kafka",
        "messaging.destination.name": "orders",
        "messaging.client.id": "local",
        "messaging.message.id": "id of ordered",
        "messaging.message.conversation_id": "order 1",
        "messaging.kafka.message.key": KEY,
        "messaging.message.body.size": len(b'{"id":1}'),
    }
    for span, name in (create, "create"), (send, "send"):
        assert attributes(span) == common | {"messaging.operation.name": name, "messaging.operation.type": name}
    assert attributes(process) == common | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "shop",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "kca.attempt": 1,
        "kca.verdict": "done",
    }


def test_each_attempt_that_fails_is_an_error_with_its_exception(exported: Exported) -> None:
    system = declared(max_attempts=2, retry_backoff_ms=1, retry_jitter_percent=0, failure_policy="skip")
    kca.telemetry.instrument(system, exported.provider)

    def handle(d: kca.Delivery) -> Any:
        if d.name == "odd":
            return kca.REJECTED
        raise ValueError("no such order")

    run(system, handle, "ordered", "odd")
    first, second, odd, _ = exported.spans("process orders")
    for attempt, span in enumerate((first, second), 1):
        assert attributes(span)["kca.attempt"] == attempt
        assert attributes(span)["kca.verdict"] == "failed"
        assert attributes(span)["error.type"] == "ValueError"
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "no such order"
        assert [event.name for event in span.events] == ["exception"]
    assert attributes(odd)["kca.verdict"] == "rejected"
    assert odd.status.status_code is StatusCode.ERROR
    assert not odd.events


def test_a_publish_that_is_refused_is_an_error(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)

    def publish(bus: kca.Bus) -> None:
        with pytest.raises(kca.Error):
            bus.publish("x", partition=99)

    run(system, lambda d: None, publish=publish)
    failed = exported.spans("send orders")[0]
    assert failed.status.status_code is StatusCode.ERROR
    assert attributes(failed)["error.type"] == "argument"


def test_a_message_that_has_a_context_keeps_it(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)
    seen = []

    def publish(bus: kca.Bus) -> None:
        bus.publish("given", key=KEY, trace_context=(OWN, "vendor=1"))

    run(system, lambda d: seen.append(d.trace_context), publish=publish)
    assert seen == [(OWN, "vendor=1")]
    (link,) = exported.spans("send orders")[0].links
    assert link.context.span_id == int(OWN.split("-")[2], 16)
    assert len(exported.spans("create orders")) == 1  # of the last message
    assert parent_id(exported.spans("process orders")[0]) == link.context.span_id


def test_what_is_not_sampled_is_not_exported_and_says_so(exported: Exported) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    system = declared()
    kca.telemetry.instrument(system, provider)
    seen = []
    run(system, lambda d: seen.append(d.trace_context[0]), "ordered")
    assert int(seen[0].split("-")[3], 16) & 1 == 0


def test_tombstones_and_keys_of_bytes_are_told(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)

    def publish(bus: kca.Bus) -> None:
        bus.publish("gone", key=b"\xff", partition=0)

    run(system, lambda d: None, publish=publish)
    gone = attributes(exported.spans("create orders")[0])
    assert gone["messaging.kafka.message.tombstone"] is True
    assert "messaging.kafka.message.key" not in gone
    assert "messaging.message.body.size" not in gone


def test_processors_have_each_their_own_current_span(exported: Exported) -> None:
    system = declared(order="none")
    kca.telemetry.instrument(system, exported.provider)
    current: dict[str, int] = {}

    def handle(d: kca.Delivery) -> None:
        current[d.name] = trace.get_current_span().get_span_context().span_id

    names = [f"n{i}" for i in range(20)]
    run(system, handle, *names, processors=4)
    spans = {attributes(span)["messaging.message.id"]: span_id(span) for span in exported.spans("process orders")}
    assert len(current) == len(names)
    assert spans.items() >= {(f"id of {name}", span) for name, span in current.items()}


def test_in_asyncio_tasks_have_each_their_own_current_span(exported: Exported) -> None:
    current: dict[str, int] = {}

    async def main() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
            kca.ConsumerBuilder("local", "orders", "shop", partition=0, order="none"),
        )
        kca.telemetry.instrument(system, exported.provider)
        barrier = asyncio.Event()

        @system.handler("*")
        async def handle(d: kca.Delivery) -> None:
            if d.name == "first":
                await barrier.wait()
            barrier.set()
            current[d.name] = trace.get_current_span().get_span_context().span_id
            if d.name == "first":
                await system.event_bus("orders").publish("third", key=KEY)
            if d.name == "third":
                system.consumer("shop").stop()

        async with system:
            bus = system.event_bus("orders")
            await bus.publish("first", key=KEY, message_id="1")
            await bus.publish("second", key=KEY, message_id="2")
            await system.consumer("shop", amount_of_processors=4).run()

    asyncio.run(main())
    spans = {attributes(span).get("messaging.kafka.offset"): span for span in exported.spans("process orders")}
    assert [span_id(spans[offset]) for offset in range(3)] == [current[name] for name in ("first", "second", "third")]
    sends = exported.spans("send orders")
    assert sorted(attributes(span)["messaging.kafka.offset"] for span in sends) == [0, 1, 2]
    third = exported.spans("create orders")[-1]
    assert parent_id(third) == current["first"]
    assert parent_id(spans[2]) == span_id(third)


DRAWN = """\
request (internal)
  create orders (producer)
    process orders (consumer)
      create orders (producer)
        process orders (consumer)
          process replies (consumer)
      send orders (client)
  send orders (client)
"""


def drawn(spans: list[ReadableSpan], parent: int | None = None, indent: str = "") -> str:
    """The spans as a tree: each below its parent, in the order of their beginnings."""
    below = [span for span in spans if (span.parent.span_id if span.parent else None) == parent]
    lines = ""
    for span in sorted(below, key=lambda span: span.start_time or 0):
        lines += f"{indent}{span.name} ({span.kind.name.lower()})\n"
        lines += drawn(spans, span_id(span), indent + "  ")
    return lines


def test_one_trace_from_publish_over_two_handlers_to_the_reply_is_as_the_page_draws_it(exported: Exported) -> None:
    system = declared(reply=True)
    system.add_publisher(kca.PublisherBuilder("local", "replies", required_acks=-1, linger_ms=0))
    system.add_consumer(kca.ConsumerBuilder("local", "replies", "answers").with_partition(kca.PARTITION_EVERY))
    kca.telemetry.instrument(system, exported.provider)
    shop, answers = system.consumer("shop"), system.consumer("answers")

    @system.handler("ordered")
    def ordered(order: Any) -> None:
        system.event_bus("orders").publish("billed", {}, key=KEY, reply_to="replies")

    @system.handler("billed")
    def billed(bill: Any) -> Any:
        return {"total": 10}

    @system.handler("*")
    def reply(d: kca.Delivery) -> None:
        shop.stop()
        answers.stop()

    with system:
        with exported.provider.get_tracer("shop").start_as_current_span("request"):
            system.event_bus("orders").publish("ordered", {}, key=KEY)
        reading = threading.Thread(target=answers.run)
        reading.start()
        shop.run()
        reading.join()
    spans = list(exported.exporter.get_finished_spans())
    assert drawn(spans) == DRAWN
    assert DRAWN in (Path(__file__).parents[2] / "docs/telemetry.md").read_text()


def run_batch(system: Any, names: list[str], handle: Any) -> None:
    """Publishes rows of these names as ids, and handles until all of them went through the last hook."""
    left = len(names)

    def end(h: kca.Handling) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            system.consumer("shop").stop()

    system.handling_hook(after=end)
    system.batch_handler("row", max=len(names), wait_ms=DEADLINE_SECONDS * 1000)(handle)
    with system:
        for name in names:
            system.event_bus("orders").publish("row", {}, key=KEY, message_id=name)
        system.consumer("shop").run()


def test_a_batch_has_a_span_of_receiving_and_one_of_its_handler_linked_to_each_message(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)
    current: list[int] = []

    def handle(rows: list[Any]) -> None:
        current.append(trace.get_current_span().get_span_context().span_id)

    run_batch(system, ["a", "b", "c"], handle)
    creates = [span_id(span) for span in exported.spans("create orders")]
    receive, process = exported.only("receive orders"), exported.only("process orders")
    for span, kind, operation in (receive, SpanKind.CLIENT, "receive"), (process, SpanKind.CONSUMER, "process"):
        assert span.kind is kind
        assert [link.context.span_id for link in span.links] == creates
        told = attributes(span)
        assert told["messaging.operation.type"] == operation
        assert told["messaging.batch.message_count"] == 3
        assert told["messaging.consumer.group.name"] == "shop"
    assert attributes(process)["kca.verdict"] == "done"
    assert current == [span_id(process)]
    assert receive.end_time is not None
    assert process.start_time is not None
    assert receive.end_time <= process.start_time
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_batch_of_one_continues_its_trace_and_a_failure_is_an_error(exported: Exported) -> None:
    system = declared(failure_policy="skip")
    kca.telemetry.instrument(system, exported.provider)

    def handle(rows: list[Any]) -> None:
        raise ValueError("no room")

    run_batch(system, ["a"], handle)
    process = exported.only("process orders")
    assert parent_id(process) == span_id(exported.only("create orders"))
    assert attributes(process)["error.type"] == "ValueError"
    assert attributes(process)["kca.verdict"] == "failed"
    assert process.status.status_code is StatusCode.ERROR


def test_what_a_hook_settles_before_its_batch_has_a_span_of_its_own(exported: Exported) -> None:
    system = declared(failure_policy="skip")
    kca.telemetry.instrument(system, exported.provider)

    @system.handling_hook
    def check(h: kca.Handling) -> Any:
        if h.delivery.message_id == "b":
            system.consumer("shop").stop()
            return kca.REJECTED
        return None

    run_batch(system, ["a", "b"], lambda rows: None)
    own, batch = sorted(
        exported.spans("process orders"), key=lambda span: attributes(span)["kca.verdict"], reverse=True
    )
    assert attributes(own)["kca.verdict"] == "rejected"
    assert attributes(own)["messaging.message.id"] == "b"
    assert parent_id(own) == span_id(exported.spans("create orders")[1])
    assert attributes(batch)["messaging.batch.message_count"] == 1


def test_a_bus_without_a_channel_has_spans_by_the_messages_name(exported: Exported) -> None:
    system = kca.System()
    kca.telemetry.instrument(system, exported.provider)
    system.handler("priceOf", lambda order: {"price": 20})
    with system:
        assert system.query_bus().send("priceOf", {}) == {"price": 20}
    create, process = exported.only("create priceOf"), exported.only("process priceOf")
    assert parent_id(process) == span_id(create)
    assert attributes(exported.only("send priceOf"))["messaging.system"] == "kca"
    assert "messaging.kafka.offset" not in attributes(process)


def test_a_second_call_changes_nothing_and_it_can_be_switched_off(exported: Exported) -> None:
    system = declared()
    kca.telemetry.instrument(system, exported.provider)
    kca.telemetry.instrument(system, exported.provider)
    run(system, lambda d: None, "ordered")
    assert len(exported.spans("process orders")) == 2
    exported.exporter.clear()
    kca.telemetry.uninstrument(system)
    with system:
        system.event_bus("orders").publish("ordered", key=KEY)
    assert not exported.exporter.get_finished_spans()


def test_in_asyncio_a_batch_has_its_span_as_the_current_one(exported: Exported) -> None:
    current: list[int] = []

    async def main() -> None:
        system = kca.asyncio.System(
            kca.Connection("local", "embedded://"),
            kca.PublisherBuilder("local", "orders", required_acks=-1, linger_ms=0),
            kca.ConsumerBuilder("local", "orders", "shop", partition=0),
        )
        kca.telemetry.instrument(system, exported.provider)

        @system.batch_handler("row", max=2, wait_ms=DEADLINE_SECONDS * 1000)
        async def handle(rows: list[Any]) -> None:
            await take_turns()
            current.append(trace.get_current_span().get_span_context().span_id)
            system.consumer("shop").stop()

        async with system:
            for _ in range(2):
                await system.event_bus("orders").publish("row", {}, key=KEY)
            await system.consumer("shop").run()

    asyncio.run(main())
    process = exported.only("process orders")
    assert current == [span_id(process)]
    assert len(process.links) == len(exported.only("receive orders").links) == 2
