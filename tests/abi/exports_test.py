"""What the libraries show: the functions of the header, each in its node of kca.map, and nothing else."""

from __future__ import annotations

import ctypes
import fnmatch
import re
import unittest

import contract
import surroundings
from surroundings import HEADER, LIBRARY, MAP, STATIC

surroundings.need("nm", "readelf")


def map_nodes() -> dict[str, list[str]]:
    """The names and patterns of kca.map by version node."""
    text = re.sub(r"/\*.*?\*/", "", MAP.read_text(encoding="utf-8"), flags=re.DOTALL)
    nodes = {}
    for node, body in re.findall(r"(\w+)\s*\{(.*?)\}", text, flags=re.DOTALL):
        shown = re.search(r"global:(.*?)(local:|$)", body, flags=re.DOTALL)
        nodes[node] = re.findall(r"[\w*!\[\]]+(?=;)", shown.group(1)) if shown else []
    return nodes


def node_of(function: str) -> str:
    """Where the map puts a function: by its name, else by a pattern."""
    nodes = map_nodes()
    named = [node for node, shown in nodes.items() if function in shown]
    matched = [node for node, shown in nodes.items() if any(fnmatch.fnmatchcase(function, name) for name in shown)]
    return (named + matched)[0]


class Exports(surroundings.TestCase):
    """The shared library, and the static one."""

    def test_the_library_shows_the_headers_functions(self) -> None:
        said = self.succeeds("nm", "-D", "--defined-only", LIBRARY)
        symbols = [line.split()[-2:] for line in said.splitlines()]
        shown = [name for kind, name in symbols if kind != "A"]  # A: the version nodes themselves
        wanted = [f"{name}@@{node_of(name)}" for name in contract.read(HEADER).functions]
        self.assertEqual(sorted(shown), sorted(wanted))

    def test_soname_is_the_abi(self) -> None:
        said = self.succeeds("readelf", "-d", LIBRARY)
        self.assertIn("Library soname: [libkca.so.1]", said)
        self.assertEqual(ctypes.CDLL(str(LIBRARY)).kca_abi(), 1)

    def test_no_path_of_this_machine_is_in_it(self) -> None:
        said = self.succeeds("readelf", "-d", LIBRARY)
        self.assertNotRegex(said, "RPATH|RUNPATH")

    def test_the_static_library_keeps_to_its_prefix(self) -> None:
        said = self.succeeds("nm", "--defined-only", "--extern-only", STATIC)
        names = [line.split()[-1] for line in said.splitlines() if len(line.split()) == 3]
        self.assertTrue(names)
        self.assertEqual([name for name in names if not re.match("kca_[a-z_]", name)], [])


if __name__ == "__main__":
    unittest.main()
