"""A system on a broker of its own, whose handlers run in the test's thread.

The application's handlers hold on to their system object and publish through its buses. So that object stays; what it
stands on is another one for the time of the test: the same declarations, but for where the connections lead, and one
more consumer for each connection, which sees all that is published.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from .. import _kca
from ..builders import Connection, ConsumerBuilder, PublisherBuilder
from ..errors import StoppedError
from ..message import Delivery, Verdict
from ..queue import Queue
from ..system import System, new_handle
from .seen import Handled, Published, fields_of, matches

P = TypeVar("P", bound=Published)
Watcher = Callable[[int, str, str], None]

_ANY: Any = object()
_OBSERVER = "kca.testing."
_SLICE_MS = 5


class _Watched(Delivery):
    """A delivery that tells how it was settled, by whomever and whenever."""

    __slots__ = ()
    _watchers: ClassVar[dict[int, tuple[Delivery, Watcher]]] = {}

    @staticmethod
    def watch(d: Delivery, watcher: Watcher) -> None:
        """Makes it one."""
        _Watched._watchers[id(d)] = d, watcher
        d.__class__ = _Watched

    def settle(self, verdict: int, error_name: str = "", text: str = "") -> None:
        super().settle(verdict, error_name, text)
        _, watcher = self._watchers.pop(id(self))
        watcher(verdict, error_name, text)


class TestedSystem:
    """A started system and what came of its messages; every `assert_...` first lets the handlers do their work."""

    __test__ = False  # it is no test, whatever pytest thinks of its name

    def __init__(self, system: System, timeout: float = 10.0) -> None:
        self.system = system
        self.published: list[Published] = []
        self.handled: list[Handled] = []
        self.errors: list[Exception] = []
        self._timeout = timeout
        declared = system.description()
        if declared["started"]:
            raise ValueError("the system is started already: shut it down, or give one that is not")
        system._work.refuse_async()
        self._original, self._pulled = system._handle, system._pulls
        system._handle, system._pulls = new_handle(), False
        try:
            self._channels = self._declare(declared)
            self._publishers = {channel: system.event_bus(channel) for channel in self._channels}
            system.start(int(timeout * 1000))
            names = [c["name"] for c in system.description()["consumers"]]
            self._consumers = {name: system.consumer(name) for name in names}
            self._queues: dict[str, Queue] = {name: c.queue() for name, c in self._consumers.items()}
        except BaseException:
            self._give_back()
            raise
        if system._work.handlers:
            system._work.begin(names[0])

    # ---- the system on another broker ----

    def _declare(self, declared: dict[str, Any]) -> list[str]:
        """The same once more; gives the channels, those that others publish to included."""
        system, own = self.system, list(self.system._declared)
        for declaration in own:
            if isinstance(declaration, Connection):
                system.add_connection(Connection(declaration.name, "embedded://"))
            elif isinstance(declaration, PublisherBuilder):
                system.add_publisher(declaration)
            else:
                system.add_consumer(_eager(declaration._copy()))
        topics = {p["channel"]: p["connection"] for p in declared["publishers"]}
        for consumer in declared["consumers"]:
            for topic in consumer["topics"]:
                if topic not in topics:
                    system.add_publisher(PublisherBuilder(consumer["connection"], topic, required_acks=-1, linger_ms=0))
                    topics[topic] = consumer["connection"]
        for connection in set(topics.values()):
            first, *more = [topic for topic in topics if topics[topic] == connection]
            observer = ConsumerBuilder(connection, first, _OBSERVER + connection, group_topic=more or None)
            system.add_consumer(_eager(observer))
        del system._declared[len(own) :]
        for name in system._work.handlers:
            _kca.kca_system_add_handler(system._handle, name)
        return list(topics)

    def _give_back(self) -> None:
        self.system._handle, self.system._pulls = self._original, self._pulled

    def close(self) -> None:
        """Shuts it down; the system is as it was."""
        try:
            for consumer in self._consumers.values():
                consumer.stop()
            for queue in self._queues.values():
                queue.close()
            self.system.shutdown(int(self._timeout * 1000))
        finally:
            self._give_back()

    # ---- work ----

    def publish(self, channel: str, message: Any, payload: Any = None, **fields: Any) -> None:
        """Publishes as another application would, to the topic of that name: arguments as `Bus.publish` takes them."""
        if channel not in self._publishers:
            raise LookupError(f"nothing is declared for {channel}; there are {', '.join(self._publishers)}")
        self._publishers[channel].publish(message, payload, **fields)

    def run(self) -> None:
        """Lets the handlers work until all that was published is handled, retries and all that follows included.

        Raises:
            TimeoutError: something was still not handled when the time was over.
        """
        deadline = time.monotonic() + self._timeout
        while not self._is_idle():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all was handled within {self._timeout} s: {self.system.describe()}")
            for name in list(self._queues):
                self._take(name)

    def _is_idle(self) -> bool:
        """All that the publishers stored is behind the frontiers of all who read it."""
        told = json.loads(self.system.describe(_kca.KCA_FORMAT_JSON))
        if any(p["unanswered"] for p in told["publishers"]):
            return False
        stored = {p["channel"]: p["stored"] for p in told["publishers"]}
        for consumer in told["consumers"]:
            if consumer["name"] not in self._queues:
                continue
            settled = sum(p["frontier"] or 0 for p in consumer["partitions"])
            if settled < sum(stored[topic] for topic in consumer["topics"]):
                return False
        return True

    def _take(self, name: str) -> None:
        try:
            events = self._queues[name].next(64, _SLICE_MS)
        except StoppedError:
            self._note_end(name)
            return
        for event in events:
            if isinstance(event, Delivery):
                self._handle(name, event)
            else:
                self.system._work.tell(event)

    def _note_end(self, name: str) -> None:
        """A consumer that ended by a failure, as it would have in earnest."""
        queue = self._queues.pop(name)
        try:
            with suppress(StoppedError):
                _kca.kca_queue_error(queue._handle)
        except Exception as e:
            self.errors.append(e)

    def _handle(self, consumer: str, d: Delivery) -> None:
        if consumer.startswith(_OBSERVER):
            self.published.append(Published(**fields_of(d)))
            d.done()
            return
        kept = fields_of(d) | {"consumer": consumer, "attempt": d.attempt}
        at = len(self.handled)
        self.handled.append(Handled(**kept))

        def settled(verdict: int, error_name: str, text: str) -> None:
            self.handled[at] = Handled(**kept, verdict=Verdict(verdict), error=error_name, text=text)

        _Watched.watch(d, settled)
        self.system._work.handle(d)

    # ---- assertions ----

    def assert_handled(self, name: str, payload: Any = _ANY, *, times: int | None = None) -> Handled:
        """A message of this name was handled well; gives the first.

        Args:
            name: the message's.
            payload: what it must be; of an object the members that it must have. Left out: any.
            times: how often, 1 or more; left out: at least once.
        """
        return self._one("handled", self._settled({Verdict.DONE}, name, payload, ""), self.handled, name, times)

    def assert_failed(self, name: str, payload: Any = _ANY, *, error: str = "", times: int | None = None) -> Handled:
        """A delivery of this name failed or was rejected, with this error's name if one is given; gives the first."""
        wrong = self._settled({Verdict.FAILED, Verdict.REJECTED}, name, payload, error)
        return self._one("failed", wrong, self.handled, name, times)

    def assert_nothing_failed(self) -> None:
        """Every delivery was handled well, and no consumer has ended."""
        self.run()
        wrong: list[Any] = [h for h in self.handled if h.verdict in (Verdict.FAILED, Verdict.REJECTED)]
        if wrong or self.errors:
            raise AssertionError("\n".join(["these failed:", *map(str, [*wrong, *self.errors])]))

    def assert_published(self, channel: str, name: str, payload: Any = _ANY, *, times: int | None = None) -> Published:
        """A message of this name is in the topic; gives the first. Arguments as `assert_handled` takes them."""
        found = self._matching(lambda p: p.topic == channel and not p.error_name, self._all_published(), name, payload)
        return self._one(f"published to {channel}", found, self.published, name, times)

    def assert_nothing_published(self, channel: str) -> None:
        """The topic is empty."""
        found = [p for p in self._all_published() if p.topic == channel]
        if found:
            raise AssertionError("\n".join([f"there is something in {channel}:", *map(str, found)]))

    def assert_dead_lettered(
        self, channel: str, name: str, payload: Any = _ANY, *, error: str = "", times: int | None = None
    ) -> Published:
        """A message of this name is a dead letter in that topic, for an error of that name if one is given."""

        def is_letter(p: Published) -> bool:
            return p.topic == channel and p.error_name is not None and error in ("", p.error_name)

        found = self._matching(is_letter, self._all_published(), name, payload)
        return self._one(f"dead-lettered to {channel}", found, self.published, name, times)

    def _all_published(self) -> list[Published]:
        self.run()
        return self.published

    def _settled(self, verdicts: set[Verdict], name: str, payload: Any, error: str) -> list[Handled]:
        self.run()
        return self._matching(lambda h: h.verdict in verdicts and error in ("", h.error), self.handled, name, payload)

    @staticmethod
    def _matching(wanted: Callable[[P], bool], among: Sequence[P], name: str, payload: Any) -> list[P]:
        named = (seen for seen in among if seen.name == name and wanted(seen))
        return [seen for seen in named if payload is _ANY or matches(seen.payload, payload)]

    def _one(self, what: str, found: list[P], among: Sequence[Published], name: str, times: int | None) -> P:
        if found and times in (None, len(found)):
            return found[0]
        wanted = "at least once" if times is None else f"{times} times"
        there = [f"  {seen}" for seen in among] or ["  nothing"]
        lines = [f"{name} was {what} {len(found)} times, not {wanted}; there was:", *there, *map(str, self.errors)]
        raise AssertionError("\n".join(lines))


def _eager(consumer: ConsumerBuilder) -> ConsumerBuilder:
    """It waits for nothing: not for a group, nor for committed offsets, nor for more than there is."""
    return consumer.with_partition(_kca.KCA_PARTITION_EVERY).with_commit_interval_ms(0).with_max_wait_ms(_SLICE_MS)
