"""OpenTelemetry, when its API is installed: messages carry the current span's context, and handlers run in theirs.

kca imports OpenTelemetry only after the application did, or when a consumer runs where it is installed.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .message import Headers, Message

Trace = tuple[str, str | None]


def current() -> Trace | None:
    """Traceparent and tracestate of the current span; None: there is none."""
    api = sys.modules.get("opentelemetry.trace")  # without this module, no span can be current
    if api is None:
        return None
    span = api.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return context_of(span)


def context_of(span: Any) -> Trace:
    """Traceparent and tracestate of a span's context."""
    state = span.trace_state.to_header() if span.trace_state else ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}", state or None


def parent_of(trace_context: tuple[str, str]) -> Any:
    """A span's context of the form that the library gives: 00-<32 hex>-<16 hex>-<2 hex>; None: there is none."""
    parent, state = trace_context
    if not parent:
        return None
    from opentelemetry import trace

    return trace.SpanContext(
        int(parent[3:35], 16),
        int(parent[36:52], 16),
        True,
        trace.TraceFlags(int(parent[53:55], 16)),
        trace.TraceState.from_header([state]) if state else None,
    )


def baggage() -> str | None:
    """W3C's header of the current baggage; None: there is none."""
    api = sys.modules.get("opentelemetry.baggage")  # without this module, there can be none
    if api is None or not api.get_all():
        return None
    from opentelemetry.baggage.propagation import W3CBaggagePropagator

    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier)
    return carrier.get("baggage")


def with_baggage(headers: Headers | None) -> Headers | None:
    """The headers, and the current baggage if none of them is one."""
    text = baggage()
    if text is None:
        return headers
    from .message import pairs_of

    pairs = list(pairs_of(headers))
    return headers if any(name == "baggage" for name, _ in pairs) else [*pairs, ("baggage", text)]


def is_there() -> bool:
    """Whether OpenTelemetry's API can be imported."""
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.trace") is not None


class Inside:
    """Makes a message's trace context and baggage the current ones during a block: `with Inside(message): ...`."""

    __slots__ = ("_message", "_token")
    # OpenTelemetry's modules `context` and `trace`, and its reader of baggage, once they are needed.
    _api: tuple[Any, Any, Any] | None = None

    def __init__(self, message: Message) -> None:
        self._message = message
        self._token: Any = None

    def __enter__(self) -> None:
        parent = self._message.trace_context
        carried = self._message.header("baggage")
        if not parent[0] and not carried:
            return
        if Inside._api is None:
            from opentelemetry import context as context_module
            from opentelemetry import trace as trace_module
            from opentelemetry.baggage.propagation import W3CBaggagePropagator

            Inside._api = context_module, trace_module, W3CBaggagePropagator()
        context, trace, reader = Inside._api
        inside = context.get_current()
        span = parent_of(parent)
        if span is not None:
            inside = trace.set_span_in_context(trace.NonRecordingSpan(span), inside)
        if carried:
            with suppress(Exception):  # a stranger's may hold anything
                inside = reader.extract({"baggage": carried}, inside)
        self._token = context.attach(inside)

    def __exit__(self, *_: object) -> None:
        if self._token is not None and Inside._api:
            Inside._api[0].detach(self._token)
