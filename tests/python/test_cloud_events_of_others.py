"""CloudEvents between kca and the CloudEvents SDK for Python, on the embedded broker."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import kca
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from support import KEY
from test_cloud_events import MODES, TRACEPARENT, deliveries, shop

TIME = datetime(2026, 2, 16, 12, 0, 0, 5000, timezone(timedelta(hours=2)))
PAYLOADS: list[tuple[str | None, Any, bytes | None]] = [
    (None, {"total": 1.5, "é": None}, None),
    ("application/vnd.shop+json", {"total": 1}, None),
    ("text/plain", 'a "quoted" é\n', 'a "quoted" é\n'.encode()),
    ("application/octet-stream", b"\x00\xff", b"\x00\xff"),
]


@pytest.mark.parametrize("mode", MODES)
def test_the_sdk_reads_what_kca_writes(mode: str) -> None:
    with shop(mode) as system:
        system.event_bus("orders").publish(
            "orderCreated", {"total": 1.5}, key=KEY, message_id="m-1", correlation_id="c-1", origin="/shop",
            timestamp_ms=int(TIME.timestamp() * 1000), trace_context=(TRACEPARENT, None),
            headers={"ce_tenant": "é 100%25", "ce_dataschema": "https://shop.example/order", "ce_subject": "O-1"},
        )  # fmt: skip
        found = deliveries(system)  # which has the queue
        d = next(found)
        headers = {name: value for name, value in d.record_headers if value is not None}
        event = kafka.from_kafka_event(kafka.KafkaMessage(headers, None, d.payload or b""))
        d.done()
    assert (event.get_id(), event.get_source(), event.get_type()) == ("m-1", "/shop", "orderCreated")
    assert (event.get_specversion(), event.get_time()) == ("1.0", TIME)
    assert (event.get_datacontenttype(), event.get_data()) == ("application/json", {"total": 1.5})
    assert event.get_extension("correlationid") == "c-1"
    assert event.get_extension("messagetype") == "Event"
    assert event.get_extension("traceparent") == TRACEPARENT
    assert event.get_extension("tenant") == "é 100%25"
    assert (event.get_dataschema(), event.get_subject()) == ("https://shop.example/order", "O-1")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("content_type", "data", "payload"), [
    ("application/vnd.shop+json", {"total": 1}, b'{"total":1}'),
    ("text/plain", 'a "quoted" é\n', 'a "quoted" é\n'.encode()),
    ("application/octet-stream", b"\x00\xff", b"\x00\xff"),
    ("application/avro", b"Obj\x01\x80", b"Obj\x01\x80"),
])  # fmt: skip
def test_the_sdk_reads_every_payload(mode: str, content_type: str, data: Any, payload: bytes) -> None:
    with shop(mode) as system:
        system.event_bus("orders").publish("orderCreated", payload, key=KEY, headers={"content-type": content_type})
        found = deliveries(system)  # which has the queue
        d = next(found)
        headers = {name: value for name, value in d.record_headers if value is not None}
        event = kafka.from_kafka_event(kafka.KafkaMessage(headers, None, d.payload or b""))
        d.done()
    assert (event.get_datacontenttype(), event.get_data()) == (content_type, data)


def test_an_event_without_data_has_none_on_either_side() -> None:
    for mode in MODES:
        with shop(mode) as system:
            system.event_bus("orders").publish("orderDeleted", None, key=KEY)
            found = deliveries(system)  # which has the queue
            d = next(found)
            headers = {name: value for name, value in d.record_headers if value is not None}
            event = kafka.from_kafka_event(kafka.KafkaMessage(headers, None, d.payload or b""))
            d.done()
        assert event.get_type() == "orderDeleted"
        assert event.get_data() in (None, "", b"")


@pytest.mark.parametrize("write", [kafka.to_binary_event, kafka.to_structured_event])
@pytest.mark.parametrize(("content_type", "data", "payload"), PAYLOADS)
def test_kca_reads_what_the_sdk_writes(
    write: Callable[[BaseCloudEvent], kafka.KafkaMessage], content_type: str | None, data: Any, payload: bytes | None
) -> None:
    attributes = {
        "id": "m-1", "source": "https://shop.example/é", "type": "com.example.order", "time": TIME, "subject": "O-1",
        "partitionkey": KEY, "traceparent": TRACEPARENT, "dataschema": "https://shop.example/order",
        "tenant": "é 100%25", "retries": 3, "urgent": True, "due": TIME,
    }  # fmt: skip
    if content_type:
        attributes["datacontenttype"] = content_type
    record = write(CloudEvent(attributes, data))
    with shop("gomes", dialect="cloudevents") as system:
        message = kca.Message(None, record.value, key=record.key, headers=record.headers, partition=0, raw=True)
        system.event_bus("orders").publish(message)
        found = deliveries(system)  # which has the queue
        d = next(found)
        assert (d.name, d.message_id, d.origin) == ("com.example.order", "m-1", "https://shop.example/é")
        assert (d.timestamp_ms, d.type) == (int(TIME.timestamp() * 1000), kca.TYPE_EVENT)
        assert d.trace_context == (TRACEPARENT, "")
        assert (d.header("ce_subject"), d.header("ce_partitionkey")) == ("O-1", KEY)
        assert (d.header("ce_tenant"), d.header("ce_dataschema")) == ("é 100%25", "https://shop.example/order")
        assert (d.header("ce_retries"), str(d.header("ce_urgent")).lower()) == ("3", "true")
        assert datetime.fromisoformat(str(d.header("ce_due")).replace("Z", "+00:00")) == TIME
        assert d.header("content-type") == content_type
        if payload is None:
            assert d.payload is not None
            assert json.loads(d.payload) == data
        else:
            assert d.payload == payload
        d.done()
