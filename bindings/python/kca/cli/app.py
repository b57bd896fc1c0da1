"""The commands together, and how the process ends."""

from __future__ import annotations

import re
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

import kca

from .._kca import kca_rdkafka_version as rdkafka_version
from .bench import bench
from .consume import consume
from .dead_letters import app as dead_letters
from .doctor import doctor
from .endpoints import endpoints
from .output import Trouble, Wrong, close, say
from .publish import publish
from .secrets import forget
from .topics import lag, topics


class _ReaderGone(Exception):
    """The program that read stdout has closed it."""


# Wrong usage of any kind, for which typer has no public name.
_UsageError: Any = typer.BadParameter.__base__


class _Commands(TyperGroup):
    """Commands that tell a closed stdout from other failures, which typer does not."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGone from None
        except _UsageError as e:  # an argument too many may be a secret: `-X sasl.password hunter2`
            e.message = re.sub(r"(?s)^(Got unexpected extra argument\S*) \(.*", r"\1", e.message)
            raise


app = typer.Typer(
    name="kca",
    cls=_Commands,
    help="Publish and read messages, and look after topics, groups and dead letters.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in publish, consume, topics, lag, endpoints, doctor, bench:
    app.command()(command)
app.add_typer(dead_letters, name="dead-letters")


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the versions of kca and librdkafka."),
) -> None:
    """Publish and read messages, and look after topics, groups and dead letters."""
    if version:
        print(f"kca {kca.__version__}, librdkafka {rdkafka_version()}")
        raise typer.Exit()


# kcat's modes.
_MODES = {"-P": "publish", "-C": "consume", "-L": "topics"}


def translated(arguments: Sequence[str]) -> list[str]:
    """For users of kcat: `kca -b host -t topic -C` becomes `kca consume -b host -t topic`; `-G` alone means `-C`."""
    if not arguments or not arguments[0].startswith("-"):
        return list(arguments)
    for mode, command in _MODES.items():
        if mode in arguments:
            at = list(arguments).index(mode)
            return [command, *arguments[:at], *arguments[at + 1 :]]
    return ["consume", *arguments] if "-G" in arguments else list(arguments)


def run(arguments: Sequence[str]) -> int:
    """Runs a command. Gives its exit code: 0 success, 1 failure, 2 wrong usage, 130 interrupted."""
    forget()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in sys.stdout, sys.stderr:
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _code_of(arguments)
        sys.stdout.flush()
    except (_ReaderGone, BrokenPipeError):
        close()
        return 0
    except OSError as e:  # it cannot be written
        say(f"ERROR: stdout: {e.strerror}")
        close()
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _code_of(arguments: Sequence[str]) -> int:
    try:
        app(translated(arguments), prog_name="kca")
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    except _ReaderGone:
        raise
    except (Wrong, kca.ArgumentError) as e:
        say(f"ERROR: {e}")
        return 2
    except OverflowError as e:  # a number that no option can be
        say(f"ERROR: a number is too large: {e}")
        return 2
    except (Trouble, kca.Error, OSError, ValueError) as e:
        say(f"ERROR: {e}")
        return 1
    except Exception as e:  # a fault of kca's own, or of an application that it loads
        at = traceback.extract_tb(e.__traceback__)[-1]
        say(f"ERROR: {type(e).__name__}: {e} ({at.filename}:{at.lineno})")
        return 1
    return 0
