"""Systems and what they give out: buses, consumers and queues."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from . import _kca
from .builders import Connection, ConsumerBuilder, PublisherBuilder, RedriveBuilder
from .errors import Error, Rejected, StateError, StoppedError
from .message import DEFERRED, DONE, FAILED, REJECTED, Delivery, Message, handled

Handler = Callable[[Any, Delivery], Any]
H = TypeVar("H", bound=Handler)

# A wait in C ends at least this often, so that Python sees Ctrl-C.
_SLICE_MS = 250


@dataclass(frozen=True)
class Receipt:
    """What became of one published message: stored at `offset`, or `error`."""

    token: int
    error: Error | None
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Fault:
    """Something that went wrong outside any call."""

    error: Error
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Rebalance:
    """Partitions, as (topic, partition), that were "assigned" to a consumer, "revoked" from it, or "lost"."""

    kind: str
    consumer: str
    partitions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class End:
    """A consumer has fetched a partition to its end; the next record there will have this offset.

    It comes to consumers with the property enable.partition.eof "true"; deliveries from before may still follow.
    """

    consumer: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Log:
    """A line of the log; see `System.log_to_queue`."""

    level: int
    component: str
    text: str


Event = Delivery | Receipt | Fault | Rebalance | End | Log

_REBALANCES = {
    _kca.KCA_REBALANCE_ASSIGNED: "assigned",
    _kca.KCA_REBALANCE_REVOKED: "revoked",
    _kca.KCA_REBALANCE_LOST: "lost",
}


def _rebalance(e: Any) -> Rebalance:
    partitions = tuple(
        (_kca.kca_event_assignment_topic(e, i), _kca.kca_event_assignment_partition(e, i))
        for i in range(_kca.kca_event_assignment_count(e))
    )
    return Rebalance(_REBALANCES[_kca.kca_event_rebalance(e)], _kca.kca_event_consumer(e), partitions)


def _event(e: Any) -> Event:
    kind = _kca.kca_event_type(e)
    if kind == _kca.KCA_EVENT_DELIVERY:
        return Delivery(_kca.kca_event_into_delivery(e))
    error = _kca.kca_event_error(e)
    where = _kca.kca_event_topic(e), _kca.kca_event_partition(e), _kca.kca_event_offset(e)
    if kind == _kca.KCA_EVENT_RECEIPT:
        return Receipt(_kca.kca_event_token(e), error, *where)
    if kind == _kca.KCA_EVENT_FAULT:
        return Fault(error, *where)
    if kind == _kca.KCA_EVENT_REBALANCE:
        return _rebalance(e)
    if kind == _kca.KCA_EVENT_END:
        return End(_kca.kca_event_consumer(e), *where)
    return Log(_kca.kca_event_log_level(e), _kca.kca_event_log_component(e), _kca.kca_event_log_text(e))


class Queue:
    """Where events wait: receipts, faults and logs of a system, or deliveries and faults of a consumer."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def next(self, max: int = 1, timeout_ms: int = -1) -> list[Event]:
        """Up to `max` events, 1024 at most; none when none came in time.

        Raises:
            StoppedError: the consumer has stopped, and nothing is left.
        """
        return [_event(e) for e in _kca.kca_queue_next(self._handle, max, timeout_ms)]

    def __iter__(self) -> Iterator[Event]:
        """Every event as it comes, until the consumer has stopped; a system's queue never ends."""
        while True:
            try:
                events = self.next(64, _SLICE_MS)
            except StoppedError:
                return
            yield from events

    def fileno(self) -> int:
        """A descriptor that is readable while something waits: only poll it."""
        return _kca.kca_queue_fd(self._handle)

    def close(self) -> None:
        """Lets go of it; a consumer leaves its group, once no thread is inside `next`."""
        self._handle = None


