"""Records go through `kca consume` and `kca publish` to the byte, whatever they hold."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import kca
import pytest
from kca.cli.lines import message_of
from test_command_line import SECONDS, Cluster

COUNT = 10_000
Record = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], int]

# What others write: wire headers in forms of their own, several of a name, names that are not UTF-8.
NAMES = ["route", "messageId", "messageType", "timestamp", "traceparent", "x", "X", "", "caf\udce9", "a\nb", "\u202eb"]
VALUES = [None, b"", b"orderCreated", b"Event", b"com.acme.X", b"1700000000000", b"\xff\xfe\x00\x01", b"a\0b", b"\x9b"]
PAYLOADS = [
    None, b"", b"{}", b"null", b"{", b'{"a":1,"a":2}', b'{"n":12345678901234567.8910,"e":1e400}', b" [1] ", b"[1,\n2]",
    b'"\xe2\x80\xae\xc2\x9b"', b'"\\ud800"', b"\xef\xbb\xbf{}", b"9" * 5000, b"[" * 400 + b"]" * 400,
    b"[" * 990 + b"]" * 990, b"[" * 5000, b"NaN", b'{"k":"}],\\"{"}', b"\x00\xff", b"text\r\n", b'{ "a" : [ 1 ] }',
]  # fmt: skip
TIMES = [-1, 1, 1767225600005, 1_700_000_000_000_000, 253402300800000, 2**63 - 1]


def random_record(chance: random.Random) -> Record:
    """A record, each part of it often odd."""

    def octets(most: int) -> bytes:
        return chance.randbytes(chance.randrange(most))

    key = chance.choice([None, b"", b"k", "clé".encode(), octets(30)])
    payload = chance.choice([*PAYLOADS, octets(60), json.dumps({"n": chance.random()}).encode()])
    headers = [(chance.choice(NAMES), chance.choice([*VALUES, octets(20)])) for _ in range(chance.choice([0, 1, 3, 9]))]
    return key, payload, tuple(headers), chance.choice([*TIMES, chance.randrange(1, 2**62)])


def record_of(d: kca.Delivery) -> Record:
    return d.key, d.payload, tuple(d.record_headers), d.record_timestamp_ms


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster("originals", "copies", "envelopes", "copies.of.envelopes", "named")
    yield made
    made.system.shutdown()


def publish(cluster: Cluster, topic: str, records: list[Record]) -> None:
    bus = cluster.system.event_bus(topic)
    for key, payload, headers, ms in records:
        bus.publish(kca.Message(None, payload, key=key, headers=list(headers), timestamp_ms=ms, raw=True))
    bus.flush(60000)


def read(cluster: Cluster, topic: str, count: int) -> list[Record]:
    consumer = kca.ConsumerBuilder("local", topic, "reader", partition=kca.PARTITION_EVERY)
    with kca.System(kca.Connection("local", cluster.address), consumer) as system:
        queue = system.consumer("reader").queue()
        found: list[Record] = []
        while len(found) < count:
            for event in queue.next(1000, 10000):
                if isinstance(event, kca.Delivery):
                    found.append(record_of(event))
                    event.done()
    return found


def copy(cluster: Cluster, source: str, target: str, *form: str) -> None:
    command = [sys.executable, "-m", "kca.cli"]
    with subprocess.Popen(
        [*command, "consume", "-t", source, "-e", *form], stdout=-1, stderr=-1, env=cluster.environment()
    ) as reader:
        writer = subprocess.run(
            [*command, "publish", "-t", target], stdin=reader.stdout, capture_output=True, text=True,
            env=cluster.environment(), timeout=SECONDS, check=False,
        )  # fmt: skip
        assert reader.stderr
        said = reader.stderr.read().decode()
    assert (reader.returncode, writer.returncode) == (0, 0), said + writer.stderr


def difference(found: list[Record], expected: list[Record]) -> Any:
    return (Counter(found) - Counter(expected), Counter(expected) - Counter(found))


def test_random_records_are_copied_to_the_byte(cluster: Cluster) -> None:
    seed = int(os.environ.get("KCA_SEED", random.randrange(2**32)))
    print(f"KCA_SEED={seed}")
    chance = random.Random(seed)
    records = [random_record(chance) for _ in range(COUNT)]
    publish(cluster, "originals", records)
    copy(cluster, "originals", "copies", "--json")
    assert difference(read(cluster, "copies", COUNT), records) == (Counter(), Counter())


def test_random_records_are_copied_as_kcats_envelopes(cluster: Cluster) -> None:
    seed = int(os.environ.get("KCA_SEED", random.randrange(2**32)))
    print(f"KCA_SEED={seed}")
    chance = random.Random(seed)
    records = [random_record(chance) for _ in range(COUNT // 10)]
    publish(cluster, "envelopes", records)
    copy(cluster, "envelopes", "copies.of.envelopes", "-J")
    assert difference(read(cluster, "copies.of.envelopes", len(records)), records) == (Counter(), Counter())


def test_what_a_line_lacks_is_given_by_options(cluster: Cluster) -> None:
    cluster.run("publish", "-t", "named", "orderCreated", "-Z", "-K", ":", given='k:{"n":1}\nk:\n')
    cluster.run("publish", "-t", "named", "orderClosed", "", "-Z", "-k", "k")
    found = cluster.lines("consume", "-t", "named", "-e")
    assert [("payload" in line, line["name"]) for line in found] == [
        (True, "orderCreated"), (False, "orderCreated"), (False, "orderClosed"),
    ]  # fmt: skip
    assert cluster.run("consume", "-t", "named", "-e", "-Z", "-K", ":").splitlines() == [
        'k:{"n":1}',
        "k:NULL",
        "k:NULL",
    ]


def published(line: bytes, *arguments: Any, **more: Any) -> kca.Message:
    made = message_of(line, *arguments, **more)
    assert isinstance(made["message"], kca.Message)
    return made["message"]


WHOLE = b"""{"timestamp_ms":5,"key":{"base64":"/w=="},"name":"a","type":"event","message_id":"m","origin":"o",
 "headers":{"x":"2","inside":"3"},"record_headers":[["route","a"],["messageId","m"],["x","1"],["x",null]],
 "payload": [1.10 , 1e400]}"""


def test_a_whole_record_is_published_as_it_is_and_as_a_new_message_on_request() -> None:
    same = published(WHOLE)
    assert (same.key, same.payload, same.timestamp_ms) == (b"\xff", b"[1.10 , 1e400]", 5)
    assert same.header_list == [("route", b"a"), ("messageId", b"m"), ("x", b"1"), ("x", None)]
    new = message_of(WHOLE, new_ids=True)
    assert (new["message"], new["type"], new["origin"], new["key"]) == ("a", kca.TYPE_EVENT, "o", b"\xff")
    assert "message_id" not in new and "timestamp_ms" not in new
    assert new["headers"] == [("x", b"1"), ("x", None), ("inside", b"3")]
    envelope = (
        b'{"ts":7,"headers":["route","a","messageType","Query","messageId","m","x","1"],"key":null,"payload":"p"}'
    )
    assert published(envelope).timestamp_ms == 7
    again = message_of(envelope, new_ids=True)
    assert (again["message"], again["type"], again["headers"]) == ("a", kca.TYPE_QUERY, [("x", b"1")])


def test_a_record_without_a_name_gets_one_on_request() -> None:
    nameless = b'{"record_headers":[["x","1"]],"payload":1}'
    assert published(nameless).header_list == [("x", b"1")]
    assert published(nameless, "given").header_list == [("x", b"1"), ("route", b"given")]
    assert published(WHOLE, "given").header_list == published(WHOLE).header_list
    assert message_of(b'{"payload":1}', "given")["message"] == "given"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[]", "not a JSON object"),
        (b"", "not a JSON object"),
        (b'{"a":1} 2', "something follows"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a" 1}', "character 6"),
        (b"\xff", "not UTF-8"),
        (b'{"payload":1}', 'no "name"'),
        (b'{"name":1}', "name must be a text"),
        (b'{"name":"a","key":1}', "key must be a text"),
        (b'{"name":"a","key":{"base64":"x"}}', "key must be a text"),
        (b'{"name":"a","key":"\\ud800"}', "key must be a text"),
        (b'{"name":"a","payload_base64":"%"}', "payload_base64 must be"),
        (b'{"name":"a","type":"order"}', "type must be command"),
        (b'{"name":"a","timestamp_ms":"now"}', "timestamp_ms must be an integer"),
        (b'{"name":"a","headers":"x"}', "headers must be an object"),
        (b'{"record_headers":["x"]}', "record_headers must be a list"),
        (b'{"headers":["x"]}', "headers must be a list"),
        (b'{"a":' + b"[" * 100000, "too deep"),
    ],
)
def test_a_line_that_is_no_message_is_refused_with_a_reason(line: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        message_of(line)
