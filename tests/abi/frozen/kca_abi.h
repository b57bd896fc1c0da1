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
 *            pointer returned is borrowed from the argument it was asked of and lives as long as that. What is
 *            passed in is copied. Every accessor and every free takes NULL; an accessor then answers NULL or 0.
 * Threads    The library calls the application only inside kca_queue_dispatch (on that thread) and
 *            kca_consumer_run (on the processors' threads, which live only inside it); and, where it is asked to by
 *            kca_system_set_interrupt, inside calls that wait. System, bus, consumer and
 *            queue handles may be used from any thread; a message, delivery, event or builder by one at a time.
 * Lifetime   Handles may be freed in any order. A user pointer's `free_user` runs exactly once, also on failure.
 *            Nothing happens at load or exit. After fork, a handle made by the parent answers with
 *            KCA_ERROR_FORKED in the child: start a system of its own there.
 *
 * Words      A system holds connections, publishers (outbound channel adapters), consumers (inbound channel
 *            adapters) and handlers. A message is published through a bus; what became of it is a receipt. A
 *            message handed to the application is a delivery; it must be settled.
 * Units      Durations are int milliseconds (`_ms`), sizes are bytes. A `timeout_ms` of 0 does not wait, of -1
 *            waits for ever. Texts are UTF-8 and end with NUL. "Document" below is Gomes' document "Kafka Channel
 *            Adapters"; a dotted name is the librdkafka property that an option stands for.
 */

/* ---- the library ------------------------------------------------------------------------------------------ */

/* The ABI that this library speaks: 1, also its SONAME (libkca.so.1). A binding refuses any other. */
int kca_abi(void);

/* Version of this library, such as "0.1.0". Borrowed, static. */
const char *kca_version(void);

/* Version of the librdkafka in use at run time, such as "2.0.2". Borrowed, static. */
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
typedef struct kca_wake_socket kca_wake_socket;

/* Frees what `user` points to. */
typedef void (*kca_free_fn)(void *user);

/* Frees a text that a function gave as `char **out`. */
void kca_string_free(char *text);

/* ---- errors ----------------------------------------------------------------------------------------------- */

/* What kca_error_code answers. */
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
    KCA_ERROR_PAYLOAD = 13,       /* the payload is not JSON, or the value there has another type */
    KCA_ERROR_NOT_FOUND = 14,     /* no such channel, consumer, header or JSON value */
    KCA_ERROR_DUPLICATE = 15,     /* the name is taken */
    KCA_ERROR_HANDLER = 16,       /* a handler failed, rejected or took too long */
    KCA_ERROR_STOPPED = 17,       /* the consumer or system has stopped */
    KCA_ERROR_BROKER = 18         /* anything else the cluster or librdkafka reports */
};

void kca_error_free(kca_error *e);

/* One of KCA_ERROR_...; KCA_OK for NULL. */
int kca_error_code(const kca_error *e);

/* The code's name for programs and logs, such as "unreachable"; "ok" for NULL. Borrowed, static. */
const char *kca_error_name(const kca_error *e);

/* One line: the thing, what is wrong, what was allowed. Never holds a password or key. "" for NULL. */
const char *kca_error_text(const kca_error *e);

/* librdkafka's code (rd_kafka_resp_err_t) when it came from there, else 0. */
int kca_error_rdkafka_code(const kca_error *e);

/* 1 when the same call may succeed later. */
int kca_error_retriable(const kca_error *e);

/* 1 when the object concerned cannot be used any more. */
int kca_error_fatal(const kca_error *e);

/* ---- connection ------------------------------------------------------------------------------------------- */

/*
 * A cluster and how to reach it; shared by all publishers and consumers that name it.
 * `name`: 1 to 100 characters. `hosts`: "host:port,host:port" (bootstrap.servers), or "embedded://" for a broker
 * inside this process that is for trying out only: memory only, no TLS or SASL, 4 partitions per topic, and the
 * oldest records of a partition are dropped without a word past 5 MB or 100,000 records.
 */
kca_error *kca_connection_new(kca_connection **out, const char *name, const char *hosts);
void kca_connection_free(kca_connection *c);

/*
 * TLS. Each of the three is a file's path or PEM text (it then begins with "-----BEGIN"); NULL leaves it out.
 * `ca`: who signs the brokers' certificates; NULL: the machine's own list (ssl.ca.location, ssl.ca.pem).
 * `certificate` (with its chain) and `key`: this client's own, both or neither, for brokers that ask for one
 * (ssl.certificate.*, ssl.key.*). They are read and checked when the system starts, before a socket is opened.
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
 * Any other librdkafka property, for all adapters of the connection. An unknown name is refused with the nearest
 * known one; a property that an option stands for is refused with the option's name.
 */
void kca_connection_with_property(kca_connection *c, const char *name, const char *value);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_connection_error(const kca_connection *c);

/* ---- publisher builder (outbound channel adapter) --------------------------------------------------------- */

/* A publisher of `topic` over the connection of that name. The topic's name is the channel's name. */
kca_error *kca_publisher_builder_new(kca_publisher_builder **out, const char *connection, const char *topic);
void kca_publisher_builder_free(kca_publisher_builder *b);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_publisher_builder_error(const kca_publisher_builder *b);

/*
 * Document WithMaxAttempts: times a message is sent before it fails; 1 to 1000000, default 10.
 * message.send.max.retries = attempts - 1, with librdkafka's backoff (retry.backoff.ms, 100 ms) between them.
 * Whatever the attempts, a message fails when message.timeout.ms (300,000 ms) is over.
 */
void kca_publisher_builder_with_max_attempts(kca_publisher_builder *b, int attempts);

/* Document WithBatchSize: messages per batch; 1 to 1000000, default 100. batch.num.messages */
void kca_publisher_builder_with_batch_size(kca_publisher_builder *b, int messages);

/*
 * Document WithBatchBytes: largest batch, and so the largest message; 1000 to 1000000000, default 1048576.
 * batch.size and message.max.bytes. A larger message is refused with KCA_ERROR_TOO_LARGE. The broker's own limit
 * (message.max.bytes there, 1048588 by default) holds as well.
 */
void kca_publisher_builder_with_batch_bytes(kca_publisher_builder *b, int bytes);

