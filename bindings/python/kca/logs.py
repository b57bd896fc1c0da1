"""The library's log in Python's `logging`: loggers "kca.publisher", "kca.consumer", "kca.librdkafka" ...

One thread passes the lines on. It ends with the system, or with the interpreter, after the last line.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import weakref
from contextlib import suppress
from typing import Any

from . import _kca
from .errors import Error
from .queue import Queue

_LEVELS: dict[int, int] = {
    _kca.KCA_LOG_ERROR: logging.ERROR,
    _kca.KCA_LOG_WARN: logging.WARNING,
    _kca.KCA_LOG_INFO: logging.INFO,
    _kca.KCA_LOG_DEBUG: logging.DEBUG,
}
_LAST_LINES_SECONDS = 2.0


def level_of(logger: logging.Logger) -> int:
    """The level of the library's log that lets through the lines that the logger lets through."""
    least = logger.getEffectiveLevel()
    return max((own for own, level in _LEVELS.items() if level >= least), default=_kca.KCA_LOG_OFF)


class Bridge:
    """The thread between a log queue and a logger. It holds no reference to the system, so that the system can go."""

    def __init__(self, system: Any, logger: logging.Logger) -> None:
        self._queue = Queue(_kca.kca_system_log_queue(system._handle), self._write)
        self._logger = logger
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, name="kca-log", daemon=True)
        self._thread.start()
        self.close = weakref.finalize(system, Bridge._close, self)

    def _pass_on(self) -> None:
        poller = select.poll()
        poller.register(self._queue.fileno(), select.POLLIN)
        poller.register(self._ended, select.POLLHUP)
        with suppress(Error):  # the queue was made before a fork
            while True:
                ready = {fd for fd, _ in poller.poll()}
                self._drain()
                if self._ended in ready:
                    break
        self._queue.close()

    def _drain(self) -> None:
        while self._queue.dispatch(64, 0):
            pass

    def _write(self, line: Any) -> None:
        """Logs a `Log`; a log queue has no other events."""
        kind, _, name = line.component.partition(" ")
        logger = self._logger.getChild(kind)
        logger.log(_LEVELS[line.level], "%s%s%s", name, ": " if name else "", line.text, extra={"kca": line})

    def _close(self) -> None:
        os.close(self._end)
        self._thread.join(_LAST_LINES_SECONDS)
        os.close(self._ended)
