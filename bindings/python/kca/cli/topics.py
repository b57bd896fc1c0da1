"""`kca topics` and `kca lag`: what a cluster has, and how far a group has come."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

import kca

from .options import Cluster, Json, grouped
from .output import Trouble, Wrong, data, number, put_json, say, table
from .settings import CONNECTION, Settings, complete_topic, is_terminal, started

_BARS = "▁▂▃▄▅▆▇█"
_REMEMBERED = 30


@grouped()
def topics(
    cluster: Cluster,
    topic: Annotated[
        str | None, typer.Argument(help="Show only this topic, with its partitions.", autocompletion=complete_topic)
    ] = None,
    named: Annotated[
        str | None,
        typer.Option("-t", "--topic", help="Same as the TOPIC argument.", autocompletion=complete_topic),
    ] = None,
    internal: Annotated[bool, typer.Option("--all", help="Also list Kafka's internal topics.")] = False,
    as_json: Json = False,
) -> None:
    """List the topics of the cluster, or the partitions of one topic."""
    settings = cluster.settings()
    wanted = topic or named
    with started(settings.system(), settings.timeout_ms) as system:
        told = system.describe_cluster(CONNECTION, wanted, timeout_ms=settings.timeout_ms)
    if not internal and not wanted:
        told["topics"] = [t for t in told["topics"] if not t["name"].startswith("__")]
    told["topics"].sort(key=lambda t: str(t["name"]))
    if as_json:
        put_json(told)
    elif wanted:
        data.print(_partitions(told["topics"][0]))
    else:
        data.print(_topics(told["topics"]))
        say(f"{len(told['topics'])} topics on {len(told['brokers'])} brokers")


def _count(topic: dict[str, Any]) -> int | None:
    """Counts the records between the first offsets and the ends, including those that compaction has removed."""
    bounds = [(p["begin"], p["end"]) for p in topic["partitions"]]
    return None if any(None in b for b in bounds) else sum(end - begin for begin, end in bounds)


def _topics(found: list[dict[str, Any]]) -> Table:
    made = table("topic", "partitions", "replicas", "records", "", right=("partitions", "replicas", "records"))
    for t in found:
        partitions = t["partitions"]
        replicas = max((len(p["replicas"]) for p in partitions), default=0)
        behind = sum(len(p["in_sync"]) < len(p["replicas"]) for p in partitions)
        leaderless = sum(p["leader"] < 0 for p in partitions)
        counted = [f"{n} {what}" for n, what in ((behind, "not in sync"), (leaderless, "without leader")) if n]
        remarks = ", ".join([*counted, *filter(None, [t.get("error")])])
        made.add_row(t["name"], str(len(partitions)), str(replicas), number(_count(t)), remarks)
    return made


def _partitions(t: dict[str, Any]) -> Table:
    numbers = ("partition", "leader", "first", "end")
    made = table("partition", "leader", "replicas", "in sync", "first", "end", right=numbers)
    for p in sorted(t["partitions"], key=lambda p: int(p["partition"])):
        replicas, in_sync = (",".join(map(str, p[name])) for name in ("replicas", "in_sync"))
        made.add_row(str(p["partition"]), str(p["leader"]), replicas, in_sync, number(p["begin"]), number(p["end"]))
    return made


# ---- lag ----


def sparkline(values: list[int | None]) -> str:
    """Draws a bar for each of the values."""
    known = [v for v in values if v is not None]
    top = max(known, default=0)
    return "".join(" " if v is None else _BARS[min(v * len(_BARS) // (top + 1), len(_BARS) - 1)] for v in values)


@dataclass
class _Course:
    """The last lags of each partition."""

    lags: dict[tuple[str, int], deque[int | None]] = field(default_factory=dict)

    def add(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.lags.setdefault((row["topic"], row["partition"]), deque(maxlen=_REMEMBERED)).append(row["lag"])

    def of(self, row: dict[str, Any]) -> str:
        return sparkline(list(self.lags[row["topic"], row["partition"]]))


@grouped()
def lag(
    cluster: Cluster,
    group_argument: Annotated[str | None, typer.Argument(metavar="[GROUP]", help="The group to look at.")] = None,
    group: Annotated[str | None, typer.Option("-G", "--group", help="Same as the GROUP argument.")] = None,
    topic: Annotated[
        str | None, typer.Option("-t", "--topic", help="Show only this topic.", autocompletion=complete_topic)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the lag once, and stop.")] = False,
    interval: Annotated[float, typer.Option("-i", "--interval", min=0.1, help="Seconds between updates.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Show how far a group is behind in each partition. On a terminal the table is updated until Ctrl-C.

    Where the group has committed nothing, it is behind by what it would read: all records, or, with
    -X auto.offset.reset=latest, none.
    """
    name = group or group_argument
    if not name:
        raise Wrong("which group? -G GROUP")
    settings = cluster.settings()
    with started(settings.system(), settings.timeout_ms) as system:
        if as_json:
            put_json(_lag(system, settings, name, topic))
        elif once or not is_terminal():
            data.print(_lag_table(_lag(system, settings, name, topic), None))
        else:
            _follow(system, settings, name, topic, interval)


def _lag(system: kca.System, settings: Settings, group: str, topic: str | None) -> dict[str, Any]:
    told = system.describe_cluster(CONNECTION, topic, group, settings.timeout_ms)
    start = settings.options.get("start_offset", "earliest")
    rows = [
        {"topic": t["name"], **{name: p[name] for name in ("partition", "committed", "begin", "end")},
         "lag": _lag_of(p, start)}
        for t in told["topics"]
        for p in t["partitions"]
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["topic"], row["partition"]))
    if not rows:
        raise Trouble(f"group {group} has committed nothing")
    known = [row["lag"] for row in rows if row["lag"] is not None]
    members = told["group"]["members"]
    return {
        "group": group,
        "state": told["group"]["state"],
        "members": None if members is None else len(members),
        "lag": sum(known) if known else None,
        "partitions": rows,
    }


def _lag_of(p: dict[str, Any], start: str) -> int | None:
    """The records from where the group goes on, or would begin, to the partition's end; None: not known."""
    if p["committed"] is not None or p["end"] is None or p["begin"] is None:
        return p["lag"]  # type: ignore[no-any-return]
    return {"earliest": p["end"] - p["begin"], "latest": 0}.get(start)


def _lag_table(told: dict[str, Any], course: _Course | None) -> Table:
    made = table("topic", "partition", "committed", "end", "lag", "" if course is None else "course",
                 right=("partition", "committed", "end", "lag"))  # fmt: skip
    for row in told["partitions"]:
        style = "" if not row["lag"] else "yellow"
        drawn = "" if course is None else course.of(row)
        numbers = [number(row[name]) for name in ("committed", "end", "lag")]
        made.add_row(row["topic"], str(row["partition"]), *numbers, drawn, style=style)
    state = told["state"] or "state not known"
    members = "" if told["members"] is None else f", {told['members']} members"
    made.caption = f"group {told['group']}: {state}{members}, lag {number(told['lag'])}"
    made.caption_justify = "left"
    return made


def _follow(system: kca.System, settings: Settings, group: str, topic: str | None, interval: float) -> None:
    course = _Course()
    try:
        with Live(console=data, auto_refresh=False) as live:
            while True:
                told = _lag(system, settings, group, topic)
                course.add(told["partitions"])
                live.update(_lag_table(told, course), refresh=True)
                time.sleep(interval)
    except KeyboardInterrupt:
        return
