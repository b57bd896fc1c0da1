"""A system on a broker of its own for the time of a test, and the outcome of its messages.

The application's handlers hold a reference to their system object and publish through its buses, so this object stays.
For the time of the test it stands on another low-level system, which has all of its declarations. Only the connections
lead elsewhere, and one more consumer for each connection sees all published messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from .. import _kca
from ..builders import ConsumerBuilder, PublisherBuilder
from ..bus import message_of
from ..connection import Connection
from ..errors import ReplyError, StoppedError, make
from ..handlers import conversion_of
from ..message import Delivery, Message, Verdict
from ..queue import Batch
from ..system import BaseSystem, new_handle
from .seen import Answer, Handled, Published, Replied, error_of, fields_of, matches

P = TypeVar("P", bound=Published)
Watcher = Callable[[int, str, str], None]

ANY: Any = object()
OBSERVER = "kca.testing."
# Where the questions of tests are answered, unless their channel's publisher names another.
REPLIES = "kca.testing.replies"
SLICE_MS = 5
# The longest that a batch waits for more messages than there are.
BATCH_MS = 20


class _Watched(Delivery):
    """A delivery that tells its watcher how it was settled, whenever that happens."""

    __slots__ = ()
    _watchers: ClassVar[dict[int, tuple[Delivery, Watcher]]] = {}

    @staticmethod
    def watch(d: Delivery, watcher: Watcher) -> None:
        """Makes a delivery a watched one."""
        _Watched._watchers[id(d)] = d, watcher
        d.__class__ = _Watched

    def settle(self, verdict: int, error_name: str = "", text: str = "") -> None:
        super().settle(verdict, error_name, text)
        _, watcher = self._watchers.pop(id(self))
        watcher(verdict, error_name, text)


class Tested:
    """The part that tests of systems with threads and in asyncio's loop share.

    Attributes:
        system: the application's system.
        published: the messages in topics, in the order in which they were seen.
        handled: the deliveries and their outcomes.
        replies: those of the messages in topics that are replies to what was handled.
        errors: the errors that ended consumers.
    """

    __test__ = False  # pytest takes a class of this name for a test

    def __init__(self, system: BaseSystem[Any, Any], timeout: float) -> None:
        self.published: list[Published] = []
        self.handled: list[Handled] = []
        self.replies: list[Replied] = []
        self.errors: list[Exception] = []
        self._base = system
        self._timeout = timeout
        self._open: set[str] = set()
        self._questions: dict[tuple[str, str], str] = {}  # their names, by where and how they are answered
        declared = system.description()
        if declared["started"]:
            raise ValueError("the system is started already: shut it down, or give one that is not")
        self._original = system._handle, system._flag, system._pulls
        system._handle, system._flag = new_handle()
        system._pulls = False
        system._work.watch = lambda d: self._watch("", d)
        try:
            self._channels = self._declare(declared)
        except BaseException:
            self._give_back()
            raise

    @property
    def _timeout_ms(self) -> int:
        return int(self._timeout * 1000)

    # ---- the system on another broker ----

    def _declare(self, declared: dict[str, Any]) -> list[str]:
        """Declares all of it again; gives the channels, including those that other applications publish to."""
        system, own = self._base, list(self._base._declared)
        for declaration in own:
            if isinstance(declaration, Connection):
                system.add_connection(Connection(declaration.name, "embedded://"))
            elif isinstance(declaration, PublisherBuilder):
                system.add_publisher(_undelayed(declaration))
            else:
                system.add_consumer(_eager(declaration))
        topics = {p["channel"]: p["connection"] for p in declared["publishers"]}
        self._reply_channels = {p["channel"]: p.get("reply_channel") for p in declared["publishers"]}
        for consumer in declared["consumers"]:
            for topic in consumer["topics"]:
                if topic not in topics:
                    system.add_publisher(PublisherBuilder(consumer["connection"], topic, required_acks=-1, linger_ms=0))
                    topics[topic] = consumer["connection"]
        if topics and REPLIES not in topics:
            topics[REPLIES] = next(iter(topics.values()))
            system.add_publisher(PublisherBuilder(topics[REPLIES], REPLIES, required_acks=-1, linger_ms=0))
        for connection in set(topics.values()):
            first, *more = [topic for topic in topics if topics[topic] == connection]
            observer = ConsumerBuilder(
                connection, first, OBSERVER + connection, group_topic=more or None, failure_policy="skip"
            )
            system.add_consumer(_eager(observer))
        del system._declared[len(own) :]
        if system._local_retries:
            retries = _eager(system._local_retries)
            _kca.kca_system_set_local_retries(system._handle, retries._handle)
        for channel, translator in system._work.translators.items():
            translator.declare(system._handle, channel)
        for name in system._work.handlers:
            _kca.kca_system_add_handler(system._handle, name)
        for name, batch in system._work.batch_handlers.items():
            wait_ms = min(batch.batch_wait_ms, BATCH_MS)
            _kca.kca_system_add_batch_handler(system._handle, name, batch.batch_max, wait_ms)
        return list(topics)

    def _give_back(self) -> None:
        self._base._handle, self._base._flag, self._base._pulls = self._original
        self._base._work.watch = None

    # ---- work ----

    def _is_idle(self) -> bool:
        """Whether every stored message is behind the frontiers of all consumers that read it."""
        told = json.loads(self._base.describe(_kca.KCA_FORMAT_JSON))
        if any(p["unanswered"] for p in told["publishers"]):
            return False
        stored = {p["channel"]: p["stored"] for p in told["publishers"]}
        for consumer in told["consumers"]:
            if consumer["name"] not in self._open:
                continue
            settled = sum(p["frontier"] or 0 for p in consumer["partitions"])
            if settled < sum(stored[topic] for topic in consumer["topics"]):
                return False
        return True

    def _no_time(self) -> TimeoutError:
        return TimeoutError(f"not all messages were handled within {self._timeout} s: {self._base.describe()}")

    def _note_end(self, name: str, queue: Any) -> None:
        """Notes that a consumer ended, and the error that ended it."""
        self._open.discard(name)
        try:
            with suppress(StoppedError):
                _kca.kca_queue_error(queue)
        except Exception as e:
            self.errors.append(e)

    def _note(self, consumer: str, d: Delivery) -> bool:
        """Keeps what a test may ask of a delivery; gives whether a handler is to run."""
        if consumer.startswith(OBSERVER):
            self._note_published(d)
            d.done()
            return False
        self._watch(consumer, d)
        return True

    def _watch(self, consumer: str, d: Delivery) -> None:
        """Keeps the delivery and, once it is settled, its outcome."""
        kept = fields_of(d) | {"consumer": consumer, "attempt": d.attempt}
        if d.reply_to:
            self._questions[d.reply_to, d.correlation_id] = d.name
        at = len(self.handled)
        self.handled.append(Handled(**kept))

        def settled(verdict: int, error_name: str, text: str) -> None:
            self.handled[at] = Handled(**kept, verdict=Verdict(verdict), error=error_name, text=text)

        _Watched.watch(d, settled)

    def _note_published(self, d: Delivery) -> None:
        self.published.append(Published(**fields_of(d)))
        question = self._questions.get((d.topic, d.correlation_id))
        if question is not None:
            self.replies.append(Replied(**fields_of(d), question=question, error=error_of(d.payload)))

    def _note_batch(self, consumer: str, batch: Batch) -> bool:
        """`_note`, for each delivery of a batch."""
        return [self._note(consumer, d) for d in batch.deliveries][-1]

    # ---- questions ----

    def _asked(self, channel: str, message: Any, payload: Any, fields: Any) -> Message:
        """The question, with where and how it is answered."""
        asked = message_of(message, payload, fields)
        if not asked.correlation_id:
            _kca.kca_message_set_correlation_id(asked._handle, str(uuid4()))
        if not asked.reply_to:
            _kca.kca_message_set_reply_to(asked._handle, self._reply_channels.get(channel) or REPLIES)
        if asked.type == _kca.KCA_TYPE_NONE:
            _kca.kca_message_set_type(asked._handle, _kca.KCA_TYPE_QUERY)
        return asked

    def _answer(self, asked: Message, returns: Any) -> Any:
        """The reply to a question, once all messages are handled."""
        where = asked.reply_to, asked.correlation_id
        found = [reply for reply in self.replies if (reply.topic, reply.correlation_id) == where]
        if not found:
            there = [f"  {seen}" for seen in (*self.handled, *self.published)] or ["  nothing"]
            lines = [f"{asked.name} was not answered; there was:", *there, *map(str, self.errors)]
            raise AssertionError("\n".join(lines))
        if found[-1].error is not None:
            raise make(ReplyError.code, "reply", found[-1].error, 0, 0, 0)
        return conversion_of(returns)(Answer(found[-1].payload))

    # ---- the assertions' checks, once all messages are handled ----

    def _check_handled(self, name: str, payload: Any, times: int | None) -> Handled:
        return self._one("handled", self._settled({Verdict.DONE}, name, payload, ""), self.handled, name, times)

    def _check_failed(self, name: str, payload: Any, error: str, times: int | None) -> Handled:
        wrong = self._settled({Verdict.FAILED, Verdict.REJECTED}, name, payload, error)
        return self._one("failed", wrong, self.handled, name, times)

    def _check_nothing_failed(self) -> None:
        wrong: list[Any] = [h for h in self.handled if h.verdict in (Verdict.FAILED, Verdict.REJECTED)]
        if wrong or self.errors:
            raise AssertionError("\n".join(["these deliveries failed:", *map(str, [*wrong, *self.errors])]))

    def _check_published(self, channel: str, name: str, payload: Any, times: int | None) -> Published:
        found = self._matching(lambda p: p.topic == channel and not p.error_name, self.published, name, payload)
        return self._one(f"published to {channel}", found, self.published, name, times)

    def _check_nothing_published(self, channel: str) -> None:
        found = [p for p in self.published if p.topic == channel]
        if found:
            raise AssertionError("\n".join([f"{channel} has messages:", *map(str, found)]))

    def _check_dead_lettered(self, channel: str, name: str, payload: Any, error: str, times: int | None) -> Published:
        def is_letter(p: Published) -> bool:
            return p.topic == channel and p.error_name is not None and error in ("", p.error_name)

        found = self._matching(is_letter, self.published, name, payload)
        return self._one(f"dead-lettered to {channel}", found, self.published, name, times)

    def _check_replied(self, name: str, payload: Any, error: str | None, times: int | None) -> Replied:
        def is_meant(reply: Replied) -> bool:
            result = error is None and reply.error is None
            told = reply.error is not None and error is not None and error in reply.error
            return reply.question == name and (result or told)

        expected = b"null" if payload is None else payload
        replies = [reply for reply in self.replies if is_meant(reply)]
        found = [reply for reply in replies if payload is ANY or matches(reply.payload, expected)]
        return self._one("answered", found, [*self.replies, *self.handled], name, times)

    def _settled(self, verdicts: set[Verdict], name: str, payload: Any, error: str) -> list[Handled]:
        return self._matching(lambda h: h.verdict in verdicts and error in ("", h.error), self.handled, name, payload)

    @staticmethod
    def _matching(wanted: Callable[[P], bool], among: Sequence[P], name: str, payload: Any) -> list[P]:
        named = (seen for seen in among if seen.name == name and wanted(seen))
        return [seen for seen in named if payload is ANY or matches(seen.payload, payload)]

    def _one(self, what: str, found: list[P], among: Sequence[Published], name: str, times: int | None) -> P:
        if found and times in (None, len(found)):
            return found[0]
        wanted = "at least once" if times is None else f"{times} times"
        there = [f"  {seen}" for seen in among] or ["  nothing"]
        lines = [f"{name} was {what} {len(found)} times, not {wanted}; there was:", *there, *map(str, self.errors)]
        raise AssertionError("\n".join(lines))


def _undelayed(publisher: PublisherBuilder) -> PublisherBuilder:
    """A copy whose messages with a `deliver_at` do not wait for it."""
    made = PublisherBuilder(*publisher._names)
    for method, arguments in publisher._given:
        getattr(made, method)(*((0,) if method == "with_delay_channel_ms" else arguments))
    return made


def _eager(consumer: ConsumerBuilder) -> ConsumerBuilder:
    """A copy that does not wait for a group, for committed offsets, for more messages than there are, or for a time."""
    if any(method == "with_transactional_id" for method, _ in consumer._given):
        raise ValueError(
            f"{consumer._what}: the embedded broker knows no transactions: transactional_id needs a real one"
        )
    made = ConsumerBuilder(*consumer._names)
    for method, arguments in consumer._given:
        getattr(made, method)(*((0,) if method == "with_retry_delay_ms" else arguments))
    if not consumer._last("park", False):  # which keeps its keys in commits
        made.with_commit_interval_ms(0)
    made.with_retry_backoff_ms(0).with_delay_ms(0)
    return made.with_partition(_kca.KCA_PARTITION_EVERY).with_max_wait_ms(SLICE_MS)
