"""A real nginx with one worker for the programs here."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from server import Server

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples" / "openresty"


def serve(folder: Path, app: str, o: Namespace, locations: dict[str, str], more: str = "") -> Server:
    """A server whose application is a file of this folder; options replace their names between @ in it."""
    (folder / "gateway.lua").write_text((EXAMPLES / "gateway.lua").read_text())
    text = (HERE / app).read_text()
    for name, value in vars(o).items():
        text = text.replace(f"@{name}@", str(value))
    return Server(folder, text, locations, more=more)


def cpu(server: Server) -> tuple[float, float]:
    """Microseconds that the worker's event loop and its whole process have taken."""
    [worker] = server.workers()
    threads = Path(f"/proc/{worker}/task").glob("*/schedstat")
    taken = {int(thread.parent.name): int(thread.read_text().split()[0]) / 1e3 for thread in threads}
    return taken[worker], sum(taken.values())
