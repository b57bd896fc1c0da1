"""Shows what bench/run measured, as text, as Markdown and as a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

Results = dict[str, Any]

WORKS = {
    "publish": "publish",
    "sync": "publish, one at a time",
    "consume": "consume, 100,000 keys",
    "one-key": "consume, 1 key",
    "end-to-end": "end to end, 1,000 messages/s",
    "ask": "ask and wait for the answer, 1,000 asks/s; raw: kca, from publish to handler",
    "slow-small": "slow handler, small backlog",
    "slow-large": "slow handler, backlog 10 × as large",
    "python-publish": "Python: publish; raw: confluent-kafka",
    "python-consume": "Python: consume; raw: confluent-kafka",
    "python-asyncio": "Python: publish in asyncio; raw: aiokafka",
    "python-sync": "Python: publish, one at a time",
    "openresty-fire": "OpenResty: gateway, receipt counted later; raw: without Kafka",
    "openresty-publish": "OpenResty: gateway, answer waits for receipt; raw: without Kafka",
    "openresty-client": "OpenResty: publish; raw: lua-resty-kafka",
}
PROCESSORS = {"kca": 1, "kca-4": 4, "kca-16": 16}
CLIENTS = {
    "raw": "raw librdkafka",
    "kca": "kca",
    "kca-4": "kca, 4 processors",
    "kca-16": "kca, 16 processors",
    "raw-default": "raw, librdkafka's own queue sizes",
}
CPU, RATE, PEAK = "CPU, µs per message", "messages/s", "peak memory, MB"


@dataclass(frozen=True)
class Row:
    """A line of the table; `target`: the most that the median of `client` may be of raw's."""

    work: str
    field: str
    label: str
    target: float | None = None
    client: str = "kca"


def consume(work: str, client: str) -> tuple[Row, Row]:
    cpu, rate = "cpu_us_per_message", "messages_per_second"
    return Row(work, cpu, CPU, 1.5, client), Row(work, rate, RATE, client=client)


def gateway(work: str, target: float) -> tuple[Row, ...]:
    return (
        Row(work, "us_per_request", "time, µs per request", target),
        Row(work, "requests_per_second", "requests/s"),
        Row(work, "other_p99_us", "other requests' latency p99, µs", 2.0),
        Row(work, "loop_us_per_request", "event loop, µs per request"),
    )


ROWS = (
    Row("publish", "cpu_us_per_message", CPU, 1.25),
    Row("publish", "messages_per_second", RATE),
    Row("publish", "peak_mb", PEAK),
    Row("sync", "p50_us", "latency p50, µs", 1.1),
    Row("sync", "p99_us", "latency p99, µs"),
    *consume("consume", "kca"),
    Row("consume", "peak_mb", PEAK),
    *consume("consume", "kca-4"),
    *consume("consume", "kca-16"),
    *(row for client in PROCESSORS for row in consume("one-key", client)),
    Row("end-to-end", "p50_us", "latency p50, µs"),
    Row("end-to-end", "p99_us", "latency p99, µs", 1.2),
    Row("end-to-end", "p999_us", "latency p999, µs"),
    Row("end-to-end", "cpu_us_per_message", CPU),
    Row("ask", "p50_us", "latency p50, µs", 2.2),
    Row("ask", "p99_us", "latency p99, µs"),
    Row("ask", "cpu_us_per_message", CPU),
    Row("slow-small", "peak_mb", PEAK),
    Row("slow-large", "peak_mb", PEAK),
    Row("python-publish", "cpu_us_per_message", CPU, 0.35),
    Row("python-publish", "messages_per_second", RATE),
    Row("python-consume", "cpu_us_per_message", CPU, 1.0),
    Row("python-consume", "messages_per_second", RATE),
    Row("python-asyncio", "us_per_message", "time, µs per message", 0.33),
    Row("python-asyncio", "cpu_us_per_message", CPU),
    Row("python-sync", "p50_us", "latency p50, µs", 1.2),
    Row("python-sync", "p99_us", "latency p99, µs"),
    *gateway("openresty-fire", 1.25),
    *gateway("openresty-publish", 2.0),
    Row("openresty-client", "loop_us_per_message", "event loop, µs per message", 0.6),
    Row("openresty-client", "cpu_us_per_message", CPU),
    Row("openresty-client", "messages_per_second", RATE),
)
BACKLOG_TARGET = 1.1  # memory over the large backlog to that over the small one


def values(results: Results, work: str, client: str, field: str) -> list[float]:
    return [run[field] for run in results["runs"] if (run["work"], run["client"]) == (work, client)]


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(measured: list[float]) -> str:
    if not measured:
        return "–"
    return f"{number(median(measured))} ({number(min(measured))}–{number(max(measured))})"


def measured_rows(results: Results) -> list[Row]:
    """The rows of the works that this run did."""
    return [row for row in ROWS if values(results, row.work, row.client, row.field)]


