"""examples/openresty/run, with a real Kafka."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kca
import pytest
from server import ROOT, free_port, wait_until

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")
pytestmark = pytest.mark.skipif(not BROKER, reason="needs Kafka: tests/broker/kafka start")


class Example:
    """The example as it runs."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [ROOT / "examples/openresty/run", BROKER, str(self.port)],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: self.request("GET", "/status")[0] == 200, "the example serves", 800)

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
        """Status and values of the answer; (0, None): nobody answers yet."""
        assert self.process.poll() is None, self.log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return 0, None
        finally:
            connection.close()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    made = Example(tmp_path_factory.mktemp("example") / "log")
    yield made
    if made.process.poll() is None:
        made.process.send_signal(signal.SIGQUIT)
    assert made.process.wait(60) == 0, made.log.read_text()


def counters(example: Example) -> dict[str, int]:
    """Of the consumer, which is in worker 0: another worker may answer."""

    def ask() -> Any:
        _, status = example.request("GET", "/status")
        return status["worker"] == 0 and status["consumers"][0]

    found: dict[str, int] = wait_until(ask, "worker 0 answers")
    return found


def read(topic: str, wanted: Any) -> list[kca.Delivery]:
    """The messages of a topic that are wanted, once there is one."""
    name = f"reader-{uuid.uuid4()}"
    system = kca.System(
        kca.Connection("kafka", BROKER),
        kca.ConsumerBuilder("kafka", topic, name, partition=kca.PARTITION_EVERY),
    )
    system.handler("*", lambda order, message: None)
    with system:
        queue = system.consumer(name).queue()

        def found() -> list[kca.Delivery]:
            events = [event for event in queue.next(1000, 500) if isinstance(event, kca.Delivery)]
            for event in events:
                event.done()
            return [event for event in events if wanted(event)]

        deliveries: list[kca.Delivery] = wait_until(found, f"it is in {topic}", 60)
        queue.close()
    return deliveries


def test_an_order_is_published_with_its_receipt_and_invoiced(example: Example) -> None:
    before = counters(example)["handled"]
    name = f"ORD-{uuid.uuid4()}"
    body = json.dumps({"orderId": name, "amount": 299.99})
    status, receipt = example.request("POST", "/publish/orderCreated", body, Key="customer-7")
    assert status == 201
    assert receipt["topic"] == "orders"
    assert receipt["offset"] >= 0
    assert example.request("POST", "/publish/orderCreated?wait=no", body) == (
        202,
        {"accepted": True},
    )
    wait_until(lambda: counters(example)["handled"] >= before + 2, "both are invoiced", 60)
    [first, *_] = read(
        "orders",
        lambda d: d.partition == receipt["partition"] and d.offset == receipt["offset"],
    )
    assert first.payload == body.encode()
    assert first.key == b"customer-7"


def test_probes_are_answered_for_all_workers(example: Example) -> None:
    wait_until(lambda: example.request("GET", "/readyz")[0] == 200, "the consumer has joined", 60)
    status, health = example.request("GET", "/healthz")
    assert (status, health["live"], health["ready"], health["workers"]) == (200, True, True, [0, 0])


def test_headers_of_a_request_are_taken_or_left_out(example: Example) -> None:
    body = json.dumps({"orderId": f"ORD-{uuid.uuid4()}", "amount": 1})
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def published(**headers: str) -> kca.Delivery:
        status, receipt = example.request("POST", "/publish/orderCreated", body, **headers)
        assert status == 201, receipt
        place = (receipt["partition"], receipt["offset"])
        return read("orders", lambda d: (d.partition, d.offset) == place)[0]

    assert published(traceparent=trace).trace_context[0][:35] == trace[:35]
    assert published(traceparent="broken").trace_context[0][:35] != trace[:35]
    assert published(Key="customer-8").key == b"customer-8"
    connection = http.client.HTTPConnection("127.0.0.1", example.port, timeout=30)
    connection.putrequest("POST", "/publish/orderCreated")
    for name, value in (("Key", "a"), ("Key", "b"), ("Content-Length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    assert connection.getresponse().status == 201
    connection.close()


def test_what_the_upstream_refuses_is_dead_lettered(example: Example) -> None:
    before = counters(example)["dead_lettered"]
    name = f"ORD-{uuid.uuid4()}"
    assert example.request("POST", "/publish/orderCreated", json.dumps({"orderId": name}))[0] == 201
    wait_until(
        lambda: counters(example)["dead_lettered"] == before + 1,
        "it is dead-lettered",
        60,
    )
    [letter] = read("orders.dead", lambda d: name.encode() in (d.payload or b""))
    assert letter.header("kca-dead-letter-error-name") == "refused"


def test_what_is_no_json_is_refused(example: Example) -> None:
    status, answer = example.request("POST", "/publish/orderCreated", "{")
    assert (status, answer["error"]) == (400, "payload")
    assert example.request("GET", "/publish/orderCreated")[0] == 405


def test_each_request_is_shipped(example: Example) -> None:
    name = f"once-{uuid.uuid4()}"
    assert example.request("POST", f"/publish/{name}", "{}")[0] == 201
    [shipped] = read("access", lambda d: name.encode() in (d.payload or b""))
    record = shipped.json()
    assert (record["method"], record["uri"], record["status"]) == (
        "POST",
        f"/publish/{name}",
        201,
    )


def test_the_consumer_is_steered(example: Example) -> None:
    def steer(path: str) -> bool:  # the worker that does not run it answers 4xx or 5xx
        return example.request("POST", path)[0] == 200

    assert example.request("GET", "/pause")[0] == 405
    wait_until(lambda: steer("/pause"), "it is paused")
    wait_until(lambda: steer("/resume"), "it is resumed")
    before = counters(example)["handled"]
    example.request("POST", "/publish/orderCreated", json.dumps({"orderId": "ORD-1", "amount": 1}))
    wait_until(lambda: counters(example)["handled"] > before, "it goes on", 60)
    before = counters(example)["handled"]
    wait_until(lambda: steer("/replay?from=1"), "it goes back")
    wait_until(lambda: counters(example)["handled"] > before, "it handles again", 60)
