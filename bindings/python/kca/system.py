"""Systems: what is declared, started and shut down together."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from . import _kca
from .builders import ConsumerBuilder, PublisherBuilder, RedriveBuilder
from .bus import Bus
from .connection import Connection
from .consumer import BaseConsumer, Consumer
from .ending import Life
from .errors import Error, StateError
from .handlers import BatchHandler, Handler, is_kind
from .health import Health, health_of
from .hooks import Hook
from .local import LocalBus
from .logs import Bridge, level_of
from .queue import End, Fault, Log, Queue, Rebalance, Receipt, Reply, State
from .translators import Translate, Translator
from .work import DeduplicationStore, Work

F = TypeVar("F", bound=Callable[..., Any])
L = TypeVar("L", bound=Callable[[Any], Any])
# The bus and the consumer of a kind of system.
B = TypeVar("B")
C = TypeVar("C", bound=BaseConsumer)
# The time of a shutdown; HASTY_MS when the handlers were interrupted, so that it need not wait for them.
SHUTDOWN_MS, HASTY_MS = 10000, 1000

log = logging.getLogger("kca.system")

_TOLD = (Fault, Rebalance, Receipt, Reply, End, State, Log)
HookFunction = Callable[[Any], Any]
Declaration = Connection | PublisherBuilder | ConsumerBuilder


def new_handle() -> tuple[Any, int]:
    """A low-level system, whose waits end at Ctrl-C or by its flag; see `_kca.tell`."""
    handle = _kca.kca_system_new()
    return handle, _kca.heed(handle)


class BaseSystem(Generic[B, C]):
    """The part that systems with threads and in asyncio's loop share.

    Args:
        declarations: connections, and builders of publishers and consumers; `add_connection`, `add_publisher` and
            `add_consumer` add more.
    """

    _consumer_type: type[C]
    _runs_coroutines = False

    def __init__(self, *declarations: Declaration) -> None:
        self._handle: Any
        self._handle, self._flag = new_handle()
        self._life = Life(self._handle)
        self._work = Work()
        self._bridge: Bridge | None = None
        self._declared: list[Declaration] = []  # for kca.testing, which declares all of it again
        self._local_retries: ConsumerBuilder | None = None
        self._pulls = False
        for declaration in declarations:
            self._add(declaration)

    def _add(self, declaration: Declaration) -> None:
        if isinstance(declaration, Connection):
            self.add_connection(declaration)
        elif isinstance(declaration, PublisherBuilder):
            self.add_publisher(declaration)
        elif isinstance(declaration, ConsumerBuilder):
            self.add_consumer(declaration)
        else:
            raise TypeError(f"a system is declared by connections, publishers and consumers, got {declaration!r}")

    def add_connection(self: S, connection: Connection) -> S:
        """Adds a copy of the declaration; raises the first failure of its setters."""
        _kca.kca_system_add_connection(self._handle, connection._handle)
        self._declared.append(connection._copy())
        return self

    def add_publisher(self: S, publisher: PublisherBuilder) -> S:
        """Adds a copy of the declaration; raises the first failure of its setters."""
        _kca.kca_system_add_publisher(self._handle, self._adapted(publisher)._handle)
        self._declared.append(publisher._copy())
        return self

    def add_consumer(self: S, consumer: ConsumerBuilder) -> S:
        """Adds a copy of the declaration; raises the first failure of its setters."""
        _kca.kca_system_add_consumer(self._handle, consumer._handle)
        self._declared.append(consumer._copy())
        return self

    def _adapted(self, publisher: PublisherBuilder) -> PublisherBuilder:
        """The publisher, with the options that this kind of system needs."""
        return publisher

    @overload
    def handler(self, name: F, function: None = None, /) -> F: ...
    @overload
    def handler(self, name: str | None = None, function: None = None, /) -> Callable[[F], F]: ...
    @overload
    def handler(self, name: str | None, function: F, /) -> F: ...
    def handler(self, name: Any = None, function: Any = None, /) -> Any:
        """Declares the handler of the messages of a name: use it as a decorator, or call it with the function.

        The handler takes the payload, or the payload and the delivery, or the delivery alone; a delivery is annotated
        as one. The annotation of the payload chooses its type: a dataclass, a pydantic model, a msgspec struct, a type
        made of these, `dict` ..., or `bytes` for the payload as it is; without an annotation, the values of the JSON.
        kca rejects a payload that does not fit, and the reason names the field.

        The default name is that of the annotation's class, "orderCreated" for `OrderCreated`, or else that of the
        function, "orderCreated" for `order_created`. "*" is the name for messages that no other handler takes; without
        an annotation, this handler gets a payload that is not JSON as bytes.
        """
        if function is None and callable(name):
            return self.handler(None, name)
        if function is None:
            return lambda decorated: self.handler(name, decorated)
        made = Handler(function, name)
        if made.is_async and not self._runs_coroutines:
            raise TypeError(f"handler {made.name} is a coroutine function: it needs a system of kca.asyncio")
        if not (made.name == "*" and self._pulls and "*" not in self._work.handlers):
            _kca.kca_system_add_handler(self._handle, made.name)
        self._work.handlers[made.name] = made
        return function

    def batch_handler(self, name: str | None = None, *, max: int = 100, wait_ms: int = 100) -> Callable[[F], F]:
        """Declares the handler of many messages of a name, as a decorator: it is called with a list of their payloads,
        with their deliveries as a second list, or with the deliveries alone (`list[Delivery]`).

        It is called as soon as there are `max` messages, 1 to 1000000 and at most the consumer's `queue_capacity`, or
        the first has waited for `wait_ms`. The annotation of the list's elements chooses the payloads' type, and the
        default name, as for `handler`. Messages of one key come in their order. A payload that does not fit is rejected
        by itself, and not in the list.

        When it returns, all are done; it may settle any of them by itself (`delivery.failed(...)`): the ones of that
        key behind it then come again after it. When it raises, or returns `FAILED` or `REJECTED`, for several, that
        does not say which of them failed: each comes again at once in a batch of its own, and what becomes of it there
        counts.
        """

        def declare(function: F) -> F:
            made = BatchHandler(function, name, max, wait_ms)
            if made.is_async and not self._runs_coroutines:
                raise TypeError(f"handler {made.name} is a coroutine function: it needs a system of kca.asyncio")
            _kca.kca_system_add_batch_handler(self._handle, made.name, max, wait_ms)
            self._work.batch_handlers[made.name] = made
            return function

        return declare

    def _prepare(self) -> None:
        """Prepares a start. An application that takes deliveries from a queue needs no handler, but the library wants
        one: without any, "*" is declared here, and `run` itself checks for handlers.
        """
        consumers = {each._names[-1]: each for each in self._declared if isinstance(each, ConsumerBuilder)}
        for name in self._work.stores:
            if name not in consumers:
                raise LookupError(f"consumer {name} is not declared: nothing would ask its deduplication store")
            if any(method == "with_transactional_id" for method, _ in consumers[name]._given):
                raise ValueError(
                    f"consumer {name}: with transactional_id there is no deduplication store: "
                    f"messages of an aborted transaction have to be handled again"
                )
        if not (self._work.handlers or self._work.batch_handlers or self._pulls):
            _kca.kca_system_add_handler(self._handle, "*")
            self._pulls = True

    @overload
    def on(self, kind: type[Any], listener: None = None) -> Callable[[L], L]: ...
    @overload
    def on(self, kind: type[Any], listener: L) -> L: ...
    def on(self, kind: type[Any], listener: Any = None) -> Any:
        """Declares the function that gets the events of a kind: `Fault`, `Rebalance`, `State`, `Receipt`, `Reply`,
        `End` or `Log`. Use it as a decorator, or call it with the function. Events taken from a queue by `next` do not
        get there. Without a function for faults, they are logged as warnings.
        """
        if kind not in _TOLD:
            raise TypeError(f"events are {', '.join(each.__name__ for each in _TOLD)}; got {kind!r}")
        if listener is None:
            return lambda decorated: self.on(kind, decorated)
        if is_kind(inspect.iscoroutinefunction, listener):
            raise TypeError(f"a listener to {kind.__name__} must be a plain function, got a coroutine function")
        self._work.listeners[kind] = listener
        return listener

    @overload
    def publish_hook(self, hook: F, /) -> F: ...
    @overload
    def publish_hook(
        self, hook: None = None, /, *, before: HookFunction | None = None, after: HookFunction | None = None
    ) -> None: ...
    def publish_hook(self, hook: Any = None, /, *, before: Any = None, after: Any = None) -> Any:
        """Declares a hook on publishing, before the start: use it as a decorator, or call it with functions.

        Its functions are called with a `Publishing`, in the order of the declarations, those after in reverse. Before,
        they may change the message, drop it (`return kca.DROP`), or refuse it by an exception, which the publish
        raises. See `kca.hooks` for the kinds of hooks. What a hook on publishing publishes before it
        returns goes without hooks. One that is awaited is not for `Delivery.publish`, which raises `TypeError` then.
        """
        return self._add_hook(self._work.publish_hooks, hook, before, after)

    @overload
    def handling_hook(self, hook: F, /) -> F: ...
    @overload
    def handling_hook(
        self, hook: None = None, /, *, before: HookFunction | None = None, after: HookFunction | None = None
    ) -> None: ...
    def handling_hook(self, hook: Any = None, /, *, before: Any = None, after: Any = None) -> Any:
        """Declares a hook on handling, before the start: use it as a decorator, or call it with functions.

        Its functions are called with a `Handling` around each handler, in the order of the declarations, those after in
        reverse, in the same thread (in asyncio: the same task) and context. Before, they may return a verdict: the
        delivery is settled so. An exception fails the delivery as one of its handler does, also after the handler.
        """
        return self._add_hook(self._work.handling_hooks, hook, before, after)

    def _add_hook(self, hooks: list[Hook], hook: Any, before: Any, after: Any) -> Any:
        made = Hook(hook, before, after)
        if made.is_async and not self._runs_coroutines:
            raise TypeError("a hook that is a coroutine function needs a system of kca.asyncio")
        if self.description()["started"]:
            raise StateError("hook: the system is started: declare it before start")
        hooks.append(made)
        return hook

    def set_translator(
        self: S, channel: str, *, to_record: Translate | None = None, to_message: Translate | None = None
    ) -> S:
        """Gives a channel its own translator, before the start: for payloads that are not JSON, for wires of others.

        `to_record(record, message)` is called with each message that is published, on the thread that publishes.
        `record` is the raw message that would be written: the function changes it, or returns another. Its exception is
        a `TranslatorError` of the publish, and nothing is sent.

        `to_message(message, record)` is called with each record that a consumer takes, before its handler, on the
        thread of that (in asyncio: the loop's). `message` is what the consumer's dialect reads: the function changes
        it, or returns another. `record` is the raw record, with its `channel` (the topic), `partition` and
        `timestamp_ms`. Its exception fails the delivery without a handler, by the exception's name; `Rejected` rejects
        it. A dead letter has the record's bytes as they are.

        Replies and dead letters are written, and answers to `send` are read, without it.
        """
        translator = Translator(to_record, to_message)
        translator.declare(self._handle, channel)
        self._work.translators[channel] = translator
        return self

    def set_deduplication_store(self: S, consumer: str, store: DeduplicationStore) -> S:
        """Gives the consumer of this name a store of handled messages; it does not handle these again.

        The consumer calls the store's `seen(message_id)` before a handler runs; when `seen` raises, the delivery fails.
        It calls `mark(message_id)` after the handler has done its work.
        """
        if not self._runs_coroutines and any(
            inspect.iscoroutinefunction(getattr(store, method, None)) for method in ("seen", "mark")
        ):
            raise TypeError(f"consumer {consumer}: a store with coroutine functions needs a system of kca.asyncio")
        self._work.stores[consumer] = store
        return self

    def event_bus(self, channel: str) -> B:
        """The event bus of a publisher's channel."""
        return self._bus(_kca.kca_system_event_bus(self._handle, channel), channel)

    def command_bus(self, channel: str | None = None) -> B:
        """The command bus of a publisher's channel; without one, that of the handlers in this process."""
        return self._bus(_kca.kca_system_command_bus(self._handle, channel), channel)

    def query_bus(self, channel: str | None = None) -> B:
        """The query bus of a publisher's channel; without one, that of the handlers in this process."""
        return self._bus(_kca.kca_system_query_bus(self._handle, channel), channel)

    def set_local_retries(
        self: S,
        *,
        max_attempts: int | None = None,
        retry_backoff_ms: int | None = None,
        retry_backoff_multiplier: float | None = None,
        retry_backoff_max_ms: int | None = None,
        retry_jitter_percent: int | None = None,
        retry_delay_ms: int | list[int] | None = None,
        rejected_error: str | list[str] | None = None,
    ) -> S:
        """Says how often messages of buses without a channel are tried, by a consumer's options of these names, before
        the start. Default: once.
        """
        retries = ConsumerBuilder(
            *("local",) * 3,
            max_attempts=max_attempts,
            retry_backoff_ms=retry_backoff_ms,
            retry_backoff_multiplier=retry_backoff_multiplier,
            retry_backoff_max_ms=retry_backoff_max_ms,
            retry_jitter_percent=retry_jitter_percent,
            retry_delay_ms=retry_delay_ms,
            rejected_error=rejected_error,
        )
        _kca.kca_system_set_local_retries(self._handle, retries._handle)
        self._local_retries = retries
        return self

    def _bus(self, handle: Any, channel: str | None) -> B:
        """A low-level bus as this kind of system has it."""
        raise NotImplementedError

    def consumer(
        self,
        name: str,
        *,
        amount_of_processors: int | None = None,
        message_processing_timeout_ms: int | None = None,
    ) -> C:
        """The consumer of this name, as given to its builder."""
        made = self._consumer_type(_kca.kca_system_consumer(self._handle, name), name, self._work, self.description)
        if amount_of_processors is not None:
            made.with_amount_of_processors(amount_of_processors)
        if message_processing_timeout_ms is not None:
            made.with_message_processing_timeout_ms(message_processing_timeout_ms)
        return made

    def describe(self, format: int = _kca.KCA_FORMAT_TEXT) -> str:
        """Describes the active endpoints, with counters, as text or JSON."""
        return _kca.kca_system_describe(self._handle, format)

    def description(self) -> dict[str, Any]:
        """Describes the active endpoints, with counters, as Python values."""
        described: dict[str, Any] = json.loads(self.describe(_kca.KCA_FORMAT_JSON))
        return described

    def health(self, stuck_after_ms: int = 0) -> Health:
        """Says whether the system is ready, and whether it is stuck: at once, and nobody is asked for it.

        Args:
            stuck_after_ms: how long something may wait; 0: 60000; -1: for ever. Handlers that are late, and consumers
                that have failed, are told of at once.
        """
        return health_of(self._handle, stuck_after_ms)

    def metrics(self, format: int = _kca.KCA_METRICS_PROMETHEUS) -> str:
        """What the system counts, as text that Prometheus reads: at once, and nobody is asked for it.

        Args:
            format: `METRICS_PROMETHEUS`, to be served as "text/plain; version=0.0.4", or `METRICS_OPENMETRICS`, as
                "application/openmetrics-text; version=1.0.0; charset=utf-8".
        """
        return _kca.kca_system_metrics(self._handle, format)

    def log_to_queue(self: S, level: int) -> S:
        """Makes log lines up to `level` `Log` events on the system's queue, or on its log queue."""
        _kca.kca_system_log_to_queue(self._handle, level)
        return self

    def log_to_logging(self: S, logger: logging.Logger | None = None, level: int | None = None) -> S:
        """Passes log lines on to Python's `logging`, by one thread.

        Each line goes to a child of the logger, named for its component, such as "kca.publisher" or "kca.librdkafka";
        the record's attribute `kca` is the `Log`. From now on log lines do not wait among the receipts.

        Args:
            logger: default: the logger "kca".
            level: one of the `LOG_...`. Default: the level that the logger lets through now.
        """
        logger = logger or logging.getLogger("kca")
        if self._bridge:
            self._bridge.close()
        self._bridge = Bridge(self, logger)
        return self.log_to_queue(level_of(logger) if level is None else level)

    def log_to_stderr(self: S, level: int) -> S:
        """Writes log lines up to `level` to stderr."""
        _kca.kca_system_log_to_stderr(self._handle, level)
        return self


S = TypeVar("S", bound=BaseSystem[Any, Any])


class System(BaseSystem[Bus, Consumer]):
    """Connections, publishers, consumers and handlers, started and shut down together: `with system: ...`.

    When the system and its buses are gone, or the process ends, without a `shutdown`, what was published is sent for at
    most 5 seconds, and a `ResourceWarning` and a line of the log say how many messages were not.
    """

    _consumer_type = Consumer

    def __enter__(self) -> System:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and not self._work.hasty:
            return self.shutdown()
        try:
            self.shutdown(HASTY_MS if self._work.hasty else SHUTDOWN_MS)
        except Error as e:  # the exception from inside the block says more
            log.warning("%s", e)

    def start(self, timeout_ms: int = 10000) -> System:
        """Checks the declarations, reaches each cluster, and opens the publishers.

        Ctrl-C ends the start, and leaves the system not started.
        """
        self._prepare()
        try:
            _kca.kca_system_start(self._handle, timeout_ms)
        except Exception:
            raise
        except BaseException:
            with suppress(Error):
                _kca.kca_system_shutdown(self._handle, 0)
            raise
        return self

    def shutdown(self, timeout_ms: int = SHUTDOWN_MS) -> None:
        """Stops the consumers, commits, sends buffered messages, and closes; an error says what was left.

        After Ctrl-C it acts as if its time were over: it closes the system without waiting for the rest.
        """
        try:
            _kca.kca_system_shutdown(self._handle, timeout_ms)
        finally:
            self._work.is_over()

    def _bus(self, handle: Any, channel: str | None) -> Bus:
        if channel is None:
            return LocalBus(handle, self._work, self._life)
        return Bus(handle, channel, self._work.publish_hooks, self._life)

    def queue(self) -> Queue:
        """The system's queue: receipts, faults, logs."""
        return Queue(_kca.kca_system_queue(self._handle), self._work.dispatch)

    def log_queue(self) -> Queue:
        """The queue of the system's log lines: from now on they wait in it and not among the receipts."""
        return Queue(_kca.kca_system_log_queue(self._handle), self._work.dispatch)

    def describe_cluster(
        self, connection: str, topic: str | None = None, group: str | None = None, timeout_ms: int = 10000
    ) -> dict[str, Any]:
        """Describes the connection's cluster: all topics or one; with a group, also how far the group has come.

        Gives the object described in kca_abi.h: "brokers", "topics" with their partitions' offsets, "group".
        """
        told: dict[str, Any] = json.loads(
            _kca.kca_system_describe_cluster(self._handle, connection, topic, group, timeout_ms)
        )
        return told

    def redrive(self, redrive: RedriveBuilder, timeout_ms: int = 60000) -> dict[str, Any]:
        """Publishes dead letters again, or reports what it would publish; gives the report described in kca_abi.h.

        When the time is over before the end, the report's "complete" is False, and another call goes on from there.
        """
        report: dict[str, Any] = json.loads(_kca.kca_system_redrive(self._handle, redrive._handle, timeout_ms))
        return report
