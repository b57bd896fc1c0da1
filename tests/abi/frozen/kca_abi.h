/*
 * kca: Kafka channel adapters. This file is the whole contract of libkca, ABI 1: plain declarations, not one
 * preprocessor line, so that C, C++, cffi, LuaJIT, SWIG, cgo and bindgen read the same text. C and C++ include
 * <kca.h>, which wraps it.
 *
 * The four rules
 * --------------
 * Failure    What can fail returns `kca_error *`: NULL when all went well, else an error that the caller frees with
 *            kca_error_free. There is no "last error" hidden in a thread. Setters (`..._with_...`, `..._set_...`)
 *            return nothing: the object keeps its first failure, and the call that uses the object returns it.
 * Ownership  `T **out` gives a T that the caller frees with kca_T_free; on failure it is set to NULL. A `const`
 *            pointer that is returned is borrowed: it lives as long as the object that was asked for it. What is
 *            passed in is copied. Every accessor and every free takes NULL; an accessor then answers NULL, "", 0
 *            or -1.
 * Threads    The library calls the application only inside kca_queue_dispatch (on that thread), inside
 *            kca_consumer_run (on the processors' threads, which live only inside it), inside calls that publish, if
 *            there are hooks or translators or the bus has no channel, inside calls that take deliveries, if there are
 *            translators, and inside calls that wait, if kca_system_set_interrupt asked for it. System, bus, consumer and
 *            queue handles may be used from any thread; a message, delivery, event or builder by one thread at a time.
 *            The threads that the library makes, librdkafka's and the embedded broker's included, block all signals:
 *            signals come to the application's own threads. Processors, which run handlers, leave those open that a
 *            fault of their own raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS). A program that a handler
 *            starts inherits what its thread blocks, unless it is told otherwise (posix_spawnattr_setsigmask).
 * Lifetime   Handles may be freed in any order. A user pointer's `free_user` runs exactly once, also on failure.
 *            Nothing happens at load or exit: a process that ends without kca_system_shutdown loses the messages
 *            that are not sent yet, and what its consumers finished since the last commit comes again. After
 *            fork, a handle made by the parent answers with KCA_ERROR_FORKED in the child: start a new system there.
 *
 * Words      A system holds connections, publishers (outbound channel adapters), consumers (inbound channel
 *            adapters) and handlers. A message is published through a bus; a receipt says what became of it. A
 *            message handed to the application is a delivery; it must be settled. A delivery is out from when it
 *            is handed to the application until it is settled.
 * Units      Durations are int milliseconds (`_ms`), sizes are bytes. A `timeout_ms` of 0 does not wait, of -1
 *            waits for ever. Texts are UTF-8 and end with NUL. "Document" below is Gomes' document "Kafka Channel
 *            Adapters"; a dotted name is the librdkafka property that an option stands for.
 */

/*
 * What may be called where
 * ------------------------
 * The library calls the application's handlers (a processor's, or inside kca_queue_dispatch), event handlers, interrupt
 * function, deduplication stores ("store": `seen` and `mark`) and `free_user` functions without holding a lock that
 * matters to them. The functions of hooks may call what handlers may, those of translators what stores may, but for
 * freeing a handle that is in use. Inside these, of a system's own functions:
 *
 *                                          handler,  event     interrupt  store   free_user   signal   child of
 *                                          hook      handler   function                       handler  a fork
 *   kca_abi, kca_version                   yes       yes       yes        yes     yes         yes      yes
 *   accessors, explain, messages           yes       yes       yes        yes     yes         no       (1)
 *   settle, reply                          yes       yes       yes        yes     yes         no       FORKED
 *   kca_..._free, of any handle (2)        yes       yes       yes        yes     yes         no       yes
 *   publish, send (3), cancel, flush       yes       yes       yes        yes     yes         no       FORKED
 *   buses, consumers, queues, logs         yes       yes       yes        yes     yes         no       FORKED
 *   health, metrics                        yes       yes       yes        yes     yes         no       FORKED
 *   describe, describe_cluster, redrive    yes       yes       yes        yes     yes         no       FORKED
 *   queue_next, _turn, _dispatch           yes       yes       yes        yes     yes         no       FORKED
 *   consumer_stop, pause, resume, seek     yes       yes       yes        yes     yes         no       FORKED (4)
 *   consumer_unpark                        yes       yes       yes        yes     yes         no       FORKED
 *   consumer_run, _queue, of another (5)   yes       yes       yes        yes     yes         no       FORKED
 *   system_add_..., _set_...               STATE     STATE     STATE      STATE   STATE       no       FORKED
 *   system_start, _shutdown                STATE     STATE     STATE      STATE   STATE       no       FORKED
 *   another system's                       yes       yes       yes        yes     yes         no       FORKED
 *   wake sockets                           yes       yes       yes        yes     yes         no       FORKED
 *
 * STATE and FORKED: the call answers KCA_ERROR_STATE or KCA_ERROR_FORKED at once, and does nothing. No: not even once.
 * (1) Builders, messages and what they hold work as before, and deliveries are read.
 * (2) Also of the handle that is in use: a queue that is freed inside its own dispatch, and a system whose last handle
 *     is freed, end when the call returns that the function was called in; consumers stop at once. A delivery that is
 *     freed inside its handler counts as failed unless it is settled, whatever the handler returns. Borrowed events and
 *     messages stay.
 * (3) Inside an event handler a publish or send does not wait for receipts to be taken, but answers
 *     KCA_ERROR_BUFFER_FULL. Waiting for an answer needs no event to be taken.
 * (4) kca_consumer_stop, which returns nothing, does nothing.
 * (5) Of the consumer that is running: KCA_ERROR_STATE.
 */

/* ---- the library ------------------------------------------------------------------------------------------ */

/* The ABI that this library speaks: 1, as in its SONAME (libkca.so.1). A binding refuses any other. */
int kca_abi(void);

/* Version of this library, for example "0.1.0". Borrowed, static. */
const char *kca_version(void);

/* A clock that only goes forward, in microseconds, for durations: languages need not have one. */
int64_t kca_monotonic_us(void);

/* Version of the librdkafka in use at run time, for example "2.0.2". Borrowed, static. */
const char *kca_rdkafka_version(void);

typedef struct kca_error kca_error;
typedef struct kca_connection kca_connection;
typedef struct kca_publisher_builder kca_publisher_builder;
typedef struct kca_consumer_builder kca_consumer_builder;
typedef struct kca_system kca_system;
typedef struct kca_bus kca_bus;
typedef struct kca_consumer kca_consumer;
typedef struct kca_queue kca_queue;
typedef struct kca_event kca_event;
typedef struct kca_delivery kca_delivery;
typedef struct kca_message kca_message;
typedef struct kca_redrive kca_redrive;
typedef struct kca_hooked kca_hooked;
typedef struct kca_wake_socket kca_wake_socket;

/* Frees the application's `user` pointer. */
typedef void (*kca_free_fn)(void *user);

/* Frees a text that a function gave as `char **out`. */
void kca_string_free(char *text);

/* ---- errors ----------------------------------------------------------------------------------------------- */

/* Values of kca_error_code. */
enum {
    KCA_OK = 0,
    KCA_ERROR_ARGUMENT = 1,       /* an argument or option is not allowed; the text says what is */
    KCA_ERROR_STATE = 2,          /* not possible now: not started, already started, already settled */
    KCA_ERROR_MEMORY = 3,         /* out of memory */
    KCA_ERROR_FORKED = 4,         /* the handle was made before fork; start a system in the child */
    KCA_ERROR_TIMEOUT = 5,        /* the time given was not enough */
    KCA_ERROR_UNREACHABLE = 6,    /* nobody listens there, the name does not resolve, or nobody answers */
    KCA_ERROR_TLS = 7,            /* certificates, keys, or one side speaks TLS and the other does not */
    KCA_ERROR_AUTHENTICATION = 8, /* user, password or mechanism refused */
    KCA_ERROR_AUTHORIZATION = 9,  /* the cluster's access rules forbid it */
    KCA_ERROR_BUFFER_FULL = 10,   /* the publisher's buffer stayed full; try again later */
    KCA_ERROR_NOT_STORED = 11,    /* the broker did not confirm the message; it may or may not be stored */
    KCA_ERROR_TOO_LARGE = 12,     /* the message is larger than the publisher or the broker takes */
    KCA_ERROR_PAYLOAD = 13,       /* the payload is not JSON, or the value asked for has another type */
    KCA_ERROR_NOT_FOUND = 14,     /* there is no channel, consumer, header or JSON value of that name */
    KCA_ERROR_DUPLICATE = 15,     /* the name is taken */
    KCA_ERROR_HANDLER = 16,       /* a handler failed, rejected or took too long */
    KCA_ERROR_STOPPED = 17,       /* the consumer or system has stopped */
    KCA_ERROR_BROKER = 18,        /* anything else the cluster or librdkafka reports */
    KCA_ERROR_OFFSET = 19,        /* an offset is gone, is of another topic, or lies outside its partition */
    KCA_ERROR_HOOK = 20,          /* a hook refused the message, or failed after it was published */
    KCA_ERROR_REPLY = 21,         /* who was asked answered with an error, whose text this is */
    KCA_ERROR_CANCELLED = 22,     /* the application cancelled it */
    KCA_ERROR_TRANSLATOR = 23     /* a translator of the application's failed */
};

void kca_error_free(kca_error *e);

/* One of KCA_ERROR_...; KCA_OK for NULL. */
int kca_error_code(const kca_error *e);

/* The code's name for programs and logs, for example "unreachable"; "ok" for NULL. Borrowed, static. */
const char *kca_error_name(const kca_error *e);

/* One line: the thing, what is wrong, what was allowed. Never holds a password or key. "" for NULL. */
const char *kca_error_text(const kca_error *e);

/* librdkafka's code (rd_kafka_resp_err_t) when the error came from there, else 0. */
int kca_error_rdkafka_code(const kca_error *e);

/* 1 when repeating the call later may succeed. 0 for what is refused for good: a record that is too large or invalid, a
 * topic that is forbidden or that nobody makes. */
int kca_error_retriable(const kca_error *e);

/* 1 when the object concerned cannot be used any more. */
int kca_error_fatal(const kca_error *e);

/* ---- connection ------------------------------------------------------------------------------------------- */

/*
 * A cluster and how to reach it; shared by all publishers and consumers that name it.
 * `name`: 1 to 100 characters; also the client.id, by which brokers know the connection's clients in their logs, quotas
 * and metrics, unless the property of that name says otherwise. `hosts`: "host:port,host:port" (bootstrap.servers), or
 * "embedded://" for a broker inside this process, for trying out only: it keeps records in memory, has no TLS or SASL,
 * gives each topic 4 partitions, and silently drops a partition's oldest records past 5 MB or 100,000 records.
 */
kca_error *kca_connection_new(kca_connection **out, const char *name, const char *hosts);
void kca_connection_free(kca_connection *c);

/*
 * TLS. Each of the three is a file's path or PEM text (it then begins with "-----BEGIN"); NULL leaves it out.
 * `ca`: the authorities that sign the brokers' certificates; NULL: the machine's own list (ssl.ca.location,
 * ssl.ca.pem). `certificate` (with its chain) and `key`: this client's own, both or neither, for brokers that ask
 * for one (ssl.certificate.*, ssl.key.*). All are read and checked when the system starts, before a socket is opened.
 */
void kca_connection_with_tls(kca_connection *c, const char *ca, const char *certificate, const char *key);

/* Password of the TLS key (ssl.key.password). */
void kca_connection_with_tls_key_password(kca_connection *c, const char *password);

/*
 * SASL. `mechanism`: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512" (sasl.mechanisms, sasl.username, sasl.password);
 * others through kca_connection_with_property. SCRAM on Kafka 4 needs librdkafka 2.6.1 or later.
 */
void kca_connection_with_sasl(kca_connection *c, const char *mechanism, const char *user, const char *password);

/*
 * 1: SASL PLAIN may send its password without TLS, readable by who sees the network; for a loopback or a network of
 * one's own. 0 or 1, default 0: such a connection is refused when the system starts. A weakness that is allowed, this
 * or a property that switches verification off (enable.ssl.certificate.verification,
 * ssl.endpoint.identification.algorithm), is told by a warning in the log at each start and by kca_system_describe.
 */
void kca_connection_with_unencrypted_sasl(kca_connection *c, int allowed);

/*
 * A fault tells when the connection, or a consumer over it, has been in trouble for this long: KCA_STATE_CONNECTING or
 * KCA_STATE_RECONNECTING, with a broker that cannot be reached or does not answer. It says since when and why, and comes
 * once each time. 0 to 86400000, default 30000; 0: no fault. States are told in any case (KCA_EVENT_STATE).
 */
void kca_connection_with_fault_after_ms(kca_connection *c, int after_ms);

/*
 * Any other librdkafka property, for all adapters of the connection. An unknown name is refused, and the error names
 * the nearest known one; a property that an option stands for is refused, and the error names the option. One of TLS
 * or SASL on a connection that does not use it is refused when the system starts.
 */
void kca_connection_with_property(kca_connection *c, const char *name, const char *value);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_connection_error(const kca_connection *c);

/* ---- publisher builder (outbound channel adapter) --------------------------------------------------------- */

/* A publisher of `topic` over the connection named `connection`. The topic's name is the channel's name. */
kca_error *kca_publisher_builder_new(kca_publisher_builder **out, const char *connection, const char *topic);
void kca_publisher_builder_free(kca_publisher_builder *b);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_publisher_builder_error(const kca_publisher_builder *b);

/*
 * Document WithMaxAttempts: how often a message is sent before it fails; 1 to 1000000, default 10.
 * message.send.max.retries = attempts - 1, with librdkafka's backoff (retry.backoff.ms, 100 ms) between them.
 * However many attempts are left, a message fails when message.timeout.ms (300,000 ms) is over.
 */
void kca_publisher_builder_with_max_attempts(kca_publisher_builder *b, int attempts);

/* Document WithBatchSize: messages per batch; 1 to 1000000, default 100. batch.num.messages */
void kca_publisher_builder_with_batch_size(kca_publisher_builder *b, int messages);

