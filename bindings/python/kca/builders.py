"""Declarations: options are keyword arguments, or `with_` methods of the same names that chain.

    PublisherBuilder("kafka", "orders", required_acks=-1, linger_ms=0)
    PublisherBuilder("kafka", "orders").with_required_acks(-1).with_linger_ms(0)

Options that may be repeated take a list, or one value: `retry_delay_ms=[100, 1000]`. A wrong keyword argument is raised
at once, and so is a wrong type; a wrong value of a `with_` method is kept as the object's first failure, and adding the
object to a system raises it. What each option means, and which property of librdkafka it stands for, says kca_abi.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _kca
from .errors import Error
from .options import Declared, checked

# Of a keyword argument: None leaves the option as it is.
_Properties = Mapping[str, str] | None


def _calls(value: Any) -> list[Any]:
    """The arguments of each call of the option's method."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list):
        return [(each,) for each in value]
    return [value if isinstance(value, tuple) else (value,)]


def _take(builder: Any, options: dict[str, Any], positional: set[str], failure: Any) -> None:
    """Calls the `with_` method of each option that is given; raises the first failure."""
    for option, value in options.items():
        if value is not None and option not in positional:
            for arguments in _calls(value):
                getattr(builder, f"with_{option.removesuffix('_')}")(*arguments)
    error: Error | None = failure(builder._handle)
    if error is not None:
        raise error


@checked
class Connection(Declared):
    """A cluster and how to reach it.

    Args:
        name: publishers and consumers refer to it by this.
        hosts: "host:port,host:port", or "embedded://" for a broker inside this process, for trying out and tests.
        tls: True: TLS by the machine's list of authorities; a text: the authority's file or PEM text; a tuple: the
            arguments of `with_tls`.
        sasl: mechanism, user and password.
    """

    def __init__(
        self,
        name: str,
        hosts: str,
        *,
        tls: bool | str | tuple[str | None, str | None, str | None] | None = None,
        tls_key_password: str | None = None,
        sasl: tuple[str, str, str] | None = None,
        property: _Properties = None,
    ) -> None:
        if isinstance(tls, bool):
            tls = (None, None, None) if tls else None
        given = locals()
        self.name = name
        self._begin("connection", _kca.kca_connection_new, name=name, hosts=hosts)
        _take(self, given, {"self", "name", "hosts"}, _kca.kca_connection_error)

    def with_tls(self, ca: str | None = None, certificate: str | None = None, key: str | None = None) -> Connection:
        """TLS; each is a file's path or PEM text, None leaves it out."""
        _kca.kca_connection_with_tls(self._handle, ca, certificate, key)
        return self

    def with_tls_key_password(self, password: str) -> Connection:
        """Password of the TLS key."""
        _kca.kca_connection_with_tls_key_password(self._handle, password)
        return self

    def with_sasl(self, mechanism: str, user: str, password: str) -> Connection:
        """SASL: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"."""
        _kca.kca_connection_with_sasl(self._handle, mechanism, user, password)
        return self

    def with_property(self, name: str, value: str) -> Connection:
        """Any other property of librdkafka."""
        _kca.kca_connection_with_property(self._handle, name, value)
        return self


