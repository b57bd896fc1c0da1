"""`kca doctor`: checks whether the cluster can be reached, and says what is wrong."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

import kca

from .._kca import kca_rdkafka_version
from .options import Cluster, Json, grouped
from .output import Wrong, data, put_json
from .running import examine_running
from .secrets import all_masked
from .settings import CONNECTION, Settings
from .waiting import read, waits_for

T = TypeVar("T")

# What to do, by the kind of an error.
_ADVICE = {
    "unreachable": "Is the broker running, and is this its address and port? Does a firewall let you through?",
    "timeout": "Is this the port of that protocol (plain, TLS, SASL)? Do the brokers' advertised names resolve here?",
    "tls": "Which CA signed the broker's certificate (-X ssl.ca.location=FILE), and for which name is it?",
    "authentication": "Check user, password and mechanism (KCA_SASL_USER, KCA_SASL_PASSWORD, KCA_SASL_MECHANISM).",
    "authorization": "The cluster's access rules (ACLs) forbid this to the user.",
    "not_found": "Create the topic, or check its name: kca topics.",
    "waits": "Are the brokers of these partitions up, and does each one's advertised address lead to it from here?",
    "argument": "The error's text says what is allowed.",
}


@grouped()
def doctor(
    cluster: Cluster,
    topic: Annotated[
        str | None,
        typer.Option(
            "-t", "--topic", help="Also check that this topic can be read, and say what a consumer of it waits for."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option("-G", "--group", help="Also check that this group's offsets can be read.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="URL",
            help="Ask a running system instead, by the URL where its application serves its health.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Reach the cluster, and report step by step what works and what does not. Exit code 1: something does not."""
    if system and (topic or group):
        raise Wrong("--system asks a running system, which knows its topics: leave --topic and --group out")
    report = all_masked(
        examine_running(system, cluster.timeout) if system else examine(cluster.settings(), topic, group)
    )
    if as_json:
        put_json(report)
    else:
        _show(report)
    if not report["ok"]:
        raise typer.Exit(1)


def examine(settings: Settings, topic: str | None, group: str | None) -> dict[str, Any]:
    """Makes the report, without secrets."""
    checks: list[dict[str, Any]] = []
    report: dict[str, Any] = {
        "ok": True,
        "kca": kca.__version__,
        "librdkafka": kca_rdkafka_version(),
        "python": platform.python_version(),
        "brokers": settings.brokers,
        "properties": settings.shown(),
        "environment": sorted(name for name in os.environ if name.startswith("KCA_")),
        "checks": checks,
    }
    steps = _Steps(settings, checks)
    report["weaknesses"] = steps.system.description()["connections"][0]["weaknesses"]
    try:
        reached = steps.take("connect", steps.start, lambda _: f"reached {settings.brokers}")
        told = steps.take("cluster", lambda: steps.ask(None, None), _cluster) if reached else None
        if reached and not told and topic:
            steps.take("read", lambda: steps.read(topic, group, False), str)
        if told:
            report["cluster"] = {name: told[name] for name in ("cluster_id", "controller", "brokers")}
            _see_to_topics(checks, told["topics"])
            seen = steps.take("topic", lambda: steps.ask(topic, None), _topic) if topic else None
            if group:
                steps.take("group", lambda: steps.ask(None, group), _group)
            if topic and seen:
                steps.take("read", lambda: steps.read(topic, group, True), str)
    finally:
        steps.system.shutdown(settings.timeout_ms)
    report["ok"] = all(check["ok"] for check in checks)
    return report


class _Steps:
    """Runs steps, and records each as a check: with its time when it succeeded, else with advice."""

    def __init__(self, settings: Settings, checks: list[dict[str, Any]]) -> None:
        self.system = settings.system()
        self._settings = settings
        self._timeout_ms = settings.timeout_ms
        self._checks = checks

    def start(self) -> kca.System:
        return self.system.start(self._timeout_ms)

    def ask(self, topic: str | None, group: str | None) -> dict[str, Any]:
        return self.system.describe_cluster(CONNECTION, topic, group, self._timeout_ms)

    def read(self, topic: str, group: str | None, is_known: bool) -> str:
        told = self.ask(topic, group)["topics"][0]["partitions"] if is_known else []
        places = {p["partition"]: p.get("committed") for p in told}
        return waits_for(topic, read(self._settings, topic, group, places))

    def take(self, name: str, step: Callable[[], T], text: Callable[[T], str]) -> T | None:
        begin = time.monotonic()
        try:
            result = step()
        except kca.Error as e:
            advice = _ADVICE.get(e.name, "")
            self._checks.append({"name": name, "ok": False, "text": str(e), "kind": e.name, "advice": advice})
            return None
        took = round((time.monotonic() - begin) * 1000, 1)
        self._checks.append({"name": name, "ok": True, "text": text(result), "ms": took})
        return result


def _cluster(told: dict[str, Any]) -> str:
    where = ", ".join(f"{b['id']} at {b['host']}:{b['port']}" for b in told["brokers"])
    return f"cluster {told['cluster_id'] or '?'}, brokers {where}, {len(told['topics'])} topics"


def _see_to_topics(checks: list[dict[str, Any]], topics: list[dict[str, Any]]) -> None:
    for wrong, is_wrong in (
        ("without leader", lambda p: p["leader"] < 0),
        ("not in sync", lambda p: len(p["in_sync"]) < len(p["replicas"])),
    ):
        found = [f"{t['name']}[{p['partition']}]" for t in topics for p in t["partitions"] if is_wrong(p)]
        if found:
            some = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
            checks.append({"name": "partitions", "ok": False, "text": f"{len(found)} {wrong}: {some}", "kind": "broker",
                           "advice": "A broker of the cluster is down or behind."})  # fmt: skip


def _topic(told: dict[str, Any]) -> str:
    found = told["topics"][0]
    return f"{found['name']} has {len(found['partitions'])} partitions"


def _group(told: dict[str, Any]) -> str:
    group = told["group"]
    members = "members not told" if group["members"] is None else f"{len(group['members'])} members"
    waits = ": they wait until all of them have joined again" if "Rebalanc" in (group["state"] or "") else ""
    return f"{group['name']}: {group['state'] or 'state not told'}, {members}{waits}"


def _show(report: dict[str, Any]) -> None:
    if "system" in report:
        data.print(f"the system at {report['system']}", markup=False, soft_wrap=True)
    else:
        data.print(f"kca {report['kca']}, librdkafka {report['librdkafka']}, Python {report['python']}")
    for name, value in report.get("properties", {}).items():
        data.print(f"  {name} = {value}", markup=False, soft_wrap=True)
    for weakness in report.get("weaknesses", []):
        data.print("[yellow]![/] weak: ", end="")
        data.print(weakness, markup=False, soft_wrap=True)
    for check in report["checks"]:
        took = f" ({check['ms']} ms)" if "ms" in check else ""
        mark = "[green]✓[/]" if check["ok"] else "[red]✗[/]"
        data.print(f"{mark} {check['name']}: ", end="")
        data.print(check["text"] + took, markup=False, soft_wrap=True)
        if check.get("advice"):
            data.print(f"  {check['advice']}", markup=False, soft_wrap=True)
    data.print("[green]all is well[/]" if report["ok"] else "[red]not all is well[/]")
