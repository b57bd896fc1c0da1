"""Buses without a channel: each message goes to its handler in this process, and the call gives what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _kca, tracing
from .bus import _FIELDS, Bus, message_of
from .ending import Life
from .errors import StoppedError
from .message import Delivery, Message, ReplyMessage
from .queue import SLICE_MS, Receipt
from .work import Work

_DELIVERY: int = _kca.KCA_EVENT_DELIVERY


def deliver(bus: Bus, asked: Message, wants_reply: bool, token: int, timeout_ms: int | None) -> Any:
    """The queue of a message that is to be handled here: a delivery for each attempt, then its end."""
    limit_ms = -1 if timeout_ms is None else timeout_ms
    return bus._lend(asked, lambda m: _kca.kca_bus_deliver(bus._handle, m, wants_reply, token, limit_ms))


def receipt_of(end: Sequence[Any]) -> Receipt:
    """The receipt of a message that was handled; raises why it was not."""
    receipt = Receipt._make(end[1:])
    if receipt.error is not None:
        raise receipt.error
    return receipt


def reply_of(end: Sequence[Any]) -> ReplyMessage:
    """The reply; raises the error that it is, or why there is none."""
    error = _kca.kca_event_error(end[1])
    if error is not None:
        raise error
    return ReplyMessage(end[1])


class LocalBus(Bus):
    """A command or query bus without a channel.

    `publish` and `send` run the handler of the message's name in the calling thread, as a consumer would, its hooks and
    retries included (`System.set_local_retries`); they return when it is done. A `timeout_ms` is the
    handler's deadline. Messages are not stored: one that is being handled when the process ends is lost.
    """

    def __init__(self, handle: Any, work: Work, life: Life | None = None) -> None:
        super().__init__(handle, "", work.publish_hooks, life)
        self._work = work
        work.traced = tracing.is_there()

    def publish(self, message: Any, payload: Any = None, **fields: Any) -> Receipt | None:
        """Has the message handled, and gives a receipt of no topic; arguments as for `Bus.publish`.

        Raises:
            HandlerError: the handler failed, or rejected the message, or there is none; with its last attempt.
            TimedOutError: the handler was not done within `timeout_ms`; what it says later does not count.
        """
        return self._put(None, message, payload, **fields)

    def _put_plain(
        self, delivery: Delivery | None, message: Any, payload: Any, *fields: Any, **named: Any
    ) -> Receipt | None:
        if delivery is not None:
            return super()._put_plain(delivery, message, payload, *fields, **named)
        named.update(zip(("token", *_FIELDS), fields, strict=False))
        token, timeout_ms = named.pop("token", 0), named.pop("timeout_ms", None)
        queue = deliver(self, message_of(message, payload, named), False, token, timeout_ms)
        return receipt_of(self._finish(queue))

    def _ask(self, asked: Message, token: int, timeout_ms: int) -> ReplyMessage | None:
        end = self._finish(deliver(self, asked, True, token, timeout_ms))
        return None if token else reply_of(end)

    def _finish(self, queue: Any) -> Sequence[Any]:
        """Handles the message's deliveries; gives its end."""
        end: Sequence[Any] = ()
        while True:
            try:
                events = _kca.take(queue, 1, SLICE_MS)
            except StoppedError:
                return end
            while events:
                kind, *parts = event = events.pop()
                if kind == _DELIVERY:
                    self._work.handle_here(Delivery(*parts))
                else:
                    end = event
                del parts, event