@checked
class PublisherBuilder(Declared):
    """A publisher (outbound channel adapter) of `topic` over the connection of that name."""

    def __init__(
        self,
        connection: str,
        topic: str,
        *,
        max_attempts: int | None = None,
        batch_size: int | None = None,
        batch_bytes: int | None = None,
        async_: bool | None = None,
        required_acks: int | None = None,
        reply_channel: str | None = None,
        compression: str | None = None,
        linger_ms: int | None = None,
        idempotence: bool | None = None,
        buffer_messages: int | None = None,
        buffer_bytes: int | None = None,
        buffer_timeout_ms: int | None = None,
        background: bool | None = None,
        property: _Properties = None,
    ) -> None:
        given = locals()
        self._begin("publisher", _kca.kca_publisher_builder_new, connection=connection, topic=topic)
        self.topic = topic
        # What a system of kca.asyncio does itself.
        self._asynchronous = True
        self._buffer_timeout_ms = 10000
        _take(self, given, {"self", "connection", "topic"}, _kca.kca_publisher_builder_error)

    def with_max_attempts(self, attempts: int) -> PublisherBuilder:
        """Times a message is sent before it fails: 10."""
        _kca.kca_publisher_builder_with_max_attempts(self._handle, attempts)
        return self

    def with_batch_size(self, messages: int) -> PublisherBuilder:
        """Messages per batch: 100."""
        _kca.kca_publisher_builder_with_batch_size(self._handle, messages)
        return self

    def with_batch_bytes(self, size: int) -> PublisherBuilder:
        """Largest batch, and so the largest message: 1 MiB."""
        _kca.kca_publisher_builder_with_batch_bytes(self._handle, size)
        return self

    def with_async(self, asynchronous: bool) -> PublisherBuilder:
        """Whether publish returns once the message is buffered, and a receipt follows: True."""
        self._asynchronous = asynchronous
        _kca.kca_publisher_builder_with_async(self._handle, asynchronous)
        return self

    def with_required_acks(self, acks: int) -> PublisherBuilder:
        """0 none (default), 1 the partition's leader, -1 all in-sync replicas."""
        _kca.kca_publisher_builder_with_required_acks(self._handle, acks)
        return self

    def with_reply_channel(self, channel: str) -> PublisherBuilder:
        """Channel that replies are to go to: none."""
        _kca.kca_publisher_builder_with_reply_channel(self._handle, channel)
        return self

    def with_compression(self, codec: str) -> PublisherBuilder:
        """Codec: "none" (default), "gzip", "snappy", "lz4" or "zstd"."""
        _kca.kca_publisher_builder_with_compression(self._handle, codec)
        return self

    def with_linger_ms(self, linger_ms: int) -> PublisherBuilder:
        """Time that a message may wait for its batch to fill: 5."""
        _kca.kca_publisher_builder_with_linger_ms(self._handle, linger_ms)
        return self

    def with_idempotence(self, idempotence: bool) -> PublisherBuilder:
        """Whether the broker drops the duplicates that retries make: False."""
        _kca.kca_publisher_builder_with_idempotence(self._handle, idempotence)
        return self

    def with_buffer_messages(self, messages: int) -> PublisherBuilder:
        """Most messages under way: 2000."""
        _kca.kca_publisher_builder_with_buffer_messages(self._handle, messages)
        return self

    def with_buffer_bytes(self, size: int) -> PublisherBuilder:
        """Most payload and key bytes under way: 32 MiB."""
        _kca.kca_publisher_builder_with_buffer_bytes(self._handle, size)
        return self

    def with_buffer_timeout_ms(self, timeout_ms: int) -> PublisherBuilder:
        """How long publish waits while the buffer is full: 10000; -1 for ever."""
        self._buffer_timeout_ms = timeout_ms
        _kca.kca_publisher_builder_with_buffer_timeout_ms(self._handle, timeout_ms)
        return self

    def with_background(self, background: bool) -> PublisherBuilder:
        """True: publish only copies the message, a thread of the library hands it over a millisecond later. False."""
        _kca.kca_publisher_builder_with_background(self._handle, background)
        return self

    def with_property(self, name: str, value: str) -> PublisherBuilder:
        """Any other property of librdkafka."""
        _kca.kca_publisher_builder_with_property(self._handle, name, value)
        return self


