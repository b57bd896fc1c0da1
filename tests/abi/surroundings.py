"""Where the tests of this folder find things; CMakeLists.txt sets the variables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABI = ROOT / "abi"
HEADER = ABI / "kca_abi.h"
MAP = ABI / "kca.map"
FROZEN = Path(__file__).resolve().parent / "frozen"

BUILD = Path(os.environ.get("KCA_BUILD", ROOT / "build" / "dev"))
LIBRARY = Path(os.environ.get("KCA_LIBRARY", BUILD / "libkca.so.1"))
STATIC = Path(os.environ.get("KCA_STATIC_LIBRARY", BUILD / "libkca.a"))
CC = os.environ.get("KCA_CC", "cc")
CC_FLAGS = os.environ.get("KCA_CC_FLAGS", "").split()

SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def need(*tools: str) -> None:
    """Skips the whole test when a program is missing; tests/packages installs them all."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        print(f"skipped, not installed: {', '.join(missing)}")
        sys.exit(SKIPPED)


def scratch() -> Path:
    """A new directory, which the caller removes."""
    return Path(tempfile.mkdtemp(prefix="kca-abi-"))


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 800,
) -> subprocess.CompletedProcess[str]:
    """Runs a command; its output and errors come together as text."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", **(env or {})},
        timeout=timeout,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


class TestCase(unittest.TestCase):
    """With a scratch directory for each test."""

    scratch: Path
    maxDiff = None

    def setUp(self) -> None:
        """Makes the scratch directory."""
        self.scratch = scratch()
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def write(self, name: str, text: str) -> Path:
        """Writes a file into the scratch directory."""
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def succeeds(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 800,
    ) -> str:
        """Runs a command that must end with 0; gives what it said."""
        done = run(command, cwd=cwd, env=env, timeout=timeout)
        if done.returncode != 0:
            line = " ".join(str(word) for word in command)
            self.fail(f"{line}\nended with {done.returncode}:\n{done.stdout}")
        return done.stdout
