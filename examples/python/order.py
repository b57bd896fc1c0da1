"""The order example of the document: publish orderCreated events, handle them with four processors, shut down cleanly.

python3 examples/python/order.py [bootstrap] [events]        defaults: embedded://  20
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from threading import Lock

import kca


@dataclass
class OrderCreated:
    """The payload; the class also gives the message its name, orderCreated."""

    orderId: str
    amount: float


def declare(bootstrap: str) -> kca.System:
    """Declares the connection, a publisher and a consumer of order.events."""
    return kca.System(
        kca.Connection("kafka", bootstrap),
        kca.PublisherBuilder("kafka", "order.events", batch_size=100, max_attempts=5, required_acks=-1),
        kca.ConsumerBuilder(
            "kafka", "order.events", "order-service-group", heartbeat_interval_ms=5000, commit_interval_ms=10000
        ),
    )


def publish_orders(system: kca.System, count: int) -> None:
    """Publishes the orders, and reads their receipts along the way: unread receipts fill the buffer."""
    bus, queue = system.event_bus("order.events"), system.queue()
    receipts: list[kca.Receipt] = []
    for i in range(1, count + 1):
        order = OrderCreated(f"ORD-{i:05}", round(i * 9.99, 2))
        bus.publish(order, token=i, correlation_id=f"customer-{i % 5}")
        while i - len(receipts) >= 1000 or (i == count and len(receipts) < count):
            receipts += [event for event in queue.next(100, 30000) if isinstance(event, kca.Receipt)]
    print(f"published {count} orderCreated events, {sum(r.error is None for r in receipts)} stored")


def main(bootstrap: str = "embedded://", events: str = "20") -> None:
    """Runs the example."""
    count = int(events)
    system = declare(bootstrap).log_to_stderr(kca.LOG_WARN)
    lock = Lock()
    left = count

    @system.handler
    def handle_order_created(order: OrderCreated, message: kca.Delivery) -> None:
        """Runs on one of the four processors; orders of one customer (the key) come one after another."""
        nonlocal left
        where = f"{message.topic}[{message.partition}] offset {message.offset}"
        with lock:
            print(f"handled   {order.orderId}  amount {order.amount:8.2f}  from {where}")
            left -= 1
            if left == 0:
                consumer.stop()

    with system:
        print(f"started on {bootstrap}")
        publish_orders(system, count)
        consumer = system.consumer("order-service-group", amount_of_processors=4, message_processing_timeout_ms=30000)
        consumer.run()
        print(system.describe(), end="")
    print("shut down cleanly")


if __name__ == "__main__":
    main(*sys.argv[1:])