@checked
class ConsumerBuilder(Declared):
    """A consumer (inbound channel adapter) of `topic`; `consumer` is its name and its group."""

    def __init__(
        self,
        connection: str,
        topic: str,
        consumer: str,
        *,
        partition: int | None = None,
        group_topic: str | list[str] | None = None,
        queue_capacity: int | None = None,
        min_bytes: int | None = None,
        max_bytes: int | None = None,
        max_wait_ms: int | None = None,
        read_batch_timeout_ms: int | None = None,
        heartbeat_interval_ms: int | None = None,
        commit_interval_ms: int | None = None,
        partition_watch_interval_ms: int | None = None,
        watch_partition_changes: bool | None = None,
        start_offset: str | None = None,
        isolation_level: str | None = None,
        session_timeout_ms: int | None = None,
        rebalance_timeout_ms: int | None = None,
        group_id: str | None = None,
        failure_policy: str | None = None,
        group_instance_id: str | None = None,
        assignment_strategy: str | None = None,
        order: str | None = None,
        max_attempts: int | None = None,
        retry_backoff_ms: int | None = None,
        retry_backoff_multiplier: float | None = None,
        retry_backoff_max_ms: int | None = None,
        retry_jitter_percent: int | None = None,
        retry_delay_ms: int | list[int] | None = None,
        rejected_error: str | list[str] | None = None,
        dead_letter_channel: str | None = None,
        dead_letter_format: str | None = None,
        timeout_policy: str | None = None,
        deduplication: int | None = None,
        transactional_id: str | None = None,
        transaction_timeout_ms: int | None = None,
        property: _Properties = None,
    ) -> None:
        given = locals()
        self._begin("consumer", _kca.kca_consumer_builder_new, connection=connection, topic=topic, consumer=consumer)
        _take(self, given, {"self", "connection", "topic", "consumer"}, _kca.kca_consumer_builder_error)

    def with_partition(self, partition: int) -> ConsumerBuilder:
        """Read this partition only, without a group; `PARTITION_ASSIGNED` (default): all that the group assigns;
        `PARTITION_EVERY`: every one that there is, without a group.
        """
        _kca.kca_consumer_builder_with_partition(self._handle, partition)
        return self

    def with_group_topic(self, topic: str) -> ConsumerBuilder:
        """Read this topic too; repeatable."""
        _kca.kca_consumer_builder_with_group_topic(self._handle, topic)
        return self

    def with_queue_capacity(self, records: int) -> ConsumerBuilder:
        """Most records held: 1000."""
        _kca.kca_consumer_builder_with_queue_capacity(self._handle, records)
        return self

    def with_min_bytes(self, size: int) -> ConsumerBuilder:
        """The broker waits for this much: 1."""
        _kca.kca_consumer_builder_with_min_bytes(self._handle, size)
        return self

    def with_max_bytes(self, size: int) -> ConsumerBuilder:
        """Most bytes of one fetch: 1 MiB."""
        _kca.kca_consumer_builder_with_max_bytes(self._handle, size)
        return self

    def with_max_wait_ms(self, max_wait_ms: int) -> ConsumerBuilder:
        """The broker waits for min_bytes at most this long: 100."""
        _kca.kca_consumer_builder_with_max_wait_ms(self._handle, max_wait_ms)
        return self

    def with_read_batch_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """A batch that takes longer to read is asked for again: 10000."""
        _kca.kca_consumer_builder_with_read_batch_timeout_ms(self._handle, timeout_ms)
        return self

    def with_heartbeat_interval_ms(self, interval_ms: int) -> ConsumerBuilder:
        """At most a third of the session timeout: 3000."""
        _kca.kca_consumer_builder_with_heartbeat_interval_ms(self._handle, interval_ms)
        return self

    def with_commit_interval_ms(self, interval_ms: int) -> ConsumerBuilder:
        """Finished work is committed this often: 5000."""
        _kca.kca_consumer_builder_with_commit_interval_ms(self._handle, interval_ms)
        return self

    def with_partition_watch_interval_ms(self, interval_ms: int) -> ConsumerBuilder:
        """How often new partitions are looked for: 300000."""
        _kca.kca_consumer_builder_with_partition_watch_interval_ms(self._handle, interval_ms)
        return self

    def with_watch_partition_changes(self, watch: bool) -> ConsumerBuilder:
        """Whether new partitions are looked for."""
        _kca.kca_consumer_builder_with_watch_partition_changes(self._handle, watch)
        return self

    def with_start_offset(self, start: str) -> ConsumerBuilder:
        """Where a new group begins: "earliest" (default), "latest", or ms since 1970."""
        _kca.kca_consumer_builder_with_start_offset(self._handle, start)
        return self

    def with_isolation_level(self, level: str) -> ConsumerBuilder:
        """Isolation level: "read_committed" (default) or "read_uncommitted"."""
        _kca.kca_consumer_builder_with_isolation_level(self._handle, level)
        return self

    def with_session_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """The group takes a silent member for dead after this: 45000."""
        _kca.kca_consumer_builder_with_session_timeout_ms(self._handle, timeout_ms)
        return self

    def with_rebalance_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """How long the group waits for its members: 300000."""
        _kca.kca_consumer_builder_with_rebalance_timeout_ms(self._handle, timeout_ms)
        return self

    def with_group_id(self, group_id: str) -> ConsumerBuilder:
        """The group on the broker when it must differ from the consumer's name."""
        _kca.kca_consumer_builder_with_group_id(self._handle, group_id)
        return self

    def with_failure_policy(self, policy: str) -> ConsumerBuilder:
        """When a delivery has failed for good: "stop" (default) or "skip"."""
        _kca.kca_consumer_builder_with_failure_policy(self._handle, policy)
        return self

    def with_group_instance_id(self, instance: str) -> ConsumerBuilder:
        """This member's name over restarts: it gets its partitions back without disturbing the others."""
        _kca.kca_consumer_builder_with_group_instance_id(self._handle, instance)
        return self

    def with_assignment_strategy(self, strategy: str) -> ConsumerBuilder:
        """How partitions are dealt: "range,roundrobin", "range", "roundrobin" or "cooperative-sticky"."""
        _kca.kca_consumer_builder_with_assignment_strategy(self._handle, strategy)
        return self

    def with_order(self, order: str) -> ConsumerBuilder:
        """What is handled one after another: "key" (default), "partition" or "none"."""
        _kca.kca_consumer_builder_with_order(self._handle, order)
        return self

    def with_max_attempts(self, attempts: int) -> ConsumerBuilder:
        """Times that a delivery is handled before it has failed for good: 1; 0: without end."""
        _kca.kca_consumer_builder_with_max_attempts(self._handle, attempts)
        return self

    def with_retry_backoff_ms(self, backoff_ms: int) -> ConsumerBuilder:
        """Pause before the second attempt: 100."""
        _kca.kca_consumer_builder_with_retry_backoff_ms(self._handle, backoff_ms)
        return self

    def with_retry_backoff_multiplier(self, multiplier: float) -> ConsumerBuilder:
        """By what the pause grows: 2.0."""
        _kca.kca_consumer_builder_with_retry_backoff_multiplier(self._handle, multiplier)
        return self

    def with_retry_backoff_max_ms(self, backoff_ms: int) -> ConsumerBuilder:
        """The longest pause: 30000."""
        _kca.kca_consumer_builder_with_retry_backoff_max_ms(self._handle, backoff_ms)
        return self

    def with_retry_jitter_percent(self, percent: int) -> ConsumerBuilder:
        """How far a pause is spread at random: 20."""
        _kca.kca_consumer_builder_with_retry_jitter_percent(self._handle, percent)
        return self

    def with_retry_delay_ms(self, delay_ms: int) -> ConsumerBuilder:
        """One more pause of a list, in place of the backoff; repeatable."""
        _kca.kca_consumer_builder_with_retry_delay_ms(self._handle, delay_ms)
        return self

    def with_rejected_error(self, error_name: str) -> ConsumerBuilder:
        """A failure of this name, such as that of an exception's class, is not tried again; repeatable."""
        _kca.kca_consumer_builder_with_rejected_error(self._handle, error_name)
        return self

    def with_dead_letter_channel(self, channel: str) -> ConsumerBuilder:
        """Where deliveries go that have failed for good: the channel of a publisher."""
        _kca.kca_consumer_builder_with_dead_letter_channel(self._handle, channel)
        return self

    def with_dead_letter_format(self, dead_letter_format: str) -> ConsumerBuilder:
        """How dead letters are written: "kca" (default), "spring" or "gomes"."""
        _kca.kca_consumer_builder_with_dead_letter_format(self._handle, dead_letter_format)
        return self

    def with_timeout_policy(self, policy: str) -> ConsumerBuilder:
        """While a late handler runs, its key's next: "wait" (default) or "abandon" it."""
        _kca.kca_consumer_builder_with_timeout_policy(self._handle, policy)
        return self

    def with_deduplication(self, messages: int) -> ConsumerBuilder:
        """Ids of messages that were done to remember: a message whose id comes again is not handled; 0: none."""
        _kca.kca_consumer_builder_with_deduplication(self._handle, messages)
        return self

    def with_transactional_id(self, transactional_id: str) -> ConsumerBuilder:
        """Exactly once: what deliveries publish is committed with their offsets; this process' name for it."""
        _kca.kca_consumer_builder_with_transactional_id(self._handle, transactional_id)
        return self

    def with_transaction_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """The broker aborts a transaction that lasts longer: 60000."""
        _kca.kca_consumer_builder_with_transaction_timeout_ms(self._handle, timeout_ms)
        return self

    def with_property(self, name: str, value: str) -> ConsumerBuilder:
        """Any other property of librdkafka."""
        _kca.kca_consumer_builder_with_property(self._handle, name, value)
        return self


