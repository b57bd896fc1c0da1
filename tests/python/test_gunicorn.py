"""A system under gunicorn, which forks its workers: it belongs into the worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support import DEADLINE_SECONDS, wait_for

SHOP = """
import atexit, os
import kca
from support import KEY, declared

system = None

def begin():
    global system
    system = declared()
    system.handler("*", lambda order: None)
    system.start()
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and system.shutdown())

if os.environ["BEGIN"] == "import":
    begin()

def app(environ, start_response):
    try:
        bus = system.event_bus("orders")
        bus.publish("orderCreated", {"by": os.getpid()}, key=KEY)
        bus.flush(10000)
        told = f"stored {system.description()['publishers'][0]['stored']}"
    except kca.Error as e:
        told = f"{type(e).__name__}: {e}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {told}".encode()]
"""

CONFIG = """
import os

def post_fork(server, worker):
    if os.environ["BEGIN"] == "post_fork":
        import shop
        shop.begin()
"""


def answers_of(folder: Path, begin: str, *options: str) -> set[str]:
    """What the workers said, without their ids; the server must end cleanly."""
    (folder / "shop.py").write_text(SHOP)
    (folder / "gunicorn.conf.py").write_text(CONFIG)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2", *options, "shop:app"]
    environment = os.environ | {"BEGIN": begin, "HOME": str(folder)}
    found: dict[str, str] = {}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:

        def both_answered() -> bool:
            assert server.poll() is None
            try:
                worker, _, told = httpx.get(f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS).text.partition(" ")
            except httpx.TransportError:
                return False
            found[worker] = told
            return len(found) == 2

        wait_for(both_answered, "both workers")
        server.send_signal(signal.SIGTERM)
        said = server.stderr.read() if server.stderr else ""
        assert server.wait(DEADLINE_SECONDS) == 0, said
    assert "Traceback" not in said and "SIGKILL" not in said, said
    return set(found.values())


@pytest.mark.parametrize(
    ("begin", "options"),
    [("import", []), ("post_fork", []), ("post_fork", ["--preload"]), ("post_fork", ["--preload", "--threads", "4"])],
)
def test_a_system_that_is_made_in_the_worker_works(tmp_path: Path, begin: str, options: list[str]) -> None:
    assert all(told.startswith("stored ") for told in answers_of(tmp_path, begin, *options))


def test_a_system_that_was_made_before_the_fork_says_so(tmp_path: Path) -> None:
    [told] = answers_of(tmp_path, "import", "--preload")
    assert told.startswith("ForkedError: ")
    assert "in the child" in told
