"""`kca dead-letters`: lists, shows and redrives messages that failed for good."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

import kca

from ..visible import visible
from . import redriving
from .consume import show as show_message
from .options import Cluster, Json, grouped
from .output import Trouble, Wrong, data, flush, number, put, put_json, say, shown, table, talk
from .publish import INTERRUPTED
from .reading import Offset, Plan, Reader, finish, time_ms
from .records import json_line, line_of, text
from .settings import CONNECTION, Settings, complete_topic, started

app = typer.Typer(no_args_is_help=True, help="List, show and redrive messages that failed for good.")

Topic = Annotated[str, typer.Argument(help="The dead-letter topic.", autocompletion=complete_topic)]
Report = dict[str, Any]

# Counts of letters that were to go and could not.
_TROUBLES = ("unknown_target", "not_allowed", "missing_target", "refused")
_PASSED = ("left_out", "guarded", "not_dead_letters", *_TROUBLES)


def _place(at: str) -> tuple[int, int]:
    partition, found, offset = at.partition(":")
    if not (found and partition.isdecimal() and offset.isdecimal()):
        raise Wrong(f"the place of a dead letter must be PARTITION:OFFSET, such as 0:17; got {at}")
    return int(partition), int(offset)


@dataclass(frozen=True)
class Choice:
    """The options that choose among the dead letters of a topic."""

    group: Annotated[
        str | None,
        typer.Option("-G", "--group", help="The group that remembers what was redriven (default: TOPIC.redrive)."),
    ] = None
    only_topic: Annotated[
        list[str] | None, typer.Option(help="Only messages that failed in this topic. Repeatable.")
    ] = None
    only_error: Annotated[list[str] | None, typer.Option(help="Only messages with this error. Repeatable.")] = None
    since: Annotated[
        str | None,
        typer.Option(help="Only those written at or after this time: milliseconds since 1970, ISO, or an age: 2h."),
    ] = None
    until: Annotated[str | None, typer.Option(help="Only those written before this time.")] = None
    start: Annotated[
        str | None, typer.Option("--from", metavar="PARTITION:OFFSET", help="Only those at this place or behind it.")
    ] = None

    def builder(self, topic: str) -> kca.RedriveBuilder:
        """A redrive of the chosen dead letters."""
        partition, offset = _place(self.start) if self.start else (0, 0)
        return kca.RedriveBuilder(
            CONNECTION,
            topic,
            group_id=self.group,
            only_topic=self.only_topic or None,
            only_error=self.only_error or None,
            start_time_ms=time_ms(self.since) if self.since else None,
            end_time_ms=time_ms(self.until) if self.until else None,
            start_partition=partition,
            start_offset=offset,
        )


@app.command("list")
@grouped(timeout=60.0)
def list_(
    cluster: Cluster,
    topic: Topic,
    choice: Choice,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000000, help="At most N letters.")] = 100,
    as_json: Json = False,
) -> None:
    """List the dead letters that a redrive would take, with their errors, page by page. Nothing is changed.

    --json has whole letters: what a redrive reports, and of each letter the record, in base64.
    """
    settings = cluster.settings()
    builder = choice.builder(topic).with_max_listed(limit).with_list_records(as_json)
    with started(settings.system(), settings.timeout_ms) as system:
        report = redriving.run(system, builder, settings.timeout_ms, "reading")
    if as_json:
        put_json(report)
        return
    made = table("at", "from", "key", "attempts", "error", "text", "redrive", right=("attempts",))
    for letter in report["messages"]:
        at = f"{letter['partition']}:{letter['offset']}"
        origin = f"{letter['topic'] or '?'}[{number(letter['original_partition'])}]"
        state = letter["trouble"] or ("yes" if letter["redriven"] else letter["outcome"])
        cells = [at, origin, letter["key"], letter["attempts"], letter["error_name"], letter["error_text"], state]
        made.add_row(*(shown("" if cell is None else str(cell)) for cell in cells))
    data.print(made)
    if report["next"]:
        say(f"more with --from {report['next']['partition']}:{report['next']['offset']}")
    _conclude(report)


def _conclude(report: Report) -> None:
    """Says what became of the letters."""
    what = "would be redriven" if report["dry_run"] else "redriven"
    others = "".join(f", {report[name]:,} {name.replace('_', ' ')}" for name in _PASSED if report[name])
    say(f"{report['redriven']:,} of {report['read']:,} {what}{others}; {report['remaining']:,} remain")
    if report["group_is_full"]:
        say(
            f"group {report['group']} cannot remember more letters that are done between others, so the redrive ended "
            "early: redrive those in between, too, or let the group forget them with --give-up-others"
        )


@app.command()
@grouped()
def show(
    cluster: Cluster,
    topic: Topic,
    at: Annotated[
        str, typer.Argument(metavar="PARTITION:OFFSET", help="The place of the dead letter, as `list` shows it.")
    ],
    raw: Annotated[bool, typer.Option("--raw", help="With --json: the dead letter's own record.")] = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter with its headers and payload.

    --json shows the message that failed as a line for `kca publish`: edit it and publish it again.
    """
    partition, offset = _place(at)
    settings = cluster.settings()
    line = _failed_line(settings, topic, partition, offset) if as_json and not raw else None
    if line:
        put(line)
        flush()
        return
    plan = Plan([topic], Offset(number=offset), partition, count=1, to_end=True)
    for d in Reader(settings, plan).read():
        if d.offset != offset:
            break
        if as_json:
            put(json_line(d))
            flush()
        else:
            show_message(d)
        finish(d)
        return
    raise Trouble(f"{topic}[{partition}] has no record at offset {offset}")


