"""Spans of OpenTelemetry, by its API (`pip install "kca[opentelemetry]"`) and the application's SDK.

    kca.telemetry.instrument(system)        # before the start

Names are those of OpenTelemetry's conventions for messaging (1.45); attributes of kca's own begin with `kca.`.

* `create CHANNEL` (producer) for each message that is published, whose context the message carries, and `send CHANNEL`
  (client), linked to it, until the call has its outcome: where it does not wait for the broker, until the message is
  accepted. A message that has a trace context already keeps it, and `send` is linked to that.
* `process TOPIC` (consumer) for each attempt of a handler, as the current span: what the handler does continues it.
  Its parent is the message's context. A failed or rejected delivery is an error, with the exception if one was raised.

Without it the context of the current span still goes out with each message, and a message's context is the current one
in its handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from .errors import Error
from .message import FAILED, REJECTED, Message
from .tracing import context_of, parent_of

if TYPE_CHECKING:
    from .hooks import Handling, Publishing
    from .system import BaseSystem

_BASE = {"messaging.system": "kafka"}


def instrument(system: BaseSystem[Any, Any], tracer_provider: trace.TracerProvider | None = None) -> None:
    """Makes spans of what the system publishes and handles.

    Its hooks are the first, or the outermost, of those that are declared after this call.

    Args:
        system: a system, also of `kca.asyncio`, that is not started.
        tracer_provider: default: the global one.
    """
    from . import __version__

    spans = _Spans(system, trace.get_tracer("kca", __version__, tracer_provider))
    system.publish_hook(before=spans.before_publish, after=spans.after_publish)
    system.handling_hook(before=spans.before_handling, after=spans.after_handling)


def _of_message(operation: str, destination: str, m: Message) -> dict[str, Any]:
    return {
        **_BASE,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
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
        self._tracer = tracer
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
        span = self._tracer.start_span(
            f"send {p.channel}", kind=SpanKind.CLIENT, attributes=attributes, links=[Link(own)]
        )
        if span.is_recording():
            span.set_attributes(_of_record(p.message))
        p.kept = span

    def _create(self, p: Publishing) -> trace.SpanContext:
        attributes = _of_message("create", p.channel, p.message) | self._of("publisher", p.channel)
        span = self._tracer.start_span(f"create {p.channel}", kind=SpanKind.PRODUCER, attributes=attributes)
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
        d = h.delivery
        attributes = _of_message("process", d.topic, d) | self._of("consumer", d.consumer)
        attributes["messaging.destination.partition.id"] = str(d.partition)
        attributes["messaging.kafka.offset"] = d.offset
        attributes["kca.attempt"] = d.attempt
        span = self._tracer.start_span(f"process {d.topic}", kind=SpanKind.CONSUMER, attributes=attributes)
        if span.is_recording():
            span.set_attributes(_of_record(d))
        h.kept = span, context.attach(trace.set_span_in_context(span))

    def after_handling(self, h: Handling) -> None:
        span, token = h.kept
        context.detach(token)
        if h.verdict is not None:
            span.set_attribute("kca.verdict", h.verdict.name.lower())
        if h.exception is not None or h.verdict in (FAILED, REJECTED):
            _fail(span, h.error_name, h.error_text, h.exception)
        span.end()


def _client_id(described: dict[str, Any]) -> str:
    properties = described.get("properties") or {}
    return str(properties.get("client.id") or described["connection"])
