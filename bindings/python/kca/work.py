"""Events of a system: handlers by the messages' names, deduplication, functions for faults and other events."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from . import tracing
from .errors import PayloadError, Rejected, StateError
from .handlers import BatchHandler, Handler, Mismatched
from .hooks import Handling, Hook, drive, run
from .message import Delivery, Message, Verdict, handled
from .payload import result_of
from .queue import Batch, End, Event, Fault, Log, Rebalance, Receipt, Reply, State
from .translators import Translator
from .visible import visible

Answer = tuple[Verdict, str, str]
DONE: Answer = (Verdict.DONE, "", "")
DUPLICATE: Answer = (Verdict.DUPLICATE, "", "")
DEFERRED: Answer = (Verdict.DEFERRED, "", "")
# Of one that is not settled: it comes again.
CALLED_OFF: Answer = (Verdict.FAILED, "", "")
# What ends the process, not only a handler.
ENDS = (KeyboardInterrupt, SystemExit)
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
        self.publish_hooks: list[Hook] = []
        self.handling_hooks: list[Hook] = []
        self.batch_handlers: dict[str, BatchHandler] = {}
        self.stores: dict[str, DeduplicationStore] = {}
        self.translators: dict[str, Translator] = {}
        self.listeners: dict[type, Callable[[Any], Any]] = {}
        self.traced = False
        self.spans: Any = None  # of OpenTelemetry: kca.telemetry's
        self.watch: Callable[[Delivery], None] | None = None  # told of deliveries without a consumer, by kca.testing
        # Deliveries whose handlers were interrupted; they stay unsettled. Hasty: a shutdown need not wait for handlers.
        self.abandoned: list[Delivery] = []
        self.hasty = False
        self.interrupted = False  # by a second Ctrl-C

    def begin(self, consumer: str) -> None:
        """Prepares a consumer's run."""
        if not (self.handlers or self.batch_handlers):
            raise StateError(f"consumer {consumer} has no handler: declare one for the names it reads")
        self.traced = tracing.is_there()

    # ---- events ----

    def dispatch(self, event: Event) -> None:
        """Handles any event on this thread."""
        if isinstance(event, Delivery):
            self.handle(event)
        elif isinstance(event, Batch):
            self.handle_batch(event)
        else:
            self.tell(event)

    def tell(self, event: Receipt | Reply | Fault | Rebalance | End | State | Log) -> None:
        """Gives an event to its listener; a fault without a listener is logged."""
        listener = self.listeners.get(type(event))
        if listener:
            try:
                listener(event)
            except ENDS:
                raise
            except BaseException as e:
                say(logging.ERROR, f"a listener to {type(event).__name__} failed", e)
        elif isinstance(event, Fault):
            say(logging.WARNING, str(event.error))

    # ---- deliveries, on threads ----

    def handle(self, d: Delivery) -> None:
        """Runs the handler, and settles the delivery by its outcome."""
        try:
            answer = self.answer(d)
        except BaseException as e:
            self.broken_off(_go_on, d, e)
            raise
        settle(d, answer)

    def handle_here(self, d: Delivery) -> None:
        """Handles a delivery of a bus without a channel."""
        if self.watch:
            self.watch(d)
        if self.goes_to_batch(d):
            self.handle_batch(Batch([d]))
        else:
            self.handle(d)

    def goes_to_batch(self, d: Delivery) -> bool:
        """Whether the handler of its name takes batches."""
        return d.name in self.batch_handlers or (d.name not in self.handlers and "*" in self.batch_handlers)

    def served(self, stop: Callable[[], None]) -> tuple[Any, ...]:
        """The arguments of `serve`, in its order; `stop` ends the consumer."""
        broken_off = partial(self.broken_off, stop)
        hooked = bool(self.handling_hooks)
        asked = Delivery, self.handlers, self.stores, self.traced, hooked, handled.set, self.answer, broken_off
        return *asked, DONE, told, reply, failure, misfit

    def answer(self, d: Delivery) -> Answer:
        """Runs the handler, with `handled` set; `serve` has a shorter way for most messages. Who keeps the exception of
        a handler keeps these calls, too: they let the delivery go.
        """
        inside = handled.set(d)
        try:
            with tracing.Inside(d) if self.traced and d._traced else nullcontext():
                return self._answer(d)
        except ENDS:
            raise
        except BaseException as e:
            return DEFERRED if is_deferred(d) else failure(e)
        finally:
            handled.reset(inside)
            del d, inside

    def broken_off(self, stop: Callable[[], None], d: Delivery, why: BaseException | None) -> None:
        """The process is to end, by an exception in the handler: that has failed. It ends the consumer first: a failure
        that would be tried again comes again after the next start. None: the handler has not begun.
        """
        stop()
        if is_deferred(d):  # and a hook after its handler raised
            return
        if why is None or (self.interrupted and isinstance(why, KeyboardInterrupt)):
            self.abandon(d)
        else:
            settle(d, failed(why))

    def abandon(self, *deliveries: Delivery) -> None:
        """Leaves them unsettled, so that they come again: the process ends, and their handler was interrupted."""
        self.abandoned.extend(deliveries)
        self.hasty = True

    def is_over(self) -> None:
        """The system was shut down."""
        self.abandoned.clear()
        self.hasty = self.interrupted = False

    def _answer(self, d: Delivery) -> Answer:
        """Runs the hooks and the handler. A store learns of it at the end: a hook may still fail what was handled."""
        hooks = self.handling_hooks
        try:
            if hooks:
                answer: Answer = run(hooks, Handling(d, outcome_of), partial(self._answer_once, d))
            else:
                answer = self._answer_once(d)
            store = self.store_of(d) if answer[0] is Verdict.DONE and self.stores else None
            if store:
                self._mark(store, d)
            return answer
        finally:
            del d

    def _answer_once(self, d: Delivery) -> Answer:
        """Runs the handler, unless the store has seen the message."""
        found = self.prepared(d)
        if not isinstance(found, Prepared):
            return found
        try:
            if found.store and known(found.store.seen(d.message_id)):
                return DUPLICATE
        except ENDS:
            raise
        except BaseException as e:
            return not_known(e)
        try:
            return answer_of(found.handler, d, found.function(*found.arguments))
        finally:
            del d, found

    def store_of(self, d: Delivery) -> DeduplicationStore | None:
        """The store that is to be asked whether the message was handled."""
        store = self.stores.get(d.consumer) if self.stores else None
        return store if store and d.message_id else None

    # ---- batches ----

    def handle_batch(self, batch: Batch, stop: Callable[[], None] | None = None) -> None:
        """Runs the batch's handler, and settles its deliveries; `stop` ends the consumer when the process is to end."""
        from .batch import Handled

        run = Handled(self, batch, lambda ask, message_id: known(ask(message_id)), ENDS)
        ended = drive(run.steps(lambda run: answer_of_batch(run.handler, run.handler.function(*run.arguments))))
        try:
            if ended is None:
                return
            (stop or _go_on)()
            if self.interrupted and isinstance(ended, KeyboardInterrupt):
                self.abandon(*run.rest)
            else:
                settle_together(run.rest, failed(ended))
            raise ended
        finally:
            run.let_go()

    def batch_handler(self, batch: Batch) -> BatchHandler:
        """The handler that the batch was gathered for."""
        return self.batch_handlers.get(batch.deliveries[0].name) or self.batch_handlers["*"]

    @staticmethod
    def _mark(store: DeduplicationStore, d: Delivery) -> None:
        try:
            if d.message_id:
                known(store.mark(d.message_id))
        except BaseException as e:
            not_marked(d, e)
            if isinstance(e, ENDS):
                raise

    # ---- deliveries, in a loop ----

    def prepared(self, d: Delivery) -> Prepared | Answer:
        """The call of a handler; or, when there is none to make, the delivery's answer."""
        handler = self.handlers.get(d.name) or self.handlers.get("*")
        if not handler:
            return unhandled(d)
        try:
            arguments = handler.arguments(d)
        except ENDS:
            raise
        except BaseException as e:
            return misfit(e)
        return Prepared(handler, arguments, self.store_of(d))


