"""Secrets: what no text of the command line shows, in whole or in part.

They are known by the names of properties, and by their form: a private key is a secret wherever it stands. Their values
are remembered, and masked in every text, also where one was put into the wrong property.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# Parts of the names of secret properties; core/kafka/property.c has the same.
NAMES = ("password", "passphrase", "secret", "key.pem", "oauthbearer.config", "jaas", "assertion.private")
MASK = "***"

# Who knows this many characters of a secret knows a part of it.
_PART = 6
_SHORTEST = 4
_LONGEST_PATH = 4096

_known: list[str] = []
_MARKER = re.compile(r"-----[A-Z ]*-----")
_CREDENTIALS = re.compile(r"(?:^|,|//)[^/@:\s,]*:([^@\s,]+)@")


def is_secret(name: str, value: str) -> bool:
    """Whether the value of this property is a secret."""
    if any(part in name for part in NAMES) or "PRIVATE KEY" in value:
        return True
    return name == "ssl.key.location" and not _is_file(value)  # a key in place of its file's name


def _is_file(path: str) -> bool:
    return len(path) < _LONGEST_PATH and "\n" not in path and Path(path).is_file()


def remember(name: str, value: str) -> None:
    """Remembers the value of a property, if it is or holds a secret."""
    found = [value] if is_secret(name, value) else _CREDENTIALS.findall(value)
    for secret in found:
        for part in _MARKER.sub("\n", secret).splitlines():
            if len(part.strip()) >= _SHORTEST and part.strip() not in _known:
                _known.append(part.strip())


def forget() -> None:
    """Forgets all secrets."""
    _known.clear()


def masked(text: str) -> str:
    """The text with stars in place of the secrets, and of parts of them."""
    hidden = [False] * len(text)
    for secret in _known:
        size = min(_PART, len(secret))
        parts = {secret[i : i + size] for i in range(len(secret) - size + 1)}
        for at in range(len(text) - size + 1):
            if text[at : at + size] in parts:
                hidden[at : at + size] = [True] * size
    if not any(hidden):
        return text
    marked = "".join("\0" if secret else character for character, secret in zip(text, hidden, strict=True))
    return re.sub("\0+", MASK, marked)


def all_masked(value: Any) -> Any:
    """A value of JSON, with every text in it masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {name: all_masked(each) for name, each in value.items()}
    return [all_masked(each) for each in value] if isinstance(value, list) else value
