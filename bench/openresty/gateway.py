"""wrk against the gateway of examples/openresty in a worker of its own: `fire`, the receipt is counted later;
`publish`, the answer waits for it; `plain-fire` and `plain-publish`, answers of the same sizes without Kafka.

A second wrk asks for something else meanwhile, one request at a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "openresty"))
import nginx  # noqa: E402  (beside this file)
from server import Server, wait_until  # noqa: E402

MORE = """
location = /publish/orderCreated { content_by_lua_block { app.publish() } }
location = /without-kafka { content_by_lua_block { app.plain() } }
"""
PLACES = {
    "fire": "/publish/orderCreated?wait=no",
    "publish": "/publish/orderCreated",
    "plain-fire": "/without-kafka?wait=no",
    "plain-publish": "/without-kafka",
}
CONNECTIONS = 400
WARM_UP_S = 1


def wrk(server: Server, place: str, connections: int, seconds: int, *arguments: str) -> subprocess.Popen[str]:
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "wrk.lua")]
    url = f"http://127.0.0.1:{server.port}{place}"
    return subprocess.Popen(["wrk", *options, url, "--", *arguments], text=True, stdout=subprocess.PIPE)


def figures(load: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = load.communicate()
    found: dict[str, Any] = json.loads(said.partition("FIGURES ")[2])
    if load.returncode or found["failures"]:
        raise SystemExit(f"wrk: {said}")
    return found


def all_is_stored(server: Server) -> bool:
    counts = server.json("/counts")
    if counts["failed"]:
        raise SystemExit(f"not stored: {counts}")
    return bool(counts["unanswered"] == 0)


def measure(server: Server, place: str, seconds: int) -> dict[str, Any]:
    wrk(server, place, CONNECTIONS, WARM_UP_S, "post").communicate()  # a broker that just started may refuse some
    wait_until(lambda: all_is_stored(server), "the receipts of the warm-up have come")
    before = nginx.cpu(server)
    load = wrk(server, place, CONNECTIONS, seconds, "post")
    others = wrk(server, "/plain", 1, seconds)
    posts, gets = figures(load), figures(others)
    loop, process = (after - begun for after, begun in zip(nginx.cpu(server), before, strict=True))
    return {
        "requests": posts["requests"],
        "requests_per_second": posts["requests"] / posts["seconds"],
        "us_per_request": posts["seconds"] * 1e6 / posts["requests"],
        "p50_us": posts["p50_us"],
        "p99_us": posts["p99_us"],
        "other_p50_us": gets["p50_us"],
        "other_p99_us": gets["p99_us"],
        "loop_us_per_request": loop / posts["requests"],
        "cpu_us_per_request": process / posts["requests"],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=list(PLACES))
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = nginx.serve(Path(folder), "gateway_app.lua", o, {"/counts": "app.counts()"}, MORE)
        try:
            result = measure(server, PLACES[o.work], o.seconds)
            wait_until(lambda: all_is_stored(server), "all receipts have come")
        finally:
            server.close()
    print(json.dumps(result))


main()
