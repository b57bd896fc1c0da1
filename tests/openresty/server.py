"""A real nginx on loopback, in a folder of its own, with the modules of this build."""

from __future__ import annotations

import http.client
import json
import os
import platform
import signal as signals
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LUA = Path(os.environ.get("KCA_LUA_FOLDER", ROOT / "build/dev/bindings/lua"))
PATIENCE = 30.0

CONFIGURATION = """
load_module {root}/usr/lib/nginx/modules/ndk_http_module.so;
load_module {root}/usr/lib/nginx/modules/ngx_http_lua_module.so;
user root; daemon off; master_process on; worker_processes {workers};
worker_shutdown_timeout {shutdown_timeout};
pid {folder}/nginx.pid; error_log {folder}/error.log notice;
env KCA_BROKER_PLAINTEXT;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  lua_package_path "{folder}/?.lua;{modules}/?.lua;{root}/usr/share/lua/5.1/?.lua;;";
  lua_package_cpath "{libraries}/?.so;{root}/usr/lib/{machine}-linux-gnu/lua/5.1/?.so;;";
  {http}
}}
"""


HTTP = """
  lua_socket_log_errors off;
  {head}
  {init}
  exit_worker_by_lua_block {{ require("resty.kca").exit_worker() }}
  server {{
    listen 127.0.0.1:8080;
    location = /plain {{ return 200 "plain"; }}
    {locations}
  }}
"""


def wait_until(condition: Any, what: str, seconds: float = PATIENCE) -> Any:
    """The condition's value once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Server:
    """nginx with an application, the module `app` in Lua, and locations for it.

    Args:
        folder: its own.
        app: text of the module, which init_worker_by_lua requires.
        locations: by path, text in Lua for content_by_lua.
        head: of the http block.
        more: of the server block.
        init: of the http block, what begins a worker.
        modules, libraries: where Lua looks; those of this build.
        shutdown_timeout: how long connections may keep a worker that is told to exit.
        http: the http block in place of all that, on port 8080, which becomes a free one.
    """

    def __init__(
        self,
        folder: Path,
        app: str,
        locations: dict[str, str],
        *,
        workers: int = 1,
        head: str = "",
        more: str = "",
        init: str = 'init_worker_by_lua_block { app = require "app" }',
        modules: Path | None = None,
        libraries: Path | None = None,
        shutdown_timeout: str = "20s",
        http: str = "",
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.root = subprocess.check_output([ROOT / "tests/openresty/nginx"], text=True).strip().rstrip("/")
        served = [f"location = {path} {{ content_by_lua_block {{ {text} }} }}" for path, text in locations.items()]
        http = http or HTTP.format(head=head, init=init, locations="\n".join([*served, more]))
        machine = platform.machine()
        (folder / "app.lua").write_text(app)
        (folder / "nginx.conf").write_text(
            CONFIGURATION.format(
                root=self.root,
                folder=folder,
                modules=modules or LUA,
                libraries=libraries or LUA / "5.1",
                port=self.port,
                workers=workers,
                shutdown_timeout=shutdown_timeout,
                http=http.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}"),
                machine=machine,
            )
        )
        self.environment = dict(os.environ, LD_LIBRARY_PATH=f"{self.root}/usr/lib/{machine}-linux-gnu")
        self.process = subprocess.Popen(
            [
                f"{self.root}/usr/sbin/nginx",
                "-p",
                folder,
                "-c",
                folder / "nginx.conf",
                "-e",
                folder / "error.log",
            ],
            env=self.environment,
        )
        try:
            wait_until(self._answers, "nginx answers")
        except AssertionError:
            self.close()
            raise AssertionError(self.errors()) from None

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.errors()
        try:
            return self.get("/plain")[0] > 0
        except OSError:
            return False

    def request(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """Status and text of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """A GET."""
        return self.request("GET", path)

    def json(self, path: str) -> Any:
        """The values of a GET's answer, which must be 200."""
        status, text = self.get(path)
        assert status == 200, f"{status} {text} {self.errors()}"
        return json.loads(text)

    def errors(self) -> str:
        """The error log."""
        log = self.folder / "error.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def workers(self) -> list[int]:
        """The processes of its workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def signal(self, number: int) -> None:
        """To the master."""
        self.process.send_signal(number)

    def end(self, number: int = signals.SIGQUIT) -> int:
        """Its exit code after this signal."""
        if self.process.poll() is None:
            self.signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Ends it, however it is."""
        if self.process.poll() is None:
            workers = self.workers()
            self.signal(signals.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in [self.process.pid, *workers]:
                    os.kill(pid, signals.SIGKILL)
                self.process.wait()
