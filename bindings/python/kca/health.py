"""Health: whether a system is ready, and whether it is stuck."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import _kca

HEALTH_READY, HEALTH_NOT_READY = _kca.KCA_HEALTH_READY, _kca.KCA_HEALTH_NOT_READY
HEALTH_STUCK, HEALTH_NOT_LIVE = _kca.KCA_HEALTH_STUCK, _kca.KCA_HEALTH_NOT_LIVE


@dataclass(frozen=True)
class Health:
    """What `System.health` says.

    Attributes:
        code: one of HEALTH_READY, HEALTH_NOT_READY, HEALTH_STUCK and HEALTH_NOT_LIVE, the worse the greater.
        live: False: something here hangs or has ended, which a new start of the process may help.
        ready: the system is started, its connections are there, the consumers that run have joined, nothing is stuck.
        stuck: something waits longer than it should.
        reasons: one line each: the thing, what is wrong, since when.
        details: the whole object described in kca_abi.h, with each connection, publisher, consumer and partition; made
            of what JSON knows, as an HTTP endpoint answers with it.
    """

    code: int
    live: bool
    ready: bool
    stuck: bool
    reasons: tuple[str, ...]
    details: dict[str, Any]


def health_of(handle: Any, stuck_after_ms: int) -> Health:
    """Asks the low-level system."""
    told: dict[str, Any] = json.loads(_kca.kca_system_health(handle, stuck_after_ms))
    return Health(told["code"], told["live"], told["ready"], told["stuck"], tuple(told["reasons"]), told)
