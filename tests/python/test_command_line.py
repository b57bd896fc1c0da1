"""The command line `kca` against a broker inside this process, which other processes reach by its address."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kca
import pytest
import typer
from kca.cli.app import app, run, translated
from kca.cli.lines import message_of
from kca.cli.output import Trouble, Wrong, data, say
from kca.cli.reading import finish, offset_of, time_ms
from kca.cli.secrets import NAMES
from kca.cli.settings import settings_of
from kca.cli.topics import sparkline
from kca.cli.waiting import Reading, Waits, waits_for

SECONDS = 300


def here(*arguments: str) -> int:
    """Runs a command in this process; gives its exit code."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return run(arguments)
    finally:
        signal.signal(signal.SIGTERM, before)


class Cluster:
    """A system with topics; `kca` runs against its broker."""

    def __init__(self, *topics: str) -> None:
        connection = kca.Connection("local", "embedded://")
        publishers = [kca.PublisherBuilder("local", topic, required_acks=-1) for topic in topics]
        self.system = kca.System(connection, *publishers).start()
        self.address = self.system.description()["connections"][0]["embedded_at"]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KCA_")}
        return kept | {"KCA_BROKERS": self.address, "COLUMNS": "200"} | more

    def run(self, *arguments: str, given: str | None = None, code: int = 0, **more: str) -> str:
        """What it says on stdout; its exit code must be this."""
        ended = self.ended(*arguments, given=given, **more)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout

    def ended(self, *arguments: str, given: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kca.cli", *arguments]
        environment = self.environment(**more)
        return subprocess.run(
            command,
            input=given or "",
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=environment,
            timeout=SECONDS,
            check=False,
        )

    def lines(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self.run(*arguments).splitlines()]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster("orders", "copies", "orders.dead")
    yield made
    made.system.shutdown()


def by_place(lines: list[Any]) -> list[Any]:
    return sorted(lines, key=lambda line: (line["partition"], line["offset"]))


def test_a_message_from_arguments_is_read_as_a_json_line(cluster: Cluster) -> None:
    told = cluster.run(
        "publish", "-t", "orders", "orderCreated", '{"amount": 1.10}', "-k", "k", "-H", "shop=7", "--json"
    )
    receipt = json.loads(told)
    assert receipt["stored"] and receipt["topic"] == "orders"
    said = cluster.run("consume", "-t", "orders", "-e")
    [line] = said.splitlines()
    assert line.endswith('"payload":{"amount": 1.10}}')  # to the byte
    read = json.loads(line)
    assert [read[name] for name in ("name", "key", "type", "headers")] == ["orderCreated", "k", "event", {"shop": "7"}]
    assert (read["partition"], read["offset"]) == (receipt["partition"], receipt["offset"])


def test_what_one_reads_the_other_publishes_again(cluster: Cluster) -> None:
    payloads: list[Any] = [{"a": 1}, "text", None, b"\x00\xff", "{", b"null", [1.5]]
    bus = cluster.system.event_bus("orders")
    for number, payload in enumerate(payloads):
        bus.publish(
            "thing", payload, key=f"k{number}", headers={"n": str(number), "raw": b"\xfe"}, type=kca.TYPE_COMMAND
        )
    bus.flush(10000)
    first = cluster.run("consume", "-t", "orders", "-e", "--json")
    cluster.run("publish", "-t", "copies", given=first)
    again = cluster.run("consume", "-t", "copies", "-e", "--json")

    def contents(said: str) -> list[Any]:
        found = [json.loads(line) for line in said.splitlines()]
        return sorted(
            ({k: v for k, v in f.items() if k not in {"topic", "timestamp", "offset", "partition"}} for f in found),
            key=lambda f: str(f["key"]),
        )

    assert len(contents(first)) == len(payloads)
    assert contents(again) == contents(first)


def test_kcats_envelope_is_published_again(cluster: Cluster) -> None:
    cluster.run("publish", "-t", "orders", "orderCreated", '{"a":1}', "-k", "k", "-H", "shop=7")
    [envelope] = cluster.lines("-C", "-t", "orders", "-e", "-J")
    assert list(envelope) == ["topic", "partition", "offset", "tstype", "ts", "broker", "headers", "key", "payload"]
    assert envelope["payload"] == '{"a":1}'
    headers = dict(zip(envelope["headers"][::2], envelope["headers"][1::2], strict=True))
    assert headers["route"] == "orderCreated" and headers["messageType"] == "Event" and headers["shop"] == "7"
    cluster.run("-P", "-t", "copies", given=json.dumps(envelope))
    [copy] = cluster.lines("consume", "-t", "copies", "-e")
    assert [copy[n] for n in ("name", "key", "payload", "headers")] == ["orderCreated", "k", {"a": 1}, {"shop": "7"}]
    assert copy["message_id"] == headers["messageId"]


def test_lines_are_payloads_with_keys(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text('a:{"n":1}\n\nb:{"n":2}\n')
    ended = cluster.ended("publish", "-t", "orders", "orderCreated", "-l", str(file), "-K", ":")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "% 2 stored in orders" in ended.stderr
    cluster.run("publish", "-t", "copies", "orderCreated", "-K", r"\t", given="a\t1\n")
    assert cluster.run("consume", "-t", "copies", "-e", "-K", r"\t") == "a\t1\n"
    assert cluster.run("consume", "-t", "copies", "-e", "-f", "%k\udcff", "-k", "\udcff") == ""
    assert cluster.run("consume", "-t", "copies", "-e", "-f", "%k\udcff") == "a\udcff"
    assert cluster.run("publish", "-t", "copies", "-Z", given="\n") == ""
    assert sorted(cluster.run("consume", "-t", "orders", "-e", "-K", ":").splitlines()) == ['a:{"n":1}', 'b:{"n":2}']
    said = cluster.run("consume", "-t", "orders", "-e", "-k", "b", "-f", r"%t %n %k=%s %S\n")
    assert said == 'orders orderCreated b={"n":2} 7\n'


def test_a_partition_can_be_written_to(cluster: Cluster) -> None:
    cluster.run("publish", "-t", "orders", "-p", "2", "thing", "1", "-k", "k3")
    cluster.run("-P", "-t", "orders", "-p", "1", given=cluster.run("consume", "-t", "orders", "-e"))
    cluster.run("publish", "-t", "orders", "-p", "3", given='{"name":"thing","payload":1}')
    assert sorted(line["partition"] for line in cluster.lines("consume", "-t", "orders", "-e")) == [1, 2, 3]
    assert "has 4 partitions" in cluster.ended("publish", "-t", "orders", "-p", "4", "thing", "1").stderr


def test_a_wrong_line_is_named_and_what_came_before_is_stored(cluster: Cluster) -> None:
    ended = cluster.ended("publish", "-t", "orders", "thing", given='{"n":1}\n{"n":\n')
    assert ended.returncode == 1
    assert "% 1 stored in orders" in ended.stderr
    assert "% ERROR: line 2: payload of 5 bytes is not JSON" in ended.stderr
    cluster.run("publish", "-t", "orders", "thing", "--raw", given="not json\n")
    assert len(cluster.lines("consume", "-t", "orders", "-e")) == 2
    assert 'it has no "name"' in cluster.ended("publish", "-t", "orders", given='{"payload":1}\n').stderr


WRONG_LINES = [
    '{"name":"a\\u0000","payload":1}', '{"name":"\\ud800","payload":1}',
    '{"name":"a","payload":1,"timestamp_ms":9300000000000000000}',
    '{"record_headers":[],"payload":1,"timestamp_ms":9300000000000000000}',
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG_LINES)
def test_a_line_that_no_message_can_be_is_named(
    cluster: Cluster, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text(f'{{"name":"a","payload":1}}\n{line}\n')
    assert here("publish", "-b", cluster.address, "-t", "orders", "-l", str(tmp_path / "lines")) == 1
    said = capsys.readouterr().err
    assert "% 1 stored in orders" in said and re.search(r"% ERROR: (line|message) 2: ", said)


@pytest.mark.parametrize("option", ["async=false", "buffer_messages=100", "buffer_messages=1"])
def test_receipts_are_counted_however_the_publisher_gives_them(
    cluster: Cluster, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text("1\n" * 400)
    lines = ["-l", str(tmp_path / "lines")]
    assert here("publish", "-b", cluster.address, "-t", "orders", "a", *lines, "--json", "-X", option) == 0
    said = capsys.readouterr()
    assert "% 400 stored in orders" in said.err
    assert sorted(json.loads(line)["number"] for line in said.out.splitlines()) == list(range(1, 401))


def test_who_reads_no_more_outcomes_does_not_end_the_publishing(cluster: Cluster) -> None:
    with subprocess.Popen(["head", "-c", "0"], stdin=subprocess.PIPE) as reader:
        reader.wait(SECONDS)
        ended = subprocess.run(
            [sys.executable, "-m", "kca.cli", "publish", "-t", "orders", "a", "--json"], input="1\n" * 2000,
            env=cluster.environment(), stdout=reader.stdin, stderr=subprocess.PIPE, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    assert (ended.returncode, "% 2,000 stored in orders" in ended.stderr) == (0, True)


@pytest.fixture
def ten(cluster: Cluster) -> Cluster:
    """Ten messages of one partition."""
    bus = cluster.system.event_bus("orders")
    for n in range(10):
        bus.publish("thing", {"n": n}, key="k")
    bus.flush(10000)
    return cluster


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["-e"], range(10)),
        (["-e", "-o", "beginning", "-c", "2"], [0, 1]),
        (["-e", "-o", "7"], [7, 8, 9]),
        (["-e", "-o", "-2"], [8, 9]),
        (["-e", "-o", "end"], []),
        (["-e", "-o", "99"], []),
        (["-c", "1", "-o", "4"], [4]),
        (["-e", "-o", "e@1"], []),
        (["-e", "--name", "other"], []),
    ],
)
def test_reading_begins_and_ends_where_it_is_told(ten: Cluster, arguments: list[str], numbers: list[int]) -> None:
    found = ten.lines("consume", "-t", "orders", *arguments)
    assert [line["payload"]["n"] for line in by_place(found)] == list(numbers)


def test_who_only_looks_leaves_no_trace_and_a_group_commits_what_was_shown(ten: Cluster) -> None:
    ten.run("consume", "-t", "orders", "-e", "-X", "commit_interval_ms=100")
    assert "has committed nothing" in ten.ended("lag", "shop").stderr
    found = ten.lines("consume", "-G", "shop", "-t", "orders", "-c", "4")
    assert [line["payload"]["n"] for line in found] == list(range(4))
    lag = json.loads(ten.run("lag", "shop", "--json"))
    assert (lag["lag"], lag["group"]) == (6, "shop")
    assert [row["committed"] for row in lag["partitions"] if row["end"] == 10] == [4]
    assert "lag 6" in ten.run("lag", "-G", "shop", "-t", "orders")


def test_the_lag_counts_what_a_group_has_not_begun(cluster: Cluster) -> None:
    dead_letters(cluster)  # the group commits in partition 0, only
    cluster.run("publish", "-t", "orders", "-p", "1", "orderCreated", given="{}\n" * 3)
    for start, expected in ("earliest", 3), ("latest", 0):
        told = json.loads(cluster.run("lag", "shop", "--json", "-X", f"auto.offset.reset={start}"))
        assert {(row["partition"], row["committed"]) for row in told["partitions"]} == {
            (0, 2), (1, None), (2, None), (3, None),
        }  # fmt: skip
        assert (told["lag"], [row["lag"] for row in told["partitions"]]) == (expected, [0, expected, 0, 0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_well_with_an_interrupt(ten: Cluster, number: int) -> None:
    command = [sys.executable, "-m", "kca.cli", "consume", "-t", "orders"]
    with subprocess.Popen(command, env=ten.environment(), text=True, stdout=-1, stderr=-1) as follower:
        assert follower.stdout
        for _ in range(10):
            follower.stdout.readline()
        ten.system.event_bus("orders").publish("thing", {"n": 10}, key="k")
        assert json.loads(follower.stdout.readline())["payload"] == {"n": 10}
        follower.send_signal(number)
        out, errors = follower.communicate(timeout=SECONDS)
    assert (follower.returncode, out) == (0, "")
    assert "messages of orders" in errors


def test_topics_are_listed(ten: Cluster) -> None:
    told = json.loads(ten.run("topics", "--json"))
    assert [t["name"] for t in told["topics"]] == ["copies", "orders", "orders.dead"]
    assert ["orders", "4", "1", "10"] in [line.split() for line in ten.run("-L").splitlines()]
    assert len(ten.run("topics", "orders").splitlines()) == 5


def test_the_doctor_says_what_is_well_and_what_is_not(ten: Cluster) -> None:
    healthy = json.loads(ten.run("doctor", "-t", "orders", "-G", "shop", "--json"))
    assert healthy["weaknesses"] == []
    assert healthy["ok"] and [c["name"] for c in healthy["checks"]] == ["connect", "cluster", "topic", "group", "read"]
    assert "messages to read in 1 of 4 partitions" in healthy["checks"][-1]["text"]
    assert "at the end of all 4 partitions" in ten.run("doctor", "-t", "copies")
    ten.run("consume", "-G", "shop", "orders", "-e")
    assert "it waits for new messages" in ten.run("doctor", "-t", "orders", "-G", "shop")
    weak = ["-X", "sasl.password=geheim", "-X", "unencrypted_sasl=true"]
    ill = json.loads(
        ten.run("doctor", "-b", "127.0.0.1:1", "--timeout", "1", "--json", *weak, KCA_SASL_USER="me", code=1)
    )
    assert [c["kind"] for c in ill["checks"]] == ["unreachable"]
    assert "geheim" not in json.dumps(ill) and ill["properties"]["sasl.password"] == "***"
    [weakness] = ill["weaknesses"]
    assert weakness in ten.run("doctor", "-b", "127.0.0.1:1", "--timeout", "1", *weak, KCA_SASL_USER="me", code=1)
    refused = json.loads(
        ten.run("doctor", "-b", "127.0.0.1:1", "--timeout", "1", "--json", *weak[:2], KCA_SASL_USER="me", code=1)
    )
    assert "allow it by unencrypted_sasl" in refused["checks"][0]["text"] and refused["weaknesses"]
    said = ten.run("doctor", "-b", "127.0.0.1:1", "--timeout", "1", code=1)
    assert "nobody listens at 127.0.0.1:1" in said and "Is the broker running" in said


class Endpoint:
    """An application's endpoint: answers each GET with this status and these bytes."""

    def __init__(self, status: int, body: bytes) -> None:
        authorizations = self.authorizations = list[str | None]()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authorizations.append(self.headers["Authorization"])
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.at = f"127.0.0.1:{self._server.server_port}/readyz"

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_the_doctor_asks_a_running_system(capsys: pytest.CaptureFixture[str]) -> None:
    def said(code: int, *arguments: str) -> tuple[str, str]:
        assert here("doctor", "--system", *arguments) == code
        out, errors = capsys.readouterr()
        return out, errors

    system = kca.System(kca.Connection("kafka", "embedded://"))
    with Endpoint(503, json.dumps(system.health().details).encode()) as endpoint:
        told = json.loads(said(1, f"http://me:geheim@{endpoint.at}?a=geheim", "--json")[0])
        assert (told["system"], told["ok"]) == (f"http://{endpoint.at}", False)
        assert [c["text"] for c in told["checks"]] == ["not ready", "system: it is not started"]
        assert "geheim" not in json.dumps(told)
        assert endpoint.authorizations == ["Basic bWU6Z2VoZWlt"]
        assert "system: it is not started" in said(1, f"http://{endpoint.at}")[0]
    with system, Endpoint(200, json.dumps(system.health().details).encode()) as endpoint:
        assert "all is well" in said(0, f"http://{endpoint.at}")[0]
    for wrong in b"<html>", b'{"code": 7, "reasons": []}', b'{"code": [], "reasons": []}', b"[]":
        with Endpoint(200, wrong) as endpoint:
            assert "does not answer with a system's health" in said(1, f"http://{endpoint.at}")[1]
    assert "127.0.0.1:1/x: " in said(1, "http://127.0.0.1:1/x")[1]
    assert "must be a URL" in said(2, "shop:system")[1]
    assert "leave --topic" in said(2, "http://127.0.0.1:1/x", "-t", "orders")[1]


def test_the_doctor_says_what_a_consumer_waits_for() -> None:
    open_transaction = Reading([0], ends={0: 5}, consumer={"partitions": [{"partition": 0, "high_watermark": 9}]})
    with pytest.raises(Waits, match=r"the end of a transaction: orders\[0\] at 5 of 9"):
        waits_for("orders", open_transaction)
    trouble = {"broker": 3, "coordinator": True, "address": "b3:9092", "reason": "nobody listens"}
    with pytest.raises(Waits, match=r"orders\[1\]: broker 3, the group's coordinator, at b3:9092: nobody listens"):
        waits_for("orders", Reading([0, 1], read={0}, consumer={"last_error": trouble}))
    with pytest.raises(Waits, match=r"orders\[0\]: its leader gives neither"):
        waits_for("orders", Reading([0]))
    with pytest.raises(kca.AuthorizationError):
        waits_for("orders", Reading([0], error=kca.AuthorizationError("the group is forbidden")))


SECRET = "Zq7xVb2LmN4k"
KEY_TEXT = f"-----BEGIN PRIVATE KEY-----\n{SECRET}AAAA\n{SECRET[::-1]}=\n-----END PRIVATE KEY-----\n"
SECRETS: list[tuple[list[str], dict[str, str]]] = [
    ([], {"KCA_SASL_PASSWORD": SECRET, "KCA_SASL_USER": "me"}),
    ([], {"KCA_TLS_KEY": KEY_TEXT, "KCA_TLS_CERTIFICATE": KEY_TEXT, "KCA_TLS_CA": KEY_TEXT}),
    ([], {"KCA_TLS_KEY": KEY_TEXT.splitlines()[1]}),
    ([], {"KCA_TLS_KEY_PASSWORD": SECRET, "KCA_PROPERTIES": f"client.id={SECRET}"}),
    ([], {"KCA_PROPERTIES": f"sasl.password=a {SECRET}"}),
    (["-X", SECRET], {}),
    (["-X", f"ssl.key.pem={KEY_TEXT}"], {}),
    (["-X", f"ssl.certificate.pem={KEY_TEXT}"], {}),
    (["-X", f"ssl.keystore.password={SECRET}", "-X", f"group.id={SECRET}"], {}),
    (["-X", f"sasl.jaas.config=Login required password={SECRET}"], {}),
    (["-X", "sasl.mechanism=OAUTHBEARER", "-X", "enable.sasl.oauthbearer.unsecure.jwt=true",
      "-X", f"sasl.oauthbearer.config=princpal={SECRET}"], {}),
    (["-X", "sasl.mechanism=OAUTHBEARER", "-X", "sasl.oauthbearer.method=oidc",
      "-X", f"sasl.oauthbearer.client.secret={SECRET}",
      "-X", f"sasl.oauthbearer.token.endpoint.url=https://me:{SECRET}@127.0.0.1:1/"], {}),
    (["-X", f"sasl.password={SECRET}", "-X", f"queue_capacity={SECRET}"], {}),
    (["-X", f"sasl.password={SECRET}", "-X", f"security.protocol={SECRET}"], {}),
    (["-b", f"me:{SECRET}@127.0.0.1:1"], {}),
    (["-b", f"h1:9092,me:{SECRET}@127.0.0.1:1"], {}),
    (["-b", f"me:pa/{SECRET}@127.0.0.1:1"], {}),
    (["-X", "sasl.password", SECRET], {}),
    (["-b", f"http://me:{SECRET}@127.0.0.1:1", "-t", SECRET], {}),
]  # fmt: skip


def test_no_secret_is_shown_wherever_it_was_put(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {text[i : i + 6].lower() for text in (SECRET, SECRET[::-1]) for i in range(len(text) - 5)}
    for arguments, environment in SECRETS:
        with monkeypatch.context() as changed:
            for name, value in ({"KCA_BROKERS": "127.0.0.1:1"} | environment).items():
                changed.setenv(name, value)
            for form in [], ["--json"]:
                code = run(["doctor", "--timeout", "0.5", *form, *arguments])
                said = capsys.readouterr()
                assert code in {1, 2} and said.out + said.err != ""
                assert [p for p in parts if p in (said.out + said.err).lower()] == [], (arguments, environment, said)


def test_the_command_line_knows_every_secret_that_the_library_knows() -> None:
    source = (Path(__file__).parents[2] / "core/kafka/property.c").read_text()
    [names] = re.findall(r"parts\[\] = \{(.*?)\}", source, re.DOTALL)
    assert set(re.findall(r'"(.*?)"', names)) <= set(NAMES)


def test_endpoints_of_an_application(ten: Cluster, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import kca\nsystem = kca.System(kca.Connection('k', 'embedded://'), kca.PublisherBuilder('k', 'orders'))\n"
        "system.handler('orderCreated', lambda order: None)\nnumber = 7\n"
    )
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"
    told = json.loads(ten.run("endpoints", "shop:system", "--json", PYTHONPATH=path))
    assert [p["channel"] for p in told["publishers"]] == ["orders"] and told["handlers"] == ["orderCreated"]
    assert "handlers: orderCreated" in ten.run("endpoints", "--start", PYTHONPATH=path, KCA_APP="shop:system")
    for wrong in "shop:number", "shop:nothing", "nowhere:system":
        assert ten.ended("endpoints", wrong, PYTHONPATH=path).returncode == 1


def dead_letters(cluster: Cluster) -> None:
    """One of two orders fails for good."""
    consumer = kca.ConsumerBuilder("local", "orders", "shop", dead_letter_channel="orders.dead", partition=0)
    system = kca.System(
        kca.Connection("local", cluster.address),
        kca.PublisherBuilder("local", "orders.dead", required_acks=-1),
        consumer,
    )

    @system.handler("orderCreated")
    def handle(order: dict[str, int]) -> None:
        if order["amount"] < 0:
            raise kca.Rejected("it is below 0")
        running.stop()

    bus = cluster.system.event_bus("orders")
    for amount in -1, 1:
        bus.publish("orderCreated", {"amount": amount}, key="k3")
    bus.flush(10000)
    with system:
        running = system.consumer("shop")
        running.run()


def test_dead_letters_are_listed_shown_and_redriven(cluster: Cluster) -> None:
    dead_letters(cluster)
    report = json.loads(cluster.run("dead-letters", "list", "orders.dead", "--json"))
    [letter] = report["messages"]
    assert (letter["topic"], letter["error_name"], letter["key"]) == ("orders", "Rejected", "k3")
    assert "it is below 0" in cluster.run("dead-letters", "list", "orders.dead")
    at = f"{letter['partition']}:{letter['offset']}"
    shown = json.loads(cluster.run("dead-letters", "show", "orders.dead", at, "--json"))
    assert (shown["payload"], shown["name"], shown["topic"]) == ({"amount": -1}, "orderCreated", "orders")
    assert "kca-dead-letter-error-name" not in dict(shown["record_headers"])
    assert shown["dead_letter"]["error_name"] == "Rejected"
    raw = json.loads(cluster.run("dead-letters", "show", "orders.dead", at, "--json", "--raw"))
    assert raw["headers"]["kca-dead-letter-error-name"] == "Rejected"
    assert "no record at offset 99" in cluster.ended("dead-letters", "show", "orders.dead", "0:99").stderr
    for _ in range(2):
        tried = cluster.ended("dead-letters", "redrive", "orders.dead", "--dry-run")
        assert "% 1 of 1 would be redriven" in tried.stderr
    assert cluster.ended("dead-letters", "redrive", "orders.dead", given="n\n").returncode == 1
    assert len(cluster.lines("consume", "-t", "orders", "-e")) == 2
    assert "% 1 of 1 redriven" in cluster.ended("dead-letters", "redrive", "orders.dead", "-y").stderr
    assert len(cluster.lines("consume", "-t", "orders", "-e")) == 3
    assert "% 0 of 0 would be redriven" in cluster.ended("dead-letters", "list", "orders.dead").stderr


def names_in(value: Any) -> set[str]:
    """The names of all members, in any depth."""
    if isinstance(value, list):
        return {name for each in value for name in names_in(each)}
    return set(value) | names_in(list(value.values())) if isinstance(value, dict) else set()


def documented(page: str, heading: str) -> list[set[str]]:
    """The words in backticks of each row of the table behind these words."""
    table = page.split(heading)[1].split("\n|---")[1].split("\n\n")[0]
    return [set(re.findall("`([a-zA-Z0-9_ -]+)`", row)) for row in table.splitlines()]


def test_every_member_of_the_json_is_documented(ten: Cluster) -> None:
    page = (Path(__file__).parents[2] / "docs/command-line.md").read_text()
    rows = documented(page, "## JSON of each command")
    record = set().union(*documented(page, "holds a record completely:"))
    ten.run("consume", "-G", "shop", "-t", "orders", "-c", "4")
    assert set(ten.lines("consume", "-t", "orders", "-c", "1")[0]) <= record
    told = {
        "consume -J": ten.lines("consume", "-t", "orders", "-c", "1", "-J"),
        "publish": ten.lines("publish", "-t", "copies", "thing", "1", "--json"),
        **{name: ten.lines(name, *more, "--json") for name, more in (("topics", []), ("lag", ["shop"]))},
        "doctor": [
            *ten.lines("doctor", "--json"),
            json.loads(ten.run("doctor", "-b", "127.0.0.1:1", "--timeout", "0.1", "--json", code=1)),
        ],
        "bench": ten.lines("bench", "-t", "copies", "-n", "10", "--json"),
    }
    for command, found in told.items():
        [row] = [row for row in rows if command in row]
        assert names_in(found) <= row, command


def test_bench_measures(cluster: Cluster) -> None:
    told = json.loads(cluster.run("bench", "-t", "orders", "-n", "1000", "-s", "100", "--json"))
    assert [r["work"] for r in told["results"]] == ["publish", "publish, one at a time", "consume"]
    assert all(r["rate"] > 0 for r in told["results"])


@pytest.mark.parametrize(
    "command", ["consume -t orders -c 10", "topics", "topics --json", "consume -G shop orders -c 10"]
)
def test_who_reads_no_more_is_no_error(ten: Cluster, command: str) -> None:
    with subprocess.Popen(["head", "-c", "0"], stdin=subprocess.PIPE) as reader:
        reader.wait(SECONDS)
        ended = subprocess.run(
            [sys.executable, "-m", "kca.cli", *command.split()],
            env=ten.environment(), stdout=reader.stdin, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)


def test_a_stdout_that_cannot_be_written_is_a_failure(ten: Cluster) -> None:
    for redirected in "> /dev/full", "2> /dev/full > /dev/full":
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m kca.cli topics {redirected}"],
            env=ten.environment(), capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "2>" in redirected or "No space left" in done.stderr
    closed = f"{sys.executable} -m kca.cli topics >&- 2>&- <&-"
    assert subprocess.run(["bash", "-c", closed], env=ten.environment(), timeout=SECONDS, check=False).returncode == 0


WRONG = [
    ["publish"], ["nothing"], ["consume"], ["lag"], ["consume", "-t", "orders", "-J", "--json"], ["topics", "-X", "a"],
    ["consume", "-t", "orders", "-o", "first"], ["consume", "orders", "-G", "shop", "-o", "5"], ["endpoints", "shop"],
    ["publish", "-t", "orders", "a", "1", "-H", "x"], ["publish", "-t", "orders", "a", "1", "--type", "order"],
    ["topics", "-X", "linger.sm=5"], ["topics", "-X", "security.protocol=quick"], ["publish", "-t", "", "a", "1"],
    ["publish", "-t", "orders", "a", "1", "-H", "route=x"], ["consume", "-t", "orders", "-p", "99999999999"],
    ["consume", "-t", "orders", "-X", "queue_capacity=99999999999"], ["topics", "one", "too", "many"],
    ["dead-letters", "list", "orders.dead", "--from", "99999999999:0"],
    ["consume", "-t", "orders", "-X", "queue_capacity=many"], ["consume", "-t", "orders", "-X", "isolation.level=all"],
]  # fmt: skip
FAILURES = [
    ["publish", "-t", "orders", "a", "{"], ["lag", "shop"], ["publish", "-t", "orders", "-l", "nowhere.jsonl"],
    ["endpoints", "nowhere:system"], ["endpoints", "os:path"], ["endpoints", "failing:system"],
    ["topics", "-b", "127.0.0.1:1", "--timeout", "1"], ["consume", "-t", "orders", "-p", "99", "-e"],
    ["dead-letters", "show", "orders.dead", "99:0"], ["dead-letters", "show", "orders.dead", "99:0", "--json"],
]  # fmt: skip


def test_wrong_usage_ends_with_2_and_a_failure_with_1(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KCA_BROKERS", cluster.address)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "failing.py").write_text("raise NameError('of an application')")
    for code, wrong in [(2, each) for each in WRONG] + [(1, each) for each in FAILURES]:
        assert here(*wrong) == code, wrong
        said = capsys.readouterr()
        assert said.out == "" and "Traceback" not in said.err
        assert "Usage: " in said.err or [line[:9] for line in said.err.splitlines()][-1:] == ["% ERROR: "], wrong


def test_exit_codes_and_talk(cluster: Cluster) -> None:
    assert cluster.ended("--version").returncode == 0
    ended = cluster.ended("topics", "-X", "linger.sm=5")
    assert ended.stdout == "" and "linger.ms" in ended.stderr
    assert "which cluster?" in cluster.ended("topics", KCA_BROKERS="").stderr


def test_completion_knows_commands_and_topics(cluster: Cluster) -> None:
    asked = {"_KCA_COMPLETE": "complete_bash", "COMP_CWORD": "3", "COMP_WORDS": "kca consume -t ord"}
    assert cluster.ended(**asked).stdout.split() == ["orders", "orders.dead"]
    asked = {"_KCA_COMPLETE": "complete_bash", "COMP_CWORD": "1", "COMP_WORDS": "kca de"}
    assert cluster.ended(**asked).stdout.split() == ["dead-letters"]


# ---- without a process ----


def test_hands_that_know_kcat() -> None:
    assert translated(["-b", "h", "-t", "t", "-C", "-e"]) == ["consume", "-b", "h", "-t", "t", "-e"]
    assert translated(["-P", "-t", "t"]) == ["publish", "-t", "t"]
    assert translated(["-b", "h", "-G", "g", "t"]) == ["consume", "-b", "h", "-G", "g", "t"]
    assert translated(["publish", "-t", "-C"]) == ["publish", "-t", "-C"]
    assert translated(["--help"]) == ["--help"]


def test_offsets_and_times() -> None:
    assert offset_of(["s@1000", "e@2000"]).from_ms == 1000
    assert offset_of(["s@1000", "e@2000"]).to_ms == 2000
    assert offset_of(["-5"]).number == -5
    assert time_ms("2026-01-01T00:00:00Z") == 1767225600000
    assert time_ms("2h") < time_ms("1h")
    for wrong in "first", "s@soon", "1x":
        with pytest.raises(Trouble):
            offset_of([wrong])


def test_each_command_on_a_cluster_lists_the_clusters_options() -> None:
    commands: dict[str, Any] = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    commands |= commands.pop("dead-letters").commands
    del commands["endpoints"]
    assert len(commands) == 9
    for name, command in commands.items():
        options = {parameter.name: parameter.default for parameter in command.params}
        assert options.keys() >= {"brokers", "properties", "verbose", "as_json"}, name
        assert options["timeout"] == {"bench": 30.0, "list": 60.0, "redrive": 0.0}.get(name, 10.0), name


def test_options_win_over_the_environment() -> None:
    environment = {"KCA_BROKERS": "no", "KCA_SASL_USER": "me", "KCA_PROPERTIES": "client.id=a client.rack=r"}
    settings = settings_of("h:1", ["client.id=b", "sasl.password=p"], environment=environment)
    assert settings.properties == {
        "sasl.username": "me", "client.id": "b", "client.rack": "r", "sasl.password": "p"
    }  # fmt: skip
    assert settings.shown()["sasl.password"] == "***"
    with pytest.raises(Trouble, match="NAME=VALUE"):
        settings_of("h:1", ["client.id"], environment={})
    with pytest.raises(Trouble, match=r"security\.protocol"):
        settings_of("h:1", ["security.protocol=quick"], environment={}).connection()


@pytest.mark.parametrize(
    ("protocol", "given", "what"),
    [
        ("plaintext", "sasl.password=p", "SASL"),
        ("ssl", "sasl.username=me", "SASL"),
        ("plaintext", "ssl.ca.location=/ca.pem", "TLS"),
        ("SASL_PLAINTEXT", "enable.ssl.certificate.verification=false", "TLS"),
    ],
)
def test_a_protocol_that_contradicts_what_is_given_is_refused(protocol: str, given: str, what: str) -> None:
    with pytest.raises(Wrong, match=f"security.protocol={protocol} contradicts the properties of {what}"):
        settings_of("h:1", [f"security.protocol={protocol}", given], environment={}).connection()


def test_a_property_of_tls_switches_tls_on() -> None:
    told = settings_of("h:1", ["enable.ssl.certificate.verification=false"], environment={}).system().description()
    assert told["connections"][0]["tls"] and "not verified" in told["connections"][0]["weaknesses"][0]


def test_every_option_of_a_consumer_and_publisher_can_be_given() -> None:
    given = ["isolation.level=read_uncommitted", "auto.offset.reset=latest", "retry_delay_ms=1,2",
             "watch_partition_changes=yes", "retry_backoff_multiplier=1.5", "batch_bytes=5000",
             "client.id=c"]  # fmt: skip
    settings = settings_of("h:1", given, environment={})
    consumer = settings.with_options(kca.ConsumerBuilder("cluster", "orders", "shop"))
    publisher = settings.with_options(kca.PublisherBuilder("cluster", "orders"))
    told = settings.system(publisher, consumer).description()
    expected = {"isolation_level": "read_uncommitted", "start_offset": "latest", "retry_delay_ms": [1, 2],
                "watch_partition_changes": True, "retry_backoff_multiplier": 1.5}  # fmt: skip
    assert {name: told["consumers"][0][name] for name in expected} == expected
    assert told["publishers"][0]["batch_bytes"] == 5000
    assert settings.properties == {"client.id": "c"}
    with pytest.raises(Wrong, match="must be an integer, got many"):
        settings_of("h:1", ["queue_capacity=many"], environment={}).with_options(
            kca.ConsumerBuilder("cluster", "orders", "shop")
        )


def test_talk_shows_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    say("localhost:100: nobody listens")
    assert capsys.readouterr().err == "% localhost:100: nobody listens\n"
    data.print("a[b]:100:", markup=False)
    assert capsys.readouterr().out == "a[b]:100:\n"


def test_new_messages_leave_out_headers_that_count_as_missing() -> None:
    line = b'{"headers":["route","","version","","x","","route","a"],"tstype":"create","payload":"1","ts":1}'
    made = message_of(line, new_ids=True)
    assert (made["message"], made["version"], made["headers"]) == ("a", None, [("x", b"")])
    kca.Message(made["message"], headers=made["headers"])


def test_a_partition_that_is_gone_is_no_failure() -> None:
    """Of one that reads: another member has it now."""
    with kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders", required_acks=-1),
        kca.ConsumerBuilder("local", "orders", "shop", partition=kca.PARTITION_EVERY),
    ) as system:
        system.event_bus("orders").publish("a")
        queue = system.consumer("shop").queue()
        found: list[kca.Delivery] = []
        while not found:
            found = [event for event in queue.next(10, 10000) if isinstance(event, kca.Delivery)]
        found[0].done()
        with pytest.raises(kca.StateError):
            found[0].done()
        finish(found[0])


def test_a_sparkline_shows_the_course() -> None:
    assert sparkline([0, 1, 7, None, 3]) == "▁▂█ ▄"
    assert sparkline([0, 0]) == "▁▁"
