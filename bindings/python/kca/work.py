"""What a system does with events: handlers by the messages' names, deduplication, functions for faults and the like."""

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
UNHANDLED: Answer = (Verdict.REJECTED, "unhandled", "no handler has its name")
MISFITS = (Mismatched, PayloadError, ValueError, RecursionError)

log = logging.getLogger("kca.consumer")


class DeduplicationStore(Protocol):
    """A memory of handled messages that outlives the process, such as a table; called on the handlers' threads.

    In an asyncio system both may be coroutine functions.
    """

    def seen(self, message_id: str, /) -> Any:
        """Whether the message of this id was handled; raising means that it is not to be known now."""

    def mark(self, message_id: str, /) -> Any:
        """Remembers that the message of this id was handled."""


class Work:
    """The handlers of one system, of all kinds."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.stores: dict[str, DeduplicationStore] = {}
        self.listeners: dict[type, Callable[[Any], Any]] = {}
        self.traced = False
        # Those whose handlers were broken off; they stay unsettled. Hasty: a shutdown has nobody to wait for.
        self.abandoned: list[Delivery] = []
        self.hasty = False

    def begin(self, consumer: str) -> None:
        """A consumer is about to run."""
        if not self.handlers:
            raise StateError(f"consumer {consumer} has no handler: declare one for the names it reads")
        self.traced = tracing.is_there()

    def refuse_async(self) -> None:
        """Raises when threads could not run a handler."""
        for name, handler in self.handlers.items():
            if handler.is_async:
                raise TypeError(f"handler {name} is a coroutine function: it needs a system of kca.asyncio")

    # ---- events ----

    def dispatch(self, event: Event) -> None:
        """Handles any event on this thread."""
        if isinstance(event, Delivery):
            self.handle(event)
        else:
            self.tell(event)

    def tell(self, event: Receipt | Fault | Rebalance | End | Log) -> None:
        """Gives an event to the function that listens; a fault that nobody listens to is logged."""
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
        """Runs the handler and settles by what came of it."""
        try:
            answer = self.answer(d)
        except BaseException:
            self.abandon(d)
            raise
        settle(d, answer)

    def served(self) -> tuple[Any, ...]:
        """What `serve` goes by, in its order."""
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
        """Its handler was broken off, for the process is to end: neither done nor failed, it comes again."""
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
        """Unless it was handled before."""
        try:
            if store.seen(d.message_id):
                return DUPLICATE
        except Exception as e:
            return not_known(e)
        try:
            answer = answer_of(function(*arguments))
        except Exception as e:
            return failure(e)
        if answer is DONE:
            try:
                store.mark(d.message_id)
            except Exception as e:
                not_marked(d, e)
        return answer

    # ---- deliveries, in a loop ----

    def prepared(self, d: Delivery) -> Prepared | Answer:
        """What is to be called and how; or how it ends without."""
        handler = self.handlers.get(d.name) or self.handlers.get("*")
        if not handler:
            return UNHANDLED
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


def answer_of(result: Any) -> Answer:
    """How a delivery is settled whose handler returned this."""
    if result is None:
        return DONE
    if isinstance(result, Verdict):
        return DONE if result is Verdict.DONE else (result, "", "")
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("the handler gave a coroutine: it needs a system of kca.asyncio")
    return DONE


def told(result: Any) -> Answer:
    """Likewise; a result that no handler here may return is a failure."""
    try:
        return answer_of(result)
    except Exception as e:
        return failure(e)


def misfit(e: Exception) -> Answer:
    """How a delivery is settled whose payload is not what the handler's annotation says; or whose class, a validator
    of the application's, failed in another way.
    """
    return (Verdict.REJECTED, "payload", str(e)) if isinstance(e, MISFITS) else failure(e)


def failure(e: BaseException) -> Answer:
    """How a delivery is settled whose handler raised this; the class's name is the error's. Where it was raised is for
    the log: it does not travel with a dead letter.
    """
    if isinstance(e, Rejected):
        return Verdict.REJECTED, type(e).__name__, str(e)
    log.info("a handler failed", exc_info=e)
    return Verdict.FAILED, type(e).__name__, str(e)


def not_known(e: Exception) -> Answer:
    """The store did not say whether the message was handled."""
    return Verdict.FAILED, "deduplication", f"{type(e).__name__}: {e}"


def not_marked(d: Delivery, e: Exception) -> None:
    """The message counts as handled; but it would be handled again if it came again."""
    log.error("consumer %s: message %s was handled and could not be marked: %s", d.consumer, d.message_id, e)


def settle(d: Delivery, answer: Answer) -> None:
    """Settles it, unless it is deferred."""
    if answer[0] is not Verdict.DEFERRED:
        with suppress(StateError):  # its time is over, or its partition gone: it comes again
            d.settle(*answer)
