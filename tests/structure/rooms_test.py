#!/usr/bin/env python3
"""The rooms of core/, lower first: a file includes only its own room and those before it.

Nothing lies outside a room; a header named *_private.h is for its own room; core/ calls nothing that abi/ exports,
which stands above all rooms; and only base/thread.c makes threads, with their signals blocked.
"""

import re
import sys
from pathlib import Path

ROOMS = ["base", "json", "message", "telemetry", "kafka", "connection", "outbound", "dead_letter", "engine", "inbound",
         "asking", "redrive", "system"]  # fmt: skip

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)


def faults_of_include(file: Path, target: str) -> list[str]:
    """What is wrong with one include of a file in a room."""
    room, _, name = target.partition("/")
    own = file.parent.name
    if target in ("kca.h", "kca_abi.h"):  # the contract's types and constants
        return []
    if room not in ROOMS or not name:
        return [f"includes {target}, which is in no room"]
    if ROOMS.index(room) > ROOMS.index(own):
        return [f"includes {target}: {room} comes after {own}"]
    if name.endswith("_private.h") and room != own:
        return [f"includes {target}, which is private to {room}"]
    return []


def exported(root: Path) -> set[str]:
    """The functions that the contract declares."""
    header = COMMENT_OR_TEXT.sub("", (root / "abi/kca_abi.h").read_text())
    return set(re.findall(r"\b(kca_[a-z0-9_]+)\(", header))


def faults_of(file: Path, functions: set[str]) -> list[str]:
    if file.parent.name not in ROOMS:
        return ["is in no room"]
    text = file.read_text()
    found = [fault for target in INCLUDE.findall(text) for fault in faults_of_include(file, target)]
    calls = set(re.findall(r"\b(kca_[a-z0-9_]+)\(", COMMENT_OR_TEXT.sub("", text))) & functions
    if re.search(r"\b(pthread|thrd)_create\(", text) and not str(file).endswith("core/base/thread.c"):
        found.append("makes a thread: base/thread.h does")
    return found + [f"calls {name}, which abi/ exports" for name in sorted(calls)]


def all_faults(root: Path) -> list[str]:
    files = sorted((root / "core").rglob("*.[ch]"))
    assert len(files) > 100, f"only {len(files)} files in {root}/core"
    functions = exported(root)
    assert "kca_system_start" in functions
    return [f"{file.relative_to(root)} {fault}" for file in files for fault in faults_of(file, functions)]


def test_each_rule_is_held_against_a_file_that_breaks_it(scratch: Path) -> None:
    broken = {
        "core/base/log.c": '#include "message/wire_time.h"\n',
        "core/flat.c": "",
        "core/inbound/inbound.c": '#include "engine/engine_private.h"\n',
        "core/engine/engine.c": '#include "engine.h"\n',
        "core/base/clock.c": "pthread_create(&t, NULL, run, NULL);\n",
        "core/system/describe.c": "/* kca_commented() */ void f(void) { kca_version(); }\n",
    }
    (scratch / "abi").mkdir()
    (scratch / "abi/kca_abi.h").write_text("const char *kca_version(void);\nvoid kca_commented(void);\n")
    for name, text in broken.items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_text(text)
        found = faults_of(scratch / name, exported(scratch))
        assert len(found) == 1, f"{name}: {found}"


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        test_each_rule_is_held_against_a_file_that_breaks_it(Path(scratch))
    found = all_faults(Path(sys.argv[1]))
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
