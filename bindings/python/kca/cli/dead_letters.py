"""`kca dead-letters`: lists, shows and redrives messages that failed for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

import kca

from .consume import show as show_message
from .options import Cluster, Json, grouped
from .output import Trouble, data, flush, number, put, put_json, say, shown, table
from .reading import Offset, Plan, Reader, finish, time_ms
from .records import json_line
from .settings import CONNECTION, Settings, complete_topic, started

app = typer.Typer(no_args_is_help=True, help="List, show and redrive messages that failed for good.")

Topic = Annotated[str, typer.Argument(help="The dead-letter topic.", autocompletion=complete_topic)]


@dataclass(frozen=True)
class Choice:
    """The options that choose among the dead letters of a topic."""

    group: Annotated[
        str | None,
        typer.Option("-G", "--group", help="The group that remembers how far a redrive came (default: TOPIC.redrive)."),
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

    def builder(self, topic: str) -> kca.RedriveBuilder:
        """A redrive of the chosen dead letters."""
        return kca.RedriveBuilder(
            CONNECTION,
            topic,
            group_id=self.group,
            only_topic=self.only_topic or None,
            only_error=self.only_error or None,
            start_time_ms=time_ms(self.since) if self.since else None,
            end_time_ms=time_ms(self.until) if self.until else None,
        )


def _redrive(settings: Settings, builder: kca.RedriveBuilder) -> dict[str, Any]:
    with started(settings.system(), settings.timeout_ms) as system:
        return system.redrive(builder, settings.timeout_ms)


@app.command("list")
@grouped(timeout=60.0)
def list_(cluster: Cluster, topic: Topic, choice: Choice, as_json: Json = False) -> None:
    """List the first 100 dead letters that a redrive would take, with their errors. Nothing is changed."""
    settings = cluster.settings()
    report = _redrive(settings, choice.builder(topic))
    if as_json:
        put_json(report)
        return
    made = table("at", "from", "key", "attempts", "error", "text", right=("attempts",))
    for letter in report["messages"]:
        at = f"{letter['partition']}:{letter['offset']}"
        origin = f"{letter['topic'] or '?'}[{number(letter['original_partition'])}]"
        cells = [at, origin, letter["key"], letter["attempts"], letter["error_name"], letter["error_text"]]
        made.add_row(*(shown("" if cell is None else str(cell)) for cell in cells))
    data.print(made)
    _say(report)


def _say(report: dict[str, Any]) -> None:
    what = "would be redriven" if report["dry_run"] else "redriven"
    passed = {name: report[name] for name in ("left_out", "guarded", "not_dead_letters", "unknown_target")}
    others = "".join(f", {count} {name.replace('_', ' ')}" for name, count in passed.items() if count)
    say(f"{report['redriven']} of {report['read']} {what}{others}; {report['remaining']} remain")


@app.command()
@grouped()
def show(
    cluster: Cluster,
    topic: Topic,
    at: Annotated[
        str, typer.Argument(metavar="PARTITION:OFFSET", help="The place of the dead letter, as `list` shows it.")
    ],
    as_json: Json = False,
) -> None:
    """Show one dead letter with its headers and payload."""
    partition, found, offset = at.partition(":")
    if not (found and partition.isdigit() and offset.isdigit()):
        raise Trouble(f"the place of a dead letter must be PARTITION:OFFSET, such as 0:17; got {at}")
    settings = cluster.settings()
    plan = Plan([topic], Offset(number=int(offset)), int(partition), count=1, to_end=True)
    for d in Reader(settings, plan).read():
        if d.offset != int(offset):
            break
        if as_json:
            put(json_line(d))
            flush()
        else:
            show_message(d)
        finish(d)
        return
    raise Trouble(f"{topic}[{partition}] has no record at offset {offset}")


@app.command()
@grouped(timeout=60.0)
def redrive(
    cluster: Cluster,
    topic: Topic,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be published.")] = False,
    to_topic: Annotated[
        str | None, typer.Option("--to", help="Publish to this topic (default: where each failed).")
    ] = None,
    most: Annotated[int | None, typer.Option("-c", "--count", metavar="N", min=1, help="At most N messages.")] = None,
    max_redrives: Annotated[
        int | None,
        typer.Option(
            "--max-redrives", min=1, help="Leave a message alone once it was redriven this often (default 3)."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")] = False,
    *,
    choice: Choice,
    as_json: Json = False,
) -> None:
    """Publish dead letters again, each to the topic where it failed. Exit code 1: the time was over before the end."""
    settings = cluster.settings()
    builder = choice.builder(topic)
    if to_topic:
        builder.with_to_topic(to_topic)
    if most:
        builder.with_max_messages(most)
    if max_redrives:
        builder.with_max_redrives(max_redrives)
    if not dry_run and not yes:
        planned = _redrive(settings, builder.with_dry_run(True))
        typer.confirm(f"publish {planned['redriven']} messages of {topic} again?", abort=True, err=True)
    report = _redrive(settings, builder.with_dry_run(dry_run))
    if as_json:
        put_json(report)
    else:
        for name, count in report["by_topic"].items():
            data.print(f"{number(count):>9}  {name or '?'}", markup=False)
    _say(report)
    if not report["complete"] and not most:
        raise typer.Exit(1)
