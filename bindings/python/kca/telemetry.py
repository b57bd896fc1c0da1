"""Spans of OpenTelemetry, by its API (`pip install "kca[opentelemetry]"`) and the application's SDK.

    kca.telemetry.instrument(system)        # before the start

Names are those of OpenTelemetry's conventions for messaging (1.45); attributes of kca's own begin with `kca.`.

* `create CHANNEL` (producer) for each message that is published, whose context the message carries, and `send CHANNEL`
  (client), linked to it, until the call has its outcome: where it does not wait for the broker, until the message is
  accepted. A message that has a trace context already keeps it, and `send` is linked to that.
* `process TOPIC` (consumer) for each attempt of a handler, as the current span: what the handler does continues it, its
  reply too. Its parent is the message's context. A failed or rejected delivery is an error, with the exception if one
  was raised.
* For a batch `receive TOPIC` (client), which ends when the handler begins, and one `process TOPIC`, the current span,
  both linked to each message's context; of one message alone that is the parent. What a hook has settled before has a
  `process TOPIC` of its own.

In a bus without a channel, the message's name stands for channel and topic.

Without it the context of the current span still goes out with each message, and a message's context is the current one
in its handler.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from .errors import Error
from .message import FAILED, REJECTED, Delivery, Message, Verdict
from .tracing import context_of, parent_of
from .work import DONE, Answer, outcome_of

if TYPE_CHECKING:
    from .batch import Handled
    from .hooks import Handling, Publishing
    from .system import BaseSystem


def instrument(system: BaseSystem[Any, Any], tracer_provider: trace.TracerProvider | None = None) -> None:
    """Makes spans of what the system publishes and handles. Called once more, it goes on with the new provider.

    Its hooks are the first, or the outermost, of those that are declared after this call.

    Args:
        system: a system, also of `kca.asyncio`, that is not started.
        tracer_provider: default: the global one.
    """
    from . import __version__

    tracer = trace.get_tracer("kca", __version__, tracer_provider)
    if system._work.spans is not None:
        system._work.spans.tracer = tracer
        return
    system._work.spans = spans = _Spans(system, tracer)
    system.publish_hook(before=spans.before_publish, after=spans.after_publish)
    system.handling_hook(before=spans.before_handling, after=spans.after_handling)


def uninstrument(system: BaseSystem[Any, Any]) -> None:
    """Makes no more spans of what the system publishes and handles from now on, until it is instrumented again."""
    if system._work.spans is not None:
        system._work.spans.tracer = trace.NoOpTracer()


def _base(operation: str, destination: str, is_kafka: bool) -> dict[str, Any]:
    return {
        "messaging.system": "kafka" if is_kafka else "kca",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }


def _of_message(operation: str, destination: str, m: Message) -> dict[str, Any]:
    return {
        **_base(operation, destination or m.name, bool(destination)),
        **({"messaging.message.id": m.message_id} if m.message_id else {}),
        **({"messaging.message.conversation_id": m.correlation_id} if m.correlation_id else {}),
    }


def _of_record(m: Message) -> dict[str, Any]:
    """What costs a copy: for spans that are recorded."""
    attributes: dict[str, Any] = {}
    key, payload = m.key, m.payload
    if key is not None and (text := _text(key)) is not None:
        attributes["messaging.kafka.message.key"] = text
    if payload is None:
        attributes["messaging.kafka.message.tombstone"] = True
    else:
        attributes["messaging.message.body.size"] = len(payload)
    return attributes


def _text(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _fail(span: Span, error_type: str, text: str, error: BaseException | None) -> None:
    if error is not None:
        span.record_exception(error)
    span.set_attribute("error.type", error_type or "_OTHER")
    span.set_status(Status(StatusCode.ERROR, text))


def _type_of(error: BaseException) -> str:
    """A broker's own name of the error where there is one, else the class."""
    return (error.name if isinstance(error, Error) else "") or type(error).__qualname__


