"""The command line on a terminal: what it draws there, and how Ctrl-C leaves it. Elsewhere it draws nothing."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kca
import pytest
from support import DEADLINE_SECONDS
from test_command_line import Cluster

HIDDEN, SHOWN, UP = "\x1b[?25l", "\x1b[?25h", "\x1b[1A"


def has_terminals() -> bool:
    try:
        both = pty.openpty()
    except OSError:
        return False
    for end in both:
        os.close(end)
    return True


pytestmark = pytest.mark.skipif(not has_terminals(), reason="there is no devpts here")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster("orders", "copies")
    yield made
    made.system.shutdown()


class Terminal:
    """A command with some of its streams on a terminal of 100 columns."""

    def __init__(self, cluster: Cluster, *arguments: str, streams: str) -> None:
        self._master, slave = pty.openpty()
        environment = cluster.environment(TERM="xterm-256color", COLUMNS="100", PYTHONFAULTHANDLER="1")
        self.child = subprocess.Popen(
            [sys.executable, "-m", "kca.cli", *arguments],
            stdin=slave if "in" in streams else subprocess.PIPE,
            stdout=slave if "out" in streams else subprocess.PIPE,
            stderr=slave if "err" in streams else subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.screen = ""

    def wait_for(self, seen: Callable[[str], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while not seen(self.screen):
            assert select.select([self._master], [], [], end - time.monotonic())[0], f"no {what}: {self.screen!r}"
            assert self._read(), f"it ended without {what}: {self.screen!r}"

    def _read(self) -> bool:
        try:
            said = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.screen += said.decode(errors="replace")
        return said != b""

    def interrupt(self) -> int:
        """Ctrl-C; gives the exit code. What it wrote last is on the screen then."""
        self.child.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        end = time.monotonic() + DEADLINE_SECONDS
        while select.select([self._master], [], [], max(0, end - time.monotonic()))[0] and self._read():
            pass
        if time.monotonic() > end:
            self.child.send_signal(signal.SIGABRT)  # it says where it is
            while self._read():
                pass
            raise AssertionError(f"it does not end: {self.screen!r}")
        os.close(self._master)
        for stream in self.child.stdin, self.child.stdout, self.child.stderr:
            if stream:
                stream.close()
        return self.child.wait(DEADLINE_SECONDS)


def lagging(cluster: Cluster) -> None:
    """Ten messages, of which the group has committed four."""
    lines = "".join(f'{{"n":{n}}}\n' for n in range(10))
    cluster.run("publish", "-t", "orders", "thing", "-k", "k", given=lines)
    cluster.run("consume", "-G", "shop", "orders", "-c", "4")


def test_the_lag_is_drawn_again_and_again_until_ctrl_c(cluster: Cluster) -> None:
    lagging(cluster)
    terminal = Terminal(cluster, "lag", "shop", "-i", "0.1", streams="in out err")
    terminal.wait_for(lambda screen: screen.count("lag 6") >= 3, "third table")
    cluster.run("publish", "-t", "orders", "thing", "{}", "-k", "k")
    terminal.wait_for(lambda screen: "lag 7" in screen, "table with the new message")
    assert terminal.interrupt() == 0
    assert terminal.screen.startswith(HIDDEN)
    assert terminal.screen.count(HIDDEN) == terminal.screen.count(SHOWN) == 1
    assert UP in terminal.screen  # drawn over, and not below each other
    assert re.search("[▁▂▃▄▅▆▇█]{2}", terminal.screen)
    assert "Traceback" not in terminal.screen and "Abort" not in terminal.screen


def test_a_progress_bar_is_drawn_and_taken_away(cluster: Cluster, tmp_path: Path) -> None:
    lines = tmp_path / "orders.jsonl"
    lines.write_text("".join(f'{{"n":{n}}}\n' for n in range(20000)))
    terminal = Terminal(cluster, "publish", "-t", "orders", "thing", "-l", str(lines), streams="err")
    assert terminal.end() == 0, terminal.screen
    assert terminal.screen.count(HIDDEN) == terminal.screen.count(SHOWN) == 1
    assert re.search(r"[\d,]+ stored .*━", terminal.screen)
    last = terminal.screen[terminal.screen.index(SHOWN) :]
    assert "20,000 stored in orders" in last and "━" not in last


def test_ctrl_c_while_publishing_tells_how_far_it_came(cluster: Cluster) -> None:
    terminal = Terminal(cluster, "publish", "-t", "orders", "thing", streams="err")
    assert terminal.child.stdin
    terminal.child.stdin.write(b'{"n":1}\n' * 2000)
    terminal.child.stdin.flush()
    stored = kca.System(kca.Connection("local", cluster.address))
    with stored:
        ended = False
        end = time.monotonic() + DEADLINE_SECONDS
        while not ended:  # the bar itself is drawn late: stdin is read in blocks
            assert time.monotonic() < end
            told = stored.describe_cluster("local", "orders")
            ended = sum(p["end"] for p in told["topics"][0]["partitions"]) > 0
    assert terminal.interrupt() == 130
    assert terminal.screen.count(HIDDEN) == terminal.screen.count(SHOWN) == 1
    assert re.search(r"% [\d,]+ stored in orders", terminal.screen)
    assert "% interrupted: the messages that follow were not published" in terminal.screen
    assert "Traceback" not in terminal.screen


def test_off_a_terminal_nothing_is_drawn(cluster: Cluster) -> None:
    lagging(cluster)
    for arguments in ["lag", "shop"], ["lag", "shop", "--json"], ["topics"], ["publish", "-t", "orders", "a"]:
        ended = cluster.ended(*arguments, given="{}\n" * 100, TERM="xterm-256color")
        assert ended.returncode == 0
        assert "\x1b" not in ended.stdout + ended.stderr


def test_data_is_not_drawn_on_when_only_talk_goes_to_a_terminal(cluster: Cluster) -> None:
    lagging(cluster)
    terminal = Terminal(cluster, "lag", "shop", streams="in err")
    assert terminal.child.stdout
    said = terminal.child.stdout.read()
    assert terminal.end() == 0
    assert b"lag 6" in said and b"\x1b" not in said


def test_a_message_cannot_write_to_the_terminal_of_who_reads_it(cluster: Cluster) -> None:
    with kca.System(
        kca.Connection("local", cluster.address), kca.PublisherBuilder("local", "orders", required_acks=-1)
    ) as system:
        bus = system.event_bus("orders")
        odd: dict[str, bytes | str] = {"note": "\x9b31mnote", "bytes": b"\xc3\x28", "way": "\u202egnp"}
        bus.publish("a", b"\x1b]0;payload\x07", key="\x1b[2Jkey", headers=odd)
        bus.publish("a", '{"x":"\x7f\x9b\u202e"}', key="\x1b[2Jkey")
        bus.flush(10000)
    for form in [], ["--json"], ["-J"], ["-f", r"%k %s %h\n"]:
        terminal = Terminal(cluster, "consume", "-t", "orders", "-c", "2", *form, streams="in out err")
        assert terminal.end() == 0
        for obeyed in "\x1b]0;", "\x1b[2J", "\x9b", "\x7f", "\u202e", "\ufffd":
            assert obeyed not in terminal.screen, form
        escapes = ["\\x1b]0;payload\\x07", "\\x1b[2Jkey", "\\u009b31mnote", "\\xc3(", "\\u202egnp"]
        assert form in (["--json"], ["-J"]) or [e for e in escapes if e not in terminal.screen] == []
        assert "\\u007f" in terminal.screen or form
