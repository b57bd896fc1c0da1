"""Types and docstrings: what a developer's editor shows of the package is right and there. (Style: tests/lint.)"""

from __future__ import annotations

import inspect
import os
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import kca
import kca.asyncio
import kca.testing
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = Path(kca.__file__).parent
CONFIG = ROOT / "bindings/python/pyproject.toml"
# What SWIG writes is described as far as the package uses it; the command line is no library.
ALLOWED = r"kca\.(swig|_kca|cli)(\..*)?"


def run(cache: Path, *command: str) -> None:
    path = f"{PACKAGE.parent}:{ROOT / 'tests/python'}"
    environment = os.environ | {"MYPYPATH": path, "MYPY_CACHE_DIR": str(cache)}
    ended = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=800
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("what", ["kca", "tests", "examples"])
def test_types_are_strict(tmp_path: Path, what: str) -> None:
    files = ["-p", "kca"] if what == "kca" else [str(file) for file in sorted((ROOT / what / "python").glob("*.py"))]
    run(tmp_path, "mypy", "--config-file", str(CONFIG), *files)


def test_types_are_those_at_run_time(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(ALLOWED + "\n")
    run(tmp_path, "mypy.stubtest", "kca", "--allowlist", str(allowed), "--mypy-config-file", str(CONFIG))
    assert (PACKAGE / "py.typed").exists()


def public(module: ModuleType, names: list[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        thing = getattr(module, name)
        if not inspect.isclass(thing):
            continue
        yield f"{module.__name__}.{name}", thing
        for member, value in vars(thing).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                yield f"{module.__name__}.{name}.{member}", value


def test_all_that_is_public_has_a_docstring() -> None:
    loop = public(kca.asyncio, ["System", "Consumer", "Bus"])
    everything = [*public(kca, kca.__all__), *loop, *public(kca.testing, kca.testing.__all__)]
    assert len(everything) > 150
    assert [name for name, thing in everything if not inspect.getdoc(thing)] == []


def test_help_reads_well() -> None:
    text = pydoc.plain(pydoc.render_doc(kca.PublisherBuilder))
    assert "required_acks: 'int | None' = None" in text
    assert "0 none (default), 1 the partition's leader, -1 all in-sync replicas (acks)." in text
    assert "trace_context: traceparent and tracestate" in pydoc.plain(pydoc.render_doc(kca.Bus))
