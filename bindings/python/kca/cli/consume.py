"""`kca consume`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import kca

from .options import Cluster, Json, grouped
from .output import Trouble, data, flush, put, say, shown
from .reading import Plan, Reader, finish, offset_of
from .records import Line, envelope, formatted, json_line, text, time_of
from .settings import complete_topic, is_terminal


@grouped()
def consume(
    cluster: Cluster,
    more: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]...", help="More topics.")] = None,
    topic: Annotated[
        str | None, typer.Option("-t", "--topic", help="The topic.", autocompletion=complete_topic)
    ] = None,
    group: Annotated[
        str | None, typer.Option("-G", "--group", help="Read as a member of this group, and commit. Else only look.")
    ] = None,
    partition: Annotated[int | None, typer.Option("-p", "--partition", min=0, help="This partition only.")] = None,
    offset: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--offset",
            metavar="WHERE",
            help="beginning (default), end, stored, an offset, -N from the end, s@TIME to begin, e@TIME to end at; "
            "a TIME is milliseconds, ISO, or 15m, 2h, 7d ago.",
        ),
    ] = None,
    count: Annotated[int | None, typer.Option("-c", "--count", min=1, help="End after so many messages.")] = None,
    exit_at_end: Annotated[bool, typer.Option("-e", "--exit", help="End at the end; else follow.")] = False,
    as_json: Json = False,
    as_envelope: Annotated[bool, typer.Option("-J", "--envelope", help="kcat's JSON envelope.")] = False,
    format: Annotated[
        str | None,
        typer.Option("-f", "--format", help="kcat's format: %s %k %t %p %o %T %h %S %K, and %n for the name."),
    ] = None,
    delimiter: Annotated[str | None, typer.Option("-K", "--key-delimiter", help="Key, this, payload.")] = None,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only messages of this name; repeatable.")] = None,
    key: Annotated[str | None, typer.Option("-k", "--key", help="Only messages of this key.")] = None,
) -> None:
    """Read a topic: for people on a terminal, as JSON lines elsewhere.

    Without -G it only looks: it joins no group and leaves no trace. It follows the topic until Ctrl-C, unless -c, -e or
    e@TIME say where to end.
    """  # fmt: skip
    topics = [*([topic] if topic else []), *(more or [])]
    if not topics:
        raise Trouble("which topic? -t TOPIC")
    plan = Plan(topics, offset_of(offset or []), partition, group, None if name or key else count, exit_at_end)
    line = _line(as_json, as_envelope, format, delimiter)
    settings = cluster.settings()
    count_shown = 0
    reading = Reader(settings, plan).read()
    try:
        for d in reading:
            wanted = (not name or d.name in name) and (key is None or d.key == key.encode())
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
    """Writes it; seen at once, for a follower may wait for it."""
    if whole:
        put(line)
    else:
        sys.stdout.buffer.write(line)
    flush()


def _line(as_json: bool, as_envelope: bool, format: str | None, delimiter: str | None) -> Line | None:
    """How a message becomes a line; None: for people."""
    if sum([as_json, as_envelope, format is not None]) > 1:
        raise Trouble("--json, -J and -f exclude each other")
    if as_envelope:
        return envelope
    if format is not None:
        return formatted(format)
    if delimiter is not None:
        return formatted("%k" + delimiter.replace("%", "%%") + "%s")
    return json_line if as_json or not is_terminal() else None


def show(d: kca.Delivery) -> None:
    """A message for people."""
    place = shown(f"{d.topic}[{d.partition}]")
    where = f"[dim]{place}[/] [cyan]{d.offset}[/] [dim]{time_of(d.record_timestamp_ms) or ''}[/]"
    key = text(d.key)
    data.print(where, f"[bold]{shown(d.name) or '-'}[/]", shown(str(key)) if key is not None else "", soft_wrap=True)
    for name, value in d.headers.items():
        data.print(f"  [dim]{shown(name)}: {shown(value.decode(errors='backslashreplace'))}[/]", soft_wrap=True)
    payload = d.payload
    if payload is None:
        data.print("  [dim]no payload[/]")
        return
    try:
        data.print_json(data=d.json(), indent=2)
    except (kca.PayloadError, ValueError, RecursionError):
        data.print("  " + shown(payload.decode(errors="backslashreplace")), soft_wrap=True)