/*
 * Document WithBatchBytes: largest batch, and so the largest message; 1000 to 1000000000, default 1048576.
 * batch.size and message.max.bytes. A larger message is refused with KCA_ERROR_TOO_LARGE. The broker's own limit
 * (message.max.bytes there, 1048588 by default) applies too.
 */
void kca_publisher_builder_with_batch_bytes(kca_publisher_builder *b, int bytes);

/*
 * Document WithAsync: 1 (default): kca_bus_publish returns once the message is buffered, and a receipt follows.
 * 0: it returns when the broker has answered; linger is then 0, so no batch timer delays it.
 */
void kca_publisher_builder_with_async(kca_publisher_builder *b, int async);

/*
 * Document WithRequiredAcks: 0 none (default), 1 the partition's leader, -1 all in-sync replicas (acks).
 * With 0 no broker confirms anything: records may be lost unnoticed, and the library logs a warning at start. If it is 0
 * because nobody set it, and no log is switched on, a line on stderr warns of it at the publisher's first start.
 */
void kca_publisher_builder_with_required_acks(kca_publisher_builder *b, int acks);

/*
 * The channel for replies: header `replyTo` of every message that sets none itself. Default none. A started system reads
 * it for kca_bus_send, unless read_replies is 0: all of its partitions, from their ends, without a group, by one reader
 * for each connection and channel. A channel that this user may not read is told of by a fault.
 */
void kca_publisher_builder_with_reply_channel(kca_publisher_builder *b, const char *channel);

/* 0: the reply channel is not read here: another process reads it. Default 1. */
void kca_publisher_builder_with_read_replies(kca_publisher_builder *b, int read_replies);

/* "none" (default), "gzip", "snappy", "lz4" or "zstd". compression.codec */
void kca_publisher_builder_with_compression(kca_publisher_builder *b, const char *codec);

/* How long a message may wait for its batch to fill; 0 to 900000, default 5; always 0 when not async. linger.ms */
void kca_publisher_builder_with_linger_ms(kca_publisher_builder *b, int linger_ms);

/*
 * 1: the broker drops the duplicates that retries cause, and keeps the messages in order (enable.idempotence); needs
 * required_acks -1 and max_attempts of at least 2. Default 0.
 */
void kca_publisher_builder_with_idempotence(kca_publisher_builder *b, int idempotence);

/*
 * Most messages under way: buffered, sent and not answered, or answered with a receipt that the application has not
 * freed yet; 1 to 10000000, default 2000. Bounds the memory; the default keeps it in the processor's cache.
 */
void kca_publisher_builder_with_buffer_messages(kca_publisher_builder *b, int messages);

/* Most payload and key bytes under way; 1000 to 2000000000, default 33554432 (32 MiB). */
void kca_publisher_builder_with_buffer_bytes(kca_publisher_builder *b, int bytes);

/*
 * How long kca_bus_publish waits while the buffer is full, before it returns KCA_ERROR_BUFFER_FULL; -1 for ever,
 * 0 not at all (for event loops), default 10000.
 */
void kca_publisher_builder_with_buffer_timeout_ms(kca_publisher_builder *b, int timeout_ms);

/*
 * 1: kca_bus_publish only copies the message, and a thread of the library hands it to librdkafka about a millisecond
 * later: for event loops. If librdkafka then refuses the message (because of its headers' size, for example), that
 * becomes a failed receipt, or a fault when the token is 0. Counts only when async. Default 0.
 */
void kca_publisher_builder_with_background(kca_publisher_builder *b, int background);

/*
 * The form of the records: "gomes" (default), headers of Gomes; "cloudevents" or "cloudevents-structured", CloudEvents
 * 1.0 in the binary or structured mode of its Kafka binding. There a message's id, origin, name and time are the event's
 * id, source, type and time; its correlation id, version, type, channel, channel for replies and trace context are the
 * extension attributes correlationid, version, messagetype, channelname, replyto, traceparent and tracestate. A custom
 * header ce_<name> is the extension attribute <name>, and content-type is the payload's type (datacontenttype), by
 * default application/json; other custom headers stay headers of the record. The trace context is also written as headers
 * traceparent and tracestate. A message without a name gets its type's word, Document for example, as the event's type. In
 * structured mode the payload becomes `data` as it stands, if it is JSON; a text, if content-type is text/...; else
 * data_base64. A raw message is written as it is.
 */
void kca_publisher_builder_with_dialect(kca_publisher_builder *b, const char *dialect);

/*
 * For messages that are to be delivered later (kca_message_set_deliver_at_ms): adds a topic that they wait in, and for how
 * long at a time, 0 to 604800000 (7 days); each repeatable, as many of the one as of the other, in the same order. Such a
 * message goes to the longest that fits what is left, and from there to the next, until its time has come; each is read
 * and relayed by a consumer with `relay`. What is left when it is less than the shortest is waited for in the shortest: a
 * message is late by that at most, beside its way. So 1 s, 1 min, 1 h and 1 day bring a message of next month in at most
 * 30 + 23 + 59 + 59 hops and by the second. Records of one topic wait for one another, which is why one topic cannot hold
 * them all. All 0: nothing waits, for tests. Publishers that share a channel must give it one delay: start refuses
 * others. The topics get the publisher's settings, over its connection.
 */
void kca_publisher_builder_with_delay_channel(kca_publisher_builder *b, const char *channel);
void kca_publisher_builder_with_delay_channel_ms(kca_publisher_builder *b, int delay_ms);

/* Any other librdkafka property; see kca_connection_with_property. */
void kca_publisher_builder_with_property(kca_publisher_builder *b, const char *name, const char *value);

/* ---- consumer builder (inbound channel adapter) ----------------------------------------------------------- */

/*
 * A consumer of `topic` over the connection named `connection`. `consumer` is its name and, as in the document, its
 * group on the broker (group.id).
 */
kca_error *kca_consumer_builder_new(kca_consumer_builder **out, const char *connection, const char *topic,
                                    const char *consumer);
void kca_consumer_builder_free(kca_consumer_builder *b);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_consumer_builder_error(const kca_consumer_builder *b);

/* For kca_consumer_builder_with_partition: the partitions that the group assigns; every partition there is. */
enum { KCA_PARTITION_ASSIGNED = -1, KCA_PARTITION_EVERY = -2 };

/*
 * Document WithPartition: read only this partition, 0 or above, of the one topic. Default KCA_PARTITION_ASSIGNED: all
 * that the group assigns. With a partition the consumer joins no group, but commits under its group id; with one
 * processor the order is total.
 * KCA_PARTITION_EVERY: read every partition that the topics have when the consumer begins, also without joining a
 * group: for tests and tools, which need not wait for a rebalance. If a topic does not exist then, the consumer ends
 * with KCA_ERROR_NOT_FOUND.
 */
void kca_consumer_builder_with_partition(kca_consumer_builder *b, int partition);

/* Also reads this topic (document: multiple topics). Repeatable. */
void kca_consumer_builder_with_group_topic(kca_consumer_builder *b, const char *topic);

/*
 * Document WithQueueCapacity: most records held; 1 to 10000000, default 1000. Bounds the records that are out or wait
 * for their key's turn; librdkafka prefetches as many more (queued.min.messages), but no more bytes than max_bytes or
 * 4 MiB, whichever is larger (queued.max.messages.kbytes).
 */
void kca_consumer_builder_with_queue_capacity(kca_consumer_builder *b, int records);

/* Document WithMinBytes: the broker answers a fetch once it has this much; 1 to 100000000, default 1.
 * fetch.min.bytes */
void kca_consumer_builder_with_min_bytes(kca_consumer_builder *b, int bytes);

/*
 * Document WithMaxBytes: most bytes of one fetch; 1000 to 1000000000, default 1048576. fetch.max.bytes and
 * max.partition.fetch.bytes; the broker still sends a first record that is larger.
 */
void kca_consumer_builder_with_max_bytes(kca_consumer_builder *b, int bytes);

/* Document WithMaxWait: longest that the broker waits for min_bytes; 1 to 60000, default 100. fetch.wait.max.ms */
void kca_consumer_builder_with_max_wait_ms(kca_consumer_builder *b, int max_wait_ms);

/*
 * Document WithReadBatchTimeout: a batch that takes longer to read is given up and asked for again; 2000 to
 * 300000, default 10000, at least max_wait_ms + 1000. Nearest in librdkafka: socket.timeout.ms, which limits every
 * request of the consumer.
 */
void kca_consumer_builder_with_read_batch_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/*
 * Document WithHeartbeatInterval: how often the consumer tells the group that it is alive; 1 to 3600000, default
 * 3000, at most a third of the session timeout. heartbeat.interval.ms
 */
void kca_consumer_builder_with_heartbeat_interval_ms(kca_consumer_builder *b, int interval_ms);

/*
 * Document WithCommitInterval: finished work is committed this often, and also at rebalances and at the end; 0 to
 * 86400000, default 5000. kca commits itself (librdkafka's enable.auto.commit is off), and only what is settled.
 * 0: never commits, for tools that only look: reading begins at start_offset, whatever the group has committed, and
 * leaves no trace in the group. 0 is not allowed with a transactional_id.
 */
void kca_consumer_builder_with_commit_interval_ms(kca_consumer_builder *b, int interval_ms);

/*
 * A record is given out when its own time plus this has come, not before; 0 to 604800000 (7 days), default 0. One
 * whose time lies in the future counts as of now. Meanwhile its partition's later records stay in librdkafka's queue and
 * take no room from other partitions; a restart changes nothing, but for records of the future. The topic's retention
 * must be longer. Order is kept as without it.
 */
void kca_consumer_builder_with_delay_ms(kca_consumer_builder *b, int delay_ms);

/*
 * Document WithPartitionWatchInterval: how often new partitions are looked for, with watch_partition_changes 1; 10 to
 * 700000, default 300000 (5 min). topic.metadata.refresh.interval.ms
 */
void kca_consumer_builder_with_partition_watch_interval_ms(kca_consumer_builder *b, int interval_ms);

/*
 * Document WithWatchPartitionChanges: 1: new partitions are looked for every partition_watch_interval_ms. 0 (default):
 * they are not looked for; as librdkafka cannot ignore them for ever, it still finds them within 12 minutes.
 */
void kca_consumer_builder_with_watch_partition_changes(kca_consumer_builder *b, int watch);

/*
 * Where a group without a committed offset begins: "earliest" (default), "latest", or at the first record at or after a
 * time, given in milliseconds since 1970 as text ("1767225600000"). "latest" and a time are found once, when the group
 * begins to read the topic, and committed before the first record is handled: a restart or another member goes on from
 * there. A partition that is added later is read from its first record. With commit_interval_ms 0 nothing is
 * committed, and each start finds them anew. When a committed offset is out of range, for example after retention,
 * reading goes on at the earliest record left, whatever this option says: none that is left is skipped, and a fault with
 * KCA_ERROR_OFFSET tells what is gone.
 */
void kca_consumer_builder_with_start_offset(kca_consumer_builder *b, const char *start);

/* "read_committed" (default) or "read_uncommitted". isolation.level */
void kca_consumer_builder_with_isolation_level(kca_consumer_builder *b, const char *level);

/* The group considers a member dead when it has heard nothing from it for this long; 1000 to 3600000, default 45000.
 * session.timeout.ms */
void kca_consumer_builder_with_session_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/*
 * How long the group waits for its members in a rebalance; 1000 to 86400000, default 300000, not below the session
 * timeout. max.poll.interval.ms, which librdkafka also sends as the rebalance timeout. Handlers may take longer, for
 * kca polls all the time. Before a partition is given away, handlers still running get up to half of this timeout (30 s
 * at most) to finish.
 */
void kca_consumer_builder_with_rebalance_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/* The group on the broker when it must differ from the consumer's name (Gomes: "<connection>:<consumer>"). */
void kca_consumer_builder_with_group_id(kca_consumer_builder *b, const char *group_id);

/* A name that this member keeps across restarts (static membership): if it is back within the session timeout, it gets
 * its partitions back and no other member is disturbed. group.instance.id; default none. */
void kca_consumer_builder_with_group_instance_id(kca_consumer_builder *b, const char *id);

/*
 * How the group distributes its partitions: "range,roundrobin" (default), the first of the two that all members have,
 * "range", "roundrobin", or "cooperative-sticky", which takes away only the partitions that another member gets, and
 * needs librdkafka 2.6.1 or later. All members must have a strategy in common: the default is that of librdkafka and of
 * Gomes, and the same with every librdkafka. partition.assignment.strategy
 */
void kca_consumer_builder_with_assignment_strategy(kca_consumer_builder *b, const char *strategy);

/*
 * How members and broker speak of the group: "classic" (default), in which a member deals the partitions, or "consumer"
 * (KIP-848), in which the broker does, and only partitions that change hands are given back. "consumer" needs librdkafka
 * 2.12.0 or later and Kafka 4; while a group moves from one to the other its members may use both. With "consumer" the
 * broker decides about session timeout and heartbeats: session_timeout_ms, heartbeat_interval_ms and assignment_strategy
 * are refused. group.protocol
 */
void kca_consumer_builder_with_group_protocol(kca_consumer_builder *b, const char *protocol);

/* Which of the broker's assignors deals the partitions with the group protocol "consumer": "uniform" or "range"; default
 * none: the broker chooses. Of several that members name, the broker takes the most frequent. group.remote.assignor */
void kca_consumer_builder_with_group_remote_assignor(kca_consumer_builder *b, const char *assignor);

/*
 * Which deliveries are handled one after another, in offset order: "key" (default): those of a partition with equal
 * keys; records without a key run in any order. "partition": all of a partition. "none": any run side by side.
 */
void kca_consumer_builder_with_order(kca_consumer_builder *b, const char *order);

/*
 * Retries: a delivery that failed, or took longer than its processing time, is handled again after a pause. Meanwhile
 * only its key waits (with order "partition", its partition). Attempts are counted from 1 again after a restart. A
 * delivery whose retry had not come yet at a shutdown or crash is delivered again, never skipped.
 */

/* Attempts per delivery before it has failed for good; 0: unlimited; up to 1000000. Default 1, or with a list of
 * retry_delay_ms the number of delays plus 1. */
void kca_consumer_builder_with_max_attempts(kca_consumer_builder *b, int attempts);

/* Pause before the second attempt; 0 to 86400000, default 100. The multiplier makes it longer each time. */
void kca_consumer_builder_with_retry_backoff_ms(kca_consumer_builder *b, int backoff_ms);

/* Factor by which the pause grows; 1.0 to 100.0, default 2.0. */
void kca_consumer_builder_with_retry_backoff_multiplier(kca_consumer_builder *b, double multiplier);

/* The longest pause; 0 to 86400000, default 30000. */
void kca_consumer_builder_with_retry_backoff_max_ms(kca_consumer_builder *b, int backoff_ms);

/* How far a pause is lengthened or shortened at random, so that retries do not all come at once; 0 to 100 % of it,
 * default 20. */
void kca_consumer_builder_with_retry_jitter_percent(kca_consumer_builder *b, int percent);

/*
 * Adds a pause to a list that replaces the backoff (Gomes' list of retry delays); 0 to 86400000. Repeatable, up to
 * 100 times: N pauses make N + 1 attempts; if max_attempts is higher, the last pause repeats. The jitter applies to
 * these pauses too.
 */
void kca_consumer_builder_with_retry_delay_ms(kca_consumer_builder *b, int delay_ms);

/* A delivery that failed with this error name (kca_delivery_explain) counts as rejected: it is not tried again.
 * Repeatable. A delivery whose processing time is over has the error name "timeout", a message without a handler
 * "unhandled". */
void kca_consumer_builder_with_rejected_error(kca_consumer_builder *b, const char *error_name);

/*
 * Retries by way of topics, instead of waiting in the process: adds the channel of a publisher of this system, over the
 * consumer's connection, with required_acks 1 or -1. Repeatable; N channels make N + 1 attempts. A delivery whose nth
 * attempt failed is written to the nth channel, and its offset counts as done when the broker has confirmed that, as with
 * a dead letter; so neither key nor memory is held while it waits, however long. The consumer reads these channels beside
 * its own topics, in its own group, and hands the record out as the next attempt when its time has come, not before: that
 * is the nth pause of retry_delay_ms or retry_backoff_ms after the failure, without jitter. After the last channel, on
 * reject, and for what a channel refuses for good: dead_letter_channel and failure_policy, as without.
 * Retry channels do not keep the order of a key: the next of it does not wait. Retries in the process do.
 * Key, value and headers are written unchanged, with headers added that say where the record came from at first, how
 * often it has failed and when it is due: texts kca-retry-topic, -partition, -offset, -timestamp, -group, -attempts,
 * -error-name, -error-text, -due-ms (milliseconds since 1970); with the dead_letter_format "spring" those of Spring's
 * non-blocking retries (retry_topic-attempts, retry_topic-backoff-timestamp, kafka_original-topic ...). Both are
 * understood. A dead letter tells the first place and all attempts, and who asked for a reply is answered at the end.
 * Records in one channel wait for one another: give each pause a channel of its own. A time more than a day after the
 * record was written counts as a day. A consumer of one partition writes and reads that partition of the channels.
 * max_attempts must be left out, or be N + 1. A channel is read from its beginning, whatever start_offset says. Give each
 * group channels of its own: records that kca wrote for another group (kca-retry-group) are passed over, with a fault.
 */
void kca_consumer_builder_with_retry_channel(kca_consumer_builder *b, const char *channel);

/*
 * Where deliveries go that were rejected or have used up their attempts: the channel of a publisher of this system,
 * over any connection, with required_acks 1 or -1. Key, value and headers are written unchanged, whatever they hold,
 * with headers added that say where the record came from and why. Its offset counts as done only when the broker has
 * confirmed the dead letter; while it is not stored for a reason that passes, it is written again and again, with a
 * fault event each time, and only its key waits. A refusal for good is one of the record (too large, invalid) or of the
 * topic (forbidden to this user, not there and not made, not a name): a letter that is too large is written once more
 * trimmed, with topic, partition, offset and a short error name only; one that is refused even so meets the
 * failure_policy. Default none.
 */
void kca_consumer_builder_with_dead_letter_channel(kca_consumer_builder *b, const char *channel);

/*
 * "kca" (default): the record unchanged, plus text headers kca-dead-letter-topic, -partition, -offset, -timestamp,
 * -group, -attempts, -error-name, -error-text, -time (times in RFC 3339). "spring": the record plus the headers of
 * Spring for Apache Kafka (kafka_dlt-original-topic ...; numbers big-endian), and kca's for attempts and time. "gomes":
 * Gomes' JSON envelope {"ReasonError","Payload","Headers"}, the payload byte for byte, plus kca's headers.
 */
void kca_consumer_builder_with_dead_letter_format(kca_consumer_builder *b, const char *format);

/*
 * 1: keys are parked. After a message of a key has become a dead letter, the later ones of that key in its partition are
 * not handled, but follow it into the dead-letter channel, in their order, so that none overtakes it. Their letters have
 * the error name "parked", kca-dead-letter-parked, and in kca-dead-letter-waits-for the offset of the first one;
 * kca-dead-letter-behind and -at say where in that line they stand. kca_system_redrive publishes the line again in its
 * order; each of it is handled once all before it were, and after the last one the key is let go. One that fails again
 * becomes a dead letter again, and those behind it follow. What came meanwhile is the rest of the line: redrive until
 * describe shows no "parked_keys" in a partition; its "parked_lines" say of each its "key", what it "waits_for", how many
 * "letters" of its line were not handled yet, and "since" when; kca_consumer_unpark lets one go by hand. Messages without a key are never parked; one that asks is answered when it is handled.
 * What is parked is told in the group's commits, beside the offset, and so survives restarts and rebalances; when the
 * group's offsets are reset by a tool, or deleted, its keys are let go. It needs a dead_letter_channel of the format
 * "kca", an order of "key" or "partition", a commit interval, and neither retry_channel nor relay. Default 0.
 */
void kca_consumer_builder_with_park(kca_consumer_builder *b, int park);

/*
 * Most keys of a partition that may be parked; 1 to 120, default 100: a commit's metadata has room for about so many.
 * The key that has been parked longest is let go for a new one, with a fault event that names it: its later messages are
 * handled again, before its dead letters.
 */
void kca_consumer_builder_with_park_max_keys(kca_consumer_builder *b, int keys);

/*
 * After so many ms a parked key is let go, with a fault event, when its next message comes; 1000 to 2073600000 (24
 * days), default 604800000 (7 days). No longer than the dead-letter topic keeps its records.
 */
void kca_consumer_builder_with_park_max_ms(kca_consumer_builder *b, int max_ms);

/*
 * What happens without a dead-letter channel, and when the channel refuses the dead letter for good: "stop" (default):
 * the consumer stops with the error and commits nothing from that delivery on, so nothing is skipped; "skip": the
 * consumer reports a fault event and goes on to the next. The text says which record and why; of a dead letter also
 * its channel, how many bytes record and letter have, and the limit when it is known.
 */
void kca_consumer_builder_with_failure_policy(kca_consumer_builder *b, const char *policy);

/*
 * When a delivery's processing time (kca_consumer_with_message_processing_timeout_ms) is over and its handler still
 * runs: "wait" (default): its retry, and the next delivery of its key, wait until the handler returns, so that two
 * never run at once; "abandon": they do not wait, for handlers that may hang for ever.
 */
void kca_consumer_builder_with_timeout_policy(kca_consumer_builder *b, const char *policy);

/*
 * 1: handlers answer. A message that names a channel in its header `replyTo` gets a reply: what kca_delivery_reply was
 * given, or `null`; of one that has failed for good {"error": text}, the text that explained it, after its dead letter is
 * stored. The offset counts as done only when the broker has confirmed the reply, by the leader at least, whatever the
 * required_acks of its publisher; while it is not stored for a reason that passes, it is written again and again, with
 * a fault event each time, and only its key waits. After a crash or rebalance meanwhile the message comes again, and may
 * be answered twice. A reply that is refused for good becomes an {"error": text} that says so; when that is refused, too,
 * the delivery is done without, and a fault tells.
 * The header is the sender's: only channels are answered in of which the system has a publisher (in transactions: over
 * the consumer's connection). A fault tells of any other one, once while the consumer runs, and not_replied counts.
 * With a transactional_id replies are part of the transaction. As Gomes writes it, a reply has the question's
 * correlation id as its key and its correlation id, the type Document and no name; it continues the trace. A question
 * without a correlation id is answered under a new one, by which nobody finds it. Default 0: replyTo is ignored.
 */
void kca_consumer_builder_with_reply(kca_consumer_builder *b, int reply);

/*
 * 1: the consumer reads delay channels (kca_publisher_builder_with_delay_channel): no message is handed out, but each is
 * written on when its time has come, to the next delay channel or to its topic, by the publisher of that channel that this
 * system has. Its offset counts as done only when the broker has confirmed that. Name its topics as those of any consumer;
 * handlers need not be declared. What names no channel of which the system has a publisher, or is refused for good, is given
 * up with the error name "relay": dead_letter_channel and failure_policy; also, a week after the record was written,
 * what is not due then, unless the publisher has delay channels for the rest. Messages of one key that wait in one
 * channel keep their order; delivered at different times, or through several channels, they do not. Default 0.
 */
void kca_consumer_builder_with_relay(kca_consumer_builder *b, int relay);

/*
 * How many ids (header messageId) of handled messages to remember in this process, the newest ones: a message whose id
 * is among them is settled as done without being handled, and counted as a duplicate; it is not answered once more. An
 * id is remembered once its reply is stored. 0 to 10000000, default 0: none.
 * For a memory that outlives the process see kca_system_set_deduplication_store.
 */
void kca_consumer_builder_with_deduplication(kca_consumer_builder *b, int messages);

/*
 * Exactly once: the messages that handlers publish with kca_delivery_publish are committed together with the offsets
 * of their deliveries, in Kafka transactions; each holds everything that was done since the one before. `id`
 * (transactional.id) names this process: another process that uses it, for example its successor, fences this one,
 * whose run then ends with an error. Readers with read_committed see the results of each message exactly once,
 * whichever process died; a handler may still run more than once for it. When a transaction is aborted, everything in
 * it is delivered again. A result or dead letter that the cluster refuses for good fails its delivery alone, with the
 * error name "refused": it counts as a failed attempt, and the rest is committed without it. A transaction that was
 * open for longer than transaction_timeout_ms (the process was frozen, the cluster away) has timed out: a fault says
 * so, and the consumer goes on with a new producer. Dead letters are part of the transaction too, so their channel must be over the consumer's
 * connection. commit_interval_ms is then 100 unless set; of queue_capacity at most 700 records are used;
 * isolation_level must be read_committed; deduplication is not allowed, because what was done in an aborted transaction
 * has to be done again. Default none. Not on the embedded broker.
 */
void kca_consumer_builder_with_transactional_id(kca_consumer_builder *b, const char *id);

/* The broker aborts a transaction that lasts longer; 1000 to 900000, default 60000. transaction.timeout.ms */
void kca_consumer_builder_with_transaction_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/*
 * The form of the records: "gomes" (default), or "cloudevents": CloudEvents of both modes are read as
 * kca_publisher_builder_with_dialect writes them, attributes that kca does not know as custom headers ce_<name>, and all
 * other records, also envelopes that cannot be read, as those of Gomes. The trace context of the headers traceparent and
 * tracestate comes before the event's own, for a relay renews only that.
 */
void kca_consumer_builder_with_dialect(kca_consumer_builder *b, const char *dialect);

/* Any other librdkafka property; see kca_connection_with_property. */
void kca_consumer_builder_with_property(kca_consumer_builder *b, const char *name, const char *value);

/* ---- system ----------------------------------------------------------------------------------------------- */

kca_error *kca_system_new(kca_system **out);

/* When its last handle is freed (its buses, consumers and queues included), a started system is closed at once, as by
 * kca_system_shutdown(s, 0): messages that are not sent are lost. Inside one of the application's functions it is
 * closed when the call returns that the function was called in. */
void kca_system_free(kca_system *s);

/* Add a declaration, before start. The argument is copied: afterwards it may be changed, added to another system or
 * freed. The first failure of its setters is returned here; KCA_ERROR_DUPLICATE: the name is taken. */
kca_error *kca_system_add_connection(kca_system *s, const kca_connection *c);
kca_error *kca_system_add_publisher(kca_system *s, const kca_publisher_builder *b);
kca_error *kca_system_add_consumer(kca_system *s, const kca_consumer_builder *b);

/* A handler's answer: how the delivery is settled. */
enum {
    KCA_DONE = 0,     /* handled */
    KCA_FAILED = 1,   /* it may work another time */
    KCA_REJECTED = 2, /* it will never work: not tried again */
    KCA_DEFERRED = 3, /* the application keeps the delivery, settles it later from any thread, and frees it */
    KCA_DUPLICATE = 4 /* handled before: settled as done, counted as duplicate */
};

/* Handles one delivery. Returns one of the verdicts above; kca_delivery_explain says why it fails or is rejected. */
typedef int (*kca_handler_fn)(kca_delivery *d, void *user);

/*
 * The handler of the messages of this name; "*": of all that no other handler takes, those without a name included.
 * `fn` NULL: the application pulls deliveries from the consumer's queue and only declares here what it handles.
 * `free_user` (NULL: none) runs once: with the system's last handle, or before this call returns if it fails.
 */
kca_error *kca_system_add_handler(kca_system *s, const char *name, kca_handler_fn fn, void *user,
                                  kca_free_fn free_user);

/*
 * Handles deliveries together, in an array that lasts as long as the call. Those of one key are in their order. Inside,
 * the application may settle any of them by itself (kca_delivery_settle); the verdict that is returned is that of all
 * others. KCA_DEFERRED: the application keeps all of them, to settle them each or together (kca_batch_settle), and frees
 * each. kca_delivery_explain says why one fails.
 */
typedef int (*kca_batch_fn)(kca_delivery *const *deliveries, int count, void *user);

/*
 * As kca_system_add_handler, but for a handler of many: it gets the messages of its name that one consumer has, of any
 * of its partitions, together: as soon as there are `batch_max` of them, or the first has waited for `batch_wait_ms`, or
 * queue_capacity has no room for more and nothing of it is out. `batch_max`: 1 to 1000000, at most queue_capacity of them
 * come; `batch_wait_ms`: 0 to 86400000, 0: what is there. While a batch waits, its deliveries are not out; the
 * processing time of all begins when it is handed out.
 *
 * Order: deliveries of one key (see kca_consumer_builder_with_order) come in their order, in one batch and from one to
 * the next; a key that is in a batch that is out is in no other. A verdict counts once all before it of its key in the
 * batch are done: when one of those fails, the ones behind it come again after it, whatever was said of them; other keys
 * are not concerned. Retries, dead letters, transactions and the failure policy are those of single deliveries.
 *
 * A failure of several that are settled together, a rejection or an ended processing time does not say which of them
 * failed: then each of them comes again at once in a batch of its own, which is not counted as another attempt, and what
 * becomes of it there counts. So one bad message never takes others down with it.
 *
 * Handling hooks are called for each of them, around the handler. Inside, kca_bus_publish continues no trace; kca_message_follow does. A reply
 * is given to its delivery (kca_delivery_reply); those of its key behind it in the batch come again after it. `fn` NULL: the application pulls; each batch is a
 * KCA_EVENT_BATCH of the consumer's queue.
 */
kca_error *kca_system_add_batch_handler(kca_system *s, const char *name, int batch_max, int batch_wait_ms,
                                        kca_batch_fn fn, void *user, kca_free_fn free_user);

/* Says whether a message of this id was handled before: 1 yes, 0 no, -1 unknown now: then the delivery fails. */
typedef int (*kca_seen_fn)(const char *message_id, void *user);

/* Remembers that the message of this id was handled. 0: remembered; any other value makes a fault event, and the
 * message still counts as done. */
typedef int (*kca_mark_fn)(const char *message_id, void *user);

/*
 * Deduplication with a store of the application's, for example a table of its database, for the consumer of this name:
 * `seen` is asked before a handler runs, and `mark` is called after the handler returned KCA_DONE within its time; both
 * on the handler's thread. A message without an id is handled without asking. In the pull form, and for deliveries that
 * it defers, the application asks its store itself and settles with KCA_DUPLICATE. `free_user`: as in
 * kca_system_add_handler.
 */
kca_error *kca_system_set_deduplication_store(kca_system *s, const char *consumer, kca_seen_fn seen, kca_mark_fn mark,
                                              void *user, kca_free_fn free_user);

/*
 * How often messages of buses without a channel are tried (kca_bus_deliver): as the builder of a consumer says with
 * max_attempts, retry_... and rejected_error; its names and other options do not count, and it is copied. Default: once.
 * Before start.
 */
kca_error *kca_system_set_local_retries(kca_system *s, const kca_consumer_builder *b);

/*
 * Checks the declarations (unknown connections, heartbeat over a third of the session timeout, a consumer without
 * any handler, TLS files ...), reaches each cluster, and opens the publishers; consumers join when they run. While
 * nobody listens at a cluster's hosts, it tries again until `timeout_ms` is over; the error then says what to do. After
 * an error the system is as before, and start may be tried again. Brokers that create topics on demand create the
 * declared ones.
 */
kca_error *kca_system_start(kca_system *s, int timeout_ms);

/*
 * Stops the consumers, waits for deliveries that are out to be settled, commits, sends what is buffered, and closes;
 * all within `timeout_ms`. An error says what was left: unsettled deliveries are delivered again after the next start,
 * unsent messages got a failed receipt. If the cluster does not answer, this takes some seconds longer: the last commit
 * and leaving the group are each given at least 3 s. Afterwards the system may be started again. Inside a handler,
 * which it would wait for, it answers KCA_ERROR_STATE: call kca_consumer_stop there, and this once kca_consumer_run has
 * returned.
 */
kca_error *kca_system_shutdown(kca_system *s, int timeout_ms);

/*
 * Exports spans of OpenTelemetry to a collector, by OTLP over HTTP, JSON; off unless this is called, before start. For
 * languages without an SDK of their own.
 *
 * Spans, by OpenTelemetry's conventions for messaging: `create CHANNEL` of each message that is published without a trace
 * context, which gets this span's; `send CHANNEL`, linked to it, until the broker has answered; `process TOPIC` for each
 * attempt of a handler, in both forms of a consumer, of a batch one for each delivery. With an exporter a delivery's
 * kca_message_traceparent is that of its `process` span, so that what follows it is a child. There are no spans of raw
 * messages, of buses without a channel, of kca_delivery_publish, and of what the library itself writes: dead letters,
 * replies, retries.
 *
 * Settings are OpenTelemetry's own, from the environment, or from `settings`, lines NAME=value that come before it (NULL:
 * none; nginx gives its workers no environment): OTEL_EXPORTER_OTLP_ENDPOINT (http://localhost:4318), _HEADERS, _TIMEOUT
 * (10000 ms), _COMPRESSION (none; gzip), _CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY, _PROTOCOL, each also as
 * OTEL_EXPORTER_OTLP_TRACES_..., whose ENDPOINT is the whole URL; OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
 * OTEL_TRACES_SAMPLER (parentbased_always_on), OTEL_TRACES_SAMPLER_ARG (1), OTEL_BSP_SCHEDULE_DELAY (5000 ms),
 * OTEL_BSP_MAX_QUEUE_SIZE (2048), OTEL_BSP_MAX_EXPORT_BATCH_SIZE (512), OTEL_BSP_EXPORT_TIMEOUT (30000 ms: of the flush on
 * shutdown), OTEL_TRACES_EXPORTER (otlp; none), OTEL_SDK_DISABLED: with true, as with none, this call does nothing.
 *
 * It never makes a publish or a handler wait: a thread of its own sends, tries again what the collector could not take
 * (429, 502, 503, 504, nobody answers; 5 times with growing pauses), and spans that find the queue full are dropped.
 * kca_system_describe counts all of them. kca_system_shutdown flushes within its time, without trying again.
 *
 * KCA_ERROR_ARGUMENT: a setting is not allowed. KCA_ERROR_DUPLICATE: there is one. KCA_ERROR_STATE: the system is started,
 * or the library was built without libcurl.
 */
kca_error *kca_system_set_exporter(kca_system *s, const char *settings);

/* Says whether the call that waits is to end: 0: no. */
typedef int (*kca_interrupt_fn)(void *user);

/*
 * While a thread waits inside kca_system_start, kca_system_shutdown, kca_system_redrive, kca_system_describe_cluster,
 * kca_bus_flush, kca_bus_publish, kca_bus_send or kca_bus_send_for_reply, it asks `fn` about four times a second: for
 * languages that handle Ctrl-C only while their own code runs. If `fn` answers anything but 0, the call ends soon, as if
 * its time were over; a publish that is not async ends with KCA_ERROR_NOT_STORED, and the message's outcome comes as its
 * receipt (with token 0: as a fault, if it failed). Waits inside librdkafka that cannot be ended, for example for the
 * last commit on a shutdown, are waited for. What `fn` may call is in the table at the head. Set it before start; `fn`
 * NULL: nobody is asked. `free_user`: as in kca_system_add_handler.
 */
kca_error *kca_system_set_interrupt(kca_system *s, kca_interrupt_fn fn, void *user, kca_free_fn free_user);

/* How kca_system_describe writes: lines to read, or one JSON object. */
enum { KCA_FORMAT_TEXT = 0, KCA_FORMAT_JSON = 1 };

/*
 * The active endpoints: connections, publishers, consumers, handlers, with counters and, in JSON, each option of the
 * builders that has a value, under its name, and the effective librdkafka properties; secrets are left out. Free with
 * kca_string_free.
 *
 * Counters of a publisher, since it was added: "published": the messages it accepted, dead letters that consumers write
 * through it included; of these "stored": the broker has confirmed them (with required_acks 0: they were sent),
 * "failed": they were given up, "unanswered": neither yet. "receipts_waiting": receipts that the application has not
 * freed. Of a consumer: "handled" (done), "failed", "rejected", "duplicates" count verdicts; "retried" and "timed_out"
 * those of the failed that are tried again, or took too long, "retry_stored" those of the retried that the broker has
 * confirmed in a retry channel; "dead_lettered", "parked", "skipped": what became of those that
 * failed for good; "replied": replies that the broker has confirmed, errors included, "not_replied": those that were
 * asked for and are not sent (kca_consumer_builder_with_reply); "relayed": written on by a relay; "passed_over": another group's in a retry channel; "finished_before": not handed out, because they were
 * finished before a restart; "held", "out", "waiting": deliveries that it has now, that the application has of these, and
 * that wait for a retry, dead letter or reply, or for their time (delay_ms, retry_channel).
 *
 * In JSON, "reply_channels" are those that answers are read from: "channel", "connection", "partitions" that are read,
 * and of the asks through it since it was declared: "asked", the sum of those "waiting" now and the ended "answered",
 * "answered_with_error", "unsent", "timed_out", "cancelled", "stopped". "late": answers to asks that had ended;
 * "unknown": answers to no ask of this system, those to other processes' included.
 *
 * In JSON, "local_buses" counts messages of buses without a channel by how they ended: "handled", "failed", "rejected",
 * "timed_out", "cancelled", "stopped"; "retried": attempts that failed and were made again; "under_way": those that have
 * not ended.
 *
 * "exporter", if there is one: "url"; the spans that were "sent", those "waiting", those "dropped" for want of room or of
 * a running system, and those that "failed" because the collector did not take them.
 *
 * In JSON, "redrives" are those that run now: "topic", "group", "dry_run", how many "records" it has to read, and how
 * many are "read" and "redriven".
 */
kca_error *kca_system_describe(kca_system *s, int format, char **out);

/* What kca_system_health says in one number, the worse the greater. */
enum {
    KCA_HEALTH_READY = 0,     /* started; each connection is there, each consumer that runs has joined its group */
    KCA_HEALTH_NOT_READY = 1, /* something of that is not so, or not yet */
    KCA_HEALTH_STUCK = 2,     /* something waits longer than it should, for the cluster: a new start does not help */
    KCA_HEALTH_NOT_LIVE = 3   /* something waits, or has ended, in this process: a new start may help */
};

/*
 * Whether the system is ready, and whether it is stuck. Nothing is sent and nobody is asked: any thread may ask as often
 * as it likes, about once a second at most to the point.
 *
 * `stuck_after_ms` says how long something may wait: 0: 60000; -1: for ever. Stuck is
 *   - a partition of a consumer whose first record that is not finished has been waiting so long: to be taken; for a
 *     handler that has no processing time, or for whoever pulled it; for its dead letter, reply or retry record to be
 *     stored; or for the broker to send it;
 *   - a handler that is not back at the end of its processing time (kca_consumer_with_message_processing_timeout_ms),
 *     at once;
 *   - a consumer that runs and has not joined its group for so long; and one that an error has ended, until it runs
 *     again, at once;
 *   - messages of a publisher that are unconfirmed for so long, beyond its linger_ms.
 * Not stuck are partitions that are paused, and records that wait for a retry's pause, a delay or a batch's time, for a
 * handler that is within its processing time, or behind others that are handled meanwhile; consumers that do not run, and
 * have not failed; topics without anything new. While a connection is not there, or the consumer has not joined, all of
 * that is taken for the cluster's doing; so are messages that are not stored or do not come. Times are exact to a second.
 *
 * `out`: a JSON object, freed with kca_string_free: "code" (KCA_HEALTH_...), "live" (code below 3), "ready" (0), "stuck"
 * (2 or 3), "reasons": texts of a line each, which say the thing, what is wrong and since when, "started",
 * "stuck_after_ms". "connections": each "name", "state", "since", "ready". "publishers": each "channel", "connection",
 * "stuck", "unconfirmed", "oldest_unconfirmed_ms" (null: none). "consumers": each "name", "group", "form", "state",
 * "since", "ready", "stuck", "late_handlers" that are not back, "partitions": each "topic", "partition", "stuck",
 * "waits_for": "nothing", "records" (the broker has some), "turn", "handler", "time", "letter" or "resume", for "for_ms"
 * at "offset" (null: not known).
 */
kca_error *kca_system_health(kca_system *s, int stuck_after_ms, char **out);

/* The code alone, KCA_HEALTH_...; with an error KCA_HEALTH_NOT_READY. */
kca_error *kca_system_health_code(kca_system *s, int stuck_after_ms, int *out);

/* How kca_system_metrics writes. */
enum { KCA_METRICS_PROMETHEUS = 0, KCA_METRICS_OPENMETRICS = 1 };

/*
 * What the system counts, as text that Prometheus reads: in its own format (version 0.0.4), or in OpenMetrics' (1.0.0),
 * which ends with "# EOF". Nobody is asked for it: any thread may ask, as often as it likes. The names are
 * in a table of docs/telemetry.md. Counters are those of kca_system_describe, since the publisher or
 * consumer was added. A connection is told of while the system is started, a partition while it is assigned, its lag
 * once the broker has told where it ends. Free with kca_string_free.
 */
kca_error *kca_system_metrics(kca_system *s, int format, char **out);

/*
 * Describes the cluster of a connection, for tools; the system must be started. `topic` NULL: all topics. `group`: also
 * how far this group has come, which need not be one of the system's; then `topic` NULL means all topics that it has
 * committed offsets of. `group` NULL: no group. Nothing is created, and no group is joined.
 *
 * `out`: a JSON object, freed with kca_string_free: "connection", "cluster_id", "controller", "brokers" (each "id",
 * "host", "port"), "topics" (each "name", "partitions", and "error" when the cluster reports one). A partition:
 * "partition", "leader" (-1: none), "replicas", "in_sync", its first offset "begin" and the next one to come "end";
 * with a group "committed" and "lag", from there to the end. "group": "name", "state", "members" (each "client_id",
 * "host"). What the cluster does not tell is null. KCA_ERROR_NOT_FOUND: the topic does not exist.
 */