class Prepared:
    """One call of a handler."""

    __slots__ = ("arguments", "function", "handler", "is_async", "store")

    def __init__(self, handler: Handler, arguments: tuple[Any, ...], store: DeduplicationStore | None) -> None:
        self.handler = handler
        self.function = handler.function
        self.is_async = handler.is_async
        self.arguments = arguments
        self.store = store


def unhandled(d: Delivery) -> Answer:
    """The answer when no handler takes the message."""
    unnamed = "its record has no `route` header that is a name for a handler to have"
    return Verdict.REJECTED, "unhandled", "no handler has its name" if d.name else unnamed


def answer_of(handler: Handler, d: Delivery, result: Any) -> Answer:
    """The answer for a handler's result, which is kept as the delivery's reply unless it is a verdict or None."""
    if result is None:
        return DONE
    try:
        if isinstance(result, Verdict):
            return DONE if result is Verdict.DONE else (result, "", "")
        # What was published through a bus without a channel, not sent, has no consumer that could be told of.
        if is_wanted(handler, result, d.wants_reply or not d.consumer):
            with suppress(StateError):  # the delivery's time is over, or its partition gone: the message comes again
                d.reply(result)
        return DONE
    finally:  # who keeps the exception keeps this call, too
        del d


def answer_of_batch(handler: Handler, result: Any) -> Answer:
    """The answer for a batch handler's result: replies are given to its deliveries, each by itself."""
    if isinstance(result, Verdict):
        return DONE if result is Verdict.DONE else (result, "", "")
    if result is not None:
        is_wanted(handler, result, False)
    return DONE


