"""Receipts in asyncio's loop: each resolves the future of its publish, and makes room for those that wait for some."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import _kca
from .errors import BufferFullError, StoppedError
from .queue import MAKERS, Receipt
from .work import Work

_RECEIPT: int = _kca.KCA_EVENT_RECEIPT
# So many events are handled before others of the loop have their turn.
_BUDGET = 512
# Others than this loop may have filled the buffer; nobody tells when there is room then.
_LOOK_AGAIN_SECONDS = 0.05


class Receipts:
    """The system's queue, read by the loop. All of it runs in the loop's thread."""

    def __init__(self, system: Any, work: Work) -> None:
        self._queue: Any = _kca.kca_system_queue(system)
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._fd = _kca.kca_queue_fd(self._queue)
        self._futures: dict[int, asyncio.Future[Receipt]] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._later: set[asyncio.Task[Receipt]] = set()
        self._last_token = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._fd, self._read)

    def publish(self, put: Callable[[int], None], room_ms: int) -> asyncio.Future[Receipt]:
        """Calls `put` with a token, now or when there is room; its receipt becomes the result."""
        if not self.crowded:
            with suppress(BufferFullError):
                return self._publish_now(put)
        task = self._loop.create_task(self._publish_later(put, room_ms))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return task

    async def hand_over(self, timeout_ms: int) -> None:
        """Waits for those that wait for room now, also when nobody awaits them."""
        if self._later:
            await asyncio.wait(set(self._later), timeout=None if timeout_ms < 0 else timeout_ms / 1000)

    @property
    def crowded(self) -> bool:
        """Whether others wait for room."""
        return bool(self._waiting)

    def next_token(self) -> int:
        """A token that no other publish has."""
        self._last_token += 1
        return self._last_token

    def expect(self, token: int) -> asyncio.Future[Receipt]:
        """The future of the receipt with this token; in the same turn of the loop as its publish."""
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._futures[token] = future
        return future

    def _publish_now(self, put: Callable[[int], None]) -> asyncio.Future[Receipt]:
        token = self.next_token()
        put(token)
        return self.expect(token)

    async def _publish_later(self, put: Callable[[int], None], room_ms: int) -> Receipt:
        """In the order of the calls: who was woken and finds no room is the first again."""
        deadline = None if room_ms < 0 else self._loop.time() + room_ms / 1000
        turn = self._waiting.append
        while True:
            await self._room(turn, deadline)
            try:
                future = self._publish_now(put)
            except BufferFullError:
                if deadline is not None and self._loop.time() >= deadline:
                    self._wake(1)
                    raise
                turn = self._waiting.appendleft
                continue
            except BaseException:
                self._wake(1)
                raise
            return await future

    async def _room(self, turn: Callable[[asyncio.Future[None]], None], deadline: float | None) -> None:
        """Waits for a receipt, or for the deadline."""
        woken: asyncio.Future[None] = self._loop.create_future()
        turn(woken)
        self._look_again()
        late = None if deadline is None else self._loop.call_at(deadline, _resolve, woken)
        try:
            await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled():
                self._wake(1)
            raise
        finally:
            if late:
                late.cancel()

    def _wake(self, count: int) -> None:
        while count > 0 and self._waiting:
            woken = self._waiting.popleft()
            if not woken.done():
                woken.set_result(None)
                count -= 1

    def _look_again(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_later(_LOOK_AGAIN_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._wake(1)
        self._look_again()

    def _read(self) -> None:
        """The descriptor is readable; it stays so while more waits."""
        self._drain(_BUDGET)

    def _drain(self, most: int) -> int:
        events = _kca.take(self._queue, most, 0)
        for event in events:
            if event[0] == _RECEIPT:
                self._resolve(event)
            else:
                self._work.tell(MAKERS[event[0]](*event[1:]))  # type: ignore[arg-type]
        self._wake(len(events))
        return len(events)

    def _resolve(self, event: tuple[Any, ...]) -> None:
        future = self._futures.pop(event[1], None)
        if future is None or future.done():  # cancelled
            return
        if event[2] is None:
            future.set_result(Receipt._make(event[1:]))
        else:
            future.set_exception(event[2])

    def close(self) -> None:
        """After the shutdown, which answered all that was published."""
        self._loop.remove_reader(self._fd)
        if self._timer:
            self._timer.cancel()
        while self._drain(_BUDGET):
            pass
        for future in self._futures.values():
            if not future.done():
                future.set_exception(StoppedError("the system was shut down"))
        self._futures.clear()
        self._wake(len(self._waiting))
        self._queue = None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
