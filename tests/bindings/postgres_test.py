"""The example of bulk inserts, examples/python/rows.py, into a real PostgreSQL on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from waits import wait_for

ROOT = Path(__file__).parents[2]
ROWS = 5000
PATIENCE_SECONDS = 300


def programs() -> Path:
    """The folder of PostgreSQL's programs; Debian has one for each version."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]


@pytest.fixture
def dsn() -> Iterator[str]:
    """A server that keeps nothing, in a folder of its own; it does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="kca-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    initdb = [programs() / "initdb", "-D", data, "-U", "kca", "--auth=trust", "--no-sync", "--encoding=UTF8"]
    made = subprocess.run(initdb, user=user, cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    server = subprocess.Popen(
        [programs() / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        user=user, cwd=folder, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"host={folder} user=kca dbname=postgres"
    try:
        wait_for(lambda: is_there(address), "PostgreSQL", PATIENCE_SECONDS)
        yield address
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def is_there(address: str) -> bool:
    try:
        psycopg2.connect(address).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_a_thousand_rows_go_in_one_statement_and_the_bad_one_is_found(dsn: str) -> None:
    example = [sys.executable, ROOT / "examples/python/rows.py", dsn, "embedded://", str(ROWS)]
    told = subprocess.run(example, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{ROWS - 1} rows, at most 1000 in one statement; 1 dead letter\n"
    with psycopg2.connect(dsn) as database, database.cursor() as cursor:
        cursor.execute("select count(*), min(id), max(id) from reading")
        assert cursor.fetchone() == (ROWS - 1, 0, ROWS - 1)