class Bus:
    """The event, command or query bus of one channel."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def publish(self, message: Message | str, payload: Any = None, *, token: int = 0, **fields: Any) -> None:
        """Publishes a message, or one made of a name, a payload and the fields of `Message`.

        With a token other than 0 a receipt with that token follows on the system's queue. Inside a handler the message
        continues the trace of what is handled, unless it has a trace context.
        """
        made = message if isinstance(message, Message) else Message(message, payload, **fields)
        cause = handled.get()
        follows = cause is not None and not made.trace_context[0]
        if follows:
            _kca.kca_message_follow(made._handle, cause)
        try:
            _kca.kca_bus_publish(self._handle, made._handle, token)
        finally:
            if follows:
                _kca.kca_message_set_trace_context(made._handle, None, None)

    def flush(self, timeout_ms: int = -1) -> None:
        """Waits until all that was published is answered."""
        _kca.kca_bus_flush(self._handle, timeout_ms)


class Consumer:
    """A consumer of a started system. Python pulls: handlers run in threads that live only inside `run`."""

    def __init__(self, handle: Any, handlers: dict[str, Handler]) -> None:
        self._handle = handle
        self._handlers = handlers
        self._processors = 1

    def with_amount_of_processors(self, processors: int) -> Consumer:
        """Handlers that run at once, each on its thread: 1. Before run."""
        _kca.kca_consumer_with_amount_of_processors(self._handle, processors)
        self._processors = processors
        return self

    def with_message_processing_timeout_ms(self, timeout_ms: int) -> Consumer:
        """A delivery not settled within it counts as failed; 0: no limit. Before run."""
        _kca.kca_consumer_with_message_processing_timeout_ms(self._handle, timeout_ms)
        return self

    def pause(self, topic: str | None = None, partition: int = -1) -> None:
        """Nothing of the partition is given out until `resume`; -1: of the topic's, None: of any topic."""
        _kca.kca_consumer_pause(self._handle, topic, partition)

    def resume(self, topic: str | None = None, partition: int = -1) -> None:
        """Gives out again what was paused."""
        _kca.kca_consumer_resume(self._handle, topic, partition)

    def seek(self, topic: str, partition: int, offset: int, timeout_ms: int = 10000) -> None:
        """Goes on reading at this offset; -1: at the partition's end, -2: at its beginning."""
        _kca.kca_consumer_seek(self._handle, topic, partition, offset, timeout_ms)

    def seek_to_time(self, topic: str, ms_since_1970: int, partition: int = -1, timeout_ms: int = 10000) -> None:
        """Goes on reading at the first message at or after this time; partition -1: in all of the topic."""
        _kca.kca_consumer_seek_to_time(self._handle, topic, partition, ms_since_1970, timeout_ms)

    def queue(self) -> Queue:
        """Joins the group: the queue of its deliveries and faults, for those who handle without `run`."""
        return Queue(_kca.kca_consumer_queue(self._handle))

    def run(self) -> None:
        """Joins the group and handles deliveries until `stop` or shutdown; the calling thread is a processor.

        A handler that returns has done its work, one that raises `Rejected` rejects the message, and one that raises
        anything else has failed. Raises what ended the consumer.
        """
        queue = self.queue()
        try:
            with ThreadPoolExecutor(self._processors) as pool:
                others = [pool.submit(self._process, queue) for _ in range(self._processors - 1)]
                self._process(queue)
            for other in others:
                other.result()
            with suppress(StoppedError):
                _kca.kca_queue_error(queue._handle)
        finally:
            queue.close()

    def stop(self) -> None:
        """Ends run; from any thread, also from a handler. Does not wait itself."""
        _kca.kca_consumer_stop(self._handle)

    def _process(self, queue: Queue) -> None:
        """Handles until the consumer has stopped."""
        try:
            while True:
                for event in queue.next(1, _SLICE_MS):
                    if isinstance(event, Delivery):
                        self._handle_delivery(event)
        except StoppedError:
            return
        finally:
            _kca.kca_consumer_stop(self._handle)

    def _handle_delivery(self, d: Delivery) -> None:
        inside = handled.set(d._handle)
        try:
            verdict, error_name, text = self._verdict(d)
        finally:
            handled.reset(inside)
        if verdict != DEFERRED:
            with suppress(StateError):  # its time is over, or its partition gone: it comes again
                d.settle(verdict, error_name, text)

    def _verdict(self, d: Delivery) -> tuple[int, str, str]:
        named = self._handlers.get(d.name)
        handler = named or self._handlers.get("*")
        if not handler:
            return REJECTED, "unhandled", "no handler has its name"
        order: Any
        try:
            order = d.json()
        except Exception as e:  # what is no JSON, or more than Python can hold
            if named:
                return REJECTED, "payload", str(e)
            order = d.payload
        try:
            return (DEFERRED if handler(order, d) is DEFERRED else DONE), "", ""
        except Exception as e:
            return REJECTED if isinstance(e, Rejected) else FAILED, type(e).__name__, str(e)


