"""confluent-kafka with orjson: `publish`, with ids made for each message and a report for each; `consume`, its poll
loop with each payload parsed and a commit now and then.
"""

from __future__ import annotations

from argparse import Namespace

import confluent_kafka
import measured
import orjson

COMMIT_EVERY = 1000


class Reports:
    """Counts what is stored; a failure ends the program."""

    def __init__(self) -> None:
        self.stored = 0

    def __call__(self, error: object, message: object) -> None:
        if error is not None:
            raise SystemExit(f"not stored: {error}")
        self.stored += 1


def publish_all(producer: confluent_kafka.Producer, topic: str, messages: int) -> None:
    reports = Reports()
    for i in range(messages):
        while True:
            try:
                producer.produce(
                    topic,
                    orjson.dumps(measured.ORDER),
                    measured.KEYS[i % len(measured.KEYS)],
                    headers=measured.ids_and_headers(topic),
                    on_delivery=reports,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    if reports.stored != messages:
        raise SystemExit(f"{reports.stored} of {messages} messages are stored")


def publish(o: Namespace, m: measured.Measure) -> None:
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": o.brokers,
            "acks": "all",
            "linger.ms": measured.LINGER_MS,
            "batch.num.messages": measured.BATCH,
            "queue.buffering.max.messages": measured.BUFFER,
        }
    )
    publish_all(producer, o.topic, measured.WARM_UP)
    m.start()
    publish_all(producer, o.topic, o.messages)
    m.stop()


def consume(o: Namespace, m: measured.Measure) -> None:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": o.brokers,
            "group.id": o.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": measured.FETCH_MESSAGES,
            "fetch.wait.max.ms": measured.FETCH_WAIT_MS,
            "fetch.queue.backoff.ms": 2,  # as kca has it: a full queue would stop it for a second
        }
    )
    consumer.subscribe([o.topic])
    handled = -1  # the first starts the clock
    while handled < o.messages:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise SystemExit(str(message.error()))
        orjson.loads(message.value())
        handled += 1
        if handled == 0:
            m.start()
        if handled % COMMIT_EVERY == 0:
            consumer.commit(message, asynchronous=True)
    m.stop()
    consumer.close()


def main() -> None:
    o = measured.options()
    m = measured.Measure(confluent_kafka.__version__)
    {"publish": publish, "consume": consume}[o.work](o, m)
    m.print(o.messages)


main()
