"""Publishes from one nginx worker: `kca`, or `lua-resty-kafka`, to a Kafka of a version that both support."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "openresty"))
import nginx  # noqa: E402  (beside this file)

WARM_UP = 20_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=["kca", "lua-resty-kafka"])
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if o.client != "kca":
            theirs = subprocess.check_output([HERE / "lua-resty-kafka"], text=True).strip()
            for modules in Path(theirs).iterdir():
                (folder / modules.name).symlink_to(modules)
        server = nginx.serve(folder, "publish_app.lua", o, {"/publish": "app.publish(tonumber(ngx.var.arg_n))"})
        try:
            server.get(f"/publish?n={WARM_UP}")
            before, begin = nginx.cpu(server), time.perf_counter()
            status, stored = server.get(f"/publish?n={o.messages}")
            seconds = time.perf_counter() - begin
            loop, process = (after - begun for after, begun in zip(nginx.cpu(server), before, strict=True))
            if (status, stored) != (200, f"{WARM_UP + o.messages}\n"):
                raise SystemExit(f"{status}, stored: {stored}\n{server.errors()}")
        finally:
            server.close()
    result = {
        "messages": o.messages,
        "messages_per_second": o.messages / seconds,
        "loop_us_per_message": loop / o.messages,
        "cpu_us_per_message": process / o.messages,
    }
    print(json.dumps(result))


main()