def is_wanted(handler: Handler, result: Any, wanted: bool) -> bool:
    """Whether somebody waits for a handler's result. The log tells once of a handler whose results nobody gets.

    Raises:
        TypeError: it is no result.
    """
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        _close(result)
        raise TypeError(
            f"the handler gave a {type(result).__name__}, which nobody runs: "
            f"it must be a coroutine function, in a system of kca.asyncio"
        )
    if not wanted and not handler.is_told:
        handler.is_told = True
        say(
            logging.WARNING,
            f"handler {handler.name} returned a {type(result).__name__} that nobody gets: a reply is sent when the "
            f"consumer's reply is on, and the message has a replyTo of which the system has a publisher",
        )
    return wanted


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


def told(handler: Handler, result: Any, wanted: bool) -> Answer | bytes | None:
    """The answer for a handler's result; or the JSON of its reply; None: `reply` gives the answer. A result that no
    handler here may return is a failure.
    """
    try:
        if isinstance(result, Verdict):
            return DONE if result is Verdict.DONE else (result, "", "")
        if not is_wanted(handler, result, wanted):
            return DONE
        return None if isinstance(result, Message) else result_of(result)
    except ENDS:
        raise
    except BaseException as e:
        return failure(e)


def reply(d: Delivery, result: Any) -> Answer:
    """Keeps the reply, which is a message; a reply that cannot be kept is a failure."""
    try:
        d.reply(result)
    except StateError:
        pass  # the delivery's time is over, or its partition gone: the message comes again
    except Exception as e:
        return failure(e)
    return DONE


def misfit(e: BaseException) -> Answer:
    """The answer when making a handler's arguments failed: the payload does not fit the annotation, or a validator of
    the application's raised something else.
    """
    return (Verdict.REJECTED, "payload", text_of(e)) if isinstance(e, MISFITS) else failure(e)


def failure(e: BaseException) -> Answer:
    """The answer when a handler raised; the class name is the error's name. The log gets the traceback, which does not
    travel with a dead letter.
    """
    if not isinstance(e, Rejected):
        e.__traceback__ = _of_handler(e.__traceback__)
        say(logging.INFO, "a handler failed", e)
    return outcome_of(e)


def outcome_of(e: BaseException) -> Answer:
    """The answer when a handler raised."""
    return (Verdict.REJECTED, type(e).__name__, text_of(e)) if isinstance(e, Rejected) else failed(e)


def failed(e: BaseException) -> Answer:
    """The answer when a handler raised what is raised to the application, too."""
    return Verdict.FAILED, type(e).__name__, text_of(e)


def _of_handler(whole: TracebackType | None) -> TracebackType | None:
    """The traceback without the calls inside kca: these have the delivery, which who keeps the exception would keep."""
    own = whole
    while own and own.tb_frame.f_globals.get("__package__") == __package__:
        own = own.tb_next
    return own


def text_of(e: BaseException) -> str:
    """The exception's text, also when its own code does not give one."""
    try:
        return str(e)
    except BaseException as odd:
        return f"its text cannot be read, {type(odd).__name__}"


def say(level: int, text: str, e: BaseException | None = None) -> None:
    """Logs; whatever the application's handlers and filters of the log do, it goes on."""
    with suppress(BaseException):
        log.log(level, "%s", text, exc_info=e)


def not_known(e: BaseException) -> Answer:
    """The answer when the store did not say whether the message was handled."""
    return Verdict.FAILED, "deduplication", f"{type(e).__name__}: {text_of(e)}"


def not_marked(d: Delivery, e: BaseException) -> None:
    """Logs that a handled message is not marked: it counts as done, but would be handled if it came again."""
    say(
        logging.ERROR,
        f"consumer {d.consumer}: message {visible(d.message_id)} was handled, but could not be marked: {text_of(e)}",
    )


def is_deferred(d: Delivery) -> bool:
    """Whether its handler deferred it, as hooks have seen: it is no longer kca's to settle, whatever they raise."""
    return hasattr(d, "_is_deferred")


def settle(d: Delivery, answer: Answer) -> None:
    """Settles a delivery, unless it is deferred."""
    if answer[0] is Verdict.DEFERRED:
        return
    try:
        d.settle(*answer)
    except StateError:
        pass  # the delivery's time is over, or its partition gone: the message comes again
    except Exception as e:
        say(logging.ERROR, f"a delivery was not settled, which counts as failed: {text_of(e)}")


def settle_together(deliveries: list[Delivery], answer: Answer) -> None:
    """Settles those of a batch that its handler did not settle itself. A failure of several does not say which of them
    failed: the library brings each of them again by itself.
    """
    if answer[0] is Verdict.DEFERRED or not deliveries:
        return
    if answer[0] in (Verdict.DONE, Verdict.DUPLICATE) or len(deliveries) == 1:
        for d in deliveries:
            settle(d, answer)
        return
    for d in deliveries:
        with suppress(Exception):
            d._explain(*answer[1:])
    try:
        Batch(deliveries).settle(answer[0])
    except Exception as e:
        say(logging.ERROR, f"a batch was not settled, which counts as failed: {text_of(e)}")


def _go_on() -> None:
    """Ends nothing: the application itself takes the deliveries."""