def ratio(results: Results, row: Row) -> float:
    kca, raw = (median(values(results, row.work, client, row.field)) for client in (row.client, "raw"))
    return kca / raw if raw else 0.0


def backlog(results: Results) -> str:
    """How memory grew with the backlog; nothing unless both backlogs were measured."""
    if not values(results, "slow-small", "kca", "peak_mb"):
        return ""
    large, small = (median(values(results, work, "kca", "peak_mb")) for work in ("slow-large", "slow-small"))
    growth = large / small if small else 0.0
    return f"{growth:.2f} × the small backlog's, {verdict(growth, BACKLOG_TARGET)}"


def verdict(value: float, target: float) -> str:
    return f"≤ {target:g}: {'met' if value <= target else 'not met'}"


def title(work: str, client: str) -> str:
    more = PROCESSORS.get(client, 1)
    return f"{WORKS[work]}, {more} processors" if more > 1 else WORKS[work]


def table(results: Results) -> list[list[str]]:
    lines = [["work", "measure", *(CLIENTS[client] for client in ("raw", "kca", "raw-default")), "kca / raw", "target"]]
    for row in measured_rows(results):
        clients = ("raw", row.client, "raw-default" if row.client == "kca" else "")
        cells = [cell(values(results, row.work, client, row.field)) for client in clients]
        value = ratio(results, row)
        target = verdict(value, row.target) if row.target else ""
        if row.work == "slow-large":
            target = backlog(results)
        lines.append([title(row.work, row.client), row.label, *cells, f"{value:.2f}", target])
    return lines


def where(results: Results) -> str:
    machine, versions = results["machine"], results["versions"]
    return (
        f"{results['date']}; {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; "
        f"{machine['system']}, Linux {machine['kernel']}; kca {versions['kca']} ({versions['commit']}), "
        f"librdkafka {versions['librdkafka']}, Apache Kafka {versions['kafka']} on the same machine"
    )


def how(results: Results) -> str:
    return (
        f"Medians (least–most) of {results['rounds']} interleaved rounds of {results['messages']:,} messages of 205 "
        "bytes with a key and 8 headers, 3 partitions, acks all, linger 5 ms. kca makes ids, time and headers anew "
        "for each message; raw sends constant ones. kca has one processor unless more are named, raw one loop. End "
        f"to end: linger 0, from just before publish to the handler; each round has several runs of "
        f"{results['end_to_end']:,} messages. CPU is user + system of the whole client process. In Python the payload "
        "is a dict, with orjson, raw is the client that is named, with ids and headers made for each message, and a "
        "fifth of the messages are sent. In OpenResty nginx has one worker; wrk POSTs over 400 connections, while a "
        "second wrk GETs a constant over one connection: its latency is that of other requests. Raw there reads bodies "
        "and gives answers of equal size, without Kafka. Both Kafka clients there have their own default settings, "
        "acks 1, on Kafka 3.9.1, which lua-resty-kafka still supports."
    )


