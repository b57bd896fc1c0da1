"""The command line `kca` against a real Kafka: what the embedded broker cannot do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")
CERTIFICATES = Path(os.environ.get("KCA_CERTS", ""))


def ended(*arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    assert BROKER, 'no broker: eval "$(tests/broker/kafka env)"'
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KCA_")}
    return subprocess.run(
        [sys.executable, "-m", "kca.cli", *arguments],
        input=given, capture_output=True, text=True, env=kept | {"KCA_BROKERS": BROKER} | more,
        timeout=300, check=False,
    )  # fmt: skip


def run(*arguments: str, given: str = "", **more: str) -> str:
    done = ended(*arguments, given=given, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lines(*arguments: str) -> list[Any]:
    return [json.loads(line) for line in run(*arguments).splitlines()]


@pytest.fixture
def topic() -> str:
    """Ten messages of one key."""
    name = f"cli.{uuid.uuid4().hex[:12]}"
    given = "".join(f'{{"n":{n}}}\n' for n in range(10))
    run("publish", "-t", name, "thing", "-k", "k", given=given)
    return name


def test_a_group_goes_on_where_it_was_and_its_lag_is_told(topic: str) -> None:
    group = f"{topic}.group"
    for first in 0, 4:
        found = lines("consume", "-G", group, topic, "-c", "4")
        assert [line["payload"]["n"] for line in found] == list(range(first, first + 4))
    assert [line["payload"]["n"] for line in lines("consume", "-G", group, topic, "-e")] == [8, 9]
    assert lines("consume", "-G", group, topic, "-e") == []
    lag = json.loads(run("lag", group, "--json"))
    assert (lag["lag"], lag["state"], lag["members"]) == (0, "Empty", 0)
    assert {row["topic"] for row in lag["partitions"]} == {topic}


def test_a_terminated_member_commits_what_it_has_written_and_leaves(topic: str) -> None:
    group = f"{topic}.group"
    run("publish", "-t", topic, "thing", "-k", "k", given=f'{{"x":"{"x" * 3000}"}}\n' * 300)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KCA_")}
    command = [sys.executable, "-m", "kca.cli", "consume", "-G", group, topic]
    with subprocess.Popen(command, bufsize=0, env=kept | {"KCA_BROKERS": BROKER}, stdout=-1, stderr=-1) as member:
        assert member.stdout and [member.stdout.readline() for _ in range(3)][-1]
        member.terminate()  # it waits for room in the pipe, or is about to
        rest, said = member.communicate(timeout=300)
    written = 3 + len(rest.splitlines())
    assert (member.returncode, "messages of" in said.decode()) == (0, True), said
    lag = json.loads(run("lag", group, "--json"))
    assert (lag["state"], lag["members"]) == ("Empty", 0)
    assert 310 - lag["lag"] in {written - 1, written}  # it may end between writing a message and settling it


def test_reading_from_time_to_time(topic: str) -> None:
    stamps = [line["timestamp"] for line in lines("consume", "-t", topic, "-e")]
    middle = int(time.time() * 1000) + 1
    time.sleep(0.01)
    run("publish", "-t", topic, "thing", '{"n":10}', "-k", "k")
    assert [line["payload"]["n"] for line in lines("consume", "-t", topic, "-e", "-o", f"s@{middle}")] == [10]
    found = lines("consume", "-t", topic, "-o", f"s@{stamps[0]}", "-o", f"e@{middle}", "-e")
    assert [line["payload"]["n"] for line in found] == list(range(10))
    assert lines("consume", "-t", topic, "-e", "-o", "s@1h") != []


def test_a_topic_that_is_not_there_is_said_and_not_made() -> None:
    missing = f"cli.{uuid.uuid4().hex[:12]}"
    for command in (["consume", "-t", missing, "-e"], ["topics", missing], ["doctor", "-t", missing]):
        for _ in range(2):
            done = ended(*command)
            assert done.returncode == 1
            assert f"{missing}: it does not exist" in done.stderr + done.stdout


def test_the_doctor_reaches_a_broker_over_tls_and_sasl_without_showing_the_password() -> None:
    secure = {
        "KCA_BROKERS": os.environ["KCA_BROKER_SASL_TLS"], "KCA_TLS_CA": str(CERTIFICATES / "ca.pem"),
        "KCA_SECURITY_PROTOCOL": "SASL_SSL", "KCA_SASL_USER": "admin", "KCA_SASL_PASSWORD": "admin-secret",
    }  # fmt: skip
    said = run("doctor", **secure)
    assert "all is well" in said and "admin-secret" not in said
    refused = ended("doctor", "--json", **secure | {"KCA_SASL_PASSWORD": "wrong-secret"})
    assert refused.returncode == 1 and "wrong-secret" not in refused.stdout + refused.stderr
    [check] = json.loads(refused.stdout)["checks"]
    assert check["kind"] == "authentication" and check["advice"].startswith("Check user")
    untrusted = ended("doctor", "--json", **secure | {"KCA_TLS_CA": str(CERTIFICATES / "other-ca.pem")})
    assert json.loads(untrusted.stdout)["checks"][0]["kind"] == "tls"


def test_a_token_of_oauth_logs_in() -> None:
    given = ["security.protocol=sasl_plaintext", "sasl.mechanism=OAUTHBEARER",
             "enable.sasl.oauthbearer.unsecure.jwt=true", "sasl.oauthbearer.config=principal=admin"]  # fmt: skip
    arguments = [part for pair in given for part in ("-X", pair)]
    told = json.loads(run("doctor", "--json", *arguments, KCA_BROKERS=os.environ["KCA_BROKER_SASL"]))
    assert told["ok"] and told["properties"]["sasl.oauthbearer.config"] == "***"


def test_the_doctor_says_which_advertised_address_a_consumer_waits_for(topic: str) -> None:
    told = ended("doctor", "-t", topic, "--json", "--timeout", "9", KCA_BROKERS=os.environ["KCA_BROKER_PROXIED"])
    [check] = [each for each in json.loads(told.stdout)["checks"] if each["name"] == "read"]
    assert (check["ok"], check["kind"]) == (False, "waits")
    assert f"at {os.environ['KCA_BROKER_PROXY']}: nobody listens" in check["text"]
