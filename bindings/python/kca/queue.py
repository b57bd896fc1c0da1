"""Queues and the events that wait in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from . import _kca
from .errors import Error, StoppedError
from .message import Delivery, ReplyMessage

_take = _kca.take

# A wait in C ends at least this often, so that Python sees Ctrl-C.
SLICE_MS = 250


class Receipt(NamedTuple):
    """The outcome of one published message: stored at `offset`, or `error`."""

    token: int
    error: Error | None
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Batch:
    """Deliveries for a batch handler. Each is settled by itself, or all of them together by `settle`."""

    deliveries: list[Delivery]

    def settle(self, verdict: int) -> None:
        """Settles those that are not settled yet: `DONE`, `FAILED`, `REJECTED` or `DUPLICATE`.

        A failure of several does not say which of them failed: each comes again in a batch of its own.
        """
        _kca.settle_batch([d._delivery for d in self.deliveries], verdict)
        for d in self.deliveries:
            if not hasattr(d, "_settled"):
                d._settled = verdict, "", ""


@dataclass(frozen=True)
class Fault:
    """An error outside any call.

    `dropped` counts the faults since the one before that were dropped because nobody took them in time. With an
    `OffsetError`, reading went on at `reset_to` instead of `reset_from`; `reset_count` records between are gone unread.
    """

    error: Error
    topic: str
    partition: int
    offset: int
    dropped: int = 0
    reset_from: int | None = None
    reset_to: int | None = None
    reset_count: int | None = None


@dataclass(frozen=True)
class Rebalance:
    """Partitions, as (topic, partition), that were "assigned" to a consumer, "revoked" from it, or "lost"."""

    kind: str
    consumer: str
    partitions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class End:
    """A consumer has fetched a partition to its end; the next record there will have this offset.

    Consumers with the property enable.partition.eof "true" get this event; earlier deliveries may still follow it.
    """

    consumer: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class State:
    """A connection, or a consumer over it, is in another state, or has met trouble in its state.

    `kind` is "connecting", "connected", "joined" or "reconnecting", since `since_ms` (milliseconds since 1970).
    `consumer` is empty for the connection's own state. `error` is the trouble: which broker, its address, and why.
    """

    kind: str
    connection: str
    consumer: str
    since_ms: int
    error: Error | None


@dataclass(frozen=True)
class Reply:
    """The outcome of one message that was sent with a token, see `Bus.send`: the `message` that came, or `error`.

    A `ReplyError` is the text of a `message` that came.
    """

    token: int
    error: Error | None
    message: ReplyMessage | None


@dataclass(frozen=True)
class Log:
    """A line of the log; see `System.log_to_queue`."""

    level: int
    component: str
    text: str


Event = Delivery | Batch | Receipt | Reply | Fault | Rebalance | End | State | Log

_REBALANCES = {
    _kca.KCA_REBALANCE_ASSIGNED: "assigned",
    _kca.KCA_REBALANCE_REVOKED: "revoked",
    _kca.KCA_REBALANCE_LOST: "lost",
}


_STATES = {
    _kca.KCA_STATE_CONNECTING: "connecting",
    _kca.KCA_STATE_CONNECTED: "connected",
    _kca.KCA_STATE_JOINED: "joined",
    _kca.KCA_STATE_RECONNECTING: "reconnecting",
}


def _rebalance(e: Any) -> Rebalance:
    partitions = tuple(
        (_kca.kca_event_assignment_topic(e, i), _kca.kca_event_assignment_partition(e, i))
        for i in range(_kca.kca_event_assignment_count(e))
    )
    return Rebalance(_REBALANCES[_kca.kca_event_rebalance(e)], _kca.kca_event_consumer(e), partitions)


def _fault(e: Any) -> Fault:
    where = _kca.kca_event_topic(e), _kca.kca_event_partition(e), _kca.kca_event_offset(e)
    fault = Fault(_kca.kca_event_error(e), *where, _kca.kca_event_dropped(e))
    if _kca.kca_event_reset_from(e) < 0:
        return fault
    reset = _kca.kca_event_reset_from(e), _kca.kca_event_reset_to(e), _kca.kca_event_reset_count(e)
    return replace(fault, reset_from=reset[0], reset_to=reset[1], reset_count=reset[2])


def _end(e: Any) -> End:
    where = _kca.kca_event_topic(e), _kca.kca_event_partition(e), _kca.kca_event_offset(e)
    return End(_kca.kca_event_consumer(e), *where)


def _state(e: Any) -> State:
    who = _kca.kca_event_connection(e), _kca.kca_event_consumer(e)
    return State(_STATES[_kca.kca_event_state(e)], *who, _kca.kca_event_since_ms(e), _kca.kca_event_error(e))


def _reply(e: Any) -> Reply:
    message = ReplyMessage(e) if _kca.kca_event_reply(e) is not None else None
    return Reply(_kca.kca_event_token(e), _kca.kca_event_error(e), message)


def _batch(parts: list[tuple[Any, str, bytes | None]]) -> Batch:
    return Batch([Delivery(*each) for each in parts])


def _log(e: Any) -> Log:
    return Log(_kca.kca_event_log_level(e), _kca.kca_event_log_component(e), _kca.kca_event_log_text(e))


MAKERS: dict[int, Callable[..., Event]] = {
    _kca.KCA_EVENT_DELIVERY: Delivery,
    _kca.KCA_EVENT_RECEIPT: Receipt,
    _kca.KCA_EVENT_FAULT: _fault,
    _kca.KCA_EVENT_LOG: _log,
    _kca.KCA_EVENT_REBALANCE: _rebalance,
    _kca.KCA_EVENT_END: _end,
    _kca.KCA_EVENT_STATE: _state,
    _kca.KCA_EVENT_REPLY: _reply,
    _kca.KCA_EVENT_BATCH: _batch,
}


_RECEIPT: int = _kca.KCA_EVENT_RECEIPT
_receipt = Receipt._make


class Queue:
    """Where events wait: receipts, faults and logs of a system, or deliveries and faults of a consumer."""

    def __init__(self, handle: Any, dispatch: Callable[[Event], None]) -> None:
        self._handle = handle
        self._dispatch = dispatch

    def next(self, max: int = 1, timeout_ms: int = -1) -> list[Event]:
        """Gives up to `max` events, 1024 at most; an empty list when none came in time.

        Raises:
            StoppedError: the consumer has stopped, and nothing is left.
        """
        taken = _take(self._handle, max, timeout_ms)
        return [_receipt(e[1:]) if e[0] == _RECEIPT else MAKERS[e[0]](*e[1:]) for e in taken]

    def dispatch(self, max: int = 1, timeout_ms: int = -1) -> int:
        """Takes events as `next` does, and handles each: deliveries and batches by the handlers of their names, other
        events by the functions given to `System.on`. Gives the number of events.
        """
        events = self.next(max, timeout_ms)
        for event in events:
            self._dispatch(event)
        return len(events)

    def __iter__(self) -> Iterator[Event]:
        """Gives every event as it comes, until the consumer has stopped; a system's queue never ends."""
        while True:
            try:
                events = self.next(64, SLICE_MS)
            except StoppedError:
                return
            yield from events

    def fileno(self) -> int:
        """A descriptor that is readable while an event waits. Only poll it, never read from it."""
        return _kca.kca_queue_fd(self._handle)

    @property
    def has_left(self) -> bool:
        """Whether the consumer has stopped, has stored and committed all that is settled, and has left its group: then
        `close` does not wait. An event loop calls `Consumer.stop`, and looks here until it is true.
        """
        return bool(_kca.kca_queue_has_left(self._handle))

    def close(self) -> None:
        """Gives the queue back; its consumer leaves the group once no thread is inside `next`."""
        self._handle = None
