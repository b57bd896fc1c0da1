"""Kafka channel adapters: declare connections, publishers and consumers, handle messages by their names.

    system = kca.System(
        kca.Connection("kafka", "localhost:9092"),      # "embedded://": a broker inside the process, for trying out
        kca.PublisherBuilder("kafka", "orders", required_acks=-1),
        kca.ConsumerBuilder("kafka", "orders", "billing"),
    )

    @system.handler("orderCreated")
    def bill(order: dict) -> None: ...

    with system:
        system.event_bus("orders").publish("orderCreated", {"id": "ORD-1"}, key="customer-7")
        system.consumer("billing").run()                # until Ctrl-C

`kca.asyncio` is for asyncio, `kca.testing` runs a system inside a test, `kca --help` is the command line.
"""

from __future__ import annotations

from . import _kca

if _kca.kca_abi() != 1:
    raise ImportError(f"kca: this package speaks ABI 1, libkca speaks {_kca.kca_abi()}")

# Registers the handle types and the functions that free them.
from . import swig as _swig  # noqa: F401
from .builders import ConsumerBuilder, PublisherBuilder, RedriveBuilder
from .bus import Bus
from .connection import Connection
from .consumer import Consumer, PartitionLag
from .errors import (
    ArgumentError,
    AuthenticationError,
    AuthorizationError,
    BrokerError,
    BufferFullError,
    CancelledError,
    DuplicateError,
    Error,
    ForkedError,
    HandlerError,
    HookError,
    NotFoundError,
    NotStoredError,
    OffsetError,
    OutOfMemoryError,
    PayloadError,
    Rejected,
    ReplyError,
    StateError,
    StoppedError,
    TimedOutError,
    TlsError,
    TooLargeError,
    TranslatorError,
    UnreachableError,
)
from .health import HEALTH_NOT_LIVE, HEALTH_NOT_READY, HEALTH_READY, HEALTH_STUCK, Health
from .hooks import DROP, Handling, Publishing
from .message import DEFERRED, DONE, DUPLICATE, FAILED, REJECTED, Delivery, Message, ReplyMessage, Verdict
from .queue import Batch, End, Event, Fault, Log, Queue, Rebalance, Receipt, Reply, State
from .system import System
from .work import DeduplicationStore

__version__: str = _kca.kca_version()

# The enums of kca_abi.h.
LOG_OFF, LOG_ERROR, LOG_WARN = _kca.KCA_LOG_OFF, _kca.KCA_LOG_ERROR, _kca.KCA_LOG_WARN
LOG_INFO, LOG_DEBUG = _kca.KCA_LOG_INFO, _kca.KCA_LOG_DEBUG
TYPE_NONE, TYPE_COMMAND, TYPE_QUERY = _kca.KCA_TYPE_NONE, _kca.KCA_TYPE_COMMAND, _kca.KCA_TYPE_QUERY
TYPE_EVENT, TYPE_DOCUMENT = _kca.KCA_TYPE_EVENT, _kca.KCA_TYPE_DOCUMENT
PARTITION_ASSIGNED, PARTITION_EVERY = _kca.KCA_PARTITION_ASSIGNED, _kca.KCA_PARTITION_EVERY
OFFSET_END, OFFSET_BEGINNING = _kca.KCA_OFFSET_END, _kca.KCA_OFFSET_BEGINNING
FORMAT_TEXT, FORMAT_JSON = _kca.KCA_FORMAT_TEXT, _kca.KCA_FORMAT_JSON
METRICS_PROMETHEUS, METRICS_OPENMETRICS = _kca.KCA_METRICS_PROMETHEUS, _kca.KCA_METRICS_OPENMETRICS

__all__ = [
    "ArgumentError",
    "AuthenticationError",
    "AuthorizationError",
    "BrokerError",
    "BufferFullError",
    "Batch",
    "Bus",
    "CancelledError",
    "Connection",
    "Consumer",
    "ConsumerBuilder",
    "DEFERRED",
    "DONE",
    "DROP",
    "DUPLICATE",
    "DeduplicationStore",
    "Delivery",
    "DuplicateError",
    "End",
    "Error",
    "Event",
    "FAILED",
    "FORMAT_JSON",
    "FORMAT_TEXT",
    "Fault",
    "ForkedError",
    "HEALTH_NOT_LIVE",
    "HEALTH_NOT_READY",
    "HEALTH_READY",
    "HEALTH_STUCK",
    "Handling",
    "Health",
    "HandlerError",
    "HookError",
    "LOG_DEBUG",
    "LOG_ERROR",
    "LOG_INFO",
    "LOG_OFF",
    "LOG_WARN",
    "Log",
    "METRICS_OPENMETRICS",
    "METRICS_PROMETHEUS",
    "Message",
    "NotFoundError",
    "NotStoredError",
    "OffsetError",
    "OFFSET_BEGINNING",
    "OFFSET_END",
    "OutOfMemoryError",
    "PARTITION_ASSIGNED",
    "PARTITION_EVERY",
    "PartitionLag",
    "PayloadError",
    "PublisherBuilder",
    "Publishing",
    "Queue",
    "REJECTED",
    "Rebalance",
    "Receipt",
    "RedriveBuilder",
    "Rejected",
    "Reply",
    "ReplyError",
    "ReplyMessage",
    "State",
    "StateError",
    "StoppedError",
    "System",
    "TYPE_COMMAND",
    "TYPE_DOCUMENT",
    "TYPE_EVENT",
    "TYPE_NONE",
    "TYPE_QUERY",
    "TimedOutError",
    "TlsError",
    "TooLargeError",
    "TranslatorError",
    "UnreachableError",
    "Verdict",
]
