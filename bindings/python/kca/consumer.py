"""Consumers, whose handlers run in threads."""

from __future__ import annotations

import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from . import _kca
from .errors import StoppedError
from .message import handled
from .options import check_number
from .queue import MAKERS, Batch, Queue
from .work import Work


@dataclass(frozen=True)
class PartitionLag:
    """How far a consumer is in a partition; an unknown number is None.

    Attributes:
        topic: the partition's topic.
        partition: the partition's number.
        frontier: all messages below this offset are settled.
        committed: the offset that is committed.
        high_watermark: the partition's end.
        lag: records from the frontier to the end.
        held: records of the partition that the consumer holds.
        paused: whether the consumer gives out nothing of the partition.
    """

    topic: str
    partition: int
    frontier: int | None
    committed: int | None
    high_watermark: int | None
    lag: int | None
    held: int
    paused: bool


class BaseConsumer:
    """The part that consumers with threads and in asyncio's loop share."""

    def __init__(self, handle: Any, name: str, work: Work, description: Callable[[], dict[str, Any]]) -> None:
        self._handle = handle
        self._work = work
        self._description = description
        self._processors = 1
        self._limit_ms = 0  # of a handler's time; 0: none
        self.name = name

    def with_amount_of_processors(self: C, processors: int) -> C:
        """Sets how many handlers run at once, each on its own thread (in asyncio, task). Default: 1. Before `run`."""
        check_number(f"consumer {self.name}", "amount_of_processors", processors, 1, 1024)
        _kca.kca_consumer_with_amount_of_processors(self._handle, processors)
        self._processors = processors
        return self

    def with_message_processing_timeout_ms(self: C, timeout_ms: int) -> C:
        """A delivery that is not settled within this time counts as failed; 0: no limit. Before `run`.

        `Delivery.left_ms` tells a handler how much of it is left. In asyncio a handler that is a coroutine function is
        cancelled when the time is over.
        """
        check_number(f"consumer {self.name}", "message_processing_timeout_ms", timeout_ms, 0, 86400000)
        _kca.kca_consumer_with_message_processing_timeout_ms(self._handle, timeout_ms)
        self._limit_ms = timeout_ms
        return self

    def pause(self, topic: str | None = None, partition: int = -1) -> None:
        """Gives out nothing of a partition until `resume`; partition -1: of the topic; topic None: of any topic."""
        _kca.kca_consumer_pause(self._handle, topic, partition)

    def resume(self, topic: str | None = None, partition: int = -1) -> None:
        """Ends a pause; arguments as for `pause`."""
        _kca.kca_consumer_resume(self._handle, topic, partition)

    def unpark(self, key: str | bytes | None, topic: str | None = None, partition: int = -1) -> None:
        """Lets a parked key go: its messages are handled again from now on, before its dead letters are.

        The letters stay in the dead-letter channel; redriven later, each is handled when it comes. A fault tells of it.
        Which keys are parked stands in `System.description`, as `parked_lines` of a consumer's partitions.

        Args:
            key: the key; None: all keys that are parked there.
            topic: None: of any topic.
            partition: -1: any that the consumer has now.

        Raises:
            NotFoundError: no such key is parked there.
            StateError: the consumer does not run.
        """
        _kca.kca_consumer_unpark(self._handle, topic, partition, key.encode() if isinstance(key, str) else key)

    def lag(self) -> list[PartitionLag]:
        """Tells how far the consumer is in each partition that it has now."""
        own = next(c for c in self._description()["consumers"] if c["name"] == self.name)
        fields = PartitionLag.__dataclass_fields__
        return [PartitionLag(**{name: p.get(name) for name in fields}) for p in own.get("partitions", [])]

    def stop(self) -> None:
        """Ends `run`, without waiting for its end; may be called on any thread, also in a handler."""
        _kca.kca_consumer_stop(self._handle)


C = TypeVar("C", bound=BaseConsumer)


