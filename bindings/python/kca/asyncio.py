"""Systems in asyncio's loop, with uvloop too: the classes of `kca`, with coroutines in place of calls that wait.

    async with kca.asyncio.System(...) as system:
        receipt = await system.event_bus("orders").publish(OrderCreated("ORD-1"))
        await system.consumer("billing").run()

Handlers may be coroutine functions. No thread waits for a message: the loop watches the queues' descriptors. Joining,
leaving, start and shutdown, which talk to the cluster, run in the loop's executor; so do handlers that are plain
functions.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _kca, hooks, local, tracing
from . import bus as threads
from .batch import Handled
from .builders import PublisherBuilder, RedriveBuilder
from .consumer import BaseConsumer
from .errors import BufferFullError, Error, StateError, StoppedError, TimedOutError, make
from .handlers import BatchHandler, Handler, conversion_of
from .message import Delivery, Message, ReplyMessage, Verdict, handled
from .options import check_number
from .payload import encoded
from .queue import MAKERS, SLICE_MS, Batch, Receipt
from .receipts import Publishing, Receipts
from .system import HASTY_MS, SHUTDOWN_MS, BaseSystem, Declaration
from .system import log as system_log
from .work import (
    DEFERRED,
    DONE,
    DUPLICATE,
    ENDS,
    Answer,
    DeduplicationStore,
    Prepared,
    answer_of,
    answer_of_batch,
    failed,
    failure,
    is_deferred,
    log,
    not_known,
    not_marked,
    outcome_of,
    settle,
    settle_together,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_DELIVERY: int = _kca.KCA_EVENT_DELIVERY
_BATCH: int = _kca.KCA_EVENT_BATCH
# Deliveries that an iterator gives before the loop runs other tasks: enough to keep the cost of a turn small.
_BUDGET = 32
# What ends a task, not only a handler.
_ENDS_OF_TASKS = (*ENDS, asyncio.CancelledError, GeneratorExit)
# How long a publish waits for room unless its publisher says otherwise.
_BUFFER_TIMEOUT_MS = 10000
_MOST_MS = 2**31 - 1
# How long a pause between two looks at a message that is handled here grows.
_LOOK_SECONDS = 0.05


async def _in_executor(function: Any, *arguments: Any) -> Any:
    """Awaits a call that waits in C. When the task is cancelled meanwhile, it still waits for the call to return."""
    call = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await _ended(call)
        raise


async def _ended(call: asyncio.Future[Any]) -> None:
    """Waits for the call, and drops its result."""
    await asyncio.wait([call])
    if not call.cancelled():
        call.exception()


class Bus:
    """The event, command or query bus of one channel."""

    def __init__(self, system: System, handle: Any, channel: str, room_ms: int) -> None:
        self._system = system
        self._bus = threads.Bus(handle, channel, system._work.publish_hooks)
        self._put = self._bus._put
        self._room_ms = room_ms

    def publish(
        self, message: Any, payload: Any = None, *, timeout_ms: int | None = None, **fields: Unpack[threads.Fields]
    ) -> Coroutine[Any, Any, Receipt]:
        """Publishes a message, given as to `kca.Bus.publish`; await its receipt.

        Await it, or give it to `asyncio.create_task`, a `TaskGroup`, `gather` or `run_coroutine_threadsafe`. In the
        system's loop the message is buffered in this call: messages that are published one after another keep their
        order, also when all of their receipts are awaited together. Called elsewhere, it publishes when it is awaited
        in the system's loop. Behind hooks on publishing it is buffered later: while one awaits, a later message may
        overtake. While the buffer is full, the message waits for room, as long as the publisher's `buffer_timeout_ms`
        says. A publish that is cancelled meanwhile publishes nothing; later the message is on its way.

        Args:
            message: the message.
            payload: its payload.
            timeout_ms: how long to wait for room, in place of `buffer_timeout_ms`, and for the receipt; -1 for ever.
                Default: the first as the publisher says, the second without a limit.
            fields: the message's other fields.

        Raises:
            TimedOutError: when awaited: no receipt came in time; the message may be stored nevertheless.
            Error: when awaited, by kind: there was no room, or the broker did not confirm the message.
            StateError: when awaited: the system is not started, or was started in another loop.
            TypeError: when awaited: it is no message.
        """
        receipts = self._system._receipts
        if receipts is None or asyncio._get_running_loop() is not receipts.loop:
            return self._publish_when_awaited(message, payload, fields, timeout_ms)
        try:
            if timeout_ms is None:
                return self._publish(receipts, message, payload, fields, self._room_ms)
            return self._publish_within(receipts, message, payload, fields, timeout_ms)
        except Exception as e:
            return receipts.failed(e)

    async def _publish_when_awaited(
        self, message: Any, payload: Any, fields: threads.Fields, timeout_ms: int | None
    ) -> Receipt:
        receipts = self._system._receipts_now()
        receipt: Receipt
        if timeout_ms is None:
            receipt = await self._publish(receipts, message, payload, fields, self._room_ms)
        else:
            receipt = await self._publish_within(receipts, message, payload, fields, timeout_ms)
        return receipt

    def _publish_within(
        self, receipts: Receipts, message: Any, payload: Any, fields: threads.Fields, timeout_ms: int
    ) -> Publishing:
        check_number("bus", "timeout_ms", timeout_ms, -1, _MOST_MS)
        future = self._publish(receipts, message, payload, fields, timeout_ms)
        if timeout_ms >= 0:
            receipts.limit(future, timeout_ms)
        return future

    def _publish(
        self, receipts: Receipts, message: Any, payload: Any, fields: threads.Fields, room_ms: int
    ) -> Publishing:
        if not self._bus._hooks or hooks.is_inside():
            return self._publish_plain(receipts, message, payload, fields, room_ms)
        h = hooks.Publishing(self._bus._channel, threads.message_of(message, payload, fields))
        begun = receipts.loop.create_future()

        async def put() -> Receipt:
            publishing = self._publish_plain(receipts, h.message, None, {}, room_ms)
            begun.set_result(None)
            receipt: Receipt = await publishing
            return receipt

        async def publish() -> Receipt:
            receipt: Receipt | None = await hooks.run_in_loop(self._bus._hooks, h, put)
            return receipt or Receipt(0, None, h.channel, -1, -1)  # it was dropped

        return receipts.follow(publish(), begun)

    def _publish_plain(
        self, receipts: Receipts, message: Any, payload: Any, fields: threads.Fields, room_ms: int
    ) -> Publishing:
        put_plain = self._bus._put_plain
        full: BufferFullError | None = None
        if not receipts.crowded:
            token = receipts.next_token()
            try:
                put_plain(None, message, payload, token, **fields)
                return receipts.expect(token)
            except BufferFullError as e:
                full = e
        if not isinstance(message, Message) and message is not None:
            if not isinstance(message, str):
                message, payload = threads.named(message, payload)
            payload = encoded(payload)
        put = partial(put_plain, None, message, payload, **fields)
        return receipts.wait(put, full, room_ms)

    async def send(
        self,
        message: Any,
        payload: Any = None,
        *,
        timeout_ms: int = threads.SEND_MS,
        returns: Any = None,
        **fields: Unpack[threads.Fields],
    ) -> Any:
        """Sends a message and gives the payload of its reply; see `kca.Bus.send`. Cancelled, it waits no more.

        The time begins when the message is buffered: while there is no room, it waits, as long as `publish` does.
        """
        convert = conversion_of(returns)
        receipts = self._system._receipts_now()
        asked = threads.message_of(message, payload, fields)
        if not self._bus._hooks or hooks.is_inside():
            return convert(await self._ask(receipts, asked, timeout_ms))
        h = hooks.Publishing(self._bus._channel, asked)
        replies: list[ReplyMessage] = []

        async def put() -> None:
            replies.append(await self._ask(receipts, h.message, timeout_ms))

        await hooks.run_in_loop(self._bus._hooks, h, put)
        threads.must_be_sent(h)
        return convert(replies[0])

    async def _ask(self, receipts: Receipts, asked: Message, timeout_ms: int) -> ReplyMessage:
        def put(token: int) -> None:
            self._bus._lend(asked, lambda m: _kca.kca_bus_send(self._bus._handle, m, token, timeout_ms))

        def cancel(token: int) -> None:
            with suppress(Error):
                self._bus.cancel(token)

        return await receipts.ask(put, cancel, self._room_ms)

    async def flush(self, timeout_ms: int = -1) -> None:
        """Waits until the broker has answered every published message, also those that wait for hooks or room."""
        loop = asyncio.get_running_loop()
        end = None if timeout_ms < 0 else loop.time() + timeout_ms / 1000
        if self._system._receipts and not hooks.is_inside():  # a hook would wait for itself
            await self._system._receipts.hand_over(timeout_ms)
            if end is not None and loop.time() >= end and self._system._receipts.has_begun:
                raise make(TimedOutError.code, "timeout", f"bus: flush: hooks ran longer than {timeout_ms} ms", 0, 1, 0)
        while True:  # in slices: a call that is cancelled is waited for
            left = SLICE_MS if end is None else max(0, int((end - loop.time()) * 1000))
            try:
                await _in_executor(self._bus.flush, min(left, SLICE_MS))
                return
            except TimedOutError:
                if left <= SLICE_MS and end is not None:
                    raise


class _Wake:
    """Waits for a queue's descriptor or for a call of `now`."""

    def __init__(self, queue: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self._fd = _kca.kca_queue_fd(queue)
        self._woken: asyncio.Future[None] | None = None

    def now(self, *_: Any) -> None:
        if self._woken and not self._woken.done():
            self._woken.set_result(None)

    async def wait(self, for_queue: bool = True) -> None:
        self._woken = self.loop.create_future()
        if for_queue:
            self.loop.add_reader(self._fd, self.now)
        try:
            await self._woken
        finally:
            self._woken = None
            if for_queue:
                self.loop.remove_reader(self._fd)


class Consumer(BaseConsumer):
    """A consumer of a started system. Handlers run as tasks of the loop: `await consumer.run()`.

    Or iterate over deliveries, and settle each:

        async for delivery in consumer:
            ...
            delivery.done()
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Queues of loops over it that ended early, and the tasks that leave them.
        self._left: list[Any] = []
        # The task of the run, whether that breaks off its handlers, and the exception of a handler that is to end it.
        self._run: asyncio.Task[Any] | None = None
        self._breaks_off = False
        self._ended_by: BaseException | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def seek(self, topic: str, partition: int, offset: int, timeout_ms: int = 10000) -> None:
        """Goes on reading at this offset; `OFFSET_END`: at the partition's end, `OFFSET_BEGINNING`: its beginning.

        An offset outside the partition raises `OffsetError`.
        """
        await _in_executor(_kca.kca_consumer_seek, self._handle, topic, partition, offset, timeout_ms)

    async def seek_to_time(self, topic: str, ms_since_1970: int, partition: int = -1, timeout_ms: int = 10000) -> None:
        """Goes on reading at the first message at or after this time; partition -1: in all of the topic."""
        await _in_executor(_kca.kca_consumer_seek_to_time, self._handle, topic, partition, ms_since_1970, timeout_ms)

    # ---- joining and leaving ----

    async def _join(self) -> Any:
        """Gives the queue, after earlier iterators have left theirs."""
        await self._leave()
        return await _in_executor(_kca.kca_consumer_queue, self._handle)

    async def _leave(self) -> None:
        async with self._turn:
            while self._left:
                await _in_executor(_kca.kca_queue_free, self._left.pop())

    def _leave_later(self, loop: asyncio.AbstractEventLoop, queue: Any) -> None:
        """Has the loop leave a queue; may be called on any thread."""
        self._left.append(queue)
        try:
            loop.call_soon_threadsafe(self._begin_leaving, loop)
        except RuntimeError:  # it is closed
            self._left.clear()

    def _begin_leaving(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    # ---- running handlers ----

    async def run(self) -> None:
        """Joins the group and handles deliveries until `stop`, shutdown or cancellation.

        A handler that returns has done its work, and what it returns is its reply (`Delivery.reply`); one that raises
        `Rejected` rejects the message, and one that raises anything else has failed; so has one that is cancelled by
        itself, and one that takes longer than `message_processing_timeout_ms`, which cancels it, if it is a coroutine
        function. `SystemExit` and `KeyboardInterrupt` of a handler also end `run`, which raises them when its other
        handlers have ended.

        A cancelled `run` stops, waits for the handlers that run, and commits. Cancelled once more, it cancels the
        handlers, and their messages come again after the next start.

        Raises:
            Error: the error that ended the consumer.
        """
        self._work.begin(self.name)
        queue = await self._join()
        running: set[asyncio.Task[None]] = set()
        self._run, self._breaks_off, self._ended_by = asyncio.current_task(), False, None
        try:
            try:
                await self._pull(queue, running)
            finally:
                self.stop()
                await self._finish(running)
            if self._ended_by:
                raise self._ended_by
            with suppress(StoppedError):
                _kca.kca_queue_error(queue)
        finally:
            await _in_executor(_kca.kca_queue_free, queue)

    async def _pull(self, queue: Any, running: set[asyncio.Task[None]]) -> None:
        wake = _Wake(queue)
        while True:
            free = self._processors - len(running)
            try:
                events = _kca.take(queue, free, 0) if free else []
            except StoppedError:
                return
            if not events:
                await wake.wait(for_queue=free > 0)
            while events:  # and none of them is kept here: it has a place of the queue
                kind, *parts = events.pop(0)
                if kind == _DELIVERY:
                    task = asyncio.create_task(self._handle_delivery(Delivery(*parts)))
                elif kind == _BATCH:
                    task = asyncio.create_task(self._handle_batch(MAKERS[kind](*parts)))  # type: ignore[arg-type]
                else:
                    self._work.tell(MAKERS[kind](*parts))  # type: ignore[arg-type]
                    continue
                del parts
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(wake.now)
                del task

    async def _finish(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for the handlers."""
        try:
            while running:
                await asyncio.wait(set(running))
        except asyncio.CancelledError:
            self._break_off(running)
            await asyncio.wait(set(running))
            raise

    def _break_off(self, running: set[asyncio.Task[None]]) -> None:
        """Cancels the handlers; their messages have not failed, and come again."""
        self._breaks_off = True
        for task in running:
            task.cancel()

    async def _handle_delivery(self, d: Delivery) -> None:
        traced = bool(d.trace_context[0]) or d.header("baggage") is not None
        if traced:  # else there is nothing to hand on; and a timer may keep the context for long
            handled.set(d)
        try:
            with tracing.Inside(d) if traced and self._work.traced else nullcontext():
                answer = await (self._answer_hooked(d) if self._work.handling_hooks else self._answer(d))
        except BaseException as e:
            deferred = is_deferred(d)
            if isinstance(e, asyncio.CancelledError) and self._is_broken_off() and not deferred:
                return self._work.abandon(d)
            if isinstance(e, ENDS):  # run raises it: raised here, it would break out of the loop at once
                self._ended_by = e
                self.stop()
                answer = DEFERRED if deferred else failed(e)
            else:
                answer = DEFERRED if deferred else failure(e)
        settle(d, answer)
        # Who keeps the exception may keep this call and its context, and would keep a place of the queue.
        handled.set(None)
        del d

    async def _handle_batch(self, batch: Batch) -> None:
        run = Handled(self._work, batch, lambda ask, message_id: ask(message_id), _ENDS_OF_TASKS)
        try:
            self._end_batch(run, await hooks.drive_in_loop(run.steps(self._call_batch)))
        finally:
            run.let_go()

    def _end_batch(self, run: Handled, ended: BaseException | None) -> None:
        if ended is None:
            return
        if isinstance(ended, asyncio.CancelledError) and self._is_broken_off():
            self._work.abandon(*run.rest)
        elif isinstance(ended, ENDS):
            self._ended_by = ended
            self.stop()
            settle_together(run.rest, failed(ended))
        else:
            settle_together(run.rest, failure(ended))

    def _is_broken_off(self) -> bool:
        """Whether the handler is cancelled because the application ends; else it was its own doing, which fails."""
        return self._breaks_off or _is_cancelled(self._run)

    async def _answer(self, d: Delivery, marks: bool = True) -> Answer:
        found = self._work.prepared(d)
        if not isinstance(found, Prepared):
            return found
        try:
            if found.store and (known := await self._known(found.store, d)) is not DONE:
                return known
            answer = await self._call(found, d)
            if marks and found.store and answer is DONE:
                await self._mark(found.store, d)
            return answer
        finally:
            del d, found

    async def _answer_hooked(self, d: Delivery) -> Answer:
        """Runs the hooks and the handler. A store learns of it at the end: a hook may still fail what was handled."""
        h = hooks.Handling(d, outcome_of)
        act = partial(self._answer, d, marks=False)
        try:
            answer: Answer = await hooks.run_in_loop(self._work.handling_hooks, h, act)
            store = self._work.store_of(d) if answer[0] is Verdict.DONE else None
            if store:
                await self._mark(store, d)
            return answer
        finally:
            del d, h, act

    async def _call(self, found: Prepared, d: Delivery) -> Answer:
        handler, arguments = found.handler, found.arguments
        del found
        try:
            if handler.is_async and self._limits(d):
                return await self._call_within(handler, d, arguments)
            if handler.is_async:
                return answer_of(handler, d, await handler.function(*arguments))
            context = contextvars.copy_context()
            call = partial(context.run, _outcome, handler, [d], arguments)
            try:
                return await asyncio.get_running_loop().run_in_executor(None, call)
            finally:
                context.run(handled.set, None)
        finally:
            del d

    def _limits(self, d: Delivery) -> bool:
        """Whether a handler has a time."""
        return self._limit_ms > 0

    async def _call_within(self, handler: Handler, d: Delivery, arguments: tuple[Any, ...]) -> Answer:
        """Cancels the handler when its time is over, which then is the answer; it may still clean up.

        What it returns all the same is its answer, for the engine to judge: the time may be over by a hair only.
        """
        try:
            with self._limited(d.left_ms) as limited:
                return answer_of(handler, d, await handler.function(*arguments))
            return limited.answer
        finally:
            del d

    def _limited(self, left_ms: int | None) -> _Limited:
        return _Limited(left_ms or 0, self._limit_ms)

    async def _call_batch(self, run: Handled) -> Answer:
        """As single ones are called; all of a batch have the same time, which began when it was given out."""
        handler, arguments = run.handler, run.arguments
        if handler.is_async and self._limits(run.deliveries[0]):
            with self._limited(run.deliveries[0].left_ms) as limited:
                return answer_of_batch(handler, await handler.function(*arguments))
            return limited.answer
        if handler.is_async:
            return answer_of_batch(handler, await handler.function(*arguments))
        call = partial(contextvars.copy_context().run, _batch_outcome, handler, arguments)
        return await asyncio.get_running_loop().run_in_executor(None, call)

    @staticmethod
    async def _mark(store: DeduplicationStore, d: Delivery) -> None:
        try:
            await _awaited(store.mark(d.message_id))
        except BaseException as e:
            not_marked(d, e)
            if isinstance(e, ENDS):
                raise

    @staticmethod
    async def _known(store: DeduplicationStore, d: Delivery) -> Answer:
        """What the store says: DONE when the message is to be handled."""
        try:
            return DUPLICATE if await _awaited(store.seen(d.message_id)) else DONE
        except (*ENDS, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as e:
            return not_known(e)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Consumer]:
        """Runs the consumer during a block: `async with consumer.running(): ...`; raises the error that ended it."""
        task = asyncio.create_task(self.run())
        task.add_done_callback(self._told)
        try:
            yield self
        finally:
            self.stop()
            await task

    def _told(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            log.error("consumer %s has ended: %s", self.name, task.exception())

    # ---- iterating ----

    def __aiter__(self) -> AsyncIterator[Delivery]:
        """Joins the group and gives each delivery, which the caller settles; leaves when the iteration ends."""
        return _Deliveries(self)


class _Here(Consumer):
    """Handles a message of a bus without a channel, in tasks of the loop; of a consumer it has the handling."""

    def __init__(self, system: System) -> None:
        super().__init__(None, "", system._work, system.description)

    def stop(self) -> None:
        """Nothing runs that could be stopped."""

    def _limits(self, d: Delivery) -> bool:
        return d.left_ms is not None

    async def finish(self, queue: Any) -> Any:
        """Handles the message's deliveries; gives its end."""
        end, pause = None, 0.0
        while True:
            try:
                events = _kca.take(queue, 1, 0)
            except StoppedError:
                return end
            if not events:  # a pause, or what was deferred: nothing tells the loop of its end
                await asyncio.sleep(pause)
                pause = min(pause + 0.001, _LOOK_SECONDS)
                continue
            kind, *parts = event = events.pop()
            if kind == _DELIVERY:
                del event
                pause = 0.0
                await self._handle_in_task(Delivery(*parts))
            else:
                end = event
            del parts

    async def _handle_in_task(self, d: Delivery) -> None:
        """In a context of its own. When it is cancelled, so is the handler, which has failed then."""
        if self._work.watch:
            self._work.watch(d)
        if self._work.goes_to_batch(d):
            task = asyncio.create_task(self._handle_batch(Batch([d])))
        else:
            task = asyncio.create_task(self._handle_delivery(d))
        del d
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        if self._ended_by:
            raise self._ended_by


class LocalBus(Bus):
    """A command or query bus without a channel: `kca.local.LocalBus`, with coroutines.

    Handlers that are coroutine functions run in tasks of the caller's loop, others in its executor. When a `publish` or
    a `send` is cancelled, so is its handler. A handler that is a coroutine function is cancelled when its time is over.
    """

    def __init__(self, system: System, handle: Any) -> None:
        super().__init__(system, handle, "", 0)
        system._work.traced = tracing.is_there()

    async def publish(
        self, message: Any, payload: Any = None, *, timeout_ms: int | None = None, **fields: Unpack[threads.Fields]
    ) -> Receipt:
        """Has the message handled, when awaited, and gives a receipt of no topic; see `kca.local.LocalBus.publish`."""
        receipts: list[Receipt] = []

        async def put(asked: Message) -> None:
            queue = local.deliver(self._bus, asked, False, 0, timeout_ms)
            receipts.append(local.receipt_of(await _Here(self._system).finish(queue)))

        await self._through(threads.message_of(message, payload, fields), put)
        return receipts[0] if receipts else Receipt(0, None, "", -1, -1)  # it was dropped

    async def send(
        self,
        message: Any,
        payload: Any = None,
        *,
        timeout_ms: int = threads.SEND_MS,
        returns: Any = None,
        **fields: Unpack[threads.Fields],
    ) -> Any:
        """Has the message handled, and gives the payload of the handler's reply; see `kca.Bus.send`."""
        convert = conversion_of(returns)
        replies: list[ReplyMessage] = []

        async def put(asked: Message) -> None:
            queue = local.deliver(self._bus, asked, True, 0, timeout_ms)
            replies.append(local.reply_of(await _Here(self._system).finish(queue)))

        h = await self._through(threads.message_of(message, payload, fields), put)
        if h is not None:
            threads.must_be_sent(h)
        return convert(replies[0])

    async def flush(self, timeout_ms: int = -1) -> None:
        """Nothing is under way: what is published is handled when that is awaited."""

    async def _through(self, asked: Message, put: Any) -> hooks.Publishing | None:
        """Awaits `put` with the message, inside the hooks, if there are any."""
        if not self._bus._hooks or hooks.is_inside():
            await put(asked)
            return None
        h = hooks.Publishing("", asked)
        await hooks.run_in_loop(self._bus._hooks, h, lambda: put(h.message))
        return h


class _Limited:
    """Cancels the task that is inside when the time is over, and takes what it raises then: `answer` says so."""

    def __init__(self, left_ms: int, limit_ms: int) -> None:
        self.answer: Answer = (Verdict.FAILED, "timeout", f"it took longer than its processing time, {limit_ms} ms")
        self._task: Any = asyncio.current_task()
        self._is_over = False
        self._timer = asyncio.get_running_loop().call_later((left_ms + 1) / 1000, self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()

    def __enter__(self) -> _Limited:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._timer.cancel()
        if self._is_over and hasattr(self._task, "uncancel"):
            self._task.uncancel()
        return self._is_over and error is not None and not isinstance(error, ENDS)


def _is_cancelled(task: Any) -> bool:
    """Whether the task is cancelled. Python 3.10 does not tell."""
    return hasattr(task, "cancelling") and bool(task.cancelling())


def _outcome(handler: Handler, only: list[Delivery], arguments: tuple[Any, ...]) -> Answer:
    """The outcome of a plain function, on a thread of the executor: of some exceptions the loop would never hear.

    Who keeps the exception keeps the executor's call, and its arguments, too: the delivery is taken out of them.
    """
    d = only.pop()
    try:
        return answer_of(handler, d, handler.function(*arguments))
    except ENDS:
        raise
    except BaseException as e:
        return failure(e)
    finally:  # who keeps the exception keeps this call, too
        del d, arguments


def _batch_outcome(handler: BatchHandler, arguments: tuple[list[Any], ...]) -> Answer:
    """`_outcome` of a batch handler."""
    try:
        return answer_of_batch(handler, handler.function(*arguments))
    except ENDS:
        raise
    except BaseException as e:
        return failure(e)


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class _Deliveries:
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._queue: Any = None
        self._wake: _Wake | None = None
        self._given = 0
        self._rest: list[Delivery] = []  # of a batch

    def __del__(self) -> None:
        """Leaves later: leaving talks to the cluster, which the loop's thread must not wait for."""
        if self._queue is not None and self._wake:
            self._consumer._leave_later(self._wake.loop, self._queue)

    def __aiter__(self) -> _Deliveries:
        return self

    async def __anext__(self) -> Delivery:
        if self._wake is None:
            self._queue = await self._consumer._join()
            self._wake = _Wake(self._queue)
        self._given += 1
        if self._given % _BUDGET == 0:
            await asyncio.sleep(0)
        while True:
            if self._rest:
                return self._rest.pop(0)
            try:
                events = _kca.take(self._queue, 1, 0)
            except StoppedError:
                with suppress(StoppedError):
                    _kca.kca_queue_error(self._queue)
                queue, self._queue = self._queue, None
                await _in_executor(_kca.kca_queue_free, queue)
                raise StopAsyncIteration from None
            for kind, *parts in events:
                if kind == _DELIVERY:
                    return Delivery(*parts)
                if kind == _BATCH:
                    self._rest = [Delivery(*each) for each in parts[0]]
                    continue
                self._consumer._work.tell(MAKERS[kind](*parts))  # type: ignore[arg-type]
            if not events:
                await self._wake.wait()


class System(BaseSystem[Bus, Consumer]):
    """Connections, publishers, consumers and handlers: `async with kca.asyncio.System(...) as system: ...`.

    Publishers do not block the loop: they are `async_`, and messages wait for room in the loop.
    """

    _consumer_type = Consumer
    _runs_coroutines = True

    def __init__(self, *declarations: Declaration) -> None:
        self._receipts: Receipts | None = None
        self._rooms: dict[str, int] = {}
        super().__init__(*declarations)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and not self._work.hasty:
            return await self.shutdown()
        try:
            await self.shutdown(HASTY_MS if self._work.hasty else SHUTDOWN_MS)
        except Error as e:  # the exception from inside the block says more
            system_log.warning("%s", e)

    def add_publisher(self, publisher: PublisherBuilder) -> Self:
        """Adds a copy of what is declared; raises the first failure of its setters."""
        super().add_publisher(publisher)
        self._rooms[publisher.topic] = publisher._last("buffer_timeout_ms", _BUFFER_TIMEOUT_MS)
        return self

    def _adapted(self, publisher: PublisherBuilder) -> PublisherBuilder:
        own = publisher._copy().with_buffer_timeout_ms(0).with_async(True)
        # A caller that waits for each answer must not wait for a batch.
        return own if publisher._last("async", True) else own.with_linger_ms(0)

    async def start(self, timeout_ms: int = 10000) -> Self:
        """Checks the declarations, reaches each cluster, opens the publishers. The system then belongs to this loop.

        A cancelled start ends soon, and leaves the system not started.
        """
        self._prepare()
        try:
            await self._interruptible(_kca.kca_system_start, self._handle, timeout_ms)
        except asyncio.CancelledError:
            with suppress(Error):
                await _in_executor(_kca.kca_system_shutdown, self._handle, 0)
            raise
        if self._receipts is None:
            self._receipts = Receipts(self._handle, self._work)
        return self

    async def shutdown(self, timeout_ms: int = SHUTDOWN_MS) -> None:
        """Stops the consumers, commits, sends buffered messages, and closes; an error says what was left.

        A cancelled shutdown acts as if its time were over: it closes the system without waiting for the rest.
        """
        begun = asyncio.get_running_loop().time()
        try:
            if self._receipts:
                await self._receipts.hand_over(timeout_ms)
        finally:
            if timeout_ms > 0:
                timeout_ms -= min(timeout_ms, int(1000 * (asyncio.get_running_loop().time() - begun)))
            await self._close(timeout_ms)

    async def _close(self, timeout_ms: int) -> None:
        try:
            await self._interruptible(_kca.kca_system_shutdown, self._handle, timeout_ms)
        finally:
            self._work.is_over()
            if self._receipts:
                self._receipts.close()
                self._receipts = None

    async def _interruptible(self, function: Any, *arguments: Any) -> None:
        """Awaits a call that waits in C, and makes it end soon when the task is cancelled."""
        call = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            _kca.tell(self._flag, 1)
            try:
                await _ended(call)
            finally:
                _kca.tell(self._flag, 0)
            raise

    def _receipts_now(self) -> Receipts:
        if self._receipts is None:
            raise StateError("the system is not started in this loop")
        if asyncio._get_running_loop() is not self._receipts.loop:
            raise StateError("the system was started in another loop: only there may it publish")
        return self._receipts

    def _bus(self, handle: Any, channel: str | None) -> Bus:
        if channel is None:
            return LocalBus(self, handle)
        return Bus(self, handle, channel, self._rooms[channel])

    async def describe_cluster(
        self, connection: str, topic: str | None = None, group: str | None = None, timeout_ms: int = 10000
    ) -> dict[str, Any]:
        """Describes the connection's cluster: all topics or one; with a group, also how far the group has come.

        Gives the object described in kca_abi.h: "brokers", "topics" with their partitions' offsets, "group".
        """
        told: dict[str, Any] = json.loads(
            await _in_executor(_kca.kca_system_describe_cluster, self._handle, connection, topic, group, timeout_ms)
        )
        return told

    async def redrive(self, redrive: RedriveBuilder, timeout_ms: int = 60000) -> dict[str, Any]:
        """Publishes dead letters again, or reports what it would publish; gives the report described in kca_abi.h."""
        report: dict[str, Any] = json.loads(
            await _in_executor(_kca.kca_system_redrive, self._handle, redrive._handle, timeout_ms)
        )
        return report
