"""The command line `kca`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs `kca` with the process' arguments, and ends the process."""
    for name in "stdin", "stdout", "stderr":
        if getattr(sys, name) is None:  # it was closed
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115
    try:
        from .app import run
    except ModuleNotFoundError as e:
        if e.name not in {"typer", "rich", "click"}:
            raise
        print("kca: the command line needs typer and rich: pip install typer rich", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))