class Consumer(BaseConsumer):
    """A consumer of a started system. Handlers run in threads that live only inside `run`."""

    def seek(self, topic: str, partition: int, offset: int, timeout_ms: int = 10000) -> None:
        """Goes on reading at this offset; `OFFSET_END`: at the partition's end, `OFFSET_BEGINNING`: its beginning.

        An offset outside the partition raises `OffsetError`.
        """
        _kca.kca_consumer_seek(self._handle, topic, partition, offset, timeout_ms)

    def seek_to_time(self, topic: str, ms_since_1970: int, partition: int = -1, timeout_ms: int = 10000) -> None:
        """Goes on reading at the first message at or after this time; partition -1: in all of the topic."""
        _kca.kca_consumer_seek_to_time(self._handle, topic, partition, ms_since_1970, timeout_ms)

    def queue(self) -> Queue:
        """Joins the group, and gives the queue of its deliveries and faults, to handle them without `run`."""
        return Queue(_kca.kca_consumer_queue(self._handle), self._work.dispatch)

    def run(self) -> None:
        """Joins the group and handles deliveries until `stop` or shutdown; the calling thread is a processor.

        A handler that returns has done its work, and what it returns is its reply (`Delivery.reply`); one that raises
        `Rejected` rejects the message, and one that raises anything else has failed. A handler may also return
        `FAILED`, `REJECTED`, `DUPLICATE` or `DEFERRED`. `SystemExit` and `KeyboardInterrupt` of a handler also end
        `run`, which raises them.

        Ctrl-C stops `run`: it waits for the handlers that run, commits, and raises `KeyboardInterrupt`. After a second
        Ctrl-C it does not wait for the handlers.

        Raises:
            Error: the error that ended the consumer.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        self._work.begin(self.name)
        queue = self.queue()
        try:
            with _stopping_at_interrupt(self.stop, self._work) as on_main_thread:
                self._process_all(queue, on_main_thread)
            with suppress(StoppedError):
                _kca.kca_queue_error(queue._handle)
        finally:
            queue.close()

    def _process_all(self, queue: Queue, on_main_thread: bool) -> None:
        """Handles in this thread and in one more for each further processor."""
        ends: list[BaseException] = []

        def process() -> None:
            try:
                self._process(queue, None)
            except BaseException as e:
                ends.append(e)

        others = [
            threading.Thread(target=process, name=f"kca-{self.name}-{n}", daemon=True)
            for n in range(1, self._processors)
        ]
        for other in others:
            other.start()
        try:
            try:
                self._process(queue, _poller(queue) if on_main_thread else None)
            except SystemExit as e:  # it waits for the handlers of the others
                ends.insert(0, e)
            for other in others:
                other.join()
        except Exception:
            raise
        except BaseException:  # the process is to end: do not wait for the other threads' handlers
            self._work.hasty = True
            raise
        if ends:
            raise ends[0]

    def _process(self, queue: Queue, poller: select.poll | None) -> None:
        """Handles deliveries until the consumer has stopped."""
        work, timeout_ms = self._work, 0 if poller else -1
        served = work.served(self.stop)
        inside = handled.set(None)
        try:
            while True:
                other = _kca.serve(queue._handle, timeout_ms, served)
                if other:
                    event = MAKERS[other[0]](*other[1:])
                    other = None
                    if isinstance(event, Batch):
                        work.handle_batch(event, self.stop)
                    else:
                        work.dispatch(event)
                    del event  # its deliveries have places of the queue
                elif poller:
                    poller.poll()  # meanwhile Python can run signal handlers
        except StoppedError:
            return
        finally:
            handled.reset(inside)
            self.stop()


def _poller(queue: Queue) -> select.poll:
    poller = select.poll()
    poller.register(queue.fileno(), select.POLLIN)
    return poller


@contextmanager
def _stopping_at_interrupt(stop: Callable[[], None], work: Work) -> Iterator[bool]:
    """Has Ctrl-C call `stop` and raise at the end: on the main thread, unless the application handles Ctrl-C itself."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not on_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield on_main_thread
        return
    interrupted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            work.interrupted = True
            raise KeyboardInterrupt
        interrupted = True
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield True
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt
