"""`kca publish`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

import kca

from .lines import Fields, message_of
from .options import Cluster, Json, grouped
from .output import Trouble, Wrong, close, put_json, say, talk
from .records import TYPES, check_json, unescaped
from .settings import Settings, complete_topic, started

# The exit code of a command that Ctrl-C ended before it was done, as shells have it.
INTERRUPTED = 130


@grouped()
def publish(
    cluster: Cluster,
    topic: Annotated[str, typer.Option("-t", "--topic", help="The topic to write.", autocompletion=complete_topic)],
    name: Annotated[str | None, typer.Argument(help="The message's name. Without it, each line has its own.")] = None,
    payload: Annotated[
        str | None, typer.Argument(help="The payload, as JSON; @FILE: from a file. Without it, kca reads lines.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("-l", "--lines", help="Read the lines of this file instead of stdin.")
    ] = None,
    key: Annotated[str | None, typer.Option("-k", "--key", help="The key (default: the correlation id).")] = None,
    partition: Annotated[
        int | None,
        typer.Option(
            "-p", "--partition", min=0, max=2**31 - 1, help="The partition to write to (default: the key chooses)."
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("-K", "--key-delimiter", help="Each line is a key, this text and a payload.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", metavar="NAME=VALUE", help="A custom header. Repeatable.")
    ] = None,
    type: Annotated[str | None, typer.Option("--type", help="The type: command, query, event or document.")] = None,
    correlation_id: Annotated[str | None, typer.Option("--correlation-id", help="The id of the conversation.")] = None,
    reply_to: Annotated[str | None, typer.Option("--reply-to", help="The channel for replies.")] = None,
    default_name: Annotated[
        str | None, typer.Option("--name", help="The name of messages whose line has none.")
    ] = None,
    new_ids: Annotated[
        bool,
        typer.Option("--new-ids", help="Publish new messages like those read: with their own ids, time and trace."),
    ] = False,
    null: Annotated[
        bool, typer.Option("-Z", "--null", help="An empty payload is none: the message is a tombstone.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Publish payloads that are not JSON, too.")] = False,
    compression: Annotated[
        str | None, typer.Option("-z", "--compression", help="Compress with gzip, snappy, lz4 or zstd.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish messages: one from the arguments, or one for each line of stdin or of a file.

    With NAME, each line is a payload. Without NAME, each line is a JSON object: one of `kca consume --json` or `-J`,
    which kca publishes as the record that it was, to the byte (headers, key, payload and time); or one with "name",
    "payload" and, if you like, "key", "headers" and the other fields.

    --json writes the outcome of each message to stdout. Exit code 1: not all messages were stored.
    """
    settings = cluster.settings()
    extras = _extras(type, header, correlation_id, reply_to)
    place: Fields = {"message": name, "partition": partition}
    if key is not None:
        extras["key"] = os.fsencode(key)

    def from_line(line: bytes) -> Fields:
        if name is not None:
            found, rest = _split(line, delimiter)
            return extras | ({} if found is None else {"key": found}) | payload_of(rest) | place
        made = {k: v for k, v in message_of(line, default_name, new_ids, partition).items() if v is not None}
        if extras and isinstance(made["message"], kca.Message):
            raise ValueError(f"it holds a whole record: {', '.join(extras)} can be given only with --new-ids")
        return extras | made

    def payload_of(told: bytes) -> Fields:
        return {"payload": None if null and not told else told if raw else _checked(told)}

    job = _Job(settings, topic, compression, as_json)
    if payload is not None:
        job.run(iter([extras | payload_of(_argument(payload)) | place]))
    elif file:
        with file.open("rb") as lines:
            job.run(_messages(lines, from_line, job, file.stat().st_size, null and name is not None))
    else:
        if sys.stdin.isatty():
            say("type a message on each line; end with Ctrl-D")
        job.run(_messages(sys.stdin.buffer, from_line, job, None, null and name is not None))


def _extras(type: str | None, header: list[str] | None, correlation_id: str | None, reply_to: str | None) -> Fields:
    """The fields that the options set."""
    if type is not None and type not in TYPES:
        raise Wrong(f"--type must be {', '.join(TYPES)}, got {type}")
    headers: list[tuple[str, bytes]] = []
    for pair in header or []:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise Wrong(f"-H must be NAME=VALUE, got {pair}")
        headers.append((name, os.fsencode(value)))
    kca.Message("checked", headers=headers)
    made: Fields = {"type": TYPES[type] if type else None, "correlation_id": correlation_id, "reply_to": reply_to}
    return {name: value for name, value in (made | {"headers": headers or None}).items() if value is not None}


def _argument(payload: str) -> bytes:
    return Path(payload[1:]).read_bytes() if payload.startswith("@") else os.fsencode(payload)


def _split(line: bytes, delimiter: str | None) -> tuple[bytes | None, bytes]:
    if delimiter is None:
        return None, line
    key, found, rest = line.partition(os.fsencode(unescaped(delimiter)))
    if not found:
        raise ValueError(f"the line has no key delimiter {delimiter}")
    return key, rest