/*
 * Document WithAsync: 1 (default): kca_bus_publish returns once the message is buffered, and a receipt follows.
 * 0: it returns when the broker has answered; linger is then 0, so no batch timer delays it.
 */
void kca_publisher_builder_with_async(kca_publisher_builder *b, int async);

/*
 * Document WithRequiredAcks: 0 none (default), 1 the partition's leader, -1 all in-sync replicas (acks).
 * With 0 nobody confirms anything: records may be lost unseen, and the library warns of it once at start.
 */
void kca_publisher_builder_with_required_acks(kca_publisher_builder *b, int acks);

/* Channel that replies are to go to: header `replyTo` of each message that sets no other. Default none. */
void kca_publisher_builder_with_reply_channel(kca_publisher_builder *b, const char *channel);

/* "none" (default), "gzip", "snappy", "lz4" or "zstd". compression.codec */
void kca_publisher_builder_with_compression(kca_publisher_builder *b, const char *codec);

/* Time that a message may wait for its batch to fill; 0 to 900000, default 5 (0 when not async). linger.ms */
void kca_publisher_builder_with_linger_ms(kca_publisher_builder *b, int linger_ms);

/*
 * 1: the broker drops duplicates that retries make, and keeps their order (enable.idempotence); needs
 * required_acks -1 and max_attempts of at least 2. Default 0.
 */
void kca_publisher_builder_with_idempotence(kca_publisher_builder *b, int idempotence);

/*
 * Most messages under way: buffered, sent and not answered, and answered with a receipt that the application has
 * not freed yet; 1 to 10000000, default 2000. This bounds the memory, and keeps it in the processor's cache.
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
 * 1: kca_bus_publish only copies the message, and a thread of the library does the rest, about a millisecond later: for
 * event loops. What librdkafka itself refuses, as for its headers' size, is then a failed receipt, or a fault. Only when
 * async. Default 0.
 */
void kca_publisher_builder_with_background(kca_publisher_builder *b, int background);

/* Any other librdkafka property; see kca_connection_with_property. */
void kca_publisher_builder_with_property(kca_publisher_builder *b, const char *name, const char *value);

/* ---- consumer builder (inbound channel adapter) ----------------------------------------------------------- */

/*
 * A consumer of `topic` over the connection of that name. `consumer` is its name and, as in the document, its
 * group on the broker (group.id).
 */
kca_error *kca_consumer_builder_new(kca_consumer_builder **out, const char *connection, const char *topic,
                                    const char *consumer);
void kca_consumer_builder_free(kca_consumer_builder *b);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_consumer_builder_error(const kca_consumer_builder *b);

/* For kca_consumer_builder_with_partition: what the group assigns, and every one there is. */
enum { KCA_PARTITION_ASSIGNED = -1, KCA_PARTITION_EVERY = -2 };

/*
 * Document WithPartition: read this partition only, 0 or above, default KCA_PARTITION_ASSIGNED: all that the group
 * assigns. The consumer then joins no group; it commits under its group id. With one processor the order is total.
 * KCA_PARTITION_EVERY: likewise without a group, every partition that its topics have when it begins, for tests and
 * tools: nothing is to be waited for. A topic that does not exist then ends it with KCA_ERROR_NOT_FOUND.
 */
void kca_consumer_builder_with_partition(kca_consumer_builder *b, int partition);

/* Reads these topics too (document: multiple topics). Repeatable. */
void kca_consumer_builder_with_group_topic(kca_consumer_builder *b, const char *topic);

/*
 * Document WithQueueCapacity: most records held; 1 to 10000000, default 1000. Bounds the records given out or
 * waiting for their key's turn; librdkafka prefetches as many again (queued.min.messages), and no more bytes than
 * queued.max.messages.kbytes: `max_bytes`, at least 4 MiB.
 */
void kca_consumer_builder_with_queue_capacity(kca_consumer_builder *b, int records);

/* Document WithMinBytes: the broker waits for this much; 1 to 100000000, default 1. fetch.min.bytes */
void kca_consumer_builder_with_min_bytes(kca_consumer_builder *b, int bytes);

/*
 * Document WithMaxBytes: most bytes of one fetch; 1000 to 1000000000, default 1048576. fetch.max.bytes and
 * max.partition.fetch.bytes; the broker still sends a first record that is larger.
 */
void kca_consumer_builder_with_max_bytes(kca_consumer_builder *b, int bytes);

/* Document WithMaxWait: the broker waits for min_bytes at most this long; 1 to 60000, default 100. fetch.wait.max.ms */
void kca_consumer_builder_with_max_wait_ms(kca_consumer_builder *b, int max_wait_ms);

/*
 * Document WithReadBatchTimeout: a batch that takes longer to read is given up and asked for again; 2000 to
 * 300000, default 10000, at least max_wait + 1000. Nearest: socket.timeout.ms, which times every request of the
 * consumer.
 */
void kca_consumer_builder_with_read_batch_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/*
 * Document WithHeartbeatInterval: 1 to 3600000, default 3000, at most a third of the session timeout.
 * heartbeat.interval.ms
 */
void kca_consumer_builder_with_heartbeat_interval_ms(kca_consumer_builder *b, int interval_ms);

/*
 * Document WithCommitInterval: finished work is committed this often, and at rebalances and at the end; 1 to
 * 86400000, default 5000. Done by kca (librdkafka's enable.auto.commit is off): only what is settled is committed.
 * 0: never, for those who only look: reading begins at start_offset, whatever the group has committed, and leaves no
 * trace there. Not with a transactional_id.
 */
void kca_consumer_builder_with_commit_interval_ms(kca_consumer_builder *b, int interval_ms);

/* Document WithPartitionWatchInterval: 10 to 700000, default 300000 (5 min). topic.metadata.refresh.interval.ms */
void kca_consumer_builder_with_partition_watch_interval_ms(kca_consumer_builder *b, int interval_ms);

/*
 * Document WithWatchPartitionChanges: 1: new partitions are looked for each partition_watch_interval. 0 (default):
 * not looked for; librdkafka cannot ignore them for ever, so nearest: it comes across them within 12 minutes.
 */
void kca_consumer_builder_with_watch_partition_changes(kca_consumer_builder *b, int watch);