def text(results: Results) -> str:
    lines = table(results)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["─" * width for width in widths])
    aligned = (
        "  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
    return "\n".join([where(results), how(results), "", *aligned])


def markdown(results: Results) -> str:
    lines = table(results)
    lines.insert(1, ["---"] * 2 + ["---:"] * (len(lines[0]) - 3) + ["---"])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{rows}\n\n{how(results)}\n\nMeasured {where(results)}.\n"


# --- the picture: a panel for each question, a bar for each client, a dot for each run -----------------------

PANELS = (
    (Row("publish", "cpu_us_per_message", "Publish", 1.25), "CPU per message, µs"),
    (Row("sync", "p50_us", "Publish, one at a time", 1.1), "latency p50, µs"),
    (Row("consume", "cpu_us_per_message", "Consume, 100,000 keys", 1.5), "CPU per message, µs"),
    (Row("one-key", "cpu_us_per_message", "Consume, 1 key", 1.5), "CPU per message, µs"),
    (Row("end-to-end", "p99_us", "End to end, 1,000 messages/s", 1.2), "latency p99, µs"),
    (Row("slow-large", "peak_mb", "Slow handler over a backlog"), "peak memory, MB"),
    (
        Row("openresty-fire", "us_per_request", "nginx gateway, no wait; raw: without Kafka", 1.25),
        "time per request, µs",
    ),
    (
        Row("openresty-publish", "us_per_request", "nginx gateway, waits; raw: without Kafka", 2.0),
        "time per request, µs",
    ),
    (Row("openresty-client", "loop_us_per_message", "nginx; raw: lua-resty-kafka", 0.6), "event loop per message, µs"),
)
COLOURS = {"raw": "#8b98a9", "kca": "#0b7a75", "kca-4": "#3f9d98", "kca-16": "#83c3bf", "raw-default": "#cdd5df"}
NAMES = {
    "raw": "raw",
    "kca": "kca",
    "kca-4": "kca, 4 processors",
    "kca-16": "kca, 16 processors",
    "raw-default": "raw, own queues",
}
WIDTH, PANEL_WIDTH, LEFT, RIGHT, BAR, STEP = 900, 410, 124, 60, 22, 29
BARS_TOP, TARGET_ROOM, GAP = 48, 24, 28
TOP, FOOT = 80, 48
BEYOND = 1.6  # the scale ends at this much of the longest bar: a round far out must not flatten the others
STYLE = """
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1d2733; font-size: 12px }
.title { font-size: 18px; font-weight: 600 } .panel { font-size: 14px; font-weight: 600 }
.quiet { fill: #66727f; font-size: 11px } .value { font-weight: 600 }
"""


def put(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def dot(value: float, y: float, scale: float) -> str:
    x, end = LEFT + value * scale, PANEL_WIDTH - RIGHT
    look = 'fill="#1d2733" fill-opacity="0.4"'
    if x > end:
        return f'<path d="M{end - 5} {y - 3.5}l6 3.5l-6 3.5z" {look}/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="2.6" {look}/>'


def bar(results: Results, row: Row, client: str, y: float, scale: float) -> list[str]:
    measured = values(results, row.work, client, row.field)
    length = median(measured) * scale
    return [
        put(LEFT - 8, y + BAR / 2 + 4, NAMES[client], anchor="end"),
        f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3" fill="{COLOURS[client]}"/>',
        *(dot(value, y + BAR / 2, scale) for value in measured),
        put(PANEL_WIDTH, y + BAR / 2 + 4, number(median(measured)), "value", "end"),
    ]


def target_line(results: Results, row: Row, limit: float, scale: float, bottom: float) -> list[str]:
    x = LEFT + limit * scale
    bars = [replace(row, client=client) for client in PROCESSORS if client in shown(results, row)]
    ratios = [ratio(results, bar) for bar in bars]
    met = verdict(max(ratios), row.target or 0).split(": ")[1]
    words = f"target {row.target:g} × raw, {met}: {', '.join(f'{value:.2f}' for value in ratios)}"
    anchor = "middle" if x < PANEL_WIDTH - 90 else "end"
    ends = f'x1="{x:.1f}" y1="{BARS_TOP - 4}" x2="{x:.1f}" y2="{bottom}"'
    return [
        f'<line {ends} stroke="#c2410c" stroke-width="1.5" stroke-dasharray="4 3"/>',
        put(x, bottom + 14, words, "quiet", anchor),
    ]


def shown(results: Results, row: Row) -> list[str]:
    return [client for client in CLIENTS if values(results, row.work, client, row.field)]


def panel_height(results: Results, row: Row) -> int:
    return BARS_TOP + len(shown(results, row)) * STEP + TARGET_ROOM


def panel(results: Results, row: Row, unit: str) -> str:
    measured = [values(results, row.work, client, row.field) for client in shown(results, row)]
    limit = median(values(results, row.work, "raw", row.field)) * (row.target or 0)
    longest = max(limit, *map(median, measured))
    most = min(max(limit, *map(max, measured)), longest * BEYOND)
    scale = (PANEL_WIDTH - LEFT - RIGHT) / most if most else 0.0
    parts = [put(0, 18, row.label, "panel"), put(0, 36, unit, "quiet")]
    for index, client in enumerate(shown(results, row)):
        parts += bar(results, row, client, BARS_TOP + index * STEP, scale)
    if row.target:
        parts += target_line(results, row, limit, scale, BARS_TOP + len(measured) * STEP)
    return "\n".join(parts)


def panels(results: Results) -> tuple[list[str], int]:
    """The panels in two columns, and where the last line of them ends."""
    groups = []
    top = TOP
    drawn = [panel for panel in PANELS if shown(results, panel[0])]
    for pair in (drawn[i : i + 2] for i in range(0, len(drawn), 2)):
        for column, (row, unit) in enumerate(pair):
            x = 24 + column * (PANEL_WIDTH + 32)
            groups.append(f'<g transform="translate({x} {top})">\n{panel(results, row, unit)}\n</g>')
        top += max(panel_height(results, row) for row, _ in pair) + GAP
    return groups, top


def svg(results: Results) -> str:
    groups, bottom = panels(results)
    height = bottom + FOOT
    foot = height - 34
    place, _, software = where(results).rpartition("; ")
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    legend = f"less is better; bar: median of {results['rounds']} rounds, dot: a run, arrow: a run beyond the scale"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="kca against raw librdkafka">',
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
            put(24, 36, "kca against raw librdkafka doing equal work", "title"),
            put(24, 56, legend, "quiet"),
            *groups,
            put(24, foot, software, "quiet"),
            put(24, foot + 16, place, "quiet"),
            "</svg>\n",
        ]
    )


def write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (folder / "report.md").write_text(markdown(results))
    (folder / "report.svg").write_text(svg(results))