kca_error *kca_system_describe_cluster(kca_system *s, const char *connection, const char *topic, const char *group,
                                       int timeout_ms, char **out);

/* Levels of the log; each includes those before it. */
enum { KCA_LOG_OFF = 0, KCA_LOG_ERROR = 1, KCA_LOG_WARN = 2, KCA_LOG_INFO = 3, KCA_LOG_DEBUG = 4 };

/* Logs up to `level`, librdkafka's included, become KCA_EVENT_LOG on the system's queue, or on the log queue once there
 * is one (kca_system_log_queue). A queue keeps the newest 1000 log lines, and beside receipts the newest 1000 of its
 * other events (kca_event_dropped). Default KCA_LOG_OFF. Any other number than the levels above is refused with
 * KCA_ERROR_ARGUMENT. May be called at any time. */
kca_error *kca_system_log_to_queue(kca_system *s, int level);

/* Logs up to `level` are written to stderr, one per line. Default KCA_LOG_OFF. Levels and errors as above. */
kca_error *kca_system_log_to_stderr(kca_system *s, int level);

/* ---- buses ------------------------------------------------------------------------------------------------ */

/* A bus of a publisher's channel; `channel` NULL: a command or query bus without a channel, see kca_bus_deliver. A
 * message without a type gets the bus' own: event, command or query. */
kca_error *kca_system_event_bus(kca_system *s, const char *channel, kca_bus **out);
kca_error *kca_system_command_bus(kca_system *s, const char *channel, kca_bus **out);
kca_error *kca_system_query_bus(kca_system *s, const char *channel, kca_bus **out);
void kca_bus_free(kca_bus *bus);

/*
 * Publishes. Async: NULL means accepted; a receipt with this token follows on the system's queue. With token 0 there is
 * no receipt, and only a failure is reported, as a fault. Not async: NULL means stored. Afterwards the message may be
 * changed and published again at once; without ids of its own it gets fresh ones each time.
 * Waits while the buffer is full (buffer_timeout_ms). Inside a handler that the library calls the message
 * continues the delivery's trace unless it has a trace context, and its baggage unless it has that header.
 */
kca_error *kca_bus_publish(kca_bus *bus, const kca_message *m, uint64_t token);

/*
 * As kca_bus_publish, and gives the receipt of a publisher that is not async: kca_event_topic, kca_event_partition and
 * kca_event_offset say where the message is stored (offset -1: with required_acks 0 nobody knows). It takes no room in
 * the buffer; free it with kca_event_free. Async: `out` is NULL, and the receipt follows on the system's queue.
 */
kca_error *kca_bus_publish_for_receipt(kca_event **out, kca_bus *bus, const kca_message *m, uint64_t token);

/*
 * As kca_bus_publish_for_receipt (`out` NULL: the receipt is not wanted), within a time: 0 or more, -1 for ever. It holds
 * for the whole call: in place of buffer_timeout_ms for the wait for room, and for the broker's answer, if the publisher
 * is not async. KCA_ERROR_BUFFER_FULL: there was no room, and nothing is published. KCA_ERROR_TIMEOUT: the broker has not
 * answered, and the message may be stored nevertheless; its outcome comes as its receipt (with token 0: as a fault, if
 * it failed).
 */
kca_error *kca_bus_publish_within(kca_event **out, kca_bus *bus, const kca_message *m, uint64_t token,
                                  int timeout_ms);

/*
 * Asks: publishes the message to whoever answers on the publisher's reply_channel, which the system reads, and does not
 * wait. NULL: accepted; one KCA_EVENT_REPLY with this token, not 0, follows on the system's queue: with the answer
 * (kca_event_reply), or with kca_event_error: KCA_ERROR_REPLY, the answer is an error; KCA_ERROR_TIMEOUT, none came
 * within `timeout_ms`, -1 for ever (it may have been handled nevertheless); KCA_ERROR_CANCELLED; KCA_ERROR_STOPPED, by a
 * shutdown; or why the broker did not confirm the message, whatever the publisher's `async`.
 * The answer is known by the correlation id: that of the message, if it has one, else a fresh one. KCA_ERROR_DUPLICATE:
 * an ask with that id waits already. KCA_ERROR_BUFFER_FULL: there is no room in the buffer, for which this waits as
 * kca_bus_publish does, or as many asks as buffer_messages wait or have an event that is not freed. KCA_ERROR_STATE: the
 * publisher has no reply_channel. KCA_ERROR_ARGUMENT: an event bus, which nobody answers, a raw message, or one whose
 * reply_to is another channel. Until the reply channel can be read for the first time, the error says why it cannot;
 * when it no longer can, a fault does, and asks end by their time. A publisher's linger_ms delays each ask.
 * kca_system_shutdown waits for handlers, and so for the answers that they wait for, until half of its time is over, or all
 * but 10 s of it; then asks end with KCA_ERROR_STOPPED, so that their handlers may end in time. If it has no limit, those of
 * -1 end at once, and the others in their time: a shutdown never waits for ever for an answer.
 * Answers are understood as Gomes writes them and as CloudEvents (kca_publisher_builder_with_dialect), whatever the
 * publisher's dialect.
 */
kca_error *kca_bus_send(kca_bus *bus, const kca_message *m, uint64_t token, int timeout_ms);

/* As kca_bus_send, and waits for the answer: an event whose kca_event_reply it is, to be freed with kca_event_free. What
 * would be the event's error is the call's. An interrupt (kca_system_set_interrupt) ends the wait. */
kca_error *kca_bus_send_for_reply(kca_event **out, kca_bus *bus, const kca_message *m, int timeout_ms);

/* The ask of this token ends with KCA_ERROR_CANCELLED, which its event tells. It may be handled nevertheless. Does not
 * wait. KCA_ERROR_NOT_FOUND: none waits; it has ended, and its event tells how. */
kca_error *kca_bus_cancel(kca_bus *bus, uint64_t token);

/*
 * A command or query bus without a channel hands each message to the handler of its name in this system, in this process,
 * inside the call: the same code works before and after a Kafka comes in, and a system with handlers alone may start.
 * What is published or sent is handled as a consumer with `reply` would handle it: the message is written as it would be
 * on the wire, and read again; hooks on publishing, around the whole, and on handling; the trace goes on; a handler of
 * many gets it alone; it is tried again as kca_system_set_local_retries says, by pauses inside the call.
 * kca_bus_publish returns when it is handled: NULL: done; KCA_ERROR_HANDLER: it has failed (retriable) or was rejected
 * for good, also because no handler has its name. `out` of its other forms gives a receipt, of no topic, partition -1;
 * tokens make no event. kca_bus_send_for_reply and kca_bus_send give the reply, `null` if the handler gave none, or what
 * failed as KCA_ERROR_REPLY; the latter, too, returns only when it is handled. With a time limit (kca_bus_publish_within,
 * kca_bus_send...) the delivery has a deadline (kca_delivery_left_ms); a handler is not broken off, but what it says
 * later does not count: KCA_ERROR_TIMEOUT. A deferred delivery is waited for: another thread must settle it. Handlers
 * may send through the same bus, up to 100 inside one another: KCA_ERROR_STATE ends those that send to themselves for
 * ever. kca_bus_cancel by the token ends the wait, not the handler. kca_system_shutdown waits
 * for handlers; what would be tried again ends with KCA_ERROR_STOPPED. KCA_ERROR_STATE: the system is not started.
 * KCA_ERROR_ARGUMENT: a raw message, or one with deliver_at_ms. Nothing is stored: if the process dies, the message is lost.
 * kca_delivery_publish answers KCA_ERROR_STATE. A deduplication store is a consumer's, and not asked here.
 *
 * This function is for bindings whose handlers are not functions of C: the same step by step, but for the hooks on
 * publishing. `out`: a queue of this message alone, for one thread at a time and without a descriptor. It gives a
 * delivery for each attempt when its time has come, to be handled, settled and freed, and then how it ended: with
 * `wants_reply` a KCA_EVENT_REPLY, with a `token` other than 0 on the system's queue instead, else a KCA_EVENT_RECEIPT,
 * with kca_event_error; then -KCA_ERROR_STOPPED. Freed before, there is no further attempt.
 */
kca_error *kca_bus_deliver(kca_queue **out, kca_bus *bus, const kca_message *m, int wants_reply, uint64_t token,
                           int timeout_ms);

/* Waits until all messages that were published through the bus' publisher are answered; KCA_ERROR_TIMEOUT says how many
 * are not. */
kca_error *kca_bus_flush(kca_bus *bus, int timeout_ms);

/* ---- messages --------------------------------------------------------------------------------------------- */

/* What kind of message it is. KCA_TYPE_NONE on a message to publish: the bus' kind. */
enum { KCA_TYPE_NONE = 0, KCA_TYPE_COMMAND = 1, KCA_TYPE_QUERY = 2, KCA_TYPE_EVENT = 3, KCA_TYPE_DOCUMENT = 4 };

/* A message of this name (the wire's `route`), by which its handler is found; NULL or "": without a name, which is
 * refused when it is published, unless it is asked for: kca_message_set_unnamed, kca_message_set_raw. */
kca_error *kca_message_new(kca_message **out, const char *name);
void kca_message_free(kca_message *m);

/* Makes it an empty message of this name again, in the memory that it already has: for applications that publish often.
 * KCA_ERROR_ARGUMENT: it is a delivery's, or the name is not allowed; the message then has no name. */
kca_error *kca_message_reset(kca_message *m, const char *name);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_message_error(const kca_message *m);

/* Setters; they do nothing to a delivery's message. NULL or "" takes a text away. Bytes are taken away by NULL only: a
 * payload, key or binary header may be empty, given by any other pointer and length 0. */
void kca_message_set_payload(kca_message *m, const void *payload, size_t len);    /* usually JSON text */
void kca_message_set_key(kca_message *m, const void *key, size_t len);            /* default: correlation id */
void kca_message_set_type(kca_message *m, int type);                              /* default: the bus' */
void kca_message_set_message_id(kca_message *m, const char *id);                  /* default: a new UUIDv4 */
void kca_message_set_correlation_id(kca_message *m, const char *id);              /* default: a new UUIDv4 */
void kca_message_set_timestamp_ms(kca_message *m, int64_t ms_since_1970);         /* default: now */
void kca_message_set_origin(kca_message *m, const char *origin);                  /* default "Gomes" (the wire's) */
void kca_message_set_version(kca_message *m, const char *version);                /* default "1.0" */
void kca_message_set_reply_to(kca_message *m, const char *channel);               /* default: the publisher's */

/* The partition to write to, 0 or above; -1, the default: the key chooses. One that the topic has not is refused when
 * the message is published, with KCA_ERROR_ARGUMENT, and the text says how many it has; the cluster is asked the first
 * time, and for one above those known then. librdkafka: RD_KAFKA_V_PARTITION. */
void kca_message_set_partition(kca_message *m, int partition);

/*
 * Not delivered before this time, milliseconds since 1970; 0, the default: at once. The publisher must have a
 * delay_channel, else publishing it fails with KCA_ERROR_STATE. Until then it waits in delay channels, which a consumer
 * with `relay` reads, in this process or another. The receipt tells this channel's topic, with the partition and the
 * offset that it has in the delay channel. Its record has more headers meanwhile: kca-deliver-to, -at-ms, -due-ms,
 * -partition and -timestamp-ms (a raw message's own time: the record is of now there); with headers kca-deliver-... of
 * its own it is refused with KCA_ERROR_ARGUMENT. Does not count in replies.
 */
void kca_message_set_deliver_at_ms(kca_message *m, int64_t ms_since_1970);

/* Custom headers. A name is 1 to 1000 characters of UTF-8 without controls. Those of the wire (messageId, route ...) are
 * refused, unless the value has not the form that the wire gives it, such as a messageType com.acme.Order: that is a
 * stranger's header, and goes on as it came. The first two replace all headers of the name; the third adds one more,
 * without a value if `value` is NULL. */
void kca_message_set_header(kca_message *m, const char *name, const char *value);
void kca_message_set_binary_header(kca_message *m, const char *name, const void *value, size_t len);
void kca_message_add_header(kca_message *m, const char *name, const void *value, size_t len);

/*
 * 1: the message is published as a record that is exactly this: the headers are those that were set and added, whatever
 * their names (these need not be UTF-8, and may be empty); no id, name, time or trace is written; without a key the
 * record has none; and kca_message_set_timestamp_ms sets the record's own time (any; -1: it has none; 0 or not set: now).
 * For copies of records (kca_delivery_header_...), and for readers with a wire of their own. Set it before headers and
 * time. Default 0.
 */
void kca_message_set_raw(kca_message *m, int raw);

/* The name, as kca_message_new has it; NULL or "": none. */
void kca_message_set_name(kca_message *m, const char *name);

/* 1: the message may be published without a name, as replies are; no handler but that of "*" takes it. Default 0. */
void kca_message_set_unnamed(kca_message *m, int unnamed);

/*
 * W3C trace context: sent as `traceparent`/`tracestate`, and also as Gomes spells them, `Traceparent`/`Tracestate`.
 * A traceparent that does not have the W3C form is refused. `tracestate` may be NULL.
 */
void kca_message_set_trace_context(kca_message *m, const char *traceparent, const char *tracestate);

/* Takes over the trace context of `cause`, usually the message being handled; none if `cause` has none; and its header
 * `baggage` (W3C Baggage), unless the message has one. A raw message takes nothing over: kca_message_set_raw. */
void kca_message_follow(kca_message *m, const kca_message *cause);

