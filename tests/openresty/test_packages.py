"""The Lua modules as cmake --install, LuaRocks and OpenResty's package manager put them down."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from server import ROOT, Server

BUILD = Path(os.environ.get("KCA_BUILD_FOLDER", ROOT / "build/dev"))
SOURCES = (
    "CMakeLists.txt",
    "CMakePresets.json",
    "LICENSE",
    "abi",
    "bindings",
    "cmake",
    "core",
    "docs",
)

# Lua's own paths come last, for lua-cjson.
ROUND_TRIP = """
local kca = require(arg[1])
local system = assert(kca.system(
  kca.connection("local", "embedded://"),
  kca.publisher("local", "orders", { async = false, required_acks = -1 }),
  kca.consumer("local", "orders", "shop", { partition = kca.PARTITION_EVERY })))
assert(system:handler("orderCreated", function(order)
  print("handled " .. order.amount)
  system:consumer("shop"):stop()
end))
assert(system:start())
assert(assert(system:event_bus("orders")):publish("orderCreated", { amount = 299.99 }))
assert(assert(system:consumer("shop")):run())
assert(system:shutdown())
"""

INTERPRETERS = [
    ("lua5.1", "5.1", "kca"),
    ("lua5.4", "5.4", "kca"),
    ("luajit", "5.1", "kca"),
    ("luajit", "5.1", "kca_ffi"),
]


def run(*command: str | Path, cwd: Path | None = None, **env: str) -> str:
    """What a command said, which must end with 0."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LUA_", "LD_"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean | env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def round_trip(folder: Path, interpreter: str, module: str, modules: Path, libraries: Path) -> None:
    script = folder / "round_trip.lua"
    script.write_text(ROUND_TRIP)
    paths = {"LUA_PATH": f"{modules}/?.lua;;", "LUA_CPATH": f"{libraries}/?.so;;"}
    assert "handled 299.99" in run(interpreter, script, module, **paths)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was moved: nothing may know where it was."""
    top = tmp_path_factory.mktemp("installed")
    run("cmake", "--install", BUILD, "--prefix", top / "first")
    (top / "first").rename(top / "moved")
    return top / "moved"


@pytest.mark.parametrize(("interpreter", "version", "module"), INTERPRETERS)
def test_an_installation_is_where_lua_looks(
    prefix: Path, tmp_path: Path, interpreter: str, version: str, module: str
) -> None:
    round_trip(
        tmp_path,
        interpreter,
        module,
        prefix / "share/lua" / version,
        prefix / "lib/lua" / version,
    )


def test_nothing_for_luajit_is_installed_for_54(prefix: Path) -> None:
    assert not (prefix / "share/lua/5.4/resty").exists()
    assert (prefix / "share/lua/5.1/resty/kca.lua").exists()


@pytest.mark.parametrize("layout", ["installed", "opm"])
def test_nginx_takes_what_is_installed(prefix: Path, tmp_path: Path, layout: str) -> None:
    modules = prefix / "share/lua/5.1"
    if layout == "opm":
        run(
            "cmake",
            "--install",
            BUILD,
            "--component",
            "opm",
            "--prefix",
            tmp_path / "opm",
        )
        names = {path.name for path in (tmp_path / "opm").iterdir()}
        assert names == {"dist.ini", "lib", "LICENSE", "README.md"}
        modules = tmp_path / "opm/lib"
    app = """
        local kca = require "resty.kca"
        local system = assert(kca.system(kca.connection("local", "embedded://"), kca.publisher("local", "orders")))
        assert(system:start())
        return { bus = assert(system:event_bus("orders")) }"""
    publish = 'ngx.say(require("kca.json").encode(assert(app.bus:publish("orderCreated", { id = 1 }))))'
    server = Server(
        tmp_path,
        app,
        {"/publish": publish},
        modules=modules,
        libraries=prefix / "lib/lua/5.1",
    )
    try:
        assert server.json("/publish")["topic"] == "orders"
    finally:
        server.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, for LuaRocks builds in it."""
    folder = tmp_path_factory.mktemp("rock") / "kca"
    folder.mkdir()
    for name in SOURCES:
        there = ROOT / name
        (shutil.copytree if there.is_dir() else shutil.copy)(there, folder / name)
    for rockspec in ROOT.glob("*.rockspec"):
        shutil.copy(rockspec, folder)
    return folder


@pytest.mark.parametrize(("version", "interpreters"), [("5.1", ("lua5.1", "luajit")), ("5.4", ("lua5.4",))])
def test_a_rock_is_built_and_loads(source: Path, tmp_path: Path, version: str, interpreters: tuple[str, ...]) -> None:
    tree = tmp_path / "tree"
    rocks = (
        "luarocks",
        "--lua-version",
        version,
        "make",
        "--deps-mode",
        "none",
        "--tree",
        tree,
    )
    run(*rocks, cwd=source, CMAKE_BUILD_PARALLEL_LEVEL="2", HOME=str(tmp_path))
    for interpreter in interpreters:
        round_trip(
            tmp_path,
            interpreter,
            "kca",
            tree / "share/lua" / version,
            tree / "lib/lua" / version,
        )
    if version == "5.1":
        round_trip(
            tmp_path,
            "luajit",
            "kca_ffi",
            tree / "share/lua" / version,
            tree / "lib/lua" / version,
        )
