"""What bench/run measured, as text, as Markdown and as a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

Results = dict[str, Any]

WORKS = {
    "publish": "publish",
    "sync": "publish, one at a time",
    "consume": "consume",
    "slow-small": "slow handler, small backlog",
    "slow-large": "slow handler, backlog 10 × as large",
}
CLIENTS = {"raw": "raw librdkafka", "kca": "kca", "raw-default": "raw, librdkafka's own queue sizes"}
CPU, RATE, PEAK = "CPU, µs per message", "messages/s", "peak memory, MB"


@dataclass(frozen=True)
class Row:
    """A line of the table; `target`: the most that kca's median may be of raw's."""

    work: str
    field: str
    label: str
    target: float | None = None


ROWS = (
    Row("publish", "cpu_us_per_message", CPU, 1.25),
    Row("publish", "messages_per_second", RATE),
    Row("publish", "peak_mb", PEAK),
    Row("sync", "p50_us", "latency p50, µs", 1.1),
    Row("sync", "p99_us", "latency p99, µs"),
    Row("consume", "cpu_us_per_message", CPU, 1.5),
    Row("consume", "messages_per_second", RATE),
    Row("consume", "peak_mb", PEAK),
    Row("slow-small", "peak_mb", PEAK),
    Row("slow-large", "peak_mb", PEAK),
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


def ratio(results: Results, row: Row) -> float:
    kca, raw = (median(values(results, row.work, client, row.field)) for client in ("kca", "raw"))
    return kca / raw if raw else 0.0


def backlog_growth(results: Results) -> float:
    large, small = (median(values(results, work, "kca", "peak_mb")) for work in ("slow-large", "slow-small"))
    return large / small if small else 0.0


def verdict(value: float, target: float) -> str:
    return f"≤ {target:g}: {'met' if value <= target else 'not met'}"


def table(results: Results) -> list[list[str]]:
    lines = [["work", "measure", *CLIENTS.values(), "kca / raw", "target"]]
    for row in ROWS:
        cells = [cell(values(results, row.work, client, row.field)) for client in CLIENTS]
        value = ratio(results, row)
        target = verdict(value, row.target) if row.target else ""
        if row.work == "slow-large":
            growth = backlog_growth(results)
            target = f"{growth:.2f} × the small backlog's, {verdict(growth, BACKLOG_TARGET)}"
        lines.append([WORKS[row.work], row.label, *cells, f"{value:.2f}", target])
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
        "for each message; raw sends constant ones. CPU is user + system of the whole client process."
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


# --- the picture: a panel for each question, a bar for each client, a dot for each round ---------------------

PANELS = (
    (Row("publish", "cpu_us_per_message", "Publish", 1.25), "CPU per message, µs"),
    (Row("consume", "cpu_us_per_message", "Consume", 1.5), "CPU per message, µs"),
    (Row("sync", "p50_us", "Publish, one at a time", 1.1), "latency p50, µs"),
    (Row("slow-large", "peak_mb", "Slow handler over a backlog"), "peak memory, MB"),
)
COLOURS = {"raw": "#8b98a9", "kca": "#0b7a75", "raw-default": "#cdd5df"}
NAMES = {"raw": "raw", "kca": "kca", "raw-default": "raw, own queues"}
WIDTH, PANEL_WIDTH, PANEL_HEIGHT, LEFT, BAR = 900, 410, 178, 108, 24
STYLE = """
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1d2733; font-size: 12px }
.title { font-size: 18px; font-weight: 600 } .panel { font-size: 14px; font-weight: 600 }
.quiet { fill: #66727f; font-size: 11px } .value { font-weight: 600 }
"""


def put(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def bar(results: Results, row: Row, client: str, y: float, scale: float) -> list[str]:
    measured = values(results, row.work, client, row.field)
    length = median(measured) * scale
    dots = [
        f'<circle cx="{LEFT + value * scale:.1f}" cy="{y + BAR / 2}" r="2.6" fill="#1d2733" fill-opacity="0.45"/>'
        for value in measured
    ]
    return [
        put(LEFT - 8, y + BAR / 2 + 4, NAMES[client], anchor="end"),
        f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3" fill="{COLOURS[client]}"/>',
        *dots,
        put(PANEL_WIDTH, y + BAR / 2 + 4, number(median(measured)), "value", "end"),
    ]


def target_line(results: Results, row: Row, scale: float, bottom: float) -> list[str]:
    if not row.target:
        return []
    x = LEFT + median(values(results, row.work, "raw", row.field)) * row.target * scale
    met = verdict(ratio(results, row), row.target).split(": ")[1]
    words = f"target {row.target:g} × raw, {met}: {ratio(results, row):.2f}"
    anchor = "middle" if x < PANEL_WIDTH - 90 else "end"
    ends = f'x1="{x:.1f}" y1="48" x2="{x:.1f}" y2="{bottom}"'
    return [
        f'<line {ends} stroke="#c2410c" stroke-width="1.5" stroke-dasharray="4 3"/>',
        put(x, bottom + 15, words, "quiet", anchor),
    ]


def panel(results: Results, row: Row, unit: str) -> str:
    shown = [client for client in CLIENTS if values(results, row.work, client, row.field)]
    most = max(max(values(results, row.work, client, row.field)) for client in shown)
    if row.target:
        most = max(most, median(values(results, row.work, "raw", row.field)) * row.target)
    scale = (PANEL_WIDTH - LEFT - 60) / most if most else 0.0
    parts = [put(0, 18, row.label, "panel"), put(0, 36, unit, "quiet")]
    for index, client in enumerate(shown):
        parts += bar(results, row, client, 52 + index * (BAR + 8), scale)
    parts += target_line(results, row, scale, 52 + len(shown) * (BAR + 8))
    return "\n".join(parts)


def svg(results: Results) -> str:
    top = 76
    height = top + 2 * PANEL_HEIGHT + 56
    groups = []
    for index, (row, unit) in enumerate(PANELS):
        x = 24 + index % 2 * (PANEL_WIDTH + 32)
        y = top + index // 2 * PANEL_HEIGHT
        groups.append(f'<g transform="translate({x} {y})">\n{panel(results, row, unit)}\n</g>')
    place, _, software = where(results).rpartition("; ")
    foot = height - 34
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="kca against raw librdkafka">',
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
            put(24, 36, "kca against raw librdkafka doing the same work", "title"),
            put(24, 56, f"less is better; bar: median of {results['rounds']} rounds, dot: a round", "quiet"),
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
