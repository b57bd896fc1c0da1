#!/usr/bin/env python3
"""The built files that users load are hardened: `hardening_test.py FILE...`.

Relocations are read-only once the file is loaded, which happens at once; the stack is not executable; functions with
buffers watch their frames, and calls of the C library know the buffers' sizes; where jumps lead, `endbr64` stands.
"""

import platform
import subprocess
import sys
from pathlib import Path


def told(*command: str) -> str:
    """What the command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def faults_of(file: str) -> list[str]:
    """What the file lacks."""
    segments = told("readelf", "--wide", "--program-headers", file)
    symbols = told("readelf", "--wide", "--dyn-syms", file)
    stack = [line.split()[-2] for line in segments.splitlines() if "GNU_STACK" in line]
    has = {
        "read-only relocations": "GNU_RELRO" in segments,
        "binding at load": "BIND_NOW" in told("readelf", "--wide", "--dynamic", file),
        "a stack that is not executable": stack == ["RW"],
        "stack protector": "__stack_chk_fail" in symbols,
    }
    if Path(file).name.startswith("libkca"):  # the wrappers call nothing of that kind
        has["fortified calls"] = "_chk@" in symbols.replace("__stack_chk_fail", "")
    if platform.machine() == "x86_64":
        has["marks of jumps' targets"] = "endbr64" in told("objdump", "--disassemble", "--section=.text", file)
    return [f"{file}: lacks {what}" for what, is_there in has.items() if not is_there]


if __name__ == "__main__":
    found = [fault for file in sys.argv[1:] for fault in faults_of(file)]
    print("\n".join(found) or f"{len(sys.argv) - 1} files are hardened")
    sys.exit(1 if found or len(sys.argv) < 2 else 0)
