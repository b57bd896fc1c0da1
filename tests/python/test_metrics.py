"""Metrics: what their text looks like to a scraper, and that the page of them names each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kca
import kca.asyncio
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"
LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? \d+")
TROUBLESOME = 'my "local\\'


def families(text: str) -> dict[str, list[str]]:
    """The samples of each name, which stand together below its help and type."""
    told: dict[str, list[str]] = {}
    lines = text.splitlines()
    for line in lines:
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in told, f"{name} comes twice"
            told[name] = []
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2:] in ([name, "counter"], [name, "gauge"])
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == name
            assert line not in told[name]
            told[name].append(line)
    return told


def described_rows() -> set[str]:
    """The names of the page's table, as Prometheus writes them."""
    rows = re.findall(r"^\| `((?:kca|messaging)\.[a-z_.]+)` \| (counter|gauge) \|", PAGE.read_text(), re.MULTILINE)
    return {name.replace(".", "_") + ("_total" if kind == "counter" else "") for name, kind in rows}


@pytest.mark.parametrize("kind", [kca.System, kca.asyncio.System])
def test_names_and_labels_are_as_a_scraper_reads_them(kind: Any) -> None:
    system = kind(
        kca.Connection(TROUBLESOME, "embedded://"),
        kca.PublisherBuilder(TROUBLESOME, "orders"),
        kca.ConsumerBuilder(TROUBLESOME, "orders", "shop"),
    )
    told = families(system.metrics())
    assert 'kca_connection="my \\"local\\\\"' in told["kca_publisher_accepted_total"][0]
    assert len(told["messaging_client_sent_messages_total"]) == 2
    assert system.metrics(kca.METRICS_OPENMETRICS).endswith("\n# EOF\n")


def test_the_page_names_each() -> None:
    source = (PAGE.parents[1] / "core" / "system" / "metrics.c").read_text()
    rows = described_rows()
    system = kca.System(
        kca.Connection("local", "embedded://"),
        kca.PublisherBuilder("local", "orders"),
        kca.ConsumerBuilder("local", "orders", "shop"),
    )
    told = set(families(system.metrics()))
    with system:
        told |= set(families(system.metrics()))
    assert told - rows == set()
    # Those of parts that this system has not, or not yet.
    rest = {name for name in rows - told if not name.startswith(("kca_asks_", "kca_partition_"))}
    assert rest == set()
    for name in re.findall(r'"kca\.(?:partition|connection)\.[a-z_]+"', source):
        assert name.strip('"').replace(".", "_") in rows


def test_a_format_that_is_not_allowed_is_an_error() -> None:
    with pytest.raises(kca.ArgumentError, match="metrics: format"):
        kca.System().metrics(2)