/*
 * Where a group without a committed offset begins: "earliest" (default), "latest", or a time: milliseconds since 1970
 * as text ("1767225600000"), the first record at or after it. A committed offset that is out of range, as after
 * retention, goes on at the earliest record that is left, whatever this says: nothing is passed over.
 */
void kca_consumer_builder_with_start_offset(kca_consumer_builder *b, const char *start);

/* "read_committed" (default) or "read_uncommitted". isolation.level */
void kca_consumer_builder_with_isolation_level(kca_consumer_builder *b, const char *level);

/* The group takes a member for dead when it hears nothing this long; 1000 to 3600000, default 45000.
 * session.timeout.ms */
void kca_consumer_builder_with_session_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/*
 * How long the group waits for its members in a rebalance; 1000 to 86400000, default 300000, not below the session
 * timeout. max.poll.interval.ms, which librdkafka also sends as the rebalance timeout. kca polls all the time, so
 * handlers may take longer. Handlers still running get up to half of it (30 s at most) to finish before a
 * partition is given away.
 */
void kca_consumer_builder_with_rebalance_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/* The group on the broker when it must differ from the consumer's name (Gomes: "<connection>:<consumer>"). */
void kca_consumer_builder_with_group_id(kca_consumer_builder *b, const char *group_id);

/* A name of this member that it keeps over restarts (static membership): one that is back within the session timeout
 * gets its partitions back, and nobody else is disturbed. group.instance.id; default none. */
void kca_consumer_builder_with_group_instance_id(kca_consumer_builder *b, const char *id);

/*
 * How the group deals its partitions: "range,roundrobin", "range", "roundrobin" or "cooperative-sticky"; all members
 * must agree. Default "cooperative-sticky" from librdkafka 2.6.1 on, below it, where that can loop for ever,
 * "range,roundrobin". partition.assignment.strategy
 */
void kca_consumer_builder_with_assignment_strategy(kca_consumer_builder *b, const char *strategy);

/*
 * Which deliveries are handled one after another, in offset order: "key" (default): those of the same key in a
 * partition, records without a key in any order; "partition": those of a partition; "none": any run side by side.
 */
void kca_consumer_builder_with_order(kca_consumer_builder *b, const char *order);

/*
 * Retries: a delivery that failed, or took longer than its processing time, is handled again after a pause. Meanwhile
 * its key (order "key"; "partition": its partition) waits, and all others go on. Its attempts are counted anew after a
 * restart: a retry that a shutdown or a crash came before is delivered again, never skipped.
 */

/* Times that a delivery is handled before it has failed for good; 0: without end; up to 1000000. Default 1, or one
 * more than there are retry_delay_ms. */
void kca_consumer_builder_with_max_attempts(kca_consumer_builder *b, int attempts);

/* Pause before the second attempt; 0 to 86400000, default 100. It grows by the multiplier each time. */
void kca_consumer_builder_with_retry_backoff_ms(kca_consumer_builder *b, int backoff_ms);

/* By what the pause grows; 1.0 to 100.0, default 2.0. */
void kca_consumer_builder_with_retry_backoff_multiplier(kca_consumer_builder *b, double multiplier);

/* The longest pause; 0 to 86400000, default 30000. */
void kca_consumer_builder_with_retry_backoff_max_ms(kca_consumer_builder *b, int backoff_ms);

/* How far a pause is spread at random, so that not all come back at once: 0 to 100 % of it up or down, default 20. */
void kca_consumer_builder_with_retry_jitter_percent(kca_consumer_builder *b, int percent);

/*
 * One more pause of a list, in place of the backoff (Gomes' list of retry delays); 0 to 86400000. Repeatable, up to
 * 100: N pauses are N + 1 attempts; with more max_attempts the last one repeats. The jitter spreads them, too.
 */
void kca_consumer_builder_with_retry_delay_ms(kca_consumer_builder *b, int delay_ms);

/* A delivery that failed with this error name (kca_delivery_explain) counts as rejected: it is not tried again.
 * Repeatable. "timeout" is the name of a processing time that is over, "unhandled" of a message without a handler. */
void kca_consumer_builder_with_rejected_error(kca_consumer_builder *b, const char *error_name);

/*
 * Where rejected deliveries, and those whose attempts are used up, go: the channel of a publisher of the same system,
 * over any connection, with required_acks of 1 or -1. Key, value and headers go there as they are, of any kind, with
 * headers that say where from and why. The offset counts as done only when the broker has confirmed the dead letter;
 * until then it is written again and again, with a fault event each time, and only its key waits. Default none.
 */
void kca_consumer_builder_with_dead_letter_channel(kca_consumer_builder *b, const char *channel);

/*
 * "kca" (default): the record as it was, and text headers kca-dead-letter-topic, -partition, -offset, -timestamp,
 * -group, -attempts, -error-name, -error-text, -time (times in RFC 3339). "spring": with the headers of Spring for
 * Apache Kafka (kafka_dlt-original-topic ...; numbers big-endian), and kca's for attempts and time. "gomes": Gomes'
 * JSON envelope {"ReasonError","Payload","Headers"}, the payload byte for byte, and kca's headers beside it.
 */
void kca_consumer_builder_with_dead_letter_format(kca_consumer_builder *b, const char *format);

/*
 * Without a dead-letter channel: "stop" (default): the consumer stops with the error and commits nothing beyond, so
 * nothing is skipped; "skip": a fault event, and on to the next.
 */
void kca_consumer_builder_with_failure_policy(kca_consumer_builder *b, const char *policy);

/*
 * When a delivery is over its processing time (kca_consumer_with_message_processing_timeout_ms) and its handler still
 * runs: "wait" (default): its retry, and its key's next, wait until the handler is back, so that two never run at
 * once; "abandon": they do not, for handlers that may hang for ever.
 */
void kca_consumer_builder_with_timeout_policy(kca_consumer_builder *b, const char *policy);

/*
 * Remembers the ids (header messageId) of the newest so many messages that were done, in this process: a message whose
 * id is among them is settled as done without being handled, and counted as duplicate. 1 to 10000000, default 0:
 * none. For a memory of one's own that outlives the process see kca_system_set_deduplication_store.
 */
void kca_consumer_builder_with_deduplication(kca_consumer_builder *b, int messages);

/*
 * Exactly once: the messages that handlers publish with kca_delivery_publish, and the offsets of the deliveries that
 * they belong to, are committed together, in Kafka transactions of all that was done since the last one. `id` names
 * this process for that (transactional.id): another one that comes with the same id, such as its successor, fences
 * this one, whose run then ends with an error. What is read by read_committed consumers has then been handled exactly
 * once, whatever died; handlers themselves may still run more than once. When a transaction is aborted, all that was
 * in it is delivered again. Dead letters go with it too, so their channel must be over the same connection. Commits
 * are each 100 ms unless commit_interval_ms says otherwise; of queue_capacity at most 700 count; isolation_level is
 * read_committed, and there is no deduplication: what was done in an aborted transaction has to be done again.
 * Default none. Not on the embedded broker.
 */
void kca_consumer_builder_with_transactional_id(kca_consumer_builder *b, const char *id);

/* The broker aborts a transaction that lasts longer; 1000 to 900000, default 60000. transaction.timeout.ms */
void kca_consumer_builder_with_transaction_timeout_ms(kca_consumer_builder *b, int timeout_ms);

/* Any other librdkafka property; see kca_connection_with_property. */
void kca_consumer_builder_with_property(kca_consumer_builder *b, const char *name, const char *value);

/* ---- system ----------------------------------------------------------------------------------------------- */

kca_error *kca_system_new(kca_system **out);

/* A started system is closed at once, as by kca_system_shutdown(s, 0), when its last handle is freed. */
void kca_system_free(kca_system *s);

/* Add what is declared, before start. The argument is copied: it may be changed, added again or freed. A setter's
 * failure comes out here; names taken already give KCA_ERROR_DUPLICATE. */
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

/* Runs for each delivery of its name. Returns one of the above; says why with kca_delivery_explain. */
typedef int (*kca_handler_fn)(kca_delivery *d, void *user);

/*
 * The handler of the messages of this name; "*": of those that no other handler takes, also without a name. `fn`
 * NULL: the application pulls deliveries from the consumer's queue and only declares here what it handles.
 * `free_user` (NULL: none) runs once, when the system goes, or now on failure.
 */
kca_error *kca_system_add_handler(kca_system *s, const char *name, kca_handler_fn fn, void *user,
                                  kca_free_fn free_user);

/* Whether a message of this id was handled before: 1 yes, 0 no, -1 not to be known now: the delivery then fails. */
typedef int (*kca_seen_fn)(const char *message_id, void *user);

/* Remember that the message of this id was handled: 0 well, else a fault event is told; the message counts as done. */
typedef int (*kca_mark_fn)(const char *message_id, void *user);

/*
 * Deduplication with a memory of the application's, such as a table of its database, for the consumer of this name:
 * `seen` is asked before a handler runs, and `mark` called after it returned KCA_DONE within its time; both on the
 * thread that runs the handler. A message without an id is handled without asking. Pull form: the application asks
 * itself, and settles as KCA_DUPLICATE; so it does for what it defers. `free_user`: as kca_system_add_handler.
 */
kca_error *kca_system_set_deduplication_store(kca_system *s, const char *consumer, kca_seen_fn seen, kca_mark_fn mark,
                                              void *user, kca_free_fn free_user);

/*
 * Checks the declarations (unknown connections, heartbeat over a third of the session timeout, a consumer without
 * any handler, TLS files ...), reaches each cluster, and opens the publishers; consumers join when they run. Within
 * `timeout_ms`, or an error that says what to do; nobody listening yet is waited for until then. After an error the
 * system is as before, and start may be tried again. Brokers that create topics on demand create the declared ones.
 */
kca_error *kca_system_start(kca_system *s, int timeout_ms);

/*
 * Stops the consumers, lets deliveries that are out be settled, commits, sends what is buffered, and closes; all
 * within `timeout_ms`. An error says what was left: unsettled deliveries are delivered again after the next start,
 * unsent messages got a failed receipt. A cluster that does not answer may add some seconds: the last commit and leaving
 * the group are waited for 3 s each at the least. Then the system may be started again. Not inside a handler.
 */
kca_error *kca_system_shutdown(kca_system *s, int timeout_ms);

/* Whether who waits is to end: 0: no. */
typedef int (*kca_interrupt_fn)(void *user);

/*
 * A thread that waits inside kca_system_start, kca_system_shutdown, kca_system_redrive, kca_system_describe_cluster,
 * kca_bus_flush or kca_bus_publish asks `fn` about four times a second, for languages that handle Ctrl-C only when they
 * run. Answers it other than 0, the call ends soon, as if its time were over; a publish that is not async with
 * KCA_ERROR_NOT_STORED, and what became of the message comes as its receipt (token 0: as a fault if it failed). Waits of
 * librdkafka's that nothing ends, such as the last commit on a shutdown, are waited for. `fn` may use the library, but
 * starts and shutdowns of the system are KCA_ERROR_STATE there, and it must not declare anything to it or free it. Before
 * start; NULL: nobody is asked. `free_user`: as kca_system_add_handler.
 */
kca_error *kca_system_set_interrupt(kca_system *s, kca_interrupt_fn fn, void *user, kca_free_fn free_user);

/* How kca_system_describe writes: lines to read, or one JSON object. */
enum { KCA_FORMAT_TEXT = 0, KCA_FORMAT_JSON = 1 };

/*
 * The active endpoints: connections, publishers, consumers, handlers, with counters and, in JSON, the effective
 * librdkafka properties (secrets left out). Free with kca_string_free.
 */
kca_error *kca_system_describe(kca_system *s, int format, char **out);

/*
 * What the cluster of a connection has, for tools; the system must be started. `topic` NULL: all topics. `group`: how
 * far this group, which need not be one of the system's, has come; NULL: no group. Of all topics then only those that
 * it has committed. Nothing is created, and no group is joined.
 *
 * `out`: a JSON object, freed with kca_string_free: "connection", "cluster_id", "controller", "brokers" (each "id",
 * "host", "port"), "topics" (each "name", "partitions", and "error" when the cluster tells of one). A partition:
 * "partition", "leader" (-1: none), "replicas", "in_sync", its first offset "begin" and the next one to come "end"; with
 * a group "committed" and "lag", from there to the end. "group": "name", "state", "members" (each "client_id", "host").
 * What the cluster does not tell is null. KCA_ERROR_NOT_FOUND: there is no such topic.
 */
kca_error *kca_system_describe_cluster(kca_system *s, const char *connection, const char *topic, const char *group,
                                       int timeout_ms, char **out);

/* Levels of the log; each includes those before it. */
enum { KCA_LOG_OFF = 0, KCA_LOG_ERROR = 1, KCA_LOG_WARN = 2, KCA_LOG_INFO = 3, KCA_LOG_DEBUG = 4 };

/* Logs up to `level`, librdkafka's included, become KCA_EVENT_LOG on the system's queue, or on the one for logs, which
 * keeps the newest 1000. Default KCA_LOG_OFF. */
void kca_system_log_to_queue(kca_system *s, int level);

/* Logs up to `level` are written to stderr, a line each. Default KCA_LOG_OFF: nothing is. */
void kca_system_log_to_stderr(kca_system *s, int level);

/* ---- buses ------------------------------------------------------------------------------------------------ */

/* The bus of a publisher's channel; it gives messages without a type its own: Event, Command or Query. */
kca_error *kca_system_event_bus(kca_system *s, const char *channel, kca_bus **out);
kca_error *kca_system_command_bus(kca_system *s, const char *channel, kca_bus **out);
kca_error *kca_system_query_bus(kca_system *s, const char *channel, kca_bus **out);
void kca_bus_free(kca_bus *bus);

/*
 * Publishes. Async: NULL means accepted; a receipt with this token follows on the system's queue, unless the token
 * is 0: then only a failure is reported, as a fault. Not async: NULL means stored. The message may be changed and
 * published again at once: each time without ids of its own it gets fresh ones.
 * Waits while the buffer is full (buffer_timeout_ms). Inside a handler of kca_consumer_run the message continues
 * the delivery's trace unless it has a trace context.
 */
kca_error *kca_bus_publish(kca_bus *bus, const kca_message *m, uint64_t token);

/* Waits until all that was published through the bus' publisher is answered; KCA_ERROR_TIMEOUT says how many are
 * not. */
kca_error *kca_bus_flush(kca_bus *bus, int timeout_ms);

/* ---- messages --------------------------------------------------------------------------------------------- */

/* What kind of message it is; NONE, to publish: the bus' kind. */
enum { KCA_TYPE_NONE = 0, KCA_TYPE_COMMAND = 1, KCA_TYPE_QUERY = 2, KCA_TYPE_EVENT = 3, KCA_TYPE_DOCUMENT = 4 };

/* A message of this name (the wire's `route`; handlers are found by it); NULL or "": none, as replies have. */
kca_error *kca_message_new(kca_message **out, const char *name);
void kca_message_free(kca_message *m);

/* Makes it a new message of this name, without anything of what it was, in the memory that it has already. For who
 * publishes often. KCA_ERROR_ARGUMENT: it is a delivery's, or the name is not allowed; it has no name then. */
kca_error *kca_message_reset(kca_message *m, const char *name);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_message_error(const kca_message *m);

/* Setters; on a message of a delivery they do nothing. NULL or "" takes a text away. Of bytes only NULL does, so a
 * payload, a key or a binary header may be empty: no bytes at what is not NULL. */
void kca_message_set_payload(kca_message *m, const void *payload, size_t len);    /* JSON text as a rule */
void kca_message_set_key(kca_message *m, const void *key, size_t len);            /* default: correlation id */
void kca_message_set_type(kca_message *m, int type);                              /* default: the bus' */
void kca_message_set_message_id(kca_message *m, const char *id);                  /* default: a new UUIDv4 */
void kca_message_set_correlation_id(kca_message *m, const char *id);              /* default: a new UUIDv4 */
void kca_message_set_timestamp_ms(kca_message *m, int64_t ms_since_1970);         /* default: now */
void kca_message_set_origin(kca_message *m, const char *origin);                  /* default "Gomes" (the wire's) */
void kca_message_set_version(kca_message *m, const char *version);                /* default "1.0" */
void kca_message_set_reply_to(kca_message *m, const char *channel);               /* default: the publisher's */
void kca_message_set_header(kca_message *m, const char *name, const char *value); /* custom; replaces */
void kca_message_set_binary_header(kca_message *m, const char *name, const void *value, size_t len);

/*
 * W3C trace context: goes out as `traceparent`/`tracestate` and as Gomes spells them, `Traceparent`/`Tracestate`.
 * A traceparent that is not of the W3C form is refused. `tracestate` may be NULL.
 */
void kca_message_set_trace_context(kca_message *m, const char *traceparent, const char *tracestate);

/* Takes the trace context of `cause`, typically the message being handled; none when that has none. */
void kca_message_follow(kca_message *m, const kca_message *cause);

/* Accessors. A missing text is "" (never NULL but for a NULL message). */
const char *kca_message_name(const kca_message *m);
int kca_message_type(const kca_message *m);
const char *kca_message_message_id(const kca_message *m);
const char *kca_message_correlation_id(const kca_message *m);
int64_t kca_message_timestamp_ms(const kca_message *m); /* header's, else the record's; -1: not set */
const char *kca_message_origin(const kca_message *m);
const char *kca_message_version(const kca_message *m);
const char *kca_message_channel(const kca_message *m); /* header `channelName` */
const char *kca_message_reply_to(const kca_message *m);
const char *kca_message_traceparent(const kca_message *m);
const char *kca_message_tracestate(const kca_message *m);
const void *kca_message_payload(const kca_message *m); /* NULL: none (a tombstone) */
size_t kca_message_payload_len(const kca_message *m);
const void *kca_message_key(const kca_message *m);
size_t kca_message_key_len(const kca_message *m);

/* Custom headers in the order of the record, of duplicates the last; 0 <= index < count. Binary values end with NUL
 * too. */
int kca_message_header_count(const kca_message *m);
const char *kca_message_header_name(const kca_message *m, int index);
const void *kca_message_header_value(const kca_message *m, int index);
size_t kca_message_header_value_len(const kca_message *m, int index);

/* The custom header of this name as text; NULL: none. */
const char *kca_message_header(const kca_message *m, const char *name);

/*
 * The payload as JSON, parsed when first asked, kept until the payload changes. `pointer` is a JSON pointer (RFC
 * 6901): "/items/0/sku"; "" is the whole; of duplicate members the last. KCA_ERROR_PAYLOAD: not JSON (RFC 8259,
 * strictly), another type, or a string with \u0000, which a C text cannot hold; KCA_ERROR_NOT_FOUND: nothing there.
 */
int kca_message_is_json(const kca_message *m);
kca_error *kca_message_check_json(const kca_message *m); /* says where the JSON breaks */
kca_error *kca_message_json_string(const kca_message *m, const char *pointer, const char **out); /* borrowed */
kca_error *kca_message_json_int64(const kca_message *m, const char *pointer, int64_t *out);      /* exact */
kca_error *kca_message_json_double(const kca_message *m, const char *pointer, double *out);
kca_error *kca_message_json_bool(const kca_message *m, const char *pointer, int *out);
kca_error *kca_message_json_count(const kca_message *m, const char *pointer, int *out); /* of array or object */

/* What kca_message_json_type answers. */
enum {
    KCA_JSON_MISSING = 0,
    KCA_JSON_NULL = 1,
    KCA_JSON_BOOL = 2,
    KCA_JSON_NUMBER = 3,
    KCA_JSON_STRING = 4,
    KCA_JSON_ARRAY = 5,
    KCA_JSON_OBJECT = 6
};

/* What stands there; KCA_JSON_MISSING also when the payload is not JSON. */
int kca_message_json_type(const kca_message *m, const char *pointer);

/* ---- deliveries ------------------------------------------------------------------------------------------- */

/* The message, borrowed from the delivery. */
const kca_message *kca_delivery_message(const kca_delivery *d);
const char *kca_delivery_consumer(const kca_delivery *d);
const char *kca_delivery_topic(const kca_delivery *d);
int kca_delivery_partition(const kca_delivery *d);
int64_t kca_delivery_offset(const kca_delivery *d);
int64_t kca_delivery_timestamp_ms(const kca_delivery *d); /* the record's own */
int kca_delivery_attempt(const kca_delivery *d);          /* 1, 2, ...: the times it was given out */

/*
 * Why it failed or was rejected: `error_name` is a short stable name ("NegativeAmount"; NULL: "handler"), `text` one
 * line. Before the handler returns or the delivery is settled.
 */
void kca_delivery_explain(kca_delivery *d, const char *error_name, const char *text);

/*
 * Settles a delivery that was pulled or deferred: KCA_DONE, KCA_FAILED, KCA_REJECTED or KCA_DUPLICATE. Once; a second
 * time gives KCA_ERROR_STATE, and so does a delivery whose processing time is over or whose partition has gone to
 * another consumer: what is done then no longer counts, and the message comes again. A settled delivery has its place
 * in the queue_capacity until it is freed.
 */
kca_error *kca_delivery_settle(kca_delivery *d, int verdict);

/*
 * Publishes in the delivery's transaction (kca_consumer_builder_with_transactional_id), through the channel of `bus`,
 * which must be over the consumer's connection. The message is kept until the delivery is settled as KCA_DONE, and goes
 * out then with its offset; after any other end it is dropped, for the delivery comes again. It continues the
 * delivery's trace unless it has a trace context. Of the publisher's options only batch_bytes (the largest message) and
 * reply_channel count here. KCA_ERROR_STATE: the consumer has no transactional_id, or the delivery is settled.
 */
kca_error *kca_delivery_publish(kca_delivery *d, kca_bus *bus, const kca_message *m);

/* Frees a delivery that was deferred or came out of kca_event_into_delivery; unsettled, it counts as failed. */
void kca_delivery_free(kca_delivery *d);

/* ---- consumer --------------------------------------------------------------------------------------------- */

/* The consumer of this name (as given to its builder). */
kca_error *kca_system_consumer(kca_system *s, const char *consumer, kca_consumer **out);
void kca_consumer_free(kca_consumer *c);

/* Document WithAmountOfProcessors: handlers that run at once, each on its thread; 1 to 1024, default 1. Before run. */
void kca_consumer_with_amount_of_processors(kca_consumer *c, int processors);

/*
 * Document WithMessageProcessingTimeout: a delivery not settled within it counts as failed, and whatever its handler
 * does later is ignored; 1 to 86400000, default 0: no limit. Before run.
 */
void kca_consumer_with_message_processing_timeout_ms(kca_consumer *c, int timeout_ms);

/*
 * Callback form: joins the group, and handles deliveries by the handlers of their names until kca_consumer_stop or
 * shutdown (NULL), or until something ends it (the error says what). Deliveries of one key run one after another.
 * Blocks; the calling thread is one of the processors. In a network that swallows everything librdkafka takes up to a
 * minute to give up its last requests, and only then it returns.
 */
kca_error *kca_consumer_run(kca_consumer *c);

/* Ends run or the pull form: nothing new is given out, what is out is waited for, finished work is committed. Does
 * not wait itself; from any thread, also from a handler (not from a signal handler). May be run again. */
void kca_consumer_stop(kca_consumer *c);

/*
 * Pauses a partition while the consumer runs: nothing of it is given out until kca_consumer_resume or the end of the
 * run, also when it goes and comes back meanwhile; what is out goes on. partition -1: all of the topic that are
 * assigned now; topic NULL: all topics. What librdkafka has fetched of it waits, up to queue_capacity, and does not
 * count against the other partitions. KCA_ERROR_STATE: it does not run.
 */
kca_error *kca_consumer_pause(kca_consumer *c, const char *topic, int partition);
kca_error *kca_consumer_resume(kca_consumer *c, const char *topic, int partition);

/* Offsets for kca_consumer_seek: the partition's next record to come, and its first. */
enum { KCA_OFFSET_END = -1, KCA_OFFSET_BEGINNING = -2 };

/*
 * Goes on reading a partition at this offset, back to handle it again or ahead, while the consumer runs. What is out
 * of it may be settled, but no longer counts; what follows of its key waits for that. Commits follow from there.
 * KCA_ERROR_NOT_FOUND: it is not assigned to this consumer now. KCA_ERROR_TIMEOUT: not within `timeout_ms`; it may
 * still come about. When the cluster does not say which offset is meant, the partition goes on where it was; when
 * librdkafka refuses to move, the consumer ends with that error, for it is not known then where the partition stands.
 */
