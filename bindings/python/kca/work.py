"""Events of a system: handlers by the messages' names, deduplication, functions for faults and other events."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, Protocol

from . import tracing
from .errors import PayloadError, Rejected, StateError
from .handlers import Handler, Mismatched
from .message import Delivery, Verdict, handled
from .queue import End, Event, Fault, Log, Rebalance, Receipt

Answer = tuple[Verdict, str, str]
DONE: Answer = (Verdict.DONE, "", "")
DUPLICATE: Answer = (Verdict.DUPLICATE, "", "")
MISFITS = (Mismatched, PayloadError, ValueError, RecursionError)

log = logging.getLogger("kca.consumer")


class DeduplicationStore(Protocol):
    """A store of handled messages that outlives the process, such as a table. Handlers' threads call its methods.

    In an asyncio system both methods may be coroutine functions.
    """

    def seen(self, message_id: str, /) -> Any:
        """Whether the message of this id was handled. To raise means that the store cannot tell now."""

    def mark(self, message_id: str, /) -> Any:
        """Remembers that the message of this id was handled."""


class Work:
    """The handlers, stores and listeners of one system."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.stores: dict[str, DeduplicationStore] = {}
        self.listeners: dict[type, Callable[[Any], Any]] = {}
        self.traced = False
        # Deliveries whose handlers were interrupted; they stay unsettled. Hasty: a shutdown need not wait for handlers.
        self.abandoned: list[Delivery] = []
        self.hasty = False

    def begin(self, consumer: str) -> None:
        """Prepares a consumer's run."""
        if not self.handlers:
            raise StateError(f"consumer {consumer} has no handler: declare one for the names it reads")
        self.traced = tracing.is_there()

    # ---- events ----

    def dispatch(self, event: Event) -> None:
        """Handles any event on this thread."""
        if isinstance(event, Delivery):
            self.handle(event)
        else:
            self.tell(event)

    def tell(self, event: Receipt | Fault | Rebalance | End | Log) -> None:
        """Gives an event to its listener; a fault without a listener is logged."""
        listener = self.listeners.get(type(event))
        if listener:
            try:
                listener(event)
            except Exception:
                log.exception("a listener to %s failed", type(event).__name__)
        elif isinstance(event, Fault):
            log.warning("%s", event.error)

    # ---- deliveries, on threads ----

    def handle(self, d: Delivery) -> None:
        """Runs the handler, and settles the delivery by its outcome."""
        try:
            answer = self.answer(d)
        except BaseException:
            self.abandon(d)
            raise
        settle(d, answer)

    def served(self) -> tuple[Any, ...]:
        """The arguments of `serve`, in its order."""
        asked = Delivery, self.handlers, self.stores, self.traced, handled.set, self.answer, self.abandon
        return *asked, DONE, told, failure, misfit

    def answer(self, d: Delivery) -> Answer:
        """Runs the handler, with `handled` set; `serve` has a shorter way for most messages."""
        inside = handled.set(d)
        try:
            with tracing.Inside(d) if self.traced and d._traced else nullcontext():
                return self._answer(d)
        finally:
            handled.reset(inside)

    def abandon(self, d: Delivery) -> None:
        """Leaves a delivery unsettled, so that it comes again: the process ends, and its handler was interrupted."""
        self.abandoned.append(d)
        self.hasty = True

    def is_over(self) -> None:
        """The system was shut down."""
        self.abandoned.clear()
        self.hasty = False

    def _answer(self, d: Delivery) -> Answer:
        found = self.prepared(d)
        if not isinstance(found, Prepared):
            return found
        if found.store:
            return self._answer_once(d, found.function, found.arguments, found.store)
        try:
            return answer_of(found.function(*found.arguments))
        except Exception as e:
            return failure(e)

    @staticmethod
    def _answer_once(d: Delivery, function: Any, arguments: tuple[Any, ...], store: DeduplicationStore) -> Answer:
        """Runs the handler, unless the store has seen the message."""
        try:
            if known(store.seen(d.message_id)):
                return DUPLICATE
        except Exception as e:
            return not_known(e)
        try:
            answer = answer_of(function(*arguments))
        except Exception as e:
            return failure(e)
        if answer is DONE:
            try:
                known(store.mark(d.message_id))
            except Exception as e:
                not_marked(d, e)
        return answer

    # ---- deliveries, in a loop ----

    def prepared(self, d: Delivery) -> Prepared | Answer:
        """The call of a handler; or, when there is none to make, the delivery's answer."""
        handler = self.handlers.get(d.name) or self.handlers.get("*")
        if not handler:
            return unhandled(d)
        try:
            arguments = handler.arguments(d)
        except Exception as e:
            return misfit(e)
        store = self.stores.get(d.consumer) if self.stores else None
        return Prepared(handler, arguments, store if store and d.message_id else None)


