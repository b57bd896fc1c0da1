"""The programs of bench/run that load nginx still run; what they measure is of no interest here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid

import pytest
from server import ROOT

BROKER = os.environ.get("KCA_BROKER_PLAINTEXT", "")

pytestmark = pytest.mark.skipif(not BROKER, reason="needs Kafka: tests/broker/kafka start")


def measured(program: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, ROOT / "bench/openresty" / program, *arguments]
    topic = f"bench-{uuid.uuid4()}"
    said = subprocess.check_output([*command, "--brokers", BROKER, "--topic", topic], text=True)
    figures: dict[str, float] = json.loads(said)
    return figures


@pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk")
@pytest.mark.parametrize("work", ["fire", "publish", "plain-publish"])
def test_wrk_loads_the_gateway(work: str) -> None:
    assert measured("gateway.py", work, "--seconds", "1")["requests"] > 0


def test_a_worker_publishes_as_fast_as_it_can() -> None:
    assert measured("publish.py", "kca", "--messages", "20000")["messages_per_second"] > 0