kca_error *kca_consumer_seek(kca_consumer *c, const char *topic, int partition, int64_t offset, int timeout_ms);

/* The same, to the first record at or after this time; partition -1: all of the topic that are assigned now. */
kca_error *kca_consumer_seek_to_time(kca_consumer *c, const char *topic, int partition, int64_t ms_since_1970,
                                     int timeout_ms);

/* ---- redrive ---------------------------------------------------------------------------------------------- */

/*
 * Redrive: dead letters are published again to where they came from. It reads the dead-letter topic of that name over
 * the connection of that name, in each of the formats of kca_consumer_builder_with_dead_letter_format, and as Gomes
 * itself writes them. The topics that they came from are those of the same cluster.
 */
kca_error *kca_redrive_new(kca_redrive **out, const char *connection, const char *topic);
void kca_redrive_free(kca_redrive *r);

/* The first failure of the setters, borrowed; NULL: none. */
const kca_error *kca_redrive_error(const kca_redrive *r);

/*
 * The group that remembers on the broker how far the redrive came; default "<topic>.redrive". It has no members: two
 * redrives of one group must not run at once. What was left out or passed by counts as read: with other filters, begin
 * again under another group.
 */
void kca_redrive_with_group_id(kca_redrive *r, const char *group_id);

/* Publishes to this topic, by key; default: the topic that each came from. Gomes' own letters do not say that one. */
void kca_redrive_with_to_topic(kca_redrive *r, const char *topic);

/* Most messages to publish in one call; 0 to 2147483647, default 0: all until the topic's end as it is at the call. */
void kca_redrive_with_max_messages(kca_redrive *r, int messages);

/*
 * Only dead letters that were written at or after this time, and before that one, by the records' timestamps in
 * milliseconds since 1970; 0 to 253402300799999, default: all. It does not read on from the first one that is not
 * before the end time, so a later call may. A group that has come further than the start time goes on where it is. Not
 * with the embedded broker.
 */
void kca_redrive_with_start_time_ms(kca_redrive *r, int64_t ms_since_1970);
void kca_redrive_with_end_time_ms(kca_redrive *r, int64_t ms_since_1970);

/* Only dead letters that came from this topic; repeatable. Default: from any. */
void kca_redrive_with_only_topic(kca_redrive *r, const char *topic);

/* Only dead letters with this error name (kca_delivery_explain; Spring's: the exception's class); repeatable. Default:
 * with any. Gomes' own letters have no error name. */
void kca_redrive_with_only_error(kca_redrive *r, const char *error_name);

/*
 * Loop guard: a message that was redriven so many times already is passed by; 1 to 1000000, default 3. The times are
 * counted in the text header kca-redrives of the message, which stays on it when it is dead-lettered again.
 */
void kca_redrive_with_max_redrives(kca_redrive *r, int redrives);

/* 1 (default): only looks: nothing is published or committed, and the report says what would be. 0: does it. */
void kca_redrive_with_dry_run(kca_redrive *r, int dry_run);

/*
 * Runs the redrive; the system must be started. From where its group is (else the start time, else the beginning) to
 * the topic's end as it is at the call, each message is published with its key, value and headers as they were, and
 * kca-redrives, as a new record of its topic and partition (by key if that partition is no more), with acks of all
 * in-sync replicas and idempotence. The group's offset follows what the broker has confirmed, so nothing is skipped
 * when the process dies meanwhile; what was published and not committed then, 1000 messages at most, is published once
 * more. Records that are no dead letters, are left out by a filter, have had their redrives, or say no topic, stay in
 * the dead-letter topic and are only counted.
 *
 * A message that the broker does not take, or whose topic does not exist, ends the run with an error that says which
 * one, and how far it came; so does a shutdown (KCA_ERROR_STOPPED). What is done is committed, and the next call goes
 * on from there. When the time is over it is the same, but no error: the report says complete false. At most two
 * seconds of the time are kept for that.
 *
 * `out`: the report, a JSON object, freed with kca_string_free. "remaining": records before the end that are not read;
 * "complete": there are none; "read" = "redriven" + "left_out" + "guarded" (redriven too often) + "not_dead_letters" +
 * "unknown_target" (say no topic); "by_topic", "by_error": the redriven by the topic they came from ("": not known) and
 * by error name, the first 100 of each, the others under "(others)"; "messages": the first 100 that were not left out,
 * each "partition", "offset", the original "topic", "original_partition", "original_offset", "key", and "error_name",
 * "error_text", "attempts", "redrives" (before this one), "redriven". Unknown values are null, texts are shortened to
 * 1000 bytes. "dry_run", "topic" and "group" say what it is about.
 */
kca_error *kca_system_redrive(kca_system *s, const kca_redrive *r, int timeout_ms, char **out);

/* ---- queue and events ------------------------------------------------------------------------------------- */

/* The system's queue: receipts, logs, and the faults and rebalances of consumers in the callback form. */
kca_error *kca_system_queue(kca_system *s, kca_queue **out);

/* The queue of the system's logs alone: from now on they wait here and not among the receipts, so that a thread which
 * passes them on to the application's own log takes nothing else away. */
kca_error *kca_system_log_queue(kca_system *s, kca_queue **out);

/*
 * Pull form: the consumer's queue of deliveries, faults and rebalances. Joins the group now; it leaves on kca_consumer_stop, on
 * shutdown, or when the queue is freed. Not together with kca_consumer_run. All messages come, also of names that
 * no handler is declared for: settle those as KCA_REJECTED.
 */
kca_error *kca_consumer_queue(kca_consumer *c, kca_queue **out);
void kca_queue_free(kca_queue *q);

/* A file descriptor that is readable while something waits, or -1. Only poll it: never read or close it. Now and
 * then it is readable and kca_queue_next finds nothing. */
int kca_queue_fd(kca_queue *q);