class _Spans:
    def __init__(self, system: BaseSystem[Any, Any], tracer: trace.Tracer) -> None:
        self._system = system
        self.tracer = tracer
        self._clients: dict[str, dict[str, Any]] | None = None

    def _of(self, kind: str, name: str) -> dict[str, Any]:
        """The attributes of a publisher's channel, or of a consumer."""
        if self._clients is None:
            described = self._system.description()
            self._clients = {
                f"publisher {p['channel']}": {"messaging.client.id": _client_id(p)} for p in described["publishers"]
            }
            for c in described["consumers"]:
                self._clients[f"consumer {c['name']}"] = {
                    "messaging.client.id": _client_id(c),
                    "messaging.consumer.group.name": c["group"],
                }
        return self._clients.get(f"{kind} {name}", {})

    # ---- publishing ----

    def before_publish(self, p: Publishing) -> None:
        own = parent_of(p.message.trace_context)
        if own is None:
            own = self._create(p)
        attributes = _of_message("send", p.channel, p.message) | self._of("publisher", p.channel)
        span = self.tracer.start_span(
            f"send {p.channel or p.message.name}", kind=SpanKind.CLIENT, attributes=attributes, links=[Link(own)]
        )
        if span.is_recording():
            span.set_attributes(_of_record(p.message))
        p.kept = span

    def _create(self, p: Publishing) -> trace.SpanContext:
        attributes = _of_message("create", p.channel, p.message) | self._of("publisher", p.channel)
        span = self.tracer.start_span(
            f"create {p.channel or p.message.name}", kind=SpanKind.PRODUCER, attributes=attributes
        )
        if span.is_recording():
            span.set_attributes(_of_record(p.message))
        made = span.get_span_context()
        if made.is_valid:
            p.message.set_trace_context(*context_of(made))
        span.end()
        return made

    def after_publish(self, p: Publishing) -> None:
        span: Span = p.kept
        receipt = p.receipt
        if receipt is not None and receipt.offset >= 0:
            span.set_attribute("messaging.destination.partition.id", str(receipt.partition))
            span.set_attribute("messaging.kafka.offset", receipt.offset)
        error = p.exception or (receipt.error if receipt is not None else None)
        if error is not None:
            _fail(span, _type_of(error), str(error), error)
        if p.is_dropped:
            span.set_attribute("kca.dropped", True)
        span.end()

    # ---- handling ----

    def before_handling(self, h: Handling) -> None:
        if h.in_batch:
            h.kept = time.time_ns()
            return
        span = self._process(h.delivery)
        h.kept = span, context.attach(trace.set_span_in_context(span))

    def after_handling(self, h: Handling) -> None:
        if not h.in_batch:
            span, token = h.kept
            context.detach(token)
        elif h._is_handled:
            return  # before_batch has made its span
        else:
            span = self._process(h.delivery, h.kept)
        _end(span, h.verdict, h.error_name, h.error_text, h.exception)

    def _process(self, d: Delivery, begun_ns: int | None = None) -> Span:
        """The span of one delivery, begun; what goes on from the delivery goes on with it."""
        attributes = _of_message("process", d.topic, d) | self._of("consumer", d.consumer)
        attributes["kca.attempt"] = d.attempt
        if d.partition >= 0:
            attributes["messaging.destination.partition.id"] = str(d.partition)
            attributes["messaging.kafka.offset"] = d.offset
        span = self.tracer.start_span(
            f"process {d.topic or d.name}",
            _inside(d) if begun_ns else None,
            SpanKind.CONSUMER,
            attributes,
            start_time=begun_ns,
        )
        if span.is_recording():
            span.set_attributes(_of_record(d))
        _go_on(d, span)
        return span

    # ---- batches ----

    def before_batch(self, batch: Handled) -> tuple[Span, Any]:
        """Ends the span of receiving, and begins the one of the handler."""
        links = [Link(own) for d in batch.received if (own := parent_of(d.trace_context)) is not None]
        first = batch.received[0]
        attributes = _base("receive", first.topic or first.name, bool(first.topic)) | self._of(
            "consumer", first.consumer
        )
        attributes["messaging.batch.message_count"] = len(batch.received)
        receive = self.tracer.start_span(
            f"receive {first.topic or first.name}", None, SpanKind.CLIENT, attributes, links, start_time=batch.begun_ns
        )
        receive.end()
        span = self._process_batch(batch.deliveries)
        for d in batch.deliveries:
            _go_on(d, span)
        return span, context.attach(trace.set_span_in_context(span))

    def _process_batch(self, deliveries: list[Delivery]) -> Span:
        first = deliveries[0]
        attributes = _base("process", first.topic or first.name, bool(first.topic))
        attributes |= self._of("consumer", first.consumer)
        attributes["messaging.batch.message_count"] = len(deliveries)
        links = [Link(own) for d in deliveries if (own := parent_of(d.trace_context)) is not None]
        inside = _inside(first) if len(deliveries) == 1 else None
        return self.tracer.start_span(
            f"process {first.topic or first.name}", inside, SpanKind.CONSUMER, attributes, links
        )

    def after_batch(self, begun: tuple[Span, Any], answer: Answer | None, error: BaseException | None) -> None:
        """The handler has returned."""
        span, token = begun
        context.detach(token)
        verdict, name, text = outcome_of(error) if error is not None else answer or DONE
        _end(span, verdict, name, text, error)


def _inside(m: Message) -> context.Context | None:
    """The context of what continues the message's trace."""
    parent = parent_of(m.trace_context)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent is not None else None


def _go_on(d: Delivery, span: Span) -> None:
    """What goes on from the delivery, its reply too, goes on with the span."""
    made = span.get_span_context()
    if made.is_valid and d.is_out:
        d.set_trace_context(*context_of(made))


def _end(span: Span, verdict: Verdict | None, name: str, text: str, error: BaseException | None) -> None:
    if verdict is not None:
        span.set_attribute("kca.verdict", Verdict(verdict).name.lower())
    if error is not None or verdict in (FAILED, REJECTED):
        _fail(span, name, text, error)
    span.end()


def _client_id(described: dict[str, Any]) -> str:
    properties = described.get("properties") or {}
    return str(properties.get("client.id") or described["connection"])
