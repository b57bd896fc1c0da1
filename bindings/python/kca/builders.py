"""Builders: options are keyword arguments, or `with_` methods of the same names that chain.

    PublisherBuilder("kafka", "orders", required_acks=-1, linger_ms=0)
    PublisherBuilder("kafka", "orders").with_required_acks(-1).with_linger_ms(0)

Options that may be repeated take a list, or one value: `retry_delay_ms=[100, 1000]`. A wrong keyword argument is raised
at once, and so is a wrong type; a wrong value of a `with_` method is kept as the object's first failure, and adding the
object to a system raises it. A dotted name is the property of librdkafka that an option stands for.

Written by bindings/python/write_builders from abi/kca_abi.h and the option tables: not to be changed by hand.
"""

from __future__ import annotations

from typing import Literal

from . import _kca
from .options import Declared, Properties, checked, take


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
        read_replies: bool | None = None,
        compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] | None = None,
        linger_ms: int | None = None,
        idempotence: bool | None = None,
        buffer_messages: int | None = None,
        buffer_bytes: int | None = None,
        buffer_timeout_ms: int | None = None,
        background: bool | None = None,
        dialect: Literal["gomes", "cloudevents", "cloudevents-structured"] | None = None,
        delay_channel: str | list[str] | None = None,
        delay_channel_ms: int | list[int] | None = None,
        property: Properties | None = None,
    ) -> None:
        given = locals()
        self._begin("publisher", _kca.kca_publisher_builder_new, connection=connection, topic=topic)
        self.topic = topic
        take(self, given, _kca.kca_publisher_builder_error)

    def with_max_attempts(self, attempts: int) -> PublisherBuilder:
        """How often a message is sent before it fails; 1 to 1000000, default 10. message.send.max.retries = attempts -
        1, with librdkafka's backoff (retry.backoff.ms, 100 ms) between them. However many attempts are left, a message
        fails when message.timeout.ms (300,000 ms) is over.
        """
        _kca.kca_publisher_builder_with_max_attempts(self._handle, attempts)
        return self

    def with_batch_size(self, messages: int) -> PublisherBuilder:
        """Messages per batch; 1 to 1000000, default 100 (batch.num.messages)."""
        _kca.kca_publisher_builder_with_batch_size(self._handle, messages)
        return self

    def with_batch_bytes(self, size: int) -> PublisherBuilder:
        """Largest batch, and so the largest message; 1000 to 1000000000, default 1048576. batch.size and
        message.max.bytes. A larger message is refused with `TooLargeError`. The broker's own limit (message.max.bytes
        there, 1048588 by default) applies too.
        """
        _kca.kca_publisher_builder_with_batch_bytes(self._handle, size)
        return self

    def with_async(self, asynchronous: bool) -> PublisherBuilder:
        """True (default): `Bus.publish` returns once the message is buffered, and a receipt follows. False: it returns
        when the broker has answered; linger is then 0, so no batch timer delays it.
        """
        _kca.kca_publisher_builder_with_async(self._handle, asynchronous)
        return self

    def with_required_acks(self, acks: int) -> PublisherBuilder:
        """0 none (default), 1 the partition's leader, -1 all in-sync replicas (acks). With 0 no broker confirms
        anything: records may be lost unnoticed, and the library logs a warning at start. If it is 0 because nobody set
        it, and no log is switched on, a line on stderr warns of it at the publisher's first start.
        """
        _kca.kca_publisher_builder_with_required_acks(self._handle, acks)
        return self

    def with_reply_channel(self, channel: str) -> PublisherBuilder:
        """The channel for replies: header `replyTo` of every message that sets none itself. Default none. A started
        system reads it for `Bus.send`, unless read_replies is 0: all of its partitions, from their ends, without a
        group, by one reader for each connection and channel. A channel that this user may not read is told of by a
        fault.
        """
        _kca.kca_publisher_builder_with_reply_channel(self._handle, channel)
        return self

    def with_read_replies(self, read_replies: bool) -> PublisherBuilder:
        """False: the reply channel is not read here: another process reads it. Default True."""
        _kca.kca_publisher_builder_with_read_replies(self._handle, read_replies)
        return self

    def with_compression(self, codec: Literal["none", "gzip", "snappy", "lz4", "zstd"]) -> PublisherBuilder:
        """Compression: "none" (default), "gzip", "snappy", "lz4" or "zstd" (compression.codec)."""
        _kca.kca_publisher_builder_with_compression(self._handle, codec)
        return self

    def with_linger_ms(self, linger_ms: int) -> PublisherBuilder:
        """How long a message may wait for its batch to fill; 0 to 900000, default 5; always 0 when not async
        (linger.ms).
        """
        _kca.kca_publisher_builder_with_linger_ms(self._handle, linger_ms)
        return self

    def with_idempotence(self, idempotence: bool) -> PublisherBuilder:
        """True: the broker drops the duplicates that retries cause, and keeps the messages in order
        (enable.idempotence); needs required_acks -1 and max_attempts of at least 2. Default False.
        """
        _kca.kca_publisher_builder_with_idempotence(self._handle, idempotence)
        return self

    def with_buffer_messages(self, messages: int) -> PublisherBuilder:
        """Most messages under way: buffered, sent and not answered, or answered with a receipt that the application has
        not freed yet; 1 to 10000000, default 2000. Bounds the memory; the default keeps it in the processor's cache.
        """
        _kca.kca_publisher_builder_with_buffer_messages(self._handle, messages)
        return self

    def with_buffer_bytes(self, size: int) -> PublisherBuilder:
        """Most payload and key bytes under way; 1000 to 2000000000, default 33554432 (32 MiB)."""
        _kca.kca_publisher_builder_with_buffer_bytes(self._handle, size)
        return self

    def with_buffer_timeout_ms(self, timeout_ms: int) -> PublisherBuilder:
        """How long `Bus.publish` waits while the buffer is full, before it returns `BufferFullError`; -1 for ever, 0
        not at all (for event loops), default 10000.
        """
        _kca.kca_publisher_builder_with_buffer_timeout_ms(self._handle, timeout_ms)
        return self

    def with_background(self, background: bool) -> PublisherBuilder:
        """True: `Bus.publish` only copies the message, and a thread of the library hands it to librdkafka about a
        millisecond later: for event loops. If librdkafka then refuses the message (because of its headers' size, for
        example), that becomes a failed receipt, or a fault when the token is 0. Counts only when async. Default False.
        """
        _kca.kca_publisher_builder_with_background(self._handle, background)
        return self

    def with_dialect(self, dialect: Literal["gomes", "cloudevents", "cloudevents-structured"]) -> PublisherBuilder:
        """The form of the records: "gomes" (default), headers of Gomes; "cloudevents" or "cloudevents-structured",
        CloudEvents 1.0 in the binary or structured mode of its Kafka binding. There a message's id, origin, name and
        time are the event's id, source, type and time; its correlation id, version, type, channel, channel for replies
        and trace context are the extension attributes correlationid, version, messagetype, channelname, replyto,
        traceparent and tracestate. A custom header ce_<name> is the extension attribute <name>, and content-type is the
        payload's type (datacontenttype), by default application/json; other custom headers stay headers of the record.
        The trace context is also written as headers traceparent and tracestate. A message without a name gets its
        type's word, Document for example, as the event's type. In structured mode the payload becomes `data` as it
        stands, if it is JSON; a text, if content-type is text/...; else data_base64. A raw message is written as it is.
        """
        _kca.kca_publisher_builder_with_dialect(self._handle, dialect)
        return self

    def with_delay_channel(self, channel: str) -> PublisherBuilder:
        """For messages that are to be delivered later (`deliver_at` of `Bus.publish`): adds a topic that they wait in,
        and for how long at a time, 0 to 604800000 (7 days); each repeatable, as many of the one as of the other, in the
        same order. Such a message goes to the longest that fits what is left, and from there to the next, until its
        time has come; each is read and relayed by a consumer with `relay`. What is left when it is less than the
        shortest is waited for in the shortest: a message is late by that at most, beside its way. So 1 s, 1 min, 1 h
        and 1 day bring a message of next month in at most 30 + 23 + 59 + 59 hops and by the second. Records of one
        topic wait for one another, which is why one topic cannot hold them all. All 0: nothing waits, for tests.
        Publishers that share a channel must give it one delay: start refuses others. The topics get the publisher's
        settings, over its connection.
        """
        _kca.kca_publisher_builder_with_delay_channel(self._handle, channel)
        return self

    def with_delay_channel_ms(self, delay_ms: int) -> PublisherBuilder:
        """For messages that are to be delivered later (`deliver_at` of `Bus.publish`): adds a topic that they wait in,
        and for how long at a time, 0 to 604800000 (7 days); each repeatable, as many of the one as of the other, in the
        same order. Such a message goes to the longest that fits what is left, and from there to the next, until its
        time has come; each is read and relayed by a consumer with `relay`. What is left when it is less than the
        shortest is waited for in the shortest: a message is late by that at most, beside its way. So 1 s, 1 min, 1 h
        and 1 day bring a message of next month in at most 30 + 23 + 59 + 59 hops and by the second. Records of one
        topic wait for one another, which is why one topic cannot hold them all. All 0: nothing waits, for tests.
        Publishers that share a channel must give it one delay: start refuses others. The topics get the publisher's
        settings, over its connection.
        """
        _kca.kca_publisher_builder_with_delay_channel_ms(self._handle, delay_ms)
        return self

    def with_property(self, name: str, value: str) -> PublisherBuilder:
        """Any other librdkafka property; see `Connection.with_property`."""
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
        delay_ms: int | None = None,
        partition_watch_interval_ms: int | None = None,
        watch_partition_changes: bool | None = None,
        start_offset: str | None = None,
        isolation_level: Literal["read_committed", "read_uncommitted"] | None = None,
        session_timeout_ms: int | None = None,
        rebalance_timeout_ms: int | None = None,
        group_id: str | None = None,
        group_instance_id: str | None = None,
        assignment_strategy: Literal["range,roundrobin", "range", "roundrobin", "cooperative-sticky"] | None = None,
        group_protocol: Literal["classic", "consumer"] | None = None,
        group_remote_assignor: Literal["uniform", "range"] | None = None,
        order: Literal["key", "partition", "none"] | None = None,
        max_attempts: int | None = None,
        retry_backoff_ms: int | None = None,
        retry_backoff_multiplier: float | None = None,
        retry_backoff_max_ms: int | None = None,
        retry_jitter_percent: int | None = None,
        retry_delay_ms: int | list[int] | None = None,
        rejected_error: str | list[str] | None = None,
        retry_channel: str | list[str] | None = None,
        dead_letter_channel: str | None = None,
        dead_letter_format: Literal["kca", "spring", "gomes"] | None = None,
        park: bool | None = None,
        park_max_keys: int | None = None,
        park_max_ms: int | None = None,
        failure_policy: Literal["stop", "skip"] | None = None,
        timeout_policy: Literal["wait", "abandon"] | None = None,
        reply: bool | None = None,
        relay: bool | None = None,
        deduplication: int | None = None,
        transactional_id: str | None = None,
        transaction_timeout_ms: int | None = None,
        dialect: Literal["gomes", "cloudevents"] | None = None,
        property: Properties | None = None,
    ) -> None:
        given = locals()
        self._begin("consumer", _kca.kca_consumer_builder_new, connection=connection, topic=topic, consumer=consumer)
        take(self, given, _kca.kca_consumer_builder_error)

    def with_partition(self, partition: int) -> ConsumerBuilder:
        """Read only this partition, 0 or above, of the one topic. Default `PARTITION_ASSIGNED`: all that the group
        assigns. With a partition the consumer joins no group, but commits under its group id; with one processor the
        order is total. `PARTITION_EVERY`: read every partition that the topics have when the consumer begins, also
        without joining a group: for tests and tools, which need not wait for a rebalance. If a topic does not exist
        then, the consumer ends with `NotFoundError`.
        """
        _kca.kca_consumer_builder_with_partition(self._handle, partition)
        return self

    def with_group_topic(self, topic: str) -> ConsumerBuilder:
        """Also reads this topic (document: multiple topics). Repeatable."""
        _kca.kca_consumer_builder_with_group_topic(self._handle, topic)
        return self

    def with_queue_capacity(self, records: int) -> ConsumerBuilder:
        """Most records held; 1 to 10000000, default 1000. Bounds the records that are out or wait for their key's turn;
        librdkafka prefetches as many more (queued.min.messages), but no more bytes than max_bytes or 4 MiB, whichever
        is larger (queued.max.messages.kbytes).
        """
        _kca.kca_consumer_builder_with_queue_capacity(self._handle, records)
        return self

    def with_min_bytes(self, size: int) -> ConsumerBuilder:
        """The broker answers a fetch once it has this much; 1 to 100000000, default 1 (fetch.min.bytes)."""
        _kca.kca_consumer_builder_with_min_bytes(self._handle, size)
        return self

    def with_max_bytes(self, size: int) -> ConsumerBuilder:
        """Most bytes of one fetch; 1000 to 1000000000, default 1048576. fetch.max.bytes and max.partition.fetch.bytes;
        the broker still sends a first record that is larger.
        """
        _kca.kca_consumer_builder_with_max_bytes(self._handle, size)
        return self

    def with_max_wait_ms(self, max_wait_ms: int) -> ConsumerBuilder:
        """Longest that the broker waits for min_bytes; 1 to 60000, default 100 (fetch.wait.max.ms)."""
        _kca.kca_consumer_builder_with_max_wait_ms(self._handle, max_wait_ms)
        return self

    def with_read_batch_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """A batch that takes longer to read is given up and asked for again; 2000 to 300000, default 10000, at least
        max_wait_ms + 1000. Nearest in librdkafka: socket.timeout.ms, which limits every request of the consumer.
        """
        _kca.kca_consumer_builder_with_read_batch_timeout_ms(self._handle, timeout_ms)
        return self

    def with_heartbeat_interval_ms(self, interval_ms: int) -> ConsumerBuilder:
        """How often the consumer tells the group that it is alive; 1 to 3600000, default 3000, at most a third of the
        session timeout (heartbeat.interval.ms).
        """
        _kca.kca_consumer_builder_with_heartbeat_interval_ms(self._handle, interval_ms)
        return self

    def with_commit_interval_ms(self, interval_ms: int) -> ConsumerBuilder:
        """Finished work is committed this often, and also at rebalances and at the end; 0 to 86400000, default 5000.
        kca commits itself (librdkafka's enable.auto.commit is off), and only what is settled. 0: never commits, for
        tools that only look: reading begins at start_offset, whatever the group has committed, and leaves no trace in
        the group. 0 is not allowed with a transactional_id.
        """
        _kca.kca_consumer_builder_with_commit_interval_ms(self._handle, interval_ms)
        return self

    def with_delay_ms(self, delay_ms: int) -> ConsumerBuilder:
        """A record is given out when its own time plus this has come, not before; 0 to 604800000 (7 days), default 0.
        One whose time lies in the future counts as of now. Meanwhile its partition's later records stay in librdkafka's
        queue and take no room from other partitions; a restart changes nothing, but for records of the future. The
        topic's retention must be longer. Order is kept as without it.
        """
        _kca.kca_consumer_builder_with_delay_ms(self._handle, delay_ms)
        return self

    def with_partition_watch_interval_ms(self, interval_ms: int) -> ConsumerBuilder:
        """How often new partitions are looked for, with watch_partition_changes 1; 10 to 700000, default 300000 (5 min)
        (topic.metadata.refresh.interval.ms).
        """
        _kca.kca_consumer_builder_with_partition_watch_interval_ms(self._handle, interval_ms)
        return self

    def with_watch_partition_changes(self, watch: bool) -> ConsumerBuilder:
        """True: new partitions are looked for every partition_watch_interval_ms. False (default): they are not looked
        for; as librdkafka cannot ignore them for ever, it still finds them within 12 minutes.
        """
        _kca.kca_consumer_builder_with_watch_partition_changes(self._handle, watch)
        return self

    def with_start_offset(self, start: str) -> ConsumerBuilder:
        """Where a group without a committed offset begins: "earliest" (default), "latest", or at the first record at or
        after a time, given in milliseconds since 1970 as text ("1767225600000"). "latest" and a time are found once,
        when the group begins to read the topic, and committed before the first record is handled: a restart or another
        member goes on from there. A partition that is added later is read from its first record. With
        commit_interval_ms 0 nothing is committed, and each start finds them anew. When a committed offset is out of
        range, for example after retention, reading goes on at the earliest record left, whatever this option says: none
        that is left is skipped, and a fault with `OffsetError` tells what is gone.
        """
        _kca.kca_consumer_builder_with_start_offset(self._handle, start)
        return self

    def with_isolation_level(self, level: Literal["read_committed", "read_uncommitted"]) -> ConsumerBuilder:
        """Isolation level: "read_committed" (default) or "read_uncommitted" (isolation.level)."""
        _kca.kca_consumer_builder_with_isolation_level(self._handle, level)
        return self

    def with_session_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """The group considers a member dead when it has heard nothing from it for this long; 1000 to 3600000, default
        45000 (session.timeout.ms).
        """
        _kca.kca_consumer_builder_with_session_timeout_ms(self._handle, timeout_ms)
        return self

    def with_rebalance_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """How long the group waits for its members in a rebalance; 1000 to 86400000, default 300000, not below the
        session timeout. max.poll.interval.ms, which librdkafka also sends as the rebalance timeout. Handlers may take
        longer, for kca polls all the time. Before a partition is given away, handlers still running get up to half of
        this timeout (30 s at most) to finish.
        """
        _kca.kca_consumer_builder_with_rebalance_timeout_ms(self._handle, timeout_ms)
        return self

    def with_group_id(self, group_id: str) -> ConsumerBuilder:
        """The group on the broker when it must differ from the consumer's name (Gomes: "<connection>:<consumer>")."""
        _kca.kca_consumer_builder_with_group_id(self._handle, group_id)
        return self

    def with_group_instance_id(self, instance: str) -> ConsumerBuilder:
        """A name that this member keeps across restarts (static membership): if it is back within the session timeout,
        it gets its partitions back and no other member is disturbed. group.instance.id; default none.
        """
        _kca.kca_consumer_builder_with_group_instance_id(self._handle, instance)
        return self

    def with_assignment_strategy(
        self, strategy: Literal["range,roundrobin", "range", "roundrobin", "cooperative-sticky"]
    ) -> ConsumerBuilder:
        """How the group distributes its partitions: "range,roundrobin" (default), the first of the two that all members
        have, "range", "roundrobin", or "cooperative-sticky", which takes away only the partitions that another member
        gets, and needs librdkafka 2.6.1 or later. All members must have a strategy in common: the default is that of
        librdkafka and of Gomes, and the same with every librdkafka (partition.assignment.strategy).
        """
        _kca.kca_consumer_builder_with_assignment_strategy(self._handle, strategy)
        return self

    def with_group_protocol(self, protocol: Literal["classic", "consumer"]) -> ConsumerBuilder:
        """How members and broker speak of the group: "classic" (default), in which a member deals the partitions, or
        "consumer" (KIP-848), in which the broker does, and only partitions that change hands are given back. "consumer"
        needs librdkafka 2.12.0 or later and Kafka 4; while a group moves from one to the other its members may use
        both. With "consumer" the broker decides about session timeout and heartbeats: session_timeout_ms,
        heartbeat_interval_ms and assignment_strategy are refused (group.protocol).
        """
        _kca.kca_consumer_builder_with_group_protocol(self._handle, protocol)
        return self

    def with_group_remote_assignor(self, assignor: Literal["uniform", "range"]) -> ConsumerBuilder:
        """Which of the broker's assignors deals the partitions with the group protocol "consumer": "uniform" or
        "range"; default none: the broker chooses. Of several that members name, the broker takes the most frequent
        (group.remote.assignor).
        """
        _kca.kca_consumer_builder_with_group_remote_assignor(self._handle, assignor)
        return self

    def with_order(self, order: Literal["key", "partition", "none"]) -> ConsumerBuilder:
        """Which deliveries are handled one after another, in offset order: "key" (default): those of a partition with
        equal keys; records without a key run in any order. "partition": all of a partition. "none": any run side by
        side.
        """
        _kca.kca_consumer_builder_with_order(self._handle, order)
        return self

    def with_max_attempts(self, attempts: int) -> ConsumerBuilder:
        """Attempts per delivery before it has failed for good; 0: unlimited; up to 1000000. Default 1, or with a list
        of retry_delay_ms the number of delays plus 1.
        """
        _kca.kca_consumer_builder_with_max_attempts(self._handle, attempts)
        return self

    def with_retry_backoff_ms(self, backoff_ms: int) -> ConsumerBuilder:
        """Pause before the second attempt; 0 to 86400000, default 100. The multiplier makes it longer each time."""
        _kca.kca_consumer_builder_with_retry_backoff_ms(self._handle, backoff_ms)
        return self

    def with_retry_backoff_multiplier(self, multiplier: float) -> ConsumerBuilder:
        """Factor by which the pause grows; 1.0 to 100.0, default 2.0."""
        _kca.kca_consumer_builder_with_retry_backoff_multiplier(self._handle, multiplier)
        return self

    def with_retry_backoff_max_ms(self, backoff_ms: int) -> ConsumerBuilder:
        """The longest pause; 0 to 86400000, default 30000."""
        _kca.kca_consumer_builder_with_retry_backoff_max_ms(self._handle, backoff_ms)
        return self

    def with_retry_jitter_percent(self, percent: int) -> ConsumerBuilder:
        """How far a pause is lengthened or shortened at random, so that retries do not all come at once; 0 to 100 % of
        it, default 20.
        """
        _kca.kca_consumer_builder_with_retry_jitter_percent(self._handle, percent)
        return self

    def with_retry_delay_ms(self, delay_ms: int) -> ConsumerBuilder:
        """Adds a pause to a list that replaces the backoff (Gomes' list of retry delays); 0 to 86400000. Repeatable, up
        to 100 times: N pauses make N + 1 attempts; if max_attempts is higher, the last pause repeats. The jitter
        applies to these pauses too.
        """
        _kca.kca_consumer_builder_with_retry_delay_ms(self._handle, delay_ms)
        return self

    def with_rejected_error(self, error_name: str) -> ConsumerBuilder:
        """A delivery that failed with this error name (in Python the name of the exception's class) counts as rejected:
        it is not tried again. Repeatable. A delivery whose processing time is over has the error name "timeout", a
        message without a handler "unhandled".
        """
        _kca.kca_consumer_builder_with_rejected_error(self._handle, error_name)
        return self

    def with_retry_channel(self, channel: str) -> ConsumerBuilder:
        """Retries by way of topics, instead of waiting in the process: adds the channel of a publisher of this system,
        over the consumer's connection, with required_acks 1 or -1. Repeatable; N channels make N + 1 attempts. A
        delivery whose nth attempt failed is written to the nth channel, and its offset counts as done when the broker
        has confirmed that, as with a dead letter; so neither key nor memory is held while it waits, however long. The
        consumer reads these channels beside its own topics, in its own group, and hands the record out as the next
        attempt when its time has come, not before: that is the nth pause of retry_delay_ms or retry_backoff_ms after
        the failure, without jitter. After the last channel, on reject, and for what a channel refuses for good:
        dead_letter_channel and failure_policy, as without. Retry channels do not keep the order of a key: the next of
        it does not wait. Retries in the process do. Key, value and headers are written unchanged, with headers added
        that say where the record came from at first, how often it has failed and when it is due: texts kca-retry-topic,
        -partition, -offset, -timestamp, -group, -attempts, -error-name, -error-text, -due-ms (milliseconds since 1970);
        with the dead_letter_format "spring" those of Spring's non-blocking retries (retry_topic-attempts,
        retry_topic-backoff-timestamp, kafka_original-topic ...). Both are understood. A dead letter tells the first
        place and all attempts, and who asked for a reply is answered at the end. Records in one channel wait for one
        another: give each pause a channel of its own. A time more than a day after the record was written counts as a
        day. A consumer of one partition writes and reads that partition of the channels. max_attempts must be left out,
        or be N + 1. A channel is read from its beginning, whatever start_offset says. Give each group channels of its
        own: records that kca wrote for another group (kca-retry-group) are passed over, with a fault.
        """
        _kca.kca_consumer_builder_with_retry_channel(self._handle, channel)
        return self

    def with_dead_letter_channel(self, channel: str) -> ConsumerBuilder:
        """Where deliveries go that were rejected or have used up their attempts: the channel of a publisher of this
        system, over any connection, with required_acks 1 or -1. Key, value and headers are written unchanged, whatever
        they hold, with headers added that say where the record came from and why. Its offset counts as done only when
        the broker has confirmed the dead letter; while it is not stored for a reason that passes, it is written again
        and again, with a fault event each time, and only its key waits. A refusal for good is one of the record (too
        large, invalid) or of the topic (forbidden to this user, not there and not made, not a name): a letter that is
        too large is written once more trimmed, with topic, partition, offset and a short error name only; one that is
        refused even so meets the failure_policy. Default none.
        """
        _kca.kca_consumer_builder_with_dead_letter_channel(self._handle, channel)
        return self

    def with_dead_letter_format(self, dead_letter_format: Literal["kca", "spring", "gomes"]) -> ConsumerBuilder:
        """Dead letter format: "kca" (default): the record unchanged, plus text headers kca-dead-letter-topic,
        -partition, -offset, -timestamp, -group, -attempts, -error-name, -error-text, -time (times in RFC 3339).
        "spring": the record plus the headers of Spring for Apache Kafka (kafka_dlt-original-topic ...; numbers
        big-endian), and kca's for attempts and time. "gomes": Gomes' JSON envelope {"ReasonError","Payload","Headers"},
        the payload byte for byte, plus kca's headers.
        """
        _kca.kca_consumer_builder_with_dead_letter_format(self._handle, dead_letter_format)
        return self

    def with_park(self, park: bool) -> ConsumerBuilder:
        """True: keys are parked. After a message of a key has become a dead letter, the later ones of that key in its
        partition are not handled, but follow it into the dead-letter channel, in their order, so that none overtakes
        it. Their letters have the error name "parked", kca-dead-letter-parked, and in kca-dead-letter-waits-for the
        offset of the first one; kca-dead-letter-behind and -at say where in that line they stand. `System.redrive`
        publishes the line again in its order; each of it is handled once all before it were, and after the last one the
        key is let go. One that fails again becomes a dead letter again, and those behind it follow. What came meanwhile
        is the rest of the line: redrive until describe shows no "parked_keys" in a partition; its "parked_lines" say of
        each its "key", what it "waits_for", how many "letters" of its line were not handled yet, and "since" when;
        `Consumer.unpark` lets one go by hand. Messages without a key are never parked; one that asks is answered when
        it is handled. What is parked is told in the group's commits, beside the offset, and so survives restarts and
        rebalances; when the group's offsets are reset by a tool, or deleted, its keys are let go. It needs a
        dead_letter_channel of the format "kca", an order of "key" or "partition", a commit interval, and neither
        retry_channel nor relay. Default False.
        """
        _kca.kca_consumer_builder_with_park(self._handle, park)
        return self

    def with_park_max_keys(self, keys: int) -> ConsumerBuilder:
        """Most keys of a partition that may be parked; 1 to 120, default 100: a commit's metadata has room for about so
        many. The key that has been parked longest is let go for a new one, with a fault event that names it: its later
        messages are handled again, before its dead letters.
        """
        _kca.kca_consumer_builder_with_park_max_keys(self._handle, keys)
        return self

    def with_park_max_ms(self, max_ms: int) -> ConsumerBuilder:
        """After so many ms a parked key is let go, with a fault event, when its next message comes; 1000 to 2073600000
        (24 days), default 604800000 (7 days). No longer than the dead-letter topic keeps its records.
        """
        _kca.kca_consumer_builder_with_park_max_ms(self._handle, max_ms)
        return self

    def with_failure_policy(self, policy: Literal["stop", "skip"]) -> ConsumerBuilder:
        """What happens without a dead-letter channel, and when the channel refuses the dead letter for good: "stop"
        (default): the consumer stops with the error and commits nothing from that delivery on, so nothing is skipped;
        "skip": the consumer reports a fault event and goes on to the next. The text says which record and why; of a
        dead letter also its channel, how many bytes record and letter have, and the limit when it is known.
        """
        _kca.kca_consumer_builder_with_failure_policy(self._handle, policy)
        return self

    def with_timeout_policy(self, policy: Literal["wait", "abandon"]) -> ConsumerBuilder:
        """When a delivery's processing time (`Consumer.with_message_processing_timeout_ms`) is over and its handler
        still runs: "wait" (default): its retry, and the next delivery of its key, wait until the handler returns, so
        that two never run at once; "abandon": they do not wait, for handlers that may hang for ever.
        """
        _kca.kca_consumer_builder_with_timeout_policy(self._handle, policy)
        return self

    def with_reply(self, reply: bool) -> ConsumerBuilder:
        """True: handlers answer. A message that names a channel in its header `replyTo` gets a reply: what
        `Delivery.reply` was given, or `null`; of one that has failed for good {"error": text}, the text that explained
        it, after its dead letter is stored. The offset counts as done only when the broker has confirmed the reply, by
        the leader at least, whatever the required_acks of its publisher; while it is not stored for a reason that
        passes, it is written again and again, with a fault event each time, and only its key waits. After a crash or
        rebalance meanwhile the message comes again, and may be answered twice. A reply that is refused for good becomes
        an {"error": text} that says so; when that is refused, too, the delivery is done without, and a fault tells. The
        header is the sender's: only channels are answered in of which the system has a publisher (in transactions: over
        the consumer's connection). A fault tells of any other one, once while the consumer runs, and not_replied
        counts. With a transactional_id replies are part of the transaction. As Gomes writes it, a reply has the
        question's correlation id as its key and its correlation id, the type Document and no name; it continues the
        trace. A question without a correlation id is answered under a new one, by which nobody finds it. Default False:
        replyTo is ignored.
        """
        _kca.kca_consumer_builder_with_reply(self._handle, reply)
        return self

    def with_relay(self, relay: bool) -> ConsumerBuilder:
        """True: the consumer reads delay channels (`with_delay_channel`): no message is handed out, but each is written
        on when its time has come, to the next delay channel or to its topic, by the publisher of that channel that this
        system has. Its offset counts as done only when the broker has confirmed that. Name its topics as those of any
        consumer; handlers need not be declared. What names no channel of which the system has a publisher, or is
        refused for good, is given up with the error name "relay": dead_letter_channel and failure_policy; also, a week
        after the record was written, what is not due then, unless the publisher has delay channels for the rest.
        Messages of one key that wait in one channel keep their order; delivered at different times, or through several
        channels, they do not. Default False.
        """
        _kca.kca_consumer_builder_with_relay(self._handle, relay)
        return self

    def with_deduplication(self, messages: int) -> ConsumerBuilder:
        """How many ids (header messageId) of handled messages to remember in this process, the newest ones: a message
        whose id is among them is settled as done without being handled, and counted as a duplicate; it is not answered
        once more. An id is remembered once its reply is stored. 0 to 10000000, default 0: none. For a memory that
        outlives the process see `System.set_deduplication_store`.
        """
        _kca.kca_consumer_builder_with_deduplication(self._handle, messages)
        return self

    def with_transactional_id(self, transactional_id: str) -> ConsumerBuilder:
        """Exactly once: the messages that handlers publish with `Delivery.publish` are committed together with the
        offsets of their deliveries, in Kafka transactions; each holds everything that was done since the one before.
        `transactional_id` (transactional.id) names this process: another process that uses it, for example its
        successor, fences this one, whose run then ends with an error. Readers with read_committed see the results of
        each message exactly once, whichever process died; a handler may still run more than once for it. When a
        transaction is aborted, everything in it is delivered again. A result or dead letter that the cluster refuses
        for good fails its delivery alone, with the error name "refused": it counts as a failed attempt, and the rest is
        committed without it. A transaction that was open for longer than transaction_timeout_ms (the process was
        frozen, the cluster away) has timed out: a fault says so, and the consumer goes on with a new producer. Dead
        letters are part of the transaction too, so their channel must be over the consumer's connection.
        commit_interval_ms is then 100 unless set; of queue_capacity at most 700 records are used; isolation_level must
        be read_committed; deduplication is not allowed, because what was done in an aborted transaction has to be done
        again. Default none. Not on the embedded broker.
        """
        _kca.kca_consumer_builder_with_transactional_id(self._handle, transactional_id)
        return self

    def with_transaction_timeout_ms(self, timeout_ms: int) -> ConsumerBuilder:
        """The broker aborts a transaction that lasts longer; 1000 to 900000, default 60000 (transaction.timeout.ms)."""
        _kca.kca_consumer_builder_with_transaction_timeout_ms(self._handle, timeout_ms)
        return self

    def with_dialect(self, dialect: Literal["gomes", "cloudevents"]) -> ConsumerBuilder:
        """The form of the records: "gomes" (default), or "cloudevents": CloudEvents of both modes are read as
        `with_dialect` writes them, attributes that kca does not know as custom headers ce_<name>, and all other
        records, also envelopes that cannot be read, as those of Gomes. The trace context of the headers traceparent and
        tracestate comes before the event's own, for a relay renews only that.
        """
        _kca.kca_consumer_builder_with_dialect(self._handle, dialect)
        return self

    def with_property(self, name: str, value: str) -> ConsumerBuilder:
        """Any other librdkafka property; see `Connection.with_property`."""
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
        allowed_topic: str | list[str] | None = None,
        max_messages: int | None = None,
        start_time_ms: int | None = None,
        end_time_ms: int | None = None,
        start_partition: int | None = None,
        start_offset: int | None = None,
        only_topic: str | list[str] | None = None,
        only_error: str | list[str] | None = None,
        max_redrives: int | None = None,
        give_up_others: bool | None = None,
        max_listed: int | None = None,
        list_records: bool | None = None,
        dry_run: bool | None = None,
    ) -> None:
        given = locals()
        self._begin("redrive", _kca.kca_redrive_new, connection=connection, topic=topic)
        take(self, given, _kca.kca_redrive_error)

    def with_group_id(self, group_id: str) -> RedriveBuilder:
        """The group that remembers on the broker which letters are done; default "<topic>.redrive". All others stay
        redrivable: those that a filter left out, that were passed by, or that came while it ran. It has no members, so
        two redrives of one group must not run at once. Its memory is the commit's offset and metadata: in each
        partition it tells apart at least 23900 offsets behind the first letter that is left while none beyond is done,
        and any number when done and left ones come in long runs. When there is no more room, the run ends there, and
        the report says "group_is_full"; see `with_give_up_others`.
        """
        _kca.kca_redrive_with_group_id(self._handle, group_id)
        return self

    def with_to_topic(self, topic: str) -> RedriveBuilder:
        """Publishes to this topic, partitioned by key; default: the topic that each letter came from. Letters written
        by Gomes itself do not name one reliably. Not a topic "__...", which are the cluster's own.
        """
        _kca.kca_redrive_with_to_topic(self._handle, topic)
        return self

    def with_allowed_topic(self, topic: str) -> RedriveBuilder:
        """Messages may go to this topic, and only to topics that are named so; repeatable. Default: to those of
        `with_only_topic`, if there are any; else to those that letters in a format of kca's own name in their headers.
        A topic that is named in a payload (Gomes'), or in a header of another library, which anybody may have written,
        is never used unless it was allowed; such letters are passed by as "not_allowed". to_topic is always allowed.
        """
        _kca.kca_redrive_with_allowed_topic(self._handle, topic)
        return self

    def with_max_messages(self, messages: int) -> RedriveBuilder:
        """Most messages to publish in one call; 0 to 2147483647, default 0: all up to the topic's end as it is at the
        call.
        """
        _kca.kca_redrive_with_max_messages(self._handle, messages)
        return self

    def with_start_time_ms(self, ms_since_1970: int) -> RedriveBuilder:
        """Only dead letters that were written at or after the start time and before the end time, by the records'
        timestamps in milliseconds since 1970; 0 to 253402300799999 (the end of the year 9999), default: all. Reading
        stops at the first record that is not before the end time. Not with the embedded broker.
        """
        _kca.kca_redrive_with_start_time_ms(self._handle, ms_since_1970)
        return self

    def with_end_time_ms(self, ms_since_1970: int) -> RedriveBuilder:
        """Only dead letters that were written at or after the start time and before the end time, by the records'
        timestamps in milliseconds since 1970; 0 to 253402300799999 (the end of the year 9999), default: all. Reading
        stops at the first record that is not before the end time. Not with the embedded broker.
        """
        _kca.kca_redrive_with_end_time_ms(self._handle, ms_since_1970)
        return self

    def with_start_partition(self, partition: int) -> RedriveBuilder:
        """Only dead letters at this place or behind it: of this partition of the dead-letter topic from this offset on,
        and of all higher partitions; 0 to 2147483647 and 0 to 999999999999999, default 0 and 0: all.
        """
        _kca.kca_redrive_with_start_partition(self._handle, partition)
        return self

    def with_start_offset(self, offset: int) -> RedriveBuilder:
        """Only dead letters at this place or behind it: of this partition of the dead-letter topic from this offset on,
        and of all higher partitions; 0 to 2147483647 and 0 to 999999999999999, default 0 and 0: all.
        """
        _kca.kca_redrive_with_start_offset(self._handle, offset)
        return self

    def with_only_topic(self, topic: str) -> RedriveBuilder:
        """Only dead letters that came from this topic; repeatable. Default: from any."""
        _kca.kca_redrive_with_only_topic(self._handle, topic)
        return self

    def with_only_error(self, error_name: str) -> RedriveBuilder:
        """Only dead letters with this error name (in Python the name of the exception's class; Spring's: the class of
        the cause, else of the exception); repeatable. Default: with any. Letters written by Gomes itself have no error
        name.
        """
        _kca.kca_redrive_with_only_error(self._handle, error_name)
        return self

    def with_max_redrives(self, redrives: int) -> RedriveBuilder:
        """Loop guard: leaves a message alone once it was redriven this often; 1 to 1000000, default 3. The text header
        kca-redrives counts; it stays on the message when that is dead-lettered again.
        """
        _kca.kca_redrive_with_max_redrives(self._handle, redrives)
        return self

    def with_give_up_others(self, give_up: bool) -> RedriveBuilder:
        """True: letters that are left out, or passed by, count as done, too: this group will not offer them again.
        False (default).
        """
        _kca.kca_redrive_with_give_up_others(self._handle, give_up)
        return self

    def with_max_listed(self, messages: int) -> RedriveBuilder:
        """The most "messages" in the report; 0 to 1000000, default 100."""
        _kca.kca_redrive_with_max_listed(self._handle, messages)
        return self

    def with_list_records(self, list_records: bool) -> RedriveBuilder:
        """True: each of the report's "messages" has the failed record, as "record". False (default)."""
        _kca.kca_redrive_with_list_records(self._handle, list_records)
        return self

    def with_dry_run(self, dry_run: bool) -> RedriveBuilder:
        """True (default): publishes and commits nothing, and the report says what would happen. False: does it."""
        _kca.kca_redrive_with_dry_run(self._handle, dry_run)
        return self