/*
 * Waits up to `timeout_ms` for events, and puts up to `max` of them into the array `out`; each is freed with
 * kca_event_free. Returns how many; 0: none came; below 0: -KCA_ERROR_... (-KCA_ERROR_STOPPED: the consumer has
 * stopped and nothing is left).
 */
int kca_queue_next(kca_queue *q, kca_event **out, int max, int timeout_ms);

/*
 * For a thread that handles one delivery after another: settles `done` with `verdict` and frees it, in one turn with
 * taking the next event, as kca_queue_next with a `max` of 1 does: that costs less than three calls. `done` NULL: nothing
 * is to be settled. A verdict that no longer counts is no error here. -KCA_ERROR_ARGUMENT and -KCA_ERROR_FORKED leave
 * `done` as it is.
 */
int kca_queue_turn(kca_queue *q, kca_delivery *done, int verdict, kca_event **out, int timeout_ms);

/*
 * Why kca_queue_next answers below 0, as an error of the caller's: what ended the consumer; KCA_ERROR_STOPPED when
 * it was stopped or shut down; KCA_ERROR_FORKED. NULL while the queue goes on.
 */
kca_error *kca_queue_error(kca_queue *q);

/* What kca_event_type answers. */
enum {
    KCA_EVENT_DELIVERY = 1,  /* a message to handle: kca_event_delivery */
    KCA_EVENT_RECEIPT = 2,   /* what became of a published message: token, error, topic, partition, offset */
    KCA_EVENT_FAULT = 3,     /* something went wrong outside any call: error, and where (topic, partition, offset) */
    KCA_EVENT_LOG = 4,       /* level, component, text */
    KCA_EVENT_REBALANCE = 5, /* partitions came or went: kca_event_rebalance, consumer, assignment_... */
    KCA_EVENT_END = 6        /* a partition is fetched to its end: topic, partition, offset, consumer */
};

/*
 * KCA_EVENT_END comes to consumers with the property enable.partition.eof "true", each time that a partition's end is
 * reached. Offset: the next record to come. Deliveries from before it may still follow: kca_system_describe says how
 * many records are `held`.
 */

/* Sees an event, borrowed: the library frees it. */
typedef void (*kca_event_fn)(const kca_event *e, void *user);

/* The function that kca_queue_dispatch calls for events of this type (not KCA_EVENT_DELIVERY: handlers get those). */
kca_error *kca_system_set_event_handler(kca_system *s, int event_type, kca_event_fn fn, void *user,
                                        kca_free_fn free_user);

/*
 * Like kca_queue_next, but calls the handlers on this thread, settles deliveries by what they return, and frees the
 * events; events that nobody handles are dropped. Returns how many events, or below 0 as kca_queue_next.
 */
int kca_queue_dispatch(kca_queue *q, int max, int timeout_ms);

/* Frees an event. Its delivery, if it has one that is not settled, counts as failed. */
void kca_event_free(kca_event *e);

/* One of KCA_EVENT_...; 0 for NULL. */
int kca_event_type(const kca_event *e);

/* The delivery, borrowed from the event. */
kca_delivery *kca_event_delivery(const kca_event *e);

/* Uses up the event (it must not be freed any more) and gives its delivery as the caller's own, to be settled when it
 * likes and freed with kca_delivery_free. NULL, and nothing is used up, when the event has none. */
kca_delivery *kca_event_into_delivery(kca_event *e);

/* The token that was published with. */
uint64_t kca_event_token(const kca_event *e);

/* Receipt: NULL: stored. Fault: what went wrong. Borrowed. */
const kca_error *kca_event_error(const kca_event *e);

/* Where a record is: receipts, faults and ends; "" and -1 when not known (acks 0: the offset). */
const char *kca_event_topic(const kca_event *e);
int kca_event_partition(const kca_event *e);
int64_t kca_event_offset(const kca_event *e);

/* A log line. Component: "system", "connection", "publisher", "consumer", "librdkafka", with the name after it. */
int kca_event_log_level(const kca_event *e);
const char *kca_event_log_component(const kca_event *e);
const char *kca_event_log_text(const kca_event *e);

/* What happened in a rebalance. */
enum {
    KCA_REBALANCE_ASSIGNED = 1, /* the consumer has these partitions from now on */
    KCA_REBALANCE_REVOKED = 2,  /* they have gone: what was finished is committed */
    KCA_REBALANCE_LOST = 3      /* they had gone before it could be committed: what was done comes again elsewhere */
};

/* One of KCA_REBALANCE_...; 0 for events of other types. */
int kca_event_rebalance(const kca_event *e);

/* The consumer's name; "" for events of other types than KCA_EVENT_REBALANCE and KCA_EVENT_END. */
const char *kca_event_consumer(const kca_event *e);

/* The partitions that came or went; 0 <= index < count. */
int kca_event_assignment_count(const kca_event *e);
const char *kca_event_assignment_topic(const kca_event *e, int index);
int kca_event_assignment_partition(const kca_event *e, int index);

/* ---- wake socket ------------------------------------------------------------------------------------------ */

/*
 * For event loops that can wait for nothing but sockets which they connected themselves, such as OpenResty's: a unix
 * socket on which a byte comes each time a queue becomes readable. Make it, connect to its path, accept, then watch
 * queues; after a byte, take events from the queue of that mark until none comes. A thread of its own carries the bytes.
 */
kca_error *kca_wake_socket_new(kca_wake_socket **out);

/* Ends its thread and closes the socket; queues go on. */
void kca_wake_socket_free(kca_wake_socket *w);

/* Where to connect to, a file that only this user can reach; "" once it is accepted. Borrowed. */
const char *kca_wake_socket_path(const kca_wake_socket *w);

/* Takes the connection that waits, of this process only, and removes the file. KCA_ERROR_STATE: there is none. */
kca_error *kca_wake_socket_accept(kca_wake_socket *w);

/* From now on the byte `mark`, 1 to 255, comes each time the queue becomes readable, and at once if it is: then take
 * until kca_queue_next finds nothing. Of a consumer until it stops: its next queue has to be watched anew. */
kca_error *kca_wake_socket_watch(kca_wake_socket *w, kca_queue *q, int mark);

/* Makes this byte come now. Does not wait: when so many bytes are unread that there is no room, those wake the reader. */
void kca_wake_socket_wake(kca_wake_socket *w, int mark);
