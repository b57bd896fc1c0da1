"""A system whose handlers run in the test's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from ..bus import Bus, Fields
from ..errors import StoppedError
from ..message import Delivery, Message, ReplyMessage
from ..queue import Batch, Queue, Reply
from ..system import System
from .seen import Handled, Published, Replied
from .tested import ANY, SLICE_MS, Tested

if TYPE_CHECKING:
    from typing_extensions import Unpack

_tokens = count(1 << 62)  # which no application uses


class _AskingBus(Bus):
    """A bus whose `send` lets the handlers work while it waits: they run in the same thread."""

    _wait: Callable[[int], ReplyMessage | None]

    def _ask(self, asked: Message, token: int, timeout_ms: int) -> ReplyMessage | None:
        own = token or next(_tokens)
        super()._ask(asked, own, timeout_ms)
        return None if token else self._wait(own)


class TestedSystem(Tested):
    """A started system and the outcome of its messages; every `assert_...` first lets the handlers do their work."""

    def __init__(self, system: System, timeout: float = 10.0) -> None:
        super().__init__(system, timeout)
        self.system = system
        self._answers: dict[int, Reply] = {}
        setattr(system, "_bus", self._bus)  # noqa: B010 - mypy knows it as a method
        try:
            self._publishers = {channel: system.event_bus(channel) for channel in self._channels}
            for bus in self._publishers.values():
                bus._hooks = ()  # they are the application's
            system.start(self._timeout_ms)
            names = [c["name"] for c in system.description()["consumers"]]
            self._consumers = {name: system.consumer(name) for name in names}
            self._queues: dict[str, Queue] = {name: c.queue() for name, c in self._consumers.items()}
        except BaseException:
            self._give_back()
            raise
        self._open.update(names)
        if system._work.handlers and names:
            system._work.begin(names[0])

    def _bus(self, handle: Any, channel: str | None) -> Bus:
        if channel is None:
            return type(self.system)._bus(self.system, handle, None)
        bus = _AskingBus(handle, channel, self.system._work.publish_hooks, self.system._life)
        bus._wait = self._wait
        return bus

    def _give_back(self) -> None:
        super()._give_back()
        self._base.__dict__.pop("_bus", None)

    def close(self) -> None:
        """Shuts the system down; it is then as it was before."""
        try:
            for consumer in self._consumers.values():
                consumer.stop()
            for queue in self._queues.values():
                queue.close()
            self.system.shutdown(self._timeout_ms)
        finally:
            self._give_back()

    # ---- work ----

    def publish(self, channel: str, message: Any, payload: Any = None, **fields: Any) -> None:
        """Publishes to a topic, as another application would; further arguments as for `Bus.publish`."""
        if channel not in self._publishers:
            raise LookupError(f"no channel {channel} is declared; there are {', '.join(self._publishers)}")
        self._publishers[channel].publish(message, payload, **fields)

    def send(
        self, channel: str, message: Any, payload: Any = None, *, returns: Any = None, **fields: Unpack[Fields]
    ) -> Any:
        """Sends a question to a topic, as another application would, lets the handlers work, and gives the reply's
        payload. The reply comes on the `reply_to` of the question, or the `reply_channel` of the channel's publisher,
        or else on a channel of the test's own.

        Args:
            channel: the topic.
            message: the message's name, or what else `Bus.publish` takes.
            payload: as for `Bus.publish`.
            returns: the type of the reply's payload, as a handler's annotation; None: the values of the JSON.
            **fields: as for `Bus.publish`.

        Raises:
            ReplyError: the reply is an error, whose text this is.
            AssertionError: there is no reply: no handler took it, or the consumer's `reply` is off.
        """
        asked = self._asked(channel, message, payload, fields)
        self.publish(channel, asked)
        self.run()
        return self._answer(asked, returns)

    def run(self) -> None:
        """Lets the handlers work until all messages are handled, including retries and messages of handlers.

        Raises:
            TimeoutError: the time was over before all messages were handled.
        """
        deadline = time.monotonic() + self._timeout
        while not self._is_idle():
            if time.monotonic() > deadline:
                raise self._no_time()
            self._handle_all()

    def _handle_all(self) -> None:
        """Lets the handlers handle what is there."""
        for name in list(self._open):
            self._take(name)

    def _wait(self, token: int) -> ReplyMessage | None:
        """Lets the handlers work until what was sent with this token has its reply; gives that."""
        queue = self.system.queue()
        while token not in self._answers:
            self._handle_all()
            for event in queue.next(64, 0):
                if isinstance(event, Reply) and event.token >= 1 << 62:
                    self._answers[event.token] = event
                elif not isinstance(event, Delivery | Batch):
                    self.system._work.tell(event)
        answer = self._answers.pop(token)
        if answer.error:
            raise answer.error
        return answer.message

    def _take(self, name: str) -> None:
        try:
            events = self._queues[name].next(64, SLICE_MS)
        except StoppedError:
            self._note_end(name, self._queues[name]._handle)
            return
        for event in events:
            if isinstance(event, Batch):
                if self._note_batch(name, event):
                    self.system._work.handle_batch(event)
            elif not isinstance(event, Delivery):
                self.system._work.tell(event)
            elif self._note(name, event):
                self.system._work.handle(event)

    # ---- assertions ----

    def assert_handled(self, name: str, payload: Any = ANY, *, times: int | None = None) -> Handled:
        """Asserts that a message of this name was handled well; gives the first.

        Args:
            name: the message's name.
            payload: the payload, or the members that an object must have at least. Default: any payload.
            times: how often, 1 or more. Default: at least once.
        """
        self.run()
        return self._check_handled(name, payload, times)

    def assert_failed(self, name: str, payload: Any = ANY, *, error: str = "", times: int | None = None) -> Handled:
        """Asserts that a delivery of this name failed or was rejected, by this error if given; gives the first."""
        self.run()
        return self._check_failed(name, payload, error, times)

    def assert_nothing_failed(self) -> None:
        """Asserts that every delivery was handled well, and that no consumer has ended."""
        self.run()
        self._check_nothing_failed()

    def assert_published(self, channel: str, name: str, payload: Any = ANY, *, times: int | None = None) -> Published:
        """Asserts that a message of this name is in the topic; gives the first. Arguments as for `assert_handled`."""
        self.run()
        return self._check_published(channel, name, payload, times)

    def assert_nothing_published(self, channel: str) -> None:
        """Asserts that the topic is empty."""
        self.run()
        self._check_nothing_published(channel)

    def assert_dead_lettered(
        self, channel: str, name: str, payload: Any = ANY, *, error: str = "", times: int | None = None
    ) -> Published:
        """Asserts that a message of this name is a dead letter in the topic, by this error if given; gives it."""
        self.run()
        return self._check_dead_lettered(channel, name, payload, error, times)

    def assert_replied(
        self, name: str, payload: Any = ANY, *, error: str | None = None, times: int | None = None
    ) -> Replied:
        """Asserts that a message of this name was answered; gives the first reply.

        Args:
            name: the name of the message that is answered.
            payload: the reply's payload, or the members that an object must have at least. Default: any payload.
            error: the reply is an error, and this is in its text. Default: it is a result.
            times: how often, 1 or more. Default: at least once.
        """
        self.run()
        return self._check_replied(name, payload, error, times)
