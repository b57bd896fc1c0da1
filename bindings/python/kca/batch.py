"""The handling of a batch: the hooks of each delivery, then the handler of all, then the hooks after, in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from .hooks import Around, Call, Outcome
from .message import Delivery, Verdict, handled
from .queue import Batch
from .work import (
    CALLED_OFF,
    DONE,
    DUPLICATE,
    Answer,
    failure,
    misfit,
    not_known,
    not_marked,
    outcome_of,
    settle,
    settle_together,
)

if TYPE_CHECKING:
    from .handlers import BatchHandler
    from .work import DeduplicationStore, Work

Steps = Generator[Call, Outcome, Any]


class Handled:
    """One batch on its way through its handler.

    `steps` gives the calls of the application's functions, for `hooks.drive` or `hooks.drive_in_loop` to make.

    Attributes:
        handler: its handler.
        deliveries: those that the handler gets.
        received: all of it.
        begun_ns: when it was handed out, if there are spans.
    """

    def __init__(
        self, work: Work, batch: Batch, ask: Callable[..., Any], ends: tuple[type[BaseException], ...]
    ) -> None:
        self.handler: BatchHandler = work.batch_handler(batch)
        self.deliveries: list[Delivery] = []
        self.received = batch.deliveries
        self.begun_ns = time.time_ns() if work.spans else 0
        self._hooks = work.handling_hooks
        self._store: DeduplicationStore | None = work.stores.get(self.received[0].consumer) if work.stores else None
        self._spans = work.spans
        self._ask = ask
        self._ends = ends
        self._arounds: list[Around] = []
        self._arguments: list[tuple[Any, ...]] = []
        self._settled: set[int] = set()

    @property
    def arguments(self) -> tuple[list[Any], ...]:
        """What the handler is called with."""
        return self.handler.together(self._arguments)

    @property
    def rest(self) -> list[Delivery]:
        """Those that are not settled here."""
        return [d for d in self.received if id(d) not in self._settled]

    def steps(self, call: Callable[[Handled], Any]) -> Generator[Call, Outcome, BaseException | None]:
        """The calls; `call` runs the handler, and gives its answer.

        Returns:
            What ends the process or the task, if something does; it is to be settled with `rest`.
        """
        for d in self.received:
            ended = yield from self._enter(d)
            if ended is not None:
                yield from self._leave((None, ended))
                return ended
        if not self.deliveries:
            return None
        spans = self._spans.before_batch(self) if self._spans else None
        outcome = yield partial(call, self)
        if self._spans:
            self._spans.after_batch(spans, *outcome)
        ends = yield from self._leave(outcome)
        for _, error in [outcome, *ends]:
            if self._is_end(error):
                return error
        answer: Answer = failure(outcome[1]) if outcome[1] is not None else outcome[0]
        apart = self._apart(answer, outcome, ends)
        return (yield from self._settle([d for d in self.deliveries if id(d) not in apart], answer))

    def let_go(self) -> None:
        """Drops the deliveries: those that are not settled come again, also while somebody keeps an exception."""
        for each in (self.received, self.deliveries, self._arounds, self._arguments):
            each.clear()

    def _is_end(self, error: BaseException | None) -> bool:
        return error is not None and isinstance(error, self._ends)

    def _settle_one(self, d: Delivery, outcome: Outcome) -> None:
        if outcome[0] is CALLED_OFF:
            return
        self._settled.add(id(d))
        settle(d, failure(outcome[1]) if outcome[1] is not None else outcome[0])

    # ---- before ----

    def _enter(self, d: Delivery) -> Generator[Call, Outcome, BaseException | None]:
        """Has the delivery go through its hooks, and lets it in or settles it."""
        if self._is_called_off(d):
            return None
        around = Around(self._hooks, d, outcome_of) if self._hooks else None
        outcome = (yield from _inside(d, around.enter())) if around else None
        if outcome is None:
            outcome = yield from self._let_in(d)
            if outcome is None:
                if around:
                    around.come_in()
                    self._arounds.append(around)
                return None
            if around:
                outcome = yield from _inside(d, around.leave(outcome))
        if self._is_end(outcome[1]):
            return outcome[1]
        self._settle_one(d, outcome)
        return None

    def _is_called_off(self, d: Delivery) -> bool:
        """Whether its verdict does not count any more: one before it of its key has failed, or its time is over."""
        return bool(self._hooks or self._store) and not d.is_out

    def _let_in(self, d: Delivery) -> Generator[Call, Outcome, Outcome | None]:
        """None: it is in; else why it is not."""
        if self._store and d.message_id:
            seen, error = yield partial(self._ask, self._store.seen, d.message_id)
            if error is not None:
                return (None, error) if self._is_end(error) else (not_known(error), None)
            if seen:
                return DUPLICATE, None
        if self._is_called_off(d):
            return getattr(d, "_settled", CALLED_OFF), None
        try:
            self._arguments.append(self.handler.arguments(d))
        except BaseException as e:
            return (None, e) if self._is_end(e) else (misfit(e), None)
        self.deliveries.append(d)
        return None

    # ---- after ----

    def _leave(self, outcome: Outcome) -> Generator[Call, Outcome, list[Outcome]]:
        """The hooks after, the last delivery's first; gives what became of each."""
        ends: list[Outcome] = [outcome] * len(self._arounds)
        for i in range(len(ends) - 1, -1, -1):
            d = self.deliveries[i]
            own = (d._settled, None) if hasattr(d, "_settled") else outcome
            ends[i] = yield from _inside(d, self._arounds[i].leave(own))
        return ends

    def _apart(self, answer: Answer, outcome: Outcome, ends: list[Outcome]) -> set[int]:
        """Settles those that a hook has failed by themselves. A failure of several does not say which of them failed:
        each comes again, whatever its hooks say of it now.
        """
        out = [(d, end) for d, end in zip(self.deliveries, ends, strict=False) if not hasattr(d, "_settled")]
        if len(out) > 1 and answer[0] in (Verdict.FAILED, Verdict.REJECTED):
            return set()
        changed = [(d, end) for d, end in out if end[0] is not outcome[0] or end[1] is not outcome[1]]
        for d, end in changed:
            self._settle_one(d, end)
        return {id(d) for d, _ in changed}

    def _settle(self, deliveries: list[Delivery], answer: Answer) -> Generator[Call, Outcome, BaseException | None]:
        """Settles them together; the store learns of them first."""
        ended = None
        for d in deliveries if self._store and answer is DONE else ():
            if not d.message_id or not _is_done(d):
                continue
            _, error = yield partial(self._ask, self._store.mark, d.message_id)  # type: ignore[union-attr]
            if error is not None:
                not_marked(d, error)
                ended = error if self._is_end(error) else ended
        settle_together(deliveries, answer)
        self._settled.update(map(id, deliveries))
        return ended


def _inside(d: Delivery, steps: Steps) -> Steps:
    """The hooks' calls; what they publish continues the delivery's trace."""
    token = handled.set(d)
    end = yield from steps
    handled.reset(token)
    return end


def _is_done(d: Delivery) -> bool:
    """Whether it is to be settled as done, or its handler has done so."""
    return d._settled[0] == Verdict.DONE if hasattr(d, "_settled") else d.is_out