class Prepared:
    """One call of a handler."""

    __slots__ = ("arguments", "function", "is_async", "store")

    def __init__(self, handler: Handler, arguments: tuple[Any, ...], store: DeduplicationStore | None) -> None:
        self.function = handler.function
        self.is_async = handler.is_async
        self.arguments = arguments
        self.store = store


def unhandled(d: Delivery) -> Answer:
    """The answer when no handler takes the message."""
    unnamed = "its record has no `route` header, so it has no name for a handler to have"
    return Verdict.REJECTED, "unhandled", "no handler has its name" if d.name else unnamed


def answer_of(result: Any) -> Answer:
    """The answer for a handler's result."""
    if result is None:
        return DONE
    if isinstance(result, Verdict):
        return DONE if result is Verdict.DONE else (result, "", "")
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        _close(result)
        raise TypeError(
            f"the handler gave a {type(result).__name__}, which nobody runs: "
            f"it must be a coroutine function, in a system of kca.asyncio"
        )
    return DONE


def _close(result: Any) -> None:
    """Closes a coroutine, which warns else that it was never awaited."""
    if inspect.iscoroutine(result):
        result.close()


def known(answer: Any) -> bool:
    """What a store's `seen` says, where it is not awaited."""
    if inspect.isawaitable(answer):
        _close(answer)
        raise TypeError("the store gave a coroutine: it needs a system of kca.asyncio")
    return bool(answer)


def told(result: Any) -> Answer:
    """The answer for a handler's result; a result that no handler here may return is a failure."""
    try:
        return answer_of(result)
    except Exception as e:
        return failure(e)


def misfit(e: Exception) -> Answer:
    """The answer when making a handler's arguments failed: the payload does not fit the annotation, or a validator of
    the application's raised something else.
    """
    return (Verdict.REJECTED, "payload", str(e)) if isinstance(e, MISFITS) else failure(e)


def failure(e: BaseException) -> Answer:
    """The answer when a handler raised; the class name is the error's name. The log gets the traceback, which does not
    travel with a dead letter.
    """
    if isinstance(e, Rejected):
        return Verdict.REJECTED, type(e).__name__, str(e)
    log.info("a handler failed", exc_info=e)
    return Verdict.FAILED, type(e).__name__, str(e)


def not_known(e: Exception) -> Answer:
    """The answer when the store did not say whether the message was handled."""
    return Verdict.FAILED, "deduplication", f"{type(e).__name__}: {e}"


def not_marked(d: Delivery, e: Exception) -> None:
    """Logs that a handled message is not marked: it counts as done, but would be handled if it came again."""
    log.error("consumer %s: message %s was handled, but could not be marked: %s", d.consumer, d.message_id, e)


def settle(d: Delivery, answer: Answer) -> None:
    """Settles a delivery, unless it is deferred."""
    if answer[0] is not Verdict.DEFERRED:
        with suppress(StateError):  # the delivery's time is over, or its partition gone: the message comes again
            d.settle(*answer)
