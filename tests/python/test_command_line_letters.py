"""The command line's dead letters: pages, targets that are confirmed, and messages that are edited."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from test_command_line import Cluster, dead_letters
from test_command_line_terminal import Terminal, has_terminals

COUNT = 20000
CONNECTS = {"__connect.errors.topic": "orders", "__connect.errors.exception.class.name": "DataException"}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster("orders", "copies", "orders.dead")
    yield made
    made.system.shutdown()


def test_a_failed_message_can_be_edited_and_published(cluster: Cluster) -> None:
    dead_letters(cluster)
    [letter] = json.loads(cluster.run("dead-letters", "list", "orders.dead", "--json"))["messages"]
    at = f"{letter['partition']}:{letter['offset']}"
    line = cluster.run("dead-letters", "show", "orders.dead", at, "--json")
    assert "1 stored" in cluster.ended("publish", "-t", "orders", given=line.replace(":-1}", ":17}")).stderr
    first, _, edited = sorted(
        cluster.lines("consume", "-t", "orders", "-e"), key=lambda line: line["payload"]["amount"]
    )
    assert edited["payload"] == {"amount": 17}
    assert (edited["record_headers"], edited["key"]) == (first["record_headers"], first["key"])


def of_strangers(cluster: Cluster) -> None:
    """Dead letters that name a topic in another library's header, and one of kca's."""
    bus = cluster.system.event_bus("orders.dead")
    for amount in range(3):
        bus.publish("orderCreated", {"amount": amount}, key="k3", headers=CONNECTS)
    bus.publish("orderCreated", {"amount": 3}, key="k3", headers={"kca-dead-letter-topic": "copies"})
    bus.publish("orderCreated", {"amount": 4}, key="k3", headers={"kca-dead-letter-topic": "__consumer_offsets"})
    bus.flush(10000)


def test_a_redrive_shows_its_targets_and_goes_only_where_it_was_confirmed(cluster: Cluster) -> None:
    of_strangers(cluster)
    unasked = cluster.ended("dead-letters", "redrive", "orders.dead", "-y")
    assert "% 1 of 5 redriven, 1 unknown target, 3 not allowed; 4 remain" in unasked.stderr
    assert "% 3 passed by: topic orders: it is not allowed" in unasked.stderr
    assert unasked.returncode == 1
    refused = cluster.ended("dead-letters", "redrive", "orders.dead", given="n\n")
    assert "3  DataException" in refused.stderr
    assert "3  orders" in refused.stderr and "named in a payload or in another library's header" in refused.stderr
    assert (len(cluster.lines("consume", "-t", "orders", "-e")), refused.returncode) == (0, 1)
    confirmed = cluster.ended("dead-letters", "redrive", "orders.dead", "--json", given="y\n")
    assert json.loads(confirmed.stdout)["by_target"] == {"orders": 3}
    assert "% 3 of 4 redriven, 1 unknown target; 1 remain" in confirmed.stderr
    assert len(cluster.lines("consume", "-t", "orders", "-e")) == 3
    again = cluster.ended("dead-letters", "redrive", "orders.dead")
    assert "% 0 of 1 would be redriven, 1 unknown target; 1 remain" in again.stderr
    to = cluster.ended("dead-letters", "redrive", "orders.dead", "-y", "--to", "copies")
    assert ("% 1 of 1 redriven; 0 remain" in to.stderr, to.returncode) == (True, 0)


def test_dead_letters_are_listed_page_by_page(cluster: Cluster) -> None:
    of_strangers(cluster)
    place = json.loads(cluster.run("dead-letters", "list", "orders.dead", "--json"))["messages"][0]["partition"]
    page = cluster.ended("dead-letters", "list", "orders.dead", "--limit", "2")
    assert f"% more with --from {place}:2" in page.stderr and len(page.stdout.splitlines()) == 3
    told = json.loads(cluster.run("dead-letters", "list", "orders.dead", "--from", f"{place}:2", "--json"))
    assert [m["offset"] for m in told["messages"]] == [2, 3, 4] and told["next"] is None
    assert [m["outcome"] for m in told["messages"]] == ["not_allowed", "redriven", "unknown_target"]
    assert told["messages"][0]["record"]["value"] == "eyJhbW91bnQiOjJ9"
    assert cluster.ended("dead-letters", "list", "orders.dead", "--from", "here").returncode == 2


@pytest.mark.skipif(not has_terminals(), reason="there is no devpts here")
def test_ctrl_c_leaves_a_redrive_resumable_and_none_is_done_twice(cluster: Cluster) -> None:
    bus = cluster.system.event_bus("orders.dead")
    for n in range(COUNT):
        bus.publish("thing", {"n": n}, key=f"k{n}", headers={"kca-dead-letter-topic": "orders"})
    bus.flush(30000)
    terminal = Terminal(cluster, "dead-letters", "redrive", "orders.dead", "-y", streams="err")
    terminal.wait_for(lambda screen: f"/{COUNT}" in screen and "/s" in screen, "progress with a rate")
    ended = terminal.interrupt()
    assert ended in (130, 0)  # 0: it was done before
    assert "Traceback" not in terminal.screen
    assert ("interrupted" in terminal.screen) == (ended == 130)
    rest = cluster.ended("dead-letters", "redrive", "orders.dead", "-y")
    assert "; 0 remain" in rest.stderr
    done = sorted(line["payload"]["n"] for line in cluster.lines("consume", "-t", "orders", "-e"))
    assert done == list(range(COUNT))
