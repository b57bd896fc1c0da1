"""Hooks: what an application puts before and after each publish, and before and after the handling of each delivery.

    @system.handling_hook
    def measured(handling: kca.Handling):
        try:
            yield
        finally:
            seconds.observe(handling.duration_ms / 1000, handling.verdict)

A hook is one of these, and in a system of `kca.asyncio` the coroutine function that corresponds to it:

* a function that yields once: what stands before the `yield` comes before, what stands behind it after. What the
  handler or the publish raises, the `yield` raises;
* a function that gives a context manager, such as a tracer's span;
* a function that does neither: it comes before. `before=` and `after=` are two such functions.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar, Token
from functools import partial
from typing import TYPE_CHECKING, Any

from . import _kca
from .handlers import is_kind
from .message import Delivery, Message, Verdict

if TYPE_CHECKING:
    from .queue import Receipt

DROP: int = _kca.KCA_DROP
# Where a hook on publishing runs, a list of one element: what it publishes goes without hooks, or they would have no
# end. When the hook has returned the list is empty, for tasks that have a copy of its context.
_inside: ContextVar[list[bool] | None] = ContextVar("inside a hook on publishing", default=None)

log = logging.getLogger("kca.hooks")

# What came of a call: what it gave, or what it raised.
Outcome = tuple[Any, BaseException | None]
Call = Callable[[], Any]
# What an exception means: a verdict, a name and a text.
Explain = Callable[[BaseException], tuple[Verdict, str, str]]


class Hooked:
    """One publish or one handling, as hooks see it.

    Attributes:
        kept: what this hook keeps from its function before to its function after; each has its own.
        exception: for a hook after: what was raised; None: nothing.
        duration_ms: for a hook after: milliseconds from before the first hook to the outcome.
    """

    __slots__ = ("_begun", "_said", "duration_ms", "exception", "kept")

    def __init__(self) -> None:
        self.kept: Any = None
        self.exception: BaseException | None = None
        self.duration_ms = 0.0
        self._said: Any = None
        self._begun = time.perf_counter()

    def _decide(self, said: Any) -> Outcome:
        """The outcome that a hook before has decided."""
        raise NotImplementedError

    def _judge(self, result: Any, error: BaseException | None) -> None:
        """Learns the outcome."""
        if not self.duration_ms:
            self.duration_ms = (time.perf_counter() - self._begun) * 1000
        self.exception = error

    def _stands(self, result: Any, error: BaseException | None) -> bool:
        """Whether the outcome stays, though a hook after fails."""
        return error is not None and not isinstance(error, Exception)  # that ends the process or the task


class Handling(Hooked):
    """The handling of a delivery, as hooks see it.

    Attributes:
        delivery: the delivery.
        in_batch: whether it is handled together with others, by a handler of batches.
        verdict: for a hook after: how the delivery is to be settled.
        error_name: for a hook after: why it failed or was rejected, such as the exception's class; "" else.
        error_text: for a hook after: the same in a line of text.
    """

    __slots__ = ("_explain", "_is_handled", "delivery", "error_name", "error_text", "in_batch", "verdict")

    def __init__(self, delivery: Delivery, explain: Explain) -> None:
        super().__init__()
        self.delivery = delivery
        self.in_batch = self._is_handled = False
        self.verdict: Verdict | None = None
        self.error_name = self.error_text = ""
        self._explain = explain

    def settle(self, verdict: int, error_name: str = "", text: str = "") -> None:
        """For a hook before: has the delivery settled so, without its handler. A function may also return a verdict."""
        self._said = Verdict(verdict), error_name, text

    def _decide(self, said: Any) -> Outcome:
        if isinstance(said, Verdict):
            return (said, "", ""), None
        if said is self._said:
            return said, None
        return None, TypeError(f"a hook before handling returns None or a verdict, got {said!r}")

    def _judge(self, result: Any, error: BaseException | None) -> None:
        super()._judge(result, error)
        self.verdict, self.error_name, self.error_text = result if error is None else self._explain(error)
        if error is None and self.verdict is Verdict.DEFERRED:
            self.delivery._is_deferred = True

    def _stands(self, result: Any, error: BaseException | None) -> bool:
        # Who deferred the delivery may have settled it by now.
        is_final = hasattr(self.delivery, "_settled") or (error is None and result[0] is Verdict.DEFERRED)
        return super()._stands(result, error) or is_final


class Publishing(Hooked):
    """A publish, as hooks see it.

    Attributes:
        message: the message, a copy for the hooks: its `set_...` change what is published; or set another here.
        channel: the channel.
        delivery: the delivery in whose transaction it is published; None: in none.
        is_dropped: for a hook after: whether a hook has dropped the message.
        receipt: for a hook after: the receipt, in asyncio and of a publisher that is not async; else None.
    """

    __slots__ = ("channel", "delivery", "is_dropped", "message", "receipt")

    def __init__(self, channel: str, message: Message, delivery: Delivery | None = None) -> None:
        super().__init__()
        self.channel = channel
        self.message = message
        self.delivery = delivery
        self.is_dropped = False
        self.receipt: Receipt | None = None

    def drop(self) -> None:
        """For a hook before: nothing is sent, and the publish goes well. A function may also return `DROP`."""
        self._said = DROP

    def _decide(self, said: Any) -> Outcome:
        self.is_dropped = said == DROP
        wrong = TypeError(f"a hook before publishing returns None or DROP, got {said!r}")
        return None, None if self.is_dropped else wrong

    def _judge(self, result: Any, error: BaseException | None) -> None:
        super()._judge(result, error)
        self.receipt = result if error is None else None


# ---- hooks ----


def _is_manager(value: Any) -> bool:
    return hasattr(value, "__enter__") or hasattr(value, "__aenter__")


def _entering(manager: Any) -> Call:
    entering: Call = manager.__enter__ if hasattr(manager, "__enter__") else manager.__aenter__
    return entering


def _leave(manager: Any, error: BaseException | None) -> Any:
    """Leaves a context manager, which cannot make what failed a success."""
    leave = manager.__exit__ if hasattr(manager, "__enter__") else manager.__aexit__
    return leave(type(error), error, error.__traceback__) if error is not None else leave(None, None, None)


class Hook:
    """A hook as it was declared."""

    __slots__ = ("after", "before")

    def __init__(
        self, function: Callable[..., Any] | None, before: Callable[..., Any] | None, after: Callable[..., Any] | None
    ) -> None:
        if (function is None) == (before is None and after is None):
            raise TypeError("a hook is one function, or is given as before= and after=")
        for each in (function, before, after):
            if each is not None and not callable(each):
                raise TypeError(f"a hook must be a function, got {each!r}")
        if function is not None and is_kind(inspect.isgeneratorfunction, function):
            function = contextmanager(function)
        elif function is not None and is_kind(inspect.isasyncgenfunction, function):
            function = asynccontextmanager(function)
        self.before = function or before
        self.after = after

    @property
    def is_async(self) -> bool:
        """Whether it surely needs a loop; of what a function gives only a call can tell."""
        whole = [inspect.unwrap(each) for each in (self.before, self.after) if each is not None]
        return any(
            is_kind(inspect.iscoroutinefunction, each) or is_kind(inspect.isasyncgenfunction, each) for each in whole
        )


# A hook that was entered, its context manager, and what it keeps.
_Entered = tuple[Hook, Any, Any]


def _enter(hooks: Sequence[Hook], h: Hooked, entered: list[_Entered]) -> Generator[Call, Outcome, Outcome]:
    """The calls before; gives what a hook said instead of going on, or raised."""
    for hook in hooks:
        h.kept = manager = said = error = None
        if hook.before is not None:
            said, error = yield partial(hook.before, h)
        if _is_manager(said):
            manager, said = said, None
            _, error = yield _entering(manager)
        if error is not None:
            return None, error
        said = h._said if said is None else said
        if said is None or manager is not None:
            entered.append((hook, manager, h.kept))
        if said is not None:
            return said, None
    return None, None


def _around(hooks: Sequence[Hook], h: Hooked, act: Call) -> Generator[Call, Outcome, Outcome]:
    """The calls of the hooks, and in their midst `act`, for `run` or `run_in_loop` to make. Exceptions are passed as
    values: a generator could not raise some of them.
    """
    entered: list[_Entered] = []
    said, error = yield from _enter(hooks, h, entered)
    result = None
    if error is None:
        result, error = h._decide(said) if said is not None else (yield act)
    h._judge(result, error)
    for hook, manager, h.kept in reversed(entered):
        if manager is not None:
            _, failed = yield partial(_leave, manager, error)
        elif hook.after is not None:
            _, failed = yield partial(hook.after, h)
        else:
            continue
        if failed is None or failed is error:
            continue
        if h._stands(result, error) and isinstance(failed, Exception):
            log.error("a hook failed after the outcome was final", exc_info=failed)
            continue
        result, error = None, failed
        h._judge(result, error)
    return result, error


def _called(call: Call) -> Outcome:
    try:
        result = call()
    except BaseException as e:
        return None, e
    finally:
        del call  # or who keeps the exception would keep the delivery
    if not inspect.isawaitable(result):
        return result, None
    if inspect.iscoroutine(result):
        result.close()
    return None, TypeError("a hook that is awaited needs a system of kca.asyncio, and there no publish that waits")


async def _awaited(call: Call) -> Outcome:
    try:
        result = call()
        return (await result if inspect.isawaitable(result) else result), None
    except BaseException as e:
        return None, e


def _guarded(h: Hooked, call: Call, act: Call) -> Token[list[bool] | None] | None:
    return _inside.set([True]) if call is not act and isinstance(h, Publishing) else None


def _unguard(token: Token[list[bool] | None]) -> None:
    (_inside.get() or []).clear()
    _inside.reset(token)


def run(hooks: Sequence[Hook], h: Hooked, act: Call) -> Any:
    """Does what is hooked, on this thread; gives its result, or raises."""
    steps = _around(hooks, h, act)
    outcome: Outcome | None = None
    while True:
        try:
            call = next(steps) if outcome is None else steps.send(outcome)
        except StopIteration as end:
            outcome = end.value
            break
        token = _guarded(h, call, act)
        outcome = _called(call)
        if token:
            _unguard(token)
    result, error = outcome
    del outcome
    if error is None:
        return result
    try:
        raise error
    finally:  # or the exception would keep this call, and it the exception and the delivery
        h.exception = None
        del error, h, act, steps, call


async def run_in_loop(hooks: Sequence[Hook], h: Hooked, act: Call) -> Any:
    """As `run`, where what is hooked and its hooks may be awaited."""
    steps = _around(hooks, h, act)
    outcome: Outcome | None = None
    while True:
        try:
            call = next(steps) if outcome is None else steps.send(outcome)
        except StopIteration as end:
            outcome = end.value
            break
        token = _guarded(h, call, act)
        outcome = await _awaited(call)
        if token:
            _unguard(token)
    result, error = outcome
    del outcome
    if error is None:
        return result
    try:
        raise error
    finally:  # or the exception would keep this call, and it the exception and the delivery
        h.exception = None
        del error, h, act, steps, call


def _act() -> None:
    """Stands for what is hooked, where that is not a call of its own."""


class Around:
    """The hooks of one delivery that is handled together with others: those before, and later those after."""

    def __init__(self, hooks: Sequence[Hook], delivery: Delivery, explain: Explain) -> None:
        self._hooked = Handling(delivery, explain)
        self._hooked.in_batch = True
        self._steps = _around(hooks, self._hooked, _act)

    def enter(self) -> Generator[Call, Outcome, Outcome | None]:
        """The calls before; gives the outcome if a hook has decided, whose calls after have been made then, too."""
        return (yield from self._until(lambda: next(self._steps)))

    def come_in(self) -> None:
        """The handler gets the delivery."""
        self._hooked._is_handled = True

    def leave(self, outcome: Outcome) -> Generator[Call, Outcome, Outcome]:
        """The calls after what is hooked has this outcome; gives the outcome that counts."""
        end = yield from self._until(lambda: self._steps.send(outcome))
        assert end is not None
        return end

    def _until(self, go_on: Call) -> Generator[Call, Outcome, Outcome | None]:
        try:
            call = go_on()
            while call is not _act:
                outcome = yield call
                call = self._steps.send(outcome)
        except StopIteration as end:
            self._hooked.exception = None  # or it would keep the delivery
            ended: Outcome = end.value
            return ended
        return None


def drive(steps: Generator[Call, Outcome, Any]) -> Any:
    """Makes the calls, on this thread; gives the end."""
    outcome: Outcome | None = None
    while True:
        try:
            call = next(steps) if outcome is None else steps.send(outcome)
        except StopIteration as end:
            return end.value
        outcome = _called(call)


async def drive_in_loop(steps: Generator[Call, Outcome, Any]) -> Any:
    """As `drive`, where the calls may be awaited."""
    outcome: Outcome | None = None
    while True:
        try:
            call = next(steps) if outcome is None else steps.send(outcome)
        except StopIteration as end:
            return end.value
        outcome = await _awaited(call)


def is_inside() -> bool:
    """Whether a hook on publishing runs here."""
    return bool(_inside.get())
