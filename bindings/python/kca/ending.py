"""What is done for a system that goes without a shutdown: when nobody has it any more, or when the process ends."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
import weakref
from contextlib import suppress
from typing import Any

from . import _kca
from .errors import Error

# How long the messages that are not sent yet are waited for.
FLUSH_MS = 5000

log = logging.getLogger("kca.system")


class Life:
    """Lives as long as the system or a bus of it is there. When it ends, what was published is sent."""

    __slots__ = ("__weakref__",)

    def __init__(self, handle: Any) -> None:
        weakref.finalize(self, _end, handle, os.getpid())


def _end(handle: Any, pid: int) -> None:
    """Waits for published messages, at most `FLUSH_MS`, and warns of those not sent. Not in a fork's child."""
    if os.getpid() != pid:
        return
    with suppress(Error):
        lost = _unsent(handle)
        if lost:
            text = f"{lost} published messages were not sent: the system was not shut down, and {FLUSH_MS} ms are over"
            log.warning("%s", text)
            warnings.warn(text, ResourceWarning, stacklevel=2)


def _unsent(handle: Any) -> int:
    before = _publishers(handle)
    waiting = [each for each in before if each["unanswered"]]
    if not waiting:
        return 0
    end = time.monotonic() + FLUSH_MS / 1000
    for each in waiting:
        bus = _kca.kca_system_event_bus(handle, each["channel"])
        with suppress(Error):
            _kca.kca_bus_flush(bus, max(0, int((end - time.monotonic()) * 1000)))
    failed = sum(each["failed"] for each in before)
    return int(sum(each["unanswered"] + each["failed"] for each in _publishers(handle)) - failed)


def _publishers(handle: Any) -> list[dict[str, Any]]:
    """The publishers of a started system, described."""
    described: dict[str, Any] = json.loads(_kca.kca_system_describe(handle, _kca.KCA_FORMAT_JSON))
    publishers: list[dict[str, Any]] = described["publishers"] if described["started"] else []
    return publishers
