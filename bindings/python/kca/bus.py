"""Buses: what messages are published through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from sys import modules
from typing import TYPE_CHECKING, Any, TypedDict

from . import _kca, tracing
from .ending import Life
from .errors import HookError
from .handlers import conversion_of, is_payload_class, name_of
from .hooks import Hook, Publishing, is_inside, run
from .message import Delivery, Headers, Message, ReplyMessage, handled
from .payload import encoded
from .queue import Receipt

if TYPE_CHECKING:
    from typing_extensions import Unpack

# How long `send` waits for a reply.
SEND_MS = 30000
_publish = _kca.publish
_NO_TRACE = None, None
_EXACT_HEADERS = (dict, list, type(None))
# The fields in the order in which `publish` passes them on, after the token.
_FIELDS = ("key", "type", "message_id", "correlation_id", "timestamp_ms", "origin", "version", "reply_to", "headers",
           "trace_context", "partition", "unnamed", "timeout_ms", "deliver_at")  # fmt: skip


class Fields(TypedDict, total=False):
    """Fields of a message besides its name and payload; see `Bus.publish`."""

    key: bytes | str | None
    type: int | None
    message_id: str | None
    correlation_id: str | None
    timestamp_ms: int | None
    origin: str | None
    version: str | None
    reply_to: str | None
    headers: Headers | None
    trace_context: tuple[str, str | None] | None
    partition: int | None
    unnamed: bool
    deliver_at: datetime | int | None


class Bus:
    """The event, command or query bus of one channel."""

    def __init__(self, handle: Any, channel: str = "", hooks: Sequence[Hook] = (), life: Life | None = None) -> None:
        self._handle = handle
        self._channel = channel
        self._hooks = hooks
        self._life = life

    def publish(
        self,
        message: Any,
        payload: Any = None,
        *,
        token: int = 0,
        key: bytes | str | None = None,
        type: int | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        timestamp_ms: int | None = None,
        origin: str | None = None,
        version: str | None = None,
        reply_to: str | None = None,
        headers: Headers | None = None,
        trace_context: tuple[str, str | None] | None = None,
        partition: int | None = None,
        unnamed: bool = False,
        timeout_ms: int | None = None,
        deliver_at: datetime | int | None = None,
    ) -> Receipt | None:
        """Publishes a message.

        With a publisher that is not async, the call returns when the broker has stored the message, and gives the
        receipt. Else it gives None; a receipt follows on the system's queue when `token` is not 0, and a failure
        without a token becomes a fault. The call waits while the buffer is full.

        Inside a span of OpenTelemetry the message continues that span's trace; else, inside a handler, the trace of the
        handled message.

        Args:
            message: the message's name, None only with `unnamed`; or an object of a dataclass, a pydantic model or a
                msgspec struct, which is the payload, and whose class gives the name, `OrderCreated` the name
                "orderCreated"; or a `Message`.
            payload: bytes are sent as they are, a text as UTF-8, None as no payload, anything else as JSON.
            token: comes back with the receipt.
            key: messages of one key keep their order. An empty key is a key, too. Default: the correlation id.
            type: one of the `TYPE_...`. Default: that of the bus.
            message_id: default: a new UUID.
            correlation_id: default: a new UUID.
            timestamp_ms: milliseconds since 1970. Default: now.
            origin: the application that made the message.
            version: of the payload's form. Default: "1.0".
            reply_to: the channel for replies. Default: that of the publisher.
            headers: custom headers by name, or a list of pairs, where names may come again and None is no value. Inside
                a context of OpenTelemetry with baggage, that is added as the header `baggage`.
            trace_context: traceparent and tracestate.
            partition: the one to write to. Default: the key chooses. A `Message` has its own.
            unnamed: the message is to have no name, as replies have none. A `Message` has its own.
            timeout_ms: how long the call may take, -1 for ever: for the wait for room, in place of the publisher's
                `buffer_timeout_ms`, and for the broker's answer, if the publisher is not async. Default: the first as
                the publisher says, the second without a limit.
            deliver_at: not delivered before this time, a `datetime` with a zone or milliseconds since 1970: until then
                the message waits in the publisher's delay channels (`with_delay_channel`), which its receipt tells of.
                Default: at once. A `Message` has its own.

        Raises:
            TimedOutError: the broker has not answered in time; the message may be stored nevertheless.
            Error: by kind; `BufferFullError` and others that are `retriable` may work later.
        """
        if (
            message.__class__ is not str
            or headers.__class__ not in _EXACT_HEADERS
            or self._hooks
            or deliver_at is not None
        ):
            return self._put(None, message, payload, token, key, type, message_id, correlation_id, timestamp_ms, origin,
                             version, reply_to, headers, trace_context, partition, unnamed, timeout_ms,
                             deliver_at)  # fmt: skip
        trace = trace_context or (tracing.current() if "opentelemetry.trace" in modules else None)
        cause = None if trace else handled.get()
        traceparent, tracestate = trace or _NO_TRACE
        if "opentelemetry.baggage" in modules:
            headers = tracing.with_baggage(headers)
        receipt = _publish(
            self._handle,
            None,
            None if cause is None else cause._handle,
            token,
            message,
            payload if payload.__class__ is dict else encoded(payload),
            key,
            type,
            message_id,
            correlation_id,
            timestamp_ms,
            origin,
            version,
            reply_to,
            headers,
            traceparent,
            tracestate,
            partition,
            unnamed,
            timeout_ms,
        )
        return None if receipt is None else Receipt._make(receipt[1:])

    def send(
        self,
        message: Any,
        payload: Any = None,
        *,
        timeout_ms: int = SEND_MS,
        token: int = 0,
        returns: Any = None,
        **fields: Unpack[Fields],
    ) -> Any:
        """Sends a message and waits for its reply, on the `reply_channel` of the bus' publisher; gives its payload.

        For command and query buses. The reply is known by the correlation id; Ctrl-C ends the wait.

        Args:
            message: its name, or what else `publish` takes.
            payload: as for `publish`.
            **fields: as for `publish`.
            timeout_ms: how long to wait for the reply; -1 for ever.
            token: other than 0: the call does not wait and gives None; a `Reply` with this token follows on the
                system's queue.
            returns: the type of the reply's payload, as a handler's annotation; None: the values of the JSON.

        Raises:
            ReplyError: the reply is an error, whose text this is.
            TimedOutError: no reply came in time; the message may have been handled nevertheless.
            PayloadError: the reply's payload does not fit `returns`, or is not JSON.
            Error: by kind; see kca_bus_send in kca_abi.h.
        """
        convert = conversion_of(returns)
        replies: list[ReplyMessage] = []

        def put(asked: Message) -> None:
            reply = self._ask(asked, token, timeout_ms)
            if reply is not None:
                replies.append(reply)

        asked = message_of(message, payload, fields)
        if self._is_hooked():
            h = Publishing(self._channel, asked)
            run(self._hooks, h, lambda: put(h.message))
            must_be_sent(h)
        else:
            put(asked)
        return convert(replies[0]) if replies else None

    def _ask(self, asked: Message, token: int, timeout_ms: int) -> ReplyMessage | None:
        """Sends without hooks; with a token None."""
        if token:
            self._lend(asked, lambda m: _kca.kca_bus_send(self._handle, m, token, timeout_ms))
            return None
        return ReplyMessage(self._lend(asked, lambda m: _kca.kca_bus_send_for_reply(self._handle, m, timeout_ms)))

    def cancel(self, token: int) -> None:
        """Ends what was sent with this token: its `Reply` has a `CancelledError`.

        Raises:
            NotFoundError: it has ended.
        """
        _kca.kca_bus_cancel(self._handle, token)

    def flush(self, timeout_ms: int = -1) -> None:
        """Waits until the broker has answered every published message; Ctrl-C ends the wait."""
        _kca.kca_bus_flush(self._handle, timeout_ms)

    def _put(self, delivery: Delivery | None, message: Any, payload: Any, *fields: Any, **named: Any) -> Receipt | None:
        """Publishes any kind of message, through the hooks; `delivery`: in whose transaction."""
        if not self._is_hooked():
            return self._put_plain(delivery, message, payload, *fields, **named)
        token = fields[0] if fields else named.pop("token", 0)
        named.update(zip(_FIELDS, fields[1:], strict=False))
        timeout_ms = named.pop("timeout_ms", None)
        h = Publishing(self._channel, message_of(message, payload, named), delivery)

        def put() -> Receipt | None:
            return self._put_plain(delivery, h.message, None, token, timeout_ms=timeout_ms)

        receipt: Receipt | None = run(self._hooks, h, put)
        if h.is_dropped and delivery is None:
            receipt = receipt_of(_kca.kca_bus_drop(self._handle, token))
        return receipt

    def _is_hooked(self) -> bool:
        return bool(self._hooks) and not is_inside()

    def _put_plain(
        self,
        delivery: Delivery | None,
        message: Any,
        payload: Any,
        token: int = 0,
        key: bytes | str | None = None,
        type: int | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        timestamp_ms: int | None = None,
        origin: str | None = None,
        version: str | None = None,
        reply_to: str | None = None,
        headers: Headers | None = None,
        trace_context: tuple[str, str | None] | None = None,
        partition: int | None = None,
        unnamed: bool = False,
        timeout_ms: int | None = None,
        deliver_at: datetime | int | None = None,
    ) -> Receipt | None:
        """Publishes any kind of message, without hooks."""
        if deliver_at is not None and not isinstance(message, Message):
            message = message_of(message, payload, {
                "key": key, "type": type, "message_id": message_id, "correlation_id": correlation_id,
                "timestamp_ms": timestamp_ms, "origin": origin, "version": version, "reply_to": reply_to,
                "headers": headers, "trace_context": trace_context, "partition": partition, "unnamed": unnamed,
                "deliver_at": deliver_at,
            })  # fmt: skip
        trace = trace_context or tracing.current()
        cause = None if trace else handled.get()
        if message.__class__ is not str:
            if isinstance(message, Message):
                return self._put_message(delivery, message, token, trace, cause, timeout_ms)
            if message is not None and not isinstance(message, str):
                message, payload = named(message, payload)
        headers = tracing.with_baggage(headers)
        if headers.__class__ not in _EXACT_HEADERS:
            headers = dict(headers) if isinstance(headers, Mapping) else list(headers or ())
        traceparent, tracestate = trace or _NO_TRACE
        receipt = _publish(
            self._handle,
            None if delivery is None else delivery._delivery,
            None if cause is None else cause._handle,
            token,
            message,
            encoded(payload),
            key,
            type,
            message_id,
            correlation_id,
            timestamp_ms,
            origin,
            version,
            reply_to,
            headers,
            traceparent,
            tracestate,
            partition,
            unnamed,
            timeout_ms,
        )
        return None if receipt is None else Receipt._make(receipt[1:])

    def _put_message(
        self, delivery: Delivery | None, message: Message, token: int, trace: Any, cause: Any, timeout_ms: int | None
    ) -> Receipt | None:
        def put(m: Any) -> Receipt | None:
            if delivery is None and timeout_ms is None:
                return receipt_of(_kca.kca_bus_publish_for_receipt(self._handle, m, token))
            if delivery is None:
                return receipt_of(_kca.kca_bus_publish_within(self._handle, m, token, timeout_ms))
            _kca.kca_delivery_publish(delivery._delivery, self._handle, m)
            return None

        receipt: Receipt | None = self._lend(message, put, trace, cause)
        return receipt

    def _lend(self, message: Message, put: Callable[[Any], Any], trace: Any = None, cause: Any = None) -> Any:
        """Calls `put` with the handle of a message that goes on with the current trace and baggage, and leaves the
        message as it was: it may be put again.
        """
        m = message._handle
        trace = trace or tracing.current()
        cause = cause or (None if trace else handled.get())
        own_baggage = message._is_raw or message.header("baggage") is not None
        baggage = None if own_baggage else tracing.baggage()
        lent = (trace or cause) and not message.trace_context[0]
        if baggage:
            _kca.kca_message_set_header(m, "baggage", baggage)
        if lent and trace:
            _kca.kca_message_set_trace_context(m, *trace)
        elif lent:
            _kca.kca_message_follow(m, cause._handle)
        try:
            return put(m)
        finally:
            if lent:
                _kca.kca_message_set_trace_context(m, None, None)
            if not own_baggage:
                _kca.kca_message_set_header(m, "baggage", None)


def named(message: Any, payload: Any) -> tuple[str, Any]:
    """The name and the payload of an object whose class is the message's name."""
    kind = message.__class__
    if payload is not None or not is_payload_class(kind):
        raise TypeError(
            f"a message is a name and a payload, a Message, or an object of a dataclass, a model or a struct; "
            f"got a {kind.__name__}{' and a payload' if payload is not None else ''}"
        )
    return name_of(kind), message


def message_of(message: Any, payload: Any, fields: Any) -> Message:
    """A message of its own, for hooks to change."""
    if isinstance(message, Message):
        return message._copied()
    if message is not None and not isinstance(message, str):
        message, payload = named(message, payload)
    return Message(message, payload, **fields)


def must_be_sent(h: Publishing) -> None:
    """Raises the error of a send whose message a hook has dropped."""
    if h.is_dropped:
        raise HookError(f"a hook dropped the message to {h.channel}, which nobody can answer then")


def receipt_of(event: Any) -> Receipt | None:
    """The receipt of a message that is stored; None for None."""
    if event is None:
        return None
    where = _kca.kca_event_topic(event), _kca.kca_event_partition(event), _kca.kca_event_offset(event)
    return Receipt(_kca.kca_event_token(event), None, *where)
