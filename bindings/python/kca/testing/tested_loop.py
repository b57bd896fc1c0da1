"""A system of kca.asyncio whose handlers run in the test's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .. import _kca
from ..asyncio import Consumer, System, _in_executor
from ..errors import StoppedError
from ..message import Delivery
from ..queue import MAKERS, Batch, Receipt
from .seen import Handled, Published, Replied
from .tested import ANY, SLICE_MS, Tested

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..bus import Fields


class AsyncTestedSystem(Tested):
    """A started system of `kca.asyncio` and the outcome of its messages: `TestedSystem` with coroutines."""

    def __init__(self, system: System, timeout: float = 10.0) -> None:
        self._rooms = dict(system._rooms)
        super().__init__(system, timeout)
        self.system = system
        self._consumers: dict[str, Consumer] = {}
        self._queues: dict[str, Any] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Starts the system; call it first."""
        system = self.system
        try:
            self._publishers = {channel: system.event_bus(channel) for channel in self._channels}
            for bus in self._publishers.values():
                bus._bus._hooks = ()  # they are the application's
            await system.start(self._timeout_ms)
            for name in [c["name"] for c in system.description()["consumers"]]:
                self._consumers[name] = consumer = system.consumer(name)
                self._queues[name] = await _in_executor(_kca.kca_consumer_queue, consumer._handle)
        except BaseException:
            self._give_back()
            raise
        self._open.update(self._queues)
        if system._work.handlers and self._queues:
            system._work.begin(next(iter(self._queues)))

    def _give_back(self) -> None:
        super()._give_back()
        self.system._rooms = self._rooms

    async def close(self) -> None:
        """Shuts the system down; it is then as it was before."""
        try:
            for consumer in self._consumers.values():
                consumer._break_off(self._running)
                consumer.stop()
            for queue in self._queues.values():
                await _in_executor(_kca.kca_queue_free, queue)
            await self.system.shutdown(self._timeout_ms)
        finally:
            self._give_back()

    # ---- work ----

    async def publish(self, channel: str, message: Any, payload: Any = None, **fields: Any) -> Receipt:
        """Publishes to a topic, as another application would; further arguments as for `Bus.publish`."""
        if channel not in self._publishers:
            raise LookupError(f"no channel {channel} is declared; there are {', '.join(self._publishers)}")
        return await self._publishers[channel].publish(message, payload, **fields)

    async def send(
        self, channel: str, message: Any, payload: Any = None, *, returns: Any = None, **fields: Unpack[Fields]
    ) -> Any:
        """Sends a question to a topic, as another application would, lets the handlers work, and gives the reply's
        payload; see `TestedSystem.send`.
        """
        asked = self._asked(channel, message, payload, fields)
        await self.publish(channel, asked)
        await self.run()
        return self._answer(asked, returns)

    async def run(self) -> None:
        """Lets the handlers work until all messages are handled, including retries and messages of handlers.

        Raises:
            TimeoutError: the time was over before all messages were handled.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        while not self._is_idle():
            if loop.time() > deadline:
                raise self._no_time()
            for name in list(self._open):
                self._take(name)
            await asyncio.sleep(SLICE_MS / 1000)

    def _take(self, name: str) -> None:
        """Has the deliveries that are there handled, in tasks of the loop."""
        try:
            events = _kca.take(self._queues[name], 64, 0)
        except StoppedError:
            self._note_end(name, self._queues[name])
            return
        for kind, *parts in events:
            event: Any = MAKERS[kind](*parts)
            if isinstance(event, Batch):
                if self._note_batch(name, event):
                    self._begin(self._consumers[name]._handle_batch(event))
            elif not isinstance(event, Delivery):
                self.system._work.tell(event)
            elif self._note(name, event):
                self._begin(self._consumers[name]._handle_delivery(event))

    def _begin(self, handling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(handling)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    # ---- assertions ----

    async def assert_handled(self, name: str, payload: Any = ANY, *, times: int | None = None) -> Handled:
        """Asserts that a message of this name was handled well; gives the first.

        Args:
            name: the message's name.
            payload: the payload, or the members that an object must have at least. Default: any payload.
            times: how often, 1 or more. Default: at least once.
        """
        await self.run()
        return self._check_handled(name, payload, times)

    async def assert_failed(
        self, name: str, payload: Any = ANY, *, error: str = "", times: int | None = None
    ) -> Handled:
        """Asserts that a delivery of this name failed or was rejected, by this error if given; gives the first."""
        await self.run()
        return self._check_failed(name, payload, error, times)

    async def assert_nothing_failed(self) -> None:
        """Asserts that every delivery was handled well, and that no consumer has ended."""
        await self.run()
        self._check_nothing_failed()

    async def assert_published(
        self, channel: str, name: str, payload: Any = ANY, *, times: int | None = None
    ) -> Published:
        """Asserts that a message of this name is in the topic; gives the first. Arguments as for `assert_handled`."""
        await self.run()
        return self._check_published(channel, name, payload, times)

    async def assert_nothing_published(self, channel: str) -> None:
        """Asserts that the topic is empty."""
        await self.run()
        self._check_nothing_published(channel)

    async def assert_dead_lettered(
        self, channel: str, name: str, payload: Any = ANY, *, error: str = "", times: int | None = None
    ) -> Published:
        """Asserts that a message of this name is a dead letter in the topic, by this error if given; gives it."""
        await self.run()
        return self._check_dead_lettered(channel, name, payload, error, times)

    async def assert_replied(
        self, name: str, payload: Any = ANY, *, error: str | None = None, times: int | None = None
    ) -> Replied:
        """Asserts that a message of this name was answered, by an error with this in its text if given; gives the first
        reply.
        """
        await self.run()
        return self._check_replied(name, payload, error, times)
