"""The messages that a test has seen published, and the deliveries that it has seen handled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..message import Delivery, Message, Verdict
from ..payload import encoded
from ..visible import visible

# The headers with the error's name in each format of dead letters.
_ERROR_NAMES = ("kca-dead-letter-error-name", "kafka_dlt-exception-fqcn")


@dataclass(frozen=True)
class Published:
    """A message that is in a topic.

    Attributes:
        topic: the topic.
        name: the name by which handlers are found.
        payload: the payload as it is on the wire; None: there is none.
        key: the record's key.
        headers: the custom headers.
        message_id: the message's id.
        correlation_id: the conversation's id.
        reply_to: the channel that the message wants its reply in; "": none.
    """

    topic: str
    name: str
    payload: bytes | None
    key: bytes | None
    headers: Mapping[str, bytes]
    message_id: str
    correlation_id: str
    reply_to: str = ""

    def json(self) -> Any:
        """The payload as Python values."""
        return None if self.payload is None else json.loads(self.payload)

    @property
    def error_name(self) -> str | None:
        """The error of a dead letter, such as the name of an exception's class; None: the message is no dead letter."""
        told = (self.headers.get(name) for name in _ERROR_NAMES)
        return next((value.decode() for value in told if value is not None), None)

    def __str__(self) -> str:
        said = "no payload" if self.payload is None else self.payload.decode(errors="replace")
        error = f" ({self.error_name})" if self.error_name else ""
        return visible(f"{self.topic}: {self.name or '-'} {said}{error}")


@dataclass(frozen=True)
class Handled(Published):
    """A delivery and its outcome.

    Attributes:
        consumer: the name of the consumer that handled the delivery.
        attempt: the number of this attempt: 1, 2, ...
        verdict: how the delivery was settled; None: it was deferred, and is not settled yet.
        error: the error's name, such as that of the exception's class; "" without an error.
        text: the error's text.
    """

    consumer: str = ""
    attempt: int = 1
    verdict: Verdict | None = None
    error: str = ""
    text: str = ""

    def __str__(self) -> str:
        said = super().__str__()
        verdict = "deferred" if self.verdict is None else self.verdict.name.lower()
        why = f", {self.error}: {self.text}" if self.error else ""
        return f"{said}: {verdict}{why}"


@dataclass(frozen=True)
class Replied(Published):
    """A reply that is in a topic.

    Attributes:
        question: the name of the message that it answers.
        error: the text of the error that it is; None: it is a result.
    """

    question: str = ""
    error: str | None = None

    def __str__(self) -> str:
        said = "no payload" if self.payload is None else self.payload.decode(errors="replace")
        return visible(f"{self.topic}: the reply to {self.question or '-'} {said}")


class Answer(Message):
    """A reply's payload, for a conversion."""

    __slots__ = ("_payload",)

    def __init__(self, payload: bytes | None) -> None:
        super().__init__(None, payload, unnamed=True)
        self._payload = payload


def error_of(payload: bytes | None) -> str | None:
    """The text of a reply that is an error, `{"error": text}`; None: it is none."""
    try:
        told = json.loads(payload or b"null")
    except ValueError:
        return None
    is_error = isinstance(told, dict) and list(told) == ["error"] and isinstance(told["error"], str)
    return told["error"] if is_error else None


def fields_of(d: Delivery) -> dict[str, Any]:
    """The fields to keep of a delivery, which is freed."""
    return {
        "topic": d.topic,
        "name": d.name,
        "payload": d.payload,
        "key": d.key,
        "headers": d.headers,
        "message_id": d.message_id,
        "correlation_id": d.correlation_id,
        "reply_to": d.reply_to,
    }


def matches(payload: bytes | None, expected: Any) -> bool:
    """Whether a payload is as expected: equal bytes or text, or an object with at least the expected members."""
    if expected is None or isinstance(expected, bytes | str):
        return payload == (expected.encode() if isinstance(expected, str) else expected)
    try:
        found = json.loads(payload or b"")
    except ValueError:
        return False
    return _holds(found, json.loads(bytes(encoded(expected) or b"")))


def _holds(found: Any, expected: Any) -> bool:
    if not isinstance(expected, dict):
        return bool(found == expected)
    named = isinstance(found, dict) and expected.keys() <= found.keys()
    return named and all(_holds(found[name], value) for name, value in expected.items())
