"""Real applications of others beside kca: a Spring Boot application, and a worker of Kafka Connect."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from waits import wait_for

if TYPE_CHECKING:
    from typing import Self

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build/foreign"
JAVA = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
PATIENCE_SECONDS = 300


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Until the condition holds."""
    wait_for(condition, what, PATIENCE_SECONDS)


class Application:
    """A process of Java in a folder of its own, with its log; ends with `close`."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*JAVA, *arguments], cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def await_line(self, text: str) -> None:
        """Until the log has it."""
        wait_until(lambda: text in self.text(), f"the log says {text!r}")

    def text(self) -> str:
        """The log."""
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        return self.log.read_text(errors="replace")

    def close(self) -> None:
        """Ends it."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Spring(Application):
    """spring/Application.java. The `topics` of its prefix must be there."""

    @staticmethod
    def topics(prefix: str) -> list[str]:
        """Those that it reads and writes, besides retry topics and dead letters."""
        return [f"{prefix}.{name}" for name in ("plain", "retried", "typed", "handled")]

    def __init__(self, folder: Path, brokers: str, prefix: str) -> None:
        folder.mkdir()
        classes = folder / "classes"
        jars = ":".join(map(str, (BUILD / "spring/lib").glob("*.jar")))
        compiler = ["java", "-m", "jdk.compiler/com.sun.tools.javac.Main", "-parameters", "-d", str(classes)]
        subprocess.run([*compiler, "-cp", jars, str(HERE / "spring/Application.java")], check=True)
        self.stock = folder / "stock"
        serializer = "org.apache.kafka.common.serialization.ByteArray"
        options = {
            "bootstrap-servers": brokers,
            "consumer.auto-offset-reset": "earliest",
            "consumer.key-deserializer": f"{serializer}Deserializer",
            "consumer.value-deserializer": f"{serializer}Deserializer",
            "producer.key-serializer": f"{serializer}Serializer",
            "producer.value-serializer": f"{serializer}Serializer",
        }
        arguments = [f"--spring.kafka.{name}={value}" for name, value in options.items()]
        given = [f"-Dprefix={prefix}", f"-Dstock={self.stock}"]
        super().__init__(folder, [*given, "-cp", f"{classes}:{jars}", "Application", *arguments])

    def calls(self, value: str) -> int:
        """How often a listener was called with this value."""
        return sum(line.startswith("call ") and line.endswith(value) for line in self.text().splitlines())


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Connect(Application):
    """A standalone worker with a connector for each name, of these properties."""

    def __init__(self, folder: Path, brokers: str, connectors: dict[str, dict[str, str]]) -> None:
        folder.mkdir()
        worker = {
            "bootstrap.servers": brokers,
            "listeners": f"http://127.0.0.1:{free_port()}",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.storage.file.filename": str(folder / "offsets"),
            "offset.flush.interval.ms": "500",
            "plugin.discovery": "service_load",
            "consumer.auto.offset.reset": "earliest",
            "consumer.metadata.max.age.ms": "1000",
        }
        files = []
        for name, properties in ({"worker": worker} | connectors).items():
            files.append(folder / f"{name}.properties")
            files[-1].write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        main = "org.apache.kafka.connect.cli.ConnectStandalone"
        super().__init__(folder, ["-cp", str(BUILD / "connect/lib/*"), main, *map(str, files)])