def _checked(payload: bytes) -> bytes:
    try:
        check_json(payload)
    except kca.PayloadError as e:
        raise ValueError(f"{str(e).removeprefix('message: ')} (--raw publishes any payload)") from None
    return payload


def _messages(
    lines: BinaryIO, from_line: Callable[[bytes], Fields], job: _Job, size: int | None, null: bool
) -> Iterator[Fields]:
    """Makes a message of each line, empty ones only if `null` is set, and draws a progress bar on a terminal."""
    columns = [BarColumn(), DownloadColumn(), TransferSpeedColumn()] if size else []
    shown = talk.is_terminal and not lines.isatty()
    with Progress(TextColumn("{task.description}"), *columns, console=talk, disable=not shown, transient=True) as bar:
        task = bar.add_task("publishing", total=size)
        for number, line in enumerate(lines, 1):
            line = line.rstrip(b"\r\n")
            if line.strip() or null:
                try:
                    yield from_line(line)
                except (ValueError, OverflowError, kca.ArgumentError) as e:
                    raise Trouble(f"line {number}: {e}") from None
            bar.update(task, advance=len(line) + 1, description=f"{job.stored:,} stored")


class _Job:
    """Publishes messages, and counts those that were stored and those that failed."""

    def __init__(self, settings: Settings, topic: str, compression: Any, as_json: bool) -> None:
        self.topic, self.as_json = topic, as_json
        self.stored = self.failed = self.published = 0
        publisher = kca.PublisherBuilder("cluster", topic, required_acks=-1, compression=compression)
        self._timeout_ms = settings.timeout_ms
        self._system = settings.system(settings.with_options(publisher))

    def run(self, messages: Iterator[Fields]) -> None:
        begin = time.monotonic()
        trouble: Trouble | None = None
        interrupted = False
        with started(self._system, self._timeout_ms) as system:
            bus, queue = system.event_bus(self.topic), system.queue()
            room = system.description()["publishers"][0]["buffer_messages"]  # unread receipts fill it, too
            burst, most_missing = max(1, room // 4), max(1, room * 3 // 4)
            try:
                for fields in messages:
                    self._publish(bus, queue, fields)
                    if self.published % burst == 0:
                        self._read(queue, 0)
                    while self._missing >= most_missing:
                        self._read(queue, 1000)
            except Trouble as e:
                trouble = e
            except KeyboardInterrupt:  # a second Ctrl-C does not wait for the receipts
                interrupted = True
            if interrupted:
                self._count_all(system, bus, queue)
            while not interrupted and self._missing > 0:
                self._read(queue, 1000)
        self._conclude(time.monotonic() - begin)
        if trouble:
            raise trouble
        if interrupted:
            say("interrupted: the messages that follow were not published")
            raise typer.Exit(INTERRUPTED)

    def _publish(self, bus: kca.Bus, queue: kca.Queue, fields: Fields) -> None:
        number = self.published + 1
        try:
            receipt = bus.publish(token=number, **fields)
        except kca.BufferFullError as e:
            if not self._missing:
                raise Trouble(f"message {number}: {e}") from None
            self._read(queue, 1000)
            self._publish(bus, queue, fields)
        except (kca.Error, ValueError, OverflowError) as e:
            raise Trouble(f"message {number}: {e}") from None
        else:
            self.published = number  # only now: Ctrl-C may come before the message is published
            if receipt:  # the publisher is synchronous
                self._count(receipt)

    @property
    def _missing(self) -> int:
        return self.published - self.stored - self.failed

    def _count_all(self, system: kca.System, bus: kca.Bus, queue: kca.Queue) -> None:
        """Takes the library's own counts: Ctrl-C may have come between taking receipts and counting them."""
        with suppress(kca.Error):
            bus.flush(self._timeout_ms)
        self._read(queue, 0)
        [counts] = system.description()["publishers"]
        self.stored, self.failed = counts["stored"], counts["failed"]

    def _read(self, queue: kca.Queue, patience_ms: int) -> None:
        """Counts the receipts that are there; waits for the first."""
        wait = patience_ms
        while events := queue.next(1024, wait):
            wait = 0
            for event in events:
                if isinstance(event, kca.Receipt):
                    self._count(event)

    def _count(self, receipt: kca.Receipt) -> None:
        self.stored += receipt.error is None
        self.failed += receipt.error is not None
        if receipt.error:
            say(f"message {receipt.token}: {receipt.error}")
        if self.as_json:
            told = {"number": receipt.token, "stored": receipt.error is None, "topic": receipt.topic}
            where = {"partition": receipt.partition, "offset": receipt.offset}
            self._tell(told | (where if receipt.error is None else {"error": str(receipt.error)}))

    def _tell(self, outcome: Fields) -> None:
        try:
            put_json(outcome)
        except BrokenPipeError:  # who reads no more did not ask for fewer messages
            close()

    def _conclude(self, seconds: float) -> None:
        rate = f", {self.stored / seconds:,.0f} a second" if self.stored > 1000 else ""
        say(f"{self.stored:,} stored in {self.topic}{rate}" + (f", {self.failed:,} failed" if self.failed else ""))
        if self.failed:
            raise typer.Exit(1)