/* Accessors. A missing text is ""; NULL only for a NULL message. */
const char *kca_message_name(const kca_message *m);
int kca_message_type(const kca_message *m);
const char *kca_message_message_id(const kca_message *m);
const char *kca_message_correlation_id(const kca_message *m);
int64_t kca_message_timestamp_ms(const kca_message *m); /* header's, else the record's; -1: not set */
const char *kca_message_origin(const kca_message *m);
const char *kca_message_version(const kca_message *m);
const char *kca_message_channel(const kca_message *m); /* header `channelName` */
const char *kca_message_reply_to(const kca_message *m);
int kca_message_partition(const kca_message *m); /* to write to; -1: the key chooses */
const char *kca_message_traceparent(const kca_message *m);
const char *kca_message_tracestate(const kca_message *m);
const void *kca_message_payload(const kca_message *m); /* NULL: none (a tombstone) */
size_t kca_message_payload_len(const kca_message *m);
const void *kca_message_key(const kca_message *m);
size_t kca_message_key_len(const kca_message *m);

/* Custom headers, in the record's order, several of one name and those with an empty value or none (NULL) included.
 * 0 <= index < count. Values are bytes; a NUL that the length does not count stands after them. A header with the name
 * of one of the wire's, but not its form (an id that is not UTF-8, an unknown messageType), is a custom one; the
 * accessor above then answers as if there were none. */
int kca_message_header_count(const kca_message *m);
const char *kca_message_header_name(const kca_message *m, int index);
const void *kca_message_header_value(const kca_message *m, int index);
size_t kca_message_header_value_len(const kca_message *m, int index);

/* The last custom header of this name as text; NULL: none, or it has no value. */
const char *kca_message_header(const kca_message *m, const char *name);

/*
 * The payload as JSON, parsed when first asked for, kept until the payload changes. `pointer` is a JSON pointer (RFC
 * 6901): "/items/0/sku"; "" is the whole payload. Of members with one name the last counts. KCA_ERROR_PAYLOAD: not
 * JSON (RFC 8259, strictly), a value of another type, or a string with \u0000, which a C text cannot hold;
 * KCA_ERROR_NOT_FOUND: no value is there.
 */
int kca_message_is_json(const kca_message *m);
kca_error *kca_message_check_json(const kca_message *m); /* says where the JSON breaks */
kca_error *kca_message_json_string(const kca_message *m, const char *pointer, const char **out); /* borrowed */
kca_error *kca_message_json_int64(const kca_message *m, const char *pointer, int64_t *out);      /* exact */
kca_error *kca_message_json_double(const kca_message *m, const char *pointer, double *out);
kca_error *kca_message_json_bool(const kca_message *m, const char *pointer, int *out);
kca_error *kca_message_json_count(const kca_message *m, const char *pointer, int *out); /* of array or object */

/* Values of kca_message_json_type. */
enum {
    KCA_JSON_MISSING = 0,
    KCA_JSON_NULL = 1,
    KCA_JSON_BOOL = 2,
    KCA_JSON_NUMBER = 3,
    KCA_JSON_STRING = 4,
    KCA_JSON_ARRAY = 5,
    KCA_JSON_OBJECT = 6
};

/* The type of the value at `pointer`; KCA_JSON_MISSING also when the payload is not JSON. */
int kca_message_json_type(const kca_message *m, const char *pointer);

/* A message to publish that is as `m`, which may be a delivery's. */
kca_error *kca_message_copy(kca_message **out, const kca_message *m);

/* Makes a message as another, which may be a delivery's, in the memory that it already has. */
void kca_message_set_all(kca_message *m, const kca_message *from);

/* ---- deliveries ------------------------------------------------------------------------------------------- */

/* The message, borrowed from the delivery. */
const kca_message *kca_delivery_message(const kca_delivery *d);

/* Where the record is; of one that a bus without a channel handed over "", "", -1 and -1. */
const char *kca_delivery_consumer(const kca_delivery *d);
const char *kca_delivery_topic(const kca_delivery *d);
int kca_delivery_partition(const kca_delivery *d);
int64_t kca_delivery_offset(const kca_delivery *d);
int64_t kca_delivery_timestamp_ms(const kca_delivery *d); /* the record's own */
int kca_delivery_attempt(const kca_delivery *d);          /* 1 the first time that it is handed out, then 2, ...; it goes
                                                             on through retry channels */

/*
 * How long the handler may still take: milliseconds until the processing time is over
 * (kca_consumer_with_message_processing_timeout_ms), 0: it is over, what the delivery is settled with no longer counts;
 * -1: there is no limit. For the time limits of what the handler waits for. The deadline is the same as a time of day,
 * milliseconds since 1970 by this machine's clock now, for handing it on; -1: no limit.
 */
int kca_delivery_left_ms(const kca_delivery *d);
int64_t kca_delivery_deadline_ms(const kca_delivery *d);

/* Whether it is out, and need be handled. 0: it was settled, its time is over, its partition is gone, or one before it of
 * its key in its batch has failed: freed without being settled, it comes again after that. */
int kca_delivery_is_out(kca_delivery *d);

/* All headers of the record as they are, the wire's included. 0 <= index < count. Values as of kca_message_header_value.
 * Borrowed from the delivery. */
int kca_delivery_header_count(const kca_delivery *d);
const char *kca_delivery_header_name(const kca_delivery *d, int index);
const void *kca_delivery_header_value(const kca_delivery *d, int index);
size_t kca_delivery_header_value_len(const kca_delivery *d, int index);

/*
 * Says why the delivery fails or is rejected: `error_name` is a short stable name ("NegativeAmount"; NULL: "handler"),
 * `text` one line. Call it before the handler returns or the delivery is settled.
 */
void kca_delivery_explain(kca_delivery *d, const char *error_name, const char *text);

/*
 * 1: somebody waits for this delivery's reply, and it will be sent: the consumer's `reply` is on, the message has a
 * replyTo, and the system has a publisher of that channel. 0: nobody would get it.
 */
int kca_delivery_wants_reply(const kca_delivery *d);

/*
 * The reply, sent when the delivery is settled with KCA_DONE, or with KCA_DUPLICATE, which is answered in no other way.
 * `payload`: JSON text, which is not checked; NULL: `null`. A second call replaces it; a failed attempt drops it. Where
 * nobody waits for it (kca_delivery_wants_reply) nothing is kept, and that is no error. KCA_ERROR_STATE: the delivery is
 * settled, its processing time is over, or its partition has gone.
 */
kca_error *kca_delivery_reply(kca_delivery *d, const void *payload, size_t len);

/*
 * As kca_delivery_reply, with headers, type, ids, name and partition of one's own. The correlation id is as asked,
 * whatever the message has, unless it is raw (kca_message_set_raw): a raw reply is written as it is. The first failure
 * of the message's setters is returned.
 */
kca_error *kca_delivery_reply_message(kca_delivery *d, const kca_message *m);

/*
 * Settles a delivery that was pulled or deferred, once: KCA_DONE, KCA_FAILED, KCA_REJECTED or KCA_DUPLICATE.
 * KCA_ERROR_STATE: it was settled before, its processing time is over, one before it of its key in its batch has failed,
 * or its partition has gone to another consumer; the verdict does not count, and but for the first case the message
 * comes again. A settled delivery takes room in the
 * queue_capacity until it is freed.
 */
kca_error *kca_delivery_settle(kca_delivery *d, int verdict);

/*
 * Settles those of `count` deliveries of one batch, 1 or more, that are not settled yet, with one verdict, as a batch
 * handler's is: KCA_FAILED or KCA_REJECTED for several brings each of them again in a batch of its own. The order of the
 * array does not matter. Verdicts that no longer count are no error here. Each delivery is still to be freed.
 */
kca_error *kca_batch_settle(kca_delivery *const *deliveries, int count, int verdict);

/*
 * Publishes in the delivery's transaction (kca_consumer_builder_with_transactional_id), through the channel of `bus`,
 * which must be over the consumer's connection. The message is kept until the delivery is settled: with KCA_DONE it is
 * sent together with the delivery's offset; otherwise it is dropped, for the delivery comes again. It continues the
 * delivery's trace unless it has a trace context. Of the publisher's options only batch_bytes (the largest message) and
 * reply_channel count here. KCA_ERROR_STATE: the consumer has no transactional_id, or the delivery is settled.
 * KCA_ERROR_TOO_LARGE: it is larger than batch_bytes, or as large as one that the topic refused a minute ago or less.
 */
kca_error *kca_delivery_publish(kca_delivery *d, kca_bus *bus, const kca_message *m);

/*
 * Its reply that is given from now on, and what is published with kca_delivery_publish, go on with this trace context in
 * place of the message's, which stays as it is: for a span of the handling. What is published through a bus goes on with
 * what kca_hooked_set_trace_context sets. KCA_ERROR_ARGUMENT: it does not have the form of a trace context
 * (kca_message_set_trace_context).
 */
kca_error *kca_delivery_set_trace_context(kca_delivery *d, const char *traceparent, const char *tracestate);

/* Frees a delivery that was deferred or came out of kca_event_into_delivery; unsettled, it counts as failed, but for what
 * kca_delivery_is_out says of batches. */
void kca_delivery_free(kca_delivery *d);

/* ---- hooks ------------------------------------------------------------------------------------------------ */

/*
 * Hooks are what the application puts before and after each publish, and each handling of a delivery: traces, measures,
 * checks, headers, a transaction of its database around each handler.
 *
 * Before what is hooked, the `before` functions are called in the order in which the hooks were added. One that says
 * anything else than KCA_GO_ON decides: what is hooked does not happen, and the hooks behind it are not called. Then the
 * `after` functions are called in reverse, those of the hooks whose `before` said KCA_GO_ON, or that have none. All of
 * this is on the thread of what is hooked, and inside the delivery's trace, so that what a hook makes current there is
 * current in the handler.
 *
 * On publishing: kca_bus_publish and kca_bus_send, in all of their forms, and kca_delivery_publish. `before` may change it
 * (kca_hooked_change), drop it (KCA_DROP: the call goes well, but kca_bus_send fails; a receipt that was asked for says
 * partition -1), or refuse it (KCA_FAILED, KCA_REJECTED: the call fails with KCA_ERROR_HOOK, retriable if KCA_FAILED).
 * `after` sees the outcome of the call; the receipt of a publisher that is async comes later. An `after` that fails makes
 * the call fail, too: with kca_delivery_publish nothing is sent then, else the message is on its way. What a hook on
 * publishing itself publishes goes without hooks; so do dead letters, redriven messages, and replies.
 *
 * On handling: where the library calls the handlers, in kca_consumer_run and kca_queue_dispatch. What is hooked is the
 * search for the handler, the deduplication store and the handler. `before` may decide with a verdict: the delivery is
 * settled so. With KCA_DEFERRED the delivery is the application's. `after` sees verdict, error and duration; when it
 * fails (KCA_FAILED, KCA_REJECTED), so does the delivery, unless that is deferred, or settled already. A deduplication
 * store marks the message after that. An application that pulls deliveries and handles them itself calls its own
 * functions there, if it wants that.
 *
 * On handling a batch: the `before` functions of each delivery in turn, then the handler, then the `after` functions, the
 * last delivery's first. One that a `before` decides on leaves the batch, after its own `after` functions; one that fails
 * fails alone, and those of its key behind it leave the batch, too, and come again after it. Without any left the handler
 * is not called. `after` sees how the application settled the delivery, else the verdict of the batch, with the duration
 * from its own first `before`. An `after` that fails fails its delivery alone; when several have failed together it
 * changes nothing, for each of them comes again by itself, through the hooks. A delivery's trace is current inside its
 * hooks, not in the handler.
 */

/* What a hook's functions say beside the verdicts KCA_DONE, KCA_FAILED ... */
enum {
    KCA_GO_ON = -1, /* before: on to the next; after: let the outcome be as it is */
    KCA_DROP = -2   /* before publishing: nothing is sent */
};

/* One of a hook's two functions. `h` is the publish or the handling, borrowed until the function returns. Any other
 * number than those allowed counts as KCA_FAILED. */
typedef int (*kca_hook_fn)(kca_hooked *h, void *user);

/*
 * Add a hook, before start; at most 16 of each kind. `before` or `after` may be NULL. They are called on many threads at
 * once. `free_user`: as in kca_system_add_handler.
 */
kca_error *kca_system_add_publish_hook(kca_system *s, kca_hook_fn before, kca_hook_fn after, void *user,
                                       kca_free_fn free_user);
kca_error *kca_system_add_handling_hook(kca_system *s, kca_hook_fn before, kca_hook_fn after, void *user,
                                        kca_free_fn free_user);

/* The message that is published, as the hooks before have changed it; or the delivery's. Borrowed. */
const kca_message *kca_hooked_message(const kca_hooked *h);

/* Publishing: the message to change, a copy of the application's; kca_hooked_message is then this one. Borrowed. What a
 * setter refuses is the publish's error. NULL: a handling, or memory is out. */
kca_message *kca_hooked_change(kca_hooked *h);

/* Handling: the delivery. Publishing: the delivery of kca_delivery_publish, or NULL. Borrowed. */
kca_delivery *kca_hooked_delivery(const kca_hooked *h);

/* Publishing: the channel, "" of a bus without one; handling: "". */
const char *kca_hooked_channel(const kca_hooked *h);

/*
 * Sets the trace context that goes on from here (kca_message_set_trace_context says its form). Publishing: the message's.
 * Handling: what messages go on with that are published in the handler, through a bus or kca_delivery_publish, and its
 * reply; the delivery's message stays as it is. KCA_ERROR_ARGUMENT: it does not have that form.
 */
kca_error *kca_hooked_set_trace_context(kca_hooked *h, const char *traceparent, const char *tracestate);

/* What this hook keeps from its `before` to its `after`: a span, a lock. Each hook has its own, NULL at first. */
void kca_hooked_keep(kca_hooked *h, void *kept);
void *kca_hooked_kept(const kca_hooked *h);

/* Says why this function is about to answer KCA_FAILED or KCA_REJECTED, as kca_delivery_explain does: a short stable name
 * (NULL: "hook") and one line of text. */
void kca_hooked_explain(kca_hooked *h, const char *error_name, const char *text);

/*
 * For `after`. The verdict: of a publish KCA_DONE (accepted, or with a publisher that is not async stored), KCA_DROP,
 * KCA_FAILED or KCA_REJECTED (an error, retriable or not); of a handling how the delivery is settled, unless it was
 * settled already or its time is over. KCA_GO_ON in `before`.
 */
