"""`kca consume`."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer
from rich.highlighter import JSONHighlighter

import kca

from .options import Cluster, Json, grouped
from .output import Wrong, data, escaped, flush, put, say, shown
from .reading import Plan, Reader, finish, offset_of
from .records import Line, envelope, formatted, json_line, time_of
from .settings import complete_topic, is_terminal


@grouped()
def consume(
    cluster: Cluster,
    more: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]...", help="More topics to read.")] = None,
    topic: Annotated[
        str | None, typer.Option("-t", "--topic", help="The topic to read.", autocompletion=complete_topic)
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "-G", "--group", help="Read as a member of this group, and commit. Without it, kca commits nothing."
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option("-p", "--partition", min=0, max=2**31 - 1, help="Read only this partition.")
    ] = None,
    offset: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--offset",
            metavar="WHERE",
            help="Where to begin: beginning (default), end, stored, an offset, -N from the end, or s@TIME. Where to "
            "stop: e@TIME. A TIME is milliseconds since 1970, an ISO time, or an age such as 15m, 2h, 7d.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option("-c", "--count", metavar="N", min=1, help="Stop after N messages.")
    ] = None,
    exit_at_end: Annotated[
        bool, typer.Option("-e", "--exit", help="Stop at the end of the topic. Without it, wait for more.")
    ] = False,
    as_json: Json = False,
    as_envelope: Annotated[bool, typer.Option("-J", "--envelope", help="Print kcat's JSON envelopes.")] = False,
    format: Annotated[
        str | None,
        typer.Option(
            "-f", "--format", help="A format of kcat's: %s %k %t %p %o %T %h %S %K; %n is the message's name."
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("-K", "--key-delimiter", help="Print the key, this text and the payload.")
    ] = None,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only messages with this name. Repeatable.")] = None,
    key: Annotated[str | None, typer.Option("-k", "--key", help="Only messages with this key.")] = None,
    null: Annotated[
        bool, typer.Option("-Z", "--null", help="With -f and -K, print NULL where there is no value.")
    ] = False,
) -> None:
    """Read a topic. On a terminal kca prints messages for people, elsewhere as JSON lines.

    Without -G, kca joins no group and commits nothing. It waits for more messages until Ctrl-C, unless -c, -e or e@TIME
    says where to stop.
    """  # fmt: skip
    topics = [*([topic] if topic else []), *(more or [])]
    if not topics:
        raise Wrong("which topic? -t TOPIC")
    plan = Plan(topics, offset_of(offset or []), partition, group, None if name or key else count, exit_at_end)
    line = _line(as_json, as_envelope, format, delimiter, b"NULL" if null else b"")
    settings = cluster.settings()
    count_shown = 0
    reading = Reader(settings, plan).read()
    try:
        for d in reading:
            wanted = (not name or d.name in name) and (key is None or d.key == os.fsencode(key))
            if wanted and line:
                put_line(line(d), format is None)
            elif wanted:
                show(d)
            finish(d)
            count_shown += wanted
            if count_shown == count:
                break
    except KeyboardInterrupt:
        pass
    finally:
        reading.close()
        flush()
    say(f"{count_shown:,} messages of {', '.join(topics)}")


def put_line(line: bytes, whole: bool) -> None:
    """Writes a line and flushes it: another program may be waiting for it."""
    if whole:
        put(line)
    else:
        sys.stdout.buffer.write(line)
    flush()


def _line(as_json: bool, as_envelope: bool, format: str | None, delimiter: str | None, null: bytes) -> Line | None:
    """Gives the function that makes a line of a message; None: messages are printed for people."""
    if sum([as_json, as_envelope, format is not None]) > 1:
        raise Wrong("--json, -J and -f exclude each other")
    if as_envelope:
        return envelope
    if format is not None:
        return formatted(format, null)
    if delimiter is not None:
        return formatted("%k" + delimiter.replace("%", "%%") + "%s", null)
    return json_line if as_json or not is_terminal() else None


def show(d: kca.Delivery) -> None:
    """Prints a message for people."""
    place = shown(f"{d.topic}[{d.partition}]")
    where = f"[dim]{place}[/] [cyan]{d.offset}[/] [dim]{time_of(d.record_timestamp_ms) or ''}[/]"
    data.print(where, f"[bold]{shown(d.name) or '-'}[/]", shown(d.key or b""), soft_wrap=True)
    for name, value in d.header_list:
        data.print(f"  [dim]{shown(name)}: {shown(value or b'')}[/]", soft_wrap=True)
    payload = d.payload
    if payload is None:
        data.print("  [dim]no payload[/]")
        return
    try:
        pretty = json.dumps(d.json(), indent=2, ensure_ascii=False)
    except (kca.PayloadError, ValueError, RecursionError):
        data.print("  " + shown(payload), soft_wrap=True)
    else:
        data.print(JSONHighlighter()(escaped(pretty)), soft_wrap=True)
