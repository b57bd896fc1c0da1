"""Connection: declared as the builders are, but its options take several values each."""

from __future__ import annotations

from typing import Literal

from . import _kca
from .options import Declared, Properties, checked, take


@checked
class Connection(Declared):
    """A cluster and how to reach it.

    Args:
        name: publishers and consumers refer to it by this.
        hosts: "host:port,host:port", or "embedded://" for a broker inside this process, for trying out and tests.
        tls: True: TLS by the machine's list of authorities; a text: the authority's file or PEM text; a tuple: the
            arguments of `with_tls`.
        sasl: mechanism, user and password.
        unencrypted_sasl: see `with_unencrypted_sasl`.
        fault_after_ms: see `with_fault_after_ms`.
    """

    def __init__(
        self,
        name: str,
        hosts: str,
        *,
        tls: bool | str | tuple[str | None, str | None, str | None] | None = None,
        tls_key_password: str | None = None,
        sasl: tuple[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], str, str] | None = None,
        unencrypted_sasl: bool | None = None,
        fault_after_ms: int | None = None,
        property: Properties | None = None,
    ) -> None:
        if isinstance(tls, bool):
            tls = (None, None, None) if tls else None
        given = locals()
        self.name = name
        self._begin("connection", _kca.kca_connection_new, name=name, hosts=hosts)
        take(self, given, _kca.kca_connection_error)

    def with_tls(self, ca: str | None = None, certificate: str | None = None, key: str | None = None) -> Connection:
        """TLS; each is a file's path or PEM text, None leaves it out."""
        _kca.kca_connection_with_tls(self._handle, ca, certificate, key)
        return self

    def with_tls_key_password(self, password: str) -> Connection:
        """Password of the TLS key."""
        _kca.kca_connection_with_tls_key_password(self._handle, password)
        return self

    def with_sasl(
        self, mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], user: str, password: str
    ) -> Connection:
        """SASL: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"."""
        _kca.kca_connection_with_sasl(self._handle, mechanism, user, password)
        return self

    def with_unencrypted_sasl(self, allowed: bool) -> Connection:
        """Whether SASL PLAIN may send its password without TLS, readable by who sees the network; default False."""
        _kca.kca_connection_with_unencrypted_sasl(self._handle, allowed)
        return self

    def with_fault_after_ms(self, after_ms: int) -> Connection:
        """How long it, or a consumer over it, may be in trouble before a fault tells; 0: for ever; default 30000."""
        _kca.kca_connection_with_fault_after_ms(self._handle, after_ms)
        return self

    def with_property(self, name: str, value: str) -> Connection:
        """Any other property of librdkafka."""
        _kca.kca_connection_with_property(self._handle, name, value)
        return self