class System:
    """Connections, publishers, consumers and handlers, started and shut down together."""

    def __init__(self) -> None:
        self._handle: Any = _kca.kca_system_new()
        self._handlers: dict[str, Handler] = {}

    def add_connection(self, connection: Connection) -> System:
        """Adds a copy of what is declared; raises the first failure of its setters."""
        _kca.kca_system_add_connection(self._handle, connection._handle)
        return self

    def add_publisher(self, publisher: PublisherBuilder) -> System:
        """Adds a copy of what is declared; raises the first failure of its setters."""
        _kca.kca_system_add_publisher(self._handle, publisher._handle)
        return self

    def add_consumer(self, consumer: ConsumerBuilder) -> System:
        """Adds a copy of what is declared; raises the first failure of its setters."""
        _kca.kca_system_add_consumer(self._handle, consumer._handle)
        return self

    @overload
    def handler(self, name: str) -> Callable[[H], H]: ...
    @overload
    def handler(self, name: str, function: H) -> H: ...
    def handler(self, name: str, function: H | None = None) -> Any:
        """The handler of the messages of this name, called with the payload's values and the delivery.

        A decorator, or called with the function. "*": of those that no other handler takes; it is called with the bytes
        of a payload that is no JSON, which otherwise is rejected.
        """
        if function is None:
            return lambda decorated: self.handler(name, decorated)
        if not callable(function):
            raise TypeError(f"handler {name} must be callable, got {function!r}")
        _kca.kca_system_add_handler(self._handle, name)
        self._handlers[name] = function
        return function

    def start(self, timeout_ms: int = 10000) -> System:
        """Checks what is declared, reaches each cluster, and opens the publishers."""
        _kca.kca_system_start(self._handle, timeout_ms)
        return self

    def shutdown(self, timeout_ms: int = 10000) -> None:
        """Stops the consumers, commits, sends what is buffered, and closes; an error says what was left."""
        _kca.kca_system_shutdown(self._handle, timeout_ms)

    def event_bus(self, channel: str) -> Bus:
        """The event bus of a publisher's channel."""
        return Bus(_kca.kca_system_event_bus(self._handle, channel))

    def command_bus(self, channel: str) -> Bus:
        """The command bus of a publisher's channel."""
        return Bus(_kca.kca_system_command_bus(self._handle, channel))

    def query_bus(self, channel: str) -> Bus:
        """The query bus of a publisher's channel."""
        return Bus(_kca.kca_system_query_bus(self._handle, channel))

    def consumer(self, name: str) -> Consumer:
        """The consumer of this name, as given to its builder."""
        return Consumer(_kca.kca_system_consumer(self._handle, name), self._handlers)

    def queue(self) -> Queue:
        """The system's queue: receipts, faults, logs."""
        return Queue(_kca.kca_system_queue(self._handle))

    def log_queue(self) -> Queue:
        """The queue of the system's logs alone: from now on they wait here and not among the receipts."""
        return Queue(_kca.kca_system_log_queue(self._handle))

    def describe(self, format: int = _kca.KCA_FORMAT_TEXT) -> str:
        """The active endpoints with counters, as text or JSON."""
        return _kca.kca_system_describe(self._handle, format)

    def describe_cluster(
        self, connection: str, topic: str | None = None, group: str | None = None, timeout_ms: int = 10000
    ) -> dict[str, Any]:
        """What the connection's cluster has, all topics or one; with a group, how far that has come.

        The object described in kca_abi.h: "brokers", "topics" with their partitions' offsets, "group".
        """
        told: dict[str, Any] = json.loads(
            _kca.kca_system_describe_cluster(self._handle, connection, topic, group, timeout_ms)
        )
        return told

    def redrive(self, redrive: RedriveBuilder, timeout_ms: int = 60000) -> dict[str, Any]:
        """Publishes dead letters again, or says what it would publish; gives the report described in kca_abi.h.

        When the time is over first, the report's "complete" is False, and calling it again goes on.
        """
        report: dict[str, Any] = json.loads(_kca.kca_system_redrive(self._handle, redrive._handle, timeout_ms))
        return report

    def log_to_queue(self, level: int) -> System:
        """Logs up to `level` become `Log` events on the system's queue."""
        _kca.kca_system_log_to_queue(self._handle, level)
        return self

    def log_to_stderr(self, level: int) -> System:
        """Logs up to `level` are written to stderr."""
        _kca.kca_system_log_to_stderr(self._handle, level)
        return self
