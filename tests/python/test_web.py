"""The example in FastAPI, served by uvicorn on either loop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support import DEADLINE_SECONDS, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples/python"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_order_is_published_and_billed_and_the_application_ends_cleanly(loop: str) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(EXAMPLES),
        "--port",
        str(port),
        "--loop",
        loop,
        "web:app",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS) as client:

            def answers() -> bool:
                assert server.poll() is None
                try:
                    return client.get("/bills/none").status_code == 404
                except httpx.TransportError:
                    return False

            wait_for(answers, "the application")
            stored = client.post("/orders", json={"orderId": "ORD-1", "amount": 9.5})
            assert (stored.status_code, stored.json()["offset"]) == (201, 0)
            assert client.post("/orders", json={"orderId": "ORD-1", "amount": -1}).status_code == 422
            wait_for(lambda: client.get("/bills/ORD-1").status_code == 200, "the bill")
            assert client.get("/bills/ORD-1").json() == 9.5
            assert client.get("/livez").json()["live"]
            wait_for(lambda: client.get("/readyz").status_code == 200, "the consumer")
            assert client.get("/readyz").json()["reasons"] == []
        server.send_signal(signal.SIGTERM)
        said = server.stderr.read() if server.stderr else ""
        assert server.wait(DEADLINE_SECONDS) in (0, -signal.SIGTERM), said
        assert "Application shutdown complete" in said
        assert "Traceback" not in said
