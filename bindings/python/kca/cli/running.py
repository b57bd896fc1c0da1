"""`kca doctor --system URL`: asks a running system how it is, by the endpoint that its application serves."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

from .output import Trouble, Wrong

_NAMES = {
    0: "ready",
    1: "not ready",
    2: "stuck: it waits for the cluster",
    3: "stuck: something hangs or has ended in it",
}
_ADVICE = {
    1: "It may still be starting. Else: can it reach the brokers? kca doctor, from where it runs.",
    2: "A new start of the application does not help: look at the brokers. kca doctor, from where it runs.",
    3: "A new start of the application may help.",
}
_MOST_BYTES = 10_000_000


def examine_running(url: str, timeout_s: float) -> dict[str, Any]:
    """Makes the report: a check for what the system says of itself, and one for each of its reasons."""
    health = _health_at(url, timeout_s)
    code, reasons = health["code"], health["reasons"]
    checks = [{"name": "system", "ok": code == 0, "text": _NAMES[code]}]
    if code:
        checks[0] |= {"kind": "health", "advice": _ADVICE[code]}
    checks += [
        {"name": "reason", "ok": False, "text": str(reason), "kind": "health", "advice": ""} for reason in reasons
    ]
    return {"ok": code == 0, "system": _shown(url), "health": health, "checks": checks}


def _health_at(url: str, timeout_s: float) -> dict[str, Any]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise Wrong(f"--system must be a URL such as http://localhost:8000/readyz; got {_shown(url)}")
    try:
        with urllib.request.urlopen(_request_to(url), timeout=timeout_s) as answer:
            text = answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as e:  # 503 is an answer, too
        text = e.read(_MOST_BYTES)
    except (OSError, ValueError) as e:
        raise Trouble(f"{_shown(url)}: {getattr(e, 'reason', e)}") from None
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict) or told.get("code") not in [*_NAMES] or not isinstance(told.get("reasons"), list):
        raise Trouble(f"{_shown(url)} does not answer with a system's health, as kca_system_health gives it")
    return told


def _request_to(url: str) -> urllib.request.Request:
    parts = urlsplit(url)
    user, found, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    if found:
        request.add_header("Authorization", f"Basic {base64.b64encode(unquote(user).encode()).decode()}")
    return request


def _shown(url: str) -> str:
    """The URL without a password, and without what follows the path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
