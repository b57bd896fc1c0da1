"""What docs/lua.md shows of OpenResty runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from server import ROOT, Server, wait_until


def snippet(name: str) -> str:
    text = (ROOT / "docs/lua.md").read_text(encoding="utf-8")
    [found] = re.findall(rf"<!-- snippet: {re.escape(name)} -->\n```\w+\n(.*?)\n```", text, re.DOTALL)
    return str(found)


def test_the_documents_server_publishes_and_bills(tmp_path: Path) -> None:
    server = Server(tmp_path, snippet("app.lua"), {}, http=snippet("nginx.conf"))
    try:
        status, text = server.request("POST", "/orders", '{"orderId":"ORD-1"}')
        assert status == 200
        assert re.fullmatch(r"stored at \d+/0\n", text)
        wait_until(lambda: "billed 1," in server.get("/status")[1], "it is billed")
        assert "stored" in server.get("/status")[1]
        for body in "not json", "":
            status, text = server.request("POST", "/orders", body)
            assert status == 400
            assert "JSON" in text
        workers = server.workers()
        large = '{"orderId":"%s"}' % ("x" * 500000)
        assert server.request("POST", "/orders", large)[0] == 200
        assert "buffered to a temporary file" in server.errors()
        wait_until(lambda: "billed 2," in server.get("/status")[1], "the one from a file is billed, too")
        assert server.workers() == workers
        assert "kca" not in server.errors() and "lua" not in server.errors()
    finally:
        server.close()
