"""Receipts in asyncio's loop: each resolves the future of its publish, and makes room for publishes that wait."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from . import _kca
from .errors import BufferFullError, StoppedError, TimedOutError, make
from .message import ReplyMessage
from .queue import MAKERS, Receipt
from .work import Work

_RECEIPT: int = _kca.KCA_EVENT_RECEIPT
_REPLY: int = _kca.KCA_EVENT_REPLY
# Events that are handled before the loop runs other tasks: enough to keep the cost of a turn small.
_BUDGET = 512
# Publishers outside this loop may have filled the buffer, and no event tells this loop of the room that comes then.
_LOOK_AGAIN_SECONDS = 0.05


class Publishing(asyncio.Future[Any], Coroutine[Any, Any, Any]):
    """The receipt, or the reply, to come of a message that is buffered: a future, which costs no task to be awaited,
    and a coroutine for whoever takes nothing else, such as `asyncio.create_task`.
    """

    _steps: Generator[Any, Any, Any] | None = None

    def send(self, value: Any, /) -> Any:
        """Goes on, as a coroutine does."""
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """Raises in the place where it waits, as a coroutine does. The message is on its way all the same."""
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.throw(*error)

    def close(self) -> None:
        """Ends as a coroutine does. The message is on its way all the same."""
        if self._steps is not None:
            self._steps.close()


class _Waiting:
    """A publish or ask that waits for room; `token`: it has found some."""

    __slots__ = ("context", "future", "put", "room_ms", "timer", "token")

    def __init__(self, put: Callable[[int], Any], future: Publishing, room_ms: int) -> None:
        self.put = put
        self.future = future
        self.room_ms = room_ms
        self.token = 0
        self.context = contextvars.copy_context()
        self.timer: asyncio.TimerHandle | None = None


def _fail(future: Publishing, error: BaseException) -> None:
    if isinstance(error, StopIteration):  # which no future takes; a payload's own code may raise it
        error = RuntimeError(f"{type(error).__name__}: {error}")
    future.set_exception(error)


class Receipts:
    """The system's queue, read by the loop. All of it runs in the loop's thread.

    A publish that finds no room waits in a line, without a task of its own. Each receipt that is read makes room, and
    then the first of the line are published until the room is used up. So the order of the calls is kept. Asks have a
    line of their own: the replies that make room for them may have to be published by the other.
    """

    def __init__(self, system: Any, work: Work) -> None:
        self.loop = asyncio.get_running_loop()
        self._queue: Any = _kca.kca_system_queue(system)
        self._work = work
        self._fd = _kca.kca_queue_fd(self._queue)
        self._futures: dict[int, Publishing] = {}
        self._line: deque[_Waiting] = deque()
        self._asks: deque[_Waiting] = deque()
        self._begun: set[asyncio.Future[None]] = set()  # of publishes that hooks surround
        self._last_token = 0
        self._timer: asyncio.TimerHandle | None = None
        self.loop.add_reader(self._fd, self._read)

    def wait(self, put: Callable[[int], Any], full: BufferFullError | None, room_ms: int) -> Publishing:
        """Calls `put` with a token when there is room; its receipt becomes the result.

        Args:
            put: publishes the message.
            full: the error of an earlier call of `put`; None: there was none.
            room_ms: how long the message may wait for room; -1 for ever.
        """
        waiting = _Waiting(put, Publishing(loop=self.loop), room_ms)
        if room_ms == 0 and full:
            waiting.future.set_exception(full)
        else:
            self._line.append(waiting)
            self._await_room(waiting)
        return waiting.future

    async def ask(self, put: Callable[[int], Any], cancel: Callable[[int], None], room_ms: int) -> ReplyMessage:
        """Calls `put` with a token when there is room, in the order of these calls, and gives the reply. When it is
        cancelled after that, it calls `cancel` with the token.
        """
        waiting = _Waiting(put, Publishing(loop=self.loop), room_ms)
        self._asks.append(waiting)
        self._fill(self._asks)
        if not waiting.token and not waiting.future.done():
            self._await_room(waiting)
        try:
            reply: ReplyMessage = await waiting.future
            return reply
        except asyncio.CancelledError:
            if waiting.token:
                cancel(waiting.token)
            raise

    def _await_room(self, waiting: _Waiting) -> None:
        if waiting.room_ms >= 0:
            waiting.timer = self.loop.call_later(waiting.room_ms / 1000, self._expire, waiting)
        self._look_again()

    async def hand_over(self, timeout_ms: int) -> None:
        """Waits until the hooks before the publishes of now have run, and those that wait for room have found some,
        also when no task awaits them.
        """
        end = None if timeout_ms < 0 else self.loop.time() + timeout_ms / 1000
        if self._begun:
            await asyncio.wait(set(self._begun), timeout=None if end is None else end - self.loop.time())
        waiting = {each.future for each in self._line}
        if not waiting:
            return
        over = self.loop.create_future()

        def answered(future: asyncio.Future[Any]) -> None:
            waiting.discard(future)
            if not waiting and not over.done():
                over.set_result(None)

        for each in list(waiting):
            each.add_done_callback(answered)
        await asyncio.wait([over], timeout=None if end is None else max(0, end - self.loop.time()))

    @property
    def has_begun(self) -> bool:
        """Whether hooks before publishes run."""
        return bool(self._begun)

    @property
    def crowded(self) -> bool:
        """Whether earlier publishes wait for room."""
        return bool(self._line)

    def next_token(self) -> int:
        """A token that no other publish has."""
        self._last_token += 1
        return self._last_token

    def expect(self, token: int) -> Publishing:
        """The future of the receipt with this token. Call it in the turn of the loop that has published the message."""
        future = Publishing(loop=self.loop)
        self._futures[token] = future
        return future

    def follow(self, publish: Coroutine[Any, Any, Receipt], begun: asyncio.Future[None]) -> Publishing:
        """The future of a publish that hooks surround, which runs in a task; `begun`: it waits for its receipt now."""
        future, task = Publishing(loop=self.loop), self.loop.create_task(publish)
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)

        def end(task: asyncio.Task[Receipt]) -> None:
            if not begun.done():
                begun.set_result(None)
            if task.cancelled():
                future.cancel()
                return
            error = task.exception()
            if future.done():
                pass  # nobody waits for it
            elif error is None:
                future.set_result(task.result())
            else:
                _fail(future, error)

        task.add_done_callback(end)
        future.add_done_callback(lambda future: task.cancel() if future.cancelled() else None)
        return future

    def limit(self, future: Publishing, timeout_ms: int) -> None:
        """Has the future fail unless its receipt has come by then."""

        def give_up() -> None:
            if not future.done():
                text = f"no receipt came within {timeout_ms} ms; the message may be stored nevertheless"
                future.set_exception(make(TimedOutError.code, "timeout", text, 0, 1, 0))

        timer = self.loop.call_later(timeout_ms / 1000, give_up)
        future.add_done_callback(lambda _: timer.cancel())

    def failed(self, error: Exception) -> Publishing:
        """The future of a message that was not published."""
        future = Publishing(loop=self.loop)
        _fail(future, error)
        return future

    def _fill(self, line: deque[_Waiting]) -> None:
        """Publishes from the front of the line, until there is no room."""
        while line:
            first = line[0]
            if not first.future.done():  # else the publish was cancelled, or its time is over
                token = self.next_token()
                try:
                    first.context.run(first.put, token)
                    self._futures[token] = first.future
                    first.token = token
                except BufferFullError:
                    return
                except Exception as e:
                    _fail(first.future, e)
            line.popleft()
            if first.timer:
                first.timer.cancel()

    @staticmethod
    def _expire(waiting: _Waiting) -> None:
        if not waiting.future.done():
            text = f"no room in the publisher's buffer within {waiting.room_ms} ms"
            waiting.future.set_exception(make(BufferFullError.code, "buffer_full", text, 0, 1, 0))

    def _look_again(self) -> None:
        if self._timer is None and (self._line or self._asks):
            self._timer = self.loop.call_later(_LOOK_AGAIN_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._fill(self._line)
        self._fill(self._asks)
        self._look_again()

    def _read(self) -> None:
        """The descriptor is readable; it stays readable while more events wait."""
        self._drain(_BUDGET)

    def _drain(self, most: int) -> int:
        events = _kca.take(self._queue, most, 0)
        for event in events:
            if event[0] == _RECEIPT:
                self._resolve(event)
            elif event[0] == _REPLY:
                self._resolve_reply(event[1])
            else:
                self._work.tell(MAKERS[event[0]](*event[1:]))  # type: ignore[arg-type]
        self._fill(self._line)
        self._fill(self._asks)
        return len(events)

    def _resolve(self, event: tuple[Any, ...]) -> None:
        future = self._futures.pop(event[1], None)
        if future is None or future.done():  # cancelled
            return
        if event[2] is None:
            future.set_result(Receipt._make(event[1:]))
        else:
            future.set_exception(event[2])

    def _resolve_reply(self, event: Any) -> None:
        future = self._futures.pop(_kca.kca_event_token(event), None)
        if future is None or future.done():  # cancelled
            return
        error = _kca.kca_event_error(event)
        if error is None:
            future.set_result(ReplyMessage(event))
        else:
            future.set_exception(error)

    def close(self) -> None:
        """Ends after the shutdown, which has answered all published messages."""
        self.loop.remove_reader(self._fd)
        if self._timer:
            self._timer.cancel()
        while self._drain(_BUDGET):
            pass
        for future in [*self._futures.values(), *(each.future for each in (*self._line, *self._asks))]:
            if not future.done():
                future.set_exception(StoppedError("the system was shut down"))
        self._futures.clear()
        self._line.clear()
        self._asks.clear()
        self._queue = None
