"""The package as pip installs it: from the source tree, from the source distribution, from the repaired wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bindings" / "python"
TOOLS = Path(sys.executable).parent
WHEELS = TOOLS.parent / "wheels"

# What the wheel must bring along; libc, libz and their like are every machine's.
CARRIED = {"libkca", "librdkafka", "libcjson", "libssl", "libcrypto"}

# The libraries that this process has loaded come after what it handled.
ROUND_TRIP = """
import kca

system = kca.System()
system.add_connection(kca.Connection("local", "embedded://"))
system.add_publisher(kca.PublisherBuilder("local", "orders").with_async(False).with_required_acks(-1))
system.add_consumer(kca.ConsumerBuilder("local", "orders", "shop").with_partition(-2))


@system.handler("orderCreated")
def handle(order, message):
    print("handled", order["amount"])
    consumer.stop()


system.start()
system.event_bus("orders").publish("orderCreated", {"amount": 299.99})
consumer = system.consumer("shop")
consumer.run()
system.shutdown()
for line in open("/proc/self/maps"):
    if ".so" in line:
        print("loaded", line.split()[-1])
"""


def attempt(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in these surroundings; what it says and its errors come together."""
    words = [str(word) for word in command]
    return subprocess.run(words, env=env, text=True, stdout=-1, stderr=subprocess.STDOUT, timeout=800, check=False)


def run(*command: str | Path, **env: str) -> str:
    """Runs a command that must end with 0, with the tools in PATH; gives what it said."""
    surroundings = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", **env}
    surroundings.pop("PYTHONPATH", None)
    done = attempt(*command, **surroundings)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def loaded(python: Path, **env: str) -> set[str]:
    """Makes a round trip in a process of this Python; the libraries that it has loaded from its environment."""
    said = run(python, "-I", "-c", ROUND_TRIP, **env).splitlines()
    assert said[0] == "handled 299.99"
    paths = [Path(line.removeprefix("loaded ")) for line in said[1:]]
    own = [path.name for path in paths if path.is_relative_to(python.parents[1])]
    return {name.split(".")[0].split("-")[0] for name in own}


def clean(folder: Path, python: str = sys.executable) -> Path:
    """A virtual environment with nothing in it; its Python."""
    run(python, "-m", "venv", "--without-pip", folder)
    return folder / "bin" / "python"


def install(python: Path, *words: str | Path) -> None:
    """Lets pip install this for a Python that has no pip."""
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", *words)


def pythons() -> list[str]:
    """The Pythons of this machine that the wheel is for."""
    named = [shutil.which(f"python3.{minor}") for minor in range(10, 20)]
    return [name for name in named if name and attempt(name, "-m", "venv", "-h", **os.environ).returncode == 0] or [
        sys.executable
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a source distribution, and a wheel that was made from it."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, PACKAGE)
    return folder


@pytest.fixture(scope="module")
def repaired(built: Path) -> Path:
    """The wheel with the libraries that it needs."""
    [wheel] = built.glob("*.whl")
    run("auditwheel", "repair", "-w", built / "repaired", wheel)
    [found] = (built / "repaired").glob("*.whl")
    return found


def test_the_wheel_is_for_every_python_from_3_10_on(repaired: Path) -> None:
    assert repaired.name.startswith("kca-0.1.0-cp310-abi3-manylinux_2_")


@pytest.mark.parametrize("python", pythons())
def test_the_repaired_wheel_needs_nothing_of_the_machine(repaired: Path, tmp_path: Path, python: str) -> None:
    made = clean(tmp_path / "venv", python)
    install(made, "--no-deps", repaired)
    # Found first by whoever looks for the machine's own: the process does not start then.
    decoys = tmp_path / "decoys"
    decoys.mkdir()
    for name in "librdkafka.so.1", "libkca.so.1", "libcjson.so.1":
        (decoys / name).write_text("no library")
    assert loaded(made, LD_LIBRARY_PATH=str(decoys)) >= CARRIED


def test_the_wheel_does_not_know_where_it_was_built(repaired: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(repaired, tmp_path, "zip")
    binaries = [path for path in tmp_path.rglob("*") if ".so" in path.name]
    assert len(binaries) > len(CARRIED)
    for binary in binaries:
        assert str(ROOT).encode() not in binary.read_bytes(), binary


def test_pip_installs_the_source_tree(tmp_path: Path) -> None:
    made = clean(tmp_path / "venv")
    before = set(PACKAGE.rglob("*"))
    install(made, "--find-links", WHEELS, PACKAGE)
    assert set(PACKAGE.rglob("*")) == before
    assert "libkca" in loaded(made)
    assert run(made.parent / "kca", "--version").startswith("kca 0.1.0, librdkafka ")


def test_a_free_threaded_python_is_refused_in_one_line(tmp_path: Path) -> None:
    pretends = "import sysconfig; sysconfig.get_config_vars().update(Py_GIL_DISABLED=1, ABIFLAGS='t')"
    (tmp_path / "sitecustomize.py").write_text(pretends)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "-w",
        str(tmp_path),
        PACKAGE,
    ]
    done = attempt(*command, **{**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode != 0
    assert "kca: free-threaded Python is not supported, use a Python with the GIL" in done.stdout