int kca_hooked_verdict(const kca_hooked *h);

/* For `after`: why it failed or was rejected; "" else. Of a publish: kca_error_name and kca_error_text; of a handling:
 * what kca_delivery_explain said. */
const char *kca_hooked_error_name(const kca_hooked *h);
const char *kca_hooked_error_text(const kca_hooked *h);

/* For `after`: microseconds from before the first hook to the outcome; 0 in `before`. */
int64_t kca_hooked_duration_us(const kca_hooked *h);

/* For `after` of a publish: where the message is stored, as far as the call knows: with a publisher that is not async;
 * else -1. Of a handling: where the record is. */
int kca_hooked_partition(const kca_hooked *h);
int64_t kca_hooked_offset(const kca_hooked *h);

/*
 * For bindings whose hooks are not functions of C. drop: what kca_bus_publish_for_receipt does for a message that a hook
 * drops: nothing is sent, and a receipt that is asked for says partition -1. KCA_ERROR_STATE: the system is not started.
 */
kca_error *kca_bus_drop(kca_event **out, kca_bus *bus, uint64_t token);

/* ---- translators ------------------------------------------------------------------------------------------ */

/*
 * An own translator is a pair of functions of the application's between the messages of a channel and its records: for
 * payloads in a binary form (Avro, MessagePack, one of its own), and for wires of others. A record stands as a raw message
 * (kca_message_set_raw): payload, key, all headers, and the record's own time.
 *
 * to_record, when a message is published (kca_bus_publish and kca_bus_send in all of their forms, kca_delivery_publish):
 * `out` is the record as the publisher's dialect makes it, ids, trace context and key included; the function changes what
 * it wants, or begins anew (kca_message_reset, then kca_message_set_raw). `in` is the message, after the hooks. On the
 * thread that publishes, also with `background`. A raw message is a record, and is not translated.
 *
 * to_message, when a record of the channel is taken by a consumer: `out` is the message as the consumer's dialect reads
 * it. `in` is the record; kca_message_channel is its topic, kca_message_partition its partition, kca_message_timestamp_ms
 * its time, -1: none. On the thread that takes the delivery: a processor's, or inside kca_queue_next, _turn and _dispatch.
 * It is called once for each attempt, and for consumers with batch handlers once more before, to find the handler.
 * Handlers, deduplication, replies and hooks then know the message that it made. The key of the record decides the order.
 *
 * Each returns KCA_DONE; or KCA_FAILED (it may work another time) or KCA_REJECTED, after kca_message_explain of `out`; what
 * a setter refused, and any other number, counts as rejected. On publishing the call fails then with
 * KCA_ERROR_TRANSLATOR, retriable if KCA_FAILED, and nothing is sent. A delivery is settled so, without any handler, with
 * the explained error name ("translator" without one): retries, the dead-letter channel, which gets the record's bytes as
 * they are, and the failure policy are those of any delivery.
 *
 * Dead letters, redriven records and replies are not translated on their way out, nor are the answers to kca_bus_send:
 * these are written and read in the dialect. What a translator itself publishes is not translated either.
 */

/* One of a translator's two functions. Both messages are borrowed until it returns. It may call the functions of messages
 * and what is in the table at the head. */
typedef int (*kca_translator_fn)(kca_message *out, const kca_message *in, void *user);

/*
 * Gives a channel, of a publisher or a consumer's topic, its translator, before start; all publishers and consumers of the
 * channel have it. A retry channel without one has that of the consumer's first topic, but for bindings that translate by
 * themselves. They are called on many threads at once. One of the functions, or both, may be NULL: there the dialect
 * alone counts, or the binding translates, see kca_bus_record. KCA_ERROR_DUPLICATE: it has one. `free_user`: as in
 * kca_system_add_handler.
 */
kca_error *kca_system_set_translator(kca_system *s, const char *channel, kca_translator_fn to_record,
                                     kca_translator_fn to_message, void *user, kca_free_fn free_user);

/* Inside a translator: says why it is about to answer KCA_FAILED or KCA_REJECTED, as kca_delivery_explain does. */
void kca_message_explain(kca_message *m, const char *error_name, const char *text);

/*
 * For bindings whose translators are not functions of C; the channel has one without functions.
 * kca_bus_record: the record of a message as the dialect makes it, a raw message to be freed with kca_message_free;
 * a message without ids of its own gets them; NULL: the message is raw. kca_message_set_record: the message is published
 * as this record, a copy, until kca_message_reset; NULL: as the dialect makes it.
 * kca_delivery_record: a delivery's record as a raw message. kca_delivery_translate: the delivery's message is as `m` from
 * now on; what was borrowed of it before is gone. Call it before the handler. KCA_ERROR_DUPLICATE: one with its id was
 * handled before (kca_consumer_builder_with_deduplication): settle it with KCA_DUPLICATE. KCA_ERROR_STATE: it no longer
 * counts. Batches are gathered by the names that the dialect reads.
 */
kca_error *kca_bus_record(kca_message **out, kca_bus *bus, kca_message *m);
void kca_message_set_record(kca_message *m, const kca_message *record);
kca_error *kca_delivery_record(kca_message **out, const kca_delivery *d);
kca_error *kca_delivery_translate(kca_delivery *d, const kca_message *m);

/* ---- consumer --------------------------------------------------------------------------------------------- */

/* The consumer of this name (as given to its builder). */
kca_error *kca_system_consumer(kca_system *s, const char *consumer, kca_consumer **out);
void kca_consumer_free(kca_consumer *c);

/* Document WithAmountOfProcessors: how many handlers run at once, each on its own thread; 1 to 1024, default 1. Set it
 * before run. */
void kca_consumer_with_amount_of_processors(kca_consumer *c, int processors);

/*
 * Document WithMessageProcessingTimeout: a delivery that is not settled within this time counts as failed, and whatever
 * its handler does later is ignored; 0 to 86400000, default 0: no limit. Set it before run.
 */
void kca_consumer_with_message_processing_timeout_ms(kca_consumer *c, int timeout_ms);

/*
 * Callback form: joins the group, and calls the handlers for deliveries until kca_consumer_stop or shutdown (then it
 * returns NULL), or until something else ends the consumer (the error says what). Deliveries of one key run one after
 * another. Blocks; the calling thread is one of the processors. In a network that drops everything silently, librdkafka
 * takes up to a minute to give up its last requests, and this call returns only then.
 */
kca_error *kca_consumer_run(kca_consumer *c);

/* Ends run or the pull form: nothing new is handed out, deliveries that are out are waited for, finished work is
 * committed. This call itself does not wait. Any thread may call it, also inside a handler, but not a signal handler.
 * Afterwards the consumer may be run again. */
void kca_consumer_stop(kca_consumer *c);

/*
 * Pauses a partition while the consumer runs: nothing of it is handed out until kca_consumer_resume or the end of the
 * run, even if the partition is revoked and assigned again meanwhile. Deliveries that are out go on. `partition` -1:
 * all partitions of the topic that are assigned now; then `topic` NULL: of all topics. Records of it that librdkafka
 * has fetched wait, up to queue_capacity, and take no room from other partitions. KCA_ERROR_STATE: the consumer does
 * not run.
 */
kca_error *kca_consumer_pause(kca_consumer *c, const char *topic, int partition);
kca_error *kca_consumer_resume(kca_consumer *c, const char *topic, int partition);

/*
 * Lets a parked key go (kca_consumer_builder_with_park), while the consumer runs: its messages are handled again from
 * now on, before its dead letters are, and a fault event says so. The letters of its line stay in the dead-letter
 * channel; redriven later, each is handled when it comes, in whatever order, and not as one of a line. The next commit
 * tells of it; until then a crash parks the key again. `key` NULL: all parked keys; `partition` -1: of any partition
 * of the topic that the consumer has now; then `topic` NULL: of any topic. kca_system_describe shows which are parked.
 * KCA_ERROR_NOT_FOUND: no such key is parked there. KCA_ERROR_STATE: the consumer does not run. Any thread.
 */
kca_error *kca_consumer_unpark(kca_consumer *c, const char *topic, int partition, const void *key, size_t len);

/* Offsets for kca_consumer_seek: the partition's next record to come, and its first. */
enum { KCA_OFFSET_END = -1, KCA_OFFSET_BEGINNING = -2 };

/*
 * Goes on reading a partition at this offset, back or ahead, while the consumer runs. Deliveries of it that are out may
 * be settled, but no longer count; new ones of their keys wait until then. Commits follow from the new offset.
 * KCA_ERROR_NOT_FOUND: the partition is not assigned to this consumer now. KCA_ERROR_OFFSET: the offset lies outside the
 * partition; the text names its first offset and the next to come. KCA_ERROR_TIMEOUT: not done within `timeout_ms`; it
 * may still happen. If the cluster does not say which offset is meant, the partition goes on where it was; if
 * librdkafka refuses to move, the consumer ends with that error, because it is then unknown where the partition stands.
 */
kca_error *kca_consumer_seek(kca_consumer *c, const char *topic, int partition, int64_t offset, int timeout_ms);

/* As kca_consumer_seek, to the first record at or after this time; `partition` -1: all partitions of the topic that are
 * assigned now. */
kca_error *kca_consumer_seek_to_time(kca_consumer *c, const char *topic, int partition, int64_t ms_since_1970,
                                     int timeout_ms);

/* ---- redrive ---------------------------------------------------------------------------------------------- */

/*
 * Redrive: publishes dead letters again to where they came from. It reads the dead-letter topic `topic` over the
 * connection named `connection`, in every format of kca_consumer_builder_with_dead_letter_format, as Gomes itself writes
 * them, and those of Spring (plain, @RetryableTopic, Spring Cloud Stream), Kafka Connect, Kafka Streams, SmallRye,
 * Karafka, Dekaf, Watermill and MassTransit. It publishes to topics of that cluster.
 */
kca_error *kca_redrive_new(kca_redrive **out, const char *connection, const char *topic);
void kca_redrive_free(kca_redrive *r);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_redrive_error(const kca_redrive *r);

/*
 * The group that remembers on the broker which letters are done; default "<topic>.redrive". All others stay redrivable:
 * those that a filter left out, that were passed by, or that came while it ran. It has no members, so two redrives of
 * one group must not run at once. Its memory is the commit's offset and metadata: in each partition it tells apart at
 * least 23900 offsets behind the first letter that is left while none beyond is done, and any number when done and left
 * ones come in long runs.
 * When there is no more room, the run ends there, and the report says "group_is_full"; see
 * kca_redrive_with_give_up_others.
 */
void kca_redrive_with_group_id(kca_redrive *r, const char *group_id);

/* Publishes to this topic, partitioned by key; default: the topic that each letter came from. Letters written by Gomes
 * itself do not name one reliably. Not a topic "__...", which are the cluster's own. */
void kca_redrive_with_to_topic(kca_redrive *r, const char *topic);

/*
 * Messages may go to this topic, and only to topics that are named so; repeatable. Default: to those of
 * kca_redrive_with_only_topic, if there are any; else to those that letters in a format of kca's own name in their
 * headers. A topic that is named in a payload (Gomes'), or in a header of another library, which anybody may have
 * written, is never used unless it was allowed; such letters are passed by as "not_allowed". to_topic is always allowed.
 */
void kca_redrive_with_allowed_topic(kca_redrive *r, const char *topic);

/* Most messages to publish in one call; 0 to 2147483647, default 0: all up to the topic's end as it is at the call. */
void kca_redrive_with_max_messages(kca_redrive *r, int messages);

/*
 * Only dead letters that were written at or after the start time and before the end time, by the records' timestamps in
 * milliseconds since 1970; 0 to 253402300799999 (the end of the year 9999), default: all. Reading stops at the first
 * record that is not before the end time. Not with the embedded broker.
 */
void kca_redrive_with_start_time_ms(kca_redrive *r, int64_t ms_since_1970);
void kca_redrive_with_end_time_ms(kca_redrive *r, int64_t ms_since_1970);

/* Only dead letters at this place or behind it: of this partition of the dead-letter topic from this offset on, and of
 * all higher partitions; 0 to 2147483647 and 0 to 999999999999999, default 0 and 0: all. */
void kca_redrive_with_start_partition(kca_redrive *r, int partition);
void kca_redrive_with_start_offset(kca_redrive *r, int64_t offset);

/* Only dead letters that came from this topic; repeatable. Default: from any. */
void kca_redrive_with_only_topic(kca_redrive *r, const char *topic);

/* Only dead letters with this error name (kca_delivery_explain; Spring's: the class of the cause, else of the
 * exception); repeatable. Default: with any. Letters written by Gomes itself have no error name. */
void kca_redrive_with_only_error(kca_redrive *r, const char *error_name);

/*
 * Loop guard: leaves a message alone once it was redriven this often; 1 to 1000000, default 3. The text header
 * kca-redrives counts; it stays on the message when that is dead-lettered again.
 */
void kca_redrive_with_max_redrives(kca_redrive *r, int redrives);

/* 1: letters that are left out, or passed by, count as done, too: this group will not offer them again. 0 (default). */
void kca_redrive_with_give_up_others(kca_redrive *r, int give_up);

/* The most "messages" in the report; 0 to 1000000, default 100. */
void kca_redrive_with_max_listed(kca_redrive *r, int messages);

/* 1: each of the report's "messages" has the failed record, as "record". 0 (default). */
void kca_redrive_with_list_records(kca_redrive *r, int list_records);

/* 1 (default): publishes and commits nothing, and the report says what would happen. 0: does it. */
void kca_redrive_with_dry_run(kca_redrive *r, int dry_run);

