"""A redrive that runs: its progress on a terminal, and an end by Ctrl-C that leaves it resumable."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

import kca

from .output import say, talk
from .publish import INTERRUPTED

Report = dict[str, Any]

# How often the progress is drawn.
_SLICE = 0.2


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")


def run(system: kca.System, builder: kca.RedriveBuilder, timeout_ms: int, what: str) -> Report:
    """Runs a redrive of a started system; -1: without a limit of time.

    Raises:
        Exit: Ctrl-C came; what was done is committed.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    ended: Future[Report] | None = None
    with (
        Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            task = bar.add_task(what, total=None)
            ended = pool.submit(system.redrive, builder, timeout_ms)
            while not _has_ended(ended):
                for now in system.description()["redrives"]:
                    bar.update(task, total=now["records"] or None, completed=now["read"])
            return ended.result()
        except KeyboardInterrupt:
            with suppress(kca.Error, KeyboardInterrupt):
                system.shutdown()  # ends the redrive, which the pool waits for
            if not ended:
                raise
    return _interrupted(ended)


def _has_ended(ended: Future[Report]) -> bool:
    with suppress(NotYet, kca.Error):
        ended.result(_SLICE)
    return ended.done()


def _interrupted(ended: Future[Report]) -> Report:
    try:
        return ended.result()
    except kca.StoppedError as e:
        say(f"interrupted; what is done is done, and the next call goes on: {e}")
        raise typer.Exit(INTERRUPTED) from None