# What is shown of a dead letter beside the failed message.
_SHOWN = {"partition", "offset", "format", "original_partition", "original_offset", "error_name", "error_text",
          "attempts", "redrives"}  # fmt: skip


def _bytes(told: str | None) -> bytes | None:
    return None if told is None else base64.b64decode(told)


def _failed_line(settings: Settings, topic: str, partition: int, offset: int) -> bytes | None:
    """The failed message of a dead letter as `kca consume --json` shows messages; None: it is none."""
    builder = kca.RedriveBuilder(CONNECTION, topic, group_id=f"{topic}.show", start_partition=partition)
    builder.with_start_offset(offset).with_max_listed(1).with_list_records(True)
    with started(settings.system(), settings.timeout_ms) as system:
        report = system.redrive(builder.with_dry_run(True), settings.timeout_ms)
    found = report["messages"]
    if not found or (found[0]["partition"], found[0]["offset"]) != (partition, offset):
        if not report["complete"]:
            raise Trouble(f"{topic}[{partition}] was not read in time: give it longer with --timeout")
        return None
    return _line_of_letter(topic, found[0], found[0]["record"])


def _line_of_letter(topic: str, letter: Report, record: Report) -> bytes:
    headers = [(_bytes(name) or b"", _bytes(value)) for name, value in record["headers"]]
    names = [text(value) for name, value in headers if name == b"route" and value is not None]
    told = {
        "topic": letter["topic"],
        "name": names[-1] if names and isinstance(names[-1], str) else None,
        "record_headers": [[text(name), text(value)] for name, value in headers],
        "dead_letter": {"topic": topic} | {name: value for name, value in letter.items() if name in _SHOWN},
    }
    kept = {name: value for name, value in told.items() if value is not None}
    return line_of({"key": text(_bytes(record["key"]))} | kept, _bytes(record["value"]))


@app.command()
@grouped(timeout=0.0)
def redrive(
    cluster: Cluster,
    topic: Topic,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be published.")] = False,
    to_topic: Annotated[
        str | None, typer.Option("--to", help="Publish to this topic (default: where each failed).")
    ] = None,
    most: Annotated[
        int | None, typer.Option("-c", "--count", "--limit", metavar="N", min=1, help="At most N messages.")
    ] = None,
    max_redrives: Annotated[
        int | None,
        typer.Option(
            "--max-redrives", min=1, help="Leave a message alone once it was redriven this often (default 3)."
        ),
    ] = None,
    give_up: Annotated[
        bool, typer.Option("--give-up-others", help="Let the group forget the letters that are not redriven.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "-y",
            "--yes",
            help="Do not ask. Then messages go only to topics that --to or --only-topic names, or kca's own headers.",
        ),
    ] = False,
    *,
    choice: Choice,
    as_json: Json = False,
) -> None:
    """Publish dead letters again, each to the topic where it failed. Without -y, kca first shows where to, and asks.

    Ctrl-C ends it; the next call goes on from there. There is no limit of time but --timeout. Exit code 1: the time was
    over before the end, the group can remember no more, or there are letters that could not go.
    """  # fmt: skip
    settings = cluster.settings()
    limit_ms = settings.timeout_ms or -1
    settings = replace(settings, timeout=settings.timeout or Settings.timeout)
    builder = choice.builder(topic).with_give_up_others(give_up)
    if to_topic:
        builder.with_to_topic(to_topic)
    if most:
        builder.with_max_messages(most)
    if max_redrives:
        builder.with_max_redrives(max_redrives)
    report: Report | None = None
    with started(settings.system(), settings.timeout_ms) as system:
        if not dry_run and not yes:
            report = redriving.run(system, builder.with_dry_run(True), limit_ms, "reading")
            dry_run = not _confirm(builder, report)
        if report is None or not dry_run:
            builder.with_dry_run(dry_run).with_list_records(as_json)
            report = redriving.run(system, builder, limit_ms, "reading" if dry_run else "redriving")
    if as_json:
        put_json(report)
    else:
        for name, count in report["by_target"].items():
            data.print(f"{number(count):>9}  {visible(name)}", markup=False)
    for trouble, count in report["troubles"].items():
        say(f"{count:,} passed by: {trouble}")
    _conclude(report)
    stopped = not report["complete"] and not most
    if stopped or report["group_is_full"] or any(report[name] for name in _TROUBLES):
        raise typer.Exit(1)


def _ask(question: str) -> None:
    """Ends the command unless the answer is yes."""
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort as e:
        if isinstance(e.__context__, KeyboardInterrupt):  # which typer tells from a no by nothing else
            raise typer.Exit(INTERRUPTED) from None
        raise


def _confirm(builder: kca.RedriveBuilder, planned: Report) -> bool:
    """Shows where the messages would go, asks, and allows just that. False: there are none."""
    named: dict[str, int] = planned["not_allowed_by_topic"]
    targets: dict[str, int] = planned["by_target"]
    made = table("messages", "to topic", "", right=("messages",))
    for name, count in targets.items():
        made.add_row(number(count), shown(name), "")
    for name, count in named.items():
        made.add_row(number(count), shown(name), "named in a payload or in another library's header")
    talk.print(made)
    errors = table("messages", "error", right=("messages",))
    by_error: Counter[str] = Counter(planned["by_error"])
    by_error.update(planned["not_allowed_by_error"])
    for name, count in by_error.most_common():
        errors.add_row(number(count), shown(name or "?"))
    talk.print(errors)
    total = sum(targets.values()) + sum(named.values())
    if not total:
        return False
    _ask(f"publish {total:,} messages of {planned['topic']} again?")
    for name in {*targets, *named} - {"(others)"}:
        builder.with_allowed_topic(name)
    return True