/*
 * Runs the redrive; the system must be started. It reads what its group has not done yet, to the topic's end as it is at
 * the call. Each message is published with its key, value and headers as they were, and kca-redrives, as a new record of
 * its topic and partition (by key if that partition is gone), with acks of all in-sync replicas and idempotence. The
 * group learns what the broker has confirmed, so nothing is skipped when the process dies; messages that were published
 * but not committed by then, 5000 at most, are published once more.
 *
 * A letter that cannot go is passed by, and the others go: "left_out" by a filter; "guarded": redriven max_redrives
 * times; "not_dead_letters"; "unknown_target": it names no topic, or an internal or invalid one; "not_allowed", see
 * kca_redrive_with_allowed_topic; "missing_target": its topic does not exist, and is not created; "refused" by the
 * broker. The report counts them, and "troubles" says why. A topic of kca_redrive_with_to_topic that does not exist is an
 * error.
 *
 * The run ends with an error when the cluster does not say what became of a message (the error says which message, and
 * how far the run came), and at a shutdown (KCA_ERROR_STOPPED). What is done is committed, and the next call goes on
 * from there. When the time is over the run ends in that way too, but without an error: the report says complete false.
 * At most two seconds of the time are kept for the last commit. While it runs, kca_system_describe tells how far it is.
 *
 * `out`: the report, a JSON object, freed with kca_string_free. "complete": all up to the end was read; "remaining":
 * letters, and records that were not read, that a later redrive of the group can take; "read": the sum of "redriven" and
 * the counts above; "by_topic", "by_error", "by_target": the redriven by the topic they came from ("": not known), by
 * error name, and by the topic they went to; "not_allowed_by_topic" and "_by_error"; "troubles": how often each; of these
 * the first 100, the others under "(others)". "messages": those that were not left out, in the order of partition and
 * offset, up to max_listed, each "partition", "offset", "format" (whose: "kca", "gomes", "spring", "spring-retry",
 * "spring-cloud-stream", "kafka-connect", "kafka-streams", "smallrye", "smallrye-retry", "karafka", "dekaf",
 * "watermill", "masstransit"), the original "topic", "original_partition", "original_offset", "key", and "error_name",
 * "error_text", "attempts", "redrives" (before this one), "outcome" (one of the counts' names), "redriven", "trouble",
 * and with list_records "record": "key", "value" and "headers", a list of [name, value], all of them in base64 or null.
 * "next": "partition" and "offset" of the first that was not listed. Unknown values are null, texts are shortened to 1000
 * bytes. "dry_run", "topic" and "group" repeat what was asked for.
 */
kca_error *kca_system_redrive(kca_system *s, const kca_redrive *r, int timeout_ms, char **out);

/* ---- queue and events ------------------------------------------------------------------------------------- */

/* The system's queue: receipts, answers, logs, connections' states and faults, and the faults, rebalances and states of
 * consumers in the callback form. */
kca_error *kca_system_queue(kca_system *s, kca_queue **out);

/* A queue for the system's logs alone: from now on logs come here instead of the system's queue, so that a thread which
 * passes them on to the application's own log takes no receipts away. */
kca_error *kca_system_log_queue(kca_system *s, kca_queue **out);

/*
 * Pull form: the consumer's queue of deliveries, faults, rebalances and states. The consumer joins the group now; it leaves on
 * kca_consumer_stop, on shutdown, or when the queue is freed. Not together with kca_consumer_run. Messages of every
 * name come, also those that no handler is declared for: settle these with KCA_REJECTED. After kca_consumer_stop
 * nothing more is handed out; what is settled still counts, until the consumer has left: when all is settled and stored.
 */
kca_error *kca_consumer_queue(kca_consumer *c, kca_queue **out);

/* Freeing a consumer's queue stops the consumer. It does not wait for deliveries that are out: they come again. It waits
 * for the dead letters of those that are settled, up to 5 s, and commits all that is settled, so that none of it comes
 * again; if the cluster does not answer, this takes some seconds longer. An event loop must leave it to a thread, or
 * first call kca_consumer_stop, go on until kca_queue_has_left, and free the queue then. */
void kca_queue_free(kca_queue *q);

/* 1: the consumer has stopped, its dead letters are stored, what is settled is committed, and it has left its group, as
 * far as the cluster answered: freeing the queue does not wait. 0: not yet; also for other queues, NULL, and in a forked
 * child. Any thread; does not wait. After kca_consumer_stop this comes once all that is out is settled; dead letters are
 * waited for up to 30 s, the last commit and leaving up to 10 s each. */
int kca_queue_has_left(kca_queue *q);

/* A file descriptor that is readable while something waits, or -1. Only poll it: never read or close it. Sometimes it
 * is readable although kca_queue_next finds nothing. */
int kca_queue_fd(kca_queue *q);

/*
 * Waits up to `timeout_ms` for events, and puts up to `max` of them into the array `out`; each is freed with
 * kca_event_free. Returns how many; 0: none came; below 0: -KCA_ERROR_... (-KCA_ERROR_STOPPED: the consumer has
 * stopped and nothing is left).
 */
int kca_queue_next(kca_queue *q, kca_event **out, int max, int timeout_ms);

/*
 * Settles `done` with `verdict`, frees it, and takes the next event as kca_queue_next with a `max` of 1 does: one call,
 * cheaper than three, for a thread that handles one delivery after another. `done` NULL: nothing is settled. A verdict
 * that no longer counts is no error here. After -KCA_ERROR_ARGUMENT and -KCA_ERROR_FORKED `done` is as it was.
 */
int kca_queue_turn(kca_queue *q, kca_delivery *done, int verdict, kca_event **out, int timeout_ms);

/*
 * Why kca_queue_next returns a number below 0, as an error that the caller frees: what ended the consumer;
 * KCA_ERROR_STOPPED when it was stopped or shut down; KCA_ERROR_FORKED. NULL while the queue goes on.
 */
kca_error *kca_queue_error(kca_queue *q);

/* Values of kca_event_type. */
enum {
    KCA_EVENT_DELIVERY = 1,  /* a message to handle: kca_event_delivery */
    KCA_EVENT_RECEIPT = 2,   /* what became of a published message: token, error, topic, partition, offset */
    KCA_EVENT_FAULT = 3,     /* something went wrong outside any call: error, and where (topic, partition, offset) */
    KCA_EVENT_LOG = 4,       /* level, component, text */
    KCA_EVENT_REBALANCE = 5, /* partitions came or went: kca_event_rebalance, consumer, assignment_... */
    KCA_EVENT_END = 6,       /* a partition is fetched to its end: topic, partition, offset, consumer */
    KCA_EVENT_STATE = 7,     /* a connection or consumer is in another state: kca_event_state, connection, consumer ... */
    KCA_EVENT_REPLY = 8,     /* what became of an ask, kca_bus_send: token, error, kca_event_reply */
    KCA_EVENT_BATCH = 9      /* messages to handle together, of a batch handler's name: kca_event_into_batch */
};

/*
 * KCA_EVENT_END comes to consumers with the property enable.partition.eof "true", each time a partition's end is
 * reached. Its offset is that of the next record to come. Deliveries from before the end may still follow:
 * kca_system_describe says how many records are `held`.
 */

/* Gets an event, borrowed: the library frees it, and kca_event_free does nothing meanwhile. */
typedef void (*kca_event_fn)(const kca_event *e, void *user);

/* The function that kca_queue_dispatch calls for events of this type (not KCA_EVENT_DELIVERY: handlers get those). */
kca_error *kca_system_set_event_handler(kca_system *s, int event_type, kca_event_fn fn, void *user,
                                        kca_free_fn free_user);

/*
 * Like kca_queue_next, but calls the handlers on this thread, settles each delivery by what its handler returns, and
 * frees the events; events without a handler are dropped. Returns how many events, or below 0 as kca_queue_next.
 */
int kca_queue_dispatch(kca_queue *q, int max, int timeout_ms);

/* Frees an event. Its deliveries, if it has some that are not settled, count as failed, each by itself. */
void kca_event_free(kca_event *e);

/* One of KCA_EVENT_...; 0 for NULL. */
int kca_event_type(const kca_event *e);

/* The delivery, borrowed from the event. */
kca_delivery *kca_event_delivery(const kca_event *e);

/* Turns the event into its delivery, which is then the caller's, to settle at any time and to free with
 * kca_delivery_free; do not free the event any more. NULL: the event has no delivery, and stays as it is. */
kca_delivery *kca_event_into_delivery(kca_event *e);

/* How many deliveries a KCA_EVENT_BATCH has, 1 or more; 0 for events of other types. */
int kca_event_batch_count(const kca_event *e);

/*
 * Turns a KCA_EVENT_BATCH into its deliveries, in the array `out`, which has room for `max`; they are then the caller's, to
 * settle at any time, each or together, and to free each; do not free the event any more. Returns how many they are; 0:
 * it is an event of another type; -KCA_ERROR_ARGUMENT: there are more than `max`. In these cases it stays as it is.
 */
int kca_event_into_batch(kca_event *e, kca_delivery **out, int max);

/* The token that the message was published or sent with. */
uint64_t kca_event_token(const kca_event *e);

/* Of a KCA_EVENT_REPLY: the answer, also one that is an error; borrowed from the event. NULL: none came. */
const kca_message *kca_event_reply(const kca_event *e);

/* Receipt: NULL: stored. Reply: NULL: the answer is a result. Fault: what went wrong. State: the trouble, or NULL.
 * Borrowed. */
const kca_error *kca_event_error(const kca_event *e);

/* Fault: how many faults there were since the one before that nobody took in time, so that they were dropped: the
 * queue keeps the newest 1000. The error's text says it, too. 0: none, and for events of other types. */
int64_t kca_event_dropped(const kca_event *e);

/* Where the record is, for receipts, faults and ends; "" and -1 when not known (with acks 0: the offset). */
const char *kca_event_topic(const kca_event *e);
int kca_event_partition(const kca_event *e);
int64_t kca_event_offset(const kca_event *e);

/*
 * Of a KCA_EVENT_FAULT with KCA_ERROR_OFFSET: reading went on at `to` instead of `from`, its topic and partition. `to`
 * beyond `from`: the records between are gone unread, by retention; count is how many offsets those are. `to` before
 * `from`: the partition ends before `from`, or the topic was deleted and made anew; count is 0. -1 for other events.
 * A topic made anew is recognised by its id with librdkafka 2.3 or later and Kafka 2.8 or later; else only by offsets
 * that go back.
 */
int64_t kca_event_reset_from(const kca_event *e);
int64_t kca_event_reset_to(const kca_event *e);
int64_t kca_event_reset_count(const kca_event *e);

/* A log line. Component: "system", "connection", "publisher", "consumer", "librdkafka", followed by the name. */
int kca_event_log_level(const kca_event *e);
const char *kca_event_log_component(const kca_event *e);
const char *kca_event_log_text(const kca_event *e);

/* What happened in a rebalance. */
enum {
    KCA_REBALANCE_ASSIGNED = 1, /* the consumer has these partitions from now on */
    KCA_REBALANCE_REVOKED = 2,  /* they have gone: finished work was committed */
    KCA_REBALANCE_LOST = 3      /* they had gone before it could be committed: that work comes again elsewhere */
};

/* One of KCA_REBALANCE_...; 0 for events of other types. */
int kca_event_rebalance(const kca_event *e);

/*
 * States of connections and running consumers. They come with each change, and once in a state with trouble, which
 * kca_event_error then says: a broker that cannot be reached or does not answer, its address and the reason, also when
 * only the address is wrong that the cluster advertises. NULL: no trouble. The cluster is asked before a state is told:
 * what librdkafka mends at once is not told, nor is a rebalance that takes long. A connection, and a consumer that reads
 * without a group, begin as CONNECTED, of which no event tells, because kca_system_start has reached the cluster. A
 * connection's events come to the system's queue, a consumer's in the pull form to its own queue, else to the system's.
 */
enum {
    KCA_STATE_CONNECTING = 1, /* a consumer runs, and has not joined its group yet */
    KCA_STATE_CONNECTED = 2,  /* a connection, or a consumer that reads without a group: all is well */
    KCA_STATE_JOINED = 3,     /* a consumer has joined its group, also if that gave it no partition */
    KCA_STATE_RECONNECTING = 4 /* trouble, or put out of the group: it comes back by itself */
};

/* One of KCA_STATE_...; 0 for events of other types. */
int kca_event_state(const kca_event *e);

/* When that state began, milliseconds since 1970; 0 for events of other types. */
int64_t kca_event_since_ms(const kca_event *e);

/* State: the connection's name, also when it is the state of a consumer over it. "" for other types. */
const char *kca_event_connection(const kca_event *e);

/* The consumer's name; "" for events of other types than KCA_EVENT_REBALANCE, KCA_EVENT_END and KCA_EVENT_STATE, and
 * for the state of a connection. */
const char *kca_event_consumer(const kca_event *e);

/* The partitions that came or went; 0 <= index < count. */
int kca_event_assignment_count(const kca_event *e);
const char *kca_event_assignment_topic(const kca_event *e, int index);
int kca_event_assignment_partition(const kca_event *e, int index);

/* ---- wake socket ------------------------------------------------------------------------------------------ */

/*
 * For event loops that can only wait for sockets which they connected themselves, for example OpenResty's: a unix
 * socket on which a byte arrives each time a queue becomes readable. Make it, connect to its path, accept, then watch
 * queues; after a byte, take events from the queue of that mark until none comes. A thread of its own sends the bytes.
 */
kca_error *kca_wake_socket_new(kca_wake_socket **out);

/* Ends its thread and closes the socket; the queues are not touched. */
void kca_wake_socket_free(kca_wake_socket *w);

/* Where to connect to, a file that only this user can reach; "" once the connection is accepted. Borrowed. */
const char *kca_wake_socket_path(const kca_wake_socket *w);

/* Takes the waiting connection, only if it is from this process, and removes the file. KCA_ERROR_STATE: none waits. */
kca_error *kca_wake_socket_accept(kca_wake_socket *w);

/* From now on the byte `mark`, 1 to 255, arrives each time the queue becomes readable, and at once if it is: then take
 * events until kca_queue_next finds none. A consumer's queue is watched until the consumer stops: watch its next queue
 * anew. */
kca_error *kca_wake_socket_watch(kca_wake_socket *w, kca_queue *q, int mark);

/* Makes the byte `mark` arrive now. Does not wait: if the socket is full of unread bytes, those wake the reader. */
void kca_wake_socket_wake(kca_wake_socket *w, int mark);