@checked
class RedriveBuilder(Declared):
    """A redrive: dead letters of `topic`, published again to where they came from; see `System.redrive`."""

    def __init__(
        self,
        connection: str,
        topic: str,
        *,
        group_id: str | None = None,
        to_topic: str | None = None,
        max_messages: int | None = None,
        start_time_ms: int | None = None,
        end_time_ms: int | None = None,
        only_topic: str | list[str] | None = None,
        only_error: str | list[str] | None = None,
        max_redrives: int | None = None,
        dry_run: bool | None = None,
    ) -> None:
        given = locals()
        self._begin("redrive", _kca.kca_redrive_new, connection=connection, topic=topic)
        _take(self, given, {"self", "connection", "topic"}, _kca.kca_redrive_error)

    def with_group_id(self, group_id: str) -> RedriveBuilder:
        """The group that remembers how far it came: "<topic>.redrive"."""
        _kca.kca_redrive_with_group_id(self._handle, group_id)
        return self

    def with_to_topic(self, topic: str) -> RedriveBuilder:
        """Publishes to this topic; default: to the one that each came from, which Gomes' own do not say."""
        _kca.kca_redrive_with_to_topic(self._handle, topic)
        return self

    def with_max_messages(self, messages: int) -> RedriveBuilder:
        """Most messages to publish in one call; 0 (default): all."""
        _kca.kca_redrive_with_max_messages(self._handle, messages)
        return self

    def with_start_time_ms(self, ms_since_1970: int) -> RedriveBuilder:
        """Only dead letters that were written at or after this time."""
        _kca.kca_redrive_with_start_time_ms(self._handle, ms_since_1970)
        return self

    def with_end_time_ms(self, ms_since_1970: int) -> RedriveBuilder:
        """Only dead letters that were written before this time."""
        _kca.kca_redrive_with_end_time_ms(self._handle, ms_since_1970)
        return self

    def with_only_topic(self, topic: str) -> RedriveBuilder:
        """Only dead letters that came from this topic; repeatable."""
        _kca.kca_redrive_with_only_topic(self._handle, topic)
        return self

    def with_only_error(self, error_name: str) -> RedriveBuilder:
        """Only dead letters with this error name, such as that of an exception's class; repeatable."""
        _kca.kca_redrive_with_only_error(self._handle, error_name)
        return self

    def with_max_redrives(self, redrives: int) -> RedriveBuilder:
        """A message that was redriven so many times already stays where it is: 3."""
        _kca.kca_redrive_with_max_redrives(self._handle, redrives)
        return self

    def with_dry_run(self, dry_run: bool) -> RedriveBuilder:
        """Whether it only looks, and the report says what would be: True."""
        _kca.kca_redrive_with_dry_run(self._handle, dry_run)
        return self
