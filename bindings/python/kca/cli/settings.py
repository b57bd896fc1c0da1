"""Settings of all commands: the cluster and how to reach it, from options, environment variables and properties."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import typer

import kca

from .declaring import flag, option_named, set_options
from .output import Wrong
from .secrets import MASK, is_secret, masked, remember

CONNECTION = "cluster"
B = TypeVar("B", kca.PublisherBuilder, kca.ConsumerBuilder)

# Properties of -X that the connection has options for.
_TLS = {"ssl.ca.location": "ca", "ssl.ca.pem": "ca", "ssl.certificate.location": "certificate",
        "ssl.certificate.pem": "certificate", "ssl.key.location": "key", "ssl.key.pem": "key"}  # fmt: skip
_SASL = {"sasl.mechanisms": "mechanism", "sasl.mechanism": "mechanism", "sasl.username": "user",
         "sasl.password": "password"}  # fmt: skip

# The library logs in by these with user and password; by others as librdkafka's own properties say.
_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

# Environment variables and the properties that they stand for.
VARIABLES = {
    "KCA_TLS_CA": "ssl.ca.location",
    "KCA_TLS_CERTIFICATE": "ssl.certificate.location",
    "KCA_TLS_KEY": "ssl.key.location",
    "KCA_TLS_KEY_PASSWORD": "ssl.key.password",
    "KCA_SASL_MECHANISM": "sasl.mechanism",
    "KCA_SASL_USER": "sasl.username",
    "KCA_SASL_PASSWORD": "sasl.password",
    "KCA_SECURITY_PROTOCOL": "security.protocol",
}


@dataclass
class Settings:
    """What the options and the environment say of the cluster."""

    brokers: str
    properties: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    verbosity: int = 0
    timeout: float = 10.0

    @property
    def timeout_ms(self) -> int:
        """The timeout as the library takes it."""
        return max(0, int(self.timeout * 1000))

    def shown(self) -> dict[str, str]:
        """The properties, with stars in place of secrets."""
        return {name: MASK if is_secret(name, value) else masked(value) for name, value in self.properties.items()}

    def connection(self) -> kca.Connection:
        """The connection, as declared."""
        made = kca.Connection(CONNECTION, self.brokers)
        rest = dict(self.properties)
        told = rest.pop("security.protocol", "")
        protocol = told.upper().replace("-", "_")
        tls: dict[str, str] = {_TLS[name]: rest.pop(name) for name in list(rest) if name in _TLS}
        sasl: dict[str, Any] = {_SASL[name]: rest.pop(name) for name in list(rest) if name in _SASL}
        password = rest.pop("ssl.key.password", None)
        if protocol not in {"", "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}:
            raise Wrong(f"security.protocol must be plaintext, ssl, sasl_plaintext or sasl_ssl, got {told}")
        mechanism = sasl.get("mechanism", "PLAIN")
        others = [name for name in rest if name.startswith(("ssl.", "enable.ssl."))]
        for given, part in (tls or others, "SSL"), (sasl, "SASL"):
            if given and protocol and part not in protocol.split("_"):
                what = "TLS" if part == "SSL" else part
                raise Wrong(f"security.protocol={told} contradicts the properties of {what} that are given")
        if "SSL" in protocol or ((tls or others) and not protocol):
            made.with_tls(tls.get("ca"), tls.get("certificate"), tls.get("key"))
        if password is not None:
            made.with_tls_key_password(password)
        allowed = rest.pop("unencrypted_sasl", None)
        if allowed is not None:
            made.with_unencrypted_sasl(flag("unencrypted_sasl", allowed))
        if mechanism not in _WITH_PASSWORD:
            rest |= {name: value for name, value in self.properties.items() if name in _SASL}
        elif "SASL" in protocol or (sasl and not protocol):
            made.with_sasl(mechanism, sasl.get("user", ""), sasl.get("password", ""))
        for name, value in rest.items():
            made.with_property(name, value)
        return made

    def with_options(self, builder: B) -> B:
        """The builder, with those of the options that it has."""
        set_options(builder, self.options)
        return builder

    def system(self, *declarations: kca.PublisherBuilder | kca.ConsumerBuilder) -> kca.System:
        """A system on the cluster, not started, which logs to stderr."""
        made = kca.System(self.connection(), *declarations)
        levels = [kca.LOG_OFF, kca.LOG_INFO, kca.LOG_DEBUG]
        return made.log_to_stderr(levels[min(self.verbosity, 2)])


def settings_of(
    brokers: str | None,
    properties: list[str] | None,
    verbosity: int = 0,
    timeout: float = 10.0,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings: options win over the environment."""
    found = {name: environment[variable] for variable, name in VARIABLES.items() if environment.get(variable)}
    for name, value in found.items():
        remember(name, value)
    for where, pairs in ("KCA_PROPERTIES", environment.get("KCA_PROPERTIES", "").split()), ("-X", properties or []):
        for number, pair in enumerate(pairs, 1):
            name, is_pair, value = pair.partition("=")
            if not is_pair:  # it may be a part of a password
                raise Wrong(f"{where} must be NAME=VALUE, and number {number} has no =")
            remember(name.strip(), value)
            found[name.strip()] = value
    for alias in "bootstrap.servers", "metadata.broker.list":
        told = found.pop(alias, None)
        brokers = brokers or told
    remember("brokers", brokers or "")
    if not brokers:
        raise Wrong("which cluster? -b HOST:PORT, or the environment variable KCA_BROKERS")
    named = {name: option_named(name) for name in found}
    options = {option: found.pop(name) for name, option in named.items() if option}
    return Settings(brokers, found, options, verbosity, timeout)


@contextmanager
def started(system: kca.System, timeout_ms: int) -> Iterator[kca.System]:
    """The system, started and shut down again."""
    system.start(timeout_ms)
    try:
        yield system
    finally:
        system.shutdown(timeout_ms)


def complete_topic(ctx: typer.Context, incomplete: str) -> list[str]:
    """Topics of the cluster for the shell's completion; none when the cluster does not answer soon."""
    with suppress(Exception):
        settings = settings_of(ctx.params.get("brokers"), ctx.params.get("properties"), 0, 2.0)
        with settings.system() as system:
            topics = system.describe_cluster(CONNECTION, timeout_ms=2000)["topics"]
        return [t["name"] for t in topics if t["name"].startswith(incomplete)]
    return []


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()
